# superd on a terminal: what people see there, and that programs see nothing of it. script(1) is the terminal.
#
# shellcheck disable=SC2154 # what run sets

load ../lib/process

setup() {
	FILE=$BATS_TEST_TMPDIR/file
	export TERM=xterm
	unset NO_COLOR
}

# on_terminal COMMAND-LINE: what a terminal gets from it, with plain line ends, and its exit status.
on_terminal() {
	local output status=0
	output=$(timeout "$WAIT_SECONDS" script -qec "$1" /dev/null </dev/null) || status=$?
	printf '%s\n' "${output//$'\r'/}"
	return "$status"
}

# checks LINE...: `superd -t` on a terminal without colours, for a service with these lines in it.
checks() {
	write_service "$@"
	run on_terminal "TERM=dumb $SUPERD -n -t -c $FILE"
}

# The lines stand from line 8 of the file on.
write_service() {
	printf '%s\n' 'service a' '{' 'type = UNLISTED' 'socket_type = stream' 'wait = no' 'user = nobody' \
		'server = /bin/cat' "$@" '}' >"$FILE"
}

# quotes LINE MARK: the file's line is quoted, with the mark under it.
quotes() {
	assert_line --partial " | $1"
	assert_line "      | $2"
}

@test "-t is a table on a terminal" {
	checks 'port = 7008' 'bind = 127.0.0.1 ::1' 'server_args = -u -' 'instances = 20' 'only_from = 10.0.0.0/8 ::1'
	assert_success
	assert_line --index 0 'SERVICE  ADDRESS            SOCKET  USER    INSTANCES  CLIENTS        PROGRAM'
	assert_line --index 1 'a        127.0.0.1:7008 +1  tcp     nobody  20         10.0.0.0/8 +1  /bin/cat -u -'
	assert_equal "${#lines[@]}" 2
}

@test "the table says who may come, and who not" {
	checks 'port = 7008' 'no_access = 10.0.0.1'
	assert_line --index 1 --partial ' anyone but 10.0.0.1 '
	checks 'port = 7008' 'only_from ='
	assert_line --index 1 --partial ' nobody '
}

@test "the table has what superd serves itself, and UNIX-domain sockets" {
	printf '%s\n' 'service echo' '{' 'type = INTERNAL UNLISTED' 'protocol = udp' 'wait = yes' 'port = 7007' '}' \
		'service b' '{' 'type = UNLISTED' 'protocol = tcp' 'wait = no' 'bind = /run/b.sock' \
		'redirect = 127.0.0.1 80' '}' >"$FILE"
	run on_terminal "$SUPERD -t -c $FILE"
	assert_line --regexp '^echo .* udp wait +superd.s +- +anyone +superd itself$'
	assert_line --regexp '^b +/run/b.sock +unix .* to 127.0.0.1 port 80$'
}

@test "-t where stdout is no terminal is the configuration, whatever stderr is" {
	write_service 'port = 7008'
	"$SUPERD" -t -c "$FILE" >"$BATS_TEST_TMPDIR/plain"
	on_terminal "$SUPERD -t -c $FILE >$BATS_TEST_TMPDIR/file-of-t"
	on_terminal "$SUPERD -t -c $FILE | cat >$BATS_TEST_TMPDIR/pipe-of-t"
	cmp "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/file-of-t"
	cmp "$BATS_TEST_TMPDIR/plain" "$BATS_TEST_TMPDIR/pipe-of-t"
	run "$SUPERD" -t -c "$BATS_TEST_TMPDIR/plain"
	assert_output "$(cat "$BATS_TEST_TMPDIR/plain")"
}

@test "the quoted word of an error is pointed at in its line" {
	checks $'\t instances\t=  many # or few'
	assert_failure 1
	assert_line "$FILE:8: instances: 'many' is not a number"
	assert_line '    8 | instances =  many # or few'
	assert_line '      |              ^~~~'
}

@test "the word is found where it is part of another, and where it holds quotes" {
	checks 'user=ser' 'port = 1'
	quotes 'user=ser' '     ^~~'
	checks "it's+= 1"
	quotes "it's+= 1" '^~~~'
	checks 'nice -=1'
	quotes 'nice -=1' '      ^'
}

