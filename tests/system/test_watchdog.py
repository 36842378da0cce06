"""Workers whose loop stands still: seen, told, killed, replaced; and the master answers all the while."""

import os
import signal
import time

import harness
import wire

ENGINES = ("poll",)
WEDGED = "child is wedged and is killed"


class Watchdog(harness.Case):
    def watched(self, limit="2s", **more):
        values = {"workers": 2, "watchdog": limit, "admin": {"listen": "127.0.0.1:0"}}
        values.update(more)
        return self.ballast([self.origin().url], **values)

    def stop(self, *pids):
        """Continued at the end, whatever becomes of the test."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            self.addCleanup(harness.go_on, pid)
        harness.wait_for(lambda: all(harness.state_of(pid) == "T" for pid in pids), "a stop")

    def admin(self, lb):
        return int(lb.logs("admin listening")[-1]["port"])

    def scrape(self, lb):
        return harness.Metrics(wire.ask(self.admin(lb), "/metrics").text)

    def test_a_stopped_worker_is_killed_and_replaced(self):
        lb = self.watched()
        victim = lb.workers()[0]
        self.stop(victim)
        line = lb.wait_log(WEDGED)[0]
        self.assertEqual((line["pid"], line["role"], line["step"]), (victim, "worker", "none"))
        self.assertGreaterEqual(line["silent_ms"], 2000)
        harness.wait_for(lambda: len(lb.workers()) == 2 and victim not in lb.workers(),
                         "a successor")
        metrics = self.scrape(lb)
        self.assertEqual(metrics.value("lb_watchdog_kills_total"), 1)
        self.assertEqual(metrics.value("lb_worker_restarts_total"), 1)
        self.assertEqual(len(lb.logs(WEDGED)), 1, "the other one is well")

    def test_all_stopped_are_told_at_once_and_who_waits_is_served_by_their_successors(self):
        lb = self.watched(limit="5s")
        self.stop(*lb.workers())
        client = lb.connect()
        self.addCleanup(client.close)
        client.send(wire.request())
        harness.wait_for(lambda: self.scrape(lb).value("lb_workers_stalled") == 2, "the gauge")
        self.assertEqual(client.read_response().status, 200)
        self.assertEqual(len(lb.logs(WEDGED)), 2)
        harness.wait_for(lambda: self.scrape(lb).value("lb_workers_stalled") == 0, "the gauge")

    def test_a_stopped_checker_is_replaced_too(self):
        lb = self.watched(health_check={"interval": "1s"})
        victim = lb.children("checker")[0]
        self.stop(victim)
        self.assertEqual(lb.wait_log(WEDGED)[0]["role"], "checker")
        harness.wait_for(lambda: lb.children("checker") not in ([], [victim]), "a successor")

    def test_off_is_off(self):
        lb = self.watched(limit="off")
        victim = lb.workers()[0]
        self.stop(victim)
        harness.wait_for(lambda: self.scrape(lb).value("lb_workers_stalled") == 1, "the gauge")
        lb.reload(watchdog="2s")  # of a worker's own configuration: the old one stays off
        os.kill(victim, signal.SIGCONT)
        harness.wait_for(lambda: victim not in lb.workers(), "the old worker to leave")
        self.assertEqual(lb.logs(WEDGED), [])

    def test_a_master_that_was_stopped_with_all_the_others_kills_nobody(self):
        lb = self.watched()
        family = lb.workers() + [lb.pid]
        self.stop(*family)
        until = time.monotonic() + 4
        harness.wait_for(lambda: time.monotonic() > until, "the watchdog's time to pass")
        for pid in reversed(family):
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(lb.ask().status, 200)
        until = time.monotonic() + 1.5
        harness.wait_for(lambda: time.monotonic() > until, "one more look")
        self.assertEqual(lb.logs(WEDGED), [])


if __name__ == "__main__":
    harness.main()
