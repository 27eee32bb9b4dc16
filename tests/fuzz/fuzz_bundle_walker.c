/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block walker and the bag.  What they find must not depend on how the
 * stream is cut.  An input that begins with "tar" and LF is a script, so that
 * seeds are text and the fuzzer gets past the headers:
 *
 *	m PATH TEXT	a member below b/ with that content ("\n" is LF)
 *	z		a block of zeros
 *	r HEX...	these bytes
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "bundle/read_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
	uint64_t members, bytes, offset;
	bool bad, ended;
	char text[CART_ERR_TEXT_SIZE];
};

static struct cart_crew crew;

static void add_member(struct cart_buf *out, char *path)
{
	static const unsigned char zeros[TAR_BLOCK];
	unsigned char header[TAR_BLOCK];
	char *text = strchr(path, ' '), *p, *q;
	size_t len;

	if (text)
		*text++ = '\0';
	else
		text = path + strlen(path);
	for (p = q = text; *p; p++)
		*q++ = p[0] == '\\' && p[1] == 'n' ? (p++, '\n') : *p;
	len = (size_t)(q - text);
	if (cart_tar_header("b", path, len, 1790000000, header) < 0)
		return;
	cart_buf_add(out, header, sizeof(header));
	cart_buf_add(out, text, len);
	cart_buf_add(out, zeros, cart_tar_padding(len));
}

static void run_script(const uint8_t *data, size_t size, struct cart_buf *out)
{
	static const unsigned char zeros[TAR_BLOCK];
	char *copy = strndup((const char *)data, size), *line, *next;
	unsigned char byte;

	for (line = copy; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strncmp(line, "m ", 2) == 0)
			add_member(out, line + 2);
		else if (line[0] == 'z')
			cart_buf_add(out, zeros, sizeof(zeros));
		else if (strncmp(line, "r ", 2) == 0)
			for (line += 2; cart_text_unhex(line, strnlen(line, 2),
							&byte, 1) == 0;
			     line += 2)
				cart_buf_add(out, &byte, 1);
	}
	free(copy);
}

static int on_event(struct trace *t, struct cart_walker *w, struct cart_bag *bag,
		    enum cart_walk_event e, const unsigned char *p, size_t n,
		    struct cart_err *err)
{
	switch (e) {
	case CART_WALK_MEMBER:
		t->members++;
		snprintf(bag->name, sizeof(bag->name), "%s",
			 cart_walker_name(w));
		return cart_bag_begin(bag, cart_walker_member(w), err);
	case CART_WALK_DATA:
		t->bytes += n;
		return cart_bag_data(bag, NULL, p, n, err);
	case CART_WALK_MEMBER_END:
		return cart_bag_end(bag, err);
	case CART_WALK_BAD:
		return -1;
	default:
		return 0;
	}
}

static void walk(const unsigned char *data, size_t size, size_t step,
		 struct trace *t)
{
	struct cart_walker *w = cart_walker_new(NULL);
	struct cart_err err = { 0 };
	const unsigned char *p = data, *piece = NULL;
	enum cart_walk_event e;
	struct cart_bag bag;
	size_t left, n = 0;

	memset(t, 0, sizeof(*t));
	cart_bag_init(&bag, &crew);
	while (w && !t->bad && p < data + size) {
		left = (size_t)(data + size - p);
		if (left > step)
			left = step;
		do {
			e = cart_walker_step(w, &p, &left, &piece, &n, &err);
			t->bad = on_event(t, w, &bag, e, piece, n, &err) < 0;
		} while (!t->bad && (left > 0 || e != CART_WALK_NEED));
	}
	t->ended = w && cart_walker_ended(w);
	if (!t->bad && t->ended)
		cart_bag_finish(&bag, &err);
	memcpy(t->text, err.text, sizeof(t->text));
	cart_bag_clear(&bag);
	cart_walker_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { SIZE_MAX, 512, 1, 700 };
	struct cart_err err = { 0 };
	struct trace first, other;
	struct cart_buf script;
	size_t i;

	if (!crew.pool && cart_crew_start(&crew, 1, &err) < 0)
		abort();
	cart_buf_init(&script, (size_t)1 << 22);
	if (size > 4 && memcmp(data, "tar\n", 4) == 0) {
		run_script(data + 4, size - 4, &script);
		data = script.data;
		size = script.len;
	}
	if (size == 0)
		goto out;
	walk(data, size, steps[0], &first);
	for (i = 1; i < sizeof(steps) / sizeof(steps[0]); i++) {
		walk(data, size, steps[i], &other);
		if (other.members != first.members ||
		    other.bad != first.bad || other.ended != first.ended ||
		    strcmp(other.text, first.text) != 0)
			abort();
	}
out:
	cart_buf_clear(&script);
	return 0;
}
