"""Clients that leave: by a reset or by closing one half, in every phase of a connection.

Whatever was on its way then, nothing of it stays: no connection, no exchange, no active upstream
connection, and the next client finds all as before.
"""

import socket
import threading
import unittest

import crowd
import harness
import wire
from harness import OK

EACH = 10  # connections per phase
UPGRADE = {"Connection": "Upgrade", "Upgrade": "x"}


class Phases(harness.Case):
    """One instance before two backends: the demo origin, and one that the test holds back."""

    def setUp(self):
        self.gate = threading.Event()
        self.seen = threading.Semaphore(0)
        self.held = self.script(self.hold)
        self.one = self.origin()

    def hold(self, script, stream):
        """Takes a request and says nothing before the gate opens."""
        request = script.take(stream)
        self.seen.release()
        if request.get("Upgrade"):
            stream.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        b"Upgrade: x\r\n\r\n")
            stream.rest()
        self.gate.wait(harness.PATIENCE)
        stream.send(OK)

    def balance(self, url, **more):
        return self.ballast([url], retries=0, timeouts=dict.fromkeys(
            ("request_header", "request_body", "response_header", "client_write", "keep_alive",
             "connect"), "120s"), **more)

    def wait_rest(self, lb):
        harness.wait_for(lambda: crowd.is_at_rest(lb), "nothing to be left")


