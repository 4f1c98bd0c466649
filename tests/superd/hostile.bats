# What clients may send in the hope that superd, or who reads its log, trips over it.

load ../lib/superd
load ../lib/client

# The log has no byte that is not for show, and no line that is longer than the log's limit.
log_is_clean() {
	run grep -nP '[^\x20-\x7e]' "$LOG"
	assert_output ''
	run awk 'length > 1000' "$LOG"
	assert_output ''
}

@test "nothing that a client says in a PROXY header reaches the log but an address" {
	start_superd -v -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 cat
	for name in $("$HEADERS" bad) $("$HEADERS" good); do
		"$HEADERS" print "$name" | ask "$PORT" >"$BATS_TEST_TMPDIR/answer"
	done
	"$CLIENT" "$PORT" 'send:PROXY TCP4 \x1b]0;owned\x07 1.1.1.1 1 1\r\n' all
	"$CLIENT" "$PORT" 'send:PROXY TCP4 1.1.1.1\nsuperd:\x20START:\x20cat 1.1.1.1 1 1\r\n' all
	"$CLIENT" "$PORT" 'send:PROXY TCP6 fe80::1%lo ::1 1 1\r\n' all
	wait_until has_children 0
	signal_and_wait USR1 STATE
	log_is_clean
	run grep -E 'owned|%lo|GET' "$LOG"
	assert_failure
	run grep -vE '^superd: (warning: )?[a-zA-Z]' "$LOG"
	assert_output ''
}

@test "a line of the log is no longer than its limit, whatever names are in it" {
	long=$(printf '%0250d' 0)
	printf '#!/bin/sh\nexec cat\n' >"$BATS_TEST_TMPDIR/$long"
	chmod 755 "$BATS_TEST_TMPDIR/$long"
	start_superd -p 0 -o env="A=$(printf '%0100000d' 0)" "$BATS_TEST_TMPDIR/$long"
	ask "$PORT" </dev/null
	wait_for_line EXIT
	signal_and_wait USR1 STATE
	log_is_clean
}

@test "a log file's line is no longer than its limit either" {
	print_open_service "$(printf '%02000d' 0)" log_type="FILE $BATS_TEST_TMPDIR/log.a" bind="$BATS_TEST_TMPDIR/socket" port= \
		>"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	ask "$BATS_TEST_TMPDIR/socket" </dev/null
	wait_for_line EXIT "$BATS_TEST_TMPDIR/log.a"
	run awk 'length > 1000' "$BATS_TEST_TMPDIR/log.a" "$LOG"
	assert_output ''
}

@test "clients past the limit of a service fill no log" {
	start_superd -p 0 -b 0.0.0.0 -o instances=1 -o on_limit=refuse cat
	open_connection first "$PORT"
	"$LOAD" -s -c 50 -n 2000 "$PORT" || true
	# service_limit is said once.
	[ "$(wc -l <"$LOG")" -le 10 ]
}

@test "clients that reset at every moment harm nobody" {
	start_superd -p 0 -b 127.0.0.1 -o linger=5 -o proxy_from=127.0.0.9 cat
	for steps in reset 'send:x reset' 'shut reset' 'send:x\n line reset'; do
		# shellcheck disable=SC2086 # a list of steps
		"$CLIENT" -c 20 "$PORT" $steps 2>/dev/null || true
		# shellcheck disable=SC2086
		"$CLIENT" -s 127.0.0.9 -c 20 "$PORT" send:PROXY $steps 2>/dev/null || true
	done
	wait_until has_sockets 1
	wait_until has_children 0
	run ask "$PORT" <<<hello
	assert_output hello
}
