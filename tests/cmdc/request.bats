# cmdc with a NAME: one request, plain output, an exit status. The servers are tests/serve's.
#
# shellcheck disable=SC2016,SC2154 # what is said in backticks; what run sets

load ../lib/client

# One reply to one request, then the end of the connection.
serve_reply() {
	start_server - accept line "send:$1" close
}

@test "cmdc sends NAME and its arguments as one line" {
	serve_reply 'ok\n'
	run_cmdc echo 'two words' '' last
	wait_for_server_line 'echo<>two words<><>last'
}

@test "cmdc sends a NAME without arguments" {
	serve_reply 'ok\n'
	run_cmdc time
	wait_for_server_line time
}

@test "what looks like an option behind NAME is an argument" {
	serve_reply 'ok\n'
	run_cmdc echo -t x -V
	wait_for_server_line 'echo<>-t<>x<>-V'
}

@test "a NAME that begins with a dash can be sent behind --" {
	serve_reply 'ok\n'
	run_cmdc -- -x
	wait_for_server_line '-x'
}

@test "an empty last argument is sent" {
	serve_reply 'ok<>\n'
	run_cmdc echo ''
	wait_for_server_line 'echo<>'
}

@test "cmdc prints the result plain" {
	serve_reply 'ok<>hello!!\n'
	run --separate-stderr run_cmdc printf 'hello!!'
	assert_success
	assert_output 'hello!!'
	assert_equal "$stderr" ''
}

@test "a result is printed with the <> that it holds" {
	serve_reply 'ok<>a<>b\n'
	run run_cmdc echo 'a<>b'
	assert_output 'a<>b'
}

@test "an empty result is an empty line" {
	serve_reply 'ok<>\n'
	run_cmdc echo '' >"$BATS_TEST_TMPDIR/out"
	assert_equal "$(od -An -c "$BATS_TEST_TMPDIR/out")" '  \n'
}

@test "no result prints nothing" {
	serve_reply 'ok\n'
	run run_cmdc quiet
	assert_success
	assert_output ''
}

@test "the lines of a reply come before its result, without their mark" {
	serve_reply 'out<>one\nout<>\nout<>out<>ok\nok<>done\n'
	run run_cmdc work
	assert_success
	assert_output "$(printf 'one\n\nout<>ok\ndone')"
}

@test "an error goes to stderr as its code and its text, with status 1" {
	serve_reply 'error<>unknown<>nosuch\n'
	run --separate-stderr run_cmdc nosuch
	assert_failure 1
	assert_output ''
	assert_equal "$stderr" 'cmdc: unknown: nosuch'
}

@test "an error keeps the <> of its text" {
	serve_reply 'error<>usage<>printf<>TEXT\n'
	run --separate-stderr run_cmdc printf
	assert_failure 1
	assert_equal "$stderr" 'cmdc: usage: printf<>TEXT'
}

@test "an error behind lines leaves the lines on stdout" {
	serve_reply 'out<>part\nerror<>exit<>2\n'
	run --separate-stderr run_cmdc work
	assert_failure 1
	assert_output part
	assert_equal "$stderr" 'cmdc: exit: 2'
}

@test "a reply that comes byte by byte is read the same" {
	start_server - accept line 'drip:out<>a<b\nerror<>ex<it<>te<>xt\n'
	run --separate-stderr run_cmdc work
	assert_failure 1
	assert_output 'a<b'
	assert_equal "$stderr" 'cmdc: ex<it: te<>xt'
}

@test "every byte of a reply passes a pipe untouched" {
	serve_reply 'out<>\x00\x01\x1b[31m\r\xff\xc3\xa9\x7f\t\r\nok\n'
	run_cmdc bytes >"$BATS_TEST_TMPDIR/out"
	assert_equal "$(od -An -tx1 "$BATS_TEST_TMPDIR/out")" ' 00 01 1b 5b 33 31 6d 0d ff c3 a9 7f 09 0d 0a'
}

@test "what follows the reply is not looked at" {
	serve_reply 'ok<>mine\nok<>another\nrubbish\n'
	run --separate-stderr run_cmdc echo mine
	assert_success
	assert_output mine
	assert_equal "$stderr" ''
}

@test "cmdc does not wait for the server to close" {
	start_server - accept line 'send:ok<>now\n' hold
	run run_cmdc echo now
	assert_success
	assert_output now
}

@test "a line is printed before the reply has ended" {
	start_server - accept line 'send:out<>first\n' "file:$BATS_TEST_TMPDIR/seen" 'send:ok<>last\n' close
	start_background "$CMDC" -h 127.0.0.1 -p "$PORT" work >"$BATS_TEST_TMPDIR/out"
	wait_for_line '^first$' "$BATS_TEST_TMPDIR/out"
	: >"$BATS_TEST_TMPDIR/seen"
	wait "$BG_PID"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/out")" "$(printf 'first\nlast')"
}

@test "part of a line is printed before the line has ended" {
	start_server - accept line 'send:out<>fir' "file:$BATS_TEST_TMPDIR/seen" 'send:st\nok\n' close
	start_background "$CMDC" -h 127.0.0.1 -p "$PORT" work >"$BATS_TEST_TMPDIR/out"
	wait_for_line '^fir$' "$BATS_TEST_TMPDIR/out"
	: >"$BATS_TEST_TMPDIR/seen"
	wait "$BG_PID"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/out")" first
}

# peak COMMAND...: run it, and print its peak memory in KiB. In Python, since GNU time is not everywhere.
peak() {
	python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if status == 0 else "status %d" % status)' "$@"
}

@test "the memory that a reply takes does not grow with the reply" {
	local small large
	serve_reply 'ok\n'
	small=$(peak "$CMDC" -h 127.0.0.1 -p "$PORT" work)
	start_server - accept line 'many:1500000:out<>0123456789012345678901234567890123456789\n' 'send:ok\n' close
	large=$(peak "$CMDC" -h 127.0.0.1 -p "$PORT" work)
	echo "$small KiB, $large KiB"
	((large < small + 2048))
}

@test "the memory that a line takes does not grow with the line" {
	local small large
	serve_reply 'ok\n'
	small=$(peak "$CMDC" -h 127.0.0.1 -p "$PORT" work)
	start_server - accept line send:out\<\> 'many:1500000:0123456789012345678901234567890123456789' 'send:\nok\n' close
	large=$(peak "$CMDC" -h 127.0.0.1 -p "$PORT" work)
	echo "$small KiB, $large KiB"
	((large < small + 2048))
}

@test "a large reply arrives whole" {
	start_server - accept line 'many:500000:out<>0123456789\n' 'send:ok\n' close
	run_cmdc work | md5sum >"$BATS_TEST_TMPDIR/sum"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/sum")" "$(yes 0123456789 | head -n 500000 | md5sum)"
}

@test "a request of many kilobytes is sent whole" {
	local argument
	argument=$(head -c 100000 /dev/zero | tr '\0' x)
	serve_reply 'ok\n'
	run_cmdc echo "$argument" "$argument" "$argument" "$argument" "$argument" "$argument" "$argument"
	wait_server
	assert_equal "$(sed -n 2p "$SERVER_OUTPUT" | wc -c)" $((4 + 7 * 100002 + 1))
}
