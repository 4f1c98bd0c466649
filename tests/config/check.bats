# SPDX-License-Identifier: ISC
# What -t prints, and what -o adds to a configuration.

load ../lib/superd
load ../lib/client

@test "superd -t: a service, it prints every attribute with its default" {
	print_service a 'only_from = 10.0.0.0' >"$CONF"
	check_config
	assert_success
	printed=$(squeeze_blanks "$output")
	for line in 'id = a' 'protocol = tcp' 'cps = 50 10' 'instances = UNLIMITED' 'per_source_prefix6 = 64' \
		'stderr = client' 'on_limit = refuse' 'only_from = 10.0.0.0/8' 'drain_time = 30' 'directory = /' 'v6only = no'; do
		grep -qxF "$line" <<<"$printed" || fail "no '$line' in: $printed"
	done
}

@test "superd -t: no errors, stderr is empty and the status is 0" {
	print_service a >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "superd -t: an unprivileged user, it checks services of other users" {
	needs root
	print_service a 'user = daemon' 'group = sys' >"$CONF"
	chmod 755 "$BATS_TEST_TMPDIR"
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$SUPERD" -t -c /dev/stdin <"$CONF"
	assert_success
	assert_equal "$stderr" 'superd: 1 service at 1 address; 0 with errors, 0 left out, 0 disabled'
	assert_output --partial 'user'
}

@test "superd -t: another superd has the port, there is no error" {
	start_superd -p 0 -b 127.0.0.1 cat
	print_service a "port = $PORT" 'bind = 127.0.0.1' >"$CONF"
	check_config
	assert_success
}

@test "superd -t: the output for a command line, it reads back to itself" {
	run "$SUPERD" -t -p 10100 -u nobody -o 'only_from=10.0.0.0/8 ::1' -o time_limit=5 cat -u
	assert_success
	printf '%s\n' "$output" >"$CONF"
	check_config
	assert_success
	[ "$output" = "$(cat "$CONF")" ]
}

@test "superd -t: a command line with blanks and quotes in the directory and the socket's path, the output reads back" {
	mkdir "$BATS_TEST_TMPDIR/it's a # folder"
	cd "$BATS_TEST_TMPDIR/it's a # folder"
	"$SUPERD" -t -b "$PWD/my socket" pwd >"$CONF"
	check_config
	assert_success
	[ "$output" = "$(cat "$CONF")" ]
	start_superd -c "$CONF"
	run ask "$PWD/my socket" </dev/null
	assert_output "$PWD"
}

@test "bind and directory: a comment with a quote follows the value, it is no part of it" {
	print_service a "bind = 127.0.0.1 # isn't public" "directory = /tmp # isn't home" >"$CONF"
	check_config
	assert_success
	grep -qx 'bind = 127.0.0.1' <<<"$(squeeze_blanks "$output")"
	grep -qx 'directory = /tmp' <<<"$(squeeze_blanks "$output")"
}

@test "superd -o with -c: attributes are set, they apply last in defaults and a service's own still count" {
	{
		printf 'defaults\n{\ntime_limit = 1\nonly_from = 10.0.0.1\n}\n'
		print_service a
		print_service b 'time_limit = 3'
	} >"$CONF"
	check_config -o time_limit=2 -o only_from+=10.0.0.2
	assert_success
	run grep -xE '(time_limit|only_from) .*' <<<"$(squeeze_blanks "$output")"
	assert_output 'only_from = 10.0.0.1/32 10.0.0.2/32
time_limit = 2
only_from = 10.0.0.1/32 10.0.0.2/32
time_limit = 3'
}

@test "superd -o with -c: an attribute that defaults does not take, it is an error" {
	print_service a >"$CONF"
	check_config -o server=/bin/cat
	assert_failure
	[[ $stderr == *'server: not an attribute of defaults'* ]]
}

@test "superd -o with -c: no operator, it is an error" {
	print_service a >"$CONF"
	check_config -o instances
	assert_failure 1
	[[ $stderr == *instances* ]]
}
