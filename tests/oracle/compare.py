"""Holds one entry's two verdicts against each other, and against the tables of classes.py."""
import collections

from classes import CLOSES, LOOSER, STRICTER
from corpus import escape
from message import Message

CUT = 'an entry has the same verdict however it is cut'
SAME = 'what both take is the same requests: method, target, body'
LOOSE = 'what llhttp refuses is refused, or named in the table'
STRICT = 'what is refused and llhttp takes is named in the table'
TRUE = 'what the table says is refused is never taken'


def agree(ours, theirs):
    """Method, target, length and sum of the body."""
    return ours[:4] == theirs


class Comparison:
    SENTENCES = (CUT, SAME, LOOSE, STRICT, TRUE)

    def __init__(self, known):
        self.known = known          # llhttp's methods
        self.wrong = collections.defaultdict(list)
        self.counts = collections.Counter()
        self.met = set()            # rows that the corpus has an example of
        self.outcomes = collections.Counter()

    # ------------------------------------------------------------ telling
    def fault(self, sentence, why):
        self.wrong[sentence].append('%s: %s\n        ballast %s\n        llhttp  %s\n        %s' % (
            self.name, why, self.tell_ours(), self.tell_theirs(), escape(self.octets)))

    def tell_ours(self):
        x = self.x
        return '%d requests, then %s%s at %d' % (len(x['requests']), x['phase'], ' %d in %s' % (x['status'], x['broken'])
                                                 if x['status'] else '', x['at'])

    def tell_theirs(self):
        y = self.y
        return '%d requests, then %s at %d' % (len(y['requests']), '%s (%s)' % (y['code'], y['reason']) if y['code'] else
                                               'more wanted' if y['incomplete'] else 'nothing', y['at'])

    def count(self, row):
        self.counts[row.name] += 1
        if not self.name.startswith('generated/'):
            self.met.add(row.name)

    # ------------------------------------------------------------ the messages
    def taken(self, i):
        """Request number i as ballast took it: complete, or as far as it has come."""
        requests = self.x['requests']
        if i < len(requests):
            row, bad = requests[i], requests[i][6]
            phase = 'trailers'
        elif self.x['open'] is None:
            return Message(self.octets, self.x['at'], 'head', len(self.octets), 0)
        else:
            row, bad, phase = self.x['open'], self.x['at'], self.x['phase']
        return Message(self.octets, row[4], phase, bad, 0)

    def refused(self):
        x = self.x
        at = x['open'][4] if x['open'] else x['at']
        return Message(self.octets, at, x['broken'] or x['phase'], x['at'], x['status'] or x['forced'])

    # ------------------------------------------------------------ judging
    def entry(self, name, octets, x, y):
        self.name, self.octets, self.x, self.y = name, octets, x, y
        y['known'] = self.known
        self.n, self.m = len(x['requests']), len(y['requests'])
        if x['cut'] >= 0:
            self.fault(CUT, 'octet by octet' if x['cut'] == 0 else 'cut at %d' % x['cut'])
        self.judge_table()
        self.judge_rows()
        if self.judge_same():
            self.judge_end()

    def judge_table(self):
        for i in range(self.n + (self.x['open'] is not None and not self.x['status'])):
            message = self.taken(i)
            for row in STRICTER:
                if row.test(message):
                    self.fault(TRUE, 'request %d is taken, but row "%s" says it is refused' % (i + 1, row.name))

    def judge_rows(self):
        """Which rows an entry of the corpus is an example of, whatever llhttp makes of it."""
        if self.x['status'] and not self.name.startswith('generated/'):
            message = self.refused()
            self.met.update(row.name for row in STRICTER if row.test(message))

    def judge_same(self):
        for i in range(min(self.n, self.m)):
            if not agree(self.x['requests'][i], self.y['requests'][i]):
                self.fault(SAME, 'request %d differs' % (i + 1))
                return False
        ours, theirs = self.x['open'], self.y['open']
        if self.n == self.m and ours and theirs and ours[:2] != theirs[:2]:
            self.fault(SAME, 'the last request differs')
            return False
        return True

    def judge_end(self):
        code = self.y['code']
        if code == 'HPE_CLOSED_CONNECTION':
            outcome = self.after_close()
        elif code:
            outcome = self.after_error()
        else:
            outcome = self.after_all()
        self.outcomes[outcome] += 1

    def is_lost(self):
        """Waits for the rest of a head or trailer section that can only be refused."""
        return self.x['forced'] != 0

    def after_error(self):
        """llhttp refused request m."""
        x = self.x
        if self.n < self.m:
            return self.stricter()
        if self.n == self.m and (x['status'] or self.is_lost() or x['phase'] == 'closed'):
            return 'both refuse'
        return self.looser(self.m)

    def after_close(self):
        """llhttp saw that request m - 1 ends the connection, and more behind it."""
        if self.n < self.m:
            return self.stricter()
        if self.n == self.m and self.x['phase'] == 'closed':
            return 'both take all up to a close'
        return self.looser(self.m - 1)

    def reads_on(self):
        """Does ballast look for a request behind number m - 1?"""
        if self.n != self.m or self.x['phase'] == 'closed':
            return self.n > self.m
        return self.octets[self.x['requests'][self.m - 1][6]:].strip(b'\r\n') != b''

    def after_all(self):
        x, y = self.x, self.y
        if y['deaf'] and self.reads_on():
            y['code'] = 'HPE_CLOSED_CONNECTION'
            return self.looser(self.m - 1)
        if x['status'] or (self.is_lost() and not y['incomplete']):
            return self.stricter()
        if x['phase'] == 'closed':
            rest = x['left'] > 0 and (self.n < self.m or y['incomplete'])
            return self.closes_earlier() if rest else 'both take all'
        waits = x['phase'] != 'head' or self.octets[x['at']:] not in (b'', b'\r')    # a CR may begin an empty line
        if self.n == self.m and waits == y['incomplete']:
            return self.same_rest()
        self.fault(SAME, 'not the same number of requests, or one is not at its end')
        return 'different'

    def same_rest(self):
        ours, theirs = self.x['open'], self.y['open']
        if not self.y['incomplete']:
            return 'both take all'
        if self.is_lost() and theirs is None:
            return 'both want more, which cannot help'
        if (ours is None) != (theirs is None) or (ours and not agree(ours, theirs)):
            self.fault(SAME, 'the request that wants more is not the same')
            return 'different'
        return 'both want more'

    def closes_earlier(self):
        message = self.taken(self.n - 1)
        if CLOSES.test(message):
            self.count(CLOSES)
            return 'ballast is stricter'
        self.fault(STRICT, 'ballast ends the connection')
        return 'different'

    def stricter(self):
        if self.x['phase'] == 'closed':
            return self.closes_earlier()
        if not self.x['status'] and not self.is_lost():
            self.fault(SAME, 'ballast takes fewer requests')
            return 'different'
        message = self.refused()
        for row in STRICTER:
            if row.test(message):
                self.count(row)
                return 'ballast is stricter'
        self.fault(STRICT, 'no row says why')
        return 'different'

    def looser(self, i):
        if i < self.n or (i == self.n and not self.x['status']):
            message = self.taken(i)
            for row in LOOSER:
                if row.test(message, self.y):
                    self.count(row)
                    return 'llhttp is stricter'
        self.fault(LOOSE, 'ballast does not refuse it')
        return 'different'
