/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "encode.h"
#include "values.h"

#define HEADER_MAX	(64u * 1024)

/* rest-json and rest-xml: members go to the path, the query, headers and the
 * body. */
struct rest {
	const struct cart_op *op;
	const struct cart_json *input;
	struct cart_request *r;
	struct cart_err *err;
};

static int no_memory(const struct rest *x, const struct cart_buf *b)
{
	return cart_buf_ok(b) ? 0 : cart_buf_check(b, "a part of the request",
						   x->err);
}

static const char *text_of(const struct cart_buf *b)
{
	return b->data ? (const char *)b->data : "";
}

/* A value of the path or the query. */
static void put_value(const struct cart_ref *ref, const struct cart_json *v,
		      struct cart_buf *b)
{
	char time[CART_VALUE_TIME_SIZE];
	int64_t ns;

	if (ref->shape->kind == CART_KIND_TIMESTAMP &&
	    !cart_value_time(v, &ns)) {
		cart_value_put_time(ns, ref->time ? ref->time :
				    CART_TIME_ISO8601, time);
		cart_buf_adds(b, time);
		return;
	}
	cart_value_put_scalar(v, b);
}

/* ---- the path ---------------------------------------------------------- */

static int put_label(const struct rest *x, const char *label, size_t len,
		     struct cart_buf *path)
{
	const struct cart_shape *s = x->op->input.shape;
	bool greedy = len && label[len - 1] == '+';
	const struct cart_json *v = NULL;
	const struct cart_member *m = NULL;
	struct cart_buf b;
	unsigned i;
	int rc = -1;

	len -= greedy;
	for (i = 0; i < s->n; i++) {
		const char *name;

		m = s->members[i].m;
		name = m->ref.name ? m->ref.name : m->name;
		if (m->ref.location == CART_IN_URI && strlen(name) == len &&
		    !memcmp(name, label, len))
			break;
	}
	if (i < s->n)
		v = cart_json_get(x->input, m->name);
	cart_buf_init(&b, HEADER_MAX);
	if (v)
		put_value(&m->ref, v, &b);
	if (no_memory(x, &b))
		goto out;
	if (!b.len) {
		/* An empty label would make this another operation's path. */
		cart_err_set(x->err, CART_ERR_INPUT, 0,
			     "input.%s: %s:%s puts it into the path, so it "
			     "must be there and not empty",
			     i < s->n ? m->name : "?", x->op->svc->info.name,
			     x->op->info.name);
		goto out;
	}
	cart_text_uri(b.data, b.len, greedy, path);
	rc = 0;
out:
	cart_buf_clear(&b);
	return rc;
}

static int put_path(const struct rest *x, const char *uri, size_t len,
		    struct cart_buf *path)
{
	const char *end = uri + len, *brace;

	while (uri < end) {
		if (*uri != '{') {
			cart_buf_addc(path, *uri++);
			continue;
		}
		brace = memchr(uri, '}', (size_t)(end - uri));
		if (!brace)
			return cart_err_set(x->err, CART_ERR_INTERNAL, 0,
					    "path template of %s is broken",
					    x->op->info.name);
		if (put_label(x, uri + 1, (size_t)(brace - uri - 1), path))
			return -1;
		uri = brace + 1;
	}
	return 0;
}

/* "acl&list-type=2" of the template */
static int add_fixed_query(const struct rest *x, const char *q)
{
	while (*q) {
		size_t len = strcspn(q, "&"), eq = strcspn(q, "=&");
		char name[128], value[128];

		if (len >= sizeof(name))
			return cart_err_set(x->err, CART_ERR_INTERNAL, 0,
					    "path template of %s is broken",
					    x->op->info.name);
		memcpy(name, q, eq);
		name[eq] = '\0';
		value[0] = '\0';
		if (eq < len) {
			memcpy(value, q + eq + 1, len - eq - 1);
			value[len - eq - 1] = '\0';
		}
		if (cart_pairs_add(&x->r->query, name, value))
			return cart_err_nomem(x->err);
		q += len;
		q += *q == '&';
	}
	return 0;
}

static bool is_dns_safe(const char *bucket)
{
	size_t n = strlen(bucket), i;

	if (n < 3 || n > 63)
		return false;
	for (i = 0; i < n; i++) {
		char c = bucket[i];

		/* A dot would leave the certificate's wildcard. */
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    !(c == '-' && i && i + 1 < n))
			return false;
	}
	return true;
}

/* Moves the bucket from the path to the host's name where that is possible.
 * *uri is the template. */
