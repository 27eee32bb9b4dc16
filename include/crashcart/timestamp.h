/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_TIMESTAMP_H
#define CRASHCART_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>

/*
 * RFC 3161 time stamps: the question to an authority, and the check of its
 * answer.  No I/O; cart_tsa_ask of net.h carries them.
 */

#define CART_TSR_MAX 65536u		/* bytes of an answer */
#define CART_TSA_ROOTS_MAX ((size_t)4 << 20)	/* PEM of trusted roots */

/* Appends the DER of a TimeStampReq for the SHA-512 of data: version 1, a
 * random 64-bit nonce, certReq.  0, or -1 with err (MEMORY). */
int cart_tsq_make(const void *data, size_t len, struct cart_buf *ret_query,
		  struct cart_err *err);

struct cart_tsr_check {
	const void *reply;		/* DER of a TimeStampResp */
	size_t reply_len;
	const void *data;		/* what it must be about */
	size_t data_len;
	const void *query;		/* its nonce must come back; NULL: unknown */
	size_t query_len;
	const char *roots;		/* PEM of certificates, NULL: none */
	size_t roots_len;
};

struct cart_tsr {
	int64_t gen_ns;			/* genTime, UTC */
	char by[256];			/* subject of the signer's certificate */
	char serial[64];		/* of the token, hex */
	/* The signer's certificate leads to one of the roots, all valid at
	 * genTime and for time stamping.  Revocation is not looked at. */
	bool anchored;
	char why_not[160];		/* "" if anchored */
};

/*
 * 0: the answer was granted, is about data (SHA-256, SHA-384 or SHA-512), answers
 * the query, and is signed under the certificate for time stamping that it
 * carries; ret->anchored says whether anybody should care.  -1 with err: CRYPTO
 * if something does not hold, INPUT if it cannot be read, DENIED if the
 * authority refused, LIMIT, MEMORY.
 */
int cart_tsr_verify(const struct cart_tsr_check *c, struct cart_tsr *ret,
		    struct cart_err *err);

/* How many certificates the PEM text holds; -1 with err if it holds none, or
 * something that is not one. */
int cart_tsa_roots_count(const char *pem, size_t len, struct cart_err *err);

#endif
