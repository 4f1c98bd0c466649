# For the tests of cmdc: a server in small steps to ask, and cmdc with an address already on it.
#
# shellcheck shell=bash disable=SC2034,SC2154 # what helper.bash sets, and what the tests read

SERVE=$ROOT/tests/serve

# serve [-6] [-b BACKLOG] PATH|- STEP...: start tests/serve, and wait until it listens. Sets SERVED, what it
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
