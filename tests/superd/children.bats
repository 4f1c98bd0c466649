# SPDX-License-Identifier: ISC
# Running programs: what they inherit from superd, and how they end.

load ../lib/superd
load ../lib/client
load ../lib/fault

# tamper CALLS EFFECT [OPTION...]: from now on strace does that to these system calls of superd, of its children and of their
# programs. Sets INJECTOR.
tamper() {
	start_background strace -f -q -o /dev/null -e trace="$1" -e inject="$1:$2" "${@:3}" -p "$SUPERD_PID" \
		2>"$BATS_TEST_TMPDIR/strace"
	INJECTOR=$BG_PID
	wait_until grep -q '^TracerPid:.*[1-9]' "/proc/$SUPERD_PID/status"
}

DEFAULT_SIGNALS=$'SigBlk:\t0000000000000000\nSigIgn:\t'$DEFAULT_IGNORED$'\nSigCgt:\t0000000000000000'

children_of_superd() {
	pgrep -P "$SUPERD_PID"
}

# start_all_kinds: start superd with every kind of service, and a client that stays for each; one connection lingers, and one
# client has sent half of a PROXY header.
start_all_kinds() {
	local files=$BATS_TEST_TMPDIR
	start_server - accept hold
	behind=$PORT
	{
		print_open_service tcp
		print_open_service tcp6 bind=::1
		print_open_service logged log_type="FILE $files/log.a"
		print_open_service syslogged log_type='SYSLOG daemon info'
		print_open_service err stderr=log
		print_open_service proxied proxy_from=127.0.0.1
		print_open_service greeted proxy_from=127.0.0.1
		print_open_service lingering linger=1000
		print_open_service lingered linger=1000 server=/bin/echo server_args=here
		print_open_service unix bind="$files/socket" port=
		print_open_service waiting wait=yes server=/bin/sleep server_args=1000
		print_open_service dgram wait=yes socket_type=dgram server=/bin/sleep server_args=1000
		print_open_service redirected server= redirect="127.0.0.1 $behind"
		print_open_service echo type='INTERNAL UNLISTED' server=
		print_open_service chargen type='INTERNAL UNLISTED' server=
	} >"$files/conf"
	start_superd -m "$files/metrics" -P "$files/pid" -c "$files/conf"
	occupy_all
}

# connect HOST PORT [TEXT]: open a connection from this shell, which stays until the test ends.
connect() {
	local fd
	exec {fd}<>"/dev/tcp/$1/$2"
	printf %s "${3:-}" >&"$fd"
}

occupy_all() {
	connect 127.0.0.1 "$(port_of lingered)"
	connect 127.0.0.1 "$(port_of greeted)" PROXY
	connect 127.0.0.1 "$(port_of proxied)" $'PROXY UNKNOWN\r\n'
	connect ::1 "$(port_of tcp6)"
	local name
	for name in tcp logged syslogged err lingering waiting redirected echo chargen; do
		connect 127.0.0.1 "$(port_of "$name")"
	done
	open_connection client.unix "$BATS_TEST_TMPDIR/socket"
	printf x >"/dev/udp/127.0.0.1/$(port_of dgram)"
	wait_for_line 'EXIT: lingered'
	wait_until has_children 13
	# The last of them has started its program, too.
	signal_and_wait USR1 'STATE: chargen'
}

# print_descriptors PID: print the number of each open descriptor, and what it is, without its inode.
print_descriptors() {
	find "/proc/$1/fd" -mindepth 1 -printf '%f %l\n' | sed 's/:\[.*//' | sort -n
}

