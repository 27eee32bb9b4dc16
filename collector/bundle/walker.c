/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "read_internal.h"

enum walk_state {
	WALK_HEADER,			/* collecting a block */
	WALK_IN_DATA,
	WALK_PADDING,
	WALK_SECOND,			/* one zero block was read */
	WALK_DONE,
	WALK_BROKEN
};

struct cart_walker {
	enum walk_state state;
	char name[65];
	bool has_mtime;
	uint64_t mtime;
	uint64_t offset;		/* bytes consumed */
	unsigned char block[TAR_BLOCK];
	size_t fill;			/* of the block */
	uint64_t left;			/* of the data */
	size_t padding;
	char path[101];
	struct cart_walk_member member;
};

/* Parts the numbers of rules from other codes. */
#define RULE_CODE 0x46000000

int cart_rule(struct cart_err *err, int number, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return cart_err_set(err, CART_ERR_INPUT, RULE_CODE + number, "F%d: %s",
			    number, text);
}

int cart_rule_because(struct cart_err *err, int number,
		      const struct cart_err *why, const char *what)
{
	if (why->class == CART_ERR_INPUT || why->class == CART_ERR_CRYPTO ||
	    why->class == CART_ERR_LIMIT)
		return cart_rule(err, number, "%s: %s", what, why->text);
	*err = *why;
	return -1;
}

int cart_rule_number(const struct cart_err *err)
{
	if (err->class != CART_ERR_INPUT || err->code <= RULE_CODE)
		return 0;
	return err->code - RULE_CODE;
}

bool cart_bundle_name_ok(const char *s, size_t len)
{
	return cart_text_is_name(s, len) && s[0] != '.';
}

static bool name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool component_ok(const char *s, size_t len)
{
	size_t i;

	if (len == 0 || (len == 1 && s[0] == '.') ||
	    (len == 2 && s[0] == '.' && s[1] == '.'))
		return false;
	for (i = 0; i < len; i++)
		if (!name_char(s[i]))
			return false;
	return true;
}

bool cart_member_path_ok(const char *s, size_t len)
{
	const char *slash;

	while ((slash = memchr(s, '/', len)) != NULL) {
		if (!component_ok(s, (size_t)(slash - s)))
			return false;
		len -= (size_t)(slash - s) + 1;
		s = slash + 1;
	}
	return component_ok(s, len);
}

struct cart_walker *cart_walker_new(const char *name)
{
	struct cart_walker *w = calloc(1, sizeof(*w));

	if (w && name)
		snprintf(w->name, sizeof(w->name), "%s", name);
	return w;
}

void cart_walker_free(struct cart_walker *w)
{
	free(w);
}

static bool all_zero(const unsigned char *p, size_t len)
{
	while (len > 0 && *p == 0) {
		p++;
		len--;
	}
	return len == 0;
}

/* Digits that fill a field of 12 but for its NUL.  0 or -1. */
static int octal(const unsigned char *field, uint64_t *ret)
{
	uint64_t v = 0;
	int i;

	for (i = 0; i < 11; i++) {
		if (field[i] < '0' || field[i] > '7')
			return -1;
		v = v << 3 | (uint64_t)(field[i] - '0');
	}
	*ret = v;
	return field[11] == 0 ? 0 : -1;
}

/* Splits the full name of the block into w->name (checked or taken) and
 * w->path. */
static int take_name(struct cart_walker *w, uint64_t at, struct cart_err *err)
{
	const char *full = (const char *)w->block, *slash;
	size_t len = strnlen(full, 100), top;

	slash = memchr(full, '/', len);
	if (!slash)
		return cart_rule(err, 4, "header at offset %" PRIu64
				 ": no folder in the name", at);
	top = (size_t)(slash - full);
	if (!cart_bundle_name_ok(full, top))
		return cart_rule(err, 1, "header at offset %" PRIu64
				 ": not a name of a bundle", at);
	if (w->name[0] == '\0')
		memcpy(w->name, full, top);
	if (strlen(w->name) != top || memcmp(w->name, full, top) != 0)
		return cart_rule(err, 4, "header at offset %" PRIu64
				 ": the folder is not %s", at, w->name);
	len -= top + 1;
	if (!cart_member_path_ok(slash + 1, len))
		return cart_rule(err, 7, "header at offset %" PRIu64
				 ": not a path of a member", at);
	memcpy(w->path, slash + 1, len);
	w->path[len] = '\0';
	return 0;
}

