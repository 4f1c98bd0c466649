# SPDX-License-Identifier: ISC
# Hostile clients and names: what must not reach the log, and what superd must survive.

load ../lib/superd
load ../lib/client

# assert_clean_log: the log has printable bytes only, and no line that is longer than the log's limit.
assert_clean_log() {
	run grep -nP '[^\x20-\x7e]' "$LOG"
	assert_output ''
	run awk 'length > 1000' "$LOG"
	assert_output ''
}

@test "hostile clients: PROXY headers with control bytes and false lines, the log shows only addresses" {
	start_superd -v -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 cat
	for name in $("$HEADERS" bad) $("$HEADERS" good); do
		"$HEADERS" print "$name" | ask "$PORT" >"$BATS_TEST_TMPDIR/answer"
	done
	"$CLIENT" "$PORT" 'send:PROXY TCP4 \x1b]0;owned\x07 1.1.1.1 1 1\r\n' all
	"$CLIENT" "$PORT" 'send:PROXY TCP4 1.1.1.1\nsuperd:\x20START:\x20cat 1.1.1.1 1 1\r\n' all
	"$CLIENT" "$PORT" 'send:PROXY TCP6 fe80::1%lo ::1 1 1\r\n' all
	wait_until has_children 0
	signal_and_wait USR1 STATE
	assert_clean_log
	run grep -E 'owned|%lo|GET' "$LOG"
	assert_failure
	run grep -vE '^superd: (warning: )?[a-zA-Z]' "$LOG"
	assert_output ''
}

@test "hostile names: a program's name of 250 bytes and a large environment, each log line keeps its limit" {
	long=$(printf '%0250d' 0)
	long=$BATS_TEST_TMPDIR/$long/$long/$long/$long
	mkdir -p "$long"
	printf '#!/bin/sh\nexec cat\n' >"$long/program"
	chmod 755 "$long/program"
	start_superd -p 0 -o env="A=$(printf '%0100000d' 0)" "$long/program"
	ask "$PORT" </dev/null
	wait_for_line EXIT
	rm "$long/program"
	"$CLIENT" "$PORT" all
	wait_for_line '^superd: program: exec /.*0000'
	signal_and_wait USR1 STATE
	assert_clean_log
}

@test "hostile names: the longest id, the lines of its log file keep the limit" {
	needs root
	print_open_service "$(printf '%063d' 0)" log_type="FILE $BATS_TEST_TMPDIR/log.a" bind="$BATS_TEST_TMPDIR/socket" port= \
		>"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	ask "$BATS_TEST_TMPDIR/socket" </dev/null
	wait_for_line EXIT "$BATS_TEST_TMPDIR/log.a"
	run awk 'length > 1000' "$BATS_TEST_TMPDIR/log.a" "$LOG"
	assert_output ''
}

@test "hostile clients: 2,000 refused clients, the log has at most 10 lines" {
	start_superd -p 0 -b 0.0.0.0 -o instances=1 -o on_limit=refuse cat
	open_connection first "$PORT"
	"$LOAD" -s -c 50 -n 2000 "$PORT" || true
	# service_limit is logged once.
	[ "$(wc -l <"$LOG")" -le 10 ]
}

@test "hostile clients: they reset at every moment, superd serves the next client" {
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

# start_lingering_program SECONDS: a service whose program sets SO_LINGER, fills its connection and ends; and a service b.
start_lingering_program() {
	needs cc
	cat >"$BATS_TEST_TMPDIR/fill.c" <<-'END'
		#include <stdlib.h>
		#include <sys/socket.h>
		static char bytes[1 << 20];
		int main(int argc, char **argv) {
			struct linger linger = {1, argc > 1 ? atoi(argv[1]) : 0};
			setsockopt(0, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
			while (send(0, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
		}
	END
	cc -o "$BATS_TEST_TMPDIR/fill" "$BATS_TEST_TMPDIR/fill.c"
	{
		print_open_service a "server = $BATS_TEST_TMPDIR/fill" "server_args = $1" "${@:2}"
		print_open_service b
	} >"$CONF"
	start_superd -c "$CONF"
}

# assert_others_are_served COUNT: that many clients of `a` read nothing, and a client of `b` is served at once.
assert_others_are_served() {
	local begin
	start_background "$CLIENT" -c "$1" "$(port_of a)" hold >"$BATS_TEST_TMPDIR/held"
	begin=${EPOCHREALTIME/./}
	wait_for_line holding "$BATS_TEST_TMPDIR/held"
	for _ in 1 2 3 4 5; do
		echoes "$(port_of b)"
	done
	((${EPOCHREALTIME/./} - begin < 5000000))
}

@test "hostile program: SO_LINGER and unsent data, other services are served at once (Linux)" {
	start_lingering_program 30
	assert_others_are_served 30
}

@test "hostile program: SO_LINGER and unsent data in a service with linger, other services are served at once (Linux)" {
	start_lingering_program 30 'linger = 1'
	assert_others_are_served 10
}
