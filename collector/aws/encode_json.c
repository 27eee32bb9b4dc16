/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "encode.h"
#include "values.h"

static void key(const char *name, bool *first, struct cart_buf *b)
{
	if (!*first)
		cart_buf_addc(b, ',');
	*first = false;
	cart_json_quote(name, strlen(name), b);
	cart_buf_addc(b, ':');
}

void cart_encode_json_members(const struct cart_shape *s,
			      const struct cart_json *input, bool body_only,
			      struct cart_buf *b)
{
	const struct cart_json *e;
	bool first = true;

	cart_buf_addc(b, '{');
	for (e = cart_json_first(input); e; e = cart_json_next(e)) {
		int k = cart_model_member(s, cart_json_key(e));
		const struct cart_member *m;

		if (k < 0)
			continue;
		m = s->members[k].m;
		if (body_only && m->ref.location != CART_IN_BODY)
			continue;
		key(m->ref.name ? m->ref.name : m->name, &first, b);
		cart_encode_json_value(&m->ref, e, b);
	}
	cart_buf_addc(b, '}');
}

void cart_encode_json_value(const struct cart_ref *ref,
			    const struct cart_json *v, struct cart_buf *b)
{
	const struct cart_shape *s = ref->shape;
	char time[CART_VALUE_TIME_SIZE];
	const struct cart_json *e;
	bool first = true;
	int64_t ns;

	if (s->flags & CART_SHAPE_DOCUMENT) {
		cart_json_print(v, 0, b);
		return;
	}
	switch (s->kind) {
	case CART_KIND_STRUCTURE:
		cart_encode_json_members(s, v, false, b);
		break;
	case CART_KIND_LIST:
		cart_buf_addc(b, '[');
		for (e = cart_json_first(v); e; e = cart_json_next(e)) {
			if (!first)
				cart_buf_addc(b, ',');
			first = false;
			cart_encode_json_value(&s->member, e, b);
		}
		cart_buf_addc(b, ']');
		break;
	case CART_KIND_MAP:
		cart_buf_addc(b, '{');
		for (e = cart_json_first(v); e; e = cart_json_next(e)) {
			key(cart_json_key(e), &first, b);
			cart_encode_json_value(&s->member, e, b);
		}
		cart_buf_addc(b, '}');
		break;
	case CART_KIND_TIMESTAMP:
		if (cart_value_time(v, &ns))
			break;
		cart_value_put_time(ns, ref->time ? ref->time : CART_TIME_UNIX,
				    time);
		if (ref->time == CART_TIME_DEFAULT ||
		    ref->time == CART_TIME_UNIX)
			cart_buf_adds(b, time);
		else
			cart_json_quote(time, strlen(time), b);
		break;
	default:
		cart_json_print(v, 0, b);
	}
}
