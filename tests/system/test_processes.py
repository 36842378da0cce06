"""Points 3, 4 and 5: the processes, what they share, and as whom they run."""

import os
import pwd
import stat
import subprocess
import unittest

import harness
import wire


class Memory(harness.Case):
    def test_the_segment_is_visible_with_mode_0640_and_gone_after_the_end(self):
        one = self.origin()
        lb = self.ballast([one.url])
        self.assertEqual(len(lb.segments), 1)
        path = "/dev/shm/" + lb.segments[0]
        self.assertTrue(lb.segments[0].startswith("ballast-"))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
        self.assertEqual(lb.metrics().value("lb_shm_bytes"), os.stat(path).st_size)
        self.assertEqual(lb.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_all_processes_map_the_same_segment(self):
        one = self.origin()
        lb = self.ballast([one.url], health_check={"interval": "1s"})
        for pid in harness.children_of(lb.pid):
            self.assertEqual(harness.segments_of(pid), lb.segments)

    def test_the_segment_grows_with_max_backends(self):
        one = self.origin()
        sizes = [self.ballast([one.url], process={"max_backends": n}).metrics()
                 .value("lb_shm_bytes") for n in (16, 4096)]
        self.assertLess(sizes[0], sizes[1])

    def test_more_backends_than_rows_are_refused(self):
        lb = self.prepare(["http://127.0.0.1:%d" % port for port in (1, 2, 3)],
                          process={"max_backends": 2})
        done = harness.run(*lb.arguments(), "-t")
        self.assertEqual(done.returncode, 1)
        self.assertIn("max_backends", done.stderr)

    def test_a_full_dev_shm_is_a_clear_start_error(self):
        lb = self.prepare(["http://127.0.0.1:1"], process={"max_backends": 16384},
                          rate_limit={"max_clients": 16777216})
        lb.expected_exit = None
        mount = ["unshare", "-m", "sh", "-c",
                 "mount -t tmpfs -o size=1m tmpfs /dev/shm && exec \"$@\"", "sh"]
        if subprocess.run(mount + ["true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("needs the right to mount")
        lb.wrapper = mount
        lb.launch()
        self.assertEqual(lb.wait_exit(), 1)
        self.assertRegex(lb.said(), "shm|shared memory")
        self.assertRegex(lb.said(), "[Nn]o space")


class Family(harness.Case):
    def test_titles_say_role_number_and_generation(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2, health_check={"interval": "1s"})
        titles = sorted(harness.title_of(pid) for pid in harness.children_of(lb.pid))
        self.assertEqual(harness.title_of(lb.pid), "ballast: master")
        self.assertEqual(titles, ["ballast: checker", "ballast: worker 1 gen 1",
                                  "ballast: worker 2 gen 1"])
        lb.reload()
        self.assertEqual(len(lb.workers(generation=2)), 2)

    def test_every_process_is_single_threaded(self):
        one = self.origin()
        lb = self.ballast([one.url], health_check={"interval": "1s"})
        for pid in [lb.pid] + harness.children_of(lb.pid):
            self.assertEqual(len(os.listdir("/proc/%d/task" % pid)), 1)

    def test_no_checker_without_health_checks(self):
        one = self.origin()
        lb = self.ballast([one.url], health_check="off")
        self.assertEqual(lb.children("checker"), [])

    def test_an_idle_instance_uses_no_processor_time_to_speak_of(self):
        one = self.origin()
        lb = self.ballast([one.url])
        lb.ask()
        with lb.connect() as client:
            client.ask()
            family = [lb.pid] + harness.children_of(lb.pid)

            def ticks():
                return sum(int(word) for pid in family for word in
                           harness.read_proc(pid, "stat").rpartition(")")[2].split()[11:13])
            before = ticks()
            # Two seconds of somebody else's time, not a synchronisation.
            self.assertEqual(self.origin("slow") and wire.ask(one.port, "/sleep/2000").status, 200)
            self.assertLessEqual(ticks() - before, 20)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_children_drop_to_nobody_or_to_the_named_user(self):
        one = self.origin()
        for user in (None, "daemon"):
            with self.subTest(user):
                lb = self.prepare([one.url], health_check={"interval": "1s"})
                lb.process_values.pop("user", None)
                if user:
                    lb.process_values["user"] = user
                if harness.SANITIZED:
                    lb.env["ASAN_OPTIONS"] = "detect_leaks=0"
                lb.write()
                lb.start()
                wanted = pwd.getpwnam(user or "nobody").pw_uid
                for pid in harness.children_of(lb.pid):
                    uids = harness.read_proc(pid, "status").split("Uid:")[1].split("\n")[0].split()
                    self.assertEqual(uids, [str(wanted)] * 4)
                self.assertEqual(lb.ask().status, 200)
                self.assertIn("lb_requests_total", lb.metrics().text)
                lb.reload()
                self.assertIn("lb_requests_total", lb.metrics().text)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_an_unknown_user_is_a_start_error(self):
        lb = self.prepare(["http://127.0.0.1:1"], process={"user": "nobody-of-that-name"})
        lb.expected_exit = None
        lb.launch()
        self.assertEqual(lb.wait_exit(), 1)
        self.assertIn("nobody-of-that-name", lb.said())
        self.assertEqual(harness.run(*lb.arguments(), "-t").returncode, 1)

    def test_a_port_in_use_is_a_start_error_that_names_it(self):
        one = self.origin()
        lb = self.prepare([one.url], lb_port="127.0.0.1:%d" % one.port)
        lb.expected_exit = None
        lb.launch()
        self.assertEqual(lb.wait_exit(), 1)
        self.assertIn(str(one.port), lb.said())

    def test_two_instances_do_not_collide(self):
        one, two = self.origin("one"), self.origin("two")
        first, second = self.ballast([one.url]), self.ballast([two.url])
        self.assertNotEqual(first.segments, second.segments)
        self.assertEqual(first.stop(), 0)
        self.assertEqual(second.ask().get("X-Origin"), "two")


class Engines(harness.Case):
    def test_the_engine_named_is_the_engine_used(self):
        one = self.origin()
        for engine, has_epoll in (("poll", False), ("epoll", True)):
            with self.subTest(engine):
                lb = self.ballast([one.url], process={"event_engine": engine})
                lb.ask()
                worker = lb.workers()[0]
                self.assertEqual("anon_inode:[eventpoll]" in harness.open_files_of(worker).values(), has_epoll)

    def test_auto_changes_over_with_many_connections_and_loses_none(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, process={"event_engine": "auto"})
        clients = []
        for _ in range(400):
            client = lb.connect()
            self.addCleanup(client.close)
            clients.append(client)
            self.assertEqual(client.ask().status, 200)
        for client in clients:
            self.assertEqual(client.ask().status, 200)


if __name__ == "__main__":
    unittest.main()
