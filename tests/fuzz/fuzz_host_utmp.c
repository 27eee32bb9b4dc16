/* SPDX-License-Identifier: Apache-2.0 */
/* Records of utmp; a shorter input is filled with zeros. */
#include <stdlib.h>
#include <string.h>

#include <crashcart/host_login.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *record = calloc(1, CART_UTMP_SIZE);

	if (record == NULL)
		return 0;
	memcpy(record, data, size < CART_UTMP_SIZE ? size : CART_UTMP_SIZE);
	cart_json_free(cart_host_parse_utmp(record));
	free(record);
	return 0;
}
