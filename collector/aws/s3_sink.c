/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <crashcart/aws_sink.h>
#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "s3_internal.h"

/*
 * The writer fills a buffer of the size of a chunk; when the chunk is whole
 * one of a few threads sends it as a part.  A segment is closed when all its
 * parts are there.
 */

#define PART_BYTES ((size_t)8 << 20)
#define THREADS 4u
#define PARTS_MAX 10000u
#define STACK_BYTES ((size_t)256 << 10)
/* A part may take long on a thin line; one that stalls is found out before. */
#define PART_MS 3600000u
/* Networks come back: so long is a part sent again. */
#define PATIENCE_NS (INT64_C(900) * 1000000000)
#define AGAIN_MS 5000u

struct s3_sink {
	struct cart_sink sink;
	struct cart_s3_sink_options o;
	char bucket[64], prefix[1024], name[65];
	char owner[32], kms_key[512], lock_mode[16], lock_until[40];
	char location[1200];
	struct cart_buf state;		/* of when this segment is closed */
	/* the writer's own */
	unsigned segment;
	char *upload_id;		/* of the open segment, or NULL */
	unsigned char *fill;		/* buffer that is being filled, or NULL */
	size_t filled;
	bool is_ending;
	/* below: under lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct s3_job queue[THREADS];
	unsigned n_queued, n_busy;
	uint64_t pending;		/* bytes of these */
	unsigned char *free[THREADS];
	unsigned n_free;
	struct s3_part *parts;		/* of the open segment */
	unsigned n_parts;
	bool failed, stopping;
	struct cart_err err;
	pthread_t thread[THREADS];
	unsigned n_threads;
};

static struct s3_sink *of(struct cart_sink *s)
{
	return (struct s3_sink *)s;
}

void cart_s3_add(struct cart_json *j, const char *key, const char *value)
{
	if (value)
		cart_json_add(j, key, cart_json_new_string(value));
}

void cart_s3_add_base64(struct cart_json *j, const char *key,
			const unsigned char sha256[CART_SHA256_SIZE])
{
	struct cart_buf b;

	cart_buf_init(&b, 64);
	cart_text_base64(sha256, CART_SHA256_SIZE, &b);
	if (cart_buf_ok(&b))
		cart_s3_add(j, key, (const char *)b.data);
	cart_buf_clear(&b);
}

/* Bucket, key and owner, which every request names. */
struct cart_json *cart_s3_input(const struct cart_s3_sink_options *o,
				const char *file)
{
	struct cart_json *j = cart_json_new_object();
	struct cart_buf key;

	cart_buf_init(&key, 2048);
	cart_buf_adds(&key, o->prefix);
	cart_buf_adds(&key, file);
	cart_s3_add(j, "Bucket", o->bucket);
	if (cart_buf_ok(&key))
		cart_s3_add(j, "Key", (const char *)key.data);
	cart_s3_add(j, "ExpectedBucketOwner", o->owner);
	cart_buf_clear(&key);
	return j;
}

/* What stays with the object. */
static void add_keeping(struct cart_json *j,
			const struct cart_s3_sink_options *o)
{
	if (o->kms_key) {
		cart_s3_add(j, "ServerSideEncryption", "aws:kms");
		cart_s3_add(j, "SSEKMSKeyId", o->kms_key);
		cart_json_add(j, "BucketKeyEnabled", cart_json_new_bool(true));
	}
	if (o->lock_mode) {
		cart_s3_add(j, "ObjectLockMode", o->lock_mode);
		cart_s3_add(j, "ObjectLockRetainUntilDate", o->lock_until);
	}
	if (o->legal_hold)
		cart_s3_add(j, "ObjectLockLegalHoldStatus", "ON");
}

int cart_s3_call(const struct cart_s3_sink_options *o, const char *operation,
		 const struct cart_json *input, const struct s3_job *body,
		 struct cart_aws_reply *ret, struct cart_err *err)
{
	const struct cart_aws_call c = {
		.service = "s3", .operation = operation, .input = input,
		/* the operator named the bucket to write to */
		.may_change = true,
		.body = body ? body->data : NULL,
		.body_len = body ? body->len : 0,
		.body_sha256 = body ? body->sha256 : NULL,
		.timeout_ms = body ? PART_MS : 0,
	};

	if (cart_aws_call(o->aws, &c, ret, err) == 0)
		return 0;
	if (err && err->class == CART_ERR_DENIED && o->owner_assumed)
		return cart_err_prefix(err, "s3:%s (expecting a bucket of %s, "
				       "the account of these credentials; "
				       "--bucket-owner if it is another's)",
				       operation, o->owner);
	return cart_err_prefix(err, "s3:%s", operation);
}

