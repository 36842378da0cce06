"""slowhttptest in its four modes at once, and a polite client beside it who must notice nothing."""

import re
import shutil
import subprocess
import threading
import unittest

import crowd
import harness
import wire

CONNECTIONS = 200  # per mode
SECONDS = 8
MODES = {  # the tool's options, and the path
    "headers": (["-H", "-i", "1"], "/"),
    "body": (["-B", "-i", "1"], "/"),
    "range": (["-R", "-a", "5", "-b", "2000"], "/"),
    "read": (["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "5", "-k", "3"], "/bytes/1500000"),
}


class Polite(threading.Thread):
    """Asks now and then, on kept connections and on new ones; what was not a 200 is in `bad`."""

    def __init__(self, lb):
        super().__init__()
        self.lb = lb
        self.ending = threading.Event()
        self.good, self.bad = 0, []
        self.start()

    def run(self):
        while not self.ending.is_set():
            try:
                with self.lb.connect() as stream:
                    for _ in range(5):
                        self.ask(stream)
            except (OSError, wire.Closed) as error:
                self.bad.append(repr(error))

    def ask(self, stream):
        status = stream.ask().status
        if status == 200:
            self.good += 1
        else:
            self.bad.append(status)
        self.ending.wait(0.02)

    def end(self):
        self.ending.set()
        self.join()


class SlowHttpTest(harness.Case):
    def attack(self, lb, mode):
        options, path = MODES[mode]
        url = "http://127.0.0.1:%d%s" % (lb.port, path)
        # Its own probe may wait for longer than the test takes: how fast the machine is does not count.
        more = ["-c", CONNECTIONS, "-r", CONNECTIONS, "-l", SECONDS, "-p", 60, "-u", url]
        attack = subprocess.Popen(["slowhttptest"] + options + [str(word) for word in more],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, cwd=lb.dir, text=True, errors="replace")
        self.addCleanup(attack.stdout.close)
        self.addCleanup(attack.wait)
        self.addCleanup(attack.kill)
        return attack

    def test_four_slow_attacks_at_once_leave_a_polite_client_unharmed(self):
        self.assertTrue(shutil.which("slowhttptest"), "slowhttptest is not installed: make deps")
        lb = self.ballast([self.origin().url], timeouts=dict.fromkeys(
            ("request_header", "request_body", "client_write", "keep_alive"), "2s"))
        workers = lb.workers()
        polite = Polite(lb)
        self.addCleanup(polite.end)
        attacks = {mode: self.attack(lb, mode) for mode in MODES}
        said = {mode: attack.communicate()[0] for mode, attack in attacks.items()}
        polite.end()
        for mode, attack in attacks.items():
            self.assertEqual(attack.returncode, 0, mode + ":\n" + said[mode])
            self.assertFalse(re.search(r"service available:\S*\s+NO", said[mode]), said[mode])
        self.assertEqual(polite.bad, [])
        self.assertGreater(polite.good, 20)
        self.assertGreaterEqual(crowd.accepted(lb), CONNECTIONS * len(MODES))
        self.assertEqual(lb.workers(), workers)
        harness.wait_for(lambda: crowd.is_at_rest(lb), "nothing to be left")
        self.assertEqual(lb.ask().status, 200)


if __name__ == "__main__":
    unittest.main()
