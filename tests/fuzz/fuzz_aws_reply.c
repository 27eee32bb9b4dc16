/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies.  The first line names the call and the status ("ec2:DescribeVolumes
 * 200"), then come header lines, an empty line and the body.  Whatever it is,
 * it decodes or does not; the error and the next page are asked for as well.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_protocol.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const calls[] = {
	"ec2:DescribeInstances", "iam:GetAccountAuthorizationDetails",
	"s3:ListObjectVersions", "s3:GetBucketAcl", "cloudtrail:LookupEvents",
	"lambda:GetFunction", "ebs:ListSnapshotBlocks", "s3:HeadObject",
	"ec2:DescribeVolumes", "iam:GetAccountSummary", "iam:GetRolePolicy",
	"s3:ListObjects", "s3:CopyObject", "ec2:GetConsoleOutput",
	"lambda:ListFunctions", "s3:GetBucketLocation"
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

/* Copies one line without its end; the rest is what follows. */
static char *line(const uint8_t **p, size_t *len)
{
	const uint8_t *nl = memchr(*p, '\n', *len);
	size_t n = nl ? (size_t)(nl - *p) : *len;
	char *s = strndup((const char *)*p, n);

	*p += n + (nl != NULL);
	*len -= n + (nl != NULL);
	return s;
}

static void pages(const struct cart_op *op, struct cart_json *view)
{
	struct cart_json *next = NULL, *total = NULL;

	cart_page_count(op, view);
	cart_page_next(op, NULL, view, &next, NULL);
	cart_json_free(next);
	if (!cart_page_merge(op, &total, cart_json_copy(view), NULL))
		cart_page_merge(op, &total, view, NULL);
	cart_json_free(total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_model *m = cart_model_builtin(NULL);
	struct cart_reply r = { .status = 200 };
	const struct cart_op *op;
	struct cart_aws_error e;
	struct cart_json *view;
	struct cart_buf b;
	char *s, *value;

	s = line(&data, &size);
	if (!m || !s)
		abort();
	value = strchr(s, ' ');
	if (value) {
		*value++ = '\0';
		r.status = (unsigned)strtoul(value, NULL, 10);
	}
	op = choose(m, s);
	free(s);
	s = NULL;
	while (size && (s = line(&data, &size)) && *s) {
		value = strchr(s, ':');
		if (value) {
			*value++ = '\0';
			cart_pairs_add(&r.headers, s, value);
		}
		free(s);
		s = NULL;
	}
	free(s);
	r.body = data;
	r.len = size;
	cart_buf_init(&b, (size_t)1 << 26);
	cart_reply_is_error(op, &r);
	view = cart_decode(op, &r, NULL);
	if (view) {
		cart_json_print(view, 0, &b);
		pages(op, view);
	}
	cart_decode_error(op, &r, &e);
	cart_aws_error_clear(&e);
	cart_decode_error(NULL, &r, &e);
	cart_aws_error_clear(&e);
	cart_buf_clear(&b);
	cart_pairs_clear(&r.headers);
	return 0;
}
