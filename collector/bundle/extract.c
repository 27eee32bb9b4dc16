/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/compress.h>
#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "extract_internal.h"

/*
 * One pass, so that it works on a pipe as well: members are written as they
 * come, and the lines that follow in the log part of their group say whether
 * that was right.  A part behind a run of zeros cannot be placed before its
 * line is there; until then it waits in an unlinked file.
 */

static bool wanted(const struct cart_extract *x, uint32_t number)
{
	char id[CART_EXHIBIT_ID_SIZE];
	const char *const *e = x->o->exhibits;

	if (!e)
		return true;
	snprintf(id, sizeof(id), "e%06" PRIu32, number);
	for (; *e; e++)
		if (strcmp(*e, id) == 0)
			return true;
	return false;
}

/* --- exhibits in parts --- */

static struct cart_extract_open_exhibit *find(struct cart_extract *x,
					      uint32_t number)
{
	size_t i;

	for (i = 0; i < x->n_open; i++)
		if (x->open[i].number == number)
			return &x->open[i];
	return NULL;
}

static struct cart_extract_open_exhibit *get(struct cart_extract *x,
					     uint32_t number,
					     struct cart_err *err)
{
	struct cart_extract_open_exhibit *e = find(x, number);
	size_t cap;

	if (e)
		return e;
	if (x->n_open == x->cap_open) {
		cap = x->cap_open ? x->cap_open * 2 : 16;
		e = realloc(x->open, cap * sizeof(*e));
		if (!e) {
			cart_err_nomem(err);
			return NULL;
		}
		x->open = e;
		x->cap_open = cap;
	}
	e = &x->open[x->n_open++];
	memset(e, 0, sizeof(*e));
	e->number = number;
	e->next_part = 1;
	cart_sha256_init(&e->sha);
	snprintf(e->id, sizeof(e->id), "e%06" PRIu32, number);
	return e;
}

static void drop(struct cart_extract *x, struct cart_extract_open_exhibit *e)
{
	cart_sha256_clear(&e->sha);
	x->n_open--;
	/* its state may hold pointers of its own, none to itself */
	if (e != &x->open[x->n_open])
		memcpy(e, &x->open[x->n_open], sizeof(*e));
}

static int write_at(int fd, const void *data, size_t len, uint64_t offset,
		    struct cart_err *err)
{
	if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return cart_err_errno(err, errno, "seek");
	return cart_fd_write(fd, data, len, err);
}

/* Puts a piece of the exhibit where it belongs. */
static int place(struct cart_extract *x, struct cart_extract_open_exhibit *e,
		 const void *data, size_t len, uint64_t offset,
		 struct cart_err *err)
{
	int fd = cart_extract_open(x->dirfd, e->id, O_WRONLY | O_CREAT, err);
	int rc;

	if (fd < 0)
		return -1;
	rc = write_at(fd, data, len, offset, err);
	if (close(fd) < 0 && rc == 0)
		rc = cart_err_errno(err, errno, "%s", e->id);
	if (rc < 0)
		return -1;
	if (e->sha_at == offset) {
		cart_sha256_update(&e->sha, data, len);
		e->sha_at += len;
	}
	return 0;
}

static int spool_open(struct cart_extract *x, struct cart_err *err)
{
	static const char name[] = ".waiting-parts";

	if (x->spool >= 0)
		return 0;
	x->spool = cart_extract_open(x->dirfd, name,
				     O_RDWR | O_CREAT | O_EXCL, err);
	if (x->spool < 0)
		return -1;
	if (unlinkat(x->dirfd, name, 0) < 0)
		return cart_err_errno(err, errno, "%s", name);
	return 0;
}

static struct cart_extract_piece *add_piece(struct cart_extract *x,
					    struct cart_err *err)
{
	struct cart_extract_piece *p;
	size_t cap;

	if (x->n_pieces == x->cap_pieces) {
		cap = x->cap_pieces ? x->cap_pieces * 2 : 16;
		p = realloc(x->pieces, cap * sizeof(*p));
		if (!p) {
			cart_err_nomem(err);
			return NULL;
		}
		x->pieces = p;
		x->cap_pieces = cap;
	}
	p = &x->pieces[x->n_pieces++];
	memset(p, 0, sizeof(*p));
	return p;
}

/* The inflated bytes of a part are there; its line is not. */
static int take_piece(struct cart_extract *x, const void *data, size_t len,
		      bool is_set, struct cart_err *err)
{
	struct cart_extract_open_exhibit *e = get(x, x->number, err);
	struct cart_extract_piece *p = e ? add_piece(x, err) : NULL;

	if (!p)
		return -1;
	p->number = x->number;
	p->part = x->part;
	p->length = len;
	if (is_set) {
		e->is_set = true;
		return cart_extract_tar(x, e, data, len, err);
	}
	if (x->part == e->next_part) {
		if (place(x, e, data, len, e->next_offset, err) < 0)
			return -1;
		e->next_part++;
		e->next_offset += len;
		return 0;
	}
	p->spooled = true;
	p->spool_at = x->spool_len;
	if (spool_open(x, err) < 0 ||
	    write_at(x->spool, data, len, x->spool_len, err) < 0)
		return -1;
	x->spool_len += len;
	return 0;
}

