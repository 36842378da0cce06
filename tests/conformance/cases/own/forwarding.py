"""What a gateway adds, keeps and rewrites, our own cases."""
from hclib.dsl import *
from hclib.sweep import *

CASES = []
TE = [b'Transfer-Encoding: chunked']
DATE = r'^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$'


def add(id, title, rfc, expect, req=None, **kw):
    CASES.append(Case('own-fw-' + id, title, rfc, expect, req=req, **kw))


def get(i, *fields):
    return rq('GET', '/v%d' % i, headers=list(fields))


def fields_reach(id, title, rfc, fields, name=None, **kw):
    """Each field line reaches the origin with its value, octet by octet."""
    split = [f.split(b':', 1) for f in fields]
    CASES.append(Case('own-fw-' + id, title, rfc, E(check=each_served(split, lambda i, x: dict(h={x[0].decode('latin1'): hdr(x[1].strip(b' \t'))}))),
                      steps=sweep([get(i, f) for i, f in enumerate(fields)], closing=0), budget=15.0, **kw))


def fields_return(id, title, rfc, fields, **kw):
    """Each field line of an answer reaches the client with its value."""
    def judge(o):
        return each_served(fields, body=b'ok')(o) or next(
            ('%r came as %s' % (f, o.conns['v%d' % i].resps()[0].get(f.split(b':')[0])) for i, f in enumerate(fields)
             if o.conns['v%d' % i].resps()[0].get(f.split(b':')[0]) != [f.split(b':', 1)[1].strip(b' \t')]), None)
    CASES.append(Case('own-fw-' + id, title, rfc, E(check=judge), origin={'/v%d' % i: rs(headers=[f]) for i, f in enumerate(fields)},
                      steps=sweep([get(i) for i in range(len(fields))], closing=0), budget=15.0, **kw))


# ---------------------------------------------------------------- who asked, and by what way
_x = [b'X-Forwarded-For: 203.0.113.9', b'x-forwarded-for: 203.0.113.9, 198.51.100.1', b'X-Forwarded-For:', b'X-Forwarded-For: ,,', b'X-Forwarded-For: unknown',
      b'X-Forwarded-For: 127.0.0.1', b'X-Forwarded-For: "x"', b'X-Forwarded-For: ' + b'1.2.3.4, ' * 100 + b'5.6.7.8', b'X-Forwarded-For: \xff',
      b'\r\n'.join([b'X-Forwarded-For: 10.0.0.%d' % i for i in range(20)]), b'X-Forwarded-For: a\r\nConnection: x-forwarded-for']
CASES.append(Case('own-fw-xff-last', 'whatever the client says of itself, its address comes last', 'practice',
                  E(check=each_served(_x, lambda i, x: dict(h={'X-Forwarded-For': last_item('127.0.0.1')}))),
                  steps=sweep([get(i, f) for i, f in enumerate(_x)], closing=0), budget=15.0))
_x = [b'X-Forwarded-Proto: https', b'x-forwarded-proto: https', b'X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https', b'X-Forwarded-Proto: https, https',
      b'X-Forwarded-Proto: wss', b'X-Forwarded-Proto:']
CASES.append(Case('own-fw-xfp', 'X-Forwarded-Proto tells the scheme that was used', 'practice',
                  E(check=each_served(_x, lambda i, x: dict(h={'X-Forwarded-Proto': absent_or(hdr('http'))}))),
                  steps=sweep([get(i, f) for i, f in enumerate(_x)], closing=0), sev='should', budget=15.0))
_x = [b'X_Forwarded_For: 203.0.113.9', b'X-Forwarded_For: 203.0.113.9', b'X_FORWARDED_PROTO: https', b'X_Forwarded_Host: evil.test', b'X_Real_IP: 203.0.113.9',
      b'Proxy_Authorization: x', b'X_Request_Id: x']
CASES.append(Case('own-fw-underscores', 'an underscore makes no second name of what the gateway tells', 'practice',
                  E(check=each_served(_x, lambda i, x: dict(h={x.split(b':')[0].decode(): None}))),
                  steps=sweep([get(i, f) for i, f in enumerate(_x)], closing=0), sev='should', budget=15.0))
_x = [b'Forwarded: for=203.0.113.9', b'forwarded: for=203.0.113.9;host=evil.test', b'Forwarded: for=a\r\nForwarded: for=b', b'Forwarded: for="[::1]"', b'Forwarded: by=x']
CASES.append(Case('own-fw-forwarded', 'Forwarded of the client is removed or appended to', '7239 4',
                  E(check=each_served(_x, lambda i, x: dict(h={'Forwarded': absent_or(matches(r'for="?127\.0\.0\.1[^,]*$'))}))),
                  steps=sweep([get(i, f) for i, f in enumerate(_x)], closing=0), sev='should', budget=15.0))
