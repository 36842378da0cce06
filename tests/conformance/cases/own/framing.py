"""Message framing and request smuggling, our own cases: whole classes of what the public ones sample."""
from hclib.dsl import *
from hclib.payloads import *
from hclib.sweep import *

CASES = []
H = b'Host: hc.test'
CTL = [c for c in range(0x20) if c not in (0x09, 0x0a)] + [0x7f]
NOT_TOKEN = [c for c in range(0x100) if c < 0x80 or c in (0x80, 0x85, 0xa0, 0xad, 0xff)]
NOT_TOKEN = [c for c in NOT_TOKEN if not (chr(c).isalnum() and c < 0x80) and chr(c) not in "!#$%&'*+-.^_`|~"]


def one(id, title, rfc, expect, req, **kw):
    CASES.append(Case('own-fr-' + id, title, rfc, expect, req=req, **kw))


def many(id, title, rfc, requests, labels, judge, closing=2.0, **kw):
    sev = kw.pop('sev', 'must')
    kw.setdefault('check', judge)
    CASES.append(Case('own-fr-' + id, title, rfc, E(**kw), steps=sweep(requests, closing=closing), sev=sev, budget=15.0))


def refuse(id, title, rfc, requests, labels, allowed=BAD, **kw):
    """All are refused and nothing of them reaches an origin whole."""
    many(id, title, rfc, requests, labels, each_refused(labels, allowed), oreq=0, **kw)


def repair(id, title, rfc, requests, labels, want=lambda i, x: {}, **kw):
    """Each is refused, or passed on as one clean request."""
    many(id, title, rfc, requests, labels, each_refused_or(labels, want), closing=0, **kw)


def octets(values):
    return [bytes([c]) for c in values]


def target(i):
    return '/v%d' % i


# ---------------------------------------------------------------- octets that have no place where they are
_ctl = octets(CTL)
repair('ctl-in-value', 'each control octet in a field value', '9110 5.5',
       [rq('GET', target(i), headers=[b'X-F: a' + c + b'b']) for i, c in enumerate(_ctl)], _ctl)
repair('ctl-around-value', 'each control octet at the beginning of a value', '9110 5.5',
       [rq('GET', target(i), headers=[b'X-F: ' + c + b'b']) for i, c in enumerate(_ctl)], _ctl)
_names = octets(c for c in NOT_TOKEN if c not in (0x0a, 0x3a))
repair('octet-in-name', 'each octet that is no tchar inside a field name', '9110 5.1',
       [rq('GET', target(i), headers=[b'X' + c + b'F: a']) for i, c in enumerate(_names)], _names)
refuse('octet-in-method', 'each octet that is no tchar inside the method', '9112 3.1',
       [b'GE' + c + b'T / HTTP/1.1\r\n' + H + b'\r\n\r\n' for c in _names if c != b' '], [c for c in _names if c != b' '])
_target = octets([c for c in range(0x21) if c != 0x0a] + [0x7f])
refuse('ctl-in-target', 'each control octet and the space inside the target', '9112 3.2',
       [b'GET /a' + c + b'b HTTP/1.1\r\n' + H + b'\r\n\r\n' for c in _target], _target)
_ends = octets(c for c in NOT_TOKEN if c not in (0x0a, 0x3a))
many('te-name-end', 'each octet that is no tchar behind the name Transfer-Encoding', '9112 5.1',
     [clte(b'Transfer-Encoding' + c + b': chunked', target=target(i)) for i, c in enumerate(_ends)], _ends,
     each_refused_or(_ends, lambda i, x: dict(h={'Transfer-Encoding': None})), closing=0)

# ---------------------------------------------------------------- line ends: every place
_lines = [b'GET ', b'/x', b' HTTP/1.1', b'\r\n', b'Host', b':', b' hc.test', b'\r\n', b'X-F', b':', b' a', b'\r\n', b'\r\n']


def _with(what):
    """The request with `what` put between each two parts."""
    return [b''.join(_lines[:i]) + what + b''.join(_lines[i:]) for i in range(1, len(_lines))]


