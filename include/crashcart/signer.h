/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_SIGNER_H
#define CRASHCART_SIGNER_H

#include <stddef.h>

#include <crashcart/err.h>

#define CART_ED25519_PUBLIC_SIZE 32
#define CART_ED25519_SIGNATURE_SIZE 64
#define CART_MINISIGN_ID_SIZE 8
#define CART_SIGNER_MESSAGE_MAX 4096	/* KMS's limit for RAW messages */

struct cart_public_key {
	unsigned char id[CART_MINISIGN_ID_SIZE];
	unsigned char key[CART_ED25519_PUBLIC_SIZE];
};

/*
 * Something that makes pure Ed25519 signatures (RFC 8032): a session key in
 * memory, a key file, KMS.  message is at most CART_SIGNER_MESSAGE_MAX bytes.
 * sign is called from one thread at a time.
 */
struct cart_signer {
	struct cart_public_key public_key;
	const char *kind;		/* "session", "file", "kms" */
	int (*sign)(struct cart_signer *s, const void *message, size_t len,
		    unsigned char ret_signature[CART_ED25519_SIGNATURE_SIZE],
		    struct cart_err *err);
	void (*free)(struct cart_signer *s);
};

/* A fresh key in locked memory; random key id. */
struct cart_signer *cart_signer_session(struct cart_err *err);
/* From the bytes of a minisign secret key file; password NULL for keys
 * without one.  CRYPTO error if the password is wrong or missing. */
struct cart_signer *cart_signer_minisign(const void *data, size_t len,
					 const char *password,
					 struct cart_err *err);
/* Does this secret key file want a password?  1, 0, or -1 (not a key). */
int cart_signer_needs_password(const void *data, size_t len,
			       struct cart_err *err);
void cart_signer_free(struct cart_signer *s);	/* wipes; accepts NULL */

#endif
