/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <expat.h>

#include <crashcart/buf.h>
#include <crashcart/xml.h>

#define DEPTH_MAX 64
#define NODES_MAX 4000000
#define SLICE_BYTES ((size_t)1 << 28)
#define BLOCK_MIN ((size_t)16 * 1024)
#define BLOCK_MAX ((size_t)1024 * 1024)
#define NAMES 256			/* a power of two */

/* Everything of a document comes out of a few blocks. */
struct block {
	struct block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct cart_xml_doc {
	struct block *blocks;		/* the first one is being filled */
	struct cart_xml *root;
};

struct reader {
	struct cart_xml_doc *doc;
	XML_Parser parser;
	struct cart_xml *open[DEPTH_MAX];
	struct cart_xml *last_child[DEPTH_MAX];
	size_t text_from[DEPTH_MAX];	/* in text */
	unsigned depth;
	size_t nodes;
	/* Character data of the open elements.  What an element has is on top
	 * when it ends, and its parent's goes on from there. */
	struct cart_buf text;
	const char *names[NAMES];	/* recently used names */
	enum cart_err_class class;	/* why we stopped the parser */
	const char *why;
};

static void *take(struct cart_xml_doc *doc, size_t size, size_t align)
{
	struct block *b = doc->blocks;
	size_t at = 0, want;

	if (b)
		at = (b->used + align - 1) & ~(align - 1);
	if (!b || at > b->size || size > b->size - at) {
		want = b ? b->size * 2 : BLOCK_MIN;
		if (want > BLOCK_MAX)
			want = BLOCK_MAX;
		if (want < size)
			want = size;
		if (want > SIZE_MAX - sizeof(*b))
			return NULL;
		b = malloc(sizeof(*b) + want);
		if (!b)
			return NULL;
		b->next = doc->blocks;
		b->used = 0;
		b->size = want;
		doc->blocks = b;
		at = 0;
	}
	b->used = at + size;
	return b->bytes + at;
}

static char *take_text(struct cart_xml_doc *doc, const char *s, size_t len)
{
	char *p = len < SIZE_MAX ? take(doc, len + 1, 1) : NULL;

	if (!p)
		return NULL;
	if (len > 0)
		memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

static void stop(struct reader *r, enum cart_err_class class, const char *why)
{
	if (r->why)
		return;
	r->class = class;
	r->why = why;
	XML_StopParser(r->parser, XML_FALSE);
}

/* Names repeat: an equal one that was used lately is shared. */
static const char *intern(struct reader *r, const char *name)
{
	const char *p;
	size_t h = 5381;

	for (p = name; *p; p++)
		h = h * 33 + (unsigned char)*p;
	h = (h ^ h >> 8) % NAMES;
	if (r->names[h] && strcmp(r->names[h], name) == 0)
		return r->names[h];
	r->names[h] = take_text(r->doc, name, (size_t)(p - name));
	return r->names[h];
}

static bool add_attrs(struct reader *r, struct cart_xml *x, const char **attrs)
{
	const struct cart_xml_attr **last = &x->attrs;
	struct cart_xml_attr *a;

	for (; attrs[0]; attrs += 2) {
		a = take(r->doc, sizeof(*a), _Alignof(struct cart_xml_attr));
		if (!a)
			return false;
		a->name = intern(r, attrs[0]);
		a->value = take_text(r->doc, attrs[1], strlen(attrs[1]));
		a->next = NULL;
		if (!a->name || !a->value)
			return false;
		*last = a;
		last = &a->next;
		r->nodes++;
	}
	return true;
}

static void XMLCALL on_start(void *user, const char *name, const char **attrs)
{
	struct reader *r = user;
	struct cart_xml *x, *parent;

	if (r->why)
		return;
	if (r->depth == DEPTH_MAX) {
		stop(r, CART_ERR_LIMIT, "nested too deeply");
		return;
	}
	if (++r->nodes > NODES_MAX) {
		stop(r, CART_ERR_LIMIT, "too many elements");
		return;
	}
	x = take(r->doc, sizeof(*x), _Alignof(struct cart_xml));
	if (!x) {
		stop(r, CART_ERR_MEMORY, "out of memory");
		return;
	}
	memset(x, 0, sizeof(*x));
	x->text = "";
	x->name = intern(r, name);
	if (!x->name || !add_attrs(r, x, attrs)) {
		stop(r, CART_ERR_MEMORY, "out of memory");
		return;
	}
	if (r->depth == 0) {
		r->doc->root = x;
	} else {
		parent = r->open[r->depth - 1];
		if (r->last_child[r->depth - 1])
			r->last_child[r->depth - 1]->next = x;
		else
			parent->child = x;
		r->last_child[r->depth - 1] = x;
	}
	r->open[r->depth] = x;
	r->last_child[r->depth] = NULL;
	r->text_from[r->depth] = r->text.len;
	r->depth++;
}

static bool blank(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != ' ' && p[i] != '\n' && p[i] != '\t' && p[i] != '\r')
			return false;
	return true;
}

static void XMLCALL on_end(void *user, const char *name)
{
	struct reader *r = user;
	struct cart_xml *x;
	const unsigned char *text;
	size_t from, len;

	(void)name;
	if (r->why || r->depth == 0)
		return;
	r->depth--;
	x = r->open[r->depth];
	from = r->text_from[r->depth];
	len = r->text.len - from;
	if (len == 0)
		return;
	text = r->text.data + from;
	r->text.len = from;
	if (x->child && blank(text, len))
		return;
	x->text = take_text(r->doc, (const char *)text, len);
	x->text_len = len;
	if (!x->text)
		stop(r, CART_ERR_MEMORY, "out of memory");
}

static void XMLCALL on_text(void *user, const char *s, int len)
{
	struct reader *r = user;

	if (r->why)
		return;
	cart_buf_add(&r->text, s, (size_t)len);
	if (!cart_buf_ok(&r->text))
		stop(r, CART_ERR_MEMORY, "out of memory");
}

static void XMLCALL on_doctype(void *user, const char *name, const char *sysid,
			       const char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	stop(user, CART_ERR_INPUT, "a document type declaration is refused");
}

static void XMLCALL on_entity(void *user, const char *name, int parameter,
			      const char *value, int len, const char *base,
			      const char *sysid, const char *pubid,
			      const char *notation)
{
	(void)name;
	(void)parameter;
	(void)value;
	(void)len;
	(void)base;
	(void)sysid;
	(void)pubid;
	(void)notation;
	stop(user, CART_ERR_INPUT, "an entity declaration is refused");
}

static int report(struct reader *r, struct cart_err *err)
{
	enum XML_Error code = XML_GetErrorCode(r->parser);
	enum cart_err_class class = r->why ? r->class : CART_ERR_INPUT;
	const char *why = r->why ? r->why : XML_ErrorString(code);

	if (class == CART_ERR_MEMORY || code == XML_ERROR_NO_MEMORY)
		return cart_err_nomem(err);
	return cart_err_set(err, class, 0, "line %lu, column %lu: %s",
			    (unsigned long)XML_GetCurrentLineNumber(r->parser),
			    (unsigned long)XML_GetCurrentColumnNumber(r->parser)
				    + 1,
			    why ? why : "not well-formed");
}

static int feed(struct reader *r, const char *p, size_t len,
		struct cart_err *err)
{
	size_t n;

	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	XML_SetEntityDeclHandler(r->parser, on_entity);
	do {
		n = len < SLICE_BYTES ? len : SLICE_BYTES;
		if (XML_Parse(r->parser, p, (int)n, n == len) != XML_STATUS_OK)
			return report(r, err);
		p += n;
		len -= n;
	} while (len > 0);
	return 0;
}

/* expat asks the system for one each time, by two calls: one for all. */
static unsigned long hash_salt(void)
{
	static _Atomic unsigned long salt;
	unsigned long s = salt;

	if (!s) {
		if (getrandom(&s, sizeof(s), GRND_NONBLOCK) != sizeof(s))
			s = 0;		/* then expat looks for itself */
		salt = s;
	}
	return s;
}

struct cart_xml_doc *cart_xml_parse(const void *data, size_t len,
				    struct cart_err *err)
{
	struct cart_xml_doc *doc = NULL;
	struct reader *r;
	int rc = -1;

