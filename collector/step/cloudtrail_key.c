/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudtrail.key: every event of an access key in every enabled region, of the
 * sessions that it opened, and, one generation on, of what it made.  Raw pages
 * and a timeline are exhibits; what they say in sum is kept for report.key.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "id_set.h"
#include "key_event.h"
#include "key_timeline.h"
#include "step_support.h"
#include "trail_memory.h"

#define DAY_NS ((int64_t)86400 * 1000000000)
#define HOUR_NS (DAY_NS / 24)
#define ACTORS_MAX 500			/* keys, users, roles ... looked up */
#define COUNTS_MAX 1000			/* distinct addresses, agents ... */
#define EFFECTS_MAX 20000
/* A kept value is at most 64 KiB; all of a step's together must not be more,
 * or a resumed run asks for everything again. */
#define FACTS_MAX ((size_t)24 << 10)
#define EFFECTS_BYTES_MAX ((size_t)21 << 10)
#define ACTORS_BYTES_MAX ((size_t)12 << 10)
#define KEYS_KEPT 200u
#define IN_FLIGHT_MAX 12
#define REGIONS_MAX 64

/* ---- what is counted ----------------------------------------------------- */

struct mark {				/* one event, as evidence */
	int64_t time_ns;
	char time[32], event[64], exhibit[CART_EXHIBIT_ID_SIZE];
};

struct tally {
	uint64_t events, errors;
	struct mark first, last;
};

struct count {
	char *text;
	struct tally t;
};

struct counts {
	struct count *at;
	size_t n, cap;
	uint64_t beyond;		/* events not told apart any more */
};

struct actor {
	enum key_follow kind;
	char id[KEY_TEXT_SIZE];
	char by[KEY_TEXT_SIZE];		/* key or user that made it */
	char role[KEY_TEXT_SIZE], account[32];
	unsigned generation;
	int64_t since_ns;		/* what was before is not theirs */
	struct mark made;
	struct tally t;
};

struct effect {
	const char *what;
	char *id, *detail, *region, *by;
	unsigned generation;
	struct mark m;
};

struct region {
	char name[32];
	size_t next;			/* the actor to look up next */
	struct cart_json *input;	/* of its next page, or NULL */
	unsigned page;
	bool busy, failed;
	bool by_arn;			/* a role's second lookup */
	size_t actor;			/* whom the input is about */
};

struct hunt {
	struct cart_step_ctx *c;
	int64_t start_ns, end_ns;
	struct region regions[REGIONS_MAX];
	size_t n_regions, in_flight;
	struct actor *actors;
	size_t n_actors, cap_actors;
	size_t wave;			/* actors before this are looked up now */
	uint64_t not_followed;
	struct effect *effects;
	size_t n_effects, cap_effects;
	uint64_t effects_beyond;
	struct id_set seen;
	struct key_timeline line;
	struct tally all, own, sessions;
	struct counts addresses, agents, by_region, errors, calls, who;
	uint64_t unread;
	struct trail_memory *memory;
	struct mark oldest, newest;	/* of all events: for the logs */
	/* the event that is being judged */
	const struct key_event *e;
	const struct mark *m;
	struct actor *actor;
	/* whose the key is, as its events say; the newest event counts */
	struct mark owner_mark;
	char owner_type[64], owner_user[KEY_TEXT_SIZE], owner_role[KEY_TEXT_SIZE];
	char owner_arn[2 * KEY_TEXT_SIZE], owner_account[32];
};

static void mark_init(struct mark *m, const struct key_event *e,
		      const char *exhibit)
{
	m->time_ns = e->time_ns;
	snprintf(m->time, sizeof(m->time), "%s", e->time);
	snprintf(m->event, sizeof(m->event), "%s", e->id);
	snprintf(m->exhibit, sizeof(m->exhibit), "%s", exhibit);
}

/* By time, and between equals by event id: pages come in any order. */
static int mark_cmp(const struct mark *a, const struct mark *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return strcmp(a->event, b->event);
}

static void tally_add(struct tally *t, const struct mark *m, bool failed)
{
	if (t->events == 0 || mark_cmp(m, &t->first) < 0)
		t->first = *m;
	if (t->events == 0 || mark_cmp(m, &t->last) > 0)
		t->last = *m;
	t->events++;
	t->errors += failed;
}

static int count_add(struct counts *c, const char *text, const struct mark *m,
		     bool failed)
{
	struct count *bigger;
	size_t i, cap;

	for (i = 0; i < c->n; i++) {
		if (strcmp(c->at[i].text, text) == 0)
			break;
	}
	if (i == c->n && c->n == COUNTS_MAX) {
		c->beyond++;
		return 0;
	}
	if (i == c->n && c->n == c->cap) {
		cap = c->cap > 0 ? c->cap * 2 : 16;
		bigger = realloc(c->at, cap * sizeof(*bigger));
		if (bigger == NULL)
			return -1;
		c->at = bigger;
		c->cap = cap;
	}
	if (i == c->n) {
		memset(&c->at[i], 0, sizeof(c->at[i]));
		c->at[i].text = strdup(text);
		if (c->at[i].text == NULL)
			return -1;
		c->n++;
	}
	tally_add(&c->at[i].t, m, failed);
	return 0;
}

static void counts_clear(struct counts *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		free(c->at[i].text);
	free(c->at);
}

/* ---- whom we follow ------------------------------------------------------ */

static struct actor *find_actor(struct hunt *h, enum key_follow kind,
				const char *id)
{
	bool key = kind == KEY_FOLLOW_KEY || kind == KEY_FOLLOW_SESSION;
	size_t i;

	for (i = 0; i < h->n_actors; i++) {
		struct actor *a = &h->actors[i];
		bool akey = a->kind == KEY_FOLLOW_KEY ||
			a->kind == KEY_FOLLOW_SESSION;

		if ((key ? akey : a->kind == kind) && strcmp(a->id, id) == 0)
			return a;
	}
	return NULL;
}

