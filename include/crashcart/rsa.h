/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_RSA_H
#define CRASHCART_RSA_H

#include <stddef.h>

#include <crashcart/err.h>

/*
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2.2): what AWS signs
 * CloudTrail digest files with.  Verification only.
 */

/* key: DER of an RSAPublicKey (RFC 8017 appendix A.1.1, not SPKI) of 2048 to
 * 8192 bits, and nothing after it.  0: sig is a signature of these len bytes.
 * -1 with err: CRYPTO if it is not, INPUT if the key cannot be read, MEMORY. */
int cart_rsa_verify_sha256(const void *key, size_t key_len, const void *data,
			   size_t len, const void *sig, size_t sig_len,
			   struct cart_err *err);

#endif
