/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_ENGINE_H
#define CRASHCART_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <crashcart/aws.h>
#include <crashcart/bundle.h>
#include <crashcart/err.h>
#include <crashcart/manifest.h>
#include <crashcart/step.h>

#define CART_CHANGE_EVIDENCE	1u
#define CART_CHANGE_CONTAINMENT	2u
#define CART_CHANGE_IRREVERSIBLE 4u

/* "evidence" -> bit; 0 if it is no such word. */
unsigned cart_change_class(const char *word);

/* Where a step stands, for whoever watches. */
struct cart_run_step {
	const char *id;
	const char *state;		/* "waiting", "running", or its outcome */
	size_t instances, ended;
	/* Of a running step with one instance that knows: what it has done, of
	 * what (0: unknown), in what unit ("bytes", ...), or NULL. */
	uint64_t done, total;
	const char *unit;
};

/*
 * One run of a manifest: expands instances, schedules them, and writes all
 * that happens into the bundle.  The caller made the bundle and the session
 * and seals afterwards.
 */
struct cart_run_options {
	const struct cart_manifest *manifest;
	struct cart_bundle *bundle;
	struct cart_aws *aws;		/* NULL if no AWS step */
	struct cart_imds *imds;		/* NULL: imds steps gap */
	const char *case_id, *uuid;
	unsigned allow;			/* CART_CHANGE_* bits */
	const char *expect_account;	/* --expect-account, or NULL */
	unsigned threads;		/* step threads, 0: 32 */
	/* The bundle is encrypted: known secrets are kept as received. */
	bool keep_secrets;
	/* A secret of this run, CART_MASK_KEY_SIZE bytes (step.h), which must
	 * not be in the bundle; NULL: one that nobody gets to know. */
	const unsigned char *mask_key;
	/* Ends the network calls under way.  Called at most once, some seconds
	 * after a signal, when calls have not ended by themselves.  May be NULL. */
	void (*cancel)(void *arg);
	void *cancel_arg;
	/* Told some times a second where the steps stand, in order of the
	 * manifest; all is borrowed.  Must be quick, and call nothing of the
	 * engine.  May be NULL. */
	void (*observe)(void *arg, const struct cart_run_step *steps, size_t n);
	void *observe_arg;
	/* Lines of earlier sessions, fed by cart_run_replay; or NULL. */
	struct cart_run_history *history;
};

/* What an interrupted run had done: feed it every line in order. */
struct cart_run_history *cart_run_history_new(void);
int cart_run_history_line(void *history, const struct cart_json *line,
			  struct cart_err *err);	/* a cart_line_fn */
void cart_run_history_free(struct cart_run_history *h);

struct cart_run_result {
	uint64_t instances, ok, partial, failed, skipped, cancelled;
	uint64_t gaps;
	uint64_t masked;		/* exhibits masked under mask_key */
	bool stopped;			/* signal or on_error: stop */
	char reason[160];		/* why it ended early, "" */
};

/* 0 when the run went to its end (gaps or not), -1 when the bundle cannot be
 * written or nothing may be touched (wrong account, missing --allow: USAGE). */
int cart_run(const struct cart_run_options *o, struct cart_run_result *ret,
	     struct cart_err *err);

/* Checks that need no AWS: --allow against the manifest, but for steps that
 * say "if_allowed".  USAGE error names the step and the option to give. */
int cart_run_check_allow(const struct cart_manifest *m, unsigned allow,
			 struct cart_err *err);

/* The same for a sink that is never durable (sink.h): no step of containment or
 * irreversible may be allowed.  Those of class evidence only add to it. */
int cart_run_check_durable(const struct cart_manifest *m, unsigned allow,
			   struct cart_err *err);

/* What a run would miss (`crashcart plan --check`): asks who we are, how far the
 * clock is off, whether each endpoint can be reached, and whether each call of
 * the plan would be allowed.  Changes nothing: EC2 is asked by dry run, the
 * rest by iam:SimulatePrincipalPolicy. */
struct cart_check_options {
	const struct cart_manifest *manifest;
	struct cart_aws *aws;
	const char *expect_account;	/* or NULL */
};

/* Appends to list one object a check: "check" (identity, clock, endpoint,
 * permission), "result" (good, warning, missing, unknown), "what", "detail",
 * and what belongs to its kind.  0, or -1 with err (MEMORY). */
int cart_check(const struct cart_check_options *o, struct cart_json *list,
	       struct cart_err *err);

/* Signals: SIGINT, SIGTERM, SIGHUP once: stop and seal; twice: the process
 * ends at once.  SIGPIPE ignored.  cart_stop_requested is what cancelled()
 * asks. */
int cart_signals_setup(struct cart_err *err);
bool cart_stop_requested(void);
/* why: for people, kept by the caller; NULL: it is known otherwise.  The next
 * signal is still the first. */
void cart_stop_request(const char *why);
const char *cart_stop_reason(void);	/* or NULL */

/* Which line does the terminal get for what happens (gaps, steps)?  The
 * engine calls cart_msg itself. */

#endif
