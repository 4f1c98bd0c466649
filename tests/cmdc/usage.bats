# cmdc: the options, and what the protocol cannot say, which is refused before a connection is made.
#
# shellcheck disable=SC2016,SC2154 # what is said in backticks; what run sets

load ../lib/client

# Nothing listens at port 1, so status 2 says that no connection was tried.
assert_usage_error() {
	run --separate-stderr "$CMDC" -h 127.0.0.1 -p 1 "$@"
	assert_failure 2
	assert_output ''
}

@test "-V prints the version" {
	run --separate-stderr "$CMDC" -V
	assert_success
	assert_output --regexp '^cmdc [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "-V into a full disk is status 3" {
	run --separate-stderr bash -c '"$1" -V >/dev/full' - "$CMDC"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard output: No space left on device'
}

@test "an unknown option is named, and the usage follows" {
	assert_usage_error -x
	assert_equal "${stderr_lines[0]}" 'cmdc: no such option: -x'
	assert_regex "${stderr_lines[1]}" '^usage: cmdc '
}

@test "an option without its value is named, and the usage follows" {
	assert_usage_error -p
	assert_equal "${stderr_lines[0]}" 'cmdc: -p needs a value'
	assert_regex "${stderr_lines[1]}" '^usage: cmdc '
}

@test "a port is a number from 1 to 65535 or the name of a service" {
	local port
	for port in 0 65536 99999999999999999999 -1 1x nosuchservice ''; do
		assert_usage_error -p "$port"
		assert_equal "${stderr_lines[0]}" "cmdc: -p $port: neither a port from 1 to 65535 nor the name of a TCP service"
	done
}

@test "a time-out is a number of seconds" {
	local seconds
	for seconds in -1 86401 99999999999999999999 1s 1.5 ''; do
		assert_usage_error -t "$seconds"
		assert_equal "${stderr_lines[0]}" "cmdc: -t $seconds: not a number of seconds from 0 to 86400"
	done
}

@test "an empty HOST is wrong usage" {
	assert_usage_error -h ''
	assert_equal "${stderr_lines[0]}" 'cmdc: -h: HOST is empty'
}

@test "an empty NAME is refused" {
	assert_usage_error '' argument
	assert_equal "$stderr" 'cmdc: NAME is empty'
}

@test "<> in NAME is refused, also where it is the only argument" {
	assert_usage_error 'echo<>a'
	assert_equal "$stderr" 'cmdc: NAME holds `<>`, which only the last argument may'
	assert_usage_error 'echo<>a' b
	assert_equal "$stderr" 'cmdc: NAME holds `<>`, which only the last argument may'
}

@test "<> in an argument that is not the last is refused" {
	assert_usage_error echo a 'b<>' c
	assert_equal "$stderr" 'cmdc: argument 2 holds `<>`, which only the last argument may'
}

@test "<> in the last argument is sent" {
	start_server - accept line 'send:ok\n' close
	run_cmdc echo a 'b<>c<>'
	wait_for_server_line 'echo<>a<>b<>c<>'
}

@test "a newline is refused anywhere" {
	assert_usage_error $'ti\nme'
	assert_equal "$stderr" 'cmdc: NAME holds a newline, and a request is one line'
	assert_usage_error echo $'a\n' b
	assert_equal "$stderr" 'cmdc: argument 1 holds a newline, and a request is one line'
	assert_usage_error echo a $'\nb'
	assert_equal "$stderr" 'cmdc: argument 2 holds a newline, and a request is one line'
}

@test "a carriage return at the very end is refused" {
	assert_usage_error echo $'a\r'
	assert_equal "$stderr" 'cmdc: argument 1 ends in a carriage return, which is dropped at the end of a line'
	assert_usage_error $'time\r'
	assert_equal "$stderr" 'cmdc: NAME ends in a carriage return, which is dropped at the end of a line'
}

@test "a carriage return elsewhere is sent" {
	start_server - accept line 'send:ok\n' close
	run_cmdc echo $'a\r' $'\rb'
	wait_for_server_line $'echo<>a\r<>\rb'
}
