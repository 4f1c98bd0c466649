# SPDX-License-Identifier: ISC
# superd and xinetd side by side: both serve each sample, and the test compares what a client sees, what the program gets and what
# is logged. normalise (lib/xinetd.bash) removes the differences by design that are in every sample; the other tests with a
# difference name it, and remove it in the function `adapt`.
#
# shellcheck disable=SC2317,SC2154 # side_by_side calls these functions, and sets `server`

load ../lib/xinetd

setup_file() {
	((EUID != 0)) || build_report_process
}

setup() {
	needs root
	make_public_folder
}

teardown() {
	remove_public_folder
}

# tell_program PORT LINE [HOST]: send the line to report_process, and print its reply. xinetd resets connections that it refuses,
# which does not matter here.
tell_program() {
	printf '%s\n' "$2" | ask "$1" "${3:-127.0.0.1}" || true
}

# ask_program PORT LINE [HOST]: the same, and wait until the program has exited.
ask_program() {
	tell_program "$@"
	wait_for_programs
}

# send_datagrams PORT TEXT...: the same with datagrams, one after the other.
send_datagrams() {
	local port=$1 text
	shift
	for text; do
		"$DATAGRAM" 127.0.0.1 "$port" "$text"
		wait_for_programs
	done
}

# has_programs COUNT: the server has that many children.
has_programs() {
	[ "$(pgrep -c -P "$INETD_PID")" -eq "$1" ]
}

@test "side by side: the samples, they use every attribute that both servers have" {
	own='stderr|on_limit|time_limit|drain_time|backlog|proxy_from|directory|chroot|no_new_privs|socket_mode|socket_user'
	own+='|per_source_cps|per_source_prefix6|linger|rpc_.*|no_log_from|command|rlimit_(nproc|fsize|core)'
	names=$("$SUPERD" -A | cut -f 1 | grep -vxE "$own")
	[ "$(wc -l <<<"$names")" -ge 40 ]
	for name in $names; do
		grep -qriE "^\s*$name\s*[-+]?=" "$SAMPLES" || fail "no sample uses $name"
	done
}

@test "side by side, agent: an UNLISTED service as root with only_from and an empty log_on_success, both servers do the same" {
	arrange_sample agent
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, amanda: datagrams with groups = yes, both servers give the program the same user and socket (Linux)" {
	arrange_sample amanda
	conversation() {
		send_datagrams "${PORTS[0]}" 'exit 0' 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, crowd: instances and per_source, both servers refuse the same clients" {
	arrange_sample crowd
	conversation() {
		start_background "$CLIENT" -c 2 "${PORTS[0]}" line hold >/dev/null
		local crowd=$BG_PID
		start_background "$CLIENT" "${PORTS[1]}" line hold >/dev/null
		wait_until has_programs 3
		tell_program "${PORTS[0]}" 'exit 0'
		tell_program "${PORTS[1]}" 'exit 0'
		kill "$crowd" "$BG_PID"
	}
	side_by_side conversation
}

@test "side by side, cvs: passenv and env, both servers give the program the same environment" {
	arrange_sample cvs
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, finger: one service on two addresses without an id, both servers do the same" {
	arrange_sample finger
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 0' 127.0.0.2
	}
	side_by_side conversation
}

@test "side by side, ftp: NAMEINARGS, IPv4, nice and a service that is enabled, both servers do the same (Linux)" {
	arrange_sample -e ftp
	conversation() {
		ask_program "${PORTS[0]}" 'exit 1'
		ask_program "${PORTS[0]}" 'exit 1' ::1
	}
	side_by_side conversation
}

@test "side by side, git: quotes, a dollar sign and # in server_args, both servers take them as ordinary characters" {
	arrange_sample git
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, health: only_from is everywhere, both servers do the same" {
	arrange_sample health
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, hours: access_times and max_load, both servers refuse the same clients" {
	arrange_sample hours
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[1]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, limits: each rlimit, umask, nice and another user, both servers do the same (Linux)" {
	arrange_sample limits
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, listed: enabled, disabled and disable, both servers run the same services" {
	arrange_sample listed
	conversation() {
		local port
		for port in "${PORTS[@]}"; do
			ask_program "$port" 'exit 0' | head -n 1
		done
	}
	side_by_side conversation
}

