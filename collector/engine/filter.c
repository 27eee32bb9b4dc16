/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/buf.h>
#include <crashcart/filter.h>
#include <crashcart/text.h>

/*
 * The grammar, a subset of jq's in which jq 1.6 and all later versions agree:
 *
 *   pipe    = or *( "|" or )
 *   or      = and *( "or" and )
 *   and     = compare *( "and" compare )
 *   compare = term [ ( "==" / "!=" / "<" / "<=" / ">" / ">=" ) term ]
 *   term    = "." *suffix / first *suffix / "(" pipe ")" *suffix
 *           / "select" "(" pipe ")" *suffix / "length" *suffix / "not"
 *           / literal
 *   first   = .name / ."string"
 *   suffix  = ( .name / ."string" / "[" "]" / "[" integer-or-string "]" ) ["?"]
 *
 * `?` stands only after an index: elsewhere jq 1.6 also swallows errors of
 * what comes after it, which 1.7 and later do not.
 */

#define TEXT_MAX	4096
#define NODES_MAX	100
#define NEST_MAX	32
#define STEPS_MAX	1000000

enum kind {
	K_SELF, K_FIELD, K_INDEX, K_EACH, K_PIPE, K_LITERAL, K_SELECT,
	K_LENGTH, K_NOT, K_AND, K_OR, K_COMPARE
};

enum compare { C_EQ, C_NE, C_LT, C_LE, C_GT, C_GE };

struct node {
	enum kind kind;
	enum compare compare;
	bool opt;			/* followed by ? */
	char *name;			/* K_FIELD */
	int64_t index;			/* K_INDEX */
	struct cart_json *literal;	/* K_LITERAL */
	struct node *a, *b;
};

struct cart_filter {
	struct node *root;
	struct node *nodes[NODES_MAX];
	size_t n_nodes;
	/* Values that are often given, made once: evaluation only reads. */
	struct cart_json *null, *yes, *no;
};

/* Whole numbers print without a fraction. */
static struct cart_json *new_number(double d)
{
	if (d == floor(d) && fabs(d) <= 9007199254740992.0)
		return cart_json_new_int((int64_t)d);
	return cart_json_new_double(d);
}

/* ---- tokens ------------------------------------------------------------- */

enum token {
	T_END, T_FIELD, T_DOT, T_STRING, T_NUMBER, T_WORD, T_OPEN, T_CLOSE,
	T_LBRACKET, T_RBRACKET, T_PIPE, T_OPT, T_MINUS, T_COMPARE
};

struct parser {
	const char *text;
	size_t len, pos;
	size_t at;			/* where the token begins */
	enum token token;
	enum compare compare;
	const char *word;		/* T_FIELD (without dot), T_WORD */
	size_t word_len;
	char *string;			/* T_STRING, owned until taken */
	double number;
	unsigned nest;
	struct cart_filter *f;
	struct cart_err *err;
};

static int bad(struct parser *p, size_t at, const char *what)
{
	return cart_err_set(p->err, CART_ERR_USAGE, 0,
			    "filter \"%.*s\", column %zu: %s",
			    (int)(p->len > 120 ? 120 : p->len), p->text, at + 1,
			    what);
}

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_word_start(c) || is_digit(c);
}

static void word(struct parser *p)
{
	p->word = p->text + p->pos;
	while (p->pos < p->len && is_word(p->text[p->pos]))
		p->pos++;
	p->word_len = (size_t)(p->text + p->pos - p->word);
}

/* A jq string literal without interpolation is a JSON string. */
static int string(struct parser *p)
{
	size_t start = p->pos++;
	struct cart_json *j;
	const char *s;
	struct cart_err err;

	for (; p->pos < p->len && p->text[p->pos] != '"'; p->pos++) {
		if (p->text[p->pos] != '\\')
			continue;
		if (++p->pos < p->len && p->text[p->pos] == '(')
			return bad(p, p->pos, "\\( ... ) in a string is not "
				   "part of our filters");
	}
	if (p->pos >= p->len)
		return bad(p, start, "this string has no end");
	p->pos++;
	cart_err_clear(&err);
	j = cart_json_parse(p->text + start, p->pos - start, NULL, &err);
	s = cart_json_string(j);
	if (!s) {
		cart_json_free(j);
		return bad(p, start, "not a valid string");
	}
	free(p->string);
	p->string = strdup(s);
	cart_json_free(j);
	if (!p->string)
		return cart_err_nomem(p->err);
	p->token = T_STRING;
	return 0;
}

