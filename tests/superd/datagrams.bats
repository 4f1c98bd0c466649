# SPDX-License-Identifier: ISC
# Datagrams, and wait = yes: the program gets the socket itself, superd does not poll it until the program exits, and restarts a
# program that exits at once with growing delays.

load ../lib/superd
load ../lib/client

# python_server NAME CODE: write a program that runs CODE, in Python. Prints its path.
python_server() {
	write_program "$1" <<<"exec python3 -c '$2'"
}

# start_datagrams LINE...: start superd with one datagram service that has these lines.
start_datagrams() {
	print_service a 'socket_type = dgram' 'wait = yes' 'log_on_success = PID HOST EXIT' 'log_on_failure = HOST' "$@" >"$CONF"
	start_superd -c "$CONF"
}

# Answers one datagram, and exits.
ONE='import socket
s = socket.socket(fileno=0)
data, peer = s.recvfrom(2048)
s.sendto(b"got " + data, peer)'

# Answers datagrams until none has arrived for a while, as tftpd does: each opens a session with its own socket.
TFTP='import os, select, socket
s = socket.socket(fileno=0)
while select.select([s], [], [], 4)[0]:
	data, peer = s.recvfrom(2048)
	if os.fork() == 0:
		own = socket.socket(s.family, socket.SOCK_DGRAM)
		own.settimeout(4)
		own.connect(peer)
		own.send(b"block 1 of " + data)
		try:
			if own.recv(2048) == b"ack 1":
				own.send(b"block 2 of " + data)
		finally:
			os._exit(0)'

ended() {
	[ "$(grep -c '^superd: EXIT: a ' "$LOG")" -eq "$1" ]
}

@test "datagrams: one arrives, the program gets it, and the next program the next one" {
	start_datagrams "server = $(python_server one "$ONE")"
	run "$DATAGRAM" 127.0.0.1 "$PORT" hello
	assert_output 'got hello'
	wait_until ended 1
	run "$DATAGRAM" 127.0.0.1 "$PORT" again
	assert_output 'got again'
}

@test "datagrams: three arrive while a program runs, later programs get them" {
	start_datagrams "server = $(python_server one "$ONE")"
	for i in 1 2 3; do
		start_background "$DATAGRAM" 127.0.0.1 "$PORT" "$i" >"$BATS_TEST_TMPDIR/reply.$i"
	done
	for i in 1 2 3; do
		wait_for_line "^got $i\$" "$BATS_TEST_TMPDIR/reply.$i"
	done
	wait_until ended 3
}

@test "datagrams: START and EXIT, START names the sender of the first datagram" {
	start_datagrams "server = $(python_server one "$ONE")"
	run "$DATAGRAM" 127.0.0.1 "$PORT" hello
	wait_for_line '^superd: START: a pid=[0-9]* from=127\.0\.0\.1 port=[0-9]*$'
	wait_for_line '^superd: EXIT: a status=0 pid=[0-9]*'
}

@test "datagrams: the environment of the program, it names the sender of the first datagram" {
	start_datagrams "server = $(python_server told 'import os, socket
s = socket.socket(fileno=0)
peer = s.recvfrom(2048)[1]
s.sendto(" ".join(os.environ[n] for n in ("PROTO", "TCPREMOTEIP", "REMOTE_HOST")).encode(), peer)')"
	run "$DATAGRAM" 127.0.0.1 "$PORT" hello
	assert_output 'UDP 127.0.0.1 127.0.0.1'
}

@test "datagrams: the descriptors of the program, the socket is 0, 1 and 2 and nothing else is open" {
	start_datagrams "server = $(python_server open 'import os, socket
s = socket.socket(fileno=0)
peer = s.recvfrom(2048)[1]
same = len({os.fstat(n).st_ino for n in (0, 1, 2)}) == 1
s.sendto(b"%d %d" % (same, os.dup(0)), peer)')"
	run "$DATAGRAM" 127.0.0.1 "$PORT" hello
	assert_output '1 3'
}

@test "datagrams: an IPv6 client, it gets its reply" {
	needs ipv6
	start_datagrams "server = $(python_server one "$ONE")"
	run "$DATAGRAM" ::1 "$PORT" hello
	assert_output 'got hello'
	wait_for_line '^superd: START: a pid=[0-9]* from=::1 port=[0-9]*$'
}

