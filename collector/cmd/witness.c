/* SPDX-License-Identifier: Apache-2.0 */
#include "witness.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crashcart/aws_signer.h"
#include "crashcart/clock.h"
#include "crashcart/digest.h"
#include "crashcart/minisign.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"
#include "crashcart/timestamp.h"
#include "key_kms.h"

#define EVERY "5m"
#define REPLY_MAX ((size_t)16 << 10)	/* bytes in a log line */
#define CALL_MS 20000u			/* for one head, with its retries */

struct cmd_witness {
	const struct cart_args *args;
	struct cmd_aws *aws;
	struct cart_bundle *bundle;
	char name[65];
	const char *url, *kms;		/* a time stamping authority, a key */
	struct cart_signer *signer;	/* of kms, once it was reached */
	bool has_bucket;
	char bucket[256], prefix[512];
	char owner[16];			/* of the bucket, "" if any */
	bool has_owner;			/* that was found out */
	uint64_t every_ms;
	uint64_t last;			/* size of the head that was pushed */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static int parse_bucket(const char *where, struct cmd_witness *w)
{
	const char *slash = strchr(where, '/');
	size_t n = slash ? (size_t)(slash - where) : strlen(where);

	if (w->has_bucket || n < 3 || n >= sizeof(w->bucket))
		return -1;
	w->has_bucket = true;
	snprintf(w->bucket, sizeof(w->bucket), "%.*s", (int)n, where);
	if (!slash || !slash[1])
		return 0;
	if (strlen(slash + 1) >= sizeof(w->prefix) - 1)
		return -1;
	snprintf(w->prefix, sizeof(w->prefix), "%s%s", slash + 1,
		 slash[strlen(slash) - 1] == '/' ? "" : "/");
	return 0;
}

/* One of each kind. */
static int parse_one(const char *where, struct cmd_witness *w)
{
	struct cart_url url;

	if (strncmp(where, "s3://", 5) == 0)
		return parse_bucket(where + 5, w);
	if (cart_key_is_kms(where) && w->kms == NULL) {
		w->kms = where + 4;
		return cart_aws_kms_is_arn(w->kms) ? 0 : -1;
	}
	if (w->url != NULL || strlen(where) > CART_STAMP_URL_MAX)
		return -1;
	w->url = where;
	return cart_url_parse(where, &url, NULL);
}

static int parse(const struct cart_args *a, struct cmd_witness *w,
		 struct cart_err *err)
{
	const char *every = cart_args_value(a, "witness-every");
	const char *where;
	size_t i;

	for (i = 0; (where = cart_args_at(a, "witness", i)) != NULL; i++)
		if (parse_one(where, w) < 0)
			return cart_err_set(err, CART_ERR_USAGE, 0, "--witness "
					    "%s: s3://BUCKET/PREFIX, the URL of "
					    "a time stamping authority, or "
					    "kms:arn:aws:kms:REGION:ACCOUNT:"
					    "key/ID is wanted, one of each",
					    where);
	if (every == NULL)
		every = EVERY;
	if (cart_text_duration(every, strlen(every), &w->every_ms) < 0 ||
	    w->every_ms < 1000 || w->every_ms > 86400000)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--witness-every "
				    "%s: a time like 5m, from a second to a "
				    "day, is wanted", every);
	return 0;
}

int cart_witness_check(const struct cart_args *a, struct cart_err *err)
{
	struct cmd_witness w = { 0 };

	if (cart_args_value(a, "witness") == NULL)
		return 0;
	return parse(a, &w, err);
}

/* Puts PREFIX/NAME/SIZE.checkpoint, or what belongs to it. */
static int put(struct cmd_witness *w, const struct cart_buf *data,
	       uint64_t size, const char *end, char key[800],
	       struct cart_err *err)
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
	snprintf(key, 800, "%s%s/%012" PRIu64 ".checkpoint%s", w->prefix,
		 w->name, size, end);
	cart_buf_init(&body, SIZE_MAX / 2);
	cart_text_base64(data->data, data->len, &body);
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

static void put_head(struct cmd_witness *w, const struct cart_buf *note,
		     uint64_t size)
{
	char key[800], text[1600];
	struct cart_err err = { 0 };

	if (put(w, note, size, "", key, &err) == 0) {
		snprintf(text, sizeof(text), "witness: the head of %" PRIu64
			 " lines is in s3://%s/%s%s", size, w->bucket, key,
			 w->owner[0] != '\0' ? "" : ", whosever that is");
	} else {
		snprintf(text, sizeof(text), "witness: the head of %" PRIu64
			 " lines could not be put into s3://%s: %s", size,
			 w->bucket, err.text);
		cart_msg(CART_MSG_WARN, "%s", text);
	}
	log_note(w, text);
}

/* ---- others who saw it -------------------------------------------------------- */

static int stamp(struct cmd_witness *w, const struct cart_buf *note,
		 struct cart_buf *ret, struct cart_err *err)
{
	struct cart_tsr_check check = { .data = note->data,
					.data_len = note->len };
	struct cart_tsr t;
	struct cart_buf query;
	int rc;

