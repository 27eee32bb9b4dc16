/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ec2.share: lets another account copy a snapshot: a grant for its key, and
 * the permission on the snapshot; with "remove" takes both away again.  What
 * stood there before and after are exhibits.
 */
#include <stdio.h>
#include <string.h>

#include "crashcart/step.h"
#include "step_change.h"
#include "step_support.h"

/* Permissions and grants are there at once, but for seconds. */
#define VISIBLE_AFTER_MS 15000

struct share {
	struct cart_step_ctx *c;
	const char *snapshot_id, *account, *key, *grantee, *grant;
	bool remove;
};

static int ask(struct share *s, const char *service, const char *operation,
	       const struct cart_json *input, bool keep_reply,
	       struct cart_step_reply *reply, struct cart_err *err)
{
	struct cart_step_call call = { 0 };

	call.call.service = service;
	call.call.operation = operation;
	call.call.input = input;
	call.no_exhibit = !keep_reply;
	return s->c->ops->call(s->c, &call, reply, err);
}

static void take_nothing(const struct cart_json *view,
			 char made[CART_STEP_MADE_SIZE])
{
	(void)view;
	made[0] = '\0';
}

/* ---- the permission ------------------------------------------------------ */

/* 1: the account may make volumes of the snapshot; 0: it may not; -1. */
static int is_shared(struct share *s, bool keep_reply, struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	const struct cart_json *p;
	struct cart_step_reply reply;
	const char *who;
	int rc;

	cart_json_add(input, "SnapshotId", cart_json_new_string(s->snapshot_id));
	cart_json_add(input, "Attribute",
		      cart_json_new_string("createVolumePermission"));
	rc = ask(s, "ec2", "DescribeSnapshotAttribute", input, keep_reply,
		 &reply, err);
	p = cart_json_first(cart_json_get(reply.aws.view,
					  "CreateVolumePermissions"));
	for (; rc == 0 && p != NULL; p = cart_json_next(p)) {
		who = cart_json_get_string(p, "UserId");
		if (who != NULL && strcmp(who, s->account) == 0)
			rc = 1;
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

static int find_permission(void *arg, const char *uuid,
			   char made[CART_STEP_MADE_SIZE], struct cart_err *err)
{
	struct share *s = arg;
	int rc = is_shared(s, false, err);

	(void)uuid;
	snprintf(made, CART_STEP_MADE_SIZE, "%.40s", s->snapshot_id);
	return rc < 0 ? -1 : rc == !s->remove;
}

static struct cart_json *permission_input(void *arg, const char *uuid)
{
	struct cart_json *input = cart_json_new_object(), *p;
	const struct share *s = arg;

	(void)uuid;
	cart_json_add(input, "SnapshotId", cart_json_new_string(s->snapshot_id));
	cart_json_add(input, "Attribute",
		      cart_json_new_string("createVolumePermission"));
	p = cart_json_add(input, "CreateVolumePermission",
			  cart_json_new_object());
	p = cart_json_append(cart_json_add(p, s->remove ? "Remove" : "Add",
					   cart_json_new_array()),
			     cart_json_new_object());
	cart_json_add(p, "UserId", cart_json_new_string(s->account));
	return input;
}

static int set_permission(struct share *s, struct cart_err *err)
{
	struct cart_step_change change = {
		.call = "ec2:ModifySnapshotAttribute",
		.input = permission_input, .find = find_permission,
		.take = take_nothing, .arg = s,
		.visible_ms = VISIBLE_AFTER_MS,
	};
	char made[CART_STEP_MADE_SIZE];
	int before = is_shared(s, true, err), after;

	if (before < 0)
		return -1;
	change.already = before == !s->remove;
	if (cart_step_make(s->c, &change, made, err) < 0)
		return -1;
	after = is_shared(s, true, err);
	if (after < 0)
		return -1;
	if (after != !s->remove)
		return cart_err_set(err, CART_ERR_INPUT, 0, "the permission of "
				    "account %s on %s did not change",
				    s->account, s->snapshot_id);
	return 0;
}

/* ---- the grant ----------------------------------------------------------- */

static struct cart_json *grant_input(void *arg, const char *uuid)
{
	/* what EC2 needs to copy out of a key of another account */
	static const char *const operations[] = {
		"Decrypt", "DescribeKey", "CreateGrant", "ReEncryptFrom",
		"GenerateDataKeyWithoutPlaintext", NULL
	};
	struct cart_json *input = cart_json_new_object(), *list;
	const struct share *s = arg;
	char name[64];
	size_t i;

	cart_json_add(input, "KeyId", cart_json_new_string(s->key));
	cart_json_add(input, "GranteePrincipal",
		      cart_json_new_string(s->grantee));
	list = cart_json_add(input, "Operations", cart_json_new_array());
	for (i = 0; operations[i] != NULL; i++)
		cart_json_append(list, cart_json_new_string(operations[i]));
	if (uuid[0] != '\0') {
		snprintf(name, sizeof(name), "crashcart-%s", uuid);
		cart_json_add(input, "Name", cart_json_new_string(name));
	}
	return input;
}

/* Looks through the key's grants for a name or an id; 1, 0 or -1. */
static int find_in_grants(struct share *s, const char *key, const char *value,
			  bool keep_reply, char made[CART_STEP_MADE_SIZE],
			  struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	int more = 1, found = 0;

	cart_json_add(input, "KeyId", cart_json_new_string(s->key));
	call.call.service = "kms";
	call.call.operation = "ListGrants";
	call.no_exhibit = !keep_reply;
	while (more > 0) {
		struct cart_json *next = NULL;
		const struct cart_json *g;
		const char *v, *id;

		call.call.input = input;
		call.page++;
		more = s->c->ops->call(s->c, &call, &reply, err);
		g = cart_json_first(cart_json_get(reply.aws.view, "Grants"));
		for (; more == 0 && g != NULL; g = cart_json_next(g)) {
			v = cart_json_get_string(g, key);
			id = cart_json_get_string(g, "GrantId");
			if (v == NULL || id == NULL || strcmp(v, value) != 0)
				continue;
			snprintf(made, CART_STEP_MADE_SIZE, "%.128s", id);
			found = 1;
		}
		if (more == 0)
			more = cart_aws_next_page(&call.call, reply.aws.view,
						  &next, err);
		cart_step_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return more < 0 ? -1 : found;
}

static int find_grant(void *arg, const char *uuid,
		      char made[CART_STEP_MADE_SIZE], struct cart_err *err)
{
	char name[64];

	snprintf(name, sizeof(name), "crashcart-%s", uuid);
	return find_in_grants(arg, "Name", name, false, made, err);
}

static void take_grant(const struct cart_json *view,
		       char made[CART_STEP_MADE_SIZE])
{
	const char *id = cart_json_get_string(view, "GrantId");

	snprintf(made, CART_STEP_MADE_SIZE, "%.128s", id != NULL ? id : "");
}

static int give_grant(struct share *s, struct cart_err *err)
{
	const struct cart_step_change change = {
		.call = "kms:CreateGrant", .input = grant_input,
		.find = find_grant, .take = take_grant, .arg = s,
		.visible_ms = VISIBLE_AFTER_MS,
	};
	char made[CART_STEP_MADE_SIZE];
	struct cart_json *value;
	int rc;

	if (cart_step_make(s->c, &change, made, err) < 0)
		return -1;
	value = cart_json_new_string(made);
	rc = s->c->ops->keep_value(s->c, "grant", value, err);
	cart_json_free(value);
	return rc;
}

static struct cart_json *revoke_input(void *arg, const char *uuid)
{
	struct cart_json *input = cart_json_new_object();
	const struct share *s = arg;

	(void)uuid;
	cart_json_add(input, "KeyId", cart_json_new_string(s->key));
	cart_json_add(input, "GrantId", cart_json_new_string(s->grant));
	return input;
}

static int find_revoked(void *arg, const char *uuid,
			char made[CART_STEP_MADE_SIZE], struct cart_err *err)
{
	struct share *s = arg;
	int rc = find_in_grants(s, "GrantId", s->grant, false, made, err);

	(void)uuid;
	snprintf(made, CART_STEP_MADE_SIZE, "%.128s", s->grant);
	return rc < 0 ? -1 : !rc;
}

static int take_grant_back(struct share *s, struct cart_err *err)
{
	struct cart_step_change change = {
		.call = "kms:RevokeGrant", .input = revoke_input,
		.find = find_revoked, .take = take_nothing, .arg = s,
		.visible_ms = VISIBLE_AFTER_MS,
	};
	char made[CART_STEP_MADE_SIZE];
	int there = find_in_grants(s, "GrantId", s->grant, true, made, err);

	if (there < 0)
		return -1;
	change.already = there == 0;
	return cart_step_make(s->c, &change, made, err);
}

/* Is it gone?  Revoking takes some seconds to be seen everywhere. */
static int look_again(struct share *s, struct cart_err *err)
{
	char made[CART_STEP_MADE_SIZE];
	unsigned i;
	int there = 1;

	for (i = 0; i < 6 && there == 1; i++) {
		if (i > 0 && s->c->ops->sleep(s->c, 1000u << i, err) < 0)
			return -1;
		there = find_in_grants(s, "GrantId", s->grant, false, made,
				       err);
	}
	if (there > 0)
		return cart_err_set(err, CART_ERR_INPUT, 0, "grant %s on %s is "
				    "still listed: look at it by hand",
				    s->grant, s->key);
	return there;
}

/* ---- the step ------------------------------------------------------------ */

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	const struct cart_json *w = c->with;
	struct share s = {
		.c = c,
		.snapshot_id = cart_json_get_string(w, "snapshot_id"),
		.account = cart_json_get_string(w, "account"),
		.key = cart_json_get_string(w, "kms_key_id"),
		.grantee = cart_json_get_string(w, "grantee"),
		.grant = cart_json_get_string(w, "grant"),
		.remove = cart_json_bool(cart_json_get(w, "remove")),
	};
	struct cart_err first = { 0 };
	struct cart_json *id;
	int rc;

	if (!s.remove) {
		if ((s.key != NULL && give_grant(&s, err) < 0) ||
		    set_permission(&s, err) < 0)
			return -1;
		id = cart_json_new_string(s.snapshot_id);
		rc = c->ops->keep_value(c, "snapshot", id, err);
		cart_json_free(id);
		return rc;
	}
	/* each is tried, whatever becomes of the other */
	rc = set_permission(&s, &first);
	if (s.grant != NULL && s.key != NULL &&
	    (take_grant_back(&s, err) < 0 || look_again(&s, err) < 0))
		return -1;
	if (rc < 0)
		*err = first;
	return rc;
}

static int check(const struct cart_json *with, struct cart_err *err)
{
	bool remove = cart_json_bool(cart_json_get(with, "remove"));

	if (cart_json_get(with, "kms_key_id") == NULL)
		return 0;
	if (!remove && cart_json_get(with, "grantee") == NULL)
		return cart_err_set(err, CART_ERR_USAGE, 0, "a key is granted "
				    "to somebody: add \"grantee\"");
	if (remove && cart_json_get(with, "grant") == NULL)
		return cart_err_set(err, CART_ERR_USAGE, 0, "which grant is "
				    "taken back? add \"grant\"");
	return 0;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	bool remove = cart_json_bool(cart_json_get(with, "remove"));

	emit(arg, "ec2:DescribeSnapshotAttribute", false, "before and after");
	emit(arg, "ec2:ModifySnapshotAttribute", true, remove ?
	     "the account may not copy any more" : "the account may copy");
	if (cart_json_get(with, "kms_key_id") == NULL)
		return;
	if (remove)
		emit(arg, "kms:ListGrants", false, "before and after");
	else
		emit(arg, "kms:ListGrants", false,
		     "fallback: to find a grant that was asked for before");
	emit(arg, remove ? "kms:RevokeGrant" : "kms:CreateGrant", true,
	     remove ? "the grant for the key" :
	     "the key, for what EC2 needs to copy, named after the change");
}

static const struct cart_param params[] = {
	{ "snapshot_id", CART_PARAM_STRING, true, NULL, "What is shared." },
	{ "account", CART_PARAM_STRING, true, NULL,
	  "The account that may copy it." },
	{ "kms_key_id", CART_PARAM_STRING, false, NULL,
	  "The key that it is encrypted under." },
	{ "grantee", CART_PARAM_STRING, false, NULL,
	  "Principal that gets the grant, as an ARN." },
	{ "remove", CART_PARAM_BOOLEAN, false, "false",
	  "Take the permission and the grant away again." },
	{ "grant", CART_PARAM_STRING, false, NULL, "The grant to take back." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps[] = { "grant", "snapshot", NULL };

const struct cart_step_type cart_step_ec2_share = {
	.name = "ec2.share",
	.summary = "Let another account copy a snapshot, or end that.",
	.where = CART_STEP_AWS,
	.regional = true,
	.changes = "evidence",
	.params = params,
	.keeps = keeps,
	.check = check,
	.plan = plan,
	.run = run,
};
