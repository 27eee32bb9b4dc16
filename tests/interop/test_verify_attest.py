#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# usage: test_verify_attest.py [--seed N]
# run-tests: release-only
"""CloudTrail's digests inside a bundle, tampered with before a hostile signer
sealed it: `crashcart verify` finds each at the right object, and so does a
verifier in Python; the bundle itself stays valid."""
import argparse
import copy
import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import cloudtrail_set                       # noqa: E402
import make_bundle                          # noqa: E402
import test_cloudtrail_digests as digests   # noqa: E402

WRONG = []
ITS = 'digests@123456789012/global#1'


class Bundle(make_bundle.Maker):
    """A bundle of the objects of a set, as cloudtrail.digests keeps them."""

    def __init__(self, case, window=True):
        super().__init__(1)
        self.case_, self.window, self.number = case, window, 0
        self.ids, self.waiting = {}, []

    def exhibit(self, slug, data, origin, packed=None):
        if packed == 'tar.zst':
            self.waiting.append((data, origin))
            return 'e%06d' % (self.number + 1)
        self.number += 1
        e = 'e%06d' % self.number
        common = dict(exhibit=e, instance=ITS, name=slug,
                      media='application/gzip', repeatable=True, state='whole')
        if packed:
            pieces = [data]
            if packed == 'split':
                pieces = [data[i:i + len(data) // 3 + 1] for i in range(
                    0, len(data), len(data) // 3 + 1)] or [data]
            at = 0
            for i, piece in enumerate(pieces, 1):
                self.one_part(self.number, i, at, piece, packed if packed !=
                              'split' else ('zstd', 'none')[i % 2])
                at += len(piece)
            self.log('exhibit', 'digests', **self.ordered(
                common, size=len(data), sha256=make_bundle.sha(data),
                parts=len(pieces), origin=origin))
        else:
            path, data = self.add('data/%s-%s' % (e, slug), data)
            self.log('exhibit', 'digests', **self.ordered(
                common, size=len(data), sha256=make_bundle.sha(data),
                path=path, origin=origin))
        return e

    def send(self):
        """What waits, as a file set of one or two parts."""
        if not self.waiting:
            return
        self.number += 1
        e = 'e%06d' % self.number
        cut = len(self.waiting) // 2
        total = 0
        halves = [h for h in (self.waiting[:cut], self.waiting[cut:]) if h]
        for n, half in enumerate(halves, 1):
            out, places = io.BytesIO(), []
            with tarfile.open(fileobj=out, mode='w',
                              format=tarfile.PAX_FORMAT) as tar:
                for data, _ in half:
                    info = tarfile.TarInfo('[root]/o%d' % len(places))
                    info.size = len(data)
                    places.append(out.tell() + 512)
                    tar.addfile(info, io.BytesIO(data))
            tarred = out.getvalue()
            path, stored = self.add('data/%s/%08d.tar.zst' % (e, n),
                                    make_bundle.zstd(tarred))
            more = {'instance': ITS, 'name': 'objects',
                    'media': 'application/x-tar'} if n == 1 else {}
            self.log('part', 'digests', exhibit=e, part=n, path=path,
                     size=len(stored), sha256=make_bundle.sha(stored),
                     offset=total, length=len(tarred), encoding='tar.zst',
                     **more)
            total += len(tarred)
            t = '2026-11-24T03:00:00Z'
            for k, (data, origin) in enumerate(half):
                self.log('file', 'digests', exhibit=e, path='/o%d' % k,
                         kind='file', size=len(data),
                         sha256=make_bundle.sha(data), mode='0644', uid=0,
                         gid=0, mtime=t, ctime=t, atime=t, ino='0', dev='0:0',
                         nlink=1, part=n, offset=places[k], state='ok',
                         origin=origin)
        self.log('exhibit', 'digests', exhibit=e, instance=ITS, name='objects',
                 media='application/x-tar',
                 size=sum(len(d) for d, _ in self.waiting),
                 parts=len(halves), files=len(self.waiting),
                 origin={'kind': 'cloudtrail-objects'}, repeatable=True,
                 state='whole')
        self.waiting = []

    @staticmethod
    def ordered(common, **more):
        both = {**common, **more}
        return {k: both[k] for k in (
            'exhibit', 'instance', 'name', 'media', 'size', 'sha256', 'path',
            'parts', 'origin', 'repeatable', 'state') if k in both}

    def groups(self):
        c, s = self.case_, self.case_['set']
        self.session()
        for answer in c['keys']:
            self.exhibit('list-public-keys.raw.json',
                         json.dumps(answer).encode(),
                         {'service': 'cloudtrail', 'region': c['region'],
                          'operation': 'ListPublicKeys'})
        listed = {d['key'] for d in c['digests']}
        for n, ((bucket, key), (data, meta)) in enumerate(s.objects.items()):
            if data is None or ('Digest' in key and key not in listed):
                continue
            origin = {'service': 's3', 'operation': 'GetObject',
                      'bucket': bucket, 'key': key, 'etag': '"x"'}
            if meta:
                origin['metadata'] = dict(meta)
            for d in c['digests']:
                if d['key'] == key and 'backfill_time' in d:
                    origin['metadata']['backfill-generation-timestamp'] = d[
                        'backfill_time']
            # in file sets; now and then alone, or in parts of its own
            how = [None, 'zstd', 'none', 'split'] + ['tar.zst'] * 5
            if how[n % 9] != 'tar.zst':
                self.send()
            self.ids[key] = self.exhibit('object.json.gz', data, origin,
                                         how[n % 9])
            if n % 10 == 9:
                self.send()
                self.end_part()
        self.send()
        if self.window:
            self.exhibit('cloudtrail-verdicts.ndjson', b'\n', {
                'kind': 'cloudtrail-verdicts', 'start': c['start'],
                'end': c['end'], 'asked': c['now']})
        self.log('end', outcome='gaps', exhibits=self.counts['exhibit'],
                 calls=0, gaps=0, changes=0, bytes=self.payload_bytes(),
                 usage={'cpu_ms': 5, 'peak_rss_bytes': 1000})
        self.end_part()


def run(command):
    p = subprocess.run(command, capture_output=True, text=True, check=False)
    if not p.stdout:
        return p.returncode, {'attestations': [], 'attested': {},
                              'consistent': p.stderr[-2000:]}
    return p.returncode, json.loads(p.stdout)


def findings(v):
    return sorted((a['object'], a['verdict'], a.get('seconds', -1),
                   a.get('exhibit', '')) for a in v['attestations']
                  if not a.get('summary'))


def expected(maker, bad, gaps):
    """From {key: (kind, verdict)}, [(start, end)] of the tampering."""
    out = []
    for key, (kind, verdict) in bad.items():
        verdict = verdict.replace(' ', '-')
        if key not in maker.ids:        # not in the bundle
            kind = 'missing-digest' if 'Digest' in key else None
        if kind:
            out.append((kind, verdict, -1, maker.ids.get(key, '')))
    for a, b in gaps:
        a, b = (digests.datetime.datetime.fromisoformat(x[:-1] + '+00:00')
                for x in (a, b))
        out.append(('gap', 'cannot-tell', int((b - a).total_seconds()), ''))
    return sorted(out)


def look(folder, name, case, bad, gaps):
    maker = Bundle(case)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for file, data in maker.make().items():
        with open(os.path.join(folder, file), 'wb') as out:
            out.write(data)
    keys = ['--pubkey', maker.keys()[0], '--json']
    status, ours = run([os.environ['CRASHCART'], 'verify', folder] + keys)
    peer_status, theirs = run([
        sys.executable, '-B', os.path.join(HERE, 'verify_bundle.py'), folder,
        '--attest'] + keys)
    want = expected(maker, bad, gaps)
    # the program without a network says the same
    alone = os.path.join(os.path.dirname(os.environ['CRASHCART']),
                         'crashcart-verify')
    if name in ('untouched', 'resigned') and run(
            [alone, 'verify', folder] + keys) != (status, ours):
        WRONG.append(name + ', crashcart-verify')
    # where nothing in the bundle can show it, only the collector saw it
    pending = [f for f in findings(ours) if f[0] == 'pending']
    got = [f for f in findings(ours) if f[0] != 'pending']
    if (status, peer_status) != (0, 0) or got != want or \
            findings(ours) != findings(theirs) or \
            ours['consistent'] != theirs['consistent'] or \
            any(ours['attested'].values()) or \
            any(a['class'] != 'consistent' for a in ours['attestations']) or \
            bool(pending) != (name == 'last hour pending'):
        WRONG.append(name)
        print('WRONG: %s: %d %d\n  want   %s\n  ours   %s %s\n  theirs %s %s' %
              (name, status, peer_status, want, findings(ours),
               ours['consistent'], findings(theirs), theirs['consistent']))


def given(folder, case):
    """--aws-keys: what the reader's own keys signed AWS signed, and nothing
    that the bundle's keys alone say."""
    maker = Bundle(case)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for file, data in maker.make().items():
        with open(os.path.join(folder, file), 'wb') as out:
            out.write(data)
    command = [os.environ['CRASHCART'], 'verify', folder, '--json', '--pubkey',
               maker.keys()[0]]
    keys = [k for a in case['keys'] for k in a['PublicKeyList']]
    n = len([k for k in maker.ids if 'Digest' in k])
    before = run(command)[1]
    for shown, valid in ((keys, n), ([digests.foreign_key.key.shown()], 0)):
        path = os.path.join(folder, '..', 'keys.json')
        with open(path, 'w', encoding='utf-8') as out:
            json.dump({'PublicKeyList': shown}, out)
        status, v = run(command + ['--aws-keys', path])
        got = [f for f in findings(v) if f[0] == 'digest']
        if status != 0 or any(v['consistent'].values()) or any(
                a['class'] != 'aws' for a in v['attestations']) or (
                    valid == n and v['attested'] != before['consistent']) or (
                        valid == 0 and (v['attested']['valid'] or
                                        len(got) != n)):
            WRONG.append('given keys')
            print('WRONG: given keys: %d of %d, %d, %s' % (
                len(shown), len(keys), status, v))
    for data in ('{}', '{"PublicKeyList": []}', '', '[1'):
        with open(path, 'w', encoding='utf-8') as out:
            out.write(data)
        if run(command + ['--aws-keys', path])[0] != 2:
            WRONG.append('no keys: ' + data)


class Big(cloudtrail_set.Set):
    """Logs that do not fit into a buffer of whoever inflates them."""

    def event(self, t):
        return dict(super().event(t), pad=self.r.randbytes(1 << 20).hex())


class Forger(Bundle):
    """Names that would steer a terminal, if a verifier printed them."""
    EVIL = '\x1b[2J\x1b[H\nVALID\nTrusted       yes\r\x7f\u009b8m\u202e'

    def exhibit(self, slug, data, origin, packed=None):
        if 'Digest' in origin.get('key', ''):
            origin['bucket'] = self.EVIL
        return super().exhibit(slug, data, origin, packed)


def forged(folder, case):
    maker = Forger(case)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for file, data in maker.make().items():
        with open(os.path.join(folder, file), 'wb') as out:
            out.write(data)
    for more in ([], ['--json']):
        p = subprocess.run([os.environ['CRASHCART'], 'verify', folder,
                            '--pubkey', maker.keys()[0]] + more,
                           capture_output=True, check=False)
        said = (p.stdout + p.stderr).decode()
        bad = [c for c in said if c != '\n' and (ord(c) < 0x20 or
                                                 0x7f <= ord(c) < 0xa0 or
                                                 c == '\u202e')]
        if p.returncode != 0 or bad or said.count('\nVALID\n') or \
                'x1b[2J' not in said or 'AWS by cert' in said:
            WRONG.append('forged')
            print('WRONG: forged: %d %r %s' % (p.returncode, bad, said))


class Hostile(Bundle):
    """Origins and bytes that make no sense: nothing may come of them but a
    verdict."""

    def exhibit(self, slug, data, origin, packed=None):
        r = self.r
        odd = [None, 1, 2 ** 53, True, [], {}, [[]], {"signature": 1}, "",
               "x" * 3000, "AWSLogs/1_CloudTrail_.json.gz", "\u00e9\u4e2d"]
        for key in list(origin):
            if r.random() < 0.15:
                origin[key] = r.choice(odd)
            elif r.random() < 0.05:
                del origin[key]
        if isinstance(origin.get('metadata'), dict) and r.random() < 0.2:
            origin['metadata'] = {k: r.choice(odd + [v, str(v) + '0'])
                                  for k, v in origin['metadata'].items()}
        what = r.random()
        if what < 0.1:
            data = r.randbytes(r.randrange(1, 300))
        elif what < 0.2:
            data = gzip.compress(b'{"logFiles":' + b'[' * 5000)
        elif what < 0.21:
            data = gzip.compress(bytes(80 << 20), 1)     # beyond any limit
        elif what < 0.22:
            data = bytes(16 << 20)                       # as long as may be
            packed = None
        elif what < 0.3:
            data = gzip.compress(json.dumps({"logFiles": [
                r.choice(odd) for _ in range(50)]}).encode())
        return super().exhibit(slug, data, origin, packed)


def hostile(folder, case, r):
    maker = Hostile(case, r.random() < 0.8)
    maker.r = r
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for file, data in maker.make().items():
        with open(os.path.join(folder, file), 'wb') as out:
            out.write(data)
    status, v = run([os.environ['CRASHCART'], 'verify', folder, '--pubkey',
                     maker.keys()[0], '--json'])
    if status != 0 or not v['attestations']:
        WRONG.append('hostile')
        print('WRONG: hostile: %d %s' % (status, v))


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--seed', type=int,
                   default=random.SystemRandom().randrange(10 ** 6))
    a.add_argument('names', nargs='*')
    args = a.parse_args()
    print('seed %d' % args.seed)
    r = random.Random(args.seed)
    start = digests.START
    digests.foreign_key.key = cloudtrail_set.Key(start, start)
    clean = cloudtrail_set.Set(args.seed, start, digests.HOURS, events=3)
    # names say which digests are backfill, and these are not
    cases = [(name, dict(case, set=clean), bad, gaps)
             for name, case, bad, gaps in digests.whole(clean)
             if name != 'nothing' and not name.startswith('backfill')]
    for tamper in digests.TAMPERINGS:
        s = copy.copy(clean)
        s.objects = copy.deepcopy(clean.objects)
        s.docs = copy.deepcopy(clean.docs)
        bad, gaps = tamper(s, r.randrange(2, digests.HOURS - 3), r)
        cases.append((tamper.__name__, dict(digests.case(s), set=s), bad,
                      gaps))
    with tempfile.TemporaryDirectory() as top:
        for one in cases:
            if not args.names or one[0] in args.names:
                look(os.path.join(top, 'b'), *one)
        given(os.path.join(top, 'b'), dict(digests.case(clean), set=clean))
        big = Big(args.seed, start, digests.HOURS, events=1)
        look(os.path.join(top, 'b'), 'big', dict(digests.case(big), set=big),
             {}, [])
        forged(os.path.join(top, 'b'), dict(digests.case(clean), set=clean))
        for _ in range(int(os.environ.get('HOSTILE', '8'))):
            hostile(os.path.join(top, 'b'), dict(digests.case(clean),
                                                 set=clean), r)
    print('%d cases, %d wrong' % (len(cases), len(WRONG)))
    return 1 if WRONG else 0


if __name__ == '__main__':
    sys.exit(main())
