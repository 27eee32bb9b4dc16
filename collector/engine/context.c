/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/msg.h>

#include "private.h"

/* What a step sees of the engine: the functions behind cart_step_ops. */

#define SLEEP_SLICE_MS	100
/* Replies of one instance that wait to be fetched or are on their way. */
#define AHEAD_MAX	32

static struct context *context_of(struct cart_step_ctx *c)
{
	return c->impl;
}

static struct run *run_of(struct cart_step_ctx *c)
{
	return context_of(c)->in->run;
}

static bool stopped(struct run *r)
{
	bool stop;

	if (cart_stop_requested())
		return true;
	pthread_mutex_lock(&r->lock);
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return stop;
}

static int cancelled_err(struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_CANCELLED, 0, "the run was stopped");
}

static struct call_place place_of(struct context *x)
{
	struct call_place at = {
		.run = x->in->run, .aws = x->in->aws, .step = x->step->id,
		.instance = x->in->id, .account = x->in->account,
		.region = x->in->region, .may_change = x->ctx.may_change,
		.deadline_mono_ns = x->ctx.deadline_mono_ns
	};

	return at;
}

/* ---- exhibits ----------------------------------------------------------- */

static struct cart_exhibit_info filled(struct cart_step_ctx *c,
				       const struct cart_exhibit_info *info)
{
	struct cart_exhibit_info i = *info;

	if (!i.step)
		i.step = c->step;
	if (!i.instance)
		i.instance = c->instance;
	return i;
}

static int op_put(struct cart_step_ctx *c, const struct cart_exhibit_info *info,
		  const void *data, size_t len,
		  char ret_id[CART_EXHIBIT_ID_SIZE], struct cart_err *err)
{
	struct cart_exhibit_info i = filled(c, info);

	return cart_bundle_put(run_of(c)->o->bundle, &i, data, len, ret_id, err);
}

static struct cart_exhibit *op_exhibit(struct cart_step_ctx *c,
				       const struct cart_exhibit_info *info,
				       bool compress, struct cart_err *err)
{
	struct cart_exhibit_info i = filled(c, info);

	return cart_exhibit_open(run_of(c)->o->bundle, &i, compress, err);
}

static struct cart_fileset *op_fileset(struct cart_step_ctx *c,
				       const struct cart_exhibit_info *info,
				       struct cart_err *err)
{
	struct cart_exhibit_info i = filled(c, info);

	return cart_fileset_open(run_of(c)->o->bundle, &i, err);
}

static void op_gap(struct cart_step_ctx *c, const struct cart_gap *gap)
{
	cart_run_gap(run_of(c), c->step, context_of(c)->in, gap);
}

static void op_note(struct cart_step_ctx *c, const char *text)
{
	cart_run_note(run_of(c), c->step, text);
}

static void op_tell(struct cart_step_ctx *c, const char *text)
{
	op_note(c, text);
	cart_msg(CART_MSG_NOTE, "%s", text);
}

/* ---- kept values -------------------------------------------------------- */

struct keeping {
	struct context *x;
	const char *name;
	size_t index;
};

static void kept_gap(struct context *x, const char *name, const char *detail)
{
	struct cart_gap gap = {
		.what = name, .reason = "limit", .detail = detail,
		.offset = -1, .length = -1, .count = -1
	};

	if (x->in->kept_limit)
		return;
	x->in->kept_limit = true;
	cart_run_gap(x->in->run, x->step->id, x->in, &gap);
}

static int keep_one(void *arg, const struct cart_json *value)
{
	struct keeping *k = arg;
	struct instance *in = k->x->in;
	struct rstep *rs = &in->run->steps[in->step];
	struct cart_json *list;
	struct cart_buf b;
	bool fits;

	if (cart_json_type(value) == CART_JSON_NULL)
		return 0;
	cart_buf_init(&b, KEPT_BYTES_MAX);
	cart_json_print(value, 0, &b);
	fits = cart_buf_ok(&b);
	cart_buf_clear(&b);
	if (!fits) {
		kept_gap(k->x, k->name, "a value to keep is larger than 64 KiB; "
			 "it was not kept, steps that refer to it miss it");
		return 0;
	}
	if (atomic_fetch_add(&rs->kept_values[k->index], 1) >= KEPT_VALUES_MAX) {
		kept_gap(k->x, k->name, "more than 100000 values to keep; the "
			 "rest was not kept, steps that refer to them miss them");
		return 0;
	}
	if (!in->kept)
		in->kept = cart_json_new_object();
	list = cart_json_get(in->kept, k->name);
	if (!list)
		list = cart_json_add(in->kept, k->name, cart_json_new_array());
	return cart_json_append(list, cart_json_copy(value)) ? 0 : -1;
}

