"""make bench-ledger: system calls and instructions of a request, by who makes them.

    make bench-ledger                                                 some three minutes
    make bench-ledger BENCH=small,browser SUBJECTS=ballast,floor
    BALLAST_OLD=/path/ballast make bench-ledger LEDGER=instructions SUBJECTS=ballast,ballast-old

LEDGER=calls: system calls per request of each subject's serving processes, counted by strace under
the scenario's load.  LEDGER=instructions: what one worker of each ballast subject spends on a
request outside of the kernel, by callgrind, with STREAMS clients: the difference of a longer and a
shorter run, so that start and end cancel out.  Counts, not times: they hardly differ between runs.

Scenarios and subjects: scenarios.py, subjects.py.  The tables are Markdown for docs/performance.md.
"""

import collections
import dataclasses
import glob
import http.client
import os
import re
import shlex
import signal
import subprocess
import sys

import bench
import machine
import measure
import report
import scenarios
import subjects

PARTS = ["calls", "instructions"]
SCENARIOS = ["small", "browser", "close", "64k", "log"]
SUBJECTS = ["ballast", "floor", "nginx", "haproxy"]
TOOLS = {"calls": ("strace", "wrk", "nginx"),
         "instructions": ("valgrind", "callgrind_annotate", "wrk", "nginx")}
WARMUP_S, TRACED_S = 1, 2
STREAMS = 16
SHORT_S, LONG_S = 2, 8  # of runs under callgrind
RARE = 0.05             # calls per request
TOP = 15

# Rows and the functions that make them, each with all that it calls; no row is inside another.
STEPS = (("HEAD", ("read_head",)), ("ADMIT", ("admit",)), ("PICK", ("pick",)),
         ("CONNECT", ("connect_upstream",)), ("SEND", ("send_request",)), ("RELAY", ("relay",)),
         ("FINISH", ("finish",)),
         ("accept", ("listener_wake", "bell_wake")), ("wait", ("epoll_turn", "poll_turn")),
         ("timers", ("timeouts_next_ms", "timeouts_expire")), ("end of turn", ("proxy_turn_over",)))


# -- system calls --------------------------------------------------------------------

def serving(process):
    """Who carries traffic: the children, where there are any."""
    return [pid for pid in machine.tree(process.pid) if pid != process.pid] or [process.pid]


