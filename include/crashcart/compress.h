/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_COMPRESS_H
#define CRASHCART_COMPRESS_H

#include <stddef.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>

/* One zstd frame a call (RFC 8878), with content size and checksum. */

struct cart_zstd;		/* a compressor's working memory, one a thread */

/* level 1..19.  NULL with err on no memory. */
struct cart_zstd *cart_zstd_new(int level, struct cart_err *err);
void cart_zstd_free(struct cart_zstd *z);
/* Most bytes that compressing len bytes can give. */
size_t cart_zstd_bound(size_t len);
/* Compresses into out (cap bytes).  0 with *ret_len, or -1. */
int cart_zstd_compress(struct cart_zstd *z, const void *in, size_t len,
		       void *out, size_t cap, size_t *ret_len,
		       struct cart_err *err);
/* Exactly one frame and nothing after it, window at most 8 MiB; dict may be
 * NULL.  Appends to out, whose max bounds the result. */
int cart_zstd_decompress(const void *in, size_t len, const void *dict,
			 size_t dict_len, struct cart_buf *out,
			 struct cart_err *err);

/* Exactly one gzip member and nothing after it (RFC 1952).  Appends. */
int cart_gunzip(const void *in, size_t len, struct cart_buf *out,
		struct cart_err *err);

/* The same in pieces, of any length, with a buffer of 64 KiB. */
struct cart_inflate;
/* NULL with err on no memory. */
struct cart_inflate *cart_inflate_new(struct cart_err *err);
void cart_inflate_free(struct cart_inflate *z);	/* accepts NULL */
/* Hands what the next bytes give to sink, which answers -1 to stop: then this
 * is 1.  0; -1 with err (INPUT: damaged). */
int cart_inflate_push(struct cart_inflate *z, const void *in, size_t len,
		      int (*sink)(void *arg, const void *data, size_t len),
		      void *arg, struct cart_err *err);
/* Was it one member, whole?  0, -1 with err (INPUT). */
int cart_inflate_end(const struct cart_inflate *z, struct cart_err *err);

#endif
