# SPDX-License-Identifier: Apache-2.0
"""What others signed of a bundle's exhibits: a second opinion, written from
collector/bundle/FORMAT.md section 7 and AWS's description of CloudTrail's log
file integrity.  Shares no code with crashcart.

check(exhibits) takes [(line, bytes or None)] of all exhibits, in the order of
the log, and gives [Finding], sorted.
"""
import base64
import binascii
import collections
import datetime
import hashlib
import json
import os
import re
import subprocess
import tempfile
import zlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

# seconds: of a gap or pending time, else -1; exhibit: "" if it has none
Finding = collections.namedtuple('Finding', 'object verdict seconds exhibit')
VALID, INVALID, UNKNOWN = 'valid', 'invalid', 'cannot-tell'
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
DIGEST_NAME = re.compile(
    r'([0-9]{12})_CloudTrail-Digest_([^_]+)_(.+)_([^_]+)_'
    r'([0-9]{8}T[0-9]{6}Z)(_backfill)?\.json\.gz')
LOG_NAME = re.compile(r'.*/CloudTrail/.*_CloudTrail_.*\.json\.gz')
HOUR = 3600


class Bad(Exception):
    """A mismatch."""


class Missing(Exception):
    """Cannot tell."""


def seconds(text):
    """Since 1970, as a fraction; None if it is no time."""
    found = re.fullmatch(r'([0-9-]{10}T[0-9:]{8})(\.[0-9]+)?Z', text or '')
    if not found:
        return None
    try:
        t = datetime.datetime.fromisoformat(found.group(1) + '+00:00')
    except ValueError:
        return None
    return (t - EPOCH).total_seconds() + float(found.group(2) or 0)


def inflate(data):
    """One gzip member and nothing after it."""
    z = zlib.decompressobj(31)
    try:
        out = z.decompress(data)
    except zlib.error as e:
        raise Bad('gzip: %s' % e) from None
    if not z.eof or z.unused_data:
        raise Bad('not one gzip member')
    return out


def once(pairs):
    out = dict(pairs)
    if len(out) != len(pairs):
        raise Bad('a key stands twice')
    return out


class Keys:
    def __init__(self):
        self.keys = {}

    def add(self, region, data):
        try:
            answer = json.loads(data)
            for one in answer['PublicKeyList']:
                der = base64.b64decode(one['Value'], validate=True)
                if hashlib.md5(der).hexdigest() == one['Fingerprint']:
                    self.keys[(region, one['Fingerprint'])] = der
        except (ValueError, KeyError, TypeError, binascii.Error):
            pass

    def holds(self, region, fingerprint, text, signature):
        der = self.keys.get((region, fingerprint))
        if der is None:
            raise Missing('no key')
        # PKCS#1: an SPKI around it, which the library reads
        key = serialization.load_der_public_key(der)
        try:
            key.verify(signature, text.encode(), padding.PKCS1v15(),
                       hashes.SHA256())
        except InvalidSignature:
            raise Bad('the signature does not hold') from None


class Digest:
    """One object, and what it says once it holds."""

    def __init__(self, line, data):
        self.line, self.data = line, data
        origin = line['origin']
        self.place = (origin['bucket'], origin['key'])
        self.meta = {k.lower(): v for k, v in
                     origin.get('metadata', {}).items()}
        self.same = (line.get('sha256'), self.meta)

    def read(self, region, keys, backfill):
        if self.data is None:
            raise Missing('no bytes')
        raw = inflate(self.data)
        self.hash = hashlib.sha256(raw).hexdigest()
        try:
            doc = json.loads(raw, object_pairs_hook=once)
        except ValueError as e:
            raise Bad(str(e)) from None
        for key in ('digestS3Bucket', 'digestS3Object', 'digestStartTime',
                    'digestEndTime', 'digestPublicKeyFingerprint'):
            if not isinstance(doc.get(key), str):
                raise Bad(key)
        if 'previousDigestSignature' not in doc:
            raise Bad('previousDigestSignature')
        self.start = seconds(doc['digestStartTime'])
        self.end = seconds(doc['digestEndTime'])
        if self.start is None or self.end is None or self.start > self.end:
            raise Bad('times')
        if (doc['digestS3Bucket'], doc['digestS3Object']) != self.place:
            raise Bad('moved')
        if backfill and 'backfill-generation-timestamp' not in self.meta:
            raise Bad('no time of backfill')
        if 'signature' not in self.meta:
            raise Bad('no signature')
        if doc.get('digestSignatureAlgorithm') not in (None, 'SHA256withRSA'):
            raise Missing('unknown algorithm')
        if self.meta.get('signature-algorithm', 'SHA256withRSA') != \
                'SHA256withRSA':
            raise Bad('signature-algorithm')
        self.signature = self.meta['signature']
        if not re.fullmatch('(?:[0-9a-f]{2})+', self.signature):
            raise Bad('not hex')
        keys.holds(region, doc['digestPublicKeyFingerprint'], '%s\n%s/%s\n%s\n%s'
                   % (doc['digestEndTime'], *self.place, self.hash,
                      doc['previousDigestSignature'] or 'null'),
                   bytes.fromhex(self.signature))
        before = tuple(doc.get('previousDigest' + k) for k in (
            'S3Bucket', 'S3Object', 'Signature', 'HashValue'))
        self.before = before if all(before[:3]) else None
        self.logs = doc.get('logFiles') or []


