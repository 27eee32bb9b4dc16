/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDTRAIL_INDEX_H
#define CLOUDTRAIL_INDEX_H

#include "crashcart/json.h"

/*
 * Events of an inflated log object, {"Records":[...]}, one after another: only
 * one is a tree at a time.  event() gets each, and -1 from it stops.  0; -1
 * with err (INPUT: not such a text; events before the fault were given).
 */
int cart_trail_records(const char *text, size_t len,
		       int (*event)(void *arg, const struct cart_json *e,
				    struct cart_err *err),
		       void *arg, struct cart_err *err);

/* True if the event passes the filters of a step's parameters: "principal",
 * "access_key", "address", "event_name", "resource", each a string or a list
 * of which one must match, and the time.  A time that cannot be read passes. */
bool cart_trail_passes(const struct cart_json *e, const struct cart_json *with,
		       int64_t start_ns, int64_t end_ns);

/* Appends the index line of an event, without LF.  path: of the file in a file
 * set that holds it, "" for none. */
void cart_trail_index_line(const struct cart_json *e, const char *exhibit,
			   const char *path, struct cart_buf *out);

#endif
