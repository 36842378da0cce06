#!/usr/bin/env python3
"""Runs the system tests: each file in a process of its own, two at a time, under each engine.

    run.py [test_proxy ...]     all of tests/system without a word
    BALLAST_ENGINES="poll epoll"   which engines
    BALLAST_TEST_SECONDS=120       how long one test may take (600 with VALGRIND=1)

A file that says ENGINES = ("poll",) has nothing to do with engines and runs once.  Prints a
line per file, the whole output of failed ones, and at the end `N passed, N failed`.
"""

import ast
import glob
import os
import signal
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
VALGRIND = os.environ.get("VALGRIND", "0") not in ("", "0")
LIMIT = int(os.environ.get("BALLAST_TEST_SECONDS", "600" if VALGRIND else "120"))
FILE_LIMIT = LIMIT + (3000 if VALGRIND else 600)


def engines_of(path):
    engines = os.environ.get("BALLAST_ENGINES", "poll epoll").split()
    with open(path, encoding="utf-8") as file:
        for node in ast.parse(file.read()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ENGINES":
                only = ast.literal_eval(node.value)
                return [engine for engine in engines if engine in only] or list(only)
    return engines


class TimedResult(unittest.TextTestResult):
    """A test that hangs fails, and still ends what it started; the others go on."""

    def startTest(self, test):
        super().startTest(test)
        signal.alarm(LIMIT)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)


def out_of_time(*_):
    signal.alarm(LIMIT)  # its cleanups may take as long again
    raise AssertionError("out of time: %d s" % LIMIT)


def run_here(name):
    """In the child: one file; the last line is `passed failed skipped`."""
    sys.path.insert(0, HERE)
    signal.signal(signal.SIGALRM, out_of_time)
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2,
                                     resultclass=TimedResult).run(suite)
    # One test may fail in its body and again at its end: it is one.
    bad = {str(test) for test, _ in result.failures + result.errors}
    skipped = len(result.skipped)
    print("RESULT %d %d %d" % (max(0, result.testsRun - len(bad) - skipped), len(bad), skipped))
    return 1 if bad else 0


def run_file(job):
    name, engine = job
    start = time.monotonic()
    try:
        done = subprocess.run([sys.executable, os.path.abspath(__file__), "--here", name],
                              env=dict(os.environ, BALLAST_ENGINE=engine), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=FILE_LIMIT, check=False)
        output = done.stdout
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode("utf-8", "replace") + "\nout of time\n"
    passed, failed, skipped = 0, 1, 0
    lines = output.splitlines()
    if lines and lines[-1].startswith("RESULT "):
        passed, failed, skipped = (int(word) for word in lines[-1].split()[1:])
    print("%-20s %-6s %3d passed %3d failed %3d skipped  %5.1f s" % (
        name, engine, passed, failed, skipped, time.monotonic() - start), flush=True)
    if failed:
        print(output, flush=True)
    return passed, failed


def main(names):
    paths = [os.path.join(HERE, name + ".py") for name in names] or sorted(
        glob.glob(os.path.join(HERE, "test_*.py")))
    jobs = [(os.path.basename(path)[:-3], engine) for path in paths for engine in engines_of(path)]
    # The long ones first, so that the two lanes end together.
    jobs.sort(key=lambda job: job[0] not in ("test_streaming", "test_signals", "test_timeouts"))
    with ThreadPoolExecutor(2) as lanes:
        results = list(lanes.map(run_file, jobs))
    passed, failed = (sum(column) for column in zip(*results))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        sys.exit(run_here(sys.argv[2]))
    sys.exit(main(sys.argv[1:]))
