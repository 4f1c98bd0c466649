# SPDX-License-Identifier: ISC
# HUP with configuration files: new, changed, removed and unchanged services, and services with errors; programs are not touched.

load ../lib/superd
load ../lib/client

# send_hup: send HUP, and wait until superd has reloaded, or has logged that nothing was changed.
send_hup() {
	local before
	before=$(reloads)
	kill -HUP "$SUPERD_PID"
	wait_until more_reloads "$before"
}
reloads() {
	grep -cE 'superd: reloaded: |nothing was changed' "$LOG" || true
}
more_reloads() {
	[ "$(reloads)" -gt "$1" ]
}

# socket_at PORT: print the inode of the socket that listens there, which identifies it.
socket_at() {
	ss -ltnHe "( sport = :$1 )" | grep -o 'ino:[0-9]*'
}

is_closed() {
	! nc -z 127.0.0.1 "$1"
}

@test "reload: a new service, superd opens it" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	print_service b >>"$CONF"
	send_hup
	echoes "$(port_of b)"
	echoes "$(port_of a)"
}

@test "reload: a removed service, superd closes it and logs that" {
	{
		print_service a
		print_service b
	} >"$CONF"
	start_superd -c "$CONF"
	gone=$(port_of b)
	print_service a >"$CONF"
	send_hup
	grep -q '^superd: b has been removed$' "$LOG"
	is_closed "$gone"
	echoes "$(port_of a)"
}

@test "reload: a service is disabled and enabled again, superd closes and opens it" {
	needs python3
	port=$(free_port)
	{
		print_service a
		print_service b "port = $port"
	} >"$CONF"
	start_superd -c "$CONF"
	sed -i '/^service b/,$s/^}/disable = yes\n}/' "$CONF"
	send_hup
	is_closed "$port"
	sed -i '/disable/d' "$CONF"
	send_hup
	echoes "$port"
}

@test "reload: an unchanged service, it keeps its socket and the port that the kernel chose" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	before=$(socket_at "$PORT")
	print_service b >>"$CONF"
	send_hup
	[ "$(socket_at "$PORT")" = "$before" ]
	echoes "$PORT"
	[ "$(grep -c '^superd: listening a ' "$LOG")" -eq 1 ]
}

@test "reload: services change their order in the file, they are unchanged" {
	{
		print_service a
		print_service b
	} >"$CONF"
	start_superd -c "$CONF"
	before=$(socket_at "$(port_of a)")
	{
		echo '# moved'
		print_service b
		print_service a
	} >"$CONF"
	send_hup
	[ "$(socket_at "$(port_of a)")" = "$before" ]
	echoes "$(port_of b)"
}

@test "reload: a changed service at the same address, it keeps its socket and has the new configuration" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	before=$(socket_at "$PORT")
	print_service a 'only_from = 127.0.0.2' >"$CONF"
	send_hup
	[ "$(socket_at "$PORT")" = "$before" ]
	run "$CLIENT" "$PORT" all
	assert_output ''
}

@test "reload: a service changes its port, superd listens at the new one only" {
	needs python3
	old=$(free_port) new=$(free_port)
	print_service a "port = $old" >"$CONF"
	start_superd -c "$CONF"
	print_service a "port = $new" >"$CONF"
	send_hup
	echoes "$new"
	is_closed "$old"
}

# served_addresses: print which of 127.0.0.1, 127.0.0.2 and ::1 superd serves at PORT.
served_addresses() {
	local host
	for host in 127.0.0.1 127.0.0.2 ::1; do
		! echoes "$PORT" "$host" 2>/dev/null || echo "$host"
	done | xargs
}

