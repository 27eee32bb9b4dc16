/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/timestamp.h"
#include "key_load.h"
#include "verdict_print.h"
#include "verify_remote.h"

static int load_trust(const struct cart_args *a, struct cart_trust *ret,
		      struct cart_err *err)
{
	const char *path = cart_args_value(a, "trust");
	struct cart_buf b;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (path == NULL)
		return 0;
	cart_buf_init(&b, CART_TRUST_MAX);
	rc = cart_file_read(AT_FDCWD, path, &b, err);
	if (rc == 0)
		rc = cart_trust_parse(b.data, b.len, ret, err);
	cart_buf_clear(&b);
	if (rc < 0) {
		cart_err_prefix(err, "--trust %s", path);
		err->class = CART_ERR_USAGE;
	}
	return rc;
}

/* PATH.tsr, PATH.minisig: what others said of the head then, if it is there. */
static int load_beside(const char *path, const char *end, const void **ret,
		       size_t *ret_len, struct cart_err *err)
{
	struct cart_buf name, b;
	int rc;

	cart_buf_init(&name, 8192);
	cart_buf_adds(&name, path);
	cart_buf_adds(&name, end);
	cart_buf_init(&b, CART_TSR_MAX);
	rc = cart_buf_check(&name, "path", err);
	if (rc == 0 && access((char *)name.data, F_OK) == 0) {
		rc = cart_file_read(AT_FDCWD, (char *)name.data, &b, err);
		*ret = rc == 0 ? cart_buf_steal(&b, ret_len) : NULL;
	}
	cart_buf_clear(&name);
	cart_buf_clear(&b);
	return rc;
}

/* Checkpoints that were carried away while the collection ran. */
static int load_heads(const struct cart_args *a, struct cart_verify_options *o,
		      struct cart_err *err)
{
	struct cart_kept_head *heads;
	struct cart_buf b;
	const char *path;
	size_t i, len = 0;
	char *text;
	int rc = 0;

	for (i = 0; cart_args_at(a, "head", i) != NULL; i++)
		;
	if (i == 0)
		return 0;
	heads = calloc(i, sizeof(*heads));
	o->heads = heads;
	if (heads == NULL)
		return cart_err_nomem(err);
	for (i = 0; rc == 0 && (path = cart_args_at(a, "head", i)); i++) {
		cart_buf_init(&b, 4096);
		rc = cart_file_read(AT_FDCWD, path, &b, err);
		text = rc == 0 ? cart_buf_steal(&b, &len) : NULL;
		cart_buf_clear(&b);
		if (rc == 0)
			rc = cart_kept_head_parse(text, len, &heads[i], err);
		if (rc == 0)
			rc = load_beside(path, ".tsr", &heads[i].tsr,
					 &heads[i].tsr_len, err);
		if (rc == 0)
			rc = load_beside(path, ".minisig", &heads[i].minisig,
					 &heads[i].minisig_len, err);
		if (rc < 0) {
			free(text);
			free((void *)heads[i].tsr);
			cart_err_prefix(err, "--head %s", path);
			err->class = CART_ERR_USAGE;
		} else {
			o->n_heads++;
		}
	}
	return rc;
}

static void free_heads(struct cart_verify_options *o)
{
	size_t i;

	for (i = 0; i < o->n_heads; i++) {
		free((void *)o->heads[i].text);
		free((void *)o->heads[i].tsr);
		free((void *)o->heads[i].minisig);
	}
	free((void *)o->heads);
}

/* --aws-keys FILE: answers of ListPublicKeys.  *ret is NULL if there are none. */
static int load_aws_keys(const struct cart_args *a, struct cart_json **ret,
			 struct cart_err *err)
{
	const struct cart_json_limits limits = { .inexact = true };
	struct cart_json *answer;
	const char *path;
	struct cart_buf b;
	size_t i;
	int rc = 0;

	cart_buf_init(&b, (size_t)4 << 20);
	for (i = 0; rc == 0 && (path = cart_args_at(a, "aws-keys", i)); i++) {
		cart_buf_reset(&b);
		answer = cart_file_read(AT_FDCWD, path, &b, err) < 0 ? NULL :
			cart_json_parse(b.data, b.len, &limits, err);
		if (answer && cart_json_size(cart_json_get(
				answer, "PublicKeyList")) == 0) {
			cart_err_set(err, CART_ERR_USAGE, 0, "it is not what "
				     "`aws cloudtrail list-public-keys` prints, "
				     "or holds no key");
			cart_json_free(answer);
			answer = NULL;
		}
		if (!*ret)
			*ret = cart_json_new_array();
		if (!answer || !cart_json_append(*ret, answer)) {
			cart_err_prefix(err, "--aws-keys %s", path);
			err->class = CART_ERR_USAGE;
			rc = -1;
		}
	}
	cart_buf_clear(&b);
	return rc;
}

