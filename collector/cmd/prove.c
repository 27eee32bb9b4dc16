/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "crashcart/json.h"
#include "crashcart/msg.h"
#include "crashcart/prove.h"
#include "crashcart/text.h"
#include "key_load.h"
#include "verdict_print.h"

static void print_check(const struct cart_proof_verdict *v, bool json)
{
	struct cart_json *j;
	struct cart_buf b;

	cart_buf_init(&b, 65536);
	if (json) {
		j = cart_json_new_object();
		cart_json_add(j, "verdict", cart_json_new_string(
			      cart_verdict_word(v->kind)));
		cart_json_add(j, "exit", cart_json_new_int(v->kind));
		cart_json_add(j, "reason", cart_json_new_string(v->reason));
		cart_json_add(j, "bundle", cart_json_new_string(v->name));
		cart_json_add(j, "case", cart_json_new_string(v->case_id));
		cart_json_add(j, "signer", cart_json_new_string(v->signer_id));
		cart_json_add(j, "exhibit", cart_json_new_string(v->exhibit));
		cart_json_add(j, "what", cart_json_new_string(v->what));
		cart_json_add(j, "sha256", cart_json_new_string(v->sha256));
		cart_json_add(j, "line", cart_json_new_int((int64_t)v->line));
		cart_json_add(j, "lines", cart_json_new_int((int64_t)v->lines));
		cart_json_print(j, 0, &b);
		cart_json_free(j);
	} else {
		cart_buf_addf(&b, "%s\nBecause       %s\n",
			      v->kind == CART_VERDICT_VALID ? "VALID" :
			      v->kind == CART_VERDICT_INVALID ? "INVALID" :
			      "CANNOT TELL", v->reason);
		if (v->kind != CART_VERDICT_INVALID) {
			cart_buf_addf(&b, "Exhibit       %s, ", v->exhibit);
			cart_text_escape(v->what, strlen(v->what), &b);
			cart_buf_addf(&b, "\nSHA-256       %s\nIn            "
				      "bundle %s, case %s, log line %" PRIu64
				      " of %" PRIu64 "\nSigned by     key %s (%s "
				      "key)", v->sha256, v->name, v->case_id,
				      v->line, v->lines, v->signer_id,
				      v->purpose);
		}
	}
	if (cart_buf_ok(&b))
		printf("%s\n", (char *)b.data);
	cart_buf_clear(&b);
}

static int check(const struct cart_args *a, const struct cart_public_key *keys,
		 size_t n_keys)
{
	struct cart_proof_verdict v;
	struct cart_err err = { 0 };

	cart_verdict_sandbox(NULL, NULL);
	if (cart_prove_check(a->positional[0], keys, n_keys, &v, &err) < 0)
		return cart_command_fail(a, &err);
	print_check(&v, cart_args_flag(a, "json"));
	return (int)v.kind;
}

static int write_proof(const struct cart_args *a,
		       const struct cart_public_key *keys, size_t n_keys,
		       const struct cart_age_identities *ids)
{
	struct cart_prove_options o = { 0 };
	struct cart_verdict v = { 0 };
	struct cart_err err = { 0 };

	o.bundle = a->positional[0];
	o.exhibit = a->positional[1];
	o.seal_path = cart_args_value(a, "seal");
	o.path = cart_args_value(a, "path");
	o.out = cart_args_value(a, "out");
	o.keys = keys;
	o.identities = ids;
	o.n_keys = n_keys;
	if (o.out == NULL)
		return cart_command_usage(a, "say where to: --out FOLDER "
					  "(a new folder)");
	cart_verdict_sandbox(o.out, NULL);
	if (cart_prove(&o, &v, &err) < 0)
		return cart_command_fail(a, &err);
	if (v.kind == CART_VERDICT_INVALID) {
		cart_verdict_print(&v, n_keys, cart_args_flag(a, "json"));
		cart_msg(CART_MSG_ERROR, "nothing was written: the bundle does "
			 "not hold");
		return CART_EXIT_INVALID;
	}
	printf("%s\n", o.out);
	return CART_EXIT_OK;
}

static int prove(const struct cart_args *a)
{
	struct cart_age_identities *ids = NULL;
	struct cart_public_key *keys = NULL;
	struct cart_err err = { 0 };
	size_t n_keys = 0;
	int status;

	if (cart_key_public_all(a, "pubkey", &keys, &n_keys, &err) < 0 ||
	    cart_identity_option(a, &ids, &err) < 0) {
		free(keys);
		err.class = CART_ERR_USAGE;
		return cart_command_fail(a, &err);
	}
	if (cart_args_flag(a, "check") != (a->n_positional == 1))
		status = cart_command_usage(a, "name a bundle and an exhibit, "
					    "or a folder with --check");
	else if (cart_args_flag(a, "check"))
		status = check(a, keys, n_keys);
	else
		status = write_proof(a, keys, n_keys, ids);
	cart_age_identities_free(ids);
	free(keys);
	return status;
}

static const struct cart_option options[] = {
	{ "out", 'o', "FOLDER", false, "Where to: a folder that is not there yet." },
	{ "path", 0, "PATH", false, "One file of a file set: its path on the host." },
	{ "check", 0, NULL, false, "Check a folder that this command made." },
	{ "pubkey", 'P', "FILE|BASE64", true, "A key that you trust." },
	CMD_IDENTITY_OPTION,
	{ "seal", 0, "FILE", false,
	  "The seal, where it does not lie beside the bundle." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_prove = {
	.name = "prove",
	.summary = "Hand over one exhibit with its proof, without the rest.",
	.usage = "BUNDLE EXHIBIT --out FOLDER | --check FOLDER",
	.min_positional = 1,
	.max_positional = 2,
	.options = options,
	.about =
"Writes content, line.json (its log line), line.tlog-proof (C2SP: the line is in\n"
"the log), tagmanifest-sha256.txt and its signature.  Every log line carries a\n"
"random salt, so that the hashes tell nothing about other exhibits.  The check\n"
"needs this folder and a key; FORMAT.md section 9 does it with sha256sum, base64,\n"
"openssl and minisign alone.\n"
"\n"
"Examples:\n"
"  crashcart prove IR-7-b01.tar e000007 --out e7\n"
"  crashcart prove IR-7-b01.tar e000030 --path /etc/crontab --out crontab\n"
"  crashcart prove --check e7 --pubkey RWQ...\n"
"\n"
"Exit status of --check: 0 valid; 4 invalid; 5 no key that you named signed.\n",
	.run = prove,
};
