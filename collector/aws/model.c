/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_model.h>
#include <crashcart/buf.h>
#include <crashcart/compress.h>
#include <crashcart/embed.h>
#include <crashcart/text.h>

#include "model.h"

/*
 * The blob (integers little-endian; "number" is a LEB128 of at most 5 bytes;
 * "text" ends with NUL):
 *
 *   "cartmodl", u32 format, u32 index packed, index raw, dictionary packed,
 *   dictionary raw; then these two and the services' frames, zstd.
 *
 * Index: text version; partitions (number, each text id, suffix, dual-stack
 * suffix, default region, number of name prefixes, those); regions (number,
 * each text name, number partition); services (number, each text name,
 * number packed, number raw, number flags, text title); aliases (number,
 * each text alias, text name).
 *
 * A service's frame: u32 length of each of 9 columns, then the columns.  A
 * fact is read from the column of its kind, in the order that read_service
 * shows; a string is a number, 0 for the next one in the column of texts.
 */
#define FORMAT		1u
#define INDEX_MAX	(1u << 20)
#define FRAME_MAX	(8u << 20)
#define LIST_MAX	4096u		/* services, regions, partitions */
#define SMALL		6		/* members that a scan finds faster */

enum column {
	COL_TEXT, COL_STRING, COL_SHAPE, COL_REF, COL_MEMBER, COL_COUNT,
	COL_MASK, COL_OP, COL_ENDPOINT, COLUMNS
};

#define REF_NAME	1u
#define REF_DECAP	2u
#define REF_FLAGS	4u
#define REF_XMLNS	8u
#define REF_QUERY	16u

#define OP_INPUT	(1u << 0)
#define OP_OUTPUT	(1u << 1)
#define OP_NOAUTH	(1u << 2)
#define OP_BEARER	(1u << 3)
#define OP_UNSIGNED	(1u << 4)
#define OP_CHECKSUM	(1u << 5)
#define OP_MD5		(1u << 6)
#define OP_STREAMIN	(1u << 7)
#define OP_STREAMOUT	(1u << 8)
#define OP_EVENTS	(1u << 9)
#define OP_PAGES	(1u << 10)
#define OP_DEPRECATED	(1u << 11)
#define OP_WRAPPER	(1u << 12)
#define OP_HOST		(1u << 13)
#define OP_VARIANT	(1u << 14)
#define OP_ALGORITHM	(1u << 15)
#define OP_EVENTSIN	(1u << 16)
#define OP_DISCOVER	(1u << 17)

static const char *const methods[] = {
	"POST", "GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"
};

static const char *const class_names[] = {
	"unreviewed", "read", "secret", "mint", "spend", "write", "destroy"
};

static const char *const kind_names[CART_KINDS] = {
	"a string", "an integer", "an integer", "a number", "a number",
	"true or false", "a time", "base64 text", "a list", "an object",
	"an object"
};

struct partition {
	struct cart_partition pub;
	const char **prefixes;
	size_t n;
};

struct region {
	const char *name;
	size_t partition;
};

struct service {
	const char *name;
	const char *title;
	const uint8_t *packed;
	size_t packed_len;
	size_t raw_len;
	bool global;
	struct cart_svc *svc;		/* NULL until asked for */
};

struct alias {
	const char *alias;
	const char *name;
};

struct cart_model {
	struct cart_buf index;		/* texts point into it */
	struct cart_buf dict;
	struct cart_chunk *chunks;
	const char *version;
	struct partition *partitions;
	size_t partition_count;
	struct region *regions;
	size_t region_count;
	struct service *services;
	size_t service_count;
	struct alias *aliases;
	size_t alias_count;
	pthread_mutex_t lock;		/* of services[].svc */
};

/* ---- memory that is freed as one --------------------------------------- */

struct cart_chunk {
	struct cart_chunk *next;
	size_t used;
	size_t size;
	max_align_t data[];
};

#define CHUNK_BYTES	(64u * 1024)

static void *chunk_alloc(struct cart_chunk **list, size_t n, size_t size)
{
	const size_t align = sizeof(max_align_t);
	struct cart_chunk *c = *list;
	size_t bytes, room;
	void *p;

	if (n && size > SIZE_MAX / 2 / n)
		return NULL;
	bytes = (n * size + align - 1) / align * align;
	if (!c || c->size - c->used < bytes) {
		room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		c = calloc(1, sizeof(*c) + room);
		if (!c)
			return NULL;
		c->size = room;
		c->next = *list;
		*list = c;
	}
	p = (char *)c->data + c->used;
	c->used += bytes;
	return p;
}

static void chunks_free(struct cart_chunk *c)
{
	struct cart_chunk *next;

	for (; c; c = next) {
		next = c->next;
		free(c);
	}
}

/* ---- bounded reading --------------------------------------------------- */

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;		/* sticky: something did not fit */
};

