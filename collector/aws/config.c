/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared config and credentials files: sections, "key = value" lines,
 * and one level of settings nested below a key that has no value of its own.
 * What botocore's reader refuses is refused here too, with the line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <crashcart/digest.h>
#include <crashcart/fdio.h>

#include "session.h"

#define ENTRIES_MAX	20000
#define LINE_MAX_BYTES	65536

/* Strings point into the text. */
struct entry {
	size_t section;		/* index */
	char *key, *sub;	/* sub NULL: not nested */
	char *value;
};

struct section {
	char *kind, *name;
	unsigned line;
	bool spelled;		/* "[profile default]", which beats [default] */
};

struct cart_config {
	char label[256];
	enum cart_config_kind kind;
	char *text;		/* cut into strings; locked memory */
	size_t text_size;
	struct entry *entries;
	size_t n_entries, entries_cap;
	struct section *sections;
	size_t n_sections, sections_cap;
};

struct parser {
	struct cart_config *c;
	struct cart_err *err;
	unsigned line;
	bool in_section;
	char *parent;		/* key that nested lines belong to, or NULL */
	size_t parent_indent;
	bool parent_empty;	/* it has no value of its own */
};

static int fail(struct parser *p, const char *why)
{
	return cart_err_set(p->err, CART_ERR_INPUT, 0, "%s line %u: %s",
			    p->c->label, p->line, why);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Cuts white space off both ends, in place. */
static char *trim(char *s, char *end)
{
	while (s < end && is_blank(*s))
		s++;
	while (end > s && is_blank(end[-1]))
		end--;
	*end = '\0';
	return s;
}

static void *grow(void *v, size_t *cap, size_t n, size_t size)
{
	void *p;

	if (n < *cap)
		return v;
	if (*cap >= ENTRIES_MAX)
		return NULL;
	p = realloc(v, (*cap ? *cap * 2 : 32) * size);
	if (p)
		*cap = *cap ? *cap * 2 : 32;
	return p;
}

/* ---- sections ------------------------------------------------------------- */

/* Takes one pair of quotes off a section's name. */
static char *unquote(char *s)
{
	size_t n = strlen(s);

	if (n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n - 1] == s[0]) {
		s[n - 1] = '\0';
		return s + 1;
	}
	return s;
}

static void name_section(const struct cart_config *c, char *text,
			 struct section *ret)
{
	static char profile[] = "profile", other[] = "";
	size_t n = strcspn(text, " \t");
	char *rest = text + n;

	if (c->kind == CART_CREDENTIALS_FILE || !strcmp(text, "default")) {
		ret->kind = profile;
		ret->name = text;
		return;
	}
	if (!*rest) {
		ret->kind = other;	/* [foo]: nothing that we know */
		ret->name = text;
		return;
	}
	*rest++ = '\0';
	ret->spelled = true;
	ret->kind = text;
	ret->name = unquote(trim(rest, rest + strlen(rest)));
}

static int add_section(struct parser *p, char *s, char *end)
{
	struct cart_config *c = p->c;
	char *close = memchr(s, ']', (size_t)(end - s));
	struct section *v, sec = { .line = p->line };
	size_t i;

	if (!close)
		return fail(p, "a section's name is not closed with ]");
	name_section(c, trim(s + 1, close), &sec);
	if (!*sec.name)
		return fail(p, "a section without a name");
	for (i = 0; i < c->n_sections; i++)
		if (!strcmp(c->sections[i].kind, sec.kind) &&
		    !strcmp(c->sections[i].name, sec.name) &&
		    c->sections[i].spelled == sec.spelled)
			return cart_err_set(p->err, CART_ERR_INPUT, 0,
					    "%s line %u: section \"%.80s\" is "
					    "already in line %u; join the two",
					    c->label, p->line, sec.name,
					    c->sections[i].line);
	v = grow(c->sections, &c->sections_cap, c->n_sections, sizeof(*v));
	if (!v)
		return fail(p, "too many sections");
	c->sections = v;
	v[c->n_sections++] = sec;
	p->in_section = true;
	p->parent = NULL;
	return 0;
}

/* ---- keys ----------------------------------------------------------------- */

static int add_entry(struct parser *p, char *key, char *sub, char *value)
{
	struct cart_config *c = p->c;
	size_t i, section = c->n_sections - 1;
	struct entry *v;

	for (i = c->n_entries; i-- > 0 && c->entries[i].section == section;) {
		const struct entry *e = &c->entries[i];

		if (!strcmp(e->key, key) && !e->sub == !sub &&
		    (!sub || !strcmp(e->sub, sub)))
			return fail(p, "this key is in the section already");
	}
	v = grow(c->entries, &c->entries_cap, c->n_entries, sizeof(*v));
	if (!v)
		return fail(p, "too many lines");
	c->entries = v;
	v[c->n_entries++] = (struct entry){ section, key, sub, value };
	return 0;
}

static void lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

