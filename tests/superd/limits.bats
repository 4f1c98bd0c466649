# SPDX-License-Identifier: ISC
# The limits of a service from the command line: instances, per_source, cps, time_limit, backlog.

load ../lib/superd
load ../lib/client

# A program that greets its client, and runs until the client ends its side.
HELLO='echo here; cat'

# has_connections COUNT: at least that many connections to the port are established, served or not.
has_connections() {
	[ "$(ss -tnH state established "( dport = :$PORT )" | wc -l)" -ge "$1" ]
}

teardown() {
	remove_public_folder
}

@test "instances: the limit is reached with on_limit = refuse, superd refuses and logs service_limit" {
	start_superd -p 0 -o instances=2 -o on_limit=refuse sh -c "$HELLO"
	open_greeted -c 2 "$PORT"
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line '^superd: FAIL: sh service_limit from=127\.0\.0\.1$'
	has_children 2
}

@test "service_limit: five refusals in a run, superd logs the first and their number" {
	start_superd -p 0 -o instances=1 -o on_limit=refuse sh -c "$HELLO"
	open_greeted "$PORT"
	# All at once, since a run of refusals ends when there was none for a second.
	"$CLIENT" -c 5 "$PORT" all
	wait_for_line 'FAIL: sh service_limit from='
	wait_for_line 'service_limit.*\<[45]\>'
	[ "$(grep -c service_limit "$LOG")" -eq 2 ]
}

