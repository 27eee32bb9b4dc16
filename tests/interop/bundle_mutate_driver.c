/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every small change of a small bundle must be refused:
 *
 *	bundle_mutate_driver [-k KEY]... [-j THREADS] [-b BITS] DIR NAME SECRET
 *
 * Reads the bundle NAME in DIR, sealed by the key in SECRET (no password) and
 * perhaps counter-signed by the keys of -k, and verifies copies of it:
 *
 *  - as it is: valid; without keys: cannot tell
 *  - each byte of each file changed (BITS: the masks, hex, default 01,20,80),
 *    each file cut at each length, or longer
 *  - each member removed, doubled, renamed, swapped with each other one;
 *    members added at each place
 *  - all of that in the stream again, with the outer seal made anew by the
 *    same key, so that only what is inside can refuse it
 *  - each byte of the seal changed, and signed again
 *
 * All of them, not a sample.  Prints how many there were of each kind, and
 * each that was not refused as it must be.  Exit status 0 or 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/fdio.h>
#include <crashcart/minisign.h>
#include <crashcart/reader.h>
#include <crashcart/text.h>

#define BLOCK 512u
#define CHUNK ((size_t)8388608)
#define FILES_MAX 8
#define KEYS_MAX 8
#define MEMBERS_MAX 200
#define THREADS_MAX 64
#define SHOWN_MAX 20

enum kind {
	AS_IT_IS,
	NO_KEYS,
	FLIP,				/* file, offset, mask */
	CUT,				/* file, length */
	LONGER,				/* file, bytes more */
	REMOVE,				/* member */
	DOUBLE,				/* member, where to */
	RENAME,				/* member, how */
	SWAP,				/* member, member */
	ADD,				/* where to, what */
	RESEAL_ONLY,
	RESEAL_FLIP,			/* offset, mask */
	RESEAL_CUT,			/* length */
	RESEAL_LONGER,			/* bytes more */
	RESEAL_REMOVE,
	RESEAL_DOUBLE,
	RESEAL_RENAME,
	RESEAL_SWAP,
	RESEAL_ADD,
	SEAL_FLIP,			/* offset, mask */
	KINDS
};

static const char *const kind_name[KINDS] = {
	"as it is", "no keys", "flipped", "cut", "longer", "member removed",
	"member doubled", "member renamed", "members swapped", "member added",
	"sealed anew", "sealed anew, flipped", "sealed anew, cut",
	"sealed anew, longer", "sealed anew, member removed",
	"sealed anew, member doubled", "sealed anew, member renamed",
	"sealed anew, members swapped", "sealed anew, member added",
	"seal flipped and signed"
};

struct change {
	enum kind kind;
	uint32_t a, b, c;
};

struct blob {
	char name[160];
	struct cart_buf data;
};

struct member {
	size_t at, len;			/* with header and padding */
};

struct all {
	const char *name;
	struct blob files[FILES_MAX];	/* segments, seal, signatures */
	unsigned n_files, n_segments, seal, sig;
	struct cart_buf stream;
	struct member members[MEMBERS_MAX];
	unsigned n_members;
	size_t seal_head;		/* bytes before the segments */
	struct cart_minisign_sig outer;
	struct cart_public_key keys[KEYS_MAX];
	size_t n_keys;
	struct cart_buf secret;
	unsigned masks[8], n_masks;
	struct change *changes;
	size_t n_changes, cap_changes;
	/* under lock */
	pthread_mutex_t lock;
	size_t next;
	size_t counts[KINDS], failures;
};

struct worker {
	struct all *all;
	pthread_t thread;
	char dir[64];
	int dirfd;
	struct cart_signer *signer;
};

static void die(const char *what, const struct cart_err *err)
{
	fprintf(stderr, "bundle_mutate_driver: %s: %s\n", what,
		err ? err->text : "no memory");
	_exit(1);
}

/* --- the bundle as it is --- */

static bool read_blob(struct all *all, int dirfd, const char *name)
{
	struct blob *f = &all->files[all->n_files];
	struct cart_err err = { 0 };

	if (all->n_files == FILES_MAX)
		return false;
	cart_buf_init(&f->data, (size_t)64 << 20);
	if (cart_file_read(dirfd, name, &f->data, &err) < 0)
		return false;
	snprintf(f->name, sizeof(f->name), "%s", name);
	all->n_files++;
	return true;
}

