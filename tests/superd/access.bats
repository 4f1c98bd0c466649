# Who may connect: only_from, no_access, and what a client is told.

load ../lib/superd
load ../lib/client

# A client from an address gets `hello` back, or nothing.
assert_served() {
	[ "$(printf 'hello\n' | timeout "$WAIT_SECONDS" nc -N -s "$1" 127.0.0.1 "$PORT")" = hello ]
}

assert_refused() {
	run "$CLIENT" -s "$1" "$PORT" all
	assert_success
	assert_output "${2:-}"
}

@test "only_from lets in whom it names, and nobody else" {
	start_superd -p 0 -b 127.0.0.1 -o 'only_from=127.0.0.2 127.0.1.0/24' cat
	assert_served 127.0.0.2
	assert_served 127.0.1.77
	assert_refused 127.0.0.1
	wait_for_line '^superd: FAIL: cat address from=127\.0\.0\.1$'
	has_children 0
}

@test "a refusal by address is said each time" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=127.0.0.2 cat
	assert_refused 127.0.0.1
	assert_refused 127.0.0.1
	assert_refused 127.0.0.3
	wait_for_line 'address from=127\.0\.0\.3$'
	[ "$(grep -c 'FAIL: cat address from=' "$LOG")" -eq 3 ]
}

@test "only_from that is set but empty lets nobody in" {
	start_superd -p 0 -b 127.0.0.1 -o only_from= cat
	assert_refused 127.0.0.1
	wait_for_line 'FAIL: cat address from=127\.0\.0\.1$'
}

@test "no_access shuts out whom it names" {
	start_superd -p 0 -b 127.0.0.1 -o no_access=127.0.0.2 cat
	assert_served 127.0.0.1
	assert_refused 127.0.0.2
	wait_for_line 'FAIL: cat address from=127\.0\.0\.2$'
}

@test "no_access wins over only_from, even when only_from is narrower" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=127.0.0.2 -o no_access=127.0.0.0/8 cat
	assert_refused 127.0.0.2
}

@test "trailing zero octets are wildcards" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=127.9.0.0 cat
	assert_served 127.9.8.7
	assert_refused 127.0.0.1
}

@test "0.0.0.0 is everyone" {
	start_superd -p 0 -o only_from=0.0.0.0 cat
	assert_served 127.0.0.1
}

@test "addresses may be factorised" {
	start_superd -p 0 -b 127.0.0.1 -o 'only_from=127.0.0.{2,5}' cat
	assert_served 127.0.0.2
	assert_served 127.0.0.5
	assert_refused 127.0.0.3
}

@test "an address is matched as IPv4 when it comes in IPv6's clothes" {
	start_superd -p 0 -b :: -o only_from=127.0.0.1 cat
	assert_served 127.0.0.1
	run "$CLIENT" -h ::1 "$PORT" all
	assert_output ''
	wait_for_line 'FAIL: cat address from=::1$'
}

@test "IPv6 addresses and prefixes are matched" {
	start_superd -p 0 -b ::1 -o only_from=::1/128 cat
	run ask "$PORT" ::1 <<<hello
	assert_output hello
	stop_superd
	start_superd -p 0 -b ::1 -o only_from=2001:db8::/32 cat
	run "$CLIENT" -h ::1 "$PORT" all
	assert_output ''
}

@test "a host name is resolved at start" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=localhost cat
	assert_served 127.0.0.1
	assert_refused 127.0.0.2
}

@test "a host name that does not resolve is warned about and matches nobody" {
	start_superd -p 0 -b 127.0.0.1 -o only_from=nosuch.invalid cat
	wait_for_line '^superd: warning: .*nosuch\.invalid'
	assert_refused 127.0.0.1
}

@test "banner is shown to who is let in, before the program speaks" {
	echo 'Welcome.' >"$BATS_TEST_TMPDIR/banner"
	start_superd -p 0 -o "banner=$BATS_TEST_TMPDIR/banner" cat
	run ask "$PORT" <<<hello
	assert_output $'Welcome.\nhello'
}

@test "banner is shown to who is refused, too" {
	echo 'Welcome.' >"$BATS_TEST_TMPDIR/banner"
	start_superd -p 0 -b 127.0.0.1 -o "banner=$BATS_TEST_TMPDIR/banner" -o only_from= cat
	assert_refused 127.0.0.1 'Welcome.'
}

@test "banner_success is for who is let in, banner_fail for who is not" {
	echo 'Come in.' >"$BATS_TEST_TMPDIR/in"
	echo 'Go away.' >"$BATS_TEST_TMPDIR/out"
	start_superd -p 0 -b 127.0.0.1 -o "banner_success=$BATS_TEST_TMPDIR/in" \
		-o "banner_fail=$BATS_TEST_TMPDIR/out" -o only_from=127.0.0.2 cat
	run "$CLIENT" -s 127.0.0.2 "$PORT" shut all
	assert_output 'Come in.'
	assert_refused 127.0.0.1 'Go away.'
}

@test "a banner is read at start" {
	echo 'as it was' >"$BATS_TEST_TMPDIR/banner"
	start_superd -p 0 -o "banner=$BATS_TEST_TMPDIR/banner" cat
	echo 'changed' >"$BATS_TEST_TMPDIR/banner"
	run ask "$PORT" </dev/null
	assert_output 'as it was'
}

@test "who is refused over the limit sees banner_fail" {
	echo 'Full.' >"$BATS_TEST_TMPDIR/full"
	start_superd -p 0 -o instances=0 -o on_limit=refuse -o "banner_fail=$BATS_TEST_TMPDIR/full" cat
	run "$CLIENT" "$PORT" all
	assert_output 'Full.'
}

@test "a refused client that has already spoken gets banner_fail and a clean close, not a reset" {
	echo 'Go away.' >"$BATS_TEST_TMPDIR/out"
	start_superd -p 0 -b 127.0.0.1 -o only_from= -o "banner_fail=$BATS_TEST_TMPDIR/out" cat
	# While superd is stopped the kernel takes the connections, and what is sent on them.
	kill -STOP "$SUPERD_PID"
	start_background "$CLIENT" -c 20 "$PORT" 'send:hello\n' "file:$BATS_TEST_TMPDIR/sent" all >"$BATS_TEST_TMPDIR/replies"
	# Column 1 of ss(8) is what has arrived and is not read.
	all_have_spoken() {
		[ "$(ss -tnH state established "( sport = :$PORT )" | awk '$1 == 6' | wc -l)" -eq 20 ]
	}
	wait_until all_have_spoken
	kill -CONT "$SUPERD_PID"
	touch "$BATS_TEST_TMPDIR/sent"
	wait "$BG_PID"
	[ "$(grep -c '^Go away\.$' "$BATS_TEST_TMPDIR/replies")" -eq 20 ]
	run grep reset "$BATS_TEST_TMPDIR/replies"
	assert_failure
}