static int op_keep(struct cart_step_ctx *c, const struct cart_json *page,
		   struct cart_err *err)
{
	struct context *x = context_of(c);
	struct keeping k = { .x = x };
	struct cart_err local;
	size_t i;
	int rc = 0;

	for (i = 0; i < x->step->n_keep && page; i++) {
		k.name = x->step->keep[i].name;
		k.index = i;
		cart_err_clear(&local);
		if (cart_filter_run(x->step->keep[i].filter, page, keep_one, &k,
				    &local) == 0)
			continue;
		if (local.class == CART_ERR_NONE)
			cart_err_nomem(&local);
		/* The others are still tried; the first failure is told. */
		if (rc == 0 && err) {
			*err = local;
			cart_err_prefix(err, "keep \"%s\"", k.name);
		}
		rc = -1;
	}
	return rc;
}

static int op_keep_value(struct cart_step_ctx *c, const char *name,
			 const struct cart_json *value, struct cart_err *err)
{
	struct context *x = context_of(c);
	struct keeping k = { .x = x, .name = name };
	const struct cart_json *v;
	int index = cart_manifest_kept_index(x->step, name);

	if (index < 0)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "%s keeps no \"%s\"", x->step->type->name,
				    name);
	k.index = (size_t)index;
	if (cart_json_type(value) != CART_JSON_ARRAY)
		return keep_one(&k, value) < 0 ? cart_err_nomem(err) : 0;
	for (v = cart_json_first(value); v; v = cart_json_next(v)) {
		if (keep_one(&k, v) < 0)
			return cart_err_nomem(err);
	}
	return 0;
}

static const struct cart_json *op_earlier(struct cart_step_ctx *c)
{
	const struct history_instance *h;

	if (context_of(c)->step->n_keep > 0)
		return NULL;
	h = cart_history_instance(run_of(c)->o->history, context_of(c)->in->id);
	return h ? h->pieces : NULL;
}

static bool op_kept(struct cart_step_ctx *c, const char *bucket,
		    const char *key, const char *etag)
{
	struct run *r = run_of(c);
	bool kept;

	if (!r->o->history)
		return false;
	pthread_mutex_lock(&r->lock);
	kept = cart_history_kept(r->o->history, context_of(c)->in->id, bucket,
				 key, etag);
	pthread_mutex_unlock(&r->lock);
	return kept;
}

/* ---- sleeping and time -------------------------------------------------- */

static bool op_cancelled(struct cart_step_ctx *c)
{
	return stopped(run_of(c));
}

static int op_sleep(struct cart_step_ctx *c, unsigned ms, struct cart_err *err)
{
	int64_t now = cart_clock_mono_ns(), end = now + (int64_t)ms * 1000000;
	int64_t left;

	for (;;) {
		if (stopped(run_of(c)))
			return cancelled_err(err);
		now = cart_clock_mono_ns();
		if (now >= c->deadline_mono_ns)
			return cart_err_set(err, CART_ERR_TIMEOUT, 0,
					    "the step's timeout has passed");
		if (now >= end)
			return 0;
		left = (end - now) / 1000000 + 1;
		cart_clock_sleep_ms(left < SLEEP_SLICE_MS ? (unsigned)left :
				    SLEEP_SLICE_MS);
	}
}

static int64_t op_now(struct cart_step_ctx *c)
{
	struct run *r = run_of(c);

	return r->o->aws ? r->calls->now_ns(r->o->aws) : cart_clock_utc_ns();
}