@test "reload: a service listens at more and at fewer addresses, it does" {
	needs python3 ipv6
	local port
	port="port = $(free_port)"
	print_service a "$port" 'bind = 127.0.0.1' >"$CONF"
	start_superd -c "$CONF"
	assert_equal "$(served_addresses)" '127.0.0.1'
	while read -r attribute served; do
		print_service a "$port" "${attribute/=/ = }" >"$CONF"
		send_hup
		assert_equal "$attribute $(served_addresses)" "$attribute $served"
	done <<-END
		umask=077 127.0.0.1 127.0.0.2 ::1
		flags=IPv4 127.0.0.1 127.0.0.2
		flags=IPv6 127.0.0.1 127.0.0.2 ::1
		v6only=yes ::1
		bind=127.0.0.2 127.0.0.2
		umask=027 127.0.0.1 127.0.0.2 ::1
		bind=::1 ::1
	END
	run grep 'cannot listen' "$LOG"
	assert_failure
}

@test "reload: one of the new addresses is in use, the service keeps its configuration" {
	needs python3
	local port
	port="port = $(free_port)"
	print_service a "$port" 'bind = 127.0.0.1' >"$CONF"
	start_superd -c "$CONF"
	start_server -h 127.0.0.2 -p "$PORT" - accept hold
	print_service a "$port" >"$CONF"
	send_hup
	grep -q 'a: cannot listen on \[::\]' "$LOG"
	echoes "$PORT"
}

@test "reload: socket options and the mode of a UNIX-domain socket change, new connections have them" {
	options=$(write_program options <<-'END'
		exec python3 -c 'from socket import *; s = socket(fileno=0)
		print(s.getsockopt(IPPROTO_TCP, TCP_NODELAY), s.getsockopt(SOL_SOCKET, SO_KEEPALIVE))'
	END
	)
	path=$BATS_TEST_TMPDIR/socket
	write_configuration() {
		print_service a "server = $options" "$@" >"$CONF"
		print_service b "bind = $path" "socket_mode = $MODE" >>"$CONF"
	}
	MODE=0666 write_configuration
	start_superd -c "$CONF"
	assert_equal "$("$CLIENT" "$PORT" all) $(stat -c %a "$path")" '0 0 666'
	MODE=0600 write_configuration 'flags = NODELAY KEEPALIVE'
	send_hup
	assert_equal "$("$CLIENT" "$PORT" all) $(stat -c %a "$path")" '1 1 600'
	MODE=0660 write_configuration 'flags = KEEPALIVE'
	send_hup
	assert_equal "$("$CLIENT" "$PORT" all) $(stat -c %a "$path")" '0 1 660'
}

@test "reload: two services exchange their ports, each listens at its new one" {
	needs python3
	one=$(free_port) two=$(free_port)
	{
		print_service a "port = $one" 'log_on_success = PID'
		print_service b "port = $two" 'log_on_success = PID'
	} >"$CONF"
	start_superd -c "$CONF"
	{
		print_service a "port = $two" 'log_on_success = PID'
		print_service b "port = $one" 'log_on_success = PID'
	} >"$CONF"
	send_hup
	echoes "$one"
	wait_for_line '^superd: START: b '
	echoes "$two"
	wait_for_line '^superd: START: a '
}

@test "reload: a new service has the port of a removed one, it listens there" {
	needs python3
	port=$(free_port)
	print_service a "port = $port" >"$CONF"
	start_superd -c "$CONF"
	print_service b "port = $port" 'log_on_success = PID' >"$CONF"
	send_hup
	echoes "$port"
	wait_for_line '^superd: START: b '
}

@test "reload: a program of a changed, a removed and an unchanged service runs, it is not touched" {
	for change in 'print_service a "nice = 1"' 'print_service b' 'print_service a'; do
		print_service a >"$CONF"
		start_superd -c "$CONF"
		open_connection client "$PORT"
		child=$(pgrep -P "$SUPERD_PID")
		eval "$change" >"$CONF"
		send_hup
		kill -0 "$child"
		has_children 1
		stop_superd QUIT
		end_processes
	done
}

@test "reload: instances and per_source are lowered, running programs count" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	open_connection client "$PORT"
	print_service a 'instances = 1' 'per_source = 1' >"$CONF"
	send_hup
	run "$CLIENT" "$PORT" all
	assert_output ''
}

