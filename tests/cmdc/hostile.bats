# SPDX-License-Identifier: ISC
# cmdc with servers that are silent, slow, incomplete or not cmd, and with descriptors that fail.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/client

# assert_no_reply REASON ARGUMENT...: cmdc gets no complete reply, and prints this reason.
assert_no_reply() {
	run --separate-stderr run_cmdc "${@:2}"
	assert_failure 3
	assert_equal "$stderr" "cmdc: 127.0.0.1 port $PORT: $1"
}

# closed_pipe COMMAND...: run it with a pipe on stdout that nobody can read any more.
closed_pipe() {
	python3 -c '
import os, subprocess, sys
reader, writer = os.pipe()
os.close(reader)
sys.exit(subprocess.run(sys.argv[1:], stdout=writer).returncode)' "$@"
}

@test "cmdc -t: the server sends nothing, cmdc exits with status 3" {
	start_server - accept hold
	assert_no_reply 'no reply for 1 s' -t 1 time
}

@test "cmdc -t: the server sends nothing in a session, cmdc exits with status 3" {
	start_server - accept hold
	assert_no_reply 'no reply for 1 s' -t 1 < <(echo time)
}

@test "cmdc -t: bytes that never make a line, they do not extend the time" {
	start_server - accept line 'drip:out<>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
	assert_no_reply 'no reply for 1 s' -t 1 time
}

@test "cmdc -t: a line of the reply arrives, the time starts again" {
	start_server - accept line 'slow:6:out<>x\n' 'send:ok\n' close
	run run_cmdc -t 3 slow
	assert_success
	assert_output "$(printf 'x\nx\nx\nx\nx\nx')"
}

@test "cmdc -t: the server does not read, cmdc exits with status 3" {
	start_server - accept hold
	yes 'echo<>0123456789' | head -n 2000000 >"$BATS_TEST_TMPDIR/in"
	assert_no_reply 'no reply for 1 s' -t 1 <"$BATS_TEST_TMPDIR/in"
}

@test "cmdc -t: the reader of stdout is slow, that time does not count" {
	start_server - accept line 'many:500000:out<>0123456789\n' 'send:ok\n' close
	run_cmdc -t 2 work | {
		sleep 4
		wc -l
	} >"$BATS_TEST_TMPDIR/lines"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/lines")" 500000
}

@test "cmdc -t: the input of a session pauses, that time does not count" {
	start_server - accept answer
	run run_cmdc -t 2 < <(
		echo one
		sleep 3
		echo two
	)
	assert_success
	assert_output "$(printf 'ok<>one\nok<>two')"
}

@test "cmdc -t: 0 seconds, cmdc waits without limit" {
	start_server - accept line quiet quiet quiet 'send:ok<>late\n' close
	run run_cmdc -t 0 late
	assert_success
	assert_output late
}

@test "cmdc reply: the server closes the connection at once, cmdc exits with status 3" {
	start_server - accept line close
	assert_no_reply 'the server closed the connection before the reply' time
}

@test "cmdc reply: the server resets the connection, cmdc exits with status 3" {
	start_server - accept line reset
	assert_no_reply 'Connection reset by peer' time
}

@test "cmdc reply: ok without its newline, it is incomplete" {
	start_server - accept line send:ok close
	assert_no_reply 'the server closed the connection in the middle of a reply' time
}

@test "cmdc reply: ok with a result without its newline, it is incomplete" {
	start_server - accept line 'send:ok<>2026' close
	assert_no_reply 'the server closed the connection in the middle of a reply' time
	assert_output 2026
}

@test "cmdc reply: out lines without a last line, it is incomplete and cmdc prints the lines" {
	start_server - accept line 'send:out<>one\nout<>two\n' close
	assert_no_reply 'the server closed the connection in the middle of a reply' work
	assert_output "$(printf 'one\ntwo')"
}

@test "cmdc reply: an error is cut off, it is incomplete and the message begins a new line" {
	start_server - accept line 'send:error<>exit<>par' close
	run --separate-stderr run_cmdc time
	assert_failure 3
	assert_equal "${stderr_lines[0]}" 'cmdc: exit: par'
	assert_regex "${stderr_lines[1]}" '^cmdc: .* in the middle of a reply$'
}

@test "cmdc reply: error idle, it answers no request and cmdc exits with status 3" {
	local pieces
	for pieces in send slow:1; do
		start_server - accept line "$pieces:error<>idle<>5\\n" close
		run --separate-stderr run_cmdc time
		assert_failure 3
		assert_output ''
		assert_equal "${stderr_lines[0]}" 'cmdc: idle: 5'
		assert_equal "${stderr_lines[1]}" "cmdc: 127.0.0.1 port $PORT: the server closed the connection before the reply"
	done
}

@test "cmdc reply: error idle in a session with a request outstanding, cmdc exits with status 3" {
	start_server - accept line line 'send:ok<>a\nerror<>idle<>5\n' close
	run --separate-stderr run_cmdc < <(printf 'echo<>a\ntime\n')
	assert_failure 3
	assert_output $'ok<>a\nerror<>idle<>5'
	assert_equal "$stderr" "cmdc: 127.0.0.1 port $PORT: the server closed the connection before the reply"
}

@test "cmdc reply: error idle and the server keeps the connection open, cmdc exits with status 3 when the time is over" {
	start_server - accept line 'send:error<>idle<>5\n' hold
	run --separate-stderr run_cmdc -t 1 time
	assert_failure 3
	assert_equal "${stderr_lines[1]}" "cmdc: 127.0.0.1 port $PORT: no reply for 1 s"
}

