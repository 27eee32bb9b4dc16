/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* The static plan: what the manifest says, and what follows from it. */

struct planning {
	struct cart_json *calls;
	const struct cart_manifest *m;
	const struct mstep *s;
	bool bad;
};

static void add(struct planning *p, struct cart_json *o, const char *key,
		struct cart_json *v)
{
	if (!cart_json_add(o, key, v))
		p->bad = true;
}

static void on_call(void *arg, const char *call, bool changes,
		    const char *note)
{
	struct planning *p = arg;
	struct cart_json *o = cart_json_new_object();

	/* For aws.call the review of its operation decides. */
	if (p->s->call)
		changes = !p->s->op.read_only;
	add(p, o, "call", cart_json_new_string(call));
	if (p->s->call && p->s->op.secret)
		add(p, o, "secret", cart_json_new_bool(true));
	if (p->s->type->where == CART_STEP_AWS && strchr(call, ':') &&
	    strncmp(call, "GET ", 4) != 0)
		add(p, o, "per_second", cart_json_new_double(
		    cart_aws_rate_of(p->m->rates, p->m->n_rates, call) /
		    1000.0));
	if (changes)
		add(p, o, "changes", cart_json_new_bool(true));
	if (note && *note)
		add(p, o, "note", cart_json_new_string(note));
	if (!cart_json_append(p->calls, o))
		p->bad = true;
}

static struct cart_json *step_names(struct planning *p,
				    const struct cart_manifest *m,
				    const struct step_set *set)
{
	struct cart_json *list = cart_json_new_array();
	size_t i;

	for (i = 0; i < m->n_steps; i++) {
		if (step_set_has(set, i) &&
		    !cart_json_append(list, cart_json_new_string(m->steps[i].id)))
			p->bad = true;
	}
	return list;
}

static void add_copy(struct planning *p, struct cart_json *o,
		     const struct cart_json *step, const char *key)
{
	const struct cart_json *v = cart_json_get(step, key);

	if (v)
		add(p, o, key, cart_json_copy(v));
}

static struct cart_json *plan_step(struct planning *p,
				   const struct cart_manifest *m,
				   const struct mstep *s,
				   const struct cart_json *doc)
{
	static const char *const as_they_are[] = {
		"accounts", "for_each", "when", "wait", "on_error", "timeout",
		"despite_gaps", "if_allowed", "secrets"
	};
	struct cart_json *o = cart_json_new_object(), *with = NULL;
	enum resolve result;
	size_t i;

	p->s = s;
	p->calls = cart_json_new_array();
	add(p, o, "id", cart_json_new_string(s->id));
	add(p, o, "do", cart_json_new_string(s->type->name));
	if (s->title)
		add(p, o, "title", cart_json_new_string(s->title));
	add(p, o, "where", cart_json_new_string(
	    s->type->where == CART_STEP_HOST ? "host" : "aws"));
	if (s->type->where == CART_STEP_HOST)
		add(p, o, "volatility", cart_json_new_int(s->type->volatility));
	if (s->changes)
		add(p, o, "changes", cart_json_new_string(s->changes_word));
	if (s->with && cart_ref_resolve(s->with, cart_ref_params, (void *)m, &with,
					&result, NULL, NULL) == 0 && with)
		add(p, o, "with", cart_json_copy(with));
	if (s->type->plan)
		s->type->plan(with ? with : s->with, on_call, p);
	cart_json_free(with);
	add(p, o, "calls", p->calls);
	if (s->type->where == CART_STEP_AWS)
		add(p, o, "regions", s->global ? cart_json_new_string("global") :
		    s->regions ? cart_json_copy(s->regions) :
		    cart_json_new_string(s->for_each ? "of the item" :
					 "configured"));
	for (i = 0; i < sizeof(as_they_are) / sizeof(as_they_are[0]); i++)
		add_copy(p, o, doc, as_they_are[i]);
	if (s->accounts)
		add(p, o, "role", cart_json_new_string(s->role));
	add(p, o, "needs", step_names(p, m, &s->needs));
	add(p, o, "waits_for", step_names(p, m, &s->waits));
	return o;
}

static struct cart_json *class_list(struct planning *p, unsigned bits)
{
	static const char *const words[] = {
		"evidence", "containment", "irreversible"
	};
	struct cart_json *list = cart_json_new_array();
	size_t i;

	for (i = 0; i < 3; i++) {
		if ((bits & (1u << i)) &&
		    !cart_json_append(list, cart_json_new_string(words[i])))
			p->bad = true;
	}
	return list;
}

struct cart_json *cart_manifest_plan(const struct cart_manifest *m,
				     struct cart_err *err)
{
	struct cart_json *o = cart_json_new_object(), *steps;
	const struct cart_json *doc;
	struct planning p = { .m = m };
	size_t i = 0;

	add(&p, o, "crashcart_plan", cart_json_new_int(1));
	add(&p, o, "manifest", cart_json_new_string(m->name));
	if (m->title)
		add(&p, o, "title", cart_json_new_string(m->title));
	if (m->scope)
		add(&p, o, "scope", cart_json_new_string(m->scope));
	add(&p, o, "params", cart_json_copy(m->values));
	add(&p, o, "changes", class_list(&p, cart_manifest_changes(m)));
	if (m->exclude)
		add(&p, o, "exclude", cart_json_copy(m->exclude));
	steps = cart_json_new_array();
	doc = cart_json_first(cart_json_get(m->doc, "steps"));
	for (; doc; doc = cart_json_next(doc), i++) {
		if (!cart_json_append(steps, plan_step(&p, m, &m->steps[i], doc)))
			p.bad = true;
	}
	add(&p, o, "steps", steps);
	if (p.bad) {
		cart_json_free(o);
		cart_err_nomem(err);
		return NULL;
	}
	return o;
}
