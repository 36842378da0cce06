"""Point 13 and the crashes of point 4: signals and deaths under traffic."""

import os
import signal
import threading
import time
import unittest

import harness
import wire
from load import Load


class Reload(harness.Case):
    def test_hup_under_load_renews_all_workers_and_fails_no_request(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.ballast([one.url, two.url])
        before = lb.workers()
        load = Load(lb)
        try:
            for _ in range(5):
                load.more()
                lb.reload()
        finally:
            load.more()
            load.end()
        self.assertEqual(load.bad, [])
        self.assertFalse(set(before) & set(lb.workers(generation=6)))
        self.assertEqual(len(lb.workers(generation=6)), 2)
        metrics = lb.metrics_after(load.good)
        self.assertEqual(metrics.value("lb_config_generation"), 6)
        self.assertEqual(metrics.value("lb_requests_total", status=200), load.good)
        harness.wait_for(lambda: len(lb.workers()) == 2, "the old workers leave")

    def test_a_reload_brings_other_backends_and_another_strategy(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.ballast([one.url])
        self.assertEqual(lb.ask().get("X-Origin"), "one")
        lb.reload(backends=[two.url], strategy="least-connection")
        self.assertEqual({lb.ask().get("X-Origin") for _ in range(6)}, {"two"})
        metrics = lb.metrics_after(7)
        self.assertEqual(metrics.value("lb_requests_total", backend=one.url), 1, "counters stay")
        self.assertTrue(metrics.has("lb_backend_up", backend=two.url))
        self.assertFalse(metrics.has("lb_backend_up", backend=one.url))

    def test_a_completed_reload_is_seen_by_every_request_after_it(self):
        origins = [self.origin("one"), self.origin("two")]
        lb = self.ballast([origins[0].url], workers=4)
        for i in range(1, 9):
            lb.reload(backends=[origins[i % 2].url])
            self.assertEqual({lb.ask().get("X-Origin") for _ in range(4)}, {origins[i % 2].name})

    def test_a_reload_waits_for_a_worker_that_may_still_accept_but_not_for_ever(self):
        lb = self.ballast([self.origin().url], workers=2)
        stopped = lb.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        began = time.monotonic()
        lb.reload()
        self.assertGreater(time.monotonic() - began, 0.9)
        os.kill(stopped, signal.SIGCONT)
        harness.wait_for(lambda: stopped not in lb.workers(), "the former worker to leave")

    def test_a_bad_file_changes_nothing_and_is_logged_with_its_line(self):
        one = self.origin()
        lb = self.ballast([one.url])
        workers = lb.workers()
        lb.write_text("backends: [\"%s\"]\nstrategy: none\n" % one.url)
        lb.signal(signal.SIGHUP)
        line = lb.wait_log("reload failed, the old configuration stays")[0]
        self.assertIn("config.yaml:2:11: ", repr(line))
        self.assertEqual(lb.workers(), workers)
        self.assertEqual(lb.ask().status, 200)
        metrics = lb.metrics()
        self.assertEqual(metrics.value("lb_config_last_reload_successful"), 0)
        self.assertEqual(metrics.value("lb_config_generation"), 1)
        lb.reload()
        self.assertEqual(lb.metrics().value("lb_config_last_reload_successful"), 1)

    def test_another_port_is_opened_before_the_old_one_closes(self):
        one = self.origin()
        lb = self.ballast([one.url])
        old, new = lb.port, harness.unused_port()
        lb.reload(lb_port="127.0.0.1:%d" % new)
        self.assertEqual(wire.ask(new).status, 200)
        harness.wait_for(lambda: wire.is_refused(old), "the old port to be closed")

    def test_a_port_in_use_makes_the_reload_fail(self):
        one = self.origin()
        lb = self.ballast([one.url])
        lb.write(lb_port="127.0.0.1:%d" % one.port)
        lb.signal(signal.SIGHUP)
        lb.wait_log("reload failed, the old configuration stays")
        self.assertEqual(lb.ask().status, 200)

    def test_more_reloads_than_there_are_slots(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        for _ in range(40):
            lb.reload()
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.metrics().value("lb_config_generation"), 41)

    def test_an_exchange_in_flight_outlives_the_reload(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            client.send(wire.request("GET", "/drip/10/100"))
            client.read_head()
            lb.reload()
            self.assertEqual(len(client.exactly(10)), 10)

    def test_an_idle_connection_is_served_once_more_after_a_reload(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            self.assertEqual(client.ask().status, 200)
            lb.reload()
            self.assertEqual(client.ask().status, 200)

    def test_many_hups_at_once_are_few_reloads(self):
        one = self.origin()
        lb = self.ballast([one.url])
        for _ in range(20):
            lb.signal(signal.SIGHUP)
        lb.wait_log("reload completed")
        harness.wait_for(lambda: len(lb.logs("reload begins")) == len(lb.logs("reload completed")),
                         "all reloads to end")
        self.assertLessEqual(len(lb.logs("reload completed")), 20)
        self.assertEqual(lb.ask().status, 200)


class Stop(harness.Case):
    def test_term_under_load_finishes_what_is_in_flight(self):
        one = self.origin()
        lb = self.ballast([one.url], admin={"listen": "127.0.0.1:%d" % harness.unused_port()})
        client = lb.connect()
        client.send(wire.request("GET", "/drip/20/100"))
        client.read_head()
        lb.signal(signal.SIGTERM)
        lb.wait_log("shutdown signal received")
        self.assertEqual(lb.control("/readyz").status, 503)
        self.assertEqual(len(client.exactly(20)), 20)
        self.assertTrue(client.is_closed())
        client.close()
        self.assertEqual(lb.wait_exit(), 0)
        self.assertEqual(len(lb.logs("graceful shutdown completed")), 1)

    def test_the_answer_to_a_request_while_draining_says_close(self):
        gate = threading.Event()

        def handle(script, stream):
            script.take(stream)
            gate.wait(30)
            stream.send(harness.OK)
        script = self.script(handle)
        lb = self.ballast([script.url])
        with lb.connect() as client:
            client.send(wire.request())
            harness.wait_for(lambda: script.seen, "the request at the backend")
            port = lb.port
            lb.signal(signal.SIGTERM)
            # A worker that knows closes its listener; the last one makes it refuse.
            harness.wait_for(lambda: wire.is_refused(port), "the listener to close")
            gate.set()
            response = client.read_response()
            self.assertEqual(response.status, 200)
            self.assertEqual(response.get("Connection"), "close")
        self.assertEqual(lb.wait_exit(), 0)

    def test_new_connections_are_refused_while_draining(self):
        one = self.origin()
        lb = self.ballast([one.url])
        port = lb.port
        with lb.connect() as client:
            client.send(wire.request("GET", "/drip/30/100"))
            client.read_head()
            lb.signal(signal.SIGTERM)
            harness.wait_for(lambda: wire.is_refused(port), "the listener to close")
            self.assertEqual(len(client.exactly(30)), 30)
        self.assertEqual(lb.wait_exit(), 0)

    def test_idle_connections_do_not_hold_up_the_end(self):
        one = self.origin()
        lb = self.ballast([one.url], timeouts={"drain": "1h"})
        with lb.connect() as used, lb.connect():
            used.ask()
            self.assertEqual(lb.stop(), 0)

    def test_3_when_the_drain_time_runs_out(self):
        one = self.origin()
        lb = self.ballast([one.url], timeouts={"drain": "200ms"})
        lb.expected_exit = 3
        with lb.connect() as client:
            client.send(wire.request("GET", "/drip/1000/1000"))
            client.read_head()
            self.assertEqual(lb.stop(), 3)

    def test_a_second_term_and_quit_end_at_once(self):
        one = self.origin()
        for name, number in (("TERM", signal.SIGTERM), ("QUIT", signal.SIGQUIT)):
            with self.subTest(name):
                lb = self.ballast([one.url], timeouts={"drain": "1h"})
                lb.expected_exit = None
                with lb.connect() as client:
                    client.send(wire.request("GET", "/drip/1000/1000"))
                    client.read_head()
                    lb.signal(signal.SIGTERM)
                    lb.wait_log("shutdown signal received")
                    lb.signal(number)
                    lb.wait_exit()

    def test_quit_alone_ends_at_once(self):
        one = self.origin()
        lb = self.ballast([one.url])
        lb.expected_exit = None
        children = harness.children_of(lb.pid)
        lb.signal(signal.SIGQUIT)
        lb.wait_exit()
        harness.wait_for(lambda: not any(map(harness.is_alive, children)), "the children to end")


class Workers(harness.Case):
    def test_ttin_and_ttou_add_and_remove_a_worker(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2)
        lb.signal(signal.SIGTTIN)
        harness.wait_for(lambda: len(lb.workers()) == 3, "three workers")
        for wanted in (2, 1):
            lb.signal(signal.SIGTTOU)
            harness.wait_for(lambda: len(lb.workers()) == wanted, "%d workers" % wanted)
        lb.signal(signal.SIGTTOU)
        lb.wait_log("the number of workers stays")
        self.assertEqual(lb.ask().status, 200)

    def test_winch_pipe_and_usr2_do_no_harm(self):
        one = self.origin()
        lb = self.ballast([one.url])
        before = lb.workers()
        for number in (signal.SIGWINCH, signal.SIGPIPE):
            lb.signal(number)
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.workers(), before)

    def test_worker_killed_mid_request_is_replaced_and_leaves_no_active_count(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2)
        clients = []
        for _ in range(8):
            client = lb.connect()
            self.addCleanup(client.close)
            client.send(wire.request("GET", "/drip/1000/1000"))
            client.read_head()
            clients.append(client)
        for pid in lb.workers():
            os.kill(pid, signal.SIGKILL)
        harness.wait_for(lambda: lb.control("/metrics") and harness.Metrics(
            lb.control("/metrics").text).value("lb_workers") == 2, "two workers")
        metrics = lb.metrics()
        self.assertEqual(metrics.value("lb_active_connections"), 0)
        self.assertEqual(metrics.value("lb_worker_restarts_total"), 2)
        self.assertEqual(lb.ask().status, 200)

    def test_counters_outlive_the_worker(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        for _ in range(5):
            lb.ask()
        lb.metrics_after(5)
        os.kill(lb.workers()[0], signal.SIGKILL)
        lb.wait_log("worker died")
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.metrics_after(6).value("lb_requests_total", status=200), 6)

    def test_the_checker_is_replaced_too(self):
        one = self.origin()
        lb = self.ballast([one.url], health_check={"interval": "1s"})
        checker = harness.wait_for(lambda: lb.children("checker"), "a checker")[0]
        os.kill(checker, signal.SIGKILL)
        harness.wait_for(lambda: lb.children("checker") not in ([], [checker]), "another checker")
        self.assertEqual(lb.ask().status, 200)

    def test_a_kill_under_load_loses_only_that_workers_exchanges(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2)
        load = Load(lb, clients=4)
        try:
            load.more()
            os.kill(lb.workers()[0], signal.SIGKILL)
            lb.wait_log("worker died")
            lb.wait_log("child ready", 3)
        finally:
            load.end()
        # A connection of the dead worker, and one it had just been given, each fail once.
        self.assertLessEqual(len(load.bad), 8, load.bad)
        self.assertEqual({status for status in load.bad if isinstance(status, int)}, set())


class MasterKilled(harness.Case):
    def test_children_leave_and_the_next_start_replaces_what_was_left(self):
        one = self.origin()
        lb = self.ballast([one.url], health_check={"interval": "1s"})
        lb.expected_exit = None
        children = harness.children_of(lb.pid)
        self.assertEqual(len(children), 3)
        lb.signal(signal.SIGKILL)
        lb.process.wait()
        harness.wait_for(lambda: not any(map(harness.is_alive, children)), "the children to leave")
        self.assertTrue(os.path.exists("/dev/shm/" + lb.segments[0]), "left by the killed master")
        os.unlink(lb.logfile)
        lb.expected_exit = 0
        lb.start()
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.metrics_after(1).value("lb_requests_total"), 1)

    def test_an_exchange_in_flight_is_finished_without_the_master(self):
        one = self.origin()
        lb = self.ballast([one.url])
        lb.expected_exit = None
        with lb.connect() as client:
            client.send(wire.request("GET", "/drip/10/100"))
            client.read_head()
            lb.signal(signal.SIGKILL)
            lb.process.wait()
            self.assertEqual(len(client.exactly(10)), 10)
        for name in lb.segments:
            os.unlink("/dev/shm/" + name)


if __name__ == "__main__":
    unittest.main()
