#!/usr/bin/env python3
"""A storm: one whole ballast between hostile clients and origins without manners, and polite clients beside them.

    storm.py                    each engine once, side by side; the last line is `N passed, N failed`
    STORM_SEED=7 STORM_S=600    the same octets again; how long (default: seed 1, 12 seconds)
    BUILD, BALLAST_ENGINES, VALGRIND   as for the system tests

Two calm spells, after each of which everything must be as before, and one in which the configuration is reloaded and
workers are killed.  What must hold is in CHECKS.  storm_bytes.py has the octets, storm_origin.py and
storm_clients.py those who throw them.
"""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "system"))
# Freed memory is used again soon, so that a leak can be seen.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"

import harness  # noqa: E402
import storm_clients  # noqa: E402
import storm_origin  # noqa: E402
import storm_peer  # noqa: E402

LANES = 48           # hostile connections at a time
POLITE = 4
WORKERS = 2
GROWTH_KIB = 16384 * harness.SLOWNESS  # from calm to calm, of one process; of valgrind, much is its own
IDLE_TICKS = 15      # of all processes in a second without clients
SHOWN = 10           # findings of a kind
CHECKS = {
    "polite": "each polite question has its own answer, 200, in time",
    "tokens": "no client gets the octets of another",
    "origins": "what reaches an origin is one clear request of one client",
    "settled": "no connection, exchange or process is left over",
    "descriptors": "every process has as many descriptors as before",
    "memory": "no process grows from calm to calm",
    "idle": "without clients nobody computes",
    "logs": "every line is JSON, and no process ended but those that were killed",
    "end": "it ends with status 0, and no checker of memory has found anything",
    "weather": "it was a storm: enough answers, requests and poisons",
}
SECONDS = {"request_header": 4, "request_body": 3, "connect": 3, "response_header": 10, "response_body": 4,
           "client_write": 3, "keep_alive": 4, "tunnel": 4, "drain": 4}
TIMEOUTS = {name: "%ds" % (seconds * harness.SLOWNESS) for name, seconds in SECONDS.items()}


