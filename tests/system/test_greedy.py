"""Clients that take more than there is: connections beyond the limit, descriptors, memory, turns.

At the limit the oldest idle connection makes room, then the oldest half head; when there is neither,
new ones wait in the kernel's queue.  Nothing spins, and everything recovers.
"""

import os
import select
import signal
import socket
import threading
import unittest

import crowd
import harness
import wire
from harness import OK, answers

LONG = dict.fromkeys(("request_header", "request_body", "response_header", "client_write",
                      "keep_alive"), "120s")
SPIN_NS = 150 * 10 ** 6  # far more than a worker needs that has nothing to do for a second


class Greedy(harness.Case):
    def limited(self, backends, connections, **more):
        return self.ballast(backends, workers=1, timeouts=LONG,
                            limits={"connections": connections}, **more)

    def crowd(self, lb):
        people = crowd.Crowd(lb.port)
        self.addCleanup(people.close)
        return people

    def gated(self):
        """A backend that answers nobody before the gate is open."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def handle(script, stream):
            while True:
                script.take(stream)
                gate.wait(harness.PATIENCE * 2)
                stream.send(OK)
        return self.script(handle), gate

    def waiting(self, lb, count):
        """So many connections whose request the backend has not answered."""
        clients = []
        for _ in range(count):
            client = lb.connect()
            self.addCleanup(client.close)
            client.send(wire.request())
            clients.append(client)
        return clients

    def tight(self, lb):
        """A client with small buffers, for which little fits between two that do not read."""
        client = lb.connect(receive_buffer=4096)
        self.addCleanup(client.close)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        return client

    def nothing_comes(self, stream, seconds):
        """What else a while can be waited with: turns of the worker's loop go by."""
        stream.sock.settimeout(seconds)
        with self.assertRaises(TimeoutError):
            stream.more()
        stream.sock.settimeout(wire.TIMEOUT)

    def is_polite_served(self, lb, times=5):
        for _ in range(times):
            self.assertEqual(lb.ask().status, 200)


class Room(Greedy):
    def test_the_oldest_of_those_that_never_spoke_makes_room(self):
        lb = self.limited([self.origin().url], 16)
        streams = self.crowd(lb).fill({crowd.silent: 16})
        harness.wait_for(lambda: crowd.accepted(lb) == 16, "all accepted")
        self.is_polite_served(lb, 1)
        self.assertTrue(streams[0].is_closed())
        self.assertTrue(all(crowd.is_open(stream) for stream in streams[1:]))

    def test_who_kept_its_connection_after_an_answer_goes_before_who_is_new(self):
        lb = self.limited([self.origin().url], 8)
        people = self.crowd(lb)
        streams = people.fill({crowd.silent: 4})
        harness.wait_for(lambda: crowd.accepted(lb) == 4, "all accepted")
        self.nothing_comes(streams[0], 0.5)  # they are not new any more
        streams += crowd.Crowd(lb.port).fill({crowd.idle: 4})
        self.is_polite_served(lb, 1)
        self.assertTrue(streams[4].is_closed())
        self.assertTrue(all(crowd.is_open(stream) for stream in streams[:4] + streams[5:]))
        for stream in streams:
            stream.close()

    def test_half_heads_make_room_when_nobody_is_idle(self):
        lb = self.limited([self.origin().url], 16)
        streams = self.crowd(lb).fill({crowd.half_head: 16})
        harness.wait_for(lambda: crowd.connections(lb, "active") == 16, "all at their heads")
        self.is_polite_served(lb, 1)
        self.assertEqual(streams[0].read_response().status, 408)
        self.assertTrue(streams[0].is_closed())
        self.assertTrue(all(crowd.is_open(stream) for stream in streams[1:]))

    def test_heads_that_fill_all_buffers_make_room(self):
        lb = self.limited([self.origin().url], 64)
        worker = lb.workers()[0]
        self.crowd(lb).fill({crowd.big_head: 200})
        self.is_polite_served(lb)
        self.assertEqual(lb.workers(), [worker])
        self.assertLessEqual(crowd.connections(lb), 64)

    def test_single_octets_make_room(self):
        lb = self.limited([self.origin().url], 64)
        self.crowd(lb).fill({crowd.one_octet: 200, crowd.silent: 50})
        self.is_polite_served(lb)

    def test_nobody_goes_while_another_worker_has_room(self):
        lb = self.ballast([self.origin().url], workers=2, timeouts=LONG, limits={"connections": 8})
        held = []
        for i in range(150):  # never more than 14 of 16, however they are spread
            if len(held) == 14:
                held.pop(i * 5 % 14).close()
            client = lb.connect()
            self.addCleanup(client.close)
            client.send(b"GET / HTTP/1.1\r\nHost: half")
            held.append(client)
            # An answer would be a 408, or an end.
            self.assertEqual(select.select([c.sock for c in held], [], [], 0.02)[0], [])

    def test_an_idle_connection_whose_request_is_here_already_is_not_the_one_to_go(self):
        lb = self.limited([self.origin().url], 8)
        streams = self.crowd(lb).fill({crowd.idle: 8})
        worker = lb.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        try:
            late = self.waiting(lb, 3)  # known first, so that they are looked at first
            for stream in streams:
                stream.send(wire.request())
        finally:
            os.kill(worker, signal.SIGCONT)
        for stream in streams:
            self.assertEqual(stream.read_response().status, 200)
        for client in late:
            self.assertEqual(client.read_response().status, 200)

    def test_exchanges_make_no_room_and_who_comes_then_waits_its_turn(self):
        script, gate = self.gated()
        lb = self.limited([script.url], 16)
        clients = self.waiting(lb, 16)
        harness.wait_for(lambda: len(script.seen) == 16, "all at the backend")
        late = self.waiting(lb, 16)
        before = crowd.cpu_ns(lb.workers())
        self.nothing_comes(late[0], 1.5)
        self.assertLess(crowd.cpu_ns(lb.workers()) - before, SPIN_NS)
        self.assertEqual(len(script.seen), 16)
        gate.set()
        for client in clients + late:
            self.assertEqual(client.read_response().status, 200)

    def test_bodies_and_answers_on_their_way_make_no_room_but_end_by_their_limits(self):
        lb = self.ballast([self.origin().url], workers=1, limits={"connections": 32},
                          timeouts=dict(LONG, request_body="1s", client_write="1s"))
        self.crowd(lb).fill({crowd.half_body: 16, crowd.slow_reader: 8, crowd.half_chunk: 8})
        self.is_polite_served(lb)  # waits for a limit, and no longer


    def test_bodies_that_drip_for_ever_make_room_once_they_have_had_their_limit(self):
        lb = self.ballast([self.origin().url], workers=1, limits={"connections": 16},
                          timeouts=dict(LONG, request_body="1s"))
        streams = self.crowd(lb).fill({crowd.half_body: 16})
        ending = threading.Event()

        def drip():
            """Three octets a second from each: never silent for as long as the limit."""
            while not ending.wait(0.3):
                for stream in streams:
                    try:
                        stream.send(b"x")
                    except OSError:
                        pass
        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            self.is_polite_served(lb)
        finally:
            ending.set()
            dripping.join()
        self.assertGreaterEqual(sum(crowd.is_open(stream) for stream in streams), 10)


