/* SPDX-License-Identifier: Apache-2.0 */
/* Orders: the file up to the first '|', then its signature. */
#include <stdlib.h>
#include <string.h>

#include <crashcart/order.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *bar = memchr(data, '|', size);
	size_t len = bar ? (size_t)(bar - data) : size;
	unsigned char id[CART_MINISIGN_ID_SIZE];
	struct cart_public_key key = { .key = { 1 } };
	struct cart_order o;
	struct cart_err err;

	if (cart_order_parse(data, len, &o, &err) == 0 &&
	    (o.n_tools == 0 || o.from_ns >= o.until_ns || !o.case_id[0] ||
	     cart_order_covers(&o, o.case_id, o.manifest_sha256, o.tool[0],
			       o.from_ns, &err) < 0))
		abort();
	if (bar && cart_order_signed_by(data, len, bar + 1, size - len - 1, id,
					&err) == 0 &&
	    cart_order_verify(data, len, bar + 1, size - len - 1, &key,
			      &err) == 0)
		abort();
	return 0;
}
