# SPDX-License-Identifier: ISC
# USR2: superd executes the superd on disk, and keeps its process id, sockets, programs, connections and counters.

load ../lib/superd
load ../lib/client
load ../lib/fault

setup() {
	CONF=$BATS_TEST_TMPDIR/conf
}

# How many upgrades a test can do. A sanitizer build starts slowly.
TIMES=100

@test "upgrade: two in a row, the process id, the port, the arguments and the pid file stay" {
	start_superd -P "$BATS_TEST_TMPDIR/pid" -p 0 -b 127.0.0.1 cat
	tr '\0' '|' <"/proc/$SUPERD_PID/cmdline" >"$BATS_TEST_TMPDIR/before"
	upgrade_superd
	upgrade_superd
	run ask "$PORT" <<<hello
	assert_output hello
	tr '\0' '|' <"/proc/$SUPERD_PID/cmdline" | cmp - "$BATS_TEST_TMPDIR/before"
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$SUPERD_PID" ]
	stop_superd
	[ ! -e "$BATS_TEST_TMPDIR/pid" ]
}

@test "upgrade: the file on disk is a new one, superd runs it" {
	use_private_superd
	start_superd -p 0 cat
	cp "$SUPERD" "$SUPERD.new"
	mv "$SUPERD.new" "$SUPERD"
	upgrade_superd
	[ "/proc/$SUPERD_PID/exe" -ef "$SUPERD" ]
}

call_superd_by_name() {
	SUPERD=superd
}

