"""Entries for the differential oracle: octet strings that a client may send on one connection.

Three sources: the files of corpus/ (see its README), every client's octets in the cases of
tests/conformance, and a generator that mutates these two.  The same seed gives the same entries.
"""
import glob
import os
import random
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CASE_MAX = 4000          # octets; the large requests are in corpus/, since each is cut at every offset
BASE_MAX = 400           # of those that are mutated

ESCAPES = {'r': '\r', 'n': '\n', 't': '\t', '0': '\0', '\\': '\\'}


def unescape(text):
    """Octets of a corpus line.  \\{N:text} comes first, the innermost before those around it."""
    text, more = text.replace('@H', r'Host: a\r\n'), 1
    while more:
        text, more = re.subn(r'\\\{(\d+):([^{}]*)\}', lambda m: m[2] * int(m[1]), text)
    text = re.sub(r'\\(?:x([0-9a-fA-F]{2})|(.))', lambda m: chr(int(m[1], 16)) if m[1] else ESCAPES[m[2]], text)
    return text.encode('latin1')


def escape(octets, limit=300):
    text = ''.join(chr(o) if 32 <= o < 127 and o != 92 else
                   {13: r'\r', 10: r'\n', 9: r'\t', 92: r'\\'}.get(o, r'\x%02x' % o) for o in octets[:limit])
    return text + (' ... (%d octets)' % len(octets) if len(octets) > limit else '')


def blocks(path):
    name, template, choices = None, '', []
    for line in open(path, encoding='ascii').read().split('\n') + ['']:
        if line.startswith('= '):
            name, template, choices = line[2:], '', []
        elif line.startswith('- ') or line == '-':
            choices.append(line[2:])
        elif line == '' and name:
            yield name, template, choices
            name = None
        elif line and not line.startswith('# '):
            template += line


def from_files():
    for path in sorted(glob.glob(os.path.join(HERE, 'corpus', '*.txt'))):
        base = os.path.basename(path)[:-4]
        for name, template, choices in blocks(path):
            for i, choice in enumerate(choices or ['']):
                yield '%s/%s/%d' % (base, name, i + 1), unescape(template.replace('{}', choice, 1))


def client_octets(case):
    """What each client of a case sends, joined; pauses and answers do not matter here."""
    if case.steps is None:
        parts = case.req if isinstance(case.req, list) else [case.req]
        yield b''.join(p for p in parts if isinstance(p, (bytes, bytearray)))
        return
    sent = {}
    for step in case.steps:
        parts = step.kw.get('parts') or [step.kw.get('data')]
        for part in parts:
            if isinstance(part, (bytes, bytearray)):
                sent[step.c] = sent.get(step.c, b'') + part
    yield from sent.values()


def from_conformance():
    sys.path.insert(0, os.path.join(HERE, '..', 'conformance'))
    from hclib import tables
    for case in tables.load():
        for i, octets in enumerate(client_octets(case)):
            if len(octets) <= CASE_MAX:
                yield 'case/%s/%d' % (case.id, i + 1), bytes(octets)


def fixed():
    """[(name, octets)], no octets twice."""
    seen, out = set(), []
    for source in (from_files(), from_conformance()):
        for name, octets in source:
            if octets not in seen:
                seen.add(octets)
                out.append((name, octets))
    return out


# ------------------------------------------------------------------ mutation

SPECIAL = [b'\r', b'\n', b' ', b'\t', b'\0', b':', b',', b';', b'0', b'1', b'9', b'a', b'f', b'=', b'"', b'\\',
           b'/', b'#', b'_', b'-', b'+', b'.', b'\x0b', b'\x0c', b'\x7f', b'\x80', b'\xa0', b'\xff', b'\r\n', b'\r\n\r\n',
           b'\n\n', b'\r\r\n', b'\r\n ', b'\r\n\t', b'0\r\n\r\n']
LINES = [b'Content-Length: 5', b'Content-Length: 0', b'Content-Length: +5', b'Content-Length: 5, 5', b'content-length:6',
         b'Transfer-Encoding: chunked', b'Transfer-Encoding: gzip, chunked', b'Transfer-Encoding: identity',
         b'Transfer-Encoding:\tchunked', b'Transfer-Encoding : chunked', b'Transfer-Encoding', b'Host: b', b'Host:', b'X: y',
         b' folded', b'\tfolded', b'X : y', b': y', b'Connection: close', b'Connection: keep-alive', b'Connection: upgrade',
         b'Upgrade: x', b'Expect: 100-continue', b'0', b'5', b'']
