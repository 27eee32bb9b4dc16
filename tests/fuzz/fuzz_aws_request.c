/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests.  The first line names the call, the rest is the input.  What is
 * encoded must be printable, and its headers must be lines.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_protocol.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const calls[] = {
	"ec2:RunInstances", "iam:SimulateCustomPolicy", "s3:PutObject",
	"s3:PutBucketLifecycleConfiguration", "ssm:CreateAssociation",
	"lambda:CreateFunction", "ebs:GetSnapshotBlock", "s3:CopyObject",
	"s3control:GetPublicAccessBlock", "dynamodb:Query",
	"ec2:DescribeInstances", "s3:GetObject", "s3:PutBucketTagging",
	"lambda:ListFunctions", "cloudtrail:LookupEvents",
	"s3:CreateMultipartUpload"
};

/* One of the above: by name, else by chance.  Others would cost the time of
 * looking for the nearest name. */
static const struct cart_op *choose(struct cart_model *m, const char *name)
{
	const size_t n = sizeof(calls) / sizeof(*calls);
	size_t i;

	for (i = 0; i < n && strcmp(calls[i], name); i++)
		;
	return cart_model_op(m, calls[i < n ? i : (unsigned char)*name % n],
			     NULL);
}

static void check_request(const struct cart_request *r)
{
	struct cart_buf b;
	size_t i;

	if (r->path[0] != '/' || strpbrk(r->path, " \r\n"))
		abort();
	for (i = 0; i < r->headers.n; i++) {
		if (strpbrk(r->headers.v[i].name, "\r\n: ") ||
		    strpbrk(r->headers.v[i].value, "\r\n"))
			abort();
	}
	if (strpbrk(r->host_prefix, "/@:?# \r\n"))
		abort();
	cart_buf_init(&b, (size_t)1 << 26);
	cart_request_show(r, "https", "host", &b);
	if (!cart_buf_ok(&b) || memchr(b.data, '\n', b.len - 1))
		abort();
	cart_buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_model *m = cart_model_builtin(NULL);
	const uint8_t *nl = memchr(data, '\n', size);
	struct cart_encode_opts opts = { .token = "token" };
	struct cart_request r;
	const struct cart_op *op;
	struct cart_json *in;
	struct cart_err err;
	char *s;

	if (!m)
		abort();
	if (!nl)
		return 0;
	s = strndup((const char *)data, (size_t)(nl - data));
	if (!s)
		abort();
	op = choose(m, s);
	free(s);
	size -= (size_t)(nl + 1 - data);
	in = cart_json_parse(nl + 1, size, NULL, NULL);
	if (!in)
		return 0;
	opts.partial = size & 1;
	opts.path_style = size & 2;
	if (!cart_encode(op, in, &opts, &r, &err)) {
		check_request(&r);
		cart_request_clear(&r);
	}
	cart_json_free(in);
	return 0;
}