@test "cmdc reply: an error code that only resembles idle, it is the reply" {
	local code
	for code in idl idler i 'idle<' 'idle>' IDLE; do
		start_server - accept line "send:error<>$code<>idle<>5\\n" hold
		run --separate-stderr run_cmdc time
		assert_failure 1
		assert_equal "$stderr" "cmdc: $code: idle<>5"
		kill "$SERVER_PID"
	done
}

@test "cmdc protocol: the server sends no reply of cmd, cmdc shows the text escaped and exits with status 3" {
	start_server - accept line 'send:SSH-2.0-\x1b[2JOpenSSH\r\nmore\n' hold
	assert_no_reply 'not a reply of cmd: "SSH-2.0-\x1b[2JOpenSSH\x0d"' time
}

@test "cmdc protocol: a long text that is no reply of cmd, cmdc shows only its beginning" {
	start_server - accept line 'many:100000:rubbish ' hold
	run --separate-stderr run_cmdc time
	assert_failure 3
	assert_regex "$stderr" 'not a reply of cmd: "rubbish rubbish'
	((${#stderr} < 200))
}

@test "cmdc protocol: words that only resemble ok, out and error, cmdc rejects them" {
	local word words=('' ok\\r o out 'out<' error 'error<' 'OK' 'okay' 'ok<x' 'outer' 'errors' ' ok') steps=()
	for word in "${words[@]}"; do
		steps+=(accept line "send:$word\\n")
	done
	start_server - "${steps[@]}" hold
	for word in "${words[@]}"; do
		run --separate-stderr run_cmdc time
		assert_failure 3
		assert_regex "$stderr" ': not a reply of cmd: ".*"$'
	done
}

@test "cmdc output: the reader of an endless reply closes the pipe, cmdc exits with status 3 and prints nothing" {
	start_server - accept line 'flood:out<>0123456789\n'
	run --separate-stderr bash -o pipefail -c '"$1" -h 127.0.0.1 -p "$2" flood | head -n 1' - "$CMDC" "$PORT"
	assert_failure 3
	assert_output 0123456789
	assert_equal "$stderr" ''
	wait_for_server_line '(gone)'
}

@test "cmdc output: the pipe has no reader, cmdc exits with status 3 and prints nothing" {
	local arguments
	for arguments in echo ''; do
		start_server - accept line 'send:ok<>a\n' close
		# shellcheck disable=SC2086 # no argument at all, or one
		run --separate-stderr closed_pipe "$CMDC" -h 127.0.0.1 -p "$PORT" $arguments <<<time
		assert_failure 3
		assert_equal "$stderr" ''
	done
	run --separate-stderr closed_pipe "$CMDC" -V
	assert_failure 3
	assert_equal "$stderr" ''
}

@test "cmdc output: the disk is full, cmdc exits with status 3" {
	start_server - accept line 'send:ok<>x\n' close
	run --separate-stderr bash -c '"$1" -h 127.0.0.1 -p "$2" echo x >/dev/full' - "$CMDC" "$PORT"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard output: No space left on device'
}

@test "cmdc output: stdout is closed, cmdc exits with status 3 and writes nothing into the connection" {
	start_server - accept line 'send:ok<>x\n' all
	run --separate-stderr bash -c '"$1" -h 127.0.0.1 -p "$2" echo x >&-' - "$CMDC" "$PORT"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard output: Bad file descriptor'
	wait_server
	assert_equal "$(tail -n +2 "$SERVER_OUTPUT")" "$(printf 'echo<>x\n(end)')"
}

@test "cmdc output: stderr is closed, cmdc writes nothing into the connection" {
	start_server - accept line 'send:error<>unknown<>x\n' all
	run bash -c '"$1" -h 127.0.0.1 -p "$2" x 2>&-' - "$CMDC" "$PORT"
	assert_failure 1
	wait_server
	assert_equal "$(tail -n +2 "$SERVER_OUTPUT")" "$(printf 'x\n(end)')"
}

@test "cmdc output: stderr is a full disk, the exit status is still the reply's" {
	start_server - accept line 'send:error<>unknown<>x\n' close
	run bash -c '"$1" -h 127.0.0.1 -p "$2" x 2>/dev/full' - "$CMDC" "$PORT"
	assert_failure 1
}

@test "cmdc signals: STOP and CONT, cmdc continues" {
	start_server - accept line "file:$BATS_TEST_TMPDIR/go" 'send:ok<>x\n' close
	echo x >"$BATS_TEST_TMPDIR/in"
	start_cmdc "$BATS_TEST_TMPDIR/in"
	wait_for_server_line x
	kill -STOP "$CMDC_PID"
	wait_until grep -q '^State:.*stopped' "/proc/$CMDC_PID/status"
	kill -CONT "$CMDC_PID"
	: >"$BATS_TEST_TMPDIR/go"
	assert_cmdc_ends 0
}

@test "cmdc signals: a signal interrupts each second system call, cmdc repeats it (Linux)" {
	needs strace
	local calls=poll,ppoll,sendto,recvfrom
	start_server - accept line 'send:ok<>x\n' close
	disable_leak_check
	run --separate-stderr timeout "$WAIT_SECONDS" strace -o /dev/null -e trace="$calls" -e inject="$calls:error=EINTR:when=1+2" \
		"$CMDC" -h 127.0.0.1 -p "$PORT" < <(echo x)
	assert_success
	assert_output 'ok<>x'
}
