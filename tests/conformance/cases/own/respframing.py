"""Broken or unusual answers of the origin, our own cases."""
from hclib.dsl import *
from hclib.sweep import *

CASES = []
TE = [b'Transfer-Encoding: chunked']
POISON = b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
SERVER_ERROR = (500,) + GATEWAY
CTL = [bytes([c]) for c in range(0x20) if c not in (0x09, 0x0a, 0x0d)] + [b'\x7f']


def add(id, title, rfc, expect, origin, req=None, **kw):
    CASES.append(Case('own-rf-' + id, title, rfc, expect, req=None if kw.get('steps') else (req or rq('GET', '/r')), origin=origin, **kw))


def answers(id, title, rfc, origins, judge, req=lambda i: rq('GET', '/v%d' % i), sev='must', **kw):
    CASES.append(Case('own-rf-' + id, title, rfc, E(check=judge, cforbid=[rb'poison']), origin={'/v%d' % i: a for i, a in enumerate(origins)}, sev=sev, budget=15.0,
                      steps=sweep([req(i) for i in range(len(origins))], closing=0), **kw))


def refused(id, title, rfc, origins, labels, **kw):
    """Each is answered with a gateway error instead."""
    answers(id, title, rfc, origins, each_served(labels, status=lambda i, x: SERVER_ERROR), **kw)


def cut(id, title, rfc, origins, labels, whole_ok=(), **kw):
    """Each is a gateway error, or an answer that does not look complete."""
    answers(id, title, rfc, origins, each_cut(labels, SERVER_ERROR, whole_ok), **kw)


def clean_or_refused(labels):
    def f(o):
        for i, label in enumerate(labels):
            got = outcome(o.conns.get('v%d' % i))
            if got not in SERVER_ERROR + (200, CLOSE):
                return '%r: %s' % (label, got)
            if got == 200 and bytes(o.conns['v%d' % i].resps()[0].body) != b'ok':
                return '%r: body %r' % (label, bytes(o.conns['v%d' % i].resps()[0].body[:40]))
        return None
    return f


def raw(head, body=b'ok'):
    return b'HTTP/1.1 200 OK\r\n' + head + b'Content-Length: %d\r\n\r\n' % len(body) + body


# ---------------------------------------------------------------- status lines
_l = [b'HTTP/1.1200 OK', b'HTTP/1.1  200 OK', b'HTTP/1.1\t200 OK', b' HTTP/1.1 200 OK', b'http/1.1 200 OK', b'HTTP/2 200', b'HTTP/2.0 200 OK', b'HTTP/0.9 200 OK', b'HTTP/3.0 200 OK', b'HTTP/11 200 OK',
      b'HTTP/1. 200 OK', b'HTTP/1.1 20 OK', b'HTTP/1.1 2000', b'HTTP/1.1 +200 OK', b'HTTP/1.1 0200 OK', b'HTTP/1.1 2x0 OK', b'HTTP/1.1 -20 OK', b'HTTP/1.1 200OK', b'HTTP/1.1 200\0OK', b'HTTP/1.1 200 O\0K',
      b'HTTP/1.1 200 O\rK', b'HTTP/1.1', b'HTTP/1.1 ', b'HTTP/1.1 OK', b'200 OK', b'OK', b'HTTP/1.1 200\tOK', b'HTTPS/1.1 200 OK', b'RTSP/1.0 200 OK', b'GET / HTTP/1.1', b'HTTP/1.1 \xb2\xb0\xb0 OK',
      b'HTTP/1.1 1e2 OK', b'HTTP/1.1 0x2 OK', b'HTTP/1.10 200 OK', b'\0', b'', b'HTTP/1.1 200 \x01']
answers('status-lines', 'what is no status line is answered with a gateway error, or made into one', '9112 4, 9110 15.6.3',
        [R(l + b'\r\nContent-Length: 2\r\n\r\nok', Close()) for l in _l], clean_or_refused(_l))
_g = [b'hello, this is not http', b'\x15\x03\x03\x00\x02\x02\x28', b'\0' * 10, b'{"a": 1}', b'SSH-2.0-x\r\n', b'220 smtp ready\r\n', b'HTTP/2', b'HTTP/1.1 200 OK\r\nX: \0', b'\0\0\x0c\4\0\0\0\0\0', b'GET / HTTP/1.1\r\n']
answers('no-http', 'an origin that speaks something else and waits is not waited for', '9110 15.6.3', [R(g, Sleep(3.5)) for g in _g],
        each_served(_g, status=lambda i, x: (502,)), sev='should')
