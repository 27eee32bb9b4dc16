#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# run-tests: timeout=1800
"""verify.html in Chromium, opened as a file, without a network: the same
verdict and the same rule as the program on right, damaged and hostile bundles;
exhibits that are saved are what was sealed; nothing of a bundle becomes markup.

usage: test_page.py [NAME-OF-BREAK]...
SEED=N chooses the sample; PAGE_ALL=1 takes every break and every form;
PAGE_BIG=N checks a bundle of N GiB, made in PAGE_BIG_DIR, in bounded memory;
PICTURES=DIR keeps pictures of the page.
"""
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get('TOP') or os.path.join(HERE, '..', '..')
sys.path[:0] = [HERE, os.path.join(TOP, 'tests', 'lib')]
sys.dont_write_bytecode = True

import make_bundle                      # noqa: E402
import verify_bundle as peer            # noqa: E402
from breaks import BREAKS               # noqa: E402
from browser import Browser             # noqa: E402

PROGRAM = os.environ.get('CRASHCART_VERIFY') or os.path.join(
    os.path.dirname(os.environ['CRASHCART']), 'crashcart-verify')
SEED = int(os.environ.get('SEED') or random.SystemRandom().randrange(10 ** 6))
ALL = bool(os.environ.get('PAGE_ALL'))
SAMPLE = 40
PAGE = 'verify.html'
FAILED = []
JUDGED = [0]


def wrong(what, *more):
    FAILED.append(what)
    print('WRONG: %s:' % what, *more)


def need(what, condition, *more):
    if not condition:
        wrong(what, *more)


def write(folder, files):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name, data in files.items():
        with open(os.path.join(folder, name), 'wb') as out:
            out.write(data)


def paths(folder):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder))


# ---- the two judges ---------------------------------------------------------

