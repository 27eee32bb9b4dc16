/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/clock.h>
#include <crashcart/json.h>

#define N(t) (sizeof(t) / sizeof((t)[0]))

static struct cart_json *parse(const char *text)
{
	struct cart_err err = { 0 };
	struct cart_json *j = cart_json_parse(text, strlen(text), NULL, &err);

	if (!j)
		fail_msg("%s: %s", text, err.text);
	return j;
}

/* The text that parsing and printing gives; static buffer. */
static const char *again(const char *text, unsigned indent)
{
	static char out[4096];
	struct cart_json *j = parse(text);
	struct cart_buf b;

	cart_buf_init(&b, sizeof(out) - 1);
	cart_json_print(j, indent, &b);
	assert_true(cart_buf_ok(&b));
	memcpy(out, b.data, b.len + 1);
	cart_buf_clear(&b);
	cart_json_free(j);
	return out;
}

static void accepts(void **state)
{
	static const char *const same[] = {
		"null", "true", "false", "0", "-1", "1.5", "\"\"", "[]", "{}",
		"[1,2,[3],{}]", "{\"a\":1,\"b\":{\"a\":2}}", "\"\xc3\xa9\"",
		"9007199254740992", "-9007199254740992", "\"\x7f\"",
		"\"\xf0\x9f\x98\x80\"", "{\"\":1}", "{\"a\":1,\"A\":2}",
		"{\"A\":1,\"a\":2}",
	};
	static const char *const changed[][2] = {
		{ " \t\r\n1 ", "1" },
		{ "[ 1 , 2 ]", "[1,2]" },
		{ "\"\\u0041\\/\\u00e9\"", "\"A/\xc3\xa9\"" },
		{ "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"" },
		{ "\"\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\"" },
		{ "\"\\b\\f\\n\\r\\t\\\"\\\\\"", "\"\\b\\f\\n\\r\\t\\\"\\\\\"" },
		{ "\"\\u001F\\u0001\"", "\"\\u001f\\u0001\"" },
		{ "-0", "0" },
		{ "-0.0", "-0.0" },
		{ "1.0", "1.0" },
		{ "1e2", "100.0" },
		{ "1E+2", "100.0" },
		{ "[1,1.0,2,2e0,3]", "[1,1.0,2,2.0,3]" },
		{ "1e-7", "1e-07" },
		{ "0.0001", "0.0001" },
		{ "0.00001", "1e-05" },
		{ "1e15", "1000000000000000.0" },
		{ "1e16", "1e+16" },
		{ "123456.789e3", "123456789.0" },
		{ "5e-324", "5e-324" },
		{ "1e-400", "0.0" },
		{ "1.7976931348623157e308", "1.7976931348623157e+308" },
		{ "0.1000000000000000055511151231257827", "0.1" },
	};
	size_t i;

	for (i = 0; i < N(same); i++)
		assert_string_equal(again(same[i], 0), same[i]);
	for (i = 0; i < N(changed); i++)
		assert_string_equal(again(changed[i][0], 0), changed[i][1]);
}

static void refuses(void **state)
{
	static const struct {
		const char *text, *why;
	} t[] = {
		{ "", "line 1, column 1: the text ends too early" },
		{ "  ", "line 1, column 3: the text ends too early" },
		{ "[", "line 1, column 2: the text ends too early" },
		{ "[1,\n 2,\n x]", "line 3, column 2: not a JSON value" },
		{ "1 2", "line 1, column 3: bytes after the JSON value" },
		{ "{}x", "bytes after" },
		{ "nul", "not a JSON value" },
		{ "nulll", "bytes after" },
		{ "True", "not a JSON value" },
		{ "NaN", "not a JSON value" },
		{ "Infinity", "not a JSON value" },
		{ "-", "ends too early" },
		{ "-x", "a digit is missing" },
		{ "-Infinity", "a digit is missing" },
		{ "+1", "not a JSON value" },
		{ "01", "must not begin with 0" },
		{ "-01", "must not begin with 0" },
		{ "1.", "ends too early" },
		{ "[1.]", "a digit is missing" },
		{ ".5", "not a JSON value" },
		{ "1e", "ends too early" },
		{ "[1e+]", "a digit is missing" },
		{ "0x10", "bytes after" },
		{ "1e400", "the number is too large" },
		{ "-1e400", "the number is too large" },
		{ "9007199254740993", "beyond 2^53" },
		{ "-9007199254740993", "beyond 2^53" },
		{ "99999999999999999999999999", "beyond 2^53" },
		{ "0.00000000000000000000000000000000000000000000000000000000"
		  "00000001", "more than 63 characters" },
		{ "[1,]", "not a JSON value" },
		{ "[,1]", "not a JSON value" },
		{ "[1 2]", "expected ',' or ']'" },
		{ "[1}", "expected ',' or ']'" },
		{ "{1:2}", "expected a key" },
		{ "{a:2}", "expected a key" },
		{ "{'a':2}", "expected a key" },
		{ "{\"a\" 2}", "expected ':'" },
		{ "{\"a\":}", "not a JSON value" },
		{ "{\"a\":1,}", "expected a key" },
		{ "{\"a\":1]", "expected ',' or '}'" },
		{ "{,}", "expected a key" },
		{ "\"abc", "ends too early" },
		{ "\"a\nb\"", "control character" },
		{ "\"a\tb\"", "control character" },
		{ "\"\\x\"", "unknown escape" },
		{ "\"\\u12\"", "four hexadecimal digits" },
		{ "\"\\u123", "ends too early" },
		{ "\"\\u0000\"", "\\u0000 is not accepted" },
		{ "{\"a\\u0000\":1}", "\\u0000 is not accepted" },
		{ "\"\\ud800\"", "lone surrogate" },
		{ "\"\\ud800x\"", "lone surrogate" },
		{ "\"\\ud800\\n\"", "lone surrogate" },
		{ "\"\\ud800\\u0041\"", "lone surrogate" },
		{ "\"\\udc00\"", "lone surrogate" },
		{ "\"\xff\"", "not UTF-8" },
		{ "\"\xc0\x80\"", "not UTF-8" },
		{ "\"\xed\xa0\x80\"", "not UTF-8" },
		{ "\"\xe2\x82\"", "not UTF-8" },
		{ "\xef\xbb\xbf{}", "byte order mark" },
		{ "\f1", "not a JSON value" },
		{ "\xc2\xa0" "1", "not a JSON value" },
		{ "/* c */ 1", "not a JSON value" },
		{ "[1] // c", "bytes after" },
		{ "{\"a\":1,\"a\":2}", "duplicate key \"a\"" },
		{ "{\"a\":1,\"\\u0061\":2}", "duplicate key \"a\"" },
		{ "{\"\":1,\"\":2}", "duplicate key \"\"" },
		{ "[{\"x\":{\"k\":1,\"j\":{},\"k\":1}}]", "duplicate key \"k\"" },
	};
	struct cart_err err;
	struct cart_json *j;
	size_t i;

	for (i = 0; i < N(t); i++) {
		cart_err_clear(&err);
		j = cart_json_parse(t[i].text, strlen(t[i].text), NULL, &err);
		if (j)
			fail_msg("accepted: %s", t[i].text);
		if (!strstr(err.text, t[i].why))
			fail_msg("%s: %s", t[i].text, err.text);
	}
	/* a NUL is no end */
	assert_null(cart_json_parse("1\0", 2, NULL, &err));
	assert_null(cart_json_parse("\"a\0\"", 4, NULL, &err));
	assert_null(cart_json_parse(NULL, 0, NULL, &err));
}

/* Every key is found again among many, at every position, and a duplicate is
 * found wherever it stands. */
static void finds_duplicates_among_many(void **state)
{
	static const size_t counts[] = { 2, 3, 24, 25, 26, 500 };
	struct cart_err err;
	struct cart_json *j;
	struct cart_buf b;
	size_t c, i, dup;

	cart_buf_init(&b, 100000);
	for (c = 0; c < N(counts); c++) {
		for (dup = 0; dup <= counts[c]; dup += counts[c] > 30 ? 7 : 1) {
			cart_buf_reset(&b);
			cart_buf_addc(&b, '{');
			for (i = 0; i < counts[c]; i++)
				cart_buf_addf(&b, "%s\"prefix-%zu-suffix\":%zu",
					      i ? "," : "", i, i);
			/* the last round adds none */
			if (dup < counts[c])
				cart_buf_addf(&b, ",\"prefix-%zu-\\u0073uffix\":0",
					      dup);
			cart_buf_addc(&b, '}');
			j = cart_json_parse(b.data, b.len, NULL, &err);
			if ((j != NULL) != (dup >= counts[c]))
				fail_msg("%zu keys, duplicate %zu", counts[c], dup);
			cart_json_free(j);
		}
	}
	cart_buf_clear(&b);
}

static void many_keys_are_not_quadratic(void **state)
{
	struct cart_err err = { 0 };
	struct cart_json *j;
	struct cart_buf b;
	int64_t begin;
	unsigned i;

	cart_buf_init(&b, 1 << 26);
	cart_buf_addc(&b, '{');
	for (i = 0; i < 300000; i++)	/* same length, same last 7 bytes */
		cart_buf_addf(&b, "%s\"%08u-same-end\":0", i ? "," : "", i);
	cart_buf_addc(&b, '}');
	begin = cart_clock_mono_ns();
	j = cart_json_parse(b.data, b.len, NULL, &err);
	assert_non_null(j);
	assert_true(cart_clock_mono_ns() - begin < INT64_C(10000000000));
	assert_int_equal(cart_json_size(j), 300000);
	cart_json_free(j);
	cart_buf_clear(&b);
}

static void keeps_limits(void **state)
{
	struct cart_json_limits limits = { 0 };
	struct cart_err err = { 0 };
	struct cart_json *j;
	char text[20001];
	unsigned d;

	for (d = 1; d <= 40; d++) {
		memset(text, '[', d);
		memset(text + d, ']', d);
		j = cart_json_parse(text, 2 * d, NULL, &err);
		assert_true((j != NULL) == (d <= 32));
		cart_json_free(j);
	}
	assert_int_equal(err.class, CART_ERR_LIMIT);
	assert_string_equal(err.text, "line 1, column 33: nested too deeply");
	limits.depth = 2;
	assert_null(cart_json_parse("[{\"a\":[]}]", 10, &limits, &err));
	j = cart_json_parse("[{\"a\":1}]", 9, &limits, &err);
	assert_non_null(j);
	cart_json_free(j);
	/* never more than 200, whoever asks */
	limits.depth = 1000000;
	memset(text, '[', sizeof(text));
	assert_null(cart_json_parse(text, sizeof(text), &limits, &err));
	assert_string_equal(err.text, "line 1, column 201: nested too deeply");
	memset(text + 200, ']', 200);
	j = cart_json_parse(text, 400, &limits, &err);
	assert_non_null(j);
	cart_json_free(j);
	limits.nodes = 3;
	j = cart_json_parse("[1,2]", 5, &limits, &err);
	assert_non_null(j);
	cart_json_free(j);
	assert_null(cart_json_parse("[1,2,3]", 7, &limits, &err));
	assert_int_equal(err.class, CART_ERR_LIMIT);
}

static void inexact_keeps_the_digits(void **state)
{
	struct cart_json_limits limits = { .inexact = true };
	static const char text[] = "[1,12345678901234567890,2.0,"
				   "-9007199254740993,9007199254740992,3]";
	struct cart_err err = { 0 };
	struct cart_json *j, *copy;
	struct cart_buf b;
	int64_t v;

	j = cart_json_parse(text, strlen(text), &limits, &err);
	assert_non_null(j);
	copy = cart_json_copy(j);
	assert_true(cart_json_equal(j, copy));
	cart_buf_init(&b, 1000);
	cart_json_print(copy, 0, &b);
	assert_string_equal((char *)b.data, text);
	assert_true(cart_json_number(cart_json_at(j, 1)) ==
		    12345678901234567890.0);
	assert_int_equal(cart_json_i64(cart_json_at(j, 1), &v), -1);
	assert_null(cart_json_string(cart_json_at(j, 1)));
	assert_int_equal(cart_json_i64(cart_json_at(j, 4), &v), 0);
	assert_true(v == INT64_C(9007199254740992));
	assert_int_equal(cart_json_i64(cart_json_at(j, 2), &v), 0);
	assert_int_equal(v, 2);
	cart_json_free(copy);
	cart_json_free(j);
	assert_null(cart_json_parse("1e999", 5, &limits, &err));
	cart_buf_clear(&b);
}

static void reads_values(void **state)
{
	struct cart_json *j = parse("{\"Key\":\"v\",\"n\":1.5,\"i\":-7,\"t\":true,"
				    "\"f\":false,\"z\":null,\"a\":[10,20],"
				    "\"o\":{\"x\":{}}}");
	struct cart_json *c;
	int64_t v = 0;
	size_t n = 0;

	assert_int_equal(cart_json_type(j), CART_JSON_OBJECT);
	assert_int_equal(cart_json_size(j), 8);
	assert_string_equal(cart_json_get_string(j, "Key"), "v");
	assert_null(cart_json_get(j, "key"));	/* case matters */
	assert_null(cart_json_get_string(j, "n"));
	assert_true(cart_json_number(cart_json_get(j, "n")) == 1.5);
	assert_int_equal(cart_json_i64(cart_json_get(j, "n"), &v), -1);
	assert_int_equal(cart_json_i64(cart_json_get(j, "i"), &v), 0);
	assert_int_equal(v, -7);
	assert_true(cart_json_bool(cart_json_get(j, "t")));
	assert_false(cart_json_bool(cart_json_get(j, "f")));
	assert_int_equal(cart_json_type(cart_json_get(j, "f")), CART_JSON_BOOL);
	assert_int_equal(cart_json_type(cart_json_get(j, "z")), CART_JSON_NULL);
	c = cart_json_get(j, "a");
	assert_int_equal(cart_json_type(c), CART_JSON_ARRAY);
	assert_true(cart_json_number(cart_json_at(c, 1)) == 20);
	assert_null(cart_json_at(c, 2));
	assert_null(cart_json_key(cart_json_at(c, 0)));
	assert_null(cart_json_get(c, "x"));
	assert_null(cart_json_at(j, 0));
	for (c = cart_json_first(j); c; c = cart_json_next(c))
		n++;
	assert_int_equal(n, 8);
	assert_string_equal(cart_json_key(cart_json_first(j)), "Key");
	assert_null(cart_json_next(j));
	assert_null(cart_json_key(j));
	/* NULL is fine everywhere */
	assert_null(cart_json_get(NULL, "x"));
	assert_null(cart_json_first(NULL));
	assert_null(cart_json_next(NULL));
	assert_null(cart_json_string(NULL));
	assert_int_equal(cart_json_size(NULL), 0);
	assert_int_equal(cart_json_i64(NULL, &v), -1);
	assert_false(cart_json_bool(NULL));
	assert_null(cart_json_copy(NULL));
	cart_json_free(NULL);
	c = cart_json_copy(cart_json_get(j, "o"));
	assert_null(cart_json_key(c));
	cart_json_free(c);
	cart_json_free(j);
}

static void reads_the_first_of_many(void **state)
{
	static const struct {
		const char *text;
		size_t used;		/* 0: refused */
	} t[] = {
		{ "{\"a\":[1]},{", 9 }, { " 12 ]", 3 }, { "\"a\\u0062\"x", 9 },
		{ "[]", 2 }, { "{\"a\":1", 0 }, { "[1}", 0 }, { "", 0 },
	};
	struct cart_json *j;
	struct cart_err err;
	size_t i, used;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		j = cart_json_parse_first(t[i].text, strlen(t[i].text), NULL,
					  &used, &err);
		assert_int_equal(j != NULL, t[i].used > 0);
		if (j != NULL)
			assert_int_equal(used, t[i].used);
		cart_json_free(j);
	}
	j = cart_json_parse_first(t[2].text, strlen(t[2].text), NULL, &used,
				  &err);
	assert_string_equal(cart_json_string(j), "ab");
	cart_json_free(j);
}

