# SPDX-License-Identifier: ISC
# Many clients at once, with the default backlog.

load ../lib/superd
load ../lib/client

setup() {
	ulimit -n "$(ulimit -H -n)"
}

# memory: print superd's own memory in bytes: the pages that it has written. (Whether its code is shared depends on other tests.)
memory() {
	awk '/^Private_Dirty/ { print $2 * 1024 }' "/proc/$SUPERD_PID/smaps_rollup"
}

@test "burst: 5,000 clients at once with the default limit, superd serves all of them" {
	start_superd -o log_on_success= -p 0 -b 127.0.0.1 -m "$BATS_TEST_TMPDIR/metrics" cat
	run "$LOAD" -c 5000 "$PORT"
	assert_output 'served=5000 refused=0 empty=0 reset=0 wrong=0 late=0'
	wait_until metric_is "$BATS_TEST_TMPDIR/metrics" superd_connections_total 'service="cat"' 5000
	has_children 0
}

@test "burst: 5,000 clients at once without a limit, superd serves all of them" {
	start_superd -o log_on_success= -p 0 -b 127.0.0.1 -o instances=UNLIMITED cat
	run "$LOAD" -c 5000 "$PORT"
	assert_output 'served=5000 refused=0 empty=0 reset=0 wrong=0 late=0'
	wait_until has_children 0
}

@test "memory: 2,000 idle connections, superd uses at most 200 bytes for each, 256 with musl" {
	local most=200
	[ "${FLAVOUR:-}" != musl ] || most=256 # its blocks have fewer sizes
	start_superd -o log_on_success= -p 0 -b 127.0.0.1 -o instances=UNLIMITED -o per_source=UNLIMITED cat
	# The same twice before, which touches what all need, however many start at a time.
	for _ in 1 2; do
		"$CLIENT" -c 2000 "$PORT" 'send:here\n' line close >/dev/null
		wait_until has_children 0
	done
	before=$(memory)
	start_background "$CLIENT" -c 2000 "$PORT" 'send:here\n' line hold >"$BATS_TEST_TMPDIR/idle"
	wait_for_line holding "$BATS_TEST_TMPDIR/idle"
	after=$(memory)
	[ "$(grep -c '^here$' "$BATS_TEST_TMPDIR/idle")" -eq 2000 ]
	has_children 2000
	echo "$(((after - before) / 2000)) bytes a connection"
	is_sanitized || ((after - before <= most * 2000))
	assert_sleeps 1
	# All of them still work.
	[ "$(superd_descriptors | grep -c socket)" -eq 1 ]
	kill "$BG_PID"
	wait_until has_children 0
}

@test "memory: 300 clients at once and then 6,000 more, superd uses the same memory again" {
	start_superd -o log_on_success= -p 0 -b 127.0.0.1 -o instances=UNLIMITED -o per_source=10000 cat
	"$LOAD" -c 300 -n 6000 "$PORT" # as many start at the same time as ever
	before=$(memory)
	"$LOAD" -c 300 -n 6000 "$PORT"
	wait_until has_children 0
	after=$(memory)
	echo "$(((after - before) / 1024)) KB"
	# On a busy machine fewer clients were there at the same time at first; a leak of 43 bytes per connection would be more.
	is_sanitized || ((after - before <= 256 * 1024))
}

@test "memory: 20,000 refused sources, superd uses no more than its table of sources holds" {
	start_superd -o log_on_success= -p 0 -b 0.0.0.0 -o per_source_cps=1 -o per_source=1 -o only_from=192.0.2.1 -o log_on_failure= cat
	"$LOAD" -s -c 50 -n 100 "$PORT" || true
	before=$(memory)
	run "$LOAD" -s -c 50 -n 20000 "$PORT"
	assert_output --regexp '^served=0 refused=0 empty=[0-9]+ reset=[0-9]+ wrong=0 late=0$'
	after=$(memory)
	echo "$(((after - before) / 1024)) KB"
	# superd keeps 4,096 idle sources, and cleans up at twice that number.
	is_sanitized || ((after - before <= 2 * 4096 * 100))
}
