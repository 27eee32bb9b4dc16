/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDTRAIL_PACK_H
#define CLOUDTRAIL_PACK_H

#include "crashcart/step.h"

/*
 * Objects of a bucket, byte for byte, in file sets of about one part each:
 * any number of them fits into a bundle.  What goes into one set waits here,
 * so that no part is open while calls are made.  The path of a file is
 * /BUCKET/KEY; its line's origin is that of an exhibit of its own.
 */

struct cart_trail_pack {
	struct cart_step_ctx *c;
	const char *name;		/* of the exhibits; borrowed */
	/* Called before a set goes out: what must be durable before it.  May
	 * be NULL. */
	int (*before)(void *arg, struct cart_err *err);
	void *arg;
	struct cart_fileset *set;	/* NULL: nothing waits */
	struct cart_buf data, text;	/* bytes; paths and origins */
	struct cart_trail_waiting *at;
	size_t n, cap;
	size_t room;			/* of the part, about */
	int64_t since_ns;		/* monotonic; the oldest that waits */
	uint64_t own, lost;		/* exhibits of their own; no room */
};

void cart_trail_pack_init(struct cart_trail_pack *p, struct cart_step_ctx *c,
			  const char *name);
/* Keeps an object (copied).  ret_id: the exhibit that will hold it; ret_path
 * (CART_TRAIL_PATH_SIZE bytes): its path there, "" if it is all of it.  0; -1. */
#define CART_TRAIL_PATH_SIZE 1200
int cart_trail_pack_add(struct cart_trail_pack *p, const char *bucket,
			const char *key, const struct cart_step_reply *reply,
			char ret_id[CART_EXHIBIT_ID_SIZE], char *ret_path,
			struct cart_err *err);
/* Sends what waits, also after an error, and frees what p holds. */
int cart_trail_pack_close(struct cart_trail_pack *p, struct cart_err *err);

#endif