class Chain:
    def __init__(self, region, backfill, window, keys, logs, seen):
        self.region, self.backfill, self.keys = region, backfill, keys
        self.window, self.logs, self.seen = window, logs, seen
        self.findings, self.ok = [], 0
        self.want = self.proven = None
        self.known = False

    def say(self, what, verdict, secs=-1, exhibit=''):
        self.findings.append(Finding(what, verdict, int(secs), exhibit))

    def newest(self, end):
        start, stop, now = self.window
        until, due = min(stop, now), now - HOUR
        if end < due and end < stop and min(due, stop) - end > HOUR:
            self.say('gap', UNKNOWN, min(due, stop) - end)
            end = min(due, stop)
        if end < until:
            self.say('pending', UNKNOWN, until - end)

    def missing(self):
        self.say('missing-digest', UNKNOWN)
        self.want = None

    def digest(self, d):
        if self.want and self.want[:2] != d.place:
            self.missing()
        try:
            d.read(self.region, self.keys, self.backfill)
            if self.want and (self.want[2] != d.signature or self.want[3] not
                              in (None, d.hash)):
                raise Bad('not the one that its successor names')
        except (Bad, Missing) as e:
            self.say('digest', INVALID if isinstance(e, Bad) else UNKNOWN, -1,
                     d.line['exhibit'])
            self.want, self.known = None, False
            return
        self.ok += 1
        if self.proven is None:
            if not self.backfill:
                self.newest(d.end)
        elif d.end < self.proven or (self.known and not self.want):
            self.say('gap', UNKNOWN, max(self.proven - d.end, 0))
        self.proven, self.want, self.known = d.start, d.before, True
        for entry in d.logs:
            for exhibit, data in self.logs.get('%s/%s' % (
                    entry.get('s3Bucket'), entry.get('s3Object')), []):
                one = (exhibit, entry.get('hashValue'))
                if one not in self.seen:        # named again: nothing new
                    self.seen.add(one)
                    self.log(entry, exhibit, data)

    def log(self, entry, exhibit, data):
        verdict = VALID
        try:
            if data is None or entry.get('hashAlgorithm', 'SHA-256') != \
                    'SHA-256' or not entry.get('hashValue'):
                verdict = UNKNOWN
            elif hashlib.sha256(inflate(data)).hexdigest() != \
                    entry['hashValue']:
                verdict = INVALID
        except Bad:
            verdict = INVALID
        if verdict == VALID:
            self.ok += 1
        else:
            self.say('log', verdict, -1, exhibit)

    def finish(self):
        start, stop, _ = self.window
        if self.backfill and self.proven is None:
            return
        if self.proven is None:
            self.say('gap', UNKNOWN, stop - start)
        elif self.proven > start and not self.backfill:
            if self.want:
                self.missing()
            self.say('gap', UNKNOWN, self.proven - start)


AWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..',
                   'collector', 'attest', 'aws-identity')
IDENTITY = '/latest/dynamic/instance-identity/'


def certificate(name, region):
    with open(os.path.join(AWS, name), encoding='ascii') as f:
        found = re.search(r'^# (?:[^\n(]* )?%s[ \n(].*?(-----BEGIN.*?-----END '
                          'CERTIFICATE-----)' % re.escape(region), f.read(),
                          re.M | re.S)
    return found and found.group(1)


