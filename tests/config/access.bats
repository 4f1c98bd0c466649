# SPDX-License-Identifier: ISC
# The admission checks for services from a file: every form of address over IPv4, IPv6 and IPv4-mapped; the time of day; the
# load; sensors; and the order of the checks.

load ../lib/superd
load ../lib/client

# start_service LINE...: start superd with one service, cat, that has these lines.
start_service() {
	print_service a 'log_on_failure = HOST' "$@" >"$CONF"
	start_superd -c "$CONF"
}

assert_served() {
	echoes "$PORT" "${1:-127.0.0.1}"
}

# assert_refused WORD [ADDRESS]: the client gets nothing, the connection ends cleanly, and FAIL has that word.
assert_refused() {
	run "$CLIENT" -h "${2:-127.0.0.1}" "$PORT" all
	assert_success
	assert_output ''
	wait_for_line "^superd: FAIL: a $1 from=${2:-127.0.0.1}\$"
}

@test "only_from: one IPv4 address, superd serves that client and refuses others" {
	needs ipv6
	start_service 'only_from = 127.0.0.1'
	assert_served
	run "$CLIENT" -s 127.0.0.2 "$PORT" all
	assert_output ''
	assert_refused address ::1
}

@test "only_from: one IPv6 address, superd serves that client and refuses others" {
	needs ipv6
	start_service 'only_from = ::1'
	assert_served ::1
	assert_refused address
}

@test "only_from: trailing zero octets, they are wildcards" {
	start_service 'only_from = 127.0.0.0'
	assert_served 127.0.0.1
	run ask "$PORT" 127.1.0.1 <<<hello
	assert_output hello
	stop_superd
	start_service 'only_from = 126.0.0.0'
	assert_refused address
}

@test "only_from: 0.0.0.0 or 0.0.0.0/0, superd serves every IPv4 client and no other, with a warning" {
	needs ipv6
	for all in 0.0.0.0 0.0.0.0/0; do
		start_service "only_from = $all"
		log_has 1 'only_from: 0.0.0.0/0 is every IPv4 address; IPv6 clients are refused'
		assert_served
		assert_refused address ::1
		stop_superd
	done
	assert_accepted 'only_from = 0.0.0.0/0'
}

@test "only_from: 0.0.0.0 in defaults, the warning is there once, and only where a socket takes IPv6" {
	{
		printf 'defaults\n{\n\tonly_from = 0.0.0.0\n}\n'
		print_service a
		print_service b
	} >"$CONF"
	check_config
	[ "$stderr" = 'conf:3: warning: only_from: 0.0.0.0/0 is every IPv4 address; IPv6 clients are refused' ]
	sed -i 's/port = 0/&\n\tbind = 127.0.0.1/' "$CONF"
	check_config
	[ -z "$stderr" ]
}

@test "only_from: ::/0, superd serves every client" {
	needs ipv6
	start_service 'only_from = ::/0'
	assert_served
	assert_served ::1
}

@test "no_access: 0.0.0.0, superd refuses every client of both families" {
	needs ipv6
	start_service 'no_access = 0.0.0.0'
	assert_refused address
	assert_refused address ::1
	assert_accepted 'no_access = 0.0.0.0/0' 'no_access = ::/0'
	assert_accepted 'no_access = ::ffff:0:0/96'
}

@test "addresses: a .domain in proxy_from or no_log_from, which ask no DNS, it is an error" {
	for name in proxy_from no_log_from; do
		assert_rejected "$name = .example.org" "$name: a .domain is not for this attribute"
	done
}