/* Splits "key = value" in place; false if there is no separator. */
static bool split(char *s, char *end, char **ret_key, char **ret_value)
{
	char *eq = s;

	while (eq < end && *eq != '=' && *eq != ':')
		eq++;
	if (eq == end || eq == s)
		return false;
	*ret_value = trim(eq + 1, end);
	*ret_key = trim(s, eq);
	lower(*ret_key);
	return **ret_key != '\0';
}

static int parse_line(struct parser *p, char *s, char *end)
{
	size_t indent = 0;
	char *key, *value;

	if (memchr(s, '\0', (size_t)(end - s)))
		return fail(p, "holds a NUL byte");
	if (end - s > LINE_MAX_BYTES)
		return fail(p, "is longer than 65536 bytes");
	while (s + indent < end && is_blank(s[indent]))
		indent++;
	s += indent;
	if (s == end || *s == '#' || *s == ';')
		return 0;
	if (p->parent && indent > p->parent_indent) {
		/* goes on with a value that is complete: not for us */
		if (!p->parent_empty)
			return 0;
		if (!split(s, end, &key, &value))
			return fail(p, "is not \"key = value\"");
		return add_entry(p, p->parent, key, value);
	}
	if (*s == '[')
		return add_section(p, s, end);
	if (!p->in_section)
		return fail(p, "stands before the first [section]");
	if (!split(s, end, &key, &value))
		return fail(p, "is neither [section] nor \"key = value\"");
	p->parent = key;
	p->parent_indent = indent;
	p->parent_empty = !*value;
	return add_entry(p, key, NULL, value);
}

static int parse(struct parser *p, size_t len)
{
	char *s = p->c->text, *end = s + len;

	if (len >= 3 && !memcmp(s, "\xef\xbb\xbf", 3))
		s += 3;
	while (s < end) {
		char *eol = memchr(s, '\n', (size_t)(end - s));

		if (!eol)
			eol = end;
		p->line++;
		if (parse_line(p, s, eol) < 0)
			return -1;
		s = eol + 1;
	}
	return 0;
}

struct cart_config *cart_config_parse(const char *data, size_t len,
				      enum cart_config_kind kind,
				      const char *label, struct cart_err *err)
{
	struct cart_config *c = calloc(1, sizeof(*c));
	struct parser p = { .c = c, .err = err };

	if (!c) {
		cart_err_nomem(err);
		return NULL;
	}
	c->kind = kind;
	snprintf(c->label, sizeof(c->label), "%s", label);
	if (len > CART_CONFIG_MAX_BYTES) {
		cart_err_set(err, CART_ERR_LIMIT, 0,
			     "%s is larger than 1 MiB", label);
		goto fail;
	}
	c->text_size = len + 1;
	c->text = cart_secret_new(c->text_size, err);
	if (!c->text)
		goto fail;
	memcpy(c->text, data, len);
	if (parse(&p, len) < 0)
		goto fail;
	return c;
fail:
	cart_config_free(c);
	return NULL;
}

struct cart_config *cart_config_load(const char *path,
				     enum cart_config_kind kind,
				     struct cart_err *err)
{
	struct cart_config *c = NULL;
	struct cart_buf b;
	struct stat st;

	if (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return cart_config_parse("", 0, kind, path, err);
	cart_buf_init(&b, CART_CONFIG_MAX_BYTES);
	/* all at once, so that no copy stays behind in the heap */
	if (!cart_buf_reserve(&b, CART_CONFIG_MAX_BYTES))
		cart_err_nomem(err);
	else if (cart_file_read(AT_FDCWD, path, &b, err) == 0)
		c = cart_config_parse((const char *)b.data, b.len, kind, path,
				      err);
	if (b.data)
		cart_wipe(b.data, b.len);
	cart_buf_clear(&b);
	return c;
}

void cart_config_free(struct cart_config *c)
{
	if (!c)
		return;
	cart_secret_free(c->text, c->text_size);
	free(c->entries);
	free(c->sections);
	free(c);
}

const char *cart_config_label(const struct cart_config *c)
{
	return c->label;
}

/* Index of a section, or n_sections. */
static size_t find(const struct cart_config *c, const char *section,
		   const char *name)
{
	size_t i, n = c->n_sections;

	for (i = 0; i < c->n_sections; i++)
		if (!strcmp(c->sections[i].kind, section) &&
		    !strcmp(c->sections[i].name, name) &&
		    (n == c->n_sections || c->sections[i].spelled))
			n = i;
	return n;
}

bool cart_config_has(const struct cart_config *c, const char *section,
		     const char *name)
{
	return find(c, section, name) < c->n_sections;
}

unsigned cart_config_line(const struct cart_config *c, const char *section,
			  const char *name)
{
	size_t i = find(c, section, name);

	return i < c->n_sections ? c->sections[i].line : 0;
}

const char *cart_config_get(const struct cart_config *c, const char *section,
			    const char *name, const char *key, const char *sub)
{
	size_t s = find(c, section, name), i;

	if (s == c->n_sections)
		return NULL;
	for (i = 0; i < c->n_entries; i++) {
		const struct entry *e = &c->entries[i];

		if (e->section == s && !strcmp(e->key, key) &&
		    !e->sub == !sub && (!sub || !strcmp(e->sub, sub)))
			return e->value;
	}
	return NULL;
}
