# How superd stops, and what else it is told by signals.

load ../lib/superd
load ../lib/client

HELLO='echo here; cat'

# One connection that stays; its program's process id is CHILD.
open_program() {
	start_background "$CLIENT" "$@" >"$BATS_TEST_TMPDIR/occupied"
	CLIENT_PID=$BG_PID
	wait_for_line here "$BATS_TEST_TMPDIR/occupied"
	CHILD=$(pgrep -P "$SUPERD_PID")
}

@test "TERM stops superd, with status 0" {
	start_superd -p 0 cat
	stop_superd TERM
	run ask "$PORT" </dev/null
	assert_failure
}

@test "INT stops superd, with status 0" {
	start_superd -p 0 cat
	stop_superd INT
}

@test "TERM lets a running session finish, and takes no new one" {
	start_superd -p 0 sh -c "$HELLO"
	open_program "$PORT" line "file:$BATS_TEST_TMPDIR/go" 'send:to the end\n' shut all
	kill -TERM "$SUPERD_PID"
	wait_until sh -c "! nc -z 127.0.0.1 $PORT"
	kill -0 "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/go"
	wait_superd
	[ "$(cat "$BATS_TEST_TMPDIR/occupied")" = $'here\nto the end' ]
	grep -q "EXIT: sh status=0 pid=$CHILD " "$LOG"
}

@test "TERM resets nobody who has connected: who waits in the backlog is served" {
	start_superd -p 0 cat
	kill -STOP "$SUPERD_PID"
	start_background "$CLIENT" -c 40 "$PORT" 'send:hello\n' shut "file:$BATS_TEST_TMPDIR/go" all >"$BATS_TEST_TMPDIR/replies"
	waiting_are_40() { [ "$(ss -Hltn "sport = :$PORT" | awk '{ sum += $2 } END { print sum }')" -eq 40 ]; }
	wait_until waiting_are_40
	kill -TERM "$SUPERD_PID"
	kill -CONT "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/go"
	wait_superd
	wait_until is_gone "$BG_PID"
	[ "$(grep -cx hello "$BATS_TEST_TMPDIR/replies")" -eq 40 ]
}

@test "past drain_time, TERM reaches the process group of each program" {
	start_superd -p 0 -o drain_time=1 sh -c 'sleep 1000 & echo here $!; wait'
	open_program "$PORT" line hold
	sleeper=$(sed -n 's/^here //p' "$BATS_TEST_TMPDIR/occupied")
	stop_superd TERM
	wait_until is_gone "$sleeper"
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "a program that ignores TERM past drain_time gets KILL" {
	start_superd -p 0 -o drain_time=1 sh -c 'trap "" TERM; echo here; while :; do sleep 1; done'
	open_program "$PORT" line hold
	stop_superd TERM
	grep -q "EXIT: sh signal=9 pid=$CHILD " "$LOG"
}

@test "drain_time = 0 does not wait" {
	start_superd -p 0 -o drain_time=0 sh -c "$HELLO"
	open_program "$PORT" line hold
	stop_superd TERM
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "a second TERM does not wait for drain_time" {
	start_superd -p 0 -o drain_time=1000 sh -c "$HELLO"
	open_program "$PORT" line hold
	kill -TERM "$SUPERD_PID"
	wait_until sh -c "! nc -z 127.0.0.1 $PORT"
	kill -0 "$CHILD"
	stop_superd TERM
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "QUIT exits at once and touches no child" {
	start_superd -p 0 sh -c "$HELLO"
	open_program "$PORT" line "file:$BATS_TEST_TMPDIR/go" 'send:still served\n' shut all
	end_at_teardown "$CHILD"
	stop_superd QUIT
	kill -0 "$CHILD"
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/occupied")" = $'here\nstill served' ]
}

@test "a new superd can listen at once on the port of one that left sessions behind" {
	start_superd -p 0 sh -c "$HELLO"
	port=$PORT
	open_program "$PORT" line hold
	end_at_teardown "$CHILD"
	stop_superd QUIT
	start_superd -p "$port" sh -c "$HELLO"
	run ask "$port" </dev/null
	assert_output here
}

@test "HUP is harmless without a configuration file" {
	start_superd -p 0 sh -c "$HELLO"
	open_program "$PORT" line "file:$BATS_TEST_TMPDIR/go" 'send:still served\n' shut all
	kill -HUP "$SUPERD_PID"
	kill -USR1 "$SUPERD_PID"
	run ask "$PORT" </dev/null
	assert_output here
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/occupied")" = $'here\nstill served' ]
	run grep -i error "$LOG"
	assert_failure
}

@test "USR1 logs the service's state" {
	start_superd -p 0 -b 127.0.0.1 sh -c "$HELLO"
	open_program "$PORT" line hold
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
	start_superd -p 0 -o instances=UNLIMITED cat
	(for _ in $(seq 200); do kill -USR1 "$SUPERD_PID" && kill -HUP "$SUPERD_PID"; done) &
	storm=$!
	for n in $(seq 20); do
		run ask "$PORT" <<<"$n"
		assert_output "$n"
	done
	wait "$storm"
	wait_until has_children 0
	wait_until log_has 20 EXIT
}

@test "children that end together are all reaped and said" {
	start_superd -p 0 sh -c 'echo here; read -r line'
	"$CLIENT" -c 100 "$PORT" line shut all >/dev/null
	wait_until has_children 0
	wait_until log_has 100 'EXIT: sh status=1 '
}
