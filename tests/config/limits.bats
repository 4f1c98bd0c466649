# How many, how fast: instances, per_source, cps, per_source_cps, for services from a file; that it is said as DESIGN has it,
# counted, and ends by itself.

load ../lib/superd
load ../lib/client

# start LINE...: serve one service that greets, with these lines more.
start_service() {
	print_service a 'log_on_failure = HOST' "server = $(write_program greet <<<'echo here; cat')" "$@" >"$CONF"
	start_superd -c "$CONF"
}

# The next one who comes is closed at once, or greeted.
is_closed() {
	[ -z "$("$CLIENT" "$@" "$PORT" all)" ]
}
is_greeted() {
	[ "$("$CLIENT" "$@" "$PORT" line)" = here ]
}

# state: superd's STATE line for the service.
state() {
	local before
	before=$(grep -c '^superd: STATE: a ' "$LOG")
	kill -USR1 "$SUPERD_PID"
	wait_until more_states "$before"
	grep '^superd: STATE: a ' "$LOG" | tail -n 1
}
more_states() {
	[ "$(grep -c '^superd: STATE: a ' "$LOG")" -gt "$1" ]
}

@test "instances refuses unless told to wait, as xinetd does" {
	start_service 'instances = 2'
	open_greeted -c 2 "$PORT"
	is_closed
	wait_for_line '^superd: FAIL: a service_limit from=127\.0\.0\.1$'
	has_children 2
}

@test "service_limit is said once when it begins and once when it ends, and counted each time" {
	start_service 'instances = 1'
	open_greeted -c 1 "$PORT"
	is_closed -c 5
	[ "$(count_log 'FAIL: a service_limit')" -eq 1 ]
	[[ "$(state)" == *' refused=5 '*' service_limit=5'* ]]
	kill "$CLIENT_PID"
	wait_for_line '^superd: service_limit ended: a refused=5 duration=[0-9]*(sec)$'
	[ "$(count_log 'FAIL: a service_limit')" -eq 1 ]
}

@test "the place of one that has ended is the next one's" {
	start_service 'instances = 1'
	for _ in 1 2 3; do
		open_greeted -c 1 "$PORT"
		is_closed
		kill "$CLIENT_PID"
		wait_until is_greeted
		wait_until has_children 0
	done
}

@test "instances = 0 lets nobody in, UNLIMITED everybody" {
	start_service 'instances = 0'
	is_closed
	stop_superd
	start_service 'instances = UNLIMITED' 'cps = 0'
	open_greeted -c 100 "$PORT"
	has_children 100
}

@test "instances with on_limit = wait lets who comes too many wait" {
	start_service 'instances = 1' 'on_limit = wait'
	open_greeted -c 1 "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" line >"$BATS_TEST_TMPDIR/second"
	second=$BG_PID
	kill "$first"
	wait_until is_gone "$second"
	[ "$(cat "$BATS_TEST_TMPDIR/second")" = here ]
	[ "$(count_log FAIL)" -eq 0 ]
}

@test "per_source is said each time, with the address, and others come in" {
	start_service 'per_source = 1'
	open_greeted -c 1 "$PORT"
	is_closed
	is_closed
	is_greeted -s 127.0.0.2
	[ "$(count_log '^superd: FAIL: a per_source_limit from=127\.0\.0\.1$')" -eq 2 ]
	[[ "$(state)" == *' per_source_limit=2'* ]]
}

@test "per_source counts an IPv6 network of per_source_prefix6 bits as one" {
	start_service 'per_source = 1' 'per_source_prefix6 = 128'
	open_greeted -c 1 -h ::1 "$PORT"
	is_closed -h ::1
	is_greeted
	wait_for_line '^superd: FAIL: a per_source_limit from=::1$'
}

@test "an IPv4 client and the same one mapped are one source" {
	start_service 'bind = ::' 'per_source = 1'
	open_greeted -c 1 "$PORT"
	is_closed
	is_closed -h ::ffff:127.0.0.1
}

@test "per_source is of each service" {
	{
		print_service a "server = $(write_program greet <<<'echo here; cat')" 'per_source = 1'
		print_service b "server = $BATS_TEST_TMPDIR/greet" 'per_source = 1'
	} >"$CONF"
	start_superd -c "$CONF"
	open_greeted -c 1 "$PORT"
	[ "$("$CLIENT" "$(port_of b)" line)" = here ]
}

