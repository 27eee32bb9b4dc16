/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudtrail.events: the event history of a region by LookupEvents: raw pages
 * as exhibits, and the events themselves, each once, as JSON lines.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "step_support.h"

#define DAY_NS ((int64_t)86400 * 1000000000)
#define HISTORY_DAYS 90
/* Events of the last minutes may not be there yet. */
#define LATE_NS ((int64_t)15 * 60 * 1000000000)
/* Lines are gathered up to this and then go out as a part: a part in the
 * making must not hold budget while calls are made. */
#define GATHER_MAX ((size_t)1 << 20)
#define IDS_MAX ((size_t)1 << 20)	/* 16 MiB of event ids */
#define DENIED_MAX ((size_t)8 << 20)

/* ---- a set of event ids -------------------------------------------------- */

struct id_set {
	uint64_t (*slot)[2];		/* 0,0: free */
	size_t cap, n;
};

static bool id_insert(struct id_set *s, const uint64_t id[2]);

static int id_grow(struct id_set *s)
{
	struct id_set bigger = { 0 };
	size_t i;

	bigger.cap = s->cap == 0 ? 1024 : s->cap * 2;
	bigger.slot = calloc(bigger.cap, sizeof(*bigger.slot));
	if (bigger.slot == NULL)
		return -1;
	for (i = 0; i < s->cap; i++) {
		if (s->slot[i][0] | s->slot[i][1])
			id_insert(&bigger, s->slot[i]);
	}
	free(s->slot);
	*s = bigger;
	return 0;
}

/* True if it was not there. The set must have a free slot. */
static bool id_insert(struct id_set *s, const uint64_t id[2])
{
	size_t i = id[0] & (s->cap - 1);

	while (s->slot[i][0] | s->slot[i][1]) {
		if (s->slot[i][0] == id[0] && s->slot[i][1] == id[1])
			return false;
		i = (i + 1) & (s->cap - 1);
	}
	memcpy(s->slot[i], id, sizeof(s->slot[i]));
	s->n++;
	return true;
}

/* 1 new, 0 seen before, -1 no memory; beyond IDS_MAX everything is new. */
static int id_add(struct id_set *s, const char *text)
{
	unsigned char hash[CART_SHA256_SIZE];
	uint64_t id[2];

	if (s->n >= IDS_MAX)
		return 1;
	if (s->n * 4 >= s->cap * 3 && id_grow(s) < 0)
		return -1;
	cart_sha256(text, strlen(text), hash);
	memcpy(id, hash, sizeof(id));
	id[1] |= 1;			/* never the free slot */
	return id_insert(s, id) ? 1 : 0;
}

/* ---- the events ---------------------------------------------------------- */

struct lookup {
	struct cart_step_ctx *c;
	struct id_set ids;
	struct cart_buf lines;
	struct cart_exhibit *out;	/* begun when lines overflow */
	char pages[2][CART_EXHIBIT_ID_SIZE];	/* first and last raw page */
	struct cart_buf denied;		/* those that were refused, once more */
	bool want_denied, denied_full;
	uint64_t events, duplicates, odd, refused;
	int64_t oldest_ns;
};

static void info_init(const struct lookup *l, struct cart_exhibit_info *info,
		      char slug[64], char name[96])
{
	memset(info, 0, sizeof(*info));
	snprintf(slug, 64, "cloudtrail-events-%.32s.ndjson", l->c->region);
	snprintf(name, 96, "CloudTrail events of %.32s, one a line",
		 l->c->region);
	info->name = name;
	info->slug = slug;
	info->media = "application/x-ndjson";
	info->repeatable = true;
	info->note = "derived: each CloudTrailEvent of the raw pages, once, in "
		"the order received";
}

static int flush(struct lookup *l, struct cart_err *err)
{
	struct cart_exhibit_info info;
	char slug[64], name[96];
	unsigned char *part;
	size_t at = 0, n;

	if (l->out == NULL) {
		info_init(l, &info, slug, name);
		l->out = l->c->ops->exhibit(l->c, &info, true, err);
		if (l->out == NULL)
			return -1;
	}
	while (at < l->lines.len) {
		n = l->lines.len - at;
		if (n > CART_PART_SIZE)
			n = CART_PART_SIZE;
		part = l->c->ops->reserve(l->out, err);
		if (part == NULL)
			return -1;
		memcpy(part, l->lines.data + at, n);
		if (l->c->ops->submit_part(l->out, n, err) < 0)
			return -1;
		at += n;
	}
	cart_buf_reset(&l->lines);
	return 0;
}

