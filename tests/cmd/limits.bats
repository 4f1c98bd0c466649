# SPDX-License-Identifier: ISC
# cmd's framing and limits: pieces, pipelines, long lines, the idle time, failures of clients and disks.

load ../lib/client

# letters COUNT: print the letter a COUNT times.
letters() {
	head -c "$1" /dev/zero | tr '\0' a
}

# one_by_one TEXT: write it one byte at a time, each with its own write(2).
one_by_one() {
	python3 -c 'import os, sys
for byte in os.fsencode(sys.argv[1]).decode("unicode_escape"): os.write(1, byte.encode())' "$1"
}

@test "cmd requests: pieces of one byte, cmd replies to each whole line" {
	needs python3
	one_by_one 'echo<>hello world\r\nprintf<>a<>b\n\necho<>last' | {
		run -0 run_cmd
		assert_output $'ok<>hello world\nok<>a<>b\nok<>last'
	}
}

@test "cmd requests: two and a half in one write, cmd replies to two at once and to the third when it is whole" {
	open_cmd
	printf 'echo<>1\necho<>2\nec' >&7
	wait_until replies_are $'ok<>1\nok<>2'
	printf 'ho<>3\n' >&7
	wait_until replies_are $'ok<>1\nok<>2\nok<>3'
	close_cmd
}

