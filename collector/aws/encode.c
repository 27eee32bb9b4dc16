/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_protocol.h>
#include <crashcart/digest.h>
#include <crashcart/text.h>

#include "encode.h"
#include "values.h"

/* Deeper input than any model asks for. */
#define DEPTH_MAX	64

/* ---- lists of names and values ----------------------------------------- */

void cart_pairs_clear(struct cart_pairs *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		free(p->v[i].name);
		free(p->v[i].value);
	}
	free(p->v);
	memset(p, 0, sizeof(*p));
}

int cart_pairs_add(struct cart_pairs *p, const char *name, const char *value)
{
	struct cart_pair *v;
	size_t cap;

	if (p->n == p->cap) {
		cap = p->cap ? p->cap * 2 : 8;
		v = realloc(p->v, cap * sizeof(*v));
		if (!v)
			return -1;
		p->v = v;
		p->cap = cap;
	}
	v = &p->v[p->n];
	v->name = strdup(name);
	v->value = strdup(value);
	if (!v->name || !v->value) {
		free(v->name);
		free(v->value);
		return -1;
	}
	p->n++;
	return 0;
}

const char *cart_pairs_get(const struct cart_pairs *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (!strcasecmp(p->v[i].name, name))
			return p->v[i].value;
	}
	return NULL;
}

/* ---- checking the input ------------------------------------------------ */

/* Where we are in the input, for messages. */
struct where {
	const struct where *up;
	const char *key;		/* NULL: an element of a list */
	size_t index;
	unsigned depth;
};

struct checker {
	const struct cart_op *op;
	bool partial;
	bool holes;			/* null: a value not known yet */
	struct cart_err *err;
};

static void put_where(const struct where *w, struct cart_buf *b)
{
	if (!w->up) {
		cart_buf_adds(b, "input");
		return;
	}
	put_where(w->up, b);
	if (w->key)
		cart_buf_addf(b, ".%s", w->key);
	else
		cart_buf_addf(b, "[%zu]", w->index);
}

static int complain(const struct checker *c, const struct where *w,
		    const char *what, const char *more)
{
	struct cart_buf b;

	cart_buf_init(&b, 1024);
	put_where(w, &b);
	cart_err_set(c->err, CART_ERR_INPUT, 0, "%s: %s:%s %s%s%s",
		     b.data ? (char *)b.data : "input",
		     c->op->svc->info.name, c->op->info.name, what,
		     more ? " " : "", more ? more : "");
	cart_buf_clear(&b);
	return -1;
}

static const char *json_type_name(const struct cart_json *v)
{
	switch (cart_json_type(v)) {
	case CART_JSON_BOOL:
		return "true or false";
	case CART_JSON_NUMBER:
		return "a number";
	case CART_JSON_STRING:
		return "a string";
	case CART_JSON_ARRAY:
		return "a list";
	case CART_JSON_OBJECT:
		return "an object";
	default:
		return "null";
	}
}

static int wrong_type(const struct checker *c, const struct cart_shape *s,
		      const struct cart_json *v, const struct where *w)
{
	char text[128];

	if (cart_json_type(v) == CART_JSON_NULL)
		return complain(c, w, "takes no null here: leave it out", NULL);
	snprintf(text, sizeof(text), "%s here, this is %s",
		 cart_model_kind_name(s), json_type_name(v));
	return complain(c, w, "wants", text);
}

static int unknown_member(const struct checker *c, const struct cart_shape *s,
			  const struct where *w)
{
	const char *best = NULL, *key = w->key;
	unsigned best_d = 4, d, i;
	struct cart_buf b;
	int rc;

	for (i = 0; i < s->n; i++) {
		const char *name = s->members[i].m->name;

		d = strcasecmp(name, key) ?
		    cart_text_distance(key, name, best_d) : 0;
		if (d < best_d) {
			best_d = d;
			best = name;
		}
	}
	cart_buf_init(&b, 400);
	if (best) {
		cart_buf_addf(&b, "did you mean \"%s\"?", best);
	} else if (!s->n) {
		cart_buf_adds(&b, "it takes none");
	} else {
		cart_buf_adds(&b, "it knows");
		for (i = 0; i < s->n && b.len < 300; i++)
			cart_buf_addf(&b, "%s %s", i ? "," : "",
				      s->members[i].m->name);
		if (i < s->n)
			cart_buf_adds(&b, " ...");
	}
	rc = complain(c, w, "knows no such member;",
		      b.data ? (char *)b.data : NULL);
	cart_buf_clear(&b);
	return rc;
}

