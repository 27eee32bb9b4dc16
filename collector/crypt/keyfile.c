/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <crashcart/minisign.h>
#include <crashcart/text.h>

#include "crypt.h"
#include "key.h"

/*
 * minisign's secret key file: a comment line and the base64 of
 *   "Ed", KDF ("Sc" or two zero bytes), "B2", salt 32, opslimit and memlimit
 *   (64-bit, little end first), then key id 8, secret key 64, checksum 32,
 *   these 104 bytes XORed with the KDF's output.
 * The checksum is BLAKE2b-256 of "Ed", key id and secret key; `minisign -G -W`
 * leaves it zero.
 */
enum {
	AT_KDF = 2,
	AT_CHECK_ALG = 4,
	AT_SALT = 6,
	AT_OPS = 38,
	AT_MEM = 46,
	AT_KEY = 54,
	FILE_SIZE = 158,
	HIDDEN_SIZE = FILE_SIZE - AT_KEY
};

#define SALT_SIZE 32
/* minisign's own limits; a file that asks for more is not one of its. */
#define OPS_MAX (UINT64_C(1) << 25)
#define MEM_MAX (UINT64_C(1) << 30)
/* Ours: as much work as minisign's, in memory that every host has. */
#define OPS_OURS (UINT64_C(1) << 25)
#define MEM_OURS (UINT64_C(64) << 20)

static const char comment_prefix[] = "untrusted comment: ";

static uint64_t get_le64(const unsigned char *p)
{
	uint64_t v = 0;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void put_le64(unsigned char *p, uint64_t v)
{
	int i;

	for (i = 0; i < 8; i++, v >>= 8)
		p[i] = (unsigned char)v;
}

static int not_a_key(struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_INPUT, 0,
			    "not a minisign secret key file");
}

/* Reads the two lines.  raw gets FILE_SIZE bytes. */
static int read_file(const char *text, size_t len,
		     unsigned char raw[FILE_SIZE], struct cart_err *err)
{
	const size_t prefix = sizeof(comment_prefix) - 1;
	unsigned char bytes[FILE_SIZE + 1];
	struct cart_buf b;
	const char *line;
	int rc = -1;

	if (len < prefix || memcmp(text, comment_prefix, prefix) != 0)
		return not_a_key(err);
	line = memchr(text, '\n', len);
	if (!line)
		return not_a_key(err);
	line++;
	len -= (size_t)(line - text);
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	cart_buf_init_fixed(&b, bytes, sizeof(bytes));
	if (cart_text_unbase64(line, len, &b) == 0 && b.len == FILE_SIZE) {
		memcpy(raw, bytes, FILE_SIZE);
		rc = 0;
	}
	sodium_memzero(bytes, sizeof(bytes));
	if (rc < 0)
		return not_a_key(err);
	if (memcmp(raw, "Ed", 2) != 0 || memcmp(raw + AT_CHECK_ALG, "B2", 2) != 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "minisign secret key: unknown algorithm");
	return 0;
}

/* 1: scrypt, 0: no password, -1. */
static int kdf_of(const unsigned char raw[FILE_SIZE], struct cart_err *err)
{
	if (memcmp(raw + AT_KDF, "Sc", 2) == 0)
		return 1;
	if (memcmp(raw + AT_KDF, "\0\0", 2) == 0)
		return 0;
	return cart_err_set(err, CART_ERR_INPUT, 0,
			    "minisign secret key: unknown password scheme");
}

/* XORs the hidden part with the scrypt stream. */
static int hide(unsigned char hidden[HIDDEN_SIZE], const char *password,
		const unsigned char raw[FILE_SIZE], struct cart_err *err)
{
	uint64_t ops = get_le64(raw + AT_OPS), mem = get_le64(raw + AT_MEM);
	unsigned char *stream;
	int rc = -1;
	size_t i;

	if (ops > OPS_MAX || mem > MEM_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "minisign secret key: its password scheme "
				    "asks for more work than minisign's");
	stream = sodium_malloc(HIDDEN_SIZE);
	if (!stream)
		return cart_err_nomem(err);
	if (crypto_pwhash_scryptsalsa208sha256(stream, HIDDEN_SIZE, password,
					       strlen(password), raw + AT_SALT,
					       ops, (size_t)mem) != 0) {
		cart_err_set(err, CART_ERR_MEMORY, 0,
			     "the password scheme of this key needs %llu MiB "
			     "of memory", (unsigned long long)(mem >> 20));
		goto out;
	}
	for (i = 0; i < HIDDEN_SIZE; i++)
		hidden[i] ^= stream[i];
	rc = 0;
out:
	sodium_free(stream);
	return rc;
}

static void checksum(const struct cart_key *key,
		     unsigned char out[CART_KEY_CHECK_SIZE])
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, CART_KEY_CHECK_SIZE);
	crypto_generichash_update(&st, (const unsigned char *)"Ed", 2);
	crypto_generichash_update(&st, key->id, sizeof(key->id));
	crypto_generichash_update(&st, key->secret, sizeof(key->secret));
	crypto_generichash_final(&st, out, CART_KEY_CHECK_SIZE);
	sodium_memzero(&st, sizeof(st));
}

