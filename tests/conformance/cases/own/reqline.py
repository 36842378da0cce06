"""Request line, Host, target and size limits, our own cases."""
import re

from hclib.dsl import *
from hclib.sweep import *

CASES = []
H = b'Host: hc.test'
OWN_ERROR = tuple(range(400, 600))


def add(id, title, rfc, expect, req=None, **kw):
    CASES.append(Case('own-rl-' + id, title, rfc, expect, req=req, **kw))


def refuse(id, title, rfc, requests, labels, allowed=BAD, closed=False, sev='must', **kw):
    CASES.append(Case('own-rl-' + id, title, rfc, E(oreq=0, ohead=0, check=each_refused(labels, allowed, closed)),
                      steps=sweep(requests, closing=0), sev=sev, budget=15.0, **kw))


def repair(id, title, rfc, requests, labels, want, sev='must', **kw):
    CASES.append(Case('own-rl-' + id, title, rfc, E(check=each_refused_or(labels, want)),
                      steps=sweep(requests, closing=0), sev=sev, budget=15.0, **kw))


def serve(id, title, rfc, requests, labels, want, sev='must', **kw):
    CASES.append(Case('own-rl-' + id, title, rfc, E(check=each_served(labels, want)),
                      steps=sweep(requests, closing=0), sev=sev, budget=15.0, **kw))


def raw(line, *fields):
    return b'\r\n'.join([line] + list(fields)) + b'\r\n\r\n'


# ---------------------------------------------------------------- Host
_bad = [b'hc.test:80:80', b'hc.test:-1', b'hc.test:65536', b'hc.test:99999999', b'hc.test: 80', b'hc.test:8 0', b'hc.test :80', b'@hc.test',
        b'u@hc.test', b'u:p@hc.test', b'hc.test#x', b'hc.test?x', b'hc.test\\x', b'hc.test/', b'[::1', b'::1', b'::1]', b'[::1]]', b'[::1]x',
        b'[hc.test]', b'[::g]', b'[]', b'[::1]:x', b'[[::1]]', b'hc.test\x7f', b'hc\ttest', b'hc%zz', b'hc%4', b'%', b'<hc>', b'"hc.test"',
        b'http://hc.test', b'//hc.test', b'hc.test\xe9', b'\xe2\x98\x83', b':80', b'/', b'hc.test,', b',hc.test', b'hc.test,evil.test', b'hc^test',
        b'hc`test', b'hc{test}', b'hc|test', b'hc.test evil.test', b'hc.test:0x50', b'hc.test:+80', b'hc.test:80.', b'hc.test:\xb2', b'[::1%25lo]',
        b'[fe80::1%eth0]']
refuse('host-odd', 'what is no host with an optional port', '9112 3.2', [rq('GET', '/', host=v) for v in _bad], _bad, (400, CLOSE))
refuse('host-odd-10', 'the same in HTTP/1.0', '9112 3.2', [rq('GET', '/', host=v, version='1.0') for v in _bad[:12]], _bad[:12], (400, CLOSE), v10=True)
_two = [(H, H), (H, b'host: evil.test'), (b'HOST: hc.test', b'hOST: hc.test'), (H, b'X-A: b', b'Host:'), (b'Host:', H), (H, H, H)]
refuse('host-twice', 'more than one Host line, whatever they say', '9112 3.2', [raw(b'GET / HTTP/1.1', *f) for f in _two], _two, (400, CLOSE))
refuse('host-twice-10', 'more than one Host line in HTTP/1.0', '9112 3.2', [raw(b'GET / HTTP/1.0', *f) for f in _two], _two, (400, CLOSE), v10=True)
_none = [b'GET', b'HEAD', b'POST', b'OPTIONS', b'DELETE', b'BREW']
refuse('host-missing', 'no Host, whatever the method', '9112 3.2', [raw(m + b' / HTTP/1.1', b'X-A: b') for m in _none], _none, (400, CLOSE))
refuse('host-missing-12', 'no Host in a later minor version', '9112 3.2', [raw(b'GET / HTTP/1.2', b'X-A: b')], ['1.2'], BAD)
_ok = [b'hc.test', b'HC.Test', b'hc.test:', b'hc.test:80', b'hc.test:65535', b'hc_test', b'hc.test.', b'127.0.0.1', b'127.0.0.1:81', b'[::1]', b'[::1]:8080',
       b'[2001:db8::1]', b'[::ffff:1.2.3.4]:1', b'localhost', b'a' * 63 + b'.test', b'xn--hxajbheg2az3al.test', b"a!$&'()*+;=~b"]
