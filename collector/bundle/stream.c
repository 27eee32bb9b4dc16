/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>

#include "bundle_internal.h"

/*
 * From members to the sink: headers and padding, chunks and their digests,
 * segments.  A segment ends only when a further byte is to be written, so
 * that none is empty.
 */

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
	cart_blocks_init(&s->chunks, CART_SHA256_SIZE);
	cart_sha256_init(&s->chunk_sha);
	cart_sha256_init(&s->member_sha);
	s->stage = malloc(STAGE_BYTES);
	if (!s->stage)
		return cart_err_nomem(err);
	return 0;
}

void cart_stream_clear(struct cart_stream *s)
{
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
	cart_sha256_init(&s->chunk_sha);
	s->chunk_fill = 0;
	s->segment[s->n_segments - 1].n_chunks++;
	if (s->sink->chunk)
		return s->sink->chunk(s->sink, digest, err);
	return 0;
}

static int next_segment(struct cart_stream *s, struct cart_err *err)
{
	if (cart_stream_add_segment(s, err) < 0)
		return -1;
	return s->sink->segment(s->sink, (unsigned)s->n_segments, err);
}

int cart_stream_cut(struct cart_stream *s, struct cart_err *err)
{
	if (s->segment[s->n_segments - 1].length == 0)
		return 0;
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

static int put(struct cart_stream *s, const void *data, size_t len,
	       struct cart_err *err)
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
		if (segment->length == 0)
			s->segment_since_ns = cart_clock_mono_ns();
		n = len;
		if (n > CHUNK_BYTES - s->chunk_fill)
			n = (size_t)(CHUNK_BYTES - s->chunk_fill);
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
	cart_sha256_init(&s->member_sha);
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
	cart_sha256_update(&s->member_sha, data, len);
	return put(s, data, len, err);
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
	if (put(s, zeros, 2 * TAR_BLOCK, err) < 0)
		return -1;
	return s->chunk_fill > 0 ? end_chunk(s, err) : 0;
}
