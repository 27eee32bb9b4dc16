/* SPDX-License-Identifier: Apache-2.0 */
/* State files (FORMAT.md section 11) of a bundle N: what is accepted holds a
 * seal of N, partial or said to be whole, and a signature that can be parsed. */
#include <stdlib.h>
#include <string.h>

#include <crashcart/bundle.h>
#include <crashcart/reader.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_seal seal;
	struct cart_state s;

	if (cart_state_parse("N", data, size, &s, NULL) < 0)
		return 0;
	if (cart_seal_parse(s.seal.data, s.seal.len, &seal, NULL) < 0 ||
	    strcmp(seal.state, s.whole[0] ? s.whole : "partial") != 0 ||
	    strcmp(seal.name, "N") != 0 ||
	    seal.n_segments != s.partial.segments)
		abort();
	cart_seal_clear(&seal);
	cart_state_clear(&s);
	return 0;
}