@test "reload: an unchanged service, it keeps its counts" {
	print_service a 'instances = 0' 'log_on_failure = HOST' >"$CONF"
	start_superd -c "$CONF"
	"$CLIENT" "$PORT" all
	send_hup
	kill -USR1 "$SUPERD_PID"
	wait_for_line '^superd: STATE: a .* accepted=1 refused=1 .*service_limit=1'
}

@test "reload: a service has an error, its running configuration is kept and the error is logged" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	{
		print_service a 'olny_from = 10.0.0.1'
		print_service b
	} >"$CONF"
	send_hup
	grep -q "^superd: $CONF:[0-9]*: unknown attribute 'olny_from'" "$LOG"
	grep -q '^superd: warning: a has errors; the running configuration is kept$' "$LOG"
	echoes "$PORT"
	echoes "$(port_of b)"
}

@test "reload: a service conflicts with another, its running configuration is kept" {
	needs python3
	one=$(free_port) two=$(free_port)
	{
		print_service a "port = $one"
		print_service b "port = $two"
	} >"$CONF"
	start_superd -c "$CONF"
	{
		print_service a "port = $one"
		print_service b "port = $one"
	} >"$CONF"
	send_hup
	echoes "$one"
	echoes "$two"
}

@test "reload: a service moves to a port in use, its running configuration is kept" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	start_background python3 -c 'import socket, time
s = socket.socket(); s.bind(("", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(600)' \
		>"$BATS_TEST_TMPDIR/taken"
	wait_for_line '[0-9]' "$BATS_TEST_TMPDIR/taken"
	print_service a "port = $(cat "$BATS_TEST_TMPDIR/taken")" >"$CONF"
	send_hup
	grep -qE 'Address (already )?in use' "$LOG"
	echoes "$PORT"
}

@test "reload: defaults have an error, nothing changes" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	{
		printf 'defaults\n{\nonly_form = 10.0.0.1\n}\n'
		print_service a 'only_from ='
		print_service b
	} >"$CONF"
	send_hup
	grep -q "^superd: $CONF:3: unknown attribute 'only_form'" "$LOG"
	echoes "$PORT"
	[ -z "$(port_of b)" ]
}

@test "reload: an error between services or a missing file, nothing changes" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	{
		echo junk
		print_service b
	} >"$CONF"
	send_hup
	echoes "$PORT"
	[ -z "$(port_of b)" ]
	rm "$CONF"
	send_hup
	echoes "$PORT"
}

@test "reload: defaults change, every service has the new values" {
	{
		printf 'defaults\n{\ninstances = 5\n}\n'
		print_service a
	} >"$CONF"
	start_superd -c "$CONF"
	echoes "$PORT"
	sed -i 's/instances = 5/instances = 0/' "$CONF"
	send_hup
	run "$CLIENT" "$PORT" all
	assert_output ''
}

@test "reload: a file is removed from a directory and another added, superd closes and opens their services" {
	mkdir "$BATS_TEST_TMPDIR/d"
	print_service a >"$BATS_TEST_TMPDIR/d/a"
	start_superd -c "$BATS_TEST_TMPDIR/d"
	old=$PORT
	rm "$BATS_TEST_TMPDIR/d/a"
	print_service b >"$BATS_TEST_TMPDIR/d/b"
	send_hup
	echoes "$(port_of b)"
	is_closed "$old"
}

@test "reload: a connection in the backlog, superd serves it afterwards" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	kill -STOP "$SUPERD_PID"
	start_background "$CLIENT" "$PORT" 'send:hello\n' line >"$BATS_TEST_TMPDIR/reply"
	waits() {
		[ "$(ss -tnH state established "( dport = :$PORT )" | wc -l)" -ge 1 ]
	}
	wait_until waits
	print_service a 'nice = 1' >"$CONF"
	kill -HUP "$SUPERD_PID"
	kill -CONT "$SUPERD_PID"
	wait_for_line hello "$BATS_TEST_TMPDIR/reply"
}

