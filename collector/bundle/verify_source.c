/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>
#include <crashcart/timestamp.h>

#include "read_internal.h"

/*
 * Which files of a source make up the bundle (section 1 of FORMAT.md): as
 * verify_input.c does it in a folder.
 */

#define FILES_MAX 100000u
#define NAME_SIZE 256u

struct file {
	char *name;
	uint64_t size;
};

struct listing {
	const struct cart_source *source;
	struct file *f;
	size_t n, cap;
};

static int on_file(void *arg, const char *name, uint64_t size,
		   struct cart_err *err)
{
	struct listing *l = arg;
	size_t cap = l->cap ? 2 * l->cap : 64;
	struct file *f;

	if (l->n == FILES_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0, "%s holds more "
				    "than %u files; name the .tar",
				    l->source->where, FILES_MAX);
	if (l->n == l->cap) {
		f = realloc(l->f, cap * sizeof(*f));
		if (!f)
			return cart_err_nomem(err);
		l->f = f;
		l->cap = cap;
	}
	l->f[l->n].size = size;
	l->f[l->n].name = strdup(name);
	return l->f[l->n++].name ? 0 : cart_err_nomem(err);
}

static const struct file *find(const struct listing *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->f[i].name, name) == 0)
			return &l->f[i];
	return NULL;
}

/* The length of NAME in NAME.tar, NAME.tar.age or NAME.seal, or 0. */
static size_t base_length(const char *name)
{
	static const char *const ends[] = { ".tar", ".tar.age", ".seal" };
	size_t n = strlen(name), m, i;

	for (i = 0; i < 3; i++) {
		m = strlen(ends[i]);
		if (n > m && strcmp(name + n - m, ends[i]) == 0)
			return n - m;
	}
	return 0;
}

static int find_base(struct cart_input *in, const struct listing *l,
		     struct cart_err *err)
{
	const char *named = l->source->name, *name;
	size_t n = base_length(named), i;

	if (*named) {
		in->base = strndup(named, n ? n : strlen(named));
		return in->base ? 0 : cart_err_nomem(err);
	}
	for (i = 0; i < l->n; i++) {
		name = l->f[i].name;
		n = base_length(name);
		if (n == 0)
			continue;
		if (in->base && (strlen(in->base) != n ||
				 memcmp(in->base, name, n) != 0))
			return cart_err_set(err, CART_ERR_INPUT, 0, "%s holds "
					    "more than one bundle; name its "
					    ".tar", l->source->where);
		if (!in->base && !(in->base = strndup(name, n)))
			return cart_err_nomem(err);
	}
	if (!in->base)
		return cart_err_set(err, CART_ERR_INPUT, 0, "%s holds no bundle",
				    l->source->where);
	return 0;
}

static int find_segments(struct cart_input *in, const struct listing *l,
			 struct cart_err *err)
{
	char name[NAME_SIZE + 32];
	const struct file *f;
	size_t n = strlen(in->base), i;

	cart_segment_name(in->base, 1, true, name, sizeof(name));
	in->encrypted = find(l, name);
	cart_segment_name(in->base, 1, false, name, sizeof(name));
	if (in->encrypted && find(l, name))
		return cart_rule(err, 25, "both %s and %s.age are there", name,
				 name);
	in->n_segments = 1;
	for (i = 0; i < l->n; i++)
		if (strncmp(l->f[i].name, in->base, n) == 0 &&
		    strncmp(l->f[i].name + n, ".tar.", 5) == 0 &&
		    cart_input_is_further(l->f[i].name + n + 5, in->encrypted))
			in->n_segments++;
	if (in->n_segments > SEGMENTS_MAX)
		return cart_rule(err, 22, "more than 10000 segments");
	in->lengths = calloc(in->n_segments, sizeof(*in->lengths));
	in->files = calloc(in->n_segments, sizeof(*in->files));
	if (!in->lengths || !in->files)
		return cart_err_nomem(err);
	for (i = 0; i < in->n_segments; i++) {
		cart_segment_name(in->base, i + 1, in->encrypted, name,
				  sizeof(name));
		f = find(l, name);
		if (!f)
			return cart_rule(err, 2, "%s is missing", name);
		in->lengths[i] = f->size;
		in->files[i] = (size_t)(f - l->f);
	}
	return 0;
}

