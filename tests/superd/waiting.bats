# SPDX-License-Identifier: ISC
# Connections that wait for their client: for its PROXY header, for the end after the program's, for the DNS. None of them may
# take another client's place, and each kind has its bound.

load ../lib/superd
load ../lib/client

# A second on an idle machine is three on a busy one.
assert_quick() {
	local spent=$(((${EPOCHREALTIME/./} - $1) / 1000))
	echo "$spent ms"
	((spent < 3000))
}

# open_lingering COUNT: connections whose program has ended, and which stay.
open_lingering() {
	start_background "$CLIENT" -c "$1" "$PORT" all hold >"$BATS_TEST_TMPDIR/lingering"
	wait_for_line holding "$BATS_TEST_TMPDIR/lingering"
}

@test "linger: five connections and instances = 3, superd keeps three" {
	start_superd -p 0 -b 127.0.0.1 -o linger=60 -o instances=3 true
	open_lingering 5
	wait_until has_sockets 4
}

@test "linger: 270 connections and no limit of instances, superd keeps 256" {
	print_open_service a linger=60 server=/bin/true >"$CONF"
	start_superd -c "$CONF"
	open_lingering 270
	wait_until has_sockets 257
}

@test "linger: no descriptors are left, superd ends the oldest and serves the next client" {
	SUPERD_PREFIX=(prlimit --nofile=40)
	print_open_service a linger=60 server=/bin/true >"$CONF"
	start_superd -c "$CONF"
	# Not more at once than there are descriptors; a start by fork needs three.
	for ((i = 0; i < 12; i++)); do open_lingering 5; done
	begin=${EPOCHREALTIME/./}
	run ask "$PORT" </dev/null
	assert_success
	assert_quick "$begin"
	[ "$(count_log 'START: a')" -eq 61 ]
	run grep 'new connections wait' "$LOG"
	assert_failure
}

@test "linger: TERM and drain_time = 1, superd ends long before the time of linger is over" {
	start_superd -p 0 -b 127.0.0.1 -o linger=600 -o drain_time=1 true
	open_lingering 2
	begin=${EPOCHREALTIME/./}
	stop_superd TERM
	assert_quick "$begin"
}

@test "linger: a second TERM, superd ends at once" {
	start_superd -p 0 -b 127.0.0.1 -o linger=600 -o drain_time=600 true
	open_lingering 2
	kill -TERM "$SUPERD_PID"
	wait_for_line 'stopping: 0 programs running, at most 600 s'
	begin=${EPOCHREALTIME/./}
	stop_superd TERM
	assert_quick "$begin"
}

# open_silent COUNT: connections that must send a PROXY header, and do not.
open_silent() {
	start_background "$CLIENT" -c "$1" "$PORT" hold >"$BATS_TEST_TMPDIR/silent"
	wait_for_line holding "$BATS_TEST_TMPDIR/silent"
}

@test "proxy_from: ten silent clients and instances = 5 with on_limit = wait, another client is served at once" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 -o instances=5 sh -c 'echo "$TCPREMOTEIP"'
	open_silent 10
	begin=${EPOCHREALTIME/./}
	run "$CLIENT" "$PORT" 'send:PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n' all
	assert_output 192.0.2.1
	assert_quick "$begin"
}

@test "proxy_from: 270 silent clients, superd keeps 256" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 cat
	open_silent 270
	[ "$(count_log 'FAIL: cat proxy')" -ge 14 ]
}

@test "proxy_from: a connection ends before its first byte, superd counts and does not log it" {
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 cat
	"$CLIENT" "$PORT" close
	wait_until metric_is "$BATS_TEST_TMPDIR/metrics" superd_refused_total 'service="cat",reason="proxy"' 1
	run grep FAIL "$LOG"
	assert_failure
}

@test "upgrade: a client has sent half of its PROXY header, superd upgrades at once and reads the other half" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 sh -c 'echo "$TCPREMOTEIP"; cat'
	start_background "$CLIENT" "$PORT" 'send:PROXY TCP4 192.0.2.1' "file:$BATS_TEST_TMPDIR/go" \
		'send: 192.0.2.2 1 2\r\nhello\n' line line >"$BATS_TEST_TMPDIR/proxied"
	wait_until has_sockets 2
	begin=${EPOCHREALTIME/./}
	upgrade_superd
	assert_quick "$begin"
	touch "$BATS_TEST_TMPDIR/go"
	wait "$BG_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/proxied")" = $'192.0.2.1\nhello' ]
}
