/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "read_internal.h"

/* More jobs than buffers and members of a group never wait. */
#define QUEUE_MAX ((size_t)1 << 20)

int cart_crew_start(struct cart_crew *c, unsigned threads, struct cart_err *err)
{
	memset(c, 0, sizeof(*c));
	c->pool = cart_pool_new(threads, QUEUE_MAX, err);
	if (!c->pool)
		return -1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	return 0;
}

void cart_crew_stop(struct cart_crew *c)
{
	if (!c->pool)
		return;
	cart_pool_free(c->pool);
	c->pool = NULL;
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
}

void cart_crew_wait(struct cart_crew *c, const bool *flag)
{
	while (!*flag)
		pthread_cond_wait(&c->changed, &c->lock);
}
