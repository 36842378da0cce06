"""Expect and interim answers, our own cases."""
from hclib.dsl import *
from hclib.payloads import SMUG, no_smug
from hclib.sweep import *

CASES = []
GO = R(Continue100(), ReadRest(), Default(), when='headers')
EXP = b'Expect: 100-continue'


def add(id, title, rfc, expect, req=None, **kw):
    CASES.append(Case('own-ex-' + id, title, rfc, expect, req=req, **kw))


_e = [b'Expect: 100-continue, x', b'Expect: x, 100-continue', b'Expect:', b'Expect: 100-continue;q=1', b'Expect: "100-continue"', b'Expect: 100', b'Expect: 100-continue\r\nExpect: 100-continue',
      b'Expect: 101', b'Expect: 200-ok', b'expect: 100-CONTINUE', b'Expect: a=b; c=d', b'Expect: \xff', b'Expect: 100-continue, 100-continue', b'Expect: 100 continue']
CASES.append(Case('own-ex-values', 'whatever is expected: served with its body, or refused', '9110 10.1.1',
                  E(check=each_refused_or(_e, lambda i, x: dict(body=b'hello'))), budget=15.0,
                  steps=sweep([rq('POST', '/v%d' % i, headers=[e], body=b'hello') for i, e in enumerate(_e)], closing=0)))
CASES.append(Case('own-ex-values-desync', 'no expectation makes a request of a body', '9110 10.1.1', E(check=smuggled), budget=15.0,
                  steps=sweep([rq('POST', '/v%d' % i, headers=[e], body=SMUG) for i, e in enumerate(_e)], closing=0)))
_g = [rq(m, '/v%d' % i, headers=[EXP]) for i, m in enumerate(('GET', 'DELETE', 'OPTIONS'))] + [rq('POST', '/v3', headers=[EXP], body=b''), rq('PUT', '/v4', headers=[EXP, b'Transfer-Encoding: chunked']) + ch()]
CASES.append(Case('own-ex-no-body', 'an expectation with nothing to continue with', '9110 10.1.1', E(check=each_served(_g, lambda i, x: dict(body=b''))), steps=sweep(_g, closing=0), budget=15.0))
add('head', 'HEAD with an expectation and no body', '9110 10.1.1', passed(1, close=False, body=b''), rq('HEAD', '/', headers=[EXP]))
add('10-forwarded', 'what an HTTP/1.0 client expects is ignored: no 100 comes, the body arrives', '9110 10.1.1',
    passed(1, interim=(), o=[dict(body=b'hello')]), rq('POST', '/', headers=[EXP], body=b'hello', version='1.0'), v10=True, origin=GO)
add('10-silent', 'an HTTP/1.0 client that expects gets no 100 though the origin sends one', '9110 15.2',
    passed(1, interim=(), o=[dict(body=b'hello')]), rq('POST', '/', headers=[EXP], body=b'hello', version='1.0'), v10=True,
    origin=R(b'HTTP/1.1 100 Continue\r\n\r\n', ReadRest(), Default(), when='headers'))
add('reaches', 'the expectation reaches the origin, or is met here', '9110 10.1.1',
    passed(1, close=False, interim=lambda g: set(g) == {100}, ok=['go'], o=[dict(body=b'hello')]), origin=GO,
    steps=[send(rq('PUT', '/', headers=[EXP, b'Content-Length: 5'])), recv_interim(as_='go'), send(b'hello', methods=[]), recv()])
for st in ('200 OK', '301 Moved', '403 No', '413 Big', '500 Oops'):
    add('final-' + st[:3], 'a final answer instead of 100: given to the client, the late body is no request', '9110 10.1.1',
        E(status=(int(st[:3]),), check=no_smug), origin={'/ex': R(rs(st, body=b'no'), when='headers')},
        steps=[send(rq('POST', '/ex', headers=[EXP, b'Content-Length: %d' % len(SMUG)])), recv(1), send(SMUG, methods=[]), pause(0.3)])
add('final-reuse', 'an origin connection whose request was never sent whole is not used again', '9112 9.3',
    E(conn='b', st=[(200,), (200,)], bodies=[b'hc:/z', b'hc:/z2'], check=no_smug), origin={'/ex': R(rs('401 No', body=b'no'), when='headers')},
    steps=[send(rq('POST', '/ex', headers=[EXP, b'Content-Length: 500'])), recv(1), hangup(), send(rq('GET', '/z'), c='b'), recv(1, c='b'), send(rq('GET', '/z2'), c='b'), recv(2, c='b')])

