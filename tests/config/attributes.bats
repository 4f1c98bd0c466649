# SPDX-License-Identifier: ISC
# Each attribute: which values it accepts, which it rejects, and how -t prints them. What an attribute does is tested in the file
# of its subject (access, limits, log, superd/datagrams, superd/redirect...).
#
# shellcheck disable=SC2154 # run sets them

load ../lib/superd

@test "attribute id: one word is accepted, two are an error" {
	assert_accepted 'id = other'
	assert_rejected 'id = a b' "id: too many values, from 'b' on"
}

@test "attribute type: known words are accepted, others are an error" {
	assert_accepted 'type = UNLISTED'
	assert_rejected 'type = NOSUCH' "type: 'NOSUCH' is none of INTERNAL, UNLISTED, RPC, TCPMUX, TCPMUXPLUS"
	assert_rejected 'type = INTERNAL' "type: there is no internal service 'wrong'"
}

@test "attribute flags: known words with = are accepted, others are an error" {
	assert_accepted 'flags = REUSE NODELAY KEEPALIVE NORETRY NOLIBWRAP'
	assert_rejected 'flags = NOSUCH' "flags: 'NOSUCH' is none of REUSE, NAMEINARGS, NODELAY, KEEPALIVE, IPv4, IPv6, NORETRY, IDONLY, NOLIBWRAP, SENSOR, INTERCEPT, LABELED"
	assert_rejected 'flags += REUSE' "flags: takes only '='"
}

@test "attribute disable: yes or no is accepted, other words are an error" {
	assert_accepted 'disable = no'
	assert_rejected 'disable = maybe' "disable: 'maybe' is none of yes, no"
}

@test "attribute socket_type: it is missing, it follows from protocol" {
	print_service a | sed '/socket_type/d; /wait/d; s/^{/{\nprotocol = udp\nwait = yes/' >"$CONF"
	check_config
	assert_success
	grep -qx 'socket_type = dgram' <<<"$(squeeze_blanks "$output")"
	assert_accepted 'socket_type = stream'
	print_service a | sed '/socket_type/d' >"$CONF"
	assert_config_errors 'conf:1: socket_type: missing, and protocol too'
}

@test "attribute socket_type: unknown types and combinations that do not fit are an error" {
	assert_rejected 'socket_type = nosuch' "socket_type: 'nosuch' is none of stream, dgram, raw, seqpacket"
	assert_rejected 'protocol = nosuch' "protocol: unknown protocol 'nosuch'"
	assert_rejected 'protocol = udp' 'protocol: udp does not go with this socket_type'
	print_service a 'socket_type = dgram' >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == conf:*': wait: only a stream service can have wait = no' ]]
}

@test "attribute wait: yes or no is accepted, other words and a missing value are an error" {
	assert_accepted 'wait = yes'
	assert_rejected 'wait = 1' "wait: '1' is none of yes, no"
	print_service a | sed '/wait/d' >"$CONF"
	assert_config_errors 'conf:1: wait: missing'
}

@test "attribute port: numbers up to 65535 are accepted, others are an error" {
	assert_accepted 'port = 65535'
	assert_rejected 'port = 65536' 'port: 65536 is out of range, 0 to 65535'
	assert_rejected 'port = -1' 'port: -1 is out of range, 0 to 65535'
	assert_rejected 'port = http' "port: 'http' is not a number"
	assert_rejected 'port = 80x' "port: '80x' is not a number; is 80 meant?"
}

@test "attribute bind: addresses, host names and paths are accepted, and interface is the same attribute" {
	assert_accepted 'bind = 127.0.0.1 ::1'
	assert_accepted 'bind = /run/some.sock'
	assert_accepted 'interface = 127.0.0.1' 'bind = 127.0.0.1'
	print_service a 'bind = nosuch.invalid' >"$CONF"
	check_config
	assert_failure 1
	[[ $stderr == conf:*': bind: nosuch.invalid: '* ]]
}

@test "attribute v6only: yes or no is accepted in services and defaults" {
	assert_accepted 'v6only = yes'
	assert_rejected 'v6only = 6' "v6only: '6' is none of yes, no"
	print_service a >"$CONF"
	check_config -o v6only=yes
	assert_success
	grep -qx 'v6only = yes' <<<"$(squeeze_blanks "$output")"
}

