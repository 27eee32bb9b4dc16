/* SPDX-License-Identifier: Apache-2.0 */
#include "report_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crashcart/clock.h"
#include "crashcart/compress.h"
#include "crashcart/json.h"
#include "crashcart/text.h"
#include "custody_find.h"

#define TRAIL_SLUG "-cloudtrail-events-"
#define PARTS_MAX 4096			/* exhibits of events in parts */
#define PART_MAX ((size_t)20 << 20)

struct reading {
	struct cart_report *r;
	struct cart_buf line;		/* an event that is not whole yet */
	struct cart_buf part;		/* a compressed part */
	bool plain, packed;		/* the member that is being read */
	char parts[PARTS_MAX][16];	/* "e000007": second pass */
	size_t n_parts;
	char timeline[18];	/* "e000007-" of cloudtrail.key: second pass */
	bool second;
};

/* ---- events -------------------------------------------------------------- */

static int add_lines(struct reading *s, const char *p, size_t len,
		     struct cart_err *err)
{
	const char *lf;
	size_t n;

	while (len > 0) {
		lf = memchr(p, '\n', len);
		n = lf != NULL ? (size_t)(lf - p) : len;
		if (lf != NULL && s->line.len == 0) {
			if (cart_report_add_event(s->r, p, n, err) < 0)
				return -1;
		} else {
			cart_buf_add(&s->line, p, n);
			if (!cart_buf_ok(&s->line)) {
				s->r->bad_events++;
				cart_buf_reset(&s->line);
			} else if (lf != NULL) {
				if (cart_report_add_event(s->r,
							  (char *)s->line.data,
							  s->line.len, err) < 0)
					return -1;
				cart_buf_reset(&s->line);
			}
		}
		if (lf == NULL)
			return 0;
		p += n + 1;
		len -= n + 1;
	}
	return 0;
}

static bool is_wanted_part(const struct reading *s, const char *path)
{
	const char *slash;
	size_t i, n;

	if (!s->second || strncmp(path, "data/", 5) != 0)
		return false;
	path += 5;
	slash = strchr(path, '/');
	n = slash != NULL ? (size_t)(slash - path) : 0;
	for (i = 0; i < s->n_parts; i++) {
		if (strlen(s->parts[i]) == n && memcmp(s->parts[i], path, n) == 0)
			return true;
	}
	return false;
}

/* The events of a key, made into lines for Timesketch. */
static bool is_timeline(const struct reading *s, const char *path)
{
	return s->timeline[0] != '\0' && strncmp(path, "data/", 5) == 0 &&
		strncmp(path + 5, s->timeline, strlen(s->timeline)) == 0;
}

static int end_part(struct reading *s, struct cart_err *err)
{
	struct cart_buf plain;
	int rc = 0;

	cart_buf_init(&plain, PART_MAX);
	/* a part that cannot be inflated is extract's to complain of */
	if (cart_zstd_decompress(s->part.data, s->part.len, NULL, 0, &plain,
				 NULL) == 0)
		rc = add_lines(s, (char *)plain.data, plain.len, err);
	cart_buf_clear(&plain);
	cart_buf_reset(&s->part);
	return rc;
}

static int on_member(void *arg, const struct cart_walk_member *m,
		     const void *data, size_t len, bool end,
		     struct cart_err *err)
{
	struct reading *s = arg;

	if (data == NULL && !end) {
		s->plain = s->second ? is_timeline(s, m->path) :
			strstr(m->path, TRAIL_SLUG) != NULL;
		s->packed = is_wanted_part(s, m->path);
		return 0;
	}
	if (data != NULL && len > 0 && s->plain &&
	    add_lines(s, data, len, err) < 0)
		return -1;
	if (data != NULL && s->packed)
		cart_buf_add(&s->part, data, len);
	if (end && s->plain)
		cart_buf_reset(&s->line);
	return end && s->packed ? end_part(s, err) : 0;
}

/* ---- the log ------------------------------------------------------------- */

static const char *get(const struct cart_json *line, const char *key)
{
	const char *s = cart_json_get_string(line, key);

	return s != NULL ? s : "";
}

static struct cart_report_step *step_of(struct cart_report *r, const char *id)
{
	size_t i;

	for (i = 0; i < r->n_steps; i++) {
		if (strcmp(r->step[i].id, id) == 0)
			return &r->step[i];
	}
	if (r->n_steps == REPORT_STEPS)
		return &r->step[REPORT_STEPS - 1];
	snprintf(r->step[i].id, sizeof(r->step[i].id), "%.47s", id);
	r->n_steps++;
	return &r->step[i];
}

