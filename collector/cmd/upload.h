/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_UPLOAD_H
#define CMD_UPLOAD_H

#include "collection.h"

/* What collect and resume need for a bundle that goes to S3. */
#define CMD_UPLOAD_OPTIONS \
	{ "upload-profile", 0, "NAME", false, \
	  "Profile whose credentials upload (they need only put)." }, \
	{ "bucket-owner", 0, "ID", false, \
	  "Account that owns the bucket, or ANY; without it your own." }, \
	{ "upload-kms-key", 0, "KEY", false, \
	  "Encrypt the objects with this KMS key (SSE-KMS)." }, \
	{ "retain", 0, "MODE:DAYS", false, \
	  "Lock the objects: governance or compliance, so many days." }, \
	{ "legal-hold", 0, NULL, false, \
	  "Put a legal hold on the objects." }, \
	{ "state", 0, "FOLDER", false, \
	  "Where NAME.state lies while it runs; without it a new folder." }

/* --out s3://BUCKET/PREFIX: chooses c->name and makes c->sink and c->upload.
 * 0 or -1. */
int cart_cmd_upload_open(struct cmd_collection *c, const char *url,
			 struct cart_err *err);

/* Seals in S3 what the run that died had closed, by the state file of c->name
 * in the folder dirfd; gives the exit status. */
int cart_cmd_upload_partial(struct cmd_collection *c, int dirfd);

#endif
