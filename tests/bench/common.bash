# SPDX-License-Identifier: ISC
# Functions for the scripts in this folder. `run` sets these environment variables for them:
#
#   work                    a temporary folder
#   default, static, musl   the copies of the tree that `build` makes
#   results                 the file that the scripts write the figures to
#   rounds                  the number of rounds
#   load_ms                 the duration of a load in milliseconds
#
# shellcheck shell=bash
# shellcheck disable=SC1091,SC2034,SC2154

set -u -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/servers.bash"

load=$musl/tests/bench/load
reply=$musl/tests/bench/reply
declare -A pids ports

# record SUBJECT METRIC VALUE: write one figure for `report`.
record() {
	printf '%s\t%s\t%s\n' "$@" >>"$results"
}

message() {
	echo "tests/bench: $*" >&2
}

# free_port: print a free port. Some of the servers do not support port 0.
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# is_listening PORT: succeed if a process listens on that port of 127.0.0.1. Reading /proc opens no connection, so the
# server starts no program.
is_listening() {
	local port
	port=$(printf ':%04X' "$1")
	awk -v port="$port" '$2 ~ port "$" && $4 == "0A" { found = 1 } END { exit !found }' /proc/net/tcp
}

# daemon COMMAND...: replace the shell with COMMAND in its own session without a terminal, as a service runs.
daemon() {
	exec setsid "$@"
}

# start NAME FUNCTION [ARGUMENT]...: run `FUNCTION PORT ARGUMENT...` in the background, and wait until it listens. Sets
# ports[NAME] and pids[NAME].
start() {
	local name=$1 function=$2 port tries
	shift 2
	port=$(free_port)
	"$function" "$port" "$@" </dev/null >"$work/$name.log" 2>&1 &
	pids[$name]=$!
	ports[$name]=$port
	for ((tries = 0; tries < 200; tries++)); do
		is_listening "$port" && return
		kill -0 "${pids[$name]}" 2>/dev/null || break
		sleep 0.02
	done
	message "$name does not listen:"
	cat "$work/$name.log" >&2
	exit 1
}

# stop NAME...: kill the processes that `start NAME` started.
stop() {
	local name
	for name; do
		kill -KILL "${pids[$name]}" 2>/dev/null
		wait "${pids[$name]}" 2>/dev/null
		unset "pids[$name]" "ports[$name]"
	done
}

stop_all() {
	stop "${!pids[@]}"
}
trap stop_all EXIT
trap 'exit 1' HUP INT TERM

# measure SUBJECT NAME CLIENTS [OPTION]... REPLY: run `load` against the server that was started as NAME, and record the
# figures under SUBJECT.
measure() {
	local subject=$1 port=${ports[$2]} clients=$3 rate failures median p99 maximum
	shift 3
	IFS=$'\t' read -r rate failures median p99 maximum < <("$load" -c "$clients" -m "$load_ms" "$@" "$port")
	record "$subject" rate "$rate"
	record "$subject" failures "$failures"
	record "$subject" p50 "$median"
	record "$subject" p99 "$p99"
	record "$subject" max "$maximum"
}

# print_service NAME PORT SERVER [LINE]...: print a service for superd.conf(5).
print_service() {
	cat <<-END
		service $1
		{
			type = UNLISTED
			socket_type = stream
			protocol = tcp
			wait = no
			user = root
			bind = 127.0.0.1
			port = $2
			server = $3
			instances = UNLIMITED
			cps = 0
			$(printf '%s\n' "${@:4}")
		}
	END
}

# serve_many PORT COUNT: superd with COUNT services: `reply` on PORT, which the load uses, and others that only listen.
serve_many() {
	local port=$1 count=$2 i
	{
		print_service reply "$port" "$reply"
		for ((i = 1; i < count; i++)); do print_service "other$i" 0 "$reply"; done
	} >"$work/conf.$port"
	daemon "$musl/superd/superd" -q -c "$work/conf.$port"
}

# start_holder COUNT PORT: open COUNT connections, and keep them open until `stop holder`.
start_holder() {
	rm -f "$work/holder"
	"$here/hold" "$@" >"$work/holder" &
	pids[holder]=$!
	until [ -s "$work/holder" ]; do
		kill -0 "${pids[holder]}" 2>/dev/null || exit 1
		sleep 0.05
	done
}

# private_memory PID: print the private memory of a process in KiB.
private_memory() {
	awk '/^Private_/ { sum += $2 } END { print sum }' "/proc/$1/smaps_rollup"
}
