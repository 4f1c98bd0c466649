# SPDX-License-Identifier: ISC
# The limits of services from a file: instances, per_source, cps, per_source_cps. What superd logs and counts, and that service
# resumes by itself.

load ../lib/superd
load ../lib/client

# start_service LINE...: start superd with one service that greets its clients, and has these lines.
start_service() {
	print_service a 'log_on_failure = HOST' "server = $(write_program greet <<<'echo here; cat')" "$@" >"$CONF"
	start_superd -c "$CONF"
}

# is_closed [OPTION...], is_greeted [OPTION...]: the next client gets nothing and the connection ends; it gets the greeting.
is_closed() {
	[ -z "$("$CLIENT" "$@" "$PORT" all)" ]
}
is_greeted() {
	[ "$("$CLIENT" "$@" "$PORT" line)" = here ]
}

# print_state: send USR1, and print superd's STATE line for the service.
print_state() {
	signal_and_wait USR1 '^superd: STATE: a '
	grep '^superd: STATE: a ' "$LOG" | tail -n 1
}

@test "instances from a file: the limit is reached and on_limit is not set, superd refuses the client" {
	start_service 'instances = 2'
	open_greeted -c 2 "$PORT"
	is_closed
	wait_for_line '^superd: FAIL: a service_limit from=127\.0\.0\.1$'
	has_children 2
}

@test "service_limit: five refusals in a run, superd logs its begin and its end and counts each" {
	start_service 'instances = 1'
	open_greeted -c 1 "$PORT"
	is_closed -c 5
	[ "$(count_log 'FAIL: a service_limit')" -eq 1 ]
	[[ "$(print_state)" == *' refused=5 '*' service_limit=5'* ]]
	kill "$CLIENT_PID"
	wait_for_line '^superd: service_limit ended: a refused=5 duration=[0-9]*(sec)$'
	[ "$(count_log 'FAIL: a service_limit')" -eq 1 ]
}

@test "instances from a file: a program ends, the next client is served" {
	start_service 'instances = 1'
	for _ in 1 2 3; do
		open_greeted -c 1 "$PORT"
		is_closed
		kill "$CLIENT_PID"
		wait_until is_greeted
		wait_until has_children 0
	done
}

@test "instances: 0 refuses every client, UNLIMITED none" {
	start_service 'instances = 0'
	is_closed
	stop_superd
	start_service 'instances = UNLIMITED' 'cps = 0'
	open_greeted -c 100 "$PORT"
	has_children 100
}

@test "instances from a file: the limit is reached with on_limit = wait, the next client waits" {
	start_service 'instances = 1' 'on_limit = wait'
	open_greeted -c 1 "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" line >"$BATS_TEST_TMPDIR/second"
	second=$BG_PID
	both_connected() { [ "$(ss -tnH state established "( dport = :$PORT )" | wc -l)" -eq 2 ]; }
	wait_until both_connected
	kill "$first"
	wait_until is_gone "$second"
	[ "$(cat "$BATS_TEST_TMPDIR/second")" = here ]
	[ "$(count_log FAIL)" -eq 0 ]
}

@test "per_source from a file: the limit is reached, each refusal is logged and other sources are served" {
	start_service 'per_source = 1'
	open_greeted -c 1 "$PORT"
	is_closed
	is_closed
	is_greeted -s 127.0.0.2
	[ "$(count_log '^superd: FAIL: a per_source_limit from=127\.0\.0\.1$')" -eq 2 ]
	[[ "$(print_state)" == *' per_source_limit=2'* ]]
}

@test "per_source: two IPv6 clients of one prefix, they are one source" {
	needs ipv6
	start_service 'per_source = 1' 'per_source_prefix6 = 128'
	open_greeted -c 1 -h ::1 "$PORT"
	is_closed -h ::1
	is_greeted
	wait_for_line '^superd: FAIL: a per_source_limit from=::1$'
}

@test "per_source: an IPv4 client and its IPv4-mapped address, they are one source" {
	start_service 'bind = ::' 'per_source = 1'
	open_greeted -c 1 "$PORT"
	is_closed
	is_closed -h ::ffff:127.0.0.1
}