static void keep(struct cart_json **list, size_t *n, size_t max,
		 const struct cart_json *line)
{
	if (*n < max && (list[*n] = cart_json_copy(line)) != NULL)
		(*n)++;
}

static void on_exhibit(struct reading *s, const struct cart_json *line)
{
	struct cart_report_step *st = step_of(s->r, get(line, "step"));
	int64_t size = 0;

	cart_json_i64(cart_json_get(line, "size"), &size);
	st->exhibits++;
	st->bytes += size > 0 ? (uint64_t)size : 0;
	s->r->exhibits++;
	if (strncmp(get(line, "name"), "CloudTrail events of ", 21) == 0 &&
	    cart_json_get(line, "parts") != NULL && s->n_parts < PARTS_MAX)
		snprintf(s->parts[s->n_parts++], 16, "%.15s",
			 get(line, "exhibit"));
	/* a file of a host has an origin, and its path for a name */
	if (strcmp(get(line, "name"), "timeline.ndjson") == 0 &&
	    cart_json_size(cart_json_get(line, "origin")) == 0)
		snprintf(s->timeline, sizeof(s->timeline), "%.15s-",
			 get(line, "exhibit"));
}

static int rank(const char *outcome)
{
	static const char *const order[] = {
		"", "ok", "skipped", "partial", "cancelled", "timeout",
		"throttled", "denied", "failed"
	};
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (strcmp(order[i], outcome) == 0)
			return (int)i;
	}
	return 0;
}

static void on_instance(struct cart_report *r, const struct cart_json *line)
{
	struct cart_report_step *st = step_of(r, get(line, "step"));
	const char *outcome = get(line, "outcome");

	if (rank(outcome) > rank(st->outcome))
		snprintf(st->outcome, sizeof(st->outcome), "%.15s", outcome);
}

static int grow_calls(struct cart_report *r, struct cart_err *err)
{
	size_t cap = r->cap_call_t == 0 ? 1024 : r->cap_call_t * 2;
	void *p;

	if (r->n_call_t < r->cap_call_t)
		return 0;
	p = realloc(r->call_t, cap * sizeof(*r->call_t));
	if (p == NULL)
		return cart_err_nomem(err);
	r->call_t = p;
	p = realloc(r->request, cap * sizeof(*r->request));
	if (p == NULL)
		return cart_err_nomem(err);
	r->request = p;
	r->cap_call_t = cap;
	return 0;
}

static int on_call(struct cart_report *r, const struct cart_json *line,
		   struct cart_err *err)
{
	const char *t = get(line, "t"), *id = get(line, "request_id");
	int64_t ns;

	r->calls++;
	r->errors += cart_json_get(line, "error") != NULL;
	if (cart_clock_parse(t, strlen(t), &ns) < 0 ||
	    r->n_call_t == REPORT_EVENTS)
		return 0;
	if (grow_calls(r, err) < 0)
		return -1;
	r->call_t[r->n_call_t++] = ns / 1000000000;
	if (id[0] != '\0')
		r->request[r->n_requests++] = cart_report_hash(id);
	return 0;
}

static int on_line(void *arg, const struct cart_json *line, struct cart_err *err)
{
	struct reading *s = arg;
	struct cart_report *r = s->r;
	const char *type = get(line, "type");

	if (s->second)
		return 0;
	snprintf(r->ended, sizeof(r->ended), "%.39s", get(line, "t"));
	if (strcmp(type, "session") == 0) {
		if (r->session == NULL) {
			r->session = cart_json_copy(line);
			memcpy(r->began, r->ended, sizeof(r->began));
		}
		r->sessions++;
	} else if (strcmp(type, "exhibit") == 0) {
		on_exhibit(s, line);
	} else if (strcmp(type, "gap") == 0) {
		r->gaps++;
		step_of(r, get(line, "step"))->gaps++;
		keep(r->gap, &r->n_gaps, REPORT_GAPS, line);
	} else if (strcmp(type, "change") == 0) {
		keep(r->change, &r->n_changes, REPORT_CHANGES, line);
	} else if (strcmp(type, "note") == 0) {
		/* the operator's own limit: no gap, and still not collected */
		if (strncmp(get(line, "text"), "--only-region", 13) == 0)
			snprintf(r->scope, sizeof(r->scope), "%.199s",
				 get(line, "text"));
	} else if (strcmp(type, "clock") == 0 || strcmp(type, "endpoint") == 0) {
		keep(r->fact, &r->n_facts, REPORT_FACTS, line);
	} else if (strcmp(type, "instance") == 0) {
		on_instance(r, line);
	} else if (strcmp(type, "file") == 0) {
		r->files++;
	} else if (strcmp(type, "call") == 0) {
		return on_call(r, line, err);
	}
	return 0;
}

