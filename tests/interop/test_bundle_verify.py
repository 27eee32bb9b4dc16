#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two verifiers, one in C and one in Python, both from FORMAT.md, must agree:
on right bundles of every form, and on bundles of which one thing is wrong
(breaks.py), where both must name the rule.

usage: test_bundle_verify.py [NAME-OF-BREAK]...
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import make_bundle                      # noqa: E402
import verify_bundle as peer            # noqa: E402
from breaks import (BREAKS, OTHER_IDENTITY, RIGHT,  # noqa: E402
                    long_payload)

DRIVER = os.path.join(os.environ['DRIVERS'], 'bundle_read_driver')
SEED = int(os.environ.get('SEED', '1'))
FAILED = []


def list_path_of_120(bag):
    path = bag + '/manifest-sha256.txt'
    shutil.copy(path, bag + '.x')
    with open(path, 'r+') as out:
        text = out.read()
        out.seek(0)
        out.write('0' * 64 + '  data/' + 'a' * 115 + '\n' + text)


# What makes an extracted bag wrong, and puts it right again.
BAG_CHANGES = (
    ('extra file', lambda p: open(p + '/x', 'w').close(),
     lambda p: os.unlink(p + '/x')),
    ('extra payload', lambda p: open(p + '/data/x', 'w').close(),
     lambda p: os.unlink(p + '/data/x')),
    ('link', lambda p: os.symlink('bagit.txt', p + '/x'),
     lambda p: os.unlink(p + '/x')),
    ('file as link', lambda p: (
        os.rename(p + '/plan.json', p + '.x'),
        os.symlink(p + '.x', p + '/plan.json')),
     lambda p: os.rename(p + '.x', p + '/plan.json')),
    ('folder as link', lambda p: (
        os.rename(p + '/data', p + '.d'),
        os.symlink(p + '.d', p + '/data')),
     lambda p: (os.unlink(p + '/data'),
                os.rename(p + '.d', p + '/data'))),
    ('missing', lambda p: os.rename(p + '/plan.json', p + '.x'),
     lambda p: os.rename(p + '.x', p + '/plan.json')),
    ('tag file of 16 MiB and more', lambda p: (
        shutil.copy(p + '/VERIFY.txt', p + '.x'),
        os.truncate(p + '/VERIFY.txt', 16777217)),
     lambda p: os.rename(p + '.x', p + '/VERIFY.txt')),
    ('list with a path of 120 bytes', list_path_of_120,
     lambda p: os.rename(p + '.x', p + '/manifest-sha256.txt')),
    ('link below', lambda p: os.symlink('x', p + '/data/x'),
     lambda p: os.unlink(p + '/data/x')),
    *((name + ' missing', lambda p, n=name: os.rename(p + n, p + '.x'),
       lambda p, n=name: os.rename(p + '.x', p + n))
      for name in ('/manifest-sha256.txt', '/tagmanifest-sha256.txt',
                   '/bag-info.txt')),
    ('changed', lambda p: os.truncate(
        p + '/data/e000001-caller.json', 3), None))


def ours(path, keys, seal=None, stdin=None, more=()):
    """(exit status, rule, bytes parsed, reason)"""
    command = [DRIVER, 'verify', *more]
    for key in keys:
        command += ['-k', key]
    if seal:
        command += ['-s', seal]
    done = subprocess.run(command + [path], stdin=stdin, text=True,
                          capture_output=True, check=False)
    words = done.stdout.split(' ', 3)
    if len(words) < 4:
        return done.returncode, '', 0, done.stderr
    return (int(words[0]), words[1].replace('-', ''), int(words[2]),
            words[3].strip())


def theirs(path, keys, identity=None, kept=()):
    verifier, rule, status, reason = None, '', 0, ''
    try:
        verifier = peer.Verifier(peer.find(path, None),
                                 [peer.trusted_key(k) for k in keys])
        verifier.identity, verifier.kept = identity, list(kept)
        reason = verifier.run()
    except peer.Broken as e:
        rule, status, reason = e.rule, 4, str(e)
    except peer.CannotTell as e:
        status, reason = 5, str(e)
    parsed = verifier.stream.parsed if verifier and verifier.stream else 0
    return status, rule, parsed, reason


def write(folder, files):
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for name, data in files.items():
        with open(os.path.join(folder, name), 'wb') as out:
            out.write(data)


def wrong(what, *more):
    FAILED.append(what)
    print('WRONG: %s:' % what, *more)


