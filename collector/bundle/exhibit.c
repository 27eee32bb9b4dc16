/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>

#include "bundle_internal.h"

#define SLUG_MAX 64u			/* F13 */
#define EXT_MAX 10u			/* of a slug that is cut: ".json" stays */
#define NOTE_MAX 2048u

/* --- what an exhibit line says, kept as text until it is written --- */

struct cart_info_copy {
	char *step;
	char *slug;
	char *head;			/* ,"instance":...,"media":... */
	char *tail;			/* ,"origin":...,"repeatable":... */
	char *state;
	char *note;			/* or NULL */
};

void cart_info_free(struct cart_info_copy *i)
{
	if (!i)
		return;
	free(i->step);
	free(i->slug);
	free(i->head);
	free(i->tail);
	free(i->state);
	free(i->note);
	free(i);
}

const char *cart_info_step(const struct cart_info_copy *i)
{
	return i->step;
}

const char *cart_info_about(const struct cart_info_copy *i)
{
	return i->head;
}

/* The log must not get a line that a verifier refuses: reads what was made
 * once more, strictly.  depth: how deep the object stands in its line. */
static int check_object(const char *text, size_t len, unsigned depth,
			struct cart_err *err)
{
	struct cart_json_limits limits = { .depth = 32 - depth };
	struct cart_json *j = cart_json_parse(text, len, &limits, err);

	if (!j)
		return cart_err_prefix(err, "origin of an exhibit");
	cart_json_free(j);
	return 0;
}

static char *print_head(const struct cart_exhibit_info *info,
			struct cart_err *err)
{
	struct cart_buf b;

	cart_buf_init(&b, TAIL_MAX / 2);
	cart_tail_text(&b, "instance", info->instance ? info->instance : "");
	cart_tail_text(&b, "name", info->name ? info->name : "");
	cart_tail_text(&b, "media",
		       info->media ? info->media : "application/octet-stream");
	if (cart_buf_check(&b, "name of an exhibit", err) < 0) {
		cart_buf_clear(&b);
		return NULL;
	}
	return cart_buf_steal(&b, NULL);
}

static char *print_tail(const struct cart_exhibit_info *info,
			struct cart_err *err)
{
	static const char key[] = ",\"origin\":";
	struct cart_buf b;
	size_t i;

	cart_buf_init(&b, TAIL_MAX / 3);
	cart_buf_adds(&b, key);
	if (info->origin)
		cart_json_print(info->origin, 0, &b);
	else
		cart_buf_adds(&b, "{}");
	if (cart_buf_check(&b, "origin of an exhibit", err) < 0 ||
	    check_object((char *)b.data + sizeof(key) - 1,
			 b.len - (sizeof(key) - 1), 1, err) < 0)
		goto fail;
	if (info->derived_from && info->derived_from[0]) {
		cart_buf_adds(&b, ",\"derived_from\":");
		for (i = 0; info->derived_from[i]; i++)
			cart_buf_addf(&b, "%s\"%s\"", i ? "," : "[",
				      info->derived_from[i]);
		cart_buf_addc(&b, ']');
	}
	cart_buf_adds(&b, info->repeatable ? ",\"repeatable\":true" :
					     ",\"repeatable\":false");
	if (cart_buf_check(&b, "origin of an exhibit", err) < 0)
		goto fail;
	return cart_buf_steal(&b, NULL);
fail:
	cart_buf_clear(&b);
	return NULL;
}

struct cart_info_copy *cart_info_copy(const struct cart_exhibit_info *info,
				      struct cart_err *err)
{
	struct cart_info_copy *i = calloc(1, sizeof(*i));

	if (!i) {
		cart_err_nomem(err);
		return NULL;
	}
	i->head = print_head(info, err);
	i->tail = i->head ? print_tail(info, err) : NULL;
	if (!i->tail)
		goto fail;
	i->step = strdup(info->step ? info->step : "");
	i->slug = strdup(info->slug ? info->slug : "");
	i->state = strdup(info->state ? info->state : "whole");
	i->note = info->note ? strdup(info->note) : NULL;
	if (!i->step || !i->slug || !i->state || (info->note && !i->note)) {
		cart_err_nomem(err);
		goto fail;
	}
	return i;
fail:
	cart_info_free(i);
	return NULL;
}

