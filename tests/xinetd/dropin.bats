# The entries in xinetd.d/, served by the real xinetd, and by superd.
#
# What is changed in the copies that it reads: the port, to one that is free, and the path of the server,
# so that nothing is installed on this machine. For the entries that come disabled: `disable`, too, and a
# stand-in for a server that may not be here.

load ../lib/superd
load ../lib/client

setup() {
	# xinetd runs the server as nobody, who can enter neither the checkout nor bats's own folder.
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

# drop_in NAME PORT SERVER: a copy of an entry, enabled, with another port and server.
drop_in() {
	sed -e '/^[[:space:]]*\(type\|port\)[[:space:]]*=/d' \
		-e "s|^\([[:space:]]*server[[:space:]]*=\).*|\1 $3|" \
		-e "s|^\([[:space:]]*disable[[:space:]]*=\).*|\1 no\n\ttype = UNLISTED\n\tport = $2|" \
		"$ROOT/xinetd.d/$1" >"$PUBLIC/xinetd.d/$1"
}

# Start xinetd, and wait until it has read everything.
xinetd_start() {
	start_background /usr/sbin/xinetd -dontfork -f "$PUBLIC/xinetd.conf" -filelog "$XINETD_LOG" \
		-pidfile "$BATS_TEST_TMPDIR/xinetd.pid" </dev/null
	wait_for_line 'Started working' "$XINETD_LOG"
}

# A session with something of everything in it, whose replies are the same each time.
session() {
	printf 'echo<>a<>b\nprintf<>hello!!\n\nnosuch\nprintf\nhelp\nversion\necho<>\r\nexit\n'
}

@test "the cmd entry changes nothing but the port and the server's path, and is enabled as it comes" {
	drop_in cmd 10100 /usr/local/bin/cmd
	run diff <(grep -v '^[[:space:]]*\(#\|$\)' "$ROOT/xinetd.d/cmd" | tr -d '[:blank:]' | sort) \
		<(grep -v '^[[:space:]]*\(#\|$\)' "$PUBLIC/xinetd.d/cmd" | tr -d '[:blank:]' | sort)
	assert_success
}

@test "cmd under xinetd gives the replies that it gives to a pipe" {
	port=$(free_port)
	drop_in cmd "$port" "$PUBLIC/cmd"
	xinetd_start
	session >"$BATS_TEST_TMPDIR/session"
	"$CMD" <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/expected" 2>/dev/null
	ask "$port" <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/got"
	run diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/got"
	assert_success
	[ -s "$BATS_TEST_TMPDIR/got" ]
}

@test "cmd under xinetd does not show its screen to the client" {
	port=$(free_port)
	drop_in cmd "$port" "$PUBLIC/cmd"
	xinetd_start
	run ask "$port" <<<'printf<>hello!!'
	assert_output 'ok<>hello!!'
}

@test "cmd under xinetd serves IPv6 too" {
	port=$(free_port)
	drop_in cmd "$port" "$PUBLIC/cmd"
	xinetd_start
	run ask "$port" ::1 <<<'echo<>six'
	assert_output 'ok<>six'
}

@test "cmd under xinetd knows its peer from the socket" {
	port=$(free_port)
	drop_in cmd "$port" "$PUBLIC/cmd"
	xinetd_start
	run ask "$port" <<<'peer'
	assert_output --regexp '^ok<>127\.0\.0\.1<>[0-9]+$'
}

@test "cmd under xinetd runs as nobody" {
	port=$(free_port)
	drop_in cmd "$port" "$PUBLIC/cmd"
	xinetd_start
	start_background "$CLIENT" "$port" hold
	wait_until pgrep -u nobody -f '^cmd ' -P "$(cat "$BATS_TEST_TMPDIR/xinetd.pid")"
}

@test "the git, rsync and health entries come disabled" {
	for name in git rsync health; do
		run grep -E '^\s*disable\s*=\s*yes$' "$ROOT/xinetd.d/$name"
		assert_success
	done
}

@test "xinetd accepts every entry without a warning" {
	drop_in cmd "$(free_port)" "$PUBLIC/cmd"
	drop_in git "$(free_port)" /bin/cat
	drop_in rsync "$(free_port)" /bin/cat
	drop_in health "$(free_port)" /bin/cat
	xinetd_start
	wait_for_line 'Started working: 4 available services' "$XINETD_LOG"
	run grep -E 'ERROR|WARNING' "$XINETD_LOG"
	assert_failure
}

@test "the health entry answers 200 under xinetd, and the page is what the check said" {
	port=$(free_port)
	cp "$ROOT/share/health" "$PUBLIC/health"
	drop_in health "$port" "$PUBLIC/health"
	sed -i 's/server_args.*/server_args = echo fine/' "$PUBLIC/xinetd.d/health"
	xinetd_start
	run ask "$port" < <(printf 'GET / HTTP/1.1\r\nHost: here\r\n\r\n')
	assert_line --index 0 $'HTTP/1.1 200 OK\r'
	assert_line --index 3 $'Content-Length: 5\r'
	assert_line 'fine'
}

@test "superd serves the cmd entry with the same replies" {
	port=$(free_port)
	drop_in cmd "$port" "$PUBLIC/cmd"
	start_superd -c "$PUBLIC/xinetd.d"
	session >"$BATS_TEST_TMPDIR/session"
	"$CMD" <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/expected" 2>/dev/null
	ask "$port" <"$BATS_TEST_TMPDIR/session" >"$BATS_TEST_TMPDIR/got"
	run diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/got"
	assert_success
}

@test "superd accepts every entry without a warning" {
	drop_in cmd "$(free_port)" "$PUBLIC/cmd"
	drop_in git "$(free_port)" /bin/cat
	drop_in rsync "$(free_port)" /bin/cat
	drop_in health "$(free_port)" /bin/cat
	run "$SUPERD" -t -c "$PUBLIC/xinetd.conf"
	assert_success
	assert_output --partial 'service git'
	refute_output --partial warning
}

@test "the health check answers 503 when its command fails" {
	run "$ROOT/share/health" sh -c 'echo the disk is full; exit 1' < <(printf 'GET / HTTP/1.1\r\n\r\n')
	assert_success
	assert_line --index 0 $'HTTP/1.1 503 Service Unavailable\r'
	assert_line 'the disk is full'
}

@test "the health check answers HEAD without a page" {
	run "$ROOT/share/health" echo fine < <(printf 'HEAD / HTTP/1.1\r\n\r\n')
	assert_line --index 0 $'HTTP/1.1 200 OK\r'
	refute_line fine
}

@test "the health check waits for the end of the request's head" {
	run "$ROOT/share/health" < <(printf 'GET / HTTP/1.1\r\nHost: here\r\n\r\nleft over')
	assert_line --index 0 $'HTTP/1.1 200 OK\r'
	assert_line 'up'
}
