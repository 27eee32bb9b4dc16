/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudtrail.events: the event history of a region by LookupEvents: raw pages
 * as exhibits, and the events themselves, each once, as JSON lines.
 *
 * Pages come newest first.  After some of them the events so far become an
 * exhibit, a slice, whose origin says which time it covers ("piece"); the next
 * slice goes on before it.  A run that was interrupted asks only for the time
 * that no whole slice covers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "id_set.h"
#include "step_support.h"

#define DAY_NS ((int64_t)86400 * 1000000000)
#define HISTORY_DAYS 90
/* Events of the last minutes may not be there yet. */
#define LATE_NS ((int64_t)15 * 60 * 1000000000)
#define SECOND_NS ((int64_t)1000000000)
/* A slice ends after this many pages of 50 events (ten seconds), or bytes. */
#define SLICE_PAGES 20u
#define SLICE_BYTES ((size_t)4 << 20)
#define LINES_MAX ((size_t)32 << 20)
#define SPANS_MAX 4096u
#define DENIED_MAX ((size_t)8 << 20)

/* ---- slices ---------------------------------------------------------------- */

struct span {				/* seconds since 1970, both within */
	int64_t from_s, to_s;
};

struct lookup {
	struct cart_step_ctx *c;
	uint64_t calls, slices, events, duplicates, odd, refused;
	bool want_denied, denied_full;
	/* Ids of the last minutes, for asking again at the end. */
	struct id_set late;
	int64_t late_from_s;
	bool again;			/* now asking again */
	/* Below: of the slice. */
	struct span slice;
	struct id_set ids;
	struct cart_buf lines;
	struct cart_buf denied;		/* those that were refused, once more */
	char pages[2][CART_EXHIBIT_ID_SIZE];	/* first and last raw page */
	unsigned n_pages;
	uint64_t n_events;
	int64_t newest_s, oldest_s;
	struct cart_json *seam;		/* ids of the oldest second */
};

static void add_second(struct cart_json *o, const char *key, int64_t s)
{
	char text[CART_CLOCK_TEXT_SIZE];

	cart_clock_text(s * SECOND_NS, 0, text);
	cart_json_add(o, key, cart_json_new_string(text));
}

/* The time that the slice covers; events of the second before it that were
 * received with it are its seam. */
static struct cart_json *make_piece(const struct lookup *l)
{
	struct cart_json *piece = cart_json_new_object();

	add_second(piece, "start", l->slice.from_s);
	add_second(piece, "end", l->slice.to_s);
	if (l->seam != NULL && cart_json_size(l->seam) > 0)
		cart_json_add(piece, "seam", cart_json_copy(l->seam));
	return piece;
}

/* whole: it covers its time; else what came before an error. */
static int put_events(struct lookup *l, bool whole, struct cart_err *err)
{
	struct cart_json *origin = cart_json_new_object();
	const char *pages[3] = { l->pages[0], l->pages[1], NULL };
	struct cart_exhibit_info info = { 0 };
	char slug[80], name[96], tail[24] = "";
	int rc;

	if (l->slices > 0)
		snprintf(tail, sizeof(tail), "-%04" PRIu64, l->slices + 1);
	snprintf(slug, sizeof(slug), "cloudtrail-events-%.32s%s.ndjson",
		 l->c->region, tail);
	snprintf(name, sizeof(name), "CloudTrail events of %.32s, one a line",
		 l->c->region);
	cart_json_add(origin, "kind", cart_json_new_string("cloudtrail-events"));
	cart_json_add(origin, "region", cart_json_new_string(l->c->region));
	if (whole && !l->again)
		cart_json_add(origin, "piece", make_piece(l));
	info.name = name;
	info.slug = slug;
	info.media = "application/x-ndjson";
	info.repeatable = true;
	info.origin = origin;
	info.note = l->again ? "derived: events of the last minutes that came "
		"late" : "derived: each CloudTrailEvent of the raw pages, once, "
		"in the order received";
	info.state = whole ? NULL : "truncated";
	info.derived_from = l->pages[0][0] ? pages : NULL;
	if (strcmp(l->pages[0], l->pages[1]) == 0)
		pages[1] = NULL;
	rc = l->c->ops->put(l->c, &info, l->lines.data != NULL ?
			    (void *)l->lines.data : "", l->lines.len, NULL, err);
	cart_json_free(origin);
	l->slices++;
	return rc;
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
	char slug[64], name[96];

	if (!l->want_denied || (l->denied.len == 0 && l->slices > 0))
		return 0;
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
	return l->c->ops->put(l->c, &info, l->denied.data != NULL ?
			      (void *)l->denied.data : "", l->denied.len, NULL,
			      err);
}