@test "children: every kind of service, no child has a descriptor of superd's" {
	needs ipv6
	start_all_kinds
	for pid in $(children_of_superd); do
		run print_descriptors "$pid"
		# A redirection has one more, to its target.
		extra=
		grep -q ":$(printf %04X "$behind") 01" <(awk '{ print $3, $4 }' /proc/net/tcp) &&
			[ "${#lines[@]}" -eq 4 ] && extra=$'\n3 socket'
		assert_output --regexp "^0 socket
1 socket
2 (socket|$LOG)$extra$"
		[ "$(readlink "/proc/$pid/fd/0")" = "$(readlink "/proc/$pid/fd/1")" ]
		[ -z "$extra" ] || with_extra=$((${with_extra:-0} + 1))
	done
	[ "$with_extra" -eq 1 ]
}

# sockets_of PID: print the sockets that a process has open, each once.
sockets_of() {
	readlink /proc/"$1"/fd/* | grep socket: | sort -u
}

@test "children: every kind of service, no child has the socket of another" {
	needs ipv6
	start_all_kinds
	for pid in $(children_of_superd); do
		sockets_of "$pid"
	done | sort >"$BATS_TEST_TMPDIR/sockets"
	run uniq -d "$BATS_TEST_TMPDIR/sockets"
	assert_output ''
	# superd itself has only linger's copy and the listening sockets that programs have.
	run comm -12 <(sockets_of "$SUPERD_PID") "$BATS_TEST_TMPDIR/sockets"
	assert_equal "${#lines[@]}" 3
}

# start_listing [OPTION...]: start superd with a program that prints its descriptors.
start_listing() {
	start_superd -p 0 -b 127.0.0.1 "$@" sh -c 'ls /proc/$$/fd; exit'
}

# assert_three_descriptors: programs have 0, 1 and 2 only, and superd has the same descriptors after them as before.
assert_three_descriptors() {
	local before
	before=$(superd_descriptors)
	for _ in 1 2 3; do
		run "$CLIENT" "$PORT" all
		assert_output $'0\n1\n2'
		wait_until has_children 0
	done
	wait_until has_descriptors "$before"
}

@test "descriptors: 100 connections linger, the next program has only 0, 1 and 2" {
	start_listing -o linger=1000
	start_background "$CLIENT" -c 100 "$PORT" hold >"$BATS_TEST_TMPDIR/lingering"
	wait_until log_has 100 EXIT
	[ "$(superd_descriptors | wc -l)" -gt 100 ]
	assert_three_descriptors
}

@test "descriptors: the kernel has no close_range(2), a program has only 0, 1 and 2 (Linux)" {
	start_listing
	start_background strace -f -o /dev/null -p "$SUPERD_PID" -e trace=close_range -e inject=close_range:error=ENOSYS \
		2>"$BATS_TEST_TMPDIR/strace"
	wait_for_line attached "$BATS_TEST_TMPDIR/strace"
	assert_three_descriptors
}

@test "wait = yes: superd stops before the program has started, the program gets the socket and runs (Linux)" {
	needs root
	print_open_service dgram wait=yes socket_type=dgram user=nobody stderr=log server=/bin/dd \
		server_args='of=/dev/null count=1' >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	tamper setpgid delay_enter=4s
	printf hello >"/dev/udp/127.0.0.1/$(port_of dgram)"
	wait_until has_children 1
	signal_and_wait TERM stopping
	wait_for_line 'EXIT: dgram status=0'
}

@test "descriptors: superd opens files while a child starts, the child does not have them (Linux)" {
	needs root
	start_listing -u nobody
	tamper setpgid delay_enter=1s -e trace=setpgid,pipe,pipe2 -e inject=pipe,pipe2:delay_exit=2s
	start_background "$CLIENT" "$PORT" all >"$BATS_TEST_TMPDIR/reply"
	wait_until has_children 1
	kill -USR2 "$SUPERD_PID"
	wait "$BG_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/reply")" = $'0\n1\n2' ]
}

@test "descriptors: superd upgrades while a child starts, the child has only 0, 1 and 2 (Linux)" {
	disable_leak_check # of the new superd, which strace follows
	start_listing -o linger=1000
	start_background "$CLIENT" "$PORT" all hold >"$BATS_TEST_TMPDIR/lingering"
	wait_for_line EXIT
	tamper setpgid delay_enter=4s
	start_background "$CLIENT" "$PORT" all >"$BATS_TEST_TMPDIR/reply"
	client=$BG_PID
	wait_until has_children 1
	upgrade_superd
	wait_until is_gone "$client"
	[ "$(cat "$BATS_TEST_TMPDIR/reply")" = $'0\n1\n2' ]
}

@test "descriptors: the exec of another program hangs, a client sees the end of its own program (Linux)" {
	cp /bin/cat "$BATS_TEST_TMPDIR/slow"
	{
		print_open_service slow server="$BATS_TEST_TMPDIR/slow"
		print_open_service proxied proxy_from=127.0.0.1
	} >"$CONF"
	start_superd -c "$CONF"
	tamper execve delay_enter=60s -P "$BATS_TEST_TMPDIR/slow"
	start_background "$CLIENT" "$(port_of proxied)" "file:$BATS_TEST_TMPDIR/go" 'send:PROXY UNKNOWN\r\nhello\n' shut all \
		>"$BATS_TEST_TMPDIR/reply"
	client=$BG_PID
	wait_until has_sockets 3
	start_background "$CLIENT" "$(port_of slow)" hold
	wait_until has_children 1
	touch "$BATS_TEST_TMPDIR/go"
	wait_until is_gone "$client"
	[ "$(cat "$BATS_TEST_TMPDIR/reply")" = hello ]
	has_children 1
}

@test "signals: every kind of service, no child has a signal ignored, blocked or handled" {
	needs ipv6
	start_all_kinds
	for pid in $(children_of_superd); do
		run grep -E '^Sig(Blk|Ign|Cgt)' "/proc/$pid/status"
		assert_output "$DEFAULT_SIGNALS"
	done
}

@test "process groups: every kind of service, each child leads its own group" {
	needs ipv6
	start_all_kinds
	for pid in $(children_of_superd); do
		[ "$(cut -d ' ' -f 5 "/proc/$pid/stat")" = "$pid" ]
	done
}

@test "children: superd upgrades, the next child has only its own descriptors and default signals" {
	needs ipv6
	start_all_kinds
	upgrade_superd
	open_connection later "$(port_of tcp)"
	run print_descriptors "$(pgrep -n -P "$SUPERD_PID")"
	assert_output $'0 socket\n1 socket\n2 socket'
	run grep -E '^Sig(Blk|Ign|Cgt)' "/proc/$(pgrep -n -P "$SUPERD_PID")/status"
	assert_output "$DEFAULT_SIGNALS"
	has_children 14
}

@test "time_limit: a process of the group ignores TERM, KILL ends it 5 seconds later" {
	start_superd -p 0 -o time_limit=1 sh -c '
		(trap "" TERM; echo $(exec sh -c "echo \$PPID"); exec sleep 1000) &
		wait'
	run "$CLIENT" "$PORT" line
	stubborn=$output
	[ -d "/proc/$stubborn" ]
	wait_for_line 'EXIT: sh signal=15'
	[ -d "/proc/$stubborn" ]
	wait_until is_gone "$stubborn"
}

@test "time_limit: a process has its own group, it is left alone" {
	start_superd -p 0 -o time_limit=1 sh -c 'setsid sleep 1000 & echo $!; wait'
	run "$CLIENT" "$PORT" line
	end_at_teardown "$output"
	wait_for_line 'EXIT: sh signal=15'
	[ -d "/proc/$output" ]
}

@test "time_limit: 200 programs at once, superd ends all of them" {
	start_superd -p 0 -b 127.0.0.1 -o time_limit=1 -o instances=UNLIMITED sleep 1000
	run "$CLIENT" -c 200 "$PORT" all
	assert_success
	wait_until has_children 0
	[ "$(count_log 'EXIT: sleep signal=15')" -eq 200 ]
}

@test "time_limit: the process id of a program that it has ended is used again, the new program is left alone (Linux)" {
	needs root capabilities
	write_program stubborn <<-'END' >/dev/null
		(trap "" TERM; exec sleep 1000) &
		wait
	END
	{
		print_open_service limited time_limit=1 server="$BATS_TEST_TMPDIR/stubborn"
		print_open_service unlimited
	} >"$CONF"
	SUPERD_PREFIX=(unshare --pid --fork --mount-proc --kill-child)
	start_superd -c "$CONF"
	start_background "$CLIENT" "$(port_of limited)" all
	wait_for_line 'EXIT: limited signal=15'
	number=$(sed -n 's/.*START: limited pid=\([0-9]*\).*/\1/p' "$LOG")
	# All of it at once, since superd looks for the rest of the group five times a second; and no process but the program may
	# be started meanwhile.
	start_background nsenter -t "$(pgrep -P "$SUPERD_PID")" -p -m bash -c '
		kill -KILL -- "-$1"
		while kill -0 -- "-$1" 2>/dev/null; do :; done
		echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
		exec 9<>"/dev/tcp/127.0.0.1/$2"
		echo hello >&9
		read -r line <&9
		sleep 6
		echo again >&9
		read -r again <&9
		echo "$line $again"' bash "$number" "$(port_of unlimited)" >"$BATS_TEST_TMPDIR/lines"
	wait_until is_gone "$BG_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/lines")" = 'hello again' ]
	grep "START: unlimited pid=$number " "$LOG"
}

