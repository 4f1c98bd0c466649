# Who may come, and when, for services from a file: every form of address over IPv4, IPv6 and mapped; the hour; the load;
# sensors; and the order of the checks.

load helper
load config

# start LINE...: serve one service, cat, with these lines more.
start() {
	service a 'log_on_failure = HOST' "$@" >"$CONF"
	superd_start -c "$CONF"
}

served() {
	serves "$PORT" "${1:-127.0.0.1}"
}

# refused WORD [ADDRESS]: nothing comes back, the connection ends cleanly, and FAIL says why.
refused() {
	run "$TALK" -h "${2:-127.0.0.1}" "$PORT" all
	assert_success
	assert_output ''
	wait_for_line "^superd: FAIL: a $1 from=${2:-127.0.0.1}\$"
}

# failures PATTERN COUNT: so many FAIL lines match.
failures() {
	[ "$(grep -c "^superd: FAIL: $1" "$LOG")" -eq "$2" ]
}

@test "an IPv4 address is itself" {
	start 'only_from = 127.0.0.1'
	served
	run "$TALK" -s 127.0.0.2 "$PORT" all
	assert_output ''
	refused address ::1
}

@test "an IPv6 address is itself" {
	start 'only_from = ::1'
	served ::1
	refused address
}

@test "trailing zero octets are wildcards: one, two and three of them" {
	start 'only_from = 127.0.0.0'
	served 127.0.0.1
	run ask "$PORT" 127.1.0.1 <<<hello
	assert_output hello
	superd_stop
	start 'only_from = 126.0.0.0'
	refused address
}

@test "0.0.0.0 is everyone, IPv6 too" {
	start 'only_from = 0.0.0.0'
	served
	served ::1
}

@test "0.0.0.0/0 and ::/0 are everyone" {
	start 'only_from = 0.0.0.0/0'
	served
	served ::1
	superd_stop
	start 'only_from = ::/0'
	served ::1
}

@test "prefixes end where they say" {
	start 'only_from = 127.0.0.2/31'
	refused address
	superd_stop
	start 'only_from = 127.0.0.0/31'
	served
	superd_stop
	start 'only_from = ::2/127'
	refused address ::1
	superd_stop
	start 'only_from = ::/127'
	served ::1
}

@test "bits beyond the prefix do not matter" {
	start 'only_from = 127.9.9.9/8'
	served
}

@test "factorised addresses, with one, two and three octets before the braces" {
	start 'only_from = 127.0.0.{1,9}'
	served
	superd_stop
	start 'only_from = 127.0.{0,9}'
	served
	superd_stop
	start 'only_from = 127.{5,0}'
	served
	superd_stop
	start 'only_from = 127.0.0.{2,3}'
	refused address
}

@test "a mapped client is an IPv4 client, and a mapped rule an IPv4 rule" {
	start 'bind = ::' 'only_from = ::ffff:127.0.0.1'
	served
	refused address ::1
}

@test "a name of /etc/networks is a network (glibc)" {
	start 'only_from = loopback'
	served
	refused address ::1
}

@test "a host name is its addresses, of both families" {
	start 'only_from = localhost'
	served
	run ask "$PORT" 127.0.0.1 <<<hello
	assert_output hello
}

@test "a .domain is asked of the reverse DNS, and who has no name there stays out" {
	start 'only_from = .no-such-domain.invalid'
	refused address
}

@test "an address lets in whom a .domain would not" {
	start 'only_from = .no-such-domain.invalid 127.0.0.1'
	served
}

@test "no_access wins, however wide or narrow" {
	start 'only_from = 127.0.0.1' 'no_access = 127.0.0.0/8'
	refused address
	superd_stop
	start 'only_from = 127.0.0.0/8' 'no_access = 127.0.0.1'
	refused address
}

@test "what defaults say of addresses holds unless the service says otherwise" {
	{
		printf 'defaults\n{\nonly_from = 10.0.0.1\nlog_on_failure = HOST\n}\n'
		service a
		service b 'only_from = 127.0.0.1'
		service c 'only_from += 127.0.0.1'
		service d 'only_from ='
	} >"$CONF"
	superd_start -c "$CONF"
	refused address
	serves "$(port_of b)"
	serves "$(port_of c)"
	run "$TALK" "$(port_of d)" all
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
	start 'access_times = 8:00-11:00 11:30-13:00'
	served
	superd_stop
	start 'access_times = 8:00-11:00 13:00-14:00'
	refused time
}

@test "access_times: both ends are included" {
	local_time 12:00
	start 'access_times = 12:00-13:00'
	served
	superd_stop
	local_time 12:00
	start 'access_times = 11:00-12:00'
	served
	superd_stop
	local_time 12:01
	start 'access_times = 11:00-12:00'
	refused time
}

