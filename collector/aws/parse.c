/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <crashcart/text.h>

#include "parse.h"
#include "values.h"

static bool is_op(const struct cart_op *op, const char *svc, const char *name)
{
	return !strcmp(op->svc->info.name, svc) && !strcmp(op->info.name, name);
}

/* ---- what botocore does to replies beside the model -------------------- */

static int unescape_member(struct cart_json *o, const char *key)
{
	const char *s = cart_json_get_string(o, key);
	struct cart_buf b;
	int rc;

	if (!s || !strpbrk(s, "%+"))
		return 0;
	cart_buf_init(&b, strlen(s));
	cart_value_unescape(s, strlen(s), true, &b);
	rc = cart_buf_ok(&b) &&
	     cart_json_set(o, key, cart_json_new_string_n((char *)b.data,
							  b.len)) ? 0 : -1;
	cart_buf_clear(&b);
	return rc;
}

static int unescape_list(struct cart_json *o, const char *list, const char *key)
{
	struct cart_json *e = cart_json_first(cart_json_get(o, list));

	for (; e; e = cart_json_next(e)) {
		if (unescape_member(e, key))
			return -1;
	}
	return 0;
}

/* The keys of a listing that was asked for as URLs, which cart_encode does
 * because XML cannot hold every key. */
static int unescape_listing(struct cart_json *o)
{
	static const char *const keys[] = {
		"Delimiter", "Marker", "NextMarker", "Prefix", "StartAfter",
		"KeyMarker", "NextKeyMarker"
	};
	static const char *const lists[][2] = {
		{ "Contents", "Key" }, { "CommonPrefixes", "Prefix" },
		{ "Versions", "Key" }, { "DeleteMarkers", "Key" }
	};
	const char *type = cart_json_get_string(o, "EncodingType");
	size_t i;

	if (!type || strcmp(type, "url"))
		return 0;
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (unescape_member(o, keys[i]))
			return -1;
	}
	for (i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (unescape_list(o, lists[i][0], lists[i][1]))
			return -1;
	}
	return 0;
}

/* ec2:GetConsoleOutput gives the text itself; bad bytes become U+FFFD when
 * it is printed. */
static int decode_console(struct cart_json *o)
{
	const char *s = cart_json_get_string(o, "Output");
	struct cart_buf b, text;
	size_t i;
	int rc = 0;

	if (!s)
		return 0;
	cart_buf_init(&b, strlen(s));
	cart_buf_init(&text, strlen(s));
	/* AWS breaks its lines */
	for (i = 0; s[i]; i++) {
		if (!strchr(" \t\r\n", s[i]))
			cart_buf_addc(&text, s[i]);
	}
	if (!cart_text_unbase64(text.data ? (char *)text.data : "", text.len,
				&b))
		rc = cart_json_set(o, "Output", cart_json_new_string_n(
			b.data ? (char *)b.data : "", b.len)) ? 0 : -1;
	cart_buf_clear(&b);
	cart_buf_clear(&text);
	return rc;
}

static int decode_template(struct cart_json *o)
{
	const char *s = cart_json_get_string(o, "TemplateBody");
	struct cart_json *j;

	if (!s)
		return 0;
	j = *s ? cart_parse_body(s, strlen(s), NULL) : NULL;
	if (!j)
		return 0;		/* YAML: stays text */
	return cart_json_set(o, "TemplateBody", j) ? 0 : -1;
}

/* The whole answer is the root element's text. */
static int bucket_location(struct cart_json *o, const struct cart_reply *r)
{
	struct cart_xml_doc *doc = cart_xml_parse(r->body, r->len, NULL);
	const struct cart_xml *root;
	struct cart_json *v;

	if (!doc)
		return 0;
	root = cart_xml_root(doc);
	v = root->text_len ? cart_json_new_string_n(root->text,
						    root->text_len) :
	    cart_json_new_null();
	cart_xml_free(doc);
	return cart_json_set(o, "LocationConstraint", v) ? 0 : -1;
}

