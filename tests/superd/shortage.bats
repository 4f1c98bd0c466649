# SPDX-License-Identifier: ISC
# No descriptors, processes, memory or disk space are left: superd does not exit, spin or block, logs it once, and loses no
# connection that it has accepted. When the shortage is over, it serves all of them.

load ../lib/superd
load ../lib/client
load ../lib/fault

teardown() {
	end_processes
	[ ! -d "$BATS_TEST_TMPDIR/disk" ] || umount -l "$BATS_TEST_TMPDIR/disk"
}

# connect_clients COUNT: that many clients connect, and send their line. Sets LOAD_PID.
connect_clients() {
	start_background "$LOAD" -c "$1" "$PORT" >"$BATS_TEST_TMPDIR/load"
	LOAD_PID=$BG_PID
	wait_until all_connected "$1"
}

all_connected() {
	[ "$(ss -tnH "( dport = :$PORT )" | wc -l)" -ge "$1" ]
}

# assert_all_served: all of these clients get their answer.
assert_all_served() {
	wait "$LOAD_PID" || {
		cat "$BATS_TEST_TMPDIR/load" "$LOG" >&2
		return 1
	}
}

# during_shortage COMMAND...: superd sleeps and answers signals; then the command ends the shortage, and all clients are served.
during_shortage() {
	assert_sleeps 2
	signal_and_wait USR1 'STATE: '
	run grep EXIT "$LOG"
	assert_failure
	"$@"
	assert_all_served
}

FORKS=clone,clone3,fork,vfork

# The words of glibc and of musl, for grep.
EMFILE='Too many open files\|No file descriptors available'

@test "shortage: no descriptors (EMFILE), superd logs it once, sleeps, and later serves every client" {
	start_superd -p 0 -b 127.0.0.1 cat
	limit=$(awk '/^Max open files/ { print $4 }' "/proc/$SUPERD_PID/limits")
	prlimit --pid "$SUPERD_PID" --nofile=3:
	connect_clients 30
	during_shortage prlimit --pid "$SUPERD_PID" --nofile="$limit":
	[ "$(count_log "$EMFILE")" -eq 1 ]
	[ "$(count_log 'resources are available again')" -eq 1 ]
}

@test "shortage: no descriptors in the system (ENFILE), superd logs it once, sleeps, and later serves every client" {
	start_superd -p 0 -b 127.0.0.1 cat
	inject_error accept,accept4 ENFILE
	connect_clients 30
	during_shortage end_injection
	[ "$(count_log 'Too many open files in system')" -eq 1 ]
}

@test "shortage: no processes (EAGAIN), superd logs it once, sleeps, and later serves every client" {
	needs root
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	start_superd -p 0 -b 127.0.0.1 cat
	as_user prlimit --pid "$SUPERD_PID" --nproc=1:
	connect_clients 30
	during_shortage as_user prlimit --pid "$SUPERD_PID" --nproc=1000:
	[ "$(count_log 'Resource temporarily unavailable')" -eq 1 ]
	[ "$(count_log 'resources are available again')" -eq 1 ]
}

@test "shortage: no memory for a process (ENOMEM), superd logs it once, sleeps, and later serves every client" {
	start_superd -p 0 -b 127.0.0.1 cat
	inject_error "$FORKS" ENOMEM
	connect_clients 30
	during_shortage end_injection
	[ "$(count_log 'Cannot allocate memory\|Out of memory')" -eq 1 ]
}

@test "shortage: no memory for a connection (ENOBUFS), superd logs it once, sleeps, and later serves every client" {
	start_superd -p 0 -b 127.0.0.1 cat
	inject_error accept,accept4 ENOBUFS
	connect_clients 30
	during_shortage end_injection
	[ "$(count_log 'No buffer space available')" -eq 1 ]
}

@test "shortage: the program's file is open for writing (ETXTBSY), superd logs it once, sleeps, and later serves every client" {
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	start_superd -p 0 -b 127.0.0.1 "$BATS_TEST_TMPDIR/program"
	start_background python3 -c 'import sys, time
file = open(sys.argv[1], "ab")
time.sleep(1000)' "$BATS_TEST_TMPDIR/program"
	writer=$BG_PID
	wait_until sh -c "ls -l /proc/$writer/fd | grep -q program"
	connect_clients 10
	during_shortage kill "$writer"
	[ "$(count_log 'Text file busy')" -eq 1 ]
}

