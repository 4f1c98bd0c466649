# superd beside the real xinetd: each sample is served by both, and what a client sees, what the program gets and what is
# logged are compared. What is meant to differ always is in normalise (xinetd.bash); what is meant to differ in one case is
# named there, after ATTRIBUTES.
#
# shellcheck disable=SC2317,SC2154 # side_by_side calls the functions `client` and `mend`, and sets `server`

load helper
load xinetd

setup_file() {
	build_probe
}

setup() {
	make_public
}

teardown() {
	remove_public
}

# say PORT LINE [HOST]: tell the probe what to do, and print what it tells. xinetd resets whom it refuses, which is
# no matter here.
say() {
	printf '%s\n' "$2" | ask "$1" "${3:-127.0.0.1}" || true
}

# visit PORT LINE [HOST]: the same, and wait until the program has ended.
visit() {
	say "$@"
	settle
}

# datagrams PORT TEXT...: the same for datagrams, one after the other.
datagrams() {
	local port=$1 text
	shift
	for text; do
		"$DATAGRAM" 127.0.0.1 "$port" "$text"
		settle
	done
}

# So many programs run now.
run_now() {
	[ "$(pgrep -c -P "$SERVER_PID")" -eq "$1" ]
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
	arrange agent
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "amanda: datagrams, group and groups = yes, the socket itself as 0, 1 and 2 (Linux)" {
	arrange amanda
	client() {
		datagrams "${PORTS[0]}" 'exit 0' 'exit 0'
	}
	side_by_side client
}

@test "crowd: instances and per_source" {
	arrange crowd
	client() {
		background "$TALK" -c 2 "${PORTS[0]}" line hold >/dev/null
		local crowd=$BG_PID
		background "$TALK" "${PORTS[1]}" line hold >/dev/null
		wait_until run_now 3
		say "${PORTS[0]}" 'exit 0'
		say "${PORTS[1]}" 'exit 0'
		kill "$crowd" "$BG_PID"
	}
	side_by_side client
}

@test "cvs: passenv and env" {
	arrange cvs
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "finger: one service on two addresses, without an id to tell them apart" {
	arrange finger
	client() {
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[0]}" 'exit 0' 127.0.0.2
	}
	side_by_side client
}

@test "ftp: NAMEINARGS, IPv4, nice, and a service that is enabled by hand (Linux)" {
	arrange -e ftp
	client() {
		visit "${PORTS[0]}" 'exit 1'
		visit "${PORTS[0]}" 'exit 1' ::1
	}
	side_by_side client
}

@test "git: quotes, a dollar and a # are words like others in server_args" {
	arrange git
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "health: from everywhere, as often as one likes" {
	arrange health
	client() {
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "hours: access_times and max_load" {
	arrange hours
	client() {
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[1]}" 'exit 0'
	}
	side_by_side client
}

@test "limits: each rlimit, umask, nice, another user (Linux)" {
	arrange limits
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "listed: enabled, disabled and disable" {
	arrange listed
	client() {
		local port
		for port in "${PORTS[@]}"; do
			visit "$port" 'exit 0' | head -n 1
		done
	}
	side_by_side client
}

@test "loud: keywords, attributes and words in any case, and most flags" {
	arrange loud
	client() {
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[0]}" 'exit 0' ::1
	}
	side_by_side client
}

@test "lpd: an empty passenv, another group" {
	arrange -e lpd
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "main: defaults as they are shipped, and a directory that is not there (Linux)" {
	arrange main
	client() {
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[0]}" 'exit 255' ::1
	}
	side_by_side client
}

@test "many: several services in a file, one of them off" {
	arrange many
	client() {
		local port
		for port in "${PORTS[@]}"; do
			visit "$port" 'exit 0'
		done
	}
	side_by_side client
}

@test "repeated: the first assignment holds" {
	arrange repeated
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "rsync: IPv6, which takes IPv4 too" {
	arrange -e rsync
	client() {
		visit "${PORTS[0]}" 'exit 0' ::1
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "six: v6only, interface, factorised addresses" {
	arrange six
	client() {
		visit "${PORTS[0]}" 'exit 0' ::1
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[1]}" 'exit 0'
		visit "${PORTS[1]}" 'exit 0' ::1
	}
	side_by_side client
}

@test "syslog: log_type SYSLOG" {
	arrange syslog
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
}

@test "tftp: datagrams and arguments" {
	arrange -e tftp
	client() {
		datagrams "${PORTS[0]}" 'exit 0' 'exit 0'
	}
	side_by_side client
}

@test "bare: nothing but what is needed, and no newline at the end" {
	arrange bare
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	side_by_side client
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
	arrange challenge
	client() {
		visit "${PORTS[0]}" 'exit 3'
		visit "${PORTS[0]}" 'kill 9'
	}
	mend() {
		if [ "$server" = xinetd ]; then
			sed 's/^limit cpu -1 -1$/limit cpu 20 20/'
		else
			cat
		fi
	}
	side_by_side client
}

@test "changed: sets in defaults and in services, with =, += and -= (narrower refuses)" {
	arrange changed
	client() {
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[1]}" 'exit 0'
		visit "${PORTS[2]}" 'exit 1'
	}
	mend() {
		without xinetd 'START: narrower\|EXIT: narrower'
	}
	side_by_side client
}

@test "waiting: wait = yes for a stream: the program accepts, and is started again when it has ended" {
	arrange waiting
	client() {
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[0]}" 'exit 0' ::1
	}
	side_by_side client
}

@test "nagios: who is refused (a refused client costs superd no process, so there is no START and no EXIT)" {
	arrange nagios
	client() {
		visit "${PORTS[0]}" 'exit 0'
	}
	mend() {
		without xinetd 'START\|EXIT'
	}
	side_by_side client
}

@test "banners: to everyone, to who is let in, to who is not" {
	arrange banners
	for name in all in out; do
		echo "The banner for $name." >"$PUBLIC/etc/motd.$name"
	done
	client() {
		visit "${PORTS[0]}" 'exit 0' | head -n 3
		# Nothing is sent: xinetd would reset the connection, and its banner might be lost.
		"$TALK" "${PORTS[1]}" all
	}
	side_by_side client
}

@test "redirect: there and back, and how much of it" {
	PROGRAM=/bin/cat arrange redirect
	client() {
		"$TALK" "${PORTS[0]}" 'send:hello\n' line 'send:again\n' line close
	}
	side_by_side client
}

@test "sensor: who knocks is refused by every service (FAIL says sensor, not address)" {
	arrange sensor
	client() {
		visit "${PORTS[1]}" 'exit 0' | head -n 1
		visit "${PORTS[0]}" 'exit 0'
		visit "${PORTS[1]}" 'exit 0'
	}
	mend() {
		sed 's/FAIL: sensor sensor/FAIL: sensor address/'
	}
	side_by_side client
}

@test "flood: past cps nobody is served for a while" {
	arrange flood
	client() {
		local i
		# At once: all of them are to come in one second. So they are logged in any order.
		for i in 1 2 3 4 5 6; do
			say "${PORTS[0]}" 'exit 0' | head -n 1 &
		done
		wait
		settle
	}
	mend() {
		sed 's/connections per second/cps/' | sort
	}
	side_by_side client
}

@test "builtin: echo, discard, chargen, daytime, time" {
	arrange builtin
	client() {
		say "${PORTS[0]}" hello
		say "${PORTS[1]}" hello
		"$TALK" "${PORTS[2]}" line line line close
		"$TALK" "${PORTS[3]}" all | sed 's/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/TIME/'
		"$TALK" "${PORTS[4]}" all | wc -c
		"$DATAGRAM" 127.0.0.1 "${PORTS[0]}" hello
		"$DATAGRAM" 127.0.0.1 "${PORTS[3]}" '' | sed 's/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/TIME/'
		"$DATAGRAM" 127.0.0.1 "${PORTS[4]}" '' | wc -c
	}
	LASTING=yes side_by_side client
}
