# SPDX-License-Identifier: ISC
# Commands that are programs: cmd -d DIR.

load ../lib/client
load ../lib/superd

setup() {
	COMMANDS=$BATS_TEST_TMPDIR/parent/commands
	mkdir -p "$COMMANDS"
	chmod 755 "$BATS_TEST_TMPDIR/parent" "$COMMANDS"
	CMD_OPTIONS=(-d "$COMMANDS")
}

@test "cmd programs: lines on stdout and status 0, the reply is out lines and ok" {
	write_command list <<<'echo one; echo; echo two'
	run -0 run_cmd <<<list
	assert_output $'out<>one\nout<>\nout<>two\nok'
}

@test "cmd programs: no output, the reply is ok" {
	write_command quiet <<<'true'
	run -0 run_cmd <<<$'quiet\necho<>a'
	assert_output $'ok\nok<>a'
}

@test "cmd programs: arguments with blanks and shell characters, they arrive unchanged" {
	write_command arguments <<<'for word; do echo "[$word]"; done'
	run -0 run_cmd <<<'arguments<>a b<><>*<>$(id) `id` $HOME;id|id&<>-n<>"\<>< > <>'
	assert_output 'out<>[a b]
out<>[]
out<>[*]
out<>[$(id) `id` $HOME;id|id&]
out<>[-n]
out<>["\]
out<>[< > ]
out<>[]
ok'
}

@test "cmd programs: a name without <> has no argument, each <> adds one" {
	write_command count <<<'echo $#'
	run -0 run_cmd <<<$'count\ncount<>\ncount<><>'
	assert_output $'out<>0\nok\nout<>1\nok\nout<>2\nok'
}

@test "cmd programs: 32,000 arguments, they arrive" {
	write_command count <<<'echo $#'
	printf 'count%s\n' "$(printf '<>%.0s' {1..32000})" | {
		run -0 run_cmd
		assert_output $'out<>32000\nok'
	}
}

@test "cmd programs: output before the program ends, the client receives it at once" {
	write_command slow <<-END
		echo first
		while [ ! -e $BATS_TEST_TMPDIR/go ]; do sleep 0.05; done
		printf half
		while [ ! -e $BATS_TEST_TMPDIR/on ]; do sleep 0.05; done
		echo ' and half'
	END
	open_cmd
	echo slow >&7
	wait_until grep -qx 'out<>first' "$BATS_TEST_TMPDIR/replies"
	touch "$BATS_TEST_TMPDIR/go"
	wait_until grep -qx 'out<>half' "$BATS_TEST_TMPDIR/replies"
	touch "$BATS_TEST_TMPDIR/on"
	wait_until grep -qx ok "$BATS_TEST_TMPDIR/replies"
	close_cmd
	[ "$(cat "$BATS_TEST_TMPDIR/replies")" = $'out<>first\nout<>half and half\nok' ]
}

@test "cmd programs: a program runs, replies to earlier requests have been sent" {
	write_command slow <<-END
		while [ ! -e $BATS_TEST_TMPDIR/go ]; do sleep 0.05; done
	END
	open_cmd
	printf 'echo<>a\nslow\n' >&7
	wait_until grep -qx 'ok<>a' "$BATS_TEST_TMPDIR/replies"
	touch "$BATS_TEST_TMPDIR/go"
	wait_until grep -qx ok "$BATS_TEST_TMPDIR/replies"
	close_cmd
}

@test "cmd programs: any bytes on stdout, they arrive and a last line without LF gets one" {
	write_command bytes <<<"printf 'a\\0b\\r\\n\\377\\033[2J<>ok\\n\\nlast'"
	run_cmd <<<bytes >"$BATS_TEST_TMPDIR/replies"
	printf 'out<>a\0b\r\nout<>\377\033[2J<>ok\nout<>\nout<>last\nok\n' | cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "cmd programs: a line of 100 MB and 100 MB of lines, cmd passes them in constant memory" {
	needs python3
	write_command long <<<"head -c 100000000 /dev/zero | tr '\\0' a"
	write_command many <<<"yes abcdefghi | head -c 100000000"
	cat >"$BATS_TEST_TMPDIR/drain" <<-'END'
		import subprocess, sys
		handler = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
		def ask(request):
		    handler.stdin.write(request)
		    handler.stdin.flush()
		def peak():
		    return int(next(line for line in open("/proc/%d/status" % handler.pid) if "VmHWM" in line).split()[1])
		ask(b"echo<>a\n")
		assert handler.stdout.readline() == b"ok<>a\n"
		before = peak()
		ask(b"long\n")
		assert handler.stdout.read(100000006) == b"out<>" + b"a" * 100000000 + b"\n"
		assert handler.stdout.readline() == b"ok\n"
		ask(b"many\n")
		for i in range(10000000 // 1000):
		    assert handler.stdout.read(15 * 1000) == b"out<>abcdefghi\n" * 1000
		assert handler.stdout.readline() == b"ok\n"
		assert peak() - before < 2048, (before, peak())
	END
	run -0 timeout 120 python3 "$BATS_TEST_TMPDIR/drain" "$CMD" -d "$COMMANDS"
}

@test "cmd programs: lines on stderr, the screen shows them escaped with the program's name before each" {
	write_command warn <<<"printf 'one\\ntwo \\033[2J\\ttab \\303\\244\\n\\nlast' >&2; echo out"
	run -0 run_cmd <<<warn
	assert_output $'out<>out\nok'
	screen_is $'warn: one\nwarn: two \\x1b[2J\ttab ä\nwarn: \nwarn: last'
}

@test "cmd programs: a long line on stderr, the screen shows it in pieces without splitting a character" {
	write_command flood <<<'i=0; while [ $i -lt 5000 ]; do printf "€" >&2; i=$((i + 1)); done'
	run -0 run_cmd <<<flood
	[ "$(wc -l <"$BATS_TEST_TMPDIR/screen")" -eq 4 ]
	[ "$(sed 's/^flood: //' "$BATS_TEST_TMPDIR/screen" | tr -d '\n' | sed 's/€//g')" = '' ]
	[ "$(tr -cd '\342' <"$BATS_TEST_TMPDIR/screen" | wc -c)" -eq 5000 ]
}

# screen_lines: print the lengths of the screen's lines, in bytes, without the program's name.
screen_lines() {
	LC_ALL=C sed 's/^[a-z]*: //' "$BATS_TEST_TMPDIR/screen" | LC_ALL=C awk '{ print length($0) }' | xargs
}

@test "cmd programs: a line of exactly 4,096 bytes on stderr, the screen shows one line" {
	write_command whole <<<"head -c 4096 /dev/zero | tr '\\0' a >&2; echo >&2; echo b >&2"
	write_command last <<<"head -c 4096 /dev/zero | tr '\\0' a >&2"
	write_command late <<<"head -c 4096 /dev/zero | tr '\\0' a >&2; sleep 0.3; echo >&2; echo b >&2"
	write_command longer <<<"head -c 4097 /dev/zero | tr '\\0' a >&2; echo >&2"
	run -0 run_cmd <<<$'whole\nlast\nlate\nlonger'
	assert_equal "$(screen_lines)" '4096 1 4096 4096 1 4096 1'
}

@test "cmd programs: a character at the 4,096th byte of a line on stderr, the screen cuts before it only if it is not whole" {
	local size text
	# The character begins at byte 4096 - size and ends at byte 4096; then it begins one byte later.
	for text in ä € 🎉; do
		size=$(printf %s "$text" | wc -c)
		write_command whole <<<"head -c $((4096 - size)) /dev/zero | tr '\\0' a >&2; printf '${text}bb\n' >&2"
		write_command parted <<<"head -c $((4097 - size)) /dev/zero | tr '\\0' a >&2; printf '${text}bb\n' >&2"
		run -0 run_cmd <<<$'whole\nparted'
		assert_equal "$(screen_lines)" "4096 2 $((4097 - size)) $((size + 2))"
		[ "$(grep -c "$text" "$BATS_TEST_TMPDIR/screen")" -eq 2 ]
	done
}

@test "cmd programs: 9,000 bytes on stderr that are not text, the screen shows all of them" {
	write_command flood <<<"head -c 9000 /dev/zero | tr '\\0' '\\200' >&2"
	run -0 run_cmd <<<flood
	assert_output ok
	[ "$(sed 's/^flood: //' "$BATS_TEST_TMPDIR/screen" | tr -d '\n' | sed 's/\\x80//g')" = '' ]
	[ "$(tr -cd x <"$BATS_TEST_TMPDIR/screen" | wc -c)" -eq 9000 ]
}

@test "cmd programs: cmd starts with a closed descriptor, reading or writing fails and no file replaces it" {
	write_command quick <<<'echo quick'
	local status=0
	run_cmd <&- >"$BATS_TEST_TMPDIR/replies" || status=$?
	[ "$status" -eq 1 ]
	screen_is 'cmd: cannot read: Bad file descriptor'
	status=0
	echo quick | run_cmd >&- || status=$?
	[ "$status" -eq 1 ]
	screen_is 'cmd: cannot write: Bad file descriptor'
	echo quick | timeout "$WAIT_SECONDS" "$CMD" -d "$COMMANDS" >"$BATS_TEST_TMPDIR/replies" 2>&-
	replies_are $'out<>quick\nok'
}

@test "cmd programs: a program reads stdin, it is empty and the session's input stays with cmd" {
	write_command reader <<<'cat; wc -c'
	run -0 run_cmd <<<$'reader\necho<>a'
	assert_output $'out<>0\nok\nok<>a'
}

@test "cmd programs: the descriptors of a program, 0, 1 and 2 are open and no others" {
	needs python3
	write_command descriptors <<<'exec ls /proc/self/fd'
	cat >"$BATS_TEST_TMPDIR/one" <<-'END'
		import subprocess, sys
		print(subprocess.run(sys.argv[1:], input=b"descriptors\n", stdout=subprocess.PIPE).stdout.decode())
	END
	run -0 timeout "$WAIT_SECONDS" python3 "$BATS_TEST_TMPDIR/one" "$CMD" -d "$COMMANDS"
	# ls itself opens the folder, as 3.
	assert_output $'out<>0\nout<>1\nout<>2\nout<>3\nok'
}

@test "cmd programs: the signals of a program, all are at their defaults and none is blocked" {
	write_command signals <<<'grep -E "^Sig(Blk|Ign)" /proc/self/status'
	run -0 run_cmd <<<signals
	assert_line --index 0 --regexp '^out<>SigBlk:.0+$'
	assert_line --index 1 --regexp '^out<>SigIgn:.0+$'
}

@test "cmd programs: the environment names the client, the program has these variables" {
	write_command who <<<'echo "$TCPREMOTEIP $TCPREMOTEPORT"'
	TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=53124 run run_cmd <<<who
	assert_output $'out<>192.0.2.7 53124\nok'
}

@test "cmd programs: the environment names no client, the variables come from the socket" {
	write_command who <<<'echo "$TCPREMOTEIP<>$TCPREMOTEPORT"'
	open_cmd_on_socket tcp
	run -0 "$CLIENT" "$PORT" 'send:who\npeer\n' line line line
	assert_equal "${lines[0]#out}" "${lines[2]#ok}"
}

@test "cmd programs: an exit status, a signal and a timeout, each has its own error" {
	write_command fails <<<'exit 7'
	write_command dies <<<'kill -SEGV $$'
	write_command killed <<<'kill -KILL $$'
	write_command sleeps <<<'sleep 600'
	run -0 run_cmd -t 1 <<<$'fails\ndies\nkilled\nsleeps\necho<>after'
	assert_output $'error<>exit<>7\nerror<>signal<>11\nerror<>signal<>9\nerror<>timeout<>1\nok<>after'
}

@test "cmd programs: output before the timeout, it arrives and its last line ends with a newline" {
	write_command sleeps <<<'echo one; printf two; sleep 600'
	run -0 run_cmd -t 1 <<<sleeps
	assert_output $'out<>one\nout<>two\nerror<>timeout<>1'
}

@test "cmd programs: a file that cannot be executed, the error and the screen have the reason" {
	printf 'no program\n' >"$COMMANDS/text"
	printf '#!\n' >"$COMMANDS/empty"
	printf '\177ELF' >"$COMMANDS/binary"
	chmod 755 "$COMMANDS"/*
	run -0 run_cmd <<<$'text\nempty\nbinary\necho<>after'
	assert_output $'error<>failed<>Exec format error\nerror<>failed<>Exec format error\nerror<>failed<>Exec format error\nok<>after'
	screen_is "cmd: $COMMANDS/text: Exec format error; has it a #! line?
cmd: $COMMANDS/empty: Exec format error; has it a #! line?
cmd: $COMMANDS/binary: Exec format error; has it a #! line?"
}

@test "cmd programs: the interpreter of a script is missing, the screen names it" {
	printf '#!/nonexistent/interpreter\n' >"$COMMANDS/lost"
	printf '#! \t/bin/sh\r\necho a\n' >"$COMMANDS/windows"
	printf '#!/nonexistent/interpreter -x\n' >"$COMMANDS/option"
	chmod 755 "$COMMANDS"/*
	run -0 run_cmd <<<$'lost\nwindows\noption\necho<>after'
	assert_line --index 0 'error<>failed<>No such file or directory'
	assert_line --index 1 'error<>failed<>No such file or directory'
	assert_line --index 2 'error<>failed<>No such file or directory'
	assert_line --index 3 'ok<>after'
	screen_is "cmd: $COMMANDS/lost: its interpreter '/nonexistent/interpreter' is missing
cmd: $COMMANDS/windows: its interpreter '/bin/sh\\x0d' is missing
cmd: $COMMANDS/option: its interpreter '/nonexistent/interpreter' is missing"
}

@test "cmd programs: the interpreter of a script cannot be executed, the screen names it with the reason" {
	printf '#!%s/data\n' "$BATS_TEST_TMPDIR" >"$COMMANDS/script"
	printf '#!%s/lost\n' "$COMMANDS" >"$COMMANDS/second"
	printf '#!/nonexistent/interpreter\n' >"$COMMANDS/lost"
	chmod 755 "$COMMANDS"/*
	echo data >"$BATS_TEST_TMPDIR/data"
	run -0 run_cmd <<<$'script\nsecond'
	assert_output $'error<>failed<>Permission denied\nerror<>failed<>No such file or directory'
	screen_is "cmd: $COMMANDS/script: its interpreter '$BATS_TEST_TMPDIR/data': Permission denied
cmd: $COMMANDS/second: its interpreter '$COMMANDS/lost': No such file or directory"
}

@test "cmd programs: the dynamic loader of a program is missing, the screen shows that" {
	command -v gcc
	echo 'int main(void) { return 0; }' >"$BATS_TEST_TMPDIR/main.c"
	gcc -Wl,--dynamic-linker=/nonexistent/loader -o "$COMMANDS/moved" "$BATS_TEST_TMPDIR/main.c"
	chmod 755 "$COMMANDS/moved"
	run -0 run_cmd <<<moved
	assert_output 'error<>failed<>No such file or directory'
	screen_is "cmd: $COMMANDS/moved: No such file or directory; is its dynamic loader missing?"
}

@test "cmd programs: more arguments than exec takes, the error and the screen have the reason" {
	write_command count <<<'echo $#'
	{
		printf 'count<>'
		head -c 3000000 /dev/zero | tr '\0' a
		echo
	} | {
		run -0 run_cmd -l 4000000
		assert_output 'error<>failed<>Argument list too long'
	}
	screen_is "cmd: $COMMANDS/count: Argument list too long"
}

@test "cmd programs: /dev/null is missing, the error has the reason and the screen blames no interpreter" {
	needs root capabilities
	write_command quick <<<'echo quick'
	run -0 unshare -m sh -c 'mount --bind "$1" /dev && shift && exec "$@"' sh "$BATS_TEST_TMPDIR/parent" \
		timeout "$WAIT_SECONDS" "$CMD" -d "$COMMANDS" <<<quick
	assert_line 'error<>failed<>No such file or directory'
	assert_line "cmd: $COMMANDS/quick: cannot start it: No such file or directory"
	assert_equal "${#lines[@]}" 2
}
