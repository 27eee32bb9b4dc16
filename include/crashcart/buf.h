/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_BUF_H
#define CRASHCART_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <crashcart/err.h>

/*
 * A growing byte buffer with a hard maximum.  Appending sets a sticky
 * failure instead of returning an error each time, so that a sequence of
 * appends is checked once with cart_buf_ok().  data is always followed by
 * one NUL byte that len does not count (when data is not NULL).
 */
struct cart_buf {
	unsigned char *data;
	size_t len;
	size_t cap;
	size_t max;		/* never holds more than this many bytes */
	bool failed;		/* an append did not fit or memory ran out */
	bool limited;		/* ... because of max */
};

/* max_bytes: hard maximum of len. */
void cart_buf_init(struct cart_buf *b, size_t max_bytes);
/* Over the caller's memory of size bytes (at least 1): holds size - 1 and
 * allocates nothing.  Such a buffer must be neither cleared nor stolen. */
void cart_buf_init_fixed(struct cart_buf *b, void *memory, size_t size);
/* Frees the data; the buffer can be used again with the same maximum. */
void cart_buf_clear(struct cart_buf *b);
/* Forgets the content but keeps the memory; resets failed. */
void cart_buf_reset(struct cart_buf *b);
/* Hands the bytes to the caller (free()), NUL-terminated; b becomes empty.
 * NULL if the buffer failed; an empty buffer gives an empty string. */
char *cart_buf_steal(struct cart_buf *b, size_t *ret_len);

void cart_buf_add(struct cart_buf *b, const void *data, size_t len);
void cart_buf_adds(struct cart_buf *b, const char *str);
void cart_buf_addc(struct cart_buf *b, char c);
void cart_buf_addf(struct cart_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void cart_buf_vaddf(struct cart_buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
/* Makes room for extra bytes; returns where they go, NULL on failure.  The
 * caller then adds what it wrote to b->len. */
unsigned char *cart_buf_reserve(struct cart_buf *b, size_t extra);

/* True if every append since init/reset worked. */
bool cart_buf_ok(const struct cart_buf *b);
/* 0, or -1 with err: LIMIT when the maximum was hit, MEMORY otherwise. */
int cart_buf_check(const struct cart_buf *b, const char *what,
		   struct cart_err *err);

#endif
