"""One non-blocking socket in the storm's event loop, with a read buffer, and who owns which token.

asyncio's own streams hide what is needed here: a reset instead of an end, a look into the kernel's queue,
the moment at which octets are handed over.
"""

import asyncio
import re
import socket
import zlib

import storm_bytes

RECEIVE = 65536


class Tokens:
    """Tokens carry the number of the connection they were made for, so nothing has to be remembered."""

    def __init__(self, seed):
        self.seed = seed

    def check(self, text):
        return b"%07x" % (zlib.crc32(b"%d-%s" % (self.seed, text)) & 0xfffffff)

    def make(self, number, index):
        text = b"%08x%x" % (number, index & 15)
        return b"T" + text + self.check(text)

    def owner(self, token):
        """Whose it is; None: nobody made it (mutations change tokens, too)."""
        text = token[1:10]
        return int(token[1:9], 16) if self.check(text) == token[10:] else None

    def owners(self, data):
        found = (self.owner(token) for token in set(storm_bytes.TOKEN.findall(data)))
        return {number for number in found if number is not None}


class Ended(Exception):
    """The other side ended before what was awaited had come."""


class Peer:
    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        sock.setblocking(False)

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def more(self, most=RECEIVE):
        data = await asyncio.get_running_loop().sock_recv(self.sock, most)
        self.buffer += data
        return data

    def unread(self):
        """What is here and was not looked at."""
        try:
            while len(self.buffer) < 1 << 20 and (data := self.sock.recv(RECEIVE)):
                self.buffer += data
        except OSError:
            pass  # no more now, or the other side has reset it
        return self.buffer

    async def until(self, mark, limit=1 << 20):
        while mark not in self.buffer:
            if len(self.buffer) > limit or not await self.more():
                raise Ended(repr(self.buffer[-200:]))
        out, self.buffer = self.buffer.split(mark, 1)
        return out

    async def exactly(self, n):
        while len(self.buffer) < n:
            if not await self.more():
                raise Ended("%d of %d octets" % (len(self.buffer), n))
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    async def chunks(self):
        """A chunked body, strictly: what ballast sends on has no excuse.  ValueError when it is none."""
        body = []
        while True:
            line = await self.until(b"\r\n")
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}(;[^\r\n]*)?", line):
                raise ValueError("chunk size %r" % line)
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            body.append(await self.exactly(size))
            if await self.exactly(2) != b"\r\n":
                raise ValueError("a chunk without its end")
        while await self.until(b"\r\n"):
            pass
        return b"".join(body)

    def is_quiet(self):
        """Nothing has come that was not read."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
            return False
        except BlockingIOError:
            return not self.buffer

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self):
        self.sock.close()


async def connect(port, receive_buffer=None):
    sock = socket.socket()
    sock.setblocking(False)
    try:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return Peer(sock)
