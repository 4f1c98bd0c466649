# SPDX-License-Identifier: ISC
# superd's options: where it listens, which files it leaves, how much it logs.

load ../lib/superd
load ../lib/client
load ../lib/fault

listening() {
	sed -n 's/^superd: listening //p' "$LOG"
}

# free_service: print a name and its TCP port from /etc/services; the port is free and needs no privilege.
free_service() {
	python3 - <<'END'
import socket
for line in open("/etc/services"):
    words = line.split("#")[0].split()
    if len(words) < 2 or not words[1].endswith("/tcp"):
        continue
    port = int(words[1][:-4])
    if port < 1024:
        continue
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(words[0], port)
    break
END
}

@test "superd -b: not given, superd listens on both loopback addresses at one port" {
	needs ipv6
	start_superd -p 0 cat
	wait_for_line "^superd: listening cat 127\\.0\\.0\\.1:$PORT\$"
	wait_for_line "^superd: listening cat \\[::1\\]:$PORT\$"
	[ "$(listening | wc -l)" -eq 2 ]
	[ "$PORT" -gt 0 ]
	run ask "$PORT" 127.0.0.1 <<<four
	assert_output four
	run ask "$PORT" ::1 <<<six
	assert_output six
}

# without_address COMMAND: run superd in its own network namespace, where the command removes one of the loopback addresses.
without_address() {
	SUPERD_PREFIX=(unshare -n sh -c "ip link set lo up && $1 && exec \"\$@\"" sh)
}

@test "superd -b: not given and there is no ::1, superd listens on 127.0.0.1" {
	needs root capabilities
	without_address 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
	start_superd -p 0 cat
	[ "$(listening)" = "cat 127.0.0.1:$PORT" ]
	[ "$(nsenter -t "$SUPERD_PID" -n nc -N 127.0.0.1 "$PORT" <<<hello)" = hello ]
}

@test "superd -b: not given and there is no 127.0.0.1, superd listens on ::1" {
	needs root capabilities
	without_address 'ip address del 127.0.0.1/8 dev lo'
	start_superd -p 0 cat
	[ "$(listening)" = "cat [::1]:$PORT" ]
	[ "$(nsenter -t "$SUPERD_PID" -n nc -N ::1 "$PORT" <<<hello)" = hello ]
}

@test "superd -p: a number, superd listens there" {
	needs python3
	port=$(free_port)
	start_superd -p "$port" cat
	[ "$PORT" = "$port" ]
	run ask "$port" <<<hello
	assert_output hello
}

@test "superd -p: a name of /etc/services, superd listens at its port" {
	needs python3
	read -r name port < <(free_service)
	start_superd -p "$name" cat
	[ "$PORT" = "$port" ]
	run ask "$port" <<<hello
	assert_output hello
}

@test "superd -b: an IPv4 address, superd listens there only" {
	start_superd -p 0 -b 127.0.0.2 cat
	[ "$(listening)" = "cat 127.0.0.2:$PORT" ]
	run ask "$PORT" 127.0.0.2 <<<hello
	assert_output hello
	run ask "$PORT" 127.0.0.1 <<<hello
	assert_failure
}

@test "superd -b: an IPv6 address, superd listens there only" {
	needs ipv6
	start_superd -p 0 -b ::1 cat
	[ "$(listening)" = "cat [::1]:$PORT" ]
	run ask "$PORT" ::1 <<<hello
	assert_output hello
	run ask "$PORT" 127.0.0.1 <<<hello
	assert_failure
}

@test "superd -b: a host name, superd listens on its addresses" {
	start_superd -p 0 -b localhost cat
	wait_for_line "^superd: listening cat 127\\.0\\.0\\.1:$PORT\$"
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "superd -b: *, superd listens on every interface in both families" {
	needs ipv6
	start_superd -p 0 -b '*' cat
	run ask "$PORT" 127.0.0.3 <<<four
	assert_output four
	run ask "$PORT" ::1 <<<six
	assert_output six
}

@test "superd -b: three times with -p 0, superd listens at one port on all of them" {
	needs ipv6
	start_superd -p 0 -b 127.0.0.2 -b 127.0.0.3 -b ::1 cat
	wait_for_line "listening cat 127\\.0\\.0\\.2:$PORT\$"
	wait_for_line "listening cat 127\\.0\\.0\\.3:$PORT\$"
	wait_for_line "listening cat \\[::1\\]:$PORT\$"
	run ask "$PORT" 127.0.0.3 <<<hello
	assert_output hello
}

@test "superd -b: a path without -p, superd listens on a UNIX-domain socket" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" cat
	[ "$(listening)" = "cat $BATS_TEST_TMPDIR/socket" ]
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	assert_output hello
}

