/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeline of a report, a picture in SVG: how many events of CloudTrail
 * when, by region and by principal; what the collection changed; and, apart
 * from everyone else's, the collection's own calls.
 */
#include "report_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/json.h"

#define COLUMNS 96
#define COLUMN_WIDTH 7
#define LEFT 250		/* of the columns; names stand before */
#define ROW_HEIGHT 24
#define BAR_HEIGHT 18.0
#define ROWS 16			/* a group; what is beyond shares the last */
#define NAME_CHARS 38
#define TICKS 4

struct grid {
	int64_t from, to;		/* seconds */
	uint32_t count[ROWS][COLUMNS];
	uint32_t most;
	unsigned rows;
	unsigned y;			/* where the next row begins */
};

static void span(struct grid *g, int64_t t)
{
	if (g->from == 0 || t < g->from)
		g->from = t;
	if (t > g->to)
		g->to = t;
}

static size_t column(const struct grid *g, int64_t t)
{
	return (size_t)((t - g->from) * COLUMNS / (g->to - g->from + 1));
}

static void whole_span(struct grid *g, const struct cart_report *r)
{
	const char *t;
	int64_t ns;
	size_t i;

	for (i = 0; i < r->n_events; i++)
		span(g, r->event[i].t_s);
	for (i = 0; i < r->n_call_t; i++)
		span(g, r->call_t[i]);
	for (i = 0; i < r->n_changes; i++) {
		t = cart_json_get_string(r->change[i], "t");
		if (t && cart_clock_parse(t, strlen(t), &ns) == 0)
			span(g, ns / 1000000000);
	}
}

/* A name at the left of a row, cut so that it fits; whole in its title. */
static void label(struct cart_buf *b, unsigned y, const char *text)
{
	char cut[NAME_CHARS * 4 + 4];
	size_t len = strnlen(text, NAME_CHARS * 4);
	size_t chars = 0, i, last = 0;

	for (i = 0; i < len; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80 &&
		    ++chars == NAME_CHARS)
			last = i;
	}
	if (text[len] != '\0' || chars > NAME_CHARS)
		snprintf(cut, sizeof(cut), "%.*s\xe2\x80\xa6", (int)last, text);
	else
		snprintf(cut, sizeof(cut), "%s", text);
	cart_buf_addf(b, "<text x=\"0\" y=\"%u\">", y + ROW_HEIGHT - 8);
	cart_report_text(b, cut);
	cart_buf_adds(b, "<title>");
	cart_report_text(b, text);
	cart_buf_adds(b, "</title></text>\n");
}

static void bars(struct cart_buf *b, const struct grid *g, const uint32_t *count,
		 const char *class)
{
	double h;
	size_t i;

	for (i = 0; i < COLUMNS; i++) {
		if (count[i] == 0)
			continue;
		h = 3 + (BAR_HEIGHT - 3) * count[i] / (g->most ? g->most : 1);
		cart_buf_addf(b, "<rect class=\"%s\" x=\"%zu\" y=\"%.1f\" "
			      "width=\"%d\" height=\"%.1f\"><title>%" PRIu32
			      "</title></rect>\n", class,
			      LEFT + i * COLUMN_WIDTH, g->y + ROW_HEIGHT - 3 - h,
			      COLUMN_WIDTH - 1, h, count[i]);
	}
}

static void heading(struct cart_buf *b, struct grid *g, const char *text)
{
	cart_buf_addf(b, "<text class=\"h\" x=\"0\" y=\"%u\">%s</text>\n",
		      g->y + ROW_HEIGHT - 8, text);
	g->y += ROW_HEIGHT;
}

/* ---- a group of rows: regions, or principals ------------------------------ */

static const struct cart_report_names *sorting;

static int by_events(const void *a, const void *b)
{
	uint32_t x = sorting->name[*(const uint16_t *)a].events;
	uint32_t y = sorting->name[*(const uint16_t *)b].events;

	if (x != y)
		return x < y ? 1 : -1;
	return strcmp(sorting->name[*(const uint16_t *)a].text,
		      sorting->name[*(const uint16_t *)b].text);
}

