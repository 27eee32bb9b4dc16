/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPT_CRYPT_H
#define CRYPT_CRYPT_H

#include <openssl/evp.h>

#include <crashcart/digest.h>

/* OpenSSL's fetched SHA-256, NULL if it cannot be had (no memory). */
const EVP_MD *cart_crypt_sha256(void);
/* Its ChaCha20-Poly1305, or NULL. */
const EVP_CIPHER *cart_crypt_chacha20_poly1305(void);

#endif