add('request-id', 'an X-Request-Id of the client does not pass as ours', 'practice',
    passed(1, o=[dict(h={'X-Request-Id': absent_or(lambda got: len(got) == 1 and b'forged' not in got[0])})]),
    rq('GET', '/', headers=[b'X-Request-Id: forged', b'x-request-id: forged2']), sev='should')
add('xfh-hosts', 'X-Forwarded-Host holds one host', 'practice',
    passed(1, o=[dict(h={'X-Forwarded-Host': absent_or(lambda got: b','.join(got).split(b',')[-1].strip() == b'hc.test:8080')})]),
    rq('GET', '/', headers=[b'X-Forwarded-Host: evil.test'], host='hc.test:8080'))
_v = [('1.1', r'^(HTTP/)?1\.1 \S+$'), ('1.0', r'^(HTTP/)?1\.0 \S+$')]
for ver, rx in _v:
    add('via-' + ver, 'Via tells that the request came in HTTP/' + ver, '9110 7.6.3', passed(1, o=[dict(h={'Via': matches(rx)})]), rq('GET', '/', version=ver), v10=ver == '1.0')
_x = [b'Via: 1.0 fred', b'Via: 1.0 fred, 1.1 p.example.net', b'Via: 1.0 a\r\nVia: 1.1 b', b'via: HTTP/1.1 c (comment, with comma)', b'Via: 1.1 ' + b'x' * 300]
CASES.append(Case('own-fw-via-kept', 'earlier entries of Via stay before ours', '9110 7.6.3',
                  E(check=each_served(_x, lambda i, x: dict(h={'Via': lambda got: x.split(b'\r\n')[0].split(b': ', 1)[1] == b', '.join(got)[:len(x.split(b'\r\n')[0]) - 5] and
                                                               len(b', '.join(got)) > len(x.split(b'\r\n')[0])}))),
                  steps=sweep([get(i, f) for i, f in enumerate(_x)], closing=0), budget=15.0))

# ---------------------------------------------------------------- what is not ours to change, requests
fields_reach('authorization', 'Authorization is not modified', '9110 11.6.2',
             [b'Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', b'authorization: Digest username="M\xfcfa", uri="/x?y", nc=00000001', b'Authorization: Bearer a.b-c_d~e+f/g==',
              b'Authorization:\tNegotiate  x  y', b'Authorization: ,'])
fields_reach('cache-request', 'cache directives and validators of requests are passed through', '9111 5.2, 9110 13.1',
             [b'Cache-Control: no-cache, no-store, max-age=0, max-stale=5, min-fresh=1, no-transform, only-if-cached', b'Cache-Control: x-own="a, b"', b'Pragma: no-cache',
              b'If-Match: "a", W/"b"', b'If-None-Match: *', b'If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT', b'If-Unmodified-Since: x', b'If-Range: "a"',
              b'Range: bytes=0-1,5-', b'Accept-Encoding: gzip;q=0, *', b'Accept: text/*;q=0.3', b'Priority: u=1, i'])
fields_reach('unknown', 'fields that nobody knows are passed on', '9110 5.1',
             [b'X-Unknown: 1', b'x: y', b'!: bang', b'~#$: z', b'Sec-Fetch-Mode: cors', b'X-%41: p', b'Content-MD5: Q2hlY2s=', b'X-Long-' + b'n' * 200 + b': v', b'MIME-Version: 1.0',
              b'From: a@b.c', b'Origin: null', b'DNT: 1', b'X-Cl: Content-Length: 5', b'Age: 3', b'Warning: 110 - "x"'])
fields_reach('value-octets', 'a value keeps every octet it may have', '9110 5.5',
             [b'X-V: ' + bytes(range(0x21, 0x7f)), b'X-V: ' + bytes(range(0x80, 0x100)), b'X-V: a \t b', b'X-V: \xc3\xa9\xe2\x82\xac', b'X-V: "a\\"b"', b'X-V: (c (d))',
              b'X-V: a,,b, ,c', b'X-V: =?utf-8?B?x?=', b'X-V: %0d%0aX-Inj: 1', b'X-V: \\r\\nX: y', b'X-V::', b'X-V: :a: b:', b'X-V:' + b'v' * 4000])
add('order', 'lines of one name keep their order among many others', '9110 5.3',
    passed(1, o=[dict(h={'X-M': joined(', '.join(str(i) for i in range(40)))})]),
    rq('GET', '/', headers=[b'X-M: %d\r\nX-O%d: z' % (i, i) for i in range(40)]))
