# Each attribute: what it takes, what it does not, and how that is printed. What it does is tested where it belongs
# (config_access, config_limits, config_log, dgram, redirect...).
#
# shellcheck disable=SC2154 # check sets stderr

load helper
load config

@test "id: a word" {
	assert_right 'id = other'
	assert_wrong 'id = a b' "id: too many values, from 'b' on"
}

@test "type: words" {
	assert_right 'type = UNLISTED'
	assert_wrong 'type = NOSUCH' "type: 'NOSUCH' is none of INTERNAL, UNLISTED, RPC, TCPMUX, TCPMUXPLUS"
	assert_wrong 'type = INTERNAL' "type: there is no internal service 'wrong'"
}

@test "flags: words, with = alone" {
	assert_right 'flags = REUSE NODELAY KEEPALIVE NORETRY NOLIBWRAP'
	assert_wrong 'flags = NOSUCH' "flags: 'NOSUCH' is none of REUSE, NAMEINARGS, NODELAY, KEEPALIVE, IPv4, IPv6, NORETRY, IDONLY, NOLIBWRAP, SENSOR, INTERCEPT, LABELED"
	assert_wrong 'flags += REUSE' "flags: takes only '='"
}

@test "disable: yes or no" {
	assert_right 'disable = no'
	assert_wrong 'disable = maybe' "disable: 'maybe' is none of yes, no"
}

@test "socket_type and protocol: one follows from the other" {
	service a | sed '/socket_type/d; /wait/d; s/^{/{\nprotocol = udp\nwait = yes/' >"$CONF"
	check
	assert_success
	grep -qx 'socket_type = dgram' <<<"$(squeeze "$output")"
	assert_right 'socket_type = stream'
	service a | sed '/socket_type/d' >"$CONF"
	assert_errors 'conf:1: socket_type: missing, and protocol too'
}

@test "socket_type: what there is, and what goes together" {
	assert_wrong 'socket_type = nosuch' "socket_type: 'nosuch' is none of stream, dgram, raw, seqpacket"
	assert_wrong 'protocol = nosuch' "protocol: unknown protocol 'nosuch'"
	assert_wrong 'protocol = udp' 'protocol: udp does not go with this socket_type'
	service a 'socket_type = dgram' >"$CONF"
	check
	assert_failure 1
	[[ $stderr == conf:*': wait: only a stream service can have wait = no' ]]
}

@test "wait: yes or no, and required" {
	assert_right 'wait = yes'
	assert_wrong 'wait = 1' "wait: '1' is none of yes, no"
	service a | sed '/wait/d' >"$CONF"
	assert_errors 'conf:1: wait: missing'
}

@test "port: a number up to 65535" {
	assert_right 'port = 65535'
	assert_wrong 'port = 65536' 'port: 65536 is out of range, 0 to 65535'
	assert_wrong 'port = -1' 'port: -1 is out of range, 0 to 65535'
	assert_wrong 'port = http' "port: 'http' is not a number"
	assert_wrong 'port = 80x' "port: '80x' is not a number"
}

@test "bind: addresses, host names, paths; interface is the same" {
	assert_right 'bind = 127.0.0.1 ::1'
	assert_right 'bind = /run/some.sock'
	assert_right 'interface = 127.0.0.1' 'bind = 127.0.0.1'
	service a 'bind = nosuch.invalid' >"$CONF"
	check
	assert_failure 1
	[[ $stderr == conf:*': bind: nosuch.invalid: '* ]]
}

@test "v6only: yes or no, in defaults too" {
	assert_right 'v6only = yes'
	assert_wrong 'v6only = 6' "v6only: '6' is none of yes, no"
	service a >"$CONF"
	check -o v6only=yes
	assert_success
	grep -qx 'v6only = yes' <<<"$(squeeze "$output")"
}

@test "user: a name or a number, and required" {
	assert_right 'user = daemon'
	assert_right 'user = 1'
	assert_wrong 'user = nosuch-user' "user: unknown user 'nosuch-user'"
	service a | sed '/user/d' >"$CONF"
	assert_errors 'conf:1: user: missing'
}

@test "user: a number that no user has, with its own number for a group" {
	assert_right 'user = 54321'
}

@test "group: a name or a number" {
	assert_right 'group = daemon'
	assert_right 'group = 54321'
	assert_wrong 'group = nosuch-group' "group: unknown group 'nosuch-group'"
}

@test "groups: yes or no" {
	assert_right 'groups = yes'
	assert_wrong 'groups = all' "groups: 'all' is none of yes, no"
}

