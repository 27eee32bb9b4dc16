/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <crashcart/pkcs7.h>

#include "crypt.h"

#define CERT_MAX 65536u

static X509 *read_cert(const char *pem, size_t len, struct cart_err *err)
{
	BIO *in = len > 0 && len <= CERT_MAX ?
		  BIO_new_mem_buf(pem, (int)len) : NULL;
	X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;

	if (!cert)
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "certificate: not the PEM of one");
	BIO_free(in);
	return cert;
}

static PKCS7 *read_signed(const void *der, size_t len, struct cart_err *err)
{
	const unsigned char *p = der;
	PKCS7 *p7 = NULL;

	if (len > CART_PKCS7_MAX) {
		cart_err_set(err, CART_ERR_LIMIT, 0, "PKCS #7 signature: more "
			     "than %u bytes", CART_PKCS7_MAX);
		return NULL;
	}
	if (len > 0)
		p7 = d2i_PKCS7(NULL, &p, (long)len);
	if (!p7 || p != (const unsigned char *)der + len) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "PKCS #7 signature: not the DER of one");
		goto fail;
	}
	if (!PKCS7_type_is_signed(p7) || !p7->d.sign || !p7->d.sign->contents ||
	    !PKCS7_type_is_data(p7->d.sign->contents) ||
	    PKCS7_get_detached(p7) || !p7->d.sign->contents->d.data) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "PKCS #7 signature: not signed data with content");
		goto fail;
	}
	if (sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(p7)) != 1) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "PKCS #7 signature: not by exactly one signer");
		goto fail;
	}
	return p7;
fail:
	PKCS7_free(p7);
	return NULL;
}

/* The certificate is chosen by us: what the signature says of its signer must
 * agree with it, and the digest must be one that is worth something. */
static int check_signer(PKCS7_SIGNER_INFO *si, X509 *cert, struct cart_err *err)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int md = si->digest_alg ? OBJ_obj2nid(si->digest_alg->algorithm) : 0;

	if (!si->issuer_and_serial ||
	    X509_NAME_cmp(si->issuer_and_serial->issuer,
			  X509_get_issuer_name(cert)) != 0 ||
	    ASN1_INTEGER_cmp(si->issuer_and_serial->serial,
			     X509_get0_serialNumber(cert)) != 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "it names another signer");
	if (!key)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "certificate: its key cannot be read");
	if (md == NID_sha256 || md == NID_sha384 || md == NID_sha512 ||
	    (md == NID_sha1 && EVP_PKEY_is_a(key, "DSA")))
		return 0;
	return cart_err_set(err, CART_ERR_INPUT, 0, "PKCS #7 signature: a "
			    "digest that is not accepted");
}

static int64_t signing_time(PKCS7_SIGNER_INFO *si)
{
	ASN1_TYPE *t = PKCS7_get_signed_attribute(si, NID_pkcs9_signingTime);
	struct tm tm = { 0 };
	const ASN1_TIME *when;

	if (!t || (t->type != V_ASN1_UTCTIME &&
		   t->type != V_ASN1_GENERALIZEDTIME))
		return INT64_MIN;
	when = t->value.asn1_string;
	if (ASN1_TIME_to_tm(when, &tm) != 1 || tm.tm_year < 70 ||
	    tm.tm_year > 300)
		return INT64_MIN;
	return (int64_t)timegm(&tm) * 1000000000;
}

/* OpenSSL's own check, with this one certificate and none of the others. */
static int check_signature(PKCS7 *p7, X509 *cert, struct cart_buf *ret,
			   struct cart_err *err)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	BIO *out = BIO_new(BIO_s_mem());
	char *data;
	long len;
	int rc = -1;

	if (!certs || !out || sk_X509_push(certs, cert) <= 0) {
		cart_err_nomem(err);
		goto out;
	}
	if (PKCS7_verify(p7, certs, NULL, NULL, out, PKCS7_NOVERIFY |
			 PKCS7_NOINTERN | PKCS7_BINARY) != 1) {
		cart_err_set(err, CART_ERR_CRYPTO, 0,
			     "the signature does not hold");
		goto out;
	}
	len = BIO_get_mem_data(out, &data);
	if (len > 0)
		cart_buf_add(ret, data, (size_t)len);
	rc = cart_buf_check(ret, "signed content", err);
out:
	sk_X509_free(certs);
	BIO_free(out);
	return rc;
}

int cart_pkcs7_verify(const void *der, size_t len, const char *cert,
		      size_t cert_len, struct cart_buf *ret_content,
		      int64_t *ret_signed_ns, struct cart_err *err)
{
	X509 *x = read_cert(cert, cert_len, err);
	PKCS7 *p7 = x ? read_signed(der, len, err) : NULL;
	PKCS7_SIGNER_INFO *si;
	int rc = -1;

	if (!p7)
		goto out;
	si = sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(p7), 0);
	if (check_signer(si, x, err) < 0 ||
	    check_signature(p7, x, ret_content, err) < 0)
		goto out;
	if (ret_signed_ns)
		*ret_signed_ns = signing_time(si);
	rc = 0;
out:
	/* what OpenSSL noted must not be found by whoever asks next */
	ERR_clear_error();
	PKCS7_free(p7);
	X509_free(x);
	return rc;
}

int cart_cert_verify_sha256(const char *cert, size_t cert_len,
			    const void *data, size_t len, const void *sig,
			    size_t sig_len, struct cart_err *err)
{
	X509 *x = read_cert(cert, cert_len, err);
	EVP_PKEY *key = x ? X509_get0_pubkey(x) : NULL;
	EVP_MD_CTX *ctx = NULL;
	EVP_PKEY_CTX *how;		/* ctx owns it */
	int rc = -1;

	if (!x)
		goto out;
	if (!key || !EVP_PKEY_is_a(key, "RSA")) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "certificate: its key is not RSA");
		goto out;
	}
	ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestVerifyInit(ctx, &how, cart_crypt_sha256(), NULL,
					 key) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PADDING) != 1) {
		cart_err_nomem(err);
		goto out;
	}
	if (EVP_DigestVerify(ctx, sig, sig_len, data, len) != 1) {
		cart_err_set(err, CART_ERR_CRYPTO, 0,
			     "the signature does not hold");
		goto out;
	}
	rc = 0;
out:
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	X509_free(x);
	return rc;
}
