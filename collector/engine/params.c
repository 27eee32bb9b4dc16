/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>

#include "private.h"

#define PATTERN_MAX	256
#define VALUE_MAX	4096
#define LIST_MAX	10000

/* ---- step parameters ("with") ------------------------------------------- */

static const char *type_words(enum cart_param_type t)
{
	switch (t) {
	case CART_PARAM_STRING:
		return "a text";
	case CART_PARAM_INTEGER:
		return "a whole number";
	case CART_PARAM_BOOLEAN:
		return "true or false";
	case CART_PARAM_SIZE:
		return "a size such as 64K, 10M or a number of bytes";
	case CART_PARAM_DURATION:
		return "a duration such as 30s, 15m, 2h, 7d";
	case CART_PARAM_TIME:
		return "a time such as 2026-01-31T00:00:00Z, or -7d";
	case CART_PARAM_STRINGS:
		return "a text or a list of texts";
	case CART_PARAM_OBJECT:
		return "an object";
	case CART_PARAM_ANY:
		break;
	}
	return "a value";
}

static bool is_time(const char *s)
{
	int64_t ns;
	uint64_t ms;

	if (!strcmp(s, "now"))
		return true;
	if (s[0] == '-')
		return cart_text_duration(s + 1, strlen(s + 1), &ms) == 0;
	return cart_clock_parse(s, strlen(s), &ns) == 0;
}

static bool fits(enum cart_param_type t, const struct cart_json *v)
{
	const char *s = cart_json_string(v);
	const struct cart_json *c;
	int64_t n;
	uint64_t u;

	switch (t) {
	case CART_PARAM_STRING:
		return s;
	case CART_PARAM_INTEGER:
		return cart_json_i64(v, &n) == 0;
	case CART_PARAM_BOOLEAN:
		return cart_json_type(v) == CART_JSON_BOOL;
	case CART_PARAM_SIZE:
		return s ? cart_text_size(s, strlen(s), &u) == 0 :
			   cart_json_i64(v, &n) == 0 && n >= 0;
	case CART_PARAM_DURATION:
		return s ? cart_text_duration(s, strlen(s), &u) == 0 :
			   cart_json_i64(v, &n) == 0 && n >= 0;
	case CART_PARAM_TIME:
		return s && is_time(s);
	case CART_PARAM_STRINGS:
		if (s)
			return true;
		if (cart_json_type(v) != CART_JSON_ARRAY)
			return false;
		for (c = cart_json_first(v); c; c = cart_json_next(c)) {
			if (!cart_json_string(c))
				return false;
		}
		return true;
	case CART_PARAM_OBJECT:
		return cart_json_type(v) == CART_JSON_OBJECT;
	case CART_PARAM_ANY:
		break;
	}
	return true;
}

/* May the value become what the type wants once references are replaced?  A
 * reference alone can become anything, inside text it stays a text. */
static bool may_fit(enum cart_param_type t, const struct cart_json *v)
{
	struct cart_ref ref;
	const char *s = cart_json_string(v);
	const struct cart_json *c;

	if (!cart_ref_any(v))
		return fits(t, v);
	if (s) {
		if (cart_ref_whole(s, &ref, NULL) == 1)
			return true;
		return t != CART_PARAM_INTEGER && t != CART_PARAM_BOOLEAN &&
		       t != CART_PARAM_OBJECT;
	}
	if (t == CART_PARAM_STRINGS && cart_json_type(v) == CART_JSON_ARRAY) {
		for (c = cart_json_first(v); c; c = cart_json_next(c)) {
			if (!cart_json_string(c))
				return false;
		}
		return true;
	}
	return t == CART_PARAM_ANY || (t == CART_PARAM_OBJECT &&
				       cart_json_type(v) == CART_JSON_OBJECT);
}

static const struct cart_param *find_param(const struct cart_step_type *type,
					   const char *name)
{
	const struct cart_param *p;

	for (p = type->params; p && p->name; p++) {
		if (!strcmp(p->name, name))
			return p;
	}
	return NULL;
}

