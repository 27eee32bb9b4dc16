/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_PROVE_H
#define CRASHCART_PROVE_H

/* room: bundle */

#include <crashcart/reader.h>

/*
 * One exhibit, or one file of a file set, with what proves that it is part of
 * a sealed bundle, and nothing of the other exhibits (FORMAT.md section 9).
 */
struct cart_prove_options {
	const char *bundle, *seal_path;
	const struct cart_public_key *keys;
	size_t n_keys;
	const struct cart_age_identities *identities;	/* or NULL */
	const char *exhibit;		/* "e000007" */
	const char *path;		/* of a file in a file set, or NULL */
	const char *out;		/* a new folder */
};

/* 0 with a verdict of the whole bundle (a bundle that is INVALID proves
 * nothing: nothing is left in out then); -1 with err. */
int cart_prove(const struct cart_prove_options *o, struct cart_verdict *ret,
	       struct cart_err *err);

struct cart_proof_verdict {
	enum cart_verdict_kind kind;
	char reason[512];
	char name[65], case_id[65];
	char signer_id[17], purpose[16];
	char exhibit[32];
	char what[512];			/* name or path, escaped */
	char sha256[CART_SHA256_HEX_SIZE];	/* of the content */
	uint64_t line, lines;		/* number of the log line, of all */
};

/* Checks a folder that cart_prove made, against the keys that the reader
 * trusts.  0 with a verdict; -1 with err if the folder cannot be read. */
int cart_prove_check(const char *folder, const struct cart_public_key *keys,
		     size_t n_keys, struct cart_proof_verdict *ret,
		     struct cart_err *err);

#endif
