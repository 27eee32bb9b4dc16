#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instance identity documents inside bundles that a hostile signer sealed: the
real one is valid, what was tampered with is named at its exhibit, by
`crashcart verify` and by the verifier in Python; the bundle stays valid."""
import base64
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import make_bundle                          # noqa: E402

WRONG = []
PATH = '/latest/dynamic/instance-identity/'


class Bundle(make_bundle.Maker):
    """files: [(instance of the step, name, bytes)], name below PATH or whole;
    accounts: of a call each"""

    def __init__(self, files, accounts=()):
        super().__init__(1)
        self.files, self.number, self.accounts = files, 0, accounts

    def groups(self):
        self.session()
        for n, account in enumerate(self.accounts):
            self.log('call', 'who', id='c%d' % n, instance='who@-/-#1',
                     service='sts', operation='GetCallerIdentity',
                     account=account, region='us-west-2', url='https://x',
                     status=200, attempts=1, started='2026-09-21T13:33:21Z',
                     duration_ms=8, bytes=9)
        for instance, name, data in self.files:
            self.number += 1
            e = 'e%06d' % self.number
            where = name if name[0] == '/' else PATH + name
            path, data = self.add('data/%s-imds-%s' % (
                e, os.path.basename(name)), data)
            self.log('exhibit', 'imds', exhibit=e, instance=instance,
                     name='imds:' + where, media='text/plain',
                     size=len(data), sha256=make_bundle.sha(data), path=path,
                     origin={'imds': where, 'address': '127.0.0.1'},
                     repeatable=True, state='whole')
        self.end_part()
        self.log('end', outcome='gaps', exhibits=self.number, calls=len(self.accounts),
                 gaps=0, changes=0, bytes=self.payload_bytes(),
                 usage={'cpu_ms': 5, 'peak_rss_bytes': 1000})
        self.end_part()


def verify(command):
    p = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    v = json.loads(p.stdout)
    return p.returncode, v


def findings(v):
    return sorted((a['verdict'], a.get('exhibit', ''))
                  for a in v['attestations'] if not a.get('summary'))


def case(what, files, want, text='', accounts=(), never='NOT THE SAME'):
    """want: {verdict: number of documents}"""
    want = {'valid': 0, 'invalid': 0, 'cannot-tell': 0, **want}
    with tempfile.TemporaryDirectory() as top:
        maker = Bundle(files, accounts)
        for name, data in maker.make().items():
            with open(os.path.join(top, name), 'wb') as out:
                out.write(data)
        key = ['--pubkey', maker.keys()[0]]
        status, ours = verify([os.environ['CRASHCART'], 'verify', top, '--json',
                               *key])
        peer, theirs = verify([sys.executable,
                               os.path.join(HERE, 'verify_bundle.py'), top,
                               '--json', '--attest', *key])
        said = json.dumps([a['text'] for a in ours['attestations']])
    if (status, peer) != (0, 0) or ours['attested'] != want or \
            theirs.get('attested') != want or text not in said or \
            (never and never in said) or \
            findings(ours) != findings(theirs):
        WRONG.append(what)
        print('WRONG: %s: %s %s, %s %s, want %s; %s' % (
            what, status, ours['attested'], peer, theirs.get('attested'), want,
            said), theirs)


def openssl(*args, **more):
    return subprocess.run(('openssl',) + args, check=True, capture_output=True,
                          **more).stdout


def main():
    with open(os.path.join(HERE, 'identity', 'us-west-2.pem'), 'rb') as f:
        pem = f.read()
    signature = pem[pem.index(b'\n', pem.index(b'BEGIN')) + 1:
                    pem.index(b'-----END')].strip()
    der = base64.b64decode(signature)
    at = der.index(b'{\n')
    document = der[at:der.index(b'\n}', at) + 2]
    i = 'imds@-/-#1'
    real = [(i, 'document', document), (i, 'rsa2048', signature)]
    case('the real one', real, {'valid': 1}, 'it can be replayed')
    said = json.loads(document)
    for name, path, key in (('instance', 'instance-id', 'instanceId'),
                            ('region', 'placement/region', 'region')):
        meta = '/latest/meta-data/' + path
        case('the same ' + name, real + [(i, meta, said[key].encode())],
             {'valid': 1}, accounts=(said['accountId'], '1' * 12))
        case('another ' + name, real + [(i, meta, b'i-other')], {'valid': 1},
             'NOT THE SAME: it names %s %s, the metadata service named i-other'
             % (name, said[key]), never=None)
        case('of another run', real + [('imds@-/-#2', meta, b'i-other')],
             {'valid': 1})
    case('another account', real, {'valid': 1}, 'NOT THE SAME: it names account '
         '%s, the calls of this collection were made in %s and others' % (
             said['accountId'], '1' * 12), ('1' * 12, '2' * 12), None)
    for path in ('instance-id', 'placement/region'):
        case('a long ' + path, real + [
            (i, '/latest/meta-data/' + path, b'i' * 65)], {'valid': 1},
             'could not be compared: what the metadata service')
    case('a long account', real, {'valid': 1},
         'the account could not be compared', ('1' * 16, '2' * 12))
    case('order of the exhibits', real[::-1], {'valid': 1})
    case('the first of a name counts', real + [
        (i, 'document', b'{"region":"us-west-2"}')], {'valid': 1})
    case('one byte of the document', [(i, 'document', document.replace(
        b'medium', b'mediun'))] + real[1:], {'invalid': 1},
        'what was signed is not this document')
    case('white space', [(i, 'document', document + b'\n')] + real[1:],
         {'invalid': 1})
    bad = bytearray(der)
    bad[-20] ^= 1
    case('one byte of the signature', real[:1] + [
        (i, 'rsa2048', base64.b64encode(bad))], {'invalid': 1})
    case("another region's certificate", [(i, 'document', document.replace(
        b'us-west-2"', b'us-east-2"'))] + real[1:], {'invalid': 1})
    case('a region that nobody knows', [(i, 'document', document.replace(
        b'us-west-2"', b'xx-west-2"'))] + real[1:], {'cannot-tell': 1})
    case('no signature', real[:1], {'cannot-tell': 1})
    case('no document', real[1:], {'cannot-tell': 1})
    case('not JSON', [(i, 'document', b'x')] + real[1:], {'invalid': 1})
    case('of another instance', [real[0], ('imds@-/-#2',) + real[1][1:]],
         {'cannot-tell': 2})
    with tempfile.TemporaryDirectory() as top:
        openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'k',
                '-out', 'c', '-days', '9', '-subj', '/C=US/ST=Washington State/'
                'L=Seattle/O=Amazon Web Services LLC', cwd=top)
        forged = base64.b64encode(openssl(
            'smime', '-sign', '-binary', '-nodetach', '-signer', 'c', '-inkey',
            'k', '-outform', 'DER', cwd=top, input=document))
    case('a forged signer, its certificate embedded', [
        real[0], (i, 'rsa2048', forged)], {'invalid': 1}, 'another signer')
    case('two, one forged', [(j, n, forged if n == 'rsa2048' and j != i else d)
                             for j in (i, 'imds@-/-#2') for _, n, d in real],
         {'valid': 1, 'invalid': 1})
    print(json.dumps({'wrong': len(WRONG)}))
    return 1 if WRONG else 0


if __name__ == '__main__':
    sys.exit(main())
