/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_AWS_SINK_H
#define CRASHCART_AWS_SINK_H

#include <stdbool.h>

#include <crashcart/aws.h>
#include <crashcart/digest.h>
#include <crashcart/sink.h>

/*
 * A bundle in S3: one segment one object, one chunk one part, several parts
 * in flight.  Each part carries its SHA-256, which S3 checks; the composite
 * that S3 answers when an object is complete must be the seal's.  Nothing is
 * ever overwritten (If-None-Match).  What counts as durable is a closed
 * segment.  Takes 40 MiB.
 */
struct cart_s3_sink_options {
	struct cart_aws *aws;		/* borrowed: credentials of the upload */
	const char *bucket, *prefix;	/* prefix: "" or ends with '/' */
	const char *name;		/* of the bundle */
	bool encrypted;
	const char *owner;		/* expected bucket owner, or NULL */
	bool owner_assumed;		/* the operator did not name it */
	const char *kms_key;		/* SSE-KMS key, or NULL: the bucket's */
	const char *lock_mode;		/* GOVERNANCE, COMPLIANCE, or NULL */
	const char *lock_until;		/* ISO 8601, with lock_mode */
	bool legal_hold;
	unsigned closed_segments;	/* by a run that died: it goes on */
	/* Folder for NAME.state (a tmpfs does), or -1: none is kept. */
	int state_dirfd;
	/* Or NULL: told, on the writer's thread, when NAME.state cannot be
	 * written; the bundle goes on without. */
	void (*state_failed)(void *arg, const struct cart_err *why);
	void *state_arg;
};

/* Begins the first upload, so that a bucket, owner, key or lock that will not
 * do is known before anything is collected.  NULL with err. */
struct cart_sink *cart_s3_sink(const struct cart_s3_sink_options *o,
			       struct cart_err *err);

/* Cuts "s3://BUCKET/PREFIX" (prefix may be left out).  bucket holds 64, prefix
 * 1024 with its '/' at the end.  0, or -1 with err (USAGE). */
int cart_s3_url(const char *url, char bucket[64], char prefix[1024],
		struct cart_err *err);

/* Is the object there?  1, 0; -1 with err (DENIED: it may not be asked). */
int cart_s3_exists(const struct cart_s3_sink_options *o, const char *file,
		   struct cart_err *err);

/* Is there such a bucket, which we may ask about?  1, 0; -1 with err (DENIED:
 * nothing is known). */
int cart_s3_has_bucket(const struct cart_s3_sink_options *o,
		       struct cart_err *err);

/* Completes the upload "FILE ID" if its parts have just these SHA-256.  1; 0:
 * it is not there any more, or its parts are others; -1 with err. */
int cart_s3_finish(const struct cart_s3_sink_options *o, const char *upload,
		   const unsigned char (*parts)[CART_SHA256_SIZE],
		   size_t n_parts, struct cart_err *err);

/* Completes what was uploaded of file, its parts from the first to the first
 * that is missing, by the last upload that was begun; if there is no such
 * object yet.  1, and ret_bytes; 0: there is no upload with a part; -1.
 * ret_others: how many other uploads of file are open, and stay. */
int cart_s3_remnant(const struct cart_s3_sink_options *o, const char *file,
		    uint64_t *ret_bytes, size_t *ret_others,
		    struct cart_err *err);

/* Is the object of this length, and does S3 keep the checksum of a multipart
 * upload of parts with these SHA-256?  0; or -1 with err (CRYPTO: it is
 * another; else it could not be asked). */
int cart_s3_compare(const struct cart_s3_sink_options *o, const char *file,
		    uint64_t length,
		    const unsigned char (*parts)[CART_SHA256_SIZE],
		    size_t n_parts, struct cart_err *err);

/* Puts BUCKET/PREFIX/file, which must not be there yet unless with the same
 * checksum (an answer was lost), with the options' lock.  0 or -1. */
int cart_s3_put(const struct cart_s3_sink_options *o, const char *file,
		const void *data, size_t len, struct cart_err *err);

#endif