@test "cps closes who comes too fast, says it once, and comes back by itself" {
	start_service 'cps = 3 1'
	run "$CLIENT" -c 20 "$PORT" line
	[ "$(grep -c here <<<"$output")" -eq 3 ]
	[ "$(count_log '^superd: FAIL: a cps from=127\.0\.0\.1$')" -eq 1 ]
	[[ "$(state)" == *' accepted=20 refused=17 '*' cps=17'* ]]
	wait_for_line '^superd: cps ended: a refused=17 duration=[0-9]*(sec)$'
	is_greeted
	[ "$(count_log 'FAIL: a cps')" -eq 1 ]
}

@test "while it is shut for cps, superd goes on listening: who comes is closed, not left to wait" {
	start_service 'cps = 1 60'
	is_greeted
	run "$CLIENT" -c 3 "$PORT" line
	is_closed
	run ss -ltnH "( sport = :$PORT )"
	assert_output --partial LISTEN
}

@test "cps with on_limit = wait serves everybody in time" {
	start_service 'cps = 5 1' 'on_limit = wait'
	run "$CLIENT" -c 12 "$PORT" line
	[ "$(grep -c here <<<"$output")" -eq 12 ]
	[ "$(count_log FAIL)" -eq 0 ]
}

@test "cps = 0 sets no limit" {
	start_service 'cps = 0'
	run "$CLIENT" -c 120 "$PORT" line
	[ "$(grep -c here <<<"$output")" -eq 120 ]
}

@test "unless said otherwise cps is 50 10, as in xinetd" {
	start_service
	run "$CLIENT" -c 80 "$PORT" line
	served=$(grep -c here <<<"$output")
	[ "$served" -ge 50 ]
	[ "$served" -lt 80 ] || [ "$(count_log 'FAIL: a cps')" -eq 0 ]
	[[ "$(state)" == *" accepted=80 "* ]]
}

@test "per_source_cps shuts out one source and nobody else, and ends by itself" {
	start_service 'per_source_cps = 3' 'cps = 0'
	run "$CLIENT" -c 10 "$PORT" line
	[ "$(grep -c here <<<"$output")" -lt 10 ]
	refused=$(count_log '^superd: FAIL: a per_source_cps from=127\.0\.0\.1$')
	[ "$refused" -gt 0 ]
	[ $((refused + $(grep -c here <<<"$output"))) -eq 10 ]
	is_greeted -s 127.0.0.2
	[[ "$(state)" == *" per_source_cps=$refused"* ]]
	wait_until is_greeted
}

@test "whom per_source_cps refuses does not count for cps" {
	start_service 'per_source_cps = 2' 'cps = 5 60'
	"$CLIENT" -c 20 "$PORT" all >/dev/null </dev/null &
	wait_for_line per_source_cps
	is_greeted -s 127.0.0.2
	[ "$(count_log 'FAIL: a cps')" -eq 0 ]
	kill $!
}

@test "max_load refuses, and says it once (Linux)" {
	start_service 'max_load = 0'
	is_closed -c 3
	[ "$(count_log 'FAIL: a load from=')" -eq 1 ]
	[[ "$(state)" == *' load=3'* ]]
	wait_for_line '^superd: load ended: a refused=3 '
}

@test "who is refused for instances gets banner_fail, and a clean close" {
	echo 'Full.' >"$BATS_TEST_TMPDIR/full"
	start_service 'instances = 0' "banner_fail = $BATS_TEST_TMPDIR/full"
	run "$CLIENT" "$PORT" all
	assert_output 'Full.'
}

@test "a limit of one service is no other's" {
	{
		print_service a 'instances = 0'
		print_service b
	} >"$CONF"
	start_superd -c "$CONF"
	is_closed
	echoes "$(port_of b)"
}

@test "what cannot be started is said with its reason, refused as fork, and ends when it can be" {
	# In a sanitizer's build, that has something to say of a child that does not exec.
	start_service 'stderr = log'
	mv "$BATS_TEST_TMPDIR/greet" "$BATS_TEST_TMPDIR/away"
	is_closed
	is_closed
	wait_for_line '^superd: FAIL: a fork from=127\.0\.0\.1$'
	wait_for_line "^superd: a: exec $BATS_TEST_TMPDIR/greet: No such file or directory"
	[[ "$(state)" == *' spawn_failures=2'* ]]
	mv "$BATS_TEST_TMPDIR/away" "$BATS_TEST_TMPDIR/greet"
	is_greeted
}