static int actor_cmp(const void *pa, const void *pb)
{
	const struct actor *a = pa, *b = pb;
	int rc = mark_cmp(&a->made, &b->made);

	return rc != 0 ? rc : strcmp(a->id, b->id);
}

/* NULL: no memory, or there are too many, which is counted. */
static struct actor *new_actor(struct hunt *h, enum key_follow kind,
			       const char *id)
{
	struct actor *bigger;
	size_t cap;

	if (h->n_actors == ACTORS_MAX) {
		h->not_followed++;
		return NULL;
	}
	if (h->n_actors == h->cap_actors) {
		cap = h->cap_actors > 0 ? h->cap_actors * 2 : 16;
		bigger = realloc(h->actors, cap * sizeof(*bigger));
		if (bigger == NULL) {
			h->not_followed++;
			return NULL;
		}
		h->actors = bigger;
		h->cap_actors = cap;
	}
	bigger = &h->actors[h->n_actors++];
	memset(bigger, 0, sizeof(*bigger));
	bigger->kind = kind;
	bigger->since_ns = INT64_MIN;
	snprintf(bigger->id, sizeof(bigger->id), "%s", id);
	return bigger;
}

/* "The same hand" (a session) stays in its generation; what was made is the
 * next, and from there on only sessions are followed. */
static void follow(struct hunt *h, const struct key_effect *f,
		   const struct actor *by)
{
	bool session = f->follow == KEY_FOLLOW_SESSION;
	unsigned generation = by->generation + !session;
	char name[KEY_TEXT_SIZE];
	struct actor *a;

	if (f->follow == KEY_FOLLOW_NONE || generation > 1)
		return;
	if (strlen(f->id) >= KEY_TEXT_SIZE - 4) {	/* cut: no such name */
		h->not_followed++;
		return;
	}
	/* making a user, then a password for it: one to follow */
	if (f->follow == KEY_FOLLOW_CONSOLE &&
	    find_actor(h, KEY_FOLLOW_USER, f->id) != NULL)
		return;
	a = find_actor(h, f->follow, f->id);
	if (a != NULL) {
		if (!session && h->m->time_ns < a->since_ns)
			a->since_ns = h->m->time_ns;
		if (mark_cmp(h->m, &a->made) < 0 && a->made.event[0] != '\0')
			a->made = *h->m;
		return;
	}
	snprintf(name, sizeof(name), "%s", by->id);
	a = new_actor(h, f->follow, f->id);
	if (a == NULL)
		return;
	a->generation = generation;
	a->made = *h->m;
	snprintf(a->by, sizeof(a->by), "%s", name);
	snprintf(a->role, sizeof(a->role), "%s", f->role);
	snprintf(a->account, sizeof(a->account), "%s", f->account);
	if (!session && f->follow != KEY_FOLLOW_KEY)
		a->since_ns = h->m->time_ns;
}

static int add_effect(struct hunt *h, const struct key_effect *f,
		      const struct actor *by)
{
	struct effect *e;
	size_t cap;

	if (h->n_effects == EFFECTS_MAX) {
		h->effects_beyond++;
		return 0;
	}
	if (h->n_effects == h->cap_effects) {
		cap = h->cap_effects > 0 ? h->cap_effects * 2 : 32;
		e = realloc(h->effects, cap * sizeof(*e));
		if (e == NULL)
			return -1;
		h->effects = e;
		h->cap_effects = cap;
	}
	e = &h->effects[h->n_effects++];
	memset(e, 0, sizeof(*e));
	e->what = f->what;
	e->id = strdup(f->id);
	e->detail = strdup(f->detail);
	e->region = strdup(h->e->region);
	e->by = strdup(by->id);
	e->generation = by->generation;
	e->m = *h->m;
	return e->id && e->detail && e->region && e->by ? 0 : -1;
}

static int on_effect(void *arg, const struct key_effect *f)
{
	struct hunt *h = arg;
	size_t at = (size_t)(h->actor - h->actors);

	if (add_effect(h, f, h->actor) < 0)
		return -1;
	follow(h, f, h->actor);
	h->actor = &h->actors[at];	/* the array may have moved */
	return 0;
}

/* ---- one event ----------------------------------------------------------- */

/* What a lookup by name or resource finds is not all by whom we follow. */
static bool is_by(const struct actor *a, const struct key_event *e)
{
	size_t n = strlen(a->id), len = strlen(e->arn);

	if (e->time_ns < a->since_ns)
		return false;
	switch (a->kind) {
	case KEY_FOLLOW_USER:
		return strcmp(e->type, "IAMUser") == 0 &&
		       strcmp(e->user, a->id) == 0;
	case KEY_FOLLOW_CONSOLE:
		/* the user's own long-lived keys are somebody else's */
		return strcmp(e->type, "IAMUser") == 0 &&
		       strcmp(e->user, a->id) == 0 &&
		       strncmp(e->key, "AKIA", 4) != 0;
	case KEY_FOLLOW_INSTANCE:
	case KEY_FOLLOW_FUNCTION:
		return strcmp(e->type, "AssumedRole") == 0 && len > n &&
		       e->arn[len - n - 1] == '/' &&
		       strcmp(e->arn + len - n, a->id) == 0;
	case KEY_FOLLOW_ROLE:
		return strncmp(e->name, "AssumeRole", 10) == 0;
	default:
		return strcmp(e->key, a->id) == 0;
	}
}

static void add_string(struct cart_json *o, const char *key, const char *s)
{
	struct cart_buf b;

	if (s[0] == '\0')
		return;
	cart_buf_init(&b, 1 << 20);
	cart_text_escape(s, strlen(s) < 4096 ? strlen(s) : 4096, &b);
	cart_json_add(o, key, cart_json_new_string(cart_buf_ok(&b) && b.data ?
						   (char *)b.data : ""));
	cart_buf_clear(&b);
}

