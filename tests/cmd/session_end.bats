# SPDX-License-Identifier: ISC
# How a session ends on a socket while the client still sends: its replies arrive, and cmd does not stay for ever.

load ../lib/client

# write_client: write $BATS_TEST_TMPDIR/client from stdin, after a function that connects to the address of its first argument.
write_client() {
	{
		cat <<-'END'
			import os, socket, sys, threading, time
			def connect():
			    address = sys.argv[1]
			    if address.startswith("/"):
			        client = socket.socket(socket.AF_UNIX)
			        client.connect(address)
			    else:
			        client = socket.create_connection(("127.0.0.1", int(address)))
			    client.settimeout(60)
			    return client
			def read_all(client):
			    received = []
			    while part := client.recv(65536): received.append(part)
			    return b"".join(received)
		END
		cat
	} >"$BATS_TEST_TMPDIR/client"
}

# run_client: run that client, against the cmd of open_cmd_on_socket.
run_client() {
	timeout "$WAIT_SECONDS" python3 "$BATS_TEST_TMPDIR/client" "$PORT"
}

@test "cmd exit: the client sends megabytes after it, all replies arrive and no reset" {
	needs root
	local where
	write_client <<-'END'
		requests = b"".join(b"echo<>%015d\n" % i for i in range(300000))
		replies = b"".join(b"ok<>%015d\n" % i for i in range(300000)) + b"ok<>bye\n"
		client = connect()
		def send():
		    client.sendall(requests + b"exit\n" + requests)
		    client.shutdown(socket.SHUT_WR)
		sender = threading.Thread(target=send)
		sender.start()
		# The replies wait while the rest of the requests arrives.
		time.sleep(1)
		received = read_all(client)
		assert received == replies, (len(received), len(replies))
		sender.join()
	END
	for where in tcp "unix:$BATS_TEST_TMPDIR/socket"; do
		open_cmd_on_socket "$where"
		run -0 run_client
		wait_cmd
	done
}

@test "cmd exit: the client keeps the connection open and sends a byte now and then, the session ends in time" {
	needs root
	write_client <<-'END'
		client = connect()
		client.sendall(b"exit\n")
		assert read_all(client) == b"ok<>bye\n"
		print("end", flush=True)
		try:
		    while True:
		        client.sendall(b"x")
		        time.sleep(0.5)
		except OSError:
		    pass
	END
	open_cmd_on_socket tcp
	start_background python3 "$BATS_TEST_TMPDIR/client" "$PORT" >"$BATS_TEST_TMPDIR/seen"
	wait_for_line end "$BATS_TEST_TMPDIR/seen"
	wait_cmd
}

@test "cmd exit: the client never stops to send, the session ends after a bounded number of bytes" {
	write_client <<-'END'
		client = connect()
		client.sendall(b"exit\n")
		assert read_all(client) == b"ok<>bye\n"
		sent = 0
		try:
		    while True: sent += client.send(b"x" * 65536)
		except OSError:
		    pass
		assert 16 << 20 < sent < 256 << 20, sent
	END
	open_cmd_on_socket tcp
	run -0 run_client
	wait_cmd
}

@test "cmd exit: the input is a pipe that stays open, the session ends at once" {
	open_cmd
	echo exit >&7
	WAIT_SECONDS=5 wait_cmd
	replies_are 'ok<>bye'
	exec 7>&-
}

@test "cmd -i: the client sends bytes that never make a line, error idle arrives and no reset" {
	write_client <<-'END'
		client = connect()
		end = time.monotonic() + 3
		while time.monotonic() < end:
		    client.sendall(b"x" * 1000)
		    time.sleep(0.001)
		client.shutdown(socket.SHUT_WR)
		assert read_all(client) == b"error<>idle<>1\n"
	END
	open_cmd_on_socket tcp -i 1
	run -0 run_client
	wait_cmd
}
