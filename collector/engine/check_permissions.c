/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_model.h>

#include "check.h"

/*
 * May we?  EC2 answers a dry run of the very call; for all else IAM simulates
 * the policies of whoever we are.  Neither is asked in vain: what a dry run
 * settled is not simulated.
 */

#define PERMS_MAX	16384
#define ACTIONS_MAX	64		/* of one question */

enum how { HOW_NONE, HOW_DRY_RUN, HOW_SIMULATED };

struct perm {
	size_t who;
	char region[64];		/* or "global" */
	char call[160], action[192], create_action[64];
	struct cart_json *resources, *input, *steps;
	const char *result;		/* NULL: not settled */
	enum how how;
	char detail[600];
	bool needs_no_input;
};

struct group {
	size_t perm[ACTIONS_MAX];	/* all with the first one's place */
	size_t n;
};

struct perms {
	struct check *c;
	struct perm *v;
	size_t n;
	struct group *group;
	size_t n_groups;
	const struct cart_need *need;	/* while it is entered */
};

/* ---- what is to be asked ------------------------------------------------- */

static bool is_same(const struct perm *p, size_t who, const char *region,
		    const struct cart_need *n)
{
	return p->who == who && !strcmp(p->region, region) &&
	       !strcmp(p->action, n->action) && !strcmp(p->call, n->call) &&
	       cart_json_equal(p->resources, n->resources);
}

static void add_step(struct perm *p, const char *id)
{
	const struct cart_json *s;

	for (s = cart_json_first(p->steps); s; s = cart_json_next(s)) {
		if (!strcmp(cart_json_string(s), id))
			return;
	}
	cart_json_append(p->steps, cart_json_new_string(id));
}

static void enter(struct perms *ps, size_t who, const char *region)
{
	const struct cart_need *n = ps->need;
	struct cart_model *m = cart_model_builtin(NULL);
	const struct cart_op *op = m ? cart_model_op(m, n->call, NULL) : NULL;
	struct perm *p;
	size_t i;

	for (i = 0; i < ps->n; i++) {
		if (is_same(&ps->v[i], who, region, n)) {
			add_step(&ps->v[i], n->step->id);
			return;
		}
	}
	if (ps->n == PERMS_MAX)
		return;
	p = &ps->v[ps->n++];
	p->who = who;
	snprintf(p->region, sizeof(p->region), "%s", region);
	snprintf(p->call, sizeof(p->call), "%s", n->call);
	snprintf(p->action, sizeof(p->action), "%s", n->action);
	snprintf(p->create_action, sizeof(p->create_action), "%s",
		 n->create_action ? n->create_action : "");
	p->resources = cart_json_copy(n->resources);
	p->input = n->input ? cart_json_copy(n->input) : NULL;
	p->steps = cart_json_new_array();
	p->needs_no_input = op && cart_op_needs_no_input(op);
	add_step(p, n->step->id);
	if (!p->resources || !p->steps)
		ps->c->bad = true;
}

static bool asks_service(const struct perms *ps, size_t who,
			 const char *region)
{
	const char *call = ps->need->call;
	size_t len = strcspn(call, ":") + 1, i;

	for (i = 0; i < ps->n; i++) {
		if (ps->v[i].who == who && !strcmp(ps->v[i].region, region) &&
		    !strncmp(ps->v[i].call, call, len))
			return true;
	}
	return false;
}

/* Where a step goes to all regions, each call is asked about in this one, and
 * in the others one call of each service: what closes a region, closes it for
 * all calls. */
static const char *main_region(const struct perms *ps,
			       const struct cart_json *regions)
{
	const char *all = cart_json_string(ps->need->step->regions);
	const struct cart_json *r = cart_json_first(regions);

	if (ps->need->global || !all || strcmp(all, "all"))
		return NULL;
	for (; r; r = cart_json_next(r)) {
		if (!strcmp(cart_json_string(r), ps->c->region))
			return ps->c->region;
	}
	return cart_json_string(cart_json_first(regions));
}

static void enter_who(void *arg, size_t who)
{
	struct perms *ps = arg;
	struct cart_json *regions = cart_check_regions(ps->c, ps->need);
	const char *whole = main_region(ps, regions), *region;
	const struct cart_json *r;

	/* an account that is not reached is one row, not hundreds */
	if (ps->c->who[who].known && !regions)
		enter(ps, who, ps->c->region);
	for (r = cart_json_first(regions); ps->c->who[who].known && r;
	     r = cart_json_next(r)) {
		region = cart_json_string(r);
		if (!whole || !strcmp(region, whole) ||
		    !asks_service(ps, who, region))
			enter(ps, who, region);
	}
	cart_json_free(regions);
}

