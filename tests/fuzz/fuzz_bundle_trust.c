/* SPDX-License-Identifier: Apache-2.0 */
/* Trust files: what is accepted keeps its own promises. */
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>
#include <crashcart/trust.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_trust t;
	struct cart_err err;
	size_t i;

	if (cart_trust_parse(data, size, &t, &err) < 0)
		return 0;
	for (i = 0; i < t.n; i++)
		if (t.entries[i].from_ns >= t.entries[i].to_ns ||
		    t.entries[i].name[0] == '\0' ||
		    !cart_text_is_printable(t.entries[i].name,
					    strlen(t.entries[i].name)))
			abort();
	cart_trust_clear(&t);
	return 0;
}
