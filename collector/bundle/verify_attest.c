/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_attest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <crashcart/compress.h>
#include <crashcart/fdio.h>
#include <crashcart/text.h>

static const struct cart_attest_kind *const kinds[] = {
	&cart_attest_trail,
	&cart_attest_identity,
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

#define RECENT 256u

struct cart_attest_list {
	struct cart_attest_item *items;
	size_t n, cap;
	void *state;
};

/* Part 1 of an exhibit whose line did not come yet. */
struct cart_attest_recent {
	uint32_t exhibit;
	uint32_t member_len;
	uint64_t member_at;
	unsigned char stored;
};

int cart_attest_init(struct cart_attest *a, struct cart_err *err)
{
	size_t i;

	cart_buf_init(&a->line, MEMBER_MAX);
	cart_buf_init(&a->stored, MEMBER_MAX);
	a->lists = calloc(N_KINDS, sizeof(*a->lists));
	a->recent = calloc(RECENT, sizeof(*a->recent));
	if (!a->lists || !a->recent)
		return cart_err_nomem(err);
	for (i = 0; i < N_KINDS; i++) {
		a->lists[i].state = calloc(1, kinds[i]->state_size + 1);
		if (!a->lists[i].state)
			return cart_err_nomem(err);
	}
	return 0;
}

void cart_attest_clear(struct cart_attest *a)
{
	size_t i;

	for (i = 0; a->lists && i < N_KINDS; i++) {
		if (a->lists[i].state && kinds[i]->clear)
			kinds[i]->clear(a->lists[i].state);
		free(a->lists[i].state);
		free(a->lists[i].items);
	}
	free(a->lists);
	free(a->recent);
	cart_buf_clear(&a->line);
	cart_buf_clear(&a->stored);
	if (a->is_open)
		cart_input_segment_close(&a->segment);
	memset(a, 0, sizeof(*a));
}

/* --- while the log is read --- */

static uint64_t number(const struct cart_json *line, const char *key)
{
	int64_t v = 0;

	cart_json_i64(cart_json_get(line, key), &v);
	return (uint64_t)v;
}

static const char *text(const struct cart_json *line, const char *key)
{
	const char *s = cart_json_get_string(line, key);

	return s ? s : "";
}

static uint32_t exhibit_of(const struct cart_json *line)
{
	return (uint32_t)strtoul(text(line, "exhibit") + 1, NULL, 10);
}

static void note_part(struct cart_attest *a, const struct cart_json *line)
{
	const struct cart_group *g = a->bag->log.group;
	struct cart_attest_recent *r;

	if (number(line, "part") != 1 || !cart_json_get(line, "path"))
		return;
	r = &a->recent[a->n_recent++ % RECENT];
	r->exhibit = exhibit_of(line);
	r->member_at = g->m[g->last].offset;
	r->member_len = (uint32_t)g->m[g->last].size;
	r->stored = strcmp(text(line, "encoding"), "zstd") == 0 ?
		CART_ATTEST_ZSTD : CART_ATTEST_PART;
}

/* Where its bytes lie. */
static void find_member(const struct cart_attest *a,
			const struct cart_json *line,
			struct cart_attest_item *it)
{
	const struct cart_group *g = a->bag->log.group;
	uint32_t exhibit = exhibit_of(line);
	unsigned i;

	it->stored = CART_ATTEST_SPLIT;
	if (cart_json_get(line, "path")) {
		it->stored = CART_ATTEST_PLAIN;
		it->member_at = g->m[g->last].offset;
		it->member_len = (uint32_t)g->m[g->last].size;
		return;
	}
	if (number(line, "parts") != 1 || cart_json_get(line, "files"))
		return;
	for (i = 0; i < RECENT; i++) {
		if (a->recent[i].exhibit != exhibit)
			continue;
		it->stored = a->recent[i].stored;
		it->member_at = a->recent[i].member_at;
		it->member_len = a->recent[i].member_len;
	}
}

static int keep(struct cart_attest_list *l, const struct cart_attest_item *it,
		struct cart_err *err)
{
	struct cart_attest_item *bigger;
	size_t cap;

	if (l->n == l->cap) {
		cap = l->cap ? 2 * l->cap : 64;
		bigger = realloc(l->items, cap * sizeof(*bigger));
		if (!bigger)
			return cart_err_nomem(err);
		l->items = bigger;
		l->cap = cap;
	}
	l->items[l->n++] = *it;
	return 0;
}

/* The line's own bytes are hashed again when it is read again. */
static void find_line(const struct cart_attest *a, struct cart_attest_item *it)
{
	const struct cart_bag *b = a->bag;
	unsigned char sha256[CART_SHA256_SIZE];

	it->line_at = b->log.line_at;
	if (b->has_mtime)
		it->line_at += b->now.offset + 512;
	it->line_len = (uint32_t)b->log.line_len;
	it->log_part = b->log_parts;
	cart_sha256(b->now_data.data + b->log.line_at, b->log.line_len, sha256);
	memcpy(it->line_hash, sha256, sizeof(it->line_hash));
}

int cart_attest_line(struct cart_attest *a, const struct cart_json *line,
		     struct cart_err *err)
{
	const struct cart_json *origin = cart_json_get(line, "origin");
	const char *type = text(line, "type");
	struct cart_attest_item it;
	size_t i;
	int rc;

	if (strcmp(type, "part") == 0)
		note_part(a, line);
	if (strcmp(type, "exhibit") != 0)
		return 0;
	if (cart_json_get(origin, "etag") || cart_json_get(origin, "version_id"))
		a->v->recheckable++;
	for (i = 0; i < N_KINDS; i++) {
		memset(&it, 0, sizeof(it));
		rc = kinds[i]->wants(a->lists[i].state, line, &it);
		if (rc < 0)
			return cart_err_nomem(err);
		if (rc == 0)
			continue;
		find_member(a, line, &it);
		find_line(a, &it);
		if (keep(&a->lists[i], &it, err) < 0)
			return -1;
	}
	return 0;
}

/* --- reading again --- */

/* Bytes of the stream, over the ends of segments. */
static int read_stream(struct cart_attest *a, uint64_t at, void *data,
		       size_t len, struct cart_err *err)
{
	const struct cart_input *in = a->in;
	unsigned char *p = data;
	uint64_t begin = 0;
	ssize_t n;
	size_t i;

	for (i = 0; i < in->n_segments && len > 0; begin += in->lengths[i++]) {
		if (at - begin >= in->lengths[i])
			continue;
		if (!a->is_open || a->segment.number != i) {
			if (a->is_open)
				cart_input_segment_close(&a->segment);
			a->is_open = cart_input_segment(in, i, &a->segment,
							err) == 0;
			if (!a->is_open)
				return -1;
		}
		n = cart_input_pread(in, &a->segment, p,
				     len < in->lengths[i] - (at - begin) ? len :
				     (size_t)(in->lengths[i] - (at - begin)),
				     at - begin, err);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		p += n;
		len -= (size_t)n;
		at += (size_t)n;
	}
	if (len > 0)
		return cart_err_set(err, CART_ERR_INPUT, 0, "the bundle became "
				    "shorter while it was read");
	return 0;
}

static int read_folder(struct cart_attest *a, const char *path, uint64_t at,
		       void *data, size_t len, struct cart_err *err)
{
	uint64_t size;
	ssize_t n;
	int fd = cart_folder_open(a->in->dirfd, path, &size, err);

	if (fd < 0)
		return -1;
	n = cart_fd_pread(fd, data, len, at, err);
	close(fd);
	if (n < 0)
		return -1;
	if ((size_t)n < len)
		return cart_err_set(err, CART_ERR_INPUT, 0, "%s became shorter "
				    "while it was read", path);
	return 0;
}

static int read_again(struct cart_attest *a, const char *path, uint64_t at,
		      size_t len, struct cart_buf *out, struct cart_err *err)
{
	int rc;

	cart_buf_reset(out);
	if (!cart_buf_reserve(out, len + 1))
		return cart_err_nomem(err);
	rc = a->in->kind == INPUT_FOLDER ?
		read_folder(a, path, at, out->data, len, err) :
		read_stream(a, at, out->data, len, err);
	out->len = len;
	out->data[len] = '\0';
	return rc;
}

static int changed(struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "the bundle changed while "
			    "it was read");
}