static void builds(void **state)
{
	struct cart_json *o = cart_json_new_object(), *a, *c;
	struct cart_buf b;

	a = cart_json_add(o, "list", cart_json_new_array());
	cart_json_append(a, cart_json_new_int(-5));
	cart_json_append(a, cart_json_new_double(2));
	cart_json_append(a, cart_json_new_double(0.1));
	cart_json_append(a, cart_json_new_double((double)INFINITY));
	cart_json_append(a, cart_json_new_bool(true));
	cart_json_append(a, cart_json_new_null());
	cart_json_add(o, "s", cart_json_new_string("a\"b"));
	cart_json_add(o, "n", cart_json_new_string_n("xyz", 2));
	cart_json_add(o, "z", cart_json_new_string_n("a\0b", 3));
	cart_json_add(o, "bad", cart_json_new_string("\xff!"));
	cart_json_set(o, "s", cart_json_new_string("new"));
	cart_json_set(o, "S", cart_json_new_int(INT64_MIN));
	cart_buf_init(&b, 1000);
	cart_json_print(o, 0, &b);
	assert_string_equal((char *)b.data,
			    "{\"list\":[-5,2.0,0.1,null,true,null],\"s\":\"new\","
			    "\"n\":\"xy\",\"z\":\"a\xef\xbf\xbd" "b\","
			    "\"bad\":\"\xef\xbf\xbd!\","
			    "\"S\":-9223372036854775808}");
	c = cart_json_detach(o, cart_json_get(o, "list"));
	assert_non_null(c);
	assert_null(cart_json_get(o, "list"));
	cart_json_free(c);
	/* what cannot be added is freed */
	assert_null(cart_json_add(NULL, "x", cart_json_new_null()));
	assert_null(cart_json_add(o, "x", NULL));
	assert_null(cart_json_append(o, cart_json_new_null()));
	assert_null(cart_json_append(NULL, NULL));
	assert_null(cart_json_set(NULL, "x", cart_json_new_null()));
	assert_null(cart_json_new_string(NULL));
	cart_json_free(o);
	cart_buf_reset(&b);
	cart_json_print(NULL, 0, &b);
	assert_string_equal((char *)b.data, "null");
	cart_buf_clear(&b);
	cart_buf_init(&b, 3);
	o = parse("[1,2,3]");
	cart_json_print(o, 0, &b);
	assert_false(cart_buf_ok(&b));
	cart_json_free(o);
	cart_buf_clear(&b);
}

