/* SPDX-License-Identifier: Apache-2.0 */
#include "trail_memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"

#define LOGS_MAX ((size_t)1 << 18)	/* 16 MiB of slots at most */
#define SEEN_MAX ((size_t)24 << 20)
#define EVENTS_MAX ((size_t)1 << 18)
#define TEXT_MAX ((size_t)6 << 20)

struct log_slot {
	uint64_t place[2];		/* 0,0: free */
	/* of its name, "ACCOUNT_CloudTrail_REGION_20261124T0305" */
	uint64_t chain;
	uint32_t when;			/* moment(); 0: none */
	uint32_t named : 3, seen : 29;	/* the pass that counted it */
	unsigned char sha256[CART_SHA256_SIZE];
};

/* What was seen: this, and the texts of struct trail_seen. */
struct seen_head {
	uint64_t log[2];
	size_t len;			/* of the texts */
	char kind;
};

struct event_slot {
	uint64_t id[2];
	int64_t time_ns;
	uint32_t text;			/* offset + 1 in text; 0: none */
	unsigned where;
};

/* Open addressing; slots begin with the 128 bits that they are found by. */
struct table {
	unsigned char *slots;
	size_t size, cap, n, max;
};

struct trail_memory {
	pthread_mutex_t lock;
	struct table logs, events;
	struct cart_buf text, seen;
	uint32_t passes;
};

static void *make(void)
{
	struct trail_memory *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	m->logs.size = sizeof(struct log_slot);
	m->logs.max = LOGS_MAX;
	m->events.size = sizeof(struct event_slot);
	m->events.max = EVENTS_MAX;
	cart_buf_init(&m->text, TEXT_MAX);
	cart_buf_init(&m->seen, SEEN_MAX);
	return m;
}

static void release(void *arg)
{
	struct trail_memory *m = arg;

	free(m->logs.slots);
	free(m->events.slots);
	cart_buf_clear(&m->text);
	cart_buf_clear(&m->seen);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

struct trail_memory *cart_trail_memory(struct cart_step_ctx *c)
{
	return c->ops->shared != NULL ?
		c->ops->shared(c, "cloudtrail", make, release) : NULL;
}

static void *slot(const struct table *t, const uint64_t id[2])
{
	size_t i = id[0] & (t->cap - 1);
	uint64_t *s;

	for (;; i = (i + 1) & (t->cap - 1)) {
		s = (uint64_t *)(void *)(t->slots + i * t->size);
		if ((s[0] | s[1]) == 0 || (s[0] == id[0] && s[1] == id[1]))
			return s;
	}
}

static bool grow(struct table *t)
{
	struct table bigger = *t;
	size_t i;
	uint64_t *s;

	bigger.cap = t->cap > 0 ? 2 * t->cap : 256;
	bigger.slots = calloc(bigger.cap, t->size);
	if (bigger.slots == NULL)
		return false;
	for (i = 0; i < t->cap; i++) {
		s = (uint64_t *)(void *)(t->slots + i * t->size);
		if ((s[0] | s[1]) != 0)
			memcpy(slot(&bigger, s), s, t->size);
	}
	free(t->slots);
	*t = bigger;
	return true;
}

/* The slot of an id, new (zeros behind the id) if it was not there; NULL:
 * not there and, if make, no room. */
static void *find(struct table *t, const uint64_t id[2], bool may_add)
{
	uint64_t *s;

	if (may_add && 4 * (t->n + 1) > 3 * t->cap &&
	    (t->n >= t->max / 4 * 3 || !grow(t)))
		may_add = false;
	if (t->cap == 0)
		return NULL;
	s = slot(t, id);
	if ((s[0] | s[1]) != 0)
		return s;
	if (!may_add)
		return NULL;
	t->n++;
	s[0] = id[0];
	s[1] = id[1];
	return s;
}

static void hash(const char *a, const char *b, uint64_t ret[2])
{
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_sha256 c;

	cart_sha256_init(&c);
	cart_sha256_update(&c, a, strlen(a));
	cart_sha256_update(&c, "/", 1);
	cart_sha256_update(&c, b, strlen(b));
	cart_sha256_final(&c, sha256);
	memcpy(ret, sha256, 16);
	ret[1] |= 1;			/* never a free slot */
}

/* Of "20261124T0305..." in 32 bits, in order; 0: it is none. */
static uint32_t moment(const char *t)
{
	static const struct { unsigned char at, n, bits; } parts[] = {
		{ 0, 4, 12 }, { 4, 2, 4 }, { 6, 2, 5 }, { 9, 2, 5 }, { 11, 2, 6 }
	};
	uint32_t all = 0, one;
	size_t i, k;

	if (strnlen(t, 13) < 13 || t[8] != 'T')
		return 0;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (one = k = 0; k < parts[i].n; k++) {
			if (t[parts[i].at + k] < '0' || t[parts[i].at + k] > '9')
				return 0;
			one = one * 10 + (uint32_t)(t[parts[i].at + k] - '0');
		}
		if (one >> parts[i].bits != 0)
			return 0;
		all = all << parts[i].bits | one;
	}
	return all;
}

