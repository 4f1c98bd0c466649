# SPDX-License-Identifier: ISC
# cmdc with a NAME: one request, plain output, an exit status.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/client

# serve_reply REPLY: a server that sends REPLY to one request, and closes the connection.
serve_reply() {
	start_server - accept line "send:$1" close
}

@test "cmdc request: NAME and arguments, cmdc sends them as one line" {
	serve_reply 'ok\n'
	run_cmdc echo 'two words' '' last
	wait_for_server_line 'echo<>two words<><>last'
}

@test "cmdc request: NAME without arguments, cmdc sends the name alone" {
	serve_reply 'ok\n'
	run_cmdc time
	wait_for_server_line time
}

@test "cmdc request: options after NAME, cmdc sends them as arguments" {
	serve_reply 'ok\n'
	run_cmdc echo -t x -V
	wait_for_server_line 'echo<>-t<>x<>-V'
}

@test "cmdc request: a NAME that begins with - after --, cmdc sends it" {
	serve_reply 'ok\n'
	run_cmdc -- -x
	wait_for_server_line '-x'
}

@test "cmdc request: an empty last argument, cmdc sends it" {
	serve_reply 'ok<>\n'
	run_cmdc echo ''
	wait_for_server_line 'echo<>'
}

@test "cmdc result: ok with a result, cmdc prints it plain" {
	serve_reply 'ok<>hello!!\n'
	run --separate-stderr run_cmdc printf 'hello!!'
	assert_success
	assert_output 'hello!!'
	assert_equal "$stderr" ''
}

@test "cmdc result: a result that holds <>, cmdc prints it unchanged" {
	serve_reply 'ok<>a<>b\n'
	run run_cmdc echo 'a<>b'
	assert_output 'a<>b'
}

@test "cmdc result: an empty result, cmdc prints an empty line" {
	serve_reply 'ok<>\n'
	run_cmdc echo '' >"$BATS_TEST_TMPDIR/out"
	assert_equal "$(od -An -c "$BATS_TEST_TMPDIR/out")" '  \n'
}

@test "cmdc result: ok without a result, cmdc prints nothing" {
	serve_reply 'ok\n'
	run run_cmdc quiet
	assert_success
	assert_output ''
}

@test "cmdc lines: out lines and a result, cmdc prints the lines first and without out<>" {
	serve_reply 'out<>one\nout<>\nout<>out<>ok\nok<>done\n'
	run run_cmdc work
	assert_success
	assert_output "$(printf 'one\n\nout<>ok\ndone')"
}

@test "cmdc errors: an error reply, cmdc prints its code and text to stderr and exits with status 1" {
	serve_reply 'error<>unknown<>nosuch\n'
	run --separate-stderr run_cmdc nosuch
	assert_failure 1
	assert_output ''
	assert_equal "$stderr" 'cmdc: unknown: nosuch'
}

@test "cmdc errors: a text that holds <>, cmdc prints it unchanged" {
	serve_reply 'error<>usage<>printf<>TEXT\n'
	run --separate-stderr run_cmdc printf
	assert_failure 1
	assert_equal "$stderr" 'cmdc: usage: printf<>TEXT'
}

@test "cmdc errors: an error after out lines, the lines are on stdout" {
	serve_reply 'out<>part\nerror<>exit<>2\n'
	run --separate-stderr run_cmdc work
	assert_failure 1
	assert_output part
	assert_equal "$stderr" 'cmdc: exit: 2'
}

@test "cmdc reply: it arrives byte by byte, cmdc reads it like any other" {
	start_server - accept line 'drip:out<>a<b\nerror<>ex<it<>te<>xt\n'
	run --separate-stderr run_cmdc work
	assert_failure 1
	assert_output 'a<b'
	assert_equal "$stderr" 'cmdc: ex<it: te<>xt'
}

