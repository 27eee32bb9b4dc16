/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include <crashcart/json.h>

#include "json_node.h"
#include "utf8.h"

/*
 * Prints as Python's json module does, because that is what the AWS CLI
 * prints: shortest digits that read back as the same double, 1.0 for a
 * float, exponents below 1e-4 and from 1e16 on.
 */

static void print_integer(int64_t v, struct cart_buf *b)
{
	char digits[24];
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + u % 10);
		u /= 10;
	} while (u > 0);
	if (v < 0)
		digits[--at] = '-';
	cart_buf_add(b, digits + at, sizeof(digits) - at);
}

/* Writes v with `precision` significant digits, the last one moved by nudge:
 * "d.ddde[+-]dd".  Does it read back as v? */
static bool reads_back(double v, int precision, int nudge, char out[40])
{
	int n = snprintf(out, 40, "%.*e", precision - 1, v);
	char *last;

	if (nudge != 0 && n > 0) {
		last = strchr(out, 'e');
		if (!last)
			return false;
		last--;
		if (nudge > 0 ? *last == '9' : *last == '0')
			return false;	/* a carry never gives fewer digits */
		*last = (char)(*last + nudge);
	}
	return strtod(out, NULL) == v;
}

/*
 * Fewest significant digits that read back as v.  15 digits survive the way
 * through a double, so shorter texts are found there (but for the smallest
 * numbers, which hold fewer).  Beside a power of two the nearest decimal of a
 * length may miss while its neighbour hits.
 */
static void shortest(double v, char out[40])
{
	int precision = fabs(v) < 1e-300 ? 1 : 15;

	for (; precision < 17; precision++)
		if (reads_back(v, precision, 0, out) ||
		    reads_back(v, precision, 1, out) ||
		    reads_back(v, precision, -1, out))
			return;
	snprintf(out, 40, "%.16e", v);
}

static void print_double(double v, struct cart_buf *b)
{
	char text[40], digits[20];
	int exponent, n = 0, i;
	const char *p;

	shortest(v, text);
	p = text;
	if (*p == '-') {
		cart_buf_addc(b, '-');
		p++;
	}
	for (; *p != 'e' && *p != '\0'; p++)
		if (*p >= '0' && *p <= '9' && n < (int)sizeof(digits))
			digits[n++] = *p;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	exponent = *p == 'e' ? (int)strtol(p + 1, NULL, 10) : 0;
	if (exponent < -4 || exponent >= 16) {
		cart_buf_addc(b, digits[0]);
		if (n > 1) {
			cart_buf_addc(b, '.');
			cart_buf_add(b, digits + 1, (size_t)n - 1);
		}
		cart_buf_addf(b, "e%c%02d", exponent < 0 ? '-' : '+',
			      abs(exponent));
	} else if (exponent < 0) {
		cart_buf_adds(b, "0.");
		for (i = -1; i > exponent; i--)
			cart_buf_addc(b, '0');
		cart_buf_add(b, digits, (size_t)n);
	} else {
		for (i = 0; i <= exponent || i < n; i++) {
			if (i == exponent + 1)
				cart_buf_addc(b, '.');
			cart_buf_addc(b, i < n ? digits[i] : '0');
		}
		if (i == exponent + 1)
			cart_buf_adds(b, ".0");
	}
}

static void print_number(const cJSON *c, struct cart_buf *b)
{
	double v = c->valuedouble;

	if (c->valuestring)
		cart_buf_adds(b, c->valuestring);
	else if (!isfinite(v))
		cart_buf_adds(b, "null");	/* JSON has no word for it */
	else if (!(c->type & JSON_FLOAT) && v == trunc(v) && fabs(v) < 9e18)
		print_integer((int64_t)v, b);
	else
		print_double(v, b);
}

void cart_json_quote(const char *s, size_t len, struct cart_buf *b)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const unsigned char *p = (const unsigned char *)s, *end = p + len;
	const unsigned char *run = p;
	const char *escape;
	char code[8];
	uint32_t cp;
	size_t n;

	cart_buf_addc(b, '"');
	while (p < end) {
		if (*p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
			p++;
			continue;
		}
		if (*p >= 0x80) {
			n = utf8_decode(p, (size_t)(end - p), &cp);
			if (n > 0) {
				p += n;
				continue;
			}
			escape = replacement;
		} else {
			switch (*p) {
			case '\0':
				escape = replacement;
				break;
			case '"':
				escape = "\\\"";
				break;
			case '\\':
				escape = "\\\\";
				break;
			case '\b':
				escape = "\\b";
				break;
			case '\f':
				escape = "\\f";
				break;
			case '\n':
				escape = "\\n";
				break;
			case '\r':
				escape = "\\r";
				break;
			case '\t':
				escape = "\\t";
				break;
			default:
				snprintf(code, sizeof(code), "\\u%04x", *p);
				escape = code;
			}
		}
		cart_buf_add(b, run, (size_t)(p - run));
		cart_buf_adds(b, escape);
		run = ++p;
	}
	cart_buf_add(b, run, (size_t)(p - run));
	cart_buf_addc(b, '"');
}

static void new_line(unsigned columns, struct cart_buf *b)
{
	unsigned char *p = cart_buf_reserve(b, columns + 1);

	if (!p)
		return;
	p[0] = '\n';
	memset(p + 1, ' ', columns);
	b->len += columns + 1;
	b->data[b->len] = '\0';
}

static void print(const cJSON *c, unsigned indent, unsigned column,
		  struct cart_buf *b)
{
	bool object = (c->type & 0xff) == cJSON_Object;
	const cJSON *child;

	switch (c->type & 0xff) {
	case cJSON_False:
		cart_buf_adds(b, "false");
		return;
	case cJSON_True:
		cart_buf_adds(b, "true");
		return;
	case cJSON_Number:
		print_number(c, b);
		return;
	case cJSON_String:
		cart_json_quote(c->valuestring, strlen(c->valuestring), b);
		return;
	case cJSON_Array:
	case cJSON_Object:
		break;
	default:
		cart_buf_adds(b, "null");
		return;
	}
	cart_buf_addc(b, object ? '{' : '[');
	column += indent;
	for (child = c->child; child; child = child->next) {
		if (indent > 0)
			new_line(column, b);
		if (object) {
			cart_json_quote(child->string, strlen(child->string), b);
			cart_buf_add(b, ": ", indent > 0 ? 2 : 1);
		}
		print(child, indent, column, b);
		if (child->next)
			cart_buf_addc(b, ',');
		if (!cart_buf_ok(b))
			return;
	}
	if (indent > 0 && c->child)
		new_line(column - indent, b);
	cart_buf_addc(b, object ? '}' : ']');
}

void cart_json_print(const struct cart_json *j, unsigned indent,
		     struct cart_buf *b)
{
	if (j)
		print((const cJSON *)j, indent, 0, b);
	else
		cart_buf_adds(b, "null");
}
