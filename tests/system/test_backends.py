"""Nasty backends, one: answers that are cut, nonsense, or without an end.

Whatever comes, the client gets the right status or a cut that it can see, and the next client
its own answer (nasty.Case tries that at the end of every test).
"""

import random
import threading
import unittest

import harness
import nasty
import wire

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TO_THE_END = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"
MUCH = 64 << 20  # what an endless answer sends at most


class Cuts(nasty.Case):
    """Every answer, ended behind each of its octets by FIN and by RST."""

    # name: (method, answer, what its body is)
    ANSWERS = {
        "length": ("GET", nasty.answer(b"0123456789", "X: y"), b"0123456789"),
        "nobody": ("GET", nasty.answer(b""), b""),
        "chunked": ("GET", CHUNKED + b"3;e=\"x\"\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789"),
        "trailers": ("GET", CHUNKED + b"1\r\nx\r\n0\r\nT: 1\r\nU: 2\r\n\r\n", b"x"),
        "interim": ("GET", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + nasty.answer(b"abc"), b"abc"),
        "head": ("HEAD", nasty.answer(b"")[:-5] + b"5\r\n\r\n", b""),
        "204": ("GET", b"HTTP/1.1 204 None\r\nX: y\r\n\r\n", b""),
        "304": ("GET", b"HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n", b""),
        "close": ("GET", TO_THE_END + b"until the end", b"until the end"),
        "old": ("GET", b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
    }

    def cut(self, _, stream, path):
        _, _, name, at, how = path.split("/")
        stream.send(self.ANSWERS[name][1][:int(at)])
        if how == "rst":
            stream.reset()

    def check(self, name, at, how, proto):
        method, raw, body = self.ANSWERS[name]
        final = raw.rindex(b"HTTP/1.")
        outcome = self.get("/cut/%s/%d/%s" % (name, at, how), method, proto)
        head_end = raw.index(b"\r\n\r\n", final) + 4
        if at < head_end:
            self.assertEqual((outcome.status, outcome.whole), (502, True), outcome)
            return
        known_end = name not in ("close", "old")
        if at == len(raw) and known_end or how == "fin" and not known_end:
            self.assertEqual((outcome.status, outcome.whole), (int(raw[final + 9:final + 12]), True), outcome)
            self.assertEqual(outcome.body, body[:at - head_end] if not known_end else body)
            return
        self.assertFalse(outcome.whole, outcome)
        self.assertTrue(body.startswith(outcome.body), outcome)

    def every_cut(self, how, proto="HTTP/1.1", names=None):
        self.serve({"cut": self.cut})
        for name in names or self.ANSWERS:
            for at in range(len(self.ANSWERS[name][1]) + 1):
                with self.subTest(name=name, at=at, how=how):
                    self.check(name, at, how, proto)
            self.polite()

    def test_an_answer_that_ends_behind_any_octet_is_502_or_a_cut_that_shows(self):
        self.every_cut("fin")

    def test_an_answer_that_is_reset_behind_any_octet_is_502_or_a_cut_that_shows(self):
        self.every_cut("rst")

    def test_a_client_without_chunks_can_see_the_cut_too(self):
        self.every_cut("fin", "HTTP/1.0", ["length", "chunked", "trailers"])
        self.every_cut("rst", "HTTP/1.0", ["chunked", "close", "old"])


def say(*parts):
    """Sends them and then only listens."""
    def plan(_, stream):
        for part in parts:
            stream.send(part)
        stream.rest()
    return plan


class Nonsense(nasty.Case):
    """502 at once, although the backend keeps its connection open and might still say more."""

    def all_are_502(self, answers):
        self.serve({"bad": lambda script, stream, path: say(answers[int(path.split("/")[2])])(script, stream)})
        for at, octets in enumerate(answers):
            with self.subTest(octets[:60]):
                outcome = self.get("/bad/%d" % at)
                self.expect(502, outcome, "/bad/%d" % at, "UP")
                self.assertNotIn(b"poison", outcome.raw)
        protocol = nasty.control_metrics(self.lb).value("lb_backend_errors_total", reason="protocol")
        self.assertEqual(protocol, len(answers))

    def test_what_is_not_http_is_502_without_waiting_for_more_of_it(self):
        rng = random.Random(3)
        self.all_are_502([
            *(bytes(rng.randrange(128, 256) for _ in range(rng.choice((1, 9, 3000)))) for _ in range(9)),
            b"\0", b"\0" * 5000, b"\r", b"\n", b"\r\n", b" ", b"h", b"X", b"HTTP/1,", b"HTTP/2", b"HTTQ",
            b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + b"\x5a" * 100,  # TLS: ServerHello
            b"\x15\x03\x01\x00\x02\x02\x46",  # TLS: alert
            b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\1\0\0\0\5\0\xff\xff\xff",  # HTTP/2: SETTINGS
            b"220 mx.example ESMTP\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"+OK ready\r\n", b"-ERR unknown command\r\n",
            b"<html>poison</html>", b"ICY 200 OK\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1x",
        ])

    def test_a_status_line_or_field_that_is_malformed_is_502(self):
        ends = b"\r\nContent-Length: 6\r\n\r\npoison"
        statuses = (b"0 000 099 99 600 999 1000 2000 99999 99999999999999999999 -200 +200 2OO 20 0x0 2.0 "
                    b"\xb2\xb0\xb0").split()
        lines = (b"No Colon", b": empty", b"A B: x", b"A : x", b" folded: x", b"A: x\r\n folded", b"A: \0", b"A: \x01",
                 b"A: \x7f", b"A\0: x", b"\xe9: x", b"A: x\ry", b"A(: x", b"@: x")
        self.all_are_502(
            [b"HTTP/1.1 " + status + b" OK" + ends for status in statuses] +
            [b"HTTP/1.1 200 OK\r\n" + line + ends for line in lines] +
            [b"HTTP/1.1 200 OK\n\n", b"HTTP/1.1 200 OK\r\nA: b\nC: d" + ends, b"HTTP/1.1  200 OK" + ends,
             b"HTTP/1.1\t200 OK" + ends, b"HTTP/1.1" + ends, b"HTTP/1.1 200 O\0K" + ends, b"HTTP/1.10 200 OK" + ends,
             b"\r\nHTTP/1.1 200 OK" + ends, b"HTTP/1.1 200OK" + ends])

    def test_framing_that_two_readers_could_understand_differently_is_502(self):
        ok, body = b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n6\r\npoison\r\n0\r\n\r\n"
        lengths = b"-1 +6 6,6 6,7 0x6 6.0 1e1 9999999999999999999 99999999999999999999999 six".split()
        lengths += [b"", b"6 6", b"\"6\""]
        codings = (b"gzip", b"chunked, chunked", b"chunked, gzip", b"gzip, chunked", b"identity", b"chunked;", b"",
                   b"x chunked")
        self.all_are_502(
            [ok + b"Content-Length: " + length + body for length in lengths] +
            [ok + b"Transfer-Encoding: " + coding + body for coding in codings] +
            [ok + b"Content-Length: 6\r\nContent-Length: 6" + body, ok + b"Content-Length: 6\r\ncontent-length: 7" + body,
             ok + b"Content-Length: 3\r\nTransfer-Encoding: chunked" + body,
             ok + b"Transfer-Encoding: chunked\r\nContent-Length: 0" + body,
             ok + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" + body,
             b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" + body])

    def test_a_client_keeps_its_connection_over_all_this_and_gets_its_own_answers(self):
        plans = {
            "/nonsense": say(b"220 mx.example ESMTP\r\n"), "/status": say(b"HTTP/1.1 600 x\r\n\r\n"),
            "/half": lambda _, stream: stream.send(b"HTTP/1.1 200 OK\r\nX"), "/cut": lambda *_: None,
            "/reset": lambda _, stream: stream.reset(), "/interim": say(b"HTTP/1.1 101 x\r\n\r\n"),
            "/surplus": say(harness.OK + harness.OK.replace(b"ok", b"no")),
        }
        self.serve(plans)
        with self.lb.connect() as client:
            for round_ in range(3):
                for path in plans:
                    status = client.ask(target=path).status
                    self.assertEqual(status, 200 if path == "/surplus" else 502)
                    token = "%d%s" % (round_, path[1:])
                    self.assertEqual(client.ask(target="/token/" + token).text, token + "=")
            client.send(b"".join(wire.request("GET", target) for path in plans for target in (path, "/token" + path)))
            for path in plans:
                client.read_response()
                self.assertEqual(client.read_response().text, path[1:] + "=")

    def test_an_upgrade_that_nobody_asked_for_is_502(self):
        switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n"
        self.all_are_502([switch + b"\r\n", switch + b"Content-Length: 6\r\n\r\npoison",
                          b"HTTP/1.1 100 Continue\r\n\r\n" + switch + b"\r\npoison"])

    def test_chunks_that_break_in_their_midst_are_a_cut_for_every_client(self):
        whole = b"5\r\nhello\r\n"
        endings = [b"x\r\n", b"\r\n", b"-1\r\n", b"+1\r\nx", b" 1\r\nx", b"0x1\r\nx", b"1\nx", b"1\r\nxy\r\n", b"1\r\nx\n",
                   b"1;=\r\nx", b"1;a=\x01\r\nx", b"ffffffffffffffff\r\nx", b"4000000000000000\r\nx", b"10000000000000000\r\nx",
                   b"0\r\nbad trailer\r\n\r\n", b"0\r\nContent-Length : 9\r\n\r\n", b"0\r\n\n", b"0\r\n\rx\r\n\r\n", b"0\n\n"]
        first = {}

        def broken(_, stream, path):
            _, _, at, how = path.split("/")
            if how == "later":  # the beginning has reached the client before the end is known
                stream.send(CHUNKED + whole)
                first[path].wait(harness.PATIENCE)
                stream.send(endings[int(at)])
            else:
                stream.send(CHUNKED + whole + endings[int(at)])
            stream.rest()
        self.serve({"broken": broken})
        for at, ending in enumerate(endings):
            for proto in ("HTTP/1.1", "HTTP/1.0"):
                with self.subTest(ending=ending, proto=proto):
                    self.assertEqual(self.get("/broken/%d/now" % at, proto=proto).status, 502)
                    outcome = self.broken_later("/broken/%d/later" % at, proto, first)
                    self.expect(200, outcome, whole=False)
                    self.assertTrue((b"hello" if outcome.body[5:] == b"" else b"hellox").startswith(outcome.body),
                                    outcome)

    def broken_later(self, path, proto, first):
        first[path] = threading.Event()
        with self.lb.connect() as client:
            client.send(wire.request("GET", path, proto=proto, fields={"Connection": "close"}))
            while b"hello" not in client.buffer:
                self.assertTrue(client.more())
            first[path].set()
            return nasty.read_to_the_end(client)


class Endless(nasty.Case):
    """What never ends is ended by ballast, soon and with little memory."""

    def endless(self, piece, before=b""):
        """A plan, and the list in which it says how much could be sent until it was stopped."""
        sent = []

        def plan(_, stream):
            block, n = piece * (1 + 65536 // len(piece)), 0
            try:
                stream.send(before)
                while n < MUCH:
                    stream.send(block)
                    n += len(block)
            finally:
                sent.append(n)
        return plan, sent

    def stopped(self, status, piece, before=b""):
        plan, sent = self.endless(piece, before)
        self.serve({"/endless": plan})
        memory = harness.resident_kib(self.worker)
        outcome = self.get("/endless")
        self.assertIn(outcome.status, (status, 502), outcome)
        self.assertTrue(outcome.status == 502 or not outcome.whole, outcome)
        self.assertEqual(self.flags("/endless"), "UP")
        self.assertLess(harness.wait_for(lambda: sent, "its end")[0], MUCH)
        self.assertLess(harness.resident_kib(self.worker) - memory, 4096)
        return outcome

    def test_an_answer_of_field_lines_without_end_is_502(self):
        self.stopped(502, b"X-Line: y\r\n", b"HTTP/1.1 200 OK\r\n")

    def test_one_field_without_end_is_502(self):
        self.stopped(502, b"y", b"HTTP/1.1 200 OK\r\nX: ")

    def test_a_name_without_end_is_502(self):
        self.stopped(502, b"y", b"HTTP/1.1 200 OK\r\n")

    def test_a_reason_without_end_is_502(self):
        self.stopped(502, b"y", b"HTTP/1.1 200 ")

    def test_interim_answers_without_end_are_502_after_some(self):
        outcome = self.stopped(502, b"HTTP/1.1 102 Processing\r\n\r\n")
        self.assertLessEqual(len(outcome.interim), 32)

    def test_large_interim_answers_too(self):
        self.stopped(502, b"HTTP/1.1 103 Early Hints\r\nLink: " + b"y" * 9000 + b"\r\n\r\n")

    def test_an_old_client_is_not_shown_them(self):
        plan, _ = self.endless(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.serve({"/endless": plan})
        outcome = self.get("/endless", proto="HTTP/1.0")
        self.expect(502, outcome)
        self.assertEqual(outcome.interim, [])

    def test_more_fields_than_any_answer_has_are_502(self):
        self.stopped(502, b"a:\r\n", b"HTTP/1.1 200 OK\r\n")

    def test_a_chunk_size_without_end_is_a_cut(self):
        self.stopped(200, b"0", CHUNKED)

    def test_a_chunk_extension_without_end_is_a_cut(self):
        self.stopped(200, b"y", CHUNKED + b"1;")

    def test_trailers_without_end_are_a_cut(self):
        self.stopped(200, b"T: y\r\n", CHUNKED + b"1\r\nx\r\n0\r\n")

    def test_many_small_interim_answers_are_bounded_by_the_time_for_a_head(self):
        def slowly(_, stream):
            pace = threading.Event()
            while True:
                stream.send(b"HTTP/1.1 102 Processing\r\n\r\n")
                pace.wait(0.1)
        self.serve({"/slowly": slowly}, timeouts={"response_header": "500ms"})
        outcome = self.get("/slowly")
        self.expect(504, outcome, "/slowly", "UT")

    def test_a_head_in_drips_is_bounded_by_the_time_for_a_head(self):
        def drip(_, stream):
            pace = threading.Event()
            for octet in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10000:
                stream.send(bytes([octet]))
                pace.wait(0.02)
        self.serve({"/drip": drip}, timeouts={"response_header": "500ms"})
        self.expect(504, self.get("/drip"), "/drip", "UT")


if __name__ == "__main__":
    unittest.main()
