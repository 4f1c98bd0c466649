# SPDX-License-Identifier: ISC
# superd on a terminal: tables, quoted lines and colours, and that there are none in a pipe. script(1) is the terminal.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/process

setup() {
	FILE=$BATS_TEST_TMPDIR/file
	export TERM=xterm
	unset NO_COLOR
}

# on_terminal COMMAND-LINE: run it on a terminal of 160 columns, and print what the terminal gets, with LF for CR LF; returns its exit status.
on_terminal() {
	local output status=0
	output=$(timeout "$WAIT_SECONDS" script -qec "stty cols 160; $1" /dev/null </dev/null) || status=$?
	printf '%s\n' "${output//$'\r'/}"
	return "$status"
}

# check_on_terminal LINE...: run superd -t on a terminal without colours, for a service that has these lines.
check_on_terminal() {
	write_file "$@"
	run on_terminal "TERM=dumb $SUPERD -n -t -c $FILE"
}

# write_file LINE...: write a configuration file with a service; these lines begin at line 8.
write_file() {
	printf '%s\n' 'service a' '{' 'type = UNLISTED' 'socket_type = stream' 'wait = no' 'user = nobody' \
		'server = /bin/cat' "$@" '}' >"$FILE"
}

# assert_quoted LINE MARK: the file's line is quoted, with the mark under it.
assert_quoted() {
	assert_line --partial " | $1"
	assert_line "      | $2"
}

@test "superd -t on a terminal: a service, it prints a table (Linux)" {
	check_on_terminal 'port = 7008' 'bind = 127.0.0.1 ::1' 'server_args = -u -' 'instances = 20' 'only_from = 10.0.0.0/8 ::1'
	assert_success
	assert_line --index 0 'SERVICE  ADDRESS            SOCKET  USER    INSTANCES  CLIENTS        PROGRAM'
	assert_line --index 1 'a        127.0.0.1:7008 +1  tcp     nobody  20         10.0.0.0/8 +1  /bin/cat -u -'
	assert_line --index 2 'superd: 1 service at 2 addresses; 0 with errors, 0 left out, 0 disabled'
	assert_equal "${#lines[@]}" 3
}

@test "superd -t on a terminal: no_access and only_from, the table shows which clients are admitted" {
	check_on_terminal 'port = 7008' 'no_access = 10.0.0.1'
	assert_line --index 1 --partial ' anyone but 10.0.0.1 '
	check_on_terminal 'port = 7008' 'only_from = 10.0.0.0/8' 'no_access = 10.0.0.1'
	assert_line --index 1 --partial ' 10.0.0.0/8 but 10.0.0.1 '
	check_on_terminal 'port = 7008' 'only_from ='
	assert_line --index 1 --partial ' nobody '
}

@test "superd -t on a terminal: a long name and long arguments, they end with ... within the width (Linux)" {
	printf '%s\n' "service $(printf 'a%.0s' {1..50})" '{' 'type = UNLISTED' 'port = 7008' 'socket_type = stream' 'wait = no' \
		"user = $ME" 'server = /bin/cat' "server_args = $(printf 'x%.0s' {1..100})" 'only_from = 0.0.0.0/0 ::/0' '}' >"$FILE"
	run script -qec "stty cols 100; '$SUPERD' -t -c '$FILE'" /dev/null
	assert_line --index 1 --regexp '^a{29}\.\.\.  \*:7008   tcp     [^ ]+ +-          anyone   /bin/cat x+\.\.\.'
	refute_line --regexp '^.{102}' # a carriage return ends it
}

@test "superd -A on a terminal: it is aligned, with a head" {
	run on_terminal "TERM=dumb $SUPERD -A"
	assert_line --index 0 --regexp '^ATTRIBUTE +OPERATORS +VALUES +IN +DEFAULT +MEANING'
	assert_line --regexp '^flags +=  +REUSE NAMEINARGS \.\.\.  service  +none  +switches of the socket and the program'
	refute_output --partial $'\t'
}

