/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_SINK_H
#define CRASHCART_SINK_H

#include <stddef.h>
#include <stdint.h>

#include <crashcart/err.h>

/*
 * Where the stream of a bundle goes: a file, a pipe, S3.  Used by one thread
 * (the writer).  Bytes of a segment come in order; the writer cuts them so
 * that no write crosses the end of a chunk.
 */
struct cart_sink {
	const char *kind;		/* "file", "pipe", "s3" */
	const char *location;		/* for people and logs */
	/* Appends to the current segment (the first is open from the start). */
	int (*write)(struct cart_sink *s, const void *data, size_t len,
		     struct cart_err *err);
	/* The bytes since the last chunk() (at most 8 MiB) are one chunk with
	 * this SHA-256.  May be NULL. */
	int (*chunk)(struct cart_sink *s, const unsigned char sha256[32],
		     struct cart_err *err);
	/* All bytes so far are durable when this returns 0.  A sink that cannot
	 * (a pipe) returns 0 as well and sets never_durable. */
	int (*sync)(struct cart_sink *s, struct cart_err *err);
	/* Closes the current segment for good and begins the next (number). */
	int (*segment)(struct cart_sink *s, unsigned number, struct cart_err *err);
	/* The bundle is about to be sealed: gives up space that was kept for
	 * that.  May be NULL. */
	void (*ending)(struct cart_sink *s);
	/* Set by the bundle before the first sync: so much may still come when
	 * the bundle takes no new exhibits any more.  A sink that can keeps
	 * space for it. */
	uint64_t keep_bytes;
	/* Set by the sink: space ran out, and what was kept is being used. */
	int low;
	/* Stores a companion: suffix is ".seal" or ".seal.minisig" (after the
	 * last byte of the stream), or ".state" (after a segment was closed;
	 * replaces the one before; NULL data removes it).  Durable when it
	 * returns. */
	int (*companion)(struct cart_sink *s, const char *suffix,
			 const void *data, size_t len, struct cart_err *err);
	/* Bytes that it took and that are not where they go yet; from any
	 * thread.  May be NULL: none. */
	uint64_t (*pending)(struct cart_sink *s);
	void (*free)(struct cart_sink *s);
	int never_durable;
	/* Does a closed segment count as durable only when closed (S3)?  Then
	 * the writer closes segments before changes and every 10 minutes. */
	int durable_by_segment;
	/* Set by the sink: companions ".state" are wanted, since whoever
	 * resumes cannot read the bundle. */
	int wants_state;
	/* Set by the sink: a ".state" comes before its segment is closed, also
	 * before the last, and covers it. */
	int state_first;
};

void cart_sink_free(struct cart_sink *s);	/* accepts NULL */

/* Makes DIR/NAME.tar (and .tar.002 ...); dirfd stays the caller's.
 * resume_segments 0: new files (O_EXCL), else: opens the existing segments to
 * append to the last one at offset (the file is cut there, and later segments
 * are removed).  While it is written, space for the end is kept in
 * DIR/.NAME.spare.  A second process that writes the same bundle is
 * refused (EWOULDBLOCK). */
struct cart_sink *cart_sink_file(int dirfd, const char *dir, const char *name,
				 unsigned resume_segments, uint64_t offset,
				 struct cart_err *err);
/* As above for an encrypted bundle: DIR/NAME.tar.age, NAME.tar.002.age ...,
 * always new files.  What was written is durable, in the sense of a bundle
 * that can be sealed, when its segment is closed. */
struct cart_sink *cart_sink_file_age(int dirfd, const char *dir,
				     const char *name, struct cart_err *err);
/* Stream to a descriptor (kept open); companions go to seal_path and
 * seal_path + ".minisig". */
struct cart_sink *cart_sink_pipe(int fd, const char *seal_path,
				 struct cart_err *err);

#endif