static int unknown_param(struct mpath *p, const struct cart_step_type *type,
			 const char *name)
{
	const char *names[64];
	const struct cart_param *q;
	const char *near;
	size_t n = 0;

	for (q = type->params; q && q->name && n < 63; q++)
		names[n++] = q->name;
	names[n] = NULL;
	near = cart_nearest(name, names);
	if (near)
		return cart_mpath_bad(p, "%s has no parameter of this name; did "
				      "you mean \"%s\"?", type->name, near);
	return cart_mpath_bad(p, "%s has no parameter of this name; `crashcart "
			      "show steps` lists them", type->name);
}

int cart_with_check(struct mpath *p, const struct cart_step_type *type,
		    const struct cart_json *with)
{
	const struct cart_param *q;
	const struct cart_json *v;
	struct cart_err err;

	for (v = cart_json_first(with); v; v = cart_json_next(v)) {
		cart_mpath_push(p, cart_json_key(v));
		q = find_param(type, cart_json_key(v));
		if (!q)
			return unknown_param(p, type, cart_json_key(v));
		if (!may_fit(q->type, v))
			return cart_mpath_bad(p, "should be %s",
					      type_words(q->type));
		cart_mpath_pop(p);
	}
	for (q = type->params; q && q->name; q++) {
		if (q->required && !cart_json_get(with, q->name))
			return cart_mpath_bad(p, "%s needs \"%s\": %s",
					      type->name, q->name, q->help);
	}
	cart_err_clear(&err);
	if (type->check && type->check(with, &err) < 0)
		return cart_mpath_bad(p, "%s", err.text);
	return 0;
}

/* ---- the manifest's own parameters -------------------------------------- */

static const char *const mparam_types[] = {
	[PARAM_STRING] = "string",
	[PARAM_INTEGER] = "integer",
	[PARAM_BOOLEAN] = "boolean",
	[PARAM_LIST] = "list",
	NULL
};

void cart_mparam_clear(struct mparam *p)
{
	if (p->has_pattern)
		regfree(&p->pattern);
	p->has_pattern = false;
}

/* Repetitions inside repetitions make regcomp take all memory. */
static bool pattern_is_tame(const char *s)
{
	unsigned long product = 1, n;

	for (; *s; s++) {
		if (*s == '\\' && s[1]) {
			s++;
			continue;
		}
		if (*s != '{')
			continue;
		n = 0;
		for (s++; *s && *s != '}'; s++) {
			if (*s == ',')
				n = 0;
			else if (*s >= '0' && *s <= '9' && n < 100000)
				n = 10 * n + (unsigned long)(*s - '0');
		}
		product *= n ? n : 1;
		if (product > 4096)
			return false;
		if (!*s)
			break;
	}
	return true;
}

static bool is_choice(const struct mparam *d, const struct cart_json *v)
{
	const struct cart_json *c;

	for (c = cart_json_first(d->choices); c; c = cart_json_next(c)) {
		if (cart_json_equal(c, v))
			return true;
	}
	return !d->choices;
}

/* Is v a value for d?  NULL or what is wrong. */
static const char *value_problem(const struct mparam *d,
				 const struct cart_json *v)
{
	const char *s = cart_json_string(v);
	const struct cart_json *c;
	const char *problem;
	size_t n = 0;
	int64_t i;

	if (d->type == PARAM_LIST) {
		struct mparam one = *d;

		if (cart_json_type(v) != CART_JSON_ARRAY)
			return "should be a list of texts";
		one.type = PARAM_STRING;
		for (c = cart_json_first(v); c; c = cart_json_next(c)) {
			if (++n > LIST_MAX)
				return "has more than 10000 values";
			problem = value_problem(&one, c);
			if (problem)
				return problem;
		}
		return NULL;
	}
	if (d->type == PARAM_INTEGER && cart_json_i64(v, &i) < 0)
		return "should be a whole number";
	if (d->type == PARAM_BOOLEAN && cart_json_type(v) != CART_JSON_BOOL)
		return "should be true or false";
	if (d->type == PARAM_STRING) {
		if (!s)
			return "should be a text";
		if (strlen(s) > VALUE_MAX)
			return "is longer than 4096 bytes";
		if (d->has_pattern && regexec(&d->pattern, s, 0, NULL, 0) != 0)
			return "does not match the pattern";
	}
	if (!is_choice(d, v))
		return "is none of the values allowed";
	return NULL;
}

