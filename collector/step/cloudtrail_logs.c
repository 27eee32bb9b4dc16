/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudtrail.logs: log objects as CloudTrail delivered them to S3, byte for
 * byte, and an index of their events.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/compress.h"
#include "crashcart/digest.h"
#include "crashcart/pool.h"
#include "cloudtrail_bucket.h"
#include "cloudtrail_compare.h"
#include "cloudtrail_index.h"
#include "cloudtrail_pack.h"
#include "step_support.h"
#include "trail_memory.h"

/* Under way at once: an object is a few hundred KiB at most. */
#define AHEAD 24
#define INFLATED_MAX ((size_t)48 << 20)
#define MINUTE_NS ((int64_t)60 * 1000000000)
#define HOUR_NS (60 * MINUTE_NS)
#define GAPS_MAX 1000

/* Objects that are inflated and indexed beside each other, by a pool; what is
 * larger than usual is read by the step itself, one at a time. */
#define READERS 6u
#define READ_MAX ((size_t)2 << 20)

struct place {
	char *bucket, *key;
};

/* Beside what cloudtrail.key found in the event history. */
struct comparison {
	pthread_mutex_t lock;
	struct trail_memory *memory;
	const struct cart_json *keys;	/* NULL: nothing is compared */
	uint64_t unknown;
};

/* One object that is kept, on its way into the index. */
struct reading {
	struct cart_job job;
	struct cart_pool_group group;
	struct logs *l;
	struct place *p;
	struct cart_step_reply reply;
	char exhibit[CART_EXHIBIT_ID_SIZE], path[CART_TRAIL_PATH_SIZE];
	/* what the pool's thread makes of it */
	struct cart_buf text, lines;
	uint64_t events, indexed;
	bool too_large;
	int rc;
	struct cart_err err;
};

struct logs {
	struct cart_step_ctx *c;
	struct cart_trail_window window;
	const struct cart_json *with;	/* the filters */
	struct cart_json *own_with;	/* or NULL; owned */
	struct comparison compared;
	struct cart_trail_lines lines;
	struct cart_buf text;
	struct cart_trail_pack pack;
	const struct reading *here;	/* whose events are being indexed */
	unsigned ahead;
	uint64_t objects, bytes, events, failed, had;
	struct cart_pool *pool;
	struct reading readings[READERS];	/* a ring, in order */
	unsigned first, n_readings;
};

static void place_free(struct place *p)
{
	if (p != NULL) {
		free(p->bucket);
		free(p->key);
	}
	free(p);
}

/* ---- beside the event history ------------------------------------------------ */

static bool among(const struct cart_json *list, const char *text)
{
	const struct cart_json *e = cart_json_first(list);

	for (; e != NULL && text != NULL; e = cart_json_next(e)) {
		if (cart_json_string(e) != NULL &&
		    strcmp(cart_json_string(e), text) == 0)
			return true;
	}
	return false;
}

static bool is_data(const struct cart_json *e)
{
	const struct cart_json *m = cart_json_get(e, "managementEvent");
	const char *category = cart_json_get_string(e, "eventCategory");

	return (m != NULL && cart_json_type(m) == CART_JSON_BOOL &&
		!cart_json_bool(m)) ||
		(category != NULL && strcmp(category, "Data") == 0);
}

/* On any thread. */
static void compare(struct logs *l, const struct reading *r,
		    const struct cart_json *e)
{
	struct comparison *p = &l->compared;
	const char *id = cart_json_get_string(e, "eventID");
	const char *account = cart_json_get_string(e, "recipientAccountId");
	const char *const source = cart_json_get_string(e, "eventSource");
	const char *name = cart_json_get_string(e, "eventName");
	const char *time = cart_json_get_string(e, "eventTime");
	struct trail_seen seen = { .id = id, .exhibit = r->exhibit };
	char text[160];
	size_t at;

	if (p->keys == NULL || id == NULL ||
	    !among(p->keys, cart_json_get_string(cart_json_get(
			e, "userIdentity"), "accessKeyId")))
		return;
	at = source != NULL ? strcspn(source, ".") : 0;
	snprintf(text, sizeof(text), "%.*s:%.90s", at < 60 ? (int)at : 60,
		 source != NULL ? source : "", name != NULL ? name : "");
	seen.call = text;
	seen.time = time != NULL ? time : "";
	seen.kind = account != NULL && strcmp(account, l->c->account) != 0 ?
		'e' : is_data(e) ? 'd' : 'o';
	pthread_mutex_lock(&p->lock);
	p->unknown += cart_trail_memory_see(p->memory, r->p->bucket, r->p->key,
					    &seen) < 0;
	pthread_mutex_unlock(&p->lock);
}

