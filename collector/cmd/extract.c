/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "crashcart/msg.h"
#include "key_load.h"
#include "verdict_print.h"

/* "e000007" */
static bool is_id(const char *s)
{
	return s[0] == 'e' && strlen(s) >= 7 &&
		strspn(s + 1, "0123456789") == strlen(s + 1);
}

/* Which of the exhibits that were asked for was not written; or NULL. */
static const char *find_missing(const char *out, const char *const *ids)
{
	const char *missing = NULL;
	struct dirent *e;
	DIR *d;

	for (; *ids != NULL && missing == NULL; ids++) {
		size_t n = strlen(*ids);

		d = opendir(out);
		missing = *ids;
		while (d != NULL && (e = readdir(d)) != NULL)
			if (strncmp(e->d_name, *ids, n) == 0 &&
			    e->d_name[n] == '-')
				missing = NULL;
		if (d != NULL)
			closedir(d);
	}
	return missing;
}

/* What cart_extract() wrote, and what that means. */
static int conclude(const struct cart_args *a, const struct cart_extract_options *o,
		    const struct cart_verdict *v)
{
	const char *missing = NULL;

	cart_verdict_print(v, o->verify.n_keys, cart_args_flag(a, "json"));
	if (v->kind == CART_VERDICT_INVALID) {
		cart_msg(CART_MSG_ERROR, "what was written to %s is not to be "
			 "relied on", o->out);
		return CART_EXIT_INVALID;
	}
	if (o->exhibits != NULL && !o->as_stored)
		missing = find_missing(o->out, o->exhibits);
	if (missing != NULL) {
		cart_msg(CART_MSG_ERROR, "the bundle has no exhibit %s; "
			 "`crashcart list` shows what there is", missing);
		return CART_EXIT_FAILED;
	}
	cart_msg(CART_MSG_NOTE, "written to %s", o->out);
	return (int)v->kind;		/* valid or cannot tell, as verify's */
}

static int extract(const struct cart_args *a)
{
	struct cart_extract_options o = { 0 };
	struct cart_public_key *keys = NULL;
	struct cart_age_identities *ids = NULL;
	struct cart_verdict v;
	struct cart_err err = { 0 };
	int status, i;

	o.verify.bundle = a->positional[0];
	o.verify.seal_path = cart_args_value(a, "seal");
	o.verify.progress = cart_verdict_progress;
	o.out = cart_args_value(a, "out");
	o.as_stored = cart_args_flag(a, "as-stored");
	if (a->n_positional > 1)
		o.exhibits = (const char *const *)a->positional + 1;
	if (o.out == NULL)
		return cart_command_usage(a, "say where to: --out FOLDER "
					  "(a new folder)");
	for (i = 1; i < (int)a->n_positional; i++)
		if (!is_id(a->positional[i]))
			return cart_command_usage(a, "'%s' is no exhibit: they "
				"are named such as e000007 (`crashcart list`)",
				a->positional[i]);
	if (cart_key_public_all(a, "pubkey", &keys, &o.verify.n_keys, &err) < 0) {
		err.class = CART_ERR_USAGE;
		return cart_command_fail(a, &err);
	}
	o.verify.keys = keys;
	if (cart_identity_option(a, &ids, &err) < 0) {
		free(keys);
		return cart_command_fail(a, &err);
	}
	o.verify.identities = ids;
	cart_verdict_sandbox(o.out, NULL);
	if (cart_extract(&o, &v, &err) < 0) {
		cart_msg_progress_end();
		status = cart_command_fail(a, &err);
	} else {
		cart_msg_progress_end();
		status = conclude(a, &o, &v);
	}
	cart_age_identities_free(ids);
	free(keys);
	return status;
}

static const struct cart_option options[] = {
	{ "out", 'o', "FOLDER", false, "Where to: a folder that is not there yet." },
	{ "as-stored", 0, NULL, false,
	  "The members as they are, parts compressed." },
	{ "pubkey", 'P', "FILE|BASE64", true, "A key that you trust." },
	CMD_IDENTITY_OPTION,
	{ "seal", 0, "FILE", false,
	  "The seal, where it does not lie beside the bundle." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_extract = {
	.name = "extract",
	.summary = "Write exhibits out as files, verifying all of it.",
	.usage = "BUNDLE --out FOLDER [EXHIBIT]...",
	.min_positional = 1,
	.max_positional = CART_ARGS_MAX,
	.options = options,
	.about =
"EXHIBIT is an id such as e000007 (`crashcart list`); none means all.  Parts\n"
"are joined and inflated, file sets become a tree, and each result is hashed\n"
"again and compared with the log.  Nothing outside FOLDER is touched, whatever\n"
"names the evidence holds.\n"
"The exit status is that of verify: 5 if all was written and is whole, but no\n"
"key that you named with --pubkey vouches for it; 4 if it is not to be relied on.\n"
"\n"
"Examples:\n"
"  crashcart extract IR-7-b01.tar --out evidence --pubkey RWQ...\n"
"  crashcart extract IR-7-b01.tar --out one e000007\n",
	.run = extract,
};
