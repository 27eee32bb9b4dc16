/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "bundle_internal.h"

/*
 * Digests and names of all members, kept until the manifests are written.
 * A name is two numbers (slugs are kept once), so that a member takes 40
 * bytes: 150,000 of them are 6 MB.
 */

#define BLOCK_ELEMS 1024u
#define LINE_EXTRA 67u			/* digest, two spaces, LF */

struct entry {
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_member_id id;
};

static const char *const fixed_name[FIXED_COUNT] = {
	[FIXED_BAGIT] = "bagit.txt",
	[FIXED_VERIFY] = "VERIFY.txt",
	[FIXED_MANIFEST] = "manifest.json",
	[FIXED_PLAN] = "plan.json",
	[FIXED_EXAMINER] = "keys/examiner.pub",
	[FIXED_CHECKPOINT] = "checkpoint",
	[FIXED_BAG_INFO] = "bag-info.txt",
	[FIXED_PAYLOAD] = "manifest-sha256.txt",
	[FIXED_TAGS] = "tagmanifest-sha256.txt",
	[FIXED_SEAL] = "seal/tagmanifest-sha256.txt.minisig",
};

static const struct part_form {
	enum member_form form;
	const char *ext;
} part_forms[] = {
	{ MEMBER_ZST, ".zst" },
	{ MEMBER_TAR, ".tar.zst" },
	{ MEMBER_BIN, ".bin" },
};
#define N_PART_FORMS (sizeof(part_forms) / sizeof(part_forms[0]))

/* --- blocks --- */

void cart_blocks_init(struct cart_blocks *a, size_t elem)
{
	memset(a, 0, sizeof(*a));
	a->elem = elem;
}

void cart_blocks_clear(struct cart_blocks *a)
{
	size_t i;

	for (i = 0; i < a->n_blocks; i++)
		free(a->block[i]);
	free(a->block);
	cart_blocks_init(a, a->elem);
}

void *cart_blocks_add(struct cart_blocks *a)
{
	unsigned char **block;

	if (a->n == a->n_blocks * BLOCK_ELEMS) {
		block = realloc(a->block, (a->n_blocks + 1) * sizeof(*block));
		if (!block)
			return NULL;
		a->block = block;
		block[a->n_blocks] = malloc(BLOCK_ELEMS * a->elem);
		if (!block[a->n_blocks])
			return NULL;
		a->n_blocks++;
	}
	a->n++;
	return cart_blocks_at(a, a->n - 1);
}

void *cart_blocks_at(const struct cart_blocks *a, size_t i)
{
	return a->block[i / BLOCK_ELEMS] + i % BLOCK_ELEMS * a->elem;
}

void cart_blocks_cut(struct cart_blocks *a, size_t n)
{
	if (n < a->n)
		a->n = n;
}

/* --- names --- */

void cart_index_init(struct cart_index *x)
{
	memset(x, 0, sizeof(*x));
	cart_blocks_init(&x->payload, sizeof(struct entry));
	cart_blocks_init(&x->tags, sizeof(struct entry));
}

void cart_index_clear(struct cart_index *x)
{
	size_t i;

	cart_blocks_clear(&x->payload);
	cart_blocks_clear(&x->tags);
	for (i = 0; i < x->n_slugs; i++)
		free(x->slug[i]);
	free(x->slug);
	free(x->slug_table);
	cart_index_init(x);
}

struct cart_member_id cart_member_id(enum member_form form, uint32_t a,
				     uint32_t b)
{
	return (struct cart_member_id){ (uint32_t)form << 28 | a, b };
}

enum member_form cart_member_form(struct cart_member_id id)
{
	return (enum member_form)(id.a >> 28);
}

static uint32_t number_of(struct cart_member_id id)
{
	return id.a & (((uint32_t)1 << 28) - 1);
}