@test "only_from: prefixes, they match exactly as many bits as they name" {
	needs ipv6
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

@test "only_from: bits beyond the prefix, they do not matter" {
	start_service 'only_from = 127.9.9.9/8'
	assert_served
}

@test "only_from: braces after one, two and three octets, each value in them matches" {
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

@test "only_from: an IPv4-mapped IPv6 address, it matches the IPv4 client" {
	needs ipv6
	start_service 'bind = ::' 'only_from = ::ffff:127.0.0.1'
	assert_served
	assert_refused address ::1
}

@test "only_from: a name of /etc/networks, it is that network (glibc)" {
	needs ipv6
	start_service 'only_from = loopback'
	assert_served
	assert_refused address ::1
}

@test "only_from: a host name, it is all of its addresses" {
	needs root ipv6 capabilities
	printf '127.0.0.1 both.test\n::1 both.test\n' >"$BATS_TEST_TMPDIR/hosts"
	SUPERD_PREFIX=(unshare -m sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$BATS_TEST_TMPDIR/hosts")
	start_service 'only_from = both.test'
	assert_served
	assert_served ::1
}

@test "only_from: a .domain and a client without a name in the DNS, superd refuses it" {
	start_service 'only_from = .no-such-domain.invalid'
	assert_refused address
}

@test "only_from: a .domain that does not match and an address that does, superd serves the client" {
	start_service 'only_from = .no-such-domain.invalid 127.0.0.1'
	assert_served
}

@test "no_access: only_from matches too, superd refuses the client whichever is narrower" {
	start_service 'only_from = 127.0.0.1' 'no_access = 127.0.0.0/8'
	assert_refused address
	stop_superd
	start_service 'only_from = 127.0.0.0/8' 'no_access = 127.0.0.1'
	assert_refused address
}

@test "defaults: only_from in defaults, a service keeps, extends or replaces it" {
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

# set_local_time HH:MM: the local time of superd is that, to the second, when it starts. Sets SUPERD_PREFIX.
set_local_time() {
	local now wanted offset
	now=$(($(date +%s) % 86400))
	wanted=$((10#${1%:*} * 3600 + 10#${1#*:} * 60))
	offset=$((now - wanted))
	printf -v offset '%s%d:%02d:%02d' "$([ "$offset" -lt 0 ] && echo -)" \
		$((${offset#-} / 3600)) $((${offset#-} / 60 % 60)) $((${offset#-} % 60))
	SUPERD_PREFIX=(env "TZ=TEST$offset")
}

@test "access_times: two spans, superd serves within them and refuses outside" {
	set_local_time 12:00
	start_service 'access_times = 8:00-11:00 11:30-13:00'
	assert_served
	stop_superd
	start_service 'access_times = 8:00-11:00 13:00-14:00'
	assert_refused time
}

@test "access_times: the first and the last minute of a span, superd serves" {
	set_local_time 12:00
	start_service 'access_times = 12:00-13:00'
	assert_served
	stop_superd
	set_local_time 12:00
	start_service 'access_times = 11:00-12:00'
	assert_served
	stop_superd
	set_local_time 12:01
	start_service 'access_times = 11:00-12:00'
	assert_refused time
}

@test "access_times: the first and the last minute of a day, superd serves" {
	set_local_time 00:00
	start_service 'access_times = 0:00-0:01'
	assert_served
	stop_superd
	set_local_time 23:59
	start_service 'access_times = 23:00-23:59'
	assert_served
}

@test "max_load: 0 and 100000, superd refuses every client and none (Linux)" {
	start_service 'max_load = 0'
	assert_refused load
	stop_superd
	start_service 'max_load = 100000'
	assert_served
}

# start_with_sensor LINE...: start superd with a sensor that has these lines, and a service. Sets SENSOR and PORT, their ports.
start_with_sensor() {
	{
		print_service sensor 'flags = SENSOR' 'log_on_failure = HOST' "$@"
		print_service a 'log_on_failure = HOST'
	} >"$CONF"
	start_superd -c "$CONF"
	SENSOR=$(port_of sensor)
	PORT=$(port_of a)
}

@test "sensor: a client connects to it, every service refuses that client from then on" {
	start_with_sensor 'deny_time = FOREVER'
	assert_served
	run "$CLIENT" "$SENSOR" all
	assert_output ''
	wait_for_line '^superd: FAIL: sensor sensor from=127\.0\.0\.1$'
	assert_refused sensor
	run "$CLIENT" -s 127.0.0.2 "$PORT" 'send:hello\n' line
	assert_output hello
}

@test "sensor: deny_time on datagrams, whose senders can be forged, superd warns and listens" {
	print_service a 'flags = SENSOR' 'deny_time = 5' 'socket_type = dgram' 'wait = yes' >"$CONF"
	check_config
	assert_success
	[ "$stderr" = 'conf:8: warning: deny_time: a sender can forge the address of a datagram, and so have others refused' ]
	sed -i 's/deny_time.*/deny_time = NEVER/' "$CONF"
	check_config
	[ -z "$stderr" ]
}

@test "sensor: deny_time is not set, superd logs the client and other services serve it" {
	start_with_sensor
	run "$CLIENT" "$SENSOR" all
	wait_for_line '^superd: FAIL: sensor sensor from=127\.0\.0\.1$'
	assert_served
}

@test "sensor: no server and no user, it listens and starts no program" {
	{
		print_service sensor 'flags = SENSOR' 'deny_time = 5' | sed '/server/d; /user/d'
		print_service a
	} >"$CONF"
	start_superd -c "$CONF"
	run "$CLIENT" "$(port_of sensor)" all
	assert_output ''
	has_children 0
}

@test "sensor: its own no_access refuses the client, other services serve the client" {
	start_with_sensor 'deny_time = FOREVER' 'no_access = 127.0.0.1'
	run "$CLIENT" "$SENSOR" all
	wait_for_line '^superd: FAIL: sensor address from=127\.0\.0\.1$'
	assert_served
}

# superd stops at the first check that refuses, and FAIL names it.
@test "admission checks: several would refuse, cps, max_load, access_times, only_from, instances and per_source are checked in this order (Linux)" {
	set_local_time 12:00
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

@test "refusal: 200 clients, superd starts no process" {
	start_service 'only_from =' 'cps = 0'
	# Field 11 of /proc/PID/stat: page faults of children that have exited. Every child has some.
	before=$(awk '{ print $11 }' "/proc/$SUPERD_PID/stat")
	"$CLIENT" -c 200 "$PORT" all >"$BATS_TEST_TMPDIR/output"
	wait_until log_has 200 '^superd: FAIL: a address from=127\.0\.0\.1$'
	[ ! -s "$BATS_TEST_TMPDIR/output" ]
	[ "$(awk '{ print $11 }' "/proc/$SUPERD_PID/stat")" -eq "$before" ]
}

@test "refusal: datagrams, superd reads and drops them" {
	print_service a 'socket_type = dgram' 'wait = yes' 'only_from =' 'log_on_failure = HOST' >"$CONF"
	start_superd -c "$CONF"
	run "$DATAGRAM" -t 0.3 127.0.0.1 "$PORT" one two
	assert_output $'(none)\n(none)'
	wait_until log_has 2 '^superd: FAIL: a address from=127\.0\.0\.1$'
	has_children 0
}

@test "bind: bind and interface in one service, the first is used" {
	print_service a 'bind = 127.0.0.1' 'interface = 0.0.0.0' >"$CONF"
	run "$SUPERD" -t -c "$CONF"
	assert_success
	assert_line --regexp '^.*:[0-9]*: warning: interface: already set at line [0-9]*, which is used$'
	grep -qx 'bind = 127.0.0.1' <<<"$(squeeze_blanks "$output")"
}

@test "bind: 0.0.0.0 and :: together, each takes its family, from a file and from the command line" {
	needs ipv6
	print_service a 'bind = 0.0.0.0 ::' 'log_on_success = HOST' >"$CONF"
	for options in "-c $CONF" '-p 0 -b 0.0.0.0 -b :: cat' '-p 0 -b :: -b 127.0.0.1 cat'; do
		read -ra options <<<"$options"
		start_superd "${options[@]}"
		wait_until log_has 2 listening
		echoes "$PORT" 127.0.0.1
		echoes "$PORT" ::1
		wait_until log_has 1 'START.*from=127\.0\.0\.1'
		stop_superd
	done
	check_config
	grep -qx 'v6only = yes' <<<"$(squeeze_blanks "$output")"
}

@test "flags IPv4 and IPv6: bind has no address of that family, it is an error" {
	print_service a 'flags = IPv6' 'bind = 127.0.0.1' >"$CONF"
	assert_config_errors 'conf:10: bind: 127.0.0.1 has no IPv6 address, which flags ask for'
	print_service a 'flags = IPv4' 'bind = ::1 ::2' >"$CONF"
	assert_config_errors 'conf:10: bind: ::1 has no IPv4 address, which flags ask for'
	assert_accepted 'flags = IPv6'
	print_service a 'flags = IPv6' 'bind = /run/some.sock' >"$CONF"
	check_config
	assert_success
	print_service a 'flags = IPv4 IPv6' 'bind = 127.0.0.1 ::1' >"$CONF"
	check_config
	assert_success
}

@test "only_from -=: a word that is not in the list, it is an error" {
	assert_rejected 'only_from -= 127.0.0.300' "only_from: '127.0.0.300' is not in the list"
	print_service a 'only_from = 10.0.0.0/8 192.0.2.1' 'only_from -= 10.0.0.0' >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == *": only_from: '10.0.0.0' is not in the list" ]]
}

@test "flags: SENSOR with wait = yes and a stream, it is an error" {
	print_service a 'flags = SENSOR' 'wait = yes' 'server=' >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == *': flags: SENSOR needs wait = no, since superd has to see the clients' ]]
}

@test "proxy_from: a name that does not resolve, it is an error" {
	print_service a 'proxy_from = nosuch.invalid' >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == conf:*': proxy_from: '*nosuch.invalid* ]]
}

@test "banner: a named pipe, superd does not wait for it" {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	print_service a "banner = $BATS_TEST_TMPDIR/pipe" >"$CONF"
	check_config
	assert_success
}