def program(folder, keys):
    command = [PROGRAM, 'verify', folder, '--json']
    for key in keys:
        command += ['--pubkey', key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit('%s: %s' % (command, done.stderr))
    return json.loads(done.stdout)


CHECK = '''(async (keys) => {
    const byId = (id) => document.getElementById(id);
    const until = async (done) => {
        while (!done()) await new Promise((ok) => setTimeout(ok, 2)); };
    byId('keys').value = keys;
    byId('keys').dispatchEvent(new Event('input'));
    await until(() => !byId('check').disabled);
    byId('check').click();
    await until(() => byId('verdict').dataset.verdict);
    const record = byId('record');
    return record ? record.textContent : JSON.stringify(
        { verdict: 'none', reason: byId('verdict').textContent });
})(%s)'''


def ours(page, folder, keys):
    """What the page says: its record, as a person sees it."""
    page.run('document.getElementById("clear").click()')
    page.choose('#files', paths(folder))
    JUDGED[0] += 1
    return json.loads(page.run(CHECK % json.dumps('\n'.join(keys))))


SAME = ('verdict', 'rule', 'bundle', 'case', 'state', 'root', 'bytes_intact',
        'signer', 'signer_trusted', 'countersigner')


def agree(page, what, folder, keys, rule=None):
    """Both say the same; rule: which, '' for a verdict that names none."""
    want, got = program(folder, keys), ours(page, folder, keys)
    names = SAME[:2] if want['verdict'] == 'invalid' or not want['root'] \
        else SAME
    need(what, all(want[n] == got.get(n) for n in names), want, got)
    if rule is not None:
        need(what, got.get('rule') == (rule or None), rule, got)
    return got


def right_bundles(page, folder):
    forms = range(16) if ALL else random.Random(SEED).sample(range(16), 3)
    for bits in forms:
        options = {'examiner': bool(bits & 1), 'resumed': bool(bits & 2),
                   'counter': bool(bits & 4), 'stamp': bool(bits & 8)}
        maker = make_bundle.Maker(SEED, **options)
        write(folder, maker.make())
        stranger = make_bundle.Maker(SEED + 1).keys()
        for keys in (maker.keys(), maker.keys()[-1:], [], stranger[:1]):
            agree(page, 'right %s, %d keys' % (options, len(keys)), folder,
                  keys, '')


def broken_bundles(page, folder):
    # what is encrypted, and heads that were kept, have tests of their own
    names = sys.argv[1:] or sorted(
        n for n, one in BREAKS.items() if not one.head and not one.keys and
        not one.options.get('encrypted'))
    if not ALL and not sys.argv[1:]:
        rng, every = random.Random(SEED), names
        by_rule = {}
        for name in names:
            by_rule.setdefault(BREAKS[name].rule, []).append(name)
        names = [rng.choice(some) for some in by_rule.values()]
        names += rng.sample(sorted(set(every) - set(names)), SAMPLE)
    for name in names:
        one = BREAKS[name]
        maker = make_bundle.Maker(SEED, hooks=one.hooks(), **one.options)
        write(folder, maker.make())
        agree(page, 'break ' + name, folder, maker.keys()[:1], one.rule)


def damaged_bundles(page, folder):
    """A byte of any file changed, a file cut or longer, nothing sealed anew."""
    rng = random.Random(SEED)
    maker = make_bundle.Maker(SEED, counter=True, examiner=True)
    files = maker.make()
    for name in sorted(files) * (10 if ALL else 2):
        at = rng.randrange(len(files[name]))
        data = bytearray(files[name])
        data[at] ^= 1 << rng.randrange(8)
        for what, new in (('changed at %d' % at, bytes(data)),
                          ('cut to %d' % at, files[name][:at]),
                          ('longer', files[name] + b'\0')):
            write(folder, dict(files, **{name: new}))
            got = agree(page, '%s %s' % (name, what), folder, maker.keys()[:1])
            # nobody can check a counter-signature whose key was not named
            need('%s %s' % (name, what), got['verdict'] != 'valid' or
                 (name.count('.') == 3 and what != 'longer'), got)


# ---- what a hostile bundle shows --------------------------------------------

EVIL = ('<img src=x onerror="document.title=1">', '</pre><script>1</script>',
        'invoice\u202egpj.exe', 'a\u2028b', '"><svg/onload=1>', '&lt;b&gt;')


def hostile_names(page, folder, pictures):
    def line(one):
        evil = EVIL[one['n'] % len(EVIL)]
        if one['type'] == 'exhibit':
            one['name'] = one['name'] + evil
            one['origin'] = {evil: evil}
            one['media'] = evil
        elif one['type'] == 'gap':
            one['what'] = one['detail'] = evil
        elif one['type'] == 'file' and 'path' in one:
            one['path'] += evil
        elif one['type'] == 'session':
            one['operator'] = one['authority'] = EVIL[0]
            one['host']['hostname'] = EVIL[2]
        return one

    maker = make_bundle.Maker(SEED, hooks={'line': line})
    write(folder, maker.make())
    agree(page, 'hostile names', folder, maker.keys(), '')
    browse(page, folder, maker)
    need('markup', page.run('document.querySelectorAll("main img, main svg, '
                            'main script, main iframe").length') == 0)
    text = page.run('document.querySelector("main").textContent')
    need('names', EVIL[0] in text and EVIL[1] in text, text)
    need('direction', '<U+202E>' in text and '\u202e' not in text)
    if pictures:
        for width in (1280, 375):
            page.size(width, 900)
            page.picture(os.path.join(pictures, 'page-%d.png' % width))
    for width in (375, 1280):
        found = page.too_wide(width)
        need('too wide at %d' % width, found == [], found)


CLICK = '''(async (where, text) => {
    const until = async (done) => {
        for (let i = 0; !done(); i++) {
            if (i > 5000) throw new Error('no end: ' + text);
            await new Promise((ok) => setTimeout(ok, 2)); } };
    [...document.querySelectorAll(where)].find((e) =>
        e.textContent === text).click();
    const status = () => document.querySelector('#exhibit [role=status]');
    await until(() => !status() || !/\\.\\.\\.$/.test(status().textContent));
    return status() && status().textContent;
})(%s, %s)'''


def click(page, where, text):
    return page.run(CLICK % (json.dumps(where), json.dumps(text)))


def saved(page, folder, before):
    """The bytes of the file that appeared in the folder of downloads."""
    found = []

    def done():
        found[:] = [n for n in set(os.listdir(folder)) - before
                    if not n.endswith('.crdownload') and not n.startswith('.')]
        return bool(found)
    page.until(done, 'a download', 30)
    path = os.path.join(folder, found[0])
    size = -1
    while os.path.getsize(path) != size:
        size = os.path.getsize(path)
        time.sleep(0.05)
    with open(path, 'rb') as source:
        return found[0], source.read()


def browse(page, folder, maker):
    """Every exhibit and every file of the set, saved, has its SHA-256."""
    downloads = tempfile.mkdtemp(dir=os.path.dirname(folder))
    page.downloads(downloads)
    lines = [json.loads(x) for path, data in maker.members
             if path.startswith('log/') for x in data.splitlines()]
    for line in lines:
        if line['type'] != 'exhibit':
            continue
        before = set(os.listdir(downloads))
        click(page, '#exhibits td button', line['exhibit'])
        if 'files' in line:
            told = click(page, '#exhibit button', 'List its files')
            need('files', told == '%d found.' % line['files'], told)
            told = click(page, '#exhibit td button', 'Save')
            name, data = saved(page, downloads, before)
            want = next(x for x in lines if x['type'] == 'file')['sha256']
        else:
            click(page, '#exhibit button', 'Show')
            told = click(page, '#exhibit button', 'Save')
            name, data = saved(page, downloads, before)
            want = line['sha256']
        need('saved name', re.fullmatch(r'[A-Za-z0-9_-][A-Za-z0-9._-]*', name),
             name)
        need('saved ' + line['exhibit'],
             hashlib.sha256(data).hexdigest() == want and want in told, told)


def changed_under_hand(page, folder):
    """What is saved is compared again: the file may have changed."""
    maker = make_bundle.Maker(SEED)
    write(folder, maker.make())
    agree(page, 'before', folder, maker.keys(), '')
    path = os.path.join(folder, maker.name + '.tar')
    with open(path, 'rb') as source:
        data = source.read().replace(b'111122223333', b'111122223334')
    with open(path, 'wb') as out:
        out.write(data)
    click(page, '#exhibits td button', 'e000001')
    told = click(page, '#exhibit button', 'Save')
    need('a bundle that changed', 'Not possible' in told, told)


def other_stamps(page, folder):
    """Time stamps by keys and digests other than make_bundle.py's."""
    for kind, option, digest, ess in (
            ('rsa', 'rsa_keygen_bits:2048', 'sha256', 'sha256'),
            ('ec', 'ec_paramgen_curve:P-384', 'sha384', 'sha1'),
            ('rsa', 'rsa_keygen_bits:3072', 'sha512', 'sha512')):
        with tempfile.TemporaryDirectory() as top:
            def openssl(*args, top=top):
                return subprocess.run(['openssl', *args], check=True, cwd=top,
                                      capture_output=True).stdout

            def stamp(old, maker_data, openssl=openssl, top=top):
                del old
                with open(os.path.join(top, 'data'), 'wb') as out:
                    out.write(maker_data)
                openssl('ts', '-query', '-data', 'data', '-sha384', '-cert',
                        '-out', 'q')
                return openssl('ts', '-reply', '-queryfile', 'q', '-config',
                               'cnf', '-section', 'ts', '-inkey', 'key',
                               '-signer', 'cert')
            with open(os.path.join(top, 'cnf'), 'w',
                      encoding='utf-8') as out:
                out.write('[req]\ndistinguished_name=dn\n[dn]\n[e]\n'
                          'extendedKeyUsage=critical,timeStamping\n[ts]\n'
                          'serial=serial\ndefault_policy=1.2.3.4\n'
                          'digests=sha384\nsigner_digest=%s\n'
                          'ess_cert_id_alg=%s\n' % (digest, ess))
            with open(os.path.join(top, 'serial'), 'w') as out:
                out.write('0A\n')
            openssl('req', '-x509', '-newkey', kind, '-pkeyopt', option,
                    '-nodes', '-keyout', 'key', '-out', 'cert', '-days', '30',
                    '-subj', '/CN=Another Authority', '-config', 'cnf',
                    '-extensions', 'e')
            maker = make_bundle.Maker(SEED, stamp=True)
            maker.hooks = {'stamp': lambda old, m=maker: stamp(
                old, m.members[-2][1])}
            write(folder, maker.make())
            got = agree(page, 'stamp %s %s' % (option, digest), folder,
                        maker.keys(), '')
            need('its name', 'CN=Another Authority' in
                 got['timestamps'][0]['by'], got)


# ---- encrypted and partial bundles ------------------------------------------

def encrypted(page, top):
    """From outside: what can be said without the identity that opens it."""
    rng = random.Random(SEED)
    bundle, folder = os.path.join(top, 'age'), os.path.join(top, 'age2')
    tree = os.path.join(top, 'tree')
    write(tree, {'a': b'secret', 'b': os.urandom(17 << 20)})
    with open('age.json', 'w', encoding='utf-8') as out:
        json.dump({'crashcart': 1, 'name': 'age', 'title': 'age', 'steps': [
            {'id': 'f', 'do': 'host.files', 'with': {
                'paths': [tree + '/**']}}]}, out)
    recipient = re.search('age1[a-z0-9]+', cart('keygen', '--age', os.path.join(
        top, 'escrow'))).group()
    done = cart('collect', './age.json', '--case', 'AGE', '--out', bundle,
                '--json', '--segment', '8M', '--encrypt-to', recipient)
    keys = [json.loads(done.splitlines()[-1])['key']]
    names = sorted(os.listdir(bundle))
    need('segments', len([n for n in names if n.endswith('.age')]) > 2, names)

    def judge(what, edit, rule=''):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(bundle, folder, copy_function=os.link)
        edit()
        got = agree(page, 'encrypted, ' + what, folder, keys, rule)
        need('encrypted', got['verdict'] != 'valid' and (
            rule != '' or got['verdict'] == 'cannot-tell'), got)

    def path(name):
        return os.path.join(folder, name)
    judge('right', lambda: None)
    text = page.run('document.getElementById("verdict").textContent')
    need('words', 'The bundle is encrypted.' in text, text[:300])
    need('its limits', all(words in text for words in (
        'every one of the encrypted bytes', 'The seal says: complete',
        'All that is inside', 'crashcart verify --identity')), text[:3000])
    need('no count of what it did not see', 'Exhibits0' not in text and
         'Lines of the log' not in text, text[:3000])
    stranger = make_bundle.Maker(SEED + 1).keys()
    need('not checked', agree(page, 'encrypted, no key', bundle, stranger[:1],
                              '')['bytes_intact'] is None)
    judge('no seal', lambda: (os.unlink(path('AGE-b01.seal')),
                              os.unlink(path('AGE-b01.seal.minisig'))))
    judge('no signature', lambda: os.unlink(path('AGE-b01.seal.minisig')))
    judge('segment gone', lambda: os.unlink(path('AGE-b01.tar.002.age')), 'F2')
    judge('segments swapped', lambda: swap(
        path('AGE-b01.tar.age'), path('AGE-b01.tar.002.age')), None)
    judge('a plain name', lambda: [os.rename(path(n), path(n[:-4]))
                                   for n in names if n.endswith('.age')], 'F25')
    for name in names:
        judge('flipped ' + name, lambda name=name: edited(path(name),
                                                          flip(rng)), None)
    # without a seal nothing but the form of the header is looked at
    for rule, old, new in (
            ('F25', b'age-encryption.org/v1', b'age-encryption.org/v2'),
            ('F25', b'-> X25519 ', b'-> X25519  '),
            ('F25', b'\n--- ', b'\n---  '), ('F25', b'\n-> X', b'\n> X')):
        judge('header %s' % new, lambda old=old, new=new: (
            os.unlink(path('AGE-b01.seal')),
            edited(path('AGE-b01.tar.002.age'), lambda d: d.replace(
                old, new, 1))), rule)


class PartialMaker(make_bundle.Maker):
    """Sealed as far as the first log part goes, and a remnant behind it."""

    def __init__(self, seal=lambda text: text, cut=700, **options):
        super().__init__(SEED, hooks={'stream': self.cut_short,
                                      'seal': self.say_partial,
                                      'comment': self.rename}, **options)
        self.extra, self.edit = cut, seal

    def cut_short(self, stream):
        at = 0
        for path, data in self.members:
            at += 512 + (len(data) + 511) // 512 * 512
            if path == 'log/000001.jsonl':
                tree = make_bundle.Merkle()
                for line in data.splitlines():
                    tree.add(line)
                self.size, self.log_root = len(tree.leaves), tree.root().hex()
                break
        return stream[:at + self.extra]

    def say_partial(self, text):
        text = re.sub('state [a-z]+\nroot .*\nlog .*', 'state partial\nroot '
                      '%s\nlog %d %s' % (self.log_root, self.size,
                                         self.log_root), text)
        return self.edit(text)

    def rename(self, which, both):
        return which, (both[0], both[1] if which == 'inner' else
                       both[1][:-64] + self.log_root)


def partial(page, folder):
    def judge(what, rule='', **options):
        maker = PartialMaker(**options)
        write(folder, maker.make())
        agree(page, 'partial, ' + what, folder, maker.keys(), rule)
    judge('right')
    judge('examiner', examiner=True)
    judge('nothing behind', cut=0)
    judge('no log part', 'F26', cut=-512)
    judge('another root', 'F21', seal=lambda t: re.sub(
        'root .*', 'root ' + '0' * 64, t))
    judge('another size', 'F21', seal=lambda t: re.sub('log [0-9]+', 'log 1', t))
    judge('complete', 'F3', seal=lambda t: t.replace('partial', 'complete'))
    judge('another case', 'F21', counter=True, seal=lambda t: t.replace(
        'case IR', 'case ir'))


# ---- hand-overs and proofs --------------------------------------------------

def cart(*args, status=(0,)):
    done = subprocess.run([os.environ['CRASHCART'], *args], text=True,
                          capture_output=True, check=False)
    if done.returncode not in status:
        raise SystemExit('%s: %d: %s' % (args, done.returncode, done.stderr))
    return done.stdout


def edited(path, edit):
    with open(path, 'rb') as source:
        data = source.read()
    os.unlink(path)         # it may be linked to the right one
    with open(path, 'wb') as out:
        out.write(edit(data))


def flip(rng):
    def edit(data):
        at = rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + \
            data[at + 1:]
    return edit


def swap(a, b):
    os.rename(a, a + '~')
    os.rename(b, a)
    os.rename(a + '~', b)


class Custody:
    """A bundle, handed over from A to B."""

    def __init__(self, page, top):
        self.page, self.top = page, top
        self.maker = make_bundle.Maker(SEED)
        self.bundle = os.path.join(top, 'handed')
        self.folder = os.path.join(top, 'again')
        write(self.bundle, self.maker.make())
        self.keys = self.maker.keys()
        for name in 'abm':
            cart('keygen', '-W', os.path.join(top, name))
            with open(os.path.join(top, name + '.pub'),
                      encoding='utf-8') as pub:
                self.keys.append(pub.read().split('\n')[1])
        self.keys.pop()     # nobody trusts M
        self.add('release', '--by', 'A', '--to', 'B <b>', key='a')
        self.add('receive', '--by', 'B <b>', '--from', 'A', '--storage',
                 EVIL[0], key='b')
        self.add('note', '--by', 'B <b>', '--text', 'opened', key='b')
        self.last = json.loads(cart('custody', 'show', self.bundle, '--json',
                                    status=(5,)).splitlines()[-1])['head']

    def add(self, event, *args, key, bundle=None):
        cart('custody', event, bundle or self.bundle, *args, '--key',
             os.path.join(self.top, key + '.key'), '-P', self.keys[0])

    def entry(self, name):
        return os.path.join(self.folder, self.maker.name + '.custody', name)

    def judge(self, what, edit, verdict, rule=None, kept='', keys=None):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.bundle, self.folder)
        edit()
        keys = self.keys if keys is None else keys
        command = ['custody', 'show', self.folder, '--json']
        for key in keys:
            command += ['-P', key]
        if kept:
            command += ['--head', kept]
        want = json.loads(cart(*command, status=(0, 4, 5)).splitlines()[-1])
        self.page.run('document.getElementById("clear").click()')
        self.page.choose('#folder', [self.folder])
        self.page.run('document.getElementById("kept").value = %s' %
                      json.dumps(kept))
        JUDGED[0] += 1
        got = json.loads(self.page.run(CHECK % json.dumps('\n'.join(keys))))
        got = got.get('custody') or {}
        need('custody ' + what, got.get('verdict') == want['verdict'] and
             (verdict is None or verdict == got.get('verdict')) and
             (rule is None or rule == got.get('rule')), want, got)
        if want['verdict'] != 'invalid':
            need('head ' + what, got['head'] == want['head'] and
                 got['entries'] == want['entries'], want, got)