static uint32_t get_number(struct cursor *c)
{
	uint32_t v = 0;
	unsigned shift;

	for (shift = 0; shift < 35; shift += 7) {
		uint32_t b;

		if (c->p == c->end)
			break;
		b = *c->p++;
		if (shift == 28 && b > 0x0f)
			break;
		v |= (b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

static const char *get_text(struct cursor *c)
{
	const uint8_t *nul = NULL;
	const char *s;

	if (c->p != c->end)
		nul = memchr(c->p, 0, (size_t)(c->end - c->p));
	if (!nul) {
		c->bad = true;
		return "";
	}
	s = (const char *)c->p;
	c->p = nul + 1;
	return s;
}

/* A number of things that each take at least one more byte. */
static uint32_t get_count(struct cursor *c, uint32_t max)
{
	uint32_t n = get_number(c);

	if (n > max) {
		c->bad = true;
		return 0;
	}
	return n;
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

/* ---- names ------------------------------------------------------------- */

static uint32_t name_hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h ^ h >> 15;
}

const char *cart_model_wire_name(const struct cart_svc *svc,
				 const struct cart_member *m)
{
	const struct cart_shape *s = m->ref.shape;

	/* In XML the elements of a flattened list carry the list's element
	 * name, and nothing carries the list's own. */
	if (svc->info.protocol != CART_PROTO_JSON &&
	    svc->info.protocol != CART_PROTO_REST_JSON &&
	    s->kind == CART_KIND_LIST && (m->ref.flags & CART_REF_FLAT) &&
	    s->member.name)
		return s->member.name;
	return m->ref.name ? m->ref.name : m->name;
}

/* Notes that member i is called as the earlier member k in replies. */
static void find_same(const struct cart_svc *svc, struct cart_shape *s,
		      unsigned i, unsigned k)
{
	if (!s->members[i].same &&
	    !strcmp(cart_model_wire_name(svc, s->members[i].m),
		    cart_model_wire_name(svc, s->members[k].m)))
		s->members[i].same = (uint16_t)(k + 1);
}

static int build_names(struct cart_svc *svc, struct cart_shape *s, bool wire,
		       struct cart_names *ret)
{
	uint32_t size = 8;
	unsigned i, k;

	if (s->n <= SMALL) {
		for (i = 1; wire && i < s->n; i++) {
			for (k = 0; k < i; k++)
				find_same(svc, s, i, k);
		}
		return 0;
	}
	while (size < s->n * 2u)
		size *= 2;
	ret->slots = chunk_alloc(&svc->chunks, size, sizeof(*ret->slots));
	if (!ret->slots)
		return -1;
	ret->mask = size - 1;
	for (i = 0; i < s->n; i++) {
		const struct cart_member *m = s->members[i].m;
		uint32_t h = name_hash(wire ? cart_model_wire_name(svc, m) :
				       m->name);

		while (ret->slots[h & ret->mask]) {
			if (wire)
				find_same(svc, s, i,
					  ret->slots[h & ret->mask] - 1u);
			h++;
		}
		ret->slots[h & ret->mask] = (uint16_t)(i + 1);
	}
	return 0;
}

int cart_model_member(const struct cart_shape *s, const char *name)
{
	const struct cart_names *t = &s->by_name;
	uint32_t h;
	unsigned i;

	if (!t->slots) {
		for (i = 0; i < s->n; i++) {
			if (!strcmp(s->members[i].m->name, name))
				return (int)i;
		}
		return -1;
	}
	for (h = name_hash(name); t->slots[h & t->mask]; h++) {
		i = t->slots[h & t->mask] - 1u;
		if (!strcmp(s->members[i].m->name, name))
			return (int)i;
	}
	return -1;
}

/* Inlined by hand: this is the innermost loop of parsing a reply. */
static bool wire_is(const struct cart_shape *s, unsigned i, const char *name)
{
	const struct cart_member *m = s->members[i].m;
	const struct cart_ref *r = &m->ref;
	const char *w;

	if ((r->flags & CART_REF_FLAT) && r->shape->kind == CART_KIND_LIST &&
	    r->shape->member.name)
		w = r->shape->member.name;
	else
		w = r->name ? r->name : m->name;
	return !strcmp(w, name);
}

int cart_model_wire_member(const struct cart_shape *s, const char *name,
			   unsigned *hint)
{
	const struct cart_names *t = &s->by_wire;
	unsigned i = *hint;
	uint32_t h;

	if (i < s->n && wire_is(s, i, name)) {
		*hint = i + 1;
		return (int)i;
	}
	if (!t->slots) {
		for (i = 0; i < s->n; i++) {
			if (wire_is(s, i, name)) {
				*hint = i + 1;
				return (int)i;
			}
		}
		return -1;
	}
	for (h = name_hash(name); t->slots[h & t->mask]; h++) {
		i = t->slots[h & t->mask] - 1u;
		if (wire_is(s, i, name)) {
			*hint = i + 1;
			return (int)i;
		}
	}
	return -1;
}

const char *cart_model_kind_name(const struct cart_shape *s)
{
	if (s->flags & CART_SHAPE_DOCUMENT)
		return "any JSON";
	return kind_names[s->kind];
}

/* ---- one service ------------------------------------------------------- */

struct reader {
	struct cart_svc *svc;
	struct cursor col[COLUMNS];
	const char **strings;
	size_t string_count;
	size_t string_cap;
	struct cart_shape **shapes;	/* by number; filled as they come */
	size_t shape_count;
	size_t shape_cap;
	size_t defined;
	struct cart_member **members;
	size_t member_count;
	size_t member_cap;
	bool nomem;
	bool bad;
};

static const struct cart_shape scalars[8][3] = {
#define SCALAR(k) { { .kind = k }, \
	{ .kind = k, .flags = CART_SHAPE_SENSITIVE }, \
	{ .kind = k, .flags = CART_SHAPE_POLICY } }
	SCALAR(CART_KIND_STRING), SCALAR(CART_KIND_INTEGER),
	SCALAR(CART_KIND_LONG), SCALAR(CART_KIND_FLOAT),
	SCALAR(CART_KIND_DOUBLE), SCALAR(CART_KIND_BOOLEAN),
	SCALAR(CART_KIND_TIMESTAMP), SCALAR(CART_KIND_BLOB)
#undef SCALAR
};

static uint32_t num(struct reader *r, enum column col)
{
	return get_number(&r->col[col]);
}

/* A count whose things take a byte each of another column. */
static uint32_t num_of(struct reader *r, enum column col, enum column of)
{
	size_t left = (size_t)(r->col[of].end - r->col[of].p);
	uint32_t n = num(r, col);

	if (n > left || n > UINT16_MAX) {
		r->bad = true;
		return 0;
	}
	return n;
}

static void *take(struct reader *r, size_t n, size_t size)
{
	void *p = chunk_alloc(&r->svc->chunks, n, size);

	if (!p)
		r->nomem = true;
	return p;
}

static bool grow(struct reader *r, void *array, size_t *cap, size_t need)
{
	void **a = array;
	size_t want = *cap ? *cap * 2 : 256;
	void *p;

	if (need < *cap)
		return true;
	p = realloc(*a, want * sizeof(void *));
	if (!p) {
		r->nomem = true;
		return false;
	}
	*a = p;
	*cap = want;
	return true;
}

static const char *str(struct reader *r, enum column col)
{
	uint32_t i = num(r, col);
	const char *s;

	if (i) {
		if (i > r->string_count) {
			r->bad = true;
			return "";
		}
		return r->strings[i - 1];
	}
	s = get_text(&r->col[COL_TEXT]);
	if (!grow(r, &r->strings, &r->string_cap, r->string_count))
		return "";
	r->strings[r->string_count++] = s;
	return s;
}

static const char *str_or_null(struct reader *r, enum column col)
{
	const char *s = str(r, col);

	return *s ? s : NULL;
}

static void read_ref(struct reader *r, const char *member,
		     struct cart_ref *ret)
{
	uint32_t mask = num(r, COL_MASK), code;

	if (mask & REF_NAME) {
		ret->name = str(r, COL_STRING);
	} else if ((mask & REF_DECAP) && member) {
		size_t len = strlen(member);
		char *s = take(r, len + 1, 1);

		if (!s)
			return;
		memcpy(s, member, len + 1);
		if (s[0] >= 'A' && s[0] <= 'Z')
			s[0] = (char)(s[0] - 'A' + 'a');
		ret->name = s;
	}
	if (mask & REF_FLAGS) {
		uint32_t f = num(r, COL_MASK);

		ret->flags = (uint16_t)(f & 0x7f);
		ret->location = f >> 7 & 7;
		ret->time = f >> 10 & 3;
		if (f >> 12 || ret->location > CART_IN_STATUS)
			r->bad = true;
	}
	if (mask & REF_XMLNS)
		ret->xmlns = str(r, COL_STRING);
	if (mask & REF_QUERY)
		ret->query = str(r, COL_STRING);
	code = num(r, COL_REF);
	if (code >= 1 && code <= 24) {
		ret->shape = &scalars[(code - 1) / 3][(code - 1) % 3];
		return;
	}
	if (code) {
		if (code - 25 >= r->shape_count) {
			r->bad = true;
			ret->shape = &scalars[0][0];
			return;
		}
		ret->shape = r->shapes[code - 25];
		return;
	}
	/* Defined later, by read_shapes; the address is known now.  Each
	 * takes a byte of the column, so they cannot outnumber it. */
	ret->shape = &scalars[0][0];
	if (r->col[COL_REF].bad ||
	    !grow(r, &r->shapes, &r->shape_cap, r->shape_count))
		return;
	r->shapes[r->shape_count] = take(r, 1, sizeof(**r->shapes));
	if (!r->shapes[r->shape_count])
		return;
	ret->shape = r->shapes[r->shape_count++];
}

static const struct cart_member *read_member(struct reader *r,
					     bool *ret_required)
{
	uint32_t code = num(r, COL_MEMBER);
	struct cart_member *m;

	*ret_required = code & 1;
	if (code >= 2) {
		if (code / 2 - 1 >= r->member_count) {
			r->bad = true;
			return NULL;
		}
		return r->members[code / 2 - 1];
	}
	if (!grow(r, &r->members, &r->member_cap, r->member_count))
		return NULL;
	m = take(r, 1, sizeof(*m));
	if (!m)
		return NULL;
	/* Its number is taken before its reference is read: the writer
	 * counts in the same order. */
	r->members[r->member_count++] = m;
	m->name = str(r, COL_STRING);
	read_ref(r, m->name, &m->ref);
	return m;
}

static bool failed(const struct reader *r)
{
	unsigned i;

	for (i = 0; i < COLUMNS; i++) {
		if (r->col[i].bad)
			return true;
	}
	return r->bad || r->nomem;
}

static void read_structure(struct reader *r, struct cart_shape *s)
{
	unsigned i;

	s->n = (uint16_t)num_of(r, COL_COUNT, COL_MEMBER);
	s->payload = (uint16_t)num(r, COL_SHAPE);
	if (s->payload > s->n) {
		r->bad = true;
		return;
	}
	if (!s->n)
		return;
	s->members = take(r, s->n, sizeof(*s->members));
	for (i = 0; s->members && i < s->n && !failed(r); i++)
		s->members[i].m = read_member(r, &s->members[i].required);
}

/* Defines every shape that was referred to and is not defined yet. */
static void read_shapes(struct reader *r)
{
	while (r->defined < r->shape_count && !failed(r)) {
		struct cart_shape *s = r->shapes[r->defined++];
		uint32_t v = num(r, COL_SHAPE);

		s->kind = (uint8_t)(CART_KIND_LIST + (v & 3));
		s->flags = (uint8_t)(v >> 2 & 31);
		switch (s->kind) {
		case CART_KIND_LIST:
			read_ref(r, NULL, &s->member);
			break;
		case CART_KIND_MAP:
			read_ref(r, NULL, &s->key);
			read_ref(r, NULL, &s->member);
			break;
		case CART_KIND_STRUCTURE:
			read_structure(r, s);
			break;
		default:
			r->bad = true;
		}
	}
}

static void read_exprs(struct reader *r, struct cart_exprs *ret)
{
	size_t i, n = num_of(r, COL_COUNT, COL_STRING);

	ret->v = take(r, n, sizeof(*ret->v));
	for (i = 0; ret->v && i < n && !failed(r); i++)
		ret->v[ret->n++] = str(r, COL_STRING);
}

static void read_op(struct reader *r, struct cart_op *op)
{
	struct cart_op_info *o = &op->info;
	uint32_t f, m, class;

	op->svc = r->svc;
	o->name = str(r, COL_STRING);
	f = num(r, COL_OP);
	m = num(r, COL_OP);
	o->no_auth = f & OP_NOAUTH;
	o->bearer = f & OP_BEARER;
	o->unsigned_payload = f & OP_UNSIGNED;
	o->checksum_required = f & (OP_CHECKSUM | OP_MD5);
	o->stream_in = f & OP_STREAMIN;
	o->stream_out = f & OP_STREAMOUT;
	o->event_stream = f & OP_EVENTS;
	op->events_in = f & OP_EVENTSIN;
	o->discovery = f & OP_DISCOVER;
	o->paginated = f & OP_PAGES;
	o->deprecated = f & OP_DEPRECATED;
	op->has_input = f & OP_INPUT;
	op->has_output = f & OP_OUTPUT;
	if ((m & 7) >= sizeof(methods) / sizeof(*methods)) {
		r->bad = true;
		return;
	}
	o->method = methods[m & 7];
	o->uri = m & 8 ? "/" : str(r, COL_STRING);
	class = num(r, COL_OP);
	if (class > CART_OP_DESTROY) {
		r->bad = true;
		return;
	}
	o->class = (enum cart_op_class)class;
	o->host_prefix = f & OP_HOST ? str(r, COL_STRING) : "";
	op->variant = f & OP_VARIANT ? (uint16_t)num(r, COL_OP) : 0;
	op->wrapper = f & OP_WRAPPER ? str(r, COL_STRING) : NULL;
	op->checksum_member = f & OP_ALGORITHM ? str(r, COL_STRING) : "";
	op->more_results = "";
	op->limit_key = "";
	if (op->has_input)
		read_ref(r, NULL, &op->input);
	if (op->has_output)
		read_ref(r, NULL, &op->output);
	if (f & OP_PAGES) {
		op->more_results = str(r, COL_STRING);
		op->limit_key = str(r, COL_STRING);
		read_exprs(r, &op->input_token);
		read_exprs(r, &op->output_token);
		read_exprs(r, &op->result_key);
		read_exprs(r, &op->other_key);
		if (op->input_token.n != op->output_token.n)
			r->bad = true;
	}
	read_shapes(r);
	/* What encodes and parses relies on these being structures. */
	if ((op->has_input && op->input.shape->kind != CART_KIND_STRUCTURE) ||
	    (op->has_output && op->output.shape->kind != CART_KIND_STRUCTURE))
		r->bad = true;
}

static void read_endpoints(struct reader *r)
{
	struct cart_svc *svc = r->svc;
	struct cursor *c = &r->col[COL_ENDPOINT];
	size_t n, i, k;

	n = get_count(c, 64);
	svc->variants = take(r, n, sizeof(*svc->variants));
	if (!svc->variants)
		return;
	svc->variant_count = n;
	for (i = 0; i < n && !failed(r); i++) {
		struct cart_rules *rules = &svc->variants[i];
		size_t count = num_of(r, COL_ENDPOINT, COL_ENDPOINT);

		rules->v = take(r, count, sizeof(*rules->v));
		for (k = 0; rules->v && k < count && !failed(r); k++) {
			struct cart_rule *rule = &rules->v[k];
			uint32_t v = get_number(c);

			rule->flags = v & 3;
			rule->scope = v >> 2;
			rule->host = str(r, COL_STRING);
			rule->region = str(r, COL_STRING);
			rule->name = str(r, COL_STRING);
			rules->n++;
		}
	}
	n = get_number(c);
	if (n > (size_t)(c->end - c->p)) {
		c->bad = true;
		return;
	}
	if (n) {
		uint8_t *bits = take(r, n, 1);

		if (!bits)
			return;
		memcpy(bits, c->p, n);
		svc->regions = bits;
		svc->region_bytes = n;
		c->p += n;
	}
}

static void read_service(struct reader *r)
{
	struct cart_svc *svc = r->svc;
	struct cart_svc_info *info = &svc->info;
	size_t i;
	uint32_t v;

	info->id = str(r, COL_STRING);
	info->api_version = str(r, COL_STRING);
	info->endpoint_prefix = str(r, COL_STRING);
	info->signing_name = str(r, COL_STRING);
	info->target_prefix = str(r, COL_STRING);
	info->json_version = str(r, COL_STRING);
	svc->xmlns = str_or_null(r, COL_STRING);
	v = num(r, COL_COUNT);
	if (v > CART_PROTO_REST_XML) {
		r->bad = true;
		return;
	}
	info->protocol = (enum cart_proto)v;
	v = num(r, COL_COUNT);
	svc->query_compatible = v & 1;
	info->old_signature = v & 2;
	info->op_count = num_of(r, COL_COUNT, COL_OP);
	svc->ops = take(r, info->op_count, sizeof(*svc->ops));
	for (i = 0; svc->ops && i < info->op_count && !failed(r); i++)
		read_op(r, &svc->ops[i]);
	if (num(r, COL_COUNT) != r->shape_count)
		r->bad = true;
	read_endpoints(r);
	for (i = 0; i < info->op_count && !failed(r); i++) {
		if (svc->ops[i].variant >= svc->variant_count)
			r->bad = true;
	}
	for (i = 0; i < r->shape_count && !failed(r); i++) {
		if (build_names(svc, r->shapes[i], false,
				&r->shapes[i]->by_name) ||
		    build_names(svc, r->shapes[i], true,
				&r->shapes[i]->by_wire))
			r->nomem = true;
	}
}

static void svc_free(struct cart_svc *svc)
{
	if (!svc)
		return;
	chunks_free(svc->chunks);
	free(svc);
}

static struct cart_svc *load(const struct cart_model *m,
			     const struct service *s, struct cart_err *err)
{
	struct reader r = { 0 };
	struct cart_svc *svc = NULL;
	struct cart_buf raw;
	const uint8_t *p, *end;
	uint8_t *text;
	unsigned i;
	int rc = -1;

	cart_buf_init(&raw, s->raw_len);
	svc = calloc(1, sizeof(*svc));
	if (!svc) {
		cart_err_nomem(err);
		goto out;
	}
	if (cart_zstd_decompress(s->packed, s->packed_len, m->dict.data,
				 m->dict.len, &raw, err))
		goto out;
	svc->model = m;
	svc->info.name = s->name;
	svc->info.title = s->title;
	svc->info.global = s->global;
	r.svc = svc;
	if (raw.len != s->raw_len || raw.len < 4 * COLUMNS) {
		cart_err_set(err, CART_ERR_INPUT, 0, "frame has a wrong size");
		goto out;
	}
	p = raw.data + 4 * COLUMNS;
	end = raw.data + raw.len;
	for (i = 0; i < COLUMNS; i++) {
		uint32_t n = le32(raw.data + 4 * i);

		if (n > (size_t)(end - p)) {
			cart_err_set(err, CART_ERR_INPUT, 0,
				     "column %u goes beyond the frame", i);
			goto out;
		}
		r.col[i].p = p;
		r.col[i].end = p += n;
	}
	/* The texts are all that outlives the frame. */
	i = le32(raw.data);
	text = take(&r, i, 1);
	if (text) {
		memcpy(text, r.col[COL_TEXT].p, i);
		r.col[COL_TEXT].p = text;
		r.col[COL_TEXT].end = text + i;
		read_service(&r);
	}
	if (r.nomem) {
		cart_err_nomem(err);
		goto out;
	}
	if (failed(&r)) {
		cart_err_set(err, CART_ERR_INPUT, 0, "frame does not parse");
		goto out;
	}
	rc = 0;
out:
	free(r.strings);
	free(r.shapes);
	free(r.members);
	cart_buf_clear(&raw);
	if (rc) {
		cart_err_prefix(err, "service model of %s", s->name);
		svc_free(svc);
		svc = NULL;
	}
	return svc;
}

/* ---- the blob ---------------------------------------------------------- */

static void *m_take(struct cart_model *m, struct cursor *c, size_t n,
		    size_t size)
{
	void *p = chunk_alloc(&m->chunks, n, size);

	if (!p)
		c->bad = true;
	return p;
}

static void read_index(struct cart_model *m, struct cursor *c,
		       const uint8_t *frames, size_t frames_len)
{
	size_t i, k, n;

	m->version = get_text(c);
	n = get_count(c, LIST_MAX);
	m->partitions = m_take(m, c, n, sizeof(*m->partitions));
	for (i = 0; !c->bad && i < n; i++) {
		struct partition *p = &m->partitions[i];

		p->pub.id = get_text(c);
		p->pub.dns_suffix = get_text(c);
		p->pub.dualstack_suffix = get_text(c);
		p->pub.default_region = get_text(c);
		p->n = get_count(c, LIST_MAX);
		p->prefixes = m_take(m, c, p->n, sizeof(*p->prefixes));
		for (k = 0; !c->bad && k < p->n; k++)
			p->prefixes[k] = get_text(c);
		m->partition_count++;
	}
	n = get_count(c, LIST_MAX);
	m->regions = m_take(m, c, n, sizeof(*m->regions));
	for (i = 0; !c->bad && i < n; i++) {
		m->regions[i].name = get_text(c);
		m->regions[i].partition = get_number(c);
		if (m->regions[i].partition >= m->partition_count)
			c->bad = true;
		m->region_count++;
	}
	n = get_count(c, LIST_MAX);
	m->services = m_take(m, c, n, sizeof(*m->services));
	for (i = 0; !c->bad && i < n; i++) {
		struct service *s = &m->services[i];

		s->name = get_text(c);
		s->packed_len = get_number(c);
		s->raw_len = get_number(c);
		s->global = get_number(c) & 1;
		s->title = get_text(c);
		if (s->packed_len > frames_len || s->raw_len > FRAME_MAX ||
		    (i && strcmp(m->services[i - 1].name, s->name) >= 0))
			c->bad = true;
		if (c->bad)
			break;
		s->packed = frames;
		frames += s->packed_len;
		frames_len -= s->packed_len;
		m->service_count++;
	}
	n = get_count(c, LIST_MAX);
	m->aliases = m_take(m, c, n, sizeof(*m->aliases));
	for (i = 0; !c->bad && i < n; i++) {
		m->aliases[i].alias = get_text(c);
		m->aliases[i].name = get_text(c);
		m->alias_count++;
	}
	if (c->p != c->end || frames_len)
		c->bad = true;
}

struct cart_model *cart_model_open(const void *blob, size_t len,
				   struct cart_err *err)
{
	static const char magic[8] = "cartmodl";
	const uint8_t *p = blob;
	struct cart_model *m = NULL;
	struct cursor c = { 0 };
	size_t zindex, index, zdict, dict;
	int rc = -1;

	if (len < 28 || memcmp(p, magic, 8) || le32(p + 8) != FORMAT) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "not a service model of format %u", FORMAT);
		return NULL;
	}
	zindex = le32(p + 12);
	index = le32(p + 16);
	zdict = le32(p + 20);
	dict = le32(p + 24);
	p += 28;
	len -= 28;
	if (index > INDEX_MAX || dict > INDEX_MAX || zindex > len ||
	    zdict > len - zindex) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "service model: header does not fit the file");
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		cart_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&m->lock, NULL);
	cart_buf_init(&m->index, index);
	cart_buf_init(&m->dict, dict);
	if (cart_zstd_decompress(p, zindex, NULL, 0, &m->index, err) ||
	    cart_zstd_decompress(p + zindex, zdict, NULL, 0, &m->dict, err)) {
		cart_err_prefix(err, "service model");
		goto out;
	}
	c.p = m->index.data;
	c.end = m->index.data + m->index.len;
	read_index(m, &c, p + zindex + zdict, len - zindex - zdict);
	if (c.bad) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "service model: the index does not parse");
		goto out;
	}
	rc = 0;