/* Whose events are looked for: the key and what was followed of it. */
static int begin_comparison(struct logs *l, struct cart_err *err)
{
	const struct cart_json *followed = cart_json_get(l->c->with, "followed");
	const struct cart_json *keys = cart_json_get(followed, "keys");

	pthread_mutex_init(&l->compared.lock, NULL);
	l->with = l->c->with;
	l->compared.memory = cart_trail_memory(l->c);
	if (cart_json_type(keys) != CART_JSON_ARRAY)
		return 0;
	if (cart_trail_memory_has_events(l->compared.memory))
		l->compared.keys = keys;
	if (cart_json_get(l->c->with, "access_key") != NULL)
		return 0;
	l->own_with = cart_json_copy(l->c->with);
	if (l->own_with == NULL || cart_json_add(l->own_with, "access_key",
						 cart_json_copy(keys)) == NULL)
		return cart_err_nomem(err);
	l->with = l->own_with;
	return 0;
}

static void add_number(struct cart_json *o, const char *key, uint64_t n)
{
	cart_json_add(o, key, cart_json_new_int((int64_t)n));
}

/* For a summary: always one value, also of a step that failed. */
static int keep_facts(struct logs *l, struct cart_err *err)
{
	struct cart_json *o = cart_json_new_object();
	const struct cart_json *accounts;
	char text[CART_CLOCK_TEXT_SIZE];
	int rc;

	cart_clock_text(l->window.start_ns, 0, text);
	cart_json_add(o, "start", cart_json_new_string(text));
	cart_clock_text(l->window.end_ns, 0, text);
	cart_json_add(o, "end", cart_json_new_string(text));
	cart_clock_text(l->window.now_ns, 0, text);
	cart_json_add(o, "asked", cart_json_new_string(text));
	accounts = cart_json_get(cart_json_get(l->c->with, "followed"),
				 "accounts");
	if (accounts != NULL)
		cart_json_add(o, "accounts", cart_json_copy(accounts));
	add_number(o, "objects", l->objects);
	add_number(o, "bytes", l->bytes);
	add_number(o, "failed", l->failed);
	add_number(o, "had", l->had);
	cart_json_add(o, "compared", cart_json_new_bool(l->compared.keys !=
							NULL));
	if (l->compared.keys != NULL) {
		add_number(o, "unknown", l->compared.unknown +
			   cart_trail_compare(l->compared.memory, TRAIL_NAMED |
					      TRAIL_NOT_YET | TRAIL_UNNAMED,
					      TRAIL_IN_LOGS, 0, o));
		cart_trail_compare_missing(l->compared.memory, &l->window,
					   TRAIL_IN_LOGS, o);
	}
	rc = l->c->ops->keep_value(l->c, "facts", o, err);
	cart_json_free(o);
	return rc;
}

/* ---- reading ------------------------------------------------------------------ */

static int add_event(void *arg, const struct cart_json *e, struct cart_err *err)
{
	struct logs *l = arg;

	l->events++;
	if (!cart_trail_passes(e, l->with, l->window.start_ns,
			       l->window.end_ns))
		return 0;
	compare(l, l->here, e);
	cart_trail_index_line(e, l->here->exhibit, l->here->path,
			      &l->lines.buf);
	return cart_trail_lines_line(&l->lines, err);
}