@test "side by side, loud: keywords, attributes and words in any case, both servers do the same" {
	arrange_sample loud
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 0' ::1
	}
	side_by_side conversation
}

@test "side by side, lpd: an empty passenv and another group, both servers do the same" {
	arrange_sample -e lpd
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, main: defaults as they are shipped and a missing directory, both servers do the same (Linux)" {
	arrange_sample main
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 255' ::1
	}
	side_by_side conversation
}

@test "side by side, many: several services in a file with one disabled, both servers run the same" {
	arrange_sample many
	conversation() {
		local port
		for port in "${PORTS[@]}"; do
			ask_program "$port" 'exit 0'
		done
	}
	side_by_side conversation
}

@test "side by side, repeated: an attribute is set twice, both servers use the first" {
	arrange_sample repeated
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, rsync: an IPv6 service, both servers serve IPv4 clients too" {
	arrange_sample -e rsync
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0' ::1
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, six: v6only, interface and braces in addresses, both servers do the same" {
	arrange_sample six
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0' ::1
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[1]}" 'exit 0'
		ask_program "${PORTS[1]}" 'exit 0' ::1
	}
	side_by_side conversation
}

@test "side by side, syslog: log_type SYSLOG, both servers do the same" {
	arrange_sample syslog
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, tftp: datagrams and arguments, both servers do the same" {
	arrange_sample -e tftp
	conversation() {
		send_datagrams "${PORTS[0]}" 'exit 0' 'exit 0'
	}
	side_by_side conversation
}

@test "side by side, bare: the shortest service without a newline at the end, both servers run it" {
	arrange_sample bare
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

# The servers differ by design in the samples from here on.

# without SERVER PATTERN: copy stdin, for SERVER without the lines that match.
without() {
	if [ "$server" = "$1" ]; then
		grep -v -e "$2"
	else
		cat
	fi
}

@test "side by side, challenge: limits and a comment after a value, both do the same but xinetd takes the comment as a value (Linux)" {
	arrange_sample challenge
	conversation() {
		ask_program "${PORTS[0]}" 'exit 3'
		ask_program "${PORTS[0]}" 'kill 9'
	}
	adapt() {
		if [ "$server" = xinetd ]; then
			sed 's/^limit cpu -1 -1$/limit cpu 20 20/'
		else
			cat
		fi
	}
	side_by_side conversation
}

@test "side by side, changed: sets with =, += and -=, both do the same but xinetd starts a process for a refused client" {
	arrange_sample changed
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[1]}" 'exit 0'
		ask_program "${PORTS[2]}" 'exit 1'
	}
	adapt() {
		without xinetd 'START: narrower\|EXIT: narrower'
	}
	side_by_side conversation
}

@test "side by side, waiting: wait = yes for a stream, both servers restart the program for the next client" {
	arrange_sample waiting
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 0' ::1
	}
	side_by_side conversation
}

@test "side by side, nagios: a refused client, both refuse it but xinetd starts a process for it" {
	arrange_sample nagios
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	adapt() {
		without xinetd 'START\|EXIT'
	}
	side_by_side conversation
}

@test "side by side, banners: admitted and refused clients, both servers send them the same banners" {
	arrange_sample banners
	for name in all in out; do
		echo "The banner for $name." >"$PUBLIC/etc/motd.$name"
	done
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0' | head -n 3
		# The client sends nothing: xinetd would reset the connection, and the banner could be lost.
		"$CLIENT" "${PORTS[1]}" all
	}
	side_by_side conversation
}

@test "side by side, redirect: lines in both directions, both servers forward them and log the same traffic" {
	PROGRAM=/bin/cat arrange_sample redirect
	conversation() {
		"$CLIENT" "${PORTS[0]}" 'send:hello\n' line 'send:again\n' line close
	}
	side_by_side conversation
}

