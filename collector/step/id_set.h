/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_ID_SET_H
#define STEP_ID_SET_H

#include <stddef.h>
#include <stdint.h>

/* A set of texts, as 128 bits of their SHA-256; at most 1,048,576 (16 MiB). */
struct id_set {
	uint64_t (*slot)[2];		/* 0,0: free */
	size_t cap, n;
};

/* 1 new, 0 seen before, -1 no memory; when it is full everything is new. */
int cart_id_set_add(struct id_set *s, const char *text);
void cart_id_set_clear(struct id_set *s);

#endif