out:
	if (rc) {
		cart_model_close(m);
		m = NULL;
	}
	return m;
}

void cart_model_close(struct cart_model *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->service_count; i++)
		svc_free(m->services[i].svc);
	chunks_free(m->chunks);
	cart_buf_clear(&m->index);
	cart_buf_clear(&m->dict);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

struct cart_model *cart_model_builtin(struct cart_err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct cart_model *model;
	struct cart_model *m;

	pthread_mutex_lock(&lock);
	if (!model)
		model = cart_model_open(cart_embed_aws_model,
					cart_embed_aws_model_len, err);
	m = model;
	pthread_mutex_unlock(&lock);
	return m;
}

const char *cart_model_version(const struct cart_model *m)
{
	return m->version;
}

size_t cart_model_svc_count(const struct cart_model *m)
{
	return m->service_count;
}

const char *cart_model_svc_name(const struct cart_model *m, size_t index)
{
	return index < m->service_count ? m->services[index].name : NULL;
}

/* ---- look-up and "did you mean" ---------------------------------------- */

/* Lower case without '-' and '_', so that describe-instances finds
 * DescribeInstances. */
static void squeeze(const char *s, char *out, size_t size)
{
	size_t n = 0;

	for (; *s && n + 1 < size; s++) {
		char ch = *s;

		if (ch == '-' || ch == '_')
			continue;
		if (ch >= 'A' && ch <= 'Z')
			ch = (char)(ch - 'A' + 'a');
		out[n++] = ch;
	}
	out[n] = '\0';
}