@test "side by side, sensor: a client connects to it, every service refuses it and superd logs sensor for address" {
	arrange_sample sensor
	conversation() {
		ask_program "${PORTS[1]}" 'exit 0' | head -n 1
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[1]}" 'exit 0'
	}
	adapt() {
		sed 's/FAIL: sensor sensor/FAIL: sensor address/'
	}
	side_by_side conversation
}

@test "side by side, flood: the rate of cps is exceeded, both servers refuse clients for a while" {
	arrange_sample flood
	conversation() {
		local i pids=()
		# All at the same time, within one second; so they are logged in any order.
		for i in 1 2 3 4 5 6; do
			tell_program "${PORTS[0]}" 'exit 0' | head -n 1 &
			pids+=($!)
		done
		wait "${pids[@]}"
		wait_for_programs
	}
	adapt() {
		sed 's/connections per second/cps/' | sort
	}
	side_by_side conversation
}

@test "side by side, builtin: echo, discard, chargen, daytime and time, both servers answer the same" {
	arrange_sample builtin
	conversation() {
		tell_program "${PORTS[0]}" hello
		tell_program "${PORTS[1]}" hello
		"$CLIENT" "${PORTS[2]}" line line line close
		"$CLIENT" "${PORTS[3]}" all | sed 's/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/TIME/'
		"$CLIENT" "${PORTS[4]}" all | wc -c
		"$DATAGRAM" 127.0.0.1 "${PORTS[0]}" hello
		"$DATAGRAM" 127.0.0.1 "${PORTS[3]}" '' | sed 's/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/TIME/'
		"$DATAGRAM" 127.0.0.1 "${PORTS[4]}" '' | wc -c
	}
	LASTING=yes side_by_side conversation
}

# print_families: print a program in Python that prints the kind of its socket and its client, without the port.
print_families() {
	cat <<-'PROGRAM'
		#!/usr/bin/env -S python3 -S
		import socket, sys
		connection = socket.socket(fileno=0)
		print(connection.family.name, connection.getpeername()[0], connection.getsockname()[0], flush=True)
		sys.stdin.readline()
	PROGRAM
}

@test "side by side, families: an IPv4 client of an IPv6 socket, both servers give the program an IPv4 socket (Linux)" {
	needs ipv6
	print_families >"$PUBLIC/families"
	chmod 755 "$PUBLIC/families"
	CONF=$PUBLIC/conf PORTS=("$(free_port)")
	mkdir "$PUBLIC/log"
	print_open_service families "port = ${PORTS[0]}" bind= 'flags = IPv6' "server = $PUBLIC/families" >"$CONF"
	conversation() {
		"$CLIENT" "${PORTS[0]}" line 'send:\n' all
		"$CLIENT" -h ::1 "${PORTS[0]}" line 'send:\n' all
	}
	side_by_side conversation
	run grep AF_ "$PUBLIC/superd.seen"
	assert_output $'AF_INET 127.0.0.1 127.0.0.1\nAF_INET6 ::1 ::1'
}

@test "families: -b '*', an IPv4 client, the program has an IPv4 socket (Linux)" {
	needs ipv6
	print_families >"$PUBLIC/families"
	chmod 755 "$PUBLIC/families"
	start_superd -p 0 -b '*' "$PUBLIC/families"
	run "$CLIENT" "$PORT" line 'send:\n' all
	assert_output 'AF_INET 127.0.0.1 127.0.0.1'
	run "$CLIENT" -h ::1 "$PORT" line 'send:\n' all
	assert_output 'AF_INET6 ::1 ::1'
}

@test "side by side, an internal stream with wait = yes: both servers answer one client after the other" {
	CONF=$PUBLIC/conf PORTS=("$(free_port)")
	mkdir "$PUBLIC/log"
	print_open_service daytime 'type = INTERNAL UNLISTED' "port = ${PORTS[0]}" 'wait = yes' server= >"$CONF"
	conversation() {
		for _ in 1 2; do
			"$CLIENT" "${PORTS[0]}" all | sed 's/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/TIME/'
		done
	}
	LASTING=yes side_by_side conversation
	[ "$(grep -c TIME "$PUBLIC/superd.seen")" -ge 2 ]
}