static void op_progress(struct cart_step_ctx *c, const char *what,
			uint64_t done, uint64_t total, const char *unit)
{
	struct rstep *rs = &run_of(c)->steps[context_of(c)->in->step];

	atomic_store(&rs->done, done);
	atomic_store(&rs->total, total);
	atomic_store(&rs->unit, unit);
	cart_msg_progress(what, done, total, unit);
}

/* ---- changes ------------------------------------------------------------ */

/* An account that was not named but found out may be unknown the next time;
 * the same change must get the same UUID all the same. */
static int change_uuid(struct cart_step_ctx *c, const char *call,
		       unsigned attempt, char ret_uuid[CART_UUID_SIZE])
{
	const struct instance *in = context_of(c)->in;
	char name[INSTANCE_ID_SIZE + 200];

	snprintf(name, sizeof(name), "%s@%s/%s#%zu %s %u", c->step,
		 context_of(c)->step->accounts ? in->account : "", in->region,
		 in->n, call, attempt);
	return cart_uuid_v5(c->bundle_uuid, name, ret_uuid);
}

static bool op_intended(struct cart_step_ctx *c, const char *call,
			unsigned attempt)
{
	char uuid[CART_UUID_SIZE];
	int64_t when;

	return change_uuid(c, call, attempt, uuid) == 0 &&
	       cart_history_intent(run_of(c)->o->history, uuid, &when);
}

static int op_intent(struct cart_step_ctx *c, const char *call,
		     const struct cart_json *input, unsigned attempt,
		     char ret_uuid[CART_UUID_SIZE], bool *ret_earlier,
		     int64_t *ret_earlier_utc_ns, struct cart_err *err)
{
	struct run *r = run_of(c);
	struct change_line line = { .event = "intent", .call = call,
				    .input = input };
	int64_t earlier = 0;

	if (!c->may_change)
		return cart_err_set(err, CART_ERR_INTERNAL, 0, "%s: a change "
				    "that the manifest does not announce", call);
	if (change_uuid(c, call, attempt, ret_uuid) < 0)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "\"%s\" is not a UUID", c->bundle_uuid);
	*ret_earlier = cart_history_intent(r->o->history, ret_uuid, &earlier);
	if (ret_earlier_utc_ns)
		*ret_earlier_utc_ns = earlier;
	line.uuid = ret_uuid;
	if (!*ret_earlier)
		cart_run_log_change(r, context_of(c)->in, &line);
	/* Also an intent of an earlier session is durable before we go on. */
	return cart_bundle_sync(r->o->bundle, err);
}

static void op_mask_key(struct cart_step_ctx *c, const char *what,
			unsigned char ret_key[CART_MASK_KEY_SIZE])
{
	run_of(c)->masked++;
	cart_run_mask_key(run_of(c), what, ret_key);
}

static int op_change(struct cart_step_ctx *c, const char *uuid,
		     const char *event, const char *call,
		     const char *const *made, const char *detail,
		     struct cart_err *err)
{
	struct change_line line = { .uuid = uuid, .event = event, .call = call,
				    .made = made, .detail = detail };
	struct run *r = run_of(c);

	cart_run_log_change(r, context_of(c)->in, &line);
	return cart_bundle_sync(r->o->bundle, err);
}

/* ---- calls -------------------------------------------------------------- */

static int one_call(struct context *x, const struct cart_step_call *call,
		    struct cart_step_reply *ret, struct cart_err *err)
{
	struct call_place at = place_of(x);
	bool secret = x->step->op.secret;
	struct cart_err local;
	int rc;

	cart_err_clear(&local);
	rc = cart_run_call(&at, call, ret, &secret, &local);
	pthread_mutex_lock(&x->in->run->lock);
	if (secret)
		x->in->secret = true;
	if (rc < 0)
		snprintf(x->in->failed_call, sizeof(x->in->failed_call), "%s",
			 ret->call_id);
	pthread_mutex_unlock(&x->in->run->lock);
	if (rc < 0 && err)
		*err = local;
	return rc;
}

