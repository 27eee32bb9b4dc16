/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_model.h>
#include <crashcart/aws_protocol.h>
#include <crashcart/text.h>

#include "private.h"

#define BYTES_MAX	((size_t)1 << 20)

/* ---- what can be replaced ----------------------------------------------- */

static int builtin_op(const char *call, struct cart_op_facts *ret,
		      struct cart_err *err)
{
	struct cart_model *model = cart_model_builtin(err);
	const struct cart_op *op;

	if (!model)
		return -1;
	op = cart_model_op(model, call, err);
	if (!op)
		return -1;
	ret->read_only = cart_op_is_read_only(op);
	ret->secret = cart_model_class(op) == CART_OP_SECRET;
	ret->class = cart_op_class_name(cart_model_class(op));
	ret->global = cart_svc_info(cart_op_svc(op))->global;
	ret->signing = cart_svc_info(cart_op_svc(op))->signing_name;
	return 0;
}

static int builtin_input(const char *call, const struct cart_json *input,
			 struct cart_err *err)
{
	struct cart_model *model = cart_model_builtin(err);
	const struct cart_op *op = model ? cart_model_op(model, call, err) : NULL;

	return op ? cart_encode_check_holes(op, input, err) : -1;
}

const struct cart_oracle cart_oracle_builtin = {
	cart_step_types, builtin_op, builtin_input
};

const struct cart_step_type *cart_oracle_type(const struct cart_oracle *o,
					      const char *name)
{
	size_t i;

	for (i = 0; o->types[i]; i++) {
		if (!strcmp(o->types[i]->name, name))
			return o->types[i];
	}
	return NULL;
}

unsigned cart_change_class(const char *word)
{
	if (!strcmp(word, "evidence"))
		return CART_CHANGE_EVIDENCE;
	if (!strcmp(word, "containment"))
		return CART_CHANGE_CONTAINMENT;
	if (!strcmp(word, "irreversible"))
		return CART_CHANGE_IRREVERSIBLE;
	return 0;
}

int cart_manifest_step(const struct cart_manifest *m, const char *id)
{
	size_t i;

	for (i = 0; i < m->n_steps; i++) {
		if (!strcmp(m->steps[i].id, id))
			return (int)i;
	}
	return -1;
}

const char *cart_manifest_kept(const struct mstep *s, size_t index)
{
	size_t i;

	if (index < s->n_keep)
		return s->keep[index].name;
	index -= s->n_keep;
	for (i = 0; s->type->keeps && s->type->keeps[i]; i++) {
		if (i == index)
			return s->type->keeps[i];
	}
	return NULL;
}

int cart_manifest_kept_index(const struct mstep *s, const char *name)
{
	const char *known;
	size_t i;

	for (i = 0; (known = cart_manifest_kept(s, i)); i++) {
		if (!strcmp(known, name))
			return (int)i;
	}
	return -1;
}

/* ---- one step ----------------------------------------------------------- */

static bool is_step_id(const char *s)
{
	size_t i;

	if (s[0] < 'a' || s[0] > 'z')
		return false;
	for (i = 1; s[i]; i++) {
		if (!((s[i] >= 'a' && s[i] <= 'z') ||
		      (s[i] >= '0' && s[i] <= '9') || s[i] == '_'))
			return false;
	}
	return i < ID_SIZE;
}

static int unknown_key(struct mpath *p, const char *const *known)
{
	const char *key = p->step[p->depth - 1];
	const char *near = cart_nearest(key, known);
	char list[256] = "";
	size_t n = 0;

	if (near)
		return cart_mpath_bad(p, "unknown key; did you mean \"%s\"?",
				      near);
	for (; *known && n < sizeof(list) - 40; known++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				      n ? ", " : "", *known);
	return cart_mpath_bad(p, "unknown key; known are %s", list);
}

static int want_text(struct mpath *p, const struct cart_json *v,
		     const char **ret)
{
	*ret = cart_json_string(v);
	if (!*ret)
		return cart_mpath_bad(p, "should be a text");
	return 0;
}

