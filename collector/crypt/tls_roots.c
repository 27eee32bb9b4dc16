/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <crashcart/tls.h>

#include "crypt.h"

struct cart_tls_roots {
	X509_STORE *store;
	size_t count;
};

/* 1 one more, 0 the end of the text, -1 with err. */
static int add_next(struct cart_tls_roots *r, BIO *in, struct cart_err *err)
{
	X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	unsigned long e;
	int ok;

	if (!cert) {
		e = ERR_peek_last_error();
		ERR_clear_error();
		if (ERR_GET_LIB(e) == ERR_LIB_PEM &&
		    ERR_GET_REASON(e) == PEM_R_NO_START_LINE)
			return 0;
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "certificate %zu of the CA roots cannot be "
				    "read", r->count + 1);
	}
	ok = X509_STORE_add_cert(r->store, cert);
	X509_free(cert);
	if (!ok) {
		ERR_clear_error();
		return cart_err_nomem(err);
	}
	r->count++;
	return 1;
}

struct cart_tls_roots *cart_tls_roots_new(const char *pem, size_t len,
					  struct cart_err *err)
{
	struct cart_tls_roots *r = calloc(1, sizeof(*r));
	BIO *in = NULL;
	int more = -1;

	cart_crypt_start();
	if (r)
		r->store = X509_STORE_new();
	if (r && r->store && len <= INT_MAX)
		in = BIO_new_mem_buf(len ? pem : "", (int)len);
	if (!in) {
		cart_err_nomem(err);
		goto fail;
	}
	/* Whoever gives an intermediate certificate as root means it. */
	X509_STORE_set_flags(r->store, X509_V_FLAG_PARTIAL_CHAIN);
	do
		more = add_next(r, in, err);
	while (more > 0);
	if (more == 0 && len && !r->count)
		more = cart_err_set(err, CART_ERR_INPUT, 0,
				    "the CA roots hold no certificate (PEM "
				    "begins with -----BEGIN CERTIFICATE-----)");
	BIO_free(in);
	if (more == 0)
		return r;
fail:
	cart_tls_roots_free(r);
	return NULL;
}

void cart_tls_roots_free(struct cart_tls_roots *r)
{
	if (!r)
		return;
	X509_STORE_free(r->store);
	free(r);
}

size_t cart_tls_roots_count(const struct cart_tls_roots *r)
{
	return r->count;
}

void cart_tls_roots_use(struct cart_tls_roots *r, void *ssl_ctx)
{
	SSL_CTX_set1_cert_store(ssl_ctx, r->store);
}
