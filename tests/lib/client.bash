# SPDX-License-Identifier: ISC
# Clients of superd and cmd, and servers for cmdc.
#
# PORT is the port or the path of the server that was started last.
#
# shellcheck shell=bash disable=SC2034,SC2154 # variables of bats and of the tests

source "${BASH_SOURCE[0]%/*}/process.bash"

# The programs. The first lines of each describe it.
CLIENT=$LIB/scripted_client
SERVER=$LIB/scripted_server
LOAD=$LIB/load_client
DATAGRAM=$LIB/udp_client
HEADERS=$LIB/proxy_headers

# Clients and servers of any kind.

# ask PORT [HOST], ask PATH: send stdin, close the sending side, and print the answer until the server closes the connection.
ask() {
	case $1 in
	/*) timeout "$WAIT_SECONDS" nc -N -U "$1" ;;
	*) timeout "$WAIT_SECONDS" nc -N "${2:-127.0.0.1}" "$1" ;;
	esac
}

# echoes PORT [ADDRESS]: succeed if the server sends a line back.
echoes() {
	[ "$(ask "$1" "${2:-127.0.0.1}" <<<hello)" = hello ]
}

# open_connection NAME PORT [STEP...]: start a client, wait until it has received its line `here` back, and perform the steps
# (none: keep the connection open). Sets CLIENT_PID; its output is $BATS_TEST_TMPDIR/NAME.
open_connection() {
	local name=$1 port=$2
	shift 2
	start_background "$CLIENT" "$port" 'send:here\n' line "${@:-hold}" >"$BATS_TEST_TMPDIR/$name"
	CLIENT_PID=$BG_PID
	wait_for_line here "$BATS_TEST_TMPDIR/$name"
}

# open_greeted [OPTION...] PORT: start clients, wait until each has received a line from its program, and keep the connections
# open. Sets CLIENT_PID; their output is $BATS_TEST_TMPDIR/greeted.
open_greeted() {
	start_background "$CLIENT" "$@" line hold >"$BATS_TEST_TMPDIR/greeted"
	CLIENT_PID=$BG_PID
	wait_for_line holding "$BATS_TEST_TMPDIR/greeted"
}

# start_server [-h HOST] [-p PORT] [-b BACKLOG] PATH|- STEP...: start the scripted server. Sets PORT, SERVER_PID and
# SERVER_OUTPUT, the file of its output.
start_server() {
	needs python3
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

# wait_server: wait until the scripted server has performed all steps.
wait_server() {
	wait_until is_gone "$SERVER_PID"
}

# cmdc.

# run_cmdc ARGUMENT...: run cmdc with the address of the server that was started last.
run_cmdc() {
	timeout "$WAIT_SECONDS" "$CMDC" -h 127.0.0.1 -p "$PORT" "$@"
}

# start_cmdc FILE: the same in the background, with FILE, which can be a named pipe, as its input. Sets CMDC_PID, and OUT and
# ERR, the files of its output.
start_cmdc() {
	OUT=$BATS_TEST_TMPDIR/out
	ERR=$BATS_TEST_TMPDIR/err
	# Without a redirection, the stdin of a background command is /dev/null. bash opens the pipe in the background.
	"$CMDC" -h 127.0.0.1 -p "$PORT" <"$1" >"$OUT" 2>"$ERR" 3>&- &
	CMDC_PID=$!
	end_at_teardown "$CMDC_PID"
}

# assert_cmdc_ends STATUS: cmdc ends with this exit status.
assert_cmdc_ends() {
	local status=0
	wait_until is_gone "$CMDC_PID"
	wait "$CMDC_PID" || status=$?
	assert_equal "$status" "$1"
}

# cmd in three forms: with its whole input, with input in pieces through descriptor 7, and on a socket. The screen is always the
# file `screen`. CMD_OPTIONS comes before the options of the call.

CMD_OPTIONS=()

# run_cmd [OPTION...]: run cmd on stdin and stdout.
run_cmd() {
	timeout "$WAIT_SECONDS" "$CMD" "${CMD_OPTIONS[@]}" "$@" 2>"$BATS_TEST_TMPDIR/screen"
}

# open_cmd [OPTION...]: start cmd in the background; it reads descriptor 7, and writes the file `replies`. Sets CMD_PID.
open_cmd() {
	rm -f "$BATS_TEST_TMPDIR/in"
	mkfifo "$BATS_TEST_TMPDIR/in"
	"$CMD" "${CMD_OPTIONS[@]}" "$@" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/replies" 2>"$BATS_TEST_TMPDIR/screen" 3>&- &
	CMD_PID=$!
	end_at_teardown "$CMD_PID"
	exec 7>"$BATS_TEST_TMPDIR/in"
}

# open_cmd_on_socket [-2] WHERE [OPTION...]: start cmd with lib/run_on_socket, for one client. Sets CMD_PID, PORT.
open_cmd_on_socket() {
	local where=("$1")
	needs python3
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

# replies_are TEXT: the replies of that cmd so far are TEXT.
replies_are() {
	[ "$(cat "$BATS_TEST_TMPDIR/replies")" = "$1" ]
}

# screen_is TEXT: the screen shows TEXT, without newlines at the end.
screen_is() {
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = "$1" ]
}

# write_command NAME: write a command of cmd -d $COMMANDS from stdin, with `#!/bin/sh` before it.
write_command() {
	write_program "$1" "$COMMANDS" >/dev/null
}
