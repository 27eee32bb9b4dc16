/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/timestamp.h"
#include "key_load.h"
#include "verdict_print.h"

/* Certificates of time stamping authorities. */
static int load_roots(const struct cart_args *a, struct cart_buf *ret,
		      struct cart_err *err)
{
	const char *path;
	struct cart_buf one;
	size_t i;
	int rc = 0;

	cart_buf_init(&one, CART_TSA_ROOTS_MAX);
	for (i = 0; rc == 0 && (path = cart_args_at(a, "tsa-ca", i)); i++) {
		cart_buf_reset(&one);
		rc = cart_file_read(AT_FDCWD, path, &one, err);
		if (rc == 0 && cart_tsa_roots_count((const char *)one.data,
						    one.len, err) < 0)
			rc = -1;
		if (rc < 0) {
			cart_err_prefix(err, "--tsa-ca %s", path);
			err->class = CART_ERR_USAGE;
		} else {
			cart_buf_add(ret, one.data, one.len);
			cart_buf_addc(ret, '\n');
			rc = cart_buf_check(ret, "--tsa-ca", err);
		}
	}
	cart_buf_clear(&one);
	return rc;
}

static int verify(const struct cart_args *a)
{
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
	if (cart_key_public_all(a, "pubkey", &keys, &o.n_keys, &err) < 0) {
		err.class = CART_ERR_USAGE;
		return cart_command_fail(a, &err);
	}
	o.keys = keys;
	cart_buf_init(&roots, CART_TSA_ROOTS_MAX);
	if (load_roots(a, &roots, &err) < 0 ||
	    cart_identity_option(a, &ids, &err) < 0) {
		free(keys);
		cart_buf_clear(&roots);
		return cart_command_fail(a, &err);
	}
	o.tsa_roots = (const char *)roots.data;
	o.tsa_roots_len = roots.len;
	o.identities = ids;
	o.progress = cart_verdict_progress;
	o.attestation = cart_findings_add;
	o.attestation_arg = &findings;
	if (cart_verify(&o, &v, &err) < 0) {
		cart_msg_progress_end();
		status = cart_command_fail(a, &err);
	} else {
		cart_msg_progress_end();
		cart_verdict_print_all(&v, o.n_keys, &findings,
				       cart_args_flag(a, "json"));
		status = (int)v.kind;
	}
	cart_findings_clear(&findings);
	cart_age_identities_free(ids);
	free(keys);
	cart_buf_clear(&roots);
	return status;
}

static const struct cart_option options[] = {
	{ "pubkey", 'P', "FILE|BASE64", true,
	  "A key that you trust; it must come from outside the bundle." },
	{ "tsa-ca", 0, "FILE", true,
	  "Roots (PEM) of time stamping authorities that you trust." },
	CMD_IDENTITY_OPTION,
	{ "seal", 0, "FILE", false,
	  "The seal, where it does not lie beside the bundle." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_verify = {
	.name = "verify",
	.summary = "Check a bundle, offline: is it whole, and who sealed it?",
	.usage = "BUNDLE [--pubkey FILE|BASE64]... [--seal FILE]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"BUNDLE is NAME.tar, NAME.seal, the folder that holds them, an extracted bag,\n"
"or - (standard input, with --seal).  Nothing is extracted or changed.\n"
"\n"
"Exit status: 0 valid; 4 invalid: something does not match, whoever signed;\n"
"5 cannot tell: all holds, but no key that you named signed it, or (with\n"
"--tsa-ca) no authority that you named anchored its time.  What AWS signed of\n"
"the exhibits is checked too, but does not change the status.\n"
"\n"
"Example:\n"
"  crashcart verify IR-7-b01.tar --pubkey lab.pub\n"
"  ssh vault cat IR-7-b01.tar |\n"
"      crashcart verify - --seal IR-7-b01.seal -P lab.pub\n",
	.run = verify,
};
