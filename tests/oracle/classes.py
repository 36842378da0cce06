"""Where ballast and llhttp may differ: the two tables.  Whatever differs otherwise is a failure.

STRICTER rows go to docs/conformance.md.  A row is checked in both directions: a request that ballast refuses and
llhttp takes must match one, and none that ballast takes may match any.
LOOSER rows name what llhttp refused, as narrowly as its own words allow, and must hold for the request itself.
"""
import collections
import re

from message import valid_host

Class = collections.namedtuple('Class', 'name what why test')

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
LOOKALIKE = (b'contentlength', b'transferencoding')
FRAMING = (b'content-length', b'transfer-encoding')
QUOTED = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
EXTENSION = rb'[ \t]*;[ \t]*' + TOKEN + rb'(?:[ \t]*=[ \t]*(?:' + TOKEN + rb'|' + QUOTED + rb'))?'
SIZE_LINE = re.compile(rb'[0-9a-fA-F]+(?:' + EXTENSION + rb')*')
TRAILER = re.compile(rb'(?m)^([^:\r\n]*):')


def letters(name):
    return re.sub(rb'[^a-z]', b'', name.lower())


def lookalike(name):
    return letters(name) in LOOKALIKE and name.lower() not in FRAMING


def trailer_names(m):
    return TRAILER.findall(m.trailers())


def bad_form(m):
    if m.target[:1] == b'/' or m.authority() is not None:
        return False
    return m.target != b'*' or m.method != b'OPTIONS'


def coding(m):
    return m.values(b'transfer-encoding')


def other_coding(m):
    return coding(m) != [] and (len(coding(m)) > 1 or coding(m)[0].lower() != b'chunked')


def connection_members(m):
    values = m.values(b'connection') or re.findall(rb'(?im)^connection:([^\r\n]*)', m.trailers())
    return sum(1 for v in values for x in v.split(b',') if x.strip(b' \t'))


def sizes(m):
    return [s[0] for s in (re.match(rb'[0-9a-fA-F]*', line) for line in m.size_lines())]


def has_body(m):
    return coding(m) != [] or any(v.strip(b'0') for v in m.values(b'content-length'))


