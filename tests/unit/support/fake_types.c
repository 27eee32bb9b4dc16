/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_types.h"

#include <string.h>

int (*fake_hook)(struct cart_step_ctx *c, struct cart_err *err);

static const struct cart_param call_params[] = {
	{ "call", CART_PARAM_STRING, true, NULL, "service:Operation" },
	{ "input", CART_PARAM_OBJECT, false, "{}", "its input" },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const struct cart_param fake_params[] = {
	{ "ids", CART_PARAM_ANY, false, NULL, "what is kept as ids" },
	{ "count", CART_PARAM_INTEGER, false, NULL, "a number" },
	{ "flag", CART_PARAM_BOOLEAN, false, NULL, "yes or no" },
	{ "size", CART_PARAM_SIZE, false, NULL, "a size" },
	{ "since", CART_PARAM_TIME, false, NULL, "a time" },
	{ "every", CART_PARAM_DURATION, false, NULL, "a duration" },
	{ "names", CART_PARAM_STRINGS, false, NULL, "some names" },
	{ "text", CART_PARAM_STRING, false, NULL, "a text" },
	{ "odd", CART_PARAM_STRING, false, NULL, "must not be \"bad\"" },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps_ids[] = { "ids", NULL };

static int check_odd(const struct cart_json *with, struct cart_err *err)
{
	const char *s = cart_json_get_string(with, "odd");

	if (s && !strcmp(s, "bad"))
		return cart_err_set(err, CART_ERR_USAGE, 0, "odd is bad");
	return 0;
}

static int hook(struct cart_step_ctx *c, struct cart_err *err)
{
	return fake_hook ? fake_hook(c, err) : 0;
}

static int run_call(struct cart_step_ctx *c, struct cart_err *err)
{
	const char *name = cart_json_get_string(c->with, "call");
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	char service[32], operation[64];
	size_t n = strcspn(name, ":");
	int rc;

	if (hook(c, err) < 0)
		return -1;
	snprintf(service, sizeof(service), "%.*s", (int)n, name);
	snprintf(operation, sizeof(operation), "%s", name + n + 1);
	call.call.service = service;
	call.call.operation = operation;
	call.call.input = cart_json_get(c->with, "input");
	call.call.may_change = c->may_change;
	rc = c->ops->call(c, &call, &reply, err);
	if (rc == 0)
		rc = c->ops->keep(c, reply.aws.view, err);
	cart_step_reply_clear(&reply);
	return rc;
}

static int run_keep(struct cart_step_ctx *c, struct cart_err *err)
{
	const struct cart_json *ids = cart_json_get(c->with, "ids");

	if (ids && c->ops->keep_value(c, "ids", ids, err) < 0)
		return -1;
	return hook(c, err);
}

static int run_evidence(struct cart_step_ctx *c, struct cart_err *err)
{
	const char *made[] = { "made-1", NULL };
	char uuid[CART_UUID_SIZE];
	bool earlier;
	int64_t when;

	if (c->ops->intent(c, "svc:PutThing", c->with, 1, uuid, &earlier, &when,
			   err) < 0)
		return -1;
	if (hook(c, err) < 0)
		return -1;
	if (c->ops->change(c, uuid, earlier ? "adopted" : "result",
			   "svc:PutThing", made, NULL, err) < 0)
		return -1;
	return run_keep(c, err);
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	const char *call = cart_json_get_string(with, "call");

	emit(arg, call ? call : "nothing", false, NULL);
}

static const struct cart_step_type t_call = {
	.name = "aws.call", .summary = "one call", .regional = true,
	.params = call_params, .plan = plan, .run = run_call
};
static const struct cart_step_type t_evidence = {
	.name = "fake.evidence", .summary = "changes", .changes = "evidence",
	.params = fake_params, .keeps = keeps_ids, .run = run_evidence
};
static const struct cart_step_type t_keep = {
	.name = "fake.keep", .summary = "keeps", .regional = true,
	.params = fake_params, .keeps = keeps_ids, .check = check_odd,
	.run = run_keep
};
static const struct cart_step_type t_may = {
	.name = "fake.may", .summary = "may change", .may_change = "evidence",
	.params = fake_params, .run = hook
};
static const struct cart_step_type t_disk = {
	.name = "host.disk", .summary = "reads a disk",
	.where = CART_STEP_HOST, .volatility = 5, .params = fake_params,
	.run = hook
};
static const struct cart_step_type t_mem = {
	.name = "host.mem", .summary = "reads memory",
	.where = CART_STEP_HOST, .volatility = 1, .params = fake_params,
	.run = hook
};

static const struct cart_step_type *const types[] = {
	&t_call, &t_evidence, &t_keep, &t_may, &t_disk, &t_mem, NULL
};

static int op(const char *call, struct cart_op_facts *ret, struct cart_err *err)
{
	const char *name = strchr(call, ':');

	if (!name)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "\"%s\" is not service:Operation", call);
	name++;
	ret->global = !strncmp(call, "glob:", 5);
	ret->secret = !strncmp(name, "GetSecret", 9);
	ret->read_only = !strncmp(name, "Get", 3);
	ret->class = ret->read_only ? "read" : "write";
	if (ret->read_only || !strncmp(name, "Put", 3))
		return 0;
	return cart_err_set(err, CART_ERR_INPUT, 0, "there is no operation "
			    "\"%s\"; did you mean \"GetThing\"?", name);
}

const struct cart_oracle fake_oracle = { types, op, NULL };
