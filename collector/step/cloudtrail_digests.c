/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudtrail.digests: digest objects of a window with their metadata and the
 * public keys, kept, and what they prove of the logs (attest/).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/attest_cloudtrail.h"
#include "crashcart/clock.h"
#include "cloudtrail_bucket.h"
#include "cloudtrail_compare.h"
#include "cloudtrail_pack.h"
#include "step_support.h"
#include "trail_memory.h"

#define HOUR_NS ((int64_t)3600 * 1000000000)
#define DIGESTS_AHEAD 16
#define LOGS_AHEAD 24
#define DIGESTS_MAX ((size_t)1 << 17)	/* of one account and region */
#define LOG_MAX ((size_t)64 << 20)
#define GAPS_MAX 1000
/* Of what is kept for a summary. */
#define FACTS_MAX ((size_t)40 << 10)
#define GAPS_TOLD 4u			/* of a chain */
#define ABSENT_TOLD 40u
#define PLACES_MAX 4096u

/* A digest object that was listed. */
struct listed {
	struct cart_trail_name name;
	char *key;
};

/* What its chains prove of an account's region. */
struct place {
	char account[16], region[40];
	bool proven, broken, absent;
};

enum log_mode { LOGS_CHECK, LOGS_STORE, LOGS_NONE };

struct digests {
	struct cart_step_ctx *c;
	struct cart_trail_window window;
	enum log_mode mode;
	struct cart_trail_lines lines;
	struct listed *list;		/* of the account and region now listed */
	size_t n, cap;
	/* of the chain that is being checked */
	const char *bucket;
	const struct cart_trail_name *chain;
	struct cart_err told;		/* found() could not write */
	bool broken;
	uint64_t verdicts[2][3], gaps, recorded;	/* digests, logs */
	struct cart_trail_pack pack;
	struct trail_memory *memory;
	int64_t gap_ns;
	/* the same of the chain that is being checked, and all chains */
	uint64_t of_chain[2][3], chain_gaps;
	int64_t chain_gap_ns, from_ns, to_ns, pending_ns;
	struct cart_json *told_gaps, *chains;
	size_t chains_len;
	uint64_t chains_more, fetched;
	/* all chains, by account and region */
	struct cart_json *trails, *regions, *seen;
	struct place *places;
	size_t n_places;
	int64_t proven_ns, unproven_ns;	/* to where; from where not yet */
};

/* The logs that a digest names, until each was looked at: meanwhile the walk
 * goes on to older digests. */
struct named {
	struct cart_json *logs;
	unsigned users;
};

/* What the answer to a GetObject is for. */
struct job {
	struct named *named;		/* log: what holds entry; else NULL */
	const struct cart_json *entry;	/* log: in logFiles */
	size_t index;			/* digest: in the chain */
};

/* A digest whose answer came before its turn. */
struct slot {
	bool there;
	int rc;
	struct cart_err err;
	struct cart_step_reply reply;
};

struct walkway {
	struct digests *d;
	const struct listed *list;	/* newest first */
	size_t n, asked, done;
	struct slot slot[DIGESTS_AHEAD];
	unsigned logs_ahead;
};

/* ---- what was found ---------------------------------------------------------- */

static void text_time(int64_t ns, char out[CART_CLOCK_TEXT_SIZE])
{
	snprintf(out, CART_CLOCK_TEXT_SIZE, "an unknown time");
	if (ns != INT64_MIN)
		cart_clock_text(ns, 0, out);
}

static void record(struct digests *d, const char *what, const char *reason,
		   const char *detail)
{
	if (d->recorded++ < GAPS_MAX)
		cart_step_gap(d->c, what, reason, detail);
}

static void add(struct cart_json *o, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		cart_json_add(o, key, cart_json_new_string(value));
}

static void add_time(struct cart_json *o, const char *key, int64_t ns)
{
	char text[CART_CLOCK_TEXT_SIZE];

	if (ns == INT64_MIN)
		return;
	cart_clock_text(ns, 0, text);
	add(o, key, text);
}

/* Writes and frees the line. */
static void write_line(struct digests *d, struct cart_json *o)
{
	cart_json_print(o, 0, &d->lines.buf);
	cart_json_free(o);
	if (!d->broken && cart_trail_lines_line(&d->lines, &d->told) < 0)
		d->broken = true;
}

static struct cart_json *new_line(const struct digests *d, const char *kind)
{
	struct cart_json *o = cart_json_new_object();

	add(o, "kind", kind);
	add(o, "account", d->chain->account);
	add(o, "region", d->chain->region);
	add(o, "trail", d->chain->trail);
	if (d->chain->backfill)
		cart_json_add(o, "backfill", cart_json_new_bool(true));
	return o;
}

