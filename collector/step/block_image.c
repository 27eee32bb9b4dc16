/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.image: a block device or image file, whole, in parts, with a map that
 * says of each range whether it was read, is zero, or could not be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crashcart/host_block.h"
#include "crashcart/step.h"
#include "step_support.h"

#define GRAIN ((size_t)64 << 10)	/* zero ranges are told this finely */
#define MAP_MAX ((size_t)24 << 20)	/* bytes of the map */
#define MAP_COARSE ((size_t)16 << 20)	/* from here on a range a part */
#define GAPS_MAX 100			/* failed ranges with a line of their own */

enum range_kind { RANGE_NONE, RANGE_READ, RANGE_ZERO, RANGE_FAILED };

static const char *const kind_names[] = { "", "read", "zero", "failed" };

struct image {
	struct cart_step_ctx *c;
	const char *path;
	char id[CART_EXHIBIT_ID_SIZE];
	struct cart_buf map;		/* one JSON object a range */
	enum range_kind kind;		/* of the range being grown */
	uint64_t begin, end;
	int last_errno;
	uint64_t sums[4];		/* bytes a kind */
	uint64_t failed_ranges;
};

static void end_range(struct image *m)
{
	if (m->kind == RANGE_NONE || m->end == m->begin)
		return;
	m->sums[m->kind] += m->end - m->begin;
	cart_buf_addf(&m->map, "{\"offset\":%" PRIu64 ",\"length\":%" PRIu64
		      ",\"kind\":\"%s\"", m->begin, m->end - m->begin,
		      kind_names[m->kind]);
	if (m->kind == RANGE_FAILED) {
		struct cart_err why = { 0 };

		cart_err_errno(&why, m->last_errno, "read");
		cart_buf_adds(&m->map, ",\"error\":");
		cart_json_quote(why.text, strlen(why.text), &m->map);
	}
	cart_buf_adds(&m->map, "}\n");
}

static void gap_range(struct image *m)
{
	struct cart_err why = { 0 };
	struct cart_gap gap = {
		.what = m->path, .reason = "failed", .detail = why.text,
		.exhibit = m->id, .count = -1,
	};

	m->failed_ranges++;
	if (m->failed_ranges > GAPS_MAX)
		return;
	cart_err_errno(&why, m->last_errno, "this range cannot be read and is "
		       "zeros in the image");
	gap.offset = (int64_t)m->begin;
	gap.length = (int64_t)(m->end - m->begin);
	m->c->ops->gap(m->c, &gap);
}

static void add_range(struct image *m, enum range_kind kind, uint64_t offset,
		      uint64_t length, int errno_value)
{
	if (kind == m->kind && offset == m->end &&
	    (kind != RANGE_FAILED || errno_value == m->last_errno)) {
		m->end += length;
		return;
	}
	end_range(m);
	if (m->kind == RANGE_FAILED)
		gap_range(m);
	m->kind = kind;
	m->begin = offset;
	m->end = offset + length;
	m->last_errno = errno_value;
}

