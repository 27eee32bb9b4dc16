/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/compress.h>

static unsigned char *noise(size_t len, unsigned seed)
{
	unsigned char *p = malloc(len ? len : 1);
	size_t i;

	assert_non_null(p);
	for (i = 0; i < len; i++) {
		seed = seed * 1103515245u + 12345u;
		p[i] = (unsigned char)(i % 3 ? seed >> 16 : 'a');
	}
	return p;
}

static size_t pack(const void *in, size_t len, int level, unsigned char **ret)
{
	struct cart_err err = { 0 };
	struct cart_zstd *z = cart_zstd_new(level, &err);
	size_t n = 0;

	assert_non_null(z);
	*ret = malloc(cart_zstd_bound(len));
	assert_non_null(*ret);
	assert_int_equal(cart_zstd_compress(z, in, len, *ret,
					    cart_zstd_bound(len), &n, &err), 0);
	/* a compressor is used again and again: same bytes */
	{
		unsigned char *again = malloc(cart_zstd_bound(len));
		size_t m = 0;

		assert_non_null(again);
		assert_int_equal(cart_zstd_compress(z, in, len, again,
						    cart_zstd_bound(len), &m,
						    &err), 0);
		assert_int_equal(n, m);
		assert_memory_equal(again, *ret, n);
		free(again);
	}
	cart_zstd_free(z);
	return n;
}

static void round_trip(void **state)
{
	static const size_t sizes[] = { 0, 1, 1000, 131072, 1 << 20,
					(1 << 20) + 1, 9 << 20 };
	struct cart_err err = { 0 };
	unsigned char *in, *packed;
	struct cart_buf out;
	size_t i, n;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		in = noise(sizes[i], (unsigned)i);
		n = pack(in, sizes[i], i % 2 ? 1 : 3, &packed);
		cart_buf_init(&out, sizes[i] + 1);
		cart_buf_addc(&out, '>');
		if (cart_zstd_decompress(packed, n, NULL, 0, &out, &err) < 0)
			fail_msg("%zu: %s", sizes[i], err.text);
		assert_int_equal(out.len, sizes[i] + 1);
		assert_memory_equal(out.data + 1, in, sizes[i]);
		cart_buf_clear(&out);
		/* one byte too few */
		if (sizes[i] > 0) {
			cart_buf_init(&out, sizes[i] - 1);
			assert_int_equal(cart_zstd_decompress(packed, n, NULL,
							      0, &out, &err),
					 -1);
			assert_int_equal(err.class, CART_ERR_LIMIT);
			cart_buf_clear(&out);
		}
		free(in);
		free(packed);
	}
}

static void refuses(void **state)
{
	struct cart_err err = { 0 };
	unsigned char *in = noise(5000, 1), *packed, copy[8192];
	static const unsigned char skippable[] = { 0x50, 0x2a, 0x4d, 0x18,
						   1, 0, 0, 0, 'x' };
	struct cart_buf out;
	size_t n, i;

	n = pack(in, 5000, 3, &packed);
	assert_in_range(n, 10, sizeof(copy) - 20);
	cart_buf_init(&out, 10000);
	cart_buf_adds(&out, "kept");
	/* cut anywhere */
	for (i = 0; i < n; i++) {
		unsigned char *cut = malloc(i ? i : 1);

		assert_non_null(cut);
		memcpy(cut, packed, i);
		assert_int_equal(cart_zstd_decompress(cut, i, NULL, 0, &out,
						      &err), -1);
		assert_string_equal((char *)out.data, "kept");
		free(cut);
	}
	/* any bit changed: an error, never other bytes */
	for (i = 0; i < n; i++) {
		memcpy(copy, packed, n);
		copy[i] ^= 0x10;
		if (cart_zstd_decompress(copy, n, NULL, 0, &out, &err) == 0) {
			/* reserved bits that mean nothing */
			assert_int_equal(out.len, 5004);
			assert_memory_equal(out.data + 4, in, 5000);
			out.len = 4;
			out.data[4] = '\0';
		}
		assert_string_equal((char *)out.data, "kept");
	}
	/* a byte, a second frame, a skippable frame behind or before it */
	memcpy(copy, packed, n);
	copy[n] = 0;
	assert_int_equal(cart_zstd_decompress(copy, n + 1, NULL, 0, &out, &err),
			 -1);
	memcpy(copy + n, skippable, sizeof(skippable));
	assert_int_equal(cart_zstd_decompress(copy, n + sizeof(skippable), NULL,
					      0, &out, &err), -1);
	memcpy(copy, skippable, sizeof(skippable));
	memcpy(copy + sizeof(skippable), packed, n);
	assert_int_equal(cart_zstd_decompress(copy, n + sizeof(skippable), NULL,
					      0, &out, &err), -1);
	assert_int_equal(cart_zstd_decompress("", 0, NULL, 0, &out, &err), -1);
	assert_string_equal((char *)out.data, "kept");
	assert_null(cart_zstd_new(0, &err));
	assert_null(cart_zstd_new(20, &err));
	cart_buf_clear(&out);
	free(packed);
	free(in);
}

