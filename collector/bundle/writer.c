/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "read_internal.h"

#define STACK_BYTES ((size_t)256 << 10)
#define QUEUE_MAX ((size_t)2 << 20)	/* bytes of lines and plain exhibits */
#define END_BYTES ((uint64_t)8 << 20)
#define GROUP_BYTES ((uint64_t)64 << 20)
#define NS_PER_S 1000000000LL
/* How long the writer lets small tickets gather: waking it for each of them
 * costs more than writing them. */
#define GATHER_NS 4000000LL
#define GATHER_MAX (QUEUE_MAX / 4)
#define SEGMENT_NS (600 * NS_PER_S)

/* --- failure --- */

void cart_bundle_fail(struct cart_bundle *b, const struct cart_err *err)
{
	pthread_mutex_lock(&b->lock);
	if (!b->failed) {
		b->failed = true;
		b->err = *err;
	}
	pthread_cond_broadcast(&b->room);
	pthread_cond_broadcast(&b->head_ready);
	pthread_mutex_unlock(&b->lock);
}

int cart_bundle_failed(struct cart_bundle *b, struct cart_err *err)
{
	int rc = 0;

	pthread_mutex_lock(&b->lock);
	if (b->failed) {
		if (err)
			*err = b->err;
		rc = -1;
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

int cart_bundle_closed(struct cart_bundle *b, struct cart_err *err)
{
	bool full;

	if (cart_bundle_failed(b, err) < 0)
		return -1;
	pthread_mutex_lock(&b->lock);
	full = b->full;
	pthread_mutex_unlock(&b->lock);
	if (full)
		return cart_err_errno(err, ENOSPC, "%s",
				      b->stream.sink->location);
	return 0;
}

/* --- tickets --- */

struct cart_ticket *cart_ticket_new(enum ticket_kind kind, const char *step)
{
	size_t len = step ? strlen(step) : 0;
	struct cart_ticket *t = calloc(1, sizeof(*t) + len + 1);

	if (!t)
		return NULL;
	t->kind = kind;
	if (step)
		memcpy((char *)(t + 1), step, len);
	t->step = (const char *)(t + 1);
	return t;
}

static void drop_data(struct cart_bundle *b, struct cart_ticket *t)
{
	if (t->mapped)
		cart_part_unmap(b, t->data, t->mapped);
	else
		free(t->data);
	if (t->charge)
		cart_budget_give(b->budget, t->charge);
	t->data = NULL;
	t->mapped = 0;
	t->charge = 0;
}

void cart_ticket_free(struct cart_bundle *b, struct cart_ticket *t)
{
	if (!t)
		return;
	drop_data(b, t);
	free(t->line.text);
	free(t->about);
	cart_buf_clear(&t->files);
	free(t);
}

/* Under the lock: is there anything that the writer should not wait with? */
static bool hurried(const struct cart_bundle *b)
{
	return b->hurry || b->failed || b->stopping || b->queued > GATHER_MAX;
}

/* Under the lock. */
static void enqueue(struct cart_bundle *b, struct cart_ticket *t, bool job)
{
	t->line.t_ns = cart_clock_utc_ns();
	t->line.mono_ns = cart_clock_mono_ns();
	t->ready = !job;
	*b->tail = t;
	b->tail = &t->next;
	if (job) {
		t->b = b;
		t->job.run = cart_part_run;
		cart_pool_submit(b->pool, &t->job);
	}
	b->queued += t->queued;
	b->hurry = b->hurry || job || t->wait;
	if (b->gathering ? hurried(b) : t->ready && b->head == t)
		pthread_cond_signal(&b->head_ready);
	if (t->counter)
		++*t->counter;
}

int cart_queue_put(struct cart_bundle *b, struct cart_ticket *t, bool job,
		   struct cart_err *err)
{
	int rc = -1;

	/* Parts are bounded by the budget, everything else here. */
	if (!job)
		t->queued = sizeof(*t) + t->len + t->line.len;
	pthread_mutex_lock(&b->lock);
	while (!b->failed && t->queued && b->queued &&
	       b->queued + t->queued > QUEUE_MAX)
		pthread_cond_wait(&b->room, &b->lock);
	if (b->failed) {
		if (err)
			*err = b->err;
	} else if (b->ended) {
		cart_err_set(err, CART_ERR_INTERNAL, 0,
			     "the bundle has been ended already");
	} else {
		enqueue(b, t, job);
		rc = 0;
	}
	pthread_mutex_unlock(&b->lock);
	if (rc < 0)
		cart_ticket_free(b, t);
	return rc;
}

int cart_bundle_tail(struct cart_bundle *b, char *text, size_t len,
		     uint64_t *counter, struct cart_err *err)
{
	struct cart_ticket *t = cart_ticket_new(TICKET_LINE, NULL);

	if (!t) {
		free(text);
		return cart_err_nomem(err);
	}
	t->line.text = text;
	t->line.len = len;
	t->counter = counter;
	return cart_queue_put(b, t, false, err);
}

int cart_bundle_admit(struct cart_bundle *b, size_t path_len,
		      struct cart_err *err)
{
	uint64_t line = 64 + 2 + path_len + 1;
	int rc = 0;

	pthread_mutex_lock(&b->lock);
	if (b->payload_asked >= PAYLOAD_MAX ||
	    b->manifest_asked + line > MANIFEST_MAX) {
		rc = cart_err_set(err, CART_ERR_LIMIT, 0,
				  "the bundle has %" PRIu64 " payload members, "
				  "and cannot have more; collect the rest into "
				  "a second bundle", b->payload_asked);
	} else {
		b->payload_asked++;
		b->manifest_asked += line;
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

/* --- the writer thread --- */

/* How long lines may wait for their log part: longer when the log has many
 * parts already, so that a run of weeks stays within its bounds. */
static int64_t patience_ns(const struct cart_bundle *b)
{
	if (b->log.parts < 20000)
		return 2 * NS_PER_S;
	return b->log.parts < 100000 ? 10 * NS_PER_S : 120 * NS_PER_S;
}

/* Where only closed segments are durable, closes the current one. */
static int cut_segment(struct cart_bundle *b, struct cart_err *err)
{
	if (cart_log_flush(b, err) < 0)
		return -1;
	return cart_stream_cut(&b->stream, err);
}

/* Closes the segment if so much more, and a log part, would make it longer
 * than it is to be. */
static int make_room(struct cart_bundle *b, size_t bytes, struct cart_err *err)
{
	const struct cart_stream *s = &b->stream;
	uint64_t length = s->segment[s->n_segments - 1].length;

	if (!s->soft_bytes || length == 0 ||
	    length + bytes + LOG_PART_MAX + 8 * TAR_BLOCK <= s->soft_bytes)
		return 0;
	return cut_segment(b, err);
}

static int write_files(struct cart_bundle *b, struct cart_ticket *t,
		       struct cart_err *err)
{
	const unsigned char *p = t->files.data;
	size_t left = t->files.len;
	struct cart_file_record r;

	while (left > 0) {
		memcpy(&r, p, sizeof(r));
		p += sizeof(r);
		if (cart_log_line(b, r.t_ns, r.mono_ns, (const char *)p,
				  (size_t)r.len, err) < 0)
			return -1;
		p += r.len;
		left -= sizeof(r) + (size_t)r.len;
	}
	return 0;
}

static int write_hashed(struct cart_bundle *b, struct cart_ticket *t,
			const char *path, struct cart_err *err)
{
	struct cart_stream *s = &b->stream;

	if (!t->unhashed)
		return cart_stream_member(s, path, t->data, t->len, err);
	if (cart_stream_begin(s, path, t->len, err) < 0 ||
	    cart_stream_data(s, t->data, t->len, err) < 0 ||
	    cart_stream_end(s, t->sha256, err) < 0)
		return -1;
	return cart_part_line(t, err);
}

static int write_member(struct cart_bundle *b, struct cart_ticket *t,
			struct cart_err *err)
{
	char path[CART_MEMBER_PATH_SIZE];
	int rc;

	if (make_room(b, t->len + t->line.len + t->files.len, err) < 0)
		return -1;
	/* F19: the line of a member stands in the log part of its group */
	if ((b->log.group_members == GROUP_MAX ||
	     !cart_log_fits(b, t->line.len)) && cart_log_flush(b, err) < 0)
		return -1;
	pthread_mutex_lock(&b->lock);
	cart_index_path(&b->index, t->id, path);
	pthread_mutex_unlock(&b->lock);
	if (write_hashed(b, t, path, err) < 0)
		return -1;
	pthread_mutex_lock(&b->lock);
	rc = cart_index_add(&b->index, t->id, t->sha256, t->len, err);
	pthread_mutex_unlock(&b->lock);
	if (rc < 0)
		return -1;
	b->log.group_members++;
	b->log.group_bytes += t->len;
	drop_data(b, t);
	if (cart_log_line(b, t->line.t_ns, t->line.mono_ns, t->line.text,
			  t->line.len, err) < 0 ||
	    write_files(b, t, err) < 0)
		return -1;
	return b->log.group_bytes >= GROUP_BYTES ? cart_log_flush(b, err) : 0;
}

static int write_sync(struct cart_bundle *b, struct cart_err *err)
{
	struct cart_sink *sink = b->stream.sink;

	if (cart_log_flush(b, err) < 0)
		return -1;
	if (sink->durable_by_segment && cart_stream_cut(&b->stream, err) < 0)
		return -1;
	return sink->sync(sink, err);
}

/* What is due by time: *ret_wait_ns is how long nothing will be, or -1. */
static int timers(struct cart_bundle *b, int64_t *ret_wait_ns,
		  struct cart_err *err)
{
	int64_t now = cart_clock_mono_ns(), due;
	const struct cart_stream *s = &b->stream;

	*ret_wait_ns = -1;
	/* Space ran out: what is there is made whole at once. */
	if (s->sink->low && !b->log.low_noted) {
		b->log.low_noted = true;
		return cart_log_flush(b, err);
	}
	if (s->sink->durable_by_segment &&
	    s->segment[s->n_segments - 1].length > 0) {
		due = s->segment_since_ns + SEGMENT_NS;
		if (due <= now)
			return cut_segment(b, err);
		*ret_wait_ns = due - now;
	}
	if (b->log.pending_since_ns) {
		due = b->log.pending_since_ns + patience_ns(b);
		if (due <= now)
			return cart_log_flush(b, err);
		if (*ret_wait_ns < 0 || *ret_wait_ns > due - now)
			*ret_wait_ns = due - now;
	}
	return 0;
}

static int process(struct cart_bundle *b, struct cart_ticket *t,
		   struct cart_err *err)
{
	switch (t->kind) {
	case TICKET_LINE:
		if (make_room(b, t->line.len, err) < 0)
			return -1;
		return cart_log_line(b, t->line.t_ns, t->line.mono_ns,
				     t->line.text, t->line.len, err);
	case TICKET_MEMBER:
		return write_member(b, t, err);
	case TICKET_SYNC:
		return write_sync(b, err);
	case TICKET_END:
		return cart_seal_run(b, t->wait, err);
	}
	return cart_err_set(err, CART_ERR_INTERNAL, 0, "a ticket of no kind");
}

/* Under the lock.  False when the time is over. */
static bool wait_until(struct cart_bundle *b, int64_t mono_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(mono_ns / NS_PER_S),
		.tv_nsec = (long)(mono_ns % NS_PER_S),
	};

	return !pthread_cond_timedwait(&b->head_ready, &b->lock, &until);
}

/* Under the lock: waits for a ticket and for others after it, or until the
 * time is over. */
static void wait_head(struct cart_bundle *b, int64_t wait_ns)
{
	int64_t now = cart_clock_mono_ns();

	if (wait_ns < 0)
		pthread_cond_wait(&b->head_ready, &b->lock);
	else
		wait_until(b, now + wait_ns);
	if (!b->head || !b->head->ready)
		return;
	now = cart_clock_mono_ns();
	b->gathering = true;
	while (!hurried(b) && wait_until(b, now + GATHER_NS))
		;
	b->gathering = false;
}

/* Under the lock, in the writer. */
static void note_counts(struct cart_bundle *b)
{
	b->counts.lines = b->log.lines;
	b->counts.members = b->index.payload.n + b->index.tags.n;
	b->counts.bytes = b->stream.total;
	b->counts.segment = b->stream.n_segments;
	if (b->stream.n_segments)
		b->counts.segment_bytes =
			b->stream.segment[b->stream.n_segments - 1].length;
	b->full = b->stream.sink->low;
}

static void finish(struct cart_bundle *b, struct cart_ticket *t, int rc)
{
	b->queued -= t->queued;
	if (t->queued)
		pthread_cond_broadcast(&b->room);
	note_counts(b);
	if (t->wait) {
		t->wait->rc = rc;
		if (rc < 0)
			t->wait->err = b->err;
		t->wait->done = true;
		pthread_cond_broadcast(&b->waiters);
	}
}

static void *writer_main(void *arg)
{
	struct cart_bundle *b = arg;
	struct cart_err err = { 0 };
	struct cart_ticket *t;
	int64_t wait_ns = -1;
	bool dead, quiet;
	int rc = 0;

	pthread_mutex_lock(&b->lock);
	for (;;) {
		t = b->head;
		dead = b->failed;
		quiet = dead || b->ended;
		if (t && t->ready) {
			b->head = t->next;
			if (!b->head) {
				b->tail = &b->head;
				b->hurry = false;
			}
			pthread_mutex_unlock(&b->lock);
			rc = dead ? -1 : process(b, t, &err);
			if (rc < 0 && !dead)
				cart_bundle_fail(b, &err);
			pthread_mutex_lock(&b->lock);
			finish(b, t, rc);
			pthread_mutex_unlock(&b->lock);
			cart_ticket_free(b, t);
		} else if (!t && b->stopping) {
			break;
		} else {
			wait_head(b, quiet ? -1 : wait_ns);
			quiet = b->failed || b->ended;
			pthread_mutex_unlock(&b->lock);
		}
		wait_ns = -1;
		if (!quiet && rc == 0 && timers(b, &wait_ns, &err) < 0) {
			rc = -1;
			cart_bundle_fail(b, &err);
		}
		pthread_mutex_lock(&b->lock);
		note_counts(b);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

/* --- beginning --- */

/* Text that may stand in bag-info.txt as it is. */
static bool is_printable(const char *s)
{
	struct cart_buf b;
	bool same;

	cart_buf_init(&b, 8192);
	cart_text_escape(s, strlen(s), &b);
	same = cart_buf_ok(&b) && b.len == strlen(s) &&
	       memcmp(b.data ? (char *)b.data : "", s, b.len) == 0;
	cart_buf_clear(&b);
	return same;
}

static int check_options(const struct cart_bundle_options *o,
			 struct cart_err *err)
{
	if (!o->name || !cart_text_is_name(o->name, strlen(o->name)) ||
	    o->name[0] == '.')
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "a bundle's name is 1 to 64 letters, "
				    "digits, '.', '_' or '-', not beginning "
				    "with '.'");
	if (!o->case_id || !cart_text_is_name(o->case_id, strlen(o->case_id)))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "a case is 1 to 64 letters, digits, '.', "
				    "'_' or '-'");
	if (o->organization && !is_printable(o->organization))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "the organization holds characters that "
				    "cannot be printed");
	if (!o->uuid || strlen(o->uuid) != CART_UUID_SIZE - 1 || !o->agent ||
	    !is_printable(o->agent) || !o->session || !o->session_line ||
	    o->start_utc_ns < 0 || o->level < 0 || o->level > 19)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "options of a bundle");
	if (o->manifest_len > MEMBER_MAX || o->plan_len > MEMBER_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "manifest or plan is longer than 16 MiB");
	return 0;
}

static void read_boot(char out[9])
{
	struct cart_err err;
	struct cart_buf b;
	size_t i;

	memcpy(out, "00000000", 9);
	cart_buf_init(&b, 64);
	if (cart_file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &b,
			   &err) == 0 && b.len >= 8) {
		for (i = 0; i < 8; i++)
			if (!strchr("0123456789abcdef", b.data[i]) ||
			    !b.data[i])
				break;
		if (i == 8)
			memcpy(out, b.data, 8);
	}
	cart_buf_clear(&b);
}

