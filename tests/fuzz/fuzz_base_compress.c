/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zstd and gzip.  The first byte chooses: 'z' a frame, 'g' a gzip member, 'd'
 * a frame with the dictionary "dictionary", anything else is compressed and
 * must come back.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/compress.h>

#define OUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void round_trip(const uint8_t *data, size_t size)
{
	static struct cart_zstd *z;
	size_t cap = cart_zstd_bound(size), n;
	struct cart_buf out;
	struct cart_err err;
	uint8_t *packed = malloc(cap);

	if (!z)
		z = cart_zstd_new(1 + (int)(size % 3), &err);
	check(z && packed);
	check(cart_zstd_compress(z, data, size, packed, cap, &n, &err) == 0);
	cart_buf_init(&out, size);
	check(cart_zstd_decompress(packed, n, NULL, 0, &out, &err) == 0);
	check(out.len == size &&
	      (size == 0 || memcmp(out.data, data, size) == 0));
	cart_buf_clear(&out);
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_buf out;
	struct cart_err err;

	if (size < 1)
		return 0;
	cart_buf_init(&out, OUT_MAX);
	if (data[0] == 'z')
		cart_zstd_decompress(data + 1, size - 1, NULL, 0, &out, &err);
	else if (data[0] == 'd')
		cart_zstd_decompress(data + 1, size - 1, "dictionary", 10,
				     &out, &err);
	else if (data[0] == 'g')
		cart_gunzip(data + 1, size - 1, &out, &err);
	else
		round_trip(data + 1, size - 1);
	check(out.len <= OUT_MAX);
	cart_buf_clear(&out);
	return 0;
}
