/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "private.h"

/*
 * What waits for what.  `needs` is what the manifest says: references and
 * `after`.  `waits` adds our order: containment after all evidence, steps
 * that change something one after the other in manifest order, host steps one
 * after the other by volatility.  An edge of ours is left out when it would
 * close a cycle with those that are there: then the other order is forced.
 */

/* Can `from` be reached from `start` along waits (start waits for it)? */
static bool reaches(const struct cart_manifest *m, size_t start, size_t goal)
{
	struct step_set seen = { { 0 } };
	size_t stack[STEPS_MAX], n = 0, i, at;

	stack[n++] = start;
	step_set_add(&seen, start);
	while (n) {
		at = stack[--n];
		if (at == goal)
			return true;
		for (i = 0; i < m->n_steps; i++) {
			if (step_set_has(&m->steps[at].waits, i) &&
			    !step_set_has(&seen, i)) {
				step_set_add(&seen, i);
				stack[n++] = i;
			}
		}
	}
	return false;
}

/* later waits for earlier, unless earlier already waits for later. */
static void order_after(struct cart_manifest *m, size_t later, size_t earlier)
{
	if (later != earlier && !reaches(m, earlier, later))
		step_set_add(&m->steps[later].waits, earlier);
}

static int check_step_ref(struct mpath *p, struct cart_manifest *m,
			  struct mstep *s, const struct cart_ref *ref)
{
	const char *names[STEPS_MAX + 1];
	const char *near, *kept;
	size_t i;
	int at = cart_manifest_step(m, ref->step);

	if (at < 0) {
		for (i = 0; i < m->n_steps; i++)
			names[i] = m->steps[i].id;
		names[i] = NULL;
		near = cart_nearest(ref->step, names);
		return cart_mpath_bad(p, "${%s.%s}: there is no step \"%s\"%s%s%s",
			ref->step, ref->name, ref->step,
			near ? "; did you mean \"" : "", near ? near : "",
			near ? "\"?" : "");
	}
	if (&m->steps[at] == s)
		return cart_mpath_bad(p, "${%s.%s}: a step cannot refer to "
				      "itself", ref->step, ref->name);
	if (cart_manifest_kept_index(&m->steps[at], ref->name) < 0) {
		for (i = 0; i < STEPS_MAX &&
			    (kept = cart_manifest_kept(&m->steps[at], i)); i++)
			names[i] = kept;
		names[i] = NULL;
		near = cart_nearest(ref->name, names);
		return cart_mpath_bad(p, "${%s.%s}: step \"%s\" does not keep "
			"\"%s\"; %s%s%s", ref->step, ref->name, ref->step,
			ref->name, near ? "did you mean \"" :
			"add it to its \"keep\"", near ? near : "",
			near ? "\"?" : "");
	}
	step_set_add(&s->inputs, (size_t)at);
	return 0;
}

static int check_ref(struct mpath *p, struct cart_manifest *m, struct mstep *s,
		     const struct cart_ref *ref, bool item_ok)
{
	static const char *const run_names[] = {
		"case", "uuid", "start", "account", "region", NULL
	};
	const char *names[PARAMS_MAX + 1];
	const char *near;
	size_t i;

	switch (ref->kind) {
	case REF_STEP:
		return check_step_ref(p, m, s, ref);
	case REF_ITEM:
		if (!s->for_each)
			return cart_mpath_bad(p, "${item} is there only in a "
					      "step with \"for_each\"");
		if (!item_ok)
			return cart_mpath_bad(p, "${item} is not known yet "
					      "here");
		return 0;
	case REF_PARAM:
		for (i = 0; i < m->n_params; i++) {
			if (!strcmp(m->params[i].name, ref->name))
				return 0;
			names[i] = m->params[i].name;
		}
		names[i] = NULL;
		near = cart_nearest(ref->name, names);
		return cart_mpath_bad(p, "${params.%s}: there is no parameter "
			"\"%s\"; %s%s%s", ref->name, ref->name,
			near ? "did you mean \"" : "add it to \"params\"",
			near ? near : "", near ? "\"?" : "");
	case REF_RUN:
		for (i = 0; run_names[i]; i++) {
			if (!strcmp(run_names[i], ref->name))
				return 0;
		}
		return cart_mpath_bad(p, "${run.%s}: known are run.case, "
			"run.uuid, run.start, run.account and run.region",
			ref->name);
	}
	return 0;
}

/* All references in a value. */
static int check_refs(struct mpath *p, struct cart_manifest *m,
		      struct mstep *s, const struct cart_json *v, bool item_ok)
{
	const struct cart_json *c;
	const char *text = cart_json_string(v);
	struct cart_piece piece = { .kind = PIECE_TEXT };
	struct cart_err err;
	size_t i = 0;

