# SPDX-License-Identifier: ISC
# redirect: superd forwards a connection to another host and port, and the end of each direction separately.
#
# shellcheck disable=SC2154 # run sets them
# shellcheck disable=SC2030,SC2031 # each test has its own TARGET and SERVER_OUTPUT

load ../lib/superd
load ../lib/client

# start_target STEP...: start the scripted server as the target of the redirection. Sets TARGET, its port.
start_target() {
	start_server - "$@"
	TARGET=$PORT
}

# start_redirect LINE...: start superd with one service that redirects to TARGET, and has these lines.
start_redirect() {
	print_service a "redirect = 127.0.0.1 $TARGET" 'log_on_success = HOST TRAFFIC EXIT' 'user = nobody' "$@" |
		sed '/server/d' >"$CONF"
	start_superd -c "$CONF"
}

@test "redirect: a client and a server exchange lines, each arrives" {
	needs root
	start_target accept line 'send:an answer\n' line close
	start_redirect
	run "$CLIENT" "$PORT" 'send:one\n' line 'send:two\n' all
	assert_output 'an answer'
	wait_for_line '^two$' "$SERVER_OUTPUT"
	grep -qx one "$SERVER_OUTPUT"
}

@test "redirect: the client ends its side, the server sees it and its answer arrives" {
	needs root
	start_target accept all 'send:late\n' close
	start_redirect
	run "$CLIENT" "$PORT" 'send:hello\n' shut all
	assert_output late
	wait_for_line '^(end)$' "$SERVER_OUTPUT"
}

@test "redirect: the server ends its side, the client sees it and its lines still arrive" {
	needs root
	start_target accept 'send:first\n' shut line line all
	start_redirect
	run "$CLIENT" "$PORT" all 'send:one\n' 'send:two\n' shut close
	assert_output first
	wait_for_line '^two$' "$SERVER_OUTPUT"
	wait_for_line '^(end)$' "$SERVER_OUTPUT"
}

@test "redirect: both sides have ended, the child exits" {
	needs root
	start_target accept all close
	start_redirect
	run "$CLIENT" "$PORT" shut all
	assert_success
	wait_for_line '^superd: EXIT: a status=0$'
	has_children 0
}

@test "redirect: the server resets, the client's connection ends" {
	needs root
	start_target accept line reset
	start_redirect
	run "$CLIENT" "$PORT" 'send:hello\n' all
	wait_for_line '^superd: EXIT: a '
}

@test "redirect: the client resets, the server's connection ends" {
	needs root
	start_target accept line all
	start_redirect
	"$CLIENT" "$PORT" 'send:hello\n' file:"$SERVER_OUTPUT" reset
	wait_for_line '^superd: EXIT: a '
}

@test "redirect: log_on_success has TRAFFIC, the line has the bytes of each direction" {
	needs root
	start_target accept line 'many:1000:0123456789' close
	start_redirect
	"$CLIENT" "$PORT" 'send:hello\n' all >/dev/null
	wait_for_line '^superd: TRAFFIC: a in=6(bytes) out=10000(bytes)$'
}

@test "redirect: TRAFFIC with log_type FILE and a user who cannot write there, the line is in the file" {
	needs root
	start_target accept line close
	mkdir -m 700 "$BATS_TEST_TMPDIR/logs"
	start_redirect "log_type = FILE $BATS_TEST_TMPDIR/logs/file"
	"$CLIENT" "$PORT" 'send:hello\n' all
	wait_for_line 'TRAFFIC: a in=6(bytes) out=0(bytes)$' "$BATS_TEST_TMPDIR/logs/file"
}

@test "redirect: log_on_success has no TRAFFIC, there is no such line" {
	needs root
	start_target accept line close
	start_redirect
	sed -i 's/TRAFFIC//' "$CONF"
	stop_superd
	start_superd -c "$CONF"
	"$CLIENT" "$PORT" 'send:hello\n' all
	wait_for_line 'EXIT: a'
	run grep TRAFFIC "$LOG"
	assert_failure
}

@test "redirect: 5 MB in both directions at once, they arrive complete" {
	needs root
	print_service cat >"$CONF"
	start_superd -c "$CONF"
	TARGET=$PORT
	mkdir "$BATS_TEST_TMPDIR/2"
	SUPERD_LOG=$BATS_TEST_TMPDIR/2/log
	start_redirect
	head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/sent"
	ask "$PORT" <"$BATS_TEST_TMPDIR/sent" >"$BATS_TEST_TMPDIR/got"
	cmp "$BATS_TEST_TMPDIR/sent" "$BATS_TEST_TMPDIR/got"
	wait_for_line 'TRAFFIC: a in=5000000(bytes) out=5000000(bytes)$'
}

@test "redirect: the client does not read for a while, 3 MB arrive complete" {
	needs root
	start_target accept line 'many:3000000:x' close
	start_redirect
	run bash -c '"$0" "$1" "send:hello\n" "file:$2" all | wc -c' "$CLIENT" "$PORT" "$SERVER_OUTPUT"
	assert_output 3000000
}

@test "redirect: nothing listens at the target, the client's connection ends and superd logs the error" {
	needs root
	TARGET=$(free_port)
	start_redirect
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line "redirect to 127\.0\.0\.1 $TARGET: Connection refused"
}

@test "redirect: the host does not resolve, it is an error in the configuration" {
	print_service a 'redirect = nosuch.invalid 80' | sed '/server/d' >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == conf:*': redirect: nosuch.invalid: '* ]]
}

@test "redirect: an IPv6 target, superd connects to it" {
	needs ipv6
	start_server -h ::1 - accept line 'send:six\n' close
	print_service a "redirect = ::1 $PORT" | sed '/server/d' >"$CONF"
	start_superd -c "$CONF"
	run "$CLIENT" "$PORT" 'send:hello\n' all
	assert_output six
}

@test "redirect: only_from, superd refuses the client" {
	needs root
	start_target accept 'send:secret\n' close
	start_redirect 'only_from = 127.0.0.2' 'log_on_failure = HOST'
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line '^superd: FAIL: a address from=127\.0\.0\.1$'
}

@test "redirect: neither user nor server is set, the service runs" {
	start_target accept line 'send:hello\n' close
	print_service a "redirect = 127.0.0.1 $TARGET" | sed '/server/d; /user/d' >"$CONF"
	start_superd -c "$CONF"
	run "$CLIENT" "$PORT" 'send:x\n' all
	assert_output hello
}
