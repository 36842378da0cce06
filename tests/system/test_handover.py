"""Reloads without a seam: no request fails, no idle connection closes, no tunnel is cut, however many; and
what is shared goes on as if nothing had happened.

BALLAST_RELOADS=200 (make check-reloads) is the long version; make check does 25.
"""

import os
import random
import resource
import select
import signal
import socket
import subprocess
import threading
import time
import unittest

import crowd
import harness
import wire
from load import Load

RELOADS = int(os.environ.get("BALLAST_RELOADS", "10" if harness.SANITIZED else "25"))
IDLE = 300 if harness.SANITIZED else 1000
TUNNELS = 50
KILLS = 4
UPGRADE = {"Connection": "Upgrade", "Upgrade": "x"}


PUTTING_IN = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
static ssize_t real(int fd, const struct msghdr *m, int flags)
{
	ssize_t (*call)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
	return call(fd, m, flags);
}
static ssize_t put_in(int fd, const struct msghdr *m, int flags)
{
	%s
}
ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	char said = m->msg_controllen > 0 ? *(char *)m->msg_iov->iov_base : 0;
	return said == 'C' || said == 'N' ? put_in(fd, m, flags) : real(fd, m, flags);
}
"""
FULL = "errno = EAGAIN; return -1;"
REFUSED = "errno = EPERM; return -1;"
STOPS = "raise(SIGSTOP); ssize_t n = real(fd, m, flags); raise(SIGSTOP); return n;"


def echo(script, stream):
    """A backend: upgrades and then echoes, or answers with 2 octets."""
    while True:
        request = script.take(stream)
        if request.get("Upgrade"):
            stream.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                        b"Upgrade: x\r\n\r\n")
            while stream.more():
                stream.send(stream.exactly(len(stream.buffer)))
            return
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")


class Steady(Load):
    """Load whose clients never expect to be told to close: that is bad, too."""

    def client(self):
        try:
            with wire.connect(self.port) as stream:
                while not self.ending.is_set():
                    response = stream.ask(target=self.target)
                    with self.lock:
                        self.good += response.status == 200
                    if response.status != 200 or response.get("Connection"):
                        raise wire.Closed(response.head)
        except (OSError, wire.Closed) as error:
            with self.lock:
                self.bad.append(repr(error))


class Case(harness.Case):
    def gated(self):
        """A backend and its gate: it answers what asks for /wait when the gate opens, all else at once."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def handle(script, stream):
            while True:
                if "/wait" in script.take(stream).line:
                    gate.wait(100)
                stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        return self.script(handle), gate

    def waiting(self, lb, script, n=1):
        """Connections with a request in flight, each at the backend already."""
        streams = []
        for _ in range(n):
            stream = lb.connect()
            self.addCleanup(stream.close)
            seen = len(script.seen)
            stream.send(wire.request(target="/wait"))
            harness.wait_for(lambda seen=seen: len(script.seen) > seen, "the request at the backend")
            streams.append(stream)
        return streams

    def metrics(self, lb):
        return harness.Metrics(lb.control("/metrics").text)


