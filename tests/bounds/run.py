#!/usr/bin/env python3
"""No quadratic work: counts instructions at one, two and four times each input, and judges the growth.

    BUILD=build run.py [subject]

The counts come from callgrind and do not depend on the machine's load.  Work that is in
proportion to its input, with whatever fixed part, has
    count(4n) <= 4.5 * count(n)       and       count(4n) - count(2n) <= 2.4 * (count(2n) - count(n)),
while quadratic work has up to 16 and 4 there.  The second sees a small quadratic part beside a large
linear one.  The last line is `N passed, N failed`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = os.environ.get("BUILD", "build")
PROGRAM = os.path.abspath(os.path.join(BUILD, "complexity"))
LIMIT_S = 300
TIMES = 4.5
GROWTH = 2.4
NOISE = 2000  # instructions that need no explanation


def counts(only):
    """{subject: {factor: instructions}} and the program's exit status."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="ballast-bounds-") as place:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "-q", "--collect-atstart=no", "--trace-children=no",
             "--callgrind-out-file=" + os.path.join(place, "out.%p"), PROGRAM] + only,
            stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False,
            env=dict(os.environ, TMPDIR=place, LC_ALL="C"))
        for name in os.listdir(place):
            if not name.startswith("out."):
                continue
            with open(os.path.join(place, name), encoding="ascii", errors="replace") as file:
                text = file.read()
            trigger = re.search(r"^desc: Trigger: Client Request: (\S+):(\d)$", text, re.M)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
            if trigger and total:
                found.setdefault(trigger.group(1), {})[int(trigger.group(2))] = int(total.group(1))
    return found, done.returncode


def is_linear(one, two, four):
    times_right = four <= TIMES * one + NOISE
    return times_right and four - two <= GROWTH * max(two - one, 0) + NOISE


def judge(subject, by_factor):
    try:
        one, two, four = (by_factor[factor] for factor in (1, 2, 4))
    except KeyError:
        print("FAILED  %-52s not counted: %s" % (subject, by_factor))
        return False
    good = is_linear(one, two, four)
    print("%s  %-52s %10d %10d %10d  x%.2f  growth %.2f" % (
        "ok    " if good else "FAILED", subject, one, two, four, four / max(one, 1),
        (four - two) / max(two - one, 1)))
    return good


def main():
    if subprocess.run([PROGRAM, "--instrumented"], check=False).returncode == 0:
        print("bounds: nothing to count in a build with sanitizers or coverage")
        print("0 passed, 0 failed")
        return 0
    if shutil.which("valgrind") is None:
        print("bounds: valgrind is missing; make deps installs it")
        print("0 passed, 1 failed")
        return 1
    found, status = counts(sys.argv[1:])
    verdicts = [judge(subject, by_factor) for subject, by_factor in sorted(found.items())]
    verdicts.append(status == 0 and bool(found))
    if not verdicts[-1]:
        print("FAILED  the program ended with status %s, %d subjects counted" % (status, len(found)))
    print("%d passed, %d failed" % (sum(verdicts), len(verdicts) - sum(verdicts)))
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
