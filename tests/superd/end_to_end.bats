# The whole of it in use: a client says something, the operator sees it, the client gets a reply.

load ../lib/superd
load ../lib/client

@test "what a client prints appears on superd's screen, and the client gets the reply" {
	start_superd -p 0 "$CMD"
	run ask "$PORT" <<<'printf<>Salute from the client!'
	assert_output 'ok<>Salute from the client!'
	wait_for_line '^Salute from the client!$'
}

@test "superd says that a connection came, and that it ended" {
	start_superd -p 0 "$CMD"
	run ask "$PORT" <<<'echo<>hello'
	wait_for_line '^superd: START: cmd pid=[0-9]* from=127\.0\.0\.1 port=[0-9]*$'
	wait_for_line '^superd: EXIT: cmd status=0 pid=[0-9]* duration=[0-9]*(sec)$'
	[ "$(sed -n 's/.*START.* pid=\([0-9]*\).*/\1/p' "$LOG")" = "$(sed -n 's/.*EXIT.* pid=\([0-9]*\).*/\1/p' "$LOG")" ]
}

@test "superd ./cmd at the root of a checkout runs ./cmd/cmd" {
	mkdir "$BATS_TEST_TMPDIR/cmd"
	cp "$CMD" "$BATS_TEST_TMPDIR/cmd/cmd"
	cd "$BATS_TEST_TMPDIR"
	start_superd -p 0 ./cmd
	run ask "$PORT" <<<'echo<>hello'
	assert_output 'ok<>hello'
	wait_for_line '^superd: START: cmd '
}

@test "exit ends the session from the server's side" {
	start_superd -p 0 "$CMD"
	run "$CLIENT" "$PORT" 'send:exit\n' line line
	assert_output $'ok<>bye\n(end)'
	wait_for_line '^superd: EXIT: cmd status=0 '
}

@test "a client that half-closes gets its replies" {
	start_superd -p 0 "$CMD"
	run "$CLIENT" "$PORT" 'send:echo<>a\necho<>b\n' shut all
	assert_output $'ok<>a\nok<>b'
}

@test "many clients at once have a process each" {
	start_superd -p 0 "$CMD"
	start_background "$CLIENT" -c 50 "$PORT" 'send:echo<>hello\n' line hold >"$BATS_TEST_TMPDIR/replies"
	wait_for_line holding "$BATS_TEST_TMPDIR/replies"
	has_children 50
	[ "$(grep -c '^ok<>hello$' "$BATS_TEST_TMPDIR/replies")" -eq 50 ]
	[ "$(sed -n 's/.*START: cmd pid=\([0-9]*\).*/\1/p' "$LOG" | sort -u | wc -l)" -eq 50 ]
}

@test "a client that stalls keeps nobody else waiting" {
	start_superd -p 0 "$CMD"
	start_background "$CLIENT" "$PORT" 'send:echo<>half a li' hold >"$BATS_TEST_TMPDIR/stalled"
	wait_for_line holding "$BATS_TEST_TMPDIR/stalled"
	run ask "$PORT" <<<'echo<>hello'
	assert_output 'ok<>hello'
}

@test "a client that resets the connection does superd no harm" {
	start_superd -p 0 "$CMD"
	"$CLIENT" "$PORT" 'send:echo<>hello\n' reset
	wait_for_line '^superd: EXIT: cmd '
	run ask "$PORT" <<<'echo<>still here'
	assert_output 'ok<>still here'
}

@test "telnet can talk to cmd" {
	start_superd -p 0 "$CMD"
	mkfifo "$BATS_TEST_TMPDIR/keys"
	exec 5<>"$BATS_TEST_TMPDIR/keys"
	printf 'echo<>hello\nexit\n' >&5
	run timeout "$WAIT_SECONDS" telnet 127.0.0.1 "$PORT" <"$BATS_TEST_TMPDIR/keys" 3>&-
	exec 5>&-
	assert_line 'ok<>hello'
	assert_line 'ok<>bye'
}

@test "a socket opened by a shell can talk to cmd" {
	start_superd -p 0 "$CMD"
	exec 5<>"/dev/tcp/127.0.0.1/$PORT"
	echo 'echo<>hello' >&5
	read -r -t "$WAIT_SECONDS" reply <&5
	exec 5>&-
	[ "$reply" = 'ok<>hello' ]
}

@test "with cmd -n, a message without a newline is a request" {
	start_superd -p 0 "$CMD" -n
	run "$CLIENT" "$PORT" 'send:printf<>Salute from the client!' line
	assert_output 'ok<>Salute from the client!'
}

@test "cmd says who its peer is, by the address and port that superd logs" {
	start_superd -p 0 "$CMD"
	run ask "$PORT" <<<peer
	wait_for_line 'START: cmd '
	assert_output "$(sed -n 's/.*from=\(.*\) port=\(.*\)/ok<>\1<>\2/p' "$LOG")"
}

@test "any program that reads stdin and writes stdout is a service" {
	start_superd -p 0 tr a-z A-Z
	run ask "$PORT" <<<'hello'
	assert_output 'HELLO'
}
