"""Point 4: -d, the pidfile, orders to a running instance, readiness for a service manager."""

import os
import signal
import socket
import unittest

import harness
import wire


class Daemon(harness.Case):
    def daemon(self, urls, **more):
        """Started with -d; ended through its pidfile, whatever the test does."""
        lb = self.prepare(urls, **more)
        done = harness.run(*lb.arguments(), *lb.flags, "-d", env=lb.environment())
        self.addCleanup(self.end, lb)
        return lb, done

    def end(self, lb):
        pid = self.pid_in(lb.pidfile)
        if pid and harness.title_of(pid) == "ballast: master":
            os.kill(pid, signal.SIGTERM)
            harness.wait_for(lambda: not harness.is_alive(pid), "the daemon to end")

    @staticmethod
    def pid_in(path):
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def test_the_launcher_returns_when_traffic_is_served(self):
        one = self.origin()
        lb, done = self.daemon([one.url])
        self.assertEqual(done.returncode, 0, done.stderr + lb.said())
        # At once: no waiting, no second try.
        self.assertEqual(lb.ask().text, "hello from one\n")
        pid = self.pid_in(lb.pidfile)
        self.assertEqual(harness.title_of(pid), "ballast: master")
        self.assertNotEqual(os.getsid(pid), os.getsid(0))
        self.assertEqual(len(harness.children_of(pid)), 2)

    def test_orders_reach_the_daemon_and_tell_the_outcome(self):
        one = self.origin()
        lb, done = self.daemon([one.url])
        self.assertEqual(done.returncode, 0, done.stderr)
        pid = self.pid_in(lb.pidfile)
        segment = harness.segments_of(pid)[0]
        self.assertEqual(harness.run(*lb.arguments(), "--healthcheck").returncode, 0)
        reloaded = lb.order("reload")
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr + reloaded.stdout)
        self.assertEqual(len(lb.logs("reload completed")), 1)
        self.assertEqual(lb.order("reopen").returncode, 0)
        stopped = lb.order("stop")
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        if harness.VALGRIND:  # it has no pidfd_open, by which the order sees the process leave
            harness.wait_for(lambda: not harness.is_alive(pid), "the end")
        self.assertFalse(harness.is_alive(pid))
        self.assertFalse(os.path.exists(lb.pidfile))
        self.assertFalse(os.path.exists("/dev/shm/" + segment))
        self.assertEqual(harness.run(*lb.arguments(), "--healthcheck").returncode, 1)

    def test_a_start_that_fails_prints_its_reason_and_exits_1(self):
        one = self.origin()
        lb, done = self.daemon([one.url], lb_port="127.0.0.1:%d" % one.port)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(one.port), done.stderr)
        self.assertEqual(self.pid_in(lb.pidfile), 0)

    def test_a_second_instance_is_refused_and_told_who_runs(self):
        one = self.origin()
        lb = self.ballast([one.url])
        again = harness.run(*lb.arguments(), env={"LOG_ENV": "prod"})
        self.assertEqual(again.returncode, 1)
        self.assertIn(str(lb.pid), again.stderr + lb.read("log"))
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(self.pid_in(lb.pidfile), lb.pid)

    def test_orders_without_an_instance_say_so(self):
        lb = self.prepare(["http://127.0.0.1:1"])
        for word in ("reload", "stop", "quit", "reopen", "upgrade"):
            done = lb.order(word)
            self.assertEqual(done.returncode, 1, word)
            self.assertNotEqual(done.stderr + done.stdout, "")
        self.assertEqual(harness.run(*lb.arguments(), "--healthcheck").returncode, 1)

    def test_a_stale_pidfile_is_no_instance(self):
        one = self.origin()
        lb = self.prepare([one.url])
        with open(lb.pidfile, "w", encoding="ascii") as file:
            file.write("%d\n" % os.getpid())
        self.assertEqual(lb.order("stop").returncode, 1)
        lb.start()
        self.assertEqual(self.pid_in(lb.pidfile), lb.pid)

    def test_a_refused_reload_is_reported(self):
        one = self.origin()
        lb = self.ballast([one.url])
        lb.write_text("backends: []\n")
        done = lb.order("reload")
        self.assertEqual(done.returncode, 1)
        lb.write()
        self.assertEqual(lb.order("reload").returncode, 0)

    def test_quit_by_order(self):
        one = self.origin()
        lb = self.ballast([one.url], timeouts={"drain": "1h"})
        lb.expected_exit = None
        with lb.connect() as client:
            client.send(wire.request("GET", "/drip/1000/1000"))
            client.read_head()
            lb.order("quit")
            lb.wait_exit()

    def test_the_healthcheck_fails_while_draining(self):
        one = self.origin()
        lb = self.ballast([one.url])
        with lb.connect() as client:
            client.send(wire.request("GET", "/drip/20/100"))
            client.read_head()
            lb.signal(signal.SIGTERM)
            lb.wait_log("shutdown signal received")
            self.assertEqual(harness.run(*lb.arguments(), "--healthcheck").returncode, 1)
            client.exactly(20)
        self.assertEqual(lb.wait_exit(), 0)


class Notify(harness.Case):
    def test_the_service_manager_hears_ready_reloading_and_stopping(self):
        one = self.origin()
        lb = self.prepare([one.url])
        path = lb.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(harness.PATIENCE)
            lb.env["NOTIFY_SOCKET"] = path
            lb.start()

            def hear(word):
                while True:
                    text = manager.recv(4096).decode("ascii")
                    if word in text.split("\n"):
                        return text
            self.assertIn("MAINPID=%d" % lb.pid, hear("READY=1"))
            self.assertEqual(lb.ask().status, 200)
            lb.signal(signal.SIGHUP)
            self.assertRegex(hear("RELOADING=1"), r"MONOTONIC_USEC=\d+")
            hear("READY=1")
            lb.signal(signal.SIGTERM)
            hear("STOPPING=1")
            self.assertEqual(lb.wait_exit(), 0)


@unittest.skipIf(harness.SANITIZED, "a sanitizer needs more address space than the limit leaves")
class Dying(harness.Case):
    """Address space for a master, but not for what workers of a million connections reserve."""

    TOO_MANY = {"connections": 1000000}

    def narrow(self, urls, **more):
        lb = self.prepare(urls, **more)
        lb.wrapper = ["sh", "-c", "ulimit -v 2000000; exec \"$@\"", "sh"]
        return lb

    def test_workers_that_keep_dying_at_start_end_the_master_with_4(self):
        lb = self.narrow(["http://127.0.0.1:1"], limits=self.TOO_MANY)
        lb.expected_exit = 4
        lb.launch()
        self.assertEqual(lb.wait_exit(), 4, lb.said())
        self.assertGreaterEqual(len(lb.logs("worker died")), 3)
        self.assertFalse(os.path.exists(lb.pidfile))

    def test_a_reload_whose_workers_die_is_given_up_and_the_old_ones_stay(self):
        one = self.origin()
        lb = self.narrow([one.url], limits={"connections": 64})
        lb.start()
        workers = lb.workers()
        lb.write(limits=self.TOO_MANY)
        done = lb.order("reload")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(lb.workers(), workers)
        metrics = lb.metrics()
        self.assertEqual(metrics.value("lb_config_last_reload_successful"), 0)
        lb.reload(limits={"connections": 64})
        self.assertEqual(lb.metrics().value("lb_config_last_reload_successful"), 1)


if __name__ == "__main__":
    unittest.main()
