/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

#ifdef CART_ALLOC_CACHE

/* Content survives, whatever is taken, moved and given back around it. */
static void churn(unsigned seed, unsigned rounds)
{
	enum { N = 200 };
	static _Thread_local unsigned char *p[N];
	static _Thread_local size_t len[N];
	unsigned i;

	while (rounds--) {
		seed = seed * 1103515245u + 12345u;
		i = seed >> 8 & 0xff;
		if (i >= N)
			continue;
		if (p[i]) {
			size_t k, new = (seed >> 3) % 3000;

			for (k = 0; k < len[i]; k++)
				assert_int_equal(p[i][k], (unsigned char)i);
			if (seed & 1) {
				free(p[i]);
				p[i] = NULL;
				continue;
			}
			p[i] = realloc(p[i], new + 1);
			assert_non_null(p[i]);
			for (k = 0; k < len[i] && k < new; k++)
				assert_int_equal(p[i][k], (unsigned char)i);
			len[i] = new;
		} else {
			len[i] = seed % 7 ? seed % 600 : seed % 150000;
			p[i] = seed & 2 ? malloc(len[i] + 1) :
					  calloc(1, len[i] + 1);
			assert_non_null(p[i]);
			assert_int_equal((uintptr_t)p[i] % 16, 0);
			if (!(seed & 2) && len[i])
				assert_int_equal(p[i][len[i] / 2], 0);
		}
		memset(p[i], (int)i, len[i]);
	}
	for (i = 0; i < N; i++) {
		free(p[i]);
		p[i] = NULL;
	}
}

static void *churner(void *arg)
{
	churn((unsigned)(uintptr_t)arg, 20000);
	assert_true(cart_alloc_cached_bytes() <= (size_t)600 << 10);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[8];
	uintptr_t i;

	(void)state;
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, churner,
						(void *)(i + 1)), 0);
	for (i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	churn(99, 20000);
}

static void *handed[1000];

static void *giver(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < 1000; i++)
		free(handed[i]);
	return NULL;
}

/* Taken here and given back by another thread, which then ends. */
static void test_handed_over(void **state)
{
	pthread_t t;
	size_t round, i;

	(void)state;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 1000; i++) {
			handed[i] = malloc(16 + i);
			assert_non_null(handed[i]);
			memset(handed[i], 0xaa, 16 + i);
		}
		assert_int_equal(pthread_create(&t, NULL, giver, NULL), 0);
		pthread_join(t, NULL);
	}
}

static void test_every_size(void **state)
{
	volatile size_t huge = SIZE_MAX / 2;
	size_t n;

	(void)state;
	for (n = 0; n < 140000; n += n < 2000 ? 1 : 509) {
		unsigned char *p = malloc(n), *q;

		assert_non_null(p);
		assert_true(malloc_usable_size(p) >= n);
		memset(p, 1, n);
		free(p);
		q = calloc(n ? n : 1, 1);
		assert_non_null(q);
		assert_int_equal(q[n ? n - 1 : 0], 0);
		free(q);
	}
	assert_null(calloc(huge, 3));
	assert_null(malloc(huge));
	free(NULL);
}

/* What the compiler would warn of, behind its back. */
static char *take(size_t n)
{
	void *volatile p = malloc(n);

	return p;
}

static void *again(const char *p)
{
	void *volatile q = (void *)(uintptr_t)p;

	return q;
}

static void twice(void)
{
	char *p = take(100), *q = take(100);

	free(again(p));
	free(q);
	free(again(p));
}

static void *free_it(void *arg)
{
	free(arg);
	return NULL;
}

static void *free_and_stay(void *arg)
{
	free(arg);
	/* not into the lists of musl, which would notice */
	pause();
	return NULL;
}

/* Twice by two threads that both live. */
static void twice_elsewhere(void)
{
	char *p = take(100), *q = again(p);
	pthread_t t;

	free(p);
	if (pthread_create(&t, NULL, free_it, q) == 0)
		pthread_join(t, NULL);
}

static void twice_from_elsewhere(void)
{
	char *p = take(100), *q = again(p);
	pthread_t t;

	if (pthread_create(&t, NULL, free_and_stay, p) == 0)
		usleep(200000);
	free(q);
}

static void after(void)
{
	uintptr_t *p = (void *)take(100), *q = again((char *)p);

	free(p);
	*(volatile uintptr_t *)q ^= 8;	/* the link */
	take(100);
	take(100);
}

static void beyond(void)
{
	char *p = take(100);

	*(volatile char *)(p + 112) = 1;	/* the class ends there */
	free(p);
}

static void inside(void)
{
	free(again(take(1000) + 32));
}

/* No free block, in whosever list, tells an address. */
static void test_no_plain_links(void **state)
{
	enum { N = 400 };
	static uintptr_t *p[N];
	size_t i, k;

	(void)state;
	for (i = 0; i < N; i++)
		p[i] = (void *)take(64);
	for (i = 0; i < N; i++) {
		uintptr_t *q = again((char *)p[i]);

		free(p[i]);
		p[i] = q;
	}
	for (i = 0; i < N; i++)
		for (k = 0; k < N; k++) {
			volatile uintptr_t *words = p[i];

			assert_true(words[0] != (uintptr_t)p[k]);
			assert_true(words[1] != (uintptr_t)p[k]);
		}
}

/* What corrupts the heap ends the program. */
static void test_misuse(void **state)
{
	static void (*const misuse[])(void) = {
		twice, twice_elsewhere, twice_from_elsewhere, after, beyond,
		inside
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(misuse) / sizeof(misuse[0]); i++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			/* cmocka listens to both */
			signal(SIGILL, SIG_DFL);
			signal(SIGSEGV, SIG_DFL);
			misuse[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status))
			print_error("misuse %zu was not noticed\n", i);
		assert_true(WIFSIGNALED(status));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_no_plain_links),
		cmocka_unit_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

/* Other builds have the allocator of their C library. */
static void test_none(void **state)
{
	void *p = malloc(10);

	(void)state;
	assert_non_null(p);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