	while (text && piece.kind != PIECE_END) {
		cart_err_clear(&err);
		if (cart_ref_piece(&text, &piece, &err) < 0)
			return cart_mpath_bad(p, "%s", err.text);
		if (piece.kind == PIECE_REF &&
		    check_ref(p, m, s, &piece.ref, item_ok) < 0)
			return -1;
	}
	for (c = cart_json_first(v); c; c = cart_json_next(c), i++) {
		if (cart_json_key(c))
			cart_mpath_push(p, cart_json_key(c));
		else
			cart_mpath_push_index(p, i);
		if (check_refs(p, m, s, c, item_ok) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	return 0;
}

static int check_after(struct mpath *p, struct cart_manifest *m,
		       struct mstep *s, const struct cart_json *v)
{
	const char *names[STEPS_MAX + 1];
	const char *id = cart_json_string(v), *near;
	const struct cart_json *c;
	size_t i = 0;
	int at;

	if (id) {
		at = cart_manifest_step(m, id);
		if (at >= 0 && &m->steps[at] != s) {
			step_set_add(&s->needs, (size_t)at);
			return 0;
		}
		if (at >= 0)
			return cart_mpath_bad(p, "a step cannot wait for itself");
		for (i = 0; i < m->n_steps; i++)
			names[i] = m->steps[i].id;
		names[i] = NULL;
		near = cart_nearest(id, names);
		return cart_mpath_bad(p, "there is no step \"%s\"%s%s%s", id,
				      near ? "; did you mean \"" : "",
				      near ? near : "", near ? "\"?" : "");
	}
	for (c = cart_json_first(v); c; c = cart_json_next(c), i++) {
		cart_mpath_push_index(p, i);
		if (check_after(p, m, s, c) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	return 0;
}

static int collect_needs(struct mpath *p, struct cart_manifest *m,
			 struct mstep *s, const struct cart_json *doc)
{
	static const char *const before[] = {
		"regions", "accounts", "role", "for_each"
	};
	static const char *const within[] = { "with", "when" };
	const struct cart_json *v;
	size_t i;

	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		v = cart_json_get(doc, before[i]);
		cart_mpath_push(p, before[i]);
		if (v && check_refs(p, m, s, v, false) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	for (i = 0; i < sizeof(within) / sizeof(within[0]); i++) {
		v = cart_json_get(doc, within[i]);
		cart_mpath_push(p, within[i]);
		if (v && check_refs(p, m, s, v, true) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	v = cart_json_get(doc, "after");
	cart_mpath_push(p, "after");
	if (v && check_after(p, m, s, v) < 0)
		return -1;
	cart_mpath_pop(p);
	for (i = 0; i < STEPS_MAX / 64; i++) {
		s->needs.w[i] |= s->inputs.w[i];
		s->waits.w[i] = s->needs.w[i];
	}
	return 0;
}

/* A cycle as "a -> b -> a". */
static int check_cycles(struct mpath *p, struct cart_manifest *m)
{
	struct step_set on_path = { { 0 } };
	char text[256] = "";
	size_t i, k, at, n = 0;

	for (i = 0; i < m->n_steps; i++) {
		for (k = 0; k < m->n_steps; k++) {
			if (step_set_has(&m->steps[i].needs, k) &&
			    reaches(m, k, i))
				break;
		}
		if (k < m->n_steps)
			break;
	}
	if (i == m->n_steps)
		return 0;
	/* i is on a cycle: always go on to a step that comes back to it. */
	at = i;
	do {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s -> ",
				      m->steps[at].id);
		step_set_add(&on_path, at);
		for (k = 0; k < m->n_steps; k++) {
			if (step_set_has(&m->steps[at].needs, k) &&
			    (k == i || !step_set_has(&on_path, k)) &&
			    reaches(m, k, i))
				break;
		}
		at = k;
	} while (at != i && at < m->n_steps && n < sizeof(text) - 2 * ID_SIZE);
	cart_mpath_push(p, "steps");
	cart_mpath_push_index(p, i);
	return cart_mpath_bad(p, "steps wait for each other in a circle: %s%s; "
			      "one of these references or \"after\" must go",
			      text, at == i ? m->steps[i].id : "...");
}

static bool is_containment(const struct mstep *s)
{
	return s->changes & (CART_CHANGE_CONTAINMENT | CART_CHANGE_IRREVERSIBLE);
}

static void order_changes(struct cart_manifest *m)
{
	size_t i, k;

	for (i = 0; i < m->n_steps; i++) {
		for (k = 0; k < m->n_steps; k++) {
			if (is_containment(&m->steps[i]) &&
			    !is_containment(&m->steps[k]))
				order_after(m, i, k);
		}
	}
	for (i = 0; i < m->n_steps; i++) {
		for (k = 0; k < i; k++) {
			if (m->steps[i].changes && m->steps[k].changes)
				order_after(m, i, k);
		}
	}
}

/* RFC 3227: the most volatile first; what a volatile step needs comes with
 * it. */
static void order_host(struct cart_manifest *m)
{
	unsigned rank[STEPS_MAX];
	size_t i, k, n = 0, order[STEPS_MAX];

	for (i = 0; i < m->n_steps; i++) {
		if (m->steps[i].type->where == CART_STEP_HOST)
			order[n++] = i;
		rank[i] = m->steps[i].type->volatility;
	}
	/* by rank, then by place in the manifest */
	for (i = 1; i < n; i++) {
		size_t s = order[i];

		for (k = i; k > 0 && rank[order[k - 1]] > rank[s]; k--)
			order[k] = order[k - 1];
		order[k] = s;
	}
	for (i = 0; i < n; i++) {
		for (k = i + 1; k < n; k++)
			order_after(m, order[k], order[i]);
	}
}

int cart_graph_build(struct mpath *p, struct cart_manifest *m)
{
	const struct cart_json *v = cart_json_get(m->doc, "steps");
	size_t i = 0;

	cart_mpath_push(p, "steps");
	for (v = cart_json_first(v); v; v = cart_json_next(v), i++) {
		cart_mpath_push_index(p, i);
		if (collect_needs(p, m, &m->steps[i], v) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	cart_mpath_pop(p);
	if (check_cycles(p, m) < 0)
		return -1;
	order_changes(m);
	order_host(m);
	return 0;
}
