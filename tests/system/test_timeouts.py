"""Point 6: every timeout of the configuration, small, and what the client sees of it.

Each timeout is tested for coming at all and for its effect, and where silence is measured,
that steady progress outlives it; how long it took is never judged by an upper bound.
"""

import socket
import threading
import unittest

import harness
import wire
from harness import OK, answers

# The one under test is short; nothing else may come first.
LONG = dict.fromkeys(("request_header", "request_body", "connect", "response_header",
                      "response_body", "client_write", "keep_alive", "tunnel"), "60s")


class Timeouts(harness.Case):
    def limited(self, url, **short):
        return self.ballast([url], timeouts=dict(LONG, **short), retries=0)

    def test_request_header(self):
        script = self.script(answers(OK))
        lb = self.limited(script.url, request_header="300ms")
        with lb.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
            self.assertEqual(client.read_response().status, 408)
            self.assertTrue(client.is_closed())

    def test_request_header_is_for_the_whole_header_not_for_each_octet(self):
        script = self.script(answers(OK))
        lb = self.limited(script.url, request_header="500ms")
        with lb.connect() as client:
            client.sock.settimeout(0.1)

            def drip():
                """Sends an octet each 0.1 s until there is an answer or an end."""
                try:
                    client.send(b"a")
                    client.more()
                    return True
                except TimeoutError:
                    return False
                except OSError:
                    return True
            client.send(b"GET /")
            harness.wait_for(drip, "an end in spite of progress")

    def test_request_body(self):
        script = self.script(answers(OK))
        lb = self.limited(script.url, request_body="300ms")
        with lb.connect() as client:
            client.send(wire.request("POST", "/", {"Content-Length": "10"}) + b"half")
            try:
                self.assertEqual(client.read_response().status, 408)
            except (wire.Closed, ConnectionResetError):
                pass

    def test_connect(self):
        # A backlog that is full: what comes after gets no answer at all.
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address = listener.getsockname()
            fillers = []
            for _ in range(8):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(address)
                fillers.append(filler)
            lb = self.limited("http://127.0.0.1:%d" % address[1], connect="300ms")
            self.assertEqual(lb.ask().status, 504)
            reasons = lb.metrics_after(1).value("lb_backend_errors_total", reason="connect_timeout")
            self.assertEqual(reasons, 1)
            for filler in fillers:
                filler.close()

    def test_response_header(self):
        def silent(script, stream):
            script.take(stream)
            stream.rest()
        script = self.script(silent)
        lb = self.limited(script.url, response_header="300ms")
        with lb.connect() as client:
            self.assertEqual(client.ask().status, 504)
            # The client's connection is as good as before.
            self.assertEqual(client.ask().status, 504)

    def test_response_body_is_the_longest_silence(self):
        one = self.origin()
        lb = self.limited(one.url, response_body="1s")
        # Steady drops take longer than the limit in all, and pass.
        with lb.connect() as client:
            self.assertEqual(len(client.ask(target="/drip/15/100").body), 15)
            client.send(wire.request("GET", "/drip/2/60000"))
            client.read_head()
            with self.assertRaises((wire.Closed, ConnectionResetError)):
                client.exactly(2)

    def test_client_write(self):
        one = self.origin()
        lb = self.limited(one.url, client_write="500ms")
        with lb.connect(receive_buffer=4096) as client:
            client.send(wire.request("GET", "/bytes/100000000"))
            harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == 1, "a start")
            harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == 0,
                             "the stalled client to be given up")

    def test_keep_alive(self):
        one = self.origin()
        lb = self.limited(one.url, keep_alive="300ms")
        with lb.connect() as client:
            self.assertEqual(client.ask().status, 200)
            self.assertTrue(client.is_closed())

    def test_keep_alive_closes_idle_upstream_connections(self):
        closed = threading.Event()

        def handle(script, stream):
            script.take(stream)
            stream.send(OK)
            stream.rest()
            closed.set()
        script = self.script(handle)
        lb = self.limited(script.url, keep_alive="300ms")
        self.assertEqual(lb.ask().status, 200)
        self.assertTrue(closed.wait(harness.PATIENCE))

    def test_a_connection_on_which_nothing_ever_comes_is_closed(self):
        script = self.script(answers(OK))
        lb = self.limited(script.url, request_header="300ms", keep_alive="300ms")
        with lb.connect() as client:
            self.assertIn(client.rest()[:12], (b"", b"HTTP/1.1 408"))

    def test_tunnel(self):
        def upgrade(script, stream):
            stream.read_head()
            stream.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                        b"Connection: Upgrade\r\n\r\n")
            for _ in range(15):
                stream.send(stream.exactly(1))
            stream.rest()
        script = self.script(upgrade)
        lb = self.limited(script.url, tunnel="1s")
        with lb.connect() as client:
            client.send(wire.request(fields={"Upgrade": "x", "Connection": "Upgrade"}))
            self.assertEqual(client.read_response().status, 101)
            # A tenth of a second between octets: longer than the limit in all, and it lives.
            pace = threading.Event()
            for _ in range(15):
                pace.wait(0.1)
                client.send(b"x")
                self.assertEqual(client.exactly(1), b"x")
            self.assertTrue(client.is_closed())

    def test_drain(self):
        one = self.origin()
        lb = self.limited(one.url, drain="300ms")
        lb.expected_exit = 3
        with lb.connect() as client:
            client.send(wire.request("GET", "/drip/1000/1000"))
            client.read_head()
            self.assertEqual(lb.stop(), 3)


if __name__ == "__main__":
    unittest.main()