static int check(const struct checker *c, const struct cart_ref *ref,
		 const struct cart_json *v, const struct where *w);

static int check_structure(const struct checker *c, const struct cart_shape *s,
			   const struct cart_json *v, const struct where *w)
{
	const struct cart_json *m;
	unsigned i;

	if (cart_json_type(v) != CART_JSON_OBJECT)
		return wrong_type(c, s, v, w);
	if ((s->flags & CART_SHAPE_UNION) && cart_json_size(v) != 1)
		return complain(c, w, "takes exactly one member here", NULL);
	for (m = cart_json_first(v); m; m = cart_json_next(m)) {
		struct where here = { w, cart_json_key(m), 0, w->depth + 1 };
		int k = cart_model_member(s, here.key);

		if (k < 0)
			return unknown_member(c, s, &here);
		if (check(c, &s->members[k].m->ref, m, &here))
			return -1;
	}
	for (i = 0; i < s->n && !c->partial; i++) {
		const char *name = s->members[i].m->name;

		if (!s->members[i].required || cart_json_get(v, name))
			continue;
		/* the encoder fills these in */
		if (!w->up && (s->members[i].m->ref.flags & CART_REF_TOKEN))
			continue;
		return complain(c, w, "also needs", name);
	}
	return 0;
}

static int check_time(const struct checker *c, const struct cart_json *v,
		      const struct where *w)
{
	int64_t ns;

	if (!cart_value_time(v, &ns))
		return 0;
	return complain(c, w, "wants a time here, as 2026-01-31T23:59:00Z or "
			"seconds since the epoch between 1678 and 2261", NULL);
}

static int check_blob(const struct checker *c, const struct cart_json *v,
		      const struct where *w)
{
	const char *s = cart_json_string(v);
	struct cart_buf b;
	int rc = 0;

	cart_buf_init(&b, CART_ENCODE_BODY_MAX);
	if (!s || cart_text_unbase64(s, strlen(s), &b))
		rc = complain(c, w, "wants base64 text here (padded, without "
			      "line breaks)", NULL);
	cart_buf_clear(&b);
	return rc;
}

static bool is_float_word(const struct cart_json *v)
{
	const char *s = cart_json_string(v);

	return s && (!strcmp(s, "NaN") || !strcmp(s, "Infinity") ||
		     !strcmp(s, "-Infinity"));
}

static int check(const struct checker *c, const struct cart_ref *ref,
		 const struct cart_json *v, const struct where *w)
{
	const struct cart_shape *s = ref->shape;
	enum cart_json_type t = cart_json_type(v);
	const struct cart_json *m;
	size_t i = 0;

	if (w->depth > DEPTH_MAX)
		return complain(c, w, "takes nothing nested so deeply", NULL);
	if ((s->flags & CART_SHAPE_DOCUMENT) ||
	    (ref->flags & CART_REF_JSONVALUE))
		return 0;
	if (c->holes && t == CART_JSON_NULL)
		return 0;
	switch (s->kind) {
	case CART_KIND_STRING:
		return t == CART_JSON_STRING ? 0 : wrong_type(c, s, v, w);
	case CART_KIND_INTEGER:
	case CART_KIND_LONG:
		return cart_value_is_integer(v) ? 0 : wrong_type(c, s, v, w);
	case CART_KIND_FLOAT:
	case CART_KIND_DOUBLE:
		return t == CART_JSON_NUMBER || is_float_word(v) ? 0 :
		       wrong_type(c, s, v, w);
	case CART_KIND_BOOLEAN:
		return t == CART_JSON_BOOL ? 0 : wrong_type(c, s, v, w);
	case CART_KIND_TIMESTAMP:
		return check_time(c, v, w);
	case CART_KIND_BLOB:
		return check_blob(c, v, w);
	case CART_KIND_LIST:
		if (t != CART_JSON_ARRAY)
			return wrong_type(c, s, v, w);
		for (m = cart_json_first(v); m; m = cart_json_next(m)) {
			struct where here = { w, NULL, i++, w->depth + 1 };

			if (check(c, &s->member, m, &here))
				return -1;
		}
		return 0;
	case CART_KIND_MAP:
		if (t != CART_JSON_OBJECT)
			return wrong_type(c, s, v, w);
		for (m = cart_json_first(v); m; m = cart_json_next(m)) {
			struct where here = { w, cart_json_key(m), 0,
					      w->depth + 1 };

			if (check(c, &s->member, m, &here))
				return -1;
		}
		return 0;
	default:
		return check_structure(c, s, v, w);
	}
}

