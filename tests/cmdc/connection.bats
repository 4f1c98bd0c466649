# SPDX-License-Identifier: ISC
# How cmdc connects to a server, and its errors where it cannot.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/client

# hosts HOST ADDRESS...: build a library that makes HOST resolve to these addresses, in this order, for programs that have it
# in LD_PRELOAD. Sets HOSTS.
hosts() {
	HOSTS=$BATS_TEST_TMPDIR/hosts.so
	cat >"$BATS_TEST_TMPDIR/hosts.c" <<-'END'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <netdb.h>
		#include <string.h>

		static const char *const addresses[] = {ADDRESSES};

		int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list)
		{
			int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
				dlsym(RTLD_NEXT, "getaddrinfo");

			if (strcmp(host, HOST) != 0)
				return real(host, port, hints, list);
			for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
				if (real(addresses[i], port, hints, list) != 0)
					return EAI_FAIL;
				list = &(*list)->ai_next;
			}
			return 0;
		}
	END
	gcc -shared -fPIC -DHOST="\"$1\"" -DADDRESSES="$(printf '"%s",' "${@:2}")" -o "$HOSTS" \
		"$BATS_TEST_TMPDIR/hosts.c" -ldl
}

# preloaded COMMAND...: run it with that library. The address sanitizer accepts that it is not loaded first.
preloaded() {
	ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$HOSTS timeout "$WAIT_SECONDS" "$@"
}

@test "cmdc address: no -h, cmdc connects to localhost" {
	start_server - accept line 'send:ok<>here\n' close
	run timeout "$WAIT_SECONDS" "$CMDC" -p "$PORT" echo here
	assert_success
	assert_output here
}

@test "cmdc address: -h with an IPv6 address, cmdc connects to it" {
	needs ipv6
	start_server -h ::1 - accept line 'send:ok<>here\n' close
	run timeout "$WAIT_SECONDS" "$CMDC" -h ::1 -p "$PORT" echo here
	assert_success
	assert_output here
}

@test "cmdc address: -h with an IPv6 address in brackets, cmdc connects to it" {
	needs ipv6
	start_server -h ::1 - accept line 'send:ok<>here\n' close
	run timeout "$WAIT_SECONDS" "$CMDC" -h '[::1]' -p "$PORT" echo here
	assert_success
	assert_output here
	run --separate-stderr timeout "$WAIT_SECONDS" "$CMDC" -h '[::1]' -p 1 echo here
	assert_failure 3
	assert_equal "$stderr" 'cmdc: ::1 port 1: Connection refused'
}

@test "cmdc address: -h with brackets around nothing, cmdc exits with status 2" {
	run --separate-stderr "$CMDC" -h '[]' time
	assert_failure 2
	assert_equal "${stderr_lines[0]}" 'cmdc: -h: HOST is empty'
}

@test "cmdc address: -h with one bracket only, it is a name that does not resolve" {
	local host
	for host in '[::1' '::1]' '['; do
		run --separate-stderr timeout 60 "$CMDC" -h "$host" time
		assert_failure 3
		assert_regex "$stderr" '^cmdc: .* port 10100: .'
	done
}

@test "cmdc address: -h with a path, cmdc connects to the UNIX-domain socket" {
	start_server "$BATS_TEST_TMPDIR/socket" accept line 'send:ok<>here\n' close
	run timeout "$WAIT_SECONDS" "$CMDC" -h "$BATS_TEST_TMPDIR/socket" echo here
	assert_success
	assert_output here
}

@test "cmdc address: -p with the name of a service, cmdc connects to its port" {
	needs /etc/services
	run --separate-stderr timeout "$WAIT_SECONDS" "$CMDC" -h 127.0.0.1 -p tcpmux time
	assert_failure 3
	assert_equal "$stderr" 'cmdc: 127.0.0.1 port tcpmux: Connection refused'
}

