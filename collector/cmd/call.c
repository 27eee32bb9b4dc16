/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_session.h"
#include "command.h"
#include "crashcart/aws_protocol.h"
#include "crashcart/fdio.h"
#include "crashcart/json.h"
#include "crashcart/msg.h"

#define INPUT_MAX ((size_t)16 << 20)

/* Inputs hold 64-bit integers, whose digits are kept. */
static const struct cart_json_limits input_limits = {
	.depth = 64, .inexact = true
};

/* "ec2:DescribeInstances" into its two names. */
static int split_call(const char *text, char service[64], char operation[128],
		      struct cart_err *err)
{
	const char *colon = strchr(text, ':');

	if (colon == NULL || colon == text || colon[1] == '\0' ||
	    (size_t)(colon - text) >= 64 || strlen(colon + 1) >= 128)
		return cart_err_set(err, CART_ERR_USAGE, 0, "'%s' is not "
				    "SERVICE:OPERATION (ec2:DescribeInstances)",
				    text);
	snprintf(service, 64, "%.*s", (int)(colon - text), text);
	snprintf(operation, 128, "%s", colon + 1);
	return 0;
}

static struct cart_json *read_input(const char *text, struct cart_err *err)
{
	struct cart_json *j = NULL;
	struct cart_buf b;

	if (text == NULL)
		return cart_json_new_object();
	if (text[0] != '@') {
		j = cart_json_parse(text, strlen(text), &input_limits, err);
	} else {
		cart_buf_init(&b, INPUT_MAX);
		if (cart_file_read(AT_FDCWD, text + 1, &b, err) == 0)
			j = cart_json_parse(b.data, b.len, &input_limits,
					    err);
		cart_buf_clear(&b);
	}
	if (j == NULL) {
		cart_err_prefix(err, "--input");
		err->class = CART_ERR_USAGE;
	}
	return j;
}

static int print_json(const struct cart_json *j, unsigned indent)
{
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, (size_t)512 << 20);
	cart_json_print(j, indent, &b);
	cart_buf_addc(&b, '\n');
	if (cart_buf_ok(&b) && fwrite(b.data, 1, b.len, stdout) == b.len)
		rc = 0;
	cart_buf_clear(&b);
	return rc;
}

/* All pages folded into one, as the AWS CLI prints them. */
static int call_all(struct cart_aws *aws, struct cart_aws_call *call,
		    const struct cart_op *op, bool one_page,
		    struct cart_json **ret, struct cart_err *err)
{
	struct cart_json *input = cart_json_copy(call->input), *next;
	struct cart_aws_reply reply;
	int more = 1, rc;

	*ret = NULL;
	while (more > 0) {
		call->input = input;
		next = NULL;
		rc = cart_aws_call(aws, call, &reply, err);
		more = rc < 0 ? -1 : one_page ? 0 :
			cart_aws_next_page(call, reply.view, &next, err);
		if (rc == 0 && one_page)
			*ret = reply.view;	/* with its token */
		else if (rc == 0 &&
			 cart_page_merge(op, ret, reply.view, err) < 0)
			more = -1;
		if (rc == 0)
			reply.view = NULL;	/* consumed */
		cart_aws_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return more;
}

static int one_call(const struct cart_args *a, struct cart_aws *aws,
		    const char *text, const struct cart_json *input,
		    const char *region, bool batch, struct cart_err *err)
{
	struct cart_aws_call call = { 0 };
	char service[64], operation[128];
	struct cart_json *out = NULL;
	struct cart_model *model;
	const struct cart_op *op;
	int rc = -1;

	if (split_call(text, service, operation, err) < 0)
		return -1;
	call.service = service;
	call.operation = operation;
	call.region = region;
	call.input = input;
	if (cart_args_flag(a, "show-request")) {
		if (cart_aws_show_request(aws, &call, &out, err) == 0)
			rc = print_json(out, batch ? 0 : 4);
	} else {
		model = cart_model_builtin(err);
		op = model != NULL ? cart_model_op(model, text, err) : NULL;
		if (op == NULL)
			err->class = CART_ERR_USAGE;
		else if (cart_model_class(op) == CART_OP_SECRET &&
			 !cart_args_flag(a, "secrets"))
			cart_err_set(err, CART_ERR_USAGE, 0, "the reply of %s "
				     "may hold secrets: give --secrets to have "
				     "it printed (in a manifest, the step says "
				     "\"secrets\": \"allow\")", text);
		else if (call_all(aws, &call, op,
				  cart_args_flag(a, "no-paginate"), &out,
				  err) == 0)
			rc = print_json(out, batch ? 0 : 4);
	}
	cart_json_free(out);
	return rc;
}

static void print_batch_error(const struct cart_err *err)
{
	struct cart_json *j = cart_json_new_object();

	cart_json_add(j, "error", cart_json_new_string(err->text));
	cart_json_add(j, "class",
		      cart_json_new_string(cart_err_class_name(err->class)));
	print_json(j, 0);
	cart_json_free(j);
}

/* {"call":"ec2:DescribeInstances","input":{},"region":"eu-west-1"} a line. */
static int batch_line(const struct cart_args *a, struct cart_aws *aws,
		      const char *line, size_t len)
{
	struct cart_err err = { 0 };
	struct cart_json *j, *empty = cart_json_new_object();
	const struct cart_json *input;
	const char *call, *region;
	int rc = -1;

	j = cart_json_parse(line, len, &input_limits, &err);
	call = cart_json_get_string(j, "call");
	region = cart_json_get_string(j, "region");
	input = cart_json_get(j, "input");
	if (j != NULL && call == NULL)
		cart_err_set(&err, CART_ERR_USAGE, 0,
			     "a line of --batch wants \"call\"");
	else if (j != NULL)
		rc = one_call(a, aws, call, input != NULL ? input : empty,
			      region != NULL ? region :
			      cart_args_value(a, "region"), true, &err);
	if (rc < 0)
		print_batch_error(&err);
	cart_json_free(j);
	cart_json_free(empty);
	return rc;
}

static int batch(const struct cart_args *a, struct cart_aws *aws)
{
	int status = CART_EXIT_OK;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) >= 0) {
		if (n > 0 && line[n - 1] == '\n')
			n--;
		if (n == 0)
			continue;
		if (batch_line(a, aws, line, (size_t)n) < 0)
			status = CART_EXIT_FAILED;
		fflush(stdout);
	}
	free(line);
	return status;
}

