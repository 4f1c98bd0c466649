# SPDX-License-Identifier: ISC
# The internal services: echo, discard, chargen, daytime, time, for streams and for datagrams.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/superd
load ../lib/client

# start_internal NAME [LINE...]: start superd with an internal service, for streams and for datagrams. Sets STREAM and DGRAM,
# its ports.
start_internal() {
	local name=$1
	shift
	{
		print_service "$name" 'type = INTERNAL UNLISTED' "id = stream" "$@"
		print_service "$name" 'type = INTERNAL UNLISTED' "id = dgram" 'socket_type = dgram' 'wait = yes' "$@"
	} | sed '/server/d' >"$CONF"
	start_superd -c "$CONF"
	STREAM=$(port_of stream)
	DGRAM=$(port_of dgram)
}

@test "internal echo: a stream of 3 MB, it comes back" {
	start_internal echo
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/sent"
	ask "$STREAM" <"$BATS_TEST_TMPDIR/sent" >"$BATS_TEST_TMPDIR/got"
	cmp "$BATS_TEST_TMPDIR/sent" "$BATS_TEST_TMPDIR/got"
}

@test "internal echo: datagrams, each comes back" {
	needs ipv6
	start_internal echo
	run "$DATAGRAM" 127.0.0.1 "$DGRAM" hello again
	assert_output $'hello\nagain'
	run "$DATAGRAM" ::1 "$DGRAM" six
	assert_output six
}

@test "internal discard: a stream, it is read and nothing comes back" {
	start_internal discard
	run ask "$STREAM" < <(head -c 1000000 /dev/zero)
	assert_success
	assert_output ''
}

@test "internal discard: a datagram, it is read and nothing comes back" {
	start_internal discard 'log_on_success = EXIT'
	run "$DATAGRAM" -t 0.3 127.0.0.1 "$DGRAM" hello
	assert_output '(none)'
	wait_for_line 'EXIT: dgram status=0'
}

@test "internal chargen: a stream, it sends lines of 72 characters and CR LF without end" {
	start_internal chargen
	"$CLIENT" "$STREAM" line line line close >"$BATS_TEST_TMPDIR/lines"
	sed 's/\r$//' "$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/text"
	[ "$(awk '{ print length($0) }' "$BATS_TEST_TMPDIR/text" | sort -u)" = 72 ]
	[ "$(grep -c $'\r$' "$BATS_TEST_TMPDIR/lines")" -eq 3 ]
	[ "$(sed -n '1s/^.//p' "$BATS_TEST_TMPDIR/text")" = "$(sed -n '2s/.$//p' "$BATS_TEST_TMPDIR/text")" ]
	wait_until has_children 0
}
@test "internal chargen: a datagram, the reply is whole lines of at most 512 bytes" {
	start_internal chargen
	"$DATAGRAM" 127.0.0.1 "$DGRAM" hello >"$BATS_TEST_TMPDIR/reply"
	size=$(($(wc -c <"$BATS_TEST_TMPDIR/reply") - 1))
	[ "$size" -ge 74 ]
	[ "$size" -le 512 ]
	[ $((size % 74)) -eq 0 ]
}

# is_now FILE: the file has the time as daytime sends it, and it is at most a few seconds ago.
is_now() {
	local said
	said=$(tr -d '\r' <"$1")
	[[ $said =~ ^[0-9]{2}\ [A-Z]{3}\ [0-9]{4}\ [0-9:]{8}\ [A-Z]+$ ]]
	said=$(date -d "$said" +%s)
	[ $(($(date +%s) - said)) -le "$WAIT_SECONDS" ]
}

@test "internal daytime: a stream and a datagram, the reply is the date and the time" {
	start_internal daytime
	"$CLIENT" "$STREAM" all >"$BATS_TEST_TMPDIR/reply"
	grep -q $'\r$' "$BATS_TEST_TMPDIR/reply"
	is_now "$BATS_TEST_TMPDIR/reply"
	"$DATAGRAM" 127.0.0.1 "$DGRAM" '' | head -n 1 >"$BATS_TEST_TMPDIR/reply"
	is_now "$BATS_TEST_TMPDIR/reply"
}