static int want_bool(struct mpath *p, const struct cart_json *v, bool *ret)
{
	if (cart_json_type(v) != CART_JSON_BOOL)
		return cart_mpath_bad(p, "should be true or false");
	*ret = cart_json_bool(v);
	return 0;
}

static int want_duration(struct mpath *p, const struct cart_json *v,
			 uint64_t *ret_ms)
{
	const char *s = cart_json_string(v);
	int64_t n;

	if (s && cart_text_duration(s, strlen(s), ret_ms) == 0 && *ret_ms &&
	    *ret_ms <= UINT64_C(30) * 86400 * 1000)
		return 0;
	if (!s && cart_json_i64(v, &n) == 0 && n > 0 && n <= 30 * 86400) {
		*ret_ms = (uint64_t)n * 1000;
		return 0;
	}
	return cart_mpath_bad(p, "should be a duration such as \"30s\", "
			      "\"15m\", \"2h\", at most 30 days");
}

static int want_filter(struct mpath *p, const struct cart_json *v,
		       struct cart_filter **ret)
{
	const char *s = cart_json_string(v);
	struct cart_err err;

	if (!s)
		return cart_mpath_bad(p, "should be a filter such as "
				      "\".Name\", as a text");
	cart_err_clear(&err);
	*ret = cart_filter_parse(s, strlen(s), &err);
	if (*ret)
		return 0;
	if (err.class == CART_ERR_MEMORY)
		return cart_err_nomem(p->err);
	return cart_mpath_bad(p, "%s", err.text);
}

static int parse_id(struct mpath *p, struct cart_manifest *m, struct mstep *s,
		    const struct cart_json *v)
{
	const char *id;

	if (want_text(p, v, &id) < 0)
		return -1;
	if (!is_step_id(id))
		return cart_mpath_bad(p, "\"%s\" is not a step id: a lower-case "
			"letter and then up to 31 of a-z, 0-9 and _", id);
	if (!strcmp(id, "params") || !strcmp(id, "item") || !strcmp(id, "run"))
		return cart_mpath_bad(p, "\"%s\" is reserved; choose another id",
				      id);
	if (cart_manifest_step(m, id) >= 0)
		return cart_mpath_bad(p, "an earlier step is called \"%s\" too",
				      id);
	snprintf(s->id, sizeof(s->id), "%s", id);
	return 0;
}

static int parse_type(struct mpath *p, struct cart_manifest *m,
		      struct mstep *s, const struct cart_json *v)
{
	const char *names[128];
	const char *word, *near;
	size_t n = 0;

	if (want_text(p, v, &word) < 0)
		return -1;
	s->type = cart_oracle_type(m->oracle, word);
	if (s->type)
		return 0;
	for (; n < 127 && m->oracle->types[n]; n++)
		names[n] = m->oracle->types[n]->name;
	names[n] = NULL;
	near = cart_nearest(word, names);
	return cart_mpath_bad(p, "there is no step type \"%s\"; %s%s%s", word,
			      near ? "did you mean \"" : "`crashcart show "
			      "steps` lists them", near ? near : "",
			      near ? "\"?" : "");
}

static int parse_keep(struct mpath *p, struct mstep *s,
		      const struct cart_json *v)
{
	const struct cart_json *c;

	if (cart_json_type(v) != CART_JSON_OBJECT)
		return cart_mpath_bad(p, "should be an object: a name and a "
				      "filter each");
	for (c = cart_json_first(v); c; c = cart_json_next(c)) {
		const char *name = cart_json_key(c);

		cart_mpath_push(p, name);
		if (!is_step_id(name))
			return cart_mpath_bad(p, "a kept name is a lower-case "
				"letter and then up to 31 of a-z, 0-9 and _");
		if (cart_manifest_kept_index(s, name) >= 0)
			return cart_mpath_bad(p, "%s keeps this name by itself; "
					      "choose another", s->type->name);
		if (s->n_keep == KEEPS_MAX)
			return cart_mpath_bad(p, "more than %d kept names",
					      KEEPS_MAX);
		if (want_filter(p, c, &s->keep[s->n_keep].filter) < 0)
			return -1;
		snprintf(s->keep[s->n_keep].name, ID_SIZE, "%s", name);
		s->n_keep++;
		cart_mpath_pop(p);
	}
	return 0;
}