static int call(const struct cart_args *a)
{
	struct cart_env *env = cart_env_take();
	struct cart_json *input = NULL;
	struct cmd_aws *session = NULL;
	struct cart_err err = { 0 };
	int status = CART_EXIT_FAILED;

	if (!cart_args_flag(a, "batch") && a->n_positional == 0) {
		status = cart_command_usage(a, "name a call, "
					    "sts:GetCallerIdentity for one");
		goto out;
	}
	input = read_input(cart_args_value(a, "input"), &err);
	if (input == NULL)
		goto fail;
	session = cart_cmd_aws_new(a, env, false, &err);
	if (session == NULL)
		goto fail;
	if (cart_args_flag(a, "batch"))
		status = batch(a, cart_cmd_aws_client(session));
	else if (one_call(a, cart_cmd_aws_client(session), a->positional[0], input,
			  cart_args_value(a, "region"), false, &err) < 0)
		goto fail;
	else
		status = CART_EXIT_OK;
	goto out;
fail:
	status = cart_command_fail(a, &err);
out:
	cart_cmd_aws_free(session);
	cart_json_free(input);
	cart_env_free(env);
	return status;
}

static const struct cart_option options[] = {
	{ "input", 'i', "JSON|@FILE", false,
	  "Input, as the AWS CLI's --cli-input-json takes it." },
	{ "no-paginate", 0, NULL, false, "Only the first page." },
	{ "show-request", 0, NULL, false,
	  "Print the unsigned request of any operation; send nothing." },
	{ "batch", 0, NULL, false,
	  "A call a line from stdin: {\"call\":..., \"input\":..., \"region\":...}." },
	{ "secrets", 0, NULL, false,
	  "Print also replies that may hold secrets." },
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_call = {
	.name = "call",
	.summary = "Make one read-only AWS call and print the reply.",
	.usage = "SERVICE:OPERATION [--input JSON|@FILE] [--region R]",
	.min_positional = 0,
	.max_positional = 1,
	.options = options,
	.about =
"The reply is printed as `aws ... --output json` prints it, all pages as one.\n"
"Operations that were not reviewed as read-only are refused before anything is\n"
"sent (`crashcart show services ec2` tells which); those whose reply may hold\n"
"secrets want --secrets.  Nothing is recorded: to keep\n"
"a reply as evidence use aws.call in a manifest.\n"
"\n"
"Examples:\n"
"  crashcart call sts:GetCallerIdentity\n"
"  crashcart call ec2:DescribeInstances -r eu-west-1 \\\n"
"      -i '{\"InstanceIds\":[\"i-0123456789abcdef0\"]}'\n",
	.run = call,
};
