/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDTRAIL_COMPARE_H
#define CLOUDTRAIL_COMPARE_H

#include "cloudtrail_bucket.h"
#include "trail_memory.h"

/*
 * What delivered logs hold of the events by a key beside the event history,
 * of what the memory of the run has.  Borrows all; not thread-safe.
 */

/* Adds to out: "logs" that hold any, "events", and of those that are not in
 * the history "data", "elsewhere", "other", "calls", "more".  Logs: of these
 * enum trail_named.  Each event is counted once and then has the mark flag;
 * what has one of but (enum trail_where) is left out.  How many are not counted,
 * for which the memory has no room. */
uint64_t cart_trail_compare(struct trail_memory *m, unsigned named,
			    unsigned flag, unsigned but, struct cart_json *out);
/* Adds "missing", "late" (of the last hour), "missing_first": in the history
 * and without one of the marks but. */
void cart_trail_compare_missing(struct trail_memory *m,
				const struct cart_trail_window *window,
				unsigned but, struct cart_json *out);

#endif
