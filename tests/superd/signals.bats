# SPDX-License-Identifier: ISC
# How superd stops, and its other signals.

load ../lib/superd
load ../lib/client

HELLO='echo here; cat'

# open_program PORT STEP...: open a connection whose program greets it, and do the steps. Sets CLIENT_PID, and CHILD, the process
# id of the program.
open_program() {
	start_background "$CLIENT" "$@" >"$BATS_TEST_TMPDIR/occupied"
	CLIENT_PID=$BG_PID
	wait_for_line here "$BATS_TEST_TMPDIR/occupied"
	CHILD=$(pgrep -P "$SUPERD_PID")
}

@test "TERM: no program runs, superd exits with status 0" {
	start_superd -p 0 cat
	stop_superd TERM
	run ask "$PORT" </dev/null
	assert_failure
}

@test "INT: no program runs, superd exits with status 0" {
	start_superd -p 0 cat
	stop_superd INT
}

@test "TERM: a program runs, it finishes and superd accepts no new client" {
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

@test "TERM: 40 clients are in the backlog, superd serves all of them" {
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

@test "drain_time: it expires, the process group of each program gets TERM" {
	start_superd -p 0 -o drain_time=1 sh -c 'sleep 1000 & echo here $!; wait'
	open_program "$PORT" line hold
	sleeper=$(sed -n 's/^here //p' "$BATS_TEST_TMPDIR/occupied")
	stop_superd TERM
	wait_until is_gone "$sleeper"
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "drain_time: it expires and a program ignores TERM, KILL ends it" {
	needs root
	start_superd -p 0 -o drain_time=1 sh -c 'trap "" TERM; echo here; while :; do sleep 1; done'
	open_program "$PORT" line hold
	stop_superd TERM
	grep -q "EXIT: sh signal=9 pid=$CHILD " "$LOG"
}

@test "drain_time: 0, superd does not wait" {
	start_superd -p 0 -o drain_time=0 sh -c "$HELLO"
	open_program "$PORT" line hold
	stop_superd TERM
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "TERM: a second one, superd does not wait for drain_time" {
	start_superd -p 0 -o drain_time=1000 sh -c "$HELLO"
	open_program "$PORT" line hold
	kill -TERM "$SUPERD_PID"
	wait_until sh -c "! nc -z 127.0.0.1 $PORT"
	kill -0 "$CHILD"
	stop_superd TERM
	grep -q "EXIT: sh signal=15 pid=$CHILD " "$LOG"
}

@test "QUIT: a program runs, superd exits at once and the program continues" {
	start_superd -p 0 sh -c "$HELLO"
	open_program "$PORT" line "file:$BATS_TEST_TMPDIR/go" 'send:still served\n' shut all
	end_at_teardown "$CHILD"
	stop_superd QUIT
	kill -0 "$CHILD"
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/occupied")" = $'here\nstill served' ]
}

@test "QUIT: a program continues, a new superd listens at the port at once" {
	start_superd -p 0 sh -c "$HELLO"
	port=$PORT
	open_program "$PORT" line hold
	end_at_teardown "$CHILD"
	stop_superd QUIT
	start_superd -p "$port" sh -c "$HELLO"
	run ask "$port" </dev/null
	assert_output here
}

@test "HUP: without -c, it is TERM: the program finishes, superd exits 0" {
	start_superd -p 0 sh -c "$HELLO"
	open_program "$PORT" line "file:$BATS_TEST_TMPDIR/go" 'send:still served\n' shut all
	kill -HUP "$SUPERD_PID"
	wait_for_line '^superd: stopping: 1 programs running'
	kill -HUP "$SUPERD_PID" # the shell's and the kernel's: one end of a terminal
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/occupied")" = $'here\nstill served' ]
	wait_superd
}

@test "HUP: without -c, ignored at start (nohup), superd serves, after an upgrade too, and the program has its default" {
	SUPERD_PREFIX=(nohup)
	start_superd -p 0 sh -c 'grep SigIgn /proc/self/status'
	for _ in 1 2; do
		kill -HUP "$SUPERD_PID"
		run ask "$PORT" </dev/null
		assert_output --regexp '0000000$'
		kill -USR2 "$SUPERD_PID"
		wait_for_line 'upgraded in place'
	done
	! grep stopping "$LOG" || false
}

@test "USR1: a program runs, superd logs the service's state" {
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

@test "signals: 400 of them in a row, superd loses no child and no connection" {
	start_superd -p 0 -o instances=UNLIMITED cat
	(for _ in $(seq 200); do kill -USR1 "$SUPERD_PID" && kill -CHLD "$SUPERD_PID"; done) &
	storm=$!
	for n in $(seq 20); do
		run ask "$PORT" <<<"$n"
		assert_output "$n"
	done
	wait "$storm"
	wait_until has_children 0
	wait_until log_has 20 EXIT
}

@test "children: 100 exit together, superd reaps and logs all of them" {
	start_superd -p 0 sh -c 'echo here; read -r line'
	"$CLIENT" -c 100 "$PORT" line shut all >/dev/null
	wait_until has_children 0
	wait_until log_has 100 'EXIT: sh status=1 '
}
