# SPDX-License-Identifier: Apache-2.0
"""All bundles of breaks.py and changed bags as files, and what is said of each:
corpus.txt, against which test_corpus.py compares and verify_mutants.py, too.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import make_bundle                      # noqa: E402
from breaks import BREAKS, OTHER_IDENTITY, RIGHT   # noqa: E402
from test_bundle_verify import BAG_CHANGES      # noqa: E402


def write(folder, files):
    os.makedirs(folder)
    for name, data in files.items():
        with open(os.path.join(folder, name), 'wb') as out:
            out.write(data)


def make(top):
    """[(name, arguments, bundle)], written into a new folder.  A name with a *
    is of one with time stamps, whose lengths are never the same."""
    plain, heads, outside, stamped = [], [], [], set()
    os.mkdir(top)
    identity = os.path.join(top, 'identity')
    with open(identity, 'w') as out:
        out.write(make_bundle.IDENTITY + '\n')
    # one seed: the same keys in each
    keys = make_bundle.Maker(1, examiner=True, counter=True)
    keys = [k.bare for k in (keys.sessions[0], keys.examiner, keys.counter)]
    # the key of the other session, which a resumed one seals with
    keys.append(make_bundle.Maker(1, resumed=True).second.bare)
    common = [x for k in keys for x in ('-k', k)] + ['-i', identity]
    for bits in range(32):
        options = dict(zip(('examiner', 'resumed', 'counter', 'stamp',
                            'encrypted'), [bool(bits >> i & 1)
                                           for i in range(5)]))
        folder = os.path.join(top, 'right-%d' % bits)
        if options['stamp']:
            stamped.add(folder)
        write(folder, make_bundle.Maker(1, **options).make())
        plain.append(folder)
    for name, one in RIGHT.items():
        plain.append(os.path.join(top, 'right-' + name))
        write(plain[-1], make_bundle.Maker(1, hooks=one.hooks(),
                                           **one.options).make())
    for name, one in sorted(BREAKS.items()):
        maker = make_bundle.Maker(1, hooks=one.hooks(), **one.options)
        folder = os.path.join(top, name)
        if one.options.get('stamp'):
            stamped.add(folder)
        write(folder, maker.make())
        if one.keys:
            heads.append((name, ['-i', identity] + [
                x for k in one.keys(maker) for x in ('-k', k)], folder))
            continue
        if one.options.get('encrypted'):
            outside.append(folder)
        if not one.head:
            plain.append(folder)
            continue
        with open(folder + '.head', 'w') as out:
            out.write(one.head(maker))
        heads.append((name, common + ['-h', folder + '.head'], folder))
    right = make_bundle.Maker(1)
    tar = b''.join(data for name, data in sorted(right.make().items())
                   if '.tar' in name)
    for name, change, _ in (('as it is', lambda p: None, None),) + BAG_CHANGES:
        folder = os.path.join(top, 'bag ' + name.replace('/', ''))
        os.mkdir(folder)
        subprocess.run(['tar', '-xf', '-', '-C', folder], input=tar, check=True)
        bag = os.path.join(folder, right.name)
        change(bag)
        plain.append(bag)
    for name, one in sorted(BREAKS.items()):
        if not set(one.hooks()) <= {'member', 'line', 'head', 'part', 'info',
                                    'manifest', 'tagmanifest', 'checkpoint',
                                    'stamps', 'stamp', 'comment'} or \
                one.options.get('partial') is not None or one.head:
            continue
        maker = make_bundle.Maker(1, hooks=one.hooks(), **one.options)
        maker.make()
        folder = os.path.join(top, 'bag of ' + name)
        for path, data in maker.members:
            path = os.path.join(folder, path)
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'wb') as out:
                    out.write(data)
            except OSError:
                pass                    # no file can have that name
        plain.append(folder)
    other = os.path.join(top, 'other-identity')
    with open(other, 'w') as out:
        out.write(OTHER_IDENTITY + '\n')
    longer = os.path.join(top, 'longer')
    with open(longer, 'wb') as out:
        for name in sorted(n for n in right.files if '.tar' in n):
            out.write(right.files[name])
        out.write(b'x')
    seal = os.path.join(top, 'right-0', right.name + '.seal')
    out = [(os.path.relpath(p, top).split('/')[0], common, p) for p in plain]
    out += [(os.path.basename(p) + ' from outside', common[:-2], p)
            for p in outside]
    out.append(('other identity', common[:-1] + [other], plain[16]))
    out.append(('a pipe that is longer', common + ['-s', seal], '<' + longer))
    return [(name + '*' * (path in stamped), arguments, path)
            for name, arguments, path in out + heads]


def without_size(line):
    status, rule, _, reason = line.split(' ', 3)
    return ' '.join((status, rule, '*', reason))


def verdict(driver, arguments, path, **how):
    """The line that the driver writes: status, rule, bytes parsed, reason."""
    with open(path[1:] if path[0] == '<' else os.devnull, 'rb') as stdin:
        try:
            done = subprocess.run(
                [driver, 'verify', '-t', '1', *arguments,
                 '-' if path[0] == '<' else path], stdin=stdin, text=True,
                capture_output=True, errors='replace', check=False, **how)
        except subprocess.TimeoutExpired:
            return 'no end'
    if done.returncode < 0 or not done.stdout:
        return 'died %d' % done.returncode
    return done.stdout.rstrip('\n')
