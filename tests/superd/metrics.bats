# SPDX-License-Identifier: ISC
# -m: the metrics file for Prometheus.

load ../lib/superd
load ../lib/client

setup() {
	METRICS=$BATS_TEST_TMPDIR/metrics
	CONF=$BATS_TEST_TMPDIR/conf
}

teardown() {
	remove_public_folder
}

@test "metrics: several services and every counter in use, promtool finds no fault" {
	needs promtool
	{
		print_open_service a only_from=127.0.0.1 instances=1
		print_open_service b on_limit=refuse per_source=1
		print_open_service 'c"\d' server=/bin/echo
		print_open_service d bind="$BATS_TEST_TMPDIR/socket" port=
	} >"$CONF"
	start_superd -m "$METRICS" -c "$CONF"
	open_connection a "$(port_of a)"
	"$CLIENT" "$(port_of a)" all
	"$CLIENT" -s 127.0.0.2 "$(port_of a)" all
	open_connection b "$(port_of b)"
	"$CLIENT" "$(port_of b)" all
	reload_superd
	upgrade_superd
	wait_until metric_is "$METRICS" superd_upgrades_total '' 1
	run promtool check metrics <"$METRICS"
	assert_success
	assert_output ''
}

@test "metrics: one service from the command line, promtool finds no fault" {
	needs promtool
	start_superd -m "$METRICS" -p 0 cat
	run promtool check metrics <"$METRICS"
	assert_success
	assert_output ''
}

@test "metrics: superd listens, the file exists with every counter at 0" {
	start_superd -m "$METRICS" -p 0 cat
	wait_until test -s "$METRICS"
	metric_is "$METRICS" superd_connections_total 'service="cat"' 0
	metric_is "$METRICS" superd_running 'service="cat"' 0
	metric_is "$METRICS" superd_spawn_failures_total 'service="cat"' 0
	metric_is "$METRICS" superd_reloads_total '' 0
	metric_is "$METRICS" superd_upgrades_total '' 0
}

@test "metrics: seven connections open and close, superd_running rises and falls" {
	start_superd -m "$METRICS" -p 0 -b 127.0.0.1 cat
	start_background "$CLIENT" -c 7 "$PORT" hold
	wait_until metric_is "$METRICS" superd_running 'service="cat"' 7
	metric_is "$METRICS" superd_connections_total 'service="cat"' 7
	kill "$BG_PID"
	wait_until metric_is "$METRICS" superd_running 'service="cat"' 0
	metric_is "$METRICS" superd_connections_total 'service="cat"' 7
}

@test "metrics: instances is set or UNLIMITED, superd_instances_limit exists or not" {
	{
		print_open_service a instances=17
		print_open_service b instances=UNLIMITED
	} >"$CONF"
	start_superd -m "$METRICS" -c "$CONF"
	wait_until metric_is "$METRICS" superd_instances_limit 'service="a"' 17
	run grep 'superd_instances_limit.*"b"' "$METRICS"
	assert_failure
}

@test "metrics: refusals, superd_refused_total counts them by reason" {
	print_open_service a instances=1 only_from=127.0.0.0/24 no_access=127.0.0.9 >"$CONF"
	start_superd -m "$METRICS" -c "$CONF"
	for _ in 1 2 3; do
		"$CLIENT" -s 127.0.0.9 "$PORT" all
	done
	open_connection first "$PORT"
	for _ in 1 2; do
		"$CLIENT" "$PORT" all
	done
	wait_until metric_is "$METRICS" superd_refused_total 'service="a",reason="service_limit"' 2
	metric_is "$METRICS" superd_refused_total 'service="a",reason="address"' 3
	metric_is "$METRICS" superd_refused_total 'service="a",reason="fork"' 0
	metric_is "$METRICS" superd_connections_total 'service="a"' 6
}