static void init_locks(struct cart_bundle *b)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->head_ready, &attr);
	pthread_condattr_destroy(&attr);
	pthread_cond_init(&b->room, NULL);
	pthread_cond_init(&b->waiters, NULL);
}

struct cart_bundle *cart_bundle_make(const struct cart_bundle_options *o,
				     struct cart_err *err)
{
	struct cart_bundle *b;

	if (check_options(o, err) < 0)
		return NULL;
	b = calloc(1, sizeof(*b));
	if (!b) {
		cart_err_nomem(err);
		return NULL;
	}
	init_locks(b);
	b->tail = &b->head;
	cart_index_init(&b->index);
	cart_buf_init(&b->log.pending, LOG_PART_MAX);
	cart_merkle_init(&b->log.merkle);
	cart_buf_init(&b->changes, (size_t)16 << 20);
	snprintf(b->name, sizeof(b->name), "%s", o->name);
	snprintf(b->case_id, sizeof(b->case_id), "%s", o->case_id);
	snprintf(b->uuid, sizeof(b->uuid), "%s", o->uuid);
	snprintf(b->origin, sizeof(b->origin), "crashcart/%s", o->uuid);
	read_boot(b->boot);
	b->start_utc_ns = o->start_utc_ns;
	b->session = o->session;
	b->examiner = o->examiner;
	b->stamps = o->stamps;
	b->budget = o->budget;
	b->session_number = 1;
	b->level = o->level ? o->level : 1;
	b->agent = strdup(o->agent);
	b->organization = o->organization ? strdup(o->organization) : NULL;
	if (!b->agent || (o->organization && !b->organization)) {
		cart_err_nomem(err);
		goto fail;
	}
	/* all that may be in flight, its lines, and the end */
	o->sink->keep_bytes = cart_budget_total(o->budget) + QUEUE_MAX +
			      END_BYTES;
	if (cart_stream_init(&b->stream, o->sink, b->name,
			     (uint64_t)(o->start_utc_ns / NS_PER_S),
			     o->segment_bytes, err) < 0)
		goto fail;
	b->stream.pace = o->pace;
	b->stream.pace_arg = o->pace_arg;
	if (o->encrypt_to &&
	    cart_stream_encrypt(&b->stream, o->encrypt_to, err) < 0)
		goto fail;
	if (o->sink->wants_state) {
		b->stream.closed = cart_seal_state;
		b->stream.closed_arg = b;
	}
	return b;
fail:
	cart_bundle_free(b);
	return NULL;
}

