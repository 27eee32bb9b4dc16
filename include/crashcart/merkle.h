/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_MERKLE_H
#define CRASHCART_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include <crashcart/digest.h>

/* RFC 6962 section 2.1 with SHA-256: leaf = H(0x00 || bytes), node =
 * H(0x01 || left || right).  Holds only the frontier: 64 hashes. */
struct cart_merkle {
	uint64_t size;			/* leaves added */
	unsigned char node[64][CART_SHA256_SIZE];
};

void cart_merkle_init(struct cart_merkle *m);
void cart_merkle_add(struct cart_merkle *m, const void *leaf, size_t len);
/* Root of the tree so far; of no leaves: H(""). */
void cart_merkle_root(const struct cart_merkle *m,
		      unsigned char out[CART_SHA256_SIZE]);

#endif