static void begin_slice(struct lookup *l)
{
	cart_buf_reset(&l->lines);
	cart_buf_reset(&l->denied);
	cart_id_set_clear(&l->ids);
	memset(&l->ids, 0, sizeof(l->ids));
	memset(l->pages, 0, sizeof(l->pages));
	l->n_pages = 0;
	l->n_events = 0;
	l->newest_s = INT64_MIN;
	l->oldest_s = INT64_MAX;
	cart_json_free(l->seam);
	l->seam = cart_json_new_array();
}

/* The refused ones first: what covers the time says that all is there. */
static int end_slice(struct lookup *l, bool whole, struct cart_err *err)
{
	if (l->again && l->n_events == 0)
		return 0;
	return put_denied(l, err) < 0 ? -1 : put_events(l, whole, err);
}

/* 1 if the event is new; 0; -1 no memory. */
static int is_new(struct lookup *l, const char *id, int64_t at_s)
{
	int new = cart_id_set_add(&l->ids, id), late;

	if (new > 0 && at_s >= l->late_from_s) {
		late = cart_id_set_add(&l->late, id);
		return l->again || late < 0 ? late : 1;
	}
	return new;
}

static void note_time(struct lookup *l, const char *id, int64_t at_s)
{
	if (at_s > l->newest_s)
		l->newest_s = at_s;
	if (at_s < l->oldest_s) {
		l->oldest_s = at_s;
		cart_json_free(l->seam);
		l->seam = cart_json_new_array();
	}
	if (at_s == l->oldest_s)
		cart_json_append(l->seam, cart_json_new_string(id));
}

/* One event as one line: as received if it is one line already. */
static int add_event(struct lookup *l, const struct cart_json *event,
		     struct cart_err *err)
{
	const char *id = cart_json_get_string(event, "EventId");
	const char *text = cart_json_get_string(event, "CloudTrailEvent");
	const char *time = cart_json_get_string(event, "EventTime");
	int64_t t;
	int new = 1;

	if (id != NULL && time != NULL &&
	    cart_clock_parse(time, strlen(time), &t) == 0) {
		note_time(l, id, t / SECOND_NS);
		new = is_new(l, id, t / SECOND_NS);
	}
	if (new < 0)
		return cart_err_nomem(err);
	if (new == 0) {
		l->duplicates += !l->again;
		return 0;
	}
	l->events++;
	l->n_events++;
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
	return cart_buf_check(&l->lines, "events of one second", err);
}

static int add_page(struct lookup *l, const struct cart_step_reply *reply,
		    struct cart_err *err)
{
	const struct cart_json *e;

	if (l->pages[0][0] == '\0')
		memcpy(l->pages[0], reply->raw_exhibit, CART_EXHIBIT_ID_SIZE);
	memcpy(l->pages[1], reply->raw_exhibit, CART_EXHIBIT_ID_SIZE);
	l->n_pages++;
	e = cart_json_first(cart_json_get(reply->aws.view, "Events"));
	for (; e != NULL; e = cart_json_next(e)) {
		if (add_event(l, e, err) < 0)
			return -1;
	}
	l->c->ops->progress(l->c, "CloudTrail events", l->events, 0, "events");
	return l->c->ops->keep(l->c, reply->aws.view, err);
}

/* Enough pages for a slice?  Only if it can end between two seconds. */
static bool is_full(const struct lookup *l)
{
	return (l->n_pages >= SLICE_PAGES || l->lines.len >= SLICE_BYTES) &&
		l->oldest_s < l->newest_s && l->oldest_s > l->slice.from_s;
}

