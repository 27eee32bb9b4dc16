/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudtrail_bucket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crashcart/clock.h"
#include "crashcart/text.h"
#include "step_support.h"

#define DAY_NS ((int64_t)86400 * 1000000000)
#define GATHER_MAX ((size_t)1 << 20)
#define NAMES_MAX 4096			/* accounts, regions, trails */

/* ---- the window ---------------------------------------------------------- */

static int read_time(const struct cart_json *with, const char *key, int64_t now,
		     int64_t fallback, int64_t *ret, struct cart_err *err)
{
	const char *s = cart_json_get_string(with, key);
	uint64_t ms;

	*ret = fallback;
	if (s == NULL || strcmp(s, "now") == 0)
		return 0;
	if (s[0] == '-' && cart_text_duration(s + 1, strlen(s + 1), &ms) == 0) {
		*ret = now - (int64_t)ms * 1000000;
		return 0;
	}
	if (cart_clock_parse(s, strlen(s), ret) < 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "%s: '%s' is not a "
				    "time (2026-11-24T03:00:00Z or -7d)", key, s);
	return 0;
}

/* Whoever refers to the step's facts runs also if it cannot begin. */
static int no_window(struct cart_step_ctx *c, struct cart_err *err)
{
	struct cart_json *o = cart_json_new_object();
	struct cart_err dropped;

	cart_json_add(o, "error", cart_json_new_string(err->text));
	c->ops->keep_value(c, "facts", o, &dropped);
	cart_json_free(o);
	return -1;
}

int cart_trail_window(struct cart_step_ctx *c, struct cart_trail_window *ret,
		      struct cart_err *err)
{
	ret->now_ns = c->ops->now_ns(c);
	if (read_time(c->with, "start", ret->now_ns, ret->now_ns - 7 * DAY_NS,
		      &ret->start_ns, err) < 0 ||
	    read_time(c->with, "end", ret->now_ns, ret->now_ns, &ret->end_ns,
		      err) < 0)
		return no_window(c, err);
	if (ret->start_ns >= ret->end_ns) {
		cart_err_set(err, CART_ERR_USAGE, 0, "start is not before end");
		return no_window(c, err);
	}
	return 0;
}

void cart_trail_plan(const struct cart_json *with,
		     void (*emit)(void *arg, const char *call, bool changes,
				  const char *note), void *arg)
{
	if (cart_json_get(with, "bucket") == NULL) {
		emit(arg, "ec2:DescribeRegions", false, NULL);
		emit(arg, "cloudtrail:DescribeTrails", false, "in each region");
		emit(arg, "cloudtrail:GetTrailStatus", false, "each trail");
		emit(arg, "cloudtrail:GetEventSelectors", false, "each trail");
	}
	emit(arg, "s3:ListObjectsV2", false, "by account, region and day");
}

/* ---- where ----------------------------------------------------------------- */

/* True if the parameter is not there, or a string or list that holds text. */
static bool wanted(const struct cart_json *with, const char *param,
		   const char *text)
{
	const struct cart_json *p = cart_json_get(with, param), *e;

	if (p == NULL)
		return true;
	if (cart_json_string(p) != NULL)
		return strcmp(cart_json_string(p), text) == 0;
	for (e = cart_json_first(p); e != NULL; e = cart_json_next(e)) {
		if (cart_json_string(e) != NULL &&
		    strcmp(cart_json_string(e), text) == 0)
			return true;
	}
	return false;
}

