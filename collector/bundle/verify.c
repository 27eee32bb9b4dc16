/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "verify_attest.h"

/* The order of the checks, and the verdict (FORMAT.md section 7). */

struct check {
	const struct cart_verify_options *o;
	struct cart_verdict *v;
	struct cart_input in;
	struct cart_crew crew;
	struct cart_seal seal;
	bool has_seal;			/* seal was parsed */
	unsigned char prehash[CART_BLAKE2B_SIZE];	/* of the seal */
	struct cart_minisign_sig outer;
	struct cart_minisign_sig *counters;
	struct cart_held *held;		/* by keys of the reader's */
	size_t n_held;
	struct cart_bag bag;
	bool partial;			/* sealed so: the stream ends early */
	bool sealed_only;		/* encrypted, and nobody can read it: */
	char purpose[16];		/* as the outer signature says */
	bool truncated;			/* no seal, and the stream ends early */
	const char *unknown;		/* why we cannot tell */
	bool whole;			/* all of the bag was read, and holds */
	struct cart_public_key inner_key;	/* if v->inner_ok */
	struct cart_attest attest;
};

static int on_line(void *arg, const struct cart_json *line, struct cart_err *err)
{
	struct check *c = arg;

	if (c->o->line && c->o->line(c->o->arg, line, err) < 0)
		return -1;
	return cart_attest_line(&c->attest, line, err);
}

/* Does one of the named keys say that it made this?  1: *ret is the key; 0:
 * no key of that id was named; -1. */
static int trusted(const struct check *c, const struct cart_minisign_sig *sig,
		   const unsigned char prehash[CART_BLAKE2B_SIZE],
		   const char *what, struct cart_public_key *ret,
		   struct cart_err *err)
{
	const struct cart_trust none = { 0 }, *t = c->o->trust ? c->o->trust :
								 &none;
	const struct cart_public_key *k;
	struct cart_err why = { 0 };
	bool named = false;
	size_t i;

	for (i = 0; i < c->o->n_keys + t->n; i++) {
		k = i < c->o->n_keys ? &c->o->keys[i] :
				       &t->entries[i - c->o->n_keys].key;
		if (memcmp(k->id, sig->key_id, sizeof(k->id)) != 0)
			continue;
		named = true;
		if (cart_minisign_verify(sig, k, prehash, &why) == 0) {
			*ret = *k;
			return 1;
		}
	}
	if (named)
		return cart_rule_because(err, 23, &why, what);
	return 0;
}

static void hold(struct check *c, const struct cart_public_key *key,
		 bool counter)
{
	c->held[c->n_held].key = *key;
	c->held[c->n_held++].counter = counter;
}

/* F24.  The first that a key of the reader's made is told of. */
static int take_stamp(struct check *c, const struct cart_counter_sig *s,
		      bool ours, struct cart_err *err)
{
	struct cart_verdict_stamp stamp = { 0 };

	if (!s->stamped)
		return 0;
	if (cart_stamp_check_counter(s, c->o->tsa_roots, c->o->tsa_roots_len,
				     &stamp, err) < 0)
		return -1;
	if (!ours || c->v->counter_stamp.by[0])
		return 0;
	c->v->counter_stamp = stamp;
	memcpy(c->v->counter_stamp_id, s->id, sizeof(s->id));
	if (stamp.anchored)
		c->held[c->n_held - 1].stamp = &c->v->counter_stamp;
	return 0;
}

static int parse_sig(const struct cart_buf *b, const char *what,
		     struct cart_minisign_sig *ret, struct cart_err *err)
{
	struct cart_err why = { 0 };

	if (cart_minisign_parse_sig(b->data, b->len, ret, &why) < 0)
		return cart_rule_because(err, 23, &why, what);
	return 0;
}

static int take_outer(struct check *c, struct cart_err *err)
{
	int rc;

	if (!c->in.has_signature)
		return 0;
	if (parse_sig(&c->in.signature, "the outer signature", &c->outer,
		      err) < 0)
		return -1;
	cart_minisign_id_text(c->outer.key_id, c->v->signer_id);
	rc = trusted(c, &c->outer, c->prehash, "the outer signature",
		     &c->v->trusted, err);
	if (rc > 0) {
		c->v->signed_ok = true;
		hold(c, &c->v->trusted, false);
	}
	return rc < 0 ? -1 : 0;
}

