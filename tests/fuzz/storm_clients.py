"""The clients of a storm: hostile ones, which live for one connection, and polite ones, who must not notice.

A hostile client judges one thing only: no token of anybody else and no poison that was not meant for its own
connection may come back.  A polite one must get each of its answers whole, in order and in time.
"""

import asyncio
import hashlib
import random

import storm_bytes
import storm_peer

POLITE = 0xf0000000  # numbers of polite connections begin here
LIFE_S = 4.5         # the longest life of a hostile connection: longer than any time limit but one
PATIENCE_S = 40.0
GRACE_S = 0.05       # between two questions of a polite client


class Broken(Exception):
    """The connection ended without the answer."""


class Hostile:
    """Connection `number` of a storm; its whole plan comes from the seed and the number."""

    def __init__(self, storm, number):
        self.storm = storm
        self.number = number
        self.rng = random.Random("%d-%d" % (storm.seed, number))
        count = self.rng.choice((1, 1, 2, 5, 12))
        self.data = storm_bytes.stream(self.rng, [storm.tokens.make(number, i) for i in range(count)])
        self.end = self.rng.choice((self.read_some, self.read_some, self.half_close, self.reset, self.vanish,
                                    self.stall, self.crawl))
        self.got = b""

    async def run(self):
        slow = self.end == self.crawl
        peer = await storm_peer.connect(self.storm.port, receive_buffer=2048 if slow else None)
        try:
            await asyncio.wait_for(self.end(peer), LIFE_S)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            self.got += peer.buffer
            peer.close()
            self.judge()

    async def send(self, peer, data):
        for piece, pause in storm_bytes.pieces(self.rng, data, 1.5):
            await asyncio.sleep(pause)
            await peer.send(piece)

    async def read(self, peer):
        """To the end; only the last octets and the tokens stay in memory."""
        while await peer.more():
            if len(peer.buffer) > 1 << 20:
                self.judge_data(peer.buffer)
                peer.buffer = peer.buffer[-20:]

    async def talk(self, peer, data, then=None):
        """Sends and reads at the same time, as a client that waits for nothing."""
        async def speak():
            try:
                await self.send(peer, data)
                if then:
                    then()
            except OSError:
                pass  # it was told to go away: what was said is still read
        await asyncio.gather(speak(), self.read(peer))

    async def read_some(self, peer):
        await asyncio.wait_for(self.talk(peer, self.data), self.rng.uniform(0.05, 1.5))

    async def half_close(self, peer):
        await self.talk(peer, self.data, peer.half_close)

    async def reset(self, peer):
        await self.send(peer, self.data[:self.rng.randrange(len(self.data) + 1)])
        peer.reset()

    async def vanish(self, peer):
        await self.send(peer, self.data)

    async def stall(self, peer):
        await self.talk(peer, self.data[:self.rng.randrange(len(self.data) + 1)])

    async def crawl(self, peer):
        await self.send(peer, self.data)
        while await peer.more(self.rng.choice((1, 100, 3000))):
            await asyncio.sleep(0.01)

    def judge(self):
        self.judge_data(self.got)

    def judge_data(self, data):
        foreign = self.storm.tokens.owners(data) - {self.number}
        if foreign:
            self.storm.found("tokens", "connection %d got octets of %s" % (self.number, sorted(foreign)))
        self.storm.drank(self.number, storm_bytes.POISON.findall(data))


class Polite:
    """Asks one question after the other, mostly on one connection; every second one pipelines in pieces."""

    def __init__(self, storm, index):
        self.storm = storm
        self.rng = random.Random("%d-polite-%d" % (storm.seed, index))
        self.number = POLITE + index
        self.index = index
        self.peer = None
        self.fresh = True
        self.kills = 0

    async def run(self):
        asked = 0
        try:
            while not self.storm.over:
                questions = [self.question(asked + i) for i in range(self.rng.randrange(1, 6) if self.index % 2 else 1)]
                asked += len(questions)
                await asyncio.wait_for(self.ask(questions), PATIENCE_S)
                await asyncio.sleep(GRACE_S)
        except asyncio.TimeoutError:
            self.storm.found("polite", "client %d waited for more than %d s" % (self.index, PATIENCE_S))
        finally:
            self.hang_up()

    def question(self, n):
        """(token, method, octets, body)"""
        token = self.storm.tokens.make(self.number + (n << 8 & 0xfffff00), n)
        if self.index % 2 or self.rng.random() < 0.5:
            method, body = self.rng.choice((b"GET", b"HEAD")), b""
        else:  # small enough to leave in one piece, so that it can be sent again
            method, body = b"PUT", storm_bytes.some(self.rng, token, 3000)
        data = b"%s /polite/%s HTTP/1.1\r\nHost: test\r\n" % (method, token)
        if body:
            data += b"Content-Length: %d\r\n" % len(body)
        if self.rng.random() < 0.1 and not self.index % 2:
            data += b"Connection: close\r\n"
        return token, method, data + b"\r\n" + body, body

    def hang_up(self):
        if self.peer:
            self.peer.close()
        self.peer = None

    async def ask(self, questions):
        """Until all are answered; what was not is asked again where HTTP lets a client do so."""
        while questions:
            try:
                if not self.peer:
                    self.kills = self.storm.kills
                    self.peer, self.fresh = await storm_peer.connect(self.storm.port), True
                await self.send(b"".join(data for _, _, data, _ in questions))
                await self.take(questions)
            except (OSError, storm_peer.Ended, Broken) as error:
                self.hang_up()
                if self.fresh and self.kills == self.storm.kills:
                    self.storm.found("polite", "client %d: a new connection ended without an answer: %r" % (
                        self.index, error))
                    return

    async def send(self, data):
        if self.index % 2 == 0:
            await self.peer.send(data)
            return
        for piece, pause in storm_bytes.pieces(self.rng, data, 0.5):
            await asyncio.sleep(pause)
            await self.peer.send(piece)

    async def take(self, questions):
        while questions:
            fields, status, body = await self.answer(questions[0][1])
            self.judge(questions.pop(0), status, fields, body)
            self.fresh = False
            self.storm.answers += 1
            if fields.get(b"connection", b"").lower() == b"close":
                self.hang_up()
                if questions:
                    raise Broken("told to close")

    async def answer(self, method):
        status = 100
        while status < 200:
            lines = (await self.peer.until(b"\r\n\r\n")).split(b"\r\n")
            status = int(lines[0].split(b" ")[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        body = b""
        if method != b"HEAD":
            body = await self.peer.exactly(int(fields.get(b"content-length", b"0")))
        return fields, status, body

    def judge(self, question, status, fields, body):
        token, method, _, sent = question
        wanted = b"%s %s\n" % (token, hashlib.sha1(sent).hexdigest().encode())
        if method == b"HEAD":
            body = wanted
        if (status, fields.get(b"x-token"), body) != (200, token, wanted):
            self.storm.wronged.append((self.storm.tokens.owner(token), "client %d: %s %s got %d %r %r" % (
                self.index, method.decode(), token.decode(), status, fields, body[:200])))