/* What the operator can do about an upload that is refused. */
static const char *advice(const struct cart_s3_sink_options *o,
			  const struct cart_aws_reply *reply)
{
	if (strcmp(reply->error_code, "NoSuchBucket") == 0)
		return "make the bucket, or correct its name";
	if (strncmp(reply->error_code, "KMS.", 4) == 0)
		return "correct --upload-kms-key: a key for encryption in the "
		       "bucket's region, enabled";
	if (reply->status == 400 && (o->lock_mode || o->legal_hold))
		return "--retain and --legal-hold want a bucket that was made "
		       "with Object Lock";
	if (reply->status == 403)
		return "the upload needs s3:PutObject there, with --retain "
		       "s3:PutObjectRetention, with --legal-hold "
		       "s3:PutObjectLegalHold, with a KMS key "
		       "kms:GenerateDataKey and kms:Decrypt, and the bucket's "
		       "own account in --bucket-owner";
	return "look at bucket, region and network";
}

/* --- one part, on a thread --- */

static void file_name(const struct s3_sink *s, char out[96])
{
	const char *end = s->o.encrypted ? ".age" : "";

	if (s->segment == 1)
		snprintf(out, 96, "%s.tar%s", s->name, end);
	else
		snprintf(out, 96, "%s.tar.%03u%s", s->name, s->segment, end);
}

static int send_part(struct s3_sink *s, const struct s3_job *job,
		     struct cart_err *err)
{
	struct cart_aws_reply reply = { 0 };
	struct cart_json *j;
	const char *etag;
	char file[96];
	int rc = -1;

	file_name(s, file);
	j = cart_s3_input(&s->o, file);
	cart_s3_add(j, "UploadId", s->upload_id);
	cart_json_add(j, "PartNumber", cart_json_new_int(job->number));
	cart_s3_add_base64(j, "ChecksumSHA256", job->sha256);
	if (cart_s3_call(&s->o, "UploadPart", j, job, &reply, err) < 0)
		goto out;
	etag = cart_json_get_string(reply.view, "ETag");
	if (!etag || strlen(etag) >= sizeof(s->parts[0].etag)) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "s3:UploadPart: the answer has no ETag");
		goto out;
	}
	/* the slot is this part's alone */
	snprintf(s->parts[job->number - 1].etag, sizeof(s->parts[0].etag),
		 "%s", etag);
	rc = 0;
out:
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
	return rc;
}

static int failed(struct s3_sink *s, struct cart_err *err);

static bool passes(const struct cart_err *err)
{
	return err->class == CART_ERR_NET || err->class == CART_ERR_TIMEOUT ||
	       err->class == CART_ERR_THROTTLED ||
	       (err->class == CART_ERR_HTTP && err->code >= 500);
}

static int send_patiently(struct s3_sink *s, const struct s3_job *job,
			  struct cart_err *err)
{
	int64_t begin = cart_clock_mono_ns();
	unsigned ms;

	for (;;) {
		if (send_part(s, job, err) == 0)
			return 0;
		if (!passes(err) ||
		    cart_clock_mono_ns() - begin > PATIENCE_NS)
			return -1;
		for (ms = 0; ms < AGAIN_MS; ms += 250) {
			if (failed(s, NULL) < 0)
				return -1;
			cart_clock_sleep_ms(250);
		}
	}
}

