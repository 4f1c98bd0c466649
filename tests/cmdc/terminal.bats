# SPDX-License-Identifier: ISC
# cmdc on a terminal: the prompt, and the escaping of control bytes. expect(1) types and reads; script(1) prints the bytes that
# a terminal gets.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/client

setup() {
	needs expect script
}

# terminal SCRIPT [COMMAND...]: run a session, or COMMAND, on a terminal, and SCRIPT, in expect's language: `see TEXT` waits for
# TEXT, `type TEXT` types it, `over` waits for the end. Returns the exit status of the session.
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

# print_on_terminal ARGUMENT...: run cmdc on a terminal, and print what the terminal gets, with its CR LF.
print_on_terminal() {
	script -qec "$CMDC -h 127.0.0.1 -p $PORT $*" /dev/null </dev/null
}

# assert_shown SENT SHOWN: the server sends a line, in the escapes of lib/scripted_server, and the terminal gets SHOWN.
assert_shown() {
	start_server - accept line "send:out<>$1\\nok\\n" close
	run print_on_terminal x
	assert_success
	assert_output "$2"$'\r'
}

@test "cmdc terminal: a session starts or a reply has arrived, cmdc prompts with the host" {
	start_server - accept answer
	run terminal 'see "127.0.0.1> "; type "one\r"; see "ok<>one\r\n127.0.0.1> "; type "exit\r"; see "ok<>exit"; over'
	assert_success
}

@test "cmdc terminal: an empty line, cmdc prompts again" {
	start_server - accept answer
	run terminal 'see "> "; type "\r"; see "\r\n127.0.0.1> "; type "exit\r"; over'
	assert_success
}

@test "cmdc terminal: three lines are typed before the replies, cmdc prints all replies" {
	start_server - accept answer
	run terminal 'type "one\rtwo\rthree\r"; see "ok<>one"; see "ok<>two"; see "ok<>three\r\n127.0.0.1> "; type "exit\r"; over'
	assert_success
}

@test "cmdc terminal: end of input at the prompt, cmdc prints a newline and exits" {
	start_server - accept answer
	run terminal 'see "127.0.0.1> "; type "\004"; see "\r\n"; over'
	assert_success
}

@test "cmdc terminal: end of input within a line, cmdc sends the line" {
	start_server - accept answer
	run terminal 'see "127.0.0.1> "; type "one\004\004"; see "ok<>one\r\n"; over'
	assert_success
}

@test "cmdc terminal: the server closes at the prompt, the message begins a new line and the status is 3" {
	start_server - accept line 'send:ok\n' line 'send:error<>unknown<>two\n' close
	run terminal '
		see "> "; type "one\r"; see "ok\r\n127.0.0.1> "; type "two\r"
		see "error<>unknown<>two\r\n"; see "cmdc: 127.0.0.1 port '"$PORT"': the server closed the connection\r\n"; over'
	assert_failure 3
}

@test "cmdc terminal: the server sends an error without a request, it begins a new line" {
	start_server - accept "file:$BATS_TEST_TMPDIR/go" 'send:error<>idle<>1\n' close
	run terminal '
		see "127.0.0.1> "; close [open "'"$BATS_TEST_TMPDIR/go"'" w]
		see "\r\nerror<>idle<>1\r\n"; see "cmdc: 127.0.0.1 port '"$PORT"': the server closed"; over'
	assert_failure 3
}

@test "cmdc terminal: stdout is no terminal, there is no prompt" {
	start_server - accept answer
	run terminal 'type "one\r"; see "ok<>one"; type "exit\r"; over' \
		"sh -c {$CMDC -h 127.0.0.1 -p $PORT | cat}"
	assert_success
	refute_output --partial '127.0.0.1> '
}

@test "cmdc terminal: control bytes in a reply, they are shown in hexadecimal" {
	assert_shown '\x01\x07\x08\x0d\x1b[31m\x7f\x00' '\x01\x07\x08\x0d\x1b[31m\x7f\x00'
}

@test "cmdc terminal: tabs and UTF-8 in a reply, they are shown unchanged" {
	assert_shown 'a\tb\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc2\xa0' $'a\tb\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc2\xa0'
}

@test "cmdc terminal: C1 control characters in UTF-8, they are shown in hexadecimal" {
	assert_shown '\xc2\x9b31m\xc2\x80\xc2\x9f' '\xc2\x9b31m\xc2\x80\xc2\x9f'
}

@test "cmdc terminal: invalid UTF-8 in a reply, it is shown in hexadecimal" {
	assert_shown '\x9b\xff\xc0\x80\xe0\x80\x80\xed\xa0\x80\xf4\x90\x80\x80\xc3(\xe2\x82' \
		'\x9b\xff\xc0\x80\xe0\x80\x80\xed\xa0\x80\xf4\x90\x80\x80\xc3(\xe2\x82'
}

@test "cmdc terminal: the bytes of a character arrive one by one, it is shown as a character" {
	start_server - accept line 'slow:1:ok<>\xe2\x82\xac\xc2\x9b\n' close
	run print_on_terminal x
	assert_success
	assert_output $'\xe2\x82\xac''\xc2\x9b'$'\r'
}

@test "cmdc terminal: an error reply, control bytes are shown in hexadecimal" {
	start_server - accept line 'send:error<>unknown<>\x1b[2J\n' close
	run print_on_terminal x
	assert_failure 1
	assert_output 'cmdc: unknown: \x1b[2J'$'\r'
}

@test "cmdc terminal: replies of a session, control bytes are shown in hexadecimal" {
	start_server - accept line 'send:out<>\x1b[2J\nok<>\x07\n' hold
	run terminal 'see "> "; type "x\r"; see {out<>\x1b[2J}; see {ok<>\x07}; see "> "; type "\004"; over'
	assert_success
}

@test "cmdc terminal: a reply is cut off within a line, the message begins a new line" {
	start_server - accept line 'send:out<>part' close
	run print_on_terminal x
	assert_failure 3
	assert_line --index 0 part$'\r'
	assert_line --index 1 --partial 'in the middle of a reply'
}