struct group {
	const struct cart_report_names *names;
	bool principals;
	uint16_t order[REPORT_NAMES];	/* names, the most events first */
	uint16_t row[REPORT_NAMES];	/* of a name */
	size_t n;
};

static void arrange(struct group *q)
{
	size_t i;

	q->n = 0;
	for (i = 0; i < q->names->n; i++)
		if (q->names->name[i].events > 0)
			q->order[q->n++] = (uint16_t)i;
	sorting = q->names;
	qsort(q->order, q->n, sizeof(q->order[0]), by_events);
	for (i = 0; i < q->n; i++)
		q->row[q->order[i]] = (uint16_t)(i < ROWS ? i : ROWS - 1);
}

static void draw_group(struct cart_buf *b, struct grid *g,
		       const struct cart_report *r, struct group *q)
{
	const struct cart_report_event *e;
	char others[96];
	size_t i, row, rows;
	uint32_t *c;

	arrange(q);
	memset(g->count, 0, sizeof(g->count));
	g->most = 0;
	for (i = 0; i < r->n_events; i++) {
		e = &r->event[i];
		if (e->own)
			continue;
		row = q->row[q->principals ? e->principal : e->region];
		c = &g->count[row][column(g, e->t_s)];
		if (++*c > g->most)
			g->most = *c;
	}
	rows = q->n < ROWS ? q->n : ROWS;
	for (i = 0; i < rows; i++) {
		const struct cart_report_name *n = &q->names->name[q->order[i]];

		snprintf(others, sizeof(others), "%zu others", q->n - ROWS + 1);
		label(b, g->y, i == ROWS - 1 && q->n > ROWS ? others : n->text);
		bars(b, g, g->count[i], "e");
		g->y += ROW_HEIGHT;
	}
}

/* ---- what we did --------------------------------------------------------- */

static bool is_snapshot(const struct cart_json *change)
{
	const char *call = cart_json_get_string(change, "call");

	return call && strstr(call, "Snapshot") != NULL;
}

static size_t draw_changes(struct cart_buf *b, struct grid *g,
			   const struct cart_report *r, bool snapshots)
{
	const char *t, *call;
	size_t i, n = 0;
	unsigned x;
	int64_t ns;

	for (i = 0; i < r->n_changes; i++) {
		t = cart_json_get_string(r->change[i], "t");
		call = cart_json_get_string(r->change[i], "call");
		if (is_snapshot(r->change[i]) != snapshots || !t || !call ||
		    cart_clock_parse(t, strlen(t), &ns) < 0)
			continue;
		if (n++ == 0)
			label(b, g->y, snapshots ? "Snapshots" :
			      "Other changes by the collection");
		x = LEFT + (unsigned)column(g, ns / 1000000000) * COLUMN_WIDTH;
		cart_buf_addf(b, "<path class=\"c\" d=\"M%u %uh10l-5-14z\"><title>",
			      x, g->y + ROW_HEIGHT - 4);
		cart_report_text(b, call);
		cart_buf_adds(b, " ");
		cart_report_text(b, t);
		cart_buf_adds(b, "</title></path>\n");
	}
	if (n > 0)
		g->y += ROW_HEIGHT;
	return n;
}

static void draw_own(struct cart_buf *b, struct grid *g,
		     const struct cart_report *r)
{
	uint32_t count[COLUMNS] = { 0 };
	size_t i;

	g->most = 0;
	for (i = 0; i < r->n_call_t; i++) {
		uint32_t *c = &count[column(g, r->call_t[i])];

		if (++*c > g->most)
			g->most = *c;
	}
	label(b, g->y, "Calls to AWS by the collection");
	bars(b, g, count, "o");
	g->y += ROW_HEIGHT;
}

