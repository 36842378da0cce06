"""A checker that doubts itself: whatever happens to it, no backend that serves is ejected; and one that is dead goes,
also while nobody checks."""

import os
import signal
import threading
import time

import harness
import wire
from load import Load

ENGINES = ("poll",)
DOWN = "backend marked down"
FROZEN = "health verdicts frozen: probes go unanswered, but workers get answers"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Backends:
    """Handlers that answer everything but, while `cut` is set, probes: as if the checker's way were cut."""

    def __init__(self):
        self.cut = threading.Event()
        self.mute = threading.Event()  # nobody is answered
        self.status = 200

    def __call__(self, script, stream):
        while True:
            request = script.take(stream)
            if self.mute.is_set() or (" /health " in request.line and self.cut.is_set()):
                stream.rest()
                return
            if " /health " in request.line:
                stream.send(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % self.status)
            else:
                stream.send(OK)


class Checked(harness.Case):
    def checked(self, n=4, **health):
        backends = Backends()
        scripts = [self.script(backends) for _ in range(n)]
        values = {"path": "/health", "interval": "100ms", "timeout": "500ms"}
        values.update(health)
        lb = self.ballast([script.url for script in scripts], workers=2, health_check=values)
        harness.wait_for(lambda: self.metrics(lb).value("lb_health_checks_total",
                                                        result="success") >= n, "a round")
        return lb, backends, scripts

    def metrics(self, lb):
        return harness.Metrics(lb.control("/metrics").text)

    def load(self, lb):
        load = Load(lb, clients=4)
        self.addCleanup(load.end)
        load.more(100)
        return load

    def failed(self, lb):
        return self.metrics(lb).value("lb_health_checks_total", result="failure")

    def wait_failed(self, lb, more):
        end = self.failed(lb) + more
        harness.wait_for(lambda: self.failed(lb) >= end, "%d failed checks" % more)


class Doubt(Checked):
    def test_a_checker_that_is_cut_off_takes_nobody_down(self):
        for fall in (1, 2):
            lb, backends, _ = self.checked(fall=fall, timeout="100ms")
            load = self.load(lb)
            backends.cut.set()
            self.wait_failed(lb, 40)
            self.assertEqual(lb.logs(DOWN), [])
            self.assertGreaterEqual(self.metrics(lb).value("lb_health_frozen"), 2)
            self.assertEqual(self.metrics(lb).value("lb_backend_up"), 4)
            backends.cut.clear()
            lb.wait_log("health verdicts thawed")
            harness.wait_for(lambda: self.metrics(lb).value("lb_health_frozen") == 0 and
                             len(lb.logs(FROZEN)) == len(lb.logs("health verdicts thawed")), "a thaw for each frost")
            load.end()
            self.assertEqual(load.bad, [])

    def test_one_that_is_dead_goes_all_the_same(self):
        lb, backends, scripts = self.checked(timeout="100ms")
        load = self.load(lb)
        backends.cut.set()
        self.wait_failed(lb, 20)
        scripts[0].stop()
        line = lb.wait_log(DOWN)[0]
        self.assertEqual(line["backend"], scripts[0].url)
        self.wait_failed(lb, 20)
        self.assertEqual(len(lb.logs(DOWN)), 1)
        self.assertEqual(self.metrics(lb).value("lb_backend_up"), 3)
        load.end()

    def test_without_checks_nothing_is_frozen_any_more(self):
        lb, backends, _ = self.checked(timeout="100ms")
        load = self.load(lb)
        backends.cut.set()
        harness.wait_for(lambda: self.metrics(lb).value("lb_health_frozen") > 0, "a freeze")
        lb.reload(health_check="off")
        harness.wait_for(lambda: self.metrics(lb).value("lb_health_frozen") == 0, "its end")
        load.end()

    def test_without_traffic_nothing_speaks_against_the_probes(self):
        lb, backends, _ = self.checked()
        backends.cut.set()
        lb.wait_log(DOWN, 4)
        self.assertEqual(lb.logs(FROZEN), [])

    def test_an_answer_that_says_no_is_believed(self):
        lb, backends, _ = self.checked()
        load = self.load(lb)
        backends.status = 500
        lb.wait_log(DOWN, 4)
        self.assertEqual(lb.logs(FROZEN), [])
        load.end()

    def test_whom_clients_only_leave_goes(self):
        lb, backends, _ = self.checked(timeout="100ms")
        backends.mute.set()
        backends.cut.set()
        ending = threading.Event()

        def give_up():
            while not ending.is_set():
                client = lb.connect()
                client.send(wire.request())
                ending.wait(0.02)
                client.reset()

        thread = threading.Thread(target=give_up)
        thread.start()
        try:
            lb.wait_log(DOWN, 4)
        finally:
            ending.set()
            thread.join()
        self.assertEqual(lb.logs(FROZEN), [])

    def test_up_to_the_share_probes_alone_decide(self):
        lb, backends, _ = self.checked(max_ejected="100%")
        load = self.load(lb)
        backends.cut.set()
        lb.wait_log(DOWN, 4)
        load.end()


