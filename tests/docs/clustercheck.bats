# SPDX-License-Identifier: ISC
# examples/clustercheck, the health check of a Galera node: alone, and under superd behind HAProxy.

load ../lib/superd

setup() {
	# It runs as nobody, a user that cannot enter bats's own folder.
	make_public_folder
	cp "$ROOT/examples/clustercheck" "$PUBLIC"
	# A script instead of the database's client: it prints a file as the answer of the database, fails without that file, and writes
	# its arguments to another file.
	mkdir "$PUBLIC/bin"
	cat >"$PUBLIC/bin/mysql" <<-END
		#!/bin/sh
		printf '%s\n' "\$@" >$PUBLIC/words
		exec cat $PUBLIC/answer
	END
	chmod 755 "$PUBLIC/bin/mysql"
	: >"$PUBLIC/words"
	chmod 666 "$PUBLIC/words"
	ln -s "$(command -v cat)" "$PUBLIC/bin"
	database_is Synced
}

teardown() {
	remove_public_folder
}

# database_is STATE [COMPONENT [READ_ONLY]]: the state that the database answers.
database_is() {
	printf 'wsrep_cluster_status\t%s\nwsrep_local_state_comment\t%s\nread_only\t%s\n' "${2:-Primary}" "$1" "${3:-OFF}" >"$PUBLIC/answer.new"
	mv "$PUBLIC/answer.new" "$PUBLIC/answer"
}

