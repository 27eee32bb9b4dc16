/* SPDX-License-Identifier: Apache-2.0 */
#include <crashcart/aws_read.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <crashcart/buf.h>
#include <crashcart/json.h>
#include <crashcart/text.h>

#define PAGES_MAX 10000u

static void add(struct cart_json *j, const char *key, const char *value)
{
	if (value && *value)
		cart_json_add(j, key, cart_json_new_string(value));
}

static struct cart_json *input_for(const struct cart_s3_reader *r,
				   const char *key, const char *name)
{
	struct cart_json *j = cart_json_new_object();
	struct cart_buf b;

	cart_buf_init(&b, 4096);
	cart_buf_adds(&b, r->prefix);
	cart_buf_adds(&b, name);
	add(j, "Bucket", r->bucket);
	if (cart_buf_ok(&b))
		add(j, key, (const char *)b.data);
	add(j, "ExpectedBucketOwner", r->owner);
	cart_buf_clear(&b);
	return j;
}

static int call(const struct cart_s3_reader *r, struct cart_aws_call *c,
		const char *operation, const struct cart_json *input,
		struct cart_aws_reply *ret, struct cart_err *err)
{
	int rc;

	c->service = "s3";
	c->operation = operation;
	c->region = r->region[0] ? r->region : NULL;
	c->input = input;
	/* the operator named what is to be read */
	c->may_change = true;
	rc = cart_aws_call(r->aws, c, ret, err);
	if (rc == 0)
		return 0;
	if (err && err->class == CART_ERR_DENIED && r->owner && r->owner_assumed)
		return cart_err_prefix(err, "s3:%s (expecting a bucket of %s, "
				       "the account of these credentials; "
				       "--bucket-owner if it is another's)",
				       operation, r->owner);
	return rc;
}

static int get_u64(const struct cart_json *j, const char *key, uint64_t *ret)
{
	int64_t v;

	if (cart_json_i64(cart_json_get(j, key), &v) < 0 || v < 0)
		return -1;
	*ret = (uint64_t)v;
	return 0;
}

static int unreadable(const char *operation, struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "s3:%s: the answer cannot "
			    "be read", operation);
}

/* --- lists --- */

static int list_page(const struct cart_s3_reader *r,
		     const struct cart_json *view,
		     int (*object)(void *arg, const struct cart_s3_object *o,
				   struct cart_err *err),
		     void *arg, struct cart_err *err)
{
	const struct cart_json *e = cart_json_first(cart_json_get(view,
								  "Contents"));
	size_t n = strlen(r->prefix);
	struct cart_s3_object o;
	const char *key;

	for (; e; e = cart_json_next(e)) {
		key = cart_json_get_string(e, "Key");
		o.etag = cart_json_get_string(e, "ETag");
		if (!key || strncmp(key, r->prefix, n) != 0 ||
		    get_u64(e, "Size", &o.size) < 0)
			return unreadable("ListObjectsV2", err);
		o.name = key + n;
		if (!o.etag)
			o.etag = "";
		/* the prefix itself may be an "object" */
		if (*o.name && object(arg, &o, err) < 0)
			return -1;
	}
	return 0;
}

int cart_s3_list(struct cart_s3_reader *r, const char *begin,
		 int (*object)(void *arg, const struct cart_s3_object *o,
			       struct cart_err *err),
		 void *arg, struct cart_err *err)
{
	struct cart_json *input = input_for(r, "Prefix", begin), *next = NULL;
	struct cart_aws_reply reply;
	struct cart_aws_call c;
	unsigned pages = 0;
	int rc;

	add(input, "Delimiter", "/");
	do {
		c = (struct cart_aws_call){ .timeout_ms = 0 };
		rc = call(r, &c, "ListObjectsV2", input, &reply, err);
		if (rc == 0)
			rc = list_page(r, reply.view, object, arg, err);
		if (rc == 0)
			snprintf(r->region, sizeof(r->region), "%s",
				 reply.region);
		next = NULL;
		if (rc == 0)
			rc = cart_aws_next_page(&c, reply.view, &next, err);
		cart_aws_reply_clear(&reply);
		cart_json_free(input);
		input = next;
		if (rc > 0 && ++pages == PAGES_MAX)
			rc = cart_err_set(err, CART_ERR_LIMIT, 0, "s3://%s/%s "
					  "holds too many objects", r->bucket,
					  r->prefix);
	} while (rc > 0);
	cart_json_free(input);
	return rc;
}

