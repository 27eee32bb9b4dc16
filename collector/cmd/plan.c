/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "aws_session.h"
#include "command.h"
#include "crashcart/engine.h"
#include "crashcart/json.h"
#include "crashcart/text.h"
#include "manifest_load.h"
#include "plan_check.h"
#include "upload.h"

static void add_text(struct cart_buf *b, const struct cart_json *j)
{
	const char *s = cart_json_string(j);

	if (s != NULL)
		cart_text_escape(s, strlen(s), b);
	else
		cart_json_print(j, 0, b);
}

static void add_list(struct cart_buf *b, const char *label,
		     const struct cart_json *list)
{
	const struct cart_json *e;

	if (cart_json_size(list) == 0)
		return;
	cart_buf_addf(b, "      %s ", label);
	if (cart_json_type(list) != CART_JSON_ARRAY) {
		add_text(b, list);
	} else {
		for (e = cart_json_first(list); e != NULL; e = cart_json_next(e)) {
			add_text(b, e);
			if (cart_json_next(e) != NULL)
				cart_buf_adds(b, ", ");
		}
	}
	cart_buf_addc(b, '\n');
}

static void add_calls(struct cart_buf *b, const struct cart_json *calls)
{
	const struct cart_json *c, *rate;
	const char *note;
	bool secret;

	for (c = cart_json_first(calls); c != NULL; c = cart_json_next(c)) {
		cart_buf_adds(b, cart_json_bool(cart_json_get(c, "changes")) ?
			      "    ! " : "      ");
		add_text(b, cart_json_get(c, "call"));
		secret = cart_json_bool(cart_json_get(c, "secret"));
		if (secret)
			cart_buf_adds(b, "   SECRETS in the reply");
		note = cart_json_get_string(c, "note");
		if (note != NULL && *note != '\0')
			cart_buf_addf(b, "   (%s)", note);
		rate = cart_json_get(c, "per_second");
		if (rate != NULL)
			cart_buf_addf(b, "   %g/s", cart_json_number(rate));
		cart_buf_addc(b, '\n');
	}
}

static void add_step(struct cart_buf *b, const struct cart_json *step)
{
	const char *changes = cart_json_get_string(step, "changes");

	cart_buf_adds(b, "\n  ");
	add_text(b, cart_json_get(step, "id"));
	cart_buf_adds(b, "  ");
	add_text(b, cart_json_get(step, "do"));
	if (changes != NULL)
		cart_buf_addf(b, "   CHANGES %s: needs --allow %s%s", changes,
			      changes, cart_json_bool(cart_json_get(step,
			      "if_allowed")) ? ", is skipped without" : "");
	cart_buf_addc(b, '\n');
	add_calls(b, cart_json_get(step, "calls"));
	add_list(b, "in regions", cart_json_get(step, "regions"));
	add_list(b, "in accounts", cart_json_get(step, "accounts"));
	add_list(b, "for each of", cart_json_get(step, "for_each"));
	add_list(b, "when", cart_json_get(step, "when"));
	add_list(b, "after", cart_json_get(step, "after"));
}

static int print_words(const struct cart_manifest *m, const struct cart_json *plan)
{
	const struct cart_json *step;
	struct cart_buf b, params;
	int rc = CART_EXIT_FAILED;
	size_t missing;

	cart_buf_init(&b, (size_t)16 << 20);
	cart_buf_init(&params, (size_t)1 << 20);
	cart_buf_addf(&b, "%s: %s\n", cart_manifest_name(m),
		      cart_manifest_title(m));
	missing = cart_manifest_params_list(m, &params);
	if (params.len > 0)
		cart_buf_addf(&b, "\nParameters:\n%s", (char *)params.data);
	for (step = cart_json_first(cart_json_get(plan, "steps")); step != NULL;
	     step = cart_json_next(step))
		add_step(&b, step);
	if (cart_manifest_has_aws_steps(m))
		cart_buf_adds(&b, "\nN/s: at most so many calls a second in each "
			      "account and region.");
	if (cart_manifest_changes(m) == 0)
		cart_buf_adds(&b, "\nNothing is changed anywhere.\n");
	else
		cart_buf_adds(&b, "\nCalls marked ! change something; each "
			      "needs the --allow that its step names.\n");
	if (missing > 0)
		cart_buf_adds(&b, "To collect, give what is MISSING above.\n");
	if (cart_buf_ok(&params) && cart_buf_ok(&b) &&
	    fwrite(b.data, 1, b.len, stdout) == b.len)
		rc = CART_EXIT_OK;
	cart_buf_clear(&params);
	cart_buf_clear(&b);
	return rc;
}