def expect(what, status, got, peer_got, rule=None):
    if got[0] != status or peer_got[0] != status:
        wrong(what, 'want %d, C says %s, Python says %s' %
              (status, got, peer_got))
    elif rule is not None and (got[1] != rule or peer_got[1] != rule):
        wrong(what, 'want %s, C says %s, Python says %s' %
              (rule, got, peer_got))


def right_bundle(folder, options):
    maker = make_bundle.Maker(SEED, **options)
    write(folder, maker.make())
    keys = maker.keys()
    what = 'right bundle %s' % options
    trusted = 0
    expect(what, trusted, ours(folder, keys[:1]), theirs(folder, keys[:1]))
    expect(what + ', no key', 5, ours(folder, []), theirs(folder, []))
    stranger = [make_bundle.Maker(SEED + 1).keys()[0]]
    expect(what + ', other key', 5, ours(folder, stranger),
           theirs(folder, stranger))
    if len(keys) > 1:
        expect(what + ', counter-signer', trusted, ours(folder, keys[1:]),
               theirs(folder, keys[1:]))
    tar = os.path.join(folder, maker.name + '.tar')
    for path in (tar, tar[:-4] + '.seal'):
        expect(what + ', ' + path[-5:], trusted, ours(path, keys),
               theirs(path, keys))
    piped(what, folder, maker, keys, trusted)
    extracted(what, folder, maker, keys, trusted)


def piped(what, folder, maker, keys, status):
    """Joined on a pipe; with one bit flipped in the second chunk."""
    seal = os.path.join(folder, maker.name + '.seal')
    joined = b''
    for name in (maker.name + '.tar', maker.name + '.tar.002'):
        with open(os.path.join(folder, name), 'rb') as segment:
            first = len(joined)
            joined += segment.read()
    for data, want in ((joined, status), (joined[:-1], 4), (joined + b'\0', 4),
                       (joined[:-9] + b'!' + joined[-8:], 4)):
        with tempfile.TemporaryFile() as pipe:
            pipe.write(data)
            pipe.seek(0)
            got = ours('-', keys, seal, pipe)
        if got[0] != want:
            wrong(what + ', pipe of %d bytes' % len(data), got)
        if data[-9:-8] == b'!' and got[2] != first:
            wrong(what + ', pipe', 'parsed %d, not %d' % (got[2], first))


def extracted(what, folder, maker, keys, status):
    bag = folder + '.bag'
    tar = folder + '.joined'
    shutil.rmtree(bag, ignore_errors=True)
    os.mkdir(bag)
    with open(tar, 'wb') as out:
        for name in (maker.name + '.tar', maker.name + '.tar.002'):
            with open(os.path.join(folder, name), 'rb') as segment:
                out.write(segment.read())
    subprocess.run(['tar', '-xf', tar, '-C', bag], check=True)
    lists = [subprocess.run([tool, '-tf', tar], capture_output=True,
                            check=True).stdout for tool in ('tar', 'bsdtar')]
    if lists[0] != lists[1]:
        wrong(what, 'tar and bsdtar list different members')
    bag = os.path.join(bag, maker.name)
    what += ', extracted'
    bagit = subprocess.run([sys.executable, '-m', 'bagit', '--validate', bag],
                           capture_output=True, text=True, check=False)
    if bagit.returncode:
        wrong(what, 'bagit: %s' % bagit.stderr)
    expect(what, status, ours(bag, keys), theirs(bag, keys))
    expect(what + ', no key', 5, ours(bag, []), theirs(bag, []))
    for name, change, back in BAG_CHANGES:
        change(bag)
        expect(what + ', ' + name, 4, ours(bag, keys), theirs(bag, keys))
        if back:
            back(bag)


def broken_seal(folder, name, maker, more):
    """The same bytes under the seal of the bundle as it was."""
    one = BREAKS[name]
    right = make_bundle.Maker(SEED, **dict(one.options, partial=None))
    files = right.make()
    for path in os.listdir(folder):
        if '.seal' not in path and path in files:
            with open(os.path.join(folder, path), 'rb') as data:
                files[path] = data.read()
    if files == right.files:
        return
    shutil.rmtree(folder)
    write(folder, files)
    got = ours(folder, maker.keys(), more=more)
    if got[0] != 4 or got[1] not in ('F2', 'F22', 'F25', 'F27'):
        wrong('break %s, its seal broken' % name, got)


