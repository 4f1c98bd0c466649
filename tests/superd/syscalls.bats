# SPDX-License-Identifier: ISC
# How many system calls one connection takes, for a plain service from the command line. Clients connect one after the other, so
# that two of them share no system call. When the machine delays a child, superd has a signal end its waits after 2 ms, and looks
# at the child again after 10: what it does then does not count.

load ../lib/superd
load ../lib/client

listens_at_some_port() {
	PORT=$(ss -Hltnp | sed -n "s/.* [^ ]*[1*]\]\{0,1\}:\([0-9][0-9]*\) .*pid=$SUPERD_PID,.*/\1/p")
	[ -n "$PORT" ]
}

# trace_connections [ADDRESS [CLIENT]]: trace eleven connections, of that client to a superd that listens at the address. Sets
# TRACE: the file TRACE.PID has one line per system call of that process.
trace_connections() {
	local i
	TRACE=$BATS_TEST_TMPDIR/trace
	disable_leak_check
	SUPERD_PREFIX=(strace -D -ff -q -o "$TRACE")
	launch_superd -q -p 0 -b "${1:-127.0.0.1}" /bin/true
	wait_until listens_at_some_port
	for i in {1..11}; do
		ask "$PORT" "${2:-127.0.0.1}" </dev/null
		wait_until has_children 0
	done
	stop_superd QUIT # it accepts no more clients
	wait_until grep -q '^+++ exited' "$TRACE.$SUPERD_PID"
}

# least: print the smallest of the numbers of stdin.
least() {
	sort -n | head -n 1
}

# median: print the median of the numbers of stdin.
median() {
	sort -n | awk '{ number[NR] = $1 } END { print number[int((NR + 1) / 2)] }'
}

# calls_of_parent [LEFT-OUT]: print the number of superd's system calls from one accept to the next, for each connection,
# without those that the regular expression describes.
calls_of_parent() {
	awk -v left_out="${1:-^$}" '
		$0 ~ left_out || /^[-+]/ { next }
		/ETIMEDOUT/ || /EINTR/ || /^epoll_wait.* = 0$/ || /^waitid.*WSTOPPED/ || /^setitimer/ || /^rt_sigreturn/ { next }
		/^accept4?\(/ { if (calls) print calls; calls = 0; begun = 1 }
		begun { calls++ }' "$TRACE.$SUPERD_PID"
}

# calls_of_children: print the number of system calls of each child up to exec, including exec.
calls_of_children() {
	local file
	for file in "$TRACE".*; do
		[ "$file" = "$TRACE.$SUPERD_PID" ] || sed '/^[-+]/d; /^execve(/q' "$file" | wc -l
	done
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
	needs ipv6
	local waits='^(futex|epoll_wait)' six four # superd does not wait for a child that was faster
	trace_connections '*' ::1
	six=$(calls_of_parent "$waits" | median)
	trace_connections '*' 127.0.0.1
	four=$(calls_of_parent "$waits" | median)
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
	assert grep -qE "^clone\(.*CLONE_VM" "$TRACE.$SUPERD_PID"
	# musl rejects this since 1.2.5.
	run grep -E "^clone\(.*CLONE_VM.*CLONE_CHILD_CLEARTID" "$TRACE.$SUPERD_PID"
	assert_output ''
}

@test "system calls: a listening socket, it has close-on-exec from its creation (Linux)" {
	trace_connections
	assert grep -qE "^socket\(AF_INET," "$TRACE.$SUPERD_PID"
	run grep -E "^socket\(AF_INET, SOCK_[A-Z]+," "$TRACE.$SUPERD_PID"
	assert_output ''
}
