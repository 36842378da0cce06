"""Point 14: make install, and the init script run for real under a scratch prefix."""

import os
import signal
import subprocess
import unittest

import harness
import wire

ENGINES = ("poll",)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def make(*arguments):
    """The build under test is installed as it stands: nothing is compiled."""
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    build = harness.PROGRAM_DIR
    return subprocess.run(["make", "-s", "-C", ROOT, "-o", "all", "BUILD=" + build, *arguments],
                          env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)


class Installed(harness.Case):
    def setUp(self):
        self.prefix = self.directory()
        self.install("PREFIX=" + self.prefix)
        self.script = self.at("etc/init.d/ballast")
        self.pidfile = self.at("run/ballast/ballast.pid")
        self.addCleanup(self.end)

    def install(self, *arguments):
        done = make("install", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)

    def at(self, name):
        return os.path.join(self.prefix, name)

    def pid(self):
        try:
            with open(self.pidfile, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def end(self):
        pid = self.pid()
        if pid and harness.title_of(pid) == "ballast: master":
            os.kill(pid, signal.SIGQUIT)
            harness.wait_for(lambda: not harness.is_alive(pid), "the daemon to end")

    def init(self, *words):
        return subprocess.run([self.script, *words], env=harness.environment({"LOG_ENV": "prod"}),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=90, check=False)

    def expect(self, word, status):
        done = self.init(word)
        self.assertEqual(done.returncode, status, "%s: %s%s%s" % (
            word, done.stdout, done.stderr, self.log()))
        return done

    def log(self):
        try:
            with open(self.at("var/log/ballast.log"), encoding="utf-8") as file:
                return file.read()
        except OSError:
            return ""

    def configure(self, urls, **more):
        self.port = harness.unused_port()
        values = {"lb_port": "127.0.0.1:%d" % self.port, "backends": urls, "rate_limit": "off"}
        values.update(more)
        with open(self.at("etc/ballast/config.yaml"), "w", encoding="utf-8") as file:
            file.write(harness.config_text(values))
        with open(self.at("etc/ballast/ballast.cfg"), "w", encoding="ascii") as file:
            file.write("workers = 2;\nruntime_dir = \"%s\";\n" % self.at("run/ballast"))
            if harness.SANITIZED and os.geteuid() == 0:
                file.write("user = \"root\";\n")


class InitScript(Installed):
    def test_start_status_reload_stop(self):
        one, two = self.origin("one"), self.origin("two")
        self.configure([one.url])
        self.expect("status", 3)
        self.expect("start", 0)
        self.assertEqual(wire.ask(self.port).text, "hello from one\n")
        first = self.pid()
        self.assertIn(str(first), self.expect("status", 0).stdout)
        self.expect("start", 0)
        self.assertEqual(self.pid(), first, "a second start changes nothing")

        port = self.port
        self.configure([two.url], lb_port="127.0.0.1:%d" % port)
        self.expect("reload", 0)
        self.assertEqual(wire.ask(port).text, "hello from two\n")
        self.assertEqual(self.pid(), first)
        self.expect("force-reload", 0)

        segments = harness.segments_of(first)
        self.expect("stop", 0)
        self.assertFalse(harness.is_alive(first))
        self.assertTrue(wire.is_refused(port))
        self.assertFalse(os.path.exists(self.pidfile))
        self.assertEqual([n for n in segments if os.path.exists("/dev/shm/" + n)], [])
        self.expect("status", 3)
        self.expect("stop", 0)

    def test_restart_is_another_master_on_the_same_port(self):
        one = self.origin("one")
        self.configure([one.url])
        self.expect("restart", 0)
        first = self.pid()
        self.expect("restart", 0)
        self.assertNotIn(self.pid(), (0, first))
        self.assertEqual(wire.ask(self.port).status, 200)

    def test_upgrade_is_another_master_and_a_refused_one_is_told(self):
        one = self.origin("one")
        self.configure([one.url])
        self.expect("upgrade", 7)
        self.expect("start", 0)
        first = self.pid()
        self.assertIn("upgraded: pid ", self.expect("upgrade", 0).stdout)
        second = self.pid()
        self.assertNotIn(second, (0, first))
        self.assertEqual(harness.title_of(second), "ballast: master")
        self.assertEqual(wire.ask(self.port).status, 200)
        self.assertIn(str(second), self.expect("status", 0).stdout)
        harness.wait_for(lambda: not harness.is_alive(first), "the first master to leave")

        os.rename(self.at("sbin/ballast"), self.at("sbin/good"))
        with open(self.at("sbin/ballast"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n[ -z \"$BALLAST_UPGRADE\" ] || exit 1\nexec %s \"$@\"\n" % self.at("sbin/good"))
        os.chmod(self.at("sbin/ballast"), 0o755)
        self.assertIn("carries on", self.expect("upgrade", 1).stderr)
        self.assertEqual(self.pid(), second)
        self.assertEqual(wire.ask(self.port).status, 200)
        self.expect("stop", 0)

    def test_a_bad_configuration_stops_nothing(self):
        one = self.origin("one")
        self.configure([one.url])
        self.expect("start", 0)
        first = self.pid()
        with open(self.at("etc/ballast/config.yaml"), "a", encoding="utf-8") as file:
            file.write("strategy: none\n")
        for word, status in (("configtest", 1), ("restart", 6), ("reload", 6), ("upgrade", 6),
                             ("force-reload", 6)):
            done = self.expect(word, status)
            self.assertIn("config.yaml:4:11: ", done.stdout + done.stderr, word)
        self.assertEqual(self.pid(), first)
        self.assertEqual(wire.ask(self.port).status, 200)
        self.expect("stop", 0)
        self.expect("start", 6)
        self.assertEqual(self.pid(), 0)

    def test_a_port_in_use_is_a_failed_start_that_says_why(self):
        one = self.origin("one")
        self.configure([one.url], lb_port="127.0.0.1:%d" % one.port)
        self.assertIn(str(one.port), self.expect("start", 1).stderr)
        self.expect("status", 3)

    def test_force_reload_starts_what_does_not_run_and_reload_does_not(self):
        one = self.origin("one")
        self.configure([one.url])
        self.expect("reload", 7)
        self.expect("force-reload", 0)
        self.assertEqual(wire.ask(self.port).status, 200)

    def test_a_killed_master_is_dead_with_a_pidfile_and_can_be_started_again(self):
        one = self.origin("one")
        self.configure([one.url])
        self.expect("start", 0)
        children = harness.children_of(self.pid())
        os.kill(self.pid(), signal.SIGKILL)
        harness.wait_for(lambda: not any(map(harness.is_alive, children)), "the children to leave")
        self.expect("status", 1)
        self.expect("start", 0)
        self.assertEqual(wire.ask(self.port).status, 200)
        self.expect("stop", 0)

    def test_a_foreign_process_under_the_pidfiles_number_is_left_alone(self):
        os.makedirs(os.path.dirname(self.pidfile), exist_ok=True)
        with open(self.pidfile, "w", encoding="ascii") as file:
            file.write("%d\n" % os.getpid())
        self.expect("status", 1)
        self.expect("stop", 0)

    def test_the_defaults_file_overrides(self):
        one = self.origin("one")
        self.configure([one.url])
        os.makedirs(self.at("etc/default"))
        with open(self.at("etc/default/ballast"), "w", encoding="ascii") as file:
            file.write("ENABLED=no\n")
        self.assertIn("switched off", self.expect("start", 0).stdout)
        with open(self.at("etc/default/ballast"), "w", encoding="ascii") as file:
            file.write("PIDFILE=%s\nOPTIONS='-w 1'\n" % self.at("other.pid"))
        self.pidfile = self.at("other.pid")
        self.expect("start", 0)
        workers = [pid for pid in harness.children_of(self.pid())
                   if harness.title_of(pid).startswith("ballast: worker")]
        self.assertEqual(len(workers), 1)
        self.expect("stop", 0)

    def test_codes_of_misuse(self):
        self.expect("", 2)
        self.expect("dance", 2)
        os.rename(self.at("etc/ballast/config.yaml"), self.at("etc/ballast/away"))
        self.expect("start", 6)
        os.unlink(self.at("sbin/ballast"))
        self.expect("start", 5)
        self.expect("status", 3)


class Install(Installed):
    def test_everything_is_there_with_its_paths(self):
        for name in ("sbin/ballast", "share/man/man8/ballast.8", "share/man/man5/ballast.yaml.5",
                     "etc/ballast/config.yaml", "etc/ballast/ballast.cfg",
                     "lib/systemd/system/ballast.service", "share/doc/ballast/README.md"):
            self.assertTrue(os.path.isfile(self.at(name)), name)
        for name in ("etc/init.d/ballast", "lib/systemd/system/ballast.service"):
            with open(self.at(name), encoding="ascii") as file:
                text = file.read()
            self.assertIn(self.prefix + "/sbin/ballast", text)
            self.assertNotRegex(text, "@[A-Z]+@")

    def test_a_configuration_is_never_overwritten_nor_removed(self):
        path = self.at("etc/ballast/config.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("mine\n")
        self.install("PREFIX=" + self.prefix)
        self.assertEqual(make("uninstall", "PREFIX=" + self.prefix).returncode, 0)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine\n")
        self.assertFalse(os.path.exists(self.at("sbin/ballast")))
        self.assertFalse(os.path.exists(self.script))

    def test_destdir_is_a_stage_and_no_part_of_the_paths(self):
        stage = self.directory()
        self.install("PREFIX=/usr", "DESTDIR=" + stage)
        self.assertTrue(os.path.isfile(stage + "/usr/sbin/ballast"))
        self.assertTrue(os.path.isfile(stage + "/etc/ballast/config.yaml"))
        with open(stage + "/etc/init.d/ballast", encoding="ascii") as file:
            text = file.read()
        self.assertIn("DAEMON=/usr/sbin/ballast\n", text)
        self.assertIn("RUNDIR=/run/ballast\n", text)
        self.assertNotIn(stage, text)


if __name__ == "__main__":
    unittest.main()
