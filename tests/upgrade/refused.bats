# SPDX-License-Identifier: ISC
# USR2 when the superd on disk, or what it would read, has a fault: superd logs the reason, and continues.

load ../lib/superd
load ../lib/client
load ../lib/fault

setup() {
	CONF=$BATS_TEST_TMPDIR/conf
}

still_serves() {
	run ask "$PORT" <<<'goes on'
	assert_output 'goes on'
	kill -0 "$SUPERD_PID"
	stop_superd
}

@test "upgrade cancelled: the file on disk is not a program, superd continues" {
	use_private_superd
	start_superd -p 0 cat
	replace_superd 'no program at all'
	assert_upgrade_cancelled 'Exec format error'
	still_serves
}

@test "upgrade cancelled: the file on disk is cut off, superd continues" {
	use_private_superd
	start_superd -p 0 cat
	head -c 10000 "$SUPERD" >"$SUPERD.new"
	chmod 755 "$SUPERD.new"
	mv "$SUPERD.new" "$SUPERD"
	assert_upgrade_cancelled '.'
	still_serves
}

@test "upgrade cancelled: the file on disk is missing, superd continues" {
	use_private_superd
	start_superd -p 0 cat
	mv "$SUPERD" "$SUPERD.elsewhere"
	assert_upgrade_cancelled "$SUPERD.*No such file or directory"
	still_serves
}

@test "upgrade cancelled: the file on disk disappears after the check, superd continues" {
	use_private_superd
	start_superd -p 0 cat
	before=$(superd_descriptors)
	replace_superd '#!/bin/sh' 'rm "$0"'
	assert_upgrade_cancelled "$SUPERD: No such file or directory"
	[ "$(superd_descriptors)" = "$before" ]
	still_serves
}

@test "upgrade cancelled: the new superd crashes in the check, the signal is logged" {
	use_private_superd
	start_superd -p 0 cat
	replace_superd '#!/bin/sh' 'kill -SEGV $$'
	assert_upgrade_cancelled '[Ss]ignal\|gave no reason'
	still_serves
}

@test "upgrade cancelled: the new superd does not know an option, its message is logged" {
	use_private_superd
	start_superd -p 0 cat
	replace_superd '#!/bin/sh' 'echo "superd: unknown option -p" >&2' 'exit 2'
	assert_upgrade_cancelled 'unknown option -p'
	still_serves
}

@test "upgrade cancelled: the new superd hangs in the check, superd serves meanwhile and ends it" {
	needs root
	use_private_superd
	start_superd -p 0 cat
	replace_superd '#!/bin/sh' 'exec sleep 1000'
	kill -USR2 "$SUPERD_PID"
	wait_until has_children 1
	run ask "$PORT" <<<meanwhile
	assert_output meanwhile
	wait_for_line 'upgrade cancelled: '
	has_children 0
	still_serves
}

@test "upgrade cancelled: the file on disk is good again, the next USR2 upgrades" {
	use_private_superd
	start_superd -p 0 cat
	cp "$SUPERD" "$SUPERD.good"
	replace_superd 'no program at all'
	assert_upgrade_cancelled 'Exec format error'
	mv "$SUPERD.good" "$SUPERD"
	upgrade_superd
	still_serves
}

@test "upgrade cancelled: the configuration has an error, its place is logged" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	print_open_service a instances=lots | sed 's/instances.*/instances = lots/' >"$CONF"
	assert_upgrade_cancelled "$CONF:[0-9]*: .*lots"
	still_serves
}

@test "upgrade cancelled: the configuration is missing, superd continues" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	rm "$CONF"
	assert_upgrade_cancelled "$CONF.*No such file or directory"
	still_serves
}

@test "upgrade cancelled: the configuration has no service, superd continues" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	print_open_service a disable=yes >"$CONF"
	assert_upgrade_cancelled 'no service'
	still_serves
}

@test "upgrade: another server has the new port, superd logs it and serves the old one" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	port=$PORT
	start_server - hold
	print_open_service a port="$PORT" >"$CONF"
	PORT=$port
	signal_and_wait USR2 "in use"
	still_serves
}

@test "upgrade: the pid file cannot be written, superd logs it and continues" {
	mkdir "$BATS_TEST_TMPDIR/run"
	start_superd -P "$BATS_TEST_TMPDIR/run/pid" -p 0 cat
	rm -r "$BATS_TEST_TMPDIR/run"
	signal_and_wait USR2 "$BATS_TEST_TMPDIR/run/pid"
	still_serves
}