@test "attribute user: names and numbers are accepted, unknown names and a missing user are an error" {
	assert_accepted 'user = daemon'
	assert_accepted 'user = 1'
	assert_rejected 'user = nosuch-user' "user: unknown user 'nosuch-user'"
	print_service a | sed '/user/d' >"$CONF"
	assert_config_errors 'conf:1: user: missing'
}

@test "attribute user: a number without an account is accepted" {
	assert_accepted 'user = 54321'
}

@test "attribute group: names and numbers are accepted, unknown names are an error" {
	assert_accepted 'group = daemon'
	assert_accepted 'group = 54321'
	assert_rejected 'group = nosuch-group' "group: unknown group 'nosuch-group'"
}

@test "attribute groups: yes or no is accepted, other words are an error" {
	assert_accepted 'groups = yes'
	assert_rejected 'groups = all' "groups: 'all' is none of yes, no"
}

@test "attribute server: the absolute path of an executable file is accepted, others are an error" {
	assert_accepted 'server = /bin/sh'
	assert_rejected 'server = /nosuch' 'server: /nosuch: No such file or directory'
	assert_rejected 'server = /etc/passwd' 'server: /etc/passwd: not executable'
	assert_rejected 'server = /etc' 'server: /etc: not a regular file'
	assert_rejected 'server = cat' "server: 'cat' is not an absolute path"
	print_service a | sed '/server/d' >"$CONF"
	assert_config_errors 'conf:1: server: missing'
}

@test "attribute server_args: any words are accepted" {
	assert_accepted 'server_args = -a b=c $HOME * #'
}

@test "attribute env: NAME=VALUE is accepted, and += and -= change the set" {
	assert_accepted 'env = A=1 B=x=y'
	assert_rejected 'env = A' "env: 'A' is not NAME=VALUE"
	assert_rejected 'env = =A' "env: '=A' is not NAME=VALUE"
	print_service a 'env = A=1' 'env += B=2' 'env -= A=1' >"$CONF"
	check_config
	grep -qx 'env = B=2' <<<"$(squeeze_blanks "$output")"
}

@test "attribute passenv: names and an empty value are accepted" {
	assert_accepted 'passenv = PATH TERM'
	assert_accepted 'passenv =' 'passenv ='
}

@test "attribute nice: -40 to 40 is accepted, others are an error" {
	assert_accepted 'nice = -5'
	assert_rejected 'nice = x' "nice: 'x' is not a number"
	assert_rejected 'nice = 41' 'nice: 41 is out of range, -40 to 40'
}

@test "attribute umask: octal numbers up to 777 are accepted, others are an error" {
	assert_accepted 'umask = 077'
	assert_rejected 'umask = 9' "umask: '9' is not an octal number up to 777"
	assert_rejected 'umask = 1000' "umask: '1000' is not an octal number up to 777"
}

@test "attributes instances and per_source: numbers and UNLIMITED are accepted" {
	for name in instances per_source; do
		assert_accepted "$name = 0"
		assert_accepted "$name = UNLIMITED"
		assert_rejected "$name = -1" "$name: -1 is out of range, 0 to 2147483647"
		assert_rejected "$name = many" "$name: 'many' is not a number"
	done
}

@test "attributes per_source_cps and per_source_prefix6: numbers in their range are accepted" {
	assert_accepted 'per_source_cps = 5'
	assert_accepted 'per_source_prefix6 = 128'
	assert_rejected 'per_source_prefix6 = 0' 'per_source_prefix6: 0 is out of range, 1 to 128'
	assert_rejected 'per_source_prefix6 = 129' 'per_source_prefix6: 129 is out of range, 1 to 128'
}

@test "attribute cps: a rate and seconds, or 0, are accepted" {
	assert_accepted 'cps = 25 30'
	assert_accepted 'cps = 0'
	assert_accepted 'cps = 0 10'
	assert_rejected 'cps = 25' 'cps: needs a rate and the seconds to stay shut past it'
	assert_rejected 'cps = 1 2 3' "cps: too many values, from '3' on"
	assert_rejected 'cps = a b' "cps: 'a' is not a number"
}

@test "attribute max_load: decimal numbers are accepted" {
	assert_accepted 'max_load = 2.5'
	assert_accepted 'max_load = 0'
	assert_accepted 'max_load = .5'
	assert_rejected 'max_load = high' "max_load: 'high' is not a load, such as 2 or 2.5"
	assert_rejected 'max_load = -1' "max_load: '-1' is not a load, such as 2 or 2.5"
	assert_rejected 'max_load = 1.5.2' "max_load: '1.5.2' is not a load, such as 2 or 2.5"
}

