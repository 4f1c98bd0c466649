# SPDX-License-Identifier: ISC
# The files of xinetd.d/ under xinetd and under superd. In the copies that these read, the port is a free one, the server is in
# the test's folder, or /bin/cat where the server may not be installed, and every service is enabled.

load ../lib/superd
load ../lib/client

setup() {
	# xinetd runs the server as nobody, a user that cannot enter the checkout or bats's own folder.
	PUBLIC=$(mktemp -d)
	mkdir "$PUBLIC/xinetd.d"
	cp "$CMD" "$PUBLIC/cmd"
	chmod -R a+rX "$PUBLIC"
	XINETD_LOG=$BATS_TEST_TMPDIR/xinetd.log
	printf 'includedir %s/xinetd.d\n' "$PUBLIC" >"$PUBLIC/xinetd.conf"
}

teardown() {
	remove_public_folder
}

# copy_entry NAME PORT SERVER: write a copy of that file, enabled, with this port and this server.
copy_entry() {
	sed -e '/^[[:space:]]*\(type\|port\)[[:space:]]*=/d' \
		-e "s|^\([[:space:]]*server[[:space:]]*=\).*|\1 $3|" \
		-e "s|^\([[:space:]]*disable[[:space:]]*=\).*|\1 no\n\ttype = UNLISTED\n\tport = $2|" \
		"$ROOT/xinetd.d/$1" >"$PUBLIC/xinetd.d/$1"
}

# start_xinetd: start xinetd with these copies, and wait until it serves.
start_xinetd() {
	start_background /usr/sbin/xinetd -dontfork -f "$PUBLIC/xinetd.conf" -filelog "$XINETD_LOG" \
		-pidfile "$BATS_TEST_TMPDIR/xinetd.pid" </dev/null
	wait_for_line 'Started working' "$XINETD_LOG"
}

# requests: print requests of every kind, whose replies are the same each time.
requests() {
	printf 'echo<>a<>b\nprintf<>hello!!\n\nnosuch\nprintf\nhelp\nversion\necho<>\r\nexit\n'
}

@test "xinetd.d/cmd: the file, only the port and the server's path need a change and it is enabled" {
	copy_entry cmd 10100 /usr/local/bin/cmd
	run diff <(grep -v '^[[:space:]]*\(#\|$\)' "$ROOT/xinetd.d/cmd" | tr -d '[:blank:]' | sort) \
		<(grep -v '^[[:space:]]*\(#\|$\)' "$PUBLIC/xinetd.d/cmd" | tr -d '[:blank:]' | sort)
	assert_success
}

@test "xinetd.d/cmd: xinetd serves it, the replies are the same as from a pipe" {
	needs root
	port=$(free_port)
	copy_entry cmd "$port" "$PUBLIC/cmd"
	start_xinetd
	requests >"$BATS_TEST_TMPDIR/session"
	"$CMD" <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/expected" 2>/dev/null
	ask "$port" <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/got"
	run diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/got"
	assert_success
	[ -s "$BATS_TEST_TMPDIR/got" ]
}

@test "xinetd.d/cmd: xinetd serves it, the client does not receive the screen's text" {
	needs root
	port=$(free_port)
	copy_entry cmd "$port" "$PUBLIC/cmd"
	start_xinetd
	run ask "$port" <<<'printf<>hello!!'
	assert_output 'ok<>hello!!'
}

@test "xinetd.d/cmd: xinetd serves it, IPv6 clients get replies" {
	needs root ipv6
	port=$(free_port)
	copy_entry cmd "$port" "$PUBLIC/cmd"
	start_xinetd
	run ask "$port" ::1 <<<'echo<>six'
	assert_output 'ok<>six'
}

@test "xinetd.d/cmd: xinetd serves it, cmd takes the client's address from the socket" {
	needs root
	port=$(free_port)
	copy_entry cmd "$port" "$PUBLIC/cmd"
	start_xinetd
	run ask "$port" <<<'peer'
	assert_output --regexp '^ok<>127\.0\.0\.1<>[0-9]+$'
}

