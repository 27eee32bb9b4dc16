/* SPDX-License-Identifier: Apache-2.0 */
#include "read_internal.h"

int cart_extract(const struct cart_extract_options *o, struct cart_verdict *ret,
		 struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_INTERNAL, 0, "not there yet");
}