@test "UNIX-domain socket: superd runs and stops, the socket has mode 0600 and is removed" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" cat
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/socket")" = 600 ]
	stop_superd
	[ ! -e "$BATS_TEST_TMPDIR/socket" ]
}

@test "UNIX-domain socket: socket_mode and socket_user, it has that mode and owner" {
	needs root
	start_superd -b "$BATS_TEST_TMPDIR/socket" -o socket_mode=0660 -o socket_user=nobody:daemon cat
	[ "$(stat -c '%a %U %G' "$BATS_TEST_TMPDIR/socket")" = '660 nobody daemon' ]
}

@test "UNIX-domain socket: a killed superd has left one, superd replaces it" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" cat
	kill -KILL "$SUPERD_PID"
	wait_until is_gone "$SUPERD_PID"
	[ -S "$BATS_TEST_TMPDIR/socket" ]
	start_superd -b "$BATS_TEST_TMPDIR/socket" cat
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	assert_output hello
}

@test "superd -b: an address and a path, both serve the program" {
	start_superd -p 0 -b 127.0.0.1 -b "$BATS_TEST_TMPDIR/socket" cat
	port=$(sed -n 's/.*127\.0\.0\.1://p' "$LOG")
	run ask "$port" <<<hello
	assert_output hello
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	assert_output hello
}

@test "superd -u: a user, the program has that user, its group and no other groups (Linux)" {
	needs root
	SUPERD_PREFIX=(setpriv --groups '1,2')
	start_superd -p 0 -u nobody sh -c 'id -un; id -gn; id -G | wc -w'
	run ask "$PORT" </dev/null
	assert_output $'nobody\nnogroup\n1'
}

@test "superd -u: a user and a group, the program has both" {
	needs root
	start_superd -p 0 -u nobody:daemon sh -c 'id -un; id -gn; id -G | wc -w'
	run ask "$PORT" </dev/null
	assert_output $'nobody\ndaemon\n1'
}

@test "superd -u: numbers, the program has them" {
	needs root
	start_superd -p 0 -u 4711:4712 id
	run ask "$PORT" </dev/null
	assert_output --partial 'uid=4711 gid=4712 groups=4712'
}

@test "superd -u: a user, superd's own user stays root" {
	needs root
	start_superd -p 0 -u nobody cat
	[ "$(stat -c %U "/proc/$SUPERD_PID")" = root ]
}

@test "superd -u: a user, the program cannot become root again (Linux)" {
	needs root
	start_superd -p 0 -u nobody sh -c 'grep -E "^(Uid|Gid|NoNewPrivs)" /proc/self/status'
	run ask "$PORT" </dev/null
	assert_line $'Uid:\t65534\t65534\t65534\t65534'
	assert_line $'Gid:\t65534\t65534\t65534\t65534'
	assert_line $'NoNewPrivs:\t1'
}

@test "superd -u: not given to root, superd warns once that the program runs as root" {
	needs root
	start_superd -p 0 id -un
	run ask "$PORT" </dev/null
	assert_output root
	[ "$(grep -c '^superd: warning: .*root' "$LOG")" -eq 1 ]
}

@test "superd -u: a user, superd does not warn" {
	needs root
	start_superd -p 0 -u nobody cat
	run grep warning "$LOG"
	assert_failure
}

@test "superd -P: superd runs and stops, the file has its process id and is removed" {
	start_superd -p 0 -P "$BATS_TEST_TMPDIR/pid" cat
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$SUPERD_PID" ]
	stop_superd
	[ ! -e "$BATS_TEST_TMPDIR/pid" ]
}

@test "superd -r: superd listens, it writes a newline to a named pipe and closes it" {
	mkfifo "$BATS_TEST_TMPDIR/ready"
	exec 5<>"$BATS_TEST_TMPDIR/ready"
	launch_superd -p 0 -r 6 cat 6>"$BATS_TEST_TMPDIR/ready"
	read -r -t "$WAIT_SECONDS" line <&5
	exec 5>&-
	[ -z "$line" ]
	wait_for_line '^superd: listening'
	[ ! -e "/proc/$SUPERD_PID/fd/6" ] || [ "$(readlink "/proc/$SUPERD_PID/fd/6")" != "$BATS_TEST_TMPDIR/ready" ]
}

