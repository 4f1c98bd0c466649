# SPDX-License-Identifier: ISC
# A screen that nobody reads: a full pipe, a stopped terminal, a system log. Lines are lost and counted, sessions continue.

load ../lib/client
load ../lib/fault

setup() {
	COMMANDS=$BATS_TEST_TMPDIR/parent/commands
	mkdir -p "$COMMANDS"
	chmod 755 "$BATS_TEST_TMPDIR/parent" "$COMMANDS"
	mkfifo "$BATS_TEST_TMPDIR/screen"
	exec 8<>"$BATS_TEST_TMPDIR/screen"
}

teardown() {
	exec 8>&-
	end_processes
}

# fill_screen: write to the pipe until it is full; every line is `filled`, so that the pipe's last byte is an LF.
fill_screen() {
	python3 -c '
import os
os.set_blocking(8, False)
try:
    while True: os.write(8, b"filled.\n" * 512)
except BlockingIOError:
    pass
os.set_blocking(8, True)' 8<>"$BATS_TEST_TMPDIR/screen"
}

# read_screen: from now on the pipe is read into the file `shown`.
read_screen() {
	start_background sed -u '/^filled\.$/d' "$BATS_TEST_TMPDIR/screen" >"$BATS_TEST_TMPDIR/shown" 7>&-
}

# shown_is TEXT: what was read of it so far.
shown_is() {
	[ "$(cat "$BATS_TEST_TMPDIR/shown")" = "$1" ]
}

# run_at_screen [OPTION...]: cmd on stdin and stdout, with the pipe as its screen.
run_at_screen() {
	timeout "$WAIT_SECONDS" "$CMD" "$@" 2>&8
}

# open_at_screen [OPTION...]: the same in the background; it reads descriptor 7, and writes the file `replies`. Sets CMD_PID.
open_at_screen() {
	mkfifo "$BATS_TEST_TMPDIR/in"
	"$CMD" "$@" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/replies" 2>&8 3>&- &
	CMD_PID=$!
	end_at_teardown "$CMD_PID"
	exec 7>"$BATS_TEST_TMPDIR/in"
}

