# SPDX-License-Identifier: ISC
# A reload with many services.

load ../lib/superd
load ../lib/client

# print_tenants COUNT ID: print that many lines of inetd.conf, each with an address of its own; %d in ID is a number of its own.
print_tenants() {
	awk -v count="$1" -v id="$2" -v user="$ME" 'BEGIN {
		for (i = 0; i < count; i++)
			printf "127.1.%d.%d:" id " stream tcp nowait " user " /bin/cat cat\n", i / 250, i % 250 + 1, 20000 + i
	}'
}

# measure_start: start superd with $CONF and reload it twice. Sets `used`, the processor time in nanoseconds.
measure_start() {
	start_superd -c "$CONF"
	reload_superd
	reload_superd
	read -r used _ <"/proc/$SUPERD_PID/schedstat"
	stop_superd
}

@test "reload: 1,000 services with one id, superd needs at most four times the processor time that it needs with 1,000 ids (Linux)" {
	print_tenants 1000 '%d' >"$CONF"
	measure_start
	with_ids=$used
	print_tenants 1000 20000 >"$CONF"
	measure_start
	log_has 1000 '^superd: listening 20000 127\.'
	log_has 2 '^superd: reloaded: 0 new, 0 changed, 0 removed, 1000 unchanged, 0 with errors$'
	echo "1,000 ids: $with_ids ns, one id: $used ns"
	((used <= 4 * with_ids))
}

@test "reload: many services are read, superd serves connections meanwhile" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	port=$(port_of a)
	mkfifo "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/last"
	print_service NAME >"$BATS_TEST_TMPDIR/service"
	for i in {1..200}; do sed "s/NAME/s$i/" "$BATS_TEST_TMPDIR/service"; done >"$BATS_TEST_TMPDIR/many"
	printf "include $BATS_TEST_TMPDIR/%s\n" first many last >>"$CONF"
	kill -HUP "$SUPERD_PID"
	exec 8>"$BATS_TEST_TMPDIR/first" # superd reads it, and waits for its end
	exec 9<>"/dev/tcp/127.0.0.1/$port"
	echo hello >&9
	exec 8>&-
	read -rt "$WAIT_SECONDS" -u 9 reply # superd has not opened the last file yet
	[ "$reply" = hello ]
	assert_equal "$(count_log 'reloaded: ')" 0
	echo >"$BATS_TEST_TMPDIR/last"
	wait_for_line 'reloaded: 200 new, 0 changed, 0 removed, 1 unchanged, 0 with errors$'
}