static int read_small(struct cart_input *in, const struct listing *l,
		      const struct file *f, size_t max, struct cart_buf *out,
		      struct cart_err *err)
{
	ssize_t n;

	cart_buf_init(out, max + 1);
	if (f->size > max)
		return cart_rule(err, max == CART_SEAL_MAX ? 21 :
				 max == CART_TSR_MAX ? 24 : 23,
				 "%s is too long", f->name);
	if (!cart_buf_reserve(out, (size_t)f->size + 1))
		return cart_err_nomem(err);
	n = f->size == 0 ? 0 : in->source->read(in->source,
						(size_t)(f - l->f), 0,
						out->data, (size_t)f->size, err);
	if (n < 0)
		return -1;
	out->len = (size_t)n;
	out->data[n] = '\0';
	return 0;
}

static int find_seal(struct cart_input *in, const struct listing *l,
		     struct cart_err *err)
{
	char seal[NAME_SIZE + 32];
	const struct file *f;
	struct cart_buf *to;
	size_t n, i, max;

	snprintf(seal, sizeof(seal), "%s.seal", in->base);
	f = find(l, seal);
	if (!f)
		return 0;
	in->has_seal = true;
	if (read_small(in, l, f, CART_SEAL_MAX, &in->seal, err) < 0)
		return -1;
	n = strlen(seal);
	for (i = 0; i < l->n; i++) {
		f = &l->f[i];
		if (strncmp(f->name, seal, n) != 0)
			continue;
		to = cart_input_signature(in, f->name, n, &max, err);
		if (to ? read_small(in, l, f, max, to, err) < 0 : max == 0)
			return -1;
	}
	return 0;
}

/* What is there and is no part of the bundle is not looked at, but told. */
static void count_others(struct cart_input *in, const struct listing *l)
{
	static const char *const known[] = {
		".run", ".seal", ".seal.minisig", ".tar", ".tar.age"
	};
	size_t n = strlen(in->base), i, k, m;
	const char *end;

	for (i = 0; i < l->n; i++) {
		end = l->f[i].name + n;
		if (strncmp(l->f[i].name, in->base, n) != 0 || *end != '.') {
			in->beside++;
			continue;
		}
		for (k = 0; k < 5 && strcmp(end, known[k]) != 0; k++)
			;
		m = strlen(end);
		if (k == 5 && strncmp(end, ".custody/", 9) != 0 &&
		    !(strncmp(end, ".tar.", 5) == 0 &&
		      cart_input_is_further(end + 5, in->encrypted)) &&
		    !(strncmp(end, ".seal.", 6) == 0 && m > 8 &&
		      strcmp(end + m - 8, ".minisig") == 0))
			in->beside_alike++;
	}
}

int cart_input_open_source(const struct cart_verify_options *o,
			   struct cart_input *ret, struct cart_err *err)
{
	struct listing l = { .source = o->source };
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->dirfd = ret->pipe_fd = -1;
	ret->source = o->source;
	rc = o->source->list(o->source, on_file, &l, err);
	if (rc == 0 && strlen(o->source->name) > NAME_SIZE)
		rc = cart_err_set(err, CART_ERR_USAGE, 0, "%s%.80s: the name "
				  "is too long", o->source->where,
				  o->source->name);
	if (rc == 0)
		rc = find_base(ret, &l, err);
	if (rc == 0 && l.n == 0)
		rc = cart_err_set(err, CART_ERR_INPUT, 0, "%s%s is not there",
				  o->source->where, ret->base);
	if (rc == 0)
		rc = find_segments(ret, &l, err);
	if (rc == 0)
		count_others(ret, &l);
	if (rc == 0)
		rc = o->seal_path ?
			cart_input_named_seal(ret, o->seal_path, err) :
			find_seal(ret, &l, err);
	if (rc == 0 && !o->stored_only)
		o->source->plan(o->source, ret->files, ret->n_segments);
	while (l.n > 0)
		free(l.f[--l.n].name);
	free(l.f);
	if (rc < 0)
		cart_input_close(ret);
	return rc;
}
