# SPDX-License-Identifier: ISC
# superd's log lines.

load ../lib/superd
load ../lib/client

@test "log: connections, refusals and a stop, every line begins with superd:" {
	needs root ipv6
	start_superd -p 0 -o only_from=127.0.0.1 -u nobody cat
	ask "$PORT" <<<hello
	"$CLIENT" -h ::1 "$PORT" all
	stop_superd
	[ "$(wc -l <"$LOG")" -ge 5 ]
	run grep -v '^superd: ' "$LOG"
	assert_output ''
}

@test "log: one connection, START and then EXIT have one line each" {
	needs root
	start_superd -p 0 -b 127.0.0.1 -u nobody cat
	ask "$PORT" <<<hello
	stop_superd
	run grep -E 'START|EXIT' "$LOG"
	[ "${#lines[@]}" -eq 2 ]
	assert_line --index 0 --regexp '^superd: START: cat pid=[0-9]+ from=127\.0\.0\.1 port=[0-9]+$'
	assert_line --index 1 --regexp '^superd: EXIT: cat status=0 pid=[0-9]+ duration=[0-9]+\(sec\)$'
}

@test "EXIT: a program exits with status 37, the line has the status" {
	start_superd -p 0 sh -c 'exit 37'
	ask "$PORT" </dev/null
	wait_for_line '^superd: EXIT: sh status=37 pid=[0-9]* duration=0(sec)$'
}

@test "EXIT: a signal ends a program, the line has the signal" {
	start_superd -p 0 sh -c 'kill -9 $$'
	ask "$PORT" </dev/null
	wait_for_line '^superd: EXIT: sh signal=9 pid=[0-9]* duration=0(sec)$'
}

@test "EXIT: a program runs for two seconds, the line has the duration" {
	start_superd -p 0 sh -c 'sleep 2'
	ask "$PORT" </dev/null
	wait_for_line '^superd: EXIT: sh status=0 pid=[0-9]* duration=[2-9](sec)$'
}

@test "log: an IPv6 client, its address has no brackets" {
	needs ipv6
	start_superd -p 0 -b ::1 cat
	ask "$PORT" ::1 </dev/null
	wait_for_line '^superd: START: cat pid=[0-9]* from=::1 port=[0-9]*$'
}

@test "log: a UNIX-domain client, the line has its user id (Linux)" {
	needs root
	start_superd -b "$BATS_TEST_TMPDIR/socket" cat
	ask "$BATS_TEST_TMPDIR/socket" </dev/null
	wait_for_line '^superd: START: cat pid=[0-9]* from=uid:0'
}

@test "log_on_success and log_on_failure: set with -o, the lines have these fields only" {
	start_superd -p 0 -b 127.0.0.1 -o log_on_success=EXIT -o log_on_failure= -o only_from=127.0.0.1 cat
	"$CLIENT" -s 127.0.0.2 "$PORT" all
	ask "$PORT" </dev/null
	wait_for_line '^superd: EXIT: cat'
	run grep -E 'pid=|from=|duration=' "$LOG"
	assert_failure
}

@test "log: control bytes in a program's name, they are shown in hexadecimal, and a newline as _" {
	needs root
	cp /bin/cat "$BATS_TEST_TMPDIR/"$'odd\e[31m\nname'
	start_superd -p 0 -u root "$BATS_TEST_TMPDIR/"$'odd\e[31m\nname'
	ask "$PORT" </dev/null
	wait_for_line '^superd: START: odd\\x1b\[31m_name pid='
	run grep -c $'\e' "$LOG"
	assert_output 0
}

@test "log: an id with Latin-1, a C1 control and a mark of direction, they are shown in hexadecimal, and letters as they are" {
	needs promtool
	CONF=$BATS_TEST_TMPDIR/conf
	print_open_service a id=$'Gr\xc3\xbc\xdf-\xe6\xb0\xb4-\xf0\x9f\x98\x80-\xc2\x9b1m-\xe2\x80\xae-\xed\xa0\x80-\xf4\x90\x80\x80' >"$CONF"
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -c "$CONF"
	shown='Grü\xdf-水-😀-\xc2\x9b1m-\xe2\x80\xae-\xed\xa0\x80-\xf4\x90\x80\x80'
	grep -qF "listening $shown 127.0.0.1:" "$LOG"
	signal_and_wait USR1 STATE
	grep -qF "STATE: $shown " "$LOG"
	wait_until test -s "$BATS_TEST_TMPDIR/metrics"
	grep -qF ",service=\"${shown//\\/\\\\}\"} " "$BATS_TEST_TMPDIR/metrics"
	run promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
	assert_success
}

@test "log: the reader of stderr is gone, superd serves" {
	needs root
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 5<>"$BATS_TEST_TMPDIR/pipe"
	"$SUPERD" -b "$BATS_TEST_TMPDIR/socket" -u nobody cat </dev/null 2>"$BATS_TEST_TMPDIR/pipe" 3>&- 5>&- &
	end_at_teardown $!
	pid=$!
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	exec 5>&-
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	assert_output hello
	run ask "$BATS_TEST_TMPDIR/socket" <<<again
	assert_output again
	kill -0 "$pid"
}

# A pipe or a terminal that superd cannot open once more, since it is root's and superd is not: a write could block.

@test "log: another user's pipe, which a program fills all the time, superd serves (Linux)" {
	needs root
	mkfifo -m 600 "$BATS_TEST_TMPDIR/pipe"
	exec 5<>"$BATS_TEST_TMPDIR/pipe"
	start_background python3 -c 'import os, time
while True:
    os.read(5, 4096)
    time.sleep(0.001)'
	port=$(free_port)
	# shellcheck disable=SC2016 # a variable of the program
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$SUPERD" -b 127.0.0.1 -p "$port" \
		sh -c 'read -r word; [ "$word" = flood ] || exec echo served; exec yes >&2' </dev/null 2>&5 3>&- 5>&- &
	end_at_teardown $!
	wait_until nc -z 127.0.0.1 "$port"
	start_background "$CLIENT" -c 3 "$port" 'send:flood\n' hold >/dev/null 5>&-
	for _ in {1..150}; do
		[ "$(ask "$port" <<<word)" = served ]
	done
}

@test "log: another user's terminal, which nobody reads, superd serves" {
	needs root
	run timeout "$((WAIT_SECONDS * 2))" python3 -c 'import os, pty, socket, subprocess, sys, time
_, terminal = pty.openpty()
user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
superd = subprocess.Popen(user + [sys.argv[1], "-p", sys.argv[2], "-b", "127.0.0.1", "-o", "no_access=127.0.0.1", "cat"],
                          stdin=subprocess.DEVNULL, stderr=terminal)
for i in range(1500):
    for _ in range(100):
        try:
            client = socket.create_connection(("127.0.0.1", int(sys.argv[2])), 10)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    client.recv(1)
    client.close()
superd.terminate()
print(superd.wait(10))' "$SUPERD" "$(free_port)"
	assert_output 0
}
