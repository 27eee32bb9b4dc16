/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/text.h>

#include "encode.h"
#include "values.h"

/*
 * The query protocol, and ec2, which is almost the same: names are upper
 * case, lists have no element name, empty lists are not sent.
 */
struct form {
	struct cart_buf *body;
	struct cart_buf key;		/* "Filter.1.Value.1" */
	bool ec2;
};

static void put(struct form *f, const char *value, size_t len)
{
	if (f->body->len)
		cart_buf_addc(f->body, '&');
	cart_text_uri(f->key.data, f->key.len, false, f->body);
	cart_buf_addc(f->body, '=');
	cart_text_uri(value, len, false, f->body);
}

/* Forgets what was added to the key; the buffer stays ended by NUL. */
static void cut(struct form *f, size_t len)
{
	if (f->key.data && len <= f->key.len) {
		f->key.len = len;
		f->key.data[len] = '\0';
	}
}

static void put_name(struct form *f, const struct cart_ref *ref,
		     const char *fallback)
{
	const char *name = ref->name ? ref->name : fallback;

	if (f->key.len)
		cart_buf_addc(&f->key, '.');
	if (f->ec2 && ref->query) {
		cart_buf_adds(&f->key, ref->query);
	} else if (f->ec2 && ref->name && name[0] >= 'a' && name[0] <= 'z') {
		cart_buf_addc(&f->key, (char)(name[0] - 'a' + 'A'));
		cart_buf_adds(&f->key, name + 1);
	} else {
		cart_buf_adds(&f->key, name);
	}
}

static void value(struct form *f, const struct cart_ref *ref,
		  const struct cart_json *v);

static void list(struct form *f, const struct cart_ref *ref,
		 const struct cart_json *v)
{
	const struct cart_ref *element = &ref->shape->member;
	const struct cart_json *e = cart_json_first(v);
	size_t start = f->key.len, prefix, i = 1;
	const char *dot;

	if (!f->ec2 && !e) {
		put(f, "", 0);
		return;
	}
	if (!f->ec2 && (ref->flags & CART_REF_FLAT)) {
		/* the element's name takes the place of the list's */
		if (element->name && *element->name && f->key.data) {
			dot = strrchr((char *)f->key.data, '.');
			prefix = dot ? (size_t)(dot + 1 -
						(char *)f->key.data) : 0;
			cut(f, prefix);
			cart_buf_adds(&f->key, element->name);
		}
	} else if (!f->ec2) {
		cart_buf_addf(&f->key, ".%s",
			      element->name ? element->name : "member");
	}
	prefix = f->key.len;
	for (; e; e = cart_json_next(e)) {
		cart_buf_addf(&f->key, ".%zu", i++);
		value(f, element, e);
		cut(f, prefix);
	}
	cut(f, start);
}

static void map(struct form *f, const struct cart_ref *ref,
		const struct cart_json *v)
{
	const struct cart_shape *s = ref->shape;
	const struct cart_json *e;
	size_t start = f->key.len, entry, i = 1;

	for (e = cart_json_first(v); e; e = cart_json_next(e)) {
		const char *key = cart_json_key(e);

		cart_buf_addf(&f->key, "%s.%zu",
			      ref->flags & CART_REF_FLAT ? "" : ".entry", i++);
		entry = f->key.len;
		put_name(f, &s->key, "key");
		put(f, key, strlen(key));
		cut(f, entry);
		put_name(f, &s->member, "value");
		value(f, &s->member, e);
		cut(f, start);
	}
}

static void structure(struct form *f, const struct cart_shape *s,
		      const struct cart_json *v)
{
	const struct cart_json *e;
	size_t start = f->key.len;

	for (e = cart_json_first(v); e; e = cart_json_next(e)) {
		int k = cart_model_member(s, cart_json_key(e));
		const struct cart_member *m;

		if (k < 0)
			continue;
		m = s->members[k].m;
		put_name(f, &m->ref, m->name);
		value(f, &m->ref, e);
		cut(f, start);
	}
}

static void value(struct form *f, const struct cart_ref *ref,
		  const struct cart_json *v)
{
	char time[CART_VALUE_TIME_SIZE];
	struct cart_buf b;
	const char *s;
	int64_t ns;

	switch (ref->shape->kind) {
	case CART_KIND_STRUCTURE:
		structure(f, ref->shape, v);
		return;
	case CART_KIND_LIST:
		list(f, ref, v);
		return;
	case CART_KIND_MAP:
		map(f, ref, v);
		return;
	case CART_KIND_TIMESTAMP:
		if (cart_value_time(v, &ns))
			return;
		cart_value_put_time(ns, ref->time ? ref->time :
				    CART_TIME_ISO8601, time);
		put(f, time, strlen(time));
		return;
	default:
		break;
	}
	/* blobs are base64 already */
	s = cart_json_string(v);
	if (s) {
		put(f, s, strlen(s));
		return;
	}
	cart_buf_init(&b, 512);
	cart_value_put_scalar(v, &b);
	put(f, b.data ? (char *)b.data : "", b.len);
	cart_buf_clear(&b);
}

void cart_encode_query(const struct cart_op *op, const struct cart_json *input,
		       struct cart_buf *b)
{
	struct form f = { .body = b };

	f.ec2 = op->svc->info.protocol == CART_PROTO_EC2;
	cart_buf_init(&f.key, 8192);
	cart_buf_addf(b, "Action=%s&Version=%s", op->info.name,
		      op->svc->info.api_version);
	if (op->has_input)
		structure(&f, op->input.shape, input);
	if (!cart_buf_ok(&f.key))
		b->failed = true;
	cart_buf_clear(&f.key);
}