@test "attributes on_limit and stderr: their two words are accepted" {
	assert_accepted 'on_limit = wait'
	assert_accepted 'stderr = log'
	assert_rejected 'on_limit = drop' "on_limit: 'drop' is none of refuse, wait"
	assert_rejected 'stderr = none' "stderr: 'none' is none of client, log"
}

@test "attribute access_times: spans within a day are accepted" {
	assert_accepted 'access_times = 0:00-23:59'
	assert_accepted 'access_times = 08:00-12:00 13:30-18:00'
	assert_rejected 'access_times = 22:00-06:00' \
		"access_times: '22:00-06:00' ends before it begins; write two spans"
	for value in 8-12 8:00 08:00-24:00 8:0-9:00 8:60-9:00 8:00-9:00x 100:00-101:00; do
		assert_rejected "access_times = $value" "access_times: '$value' is not H:MM-H:MM"
	done
}

@test "attributes only_from, no_access, proxy_from: addresses are accepted and printed as prefixes" {
	for name in only_from no_access proxy_from; do
		assert_accepted "$name =" "$name ="
		assert_accepted "$name = 10.1.2.3 10.0.0.0/8 2001:db8::/32 ::1" \
			"$name = 10.1.2.3/32 10.0.0.0/8 2001:db8::/32 ::1/128"
		assert_rejected "$name = 10.0.0.0/33" "$name: '10.0.0.0/33': the prefix length is a number up to 32"
		assert_rejected "$name = ::/129" "$name: '::/129': the prefix length is a number up to 128"
	done
}

@test "attributes of addresses: invalid addresses are an error" {
	for value in 256.1.1.1 1.2.3.4.5 10.0.0 '*' - '1.2.3.4,' ::1::2 '10.0.0.1,10.0.0.2' 10.0.0.0/ 10.0.0.0/x /8; do
		print_service a "only_from = $value" >"$CONF"
		check_config
		[ "$status" -eq 1 ] || fail "$value is taken"
		[[ $stderr == conf:*': only_from: '* ]] || fail "$stderr"
	done
}

@test "attributes of addresses: braces that are not A.B.C.{D,E} are an error" {
	for value in '10.0.0.{1,2' '10.0.0.{}' '10.0.0.{1,,2}' '10.0.0.{256}' '{1,2}.0.0.1' '10.{1,2}.0.1' '10.0.0.{a}'; do
		assert_rejected "only_from = $value" "only_from: '$value' is not A.B.C.{D,E}"
	done
}

@test "attributes of addresses: += does not add a word twice, and does not change what defaults or other services have" {
	{
		printf 'defaults\n{\nonly_from = 10.0.0.1 10.0.0.2 10.0.0.3\n}\n'
		print_service a 'only_from += 10.0.0.3 10.0.0.4' 'only_from += 10.0.0.4 10.0.0.5'
		print_service b 'only_from += 10.0.0.6'
		print_service c 'only_from -= 10.0.0.2' 'only_from += 10.0.0.2'
		print_service d
	} >"$CONF"
	check_config
	assert_success
	run grep -o '^only_from.*' <<<"$(squeeze_blanks "$output")"
	assert_output 'only_from = 10.0.0.1/32 10.0.0.2/32 10.0.0.3/32 10.0.0.4/32 10.0.0.5/32
only_from = 10.0.0.1/32 10.0.0.2/32 10.0.0.3/32 10.0.0.6/32
only_from = 10.0.0.1/32 10.0.0.3/32 10.0.0.2/32
only_from = 10.0.0.1/32 10.0.0.2/32 10.0.0.3/32'
}

@test "attributes of addresses: += adds and -= removes each word" {
	print_service a 'only_from = 10.0.0.1 10.0.0.2' 'only_from += 10.0.0.3' 'only_from -= 10.0.0.1' >"$CONF"
	check_config
	assert_success
	grep -qx 'only_from = 10.0.0.2/32 10.0.0.3/32' <<<"$(squeeze_blanks "$output")"
}