static int inflate(struct cart_extract *x, const char *path,
		   struct cart_err *err)
{
	cart_buf_reset(&x->piece);
	if (cart_zstd_decompress(x->stored.data, x->stored.len, NULL, 0,
				 &x->piece, err) < 0)
		return cart_err_prefix(err, "%s", path);
	return cart_buf_check(&x->piece, path, err);
}

static int end_part(struct cart_extract *x, const char *path,
		    struct cart_err *err)
{
	const char *ext = strchr(path, '.');

	if (cart_buf_check(&x->stored, path, err) < 0)
		return -1;
	if (strcmp(ext, ".bin") == 0)
		return take_piece(x, x->stored.data, x->stored.len, false, err);
	if (inflate(x, path, err) < 0)
		return -1;
	return take_piece(x, x->piece.data, x->piece.len,
			  strcmp(ext, ".tar.zst") == 0, err);
}

/* --- members --- */

static int create(struct cart_extract *x, const char *path,
		  struct cart_err *err)
{
	x->fd = cart_extract_open(x->dirfd, path, O_WRONLY | O_CREAT | O_EXCL,
				  err);
	return x->fd < 0 ? -1 : 0;
}

static int begin_member(struct cart_extract *x, const char *path,
			struct cart_err *err)
{
	const char *slash;

	x->is_part = false;
	if (!cart_payload_path_ok(path, &x->number))
		return x->o->as_stored && !x->o->exhibits ?
			create(x, path, err) : 0;
	if (!wanted(x, x->number))
		return 0;
	if (x->o->as_stored)
		return create(x, path, err);
	path += strlen("data/");
	slash = strchr(path, '/');
	if (!slash)
		return create(x, path, err);
	x->is_part = true;
	x->part = strtoull(slash + 1, NULL, 10);
	cart_buf_reset(&x->stored);
	return 0;
}

static int end_member(struct cart_extract *x, const char *path,
		      struct cart_err *err)
{
	int fd = x->fd;

	x->fd = -1;
	if (fd >= 0 && close(fd) < 0)
		return cart_err_errno(err, errno, "%s", path);
	return x->is_part ? end_part(x, path, err) : 0;
}

static int on_member(void *arg, const struct cart_walk_member *m,
		     const void *data, size_t len, bool end,
		     struct cart_err *err)
{
	struct cart_extract *x = arg;

	if (end)
		return end_member(x, m->path, err);
	if (!data)
		return begin_member(x, m->path, err);
	if (x->is_part)
		cart_buf_add(&x->stored, data, len);
	return x->fd >= 0 ? cart_fd_write(x->fd, data, len, err) : 0;
}

/* --- lines (their forms and their agreement were checked) --- */

static uint64_t number_of(const struct cart_json *line, const char *key)
{
	int64_t v = 0;

	cart_json_i64(cart_json_get(line, key), &v);
	return (uint64_t)v;
}

static const char *text_of(const struct cart_json *line, const char *key)
{
	const char *s = cart_json_get_string(line, key);

	return s ? s : "";
}

static int unspool(struct cart_extract *x, struct cart_extract_open_exhibit *e,
		   const struct cart_extract_piece *p, struct cart_err *err)
{
	ssize_t n;

	cart_buf_reset(&x->piece);
	if (!cart_buf_reserve(&x->piece, (size_t)p->length))
		return cart_err_nomem(err);
	n = cart_fd_pread(x->spool, x->piece.data, (size_t)p->length,
			  p->spool_at, err);
	if (n < 0)
		return -1;
	if ((uint64_t)n < p->length)
		return cart_err_set(err, CART_ERR_SYSTEM, 0, "%s: a part that "
				    "was set aside became shorter", e->id);
	return place(x, e, x->piece.data, (size_t)n, e->total, err);
}

static int part_line(struct cart_extract *x, struct cart_extract_open_exhibit *e,
		     const struct cart_json *line, struct cart_err *err)
{
	uint64_t part = number_of(line, "part"), length;
	const struct cart_extract_piece *p = NULL;
	size_t i;

	length = number_of(line, "length");
	for (i = 0; i < x->n_pieces && !p; i++)
		if (x->pieces[i].number == e->number &&
		    x->pieces[i].part == part)
			p = &x->pieces[i];
	if (p && p->length != length)
		return cart_err_set(err, CART_ERR_CRYPTO, 0, "%s: part %" PRIu64
				    " inflates to %" PRIu64 " bytes, the log "
				    "says %" PRIu64, e->id, part, p->length,
				    length);
	if (p && p->spooled && unspool(x, e, p, err) < 0)
		return -1;
	e->parts++;
	e->total += length;
	if (e->parts >= e->next_part) {
		e->next_part = e->parts + 1;
		e->next_offset = e->total;
	}
	return 0;
}

