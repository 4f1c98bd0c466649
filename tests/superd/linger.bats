# linger: a program that answers and exits without reading what it was sent.

load ../lib/superd
load ../lib/client

# What the program, which reads nothing, answers: a little or much.
setup() {
	printf 'the whole answer\n' >"$BATS_TEST_TMPDIR/answer"
	head -c 200000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/much"
}

start_sending() {
	start_superd -p 0 -b 127.0.0.1 -o log_on_success= "$@"
}

@test "with linger 1000 of 1000 clients have the whole answer, without it some are reset" {
	start_sending cat "$BATS_TEST_TMPDIR/much"
	run "$LOAD" -c 16 -n 300 -b 100000 -a "$BATS_TEST_TMPDIR/much" "$PORT"
	assert_failure
	assert_output --regexp 'reset=[1-9]'
	stop_superd
	start_sending -o linger=20 cat "$BATS_TEST_TMPDIR/much"
	run "$LOAD" -c 16 -n 1000 -b 100000 -a "$BATS_TEST_TMPDIR/much" "$PORT"
	assert_output 'served=1000 refused=0 empty=0 reset=0 wrong=0 late=0'
}

@test "the client sees the end when the program has ended, not when the time is up" {
	start_sending -o linger=1000 cat "$BATS_TEST_TMPDIR/answer"
	run timeout "$WAIT_SECONDS" "$CLIENT" "$PORT" all
	assert_success
	assert_output 'the whole answer'
}

@test "what the client sends is read and thrown away, and the connection goes when it ends its side" {
	start_sending -o linger=1000 cat "$BATS_TEST_TMPDIR/answer"
	head -c 5000000 /dev/zero >"$BATS_TEST_TMPDIR/zeros"
	run ask "$PORT" <"$BATS_TEST_TMPDIR/zeros"
	assert_output 'the whole answer'
	wait_until has_sockets 1
}

@test "a client that never ends its side is closed when the time is up" {
	start_sending -o linger=1 cat "$BATS_TEST_TMPDIR/answer"
	start_background "$CLIENT" "$PORT" all hold
	wait_until has_sockets 2
	wait_until has_sockets 1
	kill -0 "$BG_PID"
}

@test "a client that never stops sending is closed when the time is up" {
	start_sending -o linger=1 cat "$BATS_TEST_TMPDIR/answer"
	nc 127.0.0.1 "$PORT" </dev/zero >/dev/null 2>&1 3>&- &
	end_at_teardown $!
	wait_until has_sockets 2
	wait_until has_sockets 1
}

@test "a connection that lingers does not count as running" {
	start_sending -o linger=1000 -o instances=1 -o on_limit=refuse -o per_source=1 cat "$BATS_TEST_TMPDIR/answer"
	for _ in 1 2 3; do
		start_background "$CLIENT" "$PORT" all hold >"$BATS_TEST_TMPDIR/lingering"
		wait_for_line holding "$BATS_TEST_TMPDIR/lingering"
	done
	run "$CLIENT" "$PORT" line
	assert_output 'the whole answer'
}

@test "connections that linger use no processor" {
	start_sending -o linger=1000 -o instances=UNLIMITED cat "$BATS_TEST_TMPDIR/answer"
	start_background "$CLIENT" -c 100 "$PORT" all hold >"$BATS_TEST_TMPDIR/lingering"
	wait_for_line holding "$BATS_TEST_TMPDIR/lingering"
	wait_until has_sockets 101
	assert_sleeps 2
}

@test "TERM waits for who lingers, no longer than linger" {
	start_sending -o linger=2 cat "$BATS_TEST_TMPDIR/answer"
	start_background "$CLIENT" "$PORT" line hold >"$BATS_TEST_TMPDIR/lingering"
	wait_for_line holding "$BATS_TEST_TMPDIR/lingering"
	stop_superd
}

@test "linger works over a UNIX-domain socket" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" -o linger=20 cat "$BATS_TEST_TMPDIR/answer"
	run "$LOAD" -c 4 -n 50 -b 50000 -a "$BATS_TEST_TMPDIR/answer" "$BATS_TEST_TMPDIR/socket"
	assert_output --partial 'served=50 '
}
