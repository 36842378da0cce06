"""Point 10: probes, verdicts, and what workers make of them."""

import os
import signal
import threading
import time
import unittest

import harness
import wire

ONCE = "1h"  # an interval in which nothing but the first round happens


class Patient:
    """A handler for a Script: each probe waits until the test says how it is to be answered."""

    def __init__(self):
        self.answers = []
        self.asked = 0
        self.change = threading.Condition()

    def __call__(self, script, stream):
        script.take(stream)
        with self.change:
            self.asked += 1
            if not self.change.wait_for(lambda: self.answers, 60):
                return
            stream.send(self.answers.pop(0))

    def answer(self, raw):
        with self.change:
            self.answers.append(raw)
            self.change.notify()


def status(code):
    return b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % code


def silent(script, stream):
    script.take(stream)
    stream.rest()


def dripping(_, stream):
    """An answer that would come to its end, but not within any probe's time."""
    stream.read_head()
    for octet in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10000:
        stream.send(bytes([octet]))
        time.sleep(0.02)


class Case(harness.Case):
    def probed(self, backends, **health):
        values = {"interval": "100ms", "timeout": "20s"}
        values.update(health)
        return self.ballast(backends, health_check=values)

    def checks(self, lb, url, result):
        return lb.metrics().value("lb_health_checks_total", backend=url, result=result)

    def is_up(self, lb, url):
        return lb.metrics().value("lb_backend_up", backend=url) == 1

    def wait_checks(self, lb, url, result, count):
        harness.wait_for(lambda: self.checks(lb, url, result) >= count,
                         "%d x %s of %s" % (count, result, url))

    def wait_up(self, lb, url, up):
        harness.wait_for(lambda: self.is_up(lb, url) == up,
                         "%s is %s" % (url, "up" if up else "down"))


class Probes(Case):
    def test_every_backend_is_probed_at_once_at_start_and_at_reload(self):
        origins = [self.origin(name) for name in ("one", "two", "three")]
        lb = self.probed([origin.url for origin in origins], interval=ONCE)
        for origin in origins:
            self.wait_checks(lb, origin.url, "success", 1)
        lb.reload()
        for origin in origins:
            self.wait_checks(lb, origin.url, "success", 2)

    def test_what_a_probe_asks(self):
        script = self.script(harness.answers(harness.OK))
        for backend, path, line in (
                (script.url, None, "GET / HTTP/1.1"),
                (script.url + "/app", None, "GET /app HTTP/1.1"),
                (script.url + "/app", "/health?deep=1", "GET /health?deep=1 HTTP/1.1")):
            with self.subTest(line):
                script.seen.clear()
                health = {"path": path} if path else {}
                lb = self.probed([backend], interval=ONCE, **health)
                self.wait_checks(lb, backend, "success", 1)
                seen = script.seen[0]
                self.assertEqual(seen.line, line)
                self.assertEqual(seen.all("Host"), ["127.0.0.1:%d" % script.port])
                self.assertRegex(seen.get("User-Agent"), r"^ballast-health/\d")
                self.assertEqual(seen.get("Connection"), "close")

    def test_probes_go_on_at_their_interval(self):
        one = self.origin()
        lb = self.probed([one.url])
        self.wait_checks(lb, one.url, "success", 5)

    def test_backends_that_say_nothing_do_not_hold_up_the_others(self):
        mute = [self.script(silent) for _ in range(40)]  # more than poll(2) keeps to itself
        bad = self.origin()
        lb = self.probed([script.url for script in mute] + [bad.url], timeout="60s", expect="404",
                         fall=1)
        self.wait_up(lb, bad.url, False)
        harness.wait_for(lambda: all(script.connections for script in mute), "all probed at once")
        self.assertEqual(lb.metrics().value("lb_backend_up"), 40)

    def test_a_name_with_an_address_that_nobody_listens_on_is_up(self):
        one = self.origin()  # 127.0.0.1 only; localhost may be ::1 first
        url = "http://localhost:%d" % one.port
        lb = self.probed([url], interval=ONCE, fall=1)
        self.wait_checks(lb, url, "success", 1)
        self.assertTrue(self.is_up(lb, url))