def counted_calls(text):
    """{name: calls} of what strace -c wrote."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            found[words[-1]] = int(words[3])
    return found


def traced(family, pids, load):
    """(what load() returned, {system call: how often} meanwhile)"""
    said = family.path("strace")
    argv = ["strace", "-f", "-c", "-o", said]
    for pid in pids:
        argv += ["-p", str(pid)]
    tracer = family.start("tracer", argv)
    tracer.wait_until(lambda: tracer.said().count("attached") >= len(pids), "attaches")
    result = load()
    tracer.process.send_signal(signal.SIGINT)
    tracer.process.wait(machine.PATIENCE)
    return result, counted_calls(machine.read(said))


def calls(family, subject, scenario, origins):
    """{system call: calls per request}"""
    process = subject.start(family, scenario, origins.ports[scenario.origin])
    try:
        measure.check(subject, scenario)
        measure.wrk(scenario, subject.port, WARMUP_S)
        told, counted = traced(family, serving(process),
                               lambda: measure.wrk(scenario, subject.port, TRACED_S))
        return {call: n / told["requests"] for call, n in counted.items()}
    finally:
        family.end(process)


def calls_table(by_subject):
    """Those that a request makes, and what all others come to."""
    names = sorted({call for found in by_subject.values() for call, n in found.items()
                    if n >= RARE})
    rows = [[name] + ["%.2f" % found.get(name, 0) for found in by_subject.values()]
            for name in names]
    rows.append(["others"] + ["%.2f" % sum(n for call, n in found.items() if call not in names)
                              for found in by_subject.values()])
    rows.append(["all"] + ["%.2f" % sum(found.values()) for found in by_subject.values()])
    return report.table(["calls per request"] + list(by_subject), rows)


def tell_calls(family, chosen, names, origins):
    for scenario in chosen:
        found = {name: calls(family, subjects.find(name), scenario, origins)
                 for name in names if name not in scenario.without}
        print("### %s: system calls\n\n%s\n" % (scenario.name, calls_table(found)), flush=True)


# -- instructions ----------------------------------------------------------------------

class Counted(subjects.Ballast):
    """ballast with one worker under callgrind."""

    def __init__(self, name):
        super().__init__(name)
        self.workers = 1
        self.process["sandbox"] = "off"  # valgrind makes calls of its own
        if os.geteuid() == 0:
            self.process["user"] = "root"  # who may write what was counted

    def prepare(self, family, scenario, origins):
        return ["valgrind", "--tool=callgrind", "--trace-children=yes",
                "--callgrind-out-file=" + family.path("counted.%p")] + super().prepare(
                    family, scenario, origins)


# 1,234 ( 0.12%)  src/http/scan.h:scan_field'2 [/path/ballast]
LINE = re.compile(r"\s*([\d,]+)(?: \([^)]*\))?\s+(.*):([\w.]+|\(below main\))(?:'\d+)?"
                  r"(?: \[(.*)\])?$")
CLONE = re.compile(r"\.(constprop|isra|part|cold|lto_priv)\b.*")  # a compiler's part of a function
FOLDER = re.compile(r"(?:^|/)(?:src|include/ballast)/(\w+)/")


def folder_of(path, program):
    """Of the sources, or the library's name."""
    found = FOLDER.search(path)
    if found:
        return found.group(1)
    return os.path.basename(program or "").partition(".so")[0]


def annotated(path, inclusive):
    """[(instructions, function, folder)]"""
    done = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", "--inclusive=" +
                           ("yes" if inclusive else "no"), path],
                          capture_output=True, text=True, timeout=120, check=True)
    lines = [LINE.match(line) for line in done.stdout.splitlines()]
    return [(int(line.group(1).replace(",", "")), CLONE.sub("", line.group(3)),
             folder_of(line.group(2), line.group(4))) for line in lines if line]


@dataclasses.dataclass
class Spent:
    """Instructions of a worker in some requests, or in one."""
    requests: int
    with_called: collections.Counter  # by function
    alone: collections.Counter        # by function
    folders: collections.Counter      # by folder

    def __sub__(self, other):
        def per_request(name):
            mine, others = getattr(self, name), getattr(other, name)
            return collections.Counter({key: (n - others[key]) / requests
                                        for key, n in mine.items()})
        requests = self.requests - other.requests
        return Spent(1, *map(per_request, ("with_called", "alone", "folders")))

    @property
    def all(self):
        return sum(self.alone.values())


def read_counts(path, requests):
    """A function that a compiler has split or that calls itself stands on several lines."""
    spent = Spent(requests, *(collections.Counter() for _ in range(3)))
    for n, function, _ in annotated(path, True):
        spent.with_called[function] = max(n, spent.with_called[function])
    lines = annotated(path, False)
    homes = {function: folder for _, function, folder in lines if folder}
    for n, function, folder in lines:
        spent.alone[function] += n
        spent.folders[folder or homes.get(function, "others")] += n
    return spent


def count(family, subject, scenario, origins, seconds):
    """Of the process that worked most, which is the worker."""
    for old in glob.glob(family.path("counted.*")):
        os.unlink(old)
    process = subject.start(family, scenario, origins.ports[scenario.origin])
    load = dataclasses.replace(scenario, connections=STREAMS)
    requests = measure.wrk(load, subject.port, seconds)["requests"]
    family.end(process)
    found = [read_counts(path, requests) for path in glob.glob(family.path("counted.*"))]
    if not found:
        raise machine.BenchError("callgrind counted nothing: " + process.said()[-1000:])
    return max(found, key=lambda spent: spent.all)


