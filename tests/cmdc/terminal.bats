# cmdc on a terminal: the prompt, and what must not reach a terminal as it is. expect(1) types and looks;
# script(1) shows the bytes that a terminal gets.
#
# shellcheck disable=SC2016,SC2154 # Tcl's variables; what run sets

load ../lib/client

# terminal SCRIPT [COMMAND...]: run a session on a terminal and in it, in expect's language, these: `see TEXT`
# waits for it, `type TEXT` types it, `over` waits for the end. Returns the exit status of the session.
terminal() {
	timeout "$((2 * WAIT_SECONDS))" expect -c "
		set timeout $WAIT_SECONDS
		match_max 100000
		proc type {text} { send -- \$text }
		proc see {text} {
			expect {
				-ex \$text {}
				timeout { puts \"(no: \$text)\"; exit 99 }
				eof { puts \"(ended before: \$text)\"; exit 98 }
			}
		}
		proc over {} {
			expect { eof {} timeout { puts {(did not end)}; exit 97 } }
			exit [lindex [wait] 3]
		}
		spawn -noecho ${2:-$CMDC -h 127.0.0.1 -p $PORT}
		$1"
}

# bytes ARGUMENT...: what a terminal gets from one command, with its line ends as the terminal makes them.
bytes() {
	script -qec "$CMDC -h 127.0.0.1 -p $PORT $*" /dev/null </dev/null
}

# shows SENT SHOWN: a line that the server sends, in the escapes of tests/serve, is shown like this.
shows() {
	start_server - accept line "send:out<>$1\\nok\\n" close
	run bytes x
	assert_success
	assert_output "$2"$'\r'
}

@test "a session prompts with the host, before and after each reply" {
	start_server - accept answer
	run terminal 'see "127.0.0.1> "; type "one\r"; see "ok<>one\r\n127.0.0.1> "; type "exit\r"; see "ok<>exit"; over'
	assert_success
}

@test "a session prompts again after an empty line" {
	start_server - accept answer
	run terminal 'see "> "; type "\r"; see "\r\n127.0.0.1> "; type "exit\r"; over'
	assert_success
}

@test "lines that are typed ahead are all answered" {
	start_server - accept answer
	run terminal 'type "one\rtwo\rthree\r"; see "ok<>one"; see "ok<>two"; see "ok<>three\r\n127.0.0.1> "; type "exit\r"; over'
	assert_success
}

@test "end of input at the prompt ends the session on a new line" {
	start_server - accept answer
	run terminal 'see "127.0.0.1> "; type "\004"; see "\r\n"; over'
	assert_success
}

@test "end of input in a line sends the line" {
	start_server - accept answer
	run terminal 'see "127.0.0.1> "; type "one\004\004"; see "ok<>one\r\n"; over'
	assert_success
}

@test "a server that closes at the prompt is said on a line of its own, with status 3" {
	start_server - accept line 'send:ok\n' line 'send:error<>idle<>1\n' close
	run terminal '
		see "> "; type "one\r"; see "ok\r\n127.0.0.1> "; type "two\r"
		see "error<>idle<>1\r\n"; see "cmdc: 127.0.0.1 port '"$PORT"': the server closed the connection\r\n"; over'
	assert_failure 3
}

@test "what the server says unasked comes on a line of its own" {
	start_server - accept "file:$BATS_TEST_TMPDIR/go" 'send:error<>idle<>1\n' close
	run terminal '
		see "127.0.0.1> "; close [open "'"$BATS_TEST_TMPDIR/go"'" w]
		see "\r\nerror<>idle<>1\r\n"; see "cmdc: 127.0.0.1 port '"$PORT"': the server closed"; over'
	assert_failure 3
}

@test "there is no prompt where stdout is no terminal" {
	start_server - accept answer
	run terminal 'type "one\r"; see "ok<>one"; type "exit\r"; over' \
		"sh -c {$CMDC -h 127.0.0.1 -p $PORT | cat}"
	assert_success
	refute_output --partial '127.0.0.1> '
}

@test "control bytes are shown as \\xHH on a terminal" {
	shows '\x01\x07\x08\x0d\x1b[31m\x7f\x00' '\x01\x07\x08\x0d\x1b[31m\x7f\x00'
}

@test "tabs and UTF-8 pass to a terminal" {
	shows 'a\tb\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc2\xa0' $'a\tb\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc2\xa0'
}

@test "control characters that UTF-8 spells in two bytes are shown as \\xHH" {
	shows '\xc2\x9b31m\xc2\x80\xc2\x9f' '\xc2\x9b31m\xc2\x80\xc2\x9f'
}

@test "bytes that are no UTF-8 are shown as \\xHH" {
	shows '\x9b\xff\xc0\x80\xe0\x80\x80\xed\xa0\x80\xf4\x90\x80\x80\xc3(\xe2\x82' \
		'\x9b\xff\xc0\x80\xe0\x80\x80\xed\xa0\x80\xf4\x90\x80\x80\xc3(\xe2\x82'
}

@test "a character that comes in pieces is shown whole" {
	start_server - accept line 'slow:1:ok<>\xe2\x82\xac\xc2\x9b\n' close
	run bytes x
	assert_success
	assert_output $'\xe2\x82\xac''\xc2\x9b'$'\r'
}

@test "an error is escaped on a terminal, too" {
	start_server - accept line 'send:error<>unknown<>\x1b[2J\n' close
	run bytes x
	assert_failure 1
	assert_output 'cmdc: unknown: \x1b[2J'$'\r'
}

@test "a session's replies are escaped on a terminal" {
	start_server - accept line 'send:out<>\x1b[2J\nok<>\x07\n' hold
	run terminal 'see "> "; type "x\r"; see {out<>\x1b[2J}; see {ok<>\x07}; see "> "; type "\004"; over'
	assert_success
}

@test "a message does not run on behind a line that was cut off" {
	start_server - accept line 'send:out<>part' close
	run bytes x
	assert_failure 3
	assert_line --index 0 part$'\r'
	assert_line --index 1 --partial 'in the middle of a reply'
}
