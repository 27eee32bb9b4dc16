/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of ~/.aws/config and ~/.aws/credentials.  The first byte chooses
 * which of them it is.  What is accepted must answer any question.
 */
#include <stdlib.h>
#include <string.h>

#include "../../collector/aws/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "default", "a", "" };
	static const char *const keys[] = { "region", "s3", "role_arn", "" };
	struct cart_config *c;
	struct cart_err err;
	size_t i, k, n = 0;

	if (!size)
		return 0;
	cart_err_clear(&err);
	c = cart_config_parse((const char *)data + 1, size - 1,
			      data[0] & 1 ? CART_CONFIG_FILE :
			      CART_CREDENTIALS_FILE, "f", &err);
	if (!c) {
		/* says where, unless the file as a whole is refused */
		if (err.class == CART_ERR_NONE || !strchr(err.text, 'f'))
			abort();
		return 0;
	}
	for (i = 0; i < 3; i++) {
		for (k = 0; k < 4; k++) {
			const char *v = cart_config_get(c, "profile", names[i],
							keys[k], NULL);

			n += v ? strlen(v) : 0;
			v = cart_config_get(c, "services", names[i], keys[k],
					    "endpoint_url");
			n += v ? strlen(v) : 0;
		}
		if (cart_config_has(c, "profile", names[i]) !=
		    (cart_config_line(c, "profile", names[i]) != 0))
			abort();
	}
	if (n > size * 100)
		abort();
	cart_config_free(c);
	return 0;
}
