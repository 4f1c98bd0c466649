# SPDX-License-Identifier: ISC
# The environment of a program: superd's own, `env`, and the client in three conventions.

load ../lib/superd
load ../lib/client

# print_environment ADDRESS [OPTION...]: start superd with these options, and print the environment of a program for a client
# that connects to ADDRESS.
print_environment() {
	local address=$1
	shift
	start_superd -p 0 "$@" env || return
	ask "$PORT" "$address" </dev/null
}

@test "environment: a TCP client, the program has UCSPI's variables" {
	start_superd -p 0 env
	run ask "$PORT" </dev/null
	wait_for_line START
	assert_line PROTO=TCP
	assert_line TCPLOCALIP=127.0.0.1
	assert_line "TCPLOCALPORT=$PORT"
	assert_line TCPREMOTEIP=127.0.0.1
	assert_line "TCPREMOTEPORT=$(sed -n 's/.*START.*port=//p' "$LOG")"
}

@test "environment: a TCP client, the program has systemd's and xinetd's variables" {
	start_superd -p 0 env
	run ask "$PORT" </dev/null
	wait_for_line START
	assert_line REMOTE_ADDR=127.0.0.1
	assert_line "REMOTE_PORT=$(sed -n 's/.*START.*port=//p' "$LOG")"
	assert_line REMOTE_HOST=127.0.0.1
}

@test "environment: an IPv6 client, addresses have no brackets" {
	needs nc pgrep python3 ss ipv6
	run print_environment ::1
	assert_line PROTO=TCP
	assert_line TCPLOCALIP=::1
	assert_line TCPREMOTEIP=::1
	assert_line REMOTE_ADDR=::1
	assert_line REMOTE_HOST=::1
}

@test "environment: an IPv4 client of an IPv6 socket, addresses are IPv4" {
	needs nc pgrep python3 ss
	run print_environment 127.0.0.1 -b ::
	assert_line TCPLOCALIP=127.0.0.1
	assert_line TCPREMOTEIP=127.0.0.1
	assert_line REMOTE_ADDR=127.0.0.1
	assert_line REMOTE_HOST=127.0.0.1
	wait_for_line 'START: env pid=[0-9]* from=127\.0\.0\.1 port='
}

@test "environment: a UNIX-domain client, the program has the socket's path and no TCP variables" {
	SUPERD_PREFIX=(env TCPREMOTEIP=192.0.2.1 TCPREMOTEPORT=1 TCPLOCALIP=192.0.2.1 TCPLOCALPORT=1
		REMOTE_ADDR=192.0.2.1 REMOTE_PORT=1 REMOTE_HOST=192.0.2.1 PROTO=TCP)
	start_superd -b "$BATS_TEST_TMPDIR/socket" env
	run ask "$BATS_TEST_TMPDIR/socket" </dev/null
	assert_line PROTO=UNIX
	assert_line "UNIXLOCALPATH=$BATS_TEST_TMPDIR/socket"
	refute_output --partial 192.0.2.1
	refute_line --regexp '^TCP'
}

@test "environment: superd's own has variables of a client, they are replaced or removed" {
	needs nc pgrep python3 ss
	SUPERD_PREFIX=(env TCPREMOTEIP=192.0.2.1 TCPREMOTEHOST=evil TCPREMOTEINFO=evil UNIXLOCALPATH=/evil
		REMOTE_ADDR=192.0.2.1 PROTO=evil)
	run print_environment 127.0.0.1
	assert_line TCPREMOTEIP=127.0.0.1
	refute_output --partial 192.0.2.1
	refute_output --partial evil
}

@test "environment: another user, HOME, USER, LOGNAME and SHELL are that user's, whatever superd's own are" {
	needs root
	SUPERD_PREFIX=(env HOME=/root USER=root LOGNAME=root SHELL=/bin/sh)
	run print_environment 127.0.0.1 -u nobody -o passenv=
	IFS=: read -r _ _ _ _ _ home shell <<<"$(getent passwd nobody)"
	assert_line "HOME=$home"
	assert_line USER=nobody
	assert_line LOGNAME=nobody
	assert_line "SHELL=$shell"
	run print_environment 127.0.0.1 -u nobody -o env='HOME=/x SHELL=/y'
	assert_line HOME=/x
	assert_line USER=nobody
	assert_line SHELL=/y
	[ "$(grep -cE '^(HOME|USER|LOGNAME|SHELL)=' <<<"$output")" -eq 4 ]
	run print_environment 127.0.0.1 -u 4000123
	refute_line --regexp '^(HOME|USER|LOGNAME|SHELL)='
	run print_environment 127.0.0.1
	assert_line HOME=/root
	assert_line SHELL=/bin/sh
}

@test "environment: env sets variables that exist, each name is there once" {
	start_superd -p 0 -o env=REMOTE_ADDR=1 -o env+=PATH=/bin env -0
	ask "$PORT" </dev/null | tr '\n\0' ' \n' | cut -d = -f 1 >"$BATS_TEST_TMPDIR/names"
	grep -qx TCPREMOTEIP "$BATS_TEST_TMPDIR/names"
	run uniq -d < <(sort "$BATS_TEST_TMPDIR/names")
	assert_output ''
}

@test "environment: superd's own variables, the program has them" {
	needs nc pgrep python3 ss
	SUPERD_PREFIX=(env GREETING=hello)
	run print_environment 127.0.0.1
	assert_line GREETING=hello
}

@test "env: values with -o, they are added and replace superd's own" {
	needs nc pgrep python3 ss
	SUPERD_PREFIX=(env GREETING=hello)
	run print_environment 127.0.0.1 -o env=GREETING=ahoy -o 'env += NAME=Jim EQUATION=a=b'
	assert_line GREETING=ahoy
	assert_line NAME=Jim
	assert_line EQUATION=a=b
}

@test "passenv: a list of names, the program has only these of superd's own" {
	needs nc pgrep python3 ss
	SUPERD_PREFIX=(env GREETING=hello SECRET=1)
	run print_environment 127.0.0.1 -o 'passenv = GREETING PATH'
	assert_line GREETING=hello
	refute_line SECRET=1
	assert_line TCPREMOTEIP=127.0.0.1
}

@test "passenv: an empty list, the program has none of superd's own" {
	needs nc pgrep python3 ss
	SUPERD_PREFIX=(env GREETING=hello)
	run print_environment 127.0.0.1 -o passenv= -o env=NAME=Jim
	assert_line NAME=Jim
	assert_line TCPREMOTEIP=127.0.0.1
	refute_line GREETING=hello
	refute_line --regexp '^PATH='
}

@test "environment: two clients at the same time, each program has its own client" {
	start_superd -p 0 -b 127.0.0.1 sh -c 'read -r line; echo "$TCPREMOTEIP"'
	start_background "$CLIENT" -s 127.0.0.2 "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:\n' line >"$BATS_TEST_TMPDIR/first"
	wait_for_line 'START: sh pid=[0-9]* from=127\.0\.0\.2 '
	run "$CLIENT" -s 127.0.0.3 "$PORT" 'send:\n' line
	assert_output 127.0.0.3
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line '^127\.0\.0\.2$' "$BATS_TEST_TMPDIR/first"
}

@test "environment: superd's own has variables of a UNIX-domain peer, they are not passed on" {
	SUPERD_PREFIX=(env UNIXREMOTEEUID=0 UNIXREMOTEEGID=0 UNIXREMOTEPID=1)
	start_superd -p 0 env
	run ask "$PORT" </dev/null
	refute_output --partial UNIXREMOTE
}
