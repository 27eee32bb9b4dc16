/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_PKCS7_H
#define CRASHCART_PKCS7_H

#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>

/*
 * PKCS #7 SignedData (RFC 2315) by a signer that the caller already knows, and
 * plain signatures by the key of a certificate.  Certificates inside the
 * signature are never looked at, chains and expiry are not checked: the caller's
 * certificate is the trust.  Verification only.
 */

#define CART_PKCS7_MAX 65536u		/* bytes of DER */

/*
 * der: BER or DER of one SignedData with content, one signer, and nothing after
 * it.  cert: PEM of the signer's certificate; the text need not end with NUL.
 * The signer must name that certificate's issuer and serial number; its digest
 * is SHA-256 or better, or SHA-1 with a DSA key.
 *
 * 0: ret_content (appended to) is what was signed, ret_signed_ns (may be NULL)
 * the signer's own time of signing, INT64_MIN if it says none.
 * -1 with err: CRYPTO if that certificate's key did not sign it, INPUT if it
 * cannot be read or is of another kind, LIMIT, MEMORY.
 */
int cart_pkcs7_verify(const void *der, size_t len, const char *cert,
		      size_t cert_len, struct cart_buf *ret_content,
		      int64_t *ret_signed_ns, struct cart_err *err);

/* RSASSA-PKCS1-v1_5 with SHA-256 by the key of a certificate (PEM), which may
 * be as short as 1024 bits.  0, or -1 with err: CRYPTO, INPUT, MEMORY. */
int cart_cert_verify_sha256(const char *cert, size_t cert_len,
			    const void *data, size_t len, const void *sig,
			    size_t sig_len, struct cart_err *err);

#endif
