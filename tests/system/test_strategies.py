"""Point 7: who gets which request, exactly, over all workers."""

import collections
import threading
import unittest

import harness
import wire


class Strategies(harness.Case):
    def names(self, lb, n):
        """Origins of n sequential requests, each on a connection of its own (so any worker)."""
        return [lb.ask().get("X-Origin") for _ in range(n)]

    def three(self):
        return [self.origin(name) for name in ("one", "two", "three")]

    def test_round_robin_alternates_strictly_over_two_workers(self):
        origins = [self.origin("one"), self.origin("two")]
        lb = self.ballast([origin.url for origin in origins])
        names = self.names(lb, 10)
        self.assertEqual(len(set(names[0::2])), 1, names)
        self.assertEqual(len(set(names[1::2])), 1, names)
        self.assertNotEqual(names[0], names[1])

    def test_3n_requests_give_n_to_each_of_three_for_any_number_of_workers(self):
        origins = self.three()
        for workers in (1, 3, 4):
            with self.subTest(workers):
                lb = self.ballast([origin.url for origin in origins], workers=workers)
                counts = collections.Counter(self.names(lb, 30))
                self.assertEqual(sorted(counts.values()), [10, 10, 10])

    def test_concurrent_requests_are_spread_as_exactly(self):
        origins = self.three()
        lb = self.ballast([origin.url for origin in origins], workers=3)
        names = []

        def ask():
            names.extend(self.names(lb, 15))
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(collections.Counter(names).values()), [20, 20, 20])

    def test_weights_are_smooth(self):
        origins = self.three()
        lb = self.ballast([{"url": origins[0].url, "weight": 3}, origins[1].url, origins[2].url])
        names = self.names(lb, 50)
        counts = collections.Counter(names)
        self.assertEqual((counts["one"], counts["two"], counts["three"]), (30, 10, 10))
        for at in range(0, 50, 5):
            self.assertEqual(names[at:at + 5].count("one"), 3, names)
        self.assertNotIn("one one one one", " ".join(names))

    def test_least_connection_counts_over_all_workers(self):
        origins = self.three()
        lb = self.ballast([origin.url for origin in origins], workers=3,
                          strategy="least-connection")
        held = []
        for n in range(1, 10):
            client = lb.connect()
            self.addCleanup(client.close)
            client.send(wire.request("GET", "/drip/1000/1000"))
            client.read_head()
            held.append(client)
            active = [lb.metrics().value("lb_active_connections", backend=origin.url)
                      for origin in origins]
            self.assertEqual(sum(active), n)
            self.assertLessEqual(max(active) - min(active), 1, active)
        for client in held:
            client.close()
        harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == 0, "none active")

    def hold(self, lb):
        """A client whose exchange stays in flight, with the name of its backend."""
        client = lb.connect()
        self.addCleanup(client.close)
        client.send(wire.request("GET", "/drip/1000/1000"))
        return client, wire.Response(client.read_head(), []).get("X-Origin")

    def test_least_connection_fills_up_the_one_that_became_free(self):
        origins = [self.origin("one"), self.origin("two")]
        lb = self.ballast([origin.url for origin in origins], strategy="least-connection")
        held = [self.hold(lb) for _ in range(6)]
        for client, name in held:
            if name == "one":
                client.close()
        harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == 3, "three to end")
        self.assertEqual([self.hold(lb)[1] for _ in range(3)], ["one"] * 3)

    def test_least_connection_respects_weights(self):
        origins = [self.origin("one"), self.origin("two")]
        lb = self.ballast([{"url": origins[0].url, "weight": 2}, origins[1].url],
                          strategy="least-connection")
        for _ in range(9):
            client = lb.connect()
            self.addCleanup(client.close)
            client.send(wire.request("GET", "/drip/1000/1000"))
            client.read_head()
        active = [lb.metrics().value("lb_active_connections", backend=origin.url)
                  for origin in origins]
        self.assertEqual(active, [6, 3])

    def test_least_connection_rotates_ties(self):
        origins = self.three()
        lb = self.ballast([origin.url for origin in origins], strategy="least-connection")
        counts = collections.Counter(self.names(lb, 30))
        self.assertEqual(len(counts), 3, counts)
        self.assertGreaterEqual(min(counts.values()), 5)

    def test_load_from_many_connections_fails_nobody_and_reaches_all_workers(self):
        origins = [self.origin("one"), self.origin("two")]
        lb = self.ballast([origin.url for origin in origins], workers=2)
        bad = []

        def client():
            with lb.connect() as stream:
                for _ in range(50):
                    if stream.ask().status != 200:
                        bad.append(1)
        threads = [threading.Thread(target=client) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(bad, [])
        self.assertEqual(lb.metrics_after(1600).value("lb_requests_total", status=200), 1600)
        self.assertTrue(all(worker["accepted"] > 0 for worker in lb.status()["workers"]))


if __name__ == "__main__":
    unittest.main()
