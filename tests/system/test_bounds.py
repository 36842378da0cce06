"""Memory has a bound that -T prints, and the worst load that can be made stays below it.

What a worker has of its own is measured from outside, while every connection that it may hold is
stalled in the way that costs most.  Sanitizers and gcov bring memory of their own: skipped there.
"""

import os
import re
import resource
import select
import time
import unittest

import harness
import wire

CONNECTIONS = 200
HEAD = 60000
LONG = {name: "1h" for name in ("request_header", "request_body", "response_header",
                                "response_body", "client_write", "keep_alive")}
FILLER = b"x" * 65536
INTERIM = b"HTTP/1.1 103 Early Hints\r\nX-Pad: " + b"i" * HEAD + b"\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\nX-Pad: " + b"o" * HEAD + b"\r\n\r\n"
PADDED = {"X-Pad": "h" * HEAD}


def private_mib(pid):
    """What no other process shares with it; without the right to know, all its anonymous memory."""
    kib = [int(n) for n in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)",
                                      harness.read_proc(pid, "smaps_rollup"), re.M)]
    if not kib:
        kib = [int(n) for n in re.findall(r"^RssAnon:\s+(\d+)",
                                          harness.read_proc(pid, "status"), re.M)]
    return sum(kib) / 1024


def forever(stream, octets):
    while True:
        stream.send(octets)


def answers_first(_, stream):
    """Reads nothing and answers without an end: interim heads, nearly as many as are allowed, and a body."""
    for _ in range(30):
        stream.send(INTERIM)
    stream.send(LARGE)
    forever(stream, FILLER)


def of_each_kind(_, stream):
    head = stream.read_head()
    if b"/interims" in head:
        answers_first(_, stream)
    elif b"/tunnel" in head:
        stream.send(SWITCHED)
        forever(stream, FILLER)
    elif b"/large" in head:
        stream.send(LARGE)
        forever(stream, FILLER)
    hang_up = select.poll()  # neither reads nor answers
    hang_up.register(stream.sock, 0)
    hang_up.poll()


class Pusher:
    """A client that sends `first`, then `again` for ever, and never reads."""

    def __init__(self, port, first, again):
        self.stream = wire.connect(port, receive_buffer=4096)
        self.stream.sock.setblocking(False)
        self.left, self.again = first, again

    def push(self):
        """Whether something went."""
        moved = False
        while self.left:
            try:
                n = self.stream.sock.send(self.left)
            except BlockingIOError:
                return moved
            except ConnectionError:
                self.left = self.again = b""  # it was answered with a close
                return moved
            moved = moved or n > 0
            self.left = self.left[n:] or self.again
        return moved


