/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_protocol.h>

#include "model.h"

/*
 * The models' paginators use a corner of JMESPath: members ("A.B"), the last
 * element ("A[-1].B") and alternatives ("A || B[-1].C").
 */

static const struct cart_json *last_of(const struct cart_json *a)
{
	const struct cart_json *e = cart_json_first(a), *next;

	if (cart_json_type(a) != CART_JSON_ARRAY)
		return NULL;
	while (e && (next = cart_json_next(e)))
		e = next;
	return e;
}

static const struct cart_json *one_path(const char *p, size_t len,
					const struct cart_json *v)
{
	char key[128];
	size_t n;

	while (len && v) {
		n = 0;
		while (n < len && p[n] != '.' && p[n] != '[')
			n++;
		if (n >= sizeof(key))
			return NULL;
		memcpy(key, p, n);
		key[n] = '\0';
		v = cart_json_get(v, key);
		p += n;
		len -= n;
		if (len >= 4 && !memcmp(p, "[-1]", 4)) {
			v = last_of(v);
			p += 4;
			len -= 4;
		}
		if (len && *p == '.') {
			p++;
			len--;
		}
	}
	return v;
}

/* JMESPath's falsehood: null, "", [], {} and false. */
static bool is_empty(const struct cart_json *v)
{
	switch (cart_json_type(v)) {
	case CART_JSON_NULL:
		return true;
	case CART_JSON_BOOL:
		return !cart_json_bool(v);
	case CART_JSON_STRING:
		return !*cart_json_string(v);
	case CART_JSON_ARRAY:
	case CART_JSON_OBJECT:
		return !cart_json_first(v);
	default:
		return false;
	}
}

static const struct cart_json *find(const char *expr,
				    const struct cart_json *v)
{
	const struct cart_json *got;
	const char *bar;
	size_t len;

	for (;;) {
		bar = strstr(expr, "||");
		len = bar ? (size_t)(bar - expr) : strlen(expr);
		while (len && expr[len - 1] == ' ')
			len--;
		got = one_path(expr, len, v);
		if (!bar || !is_empty(got))
			return got;
		expr = bar + 2;
		while (*expr == ' ')
			expr++;
	}
}

int cart_page_next(const struct cart_op *op, const struct cart_json *input,
		   const struct cart_json *reply, struct cart_json **ret_next,
		   struct cart_err *err)
{
	struct cart_json *next = NULL;
	bool more = false, same = true;
	size_t i;

	*ret_next = NULL;
	if (!op->info.paginated || !op->input_token.n)
		return 0;
	if (*op->more_results && is_empty(find(op->more_results, reply)))
		return 0;
	next = input ? cart_json_copy(input) : cart_json_new_object();
	if (!next)
		return cart_err_nomem(err);
	for (i = 0; i < op->input_token.n; i++) {
		const char *name = op->input_token.v[i];
		const struct cart_json *token, *before;

		token = find(op->output_token.v[i], reply);
		before = cart_json_get(input, name);
		if (is_empty(token)) {
			cart_json_free(cart_json_detach(next,
					cart_json_get(next, name)));
			same = same && !before;
			continue;
		}
		more = true;
		same = same && before && cart_json_equal(before, token);
		if (!cart_json_set(next, name, cart_json_copy(token))) {
			cart_json_free(next);
			return cart_err_nomem(err);
		}
	}
	if (more && same) {
		cart_json_free(next);
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s:%s gave the same page token twice: "
				    "there is more that it does not hand out",
				    op->svc->info.name, op->info.name);
	}
	if (!more) {
		cart_json_free(next);
		return 0;
	}
	*ret_next = next;
	return 1;
}

const char *cart_page_limit_key(const struct cart_op *op)
{
	return op->limit_key ? op->limit_key : "";
}

size_t cart_page_count(const struct cart_op *op, const struct cart_json *reply)
{
	const struct cart_json *v;
	size_t i, n = 0;

	for (i = 0; i < op->result_key.n; i++) {
		v = find(op->result_key.v[i], reply);
		if (cart_json_type(v) == CART_JSON_ARRAY)
			n += cart_json_size(v);
	}
	return n;
}

