# SPDX-License-Identifier: ISC
# Lines of inetd.conf(5): each is read as the block that means the same.
#
# shellcheck disable=SC1003,SC2154 # a \ in quotes; check_config sets stderr

load ../lib/superd
load ../lib/client

# assert_block LINE ATTRIBUTE...: superd -t prints a block for the line that has all these attributes, and reads it back.
assert_block() {
	local line=$1 attribute printed
	shift
	printf '%s\n' "$line" >"$CONF"
	check_config
	[ "$status" -eq 0 ] || fail "$line: $stderr"
	printed=$output
	for attribute; do
		grep -qxF -e "$attribute" <<<"$(squeeze_blanks "$printed")" || fail "$line: no $attribute in $printed"
	done
	printf '%s\n' "$printed" >"$CONF"
	check_config
	[ "$output" = "$printed" ] || fail "$line: $output"
}

# assert_line_rejected LINE MESSAGE: the line is an error, and a service after it runs.
assert_line_rejected() {
	printf '# before\n%s\n4242 stream tcp nowait %s /bin/cat cat\n' "$1" "$ME" >"$CONF"
	assert_config_errors "conf:2: $2"
	grep -qx 'service 4242' <<<"$output" || fail "$1: the next line does not run"
}

@test "inetd.conf: a line with a program, the block has what inetd does" {
	needs /etc/services
	assert_block "7000 stream tcp nowait $ME /bin/cat cat -u a#b" 'service 7000' 'type = UNLISTED' 'port = 7000' 'socket_type = stream' \
		'protocol = tcp' 'wait = no' "user = $ME" 'server = /bin/cat' 'server_args = cat -u a#b' 'flags = NAMEINARGS' 'groups = yes' \
		'cps = 0' 'log_on_success =' 'stderr = client' 'instances = UNLIMITED'
	assert_block "ftp stream tcp nowait $ME /bin/cat" 'service ftp' 'port = 21' 'server = /bin/cat'
	! grep -E 'server_args|flags|UNLISTED|bind' <<<"$output" || false
}

@test "inetd.conf: addresses before the service and in a line of their own, the service listens there" {
	needs /etc/services
	assert_block "127.0.0.1:7000 stream tcp nowait $ME /bin/cat" 'bind = 127.0.0.1' 'port = 7000'
	assert_block "127.0.0.1,[::1]:7000 stream tcp nowait $ME /bin/cat" 'bind = 127.0.0.1 ::1'
	assert_block "::1:7000 stream tcp nowait $ME /bin/cat" 'bind = ::1'
	assert_block "*:ftp stream tcp nowait $ME /bin/cat" 'bind = *' 'service ftp'
	printf '%s\n' 'localhost:' "7000 stream tcp4 nowait $ME /bin/cat" "127.0.0.2:7000 stream tcp nowait $ME /bin/cat" \
		'*:' "7001 stream tcp nowait $ME /bin/cat" >"$CONF"
	check_config
	assert_success
	[ "$(squeeze_blanks "$output" | grep '^bind')" = $'bind = localhost\nbind = 127.0.0.2\nbind = *' ]
}

@test "inetd.conf: protocols, each has its family" {
	needs /etc/services
	local protocol
	for protocol in tcp tcp46; do
		assert_block "7000 stream $protocol nowait $ME /bin/cat" 'protocol = tcp' 'v6only = no'
		! grep flags <<<"$output" || false
	done
	assert_block "7000 stream tcp4 nowait $ME /bin/cat x" 'protocol = tcp' 'flags = IPv4 NAMEINARGS'
	assert_block "7000 stream tcp6 nowait $ME /bin/cat" 'protocol = tcp' 'flags = IPv6' 'v6only = yes'
	assert_block "7000 dgram udp wait $ME /bin/cat" 'protocol = udp' 'socket_type = dgram' 'wait = yes'
	assert_block "7000 dgram udp6 wait $ME /bin/cat" 'protocol = udp' 'flags = IPv6'
	assert_block "/run/x/greet stream unix nowait $ME /bin/cat" 'service greet' 'bind = /run/x/greet' 'type = UNLISTED'
	assert_block "echo stream tcp nowait $ME internal" 'type = INTERNAL' 'port = 7'
	assert_block "echo dgram udp wait $ME internal" 'type = INTERNAL' 'port = 7'
}

