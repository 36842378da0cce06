"""Hop-by-hop fields, our own cases."""
from hclib.dsl import *
from hclib.payloads import SMUG, no_smug
from hclib.sweep import *

CASES = []
TE = [b'Transfer-Encoding: chunked']


def add(id, title, rfc, expect, req=None, **kw):
    CASES.append(Case('own-hb-' + id, title, rfc, expect, req=req, **kw))


def serve(id, title, rfc, requests, labels, want, sev='must', **kw):
    CASES.append(Case('own-hb-' + id, title, rfc, E(check=each_served(labels, want, status=kw.pop('status', (200,)))),
                      steps=sweep(requests, closing=0), sev=sev, budget=15.0, **kw))


def get(i, *fields):
    return rq('GET', '/v%d' % i, headers=list(fields))


def gone(name):
    return dict(h={name: None})


# ---------------------------------------------------------------- named by Connection
_n = [b'X-Hop', b'Cookie', b'Authorization', b'Accept', b'User-Agent', b'Referer', b'Range', b'If-Match', b'If-None-Match', b'Origin', b'Pragma', b'DNT',
      b'X-Forwarded-Port', b'Accept-Encoding', b'Content-Language', b'A', b'X_Under', b'X.Dot', b'!x', b'X-' + b'l' * 200]
serve('listed-gone', 'any field that Connection names is removed', '9110 7.6.1',
      [get(i, b'Connection: ' + n, n + b': v1', b'X-Keep: k', n + b': v2') for i, n in enumerate(_n)], _n,
      lambda i, x: dict(h={x.decode(): None, 'X-Keep': hdr('k'), 'Connection': none_of(x)}))
_c = [b'x-hop', b'X-HOP', b' \t X-Hop\t ', b',X-Hop', b'X-Hop,', b',,X-Hop,,', b'close,X-Hop', b'keep-alive\t,\tX-Hop', b'X-Hop, X-Hop', b'a,b,c,d,e,f,X-Hop',
      b'a\r\nConnection: X-Hop', b'\r\nConnection: X-Hop', b'X-Hop\r\nConnection: keep-alive']
serve('listed-spelling', 'however Connection spells it', '9110 7.6.1', [get(i, b'Connection: ' + c, b'X-Hop: 1') for i, c in enumerate(_c)], _c,
      lambda i, x: gone('X-Hop'))
serve('listed-after', 'also when the field comes before Connection', '9110 7.6.1',
      [get(0, b'X-Hop: 1', b'Connection: X-Hop'), get(1, b'X-Hop: 1', b'Connection: X-Hop', b'X-Hop: 2')], ['before', 'around'], lambda i, x: gone('X-Hop'))
serve('listed-partly', 'names that only begin or end alike stay', '9110 7.6.1',
      [get(0, b'Connection: X-Hop', b'X-Hop2: k'), get(1, b'Connection: X-Hop', b'X-Ho: k'), get(2, b'Connection: X-Hop', b'Y-X-Hop: k')],
      ['longer', 'shorter', 'prefixed'], lambda i, x: dict(h={(b'X-Hop2', b'X-Ho', b'Y-X-Hop')[i].decode(): hdr('k')}))
serve('listed-routing', 'Host, Content-Length and what we tell survive being named', '9110 7.6.1, 7.2',
      [rq('POST', '/v0', headers=[b'Connection: Host, Content-Length, Transfer-Encoding'], body=b'hello'),
       rq('POST', '/v1', headers=[b'Connection: Transfer-Encoding'] + TE) + ch(b'hello'),
       rq('POST', '/v2', headers=[b'Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Via', b'X-Forwarded-For: 203.0.113.7',
                                  b'X-Forwarded-Proto: https'], body=b'hello'),
       rq('POST', '/v3', headers=[b'Connection: close, Connection, Keep-Alive, TE, Trailer, Upgrade'], body=b'hello')],
      ['framing', 'chunked', 'forwarded', 'itself'],
      lambda i, x: dict(body=b'hello', h={'Host': hdr('hc.test'), 'X-Forwarded-For': hdr('127.0.0.1'), 'X-Forwarded-Proto': absent_or(hdr('http')),
                                       'X-Forwarded-Host': absent_or(hdr('hc.test')), 'Via': matches(r'1\.1 \S+')}))
_c = [b'@', b'"close"', b'a b', b'a;q=1', b'X-\xe9', b'=', b'()', b'close;x', b'\xff']
CASES.append(Case('own-hb-connection-odd', 'members that are no tokens are not passed on', '9110 7.6.1',
                  E(check=each_refused_or(_c, lambda i, x: dict(h={'Connection': absent_or(none_of(x))}))),
                  steps=sweep([get(i, b'Connection: ' + c) for i, c in enumerate(_c)], closing=0), budget=15.0))
add('connection-many', 'sixty names in one Connection field', '9110 7.6.1',
    [reject(close=None), passed(1, close=False, o=[dict(h=dict([('X-H%d' % i, None) for i in range(30)] + [('X-Keep', hdr('k'))]))])],
    rq('GET', '/', headers=[b'Connection: ' + b','.join(b'x-h%d' % i for i in range(60)), b'X-Keep: k'] + [b'X-H%d: 1' % i for i in range(30)]))