/* --- bytes --- */

/* Is the answer the range that was asked for? */
static bool is_range(const struct cart_aws_reply *reply, uint64_t offset)
{
	const char *text = cart_json_get_string(reply->view, "ContentRange");
	char want[40];

	if (reply->status != 206 || !text)
		return reply->status == 200 && offset == 0;
	snprintf(want, sizeof(want), "bytes %" PRIu64 "-", offset);
	return strncmp(text, want, strlen(want)) == 0;
}

ssize_t cart_s3_read(const struct cart_s3_reader *r, const char *name,
		     const char *etag, uint64_t offset, void *data, size_t len,
		     struct cart_err *err)
{
	struct cart_json *j = input_for(r, "Key", name);
	struct cart_aws_call c = { .into = data, .into_size = len };
	struct cart_aws_reply reply;
	char range[64];
	ssize_t rc;

	snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, offset,
		 offset + (len - 1));
	add(j, "Range", range);
	add(j, "IfMatch", etag);
	rc = call(r, &c, "GetObject", j, &reply, err);
	if (rc < 0 && reply.status == 416)
		rc = 0;
	else if (rc < 0 && reply.status == 412)
		cart_err_set(err, CART_ERR_INPUT, 0, "s3://%s/%s%s was replaced "
			     "while it was read", r->bucket, r->prefix, name);
	else if (rc == 0 && !is_range(&reply, offset))
		rc = unreadable("GetObject", err);
	else if (rc == 0)
		rc = (ssize_t)reply.into_len;
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
	return rc;
}

/* --- facts --- */

static int get_sha256(const struct cart_json *j, unsigned char *out)
{
	const char *text = cart_json_get_string(j, "ChecksumSHA256");
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, 256);
	if (text && cart_text_unbase64(text, strlen(text), &b) == 0 &&
	    cart_buf_ok(&b) && b.len == CART_SHA256_SIZE) {
		memcpy(out, b.data, b.len);
		rc = 0;
	}
	cart_buf_clear(&b);
	return rc;
}

static void copy(char *out, size_t size, const struct cart_json *view,
		 const char *key)
{
	const char *text = cart_json_get_string(view, key);

	snprintf(out, size, "%s", text ? text : "");
}

static int head(const struct cart_s3_reader *r, const char *name,
		struct cart_s3_facts *f, struct cart_err *err)
{
	struct cart_json *j = input_for(r, "Key", name);
	struct cart_aws_call c = { .timeout_ms = 0 };
	struct cart_aws_reply reply;
	int rc;

	add(j, "ChecksumMode", "ENABLED");
	rc = call(r, &c, "HeadObject", j, &reply, err);
	if (rc == 0 && get_u64(reply.view, "ContentLength", &f->size) < 0)
		rc = unreadable("HeadObject", err);
	if (rc == 0) {
		copy(f->etag, sizeof(f->etag), reply.view, "ETag");
		copy(f->version, sizeof(f->version), reply.view, "VersionId");
		copy(f->checksum, sizeof(f->checksum), reply.view,
		     "ChecksumSHA256");
	}
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
	return rc;
}

/* Only these tell "none" from "you may not know".  What cannot be told is in
 * out, behind a '?'. */
static int ask_lock(const struct cart_s3_reader *r, const char *name,
		    const char *operation, const struct cart_s3_facts *f,
		    struct cart_aws_reply *reply, char *out, size_t size)
{
	struct cart_json *j = input_for(r, "Key", name);
	struct cart_aws_call c = { .timeout_ms = 0 };
	struct cart_err err = { 0 };
	int rc;

	add(j, "VersionId", f->version);
	out[0] = '\0';
	rc = call(r, &c, operation, j, reply, &err);
	if (rc < 0 && reply->status != 404 &&
	    strcmp(reply->error_code, "InvalidRequest") != 0 &&
	    strcmp(reply->error_code, "NoSuchObjectLockConfiguration") != 0)
		snprintf(out, size, "?%s", err.text);
	cart_json_free(j);
	return rc;
}

