/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../collector/step/trail_memory.h"

static void *object;
static void (*release_it)(void *object);

static void *shared(struct cart_step_ctx *c, const char *name,
		    void *(*make)(void), void (*release)(void *object))
{
	(void)c;
	assert_string_equal(name, "cloudtrail");
	if (object == NULL)
		object = make();
	release_it = release;
	return object;
}

static void append(void *arg, const char *text)
{
	char *out = arg;
	size_t len = strlen(out);

	snprintf(out + len, 200 - len, "%s;", text);
}

static void test_memory(void **state)
{
	static const struct cart_step_ops ops = { .shared = shared };
	static const struct cart_step_ops none;
	struct cart_step_ctx c = { .ops = &ops }, without = { .ops = &none };
	struct trail_memory *m = cart_trail_memory(&c);
	unsigned char a[CART_SHA256_SIZE], b[CART_SHA256_SIZE];
	char key[32], lines[200] = "";
	int i;

	(void)state;
	assert_null(cart_trail_memory(&without));
	assert_non_null(m);
	/* over several sizes of the table */
	for (i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		memset(a, i & 0xff, sizeof(a));
		cart_trail_memory_put_log(m, "b", key, a);
	}
	for (i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		memset(a, i & 0xff, sizeof(a));
		assert_true(cart_trail_memory_get_log(m, "b", key, b));
		assert_memory_equal(a, b, sizeof(a));
	}
	assert_false(cart_trail_memory_get_log(m, "b", "key 3000", b));
	assert_false(cart_trail_memory_get_log(m, "b/key 1", "", b));
	assert_false(cart_trail_memory_get_log(NULL, "b", "key 1", b));

	assert_false(cart_trail_memory_has_events(m));
	assert_int_equal(cart_trail_memory_event(
		m, "2", TRAIL_IN_HISTORY | TRAIL_BY_KEY, 20, "two"), 0);
	assert_int_equal(cart_trail_memory_event(
		m, "1", TRAIL_IN_HISTORY | TRAIL_BY_KEY, 10, "one"), 0);
	assert_int_equal(cart_trail_memory_event(m, "3", TRAIL_IN_HISTORY, 15,
						 NULL), 0);
	assert_true(cart_trail_memory_has_events(m));
	assert_int_equal(cart_trail_memory_event(m, "1", TRAIL_IN_LOGS, 0,
						 NULL),
			 TRAIL_IN_HISTORY | TRAIL_BY_KEY);
	assert_int_equal(cart_trail_memory_event(m, "1", TRAIL_IN_LOGS, 0,
						 NULL),
			 TRAIL_IN_HISTORY | TRAIL_BY_KEY | TRAIL_IN_LOGS);
	assert_int_equal(cart_trail_memory_event(NULL, "1", 1, 0, NULL), -1);
	assert_int_equal(cart_trail_memory_only(
		m, TRAIL_IN_HISTORY | TRAIL_BY_KEY, TRAIL_IN_LOGS, 0, 100, 9,
		append, lines), 1);
	assert_string_equal(lines, "two;");
	lines[0] = '\0';
	assert_int_equal(cart_trail_memory_only(m, TRAIL_IN_HISTORY, 0, 10, 20,
						1, append, lines), 3);
	assert_string_equal(lines, "one;");
	assert_int_equal(cart_trail_memory_only(m, TRAIL_IN_HISTORY, 0, 11, 19,
						9, append, lines), 1);
	release_it(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_memory) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
