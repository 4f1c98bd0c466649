# SPDX-License-Identifier: ISC
# The PROXY protocol: a trusted proxy names the client.

load ../lib/superd
load ../lib/client

# Prints the addresses of the connection, and then what the client has sent.
WHO='echo "$TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT"; exec cat'

start_proxied() {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 "$@" sh -c "$WHO"
}

# send_header NAME [FILE]: send that header and `hello`, or the file, in one piece; print the answer. All of it is ready before it
# is sent, since a header has 3 seconds.
send_header() {
	local piece=$BATS_TEST_TMPDIR/piece
	"$HEADERS" print "$1" >"$piece"
	if [ -n "${2:-}" ]; then cat "$2"; else echo hello; fi >>"$piece"
	ask "$PORT" <"$piece"
}

@test "PROXY version 1: TCP4, the program and the log have the header's addresses" {
	start_proxied
	run send_header v1-tcp4
	assert_output $'192.0.2.1 1111 192.0.2.2 2222\nhello'
	wait_for_line 'START: sh pid=[0-9]* from=192\.0\.2\.1 port=1111$'
}

@test "PROXY version 1: TCP6, the program and the log have the header's addresses" {
	start_proxied
	run send_header v1-tcp6
	assert_output $'2001:db8::1 1111 2001:db8::2 2222\nhello'
	wait_for_line 'START: sh pid=[0-9]* from=2001:db8::1 port=1111$'
}

@test "PROXY version 1: the longest addresses, the program has them" {
	start_proxied
	run send_header v1-tcp6-longest
	assert_output --regexp '^ffff(:ffff){7} 65535 ffff(:ffff){7} 65535
hello$'
}

@test "PROXY version 1: UNKNOWN, the program has the connection's addresses" {
	start_proxied
	for name in v1-unknown v1-unknown-longest; do
		run send_header "$name"
		assert_output --regexp "^127\.0\.0\.1 [0-9]+ 127\.0\.0\.1 $PORT
hello$"
	done
}

@test "PROXY version 2: TCP4, the program and the log have the header's addresses" {
	start_proxied
	run send_header v2-tcp4
	assert_output $'192.0.2.1 1111 192.0.2.2 2222\nhello'
	wait_for_line 'START: sh pid=[0-9]* from=192\.0\.2\.1 port=1111$'
}

@test "PROXY version 2: TCP6, the program has the header's addresses" {
	start_proxied
	run send_header v2-tcp6
	assert_output $'2001:db8::1 1111 2001:db8::2 2222\nhello'
}

@test "PROXY version 2: IPv4-mapped IPv6 addresses, they are IPv4" {
	start_proxied -o only_from=192.0.2.1
	run send_header v2-mapped
	assert_output $'192.0.2.1 1111 192.0.2.2 2222\nhello'
}

@test "PROXY version 2: TLVs after the addresses, superd skips them" {
	start_proxied
	run send_header v2-tlv
	assert_output $'192.0.2.1 1111 192.0.2.2 2222\nhello'
	run send_header v2-many-tlv
	assert_output $'2001:db8::1 1111 2001:db8::2 2222\nhello'
}

@test "PROXY version 2: LOCAL and families other than TCP, the program has the connection's addresses" {
	start_proxied
	for name in v2-local v2-local-tlv v2-unspecified v2-unix; do
		run send_header "$name"
		assert_output --regexp "^127\.0\.0\.1 [0-9]+ 127\.0\.0\.1 $PORT
hello$"
	done
}

@test "PROXY: headers cut at every place, superd reads them and loses no byte after them" {
	start_proxied -o instances=UNLIMITED
	for name in v1-tcp4 v2-tcp4 v2-tlv; do
		run "$HEADERS" split "$PORT" "$name"
		assert_output "b'192.0.2.1 1111 192.0.2.2 2222\\n\\r\\nPROXY \\x00\\n'"
	done
	run "$HEADERS" split "$PORT" v2-tcp6
	assert_output "b'2001:db8::1 1111 2001:db8::2 2222\\n\\r\\nPROXY \\x00\\n'"
	for name in v1-unknown v2-local; do
		# Each connection has its own addresses.
		"$HEADERS" split "$PORT" "$name" >"$BATS_TEST_TMPDIR/answers"
		run grep -vE "^b'127\.0\.0\.1 [0-9]+ 127\.0\.0\.1 $PORT\\\\n\\\\r\\\\nPROXY \\\\x00\\\\n'\$" "$BATS_TEST_TMPDIR/answers"
		assert_output ''
	done
	run grep FAIL "$LOG"
	assert_failure
}

