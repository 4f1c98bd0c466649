# SPDX-License-Identifier: ISC
# What a program gets from superd: descriptors, session, signals, directory, limits, arguments. The programs are shell scripts
# that print these.

load ../lib/superd
load ../lib/client

# Print every open descriptor and what it is; this opens no other.
DESCRIPTORS='n=0; while [ $n -lt 256 ]; do
	if [ -e /proc/$$/fd/$n ]; then echo "$n $(readlink /proc/$$/fd/$n)"; fi
	n=$((n + 1))
done'

# printed_by ARGUMENT...: start superd with the arguments, and print what its program prints.
printed_by() {
	start_superd -p 0 "$@" || return
	ask "$PORT" </dev/null
}

@test "descriptors: a service from the command line, 0 and 1 are the connection, 2 is superd's stderr, nothing else is open" {
	needs nc pgrep python3 ss
	run printed_by sh -c "$DESCRIPTORS"
	assert_line --index 0 --regexp '^0 socket:'
	[ "${lines[1]}" = "1 ${lines[0]#0 }" ]
	assert_line --index 2 "2 $BATS_TEST_TMPDIR/log"
	[ "${#lines[@]}" -eq 3 ]
}

@test "stderr: client, descriptor 2 is the connection" {
	needs nc pgrep python3 ss
	run printed_by -o stderr=client sh -c "$DESCRIPTORS; echo to the client >&2"
	[ "${lines[2]}" = "2 ${lines[0]#0 }" ]
	assert_line 'to the client'
	[ "${#lines[@]}" -eq 4 ]
}

@test "stderr: log, the program's lines are in superd's log" {
	needs nc pgrep python3 ss
	run printed_by sh -c 'echo from the program >&2'
	assert_output ''
	wait_for_line '^from the program$'
}

@test "descriptors: superd was started with others, the program does not have them" {
	needs nc pgrep python3 ss
	exec 7</dev/null 8>"$BATS_TEST_TMPDIR/eight"
	run printed_by sh -c "$DESCRIPTORS"
	exec 7<&- 8>&-
	[ "${#lines[@]}" -eq 3 ]
}

@test "descriptors: two clients at the same time, the second program does not have the first connection" {
	start_superd -p 0 sh -c "$DESCRIPTORS; read -r line"
	start_background "$CLIENT" "$PORT" line hold >"$BATS_TEST_TMPDIR/first"
	wait_for_line holding "$BATS_TEST_TMPDIR/first"
	run ask "$PORT" </dev/null
	[ "${#lines[@]}" -eq 3 ]
	[ "${lines[0]}" != "$(head -n 1 "$BATS_TEST_TMPDIR/first")" ]
}

@test "descriptors: 0 and 1, they block" {
	needs nc pgrep python3 ss
	run printed_by sh -c 'for n in 0 1; do
		flags=$(sed -n "s/^flags:[[:space:]]*//p" /proc/$$/fdinfo/$n)
		echo $((flags & 04000)) # O_NONBLOCK
	done'
	assert_output $'0\n0'
}

# print_group: print the fields of /proc/PID/stat of a program: 1 the pid, 5 its group, 6 its session, 7 its terminal.
print_group='cut -d " " -f 1,5,6,7 /proc/$$/stat'

@test "process group: superd has no terminal, the program leads its own group in superd's session" {
	SUPERD_PREFIX=(setsid)
	start_superd -p 0 sh -c "$print_group"
	run ask "$PORT" </dev/null
	read -r pid group session terminal <<<"$output"
	[ -n "$pid" ]
	[ "$group" = "$pid" ]
	[ "$session" = "$SUPERD_PID" ]
	[ "$terminal" = 0 ]
}

@test "process group: superd has a terminal, the program leads its own session, also after an upgrade" {
	needs pgrep
	start_background script -qefc "exec '$SUPERD' -P '$BATS_TEST_TMPDIR/pid' -b '$BATS_TEST_TMPDIR/socket' sh -c '$print_group'" \
		"$BATS_TEST_TMPDIR/log" </dev/null >/dev/null
	wait_for_line listening
	for time in 1 2; do
		run ask "$BATS_TEST_TMPDIR/socket" </dev/null
		read -r pid group session terminal <<<"$output"
		[ -n "$pid" ]
		[ "$group $session $terminal" = "$pid $pid 0" ]
		((time == 2)) || kill -USR2 "$(cat "$BATS_TEST_TMPDIR/pid")"
		wait_for_line 'upgraded in place'
	done
}