@test "internal time: a stream and a datagram, the reply is the seconds since 1900 in four bytes" {
	start_internal time
	"$CLIENT" "$STREAM" all >"$BATS_TEST_TMPDIR/stream"
	"$DATAGRAM" 127.0.0.1 "$DGRAM" '' | head -c 4 >"$BATS_TEST_TMPDIR/dgram"
	for reply in stream dgram; do
		[ "$(wc -c <"$BATS_TEST_TMPDIR/$reply")" -eq 4 ]
		said=$(od -An -tu4 --endian=big "$BATS_TEST_TMPDIR/$reply")
		late=$(($(date +%s) + 2208988800 - said))
		[ "$late" -ge 0 ]
		[ "$late" -le "$WAIT_SECONDS" ]
	done
}

@test "internal datagrams: the sender's port is below 1024, there is no reply" {
	needs root
	start_internal echo
	run "$DATAGRAM" -t 0.5 -s 127.0.0.1:1023 127.0.0.1 "$DGRAM" hello
	assert_output '(none)'
	run "$DATAGRAM" 127.0.0.1 "$DGRAM" hello
	assert_output hello
}

@test "internal datagrams: the sender's port is that of another internal service, there is no reply" {
	{
		print_service echo 'type = INTERNAL UNLISTED' 'id = one' 'socket_type = dgram' 'wait = yes' 'bind = 127.0.0.1'
		print_service echo 'type = INTERNAL UNLISTED' 'id = other' 'socket_type = dgram' 'wait = yes' 'bind = 127.0.0.2'
	} | sed '/server/d' >"$CONF"
	start_superd -c "$CONF"
	# From another address, with the other service's port: the same as a forged datagram.
	run "$DATAGRAM" -t 0.5 -s "127.0.0.3:$(port_of other)" 127.0.0.1 "$(port_of one)" hello
	assert_output '(none)'
	run "$DATAGRAM" 127.0.0.1 "$(port_of one)" hello
	assert_output hello
}

@test "internal datagrams: a forged datagram makes two services talk to each other, they stop" {
	needs root
	{
		print_service echo 'type = INTERNAL UNLISTED' 'id = one' 'socket_type = dgram' 'wait = yes' 'bind = 127.0.0.1'
		print_service chargen 'type = INTERNAL UNLISTED' 'id = other' 'socket_type = dgram' 'wait = yes' 'bind = 127.0.0.1'
	} | sed '/server/d' >"$CONF"
	start_superd -c "$CONF"
	send_forged "$(port_of other)" "$(port_of one)"
	sleep 1
	# Each reads a few datagrams at most.
	signal_and_wait USR1 'STATE: one .* accepted=[0-3] '
	grep -q 'STATE: other .* accepted=[0-3] ' "$LOG"
}
# send_forged FROM TO: send a datagram to port TO with FROM as its source port, both of 127.0.0.1.
send_forged() {
	python3 -c 'import socket, struct, sys
source, target = map(int, sys.argv[1:])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.sendto(struct.pack(">HHHH", source, target, 8 + 5, 0) + b"hello", ("127.0.0.1", 0))' "$1" "$2"
}

@test "internal datagrams: only_from, it is checked for each datagram" {
	start_internal echo 'only_from = 127.0.0.1'
	run "$DATAGRAM" 127.0.0.1 "$DGRAM" hello
	assert_output hello
	run "$DATAGRAM" -t 0.5 -s 127.0.0.2 127.0.0.1 "$DGRAM" hello
	assert_output '(none)'
}

@test "internal services: user, the process runs as that user and has only its three descriptors" {
	needs root
	start_internal echo 'user = nobody'
	start_background "$CLIENT" "$STREAM" 'send:hello\n' line hold
	wait_until pgrep -P "$SUPERD_PID" -u nobody
	child=$(pgrep -P "$SUPERD_PID")
	wait_until test "$(find "/proc/$child/fd" -mindepth 1 | wc -l)" -eq 3
}

@test "internal services: neither user nor server is set, the service runs" {
	print_service echo 'type = INTERNAL UNLISTED' | sed '/server/d; /user/d' >"$CONF"
	start_superd -c "$CONF"
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "internal services: an unknown name, it is an error" {
	print_service finger 'type = INTERNAL' | sed '/server/d' >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == *": type: there is no internal service 'finger'" ]]
}

