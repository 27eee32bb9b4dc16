/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_UPLOAD_H
#define CMD_UPLOAD_H

#include "collection.h"
#include "crashcart/aws_read.h"
#include "crashcart/aws_sink.h"
#include "crashcart/clock.h"

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

/* Says in the bucket (NAME.run) that this run has the name, so that no other
 * takes it before a segment is closed.  The object may be locked and then
 * stays, so it is put when nothing but the collection itself can fail.  0 or
 * -1 (USAGE: another run has the name). */
int cart_cmd_upload_claim(struct cmd_collection *c, struct cart_err *err);

/* " WORD", as the shell takes it. */
void cart_cmd_upload_add_word(struct cart_buf *out, const char *word);

/* " --NAME VALUE" for each option of names (NULL-terminated) that was given. */
void cart_cmd_upload_add_options(const struct cmd_collection *c,
				 const char *const *names,
				 struct cart_buf *out);

/* Where to and how: what the options say. */
struct cmd_upload_target {
	struct cart_s3_sink_options o;
	char bucket[64], prefix[1024], until[CART_CLOCK_TEXT_SIZE];
	char owner[16];
};

/* From s3://BUCKET/PREFIX and the options; no session yet.  0 or -1. */
int cart_cmd_upload_target(const struct cart_args *a, const char *url,
			   unsigned allow, struct cmd_upload_target *t,
			   struct cart_err *err);
/* The session that uploads (c->upload), and whose bucket it is to be. */
int cart_cmd_upload_session(struct cmd_collection *c,
			    struct cmd_upload_target *t, bool host_steps,
			    struct cart_err *err);
/* Locks what follows as file is, unless the operator said how. */
void cart_cmd_upload_keep_lock(const struct cmd_collection *c,
			       struct cmd_upload_target *t,
			       const struct cart_s3_reader *r,
			       const char *file);
/* `crashcart resume` for c->state_dir, as one types it, with those of our
 * options that it needs again. */
void cart_cmd_upload_resume_line(const struct cmd_collection *c,
				 struct cart_buf *out);
/* Of the sink's options; arg: struct cmd_collection. */
void cart_cmd_upload_state_failed(void *arg, const struct cart_err *why);

/* Goes on with the run whose state file of c->name lies in the folder dirfd,
 * or seals what it had closed.  line gets the log; loaded is called behind the
 * last line, with c->resume there, and makes the manifest.  -1: c is ready
 * (cart_cmd_collection_run); else it is over, with this exit status. */
int cart_cmd_upload_resume(struct cmd_collection *c, const char *dir, int dirfd,
			   cart_line_fn line,
			   int (*loaded)(void *arg, struct cart_err *err),
			   void *arg);

#endif
