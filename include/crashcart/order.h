/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_ORDER_H
#define CRASHCART_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/digest.h>
#include <crashcart/err.h>
#include <crashcart/json.h>
#include <crashcart/signer.h>

/* room: bundle */

/*
 * An order (FORMAT.md section 12): what an examiner signs beforehand, on a
 * machine of their own.  It names case, manifest, program and time; the session
 * key of a collection that follows it says so in its first log line.
 */

#define CART_ORDER_MAX 65536u		/* bytes of the file */
#define CART_ORDER_TOOLS_MAX 16u

struct cart_order {
	char case_id[65];
	char manifest_name[65], manifest_sha256[CART_SHA256_HEX_SIZE];
	char tool[CART_ORDER_TOOLS_MAX][CART_SHA256_HEX_SIZE];
	size_t n_tools;			/* at least 1 */
	char nonce[33];
	int64_t from_ns, until_ns;	/* counts from .. until before until */
	char by[201];			/* "" if it does not say */
};

/* Appends the file (one line of JSON) and its minisign signature.  o->nonce is
 * filled here. */
int cart_order_make(struct cart_order *o, struct cart_signer *signer,
		    struct cart_buf *ret_file, struct cart_buf *ret_minisig,
		    struct cart_err *err);
/* Strictly: exactly those keys in that order.  INPUT. */
int cart_order_parse(const void *data, size_t len, struct cart_order *ret,
		     struct cart_err *err);
/* Is the signature file about this order, and by which key does it claim to be?
 * Nothing is verified.  INPUT. */
int cart_order_signed_by(const void *file, size_t len, const void *minisig,
			 size_t minisig_len,
			 unsigned char ret_id[CART_MINISIGN_ID_SIZE],
			 struct cart_err *err);
/* Does its signature hold under this key?  CRYPTO. */
int cart_order_verify(const void *file, size_t len, const void *minisig,
		      size_t minisig_len, const struct cart_public_key *key,
		      struct cart_err *err);
/* Does the order cover this?  0; USAGE with the first thing that differs.
 * now_ns INT64_MIN: the time is not looked at. */
int cart_order_covers(const struct cart_order *o, const char *case_id,
		      const char *manifest_sha256, const char *tool_sha256,
		      int64_t now_ns, struct cart_err *err);

#endif