@test "internal services: limits and logs, they are the same as for programs" {
	start_internal echo 'instances = 1' 'log_on_success = PID HOST EXIT' 'log_on_failure = HOST'
	start_background "$CLIENT" "$STREAM" 'send:hello\n' line hold
	wait_for_line '^superd: START: stream pid=[0-9]* from=127\.0\.0\.1 port=[0-9]*$'
	run "$CLIENT" "$STREAM" all
	assert_output ''
	wait_for_line '^superd: FAIL: stream service_limit from=127\.0\.0\.1$'
	kill "$BG_PID"
	wait_for_line '^superd: EXIT: stream status=0 pid=[0-9]*$'
}

@test "internal datagrams: cps = 2 60, superd answers no more than two bursts" {
	start_internal echo 'cps = 2 60'
	for answer in 1 2 '(none)' '(none)'; do
		run "$DATAGRAM" -t 1 127.0.0.1 "$DGRAM" "$answer"
		assert_output "$answer"
		wait_until has_children 0 # otherwise the next belongs to this burst
	done
}

@test "internal datagrams: the service is in use and a reload closes it to the client, the next datagram is not answered" {
	start_internal echo
	run "$DATAGRAM" 127.0.0.1 "$DGRAM" hello
	assert_output hello
	sed -i 's/^}/no_access = 127.0.0.1\n}/' "$CONF"
	reload_superd
	run "$DATAGRAM" -t 0.5 127.0.0.1 "$DGRAM" hello
	assert_output '(none)'
}

@test "internal datagrams: the service is in use and a reload disables it, the next datagram is not answered" {
	start_internal echo
	run "$DATAGRAM" 127.0.0.1 "$DGRAM" hello
	assert_output hello
	sed -i '0,/id = dgram/s//id = dgram\ndisable = yes/' "$CONF"
	reload_superd
	run "$DATAGRAM" -t 0.5 127.0.0.1 "$DGRAM" hello
	refute_output hello
}

@test "internal datagrams: the service is in use and superd gets TERM, it ends at once" {
	start_internal echo
	run "$DATAGRAM" 127.0.0.1 "$DGRAM" hello
	assert_output hello
	SECONDS=0
	stop_superd TERM
	((SECONDS < 5))
}

@test "internal echo: a stream with wait = yes, superd answers one client after the other" {
	print_open_service echo 'type = INTERNAL UNLISTED' 'wait = yes' server= >"$CONF"
	start_superd -c "$CONF"
	[ "$(ask "$PORT" <<<one)" = one ]
	[ "$(ask "$PORT" <<<two)" = two ]
}

@test "internal datagrams: the service's address appears later, it does not answer its own port" {
	needs root ip capabilities
	address=192.0.2.$((RANDOM % 200 + 20)) # for documentation, as 2001:db8::/32 is
	port=$(free_port)
	print_service echo 'type = INTERNAL UNLISTED' 'socket_type = dgram' 'wait = yes' "bind = $address" "port = $port" 'server=' 'user=' >"$CONF"
	print_service b >>"$CONF"
	start_superd -c "$CONF"
	wait_for_line "$address.*retrying every"
	ip address add "$address/32" dev lo
	wait_for_line "listening echo .*$address"
	run "$DATAGRAM" -t 0.5 -s "127.0.0.1:$port" "$address" "$port" hello
	ip address del "$address/32" dev lo
	assert_output '(none)'
}

@test "internal datagrams: a sensor has seen the sender, the next datagrams are not answered" {
	{
		print_service echo 'type = INTERNAL UNLISTED' 'socket_type = dgram' 'wait = yes' 'bind = 127.0.0.1' 'server='
		print_service trap 'flags = SENSOR' 'deny_time = FOREVER' 'bind = 127.0.0.1' 'server='
	} >"$CONF"
	start_superd -c "$CONF"
	run "$DATAGRAM" 127.0.0.1 "$(port_of echo)" hello
	assert_output hello
	"$CLIENT" "$(port_of trap)" all
	run "$DATAGRAM" -t 0.5 127.0.0.1 "$(port_of echo)" hello
	assert_output '(none)'
}
