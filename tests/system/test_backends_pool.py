"""Nasty backends, two: what they do to a connection that others will use.

Answers that are too long, come twice, unasked, or before the request is whole, connections that
turn out dead, and all of that at once amid polite clients.
"""

import os
import random
import signal
import socket
import threading
import unittest

import harness
import nasty
import wire

POISON = nasty.answer(b"poison", "X-Poison: yes")


class Unasked(nasty.Case):
    """More than was asked for: never given to anybody, and the connection never used again."""

    def not_reused(self, raw, method="GET", expected=(200, b"ok"), path="/more"):
        """One answer with a surplus behind it, in the same piece."""
        outcome = self.get(path, method)
        self.assertEqual((outcome.status, outcome.body), expected, raw)
        self.assertNotIn(b"poison", outcome.raw)

    def test_a_surplus_glued_behind_an_answer_is_dropped_with_its_connection(self):
        empty, chunked = b"HTTP/1.1 %s\r\n%s\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        answers = [("GET", (200, b"ok"), answer + more)
                   for answer in (harness.OK, chunked)
                   for more in (POISON, POISON * 99, b"x", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"0\r\n\r\n",
                                b"HTTP/1.1 100 Continue\r\n\r\n")]
        answers += [("HEAD", (200, b""), nasty.answer(b"poison")), ("HEAD", (200, b""), harness.OK + POISON),
                    ("HEAD", (200, b""), chunked)]
        answers += [("GET", (status, b""), empty % (line, fields) + POISON)
                    for status, line in ((204, b"204 No Content"), (304, b"304 Not Modified"))
                    for fields in (b"", b"Content-Length: 60\r\n", b"Transfer-Encoding: chunked\r\n")]
        self.serve({"more": lambda _, stream, path: (stream.send(answers[int(path.split("/")[2])][2]), True)[1]})
        for at, (method, expected, raw) in enumerate(answers):
            with self.subTest(method=method, raw=raw[-80:]):
                before = self.served.connections
                self.not_reused(raw, method, expected, "/more/%d" % at)
                self.polite()
                self.assertEqual(self.served.connections, before + 1)

    def test_an_answer_that_is_the_last_on_its_connection_is_so_although_the_backend_keeps_it(self):
        last = [nasty.answer(b"ok", "Connection: close"), nasty.answer(b"ok", "Connection: x, Close , y"),
                harness.OK.replace(b"/1.1", b"/1.0")]
        self.serve({"last": lambda _, stream, path: (stream.send(last[int(path.split("/")[2])]), True)[1]})
        for at in range(len(last)):
            before = self.served.connections
            self.not_reused(last[at], path="/last/%d" % at)
            self.polite()
            self.assertEqual(self.served.connections, before + 1)

    def test_what_comes_on_an_idle_connection_ends_it(self):
        go = threading.Event()
        pieces = [POISON, b"x", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 408 Request Timeout\r\n\r\n",
                  b"HTTP/1.1 100 Continue\r\n\r\n", "fin", "rst"]

        def afterwards(script, stream, path):
            stream.send(harness.OK)
            go.wait(harness.PATIENCE)
            piece = pieces[int(path.split("/")[2])]
            if piece == "rst":
                stream.reset()
            if piece in ("rst", "fin"):
                return False
            stream.send(piece)
            return True
        self.serve({"afterwards": afterwards})
        for at, piece in enumerate(pieces):
            with self.subTest(piece):
                go.clear()
                self.assertEqual(self.get("/afterwards/%d" % at).body, b"ok")
                harness.wait_for(lambda: self.pooled() == 1, "a pooled connection")
                go.set()
                harness.wait_for(lambda: self.pooled() == 0, "its end")
                self.polite()

    def pooled(self):
        return nasty.control_metrics(self.lb).value("lb_upstream_connections", state="idle")

    def test_what_has_come_by_the_next_request_is_never_its_answer(self):
        """The worker stands while both come, so that it meets them in one turn: the request first, since its
        connection is older than the backend's."""
        go, gone = threading.Event(), threading.Event()

        def afterwards(_, stream):
            stream.send(harness.OK)
            go.wait(harness.PATIENCE)
            stream.send(POISON)
            gone.set()
            return True
        self.serve({"/afterwards": afterwards,
                    "/bye": lambda _, stream: stream.send(nasty.answer(b"", "Connection: close"))})
        for method in ("GET", "POST"):
            go.clear()
            gone.clear()
            with self.lb.connect() as client:
                client.ask(target="/bye")
                self.assertEqual(client.ask(target="/afterwards").body, b"ok")
                harness.wait_for(lambda: self.pooled() == 1, "a pooled connection")
                os.kill(self.worker, signal.SIGSTOP)
                try:
                    harness.wait_for(lambda: harness.state_of(self.worker) == "T", "it stands")
                    go.set()
                    client.send(wire.request(method, "/token/mine", body=b"b" if method == "POST" else b""))
                    self.assertTrue(gone.wait(harness.PATIENCE))
                    self.poisoned()
                finally:
                    os.kill(self.worker, signal.SIGCONT)
                self.assertEqual(client.read_response(method).text, "mine=" + ("b" if method == "POST" else ""))

    def poisoned(self):
        """All that the backend's last connection has sent was acknowledged (tcpi_unacked)."""
        stream = self.served.streams[-1]
        harness.wait_for(lambda: stream.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)[24:28] == b"\0" * 4,
                         "its poison to have arrived")

    def test_two_answers_to_each_request_are_one(self):
        """The second may come when the connection is idle again; one that came later still could not be told
        from the answer to the next request, so the test waits for it."""
        sent = threading.Event()

        def twice(_, stream):
            stream.send(harness.OK)
            stream.send(POISON)
            sent.set()
            return True
        self.serve({"/twice": twice})
        for _ in range(50):
            sent.clear()
            self.assertEqual(self.get("/twice").body, b"ok")
            self.assertTrue(sent.wait(harness.PATIENCE))
        self.polite()


