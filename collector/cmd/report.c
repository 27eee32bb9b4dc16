/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/timestamp.h"
#include "key_load.h"
#include "report_data.h"
#include "verdict_print.h"

static int write_out(const char *path, const struct cart_buf *b,
		     struct cart_err *err)
{
	if (strcmp(path, "-") == 0)
		return cart_fd_write(1, b->data, b->len, err);
	return cart_file_write_new(AT_FDCWD, path, b->data, b->len, 0644, err);
}

static int report(const struct cart_args *a)
{
	const char *out = cart_args_value(a, "out");
	struct cart_verify_options o = { 0 };
	struct cart_public_key *keys = NULL;
	struct cart_age_identities *ids = NULL;
	struct cart_report *r = NULL;
	struct cart_verdict v = { 0 };
	struct cart_err err = { 0 };
	struct cart_buf page, roots;
	int status;

	cart_buf_init(&page, (size_t)64 << 20);
	cart_buf_init(&roots, CART_TSA_ROOTS_MAX);
	if (out == NULL)
		return cart_command_usage(a, "say where to: --out FILE.html");
	o.bundle = a->positional[0];
	o.seal_path = cart_args_value(a, "seal");
	o.progress = cart_verdict_progress;
	if (cart_key_public_all(a, "pubkey", &keys, &o.n_keys, &err) < 0) {
		err.class = CART_ERR_USAGE;
		goto fail;
	}
	o.keys = keys;
	if (cart_tsa_roots_load(a, &roots, &err) < 0 ||
	    cart_identity_option(a, &ids, &err) < 0)
		goto fail;
	o.tsa_roots = (const char *)roots.data;
	o.tsa_roots_len = roots.len;
	o.identities = ids;
	cart_verdict_sandbox(out, NULL);
	r = cart_report_read(&o, &v, &err);
	cart_msg_progress_end();
	if (r == NULL)
		goto fail;
	cart_report_page(r, &v, o.n_keys, cart_args_flag(a, "902"), &page);
	if (cart_buf_check(&page, "the page", &err) < 0 ||
	    write_out(out, &page, &err) < 0)
		goto fail;
	cart_msg(CART_MSG_NOTE, "%s: %s, %zu bytes", out,
		 v.kind == CART_VERDICT_VALID ? "report of a valid bundle" :
		 v.kind == CART_VERDICT_INVALID ? "report of an invalid bundle" :
		 "report of a bundle that no key you named vouches for",
		 page.len);
	if (v.kind == CART_VERDICT_INVALID)
		cart_msg(CART_MSG_ERROR, "INVALID: %s; the page says so on top",
			 v.reason);
	status = v.kind == CART_VERDICT_INVALID ? CART_EXIT_INVALID :
		CART_EXIT_OK;
	goto out;
fail:
	status = cart_command_fail(a, &err);
out:
	cart_report_free(r);
	cart_buf_clear(&page);
	cart_buf_clear(&roots);
	cart_age_identities_free(ids);
	free(keys);
	return status;
}

static const struct cart_option options[] = {
	{ "out", 'o', "FILE", false, "Where to: a new file, or - for stdout." },
	{ "pubkey", 'P', "FILE|BASE64", true, "A key that you trust." },
	CMD_IDENTITY_OPTION,
	{ "seal", 0, "FILE", false,
	  "The seal, where it does not lie beside the bundle." },
	{ "tsa-ca", 0, "FILE", true,
	  "Roots (PEM) of a time stamping authority that you trust." },
	{ "902", 0, NULL, false,
	  "Add a draft certification under US evidence rule 902(13), (14)." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_report = {
	.name = "report",
	.summary = "Write one page for a person who was not there.",
	.usage = "BUNDLE --out FILE.html [--pubkey FILE|BASE64]... [--902]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"One self-contained HTML page without script or outside reference: the verdict,\n"
"the case, custody, what was collected, what was not and why, a timeline,\n"
"clocks, tools and hashes, limits, and how to check by hand.  The bundle is\n"
"verified while it is read.\n"
"\n"
"Exit status: 0 the page was written; 4 the same, of an invalid bundle.\n"
"\n"
"Example:\n"
"  crashcart report IR-7-b01.tar --out IR-7.html --pubkey RWQ...\n",
	.run = report,
};
