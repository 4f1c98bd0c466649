# SPDX-License-Identifier: ISC
# cmdc without a NAME, in a pipe: it sends lines and prints replies at the same time.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/client

# send_lines TEXT [ARGUMENT...]: a session with TEXT, in printf's escapes, as its input.
send_lines() {
	printf '%b' "$1" | run_cmdc "${@:2}"
}

@test "cmdc session: lines on stdin, cmdc sends each and prints its reply unchanged" {
	start_server - accept answer
	run send_lines 'echo<>a<>b\ntime\n'
	assert_success
	assert_output "$(printf 'ok<>echo<>a<>b\nok<>time')"
}

@test "cmdc session: out lines, ok and error, cmdc prints all of them on stdout" {
	start_server - accept line 'send:out<>one\nok\nerror<>unknown<>x\nok<>\n' hold
	run --separate-stderr send_lines 'a\nb\nc\n'
	assert_output "$(printf 'out<>one\nok\nerror<>unknown<>x\nok<>')"
	assert_equal "$stderr" ''
}

@test "cmdc session: one reply is an error, cmdc exits with status 1" {
	start_server - accept line 'send:ok\nerror<>unknown<>x\nok\n' hold
	run send_lines 'a\nb\nc\n'
	assert_failure 1
}

@test "cmdc session: the last reply has arrived and the server stays, cmdc exits" {
	start_server - accept line 'send:ok<>1\n' hold
	run send_lines 'a\n'
	assert_success
	assert_output 'ok<>1'
}

@test "cmdc session: a reply is missing, cmdc keeps its sending side open" {
	start_server - accept line quiet 'send:ok\n' all
	run send_lines 'a\n'
	assert_success
	wait_server
	assert_equal "$(tail -n +2 "$SERVER_OUTPUT")" "$(printf 'a\n(quiet)\n(end)')"
}

@test "cmdc session: the last line has no newline, cmdc sends it" {
	start_server - accept answer
	run send_lines 'one\ntwo'
	assert_success
	assert_output "$(printf 'ok<>one\nok<>two')"
}

@test "cmdc session: empty lines with and without CR, cmdc waits for no reply to them" {
	start_server - accept answer
	run send_lines '\n\r\none\n\n\r\n\r'
	assert_success
	assert_output 'ok<>one'
}

@test "cmdc session: empty input, cmdc exits with status 0" {
	start_server - accept answer
	run run_cmdc </dev/null
	assert_success
	assert_output ''
}

@test "cmdc session: lines after exit, cmdc does not send them" {
	start_server - accept answer
	run send_lines 'exit<>\nexits\nexit \nexit\nlost\n'
	assert_success
	assert_output "$(printf 'ok<>exit<>\nok<>exits\nok<>exit \nok<>exit')"
	wait_server
	run -1 grep lost "$SERVER_OUTPUT"
}

@test "cmdc session: exit with a CR while the input continues, cmdc exits" {
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

@test "cmdc session: the input continues, cmdc prints each reply at once" {
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

@test "cmdc session: 200,000 lines at once to the scripted server, the replies arrive in order" {
	start_server - accept answer
	seq 200000 | sed 's/^/echo<>/' >"$BATS_TEST_TMPDIR/in"
	run_cmdc <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	sed 's/^/ok<>/' "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "cmdc session: the server writes 16 MB before it reads, there is no deadlock" {
	start_server - accept line 'many:400000:out<>0123456789012345678901234567890123456789\n' 'send:ok\n' answer
	seq 400000 | sed '1s/.*/first/; 1!s/^/echo<>/' >"$BATS_TEST_TMPDIR/in"
	run_cmdc <"$BATS_TEST_TMPDIR/in" | tail -n 1 >"$BATS_TEST_TMPDIR/out"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/out")" 'ok<>echo<>400000'
}

@test "cmdc session: a line of 5 MB, the reply arrives complete" {
	start_server - accept answer
	{
		printf 'echo<>'
		head -c 5000000 /dev/zero | tr '\0' x
		echo
	} >"$BATS_TEST_TMPDIR/in"
	run_cmdc <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	sed 's/^/ok<>/' "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "cmdc session: the server closes after the last reply while the input continues, cmdc exits with status 3" {
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

@test "cmdc session: the server closes before the last reply, cmdc prints the others and exits with status 3" {
	start_server - accept line line 'send:ok<>1\n' close
	run --separate-stderr send_lines 'a\nb\n'
	assert_failure 3
	assert_output 'ok<>1'
	assert_equal "$stderr" "cmdc: 127.0.0.1 port $PORT: the server closed the connection before the reply"
}

@test "cmdc session: the server resets, cmdc has printed the replies before that and exits with status 3" {
	start_server - accept line line 'send:ok<>1\n' "file:$BATS_TEST_TMPDIR/seen" reset
	printf 'a\nb\n' >"$BATS_TEST_TMPDIR/in"
	start_cmdc "$BATS_TEST_TMPDIR/in"
	wait_for_line 'ok<>1' "$BATS_TEST_TMPDIR/out"
	: >"$BATS_TEST_TMPDIR/seen"
	assert_cmdc_ends 3
}

@test "cmdc session: stdin is a directory, cmdc exits with status 3" {
	start_server - accept answer
	run --separate-stderr bash -c '"$1" -h 127.0.0.1 -p "$2" </' - "$CMDC" "$PORT"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard input: Is a directory'
}

@test "cmdc session: stdin is closed, cmdc exits with status 3 and does not read the connection instead" {
	start_server - accept answer
	run --separate-stderr bash -c '"$1" -h 127.0.0.1 -p "$2" <&-' - "$CMDC" "$PORT"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard input: Bad file descriptor'
}

@test "cmdc session: stdin and stdout are nonblocking, the reply arrives complete" {
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