METHODS = [b'GET', b'POST', b'PUT', b'HEAD', b'OPTIONS', b'CONNECT', b'TRACE', b'get', b'FOO', b'GE T', b'']
VERSIONS = [b'HTTP/1.1', b'HTTP/1.0', b'HTTP/1.2', b'HTTP/0.9', b'HTTP/2.0', b'HTTP/1.10', b'HTTP/1.', b'http/1.1', b'']
JOINT = re.compile(rb'[\r\n \t\0:,;="0-9/]')
LINE = re.compile(rb'[^\r\n]*\r\n')


def joint(rng, octets):
    """An offset where octets matter, or right behind it."""
    at = [m.start() for m in JOINT.finditer(octets)]
    return min(len(octets), rng.choice(at) + rng.randrange(2)) if at else 0


def insert(rng, o):
    at = joint(rng, o)
    return o[:at] + rng.choice(SPECIAL) + o[at:]


def delete(rng, o):
    at = joint(rng, o)
    return o[:at] + o[at + rng.choice((1, 1, 1, 2, 4)):]


def duplicate(rng, o):
    at = joint(rng, o)
    return o[:at] + o[at:at + rng.choice((1, 2, 2, 4))] * 2 + o[at + 4:] if at else o


def replace(rng, o):
    at = joint(rng, o)
    return o[:at] + rng.choice(SPECIAL) + o[at + 1:]


def flip(rng, o):
    at = joint(rng, o)
    return o[:at] + bytes([o[at] ^ 1 << rng.randrange(8)]) + o[at + 1:] if at < len(o) else o


def any_octet(rng, o):
    at = rng.randrange(len(o) + 1)
    return o[:at] + bytes([rng.randrange(256)]) + o[at + rng.randrange(2):]


def a_line(rng, o):
    """(start, end) of a line with its CRLF."""
    found = [m.span() for m in LINE.finditer(o)]
    return rng.choice(found) if found else (0, 0)


def insert_line(rng, o):
    at = a_line(rng, o)[1]
    return o[:at] + rng.choice(LINES) + b'\r\n' + o[at:]


def double_line(rng, o):
    start, end = a_line(rng, o)
    return o[:end] + o[start:end] + o[end:]


def drop_line(rng, o):
    start, end = a_line(rng, o)
    return o[:start] + o[end:]


def swap_lines(rng, o):
    (a, b), (c, d) = sorted((a_line(rng, o), a_line(rng, o)))
    return o if b > c else o[:a] + o[c:d] + o[b:c] + o[a:b] + o[d:]


def line_end(rng, o):
    at = a_line(rng, o)[1]
    return o[:max(0, at - 2)] + rng.choice((b'\n', b'\r', b'\r\r\n', b'\n\r', b'\r\n ', b'\r\n\t', b' \r\n', b'\0\r\n')) + o[at:]


def fold(rng, o):
    at = joint(rng, o)
    return o[:at] + b'\r\n' + rng.choice((b' ', b'\t')) + o[at:]


def number(rng, o):
    found = [m.span() for m in re.finditer(rb'[0-9]+', o)]
    if not found:
        return o
    start, end = rng.choice(found)
    return o[:start] + rng.choice((b'0', b'1', b'5', b'00', b'0' * 20, b'f' * 15, b'f' * 17, b'9' * 18, b'9' * 20, b'-1', b'+1',
                                   b'0x1', b'1e1', b'4', b'6', b'')) + o[end:]


def method(rng, o):
    return re.sub(rb'^[A-Z]+', rng.choice(METHODS), o, count=1)


def version(rng, o):
    return re.sub(rb'HTTP/1\.[01]', rng.choice(VERSIONS), o, count=1)


def case_of_letters(rng, o):
    start, end = a_line(rng, o)
    return o[:start] + o[start:end].swapcase() + o[end:]


def truncate(rng, o):
    return o[:rng.randrange(len(o) + 1)]


MUTATIONS = [insert, insert, delete, delete, duplicate, replace, replace, flip, flip, any_octet, insert_line, insert_line,
             double_line, drop_line, swap_lines, line_end, line_end, fold, number, number, method, version, case_of_letters,
             truncate]


def generated(n, seed, bases):
    """n entries; half of the bases are followed by another request, so that a framing read otherwise shows."""
    rng = random.Random(seed)
    short = [o for _, o in bases if 0 < len(o) <= BASE_MAX]
    whole = [o for o in short if o.endswith(b'\r\n\r\n')]
    for i in range(n):
        octets = rng.choice(short)
        if rng.random() < 0.5:
            octets += rng.choice(whole)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
            octets = rng.choice(MUTATIONS)(rng, octets)
        yield 'generated/%d' % (i + 1), octets
