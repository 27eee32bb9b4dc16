/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_HOST_LOGIN_H
#define CRASHCART_HOST_LOGIN_H

#include <stddef.h>

#include <crashcart/err.h>
#include <crashcart/json.h>

/* One record of utmp, wtmp or btmp as glibc writes it on 64-bit Linux with
 * 32-bit times (utmp(5)). */
#define CART_UTMP_SIZE 384

/* New object for a record of exactly CART_UTMP_SIZE bytes; NULL if it is
 * empty (type 0 and no time) or memory runs out. */
struct cart_json *cart_host_parse_utmp(const void *record);

/* One line of /etc/passwd: name, uid, gid, home, shell.  0 or -1. */
struct cart_host_user {
	const char *name, *home, *shell;	/* into the line */
	size_t name_len, home_len, shell_len;
	unsigned uid, gid;
};
int cart_host_parse_passwd(const char *line, size_t len,
			   struct cart_host_user *ret);

#endif
