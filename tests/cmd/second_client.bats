# SPDX-License-Identifier: ISC
# The protocol with a second client, lib/cmd_client.py, which was written from cmd(7) and not from cmdc.

load ../lib/superd
load ../lib/client

setup() {
	COMMANDS=$BATS_TEST_TMPDIR/commands
	mkdir "$COMMANDS"
}

# run_client CODE: run it with `client`, a client that is connected to cmd under superd, and the names of lib/cmd_client.py.
run_client() {
	timeout "$WAIT_SECONDS" python3 -B -c "
import sys
sys.path.insert(0, '$LIB')
from cmd_client import *
client = Client('127.0.0.1', $PORT)
def error(*request):
    try:
        return client.ask(*request)
    except CommandError as error:
        return error.code, error.text, error.lines
$1"
}

@test "second client: any text, echo returns it unchanged" {
	start_superd -p 0 "$CMD"
	run run_client '
for text in b"hello", b"", b"a<>b", b"<", b">", b"\xff\x1b\t", b"\r x", "é".encode():
    assert client.ask("echo", text) == Reply([], text), text'
	assert_success
}

@test "second client: each command, its reply is what cmd(7) describes" {
	start_superd -p 0 "$CMD"
	run run_client '
import re
assert client.ask("printf", "hi").result == b"hi"
assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", client.ask("time").result)
assert client.ask("peer").result == b"%s<>%d" % ((b"127.0.0.1"), client.socket.getsockname()[1])
assert re.fullmatch(rb"cmd \S+", client.ask("version").result)
names = [re.match(rb"[^<[ ]*", line).group() for line in client.ask("help").lines]
assert {b"echo", b"exit", b"help", b"peer", b"printf", b"time", b"version"} <= set(names), names
assert client.ask("help").result is None
for name in names:
    assert [re.match(rb"[^<[ ]*", line).group() for line in client.ask("help", name).lines] == [name]'
	assert_success
}

@test "second client: exit, cmd replies and then ends the session" {
	start_superd -p 0 "$CMD"
	run run_client '
assert client.ask("exit").result == b"bye"
assert client.stream.read() == b""'
	assert_success
}

@test "second client: errors, they have the codes of cmd(7) and the session continues" {
	start_superd -p 0 "$CMD"
	run run_client '
assert error("nosuch") == (b"unknown", b"nosuch", [])
assert error("exit", "now") == (b"usage", b"exit", [])
assert error("printf") == (b"usage", b"printf<>TEXT", [])
client.socket.sendall(b"a\0b\n")
try:
    client.receive()
except CommandError as nul:
    assert nul.code == b"nul"
assert error("echo", "x" * 65531)[:2] == (b"toolong", b"65536")
assert client.ask("echo", "x" * 65530).result == b"x" * 65530
assert client.ask("echo", "still").result == b"still"'
	assert_success
}

@test "second client: 2,000 requests without waiting, the replies arrive in order" {
	start_superd -p 0 "$CMD"
	run run_client '
for i in range(2000):
    client.send("echo", str(i))
for i in range(2000):
    assert client.receive().result == b"%d" % i'
	assert_success
}

@test "second client: CR, empty lines and a last line without LF, cmd frames them as cmd(7) describes" {
	start_superd -p 0 "$CMD"
	run run_client '
client.socket.sendall(b"\n\r\necho<>a\r\n\necho<>b\r\r\necho<>c")
client.end()
assert [client.receive().result for _ in range(3)] == [b"a", b"b\r", b"c"]
assert client.stream.read() == b""'
	assert_success
}

@test "second client: the idle time expires, cmd sends the error without a request and ends the session" {
	start_superd -p 0 "$CMD" -i 1
	run run_client '
client.socket.sendall(b"echo<>par")
try:
    client.receive()
except CommandError as idle:
    assert (idle.code, idle.text) == (b"idle", b"1")
    assert client.stream.read() == b""
    print("idle")'
	assert_output idle
}

@test "second client: programs, their lines, arguments and exit status arrive as cmd(7) describes" {
	write_command arguments <<-'END'
		printf '%s\n' "$#" "$@"
		printf 'no newline'
	END
	write_command fail <<-'END'
		echo before
		exit 7
	END
	write_command crash <<-'END'
		kill -KILL $$
	END
	write_command slow <<-'END'
		sleep 60
	END
	start_superd -p 0 "$CMD" -t 2 -d "$COMMANDS"
	run run_client '
assert client.ask("arguments", "a b", "", "$(id)") == Reply([b"3", b"a b", b"", b"$(id)", b"no newline"], None)
assert client.ask("arguments").lines == [b"0", b"no newline"]
assert client.ask("arguments", "a<>b").lines == [b"2", b"a", b"b", b"no newline"]
assert error("fail") == (b"exit", b"7", [b"before"])
assert error("crash") == (b"signal", b"9", [])
assert error("slow") == (b"timeout", b"2", [])
assert b"arguments" in client.ask("help").lines'
	assert_success
}

@test "second client: a UNIX-domain socket, peer is -" {
	start_superd -b "$BATS_TEST_TMPDIR/socket" "$CMD"
	run timeout "$WAIT_SECONDS" python3 -B -c '
import sys
sys.path.insert(0, sys.argv[1])
from cmd_client import Client
print(Client(sys.argv[2]).ask("peer").result)' "$LIB" "$BATS_TEST_TMPDIR/socket"
	assert_output "b'-'"
}

@test "second client: a request that the protocol cannot carry, this client rejects it" {
	needs python3
	run python3 -B -c '
import sys
sys.path.insert(0, sys.argv[1])
from cmd_client import encode
for request in [("",), ("a<>b",), ("a<>b", "c"), ("a", "b<>", "c"), ("a", "b\n"), ("a", "b\0"), ("a", "b\r"), ("a\r",)]:
    try:
        print("not refused:", request, encode(*request))
    except ValueError:
        pass' "$LIB"
	assert_success
	assert_output ''
}
