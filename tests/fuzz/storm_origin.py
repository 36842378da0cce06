"""The origins of a storm: to /polite/ they answer as they should, to everything else as a seeded whim says.

They are also judges: what ballast sends must be one clear request, whatever its client has sent, and its
octets must all come from one client.  A whim is drawn from the seed and the token of the request, so it is the same
in every run of a seed.
"""

import asyncio
import hashlib
import random
import re
import socket

import storm_bytes
import storm_peer

LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.1")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
SILENCE_S = 3.0


class Request:
    """The head of one request; `body` when it has been read."""

    def __init__(self, head):
        lines = head.split(b"\r\n")
        self.wrong = [] if LINE.fullmatch(lines[0]) else ["request line %r" % lines[0]]
        self.method, self.target = (lines[0].split(b" ") + [b"", b""])[:2]
        matches = [(line, FIELD.fullmatch(line)) for line in lines[1:]]
        self.wrong += ["field %r" % line for line, match in matches if not match]
        self.fields = [(match.group(1).lower(), match.group(2)) for _, match in matches if match]
        found = storm_bytes.TOKEN.search(self.target)
        self.token = found.group() if found else b"-"
        self.body = b""
        self.judge()

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def judge(self):
        lengths, codings = self.all(b"content-length"), self.all(b"transfer-encoding")
        if len(lengths) + len(codings) > 1:
            self.wrong.append("framed twice: %r %r" % (lengths, codings))
        if lengths and not lengths[0].isdigit():
            self.wrong.append("length %r" % lengths)
        if codings and codings[0].lower() != b"chunked":
            self.wrong.append("coding %r" % codings)
        if len(self.all(b"host")) != 1:
            self.wrong.append("%d Host fields" % len(self.all(b"host")))
        if self.target.startswith(b"/smuggled"):
            self.wrong.append("a body became a request")

    async def read_body(self, peer):
        if self.all(b"transfer-encoding"):
            self.body = await peer.chunks()
        elif self.all(b"content-length"):
            self.body = await peer.exactly(int(self.all(b"content-length")[0]))


def head(status, *fields):
    return b"\r\n".join((b"HTTP/1.1 %d whim" % status,) + fields) + b"\r\n\r\n"


def answer(rng, r, most=60000):
    """A good answer in which the token is everywhere."""
    body = storm_bytes.some(rng, r.token, rng.choice((40, 2000, most)))
    mark = b"X-Token: " + r.token
    if r.method == b"HEAD":
        return head(200, mark, b"Content-Length: %d" % len(body))
    if rng.random() < 0.1:
        return head(rng.choice((204, 304)), mark)
    if rng.random() < 0.5:
        return head(200, mark, b"Content-Length: %d" % len(body)) + body
    return head(200, mark, b"Transfer-Encoding: chunked") + storm_bytes.chunked(rng, body, True)


# -- whims: True when the connection goes on -------------------------------------------

async def good(_, peer, rng, r):
    await peer.send(answer(rng, r))
    return True


async def until_close(_, peer, rng, r):
    await peer.send(head(200, b"X-Token: " + r.token) + storm_bytes.some(rng, r.token, 90000))
    return False


async def interim(_, peer, rng, r):
    for _i in range(rng.choice((1, 2, 5, 31, 400))):
        await peer.send(head(rng.choice((100, 102, 103, 199)), b"X-Token: " + r.token))
    await peer.send(answer(rng, r))
    return True


async def wrong_length(_, peer, rng, r):
    body = storm_bytes.some(rng, r.token, 5000)
    claimed = max(0, len(body) + rng.choice((-1, 1, -20, 20, 100000)))
    await peer.send(head(200, b"X-Token: " + r.token, b"Content-Length: %d" % claimed) + body)
    return rng.random() < 0.5