def custody(page, top):
    one = Custody(page, top)
    path, rng = one.entry, random.Random(SEED)

    def gone(*names):
        for name in names:
            os.unlink(path(name))

    def both(n):
        return '%06d.json' % n, '%06d.json.minisig' % n
    one.judge('right', lambda: None, 'valid')
    text = page.run('document.getElementById("custody-verdict").textContent')
    need('entries shown', EVIL[0] in text and 'B <b>' in text, text)
    one.judge('kept', lambda: None, 'valid', kept=one.last)
    one.judge('no keys', lambda: None, 'cannot-tell', keys=[])
    one.judge('end cut', lambda: gone(*both(3)), 'valid')
    one.judge('end cut, kept', lambda: gone(*both(3)), 'invalid', 'C2',
              one.last)
    one.judge('middle gone', lambda: gone(*both(2)), 'invalid', 'C1')
    one.judge('signature gone', lambda: gone(both(3)[1]), 'invalid', 'C4')
    one.judge('foreign file', lambda: edited(path('000001.json'), lambda d: (
        open(path('x.txt'), 'wb').close(), d)[1]), 'invalid', 'C1')
    one.judge('reordered', lambda: [swap(path(a), path(b)) for a, b in
                                    zip(both(2), both(3))], 'invalid', 'C1')
    one.judge('rewritten', lambda: edited(path('000002.json'), lambda d:
              d.replace(b'received', b'refused!')), 'invalid', 'C4')
    one.judge('first rewritten', lambda: edited(
        path('000001.json'), lambda d: d + b' '), 'invalid', 'C4')
    one.judge('another bundle', lambda: edited(
        path('000001.json'), lambda d: d.replace(
            one.maker.root.encode(), b'0' * 64)), 'invalid', 'C3')
    one.judge('received by M', lambda: (gone(*both(2), *both(3)), one.add(
        'receive', '--by', 'B <b>', '--from', 'A', key='m',
        bundle=one.folder)), 'cannot-tell')
    for name in both(1) + both(2) + both(3):
        for _ in range(30 if ALL else 2):
            one.judge('flipped ' + name, lambda name=name: edited(
                path(name), flip(rng)), None)


