"""Point 8: another backend is tried when it is safe, and only then."""

import unittest

import harness
import wire
from load import Load

MB = 1 << 20


def cutting(script, stream):
    """Takes the request and hangs up."""
    script.take(stream)


def cutting_when_reused(script, stream):
    """Answers the first request of a connection and hangs up on the second."""
    script.take(stream)
    stream.send(harness.OK)
    script.take(stream)


def half_a_head(script, stream):
    script.take(stream)
    stream.send(b"HTTP/1.1 200 OK\r\nContent-")


def half_a_body(script, stream):
    script.take(stream)
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


class Case(harness.Case):
    def retries(self, lb):
        return lb.metrics().value("lb_retries_total")

    def errors(self, lb, reason):
        return lb.metrics().value("lb_backend_errors_total", reason=reason)


class Connect(Case):
    def test_a_refused_connect_costs_the_client_nothing(self):
        one = self.origin()
        lb = self.ballast([self.bound(), one.url])
        for _ in range(10):
            self.assertEqual(lb.ask().get("X-Origin"), "one")
        self.assertEqual(self.retries(lb), self.errors(lb, "connect_refused"))
        self.assertGreaterEqual(self.retries(lb), 5)

    def test_any_method_may_go_on_after_it_since_nothing_was_sent(self):
        one = self.origin()
        lb = self.ballast([self.bound(), one.url])
        for method, size in (("POST", 3), ("POST", 3), ("PATCH", 5000), ("PATCH", 5000),
                             ("POST", MB), ("POST", MB)):
            with self.subTest(method=method, size=size):
                body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
                response = lb.ask("/echo", method, body=body)
                self.assertEqual(response.status, 200)
                self.assertEqual(response.body, body)
        self.assertGreaterEqual(self.retries(lb), 3)

    def test_a_chunked_upload_goes_on_too(self):
        one = self.origin()
        lb = self.ballast([self.bound(), one.url])
        for _ in range(2):
            with lb.connect() as client:
                client.send(wire.request("POST", "/echo", {"Transfer-Encoding": "chunked"}) +
                            wire.chunked(b"part", b"of it"))
                self.assertEqual(client.read_response().body, b"partof it")
        self.assertGreaterEqual(self.retries(lb), 1)

    def test_a_connect_that_times_out_costs_the_client_only_time(self):
        one = self.origin()
        lb = self.ballast([self.bound(backlog=0), one.url], timeouts={"connect": "200ms"})
        for _ in range(2):
            self.assertEqual(lb.ask(method="POST", body=b"x").status, 200)
        self.assertGreaterEqual(self.errors(lb, "connect_timeout"), 1)

    def test_retries_says_how_many_further_backends_are_tried(self):
        dead = [self.bound() for _ in range(3)]
        for retries, refused in ((0, 1), (1, 2), (2, 3), (3, 3)):
            with self.subTest(retries):
                lb = self.ballast(dead, retries=retries)
                self.assertIn(lb.ask().status, (502, 503))
                self.assertEqual(self.errors(lb, "connect_refused"), refused)

    def test_no_backend_is_tried_twice_for_one_request(self):
        one = self.origin()
        lb = self.ballast([self.bound(), self.bound(), one.url], retries=2, workers=1)
        for _ in range(9):
            self.assertEqual(lb.ask().status, 200)
        self.assertLessEqual(self.errors(lb, "connect_refused"), 18)

    def test_least_connection_fails_over_as_well(self):
        one = self.origin()
        lb = self.ballast([self.bound(), one.url], strategy="least-connection")
        self.assertEqual({lb.ask().status for _ in range(10)}, {200})


class Pooled(Case):
    def warm(self, handler):
        """An instance with one idle connection to a backend that will hang up on its next use."""
        script = self.script(handler)
        lb = self.ballast([script.url], workers=1)
        self.assertEqual(lb.ask().status, 200)
        return script, lb

    def test_a_get_on_a_connection_that_turns_out_dead_is_sent_again(self):
        script, lb = self.warm(cutting_when_reused)
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(len(script.seen), 3)
        self.assertEqual(script.connections, 2)

    def test_a_put_with_its_body_too(self):
        script, lb = self.warm(cutting_when_reused)
        self.assertEqual(lb.ask(method="PUT", body=b"again").status, 200)
        self.assertEqual([seen.body for seen in script.seen], [b"", b"again", b"again"])

    def test_a_post_is_not(self):
        script, lb = self.warm(cutting_when_reused)
        self.assertEqual(lb.ask(method="POST", body=b"once").status, 502)
        self.assertEqual(len(script.seen), 2)

    def test_a_connection_the_backend_has_closed_is_not_used(self):
        script = self.script(harness.once(harness.OK))
        lb = self.ballast([script.url], workers=1)
        for number in range(1, 6):
            # A POST may not be sent again: it succeeds only if the closed one was seen in time.
            self.assertEqual(lb.ask(method="POST", body=b"x").status, 200)
            harness.wait_for(lambda: lb.metrics().value(
                "lb_upstream_connections", backend=script.url) == 0, "seen to be closed")
            self.assertEqual(script.connections, number)