static int check_input(struct checker *c, const struct cart_json *input)
{
	static const struct where top = { NULL, NULL, 0, 0 };
	static struct cart_slot no_slots[1];
	static const struct cart_shape none = {
		.kind = CART_KIND_STRUCTURE, .members = no_slots
	};
	static const struct cart_ref no_input = { .shape = &none };
	struct cart_json *empty = NULL;
	int rc;

	if (!input) {
		input = empty = cart_json_new_object();
		if (!empty)
			return cart_err_nomem(c->err);
	}
	rc = check(c, c->op->has_input ? &c->op->input : &no_input, input, &top);
	cart_json_free(empty);
	return rc;
}

int cart_encode_check(const struct cart_op *op, const struct cart_json *input,
		      bool partial, struct cart_err *err)
{
	struct checker c = { .op = op, .partial = partial, .err = err };

	return check_input(&c, input);
}

int cart_encode_check_holes(const struct cart_op *op,
			    const struct cart_json *input,
			    struct cart_err *err)
{
	struct checker c = { .op = op, .holes = true, .err = err };

	return check_input(&c, input);
}

/* ---- what botocore does to inputs beside the model --------------------- */

static int set_string(struct cart_json *input, const char *key, const char *s)
{
	return cart_json_set(input, key, cart_json_new_string(s)) ? 0 : -1;
}

static int set_buf(struct cart_json *input, const char *key, struct cart_buf *b)
{
	int rc = -1;

	if (cart_buf_ok(b))
		rc = set_string(input, key, b->data ? (char *)b->data : "");
	cart_buf_clear(b);
	return rc;
}

/* S3 wants the source of a copy escaped, but for its version. */
static int quote_copy_source(struct cart_json *input)
{
	const char *s = cart_json_get_string(input, "CopySource");
	const char *version;
	struct cart_buf b;
	size_t len;

	if (!s)
		return 0;
	version = strstr(s, "?versionId=");
	len = version && version != s ? (size_t)(version - s) : strlen(s);
	cart_buf_init(&b, 64 * 1024);
	cart_text_uri(s, len, true, &b);
	cart_buf_adds(&b, s + len);
	return set_buf(input, "CopySource", &b);
}

/* A customer's key is given as it is; S3 wants its base64 and its MD5. */
static int wrap_customer_key(const struct cart_op *op, struct cart_json *input,
			     const char *prefix)
{
	unsigned char sum[16];
	char key[64], md5[64];
	const char *s;
	struct cart_buf b;

	snprintf(key, sizeof(key), "%sKey", prefix);
	snprintf(md5, sizeof(md5), "%sKeyMD5", prefix);
	s = cart_json_get_string(input, key);
	if (!s || cart_json_get(input, md5) ||
	    cart_model_member(op->input.shape, md5) < 0 ||
	    !strcmp(op->info.name, "GetObjectAttributes") ||
	    !strcmp(op->info.name, "ListParts"))
		return 0;
	if (cart_md5(s, strlen(s), sum))
		return -1;
	cart_buf_init(&b, 64);
	cart_text_base64(sum, sizeof(sum), &b);
	if (set_buf(input, md5, &b))
		return -1;
	cart_buf_init(&b, 64 * 1024);
	cart_text_base64(s, strlen(s), &b);
	return set_buf(input, key, &b);
}

