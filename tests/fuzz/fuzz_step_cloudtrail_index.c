/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log objects, event by event: where the whole is well-formed JSON with one
 * list "Records", the events are its elements, in order, and nothing else is.
 */
#include <stdlib.h>
#include <string.h>

#include "../../collector/step/cloudtrail_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct seen {
	const struct cart_json *next;	/* NULL: the whole was not readable */
	bool whole;
	size_t n;
	struct cart_buf lines;
};

static int event(void *arg, const struct cart_json *e, struct cart_err *err)
{
	struct seen *s = arg;
	struct cart_json *back;

	s->n++;
	if (s->whole) {
		check(s->next != NULL && cart_json_equal(e, s->next));
		s->next = cart_json_next(s->next);
	}
	cart_buf_reset(&s->lines);
	cart_trail_index_line(e, "e000001", "/b/k", &s->lines);
	if (!cart_buf_ok(&s->lines))
		return 0;
	back = cart_json_parse(s->lines.data, s->lines.len, NULL, err);
	check(back != NULL);
	cart_json_free(back);
	cart_trail_passes(e, NULL, 0, 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cart_json_limits limits = { 102, 0, true };
	struct cart_err err = { 0 };
	struct cart_json *j = cart_json_parse(data, size, &limits, &err);
	const struct cart_json *list = cart_json_get(j, "Records");
	struct seen s = { 0 };
	int rc;

	s.whole = list != NULL && cart_json_type(list) == CART_JSON_ARRAY;
	s.next = s.whole ? cart_json_first(list) : NULL;
	cart_buf_init(&s.lines, 1 << 20);
	rc = cart_trail_records((const char *)data, size, event, &s, &err);
	/* a key written with escapes is not found; depth differs by two */
	if (s.whole && rc == 0)
		check(s.next == NULL && s.n == cart_json_size(list));
	cart_buf_clear(&s.lines);
	cart_json_free(j);
	return 0;
}