add('twice', 'a field that comes twice stays two lines or one list', '9110 5.3',
    passed(1, o=[dict(h={'Accept': joined('a/b, c/d'), 'Cookie': lambda got: b'; '.join(got) == b'a=1; b=2', 'X-Same': joined('1, 1')})]),
    rq('GET', '/', headers=[b'Accept: a/b', b'Cookie: a=1', b'X-Same: 1', b'Accept: c/d', b'Cookie: b=2', b'X-Same: 1']))
_b = [(b'Content-Encoding: gzip', b'\x1f\x8b\x08\0' + bytes(range(256))), (b'Content-Type: text/plain; charset=x', b'\r\n.\r\n\0\xff'), (b'Content-Language: de', b'x' * 20000),
      (b'Cache-Control: no-transform', b'{"a": 1}'), (b'Content-Type: message/http', b'GET / HTTP/1.1\r\nX : y\r\n\r\n'), (b'Digest: sha-256=x', b'HTTP/1.1 200 OK\r\n\r\n')]
CASES.append(Case('own-fw-body-octets', 'a body is not transformed', '9110 7.7',
                  E(check=each_served(_b, lambda i, x: dict(body=x[1], h={x[0].split(b':')[0].decode(): hdr(x[0].split(b': ')[1])}))),
                  steps=sweep([rq('POST', '/v%d' % i, headers=[f], body=b) for i, (f, b) in enumerate(_b)], closing=0), budget=15.0))
_m = ['1.0', '1.1', '1.2', '1.9']
CASES.append(Case('own-fw-version-own', 'whatever the minor version of the client, the origin is spoken to in ours', '9110 2.5, 6.2',
                  E(check=each_served(_m, lambda i, x: dict(version=b'HTTP/1.1'))), v10=True,
                  steps=sweep([rq('GET', '/v%d' % i, version=v) for i, v in enumerate(_m)], closing=0), budget=15.0))

# ---------------------------------------------------------------- answers
fields_return('www-authenticate', 'authentication fields of answers are not modified', '9110 11.6.1, 11.6.3',
              [b'WWW-Authenticate: Basic realm="a, b", Digest realm=x', b'www-authenticate: Negotiate', b'Authentication-Info: nextnonce="x"', b'WWW-Authenticate: NTLM  TlRM=='])
fields_return('cache-answer', 'cache directives of answers are passed through', '9111 5.2',
              [b'Cache-Control: public, max-age=60, s-maxage=1, no-transform, x-own="a,b"', b'Cache-Control: private="Set-Cookie"', b'Age: 5', b'Expires: 0', b'Pragma: no-cache',
               b'Vary: *', b'Warning: 199 a "b"', b'Last-Modified: x', b'ETag: W/"\xff"', b'CDN-Cache-Control: max-age=1', b'Surrogate-Control: x'])
fields_return('answer-unknown', 'other fields of answers come through', '9110 5.1',
              [b'X-Unknown: 1', b'Server: o/1 (c)', b'Retry-After: 5', b'Allow: GET, X', b'Accept-Ranges: none', b'Content-Location: /x', b'Link: <a>; rel=b, <c>; rel=d',
               b'Alt-Svc: clear', b'Content-Disposition: attachment; filename="\xe9"', b'X-V: ' + bytes(range(0x80, 0x100)), b'Location: ../x?y#z', b'P3P: CP="x"', b'!: v',
               b'Access-Control-Allow-Origin: *', b'X-Long: ' + b'v' * 4000, b'Status: 404 no', b'X_Under: 1', b'Content-Range: bytes 0-1/2'])
add('set-cookies', 'forty Set-Cookie lines stay forty in their order', '9110 5.3',
    passed(1, close=False, h={'Set-Cookie': hdr(*['c%d=%d; Path=/, x' % (i, i) for i in range(40)])}), rq('GET', '/'),
    origin=rs(headers=[b'Set-Cookie: c%d=%d; Path=/, x' % (i, i) for i in range(40)]))
_s = ['200', '201', '202', '203', '206', '207', '226', '300', '301', '302', '303', '307', '308', '400', '401', '402', '403', '404', '405', '406', '407', '408', '409', '410', '411', '412',
      '413', '414', '415', '416', '417', '418', '421', '422', '423', '425', '426', '428', '429', '431', '451', '499', '500', '501', '502', '503', '504', '505', '511', '599', '299', '399']
