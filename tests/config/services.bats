# SPDX-License-Identifier: ISC
# Defaults, and several services in one configuration: ids, ports, conflicts, and what superd leaves out by design.

load ../lib/superd
load ../lib/client

@test "defaults: the block is after the service, it applies" {
	{
		print_service a
		printf 'defaults\n{\nonly_from = 10.0.0.0/8\n}\n'
	} >"$CONF"
	check_config
	assert_success
	grep -qx 'only_from = 10.0.0.0/8' <<<"$(squeeze_blanks "$output")"
}

@test "defaults: two blocks, the second is an error" {
	{
		printf 'defaults\n{\n}\ndefaults\n{\n}\n'
		print_service a
	} >"$CONF"
	assert_config_errors 'conf:4: defaults stand already at conf:1'
}

@test "operators: = for a set, it adds in defaults and replaces in a service" {
	{
		printf 'defaults\n{\nlog_on_success = PID\nlog_on_success = HOST\n}\n'
		print_service a
		print_service b 'log_on_success = EXIT'
		print_service c 'log_on_success += EXIT' 'log_on_success -= PID'
	} >"$CONF"
	check_config
	assert_success
	run grep -x 'log_on_success = .*' <<<"$(squeeze_blanks "$output")"
	assert_output 'log_on_success = PID HOST
log_on_success = EXIT
log_on_success = HOST EXIT'
}

