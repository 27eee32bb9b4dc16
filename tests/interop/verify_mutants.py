#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is each check of the verifier needed?  In a copy of the source every
condition that leads to a refusal gets a number and can be switched off by it
(one build for all).  A first pass, with all of them on, writes down which are
ever true, and where: in which bundle of corpus.py, unit test or script.  Each is
then switched off in turn, and what it was true in is run again, the cheap things
first: elsewhere it cannot matter.  It is
  killed    where a test fails without it: another status, rule or reason than
            corpus.txt has, or a unit test or a script that ends otherwise;
  explained where EXPLAINED says why no test can need it;
  survived  otherwise: the tests do not show what it is for.

usage: verify_mutants.py [-v] [--again] [--all] [FILE]...   (of collector/)
MUTANTS=N takes a sample of N (0: all), JOBS=N runs that many at once; the copy
is built in MUTANTS_DIR (build/mutants).  What was found out is kept in
build/mutants.json: a run that was cut short goes on there
if nothing changed since; --again begins anew, with what killed each the last
time as its first try.  Exit status 0: none survived.
"""
import concurrent.futures
import hashlib
import json
import mmap
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

os.environ.setdefault('DRIVERS', '')    # for who imports test_bundle_verify
import corpus as bundles                # noqa: E402
from mutants_explained import EXPLAINED     # noqa: E402

# What every bundle is read by, which corpus.py and quick tests are about
FILES = ['bundle/' + n for n in (
    'verify.c', 'verify_bag.c', 'verify_input.c', 'verify_load.c',
    'verify_folder.c', 'verify_stamp.c', 'walker.c', 'seal_read.c',
    'logcheck.c', 'logtypes.c')] + ['crypt/' + n for n in (
        'minisign.c', 'checkpoint.c', 'merkle.c', 'age_header.c', 'age.c')]
UNITS = ['crypt_checkpoint', 'crypt_merkle', 'bundle_read', 'crypt_minisign']
SCRIPTS = ['interop/checkpoint.sh', 'interop/test_age.py', 'cli/order.sh']
# --all: what only some are read by, which slow scripts are about
MORE = ['bundle/' + n for n in (
    'verify_order.c', 'order.c', 'verify_trust.c', 'trust.c', 'custody.c',
    'prove_check.c', 'verify_source.c', 'verify_attest.c',
    'verify_attest_identity.c', 'verify_attest_trail.c')] + [
    'crypt/' + n for n in ('age_key.c', 'age_armor.c', 'timestamp.c', 'pkcs7.c',
                           'rsa.c')] + [
    'attest/identity.c', 'attest/cloudtrail_digest.c', 'cmd/verify_s3.c']
MORE_UNITS = ['crypt_digest', 'attest_cloudtrail', 'attest_identity']
MORE_SCRIPTS = ['interop/attest_identity.sh', 'interop/timestamp.sh',
                'interop/minisign.sh',
                'interop/test_cloudtrail_digests.py',
                'interop/test_verify_identity.py',
                'interop/test_verify_attest.py', 'cli/trust.sh',
                'cli/encrypt.sh', 'cli/prove.sh', 'cli/custody.sh',
                'sim/verify_s3.sh']
REFUSES = re.compile(
    r'\s*\{?\s*(?:return (?:-1|false|NULL|bad\w*|fail\w*|cart_rule\w*|'
    r'age_failed|cart_err_set|too_\w+|wrong\w*|refuse\w*|CART_WALK_BAD|'
    r'INVALID|UNKNOWN|changed)\b|(?:cart_rule|cart_err_set)\w*\(|'
    r'goto (?:out|fail|bad)\b|say\(v, CART_ATTEST_(?:INVALID|UNKNOWN)|'
    r's->differs = true|[^;=()]* = CART_(?:TRAIL|ATTEST)_(?:INVALID|UNKNOWN);)')
# the last statement of a longer block
LAST = re.compile(r'[;{}]\s*(?:return (?:-1|false|NULL)|'
                  r'goto (?:out|fail|bad));\s*$')
IF = re.compile(r'\bif \(')
RETURN = re.compile(r'\breturn ([^;]*?(?:&&|\? 0 : -1$)[^;]*);')
# no bundle can show these: they are about this machine, not about a bundle
MACHINE = re.compile(
    r'nomem|CART_ERR_MEMORY|grow\(|grow_seen|ok < 0|m->hash|s->parts|calloc|'
    r'malloc|realloc|cart_buf_check|cart_buf_ok|pthread|_new\(|_init\(|errno|'
    r'\b(?:fd|n) < 0|input_open\(|stopping|!d\b|crew|fstat|->secret$')
HOOK = '''
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
int cart_mutant_on(int n);
static unsigned char *cart_mutant_true;
static int cart_mutant;
static void __attribute__((constructor)) cart_mutant_start(void)
{
	const char *path = getenv("MUTANT_TRUE"), *n = getenv("MUTANT");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (n)
		cart_mutant = (int)strtol(n, NULL, 10);
	if (fd < 0)
		return;
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		cart_mutant_true = p;
	close(fd);
}
int cart_mutant_on(int n)
{
	if (cart_mutant_true)
		cart_mutant_true[n] = 1;
	return n != cart_mutant;
}
'''


class Mutant:
    def __init__(self, number, name, line, text):
        self.number, self.name, self.line = number, name, line
        self.text = ' '.join(text.split())
        self.key = '%s: %s' % (name, self.text)
        self.places = []        # what it is true in, cheap things first


def end_of(text, at, stop=')'):
    """Where the parenthesis that was opened before at closes."""
    depth, quote = 1, ''
    while depth:
        c = text[at]
        if quote:
            if c == '\\':
                at += 1
            elif c == quote:
                quote = ''
        elif c in '"\'':
            quote = c
        elif c in '([{':
            depth += 1
        elif c in ')]}':
            depth -= 1
        at += 1
    return at - 1


def operands(cond, join):
    """(from, to) of what || or && joins in it, outside of parentheses."""
    start, at, out = 0, 0, []
    while at < len(cond):
        if cond[at] in '([':
            at = end_of(cond, at + 1)
        elif cond[at] in '"\'':
            quote = cond[at]
            at += 1
            while cond[at] != quote:
                at += 2 if cond[at] == '\\' else 1
        elif cond.startswith(join, at):
            out.append((start, at))
            start = at + 2
        at += 1
    # a ? b : c and assignments are one
    if '?' in cond:
        return [(0, len(cond))]
    return out + [(start, len(cond))]


def refuses(text, at):
    """Does the statement at this place refuse?"""
    if REFUSES.match(text, at):
        return True
    block = re.compile(r'\s*\{').match(text, at)
    return block and LAST.search(text[block.end():end_of(text, block.end())])


class Source:
    """A file with its switches."""

    def __init__(self, name, text, mutants):
        self.name, self.text, self.mutants = name, text, mutants
        self.edits = []
        self.machine = 0
        for found in IF.finditer(text):
            self.condition(found.end())
        for found in RETURN.finditer(text):
            self.result(found)

    def number(self, at, one):
        self.mutants.append(Mutant(
            len(self.mutants) + 1, self.name, self.text.count('\n', 0, at) + 1,
            one))
        return len(self.mutants)

    def condition(self, start):
        end = end_of(self.text, start)
        if not refuses(self.text, end + 1):
            return
        cond, body = self.text[start:end], self.text[end:self.text.find(';', end)]
        parts = operands(cond, '||')
        for a, b in parts:
            one = cond[a:b].strip()
            if MACHINE.search(one) or 'nomem' in body:
                self.machine += 1
                continue
            self.edits.append((start + a, start + b,
                               ' ((%s) && cart_mutant_on(%d)) ' % (
                                   one, self.number(start + a, one))))

    def result(self, found):
        """return A && B, return A ? 0 : -1: each as if it were true."""
        whole, start = found.group(1), found.start(1)
        cond = whole[:whole.index('?')] if '?' in whole else whole
        if '?' in whole and not whole.endswith('? 0 : -1'):
            return
        if '||' in cond and len(operands(cond, '||')) > 1:
            return
        for a, b in operands(cond, '&&'):
            one = cond[a:b].strip()
            if MACHINE.search(one):
                self.machine += 1
                continue
            self.edits.append((start + a, start + b,
                               ' ((%s) || !cart_mutant_on(%d)) ' % (
                                   one, self.number(start + a, 'return ' + one))))

    def switched(self):
        out, at = 'int cart_mutant_on(int n);\n#line 1\n', 0
        for a, b, new in sorted(self.edits):
            assert a >= at, (self.name, self.text[a:b])
            out += self.text[at:a] + new
            at = b
        return out + self.text[at:]


def sources():
    """[Source], [Mutant] of all files"""
    found, mutants = [], []
    for name in FILES:
        with open(os.path.join(TOP, 'collector', name)) as source:
            found.append(Source(name, source.read(), mutants))
    return found, mutants


def build(top, found):
    """A copy of the tree with the switches; kept, so that only what changed is
    compiled again."""
    switched = {'collector/' + one.name: one.switched() for one in found}
    hooked = 'collector/base/err.c'
    with open(os.path.join(TOP, hooked)) as text:
        switched[hooked] = text.read() + HOOK
    if not os.path.isdir(top):
        os.makedirs(top)
        shutil.copytree(os.path.join(TOP, 'build'), os.path.join(top, 'build'),
                        symlinks=True, ignore=shutil.ignore_patterns('test-logs',
                                                                     'mutants'))
    there = set()
    for base, folders, files in os.walk(TOP):
        folders[:] = [f for f in folders if f not in ('.git', '__pycache__') and
                      os.path.join(base, f) != os.path.join(TOP, 'build')]
        os.makedirs(os.path.join(top, os.path.relpath(base, TOP)), exist_ok=True)
        for name in files:
            path = os.path.relpath(os.path.join(base, name), TOP)
            there.add(path)
            copy(path, os.path.join(top, path), switched.get(path))
    for base, folders, files in os.walk(top):
        folders[:] = [f for f in folders if
                      os.path.join(base, f) != os.path.join(top, 'build')]
        for name in files:
            path = os.path.join(base, name)
            if os.path.relpath(path, top) not in there:
                os.unlink(path)
    what = ['all', 'drivers'] if MORE[0] in FILES else [
        'build/crashcart', 'build/release/driver/bundle_read_driver',
        'build/release/driver/crypt_driver']
    done = subprocess.run(['make', '-j%d' % JOBS, *what, *(
        'build/release/unit/' + u for u in UNITS)], cwd=top, text=True,
                          capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])


def copy(path, to, text):
    """Only if it is not the same there."""
    path = os.path.join(TOP, path)
    if os.path.islink(path):
        if not os.path.islink(to):
            os.symlink(os.readlink(path), to)
        return
    with open(path, 'rb') as data:
        new = text.encode() if text else data.read()
    try:
        with open(to, 'rb') as data:
            if data.read() == new:
                return
    except OSError:
        pass
    with open(to, 'wb') as out:
        out.write(new)
    if text:
        shutil.copymode(path, to)
    else:
        shutil.copystat(path, to)       # what was built of it holds


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))


class Bench:
    """Runs things of the copy, with one check off, or writing down which are
    true."""

    def __init__(self, top):
        self.top = top
        self.tree = os.path.join(PLACE, 'source')
        self.commands = []      # of corpus.py
        self.want = {}          # index of a command -> its line
        self.took = {}          # unit test or script -> seconds
        self.failed = False

    def bundle(self, which, env):
        _, arguments, path = self.commands[which]
        return bundles.verdict(
            os.path.join(self.tree, 'build/release/driver/bundle_read_driver'),
            arguments, path, env=env, timeout=60, preexec_fn=limit)

    def test(self, name, env, timeout):
        """(exit status, what it wrote)"""
        if '/' not in name:
            command = [os.path.join(self.tree, 'build/release/unit', name)]
        else:
            command = ['python3' if name.endswith('.py') else 'bash',
                       os.path.join(self.tree, 'tests', name)]
        with tempfile.TemporaryDirectory(dir=self.top) as folder:
            for one in ('home', 'tmp', 'work'):
                os.mkdir(os.path.join(folder, one))
            env = dict(env, TOP=self.tree, FLAVOUR='release', LC_ALL='C',
                       TZ='UTC', HOME=os.path.join(folder, 'home'),
                       TMPDIR=os.path.join(folder, 'tmp'),
                       CRASHCART=os.path.join(self.tree, 'build/crashcart'),
                       DRIVERS=os.path.join(self.tree, 'build/release/driver'))
            log = os.path.join(folder, 'log')
            with open(log, 'w') as out:
                run = subprocess.Popen(
                    command, cwd=os.path.join(folder, 'work'), env=env,
                    stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    start_new_session=True)
                try:
                    status = run.wait(timeout)
                except subprocess.TimeoutExpired:
                    status = 'no end'
                try:            # what it started and left
                    os.killpg(run.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                run.wait()
            with open(log, errors='replace') as text:
                return status, text.read()

    def true_in(self, run):
        """What run(environment) returns, and which were true in it."""
        with tempfile.NamedTemporaryFile(dir=self.top) as out:
            out.write(bytes(65536))
            out.flush()
            got = run(dict(ENV, MUTANT_TRUE=out.name))
            with mmap.mmap(out.fileno(), 0) as seen:
                return got, {n for n in range(65536) if seen[n]} if any(
                    seen[:]) else set()

    def look_at_bundle(self, which):
        self.want[which], seen = self.true_in(
            lambda env: self.bundle(which, env))
        return which, seen

    def look_at_test(self, name):
        start = time.time()
        (status, log), seen = self.true_in(
            lambda env: self.test(name, env, 1800))
        self.took[name] = time.time() - start
        if status == 77:
            print('%s: skipped here' % name, flush=True)
            seen = set()
        elif status:
            print('%s fails with all checks on (%s):\n%s' % (
                name, status, log[-2000:]), flush=True)
            self.failed = True
            seen = set()
        return name, seen

    def kills(self, place, m):
        """What is different there without the check, or ''."""
        env = dict(ENV, MUTANT=str(m.number))
        if isinstance(place, str):
            status, _ = self.test(place, env, 60 + 5 * self.took[place])
            return 'test' if status else ''
        got, want = self.bundle(place, env), self.want[place]
        if got.split(' ')[:2] != want.split(' ')[:2]:
            return 'verdict'
        return 'reason' if got != want else ''

    def judge(self, m, hint):
        """(what, where); what it was found to be true in up to now"""
        if isinstance(m.places[0] if m.places else '', str):
            order = sorted(m.places, key=lambda p: self.took[p])
        else:
            order = sorted(m.places, key=lambda p: (self.rank[p], p))
        order.sort(key=lambda p: self.name(p) != hint)
        weak, more = ('', ''), 40       # how often a verdict is looked for
        for place in order:
            more -= bool(weak[0])
            if more == 0:
                break
            what = self.kills(place, m)
            if what == 'reason':
                weak = weak if weak[0] else (what, self.name(place))
            elif what:
                return what, self.name(place)
        return weak

    def name(self, place):
        if isinstance(place, str):
            return place
        return self.commands[place][0]


CACHE = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
ENV = {k: v for k, v in os.environ.items() if k[:7] != 'MUTANTS'}
ENV.update(XDG_CACHE_HOME=CACHE, PATH=os.path.join(
    CACHE, 'crashcart/venv/bin') + ':' + ENV['PATH'])
JOBS = int(os.environ.get('JOBS') or os.cpu_count() or 1)
PLACE = os.environ.get('MUTANTS_DIR') or os.path.join(TOP, 'build/mutants')
RESULTS = os.path.join(TOP, 'build/mutants.json')


def digest():
    """Of all that a result depends on."""
    whole = hashlib.sha256()
    for folder in ('collector', 'include', 'tests'):
        for base, names, files in sorted(os.walk(os.path.join(TOP, folder))):
            names[:] = sorted(n for n in names if n != '__pycache__')
            for name in sorted(set(files) - {'mutants_explained.py'}):
                with open(os.path.join(base, name), 'rb') as data:
                    whole.update(name.encode() + b'\0' + data.read())
    return whole.hexdigest()


def load(again):
    """(digest, {mutant: [what, where]}, the same of the last time)"""
    now = digest()
    try:
        with open(RESULTS) as text:
            kept = json.load(text)
    except (OSError, ValueError):
        return now, {}, {}
    if kept['digest'] == now and not again:
        return now, {i: what for i, what in kept['found'].items()
                     if what[0] not in ('explained', 'survived') or
                     (i.rsplit(' #', 1)[0] in EXPLAINED) ==
                     (what[0] == 'explained')}, kept['hints']
    return now, {}, dict(kept.get('hints', {}), **kept['found'])


def table(mutants, found, machine):
    files = {}
    for m in mutants:
        row = files.setdefault(m.name, dict.fromkeys(
            ('mutants', 'verdict', 'reason', 'test', 'explained', 'survived'), 0))
        row['mutants'] += 1
        row[found[m.id][0]] += 1
    print('%-34s %7s %7s %6s %5s %9s %8s' % (
        'file', 'mutants', 'verdict', 'reason', 'test', 'explained', 'survived'))
    for name, row in files.items():
        print('%-34s %7d %7d %6d %5d %9d %8d' % (name, *row.values()))
    total = [sum(row[k] for row in files.values()) for k in (
        'verdict', 'reason', 'test', 'explained', 'survived')]
    print('%d conditions more are about this machine (memory, files)' % machine)
    print('%d mutants, %d killed, %d explained, %d survived' % (
        len(mutants), sum(total[:3]), total[3], total[4]))
    return total[4]


def stale(mutants, found, whole):
    """What EXPLAINED says of a check that is not there, or that is needed."""
    keys = {m.key for m in mutants}
    killed = {m.key for m in mutants if found[m.id][0] in (
        'verdict', 'reason', 'test')}
    alive = {m.key for m in mutants} - killed | {
        m.key for m in mutants if found[m.id][0] == 'explained'}
    bad = [k for k in EXPLAINED if k in killed and k not in alive or
           whole and k not in keys]
    for key in bad:
        print('explained, but %s: %s' % (
            'needed' if key in keys else 'not there', key))
    return bad


def main():
    words = sys.argv[1:]
    loud, again = '-v' in words, '--again' in words
    only = [w for w in words if w[0] != '-']
    if '--all' in words or set(only) & set(MORE):
        FILES.extend(MORE)
        UNITS.extend(MORE_UNITS)
        SCRIPTS.extend(MORE_SCRIPTS)
    sample = int(os.environ.get('MUTANTS') or 0)
    start = time.time()
    text, mutants = sources()
    count = {}
    for m in mutants:
        count[m.key] = count.get(m.key, 0) + 1
        m.id = '%s #%d' % (m.key, count[m.key])
    machine = sum(s.machine for s in text if not only or s.name in only)
    tried = [m for m in mutants if not only or m.name in only]
    if sample:
        tried = random.Random().sample(tried, min(sample, len(tried)))
    now, found, hints = load(again)
    if found:
        print('%d are known from the last run' % len(found))
    lock = threading.Lock()

    def note(m, what, where):
        with lock:
            found[m.id] = [what, where]
            if loud or what == 'survived':
                print('%s %s:%d: %s (%s)' % (what, m.name, m.line, m.text,
                                             where), flush=True)
            with open(RESULTS + '.new', 'w') as out:
                json.dump({'digest': now, 'found': found, 'hints': hints}, out,
                          indent=0)
            os.replace(RESULTS + '.new', RESULTS)

    def one(m):
        what, where = bench.judge(m, hints.get(m.id, ['', ''])[1])
        if what:
            note(m, what, where)
        elif m.key in EXPLAINED:
            note(m, 'explained', '')

    def stage(look, places):
        """Where are they true?  Then each that is left, there."""
        left = [m for m in tried if m.id not in found]
        for m in left:
            m.places = []
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for place, seen in pool.map(look, places):
                for m in left:
                    if m.number in seen:
                        m.places.append(place)
            bench.rank = {p: sum(p in m.places for m in left) for p in places}
            print('%d left, %d of them true in %d of %d, after %d s' % (
                len(left), sum(bool(m.places) for m in left),
                sum(map(bool, bench.rank.values())), len(places),
                time.time() - start), flush=True)
            list(pool.map(one, left))

    os.makedirs(PLACE, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as top:
        bench = Bench(top)
        if not all(m.id in found for m in tried):
            build(bench.tree, text)
            bench.commands = bundles.make(os.path.join(top, 'corpus'))
            print('built after %d s' % (time.time() - start), flush=True)
            stage(bench.look_at_bundle, range(len(bench.commands)))
            stage(bench.look_at_test, UNITS + SCRIPTS)
            for m in tried:
                if m.id not in found:
                    note(m, 'survived', '' if m.places else 'true in no test')
    print('%d s' % (time.time() - start))
    bad = stale(tried, found, not only and not sample)
    return 1 if table(tried, found, machine) or bad or bench.failed else 0


if __name__ == '__main__':
    sys.exit(main())
