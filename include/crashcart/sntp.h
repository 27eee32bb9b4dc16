/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_SNTP_H
#define CRASHCART_SNTP_H

#include <stddef.h>
#include <stdint.h>

#include <crashcart/err.h>

/*
 * The time of an NTP server, asked once (RFC 5905 section 14, the client of
 * RFC 4330).  The clock of the host is never set.
 */
#define CART_SNTP_SIZE	48u
#define CART_SNTP_EC2	"169.254.169.123"	/* Amazon Time Sync */

struct cart_sntp {
	int64_t offset_ns;		/* add to the host's clock */
	/* The truth is at most so far from that, by what the server says of
	 * itself and by the way there and back. */
	int64_t uncertainty_ns;
	unsigned stratum;
};

/* A request that tells nothing about this host: its time stamp is nonce. */
void cart_sntp_request(uint64_t nonce, unsigned char out[CART_SNTP_SIZE]);
/* Judges a reply.  sent and received: the host's clock when the request left
 * and the reply came.  0, or -1 with err (INPUT). */
int cart_sntp_parse(const void *data, size_t len, uint64_t nonce,
		    int64_t sent_utc_ns, int64_t received_utc_ns,
		    struct cart_sntp *ret, struct cart_err *err);

/* Is this a server as cart_sntp_ask wants it?  0, or -1 with err (USAGE). */
int cart_sntp_check(const char *server, struct cart_err *err);
/* Asks "ADDRESS" or "ADDRESS:PORT" ("[::1]:123"; no names: nothing is looked
 * up) and waits so long at most.  0, or -1 with err (USAGE, NET, TIMEOUT,
 * INPUT). */
int cart_sntp_ask(const char *server, unsigned timeout_ms,
		  struct cart_sntp *ret, struct cart_err *err);

#endif
