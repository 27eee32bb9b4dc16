/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ec2.copy: a copy of a snapshot in the step's region and account, under a
 * key of one's own there.  Before anything is made, the key is looked at: one
 * that AWS manages encrypts what can never be shared, and a copy under a key
 * that cannot be used fails minutes later, without a word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/step.h"
#include "step_change.h"
#include "step_support.h"

#define VISIBLE_AFTER_MS 120000
#define EVERY_MS 15000
#define LIMIT_MS (24 * 3600 * 1000)

struct copy {
	struct cart_step_ctx *c;
	const char *snapshot_id, *source_region, *key;
	int64_t size_gib;
	char key_arn[160];
};

static int ask(struct copy *k, const char *service, const char *operation,
	       const struct cart_json *input, bool keep_reply,
	       struct cart_step_reply *reply, struct cart_err *err)
{
	struct cart_step_call call = { 0 };

	call.call.service = service;
	call.call.operation = operation;
	call.call.input = input;
	call.no_exhibit = !keep_reply;
	return k->c->ops->call(k->c, &call, reply, err);
}

/* ---- before -------------------------------------------------------------- */

static int look_at_source(struct copy *k, struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	const struct cart_json *s;
	const char *state;
	int rc;

	cart_json_add(input, "SnapshotIds", cart_step_one(k->snapshot_id));
	call.call.service = "ec2";
	call.call.operation = "DescribeSnapshots";
	call.call.region = k->source_region;
	call.call.input = input;
	rc = k->c->ops->call(k->c, &call, &reply, err);
	if (rc == 0) {
		s = cart_json_at(cart_json_get(reply.aws.view, "Snapshots"), 0);
		state = cart_json_get_string(s, "State");
		if (cart_json_i64(cart_json_get(s, "VolumeSize"),
				  &k->size_gib) < 0)
			k->size_gib = -1;
		if (state == NULL || strcmp(state, "completed") != 0)
			rc = cart_err_set(err, CART_ERR_INPUT, 0, "snapshot %s "
					  "in %s is %s, not completed: wait for "
					  "it, and collect again",
					  k->snapshot_id, k->source_region,
					  state != NULL ? state : "not there");
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

static int refuse_key(const struct copy *k, const char *why,
		      struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "key %s in %s %s; nothing "
			    "was copied", k->key, k->c->region, why);
}

static bool is(const struct cart_json *meta, const char *key, const char *value)
{
	const char *s = cart_json_get_string(meta, key);

	return s != NULL && strcmp(s, value) == 0;
}

static int look_at_key(struct copy *k, struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	const struct cart_json *meta;
	struct cart_step_reply reply;
	const char *arn;
	int rc;

	cart_json_add(input, "KeyId", cart_json_new_string(k->key));
	rc = ask(k, "kms", "DescribeKey", input, true, &reply, err);
	if (rc == 0) {
		meta = cart_json_get(reply.aws.view, "KeyMetadata");
		arn = cart_json_get_string(meta, "Arn");
		snprintf(k->key_arn, sizeof(k->key_arn), "%.150s",
			 arn != NULL ? arn : "");
		if (!is(meta, "KeyState", "Enabled"))
			rc = refuse_key(k, "is not enabled", err);
		else if (!is(meta, "KeyManager", "CUSTOMER"))
			rc = refuse_key(k, "is managed by AWS: what it encrypts "
					"cannot be shared; give a customer's key",
					err);
		else if (!is(meta, "KeyUsage", "ENCRYPT_DECRYPT") ||
			 !is(meta, "KeySpec", "SYMMETRIC_DEFAULT"))
			rc = refuse_key(k, "is not for encryption", err);
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

/* May this key be granted to the account that the copy is for?  KMS answers
 * a dry run with an error of its own when it would have worked. */
static int try_grant(struct copy *k, struct cart_err *err)
{
	const char *grantee = cart_json_get_string(k->c->with, "grantee");
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	struct cart_json *input;
	int rc;

	if (grantee == NULL)
		return 0;
	input = cart_json_new_object();
	cart_json_add(input, "KeyId", cart_json_new_string(k->key));
	cart_json_add(input, "GranteePrincipal", cart_json_new_string(grantee));
	cart_json_add(input, "Operations", cart_step_one("Decrypt"));
	cart_json_add(input, "DryRun", cart_json_new_bool(true));
	call.call.service = "kms";
	call.call.operation = "CreateGrant";
	call.call.input = input;
	call.call.may_change = k->c->may_change;
	call.no_exhibit = true;
	rc = k->c->ops->call(k->c, &call, &reply, err);
	if (rc < 0 && strcmp(reply.aws.error_code, "DryRunOperationException") ==
	    0) {
		cart_err_clear(err);
		rc = 0;
	} else if (rc < 0) {
		cart_err_prefix(err, "the key cannot be granted to %.100s, so "
				"nothing was copied", grantee);
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

/* ---- the copy ------------------------------------------------------------ */

static void describe(const struct copy *k, char text[200])
{
	snprintf(text, 200, "crashcart case %s: copy of %s in %s",
		 k->c->case_id, k->snapshot_id, k->source_region);
}

static struct cart_json *copy_input(void *arg, const char *uuid)
{
	struct cart_json *input = cart_json_new_object();
	const struct copy *k = arg;
	char text[200];

	describe(k, text);
	cart_json_add(input, "SourceRegion",
		      cart_json_new_string(k->source_region));
	cart_json_add(input, "SourceSnapshotId",
		      cart_json_new_string(k->snapshot_id));
	cart_json_add(input, "Description", cart_json_new_string(text));
	cart_json_add(input, "Encrypted", cart_json_new_bool(true));
	cart_json_add(input, "KmsKeyId", cart_json_new_string(k->key));
	cart_step_tags(input, k->c, "snapshot", uuid);
	return input;
}

static void take_id(const struct cart_json *view,
		    char made[CART_STEP_MADE_SIZE])
{
	const char *id = cart_json_get_string(view, "SnapshotId");

	snprintf(made, CART_STEP_MADE_SIZE, "%.60s", id != NULL ? id : "");
}

/* Anybody who may tag can put our tag on a snapshot: ours says what we said
 * and is as large as its source. */
static int take_ours(struct copy *k, const struct cart_json *view,
		     const char *uuid, char made[CART_STEP_MADE_SIZE],
		     struct cart_err *err)
{
	const struct cart_json *s;
	char text[200];
	const char *said;
	int64_t size;
	int found = 0;

	describe(k, text);
	s = cart_json_first(cart_json_get(view, "Snapshots"));
	for (; s != NULL; s = cart_json_next(s)) {
		said = cart_json_get_string(s, "Description");
		if (said == NULL || strcmp(said, text) != 0 ||
		    cart_json_i64(cart_json_get(s, "VolumeSize"), &size) < 0 ||
		    size != k->size_gib)
			continue;
		take_id(s, made);
		found += made[0] != '\0';
	}
	if (found < 2)
		return found;
	made[0] = '\0';
	cart_step_gap(k->c, "which copy is ours", "ambiguous", "more than one "
		      "snapshot carries the tag and the marks of this request");
	return cart_err_set(err, CART_ERR_INPUT, 0, "%d snapshots carry the tag "
			    "and the marks of this request: look at the account "
			    "for " CART_TAG_CHANGE "=%s", found, uuid);
}

static int find_copy(void *arg, const char *uuid,
		     char made[CART_STEP_MADE_SIZE], struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object(), *f;
	struct cart_step_reply reply;
	struct copy *k = arg;
	int rc;

	cart_json_add(input, "OwnerIds", cart_step_one("self"));
	f = cart_json_append(cart_json_add(input, "Filters",
					   cart_json_new_array()),
			     cart_json_new_object());
	cart_json_add(f, "Name", cart_json_new_string("tag:" CART_TAG_CHANGE));
	cart_json_add(f, "Values", cart_step_one(uuid));
	rc = ask(k, "ec2", "DescribeSnapshots", input, false, &reply, err);
	if (rc == 0)
		rc = take_ours(k, reply.aws.view, uuid, made, err);
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

/* ---- after --------------------------------------------------------------- */

/* What is there must be what was asked for. */
static int verify(struct copy *k, const char *id, const struct cart_json *s,
		  struct cart_err *err)
{
	const char *key = cart_json_get_string(s, "KmsKeyId");
	int64_t size = -1;

	if (cart_json_i64(cart_json_get(s, "VolumeSize"), &size) < 0 ||
	    size != k->size_gib)
		return cart_err_set(err, CART_ERR_INPUT, 0, "copy %s has not "
				    "the size of its source %s", id,
				    k->snapshot_id);
	if (!cart_json_bool(cart_json_get(s, "Encrypted")) || key == NULL ||
	    strcmp(key, k->key_arn) != 0)
		return cart_err_set(err, CART_ERR_INPUT, 0, "copy %s is not "
				    "encrypted under the key that was asked "
				    "for", id);
	return 0;
}

/* 1: completed; 0: not yet; -1, also when AWS gave it up. */
static int poll(struct copy *k, const char *id, bool final,
		struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	const char *state = NULL, *message = NULL;
	struct cart_step_reply reply;
	const struct cart_json *s;
	int rc;

	cart_json_add(input, "SnapshotIds", cart_step_one(id));
	rc = ask(k, "ec2", "DescribeSnapshots", input, final, &reply, err);
	s = cart_json_at(cart_json_get(reply.aws.view, "Snapshots"), 0);
	if (rc == 0) {
		state = cart_json_get_string(s, "State");
		message = cart_json_get_string(s, "StateMessage");
		rc = state != NULL && strcmp(state, "completed") == 0;
		if (state != NULL && strcmp(state, "error") == 0)
			rc = cart_err_set(err, CART_ERR_INPUT, 0, "AWS gave up "
					  "the copy %s: %s", id, message != NULL
					  ? message : "no reason given");
		if (rc == 1 && final && (verify(k, id, s, err) < 0 ||
					 k->c->ops->keep(k->c, reply.aws.view,
							 err) < 0))
			rc = -1;
	} else if (strcmp(reply.aws.error_code, "InvalidSnapshot.NotFound") == 0) {
		cart_err_clear(err);
		rc = 0;
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

static int wait_for(struct copy *k, const char *id, struct cart_err *err)
{
	int64_t begin = cart_clock_mono_ns();
	uint64_t every, limit;
	unsigned pause = 1000;
	int rc;

	if (cart_step_duration(k->c, "every", EVERY_MS, &every, err) < 0 ||
	    cart_step_duration(k->c, "timeout", LIMIT_MS, &limit, err) < 0)
		return -1;
	for (;;) {
		rc = poll(k, id, false, err);
		if (rc != 0)
			break;
		if ((uint64_t)(cart_clock_mono_ns() - begin) / 1000000 > limit)
			return cart_err_set(err, CART_ERR_TIMEOUT, 0, "%s is "
					    "not completed in the time that "
					    "the manifest gives; the copy goes "
					    "on at AWS", id);
		k->c->ops->progress(k->c, "copying the snapshot", 0, 0, "");
		if (pause > every)
			pause = (unsigned)every;
		if (k->c->ops->sleep(k->c, pause, err) < 0)
			return -1;
		pause *= 2;
	}
	return rc < 0 ? -1 : poll(k, id, true, err) < 0 ? -1 : 0;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct copy k = {
		.c = c,
		.snapshot_id = cart_json_get_string(c->with, "snapshot_id"),
		.source_region = cart_json_get_string(c->with,
						      "source_region"),
		.key = cart_json_get_string(c->with, "kms_key_id"),
	};
	const struct cart_step_change change = {
		.call = "ec2:CopySnapshot", .input = copy_input,
		.find = find_copy, .take = take_id, .arg = &k,
		.visible_ms = VISIBLE_AFTER_MS,
	};
	char id[CART_STEP_MADE_SIZE];
	struct cart_json *value;
	int rc;

	if (k.source_region == NULL)
		k.source_region = c->region;
	if (look_at_source(&k, err) < 0 || look_at_key(&k, err) < 0 ||
	    try_grant(&k, err) < 0 ||
	    cart_step_make(c, &change, id, err) < 0)
		return -1;
	value = cart_json_new_string(id);
	rc = c->ops->keep_value(c, "snapshot", value, err);
	cart_json_free(value);
	return rc < 0 ? -1 : wait_for(&k, id, err);
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	emit(arg, "ec2:DescribeSnapshots", false,
	     "the source; the copy, until it is completed");
	emit(arg, "kms:DescribeKey", false, "the key, before anything is made");
	if (cart_json_get(with, "grantee") != NULL)
		emit(arg, "kms:CreateGrant", true,
		     "a dry run: may the key be granted");
	emit(arg, "ec2:CopySnapshot", true,
	     "tagged with the change's UUID, under the key");
}

static const struct cart_param params[] = {
	{ "snapshot_id", CART_PARAM_STRING, true, NULL, "What is copied." },
	{ "source_region", CART_PARAM_STRING, false, NULL,
	  "Where it is; else the region that it is copied to." },
	{ "kms_key_id", CART_PARAM_STRING, true, NULL,
	  "A customer's key in the region of the copy." },
	{ "grantee", CART_PARAM_STRING, false, NULL,
	  "Principal that must be able to get a grant for the key." },
	{ "onward_key", CART_PARAM_STRING, false, NULL,
	  "The key of a further copy; without a value nothing is copied." },
	{ "every", CART_PARAM_DURATION, false, "15s",
	  "How often to look whether it is completed (sooner at first)." },
	{ "timeout", CART_PARAM_DURATION, false, "24h",
	  "How long to wait." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps[] = { "snapshot", NULL };

const struct cart_step_type cart_step_ec2_copy = {
	.name = "ec2.copy",
	.summary = "Copy a snapshot, under a key of the step's account.",
	.where = CART_STEP_AWS,
	.regional = true,
	.changes = "evidence",
	.params = params,
	.keeps = keeps,
	.plan = plan,
	.run = run,
};
