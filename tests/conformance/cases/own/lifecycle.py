"""Half-close, time limits and aborts, our own cases."""
from hclib.dsl import *

CASES = []


def add(id, title, rfc, expect, steps, **kw):
    kw.setdefault('budget', 16.0)
    CASES.append(Case('own-lc-' + id, title, rfc, expect, steps=steps, **kw))


LIMITED = T('t_header', margin=True)
add('head-408', 'a HEAD that never ends is answered, if at all, without content', '9110 9.3.2', E(status=(408, 400, CLOSE), oreq=0, ok=['cut'], body=b''),
    [send(b'HEAD /l HTTP/1.1\r\nHost: hc.te', methods=['HEAD']), until_closed(LIMITED, as_='cut')])
add('408-close', 'a 408 announces the end of the connection', '9110 15.5.9',
    E(oreq=0, ok=['cut'], check=lambda o: next(('no close in the 408' for m in o.conns['a'].resps() if m.status == 408 and not has_token('close')(m.get(b'Connection'))), None)),
    [send(b'GET /l HTTP/1.1\r\nHost: hc.te'), until_closed(LIMITED, as_='cut')])
add('trailer-drip', 'a trailer section that never ends is cut off', 'limits', E(oreq=0, oclosed=True, ok=['cut']),
    [send(rq('POST', '/l', headers=[b'Transfer-Encoding: chunked']) + b'5\r\nhello\r\n0\r\nX: y'), until_closed(T('t_body', margin=True), as_='cut')])
add('chunk-size-stall', 'a chunk size that never ends is cut off', 'limits', E(oreq=0, oclosed=True, ok=['cut']),
    [send(rq('POST', '/l', headers=[b'Transfer-Encoding: chunked']) + b'5'), until_closed(T('t_body', margin=True), as_='cut')])
add('half-head-second', 'half a second request on a kept connection is cut off', 'limits', E(st=[(200,), (408,)], oreq=1, ok=['cut'], label='408'),
    [send(rq('GET', '/l')), recv(1), send(b'GET /l HTTP/1.1\r\nHo'), until_closed(LIMITED, as_='cut')])
CASES[-1].expect.append(E(label='closed', st=[(200,)], oreq=1, ok=['cut']))
add('reset-in-body', 'a reset inside a chunked body leaves no complete request', '9112 8', E(oreq=0, oclosed=True),
    [send(rq('POST', '/l', headers=[b'Transfer-Encoding: chunked']) + b'5\r\nhello\r\n'), wait_oheads(1), reset(), wait_oclosed(1)])
