/* SPDX-License-Identifier: Apache-2.0 */
#include "step_support.h"

#include <stdio.h>
#include <string.h>

int cart_step_split_call(const char *text, char ret_service[64],
			 char ret_operation[128], struct cart_err *err)
{
	const char *colon = text != NULL ? strchr(text, ':') : NULL;

	if (colon == NULL || colon == text || colon[1] == '\0' ||
	    (size_t)(colon - text) >= 64 || strlen(colon + 1) >= 128)
		return cart_err_set(err, CART_ERR_USAGE, 0, "'%s' is not "
				    "SERVICE:OPERATION, as in iam:GetUser",
				    text != NULL ? text : "");
	snprintf(ret_service, 64, "%.*s", (int)(colon - text), text);
	snprintf(ret_operation, 128, "%s", colon + 1);
	return 0;
}

void cart_step_gap(struct cart_step_ctx *c, const char *what,
		   const char *reason, const char *detail)
{
	struct cart_gap gap = {
		.what = what, .reason = reason, .detail = detail,
		.offset = -1, .length = -1, .count = -1,
	};

	c->ops->gap(c, &gap);
}

void cart_step_gap_call(struct cart_step_ctx *c,
			const struct cart_step_reply *reply, const char *what,
			const struct cart_err *err)
{
	struct cart_gap gap = {
		.what = what, .reason = cart_step_reason(err),
		.detail = err->text,
		.call = reply->call_id[0] != '\0' ? reply->call_id : NULL,
		.offset = -1, .length = -1, .count = -1,
	};

	c->ops->gap(c, &gap);
}

const char *cart_step_reason(const struct cart_err *err)
{
	switch (err->class) {
	case CART_ERR_DENIED:
		return "denied";
	case CART_ERR_THROTTLED:
		return "throttled";
	case CART_ERR_TIMEOUT:
		return "timeout";
	case CART_ERR_LIMIT:
		return "limit";
	case CART_ERR_CANCELLED:
		return "interrupted";
	default:
		return "failed";
	}
}

void cart_step_reply_clear(struct cart_step_reply *r)
{
	cart_aws_reply_clear(&r->aws);
	r->call_id[0] = '\0';
	r->raw_exhibit[0] = '\0';
	r->view_exhibit[0] = '\0';
}
