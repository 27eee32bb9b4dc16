/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include <crashcart/merkle.h>

void cart_merkle_init(struct cart_merkle *m)
{
	memset(m, 0, sizeof(*m));
}

/* out may be one of the inputs. */
static void join(const unsigned char *left, const unsigned char *right,
		 unsigned char out[CART_SHA256_SIZE])
{
	unsigned char node[1 + 2 * CART_SHA256_SIZE];

	node[0] = 1;
	memcpy(node + 1, left, CART_SHA256_SIZE);
	memcpy(node + 1 + CART_SHA256_SIZE, right, CART_SHA256_SIZE);
	cart_sha256(node, sizeof(node), out);
}

void cart_merkle_leaf(const void *leaf, size_t len,
		      unsigned char out[CART_SHA256_SIZE])
{
	static const unsigned char zero = 0;
	struct cart_sha256 c;

	cart_sha256_init(&c);
	cart_sha256_update(&c, &zero, 1);
	cart_sha256_update(&c, leaf, len);
	cart_sha256_final(&c, out);
}

/*
 * node[i] is the root of a full tree of 2^i leaves; it counts while bit i of
 * size is set.  Adding a leaf carries like adding one to a binary number.
 */
void cart_merkle_add(struct cart_merkle *m, const void *leaf, size_t len)
{
	unsigned char hash[CART_SHA256_SIZE];
	unsigned i;

	cart_merkle_leaf(leaf, len, hash);
	for (i = 0; i < 63 && (m->size >> i & 1); i++)
		join(m->node[i], hash, hash);
	memcpy(m->node[i], hash, sizeof(hash));
	m->size++;
}

void cart_merkle_root(const struct cart_merkle *m,
		      unsigned char out[CART_SHA256_SIZE])
{
	int have = 0;
	unsigned i;

	if (m->size == 0) {
		cart_sha256("", 0, out);
		return;
	}
	for (i = 0; i < 64; i++) {
		if (!(m->size >> i & 1))
			continue;
		if (have)
			join(m->node[i], out, out);
		else
			memcpy(out, m->node[i], CART_SHA256_SIZE);
		have = 1;
	}
}

/* The root of n leaf hashes that stand one after another. */
static void range_root(const unsigned char (*leaves)[CART_SHA256_SIZE],
		       uint64_t n, unsigned char out[CART_SHA256_SIZE])
{
	unsigned char node[64][CART_SHA256_SIZE];
	int have = 0;
	uint64_t k;
	unsigned i;

	for (k = 0; k < n; k++) {
		memcpy(out, leaves[k], CART_SHA256_SIZE);
		for (i = 0; i < 63 && (k >> i & 1); i++)
			join(node[i], out, out);
		memcpy(node[i], out, CART_SHA256_SIZE);
	}
	for (i = 0; i < 64; i++) {
		if (!(n >> i & 1))
			continue;
		if (have)
			join(node[i], out, out);
		else
			memcpy(out, node[i], CART_SHA256_SIZE);
		have = 1;
	}
}

/* The largest power of two below n (n > 1). */
static uint64_t split_at(uint64_t n)
{
	uint64_t k = 1;

	while (k < n - k)
		k *= 2;
	return k;
}

size_t cart_merkle_path(const unsigned char (*leaves)[CART_SHA256_SIZE],
			uint64_t n, uint64_t index,
			unsigned char path[CART_MERKLE_PATH_MAX][CART_SHA256_SIZE])
{
	unsigned char down[CART_MERKLE_PATH_MAX][CART_SHA256_SIZE];
	size_t len = 0, i;
	uint64_t k;

	while (n > 1 && len < CART_MERKLE_PATH_MAX) {
		k = split_at(n);
		if (index < k) {
			range_root(leaves + k, n - k, down[len++]);
			n = k;
		} else {
			range_root(leaves, k, down[len++]);
			leaves += k;
			index -= k;
			n -= k;
		}
	}
	for (i = 0; i < len; i++)
		memcpy(path[i], down[len - 1 - i], CART_SHA256_SIZE);
	return len;
}

int cart_merkle_path_root(const unsigned char leaf[CART_SHA256_SIZE],
			  uint64_t n, uint64_t index,
			  const unsigned char (*path)[CART_SHA256_SIZE],
			  size_t path_len, unsigned char out[CART_SHA256_SIZE])
{
	uint64_t at = index, k;
	bool right[CART_MERKLE_PATH_MAX];
	size_t depth = 0, i;

	if (index >= n)
		return -1;
	for (; n > 1; depth++) {
		if (depth == CART_MERKLE_PATH_MAX)
			return -1;
		k = split_at(n);
		right[depth] = at >= k;
		n = at >= k ? n - k : k;
		at = at >= k ? at - k : at;
	}
	if (depth != path_len)
		return -1;
	memcpy(out, leaf, CART_SHA256_SIZE);
	for (i = 0; i < depth; i++) {
		if (right[depth - 1 - i])
			join(path[i], out, out);
		else
			join(out, path[i], out);
	}
	return 0;
}