@test "per_source: two services, each counts by itself" {
	{
		print_service a "server = $(write_program greet <<<'echo here; cat')" 'per_source = 1'
		print_service b "server = $BATS_TEST_TMPDIR/greet" 'per_source = 1'
	} >"$CONF"
	start_superd -c "$CONF"
	open_greeted -c 1 "$PORT"
	[ "$("$CLIENT" "$(port_of b)" line)" = here ]
}

@test "cps from a file: the rate is exceeded, superd refuses, logs once, and serves again after the time" {
	start_service 'cps = 3 1'
	run "$CLIENT" -c 20 "$PORT" line
	[ "$(grep -c here <<<"$output")" -eq 3 ]
	[ "$(count_log '^superd: FAIL: a cps from=127\.0\.0\.1$')" -eq 1 ]
	[[ "$(print_state)" == *' accepted=20 refused=17 '*' cps=17'* ]]
	wait_for_line '^superd: cps ended: a refused=17 duration=[0-9]*(sec)$'
	is_greeted
	[ "$(count_log 'FAIL: a cps')" -eq 1 ]
}

@test "cps: a service is disabled by its rate, it still listens and closes new connections" {
	start_service 'cps = 1 60'
	is_greeted
	run "$CLIENT" -c 3 "$PORT" line
	is_closed
	run ss -ltnH "( sport = :$PORT )"
	assert_output --partial LISTEN
}

@test "cps from a file: the rate is exceeded with on_limit = wait, every client is served later" {
	start_service 'cps = 5 1' 'on_limit = wait'
	began=${EPOCHREALTIME/./}
	run "$CLIENT" -c 12 "$PORT" line
	[ "$(grep -c here <<<"$output")" -eq 12 ]
	# Two pauses of a second, after five connections each.
	((${EPOCHREALTIME/./} - began >= 1900000))
	[ "$(count_log FAIL)" -eq 0 ]
}

@test "cps: 0, there is no limit" {
	start_service 'cps = 0'
	run "$CLIENT" -c 120 "$PORT" line
	[ "$(grep -c here <<<"$output")" -eq 120 ]
}

@test "cps: not set for a service from a file, the limit is 50 10" {
	# Clients that are refused later count for cps, and need no program: all of them come in one second.
	start_service 'only_from ='
	is_closed -c 80
	[[ "$(print_state)" == *' accepted=80 refused=80 '*' address=50 cps=30'* ]]
}

@test "per_source_cps: one source exceeds its rate, superd refuses that source only and serves it again later" {
	start_service 'per_source_cps = 3' 'cps = 0'
	run "$CLIENT" -c 10 "$PORT" line
	[ "$(grep -c here <<<"$output")" -lt 10 ]
	refused=$(count_log '^superd: FAIL: a per_source_cps from=127\.0\.0\.1$')
	[ "$refused" -gt 0 ]
	[ $((refused + $(grep -c here <<<"$output"))) -eq 10 ]
	is_greeted -s 127.0.0.2
	[[ "$(print_state)" == *" per_source_cps=$refused"* ]]
	wait_until is_greeted
}

@test "per_source_cps: refused connections, they do not count for cps" {
	start_service 'per_source_cps = 2' 'cps = 5 60'
	start_background "$CLIENT" -c 20 "$PORT" all >/dev/null
	wait_for_line per_source_cps
	is_greeted -s 127.0.0.2
	[ "$(count_log 'FAIL: a cps')" -eq 0 ]
}

@test "max_load: three refusals in a run, superd logs its begin and its end (Linux)" {
	start_service 'max_load = 0'
	is_closed -c 3
	[ "$(count_log 'FAIL: a load from=')" -eq 1 ]
	[[ "$(print_state)" == *' load=3'* ]]
	wait_for_line '^superd: load ended: a refused=3 '
}

@test "banner_fail from a file: instances is reached, the client gets the banner and a clean end" {
	echo 'Full.' >"$BATS_TEST_TMPDIR/full"
	start_service 'instances = 0' "banner_fail = $BATS_TEST_TMPDIR/full"
	run "$CLIENT" "$PORT" all
	assert_output 'Full.'
}

