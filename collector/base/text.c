/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <crashcart/text.h>

#include "utf8.h"

static const char hex_lower[] = "0123456789abcdef";

int cart_text_u64(const char *s, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i;

	if (len == 0 || (len > 1 && s[0] == '0'))
		return -1;
	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return -1;
	}
	if (v > max)
		return -1;
	*ret = v;
	return 0;
}

int cart_text_i64(const char *s, size_t len, int64_t *ret)
{
	bool minus = len > 0 && s[0] == '-';
	uint64_t v;

	if (minus) {
		s++;
		len--;
	}
	if (cart_text_u64(s, len, (uint64_t)INT64_MAX + (minus ? 1 : 0), &v) < 0)
		return -1;
	*ret = minus ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

/* Length of the digits at the start of s. */
static size_t digits(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= '0' && s[n] <= '9')
		n++;
	return n;
}

int cart_text_size(const char *s, size_t len, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	size_t n = digits(s, len);
	unsigned shift = 0;
	const char *unit;
	uint64_t v;

	if (cart_text_u64(s, n, UINT64_MAX, &v) < 0)
		return -1;
	if (n < len) {
		unit = s[n] != '\0' ? strchr(units, s[n]) : NULL;
		if (!unit)
			return -1;
		if (len - n != 1 &&
		    (len - n != 3 || memcmp(s + n + 1, "iB", 2) != 0))
			return -1;
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (v > UINT64_MAX >> shift)
		return -1;
	*ret_bytes = v << shift;
	return 0;
}

int cart_text_duration(const char *s, size_t len, uint64_t *ret_ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "", 1000 },    { "ms", 1 },	   { "s", 1000 },
		      { "m", 60000 },  { "h", 3600000 }, { "d", 86400000 } };
	size_t n = digits(s, len), i;
	uint64_t v;

	if (cart_text_u64(s, n, UINT64_MAX, &v) < 0)
		return -1;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) != len - n ||
		    memcmp(units[i].name, s + n, len - n) != 0)
			continue;
		return __builtin_mul_overflow(v, units[i].ms, ret_ms) ? -1 : 0;
	}
	return -1;
}

