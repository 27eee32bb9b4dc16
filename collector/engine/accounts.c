/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_model.h>

#include "private.h"

/* Found or made, with its lock held; the list only grows during a run. */
static struct other_account *enter(struct run *r, const char *account,
				   const char *role)
{
	struct other_account *o;

	pthread_mutex_lock(&r->lock);
	for (o = r->others; o; o = o->next) {
		if (!strcmp(o->account, account) && !strcmp(o->role, role))
			break;
	}
	if (!o) {
		o = calloc(1, sizeof(*o));
		if (o) {
			snprintf(o->account, sizeof(o->account), "%s", account);
			snprintf(o->role, sizeof(o->role), "%s", role);
			pthread_mutex_init(&o->lock, NULL);
			o->next = r->others;
			r->others = o;
		}
	}
	pthread_mutex_unlock(&r->lock);
	if (o)
		pthread_mutex_lock(&o->lock);
	return o;
}

static struct cart_aws *assume(struct run *r, const char *account,
			       const char *role, struct cart_err *err)
{
	struct cart_partition partition = { .id = "aws" };
	const char *region = r->calls->region(r->o->aws);
	struct cart_model *model;
	char arn[192];

	if (!r->calls->assume) {
		cart_err_set(err, CART_ERR_USAGE, 0, "account %s: this version "
			     "does not assume roles; collect with credentials of "
			     "that account", account);
		return NULL;
	}
	model = cart_model_builtin(NULL);
	if (model && region)
		cart_model_partition(model, region, &partition);
	snprintf(arn, sizeof(arn), "arn:%s:iam::%s:role/%s", partition.id,
		 account, role);
	return r->calls->assume(r->o->aws, arn, err);
}

struct cart_aws *cart_run_account(struct run *r, const char *account,
				  const char *role, struct cart_err *err)
{
	struct other_account *o = enter(r, account, role);
	struct cart_aws *aws;

	if (!o) {
		cart_err_nomem(err);
		return NULL;
	}
	if (!o->aws && !o->err.class)
		o->aws = assume(r, account, role, &o->err);
	aws = o->aws;
	if (!aws && err)
		*err = o->err;
	pthread_mutex_unlock(&o->lock);
	return aws;
}

void cart_run_accounts_free(struct run *r)
{
	struct other_account *o;

	while ((o = r->others)) {
		r->others = o->next;
		if (o->aws)
			r->calls->free(o->aws);
		pthread_mutex_destroy(&o->lock);
		free(o);
	}
}
