# cmd's framing and limits: pieces, pipelines, long lines, the idle time, clients and disks that fail.

load ../lib/client

# So many times the letter a.
letters() {
	head -c "$1" /dev/zero | tr '\0' a
}

# one_by_one TEXT: write it one byte at a time, each with its own write(2).
one_by_one() {
	# shellcheck disable=SC2016
	python3 -c 'import os, sys
for byte in os.fsencode(sys.argv[1]).decode("unicode_escape"): os.write(1, byte.encode())' "$1"
}

@test "a request may come in pieces of one byte" {
	one_by_one 'echo<>hello world\r\nprintf<>a<>b\n\necho<>last' | {
		run -0 run_cmd
		assert_output $'ok<>hello world\nok<>a<>b\nok<>last'
	}
}

@test "two requests and a half in one write are two replies, and the third when it is whole" {
	open_cmd
	printf 'echo<>1\necho<>2\nec' >&7
	wait_until replies_are $'ok<>1\nok<>2'
	printf 'ho<>3\n' >&7
	wait_until replies_are $'ok<>1\nok<>2\nok<>3'
	close_cmd
}

@test "a line of exactly the limit is served, and one byte more is too long" {
	{
		echo "echo<>$(letters 65530)"
		echo "echo<>$(letters 65531)"
		echo 'echo<>after'
	} | run_cmd >"$BATS_TEST_TMPDIR/replies"
	printf 'ok<>%s\nerror<>toolong<>65536\nok<>after\n' "$(letters 65530)" | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "neither CR nor LF counts for the limit" {
	run -0 run_cmd -l 10 <<<$'echo<>1234\r\necho<>12345\r\necho<>1234\necho<>12345\necho<>123\r\r\necho<>1234\r\r'
	assert_output $'ok<>1234\nerror<>toolong<>10\nok<>1234\nerror<>toolong<>10\nok<>123\r\nerror<>toolong<>10'
}

@test "the limit holds in pieces of one byte" {
	one_by_one 'echo<>1234\r\necho<>12345\r\necho<>1234\necho<>12345\n123456789012345678901234\necho<>\n' | {
		run -0 run_cmd -l 10
		assert_output $'ok<>1234\nerror<>toolong<>10\nok<>1234\nerror<>toolong<>10\nerror<>toolong<>10\nok<>'
	}
}

@test "a last line that is too long and has no LF is answered" {
	run -0 run_cmd -l 10 <<<"echo<>$(letters 300000)"
	assert_output 'error<>toolong<>10'
	letters 300000 | {
		run -0 run_cmd -l 10
		assert_output 'error<>toolong<>10'
	}
}

@test "a line that is too long is answered when its end has come, not before" {
	open_cmd -l 10
	letters 200000 >&7
	printf '\necho<>b\nx' >&7
	wait_until replies_are $'error<>toolong<>10\nok<>b'
	letters 200000 >&7
	printf '\n' >&7
	wait_until replies_are $'error<>toolong<>10\nok<>b\nerror<>toolong<>10'
	close_cmd
}

@test "a limit of 16 MiB is taken" {
	{
		echo "echo<>$(letters 9999999)"
		echo 'echo<>a'
	} | run_cmd -l 16777216 >"$BATS_TEST_TMPDIR/replies"
	printf 'ok<>%s\nok<>a\n' "$(letters 9999999)" | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "a NUL byte in a line that is too long is one error" {
	{
		letters 100000
		printf '\0\n\0%s\necho<>a\n' "$(letters 100000)"
	} | {
		run -0 run_cmd
		assert_output $'error<>toolong<>65536\nerror<>toolong<>65536\nok<>a'
	}
}

# The peak of a sanitizer build is that of its shadow; 100 MB of input would show in either.
peak_kib() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

@test "100 MB without a newline are thrown away in constant memory" {
	local before after
	open_cmd
	printf 'echo<>a\n' >&7
	wait_until replies_are 'ok<>a'
	before=$(peak_kib "$CMD_PID")
	letters 100000000 >&7
	printf '\necho<>b\n' >&7
	wait_until replies_are $'ok<>a\nerror<>toolong<>65536\nok<>b'
	after=$(peak_kib "$CMD_PID")
	close_cmd
	((after - before < 1024))
}

@test "200,000 pipelined requests get 200,000 replies, in order" {
	seq -f 'echo<>%.0f' 200000 | run_cmd >"$BATS_TEST_TMPDIR/replies"
	seq -f 'ok<>%.0f' 200000 | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "replies that fill the buffer many times over come whole" {
	local i
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "echo<>$(letters 60000)$i"
	done >"$BATS_TEST_TMPDIR/requests"
	run_cmd <"$BATS_TEST_TMPDIR/requests" >"$BATS_TEST_TMPDIR/replies"
	sed 's/^echo/ok/' "$BATS_TEST_TMPDIR/requests" | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "many requests in one read are answered by one write" {
	open_cmd_on_socket tcp
	cat >"$BATS_TEST_TMPDIR/client" <<-'END'
		import socket, sys
		client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		client.sendall(b"echo<>a\n" * 1000)
		reply = b""
		pieces = 0
		while len(reply) < 6000:
		    reply += client.recv(65536)
		    pieces += 1
		assert reply == b"ok<>a\n" * 1000 and pieces < 10, pieces
	END
	run -0 timeout "$WAIT_SECONDS" python3 "$BATS_TEST_TMPDIR/client" "$PORT"
}

@test "a client that closes early ends the session with 1, and nothing is said but what it sent" {
	yes 'echo<>a' | { run_cmd || echo $? >"$BATS_TEST_TMPDIR/status"; } | head -n 1 >"$BATS_TEST_TMPDIR/replies"
	[ "$(cat "$BATS_TEST_TMPDIR/status")" -eq 1 ]
	[ ! -s "$BATS_TEST_TMPDIR/screen" ]
}

@test "a client that resets ends the session with 1, and nothing is said but what it sent" {
	local status=0
	open_cmd_on_socket tcp
	run -0 "$CLIENT" "$PORT" 'send:printf<>here I was\n' line 'send:echo<>unread' reset
	wait_cmd || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'here I was' ]
}

@test "output that cannot be written is said, and ends the session with 1" {
	local status=0
	echo 'echo<>a' | "$CMD" >/dev/full 2>"$BATS_TEST_TMPDIR/screen" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot write: No space left on device' ]
}

@test "input that cannot be read is said, and ends the session with 1" {
	local status=0
	"$CMD" </ >/dev/null 2>"$BATS_TEST_TMPDIR/screen" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot read: Is a directory' ]
}

@test "descriptors that are closed at the start are failures, never other files" {
	local status=0
	"$CMD" <&- >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/screen" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot read: Bad file descriptor' ]
	status=0
	echo 'echo<>a' | "$CMD" >&- 2>"$BATS_TEST_TMPDIR/screen" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot write: Bad file descriptor' ]
}

@test "descriptors that do not block are waited for" {
	cat >"$BATS_TEST_TMPDIR/one" <<-'END'
		import array, fcntl, os, subprocess, sys, termios, threading, time
		requests, input = os.pipe()
		output, replies = os.pipe()
		os.set_blocking(requests, False)
		os.set_blocking(replies, False)
		handler = subprocess.Popen(sys.argv[1:], stdin=requests, stdout=replies)
		os.close(requests)
		os.close(replies)
		def feed():
		    with os.fdopen(input, "wb") as file:
		        file.write(b"echo<>" + b"a" * 50000 + b"\n")
		        file.flush()
		        file.write(b"echo<>b\n" * 100000)
		threading.Thread(target=feed, daemon=True).start()
		# Read nothing before the replies fill their pipe.
		waiting = array.array("i", [0])
		for _ in range(400):
		    fcntl.ioctl(output, termios.FIONREAD, waiting)
		    if waiting[0] > 60000: break
		    time.sleep(0.05)
		with os.fdopen(output, "rb") as file:
		    assert file.read() == b"ok<>" + b"a" * 50000 + b"\n" + b"ok<>b\n" * 100000
		assert handler.wait() == 0
	END
	run -0 timeout "$WAIT_SECONDS" python3 "$BATS_TEST_TMPDIR/one" "$CMD"
}

@test "-i ends a session that sends nothing" {
	open_cmd -i 1
	wait_cmd
	replies_are 'error<>idle<>1'
	exec 7>&-
}

@test "-i is not prolonged by bytes that never make a line" {
	open_cmd -i 1
	for _ in {1..100}; do
		is_gone "$CMD_PID" && break
		printf a 2>/dev/null >&7 || break
		sleep 0.1
	done
	wait_cmd
	replies_are 'error<>idle<>1'
	exec 7>&-
}

@test "-i is not prolonged by a flood that never makes a line" {
	local status
	yes | tr -d '\n' | { timeout "$WAIT_SECONDS" "$CMD" -i 1 >"$BATS_TEST_TMPDIR/replies"; echo $? >"$BATS_TEST_TMPDIR/status"; } || true
	[ "$(cat "$BATS_TEST_TMPDIR/status")" -eq 0 ]
	replies_are 'error<>idle<>1'
}

@test "-i serves the lines that came before it ends the session" {
	open_cmd -i 1
	printf 'echo<>a\necho<>b\necho<>c' >&7
	wait_cmd
	replies_are $'ok<>a\nok<>b\nerror<>idle<>1'
	exec 7>&-
}

@test "-i is prolonged by each line" {
	local i
	open_cmd -i 3
	for i in 1 2 3 4 5 6 7 8; do
		printf 'echo<>%s\n' "$i" >&7
		sleep 0.5
	done
	replies_are "$(printf 'ok<>%s\n' 1 2 3 4 5 6 7 8)"
	wait_cmd
	replies_are "$(printf 'ok<>%s\n' 1 2 3 4 5 6 7 8)"$'\nerror<>idle<>3'
	exec 7>&-
}

@test "without -n a message with no LF waits for it" {
	open_cmd_on_socket tcp
	run "$CLIENT" "$PORT" 'send:echo<>a' 'send: b\n' line shut
	assert_output 'ok<>a b'
}

@test "-n answers a message that has no LF" {
	open_cmd_on_socket tcp -n
	run -0 "$CLIENT" "$PORT" 'send:printf<>Salute from the client!' line 'send:echo<>b\necho<>c' line line 'send:exit' line line
	assert_output $'ok<>Salute from the client!\nok<>b\nok<>c\nok<>bye\n(end)'
}

@test "-n drops a CR at the end of a message" {
	open_cmd_on_socket tcp -n
	run -0 "$CLIENT" "$PORT" 'send:echo<>a\r' line
	assert_output 'ok<>a'
}

@test "wrong usage is one line on stderr that names it, and status 2" {
	local usage
	for usage in -x '-l 0' '-l 16777217' '-l abc' '-l 1x' '-l -1' '-l 99999999999999999999' -l '-i -1' '-t 1000001' '-d' 'word'; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr "$CMD" $usage
		assert_output ''
		# shellcheck disable=SC2154 # run sets stderr_lines
		assert_equal "${#stderr_lines[@]}" 1
		# shellcheck disable=SC2154
		[[ $stderr == "cmd: ${usage%% *}"* ]]
	done
}

@test "-h and -V print to stdout, and fail where that cannot be written" {
	local status=0
	run -0 --separate-stderr "$CMD" -h
	assert_line --index 0 'usage: cmd [-n] [-d DIR] [-i SECONDS] [-l BYTES] [-t SECONDS]'
	run -0 --separate-stderr "$CMD" -V
	assert_output --regexp '^cmd [0-9]'
	"$CMD" -V >/dev/full || status=$?
	[ "$status" -eq 1 ]
}
