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

#endif