/* Where the policy's ARNs lie. */
static const char *region_of(const struct cart_args *a,
			     const struct cart_env *env)
{
	static const char *const names[] = { "AWS_REGION", "AWS_DEFAULT_REGION" };
	const char *region = cart_args_value(a, "region");
	size_t i;

	for (i = 0; region == NULL && i < 2; i++) {
		region = cart_env_get(env, names[i]);
		if (region != NULL && *region == '\0')
			region = NULL;
	}
	return region;
}

static int plan(const struct cart_args *a)
{
	struct cart_env *env = cart_env_take();
	struct cart_manifest *m;
	struct cart_json *j = NULL;
	struct cart_err err = { 0 };
	bool policy = cart_args_flag(a, "policy");
	/* to read it, one need not know yet what it will be about */
	bool words = !policy && !cart_args_flag(a, "check") &&
		!cart_args_flag(a, "json");
	struct cart_buf b;
	int status;

	cart_buf_init(&b, (size_t)16 << 20);
	m = cart_manifest_load(a, a->positional[0], false, NULL, &err);
	if (m != NULL && !(words && cart_manifest_params_list(m, &b) > 0) &&
	    cart_manifest_ready(m, &err) < 0) {
		err.class = CART_ERR_USAGE;
		cart_manifest_free(m);
		m = NULL;
	}
	cart_buf_reset(&b);
	if (m != NULL && !cart_args_flag(a, "check"))
		j = policy ? cart_manifest_policy(m, region_of(a, env), &err) :
			cart_manifest_plan(m, &err);
	if (m != NULL && cart_args_flag(a, "check")) {
		status = cart_plan_check(a, env, m);
	} else if (j == NULL) {
		status = cart_command_fail(a, &err);
	} else if (policy || cart_args_flag(a, "json")) {
		cart_json_print(j, 4, &b);
		cart_buf_addc(&b, '\n');
		status = cart_buf_ok(&b) &&
			fwrite(b.data, 1, b.len, stdout) == b.len ?
			CART_EXIT_OK : CART_EXIT_FAILED;
	} else {
		status = print_words(m, j);
	}
	cart_buf_clear(&b);
	cart_json_free(j);
	cart_manifest_free(m);
	cart_env_free(env);
	return status;
}

static const struct cart_option options[] = {
	{ "param", 'p', "NAME=VALUE", true, "Set a parameter of the manifest." },
	{ "policy", 0, NULL, false,
	  "Print the IAM policy that the run needs, and no more." },
	{ "check", 0, NULL, false,
	  "Tell beforehand what a run would miss: asks AWS, changes nothing." },
	{ "out", 'o', "FOLDER|FILE.tar|-|s3://...", false,
	  "With --check: where the bundle is to go; in S3 an upload is tried." },
	{ "segment", 0, "SIZE", false, "With --check: as for collect." },
	{ "key", 0, "FILE", false, "With --check: the key that is to seal." },
	{ "password-fd", 0, "N", false,
	  "With --check: read the key's password from descriptor N." },
	{ "expect-account", 0, "ID", false,
	  "With --check: the account that credentials must be of." },
	CMD_UPLOAD_OPTIONS,
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_plan = {
	.name = "plan",
	.summary = "Print every step and call of a manifest; touch nothing.",
	.usage = "MANIFEST [-p NAME=VALUE]... [--policy | --check]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"Without --check it needs no credentials and sends nothing.  Calls marked !\n"
"would change something.  Parameters that are not given are shown as MISSING.\n"
"--json prints what the bundle keeps as plan.json.\n"
"\n"
"--check asks who the credentials are, how far the clock is off, whether each\n"
"endpoint can be reached (no request is sent there), and for each call of the\n"
"plan whether it would be allowed: EC2 by a dry run, the rest by\n"
"iam:SimulatePrincipalPolicy, whose use the policy of --policy does not hold.\n"
"Of a step in all regions each call is asked about in one, and one call of\n"
"each service in the others.  It looks at --out and --key too, and makes and\n"
"leaves nothing.\n"
"\n"
"Examples:\n"
"  crashcart plan instance-compromise\n"
"  crashcart plan instance-compromise -p instance_id=i-0123456789abcdef0\n"
"  crashcart plan instance-compromise -p instance_id=i-0123456789abcdef0 \\\n"
"      --check --expect-account 111122223333 --out /mnt/usb\n"
"\n"
"Exit status of --check: 0 nothing is missing; 3 something would be; 1 it\n"
"cannot be told, or failed; 2 usage or manifest error.\n",
	.run = plan,
};