static int take_counters(struct check *c, struct cart_err *err)
{
	struct cart_public_key key;
	char id[17];
	size_t i;
	int rc;

	if (c->in.n_counters == 0)
		return 0;
	c->counters = calloc(c->in.n_counters, sizeof(*c->counters));
	if (!c->counters)
		return cart_err_nomem(err);
	for (i = 0; i < c->in.n_counters; i++) {
		if (!c->in.counters[i].there)
			return cart_rule(err, 24, "a time stamp of a "
					 "counter-signature that is not there");
		if (parse_sig(&c->in.counters[i].data, "a counter-signature",
			      &c->counters[i], err) < 0)
			return -1;
		cart_minisign_id_text(c->counters[i].key_id, id);
		if (strcmp(id, c->in.counters[i].id) != 0)
			return cart_rule(err, 23, "a counter-signature is by "
					 "key %s, its name says %s", id,
					 c->in.counters[i].id);
		if (i == 0)
			memcpy(c->v->counter_id, id, sizeof(id));
		rc = trusted(c, &c->counters[i], c->prehash,
			     "a counter-signature", &key, err);
		if (rc < 0)
			return -1;
		if (rc > 0)
			hold(c, &key, true);
		if (take_stamp(c, &c->in.counters[i], rc > 0, err) < 0)
			return -1;
		if (rc > 0 && !c->v->signed_ok) {
			c->v->signed_ok = true;
			c->v->countersigned = true;
			c->v->trusted = key;
		}
	}
	return 0;
}

/* Step 1: signatures over the bytes of the seal, then what it says. */
static int take_seal(struct check *c, struct cart_err *err)
{
	struct cart_blake2b b;
	uint64_t version;

	cart_blake2b_init(&b);
	cart_blake2b_update(&b, c->in.seal.data, c->in.seal.len);
	cart_blake2b_final(&b, c->prehash);
	if (take_outer(c, err) < 0 || take_counters(c, err) < 0)
		return -1;
	if (cart_seal_version(c->in.seal.data, c->in.seal.len, &version) == 0 &&
	    version > 1) {
		c->unknown = "the seal is of a later version of the format "
			     "than this program knows";
		return 0;
	}
	if (cart_seal_parse(c->in.seal.data, c->in.seal.len, &c->seal, err) < 0)
		return -1;
	c->has_seal = true;
	memcpy(c->bag.name, c->seal.name, sizeof(c->bag.name));
	c->partial = strcmp(c->seal.state, "partial") == 0;
	return 0;
}

/* F2, F22: cheap to see before anything is read. */
static int check_lengths(struct check *c, struct cart_err *err)
{
	size_t i;

	if (!c->has_seal || c->in.kind != INPUT_FILES)
		return 0;
	/* what is behind a partial seal is a remnant (F26) */
	if (c->partial && c->in.n_segments > c->seal.n_segments)
		c->in.n_segments = c->seal.n_segments;
	if (c->in.n_segments != c->seal.n_segments)
		return cart_rule(err, 2, "%zu segments instead of %zu",
				 c->in.n_segments, c->seal.n_segments);
	for (i = 0; i < c->in.n_segments; i++)
		if (c->in.lengths[i] != c->seal.segments[i].length)
			return cart_rule(err, 22, "segment %zu is %s than "
					 "sealed", i + 1,
					 c->in.lengths[i] <
					 c->seal.segments[i].length ?
					 "shorter" : "longer");
	return 0;
}

/* --- or not read: what whoever stores it says of it --- */

/* The digests of all parts are in it, so that it is as good as they are. */
static bool composite_is(const struct check *c, size_t i, const char *have)
{
	const struct cart_seal_segment *g = &c->seal.segments[i];
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_buf b;
	bool same;

	cart_sha256(c->seal.chunks + g->first_chunk,
		    g->n_chunks * CART_SHA256_SIZE, sha256);
	cart_buf_init(&b, CART_COMPOSITE_SIZE);
	cart_text_base64(sha256, sizeof(sha256), &b);
	cart_buf_addf(&b, "-%zu", g->n_chunks);
	same = cart_buf_ok(&b) && strcmp((char *)b.data, have) == 0;
	cart_buf_clear(&b);
	return same;
}

static int compare_stored(const struct check *c, size_t i, uint64_t *lengths,
			  unsigned char (*sha256)[CART_SHA256_SIZE],
			  struct cart_err *err)
{
	const struct cart_seal_segment *g = &c->seal.segments[i];
	struct cart_source *s = c->o->source;
	char composite[CART_COMPOSITE_SIZE];
	uint64_t want;
	size_t n, k;

