/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws.call: one AWS operation, all its pages, as evidence.
 */
#include <stdio.h>
#include <string.h>

#include "crashcart/aws_protocol.h"
#include "crashcart/step.h"
#include "step_support.h"

#define PAGES_MAX 100000	/* 100 events a page: the log of a large year */

/* A call failed: 0 if its answer is a fact. */
static int judge(struct cart_step_ctx *c, const struct cart_step_call *call,
		 const struct cart_step_reply *reply,
		 const struct cart_err *err)
{
	const char *fact = call->call.may_change ? NULL :
		cart_step_absence(&call->call, reply, err,
				  cart_json_get(c->with, "absent"));

	if (fact != NULL) {
		cart_step_note_absence(c, &call->call, reply, fact);
		return 0;
	}
	if (call->page > 1)
		cart_step_gap_call(c, reply, "pages from this one on", err);
	return -1;
}

static int run_pages(struct cart_step_ctx *c, struct cart_step_call *call,
		     struct cart_err *err)
{
	struct cart_json *input = cart_json_copy(call->call.input), *next;
	struct cart_step_reply reply;
	bool one = cart_json_bool(cart_json_get(c->with, "first_page_only"));
	int more = 1;

	while (more > 0) {
		next = NULL;
		call->call.input = input;
		call->page++;
		if (c->ops->call(c, call, &reply, err) < 0) {
			more = judge(c, call, &reply, err);
		} else if (c->ops->keep(c, reply.aws.view, err) < 0) {
			more = -1;
		} else {
			more = cart_aws_next_page(&call->call, reply.aws.view,
						  &next, err);
		}
		cart_step_reply_clear(&reply);
		cart_json_free(input);
		input = next;
		if (more > 0 && (one || call->page == PAGES_MAX)) {
			cart_step_gap(c, "further pages", "limit", one ?
				      "the manifest asked for the first page only" :
				      "100,000 pages are the most of one call");
			more = 0;
		}
	}
	cart_json_free(input);
	return more;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	const char *name = cart_json_get_string(c->with, "call");
	struct cart_step_call call = { 0 };
	struct cart_json *empty = cart_json_new_object();
	char service[64], operation[128];
	int rc;

	rc = cart_step_split_call(name, service, operation, err);
	if (rc == 0) {
		call.call.service = service;
		call.call.operation = operation;
		call.call.input = cart_json_get(c->with, "input");
		if (call.call.input == NULL)
			call.call.input = empty;
		call.call.may_change = c->may_change;
		call.call.once = c->may_change;
		rc = run_pages(c, &call, err);
	}
	cart_json_free(empty);
	return rc;
}

/* Takes out every text that holds a reference: what stands there is known
 * only when the step runs.  True if there was one. */
static bool drop_references(struct cart_json *j)
{
	struct cart_json *child = cart_json_first(j), *next;
	bool dropped = false;

	for (; child != NULL; child = next) {
		const char *text = cart_json_string(child);

		next = cart_json_next(child);
		if (text != NULL && strstr(text, "${") != NULL) {
			cart_json_free(cart_json_detach(j, child));
			dropped = true;
		} else if (drop_references(child)) {
			dropped = true;
		}
	}
	return dropped;
}

/* The input is checked against the model before anything is sent. */
static int check(const struct cart_json *with, struct cart_err *err)
{
	const struct cart_json *input = cart_json_get(with, "input");
	const char *call = cart_json_get_string(with, "call");
	struct cart_model *model = cart_model_builtin(err);
	char service[64], operation[128];
	const struct cart_op *op;
	struct cart_json *copy;
	bool partial;
	int rc;

	if (cart_step_split_call(call, service, operation, err) < 0)
		return -1;
	op = model != NULL ? cart_model_op(model, call, err) : NULL;
	if (op == NULL)
		return -1;
	copy = input != NULL ? cart_json_copy(input) : cart_json_new_object();
	if (copy == NULL)
		return cart_err_nomem(err);
	partial = drop_references(copy);
	rc = cart_encode_check(op, copy, partial, err);
	cart_json_free(copy);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	const char *call = cart_json_get_string(with, "call");

	/* whether it changes something is the engine's to say: it knows the
	 * review of every operation */
	emit(arg, call != NULL ? call : "", false, "every page");
}

static const struct cart_param params[] = {
	{ "call", CART_PARAM_STRING, true, NULL,
	  "SERVICE:OPERATION, as the AWS API names it: iam:GetUser." },
	{ "input", CART_PARAM_OBJECT, false, "{}",
	  "Input, as --cli-input-json of the AWS CLI takes it." },
	{ "first_page_only", CART_PARAM_BOOLEAN, false, "false",
	  "Stop after one page; the rest is a recorded gap." },
	{ "absent", CART_PARAM_STRINGS, false, NULL,
	  "Error codes that only say that there is nothing: facts, no gaps." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_aws_call = {
	.name = "aws.call",
	.summary = "Make one AWS call, all pages, and keep the replies.",
	.where = CART_STEP_AWS,
	.regional = true,
	.params = params,
	.check = check,
	.plan = plan,
	.run = run,
};