/* FNV-1a: only spreads, slugs are chosen by our own steps. */
static uint32_t hash_of(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* table holds index + 1; 0 is free */
static int grow_slugs(struct cart_index *x)
{
	size_t cap = x->slug_cap ? 2 * x->slug_cap : 256, i, at;
	uint32_t *table = calloc(cap, sizeof(*table));
	char **slug = realloc(x->slug, cap / 2 * sizeof(*slug));

	if (slug)
		x->slug = slug;
	if (!table || !slug) {
		free(table);
		return -1;
	}
	for (i = 0; i < x->n_slugs; i++) {
		at = hash_of(x->slug[i]) & (cap - 1);
		while (table[at])
			at = (at + 1) & (cap - 1);
		table[at] = (uint32_t)i + 1;
	}
	free(x->slug_table);
	x->slug_table = table;
	x->slug_cap = cap;
	return 0;
}

uint32_t cart_index_slug(struct cart_index *x, const char *slug)
{
	size_t at;
	char *copy;

	if (x->n_slugs == x->slug_cap / 2 && grow_slugs(x) < 0)
		return UINT32_MAX;
	at = hash_of(slug) & (x->slug_cap - 1);
	while (x->slug_table[at]) {
		if (strcmp(x->slug[x->slug_table[at] - 1], slug) == 0)
			return x->slug_table[at] - 1;
		at = (at + 1) & (x->slug_cap - 1);
	}
	copy = strdup(slug);
	if (!copy)
		return UINT32_MAX;
	x->slug[x->n_slugs] = copy;
	x->slug_table[at] = (uint32_t)++x->n_slugs;
	return (uint32_t)x->n_slugs - 1;
}

void cart_index_path(const struct cart_index *x, struct cart_member_id id,
		     char out[CART_MEMBER_PATH_SIZE])
{
	const char *ext = "";
	size_t i;

	switch (cart_member_form(id)) {
	case MEMBER_PLAIN:
		snprintf(out, CART_MEMBER_PATH_SIZE, "data/e%06" PRIu32 "-%s",
			 number_of(id), x->slug[id.b]);
		return;
	case MEMBER_FIXED:
		snprintf(out, CART_MEMBER_PATH_SIZE, "%s", fixed_name[id.b]);
		return;
	case MEMBER_KEY:
		snprintf(out, CART_MEMBER_PATH_SIZE,
			 "keys/session-%" PRIu32 ".pub", id.b);
		return;
	case MEMBER_LOG:
		snprintf(out, CART_MEMBER_PATH_SIZE, "log/%06" PRIu32 ".jsonl",
			 id.b);
		return;
	case MEMBER_ZST:
	case MEMBER_TAR:
	case MEMBER_BIN:
		break;
	}
	for (i = 0; i < N_PART_FORMS; i++)
		if (part_forms[i].form == cart_member_form(id))
			ext = part_forms[i].ext;
	snprintf(out, CART_MEMBER_PATH_SIZE,
		 "data/e%06" PRIu32 "/%08" PRIu32 "%s", number_of(id), id.b,
		 ext);
}

/* Digits with leading zeros; *s moves behind them. */
static int eat_number(const char **s, size_t least, uint64_t max,
		      uint32_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; **s >= '0' && **s <= '9' && n < 10; (*s)++, n++)
		v = v * 10 + (uint64_t)(**s - '0');
	if (n < least || v > max)
		return -1;
	*ret = (uint32_t)v;
	return 0;
}

int cart_index_parse(struct cart_index *x, const char *path,
		     struct cart_member_id *ret)
{
	const char *s;
	uint32_t a = 0, b = 0;
	size_t i;

