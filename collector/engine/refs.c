/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/buf.h>

#include "private.h"

#define RESULT_MAX	((size_t)1 << 20)

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool step_name(const char *s, size_t len)
{
	size_t i;

	if (len < 1 || len >= ID_SIZE || s[0] < 'a' || s[0] > 'z')
		return false;
	for (i = 1; i < len; i++) {
		if (!((s[i] >= 'a' && s[i] <= 'z') ||
		      (s[i] >= '0' && s[i] <= '9') || s[i] == '_'))
			return false;
	}
	return true;
}

static int bad(struct cart_err *err, const char *s, size_t len, const char *what)
{
	if (len > 100)
		len = 100;
	return cart_err_set(err, CART_ERR_USAGE, 0, "reference \"%.*s\" %s",
			    (int)len, s, what);
}

/* Dotted names: a, a.b, a.b.c. */
static bool dotted(const char *s, size_t len)
{
	size_t i;

	if (!len || s[0] == '.' || s[len - 1] == '.')
		return false;
	for (i = 0; i < len; i++) {
		if (s[i] == '.' ? s[i + 1] == '.' : !name_char(s[i]))
			return false;
	}
	return true;
}

/* s: what stands between ${ and }. */
static int parse_ref(const char *whole, size_t whole_len, const char *s,
		     size_t len, struct cart_ref *ret, struct cart_err *err)
{
	const char *dot = memchr(s, '.', len);
	size_t head = dot ? (size_t)(dot - s) : len;
	size_t tail = dot ? len - head - 1 : 0;

	memset(ret, 0, sizeof(*ret));
	if (head == 4 && !memcmp(s, "item", 4)) {
		ret->kind = REF_ITEM;
		if (!dot)
			return 0;
	} else if (head == 6 && !memcmp(s, "params", 6)) {
		ret->kind = REF_PARAM;
	} else if (head == 3 && !memcmp(s, "run", 3)) {
		ret->kind = REF_RUN;
	} else if (step_name(s, head)) {
		ret->kind = REF_STEP;
		memcpy(ret->step, s, head);
	} else {
		return bad(err, whole, whole_len, "is not ${step.name}, "
			   "${params.name}, ${item} or ${run.name}; for a "
			   "literal ${ write $${");
	}
	if (!dot)
		return bad(err, whole, whole_len, "names no value; write "
			   "${step.name}");
	if (!dotted(dot + 1, tail) || tail >= sizeof(ret->name) ||
	    (ret->kind != REF_ITEM && memchr(dot + 1, '.', tail)))
		return bad(err, whole, whole_len, "has a name that is not made "
			   "of letters, digits, _ and -");
	memcpy(ret->name, dot + 1, tail);
	return 0;
}

int cart_ref_piece(const char **p, struct cart_piece *ret, struct cart_err *err)
{
	const char *s = *p, *end;

	if (!*s) {
		ret->kind = PIECE_END;
		return 0;
	}
	if (!strncmp(s, "$${", 3)) {
		ret->kind = PIECE_TEXT;
		ret->text = s + 1;
		ret->len = 2;
		*p = s + 3;
		return 0;
	}
	if (!strncmp(s, "${", 2)) {
		end = strchr(s, '}');
		if (!end)
			return bad(err, s, strlen(s), "has no closing }; for a "
				   "literal ${ write $${");
		ret->kind = PIECE_REF;
		*p = end + 1;
		return parse_ref(s, (size_t)(end + 1 - s), s + 2,
				 (size_t)(end - s - 2), &ret->ref, err);
	}
	for (end = s + 1; *end && strncmp(end, "${", 2) &&
			  strncmp(end, "$${", 3); end++)
		;
	ret->kind = PIECE_TEXT;
	ret->text = s;
	ret->len = (size_t)(end - s);
	*p = end;
	return 0;
}

int cart_ref_whole(const char *s, struct cart_ref *ret, struct cart_err *err)
{
	struct cart_piece piece;

	if (strncmp(s, "${", 2))
		return 0;
	if (cart_ref_piece(&s, &piece, err) < 0)
		return -1;
	if (*s)
		return 0;
	*ret = piece.ref;
	return 1;
}

bool cart_ref_any(const struct cart_json *v)
{
	const struct cart_json *c;
	const char *s = cart_json_string(v);
	struct cart_piece piece;

	while (s && *s) {
		if (cart_ref_piece(&s, &piece, NULL) < 0 ||
		    piece.kind == PIECE_REF)
			return true;
	}
	for (c = cart_json_first(v); c; c = cart_json_next(c)) {
		if (cart_ref_any(c))
			return true;
	}
	return false;
}

struct cart_json *cart_ref_holes(const struct cart_json *v)
{
	bool object = cart_json_type(v) == CART_JSON_OBJECT;
	struct cart_json *out, *child;
	const struct cart_json *c;

	if (!object && cart_json_type(v) != CART_JSON_ARRAY)
		return cart_ref_any(v) ? cart_json_new_null() :
			cart_json_copy(v);
	out = object ? cart_json_new_object() : cart_json_new_array();
	for (c = cart_json_first(v); c && out; c = cart_json_next(c)) {
		child = cart_ref_holes(c);
		if (!(object ? cart_json_add(out, cart_json_key(c), child) :
		      cart_json_append(out, child))) {
			cart_json_free(out);
			out = NULL;
		}
	}
	return out;
}