@test "PROXY: 3 MB directly after the header, they arrive complete" {
	start_proxied
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	for name in v1-tcp4 v2-tlv; do
		send_header "$name" "$BATS_TEST_TMPDIR/data" | tail -n +2 | cmp - "$BATS_TEST_TMPDIR/data"
	done
}

@test "PROXY: wrong headers, superd refuses, logs and starts nothing" {
	start_proxied
	for name in $("$HEADERS" bad); do
		run send_header "$name"
		refute_output --partial hello
		refute_output --regexp '[0-9]\.[0-9]'
	done
	wait_until has_children 0
	wait_until log_has "$("$HEADERS" bad | wc -l)" '^superd: FAIL: sh proxy from=127\.0\.0\.1$'
	run grep START "$LOG"
	assert_failure
	run grep -c "$(printf '[\001-\010\013-\037\177]')" "$LOG"
	assert_output 0
}

@test "PROXY: 150 clients send no complete header, superd ends them after 3 seconds and serves others meanwhile" {
	start_proxied
	begin=$SECONDS
	start_background "$CLIENT" -c 50 "$PORT" all
	silent=$BG_PID
	start_background "$CLIENT" -c 50 "$PORT" 'send:PROXY TCP4 192.0.2.1' all
	slow=$BG_PID
	start_background "$CLIENT" -c 50 "$PORT" 'send:\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff' all
	run send_header v1-tcp4
	assert_output --partial hello
	wait "$silent"
	wait "$slow"
	wait "$BG_PID"
	((SECONDS - begin >= 2 && SECONDS - begin <= 15))
	wait_until log_has 150 'FAIL: sh proxy'
	[ "$(grep -E 'START: sh|FAIL: sh' "$LOG" | tail -n 1 | cut -d : -f 2)" = ' FAIL' ]
	has_sockets 1
}

@test "PROXY: a header arrives byte by byte, that does not extend the 3 seconds" {
	start_proxied
	# A byte every half second: the time is over before the last.
	begin=$SECONDS
	for byte in P R O X Y ' ' U N K N O W N; do
		printf %s "$byte"
		sleep 0.5
	done | timeout "$WAIT_SECONDS" nc 127.0.0.1 "$PORT" &
	wait_for_line 'FAIL: sh proxy'
	((SECONDS - begin < 6)) || is_sanitized
	wait $!
}

@test "PROXY: clients close or reset within the header, superd closes these connections at once" {
	start_proxied
	"$CLIENT" -c 20 "$PORT" 'send:PROXY TCP4 ' reset
	"$CLIENT" -c 20 "$PORT" 'send:PROXY TCP4 ' close
	wait_until has_sockets 1
	run send_header v1-tcp4
	assert_output --partial hello
}

@test "proxy_from: a header from another client, it is data" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.9 sh -c "$WHO"
	run send_header v1-tcp4
	assert_line --index 0 --regexp '^127\.0\.0\.1 '
	assert_line --index 1 --partial 'PROXY TCP4'
}

@test "proxy_from with access: only_from and no_access, they match the header's client" {
	start_proxied -o only_from=192.0.2.0/24 -o no_access=192.0.2.66
	run send_header v1-tcp4
	assert_output --partial hello
	run send_header v1-tcp6
	refute_output --partial hello
	wait_for_line 'FAIL: sh address from=2001:db8::1$'
	run ask "$PORT" <<<$'PROXY TCP4 192.0.2.66 192.0.2.2 1 2\r'
	wait_for_line 'FAIL: sh address from=192\.0\.2\.66$'
}

@test "proxy_from with limits: per_source, it counts the header's client" {
	start_proxied -o per_source=1
	start_background "$CLIENT" "$PORT" 'send:PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n' line hold >"$BATS_TEST_TMPDIR/first"
	wait_for_line holding "$BATS_TEST_TMPDIR/first"
	run send_header v1-tcp4
	wait_for_line 'FAIL: sh per_source_limit from=192\.0\.2\.1$'
	run ask "$PORT" <<<$'PROXY TCP4 192.0.2.7 192.0.2.2 1 2\r'
	assert_output '192.0.2.7 1 192.0.2.2 2'
}

