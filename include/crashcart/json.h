/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_JSON_H
#define CRASHCART_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>

/*
 * The one JSON reader and writer (RFC 8259).  The reader is strict (UTF-8, no
 * duplicate keys, no trailing bytes, depth, number forms, no U+0000 in strings)
 * and makes trees of cJSON, which it hides.
 *
 * A tree is mutable until it is shared; nodes are owned by their parent,
 * the root by whoever parsed or made it.
 */
struct cart_json;		/* a node */

enum cart_json_type {
	CART_JSON_NULL,
	CART_JSON_BOOL,
	CART_JSON_NUMBER,
	CART_JSON_STRING,
	CART_JSON_ARRAY,
	CART_JSON_OBJECT
};

struct cart_json_limits {
	unsigned depth;		/* 0: 32 */
	size_t nodes;		/* 0: 4,000,000 */
	/* Integers that a double cannot hold exactly are refused unless this
	 * is set, in which case they read as the nearest double. */
	bool inexact;
};

/* data need not be NUL-terminated.  limits may be NULL.  On error NULL and
 * err says "line L, column C: ..." .  Free with cart_json_free. */
struct cart_json *cart_json_parse(const void *data, size_t len,
				  const struct cart_json_limits *limits,
				  struct cart_err *err);
/* The same of a text that begins with a value: what comes behind it is not
 * looked at.  *ret_used: bytes up to there. */
struct cart_json *cart_json_parse_first(const void *data, size_t len,
					const struct cart_json_limits *limits,
					size_t *ret_used, struct cart_err *err);
void cart_json_free(struct cart_json *j);
struct cart_json *cart_json_copy(const struct cart_json *j);

enum cart_json_type cart_json_type(const struct cart_json *j);
/* Object member by exact key, NULL if absent or j is not an object/NULL. */
struct cart_json *cart_json_get(const struct cart_json *j, const char *key);
/* Array element, NULL if out of range or j is not an array/NULL.  Linear. */
struct cart_json *cart_json_at(const struct cart_json *j, size_t index);
/* Number of members or elements; 0 for scalars and NULL. */
size_t cart_json_size(const struct cart_json *j);
/* Iteration over members or elements, in document order. */
struct cart_json *cart_json_first(const struct cart_json *j);
struct cart_json *cart_json_next(const struct cart_json *j);
/* Key of a member (owned by the node), NULL for array elements and roots. */
const char *cart_json_key(const struct cart_json *j);

/* String value, NULL if not a string.  Owned by the node.  No embedded NUL. */
const char *cart_json_string(const struct cart_json *j);
/* Shorthand: cart_json_string(cart_json_get(j, key)). */
const char *cart_json_get_string(const struct cart_json *j, const char *key);
double cart_json_number(const struct cart_json *j);	/* 0 if not a number */
/* 0, or -1 if not an integer in [-2^53, 2^53]. */
int cart_json_i64(const struct cart_json *j, int64_t *ret);
bool cart_json_bool(const struct cart_json *j);		/* false if not true */
bool cart_json_equal(const struct cart_json *a, const struct cart_json *b);

/* Builders: NULL when memory runs out.  The add functions take ownership of
 * child (also on failure) and return it or NULL; they accept NULL child and
 * return NULL, so that builders nest. Keys are copied. set replaces. */
struct cart_json *cart_json_new_null(void);
struct cart_json *cart_json_new_bool(bool v);
struct cart_json *cart_json_new_int(int64_t v);		/* |v| <= 2^53 */
struct cart_json *cart_json_new_double(double v);
struct cart_json *cart_json_new_string(const char *s);
struct cart_json *cart_json_new_string_n(const char *s, size_t len);
struct cart_json *cart_json_new_array(void);
struct cart_json *cart_json_new_object(void);
struct cart_json *cart_json_add(struct cart_json *object, const char *key,
				struct cart_json *child);
struct cart_json *cart_json_append(struct cart_json *array,
				   struct cart_json *child);
struct cart_json *cart_json_set(struct cart_json *object, const char *key,
				struct cart_json *child);
/* Takes a node out of its parent; the caller owns it. */
struct cart_json *cart_json_detach(struct cart_json *parent,
				   struct cart_json *child);

/* Appends the text.  indent 0: one line, no spaces after ':' and ','; 4: as
 * `aws --output json` prints it.  Strings are written as UTF-8 with only the
 * escapes that RFC 8259 demands; DEL and above stay as they are. */
void cart_json_print(const struct cart_json *j, unsigned indent,
		     struct cart_buf *b);
/* Appends a quoted JSON string of these bytes, which must be UTF-8 (bytes
 * that are not become U+FFFD; callers that must keep them use base64). */
void cart_json_quote(const char *s, size_t len, struct cart_buf *b);

/* Where in the text does the value at this path begin?  path is a list of
 * steps, each an object key or "[n]"; returns the line (from 1), 0 if it is
 * not there.  For error messages: reads the text again. */
unsigned cart_json_line_of(const void *data, size_t len,
			   const char *const *path, size_t steps);

#endif