@test "datagrams: a UNIX-domain socket, the program gets the datagram" {
	start_datagrams "bind = $BATS_TEST_TMPDIR/socket" "server = $(write_program sink <<<"head -c 5 >$BATS_TEST_TMPDIR/got")"
	python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"hello", sys.argv[1])' "$BATS_TEST_TMPDIR/socket"
	wait_until grep -q hello "$BATS_TEST_TMPDIR/got"
}

@test "datagrams: a program stays as tftpd does, it gets later datagrams and is started again after its exit" {
	start_datagrams "server = $(python_server tftpd "$TFTP")"
	run "$DATAGRAM" 127.0.0.1 "$PORT" file
	assert_output 'block 1 of file'
	run "$DATAGRAM" 127.0.0.1 "$PORT" other
	assert_output 'block 1 of other'
	[ "$(grep -c START "$LOG")" -eq 1 ]
	wait_until ended 1
	run "$DATAGRAM" 127.0.0.1 "$PORT" third
	assert_output 'block 1 of third'
}

@test "datagrams: a program runs and does not read, superd does not poll the socket and uses no processor time" {
	start_datagrams "server = $(write_program stay <<<'sleep 60')"
	"$DATAGRAM" -t 0.01 127.0.0.1 "$PORT" hello
	wait_until has_children 1
	before=$(superd_cpu_time)
	for _ in 1 2 3 4 5; do
		"$DATAGRAM" -t 0.1 127.0.0.1 "$PORT" hello
	done
	after=$(superd_cpu_time)
	[ $((after - before)) -le 10 ]
	has_children 1
}

# The datagram stays unread, so without a delay superd would start the program in a loop.
@test "wait = yes: the program's file is missing for a moment, superd serves again when it is back" {
	for type in dgram stream; do
		server=$(write_program "one-$type" <<<'echo started >&2; exec sleep 0.1')
		print_service a "socket_type = $type" 'wait = yes' "server = $server" 'stderr = log' 'log_on_failure = HOST' >"$CONF"
		start_superd -c "$CONF"
		mv "$server" "$server.away"
		if [ "$type" = dgram ]; then
			"$DATAGRAM" -t 0.01 127.0.0.1 "$PORT" hello
		else
			start_background "$CLIENT" "$PORT" hold
		fi
		wait_for_line '^superd: FAIL: a fork from='
		mv "$server.away" "$server"
		[ "$type" = stream ] || "$DATAGRAM" -t 0.01 127.0.0.1 "$PORT" hello
		wait_for_line '^started$'
		stop_superd
	done
}

@test "wait = yes: a datagram program fails at once, superd restarts it with growing delays and logs that once" {
	start_datagrams "server = $(write_program fail <<<'exit 1')" 'cps = 0'
	"$DATAGRAM" -t 0.01 127.0.0.1 "$PORT" hello
	sleep 3
	started=$(grep -c START "$LOG")
	[ "$started" -ge 2 ]
	[ "$started" -le 10 ]
	[ "$(grep -c 'warning: a: the program exits at once; restarting it with growing delays' "$LOG")" -eq 1 ]
}

@test "wait = yes: a datagram program exits with status 0 without reading, superd does not restart it in a loop" {
	start_datagrams "server = $(write_program nothing <<<'exit 0')" 'cps = 5 2'
	"$DATAGRAM" -t 0.01 127.0.0.1 "$PORT" hello
	sleep 3
	started=$(grep -c START "$LOG")
	[ "$started" -ge 2 ]
	[ "$started" -le 20 ]
}

@test "cps: a datagram program is started too often, superd continues after the time" {
	start_datagrams "server = $(write_program one <<<'head -c 1 >/dev/null')" 'cps = 2 1'
	began=${EPOCHREALTIME/./}
	for i in 1 2 3 4 5; do
		printf %s "$i" >"/dev/udp/127.0.0.1/$PORT"
	done
	wait_until ended 5
	# Two pauses of a second, after two starts each.
	((${EPOCHREALTIME/./} - began >= 1900000))
}

