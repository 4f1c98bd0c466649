# SPDX-License-Identifier: ISC
# The units of systemd, without a systemd.

load ../lib/superd
load ../lib/client

@test "systemd units: systemd-analyze verify, it has no complaint" {
	needs systemd-analyze
	for unit in superd superd-xinetd; do
		sed "s|/usr/local/sbin/superd|$SUPERD|" "$ROOT/systemd/$unit.service" >"$BATS_TEST_TMPDIR/$unit.service"
		run systemd-analyze verify --man=no "$BATS_TEST_TMPDIR/$unit.service"
		refute_output --partial "$unit.service"
	done
}

@test "systemd units: superd.service and superd-xinetd.service, they differ only in what they serve" {
	settings() {
		sed -n "/^\[Service\]/,/^\[Install\]/{/^[A-Z]/{s|-c $2|CONFIG|;s|$1.pid|PID|g;p;};}" "$ROOT/systemd/$1.service" |
			sed -e "s|test ! -e /etc/inetd.conf .. set -- -c /etc/inetd.conf; ||; s| \"\$\$@\"||" -e "s|^ExecStart=/bin/sh -c 'exec \(.*\)'|ExecStart=\1|"
	}
	run settings superd /etc/superd.d
	assert_line --partial ExecStart=
	run diff <(settings superd /etc/superd.d) <(settings superd-xinetd /etc/xinetd.conf)
	assert_output ''
	assert_success
}

@test "systemd units: ExecReload, it ends when the new configuration is in force" {
	needs python3
	local reload port
	port=$(free_port)
	print_open_service a >"$CONF"
	start_superd -P "$BATS_TEST_TMPDIR/pid" -c "$CONF"
	reload=$(sed -n 's/^ExecReload=//p' "$ROOT/systemd/superd.service" | sed 's/\$\$/$/g; s/%%/%/g')
	for _ in {1..20}; do
		print_open_service b "port = $port" >"$CONF"
		MAINPID=$SUPERD_PID timeout "$WAIT_SECONDS" bash -c "${reload//\/run\/superd.pid/$BATS_TEST_TMPDIR/pid}"
		echoes "$port"
		print_open_service a >"$CONF"
		MAINPID=$SUPERD_PID timeout "$WAIT_SECONDS" bash -c "${reload//\/run\/superd.pid/$BATS_TEST_TMPDIR/pid}"
		! ask "$port" <<<hello || false
	done
}
