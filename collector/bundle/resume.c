/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "read_internal.h"

/*
 * Going on after an interruption.  The files are read as a verifier reads
 * them; what counts is everything up to the end of the last log part that is
 * whole, agrees with its group, and whose head holds.  A log part with the
 * `end` line does not count: the run died while it sealed, and a line may
 * still be added only before the end.
 */

#define READ_BYTES ((size_t)1 << 20)
/* A writer has at most a group, a part and the final lists behind its last
 * log part.  More than this means damage in the middle, not a crash. */
#define TAIL_BYTES_MAX ((uint64_t)192 << 20)
#define EARLY_MAX 8u

struct early {
	char path[40];
	struct cart_buf data;
};

/* A tag member that no log part has confirmed yet. */
struct waiting {
	char path[101];
	unsigned char sha256[CART_SHA256_SIZE];
	uint64_t size;
};

struct cut_exhibit {
	uint32_t number;
	uint64_t parts, total;
	bool is_set;
	uint64_t files, file_bytes;
	char *step;
	struct cart_json *first;	/* line of part 1 */
};

struct cart_resume_point {
	int fd;				/* the segment that is cut */
	char name[65], case_id[65], uuid[CART_UUID_SIZE];
	uint64_t start;
	bool has_examiner;
	struct cart_public_key examiner;
	unsigned sessions;
	struct early early[EARLY_MAX];
	size_t n_early;
	/* up to the last whole log part */
	struct cart_index index;
	struct cart_merkle merkle;
	uint64_t lines;
	unsigned log_parts;
	struct cart_bundle_counts counts;
	struct cart_buf changes;	/* as the state file has them */
	uint32_t last_exhibit;
	struct cut_exhibit *cut;
	size_t n_cut, cap_cut;
	uint64_t total;			/* bytes of the stream that stay */
	uint64_t dropped;		/* bytes behind them */
	char why[CART_ERR_TEXT_SIZE];	/* what stood there */
	size_t broken;			/* segment where a rule was, or 0 */
	bool only_seal;			/* nothing but an unfinished end */
	bool closed;			/* segments of a source, all whole */
	/* those of a source that hold, and the log in them */
	size_t n_good, good_chunks;
	uint64_t good_lines;
	struct cart_merkle good_log;
	/* where that is */
	uint64_t *length;		/* of the segments that were read */
	size_t n_segments;
	struct cart_blocks chunks;
	size_t segment;			/* number of the one that is cut */
	uint64_t offset;
};

/* What is only needed while reading. */
struct reading {
	struct cart_resume_point *r;
	struct cart_crew crew;
	struct cart_bag bag;
	struct cart_walker *walker;
	cart_line_fn fn;
	void *arg;
	struct cart_buf text;		/* of the log part or early member */
	struct cart_sha256 sha;
	struct waiting wait[EARLY_MAX];
	size_t n_wait;
	uint64_t part_end;		/* a good log part ends here; 0: none */
	struct cart_sha256 chunk;
	uint64_t chunk_fill;
	struct cart_age_reader *age;	/* of a source that is encrypted */
	bool stop;
};

/* --- the lines of a good log part --- */

static const char *text_of(const struct cart_json *line, const char *key)
{
	const char *s = cart_json_get_string(line, key);

	return s ? s : "";
}

static uint64_t number_of(const struct cart_json *line, const char *key)
{
	int64_t v = 0;

	cart_json_i64(cart_json_get(line, key), &v);
	return (uint64_t)v;
}

static uint32_t exhibit_of(const struct cart_json *line)
{
	const char *id = text_of(line, "exhibit");
	uint32_t v = 0;

	for (; *id; id++)
		if (*id >= '0' && *id <= '9')
			v = v * 10 + (uint32_t)(*id - '0');
	return v;
}

static struct cut_exhibit *find_cut(struct cart_resume_point *r, uint32_t number)
{
	size_t i;

	for (i = 0; i < r->n_cut; i++)
		if (r->cut[i].number == number)
			return &r->cut[i];
	return NULL;
}

/* The exhibit that a part or file line belongs to; made when it is new. */
static struct cut_exhibit *need_cut(struct cart_resume_point *r,
				    const struct cart_json *line,
				    struct cart_err *err)
{
	uint32_t number = exhibit_of(line);
	struct cut_exhibit *c = find_cut(r, number);
	size_t cap = r->cap_cut ? 2 * r->cap_cut : 16;

	if (c)
		return c;
	if (r->n_cut == r->cap_cut) {
		c = realloc(r->cut, cap * sizeof(*c));
		if (!c)
			goto nomem;
		r->cut = c;
		r->cap_cut = cap;
	}
	c = &r->cut[r->n_cut];
	memset(c, 0, sizeof(*c));
	c->number = number;
	c->step = strdup(text_of(line, "step"));
	if (!c->step)
		goto nomem;
	r->n_cut++;
	if (number > r->last_exhibit)
		r->last_exhibit = number;
	return c;
nomem:
	cart_err_nomem(err);
	return NULL;
}