void cart_text_hex(const void *data, size_t len, char *out)
{
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = hex_lower[p[i] >> 4];
		out[2 * i + 1] = hex_lower[p[i] & 15];
	}
	out[2 * len] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int cart_text_unhex(const char *s, size_t len, void *out, size_t out_len)
{
	unsigned char *p = out;
	int hi, lo;
	size_t i;

	if (len % 2 != 0 || len / 2 != out_len)
		return -1;
	for (i = 0; i < out_len; i++) {
		hi = hex_digit(s[2 * i]);
		lo = hex_digit(s[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return -1;
		p[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}

void cart_text_base64(const void *data, size_t len, struct cart_buf *b)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789+/";
	const unsigned char *p = data;
	size_t size;
	unsigned char *q;
	uint32_t v;

	/* An impossible length stands for "too long" and fails in reserve. */
	if (len > SIZE_MAX / 4)
		size = SIZE_MAX;
	else
		size = (len + 2) / 3 * 4;
	q = cart_buf_reserve(b, size);
	if (!q)
		return;
	for (; len >= 3; len -= 3, p += 3) {
		v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		*q++ = (unsigned char)digit[v >> 18];
		*q++ = (unsigned char)digit[v >> 12 & 63];
		*q++ = (unsigned char)digit[v >> 6 & 63];
		*q++ = (unsigned char)digit[v & 63];
	}
	if (len > 0) {
		v = (uint32_t)p[0] << 16 | (len == 2 ? (uint32_t)p[1] << 8 : 0);
		*q++ = (unsigned char)digit[v >> 18];
		*q++ = (unsigned char)digit[v >> 12 & 63];
		*q++ = len == 2 ? (unsigned char)digit[v >> 6 & 63] : '=';
		*q++ = '=';
	}
	b->len += size;
	*q = '\0';
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int cart_text_unbase64(const char *s, size_t len, struct cart_buf *b)
{
	size_t pad, size, i;
	unsigned char *q;
	uint32_t v;
	int d[4], k;

	if (len % 4 != 0)
		return -1;
	if (len == 0)
		return cart_buf_ok(b) ? 0 : -1;
	pad = s[len - 1] != '=' ? 0 : s[len - 2] != '=' ? 1 : 2;
	size = len / 4 * 3 - pad;
	q = cart_buf_reserve(b, size);
	if (!q)
		return -1;
	for (i = 0; i < len; i += 4) {
		bool last = i + 4 == len;

		for (k = 0; k < 4; k++) {
			if (last && (size_t)k >= 4 - pad)
				d[k] = 0;
			else
				d[k] = base64_value(s[i + (size_t)k]);
			if (d[k] < 0)
				goto bad;
		}
		v = (uint32_t)d[0] << 18 | (uint32_t)d[1] << 12 |
		    (uint32_t)d[2] << 6 | (uint32_t)d[3];
		if (last && ((pad == 1 && (v & 0xff)) ||
			     (pad == 2 && (v & 0xffff))))
			goto bad;
		*q++ = (unsigned char)(v >> 16);
		if (!last || pad < 2)
			*q++ = (unsigned char)(v >> 8);
		if (!last || pad < 1)
			*q++ = (unsigned char)v;
	}
	b->len += size;
	b->data[b->len] = '\0';
	return 0;
bad:
	b->data[b->len] = '\0';
	return -1;
}

bool cart_text_is_utf8(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t cp;
	size_t n;

	while (len > 0) {
		n = utf8_decode(p, len, &cp);
		if (n == 0 || cp == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

bool cart_text_is_printable(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t cp;
	size_t n;

	while (len > 0) {
		n = utf8_decode(p, len, &cp);
		if (n == 0 || (cp != '\t' && !utf8_printable(cp)))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

bool cart_text_is_name(const char *s, size_t len)
{
	size_t i;

	if (len < 1 || len > 64)
		return false;
	for (i = 0; i < len; i++) {
		if (!((s[i] >= 'A' && s[i] <= 'Z') ||
		      (s[i] >= 'a' && s[i] <= 'z') ||
		      (s[i] >= '0' && s[i] <= '9') || s[i] == '.' ||
		      s[i] == '_' || s[i] == '-'))
			return false;
	}
	return true;
}

void cart_text_escape(const void *data, size_t len, struct cart_buf *b)
{
	const unsigned char *p = data;
	char esc[4] = { '\\', 'x', 0, 0 };
	uint32_t cp;
	size_t n, i;

	while (len > 0) {
		n = utf8_decode(p, len, &cp);
		if (n != 0 && utf8_printable(cp)) {
			cart_buf_add(b, p, n);
		} else {
			if (n == 0)
				n = 1;
			for (i = 0; i < n; i++) {
				esc[2] = hex_lower[p[i] >> 4];
				esc[3] = hex_lower[p[i] & 15];
				cart_buf_add(b, esc, sizeof(esc));
			}
		}
		p += n;
		len -= n;
	}
}

void cart_text_uri(const void *data, size_t len, bool keep_slash,
		   struct cart_buf *b)
{
	static const char hex_upper[] = "0123456789ABCDEF";
	const unsigned char *p = data;
	char esc[3] = { '%', 0, 0 };
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = p[i];

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		    c == '_' || c == '~' || (c == '/' && keep_slash)) {
			cart_buf_addc(b, (char)c);
		} else {
			esc[1] = hex_upper[c >> 4];
			esc[2] = hex_upper[c & 15];
			cart_buf_add(b, esc, sizeof(esc));
		}
	}
}

#define DISTANCE_MAX 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment: a swap of neighbours counts once. */
unsigned cart_text_distance(const char *a, const char *b, unsigned max)
{
	unsigned rows[3][DISTANCE_MAX + 1];
	unsigned *before = rows[0], *prev = rows[1], *row = rows[2], *t;
	size_t la = strlen(a), lb = strlen(b), i, j;

	if (la > DISTANCE_MAX || lb > DISTANCE_MAX)
		return max + 1;
	for (j = 0; j <= lb; j++)
		prev[j] = (unsigned)j;
	for (i = 1; i <= la; i++) {
		row[0] = (unsigned)i;
		for (j = 1; j <= lb; j++) {
			row[j] = min3(prev[j] + 1, row[j - 1] + 1,
				      prev[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		t = before;
		before = prev;
		prev = row;
		row = t;
	}
	return prev[lb] <= max ? prev[lb] : max + 1;
}

void cart_text_bytes(uint64_t bytes, char out[16])
{
	static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	uint64_t whole = bytes, tenths = 0;
	unsigned u = 0;

	while (whole >= 1024) {
		/* rounds down: 1023.99 KiB must not print as 1024.0 KiB */
		tenths = (whole % 1024) * 10 / 1024;
		whole /= 1024;
		u++;
	}
	if (u == 0)
		snprintf(out, 16, "%u B", (unsigned)whole);
	else
		snprintf(out, 16, "%u.%u %s", (unsigned)whole, (unsigned)tenths,
			 units[u]);
}
