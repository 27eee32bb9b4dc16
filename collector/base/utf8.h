/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed UTF-8 sequence (RFC 3629) at p, 0 if there is
 * none; *ret_cp gets the code point.  U+0000 is well-formed here. */
static inline size_t utf8_decode(const unsigned char *p, size_t len,
				 uint32_t *ret_cp)
{
	uint32_t cp, min;
	size_t n, i;

	if (len == 0)
		return 0;
	if (p[0] < 0x80) {
		*ret_cp = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
		cp = p[0] & 0x1fu;
		min = 0x80;
	} else if ((p[0] & 0xf0) == 0xe0) {
		n = 3;
		cp = p[0] & 0x0fu;
		min = 0x800;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		cp = p[0] & 0x07u;
		min = 0x10000;
	} else {
		return 0;
	}
	if (len < n)
		return 0;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3fu);
	}
	if (cp < min || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret_cp = cp;
	return n;
}

/* May a terminal see this code point?  No controls (C0, DEL, C1), nothing
 * that reorders or hides text (bidi controls, zero-width, tags). */
static inline bool utf8_printable(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
		return false;
	if (cp < 0x600)
		return cp != 0xad;
	if (cp == 0x61c || cp == 0x180e || cp == 0xfeff)
		return false;
	if (cp >= 0x200b && cp <= 0x200f)
		return false;
	if (cp >= 0x2028 && cp <= 0x202e)
		return false;
	if (cp >= 0x2060 && cp <= 0x206f)
		return false;
	if (cp >= 0xfff9 && cp <= 0xfffb)
		return false;
	if ((cp & 0xfffe) == 0xfffe)
		return false;
	return !(cp >= 0xe0000 && cp <= 0xe0fff);
}

/* Appends cp to out (room for 4); returns the bytes used. */
static inline size_t utf8_encode(uint32_t cp, unsigned char *out)
{
	if (cp < 0x80) {
		out[0] = (unsigned char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (unsigned char)(0xc0 | cp >> 6);
		out[1] = (unsigned char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (unsigned char)(0xe0 | cp >> 12);
		out[1] = (unsigned char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (unsigned char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | cp >> 18);
	out[1] = (unsigned char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (unsigned char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (unsigned char)(0x80 | (cp & 0x3f));
	return 4;
}

#endif
