/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ec2.lock: locks a snapshot in governance mode, so that deleting it needs a
 * permission of its own.  Locking twice is one lock, so there is nothing to
 * look up first.  Compliance mode, which nobody can undo, is an aws.call of
 * class irreversible.
 */
#include <stdio.h>
#include <string.h>

#include "crashcart/step.h"
#include "step_change.h"
#include "step_support.h"

#define VISIBLE_AFTER_MS 15000

struct lock {
	struct cart_step_ctx *c;
	const char *snapshot_id;
	int64_t days;
};

/* 1: locked; 0: not; -1. */
static int is_locked(struct lock *l, bool keep_reply, struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	const struct cart_json *s;
	const char *id, *state;
	int rc;

	cart_json_add(input, "SnapshotIds", cart_step_one(l->snapshot_id));
	call.call.service = "ec2";
	call.call.operation = "DescribeLockedSnapshots";
	call.call.input = input;
	call.no_exhibit = !keep_reply;
	rc = l->c->ops->call(l->c, &call, &reply, err);
	s = cart_json_first(cart_json_get(reply.aws.view, "Snapshots"));
	for (; rc == 0 && s != NULL; s = cart_json_next(s)) {
		id = cart_json_get_string(s, "SnapshotId");
		state = cart_json_get_string(s, "LockState");
		if (id != NULL && strcmp(id, l->snapshot_id) == 0 &&
		    state != NULL && strcmp(state, "expired") != 0)
			rc = 1;
	}
	if (rc == 1 && keep_reply &&
	    l->c->ops->keep(l->c, reply.aws.view, err) < 0)
		rc = -1;
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

static int find(void *arg, const char *uuid, char made[CART_STEP_MADE_SIZE],
		struct cart_err *err)
{
	struct lock *l = arg;

	(void)uuid;
	snprintf(made, CART_STEP_MADE_SIZE, "%.40s", l->snapshot_id);
	return is_locked(l, false, err);
}

static struct cart_json *input(void *arg, const char *uuid)
{
	struct cart_json *j = cart_json_new_object();
	const struct lock *l = arg;

	(void)uuid;
	cart_json_add(j, "SnapshotId", cart_json_new_string(l->snapshot_id));
	cart_json_add(j, "LockMode", cart_json_new_string("governance"));
	cart_json_add(j, "LockDuration", cart_json_new_int(l->days));
	return j;
}

static void take(const struct cart_json *view, char made[CART_STEP_MADE_SIZE])
{
	const char *id = cart_json_get_string(view, "SnapshotId");

	snprintf(made, CART_STEP_MADE_SIZE, "%.40s", id != NULL ? id : "");
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct lock l = {
		.c = c,
		.snapshot_id = cart_json_get_string(c->with, "snapshot_id"),
		.days = 30,
	};
	const struct cart_step_change change = {
		.call = "ec2:LockSnapshot", .input = input, .find = find,
		.take = take, .arg = &l, .visible_ms = VISIBLE_AFTER_MS,
	};
	const struct cart_json *days = cart_json_get(c->with, "days");
	char made[CART_STEP_MADE_SIZE];
	int rc;

	if (days != NULL && (cart_json_i64(days, &l.days) < 0 || l.days < 1 ||
			     l.days > 36500))
		return cart_err_set(err, CART_ERR_USAGE, 0, "a lock lasts 1 to "
				    "36500 days");
	if (cart_step_make(c, &change, made, err) < 0)
		return -1;
	rc = is_locked(&l, true, err);
	if (rc == 0)
		return cart_err_set(err, CART_ERR_INPUT, 0, "%s is not locked, "
				    "although the lock was accepted",
				    l.snapshot_id);
	return rc < 0 ? -1 : 0;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "ec2:LockSnapshot", true, "in governance mode");
	emit(arg, "ec2:DescribeLockedSnapshots", false, "afterwards");
}

static const struct cart_param params[] = {
	{ "snapshot_id", CART_PARAM_STRING, true, NULL, "What is locked." },
	{ "days", CART_PARAM_INTEGER, false, "30", "For how long." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_ec2_lock = {
	.name = "ec2.lock",
	.summary = "Lock a snapshot in governance mode.",
	.where = CART_STEP_AWS,
	.regional = true,
	.changes = "evidence",
	.params = params,
	.plan = plan,
	.run = run,
};
