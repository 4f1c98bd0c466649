# SPDX-License-Identifier: ISC
# Which clients are admitted: only_from and no_access on the command line, and the banners.

load ../lib/superd
load ../lib/client

# assert_served ADDRESS, assert_refused ADDRESS [TEXT]: a client from that address gets `hello` back; it gets TEXT or nothing.
assert_served() {
	[ "$(printf 'hello\n' | timeout "$WAIT_SECONDS" nc -N -s "$1" 127.0.0.1 "$PORT")" = hello ]
}

assert_refused() {
	run "$CLIENT" -s "$1" "$PORT" all
	assert_success
	assert_output "${2:-}"
}

@test "only_from with -o: addresses and a prefix, superd serves these clients and refuses others" {
	start_superd -p 0 -b 127.0.0.1 -o 'only_from=127.0.0.2 127.0.1.0/24' cat
	assert_served 127.0.0.2
	assert_served 127.0.1.77
	assert_refused 127.0.0.1
	wait_for_line '^superd: FAIL: cat address from=127\.0\.0\.1$'
	has_children 0
}

@test "FAIL address: three refusals, each is logged" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=127.0.0.2 cat
	assert_refused 127.0.0.1
	assert_refused 127.0.0.1
	assert_refused 127.0.0.3
	wait_for_line 'address from=127\.0\.0\.3$'
	[ "$(grep -c 'FAIL: cat address from=' "$LOG")" -eq 3 ]
}

@test "only_from with -o: an empty value, superd refuses every client" {
	start_superd -p 0 -b 127.0.0.1 -o only_from= cat
	assert_refused 127.0.0.1
	wait_for_line 'FAIL: cat address from=127\.0\.0\.1$'
}

@test "no_access with -o: one address, superd refuses that client only" {
	start_superd -p 0 -b 127.0.0.1 -o no_access=127.0.0.2 cat
	assert_served 127.0.0.1
	assert_refused 127.0.0.2
	wait_for_line 'FAIL: cat address from=127\.0\.0\.2$'
}

@test "no_access with -o: only_from is narrower, superd refuses the client" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=127.0.0.2 -o no_access=127.0.0.0/8 cat
	assert_refused 127.0.0.2
}

@test "only_from with -o: trailing zero octets, they are wildcards" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=127.9.0.0 cat
	assert_served 127.9.8.7
	assert_refused 127.0.0.1
}

@test "only_from with -o: 0.0.0.0, superd serves every client" {
	start_superd -p 0 -o only_from=0.0.0.0 cat
	assert_served 127.0.0.1
}

@test "only_from with -o: braces, each value in them matches" {
	start_superd -p 0 -b 127.0.0.1 -o 'only_from=127.0.0.{2,5}' cat
	assert_served 127.0.0.2
	assert_served 127.0.0.5
	assert_refused 127.0.0.3
}

@test "only_from with -o: an IPv4 client of an IPv6 socket, it matches an IPv4 address" {
	needs ipv6
	start_superd -p 0 -b :: -o only_from=127.0.0.1 cat
	assert_served 127.0.0.1
	run "$CLIENT" -h ::1 "$PORT" all
	assert_output ''
	wait_for_line 'FAIL: cat address from=::1$'
}

@test "only_from with -o: IPv6 addresses and prefixes, they match IPv6 clients" {
	needs ipv6
	start_superd -p 0 -b ::1 -o only_from=::1/128 cat
	run ask "$PORT" ::1 <<<hello
	assert_output hello
	stop_superd
	start_superd -p 0 -b ::1 -o only_from=2001:db8::/32 cat
	run "$CLIENT" -h ::1 "$PORT" all
	assert_output ''
}

@test "only_from with -o: a host name, superd resolves it at start" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=localhost cat
	assert_served 127.0.0.1
	assert_refused 127.0.0.2
}

@test "only_from with -o: a host name that does not resolve, superd warns and it matches no client" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=nosuch.invalid cat
	wait_for_line '^superd: warning: .*nosuch\.invalid'
	assert_refused 127.0.0.1
}

@test "banner: the client is admitted, it gets the banner before the program's output" {
	echo 'Welcome.' >"$BATS_TEST_TMPDIR/banner"
	start_superd -p 0 -o "banner=$BATS_TEST_TMPDIR/banner" cat
	run ask "$PORT" <<<hello
	assert_output $'Welcome.\nhello'
}

@test "banner: the client is refused, it gets the banner" {
	echo 'Welcome.' >"$BATS_TEST_TMPDIR/banner"
	start_superd -p 0 -b 127.0.0.1 -o "banner=$BATS_TEST_TMPDIR/banner" -o only_from= cat
	assert_refused 127.0.0.1 'Welcome.'
}

@test "banner_success and banner_fail: an admitted and a refused client, each gets its own" {
	echo 'Come in.' >"$BATS_TEST_TMPDIR/in"
	echo 'Go away.' >"$BATS_TEST_TMPDIR/out"
	start_superd -p 0 -b 127.0.0.1 -o "banner_success=$BATS_TEST_TMPDIR/in" \
		-o "banner_fail=$BATS_TEST_TMPDIR/out" -o only_from=127.0.0.2 cat
	run "$CLIENT" -s 127.0.0.2 "$PORT" shut all
	assert_output 'Come in.'
	assert_refused 127.0.0.1 'Go away.'
}