class Verdicts(Case):
    def test_a_verdict_flips_exactly_at_rise_and_fall(self):
        patient = Patient()
        script = self.script(patient)
        lb = self.probed([script.url], rise=2, fall=3)

        def judge(code, result, count):
            patient.answer(status(code))
            self.wait_checks(lb, script.url, result, count)
            return self.is_up(lb, script.url)
        self.assertTrue(judge(200, "success", 1))
        self.assertTrue(judge(500, "failure", 1))
        self.assertTrue(judge(500, "failure", 2))
        self.assertTrue(judge(200, "success", 2), "not in a row")
        self.assertTrue(judge(500, "failure", 3))
        self.assertTrue(judge(500, "failure", 4))
        self.assertFalse(judge(500, "failure", 5), "the third in a row")
        self.assertFalse(judge(200, "success", 3))
        self.assertFalse(judge(404, "failure", 6), "not in a row")
        self.assertFalse(judge(200, "success", 4))
        self.assertTrue(judge(200, "success", 5))

    def test_expect_says_which_statuses_are_healthy(self):
        patients = {code: Patient() for code in (200, 204, 302, 404, 503)}
        scripts = {code: self.script(patient) for code, patient in patients.items()}
        for code, patient in patients.items():
            patient.answer(status(code))
        lb = self.probed([script.url for script in scripts.values()], fall=1, interval=ONCE,
                         expect="204,400-499")
        for code, good in ((200, False), (204, True), (302, False), (404, True), (503, False)):
            self.wait_checks(lb, scripts[code].url, "success" if good else "failure", 1)
            self.assertEqual(self.is_up(lb, scripts[code].url), good, code)

    def test_interim_answers_are_not_the_answer(self):
        patient = Patient()
        script = self.script(patient)
        patient.answer(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + status(200))
        lb = self.probed([script.url], interval=ONCE, fall=1, expect=200)
        self.wait_checks(lb, script.url, "success", 1)

    def test_every_way_to_fail_is_a_failure(self):
        def cut(script, stream):
            script.take(stream)

        def reset(_, stream):
            stream.read_head()
            stream.reset()
        backends = {
            "silence": self.script(silent).url,
            "an answer in drips": self.script(dripping).url,
            "nonsense": self.script(harness.once(b"nonsense\r\n\r\n")).url,
            "a cut": self.script(cut).url,
            "a reset": self.script(reset).url,
            "half a head": self.script(harness.once(b"HTTP/1.1 200 OK\r\nX: ")).url,
            "an endless head": self.script(
                harness.once(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100000 + b"\r\n\r\n")).url,
            "nobody": "http://127.0.0.1:%d" % harness.unused_port(),
        }
        lb = self.probed(list(backends.values()), timeout="500ms", fall=2)
        for what, url in backends.items():
            with self.subTest(what):
                self.wait_up(lb, url, False)
        down = lb.wait_log("backend marked down", len(backends))
        lines = {line["backend"]: line for line in down}
        for what, url in backends.items():
            with self.subTest(what):
                self.assertEqual(lines[url]["level"], "warn")
                self.assertEqual(lines[url]["fails"], 2)
                self.assertTrue(lines[url]["reason"])

    def test_down_and_recovered_are_logged_once_each(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.probed([one.url, two.url])
        one.stop()
        self.wait_up(lb, one.url, False)
        self.wait_checks(lb, one.url, "failure", 4)
        one.start()
        self.wait_up(lb, one.url, True)
        down, = lb.logs("backend marked down")
        recovered, = lb.wait_log("backend recovered")
        self.assertEqual((down["backend"], down["level"]), (one.url, "warn"))
        self.assertEqual((recovered["backend"], recovered["level"]), (one.url, "info"))

    def test_a_verdict_and_its_history_outlive_a_reload(self):
        patient = Patient()
        script, one = self.script(patient), self.origin()
        lb = self.probed([script.url, one.url], interval=ONCE, fall=2)
        patient.answer(status(500))
        self.wait_checks(lb, script.url, "failure", 1)
        self.assertTrue(self.is_up(lb, script.url))
        patient.answer(status(500))
        lb.reload()
        self.wait_up(lb, script.url, False)  # the second in a row, by another checker
        lb.reload()
        harness.wait_for(lambda: patient.asked == 3, "the third probe")
        self.assertFalse(self.is_up(lb, script.url))
        patient.answer(status(200))
        self.wait_up(lb, script.url, True)
        self.assertEqual(len(lb.logs("backend marked down")), 1)

    def test_a_checker_that_was_stopped_blames_nobody(self):
        patient = Patient()
        script = self.script(patient)
        lb = self.probed([script.url], timeout="1s", fall=1)
        patient.answer(status(200))
        self.wait_checks(lb, script.url, "success", 1)
        harness.wait_for(lambda: patient.asked == 2, "a probe in flight")
        checker = lb.children("checker")[0]
        os.kill(checker, signal.SIGSTOP)
        try:
            time.sleep(2)  # is the disturbance, not a wait: twice what a probe may take
        finally:
            os.kill(checker, signal.SIGCONT)
        harness.wait_for(lambda: patient.asked > 2, "the probe is made again")
        for _ in range(3):
            patient.answer(status(200))
        self.wait_checks(lb, script.url, "success", 2)
        self.assertEqual(self.checks(lb, script.url, "failure"), 0)
        self.assertFalse(lb.has_logged("backend marked down"))


class Consequences(Case):
    def test_no_worker_picks_a_backend_that_is_down(self):
        def sick(script, stream):
            while True:
                line = script.take(stream).line
                stream.send(b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"
                            if "/health" in line else harness.OK)
        script, one = self.script(sick), self.origin()
        lb = self.ballast([script.url, one.url], workers=4,
                          health_check={"interval": "100ms", "path": "/health",
                                        "expect": "200-499"})
        self.wait_up(lb, script.url, False)
        script.seen.clear()
        self.assertEqual({lb.ask().get("X-Origin") for _ in range(40)}, {"one"})
        self.assertEqual([seen.line for seen in script.seen if "/health" not in seen.line], [])

    def test_503_when_none_is_up_and_200_as_soon_as_one_is(self):
        one = self.origin()
        lb = self.probed([one.url])
        one.stop()
        self.wait_up(lb, one.url, False)
        self.assertEqual(lb.ask().status, 503)
        self.assertEqual(lb.control("/readyz").status, 503)
        one.start()
        self.wait_up(lb, one.url, True)
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.control("/readyz").status, 200)

    def test_failed_connects_of_workers_are_evidence(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.probed([one.url, two.url], interval=ONCE, fall=2)
        for origin in (one, two):
            self.wait_checks(lb, origin.url, "success", 1)
        one.stop()

        def asked_until_down():
            self.assertEqual(lb.ask().status, 200)
            return not self.is_up(lb, one.url)
        harness.wait_for(asked_until_down, "down long before its next probe is due")
        self.assertTrue(self.is_up(lb, two.url))
        self.assertEqual(self.checks(lb, two.url, "success"), 1, "nobody suspected it")

    def test_off_means_that_all_are_up(self):
        dead = "http://127.0.0.1:%d" % harness.unused_port()
        lb = self.ballast([dead], health_check="off")
        self.assertTrue(self.is_up(lb, dead))
        self.assertEqual(lb.ask().status, 502)
        self.assertEqual(lb.control("/readyz").status, 200)

    def test_the_status_page_tells_the_history(self):
        one = self.origin()
        dead = "http://127.0.0.1:%d" % harness.unused_port()
        lb = self.probed([one.url, dead])
        self.wait_up(lb, dead, False)
        self.wait_checks(lb, one.url, "success", 1)
        good, bad = lb.status()["backends"]
        self.assertEqual((good["up"], bad["up"]), (True, False))
        self.assertEqual((good["health"]["last_status"], bad["health"]["last_status"]), (200, None))
        self.assertIsNone(good["health"]["last_error"])
        self.assertRegex(bad["health"]["last_error"], "refused")
        self.assertEqual((good["health"]["failure"], bad["health"]["success"]), (0, 0))
        self.assertGreaterEqual(bad["health"]["failure"], 2)

    def test_probes_are_not_counted_as_requests(self):
        one = self.origin()
        lb = self.probed([one.url])
        self.wait_checks(lb, one.url, "success", 2)
        self.assertEqual(lb.metrics().value("lb_requests_total"), 0)
        self.assertEqual(wire.ask(lb.port).status, 200)
        self.assertEqual(lb.metrics_after(1).value("lb_requests_total"), 1)


if __name__ == "__main__":
    unittest.main()
