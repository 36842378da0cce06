"""HTTP/1.1 spoken by hand over sockets, so that a test sends and sees every octet.

Nothing here hides framing: a Response keeps its raw head, its fields in order
and how its body was delimited.
"""

import os
import socket

TIMEOUT = 20.0 if os.environ.get("VALGRIND", "0") in ("", "0") else 120.0


class Closed(Exception):
    """The other side closed before what was awaited had come."""


class Response:
    def __init__(self, head, interim):
        self.head = head
        self.interim = interim  # heads of 1xx answers before this one
        lines = head.decode("latin-1").split("\r\n")
        self.proto, status, self.reason = (lines[0].split(" ", 2) + [""])[:3]
        self.status = int(status)
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        self.body = b""
        self.trailers = []
        self.framing = "none"  # none, length, chunked, close
        self.chunks = 0

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    @property
    def text(self):
        return self.body.decode("latin-1")


def request(method="GET", target="/", fields=(), body=b"", proto="HTTP/1.1", host="test"):
    """The octets of one request; fields: pairs or a dict."""
    pairs = list(fields.items()) if isinstance(fields, dict) else list(fields)
    names = [name.lower() for name, _ in pairs]
    if host is not None and "host" not in names:
        pairs.insert(0, ("Host", host))
    if body and "content-length" not in names and "transfer-encoding" not in names:
        pairs.append(("Content-Length", str(len(body))))
    lines = ["%s %s %s" % (method, target, proto)] + ["%s: %s" % pair for pair in pairs]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*parts, trailers=()):
    out = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    end = "".join("%s: %s\r\n" % pair for pair in trailers).encode("latin-1")
    return out + b"0\r\n" + end + b"\r\n"


class Stream:
    """A socket with a read buffer; every wait is bounded."""

    def __init__(self, sock, timeout=TIMEOUT):
        self.sock = sock
        self.sock.settimeout(timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def more(self):
        """One receive into the buffer; False at the end of the stream."""
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def until(self, mark):
        while mark not in self.buffer:
            if not self.more():
                raise Closed("closed after %r" % self.buffer[:200])
        out, self.buffer = self.buffer.split(mark, 1)
        return out

    def exactly(self, n):
        parts, have = [self.buffer], len(self.buffer)
        while have < n:
            data = self.sock.recv(min(1 << 20, n - have))
            if not data:
                raise Closed("closed after %d of %d octets" % (have, n))
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.buffer = whole[n:]
        return whole[:n]

    def rest(self):
        while self.more():
            pass
        out, self.buffer = self.buffer, b""
        return out

    def is_closed(self):
        """True when the other side ends the stream (waits for it), False when data comes."""
        try:
            return not self.buffer and not self.more()
        except ConnectionResetError:
            return True

    def read_chunked(self, into):
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            into.body += self.exactly(size)
            into.chunks += 1
            assert self.exactly(2) == b"\r\n", "chunk without its end"
        while True:
            line = self.until(b"\r\n")
            if not line:
                return
            name, value = line.decode("latin-1").split(":", 1)
            into.trailers.append((name, value.strip()))

    def read_head(self):
        return self.until(b"\r\n\r\n")

    def read_response(self, method="GET", keep_interim=True):
        interim = []
        while True:
            response = Response(self.read_head(), interim)
            if response.status >= 200 or response.status == 101 or not keep_interim:
                break
            interim.append(response)
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        length = response.get("Content-Length")
        if (response.get("Transfer-Encoding") or "").lower() == "chunked":
            response.framing = "chunked"
            self.read_chunked(response)
        elif length is not None:
            response.framing = "length"
            response.body = self.exactly(int(length))
        else:
            response.framing = "close"
            response.body = self.rest()
        return response

    def read_request(self):
        """(request line, fields, body) as an origin sees it."""
        head = self.read_head().decode("latin-1").split("\r\n")
        seen = Response(("HTTP/1.1 200 x\r\n" + "\r\n".join(head[1:])).encode("latin-1"), [])
        seen.line = head[0]
        if (seen.get("Transfer-Encoding") or "").lower() == "chunked":
            self.read_chunked(seen)
        elif seen.get("Content-Length"):
            seen.body = self.exactly(int(seen.get("Content-Length")))
        return seen

    def ask(self, method="GET", target="/", **more):
        self.send(request(method, target, **more))
        return self.read_response(method)


def connect(port, timeout=TIMEOUT, receive_buffer=None, source=None):
    sock = socket.socket(socket.AF_INET)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout)
    try:
        if source:
            sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Stream(sock, timeout)


def is_refused(port):
    """True when nobody listens; a connection that came in that very moment may be reset."""
    try:
        connect(port).close()
        return False
    except ConnectionError:
        return True


def ask(port, target="/", method="GET", source=None, **more):
    """One request on a connection of its own."""
    more["fields"] = list(dict(more.get("fields", {})).items()) + [("Connection", "close")]
    with connect(port, source=source) as stream:
        return stream.ask(method, target, **more)
