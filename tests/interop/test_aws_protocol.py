#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: timeout=900
"""Our requests and replies against botocore's, for every operation.

Random valid inputs are generated from each operation's input shape and given
to botocore's own client and to ours; method, host, path, query, headers that
matter and body must be the same, from `crashcart call --show-request --batch`
and from the room aws alone (aws_driver.c).  Random replies are generated from each
output shape, written in the service's protocol, and read by both.

PROTOCOL in the environment adds arguments; without --all, a sample of ten
services is compared.

usage: test_aws_protocol.py [--seed N] [--inputs N] [--replies N] [--all]
                            [--read-only]
                            [--driver PROGRAM] [--program CRASHCART]
                            [SERVICE | SERVICE:OPERATION]...
"""
import argparse
import base64
import binascii
import io
import json
import math
import os
import random
import string
import subprocess
import sys
import time
import urllib.parse
import xml.sax.saxutils
from xml.etree import ElementTree

os.environ.update(TZ='UTC', AWS_ACCESS_KEY_ID='AKIDEXAMPLE',
                  AWS_SECRET_ACCESS_KEY='secret', AWS_EC2_METADATA_DISABLED='1',
                  AWS_CONFIG_FILE='/dev/null',
                  AWS_SHARED_CREDENTIALS_FILE='/dev/null')
time.tzset()

import botocore.handlers                                    # noqa: E402
import botocore.session                                     # noqa: E402
from botocore.awsrequest import AWSResponse                 # noqa: E402
from botocore.config import Config                          # noqa: E402
from botocore.model import ServiceModel                     # noqa: E402
from botocore.utils import (is_json_value_header,           # noqa: E402
                            parse_timestamp)
from urllib3 import HTTPHeaderDict                          # noqa: E402

TEN = ['ec2', 'ebs', 'iam', 'sts', 's3', 'cloudtrail', 'kms', 'organizations',
       'lambda', 'ssm']
REGION = 'eu-west-1'
TOKEN = '11111111-2222-4333-8444-555555555555'
PROTOCOLS = ('json', 'rest-json', 'rest-xml', 'query', 'ec2')
# Headers of the transport, of signing, and of the SDK itself.
NOT_OURS = {'user-agent', 'host', 'authorization', 'x-amz-date',
            'x-amz-security-token', 'amz-sdk-invocation-id', 'amz-sdk-request',
            'content-length', 'x-amz-content-sha256', 'expect',
            'accept-encoding', 'x-amz-user-agent', 'content-md5',
            'x-amz-region-set', 'transfer-encoding', 'content-encoding',
            'x-amz-s3session-token', 'x-amz-api-version',
            'x-amz-decoded-content-length'}
# SimpleDB's signature of version 2 is part of the body.
SIGNATURE = {'AWSAccessKeyId', 'Signature', 'SignatureMethod',
             'SignatureVersion', 'Timestamp'}
# What botocore puts into the body of a copy: it signs a second request.
COPY_URL = {'PresignedUrl', 'DestinationRegion', 'PreSignedUrl'}
# botocore would sign these with keys of a session that it must ask for, or
# sends something other than the model says.
SKIP = {'s3:CreateSession'}
# botocore's own members, for a second request that it signs.
NOT_IN_MODEL = {('rds', 'SourceRegion'), ('docdb', 'SourceRegion'),
                ('neptune', 'SourceRegion')}
# Known to differ: glacier wants a tree hash of what is uploaded, which we do
# not make, since we upload nothing there.
KNOWN = {'glacier:UploadArchive', 'glacier:UploadMultipartPart'}


class Stop(Exception):
    """Raised by the client instead of sending."""

    def __init__(self, request):
        super().__init__('stopped')
        self.request = request


