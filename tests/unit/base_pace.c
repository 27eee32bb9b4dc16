/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crashcart/pace.h>

#define SECOND INT64_C(1000000000)

static void unlimited(void **state)
{
	struct cart_pace p = { 0 };

	(void)state;
	assert_int_equal(cart_pace_take(&p, SECOND, 1 << 30), 0);
	assert_int_equal(cart_pace_take(&p, SECOND, 1 << 30), 0);
}

/* Whoever waits as told has sent at the rate, but for one burst and the last
 * piece. */
static void keeps_the_rate(void **state)
{
	struct cart_pace p = { .bytes_per_s = 1000000 };
	int64_t now = 5 * SECOND, begin = now;
	uint64_t sent = 0;

	(void)state;
	while (now < begin + 10 * SECOND) {
		now += cart_pace_take(&p, now, 65536);
		sent += 65536;
	}
	assert_in_range(sent, 10000000, 10000000 + 250000 + 2 * 65536);
}

/* An hour of silence is not saved up. */
static void forgets_what_was_not_used(void **state)
{
	struct cart_pace p = { .bytes_per_s = 1000000 };
	uint64_t at_once = 0;

	(void)state;
	assert_int_equal(cart_pace_take(&p, SECOND, 1000), 0);
	while (cart_pace_take(&p, 3600 * SECOND, 1000) == 0)
		at_once += 1000;
	assert_in_range(at_once, 250000, 252000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unlimited),
		cmocka_unit_test(keeps_the_rate),
		cmocka_unit_test(forgets_what_was_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
