# SPDX-License-Identifier: ISC
# Clients that superd has accepted, and that a reload or an upgrade finds waiting: pending in a shortage, for their PROXY header, in
# the backlog. None of them may get a program that its service's present configuration would not give it.

load ../lib/superd
load ../lib/client
load ../lib/fault

setup() {
	needs python3
	PROGRAM=$BATS_TEST_TMPDIR/program
	cp "$(type -P echo)" "$PROGRAM"
}

# open_program: the program's file is open for writing, so that no program can start, and clients are pending.
open_program() {
	exec 8>>"$PROGRAM"
}

close_program() {
	exec 8>&-
}

# open_pending PORT: a client for which no program can be started. Its output is $BATS_TEST_TMPDIR/pending.
open_pending() {
	start_background "$CLIENT" "$1" all >"$BATS_TEST_TMPDIR/pending" 2>&1 8>&-
	CLIENT_PID=$BG_PID
	wait_for_line 'Text file busy; new connections wait'
}

# assert_pending_gets TEXT: the client gets that, and superd still serves b.
assert_pending_gets() {
	wait_until is_gone "$CLIENT_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/pending")" = "$1" ]
	echoes "$(port_of b)"
}

@test "upgrade: a client is pending and its service is not configured any more, it is refused and superd serves" {
	print_open_service b >"$BATS_TEST_TMPDIR/b"
	{
		print_open_service a "server = $PROGRAM"
		cat "$BATS_TEST_TMPDIR/b"
	} >"$CONF"
	start_superd -c "$CONF"
	open_program
	open_pending "$(port_of a)"
	cp "$BATS_TEST_TMPDIR/b" "$CONF"
	upgrade_superd
	assert_pending_gets ''
}

@test "upgrade: a PROXY header is awaited and its service is not configured any more, the client is refused and superd serves" {
	print_open_service b >"$BATS_TEST_TMPDIR/b"
	{
		print_open_service a 'proxy_from = 127.0.0.1'
		cat "$BATS_TEST_TMPDIR/b"
	} >"$CONF"
	start_superd -c "$CONF"
	start_background "$CLIENT" "$(port_of a)" "file:$BATS_TEST_TMPDIR/go" 'send:PROXY UNKNOWN\r\n' all >"$BATS_TEST_TMPDIR/pending"
	CLIENT_PID=$BG_PID
	wait_until has_sockets 3
	cp "$BATS_TEST_TMPDIR/b" "$CONF"
	reload_superd
	upgrade_superd
	touch "$BATS_TEST_TMPDIR/go"
	wait_until is_gone "$CLIENT_PID"
	[[ $(cat "$BATS_TEST_TMPDIR/pending") =~ ^(\(reset\))?$ ]]
	echoes "$(port_of b)"
}

# remove_first_of_two: superd has two services with the id a and a service b, and a client is pending at the first a, which is then
# removed from the configuration.
remove_first_of_two() {
	print_open_service b >"$BATS_TEST_TMPDIR/rest"
	print_open_service other 'id = a' "port = $(free_port)" 'server = /bin/echo' 'server_args = other' >>"$BATS_TEST_TMPDIR/rest"
	{
		print_open_service first 'id = a' "port = $(free_port)" "server = $PROGRAM"
		cat "$BATS_TEST_TMPDIR/rest"
	} >"$CONF"
	start_superd -c "$CONF"
	open_program
	open_pending "$PORT"
	cp "$BATS_TEST_TMPDIR/rest" "$CONF"
}

@test "upgrade: two services have one id and the first is removed, its pending client does not get the other's program" {
	remove_first_of_two
	upgrade_superd
	assert_pending_gets ''
}

@test "upgrade: two services have one id and a reload has removed the first, its pending client does not get the other's program" {
	remove_first_of_two
	reload_superd
	upgrade_superd
	assert_pending_gets ''
}

@test "upgrade: four services have one id and three are removed, the last one's pending client gets its program" {
	{
		print_open_service b
		print_open_service other 'id = a' "port = $(free_port)" "server = $PROGRAM" 'server_args = other'
	} >"$BATS_TEST_TMPDIR/rest"
	{
		for name in first second third; do
			print_open_service "$name" 'id = a' "port = $(free_port)"
		done
		cat "$BATS_TEST_TMPDIR/rest"
	} >"$CONF"
	start_superd -c "$CONF"
	open_program
	open_pending "$(port_of a)"
	cp "$BATS_TEST_TMPDIR/rest" "$CONF"
	upgrade_superd
	close_program
	assert_pending_gets other
}

@test "upgrade: programs of a removed service run, they do not count for a new one with its id" {
	print_open_service a 'instances = 1' >"$CONF"
	print_open_service b >>"$CONF"
	start_superd -c "$CONF"
	open_connection held "$(port_of a)"
	print_open_service b >"$CONF"
	reload_superd
	{
		print_open_service a 'instances = 1' "port = $(free_port)"
		cat "$CONF"
	} >"$CONF.new"
	mv "$CONF.new" "$CONF"
	upgrade_superd
	echoes "$(port_of a)"
}

