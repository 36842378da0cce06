"""What a storm throws: byte streams of hostile clients, made from a seeded random.Random alone.

Nothing here opens a socket or looks at a clock, so a seed makes the same octets again.  A token is
"T" and 16 hexadecimal digits; it belongs to one client connection, and an origin says it back: seen by any
other client it proves that two exchanges were mixed up.
"""

import re

TOKEN = re.compile(rb"T[0-9a-f]{16}")
POISON = re.compile(rb"P[0-9a-f]{16}")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
METHODS = [b"GET"] * 6 + [b"HEAD", b"POST", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE",
                          b"CONNECT", b"BREW", b"get", b"PRI", b"X" * 40]
VERSIONS = [b"HTTP/1.1"] * 12 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.10", b""]
FIELDS = [
    b"Connection: close", b"Connection: keep-alive", b"Connection: X-Hop, close", b"Connection: upgrade, te",
    b"Keep-Alive: timeout=5", b"TE: trailers", b"Expect: 100-continue", b"Expect: the-moon", b"Host: again",
    b"Host:", b"Upgrade: websocket", b"Upgrade: h2c", b"Proxy-Connection: keep-alive", b"Proxy: x",
    b"X-Forwarded-For: 1.2.3.4, unknown", b"Forwarded: for=_x", b"X-Request-Id: a b", b"Max-Forwards: 0",
    b"Via: 1.1 a, 1.0 b", b"Cookie: a=b", b"Range: bytes=0-1", b"Content-Length : 3", b" Content-Length: 3",
    b"Content-Length: +3", b"Content-Length: 3, 3", b"Content-Length: 99999999999999999999",
    b"Content-Length: 0x10", b"Content-Length: ", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding: identity", b"Transfer_Encoding: chunked", b"X: a\r\n folded", b"X\0: nul", b"X: \0",
    b"X: \x7f\x80\xff", b": no name", b"no colon", b"X:" + b"y" * 4000, b"\xc3\xa9: e", b"X: bare\rcr", b"X: bare\nlf",
]
TRAILERS = [b"X-Trailer: 1\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"bad trailer\r\n",
            b"Host: x\r\n"]
EXTENSIONS = [b"", b"", b"", b";a", b";a=b", b';a="b;c"', b" ;a", b";" + b"x" * 300, b";\xff", b"\t", b";a\rb"]


def noise(rng, most):
    return bytes(rng.randrange(256) for _ in range(rng.randrange(1, most + 1)))


