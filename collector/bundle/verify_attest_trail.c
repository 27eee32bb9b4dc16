/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_attest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/attest_cloudtrail.h>
#include <crashcart/clock.h>
#include <crashcart/text.h>

/*
 * CloudTrail: digest objects, their user metadata, ListPublicKeys answers and
 * log objects, all of them exhibits, give the same verdicts again that the
 * step cloudtrail.digests gave, without AWS.
 */

#define CHAINS_MAX 4096u
#define LOG_INFLATED_MAX ((size_t)64 << 20)
#define LOG_JOINED_MAX ((size_t)512 << 20)	/* of one in several parts */
/* Logs that digests name by different hashes. */
#define AGAIN_MAX 1000u
#define ANSWER_MAX ((size_t)16 << 20)

enum tag { DIGEST, LOG, KEYS, WINDOW };

/* An account's, region's and trail's digests, as one instance kept them. */
struct chain {
	unsigned char id[16], instance[16];
	struct cart_trail_name name;
};

struct window {
	unsigned char instance[16];
	int64_t start_ns, end_ns, now_ns;
};

struct state {
	struct chain *chains;
	size_t n_chains, cap_chains;
	size_t left_out;		/* digests of more chains than that */
	struct window *windows;
	size_t n_windows;
};

static const char *text(const struct cart_json *j, const char *key)
{
	const char *s = cart_json_get_string(j, key);

	return s ? s : "";
}

/* ---- which exhibits ----------------------------------------------------------- */

static void hash_place(const char *bucket, const char *key,
		       unsigned char out[16])
{
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_sha256 c;

	cart_sha256_init(&c);
	cart_sha256_update(&c, bucket, strlen(bucket));
	cart_sha256_update(&c, "/", 1);
	cart_sha256_update(&c, key, strlen(key));
	cart_sha256_final(&c, sha256);
	memcpy(out, sha256, 16);
}

static int intern(struct state *s, const unsigned char instance[16],
		  const char *bucket, const struct cart_trail_name *name,
		  uint32_t *ret)
{
	struct chain *bigger, c = { .name = *name };
	char all[700], hex[33];
	size_t i, cap;

	cart_text_hex(instance, 16, hex);
	snprintf(all, sizeof(all), "%s %.127s %s %s %s %s %d", hex, bucket,
		 name->account, name->region, name->trail, name->home_region,
		 name->backfill);
	hash_place("chain", all, c.id);
	memcpy(c.instance, instance, sizeof(c.instance));
	for (i = 0; i < s->n_chains; i++) {
		if (memcmp(s->chains[i].id, c.id, sizeof(c.id)) == 0) {
			*ret = (uint32_t)i;
			return 1;
		}
	}
	if (s->n_chains == CHAINS_MAX) {
		s->left_out++;
		return 0;
	}
	if (s->n_chains == s->cap_chains) {
		cap = s->cap_chains ? 2 * s->cap_chains : 16;
		bigger = realloc(s->chains, cap * sizeof(*bigger));
		if (!bigger)
			return -1;
		s->chains = bigger;
		s->cap_chains = cap;
	}
	s->chains[s->n_chains] = c;
	*ret = (uint32_t)s->n_chains++;
	return 1;
}

static bool is_log(const char *key)
{
	size_t len = strlen(key);

	return len > 8 && strcmp(key + len - 8, ".json.gz") == 0 &&
		strstr(key, "/CloudTrail/") && strstr(key, "_CloudTrail_");
}

static int wants(void *state, const struct cart_json *line,
		 const unsigned char instance[16], struct cart_attest_item *it)
{
	const struct cart_json *origin = cart_json_get(line, "origin");
	const char *operation = text(origin, "operation");
	const char *bucket = text(origin, "bucket"), *key = text(origin, "key");
	struct cart_trail_name name;

	memcpy(it->name, instance, sizeof(it->name));
	if (strcmp(operation, "ListPublicKeys") == 0 &&
	    strcmp(text(origin, "service"), "cloudtrail") == 0) {
		it->tag = KEYS;
		return 1;
	}
	if (strcmp(text(origin, "kind"), "cloudtrail-verdicts") == 0) {
		it->tag = WINDOW;
		return 1;
	}
	if (strcmp(operation, "GetObject") != 0 || !bucket[0])
		return 0;
	if (cart_trail_digest_name(key, &name) == 0) {
		it->tag = DIGEST;
		it->order = name.end_ns;
		return intern(state, instance, bucket, &name, &it->group);
	}
	if (!is_log(key))
		return 0;
	it->tag = LOG;
	hash_place(bucket, key, it->name);
	return 1;
}

