"""Several requests on one connection, our own cases."""
from hclib.dsl import *
from hclib.payloads import SMUG
from hclib.sweep import smuggled, sweep

CASES = []
GET0 = rq('GET', '/p0')


def add(id, title, rfc, expect, req=None, **kw):
    CASES.append(Case('own-pl-' + id, title, rfc, expect, req=req, **kw))


_bad = [b'GET /p1 HTTP/1.1\r\nX : y\r\nHost: hc.test\r\n\r\n', b'GET /p1 HTTP/1.1\r\n\r\n', b'GET /p1 HTTP/1.1\r\nHost: a b\r\n\r\n', b'GET /p1 HTTP/9.1\r\nHost: hc.test\r\n\r\n',
        b'GET /\x01 HTTP/1.1\r\nHost: hc.test\r\n\r\n', b'\0\0\0\0\r\n\r\n', b'hello\r\n\r\n', rq('POST', '/p1', headers=[b'Content-Length: x']), rq('POST', '/p1', headers=[b'Transfer-Encoding: x']),
        rq('POST', '/p1', headers=[b'Content-Length: 5', b'Transfer-Encoding: chunked']) + b'0\r\n\r\n', rq('POST', '/p1', headers=[b'Content-Length: 5, 6']) + b'hello',
        rq('GET', '/p1', headers=[b'X: a\r\n b']), rq('GET', '/p1', headers=[b'X: a\0b']), rq('POST', '/p1', headers=[b'Transfer-Encoding: chunked']) + b'x\r\n']


def second_bad(o):
    for i, b in enumerate(_bad):
        c = o.conns['v%d' % i]
        st = [m.status for m in c.resps()]
        if not st or st[0] != 200 or bytes(c.resps()[0].body) != b'hc:/p0':
            return '%r: first answer %s' % (b, st)
        if len(st) > 2 or (len(st) == 2 and st[1] not in BAD_BODY + (200,)):
            return '%r: answers %s' % (b, st)
        if len(st) == 2 and st[1] != 200 and not c.closed:
            return '%r: still open' % (b,)
    return smuggled(o)


CASES.append(Case('own-pl-second-bad', 'a good request is answered, the malformed one behind it ends the connection', '9112 2.2, 9.3.2', E(check=second_bad), budget=15.0,
                  steps=[send(GET0 + b + SMUG.replace(b'X-Smuggled: 1', b'X : 1'), c='v%d' % i, methods=['GET'] * 3) for i, b in enumerate(_bad)] +
                        [recv(2, c='v%d' % i) for i in range(len(_bad))] + [until_closed(2.0, c='v%d' % i) for i in range(len(_bad))]))
for id, first, kw in (('close', rq('GET', '/p0', headers=[b'Connection: close']), {}), ('close-list', rq('GET', '/p0', headers=[b'Connection: x, Close']), {}),
                      ('http10', rq('GET', '/p0', version='1.0'), dict(v10=True)),
                      ('close-post', rq('POST', '/p0', headers=[b'Connection: close'], body=b'x'), {}),
                      ('close-chunked', rq('POST', '/p0', headers=[b'Connection: close', b'Transfer-Encoding: chunked']) + ch(b'x'), {})):
    add('after-' + id, 'nothing behind a request that ends the connection is handled: ' + id, '9112 9.6',
        passed(1, close=True, bodies=[b'hc:/p0']), first + SMUG * 3, methods=['GET'] * 4, **kw)
add('crlf-after-body', 'an empty line behind a body is ignored', '9112 2.2', passed(2, close=False, bodies=[b'hc:/p0', b'hc:/p1'], o=[dict(body=b'hello'), dict(body=b'')]),
    rq('POST', '/p0', body=b'hello') + b'\r\n' + rq('GET', '/p1'), n=2, methods=['GET'] * 2)
add('heads', 'HEAD, GET, HEAD, GET', '9112 9.3.2', passed(4, close=False, bodies=[b'', b'hc:/1', b'', b'hc:/3']),
    rq('HEAD', '/0') + rq('GET', '/1') + rq('HEAD', '/2') + rq('GET', '/3'), n=4, methods=['HEAD', 'GET'] * 2)
add('bodyless', '204, 304, empty, chunked, closed: each answer ends where it ends', '9112 6.3',
    E(st=[(204,), (304,), (200,), (200,), (200,), (200,)], bodies=[b'', b'', b'', b'hello', b'until', b'hc:/5'], close=False, oreq=6),
    b''.join(rq('GET', '/%d' % i) for i in range(6)), n=6, methods=['GET'] * 6, t=4.0,
    origin={'/0': rs('204 No', cl=False, body=b''), '/1': rs('304 No', cl=False, body=b''), '/2': rs(body=b''),
            '/3': rs(headers=[b'Transfer-Encoding: chunked'], cl=False, body=ch(b'hello')), '/4': R(rs(cl=False, body=b'until'), Close())})
add('interims', 'interim answers stay with their request', '9112 9.2', passed(3, close=False, bodies=[b'a', b'b', b'c'], interim=(103, 103)),
    b''.join(rq('GET', '/%d' % i) for i in range(3)), n=3, methods=['GET'] * 3, t=4.0,
    origin={'/0': b'HTTP/1.1 103 E\r\n\r\n' + rs(body=b'a'), '/1': rs(body=b'b'), '/2': b'HTTP/1.1 103 E\r\n\r\n' + rs(body=b'c')})
add('errors-between', 'answers that are errors keep the order', '9112 9.3.2',
    E(st=[(200,), (404,), (500,), (200,)], bodies=[b'hc:/0', b'n', b'o', b'hc:/3'], oreq=4), b''.join(rq('GET', '/%d' % i) for i in range(4)), n=4, methods=['GET'] * 4, t=4.0,
    origin={'/1': rs('404 N', body=b'n'), '/2': rs('500 O', body=b'o')})
add('posts', 'eight POSTs keep their bodies', '9112 9.3.2', passed(8, close=False, o=[dict(body=b'body %d' % i) for i in range(8)]),
    b''.join(rq('POST', '/%d' % i, body=b'body %d' % i) for i in range(8)), n=8, methods=['GET'] * 8, t=4.0)
add('mixed-framing', 'length and chunks in turn', '9112 9.3.2', passed(6, close=False, o=[dict(body=b'body %d' % i) for i in range(6)]),
    b''.join(rq('POST', '/%d' % i, body=b'body %d' % i) if i % 2 else rq('POST', '/%d' % i, headers=[b'Transfer-Encoding: chunked']) + ch(b'body', b' %d' % i) for i in range(6)),
    n=6, methods=['GET'] * 6, t=4.0)
add('fifty', 'fifty requests in one segment', '9112 9.3.2', passed(50, close=False, bodies=[b'hc:/%d' % i for i in range(50)]),
    b''.join(rq('GET', '/%d' % i) for i in range(50)), n=50, methods=['GET'] * 50, t=5.0)
add('fin-behind', 'pipelined requests before a half-close are all answered', '9112 9.6', passed(3, bodies=[b'hc:/0', b'hc:/1', b'hc:/2']), None, sev='should',
    steps=[send(b''.join(rq('GET', '/%d' % i) for i in range(3)), methods=['GET'] * 3), fin(), recv(3, t=3.0)])