@test "of several quoted words, it is the one that is in the line" {
	printf '%s\n' 'service a b' >"$FILE"
	run on_terminal "TERM=dumb $SUPERD -t -c $FILE"
	quotes 'service a b' '          ^'
}

@test "an error that quotes no word is about the value, or else the line" {
	checks 'port = 70080'
	quotes 'port = 70080' '       ^~~~~'
	checks 'port ='
	quotes 'port =' '^~~~~~'
}

@test "a warning quotes its line, too" {
	checks 'port = 7008' 'port = 7009'
	assert_success
	assert_line --partial ':9: warning: port: already set at line 8'
	quotes 'port = 7009' '       ^~~~'
}

@test "of a long line, the piece about the word is shown" {
	checks "only_from = $(printf '10.0.0.%d ' {1..20}) wro*g $(printf '10.0.1.%d ' {1..20})"
	assert_line '    8 | ... 10.0.0.20  wro*g 10.0.1.1 10.0.1.2 10.0.1.3 10.0.1.4 10.0.1.5 1'
	assert_line '      |                ^~~~~'
}

@test "what a file holds cannot drive the terminal, and the mark stands right all the same" {
	checks $'server_args = \e[2J \xc2\x9b31m' $'only_from = \e[31mred \t b\x07*d' 'port = 7008'
	quotes 'only_from = \x1b[31mred   b\x07*d' '            ^~~~~~~~~~~'
	refute_output --partial $'\e'
	checks $'server_args = \e[2J \xc2\x9b31m' 'port = 7008'
	assert_line --index 1 --partial '/bin/cat \x1b[2J \xc2\x9b31m'
}

@test "nothing is quoted where the file cannot be read again" {
	write_service 'port = many'
	run on_terminal "cat $FILE | $SUPERD -t -c /dev/stdin"
	assert_output "/dev/stdin:8: port: 'many' is not a number"
	run on_terminal "$SUPERD -t -p 0 -o instances=many cat"
	assert_output "instances: 'many' is not a number"
}

@test "nothing is quoted where stderr is no terminal" {
	write_service 'port = many'
	run on_terminal "$SUPERD -t -c $FILE 2>&1 | cat"
	assert_output "$FILE:8: port: 'many' is not a number"
}

@test "only the first 100 errors are quoted" {
	mapfile -t lines < <(printf 'soup%d = 1\n' {1..150})
	checks "${lines[@]}"
	assert_equal "$(grep -c 'unknown attribute' <<<"$output")" 150
	assert_equal "$(grep -c '| soup' <<<"$output")" 100
}

@test "a start on a terminal quotes as -t does" {
	write_service 'port = many'
	run on_terminal "TERM=dumb $SUPERD -c $FILE"
	assert_failure 1
	assert_line "superd: $FILE:8: port: 'many' is not a number"
	quotes 'port = many' '       ^~~~'
}

@test "there are colours on a terminal" {
	write_service 'port = 7008' 'port = 7009'
	run on_terminal "$SUPERD -t -c $FILE"
	assert_line $'\e[1mSERVICE  ADDRESS    SOCKET  USER    INSTANCES  CLIENTS  PROGRAM\e[0m'
	assert_line $'      | \e[1;32m       ^~~~\e[0m'
}

@test "there are none with NO_COLOR, unless it is empty, nor on a terminal that is dumb or unknown" {
	write_service 'port = 7008' 'port = 7009'
	for setting in NO_COLOR=1 NO_COLOR=0 TERM=dumb '-u TERM'; do
		run on_terminal "env $setting $SUPERD -t -c $FILE"
		assert_line --partial SERVICE
		assert_line --partial '^~~~'
		refute_output --partial $'\e'
	done
	run on_terminal "NO_COLOR= $SUPERD -t -c $FILE"
	assert_output --partial $'\e'
}

@test "on a terminal USR1 logs a table, a column under each title" {
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

@test "-h fits a screen of 24 lines of 80" {
	[ "$("$SUPERD" -h | wc -l)" -le 22 ] # and a prompt before and after it
	run "$SUPERD" -h
	refute_line --regexp '^.{81}'
}
