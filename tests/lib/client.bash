# Clients and servers: what connects to superd, to cmd, and what cmdc connects to.
#
# PORT is where the server that was started last listens, whatever it is.
#
# shellcheck shell=bash disable=SC2034,SC2154 # what bats sets, and what the tests read

source "${BASH_SOURCE[0]%/*}/process.bash"

# The programs. Each explains itself in its first lines.
CLIENT=$LIB/scripted_client
SERVER=$LIB/scripted_server
LOAD=$LIB/load_client
DATAGRAM=$LIB/udp_client
HEADERS=$LIB/proxy_headers

# Any client, any server.

# ask PORT [HOST], ask PATH: send stdin, end our side, print what comes until the server ends its own.
ask() {
	case $1 in
	/*) timeout "$WAIT_SECONDS" nc -N -U "$1" ;;
	*) timeout "$WAIT_SECONDS" nc -N "${2:-127.0.0.1}" "$1" ;;
	esac
}

# echoes PORT [ADDRESS]: a client gets back what it sends.
echoes() {
	[ "$(ask "$1" "${2:-127.0.0.1}" <<<hello)" = hello ]
}

# open_connection NAME PORT [STEP...]: a client that has received its line `here` back, and then does the steps, or stays.
# Sets CLIENT_PID; its output is $BATS_TEST_TMPDIR/NAME.
open_connection() {
	local name=$1 port=$2
	shift 2
	start_background "$CLIENT" "$port" 'send:here\n' line "${@:-hold}" >"$BATS_TEST_TMPDIR/$name"
	CLIENT_PID=$BG_PID
	wait_for_line here "$BATS_TEST_TMPDIR/$name"
}

# open_greeted [OPTION...] PORT: clients that have received a first line from their program, and stay. Sets CLIENT_PID; their
# output is $BATS_TEST_TMPDIR/greeted.
open_greeted() {
	start_background "$CLIENT" "$@" line hold >"$BATS_TEST_TMPDIR/greeted"
	CLIENT_PID=$BG_PID
	wait_for_line holding "$BATS_TEST_TMPDIR/greeted"
}

# start_server [-h HOST] [-p PORT] [-b BACKLOG] PATH|- STEP...: start the scripted server. Sets PORT, SERVER_PID and
# SERVER_OUTPUT, the file of what it prints.
start_server() {
	SERVER_OUTPUT=$BATS_TEST_TMPDIR/server_output
	: >"$SERVER_OUTPUT"
	start_background "$SERVER" "$@" >"$SERVER_OUTPUT"
	SERVER_PID=$BG_PID
	wait_for_line '^PORT ' "$SERVER_OUTPUT"
	PORT=$(sed -n 's/^PORT //p' "$SERVER_OUTPUT")
}

# wait_for_server_line LINE: wait until the scripted server has printed that line.
wait_for_server_line() {
	wait_for_line "^$1\$" "$SERVER_OUTPUT"
}

# wait_server: wait until the scripted server has done all of its steps.
wait_server() {
	wait_until is_gone "$SERVER_PID"
}

# cmdc.

# run_cmdc ARGUMENT...: cmdc, with the address of the server that was started last.
run_cmdc() {
	timeout "$WAIT_SECONDS" "$CMDC" -h 127.0.0.1 -p "$PORT" "$@"
}

# start_cmdc FILE: the same in the background, with FILE, perhaps a named pipe, as its input. Sets CMDC_PID, OUT and ERR, the
# files of what it prints.
start_cmdc() {
	OUT=$BATS_TEST_TMPDIR/out
	ERR=$BATS_TEST_TMPDIR/err
	# bash opens the pipe in the background, and a stdin that is not named here would be /dev/null.
	"$CMDC" -h 127.0.0.1 -p "$PORT" <"$1" >"$OUT" 2>"$ERR" 3>&- &
	CMDC_PID=$!
	end_at_teardown "$CMDC_PID"
}

# assert_cmdc_ends STATUS: that cmdc ends, with this exit status.
assert_cmdc_ends() {
	local status=0
	wait_until is_gone "$CMDC_PID"
	wait "$CMDC_PID" || status=$?
	assert_equal "$status" "$1"
}

# cmd, in three forms: all input at once, input piece by piece through descriptor 7, and behind a socket. The screen is always
# the file `screen`. CMD_OPTIONS comes before the options of the call.

CMD_OPTIONS=()

# run_cmd [OPTION...]: cmd on stdin and stdout.
run_cmd() {
	timeout "$WAIT_SECONDS" "$CMD" "${CMD_OPTIONS[@]}" "$@" 2>"$BATS_TEST_TMPDIR/screen"
}

# open_cmd [OPTION...]: cmd in the background; it reads descriptor 7, and writes the file `replies`. Sets CMD_PID.
open_cmd() {
	rm -f "$BATS_TEST_TMPDIR/in"
	mkfifo "$BATS_TEST_TMPDIR/in"
	"$CMD" "${CMD_OPTIONS[@]}" "$@" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/replies" 2>"$BATS_TEST_TMPDIR/screen" 3>&- &
	CMD_PID=$!
	end_at_teardown "$CMD_PID"
	exec 7>"$BATS_TEST_TMPDIR/in"
}

# open_cmd_on_socket [-2] WHERE [OPTION...]: cmd behind a socket, for one client, as lib/run_on_socket has it. Sets CMD_PID, PORT.
open_cmd_on_socket() {
	local where=("$1")
	shift
	if [ "${where[0]}" = -2 ]; then
		where+=("$1")
		shift
	fi
	"$LIB/run_on_socket" "${where[@]}" "$CMD" "${CMD_OPTIONS[@]}" "$@" >"$BATS_TEST_TMPDIR/run_on_socket" \
		2>"$BATS_TEST_TMPDIR/screen" 3>&- &
	CMD_PID=$!
	end_at_teardown "$CMD_PID"
	wait_for_line '^PORT ' "$BATS_TEST_TMPDIR/run_on_socket"
	PORT=$(sed -n 's/^PORT //p' "$BATS_TEST_TMPDIR/run_on_socket")
}

# wait_cmd: wait until that cmd ends; returns its exit status.
wait_cmd() {
	wait_until is_gone "$CMD_PID" || return 99
	wait "$CMD_PID"
}

# close_cmd: end the input of that cmd, and wait until it ends; returns its exit status.
close_cmd() {
	exec 7>&-
	wait_cmd
}

# replies_are TEXT: what that cmd has answered so far.
replies_are() {
	[ "$(cat "$BATS_TEST_TMPDIR/replies")" = "$1" ]
}

# screen_is TEXT: what the screen shows, but for newlines at its end.
screen_is() {
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = "$1" ]
}

# write_command NAME: write a command of cmd -d $COMMANDS from stdin, with `#!/bin/sh` before it.
write_command() {
	write_program "$1" "$COMMANDS" >/dev/null
}
