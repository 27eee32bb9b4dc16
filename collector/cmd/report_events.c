/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of CloudTrail that a report draws.  Each is a line of JSON of
 * which six members are wanted, and there may be hundreds of thousands: one
 * pass over the bytes, which never looks for a name inside of another value.
 */
#include "report_data.h"

#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"

/* A value in a line, its quotes left out; NULL: none. */
struct span {
	const char *p;
	size_t len;
};

struct wanted {
	const char *key;
	struct span value;
};

struct scan {
	const char *p, *end;
};

static bool skip_text(struct scan *s)
{
	const char *q, *b;

	for (;;) {
		q = memchr(s->p, '"', (size_t)(s->end - s->p));
		if (q == NULL)
			return false;
		for (b = q; b > s->p && b[-1] == '\\'; b--)
			;
		s->p = q + 1;
		if ((q - b) % 2 == 0)
			return true;
	}
}

/* A value of any kind.  Its end is where its brackets say. */
static bool skip_value(struct scan *s)
{
	size_t depth = 0;

	while (s->p < s->end) {
		switch (*s->p) {
		case '"':
			s->p++;
			if (!skip_text(s))
				return false;
			if (depth == 0)
				return true;
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return true;
			if (--depth == 0) {
				s->p++;
				return true;
			}
			break;
		case ',':
			if (depth == 0)
				return true;
			break;
		default:
			break;
		}
		s->p++;
	}
	return depth == 0;
}

static void skip_to(struct scan *s, const char *any)
{
	while (s->p < s->end && strchr(any, *s->p) == NULL)
		s->p++;
}

static void take(struct wanted *w, struct span key, struct span value)
{
	for (; w->key != NULL; w++) {
		if (strlen(w->key) == key.len &&
		    memcmp(w->key, key.p, key.len) == 0) {
			w->value = value;
			return;
		}
	}
}

/* The members of an object that are wanted.  False: not an object. */
static bool members(struct span object, struct wanted *w)
{
	struct scan s;
	struct span key, value;

	if (object.len == 0 || *object.p != '{')
		return false;
	s = (struct scan){ object.p + 1, object.p + object.len };
	for (;;) {
		skip_to(&s, "\"}");
		if (s.p == s.end)
			return false;
		if (*s.p == '}')
			return true;
		key.p = ++s.p;
		if (!skip_text(&s))
			return false;
		key.len = (size_t)(s.p - 1 - key.p);
		skip_to(&s, ":");
		if (s.p == s.end)
			return false;
		s.p++;
		while (s.p < s.end && *s.p == ' ')
			s.p++;
		value.p = s.p;
		if (!skip_value(&s))
			return false;
		value.len = (size_t)(s.p - value.p);
		if (value.len >= 2 && value.p[0] == '"') {
			value.p++;
			value.len -= 2;
		}
		take(w, key, value);
	}
}

/* 64 bits of a text, never 0 (FNV-1a).  Who could make two alike could as
 * well have left one out. */
static uint64_t hash(const char *p, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	while (len-- > 0)
		h = (h ^ (unsigned char)*p++) * 0x100000001b3;
	return h != 0 ? h : 1;
}

uint64_t cart_report_hash(const char *s)
{
	return hash(s, strlen(s));
}

/* ---- names --------------------------------------------------------------- */

/* Index of a name; beyond the table's size, all others share the last. */
static unsigned name_of(struct cart_report_names *t, struct span s)
{
	struct cart_report_name *n;
	size_t i;

	if (s.len == 0)
		s = (struct span){ "(none)", 6 };
	if (s.len >= sizeof(n->text))
		s.len = sizeof(n->text) - 1;
	i = hash(s.p, s.len) % REPORT_SLOTS;
	for (; t->slot[i] != 0; i = (i + 1) % REPORT_SLOTS) {
		n = &t->name[t->slot[i] - 1];
		if (strlen(n->text) == s.len && memcmp(n->text, s.p, s.len) == 0)
			return t->slot[i] - 1u;
	}
	if (t->n == REPORT_NAMES) {
		t->full = true;
		return REPORT_NAMES - 1;
	}
	memcpy(t->name[t->n].text, s.p, s.len);
	t->name[t->n].text[s.len] = '\0';
	t->slot[i] = (uint16_t)++t->n;
	return (unsigned)t->n - 1;
}

