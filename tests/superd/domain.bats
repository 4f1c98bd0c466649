# SPDX-License-Identifier: ISC
# .domain in only_from and no_access: the names of clients in the DNS, with the test's own name server.

load ../lib/superd
load ../lib/client

# The tests run in their own network namespace. Its name server knows these clients.
RECORDS=(
	127.0.0.5=host.example.test host.example.test=127.0.0.5
	127.0.0.6=host.other.test host.other.test=127.0.0.6
	# Its name has another address.
	127.0.0.7=liar.example.test liar.example.test=192.0.2.1
	# Its name ends like the domain, but is in another.
	127.0.0.8=host.notexample.test host.notexample.test=127.0.0.8
	# Its name server does not answer.
	127.0.0.9= silent.example.test=
)

# start_service LINE...: start superd with one service, cat, that has these lines, and the name server.
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

assert_admitted() {
	run ask_from "$1"
	assert_success
	assert_output hello
}

assert_refused() {
	nsenter -t "$SUPERD_PID" -n "$CLIENT" -s "$1" "$PORT" all >"$BATS_TEST_TMPDIR/answer"
	[ ! -s "$BATS_TEST_TMPDIR/answer" ]
	wait_for_line "^superd: FAIL: a address from=$1\$"
}

@test "only_from = .domain: addresses with right, wrong and forged names, superd serves the ones that resolve both ways" {
	needs root capabilities
	start_service 'only_from = .example.test'
	assert_admitted 127.0.0.5
	assert_refused 127.0.0.6
	assert_refused 127.0.0.7
	assert_refused 127.0.0.8
	assert_refused 127.0.0.10
}

@test "no_access = .domain: only_from matches too, superd refuses clients of the domain" {
	needs root capabilities
	start_service 'only_from = 127.0.0.0/8' 'no_access = .example.test'
	assert_refused 127.0.0.5
	assert_admitted 127.0.0.6
	assert_admitted 127.0.0.10
}

@test "only_from and no_access: both have a .domain, superd checks both" {
	needs root capabilities
	start_service 'only_from = .test' 'no_access = .other.test'
	assert_admitted 127.0.0.5
	assert_refused 127.0.0.6
	assert_refused 127.0.0.10
}

