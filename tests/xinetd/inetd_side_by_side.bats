# SPDX-License-Identifier: ISC
# The same inetd.conf under the inetds of OpenBSD and GNU, and under superd: what clients see, and what programs get. Each runs
# in a network namespace of its own, so that the ports are free.

load ../lib/superd
load ../lib/xinetd

setup_file() {
	build_report_process
}

setup() {
	PUBLIC=$(mktemp -d)
	chmod 755 "$PUBLIC"
	cp "$BATS_FILE_TMPDIR/report_process" "$PUBLIC/report"
}

teardown() {
	end_processes
	rm -rf "$PUBLIC"
}

# seen SERVER COMMAND...: run the server on $PUBLIC/inetd.conf in its namespace, and then the script $PUBLIC/clients, whose
# output is printed without what is each server's own: the session, the environment, the limits, groups of the same user.
seen() {
	local server=$1
	shift
	timeout 120 unshare --net --pid --fork --kill-child bash -c '
		cd / && ip link set lo up
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:2}" >/dev/null 2>&1 </dev/null 3>&- &
		for _ in {1..200}; do
			(($(ss -Hln "( sport = 7001 or sport = 7010 )" | wc -l) >= 1)) && break
			sleep 0.05
		done
		bash "$1"' bash "$PUBLIC/clients" "$@" </dev/null |
		sed -E '/^(env|limit|signal|mask|session) /d; s/ groups.*//; /^descriptor [0-9]{2,} /d' >"$PUBLIC/$server.seen"
}

# compare_with SERVER OPTION: run that server and superd, and compare. GNU's tcp is IPv4, and its tcp6 both: what a line of the
# clients marks with `# OpenBSD` is not asked of it.
compare_with() {
	[ "$1" != inetutils-inetd ] || sed -i '/# OpenBSD$/d' "$PUBLIC/clients"
	seen "$1" "$(type -P "$1")" "$2" "$PUBLIC/inetd.conf"
	seen superd "$SUPERD" -q -c "$PUBLIC/inetd.conf"
	diff -U 3 "$PUBLIC/$1.seen" "$PUBLIC/superd.seen"
	[ "$(grep -c '^argument' "$PUBLIC/superd.seen")" -ge 3 ]
}

@test "inetd side by side: stream services, clients see the same and programs get the same (Linux)" {
	needs root capabilities
	needs openbsd-inetd
	needs inetutils-inetd
	cat >"$PUBLIC/inetd.conf" <<-END
		# Comments, and a service that update-inetd has switched off.
		#<off># 7099 stream tcp nowait nobody /bin/cat cat
		7001	stream	tcp	nowait	nobody	$PUBLIC/report report -a b#c
		7002	stream	tcp4	nowait	root	$PUBLIC/report /other/name
		7003	stream	tcp6	nowait	root	$PUBLIC/report report
		7004	stream	tcp4	nowait	nobody	/bin/cat	cat
		7005	stream	tcp4	nowait	nobody	/bin/echo	echo one  two
		7006	stream	tcp4	nowait	nobody	/bin/pwd	pwd
		127.0.0.2:7007	stream	tcp4	nowait	nobody	/bin/cat	cat
		7008	stream	tcp4	wait	root	$PUBLIC/report report
		7009	stream	tcp4	nowait	root	/bin/sh	sh -c exit
		echo	stream	tcp4	nowait	root	internal
		discard	stream	tcp4	nowait	root	internal
	END
	cat >"$PUBLIC/clients" <<-'END'
		say() {
			echo "= $1 $2"
			printf "$3" | timeout 10 nc -N "$1" "$2" 2>&1 || echo "status $?"
		}
		for port in 7001 7002; do say 127.0.0.1 "$port" 'exit 0\n'; done
		for port in 7002 7003; do say ::1 "$port" 'exit 0\n'; done
		say ::1 7001 'exit 0\n' # OpenBSD
		say 127.0.0.1 7003 'exit 0\n' # OpenBSD
		for port in 7004 7007; do say 127.0.0.1 "$port" 'hello\n'; done
		for port in 7005 7006; do say 127.0.0.1 "$port" ''; done
		say 127.0.0.2 7007 'hello\n'
		for _ in 1 2; do say 127.0.0.1 7008 'exit 0\n'; done
		say 127.0.0.1 7009 ''
		say 127.0.0.1 7099 ''
		say 127.0.0.1 7 'hello\nworld\n'
		say 127.0.0.1 9 'hello\n'
	END
	compare_with openbsd-inetd -i
	compare_with inetutils-inetd -d
}

@test "inetd side by side: datagram services on both families, clients see the same and programs get the same (Linux)" {
	needs root capabilities
	needs openbsd-inetd
	needs inetutils-inetd
	cat >"$PUBLIC/inetd.conf" <<-END
		7010	dgram	udp4	wait	nobody	$PUBLIC/report report x
		7011	dgram	udp6	wait	root	$PUBLIC/report report
	END
	cat >"$PUBLIC/clients" <<-END
		timeout 20 "$LIB/udp_client" 127.0.0.1 7010 'exit 0' 'exit 0' 2>&1
		timeout 20 "$LIB/udp_client" ::1 7011 'exit 0' 2>&1
	END
	compare_with openbsd-inetd -i
	compare_with inetutils-inetd -d
}
