/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/digest.h>
#include <crashcart/text.h>

/* FIPS 180-4 examples, and the million times 'a'. */
static void sha256_known(void **state)
{
	static const char *const t[][2] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb924"
		      "27ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223"
			 "b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039"
		  "a33ce45964ff2167f6ecedd419db06c1" },
	};
	char hex[CART_SHA256_HEX_SIZE], *million = malloc(1000000);
	size_t i;

	for (i = 0; i < 3; i++) {
		cart_sha256_hex(t[i][0], strlen(t[i][0]), hex);
		assert_string_equal(hex, t[i][1]);
	}
	assert_non_null(million);
	memset(million, 'a', 1000000);
	cart_sha256_hex(million, 1000000, hex);
	assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67"
				 "f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

/* All ways to cut a message give the same digest, across the sizes at which
 * the code changes from held bytes to a library. */
static void sha256_in_pieces(void **state)
{
	static const size_t sizes[] = { 0, 1, 63, 64, 65, 255, 256, 257, 511,
					512, 513, 1000, 5000 };
	unsigned char data[5000], want[32], got[32];
	struct cart_sha256 c = { 0 };	/* zero bytes are initialised */
	size_t i, at, step, n;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		cart_sha256(data, sizes[i], want);
		for (step = 1; step < 600; step += step < 70 ? 1 : 61) {
			for (at = 0; at < sizes[i]; at += n) {
				n = sizes[i] - at < step ? sizes[i] - at : step;
				cart_sha256_update(&c, data + at, n);
				cart_sha256_update(&c, NULL, 0);
			}
			cart_sha256_final(&c, got);
			assert_memory_equal(want, got, 32);
		}
	}
	cart_sha256_init(&c);
	cart_sha256_update(&c, data, 5000);
	cart_sha256_clear(&c);
	cart_sha256_clear(&c);
	cart_sha256_update(&c, "abc", 3);
	cart_sha256_final(&c, got);
	cart_sha256("abc", 3, want);
	assert_memory_equal(want, got, 32);
}

/* Two at once, of which one is ahead, cut in all ways: as each by itself. */
static void sha256_in_pairs(void **state)
{
	static const size_t ahead[] = { 0, 1, 63, 64, 65, 512 };
	unsigned char data[3000], want[32], got[32];
	struct cart_sha256 a, b;
	size_t i, at, step, n;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	for (i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		for (step = 1; step < 700; step += step < 200 ? 1 : 61) {
			cart_sha256_init_pair(&a);
			if (step % 5)
				cart_sha256_init_pair(&b);
			else
				cart_sha256_init(&b);
			cart_sha256_update(&a, data, ahead[i]);
			for (at = ahead[i]; at < sizeof(data); at += n) {
				n = sizeof(data) - at < step ?
					sizeof(data) - at : step;
				cart_sha256_update_both(&a, &b, data + at, n);
				cart_sha256_update_both(&a, &b, NULL, 0);
			}
			cart_sha256_final(&a, got);
			cart_sha256(data, sizeof(data), want);
			assert_memory_equal(want, got, 32);
			cart_sha256_final(&b, got);
			cart_sha256(data + ahead[i], sizeof(data) - ahead[i],
				    want);
			assert_memory_equal(want, got, 32);
		}
	}
	/* FIPS 180-4's message of two blocks, and none */
	cart_sha256_init_pair(&a);
	cart_sha256_init_pair(&b);
	cart_sha256_update(&a, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmno"
			   "mnopnopq", 56);
	cart_sha256_final(&a, got);
	assert_memory_equal(got, "\x24\x8d\x6a\x61\xd2\x06\x38\xb8\xe5\xc0"
			    "\x26\x93\x0c\x3e\x60\x39\xa3\x3c\xe4\x59\x64"
			    "\xff\x21\x67\xf6\xec\xed\xd4\x19\xdb\x06\xc1",
			    32);
	cart_sha256_final(&b, got);
	cart_sha256("", 0, want);
	assert_memory_equal(want, got, 32);
}

