"""Connections that were used once and stay open: idle.py PORT COUNT.

A process of its own, because those connections need descriptors of their own.  Says `ready N`
when each has had its answer, holds them until its standard input ends, and then says `open N`: how
many the other side has not closed meanwhile.  They end by a reset, so that none stays in TIME_WAIT.
"""

import select
import socket
import struct
import sys

import machine

REQUEST = b"GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
AT_ONCE = 100
ABORT = struct.pack("ii", 1, 0)


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=machine.PATIENCE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    sock.sendall(REQUEST)
    return sock


def has_answer(sock):
    """Whether a whole small answer came: its body ends with the only line end that is not CR LF."""
    got = b""
    while not (b"\r\n\r\n" in got and got.endswith(b"\n") and not got.endswith(b"\r\n")):
        piece = sock.recv(65536)
        if not piece:
            return False
        got += piece
    return got.startswith(b"HTTP/1.1 200 ")


def fill(port, count):
    held = []
    while len(held) < count:
        fresh = [connect(port) for _ in range(min(AT_ONCE, count - len(held)))]
        if not all([has_answer(sock) for sock in fresh]):
            raise SystemExit("a connection had no good answer after %d" % len(held))
        held += fresh
    return held


def still_open(held):
    """Those with nothing to read: neither an end nor an octet."""
    poll = select.poll()
    for sock in held:
        poll.register(sock, select.POLLIN)
    return len(held) - len(poll.poll(0))


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    machine.raise_descriptors()
    held = fill(port, count)
    print("ready %d" % len(held), flush=True)
    sys.stdin.read()
    print("open %d" % still_open(held), flush=True)


if __name__ == "__main__":
    main()