# assert_answer STATUS PAGE [ARGUMENT...]: clustercheck with these arguments prints that reply, and exits with status 0.
assert_answer() {
	local status=$1 page=$2
	shift 2
	printf 'HTTP/1.1 %s\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s\n' \
		"$status" $((${#page} + 1)) "$page" >"$BATS_TEST_TMPDIR/expected"
	PATH=$PUBLIC/bin "$PUBLIC/clustercheck" "$@" >"$BATS_TEST_TMPDIR/got" 2>"$BATS_TEST_TMPDIR/said"
	diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/got"
}

@test "clustercheck: the node is synced or joining, the reply is 200 or 503" {
	assert_answer '200 OK' 'ready: the node is Synced'
	database_is Joining
	assert_answer '503 Service Unavailable' 'not ready: the node is Joining'
}

@test "clustercheck: the node is a donor, the reply is 200 with -d only" {
	database_is Donor/Desynced
	assert_answer '503 Service Unavailable' 'not ready: the node is Donor/Desynced'
	assert_answer '200 OK' 'ready: the node is Donor/Desynced' -d
	database_is Joined
	assert_answer '503 Service Unavailable' 'not ready: the node is Joined' -d
}

@test "clustercheck: the node is read-only, the reply is 503 with -w only" {
	database_is Synced Primary ON
	assert_answer '200 OK' 'ready: the node is Synced' -d
	assert_answer '503 Service Unavailable' 'not ready: read_only is ON' -d -w
}

@test "clustercheck: the node is not in the primary component, the reply is 503" {
	database_is Synced non-Primary
	assert_answer '503 Service Unavailable' 'not ready: the component is non-Primary' -d
}

@test "clustercheck: the database does not answer or its client is missing, the reply is 503" {
	rm "$PUBLIC/answer"
	assert_answer '503 Service Unavailable' 'not ready: the database does not answer' -d
	: >"$PUBLIC/answer"
	assert_answer '503 Service Unavailable' 'not ready: the component is unknown' -d
	rm "$PUBLIC/bin/mysql"
	assert_answer '503 Service Unavailable' 'not ready: the database does not answer' -d
}

@test "clustercheck: arguments after -d and -w, the database's client gets them first" {
	assert_answer '200 OK' 'ready: the node is Synced' -w --defaults-extra-file=file -d
	run head -n 3 "$PUBLIC/words"
	assert_output $'--defaults-extra-file=file\n-d\n--connect-timeout=5'
}

@test "clustercheck: the database's client is called mariadb, the check works" {
	mv "$PUBLIC/bin/mysql" "$PUBLIC/bin/mariadb"
	assert_answer '200 OK' 'ready: the node is Synced'
}

# serve_clustercheck [ATTRIBUTE]: start superd with the example's service file, with another port and path, without the line of
# ATTRIBUTE. Sets METRICS.
serve_clustercheck() {
	sed -e 's|^\(\s*port\s*=\).*|\1 0|' -e "s|/usr/local/bin|$PUBLIC|" -e "/^\s*${1:-nothing}\s/d" \
		"$ROOT/examples/clustercheck.conf" >"$PUBLIC/conf"
	METRICS=$BATS_TEST_TMPDIR/metrics
	PATH=$PUBLIC/bin:$PATH start_superd -m "$METRICS" -c "$PUBLIC/conf"
}

@test "clustercheck.conf: the HAProxy lines in it, HAProxy accepts them" {
	needs haproxy
	{
		printf 'defaults\n\ttimeout connect 1s\n\ttimeout client 1s\n\ttimeout server 1s\n'
		sed -n '/^# In HAProxy:/,/^# In /s/^#  *\(listen\|bind\|option\|default-server\|server\) /\1 /p' "$ROOT/examples/clustercheck.conf"
	} >"$BATS_TEST_TMPDIR/haproxy.cfg"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/haproxy.cfg")" -eq 10 ]
	run haproxy -c -f "$BATS_TEST_TMPDIR/haproxy.cfg"
	assert_success
	[[ -z $output || $output = 'Configuration file is valid' ]] # HAProxy 3 says nothing
}

# balance COUNT: start HAProxy with that many servers, which are all this service. It checks each separately, and one check decides.
# Sets STATS.
balance() {
	STATS=$BATS_TEST_TMPDIR/stats
	cat >"$BATS_TEST_TMPDIR/haproxy.cfg" <<-END
		global
			stats socket $STATS
		defaults
			mode http
			timeout connect 20s
			timeout client 20s
			timeout server 20s
			timeout check 20s
		backend galera
			option httpchk
			default-server check inter 10ms fall 1 rise 1
			server-template node 1-$1 127.0.0.1:$PORT
	END
	start_background haproxy -q -db -f "$BATS_TEST_TMPDIR/haproxy.cfg" >"$BATS_TEST_TMPDIR/haproxy.log" 2>&1
	wait_until test -S "$STATS"
}

# haproxy_says COLUMN...: print these columns of HAProxy's statistics for each server.
haproxy_says() {
	echo 'show stat galera 4 -1' | nc -N -U "$STATS" | python3 -c 'import csv, sys
for row in csv.DictReader(sys.stdin):
	print(*(row[name].removeprefix("* ") for name in sys.argv[1:]))' "$@"
}

node_is() {
	[ "$(haproxy_says status check_status check_code)" = "$1" ]
}

@test "clustercheck under superd: the node changes its state, HAProxy marks it up, down and up again" {
	needs root
	serve_clustercheck
	balance 1
	wait_until node_is 'UP L7OK 200'
	database_is Joining
	wait_until node_is 'DOWN L7STS 503'
	database_is Synced
	wait_until node_is 'UP L7OK 200'
}

has_failed() {
	(($(haproxy_says chkfail) > 0))
}

@test "clustercheck under superd: linger is not set, HAProxy's checks fail" {
	needs root
	serve_clustercheck linger
	balance 1
	wait_until has_failed
}

checks_are() {
	[ "$(metric "$METRICS" superd_connections_total 'service="clustercheck"')" -ge "$1" ]
}

@test "clustercheck under superd: 500 checks of ready nodes, HAProxy never marks one down" {
	needs root
	serve_clustercheck
	balance 10
	# At most one for each node is running.
	wait_until checks_are 510
	run haproxy_says status chkfail chkdown
	assert_output "$(yes 'UP 0 0' | head -n 10)"
}
