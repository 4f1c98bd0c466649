# SPDX-License-Identifier: ISC
# cmd's protocol: each row of the table in cmd(7), and how requests are framed.

load ../lib/client

# serve_bytes TEXT: send TEXT, in printf's escapes, to cmd; replies and screen go to files.
serve_bytes() {
	# shellcheck disable=SC2059 # the test's text is the format
	printf "$1" | run_cmd >"$BATS_TEST_TMPDIR/replies"
}
# assert_bytes FILE TEXT: the file `replies` or `screen` is TEXT, in printf's escapes, byte by byte.
assert_bytes() {
	# shellcheck disable=SC2059
	printf "$2" | cmp - "$BATS_TEST_TMPDIR/$1"
}

@test "cmd printf: a text, cmd shows it on the screen and replies with it" {
	serve_bytes 'printf<>hello!!\n'
	assert_bytes replies 'ok<>hello!!\n'
	assert_bytes screen 'hello!!\n'
}

@test "cmd printf: a text that holds <>, cmd takes the rest of the line as one argument" {
	serve_bytes 'printf<>a<>b<><>\n'
	assert_bytes replies 'ok<>a<>b<><>\n'
	assert_bytes screen 'a<>b<><>\n'
}

@test "cmd printf: a text with format characters and backslashes, cmd shows it unchanged" {
	serve_bytes 'printf<>100%%s %%n \\n\n'
	assert_bytes screen '100%%s %%n \\n\n'
}

@test "cmd echo: a text, cmd replies with it and shows nothing" {
	serve_bytes 'echo<>a<>b\n'
	assert_bytes replies 'ok<>a<>b\n'
	assert_bytes screen ''
}

@test "cmd arguments: an empty last argument, cmd takes it as an argument" {
	serve_bytes 'echo<>\n'
	assert_bytes replies 'ok<>\n'
}

@test "cmd time: TZ is another time zone, cmd replies with the time in UTC" {
	local before after
	before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	TZ=Asia/Tokyo run run_cmd <<<time
	after=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	assert_output --regexp '^ok<>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$'
	[[ ! $output < "ok<>$before" && ! $output > "ok<>$after" ]]
}

@test "cmd peer: the environment names the client, cmd replies with that address and port" {
	TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=53124 run run_cmd <<<peer
	assert_output 'ok<>192.0.2.7<>53124'
}

@test "cmd peer: the environment has bytes that an address or a port cannot have, cmd replies with -" {
	local value
	for value in $'192.0.2.7\nok<>forged' $'192.0.2.7\r' 'a<>b' 'a b' $'a\x01' $'\xff' '' "$(printf 'a%.0s' {1..200})"; do
		TCPREMOTEIP=$value TCPREMOTEPORT=53124 run run_cmd <<<$'peer\necho<>a'
		assert_output $'ok<>-\nok<>a'
		TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=$value run run_cmd <<<$'peer\necho<>a'
		assert_output $'ok<>-\nok<>a'
	done
}

@test "cmd peer: the environment has only the address or only the port, cmd replies with -" {
	TCPREMOTEIP=192.0.2.7 run run_cmd <<<peer
	assert_output 'ok<>-'
	TCPREMOTEPORT=53124 run run_cmd <<<peer
	assert_output 'ok<>-'
}

# peer_is ADDRESS: connect to that address; cmd's reply to peer is the address and port of this client.
peer_is() {
	cat >"$BATS_TEST_TMPDIR/client" <<-'END'
		import socket, sys
		client = socket.create_connection((sys.argv[1], int(sys.argv[2])))
		client.sendall(b"peer\n")
		expected = b"ok<>%s<>%d\n" % (sys.argv[1].encode(), client.getsockname()[1])
		reply = client.makefile("rb").readline()
		assert reply == expected, (reply, expected)
	END
	timeout "$WAIT_SECONDS" python3 "$BATS_TEST_TMPDIR/client" "$1" "$PORT"
}

@test "cmd peer: the environment names no client, cmd replies with the client of the socket" {
	open_cmd_on_socket tcp
	run -0 peer_is 127.0.0.1
}

@test "cmd peer: the environment has only an address, or one with a line end, cmd replies with the client of the socket" {
	TCPREMOTEIP=192.0.2.7 open_cmd_on_socket tcp
	run -0 peer_is 127.0.0.1
	TCPREMOTEIP=$'192.0.2.7\n' TCPREMOTEPORT=1 open_cmd_on_socket tcp
	run -0 peer_is 127.0.0.1
}