static void clear_cut(struct cut_exhibit *c)
{
	free(c->step);
	cart_json_free(c->first);
}

static void drop_cut(struct cart_resume_point *r, uint32_t number)
{
	struct cut_exhibit *c = find_cut(r, number);

	if (!c)
		return;
	clear_cut(c);
	*c = r->cut[--r->n_cut];
}

static int add_payload(struct cart_resume_point *r, const struct cart_json *line,
		       struct cart_err *err)
{
	const char *path = text_of(line, "path"), *hex = text_of(line, "sha256");
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_member_id id;

	if (!*path)
		return 0;		/* zeros, or an exhibit in parts */
	if (cart_index_parse(&r->index, path, &id) < 0 ||
	    cart_text_unhex(hex, strlen(hex), sha256, sizeof(sha256)) < 0)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "%s: cannot be kept", path);
	return cart_index_add(&r->index, id, sha256, number_of(line, "size"),
			      err);
}

static int take_part(struct cart_resume_point *r, const struct cart_json *line,
		     struct cart_err *err)
{
	struct cut_exhibit *c = need_cut(r, line, err);

	if (!c)
		return -1;
	if (c->parts == 0) {
		c->first = cart_json_copy(line);
		if (!c->first)
			return cart_err_nomem(err);
	}
	c->parts++;
	c->total += number_of(line, "length");
	c->is_set = strcmp(text_of(line, "encoding"), "tar.zst") == 0;
	return add_payload(r, line, err);
}

static int take_file(struct cart_resume_point *r, const struct cart_json *line,
		     struct cart_err *err)
{
	struct cut_exhibit *c = need_cut(r, line, err);

	if (!c)
		return -1;
	c->is_set = true;
	if (cart_json_get(line, "part")) {
		c->files++;
		c->file_bytes += number_of(line, "size");
	}
	return 0;
}

static int take_line(struct cart_resume_point *r, const struct cart_json *line,
		     struct cart_err *err)
{
	const char *type = text_of(line, "type");

	if (strcmp(type, "part") == 0)
		return take_part(r, line, err);
	if (strcmp(type, "file") == 0)
		return take_file(r, line, err);
	if (strcmp(type, "call") == 0)
		r->counts.calls++;
	else if (strcmp(type, "gap") == 0)
		r->counts.gaps++;
	else if (strcmp(type, "change") == 0) {
		r->counts.changes++;
		cart_buf_addf(&r->changes, "change %s %s %s\n",
			      text_of(line, "uuid"), text_of(line, "class"),
			      text_of(line, "event"));
	}
	if (strcmp(type, "exhibit") != 0)
		return 0;
	r->counts.exhibits++;
	if (exhibit_of(line) > r->last_exhibit)
		r->last_exhibit = exhibit_of(line);
	drop_cut(r, exhibit_of(line));
	return add_payload(r, line, err);
}

static int take_lines(struct reading *in, struct cart_err *err)
{
	const char *p = (const char *)in->text.data, *end = p + in->text.len;
	struct cart_json *line;
	const char *lf;
	int rc = 0;

	for (; rc == 0 && p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		line = cart_log_line_parse(p, (size_t)(lf - p), err);
		if (!line)
			return -1;
		rc = take_line(in->r, line, err);
		if (rc == 0 && in->fn)
			rc = in->fn(in->arg, line, err);
		cart_json_free(line);
	}
	return rc;
}

/* --- members --- */

static int add_tag(struct cart_resume_point *r, const struct waiting *w,
		   struct cart_err *err)
{
	struct cart_member_id id;

	if (cart_index_parse(&r->index, w->path, &id) < 0)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "%s: cannot be kept", w->path);
	return cart_index_add(&r->index, id, w->sha256, w->size, err);
}

/* The padding of a good log part was read as well: it counts. */
static int commit(struct reading *in, struct cart_err *err)
{
	struct cart_resume_point *r = in->r;
	size_t i;

	for (i = 0; i < in->n_wait; i++)
		if (add_tag(r, &in->wait[i], err) < 0)
			return -1;
	in->n_wait = 0;
	if (take_lines(in, err) < 0)
		return -1;
	r->merkle = in->bag.log.merkle;
	r->lines = r->merkle.size;
	r->log_parts = in->bag.log_parts;
	r->sessions = in->bag.log.sessions;
	r->total = in->part_end;
	in->part_end = 0;
	return 0;
}

static int keep_early(struct cart_resume_point *r, const char *path,
		      struct cart_buf *data, struct cart_err *err)
{
	struct early *e;

