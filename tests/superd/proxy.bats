# The PROXY protocol: who the client is, as a trusted proxy says.

load ../lib/superd
load ../lib/client

# Says who it thinks its client is, and then what the client said.
WHO='echo "$TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT"; exec cat'

start_proxied() {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 "$@" sh -c "$WHO"
}

# send NAME [FILE]: that header and `hello`, or what is in the file, in one piece; prints the answer. It is all there before
# it is sent, since a header has 3 seconds.
send() {
	local piece=$BATS_TEST_TMPDIR/piece
	"$HEADERS" print "$1" >"$piece"
	if [ -n "${2:-}" ]; then cat "$2"; else echo hello; fi >>"$piece"
	ask "$PORT" <"$piece"
}

@test "version 1, TCP4" {
	start_proxied
	run send v1-tcp4
	assert_output $'192.0.2.1 1111 192.0.2.2 2222\nhello'
	wait_for_line 'START: sh pid=[0-9]* from=192\.0\.2\.1 port=1111$'
}

@test "version 1, TCP6" {
	start_proxied
	run send v1-tcp6
	assert_output $'2001:db8::1 1111 2001:db8::2 2222\nhello'
	wait_for_line 'START: sh pid=[0-9]* from=2001:db8::1 port=1111$'
}

@test "version 1, the longest addresses" {
	start_proxied
	run send v1-tcp6-longest
	assert_output --regexp '^ffff(:ffff){7} 65535 ffff(:ffff){7} 65535
hello$'
}

@test "version 1, UNKNOWN: the connection's own addresses" {
	start_proxied
	for name in v1-unknown v1-unknown-longest; do
		run send "$name"
		assert_output --regexp "^127\.0\.0\.1 [0-9]+ 127\.0\.0\.1 $PORT
hello$"
	done
}

@test "version 2, TCP4" {
	start_proxied
	run send v2-tcp4
	assert_output $'192.0.2.1 1111 192.0.2.2 2222\nhello'
	wait_for_line 'START: sh pid=[0-9]* from=192\.0\.2\.1 port=1111$'
}

@test "version 2, TCP6" {
	start_proxied
	run send v2-tcp6
	assert_output $'2001:db8::1 1111 2001:db8::2 2222\nhello'
}

@test "version 2, IPv4 in IPv6's clothes is IPv4" {
	start_proxied -o only_from=192.0.2.1
	run send v2-mapped
	assert_output $'192.0.2.1 1111 192.0.2.2 2222\nhello'
}

@test "version 2, what stands after the addresses is skipped" {
	start_proxied
	run send v2-tlv
	assert_output $'192.0.2.1 1111 192.0.2.2 2222\nhello'
	run send v2-many-tlv
	assert_output $'2001:db8::1 1111 2001:db8::2 2222\nhello'
}

@test "version 2, LOCAL and families that are not TCP's: the connection's own addresses" {
	start_proxied
	for name in v2-local v2-local-tlv v2-unspecified v2-unix; do
		run send "$name"
		assert_output --regexp "^127\.0\.0\.1 [0-9]+ 127\.0\.0\.1 $PORT
hello$"
	done
}

@test "a header may be cut anywhere, and no byte after it is lost" {
	start_proxied -o instances=UNLIMITED
	for name in v1-tcp4 v2-tcp4 v2-tlv; do
		run "$HEADERS" split "$PORT" "$name"
		assert_output "b'192.0.2.1 1111 192.0.2.2 2222\\n\\r\\nPROXY \\x00\\n'"
	done
	run "$HEADERS" split "$PORT" v2-tcp6
	assert_output "b'2001:db8::1 1111 2001:db8::2 2222\\n\\r\\nPROXY \\x00\\n'"
	for name in v1-unknown v2-local; do
		# The addresses are each connection's own.
		"$HEADERS" split "$PORT" "$name" >"$BATS_TEST_TMPDIR/answers"
		run grep -vE "^b'127\.0\.0\.1 [0-9]+ 127\.0\.0\.1 $PORT\\\\n\\\\r\\\\nPROXY \\\\x00\\\\n'\$" "$BATS_TEST_TMPDIR/answers"
		assert_output ''
	done
	run grep FAIL "$LOG"
	assert_failure
}

@test "much data directly behind the header arrives whole" {
	start_proxied
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	for name in v1-tcp4 v2-tlv; do
		send "$name" "$BATS_TEST_TMPDIR/data" | tail -n +2 | cmp - "$BATS_TEST_TMPDIR/data"
	done
}