static int number(struct parser *p)
{
	char copy[64];
	size_t start = p->pos, n;

	while (p->pos < p->len && is_digit(p->text[p->pos]))
		p->pos++;
	if (p->pos + 1 < p->len && p->text[p->pos] == '.' &&
	    is_digit(p->text[p->pos + 1])) {
		p->pos++;
		while (p->pos < p->len && is_digit(p->text[p->pos]))
			p->pos++;
	}
	if (p->pos < p->len && (p->text[p->pos] | 32) == 'e') {
		p->pos++;
		if (p->pos < p->len &&
		    (p->text[p->pos] == '+' || p->text[p->pos] == '-'))
			p->pos++;
		if (p->pos >= p->len || !is_digit(p->text[p->pos]))
			return bad(p, start, "not a number");
		while (p->pos < p->len && is_digit(p->text[p->pos]))
			p->pos++;
	}
	n = p->pos - start;
	if (p->pos < p->len &&
	    (p->text[p->pos] == '.' || is_word(p->text[p->pos])))
		return bad(p, start, "not a number");
	/* Beyond what a double holds versions of jq differ. */
	if (n >= 24)
		return bad(p, start, "a number of more than 23 characters");
	memcpy(copy, p->text + start, n);
	copy[n] = '\0';
	p->number = strtod(copy, NULL);
	if (!isfinite(p->number) || p->number > 9007199254740992.0)
		return bad(p, start, "a number beyond 2^53");
	p->token = T_NUMBER;
	return 0;
}

static bool compare_token(struct parser *p)
{
	static const struct {
		const char *text;
		enum compare compare;
	} ops[] = {
		{ "==", C_EQ }, { "!=", C_NE }, { "<=", C_LE }, { ">=", C_GE },
		{ "<", C_LT }, { ">", C_GT },
	};
	size_t i, n;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		n = strlen(ops[i].text);
		if (p->len - p->pos >= n &&
		    !memcmp(p->text + p->pos, ops[i].text, n)) {
			p->token = T_COMPARE;
			p->compare = ops[i].compare;
			p->pos += n;
			return true;
		}
	}
	return false;
}

static int next(struct parser *p)
{
	static const char single[] = "()[]|?-";
	static const enum token tokens[] = {
		T_OPEN, T_CLOSE, T_LBRACKET, T_RBRACKET, T_PIPE, T_OPT, T_MINUS
	};
	const char *s;
	char c;

	while (p->pos < p->len && (p->text[p->pos] == ' ' ||
				   p->text[p->pos] == '\t' ||
				   p->text[p->pos] == '\n'))
		p->pos++;
	p->at = p->pos;
	if (p->pos >= p->len) {
		p->token = T_END;
		return 0;
	}
	c = p->text[p->pos];
	if (c == '.') {
		p->pos++;
		if (p->pos < p->len && p->text[p->pos] == '.')
			return bad(p, p->at, "`..` is not part of our filters");
		p->token = T_DOT;
		if (p->pos < p->len && is_digit(p->text[p->pos]))
			return bad(p, p->at, "not a path; a number needs a "
				   "digit before its dot");
		if (p->pos < p->len && is_word_start(p->text[p->pos])) {
			word(p);
			p->token = T_FIELD;
		}
		return 0;
	}
	if (c == '"')
		return string(p);
	if (is_digit(c))
		return number(p);
	if (is_word_start(c)) {
		word(p);
		p->token = T_WORD;
		return 0;
	}
	s = strchr(single, c);
	if (s && c) {
		p->pos++;
		p->token = tokens[s - single];
		if (p->token == T_PIPE && p->pos < p->len &&
		    p->text[p->pos] == '=')
			return bad(p, p->at, "`|=` changes things; filters only read");
		return 0;
	}
	if (compare_token(p))
		return 0;
	if (c == ',')
		return bad(p, p->at, "`,` is not part of our filters; "
			   "give each value its own name");
	return bad(p, p->at, "unexpected character");
}

/* ---- parser ------------------------------------------------------------- */

static struct node *node_new(struct parser *p, enum kind kind, struct node *a,
			     struct node *b)
{
	struct cart_filter *f = p->f;
	struct node *n;

