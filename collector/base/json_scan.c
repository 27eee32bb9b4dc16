/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "json_node.h"
#include "json_scan.h"
#include "utf8.h"

#define DEPTH_DEFAULT 32
#define DEPTH_MAX 200			/* cJSON_Delete() goes as deep */
#define NODES_DEFAULT 4000000
#define NUMBER_MAX 63			/* cJSON reads no longer ones */
#define PAIRWISE_MAX 24			/* keys; above, sorting is faster */
#define KEYS_INSIDE 64			/* without memory of their own */

/* A key of an object that is still open. */
struct key {
	const unsigned char *text;	/* its node's */
	size_t len;
	uint64_t print;			/* equal keys have equal ones */
};

struct scan {
	const unsigned char *start, *p, *end;
	unsigned depth, depth_max;
	size_t nodes, nodes_max;
	bool inexact;
	cJSON *root;			/* the tree as far as it is known */
	cJSON *open[DEPTH_MAX];		/* of the open containers */
	size_t first_key[DEPTH_MAX];
	struct key *keys;		/* inside, or from malloc() */
	size_t key_count, key_cap;
	struct key inside[KEYS_INSIDE];
	struct cart_err *err;
};

static int fail_at(struct scan *s, const unsigned char *at,
		   enum cart_err_class class, const char *what)
{
	const unsigned char *p;
	size_t line = 1, column = 1;

	for (p = s->start; p < at; p++) {
		if (*p == '\n') {
			line++;
			column = 1;
		} else if ((*p & 0xc0) != 0x80) {
			column++;
		}
	}
	return cart_err_set(s->err, class, 0, "line %zu, column %zu: %s", line,
			    column, what);
}

static int fail(struct scan *s, const char *what)
{
	if (s->p >= s->end)
		what = "the text ends too early";
	return fail_at(s, s->p, CART_ERR_INPUT, what);
}

/* Makes room for one more key. */
static bool more_keys(struct scan *s)
{
	size_t size = s->key_cap * sizeof(*s->keys);
	struct key *p;

	if (s->key_count < s->key_cap)
		return true;
	p = realloc(s->keys == s->inside ? NULL : s->keys, 2 * size);
	if (!p)
		return false;
	if (s->keys == s->inside)
		memcpy(p, s->inside, size);
	s->keys = p;
	s->key_cap *= 2;
	return true;
}

/* A node that holds nothing yet, below the innermost open container, so that
 * whoever fails need not look after it. */
static cJSON *new_node(struct scan *s)
{
	cJSON *c = cJSON_malloc(sizeof(*c)), *parent;

	if (!c)
		return NULL;
	*c = (cJSON){ .type = cJSON_NULL };
	if (s->depth == 0) {
		s->root = c;
		return c;
	}
	/* the first child's prev is the last one, as cJSON wants it */
	parent = s->open[s->depth - 1];
	if (parent->child) {
		c->prev = parent->child->prev;
		c->prev->next = c;
	} else {
		parent->child = c;
	}
	parent->child->prev = c;
	return c;
}