class Sent(Case):
    def pair(self, handler, **more):
        """A backend that misbehaves before a good one; with round-robin each is first in turn."""
        script, one = self.script(handler), self.origin()
        return script, one, self.ballast([script.url, one.url], **more)

    def statuses(self, lb, method, **more):
        return sorted(lb.ask("/echo", method, **more).status for _ in range(2))

    def test_idempotent_methods_are_sent_again_before_any_octet_of_an_answer(self):
        for method, body in (("GET", b""), ("HEAD", b""), ("PUT", b"body"), ("DELETE", b""),
                             ("OPTIONS", b"")):
            with self.subTest(method):
                script, one, lb = self.pair(cutting)
                self.assertEqual(self.statuses(lb, method, body=body), [200, 200])
                self.assertGreaterEqual(len(script.seen), 1)
                self.assertEqual(one.count(), 2)
                self.assertEqual(self.errors(lb, "cut"), len(script.seen))

    def test_others_reach_at_most_one_backend(self):
        for method, body in (("POST", b"body"), ("POST", b""), ("PATCH", b"body")):
            with self.subTest(method):
                script, one, lb = self.pair(cutting)
                self.assertEqual(self.statuses(lb, method, body=body), [200, 502])
                self.assertEqual(len(script.seen), 1)
                self.assertEqual(one.count(), 1)
                self.assertEqual(self.retries(lb), 0)

    def test_nothing_is_sent_again_once_the_answer_has_begun(self):
        script, one, lb = self.pair(half_a_head)
        self.assertEqual(self.statuses(lb, "GET"), [200, 502])
        self.assertEqual((len(script.seen), one.count()), (1, 1))

    def test_half_a_body_is_a_cut_for_the_client_and_no_retry(self):
        script, one, lb = self.pair(half_a_body)
        outcomes = []
        for _ in range(2):
            try:
                outcomes.append(lb.ask().status)
            except (wire.Closed, ConnectionResetError):
                outcomes.append("cut")
        self.assertCountEqual(outcomes, [200, "cut"])
        self.assertEqual((len(script.seen), one.count()), (1, 1))

    def test_with_retries_0_nothing_is_sent_again(self):
        script, one, lb = self.pair(cutting, retries=0)
        self.assertEqual(self.statuses(lb, "GET"), [200, 502])
        self.assertEqual((len(script.seen), one.count()), (1, 1))

    def test_an_upload_that_is_gone_cannot_be_sent_again(self):
        def reads_some(script, stream):
            script.seen.append(stream.read_head())
            stream.exactly(4 * MB)
        script, one, lb = self.pair(reads_some)
        body = b"z" * (8 * MB)
        outcomes = []
        for _ in range(2):
            try:
                outcomes.append(lb.ask("/echo", "PUT", body=body).status)
            except (wire.Closed, OSError):
                outcomes.append(502)  # refused while it still sent
        self.assertCountEqual(outcomes, [200, 502])
        self.assertEqual((len(script.seen), one.count()), (1, 1))


class UnderLoad(Case):
    def up(self, lb, origin):
        return lb.metrics().value("lb_backend_up", backend=origin.url)

    def die_and_return(self, strategy):
        origins = [self.origin(name) for name in ("one", "two", "three")]
        victim = origins[0]
        lb = self.ballast([origin.url for origin in origins], strategy=strategy,
                          health_check={"interval": "200ms", "timeout": "2s"})
        load = Load(lb)
        try:
            load.more()
            victim.stop()
            harness.wait_for(lambda: not self.up(lb, victim), "it is down")
            failed = lb.metrics().value(
                "lb_health_checks_total", backend=victim.url, result="failure")
            load.more()
            victim.start()
            harness.wait_for(lambda: self.up(lb, victim), "it is up")
            harness.wait_for(lambda: victim.count() > 50 or load.bad, "it has traffic again")
            load.more()
        finally:
            load.end()
        self.assertEqual(load.bad, [])
        self.assertLessEqual(failed, 3, "probes until it was seen to be down")
        harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == 0,
                         "no lease is left")
        self.assertEqual(lb.metrics_after(load.good).value("lb_requests_total", status=200), load.good)

    def test_a_backend_that_is_killed_costs_no_client_an_error(self):
        self.die_and_return("round-robin")

    def test_nor_with_least_connection(self):
        self.die_and_return("least-connection")

    def test_nor_when_the_checker_is_dead_too(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.ballast([one.url, two.url])  # no health checks at all
        load = Load(lb)
        try:
            load.more()
            one.stop()
            load.more()
            one.start()
            harness.wait_for(lambda: one.count() > 50 or load.bad, "it has traffic again")
        finally:
            load.end()
        self.assertEqual(load.bad, [])


class Turns(harness.Case):
    def test_a_retry_takes_no_turn_so_a_dead_backend_is_not_first_every_time(self):
        one = self.origin()
        dead = "http://127.0.0.1:%d" % harness.unused_port()
        lb = self.ballast([dead, one.url], workers=1)
        for _ in range(10):
            self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.metrics_after(10).value("lb_retries_total"), 5)


if __name__ == "__main__":
    unittest.main()