static int finish(struct lookup *l, const char *state, struct cart_err *err)
{
	struct cart_exhibit_info info;
	const char *pages[3] = { l->pages[0], l->pages[1], NULL };
	char slug[64], name[96];
	struct cart_exhibit *out;

	if (l->out == NULL) {
		info_init(l, &info, slug, name);
		info.state = state;
		info.derived_from = l->pages[0][0] ? pages : NULL;
		if (strcmp(l->pages[0], l->pages[1]) == 0)
			pages[1] = NULL;
		return l->c->ops->put(l->c, &info, l->lines.data, l->lines.len,
				      NULL, err);
	}
	if (l->lines.len > 0 && flush(l, err) < 0)
		return -1;
	out = l->out;
	l->out = NULL;
	return l->c->ops->close(out, state, NULL, NULL, err);
}

/* Does an event say that permission, or a log-in, was refused? */
static bool is_refusal(const char *text)
{
	static const char *const parts[] = {
		"AccessDenied", "Unauthorized", "NotAuthorized", "Forbidden",
		"AuthorizationError", "AuthFailure", "InvalidClientTokenId",
		"SignatureDoesNotMatch", NULL
	};
	struct cart_json *event;
	const char *code, *message;
	bool yes = false;
	size_t i;

	if (strstr(text, "\"error") == NULL)
		return false;
	event = cart_json_parse(text, strlen(text), NULL, NULL);
	code = cart_json_get_string(event, "errorCode");
	message = cart_json_get_string(event, "errorMessage");
	for (i = 0; code != NULL && parts[i] != NULL; i++)
		yes |= strstr(code, parts[i]) != NULL;
	if (message != NULL && strstr(message, "Failed authentication") != NULL)
		yes = true;
	cart_json_free(event);
	return yes;
}

static void add_denied(struct lookup *l, const char *text)
{
	l->refused++;
	if (l->denied.len + strlen(text) >= DENIED_MAX) {
		l->denied_full = true;
		return;
	}
	cart_buf_adds(&l->denied, text);
	cart_buf_addc(&l->denied, '\n');
}

/* The refused ones as an exhibit of their own. */
static int put_denied(struct lookup *l, struct cart_err *err)
{
	const char *pages[3] = { l->pages[0], l->pages[1], NULL };
	struct cart_exhibit_info info = { 0 };
	char slug[64], name[96], text[96];

	if (!l->want_denied)
		return 0;
	snprintf(text, sizeof(text), "%" PRIu64 " of them were refused",
		 l->refused);
	l->c->ops->note(l->c, text);
	if (l->denied_full)
		l->c->ops->note(l->c, "more refused events than 8 MiB: the rest "
				"is among all events only");
	if (strcmp(pages[0], pages[1]) == 0)
		pages[1] = NULL;
	snprintf(slug, sizeof(slug), "cloudtrail-denied-%.32s.ndjson",
		 l->c->region);
	snprintf(name, sizeof(name), "CloudTrail events of %.32s that were "
		 "refused, one a line", l->c->region);
	info.name = name;
	info.slug = slug;
	info.media = "application/x-ndjson";
	info.repeatable = true;
	info.note = "derived: those of the region's events whose errorCode says "
		"that permission or a log-in was refused";
	info.state = l->denied_full ? "truncated" : NULL;
	info.derived_from = pages[0][0] ? pages : NULL;
	return l->c->ops->put(l->c, &info, l->denied.data, l->denied.len, NULL,
			      err);
}

/* One event as one line: as received if it is one line already. */
static int add_event(struct lookup *l, const struct cart_json *event,
		     struct cart_err *err)
{
	const char *id = cart_json_get_string(event, "EventId");
	const char *text = cart_json_get_string(event, "CloudTrailEvent");
	const char *time = cart_json_get_string(event, "EventTime");
	int64_t t;
	int new;