@test "xinetd.d/cmd: xinetd serves it, cmd runs as nobody" {
	needs root
	port=$(free_port)
	copy_entry cmd "$port" "$PUBLIC/cmd"
	start_xinetd
	start_background "$CLIENT" "$port" hold
	wait_until pgrep -u nobody -f '^cmd ' -P "$(cat "$BATS_TEST_TMPDIR/xinetd.pid")"
}

@test "xinetd.d: git, rsync and health, they are disabled" {
	for name in git rsync health; do
		run grep -E '^\s*disable\s*=\s*yes$' "$ROOT/xinetd.d/$name"
		assert_success
	done
}

@test "xinetd.d: every file, xinetd reads it without a warning" {
	needs pgrep python3
	copy_entry cmd "$(free_port)" "$PUBLIC/cmd"
	copy_entry git "$(free_port)" /bin/cat
	copy_entry rsync "$(free_port)" /bin/cat
	copy_entry health "$(free_port)" /bin/cat
	start_xinetd
	wait_for_line 'Started working: 4 available services' "$XINETD_LOG"
	run grep -E 'ERROR|WARNING' "$XINETD_LOG"
	assert_failure
}

@test "xinetd.d/health: xinetd serves it, the reply is 200 with the output of the check" {
	needs root
	port=$(free_port)
	cp "$ROOT/share/health" "$PUBLIC/health"
	copy_entry health "$port" "$PUBLIC/health"
	sed -i 's/server_args.*/server_args = echo fine/' "$PUBLIC/xinetd.d/health"
	start_xinetd
	run ask "$port" < <(printf 'GET / HTTP/1.1\r\nHost: here\r\n\r\n')
	assert_line --index 0 $'HTTP/1.1 200 OK\r'
	assert_line --index 3 $'Content-Length: 5\r'
	assert_line 'fine'
}

@test "xinetd.d/cmd: superd serves it, the replies are the same as from a pipe" {
	needs root
	port=$(free_port)
	copy_entry cmd "$port" "$PUBLIC/cmd"
	start_superd -c "$PUBLIC/xinetd.d"
	requests >"$BATS_TEST_TMPDIR/session"
	"$CMD" <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/expected" 2>/dev/null
	ask "$port" <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/got"
	run diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/got"
	assert_success
}

@test "xinetd.d: every file, superd reads it without a warning" {
	needs python3
	copy_entry cmd "$(free_port)" "$PUBLIC/cmd"
	copy_entry git "$(free_port)" /bin/cat
	copy_entry rsync "$(free_port)" /bin/cat
	copy_entry health "$(free_port)" /bin/cat
	run "$SUPERD" -t -c "$PUBLIC/xinetd.conf"
	assert_success
	assert_output --partial 'service git'
	refute_output --partial warning
}

@test "share/health: its command fails, the reply is 503 with the output" {
	run "$ROOT/share/health" sh -c 'echo the disk is full; exit 1' < <(printf 'GET / HTTP/1.1\r\n\r\n')
	assert_success
	assert_line --index 0 $'HTTP/1.1 503 Service Unavailable\r'
	assert_line 'the disk is full'
}

@test "share/health: HEAD, the reply has no body" {
	run "$ROOT/share/health" echo fine < <(printf 'HEAD / HTTP/1.1\r\n\r\n')
	assert_line --index 0 $'HTTP/1.1 200 OK\r'
	refute_line fine
}

@test "share/health: the client sends more than the head, it waits for the end of the head only" {
	run "$ROOT/share/health" < <(printf 'GET / HTTP/1.1\r\nHost: here\r\n\r\nleft over')
	assert_line --index 0 $'HTTP/1.1 200 OK\r'
	assert_line 'up'
}