	if (r->n_early == EARLY_MAX)
		return 0;
	e = &r->early[r->n_early++];
	snprintf(e->path, sizeof(e->path), "%s", path);
	e->data = *data;
	cart_buf_init(data, MEMBER_MAX);
	return cart_buf_check(&e->data, path, err);
}

static int end_tag(struct reading *in, const struct cart_walk_member *m,
		   struct cart_err *err)
{
	struct waiting *w;

	if (in->n_wait == EARLY_MAX) {
		/* more than a group has: the last part was not whole */
		in->stop = true;
		return 0;
	}
	w = &in->wait[in->n_wait++];
	snprintf(w->path, sizeof(w->path), "%s", m->path);
	w->size = m->size;
	cart_sha256_final(&in->sha, w->sha256);
	if (strncmp(m->path, "log/", 4) != 0)
		return keep_early(in->r, m->path, &in->text, err);
	if (in->bag.log.ended) {
		/* the end line and its head, alone in their part */
		in->r->only_seal =
			in->bag.payload == in->r->index.payload.n &&
			in->bag.log.merkle.size == in->r->lines + 2;
		in->stop = true;
	} else {
		in->part_end = m->offset + TAR_BLOCK + m->size +
			       cart_tar_padding(m->size);
	}
	return 0;
}

static bool is_payload_path(const char *path)
{
	return strncmp(path, "data/", 5) == 0;
}

static int on_member(struct reading *in, struct cart_err *err)
{
	const struct cart_walk_member *m = cart_walker_member(in->walker);

	if (!in->bag.name[0])
		snprintf(in->bag.name, sizeof(in->bag.name), "%s",
			 cart_walker_name(in->walker));
	cart_buf_reset(&in->text);
	cart_sha256_clear(&in->sha);
	cart_sha256_init(&in->sha);
	return cart_bag_begin(&in->bag, m, err);
}

static int on_data(struct reading *in, const unsigned char *data, size_t len,
		   struct cart_err *err)
{
	const struct cart_walk_member *m = cart_walker_member(in->walker);

	if (!is_payload_path(m->path)) {
		cart_sha256_update(&in->sha, data, len);
		cart_buf_add(&in->text, data, len);
	}
	return cart_bag_data(&in->bag, NULL, data, len, err);
}

static int on_end(struct reading *in, struct cart_err *err)
{
	const struct cart_walk_member *m = cart_walker_member(in->walker);

	if (cart_bag_end(&in->bag, err) < 0)
		return -1;
	return is_payload_path(m->path) ? 0 : end_tag(in, m, err);
}

/* 1: go on; 0: nothing behind this counts (err says why); -1: cannot go on. */
static int feed(struct reading *in, const unsigned char *data, size_t len,
		struct cart_err *err)
{
	const unsigned char *p;
	enum cart_walk_event event;
	size_t n, now;
	uint64_t at;
	int rc;

	while (!in->stop) {
		at = cart_walker_offset(in->walker);
		if (in->part_end && in->part_end == at && commit(in, err) < 0)
			return -1;
		/* stops at the end of a good part, whatever is behind */
		now = in->part_end && in->part_end - at < len ?
			      (size_t)(in->part_end - at) : len;
		len -= now;
		event = cart_walker_step(in->walker, &data, &now, &p, &n, err);
		len += now;
		switch (event) {
		case CART_WALK_NEED:
			if (len == 0)
				return 1;
			rc = 0;
			break;
		case CART_WALK_MEMBER:
			rc = on_member(in, err);
			break;
		case CART_WALK_DATA:
			rc = on_data(in, p, n, err);
			break;
		case CART_WALK_MEMBER_END:
			rc = on_end(in, err);
			break;
		default:
			return 0;
		}
		if (rc < 0)
			return cart_rule_number(err) ? 0 : -1;
	}
	cart_err_set(err, CART_ERR_INPUT, 0, "the run ended while it sealed");
	return 0;
}

/* --- files --- */

static void segment_name(const char *name, size_t number, char out[96])
{
	if (number == 1)
		snprintf(out, 96, "%s.tar", name);
	else
		snprintf(out, 96, "%s.tar.%03zu", name, number);
}

static int end_chunk(struct reading *in, struct cart_err *err)
{
	unsigned char *digest = cart_blocks_add(&in->r->chunks);

	if (!digest)
		return cart_err_nomem(err);
	cart_sha256_final(&in->chunk, digest);
	cart_sha256_init(&in->chunk);
	in->chunk_fill = 0;
	return 0;
}

/* Hashes chunks, counted anew in each segment. */
static int chunks(struct reading *in, const unsigned char *p, size_t len,
		  struct cart_err *err)
{
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = len;
		if (n > CHUNK_BYTES - in->chunk_fill)
			n = (size_t)(CHUNK_BYTES - in->chunk_fill);
		cart_sha256_update(&in->chunk, p, n);
		in->chunk_fill += n;
		if (in->chunk_fill == CHUNK_BYTES && end_chunk(in, err) < 0)
			return -1;
	}
	return 0;
}

