/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <crashcart/budget.h>

/*
 * Takers draw a number and are served in that order, so a taker of much is
 * never overtaken by takers of little.
 */
struct cart_budget {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t total;
	size_t used;
	uint64_t next;			/* number of the next taker */
	uint64_t serving;		/* number whose turn it is */
	bool stopped;
};

struct cart_budget *cart_budget_new(size_t total_bytes)
{
	struct cart_budget *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->total = total_bytes;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	return b;
}

void cart_budget_free(struct cart_budget *b)
{
	if (!b)
		return;
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

size_t cart_budget_total(const struct cart_budget *b)
{
	return b->total;
}

int cart_budget_take(struct cart_budget *b, size_t bytes)
{
	uint64_t number;
	int rc = 0;

	if (bytes > b->total)
		bytes = b->total;
	pthread_mutex_lock(&b->lock);
	number = b->next++;
	while (!b->stopped &&
	       (number != b->serving || b->total - b->used < bytes))
		pthread_cond_wait(&b->changed, &b->lock);
	if (b->stopped) {
		rc = -1;
	} else {
		b->used += bytes;
		b->serving++;
		pthread_cond_broadcast(&b->changed);
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

void cart_budget_give(struct cart_budget *b, size_t bytes)
{
	if (bytes > b->total)
		bytes = b->total;
	if (bytes == 0)
		return;
	pthread_mutex_lock(&b->lock);
	b->used = bytes < b->used ? b->used - bytes : 0;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

void cart_budget_stop(struct cart_budget *b)
{
	pthread_mutex_lock(&b->lock);
	b->stopped = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}
