"""What a hostile client or backend could do to others: each of these was possible once."""

import json
import os
import socket
import threading
import time
import unittest

import harness
import wire
from harness import OK, answers


def cpu_seconds(pid):
    fields = harness.read_proc(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Smuggling(harness.Case):
    def upload(self, length):
        """A POST to a backend that does not read.  How much of its body ballast took, and what is open then."""
        bodies, go, ready = [], threading.Event(), threading.Event()

        def early(script, stream):
            if script.connections > 1:
                answers(OK)(script, stream)
                return
            ready.set()
            go.wait(harness.PATIENCE)
            stream.send(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
            try:
                stream.read_head()
                bodies.append(stream.exactly(length))
            except wire.Closed as closed:
                bodies.append(str(closed).encode())
                raise
            answers(OK)(script, stream)

        script = self.script(early, receive_buffer=4096)
        lb = self.ballast([script.url], workers=1)
        client = lb.connect()
        self.addCleanup(client.close)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length
        client.send(head)
        self.assertTrue(ready.wait(harness.PATIENCE))
        client.sock.setblocking(False)
        sent, blocked = 0, 0
        while sent < length and blocked < 30:  # until nothing more fits, or all is on its way
            try:
                sent += client.sock.send(b"x" * min(65536, length - sent))
                blocked = 0
            except BlockingIOError:
                blocked += 1
                time.sleep(0.01)
        client.sock.settimeout(wire.TIMEOUT)
        def taken():  # by the control socket, which adds nothing to it
            return harness.Metrics(lb.control("/metrics").text).value("lb_client_received_bytes_total")
        before = -1
        while before != taken():
            before = taken()
            time.sleep(0.05)
        return lb, client, go, bodies, before

    def test_a_connection_with_an_unsent_body_is_not_used_again(self):
        """The backend answers early and keeps its connection; what it then reads must be this body only."""
        _, client, go, _, taken = self.upload(16 << 20)
        go.set()
        client.reset()
        for spare in (1, 500, 1500, 4000, 8000):  # ends inside the last piece that ballast holds
            lb, client, go, bodies, _ = self.upload(int(taken) - spare)
            go.set()
            self.assertEqual(client.read_response("POST").status, 401)
            self.assertEqual(lb.ask("/victim").status, 200)
            harness.wait_for(lambda: bodies, "the body or its cut")  # pylint: disable=cell-var-from-loop
            self.assertNotIn(b"victim", bodies[0])

    def test_an_unasked_response_is_not_given_to_the_next_request(self):
        poisoned = threading.Event()

        def two_answers(script, stream):
            while True:
                script.take(stream)
                stream.send(OK)
                time.sleep(0.002)  # mostly after the first was delivered and its connection pooled
                stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
                poisoned.set()
        script = self.script(two_answers)
        lb = self.ballast([script.url], workers=1)
        for _ in range(100):
            self.assertEqual(lb.ask().body, b"ok")
            self.assertTrue(poisoned.wait(harness.PATIENCE))  # it lies in the balancer's socket now
            poisoned.clear()

    def test_the_answer_reaches_who_asks_for_the_last_time_and_goes_on_talking(self):
        asked, goes_on = threading.Event(), threading.Event()

        def late_answer(script, stream):
            script.take(stream)
            asked.set()
            goes_on.wait(harness.PATIENCE)
            stream.send(OK)
        lb = self.ballast([self.script(late_answer).url], workers=1)
        for proto in ("HTTP/1.1", "HTTP/1.0"):
            asked.clear()
            goes_on.clear()
            with lb.connect() as client:
                client.send(wire.request("GET", "/", {"Connection": "close"}, proto=proto))
                self.assertTrue(asked.wait(harness.PATIENCE))
                client.send(b"\r\n")
                goes_on.set()
                self.assertEqual(client.read_response().body, b"ok")

    def test_a_host_longer_than_any_name_is_refused(self):
        script = self.script(answers(OK))
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: " + b"h" * 15000 + b"\r\n\r\n")
            self.assertEqual(client.read_response().status, 400)
        self.assertEqual(script.seen, [])

    def test_a_chunked_body_over_the_limit_that_comes_with_its_head_is_refused(self):
        script = self.script(answers(OK))
        lb = self.ballast([script.url], limits={"body_bytes": "1k"})
        with lb.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                        wire.chunked(b"x" * 5000))
            self.assertEqual(client.read_response("POST").status, 413)
        self.assertEqual(script.seen, [])


class Limits(harness.Case):
    def full(self, connections):
        """An instance of one worker, all of whose connections wait for a silent backend."""
        script = self.script(lambda _, stream: stream.more() and time.sleep(harness.PATIENCE))
        lb = self.ballast([script.url], workers=1, limits={"connections": connections})
        clients = []
        for _ in range(connections):
            client = lb.connect()
            self.addCleanup(client.close)
            client.send(wire.request())
            clients.append(client)
        harness.wait_for(lambda: self.active(lb) == connections, "all active")
        return lb, clients

    @staticmethod
    def active(lb):
        return sum(worker["connections"]["active"] for worker in lb.status()["workers"])

    def test_a_full_worker_with_a_queue_does_not_spin(self):
        lb, clients = self.full(8)
        waiting = [lb.connect() for _ in range(4)]
        worker = lb.workers()[0]
        before = cpu_seconds(worker)
        time.sleep(1)  # only a spinning process could use up much of it, on any machine
        self.assertLess(cpu_seconds(worker) - before, 0.5)
        clients[0].reset()
        harness.wait_for(lambda: lb.status()["workers"][0]["accepted"] >= 9, "one more accepted")
        for client in waiting + clients[1:]:
            client.reset()

    def test_an_idle_connection_makes_room(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, limits={"connections": 4})
        idle = [lb.connect() for _ in range(4)]
        for client in idle:
            self.assertEqual(client.ask().status, 200)
        self.assertEqual(lb.ask().status, 200)
        self.assertTrue(idle[0].is_closed())
        for client in idle:
            client.close()


class Stale(harness.Case):
    def test_a_stale_connection_changes_neither_turn_nor_attempts(self):
        """Each backend closes its connection after every answer, a moment too late to be known."""
        def hangs_up(script, stream):
            script.take(stream)
            stream.send(OK)
            script.take(stream)  # reused: no answer

        one, two = self.script(hangs_up), self.script(hangs_up)
        lb = self.ballast([one.url, two.url], workers=1, access_log="stdout")
        for _ in range(12):
            self.assertEqual(lb.ask().status, 200)
        lines = harness.wait_for(
            lambda: len(lb.read("stdout").splitlines()) >= 12 and
            [json.loads(line) for line in lb.read("stdout").splitlines()], "12 lines")
        self.assertEqual([line["backend"] for line in lines], [one.url, two.url] * 6)
        self.assertEqual({line["attempts"] for line in lines}, {1})
        self.assertEqual(lb.metrics().value("lb_retries_total"), 0)


class Answers(harness.Case):
    def test_an_old_client_that_asks_to_keep_its_connection_is_told_the_end_of_our_own_answer(self):
        lb = self.ballast(["http://127.0.0.1:%d" % harness.unused_port()])
        with lb.connect() as client:
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            self.assertEqual(client.read_response().status, 502)
            self.assertTrue(client.is_closed())

    def test_an_empty_line_alone_is_no_request(self):
        one = self.origin()
        lb = self.ballast([one.url], timeouts={"request_header": "200ms"})
        with lb.connect() as client:
            self.assertEqual(client.ask().status, 200)
            client.send(b"\r\n")
            self.assertEqual(client.rest(), b"")
        self.assertEqual(lb.metrics_after(1).value("lb_requests_total"), 1)

    def test_a_half_head_is_a_cut_backend(self):
        script = self.script(harness.once(b"HTTP/1.1 200 OK\r\nX: "))
        lb = self.ballast([script.url])
        self.assertEqual(lb.ask().status, 502)
        self.assertEqual(lb.metrics_after(1).value("lb_backend_errors_total", reason="cut"), 1)

    def test_a_refused_request_is_logged_with_its_line(self):
        one = self.origin()
        lb = self.ballast([one.url], access_log="stdout")
        with lb.connect() as client:
            client.send(b"GET /where HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n")
            self.assertEqual(client.read_response().status, 400)
        line = harness.wait_for(lambda: lb.read("stdout").endswith("\n") and json.loads(lb.read("stdout")),
                                "a line")
        self.assertEqual((line["method"], line["uri"], line["proto"], line["flags"]),
                         ("GET", "/where", "HTTP/1.1", "PE"))
        self.assertEqual(len(line["request_id"]), 32)


class Tunnels(harness.Case):
    def test_a_client_that_half_closed_and_then_reset_ends_its_tunnel(self):
        over = threading.Event()

        def tunnel(_, stream):
            stream.read_head()
            stream.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
            try:
                while True:
                    stream.more()
            except wire.Closed:
                pass
            try:  # our side stays open, silent: only the balancer can end it
                stream.sock.settimeout(harness.PATIENCE)
                while True:
                    stream.sock.send(b"")
                    if stream.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO)[0] in (6, 7, 9):
                        break
                    time.sleep(0.01)
            finally:
                over.set()
        script = self.script(tunnel)
        lb = self.ballast([script.url], workers=1)
        client = lb.connect()
        client.send(wire.request(fields={"Connection": "Upgrade", "Upgrade": "x"}))
        client.read_head()
        harness.wait_for(lambda: lb.metrics().value("lb_client_connections", state="tunnel") == 1, "a tunnel")
        client.half_close()
        time.sleep(0.1)
        client.reset()
        harness.wait_for(lambda: lb.metrics().value("lb_client_connections", state="tunnel") == 0,
                         "no tunnel left")
        script.stop()


