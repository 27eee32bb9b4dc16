/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/minisign.h>
#include <crashcart/text.h>

static const char origin[] = "crashcart/2ed6657d-e927-568b-95e1-2665a8aea6a2";
static struct cart_signer *signer;
static unsigned char root[32];

static int start(void **state)
{
	struct cart_err err;

	signer = cart_signer_session(&err);
	memset(root, 0x5a, sizeof(root));
	return signer ? 0 : -1;
}

static int finish(void **state)
{
	cart_signer_free(signer);
	return 0;
}

static void signs_and_verifies(void **state)
{
	unsigned char got[32];
	struct cart_err err = { 0 };
	struct cart_buf b;
	uint64_t size = 0;

	cart_buf_init(&b, 1000);
	assert_int_equal(cart_checkpoint_sign(signer, origin, 12345, root, &b,
					      &err), 0);
	assert_memory_equal(b.data,
			    "crashcart/2ed6657d-e927-568b-95e1-2665a8aea6a2\n"
			    "12345\n"
			    "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n"
			    "\n\xe2\x80\x94 crashcart/2ed6657d", 121);
	assert_int_equal(cart_checkpoint_verify(b.data, b.len, origin,
						&signer->public_key, &size, got,
						&err), 0);
	assert_int_equal(size, 12345);
	assert_memory_equal(got, root, 32);
	assert_int_equal(cart_checkpoint_verify(b.data, b.len, "crashcart/x",
						&signer->public_key, &size, got,
						&err), -1);
	assert_int_equal(err.class, CART_ERR_INPUT);
	cart_buf_clear(&b);
}

static void any_change_shows(void **state)
{
	unsigned char got[32];
	struct cart_err err = { 0 };
	struct cart_buf b;
	uint64_t size;
	size_t i, bit;

	cart_buf_init(&b, 1000);
	assert_int_equal(cart_checkpoint_sign(signer, origin, UINT64_MAX, root,
					      &b, &err), 0);
	for (i = 0; i < b.len; i++) {
		for (bit = 0; bit < 8; bit++) {
			b.data[i] ^= (unsigned char)(1u << bit);
			if (cart_checkpoint_verify(b.data, b.len, origin,
						   &signer->public_key, &size,
						   got, &err) == 0)
				fail_msg("byte %zu bit %zu", i, bit);
			b.data[i] ^= (unsigned char)(1u << bit);
		}
		assert_int_equal(cart_checkpoint_verify(b.data, i, origin,
							&signer->public_key,
							&size, got, &err), -1);
	}
	cart_buf_addc(&b, '\n');
	assert_int_equal(cart_checkpoint_verify(b.data, b.len, origin,
						&signer->public_key, &size, got,
						&err), -1);
	cart_buf_clear(&b);
}

static void refuses_bad_origins(void **state)
{
	static const char *const bad[] = { "", "a b", "a+b", "a\nb", "\xc3\xa9" };
	struct cart_err err = { 0 };
	struct cart_buf b;
	size_t i;

	cart_buf_init(&b, 1000);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cart_checkpoint_sign(signer, bad[i], 1, root,
						      &b, &err), -1);
	assert_int_equal(b.len, 0);
	cart_buf_clear(&b);
}

static int sign_nothing(struct cart_signer *s, const void *message, size_t len,
			unsigned char ret_signature[CART_ED25519_SIGNATURE_SIZE],
			struct cart_err *err)
{
	memset(ret_signature, 0, CART_ED25519_SIGNATURE_SIZE);
	return 0;
}

/* The Go checksum database's published verifier key:
 * sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8 */
static void key_id_is_the_note_id(void **state)
{
	struct cart_signer fake = { .sign = sign_nothing };
	struct cart_err err = { 0 };
	struct cart_buf text, raw;
	const char *line;

	cart_buf_init(&raw, 100);
	assert_int_equal(cart_text_unbase64("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18"
					    "htTTAD8OuAn8", 44, &raw), 0);
	memcpy(fake.public_key.key, raw.data + 1, 32);
	cart_buf_reset(&raw);
	cart_buf_init(&text, 1000);
	assert_int_equal(cart_checkpoint_sign(&fake, "sum.golang.org", 1, root,
					      &text, &err), 0);
	line = strrchr((char *)text.data, ' ') + 1;
	assert_int_equal(cart_text_unbase64(line, strlen(line) - 1, &raw), 0);
	assert_memory_equal(raw.data, "\x03\x3d\xe0\xae", 4);
	cart_buf_clear(&text);
	cart_buf_clear(&raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_and_verifies),
		cmocka_unit_test(any_change_shows),
		cmocka_unit_test(refuses_bad_origins),
		cmocka_unit_test(key_id_is_the_note_id),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