	if (s->parts(s, c->in.files[i], lengths, sha256, g->n_chunks + 1, &n,
		     composite, err) < 0)
		return -1;
	if (n == 0 && composite_is(c, i, composite))
		return 0;
	/* a copy may be stored in other parts, and is no forgery for that */
	for (k = 0; n == g->n_chunks && k < n; k++) {
		want = g->length - k * CHUNK_BYTES;
		if (lengths[k] != (want < CHUNK_BYTES ? want : CHUNK_BYTES))
			n = 0;
	}
	if (n != g->n_chunks)
		return cart_err_set(err, CART_ERR_INPUT, 0, "segment %zu: no "
				    "SHA-256 of the parts that were sealed is "
				    "kept there, so that it must be read to be "
				    "checked", i + 1);
	for (k = 0; k < n; k++)
		if (memcmp(sha256[k], c->seal.chunks[g->first_chunk + k],
			   CART_SHA256_SIZE) != 0)
			return cart_rule(err, 22, "part %zu of segment %zu is "
					 "not as sealed, by what is said of it "
					 "where it is stored", k + 1, i + 1);
	return 0;
}

static int take_stored(struct check *c, struct cart_err *err)
{
	size_t max = 0, i;
	unsigned char (*sha256)[CART_SHA256_SIZE];
	uint64_t *lengths;
	int rc;

	if (check_lengths(c, err) < 0)
		return -1;
	for (i = 0; i < c->seal.n_segments; i++)
		if (c->seal.segments[i].n_chunks > max)
			max = c->seal.segments[i].n_chunks;
	lengths = calloc(max + 1, sizeof(*lengths));
	sha256 = calloc(max + 1, sizeof(*sha256));
	rc = lengths && sha256 ? 0 : cart_err_nomem(err);
	for (i = 0; rc == 0 && i < c->seal.n_segments; i++)
		rc = compare_stored(c, i, lengths, sha256, err);
	free(lengths);
	free(sha256);
	return rc;
}

struct stream {
	struct cart_walker *walker;
	struct cart_loader *loader;
	uint64_t done;
	struct cart_age_reader *age;
	size_t segment;			/* that age reads */
	uint64_t plain;			/* bytes, of all so far */
	bool begun;			/* a chunk was read */
};

/* One event of the walker goes to the bag. */
static int on_event(struct check *c, struct stream *s, enum cart_walk_event e,
		    struct cart_chunk *chunk, const unsigned char *data,
		    size_t len, struct cart_err *err)
{
	switch (e) {
	case CART_WALK_MEMBER:
		if (c->bag.name[0] == '\0')
			snprintf(c->bag.name, sizeof(c->bag.name), "%s",
				 cart_walker_name(s->walker));
		c->bag.has_mtime = true;
		c->bag.mtime = cart_walker_mtime(s->walker);
		return cart_bag_begin(&c->bag, cart_walker_member(s->walker),
				      err);
	case CART_WALK_DATA:
		return cart_bag_data(&c->bag, chunk, data, len, err);
	case CART_WALK_MEMBER_END:
		return cart_bag_end(&c->bag, err);
	default:
		return 0;
	}
}

/* chunk: what the bytes lie in, NULL if they do not stay. */
static int walk_bytes(struct check *c, struct stream *s,
		      struct cart_chunk *chunk, const unsigned char *p,
		      size_t left, struct cart_err *err)
{
	const unsigned char *data = NULL;
	size_t len = 0;
	enum cart_walk_event e;

	do {
		e = cart_walker_step(s->walker, &p, &left, &data, &len, err);
		if (e == CART_WALK_BAD ||
		    on_event(c, s, e, chunk, data, len, err) < 0)
			return -1;
	} while (left > 0 || e != CART_WALK_NEED);
	return 0;
}

/* --- an encrypted stream: each segment is an age file (F25) --- */

static int age_failed(size_t segment, struct cart_err *err)
{
	struct cart_err why = *err;

	if (why.class == CART_ERR_CRYPTO && why.code == CART_AGE_NO_MATCH &&
	    segment == 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--identity: %s",
				    why.text);
	if (why.class == CART_ERR_MEMORY)
		return -1;
	return cart_rule(err, 25, "segment %zu: %s", segment + 1, why.text);
}

static int end_age(struct check *c, struct stream *s, struct cart_err *err)
{
	const unsigned char *plain;
	size_t len;
	int rc;

	if (!s->age)
		return 0;
	rc = cart_age_reader_end(s->age, &plain, &len, err);
	cart_age_reader_reset(s->age);
	if (rc < 0)
		return age_failed(s->segment, err);
	s->plain += len;
	return rc > 0 ? walk_bytes(c, s, NULL, plain, len, err) : 0;
}

