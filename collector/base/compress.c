/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include <crashcart/compress.h>

#define WINDOW_LOG_MAX 23		/* 8 MiB */
#define STEP_BYTES ((size_t)1 << 20)

struct cart_zstd {
	ZSTD_CCtx *ctx;
};

struct cart_zstd *cart_zstd_new(int level, struct cart_err *err)
{
	struct cart_zstd *z;

	if (level < 1 || level > 19) {
		cart_err_set(err, CART_ERR_INTERNAL, 0, "zstd: level %d", level);
		return NULL;
	}
	z = malloc(sizeof(*z));
	if (!z)
		goto nomem;
	z->ctx = ZSTD_createCCtx();
	if (!z->ctx)
		goto nomem;
	ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_contentSizeFlag, 1);
	ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_checksumFlag, 1);
	return z;
nomem:
	free(z);
	cart_err_nomem(err);
	return NULL;
}

void cart_zstd_free(struct cart_zstd *z)
{
	if (!z)
		return;
	ZSTD_freeCCtx(z->ctx);
	free(z);
}

size_t cart_zstd_bound(size_t len)
{
	return ZSTD_compressBound(len);
}

int cart_zstd_compress(struct cart_zstd *z, const void *in, size_t len,
		       void *out, size_t cap, size_t *ret_len,
		       struct cart_err *err)
{
	size_t n = ZSTD_compress2(z->ctx, out, cap, in, len);

	if (ZSTD_isError(n))
		return cart_err_set(err, CART_ERR_INTERNAL, 0, "zstd: %s",
				    ZSTD_getErrorName(n));
	*ret_len = n;
	return 0;
}

/* The next stretch of room in out, at most STEP_BYTES.  0 if out is full. */
static size_t room(struct cart_buf *out, size_t want)
{
	size_t left = out->max - out->len;

	if (out->len > out->max)
		return 0;
	if (want > STEP_BYTES)
		want = STEP_BYTES;
	if (want > left)
		want = left;
	if (want > 0 && !cart_buf_reserve(out, want))
		return 0;
	return want;
}

static int too_big(struct cart_buf *out, const char *what, struct cart_err *err)
{
	if (cart_buf_check(out, what, err) < 0)
		return -1;
	return cart_err_set(err, CART_ERR_LIMIT, 0,
			    "%s: gives more than %zu bytes", what, out->max);
}

int cart_zstd_decompress(const void *in, size_t len, const void *dict,
			 size_t dict_len, struct cart_buf *out,
			 struct cart_err *err)
{
	static const unsigned char magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	size_t start = out->len, n, got;
	ZSTD_inBuffer src = { in, len, 0 };
	unsigned long long size;
	ZSTD_DCtx *ctx = NULL;
	unsigned char spare;
	ZSTD_outBuffer dst;
	int rc = -1;

	/* the library would also skip over skippable frames */
	if (len < 4 || memcmp(in, magic, 4) != 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "zstd: not a zstd frame");
	size = ZSTD_getFrameContentSize(in, len);
	if (size == ZSTD_CONTENTSIZE_ERROR)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "zstd: damaged frame header");
	if (size != ZSTD_CONTENTSIZE_UNKNOWN &&
	    (out->len > out->max || size > out->max - out->len))
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "zstd: gives more than %zu bytes",
				    out->max);
	ctx = ZSTD_createDCtx();
	if (!ctx)
		return cart_err_nomem(err);
	n = ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	if (!ZSTD_isError(n) && dict)
		n = ZSTD_DCtx_loadDictionary(ctx, dict, dict_len);
	if (ZSTD_isError(n)) {
		cart_err_set(err, CART_ERR_INPUT, 0, "zstd: %s",
			     ZSTD_getErrorName(n));
		goto out;
	}
	do {
		/* a full buffer still needs one call that takes the checksum */
		got = room(out, size == ZSTD_CONTENTSIZE_UNKNOWN ? STEP_BYTES
								 : (size_t)size);
		dst.dst = got ? out->data + out->len : &spare;
		dst.size = got ? got : 1;
		dst.pos = 0;
		n = ZSTD_decompressStream(ctx, &dst, &src);
		if (ZSTD_isError(n)) {
			cart_err_set(err, CART_ERR_INPUT, 0, "zstd: %s",
				     ZSTD_getErrorName(n));
			goto out;
		}
		if (dst.pos > 0 && got == 0) {
			too_big(out, "zstd", err);
			goto out;
		}
		out->len += dst.pos;
		if (n != 0 && src.pos == src.size && dst.pos < dst.size) {
			cart_err_set(err, CART_ERR_INPUT, 0,
				     "zstd: the frame is cut short");
			goto out;
		}
	} while (n != 0);
	if (src.pos != src.size) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "zstd: bytes after the frame");
		goto out;
	}
	rc = 0;
