"""What a worker that dies leaves behind: a report of each exchange, exact counts, and, when a request
killed it, the suspicion against that request.  The faults come from build/faulty (src/proxy/fault.h)."""

import os
import select
import signal
import threading

import harness
import wire

FAULTY = os.path.abspath(os.path.join(harness.BUILD, "faulty"))
HELD = 200


def ask_or_none(port, target, **more):
    """The status, or None when the connection ended without an answer."""
    try:
        return wire.ask(port, target, **more).status
    except (wire.Closed, ConnectionError):
        return None


class Reports(harness.Case):
    def hold(self, lb, n):
        """n requests for which the backend takes its time, each on a connection of its own."""
        streams = []
        for i in range(n):
            stream = lb.connect()
            self.addCleanup(stream.close)
            stream.send(wire.request("GET" if i % 2 else "POST", "/sleep/60000?number=%d" % i,
                                     body=b"" if i % 2 else b"x"))
            streams.append(stream)
        harness.wait_for(lambda: self.held(lb) == n, "%d exchanges in flight" % n)
        return streams

    def held(self, lb):
        metrics = harness.Metrics(lb.control("/metrics").text)
        return metrics.value("lb_active_connections")

    def metrics(self, lb):
        return harness.Metrics(lb.control("/metrics").text)

    def test_a_killed_worker_is_told_as_one_line_for_each_exchange_it_held(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        streams = self.hold(lb, HELD)
        ports = {stream.sock.getsockname()[1] for stream in streams}
        victim = lb.workers()[0]
        os.kill(victim, signal.SIGKILL)
        lost = lb.wait_log("exchange lost", HELD)
        self.assertEqual(sum(stream.is_closed() for stream in streams), HELD)
        self.assertEqual(len(lost), HELD)
        self.assertEqual({line["client_port"] for line in lost}, ports)
        for line in lost:
            self.assertEqual((line["pid"], line["signal"], line["backend"], line["step"]),
                             (victim, "KILL", one.url, "relay"))
            self.assertEqual((line["path"], line["client_ip"], line["status"]),
                             ("/sleep/60000", "127.0.0.1", 0))
            self.assertEqual(line["safe_to_repeat"], line["method"] == "GET")
        self.assertEqual(sum(line["method"] == "GET" for line in lost), HELD // 2)
        metrics = self.metrics(lb)
        self.assertEqual(metrics.value("lb_exchanges_lost_total"), HELD)
        self.assertEqual(metrics.value("lb_active_connections"), 0)
        self.assertEqual(metrics.value("lb_upstream_connections"), 0)
        self.assertEqual(metrics.value("lb_requests_total"), 0, "nobody got an answer")
        self.assertEqual(lb.ask("/").status, 200)

    def test_an_exchange_without_a_row_is_counted_all_the_same(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, limits={"connections": 4})
        lb.reload(limits={"connections": 64})  # the segment has rows for as many as at the start
        self.hold(lb, 10)
        os.kill(lb.workers(generation=2)[0], signal.SIGKILL)
        lb.wait_log("more exchanges lost than there are rows for")
        self.assertEqual(len(lb.logs("exchange lost")), 4)
        self.assertEqual(self.metrics(lb).value("lb_exchanges_lost_total"), 10)

    def test_an_answer_that_had_begun_is_counted_with_its_status(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        stream = lb.connect()
        self.addCleanup(stream.close)
        stream.send(wire.request("GET", "/bytes/100000000"))
        self.assertIn(b" 200 ", stream.read_head())
        os.kill(lb.workers()[0], signal.SIGKILL)
        line = lb.wait_log("exchange lost")[0]
        self.assertEqual(line["status"], 200)
        self.assertEqual(self.metrics(lb).value("lb_requests_total", status="200"), 1)

    def test_a_worker_that_leaves_in_peace_is_no_crash(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        self.assertEqual(lb.ask("/").status, 200)
        lb.reload()
        self.assertEqual(lb.stop(), 0)
        self.assertEqual(lb.logs("exchange lost"), [])


class Poison(harness.Case):
    def faulty(self, backends=None, **more):
        lb = self.prepare(backends or [self.origin("one").url, self.origin("two").url], **more)
        lb.program = FAULTY
        lb.expected_crash = "signal ABRT"
        return lb.start()

    def poison(self, lb, step="relay", **more):
        return ask_or_none(lb.port, "/fault/%s/abrt" % step, **more)

    def deaths(self, lb):
        return len(lb.logs("worker died"))

    def kill_workers(self, lb, n, **more):
        """n poisons, each of which ends a worker, and waits until the master has seen it."""
        before = self.deaths(lb)
        for i in range(n):
            self.assertIsNone(self.poison(lb, **more))
            lb.wait_log("worker died", before + i + 1)

    def test_poison_costs_three_workers_and_then_clean_traffic_is_whole(self):
        lb = self.faulty(workers=2)
        self.kill_workers(lb, 3)
        told = lb.wait_log("request quarantined")
        self.assertEqual((told[0]["path"], told[0]["deaths"]), ("/fault/relay/abrt", 3))
        done, refused = threading.Event(), []

        def keep_poisoning():
            while not done.is_set():
                refused.append(self.poison(lb))

        thread = threading.Thread(target=keep_poisoning)
        thread.start()
        try:
            clean = [ask_or_none(lb.port, "/clean/%d" % i) for i in range(300)]
            harness.wait_for(lambda: len(refused) >= 50, "poison to be refused")
        finally:
            done.set()
            thread.join()
        self.assertEqual(set(clean), {200})
        self.assertEqual(set(refused), {403})
        self.assertEqual(self.deaths(lb), 3)
        metrics = lb.metrics()
        self.assertEqual(metrics.value("lb_quarantined_requests_total"), len(refused))
        self.assertEqual(metrics.value("lb_quarantine_suspects"), 1)
        self.assertEqual(metrics.value("lb_requests_total", status="403"), len(refused))

    def test_every_step_from_the_one_after_its_head_is_covered(self):
        lb = self.faulty(workers=1)
        for step in ("pick", "connect", "send", "relay"):
            self.kill_workers(lb, 3, step=step)
            self.assertEqual(self.poison(lb, step=step), 403, step)

    def test_so_is_what_is_done_when_a_backend_was_too_slow(self):
        lb = self.faulty([self.bound(backlog=0)], workers=1, timeouts={"connect": "100ms"})
        for _ in range(3):
            bystander = lb.connect()  # one that is alone in flight is suspected in any case
            self.addCleanup(bystander.close)
            bystander.send(b"GET / HTTP/1.1\r\n")
            harness.wait_for(lambda: harness.Metrics(lb.control("/metrics").text).value(
                "lb_client_connections", state="active") == 1, "the bystander to be in flight")
            self.kill_workers(lb, 1, step="expired")
        self.assertEqual(self.poison(lb, step="expired"), 403)

    def test_an_answer_that_went_out_before_the_death_is_counted(self):
        lb = self.faulty(workers=1, quarantine="off")
        for i in range(3):
            self.assertEqual(self.poison(lb, step="finish"), 200)
            lb.wait_log("worker died", i + 1)
        self.assertEqual(lb.metrics().value("lb_requests_total", status="200"), 3)

    def test_values_do_not_matter_but_names_and_paths_do(self):
        lb = self.faulty(workers=1)
        for i in range(3):
            self.kill_workers(lb, 1, fields={"X-Poison": str(i)})
        self.assertEqual(self.poison(lb, fields={"X-Poison": "another"}), 403)
        self.assertEqual(ask_or_none(lb.port, "/fault/relay/abrt?query", fields={"X-Poison": "1"}),
                         403)
        self.assertIsNone(self.poison(lb, fields={"X-Other": "1"}), "another shape")
        lb.wait_log("worker died", 4)
        self.assertEqual(ask_or_none(lb.port, "/", fields={"X-Poison": "1"}), 200)

    def test_who_merely_stood_by_is_not_suspected(self):
        lb = self.faulty(workers=1, timeouts={"drain": "100ms"})
        lb.expected_exit = 3  # the last bystander is cut at the end
        for _ in range(4):
            bystander = lb.connect()
            self.addCleanup(bystander.close)
            bystander.send(wire.request("GET", "/sleep/60000"))
            harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == 1,
                             "the bystander to be in flight")
            self.poison(lb)
            harness.wait_for(lambda: select.select([bystander.sock], [], [], 0)[0] or
                             len(lb.logs("request quarantined")), "its worker's end")
        self.assertEqual(ask_or_none(lb.port, "/sleep/1"), 200)
        self.assertEqual(self.poison(lb), 403)

    def test_a_kill_from_outside_is_nobodys_fault(self):
        lb = self.faulty(workers=1)
        for i in range(4):
            self.assertIsNone(ask_or_none(lb.port, "/fault/relay/kill"))
            lb.wait_log("worker died", i + 1)
        self.assertEqual(lb.logs("request quarantined"), [])

    def test_off_is_off_and_other_numbers_are_heeded(self):
        lb = self.faulty(workers=1, quarantine="off")
        self.kill_workers(lb, 5)
        self.assertEqual(lb.logs("request quarantined"), [])
        lb.reload(quarantine={"duration": "1s", "deaths": 2})
        self.kill_workers(lb, 2)
        self.assertEqual(self.poison(lb), 403)
        harness.wait_for(lambda: self.poison(lb) is None, "the end of the quarantine")
        harness.wait_for(lambda: self.poison(lb) == 403, "one more death to be enough")
        self.assertEqual(self.deaths(lb), 8)

    def test_off_ends_a_quarantine(self):
        lb = self.faulty(workers=1)
        self.kill_workers(lb, 3)
        self.assertEqual(self.poison(lb), 403)
        lb.reload(quarantine="off")
        self.kill_workers(lb, 1)  # it is let through again


if __name__ == "__main__":
    harness.main()
