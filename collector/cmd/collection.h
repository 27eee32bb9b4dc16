/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_COLLECTION_H
#define CMD_COLLECTION_H

#include <stdatomic.h>

#include "aws_session.h"
#include "command.h"
#include "crashcart/bundle.h"
#include "crashcart/engine.h"
#include "crashcart/manifest.h"
#include "watch.h"

/*
 * What collect and resume share: from a manifest and an output to a sealed
 * bundle.  The caller fills the first part; cmd_collection_run does the rest
 * and gives the exit status.
 */
struct cmd_collection {
	const struct cart_args *args;
	struct cart_env *env;
	struct cart_manifest *manifest;
	unsigned allow;			/* CART_CHANGE_* */
	char name[65], case_id[65], uuid[CART_UUID_SIZE];
	int64_t start_utc_ns;
	uint64_t segment_bytes;		/* 0: one segment */
	struct cart_age_recipients encrypt_to;	/* none: plain */
	const char *operator, *authority, *organization, *expect_account;
	char *order, *order_minisig;	/* --order FILE and FILE.minisig, or NULL */
	/* Time stamping authorities: those of --timestamp, else (resume) what
	 * the caller copied from the first session. */
	char *timestamp[CART_STAMPS_MAX];
	size_t n_timestamp;
	struct cart_watch *watch;
	const char *priority;		/* "low", "normal" */
	struct cart_sink *sink;
	struct cmd_aws *upload;		/* of a sink in S3, or NULL */
	char state_dir[4096];		/* its state file's folder, or "" */
	bool own_state_dir;		/* made for this run */
	/* Why there is no state file; state_failed is set behind it. */
	char state_error[CART_ERR_TEXT_SIZE];
	atomic_bool state_failed;
	bool any_owner;			/* of the bucket: it is not checked */
	/* resume only: */
	struct cart_resume_point *resume;
	struct cart_run_history *history;
	uint64_t interrupted_after;
};

#define CMD_COLLECTION_OPTIONS \
	{ "key", 0, "FILE|kms:ARN", false, \
	  "Seal with this minisign or AWS KMS key, not a session key." }, \
	{ "key-profile", 0, "NAME", false, \
	  "Profile whose credentials serve --key kms:ARN and --witness." }, \
	{ "timestamp", 0, "URL", true, \
	  "Have this RFC 3161 authority stamp the seal (at most two)." }, \
	{ "witness", 0, "s3://...|URL|kms:ARN", true, \
	  "Log heads go there, or are signed there, while it runs (verify --head)." }, \
	{ "witness-owner", 0, "ID", false, \
	  "Account that owns that bucket, or ANY; without it your own." }, \
	{ "witness-every", 0, "DURATION", false, "How often (5m)." }, \
	{ "password-fd", 0, "N", false, \
	  "Read the key's password from descriptor N." }, \
	{ "time-server", 0, "ADDRESS[:PORT]", false, \
	  "Record this NTP server's time too (on EC2 Amazon's is asked)." }, \
	{ "only-region", 0, "NAME", true, \
	  "Of all enabled regions only these (a subnet reaches its own)." }, \
	{ "expect-account", 0, "ID", false, \
	  "Refuse to collect with credentials of another account." }, \
	CMD_WATCH_OPTIONS

/* Adds an authority: an http or https URL.  USAGE if it cannot be one. */
int cart_cmd_collection_stamp(struct cmd_collection *c, const char *url,
			      struct cart_err *err);
/* Reads --order FILE and FILE.minisig; gives the case that it names if case_id
 * is empty yet.  After the manifest is ready. */
int cart_cmd_collection_order(struct cmd_collection *c, const char *path,
			      struct cart_err *err);
/* Does the order (if any) cover case, manifest and program?  now_ns INT64_MIN:
 * at any time. */
int cart_cmd_collection_order_check(struct cmd_collection *c, int64_t now_ns,
				    struct cart_err *err);
/* Those of --timestamp, if any, instead of what is there. */
int cart_cmd_collection_stamps(struct cmd_collection *c, struct cart_err *err);

/* Seals what an encrypted run that died has closed; gives the exit status. */
int cart_cmd_collection_partial(const struct cart_args *a, int dirfd,
				const char *dir, const char *name);
int cart_cmd_collection_run(struct cmd_collection *c);
/* --allow, into c->allow.  0 or -1 (USAGE). */
int cart_cmd_collection_allow(struct cmd_collection *c, struct cart_err *err);
/* Frees what the caller filled in; the exit status is for --status. */
void cart_cmd_collection_clear(struct cmd_collection *c, int status);

#endif
