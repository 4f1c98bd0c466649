# What is wrong at start is said in one line that names it and says why, with status 1 (2 for wrong usage),
# and nothing listens.

load ../lib/superd
load ../lib/client

setup() {
	SOCKET=$BATS_TEST_TMPDIR/socket
}

teardown() {
	remove_public_folder
}

# fails STATUS REASON ARGUMENT...: superd exits with that status and says one line in which REASON, an
# extended regular expression, is found.
fails() {
	local expected=$1 reason=$2
	shift 2
	run --separate-stderr timeout "$WAIT_SECONDS" "${SUPERD_PREFIX[@]}" "$SUPERD" "$@" </dev/null
	# shellcheck disable=SC2154 # bats sets stderr
	echo "status $status, stderr: $stderr"
	[ "$status" -eq "$expected" ]
	[ -z "$output" ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	[[ $stderr == 'superd: '* ]]
	grep -qE -e "$reason" <<<"$stderr"
	[ ! -e "$SOCKET" ]
}

# superd where nobody can run it: bats's folder, and a checkout, may be closed to him.
as_nobody() {
	PUBLIC=$(mktemp -d)
	cp "$SUPERD" "$PUBLIC/superd"
	chmod -R a+rX "$PUBLIC"
	SUPERD=$PUBLIC/superd
	SUPERD_PREFIX=(setpriv --reuid nobody --regid nogroup --clear-groups)
}

@test "a port in use" {
	start_superd -p 0 cat
	fails 1 "(127\.0\.0\.1|::1).*$PORT.*Address (already )?in use" -p "$PORT" cat
}

@test "a port in use for one of two addresses: nothing listens on the other" {
	start_superd -p 0 -b ::1 cat
	fails 1 "\[?::1\]?.*$PORT.*Address (already )?in use" -p "$PORT" -b 127.0.0.1 -b ::1 cat
	run ask "$PORT" 127.0.0.1 <<<hello
	assert_failure
}

@test "no such program, by path" {
	fails 1 '/nosuch/program.*No such file or directory' -b "$SOCKET" /nosuch/program
}

@test "no such program, in PATH" {
	fails 1 'nosuchprogram.*PATH' -b "$SOCKET" nosuchprogram
}

@test "a program that is not executable" {
	echo hello >"$BATS_TEST_TMPDIR/program"
	fails 1 "program.*(Permission denied|not executable)" -b "$SOCKET" "$BATS_TEST_TMPDIR/program"
}

@test "a directory without its program" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	fails 1 'empty/empty.*No such file or directory' -b "$SOCKET" "$BATS_TEST_TMPDIR/empty"
}

@test "a directory whose program is a directory" {
	mkdir -p "$BATS_TEST_TMPDIR/deep/deep"
	fails 1 'deep/deep.*(directory|not a regular file|not executable|Permission denied)' -b "$SOCKET" "$BATS_TEST_TMPDIR/deep"
}