/* RFC 4231 test cases 1, 2, 6. */
static void hmac_known(void **state)
{
	unsigned char key[131], out[32];
	char hex[65];

	memset(key, 0x0b, 20);
	cart_hmac_sha256(key, 20, "Hi There", 8, out);
	cart_text_hex(out, 32, hex);
	assert_string_equal(hex, "b0344c61d8db38535ca8afceaf0bf12b"
				 "881dc200c9833da726e9376c2e32cff7");
	cart_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	cart_text_hex(out, 32, hex);
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c7"
				 "5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, 131);
	cart_hmac_sha256(key, 131, "Test Using Larger Than Block-Size Key - "
				   "Hash Key First", 54, out);
	cart_text_hex(out, 32, hex);
	assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f"
				 "8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 7693 appendix A. */
static void blake2b_known(void **state)
{
	struct cart_blake2b c;
	unsigned char out[64];
	char hex[129];

	cart_blake2b_init(&c);
	cart_blake2b_update(&c, "a", 1);
	cart_blake2b_update(&c, "bc", 2);
	cart_blake2b_final(&c, out);
	cart_text_hex(out, 64, hex);
	assert_string_equal(hex,
			    "ba80a53f981c4d0d6a2797b69f12f6e9"
			    "4c212f14685ac4b74b12bb6fdbffa2d1"
			    "7d87c5392aab792dc252d5de4533cc95"
			    "18d38aa8dbf1925ab92386edd4009923");
}

static void old_digests_known(void **state)
{
	unsigned char out[20];
	char hex[41];

	assert_int_equal(cart_md5("abc", 3, out), 0);
	cart_text_hex(out, 16, hex);
	assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
	assert_int_equal(cart_sha1("abc", 3, out), 0);
	cart_text_hex(out, 20, hex);
	assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

static void uuids(void **state)
{
	char a[CART_UUID_SIZE], b[CART_UUID_SIZE];
	int i;

	/* RFC 9562 appendix A.4 */
	assert_int_equal(cart_uuid_v5("6ba7b810-9dad-11d1-80b4-00c04fd430c8",
				      "www.example.com", a), 0);
	assert_string_equal(a, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	assert_int_equal(cart_uuid_v5("6BA7B810-9dad-11d1-80b4-00c04fd430c8",
				      "x", a), -1);
	assert_int_equal(cart_uuid_v5("6ba7b8109dad-11d1-80b4-00c04fd430c8",
				      "x", a), -1);
	assert_int_equal(cart_uuid_v5("6ba7b810-9dad-11d1-80b4-00c04fd430c",
				      "x", a), -1);
	assert_int_equal(cart_uuid_v5("", "x", a), -1);
	for (i = 0; i < 100; i++) {
		cart_uuid_v4(a);
		cart_uuid_v4(b);
		assert_string_not_equal(a, b);
		assert_int_equal(strlen(a), 36);
		assert_int_equal(a[14], '4');
		assert_non_null(strchr("89ab", a[19]));
	}
}

static void randomness(void **state)
{
	unsigned char a[1000] = { 0 }, b[1000] = { 0 };
	size_t i, zeros = 0;

	cart_random(a, sizeof(a));
	cart_random(b, sizeof(b));
	cart_random(NULL, 0);
	assert_memory_not_equal(a, b, sizeof(a));
	for (i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0;
	assert_true(zeros < 40);
	assert_memory_not_equal(a + 900, b + 900, 100);
}

static void memory(void **state)
{
	char a[4] = "abc", b[4] = "abd";

	assert_int_equal(cart_memcmp_ct(a, b, 2), 0);
	assert_int_not_equal(cart_memcmp_ct(a, b, 3), 0);
	cart_wipe(a, 4);
	assert_memory_equal(a, "\0\0\0\0", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_known),
		cmocka_unit_test(sha256_in_pieces),
		cmocka_unit_test(sha256_in_pairs),
		cmocka_unit_test(hmac_known),
		cmocka_unit_test(blake2b_known),
		cmocka_unit_test(old_digests_known),
		cmocka_unit_test(uuids),
		cmocka_unit_test(randomness),
		cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
