/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAKE_RUN_H
#define FAKE_RUN_H

#include "fake_types.h"

/*
 * Runs a manifest against a real bundle in a folder below TMPDIR and a fake
 * AWS, seals, verifies, and gives the log lines back.
 */
struct fake_run {
	/* set before */
	unsigned allow, threads;
	const char *expect_account;
	bool keep_secrets;
	const struct cart_json *earlier;	/* lines of an interrupted run */
	/* Answers a call: a JSON text for the view, or NULL with err (class and
	 * text; the AWS code is taken to be its first word).  NULL: every call
	 * answers {}. sts and ec2:DescribeRegions are answered already. */
	const char *(*aws)(const struct cart_aws_call *call,
			   struct cart_err *err);
	bool no_identity, no_regions;		/* these two fail */
	/* set after */
	int rc;
	struct cart_err err;
	struct cart_run_result result;
	struct cart_json *lines;		/* array, freed by _clear */
	char state[16];				/* of the seal */
};

void fake_run(struct fake_run *f, const char *manifest);
void fake_run_clear(struct fake_run *f);

/* The n-th (from 0) line of a type whose key is value (key NULL: any); NULL
 * if there are fewer. */
const struct cart_json *fake_line(const struct fake_run *f, const char *type,
				  const char *key, const char *value, size_t n);
size_t fake_count(const struct fake_run *f, const char *type, const char *key,
		  const char *value);
/* How an instance ended: "ok", "skipped no-value"; "" if it did not. */
const char *fake_outcome(const struct fake_run *f, const char *instance);

#endif