serve('host-kept', 'every form of a valid host is kept as it is', '9110 7.2', [rq('GET', '/v%d' % i, host=v) for i, v in enumerate(_ok)], _ok,
      lambda i, x: dict(h={'Host': hdr(x)}))
add('host-empty', 'an empty Host is valid and names nobody', '9112 3.2',
    [reject((400,), close=None), passed(1, o=[dict(h={'Host': hdr(''), 'X-Forwarded-Host': absent_or(hdr(''))})])], rq('GET', '/', host=''))
add('host-last', 'Host need not come first', '9110 7.2', passed(1, close=False, o=[dict(h={'Host': hdr('hc.test')})]),
    raw(b'GET / HTTP/1.1', b'X-A: b', b'Accept: */*', H))

# ---------------------------------------------------------------- absolute-form
_bad = [b'http://', b'http:///x', b'http://:80/', b'http://@hc.test/', b'http://u@hc.test/', b'http://u:p@hc.test/', b'http://hc.test@evil.test/',
        b'http://hc.test:80:80/', b'http://hc.test:99999/', b'http://hc.test:x/', b'http://[::1/', b'http://[::g]/', b'http://hc.test\\@evil.test/',
        b'http:/hc.test/', b'http:hc.test', b'hc.test/x', b'file:///etc/passwd', b'javascript:x', b'://x', b'http//hc.test/', b'http:\\\\hc.test/',
        b'http://hc.test#f', b'http://hc.test/#f', b'http://hc.test,evil.test/', b'http://hc.test\xe9/', b'http://%zz/', b'http://?x', b'http://<x>/',
        b'.', b'..', b'../x', b'?x', b'\\x', b'hc.test', b'hc.test:80', b'%2fx', b'*x', b'**', b'*/', b'#', b':', b'x/y']
refuse('target-odd', 'what is none of the four forms of a target', '9112 3.2', [raw(b'GET ' + t + b' HTTP/1.1', H) for t in _bad], _bad)
_bad = [b'ftp://hc.test/x', b'ws://hc.test/x', b'gopher://hc.test/']
refuse('abs-scheme', 'a scheme that is not ours', '9110 7.4, 15.5.20', [raw(b'GET ' + t + b' HTTP/1.1', H) for t in _bad], _bad, sev='should')
_bad = [b'https://hc.test/x', b'HTTPS://hc.test/x', b'https://hc.test', b'https://hc.test:80/x?y']
refuse('abs-https', 'an https resource is not served over a connection that is not secured', '9110 7.4',
       [raw(b'GET ' + t + b' HTTP/1.1', H) for t in _bad], _bad)
_abs = [(b'http://hc.test/v0', b'/v0', b'hc.test'), (b'HTTP://hc.test/v1', b'/v1', b'hc.test'), (b'http://hc.test:8080/v2?y=1', b'/v2?y=1', b'hc.test:8080'),
        (b'http://[::1]:80/v3', b'/v3', b'[::1]:80'), (b'http://other.test/v4?', b'/v4?', b'other.test'), (b'http://hc.test/v5?u=http://x.test/', b'/v5?u=http://x.test/', b'hc.test'),
        (b'http://hc.test./v6', b'/v6', b'hc.test.'), (b'http://HC.test/v7', b'/v7', b'HC.test')]
serve('abs-replaces', 'the authority replaces Host, the rest becomes the target', '9112 3.2.2, 9110 7.2',
      [raw(b'GET ' + t + b' HTTP/1.1', H) for t, _, _ in _abs], _abs,
      lambda i, x: dict(target=x[1], h={'Host': lambda got: [v.lower() for v in got] == [x[2].lower()]}))
