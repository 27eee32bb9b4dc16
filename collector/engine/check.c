/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_model.h>

#include "check.h"

/* Tells before a run what the run would miss; changes nothing anywhere. */

#define THREADS		16
/* A sweep goes to thousands: these tell enough of the way there. */
#define PLACES_MAX	512
/* Nobody's logs can be compared with times that are further off. */
#define OFFSET_MAX_MS	INT64_C(60000)
/* AWS refuses signatures that are older or younger. */
#define OFFSET_AWS_MS	INT64_C(900000)

/* ---- rows --------------------------------------------------------------- */

void cart_check_add(struct check *c, struct cart_json *row, const char *key,
		    struct cart_json *value)
{
	if (!cart_json_add(row, key, value))
		c->bad = true;
}

struct cart_json *cart_check_row(struct check *c, const char *check,
				 const char *result, const char *what,
				 const char *detail)
{
	struct cart_json *row = cart_json_append(c->list,
						 cart_json_new_object());

	cart_check_add(c, row, "check", cart_json_new_string(check));
	cart_check_add(c, row, "result", cart_json_new_string(result));
	cart_check_add(c, row, "what", cart_json_new_string(what));
	cart_check_add(c, row, "detail", cart_json_new_string(detail));
	return row;
}

/* ---- threads ------------------------------------------------------------ */

struct batch {
	atomic_size_t next;
	size_t n;
	void (*fn)(void *arg, size_t i);
	void *arg;
};

static void *batch_main(void *arg)
{
	struct batch *b = arg;
	size_t i;

	while ((i = atomic_fetch_add(&b->next, 1)) < b->n)
		b->fn(b->arg, i);
	return NULL;
}

