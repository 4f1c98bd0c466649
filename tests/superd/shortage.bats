# No descriptors, processes, memory or disk left: superd neither exits nor spins nor blocks, says it once, and loses
# nobody whom it has accepted. When it is over, all are served.

load ../lib/superd
load ../lib/client
load ../lib/fault

teardown() {
	end_processes
	[ ! -d "$BATS_TEST_TMPDIR/disk" ] || umount -l "$BATS_TEST_TMPDIR/disk"
}

# clients COUNT: so many connect, and say what they have to say.
clients() {
	start_background "$LOAD" -c "$1" "$PORT" >"$BATS_TEST_TMPDIR/load"
	LOAD_PID=$BG_PID
	wait_until all_connected "$1"
}

all_connected() {
	[ "$(ss -tnH "( dport = :$PORT )" | wc -l)" -ge "$1" ]
}

# The shortage is over: all of them are served.
all_are_served() {
	wait "$LOAD_PID" || {
		cat "$BATS_TEST_TMPDIR/load" "$LOG" >&2
		return 1
	}
}

# during COMMAND...: superd sleeps and answers signals; then the command ends the shortage.
during() {
	assert_sleeps 2
	signal_and_wait USR1 'STATE: '
	run grep EXIT "$LOG"
	assert_failure
	"$@"
	all_are_served
}

FORKS=clone,clone3,fork,vfork

# As glibc and as musl say it, for grep.
EMFILE='Too many open files\|No file descriptors available'

@test "no descriptors (EMFILE)" {
	start_superd -p 0 -b 127.0.0.1 cat
	limit=$(awk '/^Max open files/ { print $4 }' "/proc/$SUPERD_PID/limits")
	prlimit --pid "$SUPERD_PID" --nofile=3:
	clients 30
	during prlimit --pid "$SUPERD_PID" --nofile="$limit":
	[ "$(count_log "$EMFILE")" -eq 1 ]
	[ "$(count_log 'resources are available again')" -eq 1 ]
}

@test "no descriptors in the whole system (ENFILE)" {
	start_superd -p 0 -b 127.0.0.1 cat
	inject_error accept,accept4 ENFILE
	clients 30
	during end_injection
	[ "$(count_log 'Too many open files in system')" -eq 1 ]
}

@test "no processes (EAGAIN)" {
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	start_superd -p 0 -b 127.0.0.1 cat
	as_user prlimit --pid "$SUPERD_PID" --nproc=1:
	clients 30
	during as_user prlimit --pid "$SUPERD_PID" --nproc=1000:
	[ "$(count_log 'Resource temporarily unavailable')" -eq 1 ]
	[ "$(count_log 'resources are available again')" -eq 1 ]
}

@test "no memory for a process (ENOMEM)" {
	start_superd -p 0 -b 127.0.0.1 cat
	inject_error "$FORKS" ENOMEM
	clients 30
	during end_injection
	[ "$(count_log 'Cannot allocate memory\|Out of memory')" -eq 1 ]
}

@test "no memory for a connection (ENOBUFS)" {
	start_superd -p 0 -b 127.0.0.1 cat
	inject_error accept,accept4 ENOBUFS
	clients 30
	during end_injection
	[ "$(count_log 'No buffer space available')" -eq 1 ]
}

@test "a program that is being written to" {
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	start_superd -p 0 -b 127.0.0.1 "$BATS_TEST_TMPDIR/program"
	start_background python3 -c 'import sys, time
file = open(sys.argv[1], "ab")
time.sleep(1000)' "$BATS_TEST_TMPDIR/program"
	writer=$BG_PID
	wait_until sh -c "ls -l /proc/$writer/fd | grep -q program"
	clients 10
	during kill "$writer"
	[ "$(count_log 'Text file busy')" -eq 1 ]
}

@test "a second shortage is said again" {
	start_superd -p 0 -b 127.0.0.1 cat
	for n in 1 2; do
		inject_error accept,accept4 EMFILE
		clients 3
		wait_until log_has "$n" "$EMFILE"
		end_injection
		all_are_served
	done
	[ "$(count_log "$EMFILE")" -eq 2 ]
	[ "$(count_log 'resources are available again')" -eq 2 ]
}

@test "what one service's user is short of holds up that service alone" {
	# A user id that may run nothing: root's own programs are not counted.
	{
		print_open_service a user="$USER_ID" group="$USER_ID" stderr=log
		print_open_service b
	} >"$BATS_TEST_TMPDIR/conf"
	SUPERD_PREFIX=(prlimit --nproc=0:0)
	as_user sleep 1000 3>&- &
	end_at_teardown $!
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	start_background "$CLIENT" -c 5 "$(port_of a)" 'send:a\n' line >"$BATS_TEST_TMPDIR/a"
	a=$BG_PID
	wait_for_line 'Resource temporarily unavailable'
	for n in 1 2 3; do
		run ask "$(port_of b)" <<<"$n"
		assert_output "$n"
	done
	assert_sleeps 1
	[ "$(count_log 'Resource temporarily unavailable')" -eq 1 ]
	[ ! -s "$BATS_TEST_TMPDIR/a" ]
	kill -0 "$a"
}