def proofs(page, top):
    bundle, proof = os.path.join(top, 'whole'), os.path.join(top, 'proof')
    maker, rng = make_bundle.Maker(SEED), random.Random(SEED)
    write(bundle, maker.make())
    keys = maker.keys()

    def judge(what, edit, rule=None, keys=keys):
        shutil.rmtree(proof, ignore_errors=True)
        shutil.copytree(proof + '.kept', proof)
        edit()
        command = ['prove', '--check', proof, '--json']
        for key in keys:
            command += ['-P', key]
        want = json.loads(cart(*command, status=(0, 4, 5)))
        got = ours(page, proof, keys)
        need('proof ' + what, got['verdict'] == want['verdict'] and
             (rule is None or rule == got['rule']), want, got)
        return got
    for exhibit in (['e000001'], ['e000002'], ['e000003', '--path',
                                               '/etc/hostname']):
        shutil.rmtree(proof + '.kept', ignore_errors=True)
        cart('prove', bundle, *exhibit, '--out', proof + '.kept', '-P',
             keys[0])
        got = judge('right', lambda: None)
        need('proof', got['verdict'] == 'valid' and
             got['exhibit'] == exhibit[0], got)
        judge('no key', lambda: None, keys=[])
        for name, rule in (('content', 'P4'), ('line.json', 'P3'),
                           ('tagmanifest-sha256.txt', 'P1'),
                           ('line.tlog-proof', None),
                           ('tagmanifest-sha256.txt.minisig', None)):
            for _ in range(30 if ALL else 2):
                judge('flipped ' + name, lambda name=name: edited(
                    os.path.join(proof, name), flip(rng)), rule)
        judge('another checkpoint', lambda: edited(
            os.path.join(proof, 'line.tlog-proof'), lambda d: d + b'\n'), 'P2')


