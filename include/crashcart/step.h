/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_STEP_H
#define CRASHCART_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/aws.h>
#include <crashcart/digest.h>
#include <crashcart/err.h>
#include <crashcart/exhibit.h>
#include <crashcart/json.h>
#include <crashcart/net.h>

/*
 * A step type is one file in collector/step/ that defines one const struct
 * cart_step_type, and one row in collector/step/steps.def.  run() is
 * straight-line code on a step thread (stack 512 KiB); all it may touch is
 * the context.
 */
struct cart_step_ctx;

struct cart_gap {
	const char *what;		/* what is missing, in words */
	const char *reason;		/* FORMAT.md, "gap" */
	const char *detail;		/* what happened and what to do */
	const char *exhibit;		/* or NULL */
	const char *call;		/* call id, or NULL */
	const char *path;		/* raw bytes, or NULL */
	size_t path_len;
	int64_t offset, length;		/* -1: none */
	int64_t count;			/* -1: none */
};

struct cart_step_call {
	struct cart_aws_call call;	/* region NULL: the instance's */
	unsigned page;			/* from 1; 0: not paged */
	/* Exhibits made of the answer: raw as received and the JSON view.  The
	 * engine names them after the operation. */
	bool no_exhibit;		/* polled again and again: record only */
	bool no_view;			/* raw alone */
};

struct cart_step_reply {
	struct cart_aws_reply aws;
	char call_id[24];
	char raw_exhibit[CART_EXHIBIT_ID_SIZE];	/* "" if none */
	char view_exhibit[CART_EXHIBIT_ID_SIZE];
};
void cart_step_reply_clear(struct cart_step_reply *r);

#define CART_MASK_KEY_SIZE 32	/* bytes */

struct cart_step_ops {
	/* Evidence.  info->step and info->instance may be NULL: filled in. */
	int (*put)(struct cart_step_ctx *c, const struct cart_exhibit_info *info,
		   const void *data, size_t len,
		   char ret_id[CART_EXHIBIT_ID_SIZE], struct cart_err *err);
	/* Exhibits in parts and file sets: each as the function of the same
	 * name in bundle.h (cart_exhibit_*, cart_fileset_*).  A reserved part
	 * holds budget: do not make calls or put exhibits while you hold one. */
	struct cart_exhibit *(*exhibit)(struct cart_step_ctx *c,
					const struct cart_exhibit_info *info,
					bool compress, struct cart_err *err);
	const char *(*exhibit_id)(const struct cart_exhibit *e);
	unsigned char *(*reserve)(struct cart_exhibit *e, struct cart_err *err);
	int (*submit_part)(struct cart_exhibit *e, size_t len,
			   struct cart_err *err);
	int (*close)(struct cart_exhibit *e, const char *state, const char *note,
		     char ret_sha256_hex[CART_SHA256_HEX_SIZE],
		     struct cart_err *err);
	struct cart_fileset *(*fileset)(struct cart_step_ctx *c,
					const struct cart_exhibit_info *info,
					struct cart_err *err);
	const char *(*fileset_id)(const struct cart_fileset *f);
	int (*file_add)(struct cart_fileset *f, const struct cart_file *file,
			const void *data, size_t len, struct cart_err *err);
	int (*file_list)(struct cart_fileset *f, const struct cart_file *file,
			 struct cart_err *err);
	int (*fileset_close)(struct cart_fileset *f, const char *state,
			     const char *note, struct cart_err *err);
	/* Records a gap and marks the instance partial.  Never fails for the
	 * step: a log that cannot be written ends the run elsewhere. */
	void (*gap)(struct cart_step_ctx *c, const struct cart_gap *gap);
	void (*note)(struct cart_step_ctx *c, const char *text);
	/* A note that the terminal shows too, escaped: what somebody who waits
	 * for the answer wants to read. */
	void (*tell)(struct cart_step_ctx *c, const char *text);