static int parse_wait(struct mpath *p, struct mstep *s,
		      const struct cart_json *v)
{
	static const char *const known[] = { "until", "every", "timeout", NULL };
	const struct cart_json *c;
	int rc = 0;

	if (cart_json_type(v) != CART_JSON_OBJECT)
		return cart_mpath_bad(p, "should be { \"until\": FILTER, "
			"\"every\": DURATION, \"timeout\": DURATION }");
	for (c = cart_json_first(v); c && rc == 0; c = cart_json_next(c)) {
		cart_mpath_push(p, cart_json_key(c));
		if (!strcmp(cart_json_key(c), "until"))
			rc = want_filter(p, c, &s->wait.until);
		else if (!strcmp(cart_json_key(c), "every"))
			rc = want_duration(p, c, &s->wait.every_ms);
		else if (!strcmp(cart_json_key(c), "timeout"))
			rc = want_duration(p, c, &s->wait.timeout_ms);
		else
			rc = unknown_key(p, known);
		cart_mpath_pop(p);
	}
	if (rc < 0)
		return -1;
	if (!s->wait.until || !s->wait.every_ms || !s->wait.timeout_ms)
		return cart_mpath_bad(p, "needs \"until\", \"every\" and "
				      "\"timeout\"");
	if (s->wait.every_ms < 1000)
		s->wait.every_ms = 1000;
	return 0;
}

/* A list of texts, or one text. */
static int want_texts(struct mpath *p, const struct cart_json *v,
		      const char *what)
{
	const struct cart_json *c;
	size_t i = 0;

	if (cart_json_string(v))
		return 0;
	if (cart_json_type(v) != CART_JSON_ARRAY || !cart_json_size(v))
		return cart_mpath_bad(p, "should be %s", what);
	for (c = cart_json_first(v); c; c = cart_json_next(c), i++) {
		if (!cart_json_string(c)) {
			cart_mpath_push_index(p, i);
			return cart_mpath_bad(p, "should be a text");
		}
	}
	return 0;
}

static int parse_changes(struct mpath *p, struct mstep *s,
			 const struct cart_json *v)
{
	if (want_text(p, v, &s->changes_word) < 0)
		return -1;
	s->changes = cart_change_class(s->changes_word);
	if (!s->changes)
		return cart_mpath_bad(p, "should be \"evidence\", "
				      "\"containment\" or \"irreversible\"");
	return 0;
}

static int parse_accounts(struct mpath *p, struct mstep *s,
			  const struct cart_json *v)
{
	const struct cart_json *c;
	const char *text = cart_json_string(v);
	struct cart_ref ref;
	size_t i = 0;

	if (text && cart_ref_whole(text, &ref, NULL) == 1) {
		s->accounts = v;
		return 0;
	}
	if (want_texts(p, v, "a list of account ids") < 0)
		return -1;
	for (c = text ? v : cart_json_first(v); c; c = text ? NULL :
	     cart_json_next(c), i++) {
		const char *id = cart_json_string(c);

		if (cart_ref_any(c))
			continue;
		if (strlen(id) != 12 || strspn(id, "0123456789") != 12) {
			if (!text)
				cart_mpath_push_index(p, i);
			return cart_mpath_bad(p, "\"%s\" is not an account id "
					      "of 12 digits", id);
		}
	}
	s->accounts = v;
	return 0;
}

static const char *const step_keys[] = {
	"id", "do", "title", "with", "keep", "regions", "accounts", "role",
	"for_each", "when", "after", "wait", "on_error", "timeout", "changes",
	"despite_gaps", "if_allowed", "secrets", NULL
};

