/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <crashcart/text.h>

#include "parse.h"
#include "values.h"

#define ON_STACK	40
#define BODY_DEPTH	100

struct cart_json *cart_parse_body(const void *body, size_t len,
				  struct cart_err *err)
{
	static const struct cart_json_limits limits = {
		.depth = BODY_DEPTH, .inexact = true
	};
	struct cart_json *j;

	if (!len) {
		j = cart_json_new_object();
		if (!j)
			cart_err_nomem(err);
		return j;
	}
	return cart_json_parse(body, len, &limits, err);
}

/* v is replaced by what takes its place; both owned. */
static struct cart_json *replace(struct cart_json *v, struct cart_json *by)
{
	cart_json_free(v);
	return by;
}

static struct cart_json *time_of(struct cart_json *v)
{
	char time[CART_VALUE_TIME_SIZE];
	int64_t ns;

	if (cart_value_time(v, &ns))
		return v;
	cart_value_show_time(ns, time);
	return replace(v, cart_json_new_string(time));
}

static struct cart_json *rest_scalar(const struct cart_shape *s,
				     struct cart_json *v)
{
	const char *text = cart_json_string(v);
	struct cart_json *n = NULL;

	switch (s->kind) {
	case CART_KIND_BOOLEAN:
		if (text)
			return replace(v, cart_json_new_bool(
					       !strcasecmp(text, "true")));
		return v;
	case CART_KIND_INTEGER:
	case CART_KIND_LONG:
		if (text)
			n = cart_value_number(text, strlen(text), true);
		else if (cart_json_type(v) == CART_JSON_NUMBER &&
			 !cart_value_is_integer(v))
			n = cart_json_new_int((int64_t)cart_json_number(v));
		break;
	case CART_KIND_FLOAT:
	case CART_KIND_DOUBLE:
		if (text)
			n = cart_value_number(text, strlen(text), false);
		else if (cart_json_type(v) == CART_JSON_NUMBER)
			n = cart_json_new_double(cart_json_number(v));
		break;
	default:
		break;
	}
	return n ? replace(v, n) : v;
}

static struct cart_json *list(const struct cart_shape *s, struct cart_json *v,
			      bool rest)
{
	struct cart_json *a = cart_json_new_array(), *e, *got;

	while (a && (e = cart_json_first(v))) {
		e = cart_json_detach(v, e);
		got = cart_parse_json(&s->member, e, rest);
		if (!cart_json_append(a, got)) {
			cart_json_free(a);
			a = NULL;
		}
	}
	return replace(v, a);
}

