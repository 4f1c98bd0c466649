# cmdc against servers that are silent, slow, cut off or no cmd at all, and with descriptors that fail.
#
# shellcheck disable=SC2016,SC2154 # what is said in backticks; what run sets

load ../lib/client

# lost REASON ARGUMENT...: a command gets no whole reply, with this reason.
lost() {
	run --separate-stderr run_cmdc "${@:2}"
	assert_failure 3
	assert_equal "$stderr" "cmdc: 127.0.0.1 port $PORT: $1"
}

@test "a server that says nothing is given up when the time is up" {
	start_server - accept hold
	lost 'no reply for 1 s' -t 1 time
}

@test "a server that says nothing is given up in a session, too" {
	start_server - accept hold
	lost 'no reply for 1 s' -t 1 < <(echo time)
}

@test "bytes that never make a line do not prolong the wait" {
	start_server - accept line 'drip:out<>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
	lost 'no reply for 1 s' -t 1 time
}

@test "each line of a reply has the time again" {
	start_server - accept line 'slow:6:out<>x\n' 'send:ok\n' close
	run run_cmdc -t 3 slow
	assert_success
	assert_output "$(printf 'x\nx\nx\nx\nx\nx')"
}

@test "a server that does not read is given up when the time is up" {
	start_server - accept hold
	yes 'echo<>0123456789' | head -n 2000000 >"$BATS_TEST_TMPDIR/in"
	lost 'no reply for 1 s' -t 1 <"$BATS_TEST_TMPDIR/in"
}

@test "the time that the reader of the output takes is not the server's" {
	start_server - accept line 'many:500000:out<>0123456789\n' 'send:ok\n' close
	run_cmdc -t 2 work | {
		sleep 4
		wc -l
	} >"$BATS_TEST_TMPDIR/lines"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/lines")" 500000
}

@test "the time between requests is not the server's" {
	start_server - accept answer
	run run_cmdc -t 2 < <(
		echo one
		sleep 3
		echo two
	)
	assert_success
	assert_output "$(printf 'ok<>one\nok<>two')"
}

@test "-t 0 waits" {
	start_server - accept line quiet quiet quiet 'send:ok<>late\n' close
	run run_cmdc -t 0 late
	assert_success
	assert_output late
}

@test "a connection that is closed at once is no reply" {
	start_server - accept line close
	lost 'the server closed the connection before the reply' time
}

@test "a connection that is reset is no reply" {
	start_server - accept line reset
	lost 'Connection reset by peer' time
}

@test "ok without its newline is no whole reply" {
	start_server - accept line send:ok close
	lost 'the server closed the connection in the middle of a reply' time
}

@test "ok with a result without its newline is no whole reply" {
	start_server - accept line 'send:ok<>2026' close
	lost 'the server closed the connection in the middle of a reply' time
	assert_output 2026
}

@test "lines without an end of the reply are no whole reply, and are printed" {
	start_server - accept line 'send:out<>one\nout<>two\n' close
	lost 'the server closed the connection in the middle of a reply' work
	assert_output "$(printf 'one\ntwo')"
}

@test "an error that is cut off is no whole reply, and the message has a line of its own" {
	start_server - accept line 'send:error<>exit<>par' close
	run --separate-stderr run_cmdc time
	assert_failure 3
	assert_equal "${stderr_lines[0]}" 'cmdc: exit: par'
	assert_regex "${stderr_lines[1]}" '^cmdc: .* in the middle of a reply$'
}

@test "what is no reply is shown, escaped, and ends the session" {
	start_server - accept line 'send:SSH-2.0-\x1b[2JOpenSSH\r\nmore\n' hold
	lost 'not a reply of cmd: "SSH-2.0-\x1b[2JOpenSSH\x0d"' time
}

@test "what is no reply is shown up to a bound" {
	start_server - accept line 'many:100000:rubbish ' hold
	run --separate-stderr run_cmdc time
	assert_failure 3
	assert_regex "$stderr" 'not a reply of cmd: "rubbish rubbish'
	((${#stderr} < 200))
}

@test "each of the protocol's words is taken exactly" {
	local word
	for word in '' ok\\r o out 'out<' error 'error<' 'OK' 'okay' 'ok<x' 'outer' 'errors' ' ok'; do
		start_server - accept line "send:$word\\n" hold
		run --separate-stderr run_cmdc time
		assert_failure 3
		assert_regex "$stderr" ': not a reply of cmd: ".*"$'
		kill "$SERVER_PID"
	done
}

@test "an endless reply ends when nobody reads it" {
	start_server - accept line 'flood:out<>0123456789\n'
	run --separate-stderr bash -o pipefail -c '"$1" -h 127.0.0.1 -p "$2" flood | head -n 1' - "$CMDC" "$PORT"
	assert_failure 3
	assert_output 0123456789
	assert_equal "$stderr" 'cmdc: standard output: Broken pipe'
	wait_for_server_line '(gone)'
}

@test "a full disk is status 3" {
	start_server - accept line 'send:ok<>x\n' close
	run --separate-stderr bash -c '"$1" -h 127.0.0.1 -p "$2" echo x >/dev/full' - "$CMDC" "$PORT"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard output: No space left on device'
}

@test "a closed stdout is status 3, and does not become the connection" {
	start_server - accept line 'send:ok<>x\n' all
	run --separate-stderr bash -c '"$1" -h 127.0.0.1 -p "$2" echo x >&-' - "$CMDC" "$PORT"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard output: Bad file descriptor'
	wait_server
	assert_equal "$(tail -n +2 "$SERVER_OUTPUT")" "$(printf 'echo<>x\n(end)')"
}

@test "a closed stderr does not become the connection" {
	start_server - accept line 'send:error<>unknown<>x\n' all
	run bash -c '"$1" -h 127.0.0.1 -p "$2" x 2>&-' - "$CMDC" "$PORT"
	assert_failure 1
	wait_server
	assert_equal "$(tail -n +2 "$SERVER_OUTPUT")" "$(printf 'x\n(end)')"
}

@test "a full disk for stderr leaves the exit status as it is" {
	start_server - accept line 'send:error<>unknown<>x\n' close
	run bash -c '"$1" -h 127.0.0.1 -p "$2" x 2>/dev/full' - "$CMDC" "$PORT"
	assert_failure 1
}

@test "a client that was stopped goes on" {
	start_server - accept line "file:$BATS_TEST_TMPDIR/go" 'send:ok<>x\n' close
	echo x >"$BATS_TEST_TMPDIR/in"
	start_cmdc "$BATS_TEST_TMPDIR/in"
	wait_for_server_line x
	kill -STOP "$BG_PID"
	kill -CONT "$BG_PID"
	: >"$BATS_TEST_TMPDIR/go"
	assert_cmdc_ends 0
}
