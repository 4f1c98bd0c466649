# The environment of a program: superd's own, `env`, and the peer in three conventions.

load ../lib/superd
load ../lib/client

# The program's environment, with superd started by the arguments and asked at an address.
environment() {
	local address=$1
	shift
	start_superd -p 0 "$@" env || return
	ask "$PORT" "$address" </dev/null
}

@test "the peer is there as UCSPI has it" {
	start_superd -p 0 env
	run ask "$PORT" </dev/null
	wait_for_line START
	assert_line PROTO=TCP
	assert_line TCPLOCALIP=127.0.0.1
	assert_line "TCPLOCALPORT=$PORT"
	assert_line TCPREMOTEIP=127.0.0.1
	assert_line "TCPREMOTEPORT=$(sed -n 's/.*START.*port=//p' "$LOG")"
}

@test "the peer is there as systemd and xinetd have it" {
	start_superd -p 0 env
	run ask "$PORT" </dev/null
	wait_for_line START
	assert_line REMOTE_ADDR=127.0.0.1
	assert_line "REMOTE_PORT=$(sed -n 's/.*START.*port=//p' "$LOG")"
	assert_line REMOTE_HOST=127.0.0.1
}

@test "an IPv6 peer is shown without brackets" {
	run environment ::1
	assert_line PROTO=TCP
	assert_line TCPLOCALIP=::1
	assert_line TCPREMOTEIP=::1
	assert_line REMOTE_ADDR=::1
	assert_line REMOTE_HOST=::1
}

@test "an IPv4 peer of an IPv6 socket is shown as IPv4" {
	run environment 127.0.0.1 -b ::
	assert_line TCPLOCALIP=127.0.0.1
	assert_line TCPREMOTEIP=127.0.0.1
	assert_line REMOTE_ADDR=127.0.0.1
	assert_line REMOTE_HOST=127.0.0.1
	wait_for_line 'START: env pid=[0-9]* from=127\.0\.0\.1 port='
}

@test "a UNIX-domain peer has the socket's path and no TCP" {
	SUPERD_PREFIX=(env TCPREMOTEIP=192.0.2.1 TCPREMOTEPORT=1 TCPLOCALIP=192.0.2.1 TCPLOCALPORT=1
		REMOTE_ADDR=192.0.2.1 REMOTE_PORT=1 REMOTE_HOST=192.0.2.1 PROTO=TCP)
	start_superd -b "$BATS_TEST_TMPDIR/socket" env
	run ask "$BATS_TEST_TMPDIR/socket" </dev/null
	assert_line PROTO=UNIX
	assert_line "UNIXLOCALPATH=$BATS_TEST_TMPDIR/socket"
	refute_output --partial 192.0.2.1
	refute_line --regexp '^TCP'
}

@test "what superd's own environment says of a peer is replaced, not doubled" {
	SUPERD_PREFIX=(env TCPREMOTEIP=192.0.2.1 TCPREMOTEHOST=evil TCPREMOTEINFO=evil UNIXLOCALPATH=/evil
		REMOTE_ADDR=192.0.2.1 PROTO=evil)
	run environment 127.0.0.1
	assert_line TCPREMOTEIP=127.0.0.1
	refute_output --partial 192.0.2.1
	refute_output --partial evil
}

@test "a name stands once in the environment" {
	start_superd -p 0 -o env=REMOTE_ADDR=1 -o env+=PATH=/bin env -0
	ask "$PORT" </dev/null | tr '\n\0' ' \n' | cut -d = -f 1 >"$BATS_TEST_TMPDIR/names"
	grep -qx TCPREMOTEIP "$BATS_TEST_TMPDIR/names"
	run uniq -d < <(sort "$BATS_TEST_TMPDIR/names")
	assert_output ''
}

@test "superd's own environment reaches the program" {
	SUPERD_PREFIX=(env GREETING=hello)
	run environment 127.0.0.1
	assert_line GREETING=hello
}

@test "env adds to it, and wins over it" {
	SUPERD_PREFIX=(env GREETING=hello)
	run environment 127.0.0.1 -o env=GREETING=ahoy -o 'env += NAME=Jim EQUATION=a=b'
	assert_line GREETING=ahoy
	assert_line NAME=Jim
	assert_line EQUATION=a=b
}

@test "passenv lets only the named variables through" {
	SUPERD_PREFIX=(env GREETING=hello SECRET=1)
	run environment 127.0.0.1 -o 'passenv = GREETING PATH'
	assert_line GREETING=hello
	refute_line SECRET=1
	assert_line TCPREMOTEIP=127.0.0.1
}

@test "passenv with nothing passes nothing of superd's own" {
	SUPERD_PREFIX=(env GREETING=hello)
	run environment 127.0.0.1 -o passenv= -o env=NAME=Jim
	assert_line NAME=Jim
	assert_line TCPREMOTEIP=127.0.0.1
	refute_line GREETING=hello
	refute_line --regexp '^PATH='
}

@test "two connections do not mix up their peers" {
	start_superd -p 0 -b 127.0.0.1 sh -c 'read -r line; echo "$TCPREMOTEIP"'
	start_background "$CLIENT" -s 127.0.0.2 "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:\n' line >"$BATS_TEST_TMPDIR/first"
	wait_for_line 'START: sh pid=[0-9]* from=127\.0\.0\.2 '
	run "$CLIENT" -s 127.0.0.3 "$PORT" 'send:\n' line
	assert_output 127.0.0.3
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line '^127\.0\.0\.2$' "$BATS_TEST_TMPDIR/first"
}
