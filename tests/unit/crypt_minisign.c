/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/minisign.h>
#include <crashcart/text.h>

static unsigned char hash[CART_BLAKE2B_SIZE];

static struct cart_signer *session(void)
{
	struct cart_err err = { 0 };
	struct cart_signer *s = cart_signer_session(&err);

	if (!s)
		fail_msg("%s", err.text);
	return s;
}

static void signs_and_verifies(void **state)
{
	struct cart_signer *s = session(), *other = session();
	struct cart_minisign_sig sig;
	struct cart_public_key key;
	struct cart_err err = { 0 };
	struct cart_buf file, pub;

	assert_string_equal(s->kind, "session");
	assert_memory_not_equal(s->public_key.key, other->public_key.key, 32);
	cart_buf_init(&file, 4096);
	cart_buf_init(&pub, 4096);
	assert_int_equal(cart_minisign_sign(s, hash, "u", "t\tx \xc3\xa9", &file,
					    &err), 0);
	assert_int_equal(cart_minisign_parse_sig(file.data, file.len, &sig,
						 &err), 0);
	assert_string_equal(sig.untrusted, "u");
	assert_string_equal(sig.trusted, "t\tx \xc3\xa9");
	assert_memory_equal(sig.key_id, s->public_key.id, 8);
	cart_minisign_print_public(&s->public_key, "comment", &pub);
	assert_int_equal(cart_minisign_parse_public(pub.data, pub.len, &key,
						    &err), 0);
	assert_memory_equal(&key, &s->public_key, sizeof(key));
	assert_int_equal(cart_minisign_verify(&sig, &key, hash, &err), 0);
	assert_int_equal(cart_minisign_verify(&sig, &other->public_key, hash,
					      &err), -1);
	assert_int_equal(err.class, CART_ERR_CRYPTO);
	hash[0] ^= 1;
	assert_int_equal(cart_minisign_verify(&sig, &key, hash, &err), -1);
	hash[0] ^= 1;
	sig.trusted[0] ^= 1;
	assert_int_equal(cart_minisign_verify(&sig, &key, hash, &err), -1);
	assert_non_null(strstr(err.text, "trusted comment"));
	cart_buf_clear(&file);
	cart_buf_clear(&pub);
	cart_signer_free(s);
	cart_signer_free(other);
	cart_signer_free(NULL);
}

/* Whatever byte of a signature file changes: not the same signature. */
static void any_change_shows(void **state)
{
	struct cart_signer *s = session();
	struct cart_minisign_sig sig;
	struct cart_err err = { 0 };
	struct cart_buf file;
	size_t i, bit, prefix = strlen("untrusted comment: u");

	cart_buf_init(&file, 4096);
	assert_int_equal(cart_minisign_sign(s, hash, "u", "t", &file, &err), 0);
	for (i = 0; i < file.len; i++) {
		for (bit = 0; bit < 8; bit++) {
			file.data[i] ^= (unsigned char)(1u << bit);
			if (cart_minisign_parse_sig(file.data, file.len, &sig,
						    &err) == 0 &&
			    memcmp(sig.key_id, s->public_key.id, 8) == 0 &&
			    cart_minisign_verify(&sig, &s->public_key, hash,
						 &err) == 0 &&
			    i != prefix - 1)	/* the untrusted comment */
				fail_msg("byte %zu bit %zu", i, bit);
			file.data[i] ^= (unsigned char)(1u << bit);
		}
	}
	for (i = 0; i < file.len; i++)
		assert_int_equal(cart_minisign_parse_sig(file.data, i, &sig,
							 &err), -1);
	cart_buf_addc(&file, '\n');
	assert_int_equal(cart_minisign_parse_sig(file.data, file.len, &sig,
						 &err), -1);
	cart_buf_clear(&file);
	cart_signer_free(s);
}

/* Made by minisign 0.11 (`minisign -G -W`, `minisign -S`) over "test\n". */
#include "minisign_fixture.h"