	if (f->n_nodes == NODES_MAX) {
		bad(p, p->at, "the filter is too long");
		return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (!n) {
		cart_err_nomem(p->err);
		return NULL;
	}
	n->kind = kind;
	n->a = a;
	n->b = b;
	f->nodes[f->n_nodes++] = n;
	return n;
}

/* Adds step after term; an identity before it is dropped. */
static struct node *chain(struct parser *p, struct node *term, struct node *step)
{
	if (!term || !step)
		return NULL;
	if (term->kind == K_SELF)
		return step;
	return node_new(p, K_PIPE, term, step);
}

static struct node *parse_pipe(struct parser *p);

static struct node *field(struct parser *p, const char *s, size_t len)
{
	struct node *n = node_new(p, K_FIELD, NULL, NULL);

	if (!n)
		return NULL;
	n->name = strndup(s, len);
	if (!n->name) {
		cart_err_nomem(p->err);
		return NULL;
	}
	return n;
}

static struct node *bracket_number(struct parser *p, bool negative)
{
	struct node *n;

	if (p->number != floor(p->number) || p->number > 2147483647.0) {
		bad(p, p->at, "an index must be a whole number below 2^31");
		return NULL;
	}
	n = node_new(p, K_INDEX, NULL, NULL);
	if (n)
		n->index = negative ? -(int64_t)p->number : (int64_t)p->number;
	return n;
}

/* After "[": up to and with "]". */
static struct node *parse_bracket(struct parser *p)
{
	struct node *n = NULL;
	bool negative = false;

	if (next(p) < 0)
		return NULL;
	if (p->token == T_RBRACKET) {
		n = node_new(p, K_EACH, NULL, NULL);
		return n && next(p) == 0 ? n : NULL;
	}
	if (p->token == T_MINUS) {
		negative = true;
		if (next(p) < 0)
			return NULL;
	}
	if (p->token == T_NUMBER) {
		n = bracket_number(p, negative);
	} else if (p->token == T_STRING && !negative) {
		n = field(p, p->string, strlen(p->string));
	} else {
		bad(p, p->at, "between [ and ] stands nothing, a whole number "
		    "or a string");
	}
	if (!n || next(p) < 0)
		return NULL;
	if (p->token != T_RBRACKET) {
		bad(p, p->at, "expected ]");
		return NULL;
	}
	return next(p) == 0 ? n : NULL;
}

static struct node *parse_opt(struct parser *p, struct node *n)
{
	if (!n || p->token != T_OPT)
		return n;
	n->opt = true;
	if (next(p) < 0)
		return NULL;
	if (p->token == T_OPT) {
		bad(p, p->at, "one ? is enough");
		return NULL;
	}
	return n;
}

/* All suffixes that follow term. */
static struct node *parse_suffixes(struct parser *p, struct node *term)
{
	struct node *n;

	while (term) {
		if (p->token == T_FIELD) {
			n = field(p, p->word, p->word_len);
			if (n && next(p) < 0)
				n = NULL;
		} else if (p->token == T_LBRACKET) {
			n = parse_bracket(p);
		} else if (p->token == T_DOT) {
			if (next(p) < 0)
				return NULL;
			if (p->token != T_STRING) {
				bad(p, p->at, "after a dot stands a name or a "
				    "string");
				return NULL;
			}
			n = field(p, p->string, strlen(p->string));
			if (n && next(p) < 0)
				n = NULL;
		} else {
			break;
		}
		term = chain(p, term, parse_opt(p, n));
	}
	if (term && p->token == T_OPT) {
		bad(p, p->at, "? stands only after .name, [] or [n]");
		return NULL;
	}
	return term;
}

static struct node *literal(struct parser *p, struct cart_json *value)
{
	struct node *n;

	if (!value) {
		cart_err_nomem(p->err);
		return NULL;
	}
	n = node_new(p, K_LITERAL, NULL, NULL);
	if (!n) {
		cart_json_free(value);
		return NULL;
	}
	n->literal = value;
	if (next(p) < 0)
		return NULL;
	if (p->token == T_FIELD || p->token == T_DOT ||
	    p->token == T_LBRACKET || p->token == T_OPT) {
		bad(p, p->at, "nothing can be taken out of a literal");
		return NULL;
	}
	return n;
}

/* After "(": a pipe up to and with ")". */
static struct node *parse_parens(struct parser *p)
{
	struct node *n;

