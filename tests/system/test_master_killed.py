"""The master is killed, at any moment: its children leave by themselves, and the next start is at once a whole one.

Two masters on one configuration: the second goes, the first does not notice.
"""

import os
import signal
import unittest

import crowd
import harness
import wire

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "test"}
CHECKED = {"interval": "1s"}
KILLED_RELOADS = 4


def tunnel(_, stream):
    stream.read_head()
    stream.send(SWITCHED)
    stream.rest()


class Case(harness.Case):
    def kill_master(self, lb):
        """Only the master; its children."""
        lb.expected_exit = None
        children = harness.children_of(lb.pid)
        lb.signal(signal.SIGKILL)
        lb.process.wait()
        return children

    def wait_gone(self, pids):
        harness.wait_for(lambda: not any(map(harness.is_alive, pids)), "the children to leave")

    def fresh_log(self, lb):
        if os.path.exists(lb.logfile):
            os.unlink(lb.logfile)
        lb.expected_exit = 0

    def start_again(self, lb):
        self.fresh_log(lb)
        lb.start()
        self.assert_whole(lb)

    def assert_whole(self, lb):
        """It serves, and nothing is there but what is its own."""
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.status()["pid"], lb.pid)
        with open(lb.pidfile, encoding="ascii") as file:
            self.assertEqual(int(file.read()), lb.pid)
        names = [name for name in os.listdir(lb.dir) if name.endswith(".sock")]
        run = lb.path("run")
        names += os.listdir(run) if os.path.isdir(run) else []
        self.assertEqual(len(names), 1, names)
        self.assertEqual(len(lb.segments), 1)
        self.assertEqual(harness.segments_of(lb.pid), lb.segments)
        with open("/proc/%d/maps" % lb.pid, encoding="ascii") as maps:
            inode = [line.split()[4] for line in maps if lb.segments[0] in line][0]
        self.assertEqual(os.stat("/dev/shm/" + lb.segments[0]).st_ino, int(inode))

    def remove_segment(self, lb):
        """Where no next start does."""
        for name in lb.segments:
            os.unlink("/dev/shm/" + name)

    def fixed_port(self, **more):
        """An instance whose next one needs the very same port."""
        port = harness.unused_port()
        return self.prepare([self.origin().url], lb_port="127.0.0.1:%d" % port, **more)


class Left(Case):
    def dig(self, lb):
        """A tunnel."""
        through = lb.connect()
        self.addCleanup(through.close)
        through.send(wire.request("GET", "/", UPGRADE))
        self.assertIn(b" 101 ", through.read_head())
        return through

    def test_what_is_in_flight_is_finished_and_idle_ones_close(self):
        lb = self.ballast([self.origin().url], health_check=CHECKED, timeouts={"drain": "1h"})
        idle, busy = lb.connect(), lb.connect()
        self.addCleanup(idle.close)
        self.addCleanup(busy.close)
        self.assertEqual(idle.ask().status, 200)
        busy.send(wire.request("GET", "/drip/20/50"))
        busy.read_head()
        children = self.kill_master(lb)
        self.assertTrue(idle.is_closed())
        self.assertEqual(len(busy.exactly(20)), 20)
        self.wait_gone(children)
        self.start_again(lb)

    def test_a_tunnel_stays_for_the_drain_time(self):
        lb = self.ballast([self.script(tunnel).url], workers=1, timeouts={"drain": "1h"})
        idle, through = lb.connect(), self.dig(lb)
        self.addCleanup(idle.close)
        children = self.kill_master(lb)
        self.assertTrue(idle.is_closed(), "the end of the grace for idle ones")
        self.assertTrue(crowd.is_open(through))
        through.close()
        self.wait_gone(children)
        self.remove_segment(lb)

    def test_a_tunnel_is_cut_when_the_drain_time_is_over(self):
        lb = self.ballast([self.script(tunnel).url], workers=1, timeouts={"drain": "1s"})
        through = self.dig(lb)
        children = self.kill_master(lb)
        self.assertTrue(through.is_closed())
        self.wait_gone(children)
        self.remove_segment(lb)

    def test_a_start_while_the_old_workers_still_drain(self):
        lb = self.fixed_port(health_check=CHECKED, timeouts={"drain": "1h"}).start()
        busy = lb.connect()
        self.addCleanup(busy.close)
        busy.send(wire.request("GET", "/drip/1000/60"))
        busy.read_head()
        children = self.kill_master(lb)
        self.start_again(lb)
        self.assertTrue(any(map(harness.is_alive, children)), "the old one's exchange is under way")
        self.assertTrue(busy.exactly(1))
        busy.reset()
        self.wait_gone(children)
        self.assert_whole(lb)

    def test_a_start_waits_for_the_port_that_the_old_workers_are_about_to_leave(self):
        lb = self.fixed_port().start()
        workers = lb.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
            self.addCleanup(harness.go_on, pid)
            harness.wait_for(lambda: harness.state_of(pid) == "T", "a stopped worker")  # pylint: disable=cell-var-from-loop
        self.kill_master(lb)
        self.fresh_log(lb)
        lb.launch()
        harness.wait_for(lambda: lb.has_ended() or harness.segments_of(lb.pid), "another segment")
        for pid in workers:
            harness.go_on(pid)
        lb.wait_log("load balancer listening")
        lb.segments = harness.segments_of(lb.pid)
        self.assert_whole(lb)
        self.wait_gone(workers)

    def test_all_processes_killed_and_started_again(self):
        lb = self.fixed_port(health_check=CHECKED, admin={"listen": "127.0.0.1:%d" % harness.unused_port()}).start()
        for _ in range(3):
            lb.expected_exit = None
            everything = [lb.pid] + harness.children_of(lb.pid)
            for pid in everything:
                os.kill(pid, signal.SIGKILL)
            lb.process.wait()
            self.start_again(lb)
            self.wait_gone(everything)


