/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time stamp replies, in hex so that seeds stay text: none may hold for data
 * that nobody stamped.  What is not hex is taken as a file of roots.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>
#include <crashcart/timestamp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_tsr_check c = { .data = "never stamped", .data_len = 13 };
	unsigned char *bytes = malloc(size / 2 + 1);
	struct cart_err err;
	struct cart_tsr t;

	if (!bytes)
		return 0;
	if (size && data[size - 1] == '\n')
		size--;
	if (cart_text_unhex((const char *)data, size & ~(size_t)1, bytes,
			    size / 2) == 0) {
		c.reply = bytes;
		c.reply_len = size / 2;
		if (cart_tsr_verify(&c, &t, &err) == 0)
			abort();
	} else {
		cart_tsa_roots_count((const char *)data, size, &err);
	}
	free(bytes);
	return 0;
}