async def contradiction(_, peer, rng, r):
    fields = rng.choice((
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"), (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Transfer-Encoding: chunked, gzip",), (b"Content-Length: -1",), (b"Content-Length: 1e3",),
        (b"Transfer-Encoding: x",), (b"X: a\r\n folded", b"Content-Length: 5"), (b"X\0: y", b"Content-Length: 5"),
        (b"Content-Length : 5",), (b"Connection: close, X-Token", b"Content-Length: 5")))
    await peer.send(head(200, b"X-Token: " + r.token, *fields) + b"5\r\n12345\r\n0\r\n\r\n")
    return rng.random() < 0.5


async def garbage(_, peer, rng, r):
    good_one = answer(rng, r, 3000)
    data = rng.choice((storm_bytes.noise(rng, 500), storm_bytes.mutated(rng, good_one), b"HTTP/1.1 99 low\r\n\r\n",
                       b"HTTP/1.1 20 \r\n\r\n", good_one.replace(b"\r\n", b"\n"), b"HTTP/3.0 200 x\r\n\r\n",
                       head(101, b"Upgrade: x", b"Connection: upgrade") + r.token,
                       good_one + storm_bytes.noise(rng, 99)))
    await peer.send(data)
    return rng.random() < 0.7


async def endless_head(_, peer, rng, r):
    await peer.send(b"HTTP/1.1 200 x\r\n")
    for i in range(rng.choice((50, 2000))):
        await peer.send(b"X-%d: %s\r\n" % (i, r.token * 20))
    return False


async def cut(_, peer, rng, r):
    data = answer(rng, r)
    await peer.send(data[:rng.randrange(len(data) if rng.random() < 0.5 else min(len(data), 150))])
    if rng.random() < 0.5:
        peer.reset()
    return False


async def dribble(_, peer, rng, r):
    for piece, pause in storm_bytes.pieces(rng, answer(rng, r, 2000), 1.0):
        await asyncio.sleep(pause)
        await peer.send(piece)
    return True


async def silent(_, peer, rng, r):
    del r
    await asyncio.sleep(rng.uniform(0, SILENCE_S if rng.random() < 0.2 else 0.2))
    if rng.random() < 0.3:
        peer.reset()
    return False


async def bad_chunks(_, peer, rng, r):
    await peer.send(head(200, b"X-Token: " + r.token, b"Transfer-Encoding: chunked") +
                    storm_bytes.chunked(rng, storm_bytes.some(rng, r.token, 9000), False))
    return rng.random() < 0.5


async def old(_, peer, rng, r):
    data = answer(rng, r, 500).replace(b"HTTP/1.1", b"HTTP/1.0")
    await peer.send(data.replace(b"X-Token", rng.choice((b"Connection: keep-alive\r\nX-Token", b"X-Token"))))
    return rng.random() < 0.5


async def big_and_slow(_, peer, rng, r):
    await peer.send(head(200, b"X-Token: " + r.token, b"Content-Length: 1700000"))
    for _i in range(10):
        await peer.send(r.token * 10000)
        await asyncio.sleep(rng.uniform(0, 0.02))
    return True


async def and_more(_, peer, rng, r):
    """What nobody asked for comes in the same segment as the answer."""
    await peer.send(answer(rng, r, 500) + answer(rng, r, 500))
    return True


