/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_AWS_READ_H
#define CRASHCART_AWS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <crashcart/aws.h>
#include <crashcart/digest.h>

/*
 * Objects below one prefix of a bucket, read: listed, fetched in ranges, and
 * asked about.  All but cart_s3_list may be called from several threads.
 */
struct cart_s3_reader {
	struct cart_aws *aws;		/* borrowed */
	const char *bucket, *prefix;	/* prefix: "" or ends with '/' */
	const char *owner;		/* expected bucket owner, or NULL */
	bool owner_assumed;		/* the operator did not name it */
	char region[32];		/* "": the session's; cart_s3_list fills
					 * in where the bucket is */
};

struct cart_s3_object {
	const char *name;		/* below prefix */
	const char *etag;		/* "" if there is none */
	uint64_t size;
};

/* Each object whose name below the prefix begins with begin and has no '/'
 * after that, in the order of names; strings live for the call; -1 of object
 * ends it.  0 or -1 with err. */
int cart_s3_list(struct cart_s3_reader *r, const char *begin,
		 int (*object)(void *arg, const struct cart_s3_object *o,
			       struct cart_err *err),
		 void *arg, struct cart_err *err);

/* One ranged GET of len bytes (at least 1) from offset into data.  etag: of
 * the object that is meant, or NULL; another under this name is an error
 * (INPUT).  How many there are, fewer only at its end; or -1 with err. */
ssize_t cart_s3_read(const struct cart_s3_reader *r, const char *name,
		     const char *etag, uint64_t offset, void *data, size_t len,
		     struct cart_err *err);

struct cart_s3_part {
	uint64_t size;
	unsigned char sha256[CART_SHA256_SIZE];
};

/* What S3 says of an object without giving its bytes. */
struct cart_s3_facts {
	uint64_t size;
	char etag[80], version[256];	/* "" if not said */
	char checksum[64];		/* SHA-256 as S3 writes it, with "-N" for
					 * a composite; "" if there is none */
	/* Or why that cannot be told: "?..." */
	char lock_mode[200];		/* GOVERNANCE, COMPLIANCE, "" none */
	char lock_until[40];
	char hold[200];			/* ON, OFF, "" none */
};

/* Facts, and the checksums of its parts, at most max; an object that was put
 * in one piece is one part.  *ret_n is 0 if S3 keeps no SHA-256 of parts.  0,
 * or -1 with err. */
int cart_s3_facts(const struct cart_s3_reader *r, const char *name,
		  struct cart_s3_facts *ret, struct cart_s3_part *parts,
		  size_t max, size_t *ret_n, struct cart_err *err);

#endif
