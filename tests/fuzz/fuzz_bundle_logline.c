/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a log, and log parts.  A line that is accepted and printed again
 * is accepted again.
 */
#include <stdlib.h>
#include <string.h>

#include "bundle/read_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cart_public_key key = {
	{ 1, 2, 3, 4, 5, 6, 7, 8 },
	{ 0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
	  0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
	  0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a }
};

static void one_line(const uint8_t *data, size_t size)
{
	struct cart_err err = { 0 };
	struct cart_json *line = cart_log_line_parse(data, size, &err), *again;
	struct cart_buf b;

	if (line && cart_log_line_ok(line, &err) == 0) {
		cart_buf_init(&b, 8 * size + 1024);
		cart_json_print(line, 0, &b);
		again = cart_json_parse(b.data, b.len, NULL, &err);
		if (!cart_buf_ok(&b) || !again ||
		    cart_log_line_ok(again, &err) < 0)
			abort();
		cart_json_free(again);
		cart_buf_clear(&b);
	}
	cart_json_free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_group_member member = { .path = "data/e000001-x",
		.sha256_hex = "0000000000000000000000000000000000000000000000"
			      "000000000000000000" };
	struct cart_group group = { .m = &member, .n = 1, .cap = 1 };
	struct cart_err err = { 0 };
	struct cart_logcheck c;

	one_line(data, size);
	cart_logcheck_init(&c);
	c.name = "b";
	c.manifest_hex = member.sha256_hex;
	cart_logcheck_session(&c, &key);
	if (cart_logcheck_part(&c, data, size, &group, &err) == 0)
		cart_logcheck_end(&c, &err);
	cart_logcheck_clear(&c);
	return 0;
}
