/* SPDX-License-Identifier: Apache-2.0 */
#include "step_change.h"

#include <stdio.h>
#include <string.h>

#include "step_support.h"

#define ATTEMPTS 5

struct cart_json *cart_step_one(const char *text)
{
	struct cart_json *a = cart_json_new_array();

	cart_json_append(a, cart_json_new_string(text));
	return a;
}

static void add_tag(struct cart_json *tags, const char *key, const char *value)
{
	struct cart_json *t = cart_json_append(tags, cart_json_new_object());

	cart_json_add(t, "Key", cart_json_new_string(key));
	cart_json_add(t, "Value", cart_json_new_string(value));
}

void cart_step_tags(struct cart_json *input, const struct cart_step_ctx *c,
		    const char *resource_type, const char *uuid)
{
	struct cart_json *spec, *tags;

	spec = cart_json_append(cart_json_add(input, "TagSpecifications",
					      cart_json_new_array()),
				cart_json_new_object());
	cart_json_add(spec, "ResourceType", cart_json_new_string(resource_type));
	tags = cart_json_add(spec, "Tags", cart_json_new_array());
	if (uuid[0] != '\0')
		add_tag(tags, CART_TAG_CHANGE, uuid);
	add_tag(tags, "crashcart:case", c->case_id);
	add_tag(tags, "crashcart:bundle", c->bundle_uuid);
}

static int tell(struct cart_step_ctx *c, const struct cart_step_change *s,
		const char *uuid, const char *event, const char *made,
		const char *detail, struct cart_err *err)
{
	const char *ids[2] = { made, NULL };

	return c->ops->change(c, uuid, event, s->call,
			      made[0] != '\0' ? ids : NULL, detail, err);
}

/* What was asked for at sent_utc_ns: 1 adopted, 0 it never happened, -1. */
static int adopt(struct cart_step_ctx *c, const struct cart_step_change *s,
		 const char *uuid, int64_t sent_utc_ns,
		 char made[CART_STEP_MADE_SIZE], struct cart_err *err)
{
	unsigned pause = 1000;
	int found;

	for (;;) {
		made[0] = '\0';
		found = s->find(s->arg, uuid, made, err);
		if (found < 0)
			return -1;
		if (found > 0)
			return tell(c, s, uuid, "adopted", made, "found: it was "
				    "made by the request whose answer is "
				    "missing", err) < 0 ? -1 : 1;
		if ((c->ops->now_ns(c) - sent_utc_ns) / 1000000 >= s->visible_ms)
			return 0;
		c->ops->progress(c, "looking for what was asked for before", 0,
				 0, "");
		if (c->ops->sleep(c, pause, err) < 0)
			return -1;
		pause = pause < 4000 ? pause * 2 : 5000;
	}
}

static int send(struct cart_step_ctx *c, const struct cart_step_change *s,
		const char *uuid, char made[CART_STEP_MADE_SIZE],
		struct cart_err *err)
{
	struct cart_json *input = s->input(s->arg, uuid);
	int64_t sent = c->ops->now_ns(c);
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	struct cart_err look = { 0 };
	char service[64], operation[128];
	int rc, found;

	if (cart_step_split_call(s->call, service, operation, err) < 0) {
		cart_json_free(input);
		return -1;
	}
	call.call.service = service;
	call.call.operation = operation;
	call.call.region = s->region;
	call.call.input = input;
	call.call.may_change = c->may_change;
	call.call.once = true;
	made[0] = '\0';
	rc = c->ops->call(c, &call, &reply, err);
	if (rc == 0) {
		s->take(reply.aws.view, made);
		rc = tell(c, s, uuid, "result", made, "accepted", err);
	} else if (!reply.aws.sent || (reply.aws.status >= 400 &&
				       reply.aws.status < 500)) {
		tell(c, s, uuid, "result", "", err->text, NULL);
	} else {
		found = adopt(c, s, uuid, sent, made, &look);
		if (found == 0)
			tell(c, s, uuid, "result", "", "looked for in vain: it "
			     "did not happen", NULL);
		else if (found < 0)
			tell(c, s, uuid, "unknown", "", look.text, NULL);
		rc = found > 0 ? 0 : -1;
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

int cart_step_make(struct cart_step_ctx *c, const struct cart_step_change *s,
		   char ret_made[CART_STEP_MADE_SIZE], struct cart_err *err)
{
	char uuid[CART_UUID_SIZE];
	unsigned attempt;

	for (attempt = 1; attempt <= ATTEMPTS; attempt++) {
		struct cart_json *input = s->input(s->arg, "");
		bool earlier = false;
		int64_t when = 0;
		int rc;

		rc = c->ops->intent(c, s->call, input, attempt, uuid, &earlier,
				    &when, err);
		cart_json_free(input);
		if (rc < 0)
			return -1;
		ret_made[0] = '\0';
		if (!earlier && s->already)
			return tell(c, s, uuid, "result", "", "it was so "
				    "already, and not asked for", err);
		if (!earlier)
			return send(c, s, uuid, ret_made, err);
		rc = adopt(c, s, uuid, when, ret_made, err);
		if (rc < 0 && err != NULL && err->class == CART_ERR_INPUT)
			tell(c, s, uuid, "unknown", "", err->text, NULL);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		if (tell(c, s, uuid, "result", "", "the interrupted request "
			 "made nothing", err) < 0)
			return -1;
	}
	return cart_err_set(err, CART_ERR_LIMIT, 0, "%s: interrupted %d times "
			    "before the request was made", s->call, ATTEMPTS);
}