	/* One signed call: logged, kept as exhibits, retried as aws.h says.  On
	 * -1 the call line with the error is already written (no gap: the step
	 * decides what is missing because of it). */
	int (*call)(struct cart_step_ctx *c, const struct cart_step_call *call,
		    struct cart_step_reply *ret, struct cart_err *err);
	/* The same for many calls in parallel: submit returns at once (input is
	 * copied); next gives them back in order of completion.  1: one came
	 * (ret_rc is what call() would have returned, ret_tag the submitter's);
	 * 0: none is under way; -1: cancelled. */
	int (*submit)(struct cart_step_ctx *c, const struct cart_step_call *call,
		      void *tag, struct cart_err *err);
	int (*next)(struct cart_step_ctx *c, struct cart_step_reply *ret,
		    void **ret_tag, int *ret_rc, struct cart_err *err);
	/* GET from the metadata service; not an exhibit. */
	int (*imds)(struct cart_step_ctx *c, const char *path,
		    struct cart_http_reply *ret, struct cart_err *err);

	/* Runs the step's keep filters on one page. */
	int (*keep)(struct cart_step_ctx *c, const struct cart_json *page,
		    struct cart_err *err);
	/* Sets one kept name directly (types whose results are not replies). */
	int (*keep_value)(struct cart_step_ctx *c, const char *name,
			  const struct cart_json *value, struct cart_err *err);

	/* Changes (DESIGN.md, the manifest, 8).  intent: gives the UUID and is
	 * durable when it returns 0.  If an earlier run already wrote the same
	 * intent, ret_earlier is true: look up before asking again. */
	int (*intent)(struct cart_step_ctx *c, const char *call,
		      const struct cart_json *input, unsigned attempt,
		      char ret_uuid[CART_UUID_SIZE], bool *ret_earlier,
		      int64_t *ret_earlier_utc_ns, struct cart_err *err);
	/* Did an earlier session write the intent of this attempt?  Writes
	 * nothing: for steps that first look whether there is anything to do. */
	bool (*intended)(struct cart_step_ctx *c, const char *call,
			 unsigned attempt);
	/* event: "result", "adopted", "unknown"; made: ids, may be NULL. */
	int (*change)(struct cart_step_ctx *c, const char *uuid,
		      const char *event, const char *call,
		      const char *const *made, const char *detail,
		      struct cart_err *err);

	/* What an interrupted earlier session of the same instance has kept: an
	 * array of the "piece" objects in the origins of its whole exhibits, in
	 * the order of the log; borrowed.  NULL: none, or the step has "keep"
	 * filters, whose values a piece does not hold. */
	const struct cart_json *(*earlier)(struct cart_step_ctx *c);
	/* Has an interrupted earlier session of the same instance kept this
	 * object of a bucket, as an exhibit or as a file of a file set? */
	bool (*kept)(struct cart_step_ctx *c, const char *bucket,
		     const char *key, const char *etag);

	/* What steps of one run tell each other in memory: the object of that
	 * name, which the first that asks makes, and the end of the run
	 * releases.  It locks itself.  NULL: no memory. */
	void *(*shared)(struct cart_step_ctx *c, const char *name,
			void *(*make)(void), void (*release)(void *object));

	bool (*cancelled)(struct cart_step_ctx *c);
	/* Sleeps, but not beyond cancellation (-1) or the deadline (-1, TIMEOUT). */
	int (*sleep)(struct cart_step_ctx *c, unsigned ms, struct cart_err *err);
	int64_t (*now_ns)(struct cart_step_ctx *c);	/* corrected UTC */
	/* The key to mask one exhibit with: HMAC-SHA-256 under the run's mask
	 * key of what, which the exhibit's origin must name.  Wipe it. */
	void (*mask_key)(struct cart_step_ctx *c, const char *what,
			 unsigned char ret_key[CART_MASK_KEY_SIZE]);
	void (*progress)(struct cart_step_ctx *c, const char *what,
			 uint64_t done, uint64_t total, const char *unit);
};