add('listed-trailer', 'a trailer field that Connection names is removed', '9110 7.6.1',
    passed(1, close=False, o=[dict(body=b'hello', h={'X-Hop': None})], forbid=[rb'(?i)x-hop: *1']),
    rq('POST', '/', headers=[b'Connection: X-Hop', b'Trailer: X-Hop'] + TE) + ch(b'hello', trailers=b'X-Hop: 1\r\n'))
add('listed-trailer-split', 'the same when the trailer section comes late', '9110 7.6.1',
    passed(1, close=False, o=[dict(body=b'hello', h={'X-Hop': None})], forbid=[rb'(?i)x-hop: *1']), None,
    steps=[frag([rq('POST', '/', headers=[b'Connection: X-Hop'] + TE) + b'5\r\nhel', 0.15, b'lo\r\n0\r\n', 0.15, b'X-Hop: 1\r\n\r\n']), recv()])

# ---------------------------------------------------------------- known ones, named or not
_f = [b'Keep-Alive: timeout=5', b'Proxy-Connection: keep-alive', b'Proxy-Connection: close', b'Upgrade: foo/2', b'HTTP2-Settings: AAMAAABk',
      b'Proxy-Authorization: Basic eDp5', b'TE: gzip', b'TE: deflate;q=0.5, gzip', b'Proxy: http://evil.test/', b'proxy: x', b'KEEP-ALIVE: 300',
      b'proxy-CONNECTION: upgrade']
serve('unlisted', 'fields of one hop are removed without being named', '9110 7.6.1',
      [get(i, f) for i, f in enumerate(_f)], _f, lambda i, x: gone(x.split(b':')[0].decode()), sev='should')
_f = [b'TE: trailers', b'TE: chunked', b'TE: trailers, gzip', b'TE:', b'TE: trailers;q=0', b'Connection: TE\r\nTE: trailers, deflate;q=0.5']
serve('te', 'TE goes on as trailers with its connection option, or not at all', '9110 10.1.4', [get(i, f) for i, f in enumerate(_f)], _f,
      lambda i, x: dict(h={'TE': absent_or(hdr('trailers'))}))
CASES.append(Case('own-hb-te-option', 'a TE that is sent has its connection option', '9110 10.1.4',
                  E(check=lambda o: next(('TE without its option' for _, m in o.reqs() if m.get(b'TE') and not has_token('te')(m.get(b'Connection'))), None)),
                  steps=sweep([get(i, f) for i, f in enumerate(_f)], closing=0), budget=15.0))
serve('no-close-sent', 'close and keep-alive of the client are about its own connection', '9110 7.6.1',
      [get(0, b'Connection: close'), get(1, b'Connection: Close, X'), get(2, b'Connection: keep-alive'), get(3, b'Proxy-Connection: close')],
      ['close', 'list', 'keep-alive', 'proxy'], lambda i, x: dict(h={'Connection': absent_or(none_of('close', 'x'))}), sev='should')

# ---------------------------------------------------------------- Max-Forwards
_mf = [(b'1', b'0'), (b'2', b'1'), (b'10', b'9'), (b'100', b'99'), (b'007', b'6')]
serve('max-forwards', 'Max-Forwards of OPTIONS counts down', '9110 7.6.2',
      [rq('OPTIONS', '/v%d' % i, headers=[b'Max-Forwards: ' + a]) for i, (a, _) in enumerate(_mf)], _mf, lambda i, x: dict(h={'Max-Forwards': hdr(x[1])}))
CASES.append(Case('own-hb-max-forwards-trace', 'Max-Forwards of TRACE counts down, or TRACE is refused', '9110 7.6.2',
                  E(check=each_refused_or(_mf, lambda i, x: dict(h={'Max-Forwards': hdr(x[1])}))),
                  steps=sweep([rq('TRACE', '/v%d' % i, headers=[b'Max-Forwards: ' + a]) for i, (a, _) in enumerate(_mf)], closing=0), budget=15.0))
_z = [rq('OPTIONS', '/', headers=[b'Max-Forwards: 0']), rq('OPTIONS', '*', headers=[b'Max-Forwards: 0']), rq('TRACE', '/', headers=[b'Max-Forwards: 0']),
      rq('OPTIONS', '/', headers=[b'max-forwards: 00']), rq('OPTIONS', '/', headers=[b'Connection: Max-Forwards', b'Max-Forwards: 0']),
      rq('OPTIONS', '/', headers=[b'Max-Forwards: 5', b'Max-Forwards: 0'])]
CASES.append(Case('own-hb-max-forwards-0', 'at 0 nothing is passed on', '9110 7.6.2',
                  E(oreq=0, ohead=0, check=each_refused(_z, tuple(range(200, 505)), closed=False)), steps=sweep(_z, closing=0), budget=15.0))