@test "banner: the file changes while superd runs, clients get the old text" {
	echo 'as it was' >"$BATS_TEST_TMPDIR/banner"
	start_superd -p 0 -o "banner=$BATS_TEST_TMPDIR/banner" cat
	echo 'changed' >"$BATS_TEST_TMPDIR/banner"
	run ask "$PORT" </dev/null
	assert_output 'as it was'
}

@test "banner_fail: the limit is reached, the client gets it" {
	echo 'Full.' >"$BATS_TEST_TMPDIR/full"
	start_superd -p 0 -o instances=0 -o on_limit=refuse -o "banner_fail=$BATS_TEST_TMPDIR/full" cat
	run "$CLIENT" "$PORT" all
	assert_output 'Full.'
}

@test "banner_fail: 20 refused clients have already sent data, they get the banner and no reset" {
	echo 'Go away.' >"$BATS_TEST_TMPDIR/out"
	start_superd -p 0 -b 127.0.0.1 -o only_from= -o "banner_fail=$BATS_TEST_TMPDIR/out" cat
	# While superd is stopped, the kernel accepts the connections and their data.
	kill -STOP "$SUPERD_PID"
	start_background "$CLIENT" -c 20 "$PORT" 'send:hello\n' "file:$BATS_TEST_TMPDIR/sent" all >"$BATS_TEST_TMPDIR/replies"
	# Column 1 of ss(8) is the number of bytes that have arrived and are not read.
	all_have_spoken() {
		[ "$(ss -tnH state established "( sport = :$PORT )" | awk '$1 == 6' | wc -l)" -eq 20 ]
	}
	wait_until all_have_spoken
	kill -CONT "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/sent"
	wait "$BG_PID"
	[ "$(grep -c '^Go away\.$' "$BATS_TEST_TMPDIR/replies")" -eq 20 ]
	run grep reset "$BATS_TEST_TMPDIR/replies"
	assert_failure
}

# start_link_local OPTION...: start superd in its own network namespace, where lo has fe80::1 and fe80::2, with a program that prints
# its variables and then waits.
start_link_local() {
	SUPERD_PREFIX=(unshare -n sh -c 'ip link set lo up && ip address add fe80::1/64 dev lo nodad && ip address add fe80::2/64 dev lo nodad &&
		exec "$@"' sh)
	start_superd -p 0 -b fe80::1%lo "$@" sh -c 'env; exec cat'
}

# ask_link_local SOURCE: print what the program sends to a client with that address.
ask_link_local() {
	nsenter -t "$SUPERD_PID" -n nc -N -s "$1" fe80::1%lo "$PORT" </dev/null
}

@test "link-local addresses: the log and the variables have the interface" {
	needs root capabilities
	start_link_local
	log_has 1 'listening sh \[fe80::1%lo\]:'
	run ask_link_local fe80::2%lo
	assert_line TCPREMOTEIP=fe80::2%lo
	assert_line TCPLOCALIP=fe80::1%lo
	assert_line REMOTE_HOST=fe80::2%lo
	wait_for_line 'START: sh pid=[0-9]* from=fe80::2%lo port='
}

@test "link-local addresses: per_source, each neighbour is one source" {
	needs root capabilities
	start_link_local -o per_source=1
	start_background nsenter -t "$SUPERD_PID" -n "$CLIENT" -h fe80::1%lo "$PORT" line hold
	wait_for_line START
	run ask_link_local fe80::2%lo
	assert_line TCPREMOTEIP=fe80::2%lo
	run ask_link_local fe80::1%lo
	wait_for_line 'FAIL: sh per_source_limit from=fe80::1%lo$'
	log_has 1 FAIL
}

@test "link-local addresses: only_from with and without the interface, and an unknown interface" {
	needs root capabilities
	start_link_local -o 'only_from=fe80::2%lo fe80::8000:0:0:0%lo/66'
	run ask_link_local fe80::2%lo
	assert_line TCPREMOTEIP=fe80::2%lo
	run ask_link_local fe80::1%lo
	wait_for_line 'FAIL: sh address from=fe80::1%lo$'
	stop_superd
	for network in fe80::/10 fe80::/64 fe80::%lo/64 fe80::2 ::/0; do
		start_link_local -o "only_from=$network"
		run ask_link_local fe80::2%lo
		assert_line TCPREMOTEIP=fe80::2%lo
		stop_superd
	done
	run --separate-stderr "$SUPERD" -t -p 0 -o only_from=fe80::%lo/64 cat
	assert_line --regexp 'only_from *= fe80::%lo/64$'
	for wrong in fe80::2%nosuch 2001:db8::1%lo; do
		run "$SUPERD" -t -p 0 -o "only_from=$wrong" cat
		assert_failure
		assert_output "only_from: '$wrong': no such interface, or not a link-local address"
	done
	run "$SUPERD" -t -p 0 -o only_from=fe80::%lo/10 cat
	assert_failure
}