static int is_true(void *arg, const struct cart_json *value)
{
	enum cart_json_type t = cart_json_type(value);

	if (t != CART_JSON_NULL && (t != CART_JSON_BOOL || cart_json_bool(value)))
		*(bool *)arg = true;
	return 0;
}

static int note_wait(struct cart_step_ctx *c, unsigned count, bool reached)
{
	char text[96];

	snprintf(text, sizeof(text), "asked %u times until the condition held%s",
		 count, reached ? "" : ", which it did not in time");
	op_note(c, text);
	return 0;
}

/* Repeats a call until the manifest's filter says something true.  The first
 * and the last reply are exhibits, those between only lines. */
static int call_until(struct context *x, const struct cart_step_call *call,
		      struct cart_step_reply *ret, struct cart_err *err)
{
	const struct mwait *w = &x->step->wait;
	int64_t end = cart_clock_mono_ns() + (int64_t)w->timeout_ms * 1000000;
	struct cart_step_call again = *call;
	struct call_place at = place_of(x);
	unsigned count = 0;
	bool secret = false, holds = false;
	int rc;

	for (;;) {
		again.no_exhibit = call->no_exhibit || count > 0;
		rc = one_call(x, &again, ret, err);
		count++;
		if (rc < 0)
			break;
		holds = false;
		rc = cart_filter_run(w->until, ret->aws.view, is_true, &holds,
				     err);
		if (rc < 0 || holds || cart_clock_mono_ns() >= end)
			break;
		rc = op_sleep(&x->ctx, (unsigned)w->every_ms, err);
		if (rc < 0)
			break;
		cart_step_reply_clear(ret);
	}
	note_wait(&x->ctx, count, holds);
	if (ret->aws.view && count > 1 && !call->no_exhibit)
		cart_run_keep_reply(&at, call, ret, &secret);
	if (rc == 0 && !holds)
		rc = cart_err_set(err, CART_ERR_TIMEOUT, 0, "the condition of "
				  "\"wait\" did not hold after %u replies", count);
	return rc;
}

/* aws.call with "changes": nothing can be looked up, so the intent is written
 * here, and an earlier one without a known result is not repeated. */
static int call_change(struct context *x, const struct cart_step_call *call,
		       struct cart_step_reply *ret, struct cart_err *err)
{
	struct cart_step_ctx *c = &x->ctx;
	char uuid[CART_UUID_SIZE];
	struct cart_err local;
	const char *event;
	bool earlier;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (op_intent(c, x->step->call, call->call.input, call->page > 1 ? call->page : 1,
		      uuid, &earlier, NULL, err) < 0)
		return -1;
	if (earlier) {
		op_change(c, uuid, "unknown", x->step->call, NULL,
			  "an interrupted session asked for this; whether it "
			  "happened is not known, and it is not repeated", NULL);
		return cart_err_set(err, CART_ERR_INPUT, 0, "an interrupted "
				    "session asked for %s, and its outcome is "
				    "unknown: look at the account", x->step->call);
	}
	cart_err_clear(&local);
	rc = one_call(x, call, ret, &local);
	/* Sent, but no answer: it may have happened. */
	event = rc < 0 && ret->aws.sent && !ret->aws.status ? "unknown" :
		"result";
	if (op_change(c, uuid, event, x->step->call, NULL,
		      rc < 0 ? local.text : "done", err) < 0)
		return -1;
	if (rc < 0 && err)
		*err = local;
	return rc;
}

static int op_call(struct cart_step_ctx *c, const struct cart_step_call *call,
		   struct cart_step_reply *ret, struct cart_err *err)
{
	struct context *x = context_of(c);

	if (stopped(x->in->run)) {
		memset(ret, 0, sizeof(*ret));
		return cancelled_err(err);
	}
	if (x->step->wait.until && call->page <= 1)
		return call_until(x, call, ret, err);
	if (x->step->call && x->step->changes)
		return call_change(x, call, ret, err);
	return one_call(x, call, ret, err);
}

/* ---- parallel calls ----------------------------------------------------- */

struct call_job {
	struct call_job *next;
	struct context *x;
	struct cart_step_call call;
	char *service, *operation, *region;
	struct cart_json *input;
	void *tag;
	struct cart_step_reply reply;
	struct cart_err err;
	int rc;
};