for id, what in (('cr', b'\r'), ('nul', b'\0'), ('vt', b'\x0b'), ('ff', b'\x0c')):
    _all = _with(what)
    # Behind the last field's CRLF a bare CR leaves the head without its end.
    refuse(id + '-everywhere', 'bare %s between any two parts of a head' % id.upper(), '9112 2.2, 9110 5.5',
           _all, _all, BAD)
_all = [w for w in _with(b'\n') if b'\r\n\n' not in w[:18]]
repair('lf-everywhere', 'bare LF between any two parts of a head', '9112 2.2',
       [w.replace(b'/x', b'/v%d' % i) for i, w in enumerate(_all)], _all,
       lambda i, x: dict(body=b'', h={'Host': hdr('hc.test')}))
_ends = [b'GET /v0 HTTP/1.1\r\n' + H + b'\r\n\n', b'GET /v1 HTTP/1.1\r\n' + H + b'\n\r\n',
         b'GET /v2 HTTP/1.1\n' + H + b'\n\r\n', b'GET /v3 HTTP/1.1\r\n' + H + b'\n\n']
repair('lf-end-of-head', 'an empty line with or behind a bare LF', '9112 2.2', _ends, _ends)
_ends = [b'GET / HTTP/1.1\r\n' + H + b'\r\n\r\r\n', b'GET / HTTP/1.1\r\n' + H + b'\r\n\r\r\n\r\n',
         b'GET / HTTP/1.1\r\n' + H + b'\r\r\n\r\r\n', b'GET / HTTP/1.1\r\r\n' + H + b'\r\n\r\n',
         b'GET / HTTP/1.1\r\n\r' + H + b'\r\n\r\n']
refuse('crcrlf', 'CR CR LF for a line end', '9112 2.2', _ends, _ends)
_folds = [b'X-F: a\r\n\tb', b'X-F:\r\n b', b'X-F: a\r\n \r\n b', b'X-F: a\r\n ', b'X-F: a\r\n\t \t', b'X-F: a\r\n :b', b'X-F: a\r\n Y: b']
repair('folds', 'every shape of a folded line', '9112 5.2',
       [rq('GET', target(i), headers=[f]) for i, f in enumerate(_folds)], _folds, lambda i, x: dict(body=b''))
refuse('fold-host', 'Host behind a fold or on folded lines names no second host', '9112 5.2, 3.2',
       [b'GET / HTTP/1.1\r\nX-F: a\r\n Host: evil.test\r\n\r\n', b'GET / HTTP/1.1\r\n Host: hc.test\r\n\r\n'],
       ['no Host but a folded one', 'whitespace before the first field'], (400, CLOSE))
_folds = [b'Connection:\r\n close', b'Content-Length: 5\r\n 5', b'Content-Length: 5\r\n\t', b'Transfer-Encoding: chunked\r\n ,identity',
          b'Transfer-Encoding: chun\r\n ked']
many('fold-framing', 'framing fields on folded lines', '9112 5.2',
     [rq('POST', target(i), headers=[f]) for i, f in enumerate(_folds)], _folds,
     each_refused_or(_folds, lambda i, x: dict(h={'Transfer-Encoding': None}), BAD + (None,)), closing=0)
_before = [b'\r\n', b'\r\n\r\n', b'\r\n' * 3, b'\r\n' * 50, b'\n', b'\n\r\n']
repair('empty-lines', 'empty lines before a request are skipped or refused, never waited on', '9112 2.2',
       [b + rq('GET', target(i)) for i, b in enumerate(_before)], _before, lambda i, x: dict(method=b'GET'))
one('empty-lines-flood', 'empty lines for ever are not swallowed for ever', '9112 2.2',
    E(oreq=0, ok=['cut']), None, budget=14.0,
    steps=[drip(b'\r\n' * 400000, 8192, 0.0, methods=[], until_closed=True), until_closed(T('t_header', margin=True), as_='cut')])
_odd = [b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(range(0x80, 0xa0)), b'\0' * 20, b'\xff\xfe\xfd', b'{"json": 1}',
        b'SSH-2.0-OpenSSH_9\r\n', b'<policy-file-request/>\0', b'@RSYNCD: 31.0\n', b'*1\r\n$4\r\nPING\r\n']
