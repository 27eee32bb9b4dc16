/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "read_internal.h"

/* The outer seal, F21 and F22: a strict reader of lines. */

struct lines {
	const char *p, *end;
	unsigned number;		/* of the line that was read last */
	const char *line;
	size_t len;
};

static int bad_line(const struct lines *l, const char *what,
		    struct cart_err *err)
{
	return cart_rule(err, 21, "line %u of the seal: %s", l->number, what);
}

static int next_line(struct lines *l, struct cart_err *err)
{
	const char *lf;

	l->number++;
	if (l->p == l->end)
		return bad_line(l, "is missing", err);
	lf = memchr(l->p, '\n', (size_t)(l->end - l->p));
	if (!lf)
		return bad_line(l, "does not end with LF", err);
	l->line = l->p;
	l->len = (size_t)(lf - l->p);
	l->p = lf + 1;
	return 0;
}

/* The next line is `key value`: the value. */
static int next_value(struct lines *l, const char *key, const char **ret,
		      size_t *ret_len, struct cart_err *err)
{
	size_t n = strlen(key);

	if (next_line(l, err) < 0)
		return -1;
	if (l->len <= n + 1 || memcmp(l->line, key, n) != 0 ||
	    l->line[n] != ' ')
		return cart_rule(err, 21, "line %u of the seal: must begin "
				 "with `%s`", l->number, key);
	*ret = l->line + n + 1;
	*ret_len = l->len - n - 1;
	return 0;
}

/* Cuts the next word off a value; words are parted by single spaces.  It may
 * be empty. */
static void word(const char **s, size_t *len, const char **ret, size_t *ret_len)
{
	const char *space = memchr(*s, ' ', *len);

	*ret = *s;
	*ret_len = space ? (size_t)(space - *s) : *len;
	*len -= *ret_len + (space ? 1 : 0);
	*s += *ret_len + (space ? 1 : 0);
}

static int hex_text(const char *s, size_t len, char out[CART_SHA256_HEX_SIZE])
{
	unsigned char raw[CART_SHA256_SIZE];

	if (cart_text_unhex(s, len, raw, sizeof(raw)) < 0)
		return -1;
	memcpy(out, s, 64);
	out[64] = '\0';
	return 0;
}

static int parse_names(struct lines *l, struct cart_seal *s,
		       struct cart_err *err)
{
	const char *v;
	size_t n;

	if (next_value(l, "bundle", &v, &n, err) < 0)
		return -1;
	if (!cart_bundle_name_ok(v, n))
		return cart_rule(err, 1, "the name of the bundle in the seal");
	memcpy(s->name, v, n);
	if (next_value(l, "case", &v, &n, err) < 0)
		return -1;
	if (!cart_text_is_name(v, n))
		return cart_rule(err, 1, "the name of the case in the seal");
	memcpy(s->case_id, v, n);
	return 0;
}

static int parse_state(struct lines *l, struct cart_seal *s,
		       struct cart_err *err)
{
	static const char *const states[] = { "complete", "gaps", "partial" };
	const char *v;
	size_t n, i;

	if (next_value(l, "state", &v, &n, err) < 0)
		return -1;
	for (i = 0; i < 3; i++)
		if (strlen(states[i]) == n && memcmp(states[i], v, n) == 0)
			snprintf(s->state, sizeof(s->state), "%s", states[i]);
	return s->state[0] ? 0 : bad_line(l, "not a state", err);
}

static int parse_roots(struct lines *l, struct cart_seal *s,
		       struct cart_err *err)
{
	const char *v, *w;
	size_t n, wn;

	if (next_value(l, "root", &v, &n, err) < 0)
		return -1;
	if (hex_text(v, n, s->root) < 0)
		return bad_line(l, "not 64 hex digits", err);
	if (next_value(l, "log", &v, &n, err) < 0)
		return -1;
	word(&v, &n, &w, &wn);
	if (cart_text_u64(w, wn, INT64_MAX, &s->log_size) < 0 ||
	    hex_text(v, n, s->log_root) < 0)
		return bad_line(l, "not a number and 64 hex digits", err);
	if (next_value(l, "chunk", &v, &n, err) < 0)
		return -1;
	if (n != 7 || memcmp(v, "8388608", 7) != 0)
		return bad_line(l, "not `chunk 8388608`", err);
	return 0;
}

/* Room for n chunks more and one more segment. */
static int grow(struct cart_seal *s, size_t n, struct cart_err *err)
{
	void *p;

	if ((s->n_segments & (s->n_segments - 1)) == 0) {
		size_t cap = s->n_segments ? s->n_segments * 2 : 1;

		p = realloc(s->segments, cap * sizeof(*s->segments));
		if (!p)
			return cart_err_nomem(err);
		s->segments = p;
	}
	/* bounded by the length of the seal: see parse_segment */
	p = realloc(s->chunks, (s->n_chunks + n) * sizeof(*s->chunks));
	if (!p)
		return cart_err_nomem(err);
	s->chunks = p;
	return 0;
}

