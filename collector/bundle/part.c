/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bundle_internal.h"

/*
 * Parts are compressed and hashed by the pool.  A job compresses from the
 * part's buffer into another, and the first goes back.  Buffers of full size
 * are kept for the next part: to have fresh pages zeroed and mapped costs half
 * as much as a digest of them.
 */
struct cart_worker {
	struct cart_worker *next;
	struct cart_zstd *zstd;
};

#define PAGE_BYTES ((size_t)4096)
/* Up to here buffers are kept: what the budget lets in, and what two jobs
 * compress into. */
#define KEEP_BYTES ((size_t)42 << 20)

/* What stands in a buffer that nobody uses. */
struct spare {
	struct spare *next;
};

size_t cart_part_bytes(void)
{
	return (cart_zstd_bound(CART_PART_SIZE) + PAGE_BYTES - 1) /
	       PAGE_BYTES * PAGE_BYTES;
}

/* Under the lock. */
static struct spare *pop_spare(struct cart_bundle *b)
{
	struct spare *s = b->spares;

	if (s)
		b->spares = s->next;
	return s;
}

static void drop_spares(struct cart_bundle *b, size_t keep)
{
	struct spare *s = NULL;

	do {
		if (s)
			munmap(s, cart_part_bytes());
		pthread_mutex_lock(&b->lock);
		s = b->mapped > keep ? pop_spare(b) : NULL;
		if (s)
			b->mapped -= cart_part_bytes();
		pthread_mutex_unlock(&b->lock);
	} while (s);
}

void *cart_part_map(struct cart_bundle *b, size_t bytes)
{
	void *p = NULL;

	pthread_mutex_lock(&b->lock);
	if (bytes == cart_part_bytes())
		p = pop_spare(b);
	if (!p)
		b->mapped += bytes;
	pthread_mutex_unlock(&b->lock);
	if (p)
		return p;
	drop_spares(b, KEEP_BYTES);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		pthread_mutex_lock(&b->lock);
		b->mapped -= bytes;
		pthread_mutex_unlock(&b->lock);
		return NULL;
	}
	/* halves the time that an image spends in the kernel */
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void cart_part_unmap(struct cart_bundle *b, void *p, size_t bytes)
{
	struct spare *s = p;
	bool keep;

	pthread_mutex_lock(&b->lock);
	keep = bytes == cart_part_bytes() && b->mapped <= KEEP_BYTES;
	if (keep) {
		s->next = b->spares;
		b->spares = s;
	} else {
		b->mapped -= bytes;
	}
	pthread_mutex_unlock(&b->lock);
	if (!keep)
		munmap(p, bytes);
}

static struct cart_worker *get_worker(struct cart_bundle *b,
				      struct cart_err *err)
{
	struct cart_worker *w;

	pthread_mutex_lock(&b->lock);
	w = b->workers;
	if (w)
		b->workers = w->next;
	pthread_mutex_unlock(&b->lock);
	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w) {
		cart_err_nomem(err);
		return NULL;
	}
	w->zstd = cart_zstd_new(b->level, err);
	if (!w->zstd) {
		free(w);
		return NULL;
	}
	return w;
}

static void put_worker(struct cart_bundle *b, struct cart_worker *w)
{
	pthread_mutex_lock(&b->lock);
	w->next = b->workers;
	b->workers = w;
	pthread_mutex_unlock(&b->lock);
}

void cart_parts_free(struct cart_bundle *b)
{
	struct cart_worker *w;

	while ((w = b->workers)) {
		b->workers = w->next;
		cart_zstd_free(w->zstd);
		free(w);
	}
	drop_spares(b, 0);
}

/* Exchanges the data of t for what it was compressed to, n bytes in a buffer
 * of full size: into one that is no larger than it needs, if that gives much
 * back to the budget. */
static void exchange(struct cart_bundle *b, struct cart_ticket *t,
		     unsigned char *made, size_t n)
{
	size_t keep = (n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	unsigned char *old = t->data, *small = NULL;

	if (keep <= CART_PART_SIZE / 4 * 3)
		small = cart_part_map(b, keep);
	t->len = n;
	t->data = small ? small : made;
	if (!small) {
		cart_part_unmap(b, old, t->mapped);
		return;
	}
	memcpy(small, made, n);
	cart_part_unmap(b, made, cart_part_bytes());
	cart_part_unmap(b, old, t->mapped);
	t->mapped = keep;
	if (t->charge > keep) {
		cart_budget_give(b->budget, t->charge - keep);
		t->charge = keep;
	}
}

static int compress(struct cart_bundle *b, struct cart_ticket *t,
		    struct cart_err *err)
{
	struct cart_worker *w = get_worker(b, err);
	unsigned char *made;
	size_t n;
	int rc;

	if (!w)
		return -1;
	made = cart_part_map(b, cart_part_bytes());
	rc = made ? cart_zstd_compress(w->zstd, t->data, t->len, made,
				       cart_part_bytes(), &n, err) :
		    cart_err_nomem(err);
	put_worker(b, w);
	if (rc == 0)
		exchange(b, t, made, n);
	else if (made)
		cart_part_unmap(b, made, cart_part_bytes());
	return rc;
}

int cart_part_line(struct cart_ticket *t, struct cart_err *err)
{
	char path[CART_MEMBER_PATH_SIZE];
	struct cart_buf tail;

	cart_index_path(&t->b->index, t->id, path);
	cart_buf_init(&tail, TAIL_MAX);
	cart_tail_part(&tail, t->step, &t->piece, path, t->len, t->sha256);
	if (cart_buf_check(&tail, "part line", err) < 0) {
		cart_buf_clear(&tail);
		return -1;
	}
	free(t->line.text);
	t->line.text = cart_buf_steal(&tail, &t->line.len);
	return 0;
}

static int finish(struct cart_bundle *b, struct cart_ticket *t,
		  struct cart_err *err)
{
	if (t->piece.form != MEMBER_BIN && compress(b, t, err) < 0)
		return -1;
	/* with the chunk's it costs the writer nothing */
	t->unhashed = b->stream.pairs;
	if (!t->unhashed)
		cart_sha256(t->data, t->len, t->sha256);
	return cart_part_line(t, err);
}

void cart_part_run(struct cart_job *job)
{
	struct cart_ticket *t = (void *)((char *)job -
					 offsetof(struct cart_ticket, job));
	struct cart_bundle *b = t->b;
	struct cart_err err;

	if (cart_bundle_failed(b, NULL) == 0 && finish(b, t, &err) < 0)
		cart_bundle_fail(b, &err);
	pthread_mutex_lock(&b->lock);
	t->ready = true;
	if (t == b->head)
		pthread_cond_signal(&b->head_ready);
	pthread_mutex_unlock(&b->lock);
}
