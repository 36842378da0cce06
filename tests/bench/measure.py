"""One measurement: a subject under a load, what it did and what it cost.

The result is a dict of plain figures (it goes into bench.json as it is): requests, cpu_us (per
request, of all its processes), cpu_us_by_role, switches (context switches per request), rps,
p50_ms, p99_ms, pss_mb, failures, errors (what failed, in words).
"""

import contextlib
import re
import os
import subprocess

import machine

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench.lua")
LINE = re.compile(r"^BENCH (.*)$", re.M)
KINDS_OF_ERROR = ("connect", "read", "write", "status", "timeout")


def wrk_command(scenario, port, seconds, kind):
    command = ["wrk", "-t1", "-c%d" % scenario.connections, "-d%ds" % seconds, "--timeout", "10s",
               "-s", SCRIPT]
    for name, value in scenario.headers.items():
        command += ["-H", "%s: %s" % (name, value)]
    return command + ["http://127.0.0.1:%d%s" % (port, scenario.path), "--"] + kind


def wrk(scenario, port, seconds, kind=None):
    """Asks for so long; what bench.lua says about it."""
    kind = kind or (["post", str(scenario.post)] if scenario.post else ["get"])
    done = subprocess.run(wrk_command(scenario, port, seconds, kind), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=seconds + 120, check=False)
    line = LINE.search(done.stdout)
    if done.returncode != 0 or line is None:
        raise machine.BenchError("wrk: %s%s" % (done.stdout[-1000:], done.stderr[-1000:]))
    return words(line)


def words(line):
    """{"requests": ..., ...} of a match of LINE."""
    return {key: int(value) for key, value in
            (word.split("=") for word in line.group(1).split())}


def check(subject, scenario):
    """One whole exchange: a subject that answers something else measures something else."""
    method, body = ("POST", b"x" * scenario.post) if scenario.post else ("GET", None)
    status, answer = machine.ask(subject.port, scenario.path, method, body, scenario.headers)
    if status != 200 or scenario.length not in (-1, len(answer)):
        raise machine.BenchError("%s answered %d with %d octets in %s" % (
            subject.name, status, len(answer), scenario.name))


@contextlib.contextmanager
def idle_connections(family, port, count):
    """So many beside what happens meanwhile; yields what still_open() needs."""
    if count == 0:
        yield lambda: 0
        return
    script = os.path.join(os.path.dirname(SCRIPT), "idle.py")
    helper = family.start("idle", ["python3", script, str(port), str(count)],
                          stdin=subprocess.PIPE)

    def word(which):
        found = re.search(which + r" (\d+)", helper.said())
        return found and found.group(1)

    def lost():
        helper.process.stdin.close()
        helper.process.wait(machine.PATIENCE)
        return count - int(word("open") or 0)

    try:
        helper.wait_until(lambda: word("ready"), "%d connections" % count)
        yield lost
    finally:
        family.end(helper)


def failures(told, spent, pids_after, lost):
    """{what: how often}, without what did not happen."""
    found = {kind: told[kind] for kind in KINDS_OF_ERROR}
    found["idle connections lost"] = lost
    found["processes changed"] = len(set(spent.pids) ^ set(pids_after))
    return {what: n for what, n in found.items() if n}


def figures(told, spent, errors, pss):
    requests = max(told["requests"], 1)
    roles = {role: spent.cpu_ns_of(role) / 1000 / requests
             for role in sorted(set(spent.roles.values()))}
    return {
        "requests": told["requests"],
        "rps": told["requests"] / (told["duration_us"] / 1e6),
        "cpu_us": spent.cpu_ns / 1000 / requests,
        "cpu_us_by_role": roles,
        "switches": spent.switches / requests,
        "p50_ms": told["p50_us"] / 1000,
        "p99_ms": told["p99_us"] / 1000,
        "pss_mb": pss / 1e6,
        "failures": sum(errors.values()),
        "errors": errors,
    }


def under_load(family, subject, process, scenario, seconds, warmup=0, kind=None):
    """Of a subject that runs."""
    check(subject, scenario)
    with idle_connections(family, subject.port, scenario.idle) as lost:
        if warmup:
            wrk(scenario, subject.port, warmup, kind)
        before = machine.usage(process.pid)
        told = wrk(scenario, subject.port, seconds, kind)
        spent = machine.usage(process.pid) - before
        pss = machine.pss_bytes(spent.pids)
        errors = failures(told, spent, before.pids, lost())
    found = figures(told, spent, errors, pss)
    if errors:
        found["said"] = process.said()[-500:]
    return found


def measure(family, subject, scenario, origins, seconds, warmup):
    """Started for this alone, so that nothing of an earlier load is in it."""
    process = subject.start(family, scenario, origins.ports[scenario.origin])
    try:
        return under_load(family, subject, process, scenario, seconds, warmup)
    finally:
        family.end(process)
