/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_HOST_NET_H
#define CRASHCART_HOST_NET_H

#include <stddef.h>
#include <stdint.h>

#include <crashcart/err.h>
#include <crashcart/json.h>

/*
 * The kernel's network tables by netlink (rtnetlink(7), sock_diag(7)), asked
 * and parsed by ourselves.
 */

enum cart_host_table {
	CART_HOST_LINKS,	/* RTM_GETLINK */
	CART_HOST_ADDRESSES,	/* RTM_GETADDR */
	CART_HOST_ROUTES,	/* RTM_GETROUTE, every table */
	CART_HOST_NEIGHBOURS,	/* RTM_GETNEIGH */
	CART_HOST_RULES		/* RTM_GETRULE */
};

struct cart_host_dump {
	/* One record; owned by the callee's caller for the time of the call. */
	int (*record)(void *arg, const struct cart_json *record,
		      struct cart_err *err);
	void *arg;
};

/* Asks the kernel for a table; each record is given to dump.  0; 1: the
 * kernel says the dump was interrupted by a change and may be inconsistent;
 * -1 with err. */
int cart_host_route_dump(enum cart_host_table table,
			 const struct cart_host_dump *dump,
			 struct cart_err *err);

/* Sockets: family AF_INET or AF_INET6 with protocol IPPROTO_TCP, _UDP, _RAW;
 * or AF_UNIX with protocol 0; AF_PACKET likewise. */
int cart_host_socket_dump(int family, int protocol,
			  const struct cart_host_dump *dump,
			  struct cart_err *err);

/* The parsers, for tests and fuzzing: one netlink message each.  Returns a
 * new object, or NULL when the message is not one of the kind or malformed. */
struct cart_json *cart_host_parse_route(const void *message, size_t len);
struct cart_json *cart_host_parse_socket(int family, int protocol,
					 const void *message, size_t len);

#endif