add('abs-query', 'absolute-form with a query behind no path', '9112 3.2.1', [passed(1, o=[dict(target=b'/?x=1')]), reject(close=None)],
    raw(b'GET http://hc.test?x=1 HTTP/1.1', H))
add('abs-options', 'OPTIONS of an absolute-form without a path becomes *', '9112 3.2.4',
    [passed(1, status=OK2, o=[dict(target=b'*', h={'Host': hdr('hc.test')})]), E(label='answered', status=OK2 + BAD, oreq=0)],
    raw(b'OPTIONS http://hc.test HTTP/1.1', H))
add('abs-options-slash', 'OPTIONS of an absolute-form with a path keeps it', '9112 3.2.4', passed(1, status=OK2, o=[dict(target=b'/')]),
    raw(b'OPTIONS http://hc.test/ HTTP/1.1', H))
add('abs-xfh', 'X-Forwarded-Host tells the host that was used, not the one that was ignored', '9112 3.2.2',
    [reject(close=None), passed(1, o=[dict(h={'Host': hdr('a.test'), 'X-Forwarded-Host': absent_or(last_item('a.test'))})])],
    raw(b'GET http://a.test/ HTTP/1.1', b'Host: evil.test'))
_inj = [b'http://hc.test\r\nX-Inj:1/', b'http://hc.test\nX-Inj:1/', b'http://hc.test%0d%0aX-Inj:1/', b'http://hc.test\tX-Inj/', b'http://hc.test\0/']
CASES.append(Case('own-rl-abs-inject', 'an authority injects no field', '9110 17.5', E(forbid=[rb'(?im)^x-inj']),
                  steps=sweep([raw(b'GET ' + t + b' HTTP/1.1', H) for t in _inj], closing=0), budget=15.0))
add('abs-host-odd', 'a malformed Host is refused beside an absolute-form, too', '9112 3.2', reject((400, CLOSE), close=None),
    raw(b'GET http://hc.test/ HTTP/1.1', b'Host: hc.test/x'))
add('abs-10', 'absolute-form in HTTP/1.0 without Host', '9112 3.2.2', [passed(1, o=[dict(target=b'/x', h={'Host': hdr('hc.test')})]), reject(close=None)],
    raw(b'GET http://hc.test/x HTTP/1.0'), v10=True)

# ---------------------------------------------------------------- the other forms
_star = [b'GET', b'HEAD', b'POST', b'PUT', b'DELETE', b'TRACE', b'BREW', b'options', b'PRI']
refuse('asterisk', 'asterisk-form is for OPTIONS only', '9112 3.2.4', [raw(m + b' * HTTP/1.1', H) for m in _star], _star)
_con = [b'hc.test:80', b'hc.test', b'http://hc.test/', b'/', b'*', b'127.0.0.1:22', b'[::1]:80', b':80', b'hc.test:']
refuse('connect', 'CONNECT in every form opens no tunnel', '9110 9.3.6', [raw(b'CONNECT ' + t + b' HTTP/1.1', b'Host: hc.test:80') for t in _con], _con, OWN_ERROR + (CLOSE,))
add('connect-desync', 'what follows a refused CONNECT is not handled as tunnelled', '9110 9.3.6',
    E(status=OWN_ERROR + (CLOSE,), check=smuggled, close=True),
    raw(b'CONNECT hc.test:80 HTTP/1.1', b'Host: hc.test:80') + b'GET /smuggled HTTP/1.1\r\nHost: hc.test\r\nX : bad\r\n\r\n', methods=['GET'])

# ---------------------------------------------------------------- path and query are not ours to change
_same = [b'/v0/../x', b'/v1/./x', b'/v2//x', b'/v3/%2e%2e/%2F', b'/v4;a=1/b', b'/v5?a=b?c', b'/v6?', b'/v7/~u/!$&\'()*+,;=:@', b'/v8?/../..', b'/v9/%41%7e',
         b'/v10?x=%41&y=+', b'/v11/%00', b'/v12/%0d%0a', b'/v13/%e9%ff', b'/v14/', b'/v15?a=[1]', b'/v16/...', b'/v17?#'.rstrip(b'#') + b'a=http://x/',
         b'/v18?%', b'/v19?%zz', b'/v20/..;/x', b'/v21/%5c..%5c', b'/v22?a&&b==', b'/v23?' + b'q' * 3000]
