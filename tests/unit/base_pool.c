/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/clock.h>
#include <crashcart/pool.h>

struct count_job {
	struct cart_job job;
	atomic_uint *sum;
	unsigned add;
};

static void count(struct cart_job *job)
{
	struct count_job *c = (struct count_job *)job;

	atomic_fetch_add(c->sum, c->add);
	free(c);
}

static void runs_every_job_once(void **state)
{
	struct cart_pool_group group = { 0 };
	struct cart_err err = { 0 };
	struct cart_pool *pool = cart_pool_new(3, 4, &err);
	atomic_uint sum = 0;
	unsigned i;

	assert_non_null(pool);
	assert_int_equal(cart_pool_threads(pool), 3);
	cart_pool_wait(pool, &group);		/* nothing to wait for */
	for (i = 1; i <= 1000; i++) {
		struct count_job *c = calloc(1, sizeof(*c));

		assert_non_null(c);
		c->job.run = count;
		c->job.group = i % 2 ? &group : NULL;
		c->sum = &sum;
		c->add = i;
		cart_pool_submit(pool, &c->job);
	}
	cart_pool_wait(pool, &group);
	cart_pool_free(pool);			/* runs the rest */
	assert_int_equal(atomic_load(&sum), 500500);
	cart_pool_free(NULL);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void pass_gate(struct cart_job *job)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static void says_when_full(void **state)
{
	struct cart_pool_group group = { 0 };
	struct cart_err err = { 0 };
	struct cart_pool *pool = cart_pool_new(1, 2, &err);
	struct cart_job jobs[10];
	int i, queued = 0;

	assert_non_null(pool);
	memset(jobs, 0, sizeof(jobs));
	pthread_mutex_lock(&gate);
	for (i = 0; i < 10; i++) {
		jobs[i].run = pass_gate;
		jobs[i].group = &group;
		if (cart_pool_try_submit(pool, &jobs[i]) == 0)
			queued++;
	}
	/* two wait, and one may have started */
	assert_in_range(queued, 2, 3);
	pthread_mutex_unlock(&gate);
	cart_pool_wait(pool, &group);
	cart_pool_free(pool);
}

struct parent {
	struct cart_job job;
	struct cart_pool *pool;
	struct cart_job child[8];
};

static atomic_uint children;

static void child_run(struct cart_job *job)
{
	atomic_fetch_add(&children, 1);
}

static void parent_run(struct cart_job *job)
{
	struct parent *p = (struct parent *)job;
	int i;

	for (i = 0; i < 8; i++) {
		p->child[i].run = child_run;
		p->child[i].group = job->group;
		cart_pool_submit(p->pool, &p->child[i]);
	}
}

static void jobs_may_submit_jobs(void **state)
{
	struct cart_pool_group group = { 0 };
	struct cart_err err = { 0 };
	struct cart_pool *pool = cart_pool_new(2, 1, &err);
	struct parent parents[4];
	int i;

	assert_non_null(pool);
	memset(parents, 0, sizeof(parents));
	for (i = 0; i < 4; i++) {
		parents[i].job.run = parent_run;
		parents[i].job.group = &group;
		parents[i].pool = pool;
		cart_pool_submit(pool, &parents[i].job);
	}
	cart_pool_wait(pool, &group);
	assert_int_equal(atomic_load(&children), 32);
	cart_pool_free(pool);
}

static sigset_t seen;

static void note_signals(struct cart_job *job)
{
	pthread_sigmask(SIG_SETMASK, NULL, &seen);
}

static void blocks_signals(void **state)
{
	struct cart_pool_group group = { 0 };
	struct cart_err err = { 0 };
	struct cart_pool *pool = cart_pool_new(0, 1, &err);
	struct cart_job job = { .run = note_signals, .group = &group };
	sigset_t ours;

	assert_non_null(pool);
	assert_true(cart_pool_threads(pool) >= 1);
	cart_pool_submit(pool, &job);
	cart_pool_wait(pool, &group);
	assert_int_equal(sigismember(&seen, SIGINT), 1);
	assert_int_equal(sigismember(&seen, SIGTERM), 1);
	pthread_sigmask(SIG_SETMASK, NULL, &ours);
	assert_int_equal(sigismember(&ours, SIGINT), 0);
	cart_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_every_job_once),
		cmocka_unit_test(says_when_full),
		cmocka_unit_test(jobs_may_submit_jobs),
		cmocka_unit_test(blocks_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