@test "superd -t on a terminal: internal services, redirect and UNIX-domain sockets, the table shows them (Linux)" {
	printf '%s\n' 'service echo' '{' 'type = INTERNAL UNLISTED' 'protocol = udp' 'wait = yes' 'port = 7007' '}' \
		'service b' '{' 'type = UNLISTED' 'protocol = tcp' 'wait = no' 'bind = /run/b.sock' \
		'redirect = 127.0.0.1 80' '}' >"$FILE"
	run on_terminal "$SUPERD -t -c $FILE"
	assert_line --regexp '^echo .* udp wait +superd.s +- +anyone +superd itself$'
	assert_line --regexp '^b +/run/b.sock +unix .* to 127.0.0.1 port 80$'
}

@test "superd -t: stdout is no terminal, it prints the configuration even if stderr is one" {
	write_file 'port = 7008'
	"$SUPERD" -t -c "$FILE" >"$BATS_TEST_TMPDIR/plain"
	on_terminal "$SUPERD -t -c $FILE >$BATS_TEST_TMPDIR/file-of-t"
	on_terminal "$SUPERD -t -c $FILE | cat >$BATS_TEST_TMPDIR/pipe-of-t"
	cmp "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/file-of-t"
	cmp "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/pipe-of-t"
	run --separate-stderr "$SUPERD" -t -c "$BATS_TEST_TMPDIR/plain"
	assert_output "$(cat "$BATS_TEST_TMPDIR/plain")"
}

@test "superd errors on a terminal: the message quotes a word, that word is marked in its line" {
	check_on_terminal $'\t instances\t=  many # or few'
	assert_failure 1
	assert_line "$FILE:8: instances: 'many' is not a number"
	assert_line '    8 | instances =  many # or few'
	assert_line '      |              ^~~~'
}

@test "superd errors on a terminal: the word is part of another or has quotes in it, the right place is marked" {
	check_on_terminal 'user=ser' 'port = 1'
	assert_quoted 'user=ser' '     ^~~'
	check_on_terminal "it's+= 1"
	assert_quoted "it's+= 1" '^~~~'
	check_on_terminal 'nice -=1'
	assert_quoted 'nice -=1' '      ^'
}

@test "superd errors on a terminal: the message quotes several words, the one in the line is marked" {
	printf '%s\n' 'service a b' >"$FILE"
	run on_terminal "TERM=dumb $SUPERD -t -c $FILE"
	assert_quoted 'service a b' '          ^'
}

@test "superd errors on a terminal: the message quotes no word, the value or the line is marked" {
	check_on_terminal 'port = 70080'
	assert_quoted 'port = 70080' '       ^~~~~'
	check_on_terminal 'port ='
	assert_quoted 'port =' '^~~~~~'
}

@test "superd errors on a terminal: the quoted word is not in the line, the value is marked" {
	printf '%s\n' 'service abc' '{' 'type = INTERNAL' 'protocol = tcp' 'wait = no' 'port = 1' '}' >"$FILE"
	run on_terminal "TERM=dumb $SUPERD -t -c $FILE"
	assert_line --partial "there is no internal service 'abc'"
	assert_quoted 'type = INTERNAL' '       ^~~~~~~~'
}

@test "superd errors on a terminal: a warning, its line is quoted" {
	check_on_terminal 'port = 7008' 'port = 7009'
	assert_success
	assert_line --partial ':9: warning: port: already set at line 8'
	assert_quoted 'port = 7009' '       ^~~~'
}

@test "superd errors on a terminal: a long line, the part around the word is shown" {
	check_on_terminal "only_from = $(printf '10.0.0.%d ' {1..20}) wro*g $(printf '10.0.1.%d ' {1..20})"
	assert_line '    8 | ... 10.0.0.20  wro*g 10.0.1.1 10.0.1.2 10.0.1.3 10.0.1.4 10.0.1.5 1'
	assert_line '      |                ^~~~~'
}