/* ---- logs -------------------------------------------------------------------- */

void cart_trail_memory_put_log(struct trail_memory *m, const char *bucket,
			       const char *key,
			       const unsigned char sha256[CART_SHA256_SIZE])
{
	struct log_slot *s;
	const char *name = strrchr(key, '/'), *t;
	uint64_t id[2], chain[2] = { 0 };
	char text[64];

	if (m == NULL)
		return;
	name = name != NULL ? name + 1 : key;
	t = strstr(name, "_CloudTrail_");
	t = t != NULL ? strchr(t + 12, '_') : NULL;
	hash(bucket, key, id);
	if (t != NULL) {
		snprintf(text, sizeof(text), "%.*s",
			 (int)(t - name < 59 ? t - name : 59), name);
		hash("chain", text, chain);
	}
	pthread_mutex_lock(&m->lock);
	s = find(&m->logs, id, true);
	if (s != NULL) {
		memcpy(s->sha256, sha256, sizeof(s->sha256));
		s->named = TRAIL_UNNAMED;
		s->chain = chain[0];
		s->when = t != NULL ? moment(t + 1) : 0;
	}
	pthread_mutex_unlock(&m->lock);
}

bool cart_trail_memory_get_log(struct trail_memory *m, const char *bucket,
			       const char *key,
			       unsigned char ret_sha256[CART_SHA256_SIZE])
{
	const struct log_slot *s;
	uint64_t id[2];

	if (m == NULL)
		return false;
	hash(bucket, key, id);
	pthread_mutex_lock(&m->lock);
	s = find(&m->logs, id, false);
	if (s != NULL)
		memcpy(ret_sha256, s->sha256, sizeof(s->sha256));
	pthread_mutex_unlock(&m->lock);
	return s != NULL;
}

void cart_trail_memory_name_log(struct trail_memory *m, const char *bucket,
				const char *key)
{
	struct log_slot *s;
	uint64_t id[2];

	if (m == NULL || bucket == NULL || key == NULL)
		return;
	hash(bucket, key, id);
	pthread_mutex_lock(&m->lock);
	s = find(&m->logs, id, false);
	if (s != NULL)
		s->named = TRAIL_NAMED;
	pthread_mutex_unlock(&m->lock);
}

void cart_trail_memory_not_yet(struct trail_memory *m, const char *account,
			       const char *region, int64_t to_ns)
{
	char text[60], t[CART_CLOCK_TEXT_SIZE], when[16];
	struct log_slot *s;
	uint64_t chain[2];
	size_t i;

	if (m == NULL)
		return;
	snprintf(text, sizeof(text), "%.12s_CloudTrail_%.32s", account, region);
	cart_clock_text(to_ns, 0, t);
	snprintf(when, sizeof(when), "%.4s%.2s%.5s%.2s", t, t + 5, t + 8,
		 t + 14);
	hash("chain", text, chain);
	pthread_mutex_lock(&m->lock);
	for (i = 0; i < m->logs.cap; i++) {
		s = (void *)(m->logs.slots + i * m->logs.size);
		if ((s->place[0] | s->place[1]) != 0 &&
		    s->named == TRAIL_UNNAMED && s->chain == chain[0] && s->when != 0 &&
		    s->when >= moment(when))
			s->named = TRAIL_NOT_YET;
	}
	pthread_mutex_unlock(&m->lock);
}

/* ---- what was seen in them ----------------------------------------------------- */