static void gap(struct logs *l, const struct place *p, const char *exhibit,
		const struct cart_step_reply *reply, const struct cart_err *err)
{
	struct cart_gap g = { .reason = cart_step_reason(err),
		.detail = err->text, .exhibit = exhibit, .offset = -1,
		.length = -1, .count = -1 };
	char what[1400];

	if (l->failed++ >= GAPS_MAX)
		return;
	snprintf(what, sizeof(what), "%s s3://%s/%s", exhibit != NULL ?
		 "the index of events of" : "the log object", p->bucket, p->key);
	g.what = what;
	if (reply->call_id[0] != '\0')
		g.call = reply->call_id;
	l->c->ops->gap(l->c, &g);
}

/* cloudtrail.digests need not fetch it again. */
static void remember(struct logs *l, const struct reading *r,
		     const struct cart_buf *text)
{
	unsigned char sha256[CART_SHA256_SIZE];

	if (l->compared.memory == NULL)
		return;
	cart_sha256(text->data, text->len, sha256);
	cart_trail_memory_put_log(l->compared.memory, r->p->bucket, r->p->key,
				  sha256);
}

/* By the step itself: straight into the index. */
static int read_here(struct logs *l, struct reading *r)
{
	const struct cart_buf *raw = &r->reply.aws.raw;

	cart_err_clear(&r->err);
	l->here = r;
	cart_buf_reset(&l->text);
	if (cart_gunzip(raw->data, raw->len, &l->text, &r->err) < 0)
		return -1;
	remember(l, r, &l->text);
	return cart_trail_records((char *)l->text.data, l->text.len, add_event,
				  l, &r->err);
}

static int read_event(void *arg, const struct cart_json *e, struct cart_err *err)
{
	struct reading *r = arg;

	r->events++;
	if (!cart_trail_passes(e, r->l->with, r->l->window.start_ns,
			       r->l->window.end_ns))
		return 0;
	compare(r->l, r, e);
	cart_trail_index_line(e, r->exhibit, r->path, &r->lines);
	cart_buf_addc(&r->lines, '\n');
	r->indexed++;
	return cart_buf_check(&r->lines, "index of a log", err);
}

/* On a thread of the pool. */
static void run_reading(struct cart_job *job)
{
	struct reading *r = (void *)((char *)job -
				     offsetof(struct reading, job));
	const struct cart_buf *raw = &r->reply.aws.raw;

	r->rc = cart_gunzip(raw->data, raw->len, &r->text, &r->err);
	if (r->rc == 0)
		remember(r->l, r, &r->text);
	if (r->rc == 0)
		r->rc = cart_trail_records((char *)r->text.data, r->text.len,
					   read_event, r, &r->err);
	r->too_large = r->text.limited || r->lines.limited;
}

static void clear_reading(struct reading *r)
{
	cart_step_reply_clear(&r->reply);
	memset(&r->reply, 0, sizeof(r->reply));
	place_free(r->p);
	r->p = NULL;
}

/* Takes the oldest reading into the index. */
static int end_reading(struct logs *l, struct cart_err *err)
{
	struct reading *r = &l->readings[l->first];
	int rc = 0;

	cart_pool_wait(l->pool, &r->group);
	l->first = (l->first + 1) % READERS;
	l->n_readings--;
	if (r->too_large) {
		r->rc = read_here(l, r);
	} else {
		l->events += r->events;
		rc = cart_trail_lines_block(&l->lines, &r->lines, r->indexed,
					    err);
	}
	if (rc == 0 && r->rc < 0) {
		if (r->err.class != CART_ERR_INPUT &&
		    r->err.class != CART_ERR_LIMIT) {
			*err = r->err;
			rc = -1;
		} else {
			/* the bytes are kept; what they say is not known */
			gap(l, r->p, r->exhibit, &r->reply, &r->err);
		}
	}
	clear_reading(r);
	return rc;
}

/* Before a set of objects goes out: what the index says of them is there, so
 * that a run that goes on need not read them again. */
static int before_set(void *arg, struct cart_err *err)
{
	struct logs *l = arg;

	while (l->n_readings > 0) {
		if (end_reading(l, err) < 0)
			return -1;
	}
	return cart_trail_lines_flush(&l->lines, err);
}

/* Keeps the object and begins to read it.  p and *reply are taken, also when
 * this fails. */