static void clear(void *state)
{
	struct state *s = state;

	free(s->chains);
	free(s->windows);
}

/* By tag; digests by chain, newest first; logs by name; else as in the log. */
static int order(const void *a, const void *b)
{
	const struct cart_attest_item *x = a, *y = b;
	int d = (int)x->tag - (int)y->tag;

	if (d == 0 && x->tag == DIGEST) {
		if (x->group != y->group)
			return x->group < y->group ? -1 : 1;
		if (x->order != y->order)
			return x->order > y->order ? -1 : 1;
	}
	if (d == 0 && x->tag == LOG)
		d = memcmp(x->name, y->name, sizeof(x->name));
	if (d != 0)
		return d;
	if (x->log_part != y->log_part)
		return x->log_part < y->log_part ? -1 : 1;
	return x->line_at < y->line_at ? -1 : 1;
}

/* ---- keys and windows ----------------------------------------------------------- */

struct check {
	struct cart_attest *a;
	struct state *s;
	struct cart_attest_item *items, *logs;
	size_t n, n_logs, n_again;
	struct cart_trail_log *read;	/* of each log; item->group */
	struct cart_trail_keys *keys;
	struct cart_buf data;
	/* of the chain that is being checked */
	const struct chain *chain;
	const char *exhibit;
	uint64_t digests[3], log[3], absent, gaps;
	int64_t gap_s;
};

static int add_keys(struct check *c, const struct cart_attest_item *it,
		    struct cart_err *err)
{
	const struct cart_json_limits limits = { .inexact = true };
	struct cart_json *line = cart_attest_get_line(c->a, it, err);
	struct cart_json *answer = NULL;
	struct cart_err bad = { 0 };
	const char *why;
	int rc;

	if (!line)
		return -1;
	rc = cart_attest_get_data(c->a, it, line, &c->data, &why, err);
	if (rc > 0)
		answer = cart_json_parse(c->data.data, c->data.len, &limits,
					 &bad);
	/* an answer that cannot be read gives no keys, and so says cannot
	 * tell below */
	if (answer && cart_trail_keys_add(c->keys, text(cart_json_get(
			line, "origin"), "region"), answer, &bad) < 0 &&
	    bad.class == CART_ERR_MEMORY)
		rc = cart_err_nomem(err);
	cart_json_free(answer);
	cart_json_free(line);
	return rc < 0 ? -1 : 0;
}

/* Keys that the reader has from AWS. */
static int given_keys(struct check *c, struct cart_err *err)
{
	const struct cart_json *e = cart_json_first(c->a->o->aws_keys);
	struct cart_err bad = { 0 };

	for (; e; e = cart_json_next(e)) {
		if (cart_trail_keys_add(c->keys, NULL, e, &bad) < 0 &&
		    bad.class == CART_ERR_MEMORY)
			return cart_err_nomem(err);
	}
	return 0;
}

static int read_time(const struct cart_json *o, const char *key, int64_t *ret)
{
	const char *s = text(o, key);

	return cart_clock_parse(s, strlen(s), ret);
}

static int add_window(struct check *c, const struct cart_attest_item *it,
		      struct cart_err *err)
{
	struct cart_json *line = cart_attest_get_line(c->a, it, err);
	const struct cart_json *o = cart_json_get(line, "origin");
	struct window w, *bigger;