class Random:
    """Values for shapes: .json for us, .python for botocore."""

    def __init__(self, rng, service):
        self.rng = rng
        self.service = service

    def text(self, shape, where, name):
        rng = self.rng
        enum = shape.metadata.get('enum')
        if enum and rng.random() < 0.8:
            return rng.choice(enum)
        low = shape.metadata.get('min', 0)
        if shape.serialization.get('hostLabel') or where == 'host':
            return ''.join(rng.choice('abc123') for _ in range(12))
        if where in ('header', 'headers'):
            chars = string.ascii_letters + string.digits + '-_./:+=,"'
        elif rng.random() < 0.5:
            chars = string.ascii_letters + string.digits
        else:
            chars = 'aZ09 -._~!*\'();:@&=+$,/?#[]%<>"\\^`{|}\u00e4\u4e2d' \
                    '\U0001f600'
        n = max(low, rng.choice([0, 1, 3, 8, 20]))
        if where in ('uri', 'header', 'headers', 'key'):
            n = max(n, 1)
        return ''.join(rng.choice(chars) for _ in range(n))

    def bucket(self):
        return self.rng.choice(['bucket-1', 'my.dotted.bucket', 'Upper_case',
                                'a' * 63, 'bucket-2-eu'])

    def value(self, shape, where='', depth=0, name=''):
        """(json, python)"""
        rng = self.rng
        t = shape.type_name
        where = shape.serialization.get('location') or where
        if is_json_value_header(shape):
            v = {'a': [1, 'x']}
            return v, v
        if t == 'structure':
            if shape.is_document_type:
                v = {'k': [1, 2.5, None, True, {'x': 'y'}]}
                return v, v
            return self.structure(shape, where, depth)
        if t == 'list':
            n = rng.choice([0, 1, 2, 3])
            if depth > 6:
                n = 0
            n = max(n, shape.metadata.get('min', 0))
            if where in ('header', 'uri', 'querystring'):
                n = max(n, 1)
            got = [self.value(shape.member, where, depth + 1)
                   for _ in range(n)]
            return [g[0] for g in got], [g[1] for g in got]
        if t == 'map':
            n = rng.choice([0, 1, 2]) if depth < 7 else 0
            n = max(n, shape.metadata.get('min', 0))
            j, p = {}, {}
            for i in range(n):
                if where == 'headers':
                    k = f'k{i}'
                elif where == 'querystring':
                    k = f'key {i}'
                elif shape.key.metadata.get('enum'):
                    k = rng.choice(shape.key.metadata['enum'])
                else:
                    k = self.text(shape.key, 'key', '') + str(i)
                j[k], p[k] = self.value(shape.value, where, depth + 1)
            return j, p
        if t == 'blob':
            n = max(rng.choice([0, 1, 2, 3, 30]), shape.metadata.get('min', 0))
            b = bytes(rng.randrange(256) for _ in range(n))
            return base64.b64encode(b).decode(), b
        if t == 'timestamp':
            s = rng.choice([0, 1, 1420070400, 951782399, 1709210096,
                            rng.randrange(0, 4102444800)])
            v = rng.choice(['iso', 'iso', 'micro', 'number'])
            if v == 'number':
                return s, s
            text = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(s))
            if v == 'micro':
                text += '.%06d' % rng.randrange(1000000)
            return text + 'Z', text + 'Z'
        if t == 'boolean':
            v = rng.random() < 0.5
            return v, v
        if t in ('integer', 'long'):
            low = shape.metadata.get('min', -5)
            v = rng.choice([low, low + 1, max(low, 7), max(low, 1000)])
            if t == 'long' and rng.random() < 0.2:
                v = rng.choice([2**53 + 1, 2**62 + 7])
            return int(v), int(v)
        if t in ('float', 'double'):
            low = shape.metadata.get('min', -3)
            v = rng.choice([low, low + 1, low + 0.5, low + rng.random(),
                            max(low, 1e21), low + 1e-7])
            return v, v
        v = self.text(shape, where, name)
        return v, v

    def structure(self, shape, where='', depth=0):
        rng = self.rng
        members = list(shape.members)
        required = set(shape.metadata.get('required', ()))
        if shape.is_tagged_union:
            chosen = [rng.choice(members)]
        else:
            p = 0.7 if depth < 2 else 0.4 if depth < 5 else 0
            if len(members) > 12:
                p /= 2
            chosen = [m for m in members if m in required or
                      (depth < 12 and rng.random() < p)]
            # a host's label is needed, whatever the model says
            chosen += [m for m in members if m not in chosen and
                       shape.members[m].serialization.get('hostLabel')]
        rng.shuffle(chosen)
        j, p = {}, {}
        for m in chosen:
            s = shape.members[m]
            if depth == 0 and ((self.service, m) in NOT_IN_MODEL or
                               s.serialization.get('eventstream')):
                continue
            j[m], p[m] = self.value(s, '', depth + 1, m)
        return j, p


