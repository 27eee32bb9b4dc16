/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_DIGEST_H
#define CRASHCART_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/err.h>

/*
 * Starts OpenSSL (without its configuration file: the host's must not be
 * read) and libsodium.  Everything in crypt does so by itself; a program calls
 * it first thing, since OpenSSL 3.5 waits for itself for ever when memory is
 * short at that very moment.
 */
void cart_crypt_start(void);

#define CART_SHA256_SIZE 32
#define CART_SHA256_HEX_SIZE 65		/* with the ending NUL */
#define CART_BLAKE2B_SIZE 64

/*
 * SHA-256 (FIPS 180-4), in pieces.  Never fails: short inputs are held in the
 * struct and long ones use OpenSSL's fast code, or libsodium's when memory is
 * short.  A struct of zero bytes is initialised.  _final releases what the
 * struct holds; one that is abandoned before that needs _clear.  Must not be
 * copied by assignment.
 */
struct cart_sha256 {
	void *fast;			/* private */
	size_t held;
	int how;
	_Alignas(16) unsigned char opaque[256];
};

void cart_sha256_init(struct cart_sha256 *c);
void cart_sha256_update(struct cart_sha256 *c, const void *data, size_t len);
/* Two digests that shall get the same bytes.  False if this processor gains
 * nothing by that; _update_both works in any case, and so does _update. */
bool cart_sha256_init_pair(struct cart_sha256 *c);
void cart_sha256_update_both(struct cart_sha256 *a, struct cart_sha256 *b,
			     const void *data, size_t len);
/* c must be initialised again before further use. */
void cart_sha256_final(struct cart_sha256 *c, unsigned char out[CART_SHA256_SIZE]);
/* For a hash that is given up; safe after _final and when called twice. */
void cart_sha256_clear(struct cart_sha256 *c);
/* One shot. */
void cart_sha256(const void *data, size_t len, unsigned char out[CART_SHA256_SIZE]);
/* One shot, lower-case hex. */
void cart_sha256_hex(const void *data, size_t len, char out[CART_SHA256_HEX_SIZE]);

/* HMAC-SHA-256 (RFC 2104). */
void cart_hmac_sha256(const void *key, size_t key_len, const void *data,
		      size_t len, unsigned char out[CART_SHA256_SIZE]);

/* BLAKE2b-512 (RFC 7693), in pieces: what minisign's prehash is. */
struct cart_blake2b {
	_Alignas(64) unsigned char opaque[384];
};
void cart_blake2b_init(struct cart_blake2b *c);
void cart_blake2b_update(struct cart_blake2b *c, const void *data, size_t len);
void cart_blake2b_final(struct cart_blake2b *c, unsigned char out[CART_BLAKE2B_SIZE]);

/* For protocols that ask for them, never for evidence.  0, or -1 with out
 * all zero when memory ran out. */
int cart_md5(const void *data, size_t len, unsigned char out[16]);
int cart_sha1(const void *data, size_t len, unsigned char out[20]);

/* RFC 9562.  out gets the 36-character text and NUL. */
#define CART_UUID_SIZE 37
void cart_uuid_v4(char out[CART_UUID_SIZE]);
/* Version 5 of the namespace UUID (text form) and a name. */
int cart_uuid_v5(const char *namespace_uuid, const char *name,
		 char out[CART_UUID_SIZE]);

/* Kernel randomness; never fails (falls back to /dev/urandom on old kernels,
 * ends the program if neither works, since no key could then be trusted). */
void cart_random(void *out, size_t len);

/* Constant-time comparison: 0 if equal. */
int cart_memcmp_ct(const void *a, const void *b, size_t len);
/* Memory for secrets: locked where the system lets us, between guard pages,
 * wiped when freed.  NULL if there is none. */
void *cart_locked_new(size_t size);
void cart_locked_free(void *p);		/* accepts NULL */
/* Overwrites memory in a way the compiler keeps. */
void cart_wipe(void *p, size_t len);

#endif
