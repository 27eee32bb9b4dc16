#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verify a bundle: a second opinion written from collector/bundle/FORMAT.md.

Shares no code with crashcart.  Needs Python 3.9 and the package
`cryptography` (or `pynacl`) for Ed25519; everything else is standard.

usage: verify_bundle.py BUNDLE [--pubkey FILE|BASE64]... [--seal FILE] [--json]
                        [--attest]

BUNDLE is NAME.tar, NAME.seal, a folder that holds them, the folder of an
extracted bag, or - for the joined segments on standard input (with --seal).
--attest, with --json, says also what others signed (attest_bundle.py).
Exit status: 0 valid, 4 invalid, 5 cannot tell, 1 the files cannot be read.
"""
import argparse
import base64
import binascii
import datetime
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile

CHUNK = 8388608
MEMBER_MAX = 16777216
LINE_MAX = 262144
LOG_MAX = 1048576
INT_MAX = 2 ** 53
EMPTY = hashlib.sha256(b'').hexdigest()


class Broken(Exception):
    """A rule does not hold: the bundle is invalid."""

    def __init__(self, rule, text):
        super().__init__(text)
        self.rule = rule


class CannotTell(Exception):
    pass


def need(condition, rule, text):
    if not condition:
        raise Broken(rule, text)


# ---- Ed25519 and minisign ---------------------------------------------------

P = 2 ** 255 - 19
D = (-121665 * pow(121666, P - 2, P)) % P


def ed_add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + k, P - 2, P) % P
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, P - 2, P) % P
    return x, y


def ed_usable(encoded):
    """Is this a canonical point that is not of small order?"""
    number = int.from_bytes(encoded, 'little')
    sign, y = number >> 255, number & (2 ** 255 - 1)
    if y >= P:
        return False
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - xx) % P:
        return False
    if x == 0 and sign:
        return False
    if x & 1 != sign:
        x = P - x
    point = (x, y)
    for _ in range(3):
        point = ed_add(point, point)
    return point != (0, 1)


def ed_verify(key, message, signature):
    if not ed_usable(key) or not ed_usable(signature[:32]):
        return False
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        from nacl.exceptions import BadSignatureError
        from nacl.signing import VerifyKey
        try:
            VerifyKey(key).verify(message, signature)
            return True
        except (BadSignatureError, ValueError):
            return False
    from cryptography.exceptions import InvalidSignature
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature,
                                                               message)
        return True
    except (InvalidSignature, ValueError):
        return False


def unbase64(text, rule, what, size=None):
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Broken(rule, '%s is not base64' % what) from None
    need(base64.b64encode(raw).decode() == text, rule,
         '%s is not canonical base64' % what)
    need(size is None or len(raw) == size, rule,
         '%s has %d bytes' % (what, len(raw)))
    return raw


def printable(text):
    return not re.search('[\0-\x1f\x7f-\x9f]', text)


def text_of(data, rule, what):
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError:
        raise Broken(rule, '%s is not UTF-8' % what) from None


class Key:
    def __init__(self, raw):
        self.raw, self.id, self.point = raw, raw[2:10], raw[10:]

    def __eq__(self, other):
        return isinstance(other, Key) and self.raw == other.raw

    __hash__ = None


def key_from_base64(text, rule, what):
    raw = unbase64(text, rule, what, 42)
    need(raw[:2] == b'Ed', rule, '%s is not a minisign public key' % what)
    need(ed_usable(raw[10:]), rule, '%s is of small order' % what)
    return Key(raw)


def key_from_file(data, rule, what):
    lines = text_of(data, rule, what).split('\n')
    need(len(lines) == 3 and lines[2] == '', rule,
         '%s is not two lines' % what)
    need(lines[0].startswith('untrusted comment: ') and printable(lines[0]) and
         len(lines[0].encode()) <= 1019,
         rule, '%s has no comment line' % what)
    return key_from_base64(lines[1], rule, what)


def key_id_text(key_id):
    return key_id[::-1].hex().upper()


class Signature:
    def __init__(self, data, rule, what):
        lines = text_of(data, rule, what).split('\n')
        need(len(lines) == 5 and lines[4] == '', rule,
             '%s is not four lines' % what)
        need(lines[0].startswith('untrusted comment: '), rule,
             '%s: line 1' % what)
        need(lines[2].startswith('trusted comment: '), rule,
             '%s: line 3' % what)
        raw = unbase64(lines[1], rule, what, 74)
        need(raw[:2] == b'ED', rule, '%s is not prehashed' % what)
        self.key_id, self.signature = raw[2:10], raw[10:]
        self.untrusted = lines[0][len('untrusted comment: '):]
        self.trusted = lines[2][len('trusted comment: '):]
        self.total = unbase64(lines[3], rule, what, 64)

    def holds(self, key, digest):
        return ed_verify(key.point, digest, self.signature) and \
            ed_verify(key.point, self.signature + self.trusted.encode(),
                      self.total)


# ---- the outer seal ---------------------------------------------------------

NAME = r'[A-Za-z0-9._-]{1,64}'
NUMBER = r'(?:0|[1-9][0-9]{0,18})'


class Seal:
    def __init__(self, data):
        self.data = data
        self.segments = []     # (length, [digest])

    def parse(self):
        need(len(self.data) <= 67108864, 'F21', 'the seal is too long')
        first = self.data.split(b'\n', 1)[0]
        other = re.fullmatch(rb'crashcart-seal ([1-9][0-9]{0,8})', first)
        if other and other.group(1) != b'1':
            raise CannotTell('the seal is of format %s, which this verifier '
                             'does not know' % other.group(1).decode())
        try:
            lines = self.data.decode('ascii').split('\n')
        except UnicodeDecodeError:
            raise Broken('F21', 'the seal is not plain text') from None
        need(lines.pop() == '', 'F21', 'the seal does not end with LF')
        pattern = ['crashcart-seal 1', 'bundle (.+)', 'case (.+)',
                   'state (complete|gaps|partial)',
                   'root ([0-9a-f]{64})', 'log (%s) ([0-9a-f]{64})' % NUMBER,
                   'chunk 8388608']
        need(len(lines) > len(pattern), 'F21', 'the seal is too short')
        values = []
        for number, form in enumerate(pattern):
            found = re.fullmatch(form, lines[number])
            need(found, 'F21', 'line %d of the seal' % (number + 1))
            values += found.groups()
        (self.name, self.case, self.state, self.root, size,
         self.log_root) = values
        need(re.fullmatch(NAME, self.name) and re.fullmatch(NAME, self.case) and
             not self.name.startswith('.'), 'F1', 'a name in the seal')
        self.log_size = int(size)
        self.parse_segments(lines, len(pattern))

    def parse_segments(self, lines, at):
        while at < len(lines):
            found = re.fullmatch('segment (%s) (%s) ([A-Za-z0-9+/=]+)-(%s)' %
                                 (NUMBER, NUMBER, NUMBER), lines[at])
            need(found, 'F21', 'line %d of the seal' % (at + 1))
            number, length, composite, count = found.groups()
            length, count = int(length), int(count)
            need(int(number) == len(self.segments) + 1, 'F22',
                 'segment %s is out of order' % number)
            need(len(self.segments) < 10000, 'F22', 'too many segments')
            need(length > 0 and count <= 10000 and
                 count == (length + CHUNK - 1) // CHUNK, 'F22',
                 'segment %s: number of chunks' % number)
            digests = lines[at + 1:at + 1 + count]
            need(len(digests) == count and
                 all(re.fullmatch('[0-9a-f]{64}', d) for d in digests), 'F21',
                 'segment %s: chunk lines' % number)
            joined = hashlib.sha256(bytes.fromhex(''.join(digests))).digest()
            need(base64.b64encode(joined).decode() == composite, 'F22',
                 'segment %s: composite' % number)
            self.segments.append((length, digests))
            at += 1 + count
        need(self.segments, 'F22', 'the seal has no segment')


# ---- the stream -------------------------------------------------------------

AGE = b'age-encryption.org/v1\n'
AGE_STANZA = (rb'-> ([!-~]+(?: [!-~]+)*)\n'
              rb'((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)')
AGE_HEADER = re.compile(AGE + rb'(?:%s)+--- ([A-Za-z0-9+/]{43})\n' %
                        re.sub(rb'\((?!\?)', b'(?:', AGE_STANZA))


def age_header(data):
    """Its length; what can be seen of it without a key is right."""
    def unpadded(text):
        whole = text + b'=' * (-len(text) % 4)
        return len(text) % 4 != 1 and \
            base64.b64encode(base64.b64decode(whole)) == whole
    head = AGE_HEADER.match(data)
    need(head and unpadded(head.group(1)), 'F25', 'the header of an age file')
    need(head.end() <= 262144, 'F25', 'the header of an age file is too long')
    stanzas = [(one[0].split(b' '), one[1].replace(b'\n', b''))
               for one in re.findall(AGE_STANZA, head.group())]
    for args, body in stanzas:
        need(unpadded(body), 'F25', 'the body of a stanza')
        need(args[0] != b'X25519' or (len(args) == 2 and all(
            len(one) == 43 and unpadded(one) for one in (args[1], body))),
             'F25', 'a stanza of X25519')
    need(len(stanzas) == 1 or all(args[0] != b'scrypt' for args, _ in stanzas),
         'F25', 'a password beside another recipient')
    return head.end()


class Stream:
    """The bytes of the segments; none is given out before its chunk holds."""

    def __init__(self, opened, seal, joined, identity=None):
        self.files, self.seal, self.joined = opened, seal, joined
        self.buffer, self.at, self.parsed = b'', 0, 0
        self.identity, self.encrypted = identity, None
        self.segment = 0
        self.plan = self.plain(self.sealed() if seal else self.unsealed())

    def plain(self, stored):
        """The stored bytes, or what the tool age makes of each segment."""
        segment, parts = 0, []
        for data in stored:
            if self.encrypted is None:
                self.encrypted = data.startswith(AGE)
            if not self.encrypted:
                yield data
                continue
            if self.segment != segment:
                if parts:
                    yield self.decrypt(segment, b''.join(parts))
                segment, parts = self.segment, []
                need(data.startswith(AGE), 'F25',
                     'segment %d is not an age file' % segment)
            parts.append(data)
        if parts:
            yield self.decrypt(segment, b''.join(parts))

    def decrypt(self, segment, data):
        need(len(data) - age_header(data) >= 32, 'F25',
             'segment %d is cut short' % segment)
        if not self.identity:
            return b'\0'           # only looked at as a whole
        done = subprocess.run(['age', '-d', '-i', self.identity], input=data,
                              capture_output=True)
        need(done.returncode == 0, 'F25', 'segment %d: %s' % (
            segment, done.stderr.decode('utf-8', 'replace').strip()))
        need(len(done.stdout) % 512 == 0 or self.segment == segment, 'F25',
             'segment %d does not end with a block of the tar' % segment)
        return done.stdout

    def sealed(self):
        for number, (length, digests) in enumerate(self.seal.segments, 1):
            source = self.files[0 if self.joined else number - 1]
            self.segment = number
            for digest in digests:
                size = min(CHUNK, length)
                length -= size
                data = read_all(source, size)
                need(len(data) == size, 'F22',
                     'segment %d is shorter than sealed' % number)
                need(hashlib.sha256(data).hexdigest() == digest, 'F22',
                     'a chunk of segment %d is not as sealed' % number)
                yield data
            if not self.joined:
                need(not source.read(1), 'F22',
                     'segment %d is longer than sealed' % number)
        if self.joined:
            need(not self.files[0].read(1), 'F22',
                 'the stream is longer than sealed')

    def unsealed(self):
        for source in self.files:
            self.segment += 1
            while True:
                data = read_all(source, CHUNK)
                if not data:
                    break
                yield data

    def read(self, size):
        """Up to size bytes; fewer only at the end."""
        parts = []
        while size:
            if self.at == len(self.buffer):
                self.buffer, self.at = next(self.plan, b''), 0
                if not self.buffer:
                    break
            part = self.buffer[self.at:self.at + size]
            self.at += len(part)
            self.parsed += len(part)
            size -= len(part)
            parts.append(part)
        return b''.join(parts)


def read_all(source, size):
    parts = []
    while size:
        part = source.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b''.join(parts)


class Truncated(Exception):
    pass


def header(name, size, mtime):
    block = bytearray(512)
    block[0:len(name)] = name
    block[100:108] = b'0000644\0'
    block[108:116] = block[116:124] = b'0000000\0'
    block[124:136] = b'%011o\0' % size
    block[136:148] = b'%011o\0' % mtime
    block[148:156] = b' ' * 8
    block[156:157] = b'0'
    block[257:265] = b'ustar\x0000'
    block[329:337] = block[337:345] = b'0000000\0'
    block[148:156] = b'%06o\0 ' % sum(block)
    return bytes(block)


def octal(field, what):
    need(re.fullmatch(rb'[0-7]{11}\0', field), 'F4',
         '%s is not 11 octal digits' % what)
    return int(field[:11], 8)


def walk(stream, name):
    """Yields (path, data, mtime) of every member; name: None, or expected."""
    offset = 0

    def take(size, what):
        nonlocal offset
        data = stream.read(size)
        if len(data) < size:
            if stream.seal is None or stream.seal.state == 'partial':
                raise Truncated()
            raise Broken('F3', 'the stream ends inside %s' % what)
        offset += size
        return data

    while True:
        where = 'header at offset %d' % offset
        block = take(512, 'a ' + where)
        if block == bytes(512):
            break
        full = block[:100].split(b'\0')[0]
        size, mtime = octal(block[124:136], where), octal(block[136:148], where)
        need(block == header(full, size, mtime), 'F4',
             '%s is not as it must be' % where)
        need(b'/' in full, 'F4', '%s: no folder' % where)
        top, path = full.split(b'/', 1)
        need(re.fullmatch(NAME.encode(), top) and not top.startswith(b'.'),
             'F1', '%s: name of the bundle' % where)
        need(re.fullmatch(rb'[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*', path) and
             not any(c in (b'.', b'..') for c in path.split(b'/')), 'F7',
             '%s: path' % where)
        if name is None:
            name = top.decode()
        need(top.decode() == name, 'F4', '%s: the folder is not %s' %
             (where, name))
        need(size <= MEMBER_MAX, 'F6', '%s: too long' % where)
        data = take(size, path.decode())
        pad = take(-size % 512, path.decode())
        need(not pad.strip(b'\0'), 'F6', '%s: padding' % path.decode())
        yield path.decode(), data, mtime, name
    need(take(512, 'the end') == bytes(512), 'F3', 'one zero block only')
    need(not stream.read(1), 'F3', 'bytes after the end')


# ---- the log ----------------------------------------------------------------

PREFIX = ['n', 'salt', 't', 'mono_ns', 'boot', 'session', 'type', 'step']

# One word a key.  ? optional, a|b one of them (a|b? at most one), {} object.
TYPES = {
    'session': 'uuid bundle case operator? authority? organization? '
               'tool{name,version,commit,sha256} manifest{name,sha256} '
               'session_key host{hostname,kernel,machine,boot_id} pid uid '
               'interrupted_after? options?',
    'clock': 'source from offset_ms uncertainty_ms applied',
    'endpoint': 'service region url origin address?',
    'instance': 'id event attempt',
    'instance end': 'id event attempt outcome reason? partial_input? '
                    'duration_ms keep?',
    'call': 'id instance service operation account? region url status '
            'request_id? request_id2? attempts started duration_ms bytes '
            'page? error{code,message}? exhibit?',
    'exhibit': 'exhibit instance name media size sha256? path? parts? files? '
               'origin derived_from? repeatable state note?',
    'part': 'exhibit part path? size sha256 offset length encoding instance? '
            'name? media?',
    'file': 'exhibit path|path_b64 kind size sha256? mode uid gid mtime ctime '
            'atime btime? ino dev nlink part? offset? in? target|target_b64? '
            'state origin? note?',
    'gap': 'instance? what reason detail exhibit? call? offset? length? '
           'count? path|path_b64?',
    'change': 'uuid event class instance call input? made? detail?',
    'note': 'text',
    'end': 'outcome exhibits calls gaps changes bytes reason? '
           'usage{cpu_ms,peak_rss_bytes}',
    'head': 'size root sig',
    'witness': 'size by head_b64 reply_b64|error',
}

ENUMS = {
    ('clock', 'source'): 'http-date sntp kernel',
    ('endpoint', 'origin'): 'default environment config option',
    ('instance', 'event'): 'start end',
    ('instance', 'outcome'): 'ok partial denied throttled timeout failed '
                             'skipped cancelled',
    ('exhibit', 'state'): 'whole truncated masked gaps',
    ('part', 'encoding'): 'zstd tar.zst none zero',
    ('file', 'kind'): 'file dir link fifo socket char block',
    ('file', 'state'): 'ok grew shrank changed unreadable listed',
    ('gap', 'reason'): 'denied throttled timeout failed truncated limit absent '
                       'changed interrupted no-value ambiguous unsupported '
                       'masked',
    ('change', 'event'): 'intent result adopted unknown',
    ('change', 'class'): 'evidence containment irreversible',
    ('end', 'outcome'): 'complete gaps',
}

INTEGERS = set('n session pid uid gid interrupted_after uncertainty_ms attempt '
               'duration_ms status attempts bytes page size parts files part '
               'offset length nlink count exhibits calls gaps changes cpu_ms '
               'peak_rss_bytes'.split())
DECIMALS = {'mono_ns', 'ino'}
BOOLEANS = {'applied', 'partial_input', 'repeatable'}
FORMS = {
    'sha256': '[0-9a-f]{64}', 'root': '[0-9a-f]{64}', 'salt': '[0-9a-f]{32}',
    'boot': '[0-9a-f]{8}',
    'dev': '{0}:{0}'.format('(?:0|[1-9][0-9]{0,9})'), 'mode': '[0-7]{1,7}',
    'uuid': '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
    'exhibit': 'e[0-9]{6,7}', 'in': 'e[0-9]{6,7}',
    'step': '(?:[a-z][a-z0-9_]{0,31})?',
}
TIMES = {'t', 'started', 'mtime', 'ctime', 'atime', 'btime'}


def is_time(text, digits):
    found = re.fullmatch(r'([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):'
                         r'([0-9]{2}):([0-9]{2})(\.[0-9]{%s})?Z' % digits,
                         text)
    if not found or (digits == '9' and not found.group(7)):
        return False
    try:
        datetime.datetime(*map(int, found.groups()[:6]))
    except ValueError:
        return False
    return True


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    need(len(set(keys)) == len(keys), 'F14', 'a key stands twice')
    return dict(pairs)


def refuse_constant(_):
    raise Broken('F14', 'not a JSON number')


def strict_int(text):
    value = int(text) if len(text) < 20 else INT_MAX + 1
    need(abs(value) <= INT_MAX, 'F14', 'a number beyond 2^53')
    return value


def strict_float(text):
    value = float(text)
    need(len(text) <= 63 and abs(value) != float('inf'), 'F14',
         'a number that is too long or not finite')
    return value


def check_texts(value, depth):
    need(depth <= 32 or not isinstance(value, (dict, list)), 'F14', 'too deep')
    if isinstance(value, dict):
        for key, item in value.items():
            check_texts(key, depth)
            check_texts(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_texts(item, depth + 1)
    elif isinstance(value, str):
        need('\0' not in value, 'F14', 'U+0000')
        need(not re.search('[\ud800-\udfff]', value), 'F14', 'lone surrogate')


def parse_line(data):
    need(len(data) <= LINE_MAX, 'F14', 'longer than %d bytes' % LINE_MAX)
    text = text_of(data, 'F14', 'the line')
    try:
        line = json.loads(text, object_pairs_hook=no_duplicates,
                          parse_int=strict_int, parse_float=strict_float,
                          parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise Broken('F14', 'not JSON') from None
    need(isinstance(line, dict), 'F14', 'not an object')
    check_texts(line, 1)
    return line


def is_integer(value):
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= INT_MAX
    return isinstance(value, int) and not isinstance(value, bool)


def check_value(kind, key, value):
    what = '%s of a %s line' % (key, kind)
    if (kind, key) in ENUMS:
        need(value in ENUMS[kind, key].split(), 'F20', what)
    elif key in ('options', 'input', 'keep') or (kind, key) in (
            ('exhibit', 'origin'), ('file', 'origin')):
        need(isinstance(value, dict), 'F20', what)
    elif key in ('derived_from', 'made'):
        need(isinstance(value, list) and
             all(isinstance(v, str) for v in value), 'F20', what)
        need(key == 'made' or all(re.fullmatch(FORMS['exhibit'], v)
                                  for v in value), 'F20', what)
    elif key in BOOLEANS:
        need(isinstance(value, bool), 'F20', what)
        need(key != 'partial_input' or value, 'F20', what)
    elif key == 'offset_ms':
        need(is_integer(value), 'F20', what)
    elif key in INTEGERS:
        need(is_integer(value) and value >= 0, 'F20', what)
    else:
        need(isinstance(value, str), 'F20', what)
        check_form(key, value, what)


def check_form(key, value, what):
    if key in FORMS:
        need(re.fullmatch(FORMS[key], value), 'F20', what)
    elif key in DECIMALS:
        need(re.fullmatch('0|[1-9][0-9]{0,19}', value) and
             int(value) < 2 ** 64, 'F20', what)
    elif key in TIMES:
        need(is_time(value, '9' if key == 't' else '1,9'), 'F20', what)
    elif key.endswith('_b64'):
        unbase64(value, 'F20', what)
    elif key in ('session_key', 'sig'):
        unbase64(value, 'F20', what, 42 if key == 'session_key' else 64)


def check_keys(kind, line, words):
    """The keys of a line, in order, are those of its type."""
    keys = list(line)
    need(keys[:8] == PREFIX, 'F15', 'the first keys of the line')
    rest = keys[8:]
    for word in words.split():
        found = re.fullmatch(r'([a-z0-9_|]+)(?:\{(.*)\})?(\??)', word)
        names, inner, optional = found.groups()
        if rest and rest[0] in names.split('|'):
            key = rest.pop(0)
            if inner:
                check_object(kind, key, line[key], inner.split(','))
            else:
                check_value(kind, key, line[key])
        else:
            need(optional, 'F20', 'a %s line without %s' % (kind, names))
    need(not rest, 'F20', 'a %s line with the key %s' %
         (kind, rest[0] if rest else ''))


def check_object(kind, key, value, names):
    need(isinstance(value, dict) and list(value) == names, 'F20',
         '%s of a %s line' % (key, kind))
    for name in names:
        check_value(kind, name, value[name])


def check_line(line):
    kind = line.get('type')
    need('type' in line, 'F15', 'the first keys of the line')
    need(isinstance(kind, str) and kind in TYPES and ' ' not in kind,
         'F20', 'a line of an unknown type')
    words = TYPES[kind]
    if kind == 'instance' and line.get('event') == 'end':
        words = TYPES['instance end']
    check_keys(kind, line, words)
    for key in PREFIX:
        try:
            check_value(kind, key, line[key])
        except Broken as e:
            raise Broken('F15', str(e)) from None
    return kind


class Merkle:
    def __init__(self):
        self.size, self.stack = 0, []

    def add(self, leaf):
        node, size = hashlib.sha256(b'\0' + leaf).digest(), self.size
        while size & 1:
            node = hashlib.sha256(b'\1' + self.stack.pop() + node).digest()
            size >>= 1
        self.stack.append(node)
        self.size += 1

    def root(self):
        if not self.stack:
            return hashlib.sha256(b'').digest()
        node = self.stack[-1]
        for left in reversed(self.stack[:-1]):
            node = hashlib.sha256(b'\1' + left + node).digest()
        return node


class Log:
    """The rules of the lines, F14 to F20."""

    def __init__(self, bag):
        self.bag = bag
        self.tree = Merkle()
        self.found = 0             # heads that were kept
        self.session, self.new_session = 0, True
        self.uuid = self.case = None
        self.manifest = None
        self.counts = dict.fromkeys(TYPES, 0)
        self.open, self.done = {}, set()
        self.end = None
        self.last = None

    def origin(self):
        return 'crashcart/%s' % self.uuid

    def note(self, size, root):
        return '%s\n%d\n%s\n' % (self.origin(), size,
                                 base64.b64encode(root).decode())

    def part(self, data, group):
        """One log part, whose group's payload is {path: (size, sha256)}."""
        need(0 < len(data) <= LOG_MAX, 'F14', 'the size of a log part')
        need(data.endswith(b'\n'), 'F14', 'a log part does not end with LF')
        self.group = group
        lines = data[:-1].split(b'\n')
        for at, raw in enumerate(lines):
            try:
                self.line(raw, at == 0, at == len(lines) - 1)
            except Broken as e:
                raise Broken(e.rule, 'log line %d: %s' %
                             (self.tree.size + 1, e)) from None
            self.tree.add(raw)
            self.compare_kept()
        need(not group, 'F19', '%s is in no line of its log part' %
             next(iter(group), ''))

    def line(self, raw, first, last):
        line = parse_line(raw)
        kind = check_line(line)
        need(line['n'] == self.tree.size + 1, 'F15', 'n has a gap')
        need((kind == 'head') == last, 'F14', 'a head only at the end')
        need(self.end is None or kind == 'head', 'F16', 'a line after the end')
        self.counts[kind] += 1
        if self.new_session:
            need(first and kind == 'session', 'F16', 'no session line')
            self.begin_session(line)
        else:
            need(kind != 'session', 'F16', 'a session line without a new key')
        need(line['session'] == self.session, 'F16', 'session')
        handler = getattr(self, 'line_' + kind, None)
        if handler:
            handler(line)
        self.last = kind

    def begin_session(self, line):
        self.session += 1
        self.new_session = False
        key = self.bag.session_keys[self.session - 1]
        need(line['session_key'] == base64.b64encode(key.raw).decode(), 'F16',
             'session_key is not keys/session-%d.pub' % self.session)
        if self.session == 1:
            self.uuid, self.case = line['uuid'], line['case']
            need(re.fullmatch(NAME, self.case), 'F1', 'case')
        need(line['uuid'] == self.uuid and line['case'] == self.case and
             line['bundle'] == self.bag.name, 'F16',
             'uuid, bundle or case of the session')
        need(line['manifest']['sha256'] == self.bag.digests['manifest.json'],
             'F16', 'the manifest of the session is not manifest.json')

    def line_head(self, line):
        need(line['size'] == self.tree.size, 'F17', 'size of the head')
        root = self.tree.root()
        need(line['root'] == root.hex(), 'F17', 'root of the head')
        key = self.bag.session_keys[self.session - 1]
        need(ed_verify(key.point, self.note(self.tree.size, root).encode(),
                       base64.b64decode(line['sig'])), 'F17',
             'the signature of the head does not hold')

    def line_end(self, line):
        self.end = line
        for key, kind in (('exhibits', 'exhibit'), ('calls', 'call'),
                          ('gaps', 'gap'), ('changes', 'change')):
            need(line[key] == self.counts[kind], 'F16', '%s of the end' % key)
        need(line['outcome'] == 'gaps' or not self.counts['gap'], 'F16',
             'complete, with gaps')

    def described(self, line):
        found = self.group.pop(line['path'], None)
        need(found, 'F19', '%s is not in the group' % line['path'])
        need(found == (line['size'], line.get('sha256')), 'F19',
             'size or sha256 of %s' % line['path'])

    @staticmethod
    def exhibit_number(text):
        number = int(text[1:])
        need(0 < number and text == 'e%06d' % number, 'F13',
             'number of an exhibit')
        need(number <= 9999999, 'F9', 'number of an exhibit')
        return number

    def line_exhibit(self, line):
        number = self.exhibit_number(line['exhibit'])
        need(number not in self.done, 'F19', 'an exhibit is announced twice')
        self.done.add(number)
        state = self.open.pop(number, None)
        if self.bag.attest is not None:
            self.bag.attest.append((line, self.bag.bytes.get(line.get(
                'path', line['exhibit']))))
            self.bag.bytes.pop(line['exhibit'], None)
            self.bag.sets.pop(line['exhibit'], None)
        if 'path' in line:
            need('parts' not in line and 'files' not in line and
                 not state, 'F19', 'a plain exhibit with parts')
            need('sha256' in line, 'F19', 'no sha256')
            found = re.fullmatch('data/(e[0-9]+)-[^/]+', line['path'])
            need(found and found.group(1) == line['exhibit'], 'F19',
                 'the path is of another exhibit')
            self.described(line)
            return
        parts, total, is_set = state or (0, 0, 'files' in line)
        need(line.get('parts') == parts, 'F19', 'number of parts')
        need(is_set == ('files' in line), 'F19', 'encoding of a file set')
        need(is_set or line['size'] == total, 'F19', 'size of an exhibit')
        need('sha256' not in line or not is_set, 'F19', 'sha256 of a file set')

    def line_file(self, line):
        if self.bag.attest is not None:
            self.bag.keep_file(line)

    def line_part(self, line):
        number = self.exhibit_number(line['exhibit'])
        need(number not in self.done, 'F19', 'a part after its exhibit line')
        is_set = line['encoding'] == 'tar.zst'
        parts, total, was_set = self.open.get(number, (0, 0, is_set))
        need(line['part'] == parts + 1, 'F19', 'number of a part')
        need(line['offset'] == total, 'F19', 'offset of a part')
        need(0 < line['length'] <= MEMBER_MAX, 'F19', 'length of a part')
        need(is_set == was_set, 'F19', 'file set and other parts mixed')
        self.open[number] = (parts + 1, total + line['length'], is_set)
        if self.bag.attest is not None:
            self.bag.keep_part(line)
        need(len(self.open) <= 4096, 'F9', 'too many open exhibits')
        if line['encoding'] == 'zero':
            need('path' not in line and line['size'] == 0 and
                 line['sha256'] == EMPTY, 'F19', 'a part of zeros')
            return
        ext = {'zstd': 'zst', 'tar.zst': 'tar.zst', 'none': 'bin'}
        need(line.get('path') == 'data/%s/%08d.%s' %
             (line['exhibit'], line['part'], ext[line['encoding']]), 'F19',
             'path of a part')
        self.described(line)

    def compare_kept(self):
        """Heads of these lines that the reader kept."""
        for text in self.bag.kept:
            body, _, signature = text.partition('\n\n')
            if body.split('\n')[1] != str(self.tree.size):
                continue
            start = '\u2014 %s ' % self.origin()
            need(signature.startswith(start), 'F27', 'a head of another log')
            raw = unbase64(signature[len(start):-1], 'F27', 'a head', 68)
            need(ed_verify(self.bag.session_keys[-1].point,
                           (body + '\n').encode(), raw[4:]), 'F27',
                 'a head that was kept is by another key')
            need(body + '\n' == self.note(self.tree.size, self.tree.root()),
                 'F27', 'the log was rewritten')
            self.found += 1

    def all_kept(self):
        need(self.found == len(self.bag.kept), 'F27', 'the log was cut')

    def finish(self):
        self.all_kept()
        need(self.end is not None, 'F16', 'the log has no end line')
        need(not self.open, 'F19', 'parts without an exhibit line')

    def checkpoint(self, data):
        text = text_of(data, 'F18', 'checkpoint')
        root = self.tree.root()
        body = self.note(self.tree.size, root)
        start = body + '\n\u2014 ' + self.origin() + ' '
        need(text.startswith(start) and text.endswith('\n') and
             text.count('\n') == body.count('\n') + 2, 'F18', 'checkpoint')
        raw = unbase64(text[len(start):-1], 'F18', 'checkpoint', 68)
        key = self.bag.session_keys[-1]
        name = self.origin().encode()
        need(raw[:4] == hashlib.sha256(name + b'\n\x01' + key.point)
             .digest()[:4], 'F18', 'key id of the checkpoint')
        need(ed_verify(key.point, body.encode(), raw[4:]), 'F18',
             'the signature of the checkpoint does not hold')


