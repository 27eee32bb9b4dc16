/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/merkle.h>
#include <crashcart/text.h>

/* The leaves and roots that Certificate Transparency's own tests use. */
static void known_roots(void **state)
{
	static const struct {
		const char *leaf;
		size_t len;
		const char *root;	/* after this leaf */
	} t[] = {
		{ "", 0, "6e340b9cffb37a989ca544e6bb780a2c"
			 "78901d3fb33738768511a30617afa01d" },
		{ "\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9d"
			     "baf70ad9e621f4bd8d98662f00e3c125" },
		{ "\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264"
			     "db0fa9b51af5e0ba159158f329e06e77" },
		{ "\x20\x21", 2, "d37ee418976dd95753c1c73862b9398f"
				 "a2a2cf9b4ff0fdfe8b30cd95209614b7" },
		{ "\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3"
				 "bca12c9aefca1612bfce4c13a86264d4" },
		{ "\x40\x41\x42\x43", 4, "76e67dadbcdf1e10e1b74ddc608abd2f"
					 "98dfb16fbce75277b5232a127f2087ef" },
		{ "\x50\x51\x52\x53\x54\x55\x56\x57", 8,
		  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
		{ "\x60\x61\x62\x63\x64\x65\x66\x67"
		  "\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
		  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
	};
	struct cart_merkle m;
	unsigned char root[32];
	char hex[65];
	size_t i;

	cart_merkle_init(&m);
	cart_merkle_root(&m, root);
	cart_text_hex(root, 32, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
				 "27ae41e4649b934ca495991b7852b855");
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cart_merkle_add(&m, t[i].leaf, t[i].len);
		cart_merkle_root(&m, root);
		cart_text_hex(root, 32, hex);
		assert_string_equal(hex, t[i].root);
		assert_int_equal(m.size, i + 1);
	}
}

/* The definition of RFC 6962, section 2.1, written down as it stands. */
static void defined(const unsigned char *leaves, size_t n, unsigned char out[32])
{
	unsigned char node[65];
	size_t k = 1;

	if (n == 1) {
		node[0] = 0;
		node[1] = leaves[0];
		cart_sha256(node, 2, out);
		return;
	}
	while (k * 2 < n)
		k *= 2;
	node[0] = 1;
	defined(leaves, k, node + 1);
	defined(leaves + k, n - k, node + 33);
	cart_sha256(node, 65, out);
}

static void agrees_with_definition(void **state)
{
	unsigned char leaves[200], want[32], got[32];
	struct cart_merkle m;
	size_t i;

	cart_merkle_init(&m);
	for (i = 0; i < sizeof(leaves); i++) {
		leaves[i] = (unsigned char)(i * 31);
		cart_merkle_add(&m, leaves + i, 1);
		cart_merkle_root(&m, got);
		defined(leaves, i + 1, want);
		assert_memory_equal(got, want, 32);
	}
}

/* Every path of every tree of up to 70 leaves leads to the root, and to no
 * other when it, the index or the size is another. */
static void paths_lead_to_the_root(void **state)
{
	unsigned char leaves[70][CART_SHA256_SIZE], want[32], got[32];
	unsigned char path[CART_MERKLE_PATH_MAX][CART_SHA256_SIZE];
	struct cart_merkle m;
	uint64_t n, i;
	size_t len;

	cart_merkle_init(&m);
	for (n = 1; n <= 70; n++) {
		unsigned char leaf = (unsigned char)(n * 7);

		cart_merkle_leaf(&leaf, 1, leaves[n - 1]);
		cart_merkle_add(&m, &leaf, 1);
		cart_merkle_root(&m, want);
		for (i = 0; i < n; i++) {
			len = cart_merkle_path(leaves, n, i, path);
			assert_int_equal(cart_merkle_path_root(leaves[i], n, i,
					 path, len, got), 0);
			assert_memory_equal(got, want, 32);
			assert_int_equal(cart_merkle_path_root(leaves[i], n, n,
					 path, len, got), -1);
			assert_int_equal(cart_merkle_path_root(leaves[i], n, i,
					 path, len + 1, got), -1);
			if (len == 0)
				continue;
			path[len - 1][0] ^= 1;
			assert_int_equal(cart_merkle_path_root(leaves[i], n, i,
					 path, len, got), 0);
			assert_memory_not_equal(got, want, 32);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_roots),
		cmocka_unit_test(agrees_with_definition),
		cmocka_unit_test(paths_lead_to_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
