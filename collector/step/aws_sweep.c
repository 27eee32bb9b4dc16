/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws.sweep: every read operation that needs no input, of chosen services: an
 * account's configuration as evidence in one step.  In random order, so that
 * no one service gets all the calls at once.  What a service says of not
 * being set up is a fact and lies in the log; what could not be asked is a
 * gap, one for each service and reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/aws_model.h"
#include "crashcart/digest.h"
#include "crashcart/step.h"
#include "step_support.h"

#define PARALLEL 8
#define PAGES_MAX 1000
#define GAPS_MAX 2048

/* One operation, and where its pages are. */
struct ask {
	const struct cart_op *op;
	struct cart_json *input;	/* of the page under way */
	unsigned page;
};

/* Failures of one service for one reason. */
struct missed {
	const char *service;
	const char *reason;
	unsigned count;
	char operation[96];		/* the first */
	char detail[256];
};

struct sweep {
	struct cart_step_ctx *c;
	struct ask *ask;
	size_t n, cap;
	struct missed *missed;
	size_t n_missed;
	unsigned done, facts, absent, global_left;
};

/* ---- which operations ---------------------------------------------------- */

static int add_op(struct sweep *s, const struct cart_op *op,
		  struct cart_err *err)
{
	struct ask *grown;
	size_t cap;

	if (s->ask == NULL || s->n == s->cap) {
		cap = s->ask == NULL ? 256 : s->cap * 2;
		grown = realloc(s->ask, cap * sizeof(*grown));
		if (grown == NULL)
			return cart_err_nomem(err);
		s->ask = grown;
		s->cap = cap;
	}
	memset(&s->ask[s->n], 0, sizeof(s->ask[s->n]));
	s->ask[s->n++].op = op;
	return 0;
}

static bool is_wanted(const struct cart_op *op)
{
	const struct cart_op_info *info = cart_op_info(op);

	return info->class == CART_OP_READ && !info->no_auth && !info->bearer &&
		!info->stream_in && !info->stream_out && !info->event_stream &&
		cart_op_needs_no_input(op);
}

/* Global services answer from one place: asked only where their partition
 * signs for them. */
static bool is_elsewhere(const struct cart_svc *svc, const char *region)
{
	struct cart_partition p;
	struct cart_model *m = cart_model_builtin(NULL);

	return cart_svc_info(svc)->global && m != NULL &&
		cart_model_partition(m, region, &p) == 0 &&
		strcmp(p.default_region, region) != 0;
}

static int add_service(struct sweep *s, const char *name, struct cart_err *err)
{
	struct cart_model *m = cart_model_builtin(err);
	const struct cart_svc *svc = m != NULL ? cart_model_svc(m, name, err) :
		NULL;
	const struct cart_op *op;
	size_t i;

	if (svc == NULL)
		return -1;
	if (cart_svc_info(svc)->protocol == CART_PROTO_NONE)
		return 0;
	if (is_elsewhere(svc, s->c->region)) {
		s->global_left++;
		return 0;
	}
	if (!cart_svc_info(svc)->global &&
	    cart_svc_in_region(svc, s->c->region) == 0) {
		s->absent++;
		return 0;
	}
	for (i = 0; (op = cart_svc_op_at(svc, i)) != NULL; i++) {
		if (is_wanted(op) && add_op(s, op, err) < 0)
			return -1;
	}
	return 0;
}

static int choose(struct sweep *s, struct cart_err *err)
{
	const struct cart_json *list = cart_json_get(s->c->with, "services"), *e;
	struct cart_model *m = cart_model_builtin(err);
	size_t i;

	if (m == NULL)
		return -1;
	if (cart_json_type(list) == CART_JSON_STRING &&
	    strcmp(cart_json_string(list), "all") == 0) {
		for (i = 0; i < cart_model_svc_count(m); i++) {
			if (add_service(s, cart_model_svc_name(m, i), err) < 0)
				return -1;
		}
		return 0;
	}
	if (cart_json_type(list) == CART_JSON_STRING)
		return add_service(s, cart_json_string(list), err);
	for (e = cart_json_first(list); e != NULL; e = cart_json_next(e)) {
		if (cart_json_string(e) == NULL ||
		    add_service(s, cart_json_string(e), err) < 0)
			return -1;
	}
	return 0;
}

