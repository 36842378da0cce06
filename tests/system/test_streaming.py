"""Point 6: bodies of any size pass in a fixed amount of memory, at the pace of the slower side.

256 MiB by default; BALLAST_BIG=1 makes it 1 GiB.
"""

import os
import threading
import unittest

import harness
import wire

MIB = 1 << 20
SIZE = (1024 if os.environ.get("BALLAST_BIG") else 256) * MIB
LIMIT_KIB = 32 * 1024
PIECE = b"0123456789abcdef" * 4096


class Peak:
    """The largest resident size of any process of an instance, looked at now and then."""

    def __init__(self, lb):
        self.pids = [lb.pid] + harness.children_of(lb.pid)
        self.kib = 0

    def look(self):
        self.kib = max([self.kib] + [harness.resident_kib(pid) for pid in self.pids])


def sink(script, stream):
    """Counts a body without keeping it; slowly at first, so that back-pressure must work."""
    head = stream.read_head().decode("latin-1").lower()
    wanted = int(head.split("content-length:")[1].split("\r\n")[0])
    script.may_read.wait(60)
    have = len(stream.buffer)
    while have < wanted:
        data = stream.sock.recv(MIB)
        if not data:
            return
        have += len(data)
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(have)), have))


def token_body(_, stream):
    """The octet after the last slash of the target, a MiB of it, over and over on one connection."""
    while True:
        head = stream.read_head()
        if not head:
            return
        octet = head.split(b" ")[1][-1:]
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB + octet * MIB)


def sized_answer(_, stream):
    """/HEAD/BODY: a head with a field of so many octets, a body of so many, each of them its own."""
    while True:
        head = stream.read_head()
        if not head:
            return
        field, body = (int(n) for n in head.split(b" ")[1].split(b"/")[1:])
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Long: %s\r\n\r\n" % (
            body, b"f" * field) + counted(body))


def counted(size):
    return b"".join(b"%07d " % i for i in range(size // 8 + 1))[:size]


def echo_sum(_, stream):
    """Tells what octets a body was made of."""
    while True:
        head = stream.read_head().decode("latin-1").lower()
        if not head:
            return
        body = stream.exactly(int(head.split("content-length:")[1].split("\r\n")[0]))
        said = b"%d of %s" % (len(body), b"".join(sorted({body[i:i + 1] for i in range(len(body))})))
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))


class Pipes(harness.Case):
    """Large bodies pass through pipes of the kernel that one exchange after the other uses."""

    def test_what_a_cut_download_left_in_a_pipe_reaches_nobody(self):
        lb = self.ballast([self.script(token_body).url], workers=1)
        for i in range(30):
            with lb.connect(receive_buffer=4096) as greedy:  # takes a little, and resets
                greedy.send(wire.request("GET", "/A"))
                greedy.exactly(20000)
                greedy.reset()
            octet = b"BCDE"[i % 4:i % 4 + 1]
            body = lb.ask("/" + octet.decode()).body
            self.assertEqual((len(body), set(body)), (MIB, set(octet)))

    def test_what_a_cut_upload_left_in_a_pipe_reaches_nobody(self):
        lb = self.ballast([self.script(echo_sum).url], workers=1)
        for i in range(30):
            with lb.connect() as broken:
                broken.send(wire.request("POST", "/", [("Content-Length", str(MIB))]) + b"A" * 300000)
                broken.reset()
            octet = b"BCDE"[i % 4:i % 4 + 1]
            said = lb.ask("/", "POST", body=octet * MIB).body
            self.assertEqual(said, b"%d of %s" % (MIB, octet))

    def test_whatever_an_answer_was_expected_to_be_it_arrives_whole(self):
        """Of a backend whose last answer was long only a head is read at first."""
        lb = self.ballast([self.script(sized_answer).url], workers=1)
        sizes = [(field, body) for field in (1, 2000, 3400, 3500, 3600, 9000)
                 for body in (0, 1, 3000, 70000, 100, 16384, 20000, 400000)]
        with lb.connect() as client:
            for field, body in sizes:
                answer = client.ask("GET", "/%d/%d" % (field, body))
                self.assertEqual(answer.get("x-long"), "f" * field)
                self.assertTrue(answer.body == counted(body), "%d octets after %d" % (body, field))

    def test_pipelined_uploads_are_kept_apart(self):
        lb = self.ballast([self.script(echo_sum).url], workers=1)
        with lb.connect() as client:
            def all_at_once():
                for octet in (b"B", b"C", b"D"):
                    client.send(wire.request("POST", "/", body=octet * 200000))
            sender = threading.Thread(target=all_at_once)
            sender.start()
            for octet in (b"B", b"C", b"D"):
                self.assertEqual(client.read_response().body, b"200000 of " + octet)
            sender.join()