static int read_segment(struct reading *in, int fd, unsigned char *block,
			bool *ret_go_on, struct cart_err *err)
{
	struct cart_err why = { 0 };
	ssize_t n;
	int rc;

	do {
		n = cart_fd_read(fd, block, READ_BYTES, err);
		if (n < 0 || chunks(in, block, (size_t)n, err) < 0)
			return -1;
		rc = feed(in, block, (size_t)n, &why);
		if (rc < 0) {
			*err = why;
			return -1;
		}
		if (rc == 0) {
			snprintf(in->r->why, sizeof(in->r->why), "%s",
				 why.text);
			if (cart_rule_number(&why))
				in->r->broken = in->r->n_segments;
			*ret_go_on = false;
			return 0;
		}
	} while ((size_t)n == READ_BYTES);
	if (in->chunk_fill && end_chunk(in, err) < 0)
		return -1;
	if (in->part_end && in->part_end == cart_walker_offset(in->walker) &&
	    commit(in, err) < 0)
		return -1;
	return 0;
}

/* Opens a segment and notes its length: 1, 0 if it is not there, or -1. */
static int open_segment(struct cart_resume_point *r, int dirfd, int *ret_fd,
			struct cart_err *err)
{
	uint64_t *length;
	struct stat st;
	char file[96];
	int fd;

	segment_name(r->name, r->n_segments + 1, file);
	fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
		    O_NONBLOCK);
	if (fd < 0 && errno == ENOENT && r->n_segments > 0)
		return 0;
	if (fd < 0)
		return cart_err_errno(err, errno, "%s", file);
	length = realloc(r->length, (r->n_segments + 1) * sizeof(*length));
	if (length)
		r->length = length;
	if (!length) {
		cart_err_nomem(err);
	} else if (fstat(fd, &st) != 0) {
		cart_err_errno(err, errno, "%s", file);
	} else if (!S_ISREG(st.st_mode)) {
		cart_err_set(err, CART_ERR_INPUT, 0, "%s: not a file", file);
	} else if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		cart_err_errno(err, EWOULDBLOCK, "%s: another process is "
			       "writing this bundle", file);
	} else {
		flock(fd, LOCK_UN);
		r->length[r->n_segments++] = (uint64_t)st.st_size;
		*ret_fd = fd;
		return 1;
	}
	close(fd);
	return -1;
}

static int read_all(struct reading *in, int dirfd, struct cart_err *err)
{
	struct cart_resume_point *r = in->r;
	unsigned char *block = malloc(READ_BYTES);
	bool go_on = true;
	int rc = -1, fd = -1, got;

	if (!block)
		return cart_err_nomem(err);
	for (;;) {
		got = open_segment(r, dirfd, &fd, err);
		if (got <= 0)
			break;
		if (go_on && read_segment(in, fd, block, &go_on, err) < 0)
			got = -1;
		close(fd);
		if (got < 0)
			break;
	}
	if (got == 0)
		rc = 0;
	free(block);
	return rc;
}

/* The stored bytes of a segment, decrypted if they are so.  As feed. */
static int feed_stored(struct reading *in, unsigned char *data, size_t len,
		       struct cart_err *err)
{
	const unsigned char *plain;
	size_t n;
	int rc;

	if (!in->age)
		return feed(in, data, len, err);
	while ((rc = cart_age_reader_step(in->age, &data, &len, &plain, &n,
					  err)) > 0) {
		rc = feed(in, plain, n, err);
		if (rc <= 0)
			return rc;
	}
	return rc < 0 ? 0 : 1;
}

/* A segment was read: what it holds counts now. */
static int end_closed(struct reading *in, struct cart_err *why,
		      struct cart_err *err)
{
	struct cart_resume_point *r = in->r;
	const unsigned char *plain;
	size_t n;
	int rc = 1;

	if (in->chunk_fill && end_chunk(in, err) < 0)
		return -1;
	if (in->age) {
		rc = cart_age_reader_end(in->age, &plain, &n, why);
		cart_age_reader_reset(in->age);
		if (rc < 0)
			return 0;
		rc = rc > 0 ? feed(in, plain, n, why) : 1;
	}
	if (rc > 0 && in->part_end &&
	    in->part_end == cart_walker_offset(in->walker) &&
	    commit(in, err) < 0)
		return -1;
	if (rc < 0)
		*err = *why;
	if (rc <= 0)
		return rc;
	r->n_good++;
	r->good_chunks = r->chunks.n;
	r->good_lines = r->lines;
	r->good_log = r->merkle;
	return 1;
}

/* As read_all, of segments elsewhere. */
static int read_closed(struct reading *in, const struct cart_resume_source *s,
		       struct cart_err *err)
{
	unsigned char *block = malloc(CHUNK_BYTES);
	struct cart_err why = { 0 };
	uint64_t at = 0;
	size_t i = 0, n;
	int rc = 1;