async def poison(origin, peer, rng, r):
    """What nobody asked for comes later, on a connection that may be in the pool."""
    await peer.send(answer(rng, r, 500))
    await asyncio.sleep(rng.choice((0, 0.001, 0.01, 0.05)))
    if not peer.is_quiet():
        return True
    mark = b"P%016x" % rng.getrandbits(64)
    text = rng.choice((b"", b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n"))
    origin.poisoned.setdefault(mark, set())
    await peer.send(text + mark)
    peer.poison = mark
    peer.raced = not peer.is_quiet()  # a request was under way already: nobody could have known
    origin.poisons += not peer.raced
    return True


WHIMS = [(14, good), (2, until_close), (2, interim), (3, wrong_length), (2, contradiction), (4, garbage),
         (1, endless_head), (4, cut), (3, dribble), (2, silent), (2, bad_chunks), (2, old), (1, big_and_slow),
         (2, and_more), (8, poison)]
WEIGHTS = [weight for weight, _ in WHIMS]


class Origin:
    """A listener; `rude` ones hang up on everybody before they have read anything."""

    def __init__(self, seed, tokens, found, rude=False):
        self.seed = seed
        self.tokens = tokens
        self.found = found  # called with what is wrong
        self.rude = rude
        self.poisoned = {}  # mark of a poison: whose requests came after it
        self.poisons = 0    # sent into a connection that was quiet
        self.late = 0       # requests that came on such a connection all the same
        self.requests = 0
        self.tasks = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.setblocking(False)
        self.accepting = asyncio.create_task(self.accept())

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    async def accept(self):
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self.listener)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a poison is there when it was sent
            task = asyncio.create_task(self.serve(storm_peer.Peer(sock)))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def serve(self, peer):
        peer.poison, peer.raced = None, False
        try:
            if self.rude:
                if random.random() < 0.5:
                    peer.reset()
                return
            while await self.exchange(peer):
                pass
        except (OSError, storm_peer.Ended):
            pass
        except ValueError as error:
            self.found("an origin got %s" % error)
        finally:
            if peer.poison is not None:  # an end, or a starved machine, may come before its last request is looked at
                self.poisoned[peer.poison] |= self.tokens.owners(peer.unread())
            peer.close()

    async def exchange(self, peer):
        r = Request(await peer.until(b"\r\n\r\n"))
        self.requests += 1
        rng = random.Random("%d-%s" % (self.seed, r.token))
        if self.is_late(peer, r):
            return False  # whatever it was given, it was not the answer
        if r.target.startswith(b"/polite"):
            await r.read_body(peer)
            self.check(r)
            await self.be_polite(peer, r)
            return True
        if rng.random() < 0.15:  # an early answer, and the body after it
            goes_on = await good(self, peer, rng, r)
            if rng.random() < 0.5:
                return False
            await r.read_body(peer)
        else:
            await r.read_body(peer)
            goes_on = await self.whim(peer, rng, r)
        self.check(r)
        return goes_on

    async def whim(self, peer, rng, r):
        if r.all(b"upgrade") and rng.random() < 0.7:
            return await self.tunnel(peer, r)
        act = rng.choices(WHIMS, WEIGHTS)[0][1]
        return await act(self, peer, rng, r)

    async def tunnel(self, peer, r):
        await peer.send(head(101, b"X-Token: " + r.token, b"Connection: upgrade", b"Upgrade: websocket"))
        while True:
            if peer.buffer:
                await peer.send(peer.buffer)
                peer.buffer = b""
            if not await peer.more():
                return False

    def is_late(self, peer, r):
        if peer.poison is None:
            return False
        self.poisoned[peer.poison] |= self.tokens.owners(r.token)
        self.late += not peer.raced
        return True

    def check(self, r):
        owners = self.tokens.owners(b"\n".join([r.target, r.body] + [value for _, value in r.fields]))
        if len(owners) > 1:
            r.wrong.append("octets of several clients: %s" % sorted(owners))
        if r.wrong:
            self.found("%s %s: %s" % (r.method, r.target[:60], "; ".join(r.wrong)))

    async def be_polite(self, peer, r):
        body = b"%s %s\n" % (r.token, hashlib.sha1(r.body).hexdigest().encode())
        text = head(200, b"X-Token: " + r.token, b"Content-Length: %d" % len(body))
        await peer.send(text + (b"" if r.method == b"HEAD" else body))

    async def hang_up(self):
        """Ends every connection, not the listener."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self):
        self.accepting.cancel()
        await asyncio.gather(self.accepting, return_exceptions=True)
        self.listener.close()
        await self.hang_up()
