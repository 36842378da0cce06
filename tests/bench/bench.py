"""make bench: ballast beside nginx, HAProxy and two floors, in one run.

    make bench                                               everything, half an hour
    make bench BENCH=small,browser SUBJECTS=floor,nginx,ballast ROUNDS=5 BENCH_SECONDS=3
    BALLAST_OLD=/path/ballast make bench BENCH=small SUBJECTS=ballast,ballast-old
    python3 tests/bench/bench.py --markdown build/bench.json    its tables again

All subjects are measured in turn, round after round, in another order each round, each started for
its measurement alone.  Writes $BUILD/bench.json.  Ends with 1 when ballast failed a request; goals
that are missed are shown and nothing else.

Subjects: subjects.py; scenarios and goals: scenarios.py; tables: report.py.
"""

import http.client
import json
import os
import shlex
import subprocess
import sys

import machine
import measure
import report
import scenarios
import subjects

TOOLS = ("wrk", "nginx")


def words(name, default):
    """A list of the environment, by commas or spaces."""
    return os.environ.get(name, "").replace(",", " ").split() or list(default)


def whole(name, default):
    return int(os.environ.get(name) or default)


class Settings:
    def __init__(self):
        names = words("BENCH", [s.name for s in scenarios.SCENARIOS])
        unknown = [name for name in names if name not in scenarios.BY_NAME]
        if unknown:
            raise machine.BenchError("unknown scenario %s; there are %s" % (
                ", ".join(unknown), ", ".join(scenarios.BY_NAME)))
        self.scenarios = [scenarios.BY_NAME[name] for name in names]
        self.subjects = [subjects.find(name)
                         for name in words("SUBJECTS", subjects.default_names())]
        self.rounds = whole("ROUNDS", 5)
        self.seconds = whole("BENCH_SECONDS", 3)
        self.warmup = whole("BENCH_WARMUP", 1)
        self.file = os.environ.get("BENCH_JSON") or subjects.built("bench.json")

    def need(self):
        lacking = [tool for tool in TOOLS if not machine.has_program(tool)]
        lacking += [program for s in self.subjects for program in s.needs
                    if not machine.has_program(program)]
        if lacking:
            raise machine.BenchError("missing: %s; make deps-bench installs the peers and wrk, "
                                     "make bench builds the rest" % ", ".join(sorted(set(lacking))))


def first_line(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    return (done.stdout + done.stderr).partition("\n")[0].strip()


def versions(chosen):
    told = {s.name: first_line(s.version_command()) for s in chosen if s.version_command()}
    told["wrk"] = first_line(["wrk", "-v"]).partition(" Copyright")[0]
    return told


def command_line():
    """How to run the same again."""
    names = ("BENCH", "SUBJECTS", "ROUNDS", "BENCH_SECONDS", "BENCH_WARMUP")
    told = {name: os.environ[name] for name in names if os.environ.get(name)}
    return " ".join(["make bench"] + ["%s=%s" % (k, shlex.quote(v)) for k, v in told.items()])


def new_document(settings):
    return {
        "command": command_line(),
        "settings": {"rounds": settings.rounds, "seconds": settings.seconds,
                     "warmup": settings.warmup},
        "machine": machine.description(),
        "versions": versions(settings.subjects),
        "results": {scenario.name: {subject.name: [] for subject in settings.subjects
                                    if subject.name not in scenario.without}
                    for scenario in settings.scenarios},
    }


def one(settings, family, subject, scenario, origins):
    """A measurement that could not be made is a failure, and the others go on."""
    try:
        return measure.measure(family, subject, scenario, origins, settings.seconds,
                               settings.warmup)
    except (machine.BenchError, OSError, http.client.HTTPException,
            subprocess.SubprocessError) as error:
        return {"failures": 1, "errors": {"not measured:": str(error)}}


def tell(number, scenario, subject, result):
    if "cpu_us" in result:
        said = "%8.2f us  %8.0f/s  p99 %7.2f ms  %6.1f MB" % (
            result["cpu_us"], result["rps"], result["p99_ms"], result["pss_mb"])
    else:
        said = ""
    if result["failures"]:
        said += "  FAILED %s %s" % (result["errors"], result.get("said", ""))
    print("round %d  %-8s %-20s %s" % (number, scenario.name, subject.name, said), file=sys.stderr,
          flush=True)


def save(settings, document):
    with open(settings.file + ".new", "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    os.replace(settings.file + ".new", settings.file)


def run_round(settings, family, origins, document, number):
    for scenario in settings.scenarios:
        shift = (number - 1) % len(settings.subjects)
        for subject in settings.subjects[shift:] + settings.subjects[:shift]:
            if subject.name in scenario.without:
                continue
            result = one(settings, family, subject, scenario, origins)
            result["round"] = number
            document["results"][scenario.name][subject.name].append(result)
            tell(number, scenario, subject, result)


def run(settings):
    settings.need()
    document = new_document(settings)
    with machine.Family() as family:
        origins = subjects.Origins(family, scenarios.SMALL_BODY)
        for number in range(1, settings.rounds + 1):
            run_round(settings, family, origins, document, number)
            save(settings, document)
    return document


def main():
    if sys.argv[1:2] == ["--markdown"]:
        with open(sys.argv[2], encoding="utf-8") as file:
            print(report.text(json.load(file)), end="")
        return 0
    machine.prepare()
    try:
        document = run(Settings())
    except machine.BenchError as error:
        print("bench: %s" % error, file=sys.stderr)
        return 2
    print(report.text(document), end="")
    bad = report.ballast_failures(document)
    if bad:
        print("bench: ballast failed %d times" % bad, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