	if (p->token != T_OPEN) {
		bad(p, p->at, "expected (");
		return NULL;
	}
	if (++p->nest > NEST_MAX) {
		bad(p, p->at, "too many nested parentheses");
		return NULL;
	}
	if (next(p) < 0)
		return NULL;
	n = parse_pipe(p);
	if (!n)
		return NULL;
	if (p->token != T_CLOSE) {
		bad(p, p->at, "expected )");
		return NULL;
	}
	p->nest--;
	return next(p) == 0 ? n : NULL;
}

static bool word_is(const struct parser *p, const char *w)
{
	return p->token == T_WORD && p->word_len == strlen(w) &&
	       !memcmp(p->word, w, p->word_len);
}

static struct node *parse_word(struct parser *p)
{
	struct node *n;

	if (word_is(p, "true"))
		return literal(p, cart_json_new_bool(true));
	if (word_is(p, "false"))
		return literal(p, cart_json_new_bool(false));
	if (word_is(p, "null"))
		return literal(p, cart_json_new_null());
	if (word_is(p, "select")) {
		if (next(p) < 0)
			return NULL;
		n = parse_parens(p);
		if (n)
			n = node_new(p, K_SELECT, n, NULL);
		return parse_suffixes(p, n);
	}
	if (word_is(p, "length")) {
		n = node_new(p, K_LENGTH, NULL, NULL);
		if (!n || next(p) < 0)
			return NULL;
		return parse_suffixes(p, n);
	}
	if (word_is(p, "not")) {
		n = node_new(p, K_NOT, NULL, NULL);
		if (!n || next(p) < 0)
			return NULL;
		return parse_suffixes(p, n);
	}
	bad(p, p->at, "not a word of our filters, which are select, length, "
	    "not, and, or, true, false, null; a name needs a dot: .name");
	return NULL;
}

static struct node *parse_term(struct parser *p, bool may_be_negative)
{
	struct node *n;

	switch (p->token) {
	case T_FIELD:
	case T_DOT:
		n = node_new(p, K_SELF, NULL, NULL);
		if (!n)
			return NULL;
		if (p->token == T_FIELD)
			return parse_suffixes(p, n);
		if (next(p) < 0)
			return NULL;
		if (p->token == T_STRING) {
			n = field(p, p->string, strlen(p->string));
			if (!n || next(p) < 0)
				return NULL;
			n = parse_opt(p, n);
		}
		return parse_suffixes(p, n);
	case T_OPEN:
		return parse_suffixes(p, parse_parens(p));
	case T_WORD:
		return parse_word(p);
	case T_STRING:
		return literal(p, cart_json_new_string(p->string));
	case T_NUMBER:
		return literal(p, new_number(p->number));
	case T_MINUS:
		/* Elsewhere jq's minus takes all that follows. */
		if (!may_be_negative) {
			bad(p, p->at, "a negative number stands only on the "
			    "right of a comparison or in [ ]");
			return NULL;
		}
		if (next(p) < 0)
			return NULL;
		if (p->token != T_NUMBER) {
			bad(p, p->at, "expected a number");
			return NULL;
		}
		return literal(p, new_number(-p->number));
	case T_END:
		bad(p, p->at, "the filter ends where a path was expected");
		return NULL;
	default:
		bad(p, p->at, "expected a path such as .name");
		return NULL;
	}
}

static struct node *parse_compare(struct parser *p)
{
	struct node *a = parse_term(p, false), *b;
	enum compare compare;

	if (!a || p->token != T_COMPARE)
		return a;
	compare = p->compare;
	if (next(p) < 0)
		return NULL;
	b = parse_term(p, true);
	if (!b)
		return NULL;
	if (p->token == T_COMPARE) {
		bad(p, p->at, "comparisons cannot be chained; use `and`");
		return NULL;
	}
	a = node_new(p, K_COMPARE, a, b);
	if (a)
		a->compare = compare;
	return a;
}

static struct node *parse_and(struct parser *p)
{
	struct node *a = parse_compare(p), *b;