@test "shortage: a second one after the first, superd logs both" {
	start_superd -p 0 -b 127.0.0.1 cat
	for n in 1 2; do
		inject_error accept,accept4 EMFILE
		connect_clients 3
		wait_until log_has "$n" "$EMFILE"
		end_injection
		assert_all_served
	done
	[ "$(count_log "$EMFILE")" -eq 2 ]
	[ "$(count_log 'resources are available again')" -eq 2 ]
}

@test "shortage: the user of one service has no processes, other services are served" {
	needs root
	# This user may start no process; the limit does not apply to root's.
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

@test "shortage: PROXY headers arrive during it, superd serves every client afterwards" {
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

@test "shortage: TERM, and it ends before drain_time, the accepted client gets its program" {
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

@test "shortage: TERM, and it does not end, superd exits after drain_time" {
	start_superd -p 0 -b 127.0.0.1 -o drain_time=1 cat
	inject_error "$FORKS" EAGAIN
	start_background "$CLIENT" "$PORT" all
	wait_for_line 'Resource temporarily unavailable'
	kill -TERM "$SUPERD_PID"
	# The leak sanitizer fails while strace traces it.
	wait_superd || is_sanitized
}

@test "shortage: USR2 without processes, superd reports it, continues, and upgrades later" {
	needs root
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	start_superd -p 0 -b 127.0.0.1 cat
	as_user prlimit --pid "$SUPERD_PID" --nproc=1:
	assert_upgrade_cancelled 'Resource temporarily unavailable'
	as_user prlimit --pid "$SUPERD_PID" --nproc=1000:
	upgrade_superd
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "shortage: USR2 and HUP without descriptors, superd reports it, continues, and upgrades later" {
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

@test "stderr: it is closed at start, superd serves" {
	SUPERD_PREFIX=(sh -c 'exec "$@" 2>&-' sh)
	launch_superd -b "$BATS_TEST_TMPDIR/socket" cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	run "$LOAD" -c 10 "$BATS_TEST_TMPDIR/socket"
	assert_output --partial 'served=10 '
	stop_superd
}

@test "stderr: it is closed at start, a program gets /dev/null" {
	SUPERD_PREFIX=(sh -c 'exec "$@" 2>&-' sh)
	launch_superd -b "$BATS_TEST_TMPDIR/socket" sh -c 'readlink /proc/$$/fd/2; echo lost >&2'
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	run ask "$BATS_TEST_TMPDIR/socket" </dev/null
	assert_output /dev/null
}

# open_log_pipe: superd's stderr is a pipe, whose other end is descriptor 5 here.
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

@test "stderr: the log pipe is full, superd serves and reports how many lines are lost" {
	open_log_pipe
	launch_superd -b "$BATS_TEST_TMPDIR/socket" cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	fill_log_pipe
	run "$LOAD" -c 10 "$BATS_TEST_TMPDIR/socket" 5>&-
	assert_output --partial 'served=10 '
	assert_sleeps 1
	# A reader again.
	cat <&5 >"$BATS_TEST_TMPDIR/read" 3>&- &
	end_at_teardown $!
	wait_until test -s "$BATS_TEST_TMPDIR/read"
	run ask "$BATS_TEST_TMPDIR/socket" <<<hello
	wait_for_line '^superd: warning: [0-9]* log lines lost' "$BATS_TEST_TMPDIR/read"
	wait_for_line '^superd: EXIT' "$BATS_TEST_TMPDIR/read"
	exec 5<&-
	stop_superd
}

@test "stderr: the log pipe, superd leaves it blocking for programs" {
	open_log_pipe
	launch_superd -b "$BATS_TEST_TMPDIR/socket" sh -c \
		'echo $(($(sed -n "s/^flags:[[:space:]]*//p" /proc/$$/fdinfo/2) & 04000))'
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	run ask "$BATS_TEST_TMPDIR/socket" </dev/null
	assert_output 0
	exec 5<&-
}

@test "stderr: the reader of the log pipe is gone, superd serves and sleeps" {
	open_log_pipe
	launch_superd -b "$BATS_TEST_TMPDIR/socket" cat
	wait_until test -S "$BATS_TEST_TMPDIR/socket"
	exec 5<&-
	run "$LOAD" -c 10 "$BATS_TEST_TMPDIR/socket"
	assert_output --partial 'served=10 '
	assert_sleeps 1
	stop_superd
}

# log_to_socket: superd's stderr is a socket, like the journal's. Its output goes to the file `read` once the file `go` exists.
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

@test "stderr: the log socket is full, superd serves and reports how many lines are lost" {
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

# mount_small_disk: mount a disk of 64 KB; fill_disk: fill the rest of it.
mount_small_disk() {
	mkdir "$BATS_TEST_TMPDIR/disk"
	mount -t tmpfs -o size=64k none "$BATS_TEST_TMPDIR/disk"
}

fill_disk() {
	cat /dev/zero >"$BATS_TEST_TMPDIR/disk/fill" 2>/dev/null || true
}

@test "full disk: log_type FILE, superd reports it once, serves, and logs again later" {
	needs root capabilities
	mount_small_disk
	print_open_service a log_type="FILE $BATS_TEST_TMPDIR/disk/log" >"$BATS_TEST_TMPDIR/conf"
	printf '%4049d\n' 0 >"$BATS_TEST_TMPDIR/disk/log" # its page has room for a part of a line
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
	# The line that did not fit is followed by a newline.
	run grep '@.*@' "$BATS_TEST_TMPDIR/disk/log"
	assert_failure 1
	[ "$(count_log 'log: a line could not be written whole')" -eq 1 ]
}

@test "full disk: stderr is a file, a line that is cut is lost, and the next one has a line of its own" {
	needs root capabilities
	mount_small_disk
	local log=$BATS_TEST_TMPDIR/disk/log
	printf '%4020d\n' 0 >"$log" # its page has room for a line and a part of one
	start_background "$SUPERD" -p 0 -b 127.0.0.1 -u nobody cat 2>>"$log"
	SUPERD_PID=$BG_PID
	wait_for_line listening "$log"
	fill_disk
	PORT=$(sed -n 's/.* 127.0.0.1://p' "$log")
	run "$LOAD" -c 5 "$PORT"
	wait_until has_children 0
	rm "$BATS_TEST_TMPDIR/disk/fill"
	ask "$PORT" </dev/null
	wait_for_line '^superd: warning: 10 log lines lost$' "$log"
}

@test "full disk: -m, superd reports it once, serves, keeps the old file and writes it again later" {
	needs root capabilities
	mount_small_disk
	METRICS=$BATS_TEST_TMPDIR/disk/metrics
	start_superd -m "$METRICS" -p 0 -b 127.0.0.1 cat
	cp "$METRICS" "$BATS_TEST_TMPDIR/before"
	fill_disk
	run "$LOAD" -c 50 "$PORT"
	assert_output --partial 'served=50 '
	wait_for_line 'No space left on device'
	assert_sleeps 3
	[ "$(count_log 'No space left on device')" -eq 1 ]
	# The old file is still complete.
	cmp "$METRICS" "$BATS_TEST_TMPDIR/before"
	[ "$(ls "$BATS_TEST_TMPDIR/disk")" = $'fill\nmetrics' ]
	rm "$BATS_TEST_TMPDIR/disk/fill"
	wait_until metric_is "$METRICS" superd_connections_total 'service="cat"' 50
}

@test "syslog: its reader has stopped, superd serves and logs again later" {
	needs root capabilities
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

@test "file size limit: log_type FILE and -m, superd serves" {
	SUPERD_PREFIX=(prlimit --fsize=400)
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -p 0 -b 127.0.0.1 -o log_type="FILE $BATS_TEST_TMPDIR/file" cat
	run "$LOAD" -c 50 "$PORT"
	assert_output --partial 'served=50 '
	kill -0 "$SUPERD_PID"
}

@test "file size limit: log_type FILE reaches it in the middle of a line, superd reports the error" {
	head -c 990 /dev/zero >"$BATS_TEST_TMPDIR/file"
	SUPERD_PREFIX=(prlimit --fsize=1000)
	start_superd -p 0 -b 127.0.0.1 -o log_type="FILE $BATS_TEST_TMPDIR/file" cat
	ask "$PORT" </dev/null
	wait_for_line 'file: File too large'
}