@test "KILL: superd is killed, its programs continue and a new superd listens at the port at once" {
	start_superd -p 0 -b 127.0.0.1 cat
	port=$PORT
	open_connection first "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:to the end\n' line
	child=$(children_of_superd)
	end_at_teardown "$child"
	stop_superd KILL || true
	start_superd -p "$port" -b 127.0.0.1 cat
	run ask "$port" <<<new
	assert_output new
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/first")" = $'here\nto the end' ]
	wait_until is_gone "$child"
}

@test "KILL: superd is killed, a new superd replaces its UNIX-domain socket and pid file at once" {
	start_superd -P "$BATS_TEST_TMPDIR/pid" -b "$BATS_TEST_TMPDIR/socket" cat
	stop_superd KILL || true
	[ -S "$BATS_TEST_TMPDIR/socket" ]
	start_superd -P "$BATS_TEST_TMPDIR/pid" -b "$BATS_TEST_TMPDIR/socket" cat
	run ask "$BATS_TEST_TMPDIR/socket" <<<new
	assert_output new
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$SUPERD_PID" ]
}

@test "instances: 60 programs are killed, superd counts them down" {
	start_superd -p 0 -b 127.0.0.1 -o instances=20 -o on_limit=refuse -o per_source=20 cat
	for _ in 1 2 3; do
		start_background "$CLIENT" -c 20 "$PORT" 'send:here\n' line hold >"$BATS_TEST_TMPDIR/clients"
		wait_for_line holding "$BATS_TEST_TMPDIR/clients"
		children_of_superd | xargs kill -KILL
		wait_until has_children 0
	done
	[ "$(count_log 'EXIT: cat signal=9')" -eq 60 ]
	signal_and_wait USR1 'running=0 '
}

