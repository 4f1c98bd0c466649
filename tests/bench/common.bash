# Shared by the scripts here, which `run` starts with these in the environment: work, a folder to write into; default,
# static and musl, the copies of the tree that `build` has made; results, the file that the figures go to; rounds; span,
# how many milliseconds a load lasts.
#
# shellcheck shell=bash
# shellcheck disable=SC1091,SC2034,SC2154

set -u -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/servers.bash"

load=$musl/tests/bench/load
reply=$musl/tests/bench/reply
declare -A pids ports

# note SUBJECT METRIC VALUE: one figure; report(1) knows the rest.
note() {
	printf '%s\t%s\t%s\n' "$@" >>"$results"
}

say() {
	echo "tests/bench: $*" >&2
}

# A port that is free now. Servers that cannot be given port 0 are among those that are compared.
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Whether somebody listens at a port of 127.0.0.1. Nothing is connected, so no server starts anything.
listens() {
	local port
	port=$(printf ':%04X' "$1")
	awk -v port="$port" '$2 ~ port "$" && $4 == "0A" { found = 1 } END { exit !found }' /proc/net/tcp
}

# daemon COMMAND...: become the command, in a session of its own without a terminal, as a service runs.
daemon() {
	exec setsid "$@"
}

# start NAME FUNCTION [ARGUMENT]...: run `FUNCTION PORT ARGUMENT...` in the background, and wait until it listens. Then
# ports[NAME] and pids[NAME] say where it is.
start() {
	local name=$1 function=$2 port tries
	shift 2
	port=$(free_port)
	"$function" "$port" "$@" </dev/null >"$work/$name.log" 2>&1 &
	pids[$name]=$!
	ports[$name]=$port
	for ((tries = 0; tries < 200; tries++)); do
		listens "$port" && return
		kill -0 "${pids[$name]}" 2>/dev/null || break
		sleep 0.02
	done
	say "$name does not listen:"
	cat "$work/$name.log" >&2
	exit 1
}

# stop NAME...: end what was started, by process id.
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

# measure SUBJECT NAME CLIENTS [OPTION]... REPLY: put a load on what was started as NAME, and note what came out.
measure() {
	local subject=$1 port=${ports[$2]} clients=$3 rate failures median p99 most
	shift 3
	IFS=$'\t' read -r rate failures median p99 most < <("$load" -c "$clients" -m "$span" "$@" "$port")
	note "$subject" rate "$rate"
	note "$subject" failures "$failures"
	note "$subject" p50 "$median"
	note "$subject" p99 "$p99"
	note "$subject" max "$most"
}

# service NAME PORT SERVER [LINE]...: an entry for superd.conf(5).
service() {
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

# One service that is asked, and others that only listen.
serve_many() {
	local port=$1 count=$2 i
	{
		service reply "$port" "$reply"
		for ((i = 1; i < count; i++)); do service "other$i" 0 "$reply"; done
	} >"$work/conf.$port"
	daemon "$musl/superd/superd" -q -c "$work/conf.$port"
}

# start_holder COUNT PORT: COUNT connections that stay, until `stop holder`.
start_holder() {
	rm -f "$work/holder"
	"$here/hold" "$@" >"$work/holder" &
	pids[holder]=$!
	until [ -s "$work/holder" ]; do
		kill -0 "${pids[holder]}" 2>/dev/null || exit 1
		sleep 0.05
	done
}

# What a process holds for itself alone, in KiB.
private_memory() {
	awk '/^Private_/ { sum += $2 } END { print sum }' "/proc/$1/smaps_rollup"
}