void cart_info_print(const struct cart_info_copy *i,
		     const struct cart_exhibit_line *line, struct cart_buf *out)
{
	const char *note = line->note ? line->note : i->note;
	size_t len;

	cart_tail_begin(out, "exhibit", i->step);
	cart_tail_text(out, "exhibit", line->id);
	cart_buf_adds(out, i->head);
	cart_tail_u64(out, "size", line->size);
	if (line->sha256_hex)
		cart_tail_text(out, "sha256", line->sha256_hex);
	if (line->path)
		cart_tail_text(out, "path", line->path);
	if (line->parts >= 0)
		cart_tail_u64(out, "parts", (uint64_t)line->parts);
	if (line->files >= 0)
		cart_tail_u64(out, "files", (uint64_t)line->files);
	cart_buf_adds(out, i->tail);
	cart_tail_text(out, "state", line->state ? line->state : i->state);
	if (note) {
		len = strlen(note);
		cart_buf_adds(out, ",\"note\":");
		cart_json_quote(note, len < NOTE_MAX ? len : NOTE_MAX, out);
	}
	cart_buf_addc(out, '}');
}

/* --- numbers and names --- */

/* Takes the next number; under the lock. */
static int next_number(struct cart_bundle *b, uint32_t *ret,
		       struct cart_err *err)
{
	if (b->failed) {
		*err = b->err;
		return -1;
	}
	if (b->ended)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "an exhibit after the end");
	if (b->exhibits_begun == EXHIBIT_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "the bundle has %u exhibits, and cannot "
				    "have more", EXHIBIT_MAX);
	*ret = ++b->exhibits_begun;
	return 0;
}

static void print_id(uint32_t number, char out[CART_EXHIBIT_ID_SIZE])
{
	snprintf(out, CART_EXHIBIT_ID_SIZE, "e%06" PRIu32, number);
}

