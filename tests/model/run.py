#!/usr/bin/env python3
"""Checks the models of what ballast does without a lock: every state that any schedule can lead to.

    run.py [slot ...]     CC=gcc

Each model (*.pml says what it is about) is run in its shapes, where its invariants must hold, and with one thing
broken, where spin must find that they do not: a model that cannot fail proves nothing.  A line that no shape
of a model ever reaches fails it, too.  Two run at a time, each within MEMORY_MB.  The last line is
`N passed, N failed`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_S = 300
MEMORY_MB = 480
DEPTH = 10000

# How pan is built and run: for assertions and end states, or for what must happen in the end, if the schedule is fair.
SAFETY = (["-DSAFETY", "-DNOCLAIM"], [], "assertion violated")
LIVENESS = (["-DNFAIR=3"], ["-a", "-f"], "acceptance cycle")

Run = namedtuple("Run", "model defines kind holds")


def holds(model, defines="", kind=SAFETY):
    return Run(model, defines, kind, True)


def fails(model, defines, kind=SAFETY):
    return Run(model, defines, kind, False)


RUNS = [
    holds("slot"),
    fails("slot", "BROKEN_FOLD_KEEPS_GAUGES"),
    fails("slot", "BROKEN_FOLD_AT_LEAVING"),
    fails("slot", "BROKEN_SUM_SKIPS_FREE"),
    holds("owner"),
    fails("owner", "BROKEN_CLAIM"),
    fails("owner", "BROKEN_OWNER_FIRST"),
    fails("owner", "BROKEN_ENTER_STORES"),
    fails("owner", "BROKEN_ENTER_BLIND"),
    fails("owner", "BROKEN_ORPHAN_BLIND"),
    holds("bucket", "TAKERS=2 REQUESTS=2 BURST=1 TICKS=2 LOSSES=2"),
    holds("bucket", "TAKERS=2 REQUESTS=2 BURST=2 TICKS=2 LOSSES=1"),
    holds("bucket", "TAKERS=3 REQUESTS=1 BURST=1 TICKS=1 LOSSES=1"),
    fails("bucket", "BROKEN_STORE"),
    fails("bucket", "BROKEN_ONE_LOOK"),
    fails("bucket", "OLD_TURN"),
    fails("bucket", "SAME_WORD TAKERS=3 REQUESTS=1 BURST=1 TICKS=1 LOSSES=1"),
    holds("cursor", "WORKERS=2 PICKS=3"),
    holds("cursor", "WORKERS=3 PICKS=1"),
    fails("cursor", "BROKEN_STORE WORKERS=2 PICKS=1"),
    fails("cursor", "BROKEN_STEPS_ONCE WORKERS=2 PICKS=1"),
    holds("flight"),
    fails("flight", "BROKEN_NO_COMMIT"),
    fails("flight", "BROKEN_ADDS"),
    fails("flight", "BROKEN_ROW_APART"),
    fails("flight", "BROKEN_ROWS_FIRST"),
    holds("handover", "CONNECTIONS=2 ASKS=1"),
    holds("handover", "CONNECTIONS=1 ASKS=2"),
    holds("handover", "CONNECTIONS=1 ASKS=2 SERVICE_ENDS"),
    holds("handover", "CONNECTIONS=1 ASKS=1 TERM"),
    holds("handover", "CONNECTIONS=1 ASKS=1 TERM SERVICE_ENDS"),
    fails("handover", "BROKEN_SERVES_ON"),
    fails("handover", "BROKEN_MID_REQUEST"),
    fails("handover", "BROKEN_QUEUE_OF_THE_WORKERS"),
    fails("handover", "BROKEN_NO_LAST_LOOK CONNECTIONS=1 ASKS=1 SERVICE_ENDS"),
    fails("handover", "BROKEN_LEAVES_TO_NOBODY CONNECTIONS=1 ASKS=1 TERM SERVICE_ENDS"),
    holds("rows"),
    fails("rows", "BROKEN_GOES_BACK"),
    fails("rows", "BROKEN_FORGETS_AT_ONCE"),
    fails("rows", "BROKEN_NEVER_FORGETS"),
    holds("upgrade"),
    fails("upgrade", "BROKEN_TWO_WORDS"),
    fails("upgrade", "BROKEN_NAME_FIRST"),
    fails("upgrade", "BROKEN_HEARS_NOT_OUT"),
    fails("upgrade", "BROKEN_KILLS_AT_ONCE"),
    holds("reload"),
    holds("reload", "PROMPT ALL=3"),
    holds("reload", "", LIVENESS),
    holds("reload", "PROMPT ALL=3", LIVENESS),
    fails("reload", "BROKEN_DRAINING_FIRST"),
    fails("reload", "BROKEN_ONLY_TOLD PROMPT"),
    fails("reload", "BROKEN_DEAD_COUNT PROMPT", LIVENESS),
]


def search(run, place):
    """What pan prints about one run."""
    build, options, _ = run.kind
    commands = [
        ["spin"] + ["-D" + define for define in run.defines.split()] +
        ["-a", os.path.join(HERE, run.model + ".pml")],
        [os.environ.get("CC", "gcc"), "-O1", "-w", "-DCOLLAPSE", "-DMEMLIM=%d" % MEMORY_MB] + build +
        ["-o", "pan", "pan.c"],
        ["./pan", "-m%d" % DEPTH, "-w22"] + options,
    ]
    said = ""
    for command in commands:
        done = subprocess.run(command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False)
        said = done.stdout
        if done.returncode != 0:
            break
    return said


def number(pattern, text):
    found = re.search(pattern, text, re.M)
    return int(found.group(1)) if found else -1


def judge(run, said):
    """(good, why): the search was complete and found nothing, or it found what it should."""
    errors = number(r"errors: (\d+)", said)
    found = re.search(r"^pan:\d+: (.*?) \(at depth", said, re.M)
    if not run.holds:
        return errors > 0 and found is not None and found.group(1).startswith(run.kind[2]), \
            found.group(1) if found else "nothing found"
    for incomplete in ("search depth too small", "-DMEMLIM bound", "Search not completed"):
        if errors == 0 and incomplete in said:
            return False, "not searched to the end"
    if errors == 0:
        return True, "holds"
    return False, found.group(1) if found else "no answer:\n" + said


def unreached(said):
    """{(proctype, line, statement)} that this search never came to; a loop without end has an end that counts not."""
    lines, proctype = set(), None
    for line in said.splitlines():
        head = re.match(r"unreached in (?:proctype|claim) (\w+)", line)
        if head:
            proctype = head.group(1)
        place = re.match(r"\t.*:(\d+), state \d+, \"(.*)\"$", line)
        if place and place.group(2) != "-end-" and proctype:
            lines.add((proctype, int(place.group(1)), place.group(2)))
    return lines


def check(run):
    place = tempfile.mkdtemp(prefix="ballast-model-")
    try:
        said = search(run, place)
        good, why = judge(run, said)
    except (OSError, subprocess.TimeoutExpired) as error:
        said, good, why = "", False, str(error)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    what = " ".join([run.model, "in the end" if run.kind is LIVENESS else "always", run.defines])
    verdict = why if run.holds or not good else "violated, as it must be"
    print("%s  %-66s %9d states, depth %4d: %s" % (
        "ok    " if good else "FAILED", what, number(r"^\s*(\d+) states, stored", said),
        number(r"depth reached (\d+)", said), verdict), flush=True)
    return good, unreached(said)


def all_reached(model, missed):
    """Of the runs that hold: what is missed by one must be reached by another."""
    never = set.intersection(*missed)
    for proctype, line, statement in sorted(never):
        print("FAILED  %s.pml:%d: %s never comes to: %s" % (model, line, proctype, statement))
    return not never


def main():
    if shutil.which("spin") is None:
        print("spin is not installed (package spin)")
        print("0 passed, 1 failed")
        return 1
    only = sys.argv[1:]
    runs = [run for run in RUNS if not only or run.model in only]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(check, runs))
    verdicts = [good for good, _ in results]
    for model in sorted({run.model for run in runs}):
        missed = [lines for run, (_, lines) in zip(runs, results) if run.model == model and run.holds]
        verdicts.append(all_reached(model, missed))
    failed = verdicts.count(False)
    print("%d passed, %d failed" % (len(verdicts) - failed, failed))
    return 1 if failed > 0 or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
