/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/msg.h>

#include "private.h"

/* One instance, from its start line to its end line. */

static void skip(struct instance *in, const char *reason)
{
	in->outcome = OUT_SKIPPED;
	snprintf(in->reason, sizeof(in->reason), "%s", reason);
}

/* What is missing of an instance, for people: the line has its id too. */
static void gap(struct instance *in, const char *how_much, const char *reason,
		const char *detail, const char *call)
{
	const struct mstep *s = &in->run->m->steps[in->step];
	bool host = s->type->where == CART_STEP_HOST;
	bool region = !host && strcmp(in->region, "-") != 0 &&
		strcmp(in->region, "global") != 0;
	char what[160], item[32] = "";
	struct cart_gap g = {
		.what = what, .reason = reason, .detail = detail,
		.call = call && *call ? call : NULL,
		.offset = -1, .length = -1, .count = -1
	};

	if (in->item)
		snprintf(item, sizeof(item), ", item %zu", in->n);
	snprintf(what, sizeof(what), "%s %s%s%s%s%s", how_much,
		 host ? "on this host" : "in account ", host ? "" : in->account,
		 region ? ", " : "", region ? in->region : "", item);
	cart_run_gap(in->run, s->id, in, &g);
}

static int any_true(void *arg, const struct instance *from,
		    const struct cart_json *value)
{
	const char *s = cart_json_string(value);

	(void)arg;
	(void)from;
	if (s)
		return *s != '\0';
	return cart_json_type(value) == CART_JSON_BOOL ?
		cart_json_bool(value) : cart_json_type(value) != CART_JSON_NULL;
}

/* Does "when" hold? */
static bool wanted(struct instance *in, const struct mstep *s)
{
	struct instance_scope scope = { .in = in };
	const struct cart_json *value = NULL;
	const struct run *r = in->run;
	struct cart_ref ref;
	bool yes;

	if (!s->when || cart_ref_whole(s->when, &ref, NULL) != 1)
		return true;
	if (ref.kind == REF_STEP)
		return cart_run_kept_each(r, (size_t)
			cart_manifest_step(r->m, ref.step), ref.name, any_true,
			NULL) != 0;
	yes = cart_run_ref(&scope, &ref, &value) == RESOLVE_OK && value &&
	      any_true(NULL, NULL, value);
	cart_json_free(scope.scratch);
	return yes;
}

/* A value is missing because the manifest itself skipped its step: that is no
 * gap. */
static bool quiet_ref(const struct run *r, const struct cart_ref *ref)
{
	return ref->kind == REF_STEP &&
	       r->steps[cart_manifest_step(r->m, ref->step)].quiet;
}

static void unresolved(struct instance *in, const struct cart_ref *ref,
		       enum resolve why)
{
	char text[192], detail[480];

	cart_ref_text(ref, text, sizeof(text));
	if (why == RESOLVE_AMBIGUOUS) {
		snprintf(detail, sizeof(detail), "%s has several values, so it "
			 "is not clear which is meant; use \"for_each\"", text);
		gap(in, "all of it", "ambiguous", detail, NULL);
		skip(in, "ambiguous");
		return;
	}
	skip(in, "no-value");
	if (quiet_ref(in->run, ref)) {
		in->no_gap = true;
		return;
	}
	snprintf(detail, sizeof(detail), "%s has no value; where that is normal, "
		 "give the step \"when\": \"%s\"", text, text);
	gap(in, "all of it", "no-value", detail, NULL);
}

/* The type's rules for `with`, once the references are replaced. */
static int check_with(struct instance *in, const struct mstep *s,
		      const struct cart_json *with, struct cart_err *err)
{
	struct mpath p = { .m = in->run->m, .err = err };

	if (!s->with || !cart_ref_any(s->with))
		return 0;
	cart_mpath_push(&p, "steps");
	cart_mpath_push_index(&p, in->step);
	cart_mpath_push(&p, "with");
	return cart_with_check(&p, s->type, with);
}

static int run_step(struct instance *in, const struct mstep *s,
		    const struct cart_json *with, struct cart_err *err)
{
	struct context x;
	int rc;

	if (check_with(in, s, with, err) < 0)
		return -1;
	if (s->accounts && strcmp(in->account, in->run->account)) {
		in->aws = cart_run_account(in->run, in->account, s->role, err);
		if (!in->aws)
			return -1;
	}
	/* What led to this change must not be lost with it. */
	if (s->changes && cart_bundle_sync(in->run->o->bundle, err) < 0)
		return -1;
	cart_context_init(&x, in, with);
	rc = s->type->run(&x.ctx, err);
	cart_context_clear(&x);
	return rc;
}

static void failed(struct instance *in, const struct cart_err *err)
{
	const char *advice = cart_gap_advice(err->class);
	char detail[CART_ERR_TEXT_SIZE + 160], call[24];

	in->outcome = cart_outcome_of(err->class);
	pthread_mutex_lock(&in->run->lock);
	snprintf(call, sizeof(call), "%s", in->failed_call);
	pthread_mutex_unlock(&in->run->lock);
	snprintf(detail, sizeof(detail), "%s%s%s", err->text,
		 *advice ? "; " : "", advice);
	gap(in, "some or all of it", cart_gap_reason(err->class), detail, call);
}

static void decide(struct instance *in, const struct mstep *s)
{
	struct instance_scope scope = { .in = in };
	struct cart_json *with = NULL, *empty = NULL;
	enum resolve result = RESOLVE_OK;
	struct cart_ref ref = { 0 };
	struct cart_err err;
	int rc = 0;

	cart_err_clear(&err);
	if (!wanted(in, s)) {
		in->no_gap = true;
		skip(in, "when");
		return;
	}
	if (s->with)
		rc = cart_ref_resolve(s->with, cart_run_ref, &scope, &with,
				      &result, &ref, &err);
	else if (!(empty = cart_json_new_object()))
		rc = cart_err_nomem(&err);
	if (rc == 0 && result != RESOLVE_OK) {
		unresolved(in, &ref, result);
	} else {
		if (rc == 0)
			rc = run_step(in, s, with ? with : empty, &err);
		if (rc < 0)
			failed(in, &err);
		else
			in->outcome = in->gaps ? OUT_PARTIAL : OUT_OK;
	}
	cart_json_free(scope.scratch);
	cart_json_free(with);
	cart_json_free(empty);
}

void cart_instance_run(struct instance *in)
{
	struct run *r = in->run;
	int64_t start = cart_clock_mono_ns();

	cart_run_log_instance(r, in, false, 0);
	decide(in, &r->m->steps[in->step]);
	cart_run_log_instance(r, in, true, (uint64_t)
			      ((cart_clock_mono_ns() - start) / 1000000));
}
