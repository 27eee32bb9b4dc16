/* SPDX-License-Identifier: Apache-2.0 */
#include "witness.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crashcart/msg.h"
#include "crashcart/text.h"

#define EVERY "5m"
#define CALL_MS 20000u			/* for one head, with its retries */

struct cmd_witness {
	const struct cart_args *args;
	char owner[16];			/* of the bucket, "" if any */
	bool has_owner;			/* that was found out */
	struct cmd_aws *aws;
	struct cart_bundle *bundle;
	char bucket[256], prefix[512], name[65];
	uint64_t every_ms;
	uint64_t last;			/* size of the head that was put */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static int parse(const struct cart_args *a, struct cmd_witness *w,
		 struct cart_err *err)
{
	const char *where = cart_args_value(a, "witness");
	const char *every = cart_args_value(a, "witness-every");
	const char *slash;
	size_t n;

	if (strncmp(where, "s3://", 5) != 0)
		goto bad;
	where += 5;
	slash = strchr(where, '/');
	n = slash ? (size_t)(slash - where) : strlen(where);
	if (n < 3 || n >= sizeof(w->bucket))
		goto bad;
	snprintf(w->bucket, sizeof(w->bucket), "%.*s", (int)n, where);
	if (slash && slash[1]) {
		if (strlen(slash + 1) >= sizeof(w->prefix) - 1)
			goto bad;
		snprintf(w->prefix, sizeof(w->prefix), "%s%s", slash + 1,
			 slash[strlen(slash) - 1] == '/' ? "" : "/");
	}
	if (every == NULL)
		every = EVERY;
	if (cart_text_duration(every, strlen(every), &w->every_ms) < 0 ||
	    w->every_ms < 1000 || w->every_ms > 86400000)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--witness-every "
				    "%s: a time like 5m, from a second to a "
				    "day, is wanted", every);
	return 0;
bad:
	return cart_err_set(err, CART_ERR_USAGE, 0, "--witness %s: "
			    "s3://BUCKET/PREFIX is wanted",
			    cart_args_value(a, "witness"));
}

int cart_witness_check(const struct cart_args *a, struct cart_err *err)
{
	struct cmd_witness w = { 0 };

	if (cart_args_value(a, "witness") == NULL)
		return 0;
	return parse(a, &w, err);
}

static int put(struct cmd_witness *w, const struct cart_buf *note,
	       uint64_t size, char key[800], struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_aws_reply reply;
	struct cart_buf body;
	const struct cart_aws_call call = {
		.service = "s3", .operation = "PutObject", .input = input,
		/* the operator named the bucket; nothing is replaced there */
		.may_change = true, .max_elapsed_ms = CALL_MS,
	};
	int rc;

	if (!w->has_owner) {
		rc = cart_cmd_aws_owner(w->aws, w->args, "witness-owner",
					w->owner, err);
		if (rc < 0) {
			cart_json_free(input);
			return -1;
		}
		w->has_owner = true;
	}
	snprintf(key, 800, "%s%s/%012" PRIu64 ".checkpoint", w->prefix, w->name,
		 size);
	cart_buf_init(&body, 8192);
	cart_text_base64(note->data, note->len, &body);
	cart_json_add(input, "Bucket", cart_json_new_string(w->bucket));
	cart_json_add(input, "Key", cart_json_new_string(key));
	if (w->owner[0] != '\0')
		cart_json_add(input, "ExpectedBucketOwner",
			      cart_json_new_string(w->owner));
	cart_json_add(input, "IfNoneMatch", cart_json_new_string("*"));
	cart_json_add(input, "Body",
		      cart_json_new_string((const char *)body.data));
	rc = cart_aws_call(cart_cmd_aws_client(w->aws), &call, &reply, err);
	cart_aws_reply_clear(&reply);
	cart_json_free(input);
	cart_buf_clear(&body);
	return rc;
}

static void log_note(struct cmd_witness *w, const char *text)
{
	struct cart_json *j = cart_json_new_object();

	cart_json_add(j, "text", cart_json_new_string(text));
	cart_bundle_log(w->bundle, "note", "", j, NULL);
	cart_json_free(j);
}

/* What is durable by now. */
static void push(struct cmd_witness *w)
{
	char key[800], text[1600];
	struct cart_buf note;
	struct cart_err err = { 0 };
	uint64_t size = 0;

	cart_buf_init(&note, 4096);
	if (cart_bundle_sync(w->bundle, &err) == 0 &&
	    cart_bundle_head(w->bundle, &note, &size) == 0 &&
	    size != w->last) {
		if (put(w, &note, size, key, &err) == 0) {
			snprintf(text, sizeof(text), "witness: the head of %"
				 PRIu64 " lines is in s3://%s/%s%s", size,
				 w->bucket, key, w->owner[0] != '\0' ? "" :
				 ", whosever that is");
			w->last = size;
		} else {
			snprintf(text, sizeof(text), "witness: the head of %"
				 PRIu64 " lines could not be put into s3://%s: "
				 "%s", size, w->bucket, err.text);
			cart_msg(CART_MSG_WARN, "%s", text);
		}
		log_note(w, text);
	}
	cart_buf_clear(&note);
}

static void *run(void *arg)
{
	struct cmd_witness *w = arg;
	struct timespec until;
	bool stop = false;

	while (!stop) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += (time_t)(w->every_ms / 1000);
		pthread_mutex_lock(&w->lock);
		while (!w->stop && pthread_cond_timedwait(&w->wake, &w->lock,
							  &until) == 0)
			;
		stop = w->stop;
		pthread_mutex_unlock(&w->lock);
		push(w);
	}
	return NULL;
}

struct cmd_witness *cart_witness_start(const struct cart_args *a,
				       struct cmd_aws *aws,
				       struct cart_bundle *b, const char *name,
				       struct cart_err *err)
{
	struct cmd_witness *w;
	pthread_condattr_t attr;

	if (cart_args_value(a, "witness") == NULL)
		return NULL;
	w = calloc(1, sizeof(*w));
	if (w == NULL || parse(a, w, err) < 0) {
		free(w);
		return NULL;
	}
	w->aws = aws;
	w->args = a;
	w->bundle = b;
	snprintf(w->name, sizeof(w->name), "%s", name);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&w->lock, NULL);
	if (pthread_create(&w->thread, NULL, run, w) == 0)
		return w;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	free(w);
	return NULL;
}

void cart_witness_stop(struct cmd_witness *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	free(w);
}