static void gap(struct lookup *l, const struct cart_step_reply *reply,
		const struct cart_err *err)
{
	char what[160], from[CART_CLOCK_TEXT_SIZE], to[CART_CLOCK_TEXT_SIZE];
	int64_t to_s = l->oldest_s < l->slice.to_s ? l->oldest_s :
		l->slice.to_s;

	cart_clock_text(l->slice.from_s * SECOND_NS, 0, from);
	cart_clock_text(to_s * SECOND_NS, 0, to);
	snprintf(what, sizeof(what), "events of %.32s from %s to %s",
		 l->c->region, from, to);
	cart_step_gap_call(l->c, reply, what, err);
}

/* Pages of the slice, until it is full (1) or its time at an end (0). */
static int pages(struct lookup *l, struct cart_json *input,
		 struct cart_err *err)
{
	struct cart_step_call call = { .call = { .service = "cloudtrail",
		.operation = "LookupEvents" }, .no_view = true };
	struct cart_step_reply reply;
	struct cart_json *next;
	int more = 1;

	while (more > 0 && !is_full(l)) {
		next = NULL;
		call.call.input = input;
		call.page++;
		more = l->c->ops->call(l->c, &call, &reply, err);
		/* nothing at all is said by the outcome */
		if (more < 0 && l->calls > 0)
			gap(l, &reply, err);
		l->calls++;
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

static struct cart_json *make_input(const struct cart_json *with,
				    const struct span *span)
{
	struct cart_json *input = cart_json_new_object(), *a;
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
	add_second(input, "StartTime", span->from_s);
	add_second(input, "EndTime", span->to_s);
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
			     "last events may not have been delivered when "
			     "they are asked for again at the end");
}

/* ---- what trails record beyond that ---------------------------------------- */

static bool has_data(const struct cart_json *selectors)
{
	const struct cart_json *e, *f, *v;

	e = cart_json_first(cart_json_get(selectors, "EventSelectors"));
	for (; e != NULL; e = cart_json_next(e)) {
		if (cart_json_size(cart_json_get(e, "DataResources")) > 0)
			return true;
	}
	e = cart_json_first(cart_json_get(selectors, "AdvancedEventSelectors"));
	for (; e != NULL; e = cart_json_next(e)) {
		f = cart_json_first(cart_json_get(e, "FieldSelectors"));
		for (; f != NULL; f = cart_json_next(f)) {
			v = cart_json_first(cart_json_get(f, "Equals"));
			if (v != NULL && cart_json_string(v) != NULL &&
			    strcmp(cart_json_string(v), "Data") == 0)
				return true;
		}
	}
	return false;
}

/* One read; its refusal is a gap. */
static int ask(struct lookup *l, const char *operation, const char *param,
	       const char *value, struct cart_step_reply *ret)
{
	struct cart_step_call call = { .call = { .service = "cloudtrail",
		.operation = operation } };
	struct cart_json *input = cart_json_new_object();
	struct cart_err err = { 0 };
	char what[100];
	int rc;

	cart_json_add(input, param, value != NULL ?
		      cart_json_new_string(value) : cart_json_new_bool(false));
	call.call.input = input;
	rc = l->c->ops->call(l->c, &call, ret, &err);
	cart_json_free(input);
	snprintf(what, sizeof(what), "whether trails of %.32s record data "
		 "events", l->c->region);
	if (rc < 0)
		cart_step_gap_call(l->c, ret, what, &err);
	return rc;
}

/* Of each trail at home in this region, so that each is asked once. */
static void say_selectors(struct lookup *l)
{
	struct cart_step_reply trails, selectors;
	const struct cart_json *e;
	const char *arn, *home;
	char text[400];

	if (ask(l, "DescribeTrails", "includeShadowTrails", NULL, &trails) < 0)
		goto out;
	e = cart_json_first(cart_json_get(trails.aws.view, "trailList"));
	for (; e != NULL; e = cart_json_next(e)) {
		arn = cart_json_get_string(e, "TrailARN");
		home = cart_json_get_string(e, "HomeRegion");
		if (arn == NULL || home == NULL ||
		    strcmp(home, l->c->region) != 0)
			continue;
		if (ask(l, "GetEventSelectors", "TrailName", arn,
			&selectors) == 0) {
			snprintf(text, sizeof(text), "trail %.200s records %s",
				 arn, has_data(selectors.aws.view) ? "data "
				 "events too: they are in its S3 logs alone" :
				 "no data events: what was read or written in "
				 "buckets and the like is nowhere");
			l->c->ops->note(l->c, text);
		}
		cart_step_reply_clear(&selectors);
	}
out:
	cart_step_reply_clear(&trails);
}

/* ---- the step ---------------------------------------------------------------- */

/* Ids that the slice after this one (newer) has already. */
static int take_seam(struct lookup *l, const struct cart_json *seam,
		     struct cart_err *err)
{
	const struct cart_json *e = cart_json_first(seam);

