"""Streaming and back pressure, our own cases."""
from hclib.check import bounded_memory
from hclib.dsl import *

CASES = []
TE = [b'Transfer-Encoding: chunked']


def add(id, title, expect, rfc='9110 7.6', **kw):
    CASES.append(Case('own-st-' + id, title, rfc, expect, **kw))


add('both-ways', 'an answer that begins before the request is over lets the request go on',
    E(st=[(200,)], done=True, body=b'A' * 10 + b'B' * 10, ok=['first', 'rest'], oreq=1, o=[dict(body=b'C' * 20)]),
    origin=R(rs(body=b'A' * 10, cl=20), ReadRest(), b'B' * 10, when='headers'),
    steps=[send(rq('POST', '/s', headers=[b'Content-Length: 20']) + b'C' * 10), recv_body(10, as_='first'), send(b'C' * 10, methods=[]), recv(t=3.0, as_='rest')])
add('both-ways-chunked', 'the same with chunks both ways',
    E(st=[(200,)], done=True, body=b'A' * 10 + b'B' * 10, ok=['first', 'rest'], oreq=1, o=[dict(body=b'C' * 20)]),
    origin=R(rs(headers=TE, cl=False, body=ch(b'A' * 10, last=False)), ReadRest(), ch(b'B' * 10), when='headers'),
    steps=[send(rq('POST', '/s', headers=TE) + ch(b'C' * 10, last=False)), recv_body(10, as_='first'), send(ch(b'C' * 10), methods=[]), recv(t=3.0, as_='rest')])
add('to-10', 'a chunked answer streams to an HTTP/1.0 client, too', E(st=[(200,)], done=True, close=True, ok=['first'], body=b'A' * 10 + b'B' * 10), v10=True,
    origin=R(rs(headers=TE, cl=False, body=ch(b'A' * 10, last=False)), WaitFor('go'), ch(b'B' * 10)),
    steps=[send(rq('GET', '/s', version='1.0')), recv_body(10, as_='first'), signal('go'), recv(t=3.0)])
add('stuck-origin', 'an origin that stops reading stops the client, then is given up',
    E(status=GATEWAY + (CLOSE,), oreq=0, check=bounded_memory), rfc='limits', needs=('pid?',), solo=True, budget=25.0, origin=R(NoRead(9.0), when='headers'),
    steps=[send(rq('POST', '/s', headers=[b'Content-Length: %d' % (64 << 20)])), sendbig(64 << 20, seed=9, t=2.0), recv(t=T('t_backend', margin=True))])
add('chunked-8m', 'eight MiB in chunks both ways, intact, memory bounded',
    E(st=[(200,)], done=True, close=False, oreq=1, o=[dict(blen=8 << 20, crc=lambda c: c == stream_crc(8, 8 << 20))],
      check=lambda o: bounded_memory(o) or (None if o.conns['a'].resps()[0].crc == stream_crc(9, 8 << 20) else 'damaged')),
    needs=('pid?',), solo=True, budget=30.0, rfc='9112 7.1', origin=R(rs(headers=TE, cl=False, body=b''), Big(8 << 20, seed=9, chunked=True)),
    steps=[send(rq('PUT', '/s', headers=TE)), sendbig(8 << 20, seed=8, chunked=True), recv(t=20.0)])
