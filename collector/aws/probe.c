/* SPDX-License-Identifier: Apache-2.0 */
/* Asks beforehand whether calls would work, and makes none of them. */
#include <stdio.h>
#include <string.h>

#include <crashcart/aws_protocol.h>

#include "session.h"

#define KNOCK_MS	10000u
#define ASK_MS		30000u		/* with all retries */

static const struct cart_op *op_of(const char *call, struct cart_err *err)
{
	struct cart_model *m = cart_model_builtin(err);

	return m ? cart_model_op(m, call, err) : NULL;
}

int cart_aws_place(struct cart_aws *a, const char *call, const char *region,
		   struct cart_aws_place *ret, struct cart_err *err)
{
	const struct cart_op *op = op_of(call, err);
	const struct cart_svc_info *info;
	struct cart_target t;

	memset(ret, 0, sizeof(*ret));
	if (!op)
		return -1;
	info = cart_svc_info(cart_op_svc(op));
	if (region && !strcmp(region, "global"))
		region = NULL;
	if (!region)
		region = info->global && !a->region[0] ? NULL :
			cart_aws_region(a);
	if (!region && !info->global)
		return cart_err_set(err, CART_ERR_USAGE, 0, "%s needs a region: "
				    "give --region, set AWS_REGION, or put one "
				    "into the profile", call);
	if (cart_endpoint_find(a, op, region, &t, err) < 0)
		return -1;
	snprintf(ret->url, sizeof(ret->url), "%s", t.base);
	snprintf(ret->region, sizeof(ret->region), "%s", t.region);
	ret->origin = t.origin;
	return 0;
}

int cart_aws_knock(struct cart_aws *a, const char *url, char ret_address[64],
		   struct cart_err *err)
{
	struct cart_http_request r = {
		.method = "GET", .url = url, .connect_only = true,
		.connect_timeout_ms = KNOCK_MS, .timeout_ms = KNOCK_MS,
	};
	struct cart_http_reply p;
	int rc = cart_net_perform(a->opt.net, &r, &p, err);

	snprintf(ret_address, 64, "%s", p.address);
	cart_http_reply_clear(&p);
	return rc;
}

bool cart_aws_has_dry_run(const char *call)
{
	struct cart_json *input = cart_json_new_object();
	const struct cart_op *op = op_of(call, NULL);
	bool has = false;

	if (op && !strncmp(call, "ec2:", 4) &&
	    cart_json_add(input, "DryRun", cart_json_new_bool(true)))
		has = cart_encode_check(op, input, true, NULL) == 0;
	cart_json_free(input);
	return has;
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), t = strlen(tail);

	return n >= t && !strcmp(s + n - t, tail);
}

static enum cart_aws_would judge(const struct cart_aws_reply *r,
				 const struct cart_err *err)
{
	if (!strcmp(r->error_code, "DryRunOperation"))
		return CART_WOULD_YES;
	/* what the call is about is not there, or not in this region */
	if (err->class == CART_ERR_DENIED || ends_with(r->error_code,
						       ".NotFound"))
		return CART_WOULD_NO;
	return CART_WOULD_UNKNOWN;
}

enum cart_aws_would cart_aws_would(struct cart_aws *a, const char *call,
				   const char *region,
				   const struct cart_json *input,
				   struct cart_err *err)
{
	struct cart_aws_call c = {
		.service = "ec2", .operation = strchr(call, ':') + 1,
		.region = region, .max_elapsed_ms = ASK_MS,
		/* the flag that is set below makes it harmless */
		.may_change = true,
	};
	struct cart_json *in = input ? cart_json_copy(input) :
		cart_json_new_object();
	enum cart_aws_would would = CART_WOULD_UNKNOWN;
	struct cart_aws_reply r;

	if (!cart_aws_has_dry_run(call)) {
		cart_err_set(err, CART_ERR_INTERNAL, 0, "%s has no DryRun", call);
	} else if (!cart_json_set(in, "DryRun", cart_json_new_bool(true))) {
		cart_err_nomem(err);
	} else {
		c.input = in;
		if (cart_aws_call(a, &c, &r, err) < 0)
			would = judge(&r, err);
		else
			cart_err_set(err, CART_ERR_INPUT, 0, "%s answered a dry "
				     "run as if it were none", call);
		cart_aws_reply_clear(&r);
	}
	cart_json_free(in);
	return would;
}
