# cmdc without a NAME, in a pipe: lines out and replies back, both at once.
#
# shellcheck disable=SC2016,SC2154 # what is said in backticks; what run sets

load ../lib/client

# lines TEXT [ARGUMENT...]: a session with TEXT, in printf's escapes, as its input.
lines() {
	printf '%b' "$1" | run_cmdc "${@:2}"
}

@test "each line is sent, and its reply printed as it came" {
	start_server - accept answer
	run lines 'echo<>a<>b\ntime\n'
	assert_success
	assert_output "$(printf 'ok<>echo<>a<>b\nok<>time')"
}

@test "replies of every kind are printed on stdout" {
	start_server - accept line 'send:out<>one\nok\nerror<>unknown<>x\nok<>\n' hold
	run --separate-stderr lines 'a\nb\nc\n'
	assert_output "$(printf 'out<>one\nok\nerror<>unknown<>x\nok<>')"
	assert_equal "$stderr" ''
}

@test "an error among the replies is status 1" {
	start_server - accept line 'send:ok\nerror<>unknown<>x\nok\n' hold
	run lines 'a\nb\nc\n'
	assert_failure 1
}

@test "the session ends when the last reply has come, though the server stays" {
	start_server - accept line 'send:ok<>1\n' hold
	run lines 'a\n'
	assert_success
	assert_output 'ok<>1'
}

@test "our side stays open until the last reply has come" {
	start_server - accept line quiet 'send:ok\n' all
	run lines 'a\n'
	assert_success
	wait_server
	assert_equal "$(tail -n +2 "$SERVER_OUTPUT")" "$(printf 'a\n(quiet)\n(end)')"
}

@test "the input may end without a newline" {
	start_server - accept answer
	run lines 'one\ntwo'
	assert_success
	assert_output "$(printf 'ok<>one\nok<>two')"
}

@test "an empty line, also with a carriage return, is not waited for" {
	start_server - accept answer
	run lines '\n\r\none\n\n\r\n\r'
	assert_success
	assert_output 'ok<>one'
}

@test "no input at all is status 0" {
	start_server - accept answer
	run run_cmdc </dev/null
	assert_success
	assert_output ''
}

@test "nothing behind exit is sent" {
	start_server - accept answer
	run lines 'exit<>\nexits\nexit \nexit\nlost\n'
	assert_success
	assert_output "$(printf 'ok<>exit<>\nok<>exits\nok<>exit \nok<>exit')"
	wait_server
	run -1 grep lost "$SERVER_OUTPUT"
}

@test "exit ends the session with a carriage return, too, and while the input goes on" {
	start_server - accept take:2 line 'send:ok<>bye\n' hold
	mkfifo "$BATS_TEST_TMPDIR/in"
	start_cmdc "$BATS_TEST_TMPDIR/in"
	exec 4>"$BATS_TEST_TMPDIR/in"
	printf 'ex' >&4
	wait_for_server_line ex
	printf 'it\r\n' >&4
	assert_cmdc_ends 0
	exec 4>&-
	assert_equal "$(cat "$OUT")" 'ok<>bye'
}

@test "a reply is printed while the input goes on" {
	start_server - accept answer
	mkfifo "$BATS_TEST_TMPDIR/in"
	start_cmdc "$BATS_TEST_TMPDIR/in"
	exec 4>"$BATS_TEST_TMPDIR/in"
	echo one >&4
	wait_for_line '^ok<>one$' "$BATS_TEST_TMPDIR/out"
	echo two >&4
	wait_for_line '^ok<>two$' "$BATS_TEST_TMPDIR/out"
	exec 4>&-
	assert_cmdc_ends 0
}

@test "200,000 requests at once get their replies in order" {
	start_server - accept answer
	seq 200000 | sed 's/^/echo<>/' >"$BATS_TEST_TMPDIR/in"
	run_cmdc <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	sed 's/^/ok<>/' "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "a server that writes much before it reads more is no deadlock" {
	start_server - accept line 'many:400000:out<>0123456789012345678901234567890123456789\n' 'send:ok\n' answer
	seq 400000 | sed '1s/.*/first/; 1!s/^/echo<>/' >"$BATS_TEST_TMPDIR/in"
	run_cmdc <"$BATS_TEST_TMPDIR/in" | tail -n 1 >"$BATS_TEST_TMPDIR/out"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/out")" 'ok<>echo<>400000'
}

@test "a line of megabytes passes" {
	start_server - accept answer
	{
		printf 'echo<>'
		head -c 5000000 /dev/zero | tr '\0' x
		echo
	} >"$BATS_TEST_TMPDIR/in"
	run_cmdc <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	sed 's/^/ok<>/' "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "a server that closes before the input has ended is status 3, though nothing was asked" {
	start_server - accept line 'send:ok\nerror<>idle<>1\n' close
	mkfifo "$BATS_TEST_TMPDIR/in"
	start_cmdc "$BATS_TEST_TMPDIR/in"
	exec 4>"$BATS_TEST_TMPDIR/in"
	echo one >&4
	assert_cmdc_ends 3
	exec 4>&-
	assert_equal "$(cat "$OUT")" "$(printf 'ok\nerror<>idle<>1')"
	assert_equal "$(cat "$ERR")" "cmdc: 127.0.0.1 port $PORT: the server closed the connection"
}

@test "replies that came before the server closed are printed, and the missing one is status 3" {
	start_server - accept line line 'send:ok<>1\n' close
	run --separate-stderr lines 'a\nb\n'
	assert_failure 3
	assert_output 'ok<>1'
	assert_equal "$stderr" "cmdc: 127.0.0.1 port $PORT: the server closed the connection before the reply"
}

@test "replies that came before a reset are printed" {
	start_server - accept line line 'send:ok<>1\n' "file:$BATS_TEST_TMPDIR/seen" reset
	printf 'a\nb\n' >"$BATS_TEST_TMPDIR/in"
	start_cmdc "$BATS_TEST_TMPDIR/in"
	wait_for_line 'ok<>1' "$BATS_TEST_TMPDIR/out"
	: >"$BATS_TEST_TMPDIR/seen"
	assert_cmdc_ends 3
}

@test "a directory as input is status 3" {
	start_server - accept answer
	run --separate-stderr bash -c '"$1" -h 127.0.0.1 -p "$2" </' - "$CMDC" "$PORT"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard input: Is a directory'
}

@test "a closed stdin is status 3, and does not become the connection" {
	start_server - accept answer
	run --separate-stderr bash -c '"$1" -h 127.0.0.1 -p "$2" <&-' - "$CMDC" "$PORT"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard input: Bad file descriptor'
}

@test "stdin and stdout may be non-blocking" {
	start_server - accept line 'many:200000:out<>0123456789\n' 'send:ok\n' close
	run timeout "$WAIT_SECONDS" python3 -c '
import fcntl, os, subprocess, sys
reader, writer = os.pipe()
asker, asked = os.pipe()
for fd in (writer, asker):
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
client = subprocess.Popen(sys.argv[1:], stdin=asker, stdout=writer)
os.close(writer)
os.write(asked, b"x\n")
os.close(asked)
print(sum(len(part) for part in iter(lambda: os.read(reader, 65536), b"")), client.wait())' \
		"$CMDC" -h 127.0.0.1 -p "$PORT"
	assert_output "$((200000 * 16 + 3)) 0"
}