repair('target-kept', 'path and query reach the origin octet by octet, or are refused', '9110 7.7',
       [raw(b'GET ' + t + b' HTTP/1.1', H) for t in _same], _same, lambda i, x: dict(target=x))
_odd = [b'/v0"', b'/v1<x>', b'/v2^', b'/v3`', b'/v4{x}', b'/v5|', b'/v6\\x', b'/v7%', b'/v8%2', b'/v9%zz', b'/v10[']
repair('target-unwise', 'characters that no URI has: refused, escaped or left, not made into something else', '3986 2',
       [raw(b'GET ' + t + b' HTTP/1.1', H) for t in _odd], _odd,
       lambda i, x: dict(target=lambda got: got == x or re.sub(rb'%([0-9A-Fa-f]{2})', lambda m: bytes([int(m.group(1), 16)]), got) == x), sev='should')
_high = [bytes([c]) for c in (0x80, 0x85, 0xa0, 0xc3, 0xe9, 0xff)]
CASES.append(Case('own-rl-target-8bit', 'no octet above 0x7f reaches the origin raw in a target', '9112 3.2, 3986 2',
                  E(check=lambda o: next(('%r' % m.target for _, m in o.reqs() if max(m.target) > 0x7f), None)),
                  steps=sweep([raw(b'GET /' + c + b' HTTP/1.1', H) for c in _high], closing=0), sev='should', budget=15.0))

# ---------------------------------------------------------------- methods
_m = [b'GET', b'BREW', b'get', b'Post', b'X-Y', b'M-SEARCH', b"!#$%&'*+-.^_`|~", b'A' * 100, b'PROPFIND', b'QUERY', b'PURGE', b'0', b'GETX', b'XGET', b'GE']
repair('methods', 'a method is passed on as it is, or refused', '9110 9.1',
       [raw(m + b' /v%d HTTP/1.1' % i, H) for i, m in enumerate(_m)], _m, lambda i, x: dict(method=x))
_m = [b'GET /', b'', b'GET', b'GET  HTTP/1.1', b'GET /  HTTP/1.1', b'/ GET HTTP/1.1', b'GET / / HTTP/1.1', b'GET / HTTP/1.1 HTTP/1.1', b'HTTP/1.1 200 OK',
      b'GET\x0b/ HTTP/1.1', b'GET /\x0cHTTP/1.1', b'GET /\tHTTP/1.1', b'GET,/ HTTP/1.1', b'"GET" / HTTP/1.1', b'GET: / HTTP/1.1', b'GET\xa0/ HTTP/1.1',
      b'{GET} / HTTP/1.1', b'Host: hc.test']
refuse('line-odd', 'what is no request line', '9112 3', [raw(l, H) for l in _m], _m, BAD + (505,))
add('trace', 'TRACE is refused, answered here, or passed on without a body', '9110 9.3.8',
    [reject(close=None), passed(1, o=[dict(method=b'TRACE', body=b'')])], raw(b'TRACE / HTTP/1.1', H))
add('pri', 'PRI is no method of HTTP/1', '9113 3.4', reject(close=None), raw(b'PRI * HTTP/1.1', H))

# ---------------------------------------------------------------- sizes
add('line-8000', 'a request line of 8000 octets is served', '9112 3', passed(1, close=False, o=[dict(target=b'/' + b'u' * 7985)]),
    rq('GET', '/' + 'u' * 7985), sev='should')