static int expires_text(struct cart_json *o, const struct cart_reply *r)
{
	const char *s = cart_pairs_get(&r->headers, "Expires");
	struct cart_json *e = cart_json_get(o, "Expires");
	int64_t ns;

	if (!s || !e)
		return 0;
	if (cart_value_time_text(s, strlen(s), &ns))
		cart_json_free(cart_json_detach(o, e));
	return cart_json_set(o, "ExpiresString", cart_json_new_string(s)) ?
	       0 : -1;
}

static int customise(const struct cart_op *op, const struct cart_reply *r,
		     struct cart_json *o)
{
	if (!strcmp(op->svc->info.name, "s3")) {
		if (!strncmp(op->info.name, "ListObject", 10))
			return unescape_listing(o);
		if (is_op(op, "s3", "GetBucketLocation"))
			return bucket_location(o, r);
		return expires_text(o, r);
	}
	if (is_op(op, "ec2", "GetConsoleOutput"))
		return decode_console(o);
	if (is_op(op, "cloudformation", "GetTemplate"))
		return decode_template(o);
	return 0;
}

/* ---- the protocols ----------------------------------------------------- */

static struct cart_json *decode_query(const struct cart_op *op,
				      const struct cart_reply *r,
				      struct cart_err *err)
{
	struct cart_xml_doc *doc = cart_xml_parse(r->body, r->len, err);
	const struct cart_xml *x;
	struct cart_json *o = NULL;

	if (!doc)
		return NULL;
	x = cart_xml_root(doc);
	if (op->has_output && op->wrapper) {
		for (x = x->child; x; x = x->next) {
			if (!strcmp(cart_parse_local(x->name), op->wrapper))
				break;
		}
		if (!x) {
			cart_err_set(err, CART_ERR_INPUT, 0,
				     "reply has no element %s", op->wrapper);
			goto out;
		}
	}
	o = op->has_output ? cart_parse_xml(op->svc, &op->output, x) :
	    cart_json_new_object();
	if (!o)
		cart_err_nomem(err);
out:
	cart_xml_free(doc);
	return o;
}

static struct cart_json *decode_json(const struct cart_op *op,
				     const struct cart_reply *r,
				     struct cart_err *err)
{
	struct cart_json *o;

	if (!op->has_output)
		o = cart_json_new_object();
	else
		o = cart_parse_body(r->body, r->len, err);
	if (!o)
		return NULL;
	if (cart_json_type(o) != CART_JSON_OBJECT) {
		cart_json_free(o);
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "reply is JSON, but not an object");
		return NULL;
	}
	if (!op->has_output)
		return o;
	o = cart_parse_json(&op->output, o, false);
	if (!o)
		cart_err_nomem(err);
	return o;
}

/* Members that are not in the body. */
static int add_headers(const struct cart_op *op, const struct cart_reply *r,
		       struct cart_json *o)
{
	const struct cart_shape *s = op->output.shape;
	struct cart_json *v;
	unsigned i;
	size_t k, n;

	for (i = 0; i < s->n; i++) {
		const struct cart_member *m = s->members[i].m;
		const char *name = m->ref.name ? m->ref.name : m->name, *text;

		switch (m->ref.location) {
		case CART_IN_STATUS:
			v = cart_json_new_int(r->status);
			break;
		case CART_IN_HEADER:
			text = cart_pairs_get(&r->headers, name);
			if (!text)
				continue;
			v = cart_parse_header(op->svc, &m->ref, text);
			break;
		case CART_IN_HEADERS:
			v = cart_json_new_object();
			n = m->ref.name ? strlen(m->ref.name) : 0;
			for (k = 0; v && k < r->headers.n; k++) {
				const struct cart_pair *h = &r->headers.v[k];

				if (strncasecmp(h->name, name, n))
					continue;
				if (!cart_json_set(v, h->name + n,
						   cart_json_new_string(
							   h->value))) {
					cart_json_free(v);
					v = NULL;
				}
			}
			break;
		default:
			continue;
		}
		if (!cart_json_add(o, m->name, v))
			return -1;
	}
	return 0;
}