static int next_age(struct check *c, struct stream *s, struct cart_err *err)
{
	if (end_age(c, s, err) < 0)
		return -1;
	if (s->plain % 512)
		return cart_rule(err, 25, "segment %zu does not end with a "
				 "block of the tar", s->segment + 1);
	return 0;
}

static int walk_age(struct check *c, struct stream *s, struct cart_chunk *chunk,
		    struct cart_err *err)
{
	unsigned char *p = chunk->data;
	const unsigned char *plain;
	size_t left = chunk->len, len;
	bool stays;
	int rc;

	if (chunk->offset == 0 && chunk->number > 0 && next_age(c, s, err) < 0)
		return -1;
	s->segment = chunk->segment;
	while ((rc = cart_age_reader_step(s->age, &p, &left, &plain, &len,
					  err)) > 0) {
		s->plain += len;
		stays = plain >= chunk->data && plain < chunk->data + chunk->len;
		if (walk_bytes(c, s, stays ? chunk : NULL, plain, len, err) < 0)
			return -1;
	}
	return rc < 0 ? age_failed(s->segment, err) : 0;
}

/* Without an identity: each segment begins as an age file must. */
static int look_at_age(const struct cart_chunk *chunk, struct cart_err *err)
{
	size_t len;

	if (chunk->offset > 0)
		return 0;
	if (cart_age_header_check(chunk->data, chunk->len, &len, err) < 0)
		return age_failed(chunk->segment, err);
	/* a nonce and the tag of one block follow at least */
	if (len == 0 || chunk->len - len < 32)
		return cart_rule(err, 25, "segment %zu is cut short",
				 chunk->segment + 1);
	return 0;
}

/* The first bytes say whether the stream is encrypted. */
static int look_at_first(struct check *c, struct stream *s,
			 const struct cart_chunk *chunk, struct cart_err *err)
{
	const struct cart_verify_options *o = c->o;

	s->begun = true;
	c->v->encrypted = chunk->len >= CART_AGE_MAGIC_SIZE &&
			  memcmp(chunk->data, CART_AGE_MAGIC,
				 CART_AGE_MAGIC_SIZE) == 0;
	if (c->in.kind == INPUT_FILES && c->in.encrypted != c->v->encrypted)
		return cart_rule(err, 25, "%s", c->in.encrypted ?
				 "a .tar.age that is not an age file" :
				 "a .tar that is an age file");
	if (!c->v->encrypted)
		return 0;
	if (o->identities) {
		s->age = cart_age_reader_new(o->identities, err);
		c->v->opened = s->age != NULL;
		if (s->age)
			cart_age_reader_pool(s->age, c->crew.pool);
		return s->age ? 0 : -1;
	}
	if (o->line || o->member)
		return cart_err_set(err, CART_ERR_USAGE, 0, "the bundle is "
				    "encrypted: give the identity that opens "
				    "it (--identity FILE)");
	c->sealed_only = true;
	return 0;
}

static int take_chunk(struct check *c, struct stream *s,
		      struct cart_chunk *chunk, struct cart_err *err)
{
	int rc;

	if (!s->begun && look_at_first(c, s, chunk, err) < 0)
		return -1;
	if (c->sealed_only)
		rc = look_at_age(chunk, err);
	else if (s->age)
		rc = walk_age(c, s, chunk, err);
	else
		rc = walk_bytes(c, s, chunk, chunk->data, chunk->len, err);
	if (rc < 0)
		return -1;
	s->done += chunk->len;
	if (c->o->progress)
		c->o->progress(c->o->progress_arg, s->done,
			       cart_loader_total(s->loader));
	return 0;
}

static int walk_stream(struct check *c, struct stream *s, struct cart_err *err)
{
	struct cart_chunk *chunk;
	int rc;

	while ((rc = cart_loader_next(s->loader, &chunk, err)) > 0) {
		rc = take_chunk(c, s, chunk, err);
		cart_chunk_unref(chunk);
		if (rc < 0)
			return -1;
	}
	if (rc < 0 || end_age(c, s, err) < 0)
		return -1;
	if (c->sealed_only)
		return 0;
	if (c->partial) {
		if (cart_walker_ended(s->walker))
			c->unknown = "the seal says partial, but the stream is "
				     "whole";
		return 0;
	}
	if (!cart_walker_ended(s->walker)) {
		c->truncated = !c->has_seal;
		return cart_rule(err, 3, "the stream ends before its end");
	}
	if (cart_bag_finish(&c->bag, err) < 0)
		return -1;
	c->whole = true;
	return 0;
}