static void find_members(struct all *all)
{
	const unsigned char *p = all->stream.data;
	size_t at = 0, size;

	while (p[at] != 0 && all->n_members < MEMBERS_MAX) {
		size = strtoul((const char *)p + at + 124, NULL, 8);
		size = BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
		all->members[all->n_members++] = (struct member){ at, size };
		at += size;
	}
}

static void load(struct all *all, const char *dir)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cart_err err = { 0 };
	char name[160], id[17];
	const char *segment;
	unsigned i;

	cart_buf_init(&all->stream, (size_t)64 << 20);
	snprintf(name, sizeof(name), "%s.tar", all->name);
	while (read_blob(all, dirfd, name))
		snprintf(name, sizeof(name), "%s.tar.%03u", all->name,
			 ++all->n_segments + 1);
	for (i = 0; i < all->n_segments; i++)
		cart_buf_add(&all->stream, all->files[i].data.data,
			     all->files[i].data.len);
	all->seal = all->n_files;
	all->sig = all->n_files + 1;
	snprintf(name, sizeof(name), "%s.seal", all->name);
	if (all->n_segments < 2 || !read_blob(all, dirfd, name))
		die("two segments and a seal", NULL);
	snprintf(name, sizeof(name), "%s.seal.minisig", all->name);
	if (!read_blob(all, dirfd, name) ||
	    cart_minisign_parse_sig(all->files[all->sig].data.data,
				    all->files[all->sig].data.len,
				    &all->outer, &err) < 0)
		die(name, &err);
	for (i = 1; i < all->n_keys; i++) {
		cart_minisign_id_text(all->keys[i].id, id);
		snprintf(name, sizeof(name), "%s.seal.%s.minisig", all->name,
			 id);
		read_blob(all, dirfd, name);
	}
	segment = strstr((char *)all->files[all->seal].data.data, "\nsegment ");
	all->seal_head = (size_t)(segment + 1 -
				  (char *)all->files[all->seal].data.data);
	find_members(all);
	close(dirfd);
}

/* --- all changes --- */

static void plan(struct all *all, enum kind kind, size_t a, size_t b, size_t c)
{
	if (all->n_changes == all->cap_changes) {
		all->cap_changes = all->cap_changes ? all->cap_changes * 2 :
						      1024;
		all->changes = realloc(all->changes, all->cap_changes *
				       sizeof(*all->changes));
		if (!all->changes)
			die("plan", NULL);
	}
	all->changes[all->n_changes++] = (struct change){ kind, (uint32_t)a,
		(uint32_t)b, (uint32_t)c };
}

static void plan_bytes(struct all *all)
{
	unsigned f, m;
	size_t i, len;

	for (f = 0; f < all->n_files; f++) {
		len = all->files[f].data.len;
		for (i = 0; i < len; i++)
			for (m = 0; m < all->n_masks; m++)
				plan(all, FLIP, f, i, all->masks[m]);
		for (i = 0; i < len; i++)
			plan(all, CUT, f, i, 0);
		for (i = 1; i <= 3 * BLOCK; i++)
			plan(all, LONGER, f, i, 0);
	}
	for (i = 0; i < all->stream.len; i++) {
		for (m = 0; m < all->n_masks; m++)
			plan(all, RESEAL_FLIP, i, all->masks[m], 0);
		plan(all, RESEAL_CUT, i, 0, 0);
	}
	for (i = 1; i <= 3 * BLOCK; i++)
		plan(all, RESEAL_LONGER, i, 0, 0);
	for (i = 0; i < all->files[all->seal].data.len; i++)
		for (m = 0; m < all->n_masks; m++)
			plan(all, SEAL_FLIP, i, all->masks[m], 0);
}

#define RENAMES 5
#define ADDITIONS 8

