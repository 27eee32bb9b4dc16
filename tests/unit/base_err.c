/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/err.h>

static void sets_and_clears(void **state)
{
	struct cart_err err = { 0 };

	assert_int_equal(cart_err_set(&err, CART_ERR_HTTP, 403, "a %d", 7), -1);
	assert_int_equal(err.class, CART_ERR_HTTP);
	assert_int_equal(err.code, 403);
	assert_string_equal(err.text, "a 7");
	cart_err_clear(&err);
	assert_int_equal(err.class, CART_ERR_NONE);
	assert_string_equal(err.text, "");
	assert_int_equal(cart_err_nomem(&err), -1);
	assert_int_equal(err.class, CART_ERR_MEMORY);
}

static void accepts_null(void **state)
{
	assert_int_equal(cart_err_set(NULL, CART_ERR_INPUT, 0, "x"), -1);
	assert_int_equal(cart_err_errno(NULL, ENOENT, "x"), -1);
	assert_int_equal(cart_err_prefix(NULL, "x"), -1);
	assert_int_equal(cart_err_nomem(NULL), -1);
	cart_err_clear(NULL);
}

static void names_errno(void **state)
{
	struct cart_err err = { 0 };
	char name[2000];

	cart_err_errno(&err, ENOENT, "open %s", "/x");
	assert_int_equal(err.class, CART_ERR_SYSTEM);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "open /x: No such file or directory");
	/* the reason survives a name that is too long */
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cart_err_errno(&err, ENOENT, "%s", name);
	assert_non_null(strstr(err.text, ": No such file or directory"));
	cart_err_errno(&err, 123456, "x");
	assert_non_null(strstr(err.text, "x: "));
}

static void prefixes(void **state)
{
	struct cart_err err = { 0 };
	int i;

	cart_err_set(&err, CART_ERR_INPUT, 3, "bad");
	cart_err_prefix(&err, "line %d", 4);
	assert_string_equal(err.text, "line 4: bad");
	assert_int_equal(err.code, 3);
	for (i = 0; i < 200; i++)
		cart_err_prefix(&err, "prefix");
	assert_int_equal(strlen(err.text), CART_ERR_TEXT_SIZE - 1);
	/* an argument may be the error's own text */
	cart_err_set(&err, CART_ERR_INPUT, 0, "inner");
	cart_err_set(&err, CART_ERR_LIMIT, 0, "outer %s", err.text);
	assert_string_equal(err.text, "outer inner");
}

static void escapes(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "a\nb", "a\\x0ab" },
		{ "\033[2J", "\\x1b[2J" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\xc0\x80", "\\xc0\\x80" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "\xe2\x80\xae" "x", "\\xe2\\x80\\xaex" },
		{ "\xc2\x9b", "\\xc2\\x9b" },
		{ "a\\x", "a\\x" },
	};
	struct cart_err err = { 0 };
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cart_err_set(&err, CART_ERR_INPUT, 0, "%s", t[i].in);
		assert_string_equal(err.text, t[i].out);
	}
}

static void cuts_between_characters(void **state)
{
	struct cart_err err = { 0 };
	char text[1001];
	size_t i;

	text[0] = 'x';
	for (i = 1; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	text[i] = '\0';
	cart_err_set(&err, CART_ERR_INPUT, 0, "%s", text);
	assert_int_equal(strlen(err.text) % 3, 1);
	assert_in_range(strlen(err.text), 500, CART_ERR_TEXT_SIZE - 1);
}

static void names_classes(void **state)
{
	assert_string_equal(cart_err_class_name(CART_ERR_NONE), "none");
	assert_string_equal(cart_err_class_name(CART_ERR_INTERNAL), "internal");
	assert_string_equal(cart_err_class_name((enum cart_err_class)99),
			    "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_and_clears),
		cmocka_unit_test(accepts_null),
		cmocka_unit_test(names_errno),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(escapes),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(names_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
