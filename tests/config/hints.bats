# SPDX-License-Identifier: ISC
# Where a mistake is common, a message says what is meant; and all mistakes of a service are in one run.

load ../lib/superd

@test "hint: a number with a unit that is none, the message has what could be read" {
	assert_rejected 'rlimit_as = 64MB' "rlimit_as: '64MB' is not a number; is 64M meant?"
	assert_rejected 'time_limit = 10s' "time_limit: '10s' is not a number; is 10 meant?"
	assert_rejected 'log_type = FILE /tmp/x 1Mib' "log_type: '1Mib' is not a number; is 1M meant?"
	assert_rejected 'rlimit_as = 5G' "rlimit_as: '5G' is not a number"
	assert_rejected 'instances = 5k' "instances: '5k' is not a number"
}

@test "hint: quotes in server_args, a warning names command" {
	print_service a "server_args = -c 'echo hello'" >"$CONF"
	check_config
	assert_success
	[ "$stderr" = "conf:$(grep -n server_args "$CONF" | cut -d : -f 1): warning: server_args: quotes are passed on to the program; command takes them as sh(1) does" ]
	print_service a "server_args = it's" >"$CONF"
	check_config
	[ -z "$stderr" ]
}

@test "hint: an address with a port, the message says where the port goes" {
	assert_rejected 'bind = 127.0.0.1:80' "bind: 127.0.0.1:80: the port goes to port"
	for address in 127.0.0.1:80 '[::1]:80' localhost:80; do
		run "$SUPERD" -t -p 0 -b "$address" cat
		assert_failure 1
		[[ $output == *"bind: $address: the port goes to -p"* ]]
	done
}

@test "hint: a program's name that is in PATH and in the directory, superd says which it has taken" {
	cd "$BATS_TEST_TMPDIR"
	printf '#!/bin/sh\n' >./cat
	cp cat greet
	chmod +x cat greet
	run --separate-stderr "$SUPERD" -t -p 0 cat
	assert_success
	[[ $stderr == "warning: cat is $(type -P cat); ./cat would be the one in this directory"* ]]
	run "$SUPERD" -t -p 0 greet
	assert_failure 1
	[ "${lines[0]}" = 'greet: no such program in PATH; is ./greet meant?' ]
}

@test "errors: a service lacks four attributes, all are named" {
	printf 'service a\n{\n}\n' >"$CONF"
	assert_config_errors 'conf:1: socket_type: missing, and protocol too' 'conf:1: wait: missing' \
		'conf:1: user: missing' 'conf:1: server: missing'
}

@test "errors: several bad words of one value, all are named" {
	assert_rejected 'flags = REUSE NOS IPv5 IPv4' \
		"flags: 'NOS', 'IPv5' are none of REUSE, NAMEINARGS, NODELAY, KEEPALIVE, IPv4, IPv6, NORETRY, IDONLY, NOLIBWRAP, SENSOR, INTERCEPT, LABELED"
	assert_rejected 'only_from = 10.0.0.0/33 ::1 {' \
		"only_from: '10.0.0.0/33': the prefix length is a number up to 32; '{' is not A.B.C.{D,E}"
	assert_rejected 'access_times = 1:00-2:00 1-2 3:00-2:00' \
		"access_times: '1-2' is not H:MM-H:MM; '3:00-2:00' ends before it begins; write two spans"
	assert_rejected 'env = A B=1 =C' "env: 'A' is not NAME=VALUE; '=C' is not NAME=VALUE"
}

@test "hint: a word like defaults between blocks, nothing runs because of the error" {
	for word in default Defualts DEFAULT 'defaults{'; do
		{
			printf '%s\n{\n\tonly_from = 192.0.2.1\n}\n' "$word"
			print_service a
		} >"$CONF"
		assert_config_errors "conf:1: unknown word '$word'; is defaults meant?" 'nothing runs, because of the error in defaults'
		[ -z "$output" ]
	done
}

@test "hint: an attribute after a block, the block has an error" {
	{
		print_service a
		echo 'only_from = 192.0.2.1'
		echo '}'
		print_service b
	} >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == *": 'only_from' is outside all blocks; is a '}' too early?"* ]]
	refute_output --partial 'service a'
	assert_output --partial 'service b'
}

@test "hint: enabled and disabled name a service that is not there, a warning names it" {
	{
		printf 'defaults\n{\n\tenabled = a b\n\tdisabled = B c\n}\n'
		print_service a
		print_service other 'id = b'
	} >"$CONF"
	check_config
	assert_success
	[ "$stderr" = "conf:4: warning: disabled: there is no service 'B'
conf:4: warning: disabled: there is no service 'c'" ]
}

@test "errors: a } that is too early and then a misspelled attribute, one without =, or another }, the service does not run" {
	for lines in 'only_form = 192.0.2.1' 'only_from 192.0.2.1' $'}\nonly_from = 192.0.2.1'; do
		{
			printf 'defaults\n{\n}\n'
			print_service a
			printf '%s\n}\n' "$lines"
			print_service b
		} >"$CONF"
		run -1 --separate-stderr "$SUPERD" -t -c "$CONF"
		refute_line 'service a'
		assert_line 'service b'
	done
}

@test "hint: an attribute before the first block, or a service called defaults, nothing runs" {
	{
		echo 'only_from = 192.0.2.1'
		print_service a
	} >"$CONF"
	assert_config_errors "conf:1: 'only_from' is outside all blocks; is a '}' too early?" 'defaults may be in what cannot be read'
	[ -z "$output" ]
	{
		printf 'service defaults\n{\n\tonly_from = 192.0.2.1\n}\n'
		print_service a
	} >"$CONF"
	assert_config_errors "conf:1: unknown word 'defaults'; is defaults meant?"
	[ -z "$output" ]
}
