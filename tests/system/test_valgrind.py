"""Point 16: one short life of an instance under valgrind, with no error and no leak.

make valgrind is the whole of it: every test so.
"""

import os
import shutil
import signal
import unittest

import harness
import wire

HAS_VALGRIND = shutil.which("valgrind") is not None


@unittest.skipIf(harness.SANITIZED or not HAS_VALGRIND, "needs valgrind and no sanitizer")
class Valgrind(harness.Case):
    def test_a_short_life_has_no_error_and_no_leak(self):
        one = self.origin()
        lb = self.prepare([one.url, "http://127.0.0.1:%d" % harness.unused_port()], workers=1,
                          rate_limit={"requests_per_second": 1000, "burst": 1000},
                          health_check={"interval": "1s"}, timeouts={"drain": "60s"})
        lb.process_values["sandbox"] = "off"  # valgrind makes calls of its own in the same process
        lb.write()
        lb.wrapper = ["sh", os.path.join(os.path.dirname(os.path.abspath(__file__)), "valgrind.sh")]
        lb.start()
        with lb.connect() as client:
            self.assertEqual(client.ask().status, 200)
            self.assertEqual(client.ask(target="/chunked/100000").status, 200)
            self.assertEqual(client.ask("POST", "/echo", body=b"x" * 100000).status, 200)
        with lb.connect() as client:
            client.send(b"BAD\r\n\r\n")
            self.assertEqual(client.read_response().status, 400)
        client = lb.connect()
        client.send(wire.request("GET", "/bytes/10000000"))
        client.reset()
        self.assertIn("lb_requests_total", lb.metrics().text)
        lb.signal(signal.SIGHUP)
        lb.wait_log("reload completed", timeout=120)
        self.assertEqual(lb.ask().status, 200)
        lb.signal(signal.SIGTERM)
        self.assertEqual(lb.wait_exit(120), 0, lb.said())
        names = [name for name in os.listdir(lb.dir) if name.startswith("memcheck.")]
        self.assertGreaterEqual(len(names), 4)  # what they say is looked at in the end, as in any test


if __name__ == "__main__":
    unittest.main()
