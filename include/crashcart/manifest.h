/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_MANIFEST_H
#define CRASHCART_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include <crashcart/aws.h>
#include <crashcart/buf.h>
#include <crashcart/err.h>
#include <crashcart/json.h>

/*
 * A manifest: bytes in, validated and immutable out (DESIGN.md, "The
 * manifest").  Errors say "FILE:LINE: path: what is wrong; what to do".
 */
struct cart_manifest;

/* label: what messages call it (file name).  The bytes are kept. */
struct cart_manifest *cart_manifest_parse(const char *label, const void *data,
					  size_t len, struct cart_err *err);
void cart_manifest_free(struct cart_manifest *m);
const char *cart_manifest_name(const struct cart_manifest *m);
const char *cart_manifest_title(const struct cart_manifest *m);
const void *cart_manifest_bytes(const struct cart_manifest *m, size_t *ret_len);

/* Sets a parameter from the command line ("NAME=VALUE").  Type and pattern
 * are checked. */
int cart_manifest_param(struct cart_manifest *m, const char *assignment,
			struct cart_err *err);
/* Sets parameters from an object, as a resumed run finds them in the session
 * line.  Same checks. */
int cart_manifest_params_set(struct cart_manifest *m,
			     const struct cart_json *params,
			     struct cart_err *err);
/* All required parameters are there?  To be called once after all params. */
int cart_manifest_ready(struct cart_manifest *m, struct cart_err *err);
/* A line "  -p NAME=VALUE   title" for each parameter, with the value that it
 * has, or MISSING and what it must match: how many of these. */
size_t cart_manifest_params_list(const struct cart_manifest *m,
				 struct cart_buf *out);
/* Parameters as set: an object, borrowed (for the session line and resume). */
const struct cart_json *cart_manifest_params(const struct cart_manifest *m);

/* Does any step run on the host itself?  (Then a hostile environment is not
 * trusted.)  Does any step need AWS? */
bool cart_manifest_has_host_steps(const struct cart_manifest *m);
bool cart_manifest_has_aws_steps(const struct cart_manifest *m);
/* Bit set of 1 evidence, 2 containment, 4 irreversible that its steps need. */
unsigned cart_manifest_changes(const struct cart_manifest *m);

/* "rates": for cart_aws_set_rates; borrowed. */
const struct cart_aws_rate *cart_manifest_rates(const struct cart_manifest *m,
						size_t *ret_n);

/* The static plan (plan.json and `crashcart plan`): object with steps in
 * order, their calls, what they change, what they wait for. */
struct cart_json *cart_manifest_plan(const struct cart_manifest *m,
				     struct cart_err *err);
/* The IAM policy that its run needs and no more (`crashcart plan --policy`),
 * as a policy document.  Parameters that are set narrow it down.  region: of
 * its partition are the ARNs; NULL: of the first region that the manifest
 * names, else of the partition aws. */
struct cart_json *cart_manifest_policy(const struct cart_manifest *m,
				       const char *region,
				       struct cart_err *err);
/* The JSON Schema (draft 2020-12), from the step table. */
int cart_manifest_schema(struct cart_buf *out, struct cart_err *err);

#endif
