# SPDX-License-Identifier: ISC
# Errors at start: superd prints one line with what is wrong and the reason, exits with status 1 (2 for wrong usage), and does not
# listen.

load ../lib/superd
load ../lib/client

setup() {
	SOCKET=$BATS_TEST_TMPDIR/socket
}

teardown() {
	remove_public_folder
}

# assert_start_fails STATUS REASON ARGUMENT...: superd exits with that status, and prints one line that matches REASON, an extended
# regular expression.
assert_start_fails() {
	local expected=$1 reason=$2
	shift 2
	run --separate-stderr timeout "$WAIT_SECONDS" "${SUPERD_PREFIX[@]}" "$SUPERD" "$@" </dev/null
	# shellcheck disable=SC2154 # run sets them
	echo "status $status, stderr: $stderr"
	[ "$status" -eq "$expected" ]
	[ -z "$output" ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	[[ $stderr == 'superd: '* ]]
	grep -qE -e "$reason" <<<"$stderr"
	[ ! -e "$SOCKET" ]
}

# run_as_nobody: the superd that is started next runs as nobody, from a copy that this user can read.
run_as_nobody() {
	PUBLIC=$(mktemp -d)
	cp "$SUPERD" "$PUBLIC/superd"
	chmod -R a+rX "$PUBLIC"
	SUPERD=$PUBLIC/superd
	SUPERD_PREFIX=(setpriv --reuid nobody --regid nogroup --clear-groups)
}

@test "start error: the port is in use, superd names it and exits with status 1" {
	start_superd -p 0 cat
	assert_start_fails 1 "(127\.0\.0\.1|::1).*$PORT.*Address (already )?in use" -p "$PORT" cat
}

@test "start error: the port is in use for one of two addresses, superd does not listen on the other" {
	needs ipv6
	start_superd -p 0 -b ::1 cat
	assert_start_fails 1 "\[?::1\]?.*$PORT.*Address (already )?in use" -p "$PORT" -b 127.0.0.1 -b ::1 cat
	run ask "$PORT" 127.0.0.1 <<<hello
	assert_failure
}

@test "start error: no -b and the port is in use for one of the loopback addresses, superd does not listen on the other" {
	needs ipv6
	local host
	for host in 127.0.0.1 ::1; do
		start_superd -p 0 -b "$host" cat
		assert_start_fails 1 "$host.*$PORT.*Address (already )?in use" -p "$PORT" cat
		stop_superd
	done
}

@test "start error: the program's path does not exist, superd exits with status 1" {
	assert_start_fails 1 '/nosuch/program.*No such file or directory' -b "$SOCKET" /nosuch/program
}

@test "start error: the program is not in PATH, superd exits with status 1" {
	assert_start_fails 1 'nosuchprogram.*PATH' -b "$SOCKET" nosuchprogram
}

@test "start error: the program is not executable, superd exits with status 1" {
	echo hello >"$BATS_TEST_TMPDIR/program"
	assert_start_fails 1 "program.*(Permission denied|not executable)" -b "$SOCKET" "$BATS_TEST_TMPDIR/program"
}

@test "start error: the program is a directory that is empty, superd exits with status 1" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	assert_start_fails 1 'empty/empty.*No such file or directory' -b "$SOCKET" "$BATS_TEST_TMPDIR/empty"
}

@test "start error: the program is a directory that holds a directory, superd exits with status 1" {
	mkdir -p "$BATS_TEST_TMPDIR/deep/deep"
	assert_start_fails 1 'deep/deep.*(directory|not a regular file|not executable|Permission denied)' -b "$SOCKET" "$BATS_TEST_TMPDIR/deep"
}

@test "start error: the program's name is empty, superd exits with status 1" {
	assert_start_fails 1 '^superd: .*no such program' -b "$SOCKET" ''
}

@test "start error: -u names an unknown user, superd exits with status 1" {
	assert_start_fails 1 'nosuchuser.*user|user.*nosuchuser' -b "$SOCKET" -u nosuchuser cat
}

@test "start error: -u names an unknown group, superd exits with status 1" {
	assert_start_fails 1 'nosuchgroup.*group|group.*nosuchgroup' -b "$SOCKET" -u nobody:nosuchgroup cat
}

@test "start error: -o with an unknown attribute, superd exits with status 1" {
	assert_start_fails 1 'only_form' -b "$SOCKET" -o only_form=127.0.0.1 cat
}

@test "start error: -o without an operator, superd exits with status 1" {
	assert_start_fails 1 'instances' -b "$SOCKET" -o instances cat
}

@test "start error: -o with an operator that the attribute does not take, superd exits with status 1" {
	assert_start_fails 1 'instances.*takes only' -b "$SOCKET" -o instances+=5 cat
}

# assert_bad_value ATTRIBUTE VALUE: the message names both.
assert_bad_value() {
	assert_start_fails 1 "$1.*$2" -b "$SOCKET" -o "$1=$2" cat
}