@test "instances: the limit of one service, other services are not affected" {
	{
		print_service a 'instances = 0'
		print_service b
	} >"$CONF"
	start_superd -c "$CONF"
	is_closed
	echoes "$(port_of b)"
}

@test "fork failures: the program is missing, superd logs the reason, refuses, and serves when it is back" {
	# To the log, since a sanitizer reports on a child that does not reach exec.
	start_service 'stderr = log'
	mv "$BATS_TEST_TMPDIR/greet" "$BATS_TEST_TMPDIR/away"
	is_closed
	is_closed
	wait_for_line '^superd: FAIL: a fork from=127\.0\.0\.1$'
	wait_for_line "^superd: a: exec $BATS_TEST_TMPDIR/greet: No such file or directory"
	[[ "$(print_state)" == *' spawn_failures=2'* ]]
	mv "$BATS_TEST_TMPDIR/away" "$BATS_TEST_TMPDIR/greet"
	is_greeted
}

@test "attributes rlimit_*: bytes with K and M, seconds, numbers and UNLIMITED are accepted" {
	for name in as core data fsize rss stack; do
		assert_accepted "rlimit_$name = 512M"
		assert_accepted "rlimit_$name = 100000k"
		assert_accepted "rlimit_$name = UNLIMITED"
		assert_rejected "rlimit_$name = 5G" "rlimit_$name: '5G' is not a number"
		assert_rejected "rlimit_$name = M" "rlimit_$name: 'M' is not a number"
	done
	for name in cpu files nproc; do
		assert_accepted "rlimit_$name = 64"
		[ "$name" != cpu ] || assert_accepted "rlimit_$name = unlimited"
		assert_rejected "rlimit_$name = 5M" "rlimit_$name: '5M' is not a number"
	done
}

@test "attribute rlimit_as: a number larger than 64 bits is an error" {
	assert_rejected 'rlimit_as = 99999999999999999999' \
		"rlimit_as: 99999999999999999999 is out of range, 1 to 9223372036854775807"
	print_service a 'rlimit_as = 9223372036854775807M' >"$CONF"
	check_config
	assert_failure 1
}

@test "attributes rlimit_* and the sizes of log_type: more than 2 GB and 4 GB, they are accepted on every machine" {
	for name in as core data fsize rss stack; do
		assert_accepted "rlimit_$name = 3000M"
		assert_accepted "rlimit_$name = 5000000000"
	done
	assert_accepted 'log_type = FILE /log 3000M 5000M'
}

@test "attribute rlimit_fsize: 5 GB, the program has that limit on every machine (Linux)" {
	start_superd -p 0 -o rlimit_fsize=5000000000 grep 'file size' /proc/self/limits
	run ask "$PORT" </dev/null
	assert_output --regexp 'size +5000000000 +5000000000 '
}

@test "attributes rlimit_*: 0, it is an error where no program could start, and no limit of rlimit_cpu" {
	for name in as data stack; do
		assert_rejected "rlimit_$name = 0" "rlimit_$name: 0 is out of range, 1 to 9223372036854775807"
	done
	for name in core cpu files fsize nproc rss; do
		assert_accepted "rlimit_$name = 0"
	done
}

@test "attribute rlimit_files: more than the kernel allows, it is cut with a warning (Linux)" {
	most=$(cat /proc/sys/fs/nr_open)
	prlimit --nofile="$most:$most" true 2>/dev/null || most=$(ulimit -Hn)
	for value in UNLIMITED $((most + 1)); do
		assert_accepted "rlimit_files = $value" "rlimit_files = $most"
		[ "$stderr" = "conf:9: warning: rlimit_files: '$value' is more than the system allows superd; $most is used" ]
	done
	assert_accepted "rlimit_files = $most"
	[ -z "$stderr" ]
}

@test "attribute rlimit_nproc: more than superd's own hard limit without the right to raise it, it is cut with a warning" {
	needs root
	run --separate-stderr prlimit --nproc=100:100 setpriv --reuid=100000 --regid=100000 --clear-groups \
		"$SUPERD" -t -p 0 -o rlimit_nproc=101 cat
	assert_success
	[ "$stderr" = "warning: rlimit_nproc: '101' is more than the system allows superd; 100 is used" ]
	assert_line --regexp 'rlimit_nproc *= 100$'
}
