# Shared by the tests that run configuration files: `load xinetd`, after `load helper`.
#
# A sample (samples/xinetd/NAME) is a file as one finds them in /etc/xinetd.d, with programs that are not
# here and ports that are not free. `arrange` makes a copy that can run: each program becomes the probe
# (probe.c), which tells its client what it was given, and each port a free one. `serve` runs xinetd or
# superd on the copy, and `side_by_side` runs both and compares.
#
# shellcheck disable=SC2034,SC2154 # the test files read what is set here

SAMPLES=$ROOT/tests/samples/xinetd
DATAGRAM=$ROOT/tests/datagram

# Once a file: the probe, built.
build_probe() {
	cc -O1 -o "$BATS_FILE_TMPDIR/probe" "$ROOT/tests/probe.c"
}

# Once a test: a folder that every user may enter, which bats's own are not.
make_public() {
	PUBLIC=$(mktemp -d)
	chmod a+rx "$PUBLIC"
	CONF=$PUBLIC/conf
}

remove_public() {
	end_all
	rm -rf "$PUBLIC"
}

# arrange [-e] [-r] NAME: write $CONF from a sample, as the program `arrange` does, with the probe or $PROGRAM for each
# server. PORTS is an array of the new ports.
arrange() {
	local options=("${@:1:$#-1}")
	mapfile -t PORTS < <("$ROOT/tests/arrange" "${options[@]}" "$SAMPLES/${!#}" "$PUBLIC" \
		"${PROGRAM:-$BATS_FILE_TMPDIR/probe}")
	[ -n "${PORTS[*]}" ]
}

# serve xinetd|superd: run it on $CONF in an environment of its own, and wait until it serves. SERVER_PID.
serve() {
	local environment=(env -i PATH=/usr/bin:/bin HOME=/root TERM=dumb)
	SERVER_LOG=$PUBLIC/$1.log
	if [ "$1" = xinetd ]; then
		background "${environment[@]}" /usr/sbin/xinetd -dontfork -stayalive -f "$CONF" -filelog "$SERVER_LOG" \
			-pidfile "$PUBLIC/pid" </dev/null >/dev/null 2>&1
		wait_for_line 'Started working' "$SERVER_LOG"
	else
		background "${environment[@]}" "$SUPERD" -P "$PUBLIC/pid" -c "$CONF" </dev/null >/dev/null 2>"$SERVER_LOG"
		wait_until test -s "$PUBLIC/pid" || cat "$SERVER_LOG" >&2
	fi
	SERVER_PID=$BG_PID
}

nothing_runs() {
	! pgrep -P "$SERVER_PID"
}

# Wait until every program has ended.
settle() {
	wait_until nothing_runs
}

# End the server, which logs what there still is to be logged; its children are left for end_all.
finish() {
	kill "-$([ "$1" = xinetd ] && echo TERM || echo QUIT)" "$SERVER_PID" 2>/dev/null || true
	wait_until is_gone "$SERVER_PID"
}

# What is the same in both once pids, times and free ports are out, and the three things in which superd is
# meant to differ: it shows an IPv4 client of a dual-stack socket as IPv4, it logs the client's port, and it tells
# the program of the peer in more conventions than REMOTE_HOST (ATTRIBUTES, "in superd").
normalise() {
	local i expressions=()
	for i in "${!PORTS[@]}"; do
		expressions+=(-e "s/\b${PORTS[$i]}\b/PORT$i/g")
	done
	sed -E -e "s#$PUBLIC#PUBLIC#g" -e 's#^[0-9]{2}/[0-9]{2}/[0-9]{2}@[0-9]{2}(:[0-9]{2}){2}: #TIME #' \
		-e 's/pid=[0-9]+/pid=N/; s/duration=[0-9]+/duration=N/' -e 's/::ffff://' \
		-e 's/^(TIME START.* from=[^ ]+) port=[0-9]+$/\1/' \
		-e '/^env (PROTO|TCP(LOCAL|REMOTE)(IP|PORT)|REMOTE_(ADDR|PORT))=/d' "${expressions[@]}"
}

# What the services logged, file by file.
log_lines() {
	local file
	for file in "$PUBLIC"/log/*; do
		[ ! -f "$file" ] || cat "$file"
	done
}

# side_by_side COMMAND...: serve $CONF with xinetd and with superd, run the command as the client, and compare
# what it printed and what was logged. It fails with the difference. What a server of the two alone is meant to
# say, `mend SERVER` (a function of the test, if there is one) takes out or puts in on the way.
side_by_side() {
	local server
	for server in xinetd superd; do
		rm -f "$PUBLIC"/log/*
		serve "$server"
		{
			echo "== the client sees"
			"$@" 2>&1
			[ -n "${LASTING:-}" ] || settle
			finish "$server"
			echo "== the log says"
			log_lines
		} | normalise >"$PUBLIC/$server.seen"
		if declare -F mend >/dev/null; then
			mend "$server" <"$PUBLIC/$server.seen" >"$PUBLIC/$server.mended"
			mv "$PUBLIC/$server.mended" "$PUBLIC/$server.seen"
		fi
		end_all
		rm -f "$PUBLIC/pid"
	done
	run diff -U 100 "$PUBLIC/xinetd.seen" "$PUBLIC/superd.seen"
	assert_success
	[ "$(wc -l <"$PUBLIC/xinetd.seen")" -gt 2 ]
}
