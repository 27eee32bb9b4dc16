/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <crashcart/clock.h>
#include <crashcart/msg.h>

#include "private.h"

/*
 * The caller's thread is the scheduler: it alone moves steps from waiting to
 * running to ended, so what a step expands from does not change under it.
 * Workers take instances of running steps, calls that steps submitted, and
 * the two questions that the run itself has (who are we, which regions).
 */

#define POLL_MS		200
/* They mostly wait for answers: of S3, 10 to 50 ms away. */
#define THREADS		32
/* After a signal, calls under way may end by themselves for so long; a change
 * longer, since its outcome would be unknown. */
#define GRACE_MS	5000
#define GRACE_CHANGE_MS	60000

/* ---- questions of the run itself ---------------------------------------- */

static void own_gap(struct run *r, const char *what, const struct cart_err *err,
		    const char *call)
{
	const char *advice = cart_gap_advice(err->class);
	char detail[CART_ERR_TEXT_SIZE + 160];
	struct cart_gap g = {
		.what = what, .reason = cart_gap_reason(err->class),
		.detail = detail, .call = call && *call ? call : NULL,
		.offset = -1, .length = -1, .count = -1
	};

	snprintf(detail, sizeof(detail), "%s%s%s", err->text,
		 *advice ? "; " : "", advice);
	cart_run_gap(r, "", NULL, &g);
}

static struct call_place own_place(struct run *r)
{
	struct call_place at = {
		.run = r, .aws = r->o->aws, .step = "", .instance = "",
		.account = r->account, .region = "global",
		.deadline_mono_ns = INT64_MAX
	};

	return at;
}

static void ask_to_stop(struct run *r, const char *reason)
{
	pthread_mutex_lock(&r->lock);
	if (!r->reason[0])
		snprintf(r->reason, sizeof(r->reason), "%.150s", reason);
	r->stop = true;
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
}

/* sts:GetCallerIdentity, as evidence of who collected. */
static int ask_identity(struct run *r, struct cart_err *err)
{
	struct call_place at = own_place(r);
	struct cart_step_call call = {
		.call = { .service = "sts", .operation = "GetCallerIdentity" }
	};
	const char *account, *earlier = cart_history_account(r->o->history);
	struct cart_step_reply reply;
	bool secret = false;
	int rc;

	rc = cart_run_call(&at, &call, &reply, &secret, err);
	account = rc == 0 ? cart_json_get_string(reply.aws.view, "Account") :
		NULL;
	if (rc == 0 && (!account || strlen(account) >= sizeof(r->account)))
		rc = cart_err_set(err, CART_ERR_INPUT, 0,
				  "GetCallerIdentity names no account");
	if (rc == 0 && account && *earlier && strcmp(earlier, account)) {
		rc = cart_err_set(err, CART_ERR_USAGE, 0, "the interrupted run "
				  "collected from account %s, and these "
				  "credentials belong to %s", earlier, account);
		ask_to_stop(r, err->text);
	} else if (rc == 0 && account) {
		snprintf(r->account, sizeof(r->account), "%s", account);
	} else if (*earlier) {
		/* The same instances as before, whoever we are now. */
		snprintf(r->account, sizeof(r->account), "%s", earlier);
	}
	if (rc < 0)
		own_gap(r, "the account that we collect from", err,
			reply.call_id);
	cart_step_reply_clear(&reply);
	return rc;
}

/* ec2:DescribeRegions, through the client, which knows what counts. */
static void ask_regions(struct run *r)
{
	struct call_place at = own_place(r);
	struct cart_step_call call = {
		.call = { .service = "ec2", .operation = "DescribeRegions" }
	};
	struct cart_step_reply reply;
	bool secret = false;
	struct cart_err err;
	int rc;

	memset(&reply, 0, sizeof(reply));
	cart_err_clear(&err);
	cart_run_call_id(r, reply.call_id);
	rc = r->calls->regions(r->o->aws, &reply.aws, &r->region_names, &err);
	cart_run_record(&at, &call, &reply, rc < 0 ? &err : NULL, &secret);
	if (rc < 0)
		own_gap(r, "the list of enabled regions: only the configured "
			"region is collected", &err, reply.call_id);
	cart_step_reply_clear(&reply);
}