class Descriptors(Greedy):
    def limited(self, backends, connections, process=None, **more):
        # Whose limits we change must be of our own user.
        process = process or ({"user": "root"} if os.geteuid() == 0 else None)
        return super().limited(backends, connections, process=process, **more)

    def test_without_descriptors_nothing_spins_and_those_who_waited_are_served_afterwards(self):
        script, gate = self.gated()
        lb = self.limited([script.url], 1000)
        clients = self.waiting(lb, 20)
        harness.wait_for(lambda: len(script.seen) == 20, "all at the backend")
        worker = lb.workers()[0]
        give_back = crowd.no_more_descriptors(worker)
        before = crowd.cpu_ns([worker])
        late = self.waiting(lb, 20)
        harness.wait_for(lambda: lb.status()["totals"]["lb_accept_errors_total"] >= 5,
                         "five vain tries, a tenth of a second apart")
        self.nothing_comes(late[0], 1)
        self.assertLess(crowd.cpu_ns([worker]) - before, SPIN_NS)
        self.assertLess(lb.status()["totals"]["lb_accept_errors_total"], 1000)
        give_back()
        gate.set()
        for client in clients + late:
            self.assertEqual(client.read_response().status, 200)
        self.assertEqual(lb.workers(), [worker])

    def test_without_descriptors_idle_connections_make_room(self):
        lb = self.limited([self.origin().url], 1000)
        self.crowd(lb).fill({crowd.idle: 20, crowd.silent: 20})
        harness.wait_for(lambda: crowd.accepted(lb) == 40, "all accepted")
        worker = lb.workers()[0]
        give_back = crowd.no_more_descriptors(worker)
        self.is_polite_served(lb, 20)
        give_back()
        self.is_polite_served(lb)
        self.assertEqual(lb.workers(), [worker])

    def test_who_is_here_gets_503_when_no_descriptor_is_left_for_a_backend(self):
        script, gate = self.gated()
        lb = self.limited([script.url], 1000)
        others = self.waiting(lb, 5)
        harness.wait_for(lambda: len(script.seen) == 5, "all at the backend")
        client = self.crowd(lb).one(crowd.silent)
        harness.wait_for(lambda: crowd.accepted(lb) == 6, "the client accepted")
        worker = lb.workers()[0]
        give_back = crowd.no_more_descriptors(worker)
        client.send(wire.request())
        self.assertEqual(client.read_response().status, 503)
        give_back()
        gate.set()
        for other in others:
            self.assertEqual(other.read_response().status, 200)
        self.is_polite_served(lb)
        self.assertEqual(lb.workers(), [worker])

    def test_an_idle_connection_to_another_backend_makes_room_for_a_new_one(self):
        one, (two, gate) = self.origin(), self.gated()
        lb = self.limited([one.url, two.url], 1000)
        clients = [self.crowd(lb).one(crowd.silent) for _ in range(3)]
        harness.wait_for(lambda: crowd.accepted(lb) == 3, "all accepted")
        self.assertEqual(clients[0].ask().status, 200)  # its connection to `one` is pooled now
        gate.set()
        give_back = crowd.no_more_descriptors(lb.workers()[0])
        self.assertEqual(clients[1].ask().body, b"ok")
        give_back()

    def test_a_small_max_open_files_leaves_each_client_a_descriptor_for_its_backend(self):
        lb = self.limited([self.origin().url], 8192, process={"max_open_files": 64})
        warning = lb.wait_log("limits.connections cannot be reached with so few open files")[0]
        self.assertEqual((warning["connections"], warning["wanted"]), (19, 8192))
        self.crowd(lb).fill({crowd.idle: 60, crowd.half_head: 40, crowd.silent: 40})
        self.is_polite_served(lb, 20)
        self.assertLessEqual(crowd.connections(lb), 19)
        self.assertEqual(lb.status()["totals"]["requests"]["5xx"], 0)


