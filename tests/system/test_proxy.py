"""Point 6: HTTP/1.0 and 1.1 through the balancer, octet by octet on both sides."""

import socket
import unittest

import harness
import wire
from harness import OK, answers, once


def reply(head, body=b""):
    return ("HTTP/1.1 " + head.replace("\n", "\r\n") + "\r\n\r\n").encode("latin-1") + body


class Connections(harness.Case):
    def test_a_client_connection_serves_many_requests(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        with lb.connect() as client:
            for _ in range(20):
                response = client.ask()
                self.assertEqual((response.status, response.text), (200, "hello from one\n"))
                self.assertNotEqual((response.get("Connection") or "").lower(), "close")

    def test_upstream_connections_are_pooled(self):
        script = self.script(answers(OK))
        lb = self.ballast([script.url], workers=1)
        for _ in range(10):
            self.assertEqual(lb.ask().status, 200)
        self.assertEqual(script.connections, 1)

    def test_pipelined_requests_are_answered_in_order(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            client.send(b"".join(wire.request("GET", "/bytes/%d" % n) for n in range(1, 31)))
            for n in range(1, 31):
                self.assertEqual(len(client.read_response().body), n)

    def test_a_request_in_single_octets_is_understood(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            for octet in wire.request("POST", "/echo", body=b"slow"):
                client.send(bytes([octet]))
            self.assertEqual(client.read_response().body, b"slow")

    def test_close_is_honoured(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            response = client.ask(fields={"Connection": "close"})
            self.assertEqual(response.get("Connection"), "close")
            self.assertTrue(client.is_closed())

    def test_a_client_that_sends_fin_after_its_request_is_answered(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            client.send(wire.request("GET", "/sleep/50"))
            client.half_close()
            self.assertEqual(client.read_response().status, 200)


class OldClients(harness.Case):
    def test_http_1_0_closes_after_the_answer(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            response = client.ask(proto="HTTP/1.0", host=None)
            self.assertEqual((response.status, response.text), (200, "hello from one\n"))
            self.assertTrue(client.is_closed())

    def test_http_1_0_with_keep_alive_stays(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            for _ in range(3):
                response = client.ask(proto="HTTP/1.0", fields={"Connection": "keep-alive"})
                self.assertEqual(response.status, 200)
                self.assertEqual((response.get("Connection") or "").lower(), "keep-alive")

    def test_a_chunked_answer_reaches_a_1_0_client_without_chunks(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            response = client.ask(target="/chunked/5000", proto="HTTP/1.0")
            self.assertIsNone(response.get("Transfer-Encoding"))
            self.assertEqual(len(response.body), 5000)


class Bodies(harness.Case):
    def test_bodies_are_echoed_in_both_framings(self):
        one = self.origin()
        lb = self.ballast([one.url])
        data, client = bytes(range(256)) * 1024, None
        for n in (0, 1, 100, 16384, len(data)):
            for message in (wire.request("POST", "/echo", body=data[:n]),
                            wire.request("POST", "/echo", {"Transfer-Encoding": "chunked"}) +
                            wire.chunked(data[:n // 2], data[n // 2:n])):
                if client is None:
                    client = lb.connect()
                    self.addCleanup(client.close)
                client.send(message)
                response = client.read_response()
                self.assertEqual(response.body, data[:n])
                if response.get("Connection") == "close":  # the echo began before all of it was here
                    client = None

    def test_a_chunked_answer_stays_chunked_for_a_1_1_client(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            response = client.ask(target="/chunked/100000")
            self.assertEqual((response.framing, len(response.body)), ("chunked", 100000))
            self.assertEqual(client.ask().status, 200)

    def test_a_close_delimited_answer_is_chunked_for_a_1_1_client(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            response = client.ask(target="/close/70000")
            self.assertEqual((response.framing, len(response.body)), ("chunked", 70000))
            self.assertEqual(client.ask().status, 200)

    def test_a_close_delimited_answer_is_close_delimited_for_a_1_0_client(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            response = client.ask(target="/close/70000", proto="HTTP/1.0")
            self.assertEqual((response.framing, len(response.body)), ("close", 70000))

    def test_an_answer_of_a_1_0_backend_is_reframed(self):
        script = self.script(once(b"HTTP/1.0 200 OK\r\n\r\nold words"))
        lb = self.ballast([script.url])
        with lb.connect() as client:
            response = client.ask()
            self.assertEqual((response.proto, response.framing, response.body),
                             ("HTTP/1.1", "chunked", b"old words"))

    def test_trailers_pass_in_both_directions(self):
        def handle(script, stream):
            script.take(stream)
            stream.send(reply("200 OK\nTransfer-Encoding: chunked\nTrailer: X-Sum") +
                        wire.chunked(b"abc", trailers=[("X-Sum", "6")]))
        script = self.script(handle)
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request("POST", "/", {"Transfer-Encoding": "chunked", "TE": "trailers"})
                        + wire.chunked(b"12", b"345", trailers=[("X-Total", "15")]))
            response = client.read_response()
        self.assertEqual(response.trailers, [("X-Sum", "6")])
        self.assertEqual(script.seen[0].body, b"12345")
        self.assertEqual(script.seen[0].trailers, [("X-Total", "15")])

    def test_head_204_and_304_have_no_body_whatever_their_fields_say(self):
        script = self.script(answers(reply("200 OK\nContent-Length: 1000"),
                                     reply("204 No Content"),
                                     reply("304 Not Modified\nContent-Length: 77\nETag: \"a\""),
                                     OK))
        lb = self.ballast([script.url], workers=1)
        with lb.connect() as client:
            head = client.ask("HEAD")
            self.assertEqual((head.status, head.get("Content-Length")), (200, "1000"))
            self.assertEqual(client.ask().status, 204)
            response = client.ask(fields={"If-None-Match": '"a"'})
            self.assertEqual((response.status, response.get("ETag")), (304, '"a"'))
            self.assertEqual(client.ask().body, b"ok")

    def test_a_body_over_the_limit_is_413_and_reaches_no_backend(self):
        script = self.script(answers(OK))
        lb = self.ballast([script.url], limits={"body_bytes": "1k"})
        with lb.connect() as client:
            client.send(wire.request("POST", "/", {"Content-Length": "1025"}))
            self.assertEqual(client.read_response().status, 413)
        self.assertEqual(script.seen, [])


class Interim(harness.Case):
    def test_1xx_answers_are_forwarded(self):
        script = self.script(answers(
            reply("103 Early Hints\nLink: </a.css>") + reply("102 Processing") + OK))
        lb = self.ballast([script.url])
        with lb.connect() as client:
            response = client.ask()
            self.assertEqual([head.status for head in response.interim], [103, 102])
            self.assertEqual(response.interim[0].get("Link"), "</a.css>")
            self.assertEqual(response.body, b"ok")

    def test_1xx_answers_do_not_reach_a_1_0_client(self):
        script = self.script(answers(reply("103 Early Hints") + OK))
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request(proto="HTTP/1.0"))
            self.assertEqual(client.read_response(keep_interim=False).status, 200)

    def test_expect_waits_for_the_backends_100(self):
        def handle(script, stream):
            script.seen.append(stream.read_head())
            stream.send(reply("100 Continue"))
            body = stream.exactly(5)
            stream.send(reply("200 OK\nContent-Length: 5") + body)
        script = self.script(handle)
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request("PUT", "/", {"Expect": "100-continue", "Content-Length": "5"}))
            self.assertEqual(wire.Response(client.read_head(), []).status, 100)
            client.send(b"hello")
            self.assertEqual(client.read_response().body, b"hello")
        self.assertIn(b"100-continue", script.seen[0])

    def test_a_refusal_instead_of_100_is_passed_on(self):
        def handle(script, stream):
            script.seen.append(stream.read_head())
            stream.send(reply("401 Unauthorized\nContent-Length: 2\nConnection: close") + b"no")
        script = self.script(handle)
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request("PUT", "/", {"Expect": "100-continue", "Content-Length": "5"}))
            response = client.read_response()
        self.assertEqual((response.status, response.interim), (401, []))


class Tunnels(harness.Case):
    @staticmethod
    def upgrade(script, stream):
        script.seen.append(stream.read_head())
        stream.send(reply("101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade") +
                    b"first")
        while True:
            data = stream.buffer or stream.sock.recv(65536)
            stream.buffer = b""
            if not data:
                break
            stream.send(data.upper())
        stream.send(b"last")

    ASK = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "abc"}

    def test_an_upgrade_becomes_a_tunnel_with_half_close(self):
        script = self.script(self.upgrade)
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request(fields=self.ASK) + b"early")
            response = client.read_response()
            self.assertEqual((response.status, response.get("Upgrade")), (101, "websocket"))
            self.assertEqual(client.exactly(10), b"firstEARLY")
            client.send(b"more")
            self.assertEqual(client.exactly(4), b"MORE")
            client.half_close()
            self.assertEqual(client.rest(), b"last")
        self.assertIn(b"websocket", script.seen[0])
        self.assertIn(b"Sec-WebSocket-Key: abc", script.seen[0])

    def test_the_backends_half_close_reaches_the_client_which_may_go_on(self):
        got = []

        def handle(script, stream):
            stream.read_head()
            stream.send(reply("101 Switching Protocols\nUpgrade: x\nConnection: Upgrade") + b"bye")
            stream.half_close()
            got.append(stream.rest())
        script = self.script(handle)
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request(fields={"Upgrade": "x", "Connection": "upgrade"}))
            client.read_response()
            self.assertEqual(client.rest(), b"bye")
            client.send(b"still here")
            client.half_close()
            harness.wait_for(lambda: got, "what the backend got")
        self.assertEqual(got, [b"still here"])

    def test_an_upgrade_that_is_refused_is_an_ordinary_exchange(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            self.assertEqual(client.ask(fields=self.ASK).status, 200)
            self.assertEqual(client.ask().status, 200)


class Fields(harness.Case):
    def exchange(self, fields, response=OK, config=None, **more):
        script = self.script(answers(response))
        lb = self.ballast([script.url], **(config or {}))
        with lb.connect() as client:
            got = client.ask(fields=fields, **more)
        return script.seen[0], got

    def test_hop_by_hop_fields_are_removed_towards_the_backend(self):
        seen, _ = self.exchange([
            ("Connection", "X-Hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "5"),
            ("Proxy-Connection", "x"), ("Proxy-Authorization", "secret"), ("TE", "gzip"),
            ("Proxy", "evil"), ("X-End", "2")])
        for name in ("X-Hop", "Keep-Alive", "Proxy-Connection", "Proxy"):
            self.assertEqual(seen.all(name), [], name)
        self.assertEqual(seen.all("X-End"), ["2"])
        self.assertNotIn("X-Hop", ",".join(seen.all("Connection")))

    def test_hop_by_hop_fields_are_removed_towards_the_client(self):
        _, got = self.exchange({}, reply("200 OK\nConnection: X-Hop\nX-Hop: 1\nKeep-Alive: 5\n"
                                         "X-End: 2\nContent-Length: 0"))
        for name in ("X-Hop", "Keep-Alive"):
            self.assertEqual(got.all(name), [], name)
        self.assertEqual(got.all("X-End"), ["2"])

    def test_what_is_added_towards_the_backend(self):
        seen, got = self.exchange({}, host="shop.example:81")
        self.assertEqual(seen.get("Host"), "shop.example:81")
        self.assertEqual(seen.get("X-Forwarded-For"), "127.0.0.1")
        self.assertEqual(seen.get("X-Forwarded-Proto"), "http")
        self.assertEqual(seen.get("X-Forwarded-Host"), "shop.example:81")
        self.assertRegex(seen.get("X-Request-Id"), r"^\S{8,}$")
        self.assertEqual(seen.get("Via"), "1.1 ballast")
        self.assertEqual(got.get("Via"), "1.1 ballast")

    CLAIMS = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https",
              "X-Forwarded-Host": "other.example", "X-Request-Id": "given-by-client",
              "Forwarded": "for=203.0.113.9"}

    def test_an_untrusted_clients_claims_are_not_believed(self):
        seen, _ = self.exchange(self.CLAIMS)
        self.assertEqual(",".join(seen.all("X-Forwarded-For")).split(",")[-1].strip(), "127.0.0.1")
        self.assertEqual(seen.all("X-Forwarded-Proto"), ["http"])
        self.assertEqual(seen.all("X-Forwarded-Host"), ["test"])
        self.assertNotEqual(seen.get("X-Request-Id"), "given-by-client")
        self.assertEqual(seen.all("Forwarded"), [])

    def test_a_trusted_proxys_claims_are_kept_and_appended_to(self):
        seen, _ = self.exchange(self.CLAIMS, config={"trusted_proxies": ["127.0.0.0/8"]})
        self.assertEqual(", ".join(seen.all("X-Forwarded-For")).replace(" ", ""),
                         "203.0.113.9,127.0.0.1")
        self.assertEqual(seen.all("X-Forwarded-Proto"), ["https"])
        self.assertEqual(seen.all("X-Forwarded-Host"), ["other.example"])
        self.assertEqual(seen.get("X-Request-Id"), "given-by-client")

    def test_fields_of_the_answer_pass_in_order(self):
        _, got = self.exchange({}, reply("200 Fine\nSet-Cookie: a=1\nSet-Cookie: b=2\n"
                                         "Content-Length: 0"))
        self.assertEqual(got.all("Set-Cookie"), ["a=1", "b=2"])
        self.assertEqual(got.status, 200)


class Refusals(harness.Case):
    CASES = [
        ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("a bad field name", b"GET / HTTP/1.1\r\nHost: a\r\nX y: 1\r\n\r\n", 400),
        ("space before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400),
        ("an obsolete fold", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
        ("a bare newline", b"GET / HTTP/1.1\nHost: a\n\n", 400),
        ("two lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                        b"Content-Length: 2\r\n\r\nab", 400),
        ("length and chunked", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("a signed length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
        ("an unknown coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", None),
        ("a version of the future", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("rubbish", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        ("a long target", b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("a large head", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40000 + b"\r\n\r\n", 431),
        ("many fields", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        ("connect", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", None),
    ]

    def test_what_is_malformed_or_ambiguous_is_refused_and_reaches_no_backend(self):
        script = self.script(answers(OK))
        lb = self.ballast([script.url])
        for name, octets, status in self.CASES:
            with self.subTest(name), lb.connect() as client:
                client.send(octets)
                response = client.read_response()
                if status is None:
                    self.assertIn(response.status, (400, 405, 501))
                else:
                    self.assertEqual(response.status, status)
                self.assertEqual(len(response.body), int(response.get("Content-Length")))
                self.assertTrue(client.is_closed())
        self.assertEqual(script.seen, [])

    def test_a_bad_chunk_size_ends_the_exchange(self):
        script = self.script(answers(OK))
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request("POST", "/", {"Transfer-Encoding": "chunked"}) + b"xyz\r\n")
            try:
                self.assertIn(client.read_response().status, (400, 502))
            except (wire.Closed, ConnectionResetError):
                pass
        self.assertEqual(script.seen, [])

    def test_nonsense_from_a_backend_is_502(self):
        for octets in (b"hello\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b""):
            with self.subTest(octets):
                script = self.script(once(octets))
                lb = self.ballast([script.url], retries=0)
                self.assertEqual(lb.ask().status, 502)

    def test_an_answer_cut_short_is_cut_short_for_the_client(self):
        script = self.script(once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request())
            with self.assertRaises((wire.Closed, ConnectionResetError)):
                client.read_response()


class Listening(harness.Case):
    def test_a_unix_socket_can_be_listened_on(self):
        one = self.origin()
        lb = self.prepare([one.url])
        path = lb.path("front.sock")
        lb.write(lb_port="unix:" + path)
        lb.start()
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        with wire.Stream(sock) as client:
            self.assertEqual(client.ask().text, "hello from one\n")


if __name__ == "__main__":
    unittest.main()
