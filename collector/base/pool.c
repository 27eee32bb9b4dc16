/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include <crashcart/pool.h>

#define STACK_BYTES ((size_t)256 * 1024)
#define THREADS_MAX 256

struct cart_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;		/* a job was queued, or stop */
	pthread_cond_t room;		/* the queue is below its maximum */
	pthread_cond_t done;		/* a group came to its end */
	struct cart_job *first, **last;
	size_t queued, queue_max;
	bool stop;
	unsigned count;
	pthread_t thread[];
};

/* The pool that this thread works for. */
static _Thread_local struct cart_pool *mine;

static struct cart_job *take(struct cart_pool *pool)
{
	struct cart_job *job;

	while (!pool->first && !pool->stop)
		pthread_cond_wait(&pool->work, &pool->lock);
	job = pool->first;
	if (!job)
		return NULL;
	pool->first = job->next;
	if (!pool->first)
		pool->last = &pool->first;
	pool->queued--;
	pthread_cond_signal(&pool->room);
	return job;
}

static void *work(void *arg)
{
	struct cart_pool *pool = arg;
	struct cart_pool_group *group;
	struct cart_job *job;

	mine = pool;
	pthread_mutex_lock(&pool->lock);
	while ((job = take(pool)) != NULL) {
		group = job->group;	/* run may free the job */
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		if (group && --group->pending == 0)
			pthread_cond_broadcast(&pool->done);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static unsigned processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	return 1;
}

/* Starts one thread with all signals blocked. */
static int spawn(struct cart_pool *pool, pthread_t *ret)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc != 0)
		return rc;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(ret, &attr, work, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

struct cart_pool *cart_pool_new(unsigned threads, size_t queue_max,
				struct cart_err *err)
{
	struct cart_pool *pool;
	int rc;

	if (threads == 0)
		threads = processors();
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->thread[0]));
	if (!pool) {
		cart_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->room, NULL);
	pthread_cond_init(&pool->done, NULL);
	pool->last = &pool->first;
	pool->queue_max = queue_max ? queue_max : 1;
	for (; pool->count < threads; pool->count++) {
		rc = spawn(pool, &pool->thread[pool->count]);
		if (rc == 0)
			continue;
		/* fewer threads than asked for still do the work */
		if (pool->count > 0)
			break;
		cart_err_errno(err, rc, "starting a thread");
		cart_pool_free(pool);
		return NULL;
	}
	return pool;
}

void cart_pool_free(struct cart_pool *pool)
{
	unsigned i;

	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (i = 0; i < pool->count; i++)
		pthread_join(pool->thread[i], NULL);
	pthread_cond_destroy(&pool->done);
	pthread_cond_destroy(&pool->room);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

unsigned cart_pool_threads(const struct cart_pool *pool)
{
	return pool->count;
}

static void enqueue(struct cart_pool *pool, struct cart_job *job)
{
	job->next = NULL;
	*pool->last = job;
	pool->last = &job->next;
	pool->queued++;
	if (job->group)
		job->group->pending++;
	pthread_cond_signal(&pool->work);
}

void cart_pool_submit(struct cart_pool *pool, struct cart_job *job)
{
	pthread_mutex_lock(&pool->lock);
	/* if all pool threads waited here, nobody would make room */
	while (pool->queued >= pool->queue_max && mine != pool)
		pthread_cond_wait(&pool->room, &pool->lock);
	enqueue(pool, job);
	pthread_mutex_unlock(&pool->lock);
}

int cart_pool_try_submit(struct cart_pool *pool, struct cart_job *job)
{
	int rc = -1;

	pthread_mutex_lock(&pool->lock);
	if (pool->queued < pool->queue_max) {
		enqueue(pool, job);
		rc = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

void cart_pool_wait(struct cart_pool *pool, struct cart_pool_group *group)
{
	pthread_mutex_lock(&pool->lock);
	while (group->pending > 0)
		pthread_cond_wait(&pool->done, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}
