/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_TRUST_H
#define CRASHCART_TRUST_H

#include <stddef.h>
#include <stdint.h>

#include <crashcart/err.h>
#include <crashcart/signer.h>

/* room: bundle */

/*
 * A trust file: whose keys a reader accepts, and when.  UTF-8 text, LF lines;
 * the first is `crashcart-trust 1`; empty lines and those that begin with # say
 * nothing; any other is
 *
 *	KEY FROM TO REVOKED NAME
 *
 * with single spaces: the 56 characters of a minisign public key; times as
 * YYYY-MM-DD (midnight UTC) or YYYY-MM-DDTHH:MM:SSZ, or - for none; the name of
 * the person or lab, 1 to 200 bytes of printable text.  The key counts from FROM
 * until before TO; what it signed before REVOKED stays good, if that can be shown.
 * No key stands twice.
 */

#define CART_TRUST_MAX ((size_t)4 << 20)	/* bytes of a file */
#define CART_TRUST_ENTRIES_MAX 10000u
#define CART_TRUST_NAME_SIZE 201

struct cart_trust_entry {
	struct cart_public_key key;
	int64_t from_ns, to_ns;		/* INT64_MIN, INT64_MAX: none */
	int64_t revoked_ns;		/* INT64_MAX: not revoked */
	char name[CART_TRUST_NAME_SIZE];
};

struct cart_trust {
	struct cart_trust_entry *entries;
	size_t n;
};

/* 0, and ret is to be cleared, or -1 with err (INPUT with the line, MEMORY). */
int cart_trust_parse(const void *data, size_t len, struct cart_trust *ret,
		     struct cart_err *err);
void cart_trust_clear(struct cart_trust *t);

#endif