/* Behind the rows: lines from top to bottom, and the times below. */
static void axis(struct cart_buf *b, struct grid *g)
{
	char t[CART_CLOCK_TEXT_SIZE];
	int64_t at;
	unsigned i, x;

	for (i = 0; i <= TICKS; i++) {
		x = LEFT + i * COLUMNS * COLUMN_WIDTH / TICKS;
		at = g->from + (g->to - g->from) * i / TICKS;
		cart_clock_text(at * 1000000000, 0, t);
		cart_buf_addf(b, "<path class=\"a\" d=\"M%u 0V%u\"/>\n"
			      "<text text-anchor=\"%s\" x=\"%u\" y=\"%u\">%.10s "
			      "%.5s</text>\n", x, g->y,
			      i == 0 ? "start" : i == TICKS ? "end" : "middle",
			      x, g->y + 16, t, t + 11);
	}
	g->y += 24;
}

static void draw(struct cart_buf *b, struct grid *g, const struct cart_report *r)
{
	struct group *q = calloc(1, sizeof(*q));
	size_t drawn = r->n_events - r->own_events;

	if (q && drawn > 0) {
		heading(b, g, "Events of CloudTrail, by region");
		q->names = &r->regions;
		draw_group(b, g, r, q);
		heading(b, g, "The same, by principal");
		q->names = &r->principals;
		q->principals = true;
		draw_group(b, g, r, q);
	}
	heading(b, g, "The collection itself");
	draw_changes(b, g, r, true);
	draw_changes(b, g, r, false);
	if (r->n_call_t > 0)
		draw_own(b, g, r);
	free(q);
}

static void say(struct cart_buf *b, const struct cart_report *r)
{
	cart_buf_addf(b, "<p>%" PRIu64 " events of CloudTrail that others caused "
		      "(blue, by region and by principal), and apart from them "
		      "what the collection did: changes (orange), calls (grey). "
		      "The height of a bar is the number of events in its span "
		      "of time, each group in a measure of its own. Times are "
		      "UTC.</p>\n", (uint64_t)r->n_events - r->own_events);
	if (r->own_events > 0)
		cart_buf_addf(b, "<p>%" PRIu64 " events are answers to the "
			      "collection's own calls, known by their request "
			      "ids, and not in the blue rows.</p>\n",
			      r->own_events);
	if (r->repeated > 0)
		cart_buf_addf(b, "<p>%" PRIu64 " events came more than once "
			      "(steps that asked twice) and are drawn once.</p>\n",
			      r->repeated);
	if (r->bad_events > 0)
		cart_buf_addf(b, "<p>%" PRIu64 " lines of the event exhibits are "
			      "no events that can be drawn.</p>\n", r->bad_events);
	if (r->more_events > 0)
		cart_buf_addf(b, "<p>%" PRIu64 " further events are not drawn: "
			      "the picture holds %zu.</p>\n", r->more_events,
			      (size_t)REPORT_EVENTS);
	if (r->regions.full || r->principals.full)
		cart_buf_adds(b, "<p>There are more names than the picture can "
			      "tell apart; some rows hold several.</p>\n");
}

void cart_report_timeline(const struct cart_report *r, struct cart_buf *b)
{
	struct grid *g = calloc(1, sizeof(*g));
	struct cart_buf rows, back;

	cart_buf_adds(b, "<h2>Timeline</h2>\n");
	if (g)
		whole_span(g, r);
	if (!g || g->from == 0) {
		cart_buf_adds(b, "<p>The bundle holds no events and no calls."
			      "</p>\n");
		free(g);
		return;
	}
	say(b, r);
	cart_buf_init(&rows, (size_t)8 << 20);
	cart_buf_init(&back, 65536);
	draw(&rows, g, r);
	axis(&back, g);
	cart_buf_addf(b, "<div class=\"w\" tabindex=\"0\"><svg viewBox=\"0 0 %d "
		      "%u\" role=\"img\" aria-label=\"events over time, by region "
		      "and by principal\">\n", LEFT + COLUMNS * COLUMN_WIDTH + 4,
		      g->y);
	if (cart_buf_ok(&rows) && cart_buf_ok(&back)) {
		cart_buf_add(b, back.data, back.len);
		cart_buf_add(b, rows.data, rows.len);
	}
	cart_buf_adds(b, "</svg></div>\n");
	cart_buf_clear(&rows);
	cart_buf_clear(&back);
	free(g);
}