struct cart_json *cart_attest_get_line(struct cart_attest *a,
				       const struct cart_attest_item *it,
				       struct cart_err *err)
{
	unsigned char sha256[CART_SHA256_SIZE];
	char path[32];

	snprintf(path, sizeof(path), "log/%06" PRIu32 ".jsonl", it->log_part);
	if (read_again(a, path, it->line_at, it->line_len, &a->line, err) < 0)
		return NULL;
	cart_sha256(a->line.data, a->line.len, sha256);
	if (memcmp(sha256, it->line_hash, sizeof(it->line_hash)) != 0) {
		changed(err);
		return NULL;
	}
	return cart_log_line_parse(a->line.data, a->line.len, err);
}

int cart_attest_get_data(struct cart_attest *a,
			 const struct cart_attest_item *it,
			 const struct cart_json *line, struct cart_buf *out,
			 const char **ret_why, struct cart_err *err)
{
	bool inflate = it->stored == CART_ATTEST_ZSTD;
	struct cart_buf *raw = inflate ? &a->stored : out;
	struct cart_err bad = { 0 };
	char path[101], hex[CART_SHA256_HEX_SIZE];

	*ret_why = "it lies in several parts, which are not joined here";
	if (it->stored == CART_ATTEST_SPLIT)
		return 0;
	/* whoever made the bundle chose its size */
	*ret_why = "it is larger than anything that is signed";
	if (it->member_len >= raw->max)
		return 0;
	snprintf(path, sizeof(path), "%s", text(line, "path"));
	if (it->stored != CART_ATTEST_PLAIN)
		snprintf(path, sizeof(path), "data/%.24s/00000001.%s",
			 text(line, "exhibit"), inflate ? "zst" : "bin");
	if (read_again(a, path, it->member_at, it->member_len, raw, err) < 0)
		return -1;
	*ret_why = "its part cannot be inflated";
	cart_buf_reset(inflate ? out : &a->stored);
	if (inflate && cart_zstd_decompress(raw->data, raw->len, NULL, 0, out,
					    &bad) < 0) {
		if (bad.class == CART_ERR_MEMORY)
			return cart_err_nomem(err);
		return 0;
	}
	*ret_why = "it is not what its line says";
	cart_sha256_hex(out->data, out->len, hex);
	if (strcmp(hex, text(line, "sha256")) == 0)
		return 1;
	/* of a plain one the first reading said that it is */
	return it->stored == CART_ATTEST_PLAIN ? changed(err) : 0;
}