@test "server: an executable file, by its whole path, and required" {
	assert_right 'server = /bin/sh'
	assert_wrong 'server = /nosuch' 'server: /nosuch: No such file or directory'
	assert_wrong 'server = /etc/passwd' 'server: /etc/passwd: not executable'
	assert_wrong 'server = /etc' 'server: /etc: not a regular file'
	assert_wrong 'server = cat' "server: 'cat' is not an absolute path"
	service a | sed '/server/d' >"$CONF"
	assert_errors 'conf:1: server: missing'
}

@test "server_args: words, as they stand" {
	assert_right 'server_args = -a b=c $HOME * #'
}

@test "env: NAME=VALUE, and it adds up" {
	assert_right 'env = A=1 B=x=y'
	assert_wrong 'env = A' "env: 'A' is not NAME=VALUE"
	assert_wrong 'env = =A' "env: '=A' is not NAME=VALUE"
	service a 'env = A=1' 'env += B=2' 'env -= A=1' >"$CONF"
	check
	grep -qx 'env = B=2' <<<"$(squeeze "$output")"
}

@test "passenv: names, or none" {
	assert_right 'passenv = PATH TERM'
	assert_right 'passenv =' 'passenv ='
}

@test "nice: a number" {
	assert_right 'nice = -5'
	assert_wrong 'nice = x' "nice: 'x' is not a number"
	assert_wrong 'nice = 41' 'nice: 41 is out of range, -40 to 40'
}

@test "umask: an octal number" {
	assert_right 'umask = 077'
	assert_wrong 'umask = 9' "umask: '9' is not an octal number up to 777"
	assert_wrong 'umask = 1000' "umask: '1000' is not an octal number up to 777"
}

@test "rlimit_*: bytes with K and M, seconds, numbers, UNLIMITED" {
	for name in as data rss stack; do
		assert_right "rlimit_$name = 512M"
		assert_right "rlimit_$name = 100000k"
		assert_right "rlimit_$name = UNLIMITED"
		assert_wrong "rlimit_$name = 5G" "rlimit_$name: '5G' is not a number"
		assert_wrong "rlimit_$name = M" "rlimit_$name: 'M' is not a number"
	done
	for name in cpu files; do
		assert_right "rlimit_$name = 64"
		assert_right "rlimit_$name = unlimited"
		assert_wrong "rlimit_$name = 5M" "rlimit_$name: '5M' is not a number"
	done
}

@test "a number too large for the machine is out of range" {
	assert_wrong 'rlimit_as = 99999999999999999999' \
		'rlimit_as: 99999999999999999999 is out of range, 0 to 9223372036854775807'
	service a 'rlimit_as = 9223372036854775807M' >"$CONF"
	check
	assert_failure 1
}

@test "instances and per_source: a number or UNLIMITED" {
	for name in instances per_source; do
		assert_right "$name = 0"
		assert_right "$name = UNLIMITED"
		assert_wrong "$name = -1" "$name: -1 is out of range, 0 to 2147483647"
		assert_wrong "$name = many" "$name: 'many' is not a number"
	done
}

@test "per_source_cps and per_source_prefix6: numbers" {
	assert_right 'per_source_cps = 5'
	assert_right 'per_source_prefix6 = 128'
	assert_wrong 'per_source_prefix6 = 0' 'per_source_prefix6: 0 is out of range, 1 to 128'
	assert_wrong 'per_source_prefix6 = 129' 'per_source_prefix6: 129 is out of range, 1 to 128'
}

@test "cps: a rate and seconds, or 0" {
	assert_right 'cps = 25 30'
	assert_right 'cps = 0'
	assert_right 'cps = 0 10'
	assert_wrong 'cps = 25' 'cps: needs a rate and the seconds to stay shut past it'
	assert_wrong 'cps = 1 2 3' "cps: too many values, from '3' on"
	assert_wrong 'cps = a b' "cps: 'a' is not a number"
}

@test "max_load: a load" {
	assert_right 'max_load = 2.5'
	assert_right 'max_load = 0'
	assert_right 'max_load = .5'
	assert_wrong 'max_load = high' "max_load: 'high' is not a load, such as 2 or 2.5"
	assert_wrong 'max_load = -1' "max_load: '-1' is not a load, such as 2 or 2.5"
	assert_wrong 'max_load = 1.5.2' "max_load: '1.5.2' is not a load, such as 2 or 2.5"
}

@test "on_limit and stderr: one of two words" {
	assert_right 'on_limit = wait'
	assert_right 'stderr = log'
	assert_wrong 'on_limit = drop' "on_limit: 'drop' is none of refuse, wait"
	assert_wrong 'stderr = none' "stderr: 'none' is none of client, log"
}

