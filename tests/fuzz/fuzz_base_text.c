/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers of small texts: the first byte chooses one, the rest is its
 * input.  What is read and can be written must come out as it was.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/json.h>
#include <crashcart/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void numbers(const char *s, size_t len)
{
	char out[32];
	uint64_t u;
	int64_t i;
	int n;

	if (cart_text_u64(s, len, UINT64_MAX, &u) == 0) {
		n = snprintf(out, sizeof(out), "%llu", (unsigned long long)u);
		check((size_t)n == len && memcmp(out, s, len) == 0);
	}
	if (cart_text_i64(s, len, &i) == 0 && i != 0) {
		n = snprintf(out, sizeof(out), "%lld", (long long)i);
		check((size_t)n == len && memcmp(out, s, len) == 0);
	}
	cart_text_size(s, len, &u);
	cart_text_duration(s, len, &u);
}

static void base64(const char *s, size_t len)
{
	struct cart_buf raw, back;

	cart_buf_init(&raw, len);
	cart_buf_init(&back, len + 4);
	if (cart_text_unbase64(s, len, &raw) == 0) {
		cart_text_base64(raw.data, raw.len, &back);
		check(back.len == len);
		check(len == 0 || memcmp(back.data, s, len) == 0);
	}
	cart_buf_clear(&raw);
	cart_buf_clear(&back);
}

static void clocks(const char *s, size_t len)
{
	char out[CART_CLOCK_TEXT_SIZE];
	int64_t ns, again;

	if (cart_clock_parse(s, len, &ns) == 0) {
		cart_clock_text(ns, 9, out);
		check(cart_clock_parse(out, strlen(out), &again) == 0);
		check(ns == again);
	}
	if (cart_clock_parse_http(s, len, &ns) == 0)
		cart_clock_compact(ns, out);
}

/* Pattern and path are separated by a LF. */
static void glob(const char *s, size_t len)
{
	const char *lf = len > 0 ? memchr(s, '\n', len) : NULL;
	char *pattern;

	if (!lf)
		return;
	pattern = strndup(s, (size_t)(lf - s));
	check(pattern != NULL);
	cart_text_glob(pattern, lf + 1, len - (size_t)(lf + 1 - s));
	free(pattern);
}

static void escapes(const char *s, size_t len)
{
	struct cart_json *j;
	struct cart_err err;
	struct cart_buf b;

	cart_buf_init(&b, 6 * len + 2);
	cart_text_escape(s, len, &b);
	check(cart_buf_ok(&b));
	check(b.len == 0 || cart_text_is_printable(b.data, b.len));
	cart_buf_reset(&b);
	cart_text_uri(s, len, true, &b);
	check(cart_buf_ok(&b));
	cart_buf_reset(&b);
	cart_json_quote(s, len, &b);
	check(cart_buf_ok(&b));
	j = cart_json_parse(b.data, b.len, NULL, &err);
	check(j != NULL);
	if (cart_text_is_utf8(s, len))
		check(strlen(cart_json_string(j)) == len &&
		      memcmp(cart_json_string(j), s, len) == 0);
	cart_json_free(j);
	cart_buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data + 1;
	size_t len = size - 1;

	if (size < 1)
		return 0;
	switch (data[0]) {
	case 'n':
		numbers(s, len);
		break;
	case 'b':
		base64(s, len);
		break;
	case 'c':
		clocks(s, len);
		break;
	case 'g':
		glob(s, len);
		break;
	default:
		escapes(s, len);
	}
	return 0;
}
