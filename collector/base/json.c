/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include <crashcart/json.h>

#include "json_scan.h"
#include "json_node.h"

/* Before main(), so that no block comes from one allocator and goes to
 * another. */
static void __attribute__((constructor)) install_alloc(void)
{
	cart_json_alloc_install();
}

/* struct cart_json has no body of its own: a node is a cJSON node. */
static struct cart_json *from_cjson(cJSON *c)
{
	return (struct cart_json *)c;
}

static cJSON *to_cjson(const struct cart_json *j)
{
	/* cJSON's functions take non-const even where they only read */
	return (cJSON *)(uintptr_t)j;
}

struct cart_json *cart_json_parse(const void *data, size_t len,
				  const struct cart_json_limits *limits,
				  struct cart_err *err)
{
	return from_cjson(cart_json_read(data, len, limits, NULL, err));
}

struct cart_json *cart_json_parse_first(const void *data, size_t len,
					const struct cart_json_limits *limits,
					size_t *ret_used, struct cart_err *err)
{
	return from_cjson(cart_json_read(data, len, limits, ret_used, err));
}

void cart_json_free(struct cart_json *j)
{
	cJSON_Delete(to_cjson(j));
}

struct cart_json *cart_json_copy(const struct cart_json *j)
{
	cJSON *c;

	if (!j)
		return NULL;
	c = cJSON_Duplicate(to_cjson(j), 1);
	if (c && c->string) {
		/* a root has no key */
		if (!(c->type & cJSON_StringIsConst))
			cJSON_free(c->string);
		c->type &= ~cJSON_StringIsConst;
		c->string = NULL;
	}
	return from_cjson(c);
}

enum cart_json_type cart_json_type(const struct cart_json *j)
{
	if (!j)
		return CART_JSON_NULL;
	switch (to_cjson(j)->type & 0xff) {
	case cJSON_False:
	case cJSON_True:
		return CART_JSON_BOOL;
	case cJSON_Number:
		return CART_JSON_NUMBER;
	case cJSON_String:
		return CART_JSON_STRING;
	case cJSON_Array:
		return CART_JSON_ARRAY;
	case cJSON_Object:
		return CART_JSON_OBJECT;
	default:
		return CART_JSON_NULL;
	}
}

struct cart_json *cart_json_get(const struct cart_json *j, const char *key)
{
	if (cart_json_type(j) != CART_JSON_OBJECT || !key)
		return NULL;
	return from_cjson(cJSON_GetObjectItemCaseSensitive(to_cjson(j), key));
}

struct cart_json *cart_json_at(const struct cart_json *j, size_t index)
{
	cJSON *c;

	if (cart_json_type(j) != CART_JSON_ARRAY)
		return NULL;
	for (c = to_cjson(j)->child; c && index > 0; c = c->next)
		index--;
	return from_cjson(c);
}

size_t cart_json_size(const struct cart_json *j)
{
	size_t n = 0;
	cJSON *c;

	if (!j)
		return 0;
	for (c = to_cjson(j)->child; c; c = c->next)
		n++;
	return n;
}

struct cart_json *cart_json_first(const struct cart_json *j)
{
	return j ? from_cjson(to_cjson(j)->child) : NULL;
}

struct cart_json *cart_json_next(const struct cart_json *j)
{
	return j ? from_cjson(to_cjson(j)->next) : NULL;
}

const char *cart_json_key(const struct cart_json *j)
{
	return j ? to_cjson(j)->string : NULL;
}

const char *cart_json_string(const struct cart_json *j)
{
	if (cart_json_type(j) != CART_JSON_STRING)
		return NULL;
	return to_cjson(j)->valuestring;
}

const char *cart_json_get_string(const struct cart_json *j, const char *key)
{
	return cart_json_string(cart_json_get(j, key));
}

double cart_json_number(const struct cart_json *j)
{
	if (cart_json_type(j) != CART_JSON_NUMBER)
		return 0;
	return to_cjson(j)->valuedouble;
}

int cart_json_i64(const struct cart_json *j, int64_t *ret)
{
	double v;

	if (cart_json_type(j) != CART_JSON_NUMBER || to_cjson(j)->valuestring)
		return -1;
	v = to_cjson(j)->valuedouble;
	if (!(v >= -(double)JSON_EXACT_MAX && v <= (double)JSON_EXACT_MAX) ||
	    v != trunc(v))
		return -1;
	*ret = (int64_t)v;
	return 0;
}

bool cart_json_bool(const struct cart_json *j)
{
	return j && (to_cjson(j)->type & 0xff) == cJSON_True;
}

static bool equal_numbers(const cJSON *a, const cJSON *b)
{
	if (a->valuestring && b->valuestring)
		return strcmp(a->valuestring, b->valuestring) == 0;
	return !(a->valuedouble < b->valuedouble) &&
	       !(a->valuedouble > b->valuedouble);
}