@test "access_times: spans within a day" {
	assert_right 'access_times = 0:00-23:59'
	assert_right 'access_times = 08:00-12:00 13:30-18:00'
	assert_wrong 'access_times = 22:00-06:00' \
		"access_times: '22:00-06:00' ends before it begins; write two spans"
	for value in 8-12 8:00 08:00-24:00 8:0-9:00 8:60-9:00 8:00-9:00x 100:00-101:00; do
		assert_wrong "access_times = $value" "access_times: '$value' is not H:MM-H:MM"
	done
}

@test "only_from, no_access and proxy_from: addresses, as prefixes" {
	for name in only_from no_access proxy_from; do
		assert_right "$name =" "$name ="
		assert_right "$name = 10.1.2.3 10.0.0.0/8 2001:db8::/32 ::1" \
			"$name = 10.1.2.3/32 10.0.0.0/8 2001:db8::/32 ::1/128"
		assert_wrong "$name = 10.0.0.0/33" "$name: '10.0.0.0/33': the prefix length is a number up to 32"
		assert_wrong "$name = ::/129" "$name: '::/129': the prefix length is a number up to 128"
	done
}

@test "addresses: what cannot be read is an error" {
	for value in 256.1.1.1 1.2.3.4.5 10.0.0 '*' - '1.2.3.4,' ::1::2 '10.0.0.1,10.0.0.2' 10.0.0.0/ 10.0.0.0/x /8; do
		service a "only_from = $value" >"$CONF"
		check
		[ "$status" -eq 1 ] || fail "$value is taken"
		[[ $stderr == conf:*': only_from: '* ]] || fail "$stderr"
	done
}

@test "addresses: braces that are not A.B.C.{D,E} are an error" {
	for value in '10.0.0.{1,2' '10.0.0.{}' '10.0.0.{1,,2}' '10.0.0.{256}' '{1,2}.0.0.1' '10.{1,2}.0.1' '10.0.0.{a}'; do
		assert_wrong "only_from = $value" "only_from: '$value' is not A.B.C.{D,E}"
	done
}

@test "addresses: += and -= by the word" {
	service a 'only_from = 10.0.0.1 10.0.0.2' 'only_from += 10.0.0.3' 'only_from -= 10.0.0.1' >"$CONF"
	check
	assert_success
	grep -qx 'only_from = 10.0.0.2/32 10.0.0.3/32' <<<"$(squeeze "$output")"
}

@test "log_type: SYSLOG with a facility and a level, FILE with a path and sizes" {
	assert_right 'log_type = SYSLOG daemon'
	assert_right 'log_type = SYSLOG local7 debug'
	assert_right 'log_type = FILE /var/log/some'
	assert_right 'log_type = FILE /var/log/some 1000 2000'
	assert_right 'log_type = FILE /var/log/some 2K 1M'
	assert_wrong 'log_type = SYSLOG nosuch' 'log_type: SYSLOG needs a facility, such as daemon'
	assert_wrong 'log_type = SYSLOG daemon nosuch' "log_type: 'nosuch' is not a syslog level"
	assert_wrong 'log_type = PRINTER /dev/lp' "log_type: 'PRINTER' is neither SYSLOG nor FILE"
	service a 'log_type = FILE /var/log/some 2000 1000' >"$CONF"
	check
	assert_failure 1
}

@test "log_on_success and log_on_failure: words, or none" {
	assert_right 'log_on_success = PID HOST USERID EXIT DURATION TRAFFIC'
	assert_right 'log_on_failure = HOST USERID ATTEMPT'
	assert_right 'log_on_success ='
	assert_wrong 'log_on_success = NOSUCH' "log_on_success: 'NOSUCH' is none of PID, HOST, USERID, EXIT, DURATION, TRAFFIC"
	assert_wrong 'log_on_failure = PID' "log_on_failure: 'PID' is none of HOST, USERID, ATTEMPT"
}

@test "redirect: a host and a port, for streams with wait = no" {
	assert_right 'redirect = 127.0.0.1 80'
	assert_wrong 'redirect = 127.0.0.1' 'redirect: needs more values'
	service a 'redirect = 127.0.0.1 80' 'wait = yes' >"$CONF"
	check
	[[ $stderr == conf:*': redirect: only for a stream service with wait = no' ]]
}

@test "banners: a file, which is read at once" {
	echo hello >"$BATS_TEST_TMPDIR/banner"
	for name in banner banner_success banner_fail; do
		assert_right "$name = $BATS_TEST_TMPDIR/banner"
	done
}

@test "banners: a file that is not there is warned about, and shuts no door" {
	service a 'banner_fail = /nosuch/banner' >"$CONF"
	check
	assert_success
	[[ $stderr == conf:*': warning: banner_fail: /nosuch/banner: No such file or directory' ]]
}

