#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
"""`crashcart report`: a bundle with 200,000 events in under two seconds; what
the picture shows is what the events say, by a count of our own; in Chromium,
without script, the page complains of nothing, asks for nothing, and fits a
desk, a phone and a sheet of paper.

PICTURES=DIR keeps pictures of the page.  SEED=N chooses the events.
"""
import datetime
import hashlib
import html.parser
import json
import os
import random
import resource
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get('TOP') or os.path.join(HERE, '..', '..')
sys.path[:0] = [HERE, os.path.join(TOP, 'tests', 'lib')]
sys.dont_write_bytecode = True

import make_bundle                      # noqa: E402
from browser import Browser             # noqa: E402

PROGRAM = os.environ['CRASHCART']
SEED = int(os.environ.get('SEED') or random.SystemRandom().randrange(10 ** 6))
EVENTS = 200000
REGIONS = ['us-east-1', 'eu-west-1', 'ap-south-1']
EVIL = '<img src=x onerror=alert(1)>'
PRINCIPALS = ['assumed-role/web/i-0123456789abcdef0', 'user/eve', 'root',
              'user/' + EVIL] + ['user/u%d' % i for i in range(20)]
FAILED = []


def need(what, condition, *more):
    if not condition:
        FAILED.append(what)
        print('WRONG: %s:' % what, *more)


class EventsMaker(make_bundle.Maker):
    """A bundle that also holds events, in parts, as cloudtrail.events does."""

    def __init__(self, count, **options):
        super().__init__(SEED, **options)
        self.count, self.truth, self.own = count, {}, 0

    def event(self, number, rng):
        region = rng.choice(REGIONS)
        principal = rng.choice(PRINCIPALS)
        own = rng.random() < 0.001
        if own:
            self.own += 1
        else:
            for name in (region, principal):
                self.truth[name] = self.truth.get(name, 0) + 1
        return {
            'eventVersion': '1.11',
            # what stands deeper down must not be taken for the event's own
            'additionalEventData': {'eventTime': '1999-01-01T00:00:00Z',
                                    'awsRegion': 'nowhere-1', 'a': ['"}]']},
            'userIdentity': {
                'type': 'IAMUser', 'principalId': 'AIDA\\"x',
                'sessionContext': {'sessionIssuer': {'arn': 'arn:x:wrong'}},
                'arn': 'arn:aws:iam::111122223333:' + principal},
            'eventTime': (datetime.datetime(2026, 9, 1) + datetime.timedelta(
                seconds=rng.randrange(20 * 86400))).strftime(
                    '%Y-%m-%dT%H:%M:%SZ'),
            'eventSource': 'ec2.amazonaws.com', 'eventName': 'RunInstances',
            'awsRegion': region, 'sourceIPAddress': '198.51.100.7',
            'requestParameters': {'eventID': 'no', 'x': '{' * 3 + 'y' * 400},
            'requestID': 'r-1' if own else 'q-%d' % number,
            'eventID': 'e-%d' % number}

    def fileset(self, number):
        super().fileset(number)
        rng = random.Random(SEED)
        lines = [make_bundle.dumps(self.event(i, rng)) + b'\n'
                 for i in range(self.count)]
        lines += lines[:10] + [b'not an event\n']     # asked twice; broken
        size, pieces = 8000, []
        for at in range(0, len(lines), size):
            pieces.append(b''.join(lines[at:at + size]))
        offset = 0
        for part, piece in enumerate(pieces, 1):
            self.packed(5, part, offset, piece)
            offset += len(piece)
        self.log('exhibit', 'events', exhibit='e000005',
                 instance='events@1/eu#1',
                 name='CloudTrail events of eu-west-1, one a line',
                 media='application/x-ndjson', size=offset,
                 sha256=hashlib.sha256(b''.join(pieces)).hexdigest(),
                 parts=len(pieces), origin={}, repeatable=True, state='whole')

    def packed(self, number, part, offset, piece):
        data = subprocess.run(['zstd', '-1', '-q', '-c', '--stream-size=%d' %
                               len(piece)], input=piece, check=True,
                              capture_output=True).stdout
        path, data = self.add('data/e%06d/%08d.zst' % (number, part), data)
        self.log('part', 'events', exhibit='e%06d' % number, part=part,
                 path=path, size=len(data), sha256=make_bundle.sha(data),
                 offset=offset, length=len(piece), encoding='zstd')


