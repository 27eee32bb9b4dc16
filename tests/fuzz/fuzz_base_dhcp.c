/* SPDX-License-Identifier: Apache-2.0 */
/* DHCP answers, as the image's init reads them: the options of an answer that
 * is in order, and a whole packet. */
#include <stdlib.h>
#include <string.h>

#include "../../scripts/ami/dhcp.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const unsigned char *p, size_t len)
{
	static const unsigned char mac[6];
	struct cart_dhcp d;

	if (cart_dhcp_parse(p, len, 0, mac, &d) == 0 &&
	    (d.address == 0 || d.n_dns > CART_DHCP_SERVERS || d.mtu > MTU_MAX))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char mac[6];
	unsigned char p[CART_DHCP_SIZE], *copy;
	size_t len;

	check(data, size);
	cart_dhcp_request(CART_DHCP_DISCOVER, 0, mac, NULL, p);
	put16(p + IP, 67);
	put16(p + IP + 2, 68);
	p[IP + UDP] = 2;
	p[IP + UDP + 16] = 10;
	len = size < sizeof(p) - HEAD ? size : sizeof(p) - HEAD;
	memcpy(p + HEAD, data, len);
	put16(p + 2, (unsigned)(HEAD + len));
	/* of that very size, so that ASan sees a byte too far */
	copy = malloc(HEAD + len);
	if (copy != NULL) {
		memcpy(copy, p, HEAD + len);
		check(copy, HEAD + len);
	}
	free(copy);
	return 0;
}
