# SPDX-License-Identifier: Apache-2.0
"""Checks without which no test can fail, for verify_mutants.py."""
# "FILE: CONDITION" -> why no test can need it
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
LENGTH = ('base64 that is refused leaves nothing, and a line that is not there is '
          'empty: another length, which is refused')
LAST_LINE = ('the header ends with the line that begins with ---, where every '
             'reader of lines stops')
FORM = 'check_form() looked at it already'
EXPLAINED = {
    'bundle/verify.c: check_lengths(c, err) < 0': STORED,
    'bundle/verify_input.c: strncmp(bundle, "s3://", 5) == 0':
        'else it is the name of a file that is not there',
    'bundle/verify_stamp.c: !sp': 'then the URL is as good as endless: too long',
    'bundle/verify_stamp.c: rc < 0': NAMED,
    'bundle/seal_read.c: cart_seal_version(data, len, &version) < 0':
        'a version that cannot be read stays 0, which is not 1',
    'bundle/logtypes.c: return colon': GUARD,
    'bundle/logtypes.c: return memcmp(s, "0000", 4) != 0': PARSED,
    'crypt/minisign.c: cart_text_unbase64(s, s_len, &b) < 0': LENGTH,
    'crypt/minisign.c: next_line(text, len, &line, &n) < 0':
        'then the comment is all there is, and no base64',
    'crypt/minisign.c: decode(text, len, spki, sizeof(spki)) < 0':
        'what was not decoded does not begin as a key does',
    'crypt/checkpoint.c: (size_t)(r->end - r->p) < len': GUARD,
    'crypt/checkpoint.c: !eat_line(r, &line, &n)': LENGTH,
    'crypt/checkpoint.c: !eat_line(&r, &line, &n)': LENGTH,
    'crypt/checkpoint.c: cart_text_unbase64(line, n, &b) < 0': LENGTH,
    'crypt/merkle.c: depth == CART_MERKLE_PATH_MAX':
        'a tree of fewer than 2^64 leaves is no deeper',
    'crypt/age_header.c: !lf': LAST_LINE,
    'crypt/age_header.c: len < 0': LAST_LINE,
    "crypt/age_header.c: end[-1] != '\\n'": LAST_LINE + ' behind its LF',
    'crypt/age_header.c: st->arg_len != MAC_TEXT':
        'no other length is base64 of 32 bytes; ' + GUARD,
    'crypt/age_header.c: len < CART_AGE_MAGIC_SIZE': GUARD,
    'crypt/age_header.c: memcmp(p, CART_AGE_MAGIC, CART_AGE_MAGIC_SIZE) != 0':
        'both callers compared the beginning as it came',
    'crypt/age_header.c: share_of(st, salt, err) < 0': FORM,
    'crypt/age.c: r->state == READ_NONCE':
        'without a nonce no block is held, and none is cut short',
    'crypt/age.c: r->state == READ_FAILED': 'of a caller who reads on',
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
