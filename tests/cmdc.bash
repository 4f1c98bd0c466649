# For the tests of cmdc: a server in small steps to ask, and cmdc with an address already on it.
#
# shellcheck shell=bash disable=SC2034,SC2154 # what helper.bash sets, and what the tests read

SERVE=$ROOT/tests/serve

# serve [-h HOST] [-p PORT] [-b BACKLOG] PATH|- STEP...: start tests/serve, and wait until it listens. Sets SERVED, what it
# prints, SERVE_PID and PORT.
serve() {
	SERVED=$BATS_TEST_TMPDIR/served
	: >"$SERVED"
	background "$SERVE" "$@" >"$SERVED"
	SERVE_PID=$BG_PID
	wait_for_line '^PORT ' "$SERVED"
	PORT=$(sed -n 's/^PORT //p' "$SERVED")
}

# cmdc ARGUMENT...: ask what serve started.
cmdc() {
	timeout "$WAIT_SECONDS" "$CMDC" -h 127.0.0.1 -p "$PORT" "$@"
}

# Wait until the server has printed a line, or all of its steps are done.
served_line() {
	wait_for_line "^$1\$" "$SERVED"
}
served_all() {
	wait_until is_gone "$SERVE_PID"
}

# session_start FILE: ask it in the background, with FILE, perhaps a named pipe, as the lines to send. What it
# prints goes to OUT and ERR, its process is BG_PID.
session_start() {
	OUT=$BATS_TEST_TMPDIR/out
	ERR=$BATS_TEST_TMPDIR/err
	# bash opens the pipe in the background, and a stdin that is not named here would be /dev/null.
	"$CMDC" -h 127.0.0.1 -p "$PORT" <"$1" >"$OUT" 2>"$ERR" 3>&- &
	BG_PID=$!
	remember "$BG_PID"
}

# session_ends_with STATUS: wait until it has ended, with this exit status.
session_ends_with() {
	local status=0
	wait_until is_gone "$BG_PID"
	wait "$BG_PID" || status=$?
	assert_equal "$status" "$1"
}