	while (a && word_is(p, "and")) {
		if (next(p) < 0)
			return NULL;
		b = parse_compare(p);
		a = b ? node_new(p, K_AND, a, b) : NULL;
	}
	return a;
}

static struct node *parse_or(struct parser *p)
{
	struct node *a = parse_and(p), *b;

	while (a && word_is(p, "or")) {
		if (next(p) < 0)
			return NULL;
		b = parse_and(p);
		a = b ? node_new(p, K_OR, a, b) : NULL;
	}
	return a;
}

static struct node *parse_pipe(struct parser *p)
{
	struct node *a = parse_or(p), *b;

	while (a && p->token == T_PIPE) {
		if (next(p) < 0)
			return NULL;
		b = parse_or(p);
		a = b ? node_new(p, K_PIPE, a, b) : NULL;
	}
	return a;
}

struct cart_filter *cart_filter_parse(const char *text, size_t len,
				      struct cart_err *err)
{
	struct parser p = { .text = text, .len = len, .err = err };
	struct cart_filter *f;

	if (len > TEXT_MAX) {
		cart_err_set(err, CART_ERR_USAGE, 0,
			     "a filter of more than %d bytes", TEXT_MAX);
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		cart_err_nomem(err);
		return NULL;
	}
	p.f = f;
	f->null = cart_json_new_null();
	f->yes = cart_json_new_bool(true);
	f->no = cart_json_new_bool(false);
	if (!f->null || !f->yes || !f->no) {
		cart_err_nomem(err);
		goto fail;
	}
	if (next(&p) < 0)
		goto fail;
	f->root = parse_pipe(&p);
	if (!f->root)
		goto fail;
	if (p.token != T_END) {
		bad(&p, p.at, "the filter should end here");
		goto fail;
	}
	free(p.string);
	return f;
fail:
	free(p.string);
	cart_filter_free(f);
	return NULL;
}

void cart_filter_free(struct cart_filter *f)
{
	size_t i;

	if (!f)
		return;
	for (i = 0; i < f->n_nodes; i++) {
		free(f->nodes[i]->name);
		cart_json_free(f->nodes[i]->literal);
		free(f->nodes[i]);
	}
	cart_json_free(f->null);
	cart_json_free(f->yes);
	cart_json_free(f->no);
	free(f);
}

/* ---- bounds ------------------------------------------------------------- */

struct run {
	const struct cart_filter *f;
	unsigned steps;
	struct cart_err *err;
};

/* Counts a step; true when there are none left. */
static bool spent(struct run *r)
{
	if (r->steps <= STEPS_MAX)
		r->steps++;
	return r->steps > STEPS_MAX;
}

static int too_long(struct run *r)
{
	return cart_err_set(r->err, CART_ERR_LIMIT, 0,
			    "filter: more than %d steps on one document",
			    STEPS_MAX);
}

/* ---- order of values (jq's) --------------------------------------------- */

static int rank(const struct cart_json *v)
{
	switch (cart_json_type(v)) {
	case CART_JSON_NULL:
		return 0;
	case CART_JSON_BOOL:
		return cart_json_bool(v) ? 2 : 1;
	case CART_JSON_NUMBER:
		return 3;
	case CART_JSON_STRING:
		return 4;
	case CART_JSON_ARRAY:
		return 5;
	case CART_JSON_OBJECT:
		break;
	}
	return 6;
}

static int sign(int v)
{
	return v < 0 ? -1 : v > 0;
}

static int order(struct run *r, const struct cart_json *a,
		 const struct cart_json *b);

static int order_arrays(struct run *r, const struct cart_json *a,
			const struct cart_json *b)
{
	const struct cart_json *x = cart_json_first(a), *y = cart_json_first(b);
	int c;

	for (; x && y && !spent(r); x = cart_json_next(x), y = cart_json_next(y)) {
		c = order(r, x, y);
		if (c)
			return c;
	}
	return x ? 1 : y ? -1 : 0;
}

/* The smallest key above `after` (NULL: of all). */
static const struct cart_json *next_key(struct run *r,
					const struct cart_json *o,
					const char *after)
{
	const struct cart_json *m, *best = NULL;

	for (m = cart_json_first(o); m && !spent(r); m = cart_json_next(m)) {
		const char *key = cart_json_key(m);

		if (after && strcmp(key, after) <= 0)
			continue;
		if (!best || strcmp(key, cart_json_key(best)) < 0)
			best = m;
	}
	return best;
}

/* First the sorted keys as lists, then the values in order of the keys. */
static int order_objects(struct run *r, const struct cart_json *a,
			 const struct cart_json *b)
{
	const struct cart_json *x = next_key(r, a, NULL), *y = next_key(r, b, NULL);
	int c;

	while (x && y) {
		c = sign(strcmp(cart_json_key(x), cart_json_key(y)));
		if (c)
			return c;
		x = next_key(r, a, cart_json_key(x));
		y = next_key(r, b, cart_json_key(y));
	}
	if (x || y)
		return x ? 1 : -1;
	for (x = next_key(r, a, NULL); x; x = next_key(r, a, cart_json_key(x))) {
		c = order(r, x, cart_json_get(b, cart_json_key(x)));
		if (c)
			return c;
	}
	return 0;
}

static int order(struct run *r, const struct cart_json *a,
		 const struct cart_json *b)
{
	int ra = rank(a), rb = rank(b);
	double x, y;

	if (ra != rb)
		return ra < rb ? -1 : 1;
	switch (ra) {
	case 3:
		x = cart_json_number(a);
		y = cart_json_number(b);
		return x < y ? -1 : x > y;
	case 4:
		/* UTF-8 bytes sort as code points do. */
		return sign(strcmp(cart_json_string(a), cart_json_string(b)));
	case 5:
		return order_arrays(r, a, b);
	case 6:
		return order_objects(r, a, b);
	default:
		return 0;
	}
}

/* ---- evaluation --------------------------------------------------------- */

typedef int (*emit_fn)(void *arg, const struct cart_json *value);

static int eval(struct run *r, const struct node *n,
		const struct cart_json *in, emit_fn emit, void *arg);

static const char *kind_name(const struct cart_json *v)
{
	static const char *const names[] = {
		"null", "boolean", "boolean", "number", "string", "array",
		"object"
	};

	return names[rank(v)];
}

/* What `?` makes an empty result is an error otherwise. */
static int wrong(struct run *r, const struct node *n, const char *what,
		 const struct cart_json *v, const char *key)
{
	if (n->opt)
		return 0;
	return cart_err_set(r->err, CART_ERR_INPUT, 0, "filter: %s %s%s%s", what,
			    kind_name(v), key ? " with " : "", key ? key : "");
}

static bool truthy(const struct cart_json *v)
{
	enum cart_json_type t = cart_json_type(v);

	return t != CART_JSON_NULL && (t != CART_JSON_BOOL || cart_json_bool(v));
}

static int eval_field(struct run *r, const struct node *n,
		      const struct cart_json *in, emit_fn emit, void *arg)
{
	const struct cart_json *v;

	if (cart_json_type(in) == CART_JSON_NULL)
		return emit(arg, r->f->null);
	if (cart_json_type(in) != CART_JSON_OBJECT)
		return wrong(r, n, "cannot index", in, n->name);
	v = cart_json_get(in, n->name);
	return emit(arg, v ? v : r->f->null);
}

static int eval_index(struct run *r, const struct node *n,
		      const struct cart_json *in, emit_fn emit, void *arg)
{
	const struct cart_json *v = NULL;
	int64_t i = n->index;

	if (cart_json_type(in) == CART_JSON_NULL)
		return emit(arg, r->f->null);
	if (cart_json_type(in) != CART_JSON_ARRAY)
		return wrong(r, n, "cannot index", in, "a number");
	if (i < 0)
		i += (int64_t)cart_json_size(in);
	if (i >= 0)
		v = cart_json_at(in, (size_t)i);
	return emit(arg, v ? v : r->f->null);
}

static int eval_each(struct run *r, const struct node *n,
		     const struct cart_json *in, emit_fn emit, void *arg)
{
	const struct cart_json *v;
	enum cart_json_type t = cart_json_type(in);

	if (t != CART_JSON_ARRAY && t != CART_JSON_OBJECT)
		return wrong(r, n, "cannot iterate over", in, NULL);
	for (v = cart_json_first(in); v; v = cart_json_next(v)) {
		if (spent(r))
			return too_long(r);
		if (emit(arg, v) < 0)
			return -1;
	}
	return 0;
}

static int eval_length(struct run *r, const struct node *n,
		       const struct cart_json *in, emit_fn emit, void *arg)
{
	struct cart_json *v;
	const char *s;
	double d = 0;
	int rc;

	switch (cart_json_type(in)) {
	case CART_JSON_NULL:
		break;
	case CART_JSON_BOOL:
		return wrong(r, n, "there is no length of a", in, NULL);
	case CART_JSON_NUMBER:
		d = fabs(cart_json_number(in));
		break;
	case CART_JSON_STRING:
		for (s = cart_json_string(in); *s; s++)
			d += ((unsigned char)*s & 0xc0) != 0x80;
		break;
	case CART_JSON_ARRAY:
	case CART_JSON_OBJECT:
		d = (double)cart_json_size(in);
		break;
	}
	v = new_number(d);
	if (!v)
		return cart_err_nomem(r->err);
	rc = emit(arg, v);
	cart_json_free(v);
	return rc;
}

struct link {
	struct run *r;
	const struct node *n;		/* what is evaluated next */
	const struct cart_json *in;	/* for its input, where it is not the value */
	const struct cart_json *right;
	emit_fn emit;
	void *arg;
};

static int on_pipe(void *arg, const struct cart_json *value)
{
	struct link *l = arg;

	return eval(l->r, l->n, value, l->emit, l->arg);
}

static int on_select(void *arg, const struct cart_json *value)
{
	struct link *l = arg;

	return truthy(value) ? l->emit(l->arg, l->in) : 0;
}

static int give_bool(struct link *l, bool v)
{
	return l->emit(l->arg, v ? l->r->f->yes : l->r->f->no);
}

static int on_right_of_logic(void *arg, const struct cart_json *value)
{
	return give_bool(arg, truthy(value));
}

static int on_left_of_logic(void *arg, const struct cart_json *value)
{
	struct link *l = arg;
	bool t = truthy(value);

	if (t != (l->n->kind == K_AND))
		return give_bool(l, t);
	return eval(l->r, l->n->b, l->in, on_right_of_logic, l);
}

static int on_left_of_compare(void *arg, const struct cart_json *value)
{
	struct link *l = arg;
	int c = order(l->r, value, l->right);

	if (spent(l->r))
		return too_long(l->r);

	switch (l->n->compare) {
	case C_EQ:
		return give_bool(l, c == 0);
	case C_NE:
		return give_bool(l, c != 0);
	case C_LT:
		return give_bool(l, c < 0);
	case C_LE:
		return give_bool(l, c <= 0);
	case C_GT:
		return give_bool(l, c > 0);
	case C_GE:
		break;
	}
	return give_bool(l, c >= 0);
}

/* jq takes the right side first, and for each of it all of the left. */
static int on_right_of_compare(void *arg, const struct cart_json *value)
{
	struct link l = *(struct link *)arg;

	l.right = value;
	return eval(l.r, l.n->a, l.in, on_left_of_compare, &l);
}

static int eval(struct run *r, const struct node *n,
		const struct cart_json *in, emit_fn emit, void *arg)
{
	struct link l = { r, n, in, NULL, emit, arg };

	if (spent(r))
		return too_long(r);
	switch (n->kind) {
	case K_SELF:
		return emit(arg, in);
	case K_FIELD:
		return eval_field(r, n, in, emit, arg);
	case K_INDEX:
		return eval_index(r, n, in, emit, arg);
	case K_EACH:
		return eval_each(r, n, in, emit, arg);
	case K_PIPE:
		l.n = n->b;
		return eval(r, n->a, in, on_pipe, &l);
	case K_LITERAL:
		return emit(arg, n->literal);
	case K_SELECT:
		return eval(r, n->a, in, on_select, &l);
	case K_LENGTH:
		return eval_length(r, n, in, emit, arg);
	case K_NOT:
		return give_bool(&l, !truthy(in));
	case K_AND:
	case K_OR:
		return eval(r, n->a, in, on_left_of_logic, &l);
	case K_COMPARE:
		return eval(r, n->b, in, on_right_of_compare, &l);
	}
	return cart_err_set(r->err, CART_ERR_INTERNAL, 0, "filter: bad node");
}

int cart_filter_run(const struct cart_filter *f, const struct cart_json *input,
		    int (*emit)(void *arg, const struct cart_json *value),
		    void *arg, struct cart_err *err)
{
	struct run r = { .f = f, .err = err };

	return eval(&r, f->root, input, emit, arg);
}
