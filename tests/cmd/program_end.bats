# SPDX-License-Identifier: ISC
# How a command that is a program ends: by itself, by the time limit, with its client, with cmd; and what is left of it.

load ../lib/client
load ../lib/superd

setup() {
	COMMANDS=$BATS_TEST_TMPDIR/parent/commands
	mkdir -p "$COMMANDS"
	chmod 755 "$BATS_TEST_TMPDIR/parent" "$COMMANDS"
	CMD_OPTIONS=(-d "$COMMANDS")
}

# sleeper: write a command that sleeps together with its child, and writes both process ids into files.
sleeper() {
	write_command sleeper <<-END
		sleep 600 &
		echo \$! >$BATS_TEST_TMPDIR/child
		echo \$\$ >$BATS_TEST_TMPDIR/leader
		wait
	END
}
sleeper_runs() {
	[ -s "$BATS_TEST_TMPDIR/leader" ] && kill -0 "$(cat "$BATS_TEST_TMPDIR/leader")" "$(cat "$BATS_TEST_TMPDIR/child")"
}

# has_ended PID: that process has ended, even if its parent has not reaped it yet.
has_ended() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status"
}
sleeper_has_ended() {
	has_ended "$(cat "$BATS_TEST_TMPDIR/leader")" && has_ended "$(cat "$BATS_TEST_TMPDIR/child")"
}

@test "cmd -t: the program has children, the whole process group ends" {
	sleeper
	run -0 run_cmd -t 1 <<<sleeper
	assert_output 'error<>timeout<>1'
	wait_until sleeper_has_ended
}

@test "cmd -t: the program ignores signals and closes its output, it ends" {
	write_command stubborn <<<'trap "" HUP INT TERM; exec >&- 2>&-; while :; do sleep 600; done'
	run -0 run_cmd -t 1 <<<stubborn
	assert_output 'error<>timeout<>1'
}

@test "cmd -t: the client does not read, the program ends" {
	write_command endless <<-END
		echo \$\$ >$BATS_TEST_TMPDIR/leader
		echo \$\$ >$BATS_TEST_TMPDIR/child
		exec yes
	END
	open_cmd_on_socket tcp -t 1
	start_background "$CLIENT" "$PORT" 'send:endless\n' hold
	wait_until test -s "$BATS_TEST_TMPDIR/child"
	wait_until sleeper_has_ended
}

@test "cmd -t: 0 seconds, there is no limit" {
	write_command sleeps <<<'sleep 2; echo done'
	run -0 run_cmd -t 0 <<<sleeps
	assert_output $'out<>done\nok'
}

@test "cmd programs: a program closes its output, cmd waits for its exit" {
	write_command silent <<<'exec >&- 2>&-; sleep 1; exit 3'
	run -0 run_cmd <<<silent
	assert_output 'error<>exit<>3'
}

@test "cmd programs: a program leaves a background process in its group, the reply is complete and that process ends" {
	write_command leaves <<-END
		sleep 600 &
		echo \$! >$BATS_TEST_TMPDIR/child
		echo left
	END
	run -0 run_cmd <<<leaves
	assert_output $'out<>left\nok'
	wait_until has_ended "$(cat "$BATS_TEST_TMPDIR/child")"
}

@test "cmd programs: a daemon in its own session keeps the output open, it survives and the session continues" {
	local daemon
	write_command daemon <<-END
		setsid sh -c 'echo \$\$ >$BATS_TEST_TMPDIR/child; exec sleep 600' &
		while [ ! -s $BATS_TEST_TMPDIR/child ]; do sleep 0.05; done
		echo started
	END
	run -0 run_cmd <<<$'daemon\necho<>after'
	assert_output $'out<>started\nok\nok<>after'
	daemon=$(cat "$BATS_TEST_TMPDIR/child")
	run has_ended "$daemon"
	kill "$daemon"
	assert_failure
}

@test "cmd programs: the client resets the connection, the program and its children end" {
	sleeper
	open_cmd_on_socket tcp -t 0
	start_background "$CLIENT" "$PORT" 'send:sleeper\n' "file:$BATS_TEST_TMPDIR/leader" reset
	wait_until test -s "$BATS_TEST_TMPDIR/leader"
	wait_until sleeper_has_ended
	local status=0
	wait_cmd || status=$?
	[ "$status" -eq 1 ]
	screen_is ''
}

@test "cmd programs: the client closes the pipe while the program writes, the session ends with status 1" {
	write_command endless <<<'exec yes'
	local status=0
	{ echo endless; start_background sleep 600; wait "$BG_PID"; } |
		{ run_cmd -t 0 || echo $? >"$BATS_TEST_TMPDIR/status"; } | head -n 1 >"$BATS_TEST_TMPDIR/replies" &
	wait_until test -s "$BATS_TEST_TMPDIR/status"
	[ "$(cat "$BATS_TEST_TMPDIR/status")" -eq 1 ]
	screen_is ''
}