	if (block && s->identities)
		in->age = cart_age_reader_new(s->identities, err);
	if (!block || (s->identities && !in->age)) {
		free(block);
		return block ? -1 : cart_err_nomem(err);
	}
	while (rc > 0 && i < s->n_segments) {
		n = s->lengths[i] - at < CHUNK_BYTES ?
			(size_t)(s->lengths[i] - at) : CHUNK_BYTES;
		rc = s->read(s->arg, i, at, block, n, err) < 0 ||
		     chunks(in, block, n, err) < 0 ? -1 : 1;
		if (rc > 0) {
			rc = feed_stored(in, block, n, &why);
			if (rc < 0)
				*err = why;
		}
		at += n;
		if (rc > 0 && at == s->lengths[i]) {
			rc = end_closed(in, &why, err);
			at = 0;
			i++;
		}
	}
	free(block);
	cart_age_reader_free(in->age);
	if (rc < 0)
		return -1;
	snprintf(in->r->why, sizeof(in->r->why), "%s", why.text);
	return 0;
}

/* All must stay: what is closed can be neither cut nor replaced. */
static int keep_closed(struct cart_resume_point *r,
		       const struct cart_resume_source *s,
		       struct cart_err *err)
{
	uint64_t all = 0;
	size_t i;

	r->length = malloc(s->n_segments * sizeof(*r->length));
	if (!r->length)
		return cart_err_nomem(err);
	for (i = 0; i < s->n_segments; i++)
		all += r->length[i] = s->lengths[i];
	r->n_segments = r->segment = s->n_segments;
	r->offset = r->length[s->n_segments - 1];
	r->closed = true;
	if (all == r->total && r->lines > 0)
		return 0;
	return cart_err_set(err, CART_ERR_LIMIT, 0, "its closed segments end "
			    "within a group%s%s", r->why[0] ? ": " : "",
			    r->why);
}

/* Where in the segments the stream is cut, and how much is behind. */
static int find_place(struct cart_resume_point *r, int dirfd,
		      struct cart_err *err)
{
	uint64_t before = 0, all = 0;
	size_t i, n_chunks = 0;
	char file[96];

	for (i = 0; i < r->n_segments; i++)
		all += r->length[i];
	r->dropped = all - r->total;
	if (r->lines == 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s.tar: ends before its first log part "
				    "(%s): nothing can be resumed", r->name,
				    r->why[0] ? r->why : "cut short");
	if (r->dropped > TAIL_BYTES_MAX)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s.tar: damaged at byte %" PRIu64 " (%s), "
				    "with %" PRIu64 " bytes behind that would "
				    "be lost; keep a copy of it", r->name,
				    r->total, r->why, r->dropped);
	/* a segment is on the disk before the next is begun */
	if (r->broken && r->broken < r->n_segments) {
		segment_name(r->name, r->broken, file);
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s: damaged (%s), and it was closed before "
				    "the interruption; keep a copy of all "
				    "segments; with the later ones moved away, "
				    "what is whole before can be sealed", file,
				    r->why);
	}
	for (i = 0; before + r->length[i] < r->total; i++) {
		before += r->length[i];
		n_chunks += (size_t)((r->length[i] + CHUNK_BYTES - 1) /
				     CHUNK_BYTES);
	}
	r->segment = i + 1;
	r->offset = r->total - before;
	cart_blocks_cut(&r->chunks,
			n_chunks + (size_t)(r->offset / CHUNK_BYTES));
	segment_name(r->name, r->segment, file);
	r->fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0)
		return cart_err_errno(err, errno, "%s", file);
	return 0;
}

static int refuse_seal(int dirfd, const char *name, struct cart_err *err)
{
	struct stat st;
	char file[96];

	snprintf(file, sizeof(file), "%s.seal", name);
	if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "%s: the bundle is sealed already", file);
	return 0;
}

static void end_reading(struct reading *in)
{
	cart_walker_free(in->walker);
	cart_bag_clear(&in->bag);
	cart_crew_stop(&in->crew);
	cart_sha256_clear(&in->sha);
	cart_sha256_clear(&in->chunk);
	cart_buf_clear(&in->text);
}

static int begin_reading(struct reading *in, struct cart_err *err)
{
	cart_bag_init(&in->bag, &in->crew);
	cart_sha256_init(&in->sha);
	cart_sha256_init(&in->chunk);
	cart_buf_init(&in->text, MEMBER_MAX);
	if (cart_crew_start(&in->crew, 1, err) < 0)
		return -1;
	in->walker = cart_walker_new(in->r->name);
	return in->walker ? 0 : cart_err_nomem(err);
}