# ---- the page itself --------------------------------------------------------

def tables():
    """The page's tables of log lines and those of the Python verifier."""
    with open(os.path.join(TOP, 'collector', 'page', 'types.js'),
              encoding='utf-8') as source:
        text = source.read()

    def table(name):
        body = re.search(r'export const %s = \{\n(.*?)\n\};' % name, text,
                         re.S).group(1)
        return {key: ''.join(re.findall("'([^']*)'", rest)) for key, rest in
                re.findall(r"^\t'([a-z ]+[a-z_]*)': (.*(?:\n\t\t.*)*)", body,
                           re.M)}
    need('TYPES of types.js', table('TYPES') == peer.TYPES, table('TYPES'))
    need('WORDS of types.js', table('WORDS') ==
         {'%s %s' % k: v for k, v in peer.ENUMS.items()}, table('WORDS'))


def policy(browser):
    """What a script that got in by some way could not do."""
    page = browser.page(PAGE)
    said = page.run('''fetch('https://example.com/').then(() => 'sent',
        () => 'refused')''')
    need('network', said == 'refused', said)
    said = page.run('''new Promise((ok) => {
        const s = document.createElement('style');
        s.textContent = 'body { display: none }';
        document.addEventListener('securitypolicyviolation', (e) =>
            ok(e.effectiveDirective));
        document.head.append(s); setTimeout(() => ok('nothing'), 2000);
    })''')
    need('foreign style', 'style-src' in said, said)
    said = page.run('''(() => { try { document.body.innerHTML = '<b>';
        return 'taken'; } catch (e) { return e.name; } })()''')
    need('markup from text', said == 'TypeError', said)
    need('requests', all(u.startswith('file:') for u in page.requests),
         page.requests)
    page.close()