@test "an empty program name" {
	run timeout "$WAIT_SECONDS" "$SUPERD" -b "$SOCKET" ''
	[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "an unknown user" {
	fails 1 'nosuchuser.*user|user.*nosuchuser' -b "$SOCKET" -u nosuchuser cat
}

@test "an unknown group" {
	fails 1 'nosuchgroup.*group|group.*nosuchgroup' -b "$SOCKET" -u nobody:nosuchgroup cat
}

@test "an unknown attribute" {
	fails 1 'only_form' -b "$SOCKET" -o only_form=127.0.0.1 cat
}

@test "an attribute without an operator" {
	fails 1 'instances' -b "$SOCKET" -o instances cat
}

@test "an operator that the attribute does not take" {
	fails 1 'instances.*takes only' -b "$SOCKET" -o instances+=5 cat
}

# Bad values, each named in the message with its attribute.
bad_value() {
	fails 1 "$1.*$2" -b "$SOCKET" -o "$1=$2" cat
}

@test "a number that is none" {
	bad_value instances many
	bad_value per_source 3x
	bad_value time_limit 1.5
	bad_value backlog -1
	bad_value nice high
}

@test "a number out of its range" {
	bad_value instances 99999999999999999999
	bad_value nice 99
	bad_value drain_time -5
	bad_value umask 1777
}

@test "an octal number that is none" {
	bad_value umask 089
}

@test "a word that the attribute does not know" {
	bad_value on_limit maybe
	bad_value stderr nowhere
	bad_value no_new_privs perhaps
}

@test "a limit with a unit that is none" {
	bad_value rlimit_as 5G
	bad_value rlimit_files lots
}

@test "an address in only_from that cannot be read" {
	bad_value only_from 10.0.0.0/33
	bad_value only_from 300.1.1.1
	bad_value no_access '10.0.0.{1,'
	bad_value only_from 2001:db8::/129
}

@test "a value that is missing" {
	fails 1 'instances' -b "$SOCKET" -o instances= cat
	fails 1 'directory' -b "$SOCKET" -o directory= cat
}

@test "a value too many" {
	fails 1 'instances' -b "$SOCKET" -o 'instances=5 6' cat
}

@test "a variable without a name or a value" {
	fails 1 'env.*NAME' -b "$SOCKET" -o env=NAME cat
	fails 1 'env.*=value' -b "$SOCKET" -o env==value cat
}

@test "a directory that is not there" {
	fails 1 '/nosuch/directory.*(No such file or directory|not a directory)' -b "$SOCKET" -o directory=/nosuch/directory cat
}

@test "a banner that cannot be read" {
	fails 1 '/nosuch/banner.*No such file or directory' -b "$SOCKET" -o banner=/nosuch/banner cat
}

@test "an address that does not resolve" {
	fails 1 'nosuch\.invalid' -p 0 -b nosuch.invalid cat
}

@test "an address that cannot be read" {
	fails 1 '300\.1\.1\.1' -p 0 -b 300.1.1.1 cat
}

@test "an address of another machine" {
	fails 1 '192\.0\.2\.1.*(Cannot assign requested address|not available)' -p 0 -b 192.0.2.1 cat
}

@test "a host name with -n" {
	fails 1 'localhost' -n -p 0 -b localhost cat
}

@test "a UNIX-domain socket in a directory that is not there" {
	fails 1 '/nosuch/socket.*No such file or directory' -b /nosuch/socket cat
}

@test "a UNIX-domain socket's path that is too long" {
	long=/tmp/$(printf 'x%.0s' $(seq 200))
	fails 1 "xxx.*(long|shorter)" -b "$long" cat
}

@test "a UNIX-domain socket on which somebody answers is not taken away" {
	start_superd -b "$BATS_TEST_TMPDIR/taken" cat
	fails 1 'taken.*(in use|answers)' -b "$BATS_TEST_TMPDIR/taken" cat
	run ask "$BATS_TEST_TMPDIR/taken" <<<hello
	assert_output hello
}

@test "a file that is no socket is not taken away" {
	echo precious >"$BATS_TEST_TMPDIR/file"
	fails 1 "file.*(not a socket|in use|exists)" -b "$BATS_TEST_TMPDIR/file" cat
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = precious ]
}

@test "a privileged port without the right to it" {
	as_nobody
	# A network of its own has the kernel's default, 1024, for the first port that is free to all.
	SUPERD_PREFIX=(unshare -n sh -c 'ip link set lo up && exec "$@"' sh "${SUPERD_PREFIX[@]}")
	fails 1 '127\.0\.0\.1:1013.*Permission denied' -p 1013 -b 127.0.0.1 cat
}

@test "another user, where superd is not root" {
	as_nobody
	fails 1 'daemon.*root|root.*daemon' -p 0 -u daemon cat
}

@test "a port out of range, or none" {
	for port in 65536 -1 99999999999999999999 '' ' 80' 80x; do
		run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -p "$port" cat
		echo "port $port: status $status, $stderr"
		[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
		[[ $stderr == *port*"$port"* ]]
	done
}

@test "a port's name that is not in /etc/services" {
	fails 1 'nosuchservice.*|port' -p nosuchservice cat
	[[ $stderr == *nosuchservice* ]]
}

@test "a pid file that cannot be written" {
	fails 1 '/nosuch/pid.*No such file or directory' -b "$SOCKET" -P /nosuch/pid cat
}

@test "a pid file is not left behind by a start that failed" {
	start_superd -p 0 cat
	fails 1 'in use' -p "$PORT" -P "$BATS_TEST_TMPDIR/pid" cat
	[ ! -e "$BATS_TEST_TMPDIR/pid" ]
}

@test "a pid file of a start that failed leaves a running superd's own in place" {
	start_superd -p 0 -P "$BATS_TEST_TMPDIR/pid" cat
	fails 1 'in use' -p "$PORT" -P "$BATS_TEST_TMPDIR/pid" cat
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$SUPERD_PID" ]
}

@test "a syslog facility that is none" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -b "$SOCKET" -l nosuchfacility cat
	[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	[[ $stderr == *nosuchfacility* ]]
}

@test "control bytes in what is wrong are shown as \\xHH, in one line" {
	fails 1 'no\\x0asuch\\x1b' -b "$SOCKET" $'/no\nsuch\e'
}

# Usage.

@test "no arguments at all is wrong usage" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD"
	[ "$status" -eq 2 ]
	[[ $stderr == *usage* ]]
}

@test "a port without a program is wrong usage" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -p 0
	[ "$status" -eq 2 ]
	[[ $stderr == *PROGRAM* ]]
}

@test "a program without a port, an address or a socket handed over is wrong usage" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" cat
	[ "$status" -eq 2 ]
	[[ $stderr == *-p* ]]
}

@test "an address without a port is wrong usage" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -b 127.0.0.1 cat
	[ "$status" -eq 2 ]
	[[ $stderr == *-p* ]]
}

@test "an unknown option is wrong usage" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -Z -p 0 cat
	[ "$status" -eq 2 ]
	[[ $stderr == *Z* ]]
}

@test "an option without its value is wrong usage" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -p
	[ "$status" -eq 2 ]
	[[ $stderr == *p* ]]
}

@test "a file and a program together are wrong usage" {
	echo >"$BATS_TEST_TMPDIR/conf"
	run --separate-stderr timeout "$WAIT_SECONDS" "$SUPERD" -c "$BATS_TEST_TMPDIR/conf" -p 0 cat
	[ "$status" -eq 2 ]
}

@test "-c with -p, -b or -u is wrong usage" {
	echo >"$BATS_TEST_TMPDIR/conf"
	for option in -p -b -u; do
		fails 2 '-p, -b and -u do not go with -c' -c "$BATS_TEST_TMPDIR/conf" "$option" 1
	done
}

@test "what -V, -A and -t print and a full disk does not take is an error" {
	for option in -V -A; do
		run bash -c '"$1" "$2" 2>&1 >/dev/full' bash "$SUPERD" "$option"
		assert_failure 1
		assert_output 'superd: stdout: No space left on device'
	done
	run bash -c '"$1" -t -b "$2" cat 2>/dev/null >/dev/full' bash "$SUPERD" "$SOCKET"
	assert_failure 1
}
