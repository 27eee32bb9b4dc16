/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* What IAM must allow (needs.c), written as a policy. */

#define STATEMENTS_MAX	512

struct statement {
	struct cart_json *resources;	/* list */
	struct cart_json *actions;	/* list, unique */
	struct cart_json *regions;	/* list of a condition, or NULL */
	const char *create_action;	/* condition of ec2:CreateTags, or NULL */
	bool changes;
};

struct policy {
	struct statement list[STATEMENTS_MAX];
	size_t n;
	bool bad;
};

static bool same_regions(const struct cart_json *a, const struct cart_json *b)
{
	return !a || !b ? a == b : cart_json_equal(a, b);
}

static bool fits(const struct statement *st, const struct cart_need *n)
{
	return cart_json_equal(st->resources, n->resources) &&
	       same_regions(st->regions, n->regions) &&
	       st->changes == n->changes &&
	       !st->create_action == !n->create_action;
}

static struct statement *statement_for(struct policy *p,
				       const struct cart_need *n)
{
	struct statement *st;
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (fits(&p->list[i], n))
			return &p->list[i];
	}
	if (p->n == STATEMENTS_MAX)
		return NULL;
	st = &p->list[p->n++];
	st->resources = cart_json_copy(n->resources);
	st->actions = cart_json_new_array();
	st->regions = n->regions ? cart_json_copy(n->regions) : NULL;
	st->create_action = n->create_action;
	st->changes = n->changes;
	return st;
}

static void on_need(void *arg, const struct cart_need *n)
{
	struct policy *p = arg;
	struct statement *st = statement_for(p, n);
	const struct cart_json *a;

	if (!st) {
		p->bad = true;
		return;
	}
	for (a = cart_json_first(st->actions); a; a = cart_json_next(a)) {
		if (!strcmp(cart_json_string(a), n->action))
			return;
	}
	if (!cart_json_append(st->actions, cart_json_new_string(n->action)))
		p->bad = true;
}

/* ---- the document ------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct cart_json *sorted(const struct cart_json *list)
{
	size_t n = cart_json_size(list), i = 0;
	const char **v = calloc(n ? n : 1, sizeof(*v));
	struct cart_json *out = cart_json_new_array();
	const struct cart_json *c;

	for (c = cart_json_first(list); v && c; c = cart_json_next(c))
		v[i++] = cart_json_string(c);
	if (v && n)
		qsort(v, n, sizeof(*v), by_text);
	for (i = 0; v && i < n; i++)
		cart_json_append(out, cart_json_new_string(v[i]));
	free(v);
	if (cart_json_size(out) != n) {
		cart_json_free(out);
		out = NULL;
	}
	return out;
}

static struct cart_json *condition(const struct statement *st)
{
	struct cart_json *o = cart_json_new_object();
	struct cart_json *equals = cart_json_add(o, "StringEquals",
						 cart_json_new_object());

	if (st->create_action)
		cart_json_add(equals, "ec2:CreateAction",
			      cart_json_new_string(st->create_action));
	if (st->regions)
		cart_json_add(equals, "aws:RequestedRegion",
			      cart_json_copy(st->regions));
	return o;
}

static struct cart_json *print_statement(struct policy *p, size_t index)
{
	const struct statement *st = &p->list[index];
	struct cart_json *o = cart_json_new_object();
	char sid[32];

	snprintf(sid, sizeof(sid), "%s%zu", st->changes ? "Change" : "Read",
		 index + 1);
	if (!cart_json_add(o, "Sid", cart_json_new_string(sid)) ||
	    !cart_json_add(o, "Effect", cart_json_new_string("Allow")) ||
	    !cart_json_add(o, "Action", sorted(st->actions)) ||
	    !cart_json_add(o, "Resource", cart_json_copy(st->resources)))
		p->bad = true;
	if ((st->create_action || st->regions) &&
	    !cart_json_add(o, "Condition", condition(st)))
		p->bad = true;
	return o;
}

struct cart_json *cart_manifest_policy(const struct cart_manifest *m,
				       const char *region,
				       struct cart_err *err)
{
	struct policy *p = calloc(1, sizeof(*p));
	struct cart_json *doc = cart_json_new_object(), *list;
	size_t i;

	if (!p || !doc)
		goto nomem;
	if (cart_manifest_needs(m, region, on_need, p) < 0)
		p->bad = true;
	cart_json_add(doc, "Version", cart_json_new_string("2012-10-17"));
	list = cart_json_add(doc, "Statement", cart_json_new_array());
	for (i = 0; i < p->n; i++) {
		if (!cart_json_append(list, print_statement(p, i)))
			p->bad = true;
	}
	for (i = 0; i < p->n; i++) {
		cart_json_free(p->list[i].actions);
		cart_json_free(p->list[i].resources);
		cart_json_free(p->list[i].regions);
	}
	if (p->bad)
		goto nomem;
	free(p);
	return doc;
nomem:
	free(p);
	cart_json_free(doc);
	cart_err_nomem(err);
	return NULL;
}
