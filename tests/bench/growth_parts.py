"""The parts of growth.py: each a function of the settings that returns points.

A point is {"series", "x", figure: [its value in each round], "failures"}.  Where several points are
compared, they are measured in turn, each on an instance of its own, and each round begins at
another one.
"""

import dataclasses
import re
import subprocess
import threading
import time

import bench
import machine
import measure
import scenarios
import subjects

SMALL = scenarios.BY_NAME["small"]
STRATEGIES = ("round-robin", "least-connection")
MANY = 1000
TABLE_ROWS = 1 << 20
SCRAPES = 20
UNDISTURBED = "under load, not scraped"
RELOADS = 5
# A token takes 12.5 s: with very many addresses no bucket is full again when it is asked for next.
SLOW_REFILL = {"requests_per_second": 0.08, "burst": 2000, "max_clients": TABLE_ROWS}
QUICK_REFILL = dict(subjects.NEVER_REFUSES, max_clients=TABLE_ROWS)


class Settings:
    def __init__(self):
        self.rounds = bench.whole("ROUNDS", 5)
        self.seconds = bench.whole("BENCH_SECONDS", 3)
        self.warmup = bench.whole("BENCH_WARMUP", 1)
        self.addresses = bench.whole("GROWTH_ADDRESSES", 1000000)
        self.idle = bench.whole("GROWTH_IDLE", 4000)


@dataclasses.dataclass
class Point:
    """One x: ballast with these settings under this kind of load (bench.lua)."""
    series: str
    x: int
    values: dict = dataclasses.field(default_factory=dict)
    workers: int = subjects.WORKERS
    kind: list = None
    clients: int = SMALL.connections
    rounds: list = dataclasses.field(default_factory=list)

    def told(self, names):
        row = {"series": self.series, "x": self.x,
               "failures": sum(r.get("failures", 0) for r in self.rounds)}
        for name in names:
            row[name] = [r[name] for r in self.rounds if name in r]
        return row


# -- what ballast runs before --------------------------------------------------------