@test "superd errors on a terminal: control bytes in the file, they are shown escaped and the mark is at the right place (Linux)" {
	check_on_terminal $'server_args = \e[2J \xc2\x9b31m' $'only_from = \e[31mr\x07*d' 'port = 7008'
	assert_quoted 'only_from = \x1b[31mr\x07*d' '            ^~~~~~~~~~~~~~~'
	refute_output --partial $'\e'
	check_on_terminal $'server_args = \e[2J \xc2\x9b31m' 'port = 7008'
	assert_line --index 1 --partial '/bin/cat \x1b[2J \xc2\x9b31m'
}

@test "superd errors on a terminal: the file cannot be read again, nothing is quoted" {
	write_file 'port = many'
	run on_terminal "cat $FILE | $SUPERD -t -c /dev/stdin"
	assert_line --index 0 "/dev/stdin:8: port: 'many' is not a number"
	assert_line --index 1 --partial 'superd: 0 services'
	run on_terminal "$SUPERD -t -p 0 -o instances=many cat"
	assert_output "instances: 'many' is not a number"
}

@test "superd errors: stderr is no terminal, nothing is quoted" {
	write_file 'port = many'
	run on_terminal "$SUPERD -t -c $FILE 2>&1 | cat"
	assert_line --index 0 "$FILE:8: port: 'many' is not a number"
	assert_line --index 1 --partial 'superd: 0 services'
}

@test "superd errors on a terminal: 150 errors, the first 100 are quoted" {
	mapfile -t lines < <(printf 'soup%d = 1\n' {1..150})
	check_on_terminal "${lines[@]}"
	assert_equal "$(grep -c 'unknown attribute' <<<"$output")" 150
	assert_equal "$(grep -c '| soup' <<<"$output")" 100
}

@test "superd errors on a terminal: superd starts without -t, errors are quoted" {
	write_file 'port = many'
	run on_terminal "TERM=dumb $SUPERD -c $FILE"
	assert_failure 1
	assert_line "superd: $FILE:8: port: 'many' is not a number"
	assert_quoted 'port = many' '       ^~~~'
}

@test "superd colours: a terminal, headings and marks have colours" {
	write_file 'port = 7008' 'port = 7009'
	run on_terminal "$SUPERD -t -c $FILE"
	assert_line $'\e[1mSERVICE  ADDRESS  SOCKET  USER    INSTANCES  CLIENTS  PROGRAM\e[0m'
	assert_line $'      | \e[1;32m       ^~~~\e[0m'
}

@test "superd colours: NO_COLOR, a dumb or an unknown terminal, there are none" {
	write_file 'port = 7008' 'port = 7009'
	for setting in NO_COLOR=1 NO_COLOR=0 TERM=dumb '-u TERM'; do
		run on_terminal "env $setting $SUPERD -t -c $FILE"
		assert_line --partial SERVICE
		assert_line --partial '^~~~'
		refute_output --partial $'\e'
	done
	run on_terminal "NO_COLOR= $SUPERD -t -c $FILE"
	assert_output --partial $'\e'
}

@test "superd on a terminal: USR1, it logs a table" {
	needs pgrep
	start_background script -qefc "exec $SUPERD -p 0 -b 127.0.0.1 -o id=a-longer-name cat" "$BATS_TEST_TMPDIR/log" \
		</dev/null >/dev/null
	wait_for_line listening
	kill -USR1 "$(pgrep -P "$BG_PID")"
	wait_for_line '^superd: a-longer-name'
	run sed 's/\r$//' "$BATS_TEST_TMPDIR/log"
	assert_line 'superd: SERVICE        STATE      RUNNING  ACCEPTED  REFUSED  SPAWN_FAILURES'
	assert_line 'superd: a-longer-name  listening        0         0        0               0'
	refute_output --partial STATE:
}

@test "superd -h: a terminal of 24 lines of 80 columns, the help fits" {
	run "$SUPERD" -h
	assert_success
	[ "$(wc -l <<<"$output")" -le 22 ] # and a prompt before and after it
	refute_line --regexp '^.{81}'
}
