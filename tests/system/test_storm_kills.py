"""Workers that are killed one after another under load: exact counts, no gauge left, nobody else harmed.

A victim is stopped before it is killed, and its sockets are looked up while it stands still: so it is known, for
each connection, whether a failure was its worker's death or nobody's right.  60 kills, fewer where they take longer than
ENOUGH_S; `make check-slow` (BALLAST_SLOW=1) makes it 1,000.
"""

import multiprocessing
import os
import random
import re
import signal
import threading
import time
import unittest

import harness
import wire

ENGINES = ("epoll",)
WORKERS = 3
KEPT, FRESH = 8, 4
SLOW = bool(os.environ.get("BALLAST_SLOW"))
KILLS, LEAST = (1000, 1000) if SLOW else (60, 20)
ENOUGH_S = 25
SOCKET = r":%04X \w+:(\w+) (?!06)\w\w \S+ \S+ \S+ +\d+ +\d+ (\d+)"  # /proc/net/tcp; 06: waits for its time to end
GAUGES = ("lb_active_connections", "lb_client_connections", "lb_upstream_connections")
GROWING = re.compile(r"_(total|count|sum|bucket)$")


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    harness.wait_for(lambda: harness.state_of(pid) == "T", "a stopped worker")


def ports_of_clients(pid, port):
    """The clients' ports of the connections to `port` that a process has accepted."""
    inodes = set()
    for name in os.listdir("/proc/%d/fd" % pid):
        inodes.add(os.readlink("/proc/%d/fd/%s" % (pid, name)))
    with open("/proc/net/tcp", encoding="ascii") as table:
        mine = re.findall(SOCKET % port, table.read())
    return {int(peer, 16) for peer, inode in mine if peer != "0000" and "socket:[%s]" % inode in inodes}


def look_up(pipe):
    """A process of its own, which need not take turns with the threads of the clients."""
    while (order := pipe.recv()) is not None:
        stop(order[0])
        pipe.send(ports_of_clients(*order))


class Clients:
    """Keep-alive clients and some with a connection for each request.  A failure on a connection that a killed
    worker had accepted is counted, any other is told in `wrong`."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.sent = self.answers = self.failures = 0
        self.doomed = set()  # ports of clients
        self.wrong = []
        self.threads = [threading.Thread(target=self.run, args=(kept,)) for kept in
                        [True] * KEPT + [False] * FRESH]
        for thread in self.threads:
            thread.start()

    def doom(self, ports):
        with self.lock:
            self.doomed |= ports

    def connect(self):
        stream = wire.connect(self.port)
        with self.lock:
            self.doomed.discard(stream.sock.getsockname()[1])
        return stream

    def run(self, kept):
        stream = None
        while not self.ending.wait(0.001):  # so that whoever kills gets its turn, too
            try:
                stream = self.one(stream, kept)
            except OSError as error:  # nobody listens
                self.wrong.append("connect: %r" % error)
        if stream:
            stream.close()

    def one(self, stream, kept):
        """One request; the stream when it can take another one."""
        stream = stream or self.connect()
        with self.lock:
            self.sent += 1
        try:
            response = stream.ask(target="/bytes/3000", fields=() if kept else {"Connection": "close"})
        except (OSError, wire.Closed) as error:
            self.failed(stream, error)
            return None
        self.judge(response)
        if kept and (response.get("Connection") or "").lower() != "close":
            return stream
        stream.close()
        return None

    def failed(self, stream, error):
        port = stream.sock.getsockname()[1]
        with self.lock:
            self.failures += 1
            if port not in self.doomed:
                self.wrong.append("%d: %r, and its worker was not killed" % (port, error))
        stream.close()

    def judge(self, response):
        with self.lock:
            self.answers += 1
            if response.status != 200 or len(response.body) != 3000:
                self.wrong.append("%d with %d octets" % (response.status, len(response.body)))

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()


class Scraper:
    """Reads the metrics all the time; `fallen` has what was less than before."""

    def __init__(self, lb):
        self.lb = lb
        self.seen = {}
        self.fallen = []
        self.scrapes = 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending.wait(0.02):  # so that it is not the load
            self.look()

    def look(self):
        metrics = harness.Metrics(self.lb.control("/metrics").text)
        self.scrapes += 1
        for name, labels, value in metrics.samples:
            key = (name, tuple(sorted(labels.items())))
            if GROWING.search(name) and value < self.seen.get(key, 0):
                self.fallen.append("%s: %s after %s" % (key, value, self.seen[key]))
            self.seen[key] = value
        return metrics

    def end(self):
        self.ending.set()
        self.thread.join()


class Storm(harness.Case):
    def setUp(self):
        self.helper, ours = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=look_up, args=(ours,))
        process.start()
        ours.close()
        self.addCleanup(process.join)
        self.addCleanup(self.helper.send, None)

    def wait_whole(self, lb, victim):
        def is_whole():
            workers = lb.status()["workers"]
            return [w["state"] for w in workers] == ["ready"] * WORKERS and \
                victim not in [w["pid"] for w in workers] and [w["pid"] for w in workers]
        return harness.wait_for(is_whole, "a successor of %d" % victim, harness.PATIENCE)

    def kill_one(self, lb, clients, victim):
        self.helper.send((victim, lb.port))
        clients.doom(self.helper.recv())
        os.kill(victim, signal.SIGKILL)
        return self.wait_whole(lb, victim)

    def storm(self, lb, clients):
        chance = random.Random(lb.port)
        workers = lb.workers()
        end = time.monotonic() + ENOUGH_S
        for killed in range(1, KILLS + 1):
            workers = self.kill_one(lb, clients, chance.choice(workers))
            if killed >= LEAST and time.monotonic() > end:
                break
        return killed

    def test_after_a_storm_of_kills_the_counts_are_exact_and_nobody_else_was_harmed(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=WORKERS)
        scraper, clients = Scraper(lb), Clients(lb.port)
        try:
            kills = self.storm(lb, clients)
        finally:
            clients.end()
            scraper.end()
        one.stop()  # which ends the idle connections to it
        self.assertEqual(clients.wrong, [])
        self.assertEqual(scraper.fallen, [])
        self.assertGreater(clients.failures, 0, "nobody was hit: that was no storm")
        self.settle(scraper, clients, kills)

    def settle(self, scraper, clients, kills):
        metrics = harness.wait_for(lambda: self.at_rest(scraper), "every gauge to be 0")
        counted = metrics.value("lb_requests_total")
        self.assertGreaterEqual(counted, clients.answers, "answers that were not counted")
        self.assertLessEqual(counted, clients.sent)
        self.assertEqual(metrics.value("lb_worker_restarts_total"), kills)
        self.assertEqual(scraper.fallen, [])
        print("%d kills, %d answers, %d counted, %d failures, %d scrapes" % (
            kills, clients.answers, counted, clients.failures, scraper.scrapes))

    @staticmethod
    def at_rest(scraper):
        metrics = scraper.look()
        return not any(metrics.value(name) for name in GAUGES) and metrics


class Queue(harness.Case):
    def test_connections_queued_when_the_worker_dies_are_served_by_its_successor(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=1)
        victim = lb.workers()[0]
        stop(victim)
        streams = []
        for _ in range(50):
            stream = lb.connect()
            self.addCleanup(stream.close)
            stream.send(wire.request())
            streams.append(stream)
        self.assertEqual(ports_of_clients(victim, lb.port), set())
        os.kill(victim, signal.SIGKILL)
        self.assertEqual([stream.read_response().status for stream in streams], [200] * 50)


if __name__ == "__main__":
    unittest.main()