class Reader(html.parser.HTMLParser):
    """Text, and the bars of each row of the picture."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.text, self.inside, self.row, self.rows = [], [], None, {}
        self.class_ = None

    def handle_starttag(self, tag, attrs):
        need('tags', tag not in ('script', 'img', 'link', 'iframe', 'a'), tag)
        self.inside.append(tag)
        if tag == 'rect':
            self.class_ = dict(attrs)['class']

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        self.text.append(data)
        if self.inside[-2:] == ['text', 'title']:
            self.row = data
        elif self.inside[-2:] == ['rect', 'title']:
            key = (self.row, self.class_)
            self.rows[key] = self.rows.get(key, 0) + int(data)


def report(folder, out, *options):
    """Its page, and the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([PROGRAM, 'report', folder, '--out', out, *options],
                          capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    need('report', done.returncode == 0, done.returncode, done.stderr)
    with open(out, encoding='utf-8') as page:
        return page.read(), after.ru_utime + after.ru_stime - \
            before.ru_utime - before.ru_stime


def check_picture(page, maker):
    reader = Reader()
    reader.feed(page)
    rows = reader.rows
    text = ' '.join(''.join(reader.text).split())
    for region in REGIONS:
        need('row ' + region, rows.get((region, 'e')) == maker.truth[region],
             rows.get((region, 'e')), maker.truth[region])
    named = sorted(PRINCIPALS, key=lambda p: (-maker.truth[p], p))[:15]
    for principal in named:
        got = rows.get((principal, 'e'))
        need('row ' + principal, got == maker.truth[principal], got,
             maker.truth[principal])
    rest = sum(n for p, n in maker.truth.items()
               if p in PRINCIPALS and p not in named)
    need('others', rows.get(('9 others', 'e')) == rest, rows)
    for want in ('%d events of CloudTrail that others' % (
            EVENTS - maker.own), '%d events are answers' % maker.own,
                 '10 events came more than once',
                 '1 lines of the event exhibits', 'nowhere'):
        need('text', (want in text) == (want != 'nowhere'), want)


SECTIONS = ['Valid.', 'Case', 'Custody', 'What was collected',
            'What was not collected, and why', 'What the collection changed',
            'Timeline', 'Clocks', 'Whose word it rests on', 'Tools and hashes',
            'Limits', 'Check it by hand']


def check_text(page, maker):
    reader = Reader()
    reader.feed(page)
    text = ' '.join(''.join(reader.text).split())
    at = [text.find(section) for section in SECTIONS]
    need('order of the sections', -1 not in at and at == sorted(at), at)
    for want in ('A. Responder', 'warrant 12/26', maker.root, 'sectors', 'EIO',
                 'CN=Test Time Authority,O=Test Lab; whether that is a trusted',
                 'No time stamp from http://other.example/: nobody answered.',
                 '12 ms fast', make_bundle.sha(b'tool'), 'minisign -Vm'):
        need('text', want in text, want)
    need('no draft unasked', 'Fed. R. Evid.' not in text)


def check_draft(page, maker):
    reader = Reader()
    reader.feed(page)
    text = ' '.join(''.join(reader.text).split())
    need('anchored', 'an authority that the reader named.' in text)
    text = text[text.index('Draft: certification'):]
    seal = maker.made[maker.name + '.seal']
    for want in ('902(11)', '902(13)', '902(14)', 'A. Responder',
                 'warrant 12/26', maker.root, make_bundle.sha(seal),
                 make_bundle.sha(b'tool'), make_bundle.sha(maker.manifest),
                 'The verdict was: valid', '1 such lines',
                 'under penalty of perjury', '28 U.S.C. 1746', 'signature'):
        need('draft', want in text, want)
    need('draft of a valid one', 'Do not sign' not in text)


def look(browser, path):
    """Without script, on a desk and on a phone; and what a printer gets."""
    page = browser.page(path, script=False)
    pictures = os.environ.get('PICTURES')
    for width in (1280, 375):
        found = page.too_wide(width)
        need('too wide at %d' % width, found == [], found)
        if pictures:
            page.picture(os.path.join(pictures, 'report-%d.png' % width))
    page.call('Emulation.setEmulatedMedia', media='print')
    found = page.too_wide(760)
    need('too wide on paper', found == [], found)
    got = page.call('Page.printToPDF', paperWidth=8.27, paperHeight=11.69)
    need('print', len(got['data']) > 10000)
    need('console', not page.complaints, page.complaints)
    need('requests', page.requests == [page.url], page.requests)
    page.close()


def main():
    print('seed %d' % SEED)
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, 'b')
        os.mkdir(folder)
        maker = EventsMaker(EVENTS, stamp=True)
        maker.made = maker.make()
        for name, data in maker.made.items():
            with open(os.path.join(folder, name), 'wb') as out:
                out.write(data)
        key = ['--pubkey', maker.keys()[0]]
        plain, took = report(folder, 'plain.html', *key)
        need('two seconds', took < 2, took)
        draft, _ = report(folder, 'draft.html', '--902', '--tsa-ca',
                          os.path.join(make_bundle.AUTHORITY[0].name,
                                       'root.pem'), *key)
        unsure, _ = report(folder, 'unsure.html', '--902')
        check_picture(plain, maker)
        check_text(plain, maker)
        check_draft(draft, maker)
        need('cannot tell', 'Cannot tell.' in unsure and
             'Do not sign this' in unsure)
        with Browser() as browser:
            look(browser, 'draft.html')
    print(json.dumps({'events': EVENTS, 'cpu_seconds': round(took, 2),
                      'page_bytes': len(plain), 'wrong': len(FAILED)}))
    return 1 if FAILED else 0


if __name__ == '__main__':
    sys.exit(main())