static void job_free(struct call_job *j)
{
	if (!j)
		return;
	free(j->service);
	free(j->operation);
	free(j->region);
	cart_json_free(j->input);
	cart_step_reply_clear(&j->reply);
	free(j);
}

static int op_submit(struct cart_step_ctx *c, const struct cart_step_call *call,
		     void *tag, struct cart_err *err)
{
	struct context *x = context_of(c);
	struct run *r = x->in->run;
	struct call_job *j;

	if (stopped(r))
		return cancelled_err(err);
	j = calloc(1, sizeof(*j));
	if (!j)
		return cart_err_nomem(err);
	j->x = x;
	j->call = *call;
	j->tag = tag;
	j->service = strdup(call->call.service);
	j->operation = strdup(call->call.operation);
	if (call->call.region)
		j->region = strdup(call->call.region);
	if (call->call.input)
		j->input = cart_json_copy(call->call.input);
	if (!j->service || !j->operation || (call->call.region && !j->region) ||
	    (call->call.input && !j->input)) {
		job_free(j);
		return cart_err_nomem(err);
	}
	j->call.call.service = j->service;
	j->call.call.operation = j->operation;
	j->call.call.region = j->region;
	j->call.call.input = j->input;
	pthread_mutex_lock(&r->lock);
	*r->jobs_end = j;
	r->jobs_end = &j->next;
	x->queued++;
	pthread_mutex_unlock(&r->lock);
	/* whoever wakes finds the lock free */
	pthread_cond_signal(&r->work);
	return 0;
}

/* Takes the first job that may run: of x alone, or (NULL) of any context. */
static struct call_job *take_job(struct run *r, const struct context *x)
{
	struct call_job **at, *j;

	for (at = &r->jobs; (j = *at); at = &j->next) {
		if ((x && j->x != x) ||
		    (!x && j->x->running + j->x->unfetched >= AHEAD_MAX))
			continue;
		*at = j->next;
		if (r->jobs_end == &j->next)
			r->jobs_end = at;
		j->next = NULL;
		j->x->queued--;
		return j;
	}
	return NULL;
}

/* Lock held before and after. */
static void do_job(struct run *r, struct call_job *j)
{
	struct context *x = j->x;

	x->running++;
	r->busy++;
	pthread_mutex_unlock(&r->lock);
	j->rc = op_call(&x->ctx, &j->call, &j->reply, &j->err);
	pthread_mutex_lock(&r->lock);
	r->busy--;
	x->running--;
	x->unfetched++;
	*x->finished_end = j;
	x->finished_end = &j->next;
	pthread_cond_broadcast(&x->ready);
}

bool cart_context_work(struct run *r)
{
	struct call_job *j = take_job(r, NULL);

	if (!j)
		return false;
	do_job(r, j);
	return true;
}

static int op_next(struct cart_step_ctx *c, struct cart_step_reply *ret,
		   void **ret_tag, int *ret_rc, struct cart_err *err)
{
	struct context *x = context_of(c);
	struct run *r = x->in->run;
	struct call_job *j;
	bool held = false;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	while (!x->finished && (x->queued || x->running)) {
		/* This thread waits anyway: it does what nobody took yet. */
		j = x->queued ? take_job(r, x) : NULL;
		if (j)
			do_job(r, j);
		else
			pthread_cond_wait(&x->ready, &r->lock);
	}
	j = x->finished;
	if (j) {
		x->finished = j->next;
		if (!x->finished)
			x->finished_end = &x->finished;
		x->unfetched--;
		held = r->jobs != NULL;
		rc = 1;
	}
	pthread_mutex_unlock(&r->lock);
	if (!j)
		return 0;
	/* there is room for one that take_job() held back */
	if (held)
		pthread_cond_signal(&r->work);
	*ret = j->reply;
	memset(&j->reply, 0, sizeof(j->reply));
	*ret_rc = j->rc;
	if (ret_tag)
		*ret_tag = j->tag;
	if (j->rc < 0 && err)
		*err = j->err;
	job_free(j);
	return rc;
}

