/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "crashcart/filter.h"

/* ---- known answers; tests/interop/test_filter_jq.py asks jq about more --- */

struct collect {
	struct cart_buf out;
	size_t n;
};

static int collect(void *arg, const struct cart_json *value)
{
	struct collect *c = arg;

	if (c->n++)
		cart_buf_addc(&c->out, ' ');
	cart_json_print(value, 0, &c->out);
	return 0;
}

/* Outputs separated by spaces; "!" at the end if it ended with an error. */
static void check(const char *filter, const char *doc, const char *expect)
{
	struct cart_err err = { 0 };
	struct cart_filter *f = cart_filter_parse(filter, strlen(filter), &err);
	struct cart_json *j = cart_json_parse(doc, strlen(doc), NULL, &err);
	struct collect c = { .n = 0 };

	if (!f || !j)
		fail_msg("%s", err.text);
	cart_buf_init(&c.out, 65536);
	if (cart_filter_run(f, j, collect, &c, &err) < 0) {
		assert_int_equal(err.class, CART_ERR_INPUT);
		if (c.n)
			cart_buf_addc(&c.out, ' ');
		cart_buf_addc(&c.out, '!');
	}
	assert_string_equal(c.out.data ? (char *)c.out.data : "", expect);
	cart_buf_clear(&c.out);
	cart_json_free(j);
	cart_filter_free(f);
}

static void test_paths(void **state)
{
	const char *doc = "{\"a\":{\"b\":[1,2,{\"c\":3}]},\"x y\":\"z\",\"n\":null}";

	(void)state;
	check(".", "1", "1");
	check(".a.b[0]", doc, "1");
	check(".a.b[-1].c", doc, "3");
	check(".a.b[7]", doc, "null");
	check(".a.b[-7]", doc, "null");
	check(".\"x y\"", doc, "\"z\"");
	check(".[\"x y\"]", doc, "\"z\"");
	check(".a[\"b\"][1]", doc, "2");
	check(".a.\"b\"[1]", doc, "2");
	check(".n.q.r", doc, "null");
	check(".n[3]", doc, "null");
	check(".a.b[]", doc, "1 2 {\"c\":3}");
	check(".[]", "{\"b\":1,\"a\":2}", "1 2");
	check(".a .b [ 0 ] ", doc, "1");
	check(".a.b[2].c.d", doc, "!");
}

static void test_errors_and_question_mark(void **state)
{
	(void)state;
	check(".a", "1", "!");
	check(".a?", "1", "");
	check(".a", "[1]", "!");
	check(".[0]", "{}", "!");
	check(".[0]?", "{}", "");
	check(".[]", "null", "!");
	check(".[]?", "null", "");
	check(".[]?", "\"x\"", "");
	check(".[].a", "[{\"a\":1},2,{\"a\":3}]", "1 !");
	check(".[].a?", "[{\"a\":1},2,{\"a\":3}]", "1 3");
	check(".[].a?.b", "[{\"a\":1},{\"a\":{\"b\":2}}]", "!");
}

static void test_select(void **state)
{
	const char *doc = "[{\"k\":\"a\",\"v\":1},{\"k\":\"b\",\"v\":2},{\"k\":\"c\"}]";

	(void)state;
	check(".[] | select(.k == \"b\") | .v", doc, "2");
	check(".[] | select(.v != 1).k", doc, "\"b\" \"c\"");
	check(".[] | select(.v < 2) | .k", doc, "\"a\" \"c\"");
	check(".[] | select(.v > 1 or .k == \"a\") | .v", doc, "1 2");
	check(".[] | select(.v > 0 and .v < 2) | .v", doc, "1");
	check(".[] | select(.v | not) | .k", doc, "\"c\"");
	check(".[] | select(.v == null) | .k", doc, "\"c\"");
	check(".[] | select((.v == 1 | not) and .v) | .v", doc, "2");
	check("select(.[].v == 2) | length", doc, "3");
	check("select(.[])", "[true,true,false]",
	      "[true,true,false] [true,true,false]");
	check("select(.a == -1)", "{\"a\":-1}", "{\"a\":-1}");
	check("select(.a >= 2.5e0)", "{\"a\":2.5}", "{\"a\":2.5}");
	check("select(.a <= .b)", "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}");
}