static int parse_on_error(struct mpath *p, struct mstep *s,
			  const struct cart_json *v)
{
	const char *word;

	if (want_text(p, v, &word) < 0)
		return -1;
	if (strcmp(word, "stop") && strcmp(word, "continue"))
		return cart_mpath_bad(p, "should be \"continue\" or \"stop\"");
	s->stop = !strcmp(word, "stop");
	return 0;
}

static int parse_secrets(struct mpath *p, struct mstep *s,
			 const struct cart_json *v)
{
	const char *word;

	if (want_text(p, v, &word) < 0)
		return -1;
	if (strcmp(word, "allow"))
		return cart_mpath_bad(p, "should be \"allow\"");
	s->secrets = true;
	return 0;
}

static int parse_member(struct mpath *p, struct cart_manifest *m,
			struct mstep *s, const struct cart_json *v)
{
	const char *key = cart_json_key(v);

	if (!strcmp(key, "id") || !strcmp(key, "do"))
		return 0;		/* were first */
	if (!strcmp(key, "title"))
		return want_text(p, v, &s->title);
	if (!strcmp(key, "with")) {
		if (cart_json_type(v) != CART_JSON_OBJECT)
			return cart_mpath_bad(p, "should be an object: the "
					      "parameters of %s", s->type->name);
		s->with = v;
		return 0;		/* judged when all is known */
	}
	if (!strcmp(key, "keep"))
		return parse_keep(p, s, v);
	if (!strcmp(key, "regions")) {
		s->regions = v;
		return want_texts(p, v, "\"all\" or a list of regions");
	}
	if (!strcmp(key, "accounts"))
		return parse_accounts(p, s, v);
	if (!strcmp(key, "role"))
		return want_text(p, v, &s->role);
	if (!strcmp(key, "for_each")) {
		struct cart_ref ref;

		s->for_each = v;
		if (cart_json_type(v) == CART_JSON_ARRAY ||
		    (cart_json_string(v) &&
		     cart_ref_whole(cart_json_string(v), &ref, NULL) == 1))
			return 0;
		return cart_mpath_bad(p, "should be one reference such as "
				      "\"${keys.ids}\", or a list of values");
	}
	if (!strcmp(key, "when")) {
		struct cart_ref ref;

		if (want_text(p, v, &s->when) < 0)
			return -1;
		if (cart_ref_whole(s->when, &ref, NULL) == 1)
			return 0;
		return cart_mpath_bad(p, "should be one reference such as "
				      "\"${owner.user}\"");
	}
	if (!strcmp(key, "after"))
		return want_texts(p, v, "a list of step ids");
	if (!strcmp(key, "wait"))
		return parse_wait(p, s, v);
	if (!strcmp(key, "on_error"))
		return parse_on_error(p, s, v);
	if (!strcmp(key, "timeout"))
		return want_duration(p, v, &s->timeout_ms);
	if (!strcmp(key, "changes"))
		return parse_changes(p, s, v);
	if (!strcmp(key, "despite_gaps"))
		return want_bool(p, v, &s->despite_gaps);
	if (!strcmp(key, "secrets"))
		return parse_secrets(p, s, v);
	if (!strcmp(key, "if_allowed"))
		return want_bool(p, v, &s->if_allowed);
	return unknown_key(p, step_keys);
}

