/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters.  The first line is the filter, the rest a document.  What parses
 * runs within its bounds, and running it twice gives the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/filter.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *arg, const struct cart_json *value)
{
	size_t *n = arg;

	*n = *n * 31 + cart_json_size(value) + 1;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_json_limits limits = { .nodes = 10000, .inexact = true };
	const uint8_t *line = memchr(data, '\n', size);
	struct cart_filter *f;
	struct cart_json *doc;
	struct cart_err err, again;
	size_t len = line ? (size_t)(line - data) : size, a = 0, b = 0;
	int rc;

	cart_err_clear(&err);
	f = cart_filter_parse((const char *)data, len, &err);
	if (!f) {
		if (!err.class || !err.text[0])
			abort();
		return 0;
	}
	doc = line ? cart_json_parse(line + 1, size - len - 1, &limits, NULL) :
		cart_json_new_null();
	if (doc) {
		rc = cart_filter_run(f, doc, count, &a, &err);
		if (rc != cart_filter_run(f, doc, count, &b, &again) || a != b)
			abort();
	}
	cart_json_free(doc);
	cart_filter_free(f);
	return 0;
}