static void test_order_of_types(void **state)
{
	(void)state;
	check(".[0] < .[1]", "[null,false]", "true");
	check(".[0] < .[1]", "[false,true]", "true");
	check(".[0] < .[1]", "[true,0]", "true");
	check(".[0] < .[1]", "[5,\"\"]", "true");
	check(".[0] < .[1]", "[\"z\",[]]", "true");
	check(".[0] < .[1]", "[[9],{}]", "true");
	check(".[0] < .[1]", "[[1,2],[1,2,0]]", "true");
	check(".[0] < .[1]", "[{\"a\":2},{\"b\":1}]", "true");
	check(".[0] < .[1]", "[{\"b\":1,\"a\":2},{\"a\":2,\"b\":3}]", "true");
	check(".[0] == .[1]", "[{\"b\":1,\"a\":2},{\"a\":2,\"b\":1}]", "true");
	check("(.[] and .[])", "[true,false]", "true false false");
	check("(.[] or .[])", "[true,false]", "true true false");
}

static void test_length(void **state)
{
	(void)state;
	check("length", "null", "0");
	check("length", "true", "!");
	check("length", "-3.5", "3.5");
	check("length", "\"h\\u00e9\\ud83d\\ude00\"", "3");
	check("length", "[1,2]", "2");
	check("length", "{\"a\":1}", "1");
	check(".[] | length", "[\"ab\",null]", "2 0");
}

static void refused(const char *filter, const char *why)
{
	struct cart_err err = { 0 };
	struct cart_filter *f = cart_filter_parse(filter, strlen(filter), &err);

	if (f)
		fail_msg("%s was accepted", filter);
	assert_int_equal(err.class, CART_ERR_USAGE);
	if (!strstr(err.text, why))
		fail_msg("%s: \"%s\" does not say \"%s\"", filter, err.text, why);
}

static void test_refused(void **state)
{
	char nested[200];

	(void)state;
	refused("", "ends where a path was expected");
	refused("Name", "a name needs a dot");
	refused(".a,.b", "`,`");
	refused("..", "`..`");
	refused(".a |= 1", "`|=`");
	refused(".[1.5]", "whole number");
	refused(".[1:2]", "unexpected");
	refused("length?", "? stands only after");
	refused(".a??", "one ? is enough");
	refused("select(.a", "expected )");
	refused(".a == 1 == 2", "chained");
	refused("-1", "negative");
	refused("\"\\(.a)\"", "not part of our filters");
	refused("\"abc", "no end");
	refused("keys", "not a word of our filters");
	refused(".a | env", "not a word of our filters");
	refused("$x", "unexpected character");
	refused(".a.[0]", "after a dot");
	refused("\"a\".b", "literal");
	refused("1e999", "2^53");
	refused("12abc", "not a number");
	memset(nested, '(', sizeof(nested) - 1);
	nested[sizeof(nested) - 1] = '\0';
	refused(nested, "nested");
}

static int refuse_all(void *arg, const struct cart_json *value)
{
	(void)value;
	++*(int *)arg;
	return -1;
}

static void test_bounds(void **state)
{
	const char *text = "select((.[] == .[]) and (.[] == .[]) and false)";
	struct cart_err err = { 0 };
	struct cart_filter *f;
	struct cart_json *j = cart_json_new_array();
	int n = 0;
	size_t i;

	(void)state;
	for (i = 0; i < 200; i++)
		cart_json_append(j, cart_json_new_int((int64_t)i));
	/* 8 million comparisons */
	f = cart_filter_parse(text, strlen(text), &err);
	assert_non_null(f);
	assert_int_equal(cart_filter_run(f, j, refuse_all, &n, &err), -1);
	assert_int_equal(err.class, CART_ERR_LIMIT);
	assert_int_equal(n, 0);
	cart_filter_free(f);
	/* emit that stops */
	f = cart_filter_parse(".[]", 3, &err);
	assert_int_equal(cart_filter_run(f, j, refuse_all, &n, &err), -1);
	assert_int_equal(n, 1);
	cart_filter_free(f);
	cart_json_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_errors_and_question_mark),
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_order_of_types),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
