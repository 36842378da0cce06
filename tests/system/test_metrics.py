"""Point 11: what Prometheus, an operator and an orchestrator ask for."""

import json
import os
import signal
import subprocess
import unittest

import harness
import wire

BUCKETS = "0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.2 0.5 1 2 5 10 +Inf".split()
NAMES = """lb_requests_total lb_request_duration_seconds lb_backend_up lb_active_connections
    lb_rate_limited_requests_total lb_build_info lb_workers lb_worker_restarts_total
    lb_config_generation lb_config_last_reload_successful lb_health_checks_total
    lb_backend_errors_total lb_retries_total lb_client_connections lb_upstream_connections
    lb_rate_limit_evictions_total lb_shm_bytes process_cpu_seconds_total
    process_resident_memory_bytes process_start_time_seconds process_open_fds""".split()


class Exposition(harness.Case):
    def test_every_metric_of_the_interface_is_there_with_help_and_type(self):
        one = self.origin()
        lb = self.ballast([one.url])
        lb.ask()
        text = lb.metrics_after(1).text
        for name in NAMES:
            with self.subTest(name):
                self.assertIn("# HELP %s " % name, text)
                self.assertIn("# TYPE %s " % name, text)

    def test_promtool_is_content(self):
        one = self.origin()
        lb = self.ballast([one.url])
        for target in ("/", "/status/404", "/status/500"):
            lb.ask(target)
        done = subprocess.run(["promtool", "check", "metrics"], input=lb.metrics().text,
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_requests_are_counted_by_backend_method_and_status(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.ballast([one.url, two.url], workers=3)
        for _ in range(6):
            lb.ask()
        for _ in range(2):
            lb.ask("/status/404", "PUT")
        lb.ask(method="BREW")
        with lb.connect() as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.read_response()
        metrics = lb.metrics_after(10)
        for url in (one.url, two.url):
            self.assertEqual(metrics.value("lb_requests_total", backend=url, method="GET",
                                           status=200), 3)
            self.assertEqual(metrics.value("lb_requests_total", backend=url, method="PUT",
                                           status=404), 1)
        self.assertEqual(metrics.value("lb_requests_total", method="other", status=200), 1)
        self.assertEqual(metrics.value("lb_requests_total", backend="none", status=400), 1)

    def test_the_histogram_has_its_buckets_and_adds_up(self):
        one = self.origin()
        lb = self.ballast([one.url])
        for target in ("/", "/", "/sleep/60"):
            lb.ask(target)
        metrics = lb.metrics_after(3)
        name = "lb_request_duration_seconds"
        counts = [metrics.matching(name + "_bucket", backend=one.url, le=le) for le in BUCKETS]
        self.assertEqual([len(count) for count in counts], [1] * len(BUCKETS))
        flat = [count[0] for count in counts]
        self.assertEqual(flat, sorted(flat))
        self.assertEqual(flat[-1], 3)
        self.assertEqual(metrics.value(name + "_count", backend=one.url), 3)
        self.assertLessEqual(metrics.value(name + "_bucket", backend=one.url, le="0.05"), 2)
        self.assertGreaterEqual(metrics.value(name + "_sum", backend=one.url), 0.06)

    def test_scrapes_are_not_counted_as_requests(self):
        one = self.origin()
        lb = self.ballast([one.url])
        for _ in range(5):
            metrics = lb.metrics()
        self.assertEqual(metrics.value("lb_requests_total"), 0)

    def test_exchanges_in_flight_are_seen_and_gone_afterwards(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            client.send(wire.request("GET", "/drip/100/1000"))
            client.read_head()
            metrics = lb.metrics()
            self.assertEqual(metrics.value("lb_active_connections", backend=one.url), 1)
            self.assertGreaterEqual(metrics.value("lb_client_connections", state="active"), 1)
            self.assertEqual(metrics.value("lb_upstream_connections", state="active",
                                           backend=one.url), 1)
        harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == 0, "none active")

    def test_openmetrics_when_asked_for(self):
        one = self.origin()
        lb = self.ballast([one.url])
        lb.ask()
        plain = lb.ask("/metrics")
        self.assertTrue(plain.get("Content-Type").startswith("text/plain; version=0.0.4"))
        self.assertNotIn("# EOF", plain.text)
        asked = lb.ask("/metrics", fields={"Accept": "application/openmetrics-text;version=1.0.0"})
        self.assertTrue(asked.get("Content-Type").startswith("application/openmetrics-text"))
        self.assertTrue(asked.text.endswith("# EOF\n"))
        self.assertIn("# TYPE lb_requests counter", asked.text)

    def test_another_path_and_private_metrics(self):
        one = self.origin()
        lb = self.ballast([one.url], metrics={"path": "/-/numbers", "public": True})
        self.assertIn("lb_requests_total", lb.ask("/-/numbers").text)
        self.assertEqual(lb.ask("/metrics").get("X-Origin"), "one")
        lb.reload(metrics={"path": "/-/numbers", "public": False})
        # For a moment a worker that was just told to retire still takes connections.
        harness.wait_for(lambda: lb.ask("/-/numbers").get("X-Origin") == "one", "the path to be private")

    def test_backend_errors_have_a_reason(self):
        dead = "http://127.0.0.1:%d" % harness.unused_port()
        lb = self.ballast([dead], retries=0)
        self.assertEqual(lb.ask().status, 502)
        metrics = lb.metrics_after(1)
        self.assertEqual(metrics.value("lb_backend_errors_total", backend=dead), 1)
        self.assertEqual(metrics.value("lb_requests_total", backend=dead, status=502), 1)


class Admin(harness.Case):
    def admin(self, one, **more):
        port = harness.unused_port()
        return self.ballast([one.url], admin={"listen": "127.0.0.1:%d" % port}, **more), port

    def test_the_admin_listener_answers_all_of_its_paths(self):
        one = self.origin()
        lb, port = self.admin(one)
        self.assertIn("lb_requests_total", wire.ask(port, "/metrics").text)
        self.assertEqual(wire.ask(port, "/livez").status, 200)
        self.assertEqual(wire.ask(port, "/readyz").status, 200)
        self.assertEqual(wire.ask(port, "/metrics", "HEAD").body, b"")
        self.assertEqual(wire.ask(port, "/nothing").status, 404)
        refused = wire.ask(port, "/metrics", "POST", body=b"x")
        self.assertIn(refused.status, (405, 413))
        self.assertEqual(lb.metrics().value("lb_requests_total"), 0)

    def test_status_tells_all_of_it(self):
        one = self.origin()
        lb, port = self.admin(one, workers=3)
        lb.ask()
        status = json.loads(wire.ask(port, "/status").text)
        self.assertEqual(status["pid"], lb.pid)
        self.assertEqual(status["generation"], 1)
        self.assertEqual(len(status["workers"]), 3)
        self.assertEqual({worker["pid"] for worker in status["workers"]}, set(lb.workers()))
        self.assertEqual([backend["url"] for backend in status["backends"]], [one.url])

    def test_workers_are_not_needed_for_a_scrape(self):
        one = self.origin()
        lb, port = self.admin(one, workers=1)
        worker = lb.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        try:
            self.assertIn("lb_requests_total", wire.ask(port, "/metrics").text)
        finally:
            os.kill(worker, signal.SIGCONT)

    def test_not_ready_when_no_backend_is_up_but_alive(self):
        dead = "http://127.0.0.1:%d" % harness.unused_port()
        lb = self.ballast([dead], health_check={"interval": "100ms", "timeout": "1s", "fall": 1})
        harness.wait_for(lambda: lb.control("/readyz").status == 503, "not ready")
        self.assertEqual(lb.control("/livez").status, 200)
        self.assertEqual(lb.metrics().value("lb_backend_up", backend=dead), 0)
        self.assertEqual(lb.ask().status, 503)


if __name__ == "__main__":
    unittest.main()