static void *worker(void *arg)
{
	struct s3_sink *s = arg;
	struct cart_err err;
	struct s3_job job;
	int rc;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (s->n_queued == 0 && !s->stopping)
			pthread_cond_wait(&s->changed, &s->lock);
		if (s->n_queued == 0)
			break;
		job = s->queue[0];
		memmove(s->queue, s->queue + 1,
			--s->n_queued * sizeof(s->queue[0]));
		s->n_busy++;
		rc = s->failed ? 0 : 1;
		pthread_mutex_unlock(&s->lock);
		if (rc)
			rc = send_patiently(s, &job, &err);
		pthread_mutex_lock(&s->lock);
		if (rc < 0 && !s->failed) {
			s->failed = true;
			s->err = err;
		}
		s->n_busy--;
		s->pending -= job.len;
		s->free[s->n_free++] = job.data;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- the writer's side --- */

static int failed(struct s3_sink *s, struct cart_err *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->failed) {
		if (err)
			*err = s->err;
		rc = -1;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int begin_upload(struct s3_sink *s, struct cart_err *err)
{
	struct cart_aws_reply reply = { 0 };
	struct cart_json *j;
	const char *id;
	char file[96];
	int rc = -1;

	file_name(s, file);
	j = cart_s3_input(&s->o, file);
	cart_s3_add(j, "ContentType", s->o.encrypted ? "application/age-encryption" :
					       "application/x-tar");
	cart_s3_add(j, "ChecksumAlgorithm", "SHA256");
	add_keeping(j, &s->o);
	if (cart_s3_call(&s->o, "CreateMultipartUpload", j, NULL, &reply, err) < 0) {
		if (s->segment == 1)
			cart_err_prefix(err, "s3://%s/%s takes no upload "
					"(nothing was collected; %s)",
					s->bucket, s->prefix,
					advice(&s->o, &reply));
		goto out;
	}
	id = cart_json_get_string(reply.view, "UploadId");
	if (!id || !*id) {
		cart_err_set(err, CART_ERR_INPUT, 0, "s3:CreateMultipartUpload:"
			     " the answer has no UploadId");
		goto out;
	}
	s->upload_id = strdup(id);
	rc = s->upload_id ? 0 : cart_err_nomem(err);
out:
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
	return rc;
}

/* Waits for a buffer. */
static void begin_fill(struct s3_sink *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->n_free == 0)
		pthread_cond_wait(&s->changed, &s->lock);
	s->fill = s->free[--s->n_free];
	pthread_mutex_unlock(&s->lock);
}

static int s3_write(struct cart_sink *sink, const void *data, size_t len,
		    struct cart_err *err)
{
	struct s3_sink *s = of(sink);

	if (len > PART_BYTES - s->filled)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "a chunk of more than 8 MiB");
	if (!s->fill)
		begin_fill(s);
	memcpy(s->fill + s->filled, data, len);
	s->filled += len;
	return 0;
}

static int s3_chunk(struct cart_sink *sink, const unsigned char sha256[32],
		    struct cart_err *err)
{
	struct s3_sink *s = of(sink);
	struct s3_job job = { .data = s->fill, .len = s->filled };

	if (failed(s, err) < 0 ||
	    (!s->upload_id && begin_upload(s, err) < 0))
		return -1;
	memcpy(job.sha256, sha256, sizeof(job.sha256));
	pthread_mutex_lock(&s->lock);
	job.number = ++s->n_parts;
	memcpy(s->parts[job.number - 1].sha256, sha256, sizeof(job.sha256));
	s->queue[s->n_queued++] = job;
	s->pending += job.len;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	s->fill = NULL;
	s->filled = 0;
	return 0;
}

/* base64(SHA-256 of the digests) "-" number: what S3 computes too. */
void cart_s3_composite(struct cart_sha256 *sha, size_t n, char out[64])
{
	unsigned char digest[CART_SHA256_SIZE];
	struct cart_buf b;

	cart_sha256_final(sha, digest);
	cart_buf_init_fixed(&b, out, 64);
	cart_text_base64(digest, sizeof(digest), &b);
	cart_buf_addf(&b, "-%zu", n);
}

/* What S3 says of the object; length NULL: no matter. */
int cart_s3_head(const struct cart_s3_sink_options *o, const char *file,
		 const uint64_t *length, const char *want,
		 struct cart_err *err)
{
	struct cart_json *j = cart_s3_input(o, file);
	struct cart_aws_reply reply = { 0 };
	const char *have;
	int64_t bytes;
	int rc;

	cart_s3_add(j, "ChecksumMode", "ENABLED");
	rc = cart_s3_call(o, "HeadObject", j, NULL, &reply, err);
	if (rc < 0)
		goto out;
	have = cart_json_get_string(reply.view, "ChecksumSHA256");
	if (!have || strcmp(have, want) != 0)
		rc = cart_err_set(err, CART_ERR_CRYPTO, 0, "%s: the object in "
				  "S3 has the checksum %.60s, not %s", file,
				  have ? have : "none", want);
	else if (length && (cart_json_i64(cart_json_get(reply.view,
							"ContentLength"),
					  &bytes) < 0 ||
			    bytes < 0 || (uint64_t)bytes != *length))
		rc = cart_err_set(err, CART_ERR_CRYPTO, 0, "%s: the object in "
				  "S3 is not of %" PRIu64 " bytes", file,
				  *length);
out:
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
	return rc;
}