/* kind is REMOVE ... or RESEAL_REMOVE ... */
static void plan_members(struct all *all, int shift)
{
	unsigned i, j;

	for (i = 0; i < all->n_members; i++) {
		plan(all, REMOVE + shift, i, 0, 0);
		for (j = 0; j <= all->n_members; j++)
			plan(all, DOUBLE + shift, i, j, 0);
		for (j = 0; j < RENAMES; j++)
			plan(all, RENAME + shift, i, j, 0);
		for (j = i + 1; j < all->n_members; j++)
			plan(all, SWAP + shift, i, j, 0);
	}
	for (i = 0; i <= all->n_members; i++)
		for (j = 0; j < ADDITIONS; j++)
			plan(all, ADD + shift, i, j, 0);
}

/* --- a changed stream --- */

static void put_members(const struct all *all, struct cart_buf *out,
			unsigned from, unsigned to)
{
	size_t at = all->members[from].at;
	size_t end = to == all->n_members ? all->stream.len :
					    all->members[to].at;

	cart_buf_add(out, all->stream.data + at, end - at);
}

static void put_member(const struct all *all, struct cart_buf *out, unsigned i)
{
	cart_buf_add(out, all->stream.data + all->members[i].at,
		     all->members[i].len);
}

/* The end of the stream, for i == n_members. */
static void put_rest(const struct all *all, struct cart_buf *out, unsigned from)
{
	const struct member *last = &all->members[all->n_members - 1];

	if (from < all->n_members)
		put_members(all, out, from, all->n_members);
	else
		cart_buf_add(out, all->stream.data + last->at + last->len,
			     all->stream.len - last->at - last->len);
}

static void put_before(const struct all *all, struct cart_buf *out, unsigned to)
{
	if (to == 0)
		return;
	cart_buf_add(out, all->stream.data, to == all->n_members ?
		     all->members[to - 1].at + all->members[to - 1].len :
		     all->members[to].at);
}