static void found_time(struct digests *d, const struct cart_trail_finding *f)
{
	char from[CART_CLOCK_TEXT_SIZE], to[CART_CLOCK_TEXT_SIZE], what[512];
	bool gap = f->kind == CART_TRAIL_GAP;
	struct cart_json *o = new_line(d, gap ? "gap" : "pending");

	add_time(o, "start", f->start_ns);
	add_time(o, "end", f->end_ns);
	cart_json_add(o, "seconds", cart_json_new_int(
		(f->end_ns - f->start_ns) / 1000000000));
	add(o, "reason", f->reason);
	write_line(d, o);
	text_time(f->start_ns, from);
	text_time(f->end_ns, to);
	snprintf(what, sizeof(what), "proof of CloudTrail logs of %s %s, trail "
		 "%s, from %s to %s (%" PRId64 " s)", d->chain->account,
		 d->chain->region, d->chain->trail, from, to,
		 (f->end_ns - f->start_ns) / 1000000000);
	if (!gap) {
		d->pending_ns = f->start_ns;
		snprintf(what, sizeof(what), "CloudTrail logs of %s %s, trail %s, "
			 "are not yet provable from %s to %s: the digest of the "
			 "last hour comes later", d->chain->account,
			 d->chain->region, d->chain->trail, from, to);
		d->c->ops->note(d->c, what);
		return;
	}
	d->gaps++;
	d->gap_ns += f->end_ns - f->start_ns;
	d->chain_gap_ns += f->end_ns - f->start_ns;
	if (d->chain_gaps++ < GAPS_TOLD && d->told_gaps != NULL) {
		o = cart_json_append(d->told_gaps, cart_json_new_object());
		add_time(o, "start", f->start_ns);
		add_time(o, "end", f->end_ns);
		cart_json_add(o, "seconds", cart_json_new_int(
			(f->end_ns - f->start_ns) / 1000000000));
		add(o, "reason", f->reason);
	}
	record(d, what, "absent", f->reason);
}

static void found(void *arg, const struct cart_trail_finding *f)
{
	struct digests *d = arg;
	struct cart_json *o;
	char what[1400];

	if (f->kind == CART_TRAIL_GAP || f->kind == CART_TRAIL_PENDING) {
		found_time(d, f);
		return;
	}
	o = new_line(d, f->kind == CART_TRAIL_MISSING ? "missing" : "digest");
	add(o, "verdict", cart_trail_verdict_name(f->verdict));
	add(o, "bucket", f->bucket);
	add(o, "key", f->key);
	add_time(o, "start", f->start_ns);
	add_time(o, "end", f->end_ns);
	add(o, "sha256", f->sha256);
	add(o, "fingerprint", f->fingerprint);
	add(o, "reason", f->reason);
	write_line(d, o);
	d->verdicts[0][f->verdict]++;
	d->of_chain[0][f->verdict]++;
	if (f->verdict == CART_TRAIL_VALID) {
		if (d->to_ns == INT64_MIN)
			d->to_ns = f->end_ns;
		d->from_ns = f->start_ns;
		return;
	}
	snprintf(what, sizeof(what), "a %s CloudTrail digest s3://%s/%s",
		 f->verdict == CART_TRAIL_INVALID ? "valid" : "provable",
		 f->bucket, f->key);
	record(d, what, f->verdict == CART_TRAIL_INVALID ? "changed" : "absent",
	       f->reason);
}

/* covered: the gap of its digest says already that it has no proof. */
static void found_log(struct digests *d, const struct cart_json *entry,
		      enum cart_trail_verdict v, const char *reason,
		      bool covered)
{
	const char *bucket = cart_json_get_string(entry, "s3Bucket");
	const char *key = cart_json_get_string(entry, "s3Object");
	struct cart_json *o = new_line(d, "log");
	char what[1400];

	add(o, "verdict", cart_trail_verdict_name(v));
	add(o, "bucket", bucket);
	add(o, "key", key);
	add(o, "sha256", cart_json_get_string(entry, "hashValue"));
	add(o, "reason", reason);
	write_line(d, o);
	d->verdicts[1][v]++;
	d->of_chain[1][v]++;
	if (v == CART_TRAIL_VALID)
		cart_trail_memory_name_log(d->memory, bucket, key);
	if (v == CART_TRAIL_VALID || covered)
		return;
	snprintf(what, sizeof(what), "a %s CloudTrail log s3://%s/%s",
		 v == CART_TRAIL_INVALID ? "valid" : "provable",
		 bucket != NULL ? bucket : "?", key != NULL ? key : "?");
	record(d, what, v == CART_TRAIL_INVALID ? "changed" : "absent", reason);
}

/* ---- keys --------------------------------------------------------------------- */

static int fetch_keys(struct digests *d, const char *region,
		      struct cart_trail_keys *keys, struct cart_err *err)
{
	struct cart_step_ctx *c = d->c;
	struct cart_json *input = cart_json_new_object(), *next;
	struct cart_step_call call = { .call = { .service = "cloudtrail",
		.operation = "ListPublicKeys", .region = region } };
	struct cart_step_reply reply;
	char text[CART_CLOCK_TEXT_SIZE];
	int more = 1, refused, rc = 0;

