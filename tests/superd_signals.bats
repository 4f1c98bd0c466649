# How superd stops, and what else it is told by signals.

load helper

HELLO='echo here; cat'

# One connection that stays; its program's process id is CHILD.
occupy() {
	background "$TALK" "$@" >"$BATS_TEST_TMPDIR/occupied"
	CLIENT=$BG_PID
	wait_for_line here "$BATS_TEST_TMPDIR/occupied"
	CHILD=$(pgrep -P "$SUPERD_PID")
}

# The log has that many lines that match.
log_has() {
	[ "$(grep -c -e "$2" "$LOG")" -eq "$1" ]
}

@test "TERM stops superd, with status 0" {
	superd_start -p 0 cat
	superd_stop TERM
	run ask "$PORT" </dev/null
	assert_failure
}

@test "INT stops superd, with status 0" {
	superd_start -p 0 cat
	superd_stop INT
}

@test "TERM lets a running session finish, and takes no new one" {
	superd_start -p 0 sh -c "$HELLO"
	occupy "$PORT" line "file:$BATS_TEST_TMPDIR/go" 'send:to the end\n' shut all
	kill -TERM "$SUPERD_PID"
	wait_until sh -c "! nc -z 127.0.0.1 $PORT"
	kill -0 "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/go"
	superd_wait
	[ "$(cat "$BATS_TEST_TMPDIR/occupied")" = $'here\nto the end' ]
	grep -q "EXIT: sh status=0 pid=$CHILD " "$LOG"
}

@test "TERM resets nobody who has connected: who waits in the backlog is served" {
	superd_start -p 0 cat
	kill -STOP "$SUPERD_PID"
	background "$TALK" -c 40 "$PORT" 'send:hello\n' shut "file:$BATS_TEST_TMPDIR/go" all >"$BATS_TEST_TMPDIR/replies"
	waiting_are_40() { [ "$(ss -Hltn "sport = :$PORT" | awk '{ sum += $2 } END { print sum }')" -eq 40 ]; }
	wait_until waiting_are_40
	kill -TERM "$SUPERD_PID"
	kill -CONT "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/go"
	superd_wait
	wait_until is_gone "$BG_PID"
	[ "$(grep -cx hello "$BATS_TEST_TMPDIR/replies")" -eq 40 ]
}

@test "past drain_time, TERM reaches the process group of each program" {
	superd_start -p 0 -o drain_time=1 sh -c 'sleep 1000 & echo here $!; wait'
	occupy "$PORT" line hold
	sleeper=$(sed -n 's/^here //p' "$BATS_TEST_TMPDIR/occupied")
	superd_stop TERM
	wait_until is_gone "$sleeper"
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "a program that ignores TERM past drain_time gets KILL" {
	superd_start -p 0 -o drain_time=1 sh -c 'trap "" TERM; echo here; while :; do sleep 1; done'
	occupy "$PORT" line hold
	superd_stop TERM
	grep -q "EXIT: sh signal=9 pid=$CHILD " "$LOG"
}

@test "drain_time = 0 does not wait" {
	superd_start -p 0 -o drain_time=0 sh -c "$HELLO"
	occupy "$PORT" line hold
	superd_stop TERM
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "a second TERM does not wait for drain_time" {
	superd_start -p 0 -o drain_time=1000 sh -c "$HELLO"
	occupy "$PORT" line hold
	kill -TERM "$SUPERD_PID"
	wait_until sh -c "! nc -z 127.0.0.1 $PORT"
	kill -0 "$CHILD"
	superd_stop TERM
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "QUIT exits at once and touches no child" {
	superd_start -p 0 sh -c "$HELLO"
	occupy "$PORT" line "file:$BATS_TEST_TMPDIR/go" 'send:still served\n' shut all
	remember "$CHILD"
	superd_stop QUIT
	kill -0 "$CHILD"
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT"
	[ "$(cat "$BATS_TEST_TMPDIR/occupied")" = $'here\nstill served' ]
}

@test "a new superd can listen at once on the port of one that left sessions behind" {
	superd_start -p 0 sh -c "$HELLO"
	port=$PORT
	occupy "$PORT" line hold
	remember "$CHILD"
	superd_stop QUIT
	superd_start -p "$port" sh -c "$HELLO"
	run ask "$port" </dev/null
	assert_output here
}

@test "HUP is harmless without a configuration file" {
	superd_start -p 0 sh -c "$HELLO"
	occupy "$PORT" line "file:$BATS_TEST_TMPDIR/go" 'send:still served\n' shut all
	kill -HUP "$SUPERD_PID"
	kill -USR1 "$SUPERD_PID"
	run ask "$PORT" </dev/null
	assert_output here
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT"
	[ "$(cat "$BATS_TEST_TMPDIR/occupied")" = $'here\nstill served' ]
	run grep -i error "$LOG"
	assert_failure
}

@test "USR1 logs the service's state" {
	superd_start -p 0 -b 127.0.0.1 sh -c "$HELLO"
	occupy "$PORT" line hold
	before=$(wc -l <"$LOG")
	kill -USR1 "$SUPERD_PID"
	new_line_names_service() {
		tail -n +$((before + 1)) "$LOG" | grep '^superd: .*sh.*1'
	}
	wait_until new_line_names_service
	run ask "$PORT" </dev/null
	assert_output here
}

@test "a storm of signals loses no child and no connection" {
	superd_start -p 0 -o instances=UNLIMITED cat
	(for _ in $(seq 200); do kill -USR1 "$SUPERD_PID" && kill -HUP "$SUPERD_PID"; done) &
	storm=$!
	for n in $(seq 20); do
		run ask "$PORT" <<<"$n"
		assert_output "$n"
	done
	wait "$storm"
	wait_until children_are 0
	wait_until log_has 20 EXIT
}

@test "children that end together are all reaped and said" {
	superd_start -p 0 sh -c 'echo here; read -r line'
	"$TALK" -c 100 "$PORT" line shut all >/dev/null
	wait_until children_are 0
	wait_until log_has 100 'EXIT: sh status=1 '
}
