/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CART_ENGINE_CHECK_H
#define CART_ENGINE_CHECK_H

#include "private.h"

/* `crashcart plan --check` in parts: check.c asks who we are and what is in
 * reach, check_permissions.c what we may. */

/* One account in which the manifest collects. */
struct check_who {
	const char *account;		/* of "accounts"; NULL: our own */
	const char *role;
	struct cart_aws *aws;		/* NULL: cannot be reached */
	bool own;			/* aws is ours to free */
	bool known;			/* the account was asked who we are */
	char arn[300], number[32];
	char principal[300];		/* whose policies count; "": not known */
	bool root;
	char cannot[400];		/* why nothing can be simulated; "" */
	bool asked;			/* ... which was tried */
};

#define CHECK_WHO_MAX 128

struct check {
	const struct cart_check_options *o;
	const struct cart_manifest *m;
	struct check_who who[CHECK_WHO_MAX];
	size_t n_who;
	struct cart_json *regions;	/* enabled ones; NULL: not known */
	char region[64];		/* where a step without regions asks */
	struct cart_json *list;		/* of the result */
	bool bad;			/* memory ran out */
};

/* Appends a row; returns it for further members, NULL without memory. */
struct cart_json *cart_check_row(struct check *c, const char *check,
				 const char *result, const char *what,
				 const char *detail);
void cart_check_add(struct check *c, struct cart_json *row, const char *key,
		    struct cart_json *value);
/* Runs fn for each index below n on some threads. */
void cart_check_parallel(size_t n, void (*fn)(void *arg, size_t i), void *arg);
/* The regions in which a need is asked for, as a new list of names. */
struct cart_json *cart_check_regions(const struct check *c,
				     const struct cart_need *n);
/* Calls fn for each account of a step that is known. */
void cart_check_each_who(struct check *c, const struct mstep *s,
			 void (*fn)(void *arg, size_t who), void *arg);
int cart_check_permissions(struct check *c, struct cart_err *err);

#endif