# 408 would mean that it was waited for more.
refuse('no-http', 'octets that cannot begin a request are refused at once', '9112 2.2', _odd, _odd,
       tuple(s for s in BAD if s != 408), sev='should')

# ---------------------------------------------------------------- versions
_v = [b'HTTP/1.1\0', b'HTTP/1.1\t', b'HTTP/1.1 x', b'HTTP/1,1', b'HTTP/11', b'HTTP/1.1.1', b'HTTP/01.1', b'HTTP/1.01', b'HTTP/-1.1',
      b'HTTP/+1.1', b'HTTP/1.x', b'HTTP/x.1', b'Http/1.1', b'HTTP\\1.1', b'HTTP/1.1;a', b'HTP/1.1', b'XHTTP/1.1', b'HTTP/1.1HTTP/1.1',
      b'HTTP/ 1.1', b'HTTP/1 .1', b'HTTP/1. 1', b'HTTP', b'HTTP/', b'HTTP/1', b'HTTP/1.\xb2', b'ICY', b'RTSP/1.0', b'SIP/2.0']
refuse('version-odd', 'what only resembles a version', '9112 2.3',
       [b'GET / ' + v + b'\r\n' + H + b'\r\n\r\n' for v in _v], _v)
_v = [b'HTTP/0.0', b'HTTP/0.9', b'HTTP/2.0', b'HTTP/3.0', b'HTTP/9.9']
refuse('version-major', 'another major version is refused', '9110 15.6.6',
       [b'GET / ' + v + b'\r\n' + H + b'\r\n\r\n' for v in _v], _v)

# ---------------------------------------------------------------- Content-Length
_cl = [b'5 ,6', b'5, 5, 6', b'5,05', b'6, 5', b'5;5', b'0x10', b'0X5', b'1_0', b'\xef\xbc\x95', b'5\0', b'\x005', b'5\x0b', b'\x0c5', b"'5'",
       b'"5"', b'1e1', b'5.', b'.5', b'5,0', b'- 5', b'+0', b'-0', b'-5', b'0b11', b'0o5', b'05x', b'NaN', b'inf', b'5\xa0', b'\xa05',
       b'18446744073709551616', b'18446744073709551615', b'9223372036854775808', b'4294967301 5', b'9' * 40, b'5\t5', b'5 0', b'#5', b'%35',
       b'5%', b'5k', b'5\x7f', b',', b',,', b'5=5', b'(5)']
refuse('cl-odd', 'what is not one decimal number', '9112 6.3, 9110 8.6',
       [rq('POST', '/cl', headers=[b'Content-Length: ' + v]) + b'hello' + SMUG for v in _cl], _cl)
_lists = [[b'5', b'5', b'6'], [b'5', b''], [b'', b'5'], [b'5', b'0'], [b'0', b'5'], [b'5', b'+5'], [b'5', b'5x'], [b'5, 5', b'6'],
          [b'99999999999999999999', b'5']]
refuse('cl-lines', 'several lines that disagree, or of which one is no number', '9112 6.3',
       [rq('POST', '/cl', headers=[b'Content-Length: ' + v for v in vs]) + b'hello' + SMUG for vs in _lists], _lists)
_same = [[b'5', b'5'], [b'5,5'], [b'5', b'05'], [b'5, 5,5'], [b'5', b'5', b'5']]
repair('cl-same', 'one length said again: refused, or sent on as one', '9112 6.3, 9110 8.6',
       [rq('POST', target(i), headers=[b'Content-Length: ' + v for v in vs]) + b'hello' for i, vs in enumerate(_same)], _same,
       lambda i, x: dict(body=b'hello', h={'Content-Length': lambda got: len(got) == 1 and got[0].isdigit()}))
_alike = [b'Content_Length', b'Content Length', b'ContentLength', b'Content-Length-', b'Content--Length', b'-Content-Length', b'Content.Length',
          b'Content-Lengt\xe8', b'"Content-Length"', b'Content-Length\xa0', b'\xa0Content-Length', b'Content-Length\\', b'Content-Length;']
repair('cl-alike', 'a name like Content-Length hides no body', '9110 8.6',
       [rq('GET', target(i), headers=[a + b': %d' % len(SMUG)]) for i, a in enumerate(_alike)], _alike,
       lambda i, x: dict(body=b'', h={'Content-Length': None}))
