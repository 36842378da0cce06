"""Reloads without a seam: no request fails, no idle connection closes, no tunnel is cut, however many; and
what is shared goes on as if nothing had happened.

BALLAST_RELOADS=200 (make check-reloads) is the long version; make check does 25.
"""

import os
import signal
import threading

import harness
import wire
from load import Load

RELOADS = int(os.environ.get("BALLAST_RELOADS", "10" if harness.SANITIZED else "25"))
IDLE = 300 if harness.SANITIZED else 1000
TUNNELS = 50
UPGRADE = {"Connection": "Upgrade", "Upgrade": "x"}


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


class Handover(harness.Case):
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

    def metrics(self, lb):
        return harness.Metrics(lb.control("/metrics").text)

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
        one = self.origin()
        lb = self.ballast([one.url], workers=1, timeouts={"drain": "100s"})
        idle = self.connections(lb, 20)
        busy = lb.connect()
        self.addCleanup(busy.close)
        busy.send(wire.request(target="/sleep/700"))
        harness.wait_for(lambda: self.metrics(lb).value("lb_active_connections") == 1, "a request")
        lb.reload()
        self.assertEqual(len(lb.workers(generation=1)), 1)
        response = busy.read_response()
        self.assertEqual((response.status, response.get("Connection")), (200, None))
        harness.wait_for(lambda: not lb.workers(generation=1), "the old worker to leave")
        for stream in idle + [busy]:
            self.assertEqual(stream.ask().status, 200)

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
        lb = self.ballast([one.url], workers=1, timeouts={"request_header": "300s"})
        idle = self.connections(lb, 700, served=False)
        self.wait_idle(lb, 700)
        lb.reload()
        for stream in idle:
            self.assertEqual(stream.ask().status, 200)
        self.assertEqual(self.metrics(lb).value("lb_handovers_total"), 700)

    def test_one_worker_less_hands_over_to_the_others(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=3, timeouts={"drain": "100s"})
        idle = self.connections(lb, 60)
        self.wait_idle(lb, 60)
        lb.signal(signal.SIGTTOU)
        harness.wait_for(lambda: len(lb.workers()) == 2, "one worker less")
        for stream in idle:
            self.assertEqual(stream.ask().status, 200)

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

    def test_kills_in_the_midst_cost_only_the_connections_of_the_killed(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2)
        idle = self.connections(lb, 200)
        self.wait_idle(lb, 200)
        victim = lb.workers()[0]
        lb.write()
        lb.signal(signal.SIGHUP)
        os.kill(victim, signal.SIGKILL)
        lb.wait_log("reload completed", 1)
        lost = sum(not self.answers(stream) for stream in idle)
        self.assertLess(lost, 150, "those of one of two workers")
        self.wait_idle(lb, 200 - lost)
        self.assertEqual(lb.ask("/").status, 200)

    def test_a_drain_takes_no_connection_along(self):
        one = self.origin()
        lb = self.ballast([one.url], workers=2, timeouts={"drain": "100s"})
        idle = self.connections(lb, 50)
        self.assertEqual(lb.stop(), 0)
        self.assertTrue(all(stream.is_closed() for stream in idle))


class State(harness.Case):
    def test_the_limiter_goes_on_through_reloads(self):
        """Burst and rate, as if there were one process that never changed: 50 + 100 t, within 2 %."""
        one = self.origin()
        lb = self.ballast([one.url], workers=4,
                          rate_limit={"requests_per_second": 100, "burst": 50})
        ending, lock, admitted = threading.Event(), threading.Lock(), []

        def hammer():
            count = 0
            with lb.connect() as stream:
                while not ending.is_set():
                    count += stream.ask().status == 200
            with lock:
                admitted.append(count)

        threads = [threading.Thread(target=hammer) for _ in range(8)]
        begin = lb_time()
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                lb.reload()
            harness.wait_for(lambda: lb_time() - begin > 4, "a while")
        finally:
            ending.set()
            for thread in threads:
                thread.join()
        seconds = lb_time() - begin
        self.assertEqual(len(admitted), 8, "no connection was closed")
        expected = 50 + 100 * seconds
        self.assertLessEqual(sum(admitted), expected * 1.02)
        self.assertGreaterEqual(sum(admitted), expected * 0.98)

    def test_a_backend_that_comes_back_finds_its_counters(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.ballast([one.url, two.url], workers=2)
        for _ in range(10):
            self.assertEqual(lb.ask("/").status, 200)
        busy = lb.connect()
        self.addCleanup(busy.close)
        busy.send(wire.request(target="/sleep/500"))
        harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == 1, "a request")
        gone = one if lb.metrics().value("lb_active_connections", backend=one.url) else two
        stays = two if gone is one else one
        lb.reload(backends=[stays.url])
        self.assertEqual(lb.metrics().value("lb_active_connections", backend=gone.url), 1)
        self.assertEqual(busy.read_response().status, 200)
        for _ in range(10):
            self.assertEqual(lb.ask("/").status, 200)
        lb.reload(backends=[one.url, two.url])
        metrics = lb.metrics_after(21)
        self.assertEqual(metrics.value("lb_requests_total", backend=gone.url), 6)
        self.assertEqual(metrics.value("lb_requests_total", backend=stays.url), 15)

    def test_connections_of_both_generations_are_counted_together(self):
        one, two = self.origin("one"), self.origin("two")
        lb = self.ballast([one.url, two.url], workers=2, strategy="least-connection")
        busy = []
        for _ in range(2):
            for _ in range(4):
                stream = lb.connect()
                self.addCleanup(stream.close)
                stream.send(wire.request(target="/sleep/1500"))
                busy.append(stream)
                harness.wait_for(lambda: lb.metrics().value("lb_active_connections") == len(busy),
                                 "a request in flight")
            metrics = lb.metrics()
            for origin in (one, two):
                self.assertEqual(metrics.value("lb_active_connections", backend=origin.url),
                                 len(busy) // 2)
            if len(busy) == 4:
                lb.reload()
        for stream in busy:
            self.assertEqual(stream.read_response().status, 200)


def lb_time():
    """The clock that the limiter reads, too."""
    return harness.time.monotonic()


if __name__ == "__main__":
    harness.main()