@test "instances: a program ends with on_limit = refuse, the next client is served" {
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

@test "instances: the limit is reached with on_limit = wait, the next client waits in the backlog" {
	start_superd -p 0 -o instances=1 -o on_limit=wait sh -c "$HELLO"
	open_greeted "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" 'send:hello\n' line line >"$BATS_TEST_TMPDIR/second"
	second=$BG_PID
	wait_until has_connections 2
	has_children 1
	[ ! -s "$BATS_TEST_TMPDIR/second" ]
	kill "$first"
	wait_until is_gone "$second"
	[ "$(cat "$BATS_TEST_TMPDIR/second")" = $'here\nhello' ]
	run grep FAIL "$LOG"
	assert_failure
}

@test "instances: a program cannot be started while another runs, it does not count" {
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

@test "on_limit: not set on the command line, the next client waits" {
	start_superd -p 0 -o instances=1 sh -c "$HELLO"
	open_greeted "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" line >"$BATS_TEST_TMPDIR/second"
	second=$BG_PID
	wait_until has_connections 2
	kill "$first"
	wait_until is_gone "$second"
	[ "$(cat "$BATS_TEST_TMPDIR/second")" = here ]
}

@test "instances: clients wait at the limit, superd uses no processor time" {
	start_superd -p 0 -o instances=1 sh -c "$HELLO"
	open_greeted "$PORT"
	start_background "$CLIENT" -c 5 "$PORT" line
	wait_until has_connections 6
	before=$(superd_cpu_time)
	sleep 1
	after=$(superd_cpu_time)
	[ $((after - before)) -le 10 ]
}

@test "instances: a service has two addresses, the limit counts both" {
	needs ipv6
	start_superd -p 0 -o instances=1 -o on_limit=refuse sh -c "$HELLO"
	open_greeted "$PORT"
	run "$CLIENT" -h ::1 "$PORT" all
	assert_output ''
	wait_for_line '^superd: FAIL: sh service_limit from=::1$'
}

@test "instances: UNLIMITED, 300 programs run" {
	start_superd -p 0 -o instances=UNLIMITED -o on_limit=refuse sh -c "$HELLO"
	open_greeted -c 300 "$PORT"
	[ "$(grep -c '^here$' "$BATS_TEST_TMPDIR/greeted")" -eq 300 ]
}

@test "instances: not set on the command line, 256 programs run and the next client waits" {
	start_superd -p 0 sh -c "$HELLO"
	open_greeted -c 256 "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" line >"$BATS_TEST_TMPDIR/next"
	next=$BG_PID
	wait_until has_connections 257
	has_children 256
	[ ! -s "$BATS_TEST_TMPDIR/next" ]
	kill "$first"
	wait_until is_gone "$next"
	[ "$(cat "$BATS_TEST_TMPDIR/next")" = here ]
}

@test "per_source: the limit of one address is reached, superd refuses it and serves another" {
	start_superd -p 0 -b 127.0.0.1 -o per_source=1 sh -c "$HELLO"
	open_greeted "$PORT"
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line '^superd: FAIL: sh per_source_limit from=127\.0\.0\.1$'
	run "$CLIENT" -s 127.0.0.2 "$PORT" line
	assert_output here
}

@test "per_source_limit: three refusals, each is logged" {
	start_superd -p 0 -b 127.0.0.1 -o per_source=1 sh -c "$HELLO"
	open_greeted "$PORT"
	for _ in 1 2 3; do
		"$CLIENT" "$PORT" all
	done
	wait_for_line per_source_limit
	[ "$(grep -c 'FAIL: sh per_source_limit' "$LOG")" -eq 3 ]
}

@test "per_source: a program ends, its source is served again" {
	start_superd -p 0 -b 127.0.0.1 -o per_source=1 sh -c "$HELLO"
	for _ in 1 2 3; do
		run ask "$PORT" </dev/null
		assert_output here
		wait_until has_children 0
	done
}

@test "per_source: UNIX-domain clients, superd counts them by user id (Linux)" {
	needs root
	start_superd -b "$BATS_TEST_TMPDIR/socket" -o per_source=1 sh -c "$HELLO"
	open_greeted "$BATS_TEST_TMPDIR/socket"
	run "$CLIENT" "$BATS_TEST_TMPDIR/socket" all
	wait_for_line '^superd: FAIL: sh per_source_limit from=uid:0$'
}

@test "per_source: UNIX-domain clients of two users, each user is one source (Linux)" {
	needs root setpriv
	make_public_folder
	start_superd -b "$PUBLIC/socket" -o socket_mode=0666 -o per_source=1 -u nobody cat
	for user in 1001 4294967294; do
		start_background setpriv --reuid="$user" --regid=1 --clear-groups "$CLIENT" "$PUBLIC/socket" hold
		wait_for_line "START: cat pid=.* from=uid:$user\$"
	done
	setpriv --reuid=1001 --regid=1 --clear-groups nc -N -U "$PUBLIC/socket" </dev/null
	wait_for_line '^superd: FAIL: cat per_source_limit from=uid:1001$'
	log_has 1 FAIL
}

@test "cps: the rate is exceeded with on_limit = refuse, superd refuses and later serves again" {
	start_superd -p 0 -o 'cps=3 1' -o on_limit=refuse sh -c 'echo here'
	run "$CLIENT" -c 20 "$PORT" all
	[ "${#lines[@]}" -lt 20 ]
	wait_for_line '^superd: FAIL: sh cps from=127\.0\.0\.1$'
	served() {
		"$CLIENT" "$PORT" line | grep -q here
	}
	wait_until served
}

@test "cps: PROXY headers arrive past the rate with on_limit = wait, every client is served" {
	start_superd -p 0 -b 127.0.0.1 -o 'cps=3 1' -o proxy_from=127.0.0.1 sh -c 'echo here'
	run "$CLIENT" -c 12 "$PORT" 'send:PROXY UNKNOWN\r\n' line
	assert_output "$(printf 'here\n%.0s' {1..12})"
	log_has 0 FAIL
}

@test "cps: the rate is exceeded with on_limit = wait, every client is served" {
	start_superd -p 0 -o 'cps=3 1' -o on_limit=wait sh -c 'echo here'
	run "$CLIENT" -c 8 "$PORT" all
	[ "$(grep -c here <<<"$output")" -eq 8 ]
}

@test "time_limit: a program has a child, both end" {
	start_superd -p 0 -o time_limit=1 sh -c 'sleep 1000 & echo $!; wait'
	run "$CLIENT" "$PORT" line all
	assert_output --regexp '^[0-9]+$'
	wait_for_line '^superd: EXIT: sh signal=15 pid=[0-9]* duration=[1-9]'
	wait_until is_gone "$output"
}

@test "time_limit: a program ignores TERM, KILL ends it" {
	start_superd -p 0 -o time_limit=1 sh -c 'trap "" TERM; echo here; while :; do sleep 1; done'
	run "$CLIENT" "$PORT" all
	assert_output here
	wait_for_line '^superd: EXIT: sh signal=9 '
}

@test "time_limit: a program ends earlier, EXIT has its status" {
	start_superd -p 0 -o time_limit=60 sh -c "$HELLO"
	run ask "$PORT" <<<hello
	assert_output $'here\nhello'
	wait_for_line 'EXIT: sh status=0 '
}

@test "backlog: a number, it is the backlog of the listening socket" {
	start_superd -p 0 -b 127.0.0.1 -o backlog=7 cat
	run ss -ltnH "( sport = :$PORT )"
	assert_output --regexp '^LISTEN +0 +7 '
}

@test "backlog: not set, it is the kernel's limit" {
	needs root capabilities
	SUPERD_PREFIX=(unshare -n sh -c 'echo 10000 >/proc/sys/net/core/somaxconn && ip link set lo up && exec "$@"' sh)
	start_superd -p 0 -b 127.0.0.1 cat
	run nsenter -t "$SUPERD_PID" -n ss -ltnH "( sport = :$PORT )"
	assert_output --regexp '^LISTEN +0 +10000 '
}

@test "per_source: clients of one source are pending, no more of their programs run at once than it allows" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 -o instances=4 -o per_source=1 sh -c 'echo here; exec cat'
	start_background "$CLIENT" -c 6 "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:PROXY TCP4 192.0.2.6 192.0.2.1 1 2\r\n' hold \
		>"$BATS_TEST_TMPDIR/many"
	wait_until has_sockets 7
	for i in 1 2 3 4; do
		start_background "$CLIENT" "$PORT" "send:PROXY TCP4 192.0.2.1$i 192.0.2.1 1 2\\r\\n" line hold >"$BATS_TEST_TMPDIR/other$i"
		others+=("$BG_PID")
		wait_for_line here "$BATS_TEST_TMPDIR/other$i"
	done
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line holding "$BATS_TEST_TMPDIR/many"
	kill "${others[@]}"
	wait_until log_has 5 'FAIL: sh per_source_limit from=192\.0\.2\.6$'
	wait_until has_children 1
}

@test "cps: no seconds and on_limit = wait, no more clients are served in a second than the rate" {
	start_superd -p 0 -b 127.0.0.1 -o cps='3 0' -o log_on_success=PID true
	begin=${EPOCHREALTIME/./}
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		ask "$PORT" </dev/null
	done
	((${EPOCHREALTIME/./} - begin > 2000000))
}

@test "time_limit: a program joins superd's process group, it ends" {
	SUPERD_PREFIX=(setsid)
	start_superd -p 0 -b 127.0.0.1 -o time_limit=1 python3 -c 'import os, time
os.setpgid(0, os.getpgid(os.getppid()))
print("joined", flush=True)
time.sleep(1000)'
	run "$CLIENT" "$PORT" all
	assert_output joined
	wait_for_line 'EXIT: python3 signal=15 .* time_limit'
}
