/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_COLLECTION_H
#define CMD_COLLECTION_H

#include "aws_session.h"
#include "command.h"
#include "crashcart/bundle.h"
#include "crashcart/engine.h"
#include "crashcart/manifest.h"

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
	const char *operator, *authority, *organization, *expect_account;
	struct cart_sink *sink;
	/* resume only: */
	struct cart_resume_point *resume;
	struct cart_run_history *history;
	uint64_t interrupted_after;
};

#define CMD_COLLECTION_OPTIONS \
	{ "key", 0, "FILE", false, \
	  "Seal with this minisign secret key instead of a session key." }, \
	{ "password-fd", 0, "N", false, \
	  "Read the key's password from descriptor N." }, \
	{ "expect-account", 0, "ID", false, \
	  "Refuse to collect with credentials of another account." }

int cart_cmd_collection_run(struct cmd_collection *c);
/* Frees what the caller filled in. */
void cart_cmd_collection_clear(struct cmd_collection *c);

#endif
