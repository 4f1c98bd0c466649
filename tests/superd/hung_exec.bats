# SPDX-License-Identifier: ISC
# Programs whose exec does not return, as on a hung file system: here somebody holds a write lease on the program's file.

load ../lib/superd
load ../lib/client

# start_with_hung_programs COUNT [LINE...]: superd with the service hung, COUNT clients of it whose program does not start, and
# the service quick. Sets QUICK, the port of the latter.
start_with_hung_programs() {
	local count=$1
	shift
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	{
		print_open_service hung server="$BATS_TEST_TMPDIR/program" "$@"
		print_open_service quick server=/bin/true
	} >"$CONF"
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -c "$CONF"
	QUICK=$(port_of quick)
	hold_lease "$BATS_TEST_TMPDIR/program"
	start_background "$CLIENT" -c "$count" "$(port_of hung)" 'send:here\n' line >"$BATS_TEST_TMPDIR/hung"
	HUNG=$BG_PID
	wait_until has_children "$count"
}

# hold_lease FILE: from now on nothing can open the file, until end_lease. The kernel waits at most lease-break-time, 45 s.
hold_lease() {
	start_background python3 -c '
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDONLY) # a writer would make exec fail with ETXTBSY as the lease ends
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
time.sleep(60)
' "$1" >"$BATS_TEST_TMPDIR/lease"
	LEASE=$BG_PID
	wait_for_line held "$BATS_TEST_TMPDIR/lease"
}

end_lease() {
	kill "$LEASE"
	wait_until is_gone "$LEASE"
}

# print_median PORT: the median of 31 clients of that port, one after the other, in microseconds.
print_median() {
	python3 -c '
import socket, sys, time
spans = []
for _ in range(31):
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        while connection.recv(100):
            pass
    spans.append(time.monotonic() - begin)
print(int(sorted(spans)[15] * 1e6))' "$1"
}

# A second on an idle machine is two on a busy one.
is_within_a_second() {
	local spent=$((${EPOCHREALTIME/./} - $1))
	echo "$spent us"
	((spent < 2000000))
}

@test "hung exec: 20 programs of one service, another service's median is at most twice what it was (Linux)" {
	start_with_hung_programs 1
	alone=$(print_median "$QUICK")
	start_background "$CLIENT" -c 19 "$(port_of hung)" 'send:here\n' line
	wait_until has_children 20
	beside=$(print_median "$QUICK")
	again=$(print_median "$QUICK")
	echo "$alone us, $beside us, $again us"
	((beside <= 2 * alone || again <= 2 * alone))
}

@test "hung exec: HUP and USR2, superd does both within a second, and the programs start later (Linux)" {
	start_with_hung_programs 20
	begin=${EPOCHREALTIME/./}
	reload_superd
	is_within_a_second "$begin"
	begin=${EPOCHREALTIME/./}
	upgrade_superd
	is_within_a_second "$begin"
	run ask "$QUICK" </dev/null
	assert_success
	end_lease
	wait "$HUNG"
	[ "$(grep -c here "$BATS_TEST_TMPDIR/hung")" -eq 20 ]
	wait_until has_children 0
	wait_until metric_is "$BATS_TEST_TMPDIR/metrics" superd_running 'service="hung"' 0
}

@test "hung exec: instances is reached by programs that have not started, the next client is refused (Linux)" {
	start_with_hung_programs 3 instances=3
	run "$CLIENT" "$(port_of hung)" all
	assert_output ''
	wait_for_line 'FAIL: hung service_limit from=127.0.0.1'
}

@test "hung exec: TERM, superd drains and ends after drain_time (Linux)" {
	start_with_hung_programs 3 drain_time=1
	stop_superd TERM
	end_lease
}

@test "hung exec: the reload changes the service, programs that have not started keep what they began with (Linux)" {
	start_with_hung_programs 2 server_args=-n
	sed -i '/server_args = -n/d; s/instances = UNLIMITED/instances = 9/' "$CONF"
	reload_superd
	reload_superd
	end_lease
	wait "$HUNG"
	[ "$(grep -c '^ *1.here$' "$BATS_TEST_TMPDIR/hung")" -eq 2 ]
}
