/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_VERIFY_REMOTE_H
#define CMD_VERIFY_REMOTE_H

#include "command.h"
#include "crashcart/json.h"
#include "crashcart/reader.h"
#include "key_load.h"

/*
 * A bundle that is not in files here: defined in verify_s3.c, and in
 * verify_main.c for the program that makes no connection.
 */

#define CMD_VERIFY_OPTIONS \
	{ "pubkey", 'P', "FILE|BASE64", true, \
	  "A key that you trust; it must come from outside the bundle." }, \
	{ "trust", 0, "FILE", false, \
	  "Whose keys count, and when (see below)." }, \
	{ "tsa-ca", 0, "FILE", true, \
	  "Roots (PEM) of time stamping authorities that you trust." }, \
	{ "aws-keys", 0, "FILE", true, \
	  "CloudTrail's public keys, as `aws cloudtrail list-public-keys` says." }, \
	CMD_IDENTITY_OPTION, \
	{ "head", 0, "FILE", true, \
	  "A head of the log that --witness put away (and what lies beside it)." }, \
	{ "seal", 0, "FILE", false, \
	  "The seal, where it does not lie beside the bundle." }

extern const struct cart_option cart_verify_options[];

/* Before keys are read and the sandbox is entered: what is read from a network
 * is fetched by a process of its own.  *ret is NULL if the bundle is not
 * s3://...  0, or -1 with err. */
int cart_verify_remote_open(const struct cart_args *a, const char *url,
			    struct cart_source **ret, struct cart_err *err);
/* Accepts NULL. */
void cart_verify_remote_close(struct cart_source *s);
/* What was said of each object, an array of the caller's; NULL if nothing. */
struct cart_json *cart_verify_remote_objects(struct cart_source *s);

#endif
