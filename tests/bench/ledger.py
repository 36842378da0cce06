"""make bench-ledger: system calls and instructions of a request, by who makes them.

    make bench-ledger
    make bench-ledger BENCH=small,browser SUBJECTS=ballast,floor

Two tables.  System calls per request, of each subject's serving processes, counted by strace under
the scenario's load.  Instructions per request outside of the kernel, of one ballast worker under
callgrind with STREAMS keep-alive clients: the difference of a longer and a shorter run, so that
start and end cancel out, by the steps of an exchange (each with all that it calls) and the
functions in which most of them are spent.  Counts, not times: they hardly differ between runs and machines.
"""

import collections
import dataclasses
import glob
import os
import re
import signal
import subprocess
import sys

import bench
import machine
import measure
import report
import scenarios
import subjects

STREAMS = 16
SHORT_S, LONG_S = 2, 8  # of runs under callgrind
STEPS = (("HEAD", "read_head"), ("ADMIT", "admit"), ("PICK", "pick"),
         ("CONNECT", "connect_upstream"), ("SEND", "send_request"), ("RELAY", "relay"),
         ("FINISH", "finish"))
TOP = 15
DEFAULTS = ["small", "browser", "close", "64k", "log"]


# -- system calls --------------------------------------------------------------------

def serving(subject, process):
    """Who carries traffic: the children, where there are any."""
    pids = machine.usage(process.pid).pids
    return [pid for pid in pids if pid != process.pid] or pids if subject.name != "haproxy" \
        else pids


def counted_calls(text):
    """{name: calls} of what strace -c wrote."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            found[words[-1]] = int(words[3])
    return found


def calls(family, name, scenario, origins):
    """{system call: calls per request}"""
    subject = subjects.find(name)
    process = subject.start(family, scenario, origins.ports[scenario.origin])
    try:
        measure.wrk(scenario, subject.port, 1)
        said = family.path("strace")
        tracer = family.start("tracer", ["strace", "-f", "-c", "-o", said] + [
            word for pid in serving(subject, process) for word in ("-p", str(pid))])
        tracer.wait_until(lambda: tracer.said().count("attached") > 0, "attaches")
        requests = measure.wrk(scenario, subject.port, 2)["requests"]
        tracer.process.send_signal(signal.SIGINT)
        tracer.process.wait(machine.PATIENCE)
        return {call: n / requests for call, n in counted_calls(machine.read(said)).items()}
    finally:
        family.end(process)


def calls_table(by_subject):
    """Those that a request makes, and what all others come to."""
    names = sorted({call for found in by_subject.values() for call, n in found.items()
                    if n >= 0.05})
    rows = [[name] + ["%.2f" % found.get(name, 0) for found in by_subject.values()]
            for name in names]
    rows.append(["others"] + ["%.2f" % sum(n for call, n in found.items() if call not in names)
                              for found in by_subject.values()])
    rows.append(["all"] + ["%.2f" % sum(found.values()) for found in by_subject.values()])
    return report.table(["calls per request"] + list(by_subject), rows)


# -- instructions ----------------------------------------------------------------------

class Counted(subjects.Ballast):
    """ballast with one worker under callgrind."""

    needs = ("valgrind",)

    def __init__(self):
        super().__init__("ballast")
        self.workers = 1
        self.process = {"sandbox": "off"}  # valgrind makes calls of its own
        if os.geteuid() == 0:
            self.process["user"] = "root"  # who may write what was counted

    def prepare(self, family, scenario, origins):
        return ["valgrind", "--tool=callgrind", "--trace-children=yes",
                "--callgrind-out-file=" + family.path("counted.%p")] + super().prepare(
                    family, scenario, origins)


LINE = re.compile(r"\s*([\d,]+)(?: \([^)]*\))?\s+\S*?:([\w.]+)(?:'\d+)?\s+\[")


def annotated(path, inclusive):
    """{function: instructions}"""
    done = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", "--inclusive=" +
                           ("yes" if inclusive else "no"), path],
                          capture_output=True, text=True, timeout=120, check=True)
    found = collections.Counter()
    for line in done.stdout.splitlines():
        match = LINE.match(line)
        if match:
            count = int(match.group(1).replace(",", ""))
            name = match.group(2)
            found[name] = max(found[name], count) if inclusive else found[name] + count
    return found


def count(family, scenario, origins, seconds):
    """(requests, what the worker spent in each function, with all that it called)"""
    for old in glob.glob(family.path("counted.*")):
        os.unlink(old)
    subject = Counted()
    process = subject.start(family, scenario, origins.ports[scenario.origin])
    load = dataclasses.replace(scenario, connections=STREAMS)
    requests = 1 + measure.wrk(load, subject.port, seconds)["requests"]
    family.end(process)
    for path in glob.glob(family.path("counted.*")):
        inclusive = annotated(path, True)
        if inclusive.get("worker_run"):
            return requests, annotated(path, False), inclusive
    raise machine.BenchError("callgrind counted no worker: " + process.said()[-1000:])


def per_request(short, long):
    """Of two runs the difference, by request."""
    requests = long[0] - short[0]
    return [{name: (long[i][name] - short[i].get(name, 0)) / requests for name in long[i]}
            for i in (1, 2)]


def instructions(family, scenario, origins):
    """(by step, by function), of one request."""
    own, inclusive = per_request(count(family, scenario, origins, SHORT_S),
                                 count(family, scenario, origins, LONG_S))
    steps = {step: inclusive.get(function, 0) for step, function in STEPS}
    steps["between"] = inclusive["worker_run"] - sum(steps.values())
    steps["all"] = inclusive["worker_run"]
    return steps, own


def steps_table(by_scenario):
    names = [step for step, _ in STEPS] + ["between", "all"]
    rows = [[name] + ["%.0f" % steps[name] for steps, _ in by_scenario.values()]
            for name in names]
    return report.table(["instructions per request"] + list(by_scenario), rows)


def functions_table(by_scenario):
    first = next(iter(by_scenario.values()))[1]
    top = sorted(first, key=first.get, reverse=True)[:TOP]
    rows = [["`%s`" % name] + ["%.0f" % own.get(name, 0) for _, own in by_scenario.values()]
            for name in top]
    return report.table(["of it in"] + list(by_scenario), rows)


# -- all -----------------------------------------------------------------------------------

def present(names, scenario):
    return [name for name in names if name not in scenario.without]


def ledger(names, chosen):
    with machine.Family() as family:
        os.chmod(family.place, 0o777)
        origins = subjects.Origins(family, scenarios.SMALL_BODY)
        for scenario in chosen:
            found = {name: calls(family, name, scenario, origins)
                     for name in present(names, scenario)}
            print("### %s: system calls\n\n%s\n" % (scenario.name, calls_table(found)), flush=True)
        counted = {scenario.name: instructions(family, scenario, origins) for scenario in chosen}
        print("### Instructions outside of the kernel\n\n%s\n\n%s" % (
            steps_table(counted), functions_table(counted)))


def main():
    names = bench.words("SUBJECTS", ["ballast", "floor", "nginx", "haproxy"])
    chosen = [scenarios.BY_NAME[name] for name in bench.words("BENCH", DEFAULTS)]
    machine.prepare()
    for program in ("strace", "valgrind", "callgrind_annotate"):
        if not machine.has_program(program):
            print("bench-ledger: %s is missing; make deps-bench installs it" % program,
                  file=sys.stderr)
            return 2
    try:
        ledger(names, chosen)
    except machine.BenchError as error:
        print("bench-ledger: %s" % error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