	new = id != NULL ? id_add(&l->ids, id) : 1;
	if (new < 0)
		return cart_err_nomem(err);
	if (new == 0) {
		l->duplicates++;
		return 0;
	}
	if (time != NULL && cart_clock_parse(time, strlen(time), &t) == 0 &&
	    t < l->oldest_ns)
		l->oldest_ns = t;
	l->events++;
	if (text != NULL && strpbrk(text, "\r\n") == NULL &&
	    cart_text_is_utf8(text, strlen(text))) {
		cart_buf_adds(&l->lines, text);
		if (l->want_denied && is_refusal(text))
			add_denied(l, text);
	} else {
		/* no event inside, or one with line ends: the envelope, which
		 * is one line however it is printed */
		l->odd++;
		cart_json_print(event, 0, &l->lines);
	}
	cart_buf_addc(&l->lines, '\n');
	if (cart_buf_check(&l->lines, "events", err) < 0)
		return -1;
	return l->lines.len >= GATHER_MAX ? flush(l, err) : 0;
}

static int add_page(struct lookup *l, const struct cart_step_reply *reply,
		    struct cart_err *err)
{
	const struct cart_json *e;

	if (l->pages[0][0] == '\0')
		memcpy(l->pages[0], reply->raw_exhibit, CART_EXHIBIT_ID_SIZE);
	memcpy(l->pages[1], reply->raw_exhibit, CART_EXHIBIT_ID_SIZE);
	e = cart_json_first(cart_json_get(reply->aws.view, "Events"));
	for (; e != NULL; e = cart_json_next(e)) {
		if (add_event(l, e, err) < 0)
			return -1;
	}
	l->c->ops->progress(l->c, "CloudTrail events", l->events, 0, "events");
	return l->c->ops->keep(l->c, reply->aws.view, err);
}

static int pages(struct lookup *l, const struct cart_json *first,
		 struct cart_err *err)
{
	struct cart_json *input = cart_json_copy(first), *next;
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	int more = 1;

	call.call.service = "cloudtrail";
	call.call.operation = "LookupEvents";
	call.no_view = true;
	while (more > 0) {
		next = NULL;
		call.call.input = input;
		call.page++;
		more = l->c->ops->call(l->c, &call, &reply, err);
		if (more < 0 && call.page > 1)
			cart_step_gap_call(l->c, &reply, "older events of this "
					   "region", err);
		if (more == 0)
			more = add_page(l, &reply, err);
		if (more == 0)
			more = cart_aws_next_page(&call.call, reply.aws.view,
						  &next, err);
		cart_step_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return more;
}

/* ---- parameters ---------------------------------------------------------- */

static const char *const attributes[] = {
	"AccessKeyId", "EventId", "EventName", "EventSource", "ReadOnly",
	"ResourceName", "ResourceType", "Username", NULL
};

static struct cart_json *make_input(const struct cart_json *with, int64_t start,
				    int64_t end)
{
	struct cart_json *input = cart_json_new_object(), *a;
	char text[CART_CLOCK_TEXT_SIZE];
	size_t i;

	for (i = 0; attributes[i] != NULL; i++) {
		const char *value = cart_json_get_string(with, attributes[i]);

		if (value == NULL)
			continue;
		a = cart_json_append(cart_json_add(input, "LookupAttributes",
						   cart_json_new_array()),
				     cart_json_new_object());
		cart_json_add(a, "AttributeKey",
			      cart_json_new_string(attributes[i]));
		cart_json_add(a, "AttributeValue", cart_json_new_string(value));
	}
	cart_clock_text(start, 0, text);
	cart_json_add(input, "StartTime", cart_json_new_string(text));
	cart_clock_text(end, 0, text);
	cart_json_add(input, "EndTime", cart_json_new_string(text));
	cart_json_add(input, "MaxResults", cart_json_new_int(50));
	return input;
}

static int check(const struct cart_json *with, struct cart_err *err)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; attributes[i] != NULL; i++)
		n += cart_json_get(with, attributes[i]) != NULL;
	if (n > 1)
		return cart_err_set(err, CART_ERR_USAGE, 0, "LookupEvents takes "
				    "one attribute; %u are given", n);
	return 0;
}