struct cart_step_ctx {
	const struct cart_step_ops *ops;
	void *impl;			/* the engine's, or a test's */
	const char *step;		/* step id */
	const char *instance;		/* instance id */
	const char *account;		/* "" if unknown */
	const char *region;		/* "global" or a region */
	const char *case_id;
	const char *bundle_uuid;
	const struct cart_json *with;	/* parameters, references replaced */
	const struct cart_json *exclude;/* manifest's exclude globs, or NULL */
	int64_t deadline_mono_ns;	/* INT64_MAX: none */
	/* The step says "changes" and the operator allowed that class: calls
	 * with may_change are possible. */
	bool may_change;
};

enum cart_param_type {
	CART_PARAM_STRING, CART_PARAM_INTEGER, CART_PARAM_BOOLEAN,
	CART_PARAM_SIZE,		/* text_size or integer */
	CART_PARAM_DURATION,		/* text_duration or integer seconds */
	CART_PARAM_TIME,		/* ISO 8601, or "-7d" */
	CART_PARAM_STRINGS,		/* string or list of strings */
	CART_PARAM_OBJECT, CART_PARAM_ANY
};

struct cart_param {
	const char *name;		/* NULL ends the table */
	enum cart_param_type type;
	bool required;
	const char *fallback;		/* default, in words or as JSON text; or NULL */
	const char *help;
};

enum cart_step_where { CART_STEP_AWS, CART_STEP_HOST };

struct cart_step_type {
	const char *name;		/* "aws.call" */
	const char *summary;		/* one sentence */
	enum cart_step_where where;
	/* RFC 3227 rank of host steps, 1 is the most volatile. */
	unsigned volatility;
	/* Runs once for each region ("regions" allowed); else region is global. */
	bool regional;
	/* Must say "changes": this class; NULL: read-only (aws.call decides by
	 * its operation). */
	const char *changes;
	/* May say "changes": this class, to do more (a credential report made
	 * anew); without it the type only reads.  NULL: never. */
	const char *may_change;
	const struct cart_param *params;
	const char *const *keeps;	/* names that keep_value may set; or NULL */
	/* Checks what the parameter table cannot; values that hold ${...} are
	 * not to be judged.  May be NULL. */
	int (*check)(const struct cart_json *with, struct cart_err *err);
	/* Tells every AWS call ("ec2:CreateSnapshots") or host source that run()
	 * may make.  changes: the call alters something. */
	void (*plan)(const struct cart_json *with,
		     void (*emit)(void *arg, const char *call, bool changes,
				  const char *note), void *arg);
	/* 0: done (ok, or partial if gaps were noted); -1: err, whose class
	 * becomes the outcome. */
	int (*run)(struct cart_step_ctx *c, struct cart_err *err);
};

/*
 * Known secrets (collector/step/mask.c holds the one table).  source is
 * "service:Operation", or "imds:security-credentials" for role credentials.
 * Every known secret in doc is replaced by {"masked":"hmac-sha256",
 * "commitment":HEX}: HMAC-SHA-256 under a key that ops->mask_key made of the
 * run's mask key.  That is in no bundle, or anybody could try words until one
 * fits; the terminal shows it once, so that whoever kept it and knows the
 * secret can show that it was this one.
 */
enum cart_mask {
	CART_MASK_UNKNOWN,	/* not in the table */
	CART_MASK_PATHS,	/* its secrets have their places */
	CART_MASK_NOTHING	/* reviewed: kept as received */
};
enum cart_mask cart_step_mask_of(const char *source);
/* Number of values replaced; -1 when memory ran out: doc must not be used. */
int cart_step_mask(const char *source, struct cart_json *doc,
		   const unsigned char key[CART_MASK_KEY_SIZE]);
/* The same for every text and number of a reply whose secrets have no known
 * places: names of members, true, false and null stay; an array that holds a
 * text or number is masked as a whole. */
int cart_step_mask_all(struct cart_json *doc,
		       const unsigned char key[CART_MASK_KEY_SIZE]);
void cart_step_commit(const unsigned char key[CART_MASK_KEY_SIZE],
		      const void *data, size_t len,
		      char ret_hex[CART_SHA256_HEX_SIZE]);

/* The table from steps.def, sorted by name, NULL-terminated. */
extern const struct cart_step_type *const cart_step_types[];
const struct cart_step_type *cart_step_find(const char *name);

#endif
