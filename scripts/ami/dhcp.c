/* SPDX-License-Identifier: Apache-2.0 */
#include "dhcp.h"

#include <string.h>

#define IP 20u
#define UDP 8u
#define FIXED 236u			/* of BOOTP, before the cookie */
#define HEAD (IP + UDP + FIXED + 4)
#define MTU_MIN 576u
#define MTU_MAX 9216u

static const unsigned char cookie[4] = { 99, 130, 83, 99 };

static void put16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static unsigned char *option(unsigned char *p, unsigned code, const void *value,
			     unsigned len)
{
	p[0] = (unsigned char)code;
	p[1] = (unsigned char)len;
	memcpy(p + 2, value, len);
	return p + 2 + len;
}

static unsigned checksum(const unsigned char *p, size_t len)
{
	unsigned long sum = 0;
	size_t i;

	for (i = 0; i < len; i += 2)
		sum += get16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)(~sum & 0xffff);
}

size_t cart_dhcp_request(int type, uint32_t xid, const unsigned char mac[6],
			 const struct cart_dhcp *offer,
			 unsigned char out[CART_DHCP_SIZE])
{
	/* mask, router, name servers, MTU */
	static const unsigned char wanted[] = { 1, 3, 6, 26 };
	unsigned char *b = out + IP + UDP, *p = out + HEAD;
	unsigned char t = (unsigned char)type;

	memset(out, 0, CART_DHCP_SIZE);
	b[0] = 1;			/* BOOTREQUEST, Ethernet */
	b[1] = 1;
	b[2] = 6;
	memcpy(b + 4, &xid, 4);
	memcpy(b + 28, mac, 6);
	memcpy(b + FIXED, cookie, 4);
	p = option(p, 53, &t, 1);
	if (offer != NULL) {
		p = option(p, 50, &offer->address, 4);
		p = option(p, 54, &offer->server, 4);
	}
	p = option(p, 55, wanted, sizeof(wanted));
	*p = 255;
	/* UDP over IPv4 goes without a checksum; IP does not */
	put16(out + IP, 68);
	put16(out + IP + 2, 67);
	put16(out + IP + 4, CART_DHCP_SIZE - IP);
	out[0] = 0x45;
	put16(out + 2, CART_DHCP_SIZE);
	out[8] = 64;
	out[9] = 17;
	memset(out + 16, 255, 4);
	put16(out + 10, checksum(out, IP));
	return CART_DHCP_SIZE;
}

static void take(struct cart_dhcp *r, unsigned code, const unsigned char *v,
		 unsigned len)
{
	unsigned mtu;

	if (code == 53 && len == 1)
		r->type = v[0];
	else if (code == 1 && len == 4)
		memcpy(&r->mask, v, 4);
	else if (code == 3 && len >= 4)
		memcpy(&r->router, v, 4);
	else if (code == 54 && len == 4)
		memcpy(&r->server, v, 4);
	else if (code == 26 && len == 2 && (mtu = get16(v)) >= MTU_MIN &&
		 mtu <= MTU_MAX)
		r->mtu = mtu;
	else if (code == 6 && len >= 4)
		for (r->n_dns = 0; r->n_dns < CART_DHCP_SERVERS &&
		     4 * (r->n_dns + 1) <= len; r->n_dns++)
			memcpy(&r->dns[r->n_dns], v + 4 * r->n_dns, 4);
}

int cart_dhcp_parse(const void *data, size_t len, uint32_t xid,
		    const unsigned char mac[6], struct cart_dhcp *ret)
{
	const unsigned char *p = data, *b, *end;
	size_t ip, total;

	memset(ret, 0, sizeof(*ret));
	if (len < HEAD || p[0] >> 4 != 4 || p[9] != 17)
		return -1;
	ip = 4u * (p[0] & 15);
	total = get16(p + 2);
	/* no fragments */
	if (ip < IP || total > len || total < ip + UDP + FIXED + 4 ||
	    (get16(p + 6) & 0x3fff) != 0)
		return -1;
	end = p + total;
	b = p + ip + UDP;
	if (get16(p + ip) != 67 || get16(p + ip + 2) != 68 || b[0] != 2 ||
	    memcmp(b + 4, &xid, 4) != 0 || memcmp(b + 28, mac, 6) != 0 ||
	    memcmp(b + FIXED, cookie, 4) != 0)
		return -1;
	memcpy(&ret->address, b + 16, 4);
	for (p = b + FIXED + 4; p < end && *p != 255;) {
		if (*p == 0) {
			p++;
			continue;
		}
		if (end - p < 2 || end - p - 2 < p[1])
			return -1;
		take(ret, p[0], p + 2, p[1]);
		p += 2 + p[1];
	}
	return ret->type != 0 && ret->address != 0 ? 0 : -1;
}