void cart_attest_count(struct cart_attest *a, enum cart_attest_verdict v)
{
	if (a->now->bundle_keys)
		a->v->consistent[v]++;
	else
		a->v->attested[v]++;
}

void cart_attest_say(struct cart_attest *a, const struct cart_attestation *say)
{
	struct cart_attestation s = *say;
	struct cart_buf text;

	/* names and keys of exhibits are in it: anything may be in these */
	cart_buf_init(&text, (size_t)1 << 16);
	cart_text_escape(s.text, strlen(s.text), &text);
	s.text = cart_buf_ok(&text) && text.len > 0 ? (char *)text.data : "";
	s.kind = a->now->name;
	s.bundle_keys = a->now->bundle_keys;
	if (!s.exhibit)
		s.exhibit = "";
	a->o->attestation(a->o->attestation_arg, &s);
	cart_buf_clear(&text);
}

/* --- all of them --- */

static void say_unread(struct cart_attest *a, size_t n)
{
	struct cart_attestation s = { .object = "chain", .summary = true,
		.verdict = CART_ATTEST_UNKNOWN, .seconds = -1 };
	char text[160];

	snprintf(text, sizeof(text), a->v->encrypted ?
		 "not checked: this version does not do that in an encrypted "
		 "bundle (%zu exhibits)" :
		 "not checked: the bundle was read from a pipe; verify the file "
		 "(%zu exhibits)", n);
	s.text = text;
	cart_attest_say(a, &s);
}

int cart_attest_run(struct cart_attest *a, struct cart_err *err)
{
	struct cart_attest_list *l;
	size_t i;

	for (i = 0; i < N_KINDS; i++) {
		l = &a->lists[i];
		a->now = kinds[i];
		if (l->n == 0)
			continue;
		if (a->in->kind == INPUT_PIPE || a->v->encrypted)
			say_unread(a, l->n);
		else if (kinds[i]->check(a, l->state, l->items, l->n, err) < 0)
			return -1;
	}
	return 0;
}
