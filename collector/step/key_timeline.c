/* SPDX-License-Identifier: Apache-2.0 */
#include "key_timeline.h"

#include <stdlib.h>
#include <string.h>

#define RUN_MAX ((size_t)8 << 20)	/* a part of an exhibit */
#define LINE_MAX_BYTES ((size_t)64 << 10)

struct timeline_row {
	int64_t time_ns;
	const unsigned char *at;	/* set when sorted */
	size_t offset, len;
};

void cart_key_timeline_init(struct key_timeline *t, struct cart_step_ctx *c)
{
	memset(t, 0, sizeof(*t));
	t->c = c;
	cart_buf_init(&t->text, RUN_MAX + LINE_MAX_BYTES);
}

void cart_key_timeline_clear(struct key_timeline *t)
{
	cart_buf_clear(&t->text);
	free(t->rows);
	t->rows = NULL;
}

static int by_time(const void *pa, const void *pb)
{
	const struct timeline_row *a = pa, *b = pb;
	size_t n = a->len < b->len ? a->len : b->len;
	int rc;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	rc = memcmp(a->at, b->at, n);
	return rc != 0 ? rc : (a->len > b->len) - (a->len < b->len);
}

static void info_init(struct cart_exhibit_info *info)
{
	memset(info, 0, sizeof(*info));
	info->name = "timeline.ndjson";
	info->slug = "timeline.ndjson";
	info->media = "application/x-ndjson";
	info->repeatable = true;
	info->note = "derived: one line an event, with Timesketch's field "
		"names; each names the exhibit and the event id that it "
		"comes from";
}

/* Sorts the run and copies it to out, which has room for it. */
static void sort_run(struct key_timeline *t, unsigned char *out)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		t->rows[i].at = t->text.data + t->rows[i].offset;
	if (t->n > 0)
		qsort(t->rows, t->n, sizeof(t->rows[0]), by_time);
	for (i = 0; i < t->n; i++) {
		memcpy(out, t->rows[i].at, t->rows[i].len);
		out += t->rows[i].len;
	}
	t->n = 0;
	t->runs++;
}

static int flush(struct key_timeline *t, struct cart_err *err)
{
	struct cart_exhibit_info info;
	unsigned char *part;
	size_t len = t->text.len;

	if (t->out == NULL) {
		info_init(&info);
		t->out = t->c->ops->exhibit(t->c, &info, true, err);
		if (t->out == NULL)
			return -1;
		snprintf(t->id, sizeof(t->id), "%s",
			 t->c->ops->exhibit_id(t->out));
	}
	part = t->c->ops->reserve(t->out, err);
	if (part == NULL)
		return -1;
	sort_run(t, part);
	cart_buf_reset(&t->text);
	return t->c->ops->submit_part(t->out, len, err);
}

int cart_key_timeline_add(struct key_timeline *t, int64_t time_ns,
		     struct cart_json *line, struct cart_err *err)
{
	struct timeline_row *bigger;
	size_t at = t->text.len, cap;

	if (t->n == t->cap) {
		cap = t->cap > 0 ? t->cap * 2 : 256;
		bigger = realloc(t->rows, cap * sizeof(*bigger));
		if (bigger == NULL) {
			cart_json_free(line);
			return cart_err_nomem(err);
		}
		t->rows = bigger;
		t->cap = cap;
	}
	cart_json_print(line, 0, &t->text);
	cart_buf_addc(&t->text, '\n');
	cart_json_free(line);
	if (cart_buf_check(&t->text, "timeline", err) < 0)
		return -1;
	t->rows[t->n++] = (struct timeline_row){
		.time_ns = time_ns, .offset = at, .len = t->text.len - at
	};
	t->lines++;
	return t->text.len > RUN_MAX - LINE_MAX_BYTES ? flush(t, err) : 0;
}

int cart_key_timeline_finish(struct key_timeline *t, const char *state,
			struct cart_err *err)
{
	struct cart_exhibit_info info;
	struct cart_exhibit *out;
	unsigned char *text;
	int rc;

	if (t->out == NULL) {
		text = malloc(t->text.len + 1);
		if (text == NULL)
			return cart_err_nomem(err);
		sort_run(t, text);
		info_init(&info);
		info.state = state;
		rc = t->c->ops->put(t->c, &info, text, t->text.len, t->id, err);
		free(text);
		return rc;
	}
	if (t->text.len > 0 && flush(t, err) < 0)
		return -1;
	out = t->out;
	t->out = NULL;
	return t->c->ops->close(out, state, t->runs > 1 ? "sorted by time "
				"within runs of 8 MiB" : NULL, NULL, err);
}
