/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BOOT_DATA_H
#define CMD_BOOT_DATA_H

#include "command.h"
#include "crashcart/json.h"

/*
 * What an instance that was launched to collect is told in its user-data: a
 * JSON object, of which `crashcart boot --help` says all.  Whoever may launch
 * instances writes it, so it is read as hostile input: an unknown key, option
 * or type refuses all of it, and no value can become another option.
 */
#define CMD_BOOT_MAX ((size_t)16 << 10)		/* EC2's own limit */

struct cmd_boot {
	struct cart_json *root;		/* owns what the rest points to */
	const char *manifest;		/* the name of a built-in one, or NULL */
	const char *text, *minisign;	/* a manifest and who signed it, or NULL */
	const char *role;		/* ARN to collect with, or NULL */
	const char *region;		/* or NULL */
	const char *ca;			/* PEM, or NULL */
	char *arg[CART_ARGS_MAX + 1];	/* "--case=IR-7" ...; NULL-terminated */
	size_t n_args;
};

/* data need not be NUL-terminated; limits as above.  0 or -1 (USAGE); clear
 * it in both cases. */
int cart_boot_parse(const void *data, size_t len, struct cmd_boot *ret,
		   struct cart_err *err);
void cart_boot_clear(struct cmd_boot *b);

#endif