# ---- requests -------------------------------------------------------------

def xml_tree(e):
    return (e.tag, sorted(e.attrib.items()), (e.text or '').strip('\n') if
            len(e) else (e.text or ''), [xml_tree(c) for c in e])


def norm_body(protocol, body):
    if protocol in ('ec2', 'query'):
        pairs = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)
        return sorted(p for p in pairs if p[0] not in COPY_URL | SIGNATURE)
    if protocol == 'json' or (protocol == 'rest-json' and
                              body.startswith((b'{', b'['))):
        try:
            return ('json', json.loads(body or b'{}'))
        except ValueError:
            return ('bytes', body)
    if protocol == 'rest-xml' and body.startswith(b'<'):
        try:
            return ('xml', xml_tree(ElementTree.fromstring(body)))
        except ElementTree.ParseError:
            return ('bytes', body)
    return ('bytes', body)


def norm_headers(headers):
    out = {}
    for k, v in headers.items():
        k = k.lower()
        if isinstance(v, bytes):
            v = v.decode()
        if k in NOT_OURS:
            continue
        if k == 'x-amz-trailer':        # we know the body: no need of one
            k = 'checksum'
        elif k in ('x-amz-checksum-crc32', 'x-amz-checksum-sha256'):
            k, v = 'checksum', k
        out[k] = v
    return out


def query_of(url):
    return sorted(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query,
                                         keep_blank_values=True))


def dechunk(body):
    out = b''
    while True:
        size, _, body = body.partition(b'\r\n')
        n = int(size.split(b';')[0], 16)
        if n == 0:
            return out
        out += body[:n]
        body = body[n + 2:]


def compare_request(protocol, theirs, ours, host):
    """Differences as text, or None."""
    body = theirs.body
    if body is None:
        body = b''
    if hasattr(body, 'read'):
        theirs.body = body = body.read()        # it can be read once
    if isinstance(body, str):
        body = body.encode()
    if 'aws-chunked' in str(theirs.headers.get('Content-Encoding', '')):
        body = dechunk(body)
    th = norm_headers(dict(theirs.headers))
    oh = norm_headers(ours['headers'])
    turl = urllib.parse.urlsplit(theirs.url)
    ourl = urllib.parse.urlsplit(ours['url'])
    oh_body = base64.b64decode(ours['body_base64'])
    for k, v in ours['headers'].items():
        if k == 'x-amz-checksum-crc32':
            crc = base64.b64encode(binascii.crc32(oh_body).to_bytes(4, 'big'))
            if v != crc.decode():
                return f'{k}: {v}, want {crc.decode()}'
    tests = [
        ('method', theirs.method, ours['method']),
        ('host', turl.netloc, ourl.netloc.replace('host.example', host)),
        ('path', turl.path or '/', ourl.path),
        ('query', query_of(theirs.url), query_of(ours['url'])),
        ('headers', th, oh),
        ('body', norm_body(protocol, body), norm_body(protocol, oh_body)),
    ]
    for what, a, b in tests:
        if a != b:
            return f'{what}\n  botocore  {a!r}\n  crashcart {b!r}'
    return None


# ---- replies --------------------------------------------------------------