/* Steps 2 and 3. */
static int take_stream(struct check *c, struct cart_err *err)
{
	const struct cart_loader_options o = {
		.crew = &c->crew,
		.input = &c->in,
		.seal = c->has_seal ? &c->seal : NULL,
	};
	struct stream s = { 0 };
	int rc = -1;

	if (check_lengths(c, err) < 0)
		return -1;
	s.walker = cart_walker_new(c->has_seal ? c->seal.name : NULL);
	s.loader = cart_loader_new(&o, err);
	if (!s.walker)
		cart_err_nomem(err);
	if (s.walker && s.loader)
		rc = walk_stream(c, &s, err);
	if (s.walker)
		c->v->bytes_parsed = cart_walker_offset(s.walker);
	/* the group's members may still be read from the loader's buffers */
	cart_bag_settle(&c->bag);
	cart_loader_free(s.loader);
	cart_walker_free(s.walker);
	cart_age_reader_free(s.age);
	return rc;
}

/* --- step 4 --- */

/* The log's root stands for the one of a tag manifest that never was. */
static int check_partial(struct check *c, struct cart_err *err)
{
	struct cart_bag *b = &c->bag;

	memcpy(b->root, c->seal.log_root, sizeof(b->root));
	memcpy(b->state, c->seal.state, sizeof(b->state));
	snprintf(b->purpose, sizeof(b->purpose), "%s",
		 b->has_examiner ? "examiner" : "session");
	if (b->log.merkle.size == 0)
		return cart_rule(err, 26, "no log part is in what was sealed");
	return cart_logcheck_kept(&b->log, err);
}

static int check_seal(const struct check *c, struct cart_err *err)
{
	const struct cart_bag *b = &c->bag;
	unsigned char root[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];

	cart_merkle_root(&b->log.merkle, root);
	cart_text_hex(root, sizeof(root), hex);
	if (strcmp(c->seal.case_id, b->log.case_id) != 0)
		return cart_rule(err, 21, "the seal names another case");
	if (strcmp(c->seal.root, b->root) != 0)
		return cart_rule(err, 21, "the seal names another root");
	if (c->seal.log_size != b->log.merkle.size ||
	    strcmp(c->seal.log_root, hex) != 0)
		return cart_rule(err, 21, "the seal names another log");
	if (strcmp(c->seal.state, b->state) != 0)
		return cart_rule(err, 21, "the seal names another state");
	return 0;
}

static int check_outer(const struct check *c, struct cart_err *err)
{
	const struct cart_public_key *key = cart_bag_key(&c->bag);
	struct cart_err why = { 0 };
	char comment[512];

	if (!c->in.has_signature)
		return 0;
	cart_bag_comment(&c->bag, "crashcart seal", c->bag.purpose, comment);
	if (strcmp(c->outer.untrusted, "crashcart seal") != 0 ||
	    strcmp(c->outer.trusted, comment) != 0)
		return cart_rule(err, 23, "the comments of the outer seal");
	if (memcmp(c->outer.key_id, key->id, sizeof(key->id)) != 0)
		return cart_rule(err, 23, "outer and inner seal are not by the "
				 "same key");
	if (cart_minisign_verify(&c->outer, key, c->prehash, &why) < 0)
		return cart_rule_because(err, 23, &why, "the outer seal");
	return 0;
}

/* F21-F23, as far as they can be seen from outside of what is encrypted. */
static int check_outside(struct check *c, struct cart_err *err)
{
	static const char *const purposes[] = { "session", "examiner" };
	char comment[512];
	size_t i;

	if (!c->in.has_signature)
		return 0;
	for (i = 0; i < 2; i++) {
		snprintf(comment, sizeof(comment), "crashcart seal bundle=%s "
			 "case=%s purpose=%s root=%s", c->seal.name,
			 c->seal.case_id, purposes[i], c->seal.root);
		if (strcmp(c->outer.untrusted, "crashcart seal") == 0 &&
		    strcmp(c->outer.trusted, comment) == 0)
			break;
	}
	if (i == 2)
		return cart_rule(err, 23, "the comments of the outer seal");
	snprintf(c->purpose, sizeof(c->purpose), "%s", purposes[i]);
	return 0;
}

