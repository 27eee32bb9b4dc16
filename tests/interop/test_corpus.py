#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
"""What the verifier says of each bundle of corpus.py, word by word: corpus.txt.
A check that is gone shows here even where another one refuses the same bundle
by the same rule: the reason is another (verify_mutants.py).

usage: test_corpus.py [--write]     --write: it is right as it is now
"""
import difflib
import itertools
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import corpus                           # noqa: E402

DRIVER = os.path.join(os.environ['DRIVERS'], 'bundle_read_driver')
TEXT = os.path.join(HERE, 'corpus.txt')


def said(bundles):
    """One process for all that are read with the same arguments."""
    for arguments, some in itertools.groupby(bundles, lambda b: b[1]):
        some = list(some)
        if some[0][2][0] == '<':
            yield some[0][0], corpus.verdict(DRIVER, arguments, some[0][2])
            continue
        done = subprocess.run(
            [DRIVER, 'verify', '-t', '1', *arguments, *(b[2] for b in some)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False)
        lines = done.stdout.splitlines()
        if done.returncode < 0 or len(lines) != len(some):
            sys.exit('%s: no answer (%d): %s' % (
                some[min(len(lines), len(some) - 1)][0], done.returncode,
                done.stderr))
        yield from zip((b[0] for b in some), lines)


def main():
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, 'corpus')
        bundles = corpus.make(folder)
        got = []
        for name, line in said(bundles):
            if name[-1] == '*':
                line = corpus.without_size(line)
            got.append('%s: %s' % (name, line.replace(folder, '')))
    if '--write' in sys.argv[1:]:
        with open(TEXT, 'w') as out:
            out.write('\n'.join(got) + '\n')
    with open(TEXT) as text:
        want = text.read().splitlines()
    for line in difflib.unified_diff(want, got, 'corpus.txt', 'now', n=0,
                                     lineterm=''):
        print(line)
    print('%d bundles' % len(got))
    return 0 if got == want else 1


if __name__ == '__main__':
    sys.exit(main())