class Writer:
    """Replies as a server writes them."""

    def __init__(self, rng, protocol):
        self.rng = rng
        self.protocol = protocol

    def time(self, value, fmt):
        t = value if isinstance(value, (int, float)) else \
            parse_timestamp(value).timestamp()
        if fmt == 'unixtimestamp':
            return int(t) if float(t).is_integer() else round(t, 3)
        if fmt == 'rfc822':
            return time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(t))
        text = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(t))
        ms = int(round((t - math.floor(t)) * 1000)) % 1000
        return text + ('.%03dZ' % ms if ms else 'Z')

    # -- JSON

    def json(self, shape, v):
        t = shape.type_name
        if t == 'structure':
            if shape.is_document_type:
                return v
            out = {}
            for k, x in v.items():
                s = shape.members[k]
                if s.serialization.get('location') and \
                        self.protocol == 'rest-json':
                    continue
                out[s.serialization.get('name', k)] = self.json(s, x)
            if not shape.is_tagged_union and self.rng.random() < 0.2:
                out['unknownMember'] = {'x': [1]}
            if self.rng.random() < 0.1:
                missing = [m for m in shape.members if m not in v and not
                           shape.members[m].serialization.get('location')]
                if missing:
                    m = shape.members[missing[0]]
                    out[m.serialization.get('name', missing[0])] = None
            return out
        if t == 'list':
            return [self.json(shape.member, x) for x in v]
        if t == 'map':
            return {k: self.json(shape.value, x) for k, x in v.items()}
        if t == 'timestamp':
            return self.time(v, shape.serialization.get(
                'timestampFormat', 'unixtimestamp').lower())
        return v

    # -- XML

    def scalar(self, shape, v):
        t = shape.type_name
        if t == 'boolean':
            return 'true' if v else 'false'
        if t == 'timestamp':
            return str(self.time(v, shape.serialization.get(
                'timestampFormat', 'iso8601').lower()))
        if t in ('float', 'double'):
            return repr(float(v))
        return str(v)

    @staticmethod
    def clean(s):
        return ''.join(c for c in s if c >= ' ')

    def element(self, name, shape, v):
        t = shape.type_name
        flat = shape.serialization.get('flattened')
        if t == 'list':
            element = shape.member.serialization.get('name')
            if flat:
                return ''.join(self.element(element or name, shape.member, x)
                               for x in v)
            inner = ''.join(self.element(element or 'member', shape.member, x)
                            for x in v)
            return f'<{name}>{inner}</{name}>'
        if t == 'map':
            k = shape.key.serialization.get('name', 'key')
            w = shape.value.serialization.get('name', 'value')
            entries = [self.element(k, shape.key, self.clean(a)) +
                       self.element(w, shape.value, b) for a, b in v.items()]
            if flat:
                return ''.join(f'<{name}>{e}</{name}>' for e in entries)
            inner = ''.join(f'<entry>{e}</entry>' for e in entries)
            return f'<{name}>{inner}</{name}>'
        if t == 'structure':
            attrs = ''
            for m, x in v.items():
                s = shape.members[m]
                if s.serialization.get('xmlAttribute'):
                    attrs += ' %s=%s' % (s.serialization['name'],
                                         xml.sax.saxutils.quoteattr(str(x)))
            ns = shape.serialization.get('xmlNamespace')
            if attrs and isinstance(ns, dict) and ns.get('prefix'):
                attrs = f' xmlns:{ns["prefix"]}="{ns["uri"]}"' + attrs
            return f'<{name}{attrs}>{self.members(shape, v)}</{name}>'
        text = xml.sax.saxutils.escape(self.scalar(shape, v))
        if text == '' and self.rng.random() < 0.5:
            return f'<{name}/>'
        return f'<{name}>{text}</{name}>'

    def members(self, shape, v):
        out = []
        for m, x in v.items():
            s = shape.members[m]
            if s.serialization.get('location') in ('header', 'headers',
                                                    'statusCode') or \
                    s.serialization.get('xmlAttribute'):
                continue
            name = s.serialization.get('name', m)
            out.append(self.element(name, s, x))
        if not shape.is_tagged_union and self.rng.random() < 0.2:
            out.append('<unknownMember><x>1</x></unknownMember>')
        return ('\n' if self.rng.random() < 0.5 else '').join(out)

    # -- whole replies

    def header(self, shape, v):
        if shape.type_name == 'timestamp':
            return str(self.time(v, shape.serialization.get(
                'timestampFormat', 'rfc822').lower()))
        if is_json_value_header(shape):
            return base64.b64encode(json.dumps(v).encode()).decode()
        if shape.type_name == 'list':
            return ', '.join(self.header(shape.member, x) for x in v)
        return self.scalar(shape, v)

    def reply(self, op, v):
        """(status, headers, body)"""
        shape = op.output_shape
        headers = {'x-amzn-RequestId': 'req-1'}
        status = 200
        p = self.protocol
        if shape is None:
            body = {'query': '<R xmlns="http://x/"><ResponseMetadata>'
                    '<RequestId>r</RequestId></ResponseMetadata></R>',
                    'ec2': '<R xmlns="http://x/"><requestId>r</requestId></R>'}
            return status, headers, body.get(p, '').encode()
        if p == 'json':
            return status, headers, json.dumps(self.json(shape, v)).encode()
        if p in ('query', 'ec2'):
            wrapper = shape.serialization.get('resultWrapper')
            inner = self.members(shape, v)
            if wrapper:
                inner = f'<{wrapper}>{inner}</{wrapper}>'
            tail = '<requestId>r</requestId>' if p == 'ec2' else \
                '<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>'
            root = op.name + 'Response'
            return status, headers, (
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                f'<{root} xmlns="http://ec2.amazonaws.com/doc/x/">'
                f'{inner}{tail}</{root}>').encode()
        for m, s in shape.members.items():
            if m not in v:
                continue
            loc = s.serialization.get('location')
            name = s.serialization.get('name', m)
            if loc == 'header':
                headers[name] = self.header(s, v[m])
            elif loc == 'headers':
                for k, x in v[m].items():
                    headers[name + k] = str(x)
        payload = shape.serialization.get('payload')
        if payload:
            s = shape.members[payload]
            if payload not in v:
                return status, headers, b''
            if s.type_name == 'string':
                return status, headers, v[payload].encode()
            if s.type_name == 'blob':
                return status, headers, base64.b64decode(v[payload])
            if p == 'rest-json':
                return status, headers, json.dumps(self.json(s, v[payload])
                                                   ).encode()
            return status, headers, self.element(
                s.serialization.get('name', payload), s, v[payload]).encode()
        if p == 'rest-json':
            return status, headers, json.dumps(self.json(shape, v)).encode()
        inner = self.members(shape, v)
        root = shape.serialization.get('name', op.name + 'Result')
        return status, headers, f'<{root} xmlns="http://s3/">{inner}</{root}>' \
            .encode()


