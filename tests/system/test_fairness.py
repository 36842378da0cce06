"""How workers share the connections: evenly, and without leaving one to somebody who is not there."""

import os
import signal

import harness

WORKERS = 4
TRIES = 5  # on a machine that lets a process wait for long, others take what was left to it


def held_by_workers(lb):
    return [sum(w["connections"].values()) for w in lb.status()["workers"]]


def spread(counts):
    return (max(counts) - min(counts)) / max(counts)


class Sharing(harness.Case):
    def hold(self, lb, clients):
        """So many, each of which asks once and stays."""
        held = []
        for _ in range(clients):
            stream = lb.connect()
            self.addCleanup(stream.close)
            held.append(stream)
            self.assertEqual(stream.ask().status, 200)
        return held

    def counts_of(self, lb, clients):
        held = self.hold(lb, clients)
        counts = harness.wait_for(
            lambda: sum(held_by_workers(lb)) == clients and held_by_workers(lb), "all of them")
        for stream in held:
            stream.close()
        harness.wait_for(lambda: sum(held_by_workers(lb)) == 0, "nobody")
        return counts

    def spread_evenly(self, clients, is_even):
        one = self.origin()
        lb = self.ballast([one.url], workers=WORKERS)
        seen = []
        for _ in range(TRIES):
            seen.append(self.counts_of(lb, clients))
            if is_even(seen[-1]):
                return
        self.fail("%d clients are held by the workers as %s" % (clients, seen))

    def test_a_few_clients_spread_as_evenly_as_they_can(self):
        self.spread_evenly(10, lambda counts: max(counts) - min(counts) <= 1)

    def test_many_clients_spread_to_within_a_fifth(self):
        self.spread_evenly(64, lambda counts: spread(counts) <= 0.2)

    def test_a_connection_that_is_left_to_a_stopped_worker_is_taken_by_another(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=WORKERS)
        self.hold(lb, WORKERS)
        stopped = lb.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        self.addCleanup(os.kill, stopped, signal.SIGCONT)
        harness.wait_for(lambda: harness.state_of(stopped) == "T", "a stopped worker")
        self.hold(lb, 3 * WORKERS)

    @staticmethod
    def wait_for_two(lb, victim):
        def are_ready():
            workers = lb.status()["workers"]
            return [w["state"] for w in workers] == ["ready"] * 2 and \
                victim not in [w["pid"] for w in workers]
        harness.wait_for(are_ready, "two that are ready")

    def test_connections_are_taken_while_the_idlest_worker_is_killed_again_and_again(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2)
        lb.expected_crash = "signal KILL"
        for i in range(6):
            victim = min(lb.status()["workers"],
                         key=lambda worker: sum(worker["connections"].values()))["pid"]
            os.kill(victim, signal.SIGKILL)
            with lb.connect() as client:
                self.assertEqual(client.ask().status, 200, "connection %d" % i)
            self.wait_for_two(lb, victim)

    def test_every_row_of_every_worker_is_used(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=WORKERS, limits={"connections": 3})
        self.hold(lb, 3 * WORKERS)
        self.assertEqual(held_by_workers(lb), [3] * WORKERS)


if __name__ == "__main__":
    harness.main()
