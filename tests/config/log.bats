# SPDX-License-Identifier: ISC
# What services from a file log, and where: log_on_success, log_on_failure, log_type; and that programs that read xinetd's log
# can read superd's.

load ../lib/superd
load ../lib/client
load ../lib/fault

FILE=$BATS_TEST_TMPDIR/service.log

# start_service LINE...: start superd with one service that has these lines.
start_service() {
	print_service a "$@" >"$CONF"
	start_superd -c "$CONF"
}

# connect_once: a client sends a line, gets it back, and the program ends.
connect_once() {
	echoes "$PORT"
	wait_until has_children 0
}

# has_lines COUNT FILE: the file has that many lines.
has_lines() {
	[ "$(wc -l <"$2")" -eq "$1" ]
}

# connection_lines: print the lines of superd's log that are about connections, with N for numbers.
connection_lines() {
	grep -E '^superd: (START|EXIT|FAIL): ' "$LOG" | sed -E 's/(pid|port|duration)=[0-9]+/\1=N/g'
}

@test "log_on_success: each combination of words, START and EXIT have these fields only" {
	while IFS='|' read -r items expected; do
		start_service "log_on_success = $items"
		connect_once
		[ "$(connection_lines)" = "$(printf '%b' "$expected")" ] || fail "$items: $(connection_lines)"
		stop_superd
	done <<'END'
|
PID|superd: START: a pid=N
HOST|superd: START: a from=127.0.0.1 port=N
USERID|superd: START: a
EXIT|superd: START: a\nsuperd: EXIT: a status=0
DURATION|superd: START: a\nsuperd: EXIT: a duration=N(sec)
HOST PID|superd: START: a pid=N from=127.0.0.1 port=N
PID EXIT|superd: START: a pid=N\nsuperd: EXIT: a status=0 pid=N
PID DURATION|superd: START: a pid=N\nsuperd: EXIT: a pid=N duration=N(sec)
PID HOST EXIT DURATION|superd: START: a pid=N from=127.0.0.1 port=N\nsuperd: EXIT: a status=0 pid=N duration=N(sec)
END
}

@test "log_on_success: EXIT, the line has the exit status or the signal" {
	start_service 'log_on_success = EXIT' "server = $(write_program end <<<'read -r what; eval "$what"')"
	ask "$PORT" <<<'exit 7'
	wait_for_line '^superd: EXIT: a status=7$'
	ask "$PORT" <<<'kill -KILL $$'
	wait_for_line '^superd: EXIT: a signal=9$'
}

@test "log_on_failure: each combination of words, FAIL has these fields only" {
	while IFS='|' read -r items expected; do
		start_service 'only_from =' "log_on_failure = $items"
		"$CLIENT" "$PORT" all
		kill -USR1 "$SUPERD_PID"
		wait_for_line STATE
		[ "$(connection_lines)" = "$(printf '%b' "$expected")" ] || fail "$items: $(connection_lines)"
		stop_superd
	done <<'END'
|
HOST|superd: FAIL: a address from=127.0.0.1
ATTEMPT|superd: FAIL: a address
USERID|superd: FAIL: a address
HOST USERID ATTEMPT|superd: FAIL: a address from=127.0.0.1
END
}

@test "log_on_success and log_on_failure: -= with a word that does not exist, it is an error" {
	assert_rejected 'log_on_failure -= RECORD' "log_on_failure: 'RECORD' is none of HOST, USERID, ATTEMPT"
	assert_rejected 'log_on_success -= HOSTS' "log_on_success: 'HOSTS' is none of PID, HOST, USERID, EXIT, DURATION, TRAFFIC"
	assert_accepted 'log_on_failure -= HOST' 'log_on_failure ='
}

@test "no_log_from: START, EXIT and FAIL of these clients are not logged, those of others are, and refusals are counted" {
	print_open_service a 'log_on_success = HOST EXIT' 'log_on_failure = HOST' 'no_access = 127.0.0.3 127.0.0.4' \
		'no_log_from = 127.0.0.1 127.0.0.3' >"$CONF"
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -c "$CONF"
	for source in 1 2 3 4; do
		run "$CLIENT" -s "127.0.0.$source" "$PORT" end all
	done
	wait_until log_has 1 EXIT
	log_has 1 START
	log_has 1 'START: a from=127\.0\.0\.2'
	wait_until log_has 1 FAIL
	log_has 1 'FAIL: a address from=127\.0\.0\.4'
	wait_until metric_is "$BATS_TEST_TMPDIR/metrics" superd_refused_total 'service="a",reason="address"' 2
}