@test "upgrade: superd was found in PATH, it is found again" {
	use_private_superd
	SUPERD_PREFIX=(env "PATH=$BATS_TEST_TMPDIR:$PATH")
	call_superd_by_name
	start_superd -p 0 cat
	upgrade_superd
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "upgrade: a program runs, the new superd counts, reaps and logs it" {
	start_superd -p 0 -o instances=1 -o on_limit=refuse cat
	open_connection first "$PORT"
	upgrade_superd
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line 'FAIL: cat service_limit'
	kill "$CLIENT_PID"
	wait_for_line 'EXIT: cat status=0 pid=[0-9]* duration='
	has_children 0
	run ask "$PORT" <<<again
	assert_output again
}

@test "upgrade: a program runs, the new superd counts it for per_source" {
	start_superd -p 0 -b 127.0.0.1 -o per_source=1 cat
	open_connection first "$PORT"
	upgrade_superd
	"$CLIENT" "$PORT" all
	wait_for_line 'FAIL: cat per_source_limit'
	run "$CLIENT" -s 127.0.0.2 "$PORT" 'send:other\n' line
	assert_output other
}

@test "upgrade: a program has a time_limit, its time does not start again" {
	start_superd -p 0 -o time_limit=5 sh -c 'read -r line; echo "$line"; sleep 1000'
	open_connection first "$PORT"
	sleep 3
	upgrade_superd
	# If the time started again at the upgrade, the program would run for 8 seconds.
	wait_for_line 'EXIT: sh signal=15 .*duration=[5-7](sec)'
}

# begin_slow_upgrade: send USR2, and wait until the new superd starts, which is after the check (-t). It stops there until the file
# `go` exists.
begin_slow_upgrade() {
	mv "$SUPERD" "$SUPERD.real"
	replace_superd '#!/usr/bin/env python3' 'import os, sys, time' \
		"if sys.argv[1] != '-t':" \
		"    open('$BATS_TEST_TMPDIR/starting', 'w')" \
		"    while not os.path.exists('$BATS_TEST_TMPDIR/go'): time.sleep(0.01)" \
		"os.execv('$SUPERD.real', sys.argv)"
	kill -USR2 "$SUPERD_PID"
	wait_until test -e "$BATS_TEST_TMPDIR/starting"
}

is_zombie() {
	grep -q '^State:.Z' "/proc/$1/status"
}

@test "upgrade: a program exits while the new superd starts, it is reaped" {
	use_private_superd
	start_superd -p 0 -o instances=1 cat
	open_connection first "$PORT"
	child=$(pgrep -P "$SUPERD_PID")
	begin_slow_upgrade
	kill "$CLIENT_PID"
	wait_until is_zombie "$child"
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line 'upgraded in place'
	wait_for_line "EXIT: cat status=0 pid=$child "
	run ask "$PORT" <<<next
	assert_output next
	wait_until has_children 0
}

@test "upgrade: TERM arrives while the new superd starts, superd stops" {
	use_private_superd
	start_superd -p 0 cat
	begin_slow_upgrade
	kill -TERM "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/go"
	wait_superd
	grep -q 'upgraded in place' "$LOG"
	grep -q '^superd: stopping' "$LOG"
}

@test "upgrade: metrics, the counters and the start time continue" {
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -p 0 -b 127.0.0.1 -o only_from=127.0.0.1 cat
	for _ in 1 2 3; do
		ask "$PORT" </dev/null
	done
	"$CLIENT" -s 127.0.0.2 "$PORT" all
	wait_until metric_is "$BATS_TEST_TMPDIR/metrics" superd_connections_total 'service="cat"' 4
	began=$(metric "$BATS_TEST_TMPDIR/metrics" superd_start_time_seconds)
	upgrade_superd
	upgrade_superd
	wait_until metric_is "$BATS_TEST_TMPDIR/metrics" superd_upgrades_total '' 2
	metric_is "$BATS_TEST_TMPDIR/metrics" superd_connections_total 'service="cat"' 4
	metric_is "$BATS_TEST_TMPDIR/metrics" superd_refused_total 'service="cat",reason="address"' 1
	metric_is "$BATS_TEST_TMPDIR/metrics" superd_start_time_seconds '' "$began"
}

@test "upgrade: a log file, the new superd appends to it" {
	print_open_service a log_type="FILE $BATS_TEST_TMPDIR/a.log" >"$CONF"
	start_superd -c "$CONF"
	ask "$PORT" </dev/null
	upgrade_superd
	ask "$PORT" </dev/null
	wait_until has_children 0
	[ "$(grep -c EXIT "$BATS_TEST_TMPDIR/a.log")" -eq 2 ]
}

@test "upgrade: a client waits in the backlog, the new superd serves it" {
	start_superd -p 0 -o instances=1 cat
	open_connection first "$PORT"
	first=$CLIENT_PID
	start_background "$CLIENT" "$PORT" 'send:second\n' line >"$BATS_TEST_TMPDIR/second"
	second=$BG_PID
	upgrade_superd
	kill "$first"
	wait_until is_gone "$second"
	[ "$(cat "$BATS_TEST_TMPDIR/second")" = second ]
}

@test "upgrade: a UNIX-domain socket under load, it is the same socket and no client is lost" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" cat
	before=$(stat -c %i "$BATS_TEST_TMPDIR/socket")
	start_background "$LOAD" -c 4 -f "$BATS_TEST_TMPDIR/stop" "$BATS_TEST_TMPDIR/socket" >"$BATS_TEST_TMPDIR/load"
	for _ in 1 2 3 4 5; do
		upgrade_superd
	done
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$BG_PID"
	[ "$(stat -c %i "$BATS_TEST_TMPDIR/socket")" = "$before" ]
	stop_superd
	[ ! -e "$BATS_TEST_TMPDIR/socket" ]
}

@test "upgrade: a connection lingers, it lingers on" {
	start_superd -p 0 -b 127.0.0.1 -o linger=30 sh -c 'read -r line; echo "$line"'
	open_connection first "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:unread\n' 'send:unread\n' all shut
	wait_for_line 'EXIT: sh'
	upgrade_superd
	upgrade_superd
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/first")" = here ]
	wait_until has_sockets 1
}

@test "upgrade: a connection lingers, its time does not start again" {
	start_superd -p 0 -b 127.0.0.1 -o linger=2 sh -c 'read -r line; echo "$line"'
	open_connection first "$PORT" all hold
	wait_for_line 'EXIT: sh'
	upgrade_superd
	has_sockets 2
	wait_until has_sockets 1
}

