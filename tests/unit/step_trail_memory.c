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

static void each(void *arg, const struct trail_seen *e)
{
	append(arg, e->id);
}

static void test_named(void **state)
{
	static const struct cart_step_ops ops = { .shared = shared };
	struct cart_step_ctx c = { .ops = &ops };
	struct trail_memory *m = cart_trail_memory(&c);
	const unsigned char sha256[CART_SHA256_SIZE] = { 0 };
	static const char *const keys[] = {
		"x/123456789012_CloudTrail_eu-west-1_20261124T0455Z_a.json.gz",
		"x/123456789012_CloudTrail_eu-west-1_20261124T0500Z_b.json.gz",
		"x/123456789012_CloudTrail_eu-west-2_20261124T0500Z_c.json.gz",
		"x/123456789012_CloudTrail_eu-west-1_20261124T0505Z_d.json.gz"
	};
	struct trail_seen e = { .time = "t", .call = "c", .exhibit = "e",
				.kind = 'o' };
	char ids[4][2] = { "a", "b", "c", "d" }, got[200] = "";
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		e.id = ids[i];
		/* only of logs that were put */
		assert_int_equal(cart_trail_memory_see(m, "b", keys[i], &e), -1);
		cart_trail_memory_put_log(m, "b", keys[i], sha256);
		assert_int_equal(cart_trail_memory_see(m, "b", keys[i], &e), 0);
	}
	/* twice in one log */
	assert_int_equal(cart_trail_memory_see(m, "b", keys[3], &e), 0);
	cart_trail_memory_name_log(m, "b", keys[3]);
	cart_trail_memory_name_log(m, "other", keys[0]);
	/* 2026-11-24T05:00:00Z */
	cart_trail_memory_not_yet(m, "123456789012", "eu-west-1",
				  (int64_t)1795496400 * 1000000000);
	assert_int_equal(cart_trail_memory_seen(m, TRAIL_UNNAMED, each, got), 2);
	assert_string_equal(got, "a;c;");
	got[0] = '\0';
	assert_int_equal(cart_trail_memory_seen(m, TRAIL_NOT_YET, each, got), 1);
	assert_string_equal(got, "b;");
	got[0] = '\0';
	assert_int_equal(cart_trail_memory_seen(m, TRAIL_NAMED, each, got), 1);
	assert_string_equal(got, "d;d;");
	release_it(object);
	object = NULL;
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
	object = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_memory),
					      cmocka_unit_test(test_named) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