int cart_bundle_tag(struct cart_bundle *b, struct cart_member_id id,
		    const void *data, size_t len, struct cart_err *err)
{
	char path[CART_MEMBER_PATH_SIZE];
	unsigned char sha256[CART_SHA256_SIZE];

	cart_index_path(&b->index, id, path);
	cart_sha256(data, len, sha256);
	if (cart_index_add(&b->index, id, sha256, len, err) < 0)
		return -1;
	return cart_stream_member(&b->stream, path, data, len, err);
}

static int add_fixed(struct cart_bundle *b, enum fixed_member which,
		     const void *data, size_t len, struct cart_err *err)
{
	return cart_bundle_tag(b, cart_member_id(MEMBER_FIXED, 0, which), data,
			       len, err);
}

static int add_key(struct cart_bundle *b, struct cart_member_id id,
		   const struct cart_public_key *key, const char *comment,
		   struct cart_err *err)
{
	struct cart_buf text;
	int rc = -1;

	cart_buf_init(&text, 4096);
	cart_minisign_print_public(key, comment, &text);
	if (cart_buf_check(&text, "public key", err) == 0)
		rc = cart_bundle_tag(b, id, text.data, text.len, err);
	cart_buf_clear(&text);
	return rc;
}

/* Everything before the first group (F8). */
static int add_early(struct cart_bundle *b, const struct cart_bundle_options *o,
		     struct cart_err *err)
{
	static const char bagit[] = "BagIt-Version: 1.0\n"
				    "Tag-File-Character-Encoding: UTF-8\n";
	struct cart_buf text;
	int rc = -1;