static int add_line(struct hunt *h, const struct actor *a, struct cart_err *err)
{
	const struct key_event *e = h->e;
	struct cart_json *o = cart_json_new_object();
	char text[512], utc[CART_CLOCK_TEXT_SIZE];

	if (o == NULL)
		return cart_err_nomem(err);
	snprintf(text, sizeof(text), "%.60s %.80s by %.128s from %.64s%s%.64s",
		 e->source, e->name, e->key[0] ? e->key : e->arn, e->address,
		 e->error[0] ? ": " : "", e->error);
	add_string(o, "message", text);
	cart_clock_text(e->time_ns, 0, utc);
	cart_json_add(o, "datetime", cart_json_new_string(utc));
	cart_json_add(o, "timestamp", cart_json_new_int(e->time_ns / 1000));
	add_string(o, "timestamp_desc", "CloudTrail event time");
	add_string(o, "event_id", e->id);
	add_string(o, "exhibit", h->m->exhibit);
	add_string(o, "event_source", e->source);
	add_string(o, "event_name", e->name);
	add_string(o, "aws_region", e->region);
	add_string(o, "account_id", e->recipient);
	add_string(o, "source_ip", e->address);
	add_string(o, "user_agent", e->agent);
	add_string(o, "access_key_id", e->key);
	add_string(o, "principal", e->arn);
	add_string(o, "error_code", e->error);
	add_string(o, "followed_as", a->id);
	cart_json_add(o, "generation", cart_json_new_int(a->generation));
	return cart_key_timeline_add(&h->line, e->time_ns, o, err);
}

static void note_owner(struct hunt *h, const struct key_event *e)
{
	if (h->owner_type[0] != '\0' && mark_cmp(h->m, &h->owner_mark) <= 0)
		return;
	h->owner_mark = *h->m;
	snprintf(h->owner_type, sizeof(h->owner_type), "%s", e->type);
	snprintf(h->owner_arn, sizeof(h->owner_arn), "%s", e->arn);
	snprintf(h->owner_account, sizeof(h->owner_account), "%s", e->account);
	snprintf(h->owner_user, sizeof(h->owner_user), "%s", e->user);
	snprintf(h->owner_role, sizeof(h->owner_role), "%s", e->role);
	/* a federated user's session belongs to the user that opened it */
	if (strcmp(e->type, "FederatedUser") == 0)
		snprintf(h->owner_user, sizeof(h->owner_user), "%s", e->role);
	if (strcmp(e->type, "AssumedRole") == 0)
		h->owner_user[0] = '\0';
	else
		h->owner_role[0] = '\0';
}

/* Everything about the event but for what it made. */
static int count_event(struct hunt *h, struct actor *a, const struct key_event *e)
{
	bool failed = e->error[0] != '\0';
	size_t source = strcspn(e->source, ".");
	char call[KEY_TEXT_SIZE];

	tally_add(&a->t, h->m, failed);
	if (a == &h->actors[0]) {
		note_owner(h, e);
		tally_add(&h->own, h->m, failed);
	} else if (a->generation == 0) {
		tally_add(&h->sessions, h->m, failed);
	}
	if (a->generation > 0)
		return 0;
	tally_add(&h->all, h->m, failed);
	snprintf(call, sizeof(call), "%.*s:%.150s",
		 source < 60 ? (int)source : 60, e->source, e->name);
	if (count_add(&h->addresses, e->address, h->m, failed) < 0 ||
	    count_add(&h->agents, e->agent, h->m, failed) < 0 ||
	    count_add(&h->by_region, e->region, h->m, failed) < 0 ||
	    count_add(&h->calls, call, h->m, failed) < 0 ||
	    count_add(&h->who, e->arn, h->m, failed) < 0)
		return -1;
	return failed ? count_add(&h->errors, e->error, h->m, failed) : 0;
}

/* For cloudtrail.logs, which sees what trails delivered of the same. */
static void remember(struct hunt *h, const struct key_event *e,
		     const struct mark *m, const struct actor *by)
{
	bool keyed = by->kind == KEY_FOLLOW_KEY ||
		by->kind == KEY_FOLLOW_SESSION;
	char text[200];

	snprintf(text, sizeof(text), "%.31s %.31s %.63s %.63s", m->time,
		 e->region, m->event, e->name);
	cart_trail_memory_event(h->memory, e->id, TRAIL_IN_HISTORY |
				(keyed ? TRAIL_BY_KEY : 0), e->time_ns,
				keyed ? text : NULL);
	if (h->oldest.event[0] == '\0' || mark_cmp(m, &h->oldest) < 0)
		h->oldest = *m;
	if (h->newest.event[0] == '\0' || mark_cmp(m, &h->newest) > 0)
		h->newest = *m;
}

/* An event that a lookup for actor a found. */
static int judge(struct hunt *h, size_t actor, const struct key_event *e,
		 const char *exhibit, struct cart_err *err)
{
	struct actor *a = &h->actors[actor], *by;
	struct mark m;
	int new;

	if (!is_by(a, e))
		return 0;
	/* whoever holds the key did it, whatever it was looked up by */
	by = e->key[0] != '\0' ? find_actor(h, KEY_FOLLOW_KEY, e->key) : NULL;
	if (by == NULL)
		by = a;
	new = cart_id_set_add(&h->seen, e->id);
	if (new <= 0)
		return new < 0 ? cart_err_nomem(err) : 0;
	mark_init(&m, e, exhibit);
	remember(h, e, &m, by);
	h->e = e;
	h->m = &m;
	if (count_event(h, by, e) < 0)
		return cart_err_nomem(err);
	if (add_line(h, by, err) < 0)
		return -1;
	h->actor = by;
	return cart_key_event_effects(e, on_effect, h) < 0 ?
		cart_err_nomem(err) : 0;
}