class Reused(nasty.Case):
    """A connection that turns out dead when it is used again."""

    def test_a_get_is_sent_again_on_a_fresh_one_a_post_is_not(self):
        for end in (wire.Stream.close, wire.Stream.reset):
            def once_only(script, stream):
                stream.send(harness.OK)
                script.take(stream)
                end(stream)  # pylint: disable=cell-var-from-loop
                raise wire.Closed("as meant")
            with self.subTest(end.__name__):
                self.serve({"/once": once_only})
                self.assertEqual(self.get("/once").body, b"ok")
                outcome = self.get("/token/again")
                self.assertEqual((outcome.status, outcome.body), (200, b"again="))
                self.assertEqual(self.get("/once").body, b"ok")
                taken = len(self.served.seen)
                self.expect(502, self.get("/token/not", "POST", body=b"x"), "/token/not", "UC")
                self.assertEqual(len(self.served.seen), taken + 1)
                self.unharmed()

    def test_half_an_answer_on_a_reused_connection_is_not_asked_for_again(self):
        def once_only(script, stream):
            stream.send(harness.OK)
            script.take(stream)
            stream.send(b"HTTP/1.1 200 O")
        self.serve({"/once": once_only})
        self.assertEqual(self.get("/once").body, b"ok")
        taken = len(self.served.seen)
        self.expect(502, self.get("/token/x"), "/token/x", "UC")
        self.assertEqual(len(self.served.seen), taken + 1)


class Early(nasty.Case):
    """An answer before the request has come whole."""

    EARLY = nasty.answer(b"no", status="413 Content Too Large")

    def upload(self, backend, request):
        """What the client got who sent the rest of its body only behind its answer; what the backend heard of it."""
        heard = []

        def plan(stream):
            backend(stream)
            try:
                heard.append(stream.rest())
            except OSError:
                heard.append(b"")
        self.serve_unread(plan)
        with self.lb.connect() as client:
            client.send(request)
            while b"\r\n\r\nno" not in client.buffer:
                self.assertTrue(client.more())
            try:
                client.send(b"GET /token/victim HTTP/1.1\r\nHost: v\r\n\r\n" * 40)
            except OSError:
                pass
            outcome = nasty.read_to_the_end(client)
        self.polite()
        harness.wait_for(lambda: heard, "the end of its connection")
        self.assertNotIn(b"/token/t", heard[0])
        return outcome

    def uploads(self):
        yield b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\nbegun"
        yield b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\nbegun"

    def test_the_rest_of_the_request_poisons_nobody_when_the_backend_keeps_its_connection(self):
        for request in self.uploads():
            with self.subTest(request[:70]):
                outcome = self.upload(lambda stream: stream.send(self.EARLY), request)
                self.assertEqual((outcome.status, outcome.body), (413, b"no"))
                self.assertEqual(outcome.response.get("Connection"), "close")
                self.unharmed()

    def test_nor_when_it_closes_at_once(self):
        def answer_and_close(stream):
            stream.send(self.EARLY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            stream.close()
        for request in self.uploads():
            with self.subTest(request[:70]):
                outcome = self.upload(answer_and_close, request)
                self.assertEqual((outcome.status, outcome.body), (413, b"no"))
                self.unharmed()

    def test_an_answer_instead_of_100_with_the_body_still_to_come(self):
        request = b"POST /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n"
        outcome = self.upload(lambda stream: stream.send(self.EARLY), request)
        self.assertEqual((outcome.status, outcome.body), (413, b"no"))


class Crowd(nasty.Case):
    """All at once, by one worker: whoever is polite gets what is his."""

    ANSWERS = {
        "garbage": (b"\xff\0garbage", {502}), "poisoned": (harness.OK + POISON, {200}),
        "half": (harness.OK[:20], {502}), "short": (nasty.answer(b"poison")[:-1], {200}),
        "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\nx", {502}),
        "nothing": (b"", {502}), "until": (b"HTTP/1.1 200 OK\r\n\r\npoison", {200}),
        "status": (b"HTTP/1.1 099 OK\r\n\r\n", {502}), "interim": (b"HTTP/1.1 100 OK\r\n\r\n", {502}),
    }

    def test_polite_clients_amid_impolite_answers(self):
        def nasty_plan(_, stream, path):
            stream.send(self.ANSWERS[path.split("/")[2]][0])
            if path.endswith("reset"):
                stream.reset()
            return path.endswith("kept") and path.split("/")[2] == "poisoned"
        self.serve({"nasty": nasty_plan})
        wrong = []

        def client(number):
            rng = random.Random(number)
            try:
                for n in range(40):
                    token = "c%d.%d" % (number, n)
                    got = self.get("/token/" + token)
                    if (got.status, got.body) != (200, token.encode() + b"="):
                        wrong.append((token, got))
                    name = rng.choice(list(self.ANSWERS))
                    got = self.get("/nasty/%s/%s" % (name, rng.choice(("closed", "reset", "kept"))))
                    if got.status not in self.ANSWERS[name][1] | {0} or b"=" in got.body:
                        wrong.append((name, got))
            except Exception as error:  # pylint: disable=broad-except
                wrong.append((number, error))
        threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
