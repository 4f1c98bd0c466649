# SPDX-License-Identifier: ISC
# A child shares superd's memory until its exec, errno among it. Neither reads the other's error as its own.

load ../lib/superd
load ../lib/client
load ../lib/fault

# start_services: start superd with lib/slow_calls.c, and a service whose program is gone, one whose program is busy, one with a
# PROXY header, and one with a program that runs: only beside a child does superd not wait for the next.
start_services() {
	local folder=$BATS_TEST_TMPDIR
	preload slow_calls SLOW_CALLS="$1"
	cp /bin/cat "$folder/gone"
	cp /bin/cat "$folder/busy"
	{
		print_open_service running
		print_open_service gone server="$folder/gone"
		print_open_service busy server="$folder/busy"
		print_open_service proxied proxy_from=127.0.0.1
	} >"$CONF"
	start_superd -c "$CONF"
	rm "$folder/gone"
	open_connection running "$(port_of running)"
}

# delay_exec: the next program's exec begins, and fails, only after a quarter of a second.
delay_exec() {
	start_background strace -f -q -o /dev/null -e trace=execve -e inject=execve:delay_enter=250000 -p "$SUPERD_PID" \
		2>"$BATS_TEST_TMPDIR/strace"
	wait_until grep -q '^TracerPid:.*[1-9]' "/proc/$SUPERD_PID/status"
}

@test "errno: a child fails while superd's accept4 finds no client, superd sees its own error (glibc)" {
	start_services accept4
	delay_exec
	run "$CLIENT" "$(port_of gone)" all
	wait_for_line 'FAIL: gone fork'
	log_has 1 'gone: exec .*/gone: No such file or directory'
	log_has 0 accept
}

@test "errno: a child fails while superd waits for the rest of a PROXY header, the header is good (glibc)" {
	start_services recv
	delay_exec
	start_background "$CLIENT" "$(port_of proxied)" "file:$BATS_TEST_TMPDIR/go" 'send:PROXY ' \
		"file:$BATS_TEST_TMPDIR/rest" 'send:UNKNOWN\r\nhello\n' shut all >"$BATS_TEST_TMPDIR/reply"
	client=$BG_PID
	wait_until has_sockets 5
	start_background "$CLIENT" "$(port_of gone)" all
	wait_until has_children 2
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line 'FAIL: gone fork'
	touch "$BATS_TEST_TMPDIR/rest"
	wait_until is_gone "$client"
	[ "$(cat "$BATS_TEST_TMPDIR/reply")" = hello ]
}

@test "errno: two children fail at the same time, each reports its own error (glibc)" {
	start_services execve
	exec {busy}>>"$BATS_TEST_TMPDIR/busy"
	start_background "$CLIENT" "$(port_of busy)" all
	run "$CLIENT" "$(port_of gone)" all
	wait_for_line 'busy: exec'
	wait_for_line 'gone: exec'
	log_has 1 'gone: exec .*/gone: No such file or directory'
	log_has 1 'busy: exec: Text file busy'
}

@test "clone: the system refuses one with shared memory, superd forks and programs run (glibc)" {
	needs root
	for error in EINVAL ENOSYS; do
		preload no_clone CLONE_ERROR="$(python3 -c "import errno; print(errno.$error)")"
		start_superd -p 0 -u nobody -o nice=1 sh -c 'echo here; id -un; cat'
		run ask "$PORT" <<<there
		assert_output $'here\nnobody\nthere'
		wait_for_line 'EXIT: sh status=0'
		stop_superd
	done
}

@test "accept4: the system refuses it, superd accepts by accept, and no program has another's connection (glibc)" {
	for error in ENOSYS EPERM; do
		preload no_accept4 ACCEPT4_ERROR="$(python3 -c "import errno; print(errno.$error)")"
		start_superd -p 0 sh -c 'echo here; ls -l /proc/self/fd | grep -c socket; cat'
		open_connection first "$PORT"
		run ask "$PORT" <<<there
		assert_output $'here\n1\nthere'
		kill "$SUPERD_PID" # once more, and it does not wait for the first client
		wait_for_line '^superd: stopping'
		stop_superd
	done
}