static int store(struct logs *l, struct place *p, struct cart_step_reply *reply,
		 struct cart_err *err)
{
	struct reading *r;

	if (l->n_readings == READERS && end_reading(l, err) < 0) {
		place_free(p);
		cart_step_reply_clear(reply);
		return -1;
	}
	r = &l->readings[(l->first + l->n_readings) % READERS];
	r->p = p;
	r->reply = *reply;
	if (cart_trail_pack_add(&l->pack, p->bucket, p->key, &r->reply,
				r->exhibit, r->path, err) < 0) {
		clear_reading(r);
		return -1;
	}
	if (r->exhibit[0] == '\0') {	/* no room: a gap says so */
		clear_reading(r);
		return 0;
	}
	l->objects++;
	l->bytes += r->reply.aws.raw.len;
	cart_buf_reset(&r->text);
	cart_buf_reset(&r->lines);
	r->events = r->indexed = 0;
	r->too_large = false;
	cart_err_clear(&r->err);
	l->n_readings++;
	cart_pool_submit(l->pool, &r->job);
	return 0;
}

static int start_readers(struct logs *l, struct cart_err *err)
{
	unsigned i;

	for (i = 0; i < READERS; i++) {
		l->readings[i].l = l;
		l->readings[i].job.run = run_reading;
		l->readings[i].job.group = &l->readings[i].group;
		cart_buf_init(&l->readings[i].text, READ_MAX);
		cart_buf_init(&l->readings[i].lines, READ_MAX);
	}
	l->pool = cart_pool_new(0, READERS, err);
	return l->pool != NULL ? 0 : -1;
}

static void stop_readers(struct logs *l)
{
	unsigned i;

	cart_pool_free(l->pool);
	for (i = 0; i < READERS; i++) {
		clear_reading(&l->readings[i]);
		cart_buf_clear(&l->readings[i].text);
		cart_buf_clear(&l->readings[i].lines);
	}
}

/* Takes one answer.  0, -1. */
static int take(struct logs *l, struct cart_err *err)
{
	struct cart_step_reply reply;
	struct place *p = NULL;
	void *tag = NULL;
	int got, rc, result = 0;

	got = l->c->ops->next(l->c, &reply, &tag, &result, err);
	p = tag;
	if (got <= 0)
		return got;
	l->ahead--;
	if (result < 0) {
		gap(l, p, NULL, &reply, err);
		rc = err->class == CART_ERR_CANCELLED ? -1 : 0;
		cart_step_reply_clear(&reply);
		place_free(p);
	} else {
		rc = store(l, p, &reply, err);
	}
	l->c->ops->progress(l->c, "CloudTrail logs", l->objects, 0, "objects");
	return rc;
}

/* The delivery time in ".../ACCOUNT_CloudTrail_REGION_20261124T0305Z_X.json.gz";
 * an object with another name is taken. */
static bool in_window(const char *key, int64_t start_ns, int64_t end_ns)
{
	const char *s = strrchr(key, '/'), *t;
	char text[24];
	int64_t ns;

	s = strstr(s != NULL ? s : key, "_CloudTrail_");
	s = s != NULL ? strchr(s + strlen("_CloudTrail_"), '_') : NULL;
	t = s != NULL ? s + 1 : "";
	if (strlen(t) < 14 || t[8] != 'T' || t[13] != 'Z')
		return true;
	snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:00Z", t, t + 4,
		 t + 6, t + 9, t + 11);
	if (cart_clock_parse(text, strlen(text), &ns) < 0)
		return true;
	return ns >= start_ns && ns <= end_ns;
}

