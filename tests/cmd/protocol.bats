# cmd's protocol, by pipe: each row of the table in cmd(7), and the lines that hold requests.

load ../lib/client

# Say something with printf's escapes, and look at the replies and the screen byte by byte.
serve_bytes() {
	# shellcheck disable=SC2059 # the test's text is the format
	printf "$1" | run_cmd >"$BATS_TEST_TMPDIR/replies"
}
# assert_bytes FILE TEXT: the replies or the screen are TEXT, with printf's escapes.
assert_bytes() {
	# shellcheck disable=SC2059
	printf "$2" | cmp - "$BATS_TEST_TMPDIR/$1"
}

@test "printf shows its text on the screen and answers it" {
	serve_bytes 'printf<>hello!!\n'
	assert_bytes replies 'ok<>hello!!\n'
	assert_bytes screen 'hello!!\n'
}

@test "printf takes the rest of the line, separators and all" {
	serve_bytes 'printf<>a<>b<><>\n'
	assert_bytes replies 'ok<>a<>b<><>\n'
	assert_bytes screen 'a<>b<><>\n'
}

@test "printf does not interpret its text" {
	serve_bytes 'printf<>100%%s %%n \\n\n'
	assert_bytes screen '100%%s %%n \\n\n'
}

@test "echo answers with its text and shows nothing" {
	serve_bytes 'echo<>a<>b\n'
	assert_bytes replies 'ok<>a<>b\n'
	assert_bytes screen ''
}

@test "an empty argument is an argument" {
	serve_bytes 'echo<>\n'
	assert_bytes replies 'ok<>\n'
}

@test "time answers with the time in UTC" {
	local before after
	before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	TZ=Asia/Tokyo run run_cmd <<<time
	after=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	assert_output --regexp '^ok<>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$'
	[[ ! $output < "ok<>$before" && ! $output > "ok<>$after" ]]
}

@test "peer answers with the peer of the environment" {
	TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=53124 run run_cmd <<<peer
	assert_output 'ok<>192.0.2.7<>53124'
}

# peer_is ADDRESS: connect there, and see that cmd's answer is this client's own address and port.
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

@test "peer answers with the peer of the socket where the environment names none" {
	open_cmd_on_socket tcp
	run -0 peer_is 127.0.0.1
}

@test "peer answers with the peer of an IPv6 socket" {
	open_cmd_on_socket tcp6
	run -0 peer_is ::1
}

@test "peer shows an IPv4 client of an IPv6 socket as IPv4" {
	open_cmd_on_socket any
	run -0 peer_is 127.0.0.1
}

@test "peer answers - on a pipe" {
	run run_cmd <<<peer
	assert_output 'ok<>-'
}

@test "peer answers - on a UNIX-domain socket" {
	open_cmd_on_socket "unix:$BATS_TEST_TMPDIR/socket"
	run "$CLIENT" "$PORT" 'send:peer\n' line
	assert_output 'ok<>-'
}