static int read_point(struct cart_resume_point *r, int dirfd,
		      const struct cart_resume_source *from,
		      cart_line_fn fn, void *arg, struct cart_err *err)
{
	struct reading in = { .r = r, .fn = fn, .arg = arg };
	int rc = -1;

	if (begin_reading(&in, err) < 0 ||
	    (from ? read_closed(&in, from, err) :
		    read_all(&in, dirfd, err)) < 0)
		goto out;
	snprintf(r->case_id, sizeof(r->case_id), "%s", in.bag.log.case_id);
	snprintf(r->uuid, sizeof(r->uuid), "%s", in.bag.log.uuid);
	r->start = cart_walker_mtime(in.walker);
	r->has_examiner = in.bag.has_examiner;
	r->examiner = in.bag.examiner;
	rc = from ? keep_closed(r, from, err) : find_place(r, dirfd, err);
out:
	end_reading(&in);
	return rc;
}

static struct cart_resume_point *new_point(const char *name,
					   struct cart_err *err)
{
	struct cart_resume_point *r;

	if (!cart_bundle_name_ok(name, strlen(name))) {
		cart_err_set(err, CART_ERR_USAGE, 0, "not a bundle's name");
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		cart_err_nomem(err);
		return NULL;
	}
	r->fd = -1;
	snprintf(r->name, sizeof(r->name), "%s", name);
	cart_index_init(&r->index);
	cart_blocks_init(&r->chunks, CART_SHA256_SIZE);
	cart_buf_init(&r->changes, (size_t)16 << 20);
	return r;
}

struct cart_resume_point *cart_resume_read(int dirfd, const char *name,
					   cart_line_fn fn, void *arg,
					   struct cart_err *err)
{
	struct cart_resume_point *r = new_point(name, err);

	if (r && (refuse_seal(dirfd, name, err) < 0 ||
		  read_point(r, dirfd, NULL, fn, arg, err) < 0)) {
		cart_resume_free(r);
		return NULL;
	}
	return r;
}

struct cart_resume_point *
cart_resume_read_source(const struct cart_resume_source *s, const char *name,
			cart_line_fn fn, void *arg, struct cart_err *err)
{
	struct cart_resume_point *r = new_point(name, err);

	if (r && read_point(r, -1, s, fn, arg, err) < 0) {
		cart_resume_free(r);
		return NULL;
	}
	return r;
}

/* --- what the run did not seal --- */

/* F21 and F26 */
static int print_salvaged(const struct cart_resume_point *r,
			  const uint64_t *lengths, struct cart_salvage *ret,
			  struct cart_err *err)
{
	unsigned char root[CART_SHA256_SIZE];
	struct cart_segment segment = { 0 };
	size_t i;

	cart_merkle_root(&r->good_log, root);
	cart_text_hex(root, sizeof(root), ret->root);
	cart_buf_addf(&ret->seal, "crashcart-seal 1\nbundle %s\ncase %s\n"
		      "state partial\nroot %s\nlog %" PRIu64 " %s\n"
		      "chunk %" PRIu64 "\n", r->name, r->case_id, ret->root,
		      r->good_lines, ret->root, CHUNK_BYTES);
	for (i = 0; i < r->n_good; i++) {
		segment.length = lengths[i];
		segment.n_chunks = (size_t)((lengths[i] + CHUNK_BYTES - 1) /
					    CHUNK_BYTES);
		cart_seal_segment(i, &segment, &r->chunks, &ret->seal);
		segment.first_chunk += segment.n_chunks;
		ret->bytes += lengths[i];
	}
	return cart_buf_check(&ret->seal, "seal", err);
}

int cart_salvage_read(const struct cart_resume_source *s, const char *name,
		      struct cart_salvage *ret, struct cart_err *err)
{
	struct cart_resume_point *r = new_point(name, err);
	struct reading in = { .r = r };
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	cart_buf_init(&ret->seal, CART_SEAL_MAX);
	if (!r)
		return -1;
	if (begin_reading(&in, err) < 0 || read_closed(&in, s, err) < 0)
		goto out;
	snprintf(r->case_id, sizeof(r->case_id), "%s", in.bag.log.case_id);
	snprintf(ret->case_id, sizeof(ret->case_id), "%s", r->case_id);
	snprintf(ret->uuid, sizeof(ret->uuid), "%s", in.bag.log.uuid);
	snprintf(ret->why, sizeof(ret->why), "%s", r->why);
	ret->segments = r->n_good;
	ret->lines = r->good_lines;
	rc = r->good_lines > 0 ? print_salvaged(r, s->lengths, ret, err) : 0;
	if (r->good_lines == 0)
		ret->segments = 0;
out:
	end_reading(&in);
	cart_resume_free(r);
	if (rc < 0)
		cart_buf_clear(&ret->seal);
	return rc;
}

