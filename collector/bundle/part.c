/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bundle_internal.h"

/*
 * Parts are compressed and hashed by the pool.  A job works with one of few
 * workers: a compressor and a scratch buffer as large as a part's.  It
 * compresses from the part's buffer into the scratch, then swaps the two, so
 * that a part never needs two buffers of the budget.
 */
struct cart_worker {
	struct cart_worker *next;
	struct cart_zstd *zstd;
	unsigned char *scratch;
};

#define PAGE_BYTES ((size_t)4096)

size_t cart_part_bytes(void)
{
	return (cart_zstd_bound(CART_PART_SIZE) + PAGE_BYTES - 1) /
	       PAGE_BYTES * PAGE_BYTES;
}

void *cart_part_map(void)
{
	void *p = mmap(NULL, cart_part_bytes(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* halves the time that an image spends in the kernel */
	madvise(p, cart_part_bytes(), MADV_HUGEPAGE);
	return p;
}

void cart_part_unmap(void *p, size_t mapped)
{
	munmap(p, mapped);
}

static void free_worker(struct cart_worker *w)
{
	if (w->scratch)
		cart_part_unmap(w->scratch, cart_part_bytes());
	cart_zstd_free(w->zstd);
	free(w);
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
	w->scratch = w->zstd ? cart_part_map() : NULL;
	if (!w->scratch) {
		if (w->zstd)
			cart_err_nomem(err);
		free_worker(w);
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

void cart_workers_free(struct cart_bundle *b)
{
	struct cart_worker *w;

	while ((w = b->workers)) {
		b->workers = w->next;
		free_worker(w);
	}
}

/* Gives the pages and the budget behind the end of the data back. */
static void shrink(struct cart_bundle *b, struct cart_ticket *t)
{
	size_t keep = (t->len + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;

	if (keep >= t->mapped ||
	    mremap(t->data, t->mapped, keep, 0) != t->data)
		return;
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
	unsigned char *old = t->data;
	size_t n;
	int rc;

	if (!w)
		return -1;
	rc = cart_zstd_compress(w->zstd, t->data, t->len, w->scratch,
				cart_part_bytes(), &n, err);
	if (rc == 0) {
		t->data = w->scratch;
		w->scratch = old;
		t->len = n;
	}
	put_worker(b, w);
	if (rc == 0)
		shrink(b, t);
	return rc;
}

static int finish(struct cart_bundle *b, struct cart_ticket *t,
		  struct cart_err *err)
{
	char path[CART_MEMBER_PATH_SIZE];
	struct cart_buf tail;

	if (t->piece.form != MEMBER_BIN && compress(b, t, err) < 0)
		return -1;
	cart_sha256(t->data, t->len, t->sha256);
	cart_index_path(&b->index, t->id, path);
	cart_buf_init(&tail, TAIL_MAX);
	cart_tail_part(&tail, t->step, &t->piece, path, t->len, t->sha256);
	if (cart_buf_check(&tail, "part line", err) < 0) {
		cart_buf_clear(&tail);
		return -1;
	}
	t->line.text = cart_buf_steal(&tail, &t->line.len);
	return 0;
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