@test "help lists the commands, each with its arguments and what it does" {
	run run_cmd <<<help
	assert_success
	assert_line --regexp '^out<>printf<>TEXT  +[a-z]'
	assert_line --regexp '^out<>exit  +[a-z]'
	assert_line --regexp '^out<>help\[<>NAME\]  +[a-z]'
	assert_line --index $((${#lines[@]} - 1)) ok
}

@test "help with a name shows that command" {
	run run_cmd <<<'help<>printf'
	assert_line --index 0 --regexp '^out<>printf<>TEXT  +[a-z]'
	assert_line --index 1 ok
	assert_equal "${#lines[@]}" 2
}

@test "help with a name that no command has is an error" {
	run run_cmd <<<'help<>nosuch'
	assert_output 'error<>unknown<>nosuch'
}

@test "version answers with the name and version that cmd -V prints" {
	run run_cmd <<<version
	assert_output "ok<>$("$CMD" -V)"
	assert_output --regexp '^ok<>cmd [0-9]+\.[0-9]+'
}

@test "exit ends the session and leaves the rest unserved" {
	run -0 run_cmd <<<$'exit\nprintf<>not this'
	assert_output 'ok<>bye'
	assert_bytes screen ''
}

@test "an unknown name is an error that names it" {
	run -0 run_cmd <<<$'nosuch\nnosuch<>with<>arguments\nECHO<>a\necho <>a'
	assert_output $'error<>unknown<>nosuch\nerror<>unknown<>nosuch\nerror<>unknown<>ECHO\nerror<>unknown<>echo '
}

@test "too few arguments are an error that shows the usage" {
	run -0 run_cmd <<<$'printf\necho'
	assert_output $'error<>usage<>printf<>TEXT\nerror<>usage<>echo<>TEXT'
}

@test "too many arguments are an error that shows the usage, and nothing is done" {
	run -0 run_cmd <<<$'exit<>now\ntime<>\nversion<>a\npeer<>a<>b\necho<>still here'
	assert_output $'error<>usage<>exit\nerror<>usage<>time\nerror<>usage<>version\nerror<>usage<>peer\nok<>still here'
}

@test "a NUL byte in a line is an error, and the session goes on" {
	serve_bytes 'echo<>a\0b\necho<>c\n\0\necho<>d\n'
	assert_bytes replies 'error<>nul<>a line may not hold a NUL byte\nok<>c\nerror<>nul<>a line may not hold a NUL byte\nok<>d\n'
}

@test "an empty line is no request" {
	serve_bytes '\n\r\n\necho<>a\n\n'
	assert_bytes replies 'ok<>a\n'
}

@test "no input is no reply, and well" {
	run -0 run_cmd </dev/null
	assert_output ''
}

@test "a line that begins with a separator has an empty, unknown name" {
	serve_bytes '<>echo<>a\n'
	assert_bytes replies 'error<>unknown<>\n'
}

@test "a single < or > separates nothing" {
	serve_bytes 'echo<>a<b>c<\n<\necho<\n'
	assert_bytes replies 'ok<>a<b>c<\nerror<>unknown<><\nerror<>unknown<>echo<\n'
}

@test "the first separator counts where they overlap" {
	serve_bytes 'echo<<>>a\necho<>>a\n'
	assert_bytes replies 'error<>unknown<>echo<\nok<>>a\n'
}

@test "a CR before the LF is dropped, one elsewhere is not" {
	serve_bytes 'echo<>a\r\necho<>b\rc\r\r\nexit\r\n'
	assert_bytes replies 'ok<>a\nok<>b\rc\r\nok<>bye\n'
}

@test "a last line without LF is a line" {
	serve_bytes 'echo<>a\necho<>b'
	assert_bytes replies 'ok<>a\nok<>b\n'
}

@test "UTF-8 and every byte but NUL, CR and LF come back as they were" {
	local bytes
	bytes=$(printf '\\%03o' {1..9} 11 12 {14..255})
	serve_bytes "echo<>äöü 世界 🎉 $bytes\n"
	assert_bytes replies "ok<>äöü 世界 🎉 $bytes\n"
}

@test "the screen shows tab and UTF-8 as they are, and control bytes as \\xHH" {
	serve_bytes 'printf<>a\tb äöü 世界 🎉\nprintf<>\033[2J\a\b\177\001x\r\r\n'
	assert_bytes screen 'a\tb äöü 世界 🎉\n\\x1b[2J\\x07\\x08\\x7f\\x01x\\x0d\n'
}

@test "the screen shows the C1 controls as \\xHH, in UTF-8 or bare" {
	serve_bytes 'printf<>\302\233a\302\240\233\n'
	assert_bytes screen '\\xc2\\x9ba\302\240\\x9b\n'
}

@test "the screen shows what is not UTF-8 as \\xHH" {
	serve_bytes 'printf<>\300\200 \355\240\200 \364\220\200\200 \360\200\200\200 \342\202 \342\202\n'
	assert_bytes screen '\\xc0\\x80 \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xf0\\x80\\x80\\x80 \\xe2\\x82 \\xe2\\x82\n'
}

@test "the screen does not reach a client whose socket is descriptor 2, too" {
	open_cmd_on_socket -2 tcp
	run "$CLIENT" "$PORT" 'send:printf<>for the operator\necho<>a\n' line line
	assert_output $'ok<>for the operator\nok<>a'
}

@test "a screen that is closed or full does not end the session" {
	timeout "$WAIT_SECONDS" "$CMD" <<<$'printf<>a\necho<>b' >"$BATS_TEST_TMPDIR/replies" 2>&-
	assert_bytes replies 'ok<>a\nok<>b\n'
	timeout "$WAIT_SECONDS" "$CMD" <<<$'printf<>a\necho<>b' >"$BATS_TEST_TMPDIR/replies" 2>/dev/full
	assert_bytes replies 'ok<>a\nok<>b\n'
}

@test "each line of the screen is one write, so that many sessions do not mix theirs" {
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