static int check_counters(const struct check *c, struct cart_err *err)
{
	char comment[512];
	size_t i;

	snprintf(comment, sizeof(comment), "crashcart counter-signature "
		 "bundle=%s case=%s root=%s", c->seal.name, c->seal.case_id,
		 c->seal.root);
	for (i = 0; i < c->in.n_counters; i++)
		if (strcmp(c->counters[i].untrusted,
			   "crashcart counter-signature") != 0 ||
		    strcmp(c->counters[i].trusted, comment) != 0)
			return cart_rule(err, 23, "the comments of a "
					 "counter-signature");
	return 0;
}

/* --- all of it --- */

static int verify_outside(struct check *c, struct cart_err *err)
{
	if (check_outside(c, err) < 0 || check_counters(c, err) < 0)
		return -1;
	/* the key that would tell lies inside: only one of the reader's can */
	c->v->bytes_intact = c->v->signed_ok && !c->o->stored_only;
	c->v->signer_claimed = !c->v->signed_ok || c->v->countersigned;
	if (c->o->stored_only)
		c->unknown = c->v->signed_ok ?
			"what is stored is as sealed, by the word of whoever "
			"stores it; nothing of it was read" :
			"what is stored is as the seal says, by the word of "
			"whoever stores it; but no key that you named made the "
			"seal, so that its signature was not checked";
	else
		c->unknown = c->v->signed_ok ?
			"the stored bytes are as sealed; they are encrypted, and "
			"what is inside was not checked: give --identity" :
			"no key that you named made the seal, so that its signature "
			"was not checked, and what is inside is encrypted: give "
			"--pubkey and --identity";
	return 0;
}

static int verify_stream(struct check *c, struct cart_err *err)
{
	if (c->in.has_seal && take_seal(c, err) < 0)
		return -1;
	if (c->unknown)
		return 0;
	c->v->stored_only = c->o->stored_only;
	if (c->o->stored_only) {
		if (!c->has_seal)
			return cart_err_set(err, CART_ERR_INPUT, 0, "there is "
					    "no seal to compare with");
		return take_stored(c, err) < 0 ? -1 : verify_outside(c, err);
	}
	if (take_stream(c, err) < 0) {
		if (!c->truncated)
			return -1;
		c->unknown = "there is no seal, and the stream is not "
			     "complete: the collection never ended";
		return cart_logcheck_kept(&c->bag.log, err);
	}
	if (!c->has_seal) {
		c->unknown = c->sealed_only ?
			"there is no seal, and what is inside is encrypted" :
			"there is no seal: what is inside agrees with "
			"itself, but nothing says that it is complete";
		return 0;
	}
	if (c->sealed_only)
		return verify_outside(c, err);
	if (c->unknown)
		return 0;
	if (c->partial && check_partial(c, err) < 0)
		return -1;
	if (check_seal(c, err) < 0 || check_outer(c, err) < 0 ||
	    check_counters(c, err) < 0)
		return -1;
	c->v->bytes_intact = true;
	if (c->partial)
		c->unknown = "what is there is as sealed, but it was sealed as "
			     "partial: how much was to follow is not known";
	return 0;
}

static int verify_folder(struct check *c, struct cart_err *err)
{
	c->v->extracted = true;
	if (cart_folder_name(c->in.dirfd, c->bag.name, err) < 0 ||
	    cart_folder_walk(c->in.dirfd, &c->bag, err) < 0 ||
	    cart_bag_finish(&c->bag, err) < 0)
		return -1;
	c->v->bytes_intact = c->whole = true;
	if (c->partial)
		c->unknown = "what is there is as sealed, but it was sealed as "
			     "partial: how much was to follow is not known";
	return 0;
}

/* Who made the inner seal; in an extracted bag, all that there is. */
static int check_inner(struct check *c, struct cart_err *err)
{
	struct cart_public_key key = { 0 };
	int rc = trusted(c, &c->bag.inner, c->bag.tag_prehash,
			 "the inner seal", &key, err);

	if (rc < 0)
		return -1;
	c->v->inner_ok = rc > 0;
	c->inner_key = key;
	if (c->in.kind != INPUT_FOLDER)
		return 0;
	cart_minisign_id_text(c->bag.inner.key_id, c->v->signer_id);
	c->v->signed_ok = rc > 0;
	if (rc > 0) {
		c->v->trusted = key;
		hold(c, &key, false);
	}
	return 0;
}

