# USR2 with something wrong with the superd on disk, or with what it would read: superd goes on, and says why.

load helper
load reliability

setup() {
	CONF=$BATS_TEST_TMPDIR/conf
}

still_serves() {
	run ask "$PORT" <<<'goes on'
	assert_output 'goes on'
	kill -0 "$SUPERD_PID"
	superd_stop
}

@test "a superd on disk that is no program is not executed" {
	use_private_superd
	superd_start -p 0 cat
	replace_superd 'no program at all'
	upgrade_fails 'Exec format error'
	still_serves
}

@test "a superd on disk that is cut short is not executed" {
	use_private_superd
	superd_start -p 0 cat
	head -c 10000 "$SUPERD" >"$SUPERD.new"
	chmod 755 "$SUPERD.new"
	mv "$SUPERD.new" "$SUPERD"
	upgrade_fails '.'
	still_serves
}

@test "a superd on disk that is missing is not executed" {
	use_private_superd
	superd_start -p 0 cat
	mv "$SUPERD" "$SUPERD.elsewhere"
	upgrade_fails "$SUPERD.*No such file or directory"
	still_serves
}

@test "a superd on disk that goes between its check and its start: superd goes on" {
	use_private_superd
	superd_start -p 0 cat
	before=$(descriptors)
	replace_superd '#!/bin/sh' 'rm "$0"'
	upgrade_fails "$SUPERD: No such file or directory"
	[ "$(descriptors)" = "$before" ]
	still_serves
}

@test "a superd on disk that crashes at the start is not executed, and the signal is said" {
	use_private_superd
	superd_start -p 0 cat
	replace_superd '#!/bin/sh' 'kill -SEGV $$'
	upgrade_fails '[Ss]ignal\|gave no reason'
	still_serves
}

@test "an older superd that does not know an option is not executed, and its words are said" {
	use_private_superd
	superd_start -p 0 cat
	replace_superd '#!/bin/sh' 'echo "superd: unknown option -p" >&2' 'exit 2'
	upgrade_fails 'unknown option -p'
	still_serves
}

@test "a superd on disk that hangs is ended, and superd serves meanwhile" {
	use_private_superd
	superd_start -p 0 cat
	replace_superd '#!/bin/sh' 'exec sleep 1000'
	kill -USR2 "$SUPERD_PID"
	wait_until children_are 1
	run ask "$PORT" <<<meanwhile
	assert_output meanwhile
	wait_for_line 'upgrade cancelled: '
	children_are 0
	still_serves
}

@test "once the superd on disk is whole again, USR2 upgrades" {
	use_private_superd
	superd_start -p 0 cat
	cp "$SUPERD" "$SUPERD.good"
	replace_superd 'no program at all'
	upgrade_fails 'Exec format error'
	mv "$SUPERD.good" "$SUPERD"
	upgrade
	still_serves
}

@test "with an error in the configuration superd goes on, and says where it is" {
	service a >"$CONF"
	superd_start -c "$CONF"
	service a instances=lots | sed 's/instances.*/instances = lots/' >"$CONF"
	upgrade_fails "$CONF:[0-9]*: .*lots"
	still_serves
}

@test "without its configuration superd goes on" {
	service a >"$CONF"
	superd_start -c "$CONF"
	rm "$CONF"
	upgrade_fails "$CONF.*No such file or directory"
	still_serves
}

@test "with a configuration that has no service superd goes on" {
	service a >"$CONF"
	superd_start -c "$CONF"
	service a disable=yes >"$CONF"
	upgrade_fails 'no service'
	still_serves
}

@test "with a configuration that has its port taken by another superd goes on" {
	service a >"$CONF"
	superd_start -c "$CONF"
	background "$ROOT/tests/serve" - hold >"$BATS_TEST_TMPDIR/other"
	wait_for_line '^PORT' "$BATS_TEST_TMPDIR/other"
	taken=$(sed -n 's/^PORT //p' "$BATS_TEST_TMPDIR/other")
	service a port="$taken" >"$CONF"
	signal_and_wait USR2 "in use"
	still_serves
}

@test "when its pid file can no longer be written superd goes on" {
	mkdir "$BATS_TEST_TMPDIR/run"
	superd_start -P "$BATS_TEST_TMPDIR/run/pid" -p 0 cat
	rm -r "$BATS_TEST_TMPDIR/run"
	signal_and_wait USR2 "$BATS_TEST_TMPDIR/run/pid"
	still_serves
}

@test "when its state can be written nowhere superd goes on" {
	# A /tmp of its own, where no file can be made. The superd may be in the other /tmp.
	PRIVATE=$(mktemp -d -p /var/tmp)
	cp "$SUPERD" "$PRIVATE/superd"
	SUPERD_PREFIX=(unshare -m sh -c 'mount -t tmpfs -o nr_inodes=1 none /tmp && shift && exec "$0" "$@"' "$PRIVATE/superd")
	superd_start -p 0 -o directory=/ cat
	signal_and_wait USR2 upgrade
	rm -r "$PRIVATE"
	still_serves
}
