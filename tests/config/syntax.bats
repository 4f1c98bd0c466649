# SPDX-License-Identifier: ISC
# The syntax of configuration files, and what is an error in it.

load ../lib/superd
load ../lib/client

@test "comments: a line that begins with #, it is ignored everywhere" {
	{
		echo '# one'
		print_service a | sed 's/^{/# two\n{\n\t# three = 3/'
	} >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "comments: # after a value, the rest of the line is ignored" {
	assert_accepted 'per_source = 10 # x' 'per_source = 10'
}

@test "comments: # in server_args and env, it is a word like others" {
	assert_accepted 'server_args = a # b' 'server_args = a # b'
	assert_rejected 'env = A=1 # b' "env: '#' is not NAME=VALUE; 'b' is not NAME=VALUE"
}

@test "comments: # within a word, it begins no comment" {
	assert_accepted 'id = a#b' 'id = a#b'
}

@test "comments: # after the words outside blocks and after braces, the rest of the line is ignored" {
	mkdir "$BATS_TEST_TMPDIR/d"
	print_service b | sed '1s/$/ # x {/; s/^{/{ # x/; s/^}/}\t# x/' >"$BATS_TEST_TMPDIR/d/b"
	{
		printf 'defaults # x\n{# x\n\tnice = 3\n} # x\nincludedir %s # x\n' "$BATS_TEST_TMPDIR/d"
		print_service a 'bind = ::1' | sed '1s/$/ { # x/; 2d'
	} >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
	[ "$(grep -c '^service [ab]$' <<<"$output")" -eq 2 ]
	printf 'service # x\n{\n}\ninclude # x\ninclude /dev/null /dev/null # x\n' >"$CONF"
	assert_config_errors 'conf:1: a service without a name' "conf:4: a path is missing after 'include'" \
		"conf:5: too many paths after 'include'"
}

@test "byte order mark: at the start of a file it is skipped, elsewhere it is an error that names it" {
	{
		printf '\xef\xbb\xbf'
		print_service a
	} >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
	cat "$CONF" "$CONF" >"$CONF.both"
	mv "$CONF.both" "$CONF"
	assert_config_errors 'conf:10: a byte order mark, which is skipped only where a file begins'
	[ "$(grep -c '^service a$' <<<"$output")" -eq 2 ]
}

@test "blocks: the { is on the line of the name, superd reads the service" {
	print_service a | sed '1s/$/ {/; 2d' >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "blanks: blank lines, tabs and blanks at the ends of lines, superd ignores them" {
	print_service a | sed 's/$/ \t/; s/^/\t /; s/ = /\t=\t/; s/$/\n\n/' >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "assignments: no blanks around the operator, superd reads them" {
	assert_accepted 'nice=5' 'nice = 5'
	assert_accepted 'nice= 5' 'nice = 5'
	assert_accepted 'nice =5' 'nice = 5'
	assert_accepted 'env+=A=b' 'env = A=b'
}

@test "line ends: CR LF in a configuration file, superd ignores the CR" {
	print_service a 'server_args = last' | sed 's/$/\r/' >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
	[[ $output != *$'\r'* ]]
}

@test "line ends: the last line of a configuration file has no newline, superd reads it" {
	printf %s "$(print_service a)" >"$CONF"
	check_config
	assert_success
}

@test "case: keywords, attributes and words in any case, superd reads them" {
	print_service a 'flags = nodelay' | sed 's/^service/SERVICE/; s/flags/FLAGS/; s/wait = no/Wait = NO/' >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "quotes: quotes and backslashes in server_args, they are ordinary characters" {
	assert_accepted 'server_args = "a b" c\ d' 'server_args = "a b" c\ d'
}

@test "assignments: an attribute is set twice in a service, the first is used with a warning" {
	print_service a 'nice = 1' | sed '/nice/s/.*/&\n\tnice = 2/' >"$CONF"
	check_config
	assert_success
	grep -qx 'conf:[0-9]*: warning: nice: already set at line [0-9]*, which is used' <<<"$stderr"
	grep -qx 'nice = 1' <<<"$(squeeze_blanks "$output")"
}

@test "assignments: an attribute is set twice in defaults, the first is used with a warning" {
	{
		printf 'defaults\n{\ninstances = 1\ninstances = 2\n}\n'
		print_service a
	} >"$CONF"
	check_config
	grep -q '^conf:4: warning: instances: already set at line 3' <<<"$stderr"
	grep -qx 'instances = 1' <<<"$(squeeze_blanks "$output")"
}

@test "errors: an unknown attribute, the service has an error" {
	assert_rejected 'olny_from = 127.0.0.1' "unknown attribute 'olny_from'; is only_from meant?"
	assert_rejected 'acess_times = 1:00-2:00' "unknown attribute 'acess_times'; is access_times meant?"
	assert_rejected 'instance = 1' "unknown attribute 'instance'; is instances meant?"
	assert_rejected 'wbit = no' "unknown attribute 'wbit'; is wait meant?"
	assert_rejected 'nosuch = 1' "unknown attribute 'nosuch'"
}

@test "errors: too few or too many values, each is an error" {
	assert_rejected 'server =' 'server: needs a value'
	assert_rejected 'port = 1 2' "port: too many values, from '2' on"
	assert_rejected 'bind =' 'bind: needs a value'
	assert_rejected 'flags =' 'flags: needs a value'
	assert_rejected 'log_type = FILE' 'log_type: needs more values'
}

@test "operators: += and -= for an attribute that is not a set, it is an error" {
	assert_rejected 'nice += 5' "nice: takes only '='"
	assert_rejected 'server_args -= a' "server_args: takes only '='"
}

@test "errors: a line in a block that is not an assignment, it is an error" {
	assert_rejected 'disable' "expected ATTRIBUTE = VALUE instead of 'disable'"
	assert_rejected '= 5' "expected ATTRIBUTE = VALUE instead of '= 5'"
	assert_rejected 'nice + = 5' "expected ATTRIBUTE = VALUE instead of 'nice + = 5'"
}

@test "errors: an unknown word between blocks, it is an error and the next service is read" {
	{
		echo junk
		print_service a
		echo '}'
		print_service b
	} >"$CONF"
	assert_config_errors "conf:1: expected service, defaults, include, includedir or a line of inetd.conf instead of 'junk'"
	assert_output --partial 'service a'
	assert_output --partial 'service b'
}

@test "errors: an unknown word between blocks at start, the services run" {
	{
		echo junk
		print_service a
	} >"$CONF"
	start_superd -c "$CONF"
	echoes "$(port_of a)"
}

@test "blocks: } is missing before the next service, it is an error and the next service is read" {
	{
		print_service a | sed '$d'
		print_service b
	} >"$CONF"
	check_config
	assert_failure 1
	grep -q "^conf:9: '}' is missing before 'service b'\$" <<<"$stderr"
	refute_output --partial 'service a'
	assert_output --partial 'service b'
}

@test "blocks: the file ends within a service, it is an error" {
	print_service a | sed '$d' >"$CONF"
	assert_config_errors "conf:9: the file ends without '}'"
	[ -z "$output" ]
}

@test "blocks: a service without a name or with two, it is an error" {
	print_service a >"$CONF"
	sed -i '1s/.*/service/' "$CONF"
	assert_config_errors 'conf:1: a service without a name'
	sed -i '1s/.*/service a b/' "$CONF"
	assert_config_errors "conf:1: expected '{' instead of 'b'"
}

@test "errors: four in two services, superd prints all of them" {
	{
		print_service a 'nice = x' 'umask = 9' 'nosuch = 1'
		print_service b 'instances = many'
	} >"$CONF"
	check_config
	assert_failure 1
	[ "$(grep -c '^conf:[0-9]*: ' <<<"$stderr")" -eq 4 ]
}

@test "errors: one service has an error, it is left out and the others run" {
	{
		print_service good
		print_service bad 'only_form = 10.0.0.0/8'
		print_service fine
	} >"$CONF"
	start_superd -c "$CONF"
	wait_for_line "^superd: $CONF:[0-9]*: unknown attribute 'only_form'"
	echoes "$(port_of good)"
	echoes "$(port_of fine)"
	[ -z "$(port_of bad)" ]
}

@test "errors: every service has an error, superd exits with status 1" {
	print_service bad 'nosuch = 1' >"$CONF"
	launch_superd -c "$CONF"
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	grep -q "unknown attribute 'nosuch'" "$LOG"
}

@test "errors: defaults have an error, superd exits with status 1 and does not listen" {
	{
		printf 'defaults\n{\nnosuch = 1\n}\n'
		print_service a
	} >"$CONF"
	launch_superd -c "$CONF"
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	grep -q "^superd: $CONF:3: unknown attribute 'nosuch'" "$LOG"
	run grep listening "$LOG"
	assert_failure
}

@test "errors: there is no service, superd prints an error and exits with status 1" {
	printf 'defaults\n{\n}\n' >"$CONF"
	launch_superd -c "$CONF"
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	grep -q '^superd: there is no service to run' "$LOG"
}

@test "hostile files: a NUL byte, it is an error at its line" {
	print_service a | sed '4s/$/\x00/' >"$CONF"
	assert_config_errors 'conf:4: a NUL byte'
}

@test "hostile files: control bytes in an error, superd prints them in hexadecimal" {
	assert_wrong_quietly() {
		print_service a "$1" >"$CONF"
		check_config
		assert_failure 1
		[[ $stderr != *$'\e'* && $stderr == *'\x1b'* ]]
	}
	assert_wrong_quietly $'nos\e[2Juch = 1'
	assert_wrong_quietly $'nice = \e[2J'
	printf 'ju\e[2Jnk\n' >"$CONF"
	check_config
	[[ $stderr != *$'\e'* && $stderr == *'\x1b'* ]]
}

@test "hostile files: a line of 200,000 bytes, superd reads it complete" {
	long=$(head -c 200000 /dev/zero | tr '\0' x)
	print_service a "server_args = $long" >"$CONF"
	check_config
	assert_success
	[[ $output == *"$long"* ]]
}

@test "hostile files: 100,000 random bytes, superd prints errors with line numbers and exits with status 1" {
	head -c 100000 /dev/urandom >"$CONF"
	check_config
	assert_failure 1
	grep -qaE '^conf:[0-9]+: ' <<<"$stderr"
	run grep -vaE '^conf:[0-9]+: ' <<<"$stderr"
	assert_failure
}

@test "hostile files: a file without end, superd refuses it in bounded memory" {
	run --separate-stderr timeout -k 1 "$WAIT_SECONDS" "$SUPERD" -t -c /dev/zero
	assert_failure 1
	[[ $stderr == *'larger than 16 MiB'* ]]
}

@test "TCP wrappers: /etc/hosts.deny has rules, superd warns at start" {
	needs root capabilities
	mkdir "$BATS_TEST_TMPDIR/etc"
	cp /etc/passwd /etc/group /etc/protocols /etc/services "$BATS_TEST_TMPDIR/etc"
	printf '  # a comment\n\n' >"$BATS_TEST_TMPDIR/etc/hosts.allow"
	echo 'ALL: ALL' >"$BATS_TEST_TMPDIR/etc/hosts.deny"
	SUPERD_PREFIX=(unshare -m sh -c 'mount --bind "$0" /etc && exec "$@"' "$BATS_TEST_TMPDIR/etc")
	print_service a 'bind = 127.0.0.1' >"$CONF"
	start_superd -c "$CONF"
	grep -q '^superd: warning: /etc/hosts.deny has rules, which superd does not read' "$LOG"
	run grep -c hosts.allow "$LOG"
	assert_output 0
}

@test "blocks: { is missing or replaced by another word, it is an error" {
	printf 'service a\nservice b\nnonsense\n}\n' >"$CONF"
	assert_config_errors "conf:2: '{' is missing before 'service b'" "conf:3: expected '{' instead of 'nonsense'"
}

@test "large files: 100,000 prefixes, all on one line or one on each, -t prints all of them" {
	awk 'BEGIN { for (i = 0; i < 100000; i++) printf "10.%d.%d.%d/32\n", i / 40000, i / 200 % 200, i % 200 + 1 }' \
		>"$BATS_TEST_TMPDIR/prefixes"
	{
		print_service a "only_from = $(tr '\n' ' ' <"$BATS_TEST_TMPDIR/prefixes")"
		print_service b | sed '$d'
		sed 's/^/only_from += /' "$BATS_TEST_TMPDIR/prefixes"
		echo '}'
	} >"$CONF"
	"$SUPERD" -t -c "$CONF" | sed -n 's/^\tonly_from *= //p' >"$BATS_TEST_TMPDIR/printed"
	assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/printed")" 2
	for line in 1 2; do
		sed "${line}!d" "$BATS_TEST_TMPDIR/printed" | tr ' ' '\n' | cmp - "$BATS_TEST_TMPDIR/prefixes"
	done
}