@test "upgrade: the state cannot be written, superd logs it and continues" {
	needs root capabilities
	# A private /tmp, where no file can be created. The copy is needed, since superd may be in the other /tmp.
	PRIVATE=$(mktemp -d -p /var/tmp)
	cp "$SUPERD" "$PRIVATE/superd"
	SUPERD_PREFIX=(unshare -m sh -c 'mount -t tmpfs -o nr_inodes=1 none /tmp && shift && exec "$0" "$@"' "$PRIVATE/superd")
	start_superd -p 0 -o directory=/ cat
	assert_upgrade_cancelled 'No space left on device'
	rm -r "$PRIVATE"
	still_serves
}

# fill_configuration: add 100,000 prefixes to $CONF, which nothing of superd's size can read. Sets `limit`, what superd may have.
fill_configuration() {
	{
		printf 'defaults\n{\n\tno_access ='
		printf ' 10.%s' {0..9}.{0..99}.{1..100}
		printf '\n}\n'
	} >>"$CONF"
	limit=$(awk '/^VmSize/ { print ($2 + 4000) * 1024 }' "/proc/$SUPERD_PID/status")
}

@test "reload: memory runs out while the configuration is read, nothing is changed and the services go on (glibc)" {
	! is_sanitized || return 0 # a sanitizer needs all addresses
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	cp "$CONF" "$CONF.good"
	descriptors=$(superd_descriptors)
	fill_configuration
	for _ in 1 2 3; do
		prlimit --pid "$SUPERD_PID" --as="$limit":
		signal_and_wait HUP 'the configuration has errors; nothing was changed'
		prlimit --pid "$SUPERD_PID" --as=unlimited:
		echoes "$PORT"
	done
	log_has 3 'superd: out of memory while the configuration is read'
	has_descriptors "$descriptors"
	mv "$CONF.good" "$CONF"
	reload_superd
	log_has 1 'reloaded: 0 new, 0 changed, 0 removed, 1 unchanged, 0 with errors'
}

@test "upgrade: memory runs out while the new superd reads the configuration, it is cancelled and the services go on (glibc)" {
	! is_sanitized || return 0 # a sanitizer needs all addresses
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	fill_configuration
	prlimit --pid "$SUPERD_PID" --as="$limit":
	assert_upgrade_cancelled 'out of memory while the configuration is read'
	prlimit --pid "$SUPERD_PID" --as=unlimited:
	echoes "$PORT"
}

# start_slow_check: superd runs two services, and USR2 has begun a check that takes until $BATS_TEST_TMPDIR/go exists.
start_slow_check() {
	needs root
	{
		print_service a
		print_service b
	} >"$CONF"
	cp "$SUPERD" "$BATS_TEST_TMPDIR/real"
	use_private_superd
	start_superd -c "$CONF"
	# shellcheck disable=SC2016 # for the script
	replace_superd '#!/bin/sh' 'case " $* " in *" -t "*) until [ -e '"$BATS_TEST_TMPDIR/go"' ]; do sleep 0.05; done ;; esac' \
		"exec $BATS_TEST_TMPDIR/real \"\$@\""
	kill -USR2 "$SUPERD_PID"
	wait_until has_children 1
}

@test "upgrade cancelled: the configuration becomes broken and is read again during the check, the services go on" {
	start_slow_check
	sed -i '0,/server = .*/s//server = nosuch/' "$CONF"
	signal_and_wait HUP 'a has errors; the running configuration is kept'
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line 'upgrade cancelled: .*nosuch'
	echoes "$(port_of a)"
	echoes "$(port_of b)"
}

@test "upgrade: a reload removes a service during the check, its port is free and the upgrade goes on" {
	start_slow_check
	port=$(port_of a)
	print_service b >"$CONF"
	signal_and_wait HUP 'reloaded: .* 1 removed'
	wait_until connection_is_refused "$port"
	touch "$BATS_TEST_TMPDIR/go"
	wait_for_line 'upgraded in place'
	echoes "$(port_of b)"
}

connection_is_refused() {
	! nc -z 127.0.0.1 "$1"
}

@test "upgrade: QUIT during the check, no process has the port" {
	start_slow_check
	stop_superd QUIT
	wait_until connection_is_refused "$PORT"
}

@test "upgrade cancelled: the folder of a new path is missing, the service goes on" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	print_service a "bind = $BATS_TEST_TMPDIR/nosuch/socket" >"$CONF"
	assert_upgrade_cancelled 'nosuch/socket: No such file or directory'
	echoes "$PORT"
}
