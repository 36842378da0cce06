#!/usr/bin/env python3
"""Differential oracle: what ballast's parsers and llhttp make of the same octets.

    oracle.py VERDICTS [-n GENERATED] [-s SEED] [-v]     compares; the last line is `N passed, N failed`
    oracle.py --docs FILE                                writes the tables into their section of FILE

VERDICTS is the program made of verdicts.c.  llhttp runs inside node, see oracle.js.  An entry of the corpus fails
when the two differ in a way that no row of classes.py describes.
"""
import argparse
import json
import os
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import corpus  # noqa: E402
import page  # noqa: E402
from classes import CLOSES, LOOSER, STRICTER  # noqa: E402
from compare import Comparison  # noqa: E402

BATCH = 20000            # entries per call of the two programs
SECONDS = 3600           # for one of these calls, on a slow machine
FIXED_MIN = 300
PAGE = os.path.join(HERE, '..', '..', 'docs', 'conformance.md')
SHOWN = 12               # failures printed in full, of each kind


def ask(command, entries):
    """One verdict per entry."""
    octets = b''.join(struct.pack('>I', len(o)) + o for _, o in entries)
    done = subprocess.run(command, input=octets, stdout=subprocess.PIPE, check=False, timeout=SECONDS)
    lines = done.stdout.decode('ascii').splitlines()
    if done.returncode != 0 or len(lines) != len(entries):
        sys.exit('oracle: %s ended with %d after %d of %d entries' %
                 (command[0], done.returncode, len(lines), len(entries)))
    return [json.loads(line) for line in lines]


def node_version():
    """What it calls itself, and the methods that its parser knows."""
    try:
        done = subprocess.run(['node', os.path.join(HERE, 'oracle.js'), '--version'], stdout=subprocess.PIPE, check=False)
    except FileNotFoundError:
        sys.exit('oracle: there is no node to compare with; make deps installs it (Debian: nodejs)')
    if done.returncode != 0:
        sys.exit('oracle: this node has no llhttp to compare with')
    return done.stdout.decode().split('\n')[0:2]


class Tests:
    """Sentences that hold or not."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, sentence, wrong):
        if not wrong:
            self.passed += 1
            print('ok      ' + sentence)
            return
        self.failed += 1
        print('FAILED  %s: %d' % (sentence, len(wrong)))
        for text in wrong[:SHOWN]:
            print('    ' + text)


def dead_rows(comparison):
    return [row.name for row in STRICTER + LOOSER + [CLOSES] if row.name not in comparison.met]


def run(options):
    tests = Tests()
    version, known = node_version()
    fixed = corpus.fixed()
    comparison = Comparison(set(known.split()))
    entries = fixed + list(corpus.generated(options.n, options.seed, fixed))
    for at in range(0, len(entries), BATCH):
        batch = entries[at:at + BATCH]
        ours = ask([options.verdicts], batch)
        theirs = ask(['node', os.path.join(HERE, 'oracle.js')], batch)
        for (name, octets), x, y in zip(batch, ours, theirs):
            comparison.entry(name, octets, x, y)
    print('oracle: %s; %d entries of the corpus and %d generated with seed %d' %
          (version, len(fixed), options.n, options.seed))
    if options.v:
        for row in STRICTER + [CLOSES] + LOOSER:
            print('%8d  %s' % (comparison.counts[row.name], row.what))
    for outcome, n in sorted(comparison.outcomes.items()):
        print('%8d  %s' % (n, outcome))
    tests('the corpus has %d entries at least' % FIXED_MIN, [] if len(fixed) >= FIXED_MIN else [str(len(fixed))])
    for sentence in Comparison.SENTENCES:
        tests(sentence, comparison.wrong[sentence])
    tests('every row of the tables is met by the corpus', dead_rows(comparison))
    tests('docs/conformance.md says what the tables say', page.differences(PAGE))
    print('%d passed, %d failed' % (tests.passed, tests.failed))
    return tests.failed == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('verdicts', nargs='?')
    parser.add_argument('-n', type=int, default=3000)
    parser.add_argument('-s', dest='seed', type=int, default=1)
    parser.add_argument('-v', action='store_true')
    parser.add_argument('--docs')
    options = parser.parse_args()
    if options.docs:
        return page.write(options.docs)
    return run(options)


if __name__ == '__main__':
    sys.exit(0 if main() else 1)