struct nearest {
	char want[128];
	const char *best;
	unsigned score;
};

static void nearest_init(struct nearest *n, const char *want)
{
	squeeze(want, n->want, sizeof(n->want));
	n->best = NULL;
	n->score = 4;		/* farther is no help */
	if (strlen(n->want) < 6)
		n->score = 3;
}

static void nearest_try(struct nearest *n, const char *name)
{
	char have[128];
	unsigned d;

	squeeze(name, have, sizeof(have));
	d = cart_text_distance(n->want, have, n->score);
	if (d < n->score) {
		n->score = d;
		n->best = name;
	}
}

const struct cart_svc *cart_model_svc(struct cart_model *m, const char *name,
				      struct cart_err *err)
{
	struct cart_svc *svc;
	struct service *s = NULL;
	struct nearest near;
	size_t lo = 0, hi = m->service_count, i;

	for (i = 0; i < m->alias_count; i++) {
		if (!strcmp(m->aliases[i].alias, name))
			name = m->aliases[i].name;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = strcmp(m->services[mid].name, name);

		if (!d) {
			s = &m->services[mid];
			break;
		}
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!s) {
		nearest_init(&near, name);
		for (i = 0; i < m->service_count; i++)
			nearest_try(&near, m->services[i].name);
		for (i = 0; i < m->alias_count; i++)
			nearest_try(&near, m->aliases[i].alias);
		if (near.best)
			cart_err_set(err, CART_ERR_INPUT, 0,
				     "no AWS service \"%s\": did you mean "
				     "\"%s\"?", name, near.best);
		else
			cart_err_set(err, CART_ERR_INPUT, 0,
				     "no AWS service \"%s\": services are "
				     "named as in the AWS CLI, see "
				     "`crashcart show services`", name);
		return NULL;
	}
	pthread_mutex_lock(&m->lock);
	if (!s->svc)
		s->svc = load(m, s, err);
	svc = s->svc;
	pthread_mutex_unlock(&m->lock);
	return svc;
}