@test "cmdc reply: any bytes to a pipe, cmdc prints them unchanged" {
	serve_reply 'out<>\x00\x01\x1b[31m\r\xff\xc3\xa9\x7f\t\r\nok\n'
	run_cmdc bytes >"$BATS_TEST_TMPDIR/out"
	assert_equal "$(od -An -tx1 "$BATS_TEST_TMPDIR/out")" ' 00 01 1b 5b 33 31 6d 0d ff c3 a9 7f 09 0d 0a'
}

@test "cmdc reply: more bytes after it, cmdc ignores them" {
	serve_reply 'ok<>mine\nok<>another\nrubbish\n'
	run --separate-stderr run_cmdc echo mine
	assert_success
	assert_output mine
	assert_equal "$stderr" ''
}

@test "cmdc reply: the server keeps the connection open, cmdc exits when the reply is complete" {
	start_server - accept line 'send:ok<>now\n' hold
	run run_cmdc echo now
	assert_success
	assert_output now
}

@test "cmdc lines: the reply has not ended, cmdc prints each line at once" {
	start_server - accept line 'send:out<>first\n' "file:$BATS_TEST_TMPDIR/seen" 'send:ok<>last\n' close
	start_background "$CMDC" -h 127.0.0.1 -p "$PORT" work >"$BATS_TEST_TMPDIR/out"
	wait_for_line '^first$' "$BATS_TEST_TMPDIR/out"
	: >"$BATS_TEST_TMPDIR/seen"
	wait "$BG_PID"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/out")" "$(printf 'first\nlast')"
}

@test "cmdc lines: a line has not ended, cmdc prints its beginning at once" {
	start_server - accept line 'send:out<>fir' "file:$BATS_TEST_TMPDIR/seen" 'send:st\nok\n' close
	start_background "$CMDC" -h 127.0.0.1 -p "$PORT" work >"$BATS_TEST_TMPDIR/out"
	wait_for_line '^fir$' "$BATS_TEST_TMPDIR/out"
	: >"$BATS_TEST_TMPDIR/seen"
	wait "$BG_PID"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/out")" first
}

# peak COMMAND...: run it, and print its peak memory in KiB. In Python, since not every machine has GNU time.
peak() {
	python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if status == 0 else "status %d" % status)' "$@"
}

@test "cmdc memory: a reply of 1,500,000 lines, it takes no more memory than a short one" {
	local small large
	serve_reply 'ok\n'
	small=$(peak "$CMDC" -h 127.0.0.1 -p "$PORT" work)
	start_server - accept line 'many:1500000:out<>0123456789012345678901234567890123456789\n' 'send:ok\n' close
	large=$(peak "$CMDC" -h 127.0.0.1 -p "$PORT" work)
	echo "$small KiB, $large KiB"
	((large < small + 2048))
}

@test "cmdc memory: a line of 60 MB, it takes no more memory than a short one" {
	local small large
	serve_reply 'ok\n'
	small=$(peak "$CMDC" -h 127.0.0.1 -p "$PORT" work)
	start_server - accept line send:out\<\> 'many:1500000:0123456789012345678901234567890123456789' 'send:\nok\n' close
	large=$(peak "$CMDC" -h 127.0.0.1 -p "$PORT" work)
	echo "$small KiB, $large KiB"
	((large < small + 2048))
}

@test "cmdc reply: 500,000 lines, they arrive complete" {
	start_server - accept line 'many:500000:out<>0123456789\n' 'send:ok\n' close
	run_cmdc work | md5sum >"$BATS_TEST_TMPDIR/sum"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/sum")" "$(yes 0123456789 | head -n 500000 | md5sum)"
}

@test "cmdc request: 700 kB of arguments, cmdc sends them complete" {
	local argument
	argument=$(head -c 100000 /dev/zero | tr '\0' x)
	serve_reply 'ok\n'
	run_cmdc echo "$argument" "$argument" "$argument" "$argument" "$argument" "$argument" "$argument"
	wait_server
	assert_equal "$(sed -n 2p "$SERVER_OUTPUT" | wc -c)" $((4 + 7 * 100002 + 1))
}