int cart_s3_complete(const struct cart_s3_sink_options *o,
		     const struct s3_upload *u, struct cart_err *err)
{
	struct cart_json *j = cart_s3_input(o, u->file), *list, *part;
	struct cart_aws_reply reply = { 0 };
	struct cart_sha256 sha;
	const char *have;
	char want[64];
	unsigned i;
	int rc = -1;

	cart_sha256_init(&sha);
	for (i = 0; i < u->n_parts; i++)
		cart_sha256_update(&sha, u->parts[i].sha256, CART_SHA256_SIZE);
	cart_s3_composite(&sha, u->n_parts, want);
	cart_s3_add(j, "UploadId", u->id);
	cart_s3_add(j, "IfNoneMatch", "*");
	cart_s3_add(j, "ChecksumSHA256", want);
	list = cart_json_add(cart_json_add(j, "MultipartUpload",
					   cart_json_new_object()),
			     "Parts", cart_json_new_array());
	for (i = 0; i < u->n_parts; i++) {
		part = cart_json_append(list, cart_json_new_object());
		cart_json_add(part, "PartNumber", cart_json_new_int(i + 1));
		cart_s3_add(part, "ETag", u->parts[i].etag);
		cart_s3_add_base64(part, "ChecksumSHA256", u->parts[i].sha256);
	}
	if (cart_s3_call(o, "CompleteMultipartUpload", j, NULL, &reply,
			 err) < 0) {
		/* the answer to an earlier try may be lost */
		if (reply.attempts > 1 &&
		    cart_s3_head(o, u->file, NULL, want, NULL) == 0)
			rc = 0;
		goto out;
	}
	have = cart_json_get_string(reply.view, "ChecksumSHA256");
	if (!have || strcmp(have, want) != 0) {
		cart_err_set(err, CART_ERR_CRYPTO, 0, "%s: S3 says that the "
			     "object's checksum is %.60s, but %s was sent",
			     u->file, have ? have : "none", want);
		goto out;
	}
	rc = 0;
out:
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
	return rc;
}

/* --- the state file --- */

enum state_step { CLOSING, CLOSED, GONE };

/* It begins with where the segments are, and how the last can be completed:
 * until it is, that is a file of its own beside the one before. */
static int put_state(struct s3_sink *s, enum state_step step,
		     struct cart_err *err)
{
	char closing[80], closed[80], file[96];
	struct cart_buf b;
	int fd = s->o.state_dirfd, rc = -1;

	snprintf(closing, sizeof(closing), "%s.state-closing", s->name);
	snprintf(closed, sizeof(closed), "%s.state", s->name);
	if (step == CLOSED) {
		if (renameat(fd, closing, fd, closed) != 0)
			return cart_err_errno(err, errno, "%s", closed);
		fsync(fd);
		return 0;
	}
	if (step == GONE) {
		unlinkat(fd, closing, 0);
		if (unlinkat(fd, closed, 0) != 0 && errno != ENOENT)
			return cart_err_errno(err, errno, "%s", closed);
		return 0;
	}
	file_name(s, file);
	cart_buf_init(&b, SIZE_MAX / 2);
	cart_buf_addf(&b, "location s3://%s/%s\nupload %s %s\n", s->bucket,
		      s->prefix, file, s->upload_id);
	cart_buf_add(&b, s->state.data, s->state.len);
	if (cart_buf_check(&b, "state file", err) == 0)
		rc = cart_file_replace(fd, closing, b.data, b.len, 0600, err);
	cart_buf_clear(&b);
	return rc;
}

/* What is in S3 is worth more than the means to go on. */
static void save_state(struct s3_sink *s, enum state_step step)
{
	struct cart_err why = { 0 };

	if (s->o.state_dirfd < 0 || (step != GONE && s->state.len == 0))
		return;
	if (put_state(s, step, &why) < 0 && step != GONE && s->o.state_failed)
		s->o.state_failed(s->o.state_arg, &why);
}

static int close_segment(struct s3_sink *s, struct cart_err *err)
{
	struct s3_upload u = { .id = s->upload_id, .parts = s->parts };

	pthread_mutex_lock(&s->lock);
	while (s->n_queued || s->n_busy)
		pthread_cond_wait(&s->changed, &s->lock);
	u.n_parts = s->n_parts;
	pthread_mutex_unlock(&s->lock);
	if (failed(s, err) < 0)
		return -1;
	file_name(s, u.file);
	/* whoever resumes can complete it by that */
	save_state(s, CLOSING);
	if (cart_s3_complete(&s->o, &u, err) < 0)
		return -1;
	save_state(s, CLOSED);
	free(s->upload_id);
	s->upload_id = NULL;
	s->n_parts = 0;
	return 0;
}