one('cl-listed', 'Content-Length named in Connection still frames the body', '9110 7.6.1',
    [refused(), clean(b'hello', close=False)], rq('POST', '/cl', headers=[b'Connection: Content-Length'], body=b'hello'))
one('cl-exact-next', 'behind the last octet of a body the next request begins', '9112 6.3',
    passed(2, close=False, o=[dict(body=b'hello'), dict(method=b'GET', path=b'/b')]),
    rq('POST', '/a', body=b'hello') + rq('GET', '/b'), n=2, methods=['POST', 'GET'])
one('cl-0-next', 'a length of 0 has no body', '9112 6.3',
    passed(2, close=False, o=[dict(body=b''), dict(method=b'GET', path=b'/b')]),
    rq('POST', '/a', body=b'') + rq('GET', '/b'), n=2, methods=['POST', 'GET'])

# ---------------------------------------------------------------- Transfer-Encoding
_te = [b'chunked\x0c', b'\x0cchunked', b'chunked\x0b', b'chunked;', b'chunked; q=0.5', b'chunked;a="b"', b'chunked;a=b, chunked', b'chunked chunked',
       b'\x00chunked', b'chunked\x7f', b'identity, chunked, identity', b'deflate', b'compress, gzip', b'chunk ed', b'chunked-', b'chunkedd',
       b'CHUNKED, gzip', b'0', b'\xff', b'chunked\xa0', b'\xe2\x80\x8bchunked', b'chunKed,identity', b'chunked/1.1', b'=chunked', b'chunked=1',
       b'"chunked', b'(chunked)', b'chunked (c)', b'[chunked]', b'chunked\\', b'\\chunked', b'%63hunked', b'ch\xc3\xbcnked', b'trailers', b'none',
       b'*', b'chunked,x', b'x,chunked,y', b'@', b'chunked\r', b'chunked\r, identity', b'gzip', b'x-gzip, identity', b'null', b'\t,\t']
refuse('te-odd', 'Content-Length with what is not plainly chunked', '9112 6.1/6.3',
       [clte(b'Transfer-Encoding: ' + v) for v in _te if v != b'chunked\r'], [v for v in _te if v != b'chunked\r'])
refuse('te-odd-alone', 'the same without a length: where the body ends is not known', '9112 6.3',
       [rq('POST', '/te', headers=[b'Transfer-Encoding: ' + v]) + b'0\r\n\r\n' + SMUG for v in _te if v != b'chunked\r'],
       [v for v in _te if v != b'chunked\r'])
_te = [b'gzip, chunked', b'br,chunked', b'gzip;q=1, chunked', b'x, y, z, chunked', b'identity, chunked', b'deflate , chunked']
refuse('te-unknown', 'codings that are not understood before a final chunked', '9112 6.1',
       [rq('POST', '/te', headers=[b'Transfer-Encoding: ' + v]) + b'0\r\n\r\n' for v in _te], _te, sev='should')
refuse('te-unknown-cl', 'the same beside a length', '9112 6.1', [clte(b'Transfer-Encoding: ' + v) for v in _te], _te)
_te = [(b'gzip', b'chunked'), (b'chunked', b'gzip'), (b'chunked', b'identity'), (b'identity', b'chunked'), (b'', b'gzip'),
       (b'chunked', b'chunked;a=b'), (b'x', b'y')]
refuse('te-lines', 'several lines of which one is not chunked', '9112 6.3',
       [clte(b'Transfer-Encoding: ' + a + b'\r\nX-B: c\r\nTransfer-Encoding: ' + b) for a, b in _te], _te)
_alike = [b'Transfer_Encoding', b'Transfer-Encoding-', b'TransferEncoding', b'Transfer--Encoding', b'-Transfer-Encoding', b'Transfer.Encoding',
          b'Transfer-Enc\xf6ding', b'"Transfer-Encoding"', b'Transfer\xadEncoding', b'Transfer-Encodin', b'ransfer-Encoding', b'Transfer-Encoding:']