const void *cart_resume_member(const struct cart_resume_point *r,
			       const char *path, size_t *ret_len)
{
	size_t i;

	for (i = 0; i < r->n_early; i++) {
		if (strcmp(r->early[i].path, path) == 0) {
			*ret_len = r->early[i].data.len;
			return r->early[i].data.data ?
			       (const void *)r->early[i].data.data : "";
		}
	}
	return NULL;
}

const char *cart_resume_case(const struct cart_resume_point *r)
{
	return r->case_id;
}

const char *cart_resume_uuid(const struct cart_resume_point *r)
{
	return r->uuid;
}

int64_t cart_resume_start_ns(const struct cart_resume_point *r)
{
	return (int64_t)r->start * 1000000000;
}

const struct cart_public_key *
cart_resume_examiner(const struct cart_resume_point *r)
{
	return r->has_examiner ? &r->examiner : NULL;
}

unsigned cart_resume_segments(const struct cart_resume_point *r)
{
	return (unsigned)r->segment;
}

uint64_t cart_resume_offset(const struct cart_resume_point *r)
{
	return r->offset;
}

uint64_t cart_resume_lines(const struct cart_resume_point *r)
{
	return r->lines;
}

void cart_resume_free(struct cart_resume_point *r)
{
	size_t i;

	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	for (i = 0; i < r->n_early; i++)
		cart_buf_clear(&r->early[i].data);
	for (i = 0; i < r->n_cut; i++)
		clear_cut(&r->cut[i]);
	free(r->cut);
	free(r->length);
	cart_index_clear(&r->index);
	cart_blocks_clear(&r->chunks);
	cart_buf_clear(&r->changes);
	free(r);
}

/* --- writing again --- */

static int check_same(const struct cart_bundle_options *o,
		      const struct cart_resume_point *r, struct cart_err *err)
{
	char id[17];

	if (strcmp(o->name, r->name) != 0 ||
	    strcmp(o->case_id, r->case_id) != 0 ||
	    strcmp(o->uuid, r->uuid) != 0 ||
	    (uint64_t)(o->start_utc_ns / 1000000000) != r->start)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "not the bundle that was interrupted");
	if (r->has_examiner) {
		cart_minisign_id_text(r->examiner.id, id);
		if (!o->examiner ||
		    memcmp(&o->examiner->public_key, &r->examiner,
			   sizeof(r->examiner)) != 0)
			return cart_err_set(err, CART_ERR_USAGE, 0,
					    "the bundle was begun with the "
					    "examiner key %s and can only be "
					    "sealed with it: give it with "
					    "--key", id);
	} else if (o->examiner) {
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "the bundle was begun without an "
				    "examiner's key: resume it without, and "
				    "sign it afterwards with `crashcart "
				    "countersign`");
	}
	return 0;
}

/* The digest of the chunk that the cut goes through begins again. */
static int rehash(struct cart_stream *s, const struct cart_resume_point *r,
		  struct cart_err *err)
{
	uint64_t at = r->offset / CHUNK_BYTES * CHUNK_BYTES;
	unsigned char *block = malloc(READ_BYTES);
	size_t want;
	ssize_t n;
	int rc = -1;

	if (!block)
		return cart_err_nomem(err);
	for (; at < r->offset; at += (uint64_t)n) {
		want = r->offset - at < READ_BYTES ? (size_t)(r->offset - at) :
						     READ_BYTES;
		n = cart_fd_pread(r->fd, block, want, at, err);
		if (n < 0)
			goto out;
		if ((size_t)n != want) {
			cart_err_set(err, CART_ERR_INPUT, 0,
				     "%s.tar became shorter", r->name);
			goto out;
		}
		cart_sha256_update(&s->chunk_sha, block, want);
		s->chunk_fill += want;
	}
	rc = 0;
out:
	free(block);
	return rc;
}

static int restore_stream(struct cart_stream *s, struct cart_resume_point *r,
			  struct cart_err *err)
{
	struct cart_segment *segment;
	struct cart_blocks empty = s->chunks;
	size_t i, first = 0;

	s->chunks = r->chunks;
	r->chunks = empty;
	for (i = 0; i < r->segment; i++) {
		if (cart_stream_add_segment(s, err) < 0)
			return -1;
		segment = &s->segment[i];
		segment->first_chunk = first;
		segment->length = i + 1 < r->segment ? r->length[i] : r->offset;
		segment->n_chunks = i + 1 < r->segment || r->closed ?
			(size_t)((segment->length + CHUNK_BYTES - 1) /
				 CHUNK_BYTES) :
			(size_t)(segment->length / CHUNK_BYTES);
		first += segment->n_chunks;
	}
	s->total = r->total;
	return r->closed ? cart_stream_add_segment(s, err) :
			   rehash(s, r, err);
}

static int restore(struct cart_bundle *b, struct cart_resume_point *r,
		   struct cart_err *err)
{
	struct cart_index empty = b->index;

