#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is each check of the verifier needed?  In a copy of the source every
condition that leads to a refusal can be switched off by its number; with each
off in turn, all bundles of breaks.py and changed bags are verified again.
Where then a status or a rule is another, the check is needed, and a test fails
without it.  Where only words are, or the byte that was read last, another check
refuses the same: it is an early one.  Where nothing is different it is a
survivor: the corpus does not show what it is for, and ALLOWED must say why.

usage: verify_mutants.py [-v] [FILE]...     (files of collector/, see FILES)
MUTANTS=N takes a sample of N (0: all of them).
"""
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import make_bundle                      # noqa: E402
from breaks import BREAKS, OTHER_IDENTITY   # noqa: E402
from test_bundle_verify import BAG_CHANGES      # noqa: E402

FILES = ['bundle/' + n for n in (
    'verify.c', 'verify_bag.c', 'verify_input.c', 'verify_load.c',
    'verify_folder.c', 'verify_stamp.c', 'walker.c', 'seal_read.c',
    'logcheck.c', 'logtypes.c')] + ['crypt/minisign.c', 'crypt/checkpoint.c',
                                    'crypt/age_header.c', 'crypt/age.c']
REFUSES = re.compile(
    r'\s*\{?\s*(?:return (?:-1|false|NULL|bad\w*|fail\w*|cart_rule\w*|'
    r'age_failed|cart_err_set|too_\w+|wrong\w*|refuse\w*|CART_WALK_BAD)\b|'
    r'(?:cart_rule|cart_err_set)\w*\(|goto (?:out|fail|bad)\b)')
IF = re.compile(r'\bif \(')
# no bundle can show these: they are about this machine, not about a bundle
MACHINE = re.compile(
    r'nomem|CART_ERR_MEMORY|grow\(|grow_seen|ok < 0|m->hash|s->parts|calloc|'
    r'malloc|realloc|cart_buf_check|cart_buf_ok|pthread|_new\(|_init\(|errno|'
    r'fd < 0|n < 0|open\(|stopping|!d\b|crew')
# "FILE: CONDITION" -> why nothing in the corpus needs it
CALLER = 'a failure of whoever is told what is read, not of the bundle'
STORED = 'about what S3 says of a bundle: tests/sim/verify_s3.sh'
GUARD = ('keeps a read inside of what was given; what would be read is refused '
         'all the same: for make fuzz, under ASan')
LIMIT = 'a limit that is too far for a bundle here: tests/unit/bundle_read.c'
CHANGES = 'a file that cannot be read, or that becomes shorter meanwhile'
NO_FILE = 'a pipe or a folder by the name of a file: reading it fails, too'
WRITES = 'of the writing side, which no reader calls'
ORIGIN = 'the origin is made of a UUID, which F20 holds to its form'
CALLER_SIZE = 'a size that the caller writes down, not of the bundle'
PARSED = 'what cart_clock_parse would refuse as well'
NAMED = 'about what is named on the command line, not about a bundle'
ALLOWED = {
    'bundle/verify.c: c->o->line && c->o->line(c->o->arg, line, err) < 0':
        CALLER,
    'bundle/verify.c: n != g->n_chunks': STORED,
    'bundle/verify.c: memcmp(sha256[k], c->seal.chunks[g->first_chunk + k], '
    'CART_SHA256_SIZE) != 0': STORED,
    'bundle/verify.c: !c->has_seal': STORED,
    'bundle/verify.c: o->line': 'list and report: tests/cli/encrypt.sh',
    'bundle/verify.c: o->member': 'extract: tests/cli/encrypt.sh',
    'bundle/verify.c: cart_heads_judge(c->o, c->v, err) < 0':
        'about what goes with a kept head: tests/sim/witness_others.sh',
    'bundle/verify_bag.c: ++b->payload > PAYLOAD_MAX': LIMIT,
    'bundle/verify_bag.c: b->members == BAG_MEMBERS_MAX': LIMIT,
    'bundle/verify_bag.c: len == 0': GUARD,
    'bundle/verify_bag.c: !lf': GUARD,
    'bundle/verify_bag.c: (size_t)(lf - in->p) < n + 3': GUARD,
    'bundle/verify_bag.c: len < n + 5': GUARD,
    'bundle/verify_bag.c: len - version < 4': GUARD,
    'bundle/seal_read.c: next_line(l, err) < 0':
        'lines of 64 digits, as many as fit into what is left, are all there',
    'bundle/seal_read.c: !lf': GUARD,
    'bundle/seal_read.c: (size_t)(lf - s) <= n': GUARD,
    'bundle/seal_read.c: len > CART_SEAL_MAX':
        'who reads a seal reads no more: verify_input.c, verify_source.c',
    'bundle/logcheck.c: raw.len != CART_ED25519_SIGNATURE_SIZE':
        'F20 holds its length: logtypes.c',
    'bundle/logcheck.c: !second': NAMED,
    'bundle/logcheck.c: cart_text_u64(first + 1, (size_t)(second - first - 1), '
    'UINT64_MAX, &ret->size) < 0': NAMED,
    'bundle/logcheck.c: ret->size == 0': NAMED,
    'bundle/logcheck.c: c->n_open == OPEN_MAX':
        'a limit of memory, of 4,096 exhibits that are open at once',
    'bundle/logcheck.c: !open': 'that limit, or no memory',
    'bundle/logcheck.c: !cart_rule_number(&why)': 'words of a refusal',
    'bundle/logcheck.c: !colon': 'words of a refusal',
    'bundle/logcheck.c: c->line && c->line(c->arg, line, err) < 0': CALLER,
    'bundle/logcheck.c: len == 0': GUARD,
    'bundle/logcheck.c: len > LOG_PART_MAX': 'verify_bag.c keeps no more of it',
    'bundle/logtypes.c: len <= n': GUARD,
    "bundle/logtypes.c: s[len - 1] != 'Z'": PARSED,
    'bundle/logtypes.c: !is_digits(s + n + 1, digits)': PARSED,
    'bundle/logtypes.c: len != n + 1': PARSED,
    'crypt/age_header.c: crypto_scalarmult_curve25519(s->shared, s->ephemeral, '
    'recipient) != 0': WRITES,
    'crypt/age_header.c: wrap(s, r->key[i], share, wrapped) < 0': WRITES,
    'crypt/age.c: cart_age_header_print(&w->to, w->secret, &header, err) < 0':
        WRITES,
    'crypt/age.c: put_blocks(w, w->stage, 1, err) < 0': WRITES,
    'crypt/age.c: put_blocks(w, p, (unsigned)n, err) < 0': WRITES,
    'crypt/minisign.c: len > CART_MINISIGN_COMMENT_MAX': WRITES,
    'crypt/minisign.c: !cart_text_is_printable(comment, len)': WRITES,
    'crypt/minisign.c: check_comment(untrusted, err) < 0': WRITES,
    'crypt/minisign.c: check_comment(trusted, err) < 0': WRITES,
    'crypt/minisign.c: signer->sign(signer, prehash, CART_BLAKE2B_SIZE, sig, '
    'err) < 0': WRITES,
    'crypt/minisign.c: signer->sign(signer, message, len, global, err) < 0':
        WRITES,
    'crypt/checkpoint.c: !origin_ok(origin)': WRITES,
    'crypt/checkpoint.c: signer->sign(signer, text.data, text.len, sig, err) < '
    '0': WRITES,
    'crypt/checkpoint.c: len < 1': ORIGIN,
    'crypt/checkpoint.c: len > ORIGIN_MAX': ORIGIN,
    "crypt/checkpoint.c: origin[i] <= ' '": ORIGIN,
    "crypt/checkpoint.c: origin[i] > '~'": ORIGIN,
    "crypt/checkpoint.c: origin[i] == '+'": ORIGIN,
    'crypt/minisign.c: n < skip': GUARD,
    'crypt/minisign.c: len >= sizeof(bytes)': CALLER_SIZE,
    'crypt/checkpoint.c: len >= sizeof(bytes)': CALLER_SIZE,
    'bundle/verify_stamp.c: end - s < 8': GUARD,
    'bundle/verify_stamp.c: !lf': GUARD,
    'bundle/verify_stamp.c: cart_minisign_parse_sig(h->minisig, h->minisig_len, '
    '&sig, err) < 0': NAMED,
    'bundle/verify_stamp.c: cart_minisign_verify(&sig, &o->keys[i], prehash, '
    'err) < 0': NAMED,
    'bundle/walker.c: cart_tar_header(w->name, w->path, w->member.size, mtime, '
    'want) < 0': 'the name and the numbers came out of a header',
    'bundle/verify_input.c: !S_ISREG(st.st_mode)': NO_FILE,
    'bundle/verify_input.c: count_segments(in, &more, err) < 0': CHANGES,
    'bundle/verify_input.c: more >= SEGMENTS_MAX':
        'the seal lists no more (segment-10001)',
    'bundle/verify_input.c: in->n_counters == COUNTERS_MAX':
        'a limit of memory, of 1,001 files',
    'bundle/verify_input.c: read_small(dirfd, seal, CART_SEAL_MAX, &in->seal, '
    'err) < 0': 'a seal of more than 64 MiB; ' + CHANGES,
    'bundle/verify_input.c: !name': NAMED,
    'bundle/verify_input.c: !seal_path': NAMED,
    'bundle/verify_input.c: pipe ? open_pipe(in, bundle, seal_path, err) < 0 : '
    'S_ISDIR(st.st_mode) ? open_folder(in, bundle, err) < 0 : open_file(in, '
    'bundle, err) < 0': NAMED,
    'bundle/verify_load.c: cart_input_segment(in, c->segment, &s, &c->err) < 0':
        CHANGES,
    'bundle/verify_load.c: pipe_turn(c) < 0': CHANGES,
    'bundle/verify_load.c: rc < 0': CHANGES,
    'bundle/verify_load.c: c->len < c->want': CHANGES,
    'bundle/verify_folder.c: (size_t)n < want': CHANGES,
    'bundle/verify_folder.c: cart_bag_data(f->bag, NULL, f->piece, want, err) '
    '< 0': CALLER,
}


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


def operands(cond):
    """(from, to) of what || joins in it, outside of parentheses."""
    start, at, out = 0, 0, []
    while at < len(cond):
        if cond[at] in '([':
            at = end_of(cond, at + 1)
        elif cond[at] in '"\'':
            quote = cond[at]
            at += 1
            while cond[at] != quote:
                at += 2 if cond[at] == '\\' else 1
        elif cond.startswith('||', at):
            out.append((start, at))
            start = at + 2
        at += 1
    # a ? b : c and assignments are one
    if '?' in cond:
        return [(0, len(cond))]
    return out + [(start, len(cond))]


def mutate(name, text, mutants):
    """The source with switches; adds (name, line, condition) to mutants."""
    out, at = '', 0
    for found in IF.finditer(text):
        start = found.end()
        if start < at:
            continue
        end = end_of(text, start)
        if not REFUSES.match(text, end + 1):
            continue
        cond, new, last = text[start:end], '', 0
        body = text[end:text.find(';', end)]
        for a, b in operands(cond):
            one = cond[a:b].strip()
            if MACHINE.search(one) or 'nomem' in body:
                continue
            mutants.append((name, text.count('\n', 0, start + a) + 1,
                            ' '.join(one.split())))
            new += cond[last:a] + ' ((%s) && cart_mutant != %d) ' % (
                one, len(mutants))
            last = b
        out += text[at:start] + new + cond[last:]
        at = end
    return out + text[at:]


def build(top, mutants):
    for folder in ('collector', 'include', 'scripts', 'tests', 'manifests'):
        shutil.copytree(os.path.join(TOP, folder), os.path.join(top, folder),
                        symlinks=True)
    for name in os.listdir(TOP):
        if os.path.isfile(os.path.join(TOP, name)):
            shutil.copy(os.path.join(TOP, name), top)
    for name in FILES:
        path = os.path.join(top, 'collector', name)
        with open(path) as source:
            text = source.read()
        with open(path, 'w') as out:
            out.write('extern int cart_mutant;\n' + mutate(name, text, mutants))
    path = os.path.join(top, 'tests/interop/bundle_read_driver.c')
    with open(path) as source:
        text = source.read()
    with open(path, 'w') as out:
        out.write(text.replace('#define KEYS_MAX', 'int cart_mutant;\n'
                               '#define KEYS_MAX', 1).replace(
            '\tif (argc < 2)', '\tif (getenv("MUTANT"))\n\t\tcart_mutant = '
            '(int)strtol(getenv("MUTANT"), NULL, 10);\n\tif (argc < 2)', 1))
    driver = 'build/release/driver/bundle_read_driver'
    done = subprocess.run(['make', '-j2', driver], cwd=top, text=True,
                          capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return os.path.join(top, driver)


def write(folder, files):
    os.makedirs(folder)
    for name, data in files.items():
        with open(os.path.join(folder, name), 'wb') as out:
            out.write(data)


def corpus(top):
    """Commands: driver arguments for all, and for each kept head."""
    plain, heads, outside = [], [], []
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
        write(folder, make_bundle.Maker(1, **options).make())
        plain.append(folder)
    for name, one in sorted(BREAKS.items()):
        maker = make_bundle.Maker(1, hooks=one.hooks(), **one.options)
        folder = os.path.join(top, name)
        write(folder, maker.make())
        if one.keys:
            heads.append(['-i', identity] + [
                x for k in one.keys(maker) for x in ('-k', k)] + [folder])
            continue
        if one.options.get('encrypted'):
            outside.append(folder)
        if not one.head:
            plain.append(folder)
            continue
        with open(folder + '.head', 'w') as out:
            out.write(one.head(maker))
        heads.append(common + ['-h', folder + '.head', folder])
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
    with open(os.path.join(top, 'longer'), 'wb') as out:
        for name in sorted(n for n in right.files if '.tar' in n):
            out.write(right.files[name])
        out.write(b'x')
    seal = os.path.join(top, 'right-0', right.name + '.seal')
    return [common + plain, common[:-2] + outside,
            common[:-1] + [other, plain[16]],
            common + ['-s', seal, '-', '<' + out.name]] + heads


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))


def verdicts(driver, commands, number):
    """[(status and rule, bytes and reason)]"""
    env = dict(os.environ, MUTANT=str(number))
    out = []
    for command in commands:
        try:
            # "<FILE" at the end: what is on its standard input
            piped = command[-1][1:] if command[-1][0] == '<' else os.devnull
            with open(piped, 'rb') as stdin:
                done = subprocess.run(
                    [driver, 'verify', '-t', '1', *(
                        c for c in command if c[0] != '<')], env=env,
                    stdin=stdin, capture_output=True, timeout=60,
                    preexec_fn=limit, check=False)
        except subprocess.TimeoutExpired:
            return [('it hangs', '')]
        lines = [line.split(b' ', 2) for line in done.stdout.split(b'\n')]
        out += [(line[:2], line[2:]) for line in lines]
        out.append((done.returncode, ''))
    return out


def compare(want, got):
    if [w[0] for w in want] != [g[0] for g in got]:
        return 'needed'
    return 'early' if want != got else 'survivor'


def main():
    words = sys.argv[1:]
    loud = '-v' in words
    only = [w for w in words if w != '-v']
    sample = int(os.environ.get('MUTANTS', '0' if only else '25'))
    mutants = []
    survivors, counts = [], {}
    with tempfile.TemporaryDirectory() as top:
        driver = build(os.path.join(top, 'source'), mutants)
        commands = corpus(os.path.join(top, 'corpus'))
        want = verdicts(driver, commands, 0)
        numbers = [n for n, m in enumerate(mutants, 1)
                   if not only or m[0] in only]
        if sample:
            numbers = random.Random().sample(numbers, min(sample, len(numbers)))
        for number in numbers:
            name, line, cond = mutants[number - 1]
            what = compare(want, verdicts(driver, commands, number))
            if what == 'survivor' and '%s: %s' % (name, cond) in ALLOWED:
                what = 'allowed'
            counts[what] = counts.get(what, 0) + 1
            if what == 'survivor':
                survivors.append(number)
            if loud or what == 'survivor':
                print('%s %s:%d: %s' % (what, name, line, cond), flush=True)
    print('%d checks, tried: %s' % (len(mutants), counts))
    return 1 if survivors else 0


if __name__ == '__main__':
    sys.exit(main())