static int base64_user_data(struct cart_json *input)
{
	const char *s = cart_json_get_string(input, "UserData");
	struct cart_buf b;

	if (!s)
		return 0;
	cart_buf_init(&b, CART_ENCODE_BODY_MAX);
	cart_text_base64(s, strlen(s), &b);
	return set_buf(input, "UserData", &b);
}

static bool is_op(const struct cart_op *op, const char *svc, const char *name)
{
	return !strcmp(op->svc->info.name, svc) && !strcmp(op->info.name, name);
}

static int customise(const struct cart_op *op, struct cart_json *input)
{
	if (!strcmp(op->svc->info.name, "s3")) {
		if (wrap_customer_key(op, input, "SSECustomer") ||
		    wrap_customer_key(op, input, "CopySourceSSECustomer"))
			return -1;
		/* Keys may hold bytes that XML cannot; cart_decode undoes it. */
		if ((is_op(op, "s3", "ListObjects") ||
		     is_op(op, "s3", "ListObjectsV2") ||
		     is_op(op, "s3", "ListObjectVersions")) &&
		    !cart_json_get(input, "EncodingType"))
			return set_string(input, "EncodingType", "url");
		if (is_op(op, "s3", "CopyObject") ||
		    is_op(op, "s3", "UploadPartCopy"))
			return quote_copy_source(input);
		return 0;
	}
	if (is_op(op, "ec2", "RunInstances") ||
	    is_op(op, "autoscaling", "CreateLaunchConfiguration"))
		return base64_user_data(input);
	if (!strcmp(op->svc->info.name, "glacier") &&
	    cart_model_member(op->input.shape, "accountId") >= 0 &&
	    !cart_json_get(input, "accountId"))
		return set_string(input, "accountId", "-");
	return 0;
}

/* The input as it is serialised: a copy with what we add to it. */
static struct cart_json *complete(const struct cart_op *op,
				  const struct cart_json *input,
				  const struct cart_encode_opts *opts,
				  struct cart_err *err)
{
	const struct cart_shape *s = op->input.shape;
	struct cart_json *copy;
	char uuid[CART_UUID_SIZE];
	unsigned i;
	int rc = 0;

	copy = input ? cart_json_copy(input) : cart_json_new_object();
	if (!copy || !op->has_input)
		goto out;
	for (i = 0; i < s->n && !rc; i++) {
		const struct cart_member *m = s->members[i].m;
		const char *v = cart_json_get_string(copy, m->name), *slash;

		if ((m->ref.flags & CART_REF_TOKEN) && !v) {
			cart_uuid_v4(uuid);
			rc = set_string(copy, m->name, opts && opts->token ?
					opts->token : uuid);
		} else if ((m->ref.flags & CART_REF_LASTPART) && v) {
			slash = strrchr(v, '/');
			if (slash)
				rc = cart_json_set(copy, m->name,
					cart_json_new_string(slash + 1)) ?
					0 : -1;
		}
	}
	if (!rc)
		rc = customise(op, copy);
out:
	if (!copy || rc) {
		cart_json_free(copy);
		copy = NULL;
		cart_err_nomem(err);
	}
	return copy;
}

/* ---- the request ------------------------------------------------------- */

void cart_encode_blob(const struct cart_json *v, struct cart_buf *b)
{
	const char *s = cart_json_string(v);

	/* checked before, so only memory can fail, which is sticky */
	if (s)
		cart_text_unbase64(s, strlen(s), b);
}

static bool is_host_label(const char *s)
{
	size_t i;

	if (!*s || *s == '.' || strstr(s, ".."))
		return false;
	for (i = 0; s[i]; i++) {
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') &&
		    !(s[i] >= '0' && s[i] <= '9') && s[i] != '-' &&
		    s[i] != '.')
			return false;
	}
	return i <= 63;
}

/* "{AccountId}." with the input's value. */
static int put_host_prefix(const struct cart_op *op,
			   const struct cart_json *input, struct cart_buf *b,
			   struct cart_err *err)
{
	const char *p = op->info.host_prefix, *end, *v;
	char name[64];