	for (; e != NULL; e = cart_json_next(e)) {
		if (cart_json_string(e) != NULL &&
		    cart_id_set_add(&l->ids, cart_json_string(e)) < 0)
			return cart_err_nomem(err);
	}
	return 0;
}

/* All of a span, newest first, in slices.  seam: ids of its last second that
 * are not to be kept again; taken over. */
static int ask_span(struct lookup *l, const struct span *span,
		    struct cart_json *seam, struct cart_err *err)
{
	struct cart_err later = { 0 };
	int64_t to_s = span->to_s;
	int more = 1, rc = 0;

	while (more > 0 && rc == 0) {
		begin_slice(l);
		l->slice.from_s = span->from_s;
		l->slice.to_s = to_s;
		rc = take_seam(l, seam, err);
		cart_json_free(seam);
		seam = NULL;
		if (rc == 0)
			more = pages(l, make_input(l->c->with, &l->slice), err);
		if (rc < 0 || more < 0) {
			/* what came before an error is evidence too */
			end_slice(l, false, &later);
			return -1;
		}
		/* of its oldest second there may be more on the next page */
		to_s = l->oldest_s;
		if (more > 0) {
			l->slice.from_s = to_s + 1;
		} else {
			cart_json_free(l->seam);
			l->seam = NULL;
		}
		rc = end_slice(l, true, err);
		if (more > 0) {
			seam = l->seam;
			l->seam = NULL;
		}
	}
	cart_json_free(seam);
	return rc;
}
struct piece {
	struct span span;
	const struct cart_json *seam;
};

static int piece_order(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->span.from_s < y->span.from_s ? -1 :
		x->span.from_s > y->span.from_s;
}

static int second_of(const struct cart_json *o, const char *key, int64_t *ret)
{
	const char *s = cart_json_get_string(o, key);
	int64_t ns;

	if (s == NULL || cart_clock_parse(s, strlen(s), &ns) < 0)
		return -1;
	*ret = ns / SECOND_NS;
	return 0;
}

/* What of the time no piece covers, with the seam of the piece after it; the
 * oldest first.  Returns how many. */
static size_t uncovered(const struct cart_json *earlier, const struct span *all,
			struct piece *out, int64_t *ret_newest_s)
{
	struct piece *p = calloc(SPANS_MAX, sizeof(*p));
	const struct cart_json *e = cart_json_first(earlier);
	int64_t at_s = all->from_s;
	size_t n = 0, i, n_out = 0;

	for (; p != NULL && e != NULL && n < SPANS_MAX; e = cart_json_next(e)) {
		if (second_of(e, "start", &p[n].span.from_s) < 0 ||
		    second_of(e, "end", &p[n].span.to_s) < 0)
			continue;
		p[n].seam = cart_json_get(e, "seam");
		if (p[n].span.to_s > *ret_newest_s)
			*ret_newest_s = p[n].span.to_s;
		n++;
	}
	if (n > 0)
		qsort(p, n, sizeof(*p), piece_order);
	for (i = 0; i < n && p[i].span.from_s <= all->to_s; i++) {
		if (p[i].span.from_s > at_s) {
			out[n_out].span.from_s = at_s;
			out[n_out].span.to_s = p[i].span.from_s - 1;
			out[n_out++].seam = p[i].seam;
		}
		if (p[i].span.to_s >= at_s)
			at_s = p[i].span.to_s + 1;
	}
	if (at_s <= all->to_s) {
		out[n_out].span.from_s = at_s;
		out[n_out].span.to_s = all->to_s;
		out[n_out++].seam = NULL;
	}
	free(p);
	return n_out;
}

static int ask_all(struct lookup *l, const struct span *all,
		   struct cart_err *err)
{
	const struct cart_json *earlier = l->c->ops->earlier(l->c);
	struct piece *open = calloc(SPANS_MAX + 1, sizeof(*open));
	int64_t newest_s = INT64_MIN;
	char text[160];
	size_t n;
	int rc = 0;