def broken_bundle(folder, name):
    one = BREAKS[name]
    maker = make_bundle.Maker(SEED, hooks=one.hooks(), **one.options)
    write(folder, maker.make())
    status = 4 if one.rule else 5
    more, identity, kept = [], None, []
    if maker.encrypted:
        identity = folder + '.identity'
        with open(identity, 'w') as out:
            out.write(make_bundle.IDENTITY + '\n')
        more += ['-i', identity]
    if one.head:
        kept = [one.head(maker)]
        with open(folder + '.head', 'w') as out:
            out.write(kept[0])
        more += ['-h', folder + '.head']
    sets = [one.keys(maker)] if one.keys else [maker.keys(), maker.keys()[:1]]
    for keys in sets:
        expect('break %s' % name, status, ours(folder, keys, more=more),
               theirs(folder, keys, identity, kept), one.rule)
    if maker.encrypted:                 # what both see from outside
        got, want = ours(folder, maker.keys()), theirs(folder, maker.keys())
        if got[:2] != want[:2]:
            wrong('break %s, no identity' % name, got, want)
    got = ours(folder, [], more=more)
    if got[0] not in (status, 5) or (one.rule not in ('F23', '') and
                                     got[0] != status):
        wrong('break %s, no key' % name, got)
    broken_seal(folder, name, maker, more)


def right_more(folder):
    """Encrypted; with a head that the reader kept: valid."""
    identity = folder + '.identity'
    with open(identity, 'w') as out:
        out.write(make_bundle.IDENTITY + '\n')
    for options in ({'encrypted': True}, {'encrypted': True, 'resumed': True,
                                          'examiner': True}):
        maker = make_bundle.Maker(SEED, **options)
        write(folder, maker.make())
        expect('right %s' % options, 0,
               ours(folder, maker.keys(), more=['-i', identity]),
               theirs(folder, maker.keys(), identity))
        expect('right %s, no identity' % options, 5,
               ours(folder, maker.keys()), theirs(folder, maker.keys()))
        with open(folder + '.other', 'w') as out:
            out.write(OTHER_IDENTITY + '\n')
        got = ours(folder, maker.keys(), more=['-i', folder + '.other'])
        if got[0] != 1 or '--identity' not in got[3]:
            wrong('right %s, other identity' % options, got)
    for name, one in RIGHT.items():
        maker = make_bundle.Maker(SEED, hooks=one.hooks(), **one.options)
        write(folder, maker.make())
        expect('right ' + name, 0,
               ours(folder, maker.keys(), more=['-i', identity]),
               theirs(folder, maker.keys(), identity))
    maker = make_bundle.Maker(SEED, encrypted=True,
                              hooks={'member': long_payload})
    write(folder, maker.make())
    expect('right, of many blocks', 0,
           ours(folder, maker.keys(), more=['-i', identity]),
           theirs(folder, maker.keys(), identity))
    maker = make_bundle.Maker(SEED)
    write(folder, maker.make())
    for size in (1, 6, len(maker.tree.leaves)):
        kept = maker.kept(size)
        with open(folder + '.head', 'w') as out:
            out.write(kept)
        expect('a head of %d lines that was kept' % size, 0,
               ours(folder, maker.keys(), more=['-h', folder + '.head']),
               theirs(folder, maker.keys(), None, [kept]))


def every_rule():
    """Each rule of FORMAT.md about the bundle has a bundle that breaks it."""
    with open(os.path.join(HERE, '../../collector/bundle/FORMAT.md')) as text:
        rules = set(re.findall(r'\*\*(F[0-9]+)\*\*', text.read()))
    left = sorted(rules - {one.rule for one in BREAKS.values()})
    if not rules or left:
        wrong('no bundle breaks', left)


def main():
    names = sys.argv[1:] or sorted(BREAKS)
    print('seed %d' % SEED)
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, 'b')
        if not sys.argv[1:]:
            every_rule()
            right_more(folder)
            for bits in range(16):
                right_bundle(folder, {
                    'examiner': bool(bits & 1), 'resumed': bool(bits & 2),
                    'counter': bool(bits & 4), 'stamp': bool(bits & 8)})
        for name in names:
            broken_bundle(folder, name)
    print(json.dumps({'breaks': len(names), 'wrong': len(FAILED)}))
    return 1 if FAILED else 0


if __name__ == '__main__':
    sys.exit(main())
