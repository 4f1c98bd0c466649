# Shared by all test files: `load helper`.
#
# It knows the programs under test, starts superd and waits until it listens, asks questions over a
# socket, and waits for things to happen, always with a bound. Whatever is started through it is ended
# by the teardown below, by process id. A file with a teardown of its own calls end_all there.
#
# shellcheck disable=SC2034 # the test files read what is set here

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
CMD=${CMD:-$ROOT/cmd/cmd}
SUPERD=${SUPERD:-$ROOT/superd/superd}
CMDC=${CMDC:-$ROOT/cmdc/cmdc}
TALK=$ROOT/tests/talk

# How long anything may take before a test gives up on it. Generous: a sanitizer build on a busy machine.
WAIT_SECONDS=${WAIT_SECONDS:-20}

# What superd is started with, if not directly: SUPERD_PREFIX=(env NAME=VALUE). It must exec, not fork.
SUPERD_PREFIX=()

# Remember a process, so that end_all ends it. A file, because `run` is a subshell.
remember() {
	echo "$1" >>"$BATS_TEST_TMPDIR/pids"
}

# Start a command in the background; BG_PID is its process id.
background() {
	"$@" 3>&- &
	BG_PID=$!
	remember "$BG_PID"
}

# private_syslog [PATH]: the superd that is started next has a /dev of its own, with a system's log that is read into
# $SYSLOG, with PATH from when that exists.
private_syslog() {
	local dev=$BATS_TEST_TMPDIR/dev
	SYSLOG=$BATS_TEST_TMPDIR/syslog
	mkdir "$dev"
	cp -a /dev/null /dev/zero /dev/urandom "$dev/"
	background python3 -c '
import os, socket, sys, time
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(sys.argv[1])
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
while True:
    print(log.recv(4096).decode(), flush=True)
' "$dev/log" "${1:-/}" >"$SYSLOG"
	wait_until test -S "$dev/log"
	# shellcheck disable=SC2016 # the inner shell's
	SUPERD_PREFIX=(unshare -m sh -c 'mount --bind "$0" /dev && exec "$@"' "$dev")
}

# End what the test started, and the children of that. superd's children lead a group of their own. Whoever reads why
# the test failed sees what superd said last.
end_all() {
	local pid child
	[ -n "${BATS_TEST_COMPLETED-none}" ] || [ ! -s "${LOG:-}" ] || tail -n 20 "$LOG"
	[ -f "$BATS_TEST_TMPDIR/pids" ] || return 0
	while read -r pid; do
		for child in $(pgrep -P "$pid"); do
			kill -KILL -- "-$child" 2>/dev/null || kill -KILL "$child" 2>/dev/null || true
		done
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true # bash would announce its death
	done <"$BATS_TEST_TMPDIR/pids"
	rm -f "$BATS_TEST_TMPDIR/pids"
}

teardown() {
	end_all
}

# Run a command until it succeeds, or fail when the time is up.
wait_until() {
	local end=$((SECONDS + WAIT_SECONDS))
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS > end)); then
			echo "waited $WAIT_SECONDS s in vain for: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# wait_for_line PATTERN [FILE]: wait until a line of the file, superd's log unless said, matches (grep's
# basic syntax).
wait_for_line() {
	local file=${2:-${LOG:-$BATS_TEST_TMPDIR/log}}
	wait_until grep -q -e "$1" "$file" || {
		cat "$file" >&2
		return 1
	}
}

# The number of processes that superd has running now.
children() {
	pgrep -c -P "$SUPERD_PID" || true
}

children_are() {
	[ "$(children)" -eq "$1" ]
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

listens_or_is_gone() {
	grep -q '^superd: listening' "$LOG" || is_gone "$SUPERD_PID"
}

# superd_start ARGUMENT...: start superd in the background, its stderr to $LOG, and wait until it listens.
# Sets SUPERD_PID, LOG, and PORT (from the first `listening` line). Fails, with the log, where superd exits.
superd_start() {
	superd_launch "$@"
	wait_until listens_or_is_gone
	if is_gone "$SUPERD_PID"; then
		echo "superd did not start:" >&2
		cat "$LOG" >&2
		return 1
	fi
	PORT=$(sed -n '/^superd: listening/{s/.*://p;q;}' "$LOG")
}

# The same without waiting, for a superd that logs elsewhere or nothing.
superd_launch() {
	LOG=${SUPERD_LOG:-$BATS_TEST_TMPDIR/log}
	: >"$LOG"
	"${SUPERD_PREFIX[@]}" "$SUPERD" "$@" </dev/null >"$LOG.stdout" 2>>"$LOG" 3>&- &
	SUPERD_PID=$!
	remember "$SUPERD_PID"
}

# Wait for superd to end; returns its exit status.
superd_wait() {
	wait_until is_gone "$SUPERD_PID" || return 99
	wait "$SUPERD_PID"
}

# superd_stop [SIGNAL]: stop superd as an operator would; returns its exit status.
superd_stop() {
	kill -"${1:-TERM}" "$SUPERD_PID"
	superd_wait
}

# ask PORT [HOST], ask /PATH: send stdin, end our side, print what comes until the peer ends its own.
ask() {
	case $1 in
	/*) timeout "$WAIT_SECONDS" nc -N -U "$1" ;;
	*) timeout "$WAIT_SECONDS" nc -N "${2:-127.0.0.1}" "$1" ;;
	esac
}

# A port that is free now, for servers that cannot be given port 0.
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