@test "clients whose PROXY headers come during a shortage are all served after it" {
	start_superd -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 cat
	start_background "$CLIENT" -c 5 "$PORT" "file:$BATS_TEST_TMPDIR/go" 'send:PROXY UNKNOWN\r\nhello\n' shut all \
		>"$BATS_TEST_TMPDIR/answers"
	talk=$BG_PID
	wait_until has_sockets 6
	inject_error "$FORKS" EAGAIN
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line 'Resource temporarily unavailable'
	assert_sleeps 1
	end_injection
	wait "$talk"
	[ "$(grep -c '^hello$' "$BATS_TEST_TMPDIR/answers")" -eq 5 ]
}

@test "TERM in a shortage: who was accepted gets its program if it ends in time" {
	start_superd -p 0 -b 127.0.0.1 cat
	inject_error "$FORKS" EAGAIN
	start_background "$CLIENT" "$PORT" 'send:held\n' line >"$BATS_TEST_TMPDIR/held"
	wait_for_line 'Resource temporarily unavailable'
	kill -TERM "$SUPERD_PID"
	wait_for_line stopping
	end_injection
	wait_superd
	[ "$(cat "$BATS_TEST_TMPDIR/held")" = held ]
}

@test "TERM in a shortage that does not end: past drain_time superd stops" {
	start_superd -p 0 -b 127.0.0.1 -o drain_time=1 cat
	inject_error "$FORKS" EAGAIN
	start_background "$CLIENT" "$PORT" all
	wait_for_line 'Resource temporarily unavailable'
	kill -TERM "$SUPERD_PID"
	# The leak sanitizer does not end well while strace looks on.
	wait_superd || is_sanitized
}

