/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

static const char *const names[] = {
	[OUT_OK] = "ok",
	[OUT_SKIPPED] = "skipped",
	[OUT_PARTIAL] = "partial",
	[OUT_DENIED] = "denied",
	[OUT_THROTTLED] = "throttled",
	[OUT_TIMEOUT] = "timeout",
	[OUT_FAILED] = "failed",
	[OUT_CANCELLED] = "cancelled",
};

const char *cart_outcome_name(enum outcome o)
{
	return names[o];
}

enum outcome cart_outcome_of(enum cart_err_class class)
{
	switch (class) {
	case CART_ERR_DENIED:
		return OUT_DENIED;
	case CART_ERR_THROTTLED:
		return OUT_THROTTLED;
	case CART_ERR_TIMEOUT:
		return OUT_TIMEOUT;
	case CART_ERR_CANCELLED:
		return OUT_CANCELLED;
	default:
		return OUT_FAILED;
	}
}

const char *cart_gap_reason(enum cart_err_class class)
{
	switch (class) {
	case CART_ERR_DENIED:
		return "denied";
	case CART_ERR_THROTTLED:
		return "throttled";
	case CART_ERR_TIMEOUT:
		return "timeout";
	case CART_ERR_CANCELLED:
		return "interrupted";
	case CART_ERR_LIMIT:
		return "limit";
	default:
		return "failed";
	}
}

const char *cart_gap_advice(enum cart_err_class class)
{
	switch (class) {
	case CART_ERR_DENIED:
		return "use credentials that may make this call (`crashcart "
		       "plan --policy` prints what is needed) and collect again";
	case CART_ERR_THROTTLED:
		return "collect again when the account is less busy";
	case CART_ERR_TIMEOUT:
		return "check the way to the endpoint, or give the step a longer "
		       "timeout";
	case CART_ERR_NET:
		return "check network, proxy and VPC endpoints, and collect again";
	case CART_ERR_CANCELLED:
		return "collect again to get the rest";
	case CART_ERR_LIMIT:
		return "narrow the step down, so that it stays within the limit";
	default:
		return "";
	}
}