out:
	if (rc < 0)
		out->len = start;
	if (out->data)
		out->data[out->len] = '\0';
	ZSTD_freeDCtx(ctx);
	return rc;
}

/* How much room to begin with: what the last four bytes claim, where that can
 * be believed.  It saves the copies, and the mapping of memory, of growing. */
static size_t gzip_room(const unsigned char *in, size_t len)
{
	size_t claim;

	if (len < 18)
		return 65536;
	in += len - 4;
	claim = in[0] | (size_t)in[1] << 8 | (size_t)in[2] << 16 |
		(size_t)in[3] << 24;
	return claim > 1024 && claim / 64 < len ? claim + 1 : 65536;
}

int cart_gunzip(const void *in, size_t len, struct cart_buf *out,
		struct cart_err *err)
{
	const unsigned char *p = in;
	size_t start = out->len, got, made, first = gzip_room(in, len);
	unsigned char spare;
	z_stream z;
	int rc = -1, zrc = Z_OK;

	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return cart_err_nomem(err);
	while (zrc != Z_STREAM_END) {
		if (z.avail_in == 0 && len > 0) {
			size_t n = len < UINT_MAX ? len : UINT_MAX;

			/* zlib does not write here; the cast is its API's */
			z.next_in = (unsigned char *)(uintptr_t)p;
			z.avail_in = (unsigned)n;
			p += n;
			len -= n;
		}
		got = room(out, out->len - start + first);
		z.next_out = got ? out->data + out->len : &spare;
		z.avail_out = got ? (unsigned)got : 1;
		/* what ends in one go needs no copy of its window */
		zrc = inflate(&z, Z_FINISH);
		made = (got ? got : 1) - z.avail_out;
		if (zrc == Z_MEM_ERROR) {
			cart_err_nomem(err);
			goto out;
		}
		if (zrc != Z_OK && zrc != Z_STREAM_END && zrc != Z_BUF_ERROR) {
			cart_err_set(err, CART_ERR_INPUT, 0, "gzip: %s",
				     z.msg ? z.msg : "damaged data");
			goto out;
		}
		if (made > 0 && got == 0) {
			too_big(out, "gzip", err);
			goto out;
		}
		out->len += made;
		if (zrc != Z_STREAM_END && z.avail_in == 0 && len == 0 &&
		    z.avail_out > 0) {
			cart_err_set(err, CART_ERR_INPUT, 0,
				     "gzip: the data is cut short");
			goto out;
		}
	}
	if (z.avail_in > 0 || len > 0) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "gzip: bytes after the first member");
		goto out;
	}
	rc = 0;
out:
	if (rc < 0)
		out->len = start;
	if (out->data)
		out->data[out->len] = '\0';
	inflateEnd(&z);
	return rc;
}

struct cart_inflate {
	z_stream z;
	bool ended;
	unsigned char out[65536];
};

struct cart_inflate *cart_inflate_new(struct cart_err *err)
{
	struct cart_inflate *f = calloc(1, sizeof(*f));

	if (f && inflateInit2(&f->z, 15 + 16) == Z_OK)
		return f;
	free(f);
	cart_err_nomem(err);
	return NULL;
}

void cart_inflate_free(struct cart_inflate *f)
{
	if (f)
		inflateEnd(&f->z);
	free(f);
}

int cart_inflate_push(struct cart_inflate *f, const void *in, size_t len,
		      int (*sink)(void *arg, const void *data, size_t len),
		      void *arg, struct cart_err *err)
{
	z_stream *z = &f->z;
	int rc = Z_OK;

	if (len > UINT_MAX)
		return cart_err_set(err, CART_ERR_INTERNAL, 0, "gzip: %zu bytes",
				    len);
	z->next_in = (unsigned char *)(uintptr_t)in;
	z->avail_in = (unsigned)len;
	while (!f->ended && (z->avail_in > 0 || z->avail_out == 0)) {
		z->next_out = f->out;
		z->avail_out = sizeof(f->out);
		rc = inflate(z, Z_NO_FLUSH);
		if (rc == Z_MEM_ERROR)
			return cart_err_nomem(err);
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return cart_err_set(err, CART_ERR_INPUT, 0, "gzip: %s",
					    z->msg ? z->msg : "damaged data");
		f->ended = rc == Z_STREAM_END;
		if (z->avail_out < sizeof(f->out) &&
		    sink(arg, f->out, sizeof(f->out) - z->avail_out) < 0)
			return 1;
		if (rc == Z_BUF_ERROR)
			break;
	}
	if (z->avail_in > 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "gzip: bytes after the first member");
	return 0;
}

int cart_inflate_end(const struct cart_inflate *f, struct cart_err *err)
{
	return f->ended ? 0 : cart_err_set(err, CART_ERR_INPUT, 0,
					   "gzip: the data is cut short");
}