const struct cart_svc_info *cart_svc_info(const struct cart_svc *svc)
{
	return &svc->info;
}

const struct cart_op *cart_svc_op_at(const struct cart_svc *svc, size_t index)
{
	return index < svc->info.op_count ? &svc->ops[index] : NULL;
}

const struct cart_op *cart_svc_op(const struct cart_svc *svc,
				  const char *name, struct cart_err *err)
{
	size_t lo = 0, hi = svc->info.op_count, i;
	struct nearest near;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = strcmp(svc->ops[mid].info.name, name);

		if (!d)
			return &svc->ops[mid];
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	nearest_init(&near, name);
	for (i = 0; i < svc->info.op_count; i++)
		nearest_try(&near, svc->ops[i].info.name);
	if (near.best)
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "%s has no operation \"%s\": did you mean "
			     "\"%s:%s\"?", svc->info.name, name,
			     svc->info.name, near.best);
	else
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "%s has no operation \"%s\": operations are "
			     "named as in the API, \"%s:%s\"", svc->info.name,
			     name, svc->info.name,
			     svc->info.op_count ? svc->ops[0].info.name : "");
	return NULL;
}

const struct cart_op *cart_model_op(struct cart_model *m, const char *call,
				    struct cart_err *err)
{
	const char *colon = strchr(call, ':');
	const struct cart_svc *svc;
	char name[64];

