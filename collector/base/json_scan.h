/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <crashcart/json.h>

/* A number whose text says more than its double. */
struct json_special {
	size_t ordinal;			/* n-th number of the text, from 0 */
	size_t offset, len;		/* where it stands */
	bool big;			/* an integer beyond 2^53 */
};

struct json_scan {
	struct json_special *special;
	size_t special_count, special_cap;
};

/* Integers up to 2^53 are exact in a double. */
#define JSON_EXACT_MAX (INT64_C(1) << 53)

/*
 * Is this one JSON text within the limits?  0, or -1 with err.  One pass,
 * no recursion; what it collects goes to *ret, whose special the caller
 * frees in every case.
 */
int cart_json_scan(const void *data, size_t len,
	      const struct cart_json_limits *limits, struct json_scan *ret,
	      struct cart_err *err);

#endif