/* Appends the elements of from to the list to; from stays, empty. */
static int join(struct cart_json *to, struct cart_json *from)
{
	struct cart_json *e;

	while ((e = cart_json_first(from))) {
		if (!cart_json_append(to, cart_json_detach(from, e)))
			return -1;
	}
	return 0;
}

/* What is found belongs to the caller, who may change it. */
static struct cart_json *found(const char *expr, struct cart_json *v)
{
	return (struct cart_json *)(uintptr_t)find(expr, v);
}

/* Puts value at "a.b.c", making the objects on the way.  value is consumed. */
static int put(struct cart_json *o, const char *path, struct cart_json *value)
{
	struct cart_json *next;
	const char *dot;
	char key[128];

	while ((dot = strchr(path, '.'))) {
		if ((size_t)(dot - path) >= sizeof(key))
			break;
		memcpy(key, path, (size_t)(dot - path));
		key[dot - path] = '\0';
		next = cart_json_get(o, key);
		if (cart_json_type(next) != CART_JSON_OBJECT)
			next = cart_json_set(o, key, cart_json_new_object());
		if (!next) {
			cart_json_free(value);
			return -1;
		}
		o = next;
		path = dot + 1;
	}
	return cart_json_set(o, path, value) ? 0 : -1;
}

static int merge_result(struct cart_json *total, const char *expr,
			struct cart_json *page)
{
	struct cart_json *from = found(expr, page), *to, *v;
	const char *a, *b;
	struct cart_buf text;
	int64_t x, y;
	int rc;

	if (!from || cart_json_type(from) == CART_JSON_NULL)
		return 0;
	to = found(expr, total);
	if (cart_json_type(from) == CART_JSON_ARRAY) {
		if (cart_json_type(to) != CART_JSON_ARRAY) {
			v = cart_json_new_array();
			if (put(total, expr, v))
				return -1;
			to = v;
		}
		return join(to, from);
	}
	if (!to)
		return put(total, expr, cart_json_copy(from));
	if (cart_json_type(to) != cart_json_type(from))
		return 0;
	if (!cart_json_i64(to, &x) && !cart_json_i64(from, &y))
		return put(total, expr, cart_json_new_int(x + y));
	if (cart_json_type(to) == CART_JSON_NUMBER)
		return put(total, expr, cart_json_new_double(
			cart_json_number(to) + cart_json_number(from)));
	a = cart_json_string(to);
	b = cart_json_string(from);
	if (!a || !b)
		return 0;
	cart_buf_init(&text, strlen(a) + strlen(b));
	cart_buf_adds(&text, a);
	cart_buf_adds(&text, b);
	rc = cart_buf_ok(&text) ?
	     put(total, expr, cart_json_new_string_n(
		     text.data ? (char *)text.data : "", text.len)) : -1;
	cart_buf_clear(&text);
	return rc;
}

int cart_page_merge(const struct cart_op *op, struct cart_json **total,
		    struct cart_json *page, struct cart_err *err)
{
	struct cart_json *v;
	size_t i;
	int rc = -1;

	if (!op->info.paginated) {
		/* one page is all there is */
		cart_json_free(*total);
		*total = page;
		return 0;
	}
	if (!*total) {
		*total = cart_json_new_object();
		for (i = 0; *total && i < op->other_key.n; i++) {
			v = found(op->other_key.v[i], page);
			if (put(*total, op->other_key.v[i],
				v ? cart_json_copy(v) : cart_json_new_null()))
				goto out;
		}
	}
	for (i = 0; *total && i < op->result_key.n; i++) {
		if (merge_result(*total, op->result_key.v[i], page))
			goto out;
	}
	rc = *total ? 0 : -1;
out:
	if (rc)
		cart_err_nomem(err);
	cart_json_free(page);
	return rc;
}