@test "cmd peer: the client of an IPv6 socket, cmd replies with its address and port" {
	needs ipv6
	open_cmd_on_socket tcp6
	run -0 peer_is ::1
}

@test "cmd peer: an IPv4 client of an IPv6 socket, cmd replies with the IPv4 address" {
	open_cmd_on_socket any
	run -0 peer_is 127.0.0.1
}

@test "cmd peer: stdin is a pipe, cmd replies with -" {
	run run_cmd <<<peer
	assert_output 'ok<>-'
}

@test "cmd peer: stdin is a UNIX-domain socket, cmd replies with -" {
	open_cmd_on_socket "unix:$BATS_TEST_TMPDIR/socket"
	run "$CLIENT" "$PORT" 'send:peer\n' line
	assert_output 'ok<>-'
}

@test "cmd help: no argument, cmd lists each command with its arguments and its summary" {
	run run_cmd <<<help
	assert_success
	assert_line --regexp '^out<>printf<>TEXT  +[a-z]'
	assert_line --regexp '^out<>exit  +[a-z]'
	assert_line --regexp '^out<>help\[<>NAME\]  +[a-z]'
	assert_line --index $((${#lines[@]} - 1)) ok
}

@test "cmd help: the name of a command, cmd prints the line of that command only" {
	run run_cmd <<<'help<>printf'
	assert_line --index 0 --regexp '^out<>printf<>TEXT  +[a-z]'
	assert_line --index 1 ok
	assert_equal "${#lines[@]}" 2
}

@test "cmd help: an unknown name, cmd replies with an error" {
	run run_cmd <<<'help<>nosuch'
	assert_output 'error<>unknown<>nosuch'
}

@test "cmd version: the request, cmd replies with the output of cmd -V" {
	run run_cmd <<<version
	assert_output "ok<>$("$CMD" -V)"
	assert_output --regexp '^ok<>cmd [0-9]+\.[0-9]+'
}

@test "cmd exit: lines after it, cmd ends the session and does not run them" {
	run -0 run_cmd <<<$'exit\nprintf<>not this'
	assert_output 'ok<>bye'
	assert_bytes screen ''
}

@test "cmd commands: any unknown name, the error names it" {
	run -0 run_cmd <<<$'nosuch\nnosuch<>with<>arguments\nECHO<>a\necho <>a'
	assert_output $'error<>unknown<>nosuch\nerror<>unknown<>nosuch\nerror<>unknown<>ECHO\nerror<>unknown<>echo '
}

@test "cmd commands: an unknown name of 65,536 bytes with control bytes, the error has the whole name" {
	{
		printf '\\\033\001\377<'
		head -c 65531 /dev/zero | tr '\0' a
	} >"$BATS_TEST_TMPDIR/name"
	run_cmd <"$BATS_TEST_TMPDIR/name" >"$BATS_TEST_TMPDIR/replies"
	{
		printf 'error<>unknown<>'
		cat "$BATS_TEST_TMPDIR/name"
		echo
	} | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "cmd arguments: too few, the error shows the usage" {
	run -0 run_cmd <<<$'printf\necho'
	assert_output $'error<>usage<>printf<>TEXT\nerror<>usage<>echo<>TEXT'
}

@test "cmd arguments: too many, the error shows the usage and cmd runs nothing" {
	run -0 run_cmd <<<$'exit<>now\ntime<>\nversion<>a\npeer<>a<>b\necho<>still here'
	assert_output $'error<>usage<>exit\nerror<>usage<>time\nerror<>usage<>version\nerror<>usage<>peer\nok<>still here'
}

@test "cmd NUL bytes: a line holds one, cmd replies with an error and continues the session" {
	serve_bytes 'echo<>a\0b\necho<>c\n\0\necho<>d\n'
	assert_bytes replies 'error<>nul<>a line may not hold a NUL byte\nok<>c\nerror<>nul<>a line may not hold a NUL byte\nok<>d\n'
}

@test "cmd empty lines: with and without CR, cmd sends no reply" {
	serve_bytes '\n\r\n\necho<>a\n\n'
	assert_bytes replies 'ok<>a\n'
}

@test "cmd input: no bytes at all, cmd sends no reply and exits with status 0" {
	run -0 run_cmd </dev/null
	assert_output ''
}

@test "cmd separators: a line begins with <>, the command name is empty and unknown" {
	serve_bytes '<>echo<>a\n'
	assert_bytes replies 'error<>unknown<>\n'
}

@test "cmd separators: a single < or >, it separates nothing" {
	serve_bytes 'echo<>a<b>c<\n<\necho<\n'
	assert_bytes replies 'ok<>a<b>c<\nerror<>unknown<><\nerror<>unknown<>echo<\n'
}

@test "cmd separators: two overlap, the first one separates" {
	serve_bytes 'echo<<>>a\necho<>>a\n'
	assert_bytes replies 'error<>unknown<>echo<\nok<>>a\n'
}

@test "cmd line ends: a CR before the LF, cmd drops that one and no other" {
	serve_bytes 'echo<>a\r\necho<>b\rc\r\r\nexit\r\n'
	assert_bytes replies 'ok<>a\nok<>b\rc\r\nok<>bye\n'
}

@test "cmd line ends: the last line has no LF, cmd serves it" {
	serve_bytes 'echo<>a\necho<>b'
	assert_bytes replies 'ok<>a\nok<>b\n'
}

@test "cmd bytes: every byte but NUL, CR and LF, cmd replies with it unchanged" {
	local bytes
	bytes=$(printf '\\%03o' {1..9} 11 12 {14..255})
	serve_bytes "echo<>äöü 世界 🎉 $bytes\n"
	assert_bytes replies "ok<>äöü 世界 🎉 $bytes\n"
}

@test "cmd screen: tabs, UTF-8 and control bytes, cmd shows control bytes in hexadecimal and the others unchanged" {
	serve_bytes 'printf<>a\tb äöü 世界 🎉\nprintf<>\033[2J\a\b\177\001x\r\r\n'
	assert_bytes screen 'a\tb äöü 世界 🎉\n\\x1b[2J\\x07\\x08\\x7f\\x01x\\x0d\n'
}

@test "cmd screen: C1 control characters, in UTF-8 or as single bytes, cmd shows them in hexadecimal" {
	serve_bytes 'printf<>\302\233a\302\240\233\n'
	assert_bytes screen '\\xc2\\x9ba\302\240\\x9b\n'
}

@test "cmd screen: marks that change the direction of text, cmd shows them in hexadecimal" {
	serve_bytes 'printf<>a\342\200\256b\342\201\246\330\234\342\200\220\n'
	assert_bytes screen 'a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6\\xd8\\x9c\342\200\220\n'
}

@test "cmd screen: invalid UTF-8, cmd shows it in hexadecimal" {
	serve_bytes 'printf<>\300\200 \355\240\200 \364\220\200\200 \360\200\200\200 \342\202 \342\202\n'
	assert_bytes screen '\\xc0\\x80 \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xf0\\x80\\x80\\x80 \\xe2\\x82 \\xe2\\x82\n'
}

@test "cmd screen: descriptor 2 is the client's socket too, the client does not receive the screen's text" {
	open_cmd_on_socket -2 tcp
	run "$CLIENT" "$PORT" 'send:printf<>for the operator\necho<>a\n' line line
	assert_output $'ok<>for the operator\nok<>a'
}

@test "cmd screen: stderr is closed or full, the session continues" {
	timeout "$WAIT_SECONDS" "$CMD" <<<$'printf<>a\necho<>b' >"$BATS_TEST_TMPDIR/replies" 2>&-
	assert_bytes replies 'ok<>a\nok<>b\n'
	timeout "$WAIT_SECONDS" "$CMD" <<<$'printf<>a\necho<>b' >"$BATS_TEST_TMPDIR/replies" 2>/dev/full
	assert_bytes replies 'ok<>a\nok<>b\n'
}

@test "cmd screen: eight sessions write to the same file, each line is one write" {
	local i pids=()
	for i in 1 2 3 4 5 6 7 8; do
		yes "printf<>$i$i$i$i$i$i$i$i$i$i" | head -n 2000 |
			timeout "$WAIT_SECONDS" "$CMD" >/dev/null 2>>"$BATS_TEST_TMPDIR/screen" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/screen")" -eq 16000 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/screen" | wc -l)" -eq 8 ]
}

@test "cmd first line: telnet options and a byte order mark before it, cmd drops them there only" {
	serve_bytes '\xff\xfb\x1f\xff\xfb\x00\xff\xfd\x03\xff\xfa\x1f\x00\x50\xff\xf0echo<>a\n\xef\xbb\xbfecho<>b\n'
	assert_bytes replies 'ok<>a\nerror<>unknown<>\xef\xbb\xbfecho\n'
	serve_bytes '\xef\xbb\xbf\xff\xfc\x01\necho<>c\n'
	assert_bytes replies 'ok<>c\n'
	serve_bytes '\xff\xfa\x1f\x00\n\xff\xf1\n\xff\n'
	assert_bytes replies 'error<>unknown<>\xff\xf1\nerror<>unknown<>\xff\n'
}
