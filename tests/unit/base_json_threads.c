/* SPDX-License-Identifier: Apache-2.0 */
/* Trees that one thread makes and another frees; many at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/json.h>

#define THREADS	4
#define ROUNDS	300
#define KEPT	50

static const char text[] = "{\"a\":[1,2.5,true,null,\"text that is longer "
	"than the smallest block\"],\"b\":{\"c\":{\"d\":[[],{},\"\"]}},"
	"\"e\":9007199254740993}";

/* What waits to be freed by whoever comes next. */
static struct {
	pthread_mutex_t lock;
	struct cart_json *tree[KEPT];
} shelf = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct cart_json *swap(size_t i, struct cart_json *j)
{
	struct cart_json *old;

	pthread_mutex_lock(&shelf.lock);
	old = shelf.tree[i];
	shelf.tree[i] = j;
	pthread_mutex_unlock(&shelf.lock);
	return old;
}

static void *work(void *arg)
{
	static const struct cart_json_limits limits = { .inexact = true };
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct cart_json *j, *old;
	struct cart_buf b;
	int i;

	cart_buf_init(&b, 4096);
	for (i = 0; i < ROUNDS; i++) {
		seed = seed * 1103515245u + 12345u;
		j = cart_json_parse(text, sizeof(text) - 1, &limits, NULL);
		if (!j)
			return arg;
		old = swap(seed / 65536 % KEPT, j);
		if (!old)
			continue;
		cart_buf_reset(&b);
		cart_json_print(old, 0, &b);
		cart_json_free(old);
		if (b.len != sizeof(text) - 1 || memcmp(b.data, text, b.len))
			return arg;
	}
	cart_buf_clear(&b);
	return NULL;
}

static void trees_change_threads(void **state)
{
	pthread_t t[THREADS];
	int round;
	void *ret;
	size_t i;

	(void)state;
	for (round = 0; round < 5; round++) {
		for (i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&t[i], NULL, work,
							(void *)(i + 1)), 0);
		for (i = 0; i < THREADS; i++) {
			pthread_join(t[i], &ret);
			assert_null(ret);
		}
	}
	for (i = 0; i < KEPT; i++)
		cart_json_free(swap(i, NULL));
}

static void every_size(void **state)
{
	struct cart_json *a = cart_json_new_array();
	char s[300];
	size_t i;

	(void)state;
	assert_non_null(a);
	memset(s, 'x', sizeof(s));
	for (i = 0; i < sizeof(s); i++)
		assert_non_null(cart_json_append(a,
				cart_json_new_string_n(s, i)));
	for (i = 0; i < sizeof(s); i++)
		assert_int_equal(strlen(cart_json_string(cart_json_at(a, i))),
				 i);
	cart_json_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_change_threads),
		cmocka_unit_test(every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