static void fix_sum(unsigned char *h)
{
	unsigned sum = 0, i;
	char text[8];

	memset(h + 148, ' ', 8);
	for (i = 0; i < BLOCK; i++)
		sum += h[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(h + 148, text, 7);
	h[155] = ' ';
}

static void rename_member(const struct all *all, unsigned char *h, unsigned i,
			  unsigned how)
{
	unsigned other = (i + 1) % all->n_members;
	char *name = (char *)h;
	size_t len = strnlen(name, 100), n = strlen(all->name);

	switch (how) {
	case 0:
		name[len - 1] ^= 1;
		break;
	case 1:				/* only the case */
		name[n + 1] ^= 0x20;
		break;
	case 2:
		if (len < 99)
			memcpy(name + len, "x", 2);
		break;
	case 3:				/* that of its neighbour */
		memcpy(name, all->stream.data + all->members[other].at, 100);
		break;
	default:			/* the folder */
		name[0] ^= 1;
		break;
	}
	fix_sum(h);
}

static void add_member(const struct all *all, struct cart_buf *out, unsigned i,
		       unsigned what)
{
	static const char *const paths[ADDITIONS] = {
		"data/e000099-more.json", "data/e000002/00000009.zst", "more",
		"log/000099.jsonl", "keys/session-9.pub", "seal/more.minisig",
		"data/more", "seal/tagmanifest-sha256.txt.asc"
	};
	unsigned char block[2 * BLOCK] = { 0 };
	size_t like = all->members[i < all->n_members ? i : 0].at;

	memcpy(block, all->stream.data + like, BLOCK);
	memset(block, 0, 100);
	snprintf((char *)block, 100, "%s/%s", all->name, paths[what]);
	memcpy(block + 124, "00000000002", 12);
	memcpy(block + BLOCK, "{}", 2);
	fix_sum(block);
	cart_buf_add(out, block, sizeof(block));
}

static void change_members(const struct all *all, const struct change *c,
			   enum kind kind, struct cart_buf *out)
{
	switch (kind) {
	case REMOVE:
		put_before(all, out, c->a);
		put_rest(all, out, c->a + 1);
		break;
	case DOUBLE:
		put_before(all, out, c->b);
		put_member(all, out, c->a);
		put_rest(all, out, c->b);
		break;
	case RENAME:
		put_before(all, out, all->n_members);
		put_rest(all, out, all->n_members);
		rename_member(all, out->data + all->members[c->a].at, c->a,
			      c->b);
		break;
	case SWAP:
		put_before(all, out, c->a);
		put_member(all, out, c->b);
		if (c->a + 1 < c->b)
			put_members(all, out, c->a + 1, c->b);
		put_member(all, out, c->a);
		put_rest(all, out, c->b + 1);
		break;
	default:
		put_before(all, out, c->a);
		add_member(all, out, c->a, c->b);
		put_rest(all, out, c->a);
		break;
	}
}

static void change_stream(const struct all *all, const struct change *c,
			  struct cart_buf *out)
{
	static const unsigned char zeros[3 * BLOCK];

	cart_buf_init(out, (size_t)64 << 20);
	switch (c->kind) {
	case RESEAL_FLIP:
		cart_buf_add(out, all->stream.data, all->stream.len);
		out->data[c->a] ^= (unsigned char)c->b;
		break;
	case RESEAL_CUT:
		cart_buf_add(out, all->stream.data, c->a);
		break;
	case RESEAL_LONGER:
		cart_buf_add(out, all->stream.data, all->stream.len);
		cart_buf_add(out, zeros, c->a);
		break;
	case RESEAL_ONLY:
		cart_buf_add(out, all->stream.data, all->stream.len);
		break;
	default:
		change_members(all, c, c->kind >= RESEAL_REMOVE ?
			       c->kind - RESEAL_REMOVE + REMOVE : c->kind, out);
		break;
	}
	if (!cart_buf_ok(out))
		die("a changed stream", NULL);
}

/* --- files of a worker --- */

static void put_file(struct worker *w, const char *name, const void *data,
		     size_t len)
{
	int fd = openat(w->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC |
			O_CLOEXEC, 0600);
	struct cart_err err = { 0 };

	if (fd < 0 || cart_fd_write(fd, data, len, &err) < 0)
		die(name, &err);
	close(fd);
}

static void put_all(struct worker *w)
{
	unsigned i;

	for (i = 0; i < w->all->n_files; i++)
		put_file(w, w->all->files[i].name, w->all->files[i].data.data,
			 w->all->files[i].data.len);
}

static void put_seal(struct worker *w, const void *data, size_t len)
{
	const struct all *all = w->all;
	unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_err err = { 0 };
	struct cart_blake2b hash;
	struct cart_buf sig;
	unsigned i;

	cart_blake2b_init(&hash);
	cart_blake2b_update(&hash, data, len);
	cart_blake2b_final(&hash, prehash);
	cart_buf_init(&sig, 4096);
	if (cart_minisign_sign(w->signer, prehash, all->outer.untrusted,
			       all->outer.trusted, &sig, &err) < 0)
		die("sign", &err);
	put_file(w, all->files[all->seal].name, data, len);
	put_file(w, all->files[all->sig].name, sig.data, sig.len);
	cart_buf_clear(&sig);
	/* whoever counter-signed will not do it again */
	for (i = all->sig + 1; i < all->n_files; i++)
		unlinkat(w->dirfd, all->files[i].name, 0);
}

static void seal_segment(struct cart_buf *seal, unsigned number,
			 const unsigned char *data, size_t len)
{
	unsigned char digest[CART_SHA256_SIZE], all[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];

	if (len > CHUNK)
		die("the bundle is not small", NULL);
	cart_sha256(data, len, digest);
	cart_sha256(digest, sizeof(digest), all);
	cart_text_hex(digest, sizeof(digest), hex);
	cart_buf_addf(seal, "segment %u %zu ", number, len);
	cart_text_base64(all, sizeof(all), seal);
	cart_buf_addf(seal, "-1\n%s\n", hex);
}

/* Writes the stream in two segments, with the first as long as it was, or in
 * one if there is no more; and, with reseal, seals it. */
static void put_stream(struct worker *w, const struct cart_buf *stream,
		       bool reseal)
{
	const struct all *all = w->all;
	size_t first = all->files[0].data.len, rest;
	struct cart_buf seal;

	if (first > stream->len)
		first = stream->len;
	rest = stream->len - first;
	put_file(w, all->files[0].name, stream->data, first);
	if (rest > 0 || !reseal)
		put_file(w, all->files[1].name, stream->data + first, rest);
	else
		unlinkat(w->dirfd, all->files[1].name, 0);
	if (!reseal)
		return;
	cart_buf_init(&seal, 65536);
	cart_buf_add(&seal, all->files[all->seal].data.data, all->seal_head);
	seal_segment(&seal, 1, stream->data, first);
	if (rest > 0)
		seal_segment(&seal, 2, stream->data + first, rest);
	put_seal(w, seal.data, seal.len);
	cart_buf_clear(&seal);
}

static void put_changed(struct worker *w, const struct change *c)
{
	const struct blob *f;
	struct cart_buf b;

	cart_buf_init(&b, (size_t)64 << 20);
	switch (c->kind) {
	case AS_IT_IS:
	case NO_KEYS:
		break;
	case FLIP:
	case CUT:
	case LONGER:
		f = &w->all->files[c->a];
		cart_buf_add(&b, f->data.data, c->kind == CUT ? c->b :
							       f->data.len);
		if (c->kind == FLIP)
			b.data[c->b] ^= (unsigned char)c->c;
		while (c->kind == LONGER && b.len < f->data.len + c->b)
			cart_buf_addc(&b, '\0');
		put_file(w, f->name, b.data, b.len);
		break;
	case SEAL_FLIP:
		f = &w->all->files[w->all->seal];
		cart_buf_add(&b, f->data.data, f->data.len);
		b.data[c->a] ^= (unsigned char)c->b;
		put_seal(w, b.data, b.len);
		break;
	default:
		change_stream(w->all, c, &b);
		put_stream(w, &b, c->kind >= RESEAL_ONLY);
		break;
	}
	cart_buf_clear(&b);
}

/* --- what must come of it --- */

/* Is this byte of a signature file one that no key signs? */
static bool unsigned_byte(const struct blob *f, size_t at)
{
	const char *lf = memchr(f->data.data, '\n', f->data.len);
	size_t line = (size_t)(lf - (const char *)f->data.data) + 1;

	/* the comment; algorithm and key id, 10 bytes of the base64 */
	return at < line + 14;
}

static bool expected(const struct all *all, const struct change *c, int got)
{
	switch (c->kind) {
	case AS_IT_IS:
	case RESEAL_ONLY:
		return got == CART_VERDICT_VALID;
	case NO_KEYS:
		return got == CART_VERDICT_UNKNOWN;
	case FLIP:
		if (c->a >= all->sig && unsigned_byte(&all->files[c->a], c->b))
			return got == CART_VERDICT_INVALID ||
			       got == CART_VERDICT_UNKNOWN;
		return got == CART_VERDICT_INVALID;
	case SEAL_FLIP:			/* may claim a later version */
		if (c->a < sizeof("crashcart-seal 1"))
			return got == CART_VERDICT_INVALID ||
			       got == CART_VERDICT_UNKNOWN;
		return got == CART_VERDICT_INVALID;
	default:
		return got == CART_VERDICT_INVALID;
	}
}

static bool same_stream(const struct all *all, const struct change *c)
{
	const struct member *a, *b;

	/* a member swapped with one of the same bytes is no change */
	if (c->kind != SWAP && c->kind != RESEAL_SWAP)
		return false;
	a = &all->members[c->a];
	b = &all->members[c->b];
	return a->len == b->len &&
	       memcmp(all->stream.data + a->at, all->stream.data + b->at,
		      a->len) == 0;
}

static void judge(struct worker *w, const struct change *c)
{
	struct all *all = w->all;
	struct cart_verify_options o = {
		.bundle = w->dir,
		.keys = all->keys,
		.n_keys = c->kind == NO_KEYS ? 0 : all->n_keys,
		.threads = 1,
	};
	struct cart_verdict v;
	struct cart_err err = { 0 };
	int got;

	got = cart_verify(&o, &v, &err) < 0 ? 1 : (int)v.kind;
	pthread_mutex_lock(&all->lock);
	all->counts[c->kind]++;
	if (!expected(all, c, got) && !same_stream(all, c) &&
	    all->failures++ < SHOWN_MAX)
		printf("WRONG: %s %u %u %u: %d %s %s\n", kind_name[c->kind],
		       c->a, c->b, c->c, got, got == 1 ? "" : v.rule,
		       got == 1 ? err.text : v.reason);
	pthread_mutex_unlock(&all->lock);
}

static void put_back(struct worker *w, const struct change *c)
{
	const struct blob *f;

	if (c->kind < FLIP || c->kind > LONGER) {
		put_all(w);
		return;
	}
	f = &w->all->files[c->a];
	put_file(w, f->name, f->data.data, f->data.len);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct all *all = w->all;
	size_t i;

	put_all(w);
	for (;;) {
		pthread_mutex_lock(&all->lock);
		i = all->next++;
		pthread_mutex_unlock(&all->lock);
		if (i >= all->n_changes)
			return NULL;
		put_changed(w, &all->changes[i]);
		judge(w, &all->changes[i]);
		put_back(w, &all->changes[i]);
	}
}

static void start_worker(struct worker *w, struct all *all)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct cart_err err = { 0 };

	w->all = all;
	snprintf(w->dir, sizeof(w->dir), "%s/crashcart-mutate.XXXXXX", base);
	if (!mkdtemp(w->dir))
		die(w->dir, NULL);
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->signer = cart_signer_minisign(all->secret.data, all->secret.len,
					 NULL, &err);
	if (!w->signer)
		die("secret key", &err);
	if (pthread_create(&w->thread, NULL, work, w) != 0)
		die("a thread", NULL);
}

