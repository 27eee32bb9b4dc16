/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink messages.  The first byte chooses the kind; a header with the right
 * type and length is put in front of the rest, so that text reaches the
 * attributes (a second byte of '!' leaves the input's own header).
 */
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <crashcart/host_net.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		uint16_t type;
		int family, protocol;
	} kinds[] = {
		{ RTM_NEWLINK, -1, 0 }, { RTM_NEWADDR, -1, 0 },
		{ RTM_NEWROUTE, -1, 0 }, { RTM_NEWRULE, -1, 0 },
		{ RTM_NEWNEIGH, -1, 0 },
		{ SOCK_DIAG_BY_FAMILY, AF_INET, IPPROTO_TCP },
		{ SOCK_DIAG_BY_FAMILY, AF_INET6, IPPROTO_UDP },
		{ SOCK_DIAG_BY_FAMILY, AF_UNIX, 0 },
		{ SOCK_DIAG_BY_FAMILY, AF_PACKET, 0 },
	};
	struct nlmsghdr h = { 0 };
	struct cart_json *j;
	unsigned char *m;
	size_t k, len;

	if (size < 2 || size > 65536)
		return 0;
	k = data[0] % (sizeof(kinds) / sizeof(kinds[0]));
	len = sizeof(h) + size - 2;
	m = malloc(len);	/* exact, so that ASan sees a byte too far */
	if (m == NULL)
		return 0;
	h.nlmsg_len = (uint32_t)len;
	h.nlmsg_type = kinds[k].type;
	memcpy(m, &h, sizeof(h));
	memcpy(m + sizeof(h), data + 2, size - 2);
	if (data[1] == '!') {
		len -= sizeof(h);
		memmove(m, m + sizeof(h), len);
		m = realloc(m, len > 0 ? len : 1);
	}
	j = kinds[k].family < 0 ? cart_host_parse_route(m, len) :
		cart_host_parse_socket(kinds[k].family, kinds[k].protocol, m,
				       len);
	cart_json_free(j);
	free(m);
	return 0;
}
