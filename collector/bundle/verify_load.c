/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <crashcart/fdio.h>

#include "read_internal.h"

/*
 * Chunks are read and hashed ahead by the crew, each into a buffer of its
 * own, and given out in order once their digests are right.  A buffer comes
 * back when the last member that lies in it was hashed.
 */

/*
 * One a thread, in bounded memory: 24 MiB and the program's own pages.  Few
 * are enough, since the digest of a member is one chain: while one thread works
 * on it, another reads the chunk after.  One more is decrypted meanwhile.
 */
#define BUFFERS_MIN 2u
#define BUFFERS_MAX 3u
#define PIPE_POLL_MS 200
#define HUGE_BYTES ((size_t)2 << 20)
#define PIECE ((size_t)1 << 20)

struct cart_loader {
	struct cart_loader_options o;
	size_t n_segments;
	uint64_t total;
	/* below: under the crew's lock */
	size_t segment;			/* what is read next */
	uint64_t offset;
	size_t number;
	bool reading;			/* a pipe: one job at a time */
	bool stopping;
	struct cart_chunk *chunks;	/* all buffers */
	unsigned n_chunks;
	struct cart_chunk **free;	/* stack */
	unsigned n_free;
	struct cart_chunk **ring;	/* issued, in order */
	unsigned first, n_issued;
};

static uint64_t segment_length(const struct cart_loader *l, size_t i)
{
	return l->o.seal ? l->o.seal->segments[i].length :
			   l->o.input->lengths[i];
}

/* Reads what comes from a pipe; stops early if nobody wants it any more. */
static ssize_t pipe_read(struct cart_loader *l, unsigned char *data, size_t len,
			 struct cart_err *err)
{
	struct pollfd p = { .fd = l->o.input->pipe_fd, .events = POLLIN };
	size_t done = 0;
	bool stopping;
	ssize_t n;