	cart_buf_init(&text, 65536);
	cart_verify_txt(b->name, b->examiner != NULL, b->stamps != NULL,
			b->stream.age != NULL, &text);
	if (cart_buf_check(&text, "VERIFY.txt", err) < 0 ||
	    add_fixed(b, FIXED_BAGIT, bagit, sizeof(bagit) - 1, err) < 0 ||
	    add_fixed(b, FIXED_VERIFY, text.data, text.len, err) < 0 ||
	    add_fixed(b, FIXED_MANIFEST, o->manifest, o->manifest_len,
		      err) < 0 ||
	    add_fixed(b, FIXED_PLAN, o->plan, o->plan_len, err) < 0)
		goto out;
	rc = 0;
out:
	cart_buf_clear(&text);
	return rc;
}

static void add_fields(struct cart_buf *b, const struct cart_json *fields)
{
	const struct cart_json *f;
	const char *key;

	for (f = cart_json_first(fields); f; f = cart_json_next(f)) {
		key = cart_json_key(f);
		cart_buf_addc(b, ',');
		cart_json_quote(key, strlen(key), b);
		cart_buf_addc(b, ':');
		cart_json_print(f, 0, b);
	}
	cart_buf_addc(b, '}');
}

/* The log must not get a line that a verifier refuses. */
static int check_tail(const struct cart_buf *tail, struct cart_err *err)
{
	static const char prefix[] =
		"{\"n\":1,\"salt\":\"00000000000000000000000000000000\","
		"\"t\":\"1970-01-01T00:00:00.000000000Z\","
		"\"mono_ns\":\"0\",\"boot\":\"00000000\",\"session\":1,";
	struct cart_json *j = NULL;
	struct cart_buf line;
	int rc = -1;

	cart_buf_init(&line, LINE_MAX_BYTES);
	cart_buf_adds(&line, prefix);
	cart_buf_add(&line, tail->data, tail->len);
	if (cart_buf_check(&line, "log line", err) == 0)
		j = cart_log_line_parse(line.data, line.len, err);
	if (j)
		rc = cart_log_line_ok(j, err);
	cart_json_free(j);
	cart_buf_clear(&line);
	return rc < 0 ? cart_err_prefix(err, "a line for the log") : 0;
}