static bool in_object(const struct scan *s)
{
	return s->depth > 0 && s->open[s->depth - 1]->type == cJSON_Object;
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' ||
				 *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

static int hex4(struct scan *s, uint32_t *ret)
{
	uint32_t v = 0;
	int i;

	for (i = 0; i < 4; i++, s->p++) {
		unsigned char c;

		if (s->p == s->end)
			return fail(s, "");
		c = *s->p;
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return fail(s, "\\u wants four hexadecimal digits");
	}
	*ret = v;
	return 0;
}

/* After a backslash.  *ret_cp: what the escape stands for. */
static int scan_escape(struct scan *s, uint32_t *ret_cp)
{
	const unsigned char *at = s->p - 1;
	uint32_t hi, lo;

	if (s->p == s->end)
		return fail(s, "");
	switch (*s->p++) {
	case '"':
	case '\\':
	case '/':
		*ret_cp = s->p[-1];
		return 0;
	case 'b':
		*ret_cp = '\b';
		return 0;
	case 'f':
		*ret_cp = '\f';
		return 0;
	case 'n':
		*ret_cp = '\n';
		return 0;
	case 'r':
		*ret_cp = '\r';
		return 0;
	case 't':
		*ret_cp = '\t';
		return 0;
	case 'u':
		break;
	default:
		return fail_at(s, at, CART_ERR_INPUT, "unknown escape");
	}
	if (hex4(s, &hi) < 0)
		return -1;
	if (hi == 0)
		return fail_at(s, at, CART_ERR_INPUT,
			       "\\u0000 is not accepted");
	if (hi >= 0xdc00 && hi <= 0xdfff)
		return fail_at(s, at, CART_ERR_INPUT, "lone surrogate");
	if (hi >= 0xd800 && hi <= 0xdbff) {
		if (s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
			return fail_at(s, at, CART_ERR_INPUT, "lone surrogate");
		s->p += 2;
		if (hex4(s, &lo) < 0)
			return -1;
		if (lo < 0xdc00 || lo > 0xdfff)
			return fail_at(s, at, CART_ERR_INPUT, "lone surrogate");
		hi = 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
	}
	*ret_cp = hi;
	return 0;
}

/* Eight bytes at once: all in 0x20..0x7f and neither '"' nor '\\'?  (A bit in
 * the high half of a byte says "zero below" for an exact zero-byte test.) */
static inline bool plain8(const unsigned char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t high = UINT64_C(0x8080808080808080);
	uint64_t v, quote, slash, control;

	memcpy(&v, p, 8);
	quote = v ^ ones * '"';
	slash = v ^ ones * '\\';
	quote = (quote - ones) & ~quote;
	slash = (slash - ones) & ~slash;
	control = v - ones * 0x20;
	return ((quote | slash | control | v) & high) == 0;
}

/* At the opening quote; *ret_escapes: there was a backslash.  On return p is
 * behind the closing quote. */
static int scan_string(struct scan *s, bool *ret_escapes)
{
	uint32_t cp;
	size_t n;

	*ret_escapes = false;
	s->p++;
	for (;;) {
		while (s->end - s->p >= 8 && plain8(s->p))
			s->p += 8;
		if (s->p == s->end)
			return fail(s, "");
		if (*s->p == '"') {
			s->p++;
			return 0;
		}
		if (*s->p == '\\') {
			*ret_escapes = true;
			s->p++;
			if (scan_escape(s, &cp) < 0)
				return -1;
		} else if (*s->p < 0x20) {
			return fail(s, "control character in a string: "
				       "write it as an escape");
		} else if (*s->p < 0x80) {
			s->p++;
		} else {
			n = utf8_decode(s->p, (size_t)(s->end - s->p), &cp);
			if (n == 0)
				return fail(s, "not UTF-8");
			s->p += n;
		}
	}
}

/* Most strings are shorter than a memcpy() takes to begin. */
static void copy(char *to, const unsigned char *from, size_t len)
{
	size_t i;

	if (len > 64) {
		memcpy(to, from, len);
		return;
	}
	for (i = 0; len - i >= 8; i += 8)
		memcpy(to + i, from + i, 8);
	for (; i < len; i++)
		to[i] = (char)from[i];
}

/* At a string: its text, NUL-terminated, for a node. */
static int read_string(struct scan *s, char **ret, size_t *ret_len)
{
	const unsigned char *from = s->p + 1, *to;
	bool escapes;
	uint32_t cp;
	size_t n = 0;
	char *out;

	if (scan_string(s, &escapes) < 0)
		return -1;
	to = s->p - 1;
	out = cJSON_malloc((size_t)(to - from) + 1);
	if (!out)
		return cart_err_nomem(s->err);
	if (escapes) {
		s->p = from;
		while (s->p < to) {
			if (*s->p != '\\') {
				out[n++] = (char)*s->p++;
				continue;
			}
			s->p++;
			/* it was good a moment ago; shorter than the escape */
			scan_escape(s, &cp);
			n += utf8_encode(cp, (unsigned char *)out + n);
		}
		s->p = to + 1;
	} else {
		n = (size_t)(to - from);
		copy(out, from, n);
	}
	out[n] = '\0';
	*ret = out;
	*ret_len = n;
	return 0;
}

static int scan_key(struct scan *s, cJSON *node)
{
	uint64_t print = 0;
	struct key *key;
	size_t len = 0;

	if (read_string(s, &node->string, &len) < 0)
		return -1;
	if (!more_keys(s))
		return cart_err_nomem(s->err);
	key = &s->keys[s->key_count++];
	key->text = (unsigned char *)node->string;
	key->len = len;
	/* the last bytes differ more often than the first */
	if (len >= 7)
		memcpy(&print, key->text + len - 7, 7);
	else
		memcpy(&print, key->text, len);
	key->print = print << 8 ^ (print >> 56) ^ (uint64_t)len;
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->print != y->print)
		return x->print < y->print ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->text, y->text, x->len);
}