	if (!line)
		return -1;
	memcpy(w.instance, it->name, sizeof(w.instance));
	if (read_time(o, "start", &w.start_ns) == 0 &&
	    read_time(o, "end", &w.end_ns) == 0 &&
	    read_time(o, "asked", &w.now_ns) == 0 &&
	    c->s->n_windows < CHAINS_MAX) {
		bigger = realloc(c->s->windows, (c->s->n_windows + 1) *
				 sizeof(*bigger));
		if (bigger) {
			c->s->windows = bigger;
			c->s->windows[c->s->n_windows++] = w;
		}
	}
	cart_json_free(line);
	return 0;
}

/* ---- one chain --------------------------------------------------------------------- */

static void say(struct check *c, const char *object, enum cart_attest_verdict v,
		const char *exhibit, int64_t seconds, const char *what)
{
	const struct cart_attestation s = { .object = object, .verdict = v,
		.exhibit = exhibit, .text = what, .seconds = seconds };

	cart_attest_say(c->a, &s);
}

static enum cart_attest_verdict verdict_of(enum cart_trail_verdict v)
{
	return v == CART_TRAIL_VALID ? CART_ATTEST_VALID :
		v == CART_TRAIL_INVALID ? CART_ATTEST_INVALID :
		CART_ATTEST_UNKNOWN;
}

static void found(void *arg, const struct cart_trail_finding *f)
{
	struct check *c = arg;
	int64_t seconds = (f->end_ns - f->start_ns) / 1000000000;
	char from[CART_CLOCK_TEXT_SIZE], to[CART_CLOCK_TEXT_SIZE];
	char what[2048];

	if (f->kind == CART_TRAIL_DIGEST || f->kind == CART_TRAIL_MISSING) {
		c->digests[f->verdict]++;
		cart_attest_count(c->a, verdict_of(f->verdict));
		if (f->verdict == CART_TRAIL_VALID)
			return;
		snprintf(what, sizeof(what), "s3://%.255s/%.1023s: %.500s",
			 f->bucket, f->key, f->reason);
		say(c, f->kind == CART_TRAIL_MISSING ? "missing-digest" :
		    "digest", verdict_of(f->verdict),
		    f->kind == CART_TRAIL_DIGEST ? c->exhibit : NULL, -1, what);
		return;
	}
	cart_clock_text(f->start_ns, 0, from);
	cart_clock_text(f->end_ns, 0, to);
	snprintf(what, sizeof(what), "%s %s, trail %s, from %s to %s (%" PRId64
		 " s): %.500s", c->chain->name.account, c->chain->name.region,
		 c->chain->name.trail, from, to, seconds, f->reason);
	if (f->kind == CART_TRAIL_GAP) {
		c->gaps++;
		c->gap_s += seconds;
	}
	say(c, f->kind == CART_TRAIL_GAP ? "gap" : "pending",
	    CART_ATTEST_UNKNOWN, NULL, seconds, what);
}