static int parse_one(struct mpath *p, struct mparam *d,
		     const struct cart_json *v)
{
	static const char *const known[] = {
		"type", "title", "pattern", "required", "default", "enum", NULL
	};
	const struct cart_json *c;
	const char *s, *near;
	int i;

	if (cart_json_type(v) != CART_JSON_OBJECT)
		return cart_mpath_bad(p, "should be an object such as "
				      "{ \"type\": \"string\" }");
	d->type = PARAM_STRING;
	for (c = cart_json_first(v); c; c = cart_json_next(c)) {
		const char *key = cart_json_key(c);

		cart_mpath_push(p, key);
		s = cart_json_string(c);
		if (!strcmp(key, "type")) {
			for (i = 0; s && mparam_types[i]; i++) {
				if (!strcmp(s, mparam_types[i]))
					break;
			}
			if (!s || !mparam_types[i])
				return cart_mpath_bad(p, "should be \"string\", "
					"\"integer\", \"boolean\" or \"list\"");
			d->type = (enum mparam_type)i;
		} else if (!strcmp(key, "title")) {
			if (!s)
				return cart_mpath_bad(p, "should be a text");
			d->title = s;
		} else if (!strcmp(key, "pattern")) {
			if (!s || strlen(s) > PATTERN_MAX || !pattern_is_tame(s))
				return cart_mpath_bad(p, "should be a POSIX "
					"extended expression of at most %d "
					"bytes, without repeated repetitions",
					PATTERN_MAX);
			if (regcomp(&d->pattern, s, REG_EXTENDED | REG_NOSUB))
				return cart_mpath_bad(p, "is not a POSIX "
						      "extended expression");
			d->has_pattern = true;
			d->pattern_text = s;
		} else if (!strcmp(key, "required")) {
			if (cart_json_type(c) != CART_JSON_BOOL)
				return cart_mpath_bad(p, "should be true or false");
			d->required = cart_json_bool(c);
		} else if (!strcmp(key, "default")) {
			d->fallback = c;
		} else if (!strcmp(key, "enum")) {
			if (cart_json_type(c) != CART_JSON_ARRAY ||
			    !cart_json_size(c))
				return cart_mpath_bad(p, "should be a list of "
						      "the values allowed");
			d->choices = c;
		} else {
			near = cart_nearest(key, known);
			return cart_mpath_bad(p, "unknown key%s%s%s",
				near ? "; did you mean \"" : "; known are type, "
				"title, pattern, required, default, enum",
				near ? near : "", near ? "\"?" : "");
		}
		cart_mpath_pop(p);
	}
	if (d->has_pattern && d->type != PARAM_STRING && d->type != PARAM_LIST)
		return cart_mpath_bad(p, "only a string or a list has a pattern");
	if (d->required && d->fallback)
		return cart_mpath_bad(p, "what has a default is not required; "
				      "leave one of them out");
	if (d->fallback) {
		s = value_problem(d, d->fallback);
		cart_mpath_push(p, "default");
		if (s)
			return cart_mpath_bad(p, "%s", s);
		cart_mpath_pop(p);
	}
	return 0;
}

static bool is_id(const char *s)
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

int cart_mparam_parse(struct mpath *p, struct cart_manifest *m,
		      const struct cart_json *params)
{
	const struct cart_json *v;
	struct mparam *d;

	if (cart_json_type(params) != CART_JSON_OBJECT)
		return cart_mpath_bad(p, "should be an object: a name and a "
				      "definition each");
	for (v = cart_json_first(params); v; v = cart_json_next(v)) {
		cart_mpath_push(p, cart_json_key(v));
		if (m->n_params == PARAMS_MAX)
			return cart_mpath_bad(p, "more than %d parameters",
					      PARAMS_MAX);
		if (!is_id(cart_json_key(v)))
			return cart_mpath_bad(p, "a parameter's name is a lower-"
				"case letter and then up to 31 of a-z, 0-9 and _");
		d = &m->params[m->n_params++];
		snprintf(d->name, sizeof(d->name), "%s", cart_json_key(v));
		if (parse_one(p, d, v) < 0)
			return -1;
		if (d->fallback &&
		    !cart_json_add(m->values, d->name,
				   cart_json_copy(d->fallback)))
			return cart_err_nomem(p->err);
		cart_mpath_pop(p);
	}
	return 0;
}