/* Lock held.  False if there was nothing to ask. */
static bool work_on_lookups(struct run *r)
{
	struct cart_err err;

	cart_err_clear(&err);
	if (r->identity == LOOKUP_ASKED) {
		r->identity = LOOKUP_RUNNING;
		pthread_mutex_unlock(&r->lock);
		ask_identity(r, &err);
		pthread_mutex_lock(&r->lock);
		r->identity = LOOKUP_DONE;
	} else if (r->regions == LOOKUP_ASKED && r->identity == LOOKUP_DONE) {
		r->regions = LOOKUP_RUNNING;
		pthread_mutex_unlock(&r->lock);
		ask_regions(r);
		pthread_mutex_lock(&r->lock);
		r->regions = LOOKUP_DONE;
	} else {
		return false;
	}
	pthread_cond_signal(&r->done);
	return true;
}

/* ---- workers ------------------------------------------------------------ */

/* The next instance to run: of the step that has the fewest running. */
static struct instance *take_instance(struct run *r)
{
	struct rstep *rs, *best = NULL;
	size_t i;

	if (r->stop || cart_stop_requested())
		return NULL;
	for (i = 0; i < r->m->n_steps; i++) {
		rs = &r->steps[i];
		if (rs->state != RSTEP_RUNNING || rs->next == rs->n ||
		    (rs->serial && rs->running))
			continue;
		if (!best || rs->running < best->running)
			best = rs;
	}
	if (!best)
		return NULL;
	best->running++;
	return &best->instances[best->next++];
}

static bool stops_run(const struct mstep *s, const struct instance *in)
{
	return s->stop && in->outcome >= OUT_DENIED &&
	       in->outcome <= OUT_FAILED;
}

/* Lock held. */
static void stop(struct run *r, const char *reason)
{
	if (!r->reason[0])
		snprintf(r->reason, sizeof(r->reason), "%s", reason);
	r->stop = true;
	pthread_cond_broadcast(&r->work);
}

static void work_on_instance(struct run *r, struct instance *in)
{
	const struct mstep *s = &r->m->steps[in->step];
	struct rstep *rs = &r->steps[in->step];
	char reason[sizeof(r->reason)];

	r->busy++;
	in->partial_input = in->partial_input || rs->partial_input;
	pthread_mutex_unlock(&r->lock);
	if (!in->restored)
		cart_instance_run(in);
	pthread_mutex_lock(&r->lock);
	r->busy--;
	rs->running--;
	rs->ended++;
	if (stops_run(s, in)) {
		snprintf(reason, sizeof(reason), "step %s ended %s, and says "
			 "\"on_error\": \"stop\"", s->id,
			 cart_outcome_name(in->outcome));
		stop(r, reason);
	}
	pthread_cond_signal(&r->done);
	/* A serial step's next instance, or its fellow workers' turn. */
	pthread_cond_signal(&r->work);
}