many('te-alike', 'what is only spelt like Transfer-Encoding beside a length: refused or not passed on', '9112 6.1',
     [clte(a + b': chunked', target=target(i)) for i, a in enumerate(_alike)], _alike,
     each_refused_or(_alike, lambda i, x: dict(body=CLTE_BODY, h={'Transfer-Encoding': None})), closing=0,
     forbid=[rb'(?im)^[^a-z\n]*transfer[^a-z\n]{0,2}encoding[^a-z\n]*:'], sev='should')
_ten = [rq('POST', '/te', headers=[b'Transfer-Encoding: chunked', c], version='1.0') + ch(b'hello') + SMUG
        for c in (b'X-A: b', b'Connection: keep-alive', b'Connection: close', b'Content-Length: 5', b'Content-Length: 0')]
CASES.append(Case('own-fr-te-http10', 'Transfer-Encoding in HTTP/1.0: the connection ends in any case', '9112 6.1',
                  E(check=lambda o: smuggled(o) or each_refused(['te-1.0 %d' % i for i in range(5)], BAD + (200,))(o)),
                  steps=sweep(_ten), v10=True, budget=15.0))
one('te-11-in-12', 'chunked in HTTP/1.2 is chunked', '9112 2.3', [refused(), clean(b'hello')],
    rq('POST', '/te', headers=[b'Transfer-Encoding: chunked'], version='1.2') + ch(b'hello'))
one('te-exact-next', 'behind the last chunk the next request begins', '9112 7.1',
    passed(2, close=False, o=[dict(body=b'hello'), dict(method=b'GET', path=b'/b')]),
    chunked_req(ch(b'hello'), target='/a') + rq('GET', '/b'), n=2, methods=['POST', 'GET'])
for m in ('GET', 'HEAD', 'DELETE', 'OPTIONS', 'BREW'):
    one('body-' + m.lower(), m + ' with a body: kept with its request, or refused', '9112 6, 9110 9.3',
        [refused(), clean(SMUG)], rq(m, '/body', body=SMUG))

# ---------------------------------------------------------------- chunked coding
_size = [b'5\r', b'5\0', b'\x005', b'5\x0b', b'\x0b5', b'5 5', b'5,', b'5:', b'5/', b'5g', b'5.0', b'5e0x', b'0x0', b'0X5', b'\\x05', b'%35', b'+0', b'-0',
         b'ffffffffffffffff0', b'8000000000000000', b'fffffffffffffffb', b'1' + b'0' * 16, b'5\x80', b'\xd9\xa5', b'5\xa0', b'"5"', b'5"', b'5=5',
         b'5;\x00', b'5;a\0b', b'5;a="\0"', b'5;a="\r"', b'5;a="\n"', b'5;a\x7f', b'5 a', b';a=b', b'=', b'z', b' ', b'\t', b'5\rX', b'5;\r', b'5;a\rb']
_bad = [chunked_req(s + b'\r\nhello\r\n0\r\n\r\n' + SMUG) for s in _size]
many('ck-size-odd', 'what is not a chunk size', '9112 7.1', _bad, _size, each_refused(_size, BAD_BODY), oreq=0, oclosed=True)
_body = [b'5\r\nhello\r\n0\n\n', b'5\r\nhello\r\n0\r\n\n', b'5\r\nhello\r\n0\n\r\n', b'5\nhello\n0\n\n', b'\n5\r\nhello\r\n0\r\n\r\n',
         b'5\r\nhello\r\n\n0\r\n\r\n', b'5\r\nhello\r\n\r\n0\r\n\r\n', b'5\r\nhello\r0\r\n\r\n', b'5\r\nhello\r\r\n0\r\n\r\n', b'5\r\nhell\r\n0\r\n\r\n',
         b'5\r\nhello\n\r0\r\n\r\n', b'5\r\nhello\0\0' + b'0\r\n\r\n', b'5\r\nhello \r\n0\r\n\r\n', b'5\n\rhello\r\n0\r\n\r\n', b'5\r\nhelloX\n0\r\n\r\n', b'5\r\nhello \n0\r\n\r\n', b'5\r\nhello\rX0\r\n\r\n', b'5\r\nhello\x8d\n0\r\n\r\n',
         b'5\r\nhello\r\n0;\n\r\n', b'5\r\nhello\r\n0\r\r\n\r\n', b'5\r\nhello\r\n00x\r\n\r\n', b'5\r\nhello\r\n-0\r\n\r\n', b'5\r\nhello\r\n\r\n']
