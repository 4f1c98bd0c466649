# SPDX-License-Identifier: ISC
# superd with cmd: a client sends a request, the operator sees it, the client gets the reply.

load ../lib/superd
load ../lib/client

@test "superd with cmd: printf, the text appears on superd's screen and the client gets the reply" {
	start_superd -p 0 "$CMD"
	run ask "$PORT" <<<'printf<>Salute from the client!'
	assert_output 'ok<>Salute from the client!'
	wait_for_line '^Salute from the client!$'
}

@test "superd with cmd: a connection, START and EXIT are logged with the same pid" {
	start_superd -p 0 "$CMD"
	run ask "$PORT" <<<'echo<>hello'
	wait_for_line '^superd: START: cmd pid=[0-9]* from=127\.0\.0\.1 port=[0-9]*$'
	wait_for_line '^superd: EXIT: cmd status=0 pid=[0-9]* duration=[0-9]*(sec)$'
	[ "$(sed -n 's/.*START.* pid=\([0-9]*\).*/\1/p' "$LOG")" = "$(sed -n 's/.*EXIT.* pid=\([0-9]*\).*/\1/p' "$LOG")" ]
}

@test "superd with cmd: superd ./cmd in a checkout, it runs ./cmd/cmd" {
	mkdir "$BATS_TEST_TMPDIR/cmd"
	cp "$CMD" "$BATS_TEST_TMPDIR/cmd/cmd"
	cd "$BATS_TEST_TMPDIR"
	start_superd -p 0 ./cmd
	run ask "$PORT" <<<'echo<>hello'
	assert_output 'ok<>hello'
	wait_for_line '^superd: START: cmd '
}

@test "superd with cmd: the client sends exit, cmd ends the session" {
	start_superd -p 0 "$CMD"
	run "$CLIENT" "$PORT" 'send:exit\n' line line
	assert_output $'ok<>bye\n(end)'
	wait_for_line '^superd: EXIT: cmd status=0 '
}

@test "superd with cmd: the client ends its sending side, it gets all replies" {
	start_superd -p 0 "$CMD"
	run "$CLIENT" "$PORT" 'send:echo<>a\necho<>b\n' shut all
	assert_output $'ok<>a\nok<>b'
}

@test "superd with cmd: 50 clients at once, each has its own process" {
	start_superd -p 0 "$CMD"
	start_background "$CLIENT" -c 50 "$PORT" 'send:echo<>hello\n' line hold >"$BATS_TEST_TMPDIR/replies"
	wait_for_line holding "$BATS_TEST_TMPDIR/replies"
	has_children 50
	wait_until log_has 50 'START: cmd'
	[ "$(grep -c '^ok<>hello$' "$BATS_TEST_TMPDIR/replies")" -eq 50 ]
	[ "$(sed -n 's/.*START: cmd pid=\([0-9]*\).*/\1/p' "$LOG" | sort -u | wc -l)" -eq 50 ]
}

@test "superd with cmd: a client sends half a line and waits, other clients are served" {
	start_superd -p 0 "$CMD"
	start_background "$CLIENT" "$PORT" 'send:echo<>half a li' hold >"$BATS_TEST_TMPDIR/stalled"
	wait_for_line holding "$BATS_TEST_TMPDIR/stalled"
	run ask "$PORT" <<<'echo<>hello'
	assert_output 'ok<>hello'
}

@test "superd with cmd: a client resets the connection, superd serves the next client" {
	start_superd -p 0 "$CMD"
	"$CLIENT" "$PORT" 'send:echo<>hello\n' reset
	wait_for_line '^superd: EXIT: cmd '
	run ask "$PORT" <<<'echo<>still here'
	assert_output 'ok<>still here'
}

@test "superd with cmd: telnet, it gets replies" {
	start_superd -p 0 "$CMD"
	mkfifo "$BATS_TEST_TMPDIR/keys"
	exec 5<>"$BATS_TEST_TMPDIR/keys"
	printf 'echo<>hello\nexit\n' >&5
	run timeout "$WAIT_SECONDS" telnet 127.0.0.1 "$PORT" <"$BATS_TEST_TMPDIR/keys" 3>&-
	exec 5>&-
	assert_line 'ok<>hello'
	assert_line 'ok<>bye'
}

@test "superd with cmd: a shell's /dev/tcp, it gets replies" {
	start_superd -p 0 "$CMD"
	exec 5<>"/dev/tcp/127.0.0.1/$PORT"
	echo 'echo<>hello' >&5
	read -r -t "$WAIT_SECONDS" reply <&5
	exec 5>&-
	[ "$reply" = 'ok<>hello' ]
}

@test "superd with cmd: cmd -n and a message without a newline, the client gets the reply" {
	start_superd -p 0 "$CMD" -n
	run "$CLIENT" "$PORT" 'send:printf<>Salute from the client!' line
	assert_output 'ok<>Salute from the client!'
}

@test "superd with cmd: peer, the reply is the address and port that superd logs" {
	start_superd -p 0 "$CMD"
	run ask "$PORT" <<<peer
	wait_for_line 'START: cmd '
	assert_output "$(sed -n 's/.*from=\(.*\) port=\(.*\)/ok<>\1<>\2/p' "$LOG")"
}

@test "superd: tr as the program, it is a service" {
	start_superd -p 0 tr a-z A-Z
	run ask "$PORT" <<<'hello'
	assert_output 'HELLO'
}
