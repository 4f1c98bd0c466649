# How many, how fast, how long: instances, per_source, cps, time_limit, backlog.

load ../lib/superd
load ../lib/client

# A program that says it runs, and stays until its client ends.
HELLO='echo here; cat'

# So many connections to the port stand, served or not.
connected() {
	[ "$(ss -tnH state established "( dport = :$PORT )" | wc -l)" -ge "$1" ]
}

@test "instances with on_limit = refuse closes who comes too many, and says so" {
	start_superd -p 0 -o instances=2 -o on_limit=refuse sh -c "$HELLO"
	open_greeted -c 2 "$PORT"
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line '^superd: FAIL: sh service_limit from=127\.0\.0\.1$'
	has_children 2
}

@test "service_limit is said once when it begins, and once with a count when it ends" {
	start_superd -p 0 -o instances=1 -o on_limit=refuse sh -c "$HELLO"
	open_greeted "$PORT"
	# All at once, since an episode ends when nobody has come for a second.
	"$CLIENT" -c 5 "$PORT" all
	wait_for_line 'FAIL: sh service_limit from='
	wait_for_line 'service_limit.*\<[45]\>'
	[ "$(grep -c service_limit "$LOG")" -eq 2 ]
}

@test "a place that was given back can be taken again" {
	start_superd -p 0 -o instances=1 -o on_limit=refuse sh -c "$HELLO"
	for _ in 1 2 3; do
		open_greeted "$PORT"
		kill "$CLIENT_PID"
		wait_until has_children 0
		wait_until grep -q EXIT "$LOG"
	done
	run ask "$PORT" </dev/null
	assert_output here
}

@test "instances with on_limit = wait lets who comes too many wait, and serves them" {
	start_superd -p 0 -o instances=1 -o on_limit=wait sh -c "$HELLO"
	open_greeted "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" 'send:hello\n' line line >"$BATS_TEST_TMPDIR/second"
	second=$BG_PID
	wait_until connected 2
	has_children 1
	[ ! -s "$BATS_TEST_TMPDIR/second" ]
	kill "$first"
	wait_until is_gone "$second"
	[ "$(cat "$BATS_TEST_TMPDIR/second")" = $'here\nhello' ]
	run grep FAIL "$LOG"
	assert_failure
}

@test "a program that could not be started leaves its place at once, also while others run" {
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	start_superd -p 0 -b 127.0.0.1 -o instances=2 "$BATS_TEST_TMPDIR/program"
	start_background "$CLIENT" "$PORT" hold
	wait_for_line 'START: '
	rm "$BATS_TEST_TMPDIR/program"
	run ask "$PORT" <<<hello
	assert_output ''
	kill -USR1 "$SUPERD_PID"
	wait_for_line 'STATE: program listening running=1 accepted=2'
}

@test "from the command line who comes too many waits unless told otherwise" {
	start_superd -p 0 -o instances=1 sh -c "$HELLO"
	open_greeted "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" line >"$BATS_TEST_TMPDIR/second"
	second=$BG_PID
	wait_until connected 2
	kill "$first"
	wait_until is_gone "$second"
	[ "$(cat "$BATS_TEST_TMPDIR/second")" = here ]
}

@test "at its limit superd sleeps: it uses no processor while others wait" {
	start_superd -p 0 -o instances=1 sh -c "$HELLO"
	open_greeted "$PORT"
	start_background "$CLIENT" -c 5 "$PORT" line
	wait_until connected 6
	# Fields 14 and 15 of /proc/PID/stat: time used, in hundredths of a second.
	before=$(awk '{ print $14 + $15 }' "/proc/$SUPERD_PID/stat")
	sleep 1
	after=$(awk '{ print $14 + $15 }' "/proc/$SUPERD_PID/stat")
	[ $((after - before)) -le 10 ]
}

@test "instances counts a service over all its addresses" {
	start_superd -p 0 -o instances=1 -o on_limit=refuse sh -c "$HELLO"
	open_greeted "$PORT"
	run "$CLIENT" -h ::1 "$PORT" all
	assert_output ''
	wait_for_line '^superd: FAIL: sh service_limit from=::1$'
}

@test "instances = UNLIMITED sets no limit" {
	start_superd -p 0 -o instances=UNLIMITED -o on_limit=refuse sh -c "$HELLO"
	open_greeted -c 300 "$PORT"
	[ "$(grep -c '^here$' "$BATS_TEST_TMPDIR/greeted")" -eq 300 ]
}

