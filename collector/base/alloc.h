/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache before musl's malloc(), one a thread.  Only in the release build,
 * where the linker sends every caller here, the libraries' too (Makefile:
 * OUR_LDFLAGS); the other builds keep the allocator that their tools watch.
 *
 * All are as in C11.  A misuse that is noticed traps, as musl's own does.
 */
#ifndef CART_BASE_ALLOC_H
#define CART_BASE_ALLOC_H

#include <stddef.h>

void *cart_alloc_malloc(size_t size);
void *cart_alloc_calloc(size_t n, size_t size);
void *cart_alloc_realloc(void *p, size_t size);
void cart_alloc_free(void *p);

/* Bytes that this thread's cache holds; for tests. */
size_t cart_alloc_cached_bytes(void);

#endif