static int duplicate(struct scan *s, const struct key *key)
{
	struct cart_buf name;

	cart_buf_init(&name, 200);
	cart_buf_adds(&name, "duplicate key \"");
	cart_text_escape(key->text, key->len < 40 ? key->len : 40, &name);
	cart_buf_adds(&name, key->len <= 40 ? "\" in this object"
					    : "...\" in this object");
	fail_at(s, s->p, CART_ERR_INPUT,
		cart_buf_ok(&name) ? (const char *)name.data : "duplicate key");
	cart_buf_clear(&name);
	return -1;
}

/* At the end of an object: are its keys distinct?  Forgets them. */
static int close_object(struct scan *s, size_t first)
{
	struct key *keys = s->keys + first;
	size_t n = s->key_count - first, i, j;
	int rc = 0;

	if (n > PAIRWISE_MAX) {
		qsort(keys, n, sizeof(*keys), compare_keys);
		for (i = 1; i < n && rc == 0; i++)
			if (compare_keys(&keys[i - 1], &keys[i]) == 0)
				rc = duplicate(s, &keys[i]);
	} else {
		for (i = 1; i < n && rc == 0; i++)
			for (j = 0; j < i && rc == 0; j++)
				if (keys[i].print == keys[j].print &&
				    compare_keys(&keys[i], &keys[j]) == 0)
					rc = duplicate(s, &keys[i]);
	}
	s->key_count = first;
	return rc;
}

static bool eat_digits(struct scan *s)
{
	const unsigned char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

/* Is the integer of these digits more than 2^53? */
static bool beyond_exact(const unsigned char *digits, size_t len)
{
	uint64_t v = 0;

	if (len < 16)
		return false;
	return cart_text_u64((const char *)digits, len, JSON_EXACT_MAX, &v) < 0;
}

/* Beside the double: that the number was written with a fraction or exponent,
 * or its digits, which no double holds. */
static int set_number(struct scan *s, cJSON *node, const unsigned char *from,
		      double v, bool is_float, bool big)
{
	size_t len = (size_t)(s->p - from);

	node->type = cJSON_Number | (is_float ? JSON_FLOAT : 0);
	node->valuedouble = v;
	node->valueint = v >= INT_MAX ? INT_MAX : v <= INT_MIN ? INT_MIN :
		(int)v;
	if (!big)
		return 0;
	node->valuestring = cJSON_malloc(len + 1);
	if (!node->valuestring)
		return cart_err_nomem(s->err);
	memcpy(node->valuestring, from, len);
	node->valuestring[len] = '\0';
	return 0;
}

static double small_integer(const unsigned char *digits, size_t len, bool minus)
{
	int64_t v = 0;

	while (len-- > 0)
		v = v * 10 + (*digits++ - '0');
	return minus ? -(double)v : (double)v;	/* -0.0 too */
}

static int scan_number(struct scan *s, cJSON *node)
{
	const unsigned char *from = s->p, *digits;
	bool fraction = false, exponent = false, big = false;
	char text[NUMBER_MAX + 1];
	size_t len;
	double v;

	if (*s->p == '-')
		s->p++;
	digits = s->p;
	if (!eat_digits(s))
		return fail(s, "a digit is missing");
	if (*digits == '0' && s->p - digits > 1)
		return fail_at(s, from, CART_ERR_INPUT,
			       "a number must not begin with 0");
	len = (size_t)(s->p - digits);
	if (s->p < s->end && *s->p == '.') {
		fraction = true;
		s->p++;
		if (!eat_digits(s))
			return fail(s, "a digit is missing");
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		exponent = true;
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!eat_digits(s))
			return fail(s, "a digit is missing");
	}
	if (!fraction && !exponent && beyond_exact(digits, len)) {
		if (!s->inexact)
			return fail_at(s, from, CART_ERR_INPUT,
				       "an integer beyond 2^53 would lose "
				       "digits: write it as a string");
		big = true;
	}
	len = (size_t)(s->p - from);
	if (len > NUMBER_MAX)
		return fail_at(s, from, CART_ERR_LIMIT,
			       "a number of more than 63 characters");
	if (!fraction && !exponent && len <= 15) {
		v = small_integer(digits, (size_t)(s->p - digits),
				  *from == '-');
	} else {
		memcpy(text, from, len);
		text[len] = '\0';
		v = strtod(text, NULL);
	}
	if (isinf(v))
		return fail_at(s, from, CART_ERR_INPUT,
			       "the number is too large");
	return set_number(s, node, from, v, fraction || exponent, big);
}

static int scan_word(struct scan *s, const char *word, cJSON *node, int type)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return fail_at(s, s->p, CART_ERR_INPUT, "not a JSON value");
	s->p += len;
	node->type = type;
	return 0;
}

