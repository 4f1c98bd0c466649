# Who may come, and when, for services from a file: every form of address over IPv4, IPv6 and mapped; the hour; the load;
# sensors; and the order of the checks.

load ../lib/superd
load ../lib/client

# start LINE...: serve one service, cat, with these lines more.
start_service() {
	print_service a 'log_on_failure = HOST' "$@" >"$CONF"
	start_superd -c "$CONF"
}

assert_served() {
	echoes "$PORT" "${1:-127.0.0.1}"
}

# refused WORD [ADDRESS]: nothing comes back, the connection ends cleanly, and FAIL says why.
assert_refused() {
	run "$CLIENT" -h "${2:-127.0.0.1}" "$PORT" all
	assert_success
	assert_output ''
	wait_for_line "^superd: FAIL: a $1 from=${2:-127.0.0.1}\$"
}

# failures PATTERN COUNT: so many FAIL lines match.
failures() {
	[ "$(grep -c "^superd: FAIL: $1" "$LOG")" -eq "$2" ]
}

@test "an IPv4 address is itself" {
	start_service 'only_from = 127.0.0.1'
	assert_served
	run "$CLIENT" -s 127.0.0.2 "$PORT" all
	assert_output ''
	assert_refused address ::1
}

@test "an IPv6 address is itself" {
	start_service 'only_from = ::1'
	assert_served ::1
	assert_refused address
}

@test "trailing zero octets are wildcards: one, two and three of them" {
	start_service 'only_from = 127.0.0.0'
	assert_served 127.0.0.1
	run ask "$PORT" 127.1.0.1 <<<hello
	assert_output hello
	stop_superd
	start_service 'only_from = 126.0.0.0'
	assert_refused address
}

@test "0.0.0.0 is everyone, IPv6 too" {
	start_service 'only_from = 0.0.0.0'
	assert_served
	assert_served ::1
}

@test "0.0.0.0/0 and ::/0 are everyone" {
	start_service 'only_from = 0.0.0.0/0'
	assert_served
	assert_served ::1
	stop_superd
	start_service 'only_from = ::/0'
	assert_served ::1
}

@test "prefixes end where they say" {
	start_service 'only_from = 127.0.0.2/31'
	assert_refused address
	stop_superd
	start_service 'only_from = 127.0.0.0/31'
	assert_served
	stop_superd
	start_service 'only_from = ::2/127'
	assert_refused address ::1
	stop_superd
	start_service 'only_from = ::/127'
	assert_served ::1
}

@test "bits beyond the prefix do not matter" {
	start_service 'only_from = 127.9.9.9/8'
	assert_served
}

@test "factorised addresses, with one, two and three octets before the braces" {
	start_service 'only_from = 127.0.0.{1,9}'
	assert_served
	stop_superd
	start_service 'only_from = 127.0.{0,9}'
	assert_served
	stop_superd
	start_service 'only_from = 127.{5,0}'
	assert_served
	stop_superd
	start_service 'only_from = 127.0.0.{2,3}'
	assert_refused address
}

@test "a mapped client is an IPv4 client, and a mapped rule an IPv4 rule" {
	start_service 'bind = ::' 'only_from = ::ffff:127.0.0.1'
	assert_served
	assert_refused address ::1
}

@test "a name of /etc/networks is a network (glibc)" {
	start_service 'only_from = loopback'
	assert_served
	assert_refused address ::1
}

@test "a host name is its addresses, of both families" {
	start_service 'only_from = localhost'
	assert_served
	run ask "$PORT" 127.0.0.1 <<<hello
	assert_output hello
}

@test "a .domain is asked of the reverse DNS, and who has no name there stays out" {
	start_service 'only_from = .no-such-domain.invalid'
	assert_refused address
}

@test "an address lets in whom a .domain would not" {
	start_service 'only_from = .no-such-domain.invalid 127.0.0.1'
	assert_served
}

@test "no_access wins, however wide or narrow" {
	start_service 'only_from = 127.0.0.1' 'no_access = 127.0.0.0/8'
	assert_refused address
	stop_superd
	start_service 'only_from = 127.0.0.0/8' 'no_access = 127.0.0.1'
	assert_refused address
}

@test "what defaults say of addresses holds unless the service says otherwise" {
	{
		printf 'defaults\n{\nonly_from = 10.0.0.1\nlog_on_failure = HOST\n}\n'
		print_service a
		print_service b 'only_from = 127.0.0.1'
		print_service c 'only_from += 127.0.0.1'
		print_service d 'only_from ='
	} >"$CONF"
	start_superd -c "$CONF"
	assert_refused address
	echoes "$(port_of b)"
	echoes "$(port_of c)"
	run "$CLIENT" "$(port_of d)" all
	assert_output ''
	wait_for_line '^superd: FAIL: d address from=127\.0\.0\.1$'
}

