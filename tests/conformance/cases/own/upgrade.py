"""Upgrade and tunnels, our own cases."""
from hclib.dsl import *
from hclib.payloads import SMUG, no_smug
from hclib.sweep import *

CASES = []
KEY = [b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', b'Sec-WebSocket-Version: 13']
WS = [b'Connection: Upgrade', b'Upgrade: websocket'] + KEY
SWITCH = b'HTTP/1.1 101 Switching Protocols\r\n'


def add(id, title, rfc, expect, req=None, **kw):
    CASES.append(Case('own-up-' + id, title, rfc, expect, req=req, **kw))


def no_tunnel(o):
    return next(('a tunnel was opened' for c in o.allconns for m in c.resps() if m.status == 101), None)


_h = [b'h2c', b'H2C', b'h2', b'HTTP/2.0', b'http/1.1', b'websocket, h2c', b'h2c, websocket', b'h2c/1', b'HTTP', b'foo, HTTP/3', b'h2c,', b' h2c']
CASES.append(Case('own-up-http', 'no form of HTTP is switched to: behind it requests would go unchecked', '9110 7.8, 9113 3.1',
                  E(check=lambda o: no_tunnel(o) or each_refused_or(_h, lambda i, x: dict(h={'Upgrade': absent_or(lambda got: b'h' not in b','.join(got).replace(b'websocket', b'').lower())}))(o)),
                  origin=R(Ws101(t=1.0)), steps=sweep([rq('GET', '/v%d' % i, headers=[b'Connection: Upgrade, HTTP2-Settings', b'Upgrade: ' + h, b'HTTP2-Settings: AAMAAABkAAQAAP__']) for i, h in enumerate(_h)], closing=0), budget=15.0))
_n = [[b'Upgrade: websocket'], [b'Connection: Upgrade'], [b'Connection: close', b'Upgrade: websocket'], [b'Connection: Upgraded', b'Upgrade: websocket'], [b'Connection: Upgrade', b'Upgrade:'], [b'Connection: Upgrade', b'Upgrade: ,']]
CASES.append(Case('own-up-half', 'Upgrade without its option, or the option without it, asks for nothing', '9110 7.8',
                  E(check=lambda o: no_tunnel(o) or each_served(_n, lambda i, x: dict(h={'Upgrade': None}))(o)), origin=R(Ws101(t=1.0)),
                  steps=sweep([rq('GET', '/v%d' % i, headers=n + KEY) for i, n in enumerate(_n)], closing=0), sev='should', budget=15.0))
add('10', 'Upgrade of an HTTP/1.0 client is ignored though it asks for keep-alive', '9110 7.8', [E(label='ignored', status=(200,), o=[dict(h={'Upgrade': None})]), reject(close=None)],
    rq('GET', '/ws', headers=[b'Connection: keep-alive, Upgrade', b'Upgrade: websocket'] + KEY, version='1.0'), origin=Ws101(), v10=True)
add('spelling', 'websocket in odd case, in a list of options', '9110 7.8', E(status=(101,), ok=['echo']), origin=Ws101(),
    steps=[send(rq('GET', '/ws', headers=[b'Connection: keep-alive, upgrade', b'Upgrade: WebSocket'] + KEY)), recv_head(), send(b'hi', methods=[]), recv_tunnel(2, as_='echo')])
add('early-data', 'what a client sends behind its handshake is not sent as a request', '9110 7.8', E(status=(101, 400, CLOSE), check=no_smug), origin=R(Ws101(t=1.0)),
    steps=[send(rq('GET', '/ws', headers=WS) + SMUG, methods=['GET']), recv_head(), pause(0.3)])
add('early-data-refused', 'the same when the upgrade is refused: it is parsed as a request then', '9110 7.8', E(n=(1, 2), check=no_smug), origin={'/ws': rs('403 No', body=b'no')},
    steps=[send(rq('GET', '/ws', headers=WS) + SMUG.replace(b'X-Smuggled:', b'X-Smuggled :'), methods=['GET', 'GET']), recv(2, t=1.0)])
for id, req in (('cl', rq('POST', '/ws', headers=WS, body=SMUG)), ('chunked', rq('POST', '/ws', headers=WS + [b'Transfer-Encoding: chunked']) + ch(SMUG)), ('get', rq('GET', '/ws', headers=WS, body=SMUG))):
    add('body-' + id, 'an upgrade with a body: the body stays a body', '9110 7.8', E(status=BAD + (200, 101), check=no_smug), req, origin=R(Ws101(t=1.0)))
_bad = [b'', b'Connection: Upgrade\r\n', b'Upgrade: h2c\r\nConnection: Upgrade\r\n', b'Upgrade: HTTP/2.0\r\nConnection: Upgrade\r\n', b'Upgrade:\r\nConnection: Upgrade\r\n', b'Upgrade : websocket\r\nConnection: Upgrade\r\n']
CASES.append(Case('own-up-101-odd', 'a 101 that names no protocol, or HTTP, is not believed', '9110 15.2.2', E(check=each_served(_bad, status=lambda i, x: GATEWAY)), sev='should', budget=15.0,
                  origin={'/v%d' % i: R(SWITCH + b + b'\r\n', Sleep(0.5), Close()) for i, b in enumerate(_bad)},
                  steps=sweep([rq('GET', '/v%d' % i, headers=WS) for i in range(len(_bad))], closing=0)))
_un = [rq('GET', '/v0'), rq('GET', '/v1', headers=[b'Upgrade: websocket']), rq('GET', '/v2', headers=[b'Connection: Upgrade']), rq('POST', '/v3', body=b'x'), rq('GET', '/v4', headers=WS, version='1.0'),
       rq('HEAD', '/v5'), rq('GET', '/v6', headers=[b'Connection: Upgrade', b'Upgrade: h2c'])]
CASES.append(Case('own-up-101-unasked', 'a 101 that was not asked for is a gateway error', '9110 15.2.2', E(check=each_served(_un, status=lambda i, x: GATEWAY + (400, 501))), budget=15.0,
                  origin=R(SWITCH + b'Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n' + b'EVIL', Sleep(0.5), Close()), steps=sweep(_un, closing=0)))
add('101-framing', 'framing fields of a 101 frame nothing and do not come through', '9110 8.6, 9112 6.1',
    [E(label='dropped', status=(101,), h={'Content-Length': None, 'Transfer-Encoding': None}, ok=['data']), E(label='refused', status=GATEWAY)],
    origin=R(SWITCH + b'Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello', Sleep(0.5), Close()), steps=[send(rq('GET', '/ws', headers=WS)), recv_tunnel(5, as_='data')])
add('101-hop', 'a 101 loses other fields of its hop', '9110 7.6.1', E(status=(101,), h={'X-Hop': None, 'Keep-Alive': None, 'X-Keep': hdr('k'), 'Upgrade': matches('(?i)^websocket$'), 'Connection': none_of('x-hop')}),
    origin=R(SWITCH + b'Connection: Upgrade, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Keep: k\r\nUpgrade: websocket\r\n\r\n', Sleep(0.3), Close()), steps=[send(rq('GET', '/ws', headers=WS)), recv_head()])
add('103-then-101', 'an interim answer before the switch', '9110 15.2', E(status=(101,), interim=(103,), ok=['echo']), origin=R(b'HTTP/1.1 103 E\r\n\r\n', Ws101()),
    steps=[send(rq('GET', '/ws', headers=WS)), recv_head(), send(b'hi', methods=[]), recv_tunnel(2, as_='echo')])
add('200-upgrade', 'Upgrade of an origin that did not switch is not passed on', '9110 7.8', passed(1, close=False, h={'Upgrade': None}, body=b'ok'), rq('GET', '/'), sev='should',
    origin=rs(headers=[b'Connection: Upgrade', b'Upgrade: h2c, websocket']))
add('no-pool', 'a connection that was a tunnel is never given to another client', '9110 7.8', E(conn='b', st=[(200,)], bodies=[b'hc:/z']), origin={'/ws': R(Ws101(t=2.0))},
    steps=[send(rq('GET', '/ws', headers=WS)), recv_head(), send(b'hi', methods=[]), recv_tunnel(2), hangup(), wait_oclosed(1), send(rq('GET', '/z'), c='b'), recv(1, c='b')])
