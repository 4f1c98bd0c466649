# SPDX-License-Identifier: ISC
# Leaks of memory and descriptors. In a build with sanitizers these do valgrind's work, and superd's exit status has the result.

load ../lib/superd
load ../lib/client
load ../lib/fault

# valgrind does not know clone(2) as superd uses it, so it runs the build that uses POSIX only.
setup_file() {
	is_sanitized || find "$ROOT/superd" -name '*.c' ! -name sys_linux.c -exec gcc -std=c11 -D_POSIX_C_SOURCE=200809L \
		-DVERSION='"leaks"' -g -O1 -o "$BATS_FILE_TMPDIR/superd" {} +
}

setup() {
	CONF=$BATS_TEST_TMPDIR/conf
}

look_for_leaks() {
	is_sanitized && return
	SUPERD=$BATS_FILE_TMPDIR/superd
	SUPERD_PREFIX=(valgrind --quiet --child-silent-after-fork=yes --leak-check=full --error-exitcode=99
		'--errors-for-leak-kinds=definite,indirect' '--show-leak-kinds=definite,indirect' --log-file="$BATS_TEST_TMPDIR/valgrind")
}

# idle_descriptors: print what superd has open when it is idle.
idle_descriptors() {
	signal_and_wait USR1 STATE
	superd_descriptors
}

# memory_kilobytes: print how much memory superd shares with no other process.
memory_kilobytes() {
	awk '/^Private_Dirty/ { print $2 }' "/proc/$SUPERD_PID/smaps_rollup"
}

# assert_clean_end: superd exits with status 0, and valgrind has found nothing.
assert_clean_end() {
	status=0
	stop_superd || status=$?
	if [ "$status" -ne 0 ] || [ -s "$BATS_TEST_TMPDIR/valgrind" ]; then
		echo "exit status $status" >&2
		cat "$LOG" "$BATS_TEST_TMPDIR/valgrind" >&2
		return 1
	fi
}

@test "leaks: connections, refusals, PROXY headers and lingering, no memory and no descriptor is left" {
	{
		print_open_service a per_source=1 per_source_cps=1000 linger=5
		print_open_service b proxy_from=127.0.0.1 instances=1 on_limit=wait
		print_open_service c log_type="FILE $BATS_TEST_TMPDIR/log.c" banner_fail="$CONF" only_from=192.0.2.1
		print_open_service echo type='INTERNAL UNLISTED' server=
		print_open_service sensor flags=SENSOR deny_time=FOREVER
	} >"$CONF"
	look_for_leaks
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -P "$BATS_TEST_TMPDIR/pid" -c "$CONF"
	"$CLIENT" "$(port_of c)" all
	before=$(idle_descriptors)
	"$LOAD" -c 4 -n 20 "$(port_of a)" || true
	"$LOAD" -s -c 4 -n 20 "$(port_of a)"
	"$CLIENT" -c 3 "$(port_of b)" 'send:PROXY UNKNOWN\r\n' shut all
	"$CLIENT" -c 3 "$(port_of b)" 'send:nonsense and more of it\r\n' all
	"$CLIENT" -c 3 "$(port_of b)" 'send:PROXY ' close
	"$CLIENT" -c 3 "$(port_of c)" all
	"$LOAD" -c 3 "$(port_of echo)"
	"$CLIENT" -s 127.0.0.99 "$(port_of sensor)" all
	wait_until has_children 0
	wait_until has_descriptors "$before"
	assert_clean_end
}

@test "leaks: reloads that add, change and remove services, no memory and no descriptor is left" {
	print_open_service a >"$CONF"
	look_for_leaks
	start_superd -m "$BATS_TEST_TMPDIR/metrics" -c "$CONF"
	before=$(idle_descriptors)
	for n in 1 2 3 4 5; do
		{
			print_open_service a umask="02$n" instances="$n" only_from="127.0.0.$n 127.0.0.1"
			print_open_service "b$n" bind="$BATS_TEST_TMPDIR/socket.$n" port=
			print_open_service c log_type="FILE $BATS_TEST_TMPDIR/log.$n" env="N=$n"
		} >"$CONF"
		reload_superd
		ask "$(port_of c)" </dev/null
		start_background "$CLIENT" "$(port_of a)" hold
		clients="${clients:-} $BG_PID"
	done
	wait_until has_children 5
	print_open_service a >"$CONF"
	reload_superd
	# A configuration with errors changes nothing, and leaks nothing.
	echo 'defaults { nonsense' >"$CONF"
	signal_and_wait HUP 'nothing was changed'
	print_open_service a nonsense=1 >"$CONF"
	signal_and_wait HUP 'a has errors'
	wait_until has_descriptors "$before"
	# shellcheck disable=SC2086 # a list of process ids
	kill $clients
	assert_clean_end
}

