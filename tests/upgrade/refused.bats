# USR2 with something wrong with the superd on disk, or with what it would read: superd goes on, and says why.

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

@test "a superd on disk that is no program is not executed" {
	use_private_superd
	start_superd -p 0 cat
	replace_superd 'no program at all'
	assert_upgrade_cancelled 'Exec format error'
	still_serves
}

@test "a superd on disk that is cut short is not executed" {
	use_private_superd
	start_superd -p 0 cat
	head -c 10000 "$SUPERD" >"$SUPERD.new"
	chmod 755 "$SUPERD.new"
	mv "$SUPERD.new" "$SUPERD"
	assert_upgrade_cancelled '.'
	still_serves
}

@test "a superd on disk that is missing is not executed" {
	use_private_superd
	start_superd -p 0 cat
	mv "$SUPERD" "$SUPERD.elsewhere"
	assert_upgrade_cancelled "$SUPERD.*No such file or directory"
	still_serves
}

@test "a superd on disk that goes between its check and its start: superd goes on" {
	use_private_superd
	start_superd -p 0 cat
	before=$(superd_descriptors)
	replace_superd '#!/bin/sh' 'rm "$0"'
	assert_upgrade_cancelled "$SUPERD: No such file or directory"
	[ "$(superd_descriptors)" = "$before" ]
	still_serves
}

@test "a superd on disk that crashes at the start is not executed, and the signal is said" {
	use_private_superd
	start_superd -p 0 cat
	replace_superd '#!/bin/sh' 'kill -SEGV $$'
	assert_upgrade_cancelled '[Ss]ignal\|gave no reason'
	still_serves
}

@test "an older superd that does not know an option is not executed, and its words are said" {
	use_private_superd
	start_superd -p 0 cat
	replace_superd '#!/bin/sh' 'echo "superd: unknown option -p" >&2' 'exit 2'
	assert_upgrade_cancelled 'unknown option -p'
	still_serves
}

@test "a superd on disk that hangs is ended, and superd serves meanwhile" {
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

@test "once the superd on disk is whole again, USR2 upgrades" {
	use_private_superd
	start_superd -p 0 cat
	cp "$SUPERD" "$SUPERD.good"
	replace_superd 'no program at all'
	assert_upgrade_cancelled 'Exec format error'
	mv "$SUPERD.good" "$SUPERD"
	upgrade_superd
	still_serves
}

@test "with an error in the configuration superd goes on, and says where it is" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	print_open_service a instances=lots | sed 's/instances.*/instances = lots/' >"$CONF"
	assert_upgrade_cancelled "$CONF:[0-9]*: .*lots"
	still_serves
}

@test "without its configuration superd goes on" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	rm "$CONF"
	assert_upgrade_cancelled "$CONF.*No such file or directory"
	still_serves
}

@test "with a configuration that has no service superd goes on" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	print_open_service a disable=yes >"$CONF"
	assert_upgrade_cancelled 'no service'
	still_serves
}

@test "with a configuration that has its port taken by another superd goes on" {
	print_open_service a >"$CONF"
	start_superd -c "$CONF"
	port=$PORT
	start_server - hold
	print_open_service a port="$PORT" >"$CONF"
	PORT=$port
	signal_and_wait USR2 "in use"
	still_serves
}

@test "when its pid file can no longer be written superd goes on" {
	mkdir "$BATS_TEST_TMPDIR/run"
	start_superd -P "$BATS_TEST_TMPDIR/run/pid" -p 0 cat
	rm -r "$BATS_TEST_TMPDIR/run"
	signal_and_wait USR2 "$BATS_TEST_TMPDIR/run/pid"
	still_serves
}

@test "when its state can be written nowhere superd goes on" {
	# A /tmp of its own, where no file can be made. The superd may be in the other /tmp.
	PRIVATE=$(mktemp -d -p /var/tmp)
	cp "$SUPERD" "$PRIVATE/superd"
	SUPERD_PREFIX=(unshare -m sh -c 'mount -t tmpfs -o nr_inodes=1 none /tmp && shift && exec "$0" "$@"' "$PRIVATE/superd")
	start_superd -p 0 -o directory=/ cat
	assert_upgrade_cancelled 'No space left on device'
	rm -r "$PRIVATE"
	still_serves
}