static void *worker(void *arg)
{
	struct run *r = arg;
	struct instance *in;

	pthread_mutex_lock(&r->lock);
	while (!r->quit) {
		if (work_on_lookups(r) || cart_context_work(r))
			continue;
		in = take_instance(r);
		if (in)
			work_on_instance(r, in);
		else
			pthread_cond_wait(&r->work, &r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static int start_workers(struct run *r, struct cart_err *err)
{
	size_t want = r->o->threads ? r->o->threads : THREADS;
	pthread_attr_t attr;
	int rc = 0;

	if (want > WORKERS_MAX)
		want = WORKERS_MAX;
	if (pthread_attr_init(&attr))
		return cart_err_nomem(err);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	while (r->n_threads < want && !rc) {
		rc = pthread_create(&r->threads[r->n_threads], &attr, worker, r);
		if (!rc)
			r->n_threads++;
	}
	pthread_attr_destroy(&attr);
	/* With one thread all gets done, only slower. */
	if (rc && !r->n_threads)
		return cart_err_errno(err, rc, "starting a step thread");
	return 0;
}

static void end_workers(struct run *r)
{
	size_t i;

	pthread_mutex_lock(&r->lock);
	r->quit = true;
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
	for (i = 0; i < r->n_threads; i++)
		pthread_join(r->threads[i], NULL);
}

/* ---- steps -------------------------------------------------------------- */

static bool may_begin(const struct run *r, size_t step)
{
	const struct mstep *s = &r->m->steps[step];
	size_t i;

	for (i = 0; i < r->m->n_steps; i++) {
		if (step_set_has(&s->waits, i) &&
		    r->steps[i].state != RSTEP_ENDED)
			return false;
	}
	return true;
}

/* Asks what the step needs to know first; true when it is known. */
static bool known(struct run *r, const struct mstep *s)
{
	const char *regions = cart_json_string(s->regions);

	if (s->type->where == CART_STEP_HOST)
		return true;
	if (r->identity == LOOKUP_NONE) {
		r->identity = LOOKUP_ASKED;
		pthread_cond_broadcast(&r->work);
	}
	if (regions && !strcmp(regions, "all") && r->regions == LOOKUP_NONE) {
		r->regions = LOOKUP_ASKED;
		pthread_cond_broadcast(&r->work);
	}
	return r->identity == LOOKUP_DONE &&
	       (!regions || strcmp(regions, "all") || r->regions == LOOKUP_DONE);
}

static bool has_gaps(struct run *r)
{
	struct cart_bundle_counts counts;

	cart_bundle_counts(r->o->bundle, &counts);
	return counts.gaps || atomic_load(&r->gaps) ||
	       cart_history_gaps(r->o->history);
}

static void free_instances(struct rstep *rs)
{
	size_t i;

	for (i = 0; i < rs->n; i++) {
		cart_json_free(rs->instances[i].item);
		cart_json_free(rs->instances[i].kept);
	}
	free(rs->instances);
	rs->instances = NULL;
	rs->n = 0;
}

/* A step without instances still has a line that says how it ended. */
static void end_without(struct run *r, size_t step, enum outcome outcome,
			const char *reason, const struct cart_gap *gap)
{
	const struct mstep *s = &r->m->steps[step];
	struct rstep *rs = &r->steps[step];
	struct instance in = {
		.run = r, .step = step, .attempt = 1, .outcome = outcome,
		.partial_input = rs->partial_input
	};
	const struct history_instance *h;

	snprintf(in.id, sizeof(in.id), "%s@%s/%s#0", s->id,
		 s->type->where == CART_STEP_HOST ? "-" : r->account, "global");
	snprintf(in.reason, sizeof(in.reason), "%s", reason);
	rs->outcome = outcome;
	h = cart_history_instance(r->o->history, in.id);
	if (h && h->ended)
		return;
	if (h)
		in.attempt = h->attempt + 1;
	cart_run_log_instance(r, &in, false, 0);
	if (gap)
		cart_run_gap(r, s->id, &in, gap);
	cart_run_log_instance(r, &in, true, 0);
}

static bool containment(const struct mstep *s)
{
	return s->changes & (CART_CHANGE_CONTAINMENT | CART_CHANGE_IRREVERSIBLE);
}

/* A change that waits for the operator's word, and has it not: no gap, since
 * nobody wanted it, but never silent. */
static bool not_allowed(struct run *r, size_t step)
{
	const struct mstep *s = &r->m->steps[step];
	char text[160];

	if (!(s->changes & ~r->o->allow))
		return false;
	snprintf(text, sizeof(text), "not run: --allow %s was not given",
		 s->changes_word);
	cart_run_note(r, s->id, text);
	cart_msg(CART_MSG_NOTE, "%s: %s", s->id, text);
	r->steps[step].quiet = true;
	end_without(r, step, OUT_SKIPPED, "not-allowed", NULL);
	return true;
}

/* Without the lock; r->steps[step] is the scheduler's alone until it runs. */
static bool begin(struct run *r, size_t step)
{
	const struct mstep *s = &r->m->steps[step];
	struct rstep *rs = &r->steps[step];
	const char *regions = cart_json_string(s->regions);
	struct cart_gap gap = { .what = "all of it", .offset = -1, .length = -1,
				.count = -1 };
	struct cart_err err;
	size_t i;

	if (not_allowed(r, step))
		return false;
	for (i = 0; i < r->m->n_steps; i++) {
		if (step_set_has(&s->inputs, i) &&
		    r->steps[i].outcome != OUT_OK && !r->steps[i].quiet)
			rs->partial_input = true;
	}
	if (regions && !strcmp(regions, "all") && !r->region_names)
		rs->partial_input = true;
	if (containment(s) && has_gaps(r)) {
		if (!s->despite_gaps) {
			gap.reason = "interrupted";
			gap.detail = "not run, because there are gaps in the "
				"evidence before it; add \"despite_gaps\": true "
				"to run it all the same";
			end_without(r, step, OUT_SKIPPED, "gaps", &gap);
			return false;
		}
		cart_run_note(r, s->id, "runs although there are gaps in the evidence "
		     "before it, because the manifest says \"despite_gaps\"");
	}
	cart_err_clear(&err);
	if (cart_run_expand(r, step, &err) < 0) {
		free_instances(rs);
		gap.reason = cart_gap_reason(err.class);
		gap.detail = err.text;
		end_without(r, step, cart_outcome_of(err.class), "", &gap);
		return false;
	}
	if (!rs->n) {
		rs->quiet = !rs->partial_input;
		end_without(r, step, OUT_SKIPPED, "no-items", NULL);
		return false;
	}
	return true;
}

static void say_end(const struct run *r, size_t step)
{
	const struct rstep *rs = &r->steps[step];
	const struct mstep *s = &r->m->steps[step];

	if (rs->outcome == OUT_SKIPPED)
		cart_msg(CART_MSG_NOTE, "%s: skipped%s", s->id, rs->quiet ?
			 ", nothing to do here" : "");
	else if (rs->n > 1)
		cart_msg(CART_MSG_NOTE, "%s: %s (%zu parts)", s->id,
			 cart_outcome_name(rs->outcome), rs->n);
	else
		cart_msg(CART_MSG_NOTE, "%s: %s", s->id,
			 cart_outcome_name(rs->outcome));
}

/* The worst of its instances; what the manifest skipped counts only when
 * nothing else was done. */
static void sum_up(struct run *r, size_t step)
{
	struct rstep *rs = &r->steps[step];
	enum outcome worst = OUT_OK;
	bool quiet = true;
	size_t i;

	for (i = 0; i < rs->n; i++) {
		if (rs->instances[i].no_gap)
			continue;
		quiet = false;
		if (rs->instances[i].outcome > worst)
			worst = rs->instances[i].outcome;
	}
	rs->quiet = quiet;
	rs->outcome = quiet ? OUT_SKIPPED : worst;
	rs->state = RSTEP_ENDED;
	say_end(r, step);
}

/* Lock held.  Moves every step that can move; true if one did. */
static bool advance(struct run *r)
{
	bool moved = false, runs;
	struct rstep *rs;
	size_t i;

	for (i = 0; i < r->m->n_steps; i++) {
		rs = &r->steps[i];
		if (rs->state == RSTEP_RUNNING && rs->ended == rs->n) {
			sum_up(r, i);
			moved = true;
		}
		if (rs->state != RSTEP_WAITING || r->stop || !may_begin(r, i) ||
		    !known(r, &r->m->steps[i]))
			continue;
		pthread_mutex_unlock(&r->lock);
		runs = begin(r, i);
		pthread_mutex_lock(&r->lock);
		rs->state = runs ? RSTEP_RUNNING : RSTEP_ENDED;
		if (!runs)
			say_end(r, i);
		pthread_cond_broadcast(&r->work);
		moved = true;
	}
	return moved;
}

static bool all_ended(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->m->n_steps; i++) {
		if (r->steps[i].state != RSTEP_ENDED)
			return false;
	}
	return true;
}

static void wait_a_little(struct run *r)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += POLL_MS * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_nsec -= 1000000000L;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&r->done, &r->lock, &t);
}