/* Changes need their key in the manifest, and reads must not have it. */
static int check_changes(struct mpath *p, struct mstep *s)
{
	const char *must = s->type->changes;

	if (s->call) {
		if (!s->op.read_only && !s->changes)
			return cart_mpath_bad(p, "%s is not on the reviewed "
				"read-only list (%s): say \"changes\": "
				"\"evidence\", \"containment\" or "
				"\"irreversible\"", s->call, s->op.class);
		if (s->op.read_only && s->changes) {
			cart_mpath_push(p, "changes");
			return cart_mpath_bad(p, "%s only reads; leave it out",
					      s->call);
		}
		if (s->changes && s->wait.until) {
			cart_mpath_push(p, "wait");
			return cart_mpath_bad(p, "only calls that read are "
					      "repeated");
		}
	} else if (must && !s->changes) {
		return cart_mpath_bad(p, "%s changes something: say "
				      "\"changes\": \"%s\"", s->type->name, must);
	} else if (must && strcmp(must, s->changes_word)) {
		cart_mpath_push(p, "changes");
		return cart_mpath_bad(p, "%s is of class \"%s\"", s->type->name,
				      must);
	} else if (!must && s->changes && !s->type->may_change) {
		cart_mpath_push(p, "changes");
		return cart_mpath_bad(p, "%s only reads; leave it out",
				      s->type->name);
	} else if (!must && s->changes &&
		   strcmp(s->type->may_change, s->changes_word)) {
		cart_mpath_push(p, "changes");
		return cart_mpath_bad(p, "%s is of class \"%s\"", s->type->name,
				      s->type->may_change);
	}
	if (s->if_allowed && !s->changes) {
		cart_mpath_push(p, "if_allowed");
		return cart_mpath_bad(p, "only steps that say \"changes\" need "
				      "to be allowed");
	}
	if (s->despite_gaps && !(s->changes & (CART_CHANGE_CONTAINMENT |
					       CART_CHANGE_IRREVERSIBLE))) {
		cart_mpath_push(p, "despite_gaps");
		return cart_mpath_bad(p, "only steps that say \"changes\": "
			"\"containment\" or \"irreversible\" wait for gaps");
	}
	return 0;
}

/* What may hold secrets is not read by accident. */
static int check_secrets(struct mpath *p, const struct mstep *s)
{
	if (s->call && s->op.secret && !s->secrets) {
		cart_mpath_push(p, "with");
		cart_mpath_push(p, "call");
		return cart_mpath_bad(p, "the reply of %s may hold secrets: say "
			"\"secrets\": \"allow\" in the step; they are kept as "
			"they are only in an encrypted bundle, and masked in "
			"any other", s->call);
	}
	if (s->secrets && !(s->call && s->op.secret)) {
		cart_mpath_push(p, "secrets");
		return cart_mpath_bad(p, "%s reveals none; leave it out",
				      s->call ? s->call : s->type->name);
	}
	return 0;
}

/* Regions and accounts, where the type has them. */
static int check_places(struct mpath *p, const struct cart_manifest *m,
			struct mstep *s)
{
	bool host = s->type->where == CART_STEP_HOST;

	s->global = host || (s->call ? s->op.global : !s->type->regional);
	if (s->regions && s->global) {
		cart_mpath_push(p, "regions");
		return cart_mpath_bad(p, host ? "%s reads this host and has no "
			"regions; leave it out" : "%s is the same in all "
			"regions; leave it out", s->call ? s->call :
			s->type->name);
	}
	if (s->accounts && host) {
		cart_mpath_push(p, "accounts");
		return cart_mpath_bad(p, "%s reads this host and has no "
				      "accounts; leave it out", s->type->name);
	}
	if (!s->role)
		s->role = m->role;
	if (s->accounts && !s->role) {
		cart_mpath_push(p, "accounts");
		return cart_mpath_bad(p, "other accounts are reached through a "
			"role: add \"role\": \"NAME\" to the manifest");
	}
	return 0;
}

/* The input's names and types, as far as they are known before the run. */
int cart_call_check(struct mpath *p, const struct cart_manifest *m,
		    const struct mstep *s, const struct cart_json *with)
{
	const struct cart_json *input = cart_json_get(with, "input");
	struct cart_json *holes = NULL;
	struct cart_err err;
	int rc;

	if (!s->call || !m->oracle->input || (input && cart_json_type(input) !=
				  CART_JSON_OBJECT))
		return 0;		/* one reference, or an error later */
	if (input) {
		holes = cart_ref_holes(input);
		if (!holes)
			return cart_err_nomem(p->err);
	}
	cart_err_clear(&err);
	rc = m->oracle->input(s->call, holes, &err);
	cart_json_free(holes);
	if (rc == 0)
		return 0;
	if (err.class == CART_ERR_MEMORY)
		return cart_err_nomem(p->err);
	if (input)
		cart_mpath_push(p, "input");
	return cart_mpath_bad(p, "%s", err.text);
}