/* Whose keys counted then, by the trust file. */
static void judge(struct check *c)
{
	struct cart_held inner = { .key = c->inner_key };
	struct cart_verdict *v = c->v;
	int64_t ended = c->bag.log.end_ns;
	size_t i;

	for (i = 0; i < v->n_stamps; i++)
		/* a time stamp may be in whole seconds */
		v->stamp[i].before_end = v->stamp[i].anchored &&
			ended - v->stamp[i].gen_ns >= 1000000000;
	if (!c->bag.log.ended)
		ended = INT64_MIN;
	cart_trust_judge(c->o, c->held, c->n_held, ended, v);
	v->inner_ok = v->inner_ok && cart_trust_counts(c->o, &inner, ended, v);
	if (v->order.verdict == CART_ATTEST_VALID && !v->signed_ok) {
		v->order.verdict = CART_ATTEST_UNKNOWN;
		snprintf(v->order.text, sizeof(v->order.text), "%s",
			 "no key that you named sealed this bundle");
	}
}

static int run(struct check *c, struct cart_err *err)
{
	if ((c->o->source ? cart_input_open_source(c->o, &c->in, err) :
	     cart_input_open(c->o->bundle, c->o->seal_path, &c->in,
			     err)) < 0 ||
	    cart_crew_start(&c->crew, c->o->threads, err) < 0)
		return -1;
	c->v->beside = c->in.beside;
	c->v->beside_alike = c->in.beside_alike;
	if (cart_heads_judge(c->o, c->v, err) < 0)
		return -1;
	/* the outer or inner seal, and each counter-signature */
	c->held = calloc(c->in.n_counters + 1, sizeof(*c->held));
	if (!c->held)
		return cart_err_nomem(err);
	cart_bag_init(&c->bag, &c->crew);
	c->bag.member = c->o->member;
	c->bag.log.line = c->o->line;
	c->bag.log.heads = c->o->heads;
	c->bag.log.n_heads = c->o->n_heads;
	c->bag.arg = c->bag.log.arg = c->o->arg;
	if (c->o->attestation) {
		c->attest = (struct cart_attest){ .o = c->o, .in = &c->in,
			.bag = &c->bag, .v = c->v };
		c->bag.log.line = on_line;
		c->bag.log.arg = c;
		if (cart_attest_init(&c->attest, err) < 0)
			return -1;
	}
	if (c->in.kind == INPUT_FOLDER ? verify_folder(c, err) < 0 :
					 verify_stream(c, err) < 0)
		return -1;
	if (c->unknown) {
		judge(c);
		return 0;
	}
	if (check_inner(c, err) < 0)
		return -1;
	if (cart_stamps_check(&c->bag, c->o->tsa_roots, c->o->tsa_roots_len,
			      c->v->stamp, err) < 0)
		return -1;
	c->v->n_stamps = c->bag.n_stamps;
	cart_order_judge(c->o, &c->bag.log.order, c->bag.log.case_id,
			 c->bag.manifest_hex, &c->v->order);
	judge(c);
	if (c->o->tsa_roots && !c->v->stamp[0].anchored &&
	    !c->v->stamp[1].anchored && !c->v->counter_stamp.anchored)
		c->unknown = "no authority that you named anchored the time";
	return 0;
}

/* A text into which something of the bundle may have come: no byte of it may
 * steer a terminal. */
static void tidy(char *text, size_t size)
{
	struct cart_buf b;

	if (cart_text_is_printable(text, strlen(text)))
		return;
	cart_buf_init(&b, 4 * size);
	cart_text_escape(text, strlen(text), &b);
	snprintf(text, size, "%s", cart_buf_ok(&b) && b.len > 0 ?
		 (char *)b.data : "");
	cart_buf_clear(&b);
}

static void tidy_all(struct cart_verdict *v)
{
	size_t i;

	tidy(v->reason, sizeof(v->reason));
	tidy(v->name, sizeof(v->name));
	tidy(v->case_id, sizeof(v->case_id));
	tidy(v->state, sizeof(v->state));
	tidy(v->root, sizeof(v->root));
	tidy(v->trust_text, sizeof(v->trust_text));
	tidy(v->order.text, sizeof(v->order.text));
	tidy(v->order.by, sizeof(v->order.by));
	for (i = 0; i < v->n_heads; i++) {
		tidy(v->head[i].stamp.by, sizeof(v->head[i].stamp.by));
		tidy(v->head[i].stamp.why_not,
		     sizeof(v->head[i].stamp.why_not));
	}
	tidy(v->counter_stamp.by, sizeof(v->counter_stamp.by));
	tidy(v->counter_stamp.why_not, sizeof(v->counter_stamp.why_not));
	for (i = 0; i < CART_STAMPS_MAX; i++) {
		tidy(v->stamp[i].url, sizeof(v->stamp[i].url));
		tidy(v->stamp[i].error, sizeof(v->stamp[i].error));
		tidy(v->stamp[i].by, sizeof(v->stamp[i].by));
		tidy(v->stamp[i].why_not, sizeof(v->stamp[i].why_not));
	}
}