static void prints_as_the_aws_cli(void **state)
{
	assert_string_equal(again("{\"a\":[],\"b\":{},\"c\":[1,{\"d\":null}]}", 4),
			    "{\n"
			    "    \"a\": [],\n"
			    "    \"b\": {},\n"
			    "    \"c\": [\n"
			    "        1,\n"
			    "        {\n"
			    "            \"d\": null\n"
			    "        }\n"
			    "    ]\n"
			    "}");
	assert_string_equal(again("[]", 4), "[]");
}

static void compares(void **state)
{
	static const struct {
		const char *a, *b;
		int same;
	} t[] = {
		{ "1", "1.0", 1 },
		{ "1", "2", 0 },
		{ "1", "\"1\"", 0 },
		{ "true", "false", 0 },
		{ "null", "null", 1 },
		{ "[1,2]", "[1,2]", 1 },
		{ "[1,2]", "[2,1]", 0 },
		{ "[1]", "[1,2]", 0 },
		{ "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", 1 },
		{ "{\"a\":1}", "{\"A\":1}", 0 },
		{ "{\"a\":1}", "{\"a\":1,\"b\":1}", 0 },
		{ "{\"a\":{\"b\":[]}}", "{\"a\":{\"b\":[]}}", 1 },
	};
	struct cart_json *a, *b;
	size_t i;

	for (i = 0; i < N(t); i++) {
		a = parse(t[i].a);
		b = parse(t[i].b);
		assert_int_equal(cart_json_equal(a, b), t[i].same);
		assert_int_equal(cart_json_equal(b, a), t[i].same);
		cart_json_free(a);
		cart_json_free(b);
	}
	assert_true(cart_json_equal(NULL, NULL));
	a = parse("null");
	assert_false(cart_json_equal(a, NULL));
	cart_json_free(a);
}

