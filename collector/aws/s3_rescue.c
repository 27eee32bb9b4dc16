/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "s3_internal.h"

/* What a run that died left in S3: uploads that are open. */

#define PARTS_MAX 10000u

static int each_page(const struct cart_s3_sink_options *o,
		     const char *operation, struct cart_json *input,
		     int (*page)(void *arg, const struct cart_json *view),
		     void *arg, struct cart_err *err)
{
	struct cart_aws_call now = { .service = "s3", .operation = operation };
	struct cart_aws_reply reply = { 0 };
	struct cart_json *next;
	int rc = 1;

	while (rc > 0 && input) {
		now.input = input;
		next = NULL;
		rc = cart_s3_call(o, operation, input, NULL, &reply, err);
		if (rc < 0)
			/* what is not there has no pages */
			rc = reply.status == 404 ? 0 : -1;
		else if (page(arg, reply.view) < 0)
			rc = cart_err_nomem(err);
		else
			rc = cart_aws_next_page(&now, reply.view, &next, err);
		cart_aws_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return rc;
}

/* Parts come in order; what is behind a gap does not count. */
static int take_parts(void *arg, const struct cart_json *view)
{
	const struct cart_json *p = cart_json_get(view, "Parts");
	const char *etag, *sum;
	struct s3_upload *u = arg;
	struct s3_part *part;
	int64_t number, size;
	struct cart_buf b;
	char raw[64];

	for (p = cart_json_first(p); p; p = cart_json_next(p)) {
		part = &u->parts[u->n_parts];
		etag = cart_json_get_string(p, "ETag");
		sum = cart_json_get_string(p, "ChecksumSHA256");
		if (cart_json_i64(cart_json_get(p, "PartNumber"),
				  &number) < 0 ||
		    cart_json_i64(cart_json_get(p, "Size"), &size) < 0 ||
		    number != (int64_t)u->n_parts + 1 || size < 1 || !sum ||
		    u->n_parts == PARTS_MAX || !etag ||
		    strlen(etag) >= sizeof(part->etag))
			return 0;
		cart_buf_init_fixed(&b, raw, sizeof(raw));
		if (cart_text_unbase64(sum, strlen(sum), &b) < 0 ||
		    b.len != sizeof(part->sha256))
			return 0;
		memcpy(part->sha256, raw, sizeof(part->sha256));
		snprintf(part->etag, sizeof(part->etag), "%s", etag);
		u->bytes += (uint64_t)size;
		u->n_parts++;
	}
	return 0;
}

static int list_parts(const struct cart_s3_sink_options *o,
		      struct s3_upload *u, struct cart_err *err)
{
	struct cart_json *j = cart_s3_input(o, u->file);

	u->parts = calloc(PARTS_MAX + 1, sizeof(*u->parts));
	if (!u->parts) {
		cart_json_free(j);
		return cart_err_nomem(err);
	}
	cart_s3_add(j, "UploadId", u->id);
	return each_page(o, "ListParts", j, take_parts, u, err);
}

int cart_s3_finish(const struct cart_s3_sink_options *o, const char *upload,
		   const unsigned char (*parts)[CART_SHA256_SIZE],
		   size_t n_parts, struct cart_err *err)
{
	const char *space = strchr(upload, ' ');
	struct s3_upload u = { .n_parts = 0 };
	int rc = -1;
	size_t i;

	if (!space || (size_t)(space - upload) >= sizeof(u.file))
		return cart_err_set(err, CART_ERR_INPUT, 0, "no upload");
	snprintf(u.file, sizeof(u.file), "%.*s", (int)(space - upload),
		 upload);
	u.id = strdup(space + 1);
	if (!u.id)
		return cart_err_nomem(err);
	if (list_parts(o, &u, err) < 0)
		goto out;
	rc = u.parts && u.n_parts == n_parts;
	for (i = 0; rc && i < n_parts; i++)
		rc = memcmp(u.parts[i].sha256, parts[i],
			    CART_SHA256_SIZE) == 0;
	if (rc && cart_s3_complete(o, &u, err) < 0)
		rc = -1;
out:
	free(u.parts);
	free(u.id);
	return rc;
}

struct latest {
	struct cart_buf key;
	char when[64];
	char *id;
	size_t n;			/* of this key */
};

/* Prefixes match longer keys too; times are ISO 8601, so that text compares. */
static int take_uploads(void *arg, const struct cart_json *view)
{
	const struct cart_json *p = cart_json_get(view, "Uploads");
	const char *key, *when, *id;
	struct latest *l = arg;

	for (p = cart_json_first(p); p; p = cart_json_next(p)) {
		key = cart_json_get_string(p, "Key");
		when = cart_json_get_string(p, "Initiated");
		id = cart_json_get_string(p, "UploadId");
		if (!key || !when || !id ||
		    strcmp(key, (char *)l->key.data) != 0)
			continue;
		l->n++;
		if (strcmp(when, l->when) < 0)
			continue;
		free(l->id);
		l->id = strdup(id);
		if (!l->id)
			return -1;
		snprintf(l->when, sizeof(l->when), "%s", when);
	}
	return 0;
}

int cart_s3_remnant(const struct cart_s3_sink_options *o, const char *file,
		    uint64_t *ret_bytes, size_t *ret_others,
		    struct cart_err *err)
{
	struct s3_upload u = { .n_parts = 0 };
	struct cart_json *j = cart_json_new_object();
	struct latest l = { .id = NULL };
	int rc = -1;

	cart_buf_init(&l.key, 2048);
	cart_buf_adds(&l.key, o->prefix);
	cart_buf_adds(&l.key, file);
	if (cart_buf_check(&l.key, "key", err) < 0) {
		cart_json_free(j);
		goto out;
	}
	cart_s3_add(j, "Bucket", o->bucket);
	cart_s3_add(j, "Prefix", (char *)l.key.data);
	cart_s3_add(j, "ExpectedBucketOwner", o->owner);
	if (each_page(o, "ListMultipartUploads", j, take_uploads, &l, err) < 0)
		goto out;
	rc = 0;
	*ret_others = l.n - (l.n > 0);
	if (!l.id)
		goto out;
	snprintf(u.file, sizeof(u.file), "%s", file);
	u.id = l.id;
	rc = list_parts(o, &u, err);
	if (rc == 0 && u.n_parts > 0)
		rc = cart_s3_complete(o, &u, err) < 0 ? -1 : 1;
	*ret_bytes = u.bytes;
out:
	free(u.parts);
	free(l.id);
	cart_buf_clear(&l.key);
	return rc;
}