static int take_page(struct hunt *h, size_t actor,
		     const struct cart_step_reply *reply, struct cart_err *err)
{
	const struct cart_json *j;
	struct key_event e;
	struct cart_err bad;
	const char *text;
	int rc = 0;

	j = cart_json_first(cart_json_get(reply->aws.view, "Events"));
	for (; j != NULL && rc == 0; j = cart_json_next(j)) {
		text = cart_json_get_string(j, "CloudTrailEvent");
		cart_err_clear(&bad);
		if (text != NULL && cart_key_event_parse(&e, text, strlen(text),
							 &bad) == 0) {
			if (e.id[0] != '\0' && e.time_ns != INT64_MIN)
				rc = judge(h, actor, &e, reply->raw_exhibit,
					   err);
			else
				h->unread++;
			cart_key_event_clear(&e);
		} else if (bad.class == CART_ERR_MEMORY) {
			rc = cart_err_nomem(err);
		} else {
			h->unread++;
		}
	}
	h->c->ops->progress(h->c, "events of the key", h->seen.n, 0, "events");
	return rc;
}

/* ---- lookups: one at a time in each region ------------------------------- */

static const char *partition(const char *region)
{
	if (strncmp(region, "cn-", 3) == 0)
		return "aws-cn";
	return strncmp(region, "us-gov-", 7) == 0 ? "aws-us-gov" : "aws";
}

static struct cart_json *first_input(const struct hunt *h,
				     const struct region *r)
{
	struct cart_json *input = cart_json_new_object(), *o;
	const struct actor *a = &h->actors[r->actor];
	const char *key = "Username", *value = a->id;
	char text[CART_CLOCK_TEXT_SIZE], arn[KEY_TEXT_SIZE + 80];

	if (a->kind == KEY_FOLLOW_KEY || a->kind == KEY_FOLLOW_SESSION)
		key = "AccessKeyId";
	else if (a->kind == KEY_FOLLOW_ROLE)
		key = "ResourceName";
	if (r->by_arn) {
		snprintf(arn, sizeof(arn), "arn:%s:iam::%s:role/%s",
			 partition(r->name), h->c->account, a->id);
		value = arn;
	}
	o = cart_json_append(cart_json_add(input, "LookupAttributes",
					   cart_json_new_array()),
			     cart_json_new_object());
	cart_json_add(o, "AttributeKey", cart_json_new_string(key));
	cart_json_add(o, "AttributeValue", cart_json_new_string(value));
	cart_clock_text(h->start_ns, 0, text);
	cart_json_add(input, "StartTime", cart_json_new_string(text));
	cart_clock_text(h->end_ns, 0, text);
	cart_json_add(input, "EndTime", cart_json_new_string(text));
	cart_json_add(input, "MaxResults", cart_json_new_int(50));
	return input;
}

/* 1: a call is under way, 0: nothing to ask here now, -1. */
static int submit(struct hunt *h, struct region *r, struct cart_err *err)
{
	struct cart_step_call call = { .no_view = true };

	if (r->busy || r->failed)
		return 0;
	if (r->input == NULL) {
		if (r->next == h->wave && !r->by_arn)
			return 0;
		if (!r->by_arn)
			r->actor = r->next++;
		r->page = 0;
		r->input = first_input(h, r);
		if (r->input == NULL)
			return cart_err_nomem(err);
	}
	call.call.service = "cloudtrail";
	call.call.operation = "LookupEvents";
	call.call.region = r->name;
	call.call.input = r->input;
	call.page = ++r->page;
	if (h->c->ops->submit(h->c, &call, r, err) < 0)
		return -1;
	r->busy = true;
	h->in_flight++;
	return 1;
}

static void region_failed(struct hunt *h, struct region *r,
			  const struct cart_step_reply *reply,
			  const struct cart_err *why)
{
	char what[160];

	/* The others of this region would fail alike, each after minutes. */
	r->failed = true;
	snprintf(what, sizeof(what), "events of the key in %s, from %s of "
		 "what is looked up on", r->name, h->actors[r->actor].id);
	cart_step_gap_call(h->c, reply, what, why);
}

/* One answer: its events, and the region's next page. */
static int take_answer(struct hunt *h, struct cart_err *err)
{
	struct cart_step_reply reply;
	struct cart_aws_call call = { .service = "cloudtrail",
				      .operation = "LookupEvents" };
	struct cart_json *next = NULL;
	struct cart_err why = { 0 };
	void *tag = NULL;
	struct region *r;
	int got, call_rc = 0, rc = 0, more;

	got = h->c->ops->next(h->c, &reply, &tag, &call_rc, &why);
	if (got <= 0)
		return cart_err_set(err, CART_ERR_CANCELLED, 0,
				    "the run was stopped");
	r = tag;
	r->busy = false;
	h->in_flight--;
	call.input = r->input;
	if (call_rc < 0 && why.class == CART_ERR_CANCELLED) {
		*err = why;
		rc = -1;
	} else if (call_rc < 0) {
		region_failed(h, r, &reply, &why);
	} else {
		rc = take_page(h, r->actor, &reply, err);
		more = rc == 0 ? cart_aws_next_page(&call, reply.aws.view, &next,
						    &why) : 0;
		if (more < 0)
			region_failed(h, r, &reply, &why);
	}
	cart_step_reply_clear(&reply);
	cart_json_free(r->input);
	r->input = next;
	/* events name a role by its name or by its ARN */
	if (next == NULL)
		r->by_arn = !r->by_arn &&
			h->actors[r->actor].kind == KEY_FOLLOW_ROLE;
	return rc;
}