	r = calloc(1, sizeof(*r));
	if (!r) {
		cart_err_nomem(err);
		return NULL;
	}
	cart_buf_init(&r->text, SIZE_MAX);
	doc = calloc(1, sizeof(*doc));
	/* the name given here wins over the document's own declaration */
	r->parser = XML_ParserCreate("UTF-8");
	if (r->parser)
		XML_SetHashSalt(r->parser, hash_salt());
	r->doc = doc;
	if (!doc || !r->parser) {
		cart_err_nomem(err);
		goto out;
	}
	rc = feed(r, len > 0 ? data : "", len, err);
out:
	if (r->parser)
		XML_ParserFree(r->parser);
	cart_buf_clear(&r->text);
	free(r);
	if (rc < 0) {
		cart_xml_free(doc);
		return NULL;
	}
	return doc;
}

const struct cart_xml *cart_xml_root(const struct cart_xml_doc *doc)
{
	return doc->root;
}

void cart_xml_free(struct cart_xml_doc *doc)
{
	struct block *b;

	if (!doc)
		return;
	while ((b = doc->blocks) != NULL) {
		doc->blocks = b->next;
		free(b);
	}
	free(doc);
}

const struct cart_xml *cart_xml_find(const struct cart_xml *x, const char *name)
{
	const struct cart_xml *c;

	for (c = x ? x->child : NULL; c; c = c->next)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

void cart_xml_escape(const char *s, size_t len, struct cart_buf *b)
{
	size_t i, run = 0;

	for (i = 0; i < len; i++) {
		const char *name = NULL;
		unsigned char c = (unsigned char)s[i];

		if (c == '&')
			name = "&amp;";
		else if (c == '<')
			name = "&lt;";
		else if (c == '>')
			name = "&gt;";
		else if (c == '"')
			name = "&quot;";
		else if (c == '\'')
			name = "&#39;";
		else if (c >= 0x20)
			continue;
		cart_buf_add(b, s + run, i - run);
		if (name)
			cart_buf_adds(b, name);
		else
			cart_buf_addf(b, "&#x%X;", c);
		run = i + 1;
	}
	cart_buf_add(b, s + run, len - run);
}