@test "USR2 without processes: superd goes on, says why, and upgrades when there are some again" {
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	start_superd -p 0 -b 127.0.0.1 cat
	as_user prlimit --pid "$SUPERD_PID" --nproc=1:
	assert_upgrade_cancelled 'Resource temporarily unavailable'
	as_user prlimit --pid "$SUPERD_PID" --nproc=1000:
	upgrade_superd
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "USR2 and HUP without descriptors: superd goes on as it is, and says why" {
	print_open_service a >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	limit=$(awk '/^Max open files/ { print $4 }' "/proc/$SUPERD_PID/limits")
	prlimit --pid "$SUPERD_PID" --nofile=3:
	assert_upgrade_cancelled "$EMFILE"
	signal_and_wait HUP "conf: \($EMFILE\)"
	prlimit --pid "$SUPERD_PID" --nofile="$limit":
	run ask "$PORT" <<<hello
	assert_output hello
	upgrade_superd
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "a closed stderr" {
	SUPERD_PREFIX=(sh -c 'exec "$@" 2>&-' sh)
	launch_superd -b "$BATS_TEST_TMPDIR/socket" cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	run "$LOAD" -c 10 "$BATS_TEST_TMPDIR/socket"
	assert_output --partial 'served=10 '
	stop_superd
}

@test "a program gets no stderr that is something else where superd's is closed" {
	SUPERD_PREFIX=(sh -c 'exec "$@" 2>&-' sh)
	launch_superd -b "$BATS_TEST_TMPDIR/socket" sh -c 'readlink /proc/$$/fd/2; echo lost >&2'
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	run ask "$BATS_TEST_TMPDIR/socket" </dev/null
	assert_output /dev/null
}

# A pipe of which we hold the reading end on descriptor 5.
open_log_pipe() {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 5<>"$BATS_TEST_TMPDIR/pipe"
	SUPERD_PREFIX=(sh -c "exec \"\$@\" 2>'$BATS_TEST_TMPDIR/pipe' 5>&-" sh)
}

fill_log_pipe() {
	python3 -c 'import os
os.set_blocking(5, False)
try:
    while True:
        os.write(5, b"x" * 99 + b"\n")
except BlockingIOError:
    pass
os.set_blocking(5, True)'
}

@test "a log pipe that is full: nobody waits for it, and what was lost is counted" {
	open_log_pipe
	launch_superd -b "$BATS_TEST_TMPDIR/socket" cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	fill_log_pipe
	run "$LOAD" -c 10 "$BATS_TEST_TMPDIR/socket" 5>&-
	assert_output --partial 'served=10 '
	assert_sleeps 1
	# Somebody reads again.
	cat <&5 >"$BATS_TEST_TMPDIR/read" 3>&- &
	end_at_teardown $!
	wait_until test -s "$BATS_TEST_TMPDIR/read"
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	wait_for_line '^superd: warning: [0-9]* log lines lost' "$BATS_TEST_TMPDIR/read"
	wait_for_line '^superd: EXIT' "$BATS_TEST_TMPDIR/read"
	exec 5<&-
	stop_superd
}

@test "superd's own log that is full does not make its stderr non-blocking for others" {
	open_log_pipe
	launch_superd -b "$BATS_TEST_TMPDIR/socket" sh -c \
		'echo $(($(sed -n "s/^flags:[[:space:]]*//p" /proc/$$/fdinfo/2) & 04000))'
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	run ask "$BATS_TEST_TMPDIR/socket" </dev/null
	assert_output 0
	exec 5<&-
}

@test "a log pipe that nobody reads any more" {
	open_log_pipe
	launch_superd -b "$BATS_TEST_TMPDIR/socket" cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	exec 5<&-
	run "$LOAD" -c 10 "$BATS_TEST_TMPDIR/socket"
	assert_output --partial 'served=10 '
	assert_sleeps 1
	stop_superd
}

# A stderr that is a socket, as the journal's is. What comes out of it goes to the file `read`, once the file `go` is there.
log_to_socket() {
	SUPERD_PREFIX=(python3 -c 'import os, socket, sys, time
here, there = socket.socketpair()
if os.fork():
    os.dup2(there.fileno(), 2)
    os.execvp(sys.argv[2], sys.argv[2:])
there.close()
while not os.path.exists(sys.argv[1] + "/go"):
    time.sleep(0.02)
with open(sys.argv[1] + "/read", "wb", buffering=0) as file:
    while part := here.recv(65536):
        file.write(part)
' "$BATS_TEST_TMPDIR")
}

@test "a log socket that is full: nobody waits for it, and what was lost is counted" {
	log_to_socket
	launch_superd -b "$BATS_TEST_TMPDIR/socket" cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	run "$LOAD" -n 500 "$BATS_TEST_TMPDIR/socket"
	assert_output --partial 'served=500 '
	assert_sleeps 1
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line '^superd: listening' "$BATS_TEST_TMPDIR/read"
	ask "$BATS_TEST_TMPDIR/socket" </dev/null
	wait_for_line '^superd: warning: [0-9]* log lines lost' "$BATS_TEST_TMPDIR/read"
	[ "$(grep -cv '^superd: ' "$BATS_TEST_TMPDIR/read")" -eq 0 ]
	stop_superd
}

# A disk of 64 KB, full but for what is there already.
full_disk() {
	mkdir "$BATS_TEST_TMPDIR/disk"
	mount -t tmpfs -o size=64k none "$BATS_TEST_TMPDIR/disk"
}

fill_disk() {
	cat /dev/zero >"$BATS_TEST_TMPDIR/disk/fill" 2>/dev/null || true
}

@test "a full disk under log_type = FILE" {
	full_disk
	print_open_service a log_type="FILE $BATS_TEST_TMPDIR/disk/log" >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	fill_disk
	run "$LOAD" -c 50 "$PORT"
	assert_output --partial 'served=50 '
	wait_until has_children 0
	[ "$(count_log 'No space left on device')" -eq 1 ]
	assert_sleeps 1
	rm "$BATS_TEST_TMPDIR/disk/fill"
	ask "$PORT" </dev/null
	wait_for_line 'EXIT: a status=0' "$BATS_TEST_TMPDIR/disk/log"
}

@test "a full disk under -m" {
	full_disk
	METRICS=$BATS_TEST_TMPDIR/disk/metrics
	start_superd -m "$METRICS" -p 0 -b 127.0.0.1 cat
	cp "$METRICS" "$BATS_TEST_TMPDIR/before"
	fill_disk
	run "$LOAD" -c 50 "$PORT"
	assert_output --partial 'served=50 '
	wait_for_line 'No space left on device'
	assert_sleeps 3
	[ "$(count_log 'No space left on device')" -eq 1 ]
	# What was there is still whole.
	cmp "$METRICS" "$BATS_TEST_TMPDIR/before"
	[ "$(ls "$BATS_TEST_TMPDIR/disk")" = $'fill\nmetrics' ]
	rm "$BATS_TEST_TMPDIR/disk/fill"
	wait_until metric_is "$METRICS" superd_connections_total 'service="cat"' 50
}

@test "superd goes on when nobody reads the system's log" {
	start_private_syslog "$BATS_TEST_TMPDIR/read"
	local port
	port=$(free_port)
	launch_superd -l daemon -o log_type='SYSLOG daemon' -b 127.0.0.1 -p "$port" -u nobody cat
	wait_until nc -z 127.0.0.1 "$port"
	run "$LOAD" -c 10 -n 100 "$port"
	assert_output --partial 'served=100 '
	touch "$BATS_TEST_TMPDIR/read"
	wait_for_line 'listening cat' "$SYSLOG"
	kill -USR1 "$SUPERD_PID"
	wait_for_line 'STATE: cat' "$SYSLOG"
}

@test "a limit of the size of files is like a full disk" {
	SUPERD_PREFIX=(prlimit --fsize=400)
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -p 0 -b 127.0.0.1 -o log_type="FILE $BATS_TEST_TMPDIR/file" cat
	run "$LOAD" -c 50 "$PORT"
	assert_output --partial 'served=50 '
	kill -0 "$SUPERD_PID"
}
