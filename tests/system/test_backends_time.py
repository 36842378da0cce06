"""Nasty backends, three: what they do to time, to uploads, to tunnels and to the checker.

Connects that fail or hang, silence, bodies that stall, windows that stay shut, resets that show
in the wrong place, and probes of all of them.
"""

import os
import signal
import socket
import threading
import unittest

import harness
import nasty
import wire

POISON = nasty.answer(b"poison", "X-Poison: yes")
BODY = 8 << 20
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


def cpu_seconds(pid):
    fields = harness.read_proc(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def silent(_, stream):
    stream.rest()


class Connects(nasty.Case):
    def alone(self, url, **values):
        values["timeouts"] = dict(nasty.LONG, **values.get("timeouts", {}))
        self.lb = self.ballast([url], workers=1, access_log="stdout", retries=0, **values)
        self.addCleanup(setattr, self, "lb", None)

    def one_of_two(self, url, **values):
        """Round-robin: of two requests one meets the bad backend first, and nobody notices."""
        self.serve({}, more_backends=[url], retries=1, **values)
        self.polite()
        metrics = nasty.control_metrics(self.lb)
        self.assertGreaterEqual(metrics.value("lb_retries_total"), 1)

    def tearDown(self):
        if self.served is not None:
            super().tearDown()

    def test_refused_is_502_or_another_backends_answer(self):
        url = self.bound()
        self.alone(url)
        self.expect(502, self.get("/x"), "/x", "UF")
        self.one_of_two(url)

    def test_a_black_hole_is_504_or_another_backends_answer(self):
        url = self.bound(backlog=0)
        self.alone(url, timeouts={"connect": "200ms"})
        self.expect(504, self.get("/x"), "/x", "UF")
        self.one_of_two(url, timeouts={"connect": "200ms"})

    def test_accepted_and_closed_or_reset_is_502_or_another_backends_answer(self):
        for end in (wire.Stream.close, wire.Stream.reset):
            with self.subTest(end.__name__):
                script = self.script(lambda _, stream: end(stream))  # pylint: disable=cell-var-from-loop
                self.alone(script.url)
                self.expect(502, self.get("/x"))
                self.assertIn(self.flags("/x"), ("UC", "UF"))  # as it was met in connecting or behind it
                self.bodies = (b"", b"")  # a POST may have been done
                self.one_of_two(script.url)

    def test_request_taken_and_closed_or_reset_is_502(self):
        self.serve({"/close": lambda *_: None, "/reset": lambda _, stream: stream.reset()})
        for path in ("/close", "/reset"):
            self.expect(502, self.get(path), path, "UC")

    def test_a_greeting_before_any_request_is_no_answer(self):
        script = self.script(lambda _, stream: (stream.send(b"220 mx ESMTP\r\n"), stream.rest()))
        self.alone(script.url)
        for path in ("/one", "/two"):
            self.expect(502, self.get(path), path, "UP")

    def test_silence_is_504(self):
        self.serve({"/silent": silent, "/begun": lambda _, stream: (stream.send(b"HTTP/1.1 2"), stream.rest())},
                   timeouts={"response_header": "300ms"})
        for path in ("/silent", "/begun"):
            self.expect(504, self.get(path), path, "UT")
            self.expect(504, self.get(path, "POST", body=b"x"), path, "UT")


class Stalls(nasty.Case):
    """A body that stops in its midst is a cut, for either kind of client."""

    def test_a_body_that_stalls_is_a_cut_that_shows(self):
        answers = {
            "/length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "/midst": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
            "/trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nT: ",
            "/close": b"HTTP/1.1 200 OK\r\n\r\nhalf",
        }

        def stall(raw):
            return lambda _, stream: (stream.send(raw), stream.rest())
        self.serve({path: stall(raw) for path, raw in answers.items()}, timeouts={"response_body": "200ms"})
        for path in answers:
            for proto in ("HTTP/1.1", "HTTP/1.0"):
                with self.subTest(path=path, proto=proto):
                    outcome = self.get(path, proto=proto)
                    self.expect(200, outcome, path, "UT", whole=False)
                    self.assertEqual(outcome.body, b"half")

    def test_a_reset_behind_a_client_that_does_not_read_costs_no_time(self):
        """What cannot be delivered yet is kept; the broken connection behind it must not wake the worker again."""
        reset = threading.Event()

        def much(_, stream):
            stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            stream.sock.settimeout(0.2)
            try:
                stream.send(nasty.answer(b"x" * (64 << 20)))
            except OSError:
                pass  # nobody takes more
            stream.reset()
            reset.set()
        self.serve({"/much": much})
        with self.lb.connect(receive_buffer=4096) as client:
            client.send(wire.request("GET", "/much", {"Connection": "close"}))
            self.assertTrue(reset.wait(harness.PATIENCE))
            before = cpu_seconds(self.worker)
            threading.Event().wait(1)  # only a process that spins could use up much of it, on any machine
            self.assertLess(cpu_seconds(self.worker) - before, 0.5)
            self.expect(200, nasty.read_to_the_end(client), whole=False)

    def test_a_body_in_single_octets_is_the_same_body(self):
        raw = {"/length": nasty.answer(b"0123456789"),
               "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                           wire.chunked(b"01234", b"56789", trailers=[("T", "x")])}

        def drip(octets):
            def plan(_, stream):
                for octet in octets:
                    stream.send(bytes([octet]))
                return True
            return plan
        self.serve({path: drip(octets) for path, octets in raw.items()})
        for path in raw:
            outcome = self.get(path)
            self.expect(200, outcome)
            self.assertEqual(outcome.body, b"0123456789")

    def test_a_reset_that_is_met_in_sending_is_no_end_of_the_answer(self):
        """The error is told once.  Told to the upload, the answer must not look as if it had ended well."""
        go = threading.Event()

        def begins_and_resets(stream):
            stream.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            go.wait(harness.PATIENCE)
            stream.reset()
        for proto, field in (("HTTP/1.1", {"Transfer-Encoding": "chunked"}), ("HTTP/1.0", {"Content-Length": "999"})):
            with self.subTest(proto):
                go.clear()
                lb = self.serve_unread(begins_and_resets)
                with lb.connect() as client:
                    client.send(wire.request("POST", "/up", field, proto=proto))
                    while b"half" not in client.buffer:
                        self.assertTrue(client.more())
                    os.kill(self.worker, signal.SIGSTOP)
                    try:
                        harness.wait_for(lambda: harness.state_of(self.worker) == "T", "it stands")
                        go.set()
                        harness.wait_for(lambda: self.served.streams[-1].sock.fileno() < 0, "the reset")
                        client.send(b"5\r\nhello\r\n")
                    finally:
                        os.kill(self.worker, signal.SIGCONT)
                    outcome = nasty.read_to_the_end(client)
                self.expect(200, outcome, whole=False)


class Uploads(nasty.Case):
    """Backends that do not take what the client sends."""

    def push(self, path, length=BODY):
        """As much of a body as is taken; then what came back."""
        with self.lb.connect() as client:
            client.send(wire.request("POST", path, {"Content-Length": str(length), "Connection": "close"}))
            try:
                for _ in range(length >> 16):
                    client.send(b"x" * 65536)
            except OSError:
                pass
            return nasty.read_to_the_end(client, "POST")

    def test_a_window_that_stays_shut_is_504_and_takes_no_memory(self):
        over = threading.Event()
        self.addCleanup(over.set)
        self.serve_unread(lambda stream: over.wait(harness.PATIENCE), receive_buffer=4096,
                          timeouts={"response_header": "300ms"})
        memory = harness.resident_kib(self.worker)
        outcome = self.push("/up")
        self.assertIn(outcome.status, (0, 504), outcome)  # 0: it was still sending when it was told
        self.assertEqual(self.flags("/up"), "UT")
        self.assertLess(harness.resident_kib(self.worker) - memory, 4096)
        over.set()

    def test_a_backend_that_shuts_its_receiving_side_and_answers_is_heard(self):
        def plan(stream):
            stream.sock.shutdown(socket.SHUT_RD)
            stream.send(nasty.answer(b"no", "Connection: close", status="413 Content Too Large"))
        self.serve_unread(plan, receive_buffer=4096)
        outcome = self.push("/up", 1 << 20)
        self.assertIn(outcome.status, (0, 413, 502), outcome)  # 0: the reset overtook it

    def test_a_backend_that_resets_in_the_midst_of_an_upload_is_502(self):
        self.serve_unread(lambda stream: (stream.exactly(100000), stream.reset()), receive_buffer=4096)
        outcome = self.push("/up")
        self.assertIn(outcome.status, (0, 502), outcome)
        self.assertEqual(self.flags("/up"), "UC")


class Switches(nasty.Case):
    UPGRADE = {"Connection": "Upgrade", "Upgrade": "x"}

    def tunnel(self, plan):
        self.serve({"/tunnel": plan})
        with self.lb.connect() as client:
            client.send(wire.request("GET", "/tunnel", self.UPGRADE))
            return nasty.read_to_the_end(client)

    def test_garbage_behind_101_is_the_askers_alone(self):
        garbage = bytes(range(256)) * 300 + POISON
        outcome = self.tunnel(lambda _, stream: stream.send(SWITCH + garbage))
        self.assertEqual((outcome.status, outcome.body), (101, garbage))

    def test_a_tunnel_that_is_reset_ends_for_its_client(self):
        outcome = self.tunnel(lambda _, stream: (stream.send(SWITCH), stream.reset()))
        self.assertIn(outcome.status, (0, 101), outcome)

    def test_101_with_a_length_is_a_tunnel_all_the_same(self):
        outcome = self.tunnel(lambda _, stream: stream.send(
            SWITCH.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n") + b"octets"))
        self.assertEqual((outcome.status, outcome.body), (101, b"octets"))
        self.assertIsNone(outcome.response.get("Content-Length"))


class Probes(harness.Case):
    """The checker asks them, too."""

    def test_a_checker_survives_answers_without_end_and_keeps_nothing_open(self):
        def endless(before, piece):
            def plan(_, stream):
                stream.read_head()
                stream.send(before)
                while True:
                    stream.send(piece * (1 + 65536 // len(piece)))
            return plan
        bad = {
            "interim answers": endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
            "large interim answers": endless(b"", b"HTTP/1.1 103 x\r\nLink: " + b"y" * 9000 + b"\r\n\r\n"),
            "field lines": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
            "a reason": endless(b"HTTP/1.1 200 ", b"y"),
            "zeros": endless(b"", b"\0"),
            "TLS": harness.once(b"\x15\x03\x01\x00\x02\x02\x46"),
            "a greeting": lambda _, stream: (stream.send(b"220 mx ESMTP\r\n"), stream.rest()),
            "an upgrade": harness.once(SWITCH),
            "status 999": harness.once(b"HTTP/1.1 999 OK\r\n\r\n"),
            "a reset": lambda _, stream: (stream.read_head(), stream.reset()),
        }
        good = {
            "a body": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"y"),
            "chunks": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n"),
        }
        scripts = {name: self.script(plan) for name, plan in {**bad, **good}.items()}
        lb = self.ballast([script.url for script in scripts.values()],
                          health_check={"interval": "200ms", "timeout": "100ms", "fall": 1})
        checker = lb.children("checker")[0]
        # A machine under load may be slow, but not in every round: each verdict comes once at least.
        for name, script in scripts.items():
            result = "failure" if name in bad else "success"
            harness.wait_for(lambda: nasty.control_metrics(lb).value(  # pylint: disable=cell-var-from-loop
                "lb_health_checks_total", backend=script.url, result=result) >= 3, name + ": " + result)
        for name in bad:
            self.assertEqual(nasty.control_metrics(lb).value(
                "lb_health_checks_total", backend=scripts[name].url, result="success"), 0, name)
        self.assertEqual(lb.children("checker"), [checker])
        self.assertLess(nasty.worker_descriptors(checker), 32 + len(scripts))
        lb.reload(health_check={"interval": "1h", "timeout": "2s"})
        last = harness.wait_for(lambda: [pid for pid in lb.children("checker") if pid != checker], "a new one")[0]
        harness.wait_for(lambda: nasty.worker_descriptors(last) < 32, "closed connections of the last round")


if __name__ == "__main__":
    unittest.main()