@test "metrics: every reason of FAIL, superd_refused_total has it" {
	start_superd -m "$METRICS" -p 0 cat
	wait_until test -s "$METRICS"
	for reason in address time load service_limit per_source_limit cps per_source_cps sensor proxy fork; do
		metric_is "$METRICS" superd_refused_total "service=\"cat\",reason=\"$reason\"" 0
	done
}

@test "metrics: wrong PROXY headers, reason proxy counts them" {
	start_superd -m "$METRICS" -p 0 -b 127.0.0.1 -o proxy_from=127.0.0.1 cat
	"$CLIENT" -c 3 "$PORT" 'send:GET / HTTP/1.1\r\n\r\n' all
	wait_until metric_is "$METRICS" superd_refused_total 'service="cat",reason="proxy"' 3
	metric_is "$METRICS" superd_connections_total 'service="cat"' 3
}

@test "metrics: a program cannot be started, superd_spawn_failures_total counts that" {
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	start_superd -m "$METRICS" -p 0 "$BATS_TEST_TMPDIR/program"
	rm "$BATS_TEST_TMPDIR/program"
	for _ in 1 2; do
		"$CLIENT" "$PORT" all
	done
	wait_until metric_is "$METRICS" superd_spawn_failures_total 'service="program"' 2
	metric_is "$METRICS" superd_refused_total 'service="program",reason="fork"' 2
}

@test "metrics: reloads and upgrades, superd counts them and keeps its start time" {
	print_open_service a >"$CONF"
	before=$(date +%s)
	start_superd -m "$METRICS" -c "$CONF"
	after=$(date +%s)
	reload_superd
	upgrade_superd
	reload_superd
	wait_until metric_is "$METRICS" superd_reloads_total '' 2
	metric_is "$METRICS" superd_upgrades_total '' 1
	start=$(metric "$METRICS" superd_start_time_seconds)
	((before <= start && start <= after))
}

@test "metrics: a reload changes a service, its counters continue" {
	print_open_service a >"$CONF"
	start_superd -m "$METRICS" -c "$CONF"
	ask "$PORT" </dev/null
	print_open_service a nice=1 instances=5 >"$CONF"
	reload_superd
	ask "$PORT" </dev/null
	wait_until metric_is "$METRICS" superd_connections_total 'service="a"' 2
	metric_is "$METRICS" superd_instances_limit 'service="a"' 5
}

@test "metrics: a reader opens the file while superd writes, it sees a complete file" {
	start_superd -m "$METRICS" -p 0 -b 127.0.0.1 -o log_on_success= cat
	start_background "$LOAD" -c 4 -f "$BATS_TEST_TMPDIR/stop" "$PORT" >"$BATS_TEST_TMPDIR/load"
	run python3 -c '
import sys, time
end, seen = time.monotonic() + 3, set()
while time.monotonic() < end:
    with open(sys.argv[1]) as file:
        text = file.read()
    seen.add(text)
    if not text.startswith("# HELP superd_connections_total") or not "\nsuperd_upgrades_total{" in text or text[-1] != "\n":
        print("half a file:", text)
print(len(seen) >= 2)' "$METRICS"
	assert_output True
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$BG_PID"
	[ "$(ls "$BATS_TEST_TMPDIR"/metrics*)" = "$METRICS" ]
}

# count_renames SECONDS: put a load on $PORT for that long. Sets `renames`, how often superd has replaced the file meanwhile.
count_renames() {
	start_background strace -e trace=rename,renameat,renameat2 -e signal=none -o "$BATS_TEST_TMPDIR/renames" -p "$SUPERD_PID" \
		2>"$BATS_TEST_TMPDIR/strace"
	wait_for_line attached "$BATS_TEST_TMPDIR/strace"
	start_background "$LOAD" -c 4 -f "$BATS_TEST_TMPDIR/stop" "$PORT" >"$BATS_TEST_TMPDIR/load"
	sleep "$1"
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$BG_PID"
	renames=$(grep -c '^rename' "$BATS_TEST_TMPDIR/renames")
}