@test "unless said otherwise, 256 run at once and the next waits" {
	start_superd -p 0 sh -c "$HELLO"
	open_greeted -c 256 "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" line >"$BATS_TEST_TMPDIR/next"
	next=$BG_PID
	wait_until connected 257
	has_children 256
	[ ! -s "$BATS_TEST_TMPDIR/next" ]
	kill "$first"
	wait_until is_gone "$next"
	[ "$(cat "$BATS_TEST_TMPDIR/next")" = here ]
}

@test "per_source refuses one address and serves another" {
	start_superd -p 0 -b 127.0.0.1 -o per_source=1 sh -c "$HELLO"
	open_greeted "$PORT"
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line '^superd: FAIL: sh per_source_limit from=127\.0\.0\.1$'
	run "$CLIENT" -s 127.0.0.2 "$PORT" line
	assert_output here
}

@test "per_source is said each time" {
	start_superd -p 0 -b 127.0.0.1 -o per_source=1 sh -c "$HELLO"
	open_greeted "$PORT"
	for _ in 1 2 3; do
		"$CLIENT" "$PORT" all
	done
	wait_for_line per_source_limit
	[ "$(grep -c 'FAIL: sh per_source_limit' "$LOG")" -eq 3 ]
}

@test "per_source gives the place back when the program ends" {
	start_superd -p 0 -b 127.0.0.1 -o per_source=1 sh -c "$HELLO"
	for _ in 1 2 3; do
		run ask "$PORT" </dev/null
		assert_output here
		wait_until has_children 0
	done
}

@test "per_source counts a UNIX-domain peer by its user (Linux)" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" -o per_source=1 sh -c "$HELLO"
	open_greeted "$BATS_TEST_TMPDIR/socket"
	run "$CLIENT" "$BATS_TEST_TMPDIR/socket" all
	wait_for_line '^superd: FAIL: sh per_source_limit from=uid:0$'
}

@test "cps with on_limit = refuse closes who comes too fast, and comes back by itself" {
	start_superd -p 0 -o 'cps=3 1' -o on_limit=refuse sh -c 'echo here'
	run "$CLIENT" -c 20 "$PORT" all
	[ "${#lines[@]}" -lt 20 ]
	wait_for_line '^superd: FAIL: sh cps from=127\.0\.0\.1$'
	served() {
		"$CLIENT" "$PORT" line | grep -q here
	}
	wait_until served
}

@test "cps with on_limit = wait serves everybody in time" {
	start_superd -p 0 -o 'cps=3 1' -o on_limit=wait sh -c 'echo here'
	run "$CLIENT" -c 8 "$PORT" all
	[ "$(grep -c here <<<"$output")" -eq 8 ]
}

@test "time_limit ends a program and all of its process group" {
	start_superd -p 0 -o time_limit=1 sh -c 'sleep 1000 & echo $!; wait'
	run "$CLIENT" "$PORT" line all
	assert_output --regexp '^[0-9]+$'
	wait_for_line '^superd: EXIT: sh signal=15 pid=[0-9]* duration=[1-9]'
	wait_until is_gone "$output"
}

@test "a program that ignores TERM at its time_limit gets KILL" {
	start_superd -p 0 -o time_limit=1 sh -c 'trap "" TERM; echo here; while :; do sleep 1; done'
	run "$CLIENT" "$PORT" all
	assert_output here
	wait_for_line '^superd: EXIT: sh signal=9 '
}

@test "a program within its time_limit is left alone" {
	start_superd -p 0 -o time_limit=60 sh -c "$HELLO"
	run ask "$PORT" <<<hello
	assert_output $'here\nhello'
	wait_for_line 'EXIT: sh status=0 '
}

@test "backlog is what listen(2) is given" {
	start_superd -p 0 -b 127.0.0.1 -o backlog=7 cat
	run ss -ltnH "( sport = :$PORT )"
	assert_output --regexp '^LISTEN +0 +7 '
}

@test "unless said otherwise the backlog is as long as the kernel allows" {
	SUPERD_PREFIX=(unshare -n sh -c 'echo 10000 >/proc/sys/net/core/somaxconn && ip link set lo up && exec "$@"' sh)
	start_superd -p 0 -b 127.0.0.1 cat
	run nsenter -t "$SUPERD_PID" -n ss -ltnH "( sport = :$PORT )"
	assert_output --regexp '^LISTEN +0 +10000 '
}