@test "defaults: an attribute of services, it is ignored with a warning, but not chroot" {
	{
		printf 'defaults\n{\n\tuser = nosuch\n\tdisable = yes\n\tflags = REUSE NOSUCH\n}\n'
		print_service a
	} >"$CONF"
	check_config
	assert_success
	[ "$stderr" = 'conf:3: warning: user: not an attribute of defaults; it is ignored
conf:4: warning: disable: not an attribute of defaults; it is ignored
conf:5: warning: flags: not an attribute of defaults; it is ignored' ]
	sed -i 's/user = nosuch/chroot = \/srv/' "$CONF"
	assert_config_errors 'conf:3: chroot: not an attribute of defaults' 'nothing runs, because of the error in defaults'
	print_service a >"$CONF"
	check_config -o user=root
	assert_failure 1
	[ "$stderr" = 'user: not an attribute of defaults
nothing runs, because of the error in defaults' ]
}

@test "defaults: a bad value at start, superd says that nothing runs because of it" {
	{
		printf 'defaults\n{\n\tnice = x\n}\n'
		print_service a
	} >"$CONF"
	launch_superd -c "$CONF"
	status=0
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	log_has 1 'superd: nothing runs, because of the error in defaults'
	log_has 0 'no service to run'
}

@test "defaults: bind or interface, services without one of their own are there" {
	for name in bind interface; do
		{
			printf 'defaults\n{\n\t%s = 127.0.0.2\n}\n' "$name"
			print_service a
			print_service b 'bind = 127.0.0.3'
		} >"$CONF"
		start_superd -c "$CONF"
		wait_until log_has 2 'listening'
		log_has 1 'listening a 127\.0\.0\.2:'
		log_has 1 'listening b 127\.0\.0\.3:'
		stop_superd
	done
}

@test "errors: an attribute of defaults in a service, it is an error" {
	assert_rejected 'enabled = a' 'enabled: an attribute of defaults only'
}

@test "errors: defaults have an error and there are two services, superd prints it once" {
	{
		printf 'defaults\n{\nnice = x\n}\n'
		print_service a
		print_service b
	} >"$CONF"
	check_config
	[ "$(grep -c nice <<<"$stderr")" -eq 1 ]
}

@test "disable: a disabled service has errors, superd ignores them" {
	{
		print_service a 'disable = yes' 'server = /nosuch'
		print_service b
	} >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
	refute_output --partial 'service a'
}

@test "enabled and disabled: lists of ids, they select the services and disable = yes overrides them" {
	{
		printf 'defaults\n{\nenabled = a b\nenabled += c\ndisabled = b\n}\n'
		print_service a
		print_service b
		print_service x 'id = c'
		print_service d
		print_service a2 'id = e' 'disable = no'
	} >"$CONF"
	check_config
	assert_success
	run grep ^service <<<"$output"
	assert_output 'service a
service x'
}

@test "port: the number differs from /etc/services, superd warns and uses it" {
	needs /etc/services
	print_service echo 'port = 10007' >"$CONF"
	sed -i '/UNLISTED/d' "$CONF"
	check_config
	assert_success
	grep -q '^conf:1: warning: port: 10007, though /etc/services has 7 for echo' <<<"$stderr"
	grep -qx 'port = 10007' <<<"$(squeeze_blanks "$output")"
}

@test "port: it is missing, superd uses /etc/services or prints an error" {
	needs /etc/services
	print_service echo | sed '/port/d' >"$CONF"
	check_config
	assert_success
	grep -qx 'port = 7' <<<"$(squeeze_blanks "$output")"
	print_service www 'port=' >"$CONF" # another name of http
	check_config
	assert_success
	grep -qx 'port = 80' <<<"$(squeeze_blanks "$output")"
	print_service no-such-service | sed '/port/d' >"$CONF"
	assert_config_errors "conf:1: port: missing, and no tcp service 'no-such-service' is in /etc/services"
}

@test "conflicts: two services have the same port and address, the error names both places" {
	{
		print_service a 'port = 10007' 'bind = 127.0.0.1'
		print_service b 'port = 10007' 'bind = 127.0.0.1 127.0.0.2'
	} >"$CONF"
	assert_config_errors 'conf:11: b has the address and port of a at conf:1'
	assert_output --partial 'service a'
	refute_output --partial 'service b'
}

@test "conflicts: one port at different addresses or for datagrams, there is no error" {
	{
		print_service a 'port = 10007' 'bind = 127.0.0.1'
		print_service b 'port = 10007' 'bind = 127.0.0.2'
		print_service c 'port = 10007' 'bind = 127.0.0.1' 'socket_type = dgram' 'wait = yes'
	} >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "conflicts: two services with port = 0, both run" {
	{
		print_service a
		print_service b
	} >"$CONF"
	start_superd -c "$CONF"
	echoes "$(port_of a)"
	echoes "$(port_of b)"
}

@test "conflicts: two services with one id at different addresses, both are accepted" {
	{
		print_service a 'server_args = -'
		print_service a 'socket_type = dgram' 'wait = yes'
	} >"$CONF"
	check_config
	assert_success
	[ "$(grep -c '^service a$' <<<"$output")" -eq 2 ]
}

@test "design limits: RPC, TCPMUX and other features that superd does not have, the services are left out with a warning" {
	{
		print_service a 'type = RPC' 'rpc_version = 1-2' 'rpc_number = 300' 'group = nosuch' 'nonsense = 1'
		print_service b 'type = TCPMUX'
		print_service c 'type = TCPMUXPLUS UNLISTED'
		print_service d 'flags = IDONLY'
		print_service e 'flags = INTERCEPT REUSE'
		print_service f 'flags = LABELED'
		print_service servers 'type = INTERNAL UNLISTED'
		print_service services 'type = INTERNAL UNLISTED' 'user = nosuch'
		print_service xadmin 'type = INTERNAL UNLISTED'
		print_service tcpmux 'type = INTERNAL'
		print_service good
	} >"$CONF"
	check_config
	assert_success
	[ "$(grep -c '^conf:[0-9]*: warning: .* is left out: ' <<<"$stderr")" -eq 10 ]
	[ "$(wc -l <<<"$stderr")" -eq 10 ]
	run grep ^service <<<"$output"
	assert_output 'service good'
}

@test "design limits: mdns and libwrap, superd warns and accepts the service" {
	print_service a 'libwrap = other' 'mdns = yes' >"$CONF"
	check_config
	assert_success
	grep -q 'warning: libwrap: ' <<<"$stderr"
	grep -q 'warning: mdns: ' <<<"$stderr"
	assert_output --partial 'service a'
}

@test "id: more than 63 bytes, it is an error" {
	id=$(printf 'x%.0s' {1..63})
	assert_accepted "id = $id"
	assert_rejected "id = ${id}y" "id: '${id}y' has more than 63 bytes"
	print_service "${id}y" >"$CONF"
	assert_config_errors "conf:1: id: '${id}y' has more than 63 bytes"
}