def some(rng, text, most):
    """A body of up to `most` octets in which the token is everywhere."""
    return (text * (most // len(text) + 1))[:rng.randrange(1, most + 1)]


def chunked(rng, body, honest):
    out = b""
    while body:
        size = rng.choice((1, 2, 7, 100, 4000))
        piece, body = body[:size], body[size:]
        extension = b"" if honest else rng.choice(EXTENSIONS)
        claim = len(piece) if honest or rng.random() > 0.03 else rng.choice((0, len(piece) + 1, 1 << 64))
        out += b"%x%s\r\n%s\r\n" % (claim, extension, piece)
        if len(out) > 20000:
            break
    last = b"0" if honest else rng.choice((b"0", b"0", b"0", b"000", b"0;x", b"-1", b"", b"g"))
    trailer = b"".join(rng.sample(TRAILERS, rng.randrange(3))) if not honest and rng.random() < 0.2 else b""
    return out + last + b"\r\n" + trailer + b"\r\n"


def framed(rng, token):
    """Fields and octets of a body; most of them contradict themselves in some way."""
    body = some(rng, token, rng.choice((10, 300, 20000, 200000)))
    length = b"Content-Length: %d" % len(body)
    coded = b"Transfer-Encoding: chunked"
    kind = rng.randrange(10)
    if kind < 3:
        return [length], body
    if kind < 5:
        return [coded], chunked(rng, body, rng.random() < 0.5)
    if kind == 5:
        return rng.sample([length, coded], 2), chunked(rng, body, True)
    if kind == 6:
        return [length, b"Content-Length: %d" % rng.randrange(300)], body
    if kind == 7:
        return [b"Content-Length: %d" % (len(body) + rng.choice((-5, -1, 1, 50)))], body
    if kind == 8:
        return [], body
    return [coded, coded], chunked(rng, body, True)


def target(rng, token, way):
    path = b"/%s/%s" % (way, token)
    return rng.choice([path] * 12 + [
        b"http://test" + path, b"http://other:81" + path, path + b"?a=%20%zz", path + b"#frag", path + b"/../" * 50,
        b"*", b"test:80", path[1:], path + b" x", path + b"\x01", path + b"a" * 9000, b"/%00" + path, b"http://"])


def wild(rng, token):
    """One request, or what is left of it."""
    lines = [b" ".join((rng.choice(METHODS), target(rng, token, b"wild"), rng.choice(VERSIONS))), b"Host: test"]
    lines += rng.sample(FIELDS, rng.choice((0, 0, 0, 1, 1, 2, 5)))
    fields, body = framed(rng, token) if rng.random() < 0.5 else ([], b"")
    lines += fields
    if rng.random() < 0.03:
        lines += [b"F%d: x" % i for i in range(rng.choice((90, 150, 2000)))]
    end = rng.choice([b"\r\n"] * 20 + [b"\n", b"\r", b"\r\r\n"])
    return end.join(lines) + end + end + body


def sound(rng, token, way=b"wild"):
    """A request in which nothing is wrong, whatever its origin makes of it."""
    method = rng.choice((b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS"))
    lines = [b"%s /%s/%s HTTP/1.1" % (method, way, token), b"Host: test"]
    body = b""
    if method in (b"POST", b"PUT"):
        body = some(rng, token, rng.choice((10, 3000, 300000)))
        if rng.random() < 0.5:
            lines.append(b"Content-Length: %d" % len(body))
        else:
            lines.append(b"Transfer-Encoding: chunked")
            body = chunked(rng, body, True)
    if rng.random() < 0.1:
        lines += [b"Connection: Upgrade", b"Upgrade: websocket"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def smuggler(rng, token):
    """A body that looks like a request: no origin may ever see its line."""
    inner = b"GET /smuggled/%s HTTP/1.1\r\nHost: test\r\n\r\n" % token
    coded = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    choices = [
        ([b"Content-Length: %d" % len(inner)], inner),
        ([b"Transfer-Encoding: chunked"], coded),
        ([b"Content-Length: 4", b"Transfer-Encoding: chunked"], coded),
        ([b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(coded)], coded),
        ([b"Transfer-Encoding: xchunked", b"Content-Length: %d" % len(inner)], inner),
        ([b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: identity"], coded),
        ([b"Transfer-Encoding: chunked\r\n folded"], coded),
        ([b"Content-Length: %d" % len(inner), b"Content-Length: 0"], inner),
        ([b"Content-Length: 0, %d" % len(inner)], inner),
        ([b"Content-Length:%d" % len(inner), b"Expect: 100-continue"], inner),
    ]
    fields, body = rng.choice(choices)
    return b"\r\n".join([b"POST /wild/%s HTTP/1.1" % token, b"Host: test"] + fields) + b"\r\n\r\n" + body


def mutated(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(min(len(data), 400) if rng.random() < 0.8 else len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at:at] = noise(rng, 4)
        elif kind == 2:
            del data[at:at + rng.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = data[max(0, at - rng.randrange(1, 60)):at]
        else:
            data[at] ^= 1 << rng.randrange(8)
        if not data:
            return b"\r\n"
    return bytes(data)


def stream(rng, tokens):
    """The octets of one hostile connection, one request per token."""
    kind = rng.randrange(12)
    if kind == 0:
        return noise(rng, 3000)
    if kind == 1:
        return PREFACE + noise(rng, 200)
    if kind == 2:
        return smuggler(rng, tokens[0])  # alone: what follows would be a request of its own
    if kind < 6:
        return b"".join(sound(rng, token) for token in tokens)
    parts = [rng.choice((wild, wild, sound))(rng, token) for token in tokens]
    data = b"".join(parts)
    return mutated(rng, data) if kind >= 9 else data


def pieces(rng, data, pause_s):
    """How it is sent: (octets, pause before them); the pauses stay below pause_s together."""
    out, at = [], 0
    sizes = rng.choice(((1, 3), (1, 40), (20, 2000), (4000, 70000), (100000, 500000)))
    pause = rng.choice((0, 0, 0.001, 0.02))
    while at < len(data) and len(out) < 60:
        size = rng.randint(*sizes)
        out.append((data[at:at + size], rng.uniform(0, min(pause, pause_s / 60))))
        at += size
    if at < len(data):
        out.append((data[at:], 0))
    return out
