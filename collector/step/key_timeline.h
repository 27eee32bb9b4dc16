/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_KEY_TIMELINE_H
#define STEP_KEY_TIMELINE_H

#include "crashcart/step.h"

/*
 * timeline.ndjson: lines in the order of their times, as one exhibit.  Lines
 * wait in memory and are sorted in runs of at most 8 MiB.
 */
struct key_timeline {
	struct cart_step_ctx *c;
	struct cart_buf text;
	struct timeline_row *rows;
	size_t n, cap;
	uint64_t lines, runs;
	struct cart_exhibit *out;
	char id[CART_EXHIBIT_ID_SIZE];	/* after finish, "" if none */
};

void cart_key_timeline_init(struct key_timeline *t, struct cart_step_ctx *c);
void cart_key_timeline_clear(struct key_timeline *t);
/* Takes line, which must be an object; time: UTC in ns.  0 or -1. */
int cart_key_timeline_add(struct key_timeline *t, int64_t time_ns,
		     struct cart_json *line, struct cart_err *err);
/* Writes what is left; state as in struct cart_exhibit_info. */
int cart_key_timeline_finish(struct key_timeline *t, const char *state,
			struct cart_err *err);

#endif