def backend_addresses(n):
    """Loopback addresses, one port."""
    port = machine.free_port()
    return ["127.0.%d.%d:%d" % (1 + i // 250, 1 + i % 250, port) for i in range(n)]


def urls(listens):
    return ["http://" + listen for listen in listens]


def start(family, values, workers=subjects.WORKERS):
    """(subject, its process)."""
    subject = subjects.Ballast("ballast")
    subject.values.update(values)
    subject.workers = workers
    return subject, subject.start(family, SMALL, [])


def load(settings, family, point):
    """A point's figures in one round."""
    subject, process = start(family, point.values, point.workers)
    scenario = dataclasses.replace(SMALL, connections=point.clients)
    try:
        found = measure.under_load(family, subject, process, scenario, settings.seconds,
                                   settings.warmup, point.kind)
    finally:
        family.end(process)
    found["workers_us"] = found["cpu_us_by_role"].get("worker", 0)
    return found


def load_floor(settings, family, point):
    """The same of the floor: what so many processes cost the kernel."""
    subject = subjects.Floor("floor")
    subject.workers = point.workers
    scenario = dataclasses.replace(SMALL, connections=point.clients)
    process = subject.start(family, scenario, [point.values["origin"]])
    try:
        found = measure.under_load(family, subject, process, scenario, settings.seconds,
                                   settings.warmup)
    finally:
        family.end(process)
    found["workers_us"] = found["cpu_us"]
    return found


def in_turn(settings, family, points, once=load):
    for number in range(settings.rounds):
        shift = number % len(points)
        for point in points[shift:] + points[:shift]:
            point.rounds.append(once(settings, family, point))


def loaded(settings, n_backends, make_points):
    """The points that make_points(urls) gives, under load."""
    with machine.Family() as family:
        listens = backend_addresses(n_backends)
        subjects.start_nginx(family, scenarios.SMALL_BODY, listens)
        points = make_points(urls(listens))
        in_turn(settings, family, points)
    return [point.told(["cpu_us", "workers_us", "p99_ms"]) for point in points]


# -- parts ------------------------------------------------------------------------------

def backends(settings):
    """The health checks of all of them are in the whole, not in what is the workers'."""
    return loaded(settings, MANY, lambda all_urls: [
        Point(strategy, n, {"backends": all_urls[:n], "strategy": strategy})
        for strategy in STRATEGIES for n in (2, 10, 100, MANY)])


def limiter(settings):
    """Clients named by X-Forwarded-For, so that connections stay and only the table differs."""
    def points(all_urls):
        told = {"backends": all_urls, "trusted_proxies": ["127.0.0.0/8"]}
        many = settings.addresses
        return [
            Point("full again", 1, dict(told, rate_limit=QUICK_REFILL), kind=["spread", "1"]),
            Point("full again", many, dict(told, rate_limit=QUICK_REFILL),
                  kind=["spread", str(many)]),
            Point("still in use", many, dict(told, rate_limit=SLOW_REFILL),
                  kind=["spread", str(many)]),
        ]
    return loaded(settings, 2, points)


def workers(settings):
    """Beside them the floor, whose processes share two processors as well."""
    port = machine.free_port()
    listen = "127.0.0.1:%d" % port
    with machine.Family() as family:
        subjects.start_nginx(family, scenarios.SMALL_BODY, [listen])
        points = [Point("%s, %d clients" % (name, clients), n, values, workers=n, clients=clients)
                  for name, values in (("ballast", {"backends": urls([listen])}),
                                       ("floor", {"origin": port}))
                  for clients in (64, 1000) for n in (2, 4, 8)]
        in_turn(settings, family, points, lambda *args: (
            load_floor if "origin" in args[2].values else load)(*args))
    return [point.told(["cpu_us", "workers_us", "p99_ms"]) for point in points]


def ask_from(process, port, addresses, requests, first):
    """By sources.c, a connection for each request; figures as of a round."""
    before = machine.usage(process.pid)
    done = subprocess.run([subjects.built("sources"), str(port)] +
                          [str(n) for n in (addresses, requests, first)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=3600, check=False)
    spent = machine.usage(process.pid) - before
    failed = re.search(r"failures=(\d+)", done.stdout)
    return {"cpu_us": spent.cpu_ns / 1000 / requests,
            "workers_us": spent.cpu_ns_of("worker") / 1000 / requests,
            "failures": int(failed.group(1)) if failed else requests}


def sources(settings):
    """One instance: in turn some connections from one address and many from ever new ones."""
    chunk = max(settings.addresses // 10, 1)
    points = []
    with machine.Family() as family:
        listens = backend_addresses(2)
        subjects.start_nginx(family, scenarios.SMALL_BODY, listens)
        subject, process = start(family, {"backends": urls(listens), "rate_limit": QUICK_REFILL})
        for i in range(10):
            one = Point("one address", (i + 1) * chunk)
            many = Point("all addresses", (i + 1) * chunk)
            one.rounds.append(ask_from(process, subject.port, 1, max(chunk // 4, 1), 0))
            many.rounds.append(ask_from(process, subject.port, settings.addresses, chunk,
                                        i * chunk))
            points += [one, many]
    points.sort(key=lambda point: point.series, reverse=True)
    return [point.told(["cpu_us", "workers_us"]) for point in points]


class Scraper(threading.Thread):
    """Asks for the metrics once a second until told otherwise."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.scrapes, self.bytes, self.over = port, 0, 0, threading.Event()

    def scrape(self):
        status, page = machine.ask(self.port, "/metrics")
        self.scrapes += status == 200
        self.bytes += len(page)

    def run(self):
        while not self.over.is_set():
            self.scrape()
            self.over.wait(1.0)

    def stop(self):
        self.over.set()
        if self.is_alive():
            self.join(machine.PATIENCE)


def scraped(settings, family, point):
    """Under load, with a scraper beside it where the point says so."""
    admin = machine.free_port()
    values = dict(point.values, admin={"listen": "127.0.0.1:%d" % admin})
    subject, process = start(family, values)
    try:
        measure.wrk(SMALL, subject.port, 1)  # so that there is something to print for each backend
        scraper = Scraper(admin)
        if point.series != UNDISTURBED:
            scraper.start()
        try:
            return measure.under_load(family, subject, process, SMALL, settings.seconds,
                                      settings.warmup)
        finally:
            scraper.stop()
    finally:
        family.end(process)


def scrapes_alone(settings, family, point):
    """So many in a row, nothing else: what the master spends."""
    admin = machine.free_port()
    subject, process = start(family, dict(point.values, admin={"listen": "127.0.0.1:%d" % admin}))
    try:
        measure.wrk(SMALL, subject.port, max(settings.warmup, 1))
        scraper = Scraper(admin)
        before = machine.cpu_ns(process.pid)
        for _ in range(SCRAPES):
            scraper.scrape()
        spent = machine.cpu_ns(process.pid) - before
    finally:
        family.end(process)
    return {"master_ms": spent / 1e6 / SCRAPES, "kbytes": scraper.bytes / SCRAPES / 1000,
            "failures": SCRAPES - scraper.scrapes}


def scrape(settings):
    with machine.Family() as family:
        listens = backend_addresses(MANY)
        subjects.start_nginx(family, scenarios.SMALL_BODY, listens)
        values = {"backends": urls(listens)}
        alone = [Point("%d scrapes in a row" % SCRAPES, n, {"backends": urls(listens)[:n]})
                 for n in (2, 10, 100, MANY)]
        beside = [Point(series, MANY, values)
                  for series in (UNDISTURBED, "under load, scraped once a second")]
        in_turn(settings, family, alone, scrapes_alone)
        in_turn(settings, family, beside, scraped)
    return [point.told(["master_ms", "kbytes", "cpu_us", "p99_ms"]) for point in alone + beside]


def reloads(_, family, point):
    """`-s reload` comes back when the new generation serves; its own time is in it."""
    subject, process = start(family, point.values)
    try:
        settle(process, point.workers)
        pss = machine.pss_bytes(machine.tree(process.pid))
        command = [subject.program] + subject.files(family) + ["-s", "reload"]
        failures, cpu, began = 0, machine.cpu_ns(process.pid), time.monotonic()
        for _ in range(RELOADS):
            failures += subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                       timeout=120, check=False).returncode != 0
        took = time.monotonic() - began
        cpu = machine.cpu_ns(process.pid) - cpu
        settle(process, point.workers)
        after = machine.pss_bytes(machine.tree(process.pid))
    finally:
        family.end(process)
    return {"reload_ms": took * 1000 / RELOADS, "cpu_ms": cpu / 1e6 / RELOADS, "pss_mb": pss / 1e6,
            "pss_after_mb": after / 1e6, "failures": failures}


def settle(process, n_workers):
    """The former generation is gone and the newest checker there."""
    family = sorted(["master", "checker"] + ["worker"] * n_workers)
    machine.wait_for(lambda: sorted(map(machine.role_of, machine.tree(process.pid))) == family,
                     "the drain")


def reload(settings):
    """No load beside it; the health checks go on."""
    with machine.Family() as family:
        listens = backend_addresses(MANY)
        subjects.start_nginx(family, scenarios.SMALL_BODY, listens)
        points = [Point("reload", n, {"backends": urls(listens)[:n]}) for n in (10, 100, MANY)]
        in_turn(settings, family, points, reloads)
    return [point.told(["reload_ms", "cpu_ms", "pss_mb", "pss_after_mb"]) for point in points]


def idle_memory(settings, family, point):
    """Before and with the idle connections, after a load: what that touches is in both."""
    subject, process = start(family, point.values)
    try:
        measure.wrk(SMALL, subject.port, max(settings.warmup, 1))
        before = machine.pss_bytes(machine.tree(process.pid), machine.OWN)
        with measure.idle_connections(family, subject.port, point.x) as lost:
            after = machine.pss_bytes(machine.tree(process.pid), machine.OWN)
            failures = lost()
    finally:
        family.end(process)
    return {"bytes": (after - before) / point.x, "pss_mb": after / 1e6, "failures": failures}


def idle(settings):
    with machine.Family() as family:
        listens = backend_addresses(2)
        subjects.start_nginx(family, scenarios.SMALL_BODY, listens)
        points = [Point("idle", n, {"backends": urls(listens)})
                  for n in sorted({settings.idle // 4, settings.idle // 2, settings.idle})]
        in_turn(settings, family, points, idle_memory)
    return [point.told(["bytes", "pss_mb"]) for point in points]