int cart_bundle_session(struct cart_bundle *b,
			const struct cart_bundle_options *o,
			struct cart_err *err)
{
	struct cart_buf tail;
	int rc = -1;

	cart_buf_init(&tail, TAIL_MAX);
	if (add_key(b, cart_member_id(MEMBER_KEY, 0, b->session_number),
		    &b->session->public_key, "crashcart session key", err) < 0)
		goto out;
	if (b->session_number == 1 && b->examiner &&
	    add_key(b, cart_member_id(MEMBER_FIXED, 0, FIXED_EXAMINER),
		    &b->examiner->public_key, "crashcart examiner key",
		    err) < 0)
		goto out;
	cart_tail_begin(&tail, "session", "");
	add_fields(&tail, o->session_line);
	if (cart_buf_check(&tail, "session line", err) < 0 ||
	    check_tail(&tail, err) < 0 ||
	    cart_log_line(b, cart_clock_utc_ns(), cart_clock_mono_ns(),
			  (const char *)tail.data, tail.len, err) < 0 ||
	    cart_log_flush(b, err) < 0 ||
	    b->stream.sink->sync(b->stream.sink, err) < 0)
		goto out;
	note_counts(b);
	rc = 0;
out:
	cart_buf_clear(&tail);
	return rc;
}