@unittest.skipIf(harness.SANITIZED, "their memory is not ours")
class Memory(harness.Case):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def full_instance(self, handle, **more):
        script = self.script(handle, receive_buffer=4096)
        lb = self.prepare([script.url], timeouts=dict(LONG, drain="1s"), **more)
        lb.expected_exit = None  # what stalls is cut
        lb.values["access_log"] = lb.path("access.log")
        lb.values["limits"] = {"connections": CONNECTIONS, "header_bytes": "64k"}
        lb.write()
        return lb.start()

    @staticmethod
    def printed(lb, what=r"MiB per worker"):
        dump = harness.run(*lb.arguments(), *lb.flags, "-T").stdout
        return int(re.search(r"memory: at most (\d+) " + what, dump).group(1))

    def pushers(self, lb, number, first, again):
        made = [Pusher(lb.port, first, again) for _ in range(number)]
        for one in made:
            self.addCleanup(one.stream.close)
        return made

    def fill(self, lb, pushers, expected=0):
        """
        Pushes until nobody can send and no worker grows; the most that each worker ever had.  Where that is less than
        expected, and somebody may only have been starved, it goes on for a while.
        """
        most = dict.fromkeys(lb.workers(), 0)
        quiet, begun = 0, time.monotonic()
        while quiet < 20 or (min(most.values()) < expected and time.monotonic() < begun + 30):  # looks in a row
            self.assertLess(time.monotonic(), begun + 100, "somebody goes on sending")
            moved = sum(one.push() for one in pushers)
            now = {pid: private_mib(pid) for pid in most}
            grew = any(now[pid] > most[pid] for pid in most)
            most = {pid: max(now[pid], most[pid]) for pid in most}
            quiet = 0 if moved or grew else quiet + 1
            time.sleep(0.02)
        return most

    def held(self, lb):
        metrics = harness.Metrics(lb.control("/metrics").text)
        return metrics.value("lb_client_connections")

    def test_the_worst_load_stays_below_the_printed_figure_and_not_far_below(self):
        lb = self.full_instance(answers_first, workers=1)
        bound = self.printed(lb)
        first = wire.request("POST", "/", fields=dict(PADDED, **{"Content-Length": "1000000000"}))
        most = self.fill(lb, self.pushers(lb, CONNECTIONS, first, FILLER), expected=bound / 3)
        self.assertEqual(self.held(lb), CONNECTIONS, lb.read("access.log")[-3000:])
        self.assertEqual(len(most), 1)
        for mib in most.values():
            self.assertLessEqual(mib, bound)
            self.assertGreaterEqual(mib, bound / 3)

    def test_what_each_kind_of_stalled_connection_takes_is_bounded_and_goes_back(self):
        lb = self.full_instance(of_each_kind, workers=2)
        bound = self.printed(lb)
        upgrade = {"Connection": "Upgrade", "Upgrade": "test"}
        sized = dict(PADDED, **{"Content-Length": "1000000000"})
        each = CONNECTIONS * 2 // 6 - 5  # workers do not share evenly: none must be full
        pushers = []
        for first, again in (
                (wire.request(fields=PADDED)[:-4], b""),  # a head that does not end
                (wire.request(target="/tunnel", fields=upgrade), FILLER),
                (wire.request(target="/large", fields=PADDED), wire.request(target="/next")),
                (wire.request("PUT", "/interims", fields=sized), FILLER),
                (wire.request("PUT", "/silent", fields=sized), FILLER),
                (wire.request("PUT", "/chunks", fields=[("Transfer-Encoding", "chunked")]),
                 b"1\r\nx\r\n" * 10000)):
            pushers += self.pushers(lb, each // 2, first, again)
        most = self.fill(lb, pushers)
        self.assertEqual(self.held(lb), len(pushers))
        for mib in most.values():
            self.assertLessEqual(mib, bound)
        for one in pushers:
            one.stream.reset()
        harness.wait_for(lambda: self.held(lb) == 0, "all connections gone")
        self.assertGreater(max(most.values()), 5)
        harness.wait_for(lambda: all(private_mib(pid) < 5 for pid in lb.workers()),
                         "the memory back: %s" % [private_mib(pid) for pid in lb.workers()])

    def test_an_idle_connection_holds_no_buffer(self):
        origin = self.origin()
        lb = self.prepare([origin.url], workers=1, timeouts=LONG,
                          limits={"connections": CONNECTIONS, "header_bytes": "64k"}).start()
        (worker,) = lb.workers()
        before = private_mib(worker)
        streams = [lb.connect() for _ in range(CONNECTIONS - 1)]
        for stream in streams:
            self.addCleanup(stream.close)
            self.assertEqual(stream.ask().status, 200)
        self.assertEqual(self.held(lb), len(streams))
        self.assertLess(private_mib(worker) - before, 2)  # with a buffer each: 14 MiB

    def test_an_idle_worker_with_thousands_of_backends_stays_below_its_fixed_part(self):
        urls = ["http://127.0.0.1:%d" % port for port in range(20000, 24000)]
        for strategy in ("round-robin", "least-connection"):
            lb = self.prepare(urls, workers=1, strategy=strategy, retries=0,
                              process={"max_backends": 5000}, limits={"connections": 1}).start()
            self.assertIn(lb.ask().status, (502, 503))  # the answer is not the matter
            lb.reload(retries=1)  # the master lets the old configuration go
            self.assertIn(lb.ask().status, (502, 503))
            (worker,) = lb.workers()
            self.assertLessEqual(private_mib(worker), self.printed(lb))


class Dump(harness.Case):
    def test_the_figures_follow_the_configuration(self):
        def figure(**limits):
            lb = self.prepare(["http://127.0.0.1:1"], limits=limits)
            return Memory.printed(lb), Memory.printed(lb, "KiB per connection")

        small, each = figure(connections=1000, header_bytes="16k")
        large, same = figure(connections=4000, header_bytes="16k")
        self.assertEqual(each, same)
        self.assertAlmostEqual(large - small, 3000 * each / 1024, delta=8)
        self.assertGreater(figure(connections=1000, header_bytes="64k")[0], 2 * small)

    def test_the_dump_with_its_figures_loads_again(self):
        lb = self.prepare(["http://127.0.0.1:1"])
        dump = harness.run(*lb.arguments(), "-T").stdout
        lb.write_text(dump)
        again = harness.run(*lb.arguments(), "-T")
        self.assertEqual(again.returncode, 0, again.stderr)
        figures = re.findall(r"^# memory: .*$", dump, re.M)
        self.assertEqual(len(figures), 4)
        self.assertEqual(figures, re.findall(r"^# memory: .*$", again.stdout, re.M))

    def test_the_printed_segment_is_the_one_that_is_made(self):
        lb = self.prepare(["http://127.0.0.1:1"])
        printed = re.search(r"memory: (\d+) MiB shared", harness.run(
            *lb.arguments(), *lb.flags, "-T").stdout).group(1)
        lb.start()
        size = sum(os.stat("/dev/shm/" + name).st_size for name in lb.segments)
        self.assertEqual(int(printed), -(-size // (1 << 20)))


if __name__ == "__main__":
    unittest.main()
