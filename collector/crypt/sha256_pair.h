/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPT_SHA256_PAIR_H
#define CRYPT_SHA256_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SHA-256 by the instructions of x86 processors, two digests at a time.  One
 * digest waits for its own last step all the time: a second costs nothing.
 */
struct cart_sha256_lane {
	uint32_t h[8];
	uint64_t bytes;
	unsigned char held[64];		/* the last bytes % 64 */
};

/* Has this processor the instructions?  Nothing else may be called if not. */
bool cart_sha256_pairs(void);
void cart_sha256_lane_init(struct cart_sha256_lane *c);
void cart_sha256_lane_update(struct cart_sha256_lane *c, const void *data,
			     size_t len);
/* The same bytes to both. */
void cart_sha256_lane_both(struct cart_sha256_lane *a,
			   struct cart_sha256_lane *b, const void *data,
			   size_t len);
void cart_sha256_lane_final(struct cart_sha256_lane *c, unsigned char out[32]);

#endif