# ---- the bag ----------------------------------------------------------------

def der_length(data):
    """Of the value that the bytes begin with."""
    n = data[1] if len(data) > 1 else 0
    if n < 128:
        return 2 + n
    return 2 + n - 128 + int.from_bytes(data[2:2 + n - 128], 'big')


STAMPS = ['seal/timestamps.txt', 'seal/tagmanifest-sha256.txt.tsr',
          'seal/tagmanifest-sha256.txt.2.tsr']
INFO = ['Source-Organization', 'Bagging-Date', 'External-Identifier',
        'Bag-Group-Identifier', 'Payload-Oxum', 'Bag-Software-Agent',
        'Crashcart-Format', 'Crashcart-Uuid', 'Crashcart-Start',
        'Crashcart-State', 'Crashcart-Log']
PAYLOAD = re.compile(r'data/e([0-9]{6,9})(?:-[a-z0-9][a-z0-9._-]{0,63}|'
                     r'/(?!00000000)[0-9]{8}\.(?:zst|tar\.zst|bin))')


class Bag:
    """Members in stream order: F5, F7-F13."""

    def __init__(self, name):
        self.name = name
        self.digests = {}          # of tag files
        self.seen = set()
        self.members = self.payload = self.payload_bytes = 0
        self.group = {}
        self.session_keys, self.examiner = [], None
        self.log = Log(self)
        self.log_parts = 0
        self.kept = []             # heads that the reader kept
        self.mtime = self.info = self.root = None
        self.lists = {'manifest-sha256.txt': hashlib.sha256(),
                      'tagmanifest-sha256.txt': hashlib.sha256()}
        self.inner, self.stamps = None, None
        self.last_stamp = 0
        self.place = iter(['bagit.txt', 'VERIFY.txt', 'manifest.json',
                           'plan.json', 'keys/session-1.pub'])
        self.bytes = {}            # payload of the group, if attest
        self.sets = {}             # open file sets: part, its bytes, instance
        self.attest = None         # or [(line, bytes)] of plain exhibits
        self.after = None
        self.state = 'start'

    def member(self, path, data, mtime=None):
        self.members += 1
        need(self.members <= 400000, 'F9', 'too many members')
        need(path.lower() not in self.seen, 'F7', '%s stands twice' % path)
        self.seen.add(path.lower())
        if self.mtime is None:
            self.mtime = mtime
        need(mtime == self.mtime, 'F5', 'the time of %s' % path)
        digest = hashlib.sha256(data).hexdigest()
        self.order(path, data, digest)
        if self.state != 'seal':
            which = 'manifest' if path.startswith('data/') else 'tagmanifest'
            self.lists[which + '-sha256.txt'].update(
                b'%s  %s\n' % (digest.encode(), path.encode()))

    def order(self, path, data, digest):
        if self.state == 'start':
            expected = next(self.place, None)
            if expected:
                need(path == expected, 'F8', '%s instead of %s' %
                     (path, expected))
                self.digests[path] = digest
                if path == 'bagit.txt':
                    need(data == b'BagIt-Version: 1.0\n'
                         b'Tag-File-Character-Encoding: UTF-8\n', 'F10', path)
                elif path == 'keys/session-1.pub':
                    self.session_keys.append(key_from_file(data, 'F8', path))
                return
            self.state = 'group'
            if path == 'keys/examiner.pub':
                self.examiner = key_from_file(data, 'F8', path)
                return
        if self.state in ('group', 'inside'):
            if self.order_group(path, data, digest):
                return
        self.order_end(path, data, digest)

    def order_group(self, path, data, digest):
        if path.startswith('data/'):
            self.one_payload(path, data, digest)
        elif path == 'log/%06d.jsonl' % (self.log_parts + 1):
            self.log_parts += 1
            need(self.log_parts <= 999999, 'F8', 'too many log parts')
            self.log.part(data, self.group)
            self.bytes = {k: v for k, v in self.bytes.items() if '/' not in k}
            self.state = 'group'
            return True
        elif self.state == 'group' and self.log_parts and \
                path == 'keys/session-%d.pub' % (len(self.session_keys) + 1):
            self.session_keys.append(key_from_file(data, 'F8', path))
            self.log.new_session = True
        else:
            need(self.state == 'group' and self.log_parts and
                 path == 'checkpoint', 'F8', '%s is out of place' % path)
            self.log.finish()
            self.state = 'end'
            self.place = iter(['checkpoint', 'bag-info.txt',
                               'manifest-sha256.txt', 'tagmanifest-sha256.txt',
                               'seal/tagmanifest-sha256.txt.minisig'])
            return False
        self.state = 'inside'
        return True

    def one_payload(self, path, data, digest):
        found = PAYLOAD.fullmatch(path)
        number = found.group(1) if found else '0'
        need(int(number) > 0 and number == '%06d' % int(number), 'F13',
             '%s is no payload path' % path)
        need(int(number) <= 9999999, 'F9', 'number of %s' % path)
        self.payload += 1
        self.payload_bytes += len(data)
        need(self.payload <= 150000, 'F9', 'too many payload members')
        need(len(self.group) < 8192, 'F9', 'too many members in a group')
        self.group[path] = (len(data), digest)
        if self.attest is not None:
            self.bytes[path] = data

    def keep_part(self, line):
        """Exhibits of up to eight parts; of a file set, the part that came
        last; what `zstd` cannot inflate is None."""
        data = self.bytes.get(line.get('path'))
        if line['encoding'] in ('zstd', 'tar.zst'):
            done = subprocess.run(['zstd', '-dcq'], input=data,
                                  capture_output=True, check=False)
            data = None if done.returncode else done.stdout
        if line['encoding'] == 'tar.zst':
            before = self.sets.get(line['exhibit'])
            self.sets[line['exhibit']] = (
                line['part'], data,
                before[2] if before else line.get('instance', ''))
        before = self.bytes.get(line['exhibit'])
        if line['part'] > 1:
            data = before + data if line['part'] <= 8 and None not in (
                before, data) and line['encoding'] != 'tar.zst' else None
        self.bytes[line['exhibit']] = data

    def keep_file(self, line):
        """A file that has an origin, as an exhibit that has one."""
        part, data, instance = self.sets.get(line['exhibit'], (0, None, ''))
        if 'origin' not in line or line.get('part') != part:
            return
        if data is not None:
            data = data[line['offset']:line['offset'] + line['size']]
            if hashlib.sha256(data).hexdigest() != line.get('sha256'):
                data = None
        self.attest.append((dict(line, instance=instance), data))

    def order_stamp(self, path, data):
        """F24.  What the list says of each, and those that were granted."""
        if self.stamps is None:
            need(path == STAMPS[0], 'F8', '%s is out of place' % path)
            need(0 < len(data) <= 16384, 'F24', 'length of ' + path)
            self.stamps = []
            lines = text_of(data, 'F24', path).split('\n')
            need(lines.pop() == '' and len(lines) <= 2, 'F24', path)
            for i, line in enumerate(lines):
                found = re.fullmatch(
                    '%d ([!-~]{1,1024}) (?:(granted)|failed [ -~]{1,256})' %
                    (i + 1), line)
                need(found, 'F24', 'a line of ' + path)
                self.stamps.append([bool(found.group(2)), None])
            return
        need(path in STAMPS[1:], 'F8', '%s is out of place' % path)
        number = STAMPS.index(path)
        need(number > self.last_stamp, 'F8', '%s is out of place' % path)
        need(len(data) <= 65536, 'F24', 'length of ' + path)
        need(number <= len(self.stamps) and self.stamps[number - 1][0], 'F24',
             '%s was not granted' % path)
        self.last_stamp = number
        self.stamps[number - 1][1] = data

    def check_stamps(self):
        """Each is about the inner seal, and signed by what it carries: openssl
        says so, with the certificates of the token as its roots."""
        for granted, reply in self.stamps or []:
            if granted:
                check_stamp(reply, self.inner_bytes)

    def order_end(self, path, data, digest):
        if self.inner is not None:
            return self.order_stamp(path, data)
        need(path == next(self.place, None), 'F8', '%s is out of place' % path)
        if path == 'checkpoint':
            self.log.checkpoint(data)
        elif path == 'bag-info.txt':
            self.bag_info(data)
        elif path in self.lists:
            need(digest == self.lists[path].hexdigest(), 'F11',
                 '%s does not list the members as they are' % path)
            if path == 'tagmanifest-sha256.txt':
                self.root, self.state = digest, 'seal'
                self.tagmanifest = data
        elif path.endswith('.minisig'):
            self.inner = Signature(data, 'F23', path)
            self.inner_bytes = data

    def bag_info(self, data):
        lines = text_of(data, 'F12', 'bag-info.txt').split('\n')
        need(lines.pop() == '', 'F12', 'bag-info.txt does not end with LF')
        labels = INFO if lines and lines[0].startswith(INFO[0]) else INFO[1:]
        need(len(lines) == len(labels), 'F12', 'lines of bag-info.txt')
        info = {}
        for label, line in zip(labels, lines):
            need(line.startswith(label + ': ') and printable(line) and
                 len(line) > len(label) + 2, 'F12', label)
            info[label] = line[len(label) + 2:]
        need(re.fullmatch('(?:0|[1-9][0-9]{0,10})', info['Crashcart-Start']),
             'F12', 'Crashcart-Start')
        start = int(info['Crashcart-Start'])
        need(self.mtime is None or self.mtime == start, 'F5',
             'the time of the members is not Crashcart-Start')
        date = datetime.datetime(1970, 1, 1) + \
            datetime.timedelta(seconds=start)
        need(re.fullmatch(r'crashcart [^ ()]+ \([^ ()]+\)',
                          info['Bag-Software-Agent']), 'F12',
             'Bag-Software-Agent')
        need(info['Crashcart-State'] in ('complete', 'gaps'), 'F12',
             'Crashcart-State')
        for label, value in (
                ('Bagging-Date', date.strftime('%Y-%m-%d')),
                ('External-Identifier', self.name),
                ('Bag-Group-Identifier', self.log.case),
                ('Payload-Oxum', '%d.%d' % (self.payload_bytes, self.payload)),
                ('Crashcart-Format', '1'), ('Crashcart-Uuid', self.log.uuid),
                ('Crashcart-Log', str(self.log.tree.size))):
            need(info[label] == value, 'F12', label)
        need(self.log.end['outcome'] == info['Crashcart-State'], 'F16',
             'outcome of the end')
        need(self.log.end['bytes'] == self.payload_bytes, 'F16',
             'bytes of the end')
        self.info = info

    def finish(self):
        """The inner seal.  Returns the key that made it."""
        need(self.inner, 'F8', 'no inner seal')
        key = self.examiner or self.session_keys[-1]
        self.purpose = 'examiner' if self.examiner else 'session'
        need(self.inner.untrusted == 'crashcart inner seal', 'F23',
             'untrusted comment of the inner seal')
        need(self.inner.trusted == 'crashcart inner-seal ' + self.claims(),
             'F23', 'trusted comment of the inner seal')
        need(self.inner.key_id == key.id, 'F23', 'key id of the inner seal')
        need(self.inner.holds(key, hashlib.blake2b(self.tagmanifest).digest()),
             'F23', 'the inner seal does not hold')
        for granted, reply in self.stamps or []:
            need(not granted or reply, 'F24', 'a time stamp is missing')
        self.key = key

    def claims(self):
        return 'bundle=%s case=%s purpose=%s root=%s' % (
            self.name, self.log.case, self.purpose, self.root)