many('ck-line-ends', 'line ends of the chunked coding that are not CRLF, and data of another length', '9112 7.1, 2.2',
     [chunked_req(b + SMUG) for b in _body], _body, each_refused(_body, BAD_BODY), oreq=0, oclosed=True)
_ext = [b'5 ;a', b'5; a', b'5;a =b', b'5;a= b', b'5;a;b;c', b'5;', b'5;;', b'5;a="', b'5;a=b"c"', b'5;a==b', b'5;\xe9=1', b'5;a=\xe9', b'5;a="\xe9"',
        b'5 \t ', b'05', b'0000000000000005', b'5;a="x\\"y"', b'5;a="' + b'z' * 500 + b'"', b'5;a,b', b'5;@']
repair('ck-ext', 'every shape of chunk extension: not understood, not passed on', '9112 7.1.1',
       [chunked_req(e + b'\r\nhello\r\n0\r\n\r\n', target=target(i)) for i, e in enumerate(_ext)], _ext, lambda i, x: dict(body=b'hello'))
_tr = [b'X : y\r\n', b' X: y\r\n', b'\tX: y\r\n', b'X: a\r\n b\r\n', b': v\r\n', b'X\0: v\r\n', b'X: a\0\r\n', b'X: a\rb\r\n', b'X: a\x01\r\n',
       b'nonsense\r\n', b'X(: v\r\n', b'X: v\n', b'X: v\r\n\n', b'Content-Length : 5\r\n', b'Content_Length: 5\r\n', b'GET / HTTP/1.1\r\n', b'X\xe9: v\r\n']
many('ck-trailer-odd', 'a malformed trailer section', '9112 7.1.2, 5',
     [chunked_req(b'5\r\nhello\r\n0\r\n' + t + b'\r\n', target=target(i)) for i, t in enumerate(_tr)], _tr,
     each_refused_or(_tr, lambda i, x: dict(body=b'hello'), BAD_BODY), closing=0)
for id, n in (('7fff', b'7fffffffffffffff'), ('3fff', b'3fffffffffffffff'), ('ffffffff', b'ffffffff')):
    one('ck-size-' + id, 'a chunk of %s octets never ends early' % n.decode(), '9112 7.1', refused_or_stuck(),
        chunked_req(n + b'\r\nhello\r\n0\r\n\r\n' + SMUG), t=0.5)
_cut = [b'', b'5', b'5\r', b'5\r\n', b'5\r\nhel', b'5\r\nhello', b'5\r\nhello\r', b'5\r\nhello\r\n', b'5\r\nhello\r\n0', b'5\r\nhello\r\n0\r\n',
        b'5\r\nhello\r\n0\r\nX: y', b'5\r\nhello\r\n0\r\nX: y\r\n', b'5\r\nhello\r\n0\r\n\r']
CASES.append(Case('own-fr-ck-cut', 'a chunked body cut anywhere is never complete', '9112 8',
                  E(oreq=0, oclosed=True), budget=15.0,
                  steps=[s for i, b in enumerate(_cut) for s in (send(chunked_req(b), c='v%d' % i), fin('v%d' % i))] +
                        [until_closed(2.0, c='v%d' % i) for i in range(len(_cut))]))
_cut = [b'POS', b'POST', b'POST /', b'POST / HTTP/1.1', b'POST / HTTP/1.1\r', b'POST / HTTP/1.1\r\n', b'POST / HTTP/1.1\r\nHost: hc.test\r\n',
        b'POST / HTTP/1.1\r\nHost: hc.test\r\n\r', b'GET / HTTP/1.1\r\nHost: hc.test\r\n']
CASES.append(Case('own-fr-head-cut', 'a head cut anywhere is no request', '9112 8',
                  E(oreq=0, ohead=0, check=each_refused(_cut)), budget=15.0,
                  steps=[s for i, b in enumerate(_cut) for s in (send(b, c='v%d' % i), fin('v%d' % i))] +
                        [until_closed(2.0, c='v%d' % i) for i in range(len(_cut))]))
