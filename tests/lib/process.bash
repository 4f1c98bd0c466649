# SPDX-License-Identifier: ISC
# Processes, files and waiting, for every test. The other files here load this file. A test loads superd, client, fault or
# xinetd; it loads this file only if it needs none of them.
#
# The teardown below ends, by process id, all processes that the functions of these files start. A test file with its own
# teardown calls end_processes in it.
#
# shellcheck shell=bash disable=SC2034 # the tests read these variables

declare -F wait_until >/dev/null && return # already loaded

bats_require_minimum_version 1.5.0

# read_library NAME: the same as bats_load_library, without its many processes, which take 30 ms in every test.
read_library() {
	local folder file
	IFS=: read -ra folder <<<"$BATS_LIB_PATH"
	for folder in "${folder[@]}"; do
		[ -d "$folder/$1/src" ] || continue
		for file in "$folder/$1/src"/*.bash; do
			# shellcheck disable=SC1090 # the path depends on bats
			source "$file"
		done
		return
	done
	bats_load_library "$1"
}
read_library bats-support
read_library bats-assert

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
LIB=$ROOT/tests/lib
CMD=${CMD:-$ROOT/cmd/cmd}
SUPERD=${SUPERD:-$ROOT/superd/superd}
CMDC=${CMDC:-$ROOT/cmdc/cmdc}

# The user who runs the tests.
ME=root
((EUID == 0)) || ME=$(id -un)

# The timeout of a wait in a test. It must be enough for a sanitizer build on a busy machine.
WAIT_SECONDS=${WAIT_SECONDS:-20}

# has root | capabilities | ipv6 | PROGRAM | FUNCTION | FILE: whether the user is root, or has those of root's capabilities that a
# container takes away (NET_ADMIN, SYS_ADMIN, SYS_NICE), or ::1 or that is there: a file by its whole path.
has() {
	local mask
	case $1 in
	root) ((EUID == 0)) ;;
	capabilities)
		mask=$((1 << 12 | 1 << 21 | 1 << 23))
		(((0x$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) & mask) == mask))
		;;
	ipv6) [ ! -e /proc/net ] || grep -q '^0*1 .* lo$' /proc/net/if_inet6 2>/dev/null ;;
	/*) [ -e "$1" ] ;;
	*) type -t "$1" >/dev/null ;;
	esac
}

# needs WHAT...: skip the test where one of these is missing. Not in setup_file, where bats cannot skip.
needs() {
	local what
	for what; do
		has "$what" || skip "needs $what"
	done
}

# start_time PID: the start time of that process. It distinguishes the process from a later process with the same pid. Sets
# START_TIME, which is empty if the process does not exist.
start_time() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || stat=
	read -ra stat <<<"${stat##*) }"
	START_TIME=${stat[19]:-}
}

# end_at_teardown PID: the teardown ends that process and its children. The list is a file, because `run` is a subshell.
end_at_teardown() {
	start_time "$1"
	echo "$1 $START_TIME" >>"$BATS_TEST_TMPDIR/pids"
}

# start_background COMMAND...: start the command in the background. Sets BG_PID.
start_background() {
	needs "$1"
	"$@" 3>&- &
	BG_PID=$!
	end_at_teardown "$BG_PID"
}

# end_processes: end the processes that the test has started, and their children. If the test failed, print the end of the log
# of superd.
end_processes() {
	local pid time pids=() children
	[ -n "${BATS_TEST_COMPLETED-none}" ] || [ ! -s "${LOG:-}" ] || tail -n 20 "$LOG"
	[ -f "$BATS_TEST_TMPDIR/pids" ] || return 0
	while read -r pid time; do
		start_time "$pid"
		[ "$START_TIME" != "$time" ] || pids+=("$pid")
	done <"$BATS_TEST_TMPDIR/pids"
	rm "$BATS_TEST_TMPDIR/pids"
	((${#pids[@]} > 0)) || return 0
	# First stop the processes: superd would start new children to replace killed ones.
	kill -STOP "${pids[@]}" 2>/dev/null || true
	mapfile -t children < <(pgrep -P "$(IFS=, && echo "${pids[*]}")")
	kill -KILL "${pids[@]}" 2>/dev/null || true
	for pid in "${children[@]}"; do
		# Each child of superd leads its own process group.
		kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
	done
	wait "${pids[@]}" 2>/dev/null || true # otherwise bash reports that they were killed
}

teardown() {
	end_processes
}

# wait_until COMMAND...: run the command until it succeeds; fails at the timeout.
wait_until() {
	local end=$((SECONDS + WAIT_SECONDS)) pauses=(0.01 0.01 0.02 0.02) clock
	! "$@" >/dev/null 2>&1 || return 0
	exec {clock}<> <(:) # a pipe without data: read with a timeout sleeps without a process
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS > end)); then
			echo "waited $WAIT_SECONDS s in vain for: $*" >&2
			return 1
		fi
		read -rt "${pauses[0]:-0.05}" -u "$clock" || true
		pauses=("${pauses[@]:1}")
	done
	exec {clock}<&-
}

# wait_for_line PATTERN [FILE]: wait until a line of FILE, or of superd's log, matches (grep's basic syntax).
wait_for_line() {
	local file=${2:-${LOG:-$BATS_TEST_TMPDIR/log}}
	wait_until grep -q -e "$1" "$file" || {
		cat "$file" >&2
		return 1
	}
}

# is_gone PID: that process has ended, and its parent has reaped it.
is_gone() {
	! kill -0 "$1" 2>/dev/null
}

# disable_leak_check: the leak sanitizer cannot check a process that strace traces. Call it before the process starts.
disable_leak_check() {
	export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
}

# free_port: print a port that is free now, for servers that do not support port 0.
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# make_public_folder: make a folder that every user may enter, unlike the folders of bats. Sets PUBLIC.
make_public_folder() {
	PUBLIC=$(mktemp -d)
	chmod 755 "$PUBLIC"
}

# remove_public_folder: end the processes, then remove that folder.
remove_public_folder() {
	end_processes
	rm -rf "${PUBLIC:-}"
}

# write_program NAME [FOLDER]: write a program for /bin/sh from stdin, into FOLDER (the folder of the test). Prints its path.
write_program() {
	local path=${2:-$BATS_TEST_TMPDIR}/$1
	{
		echo '#!/bin/sh'
		cat
	} >"$path"
	chmod 755 "$path"
	echo "$path"
}

# is_sanitized: superd is a build with sanitizers, or runs under valgrind.
is_sanitized() {
	grep -q -e __asan_init -e valgrind "$SUPERD"
}