/* One read about a trail, kept as evidence; a failure is a gap. */
static void ask(struct cart_step_ctx *c, const char *operation,
		const char *param, const char *arn, const char *region)
{
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	struct cart_err err = { 0 };
	struct cart_json *input = cart_json_new_object();
	char what[320];

	cart_json_add(input, param, cart_json_new_string(arn));
	call.call.service = "cloudtrail";
	call.call.operation = operation;
	call.call.region = region;
	call.call.input = input;
	if (c->ops->call(c, &call, &reply, &err) < 0) {
		snprintf(what, sizeof(what), "cloudtrail:%s of %.200s",
			 operation, arn);
		cart_step_gap_call(c, &reply, what, &err);
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
}

/* places: array of [bucket, prefix], each once. */
static void add_place(struct cart_json *places, const char *bucket,
		      const char *prefix)
{
	const struct cart_json *e;
	struct cart_json *p;

	for (e = cart_json_first(places); e != NULL; e = cart_json_next(e)) {
		if (strcmp(cart_json_get_string(e, "bucket"), bucket) == 0 &&
		    strcmp(cart_json_get_string(e, "prefix"), prefix) == 0)
			return;
	}
	p = cart_json_append(places, cart_json_new_object());
	cart_json_add(p, "bucket", cart_json_new_string(bucket));
	cart_json_add(p, "prefix", cart_json_new_string(prefix));
}

static void add_trail(const struct cart_trail_walk *w,
		      const struct cart_json *trail, struct cart_json *seen,
		      struct cart_json *places)
{
	struct cart_step_ctx *c = w->c;
	const char *arn = cart_json_get_string(trail, "TrailARN");
	const char *name = cart_json_get_string(trail, "Name");
	const char *home = cart_json_get_string(trail, "HomeRegion");
	const char *bucket = cart_json_get_string(trail, "S3BucketName");
	const char *prefix = cart_json_get_string(trail, "S3KeyPrefix");

	if (arn == NULL || home == NULL || name == NULL || bucket == NULL ||
	    cart_json_get(seen, arn) != NULL ||
	    cart_json_size(seen) >= NAMES_MAX ||
	    (!wanted(c->with, "trails", name) &&
	     !wanted(c->with, "trails", arn)))
		return;
	cart_json_add(seen, arn, cart_json_new_bool(true));
	if (w->trails != NULL)
		cart_json_append(w->trails, cart_json_copy(trail));
	ask(c, "GetTrailStatus", "Name", arn, home);
	ask(c, "GetEventSelectors", "TrailName", arn, home);
	if (!cart_json_bool(cart_json_get(trail, "LogFileValidationEnabled")))
		c->ops->note(c, "a trail has no log file validation: there are "
			     "no digests of what it delivers");
	add_place(places, bucket, prefix != NULL ? prefix : "");
}

/* Regions in which trails may live: all that are enabled. */
static struct cart_json *home_regions(struct cart_step_ctx *c,
				      struct cart_err *err)
{
	struct cart_step_call call = { .call = { .service = "ec2",
		.operation = "DescribeRegions" }, .no_exhibit = true };
	struct cart_json *regions = cart_json_new_array();
	struct cart_step_reply reply;
	const struct cart_json *e;
	const char *name;

	if (c->ops->call(c, &call, &reply, err) < 0) {
		cart_step_gap_call(c, &reply, "single-region trails of other "
				   "regions (the list of regions)", err);
		cart_err_clear(err);
	}
	e = cart_json_first(cart_json_get(reply.aws.view, "Regions"));
	for (; e != NULL; e = cart_json_next(e)) {
		name = cart_json_get_string(e, "RegionName");
		if (name != NULL && (cart_json_get_string(e, "OptInStatus") ==
				     NULL ||
				     strcmp(cart_json_get_string(
					     e, "OptInStatus"),
					    "not-opted-in") != 0))
			cart_json_append(regions, cart_json_new_string(name));
	}
	cart_step_reply_clear(&reply);
	return regions;
}

static int find_trails(const struct cart_trail_walk *w,
		       struct cart_json *places, struct cart_err *err)
{
	struct cart_step_ctx *c = w->c;
	struct cart_json *regions = home_regions(c, err);
	struct cart_json *seen = cart_json_new_object();
	struct cart_step_call call = { .call = { .service = "cloudtrail",
		.operation = "DescribeTrails" } };
	const struct cart_json *r = cart_json_first(regions), *e;
	struct cart_step_reply reply;
	size_t failed = 0, n = 0;
	int rc = 0;

	do {
		call.call.region = cart_json_string(r);	/* NULL: the session's */
		n++;
		if (c->ops->call(c, &call, &reply, err) < 0) {
			failed++;
			cart_step_gap_call(c, &reply, "trails of a region", err);
			if (err->class == CART_ERR_CANCELLED)
				rc = -1;
		} else {
			e = cart_json_first(cart_json_get(reply.aws.view,
							  "trailList"));
			for (; e != NULL; e = cart_json_next(e))
				add_trail(w, e, seen, places);
		}
		cart_step_reply_clear(&reply);
		r = r != NULL ? cart_json_next(r) : NULL;
	} while (r != NULL && rc == 0);
	r = w->regions != NULL ? cart_json_first(regions) : NULL;
	for (; r != NULL; r = cart_json_next(r))
		cart_json_append(w->regions, cart_json_copy(r));
	cart_json_free(regions);
	cart_json_free(seen);
	return failed == n ? -1 : rc;	/* err: the last one's */
}

/* ---- what lies there --------------------------------------------------------- */

struct lister {
	const struct cart_trail_walk *w;
	const char *bucket;
};

static struct cart_json *list_input(const struct lister *l, const char *prefix,
				    bool folders, const char *after)
{
	struct cart_json *input = cart_json_new_object();

	cart_json_add(input, "Bucket", cart_json_new_string(l->bucket));
	cart_json_add(input, "Prefix", cart_json_new_string(prefix));
	if (folders)
		cart_json_add(input, "Delimiter", cart_json_new_string("/"));
	if (after != NULL)
		cart_json_add(input, "StartAfter", cart_json_new_string(after));
	return input;
}

/* Pages of ListObjectsV2: each to page(), which answers 1 for enough. */
static int list(const struct lister *l, struct cart_json *input,
		int (*page)(void *arg, const struct cart_json *view,
			    struct cart_err *err), void *arg,
		struct cart_err *err)
{
	struct cart_step_ctx *c = l->w->c;
	struct cart_step_call call = { .call = { .service = "s3",
		.operation = "ListObjectsV2" }, .no_view = true };
	const char *prefix = cart_json_get_string(input, "Prefix");
	struct cart_step_reply reply;
	struct cart_json *next;
	int more = 1, rc = 0;
	char what[1400];

	snprintf(what, sizeof(what), "the objects below s3://%s/%s", l->bucket,
		 prefix);
	while (more > 0) {
		next = NULL;
		call.call.input = input;
		call.page++;
		more = c->ops->call(c, &call, &reply, err);
		if (more < 0) {
			cart_step_gap_call(c, &reply, what, err);
			if (err->class == CART_ERR_CANCELLED)
				rc = -1;
		} else {
			rc = page(arg, reply.aws.view, err);
			if (rc == 0)
				more = cart_aws_next_page(&call.call,
							  reply.aws.view, &next,
							  err);
			if (rc == 0 && more < 0)
				cart_step_gap_call(c, &reply, what, err);
		}
		cart_step_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return rc < 0 ? -1 : 0;
}

static int take_folders(void *arg, const struct cart_json *view,
			struct cart_err *err)
{
	struct cart_json *names = arg;
	const struct cart_json *e;
	const char *s;

	e = cart_json_first(cart_json_get(view, "CommonPrefixes"));
	for (; e != NULL; e = cart_json_next(e)) {
		s = cart_json_get_string(e, "Prefix");
		if (s == NULL || s[0] == '\0')
			continue;
		if (cart_json_size(names) >= NAMES_MAX)
			return cart_err_set(err, CART_ERR_LIMIT, 0, "more than "
					    "%d folders", NAMES_MAX);
		cart_json_append(names, cart_json_new_string(s));
	}
	return 0;
}

/* Whole prefixes below this one. NULL with err. */
static struct cart_json *folders(const struct lister *l, const char *prefix,
				 struct cart_err *err)
{
	struct cart_json *names = cart_json_new_array();

	if (list(l, list_input(l, prefix, true, NULL), take_folders, names,
		 err) < 0) {
		cart_json_free(names);
		return NULL;
	}
	return names;
}

/* Last name of "a/b/c/": "c". */
static void last_name(const char *folder, char ret[64])
{
	size_t len = strlen(folder);
	const char *s;

	if (len > 0 && folder[len - 1] == '/')
		len--;
	s = memrchr(folder, '/', len);
	s = s != NULL ? s + 1 : folder;
	snprintf(ret, 64, "%.*s", (int)(len - (size_t)(s - folder)), s);
}

struct span {
	const struct lister *l;
	const char *last;		/* keys from here on are too late */
};

static int take_objects(void *arg, const struct cart_json *view,
			struct cart_err *err)
{
	const struct span *s = arg;
	const struct cart_trail_walk *w = s->l->w;
	const struct cart_json *e = cart_json_first(cart_json_get(view,
								  "Contents"));
	const char *key;

	for (; e != NULL; e = cart_json_next(e)) {
		key = cart_json_get_string(e, "Key");
		if (key == NULL)
			continue;
		if (strcmp(key, s->last) >= 0)
			return 1;
		if (w->object(w->arg, s->l->bucket, key,
			      cart_json_get_string(e, "ETag"), err) < 0)
			return -1;
	}
	return 0;
}

static void day_key(const char *folder, int64_t t, char ret[1200])
{
	char text[CART_CLOCK_TEXT_SIZE];

	cart_clock_text(t, 0, text);
	snprintf(ret, 1200, "%s%.4s/%.2s/%.2s", folder, text, text + 5,
		 text + 8);
}

/* folder: ".../CloudTrail/REGION/". */
static int walk_region(const struct lister *l, const char *folder,
		       const char *account, const char *region,
		       struct cart_err *err)
{
	const struct cart_trail_walk *w = l->w;
	char first[1200], end[1200];
	struct span s = { l, end };

	day_key(folder, w->window.start_ns, first);
	/* what happens late in the day is delivered on the next one */
	day_key(folder, w->window.end_ns + 2 * DAY_NS, end);
	if (list(l, list_input(l, folder, false, first), take_objects, &s,
		 err) < 0)
		return -1;
	return w->region != NULL ?
		w->region(w->arg, l->bucket, account, region, err) : 0;
}

static int walk_account(const struct lister *l, const char *folder,
			struct cart_err *err)
{
	char account[64], region[64], below[1200];
	const struct cart_json *e;
	struct cart_json *regions;
	int rc = 0;

	last_name(folder, account);
	if (!wanted(l->w->c->with, "accounts", account) ||
	    (cart_json_get(l->w->c->with, "accounts") == NULL &&
	     !wanted(cart_json_get(l->w->c->with, "followed"), "accounts",
		     account)))
		return 0;
	snprintf(below, sizeof(below), "%s%s/", folder, l->w->kind);
	regions = folders(l, below, err);
	if (regions == NULL)
		return -1;
	e = cart_json_first(regions);
	for (; rc == 0 && e != NULL; e = cart_json_next(e)) {
		last_name(cart_json_string(e), region);
		if (wanted(l->w->c->with, "log_regions", region))
			rc = walk_region(l, cart_json_string(e), account, region,
					 err);
	}
	cart_json_free(regions);
	return rc;
}

/* Accounts below AWSLogs/, also of an organisation: AWSLogs/o-.../ACCOUNT/. */
static int walk_accounts(const struct lister *l, const char *prefix, bool inner,
			 struct cart_err *err)
{
	struct cart_json *names = folders(l, prefix, err);
	const struct cart_json *e;
	char name[64];
	int rc = 0;

	if (names == NULL)
		return -1;
	e = cart_json_first(names);
	for (; rc == 0 && e != NULL; e = cart_json_next(e)) {
		last_name(cart_json_string(e), name);
		if (strlen(name) == 12 && strspn(name, "0123456789") == 12)
			rc = walk_account(l, cart_json_string(e), err);
		else if (!inner && strncmp(name, "o-", 2) == 0)
			rc = walk_accounts(l, cart_json_string(e), true, err);
	}
	cart_json_free(names);
	return rc;
}

int cart_trail_walk(const struct cart_trail_walk *w, struct cart_err *err)
{
	const char *bucket = cart_json_get_string(w->c->with, "bucket");
	const char *prefix = cart_json_get_string(w->c->with, "prefix");
	struct cart_json *places = cart_json_new_array();
	const struct cart_json *e;
	struct lister l = { .w = w };
	char root[1100];
	int rc = 0;

	if (bucket != NULL)
		add_place(places, bucket, prefix != NULL ? prefix : "");
	else
		rc = find_trails(w, places, err);
	if (rc == 0 && cart_json_size(places) == 0)
		cart_step_gap(w->c, "CloudTrail in S3", "absent", "no trail that "
			      "delivers to S3 was found; if there is a bucket in "
			      "another account, give it as \"bucket\"");
	e = cart_json_first(places);
	for (; rc == 0 && e != NULL; e = cart_json_next(e)) {
		size_t len;

		l.bucket = cart_json_get_string(e, "bucket");
		prefix = cart_json_get_string(e, "prefix");
		len = strlen(prefix);
		snprintf(root, sizeof(root), "%.1024s%sAWSLogs/", prefix,
			 len > 0 && prefix[len - 1] != '/' ? "/" : "");
		rc = walk_accounts(&l, root, false, err);
	}
	cart_json_free(places);
	return rc;
}

/* ---- objects -------------------------------------------------------------------- */

int cart_trail_get(struct cart_step_ctx *c, const char *bucket, const char *key,
		   void *tag, struct cart_err *err)
{
	struct cart_step_call call = { .call = { .service = "s3",
		.operation = "GetObject" }, .no_exhibit = true };
	struct cart_json *input = cart_json_new_object();
	int rc;

	cart_json_add(input, "Bucket", cart_json_new_string(bucket));
	cart_json_add(input, "Key", cart_json_new_string(key));
	call.call.input = input;
	rc = c->ops->submit(c, &call, tag, err);
	cart_json_free(input);
	return rc;
}

const char *cart_trail_meta(const struct cart_step_reply *reply,
			    const char *name)
{
	const struct cart_json *m;

	m = cart_json_first(cart_json_get(reply->aws.view, "Metadata"));
	for (; m != NULL; m = cart_json_next(m)) {
		if (strcasecmp(cart_json_key(m), name) == 0)
			return cart_json_string(m);
	}
	return NULL;
}

struct cart_json *cart_trail_origin(const char *bucket, const char *key,
				    const struct cart_step_reply *reply)
{
	static const char *const copied[][2] = {
		{ "VersionId", "version_id" }, { "ETag", "etag" },
		{ "LastModified", "last_modified" }, { "Metadata", "metadata" },
		{ "ServerSideEncryption", "encryption" },
		{ "SSEKMSKeyId", "kms_key" },
	};
	struct cart_json *origin = cart_json_new_object();
	const struct cart_json *v;
	size_t i;

	cart_json_add(origin, "service", cart_json_new_string("s3"));
	cart_json_add(origin, "operation", cart_json_new_string("GetObject"));
	cart_json_add(origin, "call", cart_json_new_string(reply->call_id));
	cart_json_add(origin, "bucket", cart_json_new_string(bucket));
	cart_json_add(origin, "key", cart_json_new_string(key));
	for (i = 0; i < sizeof(copied) / sizeof(*copied); i++) {
		v = cart_json_get(reply->aws.view, copied[i][0]);
		if (v != NULL)
			cart_json_add(origin, copied[i][1], cart_json_copy(v));
	}
	return origin;
}

int cart_trail_put(struct cart_step_ctx *c, const char *key,
		   const struct cart_json *origin,
		   const struct cart_step_reply *reply,
		   char ret_id[CART_EXHIBIT_ID_SIZE], struct cart_err *err)
{
	const char *slug = strrchr(key, '/');
	struct cart_exhibit_info info = { 0 };
	char name[1200];

	snprintf(name, sizeof(name), "s3://%s/%s",
		 cart_json_get_string(origin, "bucket"), key);
	info.name = name;
	info.slug = slug != NULL ? slug + 1 : key;
	info.media = "application/gzip";
	info.origin = origin;
	info.repeatable = true;
	return c->ops->put(c, &info, reply->aws.raw.data != NULL ?
			   (void *)reply->aws.raw.data : "",
			   reply->aws.raw.len, ret_id, err);
}

/* ---- lines ------------------------------------------------------------------------ */

void cart_trail_lines_init(struct cart_trail_lines *l, struct cart_step_ctx *c,
			   const char *name, const char *slug, const char *note)
{
	memset(l, 0, sizeof(*l));
	l->c = c;
	l->name = name;
	l->slug = slug;
	l->note = note;
	cart_buf_init(&l->buf, GATHER_MAX + ((size_t)16 << 20));
}

static void lines_info(const struct cart_trail_lines *l,
		       struct cart_exhibit_info *info)
{
	memset(info, 0, sizeof(*info));
	info->name = l->name;
	info->slug = l->slug;
	info->media = "application/x-ndjson";
	info->repeatable = true;
	info->note = l->note;
	info->origin = l->origin;
}

int cart_trail_lines_flush(struct cart_trail_lines *l, struct cart_err *err)
{
	struct cart_exhibit_info info;
	unsigned char *part;
	size_t at = 0, n;

	if (l->buf.len == 0)
		return 0;
	if (l->out == NULL) {
		lines_info(l, &info);
		l->out = l->c->ops->exhibit(l->c, &info, true, err);
		if (l->out == NULL)
			return -1;
	}
	for (; at < l->buf.len; at += n) {
		n = l->buf.len - at;
		if (n > CART_PART_SIZE)
			n = CART_PART_SIZE;
		part = l->c->ops->reserve(l->out, err);
		if (part == NULL)
			return -1;
		memcpy(part, l->buf.data + at, n);
		if (l->c->ops->submit_part(l->out, n, err) < 0)
			return -1;
	}
	cart_buf_reset(&l->buf);
	return 0;
}

int cart_trail_lines_line(struct cart_trail_lines *l, struct cart_err *err)
{
	cart_buf_addc(&l->buf, '\n');
	if (cart_buf_check(&l->buf, l->slug, err) < 0)
		return -1;
	l->n++;
	return l->buf.len >= GATHER_MAX ? cart_trail_lines_flush(l, err) : 0;
}

int cart_trail_lines_block(struct cart_trail_lines *l,
			   const struct cart_buf *lines, uint64_t n,
			   struct cart_err *err)
{
	if (n == 0)
		return 0;
	cart_buf_add(&l->buf, lines->data, lines->len);
	if (cart_buf_check(&l->buf, l->slug, err) < 0)
		return -1;
	l->n += n;
	return l->buf.len >= GATHER_MAX ? cart_trail_lines_flush(l, err) : 0;
}

int cart_trail_lines_close(struct cart_trail_lines *l, const char *state,
			   struct cart_err *err)
{
	struct cart_exhibit_info info;
	struct cart_exhibit *out;
	int rc;

	if (l->out == NULL) {
		lines_info(l, &info);
		info.state = state;
		rc = l->c->ops->put(l->c, &info, l->buf.data != NULL ?
				    (void *)l->buf.data : "", l->buf.len, NULL,
				    err);
	} else {
		rc = cart_trail_lines_flush(l, err);
		out = l->out;
		l->out = NULL;
		if (l->c->ops->close(out, rc < 0 ? "truncated" : state, NULL,
				     NULL, rc < 0 ? NULL : err) < 0)
			rc = -1;
	}
	cart_buf_clear(&l->buf);
	cart_json_free(l->origin);
	l->origin = NULL;
	return rc;
}