class Storm:
    def __init__(self, seed, seconds):
        self.seed = seed
        self.seconds = seconds
        self.rng = random.Random(seed)
        self.tokens = storm_peer.Tokens(seed)
        self.findings = {name: [] for name in CHECKS}
        self.over = False   # the spell, not the storm
        self.answers = 0    # of polite questions
        self.kills = 0
        self.number = 0     # of the last hostile connection
        self.wronged = []   # (owner, what a polite client got); a poison may excuse it
        self.drunk = []     # (connection, poison)
        self.origins = []
        self.lb = None
        self.port = 0
        self.fds = {}
        self.growth = 0     # of the process that grew most, in KiB

    def found(self, check, what):
        self.findings[check].append(what)

    def drank(self, number, poisons):
        self.drunk += [(number, poison) for poison in poisons]

    def require(self, check, holds, what):
        if not holds:
            self.found(check, what)

    # -- the instance

    async def start(self):
        self.origins = [storm_origin.Origin(self.seed, self.tokens, lambda what: self.found("origins", what), rude)
                        for rude in (False, False, True)]
        self.lb = harness.Ballast(
            [origin.url for origin in self.origins], workers=WORKERS, retries=2, timeouts=TIMEOUTS,
            rate_limit={"requests_per_second": 100000, "burst": 1000000},
            health_check={"path": "/polite/health", "interval": "1s", "timeout": "20s"})
        self.lb.write(log={"output": self.lb.logfile, "level": "info"},
                      access_log={"output": self.lb.path("access"), "format": "json"})
        await asyncio.to_thread(self.lb.start)
        self.port = self.lb.port
        self.fds = self.descriptors()

    def family(self):
        """pid: role"""
        roles = {pid: role for role in ("worker", "checker") for pid in self.lb.children(role)}
        return {self.lb.pid: "master", **roles}

    def descriptors(self):
        """The most descriptors of a process of each role."""
        counts = {}
        for pid, role in self.family().items():
            try:
                counts[role] = max(counts.get(role, 0), len(harness.descriptors_of(pid)))
            except OSError:
                pass  # it has just ended
        return counts

    def ticks(self):
        return sum(int(word) for pid in self.family() for word in
                   harness.read_proc(pid, "stat").rpartition(")")[2].split()[11:13])

    # -- a spell

    async def lane(self):
        while not self.over:
            self.number += 1
            await self.hostile(self.number)

    async def hostile(self, number):
        try:
            await storm_clients.Hostile(self, number).run()
        except OSError:
            pass  # a killed worker, or its own reset

    async def look(self):
        """Somebody reads the pages all the time."""
        while not self.over:
            await asyncio.sleep(0.5)
            try:
                await asyncio.to_thread(lambda: (self.lb.status(), self.lb.control("/metrics")))
            except (OSError, ValueError, harness.wire.Closed) as error:
                self.found("settled", "the pages of the master: %r" % error)

    async def disturb(self, until):
        """Reloads, and here and there a worker dies."""
        while time.monotonic() < until:
            strategy = self.rng.choice(("round-robin", "least-connection"))
            await asyncio.to_thread(lambda: self.lb.reload(strategy=strategy))  # pylint: disable=cell-var-from-loop
            workers = self.lb.workers()
            if workers:
                self.kills += 1  # before it dies: nobody may be wronged in between
                os.kill(self.rng.choice(workers), signal.SIGKILL)
            await asyncio.sleep(self.rng.uniform(0.2, 1.0))

    async def spell(self, seconds, disturbed=False):
        self.over = False
        until = time.monotonic() + seconds
        hostile = [asyncio.create_task(self.lane()) for _ in range(LANES)]
        polite = [asyncio.create_task(storm_clients.Polite(self, i).run()) for i in range(POLITE)]
        polite.append(asyncio.create_task(self.look()))
        if disturbed:
            await self.disturb(until)
        await asyncio.sleep(max(0, until - time.monotonic()))
        self.over = True
        for result in await asyncio.gather(*polite, return_exceptions=True):
            self.require("polite", not isinstance(result, Exception), repr(result))
        for task in hostile:
            task.cancel()
        for result in await asyncio.gather(*hostile, return_exceptions=True):
            self.require("tokens", not isinstance(result, Exception), repr(result))
        for origin in self.origins:
            await origin.hang_up()
        self.judge_poisons()

    def judge_poisons(self):
        """Who asked on a poisoned connection may have been poisoned; nobody else."""
        poisoned = {mark: owners for origin in self.origins for mark, owners in origin.poisoned.items()}
        excused = set().union(*poisoned.values())
        for number, mark in self.drunk:
            self.require("tokens", number in poisoned.get(mark, ()), "connection %d drank %s" % (number, mark))
        for owner, what in self.wronged:
            self.require("polite", owner in excused, what)
        self.drunk, self.wronged = [], []

    # -- the calm after it

    def leftovers(self):
        metrics = harness.Metrics(self.lb.control("/metrics").text)
        counts = {name: metrics.value(name) for name in
                  ("lb_client_connections", "lb_active_connections", "lb_upstream_connections")}
        counts = {name: value for name, value in counts.items() if value}
        roles = sorted(self.family().values())
        if roles != ["checker", "master"] + ["worker"] * WORKERS:
            counts["processes"] = roles
        return counts

    def wait_settled(self):
        try:
            harness.wait_for(lambda: not self.leftovers(), "calm")
        except AssertionError:
            self.found("settled", repr(self.leftovers()))
        try:
            harness.wait_for(lambda: all(n <= self.fds[role] for role, n in self.descriptors().items()), "descriptors")
        except AssertionError:
            self.found("descriptors", "%r, before %r" % (self.descriptors(), self.fds))

    async def settle(self):
        await asyncio.to_thread(self.wait_settled)
        return {pid: harness.resident_kib(pid) for pid in self.family()}

    async def judge_idle(self):
        before = self.ticks()
        await asyncio.sleep(1)  # somebody else's time, not a synchronisation
        used = self.ticks() - before
        self.require("idle", used <= IDLE_TICKS * harness.SLOWNESS, "%d ticks in a second" % used)

    def judge_memory(self, first, second):
        for pid, kib in second.items():
            grown = kib - first.get(pid, kib)
            self.growth = max(self.growth, grown)
            self.require("memory", grown <= GROWTH_KIB, "%s: %d KiB more than %d" % (
                self.family().get(pid), grown, first.get(pid, 0)))
        self.require("memory", sorted(first) == sorted(second), "other processes: %r %r" % (first, second))

    def judge_logs(self):
        for name in ("log", "access"):
            for line in self.lb.read(name).splitlines():
                try:
                    json.loads(line)
                except ValueError:
                    self.found("logs", "%s: %r" % (name, line[:300]))
        ended = [line for line in self.lb.logs() if re.search("signal", str(line.get("ended", "")))]
        killed = [line for line in ended if "KILL" in line["ended"]]
        self.require("logs", len(ended) == len(killed) <= self.kills, "%d were killed: %r" % (self.kills, ended))
        bad = [line for line in self.lb.logs() if line["level"] in ("error", "fatal") and line not in killed]
        self.require("logs", not bad, repr(bad[:5]))
        late = self.lb.logs("child did not leave in time and is killed")
        self.require("logs", harness.VALGRIND or not late, repr(late))

    def judge_weather(self):
        poisons = sum(origin.poisons for origin in self.origins)
        late = sum(origin.late for origin in self.origins)
        requests = sum(origin.requests for origin in self.origins)
        text = "%d hostile connections, %d requests at origins, %d polite answers, %d poisons, %d of them late, " \
            "%d kills, %d KiB of growth" % (self.number, requests, self.answers, poisons, late, self.kills, self.growth)
        print(text)
        self.require("weather", self.answers >= 10 and requests >= 50 and self.kills > 0, text)
        # A request may just have been on its way; but an idle connection that spoke must not be used.
        self.require("tokens", late <= 3 + poisons / 10, "spoilt connections were used: " + text)

    async def run(self):
        await self.start()
        try:
            await self.spell(self.seconds * 0.3)
            first = await self.settle()
            await self.spell(self.seconds * 0.3)
            self.judge_memory(first, await self.settle())
            await self.spell(self.seconds * 0.4, disturbed=True)
            await self.settle()
            await self.judge_idle()
            self.judge_logs()
            self.judge_weather()
        finally:
            for wrong in await asyncio.to_thread(self.lb.clean):
                self.found("end", wrong)
            for origin in self.origins:
                await origin.stop()