def instructions(family, subject, scenario, origins):
    """Of one request."""
    short = count(family, subject, scenario, origins, SHORT_S)
    return count(family, subject, scenario, origins, LONG_S) - short


def steps_of(spent):
    steps = {step: sum(spent.with_called[function] for function in functions)
             for step, functions in STEPS}
    steps["between"] = spent.all - sum(steps.values())
    steps["all"] = spent.all
    return steps


def counts_table(title, by_scenario, names):
    """A row for each name, from {scenario: {name: instructions}}."""
    rows = [[name] + [round(counts.get(name, 0)) for counts in by_scenario.values()]
            for name in names]
    return report.table([title] + list(by_scenario), rows)


def most(by_scenario, n):
    """The names with the most instructions in all scenarios, without those of next to none."""
    total = sum((collections.Counter(counts) for counts in by_scenario.values()),
                collections.Counter())
    return [name for name in dict(total.most_common(n)) if total[name] >= 1]


def subject_tables(name, found):
    steps = {scenario: steps_of(spent) for scenario, spent in found.items()}
    folders = {scenario: spent.folders for scenario, spent in found.items()}
    functions = {scenario: spent.alone for scenario, spent in found.items()}
    return ["### %s: instructions outside of the kernel" % name,
            counts_table("instructions per request", steps, list(next(iter(steps.values())))),
            counts_table("of these in", folders, most(folders, None)),
            counts_table("most of them in", functions, most(functions, TOP))]


def subjects_table(found):
    """Beside the first of them."""
    base = next(iter(found.values()))
    rows = [[name] + ["%.0f (%.3f)" % (spent.all, spent.all / base[scenario].all)
                      for scenario, spent in by_scenario.items()]
            for name, by_scenario in found.items()]
    return report.table(["instructions per request"] + list(base), rows)


def tell_instructions(family, chosen, names, origins):
    found = {}
    for name in filter(report.is_ballast, names):
        found[name] = {scenario.name: instructions(family, Counted(name), scenario, origins)
                       for scenario in chosen}
        print("\n\n".join(subject_tables(name, found[name])) + "\n", flush=True)
    if len(found) > 1:
        print("### Beside %s\n\n%s\n" % (next(iter(found)), subjects_table(found)))


# -- all -----------------------------------------------------------------------------------

TELL = {"calls": tell_calls, "instructions": tell_instructions}


def choose(variable, default, known):
    found = bench.words(variable, default)
    for name in found:
        if name not in known:
            raise machine.BenchError("unknown %s in %s; there are %s" % (
                name, variable, ", ".join(known)))
    return found


def need(parts, names):
    needed = [tool for part in parts for tool in TOOLS[part]]
    needed += [program for name in names for program in subjects.find(name).needs]
    lacking = sorted({program for program in needed if not machine.has_program(program)})
    if lacking:
        raise machine.BenchError("missing: %s; make deps-bench installs tools and peers, "
                                 "make bench-ledger builds the rest" % ", ".join(lacking))


def command_line():
    told = [(name, os.environ[name]) for name in ("LEDGER", "BENCH", "SUBJECTS")
            if os.environ.get(name)]
    return " ".join(["make bench-ledger"] + ["%s=%s" % (k, shlex.quote(v)) for k, v in told])


def ledger():
    parts = choose("LEDGER", PARTS, PARTS)
    chosen = [scenarios.BY_NAME[name]
              for name in choose("BENCH", SCENARIOS, list(scenarios.BY_NAME))]
    names = bench.words("SUBJECTS", SUBJECTS)
    need(parts, names)
    print("    %s\n" % command_line(), flush=True)
    with machine.Family() as family:
        origins = subjects.Origins(family, scenarios.SMALL_BODY)
        for part in parts:
            TELL[part](family, chosen, names, origins)


def main():
    machine.prepare()
    try:
        ledger()
    except (machine.BenchError, OSError, http.client.HTTPException,
            subprocess.SubprocessError) as error:
        print("bench-ledger: %s" % error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
