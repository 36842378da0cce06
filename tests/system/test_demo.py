"""Point 15: `make run`, and its configuration before two backends of Python's standard library.

The ports of the demonstration are fixed, so this file lives in a network namespace of its own.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import unittest

import harness
import wire

ENGINES = ("poll",)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONFIG = os.path.join(ROOT, "conf", "config.yaml")
PORTS = (3332, 9001, 9002)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def own_network():
    """Leaves the network of the machine for one that has nothing but loopback."""
    flags = CLONE_NEWNET | (0 if os.geteuid() == 0 else CLONE_NEWUSER)
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as sock:
        row = struct.pack("16sH14x", b"lo", 0)
        up = struct.unpack("16sH14x", fcntl.ioctl(sock, SIOCGIFFLAGS, row))[1] | IFF_UP
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", up))


def setUpModule():
    try:
        own_network()
    except OSError as error:
        if not all(wire.is_refused(port) for port in PORTS):
            raise unittest.SkipTest("no network namespace (%s), and the ports are in use" % error)


class Demo(harness.Case):
    def spawn(self, *arguments, **more):
        build = {"BUILD": harness.PROGRAM_DIR}
        process = subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.DEVNULL,
                                   env=harness.environment(build), start_new_session=True, **more)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        """Asked first: what it started lives in sessions of its own and is its to end."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(harness.PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()

    def wait_port(self, port):
        harness.wait_for(lambda: not wire.is_refused(port), "port %d" % port)

    def test_make_run_serves_alternately_and_ctrl_c_ends_all_of_it(self):
        with open(os.path.join(self.directory(), "said"), "w+", encoding="utf-8") as said:
            demo = self.spawn("sh", "tests/system/run-demo.sh", stdout=said,
                              stderr=subprocess.STDOUT)
            for port in (9001, 9002, 3332):
                self.wait_port(port)
            texts = [wire.ask(3332).text for _ in range(10)]
            self.assertEqual(sorted(set(texts)), ["hello from one\n", "hello from two\n"])
            self.assertEqual(texts, texts[:2] * 5)
            metrics = harness.Metrics(wire.ask(3332, "/metrics").text)
            for name in ("lb_requests_total", "lb_request_duration_seconds_bucket",
                         "lb_backend_up", "lb_active_connections",
                         "lb_rate_limited_requests_total"):
                self.assertTrue(metrics.has(name), name)
            os.killpg(demo.pid, signal.SIGINT)
            self.assertEqual(demo.wait(harness.PATIENCE), 0)
            for port in PORTS:
                harness.wait_for(lambda p=port: wire.is_refused(p), "port %d to be free" % port)
            said.seek(0)
            self.assertIn("curl localhost:3332", said.read())

    def holder(self):
        """Whom the pidfile names."""
        try:
            with open(os.path.join(harness.PROGRAM_DIR, "run.pid"), encoding="ascii") as file:
                return int(file.read() or 0)
        except FileNotFoundError:
            return 0

    def end_holder(self):
        """Where the script did not."""
        pid = self.holder()
        if pid and harness.title_of(pid) == "ballast: master":
            os.kill(pid, signal.SIGKILL)

    def test_make_run_goes_on_with_another_program_and_ctrl_c_ends_all_of_it(self):
        with open(os.path.join(self.directory(), "said"), "w", encoding="utf-8") as said:
            demo = self.spawn("sh", "tests/system/run-demo.sh", stdout=said,
                              stderr=subprocess.STDOUT)
            self.addCleanup(self.end_holder)
            for port in (9001, 9002, 3332):
                self.wait_port(port)
            old = harness.wait_for(self.holder, "the pidfile")
            os.kill(old, signal.SIGUSR2)
            harness.wait_for(lambda: self.holder() not in (0, old) and not harness.is_alive(old),
                             "another program")
            self.assertEqual({wire.ask(3332).status for _ in range(4)}, {200})
            os.killpg(demo.pid, signal.SIGINT)
            self.assertEqual(demo.wait(harness.PATIENCE), 0)
            for port in PORTS:
                harness.wait_for(lambda p=port: wire.is_refused(p), "port %d to be free" % port)

    def test_what_already_serves_a_port_becomes_the_backend(self):
        other = self.script(harness.answers(harness.OK), port=9001)
        with open(os.path.join(self.directory(), "said"), "w+", encoding="utf-8") as said:
            demo = self.spawn("sh", "tests/system/run-demo.sh", stdout=said,
                              stderr=subprocess.STDOUT)
            self.wait_port(3332)
            self.assertEqual(sorted({wire.ask(3332).text for _ in range(4)}),
                             ["hello from two\n", "ok"])
            os.killpg(demo.pid, signal.SIGINT)
            self.assertEqual(demo.wait(harness.PATIENCE), 0)
            said.seek(0)
            self.assertIn("port 9001 is served already", said.read())
        self.assertGreater(other.connections, 0)

    def test_the_same_configuration_before_two_http_servers_of_python(self):
        for port, text in ((9001, "a"), (9002, "b")):
            directory = self.directory()
            with open(os.path.join(directory, "index.html"), "w", encoding="ascii") as file:
                file.write(text)
            self.spawn(sys.executable, "-m", "http.server", "-d", directory, str(port),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.wait_port(port)
        run = self.directory()
        with open(os.path.join(run, "said"), "w+", encoding="utf-8") as said:
            lb = self.spawn(harness.BALLAST, "-c", CONFIG, "-p", os.path.join(run, "pid"),
                            stdout=said, stderr=subprocess.STDOUT)
            self.wait_port(3332)
            texts = [wire.ask(3332).text for _ in range(10)]
            self.assertEqual((texts.count("a"), texts.count("b")), (5, 5))
            self.assertEqual(texts, texts[:2] * 5)
            lb.send_signal(signal.SIGTERM)
            self.assertEqual(lb.wait(harness.PATIENCE), 0)

    def test_60_rapid_requests_from_one_address(self):
        run = self.directory()
        self.origin("one", 9001)
        self.origin("two", 9002)
        lb = self.spawn(harness.BALLAST, "-q", "-c", CONFIG, "-p", os.path.join(run, "pid"))
        self.wait_port(3332)
        with wire.connect(3332) as client:
            client.send(wire.request() * 60)
            statuses = [client.read_response().status for _ in range(60)]
        self.assertEqual(set(statuses), {200, 429})
        self.assertGreaterEqual(statuses.count(200), 20)
        if not harness.SANITIZED:
            self.assertLessEqual(statuses.count(200), 25)
        lb.send_signal(signal.SIGTERM)
        self.assertEqual(lb.wait(harness.PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
