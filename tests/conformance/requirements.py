#!/usr/bin/env python3
"""Does docs/conformance.md name cases that exist, and is each of our own cases in its table?

The last line is `N passed, N failed`.
"""
import fnmatch
import os
import re
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from hclib import tables  # noqa: E402

PAGE = os.path.join(HERE, '..', '..', 'docs', 'conformance.md')
ROW = re.compile(r'^\| (9110|9111|9112|9113|7239)[^|]*\|[^|]*\|(.*)\|$', re.M)


def main():
    with open(PAGE, encoding='utf-8') as page:
        named = {name for row in ROW.findall(page.read()) for name in re.findall(r'`([^`]+)`', row[1])}
    cases = tables.load()
    ids = [c.id for c in cases]
    wrong = ['%s names no case' % n for n in sorted(named) if not fnmatch.filter(ids, n)]
    wrong += ['%s stands in no row' % c.id for c in cases
              if c.set == 'own' and c.rfc != 'limits' and not any(fnmatch.fnmatchcase(c.id, n) for n in named)]
    if not named:
        wrong.append('no table of requirements')
    for what in wrong:
        print('docs/conformance.md: ' + what)
    print('%d passed, %d failed' % (max(len(named) - len(wrong), 0), len(wrong)))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