	while (*p) {
		if (*p != '{') {
			cart_buf_addc(b, *p++);
			continue;
		}
		end = strchr(p, '}');
		if (!end || (size_t)(end - p) > sizeof(name))
			return cart_err_set(err, CART_ERR_INTERNAL, 0,
					    "host prefix of %s is broken",
					    op->info.name);
		memcpy(name, p + 1, (size_t)(end - p - 1));
		name[end - p - 1] = '\0';
		v = cart_json_get_string(input, name);
		if (!v || !is_host_label(v))
			return cart_err_set(err, CART_ERR_INPUT, 0,
					    "input.%s: %s:%s puts it into the "
					    "host's name: letters, digits, "
					    "'-' and '.' only", name,
					    op->svc->info.name, op->info.name);
		cart_buf_adds(b, v);
		p = end + 1;
	}
	return 0;
}

/*
 * A few operations go to a host of their own when a member names it: the
 * events and memories of a space in OpenSearch Memory, and what S3 on Outposts
 * keeps (there no account stands before the host).
 */
static int name_host(const struct cart_op *op, const struct cart_json *input,
		     const char *region, struct cart_request *ret,
		     struct cart_err *err)
{
	bool china = !strncmp(region, "cn-", 3);
	const char *space = cart_json_get_string(input, "spaceId");
	struct cart_buf b;

	cart_buf_init(&b, 512);
	if (!strcmp(op->svc->info.name, "opensearchmemory") && space &&
	    (strstr(op->info.name, "Event") ||
	     strstr(op->info.name, "Memor"))) {
		if (!is_host_label(space) || strchr(space, '.'))
			return cart_err_set(err, CART_ERR_INPUT, 0,
					    "input.spaceId: %s:%s puts it into "
					    "the host's name: letters, digits "
					    "and '-' only", op->svc->info.name,
					    op->info.name);
		cart_buf_addf(&b, "%s.osm.%s.on.aws", space, region);
	} else if (cart_json_get_string(input, "OutpostId") &&
		   (is_op(op, "s3control", "ListRegionalBuckets") ||
		    is_op(op, "s3control", "CreateBucket"))) {
		cart_buf_addf(&b, "s3-outposts.%s.amazonaws.com%s", region,
			      china ? ".cn" : "");
		ret->signing_name = "s3-outposts";
	} else {
		return 0;
	}
	ret->host = cart_buf_steal(&b, NULL);
	cart_buf_clear(&b);
	return ret->host ? 0 : cart_err_nomem(err);
}

static uint32_t crc32_of(const unsigned char *p, size_t len)
{
	uint32_t c = ~0u;
	int k;

	while (len--) {
		c ^= *p++;
		for (k = 0; k < 8; k++)
			c = c >> 1 ^ (0xedb88320u & -(c & 1));
	}
	return ~c;
}

/* The checksum that some operations insist on, and that the caller may ask
 * for where they do not. */
static int add_checksum(const struct cart_op *op, const struct cart_json *input,
			struct cart_request *r, const struct cart_buf *body,
			struct cart_err *err)
{
	const char *asked, *name;
	unsigned char sum[CART_SHA256_SIZE];
	struct cart_buf b;
	size_t len = 4, i;
	int k, rc = -1;
	uint32_t crc;

	for (i = 0; i < r->headers.n; i++) {
		if (!strncasecmp(r->headers.v[i].name, "x-amz-checksum-", 15))
			return 0;
	}
	asked = *op->checksum_member ?
		cart_json_get_string(input, op->checksum_member) : NULL;
	if (!asked || !strcasecmp(asked, "CRC32")) {
		crc = crc32_of(body->data, body->len);
		for (i = 0; i < 4; i++)
			sum[i] = (unsigned char)(crc >> (24 - 8 * i));
		name = "x-amz-checksum-crc32";
	} else if (!strcasecmp(asked, "SHA256")) {
		cart_sha256(body->data, body->len, sum);
		len = sizeof(sum);
		name = "x-amz-checksum-sha256";
	} else {
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "input.%s: CRC32 and SHA256 are what we "
				    "can do", op->checksum_member);
	}
	cart_buf_init(&b, 64);
	cart_text_base64(sum, len, &b);
	if (!cart_buf_ok(&b) ||
	    cart_pairs_add(&r->headers, name, (char *)b.data)) {
		cart_err_nomem(err);
		goto out;
	}
	if (!asked && *op->checksum_member) {
		const struct cart_member *m;

		k = cart_model_member(op->input.shape, op->checksum_member);
		m = k < 0 ? NULL : op->input.shape->members[k].m;
		if (m && m->ref.location == CART_IN_HEADER &&
		    cart_pairs_add(&r->headers,
				   m->ref.name ? m->ref.name : m->name,
				   "CRC32")) {
			cart_err_nomem(err);
			goto out;
		}
	}
	rc = 0;