@test "start error: -o with a value that is not a number, superd exits with status 1" {
	assert_bad_value instances many
	assert_bad_value per_source 3x
	assert_bad_value time_limit 1.5
	assert_bad_value backlog -1
	assert_bad_value nice high
}

@test "start error: -o with a number out of range, superd exits with status 1" {
	assert_bad_value instances 99999999999999999999
	assert_bad_value nice 99
	assert_bad_value drain_time -5
	assert_bad_value umask 1777
}

@test "start error: -o with a number that is not octal, superd exits with status 1" {
	assert_bad_value umask 089
}

@test "start error: -o with an unknown word, superd exits with status 1" {
	assert_bad_value on_limit maybe
	assert_bad_value stderr nowhere
	assert_bad_value no_new_privs perhaps
}

@test "start error: -o with an unknown unit, superd exits with status 1" {
	assert_bad_value rlimit_as 5G
	assert_bad_value rlimit_files lots
}

@test "start error: -o with an invalid address, superd exits with status 1" {
	assert_bad_value only_from 10.0.0.0/33
	assert_bad_value only_from 300.1.1.1
	assert_bad_value no_access '10.0.0.{1,'
	assert_bad_value only_from 2001:db8::/129
}

@test "start error: -o without a value, superd exits with status 1" {
	assert_start_fails 1 'instances' -b "$SOCKET" -o instances= cat
	assert_start_fails 1 'directory' -b "$SOCKET" -o directory= cat
}

@test "start error: -o with too many values, superd exits with status 1" {
	assert_start_fails 1 'instances' -b "$SOCKET" -o 'instances=5 6' cat
}

@test "start error: -o env without a name or a value, superd exits with status 1" {
	assert_start_fails 1 'env.*NAME' -b "$SOCKET" -o env=NAME cat
	assert_start_fails 1 'env.*=value' -b "$SOCKET" -o env==value cat
}

@test "start error: -o directory does not exist, superd exits with status 1" {
	assert_start_fails 1 '/nosuch/directory.*(No such file or directory|not a directory)' -b "$SOCKET" -o directory=/nosuch/directory cat
}

@test "start error: -o banner cannot be read, superd exits with status 1" {
	assert_start_fails 1 '/nosuch/banner.*No such file or directory' -b "$SOCKET" -o banner=/nosuch/banner cat
}

@test "start error: -b does not resolve, superd exits with status 1" {
	assert_start_fails 1 'nosuch\.invalid' -p 0 -b nosuch.invalid cat
}

@test "start error: -b is an invalid address, superd exits with status 1" {
	assert_start_fails 1 '300\.1\.1\.1' -p 0 -b 300.1.1.1 cat
}

@test "start error: -b is an address of another machine, superd exits with status 1" {
	assert_start_fails 1 '192\.0\.2\.1.*(Cannot assign requested address|not available)' -p 0 -b 192.0.2.1 cat
}

@test "start error: -n and -b with a host name, superd exits with status 1" {
	assert_start_fails 1 'localhost' -n -p 0 -b localhost cat
}

@test "start error: the directory of a UNIX-domain socket does not exist, superd exits with status 1" {
	assert_start_fails 1 '/nosuch/socket.*No such file or directory' -b /nosuch/socket cat
}

@test "start error: the path of a UNIX-domain socket is too long, superd exits with status 1" {
	long=/tmp/$(printf 'x%.0s' $(seq 200))
	assert_start_fails 1 "xxx.*(long|shorter)" -b "$long" cat
}

@test "start error: another server answers at the UNIX-domain socket, superd leaves it and exits with status 1" {
	start_superd -b "$BATS_TEST_TMPDIR/taken" cat
	assert_start_fails 1 'taken.*(in use|answers)' -b "$BATS_TEST_TMPDIR/taken" cat
	run ask "$BATS_TEST_TMPDIR/taken" <<<hello
	assert_output hello
}

@test "start error: the path of a UNIX-domain socket is another file, superd leaves it and exits with status 1" {
	echo precious >"$BATS_TEST_TMPDIR/file"
	assert_start_fails 1 "file.*(not a socket|in use|exists)" -b "$BATS_TEST_TMPDIR/file" cat
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = precious ]
}

@test "start error: a privileged port without the right to it, superd exits with status 1 and names its manual" {
	needs root capabilities
	run_as_nobody
	# In a new network namespace the first unprivileged port is the kernel's default, 1024.
	SUPERD_PREFIX=(unshare -n sh -c 'ip link set lo up && exec "$@"' sh "${SUPERD_PREFIX[@]}")
	assert_start_fails 1 '127\.0\.0\.1:1013.*Permission denied; see RUNNING WITHOUT ROOT in superd.8' -p 1013 -b 127.0.0.1 cat
}

@test "start error: -u names another user and superd is not root, superd exits with status 1" {
	needs root
	run_as_nobody
	assert_start_fails 1 'daemon.*root|root.*daemon' -p 0 -u daemon cat
}