@test "attribute log_type: SYSLOG with facility and level, and FILE with path and sizes, are accepted" {
	assert_accepted 'log_type = SYSLOG daemon'
	assert_accepted 'log_type = SYSLOG local7 debug'
	assert_accepted 'log_type = FILE /var/log/some'
	assert_accepted 'log_type = FILE /var/log/some 1000 2000'
	assert_accepted 'log_type = FILE /var/log/some 2K 1M'
	assert_rejected 'log_type = SYSLOG nosuch' 'log_type: SYSLOG needs a facility, such as daemon'
	assert_rejected 'log_type = SYSLOG daemon nosuch' "log_type: 'nosuch' is not a syslog level"
	assert_rejected 'log_type = PRINTER /dev/lp' "log_type: 'PRINTER' is neither SYSLOG nor FILE"
	print_service a 'log_type = FILE /var/log/some 2000 1000' >"$CONF"
	check_config
	assert_failure 1
}

@test "attributes log_on_success and log_on_failure: known words and an empty value are accepted" {
	assert_accepted 'log_on_success = PID HOST USERID EXIT DURATION TRAFFIC'
	assert_accepted 'log_on_failure = HOST USERID ATTEMPT'
	assert_accepted 'log_on_success ='
	assert_rejected 'log_on_success = NOSUCH' "log_on_success: 'NOSUCH' is none of PID, HOST, USERID, EXIT, DURATION, TRAFFIC"
	assert_rejected 'log_on_failure = PID' "log_on_failure: 'PID' is none of HOST, USERID, ATTEMPT"
}

@test "attribute redirect: a host and a port are accepted, wait = yes is an error" {
	assert_accepted 'redirect = 127.0.0.1 80'
	assert_rejected 'redirect = 127.0.0.1' 'redirect: needs more values'
	print_service a 'redirect = 127.0.0.1 80' 'wait = yes' >"$CONF"
	check_config
	[[ $stderr == conf:*': redirect: only for a stream service with wait = no' ]]
}

@test "attributes banner*: a file is accepted" {
	echo hello >"$BATS_TEST_TMPDIR/banner"
	for name in banner banner_success banner_fail; do
		assert_accepted "$name = $BATS_TEST_TMPDIR/banner"
	done
}

@test "attribute banner_fail: a missing file is a warning, and the service is good" {
	print_service a 'banner_fail = /nosuch/banner' >"$CONF"
	check_config
	assert_success
	[[ $stderr == conf:*': warning: banner_fail: /nosuch/banner: No such file or directory' ]]
}

@test "attribute banner: a file of 20,000 bytes is cut with a warning" {
	head -c 20000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/banner"
	print_service a "banner = $BATS_TEST_TMPDIR/banner" >"$CONF"
	check_config
	assert_success
	[[ $stderr == conf:*": warning: banner: $BATS_TEST_TMPDIR/banner: cut at 16384 bytes" ]]
}

@test "attribute deny_time: minutes, FOREVER and NEVER are accepted" {
	assert_accepted 'deny_time = 5'
	assert_accepted 'deny_time = FOREVER'
	assert_rejected 'deny_time = long' "deny_time: 'long' is not a number"
}

@test "attributes time_limit, drain_time, linger, backlog: numbers are accepted" {
	for name in time_limit drain_time linger backlog; do
		assert_accepted "$name = 7"
		assert_rejected "$name = x" "$name: 'x' is not a number"
		assert_rejected "$name = -1" "$name: -1 is out of range, 0 to 2147483647"
	done
}

@test "attributes socket_mode and socket_user: octal modes and users are accepted" {
	assert_accepted 'socket_mode = 0666'
	assert_accepted 'socket_user = nobody:daemon'
	assert_rejected 'socket_mode = 8' "socket_mode: '8' is not an octal number up to 777"
	assert_rejected 'socket_user = nosuch-user' "socket_user: unknown user 'nosuch-user'"
}

@test "attributes no_new_privs, directory, chroot: the value is checked, and server is looked up inside chroot" {
	assert_accepted 'no_new_privs = yes'
	assert_accepted 'directory = /tmp'
	assert_rejected 'no_new_privs = 2' "no_new_privs: '2' is none of yes, no"
	mkdir -p "$BATS_TEST_TMPDIR/root/bin"
	cp /bin/true "$BATS_TEST_TMPDIR/root/bin/true"
	print_service a "chroot = $BATS_TEST_TMPDIR/root" 'server = /bin/true' >"$CONF"
	check_config
	assert_success
	print_service a "chroot = $BATS_TEST_TMPDIR/root" 'server = /bin/cat' >"$CONF"
	check_config
	assert_failure 1
}

# write_attributes: the rows of -A, into the file `attributes`. What a row says an attribute takes is what a file takes.
write_attributes() {
	"$SUPERD" -A >"$BATS_TEST_TMPDIR/attributes"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/attributes")" -ge 60 ]
}