	/* a backfill digest is signed by a key of the time it was made */
	cart_clock_text(d->window.start_ns - HOUR_NS, 0, text);
	add(input, "StartTime", text);
	cart_clock_text(d->window.now_ns + 2 * HOUR_NS, 0, text);
	add(input, "EndTime", text);
	while (more > 0) {
		next = NULL;
		call.call.input = input;
		call.page++;
		more = c->ops->call(c, &call, &reply, err);
		if (more == 0) {
			refused = cart_trail_keys_add(keys, region,
						      reply.aws.view, err);
			if (refused > 0)
				c->ops->note(c, "ListPublicKeys answered keys "
					     "whose fingerprint is not that of "
					     "their bytes; they are not used");
			more = refused < 0 ? -1 :
				cart_aws_next_page(&call.call, reply.aws.view,
						   &next, err);
		}
		if (more < 0) {
			cart_step_gap_call(c, &reply, "public keys of a region: "
					   "its digests cannot be checked", err);
			if (err->class == CART_ERR_CANCELLED)
				rc = -1;
		}
		cart_step_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return rc;
}

/* ---- one chain ------------------------------------------------------------------ */

static void leave(struct named *n)
{
	if (n == NULL || --n->users > 0)
		return;
	cart_json_free(n->logs);
	free(n);
}

static int ask(struct digests *d, const char *bucket, const char *key,
	       const struct job *what, struct cart_err *err)
{
	struct job *j = malloc(sizeof(*j));

	if (j == NULL)
		return cart_err_nomem(err);
	*j = *what;
	if (cart_trail_get(d->c, bucket, key, j, err) < 0) {
		free(j);
		return -1;
	}
	if (j->named != NULL)
		j->named->users++;
	return 0;
}

static int keep(struct digests *d, const char *bucket, const char *key,
		const struct cart_step_reply *reply, struct cart_err *err)
{
	char id[CART_EXHIBIT_ID_SIZE], path[CART_TRAIL_PATH_SIZE];

	if (d->c->ops->kept(d->c, bucket, key,
			    cart_json_get_string(reply->aws.view, "ETag")))
		return 0;
	return cart_trail_pack_add(&d->pack, bucket, key, reply, id, path, err);
}

static int take_log(struct digests *d, const struct cart_json *entry, int rc,
		    const struct cart_step_reply *reply, struct cart_err *err)
{
	enum cart_trail_verdict v;
	char reason[160];

	if (rc < 0) {
		if (err->class == CART_ERR_CANCELLED)
			return -1;
		snprintf(reason, sizeof(reason), "%.159s", err->text);
		found_log(d, entry, CART_TRAIL_UNKNOWN, reason, false);
		return 0;
	}
	if (d->mode == LOGS_STORE &&
	    keep(d, cart_json_get_string(entry, "s3Bucket"),
		 cart_json_get_string(entry, "s3Object"), reply, err) < 0)
		return -1;
	v = cart_trail_log_check(entry, reply->aws.raw.data != NULL ?
				 (void *)reply->aws.raw.data : "",
				 reply->aws.raw.len, LOG_MAX, reason);
	d->fetched += d->mode != LOGS_STORE;
	found_log(d, entry, v, reason, false);
	return 0;
}

/* Asks for the digests that come next, and takes one answer of any kind. */
static int turn(struct walkway *w, struct cart_err *err)
{
	struct digests *d = w->d;
	struct cart_step_reply reply;
	struct cart_err failed = { 0 };
	void *tag = NULL;
	const struct job next = { .index = w->asked };
	struct slot *s;
	struct job *j;
	int got, rc = 0, result;

	if (w->asked < w->n && w->asked < w->done + DIGESTS_AHEAD) {
		if (ask(d, d->bucket, w->list[w->asked].key, &next, err) < 0)
			return -1;
		w->asked++;
		return 0;
	}
	got = d->c->ops->next(d->c, &reply, &tag, &result, &failed);
	if (got <= 0) {
		*err = failed;
		return got < 0 ? -1 : cart_err_set(err, CART_ERR_INTERNAL, 0,
						   "an answer was lost");
	}
	j = tag;
	if (j->named != NULL) {
		w->logs_ahead--;
		rc = take_log(d, j->entry, result, &reply, &failed);
		if (rc < 0)
			*err = failed;
		cart_step_reply_clear(&reply);
	} else {
		s = &w->slot[j->index % DIGESTS_AHEAD];
		s->there = true;
		s->rc = result;
		s->err = failed;
		s->reply = reply;
	}
	leave(j->named);
	free(j);
	return rc;
}

/* A log that cloudtrail.logs inflated in this run need not come again. */
static bool is_known(struct digests *d, const struct cart_json *entry,
		     const char *bucket, const char *key)
{
	struct cart_trail_log log = { .state = CART_TRAIL_VALID, .why = "" };
	enum cart_trail_verdict v;
	char reason[160];

	if (d->mode != LOGS_CHECK || bucket == NULL || key == NULL ||
	    !cart_trail_memory_get_log(d->memory, bucket, key, log.sha256))
		return false;
	v = cart_trail_log_judge(entry, &log, reason);
	found_log(d, entry, v, reason, false);
	return true;
}

/* The logs that a valid digest names. */
static int check_logs(struct walkway *w, struct named *named,
		      struct cart_err *err)
{
	struct digests *d = w->d;
	struct job j = { .named = named };
	const struct cart_json *e;
	const char *bucket, *key;
	int rc = 0;

