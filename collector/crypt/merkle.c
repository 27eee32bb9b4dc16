/* SPDX-License-Identifier: Apache-2.0 */
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

/*
 * node[i] is the root of a full tree of 2^i leaves; it counts while bit i of
 * size is set.  Adding a leaf carries like adding one to a binary number.
 */
void cart_merkle_add(struct cart_merkle *m, const void *leaf, size_t len)
{
	static const unsigned char zero = 0;
	unsigned char hash[CART_SHA256_SIZE];
	struct cart_sha256 c;
	unsigned i;

	cart_sha256_init(&c);
	cart_sha256_update(&c, &zero, 1);
	cart_sha256_update(&c, leaf, len);
	cart_sha256_final(&c, hash);
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
