"""Answers without a body, our own cases."""
from hclib.dsl import *
from hclib.sweep import *

CASES = []
TE = [b'Transfer-Encoding: chunked']
POISON = b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'


def many(id, title, rfc, requests, origin, judge, **kw):
    """Each connection brings one request; then a GET on it must still be answered rightly."""
    n = len(requests)
    CASES.append(Case('own-bl-' + id, title, rfc, E(check=judge), origin=origin, budget=15.0,
                      steps=sweep(requests, closing=0) +
                            [send(rq('GET', '/after%d' % i), c='v%d' % i) for i in range(n)] + [recv(2, c='v%d' % i) for i in range(n)], **kw))


def empty_then(labels, statuses, refusable=()):
    """One empty answer; what follows on the connection, if it stays, is the answer to the next request."""
    def f(o):
        for i, label in enumerate(labels):
            ms = o.conns['v%d' % i].resps()
            got = [m.status for m in ms]
            if not got or got[0] not in (statuses(i) if callable(statuses) else statuses) + (GATEWAY if i in refusable else ()):
                return '%r: answers %s' % (label, got)
            if got[0] not in GATEWAY and bytes(ms[0].body):
                return '%r: body %r' % (label, bytes(ms[0].body[:40]))
            if len(ms) > 1 and bytes(ms[1].body) != b'hc:/after%d' % i:
                return '%r: the next answer is %d %r' % (label, ms[1].status, bytes(ms[1].body[:40]))
            if len(ms) == 1 and not o.conns['v%d' % i].closed:
                return '%r: no answer to the next request' % (label,)
        return None
    return f


_s = ['200 OK', '201 C', '301 M', '400 B', '401 U', '404 N', '416 R', '500 O', '503 S', '206 P']
many('head-statuses', 'HEAD with a length, whatever the status', '9110 9.3.2', [rq('HEAD', '/v%d' % i) for i in range(len(_s))],
     {'/v%d' % i: rs(s, cl=77, body=b'') for i, s in enumerate(_s)}, empty_then(_s, tuple(int(x[:3]) for x in _s)))
many('head-statuses-te', 'HEAD with Transfer-Encoding, whatever the status', '9112 6.1', [rq('HEAD', '/v%d' % i) for i in range(len(_s))],
     {'/v%d' % i: rs(s, headers=TE, cl=False, body=b'') for i, s in enumerate(_s)}, empty_then(_s, tuple(int(x[:3]) for x in _s)))
_h = [rs(body=b'', cl=1 << 40), rs(body=b'', cl=0), rs(headers=TE, cl=3, body=b''), rs(headers=[b'Content-Length: 5', b'Content-Length: 6'], cl=False, body=b''), rs(cl='x', body=b''),
      rs(headers=[b'Transfer-Encoding: gzip, chunked'], cl=False, body=b''), rs(version='1.0', cl=9, body=b'')]
many('head-framing', 'HEAD with odd framing fields: no waiting, no body', '9112 6.3', [rq('HEAD', '/v%d' % i) for i in range(len(_h))],
     {'/v%d' % i: h for i, h in enumerate(_h)}, empty_then(['framing %d' % i for i in range(len(_h))], (200,), range(7)))
_h = [rs() + b'', rs(headers=TE, cl=False, body=ch(b'hello')), rs(body=b'x' * 5000), rs(cl=False, body=b'until close')]
many('head-body', 'what an origin sends behind the head of a HEAD reaches nobody', '9110 9.3.2', [rq('HEAD', '/v%d' % i) for i in range(len(_h))],
     {'/v%d' % i: h for i, h in enumerate(_h)}, empty_then(['body %d' % i for i in range(len(_h))], (200,), range(4)))
_n = [rs(s, headers=h, cl=cl, body=b) for s in ('204 No', '304 Not') for h, cl, b in (([], False, b''), ([], 0, b''), (TE, False, b''), (TE, False, ch(b'hello')), ([], 5, b'hello'), ([], False, POISON))]
many('204-304', '204 and 304 end with their head, whatever it says', '9112 6.3', [rq('GET', '/v%d' % i) for i in range(len(_n))],
     {'/v%d' % i: a for i, a in enumerate(_n)}, empty_then(['204/304 %d' % i for i in range(len(_n))], (204, 304), range(len(_n))))
many('204-304-post', 'the same to POST', '9112 6.3', [rq('POST', '/v%d' % i, body=b'hello') for i in range(len(_n))],
     {'/v%d' % i: a for i, a in enumerate(_n)}, empty_then(['204/304 %d' % i for i in range(len(_n))], (204, 304), range(len(_n))))
_f = [rs('204 No', cl=0, body=b''), rs('204 No', cl=5, body=b''), rs('204 No', headers=TE, cl=False, body=b'')]
CASES.append(Case('own-bl-204-fields', '204 reaches the client without framing fields', '9110 8.6, 9112 6.1',
                  E(check=lambda o: next(('204 with %s' % (m.get(b'Content-Length') + m.get(b'Transfer-Encoding')) for c in o.allconns for m in c.resps()
                                          if m.status == 204 and (m.get(b'Content-Length') or m.get(b'Transfer-Encoding'))), None)),
                  origin={'/v%d' % i: f for i, f in enumerate(_f)}, steps=sweep([rq('GET', '/v%d' % i) for i in range(3)], closing=0), budget=15.0))
_r = [rs('205 Reset', body=b''), rs('205 Reset', headers=TE, cl=False, body=ch())]
many('205', '205 ends where its framing says', '9110 15.3.6', [rq('GET', '/v%d' % i) for i in range(2)], {'/v%d' % i: a for i, a in enumerate(_r)}, empty_then(_r, (205,)))
_e = [rs(body=b''), rs(headers=TE, cl=False, body=ch()), rs('404 N', body=b''), R(rs(cl=False, body=b''), Close()), R(rs(version='1.0', cl=False, body=b''), Close())]
many('empty', 'empty content in every framing', '9112 6.3', [rq('GET', '/v%d' % i) for i in range(5)], {'/v%d' % i: a for i, a in enumerate(_e)},
     empty_then(['empty %d' % i for i in range(5)], (200, 404)))
CASES.append(Case('own-bl-head-10', 'HEAD of an HTTP/1.0 client', '9110 9.3.2', passed(1, close=True, body=b'', h={'Transfer-Encoding': None}),
                  req=rq('HEAD', '/h', version='1.0'), origin=rs(headers=TE, cl=False, body=b''), v10=True))
CASES.append(Case('own-bl-head-length', 'the length that HEAD tells is the one of the origin', '9110 8.6, 9.3.2', passed(1, close=False, body=b'', h={'Content-Length': absent_or(hdr('4294967299'))}),
                  req=rq('HEAD', '/h'), origin=rs(cl=4294967299, body=b'')))
CASES.append(Case('own-bl-head-502', 'HEAD that fails at the origin is answered without content', '9110 9.3.2', E(status=(500,) + GATEWAY, close=False, body=b''),
                  req=rq('HEAD', '/h'), origin=b'nonsense\r\n\r\n'))