static struct span behind_account(struct span arn)
{
	const char *colon = arn.len == 0 ? NULL : memrchr(arn.p, ':', arn.len);

	if (colon != NULL) {
		arn.len -= (size_t)(colon + 1 - arn.p);
		arn.p = colon + 1;
	}
	return arn;
}

/* Who it was: what stands behind the account in an ARN
 * ("assumed-role/NAME/SESSION", "user/NAME", "root"), else the name, the
 * service that acted, or the kind. */
static struct span principal_of(struct span identity)
{
	struct wanted w[] = {
		{ .key = "arn" }, { .key = "userName" }, { .key = "invokedBy" },
		{ .key = "type" }, { .key = NULL }
	};
	struct span none = { "(unknown)", 9 };
	size_t i;

	if (!members(identity, w))
		return none;
	w[0].value = behind_account(w[0].value);
	for (i = 0; i < 4; i++)
		if (w[i].value.len > 0)
			return w[i].value;
	return none;
}

/* ---- events -------------------------------------------------------------- */

static int grow(struct cart_report *r, struct cart_err *err)
{
	size_t cap = r->cap_events == 0 ? 4096 : r->cap_events * 2;
	struct cart_report_event *p;

	if (r->n_events < r->cap_events)
		return 0;
	p = realloc(r->event, cap * sizeof(*p));
	if (p == NULL)
		return cart_err_nomem(err);
	r->event = p;
	r->cap_events = cap;
	return 0;
}

int cart_report_add_event(struct cart_report *r, const char *line, size_t len,
			  struct cart_err *err)
{
	struct wanted w[] = {
		{ .key = "eventTime" }, { .key = "awsRegion" },
		{ .key = "eventID" }, { .key = "requestID" },
		{ .key = "userIdentity" },
		/* as timeline.ndjson of cloudtrail.key calls them */
		{ .key = "datetime" }, { .key = "aws_region" },
		{ .key = "event_id" }, { .key = "principal" }, { .key = NULL }
	};
	struct cart_report_event *e;
	bool timeline;
	int64_t t;

	if (!members((struct span){ line, len }, w))
		w[0].value.len = 0;
	timeline = w[0].value.len == 0 && w[5].value.len > 0;
	if (timeline)
		memcpy(&w[0], &w[5], 3 * sizeof(w[0]));
	if (w[0].value.len == 0 ||
	    cart_clock_parse(w[0].value.p, w[0].value.len, &t) < 0) {
		r->bad_events++;
		return 0;
	}
	if (r->n_events == REPORT_EVENTS) {
		r->more_events++;
		return 0;
	}
	if (grow(r, err) < 0)
		return -1;
	e = &r->event[r->n_events++];
	e->t_s = t / 1000000000;
	e->id = w[2].value.len > 0 ? hash(w[2].value.p, w[2].value.len) : 0;
	e->request = w[3].value.len > 0 ? hash(w[3].value.p, w[3].value.len) : 0;
	e->region = (uint16_t)name_of(&r->regions, w[1].value);
	e->principal = (uint16_t)name_of(&r->principals,
					 timeline ? behind_account(w[8].value) :
					 principal_of(w[4].value));
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct cart_report_event *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void cart_report_settle(struct cart_report *r)
{
	struct cart_report_event *e;
	size_t i, n = 0;

	if (r->n_events == 0)
		return;
	qsort(r->event, r->n_events, sizeof(*r->event), by_id);
	if (r->n_requests > 0)
		qsort(r->request, r->n_requests, sizeof(*r->request), by_number);
	for (i = 0; i < r->n_events; i++) {
		e = &r->event[i];
		if (n > 0 && e->id != 0 && e->id == r->event[n - 1].id) {
			r->repeated++;
			continue;
		}
		e->own = e->request != 0 && r->n_requests > 0 &&
			bsearch(&e->request, r->request, r->n_requests,
				sizeof(*r->request), by_number) != NULL;
		r->own_events += e->own;
		r->regions.name[e->region].events += !e->own;
		r->principals.name[e->principal].events += !e->own;
		r->event[n++] = *e;
	}
	r->n_events = n;
}