static int place_bucket(const struct rest *x, bool path_style,
			const char **uri)
{
	static const char label[] = "/{Bucket}";
	const char *bucket = cart_json_get_string(x->input, "Bucket");
	struct cart_buf b;
	size_t i;

	if (!bucket || strncmp(*uri, label, sizeof(label) - 1))
		return 0;
	for (i = 0; bucket[i]; i++) {
		char c = bucket[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && !strchr("-._", c))
			break;
	}
	if (bucket[i] || i > 255 || !strcmp(bucket, ".") ||
	    !strcmp(bucket, ".."))
		return cart_err_set(x->err, CART_ERR_INPUT, 0,
				    "input.Bucket: \"%s\" is not the name of "
				    "a bucket (for an access point, give its "
				    "alias)", bucket);
	/* A host of the wrong region would not tell where the bucket is. */
	if (path_style || !is_dns_safe(bucket) ||
	    !strcmp(x->op->info.name, "GetBucketLocation"))
		return 0;
	if (i > 6 && !strcmp(bucket + i - 6, "--x-s3"))
		return cart_err_set(x->err, CART_ERR_INPUT, 0,
				    "input.Bucket: %s is a directory bucket, "
				    "which has an endpoint of its own",
				    bucket);
	cart_buf_init(&b, 128);
	cart_buf_addf(&b, "%s.", bucket);
	x->r->host_prefix = cart_buf_steal(&b, NULL);
	cart_buf_clear(&b);
	if (!x->r->host_prefix)
		return cart_err_nomem(x->err);
	*uri += sizeof(label) - 1;
	return 0;
}

static int encode_path(const struct rest *x, bool path_style)
{
	const char *uri = x->op->info.uri, *question;
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, HEADER_MAX);
	if (!strcmp(x->op->svc->info.name, "s3") &&
	    place_bucket(x, path_style, &uri))
		goto out;
	question = strchr(uri, '?');
	if (put_path(x, uri, question ? (size_t)(question - uri) : strlen(uri),
		     &b))
		goto out;
	if (!b.len)
		cart_buf_addc(&b, '/');
	if (question && add_fixed_query(x, question + 1))
		goto out;
	if (no_memory(x, &b))
		goto out;
	x->r->path = cart_buf_steal(&b, NULL);
	rc = x->r->path ? 0 : cart_err_nomem(x->err);
out:
	cart_buf_clear(&b);
	return rc;
}

/* ---- the query --------------------------------------------------------- */

static int add_query(const struct rest *x, const char *name,
		     const struct cart_ref *ref, const struct cart_json *v)
{
	const struct cart_json *e;
	struct cart_buf b;
	int rc;

	if (ref->shape->kind == CART_KIND_LIST) {
		for (e = cart_json_first(v); e; e = cart_json_next(e)) {
			if (add_query(x, name, &ref->shape->member, e))
				return -1;
		}
		return 0;
	}
	if (ref->shape->kind == CART_KIND_MAP) {
		for (e = cart_json_first(v); e; e = cart_json_next(e)) {
			if (add_query(x, cart_json_key(e), &ref->shape->member,
				      e))
				return -1;
		}
		return 0;
	}
	cart_buf_init(&b, HEADER_MAX);
	put_value(ref, v, &b);
	rc = no_memory(x, &b);
	if (!rc && cart_pairs_add(&x->r->query, name, text_of(&b)))
		rc = cart_err_nomem(x->err);
	cart_buf_clear(&b);
	return rc;
}

/* ---- headers ----------------------------------------------------------- */

static void put_header_value(const struct cart_ref *ref,
			     const struct cart_json *v, struct cart_buf *b)
{
	char time[CART_VALUE_TIME_SIZE];
	const struct cart_json *e;
	struct cart_buf json;
	bool first = true;
	const char *s;
	int64_t ns;

	if (ref->flags & CART_REF_JSONVALUE) {
		cart_buf_init(&json, HEADER_MAX);
		cart_json_print(v, 0, &json);
		cart_text_base64(json.data, json.len, b);
		if (!cart_buf_ok(&json))
			b->failed = true;
		cart_buf_clear(&json);
		return;
	}
	switch (ref->shape->kind) {
	case CART_KIND_TIMESTAMP:
		if (cart_value_time(v, &ns))
			return;
		/* whole seconds: no header has more */
		ns -= ((ns % 1000000000) + 1000000000) % 1000000000;
		cart_value_put_time(ns, ref->time ? ref->time :
				    CART_TIME_RFC822, time);
		cart_buf_adds(b, time);
		return;
	case CART_KIND_LIST:
		for (e = cart_json_first(v); e; e = cart_json_next(e)) {
			s = cart_json_string(e);
			if (!first)
				cart_buf_addc(b, ',');
			first = false;
			if (!s || !strpbrk(s, "\",") ||
			    ref->shape->member.shape->kind !=
			    CART_KIND_STRING) {
				put_header_value(&ref->shape->member, e, b);
				continue;
			}
			cart_buf_addc(b, '"');
			for (; *s; s++) {
				if (*s == '"')
					cart_buf_addc(b, '\\');
				cart_buf_addc(b, *s);
			}
			cart_buf_addc(b, '"');
		}
		return;
	default:
		cart_value_put_scalar(v, b);
	}
}

static bool is_token(const char *s)
{
	const char *p;

	for (p = s; *p; p++) {
		if (*p <= ' ' || *p >= 127 || strchr("()<>@,;:\\\"/[]?={}", *p))
			return false;
	}
	return p != s;
}