# ---- the run --------------------------------------------------------------

class Driver:
    def __init__(self, *command):
        self.command = command
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)

    def ask(self, **line):
        self.p.stdin.write(json.dumps(line).encode() + b'\n')
        self.p.stdin.flush()
        out = self.p.stdout.readline()
        if not out:
            sys.exit(f'{self.command[0]} died of {json.dumps(line)[:2000]}')
        return json.loads(out)

    def close(self):
        self.p.stdin.close()
        if self.p.wait() != 0:
            sys.exit(f'{self.command[0]} ended with status '
                     f'{self.p.returncode}')


def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        if isinstance(a, bool) or isinstance(b, bool):
            return a is b
        if isinstance(a, str) or isinstance(b, str):
            return str(a) == str(b)
        return a == b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def first_difference(a, b, path=''):
    if isinstance(a, dict) and isinstance(b, dict):
        for k in list(a) + [k for k in b if k not in a]:
            if k not in a or k not in b:
                return f'{path}.{k}: only in ' + \
                    ('botocore' if k in a else 'crashcart')
            d = first_difference(a[k], b[k], f'{path}.{k}')
            if d:
                return d
        return None
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            d = first_difference(x, y, f'{path}[{i}]')
            if d:
                return d
        return None
    return None if same(a, b) else f'{path}: {a!r} / {b!r}'


class Fake:
    """Stands between the client and the network."""

    def __init__(self):
        self.reply = None
        self.request = None
        self.op = self.host = None

    def __call__(self, request, **kwargs):
        target = request.headers.get('X-Amz-Target', '')
        if '.DescribeEndpoints' in str(target) and \
                self.op != 'DescribeEndpoints':
            # Timestream is asked for its host first: the one it has
            return self.answer(request, 200, {}, json.dumps(
                {'Endpoints': [{'Address': self.host,
                                'CachePeriodInMinutes': 60}]}).encode())
        self.request = request
        if self.reply is None:
            raise Stop(request)
        return self.answer(request, *self.reply)

    @staticmethod
    def answer(request, status, headers, body):
        raw = io.BytesIO(body)
        raw.stream = lambda *a, **k: iter([body])
        raw.headers = headers
        return AWSResponse(request.url, status,
                           HTTPHeaderDict(headers), raw)


def choose_protocol(meta):
    declared = meta.get('protocols') or [meta['protocol']]
    return next((p for p in PROTOCOLS if p in declared), None)


def make_client(session, name, fake):
    client = session.create_client(name, region_name=REGION, config=Config(
        retries={'max_attempts': 0}, parameter_validation=True,
        request_checksum_calculation='when_required',
        response_checksum_validation='when_required',
        s3={'us_east_1_regional_endpoint': 'regional'},
        account_id_endpoint_mode='disabled'))
    client.meta.events.register('before-send', fake)
    return client