out:
	cart_buf_clear(&b);
	return rc;
}

static int add_header(struct cart_request *r, const char *name,
		      const char *value, struct cart_err *err)
{
	return cart_pairs_add(&r->headers, name, value) ?
	       cart_err_nomem(err) : 0;
}

static int encode_json(const struct cart_op *op, const struct cart_json *input,
		       struct cart_request *r, struct cart_buf *body,
		       struct cart_err *err)
{
	const struct cart_svc *svc = op->svc;
	char text[256];

	snprintf(text, sizeof(text), "%s.%s", svc->info.target_prefix,
		 op->info.name);
	if (add_header(r, "X-Amz-Target", text, err))
		return -1;
	snprintf(text, sizeof(text), "application/x-amz-json-%s",
		 svc->info.json_version);
	if (add_header(r, "Content-Type", text, err))
		return -1;
	if (svc->query_compatible &&
	    add_header(r, "x-amzn-query-mode", "true", err))
		return -1;
	if (op->has_input)
		cart_encode_json_members(op->input.shape, input, false, body);
	else
		cart_buf_adds(body, "{}");
	return 0;
}

/* What one service takes in the body, its model puts into the query. */
static int move_query_to_body(struct cart_request *r, struct cart_buf *body,
			      struct cart_err *err)
{
	size_t i;

	r->method = "POST";
	for (i = 0; i < r->query.n; i++) {
		const struct cart_pair *q = &r->query.v[i];

		if (i)
			cart_buf_addc(body, '&');
		cart_text_uri(q->name, strlen(q->name), false, body);
		cart_buf_addc(body, '=');
		cart_text_uri(q->value, strlen(q->value), false, body);
	}
	cart_pairs_clear(&r->query);
	return add_header(r, "Content-Type",
			  "application/x-www-form-urlencoded", err);
}

static int serialise(const struct cart_op *op, const struct cart_json *input,
		     const struct cart_encode_opts *opts,
		     struct cart_request *r, struct cart_buf *body,
		     struct cart_err *err)
{
	switch (op->svc->info.protocol) {
	case CART_PROTO_EC2:
	case CART_PROTO_QUERY:
		cart_encode_query(op, input, body);
		return add_header(r, "Content-Type", "application/x-www-form-"
				  "urlencoded; charset=utf-8", err);
	case CART_PROTO_JSON:
		return encode_json(op, input, r, body, err);
	case CART_PROTO_REST_JSON:
	case CART_PROTO_REST_XML:
		return cart_encode_rest(op, input, opts, r, body, err);
	default:
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s speaks only protocols that this "
				    "program does not", op->svc->info.name);
	}
}