class Pipes(harness.Case):
    def test_lines_of_two_workers_in_one_pipe_are_whole_and_a_stuck_reader_stops_nobody(self):
        one = self.origin()
        lb = self.prepare([one.url], access_log=None)
        pipe = lb.path("pipe")
        os.mkfifo(pipe, 0o666)
        os.chmod(pipe, 0o666)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        lb.write(access_log=pipe)
        lb.start()
        quotes = '"' * 1000  # escaped, the line outgrows what a pipe surely takes
        for _ in range(10):
            clients = [lb.connect() for _ in range(8)]
            for client in clients:
                client.send(b"".join(wire.request(
                    "GET", "/" + quotes * (n % 2), fields={"User-Agent": quotes, "Referer": quotes})
                                     for n in range(10)))
            for client in clients:
                for _ in range(10):
                    self.assertEqual(client.read_response().status, 200)
                client.close()
        self.assertEqual(lb.ask().status, 200)  # nobody has read anything yet
        text = b""
        try:
            while True:
                piece = os.read(reader, 1 << 20)
                if not piece:
                    break
                text += piece
        except BlockingIOError:
            pass
        self.assertGreater(len(text), 10000)
        for line in text.splitlines():
            self.assertEqual(json.loads(line)["status"], 200)


if __name__ == "__main__":
    unittest.main()
