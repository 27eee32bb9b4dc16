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

/* The hash of one leaf. */
void cart_merkle_leaf(const void *leaf, size_t len,
		      unsigned char out[CART_SHA256_SIZE]);

#define CART_MERKLE_PATH_MAX 64

/* RFC 6962 section 2.1.1: the audit path of leaf index (from 0) among n leaf
 * hashes, from the leaf's sibling to the root's child.  Returns its length. */
size_t cart_merkle_path(const unsigned char (*leaves)[CART_SHA256_SIZE],
			uint64_t n, uint64_t index,
			unsigned char path[CART_MERKLE_PATH_MAX][CART_SHA256_SIZE]);
/* The root that a leaf hash and its path give in a tree of n leaves.  0, or
 * -1 when the path has not the length that index and n demand. */
int cart_merkle_path_root(const unsigned char leaf[CART_SHA256_SIZE],
			  uint64_t n, uint64_t index,
			  const unsigned char (*path)[CART_SHA256_SIZE],
			  size_t path_len, unsigned char out[CART_SHA256_SIZE]);

#endif