/* Whom the last wave found comes next, in the order of time: what is counted
 * for whom does not hang on which region answers first. */
static bool next_wave(struct hunt *h)
{
	if (h->wave == h->n_actors)
		return false;
	qsort(h->actors + h->wave, h->n_actors - h->wave, sizeof(h->actors[0]),
	      actor_cmp);
	h->wave = h->n_actors;
	return true;
}

static int look_up_all(struct hunt *h, struct cart_err *err)
{
	size_t i;
	int rc;

	h->wave = h->n_actors;
	for (;;) {
		for (i = 0; i < h->n_regions && h->in_flight < IN_FLIGHT_MAX;
		     i++) {
			if (submit(h, &h->regions[i], err) < 0)
				return -1;
		}
		if (h->in_flight == 0 && next_wave(h))
			continue;
		if (h->in_flight == 0)
			return 0;
		rc = take_answer(h, err);
		if (rc < 0)
			return -1;
	}
}

/* ---- regions ------------------------------------------------------------- */

static int add_region(struct hunt *h, const char *name)
{
	struct region *r = &h->regions[h->n_regions];

	if (name == NULL || h->n_regions == REGIONS_MAX ||
	    strlen(name) >= sizeof(r->name))
		return -1;
	snprintf(r->name, sizeof(r->name), "%s", name);
	h->n_regions++;
	return 0;
}

static int given_regions(struct hunt *h, const struct cart_json *given,
			 struct cart_err *err)
{
	const struct cart_json *r;

	if (cart_json_string(given) != NULL && add_region(h,
				cart_json_string(given)) == 0)
		return 0;
	r = cart_json_first(given);
	for (; r != NULL; r = cart_json_next(r)) {
		if (add_region(h, cart_json_string(r)) < 0)
			break;
	}
	if (r != NULL || h->n_regions == 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "regions: at most "
				    "%d names", REGIONS_MAX);
	return 0;
}

/* Without the list: where we are, and where global services write. */
static int two_regions(struct hunt *h, const struct cart_step_reply *reply,
		       struct cart_err *err)
{
	const char *here = reply->aws.region, *global = "us-east-1";

	cart_step_gap_call(h->c, reply, "the list of enabled regions: only the "
			   "configured one and that of IAM's events are looked "
			   "at", err);
	cart_err_clear(err);
	if (strncmp(here, "cn-", 3) == 0)
		global = "cn-north-1";
	else if (strncmp(here, "us-gov-", 7) == 0)
		global = "us-gov-west-1";
	add_region(h, global);
	if (here[0] != '\0' && strcmp(here, "global") != 0 &&
	    strcmp(here, global) != 0)
		add_region(h, here);
	return 0;
}

static int find_regions(struct hunt *h, struct cart_err *err)
{
	const struct cart_json *given = cart_json_get(h->c->with, "regions"), *r;
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	int rc;

	if (given != NULL && (cart_json_string(given) == NULL ||
			      strcmp(cart_json_string(given), "all") != 0))
		return given_regions(h, given, err);
	call.call.service = "ec2";
	call.call.operation = "DescribeRegions";
	rc = h->c->ops->call(h->c, &call, &reply, err);
	if (rc < 0 && err->class != CART_ERR_CANCELLED)
		rc = two_regions(h, &reply, err);
	r = cart_json_first(cart_json_get(reply.aws.view, "Regions"));
	for (; rc == 0 && r != NULL; r = cart_json_next(r)) {
		const char *state = cart_json_get_string(r, "OptInStatus");

		if (state != NULL && strcmp(state, "not-opted-in") == 0)
			continue;
		if (add_region(h, cart_json_get_string(r, "RegionName")) < 0)
			break;
	}
	if (rc == 0 && (r != NULL || h->n_regions == 0))
		rc = cart_err_set(err, CART_ERR_LIMIT, 0, "ec2:DescribeRegions "
				  "names none, or more than %d regions",
				  REGIONS_MAX);
	cart_step_reply_clear(&reply);
	return rc;
}

/* ---- what is kept -------------------------------------------------------- */

static void add_mark(struct cart_json *o, const char *prefix,
		     const struct mark *m)
{
	char key[32];

	snprintf(key, sizeof(key), "%s%stime", prefix, *prefix ? "_" : "");
	add_string(o, key, m->time);
	snprintf(key, sizeof(key), "%s%sevent", prefix, *prefix ? "_" : "");
	add_string(o, key, m->event);
	snprintf(key, sizeof(key), "%s%sexhibit", prefix, *prefix ? "_" : "");
	add_string(o, key, m->exhibit);
}

static struct cart_json *tally_json(const struct tally *t)
{
	struct cart_json *o = cart_json_new_object();

	cart_json_add(o, "events", cart_json_new_int((int64_t)t->events));
	cart_json_add(o, "errors", cart_json_new_int((int64_t)t->errors));
	if (t->events > 0) {
		add_mark(o, "first", &t->first);
		add_mark(o, "last", &t->last);
	}
	return o;
}

static int by_events(const void *pa, const void *pb)
{
	const struct count *a = pa, *b = pb;

	if (a->t.events != b->t.events)
		return a->t.events > b->t.events ? -1 : 1;
	return strcmp(a->text, b->text);
}

/* The most frequent ones; {"items": [...], "more": N}. */
static struct cart_json *counts_json(struct counts *c, size_t most)
{
	struct cart_json *o = cart_json_new_object(), *list, *item;
	size_t i;

