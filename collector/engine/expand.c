/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>

#include "private.h"

/* ---- kept values and references ----------------------------------------- */

int cart_run_kept_each(const struct run *r, size_t step, const char *name,
		       int (*fn)(void *arg, const struct instance *from,
				 const struct cart_json *value), void *arg)
{
	const struct rstep *rs = &r->steps[step];
	const struct cart_json *v;
	size_t i;
	int rc;

	for (i = 0; i < rs->n; i++) {
		v = cart_json_get(rs->instances[i].kept, name);
		for (v = cart_json_first(v); v; v = cart_json_next(v)) {
			rc = fn(arg, &rs->instances[i], v);
			if (rc)
				return rc;
		}
	}
	return 0;
}

struct one_value {
	const struct instance *near;	/* only values from its place, or NULL */
	const struct cart_json *value;
	bool several;
};

static int one_value(void *arg, const struct instance *from,
		     const struct cart_json *value)
{
	struct one_value *o = arg;

	if (o->near && (strcmp(o->near->account, from->account) ||
			strcmp(o->near->region, from->region)))
		return 0;
	if (!o->value) {
		o->value = value;
		return 0;
	}
	o->several = !cart_json_equal(o->value, value);
	return o->several;
}

/* The one distinct value; of several, the one from the same account and
 * region: a detector of each region, and an instance for each of them. */
static enum resolve kept_value(struct instance_scope *s,
			       const struct cart_ref *ref,
			       const struct cart_json **ret)
{
	const struct run *r = s->in->run;
	size_t step = (size_t)cart_manifest_step(r->m, ref->step);
	struct one_value one = { NULL, NULL, false };

	cart_run_kept_each(r, step, ref->name, one_value, &one);
	if (one.several) {
		one = (struct one_value){ s->in, NULL, false };
		cart_run_kept_each(r, step, ref->name, one_value, &one);
		one.several |= !one.value;
	}
	*ret = one.value;
	return one.several ? RESOLVE_AMBIGUOUS :
	       one.value ? RESOLVE_OK : RESOLVE_NO_VALUE;
}

static enum resolve run_value(struct instance_scope *s, const char *name,
			      const struct cart_json **ret)
{
	const struct run *r = s->in->run;
	const char *text = NULL;
	char start[CART_CLOCK_TEXT_SIZE];

	if (!strcmp(name, "case")) {
		text = r->o->case_id;
	} else if (!strcmp(name, "uuid")) {
		text = r->o->uuid;
	} else if (!strcmp(name, "start")) {
		cart_clock_text(r->start_utc_ns, 0, start);
		text = start;
	} else if (!strcmp(name, "account")) {
		text = s->in->account[0] == '-' ? NULL : s->in->account;
	} else if (!strcmp(name, "region")) {
		text = s->in->region;
	}
	if (!text)
		return RESOLVE_NO_VALUE;
	cart_json_free(s->scratch);
	s->scratch = cart_json_new_string(text);
	*ret = s->scratch;
	return s->scratch ? RESOLVE_OK : RESOLVE_NO_VALUE;
}

enum resolve cart_run_ref(void *arg, const struct cart_ref *ref,
			  const struct cart_json **ret)
{
	struct instance_scope *s = arg;
	const struct run *r = s->in->run;

	switch (ref->kind) {
	case REF_STEP:
		return kept_value(s, ref, ret);
	case REF_PARAM:
		*ret = cart_json_get(r->m->values, ref->name);
		return *ret ? RESOLVE_OK : RESOLVE_NO_VALUE;
	case REF_ITEM:
		*ret = cart_ref_item(s->in->item, ref->name);
		if (*ret && cart_json_type(*ret) == CART_JSON_NULL)
			*ret = NULL;
		return *ret ? RESOLVE_OK : RESOLVE_NO_VALUE;
	case REF_RUN:
		break;
	}
	return run_value(s, ref->name, ret);
}

/* ---- lists of places ---------------------------------------------------- */

/* Texts of a list, borrowed from the manifest or from kept values. */
struct texts {
	const char *v[1024];
	size_t n;
	struct cart_err *err;
	const char *what;
};

