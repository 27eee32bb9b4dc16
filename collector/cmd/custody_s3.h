/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_CUSTODY_S3_H
#define CMD_CUSTODY_S3_H

#include "aws_session.h"
#include "command.h"

/* The hand-over record of a bundle in S3: NAME.custody/NNNNNN.json, one object
 * an entry (FORMAT.md section 10). */
struct cart_custody_s3 {
	char url[1200];			/* of the seal */
	char bucket[64], prefix[1024], name[65], owner[16];
	char dir[64];			/* NAME.seal and NAME.custody, fetched */
	unsigned entries;		/* objects in NAME.custody */
	struct cart_env *env;
	struct cmd_aws *aws;
};

/* Cuts s3://BUCKET/PREFIX/NAME (or its .tar, .tar.age, .seal); c is zero.  0,
 * or -1 with err (USAGE). */
int cart_custody_s3_url(const char *url, struct cart_custody_s3 *c,
			struct cart_err *err);
/* Takes the environment, and fetches the seal and the entries into a folder of
 * its own.  0, or -1 with err; clear it either way. */
int cart_custody_s3_fetch(const struct cart_args *a, struct cart_custody_s3 *c,
			  struct cart_err *err);
/* Ends its session; dir stays. */
void cart_custody_s3_hang_up(struct cart_custody_s3 *c);
/* Puts the entry that cart_custody_add made in dir, locked as the seal is.  0,
 * or -1 with err (USAGE: another party was faster). */
int cart_custody_s3_put(struct cart_custody_s3 *c, const struct cart_args *a,
			struct cart_err *err);
void cart_custody_s3_clear(struct cart_custody_s3 *c);

#endif