# local_time HH:MM: superd's clock will show that time, to the second, when it starts.
local_time() {
	local now wanted offset
	now=$(($(date +%s) % 86400))
	wanted=$((10#${1%:*} * 3600 + 10#${1#*:} * 60))
	offset=$((now - wanted))
	printf -v offset '%s%d:%02d:%02d' "$([ "$offset" -lt 0 ] && echo -)" \
		$((${offset#-} / 3600)) $((${offset#-} / 60 % 60)) $((${offset#-} % 60))
	SUPERD_PREFIX=(env "TZ=TEST$offset")
}

@test "access_times: within, and outside" {
	local_time 12:00
	start_service 'access_times = 8:00-11:00 11:30-13:00'
	assert_served
	stop_superd
	start_service 'access_times = 8:00-11:00 13:00-14:00'
	assert_refused time
}

@test "access_times: both ends are included" {
	local_time 12:00
	start_service 'access_times = 12:00-13:00'
	assert_served
	stop_superd
	local_time 12:00
	start_service 'access_times = 11:00-12:00'
	assert_served
	stop_superd
	local_time 12:01
	start_service 'access_times = 11:00-12:00'
	assert_refused time
}

@test "access_times: a day has its first and its last minute" {
	local_time 00:00
	start_service 'access_times = 0:00-0:01'
	assert_served
	stop_superd
	local_time 23:59
	start_service 'access_times = 23:00-23:59'
	assert_served
}

@test "max_load = 0 refuses everybody, a high one nobody (Linux)" {
	start_service 'max_load = 0'
	assert_refused load
	stop_superd
	start_service 'max_load = 100000'
	assert_served
}

# A sensor and a service beside it. SENSOR and OTHER are their ports.
start_with_sensor() {
	{
		print_service sensor 'flags = SENSOR' 'log_on_failure = HOST' "$@"
		print_service a 'log_on_failure = HOST'
	} >"$CONF"
	start_superd -c "$CONF"
	SENSOR=$(port_of sensor)
	PORT=$(port_of a)
}

@test "who knocks at a sensor is refused there, and by every service from then on" {
	start_with_sensor 'deny_time = FOREVER'
	assert_served
	run "$CLIENT" "$SENSOR" all
	assert_output ''
	wait_for_line '^superd: FAIL: sensor sensor from=127\.0\.0\.1$'
	assert_refused sensor
	run "$CLIENT" -s 127.0.0.2 "$PORT" 'send:hello\n' line
	assert_output hello
}

@test "a sensor with deny_time = NEVER, which is the default, only says who came" {
	start_with_sensor
	run "$CLIENT" "$SENSOR" all
	wait_for_line '^superd: FAIL: sensor sensor from=127\.0\.0\.1$'
	assert_served
}

@test "a sensor needs no program, and starts none" {
	{
		print_service sensor 'flags = SENSOR' 'deny_time = 5' | sed '/server/d; /user/d'
		print_service a
	} >"$CONF"
	start_superd -c "$CONF"
	run "$CLIENT" "$(port_of sensor)" all
	assert_output ''
	has_children 0
}

@test "whom a sensor's own no_access refuses is not caught" {
	start_with_sensor 'deny_time = FOREVER' 'no_access = 127.0.0.1'
	run "$CLIENT" "$SENSOR" all
	wait_for_line '^superd: FAIL: sensor address from=127\.0\.0\.1$'
	assert_served
}

# Each check is made only when those before it have let the client pass: of two that would refuse, the first is named.
@test "the order of the checks: cps, max_load, access_times, only_from, instances, per_source (Linux)" {
	local_time 12:00
	start_service 'cps = 1 60' 'max_load = 0' 'access_times = 1:00-2:00' 'only_from =' 'instances = 0' 'per_source = 0'
	assert_refused load
	run "$CLIENT" -c 3 "$PORT" all
	wait_for_line '^superd: FAIL: a cps from=127\.0\.0\.1$'
	stop_superd
	start_service 'access_times = 1:00-2:00' 'only_from =' 'instances = 0' 'per_source = 0'
	assert_refused time
	stop_superd
	start_service 'only_from =' 'instances = 0' 'per_source = 0'
	assert_refused address
	stop_superd
	start_service 'instances = 0' 'per_source = 0'
	assert_refused service_limit
	stop_superd
	start_service 'per_source = 0'
	assert_refused per_source_limit
}

@test "a refused client costs no process" {
	start_service 'only_from =' 'cps = 0'
	# Field 11 of /proc/PID/stat: page faults of children that have ended. Any child makes some.
	before=$(awk '{ print $11 }' "/proc/$SUPERD_PID/stat")
	"$CLIENT" -c 200 "$PORT" all >"$BATS_TEST_TMPDIR/output"
	wait_until failures 'a address from=127\.0\.0\.1$' 200
	[ ! -s "$BATS_TEST_TMPDIR/output" ]
	[ "$(awk '{ print $11 }' "/proc/$SUPERD_PID/stat")" -eq "$before" ]
}

@test "a refused datagram is read and dropped" {
	print_service a 'socket_type = dgram' 'wait = yes' 'only_from =' 'log_on_failure = HOST' >"$CONF"
	start_superd -c "$CONF"
	run "$DATAGRAM" -t 0.3 127.0.0.1 "$PORT" one two
	assert_output $'(none)\n(none)'
	wait_until failures 'a address from=127\.0\.0\.1$' 2
	has_children 0
}

@test "bind and interface are one attribute: the first of them holds" {
	print_service a 'bind = 127.0.0.1' 'interface = 0.0.0.0' >"$CONF"
	run "$SUPERD" -t -c "$CONF"
	assert_success
	assert_line --regexp '^.*:[0-9]*: warning: interface: already set at line [0-9]*, which is used$'
	grep -qx 'bind = 127.0.0.1' <<<"$(squeeze_blanks "$output")"
}