static void report(struct check *c)
{
	struct cart_verdict *v = c->v;
	const struct cart_bag *b = &c->bag;
	size_t i;

	memcpy(v->name, b->name, sizeof(v->name));
	memcpy(v->case_id, b->log.case_id, sizeof(v->case_id));
	memcpy(v->state, b->state, sizeof(v->state));
	memcpy(v->root, b->root, sizeof(v->root));
	memcpy(v->signer_kind, b->purpose, sizeof(v->signer_kind));
	v->sessions = b->log.sessions;
	for (i = 0; i < sizeof(v->continued_line) / sizeof(uint64_t); i++)
		v->continued_line[i] = b->log.continued[i];
	v->members = b->members;
	v->lines = b->log.merkle.size;
	v->heads_given = c->o->n_heads;
	v->heads_kept = b->log.heads_found;
	v->exhibits = b->log.exhibits;
	v->gaps = b->log.gaps;
	v->bytes = b->payload_bytes;
	if ((!c->sealed_only && !v->stored_only) || !c->has_seal)
		return;
	/* all that is known is what the seal says */
	memcpy(v->name, c->seal.name, sizeof(v->name));
	memcpy(v->case_id, c->seal.case_id, sizeof(v->case_id));
	memcpy(v->state, c->seal.state, sizeof(v->state));
	memcpy(v->root, c->seal.root, sizeof(v->root));
	if (!v->signer_claimed)
		memcpy(v->signer_kind, c->purpose, sizeof(v->signer_kind));
	v->lines = c->seal.log_size;
	for (i = 0; i < c->seal.n_segments; i++)
		v->bytes += c->seal.segments[i].length;
}

static void decide(struct check *c)
{
	struct cart_verdict *v = c->v;
	const char *why = "everything holds, and a key that you named made the "
			  "seal";

	v->kind = CART_VERDICT_VALID;
	if (v->extracted && v->signed_ok)
		why = "everything in the extracted bag is as its inner seal "
		      "says, made by a key that you named";
	if (v->countersigned)
		why = "everything holds, and a key that you named "
		      "counter-signed the seal; another key, which you did not "
		      "name, made it";
	if (!c->unknown && c->bag.log.heads_found < c->o->n_heads)
		c->unknown = "the heads that you kept were not checked";
	if (c->unknown || !v->signed_ok)
		v->kind = CART_VERDICT_UNKNOWN;
	if (c->unknown)
		why = c->unknown;
	else if (!v->signed_ok && v->trust_name[0])
		why = "everything holds, but the key that made the seal did not "
		      "count then, by your trust file";
	else if (!v->signed_ok)
		why = c->o->n_keys == 0 && !c->o->trust ?
			"everything holds, but you named no key to trust" :
			"everything holds, but no key that you named made the "
			"seal";
	snprintf(v->reason, sizeof(v->reason), "%s", why);
}

static void refuse(struct check *c, const struct cart_err *err)
{
	const char *colon = strstr(err->text, ": ");

	c->v->kind = CART_VERDICT_INVALID;
	c->v->signed_ok = c->v->inner_ok = c->v->bytes_intact = false;
	c->v->countersigned = false;
	snprintf(c->v->rule, sizeof(c->v->rule), "F%d",
		 cart_rule_number(err));
	snprintf(c->v->reason, sizeof(c->v->reason), "%s",
		 colon ? colon + 2 : err->text);
}

int cart_verify(const struct cart_verify_options *o, struct cart_verdict *ret,
		struct cart_err *err)
{
	struct cart_err why = { 0 };
	struct check c = { .o = o, .v = ret };
	int rc = 0;

	memset(ret, 0, sizeof(*ret));
	c.in.dirfd = c.in.pipe_fd = -1;
	if (run(&c, &why) == 0) {
		decide(&c);
		if (o->attestation && c.whole)
			rc = cart_attest_run(&c.attest, err);
	} else if (cart_rule_number(&why)) {
		refuse(&c, &why);
	} else {
		if (err)
			*err = why;
		rc = -1;
	}
	report(&c);
	tidy_all(ret);
	cart_attest_clear(&c.attest);
	cart_bag_clear(&c.bag);
	cart_crew_stop(&c.crew);
	cart_seal_clear(&c.seal);
	free(c.counters);
	free(c.held);
	cart_input_close(&c.in);
	return rc;
}