@test "cmdc connection: nothing listens at the port, cmdc exits with status 3" {
	run --separate-stderr timeout "$WAIT_SECONDS" "$CMDC" -h 127.0.0.1 -p 1 time
	assert_failure 3
	assert_output ''
	assert_equal "$stderr" 'cmdc: 127.0.0.1 port 1: Connection refused'
}

@test "cmdc connection: the socket's path does not exist, cmdc exits with status 3" {
	run --separate-stderr "$CMDC" -h /nonexistent/socket time
	assert_failure 3
	assert_equal "$stderr" 'cmdc: /nonexistent/socket: No such file or directory'
}

@test "cmdc connection: the path is too long for a socket, cmdc exits with status 3" {
	local path
	path=/$(head -c 200 /dev/zero | tr '\0' x)
	run --separate-stderr "$CMDC" -h "$path" time
	assert_failure 3
	assert_regex "$stderr" "^cmdc: $path: a socket's path may have [0-9]+ bytes\$"
}

@test "cmdc connection: the host name does not resolve, cmdc exits with status 3" {
	run --separate-stderr timeout 60 "$CMDC" -h host.invalid time
	assert_failure 3
	assert_regex "$stderr" '^cmdc: host.invalid port 10100: .'
}

@test "cmdc connection: the first address of a name refuses, cmdc connects to the next (glibc)" {
	hosts several ::1 127.0.0.2 127.0.0.1
	start_server - accept line 'send:ok<>here\n' close
	run --separate-stderr preloaded "$CMDC" -h several -p "$PORT" echo here
	assert_success
	assert_output here
	assert_equal "$stderr" ''
}

@test "cmdc connection: the first address of a name does not answer in its share of the time, cmdc connects to the next (glibc)" {
	needs root
	hosts several 127.0.0.2 127.0.0.1
	start_server -h 127.0.0.2 -b 0 - fill hold
	wait_for_server_line '(full)'
	start_server -p "$PORT" - accept line 'send:ok<>here\n' close
	# Half of the time belongs to the second address: cmdc leaves the first after 6 seconds, not after 12.
	run --separate-stderr preloaded timeout 10 "$CMDC" -t 12 -h several -p "$PORT" echo here
	assert_success
	assert_output here
}

@test "cmdc connection: the only address does not answer, cmdc exits with status 3 when the time is over" {
	start_server -b 0 - fill hold
	wait_for_server_line '(full)'
	run --separate-stderr run_cmdc -t 1 echo here
	assert_failure 3
	assert_regex "$stderr" "^cmdc: 127\.0\.0\.1 port $PORT: (Connection|Operation) timed out\$"
}

@test "cmdc connection: every address of a name refuses, cmdc names each with its error (glibc)" {
	needs ipv6
	hosts several ::1 127.0.0.1
	run --separate-stderr preloaded "$CMDC" -h several -p 1 time
	assert_failure 3
	assert_equal "$stderr" 'cmdc: several port 1: ::1: Connection refused, 127.0.0.1: Connection refused'
}

@test "cmdc connection: a UNIX-domain server has a full backlog, cmdc waits for it" {
	local socket=$BATS_TEST_TMPDIR/socket
	start_server -b 0 "$socket" fill "file:$BATS_TEST_TMPDIR/go" drain accept line 'send:ok<>here\n' close
	wait_for_server_line '(full)'
	start_background timeout "$WAIT_SECONDS" "$CMDC" -h "$socket" echo here >"$BATS_TEST_TMPDIR/out"
	: >"$BATS_TEST_TMPDIR/go"
	wait "$BG_PID"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/out")" here
}

@test "cmdc connection: the backlog of a UNIX-domain server stays full, cmdc exits with status 3 when the time is over" {
	start_server -b 0 "$BATS_TEST_TMPDIR/socket" fill hold
	wait_for_server_line '(full)'
	run --separate-stderr timeout "$WAIT_SECONDS" "$CMDC" -t 1 -h "$BATS_TEST_TMPDIR/socket" time
	assert_failure 3
	assert_regex "$stderr" "^cmdc: $BATS_TEST_TMPDIR/socket: (Connection|Operation) timed out\$"
}
