/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>

#include "bundle_internal.h"

/*
 * From members to the sink: headers and padding, chunks and their digests,
 * segments.  A segment ends only when a further byte is to be written, so
 * that none is empty.  Encrypted, each segment is an age file of its own, cut
 * between two blocks of the tar.
 */

/* What goes at once: the sink copies it while it is in the cache of the core
 * that hashed it, and a rate is kept evenly. */
#define SLICE_BYTES ((size_t)256 << 10)

static const unsigned char zeros[2 * TAR_BLOCK];

int cart_stream_add_segment(struct cart_stream *s, struct cart_err *err)
{
	size_t cap = s->segment_cap ? 2 * s->segment_cap : 16;
	struct cart_segment *segment;

	if (s->n_segments == SEGMENTS_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "the bundle has %u segments, and cannot "
				    "have more", SEGMENTS_MAX);
	if (s->n_segments == s->segment_cap) {
		segment = realloc(s->segment, cap * sizeof(*segment));
		if (!segment)
			return cart_err_nomem(err);
		s->segment = segment;
		s->segment_cap = cap;
	}
	segment = &s->segment[s->n_segments++];
	memset(segment, 0, sizeof(*segment));
	segment->first_chunk = s->chunks.n;
	return 0;
}

int cart_stream_init(struct cart_stream *s, struct cart_sink *sink,
		     const char *name, uint64_t mtime, uint64_t segment_bytes,
		     struct cart_err *err)
{
	memset(s, 0, sizeof(*s));
	s->sink = sink;
	memcpy(s->name, name, strlen(name) + 1);
	s->mtime = mtime;
	s->segment_chunks = segment_bytes / CHUNK_BYTES;
	if (segment_bytes == 0 || s->segment_chunks > CHUNKS_MAX)
		s->segment_chunks = CHUNKS_MAX;
	if (s->segment_chunks == 0)
		s->segment_chunks = 1;
	/* going on is possible only behind a whole log part */
	if (sink->state_first) {
		s->soft_bytes = s->segment_chunks * CHUNK_BYTES;
		s->segment_chunks = CHUNKS_MAX;
	}
	cart_blocks_init(&s->chunks, CART_SHA256_SIZE);
	s->pairs = cart_sha256_init_pair(&s->chunk_sha);
	cart_sha256_init(&s->member_sha);
	s->stage = malloc(STAGE_BYTES);
	if (!s->stage)
		return cart_err_nomem(err);
	return 0;
}

void cart_segment_name(const char *name, size_t number, bool encrypted,
		       char *out, size_t size)
{
	const char *end = encrypted ? ".age" : "";

	if (number == 1)
		snprintf(out, size, "%s.tar%s", name, end);
	else
		snprintf(out, size, "%s.tar.%03zu%s", name, number, end);
}

void cart_stream_clear(struct cart_stream *s)
{
	cart_age_writer_free(s->age);
	s->age = NULL;
	free(s->segment);
	free(s->stage);
	cart_blocks_clear(&s->chunks);
	cart_sha256_clear(&s->chunk_sha);
	cart_sha256_clear(&s->member_sha);
	s->segment = NULL;
	s->stage = NULL;
}

int cart_stream_flush(struct cart_stream *s, struct cart_err *err)
{
	size_t n = s->staged;

	s->staged = 0;
	return n ? s->sink->write(s->sink, s->stage, n, err) : 0;
}

static int end_chunk(struct cart_stream *s, struct cart_err *err)
{
	unsigned char *digest;

	if (cart_stream_flush(s, err) < 0)
		return -1;
	digest = cart_blocks_add(&s->chunks);
	if (!digest)
		return cart_err_nomem(err);
	cart_sha256_final(&s->chunk_sha, digest);
	cart_sha256_init_pair(&s->chunk_sha);
	s->chunk_fill = 0;
	s->segment[s->n_segments - 1].n_chunks++;
	if (s->sink->chunk)
		return s->sink->chunk(s->sink, digest, err);
	return 0;
}

static int next_segment(struct cart_stream *s, struct cart_err *err)
{
	if (s->closed && s->sink->state_first &&
	    s->closed(s->closed_arg, err) < 0)
		return -1;
	if (cart_stream_add_segment(s, err) < 0 ||
	    s->sink->segment(s->sink, (unsigned)s->n_segments, err) < 0)
		return -1;
	return s->closed && !s->sink->state_first ?
		s->closed(s->closed_arg, err) : 0;
}

static int end_age(struct cart_stream *s, struct cart_err *err)
{
	if (!s->age_open)
		return 0;
	s->age_open = false;
	return cart_age_end(s->age, err);
}

int cart_stream_cut(struct cart_stream *s, struct cart_err *err)
{
	if (s->segment[s->n_segments - 1].length == 0)
		return 0;
	if (end_age(s, err) < 0)
		return -1;
	if (s->chunk_fill > 0 && end_chunk(s, err) < 0)
		return -1;
	return next_segment(s, err);
}

/* Gathers small pieces, so that the sink sees few calls. */
static int to_sink(struct cart_stream *s, const void *data, size_t len,
		   struct cart_err *err)
{
	if (len > STAGE_BYTES - s->staged && cart_stream_flush(s, err) < 0)
		return -1;
	if (len >= STAGE_BYTES)
		return s->sink->write(s->sink, data, len, err);
	memcpy(s->stage + s->staged, data, len);
	s->staged += len;
	return 0;
}