static void enter_need(void *arg, const struct cart_need *n)
{
	struct perms *ps = arg;

	ps->need = n;
	/* whether a role can be assumed was tried: identity says so */
	if (!strcmp(n->call, "sts:AssumeRole"))
		return;
	if (!strcmp(n->call, "ec2:DescribeRegions"))
		enter_who(ps, 0);
	else
		cart_check_each_who(ps->c, n->step, enter_who, ps);
}

/* ---- dry runs ----------------------------------------------------------- */

static void dry_run(void *arg, size_t i)
{
	struct perms *ps = arg;
	struct perm *p = &ps->v[i];
	struct cart_err err;

	if (strcmp(p->action, p->call) || (!p->input && !p->needs_no_input) ||
	    !cart_aws_has_dry_run(p->call))
		return;
	cart_err_clear(&err);
	switch (cart_aws_would(ps->c->who[p->who].aws, p->call,
			       strcmp(p->region, "global") ? p->region : NULL,
			       p->input, &err)) {
	case CART_WOULD_YES:
		p->result = "good";
		p->how = HOW_DRY_RUN;
		snprintf(p->detail, sizeof(p->detail), "a dry run is allowed");
		break;
	case CART_WOULD_NO:
		p->result = "missing";
		p->how = HOW_DRY_RUN;
		snprintf(p->detail, sizeof(p->detail), "dry run: %.550s",
			 err.text);
		break;
	case CART_WOULD_UNKNOWN:
		snprintf(p->detail, sizeof(p->detail), "dry run: %.300s; ",
			 err.text);
		break;
	}
}

/* Tags are part of the call that makes what they are put on. */
static void settle_tags(struct perms *ps)
{
	size_t i, k;

	for (i = 0; i < ps->n; i++) {
		struct perm *p = &ps->v[i];

		for (k = 0; p->create_action[0] && k < ps->n; k++) {
			const struct perm *q = &ps->v[k];

			if (q->create_action[0] || q->how != HOW_DRY_RUN ||
			    q->who != p->who || strcmp(q->call, p->call) ||
			    strcmp(q->region, p->region) ||
			    strcmp(q->result, "good") || !q->input ||
			    !cart_json_get(q->input, "TagSpecifications"))
				continue;
			p->result = "good";
			p->how = HOW_DRY_RUN;
			snprintf(p->detail, sizeof(p->detail), "a dry run of "
				 "%.100s with tags is allowed", p->call);
		}
	}
}

/* ---- simulation --------------------------------------------------------- */

static bool together(const struct perm *a, const struct perm *b)
{
	return a->who == b->who && !strcmp(a->region, b->region) &&
	       !strcmp(a->create_action, b->create_action) &&
	       cart_json_equal(a->resources, b->resources);
}

static void make_groups(struct perms *ps)
{
	struct group *g;
	size_t i, k;

	for (i = 0; i < ps->n; i++) {
		if (ps->v[i].result)
			continue;
		for (k = 0; k < ps->n_groups; k++) {
			g = &ps->group[k];
			if (g->n < ACTIONS_MAX &&
			    together(&ps->v[g->perm[0]], &ps->v[i]))
				break;
		}
		g = &ps->group[k];
		if (k == ps->n_groups)
			ps->n_groups++;
		g->perm[g->n++] = i;
	}
}

/* "arn:aws:iam::*:user/x" with our region and account in its fields.  Rows
 * that stand for paths or versions are alternatives: NULL. */
static struct cart_json *filled(const struct check_who *w, const char *arn,
				const char *before, const char *region)
{
	const char *field = arn, *end;
	struct cart_json *out;
	struct cart_buf b;
	unsigned i;
	size_t n = strlen(arn);

	if (strstr(arn, "/*/") || (n > 2 && !strcmp(arn + n - 2, ":*")) ||
	    (before && n > 2 && !strcmp(arn + n - 2, "/*") &&
	     strlen(before) == n - 2 && !strncmp(arn, before, n - 2)))
		return NULL;
	cart_buf_init(&b, 2048);
	for (i = 0; i < 5 && (end = strchr(field, ':')); i++, field = end + 1) {
		if (end == field + 1 && *field == '*' && i >= 3)
			cart_buf_adds(&b, i == 3 ? region : w->number);
		else
			cart_buf_add(&b, field, (size_t)(end - field));
		cart_buf_addc(&b, ':');
	}
	cart_buf_adds(&b, field);
	out = cart_buf_ok(&b) ? cart_json_new_string((const char *)b.data) : NULL;
	cart_buf_clear(&b);
	return out;
}