	if (open == NULL)
		return cart_err_nomem(err);
	n = uncovered(earlier, all, open, &newest_s);
	if (newest_s != INT64_MIN) {
		snprintf(text, sizeof(text), "an earlier session kept %zu "
			 "slices whole; %zu spans of time are asked for",
			 cart_json_size(earlier), n);
		l->c->ops->note(l->c, text);
		if (l->late_from_s != INT64_MAX &&
		    newest_s - LATE_NS / SECOND_NS < l->late_from_s)
			l->late_from_s = newest_s - LATE_NS / SECOND_NS;
	}
	while (n-- > 0 && rc == 0)
		rc = ask_span(l, &open[n].span, cart_json_copy(open[n].seam),
			      err);
	free(open);
	return rc;
}

/* Events of the last minutes come late, and more came while we asked. */
static int ask_again(struct lookup *l, const struct span *all,
		     struct cart_err *err)
{
	struct span tail = { l->late_from_s, all->to_s };
	uint64_t before = l->events;
	char text[200];
	int rc;

	if (l->late_from_s == INT64_MAX)
		return 0;
	if (tail.from_s < all->from_s)
		tail.from_s = all->from_s;
	if (cart_json_get(l->c->with, "end") == NULL)
		tail.to_s = l->c->ops->now_ns(l->c) / SECOND_NS;
	l->again = true;
	rc = ask_span(l, &tail, NULL, err);
	snprintf(text, sizeof(text), "the last minutes were asked for again: "
		 "%" PRIu64 " more events%s", l->events - before,
		 l->c->ops->earlier(l->c) != NULL ? " (of those, some may be in "
		 "the exhibits of an earlier session)" : "");
	l->c->ops->note(l->c, text);
	return rc;
}

static void say_sum(struct lookup *l)
{
	char text[160];

	snprintf(text, sizeof(text), "%" PRIu64 " events, %" PRIu64
		 " received twice and dropped, %" PRIu64 " kept in their "
		 "envelope", l->events, l->duplicates, l->odd);
	l->c->ops->note(l->c, text);
	if (!l->want_denied)
		return;
	snprintf(text, sizeof(text), "%" PRIu64 " of them were refused",
		 l->refused);
	l->c->ops->note(l->c, text);
	if (l->denied_full)
		l->c->ops->note(l->c, "more refused events in a slice than 8 "
				"MiB: the rest is among all events only");
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	int64_t now = c->ops->now_ns(c), start, end;
	struct lookup l = { .c = c, .late_from_s = INT64_MAX };
	struct span all;
	int rc;

	if (check(c->with, err) < 0 ||
	    cart_step_time(c, "start", now - HISTORY_DAYS * DAY_NS, &start,
			   err) < 0 ||
	    cart_step_time(c, "end", now, &end, err) < 0)
		return -1;
	if (start >= end)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "start is not before end");
	cart_buf_init(&l.lines, LINES_MAX);
	cart_buf_init(&l.denied, DENIED_MAX);
	l.want_denied = cart_json_bool(cart_json_get(c->with, "denied"));
	all.from_s = start / SECOND_NS;
	all.to_s = end / SECOND_NS;
	if (end > now - LATE_NS)
		l.late_from_s = all.to_s - LATE_NS / SECOND_NS;
	say_limits(c, start, end, now);
	rc = ask_all(&l, &all, err);
	if (rc == 0)
		rc = ask_again(&l, &all, err);
	if (rc == 0)
		say_selectors(&l);
	say_sum(&l);
	cart_json_free(l.seam);
	cart_buf_clear(&l.lines);
	cart_buf_clear(&l.denied);
	cart_id_set_clear(&l.ids);
	cart_id_set_clear(&l.late);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "cloudtrail:LookupEvents", false,
	     "50 events a call, at most 2 calls a second in each region");
	emit(arg, "cloudtrail:DescribeTrails", false, NULL);
	emit(arg, "cloudtrail:GetEventSelectors", false,
	     "each trail at home in the region");
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
