# SPDX-License-Identifier: ISC
# xinetd and superd on the same configuration file.
#
# A sample (samples/xinetd/NAME) is a typical file of /etc/xinetd.d. Its programs are not installed, and its ports may be in use.
# arrange_sample makes a copy that can run: it replaces each program with report_process, which sends its process attributes to
# the client, and each port with a free port. start_inetd runs xinetd or superd on the copy, and side_by_side runs both and
# compares.
#
# shellcheck shell=bash disable=SC2034,SC2154 # variables of bats and of the tests

source "${BASH_SOURCE[0]%/*}/superd.bash"
source "${BASH_SOURCE[0]%/*}/client.bash"

SAMPLES=$ROOT/tests/samples/xinetd

# build_report_process: compile report_process, once for all tests of a file.
build_report_process() {
	cc -O1 -o "$BATS_FILE_TMPDIR/report_process" "$LIB/report_process.c"
}

# arrange_sample [-e] [-r] NAME: write $PUBLIC/conf from a sample, as lib/arrange_sample does, with report_process or $PROGRAM for
# each server. Sets CONF, and PORTS, the array of the new ports.
arrange_sample() {
	local options=("${@:1:$#-1}")
	CONF=$PUBLIC/conf
	mapfile -t PORTS < <("$LIB/arrange_sample" "${options[@]}" "$SAMPLES/${!#}" "$PUBLIC" \
		"${PROGRAM:-$BATS_FILE_TMPDIR/report_process}")
	[ -n "${PORTS[*]}" ]
}

# start_inetd xinetd|superd: run the server with $CONF and a small environment, and wait until it listens. Sets INETD_PID and
# INETD_LOG.
start_inetd() {
	local environment=(env -i PATH=/usr/bin:/bin HOME=/root TERM=dumb)
	INETD_LOG=$PUBLIC/$1.log
	if [ "$1" = xinetd ]; then
		start_background "${environment[@]}" /usr/sbin/xinetd -dontfork -stayalive -f "$CONF" -filelog "$INETD_LOG" \
			-pidfile "$PUBLIC/pid" </dev/null >/dev/null 2>&1
		wait_for_line 'Started working' "$INETD_LOG"
	else
		start_background "${environment[@]}" "$SUPERD" -P "$PUBLIC/pid" -c "$CONF" </dev/null >/dev/null 2>"$INETD_LOG"
		wait_until test -s "$PUBLIC/pid" || cat "$INETD_LOG" >&2
	fi
	INETD_PID=$BG_PID
}

# no_program_runs: that server has no child.
no_program_runs() {
	! pgrep -P "$INETD_PID"
}

# wait_for_programs: wait until every program of that server has ended.
wait_for_programs() {
	wait_until no_program_runs
}

# stop_inetd xinetd|superd: end that server, which writes its last log lines; end_processes ends its children.
stop_inetd() {
	kill "-$([ "$1" = xinetd ] && echo TERM || echo QUIT)" "$INETD_PID" 2>/dev/null || true
	wait_until is_gone "$INETD_PID"
}

# normalise: copy stdin without pids, times and free ports, and without the five intended differences of superd: it
# shows an IPv4 client of a dual-stack socket as IPv4, it logs the client's port, it passes the client's address to the
# program in more variables than REMOTE_HOST, HOME, USER, LOGNAME and SHELL are those of the program's user, and a program has its own
# session only if superd has a terminal.
normalise() {
	local i expressions=()
	for i in "${!PORTS[@]}"; do
		expressions+=(-e "s/\b${PORTS[$i]}\b/PORT$i/g")
	done
	sed -E -e "s#$PUBLIC#PUBLIC#g" -e 's#^[0-9]{2}/[0-9]{2}/[0-9]{2}@[0-9]{2}(:[0-9]{2}){2}: #TIME #' \
		-e 's/pid=[0-9]+/pid=N/; s/duration=[0-9]+/duration=N/' -e 's/::ffff://; s/^session [a-z]+ group/group/' \
		-e 's/^(TIME START.* from=[^ ]+) port=[0-9]+$/\1/' \
		-e '/^env (PROTO|TCP(LOCAL|REMOTE)(IP|PORT)|REMOTE_(ADDR|PORT)|HOME|USER|LOGNAME|SHELL)=/d' "${expressions[@]}"
}

# print_service_logs: print the log files of the services, one after the other.
print_service_logs() {
	local file
	for file in "$PUBLIC"/log/*; do
		[ ! -f "$file" ] || cat "$file"
	done
}

# side_by_side COMMAND...: run xinetd and then superd with $CONF, run the command as the client, and compare its output and
# the logs; prints the differences and fails if there are any. If the test has a function `adapt SERVER`, it edits the output of
# SERVER (stdin to stdout) where the servers differ by design. With LASTING=yes, the programs keep running.
side_by_side() {
	local server
	for server in xinetd superd; do
		rm -f "$PUBLIC"/log/*
		start_inetd "$server"
		{
			echo "== the client sees"
			"$@" 2>&1
			[ -n "${LASTING:-}" ] || wait_for_programs
			stop_inetd "$server"
			echo "== the log says"
			print_service_logs
		} | normalise >"$PUBLIC/$server.seen"
		if declare -F adapt >/dev/null; then
			adapt "$server" <"$PUBLIC/$server.seen" >"$PUBLIC/$server.adapted"
			mv "$PUBLIC/$server.adapted" "$PUBLIC/$server.seen"
		fi
		end_processes
		rm -f "$PUBLIC/pid"
	done
	run diff -U 100 "$PUBLIC/xinetd.seen" "$PUBLIC/superd.seen"
	assert_success
	[ "$(wc -l <"$PUBLIC/xinetd.seen")" -gt 2 ]
}
