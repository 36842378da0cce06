"""Point 9: a token bucket per client, exact over all workers."""

import threading
import unittest

import harness
import wire

# So slow that no token comes back while a test runs, however slow the machine.
SLOW = {"requests_per_second": 0.01, "burst": 20}


class RateLimit(harness.Case):
    def statuses(self, lb, n, **more):
        return [lb.ask(**more).status for _ in range(n)]

    def test_the_burst_is_exact_over_all_workers(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=4, rate_limit=SLOW)
        statuses = []

        def ask():
            statuses.extend(self.statuses(lb, 15))
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((statuses.count(200), statuses.count(429)), (20, 40))
        self.assertEqual(one.count(), 20)

    def test_the_defaults_let_20_to_25_of_60_rapid_requests_through(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit=None)
        with lb.connect() as client:
            client.send(wire.request() * 60)
            statuses = [client.read_response().status for _ in range(60)]
        self.assertEqual(set(statuses), {200, 429})
        self.assertGreaterEqual(statuses.count(200), 20)
        if not harness.SANITIZED:
            self.assertLessEqual(statuses.count(200), 25)

    def test_a_refusal_tells_when_to_come_back(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit=dict(SLOW, burst=1))
        with lb.connect() as client:
            self.assertEqual(client.ask().status, 200)
            refused = client.ask()
            self.assertEqual(refused.status, 429)
            self.assertTrue(90 <= int(refused.get("Retry-After")) <= 100, refused.head)
            self.assertEqual(refused.get("RateLimit-Limit"), "1")
            self.assertEqual(refused.get("RateLimit-Remaining"), "0")
            self.assertTrue(0 < int(refused.get("RateLimit-Reset")) <= 100)
            self.assertTrue(refused.get("Content-Type").startswith("text/plain"))
            self.assertEqual(client.ask().status, 429, "the connection lives on")

    def test_tokens_come_back(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit={"requests_per_second": 20, "burst": 1})
        self.assertEqual(lb.ask().status, 200)
        harness.wait_for(lambda: lb.ask().status == 200, "a token")

    def test_clients_do_not_share_a_bucket(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit=dict(SLOW, burst=2))
        for source in ("127.0.0.2", "127.0.0.3"):
            self.assertEqual(self.statuses(lb, 3, source=source), [200, 200, 429])

    def test_the_client_behind_a_trusted_proxy_is_the_one_limited(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit=dict(SLOW, burst=2), trusted_proxies=["127.0.0.1"])

        def of(address):
            return self.statuses(lb, 3, fields={"X-Forwarded-For": address})
        self.assertEqual(of("203.0.113.1"), [200, 200, 429])
        self.assertEqual(of("1.2.3.4, 203.0.113.2"), [200, 200, 429])
        # One IPv6 network is one client.
        self.assertEqual(of("2001:db8::1"), [200, 200, 429])
        self.assertEqual(of("2001:db8::ffff:2"), [429, 429, 429])
        self.assertEqual(of("2001:db8:0:1::1"), [200, 200, 429])

    def test_an_untrusted_client_cannot_choose_its_bucket(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit=dict(SLOW, burst=2))
        statuses = [lb.ask(fields={"X-Forwarded-For": "203.0.113.%d" % n}).status
                    for n in range(4)]
        self.assertEqual(statuses, [200, 200, 429, 429])

    def test_exempt_networks_are_not_limited(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit=dict(SLOW, burst=1, exempt=["127.0.0.8/29"]))
        self.assertEqual(set(self.statuses(lb, 10, source="127.0.0.9")), {200})
        self.assertEqual(self.statuses(lb, 2, source="127.0.0.2"), [200, 429])

    def test_metrics_are_ahead_of_the_limiter_and_count_refusals(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit=dict(SLOW, burst=1))
        self.statuses(lb, 4)
        for _ in range(3):
            metrics = lb.metrics_after(4)
        self.assertEqual(metrics.value("lb_rate_limited_requests_total"), 3)
        self.assertEqual(metrics.value("lb_requests_total", backend="none", status=429), 3)

    def test_buckets_live_on_over_a_reload(self):
        one = self.origin()
        lb = self.ballast([one.url], rate_limit=dict(SLOW, burst=3))
        self.assertEqual(self.statuses(lb, 4), [200, 200, 200, 429])
        lb.reload()
        self.assertEqual(lb.ask().status, 429)


class SwitchedOn(harness.Case):
    def test_a_limit_that_a_reload_switches_on_holds_for_more_clients_than_one_set_has(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, trusted_proxies=["127.0.0.0/8"])
        lb.reload(rate_limit={"requests_per_second": 0.01, "burst": 2})
        refused = 0
        with lb.connect() as client:
            for _ in range(3):
                for n in range(60):
                    refused += client.ask(fields={"X-Forwarded-For": "192.0.2.%d" % n}).status == 429
        self.assertEqual(refused, 60)


if __name__ == "__main__":
    unittest.main()