/* Every double comes back from its text, which is not longer than the 17
 * digits that always do. */
static void doubles_survive(void **state)
{
	uint64_t seed = 88172645463325252u, bits;
	struct cart_json *j, *k;
	struct cart_buf b;
	double v, w;
	int i;

	cart_buf_init(&b, 100);
	for (i = 0; i < 60000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		bits = seed;
		if (i % 4 == 0)		/* beside powers of two */
			bits = (seed & 0xfff0000000000000u) + (seed & 3) - 1;
		memcpy(&v, &bits, sizeof(v));
		if (!isfinite(v))
			continue;
		j = cart_json_new_double(v);
		assert_non_null(j);
		cart_buf_reset(&b);
		cart_json_print(j, 0, &b);
		k = parse((char *)b.data);
		w = cart_json_number(k);
		if (memcmp(&v, &w, sizeof(v)) != 0 || b.len > 24)
			fail_msg("%a: %s", v, (char *)b.data);
		cart_json_free(j);
		cart_json_free(k);
	}
	cart_buf_clear(&b);
}

static void finds_lines(void **state)
{
	static const char text[] = "{\n \"a\": 1,\n \"s\\u0074eps\": [\n  {},\n"
				   "  {\"x]\": \"}\\\"\",\n   \"y\":\n true}\n ]\n}\n";
	const char *path[] = { "steps", "[1]", "y" };
	const char *other[] = { "a", "b" };

	assert_int_equal(cart_json_line_of(text, strlen(text), path, 0), 1);
	assert_int_equal(cart_json_line_of(text, strlen(text), path, 1), 3);
	assert_int_equal(cart_json_line_of(text, strlen(text), path, 2), 5);
	assert_int_equal(cart_json_line_of(text, strlen(text), path, 3), 7);
	assert_int_equal(cart_json_line_of(text, strlen(text), other, 1), 2);
	assert_int_equal(cart_json_line_of(text, strlen(text), other, 2), 0);
	other[0] = "none";
	assert_int_equal(cart_json_line_of(text, strlen(text), other, 1), 0);
	path[1] = "[2]";
	assert_int_equal(cart_json_line_of(text, strlen(text), path, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses),
		cmocka_unit_test(finds_duplicates_among_many),
		cmocka_unit_test(many_keys_are_not_quadratic),
		cmocka_unit_test(keeps_limits),
		cmocka_unit_test(inexact_keeps_the_digits),
		cmocka_unit_test(reads_values),
		cmocka_unit_test(reads_the_first_of_many),
		cmocka_unit_test(builds),
		cmocka_unit_test(prints_as_the_aws_cli),
		cmocka_unit_test(compares),
		cmocka_unit_test(doubles_survive),
		cmocka_unit_test(finds_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