@test "upgrade: a pending connection during a shortage, the new superd starts its program" {
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	start_superd -p 0 "$BATS_TEST_TMPDIR/program"
	exec 6>>"$BATS_TEST_TMPDIR/program" # while it is written to it cannot be run
	start_background "$CLIENT" "$PORT" 'send:held\n' line >"$BATS_TEST_TMPDIR/held" 6>&-
	held=$BG_PID
	wait_for_line 'busy'
	upgrade_superd 6>&-
	[ ! -s "$BATS_TEST_TMPDIR/held" ]
	exec 6>&-
	wait "$held"
	[ "$(cat "$BATS_TEST_TMPDIR/held")" = held ]
}

@test "upgrade: half of a PROXY header has arrived, superd waits for the rest" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 sh -c 'echo "$TCPREMOTEIP"; cat'
	start_background "$CLIENT" "$PORT" 'send:PROXY TCP4 192.0.2.1' "file:$BATS_TEST_TMPDIR/go" \
		'send: 192.0.2.2 1 2\r\nhello\n' line line >"$BATS_TEST_TMPDIR/proxied"
	wait_until has_sockets 2
	kill -USR2 "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/go"
	wait "$BG_PID"
	[ "$(cat "$BATS_TEST_TMPDIR/proxied")" = $'192.0.2.1\nhello' ]
	wait_for_line 'upgraded in place'
}

@test "upgrade: the rest of a PROXY header never arrives, superd upgrades when its time is over and serves meanwhile" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 cat
	start_background "$CLIENT" "$PORT" 'send:PROXY' hold
	wait_until has_sockets 2
	kill -USR2 "$SUPERD_PID"
	start_background "$CLIENT" -s 127.0.0.2 "$PORT" 'send:meanwhile\n' line >"$BATS_TEST_TMPDIR/meanwhile"
	wait_for_line 'upgraded in place'
	wait_for_line meanwhile "$BATS_TEST_TMPDIR/meanwhile"
}

@test "upgrade: sockets from a supervisor, the new superd has them" {
	SUPERD_PREFIX=(systemd-socket-activate -l "$BATS_TEST_TMPDIR/socket")
	launch_superd cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	run ask "$BATS_TEST_TMPDIR/socket" <<<first
	assert_output first
	upgrade_superd
	upgrade_superd
	run ask "$BATS_TEST_TMPDIR/socket" <<<second
	assert_output second
}

@test "upgrade: superd -r, readiness is reported once" {
	mkfifo "$BATS_TEST_TMPDIR/ready"
	exec 7<>"$BATS_TEST_TMPDIR/ready"
	start_superd -r 7 -p 0 cat 7>"$BATS_TEST_TMPDIR/ready"
	read -r -t "$WAIT_SECONDS" <&7
	open_connection first "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:again\n' line
	upgrade_superd
	run grep -e '-r 7' "$LOG"
	assert_failure
	run read -r -t 0.1 <&7
	assert_failure
	exec 7>&-
}

@test "upgrade: three services, each keeps its socket, its children and its counts" {
	{
		print_open_service a server=/bin/echo server_args=a
		print_open_service b instances=1
		print_open_service c bind="$BATS_TEST_TMPDIR/socket" port=
	} >"$CONF"
	start_superd -c "$CONF"
	a=$(port_of a) b=$(port_of b)
	open_connection b "$b"
	open_connection c "$BATS_TEST_TMPDIR/socket"
	upgrade_superd
	run "$CLIENT" "$a" all
	assert_output a
	"$CLIENT" "$b" all
	wait_for_line 'FAIL: b service_limit'
	signal_and_wait USR1 'STATE: c'
	grep -q 'STATE: a .*running=0 accepted=1' "$LOG"
	grep -q 'STATE: b .*running=1 accepted=2 refused=1' "$LOG"
	grep -q 'STATE: c .*running=1 accepted=1' "$LOG"
}