	if (!colon || colon == call || !colon[1] ||
	    (size_t)(colon - call) >= sizeof(name)) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "\"%s\" is not a call: write SERVICE:OPERATION, "
			     "as \"iam:GetUser\"", call);
		return NULL;
	}
	memcpy(name, call, (size_t)(colon - call));
	name[colon - call] = '\0';
	svc = cart_model_svc(m, name, err);
	return svc ? cart_svc_op(svc, colon + 1, err) : NULL;
}

const struct cart_op_info *cart_op_info(const struct cart_op *op)
{
	return &op->info;
}

const struct cart_svc *cart_op_svc(const struct cart_op *op)
{
	return op->svc;
}

enum cart_op_class cart_model_class(const struct cart_op *op)
{
	return op->info.class;
}

const char *cart_op_class_name(enum cart_op_class class)
{
	if ((unsigned)class >= sizeof(class_names) / sizeof(*class_names))
		return class_names[0];
	return class_names[class];
}

bool cart_op_is_read_only(const struct cart_op *op)
{
	return op->info.class == CART_OP_READ ||
	       op->info.class == CART_OP_SECRET;
}

bool cart_op_needs_no_input(const struct cart_op *op)
{
	unsigned i;

	for (i = 0; op->has_input && i < op->input.shape->n; i++) {
		if (op->input.shape->members[i].required)
			return false;
	}
	return true;
}