static bool change_runs(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->m->n_steps; i++) {
		if (r->m->steps[i].changes && r->steps[i].running)
			return true;
	}
	return false;
}

/* Lock held.  A server that hangs does not keep us from sealing. */
static void cancel_calls(struct run *r)
{
	int64_t waited = (cart_clock_mono_ns() - r->stopped_mono_ns) / 1000000;

	if (r->cancelled || !r->o->cancel || !r->stopped_mono_ns ||
	    waited < (change_runs(r) ? GRACE_CHANGE_MS : GRACE_MS))
		return;
	r->cancelled = true;
	pthread_mutex_unlock(&r->lock);
	r->o->cancel(r->o->cancel_arg);
	pthread_mutex_lock(&r->lock);
}

/* Lock held. */
static void observe(struct run *r, struct cart_run_step *view)
{
	struct rstep *rs;
	size_t i;

	for (i = 0; view && i < r->m->n_steps; i++) {
		rs = &r->steps[i];
		view[i] = (struct cart_run_step){
			.id = r->m->steps[i].id, .state = "waiting",
			.instances = rs->n, .ended = rs->ended
		};
		if (rs->state == RSTEP_ENDED)
			view[i].state = cart_outcome_name(rs->outcome);
		if (rs->state != RSTEP_RUNNING)
			continue;
		view[i].state = "running";
		if (rs->n != 1)
			continue;
		view[i].unit = atomic_load(&rs->unit);
		view[i].done = atomic_load(&rs->done);
		view[i].total = atomic_load(&rs->total);
	}
	if (view)
		r->o->observe(r->o->observe_arg, view, r->m->n_steps);
}