@test "wait = yes: a stream service, the program accepts connections from the listening socket" {
	needs ipv6
	print_service a 'wait = yes' 'log_on_success = PID HOST' "server = $(python_server accept 'import os, socket
s = socket.socket(fileno=0)
c = s.accept()[0]
c.sendall(c.recv(2048))')" >"$CONF"
	start_superd -c "$CONF"
	echoes "$PORT"
	echoes "$PORT" ::1
	[ "$(grep -c '^superd: START: a ' "$LOG")" -eq 2 ]
	# superd does not know the client, so it logs none.
	run grep 'START: a.*port=' "$LOG"
	assert_failure
}

@test "wait = yes: a stream program fails at once, superd does not restart it in a loop" {
	print_service a 'wait = yes' 'cps = 0' 'log_on_success = PID' "server = $(write_program fail <<<'exit 1')" >"$CONF"
	start_superd -c "$CONF"
	start_background "$CLIENT" "$PORT" hold
	wait_for_line 'START: a'
	sleep 2
	[ "$(grep -c START "$LOG")" -le 10 ]
}

@test "wait = yes: three clients, one program runs" {
	print_service a 'wait = yes' "server = $(write_program stay <<<'sleep 60')" >"$CONF"
	start_superd -c "$CONF"
	start_background "$CLIENT" -c 3 "$PORT" hold
	wait_until has_children 1
	start_background "$CLIENT" "$PORT" hold
	sleep 0.5
	has_children 1
}

@test "wait = yes: the program is killed, superd starts it again" {
	print_service a 'wait = yes' 'log_on_success = EXIT' "server = $(write_program stay <<<'sleep 60')" >"$CONF"
	start_superd -c "$CONF"
	start_background "$CLIENT" "$PORT" hold
	wait_until has_children 1
	first=$(pgrep -P "$SUPERD_PID")
	kill -KILL -- "-$first"
	wait_for_line '^superd: EXIT: a signal=9'
	wait_until another_than "$first"
}
another_than() {
	local now
	now=$(pgrep -P "$SUPERD_PID")
	[ -n "$now" ] && [ "$now" != "$1" ]
}

@test "wait = yes: access_times of a stream service, superd checks them before it starts the program" {
	print_service a 'wait = yes' 'access_times = 0:00-0:00' 'log_on_failure = HOST' >"$CONF"
	SUPERD_PREFIX=(env "TZ=TEST$(($(date -u +%-H) - 12))")
	start_superd -c "$CONF"
	start_background "$CLIENT" "$PORT" hold
	wait_for_line 'FAIL: a time'
	has_children 0
}

@test "wait = yes: the program exits with 0 and leaves its datagram, superd starts it again with growing delays" {
	start_superd -p 0 -b 127.0.0.1 -o socket_type=dgram -o wait=yes true
	"$DATAGRAM" -t 0.1 127.0.0.1 "$PORT" hello
	wait_for_line 'warning: true: the program exits at once; restarting it with growing delays'
	sleep 2
	(($(count_log 'START: true') <= 8))
}

@test "wait = yes: the program exits with 0 and has taken its datagram, superd starts it at once for the next" {
	start_superd -p 0 -b 127.0.0.1 -o socket_type=dgram -o wait=yes python3 -c 'import socket
s = socket.socket(fileno=0)
data, peer = s.recvfrom(100)
s.sendto(data, peer)'
	for _ in 1 2 3 4; do
		run "$DATAGRAM" 127.0.0.1 "$PORT" hello
		assert_output hello
	done
	run grep 'exits at once' "$LOG"
	assert_failure
}

@test "datagrams: another superd has the port, superd reports it and exits" {
	needs python3
	port=$(free_port)
	print_service a 'socket_type = dgram' 'wait = yes' "port = $port" >"$CONF"
	start_superd -c "$CONF"
	launch_superd -c "$CONF"
	status=0
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	log_has 1 'Address already in use'
}

@test "datagrams: another user tries to share the port, it cannot" {
	start_datagrams "server = $(python_server one "$ONE")"
	run python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))' "$PORT"
	assert_failure
	assert_output --partial 'Address already in use'
}

@test "datagrams: a program shuts the socket down and a list refuses the sender, superd sleeps" {
	start_datagrams 'only_from = 127.0.0.1' 'cps = 0' "server = $(python_server shut 'import socket
s = socket.socket(fileno=0)
s.recvfrom(2048)
s.shutdown(socket.SHUT_RD)')"
	"$DATAGRAM" -t 0.2 127.0.0.1 "$PORT" hello
	wait_until ended 1
	assert_sleeps 2
}
