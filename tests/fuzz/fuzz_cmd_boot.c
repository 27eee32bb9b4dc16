/* SPDX-License-Identifier: Apache-2.0 */
/* User-data of an instance that is to collect. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmd/boot_data.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cmd_boot b;
	struct cart_err err = { 0 };
	size_t i;

	if (cart_boot_parse(data, size, &b, &err) == 0) {
		/* one of the two, and words that can only be options */
		if ((b.manifest == NULL) == (b.text == NULL) ||
		    (b.text == NULL) != (b.minisign == NULL) ||
		    (b.manifest != NULL && strpbrk(b.manifest, "/.")) ||
		    b.arg[b.n_args] != NULL)
			abort();
		for (i = 0; i < b.n_args; i++)
			if (strncmp(b.arg[i], "--", 2) != 0 ||
			    strpbrk(b.arg[i], "\n\r") != NULL)
				abort();
	} else if (err.class != CART_ERR_USAGE &&
		   err.class != CART_ERR_MEMORY) {
		abort();
	}
	cart_boot_clear(&b);
	return 0;
}