static int add_text(struct texts *t, const struct cart_json *value)
{
	const char *s = cart_json_string(value);
	size_t i;

	if (!s || !*s || strlen(s) >= 32)
		return cart_err_set(t->err, CART_ERR_INPUT, 0,
				    "%s holds something that is not a name",
				    t->what);
	for (i = 0; i < t->n; i++) {
		if (!strcmp(t->v[i], s))
			return 0;
	}
	if (t->n == sizeof(t->v) / sizeof(t->v[0]))
		return cart_err_set(t->err, CART_ERR_LIMIT, 0,
				    "%s holds more than 1024 names", t->what);
	t->v[t->n++] = s;
	return 0;
}

static int add_kept_text(void *arg, const struct instance *from,
			 const struct cart_json *value)
{
	(void)from;
	return add_text(arg, value);
}

/* v: a text, a reference, or a list of them. */
static int add_texts(const struct run *r, struct texts *t,
		     const struct cart_json *v)
{
	const char *s = cart_json_string(v);
	const struct cart_json *c, *value;
	struct cart_ref ref;

	if (!s) {
		for (c = cart_json_first(v); c; c = cart_json_next(c)) {
			if (add_texts(r, t, c) < 0)
				return -1;
		}
		return 0;
	}
	if (cart_ref_whole(s, &ref, NULL) != 1)
		return add_text(t, v);
	if (ref.kind == REF_STEP)
		return cart_run_kept_each(r, (size_t)cart_manifest_step(r->m,
			ref.step), ref.name, add_kept_text, t) ? -1 : 0;
	value = ref.kind == REF_PARAM ?
		cart_json_get(r->m->values, ref.name) : NULL;
	if (!value)
		return 0;
	if (cart_json_string(value))
		return add_text(t, value);
	for (c = cart_json_first(value); c; c = cart_json_next(c)) {
		if (add_text(t, c) < 0)
			return -1;
	}
	return 0;
}

/* ---- instances ---------------------------------------------------------- */

/* Twice the instances and more, a power of two. */
#define TABLE_SIZE	32768

struct candidate {
	const char *account, *region;
	const struct cart_json *item;	/* borrowed */
	size_t order;
	size_t hash;
};

struct expansion {
	struct run *r;
	const struct mstep *s;
	struct texts *accounts, *regions;	/* empty: inherited */
	struct candidate *list;
	size_t n, room;
	uint16_t *table;		/* by hash: index + 1, or 0 */
	struct cart_err *err;
};

static size_t hash_bytes(size_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (; len; p++, len--)
		h = (h ^ *p) * (size_t)UINT64_C(0x100000001b3);
	return h;
}

static size_t hash_of(const struct candidate *c)
{
	size_t h = (size_t)UINT64_C(0xcbf29ce484222325);
	struct cart_buf b;

	h = hash_bytes(h, c->account, strlen(c->account) + 1);
	h = hash_bytes(h, c->region, strlen(c->region) + 1);
	cart_buf_init(&b, (size_t)1 << 20);
	/* Scalars alone: objects may have their keys in any order. */
	if (c->item && !cart_json_first(c->item)) {
		cart_json_print(c->item, 0, &b);
		h = hash_bytes(h, b.data, b.len);
	}
	cart_buf_clear(&b);
	return h ^ (h >> 31);
}

static bool same(const struct candidate *a, const struct candidate *b)
{
	if (a->hash != b->hash || strcmp(a->account, b->account) ||
	    strcmp(a->region, b->region))
		return false;
	return !a->item || cart_json_equal(a->item, b->item);
}

static int grow(struct expansion *e)
{
	size_t room = e->room ? 2 * e->room : 64;
	struct candidate *list = realloc(e->list, room * sizeof(*list));

	if (!list)
		return cart_err_nomem(e->err);
	e->list = list;
	e->room = room;
	return 0;
}