static void end_worker(struct worker *w)
{
	unsigned i;

	pthread_join(w->thread, NULL);
	for (i = 0; i < w->all->n_files; i++)
		unlinkat(w->dirfd, w->all->files[i].name, 0);
	close(w->dirfd);
	rmdir(w->dir);
	cart_signer_free(w->signer);
}

/* --- options --- */

static void add_key(struct all *all, const char *text)
{
	struct cart_err err = { 0 };

	if (all->n_keys == KEYS_MAX ||
	    cart_minisign_parse_public(text, strlen(text),
				       &all->keys[all->n_keys++], &err) < 0)
		die(text, &err);
}

static void add_masks(struct all *all, const char *text)
{
	char *end;

	for (all->n_masks = 0; *text && all->n_masks < 8; text = end) {
		all->masks[all->n_masks++] = (unsigned)strtoul(text, &end, 16);
		end += *end == ',';
	}
}

static void read_secret(struct all *all, const char *path)
{
	struct cart_err err = { 0 };
	struct cart_signer *s;

	cart_buf_init(&all->secret, 4096);
	if (cart_file_read(AT_FDCWD, path, &all->secret, &err) < 0)
		die(path, &err);
	s = cart_signer_minisign(all->secret.data, all->secret.len, NULL, &err);
	if (!s)
		die(path, &err);
	all->keys[0] = s->public_key;
	cart_signer_free(s);
}