/* Moves the members of from to the end of o; from is consumed. */
static int move_members(struct cart_json *o, struct cart_json *from)
{
	struct cart_json *e;
	char *key;
	int rc = 0;

	while (!rc && (e = cart_json_first(from))) {
		e = cart_json_detach(from, e);
		key = strdup(cart_json_key(e));
		if (!key)
			cart_json_free(e);
		else if (cart_json_set(o, key, e))
			e = NULL;
		rc = !key || e ? -1 : 0;
		free(key);
	}
	cart_json_free(from);
	return rc;
}

/* The body as the shape says; *bad_body: it is not XML or not JSON. */
static struct cart_json *rest_body(const struct cart_op *op,
				   const struct cart_ref *ref,
				   const struct cart_reply *r, bool *bad_body,
				   struct cart_err *err)
{
	struct cart_xml_doc *doc = NULL;
	struct cart_json *v;

	if (op->svc->info.protocol == CART_PROTO_REST_JSON) {
		v = cart_parse_body(r->body, r->len, err);
		if (!v)
			*bad_body = true;
		return v ? cart_parse_json(ref, v, true) : NULL;
	}
	if (r->len) {
		doc = cart_xml_parse(r->body, r->len, err);
		if (!doc) {
			*bad_body = true;
			return NULL;
		}
	}
	v = cart_parse_xml(op->svc, ref, doc ? cart_xml_root(doc) : NULL);
	cart_xml_free(doc);
	return v;
}

static bool only_headers(const struct cart_shape *s)
{
	unsigned i;

	for (i = 0; i < s->n; i++) {
		if (s->members[i].m->ref.location == CART_IN_BODY)
			return false;
	}
	return true;
}

static struct cart_json *decode_rest(const struct cart_op *op,
				     const struct cart_reply *r,
				     struct cart_err *err)
{
	const struct cart_shape *s = op->output.shape;
	struct cart_json *o = cart_json_new_object(), *v;
	const struct cart_member *m;
	bool bad_body = false;

	if (!o || !op->has_output)
		goto out;
	if (add_headers(op, r, o))
		goto nomem;
	if (s->payload) {
		m = s->members[s->payload - 1].m;
		if (m->ref.shape->kind == CART_KIND_BLOB ||
		    (m->ref.shape->flags & CART_SHAPE_EVENTSTREAM))
			goto out;
		if (m->ref.shape->kind == CART_KIND_STRING)
			v = cart_json_new_string_n(r->len ? r->body : "",
						   r->len);
		else
			v = rest_body(op, &m->ref, r, &bad_body, err);
		if (!cart_json_set(o, m->name, v))
			goto nomem;
		goto out;
	}
	/* Where nothing comes in the body, nothing is asked of it. */
	if (only_headers(s))
		goto out;
	v = rest_body(op, &op->output, r, &bad_body, err);
	if (v && cart_json_type(v) != CART_JSON_OBJECT) {
		cart_json_free(v);
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "reply is JSON, but not an object");
		bad_body = true;
		v = NULL;
	}
	if (!v || move_members(o, v))
		goto nomem;
out:
	if (!o)
		cart_err_nomem(err);
	return o;
nomem:
	cart_json_free(o);
	if (!bad_body)
		cart_err_nomem(err);
	return NULL;
}

struct cart_json *cart_decode(const struct cart_op *op,
			      const struct cart_reply *r,
			      struct cart_err *err)
{
	struct cart_json *o;

	switch (op->svc->info.protocol) {
	case CART_PROTO_EC2:
	case CART_PROTO_QUERY:
		o = decode_query(op, r, err);
		break;
	case CART_PROTO_JSON:
		/* a stream of events is the caller's, as it came */
		o = op->info.event_stream ? cart_json_new_object() :
		    decode_json(op, r, err);
		break;
	case CART_PROTO_REST_JSON:
	case CART_PROTO_REST_XML:
		o = decode_rest(op, r, err);
		break;
	default:
		cart_err_set(err, CART_ERR_INPUT, 0, "%s speaks no protocol "
			     "that we know", op->svc->info.name);
		return NULL;
	}
	if (o && customise(op, r, o)) {
		cart_json_free(o);
		o = NULL;
		cart_err_nomem(err);
	}
	if (!o)
		cart_err_prefix(err, "%s:%s", op->svc->info.name,
				op->info.name);
	return o;
}
