/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer seal.  There is one way to write each: a seal that is accepted,
 * printed again from what was read, must give the same bytes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/reader.h>
#include <crashcart/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_segment(struct cart_buf *b, const struct cart_seal *s, size_t i)
{
	const struct cart_seal_segment *seg = &s->segments[i];
	unsigned char all[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];
	size_t k;

	cart_buf_addf(b, "segment %zu %" PRIu64 " ", i + 1, seg->length);
	cart_sha256(s->chunks[seg->first_chunk],
		    seg->n_chunks * CART_SHA256_SIZE, all);
	cart_text_base64(all, sizeof(all), b);
	cart_buf_addf(b, "-%zu\n", seg->n_chunks);
	for (k = 0; k < seg->n_chunks; k++) {
		cart_text_hex(s->chunks[seg->first_chunk + k],
			      CART_SHA256_SIZE, hex);
		cart_buf_addf(b, "%s\n", hex);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_err err = { 0 };
	struct cart_seal s;
	struct cart_buf b;
	size_t i;

	if (cart_seal_parse(data, size, &s, &err) < 0)
		return 0;
	cart_buf_init(&b, size + 1024);
	cart_buf_addf(&b, "crashcart-seal 1\nbundle %s\ncase %s\nstate %s\n"
		      "root %s\nlog %" PRIu64 " %s\nchunk 8388608\n", s.name,
		      s.case_id, s.state, s.root, s.log_size, s.log_root);
	for (i = 0; i < s.n_segments; i++)
		add_segment(&b, &s, i);
	if (!cart_buf_ok(&b) || b.len != size || memcmp(b.data, data, size) != 0)
		abort();
	cart_buf_clear(&b);
	cart_seal_clear(&s);
	return 0;
}
