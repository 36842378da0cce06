"""What an operator's surroundings may do: ignored signals, closed streams, stuck readers, links, changed ports."""

import os
import signal
import subprocess
import time
import unittest

import harness
import wire
from harness import OK, answers

ENGINES = ("poll",)


class Surroundings(harness.Case):
    def launch(self, lb, **more):
        """As harness.Ballast.launch, but with what Popen is told."""
        lb.process = subprocess.Popen(
            [harness.BALLAST] + lb.arguments() + lb.flags, stdin=subprocess.DEVNULL, env=lb.environment(),
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more})
        harness.wait_for(lambda: lb.has_logged("load balancer listening") or lb.has_ended(), lb.said())
        lb.segments = harness.segments_of(lb.pid)

    def test_an_inherited_ignored_chld_does_not_make_the_master_blind(self):
        one = self.origin()
        lb = self.prepare([one.url], workers=1)
        self.launch(lb, restore_signals=False,
                    preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        old = lb.workers()
        os.kill(old[0], signal.SIGKILL)
        harness.wait_for(lambda: lb.workers() and lb.workers() != old, "a successor")
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.stop(), 0)

    def test_a_stuck_reader_of_the_log_does_not_stop_the_master(self):
        one = self.origin()
        lb = self.prepare([one.url], workers=1)
        lb.write(log={"output": "stderr", "level": "debug"})
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        lb.process = subprocess.Popen([harness.BALLAST] + lb.arguments() + lb.flags,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=writer, env=lb.environment())
        os.close(writer)
        harness.wait_for(lambda: os.path.exists(lb.pidfile) and lb.read("pid").strip(), "the pidfile")
        lb.segments = harness.segments_of(lb.pid)
        for _ in range(300):  # each reload says several lines; nobody reads them
            lb.signal(signal.SIGHUP)
            time.sleep(0.002)
        self.assertEqual(lb.stop(), 0)

    def test_without_standard_streams_no_descriptor_of_the_master_leaks(self):
        one = self.origin()
        lb = self.prepare([one.url], workers=1)
        command = [harness.BALLAST] + lb.arguments() + lb.flags
        lb.process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"] + command,
                                      env=lb.environment())
        harness.wait_for(lambda: lb.has_logged("load balancer listening"), "listening")
        lb.segments = harness.segments_of(lb.pid)
        for stream in range(3):
            self.assertEqual(os.readlink("/proc/%d/fd/%d" % (lb.workers()[0], stream)), "/dev/null")
        self.assertEqual(lb.stop(), 0)

    def test_an_access_log_pipe_without_a_reader_is_an_error_and_no_hang(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        pipe = lb.path("pipe")
        os.mkfifo(pipe)
        lb.write(access_log=pipe)
        lb.signal(signal.SIGHUP)
        lb.wait_log("reload failed, the old configuration stays")
        self.assertEqual(lb.ask().status, 200)

    def test_a_link_to_another_release_is_the_same_instance(self):
        one = self.origin()
        lb = self.prepare([one.url], workers=1)
        real = lb.path("release1.yaml")
        os.rename(lb.file, real)
        os.symlink(real, lb.file)
        arguments = ["-c", lb.file, "-C", lb.path("ballast.cfg")]
        lb.process = subprocess.Popen([harness.BALLAST] + arguments, env=lb.environment(),
                                      stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.wait_for(lambda: lb.has_logged("load balancer listening"), "listening")
        lb.segments = harness.segments_of(lb.pid)
        with open(real, encoding="utf-8") as old, open(lb.path("release2.yaml"), "w", encoding="utf-8") as new:
            new.write(old.read())
        os.symlink(lb.path("release2.yaml"), lb.path("link"))
        os.rename(lb.path("link"), lb.file)
        self.assertEqual(harness.run(*arguments, "--healthcheck", env=lb.env).returncode, 0)
        self.assertEqual(harness.run(*arguments, "-s", "reload", env=lb.env).returncode, 0)


class Workers(harness.Case):
    def test_a_worker_that_is_told_to_end_is_replaced_before_it_has_drained(self):
        script = self.script(lambda _, stream: stream.read_head() and time.sleep(harness.PATIENCE))
        lb = self.ballast([script.url], workers=1)
        old = lb.workers()[0]
        with lb.connect() as busy:
            busy.send(wire.request())
            harness.wait_for(lambda: script.connections, "the request at the backend")
            os.kill(old, signal.SIGTERM)
            harness.wait_for(lambda: [pid for pid in lb.workers() if pid != old], "a successor")
            self.assertTrue(harness.is_alive(old))
            self.assertEqual(lb.logs("worker died"), [])
            busy.reset()

    def test_connections_queued_at_a_port_that_a_reload_leaves_are_served(self):
        script = self.script(answers(OK))
        lb = self.ballast([script.url], workers=1)
        worker = lb.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        queued = [lb.connect() for _ in range(5)]
        for client in queued:
            client.send(wire.request())
        lb.write(lb_port="127.0.0.1:%d" % harness.unused_port())
        lb.signal(signal.SIGHUP)
        lb.wait_log("reload completed")
        os.kill(worker, signal.SIGCONT)
        for client in queued:
            self.assertEqual(client.read_response().status, 200)
            client.close()


if __name__ == "__main__":
    unittest.main()
