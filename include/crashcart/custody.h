/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_CUSTODY_H
#define CRASHCART_CUSTODY_H

/* room: bundle */

#include <stdbool.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/reader.h>

/*
 * The hand-over record of a bundle (FORMAT.md section 10): one file an entry
 * in NAME.custody/, each naming the hash of the one before, each signed.
 */
struct cart_custody_entry {
	const char *event;	/* "released", "received", "note" */
	const char *by;		/* who acts: name and role */
	const char *other;	/* to whom, or from whom; NULL */
	const char *purpose, *method, *storage, *text;	/* or NULL */
	const char *verdict;	/* received: what the full verification said */
	bool one_file;		/* its signature goes into NNNNNN.json, too */
};

/* Appends an entry for the bundle whose verdict (just made) is v, signed.
 * folder: NAME.custody, made if it is not there.  ret_head gets the SHA-256
 * of the new entry: both sides keep it.  USAGE: it cannot follow the entry
 * before it (received by another than released to); CRYPTO: the chain does
 * not hold. */
int cart_custody_add(const char *folder, const struct cart_verdict *v,
		     const char *seal_sha256, const struct cart_custody_entry *e,
		     struct cart_signer *signer, int64_t utc_ns,
		     char ret_head[CART_SHA256_HEX_SIZE], struct cart_err *err);

struct cart_custody_verdict {
	enum cart_verdict_kind kind;
	char reason[512];
	uint64_t entries, trusted;	/* of them signed by a named key */
	bool open_release;		/* the last release was not received: */
	char released_by[512], released_to[512];	/* whose it is */
	char head[CART_SHA256_HEX_SIZE];
};

/* Reads and checks the chain: numbers without gap, hashes, signatures, that
 * all speak of this root and seal, and that every "received" answers the
 * "released" before it, and names the same two.  head: a head that a party
 * kept, which must be in the chain; or NULL.  show (may be NULL) gets each
 * entry, parsed, with the key id that signed it and whether a named key did. */
int cart_custody_check(const char *folder, const char *root,
		       const char *seal_sha256,
		       const struct cart_public_key *keys, size_t n_keys,
		       const char *head,
		       void (*show)(void *arg, const struct cart_json *entry,
				    const char *key_id, bool trusted,
				    const char *sha256), void *arg,
		       struct cart_custody_verdict *ret, struct cart_err *err);

#endif