/* What LookupEvents cannot see, said once a region. */
static void say_limits(struct cart_step_ctx *c, int64_t start, int64_t end,
		       int64_t now)
{
	c->ops->note(c, "limits of LookupEvents: management events only (no "
		     "data events, no network activity events); events of "
		     "about the last 15 minutes may be missing; it reaches back "
		     "90 days");
	if (start < now - HISTORY_DAYS * DAY_NS - DAY_NS / 24)
		cart_step_gap(c, "events older than 90 days", "limit",
			      "LookupEvents reaches back 90 days; older ones "
			      "are in the trail's S3 bucket, if there is one");
	if (end > now - LATE_NS)
		c->ops->note(c, "the window ends less than 15 minutes ago: its "
			     "last events may not have been delivered");
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	int64_t now = c->ops->now_ns(c), start, end;
	struct cart_json *input = NULL;
	struct lookup l = { .c = c, .oldest_ns = INT64_MAX };
	struct cart_err later = { 0 };
	char text[160];
	int rc;

	if (check(c->with, err) < 0 ||
	    cart_step_time(c, "start", now - HISTORY_DAYS * DAY_NS, &start,
			   err) < 0 ||
	    cart_step_time(c, "end", now, &end, err) < 0)
		return -1;
	if (start >= end)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "start is not before end");
	cart_buf_init(&l.lines, GATHER_MAX + ((size_t)16 << 20));
	cart_buf_init(&l.denied, DENIED_MAX);
	l.want_denied = cart_json_bool(cart_json_get(c->with, "denied"));
	say_limits(c, start, end, now);
	input = make_input(c->with, start, end);
	rc = pages(&l, input, err);
	/* what came before an error is evidence too */
	if (finish(&l, rc < 0 ? "truncated" : NULL, &later) < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
	if (put_denied(&l, &later) < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
	snprintf(text, sizeof(text), "%" PRIu64 " events, %" PRIu64
		 " received twice and dropped, %" PRIu64 " kept in their "
		 "envelope", l.events, l.duplicates, l.odd);
	c->ops->note(c, text);
	if (l.ids.n >= IDS_MAX)
		c->ops->note(c, "more than 1,048,576 events: from there on "
			     "duplicates were not looked for");
	cart_json_free(input);
	cart_buf_clear(&l.lines);
	cart_buf_clear(&l.denied);
	free(l.ids.slot);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "cloudtrail:LookupEvents", false,
	     "50 events a call, at most 2 calls a second in each region");
}

static const struct cart_param params[] = {
	{ "start", CART_PARAM_TIME, false, "-90d", "Begin of the window." },
	{ "end", CART_PARAM_TIME, false, "now", "End of the window." },
	{ "AccessKeyId", CART_PARAM_STRING, false, NULL,
	  "Only events of this access key." },
	{ "EventId", CART_PARAM_STRING, false, NULL, "Only this event." },
	{ "EventName", CART_PARAM_STRING, false, NULL,
	  "Only events of this name." },
	{ "EventSource", CART_PARAM_STRING, false, NULL,
	  "Only events of this service (iam.amazonaws.com)." },
	{ "ReadOnly", CART_PARAM_STRING, false, NULL,
	  "Only reads (true) or writes (false), as text." },
	{ "ResourceName", CART_PARAM_STRING, false, NULL,
	  "Only events about this resource." },
	{ "ResourceType", CART_PARAM_STRING, false, NULL,
	  "Only events about resources of this type." },
	{ "Username", CART_PARAM_STRING, false, NULL,
	  "Only events of this user or role session name." },
	{ "denied", CART_PARAM_BOOLEAN, false, "false",
	  "Keep the refused ones as an exhibit of their own, too." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_cloudtrail_events = {
	.name = "cloudtrail.events",
	.summary = "Read the event history (90 days) by LookupEvents.",
	.where = CART_STEP_AWS,
	.regional = true,
	.params = params,
	.check = check,
	.plan = plan,
	.run = run,
};
