# systemd and s6: sockets that are handed over, readiness, reload, stop, the watchdog.

load ../lib/superd
load ../lib/client

# handed [ADDRESS...] -- COMMAND...: run the command with a listening socket for each address on descriptors from 3 on, as
# systemd does: LISTEN_FDS, LISTEN_PID, and LISTEN_FDNAMES from NAME=ADDRESS.
HANDED='
import os, socket, sys
cut = sys.argv.index("--")
names, sockets = [], []
for word in sys.argv[1:cut]:
    name, _, address = word.rpartition("=")
    names.append(name)
    if address.startswith("/"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
    elif address == "udp":
        listener = socket.socket(type=socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", 0))
    else:
        listener = socket.socket()
        listener.bind((address, 0))
    if listener.type == socket.SOCK_STREAM:
        listener.listen(8)
    sockets.append(listener)
for n, listener in enumerate(sockets):
    os.dup2(listener.fileno(), 100 + n)
for n, listener in enumerate(sockets):
    os.dup2(100 + n, 3 + n)
    os.set_inheritable(100 + n, False)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(sockets))
if any(names):
    os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.execvp(sys.argv[cut + 1], sys.argv[cut + 1:])'

hand() {
	SUPERD_PREFIX=(python3 -c "$HANDED" "$@" --)
}

# A socket where superd tells its state; NOTED is the file of what it said, a line a message with \n between its lines.
listen_for_notes() {
	NOTED=$BATS_TEST_TMPDIR/noted
	start_background python3 -c '
import socket, sys
notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notes.bind(("\0" + sys.argv[1][1:]) if sys.argv[1][0] == "@" else sys.argv[1])
print("(bound)", flush=True)
while True:
    print(notes.recv(4096).decode().replace("\n", "\\n"), flush=True)' "${1:-$BATS_TEST_TMPDIR/notify}" >"$NOTED"
	wait_for_line bound "$NOTED"
	SUPERD_PREFIX=(env "NOTIFY_SOCKET=${1:-$BATS_TEST_TMPDIR/notify}" "${@:2}")
}

# said COUNT WORD: so many of the messages begin with the word.
said() {
	[ "$(grep -c "^$2" "$NOTED")" -eq "$1" ]
}

@test "LISTEN_FDS alone: the socket is PROGRAM's" {
	hand 127.0.0.1
	start_superd cat
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "LISTEN_FDS alone: several sockets are all PROGRAM's" {
	hand 127.0.0.1 "$BATS_TEST_TMPDIR/socket" 127.0.0.1
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

@test "systemd-socket-activate starts superd at the first connection, which is served" {
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

@test "with -c each socket goes to the service whose address it has" {
	hand "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
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

@test "with -c and LISTEN_FDNAMES each socket goes to the service of that id" {
	hand two=127.0.0.1 one=127.0.0.1 two=127.0.0.1
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

@test "a socket that no service claims is an error, which names it" {
	hand other=127.0.0.1
	print_open_service one >"$BATS_TEST_TMPDIR/conf"
	launch_superd -c "$BATS_TEST_TMPDIR/conf"
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	run cat "$LOG"
	assert_output --regexp 'superd: .*LISTEN_FDS.*descriptor 3 .*127\.0\.0\.1:[0-9]+.*other'
}

@test "sockets for another process are not touched" {
	SUPERD_PREFIX=(env LISTEN_FDS=1 LISTEN_PID=1)
	start_superd -p 0 cat
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "LISTEN_FDS without PROGRAM and without -c is wrong usage" {
	hand 127.0.0.1
	launch_superd
	status=0
	wait_superd || status=$?
	[ "$status" -eq 2 ]
}

@test "a program does not see the supervisor's variables" {
	hand name=127.0.0.1
	start_superd env
	run "$CLIENT" "$PORT" all
	refute_output --regexp '(^|
)LISTEN_'
}

@test "sockets from a supervisor outlive reload, TERM leaves their path alone" {
	hand "$BATS_TEST_TMPDIR/socket"
	print_open_service one bind="$BATS_TEST_TMPDIR/socket" port= >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	print_open_service one bind="$BATS_TEST_TMPDIR/socket" port= time_limit=60 >"$BATS_TEST_TMPDIR/conf"
	reload_superd
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	assert_output hello
	stop_superd
	[ -S "$BATS_TEST_TMPDIR/socket" ]
}

@test "a service that is removed and comes back gets the supervisor's socket again" {
	hand one="$BATS_TEST_TMPDIR/socket"
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

@test "a datagram socket from a supervisor" {
	hand udp=udp
	printf '#!/bin/sh\nhead -c 5 >%q\n' "$BATS_TEST_TMPDIR/got" >"$BATS_TEST_TMPDIR/program"
	chmod 755 "$BATS_TEST_TMPDIR/program"
	print_open_service udp socket_type=dgram wait=yes server="$BATS_TEST_TMPDIR/program" >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	printf hello >"/dev/udp/127.0.0.1/$(port_of udp)"
	wait_for_line hello "$BATS_TEST_TMPDIR/got"
}

@test "READY is said when it listens, with the number of services and programs" {
	listen_for_notes
	start_superd -p 0 cat
	wait_for_line '^READY=1\\nSTATUS=1 service.*0 ' "$NOTED"
	said 1 READY
}

@test "NOTIFY_SOCKET in the abstract space" {
	listen_for_notes "@superd-test-$BASHPID"
	start_superd -p 0 cat
	wait_for_line '^READY=1' "$NOTED"
}

@test "a NOTIFY_SOCKET that can be none is warned about, and superd serves" {
	NOTIFY_SOCKET=/$(printf 'x%.0s' {1..200})
	export NOTIFY_SOCKET
	start_superd -p 0 cat
	grep -q '^superd: warning: NOTIFY_SOCKET: ' "$LOG"
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "who cannot start does not say READY" {
	listen_for_notes
	run start_superd -p 0 /no/such/program
	assert_failure
	run grep READY "$NOTED"
	assert_failure
}

@test "RELOADING is said with a time after the signal's, then READY" {
	listen_for_notes
	print_open_service a >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	wait_for_line READY "$NOTED"
	now() { python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)'; }
	for n in 1 2 3 4 5; do
		before=$(now)
		reload_superd
		wait_until said $((n + 1)) READY
		usec=$(sed -n 's/^RELOADING=1\\nMONOTONIC_USEC=\([0-9]*\)\\n.*/\1/p' "$NOTED" | tail -n 1)
		((before <= usec && usec <= $(now)))
	done
	[ "$(grep -v bound "$NOTED" | cut -d = -f 1 | xargs)" = \
		'READY RELOADING READY RELOADING READY RELOADING READY RELOADING READY RELOADING READY' ]
}

@test "a reload's time is never before the moment of the signal" {
	listen_for_notes
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
        print("too early by", before - int(times[-1]))' "$SUPERD_PID" "$NOTED"
	assert_output ''
}

@test "a broken reload ends with READY, too" {
	listen_for_notes
	print_open_service a >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	echo 'defaults { nonsense' >"$BATS_TEST_TMPDIR/conf"
	kill -HUP "$SUPERD_PID"
	wait_for_line RELOADING "$NOTED"
	wait_until said 2 READY
}

@test "STOPPING is said at TERM, while programs still run" {
	listen_for_notes
	start_superd -p 0 cat
	open_connection first "$PORT"
	kill -TERM "$SUPERD_PID"
	wait_for_line '^STOPPING=1\\nSTATUS=.* 1 ' "$NOTED"
	kill "$CLIENT_PID"
	wait_superd
}

@test "an upgrade says READY again" {
	listen_for_notes
	start_superd -p 0 cat
	wait_for_line READY "$NOTED"
	upgrade_superd
	wait_until said 2 READY
}

@test "the watchdog has its sign of life in time, at rest and under load, and after an upgrade" {
	listen_for_notes "$BATS_TEST_TMPDIR/notify" WATCHDOG_USEC=1000000
	start_superd -p 0 cat
	signs() { [ "$(grep -c WATCHDOG=1 "$NOTED")" -ge "$1" ]; }
	wait_until signs 3
	start_background "$LOAD" -c 16 -f "$BATS_TEST_TMPDIR/stop" "$PORT" >"$BATS_TEST_TMPDIR/load"
	wait_until signs 7
	touch "$BATS_TEST_TMPDIR/stop"
	upgrade_superd
	wait_until signs 10
}

@test "a watchdog for another process is not fed" {
	listen_for_notes "$BATS_TEST_TMPDIR/notify" WATCHDOG_USEC=100000 WATCHDOG_PID=1
	start_superd -p 0 cat
	wait_for_line READY "$NOTED"
	sleep 1
	run grep WATCHDOG "$NOTED"
	assert_failure
}

@test "without a watchdog superd sleeps" {
	listen_for_notes
	start_superd -p 0 cat
	assert_sleeps 2
}

@test "a notify socket that is gone harms nobody" {
	SUPERD_PREFIX=(env "NOTIFY_SOCKET=$BATS_TEST_TMPDIR/nobody" WATCHDOG_USEC=100000)
	start_superd -p 0 cat
	run ask "$PORT" <<<hello
	assert_output hello
	assert_sleeps 1
	[ "$(wc -l <"$LOG")" -le 8 ]
}

@test "-r 1 leaves the programs their output" {
	start_superd -r 1 -p 0 cat
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "-r writes a newline to the descriptor when superd listens, and closes it" {
	SUPERD_PREFIX=(sh -c 'exec "$@" 9>"$0"' "$BATS_TEST_TMPDIR/ready")
	start_superd -r 9 -p 0 cat
	wait_until test -s "$BATS_TEST_TMPDIR/ready"
	echo | cmp - "$BATS_TEST_TMPDIR/ready"
	[ ! -e "/proc/$SUPERD_PID/fd/9" ]
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "-r: who waits sees the end, so nobody else has the descriptor" {
	mkfifo "$BATS_TEST_TMPDIR/ready"
	SUPERD_PREFIX=(sh -c 'exec "$@" 9>"$0"' "$BATS_TEST_TMPDIR/ready")
	launch_superd -r 9 -p 0 cat
	run timeout "$WAIT_SECONDS" wc -c "$BATS_TEST_TMPDIR/ready"
	assert_output --regexp '^1 '
}

@test "-r: who cannot start writes nothing" {
	SUPERD_PREFIX=(sh -c 'exec "$@" 9>"$0"' "$BATS_TEST_TMPDIR/ready")
	run start_superd -r 9 -p 0 /no/such/program
	assert_failure
	[ ! -s "$BATS_TEST_TMPDIR/ready" ]
}

@test "the systemd units are some that systemd can read" {
	for unit in superd superd-xinetd; do
		sed "s|/usr/local/sbin/superd|$SUPERD|" "$ROOT/systemd/$unit.service" >"$BATS_TEST_TMPDIR/$unit.service"
		run systemd-analyze verify --man=no "$BATS_TEST_TMPDIR/$unit.service"
		refute_output --partial "$unit.service"
	done
}

@test "the systemd units are the same but for what they serve" {
	settings() {
		sed -n "/^\[Service\]/,/^\[Install\]/{/^[A-Z]/{s|-c $2|CONFIG|;s|$1.pid|PID|;p;};}" "$ROOT/systemd/$1.service"
	}
	run diff <(settings superd /etc/superd.d) <(settings superd-xinetd /etc/xinetd.conf)
	assert_output ''
	assert_success
}