# ---- files ------------------------------------------------------------------

class Found:
    """The files of a bundle."""

    def __init__(self):
        self.name = None
        self.folder = '.'
        self.segments = []       # paths
        self.seal = None         # bytes
        self.signature = None    # bytes
        self.counter = {}        # key id text -> bytes
        self.stamp = {}          # of counter-signatures, likewise
        self.extracted = None


def read_file(path):
    with open(path, 'rb') as source:
        return source.read()


def find(bundle, seal):
    found = Found()
    if bundle == '-':
        if not seal:
            raise OSError('- needs --seal')
        found.folder, base = os.path.split(seal)
        found.name = base[:-5] if base.endswith('.seal') else None
        find_companions(found, seal)
        return found
    if os.path.isdir(bundle):
        if os.path.lexists(os.path.join(bundle, 'bagit.txt')):
            found.extracted = bundle
            return found
        names = {n[:-4] for n in os.listdir(bundle) if n.endswith('.tar')}
        names |= {n[:-8] for n in os.listdir(bundle)
                  if n.endswith('.tar.age')}
        names |= {n[:-5] for n in os.listdir(bundle) if n.endswith('.seal')}
        names.discard('')
        if len(names) != 1:
            raise OSError('%s holds %d bundles' % (bundle, len(names)))
        found.folder, found.name = bundle, names.pop()
    else:
        found.folder, base = os.path.split(bundle)
        for ending in ('.tar', '.seal', '.tar.age'):
            if base.endswith(ending):
                found.name = base[:-len(ending)]
        if not found.name:
            raise OSError('%s is neither .tar nor .seal' % bundle)
    found.folder = found.folder or '.'
    find_segments(found)
    find_companions(found, seal or
                    os.path.join(found.folder, found.name + '.seal'))
    return found


