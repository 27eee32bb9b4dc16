/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_POOL_H
#define CRASHCART_POOL_H

#include <stddef.h>

#include <crashcart/err.h>

/*
 * Threads that run jobs: hashing, compressing, digesting chunks.  Jobs start
 * in the order of their submission and end in any.  Submitting allocates
 * nothing: jobs are embedded in what they work on.  All signals are blocked
 * in the pool's threads; their stacks have 256 KiB.
 */

struct cart_pool;

/* Counts jobs that belong together; zero bytes are an empty group.  Touch its
 * fields only through the functions below. */
struct cart_pool_group {
	size_t pending;
};

struct cart_job {
	/* Runs on a pool thread.  Cannot fail: what can go wrong is kept in
	 * what the job is embedded in.  It may free the job and may submit
	 * others, but must not wait for any. */
	void (*run)(struct cart_job *job);
	/* Counted until run has returned; NULL: none.  Must outlive that. */
	struct cart_pool_group *group;
	struct cart_job *next;		/* private */
};

/* threads: 0 is one for each processor that we may use.  queue_max: jobs that
 * may wait to be started (at least 1).  NULL with err. */
struct cart_pool *cart_pool_new(unsigned threads, size_t queue_max,
				struct cart_err *err);
/* Runs what is queued, ends the threads, frees.  Accepts NULL.  No other
 * thread may use the pool any more. */
void cart_pool_free(struct cart_pool *pool);
unsigned cart_pool_threads(const struct cart_pool *pool);

/* Queues the job; waits while the queue is full (from a pool thread it does
 * not wait but queues beyond the maximum). */
void cart_pool_submit(struct cart_pool *pool, struct cart_job *job);
/* As above, but -1 at once when the queue is full; 0 if queued. */
int cart_pool_try_submit(struct cart_pool *pool, struct cart_job *job);
/* Returns when no job of the group is queued or runs. */
void cart_pool_wait(struct cart_pool *pool, struct cart_pool_group *group);

#endif