static int add_header(const struct rest *x, const char *member,
		      const char *name, const char *value)
{
	const char *p;

	for (p = value; *p; p++) {
		if ((*p > 0 && *p < ' ' && *p != '\t') || *p == 127)
			break;
	}
	if (*p || !is_token(name))
		return cart_err_set(x->err, CART_ERR_INPUT, 0,
				    "input.%s: goes into the HTTP header "
				    "\"%s\", which takes no control "
				    "characters", member, name);
	return cart_pairs_add(&x->r->headers, name, value) ?
	       cart_err_nomem(x->err) : 0;
}

static int encode_header(const struct rest *x, const struct cart_member *m,
			 const struct cart_json *v)
{
	const char *name = m->ref.name ? m->ref.name : m->name;
	const struct cart_json *e;
	struct cart_buf b;
	int rc = 0;

	cart_buf_init(&b, HEADER_MAX);
	if (m->ref.location == CART_IN_HEADERS) {
		for (e = cart_json_first(v); e && !rc; e = cart_json_next(e)) {
			cart_buf_addf(&b, "%s%s", name, cart_json_key(e));
			rc = no_memory(x, &b);
			if (!rc)
				rc = add_header(x, m->name, text_of(&b),
						cart_json_string(e) ?
						cart_json_string(e) : "");
			cart_buf_reset(&b);
		}
	} else if (m->ref.shape->kind != CART_KIND_LIST ||
		   cart_json_first(v)) {
		put_header_value(&m->ref, v, &b);
		rc = no_memory(x, &b);
		if (!rc)
			rc = add_header(x, m->name, name, text_of(&b));
	}
	cart_buf_clear(&b);
	return rc;
}

/* ---- the body ---------------------------------------------------------- */

static bool has_body_member(const struct cart_shape *s,
			    const struct cart_json *input)
{
	unsigned i;

	for (i = 0; i < s->n; i++) {
		if (s->members[i].m->ref.location == CART_IN_BODY &&
		    (!input || cart_json_get(input, s->members[i].m->name)))
			return true;
	}
	return false;
}

static int encode_body(const struct rest *x, struct cart_buf *body)
{
	const struct cart_ref *in = &x->op->input;
	const struct cart_shape *s = in->shape;
	bool json = x->op->svc->info.protocol == CART_PROTO_REST_JSON;
	const struct cart_member *m = NULL;
	const struct cart_json *v;

	if (s->payload) {
		m = s->members[s->payload - 1].m;
		v = cart_json_get(x->input, m->name);
		if (m->ref.shape->kind == CART_KIND_BLOB) {
			if (v)
				cart_encode_blob(v, body);
			return 0;
		}
		if (m->ref.shape->kind == CART_KIND_STRING) {
			if (v)
				cart_value_put_scalar(v, body);
			return 0;
		}
		if (v && json)
			cart_encode_json_value(&m->ref, v, body);
		else if (v)
			cart_encode_xml(&m->ref, m->ref.name ? m->ref.name :
					m->name, v, false, body);
		else if (json)
			cart_buf_adds(body, "{}");
	} else if (has_body_member(s, x->input)) {
		if (json)
			cart_encode_json_members(s, x->input, true, body);
		else
			cart_encode_xml(in, in->name ? in->name :
					x->op->info.name, x->input, true, body);
	} else if (json && has_body_member(s, NULL)) {
		cart_buf_adds(body, "{}");
	}
	if (json && body->len &&
	    !cart_pairs_get(&x->r->headers, "Content-Type"))
		return add_header(x, "", "Content-Type", "application/json");
	return 0;
}

int cart_encode_rest(const struct cart_op *op, const struct cart_json *input,
		     const struct cart_encode_opts *opts,
		     struct cart_request *r, struct cart_buf *body,
		     struct cart_err *err)
{
	struct rest x = { op, input, r, err };
	const struct cart_json *e;
	int rc = 0;

	if (!op->has_input) {
		const char *question = strchr(op->info.uri, '?');

		r->path = strndup(op->info.uri, question ?
				  (size_t)(question - op->info.uri) :
				  strlen(op->info.uri));
		if (!r->path)
			return cart_err_nomem(err);
		return question ? add_fixed_query(&x, question + 1) : 0;
	}
	if (encode_path(&x, opts && opts->path_style))
		return -1;
	for (e = cart_json_first(input); e && !rc; e = cart_json_next(e)) {
		int k = cart_model_member(op->input.shape, cart_json_key(e));
		const struct cart_member *m;

		if (k < 0)
			continue;
		m = op->input.shape->members[k].m;
		if (m->ref.location == CART_IN_QUERY)
			rc = add_query(&x, m->ref.name ? m->ref.name : m->name,
				       &m->ref, e);
		else if (m->ref.location == CART_IN_HEADER ||
			 m->ref.location == CART_IN_HEADERS)
			rc = encode_header(&x, m, e);
	}
	return rc ? rc : encode_body(&x, body);
}
