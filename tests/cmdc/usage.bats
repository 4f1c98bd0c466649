# SPDX-License-Identifier: ISC
# cmdc's options, and requests that the protocol cannot carry: cmdc rejects them before it connects.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/client

# assert_usage_error ARGUMENT...: cmdc exits with status 2. Nothing listens at port 1, so it has not tried to connect.
assert_usage_error() {
	run --separate-stderr "$CMDC" -h 127.0.0.1 -p 1 "$@"
	assert_failure 2
	assert_output ''
}

@test "cmdc usage: -V, cmdc prints the version" {
	run --separate-stderr "$CMDC" -V
	assert_success
	assert_output --regexp '^cmdc [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "usage: --help and --version, superd, cmd and cmdc print them to stdout" {
	for program in "$SUPERD" "$CMD" "$CMDC"; do
		run -0 --separate-stderr "$program" --version
		assert_output "$("$program" -V)"
		run -0 --separate-stderr "$program" --help
		assert_line --index 0 --partial "usage: ${program##*/} "
	done
}

@test "cmdc usage: -V and stdout is a full disk, cmdc exits with status 3" {
	run --separate-stderr bash -c '"$1" -V >/dev/full' - "$CMDC"
	assert_failure 3
	assert_equal "$stderr" 'cmdc: standard output: No space left on device'
}

@test "cmdc usage: an unknown option, cmdc names it and prints the usage" {
	assert_usage_error -x
	assert_equal "${stderr_lines[0]}" 'cmdc: no such option: -x'
	assert_regex "${stderr_lines[1]}" '^usage: cmdc '
}

@test "cmdc usage: an option without its value, cmdc names it and prints the usage" {
	assert_usage_error -p
	assert_equal "${stderr_lines[0]}" 'cmdc: -p needs a value'
	assert_regex "${stderr_lines[1]}" '^usage: cmdc '
}

@test "cmdc usage: -p with neither a port nor a service, cmdc exits with status 2" {
	local port
	for port in 0 65536 99999999999999999999 -1 1x nosuchservice ''; do
		assert_usage_error -p "$port"
		assert_equal "${stderr_lines[0]}" "cmdc: -p $port: neither a port from 1 to 65535 nor the name of a TCP service"
	done
}

@test "cmdc usage: -t with anything but seconds from 0 to 86400, cmdc exits with status 2" {
	local seconds
	for seconds in -1 86401 99999999999999999999 1s 1.5 ''; do
		assert_usage_error -t "$seconds"
		assert_equal "${stderr_lines[0]}" "cmdc: -t $seconds: not a number of seconds from 0 to 86400"
	done
}

@test "cmdc usage: -h with an empty host, cmdc exits with status 2" {
	assert_usage_error -h ''
	assert_equal "${stderr_lines[0]}" 'cmdc: -h: HOST is empty'
}

@test "cmdc usage: an empty NAME, cmdc exits with status 2" {
	assert_usage_error '' argument
	assert_equal "$stderr" 'cmdc: NAME is empty'
}

@test "cmdc usage: a NAME that holds <>, cmdc exits with status 2" {
	local meant="is \`cmdc echo 'a b'\` meant?"
	assert_usage_error 'echo<>a b'
	assert_equal "$stderr" "cmdc: NAME holds \`<>\`, which only the last argument may: $meant"
	assert_usage_error 'echo<>a b' c
	assert_equal "$stderr" "cmdc: NAME holds \`<>\`, which only the last argument may: $meant"
}

@test "cmdc usage: an argument before the last that holds <>, cmdc exits with status 2" {
	assert_usage_error echo a 'b<>' c
	assert_equal "$stderr" 'cmdc: argument 2 holds `<>`, which only the last argument may'
}

@test "cmdc usage: a last argument that holds <>, cmdc sends it" {
	start_server - accept line 'send:ok\n' close
	run_cmdc echo a 'b<>c<>'
	wait_for_server_line 'echo<>a<>b<>c<>'
}

@test "cmdc usage: a newline in NAME or in an argument, cmdc exits with status 2" {
	assert_usage_error $'ti\nme'
	assert_equal "$stderr" 'cmdc: NAME holds a newline, and a request is one line'
	assert_usage_error echo $'a\n' b
	assert_equal "$stderr" 'cmdc: argument 1 holds a newline, and a request is one line'
	assert_usage_error echo a $'\nb'
	assert_equal "$stderr" 'cmdc: argument 2 holds a newline, and a request is one line'
}

@test "cmdc usage: a CR at the end of the line, cmdc exits with status 2" {
	assert_usage_error echo $'a\r'
	assert_equal "$stderr" 'cmdc: argument 1 ends in a carriage return, which is dropped at the end of a line'
	assert_usage_error $'time\r'
	assert_equal "$stderr" 'cmdc: NAME ends in a carriage return, which is dropped at the end of a line'
}

@test "cmdc usage: a CR elsewhere, cmdc sends it" {
	start_server - accept line 'send:ok\n' close
	run_cmdc echo $'a\r' $'\rb'
	wait_for_server_line $'echo<>a\r<>\rb'
}