@test "a wrong header is refused, said, and starts nothing" {
	start_proxied
	for name in $("$HEADERS" bad); do
		run send "$name"
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

@test "who sends no header, or not all of it, is ended after 3 seconds, and nobody waits for that" {
	start_proxied
	begin=$SECONDS
	start_background "$CLIENT" -c 50 "$PORT" all
	silent=$BG_PID
	start_background "$CLIENT" -c 50 "$PORT" 'send:PROXY TCP4 192.0.2.1' all
	slow=$BG_PID
	start_background "$CLIENT" -c 50 "$PORT" 'send:\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff' all
	run send v1-tcp4
	assert_output --partial hello
	wait "$silent"
	wait "$slow"
	wait "$BG_PID"
	((SECONDS - begin >= 2 && SECONDS - begin <= 15))
	wait_until log_has 150 'FAIL: sh proxy'
	[ "$(grep -E 'START: sh|FAIL: sh' "$LOG" | tail -n 1 | cut -d : -f 2)" = ' FAIL' ]
	has_sockets 1
}

@test "a header that comes drop by drop does not prolong the 3 seconds" {
	start_proxied
	# A byte every half second: before the last has come, the time is over.
	begin=$SECONDS
	for byte in P R O X Y ' ' U N K N O W N; do
		printf %s "$byte"
		sleep 0.5
	done | timeout "$WAIT_SECONDS" nc 127.0.0.1 "$PORT" &
	wait_for_line 'FAIL: sh proxy'
	((SECONDS - begin < 6)) || is_sanitized
	wait $!
}

@test "who hangs up in the middle of a header is forgotten at once" {
	start_proxied
	"$CLIENT" -c 20 "$PORT" 'send:PROXY TCP4 ' reset
	"$CLIENT" -c 20 "$PORT" 'send:PROXY TCP4 ' close
	wait_until has_sockets 1
	run send v1-tcp4
	assert_output --partial hello
}

@test "from others a header is data, and says nothing" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.9 sh -c "$WHO"
	run send v1-tcp4
	assert_line --index 0 --regexp '^127\.0\.0\.1 '
	assert_line --index 1 --partial 'PROXY TCP4'
}

@test "access goes by the client, not by the proxy" {
	start_proxied -o only_from=192.0.2.0/24 -o no_access=192.0.2.66
	run send v1-tcp4
	assert_output --partial hello
	run send v1-tcp6
	refute_output --partial hello
	wait_for_line 'FAIL: sh address from=2001:db8::1$'
	run ask "$PORT" <<<$'PROXY TCP4 192.0.2.66 192.0.2.2 1 2\r'
	wait_for_line 'FAIL: sh address from=192\.0\.2\.66$'
}

@test "per_source goes by the client, not by the proxy" {
	start_proxied -o per_source=1
	start_background "$CLIENT" "$PORT" 'send:PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n' line hold >"$BATS_TEST_TMPDIR/first"
	wait_for_line holding "$BATS_TEST_TMPDIR/first"
	run send v1-tcp4
	wait_for_line 'FAIL: sh per_source_limit from=192\.0\.2\.1$'
	run ask "$PORT" <<<$'PROXY TCP4 192.0.2.7 192.0.2.2 1 2\r'
	assert_output '192.0.2.7 1 192.0.2.2 2'
}

@test "with on_limit = wait, clients whose headers come together all get their turn" {
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

@test "a service that is removed while a header is awaited ends that connection, and superd goes on" {
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

# HAProxy in front: haproxy WORD, its port is HAPROXY.
haproxy_with() {
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

@test "HAProxy's send-proxy" {
	start_proxied -o instances=UNLIMITED
	haproxy_with send-proxy
	run "$CLIENT" -s 127.0.0.77 "$HAPROXY" 'send:hello\n' line line
	assert_line --index 0 --regexp "^127\.0\.0\.77 [0-9]+ 127\.0\.0\.1 $HAPROXY$"
	assert_line --index 1 hello
	wait_for_line 'START: sh pid=[0-9]* from=127\.0\.0\.77 '
}

@test "HAProxy's send-proxy-v2, with all that it can add" {
	start_proxied -o instances=UNLIMITED
	haproxy_with 'send-proxy-v2 proxy-v2-options unique-id,crc32c'
	run "$CLIENT" -s 127.0.0.77 "$HAPROXY" 'send:hello\n' line line
	assert_line --index 0 --regexp "^127\.0\.0\.77 [0-9]+ 127\.0\.0\.1 $HAPROXY$"
	assert_line --index 1 hello
}

@test "HAProxy's health check is LOCAL, and harms nobody" {
	start_proxied -o instances=UNLIMITED
	haproxy_with 'send-proxy-v2 check-send-proxy check inter 200'
	wait_for_line 'EXIT: sh'
	run "$CLIENT" "$HAPROXY" 'send:hello\n' line line
	assert_line --index 1 hello
	run grep 'FAIL: sh proxy' "$LOG"
	assert_failure
}

@test "a load through HAProxy" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 -o instances=8 cat
	haproxy_with send-proxy-v2
	run "$LOAD" -c 32 -n 500 "$HAPROXY"
	assert_output 'served=500 refused=0 empty=0 reset=0 wrong=0 late=0'
}