/* Frames made by hand: 16 MiB of zeros in few bytes, with a window of 8 MiB
 * (accepted) and of 16 MiB (refused). */
static void bounds_the_window(void **state)
{
	unsigned char frame[6 + 4 * 128 + 8] = { 0x28, 0xb5, 0x2f, 0xfd, 0 };
	struct cart_err err = { 0 };
	struct cart_buf out;
	size_t at, i;

	for (i = 0; i < 2; i++) {
		frame[5] = (unsigned char)((13 + i) << 3);	/* 2^(10+13+i) */
		at = 6;
		for (unsigned k = 0; k < 128; k++) {
			/* RLE block of 128 KiB, the last one marked */
			uint32_t h = 131072u << 3 | 1u << 1 | (k == 127);

			frame[at++] = (unsigned char)h;
			frame[at++] = (unsigned char)(h >> 8);
			frame[at++] = (unsigned char)(h >> 16);
			frame[at++] = 0;
		}
		cart_buf_init(&out, 17 << 20);
		assert_int_equal(cart_zstd_decompress(frame, at, NULL, 0, &out,
						      &err), i == 0 ? 0 : -1);
		assert_int_equal(out.len, i == 0 ? 16 << 20 : 0);
		cart_buf_clear(&out);
		/* a bomb stops at the maximum */
		cart_buf_init(&out, 100000);
		assert_int_equal(cart_zstd_decompress(frame, at, NULL, 0, &out,
						      &err), -1);
		if (i == 0)
			assert_int_equal(err.class, CART_ERR_LIMIT);
		cart_buf_clear(&out);
	}
}

/* printf 'hello, hello, hello\n' | gzip -n -9 */
static const unsigned char hello[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48,
	0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa2, 0xb8, 0x00, 0xe7, 0x42,
	0x6e, 0x52, 0x14, 0x00, 0x00, 0x00
};

static void gunzips(void **state)
{
	unsigned char copy[2 * sizeof(hello)];
	struct cart_err err = { 0 };
	struct cart_buf out;
	size_t i;

	cart_buf_init(&out, 20);
	if (cart_gunzip(hello, sizeof(hello), &out, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal((char *)out.data, "hello, hello, hello\n");
	cart_buf_clear(&out);
	cart_buf_init(&out, 19);
	assert_int_equal(cart_gunzip(hello, sizeof(hello), &out, &err), -1);
	assert_int_equal(err.class, CART_ERR_LIMIT);
	cart_buf_clear(&out);
	cart_buf_init(&out, 1000);
	for (i = 0; i < sizeof(hello); i++)
		assert_int_equal(cart_gunzip(hello, i, &out, &err), -1);
	memcpy(copy, hello, sizeof(hello));
	memcpy(copy + sizeof(hello), hello, sizeof(hello));
	assert_int_equal(cart_gunzip(copy, sizeof(copy), &out, &err), -1);
	assert_string_equal(err.text, "gzip: bytes after the first member");
	copy[sizeof(hello) - 5] ^= 1;		/* the CRC */
	assert_int_equal(cart_gunzip(copy, sizeof(hello), &out, &err), -1);
	assert_int_equal(out.len, 0);
	cart_buf_clear(&out);
}

static int take(void *arg, const void *data, size_t len)
{
	struct cart_buf *out = arg;

	cart_buf_add(out, data, len);
	return cart_buf_ok(out) ? 0 : -1;
}

static void inflates_in_pieces(void **state)
{
	unsigned char more[sizeof(hello) + 1] = { 0 };
	struct cart_err err = { 0 };
	struct cart_inflate *z;
	struct cart_buf out;
	size_t step, i, n;

	for (step = 1; step <= sizeof(hello); step++) {
		cart_buf_init(&out, 100);
		z = cart_inflate_new(&err);
		for (i = 0; i < sizeof(hello); i += n) {
			assert_int_equal(cart_inflate_end(z, &err), -1);
			n = sizeof(hello) - i < step ? sizeof(hello) - i : step;
			assert_int_equal(cart_inflate_push(z, hello + i, n, take,
							   &out, &err), 0);
		}
		assert_int_equal(cart_inflate_end(z, &err), 0);
		assert_string_equal((char *)out.data, "hello, hello, hello\n");
		assert_int_equal(cart_inflate_push(z, "x", 1, take, &out, &err),
				 -1);
		cart_inflate_free(z);
		cart_buf_clear(&out);
	}
	memcpy(more, hello, sizeof(hello));
	cart_buf_init(&out, 19);
	z = cart_inflate_new(&err);
	assert_int_equal(cart_inflate_push(z, more, sizeof(more), take, &out,
					   &err), 1);
	cart_inflate_free(z);
	cart_buf_clear(&out);
	more[12] ^= 0x40;
	cart_buf_init(&out, 100);
	z = cart_inflate_new(&err);
	assert_int_equal(cart_inflate_push(z, more, sizeof(hello), take, &out,
					   &err), -1);
	assert_int_equal(err.class, CART_ERR_INPUT);
	cart_inflate_free(z);
	cart_buf_clear(&out);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bounds_the_window),
		cmocka_unit_test(gunzips),
		cmocka_unit_test(inflates_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
