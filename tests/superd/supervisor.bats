# SPDX-License-Identifier: ISC
# systemd and s6: sockets from a supervisor, readiness, reload, stop, the watchdog.

load ../lib/superd
load ../lib/client

pass_sockets() {
	needs python3
	SUPERD_PREFIX=("$LIB/pass_sockets" "$@" --)
}

# open_notify_socket [PATH [VARIABLE=VALUE...]]: open NOTIFY_SOCKET for the superd that is started next. Sets NOTIFICATIONS, the
# file of the messages, one per line, with \n for a newline in them.
open_notify_socket() {
	NOTIFICATIONS=$BATS_TEST_TMPDIR/notifications
	start_background python3 -c '
import socket, sys
notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notes.bind(("\0" + sys.argv[1][1:]) if sys.argv[1][0] == "@" else sys.argv[1])
print("(bound)", flush=True)
while True:
    print(notes.recv(4096).decode().replace("\n", "\\n"), flush=True)' "${1:-$BATS_TEST_TMPDIR/notify}" >"$NOTIFICATIONS"
	wait_for_line bound "$NOTIFICATIONS"
	SUPERD_PREFIX=(env "NOTIFY_SOCKET=${1:-$BATS_TEST_TMPDIR/notify}" "${@:2}")
}

# has_notifications COUNT WORD: that many of the messages begin with the word.
has_notifications() {
	[ "$(grep -c "^$2" "$NOTIFICATIONS")" -eq "$1" ]
}