static void spread(struct cart_key *key)
{
	const unsigned char *p = key->scratch;

	memcpy(key->id, p, sizeof(key->id));
	memcpy(key->secret, p + sizeof(key->id), sizeof(key->secret));
	memcpy(key->check, p + sizeof(key->id) + sizeof(key->secret),
	       sizeof(key->check));
}

/* Does the public half belong to the secret one?  Signing with a pair that
 * does not match would give the secret away. */
static bool pair_holds(struct cart_key *key)
{
	unsigned char public[CART_ED25519_PUBLIC_SIZE];
	unsigned char *pair = key->scratch;

	crypto_sign_ed25519_seed_keypair(public, pair, key->secret);
	return sodium_memcmp(pair, key->secret, sizeof(key->secret)) == 0;
}

int cart_signer_needs_password(const void *data, size_t len,
			       struct cart_err *err)
{
	unsigned char raw[FILE_SIZE];
	int rc;

	if (read_file(data, len, raw, err) < 0)
		return -1;
	rc = kdf_of(raw, err);
	sodium_memzero(raw, sizeof(raw));
	return rc;
}

struct cart_signer *cart_signer_minisign(const void *data, size_t len,
					 const char *password,
					 struct cart_err *err)
{
	unsigned char raw[FILE_SIZE], check[CART_KEY_CHECK_SIZE];
	struct cart_signer *s = NULL;
	struct cart_key *key;
	int kdf;

	key = cart_key_new(err);
	if (!key)
		return NULL;
	if (read_file(data, len, raw, err) < 0)
		goto out;
	kdf = kdf_of(raw, err);
	if (kdf < 0)
		goto out;
	if (kdf == 1 && !password) {
		cart_err_set(err, CART_ERR_CRYPTO, 0,
			     "this secret key wants a password");
		goto out;
	}
	memcpy(key->scratch, raw + AT_KEY, HIDDEN_SIZE);
	if (kdf == 1 && hide(key->scratch, password, raw, err) < 0)
		goto out;
	spread(key);
	checksum(key, check);
	/* minisign leaves the checksum zero where there is no password */
	if ((sodium_memcmp(check, key->check, sizeof(check)) != 0 &&
	     !(kdf == 0 && sodium_is_zero(key->check, sizeof(key->check)))) ||
	    !pair_holds(key)) {
		cart_err_set(err, CART_ERR_CRYPTO, 0, kdf == 1 ?
			     "wrong password for this secret key" :
			     "this secret key is damaged");
		goto out;
	}
	s = cart_key_signer("file", key, err);
out:
	sodium_memzero(raw, sizeof(raw));
	cart_key_free(key);
	return s;
}

int cart_minisign_keygen(const char *password, struct cart_buf *ret_secret,
			 struct cart_buf *ret_public, struct cart_err *err)
{
	unsigned char raw[FILE_SIZE] = { 0 };
	struct cart_public_key public;
	struct cart_key *key;
	char id[17], comment[64];
	int rc = -1;

	key = cart_key_new(err);
	if (!key)
		return -1;
	cart_key_generate(key);
	checksum(key, key->check);
	memcpy(raw, "Ed", 2);
	memcpy(raw + AT_CHECK_ALG, "B2", 2);
	memcpy(raw + AT_KEY, key->id, sizeof(key->id));
	memcpy(raw + AT_KEY + 8, key->secret, sizeof(key->secret));
	memcpy(raw + AT_KEY + 72, key->check, sizeof(key->check));
	if (password) {
		memcpy(raw + AT_KDF, "Sc", 2);
		cart_random(raw + AT_SALT, SALT_SIZE);
		put_le64(raw + AT_OPS, OPS_OURS);
		put_le64(raw + AT_MEM, MEM_OURS);
		if (hide(raw + AT_KEY, password, raw, err) < 0)
			goto out;
	}
	cart_buf_adds(ret_secret, comment_prefix);
	cart_buf_adds(ret_secret, password ? "minisign encrypted secret key\n"
					   : "minisign secret key\n");
	cart_text_base64(raw, sizeof(raw), ret_secret);
	cart_buf_addc(ret_secret, '\n');
	memcpy(public.id, key->id, sizeof(public.id));
	memcpy(public.key, key->secret + 32, sizeof(public.key));
	cart_minisign_id_text(public.id, id);
	snprintf(comment, sizeof(comment), "minisign public key %s", id);
	cart_minisign_print_public(&public, comment, ret_public);
	if (cart_buf_check(ret_secret, "secret key", err) < 0 ||
	    cart_buf_check(ret_public, "public key", err) < 0)
		goto out;
	rc = 0;
out:
	sodium_memzero(raw, sizeof(raw));
	cart_key_free(key);
	return rc;
}
