/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/xml.h>

#include "encode.h"
#include "values.h"

static void put_attr(const char *name, const char *value, struct cart_buf *b)
{
	cart_buf_addf(b, " %s=\"", name);
	cart_xml_escape(value, strlen(value), b);
	cart_buf_addc(b, '"');
}

/* "uri" or "prefix uri" */
static void put_namespace(const struct cart_ref *ref, struct cart_buf *b)
{
	const char *ns = ref->xmlns, *space;

	if (!ns)
		return;
	space = strchr(ns, ' ');
	if (!space) {
		put_attr("xmlns", ns, b);
		return;
	}
	cart_buf_adds(b, " xmlns:");
	cart_buf_add(b, ns, (size_t)(space - ns));
	cart_buf_adds(b, "=\"");
	cart_xml_escape(space + 1, strlen(space + 1), b);
	cart_buf_addc(b, '"');
}

static void structure(const struct cart_ref *ref, const char *name,
		      const struct cart_json *v, bool body_only,
		      struct cart_buf *b)
{
	const struct cart_shape *s = ref->shape;
	const struct cart_json *e;
	const struct cart_member *m;
	int k;

	cart_buf_addf(b, "<%s", name);
	put_namespace(ref, b);
	for (e = cart_json_first(v); e; e = cart_json_next(e)) {
		k = cart_model_member(s, cart_json_key(e));
		m = k < 0 ? NULL : s->members[k].m;
		if (m && (m->ref.flags & CART_REF_ATTR) && m->ref.name &&
		    cart_json_string(e))
			put_attr(m->ref.name, cart_json_string(e), b);
	}
	cart_buf_addc(b, '>');
	for (e = cart_json_first(v); e; e = cart_json_next(e)) {
		k = cart_model_member(s, cart_json_key(e));
		m = k < 0 ? NULL : s->members[k].m;
		if (!m || (m->ref.flags & CART_REF_ATTR) ||
		    (body_only && m->ref.location != CART_IN_BODY))
			continue;
		cart_encode_xml(&m->ref, m->ref.name ? m->ref.name : m->name,
				e, false, b);
	}
	cart_buf_addf(b, "</%s>", name);
}

static void list(const struct cart_ref *ref, const char *name,
		 const struct cart_json *v, struct cart_buf *b)
{
	const struct cart_ref *element = &ref->shape->member;
	const struct cart_json *e;
	bool flat = ref->flags & CART_REF_FLAT;

	if (!flat) {
		cart_buf_addf(b, "<%s", name);
		put_namespace(ref, b);
		cart_buf_addc(b, '>');
	}
	for (e = cart_json_first(v); e; e = cart_json_next(e))
		cart_encode_xml(element, flat ? name : element->name ?
				element->name : "member", e, false, b);
	if (!flat)
		cart_buf_addf(b, "</%s>", name);
}

static void map(const struct cart_ref *ref, const char *name,
		const struct cart_json *v, struct cart_buf *b)
{
	const struct cart_shape *s = ref->shape;
	const struct cart_json *e;
	const char *entry = "entry", *key;
	bool flat = ref->flags & CART_REF_FLAT;

	if (flat) {
		entry = name;
	} else {
		cart_buf_addf(b, "<%s", name);
		put_namespace(ref, b);
		cart_buf_addc(b, '>');
	}
	for (e = cart_json_first(v); e; e = cart_json_next(e)) {
		key = s->key.name ? s->key.name : "key";
		cart_buf_addf(b, "<%s><%s>", entry, key);
		cart_xml_escape(cart_json_key(e), strlen(cart_json_key(e)), b);
		cart_buf_addf(b, "</%s>", key);
		cart_encode_xml(&s->member, s->member.name ? s->member.name :
				"value", e, false, b);
		cart_buf_addf(b, "</%s>", entry);
	}
	if (!flat)
		cart_buf_addf(b, "</%s>", name);
}

static void scalar(const struct cart_ref *ref, const struct cart_json *v,
		   struct cart_buf *b)
{
	char time[CART_VALUE_TIME_SIZE];
	const char *s = cart_json_string(v);
	int64_t ns;

	if (ref->shape->kind == CART_KIND_TIMESTAMP) {
		if (cart_value_time(v, &ns))
			return;
		cart_value_put_time(ns, ref->time ? ref->time :
				    CART_TIME_ISO8601, time);
		cart_buf_adds(b, time);
	} else if (s) {
		cart_xml_escape(s, strlen(s), b);
	} else {
		cart_value_put_scalar(v, b);
	}
}

void cart_encode_xml(const struct cart_ref *ref, const char *name,
		     const struct cart_json *v, bool body_only,
		     struct cart_buf *b)
{
	switch (ref->shape->kind) {
	case CART_KIND_STRUCTURE:
		structure(ref, name, v, body_only, b);
		break;
	case CART_KIND_LIST:
		list(ref, name, v, b);
		break;
	case CART_KIND_MAP:
		map(ref, name, v, b);
		break;
	default:
		cart_buf_addf(b, "<%s", name);
		put_namespace(ref, b);
		cart_buf_addc(b, '>');
		scalar(ref, v, b);
		cart_buf_addf(b, "</%s>", name);
	}
}