_o = [b'-1', b'x', b'1.5', b'', b'99999999999999999999', b'18446744073709551616', b'0x0', b'+1', b'1 0', b'1, 2', b'5;a']
CASES.append(Case('own-hb-max-forwards-odd', 'what is no number does not become a larger one', '9110 7.6.2',
                  E(check=each_refused_or(_o, lambda i, x: dict(h={'Max-Forwards': lambda got: all(len(g) < 21 for g in got)}))),
                  steps=sweep([rq('OPTIONS', '/v%d' % i, headers=[b'Max-Forwards: ' + v]) for i, v in enumerate(_o)], closing=0), budget=15.0))
add('max-forwards-get', 'Max-Forwards of another method may be ignored', '9110 7.6.2', passed(1, close=False), rq('GET', '/', headers=[b'Max-Forwards: 0']), sev='should')

# ---------------------------------------------------------------- answers
_named = [b'X-Hop', b'Set-Cookie', b'ETag', b'Link', b'Content-Language', b'Server', b'X-' + b'l' * 100]
CASES.append(Case('own-hb-resp-listed', 'any field that Connection of an answer names is removed', '9110 7.6.1',
                  E(check=lambda o: each_served(_named, body=b'ok')(o) or next(
                      ('%r came through' % n for i, n in enumerate(_named) if o.conns['v%d' % i].resps()[0].get(n)), None)),
                  origin={'/v%d' % i: rs(headers=[n + b': v', b'Connection: ' + n]) for i, n in enumerate(_named)},
                  steps=sweep([get(i) for i in range(len(_named))], closing=0), budget=15.0))
_f = [b'Keep-Alive: timeout=99', b'Proxy-Connection: close', b'TE: x', b'Upgrade: h2c', b'Connection: upgrade\r\nUpgrade: h2,h2c', b'Connection: x-opaque',
      b'Proxy-Connection: keep-alive']
CASES.append(Case('own-hb-resp-unlisted', 'fields of one hop are removed from answers', '9110 7.6.1',
                  E(check=lambda o: each_served(_f, body=b'ok')(o) or next(
                      ('%r came through' % n for i, n in enumerate(_f) for name in (b'Keep-Alive', b'Proxy-Connection', b'TE', b'Upgrade')
                       if b'99' in b''.join(o.conns['v%d' % i].resps()[0].get(name)) or
                       (name != b'Keep-Alive' and o.conns['v%d' % i].resps()[0].get(name))), None)),
                  origin={'/v%d' % i: rs(headers=[f]) for i, f in enumerate(_f)}, steps=sweep([get(i) for i in range(len(_f))], closing=0), sev='should', budget=15.0))
add('resp-listed-framing', 'Content-Length named in Connection of an answer still frames it', '9110 7.6.1', passed(1, close=False, body=b'ok'), rq('GET', '/'),
    origin=rs(headers=[b'Connection: Content-Length']))
add('resp-listed-te', 'Transfer-Encoding named in Connection of an answer still frames it', '9110 7.6.1', passed(1, close=False, body=b'hello'), rq('GET', '/'),
    origin=rs(headers=[b'Connection: Transfer-Encoding'] + TE, cl=False, body=ch(b'hello')))
add('resp-listed-date', 'an answer without its Date gets one', '9110 6.6.1', passed(1, h={'Date': matches(r'GMT$')}), rq('GET', '/'),
    origin=rs(headers=[b'Connection: Date', b'Date: x']))
add('resp-listed-trailer', 'a trailer field that Connection of an answer names is removed', '9110 7.6.1',
    passed(1, close=False, body=b'hello', cforbid=[rb'(?i)x-hop: *1']), rq('GET', '/', headers=[b'TE: trailers', b'Connection: TE']),
    origin=R(rs(headers=[b'Connection: X-Hop'] + TE, cl=False, body=b'5\r\nhello\r\n'), Sleep(0.1), b'0\r\nX-Hop: 1\r\n\r\n'))
for st in ('304 Not Modified', '204 No Content'):
    add('resp-listed-' + st[:3], 'a %s loses the fields that Connection names' % st[:3], '9110 7.6.1',
        passed(1, status=(int(st[:3]),), h={'X-Hop': None, 'X-Keep': hdr('k')}), rq('GET', '/'),
        origin=rs(st, headers=[b'Connection: X-Hop', b'X-Hop: 1', b'X-Keep: k'], cl=False, body=b''))
add('interim-hop', 'an interim answer loses the fields of its hop', '9110 7.6.1',
    passed(1, close=False, interim=(103,), body=b'ok', cforbid=[rb'(?i)x-hop', rb'(?i)keep-alive: *timeout'], crequire=[rb'X-Keep: k']), rq('GET', '/'),
    origin=b'HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Keep: k\r\n\r\n' + rs())
add('upgrade-desync', 'Upgrade with a body: no octet of the body becomes a request', '9110 7.8',
    E(status=BAD + (200, 101), check=no_smug), rq('POST', '/', headers=[b'Connection: Upgrade', b'Upgrade: foo'], body=SMUG))