static void add_context(struct cart_json *list, const char *key,
			const char *value)
{
	struct cart_json *o = cart_json_append(list, cart_json_new_object());

	cart_json_add(o, "ContextKeyName", cart_json_new_string(key));
	cart_json_append(cart_json_add(o, "ContextKeyValues",
				       cart_json_new_array()),
			 cart_json_new_string(value));
	cart_json_add(o, "ContextKeyType", cart_json_new_string("string"));
}

static struct cart_json *question(const struct perms *ps,
				  const struct group *g)
{
	const struct perm *p = &ps->v[g->perm[0]];
	const struct check_who *w = &ps->c->who[p->who];
	const char *region = strcmp(p->region, "global") && p->region[0] ?
		p->region : "us-east-1";
	struct cart_json *o = cart_json_new_object(), *list;
	const struct cart_json *r;
	const char *before = NULL;
	size_t i;

	cart_json_add(o, "PolicySourceArn", cart_json_new_string(w->principal));
	list = cart_json_add(o, "ActionNames", cart_json_new_array());
	for (i = 0; i < g->n; i++)
		cart_json_append(list, cart_json_new_string(
				 ps->v[g->perm[i]].action));
	list = cart_json_new_array();
	for (r = cart_json_first(p->resources); r; r = cart_json_next(r)) {
		if (strcmp(cart_json_string(r), "*"))
			cart_json_append(list, filled(w, cart_json_string(r),
						      before, region));
		before = cart_json_string(r);
	}
	if (cart_json_size(list))
		cart_json_add(o, "ResourceArns", list);
	else
		cart_json_free(list);
	list = cart_json_add(o, "ContextEntries", cart_json_new_array());
	add_context(list, "aws:RequestedRegion", region);
	if (p->create_action[0])
		add_context(list, "ec2:CreateAction", p->create_action);
	return o;
}

static bool is_allowed(const struct cart_json *result)
{
	const struct cart_json *r = cart_json_first(
		cart_json_get(result, "ResourceSpecificResults"));
	const char *s = cart_json_get_string(result, "EvalDecision");
	bool good = s && !strcmp(s, "allowed");

	for (; r; r = cart_json_next(r)) {
		s = cart_json_get_string(r, "EvalResourceDecision");
		good = good && s && !strcmp(s, "allowed");
	}
	return good;
}

static void note_result(struct perms *ps, const struct group *g,
			const struct cart_json *result)
{
	const char *action = cart_json_get_string(result, "EvalActionName");
	const char *decision = cart_json_get_string(result, "EvalDecision");
	const char *on = cart_json_get_string(result, "EvalResourceName");
	size_t i, len;

	for (i = 0; action && i < g->n; i++) {
		struct perm *p = &ps->v[g->perm[i]];

		if (strcmp(p->action, action) ||
		    (p->result && !strcmp(p->result, "missing")))
			continue;
		len = p->result ? 0 : strlen(p->detail);
		p->how = HOW_SIMULATED;
		p->result = is_allowed(result) ? "good" : "missing";
		snprintf(p->detail + len, sizeof(p->detail) - len,
			 "simulated: %.40s%s%.200s", decision ? decision :
			 "no decision", on && strcmp(on, "*") ? " on " : "",
			 on && strcmp(on, "*") ? on : "");
	}
}

/* A role may have a path, which its sessions do not show. */
static int find_role(struct check_who *w)
{
	struct cart_aws_call call = { .service = "iam", .operation = "GetRole" };
	struct cart_json *input = cart_json_new_object();
	struct cart_aws_reply r;
	struct cart_err err;
	const char *arn = NULL, *name = strrchr(w->principal, '/');
	int rc = -1;

	cart_json_add(input, "RoleName", cart_json_new_string(name ? name + 1 :
							      ""));
	call.input = input;
	if (cart_aws_call(w->aws, &call, &r, &err) == 0)
		arn = cart_json_get_string(cart_json_get(r.view, "Role"), "Arn");
	if (arn && strcmp(arn, w->principal) != 0) {
		snprintf(w->principal, sizeof(w->principal), "%s", arn);
		rc = 0;
	}
	cart_aws_reply_clear(&r);
	cart_json_free(input);
	return rc;
}