@test "reload: a service gets other lists while a client is pending, the client is checked again" {
	print_open_service b >"$BATS_TEST_TMPDIR/b"
	{
		print_open_service a "server = $PROGRAM"
		cat "$BATS_TEST_TMPDIR/b"
	} >"$CONF"
	start_superd -c "$CONF"
	open_program
	open_pending "$(port_of a)"
	{
		print_open_service a "server = $PROGRAM" 'server_args = new' 'no_access = 127.0.0.1'
		cat "$BATS_TEST_TMPDIR/b"
	} >"$CONF"
	reload_superd
	close_program
	assert_pending_gets ''
	log_has 1 '^superd: FAIL: a address from=127\.0\.0\.1$'
}

@test "reload: a service moves to another path while a client is pending, the client does not get the new program" {
	print_open_service b >"$BATS_TEST_TMPDIR/b"
	{
		print_open_service a "bind = $BATS_TEST_TMPDIR/public" "server = $PROGRAM" 'socket_mode = 0666'
		cat "$BATS_TEST_TMPDIR/b"
	} >"$CONF"
	start_superd -c "$CONF"
	open_program
	open_pending "$BATS_TEST_TMPDIR/public"
	{
		print_open_service a "bind = $BATS_TEST_TMPDIR/private" "server = $PROGRAM" 'server_args = private'
		cat "$BATS_TEST_TMPDIR/b"
	} >"$CONF"
	reload_superd
	close_program
	assert_pending_gets ''
}

@test "reload: socket_mode becomes narrower while a client is pending, and a second reload keeps the socket, the client is refused" {
	print_open_service b >"$BATS_TEST_TMPDIR/b"
	for lines in 'socket_mode = 0666' 'server_args = private' $'server_args = private\n\tnice = 1'; do
		{
			print_open_service a "bind = $BATS_TEST_TMPDIR/socket" "server = $PROGRAM" "$lines"
			cat "$BATS_TEST_TMPDIR/b"
		} >"$CONF"
		if [ -z "${CLIENT_PID:-}" ]; then
			start_superd -c "$CONF"
			open_program
			open_pending "$BATS_TEST_TMPDIR/socket"
		else reload_superd; fi
	done
	close_program
	assert_pending_gets ''
}

@test "reload: socket_mode becomes narrower while a client waits in the backlog, the client does not get the new program" {
	print_mode() {
		print_open_service a "bind = $BATS_TEST_TMPDIR/socket" 'on_limit = wait' "$@"
		print_open_service b
	}
	print_mode 'socket_mode = 0666' 'instances = 1' >"$CONF"
	start_superd -c "$CONF"
	open_connection held "$BATS_TEST_TMPDIR/socket"
	start_background "$CLIENT" "$BATS_TEST_TMPDIR/socket" 'send:hello\n' all >"$BATS_TEST_TMPDIR/pending" 2>&1
	CLIENT_PID=$BG_PID
	wait_until waits_in_backlog
	print_mode 'socket_mode = 0600' 'server = /bin/echo' 'server_args = private' 'instances = 2' >"$CONF"
	reload_superd
	wait_until is_gone "$CLIENT_PID"
	run grep private "$BATS_TEST_TMPDIR/pending"
	assert_failure
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/socket")" = 600 ]
	run ask "$BATS_TEST_TMPDIR/socket" </dev/null
	assert_output private
}

# One connection more than superd has accepted is connected.
waits_in_backlog() {
	[ "$(ss -Hlx src "$BATS_TEST_TMPDIR/socket" | awk '{ print $3 }')" -eq 1 ]
}

@test "reload: socket_mode becomes wider, the socket stays" {
	print_open_service a "bind = $BATS_TEST_TMPDIR/socket" >"$CONF"
	start_superd -c "$CONF"
	before=$(stat -c %i "$BATS_TEST_TMPDIR/socket")
	print_open_service a "bind = $BATS_TEST_TMPDIR/socket" 'socket_mode = 0666' >"$CONF"
	reload_superd
	[ "$(stat -c '%i %a' "$BATS_TEST_TMPDIR/socket")" = "$before 666" ]
}

@test "reload: wait becomes no while a program holds the listening socket, superd does not wait for that program" {
	cat >"$BATS_TEST_TMPDIR/holder.py" <<-'END'
		import os, socket
		s = socket.socket(fileno=0)
		if os.fork() > 0: os._exit(0)
		s.setblocking(True)
		while True:
		    try: s.accept()[0].close()
		    except OSError: os._exit(0)
	END
	port=$(free_port)
	print_open_service a 'wait = yes' "port = $port" 'server = /usr/bin/python3' "server_args = $BATS_TEST_TMPDIR/holder.py" >"$CONF"
	start_superd -c "$CONF"
	"$CLIENT" "$port" all >/dev/null 2>&1 || true
	wait_for_line 'EXIT: a'
	print_open_service a "port = $port" >"$CONF"
	reload_superd
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		echoes "$port"
	done
}

