# SPDX-License-Identifier: ISC
# The recipes of superd-recipes.7 beside those of examples.bats, each with the real programs that it is about.

load ../lib/superd
load ../lib/client

# serve EXAMPLE [SED-SCRIPT]: start superd with the example on a port that the kernel chooses; its scripts, and what the test
# adds, are in $PUBLIC.
serve() {
	make_public_folder
	cp "$ROOT"/examples/* "$PUBLIC"
	sed -e 's|\(port.*=\) [0-9]*|\1 0|; s|192\.0\.2\.1|127.0.0.1|; s|/usr/local/share/superd/examples|'"$PUBLIC|" \
		-e "${2:-}" "$ROOT/examples/$1" >"$CONF"
	start_superd -c "$CONF"
}

teardown() {
	remove_public_folder
}

# solve_and_send LINE: a client that solves the puzzle of proof-of-work, sends the line, and prints what comes.
solve_and_send() {
	timeout "$WAIT_SECONDS" python3 - "$PORT" "$1" <<-'END'
		import hashlib, socket, sys
		client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		stream = client.makefile("rw")
		text, zeros = stream.readline().split()
		found = (str(n) for n in range(1 << 40) if hashlib.sha256((text + str(n)).encode()).hexdigest().startswith(zeros))
		print(next(found), sys.argv[2], sep="\n", file=stream, flush=True)
		client.shutdown(socket.SHUT_WR)
		print(stream.read(), end="")
	END
}

@test "recipe sandbox: a client that solves the puzzle, its program sees no network, process or file of the machine" {
	needs root bwrap
	serve sandbox.conf 's/= 5 /= 3 /'
	run solve_and_send 'id -u; ls /; grep -c : /proc/net/dev; ls /proc | grep -c "^[0-9]"; touch /usr/x /tmp/y && echo written; ulimit -p'
	assert_success
	assert_line --index 0 65534
	assert_output --partial $'bin\ndev\nlib\nlib64\nproc\ntmp\nusr\n1\n'
	assert_line --regexp 'touch: .*Read-only file system'
	refute_line written
	assert_line 256
	wait_until has_children 0
}

@test "recipe proof of work: a wrong answer, the program does not start" {
	needs root
	serve sandbox.conf
	run ask "$PORT" <<<'0'
	assert_line --index 0 --regexp '^[0-9a-f]{32} 00000$'
	assert_line --index 1 wrong
	assert_equal "${#lines[@]}" 2
}

# server_is STATE: HAProxy's word for its server begins with that.
server_is() {
	echo 'show stat' | nc -N -U "$BATS_TEST_TMPDIR/stats" | grep -qE "^back,one,([^,]*,){15}$1"
}

@test "recipe agent-check: a file says so, HAProxy drains the server and takes it back" {
	needs root haproxy
	serve agent-check.conf "s|/run/drain|$BATS_TEST_TMPDIR/drain|; s/nobody/root/"
	local line
	line=$(sed -n 's/^# *\(server one .*\)/\1/p' "$ROOT/examples/agent-check.conf")
	line=${line/192.0.2.11:10100/127.0.0.1:$PORT}
	cat >"$BATS_TEST_TMPDIR/haproxy.cfg" <<-END
		global
		    stats socket $BATS_TEST_TMPDIR/stats level admin
		defaults
		    mode tcp
		    timeout connect 5s
		    timeout client 5s
		    timeout server 5s
		backend back
		    ${line/10199 agent-inter 2s/$PORT agent-inter 200ms}
	END
	start_background haproxy -db -f "$BATS_TEST_TMPDIR/haproxy.cfg" >"$BATS_TEST_TMPDIR/haproxy.log" 2>&1
	wait_until server_is UP
	touch "$BATS_TEST_TMPDIR/drain"
	wait_until server_is DRAIN
	rm "$BATS_TEST_TMPDIR/drain"
	wait_until server_is UP
	! grep -qE 'START|EXIT|FAIL' "$LOG" || false
}

@test "recipe logrotate: the file is rotated, superd opens a new one" {
	needs root logrotate
	local log=$BATS_TEST_TMPDIR/superd/a.log
	mkdir "$BATS_TEST_TMPDIR/superd"
	print_open_service a "log_type = FILE $log" >"$CONF"
	start_superd -P "$BATS_TEST_TMPDIR/pid" -c "$CONF"
	echoes "$PORT"
	wait_for_line 'EXIT: a' "$log"
	sed "s|/var/log/superd|$BATS_TEST_TMPDIR/superd|; s|systemctl try-reload-or-restart superd.service|kill -HUP \$(cat $BATS_TEST_TMPDIR/pid)|" \
		"$ROOT/examples/logrotate" >"$BATS_TEST_TMPDIR/logrotate.conf"
	run logrotate -f -s "$BATS_TEST_TMPDIR/state" "$BATS_TEST_TMPDIR/logrotate.conf"
	assert_success
	assert_output ''
	wait_for_line 'reloaded: '
	echoes "$PORT"
	wait_for_line 'EXIT: a' "$log"
	grep -c START "$log" "$log.1" | sed 's/.*://' | diff - <(printf '1\n1\n')
}

@test "recipe TLS: a client's certificate, the program has its name" {
	needs root stunnel openssl
	make_public_folder
	mkdir "$PUBLIC/tls"
	for name in server client; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
			-keyout "$PUBLIC/tls/$name.key" -out "$PUBLIC/tls/$name.pem" 2>/dev/null
	done
	cp "$PUBLIC/tls/client.pem" "$PUBLIC/tls/clients.pem"
	chmod 644 "$PUBLIC"/tls/*
	sed "s|/etc/superd/tls|$PUBLIC/tls|" "$ROOT/examples/stunnel.cnf" >"$PUBLIC/stunnel.cnf"
	sed "s|10443|0|; s|/usr/local/share/superd/examples|$PUBLIC|" "$ROOT/examples/tls.conf" >"$CONF"
	start_superd -c "$CONF"
	run --separate-stderr timeout "$WAIT_SECONDS" openssl s_client -quiet -connect "127.0.0.1:$PORT" -CAfile "$PUBLIC/tls/server.pem" \
		-cert "$PUBLIC/tls/client.pem" -key "$PUBLIC/tls/client.key" </dev/null
	assert_output --regexp '^/?CN ?= ?client$'
	run --separate-stderr timeout "$WAIT_SECONDS" openssl s_client -quiet -connect "127.0.0.1:$PORT" </dev/null
	assert_output ''
}

@test "recipe LISTEN_FDS: a server that takes its socket so, it serves its clients and ends soon after a stop" {
	needs root
	make_public_folder
	cat >"$PUBLIC/server" <<-'END'
		#!/usr/bin/env python3
		import os, socket
		assert os.environ["LISTEN_FDS"] == "1" and int(os.environ["LISTEN_PID"]) == os.getpid()
		server = socket.socket(fileno=3)
		while True:
		    client, _ = server.accept()
		    client.sendall(b"from %d\n" % os.getpid())
		    client.close()
	END
	chmod +x "$PUBLIC/server"
	sed "s|10800|0|; s|/usr/local/bin/server|$PUBLIC/server|; s|user.*|&\n\tenv = PATH=$PATH|" "$ROOT/examples/listen-fds.conf" >"$CONF"
	start_superd -c "$CONF"
	run ask "$PORT" </dev/null
	assert_output --regexp '^from [0-9]+$'
	first=$output
	run ask "$PORT" </dev/null
	assert_output "$first"
	SECONDS=0
	stop_superd
	((SECONDS < 5))
}