_p = [b'\r\n', b'\r\n\r\n', b'\n', b' ', b'\0', b'ok', b'0\r\n\r\n']
answers('before-status-line', 'octets before the status line: refused or skipped, never in the answer', '9112 2.2', [R(p + rs(), Sleep(0.1), Close()) for p in _p], clean_or_refused(_p))

# ---------------------------------------------------------------- fields
answers('ctl-in-value', 'each control octet in a field value of an answer', '9110 5.5', [raw(b'X-F: a' + c + b'b\r\n') for c in CTL], clean_or_refused(CTL))
answers('octet-in-name', 'each octet that is no tchar in a field name of an answer', '9110 5.1', [raw(b'X' + c + b'F: a\r\n') for c in CTL + [bytes([c]) for c in b'\t "(),/;<=>?@[\\]{}\x80\xff']],
        clean_or_refused(CTL + list(b'\t "(),/;<=>?@[\\]{}\x80\xff')))
_f = [b'X-F : a\r\n', b'X-F\t: a\r\n', b'Content-Length : 7\r\n', b'Transfer-Encoding : chunked\r\n', b'Set-Cookie : a=b\r\n', b'X-F: a\r\n b\r\n', b'X-F:\r\n\ta\r\n', b' X-F: a\r\n', b'no colon\r\n', b': v\r\n', b'X-F: a\n',
      b'X-F: a\rSet-Cookie: evil=1\r\n', b'X-F: a\r\r\n', b'\rX-F: a\r\n', b'X-F: a\n\r\n', b'X-F: a\nSet-Cookie: evil=1\r\n', b'X-F: a\0\r\n', b'\0: a\r\n', b'Content_Length: 7\r\n', b'Content-Length:\r\n 2\r\n', b'X-F: a\r\n \r\n']
answers('fields-odd', 'malformed field lines of an answer: refused or repaired', '9112 5, 2.2', [R(raw(f), Sleep(0.1), Close()) for f in _f], clean_or_refused(_f))
add('ws-colon-cookie', 'whitespace before a colon is gone, or the answer is', '9112 5.1',
    [E(label='removed', st=[(200,)], body=b'ok', h={'X-F': hdr('a')}), E(label='refused', status=SERVER_ERROR)], raw(b'X-F : a\r\n'))