# ---------------------------------------------------------------- interim answers
_i = [100, 102, 103, 104, 110, 150, 199]
CASES.append(Case('own-ex-interims', 'every interim answer is passed on, then the final one', '9110 15.2',
                  E(check=lambda o: each_served(_i, body=b'ok')(o) or next(
                      ('%d did not come' % s for i, s in enumerate(_i) if s != 100 and [m.status for m in o.conns['v%d' % i].p.interim] != [s]), None)),
                  origin={'/v%d' % i: b'HTTP/1.1 %d X\r\nX-I: j\r\n\r\n' % s + rs() for i, s in enumerate(_i)},
                  steps=sweep([rq('GET', '/v%d' % i) for i in range(len(_i))], closing=0), budget=15.0))
add('interims-ten', 'ten interim answers come in their order', '9110 15.2', passed(1, close=False, interim=(103, 102) * 5, body=b'ok'), rq('GET', '/'),
    origin=(b'HTTP/1.1 103 E\r\n\r\nHTTP/1.1 102 P\r\n\r\n') * 5 + rs())
add('interims-flood', 'an origin that sends interim answers for ever is given up', 'limits', E(status=GATEWAY + (CLOSE,)), rq('GET', '/'), t=4.0,
    origin=R(b'HTTP/1.1 103 E\r\nX: y\r\n\r\n' * 20000))
add('interims-big', 'large interim answers are bounded', 'limits', [E(status=GATEWAY + (CLOSE,)), passed(1)], rq('GET', '/'), t=4.0,
    origin=R(b'HTTP/1.1 103 E\r\nX: ' + b'y' * 200000 + b'\r\n\r\n' + rs()))
for st, cl in (('204 No', False), ('304 No', False), ('200 OK', True)):
    add('interim-then-' + st[:3], 'an interim answer before a %s' % st[:3], '9110 15.2', passed(1, close=False, status=(int(st[:3]),), interim=(103,)), rq('GET', '/'),
        origin=b'HTTP/1.1 103 E\r\n\r\n' + rs(st, cl=cl, body=b'ok' if cl else b''))
add('interim-head', 'interim answers to HEAD', '9110 9.3.2', passed(1, close=False, interim=(103,), body=b''), rq('HEAD', '/'), origin=b'HTTP/1.1 103 E\r\n\r\n' + rs(cl=9, body=b''))
_b = [b'HTTP/1.1 103 E\r\nX : y\r\n\r\n', b'HTTP/1.1 103\x00\r\n\r\n', b'HTTP/1.1 10x E\r\n\r\n', b'HTTP/1.1 103 E\r\nX: a\0b\r\n\r\n', b'HTTP/1.1 103 E\r\nno colon\r\n\r\n', b'HTTP/1.1 1000 E\r\n\r\n',
      b'HTTP/2.1 103 E\r\n\r\n', b'HTTP/1.1 103 E\r\n X: y\r\n\r\n']
CASES.append(Case('own-ex-interims-bad', 'malformed interim answers do not reach the client', '9112 4, 9110 15.6.3',
                  E(check=each_served(_b, status=lambda i, x: GATEWAY + (500, 200))), origin={'/v%d' % i: b + rs() for i, b in enumerate(_b)},
                  steps=sweep([rq('GET', '/v%d' % i) for i in range(len(_b))], closing=0), budget=15.0))
_f = [b'Content-Length: 5', b'Transfer-Encoding: chunked', b'Content-Length: 0', b'Connection: close', b'Content-Length: 5\r\nContent-Length: 6']
CASES.append(Case('own-ex-interim-framing', 'nothing in an interim answer frames a body', '9110 8.6, 9112 6.1',
                  E(check=lambda o: each_served(_f, status=lambda i, x: GATEWAY + (200,))(o) or next(
                      ('%r came through' % f for i, f in enumerate(_f) for m in o.conns['v%d' % i].p.interim if m.get(b'Content-Length') or m.get(b'Transfer-Encoding')), None)),
                  origin={'/v%d' % i: b'HTTP/1.1 103 E\r\n' + f + b'\r\n\r\n' + rs() for i, f in enumerate(_f)},
                  steps=sweep([rq('GET', '/v%d' % i) for i in range(len(_f))], closing=0), budget=15.0))
add('interim-cut', 'closed inside an interim answer', '9110 15.6.3', E(status=GATEWAY + (CLOSE,)), rq('GET', '/'), origin=R(b'HTTP/1.1 103 E\r\nLi', Close()))
add('interim-10', 'no interim answer of any kind reaches an HTTP/1.0 client', '9110 15.2', passed(1, interim=(), body=b'ok'), rq('GET', '/', version='1.0'), v10=True,
    origin=b''.join(b'HTTP/1.1 %d X\r\n\r\n' % s for s in (100, 102, 103, 199)) + rs())