@test "upgrade: the leader of a group has ended at its time_limit and another process ignores TERM, KILL ends that" {
	start_superd -p 0 -b 127.0.0.1 -o time_limit=1 sh -c '(trap "" TERM; echo $$; exec sleep 1000) & wait'
	"$CLIENT" "$PORT" line hold >"$BATS_TEST_TMPDIR/group" 3>&- &
	end_at_teardown $!
	wait_for_line 'EXIT: sh signal=15'
	group=$(head -n 1 "$BATS_TEST_TMPDIR/group")
	kill -0 -- "-$group"
	upgrade_superd
	wait_until group_is_gone "$group"
}

group_is_gone() {
	! kill -0 -- "-$1" 2>/dev/null
}

@test "upgrade: sensors have seen more sources than superd remembers, it forgets the oldest first" {
	print_open_service trap 'flags = SENSOR' 'deny_time = FOREVER' 'proxy_from = 127.0.0.1' 'server=' 'log_on_failure=' >"$CONF"
	print_open_service b 'proxy_from = 127.0.0.1' >>"$CONF"
	start_superd -c "$CONF"
	connect_as 0 4100
	upgrade_superd
	connect_as 5000 5020
	run "$CLIENT" "$(port_of b)" 'send:PROXY TCP4 10.0.16.3 192.0.2.1 1 2\r\n' shut all
	wait_for_line 'FAIL: b sensor from=10\.0\.16\.3$'
}

# connect_as FROM TO: the sensor sees the sources 10.0.0.0 + FROM up to TO, without the last.
connect_as() {
	python3 -c 'import socket, sys
port, first, last = map(int, sys.argv[1:])
for i in range(first, last):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(f"PROXY TCP4 10.0.{i // 256}.{i % 256} 192.0.2.1 1 2\r\n".encode())
    s.recv(1)' "$(port_of trap)" "$1" "$2"
}

# print_two LINE: two services with one id, the first with that line too, the second at the given port.
print_two() {
	print_open_service first 'id = a' "port = $FIRST_PORT" "$1"
	print_open_service second 'id = a' "port = $2"
}

@test "reload: of two services with one id, the first has an error and the second another port, the first keeps its own" {
	FIRST_PORT=$(free_port)
	second=$(free_port)
	print_two 'nice = 1' "$second" >"$CONF"
	start_superd -c "$CONF"
	other=$(free_port)
	print_two 'nice = x' "$other" >"$CONF"
	reload_superd
	echoes "$FIRST_PORT"
	echoes "$other"
	run ! nc -z 127.0.0.1 "$second"
}

@test "upgrade: a service gets a narrower address while a client waits for its PROXY header, the client is refused" {
	port=$(free_port)
	print_open_service a 'proxy_from = 127.0.0.1' 'bind = 0.0.0.0' "port = $port" >"$CONF"
	start_superd -c "$CONF"
	start_background "$CLIENT" -h 127.0.0.2 "$port" "file:$BATS_TEST_TMPDIR/go" 'send:PROXY UNKNOWN\r\nhello\n' shut all >"$BATS_TEST_TMPDIR/pending" 2>&1
	CLIENT_PID=$BG_PID
	wait_until has_sockets 2
	print_open_service a 'proxy_from = 127.0.0.1' 'bind = 127.0.0.1' "port = $port" >"$CONF"
	upgrade_superd
	touch "$BATS_TEST_TMPDIR/go"
	wait_until is_gone "$CLIENT_PID"
	run cat "$BATS_TEST_TMPDIR/pending"
	refute_output --partial hello
}

@test "reload: another process has the new address at the same port, the service keeps its socket and its backlog" {
	port=$(free_port)
	start_server -h 127.0.0.2 -p "$port" - accept hold
	print_open_service a "port = $port" >"$CONF"
	start_superd -c "$CONF"
	before=$(stat -c %i -L "/proc/$SUPERD_PID/fd/64")
	print_open_service a "port = $port" 'bind = 127.0.0.2' >"$CONF"
	signal_and_wait HUP 'reloaded: .* 1 with errors'
	[ "$(stat -c %i -L "/proc/$SUPERD_PID/fd/64")" = "$before" ]
	echoes "$port"
}

@test "reload: a datagram service gets another address while its program runs, it listens there" {
	port=$(free_port)
	print_service a 'socket_type = dgram' 'wait = yes' 'bind = 127.0.0.1' "port = $port" 'server = /bin/sleep' 'server_args = 1000' >"$CONF"
	start_superd -c "$CONF"
	"$LIB/udp_client" -t 0.1 127.0.0.1 "$port" hello
	wait_until has_children 1
	print_service a 'socket_type = dgram' 'wait = yes' 'bind = 0.0.0.0' "port = $port" >"$CONF"
	reload_superd
	log_has 1 "listening a 0\.0\.0\.0:$port"
}