/* Makes a SLUG (F13) of at most max bytes, keeping a short extension. */
static void make_slug(const char *text, size_t max, char out[SLUG_MAX + 1])
{
	size_t len = strlen(text), keep, n = 0, i;
	const char *dot = strrchr(text, '.');
	char c;

	if (max > SLUG_MAX)
		max = SLUG_MAX;
	keep = dot ? len - (size_t)(dot - text) : 0;
	if (keep > EXT_MAX || keep + 4 > max)
		keep = 0;
	for (i = 0; i < len && n < max; i++) {
		if (len > max && i == max - keep)
			i = len - keep;
		c = text[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-'))
			c = '-';
		/* begins with a letter or digit */
		if (n == 0 && (c == '.' || c == '_' || c == '-'))
			c = 'x';
		out[n++] = c;
	}
	if (n == 0)
		out[n++] = 'x';
	out[n] = '\0';
}

/* --- plain exhibits --- */

static int put_parts(struct cart_bundle *b, const struct cart_exhibit_info *info,
		     const unsigned char *data, size_t len,
		     char ret_id[CART_EXHIBIT_ID_SIZE], struct cart_err *err)
{
	struct cart_exhibit *e = cart_exhibit_open(b, info, true, err);
	struct cart_err dropped;
	unsigned char *part;
	size_t n;

	if (!e)
		return -1;
	if (ret_id)
		memcpy(ret_id, cart_exhibit_id(e), CART_EXHIBIT_ID_SIZE);
	for (; len > 0; data += n, len -= n) {
		n = len < CART_PART_SIZE ? len : CART_PART_SIZE;
		part = cart_exhibit_reserve(e, err);
		if (!part)
			goto fail;
		memcpy(part, data, n);
		if (cart_exhibit_submit(e, n, err) < 0)
			goto fail;
	}
	return cart_exhibit_close(e, NULL, NULL, NULL, err);
fail:
	cart_exhibit_close(e, "truncated", NULL, NULL, &dropped);
	return -1;
}

/* The path is known only with the number, and the line needs the path. */
static int name_plain(struct cart_bundle *b, struct cart_info_copy *info,
		      struct cart_ticket *t, struct cart_exhibit_line *line,
		      char id[CART_EXHIBIT_ID_SIZE],
		      char path[CART_MEMBER_PATH_SIZE], struct cart_err *err)
{
	char slug[SLUG_MAX + 1];
	uint32_t number = 0, n = UINT32_MAX;
	size_t room;
	int rc;

	pthread_mutex_lock(&b->lock);
	rc = next_number(b, &number, err);
	if (rc == 0) {
		print_id(number, id);
		/* NAME/data/eNNNNNN-SLUG is at most 100 bytes (F4) */
		room = 100 - strlen(b->name) - 1 - strlen("data/") -
		       strlen(id) - 1;
		make_slug(info->slug, room, slug);
		n = cart_index_slug(&b->index, slug);
		if (n == UINT32_MAX)
			rc = cart_err_nomem(err);
	}
	if (rc == 0) {
		t->id = cart_member_id(MEMBER_PLAIN, number, n);
		cart_index_path(&b->index, t->id, path);
		line->path = path;
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

static int put_plain(struct cart_bundle *b, struct cart_info_copy *info,
		     const void *data, size_t len,
		     char id[CART_EXHIBIT_ID_SIZE], struct cart_err *err)
{
	struct cart_ticket *t = cart_ticket_new(TICKET_MEMBER, info->step);
	char path[CART_MEMBER_PATH_SIZE], hex[CART_SHA256_HEX_SIZE];
	struct cart_exhibit_line line = { .id = id, .size = len, .path = path,
		.sha256_hex = hex, .parts = -1, .files = -1 };
	struct cart_buf text;

	cart_buf_init(&text, TAIL_MAX);
	if (!t) {
		cart_err_nomem(err);
		goto fail;
	}
	t->data = malloc(len ? len : 1);
	if (!t->data) {
		cart_err_nomem(err);
		goto fail;
	}
	if (len)
		memcpy(t->data, data, len);
	t->len = len;
	cart_sha256(data, len, t->sha256);
	cart_text_hex(t->sha256, sizeof(t->sha256), hex);
	if (name_plain(b, info, t, &line, id, path, err) < 0)
		goto fail;
	cart_info_print(info, &line, &text);
	if (cart_buf_check(&text, "exhibit line", err) < 0 ||
	    cart_bundle_admit(b, strlen(path), err) < 0)
		goto fail;
	t->line.text = cart_buf_steal(&text, &t->line.len);
	t->counter = &b->counts.exhibits;
	return cart_queue_put(b, t, false, err);
fail:
	cart_buf_clear(&text);
	cart_ticket_free(b, t);
	return -1;
}

int cart_bundle_put(struct cart_bundle *b, const struct cart_exhibit_info *info,
		    const void *data, size_t len,
		    char ret_id[CART_EXHIBIT_ID_SIZE], struct cart_err *err)
{
	char id[CART_EXHIBIT_ID_SIZE] = "";
	struct cart_info_copy *copy;
	int rc;

	if (cart_bundle_closed(b, err) < 0)
		return -1;
	if (len > CART_PLAIN_MAX)
		return put_parts(b, info, data, len, ret_id, err);
	copy = cart_info_copy(info, err);
	if (!copy)
		return -1;
	rc = put_plain(b, copy, data, len, id, err);
	cart_info_free(copy);
	if (rc == 0 && ret_id)
		memcpy(ret_id, id, sizeof(id));
	return rc;
}

/* --- exhibits in parts --- */

struct cart_open_exhibit *cart_open_new(struct cart_bundle *b,
					const struct cart_exhibit_info *info,
					struct cart_err *err)
{
	struct cart_open_exhibit *o = calloc(1, sizeof(*o));
	int rc;

	if (!o) {
		cart_err_nomem(err);
		return NULL;
	}
	if (cart_bundle_closed(b, err) < 0) {
		free(o);
		return NULL;
	}
	o->b = b;
	o->files = -1;
	o->info = cart_info_copy(info, err);
	if (!o->info) {
		free(o);
		return NULL;
	}
	pthread_mutex_lock(&b->lock);
	if (b->n_open == OPEN_MAX)
		rc = cart_err_set(err, CART_ERR_LIMIT, 0,
				  "%u exhibits are open at once", OPEN_MAX);
	else
		rc = next_number(b, &o->number, err);
	if (rc == 0) {
		print_id(o->number, o->id);
		o->next = b->open;
		if (b->open)
			b->open->prev = o;
		b->open = o;
		b->n_open++;
	}
	pthread_mutex_unlock(&b->lock);
	if (rc < 0) {
		cart_info_free(o->info);
		free(o);
		return NULL;
	}
	return o;
}

static int close_line(struct cart_open_exhibit *o, const char *state,
		      const char *note, const char *sha256_hex,
		      struct cart_err *err)
{
	struct cart_exhibit_line line = { .id = o->id, .state = state,
		.note = note, .sha256_hex = sha256_hex, .parts = o->parts,
		.files = o->files,
		.size = o->files < 0 ? o->offset : o->file_bytes };
	struct cart_buf text;
	char *s;
	size_t len;

	cart_buf_init(&text, TAIL_MAX);
	cart_info_print(o->info, &line, &text);
	if (cart_buf_check(&text, "exhibit line", err) < 0) {
		cart_buf_clear(&text);
		return -1;
	}
	s = cart_buf_steal(&text, &len);
	return cart_bundle_tail(o->b, s, len, &o->b->counts.exhibits, err);
}

int cart_open_close(struct cart_open_exhibit *o, const char *state,
		    const char *note, const char *sha256_hex,
		    struct cart_err *err)
{
	struct cart_bundle *b = o->b;
	bool orphan;
	int rc;

	pthread_mutex_lock(&b->lock);
	orphan = o->orphan;
	if (!orphan) {
		if (o->prev)
			o->prev->next = o->next;
		else
			b->open = o->next;
		if (o->next)
			o->next->prev = o->prev;
		b->n_open--;
	}
	pthread_mutex_unlock(&b->lock);
	if (orphan)
		rc = cart_err_set(err, CART_ERR_CANCELLED, 0,
				  "%s was closed by the end of the bundle",
				  o->id);
	else
		rc = close_line(o, state, note, sha256_hex, err);
	cart_info_free(o->info);
	free(o);
	return rc;
}

int cart_open_close_all(struct cart_bundle *b, struct cart_err *err)
{
	struct cart_open_exhibit *o;
	struct cart_buf text;
	size_t len;
	char *s;

	for (;;) {
		pthread_mutex_lock(&b->lock);
		o = b->open;
		if (o) {
			b->open = o->next;
			if (o->next)
				o->next->prev = NULL;
			b->n_open--;
			/* its owner still frees it */
			o->orphan = true;
		}
		pthread_mutex_unlock(&b->lock);
		if (!o)
			return 0;
		if (close_line(o, "truncated", NULL, NULL, err) < 0)
			return -1;
		cart_buf_init(&text, TAIL_MAX);
		cart_tail_begin(&text, "gap", cart_info_step(o->info));
		cart_tail_text(&text, "what", "the rest of an exhibit");
		cart_tail_text(&text, "reason", "interrupted");
		cart_tail_text(&text, "detail",
			       "the collection ended before the exhibit did");
		cart_tail_text(&text, "exhibit", o->id);
		cart_tail_u64(&text, "offset", o->offset);
		cart_buf_addc(&text, '}');
		if (cart_buf_check(&text, "gap line", err) < 0) {
			cart_buf_clear(&text);
			return -1;
		}
		s = cart_buf_steal(&text, &len);
		if (cart_bundle_tail(b, s, len, &b->counts.gaps, err) < 0)
			return -1;
	}
}

int cart_open_part(struct cart_open_exhibit *o, enum member_form form,
		   void *data, size_t len, size_t charge,
		   struct cart_buf *files, struct cart_err *err)
{
	struct cart_bundle *b = o->b;
	struct cart_ticket *t = cart_ticket_new(TICKET_MEMBER,
						cart_info_step(o->info));
	char path[CART_MEMBER_PATH_SIZE];

	if (!t) {
		cart_part_unmap(b, data, cart_part_bytes());
		cart_budget_give(b->budget, charge);
		return cart_err_nomem(err);
	}
	t->data = data;
	t->len = len;
	t->mapped = cart_part_bytes();
	t->charge = charge;
	t->piece = (struct cart_piece){ .exhibit = o->number,
		.part = o->parts + 1, .offset = o->offset, .length = len,
		.form = form, .about = "" };
	if (o->parts == 0) {
		t->about = strdup(cart_info_about(o->info));
		if (!t->about) {
			cart_ticket_free(b, t);
			return cart_err_nomem(err);
		}
		t->piece.about = t->about;
	}
	t->id = cart_member_id(form, o->number, t->piece.part);
	cart_index_path(&b->index, t->id, path);
	if (cart_bundle_admit(b, strlen(path), err) < 0) {
		cart_ticket_free(b, t);
		return -1;
	}
	if (files) {
		t->files = *files;
		cart_buf_init(files, files->max);
	}
	if (cart_queue_put(b, t, true, err) < 0)
		return -1;
	o->parts++;
	o->offset += len;
	return 0;
}

/* All zeros: a line, no member. */
static int zero_part(struct cart_open_exhibit *o, size_t len,
		     struct cart_err *err)
{
	struct cart_piece piece = { .exhibit = o->number,
		.part = o->parts + 1, .offset = o->offset, .length = len,
		.zero = true,
		.about = o->parts ? "" : cart_info_about(o->info) };
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_buf text;
	size_t n;
	char *s;

	cart_sha256("", 0, sha256);
	cart_buf_init(&text, TAIL_MAX);
	cart_tail_part(&text, cart_info_step(o->info), &piece, NULL, 0, sha256);
	if (cart_buf_check(&text, "part line", err) < 0) {
		cart_buf_clear(&text);
		return -1;
	}
	s = cart_buf_steal(&text, &n);
	if (cart_bundle_tail(o->b, s, n, NULL, err) < 0)
		return -1;
	o->parts++;
	o->offset += len;
	return 0;
}

struct cart_exhibit {
	struct cart_open_exhibit *open;
	struct cart_sha256 sha;
	enum member_form form;
	unsigned char *buffer;		/* reserved, or NULL */
	size_t charge;
	bool broken;			/* a piece was lost: no digest */
};

struct cart_exhibit *cart_exhibit_open(struct cart_bundle *b,
				       const struct cart_exhibit_info *info,
				       bool compress, struct cart_err *err)
{
	struct cart_exhibit *e = calloc(1, sizeof(*e));

	if (!e) {
		cart_err_nomem(err);
		return NULL;
	}
	e->open = cart_open_new(b, info, err);
	if (!e->open) {
		free(e);
		return NULL;
	}
	e->form = compress ? MEMBER_ZST : MEMBER_BIN;
	cart_sha256_init(&e->sha);
	return e;
}

const char *cart_exhibit_id(const struct cart_exhibit *e)
{
	return e->open->id;
}

unsigned char *cart_exhibit_reserve(struct cart_exhibit *e, struct cart_err *err)
{
	struct cart_bundle *b = e->open->b;
	size_t charge = cart_part_bytes();

	if (e->buffer) {
		cart_err_set(err, CART_ERR_INTERNAL, 0,
			     "%s: a second buffer at once", e->open->id);
		return NULL;
	}
	if (cart_bundle_closed(b, err) < 0)
		return NULL;
	if (charge > cart_budget_total(b->budget))
		charge = cart_budget_total(b->budget);
	if (cart_budget_take(b->budget, charge) < 0) {
		cart_err_set(err, CART_ERR_CANCELLED, 0,
			     "the collection is stopping");
		return NULL;
	}
	e->buffer = cart_part_map(b, cart_part_bytes());
	if (!e->buffer) {
		cart_budget_give(b->budget, charge);
		cart_err_nomem(err);
		return NULL;
	}
	e->charge = charge;
	return e->buffer;
}

static void drop_buffer(struct cart_exhibit *e)
{
	if (!e->buffer)
		return;
	cart_part_unmap(e->open->b, e->buffer, cart_part_bytes());
	cart_budget_give(e->open->b->budget, e->charge);
	e->buffer = NULL;
}

static bool all_zero(const unsigned char *p, size_t len)
{
	static const unsigned char zeros[64];

	if (len <= sizeof(zeros))
		return memcmp(p, zeros, len) == 0;
	return memcmp(p, zeros, sizeof(zeros)) == 0 &&
	       memcmp(p, p + sizeof(zeros), len - sizeof(zeros)) == 0;
}

int cart_exhibit_submit(struct cart_exhibit *e, size_t len, struct cart_err *err)
{
	unsigned char *data = e->buffer;
	int rc;

	if (!data || len > CART_PART_SIZE)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "%s: no buffer to submit", e->open->id);
	if (len == 0) {
		drop_buffer(e);
		return 0;
	}
	cart_sha256_update(&e->sha, data, len);
	if (all_zero(data, len)) {
		drop_buffer(e);
		rc = zero_part(e->open, len, err);
	} else {
		e->buffer = NULL;
		rc = cart_open_part(e->open, e->form, data, len, e->charge,
				    NULL, err);
	}
	if (rc < 0)
		e->broken = true;
	return rc;
}

int cart_exhibit_close(struct cart_exhibit *e, const char *state,
		       const char *note, char ret_sha256_hex[CART_SHA256_HEX_SIZE],
		       struct cart_err *err)
{
	unsigned char sha256[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];
	int rc;

	drop_buffer(e);
	cart_sha256_final(&e->sha, sha256);
	cart_text_hex(sha256, sizeof(sha256), hex);
	if (ret_sha256_hex)
		memcpy(ret_sha256_hex, hex, sizeof(hex));
	rc = cart_open_close(e->open, e->broken ? "truncated" : state, note,
			     e->broken ? NULL : hex, err);
	free(e);
	return rc;
}