class Handover(Case):
    def connections(self, lb, n, served=True):
        streams = []
        for i in range(n):
            stream = lb.connect()
            self.addCleanup(stream.close)
            if served and i % 2:  # the others never said a word
                self.assertEqual(stream.ask().status, 200)
            streams.append(stream)
        return streams

    def tunnels(self, lb, n):
        streams = []
        for _ in range(n):
            stream = lb.connect()
            self.addCleanup(stream.close)
            stream.send(wire.request(fields=UPGRADE))
            self.assertEqual(stream.read_response().status, 101)
            streams.append(stream)
        return streams

    def worker(self, lb, number):
        """What /status tells of a worker of the only generation."""
        return [w for w in lb.status()["workers"] if w["number"] == number][0]

    def ours(self):
        """Whose limits we change must be of our own user."""
        return {"user": "root"} if os.geteuid() == 0 else {}

    def putting_in(self, how):
        """An environment in which a worker that puts a connection into the queue does it so."""
        source = os.path.join(self.directory(), "putting_in.c")
        library = source[:-1] + "so"
        with open(source, "w", encoding="ascii") as file:
            file.write(PUTTING_IN % how)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        os.chmod(library, 0o755)
        return {"LD_PRELOAD": library}

    def wait_stopped(self, pid):
        harness.wait_for(lambda: harness.state_of(pid) == "T", "it to stop")

    def all_answer(self, streams):
        for stream in streams:
            response = stream.ask()
            self.assertEqual((response.status, response.get("Connection")), (200, None))

    def wait_idle(self, lb, n):
        harness.wait_for(lambda: self.metrics(lb).value("lb_client_connections") == n,
                         "%d connections" % n)

    def test_reloads_close_nothing(self):
        one = self.script(echo)
        lb = self.ballast([one.url], workers=2, timeouts={"drain": "100s", "keep_alive": "300s",
                                                          "request_header": "300s"})
        idle = self.connections(lb, IDLE)
        tunnels = self.tunnels(lb, TUNNELS)
        load = Steady(lb, clients=8)
        try:
            for _ in range(RELOADS):
                load.more(50)
                lb.reload()
        finally:
            load.end()
        self.assertEqual(load.bad, [])
        for stream in idle:
            self.assertEqual(stream.ask().status, 200)
            stream.close()
        for i, stream in enumerate(tunnels):
            message = b"through tunnel %d" % i
            stream.send(message)
            self.assertEqual(stream.exactly(len(message)), message)
        metrics = self.metrics(lb)
        self.assertGreaterEqual(metrics.value("lb_handovers_total"), IDLE)
        self.assertEqual(metrics.value("lb_drain_cuts_total"), 0)
        self.assertGreater(metrics.value("lb_workers_draining"), 0, "those with tunnels")
        for stream in tunnels:
            stream.close()
        harness.wait_for(lambda: self.metrics(lb).value("lb_workers_draining") == 0,
                         "former workers to leave with their tunnels")

    def test_an_old_worker_leaves_as_soon_as_its_exchanges_are_done(self):
        one, gate = self.gated()
        lb = self.ballast([one.url], workers=1, timeouts={"drain": "100s"})
        idle = self.connections(lb, 20)
        busy = self.waiting(lb, one)[0]
        lb.reload()
        self.assertEqual(len(lb.workers(generation=1)), 1)
        gate.set()
        response = busy.read_response()
        self.assertEqual((response.status, response.get("Connection")), (200, None))
        harness.wait_for(lambda: not lb.workers(generation=1), "the old worker to leave")
        self.all_answer(idle + [busy])

    def test_the_end_of_the_service_finds_nobody_handing_over(self):
        """Who had retired before tells its clients to close: nobody would take them any more."""
        one, gate = self.gated()
        lb = self.ballast([one.url], workers=1, timeouts={"drain": "100s"})
        port, busy = lb.port, self.waiting(lb, one)[0]
        lb.reload()
        lb.signal(signal.SIGTERM)
        harness.wait_for(lambda: wire.is_refused(port), "the listener to close")
        gate.set()
        response = busy.read_response()
        self.assertEqual((response.status, response.get("Connection")), (200, "close"))
        self.assertEqual(lb.wait_exit(), 0)

    def late_putter(self):
        """A former worker that stops as it puts in its last client and has not heard yet that the service ends."""
        one, gate = self.gated()
        lb = self.ballast([one.url], workers=1, env=self.putting_in(STOPS), timeouts={"drain": "100s"},
                          watchdog="10m", process={"sandbox": "off"})
        old, client = lb.workers()[0], self.waiting(lb, one)[0]
        lb.reload()
        return lb, one, gate, old, client

    def check_told_to_close(self, stream):
        response = stream.read_response()
        self.assertEqual((response.status, response.get("Connection")), (200, "close"))
        stream.close()

    @unittest.skipIf(harness.SANITIZED, "a sanitizer has to be the first library")
    def test_who_puts_in_after_all_have_left_takes_it_back(self):
        lb, _, gate, old, client = self.late_putter()
        gate.set()
        self.wait_stopped(old)
        self.assertEqual(client.read_response().get("Connection"), None)
        client.send(wire.request())
        lb.signal(signal.SIGTERM)
        harness.wait_for(lambda: lb.workers() == [old], "the others to leave")
        os.kill(old, signal.SIGCONT)  # now it is put in
        self.wait_stopped(old)
        os.kill(old, signal.SIGCONT)
        self.check_told_to_close(client)
        self.assertEqual(lb.wait_exit(), 0)

    @unittest.skipIf(harness.SANITIZED, "a sanitizer has to be the first library")
    def test_what_is_put_in_after_all_have_looked_is_found_by_one_that_is_still_there(self):
        lb, one, gate, old, client = self.late_putter()
        gate.set()
        self.wait_stopped(old)
        self.assertEqual(client.read_response().get("Connection"), None)
        gate.clear()
        client.send(wire.request())
        busy, port = self.waiting(lb, one)[0], lb.port
        lb.signal(signal.SIGTERM)
        harness.wait_for(lambda: wire.is_refused(port), "the listener to close")
        os.kill(old, signal.SIGCONT)
        self.wait_stopped(old)
        os.kill(old, signal.SIGKILL)
        self.check_told_to_close(client)
        gate.set()
        self.check_told_to_close(busy)
        self.assertEqual(lb.wait_exit(), 0)

    def test_what_is_in_the_queue_is_lost_by_nobodys_death(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2, timeouts={"drain": "100s"}, watchdog="10m")
        idle = self.connections(lb, 60)
        self.wait_idle(lb, 60)
        stopped = self.worker(lb, 1)
        os.kill(stopped["pid"], signal.SIGSTOP)
        lb.signal(signal.SIGTTOU)
        harness.wait_for(lambda: lb.workers() == [stopped["pid"]], "the other one to leave")
        self.assertEqual(self.metrics(lb).value("lb_client_connections"),
                         stopped["connections"]["idle"], "the others wait in the queue")
        os.kill(stopped["pid"], signal.SIGKILL)
        answered = sum(self.answers(stream) for stream in idle)
        self.assertEqual(answered, 60 - stopped["connections"]["idle"])
        self.assertGreater(answered, 0)

    def test_without_a_descriptor_nothing_is_taken_from_the_queue(self):
        """Pooled connections to backends make room first."""
        one, gate = self.gated()
        lb = self.ballast([one.url], workers=2, timeouts={"drain": "100s"}, process=self.ours())
        streams = self.waiting(lb, one, 24)
        gate.set()
        for stream in streams:
            self.assertEqual(stream.read_response().status, 200)
        self.wait_idle(lb, 24)
        pooled = self.worker(lb, 1)["connections"]["idle"]  # each with one of its own
        self.assertGreater(pooled, 0)
        most = max(1, min(pooled - 6, 8))  # those who look how many there are need descriptors, too
        while self.worker(lb, 2)["connections"]["idle"] > most:
            count = self.metrics(lb).value("lb_client_connections")
            streams.pop().close()
            self.wait_idle(lb, count - 1)
        self.assertGreater(self.worker(lb, 2)["connections"]["idle"], 0)
        taker = self.worker(lb, 1)["pid"]
        give_back = crowd.no_more_descriptors(taker)
        lb.signal(signal.SIGTTOU)
        harness.wait_for(lambda: lb.workers() == [taker], "one worker less")
        self.wait_idle(lb, len(streams))
        give_back()
        self.all_answer(streams)

    def test_as_many_are_on_their_way_as_the_user_may_have(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, process=dict(self.ours(), event_engine="epoll"))
        idle = self.connections(lb, 100)
        self.wait_idle(lb, 100)
        resource.prlimit(lb.workers()[0], resource.RLIMIT_NOFILE, (4, 4096))  # poll(2) would mind, too
        lb.reload()
        harness.wait_for(lambda: not lb.workers(generation=1), "the old worker to leave")
        self.all_answer(idle)
        self.assertEqual(self.metrics(lb).value("lb_handovers_total"), 100)

    @unittest.skipIf(harness.SANITIZED, "a sanitizer has to be the first library")
    def test_where_none_can_be_handed_over_the_next_answer_says_close(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, env=self.putting_in(REFUSED), timeouts={"drain": "100s"})
        idle = self.connections(lb, 10)
        self.wait_idle(lb, 10)
        lb.reload()
        for stream in idle:
            response = stream.ask()
            self.assertEqual((response.status, response.get("Connection")), (200, "close"))
            stream.close()
        harness.wait_for(lambda: not lb.workers(generation=1), "the old worker to leave")
        self.assertEqual(len(lb.logs("connections cannot be handed over")), 1)

    def pipelining(self, lb):
        """Asks so that the beginning of the next request is always here when an answer ends."""
        stream, begin = self.connections(lb, 1, served=False)[0], 10
        stream.send(wire.request()[:begin])

        def ask():
            stream.send(wire.request()[begin:] + wire.request()[:begin])
            response = stream.read_response()
            if response.get("Connection"):
                stream.close()
            return response
        self.assertEqual(ask().status, 200)
        return ask

    def told_to_close(self, asks):
        """Goes on asking until all are told so; the time of the first one that was."""
        left, first = list(asks), []

        def all_are():
            for ask in list(left):
                if ask().get("Connection") == "close":
                    first.append(time.monotonic())
                    left.remove(ask)
            return not left
        harness.wait_for(all_are, "all to be told to close")
        return first[0]

    def test_who_cannot_be_handed_over_is_told_to_close_from_half_of_the_drain_time_on(self):
        """That is who never is between two requests; and everybody while the queue is full."""
        (one, gate), drain = self.gated(), 10
        instances = [self.ballast([one.url], workers=1, timeouts={"drain": "%ds" % drain})]
        asks, busy = [self.pipelining(instances[0])], self.waiting(instances[0], one)[0]
        if not harness.SANITIZED:  # which has to be the first library
            instances.append(self.ballast([one.url], workers=1, timeouts={"drain": "%ds" % drain},
                                          env=self.putting_in(FULL)))
            client = self.connections(instances[1], 1, served=False)[0]
            self.assertEqual(client.ask().status, 200)
            asks.append(client.ask)
        begun = time.monotonic()
        for lb in instances:
            lb.reload()
        self.assertGreaterEqual(self.told_to_close(asks) - begun, drain / 2)
        gate.set()
        response = busy.read_response()
        self.assertEqual((response.status, response.get("Connection")), (200, None))
        self.all_answer([busy])
        if len(instances) > 1:
            client.close()
        for lb in instances:
            harness.wait_for(lambda lb=lb: not lb.workers(generation=1), "the old worker to leave")
            self.assertEqual(self.metrics(lb).value("lb_drain_cuts_total"), 0)

    def test_clients_of_a_unix_socket_are_handed_over(self):
        path = os.path.join(self.directory(), "front")
        lb = self.ballast([self.origin().url], workers=2, lb_port="unix:" + path)
        idle = []
        for _ in range(20):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            idle.append(wire.Stream(sock))
            self.addCleanup(sock.close)
        self.wait_idle(lb, 20)
        lb.reload()
        self.all_answer(idle)
        self.assertGreaterEqual(self.metrics(lb).value("lb_handovers_total"), 20)

    def test_what_is_sent_to_a_connection_on_its_way_is_answered(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2)
        idle = self.connections(lb, 100)
        new = []
        for _ in range(3):
            lb.write()
            lb.signal(signal.SIGHUP)
            for stream in idle:
                stream.send(wire.request())
            for stream in idle:
                self.assertEqual(stream.read_response().status, 200)
            new.append(lb.wait_log("reload completed", len(new) + 1))

    def test_more_than_the_queue_holds(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1,
                          timeouts={"request_header": "300s", "drain": "100s"})
        idle = self.connections(lb, 700, served=False)
        self.wait_idle(lb, 700)
        lb.reload()
        harness.wait_for(lambda: not lb.workers(generation=1), "the old worker to leave")
        for stream in idle:
            self.assertEqual(stream.ask().status, 200)
        self.assertEqual(self.metrics(lb).value("lb_handovers_total"), 700)

    def idle_time(self, lb, after_each_look):
        """How long two connections, one that was served and one that was not, stay."""
        begun, idle = time.monotonic(), self.connections(lb, 2)
        lb.reload()

        def both_have_ended():
            after_each_look()
            return len(select.select([stream.sock for stream in idle], [], [], 0)[0]) == 2
        harness.wait_for(both_have_ended, "the limit to be reached")
        self.assertTrue(all(stream.is_closed() for stream in idle))
        return time.monotonic() - begun

    def test_who_is_handed_over_stays_idle_no_longer(self):
        """Also when reloads follow each other faster than the limits, so that in no worker one would end."""
        lb = self.ballast([self.origin().url], workers=1,
                          timeouts={"keep_alive": "1s", "request_header": "1s"})
        self.assertGreaterEqual(self.idle_time(lb, lambda: None), 1)
        self.assertGreaterEqual(self.idle_time(lb, lb.reload), 1)

    def test_one_worker_less_hands_over_to_the_others(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=3, timeouts={"drain": "100s"})
        idle = self.connections(lb, 60)
        self.wait_idle(lb, 60)
        lb.signal(signal.SIGTTOU)
        harness.wait_for(lambda: len(lb.workers()) == 2, "one worker less")
        for stream in idle:
            self.assertEqual(stream.ask().status, 200)

    def test_a_worker_that_is_told_to_end_hands_over_to_the_others(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, timeouts={"drain": "100s"})
        idle = self.connections(lb, 20)
        self.wait_idle(lb, 20)
        first = lb.workers()[0]
        os.kill(first, signal.SIGTERM)
        harness.wait_for(lambda: lb.workers() and first not in lb.workers(), "a successor alone")
        self.all_answer(idle)

    def test_a_worker_that_is_told_to_end_leaves_to_the_others_what_lies_in_the_queue(self):
        one, gate = self.gated()
        lb = self.ballast([one.url], workers=2, timeouts={"drain": "100s"}, watchdog="10m")
        idle, busy = self.connections(lb, 40), self.waiting(lb, one, 8)
        self.wait_idle(lb, 48)
        while not all(self.worker(lb, 2)["connections"][kind] for kind in ("idle", "active")) and len(busy) < 100:
            idle += self.connections(lb, 1)  # whoever is starved has fewer
            busy += self.waiting(lb, one)
        stopped, leaving = self.worker(lb, 1), self.worker(lb, 2)
        for kind in ("idle", "active"):
            self.assertGreater(leaving["connections"][kind], 0)
        os.kill(stopped["pid"], signal.SIGSTOP)
        lb.signal(signal.SIGTTOU)
        harness.wait_for(lambda: self.worker(lb, 2)["connections"]["idle"] == 0, "the queue to have them")
        os.kill(leaving["pid"], signal.SIGTERM)
        gate.set()
        harness.wait_for(lambda: lb.workers() == [stopped["pid"]], "it to leave")
        os.kill(stopped["pid"], signal.SIGCONT)
        for stream in busy:
            response = stream.read_response()
            self.assertEqual((response.status, response.get("Connection")), (200, None))
        self.all_answer(idle + busy)

    def handed(self, workers):
        """Asks whether they have put in what they hold now; they may have left, too."""
        before = {w["pid"]: len(os.listdir("/proc/%d/fd" % w["pid"])) for w in workers}

        def has(worker):
            pid = worker["pid"]
            try:
                held = len(os.listdir("/proc/%d/fd" % pid))
            except OSError:
                return True
            return held <= before[pid] - worker["connections"]["idle"]
        return lambda: all(has(worker) for worker in workers)

    def test_workers_that_are_told_to_end_just_before_their_master_lose_nobody(self):
        """As when a whole group of processes is: nobody is left to hand over to, and no successor comes any more."""
        one = self.origin()
        lb = self.ballast([one.url], workers=2, timeouts={"drain": "100s"}, watchdog="10m")
        idle = self.connections(lb, 40)
        self.wait_idle(lb, 40)
        workers = [self.worker(lb, 1), self.worker(lb, 2)]
        have_handed = self.handed(workers)
        lb.signal(signal.SIGSTOP)
        for worker in workers:
            os.kill(worker["pid"], signal.SIGTERM)
        harness.wait_for(have_handed, "all to be in the queue")
        for stream in idle:
            stream.send(wire.request())
        lb.signal(signal.SIGTERM)
        lb.signal(signal.SIGCONT)
        for stream in idle:
            self.check_told_to_close(stream)
        self.assertEqual(lb.wait_exit(), 0)

    def test_another_listener_keeps_the_connections(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2)
        idle = self.connections(lb, 20)
        lb.reload(lb_port="127.0.0.1:%d" % harness.unused_port())
        for stream in idle:
            self.assertEqual(stream.ask().status, 200)

    def test_fewer_rows_keep_as_many_as_there_are(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, timeouts={"drain": "100s"},
                          limits={"connections": 40})
        idle = self.connections(lb, 40)
        self.wait_idle(lb, 40)
        lb.reload(limits={"connections": 30})  # the oldest idle ones make room, as ever
        self.wait_idle(lb, 30)
        self.assertEqual(sum(self.answers(stream) for stream in idle), 30)

    def answers(self, stream):
        try:
            return stream.ask().status == 200
        except (OSError, wire.Closed):
            stream.close()
            return False

    def kill_one(self, lb):
        """How many connections it held: it is stopped before it is looked at."""
        victim = random.choice(harness.wait_for(lb.workers, "a worker"))  # all may change while one looks
        try:
            os.kill(victim, signal.SIGSTOP)
            harness.wait_for(lambda: harness.state_of(victim) in ("T", "", "Z"), "it to stop")
            held = [sum(w["connections"].values()) for w in lb.status()["workers"]
                    if w["pid"] == victim]
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return 0  # it had left by itself
        return sum(held)

    def test_kills_in_the_midst_cost_only_the_connections_of_the_killed(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=3)
        idle = self.connections(lb, 200)
        self.wait_idle(lb, 200)
        held = 0
        for n in range(KILLS):
            lb.write()
            lb.signal(signal.SIGHUP)
            held += self.kill_one(lb)
            lb.wait_log("reload completed", n + 1)
        alive = [stream for stream in idle if self.answers(stream)]
        # One may have been stopped between the message and its own count.
        self.assertLessEqual(200 - len(alive), held + KILLS)
        self.wait_idle(lb, len(alive))
        self.all_answer(alive)

    def test_a_drain_takes_no_connection_along(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2, timeouts={"drain": "100s"})
        idle = self.connections(lb, 50)
        self.assertEqual(lb.stop(), 0)
        self.assertTrue(all(stream.is_closed() for stream in idle))


