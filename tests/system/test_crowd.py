"""Thousands of connections that are held open, and what a polite client beside them notices.

That it has no failure is tested, and that a request costs the workers no more than a wide factor of
what it costs alone.  How long it takes is printed; `make check-slow` (BALLAST_SLOW=1) holds the ratio of
the 99th percentiles to what is promised, on a machine that has nothing else to do.
"""

import os
import time
import unittest

import crowd
import harness
import wire

HELD = 4000 if not harness.SANITIZED else 1000
MEASURE = bool(os.environ.get("BALLAST_SLOW"))
REQUESTS, ROUNDS = (2000, 5) if MEASURE else (400, 1)
P99_FACTOR = 3.0
CPU_FACTOR = 10.0
MIX = {crowd.silent: 3, crowd.idle: 3, crowd.one_octet: 1, crowd.half_head: 4, crowd.big_head: 1,
       crowd.half_body: 4, crowd.half_chunk: 2, crowd.slow_reader: 2}


class Visit:
    """A polite client's requests, some on kept connections: their times, and the workers' per request."""

    def __init__(self, lb):
        self.bad, self.times = [], []
        before = crowd.cpu_ns(lb.workers())
        for _ in range(REQUESTS // 10):
            with lb.connect() as stream:
                for _ in range(10):
                    self.ask(stream)
        self.cpu_us = (crowd.cpu_ns(lb.workers()) - before) / 1000 / REQUESTS

    def ask(self, stream):
        begin = time.perf_counter()
        try:
            response = stream.ask()
            if (response.status, response.framing) != (200, "length"):
                self.bad.append(response.status)
        except (OSError, wire.Closed) as error:
            self.bad.append(repr(error))
        self.times.append(time.perf_counter() - begin)

    @property
    def p99_ms(self):
        return sorted(self.times)[len(self.times) * 99 // 100] * 1000


def best(visits):
    """The least disturbed one."""
    return min(visits, key=lambda visit: visit.p99_ms)


class Held(harness.Case):
    def test_thousands_of_held_connections_harm_no_polite_client(self):
        held = crowd.descriptors(HELD)
        parts = sum(MIX.values())
        kinds = {kind: held * part // parts for kind, part in MIX.items()}
        lb = self.ballast([self.origin().url], workers=2, timeouts=dict.fromkeys(
            ("request_header", "request_body", "response_header", "response_body", "client_write",
             "keep_alive"), "1h"))
        workers = lb.workers()
        Visit(lb)  # warms up
        alone = [Visit(lb) for _ in range(ROUNDS)]
        people = crowd.Crowd(lb.port)
        self.addCleanup(people.reset)
        people.fill(kinds)
        harness.wait_for(lambda: crowd.connections(lb) == sum(kinds.values()), "all to be held")
        beside = [Visit(lb) for _ in range(ROUNDS)]
        failures = [bad for visit in alone + beside for bad in visit.bad]
        self.assertEqual(failures, [])
        harness.wait_for(lambda: crowd.connections(lb) == sum(kinds.values()),
                         "all and nobody else to be held")
        one, two = best(alone), best(beside)
        print("\n%d held, engine %s: p99 %.2f -> %.2f ms (x %.1f), CPU %.0f -> %.0f us a request (x %.1f)" % (
            sum(kinds.values()), harness.ENGINE, one.p99_ms, two.p99_ms, two.p99_ms / one.p99_ms,
            one.cpu_us, two.cpu_us, two.cpu_us / one.cpu_us), flush=True)
        if harness.ENGINE != "poll":  # whose every wait looks at all descriptors
            self.assertLess(two.cpu_us, CPU_FACTOR * one.cpu_us)
            if MEASURE:
                self.assertLess(two.p99_ms, P99_FACTOR * one.p99_ms)
        people.reset()
        harness.wait_for(lambda: crowd.is_at_rest(lb), "nothing to be left")
        self.assertEqual(lb.workers(), workers)
        self.assertEqual(lb.ask().status, 200)


if __name__ == "__main__":
    unittest.main()