static int verify(const struct cart_args *a)
{
	struct cart_json *aws_keys = NULL;
	struct cart_trust trust = { 0 };
	struct cart_verify_options o = { 0 };
	struct cart_findings findings = { 0 };
	struct cart_public_key *keys = NULL;
	struct cart_buf roots;
	struct cart_age_identities *ids = NULL;
	struct cart_verdict v;
	struct cart_err err = { 0 };
	int status;

	o.bundle = a->positional[0];
	o.seal_path = cart_args_value(a, "seal");
	if (strcmp(o.bundle, "-") == 0 && o.seal_path == NULL)
		return cart_command_usage(a, "a bundle on a pipe wants --seal FILE");
	if (cart_verify_remote_open(a, o.bundle, &o.source, &err) < 0)
		return cart_command_fail(a, &err);
	o.stored_only = cart_args_flag(a, "no-download");
	if (cart_key_public_all(a, "pubkey", &keys, &o.n_keys, &err) < 0) {
		err.class = CART_ERR_USAGE;
		cart_verify_remote_close(o.source);
		return cart_command_fail(a, &err);
	}
	o.keys = keys;
	cart_buf_init(&roots, CART_TSA_ROOTS_MAX);
	if (cart_tsa_roots_load(a, &roots, &err) < 0 ||
	    load_aws_keys(a, &aws_keys, &err) < 0 ||
	    load_heads(a, &o, &err) < 0 || load_trust(a, &trust, &err) < 0 ||
	    cart_identity_option(a, &ids, &err) < 0) {
		free(keys);
		cart_json_free(aws_keys);
		free_heads(&o);
		cart_buf_clear(&roots);
		cart_trust_clear(&trust);
		cart_verify_remote_close(o.source);
		return cart_command_fail(a, &err);
	}
	if (cart_args_value(a, "trust") != NULL)
		o.trust = &trust;
	o.tsa_roots = (const char *)roots.data;
	o.tsa_roots_len = roots.len;
	o.aws_keys = aws_keys;
	findings.aws_keys = aws_keys != NULL;
	o.identities = ids;
	o.progress = cart_verdict_progress;
	o.attestation = cart_findings_add;
	o.attestation_arg = &findings;
	cart_verdict_sandbox(NULL, findings.sandbox);
	if (cart_verify(&o, &v, &err) < 0) {
		cart_msg_progress_end();
		status = cart_command_fail(a, &err);
	} else {
		cart_msg_progress_end();
		findings.objects = cart_verify_remote_objects(o.source);
		cart_verdict_print_all(&v, o.n_keys + trust.n, &findings,
				       cart_args_flag(a, "json"));
		status = (int)v.kind;
	}
	cart_findings_clear(&findings);
	cart_verify_remote_close(o.source);
	cart_age_identities_free(ids);
	free(keys);
	cart_json_free(aws_keys);
	cart_buf_clear(&roots);
	cart_trust_clear(&trust);
	free_heads(&o);
	return status;
}

const struct cart_command cart_cmd_verify = {
	.name = "verify",
	.summary = "Check a bundle, offline: is it whole, and who sealed it?",
	.usage = "BUNDLE [--pubkey FILE|BASE64]... [--seal FILE]",
	.min_positional = 1,
	.max_positional = 1,
	.options = cart_verify_options,
	.about =
"BUNDLE is NAME.tar, NAME.seal, the folder that holds them, an extracted bag,\n"
"- (standard input, with --seal), or s3://BUCKET/PREFIX[/NAME.tar], which needs\n"
"s3:ListBucket and s3:GetObject (crashcart-verify makes no connection: there\n"
"download first).  Nothing is extracted or changed.\n"
"More segments than the seal names are invalid (F2), since which of them are the\n"
"bundle is then a choice: in a locked bucket put a delete marker over an object\n"
"that somebody added, and verify again.\n"
"\n"
"--no-download compares the seal with length and SHA-256 of each part that S3\n"
"says it holds, and shows versions, locks and legal holds.  If all agrees: 5\n"
"cannot tell, for that is AWS's word: the bytes, and what is inside, were not\n"
"read.  Needs s3:GetObjectAttributes (with versions\n"
"s3:GetObjectVersionAttributes) and, for what locks, s3:GetObjectRetention and\n"
"s3:GetObjectLegalHold.\n"
"\n"
"Exit status: 0 valid; 4 invalid: something does not match, whoever signed;\n"
"5 cannot tell: all holds, but no key that you named signed it, or (with\n"
"--tsa-ca) no authority that you named anchored its time.  What AWS signed of\n"
"the exhibits (by certificates in this program), and what is consistent (by\n"
"keys that the bundle holds), is checked too, but does not change the status.\n"
"With --aws-keys, which AWS gives for a region and a time (aws cloudtrail\n"
"list-public-keys --region R --start-time T --end-time T), those keys alone\n"
"count for CloudTrail's digests: what they signed, AWS signed.\n"
"\n"
"A trust file has the first line `crashcart-trust 1`; then a line for each key,\n"
"KEY FROM TO REVOKED NAME: the 56 characters of a public key, times in UTC\n"
"(YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, or - for none), and who it is.  A seal\n"
"counts from FROM on by its anchored time, else by the time that the log states.\n"
"With a TO or REVOKED only what an anchored time (--tsa-ca) shows to be before\n"
"that counts, a counter-signature by its own (countersign --timestamp).  Lines\n"
"that begin with # say nothing.\n"
"\n"
"Example:\n"
"  crashcart verify IR-7-b01.tar --pubkey lab.pub\n"
"  ssh vault cat IR-7-b01.tar |\n"
"      crashcart verify - --seal IR-7-b01.seal -P lab.pub\n",
	.run = verify,
};
