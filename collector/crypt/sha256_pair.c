/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sha256_pair.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

#define TARGET __attribute__((target("sha,sse4.1")))

static const uint32_t k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

bool cart_sha256_pairs(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) ||
	    !(c & bit_SSSE3))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);
}

/* The instructions want A B E F and C D G H. */
struct half {
	__m128i abef, cdgh;
};

TARGET static inline struct half load(const uint32_t h[8])
{
	__m128i cdab = _mm_shuffle_epi32(
		_mm_loadu_si128((const void *)h), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(
		_mm_loadu_si128((const void *)(h + 4)), 0x1b);

	return (struct half){ _mm_alignr_epi8(cdab, efgh, 8),
			      _mm_blend_epi16(efgh, cdab, 0xf0) };
}

TARGET static inline void store(struct half s, uint32_t h[8])
{
	__m128i feba = _mm_shuffle_epi32(s.abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(s.cdgh, 0xb1);

	_mm_storeu_si128((void *)h, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((void *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* The next four words of the schedule in place of the oldest. */
TARGET static inline __m128i next(const __m128i w[4], int i)
{
	__m128i t = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);

	t = _mm_add_epi32(t, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3],
					     4));
	return _mm_sha256msg2_epu32(t, w[(i + 3) & 3]);
}

TARGET static inline __m128i word(const unsigned char *p)
{
	return _mm_shuffle_epi8(_mm_loadu_si128((const void *)p),
				_mm_set_epi64x(0x0c0d0e0f08090a0b,
					       0x0405060700010203));
}

TARGET static inline void rounds(struct half *s, __m128i w, int i)
{
	__m128i m = _mm_add_epi32(w, _mm_loadu_si128((const void *)(k + 4 * i)));

	s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, m);
	s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh,
					_mm_shuffle_epi32(m, 0x0e));
}

#define FOUR(i) \
	do { \
		w[i & 3] = (i) < 4 ? word(p + 16 * (i)) : next(w, i); \
		rounds(&s, w[i & 3], i); \
		if (two) { \
			v[i & 3] = (i) < 4 ? word(q + 16 * (i)) : next(v, i); \
			rounds(&t, v[i & 3], i); \
		} \
	} while (0)

/* n blocks of p into a, and if two, of q into b. */
TARGET static inline __attribute__((always_inline))
void blocks(uint32_t a[8], const unsigned char *p, uint32_t b[8],
	    const unsigned char *q, size_t n, bool two)
{
	struct half s = load(a), t = load(two ? b : a), s0, t0;
	__m128i w[4], v[4];

	for (; n > 0; n--) {
		s0 = s;
		t0 = t;
		FOUR(0); FOUR(1); FOUR(2); FOUR(3);
		FOUR(4); FOUR(5); FOUR(6); FOUR(7);
		FOUR(8); FOUR(9); FOUR(10); FOUR(11);
		FOUR(12); FOUR(13); FOUR(14); FOUR(15);
		s.abef = _mm_add_epi32(s.abef, s0.abef);
		s.cdgh = _mm_add_epi32(s.cdgh, s0.cdgh);
		p += 64;
		if (two) {
			t.abef = _mm_add_epi32(t.abef, t0.abef);
			t.cdgh = _mm_add_epi32(t.cdgh, t0.cdgh);
			q += 64;
		}
	}
	store(s, a);
	if (two)
		store(t, b);
}

TARGET static void one(uint32_t a[8], const unsigned char *p, size_t n)
{
	blocks(a, p, NULL, NULL, n, false);
}

TARGET static void both(uint32_t a[8], const unsigned char *p, uint32_t b[8],
			const unsigned char *q, size_t n)
{
	blocks(a, p, b, q, n, true);
}

#else

bool cart_sha256_pairs(void)
{
	return false;
}

static void one(uint32_t a[8], const unsigned char *p, size_t n)
{
	(void)a;
	(void)p;
	(void)n;
}

static void both(uint32_t a[8], const unsigned char *p, uint32_t b[8],
		 const unsigned char *q, size_t n)
{
	one(a, p, n);
	one(b, q, n);
}

#endif

void cart_sha256_lane_init(struct cart_sha256_lane *c)
{
	static const uint32_t h[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
	};

	memcpy(c->h, h, sizeof(h));
	c->bytes = 0;
}

/* Completes the block that is held back: how many bytes that took. */
static size_t fill(struct cart_sha256_lane *c, const unsigned char *p,
		   size_t len)
{
	size_t have = c->bytes % 64, n = 64 - have;

	if (have == 0)
		return 0;
	if (n > len)
		n = len;
	memcpy(c->held + have, p, n);
	c->bytes += n;
	if (have + n == 64)
		one(c->h, c->held, 1);
	return n;
}

void cart_sha256_lane_update(struct cart_sha256_lane *c, const void *data,
			     size_t len)
{
	const unsigned char *p = data;
	size_t n = fill(c, p, len);

	p += n;
	len -= n;
	if (len >= 64)
		one(c->h, p, len / 64);
	/* if any is left, nothing is held by now */
	memcpy(c->held, p + len / 64 * 64, len ? len % 64 : 0);
	c->bytes += len;
}

void cart_sha256_lane_both(struct cart_sha256_lane *a,
			   struct cart_sha256_lane *b, const void *data,
			   size_t len)
{
	const unsigned char *p = data;
	size_t i = fill(a, p, len), j = fill(b, p, len);
	size_t n = (len - (i > j ? i : j)) / 64;

	if (n > 0) {
		both(a->h, p + i, b->h, p + j, n);
		a->bytes += n * 64;
		b->bytes += n * 64;
		i += n * 64;
		j += n * 64;
	}
	cart_sha256_lane_update(a, p + i, len - i);
	cart_sha256_lane_update(b, p + j, len - j);
}

static void big_endian(uint64_t v, unsigned char *out, size_t n)
{
	while (n-- > 0) {
		out[n] = (unsigned char)v;
		v >>= 8;
	}
}

void cart_sha256_lane_final(struct cart_sha256_lane *c, unsigned char out[32])
{
	unsigned char pad[128] = { 0x80 };
	size_t have = c->bytes % 64, n = (have < 56 ? 56 : 120) - have, i;

	big_endian(c->bytes * 8, pad + n, 8);
	cart_sha256_lane_update(c, pad, n + 8);
	for (i = 0; i < 8; i++)
		big_endian(c->h[i], out + 4 * i, 4);
}