class Turns(Greedy):
    def test_a_flood_of_requests_is_throttled_and_answered_in_order(self):
        """Thousands of pipelined requests by a client that reads nothing meanwhile."""
        lb = self.limited([self.origin().url], 100)
        worker = lb.workers()[0]
        self.is_polite_served(lb)
        before_kib = harness.resident_kib(worker)
        client = self.tight(lb)
        requests = [wire.request("GET", "/bytes/%d" % (n % 997 + 1)) for n in range(997)]
        flood, total = b"".join(requests), 64 << 20
        sent = crowd.fill_until_blocked(client, flood, total)
        self.assertLess(sent, total)
        self.is_polite_served(lb)
        if not harness.SANITIZED:
            self.assertLess(harness.resident_kib(worker) - before_kib, 4096)
        ends, end = [], 0
        for request in requests:
            end += len(request)
            ends.append(end)
        whole, rest = divmod(sent, len(flood))
        answered = whole * len(requests) + sum(end <= rest for end in ends)
        self.assertGreater(answered, 1000)
        client.half_close()
        for n in range(answered):
            response = client.read_response()
            self.assertEqual((response.status, len(response.body)), (200, n % 997 + 1))
        if rest not in [0] + ends:
            self.assertEqual(client.read_response().status, 400)  # the one that was cut
        self.assertTrue(client.is_closed())

    def test_a_flood_of_refused_requests_is_throttled(self):
        """The same with answers of our own."""
        lb = self.limited([self.origin().url], 100,
                          rate_limit={"requests_per_second": 1, "burst": 1})
        client = self.tight(lb)
        total = 64 << 20
        self.assertLess(crowd.fill_until_blocked(client, wire.request() * 1000, total), total)
        worker = lb.workers()[0]
        before = crowd.cpu_ns([worker])
        with lb.connect() as silent:
            self.nothing_comes(silent, 1)
        self.assertLess(crowd.cpu_ns([worker]) - before, SPIN_NS)
        statuses = [client.read_response().status for _ in range(1000)]
        self.assertEqual((statuses[0], set(statuses)), (200, {200, 429}))
        self.assertGreater(statuses.count(429), 900)

    def test_a_client_that_floods_does_not_keep_others_from_their_turn(self):
        script = self.script(answers(OK))
        lb = self.limited([script.url], 100)
        ending = threading.Event()

        def flood():
            with lb.connect() as client:
                client.sock.settimeout(0.2)
                while not ending.is_set():
                    try:
                        client.send(wire.request() * 50)
                        for _ in range(50):
                            client.read_response()
                    except TimeoutError:
                        pass
        floods = [threading.Thread(target=flood) for _ in range(4)]
        for thread in floods:
            thread.start()
        try:
            self.is_polite_served(lb, 50)
        finally:
            ending.set()
            for thread in floods:
                thread.join()


if __name__ == "__main__":
    unittest.main()