static int add(struct expansion *e, const char *account, const char *region,
	       const struct cart_json *item)
{
	struct candidate c = { account, region, item, e->n, 0 };
	size_t at;

	if (e->n == e->room && grow(e) < 0)
		return -1;
	c.hash = hash_of(&c);
	at = c.hash & (TABLE_SIZE - 1);
	while (e->table[at]) {
		if (same(&e->list[e->table[at] - 1], &c))
			return 0;
		at = (at + 1) & (TABLE_SIZE - 1);
	}
	if (e->n == INSTANCES_MAX)
		return cart_err_set(e->err, CART_ERR_LIMIT, 0,
				    "more than %d instances (accounts x regions "
				    "x items)", INSTANCES_MAX);
	e->list[e->n++] = c;
	e->table[at] = (uint16_t)e->n;
	return 0;
}

/* All places for one item; from: the instance that gave it, or NULL. */
static int add_item(struct expansion *e, const struct instance *from,
		    const struct cart_json *item)
{
	const char *account, *region, *session;
	size_t a, g;

	session = e->r->calls->region && e->r->o->aws ?
		e->r->calls->region(e->r->o->aws) : NULL;
	for (a = 0; a < (e->accounts->n ? e->accounts->n : 1); a++) {
		if (e->s->type->where == CART_STEP_HOST)
			account = "-";
		else if (e->accounts->n)
			account = e->accounts->v[a];
		else if (from && from->account[0] != '-')
			account = from->account;
		else
			account = e->r->account;
		for (g = 0; g < (e->regions->n ? e->regions->n : 1); g++) {
			if (e->s->global)
				region = "global";
			else if (e->regions->n)
				region = e->regions->v[g];
			else if (from && strcmp(from->region, "global"))
				region = from->region;
			else
				region = session;
			if (!region)
				return cart_err_set(e->err, CART_ERR_INPUT, 0,
					"no region is known; give --region or "
					"set \"regions\"");
			if (add(e, account, region, item) < 0)
				return -1;
		}
	}
	return 0;
}

static int on_kept_item(void *arg, const struct instance *from,
			const struct cart_json *value)
{
	return add_item(arg, from, value);
}

static int add_list(struct expansion *e, const struct cart_json *list)
{
	const struct cart_json *c;

	if (cart_json_type(list) != CART_JSON_ARRAY)
		return add_item(e, NULL, list);
	for (c = cart_json_first(list); c; c = cart_json_next(c)) {
		if (add_item(e, NULL, c) < 0)
			return -1;
	}
	return 0;
}

/* Items of for_each; *ret_made is a list made here, to be freed later. */
static int add_items(struct expansion *e, struct cart_json **ret_made)
{
	const struct cart_json *v = e->s->for_each;
	struct instance nobody = { .run = e->r, .account = "-",
				   .region = "global" };
	struct instance_scope scope = { .in = &nobody };
	struct cart_ref ref;
	enum resolve result;
	int rc;

	if (!v)
		return add_item(e, NULL, NULL);
	if (cart_json_string(v)) {
		cart_ref_whole(cart_json_string(v), &ref, NULL);
		if (ref.kind == REF_STEP)
			return cart_run_kept_each(e->r, (size_t)
				cart_manifest_step(e->r->m, ref.step), ref.name,
				on_kept_item, e);
		v = ref.kind == REF_PARAM ?
			cart_json_get(e->r->m->values, ref.name) : NULL;
		return v ? add_list(e, v) : 0;
	}
	rc = cart_ref_resolve(v, cart_run_ref, &scope, ret_made, &result, &ref,
			      e->err);
	cart_json_free(scope.scratch);
	if (rc < 0)
		return -1;
	if (result != RESOLVE_OK) {
		char text[192];

		cart_ref_text(&ref, text, sizeof(text));
		return cart_err_set(e->err, CART_ERR_INPUT, 0, "%s has %s "
				    "in \"for_each\"", text,
				    result == RESOLVE_NO_VALUE ? "no value" :
				    "several values");
	}
	return add_list(e, *ret_made);
}

static int by_place(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int c = strcmp(x->account, y->account);

	if (!c)
		c = strcmp(x->region, y->region);
	if (!c)
		c = x->order < y->order ? -1 : x->order > y->order;
	return c;
}