def report(storm, engine):
    bad = {name: found for name, found in storm.findings.items() if found}
    for name, found in bad.items():
        print("FAILED %s: %s (STORM_SEED=%d STORM_S=%d BALLAST_ENGINES=%s)" % (
            name, CHECKS[name], storm.seed, storm.seconds, engine))
        for what in found[:SHOWN]:
            print("    " + what)
        if len(found) > SHOWN:
            print("    and %d more" % (len(found) - SHOWN))
    return len(CHECKS) - len(bad), len(bad)


def run_here(engine):
    storm_clients.PATIENCE_S *= harness.SLOWNESS
    storm = Storm(int(os.environ.get("STORM_SEED", "1")), float(os.environ.get("STORM_S", "12")))
    print("storm %s: seed %d, %d s" % (engine, storm.seed, storm.seconds), flush=True)
    asyncio.run(storm.run())
    passed, failed = report(storm, engine)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


def start_engine(engine):
    return subprocess.Popen([sys.executable, os.path.abspath(__file__), "--here", engine],
                            env=dict(os.environ, BALLAST_ENGINE=engine), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def main():
    passed = failed = 0
    for child in [start_engine(engine) for engine in os.environ.get("BALLAST_ENGINES", "poll epoll").split()]:
        output, _ = child.communicate()
        numbers = re.search(r"^(\d+) passed, (\d+) failed\n\Z", output, re.M)
        good, bad = (int(word) for word in numbers.groups()) if numbers else (0, 1)
        print(output[:numbers.start()] if numbers else output, end="")
        passed, failed = passed + good, failed + bad
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        sys.exit(run_here(sys.argv[2]))
    sys.exit(main())