# assert_attributes MESSAGE CONDITION: the checks of the files that write_each has written report MESSAGE at the lines of exactly
# those attributes whose row of superd -A fulfils CONDITION, in awk's language, with the variables name, operators and scope.
assert_attributes() {
	local reported=
	for CONF in "$BATS_TEST_TMPDIR/each"/*; do
		check_config
		[[ $stderr != *unknown* ]] || fail "$stderr"
		reported+=$(sed -n "s/^conf:\([0-9]*\): \(warning: \)*[a-z_0-9]*: $1.*/\1p/p" <<<"$stderr" | sed -n -f - "$CONF" | cut -d ' ' -f 1)$'\n'
	done
	run diff -u --label superd --label 'superd -A' <(xargs -n 1 <<<"$reported" | sort -u) \
		<(awk -F '\t' '{ name = $1; operators = $2; scope = $4 } '"$2"' { print name }' "$BATS_TEST_TMPDIR/attributes" | sort)
	assert_success
}

# write_each LINE: write files into the folder `each`, where each attribute is once in defaults and once in a service of its name,
# with that line after its name. interface is another name for bind, so its defaults are a file.
write_each() {
	local name folder=$BATS_TEST_TMPDIR/each
	mkdir -p "$folder"
	{
		printf 'defaults\n{\n'
		sed "/^interface/d; s/\t.*/ $1/" "$BATS_TEST_TMPDIR/attributes"
		printf '}\n'
	} >"$folder/defaults"
	printf 'defaults\n{\ninterface %s\n}\n' "$1" >"$folder/interface"
	cut -f 1 "$BATS_TEST_TMPDIR/attributes" | while read -r name; do
		print_service "$name" "$name $1" | sed 's/^\t//'
	done >"$folder/services"
}

@test "superd -A scope: every attribute, defaults and services accept it as its row says" {
	write_attributes
	write_each '='
	assert_attributes 'not an attribute of defaults' 'scope == "service"'
	assert_attributes 'an attribute of defaults only' 'scope == "defaults"'
}

@test "superd -A operators: every attribute, it takes the operators of its row and no others" {
	write_attributes
	for operator in += -=; do
		write_each "$operator x"
		assert_attributes "takes only '='" "index(operators, \"$operator\") == 0"
	done
}

@test "superd -A: every attribute, no value is an error, but for a set and for server_args" {
	write_attributes
	write_each '='
	rm "$BATS_TEST_TMPDIR/each"/{defaults,interface}
	assert_attributes 'needs ' 'scope != "defaults" && index(operators, "+=") == 0 && name != "server_args"'
}

@test "attributes together: combinations that do not fit are an error" {
	needs /etc/protocols
	print_service a 'flags = NAMEINARGS' >"$CONF"
	check_config
	[[ $stderr == conf:*': flags: NAMEINARGS needs the name in server_args' ]]
	print_service a 'protocol = nosuch' 'socket_type = raw' 'wait = yes' >"$CONF"
	check_config
	[[ $stderr == conf:*": protocol: unknown protocol 'nosuch'" ]]
	print_service a 'socket_type = raw' 'wait = yes' >"$CONF"
	check_config
	[[ $stderr == conf:*': protocol: missing, which this socket_type needs' ]]
	print_service a 'socket_type = raw' 'protocol = icmp' 'wait = yes' 'bind = /a/path' >"$CONF"
	check_config
	[[ $stderr == conf:*': bind: /a/path: a raw socket has no path' ]]
	print_service a 'wait = yes' 'only_from = 127.0.0.1' >"$CONF"
	check_config
	[[ $stderr == conf:*': only_from: the program accepts by itself (wait = yes), so superd does not see its clients' ]]
	print_service a 'socket_type = dgram' 'wait = yes' 'no_access = .example.test' >"$CONF"
	check_config
	[[ $stderr == conf:*': no_access: a .domain is not for datagrams' ]]
}

@test "user and group: no descriptor is left to look them up, the error has that reason (Linux)" {
	needs strace
	disable_leak_check
	for line in 'user = daemon' 'user = 4711' 'group = daemon'; do
		print_service a "$line" >"$CONF"
		run -1 strace -f -qq -o /dev/null -e trace=openat -e inject=openat:error=EMFILE -P /etc/passwd -P /etc/group \
			"$SUPERD" -t -c "$CONF"
		assert_output --regexp "(user|group) '${line##* }': Too many open files"
	done
}
