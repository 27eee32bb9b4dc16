/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What S3 answers to him who verifies a bundle there.  The first line says what
 * is asked (list, facts or read), then come answers, each ended by a line "--":
 * status, header lines, an empty line, the body.  No network: the calls of
 * s3_read.c come here, and once the answers are used up they fail.
 */
#include <stdlib.h>
#include <string.h>

#define cart_aws_call answer
#include "../../collector/aws/s3_read.c"

#include <crashcart/aws_protocol.h>

#define PARTS 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *rest;
static size_t rest_len;

/* One line without its end, to be freed; NULL: there is none. */
static char *line(void)
{
	const uint8_t *nl = memchr(rest, '\n', rest_len);
	size_t n = nl ? (size_t)(nl - rest) : rest_len;
	char *s;

	if (rest_len == 0)
		return NULL;
	s = strndup((const char *)rest, n);
	rest += n + (nl != NULL);
	rest_len -= n + (nl != NULL);
	return s;
}

static void headers(struct cart_reply *r)
{
	char *s, *value;

	while ((s = line()) && *s) {
		value = strchr(s, ':');
		if (value) {
			*value++ = '\0';
			cart_pairs_add(&r->headers, s, value);
		}
		free(s);
	}
	free(s);
}

int answer(struct cart_aws *aws, const struct answer *call,
	   struct cart_aws_reply *ret, struct cart_err *err)
{
	char name[64], *s = line();
	struct cart_reply r = { .status = 0 };
	const uint8_t *end;
	const struct cart_op *op;
	int rc = -1;

	(void)aws;
	if (s)
		r.status = (unsigned)strtoul(s, NULL, 10);
	free(s);
	memset(ret, 0, sizeof(*ret));
	snprintf(name, sizeof(name), "s3:%s", call->operation);
	op = cart_model_op(cart_model_builtin(NULL), name, NULL);
	if (!op)
		abort();
	headers(&r);
	end = memmem(rest, rest_len, "\n--\n", 4);
	r.body = rest;
	r.len = end ? (size_t)(end - rest) : rest_len;
	rest += r.len + (end ? 4 : 0);
	rest_len -= r.len + (end ? 4 : 0);
	ret->status = (int)r.status;
	if (r.status < 200 || r.status > 299 || r.len > call->into_size + 65536)
		cart_err_set(err, CART_ERR_HTTP, 0, "status %u", r.status);
	else if (!call->into)
		rc = (ret->view = cart_decode(op, &r, err)) ? 0 : -1;
	else if (r.len > call->into_size)
		cart_err_set(err, CART_ERR_LIMIT, 0, "too long");
	else {
		memcpy(call->into, r.body, r.len);
		ret->into_len = r.len;
		r.len = 0;
		rc = (ret->view = cart_decode(op, &r, err)) ? 0 : -1;
	}
	cart_pairs_clear(&r.headers);
	return rc;
}

static int object(void *arg, const struct cart_s3_object *o,
		  struct cart_err *err)
{
	unsigned *n = arg;

	if (!*o->name || !o->etag)
		abort();
	*n += (unsigned)(strlen(o->name) + strlen(o->etag));
	return 0;
}

static void facts(const struct cart_s3_reader *r)
{
	struct cart_s3_part *parts = calloc(PARTS, sizeof(*parts));
	struct cart_s3_facts f;
	struct cart_err err;
	size_t n;

	if (parts && cart_s3_facts(r, "name", &f, parts, PARTS, &n,
				   &err) == 0 &&
	    (n > PARTS || strlen(f.version) >= sizeof(f.version) ||
	     strlen(f.hold) >= sizeof(f.hold)))
		abort();
	free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_s3_reader r = { .bucket = "b", .prefix = "p/" };
	struct cart_err err;
	unsigned n = 0;
	char *s, *into;

	rest = data;
	rest_len = size;
	s = line();
	if (!s)
		return 0;
	if (*s == 'l') {
		cart_s3_list(&r, "", object, &n, &err);
	} else if (*s == 'f') {
		facts(&r);
	} else if ((into = malloc(64)) != NULL) {
		if (cart_s3_read(&r, "name", "\"e\"", 7, into, 64, &err) > 64)
			abort();
		free(into);
	}
	free(s);
	return 0;
}
