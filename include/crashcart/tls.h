/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_TLS_H
#define CRASHCART_TLS_H

#include <stddef.h>

#include <crashcart/err.h>

/*
 * The certificates that TLS trusts, parsed once and shared by all connections.
 * libcurl would parse them anew and keep them for each connection: a megabyte
 * and some milliseconds every time.
 */
struct cart_tls_roots;

/* From PEM text; what stands between the certificates is ignored.  len 0 gives
 * a set that trusts nobody.  NULL with err (INPUT) if a certificate cannot be
 * read or the text holds none. */
struct cart_tls_roots *cart_tls_roots_new(const char *pem, size_t len,
					  struct cart_err *err);
void cart_tls_roots_free(struct cart_tls_roots *r);	/* accepts NULL */
size_t cart_tls_roots_count(const struct cart_tls_roots *r);
/* Lets an SSL_CTX of OpenSSL's trust these and nothing else; it keeps its own
 * reference. */
void cart_tls_roots_use(struct cart_tls_roots *r, void *ssl_ctx);

#endif