	if (c->n > 0)
		qsort(c->at, c->n, sizeof(c->at[0]), by_events);
	list = cart_json_add(o, "items", cart_json_new_array());
	for (i = 0; i < c->n && i < most; i++) {
		const struct tally *t = &c->at[i].t;

		item = cart_json_append(list, cart_json_new_object());
		add_string(item, "text", c->at[i].text[0] ? c->at[i].text : "-");
		cart_json_add(item, "events",
			      cart_json_new_int((int64_t)t->events));
		cart_json_add(item, "errors",
			      cart_json_new_int((int64_t)t->errors));
		add_string(item, "first", t->first.time);
		add_string(item, "last", t->last.time);
		add_string(item, "event", t->first.event);
		add_string(item, "exhibit", t->first.exhibit);
	}
	cart_json_add(o, "more", cart_json_new_int((int64_t)
				 (c->n - i + (c->beyond > 0))));
	return o;
}

static int effect_cmp(const void *pa, const void *pb)
{
	const struct effect *a = pa, *b = pb;
	int rc = mark_cmp(&a->m, &b->m);

	return rc != 0 ? rc : strcmp(a->id, b->id);
}

/* Appends item unless the list would get too long; then counts. */
static void append_within(struct cart_json *list, struct cart_json *item,
			  size_t *used, size_t most, uint64_t *more)
{
	struct cart_buf b;

	cart_buf_init(&b, 1 << 20);
	cart_json_print(item, 0, &b);
	if (!cart_buf_ok(&b) || *used + b.len > most) {
		cart_json_free(item);
		(*more)++;
	} else {
		*used += b.len + 1;
		cart_json_append(list, item);
	}
	cart_buf_clear(&b);
}

static struct cart_json *effects_json(struct hunt *h)
{
	struct cart_json *o = cart_json_new_object(), *list, *item;
	uint64_t more = h->effects_beyond;
	size_t i, used = 0;

	if (h->n_effects > 0)
		qsort(h->effects, h->n_effects, sizeof(h->effects[0]),
		      effect_cmp);
	list = cart_json_add(o, "items", cart_json_new_array());
	for (i = 0; i < h->n_effects; i++) {
		const struct effect *e = &h->effects[i];

		item = cart_json_new_object();
		add_string(item, "what", e->what);
		add_string(item, "id", e->id);
		add_string(item, "detail", e->detail);
		add_string(item, "region", e->region);
		add_string(item, "by", e->by);
		cart_json_add(item, "generation",
			      cart_json_new_int(e->generation));
		add_mark(item, "", &e->m);
		append_within(list, item, &used, EFFECTS_BYTES_MAX, &more);
	}
	cart_json_add(o, "more", cart_json_new_int((int64_t)more));
	if (more > 0)
		cart_step_gap(h->c, "a part of what was made, in the summary",
			      "limit", "there is more than a summary holds; all "
			      "of it is in timeline.ndjson and the raw pages");
	return o;
}

static const char *const kind_names[] = {
	[KEY_FOLLOW_NONE] = "", [KEY_FOLLOW_SESSION] = "session",
	[KEY_FOLLOW_KEY] = "access key", [KEY_FOLLOW_USER] = "user",
	[KEY_FOLLOW_CONSOLE] = "console of user", [KEY_FOLLOW_ROLE] = "role",
	[KEY_FOLLOW_INSTANCE] = "instance", [KEY_FOLLOW_FUNCTION] = "function"
};

static void add_once(struct cart_json *list, const char *text)
{
	const struct cart_json *c = cart_json_first(list);

	for (; c != NULL; c = cart_json_next(c)) {
		if (strcmp(cart_json_string(c), text) == 0)
			return;
	}
	if (text[0] != '\0')
		cart_json_append(list, cart_json_new_string(text));
}

/* What the steps that read logs need: keys, and in which accounts. */
static void add_reach(const struct hunt *h, struct cart_json *o)
{
	struct cart_json *keys, *accounts;
	size_t i;

	add_string(o, "key", h->actors[0].id);
	keys = cart_json_add(o, "keys", cart_json_new_array());
	accounts = cart_json_add(o, "accounts", cart_json_new_array());
	add_once(accounts, h->c->account);
	add_once(accounts, h->owner_account);
	for (i = 0; i < h->n_actors; i++) {
		const struct actor *a = &h->actors[i];

		if (a->kind != KEY_FOLLOW_KEY && a->kind != KEY_FOLLOW_SESSION)
			continue;
		if (cart_json_size(keys) < KEYS_KEPT)
			cart_json_append(keys, cart_json_new_string(a->id));
		add_once(accounts, a->account);
	}
}

/* All that was followed but the key itself. */
static struct cart_json *actors_json(struct hunt *h)
{
	struct cart_json *o = cart_json_new_object(), *list, *item;
	uint64_t more = h->not_followed;
	size_t i, used = 0;

	qsort(h->actors + 1, h->n_actors - 1, sizeof(h->actors[0]), actor_cmp);
	list = cart_json_add(o, "items", cart_json_new_array());
	for (i = 1; i < h->n_actors; i++) {
		const struct actor *a = &h->actors[i];

		item = tally_json(&a->t);
		add_string(item, "kind", kind_names[a->kind]);
		add_string(item, "id", a->id);
		add_string(item, "by", a->by);
		add_string(item, "role", a->role);
		add_string(item, "account", a->account);
		cart_json_add(item, "generation",
			      cart_json_new_int(a->generation));
		add_mark(item, "made", &a->made);
		append_within(list, item, &used, ACTORS_BYTES_MAX, &more);
	}
	cart_json_add(o, "more", cart_json_new_int((int64_t)more));
	add_reach(h, o);
	if (h->not_followed > 0)
		cart_step_gap(h->c, "what some things that were made did",
			      "limit", "more than 500 keys, users, roles and "
			      "instances: the rest was not looked up");
	return o;
}

static struct cart_json *facts_json(struct hunt *h)
{
	struct cart_json *o = cart_json_new_object(), *list;
	char text[CART_CLOCK_TEXT_SIZE];
	size_t i;