static struct mparam *find_mparam(struct cart_manifest *m, const char *name,
				  size_t len)
{
	size_t i;

	for (i = 0; i < m->n_params; i++) {
		if (strlen(m->params[i].name) == len &&
		    !memcmp(m->params[i].name, name, len))
			return &m->params[i];
	}
	return NULL;
}

/* "a,b" or a JSON list. */
static struct cart_json *read_list(const char *s, struct cart_err *err)
{
	struct cart_json *list;
	size_t n;

	if (s[0] == '[')
		return cart_json_parse(s, strlen(s), NULL, err);
	list = cart_json_new_array();
	while (list && *s) {
		n = strcspn(s, ",");
		if (!cart_json_append(list, cart_json_new_string_n(s, n))) {
			cart_json_free(list);
			list = NULL;
		} else {
			s += n + (s[n] == ',');
		}
	}
	if (!list)
		cart_err_nomem(err);
	return list;
}

static struct cart_json *read_value(const struct mparam *d, const char *s,
				    struct cart_err *err)
{
	struct cart_json *v = NULL;
	int64_t i;

	if (!cart_text_is_utf8(s, strlen(s))) {
		cart_err_set(err, CART_ERR_USAGE, 0,
			     "parameter %s is not UTF-8", d->name);
		return NULL;
	}
	switch (d->type) {
	case PARAM_STRING:
		v = cart_json_new_string(s);
		break;
	case PARAM_LIST:
		return read_list(s, err);
	case PARAM_INTEGER:
		if (cart_text_i64(s, strlen(s), &i) < 0 ||
		    i > INT64_C(9007199254740992) ||
		    i < -INT64_C(9007199254740992)) {
			cart_err_set(err, CART_ERR_USAGE, 0, "parameter %s "
				     "should be a whole number, not \"%s\"",
				     d->name, s);
			return NULL;
		}
		v = cart_json_new_int(i);
		break;
	case PARAM_BOOLEAN:
		if (strcmp(s, "true") && strcmp(s, "false")) {
			cart_err_set(err, CART_ERR_USAGE, 0, "parameter %s "
				     "should be true or false, not \"%s\"",
				     d->name, s);
			return NULL;
		}
		v = cart_json_new_bool(!strcmp(s, "true"));
		break;
	}
	if (!v)
		cart_err_nomem(err);
	return v;
}

static int unknown_mparam(struct cart_manifest *m, const char *name, size_t len,
			  struct cart_err *err)
{
	const char *names[PARAMS_MAX + 1];
	const char *near;
	char word[128];
	size_t i;

	for (i = 0; i < m->n_params; i++)
		names[i] = m->params[i].name;
	names[i] = NULL;
	snprintf(word, sizeof(word), "%.*s", (int)(len > 120 ? 120 : len), name);
	near = cart_nearest(word, names);
	return cart_err_set(err, CART_ERR_USAGE, 0, "manifest %s has no "
			    "parameter %s%s%s%s", m->name, word,
			    near ? "; did you mean \"" : "; `crashcart plan` "
			    "lists what it takes", near ? near : "",
			    near ? "\"?" : "");
}

int cart_manifest_param(struct cart_manifest *m, const char *assignment,
			struct cart_err *err)
{
	const char *eq = strchr(assignment, '='), *problem;
	struct mparam *d;
	struct cart_json *v;

	if (!eq || eq == assignment)
		return cart_err_set(err, CART_ERR_USAGE, 0, "-p %s: write "
				    "-p NAME=VALUE", assignment);
	d = find_mparam(m, assignment, (size_t)(eq - assignment));
	if (!d)
		return unknown_mparam(m, assignment, (size_t)(eq - assignment),
				      err);
	v = read_value(d, eq + 1, err);
	if (!v) {
		if (err && err->class != CART_ERR_USAGE)
			cart_err_set(err, CART_ERR_USAGE, 0,
				     "parameter %s: %s", d->name, err->text);
		return -1;
	}
	problem = value_problem(d, v);
	if (problem) {
		cart_json_free(v);
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "parameter %s: \"%s\" %s%s%s", d->name,
				    eq + 1, problem,
				    d->has_pattern ? " " : "",
				    d->has_pattern ? d->pattern_text : "");
	}
	if (!cart_json_set(m->values, d->name, v))
		return cart_err_nomem(err);
	return 0;
}