@test "children: a child is killed before exec, superd logs it and serves the next client (Linux)" {
	needs root
	start_superd -p 0 -u nobody cat
	tamper set_tid_address signal=KILL:when=1
	for _ in 1 2 3; do
		run ask "$PORT" <<<hello
		assert_output ''
	done
	wait_until grep -q '^State:.*sleeping' "/proc/$SUPERD_PID/status"
	end_injection
	run ask "$PORT" <<<hello
	assert_output hello
	[ "$(count_log 'EXIT: cat signal=9')" -eq 3 ]
}

@test "children: a program takes long to start, superd answers signals meanwhile (Linux)" {
	needs root
	start_superd -p 0 -u nobody cat
	tamper execve delay_enter=60s
	start_background "$CLIENT" "$PORT" 'send:hello\n' shut all >"$BATS_TEST_TMPDIR/reply"
	wait_until has_children 1
	signal_and_wait USR1 'STATE: .*running=1'
	signal_and_wait USR1 'STATE: .*running=1'
	[ "$(count_log 'START: ')" -eq 0 ]
	client=$BG_PID
	end_injection
	wait_until is_gone "$client"
	[ "$(cat "$BATS_TEST_TMPDIR/reply")" = hello ]
}

@test "children: a child that cannot start its program does not end, superd answers signals meanwhile (Linux)" {
	mkdir "$BATS_TEST_TMPDIR/removed"
	print_open_service echo type='INTERNAL UNLISTED' server= directory="$BATS_TEST_TMPDIR/removed" >"$CONF"
	start_superd -c "$CONF"
	rmdir "$BATS_TEST_TMPDIR/removed"
	tamper exit_group delay_enter=60s
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line 'echo: chdir: No such file or directory'
	has_children 1
	signal_and_wait USR1 'STATE: echo .*running=0'
}

