"""Binary upgrade: USR2 puts another program in the place of the running one, in all its outcomes."""

import os
import signal
import socket
import threading
import time
import unittest

import harness
import wire
from load import Load

ENGINES = ("poll",)
OTHER = os.path.join(harness.PROGRAM_DIR, "ballast-other")  # another version of the layout
FAILED = "upgrade failed, the running program carries on"


def counters(metrics):
    """What may never fall; process_* begins anew with a process."""
    return {(name, tuple(sorted(labels.items()))): value
            for name, labels, value in metrics.samples
            if name.startswith("lb_") and name.endswith(("_total", "_count", "_sum", "_bucket"))}


class Upgrading(harness.Case):
    def instance(self, urls, **more):
        """The program it is replaced by is a link, so that a test can choose another one."""
        lb = self.prepare(urls, **more)
        self.become(lb, harness.BALLAST)
        lb.env["BALLAST_BINARY"] = lb.path("next")
        self.addCleanup(self.end, lb)
        return lb.start()

    @staticmethod
    def become(lb, program):
        os.symlink(program, lb.path("next.new"))
        os.rename(lb.path("next.new"), lb.path("next"))

    @staticmethod
    def shell(lb, text):
        with open(lb.path("script"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(lb.path("script"), 0o755)
        Upgrading.become(lb, lb.path("script"))

    @staticmethod
    def holder(lb):
        """Whom the pidfile names; 0: nobody."""
        return int(lb.read("pid") or 0)

    def end(self, lb):
        """Who is master now need not be a child of ours."""
        pid = self.holder(lb)
        if pid and pid != lb.pid and harness.title_of(pid) == "ballast: master":
            os.kill(pid, signal.SIGTERM)
            harness.wait_for(lambda: not harness.is_alive(pid), "the last master to end")

    def upgrade(self, lb):
        """Returns the new master's pid, once it serves."""
        old, failed = self.holder(lb), len(lb.logs(FAILED))
        os.kill(old, signal.SIGUSR2)
        harness.wait_for(lambda: self.holder(lb) not in (0, old) or len(lb.logs(FAILED)) > failed,
                         "an outcome\n" + lb.said())
        self.assertNotEqual(self.holder(lb), old, lb.said())
        return self.holder(lb)

    def refuse(self, lb):
        """An upgrade that fails: the reason in the log."""
        old, failed = self.holder(lb), len(lb.logs(FAILED))
        os.kill(old, signal.SIGUSR2)
        reason = lb.wait_log(FAILED, failed + 1)[-1]["error"]
        self.assertEqual(self.holder(lb), old)
        self.assertEqual(harness.title_of(old), "ballast: master")
        return reason

    def gone(self, *pids):
        harness.wait_for(lambda: not any(map(harness.is_alive, pids)), "former masters to leave")

    def falls(self, before, after):
        after = counters(after)
        return [(key, value, after.get(key)) for key, value in counters(before).items()
                if after.get(key, -1) < value]


    def waiting(self, lb, program):
        """The next program is this one, but does not begin before go()."""
        self.shell(lb, "while [ ! -e %s ]; do sleep 0.01; done\nexec %s \"$@\"\n" % (
            lb.path("go"), program))

    @staticmethod
    def go(lb):
        with open(lb.path("go"), "w", encoding="ascii"):
            pass

    def halting(self, target=None):
        """A backend that answers (only this target) by the half, and the rest when it is told to."""
        going_on = threading.Event()
        self.addCleanup(going_on.set)

        def halves(script, stream):
            while target not in (None, script.take(stream).line.split()[1]):
                stream.send(harness.OK)
            stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            going_on.wait(harness.PATIENCE)
            stream.send(b"rest")
        return self.script(halves), going_on

    @staticmethod
    def begin(client):
        client.send(wire.request("GET", "/"))
        client.read_head()
        return client.exactly(4)

    def finish_exchange(self, client, going_on):
        going_on.set()
        self.assertEqual(client.exactly(4), b"rest")


class Serving(Upgrading):
    def test_idle_connections_go_along_and_no_answer_tells_of_it(self):
        one = self.origin()
        lb = self.instance([one.url], timeouts={"request_header": "300s"})
        idle = [lb.connect() for _ in range(100)]
        for stream in idle:
            self.addCleanup(stream.close)
        for stream in idle[::2]:
            self.assertEqual(stream.ask().status, 200)
        for _ in range(3):
            former = self.holder(lb)
            self.upgrade(lb)
            self.gone(former)
            for stream in idle[::3]:
                response = stream.ask()
                self.assertEqual((response.status, response.get("Connection")), (200, None))
        for stream in idle:
            self.assertEqual(stream.ask().status, 200)

    def test_twenty_upgrades_under_load_fail_no_request_and_lose_no_count(self):
        self.under_load([harness.BALLAST] * 20)

    def test_nor_does_one_to_another_layout_and_back(self):
        self.under_load([OTHER, harness.BALLAST] * 3)

    def under_load(self, programs):
        one = self.origin()
        lb = self.instance([one.url], admin={"listen": "127.0.0.1:0"})
        masters, fallen = [lb.pid], []
        load = Load(lb)
        self.addCleanup(load.end)
        load.more(50)
        held = len(harness.descriptors_of(lb.pid))
        seen = harness.Metrics(lb.control("/metrics").text)
        for program in programs:
            self.become(lb, program)
            masters.append(self.upgrade(lb))
            self.assertEqual(lb.control("/readyz").status, 200)
            now = harness.Metrics(lb.control("/metrics").text)
            fallen += self.falls(seen, now)
            load.more(50)
            seen = harness.Metrics(lb.control("/metrics").text)
        load.end()
        self.assertEqual(load.bad, [])
        self.assertEqual(fallen, [])
        self.gone(*masters[:-1])
        self.assertEqual(lb.wait_exit(), 0)
        self.assertEqual(harness.title_of(masters[-1]), "ballast: master")
        self.assertEqual(seen.value("lb_config_generation"), len(masters))
        self.assertEqual(len(lb.status()["workers"]), 2)
        if not harness.VALGRIND:  # which has some of its own
            harness.wait_for(lambda: len(harness.descriptors_of(masters[-1])) <= held,
                             "no descriptor more than at first")
        metrics = lb.metrics_after(load.good)
        self.assertEqual(metrics.value("lb_requests_total"), load.good)

    def test_buckets_verdicts_and_counters_go_on(self):
        self.state_goes_on(harness.BALLAST)

    def test_buckets_verdicts_and_counters_go_on_in_another_layout_and_back(self):
        lb = self.state_goes_on(OTHER)
        self.assertTrue(lb.has_logged("shared memory of another layout or shape: what it knows is copied"))
        segment = harness.segments_of(self.holder(lb))
        self.assertEqual(segment, lb.segments, "under the same name")
        before = harness.Metrics(lb.control("/metrics").text)
        self.become(lb, harness.BALLAST)
        self.upgrade(lb)
        self.assertEqual(self.falls(before, harness.Metrics(lb.control("/metrics").text)), [])
        self.assertEqual(lb.ask().status, 429)

    def state_goes_on(self, program):
        """A backend that failed once and must succeed a thousand times stays down; an empty bucket stays empty."""
        one, health = self.origin(), [b"500"]

        def moody(script, stream):
            script.take(stream)
            stream.send(b"HTTP/1.1 %s Now\r\nContent-Length: 0\r\n\r\n" % health[-1])
        sick = self.script(moody)
        lb = self.instance(
            [one.url, sick.url], rate_limit={"requests_per_second": 0.01, "burst": 5},
            health_check={"interval": "100ms", "timeout": "5s", "rise": 1000, "fall": 1})
        lb.wait_log("backend marked down")
        health.append(b"200")
        for _ in range(5):
            self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.ask().status, 429)
        before = lb.metrics_after(6)
        self.become(lb, program)
        old = self.holder(lb)
        new = self.upgrade(lb)
        after = harness.Metrics(lb.control("/metrics").text)
        self.assertEqual(self.falls(before, after), [])
        self.assertEqual(after.value("lb_requests_total"), before.value("lb_requests_total"))
        self.assertEqual(after.value("lb_backend_up", backend=sick.url), 0)
        self.assertEqual(after.value("lb_backend_up", backend=one.url), 1)
        self.assertEqual(lb.ask().status, 429)
        self.gone(old)
        harness.wait_for(lambda: [p for p in harness.children_of(new) if harness.title_of(p) == "ballast: checker"],
                         "the new checker")
        checks = after.value("lb_health_checks_total")
        harness.wait_for(lambda: harness.Metrics(lb.control("/metrics").text).value(
            "lb_health_checks_total") > checks + 4, "further checks")
        self.assertEqual(len(lb.logs("backend marked down")), 1)
        return lb

    def test_what_an_old_worker_still_counts_arrives_in_another_layout(self):
        one, going_on = self.halting()
        lb = self.instance([one.url])
        self.become(lb, OTHER)
        with lb.connect() as client:
            self.begin(client)
            old, new = lb.pid, self.upgrade(lb)
            self.finish_exchange(client, going_on)
        self.gone(old)
        self.assertTrue(harness.is_alive(new))
        harness.wait_for(lambda: harness.Metrics(lb.control("/metrics").text).value(
            "lb_requests_total", backend=one.url) == 1, "the count")

    def test_what_is_counted_while_the_new_program_starts_is_not_missing_when_it_takes_over(self):
        one, (slow, going_on) = self.origin(), self.halting()
        lb = self.instance([slow.url])
        self.waiting(lb, OTHER)
        with lb.connect() as client:
            self.begin(client)  # so that the old master stays, and its last word with it
            lb.reload(backends=[one.url])
            lb.signal(signal.SIGUSR2)
            lb.wait_log("upgrade begins")
            for _ in range(10):
                self.assertEqual(lb.ask().status, 200)
            seen = lb.metrics_after(10)
            self.go(lb)
            harness.wait_for(lambda: self.holder(lb) not in (0, lb.pid), "the new master")
            self.assertEqual(self.falls(seen, harness.Metrics(lb.control("/metrics").text)), [])
            self.finish_exchange(client, going_on)
        self.gone(lb.pid)

    def test_a_master_that_leaves_late_touches_no_segment_of_a_later_one(self):
        one, going_on = self.halting()
        lb = self.instance([one.url])
        later = "/dev/shm/%s.new" % lb.segments[0]
        self.become(lb, OTHER)
        second = self.upgrade(lb)  # it made a segment of its own
        with lb.connect() as client:
            self.begin(client)
            self.become(lb, harness.BALLAST)
            self.upgrade(lb)
            with open(later, "w", encoding="ascii"):
                pass  # as of an upgrade that is going on
            self.addCleanup(lambda: os.path.exists(later) and os.unlink(later))
            self.finish_exchange(client, going_on)
        self.gone(lb.pid, second)
        self.assertTrue(os.path.exists(later))

    def test_an_exchange_in_flight_is_finished_and_reload_follows(self):
        one, going_on = self.halting()
        lb = self.instance([one.url])
        with lb.connect() as client:
            self.begin(client)
            old, new = lb.pid, self.upgrade(lb)
            self.assertTrue(harness.is_alive(old))
            done = lb.order("reload")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("generation 3", done.stdout)
            self.finish_exchange(client, going_on)
        self.gone(old)
        self.assertEqual(self.holder(lb), new)

    def test_when_the_new_program_ends_a_former_worker_hands_nothing_over(self):
        """Nobody tells it but the segment; and nobody would take the connection."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def handle(script, stream):
            script.take(stream)
            gate.wait(harness.PATIENCE)
            stream.send(harness.OK)
        script = self.script(handle)
        lb = self.instance([script.url], timeouts={"drain": "100s"})
        with lb.connect() as client:
            client.send(wire.request())
            harness.wait_for(lambda: script.seen, "the request at the backend")
            new = self.upgrade(lb)
            os.kill(new, signal.SIGTERM)
            self.gone(new)
            gate.set()
            response = client.read_response()
            self.assertEqual((response.status, response.get("Connection")), (200, "close"))
        self.gone(lb.pid)

    def test_unix_sockets_stay_where_they_are_unless_the_configuration_moves_them(self):
        one = self.origin()
        lb = self.prepare([one.url], lb_port="unix:/dev/null")
        lb.values["lb_port"] = "unix:" + lb.path("front")
        lb.write()
        self.become(lb, harness.BALLAST)
        lb.env["BALLAST_BINARY"] = lb.path("next")
        self.addCleanup(self.end, lb)
        lb.start()
        self.assertEqual(self.ask_unix(lb.path("front")), 200)
        old = self.upgrade(lb)
        self.gone(lb.pid)
        self.assertEqual(self.ask_unix(lb.path("front")), 200)
        lb.write(lb_port="unix:" + lb.path("other"))
        self.upgrade(lb)
        self.gone(old)
        self.assertEqual(self.ask_unix(lb.path("other")), 200)
        self.assertFalse(os.path.exists(lb.path("front")))

    @staticmethod
    def ask_unix(path):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(wire.TIMEOUT)
        sock.connect(path)
        with wire.Stream(sock) as stream:
            return stream.ask().status


class Failing(Upgrading):
    def serves_as_before(self, lb):
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(lb.control("/readyz").status, 200)
        self.assertEqual(lb.order("reload").returncode, 0)
        self.assertEqual(sorted(os.listdir("/dev/shm")).count(lb.segments[0]), 1)
        self.assertFalse(os.path.exists("/dev/shm/%s.new" % lb.segments[0]))
        harness.wait_for(lambda: len(lb.workers()) == 2, "the workers of before to have left")

    def test_a_program_that_ends_at_once_changes_nothing(self):
        lb = self.instance([self.origin().url])
        self.become(lb, "/bin/false")
        self.assertIn("status 1", self.refuse(lb))
        self.become(lb, lb.path("nowhere"))
        self.assertIn("cannot run " + lb.path("next"), self.refuse(lb))
        self.serves_as_before(lb)
        done = lb.order("upgrade")
        self.assertEqual(done.returncode, 1)
        self.assertIn("carries on", done.stderr)
        self.become(lb, harness.BALLAST)
        done = lb.order("upgrade")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "upgraded: pid %d\n" % self.holder(lb))

    def speaking(self, lb, version):
        """The next program is started by a master that speaks another version."""
        self.shell(lb, "BALLAST_UPGRADE=$(echo \"$BALLAST_UPGRADE\" | sed 's/^version=.*/version=%s/')\n"
                   "export BALLAST_UPGRADE\nexec %s \"$@\"\n" % (version, harness.BALLAST))

    def test_a_program_that_does_not_know_all_the_words_refuses(self):
        lb = self.instance([self.origin().url])
        self.speaking(lb, "3")
        self.assertIn("does not understand BALLAST_UPGRADE", self.refuse(lb))
        self.shell(lb, "case \"$BALLAST_UPGRADE\" in *version=1*) exec %s \"$@\"; esac\nexit 7\n" % harness.BALLAST)
        self.assertIn("status 7", self.refuse(lb))  # as one of the time before there was TAKEN
        self.serves_as_before(lb)
        self.speaking(lb, "1")  # whose master hears no TAKEN
        self.upgrade(lb)
        self.gone(lb.pid)

    def test_a_broken_configuration_is_named_in_the_log_and_changes_nothing(self):
        lb = self.instance([self.origin().url])
        lb.write(strategy="dance")
        self.assertIn("config.yaml:", self.refuse(lb))
        lb.write(strategy=None, lb_port="192.0.2.1:1")  # an address that is not ours
        self.assertIn("lb_port: cannot listen on 192.0.2.1:1", self.refuse(lb))
        lb.write(lb_port="127.0.0.1:0")
        self.serves_as_before(lb)
        lb.write(strategy=None, lb_port="192.0.2.1:1")
        self.become(lb, OTHER)  # it has made a segment by then
        self.assertIn("lb_port: cannot listen on 192.0.2.1:1", self.refuse(lb))
        lb.write(lb_port="127.0.0.1:0")
        self.serves_as_before(lb)

    @unittest.skipIf(harness.SANITIZED, "a sanitizer needs all address space there is")
    def test_workers_that_die_at_start_change_nothing(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.instance([one.url])
        self.shell(lb, "ulimit -v 2000000\nexec %s \"$@\"\n" % harness.BALLAST)
        lb.write(backends=[one.url, two.url], limits={"connections": 1000000})
        self.assertIn("workers keep dying", self.refuse(lb))
        self.assertEqual([b["url"] for b in lb.status()["backends"]], [one.url])
        self.assertEqual(lb.status()["generation"], 1)
        self.assertEqual({lb.ask().text for _ in range(4)}, {"hello from one\n"})
        lb.write(backends=[one.url], limits=None)
        self.serves_as_before(lb)

    def hanging(self, lb):
        """Has begun when it has said so."""
        self.shell(lb, "echo $$ >%s\nexec sleep 1000\n" % lb.path("begun"))
        lb.signal(signal.SIGUSR2)
        return int(harness.wait_for(lambda: lb.read("begun").strip(), "the program to begin"))

    def test_while_it_does_not_come_a_reload_waits_and_an_upgrade_is_refused(self):
        lb = self.instance([self.origin().url])
        hanging = self.hanging(lb)
        self.assertIn("another upgrade", self.refuse(lb))
        lb.signal(signal.SIGHUP)
        lb.wait_log("reload signal received")
        self.assertEqual(lb.ask().status, 200)
        victim = lb.workers()[0]
        os.kill(victim, signal.SIGKILL)
        harness.wait_for(lambda: victim not in lb.workers() and len(lb.workers()) == 2, "a new worker")
        self.assertFalse(lb.has_logged("reload begins"))
        os.kill(hanging, signal.SIGKILL)
        lb.wait_log("reload completed")
        self.assertIn("signal 9", lb.logs(FAILED)[-1]["error"])
        self.serves_as_before(lb)

    def test_an_end_meanwhile_ends_the_new_program_too(self):
        lb = self.instance([self.origin().url])
        hanging = self.hanging(lb)
        self.assertEqual(lb.stop(), 0)
        self.assertFalse(harness.is_alive(hanging))
        self.assertTrue(lb.has_logged("graceful shutdown completed"))


class Between(Upgrading):
    """The two masters' words to each other, with one of them stopped in the middle."""

    def instance(self, urls, **more):
        lb = super().instance(urls, timeouts={"drain": "100s"}, **more)
        self.frozen = []
        self.addCleanup(self.thaw)
        return lb

    def freeze(self, *pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            self.frozen.append(pid)
            harness.wait_for(lambda: harness.state_of(pid) in "TZ", "a process to stop")

    def thaw(self, *pids):
        for pid in pids or list(self.frozen):
            harness.go_on(pid)
            self.frozen.remove(pid)

    def asking(self, lb):
        """The new master, which has said that it is ready; nobody has heard it."""
        before = set(harness.children_of(lb.pid))
        self.waiting(lb, harness.BALLAST)
        lb.signal(signal.SIGUSR2)
        new, = harness.wait_for(lambda: set(harness.children_of(lb.pid)) - before, "the new program")
        self.freeze(lb.pid)
        self.go(lb)
        lb.wait_log("ready to take over the instance")
        return new

    def offered(self, lb):
        """The new master, stopped before it hears that it may take over."""
        new = self.asking(lb)
        self.freeze(new)
        self.thaw(lb.pid)
        lb.wait_log("the new program may take over")
        return new

    def carries_on(self, lb, of_before):
        lb.wait_log(FAILED)
        self.assertEqual(self.holder(lb), lb.pid)
        self.assertEqual(lb.control("/readyz").status, 200)
        done = lb.order("reload")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(lb.ask().status, 200)
        self.gone(*of_before)
        harness.wait_for(lambda: len(lb.workers()) == 2, "the workers of before to have left")
        self.assertEqual(len(lb.logs(FAILED)), 1)

    def test_the_new_master_killed_before_anybody_heard_it_leaves_the_old_one_in_charge(self):
        """And its workers, which have taken clients already, leave these to the workers of before."""
        lb = self.instance([self.origin().url])
        of_before = lb.workers()
        new = self.asking(lb)
        of_new = harness.children_of(new)
        self.freeze(*of_before)
        with lb.connect() as idle:
            self.assertEqual(idle.ask().status, 200)
            os.kill(new, signal.SIGKILL)
            self.gone(*of_new)
            self.thaw()
            response = idle.ask()
            self.assertEqual((response.status, response.get("Connection")), (200, None))
        self.carries_on(lb, of_before + [new])

    def test_the_new_master_killed_with_the_offer_before_it_leaves_the_old_one_in_charge(self):
        lb = self.instance([self.origin().url], admin={"listen": "127.0.0.1:0"})
        new = self.offered(lb)
        os.kill(new, signal.SIGKILL)
        self.carries_on(lb, [new])
        port = int(lb.logs("admin listening")[-1]["port"])
        self.assertEqual(wire.ask(port, "/readyz").status, 200)

    def test_an_end_with_the_offer_on_its_way_ends_both(self):
        lb = self.instance([self.origin().url])
        new = self.offered(lb)
        lb.signal(signal.SIGTERM)
        self.assertEqual(lb.wait_exit(), 0)
        self.gone(new)
        self.assertFalse(os.path.exists(lb.pidfile))

    def test_orders_with_the_offer_on_its_way_are_obeyed_by_the_new_one(self):
        lb = self.instance([self.origin().url])
        new = self.offered(lb)
        lb.signal(signal.SIGHUP)
        lb.signal(signal.SIGUSR1)
        lb.wait_log("log files reopened")
        self.thaw()
        lb.wait_log("log files reopened", 2)
        self.assertEqual(lb.wait_log("reload completed")[-1]["generation"], 3)
        self.assertEqual(self.holder(lb), new)
        self.gone(lb.pid)

    def test_orders_to_a_master_that_was_replaced_reach_the_one_that_has_the_instance(self):
        one, going_on = self.halting()
        lb = self.instance([one.url])
        with lb.connect() as client:
            self.begin(client)  # the old master stays
            second = self.upgrade(lb)
            lb.signal(signal.SIGHUP)
            lb.wait_log("reload completed")
            lb.signal(signal.SIGTTIN)
            self.assertEqual(lb.wait_log("number of workers changed")[-1]["workers"], 3)
            lb.signal(signal.SIGUSR1)
            lb.wait_log("log files reopened", 2)
            lb.signal(signal.SIGUSR2)
            harness.wait_for(lambda: self.holder(lb) not in (0, second), "the third master")
            lb.signal(signal.SIGTERM)  # but an end is its own: it leaves when its exchange is done
            lb.wait_log("shutdown signal received")
            self.finish_exchange(client, going_on)
        self.gone(lb.pid, second)
        self.assertEqual(lb.logs(FAILED), [])
        self.assertEqual(lb.ask().status, 200)

    def test_a_new_master_that_gives_up_closes_and_cuts_nothing(self):
        """Its workers have taken clients already: idle ones go to the workers of before, and what is in flight ends in peace."""
        one, going_on = self.halting("/")
        lb = self.instance([one.url])
        of_before = lb.workers()
        new = self.asking(lb)
        self.freeze(*of_before)
        with lb.connect() as idle, lb.connect() as busy:
            self.assertEqual(idle.ask(target="/ready").status, 200)
            self.begin(busy)
            os.kill(new, signal.SIGTERM)
            self.thaw()
            harness.wait_for(lambda: harness.Metrics(lb.control("/metrics").text).value("lb_handovers_total") > 0,
                             "the idle one to change hands")
            response = idle.ask(target="/ready")
            self.assertEqual((response.status, response.get("Connection")), (200, None))
            self.assertEqual(lb.wait_log(FAILED)[0]["error"], "ended by a signal before it was ready")
            self.assertEqual(lb.order("reload").returncode, 0)
            self.assertTrue(harness.is_alive(new), "the other one is still in flight")
            self.finish_exchange(busy, going_on)
        self.carries_on(lb, of_before + [new])

    @unittest.skipIf(harness.VALGRIND, "the file that runs is valgrind's")
    def test_the_path_it_was_called_by_is_followed_also_where_it_is_a_link(self):
        lb = self.prepare([self.origin().url])
        self.addCleanup(self.end, lb)
        self.become(lb, harness.BALLAST)
        lb.program = lb.path("next")
        lb.start()
        self.become(lb, OTHER)
        new = self.upgrade(lb)
        self.assertEqual(os.readlink("/proc/%d/exe" % new), os.path.realpath(OTHER))
        self.gone(lb.pid)

    def test_a_control_socket_that_moved_leaves_none_behind(self):
        lb = self.instance([self.origin().url])
        former = lb.control_path()
        lb.process_values["runtime_dir"] = lb.path("elsewhere")
        lb.write()
        self.upgrade(lb)
        self.gone(lb.pid)
        beside_pidfile = os.path.dirname(former) == lb.dir  # where no user is dropped to: it has not moved
        self.assertEqual(os.path.exists(former), beside_pidfile)
        self.assertEqual(lb.order("reload").returncode, 0)


def has_slept():
    """Then nobody can tell of a process that began a moment ago whether it is still the same one (process_fate)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC) > 0.001


class Dying(Upgrading):
    def only_checker(self, master, stuck):
        """Waits for one of this master."""
        def checkers():
            found = [p for p in harness.children_of(master) if harness.title_of(p) == "ballast: checker"]
            self.assertFalse(found and harness.is_alive(stuck), "two checkers at once")
            return found
        harness.wait_for(checkers, "the new checker")

    def test_verdicts_have_one_writer_also_when_the_old_checker_does_not_leave(self):
        lb = self.instance([self.origin().url], health_check={"interval": "1s"})
        stuck = harness.wait_for(lambda: lb.children("checker"), "the checker")[0]
        os.kill(stuck, signal.SIGSTOP)
        self.only_checker(self.upgrade(lb), stuck)
        self.gone(lb.pid)

    def test_the_old_master_killed_while_the_new_one_starts_leaves_it_the_instance(self):
        lb = self.instance([self.origin().url])
        lb.expected_exit = None
        self.waiting(lb, harness.BALLAST)
        lb.signal(signal.SIGUSR2)
        lb.wait_log("upgrade begins")
        children = harness.wait_for(lambda: len(harness.children_of(lb.pid)) == 3 and harness.children_of(lb.pid),
                                    "the new program")
        lb.signal(signal.SIGKILL)
        lb.wait_exit()
        self.go(lb)
        harness.wait_for(lambda: self.holder(lb) in children, "the new master")
        self.assertEqual(lb.ask().status, 200)
        self.assertEqual(harness.run(*lb.arguments(), "--healthcheck").returncode, 0)

    @unittest.skipIf(has_slept(), "this machine has slept")
    def test_a_stopped_checker_of_a_killed_master_makes_room_for_another_one(self):
        lb = self.instance([self.origin().url], health_check={"interval": "1s"})
        lb.expected_exit = None
        stuck = harness.wait_for(lambda: lb.children("checker"), "the checker")[0]
        os.kill(stuck, signal.SIGSTOP)
        self.addCleanup(harness.go_on, stuck)
        self.waiting(lb, harness.BALLAST)
        lb.signal(signal.SIGUSR2)
        harness.wait_for(lambda: len(harness.children_of(lb.pid)) == 4, "the new program")
        lb.signal(signal.SIGKILL)
        lb.wait_exit()
        self.go(lb)
        new = harness.wait_for(lambda: self.holder(lb) not in (0, lb.pid) and self.holder(lb), "the new master")
        self.only_checker(new, stuck)
        self.assertEqual(lb.wait_log("checker of a dead master is wedged and is killed")[0]["pid"], stuck)

    def test_the_old_master_killed_while_it_drains_leaves_no_slot_behind(self):
        one, going_on = self.halting()
        lb = self.instance([one.url])
        lb.expected_exit = None
        with lb.connect() as client:
            self.begin(client)
            self.upgrade(lb)
            lb.signal(signal.SIGKILL)
            lb.wait_exit()
            self.finish_exchange(client, going_on)  # its worker does, alone
        lb.wait_log("slot of a dead master's child folded")

        def folded():
            metrics = harness.Metrics(lb.control("/metrics").text)
            return metrics.value("lb_active_connections") == 0 and len(lb.status()["workers"]) == 2
        harness.wait_for(folded, "the slots to be folded")
        self.assertEqual(lb.order("upgrade").returncode, 0)

    def test_a_new_worker_that_dies_is_replaced(self):
        lb = self.instance([self.origin().url])
        master = self.upgrade(lb)
        self.gone(lb.pid)
        victim = harness.wait_for(
            lambda: [p for p in harness.children_of(master) if "worker" in harness.title_of(p)], "workers")[0]
        os.kill(victim, signal.SIGKILL)
        lb.wait_log("worker died")
        self.assertEqual(lb.ask().status, 200)


class Notify(Upgrading):
    def test_the_service_manager_hears_of_the_new_main_process_and_of_no_end(self):
        lb = self.prepare([self.origin().url])
        self.become(lb, harness.BALLAST)
        self.addCleanup(self.end, lb)
        path = lb.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(harness.PATIENCE)
            lb.env.update(NOTIFY_SOCKET=path, BALLAST_BINARY=lb.path("next"))
            lb.start()
            self.assertIn("MAINPID=%d" % lb.pid, manager.recv(4096).decode("ascii"))
            new = self.upgrade(lb)
            self.gone(lb.pid)
            heard = manager.recv(4096).decode("ascii").split("\n")
            self.assertIn("READY=1", heard)
            self.assertIn("MAINPID=%d" % new, heard)
            manager.setblocking(False)
            with self.assertRaises(BlockingIOError):
                manager.recv(4096)


if __name__ == "__main__":
    unittest.main()
