"""One request of an entry as the classes look at it: cut up without judging, so that it also works for
what a parser refused."""
import ipaddress
import re

HEAD_END = re.compile(rb'\n\r?\n|\A\r?\n')
REG_NAME = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+")
PORT = re.compile(rb'(?::([0-9]{0,5}))?')


def valid_host(text):
    """uri-host [":" port] as ballast reads it: RFC 3986 3.2.2 without the comma, IPvFuture and zones."""
    literal = re.match(rb'\[([^\]]*)\]', text)
    name = literal or REG_NAME.match(text)
    if not name or len(text) > 320:
        return False
    if literal:
        try:
            ipaddress.IPv6Address(literal[1].decode('latin1'))
        except ValueError:
            return False
        if b'%' in literal[1]:
            return False
    port = PORT.fullmatch(text, name.end())
    return port is not None and int(port[1] or 0) <= 65535


class Message:
    """`at`: where the request begins; `phase`: head, length, chunks or trailers; `bad`: the first octet that was not
    taken, or where the request ended; `status` of the refusal, or 0."""

    def __init__(self, octets, at, phase, bad, status):
        self.octets, self.at, self.phase, self.bad, self.status = octets, at, phase, bad, status
        end = HEAD_END.search(octets[at:])
        self.head = octets[at:at + end.end()] if end else octets[at:]
        lines = self.head.split(b'\r\n')
        self.line = lines[0]
        self.method, _, rest = self.line.partition(b' ')
        self.target, _, self.version = rest.rpartition(b' ')
        self.lines = [line for line in lines[1:] if line]
        self.fields = [(n.lower(), v.strip(b' \t')) for n, _, v in (line.partition(b':') for line in self.lines)]

    def values(self, name):
        return [v for n, v in self.fields if n == name]

    def is_10(self):
        return self.version == b'HTTP/1.0'

    def authority(self):
        """Of an absolute-form with http or https, else None."""
        found = re.match(rb'https?://([^/?]*)', self.target, re.I)
        return found[1] if found else None

    def size_lines(self):
        """The lines of chunk sizes that were reached, without CRLF; one that is not whole only when it was refused."""
        return [line for line, whole in self.reached() if whole or self.status]

    def open_line(self):
        """The size line that is not whole yet."""
        return b''.join(line for line, whole in self.reached() if not whole)

    def reached(self):
        at = self.at + len(self.head)
        if self.values(b'transfer-encoding') == []:
            return
        while self.phase in ('chunks', 'trailers') and at < self.bad + (self.phase == 'chunks'):
            end = self.octets.find(b'\r\n', at)
            line = self.octets[at:] if end < 0 else self.octets[at:end]
            yield line, end >= 0
            size = re.match(rb'[0-9a-fA-F]+', line)
            if end < 0 or not size or int(size[0], 16) == 0:
                return
            at = end + 2 + int(size[0], 16) + 2

    def breaks_after_data(self):
        """Was it refused at one of the two octets behind a chunk's data?"""
        at = self.at + len(self.head)
        while self.phase == 'chunks' and self.status:
            size = re.compile(rb'([0-9a-fA-F]+)[^\r\n]*\r\n').match(self.octets, at)
            if not size or size.end() > self.bad:
                return False
            at = size.end() + int(size[1], 16)
            if at <= self.bad <= at + 1:
                return True
            at += 2
        return False

    def trailers(self):
        """The trailer section, or what has come of it."""
        if self.phase != 'trailers':
            return b''
        rest = self.octets[self.bad:] if self.status else self.octets[:self.bad]
        if not self.status:
            at = self.at + len(self.head)
            for line in self.size_lines():
                at = self.octets.find(line + b'\r\n', at) + len(line) + 2
                at += int(re.match(rb'[0-9a-fA-F]+', line)[0], 16) + 2
            rest = rest[at - 2:]
        end = HEAD_END.search(rest)
        return rest[:end.end()] if end else rest
