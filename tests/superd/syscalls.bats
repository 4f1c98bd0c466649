# SPDX-License-Identifier: ISC
# How many system calls one connection takes, for a plain service from the command line. Clients connect one after the other, so
# that two of them share no system call. Of superd's own the least count: when the machine delays a child, superd polls more
# often.

load ../lib/superd
load ../lib/client

listens_at_some_port() {
	PORT=$(ss -Hltnp | sed -n "s/.* [^ ]*[1*]\]\{0,1\}:\([0-9][0-9]*\) .*pid=$SUPERD_PID,.*/\1/p")
	[ -n "$PORT" ]
}

# trace_connections [ADDRESS [CLIENT]]: trace eleven connections, of that client to a superd that listens at the address. Sets
# TRACE, a file with one line per system call, which begins with the process id.
trace_connections() {
	local i
	TRACE=$BATS_TEST_TMPDIR/trace
	disable_leak_check
	SUPERD_PREFIX=(strace -D -f -q -o "$TRACE")
	launch_superd -q -p 0 -b "${1:-127.0.0.1}" /bin/true
	wait_until listens_at_some_port
	for i in {1..11}; do
		ask "$PORT" "${2:-127.0.0.1}" </dev/null
		wait_until has_children 0
	done
	stop_superd QUIT # it accepts no more clients
	wait_until grep -qE "^$SUPERD_PID +[+]{3} exited" "$TRACE"
	# A system call that is interrupted has a second line.
	sed -i '/<\.\.\. .* resumed>/d; / +++ /d; / --- /d' "$TRACE"
}

# least: print the smallest of the numbers of stdin.
least() {
	sort -n | head -n 1
}

# median: print the median of the numbers of stdin.
median() {
	sort -n | awk '{ number[NR] = $1 } END { print number[int((NR + 1) / 2)] }'
}

# calls_of_parent: print the number of superd's system calls from one accept to the next, for each connection.
calls_of_parent() {
	awk -v parent="$SUPERD_PID" '
		$1 != parent { next }
		$2 ~ /^accept4?\(/ { if (calls) print calls; calls = 0; begun = 1 }
		begun { calls++ }' "$TRACE"
}

# calls_of_children: print the number of system calls of each child up to exec, including exec.
calls_of_children() {
	awk -v parent="$SUPERD_PID" '
		$1 == parent || done[$1] { next }
		{ calls[$1]++ }
		$2 ~ /^execve\(/ { print calls[$1]; done[$1] = 1 }' "$TRACE"
}

@test "system calls: one connection, superd makes at most 8 (Linux)" {
	trace_connections
	run calls_of_parent
	assert_equal "${#lines[@]}" 10
	run least < <(calls_of_parent)
	echo "$output calls"
	assert [ "$output" -ge 4 ]
	assert [ "$output" -le 8 ]
}

@test "system calls: an IPv4 client of an IPv6 socket, superd makes at most one more (Linux)" {
	trace_connections '*' ::1
	six=$(calls_of_parent | least)
	trace_connections '*' 127.0.0.1
	four=$(calls_of_parent | least)
	echo "$six and $four calls"
	assert [ "$four" -le $((six + 1)) ]
}

@test "system calls: one child up to exec, it makes at most 7" {
	trace_connections
	run calls_of_children
	assert_equal "${#lines[@]}" 11
	run median < <(calls_of_children)
	echo "$output calls"
	assert [ "$output" -ge 3 ]
	assert [ "$output" -le 7 ]
}

@test "system calls: clone, its flags are ones that every libc accepts (Linux)" {
	trace_connections
	assert grep -qE "^$SUPERD_PID +clone\(.*CLONE_VM" "$TRACE"
	# musl rejects this since 1.2.5.
	run grep -E "^$SUPERD_PID +clone\(.*CLONE_VM.*CLONE_CHILD_CLEARTID" "$TRACE"
	assert_output ''
}

@test "system calls: a listening socket, it has close-on-exec from its creation (Linux)" {
	trace_connections
	assert grep -qE "^$SUPERD_PID +socket\(AF_INET," "$TRACE"
	run grep -E "^$SUPERD_PID +socket\(AF_INET, SOCK_[A-Z]+," "$TRACE"
	assert_output ''
}