def method_of(client, op):
    for py, api in client.meta.method_to_api_mapping.items():
        if api == op:
            return getattr(client, py, None)    # some it takes away again
    return None


def run_service(name, ops, args, driver, program, rng, counts, report):
    session = botocore.session.Session()
    session.get_component('response_parser_factory').set_parser_defaults(
        timestamp_parser=lambda v: parse_timestamp(v).isoformat(),
        blob_parser=lambda v: v)
    fake = Fake()
    # what we speak, where botocore would speak CBOR
    meta = session.get_service_model(name).metadata
    protocol = choose_protocol(meta)
    if protocol is None:
        counts['mute'].append(name)
        return
    ServiceModel.resolved_protocol = property(
        lambda self: choose_protocol(self.metadata))
    client = make_client(session, name, fake)
    model = client.meta.service_model
    gen = Random(rng, name)
    for op_name in model.operation_names:
        call = f'{name}:{op_name}'
        if ops and op_name not in ops or call in SKIP:
            continue
        if args.read_only and driver.ask(
                call=call, **{'class': True}).get('class') not in (
                    'read', 'secret'):
            continue
        op = model.operation_model(op_name)
        method = method_of(client, op_name)
        if method is None or op.has_event_stream_input:
            counts['skipped'] += 1
            continue
        ep = driver.ask(call=call, region=REGION, flags=0)
        host = ep.get('host', '?')
        fake.op, fake.host = op_name, host
        counts['operations'] += 1
        for i in range(max(args.inputs, args.replies)):
            j, p = {}, {}
            if op.input_shape is not None:
                j, p = gen.structure(op.input_shape)
                if name == 's3' and op_name.startswith('ListObject'):
                    # asked for by the caller, botocore would not undo it
                    j.pop('EncodingType', None)
                    p.pop('EncodingType', None)
                for k in ('spaceId', 'OutpostId'):      # names of hosts
                    if k in j:
                        j[k] = p[k] = f'op-{gen.rng.randrange(10**6)}'
                if name == 's3' and 'Bucket' in j:
                    j['Bucket'] = p['Bucket'] = gen.bucket()
                if 'ChecksumAlgorithm' in j and \
                        j['ChecksumAlgorithm'] not in ('CRC32', 'SHA256'):
                    j['ChecksumAlgorithm'] = p['ChecksumAlgorithm'] = 'SHA256'
                if name == 's3':
                    for k in [k for k in j if 'Checksum' in k and
                              k != 'ChecksumAlgorithm']:
                        del j[k], p[k]
            fake.reply = None
            try:
                method(**p)
                theirs = fake.request
            except Stop as e:
                theirs = e.request
            except Exception as e:                  # botocore says no
                counts['refused'] += 1
                if counts['refused'] < 10:
                    print(f'{call}: botocore refused: {str(e)[:200]}')
                continue
            if i < args.inputs:
                ours = driver.ask(call=call, input=j, token=TOKEN,
                                  region=REGION)
                counts['requests'] += 1
                if 'must be there and not empty' in ours.get('failed', ''):
                    counts['refused'] += 1      # "/" of route53: we are right
                    continue
                if 'failed' in ours:
                    report(call, 'request', ours['failed'], j)
                else:
                    d = compare_request(protocol, theirs, ours, host)
                    if d:
                        report(call, 'request', d, j)
                if program:
                    for m in op.idempotent_members:
                        j.setdefault(m, TOKEN)
                    ours = program.ask(call=call, input=j, region=REGION)
                    d = ours.get('error') or compare_request(
                        protocol, theirs, ours, host)
                    if d:
                        report(call, 'crashcart call', d, j)
            if i < args.replies:
                one_reply(call, op, protocol, method, p, fake, gen, driver,
                          counts, report)