@test "access_times: a day has its first and its last minute" {
	local_time 00:00
	start 'access_times = 0:00-0:01'
	served
	superd_stop
	local_time 23:59
	start 'access_times = 23:00-23:59'
	served
}

@test "max_load = 0 refuses everybody, a high one nobody (Linux)" {
	start 'max_load = 0'
	refused load
	superd_stop
	start 'max_load = 100000'
	served
}

# A sensor and a service beside it. SENSOR and OTHER are their ports.
start_with_sensor() {
	{
		service sensor 'flags = SENSOR' 'log_on_failure = HOST' "$@"
		service a 'log_on_failure = HOST'
	} >"$CONF"
	superd_start -c "$CONF"
	SENSOR=$(port_of sensor)
	PORT=$(port_of a)
}

@test "who knocks at a sensor is refused there, and by every service from then on" {
	start_with_sensor 'deny_time = FOREVER'
	served
	run "$TALK" "$SENSOR" all
	assert_output ''
	wait_for_line '^superd: FAIL: sensor sensor from=127\.0\.0\.1$'
	refused sensor
	run "$TALK" -s 127.0.0.2 "$PORT" 'send:hello\n' line
	assert_output hello
}

@test "a sensor with deny_time = NEVER, which is the default, only says who came" {
	start_with_sensor
	run "$TALK" "$SENSOR" all
	wait_for_line '^superd: FAIL: sensor sensor from=127\.0\.0\.1$'
	served
}

@test "a sensor needs no program, and starts none" {
	{
		service sensor 'flags = SENSOR' 'deny_time = 5' | sed '/server/d; /user/d'
		service a
	} >"$CONF"
	superd_start -c "$CONF"
	run "$TALK" "$(port_of sensor)" all
	assert_output ''
	children_are 0
}

@test "whom a sensor's own no_access refuses is not caught" {
	start_with_sensor 'deny_time = FOREVER' 'no_access = 127.0.0.1'
	run "$TALK" "$SENSOR" all
	wait_for_line '^superd: FAIL: sensor address from=127\.0\.0\.1$'
	served
}

# Each check is made only when those before it have let the client pass: of two that would refuse, the first is named.
@test "the order of the checks: cps, max_load, access_times, only_from, instances, per_source (Linux)" {
	local_time 12:00
	start 'cps = 1 60' 'max_load = 0' 'access_times = 1:00-2:00' 'only_from =' 'instances = 0' 'per_source = 0'
	refused load
	run "$TALK" -c 3 "$PORT" all
	wait_for_line '^superd: FAIL: a cps from=127\.0\.0\.1$'
	superd_stop
	start 'access_times = 1:00-2:00' 'only_from =' 'instances = 0' 'per_source = 0'
	refused time
	superd_stop
	start 'only_from =' 'instances = 0' 'per_source = 0'
	refused address
	superd_stop
	start 'instances = 0' 'per_source = 0'
	refused service_limit
	superd_stop
	start 'per_source = 0'
	refused per_source_limit
}

@test "a refused client costs no process" {
	start 'only_from =' 'cps = 0'
	# Field 11 of /proc/PID/stat: page faults of children that have ended. Any child makes some.
	before=$(awk '{ print $11 }' "/proc/$SUPERD_PID/stat")
	"$TALK" -c 200 "$PORT" all >"$BATS_TEST_TMPDIR/output"
	wait_until failures 'a address from=127\.0\.0\.1$' 200
	[ ! -s "$BATS_TEST_TMPDIR/output" ]
	[ "$(awk '{ print $11 }' "/proc/$SUPERD_PID/stat")" -eq "$before" ]
}

@test "a refused datagram is read and dropped" {
	service a 'socket_type = dgram' 'wait = yes' 'only_from =' 'log_on_failure = HOST' >"$CONF"
	superd_start -c "$CONF"
	run "$ROOT/tests/datagram" -t 0.3 127.0.0.1 "$PORT" one two
	assert_output $'(none)\n(none)'
	wait_until failures 'a address from=127\.0\.0\.1$' 2
	children_are 0
}

@test "bind and interface are one attribute: the first of them holds" {
	service a 'bind = 127.0.0.1' 'interface = 0.0.0.0' >"$CONF"
	run "$SUPERD" -t -c "$CONF"
	assert_success
	assert_line --regexp '^.*:[0-9]*: warning: interface: already set at line [0-9]*, which is used$'
	grep -qx 'bind = 127.0.0.1' <<<"$(squeeze "$output")"
}