int cart_trail_memory_see(struct trail_memory *m, const char *bucket,
			  const char *key, const struct trail_seen *e)
{
	const char *const texts[4] = { e->id, e->time, e->call, e->exhibit };
	struct seen_head h = { .kind = e->kind };
	int i, rc = -1;

	if (m == NULL)
		return -1;
	for (i = 0; i < 4; i++)
		h.len += strlen(texts[i]) + 1;
	hash(bucket, key, h.log);
	pthread_mutex_lock(&m->lock);
	if (find(&m->logs, h.log, false) != NULL &&
	    m->seen.len + sizeof(h) + h.len <= SEEN_MAX) {
		cart_buf_add(&m->seen, &h, sizeof(h));
		for (i = 0; i < 4; i++)
			cart_buf_add(&m->seen, texts[i], strlen(texts[i]) + 1);
		rc = cart_buf_ok(&m->seen) ? 0 : -1;
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

uint64_t cart_trail_memory_seen(struct trail_memory *m, unsigned named,
				void (*each)(void *arg,
					     const struct trail_seen *e),
				void *arg)
{
	struct trail_seen e;
	struct seen_head h;
	struct log_slot *s;
	const char *t;
	uint64_t n = 0;
	size_t at;

	if (m == NULL || !cart_buf_ok(&m->seen))
		return 0;
	m->passes = (m->passes + 1) % ((uint32_t)1 << 29);
	for (at = 0; at < m->seen.len; at += sizeof(h) + h.len) {
		memcpy(&h, m->seen.data + at, sizeof(h));
		s = find(&m->logs, h.log, false);
		if (s == NULL || (s->named & named) == 0)
			continue;
		n += s->seen != m->passes;
		s->seen = m->passes;
		t = (const char *)m->seen.data + at + sizeof(h);
		e.id = t;
		e.time = t += strlen(t) + 1;
		e.call = t += strlen(t) + 1;
		e.exhibit = t + strlen(t) + 1;
		e.kind = h.kind;
		each(arg, &e);
	}
	return n;
}

/* ---- events ------------------------------------------------------------------ */

int cart_trail_memory_event(struct trail_memory *m, const char *id,
			    unsigned add, int64_t time_ns, const char *text)
{
	struct event_slot *s;
	uint64_t hashed[2];
	int before = -1;

	if (m == NULL)
		return -1;
	hash("event", id, hashed);
	pthread_mutex_lock(&m->lock);
	s = find(&m->events, hashed, true);
	if (s != NULL) {
		before = (int)s->where;
		s->where |= add;
		if (before == 0)
			s->time_ns = time_ns;
		if (s->text == 0 && text != NULL &&
		    m->text.len + strlen(text) < TEXT_MAX) {
			s->text = (uint32_t)m->text.len + 1;
			cart_buf_add(&m->text, text, strlen(text) + 1);
			if (!cart_buf_ok(&m->text))
				s->text = 0;
		}
	}
	pthread_mutex_unlock(&m->lock);
	return before;
}

bool cart_trail_memory_has_events(struct trail_memory *m)
{
	bool has = false;

	if (m != NULL) {
		pthread_mutex_lock(&m->lock);
		has = m->events.n > 0;
		pthread_mutex_unlock(&m->lock);
	}
	return has;
}

static int by_time(const void *pa, const void *pb)
{
	const struct event_slot *const *a = pa, *const *b = pb;

	if ((*a)->time_ns != (*b)->time_ns)
		return (*a)->time_ns < (*b)->time_ns ? -1 : 1;
	return memcmp((*a)->id, (*b)->id, sizeof((*a)->id));
}

uint64_t cart_trail_memory_only(struct trail_memory *m, unsigned where,
				unsigned but, int64_t start_ns, int64_t end_ns,
				size_t most,
				void (*line)(void *arg, const char *text),
				void *arg)
{
	const struct event_slot **found, *s;
	uint64_t n = 0;
	size_t i, kept = 0;

	if (m == NULL)
		return 0;
	pthread_mutex_lock(&m->lock);
	found = calloc(m->events.n + 1, sizeof(*found));
	for (i = 0; i < m->events.cap; i++) {
		s = (const void *)(m->events.slots + i * m->events.size);
		if ((s->id[0] | s->id[1]) == 0 || (s->where & where) != where ||
		    (s->where & but) != 0 || s->time_ns < start_ns ||
		    s->time_ns > end_ns)
			continue;
		n++;
		if (found != NULL && s->text > 0)
			found[kept++] = s;
	}
	if (kept > 0)
		qsort(found, kept, sizeof(*found), by_time);
	for (i = 0; i < kept && i < most; i++)
		line(arg, (char *)m->text.data + found[i]->text - 1);
	free(found);
	pthread_mutex_unlock(&m->lock);
	return n;
}
