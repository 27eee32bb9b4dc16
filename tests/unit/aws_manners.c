/* SPDX-License-Identifier: Apache-2.0 */
/* Rates, retries, and the clock's offset: all arithmetic, no waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/clock.h>

#include "aws/session.h"

#define S INT64_C(1000000000)

static int setup(void **state)
{
	struct cart_rate *r = calloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	r->percent = 100;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Any window of a second holds at most two, and nearly two are used. */
static void lookup_events(void **state)
{
	struct cart_rate *r = *state;
	int64_t at[200], now = 100 * S;
	int i;

	for (i = 0; i < 200; i++) {
		now += cart_rate_take(r, "cloudtrail", "LookupEvents",
				      "eu-west-1", now);
		/* the first one had to connect, which took 300 ms */
		at[i] = now + (i == 0 ? 3 * S / 10 : 0);
		cart_rate_sent(r, "cloudtrail", "LookupEvents", "eu-west-1",
			       at[i]);
		now = at[i] + S / 50;
	}
	for (i = 2; i < 200; i++)
		assert_true(at[i] - at[i - 2] > S);
	assert_true(at[199] - at[0] < 199 * S / 2 * 100 / 95 + S / 10);
	/* another region has its own */
	assert_int_equal(cart_rate_take(r, "cloudtrail", "LookupEvents",
					"eu-west-2", now), 0);
}

static void bursts(void **state)
{
	struct cart_rate *r = *state;
	int i, at_once = 0;

	for (i = 0; i < 200; i++)
		at_once += cart_rate_take(r, "ec2", "DescribeVolumes", "r",
					  S) == 0;
	assert_int_equal(at_once, 50);
	assert_int_equal(cart_rate_take(r, "ec2", "DescribeInstances", "r", S),
			 0);
}

static void one_backs_off_for_all(void **state)
{
	struct cart_rate *r = *state;
	int i;

	assert_int_equal(cart_rate_take(r, "iam", "GetUser", "global", S), 0);
	cart_rate_result(r, "iam", "GetUser", "global", true, 5 * S);
	/* the same family; what others learned meanwhile is the same lesson */
	cart_rate_result(r, "iam", "ListUsers", "global", true, 5 * S);
	assert_true(cart_rate_take(r, "iam", "ListRoles", "global", S) >=
		    4 * S);
	assert_int_equal(r->bucket[0].slow, 1);
	for (i = 0; i < 5; i++)
		cart_rate_result(r, "iam", "GetUser", "global", false, 0);
	assert_int_equal(r->bucket[0].slow, 0);
}

static void rates_of_the_manifest(void **state)
{
	static const struct cart_aws_rate rates[] = {
		{ "ec2:DescribeVolumes", 500, 0 }, { "ec2:Describe*", 1000, 2 },
		{ "iam:*", 4000, 1 },
	};
	static const struct cart_aws_rate bad[] = {
		{ "ec2", 1, 1 }, { ":x", 1, 1 }, { "ec2:", 1, 1 },
		{ "ec2:*x", 1, 1 }, { "ec2:x", 0, 1 },
	};
	struct cart_rate *r = *state, copy = { .n = 0 };
	struct cart_err err;
	size_t i;

	for (i = 0; i < 5; i++) {
		assert_int_equal(cart_rate_set(r, &bad[i], 1, &err), -1);
		assert_int_equal(err.class, CART_ERR_USAGE);
	}
	assert_int_equal(cart_rate_set(r, rates, 3, &err), 0);
	cart_rate_copy(&copy, r);
	pthread_mutex_init(&copy.lock, NULL);
	memset(r, 0, sizeof(*r));
	r = &copy;
	assert_int_equal(cart_rate_take(r, "ec2", "DescribeVolumes", "r", S), 0);
	assert_int_equal(cart_rate_take(r, "ec2", "DescribeVolumes", "r", S),
			 2 * S);
	/* one family, two at once, then one a second */
	assert_int_equal(cart_rate_take(r, "ec2", "DescribeVpcs", "r", S), 0);
	assert_int_equal(cart_rate_take(r, "ec2", "DescribeTags", "r", S), 0);
	assert_int_equal(cart_rate_take(r, "ec2", "DescribeVpcs", "r", S), S);
	assert_int_equal(cart_rate_take(r, "iam", "GetUser", "global", S), 0);
	assert_int_equal(cart_rate_take(r, "iam", "GetRole", "global", S),
			 S / 4);
	pthread_mutex_init(&((struct cart_rate *)*state)->lock, NULL);
}

static void many_buckets(void **state)
{
	struct cart_rate *r = *state;
	char name[32];
	int i;

	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "Operation%d", i);
		cart_rate_take(r, "config", name, "eu-west-1", S);
	}
	assert_int_equal(r->n, CART_RATE_BUCKETS);
}