@test "reload: eight in a row with log files, no descriptor is left" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	send_hup
	before=$(find "/proc/$SUPERD_PID/fd" -mindepth 1 | wc -l)
	for i in 1 2 3 4 5 6 7 8; do
		print_service a "time_limit = 6$i" "log_type = FILE $BATS_TEST_TMPDIR/file.$((i % 2))" >"$CONF"
		send_hup
		echoes "$PORT"
	done
	[ "$(find "/proc/$SUPERD_PID/fd" -mindepth 1 | wc -l)" -le $((before + 2)) ]
}

# 2001:db8::/32 is for documentation: no machine has such an address, until this test adds one to the loopback interface.
@test "listening: an address is not there at start, superd retries and serves when it appears" {
	needs root ipv6 capabilities
	address=2001:db8::$(printf '%x:%x' $((RANDOM)) $((RANDOM)))
	print_service a "bind = $address" "port = $(free_port)" >"$CONF"
	print_service b >>"$CONF"
	start_superd -c "$CONF"
	wait_for_line "^superd: warning: .*$address.*retrying every"
	echoes "$(port_of b)"
	ip -6 address add "$address/128" dev lo nodad
	wait_until grep -q '^superd: listening a ' "$LOG"
	run ask "$(port_of a)" "$address" <<<hello
	ip -6 address del "$address/128" dev lo
	assert_output hello
}

@test "reload: a removed service at one address and a new one at all addresses of its port, the new one listens" {
	needs python3
	local port
	port=$(free_port)
	print_service a 'bind = 127.0.0.1' "port = $port" >"$CONF"
	start_superd -c "$CONF"
	print_service b 'bind = 0.0.0.0' "port = $port" >"$CONF"
	send_hup
	echoes "$PORT" 127.0.0.2
}

@test "reload: a changed service with per_source, its programs are counted down when they exit" {
	print_service a 'per_source = 1' 'log_on_failure = HOST' 'log_on_success = EXIT' >"$CONF"
	start_superd -c "$CONF"
	start_background "$CLIENT" "$PORT" 'send:here\n' line "file:$BATS_TEST_TMPDIR/go" close >"$BATS_TEST_TMPDIR/first"
	wait_for_line here "$BATS_TEST_TMPDIR/first"
	print_service a 'per_source = 1' 'umask = 027' 'log_on_failure = HOST' 'log_on_success = EXIT' >"$CONF"
	send_hup
	"$CLIENT" "$PORT" all
	wait_for_line 'FAIL: a per_source_limit from=127.0.0.1'
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line 'EXIT: a'
	echoes "$PORT"
}

@test "reload: wait becomes yes while a PROXY header is awaited, that client is refused, and the program gets the listening socket" {
	write_program accepting <<-'END' >/dev/null
		exec python3 -c 'import socket; socket.socket(fileno=0).accept()[0].send(b"accepted")'
	END
	print_open_service a proxy_from=127.0.0.1 >"$CONF"
	start_superd -c "$CONF"
	descriptors=$(superd_descriptors)
	start_background "$CLIENT" "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:PROXY UNKNOWN\r\n' all >"$BATS_TEST_TMPDIR/got"
	client=$BG_PID
	wait_until has_descriptors "$(printf '%s\nsocket\n' "$descriptors" | sort)"
	print_open_service a wait=yes port="$PORT" server="$BATS_TEST_TMPDIR/accepting" | grep -v instances >"$CONF"
	reload_superd
	: >"$BATS_TEST_TMPDIR/go"
	wait "$client"
	[[ $(cat "$BATS_TEST_TMPDIR/got") =~ ^(\(reset\))?$ ]]
	log_has 1 'FAIL: a proxy from=127.0.0.1'
	run ask "$PORT" </dev/null
	assert_output accepted
	wait_until has_children 0
	[ "$(superd_descriptors)" = "$descriptors" ]
}
