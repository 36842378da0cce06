"""The tables of classes.py as a section of a Markdown page."""
import os

from classes import CLOSES, LOOSER, STRICTER

TITLE = '## Where ballast is stricter than llhttp'

HEAD = """\
The differential oracle (`tests/oracle`, `make oracle`) gives the same octets to ballast's parsers and to llhttp, the parser
of Node, without its lenient flags. What llhttp refuses is refused, and what both take is the same requests with the same
bodies. These are all differences that are let pass; the section is printed from the tables of `tests/oracle/classes.py`
(`make docs`), and any other difference fails `make check`.
"""


def table(title, rows):
    yield '| %s | why |' % title
    yield '|---|---|'
    for row in rows:
        yield '| %s | %s |' % (row.what.replace('|', r'\|'), row.why.replace('|', r'\|'))


def section():
    lines = [TITLE, '', HEAD]
    lines += table('refused, or ended, by ballast and not by llhttp', STRICTER + [CLOSES])
    lines += ['', 'llhttp refuses this, and ballast does not:', '']
    lines += table('taken by ballast', LOOSER)
    return '\n'.join(lines) + '\n'


def split(text):
    """Before the section, the section, and behind it."""
    if TITLE + '\n' not in text:
        return (text.rstrip('\n') or '# Conformance') + '\n\n', '', ''
    before, rest = text.split(TITLE + '\n', 1)
    body, mark, behind = rest.partition('\n## ')
    return before, TITLE + '\n' + body + ('\n' if mark else ''), mark[1:] + behind


def read(path):
    if not os.path.exists(path):
        return ''
    with open(path, encoding='utf-8') as file:
        return file.read()


def write(path):
    before, _, behind = split(read(path))
    with open(path, 'w', encoding='utf-8') as file:
        file.write(before + section() + ('\n' + behind if behind else ''))
    return True


def differences(path):
    """What is wrong with the page, as texts."""
    if split(read(path))[1].strip() == section().strip():
        return []
    return ['the section "%s" differs from tests/oracle/classes.py; make docs prints it anew' % TITLE[3:]]
