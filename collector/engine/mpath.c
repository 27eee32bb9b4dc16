/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include <crashcart/buf.h>
#include <crashcart/text.h>

#include "private.h"

#define DEPTH_MAX (sizeof(((struct mpath *)0)->step) / sizeof(char *))

/* Deeper than the reader allows cannot be; still nothing is overrun. */
void cart_mpath_push(struct mpath *p, const char *key)
{
	if (p->depth < DEPTH_MAX)
		p->step[p->depth] = key;
	p->depth++;
}

void cart_mpath_push_index(struct mpath *p, size_t index)
{
	if (p->depth < DEPTH_MAX) {
		snprintf(p->index[p->depth], sizeof(p->index[0]), "[%u]",
			 (unsigned)index);
		p->step[p->depth] = p->index[p->depth];
	}
	p->depth++;
}

void cart_mpath_pop(struct mpath *p)
{
	p->depth--;
}

int cart_mpath_bad(struct mpath *p, const char *fmt, ...)
{
	unsigned depth = p->depth < DEPTH_MAX ? p->depth : (unsigned)DEPTH_MAX;
	unsigned line = 0, i;
	char text[CART_ERR_TEXT_SIZE];
	struct cart_buf where;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* What is missing has no line: that of what should hold it. */
	for (i = depth;; i--) {
		line = cart_json_line_of(p->m->bytes, p->m->len, p->step, i);
		if (line || i == 0)
			break;
	}
	cart_buf_init(&where, 256);
	for (i = 0; i < depth; i++) {
		if (i && p->step[i][0] != '[')
			cart_buf_addc(&where, '.');
		cart_buf_adds(&where, p->step[i]);
	}
	cart_err_set(p->err, CART_ERR_USAGE, 0, "%s:%u: %s%s%s", p->m->label,
		     line, where.data ? (char *)where.data : "",
		     where.data ? ": " : "", text);
	cart_buf_clear(&where);
	return -1;
}

const char *cart_nearest(const char *word, const char *const *known)
{
	const char *best = NULL;
	unsigned max = strlen(word) > 5 ? 3 : 2, d;

	for (; *known; known++) {
		d = cart_text_distance(word, *known, max);
		if (d <= max) {
			best = *known;
			if (d == 0)
				break;
			max = d - 1;
		}
		if (d == 0)
			break;
	}
	return best;
}
