"""Chunked coding in regular use, our own cases."""
from hclib.dsl import *
from hclib.sweep import *

CASES = []
TE = [b'Transfer-Encoding: chunked']


def add(id, title, rfc, expect, req=None, **kw):
    CASES.append(Case('own-ch-' + id, title, rfc, expect, req=req, **kw))


def post(body, i=0, headers=()):
    return rq('POST', '/v%d' % i, headers=list(headers) + TE) + body


_b = [ch(b'x' * n) for n in (1, 9, 10, 15, 16, 255, 256, 4095, 4096, 65535)]
_n = [1, 9, 10, 15, 16, 255, 256, 4095, 4096, 65535]
CASES.append(Case('own-ch-req-sizes', 'sizes of one to four digits', '9112 7.1', E(check=each_served(_n, lambda i, x: dict(blen=x))),
                  steps=sweep([post(b, i) for i, b in enumerate(_b)], closing=0), budget=15.0))
CASES.append(Case('own-ch-resp-sizes', 'the same in answers', '9112 7.1',
                  E(check=lambda o: each_served(_n)(o) or next(('%d octets became %d' % (n, o.conns['v%d' % i].resps()[0].body_len) for i, n in enumerate(_n) if o.conns['v%d' % i].resps()[0].body_len != n), None)),
                  origin={'/v%d' % i: rs(headers=TE, cl=False, body=b) for i, b in enumerate(_b)}, steps=sweep([rq('GET', '/v%d' % i) for i in range(len(_b))], closing=0), budget=15.0))
_forbidden = [b'Transfer-Encoding: chunked', b'Content-Length: 50', b'Host: evil.test', b'Connection: close', b'Keep-Alive: x', b'TE: gzip', b'Trailer: X', b'Upgrade: x', b'Proxy-Authorization: x', b'Authorization: Basic eDp5',
              b'Cookie: a=b', b'Set-Cookie: a=b', b'Content-Type: text/html', b'Content-Encoding: gzip', b'Content-Range: bytes 0-1/2', b'Cache-Control: no-store', b'Max-Forwards: 0', b'Expect: 100-continue', b'Range: bytes=0-1',
              b'X-Forwarded-For: 203.0.113.9', b'X-Forwarded-Proto: https', b'X-Forwarded-Host: evil.test', b'Forwarded: for=x', b'Via: 1.1 x', b'Proxy: x', b'Location: /x', b'Date: x', b'X_Forwarded_For: 203.0.113.9']


def no_trailer(side):
    def f(o):
        for i, t in enumerate(_forbidden):
            name = t.split(b':')[0].lower()
            ms = [m for _, m in o.reqs() if m.path() == b'/v%d' % i] if side == 'origin' else o.conns['v%d' % i].resps()
            if side == 'origin' and outcome(o.conns['v%d' % i]) in BAD_BODY and not [m for m in ms if m.complete]:
                continue
            if not ms or not ms[0].complete or bytes(ms[0].body) != b'hello':
                return '%r: %s' % (t, ms)
            if [n for n, _ in ms[0].trailers if n.lower() == name]:
                return '%r passed on as a trailer' % t
        return None
    return f


CASES.append(Case('own-ch-req-trailer-forbidden', 'what a request says of itself before its body has no place behind it', '9110 6.5.1', E(check=no_trailer('origin')), budget=15.0,
                  steps=sweep([post(ch(b'hello', trailers=t + b'\r\n'), i) for i, t in enumerate(_forbidden)], closing=0)))
CASES.append(Case('own-ch-resp-trailer-forbidden', 'the same in answers', '9110 6.5.1', E(check=no_trailer('client')), budget=15.0,
                  origin={'/v%d' % i: rs(headers=TE, cl=False, body=ch(b'hello', trailers=t + b'\r\n')) for i, t in enumerate(_forbidden)},
                  steps=sweep([rq('GET', '/v%d' % i, headers=[b'TE: trailers', b'Connection: TE']) for i in range(len(_forbidden))], closing=0)))