def find_segments(found):
    listed = os.listdir(found.folder)
    start = found.name + '.tar'
    found.encrypted = start + '.age' in listed
    need(not (found.encrypted and start in listed), 'F25', 'both kinds')
    end = '.age' if found.encrypted else ''
    names = [n for n in listed if n.startswith(start + '.') and
             re.fullmatch(r'[0-9]+' + re.escape(end), n[len(start) + 1:])]
    need(start + end in listed, 'F2', '%s is missing' % (start + end))
    expected = ['%s.%03d%s' % (start, i + 2, end) for i in range(len(names))]
    need(sorted(names) == sorted(expected), 'F2', 'names of the segments')
    found.segments = [os.path.join(found.folder, n)
                      for n in [start + end] + expected]


def check_stamp(reply, sealed):
    need(der_length(reply) == len(reply), 'F24', 'more than a time stamp')
    with tempfile.TemporaryDirectory() as top:
        def path(name):
            return os.path.join(top, name)
        for name, data in (('tsr', reply), ('sig', sealed)):
            with open(path(name), 'wb') as out:
                out.write(data)
        done = all(subprocess.run(
            ['openssl', *args], capture_output=True).returncode == 0
            for args in (
                ('ts', '-reply', '-in', path('tsr'), '-token_out',
                 '-out', path('token')),
                ('pkcs7', '-inform', 'DER', '-in', path('token'),
                 '-print_certs', '-out', path('certs')),
                ('ts', '-verify', '-in', path('tsr'), '-data',
                 path('sig'), '-CAfile', path('certs'),
                 '-partial_chain', '-no_check_time')))
    need(done, 'F24', 'a time stamp does not hold')


