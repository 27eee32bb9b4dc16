/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPT_AGE_H
#define CRYPT_AGE_H

#include <crashcart/age.h>

#define AGE_FILE_KEY_SIZE 16
#define AGE_NONCE_SIZE 16
#define AGE_WRAPPED_SIZE (AGE_FILE_KEY_SIZE + CART_AGE_TAG)
#define AGE_MAC_SIZE 32

/* An X25519 identity; only ever in locked memory. */
struct age_identity {
	unsigned char secret[CART_AGE_KEY_SIZE];
	unsigned char public[CART_AGE_KEY_SIZE];
};

struct cart_age_identities {
	struct age_identity *id;	/* sodium_malloc */
	size_t n;
};

/* What is secret of one file; only ever in locked memory. */
struct age_secret {
	unsigned char file_key[AGE_FILE_KEY_SIZE];
	unsigned char payload_key[CART_AGE_KEY_SIZE];
	unsigned char ephemeral[CART_AGE_KEY_SIZE];
	unsigned char shared[CART_AGE_KEY_SIZE];
	unsigned char wrap[CART_AGE_KEY_SIZE];
	unsigned char prk[32];
};

/* --- age_key.c --- */

/* HKDF-SHA-256 of 32 bytes. */
void cart_age_hkdf(struct age_secret *s, const unsigned char *ikm, size_t len,
		   const unsigned char *salt, size_t salt_len,
		   const char *info, unsigned char out[CART_AGE_KEY_SIZE]);
/* The key of the payload from file key and nonce. */
void cart_age_payload_key(struct age_secret *s,
			  const unsigned char nonce[AGE_NONCE_SIZE]);

/* --- age_header.c --- */

/* Appends the header of a file whose key is s->file_key. */
int cart_age_header_print(const struct cart_age_recipients *r,
			  struct age_secret *s, struct cart_buf *out,
			  struct cart_err *err);
/* Finds the file key in a whole header.  0 or -1. */
int cart_age_header_open(const void *data, size_t len,
			 const struct cart_age_identities *ids,
			 struct age_secret *s, struct cart_err *err);

#endif