@test "metrics: a load for three seconds, the file is written about once a second, and not at all when idle" {
	start_superd -m "$METRICS" -p 0 -b 127.0.0.1 -o log_on_success= cat
	count_renames 3
	served=$(sed 's/served=\([0-9]*\).*/\1/' "$BATS_TEST_TMPDIR/load")
	wait_until metric_is "$METRICS" superd_connections_total 'service="cat"' "$served"
	wait_until metric_is "$METRICS" superd_running 'service="cat"' 0
	((renames >= 3 && renames <= 8))
	assert_sleeps 2
	[ "$(grep -c '^rename' "$BATS_TEST_TMPDIR/renames")" -le $((renames + 1)) ]
}

@test "metrics: 2,000 services, the file is written every two seconds at most (Linux)" {
	ulimit -n 4096
	print_service a 'bind = 127.0.0.1' 'cps = 0' >"$CONF"
	for number in {20000..21999}; do echo "127.0.1.1:$number stream tcp nowait $ME /bin/cat cat"; done >>"$CONF"
	start_superd -m "$METRICS" -c "$CONF"
	SECONDS=0
	count_renames 6
	((renames >= 2 && renames <= SECONDS / 2 + 2))
}

@test "metrics: any umask, the file has mode 0644" {
	umask 022
	start_superd -m "$METRICS" -p 0 cat
	wait_until test -s "$METRICS"
	[ "$(stat -c %a "$METRICS")" = 644 ]
}

@test "metrics: the folder does not exist, superd reports it and serves" {
	start_superd -m "$BATS_TEST_TMPDIR/no/such/folder/metrics" -p 0 cat
	wait_for_line 'no/such/folder/metrics.*No such file or directory'
	run ask "$PORT" <<<hello
	assert_output hello
}

@test "metrics: another user has put a symbolic link there, superd does not follow it" {
	needs root
	PUBLIC=$(mktemp -d)
	chmod 777 "$PUBLIC"
	echo precious >"$BATS_TEST_TMPDIR/precious"
	for name in metrics metrics.new; do
		setpriv --reuid=nobody --regid=nogroup --clear-groups ln -s "$BATS_TEST_TMPDIR/precious" "$PUBLIC/$name"
	done
	start_superd -m "$PUBLIC/metrics" -p 0 cat
	run ask "$PORT" <<<hello
	assert_output hello
	stop_superd
	[ "$(cat "$BATS_TEST_TMPDIR/precious")" = precious ]
}

@test "metrics: superd stops, the file is removed" {
	start_superd -m "$METRICS" -p 0 cat
	wait_until test -s "$METRICS"
	stop_superd
	[ ! -e "$METRICS" ]
}

@test "metrics: programs end in each way, superd_exits_total counts them by result, also after an upgrade" {
	start_superd -m "$METRICS" -p 0 -b 127.0.0.1 -o time_limit=1 sh -c 'read -r line; eval "$line"'
	for line in 'exit 0' 'exit 0' 'exit 3' 'kill -9 $$' 'sleep 100'; do
		ask "$PORT" <<<"$line"
	done
	wait_for_line '^superd: EXIT: sh signal=15 pid=[0-9]* duration=[0-9]*(sec) time_limit$'
	upgrade_superd
	wait_until metric_is "$METRICS" superd_exits_total 'service="sh",result="ok"' 2
	metric_is "$METRICS" superd_exits_total 'service="sh",result="error"' 1
	metric_is "$METRICS" superd_exits_total 'service="sh",result="signal"' 1
	metric_is "$METRICS" superd_exits_total 'service="sh",result="time_limit"' 1
	grep -q '^superd_build_info{file="metrics",version="' "$METRICS"
}

@test "USR1: programs run, the log has a CHILD line for each" {
	start_superd -p 0 -b 127.0.0.1 cat
	open_connection one "$PORT"
	open_connection two "$PORT"
	signal_and_wait USR1 'STATE: cat'
	wait_until log_has 2 '^superd: CHILD: cat pid=[0-9]* from=127\.0\.0\.1 duration=[0-9]*(sec)$'
}