static bool equal_members(const struct cart_json *a, const struct cart_json *b)
{
	const struct cart_json *x = cart_json_first(a), *y = cart_json_first(b);
	const struct cart_json *found;

	if (cart_json_size(a) != cart_json_size(b))
		return false;
	for (; x; x = cart_json_next(x), y = cart_json_next(y)) {
		/* most often both are in the same order */
		found = y;
		if (strcmp(cart_json_key(x), cart_json_key(y)) != 0)
			found = cart_json_get(b, cart_json_key(x));
		if (!found || !cart_json_equal(x, found))
			return false;
	}
	return true;
}

bool cart_json_equal(const struct cart_json *a, const struct cart_json *b)
{
	const struct cart_json *x, *y;

	if (!a || !b)
		return a == b;
	if (cart_json_type(a) != cart_json_type(b))
		return false;
	switch (cart_json_type(a)) {
	case CART_JSON_NULL:
		return true;
	case CART_JSON_BOOL:
		return cart_json_bool(a) == cart_json_bool(b);
	case CART_JSON_NUMBER:
		return equal_numbers(to_cjson(a), to_cjson(b));
	case CART_JSON_STRING:
		return strcmp(cart_json_string(a), cart_json_string(b)) == 0;
	case CART_JSON_OBJECT:
		return equal_members(a, b);
	case CART_JSON_ARRAY:
		x = cart_json_first(a);
		y = cart_json_first(b);
		while (x && y && cart_json_equal(x, y)) {
			x = cart_json_next(x);
			y = cart_json_next(y);
		}
		return !x && !y;
	}
	return false;
}

struct cart_json *cart_json_new_null(void)
{
	return from_cjson(cJSON_CreateNull());
}

struct cart_json *cart_json_new_bool(bool v)
{
	return from_cjson(cJSON_CreateBool(v));
}

struct cart_json *cart_json_new_int(int64_t v)
{
	cJSON *c = cJSON_CreateNumber((double)v);

	if (!c || (v <= JSON_EXACT_MAX && v >= -JSON_EXACT_MAX))
		return from_cjson(c);
	c->valuestring = cJSON_malloc(24);
	if (!c->valuestring) {
		cJSON_Delete(c);
		return NULL;
	}
	snprintf(c->valuestring, 24, "%lld", (long long)v);
	return from_cjson(c);
}

struct cart_json *cart_json_new_double(double v)
{
	cJSON *c = cJSON_CreateNumber(v);

	if (c)
		c->type |= JSON_FLOAT;
	return from_cjson(c);
}

struct cart_json *cart_json_new_string(const char *s)
{
	return s ? from_cjson(cJSON_CreateString(s)) : NULL;
}

struct cart_json *cart_json_new_string_n(const char *s, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd";
	struct cart_json *j;
	struct cart_buf b;
	size_t i;

	cart_buf_init(&b, SIZE_MAX);
	if (memchr(s, '\0', len) == NULL) {
		cart_buf_add(&b, s, len);
	} else {
		for (i = 0; i < len; i++) {
			if (s[i] == '\0')
				cart_buf_adds(&b, replacement);
			else
				cart_buf_addc(&b, s[i]);
		}
	}
	j = cart_buf_ok(&b) ? cart_json_new_string((const char *)b.data) : NULL;
	cart_buf_clear(&b);
	return j;
}

struct cart_json *cart_json_new_array(void)
{
	return from_cjson(cJSON_CreateArray());
}

struct cart_json *cart_json_new_object(void)
{
	return from_cjson(cJSON_CreateObject());
}

struct cart_json *cart_json_add(struct cart_json *object, const char *key,
				struct cart_json *child)
{
	if (child && key && cart_json_type(object) == CART_JSON_OBJECT &&
	    cJSON_AddItemToObject(to_cjson(object), key, to_cjson(child)))
		return child;
	cart_json_free(child);
	return NULL;
}

struct cart_json *cart_json_append(struct cart_json *array,
				   struct cart_json *child)
{
	if (child && cart_json_type(array) == CART_JSON_ARRAY &&
	    cJSON_AddItemToArray(to_cjson(array), to_cjson(child)))
		return child;
	cart_json_free(child);
	return NULL;
}

struct cart_json *cart_json_set(struct cart_json *object, const char *key,
				struct cart_json *child)
{
	if (!cart_json_get(object, key))
		return cart_json_add(object, key, child);
	if (child && cJSON_ReplaceItemInObjectCaseSensitive(
			     to_cjson(object), key, to_cjson(child)))
		return child;
	cart_json_free(child);
	return NULL;
}

struct cart_json *cart_json_detach(struct cart_json *parent,
				   struct cart_json *child)
{
	if (!parent || !child)
		return NULL;
	return from_cjson(cJSON_DetachItemViaPointer(to_cjson(parent),
						     to_cjson(child)));
}