@test "parent: the program, it is superd's child" {
	start_superd -p 0 sh -c 'cut -d " " -f 4 /proc/$$/stat'
	run ask "$PORT" </dev/null
	assert_output "$SUPERD_PID"
}

@test "signals: superd was started with signals ignored and blocked, the program has the defaults" {
	needs nc pgrep python3 ss
	SUPERD_PREFIX=(python3 -c '
import os, signal, sys
for n in (signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
    signal.signal(n, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM})
os.execv(sys.argv[1], sys.argv[1:])')
	# Without a shell, which would clear the mask.
	run printed_by grep -E '^Sig(Ign|Blk)' /proc/self/status
	assert_output $'SigBlk:\t0000000000000000\nSigIgn:\t'"$DEFAULT_IGNORED"
}

@test "signals: superd was started with signals ignored and blocked, it reaps programs and stops" {
	SUPERD_PREFIX=(python3 -c '
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
os.execv(sys.argv[1], sys.argv[1:])')
	start_superd -p 0 sh -c 'exit 3'
	ask "$PORT" </dev/null
	wait_for_line '^superd: EXIT: sh status=3 '
	stop_superd
}

@test "directory: not set on the command line, the program starts where superd was started" {
	needs nc pgrep python3 ss
	cd "$BATS_TEST_TMPDIR"
	run printed_by pwd
	assert_output "$(pwd -P)"
}

@test "directory: a path, the program starts there" {
	needs nc pgrep python3 ss
	run printed_by -o directory=/usr pwd
	assert_output /usr
}

@test "program: a relative path and directory, the path starts where superd was started" {
	needs nc pgrep python3 ss
	printf '#!/bin/sh\necho here; pwd\n' >"$BATS_TEST_TMPDIR/program"
	chmod +x "$BATS_TEST_TMPDIR/program"
	cd "$BATS_TEST_TMPDIR"
	run printed_by -o directory=/usr ./program
	assert_output $'here\n/usr'
}

@test "umask: superd's is 0, the program's is 022" {
	needs nc pgrep python3 ss
	umask 0
	run printed_by sh -c umask
	assert_output 0022
}

@test "umask: superd's is 077, the program's is 077" {
	needs nc pgrep python3 ss
	umask 077
	run printed_by sh -c umask
	assert_output 0077
}

@test "umask: a value, the program has it" {
	needs nc pgrep python3 ss
	run printed_by -o umask=027 sh -c umask
	assert_output 0027
}

@test "nice: 5, the program has it (Linux)" {
	needs nc pgrep python3 ss
	run printed_by -o nice=5 nice
	assert_output $(($(nice) + 5))
}

@test "nice: -3 and -u, superd sets it before it changes the user (Linux)" {
	needs root capabilities
	run printed_by -u nobody -o nice=-3 nice
	assert_output -- $(($(nice) - 3))
}

@test "rlimit_files: a number, it is the soft and the hard limit" {
	needs nc pgrep python3 ss
	run printed_by -o rlimit_files=33 sh -c 'ulimit -Sn; ulimit -Hn'
	assert_output $'33\n33'
}

@test "rlimit_cpu: a number, it is in seconds" {
	needs nc pgrep python3 ss
	run printed_by -o rlimit_cpu=7 sh -c 'ulimit -St; ulimit -Ht'
	assert_output $'7\n7'
}

@test "rlimit_as, _data, _rss, _stack: bytes, K and M, the program has these limits" {
	needs nc pgrep python3 ss
	run printed_by -o rlimit_as=512M -o rlimit_data=204800K -o rlimit_rss=104857600 -o rlimit_stack=4M \
		bash -c 'ulimit -Sv; ulimit -Hv; ulimit -Sd; ulimit -Sm; ulimit -Ss'
	assert_output $'524288\n524288\n204800\n102400\n4096'
}

@test "rlimit_stack: UNLIMITED, the soft limit is raised" {
	needs nc pgrep python3 ss
	SUPERD_PREFIX=(prlimit --stack=8388608:unlimited)
	run printed_by -o rlimit_stack=UNLIMITED sh -c 'ulimit -Ss'
	assert_output unlimited
}

@test "arguments: a program with a path, argv[0] is its last component" {
	needs nc pgrep python3 ss
	run printed_by /bin/sh -c 'tr "\0" "|" </proc/$$/cmdline'
	assert_output --regexp '^sh\|-c\|'
}

@test "arguments: blanks, special characters and empty strings, they arrive unchanged" {
	needs nc pgrep python3 ss
	run printed_by printf '[%s]\n' 'a b' '' '*' $'tab\there' '$HOME'
	assert_output $'[a b]\n[]\n[*]\n[tab\there]\n[$HOME]'
}

@test "program: a name without a slash, superd looks it up in PATH at start only" {
	mkdir "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
	printf '#!/bin/sh\necho one\n' >"$BATS_TEST_TMPDIR/one/program"
	printf '#!/bin/sh\necho two\n' >"$BATS_TEST_TMPDIR/two/program"
	chmod +x "$BATS_TEST_TMPDIR/two/program"
	SUPERD_PREFIX=(env "PATH=$BATS_TEST_TMPDIR/one:$BATS_TEST_TMPDIR/two:$PATH")
	start_superd -p 0 program
	chmod +x "$BATS_TEST_TMPDIR/one/program"
	run ask "$PORT" </dev/null
	assert_output two
}

@test "program: the file is missing for a moment, superd logs the reason and serves again when it is back" {
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	start_superd -p 0 "$BATS_TEST_TMPDIR/program"
	mv "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/elsewhere"
	run "$CLIENT" "$PORT" all
	assert_success
	wait_for_line 'program.*No such file or directory'
	mv "$BATS_TEST_TMPDIR/elsewhere" "$BATS_TEST_TMPDIR/program"
	run ask "$PORT" <<<'back again'
	assert_output 'back again'
}

@test "program: a script without a #! line, superd does not run it and logs the reason" {
	echo 'echo hello' >"$BATS_TEST_TMPDIR/script"
	chmod +x "$BATS_TEST_TMPDIR/script"
	start_superd -p 0 "$BATS_TEST_TMPDIR/script"
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line '^superd: script: exec .*script: Exec format error; has it a #! line?$'
}

@test "program: its interpreter is missing, superd names it" {
	printf '#!/bin/bash\r\necho hello\r\n' >"$BATS_TEST_TMPDIR/script"
	printf '#! /no/such/interpreter -x\n' >"$BATS_TEST_TMPDIR/other"
	chmod +x "$BATS_TEST_TMPDIR"/{script,other}
	start_superd -p 0 "$BATS_TEST_TMPDIR/script"
	"$CLIENT" "$PORT" all
	wait_for_line "script: its interpreter '/bin/bash.x0d' is missing$"
	stop_superd
	start_superd -p 0 "$BATS_TEST_TMPDIR/other"
	"$CLIENT" "$PORT" all
	wait_for_line "other: its interpreter '/no/such/interpreter' is missing$"
	stop_superd
	cp /bin/true "$BATS_TEST_TMPDIR/binary"
	sed -i 's|/ld-linux|/no-linux|' "$BATS_TEST_TMPDIR/binary"
	start_superd -p 0 "$BATS_TEST_TMPDIR/binary"
	"$CLIENT" "$PORT" all
	wait_for_line 'binary: No such file or directory'
}

@test "signals: superd starts with 32, 33 and 40 ignored, as GNU make's children do, and a program has none ignored (Linux)" {
	# By the system call: libc does not let anybody ignore the first two.
	SUPERD_PREFIX=(python3 -c 'import ctypes, os, sys
nr = {"x86_64": 13, "aarch64": 134}[os.uname().machine]
for number in 32, 33, 40:
    ctypes.CDLL(None).syscall(nr, number, (ctypes.c_uint64 * 8)(1), None, 8)
os.execvp(sys.argv[1], sys.argv[1:])')
	start_superd -p 0 grep SigIgn /proc/self/status
	run ask "$PORT" </dev/null
	assert_output $'SigIgn:\t'"$DEFAULT_IGNORED"
}