_h = [b''.join(b'X-%d: v\r\n' % i for i in range(200)), b'X: ' + b'v' * 8000 + b'\r\n', b''.join(b'Set-Cookie: c%d=v\r\n' % i for i in range(90))]
answers('head-large', 'heads that are large but not absurd', '9110 5.4', [raw(h) for h in _h], each_served(_h, body=b'ok'), sev='should')
_h = [b''.join(b'X-%d: v\r\n' % i for i in range(60000)), b'X: ' + b'v' * 600000 + b'\r\n', b'X' * 600000 + b': v\r\n', (b'X: ' + b'v' * 1000 + b'\r\n') * 600]
answers('head-absurd', 'heads without end are not swallowed', '9110 5.4', [raw(h) for h in _h], each_served([h[:10] for h in _h], status=lambda i, x: SERVER_ERROR))
add('head-endless', 'a head that never ends is given up', 'limits', E(status=GATEWAY + (CLOSE,)), R(b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 200000), t=4.0)
_e = [b'HTTP', b'HTTP/1.1', b'HTTP/1.1 200 OK', b'HTTP/1.1 200 OK\r', b'HTTP/1.1 200 OK\r\n', b'HTTP/1.1 200 OK\r\nX', b'HTTP/1.1 200 OK\r\nX: y\r\n', b'HTTP/1.1 200 OK\r\nX: y\r\n\r', b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n']
refused('head-cut', 'a head cut anywhere is no answer', '9110 15.6.3', [R(e, Close()) for e in _e], _e, req=lambda i: rq('POST', '/v%d' % i, body=b'x'))

# ---------------------------------------------------------------- Content-Length
_c = [b'+2', b'-0', b'0x2', b'2.0', b'2 2', b'2;', b'"2"', b'', b' ', b'2,3', b',', b'18446744073709551616', b'18446744073709551615', b'9223372036854775808', b'9' * 100, b'two', b'2\0', b'\x0b2', b'\xa02', b'2e0', b'2_0', b'0b10', b'2\t2']
refused('cl-odd', 'a length that is no number: discarded and answered 502', '9112 6.3', [R(rs(headers=[b'Content-Length: ' + c], cl=False), Close()) for c in _c], _c)
_c = [(b'2', b'3'), (b'3', b'2'), (b'2', b''), (b'', b'2'), (b'2', b'x'), (b'2, 2', b'3'), (b'2', b'-2')]
refused('cl-lines', 'lengths that disagree: discarded and answered 502', '9112 6.3', [R(rs(headers=[b'Content-Length: ' + a, b'Content-Length: ' + b], cl=False), Close()) for a, b in _c], _c)
answers('cl-same', 'one length said again: refused, or sent on as one', '9112 6.3',
        [rs(headers=[b'Content-Length: 2', b'Content-Length: 2'], cl=False), rs(headers=[b'Content-Length: 2, 2'], cl=False), rs(headers=[b'Content-Length: 02', b'Content-Length: 2'], cl=False)],
        clean_or_refused(['lines', 'list', 'zeros']))
answers('cl-status-independent', 'the same whatever the status', '9112 6.3',
        [R(rs(s, headers=[b'Content-Length: 2', b'Content-Length: 6'], cl=False), Close()) for s in ('404 N', '500 O', '301 M')], each_served(['404', '500', '301'], status=lambda i, x: SERVER_ERROR))
_s = [R(rs(body=b'short', cl=n, version=v), end) for n in (6, 50, 1 << 40) for v in ('1.1', '1.0') for end in (Close(), Rst())]
cut('cl-short', 'a body shorter than its length, however the connection ends', '9112 8', _s, ['short %d' % i for i in range(len(_s))])
cut('cl-short-10', 'the same for an HTTP/1.0 client', '9112 8', _s, ['short %d' % i for i in range(len(_s))], req=lambda i: rq('GET', '/v%d' % i, version='1.0'), v10=True)

# ---------------------------------------------------------------- Transfer-Encoding
_t = [b'gzip', b'identity', b'gzip, chunked', b'chunked, gzip', b'chunked;q=1', b'xchunked', b'chunked x', b'"chunked"', b'', b'\x0bchunked', b'chunked\0', b'chunked\xa0', b'chunked, identity', b'identity, chunked', b'chunk', b',']
answers('te-odd', 'a transfer coding that is not plainly chunked: refused, or read until close', '9112 6.3', [R(rs(headers=[b'Transfer-Encoding: ' + t], cl=False, body=ch(b'hello')), Close()) for t in _t],
        each_served(_t, status=lambda i, x: SERVER_ERROR + (200,)), callow=['te-odd', 'nul', 'ctl-in-value'])
answers('te-odd-cl', 'the same beside a length', '9112 6.3', [R(rs(headers=[b'Transfer-Encoding: ' + t, b'Content-Length: 3'], cl=False, body=ch(b'hello')), Close()) for t in _t],
        each_cut(_t, SERVER_ERROR, range(len(_t))), callow=['te-odd', 'nul', 'ctl-in-value'])
answers('te-10', 'Transfer-Encoding in an HTTP/1.0 answer is faulty: refused, or its connection ends', '9112 6.1',
        [rs(headers=TE, cl=False, body=ch(b'ok'), version='1.0'), R(rs(headers=TE + [b'Connection: keep-alive'], cl=False, body=ch(b'ok'), version='1.0'), Close()),
         R(rs(headers=TE, cl=2, body=ch(b'ok'), version='1.0'), Close())], clean_or_refused(['te', 'keep-alive', 'cl']))
answers('te-cl', 'Transfer-Encoding and a length never both reach the client', '9112 6.3',
        [rs(headers=TE, cl=n, body=ch(b'ok') + POISON) for n in (0, 2, 5, 12, 100)], clean_or_refused(range(5)))

# ---------------------------------------------------------------- broken chunked coding
_k = [b'xyz\r\nhello\r\n0\r\n\r\n', b'-5\r\nhello\r\n0\r\n\r\n', b'0x5\r\nhello\r\n0\r\n\r\n', b'10000000000000005\r\nhello\r\n0\r\n\r\n', b'5\r\nhelloworld\r\n0\r\n\r\n', b'5\r\nhell\r\n0\r\n\r\n', b'5\r\nhello0\r\n\r\n', b'\r\nhello\r\n0\r\n\r\n',
      b' 5\r\nhello\r\n0\r\n\r\n', b'5\rhello\r\n0\r\n\r\n', b'5\r\nhelloX\n0\r\n\r\n', b'5\r\nhello\rX0\r\n\r\n', b'5\r\nhello\r\n-0\r\n\r\n', b'5\0\r\nhello\r\n0\r\n\r\n', b'5 5\r\nhello\r\n0\r\n\r\n', b'5\r\nhello\r\n0\r\nX : y\r\n\r\n', b'5\r\nhello\r\n0\r\nno colon\r\n\r\n',
      b'5\r\nhello\r\n0\r\n X: y\r\n\r\n', b'5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n', b'5;a\nb\r\nhello\r\n0\r\n\r\n', b'5;a=\0\r\nhello\r\n0\r\n\r\n', b'g\r\n', b'5,\r\nhello\r\n0\r\n\r\n']
# Where the defect is in the trailer section only, dropping it is fine.
cut('chunk-odd', 'a broken chunked coding is never given as whole', '9112 7.1', [R(rs(headers=TE, cl=False, body=k), Sleep(0.2), Close()) for k in _k], _k, whole_ok=range(15, 19))
cut('chunk-odd-late', 'the same when it comes behind the head', '9112 7.1', [R(rs(headers=TE, cl=False, body=b'2\r\nab\r\n'), Sleep(0.15), k, Sleep(0.2), Close()) for k in _k], _k, whole_ok=range(15, 19))
cut('chunk-odd-10', 'the same for an HTTP/1.0 client, who sees no chunks', '9112 7.1, 8', [R(rs(headers=TE, cl=False, body=b'2\r\nab\r\n'), Sleep(0.15), k, Sleep(0.2), Close()) for k in _k], _k, whole_ok=range(15, 19),
    req=lambda i: rq('GET', '/v%d' % i, version='1.0'), v10=True)
_k = [b'', b'5', b'5\r\n', b'5\r\nhel', b'5\r\nhello', b'5\r\nhello\r\n', b'5\r\nhello\r\n0', b'5\r\nhello\r\n0\r\n', b'5\r\nhello\r\n0\r\nX: y\r\n', b'5\r\nhello\r\n0\r\n\r']
_c = [R(rs(headers=TE, cl=False, body=k), end) for k in _k for end in (Close(), Rst())]
cut('chunk-cut', 'a chunked answer cut anywhere is never given as whole', '9112 8', _c, ['cut %d' % i for i in range(len(_c))])
cut('chunk-cut-10', 'the same for an HTTP/1.0 client', '9112 8', _c, ['cut %d' % i for i in range(len(_c))], req=lambda i: rq('GET', '/v%d' % i, version='1.0'), v10=True)
cut('close-delimited-rst', 'a body that a reset ends is not whole', '9112 8', [R(rs(cl=False, body=b'hello'), Sleep(0.15), Rst())] * 2, ['until close 0', 'until close 1'])
cut('close-delimited-rst-10', 'the same for an HTTP/1.0 client', '9112 8', [R(rs(cl=False, body=b'hello'), Sleep(0.15), Rst())] * 2, ['until close 0', 'until close 1'],
    req=lambda i: rq('GET', '/v%d' % i, version='1.0'), v10=True)

# ---------------------------------------------------------------- answers nobody asked for
for id, first in (('length', rs()), ('chunked', rs(headers=TE, cl=False, body=ch(b'ok'))), ('204', rs('204 N', cl=False, body=b'')), ('empty', rs(body=b'')), ('304', rs('304 N', cl=False, body=b''))):
    add('late-extra-' + id, 'an answer that comes unasked after one with %s is nobody\'s' % id, '9112 9.2',
        E(check=lambda o: next(('poison' for c in o.allconns if b'poison' in bytes(c.raw)), None), n=(4, 5)), {'/r': R(first, Sleep(0.1), POISON)},
        steps=[send(rq('GET', '/r')), recv(1), pause(0.3)] + [s for i in range(4) for s in (send(rq('GET', '/z%d' % i)), recv(i + 2))])
add('extra-crlf', 'an empty line behind an answer does no harm', '9112 2.2', passed(3, bodies=[b'ok', b'ok', b'ok']), rs() + b'\r\n',
    steps=[s for i in range(3) for s in (send(rq('GET', '/r')), recv(i + 1))])
add('502-keeps-client', 'a gateway error does not end the client\'s connection', '9110 15.6.3', [passed(2, status=SERVER_ERROR, close=False, oreq=2), E(status=SERVER_ERROR, close=True)],
    b'nonsense\r\n\r\n', steps=[send(rq('POST', '/r', body=b'x')), recv(1), send(rq('POST', '/r', body=b'x')), recv(2)])
add('split-value', 'an escaped CRLF in a value of an answer stays escaped', '9110 17.5', passed(1, close=False, body=b'ok', h={'Location': hdr('/%0d%0aSet-Cookie:%20evil=1'), 'Set-Cookie': None}),
    rs(headers=[b'Location: /%0d%0aSet-Cookie:%20evil=1']))
add('early-200', 'a whole answer before the request is over: given, and no reuse of either half', '9112 9.3',
    E(status=(200,), check=lambda o: next(('origin connection with half a request used again' for c in o.used_oconns() if len(c.reqs()) > 1), None)),
    {'/r': R(rs(), when='headers')}, steps=[send(rq('POST', '/r', headers=[b'Content-Length: 100000']) + b'x' * 100), recv(1), pause(0.2)])
