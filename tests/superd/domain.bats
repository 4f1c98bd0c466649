# .domain in only_from and no_access: what the DNS says of a client, asked of a name server of the test's own.

load ../lib/superd
load ../lib/client

# The world of these tests: a network of its own, whose name server knows these clients.
RECORDS=(
	127.0.0.5=host.example.test host.example.test=127.0.0.5
	127.0.0.6=host.other.test host.other.test=127.0.0.6
	# It calls itself what it is not.
	127.0.0.7=liar.example.test liar.example.test=192.0.2.1
	# The end of its name is the domain's, but it is another.
	127.0.0.8=host.notexample.test host.notexample.test=127.0.0.8
	# Its name server does not answer.
	127.0.0.9=
)

# start LINE...: serve one service, cat, with these lines more, and the name server beside it.
start_service() {
	echo 'nameserver 127.0.0.1' >"$BATS_TEST_TMPDIR/resolv.conf"
	SUPERD_PREFIX=(unshare -m -n sh -c 'mount --bind "$0" /etc/resolv.conf && ip link set lo up && exec "$@"'
		"$BATS_TEST_TMPDIR/resolv.conf")
	print_service a bind\ =\ 127.0.0.1 'log_on_failure = HOST' "$@" >"$CONF"
	start_superd -c "$CONF"
	start_background inside "$LIB/dns_server" "${RECORDS[@]}" >"$BATS_TEST_TMPDIR/names"
	wait_for_line ready "$BATS_TEST_TMPDIR/names"
}

inside() {
	exec nsenter -t "$SUPERD_PID" -n "$@"
}

ask_from() {
	nsenter -t "$SUPERD_PID" -n "$CLIENT" -s "$1" "$PORT" 'send:hello\n' shut all
}

let_in() {
	run ask_from "$1"
	assert_success
	assert_output hello
}

shut_out() {
	nsenter -t "$SUPERD_PID" -n "$CLIENT" -s "$1" "$PORT" all >"$BATS_TEST_TMPDIR/answer"
	[ ! -s "$BATS_TEST_TMPDIR/answer" ]
	wait_for_line "^superd: FAIL: a address from=$1\$"
}

@test "only_from lets in whom the DNS calls so, by address and by name, and nobody else" {
	start_service 'only_from = .example.test'
	let_in 127.0.0.5
	shut_out 127.0.0.6
	shut_out 127.0.0.7
	shut_out 127.0.0.8
	shut_out 127.0.0.10
}

@test "no_access shuts out whom the DNS calls so, whatever only_from says" {
	start_service 'only_from = 127.0.0.0/8' 'no_access = .example.test'
	shut_out 127.0.0.5
	let_in 127.0.0.6
	let_in 127.0.0.10
}

@test "only_from and no_access, both with a .domain" {
	start_service 'only_from = .test' 'no_access = .other.test'
	let_in 127.0.0.5
	shut_out 127.0.0.6
	shut_out 127.0.0.10
}

@test "who is let in by name sees banner_success, counts, and is said like everybody" {
	echo welcome >"$BATS_TEST_TMPDIR/banner"
	start_service 'only_from = .example.test' "banner_success = $BATS_TEST_TMPDIR/banner" 'instances = 1' \
		'log_on_success = PID HOST EXIT'
	run ask_from 127.0.0.5
	assert_output $'welcome\nhello'
	wait_for_line 'START: a pid=[0-9]* from=127\.0\.0\.5 '
	wait_for_line 'EXIT: a status=0 '
	run ask_from 127.0.0.5
	assert_output $'welcome\nhello'
}

@test "a name server that does not answer holds up nobody else" {
	start_service 'only_from = .example.test 127.0.0.1'
	start_background nsenter -t "$SUPERD_PID" -n "$CLIENT" -s 127.0.0.9 "$PORT" all
	wait_until has_children 1
	let_in 127.0.0.1
	let_in 127.0.0.5
	has_children 1
}
