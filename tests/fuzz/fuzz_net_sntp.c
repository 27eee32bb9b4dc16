/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of a time server; the nonce is taken from the reply itself, so that
 * what follows it is reached. */
#include <string.h>

#include <crashcart/sntp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_sntp t;
	struct cart_err err;
	uint64_t nonce = 0;
	size_t i;

	for (i = 24; i < 32 && i < size; i++)
		nonce = nonce << 8 | data[i];
	cart_sntp_parse(data, size, nonce, INT64_C(1795521600000000000),
			INT64_C(1795521600500000000), &t, &err);
	return 0;
}