static int object(void *arg, const char *bucket, const char *key,
		  const char *etag, struct cart_err *err)
{
	struct logs *l = arg;
	struct place *p;

	if (!in_window(key, l->window.start_ns - 5 * MINUTE_NS,
		       l->window.end_ns + 120 * MINUTE_NS))
		return 0;
	/* its index lines were written before it was */
	if (l->c->ops->kept(l->c, bucket, key, etag)) {
		l->had++;
		return 0;
	}
	while (l->ahead >= AHEAD) {
		if (take(l, err) < 0)
			return -1;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return cart_err_nomem(err);
	p->bucket = strdup(bucket);
	p->key = strdup(key);
	if (p->bucket == NULL || p->key == NULL) {
		place_free(p);
		return cart_err_nomem(err);
	}
	if (cart_trail_get(l->c, bucket, key, p, err) < 0) {
		place_free(p);
		return -1;
	}
	l->ahead++;
	return 0;
}

/* Answers that nobody wants any more: their tags must be freed. */
static void drain(struct logs *l)
{
	struct cart_step_reply reply;
	struct cart_err err;
	void *tag = NULL;
	int rc;

	while (l->c->ops->next(l->c, &reply, &tag, &rc, &err) > 0) {
		place_free(tag);
		cart_step_reply_clear(&reply);
	}
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct logs l = { .c = c };
	struct cart_trail_walk w = { .c = c, .kind = "CloudTrail",
				     .object = object, .arg = &l };
	struct cart_err later = { 0 }, dropped;
	char text[200];
	int rc, closed;

	if (cart_trail_window(c, &l.window, err) < 0)
		return -1;
	w.window = l.window;
	cart_buf_init(&l.text, INFLATED_MAX);
	cart_trail_lines_init(&l.lines, c, "Index of the events of CloudTrail "
			      "logs, one a line", "cloudtrail-log-index.ndjson",
			      "derived: one line an event that the filters "
			      "pass, with the exhibit that holds it");
	rc = begin_comparison(&l, err);
	cart_trail_pack_init(&l.pack, c, "CloudTrail log objects");
	l.pack.before = before_set;
	l.pack.arg = &l;
	if (rc == 0)
		rc = start_readers(&l, err);
	if (rc == 0)
		rc = cart_trail_walk(&w, err);
	while (rc == 0 && l.ahead > 0)
		rc = take(&l, err);
	while (rc == 0 && l.n_readings > 0)
		rc = end_reading(&l, err);
	drain(&l);
	stop_readers(&l);
	if (l.failed > GAPS_MAX)
		c->ops->note(c, "more than 1,000 gaps of objects; the rest of "
			     "them is only in the call lines");
	snprintf(text, sizeof(text), "%" PRIu64 " log objects, %" PRIu64
		 " bytes, %" PRIu64 " events, %" PRIu64 " of them in the index; "
		 "%" PRIu64 " objects were kept before an interruption",
		 l.objects, l.bytes, l.events, l.lines.n, l.had);
	c->ops->note(c, text);
	closed = cart_trail_lines_close(&l.lines, rc < 0 ? "truncated" : NULL,
					&later);
	l.pack.before = NULL;		/* all of the index is there */
	if (cart_trail_pack_close(&l.pack, closed < 0 ? &dropped : &later) < 0)
		closed = -1;
	if (closed < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
	if (keep_facts(&l, &later) < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
	pthread_mutex_destroy(&l.compared.lock);
	cart_json_free(l.own_with);
	cart_buf_clear(&l.text);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	cart_trail_plan(with, emit, arg);
	emit(arg, "s3:GetObject", false, "each log object of the window");
}

static const struct cart_param params[] = {
	CART_TRAIL_PARAMS("logs"),
	{ "principal", CART_PARAM_STRINGS, false, NULL,
	  "Index only events of this user, role or session: ARN, id or name." },
	{ "access_key", CART_PARAM_STRINGS, false, NULL,
	  "Index only events of this access key, and sessions made with it." },
	{ "address", CART_PARAM_STRINGS, false, NULL,
	  "Index only events from this source address." },
	{ "event_name", CART_PARAM_STRINGS, false, NULL,
	  "Index only events of this name." },
	{ "resource", CART_PARAM_STRINGS, false, NULL,
	  "Index only events that name this resource." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps[] = { "facts", NULL };

const struct cart_step_type cart_step_cloudtrail_logs = {
	.name = "cloudtrail.logs",
	.summary = "Keep CloudTrail's log objects from S3 and index their "
		"events.",
	.where = CART_STEP_AWS,
	.params = params,
	.keeps = keeps,
	.plan = plan,
	.run = run,
};
