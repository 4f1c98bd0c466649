# SPDX-License-Identifier: ISC
# The attribute command: a program and its arguments in one quoted line; and how -t prints programs.
#
# shellcheck disable=SC1003,SC2154 # a \ in quotes; check_config sets stderr

load ../lib/superd
load ../lib/client

# print_command_service VALUE: print a service with this command.
print_command_service() {
	print_service a server= "command = $1"
}

# Each argument that the program gets, in brackets.
SHOW='/bin/sh -c '\''printf "[%s]" "$@"'\'' sh'

@test "command: quotes and backslashes, the program gets the words that sh gets" {
	local values=('a "b c" d' "'a  b'\"c\"'d' e" 'a\ b \"c\" \\ \d' '"\a\$b\"\\" '\''\'\' '"" x '\'\' '#a b#c' "a$(printf '\t')b  c") value
	for value in "${values[@]}"; do
		print_command_service "$SHOW $value" >"$CONF"
		start_superd -c "$CONF"
		run ask "$PORT" </dev/null
		stop_superd
		# Only bash has no # here: it would begin a comment.
		[ "$output" = "$(sh -c "printf '[%s]' ${value//\#/\\#}")" ] || fail "$value: $output"
	done
}

@test "command: server_args could say the same, -t prints server and server_args" {
	print_command_service "'/bin/cat' \"-u\"" >"$CONF"
	check_config
	assert_success
	grep -qx 'server = /bin/cat' <<<"$(squeeze_blanks "$output")"
	grep -qx 'server_args = -u' <<<"$(squeeze_blanks "$output")"
	! grep command <<<"$output" || false
}

@test "command: with server or server_args or not quoted to an end, it is an error and the next service runs" {
	local line
	for line in 'server = /bin/cat' 'server_args = -u'; do
		print_command_service /bin/cat >"$CONF"
		sed -i "s|}|$line\n}|" "$CONF"
		check_config
		assert_failure 1
		[[ $stderr == conf:*': command: server and server_args set the program, too' ]] || fail "$stderr"
	done
	{
		print_command_service '/bin/cat "x'
		print_service b
	} >"$CONF"
	assert_config_errors "conf:$(grep -n command "$CONF" | cut -d : -f 1): command: a quote, \", is not closed"
	grep -qx 'service b' <<<"$output"
	assert_rejected 'command += /bin/cat' "command: takes only '='"
	print_command_service '/bin/cat x\' >"$CONF"
	assert_config_errors "conf:$(grep -n command "$CONF" | cut -d : -f 1): command: nothing follows the last \\"
	print_command_service 'cat' >"$CONF"
	assert_config_errors "conf:$(grep -n command "$CONF" | cut -d : -f 1): command: 'cat' is not an absolute path"
}

@test "command: its quotes go on over lines, superd warns and numbers the lines after it" {
	{
		print_command_service $'/bin/sh -c \'echo one\n}\necho two\''
		print_service b 'nice = x'
	} >"$CONF"
	local first
	first=$(grep -n command "$CONF" | cut -d : -f 1)
	assert_config_errors "conf:$first: warning: command: its quotes go on to line $((first + 2))" \
		"conf:$(grep -n 'nice = x' "$CONF" | cut -d : -f 1): nice: 'x' is not a number"
	grep -qx 'echo two'\' <<<"$output"
}

@test "superd -t: command lines with blanks, quotes, newlines, an empty argument, no -u: superd -c runs the same program" {
	ln -s /bin/sh "$BATS_TEST_TMPDIR/sh"
	local show=(-c 'printf "[%s]" "$0" "$@"; id -u') arguments
	while IFS= read -r -d ';' arguments; do
		eval "set -- $arguments"
		"$SUPERD" -t -p 0 "$BATS_TEST_TMPDIR/sh" "${show[@]}" "$@" >"$CONF" 2>"$BATS_TEST_TMPDIR/errors"
		check_config
		assert_success
		[ "$output" = "$(cat "$CONF")" ]
		start_superd -p 0 "$BATS_TEST_TMPDIR/sh" "${show[@]}" "$@"
		run ask "$PORT" </dev/null
		stop_superd
		expected=$output
		start_superd -c "$CONF"
		run ask "$PORT" </dev/null
		stop_superd
		[ "$output" = "$expected" ] || fail "$arguments: $output"
	done <<<"a b; 'a b' ''; \$'a\nb = c\n}\n' it\\'s '\"' \\\\ 'x\\'; '#' = '' \$'\t' \$'a\r'; 'HTTP/1.0 200 OK\r\n\r\n';"
}

@test "superd -t: a program whose name has blanks or begins with #, its output reads back" {
	for name in 'my program' '#greet' '{'; do
		printf '#!/bin/sh\necho hello\n' >"$BATS_TEST_TMPDIR/$name"
		chmod +x "$BATS_TEST_TMPDIR/$name"
		"$SUPERD" -t -p 0 "$BATS_TEST_TMPDIR/$name" >"$CONF" 2>"$BATS_TEST_TMPDIR/errors"
		check_config
		assert_success
		[ "$output" = "$(cat "$CONF")" ] || fail "$name: $output"
	done
}

@test "superd -t: a command line without -u, it names superd's own user, by number where it has no name" {
	run --separate-stderr "$SUPERD" -t -p 0 cat
	grep -qx "user = $(id -un)" <<<"$(squeeze_blanks "$output")"
	needs root
	run --separate-stderr setpriv --reuid 4242 --regid 4343 --clear-groups "$SUPERD" -t -p 0 cat
	grep -qx 'user = 4242' <<<"$(squeeze_blanks "$output")"
	grep -qx 'group = 4343' <<<"$(squeeze_blanks "$output")"
}
