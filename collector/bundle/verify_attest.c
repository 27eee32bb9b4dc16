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
#define JOIN_MAX 8u			/* parts: 64 MiB */

struct cart_attest_list {
	struct cart_attest_item *items;
	size_t n, cap;
	void *state;
};

/* A part of an exhibit whose line did not come yet. */
struct cart_attest_recent {
	uint32_t exhibit, part;
	uint32_t member_len;
	uint64_t member_at;
	unsigned char stored;
	unsigned char instance[16];
};

int cart_attest_init(struct cart_attest *a, struct cart_err *err)
{
	size_t i;

	cart_buf_init(&a->line, MEMBER_MAX);
	cart_buf_init(&a->stored, MEMBER_MAX);
	cart_buf_init(&a->part, MEMBER_MAX + 1);
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
	free(a->joined);
	cart_buf_clear(&a->line);
	cart_buf_clear(&a->stored);
	cart_buf_clear(&a->part);
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

static void hash_instance(const struct cart_json *line, unsigned char out[16])
{
	const char *instance = text(line, "instance");
	unsigned char sha256[CART_SHA256_SIZE];

	cart_sha256(instance, strlen(instance), sha256);
	memcpy(out, sha256, 16);
}

static struct cart_attest_recent *find_part(const struct cart_attest *a,
					    uint32_t exhibit, uint32_t part)
{
	unsigned i;

	for (i = 0; i < RECENT; i++) {
		if (a->recent[i].exhibit == exhibit && a->recent[i].part == part)
			return &a->recent[i];
	}
	return NULL;
}

static void note_part(struct cart_attest *a, const struct cart_json *line)
{
	const struct cart_group *g = a->bag->log.group;
	const char *encoding = text(line, "encoding");
	uint32_t exhibit = exhibit_of(line);
	struct cart_attest_recent *r, *before;
	uint64_t part = number(line, "part");
	unsigned char instance[16] = { 0 };

	if ((part > JOIN_MAX && strcmp(encoding, "tar.zst") != 0) ||
	    !cart_json_get(line, "path"))
		return;
	before = find_part(a, exhibit, (uint32_t)part - 1);
	if (before)
		memcpy(instance, before->instance, sizeof(instance));
	else
		hash_instance(line, instance);
	r = &a->recent[a->n_recent++ % RECENT];
	memcpy(r->instance, instance, sizeof(instance));
	r->exhibit = exhibit;
	r->part = (uint32_t)part;
	r->member_at = g->m[g->last].offset;
	r->member_len = (uint32_t)g->m[g->last].size;
	r->stored = strcmp(encoding, "zstd") == 0 ? CART_ATTEST_ZSTD :
		strcmp(encoding, "tar.zst") == 0 ? CART_ATTEST_FILE :
		CART_ATTEST_PART;
	a->n_parts += r->stored == CART_ATTEST_FILE;
}

static void take_place(const struct cart_attest_recent *r,
		       struct cart_attest_item *it)
{
	it->stored = r->stored;
	it->member_at = r->member_at;
	it->member_len = r->member_len;
}

/* Notes the places of all n parts, if they are known. */
static int join_parts(struct cart_attest *a, const struct cart_json *line,
		      uint32_t n, struct cart_attest_item *it)
{
	const struct cart_attest_recent *r;
	struct cart_attest_recent *bigger;
	size_t start = a->n_joined, cap;
	uint32_t i;

	for (i = 1; i <= n; i++) {
		r = find_part(a, exhibit_of(line), i);
		if (!r || r->stored == CART_ATTEST_FILE) {
			a->n_joined = start;
			return 0;
		}
		if (a->n_joined == a->cap_joined) {
			cap = a->cap_joined ? 2 * a->cap_joined : 32;
			bigger = realloc(a->joined, cap * sizeof(*bigger));
			if (!bigger)
				return -1;
			a->joined = bigger;
			a->cap_joined = cap;
		}
		a->joined[a->n_joined++] = *r;
	}
	it->stored = CART_ATTEST_JOIN;
	it->member_at = start;
	it->member_len = n;
	return 0;
}

/* Where its bytes lie. */
static int find_member(struct cart_attest *a, const struct cart_json *line,
		       struct cart_attest_item *it)
{
	const struct cart_group *g = a->bag->log.group;
	const struct cart_attest_recent *r;
	uint64_t parts = number(line, "parts");

	it->stored = CART_ATTEST_SPLIT;
	if (cart_json_get(line, "path")) {
		it->stored = CART_ATTEST_PLAIN;
		it->member_at = g->m[g->last].offset;
		it->member_len = (uint32_t)g->m[g->last].size;
		return 0;
	}
	if (cart_json_get(line, "files") || parts > JOIN_MAX)
		return 0;
	if (parts > 1)
		return join_parts(a, line, (uint32_t)parts, it);
	r = find_part(a, exhibit_of(line), 1);
	if (r && parts == 1)
		take_place(r, it);
	return 0;
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

static void note_account(struct cart_attest *a, const char *account)
{
	unsigned i;

	for (i = 0; i < a->n_accounts; i++)
		if (strcmp(a->accounts[i], account) == 0)
			return;
	if (i == CART_ATTEST_ACCOUNTS || strlen(account) >= 16)
		a->more_accounts = true;
	else
		snprintf(a->accounts[a->n_accounts++], 16, "%s", account);
}

int cart_attest_line(struct cart_attest *a, const struct cart_json *line,
		     struct cart_err *err)
{
	const struct cart_json *origin = cart_json_get(line, "origin");
	const char *type = text(line, "type");
	const struct cart_attest_recent *part = NULL;
	unsigned char instance[16];
	struct cart_attest_item it;
	size_t i;
	int rc;

	if (strcmp(type, "part") == 0)
		note_part(a, line);
	if (strcmp(type, "call") == 0 && *text(line, "account"))
		note_account(a, text(line, "account"));
	if (strcmp(type, "file") == 0 && origin)
		part = find_part(a, exhibit_of(line),
				 (uint32_t)number(line, "part"));
	if (strcmp(type, "exhibit") != 0 &&
	    (!part || part->stored != CART_ATTEST_FILE))
		return 0;
	if (part)
		memcpy(instance, part->instance, sizeof(instance));
	else
		hash_instance(line, instance);
	if (cart_json_get(origin, "etag") || cart_json_get(origin, "version_id"))
		a->v->recheckable++;
	for (i = 0; i < N_KINDS; i++) {
		memset(&it, 0, sizeof(it));
		rc = kinds[i]->wants(a->lists[i].state, line, instance, &it);
		if (rc < 0)
			return cart_err_nomem(err);
		if (rc == 0)
			continue;
		if (part)
			take_place(part, &it);
		else if (find_member(a, line, &it) < 0)
			return cart_err_nomem(err);
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

/* The part that holds the file, inflated: 1, 0 with *ret_why, -1. */
static int inflate_set(struct cart_attest *a, const struct cart_attest_item *it,
		       const struct cart_json *line, const char **ret_why,
		       struct cart_err *err)
{
	uint32_t exhibit = exhibit_of(line);
	uint32_t number_ = (uint32_t)number(line, "part");
	struct cart_err bad = { 0 };
	char path[101];

	if (a->part_exhibit == exhibit && a->part_number == number_)
		return 1;
	/* whoever made the bundle chose in which order we come by */
	*ret_why = "its part would have to be inflated too often";
	if (a->n_inflated++ > 64 + 8 * a->n_parts)
		return 0;
	a->part_exhibit = 0;
	snprintf(path, sizeof(path), "data/%.24s/%08" PRIu32 ".tar.zst",
		 text(line, "exhibit"), number_);
	if (read_again(a, path, it->member_at, it->member_len, &a->stored,
		       err) < 0)
		return -1;
	cart_buf_reset(&a->part);
	*ret_why = "its part cannot be inflated";
	if (cart_zstd_decompress(a->stored.data, a->stored.len, NULL, 0,
				 &a->part, &bad) < 0)
		return bad.class == CART_ERR_MEMORY ? cart_err_nomem(err) : 0;
	a->part_exhibit = exhibit;
	a->part_number = number_;
	return 1;
}

static int get_file(struct cart_attest *a, const struct cart_attest_item *it,
		    const struct cart_json *line, struct cart_buf *out,
		    const char **ret_why, struct cart_err *err)
{
	uint64_t offset = number(line, "offset"), size = number(line, "size");
	char hex[CART_SHA256_HEX_SIZE];
	int rc = inflate_set(a, it, line, ret_why, err);

	if (rc <= 0)
		return rc;
	cart_buf_reset(out);
	*ret_why = "it is larger than anything that is signed";
	if (size >= out->max)
		return 0;
	*ret_why = "it is not what its line says";
	if (size > a->part.len || offset > a->part.len - size)
		return 0;
	cart_buf_add(out, a->part.data + offset, size);
	cart_buf_addc(out, '\0');
	if (!cart_buf_ok(out))
		return cart_err_nomem(err);
	out->len--;
	cart_sha256_hex(out->data, out->len, hex);
	return strcmp(hex, text(line, "sha256")) == 0;
}

int cart_attest_get_parts(struct cart_attest *a,
			  const struct cart_attest_item *it,
			  const struct cart_json *line,
			  void (*piece)(void *arg, const void *data, size_t len),
			  void *arg, const char **ret_why, struct cart_err *err)
{
	const struct cart_attest_recent *r = a->joined + it->member_at;
	char path[101], hex[CART_SHA256_HEX_SIZE];
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_buf *data;
	struct cart_err bad = { 0 };
	struct cart_sha256 c;
	uint32_t i;
	int rc = -1;

	a->part_exhibit = 0;		/* a->part is used here */
	cart_sha256_init(&c);
	for (i = 0; i < it->member_len; i++, r++) {
		data = r->stored == CART_ATTEST_ZSTD ? &a->part : &a->stored;
		snprintf(path, sizeof(path), "data/%.24s/%08" PRIu32 ".%s",
			 text(line, "exhibit"), i + 1,
			 r->stored == CART_ATTEST_ZSTD ? "zst" : "bin");
		if (read_again(a, path, r->member_at, r->member_len, &a->stored,
			       err) < 0)
			goto out;
		cart_buf_reset(&a->part);
		*ret_why = "a part of it cannot be inflated";
		if (data == &a->part &&
		    cart_zstd_decompress(a->stored.data, a->stored.len, NULL, 0,
					 data, &bad) < 0) {
			rc = bad.class == CART_ERR_MEMORY ?
				cart_err_nomem(err) : 0;
			goto out;
		}
		cart_sha256_update(&c, data->data, data->len);
		piece(arg, data->data, data->len);
	}
	cart_sha256_final(&c, sha256);
	cart_text_hex(sha256, sizeof(sha256), hex);
	*ret_why = "it is not what its line says";
	rc = strcmp(hex, text(line, "sha256")) == 0;
out:
	cart_sha256_clear(&c);
	return rc;
}

static void add_piece(void *arg, const void *data, size_t len)
{
	cart_buf_add(arg, data, len);
}

static int get_joined(struct cart_attest *a, const struct cart_attest_item *it,
		      const struct cart_json *line, struct cart_buf *out,
		      const char **ret_why, struct cart_err *err)
{
	int rc;

	*ret_why = "it is larger than anything that is signed";
	if (number(line, "size") >= out->max)
		return 0;
	cart_buf_reset(out);
	rc = cart_attest_get_parts(a, it, line, add_piece, out, ret_why, err);
	cart_buf_addc(out, '\0');
	if (out->limited)
		return 0;
	if (!cart_buf_ok(out))
		return cart_err_nomem(err);
	out->len--;
	return rc;
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

	if (it->stored == CART_ATTEST_FILE)
		return get_file(a, it, line, out, ret_why, err);
	if (it->stored == CART_ATTEST_JOIN)
		return get_joined(a, it, line, out, ret_why, err);
	*ret_why = "it lies in more parts than are joined here";
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

/* Are the keys by which this kind is judged the bundle's own? */
static bool by_bundle_keys(const struct cart_attest *a)
{
	return a->now->bundle_keys && !a->o->aws_keys;
}

void cart_attest_count(struct cart_attest *a, enum cart_attest_verdict v)
{
	if (by_bundle_keys(a))
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
	s.bundle_keys = by_bundle_keys(a);
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
