#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make small bundles, right ones and wrong ones, from collector/bundle/FORMAT.md.

usage: make_bundle.py [--seed N] [--secret FILE] [--name NAME] [--examiner] [--resumed]
                      [--counter] [--stamp] [--break WHAT] DIR
       make_bundle.py --list-breaks

Writes the files of one bundle into DIR, and beside them NAME.keys: one line
of base64 a public key, the seal's first, then the counter-signer's; with
--secret also the secret key of the seal, in minisign's form.  The same
arguments give the same bytes.  --break makes one thing wrong and then makes
all digests and signatures anew that do not belong to it, as a hostile signer
would: a verifier must refuse it with the rule that --list-breaks prints.

As a module: Maker(seed, ...).make() gives {file name: bytes}.
"""
import argparse
import base64
import hashlib
import hmac
import io
import json
import os
import random
import struct
import subprocess
import sys
import tarfile
import tempfile

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 8388608
START = 1790000000


def dumps(value):
    return json.dumps(value, ensure_ascii=False,
                      separators=(',', ':')).encode()


def b64(data):
    return base64.b64encode(data).decode()


def sha(data):
    return hashlib.sha256(data).hexdigest()


# ---- keys -------------------------------------------------------------------

class Signer:
    def __init__(self, rng, key_id=None):
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(
            rng.randbytes(32))
        self.id = key_id or rng.randbytes(8)
        self.point = self.key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.bare = b64(b'Ed' + self.id + self.point)

    def public(self):
        return b'untrusted comment: minisign public key %s\n%s\n' % (
            self.id_text().encode(), self.bare.encode())

    def id_text(self):
        return self.id[::-1].hex().upper()

    def secret(self):
        """A minisign secret key file without a password."""
        pair = self.key.private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw,
            serialization.NoEncryption()) + self.point
        check = hashlib.blake2b(b'Ed' + self.id + pair,
                                digest_size=32).digest()
        return b'untrusted comment: key of a test\n%s\n' % b64(
            b'Ed\0\0B2' + bytes(48) + self.id + pair + check).encode()

    def minisig(self, data, untrusted, trusted):
        sig = self.key.sign(hashlib.blake2b(data).digest())
        total = self.key.sign(sig + trusted.encode())
        return ('untrusted comment: %s\n%s\ntrusted comment: %s\n%s\n' % (
            untrusted, b64(b'ED' + self.id + sig), trusted,
            b64(total))).encode()


# ---- zstd frames of raw blocks (RFC 8878), so that no package is needed -----

MASK = 2 ** 64 - 1
P1, P2, P3, P4, P5 = (11400714785074694791, 14029467366897019727,
                      1609587929392839161, 9650029242287828579,
                      2870177450012600261)


def rotl(x, r):
    return (x << r | x >> 64 - r) & MASK


def mix(acc, lane):
    return rotl((acc + lane * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    at, size = 0, len(data)
    if size >= 32:
        v = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= size:
            lanes = struct.unpack_from('<4Q', data, at)
            v = [mix(a, b) for a, b in zip(v, lanes)]
            at += 32
        h = sum(rotl(a, r) for a, r in zip(v, (1, 7, 12, 18))) & MASK
        for a in v:
            h = ((h ^ mix(0, a)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + size) & MASK
    while at + 8 <= size:
        h ^= mix(0, struct.unpack_from('<Q', data, at)[0])
        h = (rotl(h, 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= size:
        h ^= struct.unpack_from('<I', data, at)[0] * P1 & MASK
        h = (rotl(h, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotl(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


def zstd(data):
    """One frame: content size, checksum, blocks raw or of one byte."""
    out = [b'\x28\xb5\x2f\xfd', bytes([0xa4]), struct.pack('<I', len(data))]
    blocks = [data[i:i + 131072] for i in range(0, len(data), 131072)] or [b'']
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        rle = len(block) > 1 and block == block[:1] * len(block)
        head = last | (1 if rle else 0) << 1 | len(block) << 3
        out.append(struct.pack('<I', head)[:3] + (block[:1] if rle else block))
    out.append(struct.pack('<I', xxh64(data) & 0xffffffff))
    return b''.join(out)


# ---- tar --------------------------------------------------------------------

def header(full, size, mtime):
    block = bytearray(512)
    block[0:len(full)] = full.encode()
    block[100:108] = b'0000644\0'
    block[108:124] = b'0000000\0' * 2
    block[124:148] = b'%011o\0%011o\0' % (size, mtime)
    block[148:156] = b' ' * 8
    block[156:157] = b'0'
    block[257:265] = b'ustar\x0000'
    block[329:345] = b'0000000\0' * 2
    block[148:156] = b'%06o\0 ' % sum(block)
    return bytes(block)


def member(full, data, mtime):
    return header(full, len(data), mtime) + data + bytes(-len(data) % 512)


class Merkle:
    def __init__(self):
        self.leaves = []

    def add(self, leaf):
        self.leaves.append(hashlib.sha256(b'\0' + leaf).digest())

    def root(self, leaves=None):
        leaves = self.leaves if leaves is None else leaves
        if len(leaves) < 2:
            return leaves[0] if leaves else hashlib.sha256(b'').digest()
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        return hashlib.sha256(b'\1' + self.root(leaves[:k]) +
                              self.root(leaves[k:])).digest()


# ---- time stamps ------------------------------------------------------------

AUTHORITY = []


def stamp(data):
    """A TimeStampResp by an authority that this process makes once."""
    if not AUTHORITY:
        AUTHORITY.append(tempfile.TemporaryDirectory())
        subprocess.run([sys.executable, os.path.join(
            os.path.dirname(os.path.abspath(__file__)), '..', 'lib', 'tsa.py'),
            AUTHORITY[0].name], check=True)

    def openssl(*args, **more):
        return subprocess.run(('openssl', 'ts') + args, check=True,
                              capture_output=True, cwd=AUTHORITY[0].name,
                              **more).stdout
    with open(os.path.join(AUTHORITY[0].name, 'data'), 'wb') as out:
        out.write(data)
    openssl('-query', '-data', 'data', '-sha512', '-cert', '-out', 'q')
    return openssl('-reply', '-queryfile', 'q', '-config', 'ts.cnf', '-section',
                   'ts', '-inkey', 'tsa.key', '-signer', 'tsa.pem')


# ---- age (c2sp.org/age), for one X25519 recipient ---------------------------

# of tests; it protects nothing
IDENTITY = ('AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX'
            '40Q2P2LM0')


def age_secret(identity):
    """Of bech32, whose check sum the tool age looks at."""
    bits = 0
    for letter in identity[len('AGE-SECRET-KEY-1'):-6].lower():
        bits = bits << 5 | 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.index(letter)
    return (bits >> 4).to_bytes(32, 'big')


def hkdf(key, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info.encode()).derive(key)


def bare64(data):
    return base64.b64encode(data).rstrip(b'=')


def age_file(rng, plain, identity=IDENTITY, last=True, form=None):
    """last: whether the last block says that it is.  form changes the header
    before its MAC is made."""
    raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    keys = [x25519.X25519PrivateKey.from_private_bytes(k)
            for k in (age_secret(identity), rng.randbytes(32))]
    to, share = (k.public_key().public_bytes(*raw) for k in keys)
    wrap = hkdf(keys[1].exchange(keys[0].public_key()), share + to,
                'age-encryption.org/v1/X25519')
    file_key, nonce = rng.randbytes(16), rng.randbytes(16)
    head = b'age-encryption.org/v1\n-> X25519 %s\n%s\n---' % (
        bare64(share), bare64(ChaCha20Poly1305(wrap).encrypt(
            bytes(12), file_key, None)))
    head = form(head) if form else head
    mac = hmac.new(hkdf(file_key, b'', 'header'), head, 'sha256').digest()
    out = head + b' ' + bare64(mac) + b'\n' + nonce
    seal = ChaCha20Poly1305(hkdf(file_key, nonce, 'payload'))
    count = max(1, -(-len(plain) // 65536))
    for i in range(count):
        out += seal.encrypt(i.to_bytes(11, 'big') + bytes(
            [last and i + 1 == count]), plain[i << 16:(i + 1) << 16], None)
    return out


# ---- the bundle -------------------------------------------------------------

class Maker:
    """One bundle.  hooks: {place: function}, called on what is made there:

    line(dict) -> dict or bytes   every line but heads, before it is added
    head(dict) -> dict            every head
    part(list of bytes) -> list   the lines of a log part, after its head
    member(path, data) -> (path, data)      before it is hashed and listed
    members(list) -> list         all (path, data), after the inner seal
    info(text), manifest(text), tagmanifest(text), checkpoint(bytes)
    stamps(text), stamp(bytes)    time stamps: the list and the reply
    stream(bytes) -> bytes        the tar
    cut(bytes) -> [segments]      where segments end
    seal(text) -> text            before it is signed
    comment(which, text) -> text  comments of signatures
    files(dict) -> dict           at the end
    tree(list) -> list            (path, data) of the file set, and of its lines
    tar(bytes) -> bytes           its archive
    frame(bytes) -> bytes         every zstd frame
    plain(segments) -> [segments] of the tar, before they are encrypted
    age(number, plain) -> bytes   a segment as an age file

    partial: sealed as far as the first log part goes, and that many bytes of
    a remnant behind it.
    """

    def __init__(self, seed=1, name='IR-2026-014-b01', case='IR-2026-014',
                 examiner=False, resumed=False, counter=False, stamp=False,
                 encrypted=False, partial=None, hooks=None):
        self.rng = random.Random(seed)
        self.name, self.case = name, case
        self.hooks = hooks or {}
        self.sessions = [Signer(self.rng)]
        second, third, fourth = (Signer(self.rng) for _ in range(3))
        self.second = second if resumed else None
        self.examiner = third if examiner else None
        self.counter = fourth if counter else None
        self.stamp, self.encrypted = stamp, encrypted
        self.partial, self.kept_log = partial, None
        self.uuid = '6f1d4c1e-8a53-4b7e-9d0a-%012x' % self.rng.getrandbits(48)
        self.members, self.tags, self.payload = [], [], []
        self.tree, self.lines = Merkle(), []
        self.group_lines = []
        self.counts = {'exhibit': 0, 'call': 0, 'gap': 0, 'change': 0}
        self.log_parts = 0
        self.now = 0

    def hook(self, place, *values):
        if place in self.hooks:
            return self.hooks[place](*values)
        return values[0] if len(values) == 1 else values

    # -- members and lines

    def add(self, path, data):
        path, data = self.hook('member', path, data)
        self.members.append((path, data))
        one = (path, sha(data))
        (self.payload if path.startswith('data/') else self.tags).append(one)
        return path, data

    def log(self, kind, step='', /, **fields):
        self.now += self.rng.randrange(1, 10 ** 9)
        line = {
            'n': len(self.tree.leaves) + 1,
            'salt': self.rng.randbytes(16).hex(),
            't': '2026-09-21T13:%02d:%02d.%09dZ' % (
                self.now // (60 * 10 ** 9) % 60, self.now // 10 ** 9 % 60,
                self.now % 10 ** 9),
            'mono_ns': str(2 ** 53 + self.now), 'boot': '0badcafe',
            'session': len(self.sessions), 'type': kind, 'step': step}
        for key, value in fields.items():
            if value is not None:
                line[key.rstrip('_')] = value
        if kind in self.counts:
            self.counts[kind] += 1
        line = self.hook('head' if kind == 'head' else 'line', line)
        raw = line if isinstance(line, bytes) else dumps(line)
        self.tree.add(raw)
        self.group_lines.append(raw)

    def note(self):
        return 'crashcart/%s\n%d\n%s\n' % (
            self.uuid, len(self.tree.leaves), b64(self.tree.root()))

    def end_part(self):
        note, size = self.note(), len(self.tree.leaves)
        self.log('head', size=size, root=self.tree.root().hex(),
                 sig=b64(self.sessions[-1].key.sign(note.encode())))
        lines = self.hook('part', self.group_lines)
        self.group_lines = []
        self.log_parts += 1
        self.add('log/%06d.jsonl' % self.log_parts,
                 b''.join(line + b'\n' for line in lines))

    # -- contents

    def session(self, after=None):
        self.log('session', uuid=self.uuid, bundle=self.name, case=self.case,
                 operator='A. Responder', authority='warrant 12/26',
                 tool={'name': 'crashcart', 'version': '0.1.0',
                       'commit': 'abcdef0', 'sha256': sha(b'tool')},
                 manifest={'name': 'test', 'sha256': sha(self.manifest)},
                 session_key=self.sessions[-1].bare,
                 host={'hostname': 'web-1', 'kernel': '6.1.0',
                       'machine': 'x86_64', 'boot_id': 'b' * 36},
                 pid=4242, uid=0, interrupted_after=after,
                 options={'jobs': 4, 'ratio': 0.5, 'quiet': False})

    def start(self):
        self.manifest = dumps({'crashcart': 1, 'name': 'test', 'steps': []})
        self.add('bagit.txt', b'BagIt-Version: 1.0\n'
                 b'Tag-File-Character-Encoding: UTF-8\n')
        self.add('VERIFY.txt', b'see FORMAT.md, section 8\n')
        self.add('manifest.json', self.manifest)
        self.add('plan.json', b'{"steps":[]}\n')
        self.add('keys/session-1.pub', self.sessions[0].public())
        if self.examiner:
            self.add('keys/examiner.pub', self.examiner.public())

    def plain(self, number, slug, data, derived_from=None):
        exhibit = 'e%06d' % number
        path, data = self.add('data/%s-%s' % (exhibit, slug), data)
        self.log('exhibit', 'calls', exhibit=exhibit, instance='calls@1/eu#1',
                 name=slug, media='application/json', size=len(data),
                 sha256=sha(data), path=path, origin={'call': 'c1'},
                 derived_from=derived_from, repeatable=True, state='whole')

    def one_part(self, number, part, offset, piece, encoding):
        ext = {'zstd': 'zst', 'tar.zst': 'tar.zst', 'none': 'bin'}
        path, data = None, b''
        if encoding != 'zero':
            data = piece if encoding == 'none' else \
                self.hook('frame', zstd(piece))
            path, data = self.add('data/e%06d/%08d.%s' % (
                number, part, ext[encoding]), data)
        self.log('part', 'image', exhibit='e%06d' % number, part=part,
                 path=path, size=len(data), sha256=sha(data), offset=offset,
                 length=len(piece), encoding=encoding)

    def parts_end(self, number, pieces, files=None, **more):
        whole = b''.join(pieces)
        self.log('exhibit', 'image', exhibit='e%06d' % number,
                 instance='image@-/-#1', name='disk.img',
                 media='application/octet-stream', size=len(whole),
                 sha256=None if files else sha(whole), parts=len(pieces),
                 files=files, origin={'device': '/dev/xvdf'},
                 repeatable=False, **more)

    def fileset(self, number):
        tree = [('etc/hostname', b'web-1\n'), ('etc/empty', b''),
                ('var/log/\u00e4 b.log', self.rng.randbytes(700)),
                ('home/' + 'x' * 120, b'long name\n')]
        tree = self.hook('tree', tree)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w',
                          format=tarfile.PAX_FORMAT) as tar:
            for path, data in tree:
                info = tarfile.TarInfo('[root]/' + path)
                info.size, info.mode, info.mtime = len(data), 0o644, START
                tar.addfile(info, io.BytesIO(data))
        raw = out.getvalue()
        places = {i.name: i.offset_data
                  for i in tarfile.open(fileobj=io.BytesIO(raw))}
        raw = self.hook('tar', raw)
        self.one_part(number, 1, 0, raw, 'tar.zst')
        when = '2026-09-21T13:33:20.000000000Z'
        common = dict(uid=0, gid=0, mtime=when, ctime=when, atime=when,
                      btime=when, ino='18446744073709551615', dev='8:1', nlink=1)
        for path, data in tree:
            self.log('file', 'files', exhibit='e%06d' % number,
                     path='/' + path, kind='file', size=len(data),
                     sha256=sha(data), mode='100644', **common,
                     part=1, offset=places['[root]/' + path], state='ok')
        self.log('file', 'files', exhibit='e%06d' % number,
                 path_b64=b64(b'/tmp/\xff'), kind='link', size=3,
                 mode='120777', **common, target='../x', state='listed')
        self.parts_end(number, [raw], files=len(tree) + 1, state='whole')

    def groups(self):
        self.session()
        self.log('clock', source='http-date', from_='sts', offset_ms=-12,
                 uncertainty_ms=500, applied=True)
        self.log('endpoint', service='sts', region='eu-west-1',
                 url='https://sts.eu-west-1.amazonaws.com', origin='default')
        self.log('instance', 'calls', id='calls@1/eu#1', event='start',
                 attempt=1)
        self.log('call', 'calls', id='c1', instance='calls@1/eu#1',
                 service='sts', operation='GetCallerIdentity',
                 region='eu-west-1', url='https://sts.eu-west-1.amazonaws.com',
                 status=200, request_id='r-1', attempts=1,
                 started='2026-09-21T13:33:21Z', duration_ms=80, bytes=90,
                 page=1, exhibit='e000001')
        self.plain(1, 'caller.json', b'{"Account": "111122223333"}\n')
        piece = self.rng.randbytes(900)
        pieces = [piece, bytes(4096), bytes(100) + b'end']
        self.one_part(2, 1, 0, pieces[0], 'none')
        self.one_part(2, 2, 900, pieces[1], 'zero')
        self.end_part()
        if self.second:
            after = len(self.tree.leaves)
            self.sessions.append(self.second)
            self.add('keys/session-2.pub', self.second.public())
            self.session(after)
        self.one_part(2, 3, 4996, pieces[2], 'zstd')
        self.log('gap', 'image', instance='image@-/-#1', what='sectors',
                 reason='failed', detail='EIO', exhibit='e000002', offset=900,
                 length=4096)
        self.parts_end(2, pieces, state='gaps', note='one hole')
        self.plain(4, 'empty.json', b'', derived_from=['e000001'])
        self.fileset(3)
        self.log('change', 'snap', uuid=self.uuid, event='intent',
                 class_='evidence', instance='snap@1/eu#1',
                 call='ec2:CreateSnapshots', input={'a': [1, None]})
        self.log('instance', 'calls', id='calls@1/eu#1', event='end',
                 attempt=1, outcome='partial', reason='throttled',
                 partial_input=True, duration_ms=900)
        self.log('note', text='the \u201cend\u201d')
        self.log('end', outcome='gaps', exhibits=self.counts['exhibit'],
                 calls=self.counts['call'], gaps=self.counts['gap'],
                 changes=self.counts['change'], bytes=self.payload_bytes(),
                 usage={'cpu_ms': 5, 'peak_rss_bytes': 1000})
        self.end_part()

    def payload_bytes(self):
        return sum(len(d) for p, d in self.members if p.startswith('data/'))

    def payload_files(self):
        return sum(p.startswith('data/') for p, _ in self.members)

    def finish(self):
        note = self.note()
        origin = 'crashcart/' + self.uuid
        key = self.sessions[-1]
        key_id = hashlib.sha256(origin.encode() + b'\n\x01' +
                                key.point).digest()[:4]
        self.add('checkpoint', self.hook('checkpoint', (
            '%s\n\u2014 %s %s\n' % (note, origin, b64(
                key_id + key.key.sign(note.encode())))).encode()))
        info = [
            'Source-Organization: Example Org', 'Bagging-Date: 2026-09-21',
            'External-Identifier: ' + self.name,
            'Bag-Group-Identifier: ' + self.case,
            'Payload-Oxum: %d.%d' % (self.payload_bytes(),
                                     self.payload_files()),
            'Bag-Software-Agent: crashcart 0.1.0 (abcdef0)',
            'Crashcart-Format: 1', 'Crashcart-Uuid: ' + self.uuid,
            'Crashcart-Start: %d' % START, 'Crashcart-State: gaps',
            'Crashcart-Log: %d' % len(self.tree.leaves), '']
        self.add('bag-info.txt', self.hook('info', '\n'.join(info)).encode())
        self.add('manifest-sha256.txt', self.hook('manifest', ''.join(
            '%s  %s\n' % (d, p) for p, d in self.payload)).encode())
        _, tags = self.add('tagmanifest-sha256.txt', self.hook(
            'tagmanifest', ''.join('%s  %s\n' % (d, p)
                                   for p, d in self.tags)).encode())
        self.root = sha(tags)
        self.add('seal/tagmanifest-sha256.txt.minisig', self.sign(
            'inner', self.sealer(), tags, 'crashcart inner seal',
            'crashcart inner-seal ' + self.claims()))
        if self.stamp:
            self.add_stamps(self.members[-1][1])

    def add_stamps(self, signature):
        """Two authorities, of which one failed."""
        self.add('seal/timestamps.txt', self.hook(
            'stamps', '1 http://tsa.example/ granted\n'
            '2 http://other.example/ failed nobody answered\n').encode())
        self.add('seal/tagmanifest-sha256.txt.tsr', self.hook(
            'stamp', stamp(signature)))

    def sealer(self):
        return self.examiner or self.sessions[-1]

    def claims(self):
        return 'bundle=%s case=%s purpose=%s root=%s' % (
            self.name, self.case, 'examiner' if self.examiner else 'session',
            self.root)

    def sign(self, which, signer, data, untrusted, trusted):
        both = self.hook('comment', which, (untrusted, trusted))
        untrusted, trusted = both[-1] if both[0] == which else both
        return signer.minisig(data, untrusted, trusted)

    # -- the stream and its seal

    def cut(self, stream):
        middle = 512 * (len(stream) // 1024) + 100 * (not self.encrypted)
        return [stream[:middle], stream[middle:]]

    def seal_text(self, segments):
        log = self.kept_log or self.tree
        lines = ['crashcart-seal 1', 'bundle ' + self.name,
                 'case ' + self.case, 'state ' + (
                     'gaps' if self.partial is None else 'partial'),
                 'root ' + self.root,
                 'log %d %s' % (len(log.leaves), log.root().hex()),
                 'chunk 8388608']
        for number, data in enumerate(segments, 1):
            digests = [hashlib.sha256(data[i:i + CHUNK]).digest()
                       for i in range(0, len(data), CHUNK)]
            lines.append('segment %d %d %s-%d' % (
                number, len(data),
                b64(hashlib.sha256(b''.join(digests)).digest()), len(digests)))
            lines += [d.hex() for d in digests]
        return '\n'.join(lines) + '\n'

    def seal(self, segments):
        """The files of the bundle for these segments."""
        seal = self.hook('seal', self.seal_text(segments)).encode()
        files = {}
        for number, data in enumerate(segments, 1):
            files[self.name + '.tar' + ('.%03d' % number if number > 1
                                        else '') +
                  '.age' * self.encrypted] = data
        files[self.name + '.seal'] = seal
        files[self.name + '.seal.minisig'] = self.sign(
            'outer', self.sealer(), seal, 'crashcart seal',
            'crashcart seal ' + self.claims())
        if self.counter:
            files['%s.seal.%s.minisig' % (self.name, self.counter.id_text())] \
                = self.sign('counter', self.counter, seal,
                            'crashcart counter-signature',
                            'crashcart counter-signature bundle=%s case=%s '
                            'root=%s' % (self.name, self.case, self.root))
        return self.hook('files', files)

    def stream(self):
        out = b''.join(member('%s/%s' % (self.name, path), data, START)
                       for path, data in self.members)
        return out + bytes(1024)

    def make(self):
        self.start()
        self.groups()
        self.finish()
        self.members = self.hook('members', self.members)
        stream = self.hook('stream', self.stream())
        if self.partial is not None:
            stream = self.cut_short(stream)
        segments = self.hooks.get('cut', self.cut)(stream)
        if self.encrypted:
            segments = self.hook('plain', segments)
            segments = [self.hooks['age'](number, data) if 'age' in self.hooks
                        else age_file(self.rng, data)
                        for number, data in enumerate(segments)]
        self.files = self.seal(segments)
        return dict(self.files)

    def cut_short(self, stream):
        """The run died: the root is that of the log which is there (F26)."""
        at, self.kept_log = 0, Merkle()
        for path, data in self.members:
            at += 512 + (len(data) + 511) // 512 * 512
            if path == 'log/000001.jsonl':
                for line in data.splitlines():
                    self.kept_log.add(line)
                break
        self.root = self.kept_log.root().hex()
        return stream[:at + self.partial]

    def kept(self, size, signer=None, origin=None):
        """The head of so many lines, as a reader may have kept it."""
        origin = origin or 'crashcart/' + self.uuid
        signer = signer or self.sessions[0]
        text = '%s\n%d\n%s\n' % (origin, size, b64(
            self.tree.root(self.tree.leaves[:size])))
        key_id = hashlib.sha256(origin.encode() + b'\n\x01' +
                                signer.point).digest()[:4]
        return '%s\n\u2014 %s %s\n' % (text, origin, b64(
            key_id + signer.key.sign(text.encode())))

    def keys(self):
        return [s.bare for s in (self.sealer(), self.counter) if s]


def main():
    from breaks import BREAKS
    parser = argparse.ArgumentParser()
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--name', default='IR-2026-014-b01')
    for flag in ('examiner', 'resumed', 'counter', 'stamp', 'encrypted'):
        parser.add_argument('--' + flag, action='store_true')
    parser.add_argument('--secret')
    parser.add_argument('--break', dest='what', choices=sorted(BREAKS))
    parser.add_argument('--list-breaks', action='store_true')
    parser.add_argument('dir', nargs='?')
    options = parser.parse_args()
    if options.list_breaks:
        for name, one in sorted(BREAKS.items()):
            print(name, one.rule)
        return
    if not options.dir:
        parser.error('DIR is missing')
    forms = {'examiner', 'resumed', 'counter', 'stamp', 'encrypted'}
    forms = {form: getattr(options, form) for form in forms}
    if options.what:
        forms.update(BREAKS[options.what].options,
                     hooks=BREAKS[options.what].hooks())
    maker = Maker(options.seed, options.name, **forms)
    files = maker.make()
    files[options.name + '.keys'] = '\n'.join(maker.keys() + ['']).encode()
    if options.secret:
        with open(options.secret, 'wb') as out:
            out.write(maker.sealer().secret())
    os.makedirs(options.dir, exist_ok=True)
    for name, data in files.items():
        with open(os.path.join(options.dir, name), 'wb') as out:
            out.write(data)
    print('seed %d: %d files in %s' % (options.seed, len(files), options.dir),
          file=sys.stderr)


if __name__ == '__main__':
    main()