static struct cart_attest_item *first_log(struct check *c,
					  const unsigned char name[16])
{
	size_t from = 0, to = c->n_logs, at;

	while (from < to) {
		at = from + (to - from) / 2;
		if (memcmp(c->logs[at].name, name, 16) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from < c->n_logs && memcmp(c->logs[from].name, name, 16) == 0 ?
		&c->logs[from] : NULL;
}

static int check_log(struct check *c, const struct cart_json *entry,
		     struct cart_attest_item *it, struct cart_err *err)
{
	char reason[160], what[2048];
	enum cart_trail_verdict v = cart_trail_log_judge(
		entry, &c->read[it->group], reason);
	struct cart_json *line;

	c->log[v]++;
	cart_attest_count(c->a, verdict_of(v));
	if (v == CART_TRAIL_VALID)
		return 0;
	line = cart_attest_get_line(c->a, it, err);
	if (!line)
		return -1;
	snprintf(what, sizeof(what), "s3://%.255s/%.1023s: %s",
		 text(entry, "s3Bucket"), text(entry, "s3Object"), reason);
	say(c, "log", verdict_of(v), text(line, "exhibit"), -1, what);
	cart_json_free(line);
	return 0;
}

/* A log that is named again by the same hash says nothing new, and a hostile
 * bundle must not make us inflate one object a million times. */
static bool is_due(struct check *c, struct cart_attest_item *it,
		   const char *hash)
{
	unsigned char sha256[CART_SHA256_SIZE];
	int64_t expected;

	cart_sha256(hash, strlen(hash), sha256);
	memcpy(&expected, sha256, sizeof(expected));
	if (it->used && it->order == expected)
		return false;
	if (it->used && c->n_again++ >= AGAIN_MAX)
		return false;
	it->used = true;
	it->order = expected;
	return true;
}

/* Every copy in the bundle of every log that a valid digest names. */
static int check_logs(struct check *c, const struct cart_json *logs,
		      struct cart_err *err)
{
	const struct cart_json *e = cart_json_first(logs);
	struct cart_attest_item *it;
	unsigned char name[16];

	for (; e; e = cart_json_next(e)) {
		hash_place(text(e, "s3Bucket"), text(e, "s3Object"), name);
		it = first_log(c, name);
		if (!it)
			c->absent++;
		for (; it && it < c->logs + c->n_logs &&
		     memcmp(it->name, name, sizeof(name)) == 0; it++) {
			if (is_due(c, it, text(e, "hashValue")) &&
			    check_log(c, e, it, err) < 0)
				return -1;
		}
	}
	return 0;
}

static const char *meta(const struct cart_json *origin, const char *name)
{
	const struct cart_json *m;

	m = cart_json_first(cart_json_get(origin, "metadata"));
	for (; m; m = cart_json_next(m)) {
		/* a list has none */
		if (cart_json_key(m) && strcasecmp(cart_json_key(m), name) == 0)
			return cart_json_string(m);
	}
	return NULL;
}

static int check_digest(struct check *c, struct cart_trail_chain *chain,
			const struct cart_attest_item *it,
			const struct cart_json *line, struct cart_err *err)
{
	const struct cart_json *origin = cart_json_get(line, "origin");
	struct cart_trail_object o = {
		.bucket = text(origin, "bucket"), .key = text(origin, "key"),
		.signature = meta(origin, "signature"),
		.algorithm = meta(origin, "signature-algorithm"),
		.backfill_time = meta(origin, "backfill-generation-timestamp"),
	};
	enum cart_trail_verdict v;
	struct cart_json *logs = NULL;
	int rc;

	c->exhibit = text(line, "exhibit");
	rc = cart_attest_get_data(c->a, it, line, &c->data, &o.missing, err);
	if (rc > 0) {
		o.data = c->data.data;
		o.len = c->data.len;
	}
	if (rc >= 0)
		rc = cart_trail_chain_next(chain, &o, &v, &logs, err);
	if (rc == 0 && v == CART_TRAIL_VALID)
		rc = check_logs(c, logs, err);
	cart_json_free(logs);
	return rc;
}

/* The same object, kept again by a run that went on. */
static bool is_again(const struct cart_json *a, const struct cart_json *b)
{
	return a && strcmp(text(cart_json_get(a, "origin"), "key"),
			   text(cart_json_get(b, "origin"), "key")) == 0 &&
		strcmp(text(a, "sha256"), text(b, "sha256")) == 0 &&
		cart_json_equal(cart_json_get(cart_json_get(a, "origin"),
					      "metadata"),
				cart_json_get(cart_json_get(b, "origin"),
					      "metadata"));
}

static int each_digest(struct check *c, struct cart_trail_chain *chain,
		       const struct cart_attest_item *it, size_t n,
		       struct cart_err *err)
{
	struct cart_json *before = NULL, *line;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++) {
		line = cart_attest_get_line(c->a, &it[i], err);
		if (!line)
			rc = -1;
		else if (!is_again(before, line))
			rc = check_digest(c, chain, &it[i], line, err);
		cart_json_free(before);
		before = line;
	}
	cart_json_free(before);
	return rc;
}

static enum cart_attest_verdict worst(const uint64_t n[3], uint64_t more)
{
	return n[CART_TRAIL_INVALID] ? CART_ATTEST_INVALID :
		n[CART_TRAIL_UNKNOWN] || more ? CART_ATTEST_UNKNOWN :
		CART_ATTEST_VALID;
}

static void sum_up(struct check *c, bool window)
{
	const struct cart_trail_name *n = &c->chain->name;
	struct cart_attestation s = { .object = "digests", .seconds = -1,
				      .summary = true };
	char what[600], of[300];

	snprintf(of, sizeof(of), "trail %s of %s %s%s", n->trail, n->account,
		 n->region, n->backfill ? " (backfill)" : "");
	snprintf(what, sizeof(what), "%s: digests, by the public keys %s: %"
		 PRIu64 " valid, %" PRIu64 " invalid, %" PRIu64
		 " cannot tell; %" PRIu64 " gaps, %" PRId64 " s in all%s", of,
		 c->a->o->aws_keys ? "given (--aws-keys)" : "in the bundle",
		 c->digests[CART_TRAIL_VALID], c->digests[CART_TRAIL_INVALID],
		 c->digests[CART_TRAIL_UNKNOWN], c->gaps, c->gap_s, window ?
		 "" : "; the step did not end: nothing is said of time before "
		 "and after them");
	s.verdict = worst(c->digests, c->gaps);
	s.text = what;
	cart_attest_say(c->a, &s);
	snprintf(what, sizeof(what), "%s: logs that they name: %" PRIu64
		 " valid, %" PRIu64 " invalid, %" PRIu64 " cannot tell, %" PRIu64
		 " not in this bundle", of, c->log[CART_TRAIL_VALID],
		 c->log[CART_TRAIL_INVALID], c->log[CART_TRAIL_UNKNOWN],
		 c->absent);
	s.object = "logs";
	s.verdict = worst(c->log, c->absent);
	cart_attest_say(c->a, &s);
}

static int check_chain(struct check *c, struct cart_attest_item *it, size_t n,
		       struct cart_err *err)
{
	struct cart_trail_options o = { .keys = c->keys, .found = found,
					.arg = c };
	struct cart_trail_chain *chain;
	const struct window *w = NULL;
	size_t i;
	int rc;

	c->chain = &c->s->chains[it->group];
	memset(c->digests, 0, sizeof(c->digests));
	memset(c->log, 0, sizeof(c->log));
	c->absent = c->gaps = 0;
	c->gap_s = 0;
	for (i = 0; i < c->s->n_windows; i++) {
		if (memcmp(c->s->windows[i].instance, c->chain->instance,
			   sizeof(c->chain->instance)) == 0)
			w = &c->s->windows[i];
	}
	o.region = c->chain->name.region;
	o.backfill = c->chain->name.backfill;
	o.start_ns = w ? w->start_ns : INT64_MAX;
	o.end_ns = w ? w->end_ns : it->order;
	o.now_ns = w ? w->now_ns : it->order;
	chain = cart_trail_chain_new(&o, err);
	if (!chain)
		return -1;
	rc = each_digest(c, chain, it, n, err);
	if (rc == 0 && w)
		cart_trail_chain_end(chain);
	cart_trail_chain_free(chain);
	if (rc == 0)
		sum_up(c, w != NULL);
	return rc;
}

/* ---- all of it ------------------------------------------------------------------------ */

static void say_rest(struct check *c)
{
	struct cart_attestation s = { .object = "logs", .seconds = -1,
		.verdict = CART_ATTEST_UNKNOWN, .summary = true };
	char what[200];
	size_t i, left = 0;

	for (i = 0; i < c->n_logs; i++)
		left += !c->logs[i].used;
	s.text = what;
	if (left > 0) {
		snprintf(what, sizeof(what), "%zu log objects that no valid "
			 "digest in this bundle names: nothing but the "
			 "collector's word says that AWS delivered them so",
			 left);
		cart_attest_say(c->a, &s);
	}
	if (c->s->left_out > 0) {
		snprintf(what, sizeof(what), "%zu digests of more than %u chains "
			 "were not checked", c->s->left_out, CHAINS_MAX);
		s.object = "digests";
		cart_attest_say(c->a, &s);
	}
}

static void log_piece(void *arg, const void *data, size_t len)
{
	cart_trail_log_more(arg, data, len);
}

/* One log of any size: 1; 0 with *ret_why; -1. */
static int read_log(struct check *c, const struct cart_attest_item *it,
		    const struct cart_json *line, struct cart_trail_log *ret,
		    const char **ret_why, struct cart_err *err)
{
	struct cart_trail_log_reader *r;
	int rc;

	if (it->stored != CART_ATTEST_JOIN) {
		rc = cart_attest_get_data(c->a, it, line, &c->data, ret_why,
					  err);
		if (rc >= 0)
			cart_trail_log_read(rc > 0 ? c->data.data : NULL,
					    c->data.len, LOG_INFLATED_MAX, ret);
		return rc;
	}
	r = cart_trail_log_new(LOG_JOINED_MAX, ret, err);
	if (!r)
		return -1;
	rc = cart_attest_get_parts(c->a, it, line, log_piece, r, ret_why, err);
	cart_trail_log_end(r);
	if (rc == 0)
		ret->state = CART_TRAIL_UNKNOWN;
	return rc;
}

/* Inflates and hashes every log, in the order in which they lie there: each
 * part of a file set is opened once.  Nothing of them is kept but a hash. */
static int read_logs(struct check *c, struct cart_err *err)
{
	struct cart_attest_item *it;
	struct cart_json *line;
	bool digests = false;
	const char *why;
	size_t i;
	uint32_t n = 0;
	int rc;

	for (i = 0; i < c->n; i++) {
		digests = digests || c->items[i].tag == DIGEST;
		n += c->items[i].tag == LOG;
	}
	if (!digests || n == 0)
		return 0;
	c->read = calloc(n, sizeof(*c->read));
	if (!c->read)
		return cart_err_nomem(err);
	for (i = 0, n = 0; i < c->n; i++) {
		it = &c->items[i];
		if (it->tag != LOG)
			continue;
		it->group = n;
		line = cart_attest_get_line(c->a, it, err);
		if (!line)
			return -1;
		rc = read_log(c, it, line, &c->read[n], &why, err);
		cart_json_free(line);
		if (rc < 0)
			return -1;
		if (rc == 0)
			c->read[n].why = why;
		n++;
	}
	return 0;
}

static int read_aids(struct check *c, struct cart_err *err)
{
	size_t i;

	c->logs = c->items;
	for (i = 0; i < c->n; i++) {
		struct cart_attest_item *it = &c->items[i];

		if (it->tag == LOG && c->n_logs++ == 0)
			c->logs = it;
		if ((it->tag == KEYS && !c->a->o->aws_keys &&
		     add_keys(c, it, err) < 0) ||
		    (it->tag == WINDOW && add_window(c, it, err) < 0))
			return -1;
	}
	return 0;
}

static int check(struct cart_attest *a, void *state,
		 struct cart_attest_item *items, size_t n, struct cart_err *err)
{
	struct check c = { .a = a, .s = state, .items = items, .n = n };
	size_t from, to;
	int rc = -1;

	cart_buf_init(&c.data, ANSWER_MAX);
	if (read_logs(&c, err) < 0)
		goto out;
	qsort(items, n, sizeof(*items), order);
	c.keys = cart_trail_keys_new(err);
	if (!c.keys || given_keys(&c, err) < 0 || read_aids(&c, err) < 0)
		goto out;
	for (from = 0; from < n && items[from].tag == DIGEST; from = to) {
		for (to = from + 1; to < n && items[to].tag == DIGEST &&
		     items[to].group == items[from].group; to++)
			;
		if (check_chain(&c, items + from, to - from, err) < 0)
			goto out;
	}
	say_rest(&c);
	rc = 0;
out:
	cart_trail_keys_free(c.keys);
	cart_buf_clear(&c.data);
	free(c.read);
	return rc;
}

const struct cart_attest_kind cart_attest_trail = {
	.name = "cloudtrail-digests",
	.bundle_keys = true,
	.wants = wants,
	.check = check,
	.state_size = sizeof(struct state),
	.clear = clear,
};