void cart_check_parallel(size_t n, void (*fn)(void *arg, size_t i), void *arg)
{
	struct batch b = { .n = n, .fn = fn, .arg = arg };
	pthread_t thread[THREADS];
	pthread_attr_t attr;
	size_t started = 0;

	atomic_init(&b.next, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	while (started < THREADS && started + 1 < n &&
	       !pthread_create(&thread[started], &attr, batch_main, &b))
		started++;
	pthread_attr_destroy(&attr);
	batch_main(&b);			/* also where no thread could be had */
	while (started)
		pthread_join(thread[--started], NULL);
}

/* ---- who we are --------------------------------------------------------- */

/* "arn:aws:sts::123:assumed-role/R/S" is a session of "arn:aws:iam::123:role/R";
 * a path of the role is not in it. */
static void find_principal(struct check_who *w)
{
	const char *p = strstr(w->arn, ":assumed-role/"), *name;
	int part = (int)strcspn(w->arn + 4, ":");

	if (strstr(w->arn, ":user/")) {
		snprintf(w->principal, sizeof(w->principal), "%s", w->arn);
	} else if (p) {
		name = p + strlen(":assumed-role/");
		snprintf(w->principal, sizeof(w->principal),
			 "arn:%.*s:iam::%s:role/%.*s", part, w->arn + 4,
			 w->number, (int)strcspn(name, "/"), name);
	} else if (strlen(w->arn) > 5 &&
		   !strcmp(w->arn + strlen(w->arn) - 5, ":root")) {
		w->root = true;
	} else {
		snprintf(w->cannot, sizeof(w->cannot), "the policies of %s "
			 "cannot be simulated", w->arn);
	}
}

static void ask_identity(struct check *c, struct check_who *w)
{
	struct cart_aws_call call = {
		.service = "sts", .operation = "GetCallerIdentity"
	};
	const char *want = w->account ? w->account : c->o->expect_account;
	const char *source, *s;
	struct cart_aws_reply r;
	struct cart_json *row;
	struct cart_err err;
	char detail[400];
	bool good;

	cart_err_clear(&err);
	if (cart_aws_call(w->aws, &call, &r, &err) < 0) {
		cart_check_row(c, "identity", "missing", w->account ?
			       w->account : "no credentials that work",
			       err.text);
		cart_aws_reply_clear(&r);
		return;
	}
	s = cart_json_get_string(r.view, "Arn");
	snprintf(w->arn, sizeof(w->arn), "%s", s ? s : "");
	s = cart_json_get_string(r.view, "Account");
	snprintf(w->number, sizeof(w->number), "%s", s ? s : "");
	cart_aws_reply_clear(&r);
	w->known = true;
	find_principal(w);
	good = !want || !strcmp(want, w->number);
	source = cart_aws_credential_source(w->aws);
	if (good)
		snprintf(detail, sizeof(detail), "account %s, credentials from "
			 "%.200s", w->number, source);
	else
		snprintf(detail, sizeof(detail), "credentials from %.200s are "
			 "of account %s, not %s: nothing would be collected",
			 source, w->number, want);
	row = cart_check_row(c, "identity", good ? "good" : "missing", w->arn,
			     detail);
	cart_check_add(c, row, "account", cart_json_new_string(w->number));
	cart_check_add(c, row, "credentials", cart_json_new_string(source));
}

static struct check_who *add_who(struct check *c, const char *account,
				 const char *role)
{
	struct check_who *w;
	size_t i;

	/* our own account is collected from without a role */
	if (account && !strcmp(account, c->who[0].number))
		return &c->who[0];
	for (i = 1; account && i < c->n_who; i++) {
		if (!strcmp(c->who[i].account, account) &&
		    !strcmp(c->who[i].role, role))
			return &c->who[i];
	}
	if (c->n_who == CHECK_WHO_MAX)
		return NULL;
	w = &c->who[c->n_who++];
	w->account = account;
	w->role = role;
	return w;
}

static void add_accounts(struct check *c, const struct mstep *s)
{
	struct cart_json *list = cart_manifest_accounts(c->m, s);
	const struct cart_json *a;
	struct check_who *w;

	for (a = cart_json_first(list); a; a = cart_json_next(a)) {
		w = add_who(c, cart_json_string(a), s->role);
		if (w && w != c->who && !w->own) {
			w->account = strdup(cart_json_string(a));
			w->own = true;
		}
		if (!w || (w != c->who && !w->account))
			c->bad = true;
	}
	if (!cart_json_size(list))
		cart_check_row(c, "identity", "warning", s->id, "the accounts "
			       "of this step are known only in the run");
	cart_json_free(list);
}

static void assume_role(struct check *c, struct check_who *w)
{
	struct cart_partition partition = { .id = "aws" };
	struct cart_model *model = cart_model_builtin(NULL);
	struct cart_err err;
	char arn[192];

	cart_err_clear(&err);
	if (model && c->region[0])
		cart_model_partition(model, c->region, &partition);
	snprintf(arn, sizeof(arn), "arn:%s:iam::%s:role/%s", partition.id,
		 w->account, w->role);
	w->aws = cart_aws_assume(c->o->aws, arn, NULL, &err);
	if (w->aws)
		ask_identity(c, w);
	else
		cart_check_row(c, "identity", "missing", w->account, err.text);
}

static void check_identity(struct check *c)
{
	const char *region;
	size_t i;

	c->who[c->n_who++].aws = c->o->aws;
	ask_identity(c, &c->who[0]);
	region = cart_aws_region(c->o->aws);
	if (region)
		snprintf(c->region, sizeof(c->region), "%s", region);
	for (i = 0; i < c->m->n_steps; i++) {
		if (c->m->steps[i].accounts)
			add_accounts(c, &c->m->steps[i]);
	}
	for (i = 1; c->who[0].known && i < c->n_who; i++)
		assume_role(c, &c->who[i]);
}

/* ---- the clock ---------------------------------------------------------- */

static void check_clock(struct check *c)
{
	int64_t offset = 0, uncertainty = 0, size;
	struct cart_json *row;
	const char *result = "good", *more = "";
	char what[80], detail[400];

	if (!cart_aws_clock_offset(c->o->aws, &offset, &uncertainty)) {
		cart_check_row(c, "clock", "unknown", "not measured",
			       "no answer with a date came");
		return;
	}
	size = offset < 0 ? -offset : offset;
	if (size > OFFSET_MAX_MS + uncertainty)
		result = "warning";
	if (size > OFFSET_AWS_MS)
		more = "; other AWS tools on this host are refused, since AWS "
		       "allows signatures 15 minutes";
	snprintf(what, sizeof(what), "%" PRId64 ".%03" PRId64 " s %s, +-%"
		 PRId64 " ms", size / 1000, size % 1000, offset < 0 ?
		 "fast" : "slow", uncertainty);
	if (*result == 'g')
		snprintf(detail, sizeof(detail), "this host's clock against "
			 "AWS's dates");
	else
		snprintf(detail, sizeof(detail), "this host's clock is wrong: "
			 "crashcart signs with AWS's time and records the "
			 "offset, but files and logs of this host have its "
			 "times%s", more);
	row = cart_check_row(c, "clock", result, what, detail);
	cart_check_add(c, row, "offset_ms", cart_json_new_int(offset));
	cart_check_add(c, row, "uncertainty_ms",
		       cart_json_new_int(uncertainty));
}

/* ---- regions ------------------------------------------------------------ */

static bool wants_all(const struct cart_manifest *m)
{
	const char *s;
	size_t i;

	for (i = 0; i < m->n_steps; i++) {
		s = cart_json_string(m->steps[i].regions);
		if (s && !strcmp(s, "all"))
			return true;
	}
	return false;
}

/* A list that cannot be had is a missing permission, and told as such. */
static void find_regions(struct check *c)
{
	struct cart_aws_reply r;
	struct cart_err err;

	if (!c->who[0].known || !wants_all(c->m))
		return;
	cart_err_clear(&err);
	if (cart_aws_regions(c->o->aws, &r, &c->regions, &err) < 0)
		c->regions = NULL;
	cart_aws_reply_clear(&r);
}

struct cart_json *cart_check_regions(const struct check *c,
				     const struct cart_need *n)
{
	const char *s = cart_json_string(n->step->regions);
	const struct cart_json *list = n->regions ? n->regions :
		n->step->regions;
	struct cart_json *out;

	if (!n->global && s && !strcmp(s, "all"))
		return c->regions ? cart_json_copy(c->regions) : NULL;
	if (!n->global && cart_json_type(list) == CART_JSON_ARRAY &&
	    !cart_ref_any(list))
		return cart_json_copy(list);
	out = cart_json_new_array();
	cart_json_append(out, cart_json_new_string(n->global ? "global" :
						   c->region));
	return out;
}

void cart_check_each_who(struct check *c, const struct mstep *s,
			 void (*fn)(void *arg, size_t who), void *arg)
{
	struct cart_json *list;
	const struct cart_json *a;
	struct check_who *w;

	if (!s->accounts) {
		fn(arg, 0);
		return;
	}
	list = cart_manifest_accounts(c->m, s);
	for (a = cart_json_first(list); a; a = cart_json_next(a)) {
		w = add_who(c, cart_json_string(a), s->role);
		if (w)
			fn(arg, (size_t)(w - c->who));
	}
	cart_json_free(list);
}

/* ---- endpoints ---------------------------------------------------------- */

struct place {
	struct cart_aws_place at;
	char service[64];		/* of the first call that goes there */
	char address[64];
	struct cart_err err;
	bool reached;
};

struct places {
	struct check *c;
	struct place *v;
	size_t n, left_out;
};

static void add_place(struct places *p, const char *call, const char *region)
{
	struct place *e;
	struct cart_aws_place at;
	struct cart_err err;
	size_t i;

	cart_err_clear(&err);
	if (cart_aws_place(p->c->o->aws, call, *region ? region : NULL, &at,
			   &err) < 0) {
		cart_check_row(p->c, "endpoint", "missing", call, err.text);
		return;
	}
	for (i = 0; i < p->n; i++) {
		if (!strcmp(p->v[i].at.url, at.url))
			return;
	}
	if (p->n == PLACES_MAX) {
		p->left_out++;
		return;
	}
	e = &p->v[p->n++];
	e->at = at;
	snprintf(e->service, sizeof(e->service), "%.*s",
		 (int)strcspn(call, ":"), call);
}

static void place_need(void *arg, const struct cart_need *n)
{
	struct places *p = arg;
	struct cart_json *regions = cart_check_regions(p->c, n);
	const struct cart_json *r;

	for (r = cart_json_first(regions); r; r = cart_json_next(r))
		add_place(p, n->call, cart_json_string(r));
	cart_json_free(regions);
}

static void knock(void *arg, size_t i)
{
	struct places *p = arg;
	struct place *e = &p->v[i];

	e->reached = cart_aws_knock(p->c->o->aws, e->at.url, e->address,
				    &e->err) == 0;
}

static void check_endpoints(struct check *c)
{
	struct places p = { .c = c, .v = calloc(PLACES_MAX, sizeof(*p.v)) };
	const struct place *e;
	struct cart_json *row;
	char detail[700];
	size_t i;

	if (!p.v) {
		c->bad = true;
		return;
	}
	if (cart_manifest_has_aws_steps(c->m))
		add_place(&p, "sts:GetCallerIdentity", "");
	if (cart_manifest_needs(c->m, c->region[0] ? c->region : NULL,
				place_need, &p) < 0)
		c->bad = true;
	cart_check_parallel(p.n, knock, &p);
	for (i = 0; i < p.n; i++) {
		e = &p.v[i];
		snprintf(detail, sizeof(detail), "%s in %s, from %s, %s%.500s",
			 e->service, e->at.region, e->at.origin,
			 e->reached ? "answered by " : "not reached: ",
			 e->reached ? e->address : e->err.text);
		row = cart_check_row(c, "endpoint", e->reached ? "good" :
				     "missing", e->at.url, detail);
		cart_check_add(c, row, "service",
			       cart_json_new_string(e->service));
		cart_check_add(c, row, "region",
			       cart_json_new_string(e->at.region));
		cart_check_add(c, row, "origin",
			       cart_json_new_string(e->at.origin));
		cart_check_add(c, row, "address",
			       cart_json_new_string(e->address));
	}
	if (p.left_out) {
		snprintf(detail, sizeof(detail), "%zu further endpoints were "
			 "not tried", p.left_out);
		cart_check_row(c, "endpoint", "warning", "many", detail);
	}
	free(p.v);
}

/* ---- the whole ---------------------------------------------------------- */

int cart_check(const struct cart_check_options *o, struct cart_json *ret,
	       struct cart_err *err)
{
	struct check *c = calloc(1, sizeof(*c));
	size_t i;
	int rc = -1;

	if (!c)
		return cart_err_nomem(err);
	c->o = o;
	c->m = o->manifest;
	c->list = ret;
	check_identity(c);
	check_clock(c);
	find_regions(c);
	check_endpoints(c);
	if (cart_check_permissions(c, err) < 0)
		goto out;
	if (c->bad) {
		cart_err_nomem(err);
		goto out;
	}
	rc = 0;
out:
	for (i = 1; i < c->n_who; i++) {
		cart_aws_free(c->who[i].aws);
		free((void *)(uintptr_t)c->who[i].account);
	}
	cart_json_free(c->regions);
	free(c);
	return rc;
}