class Held(Checked):
    """The checker is stopped, starved, killed."""

    def checker(self, lb):
        return harness.wait_for(lambda: lb.children("checker"), "a checker")[0]

    def stop(self, lb):
        pid = self.checker(lb)
        os.kill(pid, signal.SIGSTOP)
        harness.wait_for(lambda: harness.state_of(pid) == "T", "a stop")
        self.addCleanup(harness.go_on, pid)
        return pid

    def rounds(self, lb, more):
        def count():
            return self.metrics(lb).value("lb_health_checks_total")
        end = count() + more
        harness.wait_for(lambda: count() >= end, "%d checks" % more)

    def test_a_stop_is_noticed_and_held_against_nobody(self):
        lb, _, _ = self.checked()
        load = self.load(lb)
        pid = self.stop(lb)
        until = time.monotonic() + 1.5  # probes in flight and all that fall due meanwhile are late
        harness.wait_for(lambda: time.monotonic() > until, "a while")
        os.kill(pid, signal.SIGCONT)
        harness.wait_for(lambda: self.metrics(lb).value("lb_health_check_lag_seconds") > 1, "its lag")
        self.rounds(lb, 12)
        self.assertEqual(lb.logs(DOWN), [])
        load.end()
        self.assertEqual(load.bad, [])

    def test_starved_again_and_again_it_judges_nobody(self):
        lb, _, _ = self.checked()
        load = self.load(lb)
        pid = self.checker(lb)
        self.addCleanup(harness.go_on, pid)
        for _ in range(5):
            os.kill(pid, signal.SIGSTOP)
            until = time.monotonic() + 0.7
            harness.wait_for(lambda end=until: time.monotonic() > end, "longer than its patience")
            os.kill(pid, signal.SIGCONT)
            load.more(20)
        self.rounds(lb, 12)
        self.assertEqual(lb.logs(DOWN), [])
        load.end()
        self.assertEqual(load.bad, [])

    def test_killed_again_and_again_it_leaves_every_verdict_as_it_was(self):
        lb, _, _ = self.checked()
        load = self.load(lb)
        for _ in range(5):
            os.kill(self.checker(lb), signal.SIGKILL)
            load.more(200)
        self.assertEqual(lb.logs(DOWN), [])
        load.end()
        self.assertEqual(load.bad, [])

    def test_while_it_is_stopped_workers_take_a_dead_backend_out(self):
        lb, _, scripts = self.checked()
        load = self.load(lb)
        pid = self.stop(lb)
        scripts[0].stop()
        line = lb.wait_log(DOWN)[0]
        self.assertEqual(line["backend"], scripts[0].url)
        self.assertIn("no checker looks", line["reason"])
        load.more(100)
        errors = self.metrics(lb).value("lb_backend_errors_total", backend=scripts[0].url)
        load.more(500)
        self.assertEqual(
            self.metrics(lb).value("lb_backend_errors_total", backend=scripts[0].url), errors)
        self.assertEqual(self.metrics(lb).value("lb_backend_up", backend=scripts[0].url), 0)
        self.assertEqual(load.bad, [], "a retry covers what met it first")
        load.end()
        os.kill(pid, signal.SIGCONT)

    def test_the_last_one_stays(self):
        lb, _, scripts = self.checked(n=2)
        self.stop(lb)
        for script in scripts:
            script.stop()
        harness.wait_for(lambda: lb.ask("/").status == 502 and lb.logs(DOWN), "one to be taken out")
        for _ in range(20):
            self.assertEqual(lb.ask("/").status, 502)
        self.assertEqual(len(lb.logs(DOWN)), 1)
        self.assertEqual(self.metrics(lb).value("lb_backend_up"), 1)

    def test_it_puts_up_again_what_workers_took_out(self):
        lb, backends, scripts = self.checked(n=2)
        pid = self.stop(lb)
        port = scripts[0].port
        scripts[0].stop()
        harness.wait_for(lambda: lb.ask("/").status and lb.logs(DOWN), "it to be taken out")
        self.script(backends, port=port)
        os.kill(pid, signal.SIGCONT)
        lb.wait_log("backend recovered")
        self.assertEqual(self.metrics(lb).value("lb_backend_up"), 2)


if __name__ == "__main__":
    harness.main()