int cart_manifest_params_set(struct cart_manifest *m,
			     const struct cart_json *params,
			     struct cart_err *err)
{
	const struct cart_json *v;
	const struct mparam *d;
	const char *problem;

	for (v = cart_json_first(params); v; v = cart_json_next(v)) {
		const char *name = cart_json_key(v);

		d = find_mparam(m, name, strlen(name));
		if (!d)
			return unknown_mparam(m, name, strlen(name), err);
		problem = value_problem(d, v);
		if (problem)
			return cart_err_set(err, CART_ERR_USAGE, 0,
					    "parameter %s %s", name, problem);
		if (!cart_json_set(m->values, name, cart_json_copy(v)))
			return cart_err_nomem(err);
	}
	return 0;
}

const struct cart_json *cart_manifest_params(const struct cart_manifest *m)
{
	return m->values;
}

static enum resolve only_params(void *arg, const struct cart_ref *ref,
				const struct cart_json **ret)
{
	const struct cart_manifest *m = arg;

	if (ref->kind != REF_PARAM)
		return RESOLVE_LEAVE;
	*ret = cart_json_get(m->values, ref->name);
	return *ret ? RESOLVE_OK : RESOLVE_LEAVE;
}

size_t cart_manifest_params_list(const struct cart_manifest *m,
				 struct cart_buf *out)
{
	const struct cart_json *v;
	const struct mparam *d;
	size_t missing = 0;

	for (d = m->params; d < m->params + m->n_params; d++) {
		v = cart_json_get(m->values, d->name);
		missing += d->required && !v;
		cart_buf_addf(out, "  -p %s=", d->name);
		if (!v)
			cart_buf_adds(out, "VALUE");
		else if (cart_json_string(v))
			cart_text_escape(cart_json_string(v),
					 strlen(cart_json_string(v)), out);
		else
			cart_json_print(v, 0, out);
		cart_buf_addf(out, "%s%s%s\n", d->required && !v ?
			      "   MISSING" : "", d->title ? "   " : "",
			      d->title ? d->title : "");
		if (d->required && !v && d->has_pattern)
			cart_buf_addf(out, "      matches %s\n",
				      d->pattern_text);
	}
	return missing;
}

int cart_manifest_ready(struct cart_manifest *m, struct cart_err *err)
{
	struct mpath p = { .m = m, .err = err };
	struct cart_json *with;
	enum resolve result;
	size_t i;
	int rc;

	for (i = 0; i < m->n_params; i++) {
		const struct mparam *d = &m->params[i];

		if (d->required && !cart_json_get(m->values, d->name))
			return cart_err_set(err, CART_ERR_USAGE, 0,
				"manifest %s needs parameter %s%s%s%s; give "
				"-p %s=VALUE%s%s; `crashcart plan` lists all "
				"that it takes", m->name, d->name,
				d->title ? " (" : "", d->title ? d->title : "",
				d->title ? ")" : "", d->name,
				d->has_pattern ? ", which matches " : "",
				d->has_pattern ? d->pattern_text : "");
	}
	/* What the parameters make of `with` must still be right. */
	for (i = 0; i < m->n_steps; i++) {
		const struct mstep *s = &m->steps[i];

		if (!s->with || !cart_ref_any(s->with))
			continue;
		if (cart_ref_resolve(s->with, only_params, m, &with, &result,
				     NULL, err) < 0) {
			cart_err_prefix(err, "step %s", s->id);
			if (err)
				err->class = CART_ERR_USAGE;
			return -1;
		}
		p.depth = 0;
		cart_mpath_push(&p, "steps");
		cart_mpath_push_index(&p, i);
		cart_mpath_push(&p, "with");
		rc = with ? cart_with_check(&p, s->type, with) : 0;
		if (rc == 0 && with)
			rc = cart_call_check(&p, m, s, with);
		cart_json_free(with);
		if (rc < 0)
			return -1;
	}
	return 0;
}
