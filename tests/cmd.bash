# Shared by the tests of cmd: `load helper`, then `load cmd`.
#
# A session of cmd in its three forms: all input at once, input by and by through descriptor 7, and behind
# a socket. The screen is always the file `screen`. OPTIONS comes before what the call itself says.
#
# shellcheck disable=SC2034 # the test files read what is set here

OPTIONS=()

# serve [OPTION]...: serve stdin, replies to stdout.
serve() {
	timeout "$WAIT_SECONDS" "$CMD" "${OPTIONS[@]}" "$@" 2>"$BATS_TEST_TMPDIR/screen"
}

# screen_is TEXT: what the screen shows, but for line feeds at its end.
screen_is() {
	[ "$(cat "$BATS_TEST_TMPDIR/screen")" = "$1" ]
}

# open_session [OPTION]...: a session that is fed through descriptor 7 and answers into the file `replies`.
open_session() {
	rm -f "$BATS_TEST_TMPDIR/in"
	mkfifo "$BATS_TEST_TMPDIR/in"
	"$CMD" "${OPTIONS[@]}" "$@" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/replies" 2>"$BATS_TEST_TMPDIR/screen" 3>&- &
	SESSION=$!
	remember "$SESSION"
	exec 7>"$BATS_TEST_TMPDIR/in"
}

# replies_are TEXT: what such a session has answered so far.
replies_are() {
	[ "$(cat "$BATS_TEST_TMPDIR/replies")" = "$1" ]
}

# attach_session [-2] WHERE [OPTION]...: a session behind a socket, as tests/attach has it; PORT is where to talk
# to it.
attach_session() {
	local where=("$1")
	shift
	if [ "${where[0]}" = -2 ]; then
		where+=("$1")
		shift
	fi
	"$ROOT/tests/attach" "${where[@]}" "$CMD" "${OPTIONS[@]}" "$@" >"$BATS_TEST_TMPDIR/attached" \
		2>"$BATS_TEST_TMPDIR/screen" 3>&- &
	SESSION=$!
	remember "$SESSION"
	wait_for_line '^PORT ' "$BATS_TEST_TMPDIR/attached"
	PORT=$(sed -n 's/^PORT //p' "$BATS_TEST_TMPDIR/attached")
}

# Wait for the session's end, whose status this returns.
session_wait() {
	wait_until is_gone "$SESSION" || return 99
	wait "$SESSION"
}

# End the input of an open session, and wait for its end.
close_session() {
	exec 7>&-
	session_wait
}