_long = [raw(b'G' * 70000 + b' / HTTP/1.1', H), raw(b'GET /' + b'u' * 70000 + b' HTTP/1.1', H), raw(b'GET / HTTP/1.1' + b'1' * 70000, H),
         raw(b'GET / HTTP/1.1', b'Host: ' + b'h' * 70000), raw(b'GET / HTTP/1.1', H, b'X' * 70000 + b': v'), raw(b'GET / HTTP/1.1', H, b'X: ' + b'v' * 70000),
         raw(b'GET / HTTP/1.1', H, *[b'X-%d: v' % i for i in range(9000)]), raw(b'GET / HTTP/1.1', H, b'Cookie: ' + b'c=d; ' * 20000),
         raw(b'GET / HTTP/1.1', H, b'Connection: ' + b'a, ' * 30000), raw(b'GET / HTTP/1.1', H, b'Via: ' + b'1.1 a, ' * 12000)]
refuse('long-everything', 'any part of a head that is too long is refused with a status', '9112 3, 9110 5.4', _long, [l[:20] for l in _long],
       tuple(range(400, 500)) + (501, 505))
refuse('uri-414', 'a target that is too long is answered 414, whatever the method', '9112 3',
       [raw(m + b' /' + b'u' * 102400 + b' HTTP/1.1', H) for m in (b'GET', b'POST', b'HEAD')], ['GET', 'POST', 'HEAD'], (414,))
refuse('fields-431', 'too many or too long fields are answered 431', '6585 5',
       [raw(b'GET / HTTP/1.1', H, *[b'X-%d: v' % i for i in range(9000)]), raw(b'POST / HTTP/1.1', H, b'Cookie: ' + b'c' * 102400),
        raw(b'GET / HTTP/1.1', H, *[b'X-%d: %s' % (i, b'v' * 1000) for i in range(100)])], ['many', 'long', 'both'], (431, 400), sev='should')

# ---------------------------------------------------------------- our own answers
_heads = [raw(b'HEAD / HTTP/1.1', b'Host: a b'), raw(b'HEAD / HTTP/1.1'), raw(b'HEAD / HTTP/1.1', H, b'X : y'), raw(b'HEAD /\x01 HTTP/1.1', H),
          raw(b'HEAD / HTTP/2.0', H), raw(b'HEAD /' + b'u' * 102400 + b' HTTP/1.1', H), raw(b'HEAD / HTTP/1.1', H, b'X: ' + b'v' * 102400),
          raw(b'HEAD / HTTP/1.1', H, b'Content-Length: x'), raw(b'HEAD / HTTP/1.1', H, b'Transfer-Encoding: gzip, chunked'), raw(b'HEAD * HTTP/1.1', H)]
CASES.append(Case('own-rl-head-errors', 'a refused HEAD is answered without content', '9110 9.3.2',
                  E(oreq=0, check=lambda o: each_refused([h[:24] for h in _heads])(o) or next(
                      ('body behind the head: %r' % bytes(c.raw[-60:]) for c in o.allconns if c.raw and not bytes(c.raw).endswith(b'\r\n\r\n')), None)),
                  steps=sweep(_heads), budget=15.0))
add('error-whole', 'a refusal is a whole answer with its own length and date', '9110 6.6.1, 9112 6',
    E(status=(400,), done=True, close=True, oreq=0, h={'Date': matches(r'^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$'),
                                                       'Content-Length': matches(r'^\d+$'), 'Connection': has_token('close')}),
    raw(b'GET / HTTP/1.1', b'Host: a b'))
add('error-405-allow', 'a 405 lists what is allowed', '9110 15.5.6',
    E(oreq=0, check=lambda o: 'no Allow' if [m for m in o.conns['a'].resps() if m.status == 405 and not m.get(b'Allow')] else None),
    raw(b'CONNECT hc.test:80 HTTP/1.1', b'Host: hc.test:80'), methods=['GET'])
_refl = [raw(b'GET /<script>x HTTP/1.1', b'Host: a b'), raw(b'GET / HTTP/1.1', b'Host: <script>x'), raw(b'<script>x / HTTP/1.1', H), raw(b'GET /<script>x HTTP/9.9', H)]
CASES.append(Case('own-rl-error-reflects', 'a refusal repeats nothing that the client sent', '9110 17.5',
                  E(oreq=0, check=lambda o: next(('reflected' for c in o.allconns if b'<script' in bytes(c.raw)), None)), steps=sweep(_refl), budget=15.0, sev='should'))