STRICTER = [
    Class('no-host', 'HTTP/1.1 without a `Host` line',
          'RFC 9112 3.2: a server MUST answer 400. llhttp leaves it to its user.',
          lambda m: re.fullmatch(rb'HTTP/1\.[1-9]', m.version) and m.values(b'host') == []),
    Class('hosts', 'more than one `Host` line',
          'RFC 9112 3.2: MUST answer 400, also when they are equal.',
          lambda m: len(m.values(b'host')) > 1),
    Class('host-value', 'a `Host` that is not `uri-host [":" port]`',
          'RFC 9112 3.2: MUST answer 400 to an invalid value. User information, a comma, IPvFuture and zones are refused too: '
          'they have no place in a Host and would be read in another way by somebody behind us.',
          lambda m: any(v and not valid_host(v) for v in m.values(b'host'))),
    Class('connect', '`CONNECT`',
          'A gateway does not tunnel (RFC 9110 9.3.6): 405.', lambda m: m.method == b'CONNECT'),
    Class('target-form', 'a target that is none of `/...`, `http://...`, `https://...`, and `*` with OPTIONS',
          'RFC 9112 3.2: no form of target that a server may be asked with.', bad_form),
    Class('authority', 'an absolute-form whose authority is not `uri-host [":" port]`',
          'RFC 9110 4.2.1, 4.2.4: an empty host and user information are invalid in http URIs.',
          lambda m: m.authority() is not None and not valid_host(m.authority())),
    Class('https', 'an absolute-form with `https`, from a client that is not trusted',
          'RFC 9110 7.4: 421, since the connection is not secured.',
          lambda m: re.match(rb'(?i)https://', m.target)),
    Class('spaces', 'more than one space between the parts of the request line',
          'RFC 9112 3: single spaces. A lenient reader MAY split otherwise, and one that does not sees another target.',
          lambda m: m.line.count(b' ') > 2),
    Class('fragment', '`#` in the target',
          'RFC 9112 3.2: a fragment is no part of a target; who cuts it off and who does not disagree about the path.',
          lambda m: b'#' in m.target),
    Class('version', 'versions other than HTTP/1.x, and none at all',
          'RFC 9110 15.6.6: 505 for another major version. HTTP/0.9 has no fields and no framing.',
          lambda m: not re.fullmatch(rb'HTTP/1\.[0-9]', m.version)),
    Class('coding', 'a `Transfer-Encoding` that is not just `chunked`, on one line',
          'RFC 9112 6.1: 501 for codings that are not understood, 400 where the length is not certain.', other_coding),
    Class('coding-1.0', '`Transfer-Encoding` in HTTP/1.0',
          'RFC 9112 6.1: such framing is to be taken for faulty.', lambda m: m.is_10() and coding(m) != []),
    Class('length-digits', 'a `Content-Length` of more than 18 digits',
          'RFC 9110 8.6 asks to expect large numbers and to prevent overflows: 18 digits fit every 63-bit reader, with or '
          'without leading zeros.',
          lambda m: any(re.fullmatch(rb'[0-9]{19,}', v) for v in m.values(b'content-length'))),
    Class('lookalike', 'a field spelt almost as Content-Length or Transfer-Encoding (`Content_Length`, `TransferEncoding`)',
          'Not in the RFCs: many backends turn `_` and other octets into `-`, and would see a framing field that we did not '
          'judge.',
          lambda m: any(lookalike(n) for n, _ in m.fields) or any(map(lookalike, trailer_names(m)))),
    Class('trailer-framing', 'Content-Length or Transfer-Encoding in a trailer section, whatever the value',
          'RFC 9110 6.5.1: a sender MUST NOT put framing there. llhttp refuses all but an empty value.',
          lambda m: any(n.lower() in FRAMING for n in trailer_names(m))),
    Class('members', 'more than 64 members in `Connection`',
          'Each costs a look at every field; no honest client has so many (RFC 9110 2.3 lets a server set limits).',
          lambda m: connection_members(m) > 64),
    Class('fields', 'more than `limits.headers` fields, 100 by default, in a head or a trailer section',
          'RFC 9110 5.4, RFC 6585 5: 431. llhttp counts octets only.',
          lambda m: len(m.lines) > 100 or m.trailers().count(b'\n') > 101),
    Class('octets', 'a head or a trailer section longer than `limits.header_bytes`, 16 KiB by default',
          'RFC 9112 3, RFC 9110 5.4: 414 or 431. Node has such a limit of its own, which the oracle raises.',
          lambda m: len(m.head) > 16384 or len(m.trailers()) > 16384),
    Class('before', 'more than one empty line in front of a request, or a lone LF or CR',
          'RFC 9112 2.2 asks for at least one CRLF to be ignored, and that is what is ignored.',
          lambda m: m.head[:1] in (b'\r', b'\n')),
    Class('chunk-digits', 'a chunk size of more than 16 digits, or from 2^62 on',
          'RFC 9112 7.1: recipients MUST prevent overflows; 16 digits are enough for every size, leading zeros included.',
          lambda m: any(len(s) > 16 or int(s or b'0', 16) >> 62 for s in sizes(m))),
    Class('chunk-line', 'a line with a chunk size longer than 4096 octets',
          'RFC 9112 7.1.1: a server ought to limit the length of chunk extensions.',
          lambda m: any(len(line) > 4094 for line in m.size_lines())),
    Class('extension', 'a chunk extension that is not by the grammar: no name, no value behind `=`, an unclosed quote',
          'RFC 9112 7.1.1. What one reader repairs the next one takes for the end of the line.',
          lambda m: any(re.match(rb'[0-9a-fA-F]+[ \t]*;', line) and not SIZE_LINE.fullmatch(line)
                        for line in m.size_lines())),
    Class('field-name', 'a field line whose name is no token: `X : y`, `X Y: z`, `: y` (only llhttp 6, in Node 18, takes it)',
          'RFC 9112 5.1: MUST answer 400 to whitespace in front of the colon; RFC 9110 5.1: names are tokens.',
          lambda m: any(not re.match(TOKEN + b':', line) for line in m.lines + m.trailers().split(b'\r\n') if line)),
    Class('target-octets', 'octets other than visible ASCII in the target (llhttp 6)',
          'RFC 9112 3.2, RFC 3986 2: they have to be escaped.',
          lambda m: re.search(rb'[^\x21-\x7e]', m.target)),
    Class('line-ends', 'a lone CR or LF, or anything else where a CRLF has to be (llhttp 6)',
          'RFC 9112 2.2, 7.1: who takes one for the end of a line and who does not see different messages.',
          lambda m: any(re.search(rb'(?<!\r)\n|\r(?!\n)', part) for part in [m.head, m.trailers()] + list(m.size_lines())) or
          m.breaks_after_data()),
    Class('unread', '`Max-Forwards: 0` with OPTIONS or TRACE and a body',
          'RFC 9110 7.6.2: we are the final recipient, and answer without waiting for a body that nobody wants.',
          lambda m: m.method in (b'OPTIONS', b'TRACE') and has_body(m) and
          any(re.fullmatch(rb'0+', v) for v in m.values(b'max-forwards'))),
]

