/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudtrail_pack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "cloudtrail_bucket.h"
#include "step_support.h"

/* A part, less what its last file may need beside its bytes; and room for the
 * headers of each. */
#define SET_BYTES (CART_PART_SIZE - 32768)
#define FILE_ROOM ((size_t)3072)
#define SET_FILES 2600u			/* their lines: under 4 MiB */
#define DATA_MAX (CART_PART_SIZE + ((size_t)1 << 16))
#define TEXT_MAX ((size_t)16 << 20)
#define FILE_MAX (CART_PART_SIZE / 2)
#define ORIGIN_MAX ((size_t)32 << 10)
/* A slow source must not keep what came from being durable for long. */
#define PATIENCE_NS ((int64_t)10 * 1000000000)
/* Too large for a set, or with names that no folder could hold: each is a
 * member or more of the bundle, of which there are not many (FORMAT.md F9). */
#define OWN_MAX 20000u

struct cart_trail_waiting {
	size_t data, len;		/* in data */
	size_t path, path_len, origin, origin_len;	/* in text */
	uint64_t hash;			/* of the path */
	int64_t mtime_ns;
};

void cart_trail_pack_init(struct cart_trail_pack *p, struct cart_step_ctx *c,
			  const char *name)
{
	memset(p, 0, sizeof(*p));
	p->c = c;
	p->name = name;
	cart_buf_init(&p->data, DATA_MAX);
	cart_buf_init(&p->text, TEXT_MAX);
}

/* ---- one set -------------------------------------------------------------- */

static int open_set(struct cart_trail_pack *p, struct cart_err *err)
{
	struct cart_json *origin = cart_json_new_object();
	const struct cart_exhibit_info info = { .name = p->name,
		.slug = "cloudtrail-objects", .media = "application/x-tar",
		.origin = origin, .repeatable = true };

	cart_json_add(origin, "service", cart_json_new_string("s3"));
	cart_json_add(origin, "kind", cart_json_new_string("cloudtrail-objects"));
	p->set = p->c->ops->fileset(p->c, &info, err);
	cart_json_free(origin);
	p->room = SET_BYTES;
	p->since_ns = cart_clock_mono_ns();
	return p->set != NULL ? 0 : -1;
}

static int send_file(struct cart_trail_pack *p,
		     const struct cart_trail_waiting *w, struct cart_err *err)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_nlink = 1,
			   .st_size = (off_t)w->len };
	struct cart_file file = { .st = &st, .btime_ns = INT64_MIN };

	st.st_mtim.tv_sec = w->mtime_ns / 1000000000;
	st.st_ctim = st.st_atim = st.st_mtim;
	file.path = (char *)p->text.data + w->path;
	file.path_len = w->path_len;
	file.origin = (char *)p->text.data + w->origin;
	file.origin_len = w->origin_len;
	return p->c->ops->file_add(p->set, &file, w->len > 0 ?
				   p->data.data + w->data : (const void *)"",
				   w->len, err);
}

static int send_set(struct cart_trail_pack *p, struct cart_err *err)
{
	struct cart_fileset *set = p->set;
	struct cart_err later = { 0 };
	size_t i;
	int rc = 0;

	if (set == NULL)
		return 0;
	if (p->before != NULL)
		rc = p->before(p->arg, err);
	/* what was fetched is evidence, whatever happened meanwhile */
	for (i = 0; i < p->n; i++) {
		if (send_file(p, &p->at[i], &later) == 0)
			continue;
		if (rc == 0)
			*err = later;
		rc = -1;
		break;
	}
	p->set = NULL;
	if (p->c->ops->fileset_close(set, rc < 0 ? "truncated" : NULL, NULL,
				     &later) < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
	p->n = 0;
	cart_buf_reset(&p->data);
	cart_buf_reset(&p->text);
	return rc;
}

/* ---- one object ------------------------------------------------------------- */

/* Would it be a file that nothing else of a set can be in the way of?  Only
 * names like CloudTrail's: a folder may not be called like an object. */
static bool fits(const char *path, size_t len, size_t origin_len)
{
	static const char end[] = ".json.gz";
	size_t n = strlen(path), e = sizeof(end) - 1;
	const char *s;

	if (len > FILE_MAX || origin_len > ORIGIN_MAX ||
	    n >= CART_TRAIL_PATH_SIZE - 1 || n < e ||
	    strcmp(path + n - e, end) != 0 || strstr(path, "//") != NULL ||
	    strstr(path, "/./") != NULL || strstr(path, "/../") != NULL)
		return false;
	s = strstr(path, ".json.gz/");
	return s == NULL;
}

static uint64_t hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return h;
}