def keyboard(browser, folder):
    page = browser.page(PAGE)
    maker = make_bundle.Maker(SEED)
    write(folder, maker.make())
    page.choose('#files', paths(folder))
    page.run('document.getElementById("files").focus()')
    seen = []
    for _ in range(20):
        seen.append(page.run('document.activeElement.id'))
        if seen[-1] == 'keys':
            page.call('Input.insertText', text=maker.keys()[0])
        if seen[-1] == 'check':
            break
        page.key('Tab', 9)
    need('Tab reaches key and button', 'keys' in seen and
         seen[-1] == 'check', seen)
    page.key('Enter', 13, '\r')
    page.until(lambda: page.run('document.activeElement.id') == 'headline',
               'the verdict by keyboard', 20)
    need('verdict by keyboard', page.run('document.getElementById("headline")'
                                         '.textContent') == 'Valid.')
    need('keyboard', not page.complaints, page.complaints)
    page.close()


def no_native(browser, folder):
    """A browser that keeps crypto.subtle from files."""
    page = browser.page('/dev/null')
    page.call('Page.addScriptToEvaluateOnNewDocument',
              source='delete Crypto.prototype.subtle;')
    page.loaded = 0
    page.open(PAGE)
    need('notice', not page.run('document.getElementById("slow").hidden'))
    maker = make_bundle.Maker(SEED)
    write(folder, maker.make())
    got = agree(page, 'without crypto.subtle', folder, maker.keys(), '')
    need('who hashed', got['sha256_by'] == 'page', got)
    page.close()


