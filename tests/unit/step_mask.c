/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/step.h>

static struct cart_json *parse(const char *text)
{
	struct cart_err err = { 0 };
	struct cart_json *j = cart_json_parse(text, strlen(text), NULL, &err);

	assert_non_null(j);
	return j;
}

static const char *commitment(const struct cart_json *doc, const char *name)
{
	return cart_json_get_string(cart_json_get(doc, name), "commitment");
}

/* Where the places of secrets are not known, no text and no number stays. */
static void test_all(void **state)
{
	static const unsigned char key[CART_MASK_KEY_SIZE] = "k";
	struct cart_json *j = parse("{\"t\":\"Winter2026!\",\"pin\":4711,"
		"\"l\":[\"aaa\"],\"ll\":[[[\"bbb\"]]],\"nn\":[[5822]],"
		"\"o\":[{\"x\":\"ccc\",\"y\":6933}],\"oo\":[[{\"z\":\"ddd\"}]],"
		"\"yes\":true,\"no\":null}");
	static const char *const gone[] = {
		"Winter2026!", "4711", "aaa", "bbb", "5822", "ccc", "6933",
		"ddd", NULL
	};
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_buf b;
	size_t i;

	(void)state;
	cart_buf_init(&b, 65536);
	assert_int_equal(cart_step_mask_all(j, key), 8);
	cart_json_print(j, 0, &b);
	for (i = 0; gone[i] != NULL; i++)
		assert_null(strstr((char *)b.data, gone[i]));
	assert_non_null(strstr((char *)b.data, "\"yes\":true,\"no\":null"));
	cart_step_commit(key, "4711", 4, hex);
	assert_string_equal(commitment(j, "pin"), hex);
	cart_step_commit(key, "[[[\"bbb\"]]]", 11, hex);
	assert_string_equal(commitment(j, "ll"), hex);
	cart_buf_clear(&b);
	cart_json_free(j);
	/* a value without a name has no place for its commitment */
	j = parse("[\"aaa\"]");
	assert_int_equal(cart_step_mask_all(j, key), -1);
	cart_json_free(j);
}

/* As imds.tree masks them, under another key another commitment. */
static void test_credentials(void **state)
{
	static const unsigned char key[2][CART_MASK_KEY_SIZE] = { "a", "b" };
	struct cart_json *j[2];
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		j[i] = parse("{\"AccessKeyId\":\"ASIA\",\"SecretAccessKey\":"
			     "\"s\",\"Token\":\"t\"}");
		assert_int_equal(cart_step_mask("imds:security-credentials",
						j[i], key[i]), 2);
		assert_string_equal(cart_json_get_string(j[i], "AccessKeyId"),
				    "ASIA");
	}
	assert_string_not_equal(commitment(j[0], "Token"),
				commitment(j[1], "Token"));
	cart_json_free(j[0]);
	cart_json_free(j[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all), cmocka_unit_test(test_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