class Moments(Case):
    def test_killed_in_the_middle_of_a_reload(self):
        lb = self.fixed_port(health_check=CHECKED).start()
        for i in range(KILLED_RELOADS):
            seen = len(harness.children_of(lb.pid)) + i  # at the signal, and with ever more children of the new one
            lb.signal(signal.SIGHUP)
            harness.wait_for(lambda: len(harness.children_of(lb.pid)) >= seen or  # pylint: disable=cell-var-from-loop
                             lb.has_logged("reload completed"), "the reload to go on")
            children = self.kill_master(lb)
            self.start_again(lb)
            self.wait_gone(children)

    def test_killed_in_the_middle_of_a_start(self):
        lb = self.fixed_port(health_check=CHECKED).start()
        segment = "/dev/shm/" + lb.segments[0]
        lb.stop()
        moments = (lambda: os.path.exists(lb.pidfile), lambda: os.path.exists(segment),
                   lambda: harness.children_of(lb.pid), lambda: len(harness.children_of(lb.pid)) == 3)
        for reached in moments:
            self.fresh_log(lb)
            lb.launch()
            harness.wait_for(reached, "a start that is under way")
            children = self.kill_master(lb)
            self.start_again(lb)
            self.wait_gone(children)
            self.assertEqual(lb.stop(), 0)
            self.assertFalse(os.path.exists(segment))


class Two(Case):
    def second(self, lb):
        return harness.run(*lb.arguments(), env={"LOG_ENV": "prod"})

    def test_the_second_one_says_who_runs_and_the_first_is_unharmed(self):
        lb = self.ballast([self.origin().url])
        children = harness.children_of(lb.pid)
        with lb.connect() as client:
            self.assertEqual(client.ask().status, 200)
            for _ in range(3):
                second = self.second(lb)
                self.assertEqual(second.returncode, 1)
                self.assertIn("another instance is running: pid %d holds %s" % (lb.pid, lb.pidfile),
                              second.stderr + lb.read("log"))
            self.assertEqual(client.ask().status, 200)
        self.assertEqual(harness.children_of(lb.pid), children)
        self.assert_whole(lb)

    def test_of_two_that_start_at_once_one_lives(self):
        lb = self.fixed_port()
        for ending in (self.kill_master, harness.Ballast.stop, harness.Ballast.stop):  # so the second time it is stale
            self.fresh_log(lb)
            pair = [lb.launch().process for _ in range(2)]
            harness.wait_for(lambda: any(p.poll() is not None for p in pair), "one of them to end")  # pylint: disable=cell-var-from-loop
            lost, lb.process = sorted(pair, key=lambda process: process.poll() is None)
            self.assertEqual(lost.wait(), 1)
            lb.wait_log("load balancer listening")
            self.assertIn("another instance is ", lb.read("stderr") + lb.read("log"))
            lb.segments = harness.segments_of(lb.pid)
            self.assert_whole(lb)
            ending(lb)


if __name__ == "__main__":
    unittest.main()
