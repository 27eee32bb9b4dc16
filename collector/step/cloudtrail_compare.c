/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudtrail_compare.h"

#include <stdio.h>
#include <string.h>

#define HOUR_NS ((int64_t)3600 * 1000000000)
#define CALLS_MAX 40u			/* kinds of calls that are told apart */
#define MISSING_TOLD 20u

/* Events of one call that are in the logs and not in the event history. */
struct only_call {
	char text[160], kind;
	uint64_t n;
	char first[32], last[32], event[64], exhibit[CART_EXHIBIT_ID_SIZE];
};

struct comparison {
	struct trail_memory *memory;
	unsigned flag, but;
	uint64_t events, data, elsewhere, other, more, unknown;
	struct only_call calls[CALLS_MAX];
	size_t n_calls;
};

static void count_call(struct comparison *p, const struct trail_seen *e)
{
	struct only_call *c;
	size_t i;
	int d;

	for (i = 0; i < p->n_calls; i++) {
		if (p->calls[i].kind == e->kind &&
		    strcmp(p->calls[i].text, e->call) == 0)
			break;
	}
	if (i == CALLS_MAX) {
		p->more++;
		return;
	}
	c = &p->calls[i];
	if (i == p->n_calls) {
		memset(c, 0, sizeof(*c));
		snprintf(c->text, sizeof(c->text), "%s", e->call);
		c->kind = e->kind;
		p->n_calls++;
	}
	d = c->n > 0 ? strcmp(e->time, c->first) : -1;
	if (d < 0 || (d == 0 && strcmp(e->id, c->event) < 0)) {
		snprintf(c->first, sizeof(c->first), "%s", e->time);
		snprintf(c->event, sizeof(c->event), "%s", e->id);
		snprintf(c->exhibit, sizeof(c->exhibit), "%s", e->exhibit);
	}
	if (strcmp(e->time, c->last) > 0)
		snprintf(c->last, sizeof(c->last), "%s", e->time);
	c->n++;
}

static void each(void *arg, const struct trail_seen *e)
{
	struct comparison *p = arg;
	int before = cart_trail_memory_event(p->memory, e->id, p->flag, 0, NULL);

	p->unknown += before < 0;
	if (before < 0 || ((unsigned)before & (p->flag | p->but)) != 0)
		return;
	p->events++;
	if ((before & TRAIL_IN_HISTORY) != 0)
		return;
	*(e->kind == 'e' ? &p->elsewhere : e->kind == 'd' ? &p->data :
	  &p->other) += 1;
	count_call(p, e);
}

static void add_number(struct cart_json *o, const char *key, uint64_t n)
{
	cart_json_add(o, key, cart_json_new_int((int64_t)n));
}

static void add_text(struct cart_json *o, const char *key, const char *s)
{
	cart_json_add(o, key, cart_json_new_string(s));
}

uint64_t cart_trail_compare(struct trail_memory *m, unsigned named,
			    unsigned flag, unsigned but, struct cart_json *out)
{
	struct comparison p = { .memory = m, .flag = flag, .but = but };
	struct cart_json *list, *item;
	size_t i;

	add_number(out, "logs", cart_trail_memory_seen(m, named, each, &p));
	add_number(out, "events", p.events);
	add_number(out, "data", p.data);
	add_number(out, "elsewhere", p.elsewhere);
	add_number(out, "other", p.other);
	list = cart_json_add(out, "calls", cart_json_new_array());
	for (i = 0; i < p.n_calls; i++) {
		const struct only_call *c = &p.calls[i];

		item = cart_json_append(list, cart_json_new_object());
		add_text(item, "text", c->text);
		add_text(item, "kind", c->kind == 'd' ? "data" :
			 c->kind == 'e' ? "elsewhere" : "other");
		add_number(item, "events", c->n);
		add_text(item, "first", c->first);
		add_text(item, "last", c->last);
		add_text(item, "event", c->event);
		add_text(item, "exhibit", c->exhibit);
	}
	add_number(out, "more", p.more);
	return p.unknown;
}

static void add_missing(void *arg, const char *text)
{
	cart_json_append(arg, cart_json_new_string(text));
}

void cart_trail_compare_missing(struct trail_memory *m,
				const struct cart_trail_window *window,
				unsigned but, struct cart_json *out)
{
	const unsigned where = TRAIL_IN_HISTORY | TRAIL_BY_KEY;
	int64_t due = window->now_ns - HOUR_NS, end = window->end_ns;
	struct cart_json *list;

	list = cart_json_add(out, "missing_first", cart_json_new_array());
	add_number(out, "missing", cart_trail_memory_only(
		m, where, but, window->start_ns, end < due ? end : due,
		MISSING_TOLD, add_missing, list));
	add_number(out, "late", end <= due ? 0 : cart_trail_memory_only(
		m, where, but, due + 1, end, 0, add_missing, list));
}