/* 1 if it is, 0, or -1. */
static int composite_ok(const unsigned char (*digests)[CART_SHA256_SIZE],
			size_t n, const char *text, size_t len,
			struct cart_err *err)
{
	unsigned char all[CART_SHA256_SIZE];
	struct cart_buf b;
	int ok;

	cart_sha256(digests, n * CART_SHA256_SIZE, all);
	cart_buf_init(&b, 64);
	cart_text_base64(all, sizeof(all), &b);
	ok = cart_buf_check(&b, "composite", err) < 0 ? -1 :
	     b.len == len && memcmp(b.data, text, len) == 0;
	cart_buf_clear(&b);
	return ok;
}

struct segment_line {
	uint64_t number, length, count;
	const char *composite;
	size_t composite_len;
};

/* `segment N LENGTH COMPOSITE-COUNT` */
static int parse_segment_line(struct lines *l, struct segment_line *ret,
			      struct cart_err *err)
{
	const char *v, *w, *dash;
	size_t n, wn;

	if (next_value(l, "segment", &v, &n, err) < 0)
		return -1;
	word(&v, &n, &w, &wn);
	if (cart_text_u64(w, wn, INT64_MAX, &ret->number) < 0)
		return bad_line(l, "not a number", err);
	word(&v, &n, &w, &wn);
	if (cart_text_u64(w, wn, INT64_MAX, &ret->length) < 0)
		return bad_line(l, "not a length", err);
	dash = memchr(v, '-', n);
	if (!dash || cart_text_u64(dash + 1, n - (size_t)(dash + 1 - v),
				   INT64_MAX, &ret->count) < 0)
		return bad_line(l, "not a composite checksum", err);
	ret->composite = v;
	ret->composite_len = (size_t)(dash - v);
	return 0;
}

static int parse_segment(struct lines *l, struct cart_seal *s,
			 struct cart_err *err)
{
	struct segment_line seg;
	size_t i;
	int ok;

	if (parse_segment_line(l, &seg, err) < 0)
		return -1;
	if (seg.number != s->n_segments + 1 || seg.number > SEGMENTS_MAX)
		return cart_rule(err, 22, "segment %" PRIu64 " of the seal is "
				 "out of order", seg.number);
	/* a length of 0 would be too many chunks */
	if (seg.count > CHUNKS_MAX ||
	    seg.count != (seg.length - 1) / CHUNK_BYTES + 1)
		return cart_rule(err, 22, "segment %" PRIu64 " of the seal: "
				 "length and number of chunks", seg.number);
	if (seg.count > (uint64_t)(l->end - l->p) / 65)
		return bad_line(l, "fewer chunks follow than it says", err);
	if (grow(s, (size_t)seg.count, err) < 0)
		return -1;
	s->segments[s->n_segments++] = (struct cart_seal_segment){
		.length = seg.length,
		.first_chunk = s->n_chunks,
		.n_chunks = (size_t)seg.count,
	};
	for (i = 0; i < seg.count; i++) {
		if (next_line(l, err) < 0)
			return -1;
		if (cart_text_unhex(l->line, l->len, s->chunks[s->n_chunks],
				    CART_SHA256_SIZE) < 0)
			return bad_line(l, "not 64 hex digits", err);
		s->n_chunks++;
	}
	ok = composite_ok(s->chunks + s->n_chunks - i, i, seg.composite,
			  seg.composite_len, err);
	if (ok < 0)
		return -1;
	if (!ok)
		return cart_rule(err, 22, "segment %" PRIu64 " of the seal: "
				 "composite checksum", seg.number);
	return 0;
}

int cart_seal_version(const void *data, size_t len, uint64_t *ret)
{
	static const char start[] = "crashcart-seal ";
	const char *s = data, *lf = memchr(data, '\n', len);
	size_t n = sizeof(start) - 1;

	if (!lf || (size_t)(lf - s) <= n || memcmp(s, start, n) != 0)
		return -1;
	return cart_text_u64(s + n, (size_t)(lf - s) - n, 999999999, ret);
}

int cart_seal_parse(const void *data, size_t len, struct cart_seal *ret,
		    struct cart_err *err)
{
	struct lines l = { .p = data, .end = (const char *)data + len };
	uint64_t version;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (len > CART_SEAL_MAX) {
		cart_rule(err, 21, "the seal is longer than 64 MiB");
		goto out;
	}
	if (next_line(&l, err) < 0)
		goto out;
	if (cart_seal_version(data, len, &version) < 0 || version != 1) {
		bad_line(&l, "not `crashcart-seal 1`", err);
		goto out;
	}
	if (parse_names(&l, ret, err) < 0 || parse_state(&l, ret, err) < 0 ||
	    parse_roots(&l, ret, err) < 0)
		goto out;
	do {
		if (parse_segment(&l, ret, err) < 0)
			goto out;
	} while (l.p < l.end);
	rc = 0;
out:
	if (rc < 0)
		cart_seal_clear(ret);
	return rc;
}

void cart_seal_clear(struct cart_seal *s)
{
	free(s->segments);
	free(s->chunks);
	memset(s, 0, sizeof(*s));
}