	add_string(o, "key", h->actors[0].id);
	cart_clock_text(h->start_ns, 0, text);
	add_string(o, "from", text);
	cart_clock_text(h->end_ns, 0, text);
	add_string(o, "to", text);
	cart_json_add(o, "regions", cart_json_new_int((int64_t)h->n_regions));
	list = cart_json_add(o, "regions_failed", cart_json_new_array());
	for (i = 0; i < h->n_regions; i++) {
		if (h->regions[i].failed)
			cart_json_append(list, cart_json_new_string(
						 h->regions[i].name));
	}
	cart_json_add(o, "all", tally_json(&h->all));
	cart_json_add(o, "own", tally_json(&h->own));
	cart_json_add(o, "sessions", tally_json(&h->sessions));
	add_string(o, "type", h->owner_type);
	add_string(o, "arn", h->owner_arn);
	add_string(o, "account", h->owner_account);
	add_string(o, "timeline", h->line.id);
	cart_json_add(o, "lines", cart_json_new_int((int64_t)h->line.lines));
	cart_json_add(o, "unread", cart_json_new_int((int64_t)h->unread));
	cart_json_add(o, "addresses", counts_json(&h->addresses, 24));
	cart_json_add(o, "agents", counts_json(&h->agents, 12));
	cart_json_add(o, "by_region", counts_json(&h->by_region, 32));
	cart_json_add(o, "errors_by", counts_json(&h->errors, 12));
	cart_json_add(o, "calls", counts_json(&h->calls, 32));
	cart_json_add(o, "who", counts_json(&h->who, 8));
	return o;
}

/* Facts are an answer in sum: what is left out is said in "more". */
static void shorten(struct cart_json *facts)
{
	static const char *const lists[] = { "agents", "calls", "addresses",
					     "who", "errors_by" };
	struct cart_json *group, *items, *last, *c;
	struct cart_buf b;
	size_t i = 0;
	int64_t more;
	bool fits;

	for (;;) {
		cart_buf_init(&b, FACTS_MAX);
		cart_json_print(facts, 0, &b);
		fits = cart_buf_ok(&b);
		cart_buf_clear(&b);
		if (fits || i == 200)
			return;
		group = cart_json_get(facts, lists[i++ % 5]);
		items = cart_json_get(group, "items");
		last = NULL;
		for (c = cart_json_first(items); c != NULL;
		     c = cart_json_next(c))
			last = c;
		if (last == NULL || cart_json_size(items) < 2)
			continue;
		cart_json_free(cart_json_detach(items, last));
		more = 0;
		cart_json_i64(cart_json_get(group, "more"), &more);
		cart_json_set(group, "more", cart_json_new_int(more + 1));
	}
}

/* {"kind": "IAMUser", "user": ..., "role": ...}: always one value, so that
 * whoever refers to it runs also where no event says whose the key is. */
static struct cart_json *owner_json(const struct hunt *h)
{
	struct cart_json *o = cart_json_new_object();

	add_string(o, "type", h->owner_type[0] ? h->owner_type : "unknown");
	add_string(o, "user", h->owner_user);
	add_string(o, "role", h->owner_role);
	add_string(o, "arn", h->owner_arn);
	add_string(o, "account", h->owner_account);
	if (h->owner_type[0] != '\0')
		add_mark(o, "", &h->owner_mark);
	return o;
}

/* Roles of this account whose sessions the key opened, or is one of. */
static struct cart_json *roles_json(const struct hunt *h)
{
	struct cart_json *a = cart_json_new_array();
	const struct cart_json *c;
	size_t i;

	if (h->owner_role[0] != '\0' &&
	    strcmp(h->owner_account, h->c->account) == 0)
		cart_json_append(a, cart_json_new_string(h->owner_role));
	for (i = 1; i < h->n_actors; i++) {
		const struct actor *s = &h->actors[i];

		if (s->kind != KEY_FOLLOW_SESSION || s->generation > 0 ||
		    s->role[0] == '\0' ||
		    strcmp(s->account, h->c->account) != 0)
			continue;
		for (c = cart_json_first(a); c != NULL; c = cart_json_next(c)) {
			if (strcmp(cart_json_string(c), s->role) == 0)
				break;
		}
		if (c == NULL)
			cart_json_append(a, cart_json_new_string(s->role));
	}
	return a;
}

/* Takes value. */
static int keep(struct hunt *h, const char *name, struct cart_json *value,
		struct cart_err *err)
{
	int rc = value != NULL ? h->c->ops->keep_value(h->c, name, value, err) :
		cart_err_nomem(err);

	cart_json_free(value);
	return rc;
}

/* The time whose logs are of interest: what the operator said, or from the
 * first event to the last; where there is none, the last day. */
static int keep_window(struct hunt *h, struct cart_err *err)
{
	const char *asked = cart_json_get_string(h->c->with, "logs_start");
	int64_t start = h->oldest.event[0] != '\0' ? h->oldest.time_ns :
		h->end_ns - DAY_NS;
	int64_t end = h->oldest.event[0] != '\0' ? h->newest.time_ns +
		2 * HOUR_NS : h->end_ns;
	char from[CART_CLOCK_TEXT_SIZE], to[CART_CLOCK_TEXT_SIZE];

	if (start < h->start_ns)
		start = h->start_ns;
	if (end > h->end_ns)
		end = h->end_ns;
	if (end < start + HOUR_NS)	/* the only event is of just now */
		end = start + HOUR_NS;
	if (asked != NULL && strcmp(asked, "auto") != 0)
		end = h->end_ns;
	else
		asked = NULL;
	cart_clock_text(start, 0, from);
	cart_clock_text(end, 0, to);
	return keep(h, "logs_start", cart_json_new_string(asked != NULL ?
							  asked : from),
		    err) < 0 ||
	       keep(h, "logs_end", cart_json_new_string(to), err) < 0 ? -1 : 0;
}