@test "start error: -p is not a number up to 65535, superd names it and exits" {
	for port in 65536 -1 99999999999999999999 '' ' 80' 80x; do
		run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -p "$port" cat
		echo "port $port: status $status, $stderr"
		[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
		[[ $stderr == *port*"$port"* ]]
	done
}

@test "start error: -p is a name that is not in /etc/services, superd exits with status 1" {
	assert_start_fails 1 'nosuchservice.*|port' -p nosuchservice cat
	[[ $stderr == *nosuchservice* ]]
}

@test "start error: -P cannot be written, superd exits with status 1" {
	assert_start_fails 1 '/nosuch/pid.*No such file or directory' -b "$SOCKET" -P /nosuch/pid cat
}

@test "start error: the start fails with -P, there is no pid file" {
	start_superd -p 0 cat
	assert_start_fails 1 'in use' -p "$PORT" -P "$BATS_TEST_TMPDIR/pid" cat
	[ ! -e "$BATS_TEST_TMPDIR/pid" ]
}

@test "start error: the start fails with -P of a running superd, that superd's file stays" {
	start_superd -p 0 -P "$BATS_TEST_TMPDIR/pid" cat
	assert_start_fails 1 'in use' -p "$PORT" -P "$BATS_TEST_TMPDIR/pid" cat
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$SUPERD_PID" ]
}

@test "start error: -l with an unknown facility, superd names it and exits" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -b "$SOCKET" -l nosuchfacility cat
	[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	[[ $stderr == *nosuchfacility* ]]
}

@test "start error: control bytes in the message, superd shows them in hexadecimal in one line" {
	assert_start_fails 1 'no\\x0asuch\\x1b' -b "$SOCKET" $'/no\nsuch\e'
}

@test "usage error: no arguments, superd prints the usage and exits with status 2" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD"
	[ "$status" -eq 2 ]
	[[ $stderr == *usage* ]]
}

@test "usage error: -p without PROGRAM, superd exits with status 2" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -p 0
	[ "$status" -eq 2 ]
	[[ $stderr == *PROGRAM* ]]
}

@test "usage error: PROGRAM without -p, -b or an inherited socket, superd exits with status 2" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" cat
	[ "$status" -eq 2 ]
	[[ $stderr == *-p* ]]
}

@test "usage error: -b with an address without -p, superd exits with status 2" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -b 127.0.0.1 cat
	[ "$status" -eq 2 ]
	[[ $stderr == *-p* ]]
}

@test "usage error: an unknown option, superd names it and exits with status 2" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -Z -p 0 cat
	[ "$status" -eq 2 ]
	[[ $stderr == *Z* ]]
}

@test "usage error: an option without its value, superd names it and exits with status 2" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -p
	[ "$status" -eq 2 ]
	[[ $stderr == 'superd: -p needs a value'* ]]
}

@test "usage error: -c and PROGRAM, superd exits with status 2" {
	echo >"$BATS_TEST_TMPDIR/conf"
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -c "$BATS_TEST_TMPDIR/conf" -p 0 cat
	[ "$status" -eq 2 ]
}

@test "usage error: -c with -p, -b or -u, superd exits with status 2" {
	echo >"$BATS_TEST_TMPDIR/conf"
	for option in -p -b -u; do
		assert_start_fails 2 '-p, -b and -u do not go with -c' -c "$BATS_TEST_TMPDIR/conf" "$option" 1
	done
}

@test "output error: -V, -A and -t to a full disk, superd exits with status 1" {
	for option in -V -A; do
		run bash -c '"$1" "$2" 2>&1 >/dev/full' bash "$SUPERD" "$option"
		assert_failure 1
		assert_output 'superd: stdout: No space left on device'
	done
	run bash -c '"$1" -t -b "$2" cat 2>/dev/null >/dev/full' bash "$SUPERD" "$SOCKET"
	assert_failure 1
}

# start_limited: start superd with $CONF and without the right to raise its limits, and then limit its descriptors to 50.
start_limited() {
	((EUID != 0)) || SUPERD_PREFIX=(setpriv '--bounding-set=-sys_resource')
	start_superd -c "$CONF"
	prlimit --pid "$SUPERD_PID" --nofile=50:50
}

@test "rlimit_files: more than superd may still set, a program's failure has the step and the reason, and does not blame the program" {
	print_open_service a rlimit_files=100 >"$CONF"
	start_limited
	run ask "$(port_of a)" <<<hello
	assert_output ''
	wait_for_line '^superd: a: setrlimit: Operation not permitted$'
	wait_for_line 'FAIL: a fork from=127.0.0.1'
}

@test "rlimit_files: more than superd may still set, an internal service's failure has the step and the reason" {
	print_open_service echo type='INTERNAL UNLISTED' server= rlimit_files=100 >"$CONF"
	start_limited
	run ask "$(port_of echo)" <<<hello
	assert_output ''
	wait_for_line '^superd: echo: setrlimit: Operation not permitted$'
	wait_for_line 'FAIL: echo fork from=127.0.0.1'
	refute log_has 'START: echo'
}