def openssl_holds(kind, cert, document, signature):
    """By AWS's key?  With AWS's documented commands, and -nointern."""
    with tempfile.TemporaryDirectory() as top:
        def path(name, data=None):
            name = os.path.join(top, name)
            if data is not None:
                with open(name, 'wb') as f:
                    f.write(data)
            return name
        cert = path('cert', cert.encode())
        if kind == 'signature':
            pub = subprocess.run(['openssl', 'x509', '-in', cert, '-noout',
                                  '-pubkey'], capture_output=True,
                                 check=True).stdout
            return subprocess.run(
                ['openssl', 'dgst', '-sha256', '-verify', path('pub', pub),
                 '-signature', path('sig', base64.b64decode(signature)),
                 path('doc', document)], capture_output=True).returncode == 0
        done = subprocess.run(
            ['openssl', 'smime', '-verify', '-inform', 'DER', '-in',
             path('p7', base64.b64decode(signature)), '-certfile', cert,
             '-noverify', '-nointern'], capture_output=True)
        return done.returncode == 0 and done.stdout == document


def check_identity(files):
    """Verdict on {name: bytes} of one instance of a step."""
    document, good = files.get('document'), {}
    if document is None:
        return UNKNOWN
    try:
        region = json.loads(document)['region']
    except (ValueError, KeyError):
        return INVALID
    for kind, name in (('rsa2048', 'rsa2048.pem'), ('signature',
                       'rsa1024.pem'), ('pkcs7', 'dsa.pem')):
        cert = certificate(name, region)
        if kind in files and cert:
            try:
                good[kind] = openssl_holds(kind, cert, document, files[kind])
            except binascii.Error:
                good[kind] = False
    if False in good.values():
        return INVALID
    return VALID if 'rsa2048' in good else UNKNOWN      # others are too weak


def check_identities(exhibits):
    """(findings, valid ones)"""
    instances, ids, out, ok = collections.defaultdict(dict), {}, [], 0
    for line, data in exhibits:
        path = line['origin'].get('imds', '')
        if path.startswith(IDENTITY) and path[len(IDENTITY):] in (
                'document', 'rsa2048', 'signature', 'pkcs7'):
            name = path[len(IDENTITY):]
            if data and name not in instances[line['instance']]:
                instances[line['instance']][name] = data
                if name == 'document':
                    ids[line['instance']] = line['exhibit']
    for instance, files in instances.items():
        verdict = check_identity(files)
        ok += verdict == VALID
        if verdict != VALID:
            out.append(Finding('document', verdict, -1,
                               ids.get(instance, '')))
    return out, ok


def check(exhibits):
    """Of CloudTrail's digests: (findings, number of things that are valid)"""
    keys, windows = Keys(), {}
    logs, chains = collections.defaultdict(list), collections.defaultdict(list)
    for line, data in exhibits:
        origin, instance = line['origin'], line['instance']
        key = origin.get('key', '')
        name = DIGEST_NAME.fullmatch(key.rsplit('/', 1)[-1])
        if (origin.get('service'), origin.get('operation')) == (
                'cloudtrail', 'ListPublicKeys'):
            keys.add(origin.get('region', ''), data)
        elif origin.get('kind') == 'cloudtrail-verdicts':
            windows[instance] = tuple(seconds(origin[k])
                                      for k in ('start', 'end', 'asked'))
        elif origin.get('operation') != 'GetObject':
            continue
        elif name:
            account, region, trail, home, end, backfill = name.groups()
            chains[(instance, origin['bucket'], account, region, trail, home,
                    bool(backfill))].append((end, Digest(line, data)))
        elif LOG_NAME.fullmatch(key):
            logs['%s/%s' % (origin['bucket'], key)].append(
                (line['exhibit'], data))
    findings, ok = [], 0
    seen = set()
    for (instance, _, _, region, _, _, backfill), digests in chains.items():
        digests.sort(key=lambda d: d[0])
        window = windows.get(instance)
        newest = datetime.datetime.strptime(digests[-1][0] + '+0000',
                                            '%Y%m%dT%H%M%SZ%z')
        newest = (newest - EPOCH).total_seconds()
        chain = Chain(region, backfill, window or (0, newest, newest), keys,
                      logs, seen)
        last = None
        for _, d in reversed(digests):
            if last is None or (last.place, last.same) != (d.place, d.same):
                chain.digest(d)
            last = d
        if window:
            chain.finish()
        findings += chain.findings
        ok += chain.ok
    return sorted(findings), ok


def as_json(exhibits):
    """As `crashcart verify --json` says it, without summaries and texts."""
    def counts(findings, ok):
        signed = [f for f in findings if f.seconds < 0]
        return {VALID: ok,
                INVALID: sum(f.verdict == INVALID for f in signed),
                UNKNOWN: sum(f.verdict == UNKNOWN for f in signed)}
    # keys of digests are the bundle's own: AWS is not who is known to say so
    aws, digests = check_identities(exhibits), check(exhibits)
    return {'attested': counts(*aws), 'consistent': counts(*digests),
            'attestations': [f._asdict() for f in sorted(aws[0] + digests[0])]}