static int s3_segment(struct cart_sink *sink, unsigned number,
		      struct cart_err *err)
{
	struct s3_sink *s = of(sink);

	if (s->upload_id && close_segment(s, err) < 0)
		return -1;
	s->segment = number;
	return 0;
}

/* Only a closed segment is durable; the last one ends with the bundle. */
static int s3_sync(struct cart_sink *sink, struct cart_err *err)
{
	struct s3_sink *s = of(sink);

	if (s->is_ending && s->upload_id && s->filled == 0)
		return close_segment(s, err);
	return failed(s, err);
}

static void s3_ending(struct cart_sink *sink)
{
	of(sink)->is_ending = true;
}

static int s3_companion(struct cart_sink *sink, const char *suffix,
			const void *data, size_t len, struct cart_err *err)
{
	struct s3_sink *s = of(sink);
	char file[96];

	if (strcmp(suffix, ".state") == 0) {
		cart_buf_reset(&s->state);
		cart_buf_add(&s->state, data, len);
		if (!data)
			save_state(s, GONE);
		return cart_buf_check(&s->state, "state file", err);
	}
	snprintf(file, sizeof(file), "%s%s", s->name, suffix);
	return cart_s3_put(&s->o, file, data, len, err);
}

static uint64_t s3_pending(struct cart_sink *sink)
{
	struct s3_sink *s = of(sink);
	uint64_t n;

	pthread_mutex_lock(&s->lock);
	n = s->pending;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void abort_upload(struct s3_sink *s)
{
	struct cart_aws_reply reply = { 0 };
	struct cart_json *j;
	char file[96];

	file_name(s, file);
	j = cart_s3_input(&s->o, file);
	cart_s3_add(j, "UploadId", s->upload_id);
	cart_s3_call(&s->o, "AbortMultipartUpload", j, NULL, &reply, NULL);
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
}

static void s3_free(struct cart_sink *sink)
{
	struct s3_sink *s = of(sink);
	unsigned i;

	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	s->failed = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < s->n_threads; i++)
		pthread_join(s->thread[i], NULL);
	for (i = 0; i < s->n_free; i++)
		munmap(s->free[i], PART_BYTES);
	if (s->fill)
		munmap(s->fill, PART_BYTES);
	/* begun only to see that it can be */
	if (s->upload_id && s->n_parts == 0)
		abort_upload(s);
	free(s->parts);
	free(s->upload_id);
	cart_buf_clear(&s->state);
	if (s->o.state_dirfd >= 0)
		close(s->o.state_dirfd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int start(struct s3_sink *s, struct cart_err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	void *p;
	int rc = 0;

	s->parts = calloc(PARTS_MAX, sizeof(*s->parts));
	if (!s->parts)
		return cart_err_nomem(err);
	while (s->n_free < THREADS) {
		p = mmap(NULL, PART_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return cart_err_nomem(err);
		s->free[s->n_free++] = p;
	}
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (rc == 0 && s->n_threads < THREADS) {
		rc = pthread_create(&s->thread[s->n_threads], &attr, worker, s);
		s->n_threads += rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc ? cart_err_errno(err, rc, "starting a thread") : 0;
}

/* A copy that stays, or NULL. */
static const char *keep(const char *from, char *to, size_t size)
{
	if (!from)
		return NULL;
	snprintf(to, size, "%s", from);
	return to;
}

struct cart_sink *cart_s3_sink(const struct cart_s3_sink_options *o,
			       struct cart_err *err)
{
	struct s3_sink *s = calloc(1, sizeof(*s));

	if (!s) {
		cart_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	cart_buf_init(&s->state, SIZE_MAX / 2);
	s->segment = o->closed_segments + 1;
	s->o = *o;
	s->o.bucket = keep(o->bucket, s->bucket, sizeof(s->bucket));
	s->o.prefix = keep(o->prefix, s->prefix, sizeof(s->prefix));
	s->o.name = keep(o->name, s->name, sizeof(s->name));
	s->o.owner = keep(o->owner, s->owner, sizeof(s->owner));
	s->o.kms_key = keep(o->kms_key, s->kms_key, sizeof(s->kms_key));
	s->o.lock_mode = keep(o->lock_mode, s->lock_mode, sizeof(s->lock_mode));
	s->o.lock_until = keep(o->lock_until, s->lock_until,
			       sizeof(s->lock_until));
	s->o.state_dirfd = o->state_dirfd < 0 ? -1 : dup(o->state_dirfd);
	/* the bundle is named by its first segment, also where it goes on */
	snprintf(s->location, sizeof(s->location), "s3://%s/%s%s.tar%s",
		 s->bucket, s->prefix, s->name, o->encrypted ? ".age" : "");
	s->sink = (struct cart_sink){
		.kind = "s3",
		.location = s->location,
		.write = s3_write,
		.chunk = s3_chunk,
		.sync = s3_sync,
		.segment = s3_segment,
		.ending = s3_ending,
		.companion = s3_companion,
		.pending = s3_pending,
		.free = s3_free,
		.durable_by_segment = 1,
		.wants_state = 1,
		.state_first = 1,
	};
	if (start(s, err) < 0 || begin_upload(s, err) < 0) {
		s3_free(&s->sink);
		return NULL;
	}
	return &s->sink;
}

/* --- objects by themselves --- */

int cart_s3_put(const struct cart_s3_sink_options *o, const char *file,
		const void *data, size_t len, struct cart_err *err)
{
	struct s3_job body = { .data = (unsigned char *)(uintptr_t)data,
			    .len = len };
	struct cart_json *j = cart_s3_input(o, file);
	struct cart_aws_reply reply = { 0 };
	int rc;

	cart_sha256(data, len, body.sha256);
	cart_s3_add(j, "ContentType", "text/plain");
	cart_s3_add_base64(j, "ChecksumSHA256", body.sha256);
	cart_s3_add(j, "IfNoneMatch", "*");
	add_keeping(j, o);
	rc = cart_s3_call(o, "PutObject", j, &body, &reply, err);
	if (rc < 0 && reply.status == 412 &&
	    cart_s3_head(o, file, NULL, cart_json_get_string(j, "ChecksumSHA256"),
		    NULL) == 0)
		rc = 0;
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
	return rc;
}

int cart_s3_compare(const struct cart_s3_sink_options *o, const char *file,
		    uint64_t length,
		    const unsigned char (*parts)[CART_SHA256_SIZE],
		    size_t n_parts, struct cart_err *err)
{
	struct cart_sha256 sha;
	char want[64];

	cart_sha256_init(&sha);
	cart_sha256_update(&sha, parts, n_parts * CART_SHA256_SIZE);
	cart_s3_composite(&sha, n_parts, want);
	return cart_s3_head(o, file, &length, want, err);
}

int cart_s3_exists(const struct cart_s3_sink_options *o, const char *file,
		   struct cart_err *err)
{
	struct cart_json *j = cart_s3_input(o, file);
	struct cart_aws_reply reply = { 0 };
	int rc = cart_s3_call(o, "HeadObject", j, NULL, &reply, err);

	rc = rc == 0 ? 1 : reply.status == 404 ? 0 : -1;
	cart_json_free(j);
	cart_aws_reply_clear(&reply);
	return rc;
}

int cart_s3_has_bucket(const struct cart_s3_sink_options *o,
		       struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_aws_call c = { .service = "s3", .operation = "HeadBucket",
				   .input = input };
	struct cart_aws_reply reply;
	int rc;

	cart_json_add(input, "Bucket", cart_json_new_string(o->bucket));
	rc = cart_aws_call(o->aws, &c, &reply, err);
	rc = rc == 0 ? 1 : reply.status == 404 ? 0 : -1;
	cart_aws_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

int cart_s3_url(const char *url, char bucket[64], char prefix[1024],
		struct cart_err *err)
{
	const char *p = url + 5, *slash;
	size_t n;

	if (strncmp(url, "s3://", 5) != 0)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "%.200s: not s3://BUCKET/PREFIX", url);
	slash = strchr(p, '/');
	n = slash ? (size_t)(slash - p) : strlen(p);
	if (n < 3 || n > 63 ||
	    strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789.-") < n)
		return cart_err_set(err, CART_ERR_USAGE, 0, "%.200s: a bucket "
				    "has 3 to 63 of a-z 0-9 . -", url);
	memcpy(bucket, p, n);
	bucket[n] = '\0';
	p = slash ? slash + 1 : "";
	n = strlen(p);
	if (n > 900 || !cart_text_is_printable(p, n))
		return cart_err_set(err, CART_ERR_USAGE, 0, "%.200s: the prefix "
				    "is too long, or not plain text", url);
	snprintf(prefix, 1024, "%s%s", p, n && p[n - 1] != '/' ? "/" : "");
	return 0;
}
