# SPDX-License-Identifier: ISC
# Configuration in several files: include, includedir, and more than one -c.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/superd
load ../lib/client

@test "includedir: files with and without a dot, superd reads the ones without in byte order" {
	mkdir "$BATS_TEST_TMPDIR/d" "$BATS_TEST_TMPDIR/d/folder"
	for name in b a B c.conf d~ .e; do
		print_service "$name" >"$BATS_TEST_TMPDIR/d/$name"
	done
	print_service first >"$BATS_TEST_TMPDIR/first.conf"
	printf 'include %s\nincludedir %s\n' "$BATS_TEST_TMPDIR/first.conf" "$BATS_TEST_TMPDIR/d" >"$CONF"
	check_config
	assert_success
	run grep ^service <<<"$output"
	assert_output 'service first
service B
service a
service b'
}

@test "superd -c: a directory, superd reads it as includedir does" {
	mkdir "$BATS_TEST_TMPDIR/d"
	for name in b a c.x d~; do
		print_service "$name" >"$BATS_TEST_TMPDIR/d/$name"
	done
	run "$SUPERD" -t -c "$BATS_TEST_TMPDIR/d"
	assert_success
	run grep ^service <<<"$output"
	assert_output 'service a
service b'
}

@test "superd -c: two files, defaults of one apply to services of the other" {
	print_service a >"$CONF"
	printf 'defaults\n{\ntime_limit = 7\n}\n' >"$CONF.defaults"
	check_config -c "$CONF.defaults"
	assert_success
	grep -qx 'time_limit = 7' <<<"$(squeeze_blanks "$output")"
}

@test "superd -c: a pipe, superd reads it" {
	run "$SUPERD" -t -c /dev/stdin < <(print_service a)
	assert_success
	assert_output --partial 'service a'
}

@test "include: an error in the included file, the message has that file's name and line" {
	print_service a 'nice = x' >"$CONF.inner"
	printf '#\n\ninclude %s\n' "$CONF.inner" >"$CONF"
	assert_config_errors "conf.inner:9: nice: 'x' is not a number"
}

@test "include: a missing file or directory, the error is at the include and the other services run" {
	{
		printf 'defaults\n{\n}\n'
		echo 'include /nosuch/file'
		echo 'includedir /nosuch/directory'
		print_service a
	} >"$CONF"
	assert_config_errors 'conf:4: /nosuch/file: No such file or directory' \
		'conf:5: /nosuch/directory: No such file or directory'
	start_superd -c "$CONF"
	echoes "$(port_of a)"
}

@test "include: a missing file, which may hold defaults, nothing runs" {
	{
		echo 'include /nosuch/defaults'
		print_service a
	} >"$CONF"
	assert_config_errors 'conf:1: /nosuch/defaults: No such file or directory' 'defaults may be in what cannot be read' \
		'nothing runs, because of the error in defaults'
	[ -z "$output" ]
}

@test "includedir: a link leads nowhere, it is an error" {
	mkdir "$BATS_TEST_TMPDIR/folder"
	ln -s /nosuch/file "$BATS_TEST_TMPDIR/folder/link"
	print_service a >"$BATS_TEST_TMPDIR/folder/a"
	CONF=$BATS_TEST_TMPDIR/folder
	check_config
	assert_failure 1
	[[ $stderr == *conf/link:\ No\ such\ file\ or\ directory* ]]
}

@test "include: a file includes itself directly or through another, the error is at the include" {
	printf 'include %s\n' "$CONF" >"$CONF"
	print_service a >>"$CONF"
	check_config
	assert_failure 1
	[ "$stderr" = "conf:1: 'conf' includes itself" ]
	assert_output --partial 'service a'
	printf 'include %s\n' "$CONF.other" >"$CONF"
	printf '\ninclude %s\n' "$CONF" >"$CONF.other"
	check_config
	assert_failure 1
	[ "$stderr" = "conf.other:2: 'conf' includes itself" ]
}

@test "superd -c: a missing file, superd prints the error and exits with status 1" {
	run --separate-stderr "$SUPERD" -t -c /nosuch/file
	assert_failure 1
	assert_equal "${stderr_lines[0]}" '/nosuch/file: No such file or directory'
}

@test "include: 14 levels of four includes each, superd stops soon with an error" {
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
		for _ in 1 2 3 4; do
			echo "include $CONF.$((i + 1))"
		done >"$CONF.$i"
	done
	: >"$CONF.15"
	# Bounded, since a failure might print without end.
	run --separate-stderr bash -c 'set -o pipefail; timeout -k 1 "$0" "$1" -t -c "$2" 2>&1 >/dev/null | head -n 10000' \
		"$WAIT_SECONDS" "$SUPERD" "$CONF.1"
	assert_failure 1
	assert_equal "${#lines[@]}" 2
	assert_line --index 0 --regexp ': more than 20000 files in one configuration$'
}

@test "include: no path or two paths, it is an error" {
	printf 'include\nincludedir a b\n' >"$CONF"
	assert_config_errors "conf:1: a path is missing after 'include'" "conf:2: too many paths after 'includedir'"
}