def find_companions(found, seal):
    if not os.path.lexists(seal):
        return
    found.seal = read_file(seal)
    folder, base = os.path.split(seal)
    for name in sorted(os.listdir(folder or '.')):
        if name == base + '.minisig':
            found.signature = read_file(os.path.join(folder, name))
        elif name.startswith(base + '.') and name.endswith('.minisig'):
            middle = name[len(base) + 1:-8]
            need(re.fullmatch('[0-9A-F]{16}', middle), 'F23',
                 'name of a counter-signature')
            found.counter[middle] = read_file(os.path.join(folder, name))
        elif name.startswith(base + '.') and name.endswith('.minisig.tsr'):
            middle = name[len(base) + 1:-12]
            need(re.fullmatch('[0-9A-F]{16}', middle), 'F24',
                 'name of a time stamp')
            found.stamp[middle] = read_file(os.path.join(folder, name))


def extracted_members(root):
    """Members of an extracted bag, in stream order."""
    def get(path):
        full = root
        for component in path.split('/'):
            full = os.path.join(full, component)
            need(os.path.lexists(full) and not os.path.islink(full), 'F8',
                 '%s is missing' % path)
        need(stat.S_ISREG(os.lstat(full).st_mode) and
             os.path.getsize(full) <= MEMBER_MAX * 8, 'F8',
             '%s is no member' % path)
        return read_file(full)

    def listed(path):
        text = text_of(get(path), 'F11', path)
        found = re.findall(r'[0-9a-f]{64}  ([A-Za-z0-9._/-]+)\n', text)
        need(sum(len(p) + 67 for p in found) == len(text), 'F11', path)
        return iter(found)

    payload = listed('manifest-sha256.txt')
    for path in listed('tagmanifest-sha256.txt'):
        need(not any(c in ('', '.', '..') for c in path.split('/')), 'F7', path)
        data = get(path)
        if path.startswith('log/'):
            for line in data.split(b'\n')[:-1]:
                line = parse_line(line)
                if line.get('type') in ('exhibit', 'part') and 'path' in line:
                    one = next(payload, None)
                    need(one and PAYLOAD.fullmatch(one), 'F19',
                         'more lines than members')
                    yield one, get(one)
        yield path, data
    need(next(payload, None) is None, 'F19', 'a member without a line')
    yield 'tagmanifest-sha256.txt', get('tagmanifest-sha256.txt')
    inner = 'seal/tagmanifest-sha256.txt.minisig'
    yield inner, get(inner)
    for path in STAMPS:
        if os.path.lexists(os.path.join(root, path)):
            yield path, get(path)


