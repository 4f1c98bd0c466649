# redirect: a connection is passed on to another host and port. Half-closes pass through, each way of its own.
#
# shellcheck disable=SC2154 # check sets stderr
# shellcheck disable=SC2030,SC2031 # each test has its own BEHIND and SERVED

load ../lib/superd
load ../lib/client

# behind STEP...: a server in small steps (tests/serve) for superd to pass connections on to. BEHIND is its port, SERVED
# what it prints.
behind() {
	start_server - "$@"
	BEHIND=$PORT
}

# start LINE...: superd, which passes everything on to there.
start_redirect() {
	print_service a "redirect = 127.0.0.1 $BEHIND" 'log_on_success = HOST TRAFFIC EXIT' 'user = nobody' "$@" |
		sed '/server/d' >"$CONF"
	start_superd -c "$CONF"
}

@test "what the client says arrives, and what is answered comes back" {
	behind accept line 'send:an answer\n' line close
	start_redirect
	run "$CLIENT" "$PORT" 'send:one\n' line 'send:two\n' all
	assert_output 'an answer'
	wait_for_line '^two$' "$SERVER_OUTPUT"
	grep -qx one "$SERVER_OUTPUT"
}

@test "the client's end is passed on, and the answer still comes back" {
	behind accept all 'send:late\n' close
	start_redirect
	run "$CLIENT" "$PORT" 'send:hello\n' shut all
	assert_output late
	wait_for_line '^(end)$' "$SERVER_OUTPUT"
}

@test "the server's end is passed on, and what the client still says still arrives" {
	behind accept 'send:first\n' shut line line all
	start_redirect
	run "$CLIENT" "$PORT" all 'send:one\n' 'send:two\n' shut close
	assert_output first
	wait_for_line '^two$' "$SERVER_OUTPUT"
	wait_for_line '^(end)$' "$SERVER_OUTPUT"
}

@test "when both have ended the child ends" {
	behind accept all close
	start_redirect
	run "$CLIENT" "$PORT" shut all
	assert_success
	wait_for_line '^superd: EXIT: a status=0$'
	has_children 0
}

@test "a server that resets the connection ends the client's" {
	behind accept line reset
	start_redirect
	run "$CLIENT" "$PORT" 'send:hello\n' all
	wait_for_line '^superd: EXIT: a '
}

@test "a client that resets ends the server's connection" {
	behind accept line all
	start_redirect
	"$CLIENT" "$PORT" 'send:hello\n' file:"$SERVER_OUTPUT" reset
	wait_for_line '^superd: EXIT: a '
}

@test "TRAFFIC counts each way" {
	behind accept line 'many:1000:0123456789' close
	start_redirect
	"$CLIENT" "$PORT" 'send:hello\n' all >/dev/null
	wait_for_line '^superd: TRAFFIC: a in=6(bytes) out=10000(bytes)$'
}

@test "TRAFFIC goes to log_type's file, whoever the user is" {
	behind accept line close
	mkdir -m 700 "$BATS_TEST_TMPDIR/logs"
	start_redirect "log_type = FILE $BATS_TEST_TMPDIR/logs/file"
	"$CLIENT" "$PORT" 'send:hello\n' all
	wait_for_line 'TRAFFIC: a in=6(bytes) out=0(bytes)$' "$BATS_TEST_TMPDIR/logs/file"
}

@test "without TRAFFIC nothing is counted in the log" {
	behind accept line close
	start_redirect
	sed -i 's/TRAFFIC//' "$CONF"
	stop_superd
	start_superd -c "$CONF"
	"$CLIENT" "$PORT" 'send:hello\n' all
	wait_for_line 'EXIT: a'
	run grep TRAFFIC "$LOG"
	assert_failure
}

@test "much passes both ways at once" {
	print_service cat >"$CONF"
	start_superd -c "$CONF"
	BEHIND=$PORT
	mkdir "$BATS_TEST_TMPDIR/2"
	SUPERD_LOG=$BATS_TEST_TMPDIR/2/log
	start_redirect
	head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/sent"
	ask "$PORT" <"$BATS_TEST_TMPDIR/sent" >"$BATS_TEST_TMPDIR/got"
	cmp "$BATS_TEST_TMPDIR/sent" "$BATS_TEST_TMPDIR/got"
	wait_for_line 'TRAFFIC: a in=5000000(bytes) out=5000000(bytes)$'
}

@test "a client that does not read stops the server, not superd: nothing is lost" {
	behind accept line 'many:3000000:x' close
	start_redirect
	run bash -c '"$0" "$1" "send:hello\n" "file:$2" all | wc -c' "$CLIENT" "$PORT" "$SERVER_OUTPUT"
	assert_output 3000000
}

@test "where nobody listens, the client is closed and it is said" {
	BEHIND=$(free_port)
	start_redirect
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line "redirect to 127\.0\.0\.1 $BEHIND: Connection refused"
}

@test "a host that does not resolve is an error when it is loaded" {
	print_service a 'redirect = nosuch.invalid 80' | sed '/server/d' >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == conf:*': redirect: nosuch.invalid: '* ]]
}

@test "redirect goes to IPv6 too" {
	start_server -h ::1 - accept line 'send:six\n' close
	print_service a "redirect = ::1 $PORT" | sed '/server/d' >"$CONF"
	start_superd -c "$CONF"
	run "$CLIENT" "$PORT" 'send:hello\n' all
	assert_output six
}

@test "only_from holds for redirect, too" {
	behind accept line close
	start_redirect 'only_from = 127.0.0.2'
	run "$CLIENT" "$PORT" all
	assert_output ''
	run grep accept "$SERVER_OUTPUT"
	has_children 0
}

@test "a redirection needs no user and no server" {
	behind accept line 'send:hello\n' close
	print_service a "redirect = 127.0.0.1 $BEHIND" | sed '/server/d; /user/d' >"$CONF"
	start_superd -c "$CONF"
	run "$CLIENT" "$PORT" 'send:x\n' all
	assert_output hello
}
