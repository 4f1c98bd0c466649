# superd beside the real xinetd: each sample is served by both, and what a client sees, what the program gets and what is
# logged are compared. What is meant to differ always is in normalise (xinetd.bash); what is meant to differ in one case is
# named there, after ATTRIBUTES.
#
# shellcheck disable=SC2317,SC2154 # side_by_side calls the functions `client` and `mend`, and sets `server`

load ../lib/xinetd

setup_file() {
	build_report_process
}

setup() {
	make_public_folder
}

teardown() {
	remove_public_folder
}

# say PORT LINE [HOST]: tell the probe what to do, and print what it tells. xinetd resets whom it refuses, which is
# no matter here.
tell_program() {
	printf '%s\n' "$2" | ask "$1" "${3:-127.0.0.1}" || true
}

# ask_program PORT LINE [HOST]: the same, and wait until the program has ended.
ask_program() {
	tell_program "$@"
	wait_for_programs
}

# datagrams PORT TEXT...: the same for datagrams, one after the other.
datagrams() {
	local port=$1 text
	shift
	for text; do
		"$DATAGRAM" 127.0.0.1 "$port" "$text"
		wait_for_programs
	done
}

# So many programs run now.
run_now() {
	[ "$(pgrep -c -P "$INETD_PID")" -eq "$1" ]
}

@test "the samples use every attribute that both have" {
	own='stderr|on_limit|time_limit|drain_time|backlog|proxy_from|directory|chroot|no_new_privs|socket_mode|socket_user'
	own+='|per_source_cps|per_source_prefix6|linger|rpc_.*'
	names=$("$SUPERD" -A | cut -f 1 | grep -vxE "$own")
	[ "$(wc -l <<<"$names")" -ge 40 ]
	for name in $names; do
		grep -qriE "^\s*$name\s*[-+]?=" "$SAMPLES" || fail "no sample uses $name"
	done
}

@test "agent: an UNLISTED service as root, only_from, log_on_success with nothing" {
	arrange_sample agent
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "amanda: datagrams, group and groups = yes, the socket itself as 0, 1 and 2 (Linux)" {
	arrange_sample amanda
	conversation() {
		datagrams "${PORTS[0]}" 'exit 0' 'exit 0'
	}
	side_by_side conversation
}

@test "crowd: instances and per_source" {
	arrange_sample crowd
	conversation() {
		start_background "$CLIENT" -c 2 "${PORTS[0]}" line hold >/dev/null
		local crowd=$BG_PID
		start_background "$CLIENT" "${PORTS[1]}" line hold >/dev/null
		wait_until run_now 3
		tell_program "${PORTS[0]}" 'exit 0'
		tell_program "${PORTS[1]}" 'exit 0'
		kill "$crowd" "$BG_PID"
	}
	side_by_side conversation
}

@test "cvs: passenv and env" {
	arrange_sample cvs
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "finger: one service on two addresses, without an id to tell them apart" {
	arrange_sample finger
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 0' 127.0.0.2
	}
	side_by_side conversation
}

@test "ftp: NAMEINARGS, IPv4, nice, and a service that is enabled by hand (Linux)" {
	arrange_sample -e ftp
	conversation() {
		ask_program "${PORTS[0]}" 'exit 1'
		ask_program "${PORTS[0]}" 'exit 1' ::1
	}
	side_by_side conversation
}

@test "git: quotes, a dollar and a # are words like others in server_args" {
	arrange_sample git
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "health: from everywhere, as often as one likes" {
	arrange_sample health
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "hours: access_times and max_load" {
	arrange_sample hours
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[1]}" 'exit 0'
	}
	side_by_side conversation
}

@test "limits: each rlimit, umask, nice, another user (Linux)" {
	arrange_sample limits
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "listed: enabled, disabled and disable" {
	arrange_sample listed
	conversation() {
		local port
		for port in "${PORTS[@]}"; do
			ask_program "$port" 'exit 0' | head -n 1
		done
	}
	side_by_side conversation
}

@test "loud: keywords, attributes and words in any case, and most flags" {
	arrange_sample loud
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 0' ::1
	}
	side_by_side conversation
}

@test "lpd: an empty passenv, another group" {
	arrange_sample -e lpd
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "main: defaults as they are shipped, and a directory that is not there (Linux)" {
	arrange_sample main
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 255' ::1
	}
	side_by_side conversation
}

@test "many: several services in a file, one of them off" {
	arrange_sample many
	conversation() {
		local port
		for port in "${PORTS[@]}"; do
			ask_program "$port" 'exit 0'
		done
	}
	side_by_side conversation
}

@test "repeated: the first assignment holds" {
	arrange_sample repeated
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "rsync: IPv6, which takes IPv4 too" {
	arrange_sample -e rsync
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0' ::1
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "six: v6only, interface, factorised addresses" {
	arrange_sample six
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0' ::1
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[1]}" 'exit 0'
		ask_program "${PORTS[1]}" 'exit 0' ::1
	}
	side_by_side conversation
}

@test "syslog: log_type SYSLOG" {
	arrange_sample syslog
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

@test "tftp: datagrams and arguments" {
	arrange_sample -e tftp
	conversation() {
		datagrams "${PORTS[0]}" 'exit 0' 'exit 0'
	}
	side_by_side conversation
}

@test "bare: nothing but what is needed, and no newline at the end" {
	arrange_sample bare
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	side_by_side conversation
}

# What follows differs, each as ATTRIBUTES says.

# without SERVER PATTERN: on SERVER's side, the lines that match are out.
without() {
	if [ "$server" = "$1" ]; then
		grep -v -e "$2"
	else
		cat
	fi
}

@test "challenge: a number for a user, limits, nice, bind (a comment after a value is one; in xinetd it undoes the limit) (Linux)" {
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

@test "changed: sets in defaults and in services, with =, += and -= (narrower refuses)" {
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

@test "waiting: wait = yes for a stream: the program accepts, and is started again when it has ended" {
	arrange_sample waiting
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
		ask_program "${PORTS[0]}" 'exit 0' ::1
	}
	side_by_side conversation
}

@test "nagios: who is refused (a refused client costs superd no process, so there is no START and no EXIT)" {
	arrange_sample nagios
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0'
	}
	adapt() {
		without xinetd 'START\|EXIT'
	}
	side_by_side conversation
}

@test "banners: to everyone, to who is let in, to who is not" {
	arrange_sample banners
	for name in all in out; do
		echo "The banner for $name." >"$PUBLIC/etc/motd.$name"
	done
	conversation() {
		ask_program "${PORTS[0]}" 'exit 0' | head -n 3
		# Nothing is sent: xinetd would reset the connection, and its banner might be lost.
		"$CLIENT" "${PORTS[1]}" all
	}
	side_by_side conversation
}

@test "redirect: there and back, and how much of it" {
	PROGRAM=/bin/cat arrange_sample redirect
	conversation() {
		"$CLIENT" "${PORTS[0]}" 'send:hello\n' line 'send:again\n' line close
	}
	side_by_side conversation
}

@test "sensor: who knocks is refused by every service (FAIL says sensor, not address)" {
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

@test "flood: past cps nobody is served for a while" {
	arrange_sample flood
	conversation() {
		local i
		# At once: all of them are to come in one second. So they are logged in any order.
		for i in 1 2 3 4 5 6; do
			tell_program "${PORTS[0]}" 'exit 0' | head -n 1 &
		done
		wait
		wait_for_programs
	}
	adapt() {
		sed 's/connections per second/cps/' | sort
	}
	side_by_side conversation
}

@test "builtin: echo, discard, chargen, daytime, time" {
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
