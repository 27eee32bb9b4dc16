/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader.  The first byte chooses the limits, the rest is the text.
 * What is accepted must print to a text that reads back equal, and printing
 * that again must give the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void round_trip(const struct cart_json *j,
		       const struct cart_json_limits *limits, unsigned indent)
{
	struct cart_buf once, twice;
	struct cart_err err;
	struct cart_json *k;

	cart_buf_init(&once, (size_t)1 << 26);
	cart_buf_init(&twice, (size_t)1 << 26);
	cart_json_print(j, indent, &once);
	check(cart_buf_ok(&once));
	k = cart_json_parse(once.data, once.len, limits, &err);
	check(k != NULL);
	check(cart_json_equal(j, k));
	cart_json_print(k, indent, &twice);
	check(once.len == twice.len &&
	      memcmp(once.data, twice.data, once.len) == 0);
	cart_json_free(k);
	cart_buf_clear(&once);
	cart_buf_clear(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const path[] = { "steps", "[0]", "with", "a" };
	struct cart_json_limits limits = { 0 };
	struct cart_json *j, *copy;
	struct cart_err err;

	if (size < 1)
		return 0;
	limits.inexact = data[0] & 1;
	limits.depth = data[0] & 2 ? 4 : 0;
	limits.nodes = data[0] & 4 ? 16 : 0;
	j = cart_json_parse(data + 1, size - 1, &limits, &err);
	cart_json_line_of(data + 1, size - 1, path, 4);
	if (!j) {
		check(err.class != CART_ERR_NONE && err.text[0] != '\0');
		return 0;
	}
	round_trip(j, &limits, 0);
	round_trip(j, &limits, 4);
	copy = cart_json_copy(j);
	check(cart_json_equal(j, copy));
	cart_json_free(copy);
	cart_json_free(j);
	return 0;
}