@test "banners: a long one is cut, with a warning" {
	head -c 20000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/banner"
	service a "banner = $BATS_TEST_TMPDIR/banner" >"$CONF"
	check
	assert_success
	[[ $stderr == conf:*": warning: banner: $BATS_TEST_TMPDIR/banner: cut at 16384 bytes" ]]
}

@test "deny_time: minutes, FOREVER or NEVER" {
	assert_right 'deny_time = 5'
	assert_right 'deny_time = FOREVER'
	assert_wrong 'deny_time = long' "deny_time: 'long' is not a number"
}

@test "time_limit, drain_time, linger, backlog: numbers" {
	for name in time_limit drain_time linger backlog; do
		assert_right "$name = 7"
		assert_wrong "$name = x" "$name: 'x' is not a number"
		assert_wrong "$name = -1" "$name: -1 is out of range, 0 to 2147483647"
	done
}

@test "socket_mode and socket_user: of a path" {
	assert_right 'socket_mode = 0666'
	assert_right 'socket_user = nobody:daemon'
	assert_wrong 'socket_mode = 8' "socket_mode: '8' is not an octal number up to 777"
	assert_wrong 'socket_user = nosuch-user' "socket_user: unknown user 'nosuch-user'"
}

@test "no_new_privs, directory, chroot" {
	assert_right 'no_new_privs = yes'
	assert_right 'directory = /tmp'
	assert_wrong 'no_new_privs = 2' "no_new_privs: '2' is none of yes, no"
	mkdir -p "$BATS_TEST_TMPDIR/root/bin"
	cp /bin/true "$BATS_TEST_TMPDIR/root/bin/true"
	service a "chroot = $BATS_TEST_TMPDIR/root" 'server = /bin/true' >"$CONF"
	check
	assert_success
	service a "chroot = $BATS_TEST_TMPDIR/root" 'server = /bin/cat' >"$CONF"
	check
	assert_failure 1
}

# What -A says an attribute takes is what a file takes.
@test "every attribute is taken by defaults and by services as its row says" {
	"$SUPERD" -A | while IFS=$'\t' read -r name _ _ scope _ _; do
		printf 'defaults\n{\n%s = \n}\n' "$name" >"$CONF"
		check
		if [ "$scope" = service ]; then
			[[ $stderr == *': not an attribute of defaults'* ]] || fail "$name in defaults: $stderr"
		else
			[[ $stderr != *'attribute of defaults'* ]] || fail "$name in defaults: $stderr"
		fi
		service a "$name =" >"$CONF"
		check
		if [ "$scope" = defaults ]; then
			[[ $stderr == *': an attribute of defaults only'* ]] || fail "$name in a service: $stderr"
		else
			[[ $stderr != *'attribute of defaults'* && $stderr != *unknown* ]] || fail "$name in a service: $stderr"
		fi
	done
}

@test "every attribute takes the operators that its row says, and no other" {
	"$SUPERD" -A | while IFS=$'\t' read -r name operators _; do
		for operator in += -=; do
			printf 'defaults\n{\n%s %s x\n}\nservice a\n{\n%s %s x\n}\n' "$name" "$operator" "$name" "$operator" >"$CONF"
			check
			if [[ $operators == *"$operator"* ]]; then
				[[ $stderr != *"takes only"* ]] || fail "$name $operator: $stderr"
			else
				[[ $stderr == *"takes only '='"* ]] || fail "$name $operator: $stderr"
			fi
		done
	done
}

@test "attributes that do not go together" {
	service a 'flags = NAMEINARGS' >"$CONF"
	check
	[[ $stderr == conf:*': flags: NAMEINARGS needs the name in server_args' ]]
	service a 'protocol = nosuch' 'socket_type = raw' 'wait = yes' >"$CONF"
	check
	[[ $stderr == conf:*": protocol: unknown protocol 'nosuch'" ]]
	service a 'socket_type = raw' 'wait = yes' >"$CONF"
	check
	[[ $stderr == conf:*': protocol: missing, which this socket_type needs' ]]
	service a 'socket_type = raw' 'protocol = icmp' 'wait = yes' 'bind = /a/path' >"$CONF"
	check
	[[ $stderr == conf:*': bind: /a/path: a raw socket has no path' ]]
	service a 'wait = yes' 'only_from = 127.0.0.1' >"$CONF"
	check
	[[ $stderr == conf:*': only_from: the program accepts by itself (wait = yes), so superd cannot know who comes' ]]
	service a 'socket_type = dgram' 'wait = yes' 'no_access = .example.test' >"$CONF"
	check
	[[ $stderr == conf:*': no_access: a .domain is not for datagrams' ]]
}
