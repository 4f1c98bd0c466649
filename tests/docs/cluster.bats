# SPDX-License-Identifier: ISC
# Three superds behind HAProxy, configured as in the examples.

load ../lib/superd
load ../lib/client

EXAMPLES=$ROOT/examples
BACK=127.4.0.1 # HAProxy connects there when a server has stopped, and on 127.0.0.1 the port may belong to another test by then
declare -gA PIDS PORTS

setup() {
	needs root haproxy
	STATS=$BATS_TEST_TMPDIR/stats
	for name in one two three; do
		start_one "$name"
	done
}

# start_one NAME: start superd with the example's service, on a port that the kernel chooses; HAProxy and the clients are on this
# machine.
start_one() {
	sed -e 's|\(port.*=\) 10100|\1 0\n\tbind = '$BACK'|; s|/usr/local/bin/cmd|'"$CMD"'|' \
		-e 's|\(proxy_from.*=\).*|\1 127.0.0.1|; s|\(only_from.*=\).*|\1 127.0.0.0/8|' \
		"$EXAMPLES/behind-haproxy.conf" >"$BATS_TEST_TMPDIR/conf"
	SUPERD_LOG=$(log_of "$1") start_superd -c "$BATS_TEST_TMPDIR/conf"
	PIDS[$1]=$SUPERD_PID
	PORTS[$1]=$PORT
}

log_of() {
	echo "$BATS_TEST_TMPDIR/log.$1"
}

# switch_to NAME: from now on the library's functions apply to that server. Sets SUPERD_PID and LOG.
switch_to() {
	SUPERD_PID=${PIDS[$1]}
	LOG=$(log_of "$1")
}

# start_haproxy [SED-SCRIPT]: start HAProxy with the example's configuration, edited by the script. Sets FRONT, its port.
start_haproxy() {
	local config=$BATS_TEST_TMPDIR/haproxy.cfg
	FRONT=$(free_port)
	sed -e "s|bind :10100|bind 127.0.0.1:$FRONT|; s|/run/haproxy.sock|$STATS|" -e "${1:-}" \
		-e "s|192.0.2.11:10100|$BACK:${PORTS[one]}|; s|192.0.2.12:10100|$BACK:${PORTS[two]}|" \
		-e "s|192.0.2.13:10100|$BACK:${PORTS[three]}|" "$EXAMPLES/haproxy.cfg" >"$config"
	start_background haproxy -db -f "$config" >"$BATS_TEST_TMPDIR/haproxy.log" 2>&1
	haproxy_listens() { [ -n "$(ss -ltnH "( sport = :$FRONT )")" ] && [ -n "$(server_stat one status)" ]; }
	wait_until haproxy_listens
}

# server_stat SERVER FIELD: print that field of HAProxy's statistics.
server_stat() {
	echo 'show stat' | nc -N -U "$STATS" |
		awk -F , -v server="$1" -v field="$2" 'NR == 1 { while ($column != field && column < NF) column++ } $2 == server { print $column }'
}

# begin_load: start clients that connect until end_load; end_load: stop them, and assert that every client was served.
begin_load() {
	start_background "$LOAD" -e -c 8 -f "$BATS_TEST_TMPDIR/done" "$FRONT" >"$BATS_TEST_TMPDIR/counts"
	LOAD_PID=$BG_PID
}

end_load() {
	touch "$BATS_TEST_TMPDIR/done"
	wait "$LOAD_PID" || true
	run cat "$BATS_TEST_TMPDIR/counts"
	assert_output --regexp '^served=[0-9]+ refused=0 empty=0 reset=0 wrong=0 late=0$'
}

# serve_on NAME...: wait until each of these servers has served 20 more clients.
serve_on() {
	local name
	for name; do
		switch_to "$name"
		wait_until log_has_more START $(($(count_log START) + 20))
	done
}

@test "HAProxy cluster: a client, the program and the log have its address" {
	start_haproxy
	for name in one two three; do
		run "$CLIENT" -s 127.0.0.77 "$FRONT" 'send:peer\n' line
		assert_output --regexp '^ok<>127\.0\.0\.77<>[0-9]+$'
	done
	grep -h 'START: cmd' "$BATS_TEST_TMPDIR"/log.* | grep -c 'from=127\.0\.0\.77 port=' | grep -x 3
}

# checks_well NAME: the last check has succeeded. A star means that another is running. If a busy machine was too slow for one,
# another follows.
checks_well() {
	server_stat "$1" check_status | grep -x -e 'L7OK' -e '\* L7OK'
}

@test "HAProxy cluster: health checks with PROXY headers, cmd answers them and superd refuses nothing" {
	start_haproxy 's/inter 2s/inter 200/'
	for name in one two three; do
		switch_to "$name"
		wait_for_line 'EXIT: cmd status='
		wait_until log_has_more START 2
		wait_until checks_well "$name"
		run count_log FAIL
		assert_output 0
	done
}

@test "HAProxy cluster: one server upgrades and another drains under load, no request is lost" {
	start_haproxy
	begin_load
	serve_on one two three
	switch_to two
	upgrade_superd
	run "$EXAMPLES/haproxy-drain" "$STATS" superds/one
	assert_success
	run server_stat one status
	assert_output DRAIN
	switch_to one
	stop_superd
	serve_on two three
	end_load
}

@test "HAProxy cluster: a session is open while its server drains and stops, the session continues" {
	start_haproxy 's/server t.*/& disabled/'
	open_connection session "$FRONT" "file:$BATS_TEST_TMPDIR/go" 'send:echo<>still there\n' line
	run "$EXAMPLES/haproxy-drain" "$STATS" superds/one 0
	assert_failure 1
	switch_to one
	kill -TERM "$SUPERD_PID"
	# A check may be running, too.
	wait_for_line 'stopping: [12] programs running'
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line 'ok<>still there' "$BATS_TEST_TMPDIR/session"
	wait_superd
}

@test "HAProxy cluster: a server has stopped before the next check, every client is served" {
	start_haproxy 's/inter 2s/inter 1h/'
	wait_for_checks() { [[ $(server_stat one check_status) = L7OK ]]; }
	wait_until wait_for_checks
	switch_to one
	stop_superd
	run "$LOAD" -e -c 8 -n 100 "$FRONT"
	assert_output 'served=100 refused=0 empty=0 reset=0 wrong=0 late=0'
	[ "$(server_stat one wredis)" -gt 0 ]
	run server_stat one status
	assert_output --partial UP
}

@test "haproxy-drain: an unknown server, a missing socket and no arguments, it prints the error and exits with status 2" {
	start_haproxy
	run "$EXAMPLES/haproxy-drain" "$STATS" superds/four
	assert_failure 2
	assert_output --partial 'No such server'
	run "$EXAMPLES/haproxy-drain" "$BATS_TEST_TMPDIR/nothing" superds/one
	assert_failure 2
	run "$EXAMPLES/haproxy-drain"
	assert_failure 2
	assert_output --partial usage
}
