# The syntax of configuration files, and what is an error in it.

load ../lib/superd
load ../lib/client

@test "a line that begins with # is a comment, wherever it stands" {
	{
		echo '# one'
		print_service a | sed 's/^{/# two\n{\n\t# three = 3/'
	} >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "a # after a value begins a comment" {
	assert_accepted 'per_source = 10 # x' 'per_source = 10'
}

@test "a # is a word like others in server_args and env" {
	assert_accepted 'server_args = a # b' 'server_args = a # b'
	assert_rejected 'env = A=1 # b' "env: '#' is not NAME=VALUE"
}

@test "a # within a word begins no comment" {
	assert_accepted 'id = a#b' 'id = a#b'
}

@test "the { may stand behind the name" {
	print_service a | sed '1s/$/ {/; 2d' >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "blank lines, blanks at the ends and tabs do not matter" {
	print_service a | sed 's/$/ \t/; s/^/\t /; s/ = /\t=\t/; s/$/\n\n/' >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "an assignment needs no blanks" {
	assert_accepted 'nice=5' 'nice = 5'
	assert_accepted 'nice= 5' 'nice = 5'
	assert_accepted 'nice =5' 'nice = 5'
	assert_accepted 'env+=A=b' 'env = A=b'
}

@test "lines may end in CR LF" {
	print_service a 'server_args = last' | sed 's/$/\r/' >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
	[[ $output != *$'\r'* ]]
}

@test "the file need not end with a newline" {
	printf %s "$(print_service a)" >"$CONF"
	check_config
	assert_success
}

@test "keywords, attributes and words may be in any case" {
	print_service a 'flags = nodelay' | sed 's/^service/SERVICE/; s/flags/FLAGS/; s/wait = no/Wait = NO/' >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "quotes and backslashes are nothing special" {
	assert_accepted 'server_args = "a b" c\ d' 'server_args = "a b" c\ d'
}

@test "the first assignment holds, and the second is warned about" {
	print_service a 'nice = 1' | sed '/nice/s/.*/&\n\tnice = 2/' >"$CONF"
	check_config
	assert_success
	grep -qx 'conf:[0-9]*: warning: nice: already set at line [0-9]*, which is used' <<<"$stderr"
	grep -qx 'nice = 1' <<<"$(squeeze_blanks "$output")"
}

@test "the first assignment holds in defaults, too" {
	{
		printf 'defaults\n{\ninstances = 1\ninstances = 2\n}\n'
		print_service a
	} >"$CONF"
	check_config
	grep -q '^conf:4: warning: instances: already set at line 3' <<<"$stderr"
	grep -qx 'instances = 1' <<<"$(squeeze_blanks "$output")"
}

@test "an unknown attribute is an error, and does not open the door" {
	assert_rejected 'olny_from = 127.0.0.1' "unknown attribute 'olny_from'"
}

@test "too few and too many values are errors" {
	assert_rejected 'server =' 'server: needs a value'
	assert_rejected 'port = 1 2' "port: too many values, from '2' on"
	assert_rejected 'bind =' 'bind: needs a value'
	assert_rejected 'flags =' 'flags: needs a value'
	assert_rejected 'log_type = FILE' 'log_type: needs more values'
}

@test "+= and -= are for sets alone" {
	assert_rejected 'nice += 5' "nice: takes only '='"
	assert_rejected 'server_args -= a' "server_args: takes only '='"
}

@test "a line in a block that is no assignment is an error" {
	assert_rejected 'disable' "expected ATTRIBUTE = VALUE instead of 'disable'"
	assert_rejected '= 5' "expected ATTRIBUTE = VALUE instead of '= 5'"
	assert_rejected 'nice + = 5' "expected ATTRIBUTE = VALUE instead of 'nice + = 5'"
}

@test "junk between entries is an error, and the next service is read" {
	{
		echo junk
		print_service a
		echo '}'
		print_service b
	} >"$CONF"
	assert_config_errors "conf:1: expected service, defaults, include or includedir instead of 'junk'"
	assert_output --partial 'service a'
	assert_output --partial 'service b'
}

@test "superd serves the rest where there is junk between entries" {
	{
		echo junk
		print_service a
	} >"$CONF"
	start_superd -c "$CONF"
	echoes "$(port_of a)"
}

@test "a service that lacks its } is an error, and the next one is read" {
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

@test "a file that ends within a service is an error" {
	print_service a | sed '$d' >"$CONF"
	assert_config_errors "conf:9: the file ends without '}'"
	[ -z "$output" ]
}

@test "a service without a name, and one with two, are errors" {
	print_service a >"$CONF"
	sed -i '1s/.*/service/' "$CONF"
	assert_config_errors 'conf:1: a service without a name'
	sed -i '1s/.*/service a b/' "$CONF"
	assert_config_errors "conf:1: expected '{' instead of 'b'"
}

@test "every error is said, not the first one alone" {
	{
		print_service a 'nice = x' 'umask = 9' 'nosuch = 1'
		print_service b 'instances = many'
	} >"$CONF"
	check_config
	assert_failure 1
	[ "$(grep -c '^conf:[0-9]*: ' <<<"$stderr")" -eq 4 ]
}

@test "a service in error is left out, and the others run" {
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

@test "superd exits 1 where every service is in error" {
	print_service bad 'nosuch = 1' >"$CONF"
	launch_superd -c "$CONF"
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	grep -q "unknown attribute 'nosuch'" "$LOG"
}

@test "superd exits 1 where defaults are in error, and opens nothing" {
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

@test "superd exits 1 where there is no service at all, and says so" {
	printf 'defaults\n{\n}\n' >"$CONF"
	launch_superd -c "$CONF"
	wait_superd || status=$?
	[ "$status" -eq 1 ]
	grep -q '^superd: there is no service to run' "$LOG"
}

@test "defaults may stand anywhere" {
	{
		print_service a
		printf 'defaults\n{\nonly_from = 10.0.0.0/8\n}\n'
	} >"$CONF"
	check_config
	assert_success
	grep -qx 'only_from = 10.0.0.0/8' <<<"$(squeeze_blanks "$output")"
}

@test "there may be one defaults only" {
	{
		printf 'defaults\n{\n}\ndefaults\n{\n}\n'
		print_service a
	} >"$CONF"
	assert_config_errors 'conf:4: defaults stand already at conf:1'
}

@test "= adds to a set in defaults, and replaces one in a service" {
	{
		printf 'defaults\n{\nlog_on_success = PID\nlog_on_success = HOST\n}\n'
		print_service a
		print_service b 'log_on_success = EXIT'
		print_service c 'log_on_success += EXIT' 'log_on_success -= PID'
	} >"$CONF"
	check_config
	assert_success
	run grep -x 'log_on_success = .*' <<<"$(squeeze_blanks "$output")"
	assert_output 'log_on_success = PID HOST
log_on_success = EXIT
log_on_success = HOST EXIT'
}

@test "an attribute of services alone is an error in defaults, and the other way round" {
	printf 'defaults\n{\nserver = /bin/cat\n}\n' >"$CONF"
	assert_config_errors 'conf:3: server: not an attribute of defaults'
	assert_rejected 'enabled = a' 'enabled: an attribute of defaults only'
}

@test "an error in defaults is said once, however many services there are" {
	{
		printf 'defaults\n{\nnice = x\n}\n'
		print_service a
		print_service b
	} >"$CONF"
	check_config
	[ "$(grep -c nice <<<"$stderr")" -eq 1 ]
}

@test "a service that is switched off is not read, whatever is wrong with it" {
	{
		print_service a 'disable = yes' 'server = /nosuch'
		print_service b
	} >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
	refute_output --partial 'service a'
}

@test "enabled and disabled say which ids run; disable = yes has the last word" {
	{
		printf 'defaults\n{\nenabled = a b\nenabled += c\ndisabled = b\n}\n'
		print_service a
		print_service b
		print_service x 'id = c'
		print_service d
		print_service a2 'id = e' 'disable = no'
	} >"$CONF"
	check_config
	assert_success
	run grep ^service <<<"$output"
	assert_output 'service a
service x'
}

@test "a port other than /etc/services has is a warning, and is used" {
	print_service echo 'port = 10007' >"$CONF"
	sed -i '/UNLISTED/d' "$CONF"
	check_config
	assert_success
	grep -q '^conf:1: warning: port: 10007, though /etc/services has 7 for echo' <<<"$stderr"
	grep -qx 'port = 10007' <<<"$(squeeze_blanks "$output")"
}

@test "without a port it is the one of /etc/services, and a name that is not there is an error" {
	print_service echo | sed '/port/d' >"$CONF"
	check_config
	assert_success
	grep -qx 'port = 7' <<<"$(squeeze_blanks "$output")"
	print_service no-such-service | sed '/port/d' >"$CONF"
	assert_config_errors "conf:1: port: missing, and no tcp service 'no-such-service' is in /etc/services"
}

@test "the same port and address twice is an error that names both places" {
	{
		print_service a 'port = 10007' 'bind = 127.0.0.1'
		print_service b 'port = 10007' 'bind = 127.0.0.1 127.0.0.2'
	} >"$CONF"
	assert_config_errors 'conf:11: b has the address and port of a at conf:1'
	assert_output --partial 'service a'
	refute_output --partial 'service b'
}

@test "the same port on another address, or for datagrams, is no error" {
	{
		print_service a 'port = 10007' 'bind = 127.0.0.1'
		print_service b 'port = 10007' 'bind = 127.0.0.2'
		print_service c 'port = 10007' 'bind = 127.0.0.1' 'socket_type = dgram' 'wait = yes'
	} >"$CONF"
	check_config
	assert_success
	[ -z "$stderr" ]
}

@test "two services with port = 0 are no duplicates" {
	{
		print_service a
		print_service b
	} >"$CONF"
	start_superd -c "$CONF"
	echoes "$(port_of a)"
	echoes "$(port_of b)"
}

@test "two services may have one id, as long as they do not have one address" {
	{
		print_service a 'server_args = -'
		print_service a 'socket_type = dgram' 'wait = yes'
	} >"$CONF"
	check_config
	assert_success
	[ "$(grep -c '^service a$' <<<"$output")" -eq 2 ]
}

@test "what superd refuses by design is left out with a warning and its reason, and is no error" {
	{
		print_service a 'type = RPC' 'rpc_version = 1-2' 'rpc_number = 300'
		print_service b 'type = TCPMUX'
		print_service c 'type = TCPMUXPLUS UNLISTED'
		print_service d 'flags = IDONLY'
		print_service e 'flags = INTERCEPT REUSE'
		print_service f 'flags = LABELED'
		print_service servers 'type = INTERNAL UNLISTED'
		print_service services 'type = INTERNAL UNLISTED'
		print_service xadmin 'type = INTERNAL UNLISTED'
		print_service tcpmux 'type = INTERNAL'
		print_service good
	} >"$CONF"
	check_config
	assert_success
	[ "$(grep -c '^conf:[0-9]*: warning: .* is left out: ' <<<"$stderr")" -eq 10 ]
	run grep ^service <<<"$output"
	assert_output 'service good'
}

@test "mdns and libwrap are warned about, no more" {
	print_service a 'libwrap = other' 'mdns = yes' >"$CONF"
	check_config
	assert_success
	grep -q 'warning: libwrap: ' <<<"$stderr"
	grep -q 'warning: mdns: ' <<<"$stderr"
	assert_output --partial 'service a'
}

@test "a NUL byte is an error at its line" {
	print_service a | sed '4s/$/\x00/' >"$CONF"
	assert_config_errors 'conf:4: a NUL byte'
}

@test "no control byte of a file reaches the terminal" {
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

@test "a long line is read whole" {
	long=$(head -c 200000 /dev/zero | tr '\0' x)
	print_service a "server_args = $long" >"$CONF"
	check_config
	assert_success
	[[ $output == *"$long"* ]]
}

@test "a file of another kind ends in errors with lines, not in a crash" {
	head -c 100000 /dev/urandom >"$CONF"
	check_config
	assert_failure 1
	run grep -vaE '^(conf:[0-9]+: |superd: )' <<<"$stderr"
	assert_failure
}

@test "a file without end is refused in bounded memory" {
	run --separate-stderr timeout -k 1 "$WAIT_SECONDS" "$SUPERD" -t -c /dev/zero
	assert_failure 1
	[[ $stderr == *'larger than 16 MiB'* ]]
}

@test "rules of TCP wrappers, which superd does not read, are said at the start" {
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

@test "a { that is missing, and something else in its place" {
	printf 'service a\nservice b\nnonsense\n}\n' >"$CONF"
	assert_config_errors "conf:2: '{' is missing before 'service b'" "conf:3: expected '{' instead of 'nonsense'"
}

@test "more values or assignments than anybody needs are an error" {
	print_service a "server_args = $(seq -s ' ' 10001)" >"$CONF"
	assert_config_errors "conf:$(grep -n server_args "$CONF" | cut -d : -f 1): too many values; use += for the rest, from '10001'"
	{
		echo 'defaults'
		echo '{'
		seq -f 'only_from += 10.0.0.0/%g' 100000
		echo '}'
	} >"$CONF"
	assert_config_errors 'conf:1003: too many assignments in one block'
	[ "$(grep -c 'too many assignments' <<<"$stderr")" -eq 1 ]
}
