# SPDX-License-Identifier: ISC
# Faults: system calls that fail, an unprivileged user, a broken superd on disk, a system log without a reader.
#
# shellcheck shell=bash disable=SC2034,SC2154 # variables of bats and of the tests

source "${BASH_SOURCE[0]%/*}/process.bash"

# A user without other processes, so that only the processes of this test count.
USER_ID=$((100000 + BASHPID))

# as_user COMMAND...: run the command as that user.
as_user() {
	setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups "$@"
}

# inject_error CALLS ERROR: from now on these system calls of superd fail with this error. Sets INJECTOR.
inject_error() {
	start_background strace -o /dev/null -p "$SUPERD_PID" -e trace="$1" -e inject="$1:error=$2" 2>"$BATS_TEST_TMPDIR/strace"
	INJECTOR=$BG_PID
	wait_for_line attached "$BATS_TEST_TMPDIR/strace"
}

# end_injection: these system calls succeed again.
end_injection() {
	kill -TERM "$INJECTOR"
	wait_until is_gone "$INJECTOR"
}

# preload NAME [VARIABLE=VALUE...]: the superd that is started next has the library lib/NAME.c loaded, with these variables. Sets
# SUPERD_PREFIX.
preload() {
	local library=$BATS_TEST_TMPDIR/$1.so
	cc -shared -fPIC -o "$library" "$LIB/$1.c" -ldl
	disable_leak_check
	SUPERD_PREFIX=(env "${@:2}" "ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0" "LD_PRELOAD=$library")
}

# use_private_superd: from now on superd is a copy, whose file the test may replace. Sets SUPERD.
use_private_superd() {
	cp "$SUPERD" "$BATS_TEST_TMPDIR/superd"
	SUPERD=$BATS_TEST_TMPDIR/superd
}

# replace_superd LINE...: superd's file becomes a script of these lines.
replace_superd() {
	printf '%s\n' "$@" >"$SUPERD.new"
	chmod 755 "$SUPERD.new"
	mv "$SUPERD.new" "$SUPERD"
}

# make_private_dev: the superd that is started next has its own /dev, without a system log. Sets SUPERD_PREFIX.
make_private_dev() {
	local dev=$BATS_TEST_TMPDIR/dev
	mkdir "$dev"
	cp -a /dev/null /dev/zero /dev/urandom /dev/tty "$dev/"
	# shellcheck disable=SC2016 # variables of the inner shell
	SUPERD_PREFIX=(unshare -m sh -c 'mount --bind "$0" /dev && exec "$@"' "$dev")
}

# start_private_syslog [PATH]: the same, and its system log is written to the file SYSLOG; with PATH, only after PATH exists. A
# superd that runs in that /dev already finds the log there. Sets SYSLOG, SUPERD_PREFIX.
start_private_syslog() {
	local dev=$BATS_TEST_TMPDIR/dev
	SYSLOG=$BATS_TEST_TMPDIR/syslog
	[ -d "$dev" ] || make_private_dev
	start_background python3 -c '
import os, socket, sys, time
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(sys.argv[1])
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
while True:
    print(log.recv(4096).decode(), flush=True)
' "$dev/log" "${1:-/}" >"$SYSLOG"
	wait_until test -S "$dev/log"
}