/* A bucket that nobody uses any more makes room; one in use is not lost. */
static void buckets_make_room(void **state)
{
	int64_t now = cart_clock_mono_ns();
	struct cart_rate *r = *state;
	char name[32];
	int i;

	cart_rate_take(r, "cloudtrail", "LookupEvents", "eu-west-1",
		       now + 3600 * S);
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "Operation%d", i);
		/* the n-th of an operation would wait if it shared */
		assert_int_equal(cart_rate_take(r, "config", name, "eu-west-1",
						now - 3600 * S), 0);
	}
	assert_true(cart_rate_take(r, "cloudtrail", "LookupEvents", "eu-west-1",
				   now + 3600 * S) > 0);
}

static void waits(void **state)
{
	static const enum cart_retry_kind kinds[] = {
		CART_RETRY_THROTTLED, CART_RETRY_SERVER, CART_RETRY_CONNECT,
		CART_RETRY_TIMEOUT, CART_RETRY_BROKEN,
	};
	unsigned i, n, low, high, before;

	for (i = 0; i < 5; i++) {
		before = 0;
		for (n = 1; n < 100; n++) {
			low = cart_retry_wait_ms(kinds[i], n, 0);
			high = cart_retry_wait_ms(kinds[i], n, UINT32_MAX);
			assert_true(low > 0 && high >= 2 * low - 1 &&
				    high <= 20000);
			assert_true(high >= before);
			before = high;
		}
	}
	assert_int_equal(cart_retry_wait_ms(CART_RETRY_THROTTLED, 3,
					    UINT32_MAX), 4000);
	assert_true(cart_retry_allowed(CART_RETRY_THROTTLED, 7, 8));
	assert_false(cart_retry_allowed(CART_RETRY_THROTTLED, 8, 8));
	assert_false(cart_retry_allowed(CART_RETRY_TIMEOUT, 2, 8));
	assert_false(cart_retry_allowed(CART_RETRY_SERVER, 1, 1));
	assert_false(cart_retry_allowed(CART_RETRY_NO, 1, 8));
}

static void retry_after(void **state)
{
	static const struct {
		const char *headers;
		unsigned ms;
	} t[] = {
		{ "", 0 }, { "retry-after: 0\n", 0 }, { "retry-after: 7\n", 7000 },
		{ "retry-after: 999999\n", 300000 },
		{ "retry-after: 99999999999999999999\n", 0 },
		{ "retry-after: -1\n", 0 },
		{ "retry-after: Thu, 01 Jan 1970 00:01:00 GMT\n", 20000 },
		{ "retry-after: Thu, 01 Jan 1970 00:00:01 GMT\n", 0 },
		{ "retry-after: Fri, 01 Jan 2100 00:00:00 GMT\n", 300000 },
	};
	struct cart_http_reply p = { 0 };
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cart_buf_init(&p.headers, 1000);
		cart_buf_adds(&p.headers, t[i].headers);
		assert_int_equal(cart_retry_after_ms(&p, 40 * S), t[i].ms);
		cart_buf_clear(&p.headers);
	}
}

static void clock_offset(void **state)
{
	struct cart_clock_offset o = { .known = false };
	const int64_t t = INT64_C(1800000000) * S;
	int64_t ns, uncertainty;
	bool applied;

	pthread_mutex_init(&o.lock, NULL);
	assert_false(cart_clock_offset_get(&o, &ns, &uncertainty, &applied));
	/* the host is right: 200 ms there and back */
	assert_true(cart_clock_offset_add(&o, t, t + S / 2, t + S * 7 / 10));
	cart_clock_offset_get(&o, &ns, &uncertainty, &applied);
	assert_false(applied);
	assert_int_equal(cart_clock_offset_applied(&o), 0);
	/* more answers only make it surer */
	assert_false(cart_clock_offset_add(&o, t + 5 * S, t + 5 * S + S / 10,
					   t + 5 * S + S / 5));
	assert_true(o.high_ns - o.low_ns < S);
	/* now the clock was set back by 20 minutes */
	assert_true(cart_clock_offset_add(&o, t + 1210 * S, t + 10 * S,
					  t + 10 * S + S / 10));
	cart_clock_offset_get(&o, &ns, &uncertainty, &applied);
	assert_true(applied);
	assert_true(ns > 1199 * S && ns < 1201 * S);
	assert_true(uncertainty <= S * 6 / 10);
	assert_int_equal(cart_clock_offset_applied(&o), ns);
	/* nonsense is not a clock */
	assert_false(cart_clock_offset_add(&o, 0, t, t));
	assert_false(cart_clock_offset_add(&o, INT64_MAX, t, t));
	assert_false(cart_clock_offset_add(&o, t, t + 1, t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lookup_events, setup, teardown),
		cmocka_unit_test_setup_teardown(bursts, setup, teardown),
		cmocka_unit_test_setup_teardown(one_backs_off_for_all, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rates_of_the_manifest, setup,
						teardown),
		cmocka_unit_test_setup_teardown(many_buckets, setup, teardown),
		cmocka_unit_test_setup_teardown(buckets_make_room, setup,
						teardown),
		cmocka_unit_test(waits), cmocka_unit_test(retry_after),
		cmocka_unit_test(clock_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