	cart_buf_init(&query, 4096);
	rc = cart_tsq_make(note->data, note->len, &query, err);
	if (rc == 0)
		rc = cart_tsa_ask(cart_cmd_aws_net(w->aws), w->url, query.data,
				  query.len, ret, err);
	check.query = query.data;
	check.query_len = query.len;
	check.reply = ret->data;
	check.reply_len = ret->len;
	if (rc == 0)
		rc = cart_tsr_verify(&check, &t, err);
	cart_buf_clear(&query);
	return rc;
}

static int sign(struct cmd_witness *w, const struct cart_buf *note,
		uint64_t size, struct cart_buf *ret, struct cart_err *err)
{
	unsigned char prehash[CART_BLAKE2B_SIZE];
	char when[CART_CLOCK_TEXT_SIZE], comment[256];
	struct cart_blake2b b;

	if (w->signer == NULL)
		w->signer = cart_aws_kms_signer(cart_cmd_aws_client(w->aws),
						w->kms, err);
	if (w->signer == NULL)
		return -1;
	cart_clock_text(cart_aws_now_ns(cart_cmd_aws_client(w->aws)), 0, when);
	snprintf(comment, sizeof(comment), "crashcart head bundle=%s size=%"
		 PRIu64 " time=%s", w->name, size, when);
	cart_blake2b_init(&b);
	cart_blake2b_update(&b, note->data, note->len);
	cart_blake2b_final(&b, prehash);
	return cart_minisign_sign(w->signer, prehash, "crashcart head",
				  comment, ret, err);
}

static void add_base64(struct cart_json *j, const char *key,
		       const struct cart_buf *data)
{
	struct cart_buf b;

	cart_buf_init(&b, SIZE_MAX / 2);
	cart_text_base64(data->data, data->len, &b);
	if (cart_buf_ok(&b))
		cart_json_add(j, key, cart_json_new_string((char *)b.data));
	cart_buf_clear(&b);
}

/* Off this host: where there is a bucket, there; else to whoever reads what
 * this program says. */
static void carry_away(struct cmd_witness *w, uint64_t size, const char *end,
		       const struct cart_buf *data)
{
	char key[800], text[1600];
	struct cart_err err = { 0 };
	struct cart_buf b;

	if (w->has_bucket) {
		if (put(w, data, size, end, key, &err) < 0) {
			snprintf(text, sizeof(text), "witness: %s of the head "
				 "of %" PRIu64 " lines could not be put into "
				 "s3://%s: %s", end, size, w->bucket, err.text);
			cart_msg(CART_MSG_WARN, "%s", text);
			log_note(w, text);
		}
		return;
	}
	cart_buf_init(&b, SIZE_MAX / 2);
	cart_text_base64(data->data, data->len, &b);
	if (cart_buf_ok(&b))
		cart_msg(CART_MSG_NOTE, "witness: %s %012" PRIu64
			 ".checkpoint%s %s", w->name, size, end, (char *)b.data);
	cart_buf_clear(&b);
}

static void ask(struct cmd_witness *w, const struct cart_buf *note,
		uint64_t size, bool is_stamp)
{
	struct cart_json *j = cart_json_new_object();
	const char *end = is_stamp ? ".tsr" : ".minisig";
	struct cart_err err = { 0 };
	struct cart_buf reply;
	int rc;

	cart_buf_init(&reply, REPLY_MAX);
	rc = is_stamp ? stamp(w, note, &reply, &err) :
		sign(w, note, size, &reply, &err);
	cart_json_add(j, "size", cart_json_new_int((int64_t)size));
	cart_json_add(j, "by", cart_json_new_string(is_stamp ? w->url :
						    w->kms));
	add_base64(j, "head_b64", note);
	if (rc == 0) {
		add_base64(j, "reply_b64", &reply);
		carry_away(w, size, end, &reply);
	} else {
		cart_json_add(j, "error", cart_json_new_string(err.text));
		cart_msg(CART_MSG_WARN, "witness: %s: %s", is_stamp ? w->url :
			 w->kms, err.text);
	}
	cart_bundle_log(w->bundle, "witness", "", j, NULL);
	cart_json_free(j);
	cart_buf_clear(&reply);
}

/* What is durable by now. */
static void push(struct cmd_witness *w)
{
	struct cart_buf note;
	struct cart_err err = { 0 };
	uint64_t size = 0;

	cart_buf_init(&note, 4096);
	if (cart_bundle_sync(w->bundle, &err) == 0 &&
	    cart_bundle_head(w->bundle, &note, &size) == 0 &&
	    size != w->last) {
		w->last = size;
		if (w->has_bucket)
			put_head(w, &note, size);
		else
			carry_away(w, size, "", &note);
		if (w->url != NULL)
			ask(w, &note, size, true);
		if (w->kms != NULL)
			ask(w, &note, size, false);
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
	cart_signer_free(w->signer);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	free(w);
}