@test "cmd screen: a pipe that nobody reads, a session with 1,000 lines ends after all its replies" {
	needs python3
	fill_screen
	seq -f 'printf<>%.0f' 1000 | timeout "$WAIT_SECONDS" "$CMD" >"$BATS_TEST_TMPDIR/replies" 2>&8
	seq -f 'ok<>%.0f' 1000 | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "cmd screen: a pipe with some room that nobody reads, eight sessions end" {
	local i pids=()
	for i in 1 2 3 4 5 6 7 8; do
		seq -f 'printf<>a line of some length, so that the pipe is soon full %.0f' 5000 |
			timeout "$WAIT_SECONDS" "$CMD" >"$BATS_TEST_TMPDIR/replies.$i" 2>&8 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	for i in 1 2 3 4 5 6 7 8; do
		[ "$(wc -l <"$BATS_TEST_TMPDIR/replies.$i")" -eq 5000 ]
	done
}

@test "cmd screen: the pipe is read again, the screen shows how many lines were lost and the next line" {
	needs python3
	fill_screen
	open_at_screen
	printf 'printf<>one\nprintf<>two\nprintf<>three\n' >&7
	wait_until replies_are $'ok<>one\nok<>two\nok<>three'
	read_screen
	wait_until shown_is ''
	echo 'printf<>four' >&7
	wait_until shown_is $'cmd: 3 screen lines lost\nfour'
	echo 'printf<>five' >&7
	close_cmd
	wait_until shown_is $'cmd: 3 screen lines lost\nfour\nfive'
}

@test "cmd screen: the pipe is read again, the end of the session shows how many lines were lost" {
	needs python3
	fill_screen
	open_at_screen
	printf 'printf<>one\nprintf<>two\n' >&7
	wait_until replies_are $'ok<>one\nok<>two'
	read_screen
	wait_until test -e "$BATS_TEST_TMPDIR/shown"
	sleep 0.5
	close_cmd
	wait_until shown_is 'cmd: 2 screen lines lost'
}

@test "cmd screen: the pipe has room for a part of a line, the next line begins a new line" {
	local line
	line=$(head -c 60000 /dev/zero | tr '\0' a)
	open_at_screen
	printf 'printf<>%s\nprintf<>%s\n' "$line" "$line" >&7
	printf 'ok<>%s\n' "$line" "$line" >"$BATS_TEST_TMPDIR/expected"
	wait_until cmp "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/replies"
	read_screen
	wait_until grep -q aaa "$BATS_TEST_TMPDIR/shown"
	echo 'printf<>next' >&7
	close_cmd
	wait_until grep -qx next "$BATS_TEST_TMPDIR/shown"
	assert_equal "$(grep -v a "$BATS_TEST_TMPDIR/shown")" $'cmd: 1 screen lines lost\nnext'
	assert_equal "$(grep -c '^a*$' "$BATS_TEST_TMPDIR/shown")" 2
}

@test "cmd screen: a reader that is slow for a moment, no line is lost" {
	needs python3
	fill_screen
	open_at_screen
	echo 'printf<>one' >&7
	sleep 0.3
	read_screen
	wait_until shown_is one
	close_cmd
}

@test "cmd -t: a program writes to a screen that nobody reads, the time limit ends it" {
	needs python3
	write_command noisy <<<'exec yes >&2'
	fill_screen
	run -0 run_at_screen -t 2 -d "$COMMANDS" <<<$'noisy\necho<>after'
	assert_output $'error<>timeout<>2\nok<>after'
}

@test "cmd -t: a program writes lines to the screen without end, the time limit ends it" {
	write_command noisy <<<'exec yes >&2'
	read_screen
	run -0 run_at_screen -t 2 -d "$COMMANDS" <<<$'noisy\necho<>after'
	assert_output $'error<>timeout<>2\nok<>after'
}

@test "cmd -i: the client's lines go to a screen that nobody reads, the idle time ends the session" {
	needs python3
	fill_screen
	open_at_screen -i 1
	printf 'printf<>a\nprintf<>b\n' >&7
	wait_cmd
	replies_are $'ok<>a\nok<>b\nerror<>idle<>1'
	exec 7>&-
}

@test "cmd clients: the client leaves while the screen is not read, the program ends and the session too" {
	needs python3
	write_command noisy <<-END
		echo \$\$ >$BATS_TEST_TMPDIR/leader
		exec yes >&2
	END
	fill_screen
	"$LIB/run_on_socket" tcp "$CMD" -t 0 -d "$COMMANDS" >"$BATS_TEST_TMPDIR/run_on_socket" 2>&8 3>&- &
	CMD_PID=$!
	end_at_teardown "$CMD_PID"
	wait_for_line '^PORT ' "$BATS_TEST_TMPDIR/run_on_socket"
	PORT=$(sed -n 's/^PORT //p' "$BATS_TEST_TMPDIR/run_on_socket")
	run -0 "$CLIENT" "$PORT" 'send:noisy\n' "file:$BATS_TEST_TMPDIR/leader" reset
	local status=0
	wait_cmd || status=$?
	[ "$status" -eq 1 ]
	wait_until is_gone "$(cat "$BATS_TEST_TMPDIR/leader")"
}

@test "cmd screen: a terminal that the operator has stopped, the session ends after all its replies" {
	needs python3
	cat >"$BATS_TEST_TMPDIR/stopped" <<-'END'
		import os, pty, subprocess, sys, termios
		master, slave = pty.openpty()
		termios.tcflow(slave, termios.TCOOFF)
		requests = b"".join(b"printf<>%d\n" % i for i in range(100))
		done = subprocess.run(sys.argv[1:], input=requests, stdout=subprocess.PIPE, stderr=slave)
		assert done.stdout == b"".join(b"ok<>%d\n" % i for i in range(100)), done.stdout
	END
	run -0 timeout "$WAIT_SECONDS" python3 "$BATS_TEST_TMPDIR/stopped" "$CMD"
}

@test "cmd screen: a system log that nobody reads, the session ends after all its replies" {
	needs root capabilities
	local i
	start_private_syslog "$BATS_TEST_TMPDIR/never"
	"$LIB/run_on_socket" -2 tcp "${SUPERD_PREFIX[@]}" "$CMD" >"$BATS_TEST_TMPDIR/run_on_socket" 3>&- &
	CMD_PID=$!
	end_at_teardown "$CMD_PID"
	wait_for_line '^PORT ' "$BATS_TEST_TMPDIR/run_on_socket"
	PORT=$(sed -n 's/^PORT //p' "$BATS_TEST_TMPDIR/run_on_socket")
	seq -f 'printf<>%.0f' 1000 | ask "$PORT" >"$BATS_TEST_TMPDIR/replies"
	seq -f 'ok<>%.0f' 1000 | cmp - "$BATS_TEST_TMPDIR/replies"
}