@test "only_from = .domain: a client is admitted by name, banner, limit and log are the same as for others" {
	needs root capabilities
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

@test "only_from = .domain: the name server does not answer for one client, superd serves the others" {
	needs root capabilities
	start_service 'only_from = .example.test 127.0.0.1'
	start_background nsenter -t "$SUPERD_PID" -n "$CLIENT" -s 127.0.0.9 "$PORT" all
	wait_until has_children 1
	assert_admitted 127.0.0.1
	assert_admitted 127.0.0.5
	has_children 1
}

@test "only_from: a name server that does not answer, superd refuses the client after 10 seconds" {
	needs root capabilities
	start_service 'only_from = .example.test'
	echo 'options timeout:30' >>"$BATS_TEST_TMPDIR/resolv.conf"
	assert_refused 127.0.0.9
}

@test "only_from = .domain: five clients wait for the DNS and instances = 2, a client with an address is served at once" {
	needs root capabilities
	start_service 'only_from = .example.test 127.0.0.1' 'instances = 2'
	start_background nsenter -t "$SUPERD_PID" -n "$CLIENT" -c 5 -s 127.0.0.9 "$PORT" all
	wait_until has_children 5
	assert_admitted 127.0.0.1
	has_children 5
}

@test "upgrade: a client waits for the DNS, superd upgrades at once and the client gets its answer" {
	needs root capabilities
	start_service 'only_from = .example.test'
	start_background nsenter -t "$SUPERD_PID" -n "$CLIENT" -s 127.0.0.9 "$PORT" all
	wait_until has_children 1
	upgrade_superd
	has_children 1
	assert_admitted 127.0.0.5
	wait_for_line '^superd: FAIL: a address from=127.0.0.9$'
}

@test "reload: the name server does not answer for a host, superd serves connections meanwhile (glibc)" {
	needs root capabilities
	export RES_OPTIONS='timeout:3 attempts:1'
	start_service 'only_from = 127.0.0.1'
	print_service b 'only_from = silent.example.test' >>"$CONF"
	print_service c 'bind = silent.example.test' >>"$CONF"
	kill -HUP "$SUPERD_PID"
	wait_until has_children 1
	assert_admitted 127.0.0.1
	assert_equal "$(count_log silent)" 0
	wait_for_line 'silent\.example\.test: .*; it matches no address$'
	assert_admitted 127.0.0.1
	assert_equal "$(count_log reloaded)" 0
	wait_for_line 'bind: silent\.example\.test: '
	wait_for_line 'reloaded: 1 new, 0 changed, 0 removed, 1 unchanged, 1 with errors$'
	wait_until has_children 0
}

# reload_in_vain LINE...: start superd with service a, which has these lines, and let it read a configuration whose name server
# does not answer.
reload_in_vain() {
	needs root
	export RES_OPTIONS='timeout:5 attempts:1'
	start_service 'only_from = 127.0.0.1' "$@"
	print_service b 'only_from = silent.example.test' >>"$CONF"
	kill -HUP "$SUPERD_PID"
	wait_until has_children 1
}

@test "reload: the name server does not answer for a host, programs end meanwhile and others get their places (glibc)" {
	needs capabilities
	reload_in_vain 'instances = 1' 'log_on_success = EXIT'
	for n in 1 2 3; do
		assert_admitted 127.0.0.1
		wait_until log_has "$n" 'EXIT: a status=0'
	done
	log_has 0 silent
	wait_for_line 'reloaded: 1 new, 0 changed, 0 removed, 1 unchanged, 0 with errors$'
}

@test "reload: the name server does not answer for a host and TERM arrives, superd ends at once (glibc)" {
	needs capabilities
	reload_in_vain
	kill -TERM "$SUPERD_PID"
	wait_superd
	log_has 0 silent
	log_has 0 reloaded
}

@test "reload: the name server does not answer for a host and TERM arrives, superd waits for a program and does not reload (glibc)" {
	needs capabilities
	reload_in_vain
	start_background nsenter -t "$SUPERD_PID" -n "$CLIENT" "$PORT" 'send:here\n' line hold >"$BATS_TEST_TMPDIR/client"
	wait_for_line here "$BATS_TEST_TMPDIR/client"
	kill -TERM "$SUPERD_PID"
	wait_for_line 'stopping: 1 programs running'
	wait_for_line 'superd stops; the configuration is not used'
	kill "$BG_PID"
	wait_superd
	log_has 0 reloaded
}

@test "start: the name server does not answer for a host and TERM arrives, superd ends at once (glibc)" {
	needs root capabilities
	export RES_OPTIONS='timeout:5 attempts:1'
	echo 'nameserver 127.0.0.1' >"$BATS_TEST_TMPDIR/resolv.conf"
	mkfifo "$BATS_TEST_TMPDIR/go"
	SUPERD_PREFIX=(unshare -m -n sh -c 'mount --bind "$0/resolv.conf" /etc/resolv.conf && ip link set lo up &&
		{ read -r line <"$0/go" || exec "$@"; }' "$BATS_TEST_TMPDIR") # no child of the shell's
	launch_superd -P "$BATS_TEST_TMPDIR/pid" -p 0 -b silent.example.test cat
	exec 9>"$BATS_TEST_TMPDIR/go" # it has its namespace
	start_background inside "$LIB/dns_server" "${RECORDS[@]}" >"$BATS_TEST_TMPDIR/names" 9>&-
	wait_for_line ready "$BATS_TEST_TMPDIR/names"
	exec 9>&-
	wait_until has_children 1
	kill -TERM "$SUPERD_PID"
	wait_superd
	log_has 0 silent
	[ ! -e "$BATS_TEST_TMPDIR/pid" ]
}
