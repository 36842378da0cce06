"""The training of make pgo: BALLAST=build/pgo/ballast python3 tests/bench/train.py

Every kind of request that is common, so that a compiler sees which ways through the program are:
short and long heads, bodies of known and unknown length in both directions, connections that are
kept and that are not, with an access log and without.  Needs nothing but this Python, the program
and tests/origin.  A fixed number of requests, whatever they take; each answer is checked.
"""

import collections
import http.client
import os
import socket
import sys

import machine
import scenarios
import subjects

CLIENTS = 16
ROUNDS = 150   # of each kind, with a request from each client: 2,400 requests
PIECE = 16384  # of a request's body in chunks

# A request, whether its connection ends after it, and the length of the answer's body (-1: any).
Kind = collections.namedtuple("Kind", "octets closes length")


def request(method, path, fields=None, body=b""):
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: www.example.org"]
    lines += ["%s: %s" % field for field in (fields or {}).items()]
    return "\r\n".join(lines + ["", ""]).encode() + body


def in_chunks(body):
    pieces = [body[at:at + PIECE] for at in range(0, len(body), PIECE)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def kinds():
    body = b"0123456789abcdef" * 1024
    form = b"name=Ada&town=London&colour=green"
    closes = {"Connection": "close"}
    return [
        Kind(request("GET", "/small"), False, -1),
        Kind(request("GET", "/small", scenarios.BROWSER), False, -1),
        Kind(request("GET", "/bytes/4096", scenarios.BROWSER), False, 4096),
        Kind(request("GET", "/bytes/65536"), False, 65536),
        Kind(request("GET", "/chunked/16384"), False, 16384),
        Kind(request("GET", "/status/404"), False, -1),
        Kind(request("POST", "/echo", {"Content-Length": len(form)}, form), False, len(form)),
        Kind(request("POST", "/echo", {"Content-Length": len(body)}, body), False, len(body)),
        Kind(request("POST", "/echo", {"Transfer-Encoding": "chunked"}, in_chunks(body)), False,
             len(body)),
        Kind(request("GET", "/small", closes), True, -1),
        Kind(request("GET", "/small", {**scenarios.BROWSER, **closes}), True, -1),
    ]


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), machine.PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def take_answer(sock, kind):
    response = http.client.HTTPResponse(sock)
    response.begin()
    body = response.read()
    if response.status >= 500 or kind.length not in (-1, len(body)):
        raise machine.BenchError("%r was answered with %d and %d octets" % (
            kind.octets[:40], response.status, len(body)))
    response.close()


def ask(port, kind):
    """All clients ask before the first one reads, so that a worker finds several ready at once."""
    clients = [connect(port) for _ in range(CLIENTS)]
    for _ in range(ROUNDS):
        for sock in clients:
            sock.sendall(kind.octets)
        for sock in clients:
            take_answer(sock, kind)
        if kind.closes:
            for sock in clients:
                sock.close()
            clients = [connect(port) for _ in range(CLIENTS)]
    for sock in clients:
        sock.close()


def train(log):
    """With an access log or without; both write into the same profile when they end."""
    subject = subjects.find("ballast+user=root" if os.geteuid() == 0 else "ballast")
    scenario = scenarios.Scenario("training", "every kind of request", log=log)
    with machine.Family() as family:
        process = subject.start(family, scenario, subjects.start_own(family))
        for kind in kinds():
            ask(subject.port, kind)
        family.end(process)
        if process.process.returncode != 0:
            raise machine.BenchError("ballast ended with %d: %s" % (
                process.process.returncode, process.said()[-1000:]))


def main():
    machine.prepare()
    try:
        for log in (False, True):
            train(log)
    except (machine.BenchError, OSError, http.client.HTTPException) as error:
        print("train: %s" % error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
