"""Slow clients: those who drip and those who do not read, many at once, and a polite one beside them.

A limit ends who stalls; who gets on, however slowly, may go on.  No time is judged by an upper bound.
"""

import threading
import unittest

import crowd
import harness
import wire

LONG = dict.fromkeys(("request_header", "request_body", "connect", "response_header",
                      "response_body", "client_write", "keep_alive"), "120s")
MANY = 200


class Slow(harness.Case):
    def limited(self, **short):
        self.one = self.origin()
        return self.ballast([self.one.url], timeouts=dict(LONG, **short))

    def crowd(self, lb, kinds):
        people = crowd.Crowd(lb.port)
        self.addCleanup(people.close)
        return people.fill(kinds)

    def pace(self, seconds):
        threading.Event().wait(seconds)

    def is_polite_served(self, lb):
        for _ in range(5):
            self.assertEqual(lb.ask().status, 200)

    def wait_none_left(self, lb):
        harness.wait_for(lambda: crowd.is_at_rest(lb), "all to be given up")


class Heads(Slow):
    def test_many_that_drip_their_heads_all_end_by_the_limit_for_a_head(self):
        lb = self.limited(request_header="1s")
        streams = self.crowd(lb, {crowd.half_head: MANY})

        def drip():
            """One more octet of each that is still there; how many are not."""
            gone = 0
            for stream in streams:
                try:
                    stream.send(b"a")
                except OSError:
                    gone += 1
            return gone == MANY
        self.is_polite_served(lb)
        harness.wait_for(drip, "all to be ended in spite of their progress")
        self.wait_none_left(lb)
        self.assertEqual(self.one.count(), 5)

    def test_connections_that_say_nothing_end_by_the_limit_for_a_head(self):
        lb = self.limited(request_header="1s")
        streams = self.crowd(lb, {crowd.silent: MANY})
        self.is_polite_served(lb)
        for stream in streams:
            self.assertTrue(stream.is_closed())

    def test_connections_that_say_nothing_after_an_answer_end_by_keep_alive(self):
        lb = self.limited(keep_alive="1s")
        streams = self.crowd(lb, {crowd.idle: MANY})
        self.is_polite_served(lb)
        for stream in streams:
            self.assertTrue(stream.is_closed())

    def test_a_second_request_that_drips_has_the_limit_for_a_head(self):
        lb = self.limited(request_header="500ms")
        streams = self.crowd(lb, {crowd.idle: 10})
        for stream in streams:
            stream.send(b"GET /second HTTP/1.1\r\n")
        for stream in streams:
            self.assertEqual(stream.read_response().status, 408)
            self.assertTrue(stream.is_closed())

    def test_octets_of_tls_on_the_plain_port_end_by_the_limit_at_the_latest(self):
        lb = self.limited(request_header="1s")
        hello = bytes.fromhex("16030100c8010000c40303") + bytes(range(1, 190))
        with lb.connect() as whole, lb.connect() as slow:
            whole.send(hello)
            slow.send(hello[:1])
            for client in (whole, slow):
                self.assertIn(client.rest()[:12], (b"", b"HTTP/1.1 400", b"HTTP/1.1 408"))
        self.is_polite_served(lb)
        self.assertEqual(self.one.count(), 5)


class Bodies(Slow):
    def test_bodies_that_drip_may_take_longer_than_the_limit_and_those_that_stop_may_not(self):
        lb = self.limited(request_body="2s")
        streams = self.crowd(lb, {crowd.half_body: MANY})
        steady = lb.connect()
        self.addCleanup(steady.close)
        steady.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\n")
        for _ in range(25):  # 2.5 s in all
            self.pace(0.1)
            steady.send(b"x")
        self.assertEqual(steady.read_response("POST").body, b"x" * 25)
        self.is_polite_served(lb)
        for stream in streams:
            self.assertNotIn(b" 200 ", stream.rest())
        steady.close()
        self.wait_none_left(lb)


class Readers(Slow):
    def test_who_takes_little_but_steadily_keeps_its_answer_and_who_takes_nothing_does_not(self):
        """The kernel lets the balancer write again only when much has been taken: less is progress, too."""
        lb = self.limited(client_write="1s")
        stuck = self.crowd(lb, {crowd.slow_reader: 50})
        steady = lb.connect(receive_buffer=4096)
        self.addCleanup(steady.close)
        steady.send(wire.request("GET", "/bytes/%d" % crowd.SLOW_BYTES))
        steady.read_head()
        taken = len(steady.buffer)
        while taken < 60000:  # some 4 s, of which each takes less than one can write anew
            self.pace(0.1)
            taken += len(steady.sock.recv(1500))
        harness.wait_for(lambda: crowd.connections(lb, "active") == 1, "those who take nothing to end")
        while taken < crowd.SLOW_BYTES:
            more = len(steady.sock.recv(1 << 20))
            self.assertGreater(more, 0, "cut after %d octets" % taken)
            taken += more
        self.is_polite_served(lb)
        for stream in stuck:
            with self.assertRaises((wire.Closed, ConnectionResetError)):
                stream.read_response()

    def test_an_answer_through_a_tiny_window_comes_whole(self):
        lb = self.limited()
        clients = []
        for _ in range(5):
            client = lb.connect(receive_buffer=1)  # the least there is
            self.addCleanup(client.close)
            client.send(wire.request("GET", "/bytes/100000") + wire.request("GET", "/chunked/50000"))
            clients.append(client)
        with lb.connect() as direct:
            whole = direct.ask(target="/bytes/100000").body
        for client in clients:
            self.assertEqual(client.read_response().body, whole)
            self.assertEqual(client.read_response().body, whole[:50000])
        self.is_polite_served(lb)


if __name__ == "__main__":
    unittest.main()