def count_files(root):
    count = 0
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            need(stat.S_ISREG(mode) or stat.S_ISDIR(mode), 'F8',
                 '%s is neither file nor folder' % name)
            count += stat.S_ISREG(mode)
    return count


# ---- the verdict ------------------------------------------------------------

class Verifier:
    def __init__(self, found, keys):
        self.found, self.keys = found, keys
        self.stream = None
        self.trusted = False
        self.attest = None         # a list: exhibits are kept in it
        self.identity = None
        self.kept = []

    def holds(self, signature, digest, what):
        """Do our keys of that id say that they made it?"""
        known = [k for k in self.keys if k.id == signature.key_id]
        for key in known:
            if signature.holds(key, digest):
                return True
        need(not known, 'F23', '%s does not hold under the key it names' % what)
        return False

    def signatures(self):
        """Step 1.  The seal and what signs it."""
        found = self.found
        digest = hashlib.blake2b(found.seal).digest()
        outer = None
        if found.signature is not None:
            outer = Signature(found.signature, 'F23', 'the outer signature')
            self.trusted = self.holds(outer, digest, 'the outer signature')
        counters = []
        for name, data in found.counter.items():
            one = Signature(data, 'F23', 'a counter-signature')
            need(key_id_text(one.key_id) == name, 'F23',
                 'a counter-signature of another key id than its name')
            if self.holds(one, digest, 'a counter-signature'):
                self.trusted = True
            counters.append(one)
        for name, data in found.stamp.items():
            need(name in found.counter, 'F24', 'a time stamp of nothing')
            check_stamp(data, found.counter[name])
        seal = Seal(found.seal)
        seal.parse()
        return seal, outer, counters, digest

    def check_outer(self, seal, outer, counters, digest, bag):
        for what, mine, theirs in (
                ('case', seal.case, bag.log.case), ('root', seal.root, bag.root),
                ('log size', seal.log_size, bag.log.tree.size),
                ('log root', seal.log_root, bag.log.tree.root().hex()),
                ('state', seal.state, bag.info['Crashcart-State'])):
            need(mine == theirs, 'F21', '%s of the seal' % what)
        if outer:
            need(outer.untrusted == 'crashcart seal', 'F23',
                 'untrusted comment of the outer seal')
            need(outer.trusted == 'crashcart seal ' + bag.claims(), 'F23',
                 'trusted comment of the outer seal')
            need(outer.key_id == bag.key.id and outer.holds(bag.key, digest),
                 'F23', 'outer and inner seal are of different keys')
        for one in counters:
            need(one.untrusted == 'crashcart counter-signature', 'F23',
                 'untrusted comment of a counter-signature')
            need(one.trusted == 'crashcart counter-signature bundle=%s case=%s '
                 'root=%s' % (bag.name, bag.log.case, bag.root), 'F23',
                 'trusted comment of a counter-signature')

    def run_extracted(self):
        root = self.found.extracted
        try:
            info = read_file(os.path.join(root, 'bag-info.txt'))
            name = re.search(rb'^External-Identifier: (%s)$' % NAME.encode(),
                             info, re.M).group(1).decode()
        except (OSError, AttributeError):
            raise Broken('F12', 'no External-Identifier') from None
        bag = Bag(name)
        bag.attest, bag.kept = self.attest, self.kept
        for path, data in extracted_members(root):
            need(len(data) <= MEMBER_MAX, 'F6', path)
            bag.member(path, data)
        bag.finish()
        need(count_files(root) == bag.members, 'F8', 'other files')
        self.trusted = self.holds(bag.inner, hashlib.blake2b(
            bag.tagmanifest).digest(), 'the inner seal')
        bag.check_stamps()
        if not self.trusted:
            raise CannotTell('no key that you named made the inner seal')
        return 'the extracted bag is as sealed (inner seal only)'

    def run(self):
        if self.found.extracted:
            return self.run_extracted()
        if self.found.seal is None:
            return self.run_unsealed()
        seal, outer, counters, digest = self.signatures()
        bag = self.walk(seal)
        if bag is None:
            self.check_outside(seal, outer, counters)
            raise CannotTell('encrypted: what is inside was not checked')
        if seal.state == 'partial':
            return self.run_partial(seal, outer, counters, digest, bag)
        self.check_outer(seal, outer, counters, digest, bag)
        self.holds(bag.inner, hashlib.blake2b(bag.tagmanifest).digest(),
                   'the inner seal')
        bag.check_stamps()
        if not self.trusted:
            raise CannotTell('no key that you named signed the seal')
        return 'everything holds, signed by a key that you named'

    def run_partial(self, seal, outer, counters, digest, bag):
        """What was closed before the run died: no bag, no inner seal."""
        if not bag.cut:
            raise CannotTell('partial, but the stream is whole')
        need(bag.log.tree.size, 'F26', 'no log part')
        bag.log.all_kept()
        need(seal.case == bag.log.case and
             seal.root == seal.log_root == bag.log.tree.root().hex() and
             seal.log_size == bag.log.tree.size, 'F21', 'the seal')
        key = bag.examiner or bag.session_keys[-1]
        if outer:
            need(outer.key_id == key.id and outer.holds(key, digest), 'F23',
                 'the outer seal is of another key')
        self.check_outside(seal, outer, counters)
        raise CannotTell('sealed as partial')

    @staticmethod
    def check_outside(seal, outer, counters):
        """What the comments must be, as far as the seal says it."""
        names = 'bundle=%s case=%s ' % (seal.name, seal.case)
        if outer:
            need(outer.untrusted == 'crashcart seal' and outer.trusted in (
                'crashcart seal %spurpose=%s root=%s' % (names, p, seal.root)
                for p in ('session', 'examiner')), 'F23',
                'comments of the outer seal')
        for one in counters:
            need(one.untrusted == 'crashcart counter-signature' and
                 one.trusted == 'crashcart counter-signature %sroot=%s' %
                 (names, seal.root), 'F23', 'comments of a counter-signature')

    def walk(self, seal):
        if self.found.segments:
            if seal and seal.state == 'partial':    # F26: a remnant
                del self.found.segments[len(seal.segments):]
            need(seal is None or
                 len(self.found.segments) == len(seal.segments), 'F2',
                 '%d segments' % len(self.found.segments))
            opened = [open(p, 'rb') for p in self.found.segments]
            self.stream = Stream(opened, seal, False, self.identity)
        else:
            self.stream = Stream([sys.stdin.buffer], seal, True, self.identity)
        bag = Bag(seal and seal.name)
        bag.attest, bag.kept = self.attest, self.kept
        first = next(self.stream.plan, b'')
        if self.found.segments:
            need(self.stream.encrypted in (self.found.encrypted, None), 'F25',
                 'encrypted, as the name says or not')
        if self.stream.encrypted and not self.identity:
            for _ in self.stream.plan:
                pass
            return None
        self.stream.buffer = first
        bag.cut = False
        try:
            for path, data, mtime, bag.name in walk(self.stream, bag.name):
                bag.member(path, data, mtime)
        except Truncated:
            if not seal or seal.state != 'partial':
                raise
            bag.cut = True
            return bag
        if not seal or seal.state != 'partial':
            bag.finish()
        return bag

    def run_unsealed(self):
        try:
            self.walk(None)
        except Truncated:
            raise CannotTell('no seal, and the stream is not complete') \
                from None
        raise CannotTell('there is no seal')


