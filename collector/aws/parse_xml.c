/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "values.h"

/* Structures with more members take their table of elements from the heap. */
#define ON_STACK	40

const char *cart_parse_local(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon ? colon + 1 : name;
}

/* XML holds no NUL, so the text is a string as it is. */
static struct cart_json *as_text(const struct cart_xml *x)
{
	return cart_json_new_string(x->text);
}

/* A URL-encoded policy document (IAM); as text when it is none. */
static struct cart_json *policy(const struct cart_xml *x)
{
	static const struct cart_json_limits limits = {
		.depth = 100, .inexact = true
	};
	struct cart_json *j = NULL;
	struct cart_buf b;

	cart_buf_init(&b, x->text_len);
	cart_value_unescape(x->text, x->text_len, false, &b);
	if (cart_buf_ok(&b))
		j = cart_json_parse(b.data, b.len, &limits, NULL);
	cart_buf_clear(&b);
	return j ? j : as_text(x);
}

static struct cart_json *scalar(const struct cart_shape *s,
				const struct cart_xml *x)
{
	char time[CART_VALUE_TIME_SIZE];
	struct cart_json *j = NULL;
	int64_t ns;

	switch (s->kind) {
	case CART_KIND_STRING:
		if (s->flags & CART_SHAPE_POLICY)
			return policy(x);
		break;
	case CART_KIND_BOOLEAN:
		return cart_json_new_bool(x->text_len == 4 &&
					  !memcmp(x->text, "true", 4));
	case CART_KIND_INTEGER:
	case CART_KIND_LONG:
		j = cart_value_number(x->text, x->text_len, true);
		break;
	case CART_KIND_FLOAT:
	case CART_KIND_DOUBLE:
		j = cart_value_number(x->text, x->text_len, false);
		break;
	case CART_KIND_TIMESTAMP:
		if (cart_value_time_text(x->text, x->text_len, &ns))
			break;
		cart_value_show_time(ns, time);
		return cart_json_new_string(time);
	default:
		break;
	}
	return j ? j : as_text(x);
}

static const struct cart_xml *next_of_name(const struct cart_xml *x)
{
	const char *name = x->name;

	for (x = x->next; x; x = x->next) {
		if (x->name == name || !strcmp(x->name, name))
			return x;
	}
	return NULL;
}

static struct cart_json *list(const struct cart_svc *svc,
			      const struct cart_ref *ref,
			      const struct cart_xml *x)
{
	const struct cart_ref *element = &ref->shape->member;
	bool flat = ref->flags & CART_REF_FLAT;
	struct cart_json *a = cart_json_new_array();

	/* flat: the elements are x and its siblings of the same name */
	for (x = flat ? x : x->child; a && x;
	     x = flat ? next_of_name(x) : x->next) {
		if (!cart_json_append(a, cart_parse_xml(svc, element, x))) {
			cart_json_free(a);
			a = NULL;
		}
	}
	return a;
}

/* One <entry><key>k</key><value>v</value></entry>.  0 or -1: no memory. */
static int entry(const struct cart_svc *svc, const struct cart_shape *s,
		 const struct cart_xml *x, struct cart_json *object)
{
	const char *key_name = s->key.name ? s->key.name : "key";
	const char *value_name = s->member.name ? s->member.name : "value";
	const struct cart_xml *key = NULL, *value = NULL, *c;

	for (c = x->child; c; c = c->next) {
		const char *name = cart_parse_local(c->name);

		if (!strcmp(name, key_name))
			key = c;
		else if (!strcmp(name, value_name))
			value = c;
	}
	if (!key || !value)
		return 0;
	return cart_json_set(object, key->text,
			     cart_parse_xml(svc, &s->member, value)) ? 0 : -1;
}

static struct cart_json *map(const struct cart_svc *svc,
			     const struct cart_ref *ref,
			     const struct cart_xml *x)
{
	bool flat = ref->flags & CART_REF_FLAT;
	struct cart_json *o = cart_json_new_object();

	for (x = flat ? x : x->child; o && x;
	     x = flat ? next_of_name(x) : x->next) {
		if (entry(svc, ref->shape, x, o)) {
			cart_json_free(o);
			o = NULL;
		}
	}
	return o;
}

/* xsi:type, whatever prefix the namespace has there. */
static const char *attribute(const struct cart_xml *x, const char *name)
{
	const struct cart_xml_attr *a;

	name = cart_parse_local(name);
	for (a = x->attrs; a; a = a->next) {
		if (!strcmp(cart_parse_local(a->name), name) &&
		    strcmp(a->name, "xmlns"))
			return a->value;
	}
	return NULL;
}

static struct cart_json *unknown_union(const char *name)
{
	struct cart_json *o = cart_json_new_object(), *in;

	in = cart_json_new_object();
	if (!cart_json_add(in, "name", cart_json_new_string(name)) ||
	    !cart_json_add(o, "SDK_UNKNOWN_MEMBER", in)) {
		cart_json_free(o);
		return NULL;
	}
	return o;
}

static struct cart_json *structure(const struct cart_svc *svc,
				   const struct cart_shape *s,
				   const struct cart_xml *x)
{
	const struct cart_xml *on_stack[ON_STACK], **at = on_stack, *c;
	struct cart_json *o = NULL, *v;
	unsigned i, hint = 0;
	int k, known = 0;

	if (s->n > ON_STACK) {
		at = calloc(s->n, sizeof(*at));
		if (!at)
			return NULL;
	} else {
		memset(on_stack, 0, s->n * sizeof(*on_stack));
	}
	for (c = x ? x->child : NULL; c; c = c->next) {
		k = cart_model_wire_member(s, cart_parse_local(c->name), &hint);
		if (k >= 0 && !at[k])
			at[k] = c;
		known += k >= 0;
	}
	if ((s->flags & CART_SHAPE_UNION) && !known && x && x->child) {
		o = unknown_union(cart_parse_local(x->child->name));
		goto out;
	}
	o = cart_json_new_object();
	for (i = 0; o && i < s->n; i++) {
		const struct cart_member *m = s->members[i].m;

		if (!at[i] && s->members[i].same)
			at[i] = at[s->members[i].same - 1];
		if (at[i] && m->ref.location < CART_IN_HEADER) {
			v = cart_parse_xml(svc, &m->ref, at[i]);
		} else if ((m->ref.flags & CART_REF_ATTR) && m->ref.name && x &&
			   attribute(x, m->ref.name)) {
			v = cart_json_new_string(attribute(x, m->ref.name));
		} else {
			continue;
		}
		if (!cart_json_add(o, m->name, v)) {
			cart_json_free(o);
			o = NULL;
		}
	}
out:
	if (at != on_stack)
		free(at);
	return o;
}

struct cart_json *cart_parse_xml(const struct cart_svc *svc,
				 const struct cart_ref *ref,
				 const struct cart_xml *x)
{
	/* The reader bounds the depth of elements, and with it ours. */
	switch (ref->shape->kind) {
	case CART_KIND_STRUCTURE:
		return structure(svc, ref->shape, x);
	case CART_KIND_LIST:
		return x ? list(svc, ref, x) : cart_json_new_array();
	case CART_KIND_MAP:
		return x ? map(svc, ref, x) : cart_json_new_object();
	default:
		return x ? scalar(ref->shape, x) : cart_json_new_null();
	}
}