@test "superd -q: a connection, listening, START and EXIT are not logged" {
	needs root
	launch_superd -q -b "$BATS_TEST_TMPDIR/socket" -u nobody cat
	wait_until ask "$BATS_TEST_TMPDIR/socket" <<<hello
	stop_superd
	[ ! -s "$LOG" ]
}

@test "superd -q: a refused client, it is logged" {
	needs root
	launch_superd -q -b "$BATS_TEST_TMPDIR/socket" -o instances=0 -o on_limit=refuse -u nobody cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	wait_until grep 'FAIL: cat service_limit' "$LOG" < <(ask "$BATS_TEST_TMPDIR/socket" </dev/null)
}

@test "superd -v: a connection, more lines are logged" {
	needs root
	start_superd -p 0 -u nobody cat
	ask "$PORT" <<<hello
	stop_superd
	plain=$(wc -l <"$LOG")
	start_superd -v -p 0 -u nobody cat
	ask "$PORT" <<<hello
	stop_superd
	[ "$(wc -l <"$LOG")" -gt "$plain" ]
}

@test "superd -l: a facility, superd logs to syslog and not to stderr" {
	needs root capabilities
	start_private_syslog
	launch_superd -l local3 -b 127.0.0.1 -p 0 -u nobody cat
	# local3 is facility 19, info is severity 6.
	wait_for_line '^<158>.*superd.*: listening cat 127\.0\.0\.1:[0-9]*$' "$SYSLOG"
	ask "$(sed -n 's/.*listening.*://p' "$SYSLOG")" </dev/null
	wait_for_line ' *superd.*: START: cat pid=' "$SYSLOG"
	wait_for_line ' *superd.*: EXIT: cat status=0' "$SYSLOG"
	[ ! -s "$LOG" ]
}

@test "superd -l: there is no system log, stderr is used instead (Linux)" {
	needs root capabilities
	make_private_dev
	start_superd -l local3 -b 127.0.0.1 -p 0 -u nobody cat
	log_has 1 '^superd: warning: /dev/log: No such file or directory; logging to stderr$'
	ask "$PORT" </dev/null
	wait_for_line '^superd: EXIT: cat status=0'
	log_has 1 /dev/log
}

@test "superd -l: the start fails, stderr has the error, too" {
	needs root capabilities
	start_private_syslog
	launch_superd -l local3 -b 192.0.2.1 -p 0 -u nobody cat
	status=0
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	wait_for_line '^superd: cat: cannot listen on 192\.0\.2\.1:0: .'
	wait_for_line 'superd.*: cat: cannot listen on 192\.0\.2\.1:0: .' "$SYSLOG"
}

@test "superd -t -l: a wrong service, the error goes to stderr" {
	needs root capabilities
	start_private_syslog
	run -1 "${SUPERD_PREFIX[@]}" "$SUPERD" -t -l local3 -p 0 /nosuch/program
	assert_output --partial '/nosuch/program'
	[ ! -s "$SYSLOG" ]
}

@test "journal: JOURNAL_STREAM names stderr, each line begins with its priority" {
	needs root # who is warned of a program that runs as root
	: >"$BATS_TEST_TMPDIR/log"
	SUPERD_PREFIX=(env JOURNAL_STREAM="$(stat -c %d:%i "$BATS_TEST_TMPDIR/log")")
	launch_superd -b 127.0.0.1 -p 0 -o per_source=0 "$BATS_TEST_TMPDIR/cat"
	status=0
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	run grep -c '^<3>' "$LOG"
	assert_output 1
	cp /bin/cat "$BATS_TEST_TMPDIR/cat"
	launch_superd -b 127.0.0.1 -p 0 -o per_source=0 "$BATS_TEST_TMPDIR/cat"
	wait_for_line '^<6>listening cat '
	wait_for_line '^<4>cat will run as root'
	ask "$(sed -n 's/.*listening.*://p' "$LOG")" </dev/null || true
	wait_for_line '^<6>FAIL: cat per_source_limit'
	log_has 0 superd:
	log_has 0 warning:
}

@test "journal: JOURNAL_STREAM names another file, lines are as usual" {
	SUPERD_PREFIX=(env JOURNAL_STREAM=8:1)
	start_superd -b 127.0.0.1 -p 0 cat
	log_has 0 '^<'
}