static void schedule(struct run *r)
{
	struct cart_run_step *view = NULL;
	const char *why;

	if (r->o->observe)
		view = calloc(r->m->n_steps, sizeof(*view));
	pthread_mutex_lock(&r->lock);
	for (;;) {
		if (cart_stop_requested() && !r->stopped_mono_ns) {
			r->stopped_mono_ns = cart_clock_mono_ns();
			why = cart_stop_reason();
			cart_msg(CART_MSG_NOTE, "%s%sstopping: calls under way "
				 "may end, then what is there is sealed; %s to "
				 "end at once, without a seal", why ? why : "",
				 why ? ": " : "", why ? "two signals" : "again");
			stop(r, why ? why : "stopped by a signal");
		}
		cancel_calls(r);
		if (advance(r))
			continue;
		observe(r, view);
		if (all_ended(r))
			break;
		if (r->stop && !r->busy && r->identity != LOOKUP_RUNNING &&
		    r->regions != LOOKUP_RUNNING)
			break;
		wait_a_little(r);
	}
	observe(r, view);
	pthread_mutex_unlock(&r->lock);
	free(view);
}

/* What a stop left undone is a gap. */
static void record_undone(struct run *r)
{
	struct cart_gap gap = { .reason = "interrupted", .offset = -1,
				.length = -1, .count = -1 };
	const char *why = r->reason[0] ? r->reason : "the run ended early";
	struct rstep *rs;
	char detail[400];
	size_t i;

	for (i = 0; i < r->m->n_steps && !r->failed; i++) {
		rs = &r->steps[i];
		if (rs->state == RSTEP_ENDED)
			continue;
		gap.detail = detail;
		if (rs->state == RSTEP_RUNNING) {
			gap.what = "the rest of it";
			gap.count = (int64_t)(rs->n - rs->ended);
			snprintf(detail, sizeof(detail), "%zu of %zu parts "
				 "were not run: %s", rs->n - rs->ended, rs->n, why);
			if (rs->n == rs->ended)
				continue;
		} else {
			gap.what = "all of it";
			gap.count = -1;
			snprintf(detail, sizeof(detail), "the step was not run: "
				 "%s", why);
		}
		cart_run_gap(r, r->m->steps[i].id, NULL, &gap);
	}
}

/* ---- the run ------------------------------------------------------------ */

int cart_run_check_allow(const struct cart_manifest *m, unsigned allow,
			 struct cart_err *err)
{
	const struct mstep *s;
	size_t i;

	for (i = 0; i < m->n_steps; i++) {
		s = &m->steps[i];
		/* What a type may do in addition is done if it is allowed. */
		if ((s->changes & ~allow) && !s->if_allowed)
			return cart_err_set(err, CART_ERR_USAGE, 0,
				"step \"%s\" changes something (%s): give "
				"--allow %s, or use a manifest without it; "
				"nothing was touched", s->id,
				s->call ? s->call : s->type->name,
				s->changes_word);
	}
	return 0;
}

int cart_run_check_durable(const struct cart_manifest *m, unsigned allow,
			   struct cart_err *err)
{
	const unsigned hard = CART_CHANGE_CONTAINMENT | CART_CHANGE_IRREVERSIBLE;
	const struct mstep *s;
	size_t i;

	for (i = 0; i < m->n_steps; i++) {
		s = &m->steps[i];
		if (s->changes & allow & hard)
			return cart_err_set(err, CART_ERR_USAGE, 0,
				"step \"%s\" changes something (%s), and what "
				"goes through a pipe is never known to be "
				"durable before it: give --out FOLDER, FILE.tar "
				"or s3://..., or leave out --allow %s; nothing "
				"was touched", s->id,
				s->call ? s->call : s->type->name,
				s->changes_word);
	}
	return 0;
}

