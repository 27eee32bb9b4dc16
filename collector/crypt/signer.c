/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <crashcart/digest.h>
#include <crashcart/signer.h>

#include "crypt.h"
#include "key.h"

/* A signer whose secret is in this process: a session key, a key file. */
struct local {
	struct cart_signer base;
	unsigned char *secret;		/* sodium_malloc: locked, guarded */
};

static int local_sign(struct cart_signer *s, const void *message, size_t len,
		      unsigned char ret_signature[CART_ED25519_SIGNATURE_SIZE],
		      struct cart_err *err)
{
	struct local *l = (struct local *)s;

	if (len > CART_SIGNER_MESSAGE_MAX)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "sign: message over %d bytes",
				    CART_SIGNER_MESSAGE_MAX);
	crypto_sign_ed25519_detached(ret_signature, NULL, message, len,
				     l->secret);
	/* A bit flip while signing could give the secret away. */
	if (crypto_sign_ed25519_verify_detached(ret_signature, message, len,
						s->public_key.key) != 0) {
		sodium_memzero(ret_signature, CART_ED25519_SIGNATURE_SIZE);
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "sign: the signature does not verify");
	}
	return 0;
}

static void local_free(struct cart_signer *s)
{
	struct local *l = (struct local *)s;

	sodium_free(l->secret);		/* wipes */
	free(l);
}

struct cart_signer *cart_key_signer(const char *kind,
				    const struct cart_key *key,
				    struct cart_err *err)
{
	struct local *l;

	cart_crypt_start();
	l = calloc(1, sizeof(*l));
	if (l)
		l->secret = sodium_malloc(CART_KEY_SECRET_SIZE);
	if (!l || !l->secret) {
		free(l);
		cart_err_nomem(err);
		return NULL;
	}
	memcpy(l->secret, key->secret, CART_KEY_SECRET_SIZE);
	sodium_mprotect_readonly(l->secret);
	memcpy(l->base.public_key.id, key->id, CART_MINISIGN_ID_SIZE);
	/* the second half of a libsodium secret key is the public key */
	memcpy(l->base.public_key.key, key->secret + 32,
	       CART_ED25519_PUBLIC_SIZE);
	l->base.kind = kind;
	l->base.sign = local_sign;
	l->base.free = local_free;
	return &l->base;
}

struct cart_key *cart_key_new(struct cart_err *err)
{
	struct cart_key *key;

	cart_crypt_start();
	key = sodium_malloc(sizeof(*key));
	if (!key)
		cart_err_nomem(err);
	return key;
}

void cart_key_free(struct cart_key *key)
{
	sodium_free(key);		/* wipes, accepts NULL */
}

void cart_key_generate(struct cart_key *key)
{
	unsigned char public[CART_ED25519_PUBLIC_SIZE];
	unsigned char *seed = key->scratch;

	cart_random(key->id, sizeof(key->id));
	cart_random(seed, crypto_sign_ed25519_SEEDBYTES);
	crypto_sign_ed25519_seed_keypair(public, key->secret, seed);
	sodium_memzero(key->scratch, sizeof(key->scratch));
}

struct cart_signer *cart_signer_session(struct cart_err *err)
{
	struct cart_signer *s = NULL;
	struct cart_key *key = cart_key_new(err);

	if (!key)
		return NULL;
	cart_key_generate(key);
	s = cart_key_signer("session", key, err);
	cart_key_free(key);
	return s;
}

void cart_signer_free(struct cart_signer *s)
{
	if (s)
		s->free(s);
}