@test "upgrade: services are added, removed and changed, the new superd has the new configuration" {
	{
		print_open_service a
		print_open_service b
		print_open_service c server=/bin/cat
	} >"$CONF"
	start_superd -c "$CONF"
	b=$(port_of b) c=$(port_of c)
	open_connection b "$b" "file:$BATS_TEST_TMPDIR/go" 'send:to the end\n' line
	{
		print_open_service c server=/bin/echo server_args=changed
		print_open_service d
		print_open_service a
	} >"$CONF"
	upgrade_superd
	run "$CLIENT" "$c" all
	assert_output changed
	run ask "$(port_of d)" <<<new
	assert_output new
	run "$CLIENT" "$b" all
	assert_failure
	touch "$BATS_TEST_TMPDIR/go"
	wait "$CLIENT_PID"
	wait_for_line 'EXIT: b status=0'
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/b")" = 'to the end' ]
}

@test "upgrade: a service listens at more and then at fewer addresses, it does" {
	needs python3
	local port
	port=$(free_port)
	write_configuration() {
		printf '%s\n' 'service a' '{' 'type = UNLISTED' "port = $port" 'socket_type = stream' 'wait = no' \
			"user = $ME" 'server = /bin/cat' "$@" '}' >"$CONF"
	}
	write_configuration 'bind = 127.0.0.1'
	start_superd -c "$CONF"
	write_configuration
	upgrade_superd
	[ "$(ask "$PORT" 127.0.0.2 <<<more)" = more ]
	write_configuration 'bind = 127.0.0.1'
	upgrade_superd
	[ "$(ask "$PORT" <<<fewer)" = fewer ]
	run ask "$PORT" 127.0.0.2 <<<fewer
	assert_output ''
}

@test "upgrade: the environment and the descriptors of a program, they are the same as before" {
	start_superd -p 0 sh -c 'env; ls -l /proc/$$/fd | grep -v pipe | wc -l'
	ask "$PORT" </dev/null | grep -v -e PORT= >"$BATS_TEST_TMPDIR/before"
	upgrade_superd
	ask "$PORT" </dev/null | grep -v -e PORT= | diff "$BATS_TEST_TMPDIR/before" -
	run grep SUPERD_ "$BATS_TEST_TMPDIR/before"
	assert_failure
}

@test "upgrade: ten in a row, no descriptor and no process is left" {
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -P "$BATS_TEST_TMPDIR/pid" -p 0 -o linger=1 cat
	upgrade_superd
	wait_until has_children 0
	before=$(superd_descriptors)
	are_as_before() { [ "$(superd_descriptors)" = "$before" ]; }
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		upgrade_superd
	done
	wait_until are_as_before
	wait_until has_children 0
}

@test "upgrade: many upgrades and reloads under load, no connection is refused, reset or lost" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	! is_sanitized || TIMES=20
	start_background "$LOAD" -c 16 -f "$BATS_TEST_TMPDIR/stop" "$PORT" >"$BATS_TEST_TMPDIR/load"
	for ((n = 0; n < TIMES; n++)); do
		upgrade_superd
		print_open_service a time_limit=$((60 + n % 2)) >"$CONF"
		reload_superd
	done
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$BG_PID"
	run cat "$BATS_TEST_TMPDIR/load"
	assert_output --regexp '^served=[1-9][0-9]* refused=0 empty=0 reset=0 wrong=0 late=0$'
	served=${output#served=}
	wait_until has_children 0
	signal_and_wait USR1 'STATE: a .* running=0 '
	grep -q "STATE: a .*accepted=${served%% *} refused=0" "$LOG"
	[ "$(count_log 'EXIT: a status=0')" -eq "${served%% *}" ]
}

@test "upgrade: 200 USR2 and HUP under load, no connection is lost" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	start_background "$LOAD" -c 4 -f "$BATS_TEST_TMPDIR/stop" "$PORT" >"$BATS_TEST_TMPDIR/load"
	for _ in {1..200}; do
		kill -USR2 "$SUPERD_PID"
		kill -HUP "$SUPERD_PID"
	done
	wait_for_line 'upgraded in place'
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$BG_PID"
}