@test "cmd programs: the reader of stdout closes while the program is silent, the program ends" {
	sleeper
	mkfifo "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
	"$CMD" -t 0 -d "$COMMANDS" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
	end_at_teardown $!
	exec 7>"$BATS_TEST_TMPDIR/in" 8<"$BATS_TEST_TMPDIR/out"
	echo sleeper >&7
	wait_until sleeper_runs
	exec 8<&-
	wait_until sleeper_has_ended
	exec 7>&-
}

@test "cmd programs: the client only ends its sending side, it gets the whole reply" {
	write_command slow <<<'sleep 1; echo done'
	open_cmd_on_socket tcp
	run -0 "$CLIENT" "$PORT" 'send:slow\n' shut all
	assert_output $'out<>done\nok'
}

@test "cmd programs: a signal ends cmd, the program ends too" {
	local signal
	sleeper
	for signal in TERM HUP XCPU; do
		rm -f "$BATS_TEST_TMPDIR/leader" "$BATS_TEST_TMPDIR/child"
		open_cmd
		echo sleeper >&7
		wait_until sleeper_runs
		kill -"$signal" "$CMD_PID"
		local status=0
		wait_cmd || status=$?
		[ "$status" -eq $((128 + $(kill -l "$signal"))) ]
		wait_until sleeper_has_ended
		exec 7>&-
	done
}

@test "cmd programs: cmd reaches the limit of its processor time, the program ends too" {
	# Each yes uses little processor time, cmd uses much.
	write_command busy <<-END
		sleep 600 &
		echo \$! >$BATS_TEST_TMPDIR/child
		echo \$\$ >$BATS_TEST_TMPDIR/leader
		while :; do yes | head -c 20000000; done
	END
	start_superd -p 0 -o rlimit_cpu=2 "$CMD" -t 0 -d "$COMMANDS"
	WAIT_SECONDS=60 ask "$PORT" <<<busy >/dev/null
	wait_until sleeper_has_ended || {
		kill -KILL -- "-$(cat "$BATS_TEST_TMPDIR/leader")"
		false
	}
	wait_for_line 'EXIT: cmd signal=24'
}

@test "cmd programs: the limit of the processor time, a program has it as cmd was given it" {
	write_command limit <<<'prlimit --noheadings -o SOFT,HARD --cpu'
	run -0 prlimit --cpu=7:7 timeout "$WAIT_SECONDS" "$CMD" -d "$COMMANDS" <<<limit
	assert_line --index 0 --regexp '^out<> *7 +7 *$'
	run -0 prlimit --cpu=5:9 timeout "$WAIT_SECONDS" "$CMD" -d "$COMMANDS" <<<limit
	assert_line --index 0 --regexp '^out<> *5 +9 *$'
}

all_served() {
	[ "$(grep -cx ok "$BATS_TEST_TMPDIR/replies")" -eq "$1" ]
}
count_descriptors() {
	find "/proc/$1/fd" -type l | wc -l
}

@test "cmd programs: 1,000 requests, no process and no descriptor is left" {
	local before
	write_command quick <<<'echo quick'
	open_cmd
	echo quick >&7
	wait_until all_served 1
	before=$(count_descriptors "$CMD_PID")
	yes quick | head -n 1000 >&7
	wait_until all_served 1001
	[ "$(count_descriptors "$CMD_PID")" -eq "$before" ]
	[ -z "$(pgrep -P "$CMD_PID")" ]
	close_cmd
}

@test "cmd programs: fork fails, cmd replies with the error and continues the session" {
	needs strace
	write_command quick <<<'echo quick'
	disable_leak_check
	local forks=clone,clone3,fork,vfork
	run timeout "$WAIT_SECONDS" strace -o /dev/null -e trace="$forks" -e inject="$forks:error=EAGAIN" \
		"$CMD" "${CMD_OPTIONS[@]}" <<<$'quick\necho<>still here'
	assert_output $'error<>failed<>Resource temporarily unavailable\nok<>still here'
}

@test "cmd -t: exec hangs, the time limit ends it, and the session continues" {
	needs python3 strace
	write_command quick <<<'echo quick'
	disable_leak_check
	run --separate-stderr timeout "$WAIT_SECONDS" \
		strace -f -o /dev/null -e trace=execve -e inject=execve:delay_enter=3000000 \
		"$CMD" "${CMD_OPTIONS[@]}" -t 1 <<<$'quick\necho<>still here'
	assert_output $'error<>timeout<>1\nok<>still here'
}

@test "cmd programs: no descriptors are left for the pipes, cmd replies with the error and continues the session" {
	local limit
	write_command quick <<<'echo quick'
	# cmd has five descriptors when idle. The first pipe of the program fails, the second, or the third.
	for limit in 6 8 10; do
		run timeout "$WAIT_SECONDS" sh -c 'for fd in 3 4 5 6 7 8 9; do eval "exec $fd>&-"; done; exec "$@"' sh \
			prlimit --nofile="$limit" "$CMD" "${CMD_OPTIONS[@]}" <<<$'quick\necho<>still here'
		assert_line --index 0 --regexp '^error<>failed<>(Too many open files|No file descriptors available)$'
		assert_line --index 1 'ok<>still here'
	done
}