@test "inetd.conf: numbers at wait or nowait, they are cps, instances, per_source_cps and per_source" {
	assert_block "7000 stream tcp nowait.120 $ME /bin/cat" 'cps = 2 10' 'instances = UNLIMITED'
	assert_block "7000 stream tcp nowait:121 $ME /bin/cat" 'cps = 3 10'
	assert_block "7000 dgram udp wait.0 $ME /bin/cat" 'cps = 0'
	assert_block "7000 stream tcp nowait/5 $ME /bin/cat" 'instances = 5' 'cps = 0' 'per_source = UNLIMITED'
	assert_block "7000 stream tcp nowait/5/600/3 $ME /bin/cat" 'instances = 5' 'per_source_cps = 10' 'per_source = 3'
	assert_block "7000 stream tcp nowait/0/0/3 $ME /bin/cat" 'instances = UNLIMITED' 'per_source = 3'
}

@test "inetd.conf: a user with a group or a class, both are taken and the class is ignored" {
	local group
	group=$(id -gn)
	assert_block "7000 stream tcp nowait $ME.$group /bin/cat" "user = $ME" "group = $group"
	assert_block "7000 stream tcp nowait $ME:$group /bin/cat" "user = $ME" "group = $group"
	assert_block "7000 stream tcp nowait $ME:$group/daemon /bin/cat" "user = $ME" "group = $group"
	printf '7000 stream tcp,sndbuf=64k nowait %s/daemon /bin/cat\n' "$ME" >"$CONF"
	check_config
	assert_success
	[ "$stderr" = "conf:1: warning: ',sndbuf=64k': superd leaves the size of buffers to the system
conf:1: warning: '/daemon': superd has no login classes; it is ignored" ]
}

@test "inetd.conf: comments, Debian's off lines, RPC and TCPMUX, they start nothing and are no error" {
	printf '%s\n' '# ftp stream tcp nowait root /bin/cat' '#<off># ftp stream tcp nowait root /bin/cat' '' \
		'rstatd/1-3 dgram rpc/udp wait root /usr/sbin/rstatd rstatd' 'tcpmux stream tcp nowait root internal' \
		'tcpmux/+date stream tcp nowait root /bin/date date' "7000 stream tcp nowait $ME /bin/cat" >"$CONF"
	check_config
	assert_success
	[ "$(grep -c '^service' <<<"$output")" -eq 1 ]
	[ "$(cut -d : -f 1-4 <<<"$stderr")" = 'conf:4: warning: rstatd is left out
conf:5: warning: tcpmux is left out
conf:6: warning: tcpmux is left out' ]
}

@test "inetd.conf: errors, each names the line and what is wrong, and the next line runs" {
	assert_line_rejected "7000 strem tcp nowait $ME /bin/cat" "socket_type: 'strem' is none of stream, dgram, raw, seqpacket"
	assert_line_rejected "7000 stream tcq nowait $ME /bin/cat" "protocol: unknown protocol 'tcq'"
	assert_line_rejected "7000 stream tcp waits $ME /bin/cat" \
		"'waits' is neither wait nor nowait, with .NUMBER or /NUMBER/NUMBER/NUMBER"
	for wait in nowait. nowait/ nowait/x nowait/1/2/3/4 nowait.1/2 nowait.-1 wait/9999999999; do
		assert_line_rejected "7000 stream tcp $wait $ME /bin/cat" \
			"'$wait' is neither wait nor nowait, with .NUMBER or /NUMBER/NUMBER/NUMBER"
	done
	assert_line_rejected '7000 stream tcp nowait nosuch /bin/cat' "user: unknown user 'nosuch'"
	assert_line_rejected "7000 stream tcp nowait $ME cat" "server: 'cat' is not an absolute path"
	assert_line_rejected '7000 stream tcp' \
		'7000: fewer than six fields: service, socket type, protocol, wait or nowait, user, program'
	assert_line_rejected "nosuch stream tcp nowait $ME /bin/cat" "port: missing, and no tcp service 'nosuch' is in /etc/services"
	assert_line_rejected "auth stream tcp nowait $ME internal" "type: there is no internal service 'auth'"
	assert_line_rejected 'junk in a line' "expected service, defaults, include, includedir or a line of inetd.conf instead of 'junk'"
}

@test "inetd.conf: an address or a path without a service, it is an error" {
	local service
	for service in 127.0.0.1: '*:' '[::1]:' /tmp/x/ /; do
		assert_line_rejected "$service stream unix nowait $ME /bin/cat" 'a service without a name'
	done
}

@test "inetd.conf: a path whose last part could not be a name in a file, the block reads back" {
	assert_block "/run/x/#a stream unix nowait $ME /bin/cat" 'service _a' 'id = _a' 'bind = /run/x/#a'
	assert_block "/run/x/{ stream unix nowait $ME /bin/cat" 'service _'
}

@test "inetd.conf: an error on a terminal, the line is quoted with a mark" {
	printf '7000 stream tcq nowait %s /bin/cat\n' "$ME" >"$CONF"
	run script -qec "$SUPERD -t -c $CONF" /dev/null
	assert_output --partial "    1 | 7000 stream tcq nowait $ME /bin/cat"
	assert_output --partial '            ^~~'
}

@test "inetd.conf: lines among blocks and included, defaults apply to them" {
	printf '7001 stream tcp nowait %s /bin/cat\n' "$ME" >"$BATS_TEST_TMPDIR/inner"
	{
		printf 'defaults\n{\nnice = 3\nlog_on_success = PID\n}\n127.0.0.1:\ninclude %s\n' "$BATS_TEST_TMPDIR/inner"
		print_service a
		printf '7002 stream tcp nowait %s /bin/cat\n' "$ME"
	} >"$CONF"
	check_config
	assert_success
	[ "$(squeeze_blanks "$output" | grep -E '^(service|nice|log_on_success|bind)')" = 'service 7001
nice = 3
log_on_success =
service a
nice = 3
log_on_success = PID
service 7002
bind = 127.0.0.1
nice = 3
log_on_success =' ]
}

@test "inetd.conf: five rewritten files and HUP, superd serves what each says (Linux)" {
	needs python3
	local round port
	port=$(free_port)
	: >"$CONF"
	printf '127.0.0.1:%s stream tcp nowait %s /bin/echo echo round 0\n' "$port" "$ME" >"$CONF"
	start_superd -c "$CONF"
	for round in 1 2 3 4 5; do
		printf '127.0.0.1:%s stream tcp nowait %s /bin/echo echo round %s\n' "$port" "$ME" "$round" >"$CONF"
		[ $((round % 2)) -eq 0 ] || printf '127.0.0.2:%s stream tcp nowait %s /bin/cat cat\n' "$port" "$ME" >>"$CONF"
		kill -HUP "$SUPERD_PID"
		wait_until log_has "$round" 'reloaded:'
		run ask "$port" </dev/null
		assert_output "round $round"
		if [ $((round % 2)) -eq 1 ]; then
			run ask "$port" 127.0.0.2 <<<hello
			assert_output hello
		else
			! ask "$port" 127.0.0.2 <<<hello || false
		fi
	done
}

@test "inetd.conf: an address without its colon, it is an error and the services listen there alone" {
	printf '127.0.0.1\n0 stream tcp nowait %s /bin/cat cat\n' "$ME" >"$CONF"
	check_config
	assert_failure 1
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	grep -qx 'bind = 127.0.0.1' <<<"$(squeeze_blanks "$output")"
}
