/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_VERDICT_PRINT_H
#define CMD_VERDICT_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crashcart/reader.h"
#include "crashcart/sandbox.h"

/* Prints a verdict on stdout, in words or as one JSON object.  n_keys: how
 * many keys the reader named. */
void cart_verdict_print(const struct cart_verdict *v, size_t n_keys, bool json);

/* Attestations of a verification, in its order, as --json prints them. */
struct cart_findings {
	struct cart_json *list;		/* NULL: none yet */
	uint64_t left_out;		/* beyond 10,000 */
	bool aws_keys;			/* were given */
	struct cart_json *objects;	/* of S3, as --json prints them; or NULL */
	char sandbox[CART_SANDBOX_TEXT_SIZE];	/* of this process */
};
/* For cart_verify_options.attestation; arg is a struct cart_findings. */
void cart_findings_add(void *arg, const struct cart_attestation *a);
void cart_findings_clear(struct cart_findings *f);
/* As cart_verdict_print, with what others signed. */
void cart_verdict_print_all(const struct cart_verdict *v, size_t n_keys,
			    const struct cart_findings *f, bool json);
/* From here on an enemy's bytes are read: cart_sandbox_enter, with the folder of
 * out (NULL or "-": no output) as what may be written.  ret_text may be NULL. */
void cart_verdict_sandbox(const char *out, char *ret_text);
/* The word for a verdict: "valid", "invalid", "cannot-tell". */
const char *cart_verdict_word(enum cart_verdict_kind kind);
/* For cart_verify_options.progress. */
void cart_verdict_progress(void *arg, uint64_t done, uint64_t total);

#endif