@test "LISTEN_FDS: one socket and PROGRAM, PROGRAM serves it" {
	pass_sockets 127.0.0.1
	start_superd cat
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "LISTEN_FDS: three sockets and PROGRAM, PROGRAM serves all of them" {
	pass_sockets 127.0.0.1 "$BATS_TEST_TMPDIR/socket" 127.0.0.1
	start_superd sh -c 'echo "$PROTO"'
	[ "$(count_log listening)" -eq 3 ]
	mapfile -t ports < <(sed -n 's/^superd: listening.*:\([0-9]*\)$/\1/p' "$LOG")
	for port in "${ports[@]}"; do
		run "$CLIENT" "$port" all
		assert_output TCP
	done
	run "$CLIENT" "$BATS_TEST_TMPDIR/socket" all
	assert_output UNIX
}

@test "systemd-socket-activate: the first connection starts superd, this client and the next are served" {
	needs python3
	port=$(free_port)
	SUPERD_PREFIX=(systemd-socket-activate -l "127.0.0.1:$port")
	launch_superd cat
	listens() { [ -n "$(ss -ltnH "( sport = :$port )")" ]; }
	wait_until listens
	run ask "$port" <<<first
	assert_output first
	run ask "$port" <<<second
	assert_output second
}

@test "LISTEN_FDS: every interface of IPv4 and of IPv6 at one port, PROGRAM serves both" {
	needs ipv6
	pass_sockets 0.0.0.0 ::
	start_superd cat
	for host in 127.0.0.1 ::1; do
		run ask "$PORT" "$host" <<<hello
		assert_output hello
	done
}

@test "LISTEN_FDS with -c: no names, each socket goes to the service that has its address" {
	pass_sockets "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
	{
		print_open_service two bind="$BATS_TEST_TMPDIR/two" port= server=/bin/echo server_args=2
		print_open_service one bind="$BATS_TEST_TMPDIR/one" port= server=/bin/echo server_args=1
		print_open_service three server=/bin/echo server_args=3
	} >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	run "$CLIENT" "$BATS_TEST_TMPDIR/one" all
	assert_output 1
	run "$CLIENT" "$BATS_TEST_TMPDIR/two" all
	assert_output 2
	run "$CLIENT" "$(port_of three)" all
	assert_output 3
}

@test "LISTEN_FDS with -c: LISTEN_FDNAMES, each socket goes to the service with that id" {
	pass_sockets two=127.0.0.1 one=127.0.0.1 two=127.0.0.1
	{
		print_open_service one server=/bin/echo server_args=1
		print_open_service two server=/bin/echo server_args=2
	} >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	[ "$(count_log 'listening two')" -eq 2 ]
	run "$CLIENT" "$(port_of one)" all
	assert_output 1
	mapfile -t ports < <(sed -n 's/^superd: listening two.*://p' "$LOG")
	for port in "${ports[@]}"; do
		run "$CLIENT" "$port" all
		assert_output 2
	done
}

@test "LISTEN_FDS with -c: no service matches a socket, the error names it" {
	pass_sockets other=127.0.0.1
	print_open_service one >"$BATS_TEST_TMPDIR/conf"
	launch_superd -c "$BATS_TEST_TMPDIR/conf"
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	run cat "$LOG"
	assert_output --regexp 'superd: .*LISTEN_FDS.*descriptor 3 .*127\.0\.0\.1:[0-9]+.*other'
}

@test "LISTEN_FDS: LISTEN_PID is another process, superd ignores the sockets" {
	SUPERD_PREFIX=(env LISTEN_FDS=1 LISTEN_PID=1)
	start_superd -p 0 cat
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "LISTEN_FDS: no socket for superd and no -p, superd exits with an error" {
	for variables in 'LISTEN_FDS=0' 'LISTEN_FDS=1 LISTEN_PID=1'; do
		# shellcheck disable=SC2086 # two variables
		run -1 env $variables "$SUPERD" cat
		assert_output 'superd: port: -p is missing, and LISTEN_FDS passes superd no socket'
	done
}

@test "LISTEN_FDS: neither PROGRAM nor -c, superd exits with status 2" {
	pass_sockets 127.0.0.1
	launch_superd
	status=0
	wait_superd || status=$?
	[ "$status" -eq 2 ]
}

@test "LISTEN_FDS: PROGRAM prints its environment, it has none of these variables" {
	pass_sockets name=127.0.0.1
	start_superd env
	run "$CLIENT" "$PORT" all
	refute_output --regexp '(^|
)LISTEN_'
}

@test "LISTEN_FDS with -c: a reload and TERM, the socket stays open and its path stays" {
	pass_sockets "$BATS_TEST_TMPDIR/socket"
	print_open_service one bind="$BATS_TEST_TMPDIR/socket" port= >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	print_open_service one bind="$BATS_TEST_TMPDIR/socket" port= time_limit=60 >"$BATS_TEST_TMPDIR/conf"
	reload_superd
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	assert_output hello
	stop_superd
	[ -S "$BATS_TEST_TMPDIR/socket" ]
}

@test "LISTEN_FDS with -c: the service is removed and added again, it gets the socket again" {
	pass_sockets one="$BATS_TEST_TMPDIR/socket"
	{
		print_open_service one bind="$BATS_TEST_TMPDIR/socket" port=
		print_open_service two
	} >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	cp "$BATS_TEST_TMPDIR/conf" "$BATS_TEST_TMPDIR/both"
	print_open_service two >"$BATS_TEST_TMPDIR/conf"
	reload_superd
	cp "$BATS_TEST_TMPDIR/both" "$BATS_TEST_TMPDIR/conf"
	reload_superd
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	assert_output hello
}

@test "LISTEN_FDS with -c: the socket's service keeps it for an error and another names its address, that one fails" {
	pass_sockets one=127.0.0.1
	print_open_service one server=/bin/echo server_args=old >"$CONF"
	start_superd -c "$CONF"
	local port=$PORT
	{
		print_open_service one nonsense=1
		print_open_service two port="$port" server=/bin/echo server_args=new
	} >"$CONF"
	kill -HUP "$SUPERD_PID"
	wait_for_line 'reloaded: 0 new, 0 changed, 0 removed, 0 unchanged, 2 with errors'
	grep -q "two: cannot listen on 127.0.0.1:$port: Address already in use" "$LOG"
	run ask "$port" </dev/null
	assert_output old
}

@test "LISTEN_FDS with -c: a datagram socket, the service gets the datagram" {
	pass_sockets udp=udp
	printf '#!/bin/sh\nhead -c 5 >%q\n' "$BATS_TEST_TMPDIR/got" >"$BATS_TEST_TMPDIR/program"
	chmod 755 "$BATS_TEST_TMPDIR/program"
	print_open_service udp socket_type=dgram wait=yes server="$BATS_TEST_TMPDIR/program" >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	printf hello >"/dev/udp/127.0.0.1/$(port_of udp)"
	wait_for_line hello "$BATS_TEST_TMPDIR/got"
}

@test "NOTIFY_SOCKET: superd listens, it sends READY once with the number of services and programs" {
	needs pgrep python3
	open_notify_socket
	start_superd -p 0 cat
	wait_for_line '^READY=1\\nSTATUS=1 service.*0 ' "$NOTIFICATIONS"
	has_notifications 1 READY
}

@test "NOTIFY_SOCKET: a program starts and ends, superd sends the new number of programs soon" {
	needs python3
	open_notify_socket
	start_superd -p 0 cat
	open_connection first "$PORT"
	wait_for_line '^STATUS=1 services, 1 running' "$NOTIFICATIONS"
	kill "$CLIENT_PID"
	wait_for_line '^STATUS=1 services, 0 running' "$NOTIFICATIONS"
}

@test "NOTIFY_SOCKET: an abstract socket, superd sends READY" {
	needs pgrep python3
	open_notify_socket "@superd-test-$BASHPID"
	start_superd -p 0 cat
	wait_for_line '^READY=1' "$NOTIFICATIONS"
}

@test "NOTIFY_SOCKET: the value is invalid, superd warns and serves" {
	NOTIFY_SOCKET=/$(printf 'x%.0s' {1..200})
	export NOTIFY_SOCKET
	start_superd -p 0 cat
	grep -q '^superd: warning: NOTIFY_SOCKET: ' "$LOG"
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "NOTIFY_SOCKET: superd cannot start, it sends no READY" {
	needs python3
	open_notify_socket
	run start_superd -p 0 /no/such/program
	assert_failure
	run grep READY "$NOTIFICATIONS"
	assert_failure
}

@test "NOTIFY_SOCKET: five reloads, superd sends RELOADING with the time and then READY" {
	needs pgrep python3
	open_notify_socket
	print_open_service a >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	wait_for_line READY "$NOTIFICATIONS"
	now() { python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)'; }
	for n in 1 2 3 4 5; do
		before=$(now)
		reload_superd
		wait_until has_notifications $((n + 1)) READY
		usec=$(sed -n 's/^RELOADING=1\\nMONOTONIC_USEC=\([0-9]*\)\\n.*/\1/p' "$NOTIFICATIONS" | tail -n 1)
		((before <= usec && usec <= $(now)))
	done
	[ "$(grep -v bound "$NOTIFICATIONS" | cut -d = -f 1 | xargs)" = \
		'READY RELOADING READY RELOADING READY RELOADING READY RELOADING READY RELOADING READY' ]
}

@test "NOTIFY_SOCKET: ten reloads, the time of RELOADING is never before the signal" {
	needs pgrep python3
	open_notify_socket
	print_open_service a >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	run python3 -c '
import os, re, signal, sys, time
pid, noted = int(sys.argv[1]), sys.argv[2]
for n in range(1, 11):
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    os.kill(pid, signal.SIGHUP)
    while len(times := re.findall("MONOTONIC_USEC=([0-9]+)", open(noted).read())) < n:
        time.sleep(0.01)
    if int(times[-1]) < before:
        print("too early by", before - int(times[-1]))' "$SUPERD_PID" "$NOTIFICATIONS"
	assert_output ''
}

@test "NOTIFY_SOCKET: a reload fails, superd sends READY" {
	needs pgrep python3
	open_notify_socket
	print_open_service a >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	echo 'defaults { nonsense' >"$BATS_TEST_TMPDIR/conf"
	kill -HUP "$SUPERD_PID"
	wait_for_line RELOADING "$NOTIFICATIONS"
	wait_until has_notifications 2 READY
}

@test "NOTIFY_SOCKET: TERM while a program runs, superd sends STOPPING" {
	needs pgrep python3
	open_notify_socket
	start_superd -p 0 cat
	open_connection first "$PORT"
	kill -TERM "$SUPERD_PID"
	wait_for_line '^STOPPING=1\\nSTATUS=.* 1 ' "$NOTIFICATIONS"
	kill "$CLIENT_PID"
	wait_superd
}

@test "NOTIFY_SOCKET: an upgrade, superd sends READY again" {
	needs pgrep python3
	open_notify_socket
	start_superd -p 0 cat
	wait_for_line READY "$NOTIFICATIONS"
	upgrade_superd
	wait_until has_notifications 2 READY
}

@test "WATCHDOG_USEC: idle, under load and after an upgrade, superd sends WATCHDOG in time" {
	needs pgrep python3
	open_notify_socket "$BATS_TEST_TMPDIR/notify" WATCHDOG_USEC=1000000
	start_superd -p 0 cat
	signs() { [ "$(grep -c WATCHDOG=1 "$NOTIFICATIONS")" -ge "$1" ]; }
	wait_until signs 3
	start_background "$LOAD" -c 16 -f "$BATS_TEST_TMPDIR/stop" "$PORT" >"$BATS_TEST_TMPDIR/load"
	wait_until signs 7
	touch "$BATS_TEST_TMPDIR/stop"
	upgrade_superd
	wait_until signs 10
}

@test "WATCHDOG_USEC: WATCHDOG_PID is another process, superd sends nothing" {
	needs pgrep python3
	open_notify_socket "$BATS_TEST_TMPDIR/notify" WATCHDOG_USEC=100000 WATCHDOG_PID=1
	start_superd -p 0 cat
	wait_for_line READY "$NOTIFICATIONS"
	sleep 1
	run grep WATCHDOG "$NOTIFICATIONS"
	assert_failure
}

@test "WATCHDOG_USEC: not set, superd uses no processor time" {
	needs pgrep python3
	open_notify_socket
	start_superd -p 0 cat
	assert_sleeps 2
}

@test "NOTIFY_SOCKET: nothing reads the socket, superd serves and sleeps" {
	SUPERD_PREFIX=(env "NOTIFY_SOCKET=$BATS_TEST_TMPDIR/nobody" WATCHDOG_USEC=100000)
	start_superd -p 0 cat
	run ask "$PORT" <<<hello
	assert_output hello
	assert_sleeps 1
	[ "$(wc -l <"$LOG")" -le 8 ]
}

@test "superd -r: descriptor 1, programs still write to their connection" {
	start_superd -r 1 -p 0 cat
	run ask "$PORT" <<<hello
	assert_output hello
	run grep -e '-r 1' "$LOG"
	assert_failure
}

@test "superd -r: superd listens, it writes a newline to a file and closes the descriptor" {
	SUPERD_PREFIX=(sh -c 'exec "$@" 9>"$0"' "$BATS_TEST_TMPDIR/ready")
	start_superd -r 9 -p 0 cat
	wait_until test -s "$BATS_TEST_TMPDIR/ready"
	echo | cmp - "$BATS_TEST_TMPDIR/ready"
	[ ! -e "/proc/$SUPERD_PID/fd/9" ]
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "superd -r: a reader waits for the end of the pipe, no other process keeps it open" {
	mkfifo "$BATS_TEST_TMPDIR/ready"
	SUPERD_PREFIX=(sh -c 'exec "$@" 9>"$0"' "$BATS_TEST_TMPDIR/ready")
	launch_superd -r 9 -p 0 cat
	run timeout "$WAIT_SECONDS" wc -c "$BATS_TEST_TMPDIR/ready"
	assert_output --regexp '^1 '
}

@test "superd -r: superd cannot start, it writes nothing" {
	needs python3
	SUPERD_PREFIX=(sh -c 'exec "$@" 9>"$0"' "$BATS_TEST_TMPDIR/ready")
	run start_superd -r 9 -p 0 /no/such/program
	assert_failure
	[ ! -s "$BATS_TEST_TMPDIR/ready" ]
}

# pass_descriptor PYTHON: superd is started with descriptor 3 of that expression, as LISTEN_FDS=1.
pass_descriptor() {
	SUPERD_PREFIX=(python3 -c 'import os, socket, sys
thing = eval(sys.argv[1])
os.dup2(thing.fileno(), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = "1"
os.execvp(sys.argv[2], sys.argv[2:])' "$1")
}

# assert_descriptor_refused FAULT: superd does not start with it, and the error is this.
assert_descriptor_refused() {
	run -1 timeout "$WAIT_SECONDS" "${SUPERD_PREFIX[@]}" "$SUPERD" cat
	assert_line "superd: LISTEN_FDS: descriptor 3 () is $1"
}

@test "LISTEN_FDS: a regular file, superd names it and does not start" {
	needs python3
	pass_descriptor 'open("/etc/passwd")'
	assert_descriptor_refused 'not a socket'
}

@test "LISTEN_FDS: one end of a socket pair, superd names it and does not start" {
	needs python3
	pass_descriptor 'socket.socketpair()[0]'
	assert_descriptor_refused 'a connected socket, such as of Accept=yes'
}

@test "LISTEN_FDS: a connected socket, superd names it and does not start" {
	needs python3
	pass_descriptor '[l := socket.create_server(("127.0.0.1", 0)), c := socket.create_connection(l.getsockname()), l.accept()][1]'
	assert_descriptor_refused 'a connected socket, such as of Accept=yes'
}

@test "LISTEN_FDS: a stream socket that does not listen, superd names it and does not start" {
	needs python3
	pass_descriptor '(lambda s: (s.bind(("127.0.0.1", 0)), s)[1])(socket.socket())'
	assert_descriptor_refused 'a socket that does not listen'
}

@test "LISTEN_FDS: the owner shuts one of two sockets down, superd pauses that service and serves the other" {
	print_open_service a >"$CONF"
	print_open_service b >>"$CONF"
	SUPERD_PREFIX=(python3 -c 'import os, socket, sys, time
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
for n, s in enumerate(sockets):
    os.dup2(s.fileno(), 100 + n)
if os.fork() == 0:
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    socket.socket(fileno=100).shutdown(socket.SHUT_RDWR)
    os._exit(0)
for n in range(2):
    os.dup2(100 + n, 3 + n)
    os.close(100 + n)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="a:b")
os.execvp(sys.argv[2], sys.argv[2:])' "$BATS_TEST_TMPDIR/shut")
	start_superd -c "$CONF"
	touch "$BATS_TEST_TMPDIR/shut"
	wait_for_line '^superd: a: accept: Invalid argument; new connections wait'
	for _ in 1 2 3 4 5; do
		echoes "$(port_of b)"
	done
	[ "$(count_log 'accept: ')" -eq 1 ]
}
