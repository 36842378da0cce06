"""Clients that take and give nothing back: many at once, each stuck in one way.

    crowd = Crowd(lb)
    crowd.fill({silent: 100, half_head: 100})
    crowd.close()

A kind is a function that takes a new connection as far as it is to come; what it waits for on the
way is bounded.  cpu_ns() tells what the workers spent meanwhile.
"""

import os
import resource
import select

import harness
import wire

SLOW_BYTES = 1500000  # more than all buffers between a client with a tiny window and the balancer


def silent(_):
    """Never says a word."""


def idle(stream):
    """One request, answered; then nothing."""
    assert stream.ask().status == 200


def half_head(stream):
    stream.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-")


def one_octet(stream):
    stream.send(b"G")


def big_head(stream):
    """Nearly all that a head may be, without its end."""
    stream.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 15800)


def half_body(stream):
    stream.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf")


def half_chunk(stream):
    stream.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf")


def slow_reader(stream):
    """Asks for much and takes nothing of it."""
    stream.send(wire.request("GET", "/bytes/%d" % SLOW_BYTES))


TINY_WINDOW = (slow_reader,)


def descriptors(wanted):
    """Room for so many sockets in this process; how many there can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + 500
    if hard != resource.RLIM_INFINITY:
        need = min(need, hard)
    if soft != resource.RLIM_INFINITY and soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
    return min(wanted, need - 500)


class Crowd:
    def __init__(self, port):
        self.port = port
        self.streams = []

    def one(self, kind):
        stream = wire.connect(self.port, receive_buffer=4096 if kind in TINY_WINDOW else None)
        self.streams.append(stream)
        kind(stream)
        return stream

    def fill(self, kinds):
        """kinds: how many of each; they come mixed."""
        left = dict(kinds)
        while any(left.values()):
            for kind in list(left):
                if left[kind] > 0:
                    left[kind] -= 1
                    self.one(kind)
        return self.streams

    def close(self):
        for stream in self.streams:
            stream.close()
        self.streams = []

    def reset(self):
        for stream in self.streams:
            if stream.sock.fileno() >= 0:
                stream.reset()
        self.streams = []


def is_open(stream):
    """Whether the other side has neither ended nor reset it (what came is thrown away)."""
    stream.sock.setblocking(False)
    try:
        while stream.sock.recv(65536):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        stream.sock.settimeout(wire.TIMEOUT)


def connections(lb, *states):
    """Client connections that the workers hold, by the control socket, which holds none."""
    workers = lb.status()["workers"]
    states = states or ("idle", "active", "tunnel")
    return sum(worker["connections"][state] for worker in workers for state in states)


def accepted(lb):
    return sum(worker["accepted"] for worker in lb.status()["workers"])


def is_at_rest(lb):
    """No client, no exchange, no active upstream connection is left."""
    backends = lb.status()["backends"]
    return connections(lb) == 0 and not any(
        backend["active"] or backend["upstream"]["active"] for backend in backends)


def cpu_ns(pids):
    """Processor time of processes: to the nanosecond where the kernel tells it."""
    total = 0
    for pid in pids:
        exact = harness.read_proc(pid, "schedstat").split()
        if exact:
            total += int(exact[0])
        else:
            fields = harness.read_proc(pid, "stat").rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) * 10 ** 9 // os.sysconf("SC_CLK_TCK")
    return total


def open_descriptors(pid):
    return {int(name) for name in os.listdir("/proc/%d/fd" % pid)}


def no_more_descriptors(pid):
    """From now on the process gets no new one.  Returns how to undo it."""
    have = open_descriptors(pid)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    first_free = next(n for n in range(len(have) + 1) if n not in have)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, hard))
    return lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def fill_until_blocked(stream, data, limit):
    """Sends data again and again until nothing is taken for a second, or the limit.  How much was taken."""
    stream.sock.setblocking(False)
    sent = 0
    while sent < limit:
        if not select.select([], [stream.sock], [], 1.0)[1]:
            break
        at = sent % len(data)
        try:
            sent += stream.sock.send(data[at:at + 65536])
        except BlockingIOError:
            pass
    stream.sock.settimeout(wire.TIMEOUT)
    return sent