	b->index = r->index;
	r->index = empty;
	b->log.merkle = r->merkle;
	b->log.lines = r->lines;
	b->log.parts = r->log_parts;
	b->session_number = r->sessions + 1;
	b->exhibits_begun = r->last_exhibit;
	b->payload_asked = b->index.payload.n;
	b->manifest_asked = b->index.manifest_bytes;
	b->counts = r->counts;
	if (b->stream.closed)
		cart_buf_add(&b->changes, r->changes.data, r->changes.len);
	return restore_stream(&b->stream, r, err);
}

static int log_text(struct cart_bundle *b, struct cart_buf *text,
		    uint64_t *counter, struct cart_err *err)
{
	size_t len;
	char *s;

	cart_buf_addc(text, '}');
	if (cart_buf_check(text, "log line", err) < 0)
		return -1;
	s = cart_buf_steal(text, &len);
	return cart_bundle_tail(b, s, len, counter, err);
}

/* A file set that was cut before its first part says nothing of itself. */
static const char *about(const struct cut_exhibit *c, const char *key,
			 const char *otherwise)
{
	const char *s = text_of(c->first, key);

	return *s ? s : otherwise;
}

/* An exhibit line for what is there of an exhibit, and a gap for the rest. */
static int close_cut(struct cart_bundle *b, const struct cut_exhibit *c,
		     struct cart_err *err)
{
	struct cart_exhibit_info info = { .step = c->step,
		.instance = about(c, "instance", ""),
		.name = about(c, "name", "interrupted exhibit"),
		.media = about(c, "media", "application/octet-stream"),
		.repeatable = false };
	char id[CART_EXHIBIT_ID_SIZE];
	struct cart_exhibit_line line = { .id = id, .state = "truncated",
		.note = "the run was interrupted while it collected this",
		.size = c->is_set ? c->file_bytes : c->total,
		.parts = (int64_t)c->parts,
		.files = c->is_set ? (int64_t)c->files : -1 };
	struct cart_info_copy *copy = cart_info_copy(&info, err);
	struct cart_buf text;
	size_t len;
	int rc = -1;
	char *s;

	if (!copy)
		return -1;
	snprintf(id, sizeof(id), "e%06" PRIu32, c->number);
	cart_buf_init(&text, TAIL_MAX);
	cart_info_print(copy, &line, &text);
	if (cart_buf_check(&text, "exhibit line", err) < 0)
		goto out;
	s = cart_buf_steal(&text, &len);
	if (cart_bundle_tail(b, s, len, &b->counts.exhibits, err) < 0)
		goto out;
	cart_tail_begin(&text, "gap", c->step);
	cart_tail_text(&text, "what", "the rest of an exhibit");
	cart_tail_text(&text, "reason", "interrupted");
	cart_tail_text(&text, "detail", "the run was interrupted while it "
					"collected this exhibit");
	cart_tail_text(&text, "exhibit", id);
	cart_tail_u64(&text, "offset", c->total);
	rc = log_text(b, &text, &b->counts.gaps, err);
out:
	cart_buf_clear(&text);
	cart_info_free(copy);
	return rc;
}

/* What was cut is said, never hidden. */
static int tell_dropped(struct cart_bundle *b, const struct cart_resume_point *r,
			struct cart_err *err)
{
	struct cart_buf text;
	int rc;

	if (!r->closed && (r->dropped == 0 || r->only_seal))
		return 0;
	cart_buf_init(&text, TAIL_MAX);
	cart_tail_begin(&text, "gap", "");
	cart_tail_text(&text, "what", "what was collected last before the "
				      "interruption");
	cart_tail_text(&text, "reason", "interrupted");
	cart_tail_text(&text, "detail", r->closed ?
		       "the segment that was open was not durable" :
		       r->why[0] ? r->why : "the file ended within a group");
	cart_tail_u64(&text, "offset", r->total);
	if (!r->closed)
		cart_tail_u64(&text, "length", r->dropped);
	rc = log_text(b, &text, &b->counts.gaps, err);
	cart_buf_clear(&text);
	return rc;
}

struct cart_bundle *cart_bundle_resume(const struct cart_bundle_options *o,
				       struct cart_resume_point *r,
				       struct cart_err *err)
{
	struct cart_bundle *b;
	size_t i;

	if (check_same(o, r, err) < 0)
		return NULL;
	b = cart_bundle_make(o, err);
	if (!b)
		return NULL;
	if (restore(b, r, err) < 0 || cart_bundle_session(b, o, err) < 0 ||
	    cart_bundle_run(b, o->threads, err) < 0 ||
	    tell_dropped(b, r, err) < 0)
		goto fail;
	for (i = 0; i < r->n_cut; i++)
		if (close_cut(b, &r->cut[i], err) < 0)
			goto fail;
	return b;
fail:
	cart_bundle_free(b);
	return NULL;
}