static int keep_all(struct hunt *h, struct cart_err *err)
{
	struct cart_json *facts = facts_json(h);

	shorten(facts);
	return keep(h, "facts", facts, err) < 0 ||
	       keep(h, "made", effects_json(h), err) < 0 ||
	       keep(h, "followed", actors_json(h), err) < 0 ||
	       keep_window(h, err) < 0 ||
	       keep(h, "owner", owner_json(h), err) < 0 ||
	       keep(h, "roles", roles_json(h), err) < 0 ? -1 : 0;
}

/* ---- the step ------------------------------------------------------------ */

static void clear(struct hunt *h)
{
	size_t i;

	for (i = 0; i < h->n_effects; i++) {
		free(h->effects[i].id);
		free(h->effects[i].detail);
		free(h->effects[i].region);
		free(h->effects[i].by);
	}
	free(h->effects);
	for (i = 0; i < h->n_regions; i++)
		cart_json_free(h->regions[i].input);
	counts_clear(&h->addresses);
	counts_clear(&h->agents);
	counts_clear(&h->by_region);
	counts_clear(&h->errors);
	counts_clear(&h->calls);
	counts_clear(&h->who);
	cart_key_timeline_clear(&h->line);
	cart_id_set_clear(&h->seen);
	free(h->actors);
	free(h);
}

/* What a session does in another account is in that account's history. */
static void say_elsewhere(struct hunt *h)
{
	char what[480];
	size_t i;

	for (i = 1; i < h->n_actors; i++) {
		const struct actor *a = &h->actors[i];

		if (a->kind != KEY_FOLLOW_SESSION || a->account[0] == '\0' ||
		    strcmp(a->account, h->c->account) == 0)
			continue;
		snprintf(what, sizeof(what), "events of session %.100s of role "
			 "%.200s in account %.31s", a->id, a->role, a->account);
		cart_step_gap(h->c, what, "absent", "they are in the history "
			      "of that account: collect there too");
	}
}

static void say_limits(struct hunt *h, int64_t now)
{
	char text[128];

	say_elsewhere(h);
	h->c->ops->note(h->c, "limits of LookupEvents: management events only "
			"(no data events), the last 90 days; events of the last "
			"15 minutes may be missing");
	if (h->start_ns < now - 90 * DAY_NS - DAY_NS / 24)
		cart_step_gap(h->c, "events older than 90 days", "limit",
			      "LookupEvents reaches back 90 days; older ones "
			      "are in the trail's S3 bucket, if there is one");
	if (h->unread > 0) {
		snprintf(text, sizeof(text), "%" PRIu64 " events",  h->unread);
		cart_step_gap(h->c, text, "failed", "they are not such JSON as "
			      "CloudTrail writes: in the raw pages alone");
	}
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	int64_t now = c->ops->now_ns(c);
	struct hunt *h = calloc(1, sizeof(*h));
	struct cart_err later = { 0 };
	struct actor *key;
	int rc = -1;

	if (h == NULL)
		return cart_err_nomem(err);
	h->c = c;
	h->memory = cart_trail_memory(c);
	/* no event's id: that the history was asked, if it has none */
	cart_trail_memory_event(h->memory, "", TRAIL_IN_HISTORY, INT64_MIN, NULL);
	cart_key_timeline_init(&h->line, c);
	if (cart_step_time(c, "start", now - 90 * DAY_NS, &h->start_ns, err) < 0 ||
	    cart_step_time(c, "end", now, &h->end_ns, err) < 0)
		goto out;
	if (h->start_ns >= h->end_ns) {
		cart_err_set(err, CART_ERR_USAGE, 0, "start is not before end");
		goto out;
	}
	key = new_actor(h, KEY_FOLLOW_KEY,
			cart_json_get_string(c->with, "AccessKeyId"));
	if (key == NULL) {
		cart_err_nomem(err);
		goto out;
	}
	if (find_regions(h, err) < 0)
		goto out;
	rc = look_up_all(h, err);
	say_limits(h, now);
	/* what came before an error is evidence too */
	if (cart_key_timeline_finish(&h->line, rc < 0 ? "truncated" : NULL,
				     &later) < 0 ||
	    keep_all(h, &later) < 0) {
		if (rc == 0)
			*err = later;
		rc = -1;
	}
out:
	clear(h);
	return rc;
}

static int check(const struct cart_json *with, struct cart_err *err)
{
	const char *key = cart_json_get_string(with, "AccessKeyId");

	if (key != NULL && strstr(key, "${") == NULL && strlen(key) > 128)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "AccessKeyId is longer than 128 characters");
	return 0;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "ec2:DescribeRegions", false, "unless regions are given");
	emit(arg, "cloudtrail:LookupEvents", false, "in each region: the key, "
	     "its sessions, and what it made; 2 calls a second each");
}

static const struct cart_param params[] = {
	{ "AccessKeyId", CART_PARAM_STRING, true, NULL, "The access key." },
	{ "start", CART_PARAM_TIME, false, "-90d", "Begin of the window." },
	{ "end", CART_PARAM_TIME, false, "now", "End of the window." },
	{ "regions", CART_PARAM_STRINGS, false, "all",
	  "Where to look; all: each that the account has enabled." },
	{ "logs_start", CART_PARAM_STRING, false, "auto",
	  "Kept as begin of the logs to read; auto: the first event." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps[] = { "facts", "made", "followed", "owner",
				     "roles", "logs_start", "logs_end", NULL };

const struct cart_step_type cart_step_cloudtrail_key = {
	.name = "cloudtrail.key",
	.summary = "Find all that an access key, its sessions and its makings did.",
	.where = CART_STEP_AWS,
	.params = params,
	.keeps = keeps,
	.check = check,
	.plan = plan,
	.run = run,
};