static int make_instances(struct expansion *e, struct rstep *rs)
{
	const struct candidate *c;
	struct instance *in;
	size_t i;

	rs->instances = calloc(e->n ? e->n : 1, sizeof(*rs->instances));
	if (!rs->instances)
		return cart_err_nomem(e->err);
	if (e->n)
		qsort(e->list, e->n, sizeof(*e->list), by_place);
	for (i = 0; i < e->n; i++) {
		c = &e->list[i];
		in = &rs->instances[rs->n];
		in->run = e->r;
		in->step = (size_t)(e->s - e->r->m->steps);
		snprintf(in->account, sizeof(in->account), "%s", c->account);
		snprintf(in->region, sizeof(in->region), "%s", c->region);
		in->n = 1;
		if (i && !strcmp(c->account, c[-1].account) &&
		    !strcmp(c->region, c[-1].region))
			in->n = in[-1].n + 1;
		in->aws = e->r->o->aws;
		snprintf(in->id, sizeof(in->id), "%s@%s/%s#%zu", e->s->id,
			 in->account, in->region, in->n);
		if (c->item) {
			in->item = cart_json_copy(c->item);
			if (!in->item)
				return cart_err_nomem(e->err);
		}
		rs->n++;
	}
	return 0;
}

/* What an earlier session finished is not done again. */
static void restore(const struct run *r, const struct mstep *s,
		    struct instance *in)
{
	const struct history_instance *h =
		cart_history_instance(r->o->history, in->id);

	in->attempt = h ? h->attempt + 1 : 1;
	if (!h || !h->ended || h->outcome == OUT_CANCELLED)
		return;
	/* Its values were too many or too secret for the log. */
	if (h->no_keep && cart_manifest_kept(s, 0) && h->outcome != OUT_SKIPPED)
		return;
	in->kept = cart_json_copy(h->kept);
	if (h->kept && !in->kept)
		return;			/* no memory for them: run it again */
	in->attempt = h->attempt;
	in->outcome = h->outcome;
	in->partial_input = h->partial_input;
	in->no_gap = !strcmp(h->reason, "when");
	snprintf(in->reason, sizeof(in->reason), "%s", h->reason);
	in->restored = true;
}

static void count_restored(struct rstep *rs, const struct mstep *s,
			   const struct instance *in)
{
	const char *name;
	size_t k;

	for (k = 0; (name = cart_manifest_kept(s, k)) && k < 2 * KEEPS_MAX; k++)
		atomic_fetch_add(&rs->kept_values[k],
				 cart_json_size(cart_json_get(in->kept, name)));
}

int cart_run_expand(struct run *r, size_t step, struct cart_err *err)
{
	const struct mstep *s = &r->m->steps[step];
	struct rstep *rs = &r->steps[step];
	struct texts *accounts = calloc(1, sizeof(*accounts));
	struct texts *regions = calloc(1, sizeof(*regions));
	struct expansion e = { .r = r, .s = s, .accounts = accounts,
			       .regions = regions, .err = err };
	struct cart_json *made = NULL;
	const char *word = cart_json_string(s->regions);
	size_t i;
	int rc = -1;

	e.table = calloc(TABLE_SIZE, sizeof(*e.table));
	if (!accounts || !regions || !e.table) {
		cart_err_nomem(err);
		goto out;
	}
	accounts->err = regions->err = err;
	accounts->what = "\"accounts\"";
	regions->what = "\"regions\"";
	if (s->accounts && add_texts(r, accounts, s->accounts) < 0)
		goto out;
	if (word && !strcmp(word, "all")) {
		if (r->region_names && add_texts(r, regions, r->region_names) < 0)
			goto out;
	} else if (s->regions && add_texts(r, regions, s->regions) < 0) {
		goto out;
	}
	if ((s->accounts && !accounts->n) ||
	    (s->regions && !regions->n && r->region_names)) {
		rc = 0;			/* nowhere to run */
		goto out;
	}
	if (add_items(&e, &made) != 0 || make_instances(&e, rs) < 0)
		goto out;
	for (i = 0; i < rs->n; i++) {
		restore(r, s, &rs->instances[i]);
		if (rs->instances[i].restored)
			count_restored(rs, s, &rs->instances[i]);
	}
	rc = 0;
out:
	cart_json_free(made);
	free(e.list);
	free(e.table);
	free(accounts);
	free(regions);
	return rc;
}
