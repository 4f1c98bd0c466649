# SPDX-License-Identifier: ISC
# USR2 between two versions of superd whose states differ: each understands what it can, and everything goes on.

load ../lib/superd
load ../lib/client
load ../lib/fault

# build_version NAME: build superd from a copy of its sources, changed as stdin's sed script has it for state.c and
# server.h: $BATS_FILE_TMPDIR/NAME/superd/superd.
build_version() {
	local tree=$BATS_FILE_TMPDIR/$1
	mkdir "$tree"
	cp -r "$ROOT/superd" "$ROOT/Makefile" "$tree/"
	sed -i -f - "$tree/superd/state.c" "$tree/superd/server/server.h"
	make -s -C "$tree" superd/superd CFLAGS=-O1 HARDEN=-fPIE 2>&1 || return
	! diff -rq "$ROOT/superd" "$tree/superd" --exclude=superd >/dev/null || return
}

# One with other keys: a new one before the old ones, a kind of line that the other does not know, one key under another name,
# which is a key fewer and a key more; and with the reasons of refusals in another order, and one more of them.
setup_file() {
	export OTHER=$BATS_FILE_TMPDIR/other/superd/superd
	build_version other <<-'EOF'
		s/"socket fd=/"socket colour=red fd=/
		s/"listener accepted=/"listener colour=red accepted=/
		s/"child pid=/"child colour=red pid=/
		s/"pending fd=/"pending colour=red fd=/
		s/"lingering fd=/"lingering colour=red fd=/
		s/second_began=/second_start=/
		s/"second_began"/"second_start"/
		s/fprintf(to, "%s\\n", STATE_LAST_LINE)/fprintf(to, "garden colour=green\\n%s\\n", STATE_LAST_LINE)/
		s/VERDICT_ALLOW, VERDICT_ADDRESS, VERDICT_TIME,/VERDICT_ALLOW, VERDICT_TIME, VERDICT_ADDRESS,/
	EOF
}

# put_on_disk FILE: superd on disk is that one from now on.
put_on_disk() {
	cp "$1" "$SUPERD.new"
	mv "$SUPERD.new" "$SUPERD"
}

# start_everything: a superd with a program that runs, one that has ended and lingers, a client that is pending, a source that a
# sensor has seen, and refusals for two reasons.
start_everything() {
	use_private_superd
	cp /bin/cat "$BATS_TEST_TMPDIR/busy"
	{
		print_open_service running instances=1
		print_open_service lingering linger=60 server=/usr/bin/head 'server_args = -n 1'
		print_open_service pending server="$BATS_TEST_TMPDIR/busy"
		print_open_service sensor flags=SENSOR deny_time=FOREVER only_from=127.0.0.9
		print_open_service closed only_from=127.0.0.8 access_times=
		print_open_service late access_times=0:00-0:00
	} | sed '/access_times =$/d' >"$CONF"
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -c "$CONF"
	open_connection running "$(port_of running)"
	open_connection lingering "$(port_of lingering)" "file:$BATS_TEST_TMPDIR/go" 'send:unread\n' shut all
	LINGERING=$CLIENT_PID
	wait_for_line 'EXIT: lingering'
	"$CLIENT" -s 127.0.0.9 "$(port_of sensor)" all
	"$CLIENT" "$(port_of closed)" all
	"$CLIENT" "$(port_of closed)" all
	exec 6>>"$BATS_TEST_TMPDIR/busy" # while it is written to it cannot be executed
	start_background "$CLIENT" "$(port_of pending)" 'send:here\n' line >"$BATS_TEST_TMPDIR/pending" 6>&-
	PENDING=$BG_PID
	wait_for_line 'new connections wait'
}

# assert_everything: all of that is still so.
assert_everything() {
	local metrics=$BATS_TEST_TMPDIR/metrics
	"$CLIENT" "$(port_of running)" all
	wait_for_line 'FAIL: running service_limit'
	run "$CLIENT" -s 127.0.0.9 "$(port_of closed)" all
	wait_for_line 'FAIL: closed sensor from=127.0.0.9'
	wait_until metric_is "$metrics" superd_refused_total 'service="closed",reason="address"' 2
	metric_is "$metrics" superd_refused_total 'service="closed",reason="time"' 0
	metric_is "$metrics" superd_refused_total 'service="sensor",reason="sensor"' 1
	metric_is "$metrics" superd_connections_total 'service="lingering"' 1
	exec 6>&-
	wait "$PENDING"
	[ "$(cat "$BATS_TEST_TMPDIR/pending")" = here ]
	touch "$BATS_TEST_TMPDIR/go"
	wait "$LINGERING"
	[ "$(cat "$BATS_TEST_TMPDIR/lingering")" = here ]
}

@test "upgrade: the new superd's state has other keys and another order of reasons, it takes everything over" {
	start_everything
	put_on_disk "$OTHER"
	upgrade_superd 6>&-
	assert_everything
}

@test "upgrade: the running superd's state has other keys and another order of reasons, this one takes everything over" {
	local own=$SUPERD
	SUPERD=$OTHER
	start_everything
	put_on_disk "$own"
	upgrade_superd 6>&-
	assert_everything
}

@test "upgrade: from this version to another and back, everything is still there" {
	local own=$SUPERD
	start_everything
	put_on_disk "$OTHER"
	upgrade_superd 6>&-
	put_on_disk "$own"
	upgrade_superd 6>&-
	assert_everything
}

@test "upgrade: the state is not whole, the check refuses it and superd goes on" {
	use_private_superd
	start_superd -p 0 cat
	open_connection first "$PORT"
	mkdir "$BATS_TEST_TMPDIR/real"
	mv "$SUPERD" "$BATS_TEST_TMPDIR/real/superd"
	replace_superd '#!/usr/bin/env bash' 'head -n 2 <&"$SUPERD_STATE" >'"$BATS_TEST_TMPDIR/cut" "exec 9<$BATS_TEST_TMPDIR/cut" \
		"SUPERD_STATE=9 exec $BATS_TEST_TMPDIR/real/superd \"\$@\""
	signal_and_wait USR2 'upgrade cancelled: the new superd would not start: .*not whole'
	has_children 1
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "upgrade: the state is whole for the check and not for the start, superd opens its sockets again" {
	needs python3
	local port
	port=$(free_port)
	use_private_superd
	start_superd -p "$port" -b 127.0.0.1 cat
	mkdir "$BATS_TEST_TMPDIR/real"
	mv "$SUPERD" "$BATS_TEST_TMPDIR/real/superd"
	replace_superd '#!/bin/sh' "[ \"\$1\" != -t ] || exec $BATS_TEST_TMPDIR/real/superd \"\$@\"" \
		'head -n 2 <&"$SUPERD_STATE" >'"$BATS_TEST_TMPDIR/cut" "exec 9<$BATS_TEST_TMPDIR/cut" \
		"SUPERD_STATE=9 exec $BATS_TEST_TMPDIR/real/superd \"\$@\""
	signal_and_wait USR2 'not whole'
	wait_until echoes "$port"
}
