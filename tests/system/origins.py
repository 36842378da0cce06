"""Backends for tests: the demo origin as a process, and one that behaves as a script says."""

import os
import random
import socket
import subprocess
import threading

import wire

BUILD = os.environ.get("BUILD", "build")


class Origin:
    """build/origin on a port of its own; it can be ended and started again on the same port."""

    def __init__(self, name="one", port=0):
        self.name = name
        self.port = port
        self.process = None
        self.start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def start(self):
        program = os.environ.get("ORIGIN", os.path.join(BUILD, "origin"))
        self.process = subprocess.Popen(
            [program, "-n", self.name, str(self.port)],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if "listening on" not in line:
            raise AssertionError("origin %s did not start: %r" % (self.name, line))
        self.port = int(line.rsplit(":", 1)[1])

    def count(self):
        return int(wire.ask(self.port, "/count").text)

    def stop(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None


class Script:
    """A backend whose connections are each handed to handle(stream) in a thread of its own.

    heads has what came as requests, when the handler uses take().
    """

    def __init__(self, handle, host="127.0.0.1", port=0, receive_buffer=None):
        self.handle = handle
        self.seen = []
        self.connections = 0
        self.errors = []
        self.lock = threading.Lock()
        self.streams = []
        self.listener = socket.create_server((host, port), backlog=512)
        if receive_buffer is not None:  # accepted sockets inherit it
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            stream = wire.Stream(sock, timeout=120)
            with self.lock:
                self.connections += 1
                self.streams.append(stream)
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        try:
            self.handle(self, stream)
        except (OSError, wire.Closed):
            pass  # the balancer left, or the test is over
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)
        finally:
            stream.close()

    def take(self, stream):
        request = stream.read_request()
        with self.lock:
            self.seen.append(request)
        return request

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            for stream in self.streams:
                try:
                    stream.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.thread.join(5)
        assert not self.errors, self.errors


def answers(*responses):
    """A handler that gives each request of a connection the next raw response; the last repeats."""

    def handle(script, stream):
        at = 0
        while True:
            script.take(stream)
            stream.send(responses[min(at, len(responses) - 1)])
            at += 1

    return handle


def once(response):
    """A handler that answers one request and closes."""

    def handle(script, stream):
        script.take(stream)
        stream.send(response)

    return handle


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def unused_port():
    """A port on which nobody listens, below those the kernel hands out: nobody gets it by chance."""
    while True:
        port = random.randrange(12000, 32000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            pass
