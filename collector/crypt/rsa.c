/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <crashcart/rsa.h>

#include "crypt.h"

#define BITS_MIN 2048
#define BITS_MAX 8192		/* a hostile key must not cost seconds */

static EVP_PKEY *read_key(const void *key, size_t key_len, struct cart_err *err)
{
	const unsigned char *p = key;
	EVP_PKEY *k = NULL;

	if (key_len > 0 && key_len <= 4096)
		k = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)key_len);
	if (!k || p != (const unsigned char *)key + key_len) {
		cart_err_set(err, CART_ERR_INPUT, 0, "RSA key: not the DER of "
			     "one RSAPublicKey");
		goto fail;
	}
	if (EVP_PKEY_get_bits(k) < BITS_MIN || EVP_PKEY_get_bits(k) > BITS_MAX) {
		cart_err_set(err, CART_ERR_INPUT, 0, "RSA key: %d bits; %d to "
			     "%d are accepted", EVP_PKEY_get_bits(k), BITS_MIN,
			     BITS_MAX);
		goto fail;
	}
	return k;
fail:
	EVP_PKEY_free(k);
	return NULL;
}

int cart_rsa_verify_sha256(const void *key, size_t key_len, const void *data,
			   size_t len, const void *sig, size_t sig_len,
			   struct cart_err *err)
{
	const EVP_MD *md = cart_crypt_sha256();
	EVP_MD_CTX *ctx = NULL;
	EVP_PKEY_CTX *how;		/* ctx owns it */
	EVP_PKEY *k;
	int rc = -1, got;

	k = read_key(key, key_len, err);
	if (!k)
		goto out;
	ctx = md ? EVP_MD_CTX_new() : NULL;
	if (!ctx || EVP_DigestVerifyInit(ctx, &how, md, NULL, k) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PADDING) != 1) {
		cart_err_nomem(err);
		goto out;
	}
	got = EVP_DigestVerify(ctx, sig, sig_len, data, len);
	if (got != 1) {
		cart_err_set(err, CART_ERR_CRYPTO, 0,
			     "the RSA signature does not hold");
		goto out;
	}
	rc = 0;
out:
	/* what OpenSSL noted must not be found by whoever asks next */
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return rc;
}
