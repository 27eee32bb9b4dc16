/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/age.h>
#include <crashcart/text.h>

/*
 * age's armor: strict PEM.  Lines of 64 columns of canonical base64, of which
 * only the last is shorter, none is empty; LF or CRLF; white space only before
 * and behind it all.
 */

#define COLUMNS 64u
#define WHITE_MAX 1024u

static const char begin_line[] = "-----BEGIN AGE ENCRYPTED FILE-----";
static const char end_line[] = "-----END AGE ENCRYPTED FILE-----";

static int bad(struct cart_err *err, const char *what)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "age armor: %s", what);
}

static bool is_white(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool cart_age_is_armor(const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t i = 0;

	while (i < len && i < WHITE_MAX && is_white(p[i]))
		i++;
	return len - i >= 11 && memcmp(p + i, "-----BEGIN ", 11) == 0;
}

static int take_line(struct cart_age_armor *a, struct cart_buf *out,
		     struct cart_err *err)
{
	size_t n = a->len;

	a->len = 0;
	if (n > 0 && a->line[n - 1] == '\r')
		n--;
	if (a->state == CART_AGE_ARMOR_BEFORE) {
		if (n != sizeof(begin_line) - 1 ||
		    memcmp(a->line, begin_line, n) != 0)
			return bad(err, "it does not begin as that of an age "
				   "file");
		a->state = CART_AGE_ARMOR_INSIDE;
		return 0;
	}
	if (n == sizeof(end_line) - 1 && memcmp(a->line, end_line, n) == 0) {
		a->state = CART_AGE_ARMOR_BEHIND;
		return 0;
	}
	if (n == 0 || n > COLUMNS || a->last)
		return bad(err, "a line that is empty, too long or too short");
	a->last = n < COLUMNS || a->line[n - 1] == '=';
	if (cart_text_unbase64(a->line, n, out) < 0)
		return bad(err, "a line is not canonical base64");
	return 0;
}

int cart_age_armor_step(struct cart_age_armor *a, const void *data, size_t len,
			struct cart_buf *out, struct cart_err *err)
{
	const unsigned char *p = data;

	for (; len > 0; p++, len--) {
		if ((a->state == CART_AGE_ARMOR_BEHIND || a->len == 0) &&
		    a->state != CART_AGE_ARMOR_INSIDE && is_white(*p)) {
			if (++a->white > WHITE_MAX)
				return bad(err, "too much white space");
		} else if (a->state == CART_AGE_ARMOR_BEHIND) {
			return bad(err, "bytes behind its end");
		} else if (*p == '\n') {
			if (take_line(a, out, err) < 0)
				return -1;
		} else if (a->len == sizeof(a->line)) {
			return bad(err, "a line is too long");
		} else {
			a->line[a->len++] = (char)*p;
		}
	}
	return cart_buf_check(out, "age armor", err);
}

int cart_age_armor_end(struct cart_age_armor *a, struct cart_buf *out,
		       struct cart_err *err)
{
	/* the last line may have no end */
	if (a->state == CART_AGE_ARMOR_INSIDE && a->len > 0 &&
	    take_line(a, out, err) < 0)
		return -1;
	if (a->state != CART_AGE_ARMOR_BEHIND)
		return bad(err, "its end is missing");
	return 0;
}
