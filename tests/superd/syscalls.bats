# How many system calls one connection costs, for a plain service from the command line. Clients come one after the
# other, so that nothing is shared between two of them. It is the usual connection that counts, the median: when the
# machine holds a child up for long, the parent looks after it more often.

load ../lib/superd
load ../lib/client

listens_at_some_port() {
	PORT=$(ss -Hltnp | sed -n "s/.* 127\.0\.0\.1:\([0-9]*\) .*pid=$SUPERD_PID,.*/\1/p")
	[ -n "$PORT" ]
}

# Eleven connections, traced into $TRACE: a line a call, which begins with the number of the process.
trace_connections() {
	local i
	TRACE=$BATS_TEST_TMPDIR/trace
	# The leak sanitizer cannot look at a process that is traced.
	export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
	SUPERD_PREFIX=(strace -D -f -q -o "$TRACE")
	launch_superd -q -p 0 -b 127.0.0.1 /bin/true
	wait_until listens_at_some_port
	for i in {1..11}; do
		ask "$PORT" </dev/null
		wait_until has_children 0
	done
	stop_superd QUIT # which accepts nobody more
	wait_until grep -qE "^$SUPERD_PID +[+]{3} exited" "$TRACE"
	# A call that another process interrupts has a second line.
	sed -i '/<\.\.\. .* resumed>/d; / +++ /d; / --- /d' "$TRACE"
}

# Print the middle one of the numbers of stdin.
median() {
	sort -n | awk '{ number[NR] = $1 } END { print number[int((NR + 1) / 2)] }'
}

# From one accept to the next, in the parent.
calls_of_parent() {
	awk -v parent="$SUPERD_PID" '
		$1 != parent { next }
		$2 ~ /^accept4?\(/ { if (calls) print calls; calls = 0; begun = 1 }
		begun { calls++ }' "$TRACE"
}

# From a child's first call to exec, itself included.
calls_of_children() {
	awk -v parent="$SUPERD_PID" '
		$1 == parent || done[$1] { next }
		{ calls[$1]++ }
		$2 ~ /^execve\(/ { print calls[$1]; done[$1] = 1 }' "$TRACE"
}

@test "a connection costs the parent at most 8 system calls (Linux)" {
	trace_connections
	run calls_of_parent
	assert_equal "${#lines[@]}" 10
	run median < <(calls_of_parent)
	echo "$output calls"
	assert [ "$output" -ge 4 ]
	assert [ "$output" -le 8 ]
}

@test "a child makes at most 7 system calls up to exec" {
	trace_connections
	run calls_of_children
	assert_equal "${#lines[@]}" 11
	run median < <(calls_of_children)
	echo "$output calls"
	assert [ "$output" -ge 3 ]
	assert [ "$output" -le 7 ]
}

@test "a child is made with flags that every libc lets pass (Linux)" {
	trace_connections
	assert grep -qE "^$SUPERD_PID +clone\(.*CLONE_VM" "$TRACE"
	# musl refuses it since 1.2.5.
	run grep -E "^$SUPERD_PID +clone\(.*CLONE_VM.*CLONE_CHILD_CLEARTID" "$TRACE"
	assert_output ''
}

@test "a listening socket is closed on exec from the first: a child may copy it in any moment (Linux)" {
	trace_connections
	assert grep -qE "^$SUPERD_PID +socket\(AF_INET," "$TRACE"
	run grep -E "^$SUPERD_PID +socket\(AF_INET, SOCK_[A-Z]+," "$TRACE"
	assert_output ''
}