static void shuffle(struct sweep *s)
{
	struct ask swap;
	uint64_t r;
	size_t i, j;

	for (i = s->n; i > 1; i--) {
		cart_random(&r, sizeof(r));
		j = (size_t)(r % i);
		swap = s->ask[i - 1];
		s->ask[i - 1] = s->ask[j];
		s->ask[j] = swap;
	}
}

/* ---- asking -------------------------------------------------------------- */

static int submit(struct sweep *s, struct ask *a, struct cart_err *err)
{
	struct cart_step_call call = { 0 };

	if (a->input == NULL)
		a->input = cart_json_new_object();
	call.call.service = cart_svc_info(cart_op_svc(a->op))->name;
	call.call.operation = cart_op_info(a->op)->name;
	call.call.input = a->input;
	call.page = cart_op_info(a->op)->paginated ? ++a->page : 0;
	return s->c->ops->submit(s->c, &call, a, err);
}

static void miss(struct sweep *s, const struct ask *a,
		 const struct cart_err *err)
{
	const char *service = cart_svc_info(cart_op_svc(a->op))->name;
	const char *reason = cart_step_reason(err);
	struct missed *m;
	size_t i;

	for (i = 0; i < s->n_missed; i++) {
		m = &s->missed[i];
		if (strcmp(m->service, service) == 0 &&
		    strcmp(m->reason, reason) == 0) {
			m->count++;
			return;
		}
	}
	if (s->n_missed == GAPS_MAX)
		return;
	m = &s->missed[s->n_missed++];
	m->service = service;
	m->reason = reason;
	m->count = 1;
	snprintf(m->operation, sizeof(m->operation), "%s",
		 cart_op_info(a->op)->name);
	snprintf(m->detail, sizeof(m->detail), "%.240s", err->text);
}

/* An answer that says "not set up", "not subscribed", "bad request for this
 * account": the service was asked and answered. */
static bool is_fact(const struct cart_aws_call *call,
		    const struct cart_step_reply *r, const struct cart_err *err)
{
	if (cart_step_absence(call, r, err, NULL) != NULL)
		return true;
	return err->class != CART_ERR_DENIED &&
		err->class != CART_ERR_THROTTLED &&
		r->aws.status >= 400 && r->aws.status < 500;
}

/* The service has no host in this region: also a fact. */
static bool is_not_here(const struct cart_step_reply *r,
			const struct cart_err *err)
{
	return r->aws.status == 0 && err->class == CART_ERR_NET &&
		strstr(err->text, "resolve") != NULL;
}

/* One answer; *under_way is kept.  -1 ends the sweep. */
static int take(struct sweep *s, unsigned *under_way, struct cart_err *err)
{
	struct cart_aws_call call = { 0 };
	struct cart_step_reply reply;
	struct cart_err why = { 0 };
	struct cart_json *next = NULL;
	void *tag = NULL;
	struct ask *a;
	int got, rc = 0, more = 0;

	got = s->c->ops->next(s->c, &reply, &tag, &rc, &why);
	if (got <= 0) {
		*under_way = 0;
		*err = why;
		return got;
	}
	a = tag;
	(*under_way)--;
	call.service = cart_svc_info(cart_op_svc(a->op))->name;
	call.operation = cart_op_info(a->op)->name;
	call.input = a->input;
	if (rc == 0) {
		s->c->ops->keep(s->c, reply.aws.view, &why);
		more = cart_aws_next_page(&call, reply.aws.view, &next, &why);
	}
	if (rc < 0 && why.class == CART_ERR_CANCELLED)
		got = -1;
	else if (rc < 0 && is_not_here(&reply, &why))
		s->absent++;
	else if (rc < 0 && is_fact(&call, &reply, &why))
		s->facts++;
	else if (rc < 0 || more < 0)
		miss(s, a, &why);
	cart_step_reply_clear(&reply);
	cart_json_free(a->input);
	a->input = next;
	if (more > 0 && a->page < PAGES_MAX && got > 0) {
		if (submit(s, a, err) < 0)
			return -1;
		(*under_way)++;
		return 0;
	}
	s->done++;
	s->c->ops->progress(s->c, "operations", s->done, s->n, "operations");
	if (got < 0)
		*err = why;
	return got < 0 ? -1 : 0;
}

