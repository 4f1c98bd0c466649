# SPDX-License-Identifier: ISC
# linger, with a program that answers and exits without reading what the client has sent.

load ../lib/superd
load ../lib/client

# What the program answers, little or much.
setup() {
	printf 'the whole answer\n' >"$BATS_TEST_TMPDIR/answer"
	head -c 200000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/much"
}

start_sending() {
	start_superd -p 0 -b 127.0.0.1 -o log_on_success= "$@"
}

@test "linger: 1,000 clients send data that the program does not read, all get the whole answer; without linger some are reset" {
	start_sending cat "$BATS_TEST_TMPDIR/much"
	run "$LOAD" -c 16 -n 300 -b 100000 -a "$BATS_TEST_TMPDIR/much" "$PORT"
	assert_failure
	assert_output --regexp 'reset=[1-9]'
	stop_superd
	start_sending -o linger=20 cat "$BATS_TEST_TMPDIR/much"
	run "$LOAD" -c 16 -n 1000 -b 100000 -a "$BATS_TEST_TMPDIR/much" "$PORT"
	assert_output 'served=1000 refused=0 empty=0 reset=0 wrong=0 late=0'
}

@test "linger: the program has exited, the client sees the end before the time is over" {
	start_sending -o linger=1000 cat "$BATS_TEST_TMPDIR/answer"
	run timeout "$WAIT_SECONDS" "$CLIENT" "$PORT" all
	assert_success
	assert_output 'the whole answer'
}

@test "linger: the client sends 5 MB, superd discards it and closes when the client ends its side" {
	start_sending -o linger=1000 cat "$BATS_TEST_TMPDIR/answer"
	head -c 5000000 /dev/zero >"$BATS_TEST_TMPDIR/zeros"
	run ask "$PORT" <"$BATS_TEST_TMPDIR/zeros"
	assert_output 'the whole answer'
	wait_until has_sockets 1
}

@test "linger: the client never ends its side, superd closes when the time is over" {
	start_superd -p 0 -b 127.0.0.1 -o linger=1 cat "$BATS_TEST_TMPDIR/answer"
	began=${EPOCHREALTIME/./}
	start_background "$CLIENT" "$PORT" all hold
	wait_for_line 'EXIT: cat'
	wait_until has_sockets 1
	((${EPOCHREALTIME/./} - began >= 1000000))
	kill -0 "$BG_PID"
}

@test "linger: the client never stops sending, superd closes when the time is over" {
	start_superd -p 0 -b 127.0.0.1 -o linger=1 cat "$BATS_TEST_TMPDIR/answer"
	began=${EPOCHREALTIME/./}
	nc 127.0.0.1 "$PORT" </dev/zero >/dev/null 2>&1 3>&- &
	end_at_teardown $!
	wait_for_line 'EXIT: cat'
	wait_until has_sockets 1
	((${EPOCHREALTIME/./} - began >= 1000000))
}

@test "linger: a connection lingers, it does not count for instances and per_source" {
	start_sending -o linger=1000 -o instances=1 -o on_limit=refuse -o per_source=1 cat "$BATS_TEST_TMPDIR/answer"
	for _ in 1 2 3; do
		start_background "$CLIENT" "$PORT" all hold >"$BATS_TEST_TMPDIR/lingering"
		wait_for_line holding "$BATS_TEST_TMPDIR/lingering"
	done
	run "$CLIENT" "$PORT" line
	assert_output 'the whole answer'
}

@test "linger: 100 connections linger, superd uses no processor time" {
	start_sending -o linger=1000 -o instances=UNLIMITED cat "$BATS_TEST_TMPDIR/answer"
	start_background "$CLIENT" -c 100 "$PORT" all hold >"$BATS_TEST_TMPDIR/lingering"
	wait_for_line holding "$BATS_TEST_TMPDIR/lingering"
	wait_until has_sockets 101
	assert_sleeps 2
}

@test "linger: TERM while a connection lingers, superd waits until its client ends it" {
	start_sending -o linger=1000 cat "$BATS_TEST_TMPDIR/answer"
	start_background "$CLIENT" "$PORT" line "file:$BATS_TEST_TMPDIR/go" close >"$BATS_TEST_TMPDIR/lingering"
	wait_for_line 'the whole answer' "$BATS_TEST_TMPDIR/lingering"
	wait_until has_children 0
	signal_and_wait TERM stopping
	sleep 0.5
	kill -0 "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/go"
	wait_superd
}

@test "linger: TERM, superd waits for lingering connections until their time is over" {
	start_sending -o linger=2 cat "$BATS_TEST_TMPDIR/answer"
	start_background "$CLIENT" "$PORT" line hold >"$BATS_TEST_TMPDIR/lingering"
	wait_for_line holding "$BATS_TEST_TMPDIR/lingering"
	stop_superd
}

@test "linger: a UNIX-domain socket, 50 clients get the whole answer" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" -o linger=20 cat "$BATS_TEST_TMPDIR/answer"
	run "$LOAD" -c 4 -n 50 -b 50000 -a "$BATS_TEST_TMPDIR/answer" "$BATS_TEST_TMPDIR/socket"
	assert_output --partial 'served=50 '
}

@test "linger: a program leaves an entry in the connection's error queue, superd sleeps (Linux)" {
	cat >"$BATS_TEST_TMPDIR/queue.py" <<-'END'
		import socket
		s = socket.socket(fileno=0)
		s.setsockopt(socket.SOL_SOCKET, 37, 0x2 | 0x10 | 0x800)  # SO_TIMESTAMPING of what is sent
		s.send(b"hello")
	END
	start_superd -p 0 -b 127.0.0.1 -o linger=60 python3 "$BATS_TEST_TMPDIR/queue.py"
	start_background "$CLIENT" "$PORT" all hold >"$BATS_TEST_TMPDIR/held"
	wait_for_line 'EXIT: python3'
	assert_sleeps 2
}