static void lock_facts(const struct cart_s3_reader *r, const char *name,
		       struct cart_s3_facts *f)
{
	struct cart_aws_reply reply;
	const struct cart_json *v;

	if (ask_lock(r, name, "GetObjectRetention", f, &reply, f->lock_mode,
		     sizeof(f->lock_mode)) == 0) {
		v = cart_json_get(reply.view, "Retention");
		copy(f->lock_mode, sizeof(f->lock_mode), v, "Mode");
		copy(f->lock_until, sizeof(f->lock_until), v,
		     "RetainUntilDate");
	}
	cart_aws_reply_clear(&reply);
	if (ask_lock(r, name, "GetObjectLegalHold", f, &reply, f->hold,
		     sizeof(f->hold)) == 0)
		copy(f->hold, sizeof(f->hold), cart_json_get(reply.view,
							     "LegalHold"),
		     "Status");
	cart_aws_reply_clear(&reply);
}

/* One page of parts.  1: there are more. */
static int parts_page(const struct cart_json *view, struct cart_s3_part *parts,
		      size_t max, size_t *n, bool *whole, struct cart_err *err)
{
	const struct cart_json *p = cart_json_get(view, "ObjectParts");
	const struct cart_json *e = cart_json_first(cart_json_get(p, "Parts"));
	uint64_t number;

	for (; e; e = cart_json_next(e)) {
		if (*n == max)
			return cart_err_set(err, CART_ERR_LIMIT, 0, "the object "
					    "has more than %zu parts", max);
		if (get_u64(e, "PartNumber", &number) < 0 ||
		    number != *n + 1 ||
		    get_u64(e, "Size", &parts[*n].size) < 0)
			return unreadable("GetObjectAttributes", err);
		if (get_sha256(e, parts[*n].sha256) < 0)
			*whole = false;
		++*n;
	}
	return cart_json_bool(cart_json_get(p, "IsTruncated"));
}

static int parts_all(const struct cart_s3_reader *r, const char *name,
		     const struct cart_s3_facts *f, struct cart_s3_part *parts,
		     size_t max, size_t *n, struct cart_err *err)
{
	struct cart_json *j, *list;
	struct cart_aws_reply reply;
	struct cart_aws_call c;
	bool whole = true;
	size_t before;
	int rc;

	*n = 0;
	do {
		before = *n;
		j = input_for(r, "Key", name);
		add(j, "VersionId", f->version);
		list = cart_json_add(j, "ObjectAttributes",
				     cart_json_new_array());
		cart_json_append(list, cart_json_new_string("Checksum"));
		cart_json_append(list, cart_json_new_string("ObjectParts"));
		cart_json_append(list, cart_json_new_string("ObjectSize"));
		cart_json_add(j, "MaxParts", cart_json_new_int(1000));
		if (before > 0)
			cart_json_add(j, "PartNumberMarker",
				      cart_json_new_int((int64_t)before));
		c = (struct cart_aws_call){ .timeout_ms = 0 };
		rc = call(r, &c, "GetObjectAttributes", j, &reply, err);
		if (rc == 0)
			rc = parts_page(reply.view, parts, max, n, &whole, err);
		if (rc > 0 && *n == before)
			rc = unreadable("GetObjectAttributes", err);
		if (rc == 0 && *n == 0 && max > 0 &&
		    !strchr(f->checksum, '-') &&
		    get_sha256(cart_json_get(reply.view, "Checksum"),
			       parts[0].sha256) == 0) {
			parts[0].size = f->size;
			*n = 1;
		}
		cart_aws_reply_clear(&reply);
		cart_json_free(j);
	} while (rc > 0);
	if (rc == 0 && !whole)
		*n = 0;
	return rc;
}

int cart_s3_facts(const struct cart_s3_reader *r, const char *name,
		  struct cart_s3_facts *ret, struct cart_s3_part *parts,
		  size_t max, size_t *ret_n, struct cart_err *err)
{
	memset(ret, 0, sizeof(*ret));
	*ret_n = 0;
	if (head(r, name, ret, err) < 0 ||
	    parts_all(r, name, ret, parts, max, ret_n, err) < 0)
		return -1;
	lock_facts(r, name, ret);
	return 0;
}