static int op_imds(struct cart_step_ctx *c, const char *path,
		   struct cart_http_reply *ret, struct cart_err *err)
{
	struct run *r = run_of(c);

	memset(ret, 0, sizeof(*ret));
	if (stopped(r))
		return cancelled_err(err);
	if (!r->o->imds)
		return cart_err_set(err, CART_ERR_NET, 0, "there is no instance "
				    "metadata service here");
	return r->calls->imds(r->o->imds, path, ret, err);
}

struct run_shared {
	struct run_shared *next;
	void (*release)(void *object);
	void *object;
	char name[32];
};

static void *op_shared(struct cart_step_ctx *c, const char *name,
		       void *(*make)(void), void (*release)(void *object))
{
	struct run *r = run_of(c);
	struct run_shared *s;

	pthread_mutex_lock(&r->lock);
	for (s = r->shared; s && strcmp(s->name, name); s = s->next)
		;
	if (!s && (s = calloc(1, sizeof(*s))) != NULL) {
		snprintf(s->name, sizeof(s->name), "%s", name);
		s->release = release;
		s->object = make();
		s->next = r->shared;
		r->shared = s;
	}
	pthread_mutex_unlock(&r->lock);
	return s ? s->object : NULL;
}

void cart_context_release(struct run *r)
{
	struct run_shared *s;

	while ((s = r->shared) != NULL) {
		r->shared = s->next;
		if (s->object)
			s->release(s->object);
		free(s);
	}
}

const struct cart_step_ops cart_context_ops = {
	.put = op_put,
	.exhibit = op_exhibit,
	.exhibit_id = cart_exhibit_id,
	.reserve = cart_exhibit_reserve,
	.submit_part = cart_exhibit_submit,
	.close = cart_exhibit_close,
	.fileset = op_fileset,
	.fileset_id = cart_fileset_id,
	.file_add = cart_fileset_add,
	.file_list = cart_fileset_list,
	.fileset_close = cart_fileset_close,
	.gap = op_gap,
	.note = op_note,
	.tell = op_tell,
	.call = op_call,
	.submit = op_submit,
	.next = op_next,
	.imds = op_imds,
	.keep = op_keep,
	.keep_value = op_keep_value,
	.intent = op_intent,
	.intended = op_intended,
	.change = op_change,
	.earlier = op_earlier,
	.kept = op_kept,
	.shared = op_shared,
	.cancelled = op_cancelled,
	.sleep = op_sleep,
	.now_ns = op_now,
	.mask_key = op_mask_key,
	.progress = op_progress,
};

void cart_context_init(struct context *x, struct instance *in,
		       const struct cart_json *with)
{
	struct run *r = in->run;

	memset(x, 0, sizeof(*x));
	x->in = in;
	x->step = &r->m->steps[in->step];
	x->finished_end = &x->finished;
	pthread_cond_init(&x->ready, NULL);
	x->ctx.ops = &cart_context_ops;
	x->ctx.impl = x;
	x->ctx.step = x->step->id;
	x->ctx.instance = in->id;
	x->ctx.account = in->account[0] == '-' ? "" : in->account;
	x->ctx.region = in->region;
	x->ctx.case_id = r->o->case_id;
	x->ctx.bundle_uuid = r->o->uuid;
	x->ctx.with = with;
	x->ctx.exclude = r->m->exclude;
	x->ctx.deadline_mono_ns = x->step->timeout_ms ? cart_clock_mono_ns() +
		(int64_t)x->step->timeout_ms * 1000000 : INT64_MAX;
	x->ctx.may_change = x->step->changes & r->o->allow;
}

void cart_context_clear(struct context *x)
{
	struct run *r = x->in->run;
	struct call_job *j;

	pthread_mutex_lock(&r->lock);
	while ((j = take_job(r, x)))
		job_free(j);
	while (x->running)
		pthread_cond_wait(&x->ready, &r->lock);
	pthread_mutex_unlock(&r->lock);
	while ((j = x->finished)) {
		x->finished = j->next;
		job_free(j);
	}
	pthread_cond_destroy(&x->ready);
}