static int ask(struct perms *ps, const struct group *g, struct cart_err *err)
{
	struct check_who *w = &ps->c->who[ps->v[g->perm[0]].who];
	struct cart_aws_call call = {
		.service = "iam", .operation = "SimulatePrincipalPolicy"
	};
	struct cart_json *input = question(ps, g), *next;
	const struct cart_json *e;
	struct cart_aws_reply r;
	int more = 1;

	while (more > 0) {
		next = NULL;
		cart_err_clear(err);
		call.input = input;
		more = cart_aws_call(w->aws, &call, &r, err);
		if (more == 0) {
			e = cart_json_first(cart_json_get(r.view,
						"EvaluationResults"));
			for (; e; e = cart_json_next(e))
				note_result(ps, g, e);
			more = cart_aws_next_page(&call, r.view, &next, err);
		}
		cart_aws_reply_clear(&r);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return more;
}

/* The first question of an account shows whether it may be asked at all; only
 * then do threads ask the others. */
static void first_questions(struct perms *ps)
{
	struct check_who *w;
	struct cart_err err;
	size_t i;
	int rc;

	for (i = 0; i < ps->n_groups; i++) {
		struct group *g = &ps->group[i];

		w = &ps->c->who[ps->v[g->perm[0]].who];
		if (w->root || w->cannot[0] || w->asked)
			continue;
		w->asked = true;
		rc = ask(ps, g, &err);
		if (rc < 0 && strstr(err.text, "NoSuchEntity") &&
		    strstr(w->principal, ":role/") && find_role(w) == 0)
			rc = ask(ps, g, &err);
		if (rc < 0)
			snprintf(w->cannot, sizeof(w->cannot),
				 "not checkable: %.380s", err.text);
	}
}

static void simulate(void *arg, size_t i)
{
	struct perms *ps = arg;
	const struct group *g = &ps->group[i];
	const struct check_who *w = &ps->c->who[ps->v[g->perm[0]].who];

	struct cart_err err;
	size_t k, len;

	if (w->root || w->cannot[0] || ps->v[g->perm[0]].result ||
	    ask(ps, g, &err) == 0)
		return;
	for (k = 0; k < g->n; k++) {
		struct perm *p = &ps->v[g->perm[k]];

		len = strlen(p->detail);
		if (!p->result)
			snprintf(p->detail + len, sizeof(p->detail) - len,
				 "%.250s: ", err.text);
	}
}

/* ---- rows --------------------------------------------------------------- */

static void settle(struct perms *ps, struct perm *p)
{
	const struct check_who *w = &ps->c->who[p->who];
	size_t len = strlen(p->detail);

	if (p->result)
		return;
	p->result = w->root ? "good" : "unknown";
	snprintf(p->detail + len, sizeof(p->detail) - len, "%s", w->root ?
		 "the root user may do everything that no organization policy "
		 "denies" : w->cannot[0] ? w->cannot : "not checkable: IAM "
		 "gave no decision");
}

static void tell(struct perms *ps, struct perm *p)
{
	static const char *const hows[] = { "none", "dry-run", "simulation" };
	struct check *c = ps->c;
	struct cart_json *row;
	char what[320];

	snprintf(what, sizeof(what), "%s in %s", p->action, p->region);
	row = cart_check_row(c, "permission", p->result, what, p->detail);
	cart_check_add(c, row, "action", cart_json_new_string(p->action));
	cart_check_add(c, row, "call", cart_json_new_string(p->call));
	cart_check_add(c, row, "region", cart_json_new_string(p->region));
	cart_check_add(c, row, "account",
		       cart_json_new_string(c->who[p->who].number));
	cart_check_add(c, row, "how", cart_json_new_string(hows[p->how]));
	cart_check_add(c, row, "steps", cart_json_copy(p->steps));
}

int cart_check_permissions(struct check *c, struct cart_err *err)
{
	struct perms ps = { .c = c };
	size_t i;
	int rc = -1;

	ps.v = calloc(PERMS_MAX, sizeof(*ps.v));
	ps.group = calloc(PERMS_MAX, sizeof(*ps.group));
	if (!ps.v || !ps.group) {
		cart_err_nomem(err);
		goto out;
	}
	if (cart_manifest_needs(c->m, c->region[0] ? c->region : NULL,
				enter_need, &ps) < 0)
		c->bad = true;
	cart_check_parallel(ps.n, dry_run, &ps);
	settle_tags(&ps);
	make_groups(&ps);
	first_questions(&ps);
	cart_check_parallel(ps.n_groups, simulate, &ps);
	for (i = 0; i < ps.n; i++) {
		settle(&ps, &ps.v[i]);
		tell(&ps, &ps.v[i]);
	}
	rc = 0;
out:
	for (i = 0; i < ps.n; i++) {
		cart_json_free(ps.v[i].resources);
		cart_json_free(ps.v[i].input);
		cart_json_free(ps.v[i].steps);
	}
	free(ps.v);
	free(ps.group);
	return rc;
}
