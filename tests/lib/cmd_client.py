"""A client for the protocol of cmd(7), written from the manual page only.

It shares no code with cmdc, which shows that the page describes the whole protocol. As a module:

    client = Client("localhost", 10100)
    reply = client.ask("disk", "/var")     # reply.lines, reply.result; raises CommandError
    client.send("echo", "a"); client.send("echo", "b")
    client.receive(); client.receive()

Arguments and replies are bytes; the client encodes a str as UTF-8.
"""

import socket
from collections import namedtuple

SEPARATOR = b"<>"

# lines: the `out` lines. result: the text after `ok<>`, or None.
Reply = namedtuple("Reply", "lines result")


class CommandError(Exception):
    """An `error` reply: its code and text, and the `out` lines before it."""

    def __init__(self, code, text, lines):
        super().__init__(code + b": " + text)
        self.code, self.text, self.lines = code, text, lines


class ProtocolError(Exception):
    """A line is not a reply of the protocol, or is longer than this client accepts."""


def encode(name, *arguments):
    """Returns a request line. Raises ValueError if the protocol cannot represent the arguments."""
    fields = [field.encode() if isinstance(field, str) else field for field in (name, *arguments)]
    if not fields[0]:
        raise ValueError("an empty name")
    if any(b"\n" in field or b"\0" in field for field in fields):
        raise ValueError("LF or NUL in a field")
    # Only the last argument of a built-in may contain a separator; a program would receive several arguments.
    if SEPARATOR in fields[0] or any(SEPARATOR in field for field in fields[1:-1]):
        raise ValueError("a separator in a field that is not the last")
    if fields[-1].endswith(b"\r"):
        raise ValueError("CR at the end of the line")
    return SEPARATOR.join(fields) + b"\n"


class Client:
    def __init__(self, host, port=None, timeout=30.0, longest=1 << 20):
        """Connect to a host and port, or to a UNIX-domain socket if host is an absolute path. `longest` is the
        maximum length of a reply line in bytes; `timeout` is the timeout of each read and write in seconds."""
        if host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(host)
        else:
            self.socket = socket.create_connection((host, port), timeout)
        self.longest = longest
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def end(self):
        """Close the sending side. The client can still receive replies."""
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, name, *arguments):
        """Send a request without waiting. A client that sends many requests must receive in between."""
        self.socket.sendall(encode(name, *arguments))

    def line(self):
        line = self.stream.readline(self.longest + 1)
        if not line:
            raise ConnectionError("the server ended the session")
        if line.endswith(b"\n"):
            return line[:-1]
        if len(line) > self.longest:
            raise ProtocolError("a line of more than %d bytes" % self.longest)
        raise ConnectionError("the server ended the session in a line")

    def receive(self):
        """Returns the next reply. Raises CommandError for an `error` reply, which can be `idle`, the last reply before
        the server ends the session."""
        lines = []
        while True:
            line = self.line()
            word, separator, rest = line.partition(SEPARATOR)
            if word == b"out" and separator:
                lines.append(rest)
            elif word == b"ok":
                return Reply(lines, rest if separator else None)
            elif word == b"error" and SEPARATOR in rest:
                code, _, text = rest.partition(SEPARATOR)
                raise CommandError(code, text, lines)
            else:
                raise ProtocolError("not a reply: %r" % line[:60])

    def ask(self, name, *arguments):
        self.send(name, *arguments)
        return self.receive()
