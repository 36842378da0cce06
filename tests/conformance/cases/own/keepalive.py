"""Connection persistence and reuse, our own cases."""
from hclib.check import at_most_once
from hclib.dsl import *

CASES = []
TE = [b'Transfer-Encoding: chunked']


def add(id, title, rfc, expect, req=None, **kw):
    CASES.append(Case('own-ka-' + id, title, rfc, expect, req=req, **kw))


def one_request_each(o):
    for c in o.used_oconns():
        if len([m for m in c.reqs() if not m.path().startswith(b'/hc-')]) > 1:
            return 'origin connection %d was used again' % c.number
    return None


three = [s for i in range(3) for s in (send(rq('GET', '/k')), recv(i + 1))]

# ---------------------------------------------------------------- client side
add('10-keep-alive', 'HTTP/1.0 with keep-alive: kept only when the answer says so', '9112 9.3, C.2.2',
    [passed(1, close=True), passed(1, close=False, h={'Connection': has_token('keep-alive')})], rq('GET', '/k', headers=[b'Connection: keep-alive'], version='1.0'), v10=True)
add('10-keep-alive-unknown-length', 'HTTP/1.0 with keep-alive and an answer that only the end delimits', '9112 6.3', passed(1, close=True, body=b'hello'),
    rq('GET', '/k', headers=[b'Connection: keep-alive'], version='1.0'), origin=R(rs(cl=False, body=b'hello'), Close()), v10=True)
add('10-keep-alive-chunked', 'HTTP/1.0 with keep-alive and a chunked answer', '9112 6.1', [passed(1, close=True, body=b'hello', h={'Transfer-Encoding': None}),
    passed(1, close=False, body=b'hello', h={'Transfer-Encoding': None, 'Content-Length': hdr('5')})],
    rq('GET', '/k', headers=[b'Connection: keep-alive'], version='1.0'), origin=rs(headers=TE, cl=False, body=ch(b'hello')), v10=True)
add('10-keep-alive-close', 'HTTP/1.0 with keep-alive and close', '9112 9.3', passed(1, close=True), rq('GET', '/k', headers=[b'Connection: keep-alive, close'], version='1.0'), v10=True)
add('10-proxy-connection', 'HTTP/1.0 with Proxy-Connection is not kept', '9112 C.2.2', passed(1, close=True), rq('GET', '/k', headers=[b'Proxy-Connection: keep-alive'], version='1.0'), v10=True)
for id, v in (('keep-alive-close', b'keep-alive, close'), ('close-keep-alive', b'close, keep-alive'), ('upper', b'CLOSE'), ('tab', b'\tclose\t'), ('empties', b',,close,,')):
    add('close-' + id, 'Connection: %s ends it' % v.decode().strip(), '9112 9.3', passed(1, close=True, h={'Connection': has_token('close')}), rq('GET', '/k', headers=[b'Connection: ' + v]))
add('close-second-line', 'close on a second Connection line ends it', '9110 5.3', passed(1, close=True), rq('GET', '/k', headers=[b'Connection: keep-alive', b'X: y', b'Connection: close']))
for id, v in (('closed', b'closed'), ('no-close', b'no-close'), ('close-quoted', b'"x, y"'), ('none', b'')):
    add('stays-' + id, 'Connection: %s does not end it' % v.decode(), '9112 9.3', passed(1, close=False), rq('GET', '/k', headers=[b'Connection: ' + v]), sev='should')
add('close-11-12', 'HTTP/1.2 persists as HTTP/1.1 does', '9110 6.2', [passed(1, close=False), reject(close=None)], rq('GET', '/k', version='1.2'))
for m in ('PUT', 'DELETE', 'OPTIONS', 'PATCH', 'BREW'):
    add('after-' + m.lower(), 'the connection goes on after ' + m, '9112 9.3', [passed(1, close=False), reject(close=None)], rq(m, '/k', body=b'x'))
add('announced', 'an answer before the end of the connection announces it', '9112 9.6',
    E(check=lambda o: next(('closed without close in answer %d' % m.status for c in o.allconns for m in c.resps()[-1:] if c.closed and not has_token('close')(m.get(b'Connection'))), None)),
    rq('GET', '/k', headers=[b'Connection: close']))
add('post-unread', 'a body that was not read to its end ends the connection', '9112 9.3', E(status=(413,), close=True, check=lambda o: None if len(o.conns['a'].resps()) == 1 else 'the body was taken for requests'),
    None, origin={'/k': R(rs('413 Big', body=b'big'), when='headers')},
    steps=[send(rq('POST', '/k', headers=[b'Content-Length: 100000']) + b'GET /x HTTP/1.1\r\nHost: hc.test\r\n\r\n' * 10), recv(1)])

# ---------------------------------------------------------------- origin side
for id, v in (('close', b'close'), ('upper', b'CLOSE'), ('list', b'x, close'), ('both', b'keep-alive, close')):
    add('origin-' + id, 'behind Connection: %s of an origin nothing more is sent to it' % v.decode(), '9112 9.6', passed(3, close=False, check=one_request_each), None,
        origin=R(rs(headers=[b'Connection: ' + v])), steps=three)
add('origin-10', 'an HTTP/1.0 origin is not sent a second request on one connection', '9112 9.3', passed(3, close=False, check=one_request_each), None, origin=R(rs(version='1.0')), steps=three)
add('origin-10-keep-alive', 'an HTTP/1.0 origin that keeps alive may be sent more', '9112 9.3', passed(3, close=False), None, origin=R(rs(version='1.0', headers=[b'Connection: keep-alive'])), steps=three)
add('origin-extra', 'an origin connection with octets left over is not used again', '9112 9.2', E(n=3, st=[(200,)] * 3, check=one_request_each), None, origin=R(rs() + b'JUNK'), steps=three)
for m, body in (('POST', b'pay'), ('PATCH', b'pay'), ('BREW', b'pay'), ('POST', None)):
    add('no-repeat-%s%s' % (m.lower(), '' if body else '-empty'), 'a %s that an origin read and did not answer is not sent again' % m, '9110 9.2.2, 9112 9.3.1',
        E(status=(500,) + GATEWAY + (CLOSE,), check=lambda o: at_most_once(o, [b'/k'])), rq(m, '/k', body=body), origin=R(Close()), t=3.0)
add('no-repeat-begun', 'a GET whose answer had begun is not sent again', '9112 9.3.1', E(done=False, check=lambda o: at_most_once(o, [b'/k'])), rq('GET', '/k'), origin=R(rs(cl=50, body=b'begun'), Sleep(0.15), Rst()), t=3.0)
add('no-repeat-interim', 'a POST that got an interim answer is not sent again', '9110 9.2.2', E(status=(500,) + GATEWAY + (CLOSE,), check=lambda o: at_most_once(o, [b'/k'])), rq('POST', '/k', body=b'x'),
    origin=R(b'HTTP/1.1 103 E\r\n\r\n', Close()), t=3.0)
