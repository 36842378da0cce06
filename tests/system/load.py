"""Traffic that does not stop while something else happens."""

import threading

import harness
import wire


class Load:
    """Keep-alive clients that never stop asking; whatever is not a 200, or no answer, is remembered in `bad`.

    A client that is told to close goes on on a new connection.
    """

    def __init__(self, lb, clients=8, target="/"):
        self.port = lb.port
        self.target = target
        self.ending = threading.Event()
        self.good = 0
        self.bad = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def client(self):
        stream = None
        while not self.ending.is_set():
            try:
                stream = stream or wire.connect(self.port)
                response = stream.ask(target=self.target)
                with self.lock:
                    self.good += response.status == 200
                    if response.status != 200:
                        self.bad.append(response.status)
                if (response.get("Connection") or "").lower() == "close":
                    stream.close()
                    stream = None
            except (OSError, wire.Closed) as error:
                with self.lock:
                    self.bad.append(repr(error))
                if stream:
                    stream.close()
                stream = None
        if stream:
            stream.close()

    def more(self, count=200):
        """Waits until that many further requests have been answered."""
        end = self.good + count
        harness.wait_for(lambda: self.good >= end or self.bad, "%d requests" % count)

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()