int cart_bundle_run(struct cart_bundle *b, unsigned threads,
		    struct cart_err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	/* The budget bounds the jobs: the pool's queue is never full, and
	 * submitting never waits. */
	b->pool = cart_pool_new(threads, SIZE_MAX, err);
	if (!b->pool)
		return -1;
	if (b->stream.age)
		cart_age_writer_pool(b->stream.age, b->pool);
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&b->writer, &attr, writer_main, b);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc)
		return cart_err_errno(err, rc, "starting a thread");
	b->writer_runs = true;
	return 0;
}

struct cart_bundle *cart_bundle_open(const struct cart_bundle_options *o,
				     struct cart_err *err)
{
	struct cart_bundle *b = cart_bundle_make(o, err);

	if (!b)
		return NULL;
	if (cart_stream_add_segment(&b->stream, err) < 0 ||
	    add_early(b, o, err) < 0 || cart_bundle_session(b, o, err) < 0 ||
	    cart_bundle_run(b, o->threads, err) < 0) {
		cart_bundle_free(b);
		return NULL;
	}
	return b;
}

/* --- lines and barriers --- */

static const struct counted {
	const char *type;
	size_t offset;
} counted[] = {
	{ "call", offsetof(struct cart_bundle_counts, calls) },
	{ "gap", offsetof(struct cart_bundle_counts, gaps) },
	{ "change", offsetof(struct cart_bundle_counts, changes) },
};

static const char *const own_types[] = { "session", "exhibit", "part", "file",
					 "head", "end" };

/* Whoever finds the bundle of a dead run looks up what it changed. */
static void note_change(struct cart_bundle *b, const struct cart_json *fields)
{
	static const char *const keys[] = { "uuid", "class", "event" };
	const char *v;
	size_t i;

	if (!b->stream.closed)
		return;
	pthread_mutex_lock(&b->lock);
	cart_buf_adds(&b->changes, "change");
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		v = cart_json_get_string(fields, keys[i]);
		cart_buf_addf(&b->changes, " %s", v ? v : "-");
	}
	cart_buf_addc(&b->changes, '\n');
	pthread_mutex_unlock(&b->lock);
}