@test "superd -n: a numeric address, superd serves" {
	start_superd -n -p 0 -b 127.0.0.1 cat
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "superd -V: the option alone, it prints the version" {
	run --separate-stderr "$SUPERD" -V
	assert_success
	assert_output --regexp '^superd [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "superd -h: the option alone, it prints every option on stdout" {
	run --separate-stderr "$SUPERD" -h
	assert_success
	for letter in n q v l P m r p b u o c t A V h; do
		assert_output --regexp "(^|[^-a-zA-Z])-[a-zA-Z]*$letter"
	done
	[ -z "$stderr" ]
}

@test "superd -A: the option alone, it prints one attribute per line in six columns" {
	run --separate-stderr "$SUPERD" -A
	assert_success
	for name in instances per_source on_limit time_limit drain_time backlog stderr directory umask nice \
		rlimit_as rlimit_cpu rlimit_files env passenv banner only_from no_access; do
		assert_line --regexp "^$name"$'\t'
	done
	run awk -F '\t' 'NF != 6 || $1 == "" || $6 == ""' <<<"$output"
	assert_output ''
}

@test "superd -t: a command line, it prints the service and does not listen" {
	needs python3
	port=$(free_port)
	run --separate-stderr "$SUPERD" -t -p "$port" -o instances=7 -b 127.0.0.1 -u nobody cat
	assert_success
	assert_output --regexp 'service cat'
	assert_output --regexp "port[[:space:]]*=[[:space:]]*$port"
	assert_output --regexp 'instances[[:space:]]*=[[:space:]]*7'
	refute_output --partial listening
}

@test "superd -o: blanks around the operator, superd ignores them" {
	start_superd -p 0 -o 'banner = /etc/hostname' true
	run ask "$PORT" </dev/null
	assert_output "$(cat /etc/hostname)"
}

@test "superd -o: += and -= for a set, they add and remove" {
	start_superd -p 0 -o only_from=10.1.2.3 -o only_from+=127.0.0.0/8 -o only_from-=10.1.2.3 cat
	run ask "$PORT" <<<hello
	assert_output hello
	stop_superd
	start_superd -p 0 -b 127.0.0.1 -o 'only_from=127.0.0.1 10.1.2.3' -o only_from-=127.0.0.1 cat
	run "$CLIENT" "$PORT" all
	assert_output ''
	wait_for_line 'FAIL: cat address from=127\.0\.0\.1$'
}

@test "options: an option after PROGRAM, it is an argument of the program" {
	start_superd -p 0 echo -V -p 5 -- -x
	run ask "$PORT" </dev/null
	assert_output -- '-V -p 5 -- -x'
}

@test "superd -P: the file is a symbolic link, superd does not start and its target stays as it is" {
	echo precious >"$BATS_TEST_TMPDIR/target"
	ln -s target "$BATS_TEST_TMPDIR/pid"
	run -1 timeout "$WAIT_SECONDS" "$SUPERD" -P "$BATS_TEST_TMPDIR/pid" -p 0 cat
	assert_line --partial "superd: -P $BATS_TEST_TMPDIR/pid: "
	[ "$(cat "$BATS_TEST_TMPDIR/target")" = precious ]
	[ -L "$BATS_TEST_TMPDIR/pid" ]
}

@test "superd -P: the file has a second name, superd does not start and it stays as it is" {
	echo precious >"$BATS_TEST_TMPDIR/target"
	ln "$BATS_TEST_TMPDIR/target" "$BATS_TEST_TMPDIR/pid"
	run -1 timeout "$WAIT_SECONDS" "$SUPERD" -P "$BATS_TEST_TMPDIR/pid" -p 0 cat
	assert_output "superd: -P $BATS_TEST_TMPDIR/pid: not a plain file with one name"
	[ "$(cat "$BATS_TEST_TMPDIR/target")" = precious ]
}

@test "superd -P: the file is a named pipe that nobody reads, superd does not start" {
	mkfifo "$BATS_TEST_TMPDIR/pid"
	run -1 timeout "$WAIT_SECONDS" "$SUPERD" -P "$BATS_TEST_TMPDIR/pid" -p 0 cat
	assert_line --partial "superd: -P $BATS_TEST_TMPDIR/pid: "
	[ -p "$BATS_TEST_TMPDIR/pid" ]
}

@test "superd -P: the file holds another process's id when superd ends, it stays" {
	start_superd -P "$BATS_TEST_TMPDIR/pid" -p 0 cat
	echo 1 >"$BATS_TEST_TMPDIR/pid"
	stop_superd
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = 1 ]
}