static bool waits(const struct cart_trail_pack *p, uint64_t h)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (p->at[i].hash == h)
			return true;
	}
	return false;
}

static int64_t modified(const struct cart_step_reply *reply)
{
	const char *s = cart_json_get_string(reply->aws.view, "LastModified");
	char text[24];
	int64_t ns;

	/* "2026-11-24T03:05:00+00:00" */
	snprintf(text, sizeof(text), "%.19sZ", s != NULL ? s : "");
	return cart_clock_parse(text, strlen(text), &ns) == 0 ? ns : 0;
}

static int wait_here(struct cart_trail_pack *p, const char *path,
		     const struct cart_buf *origin,
		     const struct cart_step_reply *reply, struct cart_err *err)
{
	const struct cart_buf *raw = &reply->aws.raw;
	struct cart_trail_waiting *w;
	size_t cap;

	if (p->n == p->cap) {
		cap = p->cap > 0 ? p->cap * 2 : 256;
		w = realloc(p->at, cap * sizeof(*w));
		if (w == NULL)
			return cart_err_nomem(err);
		p->at = w;
		p->cap = cap;
	}
	w = &p->at[p->n];
	w->data = p->data.len;
	w->len = raw->len;
	w->path = p->text.len;
	w->path_len = strlen(path);
	w->origin = w->path + w->path_len;
	w->origin_len = origin->len;
	w->hash = hash(path);
	w->mtime_ns = modified(reply);
	cart_buf_add(&p->data, raw->data, raw->len);
	cart_buf_adds(&p->text, path);
	cart_buf_add(&p->text, origin->data, origin->len);
	if (cart_buf_check(&p->data, "objects that wait", err) < 0 ||
	    cart_buf_check(&p->text, "objects that wait", err) < 0)
		return -1;
	p->n++;
	p->room -= w->len + FILE_ROOM < p->room ? w->len + FILE_ROOM : p->room;
	return 0;
}

int cart_trail_pack_add(struct cart_trail_pack *p, const char *bucket,
			const char *key, const struct cart_step_reply *reply,
			char ret_id[CART_EXHIBIT_ID_SIZE], char *ret_path,
			struct cart_err *err)
{
	struct cart_json *o = cart_trail_origin(bucket, key, reply);
	size_t len = reply->aws.raw.len;
	struct cart_buf origin;
	int rc = -1;

	cart_buf_init(&origin, TEXT_MAX);
	cart_json_print(o, 0, &origin);
	if (cart_buf_check(&origin, "an object's origin", err) < 0)
		goto out;
	if ((size_t)snprintf(ret_path, CART_TRAIL_PATH_SIZE, "/%s/%s", bucket,
			     key) >= CART_TRAIL_PATH_SIZE ||
	    !fits(ret_path, len, origin.len)) {
		ret_path[0] = ret_id[0] = '\0';
		if (p->own == OWN_MAX) {
			p->lost++;
			rc = 0;
		} else {
			p->own++;
			rc = cart_trail_put(p->c, key, o, reply, ret_id, err);
		}
		goto out;
	}
	if (p->set != NULL &&
	    (p->n == SET_FILES || len + FILE_ROOM > p->room ||
	     cart_clock_mono_ns() - p->since_ns > PATIENCE_NS ||
	     waits(p, hash(ret_path))) && send_set(p, err) < 0)
		goto out;
	if (p->set == NULL && open_set(p, err) < 0)
		goto out;
	snprintf(ret_id, CART_EXHIBIT_ID_SIZE, "%s",
		 p->c->ops->fileset_id(p->set));
	rc = wait_here(p, ret_path, &origin, reply, err);
out:
	cart_buf_clear(&origin);
	cart_json_free(o);
	return rc;
}

int cart_trail_pack_close(struct cart_trail_pack *p, struct cart_err *err)
{
	int rc = send_set(p, err);
	char what[160];

	if (p->lost > 0) {
		snprintf(what, sizeof(what), "%" PRIu64 " objects that no file "
			 "set can hold, beyond the first %u", p->lost, OWN_MAX);
		cart_step_gap(p->c, what, "limit", "each needs room of its own: "
			      "narrow the window, and collect the rest into "
			      "another bundle");
	}
	cart_buf_clear(&p->data);
	cart_buf_clear(&p->text);
	free(p->at);
	p->at = NULL;
	return rc;
}