	while (done < len) {
		pthread_mutex_lock(&l->o.crew->lock);
		stopping = l->stopping;
		pthread_mutex_unlock(&l->o.crew->lock);
		if (stopping)
			break;
		n = poll(&p, 1, PIPE_POLL_MS);
		if (n == 0 || (n < 0 && errno == EINTR))
			continue;
		n = read(p.fd, data + done, len - done);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return cart_err_errno(err, errno, "standard input");
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static void pump(struct cart_loader *l);

/* Chunks of a pipe are read one after the other, in order. */
static int pipe_turn(struct cart_chunk *c)
{
	struct cart_loader *l = c->loader;
	ssize_t n = pipe_read(l, c->data, c->want, &c->err);

	pthread_mutex_lock(&l->o.crew->lock);
	l->reading = false;
	pump(l);
	pthread_mutex_unlock(&l->o.crew->lock);
	if (n > 0)
		c->len = (size_t)n;
	return n < 0 ? -1 : 0;
}

/* Hashes what was just read, while it is in the cache. */
static int file_read(struct cart_chunk *c, struct cart_sha256 *sha)
{
	const struct cart_input *in = c->loader->o.input;
	struct cart_input_segment s;
	ssize_t n;

	if (cart_input_segment(in, c->segment, &s, &c->err) < 0)
		return -1;
	do {
		n = cart_input_pread(in, &s, c->data + c->len,
				     c->want - c->len < PIECE ?
				     c->want - c->len : PIECE,
				     c->offset + c->len, &c->err);
		if (n > 0) {
			cart_sha256_update(sha, c->data + c->len, (size_t)n);
			c->len += (size_t)n;
		}
	} while (n > 0 && c->len < c->want);
	cart_input_segment_close(&s);
	return n < 0 ? -1 : 0;
}

static int read_chunk(struct cart_chunk *c, struct cart_sha256 *sha)
{
	c->len = 0;
	if (c->loader->o.input->pipe_fd < 0)
		return file_read(c, sha);
	if (pipe_turn(c) < 0)
		return -1;
	cart_sha256_update(sha, c->data, c->len);
	return 0;
}

static int load(struct cart_chunk *c)
{
	const struct cart_seal *seal = c->loader->o.seal;
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_sha256 sha;
	int rc;

	cart_sha256_init(&sha);
	rc = read_chunk(c, &sha);
	cart_sha256_final(&sha, sha256);
	if (rc < 0)
		return -1;
	if (c->len < c->want)
		return cart_rule(&c->err, 22, "segment %zu is shorter than it "
				 "must be", c->segment + 1);
	if (seal && memcmp(sha256, seal->chunks[c->number],
			   sizeof(sha256)) != 0)
		return cart_rule(&c->err, 22, "the chunk of segment %zu at "
				 "offset %" PRIu64 " is not as sealed",
				 c->segment + 1, c->offset);
	return 0;
}

static void run_load(struct cart_job *j)
{
	struct cart_chunk *c = (struct cart_chunk *)(void *)j;
	struct cart_crew *crew = c->loader->o.crew;
	int rc = load(c);

	pthread_mutex_lock(&crew->lock);
	c->rc = rc;
	c->done = true;
	pthread_cond_broadcast(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
}

static bool make_room(struct cart_chunk *c, size_t want)
{
	if (c->cap >= want)
		return true;
	free(c->data);
	c->data = want <= SIZE_MAX - HUGE_BYTES ?
		aligned_alloc(HUGE_BYTES, (want + HUGE_BYTES - 1) /
			      HUGE_BYTES * HUGE_BYTES) : NULL;
	c->cap = c->data ? want : 0;
	/* fewer faults, and the kernel copies into it faster */
	if (c->data && want >= HUGE_BYTES)
		madvise(c->data, want / HUGE_BYTES * HUGE_BYTES, MADV_HUGEPAGE);
	return c->data != NULL;
}

/* With the lock held: issues reads while there are buffers. */
static void pump(struct cart_loader *l)
{
	struct cart_chunk *c;
	uint64_t left;
	size_t want;

	while (l->n_free > 0 && l->segment < l->n_segments && !l->stopping &&
	       !l->reading) {
		left = segment_length(l, l->segment) - l->offset;
		if (left == 0) {
			l->segment++;
			l->offset = 0;
			continue;
		}
		want = left < CHUNK_BYTES ? (size_t)left : (size_t)CHUNK_BYTES;
		c = l->free[--l->n_free];
		c->rc = make_room(c, want) ? 0 : cart_err_nomem(&c->err);
		c->done = c->rc < 0;
		c->want = want;
		c->number = l->number++;
		c->segment = l->segment;
		c->offset = l->offset;
		c->refs = 1;
		l->offset += want;
		l->ring[(l->first + l->n_issued++) % l->n_chunks] = c;
		if (c->done)
			continue;
		l->reading = l->o.input->pipe_fd >= 0;
		cart_pool_submit(l->o.crew->pool, &c->job);
	}
}

static int allocate(struct cart_loader *l, unsigned buffers,
		    struct cart_err *err)
{
	unsigned i;

	l->chunks = calloc(buffers, sizeof(*l->chunks));
	l->free = calloc(buffers, sizeof(struct cart_chunk *));
	l->ring = calloc(buffers, sizeof(struct cart_chunk *));
	if (!l->chunks || !l->free || !l->ring)
		return cart_err_nomem(err);
	l->n_chunks = buffers;
	for (i = 0; i < buffers; i++) {
		l->chunks[i].loader = l;
		l->chunks[i].job.run = run_load;
		l->free[l->n_free++] = &l->chunks[i];
	}
	return 0;
}

struct cart_loader *cart_loader_new(const struct cart_loader_options *o,
				    struct cart_err *err)
{
	struct cart_loader *l = calloc(1, sizeof(*l));
	unsigned buffers = cart_pool_threads(o->crew->pool) +
			   (o->input->encrypted ? 1 : 0);
	size_t i;

	if (buffers < BUFFERS_MIN)
		buffers = BUFFERS_MIN;
	if (buffers > BUFFERS_MAX)
		buffers = BUFFERS_MAX;
	if (!l || allocate(l, buffers, err) < 0) {
		cart_err_nomem(err);
		if (l)
			l->o.crew = o->crew;
		cart_loader_free(l);
		return NULL;
	}
	l->o = *o;
	l->n_segments = o->seal ? o->seal->n_segments : o->input->n_segments;
	for (i = 0; i < l->n_segments; i++)
		l->total += segment_length(l, i);
	pthread_mutex_lock(&o->crew->lock);
	pump(l);
	pthread_mutex_unlock(&o->crew->lock);
	return l;
}

void cart_loader_free(struct cart_loader *l)
{
	unsigned i;

	if (!l)
		return;
	pthread_mutex_lock(&l->o.crew->lock);
	l->stopping = true;
	for (i = 0; i < l->n_issued; i++)
		cart_crew_wait(l->o.crew,
			       &l->ring[(l->first + i) % l->n_chunks]->done);
	pthread_mutex_unlock(&l->o.crew->lock);
	for (i = 0; i < l->n_chunks; i++)
		free(l->chunks[i].data);
	free(l->chunks);
	free(l->free);
	free(l->ring);
	free(l);
}

/* Nothing may follow what the seal lists. */
static int pipe_end(struct cart_loader *l, struct cart_err *err)
{
	unsigned char extra;
	ssize_t n;

	if (l->o.input->pipe_fd < 0)
		return 0;
	n = pipe_read(l, &extra, 1, err);
	if (n > 0)
		return cart_rule(err, 22, "the stream is longer than sealed");
	return n < 0 ? -1 : 0;
}

int cart_loader_next(struct cart_loader *l, struct cart_chunk **ret,
		     struct cart_err *err)
{
	struct cart_chunk *c;

	pthread_mutex_lock(&l->o.crew->lock);
	/* members in the way are being hashed: their buffers come back */
	pump(l);
	while (l->n_issued == 0 && l->segment < l->n_segments) {
		pthread_cond_wait(&l->o.crew->changed, &l->o.crew->lock);
		pump(l);
	}
	if (l->n_issued == 0) {
		pthread_mutex_unlock(&l->o.crew->lock);
		return pipe_end(l, err);
	}
	c = l->ring[l->first];
	cart_crew_wait(l->o.crew, &c->done);
	l->first = (l->first + 1) % l->n_chunks;
	l->n_issued--;
	pthread_mutex_unlock(&l->o.crew->lock);
	if (c->rc < 0) {
		*err = c->err;
		cart_chunk_unref(c);
		return -1;
	}
	*ret = c;
	return 1;
}

void cart_chunk_ref(struct cart_chunk *c)
{
	pthread_mutex_lock(&c->loader->o.crew->lock);
	c->refs++;
	pthread_mutex_unlock(&c->loader->o.crew->lock);
}

void cart_chunk_unref(struct cart_chunk *c)
{
	struct cart_loader *l = c->loader;

	pthread_mutex_lock(&l->o.crew->lock);
	if (--c->refs == 0) {
		l->free[l->n_free++] = c;
		pump(l);
		pthread_cond_broadcast(&l->o.crew->changed);
	}
	pthread_mutex_unlock(&l->o.crew->lock);
}

uint64_t cart_loader_total(const struct cart_loader *l)
{
	return l->total;
}

/* --- members --- */

#define INLINE_MAX ((size_t)64 << 10)
#define SLICES 16u

struct slice {
	struct cart_chunk *chunk;
	const unsigned char *data;
	size_t len;
};

struct cart_member_hash {
	struct cart_job job;
	struct cart_crew *crew;
	struct cart_sha256 sha;		/* whoever runs the job */
	/* below: under the crew's lock */
	struct slice slices[SLICES];
	unsigned first, n;
	bool idle;			/* not queued, not running */
	bool room;
};

static void run_hash(struct cart_job *j)
{
	struct cart_member_hash *h = (struct cart_member_hash *)(void *)j;
	struct slice s;

	for (;;) {
		pthread_mutex_lock(&h->crew->lock);
		if (h->n == 0)
			break;
		s = h->slices[h->first];
		h->first = (h->first + 1) % SLICES;
		h->n--;
		h->room = true;
		pthread_cond_broadcast(&h->crew->changed);
		pthread_mutex_unlock(&h->crew->lock);
		cart_sha256_update(&h->sha, s.data, s.len);
		cart_chunk_unref(s.chunk);
	}
	h->idle = true;
	pthread_cond_broadcast(&h->crew->changed);
	pthread_mutex_unlock(&h->crew->lock);
}

struct cart_member_hash *cart_member_hash_new(struct cart_crew *crew,
					      struct cart_err *err)
{
	struct cart_member_hash *h = calloc(1, sizeof(*h));

	if (!h) {
		cart_err_nomem(err);
		return NULL;
	}
	h->job.run = run_hash;
	h->crew = crew;
	h->idle = h->room = true;
	cart_sha256_init(&h->sha);
	return h;
}

static void settle(struct cart_member_hash *h)
{
	pthread_mutex_lock(&h->crew->lock);
	cart_crew_wait(h->crew, &h->idle);
	pthread_mutex_unlock(&h->crew->lock);
}

void cart_member_hash_free(struct cart_member_hash *h)
{
	if (!h)
		return;
	settle(h);
	cart_sha256_clear(&h->sha);
	free(h);
}

void cart_member_hash_add(struct cart_member_hash *h, struct cart_chunk *chunk,
			  const unsigned char *data, size_t len)
{
	bool now;

	pthread_mutex_lock(&h->crew->lock);
	now = !chunk || (len < INLINE_MAX && h->idle);
	if (now) {
		cart_crew_wait(h->crew, &h->idle);
		pthread_mutex_unlock(&h->crew->lock);
		cart_sha256_update(&h->sha, data, len);
		return;
	}
	cart_crew_wait(h->crew, &h->room);
	h->slices[(h->first + h->n++) % SLICES] =
		(struct slice){ chunk, data, len };
	h->room = h->n < SLICES;
	chunk->refs++;
	if (h->idle) {
		h->idle = false;
		cart_pool_submit(h->crew->pool, &h->job);
	}
	pthread_mutex_unlock(&h->crew->lock);
}

void cart_member_hash_end(struct cart_member_hash *h,
			  unsigned char ret_sha256[CART_SHA256_SIZE])
{
	settle(h);
	cart_sha256_final(&h->sha, ret_sha256);
}