static void tell(struct sweep *s)
{
	char what[160], text[256];
	size_t i;

	for (i = 0; i < s->n_missed; i++) {
		const struct missed *m = &s->missed[i];
		struct cart_gap gap = {
			.what = what, .reason = m->reason, .detail = m->detail,
			.offset = -1, .length = -1, .count = m->count,
		};

		snprintf(what, sizeof(what), "%u operation%s of %.40s in %.24s, "
			 "the first %.60s", m->count, m->count == 1 ? "" : "s",
			 m->service, s->c->region, m->operation);
		s->c->ops->gap(s->c, &gap);
	}
	snprintf(text, sizeof(text), "%zu operations asked; %u answered that "
		 "there is nothing or that the service is not set up; %u "
		 "services are not in this region; %u global services are asked "
		 "in their own region only", s->n, s->facts, s->absent,
		 s->global_left);
	s->c->ops->note(s->c, text);
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct sweep s = { .c = c };
	unsigned under_way = 0;
	size_t i, at = 0;
	int rc = -1;

	s.missed = calloc(GAPS_MAX, sizeof(*s.missed));
	if (s.missed == NULL)
		return cart_err_nomem(err);
	if (choose(&s, err) < 0)
		goto out;
	shuffle(&s);
	rc = 0;
	while (rc == 0 && (at < s.n || under_way > 0)) {
		if (at < s.n && under_way < PARALLEL) {
			rc = submit(&s, &s.ask[at++], err);
			under_way += rc == 0;
		} else {
			rc = take(&s, &under_way, err);
		}
	}
	tell(&s);
	if (rc == 0 && s.n > 0 && s.n_missed > 0 && s.facts == 0 &&
	    s.missed[0].count == s.n) {
		cart_err_set(err, CART_ERR_DENIED, 0, "%s: %s",
			     s.missed[0].operation, s.missed[0].detail);
		rc = -1;
	}
out:
	for (i = 0; i < s.n; i++)
		cart_json_free(s.ask[i].input);
	free(s.ask);
	free(s.missed);
	return rc;
}

static int check(const struct cart_json *with, struct cart_err *err)
{
	const struct cart_json *list = cart_json_get(with, "services"), *e;
	struct cart_model *m = cart_model_builtin(err);

	if (m == NULL)
		return -1;
	e = cart_json_type(list) == CART_JSON_ARRAY ? cart_json_first(list) : list;
	for (; e != NULL; e = e == list ? NULL : cart_json_next(e)) {
		const char *name = cart_json_string(e);

		if (name == NULL || strstr(name, "${") != NULL ||
		    (e == list && strcmp(name, "all") == 0))
			continue;
		if (cart_model_svc(m, name, err) == NULL)
			return -1;
	}
	return 0;
}

static void plan_service(const char *name,
			 void (*emit)(void *arg, const char *call, bool changes,
				      const char *note), void *arg)
{
	struct cart_model *m = cart_model_builtin(NULL);
	const struct cart_svc *svc = m != NULL ? cart_model_svc(m, name, NULL) :
		NULL;
	const struct cart_op *op;
	char call[192];
	size_t i;

	for (i = 0; svc != NULL && (op = cart_svc_op_at(svc, i)) != NULL; i++) {
		if (!is_wanted(op))
			continue;
		snprintf(call, sizeof(call), "%.60s:%.120s",
			 cart_svc_info(svc)->name, cart_op_info(op)->name);
		emit(arg, call, false, "");
	}
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	const struct cart_json *list = cart_json_get(with, "services"), *e;
	struct cart_model *m = cart_model_builtin(NULL);
	size_t i;

	if (m != NULL && cart_json_type(list) == CART_JSON_STRING &&
	    strcmp(cart_json_string(list), "all") == 0) {
		for (i = 0; i < cart_model_svc_count(m); i++)
			plan_service(cart_model_svc_name(m, i), emit, arg);
		return;
	}
	e = cart_json_type(list) == CART_JSON_ARRAY ? cart_json_first(list) : list;
	for (; e != NULL; e = e == list ? NULL : cart_json_next(e)) {
		if (cart_json_string(e) != NULL)
			plan_service(cart_json_string(e), emit, arg);
	}
}

static const struct cart_param params[] = {
	{ "services", CART_PARAM_STRINGS, true, NULL,
	  "Services by their AWS CLI names, or \"all\"." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_aws_sweep = {
	.name = "aws.sweep",
	.summary = "Make every read call that needs no input, of chosen services.",
	.where = CART_STEP_AWS,
	.regional = true,
	.params = params,
	.check = check,
	.plan = plan,
	.run = run,
};
