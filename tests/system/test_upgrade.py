"""One program takes the place of another: USR2, in all its outcomes."""

import os
import signal
import subprocess
import unittest

import harness
import wire
from load import Load

ENGINES = ("poll",)


class Upgrading(harness.Case):
    def instance(self, urls, **more):
        lb = self.prepare(urls, **more)
        lb.env["BALLAST_BINARY"] = more.get("env", {}).get("BALLAST_BINARY", harness.BALLAST)
        self.addCleanup(self.end, lb)
        return lb.start()

    @staticmethod
    def holder(lb):
        """Whom the pidfile names, 0: nobody."""
        return int(lb.read("pid") or 0)

    def end(self, lb):
        """Who is master now is no child of ours."""
        pid = self.holder(lb)
        if pid and pid != lb.pid and harness.title_of(pid) == "ballast: master":
            os.kill(pid, signal.SIGTERM)
            harness.wait_for(lambda: not harness.is_alive(pid), "the last master to end\n" + lb.said())

    def upgrade(self, lb):
        """Returns the new master's pid, once the pidfile names it."""
        old = self.holder(lb)
        os.kill(old, signal.SIGUSR2)
        harness.wait_for(lambda: self.holder(lb) not in (0, old) or lb.has_logged("upgrade failed, the running program carries on"),
                         "an upgrade")
        self.assertNotEqual(self.holder(lb), old, lb.said())
        return self.holder(lb)


class Serving(Upgrading):
    def test_upgrades_under_load_fail_no_request(self):
        one = self.origin()
        lb = self.instance([one.url])
        masters = [lb.pid]
        load = Load(lb)
        self.addCleanup(load.end)
        for _ in range(20):
            masters.append(self.upgrade(lb))
            load.more(50)
        load.end()
        self.assertEqual(load.bad, [])
        harness.wait_for(lambda: lb.has_ended() and not any(map(harness.is_alive, masters[:-1])), "the former masters to leave")
        self.assertEqual(lb.process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