@test "START: programs start slowly while clients keep connecting, superd logs the first start meanwhile (Linux)" {
	start_superd -p 0 -b 127.0.0.1 -o instances=50 -o on_limit=refuse sleep 1000
	tamper execve delay_enter=100ms
	start_background python3 -c 'import socket, sys, time
clients = []
for _ in range(51):
    clients.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    time.sleep(0.009)
time.sleep(1000)' "$PORT"
	wait_for_line FAIL
	run grep -m 1 -o -e START -e FAIL "$LOG"
	assert_output START
}

@test "START: an internal service starts and ends while the exec of a program hangs, superd logs both (Linux)" {
	{
		print_open_service slow
		print_open_service echo type='INTERNAL UNLISTED' server=
	} >"$CONF"
	start_superd -c "$CONF"
	# The program's child copies superd's descriptors while superd starts the internal service.
	tamper setpgid delay_enter=1s -e trace=setpgid,pipe,pipe2,execve -e inject=pipe,pipe2:delay_exit=2s \
		-e inject=execve:delay_enter=60s
	start_background "$CLIENT" "$(port_of slow)" hold
	wait_until has_children 1
	run "$CLIENT" "$(port_of echo)" 'send:hello\n' line close
	assert_output hello
	wait_for_line 'EXIT: echo'
	[ "$(count_log 'START: echo')" -eq 1 ]
}

@test "upgrade: it is cancelled while a child starts, and the child fails, superd closes the connection (Linux)" {
	use_private_superd
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	start_superd -p 0 -b 127.0.0.1 "$BATS_TEST_TMPDIR/program"
	tamper setpgid delay_enter=4s
	start_background "$CLIENT" "$PORT" all
	client=$BG_PID
	wait_until has_children 1
	rm "$BATS_TEST_TMPDIR/program"
	# The check succeeds, and then the file cannot be executed.
	replace_superd '#!/bin/sh' 'chmod 600 "$0"'
	assert_upgrade_cancelled 'Permission denied'
	wait_until is_gone "$client"
	has_sockets 1
}

@test "upgrade: the file of a program that starts slowly is open for writing, its client is served later (Linux)" {
	disable_leak_check # of the new superd, which strace follows
	cp /bin/cat "$BATS_TEST_TMPDIR/busy"
	start_superd -p 0 -b 127.0.0.1 "$BATS_TEST_TMPDIR/busy"
	exec 6>>"$BATS_TEST_TMPDIR/busy"
	tamper execve delay_enter=300ms 6>&-
	start_background "$CLIENT" "$PORT" 'send:here\n' line >"$BATS_TEST_TMPDIR/line" 6>&-
	client=$BG_PID
	wait_until has_children 1
	upgrade_superd 6>&-
	exec 6>&-
	wait "$client"
	[ "$(cat "$BATS_TEST_TMPDIR/line")" = here ]
}