@test "leaks: 20 reloads of 50 services, superd's memory does not grow" {
	{
		for n in {1..50}; do
			print_open_service "service$n" 'nice = 0' only_from='127.0.0.1 192.0.2.0/24 2001:db8::/32' env='A=1 B=2'
		done
	} >"$CONF"
	start_superd -c "$CONF"
	for _ in 1 2 3; do
		reload_superd
	done
	before=$(memory_kilobytes)
	for n in {1..20}; do
		sed -i "s/nice = .*/nice = $n/" "$CONF"
		reload_superd
	done
	after=$(memory_kilobytes)
	log_has 20 'reloaded: 0 new, 50 changed'
	echo "$((after - before)) KB"
	is_sanitized || ((after - before <= 200))
}

# measure_services SERVICES: start superd with that many, reload it three times. Sets `started` and `reloaded`, its memory in KB;
# and `upgraded`, after an upgrade.
measure_services() {
	local n
	for ((n = 0; n < $1; n++)); do
		printf 'service s%d\n{\n\ttype = UNLISTED\n\tport = 0\n\tbind = 127.0.0.1\n\tsocket_type = stream\n\twait = no\n' "$n"
		printf '\tuser = %s\n\tserver = /bin/cat\n\tserver_args = %d\n}\n' "$ME" "$n"
	done >"$CONF"
	start_superd -P "$BATS_TEST_TMPDIR/pid" -c "$CONF"
	wait_until test -s "$BATS_TEST_TMPDIR/pid"
	started=$(memory_kilobytes)
	for _ in 1 2 3; do
		reload_superd
		reloaded=$(memory_kilobytes)
	done
	upgrade_superd
	upgraded=$(memory_kilobytes)
	stop_superd
}

@test "leaks: 1,000 and 3,000 services, superd needs at most 4 KB for each and keeps nothing of a reload (Linux)" {
	needs root
	! is_sanitized || return 0 # a sanitizer has memory of its own
	measure_services 1000
	first=$started first_upgraded=$upgraded
	measure_services 3000
	echo "1,000: $first KB, 3,000: $started KB, after reloads: $reloaded KB, after an upgrade: $upgraded KB"
	((started - first <= 8000))
	((upgraded - first_upgraded <= 8000))
	((reloaded - started <= 400))
}

@test "leaks: 100,000 prefixes in defaults, superd needs at most 10 MB for them and keeps nothing of a reload (Linux)" {
	! is_sanitized || return 0 # a sanitizer has memory of its own
	measure_services 1
	first=$started
	rest=$(cat "$CONF")
	{
		echo 'defaults'
		echo '{'
		for n in {1..20}; do
			printf '\tno_access += %s\n' "$(printf "$n.%s.0/24 " {0..49}.{0..99})"
		done
		echo '}'
		echo "$rest"
	} >"$CONF"
	start_superd -c "$CONF"
	reload_superd
	started=$(memory_kilobytes)
	reload_superd
	reload_superd
	reloaded=$(memory_kilobytes)
	echo "none: $first KB, 100,000: $started KB, after reloads: $reloaded KB"
	((started - first <= 10240))
	((reloaded - started <= 400))
}

@test "leaks: a shortage and a failed upgrade, no memory and no descriptor is left" {
	# Without valgrind, which does not survive an exec that fails.
	cp /bin/cat "$BATS_TEST_TMPDIR/program"
	use_private_superd
	start_superd -p 0 -b 127.0.0.1 "$BATS_TEST_TMPDIR/program"
	before=$(idle_descriptors)
	mv "$SUPERD" "$SUPERD.elsewhere"
	exec 6>>"$BATS_TEST_TMPDIR/program"
	start_background "$CLIENT" -c 5 "$PORT" 'send:held\n' line close 6>&-
	wait_for_line 'busy' 6>&-
	exec 6>&-
	wait "$BG_PID"
	wait_until has_children 0
	kill -USR2 "$SUPERD_PID"
	wait_for_line 'upgrade cancelled'
	wait_until has_descriptors "$before"
	assert_clean_end
}