@test "log_on_success and log_on_failure: not set for a service from a file, nothing is logged" {
	start_service 'only_from = 127.0.0.1'
	connect_once
	"$CLIENT" -s 127.0.0.2 "$PORT" all
	kill -USR1 "$SUPERD_PID"
	wait_for_line STATE
	[ -z "$(connection_lines)" ]
}

@test "log lines: id differs from the service's name, the id is logged" {
	start_service 'id = other' 'log_on_success = PID'
	connect_once
	wait_for_line '^superd: START: other pid='
}

@test "log_type FILE: START and EXIT, they go to the file with xinetd's time stamp and not to superd's log" {
	start_service "log_type = FILE $FILE" 'log_on_success = PID HOST EXIT DURATION'
	connect_once
	wait_for_line 'EXIT' "$FILE"
	wait_until has_lines 2 "$FILE"
	stamp='[0-9]\{2\}/[0-9]\{2\}/[0-9]\{2\}@[0-9]\{2\}:[0-9]\{2\}:[0-9]\{2\}: '
	grep -q "^${stamp}START: a pid=[0-9]* from=127\.0\.0\.1 port=[0-9]*\$" "$FILE"
	grep -q "^${stamp}EXIT: a status=0 pid=[0-9]* duration=[0-9]*(sec)\$" "$FILE"
	[ -z "$(connection_lines)" ]
}

@test "log_type FILE: the time stamp is local time" {
	SUPERD_PREFIX=(env TZ=TEST-3)
	start_service "log_type = FILE $FILE" 'log_on_success = PID'
	connect_once
	hours=$(TZ=TEST-3 date '+%y/%m/%d@%H')
	wait_until has_lines 1 "$FILE"
	grep -q "^$hours:" "$FILE" || grep -q "^$(TZ=TEST-3 date '+%y/%m/%d@%H'):" "$FILE"
}

@test "log_type FILE: the file exists, superd appends" {
	echo 'from before' >"$FILE"
	start_service "log_type = FILE $FILE" 'log_on_success = PID'
	connect_once
	[ "$(head -n 1 "$FILE")" = 'from before' ]
	wait_until has_lines 2 "$FILE"
}

@test "log_type FILE: two services name one file and a third another, each line is in its file" {
	{
		print_service a "log_type = FILE $FILE" 'log_on_success = PID'
		print_service b "log_type = FILE $FILE" 'log_on_success = PID'
		print_service c "log_type = FILE $FILE.c" 'log_on_success = PID'
	} >"$CONF"
	start_superd -c "$CONF"
	for id in a b c; do
		echoes "$(port_of "$id")"
	done
	wait_until has_lines 2 "$FILE"
	[ "$(grep -c 'START: [ab] ' "$FILE")" -eq 2 ]
	wait_until has_lines 1 "$FILE.c"
}

@test "log_type FILE: the file exceeds the soft and then the hard limit, superd warns once for each and stops writing" {
	start_service "log_type = FILE $FILE 100 300" 'log_on_success = PID HOST'
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		echoes "$PORT"
	done
	wait_for_line 'hard limit'
	[ "$(grep -c "warning: .*$FILE.*soft limit" "$LOG")" -eq 1 ]
	[ "$(grep -c "warning: .*$FILE.*hard limit" "$LOG")" -eq 1 ]
	[ "$(wc -c <"$FILE")" -gt 100 ]
	[ "$(wc -c <"$FILE")" -le 300 ]
	[ "$(tail -c 1 "$FILE" | od -An -c | tr -d ' ')" = '\n' ]
}

@test "log_type FILE: the file existed with 300 bytes, they count for its limits" {
	head -c 300 /dev/zero >"$FILE"
	start_service "log_type = FILE $FILE 100 300" 'log_on_success = PID'
	echoes "$PORT"
	wait_for_line 'hard limit'
	[ "$(wc -c <"$FILE")" -eq 300 ]
}

@test "log_type FILE: sizes with K and M, they are kilobytes and megabytes" {
	head -c 3000 /dev/zero >"$FILE"
	start_service "log_type = FILE $FILE 2K 1M" 'log_on_success = PID'
	echoes "$PORT"
	wait_for_line 'soft limit'
	[ "$(wc -c <"$FILE")" -gt 3000 ]
}