def trusted_key(text):
    if os.path.exists(text):
        text = read_file(text).decode()
    lines = text.strip().split('\n')
    return key_from_base64(lines[-1].strip(), 'key', 'the key')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('bundle')
    parser.add_argument('--pubkey', action='append', default=[])
    parser.add_argument('--seal')
    parser.add_argument('--identity')
    parser.add_argument('--head', action='append', default=[])
    parser.add_argument('--json', action='store_true')
    parser.add_argument('--attest', action='store_true')
    options = parser.parse_args()
    verifier, rule, parsed = None, '', 0
    try:
        keys = [trusted_key(k) for k in options.pubkey]
    except (Broken, OSError, UnicodeDecodeError) as e:
        sys.exit('verify_bundle: --pubkey: %s' % e)
    try:
        verifier = Verifier(find(options.bundle, options.seal), keys)
        verifier.attest = [] if options.attest else None
        verifier.identity = options.identity
        verifier.kept = [read_file(h).decode() for h in options.head]
        reason, status = verifier.run(), 0
    except Broken as e:
        reason, rule, status = str(e), e.rule, 4
    except CannotTell as e:
        reason, status = str(e), 5
    except OSError as e:
        sys.exit('verify_bundle: %s' % e)
    if verifier and verifier.stream:
        parsed = verifier.stream.parsed
    verdict = {0: 'valid', 4: 'invalid', 5: 'cannot tell'}[status]
    if options.json and options.attest and status != 4:
        from attest_bundle import as_json
        print(json.dumps({'verdict': verdict, 'reason': reason, 'exit': status,
                          **as_json(verifier.attest)}))
    elif options.json:
        print(json.dumps({'verdict': verdict, 'rule': rule, 'reason': reason,
                          'exit': status, 'bytes_parsed': parsed}))
    else:
        print('%s: %s%s' % (verdict, rule and rule + ': ', reason))
    sys.exit(status)


if __name__ == '__main__':
    main()
