/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <crashcart/net.h>

void cart_http_reply_clear(struct cart_http_reply *r)
{
	cart_buf_clear(&r->body);
	cart_buf_clear(&r->headers);
}

bool cart_http_header_get(const struct cart_http_reply *r, const char *name,
			  char *out, size_t size)
{
	const char *p = (const char *)r->headers.data;
	const char *end = p + r->headers.len;
	size_t n = strlen(name);

	while (p && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol ? eol : end) - p);

		if (len >= n + 2 && !memcmp(p, name, n) && p[n] == ':') {
			snprintf(out, size, "%.*s", (int)(len - n - 2),
				 p + n + 2);
			return true;
		}
		p = eol ? eol + 1 : end;
	}
	if (size)
		out[0] = '\0';
	return false;
}