@test "cmd -l: 65536 bytes by default, cmd serves a line of that length and rejects one byte more" {
	{
		echo "echo<>$(letters 65530)"
		echo "echo<>$(letters 65531)"
		echo 'echo<>after'
	} | run_cmd >"$BATS_TEST_TMPDIR/replies"
	printf 'ok<>%s\nerror<>toolong<>65536\nok<>after\n' "$(letters 65530)" | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "cmd -l: CR and LF at the end of the line, they do not count" {
	run -0 run_cmd -l 10 <<<$'echo<>1234\r\necho<>12345\r\necho<>1234\necho<>12345\necho<>123\r\r\necho<>1234\r\r'
	assert_output $'ok<>1234\nerror<>toolong<>10\nok<>1234\nerror<>toolong<>10\nok<>123\r\nerror<>toolong<>10'
}

@test "cmd -l: pieces of one byte, the limit is the same" {
	needs python3
	one_by_one 'echo<>1234\r\necho<>12345\r\necho<>1234\necho<>12345\n123456789012345678901234\necho<>\n' | {
		run -0 run_cmd -l 10
		assert_output $'ok<>1234\nerror<>toolong<>10\nok<>1234\nerror<>toolong<>10\nerror<>toolong<>10\nok<>'
	}
}

@test "cmd -l: the last line is too long and has no LF, cmd replies with toolong" {
	run -0 run_cmd -l 10 <<<"echo<>$(letters 300000)"
	assert_output 'error<>toolong<>10'
	letters 300000 | {
		run -0 run_cmd -l 10
		assert_output 'error<>toolong<>10'
	}
}

@test "cmd -l: a line is too long, cmd replies when its end has arrived and not before" {
	open_cmd -l 10
	letters 200000 >&7
	printf '\necho<>b\nx' >&7
	wait_until replies_are $'error<>toolong<>10\nok<>b'
	letters 200000 >&7
	printf '\n' >&7
	wait_until replies_are $'error<>toolong<>10\nok<>b\nerror<>toolong<>10'
	close_cmd
}

@test "cmd -l: -l 16777216, cmd serves a line of 10 MB" {
	{
		echo "echo<>$(letters 9999999)"
		echo 'echo<>a'
	} | run_cmd -l 16777216 >"$BATS_TEST_TMPDIR/replies"
	printf 'ok<>%s\nok<>a\n' "$(letters 9999999)" | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "cmd -l: a NUL byte in a line that is too long, cmd replies with one error" {
	{
		letters 100000
		printf '\0\n\0%s\necho<>a\n' "$(letters 100000)"
	} | {
		run -0 run_cmd
		assert_output $'error<>toolong<>65536\nerror<>toolong<>65536\nok<>a'
	}
}

# peak_kib PID: print the peak memory of a process. In a sanitizer build it is mostly shadow memory; 100 MB of input would show.
peak_kib() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

@test "cmd -l: 100 MB without a newline, cmd discards them in constant memory" {
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

@test "cmd pipelining: 200,000 requests, cmd sends 200,000 replies in order" {
	seq -f 'echo<>%.0f' 200000 | run_cmd >"$BATS_TEST_TMPDIR/replies"
	seq -f 'ok<>%.0f' 200000 | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "cmd replies: larger than the buffer many times over, they are complete" {
	local i
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "echo<>$(letters 60000)$i"
	done >"$BATS_TEST_TMPDIR/requests"
	run_cmd <"$BATS_TEST_TMPDIR/requests" >"$BATS_TEST_TMPDIR/replies"
	sed 's/^echo/ok/' "$BATS_TEST_TMPDIR/requests" | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "cmd replies: many requests in one read, cmd sends the replies in few writes" {
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

@test "cmd clients: a client closes early, the session ends with status 1 and the screen stays empty" {
	yes 'echo<>a' | { run_cmd || echo $? >"$BATS_TEST_TMPDIR/status"; } | head -n 1 >"$BATS_TEST_TMPDIR/replies"
	[ "$(cat "$BATS_TEST_TMPDIR/status")" -eq 1 ]
	[ ! -s "$BATS_TEST_TMPDIR/screen" ]
}

@test "cmd clients: a client resets after whole lines, the session ends with status 0" {
	local status=0
	open_cmd_on_socket tcp
	run -0 "$CLIENT" "$PORT" 'send:printf<>here I was\n' line reset
	wait_cmd || status=$?
	[ "$status" -eq 0 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'here I was' ]
}

@test "cmd clients: a client resets in the middle of a line, the session ends with status 1 and the screen shows only what the client sent" {
	local status=0
	open_cmd_on_socket tcp
	run -0 "$CLIENT" "$PORT" 'send:printf<>here I was\n' line 'send:echo<>unread' reset
	wait_cmd || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'here I was' ]
}

@test "cmd output: it cannot be written, cmd shows the error and exits with status 1" {
	local status=0
	echo 'echo<>a' | "$CMD" >/dev/full 2>"$BATS_TEST_TMPDIR/screen" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot write: No space left on device' ]
}

@test "cmd screen: its file has the size of rlimit_fsize, the session continues" {
	seq -f 'printf<>%.0f' 1000 | prlimit --fsize=2000 "$CMD" 2>"$BATS_TEST_TMPDIR/screen" | cat >"$BATS_TEST_TMPDIR/replies"
	seq -f 'ok<>%.0f' 1000 | cmp - "$BATS_TEST_TMPDIR/replies"
	[ "$(wc -c <"$BATS_TEST_TMPDIR/screen")" -eq 2000 ]
}

@test "cmd output: its file has the size of rlimit_fsize, cmd shows the error and exits with status 1" {
	local status=0
	seq -f 'echo<>%.0f' 1000 | prlimit --fsize=2000 "$CMD" 2>"$BATS_TEST_TMPDIR/screen" >"$BATS_TEST_TMPDIR/replies" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot write: File too large' ]
}

@test "cmd input: it cannot be read, cmd shows the error and exits with status 1" {
	local status=0
	"$CMD" </ >/dev/null 2>"$BATS_TEST_TMPDIR/screen" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot read: Is a directory' ]
}

@test "cmd descriptors: 0 or 1 is closed at the start, cmd shows the error and exits with status 1" {
	local status=0
	"$CMD" <&- >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/screen" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot read: Bad file descriptor' ]
	status=0
	echo 'echo<>a' | "$CMD" >&- 2>"$BATS_TEST_TMPDIR/screen" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = 'cmd: cannot write: Bad file descriptor' ]
}

@test "cmd descriptors: 0 and 1 are nonblocking, cmd waits for them" {
	needs python3
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

@test "cmd -i: the client sends nothing, the session ends with error idle" {
	open_cmd -i 1
	wait_cmd
	replies_are 'error<>idle<>1'
	exec 7>&-
}

@test "cmd -i: slow bytes that never make a line, they do not extend the session" {
	open_cmd -i 1
	for i in {1..100}; do
		is_gone "$CMD_PID" && break
		(printf a >&7) 2>/dev/null || break # in a process that SIGPIPE may end
		sleep 0.1
	done
	((i < 100))
	wait_cmd
	replies_are 'error<>idle<>1'
	exec 7>&-
}

@test "cmd -i: a flood that never makes a line, it does not extend the session" {
	local status
	yes | tr -d '\n' | { timeout "$WAIT_SECONDS" "$CMD" -i 1 >"$BATS_TEST_TMPDIR/replies"; echo $? >"$BATS_TEST_TMPDIR/status"; } || true
	[ "$(cat "$BATS_TEST_TMPDIR/status")" -eq 0 ]
	replies_are 'error<>idle<>1'
}

@test "cmd -i: lines before it expires, cmd serves them" {
	open_cmd -i 1
	printf 'echo<>a\necho<>b\necho<>c' >&7
	wait_cmd
	replies_are $'ok<>a\nok<>b\nerror<>idle<>1'
	exec 7>&-
}

@test "cmd -i: a line arrives, the time starts again" {
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

@test "cmd -i: an empty line, a long one and one with a NUL byte, the time starts again" {
	local line
	for line in '\n' 'a long line\n' 'a\0\n'; do
		open_cmd -i 3 -l 8
		for _ in {1..8}; do
			# shellcheck disable=SC2059 # the line is the format
			printf "$line" >&7
			sleep 0.5
		done
		! is_gone "$CMD_PID"
		close_cmd
	done
}

@test "cmd -i: a program runs longer than the idle time, that time does not count" {
	mkdir -m 755 "$BATS_TEST_TMPDIR/commands"
	write_program slow "$BATS_TEST_TMPDIR/commands" <<<'sleep 2' >/dev/null
	open_cmd -i 1 -d "$BATS_TEST_TMPDIR/commands"
	echo slow >&7
	wait_cmd
	replies_are $'ok\nerror<>idle<>1'
	exec 7>&-
}

@test "cmd -n: a message without LF and without -n, cmd waits for the LF" {
	open_cmd_on_socket tcp
	run "$CLIENT" "$PORT" 'send:echo<>a' 'send: b\n' line shut
	assert_output 'ok<>a b'
}

@test "cmd -n: a message without LF, cmd replies at once" {
	open_cmd_on_socket tcp -n
	run -0 "$CLIENT" "$PORT" 'send:printf<>Salute from the client!' line 'send:echo<>b\necho<>c' line line 'send:exit' line line
	assert_output $'ok<>Salute from the client!\nok<>b\nok<>c\nok<>bye\n(end)'
}

@test "cmd -n: a message that ends with CR, cmd drops it" {
	open_cmd_on_socket tcp -n
	run -0 "$CLIENT" "$PORT" 'send:echo<>a\r' line
	assert_output 'ok<>a'
}

@test "cmd -n: CR and LF arrive in two reads, the LF is an empty line" {
	open_cmd_on_socket tcp -n
	run -0 "$CLIENT" "$PORT" 'send:echo<>a\r' line 'send:\n' 'send:echo<>b\r\n' line shut all
	assert_output $'ok<>a\nok<>b'
}

@test "cmd usage: a wrong option or value, cmd prints one line that names it and exits with status 2" {
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

@test "cmd usage: -h and -V print to stdout, cmd exits with status 1 where stdout cannot be written" {
	local status=0
	run -0 --separate-stderr "$CMD" -h
	assert_line --index 0 'usage: cmd [-n] [-d DIR] [-i SECONDS] [-l BYTES] [-t SECONDS]'
	run -0 --separate-stderr "$CMD" -V
	assert_output --regexp '^cmd [0-9]'
	"$CMD" -V >/dev/full || status=$?
	[ "$status" -eq 1 ]
}