static struct cart_json *map(const struct cart_shape *s, struct cart_json *v,
			     bool rest)
{
	struct cart_json *o = cart_json_new_object(), *e, *got;
	char *key;

	while (o && (e = cart_json_first(v))) {
		e = cart_json_detach(v, e);
		key = strdup(cart_json_key(e));
		got = key ? cart_parse_json(&s->member, e, rest) :
		      replace(e, NULL);
		if (!cart_json_add(o, key, got)) {
			cart_json_free(o);
			o = NULL;
		}
		free(key);
	}
	return replace(v, o);
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

static struct cart_json *structure(const struct cart_shape *s,
				   struct cart_json *v, bool rest)
{
	struct cart_json *on_stack[ON_STACK], **at = on_stack, *e, *next;
	struct cart_json *o = NULL;
	const char *unknown = NULL;
	unsigned i, hint = 0, known = 0;
	int k;

	if (s->n > ON_STACK) {
		at = calloc(s->n, sizeof(*at));
		if (!at)
			return replace(v, NULL);
	} else {
		memset(on_stack, 0, s->n * sizeof(*on_stack));
	}
	for (e = cart_json_first(v); e; e = next) {
		next = cart_json_next(e);
		if (cart_json_type(e) == CART_JSON_NULL)
			continue;
		k = cart_model_wire_member(s, cart_json_key(e), &hint);
		if (k < 0) {
			if (strcmp(cart_json_key(e), "__type"))
				unknown = cart_json_key(e);
			continue;
		}
		known++;
		if (!at[k])
			at[k] = cart_json_detach(v, e);
	}
	if ((s->flags & CART_SHAPE_UNION) && !known && unknown)
		o = unknown_union(unknown);
	else
		o = cart_json_new_object();
	for (i = 0; i < s->n; i++) {
		const struct cart_member *m = s->members[i].m;

		if (!at[i])
			continue;
		e = cart_parse_json(&m->ref, at[i], rest);
		if (!o) {
			cart_json_free(e);
		} else if (!cart_json_add(o, m->name, e)) {
			cart_json_free(o);
			o = NULL;
		}
	}
	if (at != on_stack)
		free(at);
	return replace(v, o);
}

struct cart_json *cart_parse_json(const struct cart_ref *ref,
				  struct cart_json *v, bool rest)
{
	const struct cart_shape *s = ref->shape;
	enum cart_json_type t = cart_json_type(v);

	/* The reader bounds the depth of the tree, and with it ours. */
	if (t == CART_JSON_NULL || (s->flags & CART_SHAPE_DOCUMENT))
		return v;
	switch (s->kind) {
	case CART_KIND_STRUCTURE:
		return t == CART_JSON_OBJECT ? structure(s, v, rest) : v;
	case CART_KIND_LIST:
		return t == CART_JSON_ARRAY ? list(s, v, rest) : v;
	case CART_KIND_MAP:
		return t == CART_JSON_OBJECT ? map(s, v, rest) : v;
	case CART_KIND_TIMESTAMP:
		return time_of(v);
	default:
		return rest ? rest_scalar(s, v) : v;
	}
}

/* ---- headers ----------------------------------------------------------- */

static struct cart_json *header_list(const struct cart_svc *svc,
				     const struct cart_ref *element,
				     const char *s)
{
	struct cart_json *a = cart_json_new_array(), *v;
	const char *end;
	char *one;
	size_t len;

	while (a) {
		end = strchr(s, ',');
		len = end ? (size_t)(end - s) : strlen(s);
		while (len && (*s == ' ' || *s == '\t')) {
			s++;
			len--;
		}
		while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
			len--;
		one = strndup(s, len);
		v = one ? cart_parse_header(svc, element, one) : NULL;
		free(one);
		if (!cart_json_append(a, v)) {
			cart_json_free(a);
			return NULL;
		}
		if (!end)
			break;
		s = end + 1;
	}
	return a;
}

struct cart_json *cart_parse_header(const struct cart_svc *svc,
				    const struct cart_ref *ref, const char *s)
{
	char time[CART_VALUE_TIME_SIZE];
	struct cart_json *j = NULL;
	struct cart_buf b;
	size_t len = strlen(s);
	int64_t ns;

	if (ref->flags & CART_REF_JSONVALUE) {
		cart_buf_init(&b, len);
		if (!cart_text_unbase64(s, len, &b))
			j = cart_parse_body(b.data, b.len, NULL);
		cart_buf_clear(&b);
		return j ? j : cart_json_new_string(s);
	}
	switch (ref->shape->kind) {
	case CART_KIND_BOOLEAN:
		return cart_json_new_bool(
			svc->info.protocol == CART_PROTO_REST_JSON ?
			!strcasecmp(s, "true") : !strcmp(s, "true"));
	case CART_KIND_INTEGER:
	case CART_KIND_LONG:
		j = cart_value_number(s, len, true);
		break;
	case CART_KIND_FLOAT:
	case CART_KIND_DOUBLE:
		j = cart_value_number(s, len, false);
		break;
	case CART_KIND_TIMESTAMP:
		if (cart_value_time_text(s, len, &ns))
			break;
		cart_value_show_time(ns, time);
		return cart_json_new_string(time);
	case CART_KIND_LIST:
		return header_list(svc, &ref->shape->member, s);
	default:
		break;
	}
	return j ? j : cart_json_new_string(s);
}