class Streaming(harness.Case):
    def small(self, peak):
        if not harness.SANITIZED:  # whose shadow memory is no measure
            self.assertGreater(peak.kib, 0)
            self.assertLess(peak.kib, LIMIT_KIB)

    def drink(self, client, wanted, peak):
        """Reads a body; waits until the balancer has stopped taking more before it begins."""
        have = len(client.buffer)
        client.buffer = b""
        while have < wanted:
            data = client.sock.recv(MIB)
            if not data:
                break
            have += len(data)
            if have % (8 * MIB) < len(data):
                peak.look()
        return have

    def download(self, target, size):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        peak = Peak(lb)
        with lb.connect(timeout=60, receive_buffer=65536) as client:
            client.send(wire.request("GET", target))
            head = wire.Response(client.read_head(), [])
            self.assertEqual(head.status, 200)
            # Another client is served while this one takes nothing.
            self.assertEqual(lb.ask("/bytes/100000").status, 200)
            peak.look()
            have = self.drink(client, size, peak)
        self.assertEqual(have, size)
        self.small(peak)

    def test_a_large_download_through_a_client_that_takes_nothing_at_first(self):
        self.download("/bytes/%d" % SIZE, SIZE)

    def test_a_large_upload_to_a_backend_that_takes_nothing_at_first(self):
        script = self.script(sink)
        script.may_read = threading.Event()
        lb = self.ballast([script.url], workers=1)
        peak = Peak(lb)
        with lb.connect(timeout=60) as client:
            client.send(wire.request("POST", "/", {"Content-Length": str(SIZE)}))
            sent = self.push_until_full(client)
            self.assertLess(sent, 64 * MIB, "somebody takes a whole body without passing it on")
            peak.look()
            script.may_read.set()
            client.sock.settimeout(60)
            while sent < SIZE:
                piece = PIECE[:min(len(PIECE), SIZE - sent)]
                client.send(piece)
                sent += len(piece)
                if sent % (8 * MIB) < len(piece):
                    peak.look()
            self.assertEqual(client.read_response().text, str(SIZE))
        self.small(peak)

    @staticmethod
    def push_until_full(client):
        """Sends until nothing has gone for a while; the octets sent."""
        sent = 0
        client.sock.settimeout(1.0)
        try:
            while sent < 64 * MIB:
                sent += client.sock.send(PIECE[sent % len(PIECE):])
        except TimeoutError:
            pass
        return sent

    def test_a_download_in_chunks_is_not_gathered(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        peak = Peak(lb)
        with lb.connect(timeout=60, receive_buffer=65536) as client:
            client.send(wire.request("GET", "/chunked/%d" % (32 * MIB)))
            client.read_head()
            have = 0
            while True:
                n = int(client.until(b"\r\n"), 16)
                if n == 0:
                    break
                client.exactly(n + 2)
                have += n
                peak.look()
        self.assertEqual(have, 32 * MIB)
        self.small(peak)

    def test_many_slow_clients_take_a_fixed_amount_each(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        peak = Peak(lb)
        clients = []
        for _ in range(50):
            client = lb.connect(receive_buffer=4096)
            self.addCleanup(client.close)
            client.send(wire.request("GET", "/bytes/%d" % (16 * MIB)))
            clients.append(client)
        for client in clients:
            client.read_head()
        peak.look()
        self.small(peak)


if __name__ == "__main__":
    unittest.main()