static void reads_what_minisign_wrote(void **state)
{
	struct cart_minisign_sig sig;
	struct cart_public_key key;
	struct cart_err err = { 0 };
	struct cart_blake2b c;
	struct cart_signer *s;
	unsigned char pre[CART_BLAKE2B_SIZE];
	char id[17];

	if (cart_minisign_parse_public(fixture_public, strlen(fixture_public),
				       &key, &err) < 0)
		fail_msg("%s", err.text);
	cart_minisign_id_text(key.id, id);
	assert_non_null(strstr(fixture_public, id));
	if (cart_minisign_parse_sig(fixture_sig, strlen(fixture_sig), &sig,
				    &err) < 0)
		fail_msg("%s", err.text);
	cart_blake2b_init(&c);
	cart_blake2b_update(&c, "test\n", 5);
	cart_blake2b_final(&c, pre);
	if (cart_minisign_verify(&sig, &key, pre, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(cart_signer_needs_password(fixture_secret,
						    strlen(fixture_secret),
						    &err), 0);
	s = cart_signer_minisign(fixture_secret, strlen(fixture_secret), NULL,
				 &err);
	if (!s)
		fail_msg("%s", err.text);
	assert_string_equal(s->kind, "file");
	assert_memory_equal(&s->public_key, &key, sizeof(key));
	cart_signer_free(s);
	/* the same file in the form before prehashing is refused */
	assert_int_equal(cart_minisign_parse_sig(fixture_legacy,
						 strlen(fixture_legacy), &sig,
						 &err), -1);
	assert_non_null(strstr(err.text, "legacy"));
}

static void public_key_forms(void **state)
{
	static const char *const good[] = { "%s", "%s\n", "%s\r\n",
					    "untrusted comment: x\n%s\n",
					    "untrusted comment: x\r\n%s\r\n",
					    "untrusted comment: x\n%s" };
	static const char *const bad[] = { "", "%s\n\n", " %s", "%s ",
					   "comment: x\n%s\n",
					   "untrusted comment: x%s\n",
					   "untrusted comment: \x01\n%s\n",
					   "untrusted comment: \x01\n%s",
					   "untrusted comment: x\n%s\n%s\n" };
	struct cart_signer *s = session();
	struct cart_public_key key;
	struct cart_err err = { 0 };
	struct cart_buf bare;
	char text[300];
	const char *p;
	size_t i, n;

	cart_buf_init(&bare, 100);
	cart_minisign_print_public_bare(&s->public_key, &bare);
	assert_int_equal(bare.len, 56);
	for (i = 0; i < sizeof(good) / sizeof(good[0]) +
			sizeof(bad) / sizeof(bad[0]); i++) {
		int want = i < sizeof(good) / sizeof(good[0]) ? 0 : -1;

		p = want == 0 ? good[i] : bad[i - sizeof(good) / sizeof(good[0])];
		for (n = 0; *p; p++) {
			if (p[0] == '%' && p[1] == 's') {
				memcpy(text + n, bare.data, bare.len);
				n += bare.len;
				p++;
			} else {
				text[n++] = *p;
			}
		}
		if (cart_minisign_parse_public(text, n, &key, &err) != want)
			fail_msg("case %zu: %s", i, err.text);
	}
	cart_buf_clear(&bare);
	cart_signer_free(s);
}

/* Points of small order and points written with y >= p. */
static void refuses_weak_keys(void **state)
{
	static const char *const weak[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0200000000000000000000000000000000000000000000000000000000000000",
	};
	struct cart_public_key key = { { 1, 2, 3 }, { 0 } }, out;
	struct cart_err err = { 0 };
	struct cart_buf text;
	size_t i;

	cart_buf_init(&text, 200);
	for (i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		cart_buf_reset(&text);
		assert_int_equal(cart_text_unhex(weak[i], 64, key.key, 32), 0);
		cart_minisign_print_public_bare(&key, &text);
		if (cart_minisign_parse_public(text.data, text.len, &out,
					       &err) == 0)
			fail_msg("accepted %s", weak[i]);
		assert_non_null(strstr(err.text, "weak or malformed"));
	}
	cart_buf_clear(&text);
}

/* RFC 8032 section 7.1, tests 1 and 3. */
static void ed25519_known(void **state)
{
	static const char *const key[] = {
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
	};
	static const char *const sig[] = {
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
		"5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
		"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
	};
	static const unsigned char message[2] = { 0xaf, 0x82 };
	unsigned char k[32], g[64];
	size_t i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(cart_text_unhex(key[i], 64, k, 32), 0);
		assert_int_equal(cart_text_unhex(sig[i], 128, g, 64), 0);
		assert_int_equal(cart_ed25519_verify(k, message, 2 * i, g), 0);
		assert_int_equal(cart_ed25519_verify(k, message, 2 - 2 * i, g),
				 -1);
		g[63] ^= 0x20;
		assert_int_equal(cart_ed25519_verify(k, message, 2 * i, g), -1);
	}
}

static void generates_keys(void **state)
{
	struct cart_public_key key;
	struct cart_err err = { 0 };
	struct cart_buf secret, public;
	struct cart_signer *s;
	size_t i;

	cart_buf_init(&secret, 1000);
	cart_buf_init(&public, 1000);
	assert_int_equal(cart_minisign_keygen(NULL, &secret, &public, &err), 0);
	assert_int_equal(cart_minisign_parse_public(public.data, public.len,
						    &key, &err), 0);
	assert_int_equal(cart_signer_needs_password(secret.data, secret.len,
						    &err), 0);
	s = cart_signer_minisign(secret.data, secret.len, NULL, &err);
	assert_non_null(s);
	assert_memory_equal(&s->public_key, &key, sizeof(key));
	cart_signer_free(s);
	/* damage anywhere in the key shows */
	for (i = 60; i < secret.len - 2; i++) {
		secret.data[i] ^= 1;
		s = cart_signer_minisign(secret.data, secret.len, NULL, &err);
		/* salt and limits mean nothing without a password */
		if (s && (i < 75 || i > 128))
			fail_msg("byte %zu", i);
		cart_signer_free(s);
		secret.data[i] ^= 1;
	}
	assert_null(cart_signer_minisign("x", 1, NULL, &err));
	assert_int_equal(err.class, CART_ERR_INPUT);
	assert_int_equal(cart_signer_needs_password("", 0, &err), -1);
	cart_buf_clear(&secret);
	cart_buf_clear(&public);
}

static void generates_keys_with_password(void **state)
{
	struct cart_err err = { 0 };
	struct cart_buf secret, public;
	struct cart_signer *s;

	cart_buf_init(&secret, 1000);
	cart_buf_init(&public, 1000);
	assert_int_equal(cart_minisign_keygen("pass word", &secret, &public,
					      &err), 0);
	assert_int_equal(cart_signer_needs_password(secret.data, secret.len,
						    &err), 1);
	s = cart_signer_minisign(secret.data, secret.len, "pass word", &err);
	if (!s)
		fail_msg("%s", err.text);
	cart_signer_free(s);
	assert_null(cart_signer_minisign(secret.data, secret.len, NULL, &err));
	assert_int_equal(err.class, CART_ERR_CRYPTO);
	assert_null(cart_signer_minisign(secret.data, secret.len, "passw0rd",
					 &err));
	assert_int_equal(err.class, CART_ERR_CRYPTO);
	assert_string_equal(err.text, "wrong password for this secret key");
	cart_buf_clear(&secret);
	cart_buf_clear(&public);
}

/* The form of other tools, and of AWS KMS: DER, base64 of it, PEM. */
static void reads_spki(void **state)
{
	static const char good[] =
		"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
	static const char *const bad[] = {
		"", "MCowBQYDK2VwAyEA",
		/* X25519, a weak point, another base64 */
		"MCowBQYDK2VuAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
		"MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURp=",
		"-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n",
	};
	struct cart_public_key key;
	struct cart_err err = { 0 };
	unsigned char der[45];
	struct cart_buf b;
	char pem[200];
	size_t i;

	assert_int_equal(cart_minisign_parse_spki(good, 60, &key, &err), 0);
	assert_int_equal(key.key[0], 0xd7);
	snprintf(pem, sizeof(pem), "-----BEGIN PUBLIC KEY-----\r\n%s\r\n"
		 "-----END PUBLIC KEY-----\r\n", good);
	assert_int_equal(cart_minisign_parse_spki(pem, strlen(pem), &key, &err),
			 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cart_minisign_parse_spki(bad[i], strlen(bad[i]), &key,
					     &err) == 0)
			fail_msg("accepted %s", bad[i]);
	cart_buf_init_fixed(&b, der, sizeof(der));
	assert_int_equal(cart_text_unbase64(good, 60, &b), 0);
	assert_int_equal(cart_minisign_parse_spki(der, 44, &key, &err), 0);
	assert_int_equal(cart_minisign_parse_spki(der, 43, &key, &err), -1);
	der[0] ^= 1;
	assert_int_equal(cart_minisign_parse_spki(der, 44, &key, &err), -1);
}

static void refuses_bad_comments(void **state)
{
	struct cart_signer *s = session();
	struct cart_err err = { 0 };
	struct cart_buf file;
	char comment[1002];

	cart_buf_init(&file, 8192);
	memset(comment, 'c', 1001);
	comment[1001] = '\0';
	assert_int_equal(cart_minisign_sign(s, hash, "u", comment, &file, &err),
			 -1);
	assert_int_equal(cart_minisign_sign(s, hash, "u", "a\nb", &file, &err),
			 -1);
	assert_int_equal(cart_minisign_sign(s, hash, "\xff", "t", &file, &err),
			 -1);
	assert_int_equal(file.len, 0);
	comment[1000] = '\0';
	assert_int_equal(cart_minisign_sign(s, hash, comment, comment, &file,
					    &err), 0);
	{
		struct cart_minisign_sig sig;

		assert_int_equal(cart_minisign_parse_sig(file.data, file.len,
							 &sig, &err), 0);
		assert_int_equal(cart_minisign_verify(&sig, &s->public_key,
						      hash, &err), 0);
	}
	cart_buf_clear(&file);
	cart_signer_free(s);
}

static void signer_keeps_its_limit(void **state)
{
	struct cart_signer *s = session();
	unsigned char sig[64], message[CART_SIGNER_MESSAGE_MAX + 1] = { 0 };
	struct cart_err err = { 0 };

	assert_int_equal(s->sign(s, message, sizeof(message) - 1, sig, &err), 0);
	assert_int_equal(cart_ed25519_verify(s->public_key.key, message,
					     sizeof(message) - 1, sig), 0);
	assert_int_equal(s->sign(s, message, sizeof(message), sig, &err), -1);
	cart_signer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_and_verifies),
		cmocka_unit_test(any_change_shows),
		cmocka_unit_test(reads_what_minisign_wrote),
		cmocka_unit_test(public_key_forms),
		cmocka_unit_test(refuses_weak_keys),
		cmocka_unit_test(reads_spki),
		cmocka_unit_test(ed25519_known),
		cmocka_unit_test(generates_keys),
		cmocka_unit_test(generates_keys_with_password),
		cmocka_unit_test(refuses_bad_comments),
		cmocka_unit_test(signer_keeps_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
