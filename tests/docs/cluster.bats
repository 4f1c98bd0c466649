# More than one machine: three superds behind a HAProxy, all of them set up as the examples say.

load ../lib/superd
load ../lib/client

EXAMPLES=$ROOT/examples
BACK=127.4.0.1 # where HAProxy knocks on when a server is gone, and the port may be some other test's by then
declare -gA PIDS PORTS

setup() {
	STATS=$BATS_TEST_TMPDIR/stats
	for name in one two three; do
		start_one "$name"
	done
}

# The example's service, with a port that the kernel chooses, and HAProxy and the clients on this machine.
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

# switch_to NAME: what the helpers do, they do to that server.
switch_to() {
	SUPERD_PID=${PIDS[$1]}
	LOG=$(log_of "$1")
}

# start_haproxy [SED-SCRIPT]: the example's HAProxy, on the port FRONT.
start_haproxy() {
	local config=$BATS_TEST_TMPDIR/haproxy.cfg
	FRONT=$(free_port)
	sed -e "s|bind :10100|bind 127.0.0.1:$FRONT|; s|/run/haproxy.sock|$STATS|" -e "${1:-}" \
		-e "s|192.0.2.11:10100|$BACK:${PORTS[one]}|; s|192.0.2.12:10100|$BACK:${PORTS[two]}|" \
		-e "s|192.0.2.13:10100|$BACK:${PORTS[three]}|" "$EXAMPLES/haproxy.cfg" >"$config"
	start_background haproxy -db -f "$config" >"$BATS_TEST_TMPDIR/haproxy.log" 2>&1
	haproxy_listens() { [ -n "$(ss -ltnH "( sport = :$FRONT )")" ] && [ -n "$(stat one status)" ]; }
	wait_until haproxy_listens
}

# What HAProxy has counted: stat SERVER FIELD.
stat() {
	echo 'show stat' | nc -N -U "$STATS" |
		awk -F , -v server="$1" -v field="$2" 'NR == 1 { while ($column != field) column++ } $2 == server { print $column }'
}

begin_load() {
	start_background "$LOAD" -e -c 8 -f "$BATS_TEST_TMPDIR/done" "$FRONT" >"$BATS_TEST_TMPDIR/counts"
	LOAD_PID=$BG_PID
}

# Whoever of the load was not served is counted.
end_load() {
	touch "$BATS_TEST_TMPDIR/done"
	wait "$LOAD_PID" || true
	run cat "$BATS_TEST_TMPDIR/counts"
	assert_output --regexp '^served=[0-9]+ refused=0 empty=0 reset=0 wrong=0 late=0$'
}

# These servers serve some more clients.
serve_on() {
	local name
	for name; do
		switch_to "$name"
		wait_until log_has_more START $(($(count_log START) + 20))
	done
}

@test "the client's own address arrives at the program, and in the log" {
	start_haproxy
	for name in one two three; do
		run "$CLIENT" -s 127.0.0.77 "$FRONT" 'send:peer\n' line
		assert_output --regexp '^ok<>127\.0\.0\.77<>[0-9]+$'
	done
	grep -h 'START: cmd' "$BATS_TEST_TMPDIR"/log.* | grep -c 'from=127\.0\.0\.77 port=' | grep -x 3
}

# A star: another check is under way. One that a busy machine was too slow for is followed by one that it was not.
checks_well() {
	stat "$1" check_status | grep -x -e 'L7OK' -e '\* L7OK'
}

@test "a check asks the program itself, and has a PROXY header, too" {
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

@test "under load one server is upgraded, another taken out and stopped, and no request is lost" {
	start_haproxy
	begin_load
	serve_on one two three
	switch_to two
	upgrade_superd
	run "$EXAMPLES/haproxy-drain" "$STATS" superds/one
	assert_success
	run stat one status
	assert_output DRAIN
	switch_to one
	stop_superd
	serve_on two three
	end_load
}

@test "a session stays with its server while that is taken out and stopped" {
	start_haproxy 's/server t.*/& disabled/'
	open_connection session "$FRONT" "file:$BATS_TEST_TMPDIR/go" 'send:echo<>still there\n' line
	run "$EXAMPLES/haproxy-drain" "$STATS" superds/one 0
	assert_failure 1
	switch_to one
	kill -TERM "$SUPERD_PID"
	# A check may be under way, too.
	wait_for_line 'stopping: [12] programs running'
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line 'ok<>still there' "$BATS_TEST_TMPDIR/session"
	wait_superd
}

@test "a server that is gone, which no check has seen yet, costs no client" {
	start_haproxy 's/inter 2s/inter 1h/'
	wait_for_checks() { [[ $(stat one check_status) = L7OK ]]; }
	wait_until wait_for_checks
	switch_to one
	stop_superd
	run "$LOAD" -e -c 8 -n 100 "$FRONT"
	assert_output 'served=100 refused=0 empty=0 reset=0 wrong=0 late=0'
	[ "$(stat one wredis)" -gt 0 ]
	run stat one status
	assert_output --partial UP
}

@test "haproxy-drain says what HAProxy does not know" {
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
