/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <crashcart/err.h>

#include "utf8.h"

static const char *const class_names[] = {
	[CART_ERR_NONE] = "none",
	[CART_ERR_USAGE] = "usage",
	[CART_ERR_INPUT] = "input",
	[CART_ERR_LIMIT] = "limit",
	[CART_ERR_SYSTEM] = "system",
	[CART_ERR_NET] = "net",
	[CART_ERR_HTTP] = "http",
	[CART_ERR_DENIED] = "denied",
	[CART_ERR_THROTTLED] = "throttled",
	[CART_ERR_TIMEOUT] = "timeout",
	[CART_ERR_CANCELLED] = "cancelled",
	[CART_ERR_CRYPTO] = "crypto",
	[CART_ERR_MEMORY] = "memory",
	[CART_ERR_INTERNAL] = "internal",
};

/* Copies text to err->text, escaped; cuts between characters. */
static void store(struct cart_err *err, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text;
	size_t left = strlen(text), n = 0, step, i;
	uint32_t cp;

	while (left > 0) {
		step = utf8_decode(p, left, &cp);
		if (step != 0 && utf8_printable(cp)) {
			if (n + step >= sizeof(err->text))
				break;
			memcpy(err->text + n, p, step);
			n += step;
		} else {
			if (step == 0)
				step = 1;
			if (n + 4 * step >= sizeof(err->text))
				break;
			for (i = 0; i < step; i++) {
				err->text[n++] = '\\';
				err->text[n++] = 'x';
				err->text[n++] = hex[p[i] >> 4];
				err->text[n++] = hex[p[i] & 15];
			}
		}
		p += step;
		left -= step;
	}
	err->text[n] = '\0';
}

int cart_err_set(struct cart_err *err, enum cart_err_class class, int code,
		 const char *fmt, ...)
{
	/* The arguments may point into err->text, hence the copy. */
	char text[2 * CART_ERR_TEXT_SIZE];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	err->class = class;
	err->code = code;
	store(err, text);
	return -1;
}

/* strerror_r comes in two forms: glibc's returns the text, POSIX's a code. */
static inline const char *errno_text_posix(int rc, const char *buf)
{
	return rc == 0 ? buf : NULL;
}

static inline const char *errno_text_gnu(const char *text, const char *buf)
{
	(void)buf;
	return text;
}

#define errno_text(rc, buf)                                                    \
	_Generic((rc), int: errno_text_posix, default: errno_text_gnu)(rc, buf)

int cart_err_errno(struct cart_err *err, int errno_value, const char *fmt, ...)
{
	char text[2 * CART_ERR_TEXT_SIZE], buf[128];
	const char *what;
	va_list ap;
	int n;

	if (!err)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n > CART_ERR_TEXT_SIZE - 100)
		n = CART_ERR_TEXT_SIZE - 100;	/* keep room for the reason */
	buf[0] = '\0';
	what = errno_text(strerror_r(errno_value, buf, sizeof(buf)), buf);
	if (what && *what)
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", what);
	else
		snprintf(text + n, sizeof(text) - (size_t)n, ": error %d",
			 errno_value);
	err->class = CART_ERR_SYSTEM;
	err->code = errno_value;
	store(err, text);
	return -1;
}

int cart_err_prefix(struct cart_err *err, const char *fmt, ...)
{
	char text[2 * CART_ERR_TEXT_SIZE];
	va_list ap;
	size_t at;
	int n;

	if (!err)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(text, CART_ERR_TEXT_SIZE, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	at = (size_t)n < CART_ERR_TEXT_SIZE ? (size_t)n
					    : CART_ERR_TEXT_SIZE - 1;
	snprintf(text + at, sizeof(text) - at, ": %s", err->text);
	store(err, text);
	return -1;
}

int cart_err_nomem(struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_MEMORY, 0, "out of memory");
}

void cart_err_clear(struct cart_err *err)
{
	if (!err)
		return;
	err->class = CART_ERR_NONE;
	err->code = 0;
	err->text[0] = '\0';
}

const char *cart_err_class_name(enum cart_err_class class)
{
	if ((size_t)class >= sizeof(class_names) / sizeof(class_names[0]))
		return "unknown";
	return class_names[class];
}