class Resets(Phases):
    def after(self, lb, kind, then=lambda: None, receive_buffer=None):
        """EACH clients reset when each is where `kind` took it; afterwards all is as before."""
        workers = lb.workers()
        streams = []
        for _ in range(EACH):
            stream = lb.connect(receive_buffer=receive_buffer)
            self.addCleanup(stream.close)
            kind(stream)
            streams.append(stream)
        then()
        for stream in streams:
            stream.reset()
        self.wait_rest(lb)
        self.assertEqual(lb.workers(), workers)

    def polite(self, lb):
        self.assertEqual(lb.ask().status, 200)

    def active(self, lb, count=EACH, state="active"):
        return lambda: harness.wait_for(lambda: crowd.connections(lb, state) == count,
                                        "%d %s clients" % (count, state))

    def test_right_after_the_connect(self):
        lb = self.balance(self.one.url)
        self.after(lb, crowd.silent)
        self.polite(lb)

    def test_in_the_head(self):
        lb = self.balance(self.one.url)
        self.after(lb, crowd.one_octet)
        self.after(lb, crowd.half_head, self.active(lb))
        self.after(lb, crowd.big_head, self.active(lb))
        self.polite(lb)

    def test_in_the_body(self):
        lb = self.balance(self.one.url)
        self.after(lb, crowd.half_body, self.active(lb))
        self.after(lb, crowd.half_chunk, self.active(lb))
        self.polite(lb)

    def test_while_the_backend_is_connected_to(self):
        with socket.socket() as full:  # a backlog without room: connecting takes until its limit
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = [socket.socket() for _ in range(8)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            lb = self.balance("http://127.0.0.1:%d" % full.getsockname()[1])
            self.after(lb, lambda stream: stream.send(wire.request()), self.active(lb))
            for filler in fillers:
                filler.close()

    def test_while_the_backend_is_waited_for(self):
        lb = self.balance(self.held.url)

        def all_seen():
            for _ in range(EACH):
                self.assertTrue(self.seen.acquire(timeout=harness.PATIENCE))
        self.after(lb, lambda stream: stream.send(wire.request()), all_seen)
        self.after(lb, lambda stream: stream.send(wire.request() * 3), all_seen)
        self.gate.set()
        self.polite(lb)

    def test_in_the_answer(self):
        lb = self.balance(self.one.url)

        def begun(stream):
            stream.send(wire.request("GET", "/bytes/20000000"))
            stream.read_head()
        self.after(lb, begun, receive_buffer=4096)
        self.after(lb, crowd.slow_reader, receive_buffer=4096)
        self.polite(lb)

    def test_after_the_answer(self):
        lb = self.balance(self.one.url)
        self.after(lb, crowd.idle)
        self.polite(lb)

    def test_behind_an_answer_that_ends_the_connection(self):
        lb = self.balance(self.one.url)

        def refused(stream):
            stream.send(b"nonsense\r\n\r\n" + b"x" * 5000)
            self.assertEqual(stream.read_response().status, 400)
        self.after(lb, refused)
        self.polite(lb)

    def test_in_a_tunnel(self):
        lb = self.balance(self.held.url)

        def upgraded(stream):
            stream.send(wire.request(fields=UPGRADE))
            self.assertEqual(stream.read_response().status, 101)
        self.after(lb, upgraded, self.active(lb, state="tunnel"))
        self.gate.set()
        self.polite(lb)

    def test_in_a_flood_of_which_nothing_was_read(self):
        lb = self.balance(self.one.url)
        self.after(lb, lambda stream: crowd.fill_until_blocked(
            stream, wire.request("GET", "/bytes/5000") * 100, 50000), receive_buffer=4096)
        self.polite(lb)


class HalfCloses(Phases):
    def client(self, lb, octets):
        client = lb.connect()
        self.addCleanup(client.close)
        client.send(octets)
        client.half_close()
        return client

    def test_right_after_the_connect_nothing_is_said(self):
        lb = self.balance(self.one.url)
        self.assertEqual(self.client(lb, b"").rest(), b"")
        self.wait_rest(lb)

    def test_in_the_head_it_is_400(self):
        lb = self.balance(self.one.url)
        client = self.client(lb, b"GET / HTTP/1.1\r\nHost: a\r\n")
        self.assertEqual(client.read_response().status, 400)
        self.assertTrue(client.is_closed())
        self.wait_rest(lb)
        self.assertEqual(self.one.count(), 0)

    def test_behind_whole_requests_all_are_answered(self):
        lb = self.balance(self.one.url)
        client = self.client(lb, b"".join(wire.request("GET", "/bytes/%d" % n)
                                          for n in range(1, 21)))
        for n in range(1, 21):
            self.assertEqual(len(client.read_response().body), n)
        self.assertTrue(client.is_closed())
        self.wait_rest(lb)

    def test_while_the_backend_is_waited_for_the_answer_still_comes(self):
        lb = self.balance(self.held.url)
        client = lb.connect()
        self.addCleanup(client.close)
        client.send(wire.request())
        self.assertTrue(self.seen.acquire(timeout=harness.PATIENCE))
        client.half_close()
        before = crowd.cpu_ns(lb.workers())
        client.sock.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            client.more()
        self.assertLess(crowd.cpu_ns(lb.workers()) - before, 150 * 10 ** 6)  # it does not spin
        client.sock.settimeout(wire.TIMEOUT)
        self.gate.set()
        self.assertEqual(client.read_response().status, 200)
        self.assertTrue(client.is_closed())
        self.wait_rest(lb)

    def test_in_the_body_the_backend_sees_a_cut_and_never_a_whole_request(self):
        lb = self.balance(self.held.url)
        for body in (b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"):
            client = self.client(lb, b"POST / HTTP/1.1\r\nHost: a\r\n" + body)
            self.assertNotIn(b" 200 ", client.rest())
            client.close()
        self.wait_rest(lb)
        self.assertEqual(self.held.seen, [])

    def test_in_the_answer_the_rest_of_it_still_comes(self):
        lb = self.balance(self.one.url)
        client = lb.connect(receive_buffer=4096)
        self.addCleanup(client.close)
        client.send(wire.request("GET", "/bytes/2000000"))
        client.until(b"\r\n\r\n")
        client.half_close()
        self.assertEqual(len(client.exactly(2000000)), 2000000)
        self.assertTrue(client.is_closed())
        self.wait_rest(lb)

    def test_after_the_answer_the_connection_ends(self):
        lb = self.balance(self.one.url)
        client = lb.connect()
        self.addCleanup(client.close)
        self.assertEqual(client.ask().status, 200)
        client.half_close()
        self.assertTrue(client.is_closed())
        self.wait_rest(lb)


if __name__ == "__main__":
    unittest.main()
