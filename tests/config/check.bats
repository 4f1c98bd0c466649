# What -t says and prints of a configuration, and what -o adds to one.

load ../lib/superd

@test "-t prints each service complete, every default and every word resolved" {
	print_service a 'only_from = 10.0.0.0' >"$CONF"
	check_config
	assert_success
	printed=$(squeeze_blanks "$output")
	for line in 'id = a' 'protocol = tcp' 'cps = 50 10' 'instances = UNLIMITED' 'per_source_prefix6 = 64' \
		'stderr = client' 'on_limit = refuse' 'only_from = 10.0.0.0/8' 'drain_time = 30' 'directory = /' 'v6only = no'; do
		grep -qxF "$line" <<<"$printed" || fail "no '$line' in: $printed"
	done
}

@test "-t says nothing on stderr and exits 0 where all is well" {
	print_service a >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "-t needs no root" {
	print_service a 'user = daemon' 'group = sys' >"$CONF"
	chmod 755 "$BATS_TEST_TMPDIR"
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$SUPERD" -t -c /dev/stdin <"$CONF"
	assert_success
	[ -z "$stderr" ]
	assert_output --partial 'user'
}

@test "-t opens no socket: a port in use is no matter" {
	start_superd -p 0 -b 127.0.0.1 cat
	print_service a "port = $PORT" 'bind = 127.0.0.1' >"$CONF"
	check_config
	assert_success
}

@test "what -t prints for a command line reads back to itself" {
	run "$SUPERD" -t -p 10100 -u nobody -o 'only_from=10.0.0.0/8 ::1' -o time_limit=5 cat -u
	assert_success
	printf '%s\n' "$output" >"$CONF"
	check_config
	assert_success
	[ "$output" = "$(cat "$CONF")" ]
}

@test "-o with -c is a last word in defaults: a service's own still holds" {
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

@test "-o with -c takes only what defaults takes" {
	print_service a >"$CONF"
	check_config -o server=/bin/cat
	assert_failure
	[[ $stderr == *'server: not an attribute of defaults'* ]]
}

@test "-o with -c that is no assignment is an error" {
	print_service a >"$CONF"
	check_config -o instances
	assert_failure 1
	[[ $stderr == *instances* ]]
}
