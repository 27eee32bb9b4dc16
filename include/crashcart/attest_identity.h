/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_ATTEST_IDENTITY_H
#define CRASHCART_ATTEST_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include <crashcart/attest_cloudtrail.h>

/*
 * EC2 instance identity documents ("Verify the instance identity document", EC2
 * User Guide), from the bytes that latest/dynamic/instance-identity/ gave.  The
 * signer's certificate is the compiled-in one of the document's region and the
 * signature's kind, never one that comes with the signature; what was signed
 * must be the document, byte for byte.  No I/O.
 *
 * It proves that AWS issued this document for that instance.  It carries no
 * nonce: whoever once read it can show it again, anywhere.
 */

enum cart_identity_kind {
	CART_IDENTITY_RSA2048,	/* "rsa2048": PKCS #7, RSA-2048, SHA-256 */
	CART_IDENTITY_RSA,	/* "signature": RSA-1024, SHA-256 */
	CART_IDENTITY_DSA,	/* "pkcs7": PKCS #7, DSA-1024, SHA-1 */
	CART_IDENTITY_KINDS
};
/* What the metadata service calls it: "rsa2048", "signature", "pkcs7". */
const char *cart_identity_kind_name(enum cart_identity_kind k);

struct cart_identity_input {
	const void *document;		/* NULL: not there */
	size_t document_len;
	struct {
		const void *data;	/* base64 as served; NULL: not there */
		size_t len;
	} signature[CART_IDENTITY_KINDS];
};

struct cart_identity_verdict {
	/* VALID: rsa2048 holds, and none that is there fails.  signature or
	 * pkcs7 alone (1024 bits) are no more than a corroboration: UNKNOWN. */
	enum cart_trail_verdict verdict;
	char reason[256];		/* one sentence */
	struct {
		enum cart_trail_verdict verdict;
		char reason[160];	/* "" if valid */
	} each[CART_IDENTITY_KINDS];
	/* From the document, "" where it does not say. */
	char region[32], account[16], instance[32], type[32], image[32];
	char pending_time[32];
	int64_t signed_ns;		/* of the PKCS #7; INT64_MIN: unknown */
};

/* 0 with a verdict; -1 only when memory runs out. */
int cart_identity_check(const struct cart_identity_input *in,
			struct cart_identity_verdict *ret, struct cart_err *err);

#endif