/* Bytes as they are stored.  with: a digest that gets them too, or NULL. */
static int put_stored(struct cart_stream *s, const void *data, size_t len,
		      struct cart_sha256 *with, struct cart_err *err)
{
	const unsigned char *p = data;
	struct cart_segment *segment;
	size_t n;

	while (len > 0) {
		segment = &s->segment[s->n_segments - 1];
		if (s->chunk_fill == 0 &&
		    segment->n_chunks >= s->segment_chunks) {
			if (next_segment(s, err) < 0)
				return -1;
			segment = &s->segment[s->n_segments - 1];
		}
		n = len;
		if (n > CHUNK_BYTES - s->chunk_fill)
			n = (size_t)(CHUNK_BYTES - s->chunk_fill);
		if (n > SLICE_BYTES)
			n = SLICE_BYTES;
		if (s->pace)
			s->pace(s->pace_arg, n);
		if (segment->length == 0)
			s->segment_since_ns = cart_clock_mono_ns();
		if (with)
			cart_sha256_update_both(&s->chunk_sha, with, p, n);
		else
			cart_sha256_update(&s->chunk_sha, p, n);
		if (to_sink(s, p, n, err) < 0)
			return -1;
		s->chunk_fill += n;
		s->total += n;
		segment->length += n;
		p += n;
		len -= n;
		if (s->chunk_fill == CHUNK_BYTES && end_chunk(s, err) < 0)
			return -1;
	}
	return 0;
}

static int put_age(void *arg, const void *data, size_t len,
		   struct cart_err *err)
{
	return put_stored(arg, data, len, NULL, err);
}

int cart_stream_encrypt(struct cart_stream *s,
			const struct cart_age_recipients *to,
			struct cart_err *err)
{
	if (s->soft_bytes)
		s->segment_chunks = s->soft_bytes / CHUNK_BYTES;
	s->soft_bytes = 0;
	s->pairs = false;
	s->age = cart_age_writer_new(to, put_age, s, err);
	return s->age ? 0 : -1;
}

static int begin_age(struct cart_stream *s, struct cart_err *err)
{
	/* whole blocks of the tar, so that a log part and its padding are in
	 * one segment */
	s->age_left = cart_age_plain_max(s->age, s->segment_chunks *
						 CHUNK_BYTES) /
		      TAR_BLOCK * TAR_BLOCK;
	s->age_open = true;
	return cart_age_begin(s->age, err);
}

/* Bytes of the tar.  with: as above. */
static int put_with(struct cart_stream *s, const void *data, size_t len,
		    struct cart_sha256 *with, struct cart_err *err)
{
	const unsigned char *p = data;
	size_t n;

	if (!s->age)
		return put_stored(s, data, len, with, err);
	if (with)
		cart_sha256_update(with, data, len);
	while (len > 0) {
		if (s->age_open && s->age_left == 0 &&
		    cart_stream_cut(s, err) < 0)
			return -1;
		if (!s->age_open && begin_age(s, err) < 0)
			return -1;
		n = len < s->age_left ? len : (size_t)s->age_left;
		if (cart_age_write(s->age, p, n, err) < 0)
			return -1;
		s->age_left -= n;
		p += n;
		len -= n;
	}
	return 0;
}

static int put(struct cart_stream *s, const void *data, size_t len,
	       struct cart_err *err)
{
	return put_with(s, data, len, NULL, err);
}

static int put_header(struct cart_stream *s, const char *path, uint64_t size,
		      struct cart_err *err)
{
	unsigned char header[TAR_BLOCK];

	if (cart_tar_header(s->name, path, size, s->mtime, header) < 0)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "%s: cannot be a member", path);
	return put(s, header, sizeof(header), err);
}

int cart_stream_member(struct cart_stream *s, const char *path,
		       const void *data, size_t len, struct cart_err *err)
{
	if (put_header(s, path, len, err) < 0 || put(s, data, len, err) < 0)
		return -1;
	return put(s, zeros, cart_tar_padding(len), err);
}

int cart_stream_begin(struct cart_stream *s, const char *path, uint64_t size,
		      struct cart_err *err)
{
	cart_sha256_clear(&s->member_sha);
	cart_sha256_init_pair(&s->member_sha);
	s->member_left = s->member_size = size;
	return put_header(s, path, size, err);
}

int cart_stream_data(struct cart_stream *s, const void *data, size_t len,
		     struct cart_err *err)
{
	if (len > s->member_left)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "a member is longer than its header says");
	s->member_left -= len;
	return put_with(s, data, len, &s->member_sha, err);
}

int cart_stream_end(struct cart_stream *s,
		    unsigned char ret_sha256[CART_SHA256_SIZE],
		    struct cart_err *err)
{
	if (s->member_left)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "a member is shorter than its header says");
	cart_sha256_final(&s->member_sha, ret_sha256);
	cart_sha256_init(&s->member_sha);
	return put(s, zeros, cart_tar_padding(s->member_size), err);
}

int cart_stream_finish(struct cart_stream *s, struct cart_err *err)
{
	if (put(s, zeros, 2 * TAR_BLOCK, err) < 0 || end_age(s, err) < 0)
		return -1;
	return s->chunk_fill > 0 ? end_chunk(s, err) : 0;
}
