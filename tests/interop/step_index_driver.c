/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast events are indexed, apart from inflating, for
 * tests/bench/cloudtrail.py:
 *
 *   step_index_driver TIMES FILE     FILE: {"Records": [...]}, inflated
 *
 * prints bytes read and the CPU seconds that they took.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <crashcart/fdio.h>

#include "../../collector/step/cloudtrail_index.h"

struct sum {
	struct cart_buf line;
	const struct cart_json *with;
	uint64_t events, bytes;
};

static int event(void *arg, const struct cart_json *e, struct cart_err *err)
{
	struct sum *s = arg;

	(void)err;
	s->events++;
	cart_buf_reset(&s->line);
	if (cart_trail_passes(e, s->with, INT64_MIN, INT64_MAX))
		cart_trail_index_line(e, "e000001", "", &s->line);
	s->bytes += s->line.len;
	return 0;
}

int main(int argc, char **argv)
{
	struct sum s = { .with = cart_json_new_object() };
	struct cart_err err = { 0 };
	struct cart_buf text;
	clock_t start;
	long times, i;

	if (argc != 3)
		return 2;
	times = strtol(argv[1], NULL, 10);
	cart_buf_init(&text, (size_t)1 << 28);
	cart_buf_init(&s.line, (size_t)1 << 20);
	if (cart_file_read(AT_FDCWD, argv[2], &text, &err) < 0)
		goto out;
	start = clock();
	for (i = 0; i < times; i++)
		if (cart_trail_records((const char *)text.data, text.len, event,
				       &s, &err) < 0)
			goto out;
	printf("{\"bytes\":%.0f,\"events\":%.0f,\"index_bytes\":%.0f,"
	       "\"cpu_seconds\":%.3f}\n", (double)text.len * (double)times,
	       (double)s.events, (double)s.bytes,
	       (double)(clock() - start) / CLOCKS_PER_SEC);
	return 0;
out:
	fprintf(stderr, "step_index_driver: %s\n", err.text);
	return 1;
}