/* ---- regions ----------------------------------------------------------- */

static size_t find_region(const struct cart_model *m, const char *region)
{
	size_t i;

	for (i = 0; i < m->region_count; i++) {
		if (!strcmp(m->regions[i].name, region))
			return i;
	}
	return SIZE_MAX;
}

static bool is_region_tail(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

	return n && s[n] == '-' && s[n + 1] >= '0' && s[n + 1] <= '9' &&
	       strspn(s + n + 1, "0123456789") == strlen(s + n + 1) &&
	       strlen(s) < 32;
}

/* Index of the partition, or SIZE_MAX. */
static size_t find_partition(const struct cart_model *m, const char *region)
{
	size_t i = find_region(m, region), k;

	if (i != SIZE_MAX)
		return m->regions[i].partition;
	for (i = 0; i < m->partition_count; i++) {
		const struct partition *p = &m->partitions[i];

		for (k = 0; k < p->n; k++) {
			size_t n = strlen(p->prefixes[k]);

			if (!strncmp(region, p->prefixes[k], n) &&
			    is_region_tail(region + n))
				return i;
		}
	}
	return SIZE_MAX;
}

int cart_model_partition(const struct cart_model *m, const char *region,
			 struct cart_partition *ret)
{
	size_t i = find_partition(m, region);

