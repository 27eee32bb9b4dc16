/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crashcart/budget.h>
#include <crashcart/clock.h>

struct taker {
	struct cart_budget *b;
	size_t bytes;
	atomic_int *order;
	int got;			/* place in the order, -1: refused */
	pthread_t thread;
};

static void *take(void *arg)
{
	struct taker *t = arg;

	if (cart_budget_take(t->b, t->bytes) < 0)
		t->got = -1;
	else
		t->got = atomic_fetch_add(t->order, 1);
	return NULL;
}

static void start(struct taker *t)
{
	assert_int_equal(pthread_create(&t->thread, NULL, take, t), 0);
	cart_clock_sleep_ms(100);	/* so that it is the next in line */
}

static void first_come_first_served(void **state)
{
	struct cart_budget *b = cart_budget_new(100);
	atomic_int order = 0;
	struct taker large = { b, 80, &order, 0, 0 };
	struct taker small = { b, 30, &order, 0, 0 };

	assert_non_null(b);
	assert_int_equal(cart_budget_total(b), 100);
	assert_int_equal(cart_budget_take(b, 60), 0);
	start(&large);
	start(&small);			/* would fit, but waits its turn */
	assert_int_equal(atomic_load(&order), 0);
	cart_budget_give(b, 60);
	pthread_join(large.thread, NULL);
	assert_int_equal(large.got, 0);
	assert_int_equal(atomic_load(&order), 1);
	cart_budget_give(b, 80);
	pthread_join(small.thread, NULL);
	assert_int_equal(small.got, 1);
	cart_budget_free(b);
}

static void more_than_all_is_all(void **state)
{
	struct cart_budget *b = cart_budget_new(100);

	assert_non_null(b);
	assert_int_equal(cart_budget_take(b, 1000), 0);
	cart_budget_give(b, 1000);
	assert_int_equal(cart_budget_take(b, 100), 0);
	cart_budget_give(b, 100);
	cart_budget_give(b, 0);
	cart_budget_free(b);
	cart_budget_free(NULL);
}

static void stop_wakes_all(void **state)
{
	struct cart_budget *b = cart_budget_new(10);
	atomic_int order = 0;
	struct taker t[3];
	int i;

	assert_non_null(b);
	assert_int_equal(cart_budget_take(b, 10), 0);
	for (i = 0; i < 3; i++) {
		t[i] = (struct taker){ b, 5, &order, 0, 0 };
		start(&t[i]);
	}
	cart_budget_stop(b);
	for (i = 0; i < 3; i++) {
		pthread_join(t[i].thread, NULL);
		assert_int_equal(t[i].got, -1);
	}
	assert_int_equal(cart_budget_take(b, 0), -1);
	cart_budget_free(b);
}

struct churn {
	struct cart_budget *b;
	atomic_size_t *used;
	atomic_int *bad;
	unsigned seed;
	pthread_t thread;
};

static void *churn(void *arg)
{
	struct churn *c = arg;
	size_t n;
	int i;

	for (i = 0; i < 2000; i++) {
		c->seed = c->seed * 1103515245u + 12345u;
		n = (c->seed >> 16) % 60 + 1;
		if (cart_budget_take(c->b, n) < 0)
			atomic_store(c->bad, 1);
		if (atomic_fetch_add(c->used, n) + n > 100)
			atomic_store(c->bad, 1);
		atomic_fetch_sub(c->used, n);
		cart_budget_give(c->b, n);
	}
	return NULL;
}

static void never_more_than_the_total(void **state)
{
	struct cart_budget *b = cart_budget_new(100);
	atomic_size_t used = 0;
	atomic_int bad = 0;
	struct churn c[4];
	unsigned i;

	assert_non_null(b);
	for (i = 0; i < 4; i++) {
		c[i] = (struct churn){ b, &used, &bad, i, 0 };
		assert_int_equal(pthread_create(&c[i].thread, NULL, churn,
						&c[i]), 0);
	}
	for (i = 0; i < 4; i++)
		pthread_join(c[i].thread, NULL);
	assert_int_equal(atomic_load(&bad), 0);
	assert_int_equal(cart_budget_take(b, 100), 0);
	cart_budget_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_come_first_served),
		cmocka_unit_test(more_than_all_is_all),
		cmocka_unit_test(stop_wakes_all),
		cmocka_unit_test(never_more_than_the_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