	for (i = 0; i < FIXED_COUNT; i++) {
		if (strcmp(path, fixed_name[i]) == 0) {
			*ret = cart_member_id(MEMBER_FIXED, 0, (uint32_t)i);
			return 0;
		}
	}
	if (strncmp(path, "log/", 4) == 0) {
		s = path + 4;
		if (eat_number(&s, 6, UINT32_MAX, &b) < 0 ||
		    strcmp(s, ".jsonl") != 0)
			return -1;
		*ret = cart_member_id(MEMBER_LOG, 0, b);
		return 0;
	}
	if (strncmp(path, "keys/session-", 13) == 0) {
		s = path + 13;
		if (eat_number(&s, 1, UINT32_MAX, &b) < 0 ||
		    strcmp(s, ".pub") != 0)
			return -1;
		*ret = cart_member_id(MEMBER_KEY, 0, b);
		return 0;
	}
	if (strncmp(path, "data/e", 6) != 0)
		return -1;
	s = path + 6;
	if (eat_number(&s, 6, EXHIBIT_MAX, &a) < 0)
		return -1;
	if (*s == '-') {
		b = cart_index_slug(x, s + 1);
		if (b == UINT32_MAX)
			return -1;
		*ret = cart_member_id(MEMBER_PLAIN, a, b);
		return 0;
	}
	if (*s++ != '/' || eat_number(&s, 8, UINT32_MAX, &b) < 0)
		return -1;
	for (i = 0; i < N_PART_FORMS; i++) {
		if (strcmp(s, part_forms[i].ext) == 0) {
			*ret = cart_member_id(part_forms[i].form, a, b);
			return 0;
		}
	}
	return -1;
}

/* --- the lists --- */

static bool is_payload(struct cart_member_id id)
{
	return cart_member_form(id) < MEMBER_FIXED;
}

int cart_index_add(struct cart_index *x, struct cart_member_id id,
		   const unsigned char sha256[CART_SHA256_SIZE], uint64_t size,
		   struct cart_err *err)
{
	bool payload = is_payload(id);
	struct entry *e = cart_blocks_add(payload ? &x->payload : &x->tags);
	char path[CART_MEMBER_PATH_SIZE];

	if (!e)
		return cart_err_nomem(err);
	memcpy(e->sha256, sha256, sizeof(e->sha256));
	e->id = id;
	cart_index_path(x, id, path);
	if (payload) {
		x->payload_bytes += size;
		x->manifest_bytes += LINE_EXTRA + strlen(path);
	} else {
		x->tag_bytes += LINE_EXTRA + strlen(path);
	}
	return 0;
}

static uint64_t cut_list(const struct cart_index *x, struct cart_blocks *list,
			 size_t n)
{
	char path[CART_MEMBER_PATH_SIZE];
	uint64_t bytes = 0;
	struct entry *e;
	size_t i;

	for (i = n; i < list->n; i++) {
		e = cart_blocks_at(list, i);
		cart_index_path(x, e->id, path);
		bytes += LINE_EXTRA + strlen(path);
	}
	cart_blocks_cut(list, n);
	return bytes;
}

void cart_index_cut(struct cart_index *x, size_t payload, size_t tags,
		    uint64_t payload_bytes)
{
	x->manifest_bytes -= cut_list(x, &x->payload, payload);
	x->tag_bytes -= cut_list(x, &x->tags, tags);
	x->payload_bytes = payload_bytes;
}

int cart_index_print(const struct cart_index *x, bool tags,
		     int (*fn)(void *arg, const void *data, size_t len,
			       struct cart_err *err),
		     void *arg, struct cart_err *err)
{
	const struct cart_blocks *list = tags ? &x->tags : &x->payload;
	char path[CART_MEMBER_PATH_SIZE];
	char line[LINE_EXTRA + CART_MEMBER_PATH_SIZE];
	struct entry *e;
	size_t i, len;

	for (i = 0; i < list->n; i++) {
		e = cart_blocks_at(list, i);
		cart_index_path(x, e->id, path);
		len = strlen(path);
		cart_text_hex(e->sha256, sizeof(e->sha256), line);
		memset(line + 64, ' ', 2);
		memcpy(line + 66, path, len);
		line[66 + len] = '\n';
		if (fn(arg, line, len + LINE_EXTRA, err) < 0)
			return -1;
	}
	return 0;
}