int cart_encode(const struct cart_op *op, const struct cart_json *input,
		const struct cart_encode_opts *opts, struct cart_request *ret,
		struct cart_err *err)
{
	struct cart_json *params = NULL;
	struct cart_buf body, prefix;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	cart_buf_init(&body, CART_ENCODE_BODY_MAX);
	cart_buf_init(&prefix, 200);
	if (cart_encode_check(op, input, opts && opts->partial, err))
		goto out;
	if (op->events_in) {
		cart_err_set(err, CART_ERR_INPUT, 0, "%s:%s takes a stream of "
			     "events, which this program does not send",
			     op->svc->info.name, op->info.name);
		goto out;
	}
	params = complete(op, input, opts, err);
	if (!params)
		goto out;
	ret->method = op->info.method;
	ret->no_auth = op->info.no_auth;
	ret->unsigned_payload = op->info.unsigned_payload;
	if (serialise(op, params, opts, ret, &body, err))
		goto out;
	if (is_op(op, "cloudsearchdomain", "Search") &&
	    move_query_to_body(ret, &body, err))
		goto out;
	if (!ret->path)
		ret->path = strdup("/");
	/* A host that was named is not to be changed. */
	if (opts && opts->region && !opts->path_style &&
	    name_host(op, params, opts->region, ret, err))
		goto out;
	if (*op->info.host_prefix && !(opts && opts->path_style) &&
	    !ret->host &&
	    put_host_prefix(op, params, &prefix, err))
		goto out;
	if (prefix.len || !ret->host_prefix) {
		free(ret->host_prefix);
		ret->host_prefix = cart_buf_steal(&prefix, NULL);
	}
	if (!strcmp(op->svc->info.name, "glacier") &&
	    add_header(ret, "x-amz-glacier-version",
		       op->svc->info.api_version, err))
		goto out;
	if (!strcmp(op->svc->info.name, "apigateway") &&
	    !cart_pairs_get(&ret->headers, "Accept") &&
	    add_header(ret, "Accept", "application/json", err))
		goto out;
	if ((op->info.checksum_required ||
	     (*op->checksum_member &&
	      cart_json_get(params, op->checksum_member))) &&
	    add_checksum(op, params, ret, &body, err))
		goto out;
	if (cart_buf_check(&body, "body of the request", err))
		goto out;
	ret->body = (unsigned char *)cart_buf_steal(&body, &ret->body_len);
	if (!ret->body || !ret->path || !ret->host_prefix) {
		cart_err_nomem(err);
		goto out;
	}
	rc = 0;
out:
	cart_json_free(params);
	cart_buf_clear(&body);
	cart_buf_clear(&prefix);
	if (rc)
		cart_request_clear(ret);
	return rc;
}

void cart_request_clear(struct cart_request *r)
{
	free(r->path);
	cart_pairs_clear(&r->query);
	cart_pairs_clear(&r->headers);
	free(r->host_prefix);
	free(r->host);
	free(r->body);
	memset(r, 0, sizeof(*r));
}

void cart_request_target(const struct cart_request *r, struct cart_buf *b)
{
	size_t i;

	cart_buf_adds(b, r->path);
	for (i = 0; i < r->query.n; i++) {
		const struct cart_pair *q = &r->query.v[i];

		cart_buf_addc(b, i ? '&' : '?');
		cart_text_uri(q->name, strlen(q->name), false, b);
		cart_buf_addc(b, '=');
		cart_text_uri(q->value, strlen(q->value), false, b);
	}
}

static void quote(const char *s, struct cart_buf *b)
{
	cart_json_quote(s, strlen(s), b);
}

void cart_request_show(const struct cart_request *r, const char *scheme,
		       const char *host, struct cart_buf *b)
{
	struct cart_buf url;
	size_t i;

	cart_buf_init(&url, CART_ENCODE_BODY_MAX);
	cart_buf_addf(&url, "%s://%s%s", scheme, r->host_prefix,
		      r->host ? r->host : host);
	cart_request_target(r, &url);
	cart_buf_adds(b, "{\"method\":");
	quote(r->method, b);
	cart_buf_adds(b, ",\"url\":");
	cart_json_quote(url.data ? (char *)url.data : "", url.len, b);
	cart_buf_adds(b, ",\"headers\":{");
	for (i = 0; i < r->headers.n; i++) {
		if (i)
			cart_buf_addc(b, ',');
		quote(r->headers.v[i].name, b);
		cart_buf_addc(b, ':');
		quote(r->headers.v[i].value, b);
	}
	cart_buf_adds(b, "},\"body_base64\":\"");
	cart_text_base64(r->body, r->body_len, b);
	cart_buf_adds(b, "\"}\n");
	if (!cart_buf_ok(&url))
		b->failed = true;
	cart_buf_clear(&url);
}