def one_reply(call, op, protocol, method, p, fake, gen, driver, counts,
              report):
    shape = op.output_shape
    if shape is not None and op.has_event_stream_output:
        return
    v = gen.structure(shape)[0] if shape is not None else {}
    if call == 'ec2:GetConsoleOutput' and 'Output' in v:
        v['Output'] = base64.b64encode(v['Output'].encode()).decode()
    if protocol in ('query', 'ec2', 'rest-xml'):
        v = tidy(shape, v) if shape is not None else v
    status, headers, body = Writer(gen.rng, protocol).reply(op, v)
    fake.reply = (status, headers, body)
    try:
        theirs = method(**p)
    except Exception as e:
        counts['refused'] += 1
        if counts['refused'] < 10:
            print(f'{call}: botocore refused the reply: {str(e)[:200]}')
        return
    theirs.pop('ResponseMetadata', None)
    for k in [k for k, x in theirs.items() if hasattr(x, 'read')]:
        del theirs[k]
    try:
        theirs = json.loads(json.dumps(theirs))
    except TypeError:       # it lost its way: a bare element of XML
        counts['refused'] += 1
        print(f'{call}: botocore read {str(theirs)[:300]}')
        return
    ours = driver.ask(call=call, reply={
        'status': status, 'headers': headers,
        'body_base64': base64.b64encode(body).decode()})
    counts['replies'] += 1
    if 'view' not in ours:
        report(call, 'reply', str(ours), body)
    elif not same(theirs, ours['view']):
        report(call, 'reply', first_difference(theirs, ours['view']), body)


def tidy(shape, v):
    """Replies that botocore reads without losing its way: a flattened list
    that is empty is not there, and maps need their values."""
    if shape.type_name == 'structure':
        out = {}
        for k, x in v.items():
            s = shape.members[k]
            if s.serialization.get('flattened') and not x:
                continue
            out[k] = tidy(s, x)
        return out
    if shape.type_name == 'list':
        return [tidy(shape.member, x) for x in v]
    if shape.type_name == 'map':
        return {k: tidy(shape.value, x) for k, x in v.items()}
    return v


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--seed', type=int,
                    default=int.from_bytes(os.urandom(4), 'big'))
    ap.add_argument('--inputs', type=int, default=5)
    ap.add_argument('--replies', type=int, default=2)
    ap.add_argument('--all', action='store_true')
    ap.add_argument('--read-only', action='store_true')
    ap.add_argument('--driver')
    ap.add_argument('--program', default=os.environ.get('CRASHCART'))
    ap.add_argument('what', nargs='*')
    # the long form of `make soak`
    args = ap.parse_args(sys.argv[1:] + os.environ.get('PROTOCOL', '').split())
    print(f'seed {args.seed}')
    botocore.handlers.uuid.uuid4 = lambda: TOKEN
    driver = Driver(args.driver or os.path.join(os.environ['DRIVERS'],
                                                'aws_driver'))
    program = args.program and Driver(args.program, 'call', '--show-request',
                                      '--batch', '--region', REGION)
    services = {}
    for w in args.what:
        s, _, o = w.partition(':')
        services.setdefault(s, set())
        if o:
            services[s].add(o)
    if not services:
        names = botocore.session.Session().get_available_services() \
            if args.all else TEN
        services = {s: set() for s in names}
    counts = {'operations': 0, 'requests': 0, 'replies': 0, 'refused': 0,
              'skipped': 0, 'mute': []}
    failures, known = [], set()

    def report(call, what, text, data):
        if call in KNOWN:
            known.add(call)
            return
        failures.append(call)
        if len(failures) <= 40:
            print(f'FAIL {call} {what}: {text}')
            if isinstance(data, bytes):
                print(f'  body {data[:600]!r}')
            else:
                print(f'  input {json.dumps(data)[:600]}')

    for name, ops in services.items():
        # one generator a service, so that one can be run again alone
        rng = random.Random(f'{args.seed} {name}')
        run_service(name, ops, args, driver, program, rng, counts, report)
    driver.close()
    if program:
        program.close()
    kind = 'read-only operations' if args.read_only else 'operations'
    print(f'{counts["operations"]} {kind} of {len(services)} services, '
          f'{counts["requests"]} requests, {counts["replies"]} replies '
          f'compared; {counts["refused"]} refused by botocore; '
          f'{counts["skipped"]} not callable there; '
          f'no protocol of ours: {" ".join(counts["mute"]) or "none"}; '
          f'{len(known)} operations known to differ; '
          f'{len(failures)} differences in {len(set(failures))} operations')
    print(' '.join(sorted(set(failures))[:100]))
    sys.exit(1 if failures else 0)


main()
