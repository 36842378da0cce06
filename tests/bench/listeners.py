"""Ways to share a port without counting, for bench-fairness: what the kernel alone makes of it.

`spread(way, clients)` connects so many clients one after the other, each of which asks once and
stays, to WORKERS processes that wait in epoll, and gives how many connections each of them took.

    shared      one listener, each process is woken for each connection
    exclusive   one listener, one of those that sleep is woken (EPOLLEXCLUSIVE)
    reuseport   a listener for each process (SO_REUSEPORT): the kernel chooses by hash
"""

import os
import select
import signal
import socket

WAYS = ("shared", "exclusive", "reuseport")
BACKLOG = 1024


def listen(port, reuse):
    listener = socket.socket()
    if reuse:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def serve(listener, way, counts):
    """A worker: one connection per turn, as ballast takes them; tells of each by an octet."""
    waiting = select.epoll()
    waiting.register(listener, select.EPOLLIN | (select.EPOLLEXCLUSIVE if way == "exclusive" else 0))
    held = {}
    while True:
        for fd, _ in waiting.poll():
            if fd != listener.fileno():
                if held[fd].recv(1):
                    held[fd].send(b"a")
                    continue
                waiting.unregister(fd)
                held.pop(fd).close()
                continue
            try:
                client = listener.accept()[0]
            except BlockingIOError:
                continue
            held[client.fileno()] = client
            waiting.register(client, select.EPOLLIN)
            os.write(counts, b"c")


def start(way, workers):
    """(port, [(pid, where it tells of connections)])"""
    listeners = [listen(0, way == "reuseport")]
    port = listeners[0].getsockname()[1]
    if way == "reuseport":
        listeners += [listen(port, True) for _ in range(workers - 1)]
    started = []
    for i in range(workers):
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                serve(listeners[i % len(listeners)], way, tell)
            finally:
                os._exit(1)  # pylint: disable=protected-access
        os.close(tell)
        started.append((pid, told))
    for listener in listeners:
        listener.close()
    return port, started


def spread(way, clients, workers):
    port, started = start(way, workers)
    held = []
    try:
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", port), 10)
            held.append(client)
            client.send(b"q")
            client.recv(1)
        return [len(os.read(told, 2 * clients)) if select.select([told], [], [], 0)[0] else 0
                for _, told in started]
    finally:
        for pid, told in started:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(told)
        for client in held:
            client.close()