CASES.append(Case('own-fw-statuses', 'every status of the origin is passed on with its content', '9110 15',
                  E(check=each_served(_s, status=lambda i, x: (int(x),), body=b'ok')), origin={'/v%d' % i: rs(s + ' R') for i, s in enumerate(_s)},
                  steps=sweep([get(i) for i in range(len(_s))], closing=0), budget=15.0))
_s = ['600', '700', '999', '000', '099', '001']
CASES.append(Case('own-fw-status-invalid', 'a status outside of 100 to 599 is a server error, or passed on', '9110 15',
                  E(check=each_cut(_s, tuple(range(500, 600)) + (600, 700, 999))), origin={'/v%d' % i: rs(s + ' R') for i, s in enumerate(_s)},
                  steps=sweep([get(i) for i in range(len(_s))], closing=0), budget=15.0, sev='should'))
_r = [b'200 \xc3\x84rger', b'200 a\tb', b'200 ', b'200', b'200  OK', b'200 OK ', b'200 ' + b'r' * 3000, b'200 404 Not Found', b'200 "x"<y>']
CASES.append(Case('own-fw-reasons', 'any reason phrase, and none', '9112 4',
                  E(check=each_served(_r, body=b'ok', crequire=lambda i, x: rb'^HTTP/1\.1 200 ')), origin={'/v%d' % i: rs(s) for i, s in enumerate(_r)},
                  steps=sweep([get(i) for i in range(len(_r))], closing=0), budget=15.0))
_d = ['200 OK', '204 No Content', '304 Not Modified', '301 Moved', '404 Not Found', '500 Oops']
CASES.append(Case('own-fw-date-added', 'an answer without Date gets one, whatever its status', '9110 6.6.1',
                  E(check=lambda o: each_served(_d, status=lambda i, x: (int(x[:3]),))(o) or next(
                      ('%s: Date %s' % (s, o.conns['v%d' % i].resps()[0].get(b'Date')) for i, s in enumerate(_d)
                       if not matches(DATE)(o.conns['v%d' % i].resps()[0].get(b'Date'))), None)),
                  origin={'/v%d' % i: rs(s, cl=False if s[:3] in ('204', '304') else True, body=b'' if s[:3] in ('204', '304') else b'x') for i, s in enumerate(_d)},
                  steps=sweep([get(i) for i in range(len(_d))], closing=0), budget=15.0))
add('date-kept', 'a Date of the origin stays the only one', '9110 6.6.1', passed(1, h={'Date': hdr('Tue, 15 Nov 1994 08:12:31 GMT')}), rq('GET', '/'),
    origin=rs(headers=[b'Date: Tue, 15 Nov 1994 08:12:31 GMT']))
for id, v in (('10', '1.0'), ('12', '1.2'), ('19', '1.9')):
    add('answer-version-' + id, 'an answer in HTTP/%s reaches the client in our version' % v, '9110 2.5, 6.2',
        [passed(1, crequire=[rb'^HTTP/1\.1 200'], body=b'ok'), E(label='refused', status=GATEWAY)], rq('GET', '/'), origin=R(rs(version=v), Close()))
_b = [bytes(range(256)) * 8, b'', b'\r\n\r\n', b'HTTP/1.1 200 OK\r\n\r\n', b'0\r\n\r\n', b'\0' * 5000]
CASES.append(Case('own-fw-answer-octets', 'the content of an answer is not transformed', '9110 7.7',
                  E(check=lambda o: each_served(_b)(o) or next(('body %d differs' % i for i, b in enumerate(_b) if bytes(o.conns['v%d' % i].resps()[0].body) != b), None)),
                  origin={'/v%d' % i: rs(headers=[b'Cache-Control: no-transform', b'Content-Encoding: gzip'], body=b) for i, b in enumerate(_b)},
                  steps=sweep([get(i) for i in range(len(_b))], closing=0), budget=15.0))
add('range-206', 'a partial answer is passed on as it is', '9110 14.2',
    passed(1, status=(206,), close=False, body=b'bcd', h={'Content-Range': hdr('bytes 1-3/5'), 'Content-Length': hdr('3')}, o=[dict(h={'Range': hdr('bytes=1-3')})]),
    rq('GET', '/', headers=[b'Range: bytes=1-3']), origin=rs('206 Partial', headers=[b'Content-Range: bytes 1-3/5'], body=b'bcd'))
add('no-cache-kept', 'two equal requests are two requests', '9111 4', passed(2, close=False, bodies=[b'1', b'2']), None,
    origin={'/c': [rs(body=b'1', headers=[b'Cache-Control: max-age=600']), rs(body=b'2')]},
    steps=[send(rq('GET', '/c')), recv(1), send(rq('GET', '/c')), recv(2)])
