/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_AMI_DHCP_H
#define CRASHCART_AMI_DHCP_H

#include <stddef.h>
#include <stdint.h>

/*
 * As much of DHCP (RFC 2131) as an instance needs to get the one address that
 * its subnet has for it.  Bytes in, bytes out; addresses in network order.
 */
#define CART_DHCP_SIZE 576		/* of a request, IP header included */
#define CART_DHCP_SERVERS 3

enum { CART_DHCP_DISCOVER = 1, CART_DHCP_OFFER = 2, CART_DHCP_REQUEST = 3,
       CART_DHCP_ACK = 5, CART_DHCP_NAK = 6 };

struct cart_dhcp {
	int type;			/* CART_DHCP_OFFER, ... */
	uint32_t address, mask, router, server;	/* 0: not said */
	uint32_t dns[CART_DHCP_SERVERS];
	size_t n_dns;
	unsigned mtu;			/* 0: not said */
};

/* Fills a whole IP packet, to be broadcast.  offer: what is asked for, NULL in
 * a DISCOVER.  Returns its length. */
size_t cart_dhcp_request(int type, uint32_t xid, const unsigned char mac[6],
			 const struct cart_dhcp *offer,
			 unsigned char out[CART_DHCP_SIZE]);
/* An IP packet: 0 if it is an answer to xid and mac, else -1. */
int cart_dhcp_parse(const void *data, size_t len, uint32_t xid,
		    const unsigned char mac[6], struct cart_dhcp *ret);

#endif
