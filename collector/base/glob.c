/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/text.h>

/*
 * The pattern is read once, left to right, while a set of path positions is
 * kept: those that the part of the pattern read so far can end at.  There is
 * no backtracking, so the work is at most pattern times path.
 */

#define POSITIONS_MAX 65536

struct positions {
	uint64_t bit[POSITIONS_MAX / 64];
	size_t lo, hi;			/* all set bits are in [lo, hi] */
	bool any;
};

/* 16 KiB that the compiler must not fill with zeros for every path. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define NOT_FILLED __attribute__((uninitialized))
#endif
#endif
#ifndef NOT_FILLED
#define NOT_FILLED
#endif

static void put(struct positions *s, size_t i)
{
	size_t w;

	if (!s->any) {
		s->lo = i;
		s->hi = i;
		s->any = true;
		s->bit[i / 64] = 0;
	}
	/* words between are cleared as the range grows: positions come in
	 * rising order */
	for (w = s->hi / 64 + 1; w <= i / 64; w++)
		s->bit[w] = 0;
	if (i > s->hi)
		s->hi = i;
	s->bit[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool has(const struct positions *s, size_t i)
{
	return s->any && i >= s->lo && i <= s->hi &&
	       (s->bit[i / 64] >> (i % 64) & 1);
}

/* The class that starts after '[' at p: does c match?  *ret_end is after the
 * ']', NULL if the class is not closed ('[' is then an ordinary byte). */
static bool class_match(const char *p, unsigned char c, const char **ret_end)
{
	bool negate = *p == '!' || *p == '^', found = false, first = true;
	unsigned char lo, hi;

	if (negate)
		p++;
	for (;; first = false) {
		if (*p == '\0') {
			*ret_end = NULL;
			return false;
		}
		if (*p == ']' && !first)
			break;
		if (*p == '\\' && p[1] != '\0')
			p++;
		lo = (unsigned char)*p++;
		hi = lo;
		if (p[0] == '-' && p[1] != '\0' && p[1] != ']') {
			p++;
			if (*p == '\\' && p[1] != '\0')
				p++;
			hi = (unsigned char)*p++;
		}
		if (c >= lo && c <= hi)
			found = true;
	}
	*ret_end = p + 1;
	return c != '/' && found != negate;
}

/* One byte of the path against one element; moves *p past the element. */
static void step_one(struct positions *from, struct positions *to,
		     const char **p, const unsigned char *path, size_t len)
{
	const char *element = *p, *end = NULL;
	char kind = *element;
	unsigned char literal = (unsigned char)*element;
	size_t i;

	*p = element + 1;
	if (kind == '[') {
		class_match(element + 1, 0, &end);
		if (end)
			*p = end;
		else
			kind = 0;
	} else if (kind == '\\' && element[1] != '\0') {
		kind = 0;
		literal = (unsigned char)element[1];
		*p = element + 2;
	}
	for (i = from->lo; i <= from->hi && i < len; i++) {
		bool match;

		if (!has(from, i))
			continue;
		if (kind == '?')
			match = path[i] != '/';
		else if (kind == '[')
			match = class_match(element + 1, path[i], &end);
		else
			match = path[i] == literal;
		if (match)
			put(to, i + 1);
	}
}

static void step_stars(struct positions *from, struct positions *to,
		       bool deep, bool folders, const unsigned char *path,
		       size_t len)
{
	bool alive = false;
	size_t i;

	for (i = from->lo; i <= len; i++) {
		bool here = has(from, i);

		if (folders) {
			/* no folder, or any number of whole ones */
			if (here || (i > from->lo && path[i - 1] == '/'))
				put(to, i);
			continue;
		}
		alive = alive || here;
		if (alive)
			put(to, i);
		else if (i > from->hi)
			break;
		if (!deep && i < len && path[i] == '/')
			alive = false;
	}
}

bool cart_text_glob(const char *pattern, const char *path, size_t path_len)
{
	struct positions sets[2] NOT_FILLED;
	struct positions *from = &sets[0], *to = &sets[1], *t;
	const unsigned char *bytes = (const unsigned char *)path;
	const char *p = pattern;

	if (path_len >= POSITIONS_MAX)
		return false;
	from->any = false;
	put(from, 0);
	while (*p != '\0') {
		to->any = false;
		if (*p == '*') {
			bool start = p == pattern || p[-1] == '/';
			bool deep = p[1] == '*', folders;

			while (*p == '*')
				p++;
			folders = deep && start && *p == '/';
			if (folders)
				p++;
			step_stars(from, to, deep, folders, bytes, path_len);
		} else {
			step_one(from, to, &p, bytes, path_len);
		}
		if (!to->any)
			return false;
		t = from;
		from = to;
		to = t;
	}
	return has(from, path_len);
}
