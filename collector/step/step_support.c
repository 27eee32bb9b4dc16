/* SPDX-License-Identifier: Apache-2.0 */
#include "step_support.h"

#include <stdio.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/text.h"

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

int cart_step_time(struct cart_step_ctx *c, const char *key,
		   int64_t fallback_ns, int64_t *ret_ns, struct cart_err *err)
{
	const char *s = cart_json_get_string(c->with, key);
	uint64_t ms;

	*ret_ns = fallback_ns;
	if (s == NULL)
		return 0;
	if (s[0] == '-' && cart_text_duration(s + 1, strlen(s + 1), &ms) == 0 &&
	    ms < (uint64_t)INT64_MAX / 2000000) {
		*ret_ns = c->ops->now_ns(c) - (int64_t)ms * 1000000;
		return 0;
	}
	if (cart_clock_parse(s, strlen(s), ret_ns) < 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "%s: '%s' is not a "
				    "time (2026-11-24T03:00:00Z or -7d)", key, s);
	return 0;
}

int cart_step_size(struct cart_step_ctx *c, const char *key,
		   uint64_t fallback, uint64_t *ret_bytes, struct cart_err *err)
{
	const struct cart_json *j = cart_json_get(c->with, key);
	const char *s = cart_json_string(j);
	int64_t v;

	*ret_bytes = fallback;
	if (j == NULL || (s != NULL && cart_text_size(s, strlen(s),
						      ret_bytes) == 0))
		return 0;
	if (s == NULL && cart_json_i64(j, &v) == 0 && v >= 0) {
		*ret_bytes = (uint64_t)v;
		return 0;
	}
	return cart_err_set(err, CART_ERR_USAGE, 0, "%s is not a size (64M)",
			    key);
}

int cart_step_duration(struct cart_step_ctx *c, const char *key,
		       uint64_t fallback_ms, uint64_t *ret_ms,
		       struct cart_err *err)
{
	const struct cart_json *j = cart_json_get(c->with, key);
	const char *s = cart_json_string(j);
	int64_t v;

	*ret_ms = fallback_ms;
	if (j == NULL || (s != NULL && cart_text_duration(s, strlen(s),
							  ret_ms) == 0))
		return 0;
	if (s == NULL && cart_json_i64(j, &v) == 0 && v >= 0 &&
	    v < INT64_MAX / 1000) {
		*ret_ms = (uint64_t)v * 1000;
		return 0;
	}
	return cart_err_set(err, CART_ERR_USAGE, 0, "%s is not a duration (15s)",
			    key);
}
