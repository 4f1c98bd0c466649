# SPDX-License-Identifier: ISC
# cmd's screen and superd's log: by default they are one stderr, and how they are kept apart.

load ../lib/superd
load ../lib/client
load ../lib/fault

# A line of superd's log, as a client writes it.
FORGED='superd: START: cmd pid=1 from=192.0.2.1 port=1'

# send_forged: a client shows that line.
send_forged() {
	run -0 "$CLIENT" "$PORT" "send:printf<>$FORGED\\n" line
	assert_output "ok<>$FORGED"
}

@test "cmd printf: superd logs to the same stderr, the client's words are shown as they are" {
	start_superd -p 0 "$CMD"
	send_forged
	wait_for_line "^$FORGED\$"
}

@test "cmd printf: superd -l, the client's words are on stderr and not in the log" {
	needs root capabilities
	start_private_syslog
	launch_superd -l daemon -p 0 -b 127.0.0.1 "$CMD"
	wait_for_line ': listening cmd' "$SYSLOG"
	PORT=$(sed -n 's/.*listening.*://p' "$SYSLOG")
	send_forged
	wait_for_line "^$FORGED\$"
	wait_for_line ': START: cmd pid=' "$SYSLOG"
	run grep -F 192.0.2.1 "$SYSLOG"
	assert_failure
}

@test "cmd printf: log_type with a file, the client's words are on stderr and not in the file" {
	start_superd -p 0 -o "log_type=FILE $BATS_TEST_TMPDIR/file" "$CMD"
	send_forged
	wait_for_line "^$FORGED\$"
	wait_for_line 'START: cmd pid=' "$BATS_TEST_TMPDIR/file"
	run grep -F 192.0.2.1 "$BATS_TEST_TMPDIR/file"
	assert_failure
}