@test "log_type FILE: only the soft limit is set, the hard limit is a little above it" {
	head -c 6000 /dev/zero >"$FILE"
	start_service "log_type = FILE $FILE 500" 'log_on_success = PID'
	echoes "$PORT"
	wait_for_line 'hard limit'
	[ "$(wc -c <"$FILE")" -eq 6000 ]
}

@test "log_type FILE: the file was renamed, HUP opens a new one" {
	start_service "log_type = FILE $FILE" 'log_on_success = PID'
	echoes "$PORT"
	mv "$FILE" "$FILE.1"
	echoes "$PORT"
	wait_until has_lines 2 "$FILE.1"
	kill -HUP "$SUPERD_PID"
	wait_for_line 'reloaded:'
	echoes "$PORT"
	wait_until has_lines 2 "$FILE.1"
	wait_until has_lines 1 "$FILE"
}

@test "log_type FILE: the file cannot be opened, superd warns and serves" {
	start_service "log_type = FILE /nosuch/folder/file" 'log_on_success = PID'
	echoes "$PORT"
	wait_for_line 'warning: /nosuch/folder/file: No such file or directory'
}

@test "log_type SYSLOG: facility and level, the lines have them and go nowhere else" {
	needs root ipv6 capabilities
	start_private_syslog
	start_service 'log_type = SYSLOG local3 notice' 'log_on_success = PID HOST EXIT' 'log_on_failure = HOST' \
		'only_from = 127.0.0.1'
	connect_once
	"$CLIENT" -h ::1 "$PORT" all
	# local3 is 19, notice 5: 19 * 8 + 5.
	wait_for_line '^<157>.* START: a pid=[0-9]* from=127\.0\.0\.1 port=[0-9]*$' "$SYSLOG"
	wait_for_line '^<157>.* EXIT: a status=0 pid=[0-9]*$' "$SYSLOG"
	wait_for_line '^<157>.* FAIL: a address from=::1$' "$SYSLOG"
	[ -z "$(connection_lines)" ]
}

# The only expression of fail2ban's filter for xinetd, xinetd-fail.conf. fail2ban removes what is before the line: syslog's
# prefix, in a file the time.
FAIL2BAN='^FAIL: \S+ address from=(?<host>\S+)$'

match_fail2ban() {
	sed -E 's/^superd: //; s#^[0-9/]{8}@[0-9:]{8}: ##' "$1" | grep -P "$FAIL2BAN"
}

@test "fail2ban: a client is refused by address, the filter for xinetd finds it in the log file" {
	needs ipv6
	start_service "log_type = FILE $FILE" 'only_from = 127.0.0.9' 'log_on_failure = HOST'
	"$CLIENT" -s 127.0.0.2 "$PORT" all
	"$CLIENT" -h ::1 "$PORT" all
	wait_for_line 'from=::1' "$FILE"
	run match_fail2ban "$FILE"
	assert_output 'FAIL: a address from=127.0.0.2
FAIL: a address from=::1'
}

@test "fail2ban: a client is refused by address, the filter for xinetd finds it in superd's own log" {
	start_service 'only_from = 127.0.0.9' 'log_on_failure = HOST USERID ATTEMPT'
	"$CLIENT" -s 127.0.0.2 "$PORT" all
	wait_for_line FAIL
	run match_fail2ban "$LOG"
	assert_output 'FAIL: a address from=127.0.0.2'
}

@test "fail2ban: a client is refused by a limit, the filter for xinetd does not match" {
	start_service "log_type = FILE $FILE" 'log_on_success = PID HOST EXIT' 'log_on_failure = HOST' 'per_source = 0'
	"$CLIENT" "$PORT" all
	wait_for_line FAIL "$FILE"
	run match_fail2ban "$FILE"
	assert_failure
}

@test "log_type SYSLOG: there is no system log, stderr has the lines until there is one (Linux)" {
	needs root capabilities
	make_private_dev
	start_service 'log_type = SYSLOG local3 notice' 'log_on_success = PID'
	connect_once
	wait_for_line '^superd: START: a pid='
	log_has 1 '^superd: warning: /dev/log: No such file or directory; logging to stderr$'
	connect_once
	wait_until log_has 2 '^superd: START: a pid='
	start_private_syslog
	connect_once
	wait_for_line 'START: a pid=' "$SYSLOG"
	log_has 2 '^superd: START: a pid='
	log_has 1 'logging to stderr'
}

