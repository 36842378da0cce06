"""What the tests of nasty backends share: a backend whose path says how it misbehaves, a client that
sees how an answer ended, and the proof that an instance took no harm.

    class Some(nasty.Case):
        def test_it(self):
            lb = self.serve({"/bad": lambda script, stream: stream.send(b"nonsense")})
            self.expect(502, "UP", self.get("/bad"))

Every path /token/X is answered with X: a polite client must always get its own.  At the end of
each test that is tried once more, and then every process must live, every descriptor be closed
and every gauge be zero.
"""

import itertools
import json
import socket

import harness
import wire

LONG = dict.fromkeys(("request_header", "request_body", "connect", "response_header",
                      "response_body", "client_write", "keep_alive", "tunnel"), "60s")
TOKENS = itertools.count(1)


def answer(body, *fields, status="200 OK"):
    head = ["HTTP/1.1 " + status, "Content-Length: %d" % len(body)] + list(fields)
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


class Outcome:
    """What a client got until its connection ended: `whole` says whether it can tell that it is all."""

    def __init__(self, raw, was_reset, method):
        self.raw = raw
        self.status, self.body, self.whole, self.interim = 0, b"", False, []
        self.was_reset = was_reset
        self.read(method)

    def read(self, method):
        rest = self.raw
        while not self.whole and b"\r\n\r\n" in rest:
            head, rest = rest.split(b"\r\n\r\n", 1)
            response = wire.Response(head, [])
            if response.status < 200 and response.status != 101:
                self.interim.append(response.status)
                continue
            self.status, self.response = response.status, response
            self.read_body(response, rest, method)
            return

    def read_body(self, response, rest, method):
        length = response.get("Content-Length")
        if method == "HEAD" or response.status in (204, 304):
            self.whole, self.body = True, rest
        elif response.get("Transfer-Encoding"):
            self.read_chunks(rest)
        elif length is not None:
            self.body, self.whole = rest, len(rest) == int(length)
        else:
            self.body, self.whole = rest, not self.was_reset

    def read_chunks(self, rest):
        while b"\r\n" in rest:
            line, rest = rest.split(b"\r\n", 1)
            size = int(line, 16)
            if size == 0:
                self.whole = rest.endswith(b"\r\n")
                return
            self.body += rest[:size]
            rest = rest[size + 2:]

    def __repr__(self):
        return "<%d %s %r%s>" % (self.status, "whole" if self.whole else "cut", self.raw[-300:],
                                 " reset" if self.was_reset else "")


def read_to_the_end(client, method="GET"):
    raw, was_reset = client.buffer, False
    try:
        while True:
            piece = client.sock.recv(65536)
            if not piece:
                break
            raw += piece
    except (ConnectionResetError, BrokenPipeError):
        was_reset = True
    return Outcome(raw, was_reset, method)


def worker_descriptors(pid):
    return len(harness.descriptors_of(pid))


def control_metrics(lb):
    """Over the control socket, which opens nothing in a worker."""
    return harness.Metrics(lb.control("/metrics").text)


def own_descriptors(lb, pid):
    """Those that are no connection, which must never become more."""
    metrics = control_metrics(lb)
    return worker_descriptors(pid) - int(metrics.value("lb_upstream_connections") +
                                         metrics.value("lb_client_connections"))


class Case(harness.Case):
    """One worker, so that every pooled connection is everybody's."""

    lb = served = None
    bodies = (b"", b"posted")  # of polite requests: GET and POST

    def play(self, plans, script, stream):
        while True:
            request = script.take(stream)
            path = request.line.split(" ")[1]
            plan = plans.get(path) or plans.get(path.split("/")[1])
            if path.startswith("/token/"):
                stream.send(answer(path[7:].encode() + b"=" + request.body))
            elif plan(*([script, stream, path] if path not in plans else [script, stream])) is not True:
                return

    def serve(self, plans, more_backends=(), receive_buffer=None, **values):
        """An instance before a backend that does plans[path](script, stream), or plans[first part of the
        path](script, stream, path); the connection ends after it unless that gave True."""
        return self.serve_with(lambda script, stream: self.play(plans, script, stream), more_backends,
                               receive_buffer, **values)

    def serve_unread(self, plan, **values):
        """What is sent to /up is for plan(stream), behind its head; that is in plan's hands."""
        def handle(script, stream):
            while True:
                head = stream.read_head()
                if b" /up " in head:
                    plan(stream)
                    return
                stream.buffer = head + b"\r\n\r\n" + stream.buffer
                request = script.take(stream)
                stream.send(answer(request.line.split(" ")[1][7:].encode() + b"=" + request.body))
        return self.serve_with(handle, **values)

    def serve_with(self, handle, more_backends=(), receive_buffer=None, **values):
        def without_delay(script, stream):
            """What is sent goes out at once, not when an earlier piece has been acknowledged."""
            stream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handle(script, stream)
        self.served = self.script(without_delay, receive_buffer=receive_buffer)
        values["timeouts"] = dict(LONG, **values.get("timeouts", {}))
        values.setdefault("retries", 0)
        self.lb = self.ballast([self.served.url, *more_backends], workers=1, access_log="stdout", **values)
        self.worker = self.lb.workers()[0]
        self.polite()
        self.before = harness.wait_for(lambda: self.quiet() and own_descriptors(self.lb, self.worker), "quiet")
        return self.lb

    def polite(self):
        """Others on the same instance, by GET and POST: each gets what is its own."""
        for body in self.bodies:
            token = "t%d" % next(TOKENS)
            response = self.lb.ask("/token/" + token, "POST" if body else "GET", body=body)
            self.assertEqual((response.status, response.body), (200, token.encode() + b"=" + body))

    def get(self, path, method="GET", proto="HTTP/1.1", **more):
        more["fields"] = list(dict(more.get("fields", {})).items()) + [("Connection", "close")]
        with self.lb.connect() as client:
            client.send(wire.request(method, path, proto=proto, **more))
            return read_to_the_end(client, method)

    def flags(self, uri):
        def found():
            for line in reversed(self.lb.read("stdout").splitlines(True)):
                if line.endswith("\n") and json.loads(line)["uri"] == uri:
                    return [json.loads(line)["flags"]]
            return None
        return harness.wait_for(found, "a log line of " + uri)[0]

    def expect(self, status, outcome, uri=None, flags=None, whole=True):
        self.assertEqual((outcome.status, outcome.whole), (status, whole), outcome)
        if flags is not None:
            self.assertEqual(self.flags(uri), flags)

    def quiet(self):
        metrics = control_metrics(self.lb)
        return metrics.value("lb_active_connections") == 0 and \
            metrics.value("lb_client_connections") == 0 and \
            metrics.value("lb_upstream_connections", state="active") == 0

    def unharmed(self):
        self.polite()
        harness.wait_for(self.quiet, "no exchange and no lease left")
        self.assertEqual(self.lb.workers(), [self.worker])
        harness.wait_for(lambda: own_descriptors(self.lb, self.worker) == self.before, "closed descriptors")

    def tearDown(self):
        if self.lb is not None and not self.lb.has_ended():
            self.unharmed()
