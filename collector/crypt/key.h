/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPT_KEY_H
#define CRYPT_KEY_H

#include <crashcart/signer.h>

#define CART_KEY_SECRET_SIZE 64		/* seed and public key */
#define CART_KEY_CHECK_SIZE 32

/* A secret key as minisign keeps it; only ever in locked memory. */
struct cart_key {
	unsigned char id[CART_MINISIGN_ID_SIZE];
	unsigned char secret[CART_KEY_SECRET_SIZE];
	unsigned char check[CART_KEY_CHECK_SIZE];
	unsigned char scratch[CART_MINISIGN_ID_SIZE + CART_KEY_SECRET_SIZE +
			      CART_KEY_CHECK_SIZE];
};

/* In locked memory; NULL with err. */
struct cart_key *cart_key_new(struct cart_err *err);
void cart_key_free(struct cart_key *key);
/* Random id and key pair. */
void cart_key_generate(struct cart_key *key);
/* A signer that holds a copy.  kind is not copied.  NULL with err. */
struct cart_signer *cart_key_signer(const char *kind,
				    const struct cart_key *key,
				    struct cart_err *err);

#endif