static void count_results(const struct run *r, struct cart_run_result *ret)
{
	const struct rstep *rs;
	size_t i, k;

	ret->masked = r->masked;
	for (i = 0; i < r->m->n_steps; i++) {
		rs = &r->steps[i];
		for (k = 0; k < rs->n; k++) {
			if (k >= rs->next)
				continue;
			ret->instances++;
			switch (rs->instances[k].outcome) {
			case OUT_OK:
				ret->ok++;
				break;
			case OUT_SKIPPED:
				ret->skipped++;
				break;
			case OUT_PARTIAL:
				ret->partial++;
				break;
			case OUT_CANCELLED:
				ret->cancelled++;
				break;
			default:
				ret->failed++;
			}
		}
	}
	ret->gaps = atomic_load(&r->gaps);
	ret->stopped = r->stop;
	snprintf(ret->reason, sizeof(ret->reason), "%s", r->reason);
}

/* --expect-account: before anything else is touched. */
static int check_account(struct run *r, struct cart_err *err)
{
	if (!r->o->expect_account || !cart_manifest_has_aws_steps(r->m))
		return 0;
	r->identity = LOOKUP_DONE;
	if (ask_identity(r, err) < 0)
		return cart_err_prefix(err, "--expect-account %s",
				       r->o->expect_account);
	if (strcmp(r->account, r->o->expect_account))
		return cart_err_set(err, CART_ERR_USAGE, 0, "these credentials "
			"belong to account %s, not to %s as --expect-account "
			"says; nothing was collected", r->account,
			r->o->expect_account);
	return 0;
}

static int init(struct run *r, const struct cart_run_calls *calls,
		const struct cart_run_options *o, struct cart_err *err)
{
	pthread_condattr_t attr;
	size_t i;

	r->o = o;
	r->calls = calls;
	r->m = o->manifest;
	r->jobs_end = &r->jobs;
	r->start_utc_ns = cart_clock_utc_ns();
	snprintf(r->account, sizeof(r->account), "-");
	atomic_init(&r->calls_made, cart_history_calls(o->history));
	if (o->mask_key)
		memcpy(r->mask_key, o->mask_key, sizeof(r->mask_key));
	else
		cart_random(r->mask_key, sizeof(r->mask_key));
	r->steps = calloc(r->m->n_steps, sizeof(*r->steps));
	if (!r->steps || pthread_condattr_init(&attr))
		return cart_err_nomem(err);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->done, &attr);
	pthread_condattr_destroy(&attr);
	for (i = 0; i < r->m->n_steps; i++)
		r->steps[i].serial = r->m->steps[i].changes ||
			r->m->steps[i].type->where == CART_STEP_HOST;
	return 0;
}

static void clear(struct run *r)
{
	size_t i;

	cart_wipe(r->mask_key, sizeof(r->mask_key));
	for (i = 0; i < r->m->n_steps; i++)
		free_instances(&r->steps[i]);
	cart_run_accounts_free(r);
	cart_context_release(r);
	cart_json_free(r->region_names);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->done);
	pthread_mutex_destroy(&r->lock);
	free(r->steps);
}

int cart_run_with(const struct cart_run_calls *calls,
		  const struct cart_run_options *o, struct cart_run_result *ret,
		  struct cart_err *err)
{
	struct run *r;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (cart_run_check_allow(o->manifest, o->allow, err) < 0)
		return -1;
	r = calloc(1, sizeof(*r));
	if (!r)
		return cart_err_nomem(err);
	if (init(r, calls, o, err) < 0) {
		free(r->steps);
		free(r);
		return -1;
	}
	if (check_account(r, err) < 0 || start_workers(r, err) < 0)
		goto out;
	schedule(r);
	end_workers(r);
	record_undone(r);
	if (r->failed) {
		if (err)
			*err = r->err;
		goto out;
	}
	rc = 0;
out:
	count_results(r, ret);
	clear(r);
	free(r);
	return rc;
}

static struct cart_aws *assume(struct cart_aws *base, const char *role_arn,
			       struct cart_err *err)
{
	return cart_aws_assume(base, role_arn, NULL, err);
}

const struct cart_run_calls cart_run_calls_builtin = {
	.call = cart_aws_call,
	.regions = cart_aws_regions,
	.region = cart_aws_region,
	.now_ns = cart_aws_now_ns,
	.imds = cart_imds_get,
	.assume = assume,
	.free = cart_aws_free,
};

int cart_run(const struct cart_run_options *o, struct cart_run_result *ret,
	     struct cart_err *err)
{
	return cart_run_with(&cart_run_calls_builtin, o, ret, err);
}