	for (e = cart_json_first(named->logs); e != NULL && rc == 0;
	     e = cart_json_next(e)) {
		bucket = cart_json_get_string(e, "s3Bucket");
		key = cart_json_get_string(e, "s3Object");
		if (is_known(d, e, bucket, key))
			continue;
		if (d->mode == LOGS_NONE || bucket == NULL || key == NULL) {
			found_log(d, e, CART_TRAIL_UNKNOWN, d->mode == LOGS_NONE ?
				  "not looked at" : "the digest does not say "
				  "where it is", d->mode == LOGS_NONE);
			continue;
		}
		while (rc == 0 && w->logs_ahead >= LOGS_AHEAD)
			rc = turn(w, err);
		j.entry = e;
		if (rc == 0)
			rc = ask(d, bucket, key, &j, err);
		w->logs_ahead += rc == 0;
	}
	return rc;
}

static int check_digest(struct walkway *w, struct cart_trail_chain *chain,
			struct slot *s, struct cart_err *err)
{
	struct digests *d = w->d;
	struct cart_trail_object o = { .bucket = d->bucket };
	struct named *named;
	const struct cart_json *e;
	enum cart_trail_verdict v;
	int rc;

	o.key = w->list[w->done].key;
	if (s->rc < 0) {
		if (s->err.class == CART_ERR_CANCELLED) {
			*err = s->err;
			return -1;
		}
		o.missing = s->err.text;
	} else {
		if (keep(d, o.bucket, o.key, &s->reply, err) < 0)
			return -1;
		o.data = s->reply.aws.raw.data != NULL ?
			(void *)s->reply.aws.raw.data : "";
		o.len = s->reply.aws.raw.len;
		o.signature = cart_trail_meta(&s->reply, "signature");
		o.algorithm = cart_trail_meta(&s->reply, "signature-algorithm");
		o.backfill_time = cart_trail_meta(
			&s->reply, "backfill-generation-timestamp");
	}
	named = calloc(1, sizeof(*named));
	if (named == NULL)
		return cart_err_nomem(err);
	named->users = 1;
	rc = cart_trail_chain_next(chain, &o, &v, &named->logs, err);
	/* the reply may be large: it goes before the logs come */
	cart_step_reply_clear(&s->reply);
	s->there = false;
	w->done++;
	if (rc == 0 && v == CART_TRAIL_VALID) {
		rc = check_logs(w, named, err);
	} else if (rc == 0) {
		e = cart_json_first(named->logs);
		for (; e != NULL; e = cart_json_next(e))
			found_log(d, e, CART_TRAIL_UNKNOWN,
				  "its digest is not valid", true);
	}
	leave(named);
	return rc;
}

/* Answers that nobody wants any more. */
static void drain(struct walkway *w)
{
	struct cart_step_reply reply;
	struct cart_err err;
	void *tag = NULL;
	struct job *j;
	size_t i;
	int rc;

	while (w->d->c->ops->next(w->d->c, &reply, &tag, &rc, &err) > 0) {
		j = tag;
		leave(j->named);
		free(j);
		cart_step_reply_clear(&reply);
	}
	for (i = 0; i < DIGESTS_AHEAD; i++) {
		if (w->slot[i].there)
			cart_step_reply_clear(&w->slot[i].reply);
	}
}

static void begin_chain(struct digests *d, const struct cart_trail_name *name)
{
	d->chain = name;
	memset(d->of_chain, 0, sizeof(d->of_chain));
	d->chain_gaps = 0;
	d->chain_gap_ns = 0;
	d->from_ns = d->to_ns = d->pending_ns = INT64_MIN;
	d->told_gaps = cart_json_new_array();
}

static void add_verdicts(struct cart_json *o, const char *key,
			 const uint64_t n[3])
{
	struct cart_json *list = cart_json_add(o, key, cart_json_new_array());
	int i;

	for (i = 0; i < 3; i++)
		cart_json_append(list, cart_json_new_int((int64_t)n[i]));
}

/* What end_chain found, beside other chains of that account's region. */
static void count_place(struct digests *d, bool absent)
{
	const struct cart_trail_name *n = d->chain;
	bool whole = d->of_chain[0][CART_TRAIL_VALID] > 0 &&
		d->of_chain[0][CART_TRAIL_INVALID] == 0 &&
		d->of_chain[0][CART_TRAIL_UNKNOWN] == 0 &&
		d->of_chain[1][CART_TRAIL_INVALID] == 0 &&
		d->of_chain[1][CART_TRAIL_UNKNOWN] == 0 && d->chain_gaps == 0;
	struct place *p;
	size_t i;

	for (i = 0; i < d->n_places; i++) {
		if (strcmp(d->places[i].account, n->account) == 0 &&
		    strcmp(d->places[i].region, n->region) == 0)
			break;
	}
	if (i == PLACES_MAX)
		return;
	if (i == d->n_places) {
		p = realloc(d->places, (i + 1) * sizeof(*p));
		if (p == NULL)
			return;
		d->places = p;
		d->n_places++;
		memset(&p[i], 0, sizeof(*p));
		snprintf(p[i].account, sizeof(p->account), "%s", n->account);
		snprintf(p[i].region, sizeof(p->region), "%s", n->region);
	}
	p = &d->places[i];
	p->absent = p->absent || absent;
	p->broken = p->broken || !whole;
	/* backfill digests come beside others and prove no time alone */
	if (n->backfill || !whole)
		return;
	p->proven = true;
	if (d->to_ns < d->proven_ns)
		d->proven_ns = d->to_ns;
}

/* Its line in what is kept. */
static void end_chain(struct digests *d)
{
	struct cart_json *o = new_line(d, "chain");
	struct cart_buf b;

	if (d->pending_ns != INT64_MIN) {
		if (d->pending_ns < d->unproven_ns)
			d->unproven_ns = d->pending_ns;
		cart_trail_memory_not_yet(d->memory, d->chain->account,
					  d->chain->region, d->pending_ns);
	}
	count_place(d, d->from_ns == INT64_MIN && d->of_chain[0][1] == 0 &&
		    d->of_chain[0][2] == 0);

	if (d->to_ns != INT64_MIN) {
		add_time(o, "from", d->from_ns > d->window.start_ns ?
			 d->from_ns : d->window.start_ns);
		add_time(o, "to", d->to_ns < d->window.end_ns ? d->to_ns :
			 d->window.end_ns);
	}
	add_time(o, "pending", d->pending_ns);
	add_verdicts(o, "digests", d->of_chain[0]);
	add_verdicts(o, "logs", d->of_chain[1]);
	cart_json_add(o, "gaps", cart_json_new_int((int64_t)d->chain_gaps));
	cart_json_add(o, "seconds", cart_json_new_int(d->chain_gap_ns /
						      1000000000));
	cart_json_add(o, "gap", d->told_gaps);
	d->told_gaps = NULL;
	cart_buf_init(&b, FACTS_MAX);
	cart_json_print(o, 0, &b);
	if (!cart_buf_ok(&b) || d->chains_len + b.len > FACTS_MAX) {
		d->chains_more++;
		cart_json_free(o);
	} else {
		d->chains_len += b.len + 1;
		cart_json_append(d->chains, o);
	}
	cart_buf_clear(&b);
}

/* An account and region without any digest (of the trail, unless it is ""):
 * its logs prove nothing. */
static void no_chain(struct digests *d, const char *account, const char *region,
		     const char *trail)
{
	struct cart_trail_name name = { 0 };

	snprintf(name.trail, sizeof(name.trail), "%s", trail);

	snprintf(name.account, sizeof(name.account), "%s", account);
	snprintf(name.region, sizeof(name.region), "%s", region);
	begin_chain(d, &name);
	end_chain(d);
	d->chain = NULL;
}

/* "account/region[/trail@home]", of chains that there are. */
static void seen_key(char ret[512], const char *account, const char *region,
		     const char *trail, const char *home)
{
	snprintf(ret, 512, "%s/%s%s%s%s%s", account, region,
		 trail != NULL ? "/" : "", trail != NULL ? trail : "",
		 home != NULL ? "@" : "", home != NULL ? home : "");
}

static bool is_true(const struct cart_json *o, const char *key)
{
	return cart_json_bool(cart_json_get(o, key));
}

/* Does the ARN's account part say so? */
static bool is_of(const struct cart_json *trail, const char *account)
{
	const char *arn = cart_json_get_string(trail, "TrailARN");

	return is_true(trail, "IsOrganizationTrail") ||
		(arn != NULL && strstr(arn, account) != NULL);
}

/* Have the trails that deliver of a region no digests of it?  Then it is added
 * to gone, with ", ". */
static void look_for(struct digests *d, const char *account, const char *region,
		     struct cart_buf *gone)
{
	const struct cart_json *t = cart_json_first(d->trails);
	bool expected = false, told = false;
	const char *name, *home;
	char key[512];