static void on_attestation(void *arg, const struct cart_attestation *a)
{
	struct cart_report *r = ((struct reading *)arg)->r;
	struct cart_report_found *f;

	/* what does not hold is never left out of the page */
	if ((!a->summary && a->verdict != CART_ATTEST_INVALID) ||
	    r->n_found == REPORT_FOUND)
		return;
	f = &r->found[r->n_found++];
	f->verdict = a->verdict;
	f->bundle_keys = a->bundle_keys;
	snprintf(f->text, sizeof(f->text), "%s", a->text);
}

/* ---- what lies beside the bundle ------------------------------------------ */

static void on_entry(void *arg, const struct cart_json *entry,
		     const char *key_id, bool trusted, const char *sha256)
{
	struct cart_report *r = arg;
	struct cart_report_custody *c;

	if (r->n_custody == REPORT_CUSTODY)
		return;
	c = &r->custody[r->n_custody];
	c->entry = cart_json_copy(entry);
	if (c->entry == NULL)
		return;
	r->n_custody++;
	snprintf(c->key_id, sizeof(c->key_id), "%s", key_id);
	snprintf(c->sha256, sizeof(c->sha256), "%s", sha256);
	c->trusted = trusted;
}

/* A record that cannot be read is one that does not hold. */
static void read_custody(struct cart_report *r,
			 const struct cart_verify_options *o,
			 const struct cart_verdict *v)
{
	struct cart_custody_place place;
	struct cart_err err = { 0 };
	struct stat st;

	if (v->kind == CART_VERDICT_INVALID || v->root[0] == '\0' ||
	    v->extracted || strcmp(o->bundle, "-") == 0 ||
	    cart_custody_find(o->bundle, v->name, &place, &err) < 0)
		return;
	memcpy(r->seal_sha256, place.seal_sha256, sizeof(r->seal_sha256));
	if (stat(place.folder, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	r->has_custody = true;
	if (cart_custody_check(place.folder, v->root, place.seal_sha256,
			       o->keys, o->n_keys, NULL, on_entry, r,
			       &r->chain, &err) < 0) {
		r->chain.kind = CART_VERDICT_INVALID;
		snprintf(r->chain.reason, sizeof(r->chain.reason), "%s",
			 err.text);
	}
}

struct cart_report *cart_report_read(const struct cart_verify_options *o,
				     struct cart_verdict *ret_v,
				     struct cart_err *err)
{
	struct cart_verify_options v = *o;
	struct reading *s = calloc(1, sizeof(*s));
	struct cart_report *r = calloc(1, sizeof(*r));
	struct cart_verdict again;
	int rc = -1;

	if (s == NULL || r == NULL) {
		cart_err_nomem(err);
		goto out;
	}
	s->r = r;
	cart_buf_init(&s->line, (size_t)4 << 20);
	cart_buf_init(&s->part, PART_MAX);
	v.line = on_line;
	v.member = on_member;
	v.arg = s;
	v.attestation = on_attestation;
	v.attestation_arg = s;
	rc = cart_verify(&v, ret_v, err);
	/* events in parts, a timeline: which, only the whole log told */
	if (rc == 0 && (s->n_parts > 0 || s->timeline[0] != '\0') &&
	    ret_v->kind != CART_VERDICT_INVALID &&
	    strcmp(o->bundle, "-") != 0) {
		s->second = true;
		v.attestation = NULL;
		v.progress = NULL;
		rc = cart_verify(&v, &again, err);
		if (rc == 0 && (again.kind != ret_v->kind ||
				strcmp(again.root, ret_v->root) != 0))
			rc = cart_err_set(err, CART_ERR_INPUT, 0, "%s: the bundle "
					  "changed while it was read", o->bundle);
	}
	cart_buf_clear(&s->line);
	cart_buf_clear(&s->part);
	if (rc == 0) {
		cart_report_settle(r);
		read_custody(r, o, ret_v);
	}
out:
	free(s);
	if (rc < 0) {
		cart_report_free(r);
		return NULL;
	}
	return r;
}

void cart_report_free(struct cart_report *r)
{
	size_t i;

	if (r == NULL)
		return;
	cart_json_free(r->session);
	for (i = 0; i < r->n_gaps; i++)
		cart_json_free(r->gap[i]);
	for (i = 0; i < r->n_changes; i++)
		cart_json_free(r->change[i]);
	for (i = 0; i < r->n_facts; i++)
		cart_json_free(r->fact[i]);
	free(r->event);
	free(r->call_t);
	free(r->request);
	for (i = 0; i < r->n_custody; i++)
		cart_json_free(r->custody[i].entry);
	free(r);
}