static bool all_zero(const unsigned char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* What a stretch that was read holds, grain by grain. */
static void add_read(struct image *m, const unsigned char *p, size_t len,
		     uint64_t offset)
{
	size_t at, n;

	if (m->map.len > MAP_COARSE) {
		if (len > 0)
			add_range(m, all_zero(p, len) ? RANGE_ZERO : RANGE_READ,
				  offset, len, 0);
		return;
	}
	for (at = 0; at < len; at += n) {
		n = len - at < GRAIN ? len - at : GRAIN;
		add_range(m, all_zero(p + at, n) ? RANGE_ZERO : RANGE_READ,
			  offset + at, n, 0);
	}
}

/* Failed ranges of the part that is being read, in order. */
struct part {
	struct image *m;
	const unsigned char *buf;
	uint64_t offset;		/* of the part */
	uint64_t done;			/* told to the map up to here */
};

static int on_failed(void *arg, uint64_t offset, uint64_t length, int e)
{
	struct part *p = arg;

	add_read(p->m, p->buf + (p->done - p->offset), offset - p->done,
		 p->done);
	add_range(p->m, RANGE_FAILED, offset, length, e);
	p->done = offset + length;
	return p->m->c->ops->cancelled(p->m->c);
}

static int read_all(struct image *m, int fd, uint64_t size,
		    struct cart_exhibit *e, struct cart_err *err)
{
	uint64_t offset = 0;
	size_t n;

	while (offset < size) {
		struct part p = { .m = m, .offset = offset, .done = offset };
		unsigned char *buf = m->c->ops->reserve(e, err);

		if (buf == NULL)
			return -1;
		n = size - offset < CART_PART_SIZE ? (size_t)(size - offset) :
			CART_PART_SIZE;
		p.buf = buf;
		if (m->c->ops->cancelled(m->c) ||
		    cart_block_read(fd, buf, n, offset, on_failed, &p) < 0) {
			m->c->ops->submit_part(e, 0, NULL);
			return cart_err_set(err, CART_ERR_CANCELLED, 0,
					    "stopped at byte %" PRIu64, offset);
		}
		add_read(m, buf + (p.done - offset), (size_t)(offset + n -
							      p.done), p.done);
		if (m->c->ops->submit_part(e, n, err) < 0)
			return -1;
		offset += n;
		m->c->ops->progress(m->c, m->path, offset, size, "bytes");
	}
	return 0;
}

static int put_map(struct image *m, struct cart_err *err)
{
	const char *from[2] = { m->id, NULL };
	struct cart_exhibit_info info = { 0 };
	char name[512];

	end_range(m);
	if (m->kind == RANGE_FAILED)
		gap_range(m);
	if (m->failed_ranges > GAPS_MAX) {
		struct cart_gap gap = {
			.what = m->path, .reason = "failed", .exhibit = m->id,
			.detail = "further ranges that cannot be read; the map "
				"has all of them",
			.offset = -1, .length = -1,
			.count = (int64_t)(m->failed_ranges - GAPS_MAX),
		};

		m->c->ops->gap(m->c, &gap);
	}
	snprintf(name, sizeof(name), "map of %.480s", m->path);
	info.name = name;
	info.slug = "image-map.ndjson";
	info.media = "application/x-ndjson";
	info.derived_from = from;
	if (cart_buf_check(&m->map, name, err) < 0)
		return -1;
	return m->c->ops->put(m->c, &info, m->map.data != NULL ?
			      (void *)m->map.data : "", m->map.len, NULL, err);
}

static int take_image(struct image *m, int fd, uint64_t size, bool device,
		      struct cart_err *err)
{
	struct cart_exhibit_info info = { 0 };
	struct cart_json *origin = cart_json_new_object();
	struct cart_exhibit *e;
	struct cart_err later = { 0 };
	char note[160];
	int rc;

	cart_json_add(origin, "path", cart_json_new_string(m->path));
	cart_json_add(origin, "bytes", cart_json_new_int((int64_t)size));
	cart_json_add(origin, "device", cart_block_facts(fd));
	info.name = m->path;
	info.slug = "image";
	info.media = "application/octet-stream";
	info.origin = origin;
	info.repeatable = !device;
	e = m->c->ops->exhibit(m->c, &info, true, err);
	cart_json_free(origin);
	if (e == NULL)
		return -1;
	snprintf(m->id, sizeof(m->id), "%s", m->c->ops->exhibit_id(e));
	rc = read_all(m, fd, size, e, err);
	if (rc < 0)
		snprintf(note, sizeof(note), "ends early: %.140s", err->text);
	else if (m->sums[RANGE_FAILED] > 0 || m->kind == RANGE_FAILED)
		snprintf(note, sizeof(note), "ranges that could not be read are "
			 "zeros here; the map and the log name them");
	else
		note[0] = '\0';
	if (m->c->ops->close(e, rc < 0 ? "truncated" : note[0] ? "gaps" : NULL,
			     note[0] ? note : NULL, NULL, &later) < 0 && rc == 0) {
		*err = later;
		return -1;
	}
	if (put_map(m, &later) < 0 && rc == 0) {
		*err = later;
		return -1;
	}
	return rc;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct image m = { .c = c };
	bool device = false;
	uint64_t size = 0;
	int fd, holds, rc = -1;

	m.path = cart_json_get_string(c->with, "path");
	fd = open(m.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY |
		  O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(m.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		int e = errno;

		cart_err_errno(err, e, "%s", m.path);
		if (e == EACCES || e == EPERM)
			err->class = CART_ERR_DENIED;
		return -1;
	}
	cart_buf_init(&m.map, MAP_MAX);
	if (cart_block_size(fd, &size, &device, err) < 0) {
		cart_err_prefix(err, "%s", m.path);
		goto out;
	}
	holds = cart_block_holds_output(fd, err);
	if (holds > 0)
		cart_err_set(err, CART_ERR_USAGE, 0, "%s is where the bundle is "
			     "being written: give --out another device, S3 or a "
			     "pipe", m.path);
	if (holds == 0)
		rc = take_image(&m, fd, size, device, err);
out:
	cart_buf_clear(&m.map);
	close(fd);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	const char *path = cart_json_get_string(with, "path");

	emit(arg, path != NULL ? path : "", false, "every byte, in 8 MiB parts");
}

static const struct cart_param params[] = {
	{ "path", CART_PARAM_STRING, true, NULL,
	  "The block device or image file." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_block_image = {
	.name = "block.image",
	.summary = "Image a block device or file, with a map of its ranges.",
	.where = CART_STEP_HOST,
	.volatility = 6,
	.params = params,
	.plan = plan,
	.run = run,
};