@test "proxy_from with limits: five headers arrive at once with on_limit = wait, every client is served" {
	start_proxied -o instances=1
	printf 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n' >"$BATS_TEST_TMPDIR/header"
	for n in 1 2 3 4 5; do
		start_background "$CLIENT" "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n' shut all \
			>"$BATS_TEST_TMPDIR/client.$n"
		clients="${clients:-} $BG_PID"
	done
	all_connected() { [ "$(ss -tnH state established "( dport = :$PORT )" | wc -l)" -eq 5 ]; }
	wait_until all_connected
	touch "$BATS_TEST_TMPDIR/go"
	for pid in $clients; do
		wait_until is_gone "$pid"
	done
	for n in 1 2 3 4 5; do
		[ "$(cat "$BATS_TEST_TMPDIR/client.$n")" = '192.0.2.1 1 192.0.2.2 2' ]
	done
	run grep FAIL "$LOG"
	assert_failure
}

@test "proxy_from with reload: the service is removed while a header is awaited, superd ends the connection and continues" {
	{
		print_open_service a proxy_from=127.0.0.1
		print_open_service b
	} >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	start_background "$CLIENT" "$(port_of a)" 'send:PROXY TCP4' "file:$BATS_TEST_TMPDIR/go" 'send: 192.0.2.1 192.0.2.2 1 2\r\n' shut all
	print_open_service b >"$BATS_TEST_TMPDIR/conf"
	reload_superd
	touch "$BATS_TEST_TMPDIR/go"
	wait_until is_gone "$BG_PID"
	reload_superd
	run ask "$(port_of b)" <<<hello
	assert_output hello
	stop_superd
}

# start_haproxy OPTIONS: start HAProxy before superd, with these options of its server. Sets HAPROXY, its port.
start_haproxy() {
	HAPROXY=$(free_port)
	cat >"$BATS_TEST_TMPDIR/haproxy.cfg" <<-END
		defaults
			mode tcp
			timeout connect 20s
			timeout client 60s
			timeout server 60s
		listen front
			bind 127.0.0.1:$HAPROXY
			server superd 127.0.0.1:$PORT $1
	END
	start_background haproxy -q -db -f "$BATS_TEST_TMPDIR/haproxy.cfg" >"$BATS_TEST_TMPDIR/haproxy.log" 2>&1
	haproxy_listens() { [ -n "$(ss -ltnH "( sport = :$HAPROXY )")" ]; }
	wait_until haproxy_listens
}

@test "HAProxy: send-proxy, the program and the log have the client's address" {
	start_proxied -o instances=UNLIMITED
	start_haproxy send-proxy
	run "$CLIENT" -s 127.0.0.77 "$HAPROXY" 'send:hello\n' line line
	assert_line --index 0 --regexp "^127\.0\.0\.77 [0-9]+ 127\.0\.0\.1 $HAPROXY$"
	assert_line --index 1 hello
	wait_for_line 'START: sh pid=[0-9]* from=127\.0\.0\.77 '
}

@test "HAProxy: send-proxy-v2 with unique-id and crc32c, the program has the client's address" {
	start_proxied -o instances=UNLIMITED
	start_haproxy 'send-proxy-v2 proxy-v2-options unique-id,crc32c'
	run "$CLIENT" -s 127.0.0.77 "$HAPROXY" 'send:hello\n' line line
	assert_line --index 0 --regexp "^127\.0\.0\.77 [0-9]+ 127\.0\.0\.1 $HAPROXY$"
	assert_line --index 1 hello
}

@test "HAProxy: health checks with LOCAL headers, superd serves and refuses nothing" {
	start_proxied -o instances=UNLIMITED
	start_haproxy 'send-proxy-v2 check-send-proxy check inter 200'
	wait_for_line 'EXIT: sh'
	run "$CLIENT" "$HAPROXY" 'send:hello\n' line line
	assert_line --index 1 hello
	run grep 'FAIL: sh proxy' "$LOG"
	assert_failure
}

@test "HAProxy: 500 connections with send-proxy-v2, every client is served" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 -o instances=8 cat
	start_haproxy send-proxy-v2
	run "$LOAD" -c 32 -n 500 "$HAPROXY"
	assert_output 'served=500 refused=0 empty=0 reset=0 wrong=0 late=0'
}