RATE, BURST = (10, 5) if harness.VALGRIND else (100, 50)


class Hammer(threading.Thread):
    """Asks on one connection without a pause; remembers when what was answered."""

    def __init__(self, lb, ending):
        super().__init__()
        self.lb, self.ending = lb, ending
        self.admitted = 0
        self.refused = []  # when each of these was sent, and when it was answered
        self.first_sent = self.first_admitted = self.last_answered = None

    def run(self):
        with self.lb.connect() as stream:
            while not self.ending.is_set():
                self.ask(stream)

    def ask(self, stream):
        sent = time.monotonic()
        status = stream.ask().status
        self.last_answered = time.monotonic()
        self.first_sent = self.first_sent or sent
        if status == 200:
            self.admitted += 1
            self.first_admitted = self.first_admitted or self.last_answered
        elif status == 429:
            self.refused.append((sent, self.last_answered))


class State(Case):
    def test_the_limiter_goes_on_through_reloads(self):
        """
        Burst and rate, as if there were one process that never changed: BURST + RATE * t, within 2 %.  What t is lies
        between two measured times: from the first request to the last answer; and from the first admission to the last
        refusal, at which the bucket was empty, but for what nobody took because the bucket was full.
        """
        one = self.origin()
        lb = self.ballast([one.url], workers=4, rate_limit={"requests_per_second": RATE, "burst": BURST})
        ending = threading.Event()
        clients = [Hammer(lb, ending) for _ in range(8)]
        for client in clients:
            client.start()
        begun = time.monotonic()
        try:
            for _ in range(20):
                lb.reload()
            harness.wait_for(lambda: all(client.refused and client.refused[-1][0] - begun > 3 for client in clients),
                             "everybody to be refused late")
        finally:
            ending.set()
            for client in clients:
                client.join()
        admitted = sum(client.admitted for client in clients)
        longest = (max(client.last_answered for client in clients) -
                   min(client.first_sent for client in clients))
        self.assertLessEqual(admitted, (BURST + RATE * longest) * 1.02)
        self.assertGreaterEqual(admitted, self.least(clients) * 0.98)

    @staticmethod
    def least(clients):
        """Refused at two moments, the bucket ran over in between at most as far as the time was longer than it takes to fill it."""
        first = min(client.first_admitted for client in clients if client.first_admitted)
        refused = sorted(times for client in clients for times in client.refused)
        spilt = sum(max(0, RATE * (later[1] - sooner[0]) - BURST) for sooner, later in zip(refused, refused[1:]))
        return BURST + RATE * (refused[-1][0] - first) - spilt

    def test_a_backend_that_comes_back_finds_its_counters(self):
        (one, gate), (two, _) = self.gated(), self.gated()
        lb = self.ballast([one.url, two.url], workers=2)
        for _ in range(10):
            self.assertEqual(lb.ask("/").status, 200)
        lb.reload(backends=[one.url])
        busy = self.waiting(lb, one)[0]
        lb.reload(backends=[two.url])
        self.assertEqual(self.metrics(lb).value("lb_active_connections", backend=one.url), 1)
        gate.set()
        self.assertEqual(busy.read_response().status, 200, "a removed backend drains")
        for _ in range(10):
            self.assertEqual(lb.ask("/").status, 200)
        lb.reload(backends=[one.url, two.url])
        metrics = lb.metrics_after(21)
        self.assertEqual(metrics.value("lb_requests_total", backend=one.url), 6)
        self.assertEqual(metrics.value("lb_requests_total", backend=two.url), 15)

    def test_connections_of_both_generations_are_counted_together(self):
        (one, first), (two, second) = self.gated(), self.gated()
        lb = self.ballast([one.url], workers=2, strategy="least-connection",
                          timeouts={"drain": "100s"})
        old = self.waiting(lb, one, 4)
        lb.reload(backends=[one.url, two.url])
        new = self.waiting(lb, two, 4)  # one has four already, in workers that leave
        new += [self.connect_waiting(lb) for _ in range(4)]
        harness.wait_for(lambda: self.metrics(lb).value("lb_active_connections") == 12, "all")
        for origin in (one, two):
            self.assertEqual(
                self.metrics(lb).value("lb_active_connections", backend=origin.url), 6)
        first.set()
        second.set()
        for stream in old + new:
            self.assertEqual(stream.read_response().status, 200)

    def connect_waiting(self, lb):
        stream = lb.connect()
        self.addCleanup(stream.close)
        before = self.metrics(lb).value("lb_active_connections")
        stream.send(wire.request(target="/wait"))
        harness.wait_for(lambda: self.metrics(lb).value("lb_active_connections") > before, "it")
        return stream


if __name__ == "__main__":
    harness.main()
