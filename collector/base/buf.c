/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/buf.h>

void cart_buf_init(struct cart_buf *b, size_t max_bytes)
{
	memset(b, 0, sizeof(*b));
	b->max = max_bytes;
}

void cart_buf_init_fixed(struct cart_buf *b, void *memory, size_t size)
{
	/* with cap above max, growing never gets as far as realloc */
	cart_buf_init(b, size - 1);
	b->data = memory;
	b->cap = size;
	b->data[0] = '\0';
}

void cart_buf_clear(struct cart_buf *b)
{
	free(b->data);
	cart_buf_init(b, b->max);
}

void cart_buf_reset(struct cart_buf *b)
{
	b->len = 0;
	b->failed = false;
	b->limited = false;
	if (b->data)
		b->data[0] = '\0';
}

/* Makes cap > len + extra, the one more being for the NUL. */
static bool grow(struct cart_buf *b, size_t extra)
{
	unsigned char *data;
	size_t need, cap;

	if (b->failed)
		return false;
	if (b->len > b->max || extra > b->max - b->len ||
	    extra > SIZE_MAX / 2 - b->len) {
		b->failed = true;
		b->limited = true;
		return false;
	}
	need = b->len + extra + 1;
	if (need <= b->cap)
		return true;
	cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	if (cap - 1 > b->max && need - 1 <= b->max)
		cap = b->max + 1;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

char *cart_buf_steal(struct cart_buf *b, size_t *ret_len)
{
	char *data;

	if (b->failed || !grow(b, 0))
		return NULL;
	data = (char *)b->data;
	data[b->len] = '\0';
	if (ret_len)
		*ret_len = b->len;
	cart_buf_init(b, b->max);
	return data;
}

void cart_buf_add(struct cart_buf *b, const void *data, size_t len)
{
	if (!grow(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void cart_buf_adds(struct cart_buf *b, const char *str)
{
	cart_buf_add(b, str, strlen(str));
}

void cart_buf_addc(struct cart_buf *b, char c)
{
	if (!grow(b, 1))
		return;
	b->data[b->len++] = (unsigned char)c;
	b->data[b->len] = '\0';
}

void cart_buf_vaddf(struct cart_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int n;

	if (b->failed)
		return;
	/* it mostly fits into what is there */
	room = b->cap > b->len ? b->cap - b->len : 0;
	va_copy(again, ap);
	n = vsnprintf(room ? (char *)b->data + b->len : NULL, room, fmt, again);
	va_end(again);
	if (n < 0) {
		b->failed = true;
	} else if (!grow(b, (size_t)n)) {
		n = -1;
	} else if ((size_t)n >= room) {
		vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	}
	if (n >= 0)
		b->len += (size_t)n;
	else if (room)
		b->data[b->len] = '\0';
}

void cart_buf_addf(struct cart_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cart_buf_vaddf(b, fmt, ap);
	va_end(ap);
}

unsigned char *cart_buf_reserve(struct cart_buf *b, size_t extra)
{
	if (!grow(b, extra))
		return NULL;
	b->data[b->len] = '\0';
	return b->data + b->len;
}

bool cart_buf_ok(const struct cart_buf *b)
{
	return !b->failed;
}

int cart_buf_check(const struct cart_buf *b, const char *what,
		   struct cart_err *err)
{
	if (!b->failed)
		return 0;
	if (b->limited)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "%s: more than %zu bytes", what, b->max);
	return cart_err_set(err, CART_ERR_MEMORY, 0, "%s: out of memory", what);
}