static int open_container(struct scan *s, cJSON *node)
{
	if (s->depth == s->depth_max)
		return fail_at(s, s->p, CART_ERR_LIMIT, "nested too deeply");
	node->type = *s->p == '{' ? cJSON_Object : cJSON_Array;
	s->open[s->depth] = node;
	s->first_key[s->depth] = s->key_count;
	s->depth++;
	s->p++;
	return 0;
}

/* The key and colon before a member. */
static int scan_member(struct scan *s, cJSON *node)
{
	skip_space(s);
	if (s->p == s->end || *s->p != '"')
		return fail(s, "expected a key in double quotes");
	if (scan_key(s, node) < 0)
		return -1;
	skip_space(s);
	if (s->p == s->end || *s->p != ':')
		return fail(s, "expected ':'");
	s->p++;
	return 0;
}

/* A scalar, or the start of a container.  *ret_open: the latter, not empty. */
static int scan_value(struct scan *s, cJSON *node, bool *ret_open)
{
	size_t len;

	*ret_open = false;
	skip_space(s);
	if (s->p == s->end)
		return fail(s, "");
	if (++s->nodes > s->nodes_max)
		return fail_at(s, s->p, CART_ERR_LIMIT, "too many values");
	switch (*s->p) {
	case '{':
	case '[':
		if (open_container(s, node) < 0)
			return -1;
		skip_space(s);
		if (s->p < s->end &&
		    *s->p == (in_object(s) ? '}' : ']')) {
			s->p++;
			s->depth--;
			return 0;
		}
		*ret_open = true;
		return 0;
	case '"':
		if (read_string(s, &node->valuestring, &len) < 0)
			return -1;
		node->type = cJSON_String;
		return 0;
	case 't':
		return scan_word(s, "true", node, cJSON_True);
	case 'f':
		return scan_word(s, "false", node, cJSON_False);
	case 'n':
		return scan_word(s, "null", node, cJSON_NULL);
	default:
		if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9'))
			return scan_number(s, node);
		return fail(s, "not a JSON value");
	}
}

/* After a value: closes what ends here.  *ret_more: another value follows. */
static int scan_after(struct scan *s, bool *ret_more)
{
	*ret_more = false;
	while (s->depth > 0) {
		bool object = in_object(s);

		skip_space(s);
		if (s->p < s->end && *s->p == ',') {
			s->p++;
			*ret_more = true;
			return 0;
		}
		if (s->p == s->end || *s->p != (object ? '}' : ']'))
			return fail(s, object ? "expected ',' or '}'"
					      : "expected ',' or ']'");
		if (object && close_object(s, s->first_key[s->depth - 1]) < 0)
			return -1;
		s->p++;
		s->depth--;
	}
	return 0;
}

static int scan_text(struct scan *s, bool first)
{
	bool again = true;
	cJSON *node;

	if (s->end - s->p >= 3 && memcmp(s->p, "\xef\xbb\xbf", 3) == 0)
		return fail(s, "a byte order mark: save the text without it");
	while (again) {
		node = new_node(s);
		if (!node)
			return cart_err_nomem(s->err);
		if (in_object(s) && scan_member(s, node) < 0)
			return -1;
		if (scan_value(s, node, &again) < 0)
			return -1;
		if (!again && scan_after(s, &again) < 0)
			return -1;
	}
	if (first)
		return 0;
	skip_space(s);
	if (s->p < s->end)
		return fail(s, "bytes after the JSON value");
	return 0;
}

cJSON *cart_json_read(const void *data, size_t len,
		      const struct cart_json_limits *limits, size_t *ret_used,
		      struct cart_err *err)
{
	struct scan s;

	s.start = s.p = len > 0 ? data : (const unsigned char *)"";
	s.end = s.start + len;
	s.depth = 0;
	s.depth_max = limits && limits->depth ? limits->depth : DEPTH_DEFAULT;
	if (s.depth_max > DEPTH_MAX)
		s.depth_max = DEPTH_MAX;
	s.nodes = 0;
	s.nodes_max = limits && limits->nodes ? limits->nodes : NODES_DEFAULT;
	s.inexact = limits && limits->inexact;
	s.root = NULL;
	s.keys = s.inside;
	s.key_count = 0;
	s.key_cap = KEYS_INSIDE;
	s.err = err;
	if (scan_text(&s, ret_used != NULL) < 0) {
		cJSON_Delete(s.root);
		s.root = NULL;
	}
	if (s.keys != s.inside)
		free(s.keys);
	if (ret_used)
		*ret_used = (size_t)(s.p - s.start);
	return s.root;
}