	if (i == SIZE_MAX)
		return -1;
	*ret = m->partitions[i].pub;
	return 0;
}

const char *cart_model_region_at(const struct cart_model *m,
				 const char *partition, size_t index)
{
	size_t i;

	for (i = 0; i < m->region_count; i++) {
		const struct partition *p;

		p = &m->partitions[m->regions[i].partition];
		if (strcmp(p->pub.id, partition))
			continue;
		if (!index--)
			return m->regions[i].name;
	}
	return NULL;
}

int cart_svc_in_region(const struct cart_svc *svc, const char *region)
{
	size_t i = find_region(svc->model, region);

	if (!svc->regions || i == SIZE_MAX || i / 8 >= svc->region_bytes)
		return -1;
	return svc->regions[i / 8] >> i % 8 & 1;
}

/* Replaces {r}, {s} and {d}.  0, or -1 if it does not fit. */
static int expand(const char *pattern, const char *region,
		  const struct cart_partition *p, char *out, size_t size)
{
	size_t n = 0;

	while (*pattern) {
		const char *s = pattern;
		size_t len = 1;

		if (pattern[0] == '{' && pattern[1] && pattern[2] == '}') {
			s = pattern[1] == 'r' ? region :
			    pattern[1] == 's' ? p->dns_suffix :
			    p->dualstack_suffix;
			len = strlen(s);
			pattern += 2;
		}
		pattern++;
		if (len >= size - n)
			return -1;
		memcpy(out + n, s, len);
		n += len;
	}
	out[n] = '\0';
	return 0;
}

static int endpoint(const struct cart_svc *svc, size_t variant,
		    const char *region, unsigned flags,
		    struct cart_endpoint *ret, struct cart_err *err)
{
	const struct cart_model *m = svc->model;
	const struct cart_rules *rules = &svc->variants[variant];
	const struct cart_rule *hit = NULL;
	const struct cart_partition *p;
	size_t part, number, i;

	if (!region || !strcmp(region, "global")) {
		if (!svc->info.global)
			return cart_err_set(err, CART_ERR_INPUT, 0,
					    "%s is a regional service: name "
					    "a region", svc->info.name);
		region = m->partitions[0].pub.default_region;
	}
	part = find_partition(m, region);
	if (part == SIZE_MAX)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "\"%s\" is not the name of an AWS region",
				    region);
	p = &m->partitions[part].pub;
	number = find_region(m, region);
	for (i = 0; i < rules->n; i++) {
		const struct cart_rule *r = &rules->v[i];

		if (r->flags != flags)
			continue;
		/* From general to particular: the last that fits holds. */
		if (!r->scope || r->scope == part + 1 ||
		    (number != SIZE_MAX &&
		     r->scope == 1 + m->partition_count + number))
			hit = r;
	}
	if (!hit || !*hit->host)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s has no %s%sendpoint in %s that can be "
				    "known without asking: name it with "
				    "--endpoint-url", svc->info.name,
				    flags & CART_ENDPOINT_FIPS ? "FIPS " : "",
				    flags & CART_ENDPOINT_DUALSTACK ?
				    "dual-stack " : "", region);
	if (expand(hit->host, region, p, ret->host, sizeof(ret->host)) ||
	    expand(*hit->region ? hit->region : region, region, p,
		   ret->signing_region, sizeof(ret->signing_region)) ||
	    expand(*hit->name ? hit->name : svc->info.signing_name, region, p,
		   ret->signing_name, sizeof(ret->signing_name)))
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "endpoint of %s in %s is too long",
				    svc->info.name, region);
	return 0;
}

int cart_model_endpoint(const struct cart_svc *svc, const char *region,
			unsigned flags, struct cart_endpoint *ret,
			struct cart_err *err)
{
	if (!svc->variant_count)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s has no endpoint", svc->info.name);
	return endpoint(svc, 0, region, flags, ret, err);
}

int cart_op_endpoint(const struct cart_op *op, const char *region,
		     unsigned flags, struct cart_endpoint *ret,
		     struct cart_err *err)
{
	return endpoint(op->svc, op->variant, region, flags, ret, err);
}
