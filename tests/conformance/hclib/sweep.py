"""Many variants of one question in one case, each on a client connection of its own.

`sweep` makes the steps, the checks below judge every connection by itself.  The
origin tells the variants apart by their targets.
"""
import re

from .check import match_request
from .dsl import BAD, CLOSE, recv, send, until_closed

OK = (200,)
VARIANT = re.compile(rb'/v[0-9]+')


def names(n):
    return ['v%d' % i for i in range(n)]


def sweep(requests, t=1.5, closing=2.0):
    """Sends all, then takes one answer (and the close, if `closing`) from each."""
    conns = names(len(requests))
    steps = [send(r, c=c) for c, r in zip(conns, requests)]
    steps += [recv(1, c=c, t=t) for c in conns]
    if closing:
        steps += [until_closed(closing, c=c) for c in conns]
    return steps


def outcome(c):
    """The status of the only answer, CLOSE, None for silence, or a string that says what is wrong."""
    ms = c.resps() if c else []
    if len(ms) > 1:
        return 'answers %s' % [m.status for m in ms]
    if not ms:
        return CLOSE if c is None or c.closed else None
    if not ms[0].complete:
        return 'an incomplete answer %d' % ms[0].status
    return ms[0].status


def seen_at_origin(obs):
    """Complete requests by the variant that their target names."""
    found = ((VARIANT.match(m.path()), m) for _, m in obs.reqs() if m.complete)
    return {name.group(): m for name, m in found if name}


def smuggled(obs):
    for _, m in obs.reqs():
        if m.path().startswith(b'/smuggled'):
            return 'the hidden request reached the origin as a request'
    return None


def each_refused(labels, allowed=BAD, closed=True):
    """Every connection is refused, and ended; that nothing reaches an origin is `oreq=0` of the case."""
    def f(obs):
        for name, label in zip(names(len(labels)), labels):
            c = obs.conns.get(name)
            got = outcome(c)
            if got not in allowed:
                return '%r: %s, allowed %s' % (label, got, allowed[:4])
            if closed and not (c and c.closed):
                return '%r: %s, but the connection stays open' % (label, got)
        return smuggled(obs)
    return f


def each_refused_or(labels, want, allowed=BAD):
    """Every connection is refused, or served with what the origin got matching want(i, label)."""
    def f(obs):
        seen = seen_at_origin(obs)
        for i, (name, label) in enumerate(zip(names(len(labels)), labels)):
            got = outcome(obs.conns.get(name))
            m = seen.get(b'/v%d' % i)
            if got in allowed and m is None:
                continue
            if got not in OK:
                return '%r: %s' % (label, got)
            if m is None:
                return '%r: served, but not by the origin' % (label,)
            why = match_request(m, want(i, label))
            if why:
                return '%r: %s' % (label, why)
        return smuggled(obs)
    return f


def each_served(labels, want=None, status=OK, body=None, crequire=None):
    """Every connection is served; `body` is that of every answer."""
    def f(obs):
        seen = seen_at_origin(obs)
        for i, (name, label) in enumerate(zip(names(len(labels)), labels)):
            c = obs.conns.get(name)
            got = outcome(c)
            allowed = status(i, label) if callable(status) else status
            if got not in allowed:
                return '%r: %s, allowed %s' % (label, got, allowed[:4])
            if body is not None and bytes(c.resps()[0].body) != body:
                return '%r: body %r' % (label, bytes(c.resps()[0].body[:60]))
            if crequire and not re.search(crequire(i, label), bytes(c.raw)):
                return '%r: answer %r' % (label, bytes(c.raw[:120]))
            if want is None:
                continue
            m = seen.get(b'/v%d' % i)
            why = 'nothing reached the origin' if m is None else match_request(m, want(i, label))
            if why:
                return '%r: %s' % (label, why)
        return smuggled(obs)
    return f


def each_cut(labels, allowed, whole_ok=()):
    """Every answer is one of `allowed` (complete) or a 200 that does not look complete; those in whole_ok may."""
    def f(obs):
        for i, (name, label) in enumerate(zip(names(len(labels)), labels)):
            c = obs.conns.get(name)
            ms = c.resps() if c else []
            if not ms:
                if c and c.closed:
                    continue
                return '%r: no answer' % (label,)
            m = ms[0]
            if m.status in allowed and m.complete:
                continue
            if m.complete and i not in whole_ok:
                return '%r: %d looks complete' % (label, m.status)
            if not m.complete and not c.closed:
                return '%r: neither refused nor cut' % (label,)
        return None
    return f