	for (; t != NULL; t = cart_json_next(t)) {
		name = cart_json_get_string(t, "Name");
		home = cart_json_get_string(t, "HomeRegion");
		if (!is_true(t, "IsMultiRegionTrail") &&
		    strcmp(home, region) != 0)
			continue;
		expected = true;
		if (!is_true(t, "LogFileValidationEnabled") ||
		    !is_of(t, account))
			continue;
		seen_key(key, account, region, name, home);
		if (cart_json_get(d->seen, key) != NULL)
			continue;
		no_chain(d, account, region, name);
		told = true;
	}
	seen_key(key, account, region, NULL, NULL);
	if (expected && !told && cart_json_get(d->seen, key) == NULL) {
		no_chain(d, account, region, "");
		told = true;
	}
	if (told)
		cart_buf_addf(gone, "%s%s", gone->len > 0 ? ", " : "", region);
}

/* Of each account that is followed and each region that is enabled: a gap for
 * those whose digests are all gone, or never were. */
static void look_for_all(struct digests *d)
{
	const struct cart_json *a, *r;
	struct cart_buf gone;

	a = cart_json_get(cart_json_get(d->c->with, "followed"), "accounts");
	/* without any digest there is nothing of which to say "but here" */
	if (d->n_places == 0 || cart_json_type(a) != CART_JSON_ARRAY)
		return;
	cart_buf_init(&gone, 8192);
	for (a = cart_json_first(a); a != NULL; a = cart_json_next(a)) {
		if (cart_json_string(a) == NULL)
			continue;
		r = cart_json_first(d->regions);
		for (; r != NULL; r = cart_json_next(r))
			look_for(d, cart_json_string(a), cart_json_string(r),
				 &gone);
		if (gone.len > 0) {
			char what[1200];

			cart_buf_addc(&gone, '\0');
			snprintf(what, sizeof(what), "CloudTrail digests of %s "
				 "in %s", cart_json_string(a),
				 cart_buf_ok(&gone) ? (char *)gone.data : "?");
			record(d, what, "absent", "there are none in the "
			       "window: nothing proves these logs");
			cart_buf_reset(&gone);
		}
	}
	cart_buf_clear(&gone);
}

static void add_places(struct digests *d, struct cart_json *o)
{
	struct cart_json *absent = cart_json_new_array();
	uint64_t whole = 0, none = 0;
	const struct place *p;
	char text[64];
	size_t i;

	for (i = 0; i < d->n_places; i++) {
		p = &d->places[i];
		whole += p->proven && !p->broken;
		if (!p->absent)
			continue;
		snprintf(text, sizeof(text), "%s %s", p->account, p->region);
		if (none++ < ABSENT_TOLD)
			cart_json_append(absent, cart_json_new_string(text));
	}
	cart_json_add(o, "regions", cart_json_new_int((int64_t)d->n_places));
	cart_json_add(o, "whole", cart_json_new_int((int64_t)whole));
	cart_json_add(o, "none", cart_json_new_int((int64_t)none));
	cart_json_add(o, "absent", absent);
	if (d->proven_ns != INT64_MAX)
		add_time(o, "to", d->proven_ns < d->window.end_ns ?
			 d->proven_ns : d->window.end_ns);
	if (d->unproven_ns != INT64_MAX)
		add_time(o, "pending", d->unproven_ns);
	if (cart_json_size(d->regions) == 0)
		cart_json_add(o, "unlisted", cart_json_new_bool(true));
}

/* What cloudtrail.logs read, now that it is known which logs digests name. */
static void add_compared(struct digests *d, struct cart_json *o)
{
	struct cart_json *n;

	if (d->mode == LOGS_NONE || !cart_trail_memory_has_events(d->memory))
		return;
	n = cart_json_add(o, "named", cart_json_new_object());
	cart_trail_compare(d->memory, TRAIL_NAMED, TRAIL_IN_NAMED, 0, n);
	cart_trail_compare(d->memory, TRAIL_NOT_YET, TRAIL_IN_NOT_YET,
			   TRAIL_IN_NAMED, cart_json_add(
				   o, "not_yet", cart_json_new_object()));
	cart_trail_compare(d->memory, TRAIL_UNNAMED, TRAIL_IN_UNNAMED,
			   TRAIL_IN_NAMED | TRAIL_IN_NOT_YET, cart_json_add(
				   o, "unnamed", cart_json_new_object()));
	cart_trail_compare_missing(d->memory, &d->window, TRAIL_IN_NAMED |
				   TRAIL_IN_NOT_YET, n);
}

static int keep_facts(struct digests *d, struct cart_err *err)
{
	struct cart_json *o = cart_json_new_object();
	int rc;

	add_time(o, "start", d->window.start_ns);
	add_time(o, "end", d->window.end_ns);
	add_time(o, "asked", d->window.now_ns);
	add_verdicts(o, "digests", d->verdicts[0]);
	add_verdicts(o, "logs", d->verdicts[1]);
	cart_json_add(o, "gaps", cart_json_new_int((int64_t)d->gaps));
	cart_json_add(o, "seconds", cart_json_new_int(d->gap_ns / 1000000000));
	cart_json_add(o, "more", cart_json_new_int((int64_t)d->chains_more));
	cart_json_add(o, "fetched", cart_json_new_int((int64_t)d->fetched));
	add_places(d, o);
	add_compared(d, o);
	cart_json_add(o, "chains", d->chains);
	d->chains = NULL;
	rc = d->c->ops->keep_value(d->c, "facts", o, err);
	cart_json_free(o);
	return rc;
}

static int check_chain(struct digests *d, const struct listed *list, size_t n,
		       const struct cart_trail_keys *keys, struct cart_err *err)
{
	struct cart_trail_options o = {
		.keys = keys, .region = list->name.region,
		.backfill = list->name.backfill, .start_ns = d->window.start_ns,
		.end_ns = d->window.end_ns, .now_ns = d->window.now_ns,
		.found = found, .arg = d,
	};
	struct walkway *w = calloc(1, sizeof(*w));
	struct cart_trail_chain *chain = cart_trail_chain_new(&o, err);
	struct slot *s;
	int rc = -1;

	if (w == NULL || chain == NULL) {
		cart_err_nomem(err);
		goto out;
	}
	w->d = d;
	w->list = list;
	w->n = n;
	begin_chain(d, &list->name);
	if (!list->name.backfill) {
		char key[512];

		seen_key(key, list->name.account, list->name.region, NULL, NULL);
		cart_json_set(d->seen, key, cart_json_new_bool(true));
		seen_key(key, list->name.account, list->name.region,
			 list->name.trail, list->name.home_region);
		cart_json_set(d->seen, key, cart_json_new_bool(true));
	}
	rc = 0;
	while (rc == 0 && w->done < n) {
		s = &w->slot[w->done % DIGESTS_AHEAD];
		rc = s->there ? check_digest(w, chain, s, err) : turn(w, err);
		d->c->ops->progress(d->c, "CloudTrail digests", w->done, n,
				    "digests");
	}
	while (rc == 0 && w->logs_ahead > 0)
		rc = turn(w, err);
	if (rc == 0)
		cart_trail_chain_end(chain);
	end_chain(d);
	drain(w);
	if (rc == 0 && d->broken) {
		*err = d->told;
		rc = -1;
	}
out:
	cart_trail_chain_free(chain);
	free(w);
	return rc;
}

/* ---- the list --------------------------------------------------------------------- */

static int object(void *arg, const char *bucket, const char *key,
		  const char *etag, struct cart_err *err)
{
	struct digests *d = arg;
	struct cart_trail_name name;
	struct listed *bigger;
	size_t cap;

	if (cart_trail_digest_name(key, &name) < 0)
		return 0;
	if (!name.backfill &&
	    (name.end_ns < d->window.start_ns - HOUR_NS / 60 ||
	     name.end_ns > d->window.end_ns + HOUR_NS))
		return 0;
	if (d->n == d->cap) {
		if (d->n >= DIGESTS_MAX)
			return cart_err_set(err, CART_ERR_LIMIT, 0, "more than "
					    "%zu digests in one account and "
					    "region", DIGESTS_MAX);
		cap = d->cap ? 2 * d->cap : 256;
		bigger = realloc(d->list, cap * sizeof(*bigger));
		if (bigger == NULL)
			return cart_err_nomem(err);
		d->list = bigger;
		d->cap = cap;
	}
	(void)etag;			/* read again, not kept again: keep() */
	d->list[d->n].name = name;
	d->list[d->n].key = strdup(key);
	if (d->list[d->n].key == NULL)
		return cart_err_nomem(err);
	d->n++;
	return 0;
}

static int chain_order(const struct cart_trail_name *x,
		       const struct cart_trail_name *y)
{
	int d = strcmp(x->trail, y->trail);

	if (d == 0)
		d = strcmp(x->home_region, y->home_region);
	return d != 0 ? d : (int)x->backfill - (int)y->backfill;
}

static int order(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	int d = chain_order(&x->name, &y->name);

	if (d != 0)
		return d;
	if (x->name.end_ns != y->name.end_ns)
		return x->name.end_ns > y->name.end_ns ? -1 : 1;
	return -strcmp(x->key, y->key);
}

static void forget(struct digests *d)
{
	while (d->n > 0)
		free(d->list[--d->n].key);
}

static int region_end(void *arg, const char *bucket, const char *account,
		      const char *region, struct cart_err *err)
{
	struct digests *d = arg;
	struct cart_trail_keys *keys = NULL;
	size_t from, to;
	char what[256];
	int rc = 0;

	d->bucket = bucket;
	if (d->n == 0 && cart_json_get(d->c->with, "followed") != NULL) {
		const struct cart_json *r = cart_json_first(d->regions);

		for (; r != NULL; r = cart_json_next(r)) {
			if (strcmp(cart_json_string(r), region) == 0)
				return 0;	/* look_for_all() does */
		}
	}
	if (d->n == 0) {
		snprintf(what, sizeof(what), "digests of %s %s in s3://%s",
			 account, region, bucket);
		cart_step_gap(d->c, what, "absent", "there are none in the "
			      "window");
		no_chain(d, account, region, "");
		return 0;
	}
	keys = cart_trail_keys_new(err);
	if (keys == NULL)
		return -1;
	qsort(d->list, d->n, sizeof(*d->list), order);
	rc = fetch_keys(d, region, keys, err);
	for (from = 0; rc == 0 && from < d->n; from = to) {
		for (to = from + 1; to < d->n; to++) {
			if (chain_order(&d->list[from].name,
					&d->list[to].name) != 0)
				break;
		}
		rc = check_chain(d, d->list + from, to - from, keys, err);
	}
	cart_trail_keys_free(keys);
	forget(d);
	return rc;
}

/* ---- the step ------------------------------------------------------------------------ */

static void summary(struct digests *d)
{
	char text[400];

	snprintf(text, sizeof(text), "digests: %" PRIu64 " valid, %" PRIu64
		 " invalid, %" PRIu64 " cannot tell; logs: %" PRIu64 " valid, %"
		 PRIu64 " invalid, %" PRIu64 " cannot tell; %" PRIu64
		 " gaps, %" PRId64 " s in all", d->verdicts[0][CART_TRAIL_VALID],
		 d->verdicts[0][CART_TRAIL_INVALID],
		 d->verdicts[0][CART_TRAIL_UNKNOWN],
		 d->verdicts[1][CART_TRAIL_VALID],
		 d->verdicts[1][CART_TRAIL_INVALID],
		 d->verdicts[1][CART_TRAIL_UNKNOWN], d->gaps,
		 d->gap_ns / 1000000000);
	d->c->ops->note(d->c, text);
	if (d->recorded > GAPS_MAX)
		d->c->ops->note(d->c, "more than 1,000 gaps: all of them are in "
				"the exhibit of verdicts");
}

static int mode_of(const struct cart_json *with, enum log_mode *ret,
		   struct cart_err *err)
{
	const char *s = cart_json_get_string(with, "logs");