@test "log_type FILE: the hard limit is reached and the file truncated, superd writes to it again" {
	head -c 6000 /dev/zero >"$FILE"
	start_service "log_type = FILE $FILE 1000 2000" 'log_on_success = PID'
	connect_once
	wait_for_line 'hard limit'
	: >"$FILE"
	connect_once
	wait_until has_lines 1 "$FILE"
}

@test "log_type FILE: another user's link, superd does not follow it" {
	needs root
	make_public_folder
	mkdir "$PUBLIC/theirs"
	ln -s "$PUBLIC/target" "$PUBLIC/theirs/log"
	chown -h "$USER_ID" "$PUBLIC/theirs" "$PUBLIC/theirs/log"
	start_service "log_type = FILE $PUBLIC/theirs/log" 'log_on_success = PID'
	connect_once
	wait_for_line "warning: $PUBLIC/theirs/log: a link that another user can put there: START"
	[ ! -e "$PUBLIC/target" ]
	# The same link of root's in their directory: they could rename it.
	chown -h root "$PUBLIC/theirs/log"
	connect_once
	[ ! -e "$PUBLIC/target" ]
	chown root "$PUBLIC/theirs"
	connect_once
	wait_until test -s "$PUBLIC/target"
	remove_public_folder
}

@test "log_type FILE: a link of root's leads to a link of another user's, superd does not follow that" {
	needs root
	make_public_folder
	mkdir "$PUBLIC/own" "$PUBLIC/theirs"
	ln -s ../theirs/log "$PUBLIC/own/log"
	ln -s "$PUBLIC/target" "$PUBLIC/theirs/log"
	chown -h "$USER_ID" "$PUBLIC/theirs" "$PUBLIC/theirs/log"
	start_service "log_type = FILE $PUBLIC/own/log" 'log_on_success = PID'
	connect_once
	wait_for_line "warning: $PUBLIC/own/log: a link that another user can put there: START"
	[ ! -e "$PUBLIC/target" ]
	chown -h root "$PUBLIC/theirs" "$PUBLIC/theirs/log"
	connect_once
	wait_until test -s "$PUBLIC/target"
	remove_public_folder
}

@test "log_type FILE: the longest id with bytes that are not shown, FAIL ends with the whole address" {
	id=$(printf '\377%.0s' {1..63})
	print_service a "id = $id" 'proxy_from = 127.0.0.1' 'no_access = ::/0' 'log_on_failure = HOST' "log_type = FILE $BATS_TEST_TMPDIR/file" >"$CONF"
	start_superd -c "$CONF"
	"$CLIENT" "$PORT" 'send:PROXY TCP6 2001:db8:1111:2222:3333:4444:5555:6666 2001:db8::1 1 2\r\n' all
	wait_for_line 'from=2001:db8:1111:2222:3333:4444:5555:6666$' "$BATS_TEST_TMPDIR/file"
}

@test "superd -l: the system log is a stream, each line ends with a NUL byte, and one that nobody reads blocks nothing (Linux)" {
	needs root capabilities
	make_private_dev
	start_background python3 -c 'import os, socket, sys, time
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind(sys.argv[1])
server.listen()
connection, _ = server.accept()
print(connection.recv(4096).split(b"\0")[0].decode(), flush=True)
time.sleep(1000)' "$BATS_TEST_TMPDIR/dev/log" >"$BATS_TEST_TMPDIR/syslog"
	wait_until test -S "$BATS_TEST_TMPDIR/dev/log"
	port=$(free_port)
	launch_superd -l daemon -p "$port" -b 127.0.0.1 -o no_access=127.0.0.1 cat
	wait_for_line "^<30>.* superd\[[0-9]*\]: .*cat" "$BATS_TEST_TMPDIR/syslog"
	wait_until nc -z 127.0.0.1 "$port"
	for _ in 1 2 3; do
		"$CLIENT" -c 300 "$port" all >/dev/null
	done
	stop_superd
}

@test "log_type FILE: /dev/stdout, which is a pipe, it has the lines (Linux)" {
	needs python3 pgrep
	start_background "$SUPERD" -p 0 -b 127.0.0.1 -o 'log_type=FILE /dev/stdout' true > >(cat >"$BATS_TEST_TMPDIR/piped") 2>"$BATS_TEST_TMPDIR/log"
	wait_for_line listening
	"$CLIENT" "$(sed -n 's/.*listening.*://p' "$BATS_TEST_TMPDIR/log")" all
	wait_for_line 'START: true' "$BATS_TEST_TMPDIR/piped"
}