void cart_ref_text(const struct cart_ref *r, char *out, size_t size)
{
	const char *head = r->kind == REF_STEP ? r->step :
			   r->kind == REF_PARAM ? "params" :
			   r->kind == REF_ITEM ? "item" : "run";

	snprintf(out, size, "${%s%s%s}", head, r->name[0] ? "." : "", r->name);
}

const struct cart_json *cart_ref_item(const struct cart_json *item,
				      const char *path)
{
	char key[128];
	size_t n;

	while (item && *path) {
		n = strcspn(path, ".");
		if (n >= sizeof(key))
			return NULL;
		memcpy(key, path, n);
		key[n] = '\0';
		item = cart_json_get(item, key);
		path += n + (path[n] == '.');
	}
	return item;
}

/* ---- replacing ---------------------------------------------------------- */

struct resolver {
	cart_ref_fn fn;
	void *arg;
	enum resolve result;
	struct cart_ref *failed;
	struct cart_err *err;
};

static int add_scalar(struct resolver *r, const struct cart_ref *ref,
		      const struct cart_json *v, struct cart_buf *b)
{
	char text[192];

	switch (cart_json_type(v)) {
	case CART_JSON_STRING:
		cart_buf_adds(b, cart_json_string(v));
		return 0;
	case CART_JSON_NUMBER:
	case CART_JSON_BOOL:
		cart_json_print(v, 0, b);
		return 0;
	default:
		cart_ref_text(ref, text, sizeof(text));
		return cart_err_set(r->err, CART_ERR_INPUT, 0,
				    "%s stands inside a text but is not a text, "
				    "number or boolean", text);
	}
}

static struct cart_json *resolve_string(struct resolver *r, const char *s)
{
	struct cart_piece piece;
	struct cart_json *out = NULL;
	const struct cart_json *v;
	const char *start;
	struct cart_buf b;
	struct cart_ref ref;
	enum resolve got;
	int whole = cart_ref_whole(s, &ref, r->err);

	if (whole < 0)
		return NULL;
	cart_buf_init(&b, RESULT_MAX);
	if (whole) {
		got = r->fn(r->arg, &ref, &v);
		if (got == RESOLVE_OK)
			out = cart_json_copy(v);
		else if (got == RESOLVE_LEAVE)
			out = cart_json_new_string(s);
		else
			goto none;
		goto out;
	}
	for (;;) {
		start = s;
		if (cart_ref_piece(&s, &piece, r->err) < 0)
			goto fail;
		if (piece.kind == PIECE_END)
			break;
		if (piece.kind == PIECE_TEXT) {
			cart_buf_add(&b, piece.text, piece.len);
			continue;
		}
		ref = piece.ref;
		got = r->fn(r->arg, &ref, &v);
		if (got == RESOLVE_LEAVE) {
			cart_buf_add(&b, start, (size_t)(s - start));
		} else if (got != RESOLVE_OK) {
			goto none;
		} else if (add_scalar(r, &ref, v, &b) < 0) {
			goto fail;
		}
	}
	if (cart_buf_check(&b, "a text with its references replaced", r->err) < 0)
		goto fail;
	out = cart_json_new_string_n(b.data ? (char *)b.data : "", b.len);
out:
	if (!out)
		cart_err_nomem(r->err);
fail:
	cart_buf_clear(&b);
	return out;
none:
	if (r->result == RESOLVE_OK) {
		r->result = got;
		*r->failed = ref;
	}
	cart_buf_clear(&b);
	out = cart_json_new_null();
	if (!out)
		cart_err_nomem(r->err);
	return out;
}

static struct cart_json *resolve(struct resolver *r, const struct cart_json *v)
{
	struct cart_json *out, *child;
	const struct cart_json *c;
	bool object = cart_json_type(v) == CART_JSON_OBJECT;

	if (cart_json_type(v) == CART_JSON_STRING)
		return resolve_string(r, cart_json_string(v));
	if (!object && cart_json_type(v) != CART_JSON_ARRAY) {
		out = cart_json_copy(v);
		if (!out)
			cart_err_nomem(r->err);
		return out;
	}
	out = object ? cart_json_new_object() : cart_json_new_array();
	if (!out) {
		cart_err_nomem(r->err);
		return NULL;
	}
	for (c = cart_json_first(v); c; c = cart_json_next(c)) {
		child = resolve(r, c);
		if (!child) {
			cart_json_free(out);
			return NULL;
		}
		child = object ? cart_json_add(out, cart_json_key(c), child) :
				 cart_json_append(out, child);
		if (!child) {
			cart_err_nomem(r->err);
			cart_json_free(out);
			return NULL;
		}
	}
	return out;
}

int cart_ref_resolve(const struct cart_json *v, cart_ref_fn fn, void *arg,
		     struct cart_json **ret, enum resolve *ret_result,
		     struct cart_ref *ret_failed, struct cart_err *err)
{
	struct cart_ref unused;
	struct resolver r = {
		fn, arg, RESOLVE_OK, ret_failed ? ret_failed : &unused, err
	};
	struct cart_json *out = resolve(&r, v);

	*ret = NULL;
	if (!out)
		return -1;
	*ret_result = r.result;
	if (r.result == RESOLVE_OK)
		*ret = out;
	else
		cart_json_free(out);
	return 0;
}