# Not refused, but the connection ends earlier than with llhttp: names of rows that go into the same page.
CLOSES = Class('close', '`Connection: close` together with `keep-alive` in HTTP/1.0, with `Upgrade`, or with a tab beside it; HTTP/1.0 with '
               '`Proxy-Connection: keep-alive`',
               'RFC 9112 9.3: `close` wins over everything; what follows is not looked at. Proxy-Connection is no field of HTTP. A tab is whitespace (RFC 9110 5.6.3).',
               lambda m: connection_says_close(m))


def connection_options(m):
    return [x.strip(b' \t').lower() for v in m.values(b'connection') for x in v.split(b',')]


def connection_says_close(m):
    options = connection_options(m)
    return (b'close' in options or (m.is_10() and b'keep-alive' not in options)) and \
        (b'keep-alive' in options or b'upgrade' in options or has_tab_beside(m, b'connection') or
         m.values(b'proxy-connection') != [])


def extension_method(m, known):
    return re.fullmatch(TOKEN, m.method) and m.method.decode() not in known


def has_tab_beside(m, name):
    return any(re.match(rb'(?i)' + name + rb':(?: *\t|.*\t *(?:,|$)|.*, *\t)', line) for line in m.lines)


LOOSER = [
    Class('method', 'methods that llhttp has not heard of, or knows from RTSP',
          'RFC 9110 9.1, 16.1: a method is any token; what it means is for the origin to say.',
          lambda m, y: y['code'] in ('HPE_INVALID_METHOD', 'HPE_INVALID_CONSTANT', 'HPE_INVALID_VERSION') and
          re.search('method|Preface', y['reason'], re.I) and extension_method(m, y['known'])),
    Class('minor', 'HTTP/1.2 to HTTP/1.9',
          'RFC 9110 2.5: a higher minor version is handled as the highest one that is known.',
          lambda m, y: y['code'] == 'HPE_INVALID_VERSION' and re.fullmatch(rb'HTTP/1\.[2-9]', m.version)),
    Class('tab', 'a tab beside the value of Content-Length or Transfer-Encoding',
          'RFC 9110 5.6.3: optional whitespace is spaces and tabs, and no part of the value.',
          lambda m, y: (y['code'] == 'HPE_INVALID_CONTENT_LENGTH' and has_tab_beside(m, rb'content-length')) or
          (y['code'] == 'HPE_INVALID_TRANSFER_ENCODING' and has_tab_beside(m, rb'transfer-encoding'))),
    Class('extension-space', 'whitespace around `;` and `=` in chunk extensions',
          'RFC 9112 7.1.1: BWS, which a recipient MUST parse for and remove (RFC 9110 5.6.3). The extension is not sent on.',
          lambda m, y: y['code'] in ('HPE_STRICT', 'HPE_INVALID_CHUNK_SIZE') and
          (any(re.search(rb'[ \t][;=]|[;=][ \t]', line) for line in m.size_lines() + [m.open_line()]) or
           re.search(rb'[ \t]\r?\Z', m.open_line()))),
    Class('tab-keep-alive', '`Connection: keep-alive` in HTTP/1.0 with a tab beside it: what follows is still a request',
          'RFC 9110 5.6.3: as above.',
          lambda m, y: y['code'] == 'HPE_CLOSED_CONNECTION' and m.is_10() and has_tab_beside(m, b'connection') and
          b'keep-alive' in connection_options(m)),
    Class('trailer-close', '`Connection: close` in a trailer section: what follows is still a request',
          'RFC 9110 6.5.1: what a trailer section says is not merged into the head.',
          lambda m, y: y['code'] == 'HPE_CLOSED_CONNECTION' and
          re.search(rb'(?im)^(proxy-)?connection:[^\r\n]*close', m.trailers())),
    Class('proxy-connection', '`Proxy-Connection: close`: what follows is still a request',
          'RFC 9112 C.2.2: not a field of HTTP; it is dropped.',
          lambda m, y: y['code'] == 'HPE_CLOSED_CONNECTION' and
          any(b'close' in v.lower() for v in m.values(b'proxy-connection'))),
]