int cart_bundle_log(struct cart_bundle *b, const char *type, const char *step,
		    const struct cart_json *fields, struct cart_err *err)
{
	uint64_t *counter = NULL;
	struct cart_buf tail;
	size_t i, len;
	char *text;

	for (i = 0; i < sizeof(own_types) / sizeof(own_types[0]); i++)
		if (strcmp(type, own_types[i]) == 0)
			return cart_err_set(err, CART_ERR_INTERNAL, 0,
					    "a log line of type %s", type);
	for (i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		if (strcmp(type, counted[i].type) == 0)
			counter = (uint64_t *)(void *)((char *)&b->counts +
						       counted[i].offset);
	if (strcmp(type, "change") == 0)
		note_change(b, fields);
	cart_buf_init(&tail, TAIL_MAX);
	cart_tail_begin(&tail, type, step);
	add_fields(&tail, fields);
	if (cart_buf_check(&tail, "log line", err) < 0 ||
	    check_tail(&tail, err) < 0) {
		cart_buf_clear(&tail);
		return -1;
	}
	text = cart_buf_steal(&tail, &len);
	return cart_bundle_tail(b, text, len, counter, err);
}

/* Queues t and waits until the writer is done with it. */
static int wait_for(struct cart_bundle *b, struct cart_ticket *t,
		    struct cart_wait *w, struct cart_err *err)
{
	int rc;

	t->wait = w;
	pthread_mutex_lock(&b->lock);
	if (b->failed) {
		*w = (struct cart_wait){ .rc = -1, .err = b->err, .done = true };
	} else if (b->ended) {
		w->rc = cart_err_set(&w->err, CART_ERR_INTERNAL, 0,
				     "the bundle has been ended already");
		w->done = true;
	} else {
		if (t->kind == TICKET_END)
			b->ended = true;
		enqueue(b, t, false);
		t = NULL;
	}
	while (!w->done)
		pthread_cond_wait(&b->waiters, &b->lock);
	rc = w->rc;
	pthread_mutex_unlock(&b->lock);
	cart_ticket_free(b, t);
	if (rc < 0 && err)
		*err = w->err;
	return rc;
}

int cart_bundle_sync(struct cart_bundle *b, struct cart_err *err)
{
	struct cart_ticket *t = cart_ticket_new(TICKET_SYNC, NULL);
	struct cart_wait w = { 0 };

	return t ? wait_for(b, t, &w, err) : cart_err_nomem(err);
}

bool cart_bundle_encrypted(const struct cart_bundle *b)
{
	return b->stream.age != NULL;
}

void cart_bundle_counts(struct cart_bundle *b, struct cart_bundle_counts *ret)
{
	pthread_mutex_lock(&b->lock);
	*ret = b->counts;
	pthread_mutex_unlock(&b->lock);
}

int cart_bundle_seal(struct cart_bundle *b, bool force_gaps, const char *reason,
		     struct cart_seal_result *ret, struct cart_err *err)
{
	struct cart_wait w = { .force_gaps = force_gaps, .reason = reason,
			       .result = ret };
	struct cart_ticket *t;

	if (cart_open_close_all(b, err) < 0)
		return -1;
	t = cart_ticket_new(TICKET_END, NULL);
	return t ? wait_for(b, t, &w, err) : cart_err_nomem(err);
}

void cart_bundle_free(struct cart_bundle *b)
{
	static const struct cart_err abandoned = {
		.class = CART_ERR_CANCELLED,
		.text = "the bundle was given up",
	};
	struct cart_ticket *t;

	if (!b)
		return;
	cart_bundle_fail(b, &abandoned);
	if (b->writer_runs) {
		pthread_mutex_lock(&b->lock);
		b->stopping = true;
		pthread_cond_broadcast(&b->head_ready);
		pthread_mutex_unlock(&b->lock);
		pthread_join(b->writer, NULL);
	}
	cart_stream_clear(&b->stream);	/* it uses the pool */
	cart_pool_free(b->pool);
	while ((t = b->head)) {
		b->head = t->next;
		cart_ticket_free(b, t);
	}
	cart_parts_free(b);
	cart_index_clear(&b->index);
	cart_buf_clear(&b->log.pending);
	cart_buf_clear(&b->changes);
	free(b->agent);
	free(b->organization);
	pthread_cond_destroy(&b->head_ready);
	pthread_cond_destroy(&b->room);
	pthread_cond_destroy(&b->waiters);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
