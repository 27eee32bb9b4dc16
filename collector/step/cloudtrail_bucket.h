/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUDTRAIL_BUCKET_H
#define CLOUDTRAIL_BUCKET_H

#include "crashcart/step.h"

/*
 * What cloudtrail.logs and cloudtrail.digests share: where trails deliver to,
 * what lies there, one object with its metadata, JSON lines as an exhibit.
 */

struct cart_trail_window {
	int64_t start_ns, end_ns, now_ns;
};

/* Rows of the parameters that say where and when. */
#define CART_TRAIL_PARAMS(what) \
	{ "start", CART_PARAM_TIME, false, "-7d", "Begin of the window." }, \
	{ "end", CART_PARAM_TIME, false, "now", "End of the window." }, \
	{ "bucket", CART_PARAM_STRING, false, NULL, \
	  "Bucket to read, instead of those of the trails found." }, \
	{ "prefix", CART_PARAM_STRING, false, NULL, \
	  "What stands before AWSLogs/ in the bucket." }, \
	{ "trails", CART_PARAM_STRINGS, false, NULL, \
	  "Only where these trails deliver to, by name or ARN." }, \
	{ "accounts", CART_PARAM_STRINGS, false, NULL, \
	  "Only " what " of these accounts." }, \
	{ "log_regions", CART_PARAM_STRINGS, false, NULL, \
	  "Only " what " of these regions." }, \
	{ "followed", CART_PARAM_OBJECT, false, NULL, \
	  "${X.followed} of a cloudtrail.key: only " what " of its accounts." }
/* Tells the calls that find what lies there (struct cart_step_type.plan). */
void cart_trail_plan(const struct cart_json *with,
		     void (*emit)(void *arg, const char *call, bool changes,
				  const char *note), void *arg);

/* Reads "start" (default: -7d) and "end" (now) of c->with. */
int cart_trail_window(struct cart_step_ctx *c, struct cart_trail_window *ret,
		      struct cart_err *err);

struct cart_trail_walk {
	struct cart_step_ctx *c;
	const char *kind;		/* "CloudTrail" or "CloudTrail-Digest" */
	struct cart_trail_window window;
	/* An object in a folder of a day of the window (and one day more), with
	 * its ETag or NULL.  0, or -1 with err to stop. */
	int (*object)(void *arg, const char *bucket, const char *key,
		      const char *etag, struct cart_err *err);
	/* After the last one of an account and region.  May be NULL. */
	int (*region)(void *arg, const char *bucket, const char *account,
		      const char *region, struct cart_err *err);
	void *arg;
	/* Arrays that get, unless the bucket was given: the trails found, as
	 * DescribeTrails shows them, and the names of the regions that are
	 * enabled.  Both or none may be NULL. */
	struct cart_json *trails, *regions;
};

/* Walks the bucket and prefix of the parameters, or of every trail that
 * DescribeTrails shows.  What cannot be listed becomes a gap. */
int cart_trail_walk(const struct cart_trail_walk *w, struct cart_err *err);

/* Submits an s3:GetObject; the reply comes from ops->next. */
int cart_trail_get(struct cart_step_ctx *c, const char *bucket, const char *key,
		   void *tag, struct cart_err *err);
/* Where an object came from: call, version id, ETag, user metadata.  The
 * caller's. */
struct cart_json *cart_trail_origin(const char *bucket, const char *key,
				    const struct cart_step_reply *reply);
/* Stores one object as an exhibit, as received.  (cloudtrail_pack.h: many.) */
int cart_trail_put(struct cart_step_ctx *c, const char *key,
		   const struct cart_json *origin,
		   const struct cart_step_reply *reply,
		   char ret_id[CART_EXHIBIT_ID_SIZE], struct cart_err *err);
/* User metadata (name without x-amz-meta-), NULL if there is none. */
const char *cart_trail_meta(const struct cart_step_reply *reply,
			    const char *name);

/* JSON lines, gathered and then sent out in parts. */
struct cart_trail_lines {
	struct cart_step_ctx *c;
	const char *name, *slug, *note;
	struct cart_json *origin;	/* or NULL; owned */
	struct cart_buf buf;		/* print one line here, then _line */
	struct cart_exhibit *out;
	uint64_t n;
};
void cart_trail_lines_init(struct cart_trail_lines *l, struct cart_step_ctx *c,
			   const char *name, const char *slug, const char *note);
/* Adds n lines that were gathered elsewhere, each with its LF. */
int cart_trail_lines_block(struct cart_trail_lines *l,
			   const struct cart_buf *lines, uint64_t n,
			   struct cart_err *err);
/* Ends the line. */
int cart_trail_lines_line(struct cart_trail_lines *l, struct cart_err *err);
/* Sends out what was gathered. */
int cart_trail_lines_flush(struct cart_trail_lines *l, struct cart_err *err);
/* Closes the exhibit and frees what l holds.  state NULL: "whole". */
int cart_trail_lines_close(struct cart_trail_lines *l, const char *state,
			   struct cart_err *err);

#endif
