/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <crashcart/digest.h>
#include <crashcart/text.h>

#include "crypt.h"

/*
 * Short inputs are hashed by libsodium: it needs no allocation, and setting
 * up an OpenSSL context costs more than it saves below 128 bytes.
 */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *fast_sha256;
static EVP_CIPHER *fast_aead;

static void start(void)
{
	int ok = OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
				     OPENSSL_INIT_NO_ATEXIT, NULL);

	/* A failure is not final: sodium_malloc says so when it matters, and
	 * digests and signatures work without.  So do digests without
	 * OpenSSL, slowly. */
	if (sodium_init() < 0 || ok != 1)
		return;
	fast_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	fast_aead = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
}

void cart_crypt_start(void)
{
	pthread_once(&once, start);
}

const EVP_MD *cart_crypt_sha256(void)
{
	cart_crypt_start();
	return fast_sha256;
}

const EVP_CIPHER *cart_crypt_chacha20_poly1305(void)
{
	cart_crypt_start();
	return fast_aead;
}

_Static_assert(sizeof(crypto_hash_sha256_state) <=
		       sizeof(((struct cart_sha256 *)0)->opaque),
	       "libsodium's state must fit");
_Static_assert(_Alignof(crypto_hash_sha256_state) <= 16, "alignment");

static crypto_hash_sha256_state *slow_state(struct cart_sha256 *c)
{
	return (void *)c->opaque;
}

void cart_sha256_init(struct cart_sha256 *c)
{
	c->fast = NULL;
	c->held = 0;
	c->slow = 0;
}

void cart_sha256_clear(struct cart_sha256 *c)
{
	EVP_MD_CTX_free(c->fast);
	cart_sha256_init(c);
}

/* Leaves the stage in which bytes are only held back. */
static void begin(struct cart_sha256 *c)
{
	unsigned char held[sizeof(c->opaque)];
	const EVP_MD *md = cart_crypt_sha256();
	EVP_MD_CTX *ctx = md ? EVP_MD_CTX_new() : NULL;

	if (ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1) {
		EVP_DigestUpdate(ctx, c->opaque, c->held);
		c->fast = ctx;
		return;
	}
	EVP_MD_CTX_free(ctx);
	memcpy(held, c->opaque, c->held);
	crypto_hash_sha256_init(slow_state(c));
	crypto_hash_sha256_update(slow_state(c), held, c->held);
	c->slow = 1;
}

void cart_sha256_update(struct cart_sha256 *c, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (!c->fast && !c->slow) {
		if (len <= sizeof(c->opaque) - c->held) {
			memcpy(c->opaque + c->held, data, len);
			c->held += len;
			return;
		}
		begin(c);
	}
	if (c->fast)
		EVP_DigestUpdate(c->fast, data, len);
	else
		crypto_hash_sha256_update(slow_state(c), data, len);
}

void cart_sha256_final(struct cart_sha256 *c,
		       unsigned char out[CART_SHA256_SIZE])
{
	if (c->fast)
		EVP_DigestFinal_ex(c->fast, out, NULL);
	else if (c->slow)
		crypto_hash_sha256_final(slow_state(c), out);
	else
		crypto_hash_sha256(out, c->opaque, c->held);
	cart_sha256_clear(c);
}

void cart_sha256(const void *data, size_t len,
		 unsigned char out[CART_SHA256_SIZE])
{
	struct cart_sha256 c;

	if (len <= 128) {
		crypto_hash_sha256(out, data, len);
		return;
	}
	cart_sha256_init(&c);
	cart_sha256_update(&c, data, len);
	cart_sha256_final(&c, out);
}

void cart_sha256_hex(const void *data, size_t len,
		     char out[CART_SHA256_HEX_SIZE])
{
	unsigned char digest[CART_SHA256_SIZE];

	cart_sha256(data, len, digest);
	cart_text_hex(digest, sizeof(digest), out);
}

void cart_hmac_sha256(const void *key, size_t key_len, const void *data,
		      size_t len, unsigned char out[CART_SHA256_SIZE])
{
	crypto_auth_hmacsha256_state st;

	crypto_auth_hmacsha256_init(&st, key, key_len);
	crypto_auth_hmacsha256_update(&st, data, len);
	crypto_auth_hmacsha256_final(&st, out);
	sodium_memzero(&st, sizeof(st));
}

_Static_assert(sizeof(crypto_generichash_blake2b_state) <=
		       sizeof(struct cart_blake2b),
	       "libsodium's state must fit");

static crypto_generichash_blake2b_state *blake2b_state(struct cart_blake2b *c)
{
	return (void *)c->opaque;
}

void cart_blake2b_init(struct cart_blake2b *c)
{
	cart_crypt_start();		/* chooses the AVX2 code */
	crypto_generichash_blake2b_init(blake2b_state(c), NULL, 0,
					CART_BLAKE2B_SIZE);
}

void cart_blake2b_update(struct cart_blake2b *c, const void *data, size_t len)
{
	crypto_generichash_blake2b_update(blake2b_state(c), data, len);
}

void cart_blake2b_final(struct cart_blake2b *c,
			unsigned char out[CART_BLAKE2B_SIZE])
{
	crypto_generichash_blake2b_final(blake2b_state(c), out,
					 CART_BLAKE2B_SIZE);
}

static int one_shot(const char *name, const void *data, size_t len,
		    unsigned char *out, size_t out_len)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned got = 0;
	EVP_MD *md;
	int ok;

	cart_crypt_start();
	memset(out, 0, out_len);
	md = EVP_MD_fetch(NULL, name, NULL);
	if (!md)
		return -1;
	ok = EVP_Digest(data, len, digest, &got, md, NULL);
	EVP_MD_free(md);
	if (ok != 1 || got != out_len)
		return -1;
	memcpy(out, digest, out_len);
	return 0;
}

int cart_md5(const void *data, size_t len, unsigned char out[16])
{
	return one_shot("MD5", data, len, out, 16);
}

int cart_sha1(const void *data, size_t len, unsigned char out[20])
{
	return one_shot("SHA1", data, len, out, 20);
}
