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
#include "sha256_pair.h"

enum { HOW_HELD, HOW_SODIUM, HOW_LANE };

/*
 * Short inputs are hashed by libsodium: it needs no allocation, and setting
 * up an OpenSSL context costs more than it saves below 128 bytes.
 */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *fast_sha256;
static EVP_CIPHER *fast_aead;
static bool pairs;

/* Both kinds of steps of it against libsodium: evidence hangs on it. */
static bool pairs_work(void)
{
	unsigned char data[300], want[CART_SHA256_SIZE], got[CART_SHA256_SIZE];
	struct cart_sha256_lane a, b;
	size_t i;

	if (!cart_sha256_pairs())
		return false;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * i + i / 7);
	crypto_hash_sha256(want, data, sizeof(data));
	cart_sha256_lane_init(&a);
	cart_sha256_lane_init(&b);
	cart_sha256_lane_update(&a, data, 70);
	cart_sha256_lane_update(&b, data, 70);
	cart_sha256_lane_both(&a, &b, data + 70, sizeof(data) - 70);
	cart_sha256_lane_final(&a, got);
	if (memcmp(got, want, sizeof(got)) != 0)
		return false;
	cart_sha256_lane_final(&b, got);
	return memcmp(got, want, sizeof(got)) == 0;
}

static void start(void)
{
	int ok = OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
				     OPENSSL_INIT_NO_ATEXIT, NULL);

	/* A failure is not final: sodium_malloc says so when it matters, and
	 * digests and signatures work without.  So do digests without
	 * OpenSSL, slowly. */
	if (sodium_init() < 0 || ok != 1)
		return;
	pairs = pairs_work();
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

_Static_assert(sizeof(struct cart_sha256_lane) <=
		       sizeof(((struct cart_sha256 *)0)->opaque),
	       "a lane must fit");

static struct cart_sha256_lane *lane(struct cart_sha256 *c)
{
	return (void *)c->opaque;
}

static crypto_hash_sha256_state *slow_state(struct cart_sha256 *c)
{
	return (void *)c->opaque;
}

void cart_sha256_init(struct cart_sha256 *c)
{
	c->fast = NULL;
	c->held = 0;
	c->how = HOW_HELD;
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
	c->how = HOW_SODIUM;
}

void cart_sha256_update(struct cart_sha256 *c, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (c->how == HOW_LANE) {
		cart_sha256_lane_update(lane(c), data, len);
		return;
	}
	if (!c->fast && c->how == HOW_HELD) {
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

bool cart_sha256_init_pair(struct cart_sha256 *c)
{
	cart_sha256_init(c);
	cart_crypt_start();
	if (!pairs)
		return false;
	c->how = HOW_LANE;
	cart_sha256_lane_init(lane(c));
	return true;
}

void cart_sha256_update_both(struct cart_sha256 *a, struct cart_sha256 *b,
			     const void *data, size_t len)
{
	if (len > 0 && a->how == HOW_LANE && b->how == HOW_LANE) {
		cart_sha256_lane_both(lane(a), lane(b), data, len);
		return;
	}
	cart_sha256_update(a, data, len);
	cart_sha256_update(b, data, len);
}

void cart_sha256_final(struct cart_sha256 *c,
		       unsigned char out[CART_SHA256_SIZE])
{
	if (c->fast)
		EVP_DigestFinal_ex(c->fast, out, NULL);
	else if (c->how == HOW_LANE)
		cart_sha256_lane_final(lane(c), out);
	else if (c->how == HOW_SODIUM)
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