static int check_call(struct mpath *p, const struct cart_manifest *m,
		      struct mstep *s)
{
	const char *call = cart_json_get_string(s->with, "call");
	struct cart_err err;

	if (strcmp(s->type->name, "aws.call"))
		return 0;
	cart_mpath_push(p, "with");
	if (!call)
		return cart_mpath_bad(p, "needs \"call\": \"service:Operation\"");
	cart_mpath_push(p, "call");
	if (cart_ref_any(cart_json_get(s->with, "call")))
		return cart_mpath_bad(p, "must stand in the manifest itself, so "
			"that it can be seen before the run what is called");
	cart_err_clear(&err);
	if (m->oracle->op(call, &s->op, &err) < 0) {
		if (err.class == CART_ERR_MEMORY)
			return cart_err_nomem(p->err);
		return cart_mpath_bad(p, "%s", err.text);
	}
	s->call = call;
	cart_mpath_pop(p);
	if (cart_call_check(p, m, s, s->with) < 0)
		return -1;
	cart_mpath_pop(p);
	return 0;
}

static int parse_step(struct mpath *p, struct cart_manifest *m,
		      struct mstep *s, const struct cart_json *v)
{
	static const char *const first[] = { "id", "do" };
	const struct cart_json *c;
	size_t i;

	if (cart_json_type(v) != CART_JSON_OBJECT)
		return cart_mpath_bad(p, "should be an object with \"id\" and "
				      "\"do\"");
	for (c = cart_json_first(v); c; c = cart_json_next(c)) {
		for (i = 0; step_keys[i]; i++) {
			if (!strcmp(step_keys[i], cart_json_key(c)))
				break;
		}
		cart_mpath_push(p, cart_json_key(c));
		if (!step_keys[i])
			return unknown_key(p, step_keys);
		cart_mpath_pop(p);
	}
	for (i = 0; i < 2; i++) {
		c = cart_json_get(v, first[i]);
		if (!c)
			return cart_mpath_bad(p, "needs \"%s\"", first[i]);
		cart_mpath_push(p, first[i]);
		if ((i ? parse_type(p, m, s, c) : parse_id(p, m, s, c)) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	for (c = cart_json_first(v); c; c = cart_json_next(c)) {
		cart_mpath_push(p, cart_json_key(c));
		if (parse_member(p, m, s, c) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	if (check_call(p, m, s) < 0)
		return -1;
	if (s->wait.until && !s->call) {
		cart_mpath_push(p, "wait");
		return cart_mpath_bad(p, "only aws.call waits by repeating");
	}
	if (check_changes(p, s) < 0 || check_secrets(p, s) < 0 ||
	    check_places(p, m, s) < 0)
		return -1;
	if (s->n_keep && s->type->where == CART_STEP_HOST) {
		cart_mpath_push(p, "keep");
		return cart_mpath_bad(p, "%s has no reply to keep something of",
				      s->type->name);
	}
	cart_mpath_push(p, "with");
	if (cart_with_check(p, s->type, s->with) < 0)
		return -1;
	cart_mpath_pop(p);
	return 0;
}

/* ---- the whole ---------------------------------------------------------- */

static const char *const top_keys[] = {
	"crashcart", "name", "title", "scope", "params", "exclude", "role",
	"rates", "steps", "$schema", NULL
};

/* "ec2:Describe*": 5 is five calls a second. */
static int parse_rate(struct mpath *p, struct cart_manifest *m,
		      const struct cart_json *v)
{
	struct cart_aws_rate *r = &m->rates[m->n_rates];
	const char *call = cart_json_key(v);
	double per_s = cart_json_number(v);
	struct cart_op_facts facts;
	struct cart_err err;

	if (m->n_rates == RATES_MAX)
		return cart_mpath_bad(p, "more than %d rates", RATES_MAX);
	if (cart_json_type(v) != CART_JSON_NUMBER || !(per_s >= 0.001) ||
	    per_s > 1000000)
		return cart_mpath_bad(p, "should be calls a second, 0.001 to "
				      "1000000");
	r->call = call;
	r->milli_per_s = (unsigned)(per_s * 1000 + 0.5);
	cart_err_clear(&err);
	if (cart_aws_rates_check(r, 1, &err) < 0)
		return cart_mpath_bad(p, "%s", err.text);
	if (!strchr(call, '*') && m->oracle->op(call, &facts, &err) < 0) {
		if (err.class == CART_ERR_MEMORY)
			return cart_err_nomem(p->err);
		return cart_mpath_bad(p, "%s", err.text);
	}
	m->n_rates++;
	return 0;
}

static int parse_rates(struct mpath *p, struct cart_manifest *m,
		       const struct cart_json *v)
{
	const struct cart_json *c;

	if (cart_json_type(v) != CART_JSON_OBJECT)
		return cart_mpath_bad(p, "should be an object: calls a second "
				      "for \"service:Operation\" or "
				      "\"service:Prefix*\"");
	for (c = cart_json_first(v); c; c = cart_json_next(c)) {
		cart_mpath_push(p, cart_json_key(c));
		if (parse_rate(p, m, c) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	return 0;
}

const struct cart_aws_rate *cart_manifest_rates(const struct cart_manifest *m,
						size_t *ret_n)
{
	*ret_n = m->n_rates;
	return m->rates;
}

static int parse_top(struct mpath *p, struct cart_manifest *m,
		     const struct cart_json *v)
{
	const char *key = cart_json_key(v), *unused;
	int64_t version;

	if (!strcmp(key, "crashcart")) {
		if (cart_json_i64(v, &version) < 0 || version != 1)
			return cart_mpath_bad(p, "should be 1, the version of "
				"the manifest format that this program knows");
		return 0;
	}
	if (!strcmp(key, "name")) {
		if (want_text(p, v, &m->name) < 0)
			return -1;
		if (!cart_text_is_name(m->name, strlen(m->name)))
			return cart_mpath_bad(p, "should be 1 to 64 of A-Z, a-z, "
					      "0-9, '.', '_' and '-'");
		return 0;
	}
	if (!strcmp(key, "title"))
		return want_text(p, v, &m->title);
	if (!strcmp(key, "scope"))
		return want_text(p, v, &m->scope);
	if (!strcmp(key, "role"))
		return want_text(p, v, &m->role);
	if (!strcmp(key, "params"))
		return cart_mparam_parse(p, m, v);
	if (!strcmp(key, "exclude")) {
		m->exclude = v;
		if (cart_json_type(v) != CART_JSON_ARRAY)
			return cart_mpath_bad(p, "should be a list of globs");
		return cart_json_size(v) ?
			want_texts(p, v, "a list of globs") : 0;
	}
	if (!strcmp(key, "rates"))
		return parse_rates(p, m, v);
	if (!strcmp(key, "$schema"))
		return want_text(p, v, &unused);
	if (!strcmp(key, "steps")) {
		if (cart_json_type(v) != CART_JSON_ARRAY || !cart_json_size(v))
			return cart_mpath_bad(p, "should be a list of steps");
		if (cart_json_size(v) > STEPS_MAX)
			return cart_mpath_bad(p, "more than %d steps", STEPS_MAX);
		return 0;
	}
	return unknown_key(p, top_keys);
}

static int parse_doc(struct mpath *p, struct cart_manifest *m)
{
	static const char *const must[] = { "crashcart", "name", "steps" };
	const struct cart_json *v;
	size_t i;

	if (cart_json_type(m->doc) != CART_JSON_OBJECT)
		return cart_mpath_bad(p, "a manifest is a JSON object");
	for (v = cart_json_first(m->doc); v; v = cart_json_next(v)) {
		cart_mpath_push(p, cart_json_key(v));
		if (parse_top(p, m, v) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	for (i = 0; i < 3; i++) {
		if (!cart_json_get(m->doc, must[i]))
			return cart_mpath_bad(p, "a manifest needs \"%s\"",
					      must[i]);
	}
	v = cart_json_get(m->doc, "steps");
	m->steps = calloc(cart_json_size(v), sizeof(*m->steps));
	if (!m->steps)
		return cart_err_nomem(p->err);
	cart_mpath_push(p, "steps");
	for (v = cart_json_first(v); v; v = cart_json_next(v)) {
		cart_mpath_push_index(p, m->n_steps);
		if (parse_step(p, m, &m->steps[m->n_steps++], v) < 0)
			return -1;
		cart_mpath_pop(p);
	}
	cart_mpath_pop(p);
	return cart_graph_build(p, m);
}

struct cart_manifest *cart_manifest_parse_with(const struct cart_oracle *o,
					       const char *label,
					       const void *data, size_t len,
					       struct cart_err *err)
{
	struct cart_manifest *m;
	struct mpath *p = NULL;

	if (len > BYTES_MAX) {
		cart_err_set(err, CART_ERR_USAGE, 0, "%s: a manifest has at "
			     "most 1 MiB", label);
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	p = calloc(1, sizeof(*p));
	if (!m || !p)
		goto nomem;
	m->oracle = o;
	m->label = strdup(label);
	m->bytes = malloc(len + 1);
	m->values = cart_json_new_object();
	if (!m->label || !m->bytes || !m->values)
		goto nomem;
	if (len)
		memcpy(m->bytes, data, len);
	m->len = len;
	m->doc = cart_json_parse(m->bytes, len, NULL, err);
	if (!m->doc) {
		cart_err_prefix(err, "%s", label);
		if (err && err->class == CART_ERR_INPUT)
			err->class = CART_ERR_USAGE;
		goto fail;
	}
	p->m = m;
	p->err = err;
	if (parse_doc(p, m) < 0)
		goto fail;
	free(p);
	return m;
nomem:
	cart_err_nomem(err);
fail:
	free(p);
	cart_manifest_free(m);
	return NULL;
}

struct cart_manifest *cart_manifest_parse(const char *label, const void *data,
					  size_t len, struct cart_err *err)
{
	return cart_manifest_parse_with(&cart_oracle_builtin, label, data, len,
					err);
}

void cart_manifest_free(struct cart_manifest *m)
{
	size_t i, k;

	if (!m)
		return;
	for (i = 0; i < m->n_steps; i++) {
		for (k = 0; k < m->steps[i].n_keep; k++)
			cart_filter_free(m->steps[i].keep[k].filter);
		cart_filter_free(m->steps[i].wait.until);
	}
	for (i = 0; i < m->n_params; i++)
		cart_mparam_clear(&m->params[i]);
	free(m->steps);
	cart_json_free(m->values);
	cart_json_free(m->doc);
	free(m->bytes);
	free(m->label);
	free(m);
}

const char *cart_manifest_name(const struct cart_manifest *m)
{
	return m->name;
}

const char *cart_manifest_title(const struct cart_manifest *m)
{
	return m->title ? m->title : m->name;
}

const void *cart_manifest_bytes(const struct cart_manifest *m, size_t *ret_len)
{
	*ret_len = m->len;
	return m->bytes;
}

bool cart_manifest_has_host_steps(const struct cart_manifest *m)
{
	size_t i;

	for (i = 0; i < m->n_steps; i++) {
		if (m->steps[i].type->where == CART_STEP_HOST)
			return true;
	}
	return false;
}

bool cart_manifest_has_aws_steps(const struct cart_manifest *m)
{
	size_t i;

	for (i = 0; i < m->n_steps; i++) {
		if (m->steps[i].type->where == CART_STEP_AWS)
			return true;
	}
	return false;
}

unsigned cart_manifest_changes(const struct cart_manifest *m)
{
	unsigned bits = 0;
	size_t i;

	for (i = 0; i < m->n_steps; i++)
		bits |= m->steps[i].changes;
	return bits;
}