def no_seal(page, folder):
    maker = make_bundle.Maker(SEED)
    files = maker.make()
    for keep in (['.tar', '.tar.002'], ['.tar', '.tar.002', '.seal']):
        write(folder, {n: d for n, d in files.items()
                       if n[len(maker.name):] in keep})
        agree(page, 'only %s' % keep, folder, maker.keys(), '')
    write(folder, {maker.name + '.tar': files[maker.name + '.tar'][:9000]})
    agree(page, 'cut, without a seal', folder, maker.keys(), '')


# ---- a big one --------------------------------------------------------------

def memory_mib(pid):
    """The most memory that any process below this one ever had."""
    most = 0
    parents = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open('/proc/%s/status' % name) as status:
                    text = status.read()
            except OSError:
                continue
            peak = re.search(r'VmHWM:\s+(\d+)', text)
            parents[int(name)] = (int(re.search(r'PPid:\s+(\d+)', text)
                                      .group(1)), int(peak.group(1))
                                  if peak else 0)

    def is_below(one):
        while one in parents:
            if one == pid:
                return True
            one = parents[one][0]
        return False
    for one, (_, peak) in parents.items():
        if is_below(one):
            most = max(most, peak // 1024)
    return most


def big_bundle(browser, gib):
    folder = tempfile.mkdtemp(prefix='cart-big.',
                              dir=os.environ.get('PAGE_BIG_DIR', '/dev/shm'))
    try:
        tree = os.path.join(folder, 'tree')
        os.mkdir(tree)
        piece = os.urandom(16 << 20)
        for number in range(gib * 2):
            with open('%s/%d.bin' % (tree, number), 'wb') as out:
                for at in range(32):    # no two pieces alike
                    out.write(b'%08d%08d' % (number, at) + piece[16:])
        with open('big.json', 'w', encoding='utf-8') as out:
            json.dump({'crashcart': 1, 'name': 'big', 'title': 'big', 'steps': [
                {'id': 'files', 'do': 'host.files', 'with': {
                    'paths': [tree + '/**'], 'max_total_size': '99G',
                    'max_file_size': '9G'}}]}, out)
        done = subprocess.run(
            [os.environ['CRASHCART'], 'collect', './big.json', '--case', 'BIG',
             '--out', folder, '--json', '--segment', '1500M'],
            capture_output=True, text=True, check=False)
        key = json.loads(done.stdout.splitlines()[-1])['key']
        shutil.rmtree(tree)
        size = sum(os.path.getsize(p) for p in paths(folder))
        need('big', size > gib << 30, size, done.stderr[-300:])
        page = browser.page(PAGE)
        empty = memory_mib(browser.process.pid)
        start = time.monotonic()
        got = ours(page, folder, [key])
        took = time.monotonic() - start
        most = memory_mib(browser.process.pid)
        need('big', got['verdict'] == 'valid', got)
        need('memory', most - empty < 400, most, empty)
        print('%.2f GiB: %.1f s, %.0f MiB/s; a process had at most %d MiB '
              '(%d before)' % (size / 2 ** 30, took, size / took / 2 ** 20,
                               most, empty))
        need('big page', not page.complaints, page.complaints)
        page.close()
    finally:
        shutil.rmtree(folder)


def main():
    print('seed %d' % SEED)
    pictures = os.environ.get('PICTURES')
    subprocess.run([os.path.join(TOP, 'scripts', 'make-page'), PAGE],
                   check=True)
    subprocess.run([os.path.join(TOP, 'scripts', 'make-page'), 'again.html'],
                   check=True)
    with open(PAGE, 'rb') as one, open('again.html', 'rb') as two:
        need('the same page twice', one.read() == two.read())
    tables()
    with tempfile.TemporaryDirectory() as top, Browser() as browser:
        folder = os.path.join(top, 'b')
        page = browser.page(PAGE)
        need('secure', page.run('isSecureContext && Boolean(crypto.subtle)'))
        if not sys.argv[1:]:
            right_bundles(page, folder)
            damaged_bundles(page, folder)
            no_seal(page, folder)
            changed_under_hand(page, folder)
            other_stamps(page, folder)
            hostile_names(page, folder, pictures)
            encrypted(page, top)
            partial(page, folder)
            custody(page, top)
            proofs(page, top)
        broken_bundles(page, folder)
        need('console', not page.complaints, page.complaints[:3])
        need('requests', all(u.startswith(('file:', 'blob:'))
                             for u in page.requests), page.requests)
        page.close()
        if not sys.argv[1:]:
            policy(browser)
            keyboard(browser, folder)
            no_native(browser, folder)
        if os.environ.get('PAGE_BIG'):
            big_bundle(browser, int(os.environ['PAGE_BIG']))
    print(json.dumps({'bundles': JUDGED[0], 'wrong': len(FAILED)}))
    return 1 if FAILED else 0


if __name__ == '__main__':
    sys.exit(main())