add('trailers-kept', 'trailers are kept whole and in order, or dropped', '9110 6.5',
    passed(1, close=False, o=[dict(body=b'hello', trailers=lambda t: not t or t == [(b'X-A', b'1'), (b'X-B', b'2'), (b'X-A', b'3')])]), post(ch(b'hello', trailers=b'X-A: 1\r\nX-B:  2 \r\nX-A: 3\r\n')))
add('resp-trailers-10', 'an HTTP/1.0 client sees neither chunks nor trailers', '9112 6.1', passed(1, close=True, body=b'helloworld', h={'Trailer': None, 'Transfer-Encoding': None}, cforbid=[rb'X-T']), rq('GET', '/c', version='1.0'),
    v10=True, origin=rs(headers=TE + [b'Trailer: X-T'], cl=False, body=ch(b'hello', b'world', trailers=b'X-T: 1\r\n')))
_e = [b'5;a', b'5;a=b', b'5;a="b"', b'5 ;a', b'5; a = b', b'5;' + b'z' * 1000, b'05', b'000005', b'5;\xff=1', b'5;a="\xe9"']
CASES.append(Case('own-ch-resp-ext', 'chunk extensions in answers are not understood and do not matter', '9112 7.1.1',
                  E(check=lambda o: each_cut(_e, (500,) + GATEWAY, range(len(_e)))(o) or next(('body %r' % bytes(m.body) for c in o.allconns for m in c.resps() if m.status == 200 and m.complete and bytes(m.body) != b'hello'), None)),
                  origin={'/v%d' % i: R(rs(headers=TE, cl=False, body=e + b'\r\nhello\r\n0\r\n\r\n'), Sleep(0.2)) for i, e in enumerate(_e)}, steps=sweep([rq('GET', '/v%d' % i) for i in range(len(_e))], closing=0), budget=15.0))
_whole = post(b'5;x="y"\r\nhello\r\n5\r\nworld\r\n0;z\r\nX-T: 1\r\n\r\n', 0)
_start = _whole.index(b'\r\n\r\n') + 4
CASES.append(Case('own-ch-req-split', 'a chunked body split after every octet', '9112 7.1',
                  E(check=each_served(range(len(_whole) - _start), lambda i, x: dict(body=b'helloworld'))), budget=15.0,
                  steps=[send(_whole[:_start + i].replace(b'/v0', b'/v%d' % i), c='v%d' % i) for i in range(len(_whole) - _start)] + [pause(0.1, c='v0')] +
                        [send(_whole[_start + i:], c='v%d' % i, methods=[]) for i in range(len(_whole) - _start)] + [recv(1, c='v%d' % i) for i in range(len(_whole) - _start)]))
_answer = rs(headers=TE, cl=False, body=b'5;x="y"\r\nhello\r\n5\r\nworld\r\n0;z\r\nX-T: 1\r\n\r\n')
CASES.append(Case('own-ch-resp-split', 'a chunked answer split after every octet', '9112 7.1', E(check=each_served(range(len(_answer) - 1), body=b'helloworld')), budget=15.0,
                  origin={'/v%d' % i: R(_answer[:i + 1], Sleep(0.1), _answer[i + 1:]) for i in range(len(_answer) - 1)},
                  steps=sweep([rq('GET', '/v%d' % i) for i in range(len(_answer) - 1)], closing=0)))
add('tiny', 'ten thousand chunks of one octet', '9112 7.1', passed(1, close=False, o=[dict(blen=10000)]), post(ch(*[b'x'] * 10000)), t=4.0)
add('resp-tiny', 'ten thousand chunks of one octet in an answer', '9112 7.1', E(st=[(200,)], done=True, close=False, check=lambda o: None if o.conns['a'].resps()[0].body_len == 10000 else 'damaged'), rq('GET', '/c'), t=4.0,
    origin=rs(headers=TE, cl=False, body=ch(*[b'x'] * 10000)))