	*ret = LOGS_CHECK;
	if (s == NULL || strcmp(s, "check") == 0 || strstr(s, "${") != NULL)
		return 0;
	*ret = strcmp(s, "store") == 0 ? LOGS_STORE : LOGS_NONE;
	if (*ret == LOGS_NONE && strcmp(s, "none") != 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "logs: '%s' is not "
				    "check, store or none", s);
	return 0;
}

static int check(const struct cart_json *with, struct cart_err *err)
{
	enum log_mode mode;

	return mode_of(with, &mode, err);
}

/* What verify needs to say the same again (FORMAT.md section 7). */
static struct cart_json *window_origin(const struct cart_trail_window *w)
{
	const int64_t ns[] = { w->start_ns, w->end_ns, w->now_ns };
	static const char *const keys[] = { "start", "end", "asked" };
	struct cart_json *o = cart_json_new_object();
	char text[CART_CLOCK_TEXT_SIZE];
	size_t i;

	add(o, "kind", "cloudtrail-verdicts");
	for (i = 0; i < 3; i++) {
		cart_clock_text(ns[i], 9, text);
		add(o, keys[i], text);
	}
	return o;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct digests d = { .c = c };
	struct cart_trail_walk w = { .c = c, .kind = "CloudTrail-Digest",
		.object = object, .region = region_end, .arg = &d };
	struct cart_err later = { 0 };
	int rc;