/* The block is a header: is it the one that its name, size and time give? */
static int take_header(struct cart_walker *w, struct cart_err *err)
{
	uint64_t at = w->offset - TAR_BLOCK, mtime;
	unsigned char want[TAR_BLOCK];

	if (octal(w->block + 124, &w->member.size) < 0 ||
	    octal(w->block + 136, &mtime) < 0)
		return cart_rule(err, 4, "header at offset %" PRIu64
				 ": size or time are not octal", at);
	if (take_name(w, at, err) < 0)
		return -1;
	if (w->member.size > MEMBER_MAX)
		return cart_rule(err, 6, "%s is longer than 16 MiB", w->path);
	if (cart_tar_header(w->name, w->path, w->member.size, mtime, want) < 0 ||
	    memcmp(want, w->block, TAR_BLOCK) != 0)
		return cart_rule(err, 4, "header at offset %" PRIu64
				 " (%s) is not as it must be", at, w->path);
	if (w->has_mtime && mtime != w->mtime)
		return cart_rule(err, 5, "%s has another time than the "
				 "members before", w->path);
	w->has_mtime = true;
	w->mtime = mtime;
	w->member.path = w->path;
	w->member.offset = at;
	w->left = w->member.size;
	w->padding = cart_tar_padding(w->member.size);
	w->state = WALK_IN_DATA;
	return 0;
}

/* A whole block is there. */
static enum cart_walk_event take_block(struct cart_walker *w,
				       struct cart_err *err)
{
	w->fill = 0;
	if (all_zero(w->block, TAR_BLOCK)) {
		if (w->state == WALK_SECOND) {
			w->state = WALK_DONE;
			return CART_WALK_END;
		}
		w->state = WALK_SECOND;
		return CART_WALK_NEED;
	}
	if (w->state == WALK_SECOND) {
		cart_rule(err, 3, "one block of zeros alone at offset %" PRIu64,
			  w->offset - 2 * TAR_BLOCK);
		return CART_WALK_BAD;
	}
	return take_header(w, err) < 0 ? CART_WALK_BAD : CART_WALK_MEMBER;
}

static enum cart_walk_event step_block(struct cart_walker *w,
				       const unsigned char **data, size_t *len,
				       struct cart_err *err)
{
	enum cart_walk_event event;
	size_t n;

	do {
		n = TAR_BLOCK - w->fill;
		if (n > *len)
			n = *len;
		memcpy(w->block + w->fill, *data, n);
		w->fill += n;
		w->offset += n;
		*data += n;
		*len -= n;
		if (w->fill < TAR_BLOCK)
			return CART_WALK_NEED;
		event = take_block(w, err);
	} while (event == CART_WALK_NEED);
	return event;
}

static enum cart_walk_event step_data(struct cart_walker *w,
				      const unsigned char **data, size_t *len,
				      const unsigned char **ret_data,
				      size_t *ret_len)
{
	size_t n = *len;

	if (w->left == 0) {
		w->state = WALK_PADDING;
		return CART_WALK_MEMBER_END;
	}
	if (n == 0)
		return CART_WALK_NEED;
	if (n > w->left)
		n = (size_t)w->left;
	*ret_data = *data;
	*ret_len = n;
	*data += n;
	*len -= n;
	w->left -= n;
	w->offset += n;
	return CART_WALK_DATA;
}

static int step_padding(struct cart_walker *w, const unsigned char **data,
			size_t *len, struct cart_err *err)
{
	size_t n = *len < w->padding ? *len : w->padding;

	if (!all_zero(*data, n))
		return cart_rule(err, 6, "%s is not followed by zeros",
				 w->path);
	*data += n;
	*len -= n;
	w->offset += n;
	w->padding -= n;
	if (w->padding == 0)
		w->state = WALK_HEADER;
	return 0;
}

enum cart_walk_event cart_walker_step(struct cart_walker *w,
				      const unsigned char **data, size_t *len,
				      const unsigned char **ret_data,
				      size_t *ret_len, struct cart_err *err)
{
	enum cart_walk_event event = CART_WALK_BAD;

	if (w->state == WALK_PADDING && step_padding(w, data, len, err) < 0)
		goto out;
	switch (w->state) {
	case WALK_HEADER:
	case WALK_SECOND:
		event = step_block(w, data, len, err);
		break;
	case WALK_IN_DATA:
		event = step_data(w, data, len, ret_data, ret_len);
		break;
	case WALK_PADDING:
		event = CART_WALK_NEED;
		break;
	case WALK_DONE:
		event = CART_WALK_NEED;
		if (*len > 0) {
			cart_rule(err, 3, "bytes after the end, at offset %"
				  PRIu64, w->offset);
			event = CART_WALK_BAD;
		}
		break;
	case WALK_BROKEN:
		cart_rule(err, 3, "the stream was refused before");
		break;
	}
out:
	if (event == CART_WALK_BAD)
		w->state = WALK_BROKEN;
	return event;
}

bool cart_walker_ended(const struct cart_walker *w)
{
	return w->state == WALK_DONE;
}

const struct cart_walk_member *cart_walker_member(const struct cart_walker *w)
{
	return &w->member;
}

const char *cart_walker_name(const struct cart_walker *w)
{
	return w->name;
}

uint64_t cart_walker_mtime(const struct cart_walker *w)
{
	return w->mtime;
}

uint64_t cart_walker_offset(const struct cart_walker *w)
{
	return w->offset;
}
