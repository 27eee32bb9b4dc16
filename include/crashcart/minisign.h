/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_MINISIGN_H
#define CRASHCART_MINISIGN_H

#include <stdbool.h>
#include <stddef.h>

#include <crashcart/buf.h>
#include <crashcart/digest.h>
#include <crashcart/signer.h>

/*
 * minisign's key and signature files (jedisct1/minisign, "ED" prehashed
 * BLAKE2b-512 signatures only; the legacy "Ed" form is refused).
 */

#define CART_MINISIGN_COMMENT_MAX 1000	/* bytes; over 1024 breaks signify */

struct cart_minisign_sig {
	unsigned char key_id[CART_MINISIGN_ID_SIZE];
	unsigned char signature[CART_ED25519_SIGNATURE_SIZE];
	unsigned char global[CART_ED25519_SIGNATURE_SIZE];
	char untrusted[CART_MINISIGN_COMMENT_MAX + 1];	/* without prefix */
	char trusted[CART_MINISIGN_COMMENT_MAX + 1];	/* without prefix */
};

/* Strict: exactly four LF-ended lines, canonical base64, printable UTF-8
 * comments.  0 or -1 (INPUT). */
int cart_minisign_parse_sig(const void *data, size_t len,
			    struct cart_minisign_sig *ret, struct cart_err *err);
/* Accepts a public key file (two lines) or the bare base64 of the key.
 * Refuses small-order and non-canonical keys.  0 or -1 (INPUT). */
int cart_minisign_parse_public(const void *data, size_t len,
			       struct cart_public_key *ret, struct cart_err *err);
/* The same from a SubjectPublicKeyInfo (RFC 8410), as DER, its base64 or PEM,
 * with the id that a key in KMS has: the first bytes of its SHA-256. */
int cart_minisign_parse_spki(const void *data, size_t len,
			     struct cart_public_key *ret, struct cart_err *err);
/* prehash is BLAKE2b-512 of the signed file.  0 if both signatures hold
 * (key ids are compared by the caller), -1 CRYPTO otherwise. */
int cart_minisign_verify(const struct cart_minisign_sig *sig,
			 const struct cart_public_key *key,
			 const unsigned char prehash[CART_BLAKE2B_SIZE],
			 struct cart_err *err);
/* Appends the four-line signature file to out. */
int cart_minisign_sign(struct cart_signer *signer,
		       const unsigned char prehash[CART_BLAKE2B_SIZE],
		       const char *untrusted, const char *trusted,
		       struct cart_buf *out, struct cart_err *err);
/* Appends the two-line public key file. */
void cart_minisign_print_public(const struct cart_public_key *key,
				const char *comment, struct cart_buf *out);
/* Appends only the base64 line of the public key, without LF. */
void cart_minisign_print_public_bare(const struct cart_public_key *key,
				     struct cart_buf *out);
/* The key id as minisign prints it: 16 upper-case hex digits, little end
 * first read as a number.  out has room for 17. */
void cart_minisign_id_text(const unsigned char id[CART_MINISIGN_ID_SIZE],
			   char out[17]);
/* Makes a new key pair; password NULL: none (kdf bytes zero).  The scrypt
 * memory limit is 64 MiB.  secret and public get whole files. */
int cart_minisign_keygen(const char *password, struct cart_buf *ret_secret,
			 struct cart_buf *ret_public, struct cart_err *err);

/* Pure Ed25519 (RFC 8032), the one implementation for verdicts.  0 or -1. */
int cart_ed25519_verify(const unsigned char key[CART_ED25519_PUBLIC_SIZE],
			const void *message, size_t len,
			const unsigned char sig[CART_ED25519_SIGNATURE_SIZE]);

/*
 * C2SP signed note / checkpoint (c2sp.org/signed-note, c2sp.org/tlog-checkpoint).
 * origin is also the key name.  Appends "origin\nsize\nroot\n\n— origin sig\n".
 */
int cart_checkpoint_sign(struct cart_signer *signer, const char *origin,
			 uint64_t size,
			 const unsigned char root[CART_SHA256_SIZE],
			 struct cart_buf *out, struct cart_err *err);
/* Parses strictly (one signature line) and checks against the key.  0 or -1. */
/* The same from a signature of cart_checkpoint_text by that key.  Appends. */
void cart_checkpoint_join(const struct cart_public_key *key, const char *origin,
			  const void *text, size_t len,
			  const unsigned char sig[CART_ED25519_SIGNATURE_SIZE],
			  struct cart_buf *out);
int cart_checkpoint_verify(const void *data, size_t len, const char *origin,
			   const struct cart_public_key *key,
			   uint64_t *ret_size,
			   unsigned char ret_root[CART_SHA256_SIZE],
			   struct cart_err *err);
/* The three text lines that are signed, appended to out: what the heads of
 * the log sign too. */
void cart_checkpoint_text(const char *origin, uint64_t size,
			  const unsigned char root[CART_SHA256_SIZE],
			  struct cart_buf *out);

#endif
