# SPDX-License-Identifier: ISC
# cmdc with cmd, which superd serves.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/superd
load ../lib/client

setup() {
	COMMANDS=$BATS_TEST_TMPDIR/commands
	mkdir "$COMMANDS"
}

@test "cmdc with cmd: printf, the text appears on superd's screen and in the result" {
	start_superd -p 0 "$CMD"
	run run_cmdc printf 'hello!!'
	assert_success
	assert_output 'hello!!'
	wait_for_line '^hello!!$'
}

@test "cmdc with cmd: echo with special characters, the result is the argument" {
	start_superd -p 0 "$CMD"
	local text
	for text in 'a b' '$HOME `id`' '<' '>' 'a<>b<>' $'\ttab\x1b[31m' 'é' $'\xff' '' '-x' $'\rx'; do
		run run_cmdc echo "$text"
		assert_success
		assert_output "$text"
	done
}

@test "cmdc with cmd: an unknown command, cmdc names it and exits with status 1" {
	start_superd -p 0 "$CMD"
	run --separate-stderr run_cmdc nosuch argument
	assert_failure 1
	assert_equal "$stderr" 'cmdc: unknown: nosuch'
}

@test "cmdc with cmd: help, cmdc prints it plain" {
	start_superd -p 0 "$CMD"
	run run_cmdc help
	assert_success
	assert_line --regexp '^echo<>TEXT  +[a-z]'
}

@test "cmdc with cmd: 200,000 requests at once, the replies arrive in order" {
	start_superd -p 0 "$CMD"
	seq 200000 >"$BATS_TEST_TMPDIR/numbers"
	sed 's/^/echo<>/' "$BATS_TEST_TMPDIR/numbers" | run_cmdc >"$BATS_TEST_TMPDIR/out"
	sed 's/^/ok<>/' "$BATS_TEST_TMPDIR/numbers" | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "cmdc with cmd: 200,000 lines after exit, no reply before exit is lost" {
	start_superd -p 0 "$CMD"
	{
		seq 20000 | sed 's/^/echo<>/'
		echo exit
		yes 'echo<>behind' | head -n 200000
	} | run_cmdc >"$BATS_TEST_TMPDIR/out"
	seq 20000 | sed 's/^/ok<>/; $a ok<>bye' | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "cmdc with cmd: a program exits with status 2, cmdc prints the number and exits with status 1" {
	write_command disk <<-'END'
		echo "$1: 97%"
		exit 2
	END
	start_superd -p 0 "$CMD" -d "$COMMANDS"
	run --separate-stderr run_cmdc disk /var
	assert_failure 1
	assert_output '/var: 97%'
	assert_equal "$stderr" 'cmdc: exit: 2'
}

@test "cmdc with cmd: a last argument that holds <> for a program, it arrives as several arguments" {
	write_command count <<-'END'
		echo "$#"
	END
	start_superd -p 0 "$CMD" -d "$COMMANDS"
	run run_cmdc count 'a<>b'
	assert_output 2
}

@test "cmdc with cmd: a program's output of 3 MB of any bytes, it arrives complete" {
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
	echo >>"$BATS_TEST_TMPDIR/bytes"
	write_command bytes <<-END
		exec cat '$BATS_TEST_TMPDIR/bytes'
	END
	start_superd -p 0 "$CMD" -d "$COMMANDS"
	run_cmdc bytes | cmp - "$BATS_TEST_TMPDIR/bytes"
}

@test "cmdc with cmd: a program has not ended, cmdc prints its first line" {
	write_command wait <<-END
		echo first
		until [ -e '$BATS_TEST_TMPDIR/go' ]; do sleep 0.1; done
		echo last
	END
	start_superd -p 0 "$CMD" -d "$COMMANDS"
	start_background "$CMDC" -h 127.0.0.1 -p "$PORT" wait >"$BATS_TEST_TMPDIR/out"
	wait_for_line '^first$' "$BATS_TEST_TMPDIR/out"
	: >"$BATS_TEST_TMPDIR/go"
	wait "$BG_PID"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/out")" "$(printf 'first\nlast')"
}

@test "cmdc with cmd: a UNIX-domain socket, cmdc gets the reply" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" "$CMD"
	run timeout "$WAIT_SECONDS" "$CMDC" -h "$BATS_TEST_TMPDIR/socket" peer
	assert_success
	assert_output -- -
}

@test "cmdc with cmd: the idle time of a session expires, cmdc prints the error and exits with status 3" {
	start_superd -p 0 "$CMD" -i 1
	mkfifo "$BATS_TEST_TMPDIR/in"
	start_cmdc "$BATS_TEST_TMPDIR/in"
	exec 4>"$BATS_TEST_TMPDIR/in"
	assert_cmdc_ends 3
	exec 4>&-
	assert_equal "$(cat "$OUT")" 'error<>idle<>1'
	assert_equal "$(cat "$ERR")" "cmdc: 127.0.0.1 port $PORT: the server closed the connection"
}

@test "cmdc with cmd: superd refuses the client, cmdc exits with status 3" {
	start_superd -p 0 -o only_from=192.0.2.1 "$CMD"
	run --separate-stderr run_cmdc time
	assert_failure 3
	assert_output ''
}

@test "cmdc with cmd: a shell script, the exit status distinguishes a failed command from a missing server" {
	write_command disk <<-'END'
		[ "$1" = /var ]
	END
	start_superd -p 0 "$CMD" -d "$COMMANDS"
	cat >"$BATS_TEST_TMPDIR/script" <<-'END'
		if "$CMDC" -h 127.0.0.1 -p "$1" disk "$2" 2>/dev/null; then
			echo room
		elif [ $? -eq 1 ]; then
			echo full
		else
			echo silent
		fi
	END
	export CMDC
	assert_equal "$(sh "$BATS_TEST_TMPDIR/script" "$PORT" /var)" room
	assert_equal "$(sh "$BATS_TEST_TMPDIR/script" "$PORT" /home)" full
	assert_equal "$(sh "$BATS_TEST_TMPDIR/script" 1 /var)" silent
}