int main(int argc, char **argv)
{
	static struct all all = { .n_keys = 1, .masks = { 1, 0x20, 0x80 },
				  .n_masks = 3 };
	static struct worker workers[THREADS_MAX];
	unsigned n = 2, i;
	int letter;

	while ((letter = getopt(argc, argv, "k:j:b:")) != -1) {
		if (letter == 'k')
			add_key(&all, optarg);
		else if (letter == 'j')
			n = (unsigned)strtoul(optarg, NULL, 10);
		else if (letter == 'b')
			add_masks(&all, optarg);
		else
			return 2;
	}
	if (argc - optind != 3 || n < 1 || n > THREADS_MAX)
		return 2;
	all.name = argv[optind + 1];
	pthread_mutex_init(&all.lock, NULL);
	read_secret(&all, argv[optind + 2]);
	load(&all, argv[optind]);
	plan(&all, AS_IT_IS, 0, 0, 0);
	plan(&all, NO_KEYS, 0, 0, 0);
	plan(&all, RESEAL_ONLY, 0, 0, 0);
	plan_members(&all, 0);
	plan_members(&all, RESEAL_REMOVE - REMOVE);
	plan_bytes(&all);
	for (i = 0; i < n; i++)
		start_worker(&workers[i], &all);
	for (i = 0; i < n; i++)
		end_worker(&workers[i]);
	for (i = 0; i < KINDS; i++)
		printf("%8zu  %s\n", all.counts[i], kind_name[i]);
	printf("%8zu  in all, of %u files, %u members, %zu bytes; %zu wrong\n",
	       all.n_changes, all.n_files, all.n_members, all.stream.len,
	       all.failures);
	return all.failures ? 1 : 0;
}