	if (mode_of(c->with, &d.mode, err) < 0 ||
	    cart_trail_window(c, &d.window, err) < 0)
		return -1;
	w.window = d.window;
	d.proven_ns = d.unproven_ns = INT64_MAX;
	d.seen = cart_json_new_object();
	d.trails = cart_json_new_array();
	d.regions = cart_json_new_array();
	/* who asks for some has not asked for all that there should be */
	if (cart_json_get(c->with, "trails") == NULL &&
	    cart_json_get(c->with, "accounts") == NULL &&
	    cart_json_get(c->with, "log_regions") == NULL) {
		w.trails = d.trails;
		w.regions = d.regions;
	}
	cart_trail_lines_init(&d.lines, c, "What CloudTrail's digests prove, one "
			      "finding a line", "cloudtrail-verdicts.ndjson",
			      "derived: verdicts on digests and logs, and time "
			      "without proof, from the digest objects and "
			      "ListPublicKeys answers of this step");
	d.lines.origin = window_origin(&d.window);
	d.memory = cart_trail_memory(c);
	d.chains = cart_json_new_array();
	cart_trail_pack_init(&d.pack, c, "CloudTrail digest objects");
	rc = cart_trail_walk(&w, err);
	if (rc == 0)
		look_for_all(&d);
	if (cart_trail_pack_close(&d.pack, &later) < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
	summary(&d);
	if (cart_trail_lines_close(&d.lines, rc < 0 ? "truncated" : NULL,
				   &later) < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
	if (keep_facts(&d, &later) < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
	forget(&d);
	free(d.list);
	free(d.places);
	cart_json_free(d.seen);
	cart_json_free(d.trails);
	cart_json_free(d.regions);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	cart_trail_plan(with, emit, arg);
	emit(arg, "s3:GetObject", false, "each digest, and each log it names");
	emit(arg, "cloudtrail:ListPublicKeys", false, "in each region");
}

static const struct cart_param params[] = {
	CART_TRAIL_PARAMS("digests"),
	{ "logs", CART_PARAM_STRING, false, "check",
	  "Logs that digests name: check, store (and check), none." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps[] = { "facts", NULL };

const struct cart_step_type cart_step_cloudtrail_digests = {
	.name = "cloudtrail.digests",
	.summary = "Keep CloudTrail's digests and prove what they prove of the "
		"logs.",
	.where = CART_STEP_AWS,
	.params = params,
	.keeps = keeps,
	.check = check,
	.plan = plan,
	.run = run,
};
