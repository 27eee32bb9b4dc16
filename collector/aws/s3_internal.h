/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWS_S3_INTERNAL_H
#define AWS_S3_INTERNAL_H

#include <crashcart/aws_sink.h>

/* What the S3 sink and those who look after its objects share. */

struct s3_job {
	unsigned char *data;
	size_t len;
	unsigned number;		/* of the part, from 1 */
	unsigned char sha256[CART_SHA256_SIZE];
};

struct s3_part {
	char etag[80];
	unsigned char sha256[CART_SHA256_SIZE];
};

/* A multipart upload with its parts from number 1 on. */
struct s3_upload {
	char file[96];
	char *id;
	struct s3_part *parts;
	unsigned n_parts;
	uint64_t bytes;			/* of these */
};

/* Text, unless it is NULL; 32 bytes as base64. */
void cart_s3_add(struct cart_json *j, const char *key, const char *value);
void cart_s3_add_base64(struct cart_json *j, const char *key,
			const unsigned char sha256[CART_SHA256_SIZE]);
/* Bucket, key and owner.  The caller's. */
struct cart_json *cart_s3_input(const struct cart_s3_sink_options *o,
				const char *file);
/* body may be NULL.  As cart_aws_call. */
int cart_s3_call(const struct cart_s3_sink_options *o, const char *operation,
		 const struct cart_json *input, const struct s3_job *body,
		 struct cart_aws_reply *ret, struct cart_err *err);
/* base64(SHA-256 of n digests that were hashed) "-" n. */
void cart_s3_composite(struct cart_sha256 *sha, size_t n, char out[64]);
/* Has the object this composite, and (unless NULL) this length?  0; -1. */
int cart_s3_head(const struct cart_s3_sink_options *o, const char *file,
		 const uint64_t *length, const char *want,
		 struct cart_err *err);
/* Makes the object out of the parts, if it is not there yet. */
int cart_s3_complete(const struct cart_s3_sink_options *o,
		     const struct s3_upload *u, struct cart_err *err);

#endif