/* The rest of the file is read back; holes are zeros. */
static int check_whole(struct cart_extract_open_exhibit *e, int fd,
		       const char *want, struct cart_err *err)
{
	unsigned char sha256[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];
	uint64_t size;

	if (ftruncate(fd, (off_t)e->total) < 0)
		return cart_err_errno(err, errno, "%s", e->id);
	if (cart_extract_hash(fd, e->sha_at, &e->sha, &size, err) < 0)
		return -1;
	cart_sha256_final(&e->sha, sha256);
	cart_text_hex(sha256, sizeof(sha256), hex);
	if (want[0] && strcmp(hex, want) != 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0, "%s: the joined "
				    "parts have another SHA-256 than the log "
				    "says", e->id);
	return 0;
}

static int end_whole(struct cart_extract *x, struct cart_extract_open_exhibit *e,
		     const char *want, struct cart_err *err)
{
	int fd = cart_extract_open(x->dirfd, e->id, O_RDWR | O_CREAT, err), rc;

	if (fd < 0)
		return -1;
	rc = check_whole(e, fd, want, err);
	close(fd);
	return rc;
}

static int end_set(struct cart_extract *x, struct cart_extract_open_exhibit *e,
		   struct cart_err *err)
{
	if (e->files != e->matched)
		return cart_err_set(err, CART_ERR_CRYPTO, 0, "%s: %" PRIu64
				    " files in the archives, %" PRIu64
				    " in the log", e->id, e->files, e->matched);
	return cart_extract_mkdir(x->dirfd, e->id, err);
}

/* "e000007" gets its logical name. */
static int give_name(struct cart_extract *x, const char *id, const char *name,
		     struct cart_err *err)
{
	char to[128];

	cart_extract_name(id, name, to);
	if (strcmp(id, to) != 0 &&
	    renameat(x->dirfd, id, x->dirfd, to) < 0)
		return cart_err_errno(err, errno, "%s", to);
	return 0;
}

static int exhibit_line(struct cart_extract *x,
			struct cart_extract_open_exhibit *e,
			const struct cart_json *line, struct cart_err *err)
{
	if (cart_json_get(line, "path"))
		return 0;
	e->is_set = cart_json_get(line, "files") != NULL;
	if (e->is_set ? end_set(x, e, err) < 0 :
			end_whole(x, e, text_of(line, "sha256"), err) < 0)
		return -1;
	return give_name(x, e->id, text_of(line, "name"), err);
}

static int on_line(void *arg, const struct cart_json *line, struct cart_err *err)
{
	struct cart_extract *x = arg;
	const char *type = text_of(line, "type");
	const char *id = text_of(line, "exhibit");
	struct cart_extract_open_exhibit *e;
	uint32_t number;
	bool part = strcmp(type, "part") == 0;
	bool exhibit = strcmp(type, "exhibit") == 0;
	int rc;

	if (strcmp(type, "head") == 0) {	/* the group is complete */
		x->n_pieces = 0;
		x->spool_len = 0;
	}
	if (!part && !exhibit && strcmp(type, "file") != 0)
		return 0;
	number = (uint32_t)strtoul(id + 1, NULL, 10);
	if (!wanted(x, number))
		return 0;
	e = get(x, number, err);
	if (!e)
		return -1;
	if (part)
		return part_line(x, e, line, err);
	if (!exhibit)
		return cart_extract_file_line(x, e, line, err);
	rc = exhibit_line(x, e, line, err);
	drop(x, e);
	return rc;
}

/* --- all of it --- */

static int make_folder(struct cart_extract *x, struct cart_err *err)
{
	if (mkdir(x->o->out, 0700) < 0)
		return cart_err_errno(err, errno, "%s: must be a new folder",
				      x->o->out);
	x->dirfd = open(x->o->out, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
			O_CLOEXEC);
	if (x->dirfd < 0)
		return cart_err_errno(err, errno, "%s", x->o->out);
	return 0;
}

static void clear(struct cart_extract *x)
{
	while (x->n_open > 0)
		drop(x, &x->open[0]);
	free(x->open);
	free(x->pieces);
	cart_buf_clear(&x->stored);
	cart_buf_clear(&x->piece);
	if (x->fd >= 0)
		close(x->fd);
	if (x->spool >= 0)
		close(x->spool);
	if (x->dirfd >= 0)
		close(x->dirfd);
}

int cart_extract(const struct cart_extract_options *o, struct cart_verdict *ret,
		 struct cart_err *err)
{
	struct cart_extract x = { .o = o, .dirfd = -1, .fd = -1, .spool = -1 };
	struct cart_verify_options v = o->verify;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	cart_buf_init(&x.stored, MEMBER_MAX);
	cart_buf_init(&x.piece, MEMBER_MAX);
	v.member = on_member;
	v.line = o->as_stored ? NULL : on_line;
	v.arg = &x;
	if (make_folder(&x, err) == 0)
		rc = cart_verify(&v, ret, err);
	clear(&x);
	return rc;
}
