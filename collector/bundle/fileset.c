/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <archive.h>
#include <archive_entry.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>

#include "bundle_internal.h"

/*
 * Many small files as one exhibit.  Each part is a tar archive of its own,
 * made by libarchive in the part's buffer.  The lines of its files go with
 * the part, so that no line speaks of a part that is not there.  Parts stay
 * at 8 MiB: larger ones would hold so much of the budget while they fill that
 * a large file beside them could wait for ever.
 */

#define MEMBERS_MAX 1000000u
#define PATH_BYTES_MAX 32768u		/* escaped it still fits into a line */
#define LINES_MAX ((size_t)4 << 20)	/* of the files of one part */
#define NOTE_MAX 2048u
/* What libarchive may write besides path and data: two headers, the records
 * of the extended header, padding. */
#define ENTRY_ROOM ((size_t)8192)
#define END_ROOM ((size_t)1024)
#define NUMBER_MAX (((uint64_t)1 << 53) - 1)	/* F14 */
#define NS_PER_S 1000000000LL
#define TIME_MAX_S (INT64_MAX / NS_PER_S - 1)

static const char root_dir[] = "[root]/";

struct cart_fileset {
	struct cart_open_exhibit *open;
	struct archive *archive;	/* NULL: no part is open */
	struct archive_entry *entry;
	unsigned char *buffer;
	size_t used;
	size_t charge;
	struct cart_buf lines;		/* struct cart_file_record and text */
	struct cart_buf name;
	struct cart_buf text;
	locale_t utf8;			/* or 0 */
	uint64_t members;
	bool mute;			/* what libarchive writes is dropped */
	bool broken;			/* a part was lost */
};

struct cart_fileset *cart_fileset_open(struct cart_bundle *b,
				       const struct cart_exhibit_info *info,
				       struct cart_err *err)
{
	struct cart_fileset *f = calloc(1, sizeof(*f));

	if (!f) {
		cart_err_nomem(err);
		return NULL;
	}
	f->entry = archive_entry_new();
	if (!f->entry) {
		free(f);
		cart_err_nomem(err);
		return NULL;
	}
	f->open = cart_open_new(b, info, err);
	if (!f->open) {
		archive_entry_free(f->entry);
		free(f);
		return NULL;
	}
	f->open->files = 0;
	cart_buf_init(&f->lines, 2 * LINES_MAX);
	cart_buf_init(&f->name, PATH_BYTES_MAX + sizeof(root_dir));
	cart_buf_init(&f->text, TAIL_MAX);
	/* Else libarchive takes names that are UTF-8 for unknown bytes. */
	f->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	return f;
}

const char *cart_fileset_id(const struct cart_fileset *f)
{
	return f->open->id;
}

/* --- the tar archive of a part --- */

static int archive_error(struct archive *a, struct cart_err *err)
{
	const char *text = archive_error_string(a);

	return cart_err_set(err, CART_ERR_INTERNAL, archive_errno(a),
			    "libarchive: %s", text ? text : "unknown error");
}

static la_ssize_t to_buffer(struct archive *a, void *arg, const void *data,
			    size_t len)
{
	struct cart_fileset *f = arg;

	if (f->mute)
		return (la_ssize_t)len;
	if (len > CART_PART_SIZE - f->used) {
		archive_set_error(a, ENOSPC, "the part is full");
		return -1;
	}
	memcpy(f->buffer + f->used, data, len);
	f->used += len;
	return (la_ssize_t)len;
}

static void free_archive(struct cart_fileset *f)
{
	f->mute = true;
	if (f->archive)
		archive_write_free(f->archive);
	f->archive = NULL;
	f->mute = false;
}

static void drop_part(struct cart_fileset *f)
{
	free_archive(f);
	if (f->buffer) {
		cart_part_unmap(f->open->b, f->buffer, cart_part_bytes());
		cart_budget_give(f->open->b->budget, f->charge);
	}
	f->buffer = NULL;
	cart_buf_reset(&f->lines);
}

static int begin_part(struct cart_fileset *f, struct cart_err *err)
{
	struct cart_budget *budget = f->open->b->budget;

	if (cart_bundle_closed(f->open->b, err) < 0)
		return -1;
	f->charge = cart_part_bytes();
	if (f->charge > cart_budget_total(budget))
		f->charge = cart_budget_total(budget);
	if (cart_budget_take(budget, f->charge) < 0)
		return cart_err_set(err, CART_ERR_CANCELLED, 0,
				    "the collection is stopping");
	f->buffer = cart_part_map(f->open->b, cart_part_bytes());
	if (!f->buffer) {
		cart_budget_give(budget, f->charge);
		return cart_err_nomem(err);
	}
	f->used = 0;
	f->archive = archive_write_new();
	if (!f->archive) {
		drop_part(f);
		return cart_err_nomem(err);
	}
	/* Unblocked: else offsets are unknown and the end is padded. */
	if (archive_write_set_format_pax(f->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(f->archive, 0) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(f->archive, 1) !=
		    ARCHIVE_OK ||
	    archive_write_open2(f->archive, f, NULL, to_buffer, NULL, NULL) !=
		    ARCHIVE_OK) {
		archive_error(f->archive, err);
		drop_part(f);
		return -1;
	}
	return 0;
}

/* Ends the archive behind its first `used` bytes, whatever state it is in. */
static void end_archive(struct cart_fileset *f, size_t used)
{
	free_archive(f);
	memset(f->buffer + used, 0, END_ROOM);
	f->used = used + END_ROOM;
}

static int send_part(struct cart_fileset *f, struct cart_err *err)
{
	unsigned char *data = f->buffer;

	if (!data)
		return 0;
	if (f->archive)
		end_archive(f, f->used);
	f->buffer = NULL;
	if (cart_open_part(f->open, MEMBER_TAR, data, f->used, f->charge,
			   &f->lines, err) < 0) {
		f->broken = true;
		cart_buf_reset(&f->lines);
		return -1;
	}
	return 0;
}

static int add_entry(struct cart_fileset *f, const struct cart_file *file,
		     const void *data, size_t len, size_t *ret_offset,
		     struct cart_err *err)
{
	struct archive_entry *e = f->entry;
	locale_t old = (locale_t)0;
	const char *path = file->path;
	size_t path_len = file->path_len;
	int rc;

	while (path_len > 0 && *path == '/') {
		path++;
		path_len--;
	}
	cart_buf_reset(&f->name);
	cart_buf_adds(&f->name, root_dir);
	cart_buf_add(&f->name, path, path_len);
	if (cart_buf_check(&f->name, "path", err) < 0)
		return -1;
	archive_entry_clear(e);
	archive_entry_copy_pathname(e, (const char *)f->name.data);
	archive_entry_set_mode(e, S_IFREG | (file->st->st_mode & 07777));
	archive_entry_set_uid(e, file->st->st_uid);
	archive_entry_set_gid(e, file->st->st_gid);
	archive_entry_set_mtime(e, file->st->st_mtim.tv_sec,
				file->st->st_mtim.tv_nsec);
	archive_entry_set_size(e, (la_int64_t)len);
	if (f->utf8)
		old = uselocale(f->utf8);
	rc = archive_write_header(f->archive, e);
	if (f->utf8)
		uselocale(old);
	/* WARN: the name is not UTF-8, and was written as it is */
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return archive_error(f->archive, err);
	*ret_offset = f->used;
	if (len && archive_write_data(f->archive, data, len) !=
			   (la_ssize_t)len)
		return archive_error(f->archive, err);
	if (archive_write_finish_entry(f->archive) != ARCHIVE_OK)
		return archive_error(f->archive, err);
	return 0;
}

/* --- file lines --- */

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "link";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	default:
		return "file";
	}
}

/* What a line cannot say in its own keys goes into its note. */
static void add_doubt(struct cart_buf *doubts, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void add_doubt(struct cart_buf *doubts, const char *fmt, ...)
{
	va_list ap;

	if (doubts->len)
		cart_buf_adds(doubts, "; ");
	va_start(ap, fmt);
	cart_buf_vaddf(doubts, fmt, ap);
	va_end(ap);
}

static void add_time(struct cart_buf *t, const char *key, struct timespec ts,
		     struct cart_buf *doubts)
{
	char text[CART_CLOCK_TEXT_SIZE];
	int64_t ns;

	/* hostile times may not fit into 64 bits of nanoseconds */
	if (ts.tv_sec > TIME_MAX_S || ts.tv_sec < -TIME_MAX_S) {
		ns = (ts.tv_sec < 0 ? -TIME_MAX_S : TIME_MAX_S) * NS_PER_S;
		add_doubt(doubts, "%s is %lld s after 1970", key,
			  (long long)ts.tv_sec);
	} else {
		ns = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
	}
	cart_clock_text(ns, 9, text);
	cart_tail_text(t, key, text);
}

/* Where the content of a file stands; part 0: nowhere. */
struct place {
	uint32_t part;
	size_t offset;
	uint64_t size;
	const char *sha256_hex;
};

static void print_file(struct cart_fileset *f, const struct cart_file *file,
		       const struct place *at)
{
	const struct stat *st = file->st;
	struct cart_buf *t = &f->text, doubts;
	uint64_t size = at->size;

	cart_buf_init(&doubts, NOTE_MAX);
	if (file->note)
		cart_buf_add(&doubts, file->note,
			     strnlen(file->note, NOTE_MAX / 2));
	if (size > NUMBER_MAX) {
		add_doubt(&doubts, "size is %" PRIu64, size);
		size = NUMBER_MAX;
	}
	cart_buf_reset(t);
	cart_tail_begin(t, "file", cart_info_step(f->open->info));
	cart_tail_text(t, "exhibit", f->open->id);
	cart_tail_bytes(t, "path", file->path, file->path_len);
	cart_tail_text(t, "kind", kind_of(st->st_mode));
	cart_tail_u64(t, "size", size);
	if (at->sha256_hex)
		cart_tail_text(t, "sha256", at->sha256_hex);
	cart_buf_addf(t, ",\"mode\":\"%04o\"", st->st_mode & 07777u);
	cart_tail_u64(t, "uid", st->st_uid);
	cart_tail_u64(t, "gid", st->st_gid);
	add_time(t, "mtime", st->st_mtim, &doubts);
	add_time(t, "ctime", st->st_ctim, &doubts);
	add_time(t, "atime", st->st_atim, &doubts);
	if (file->btime_ns != INT64_MIN) {
		char text[CART_CLOCK_TEXT_SIZE];

		cart_clock_text(file->btime_ns, 9, text);
		cart_tail_text(t, "btime", text);
	}
	cart_buf_addf(t, ",\"ino\":\"%llu\",\"dev\":\"%u:%u\"",
		      (unsigned long long)st->st_ino, major(st->st_dev),
		      minor(st->st_dev));
	cart_tail_u64(t, "nlink", (uint64_t)st->st_nlink < NUMBER_MAX ?
				  (uint64_t)st->st_nlink : NUMBER_MAX);
	if (at->part) {
		cart_tail_u64(t, "part", at->part);
		cart_tail_u64(t, "offset", at->offset);
	}
	if (file->in)
		cart_tail_text(t, "in", file->in);
	if (file->target)
		cart_tail_bytes(t, "target", file->target, file->target_len);
	cart_tail_text(t, "state", file->state ? file->state : "ok");
	if (file->origin) {
		cart_buf_adds(t, ",\"origin\":");
		cart_buf_add(t, file->origin, file->origin_len);
	}
	if (doubts.len) {
		cart_buf_adds(t, ",\"note\":");
		cart_json_quote((const char *)doubts.data, doubts.len, t);
	}
	cart_buf_addc(t, '}');
	cart_buf_clear(&doubts);
}

/* Absolute, and nowhere up again: a member of the tar stays below [root]/. */
static bool is_absolute(const char *path, size_t len)
{
	size_t i;

	if (len == 0 || path[0] != '/')
		return false;
	for (i = 0; i + 3 <= len; i++)
		if (memcmp(path + i, "/..", 3) == 0 &&
		    (i + 3 == len || path[i + 3] == '/'))
			return false;
	return true;
}

static int check_file(const struct cart_file *file, struct cart_err *err)
{
	if (file->path_len > PATH_BYTES_MAX ||
	    (file->target && file->target_len > PATH_BYTES_MAX / 2))
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "a path of %zu bytes (at most %u are kept)",
				    file->path_len, PATH_BYTES_MAX);
	if (memchr(file->path, '\0', file->path_len) ||
	    !is_absolute(file->path, file->path_len))
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "a path that is not absolute");
	return 0;
}

/* Keeps f->text with the part that is open. */
static int keep_line(struct cart_fileset *f, struct cart_err *err)
{
	struct cart_file_record r = {
		.t_ns = cart_clock_utc_ns(),
		.mono_ns = cart_clock_mono_ns(),
		.len = f->text.len,
	};

	if (cart_buf_check(&f->text, "file line", err) < 0)
		return -1;
	cart_buf_add(&f->lines, &r, sizeof(r));
	cart_buf_add(&f->lines, f->text.data, f->text.len);
	return cart_buf_check(&f->lines, "file lines", err);
}

int cart_fileset_add(struct cart_fileset *f, const struct cart_file *file,
		     const void *data, size_t len, struct cart_err *err)
{
	char hex[CART_SHA256_HEX_SIZE];
	struct place at = { .size = len, .sha256_hex = hex };
	size_t need = ENTRY_ROOM + 2 * file->path_len + len + END_ROOM;
	size_t used, lines;
	struct cart_err dropped;

	if (check_file(file, err) < 0)
		return -1;
	if (f->members == MEMBERS_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "%s holds %u files, and cannot hold more",
				    f->open->id, MEMBERS_MAX);
	if (len > CART_PART_SIZE / 2)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "a file of %zu bytes for a file set", len);
	if (f->buffer && need > CART_PART_SIZE - f->used &&
	    send_part(f, err) < 0)
		return -1;
	if (!f->buffer && begin_part(f, err) < 0)
		return -1;
	used = f->used;
	lines = f->lines.len;
	cart_sha256_hex(data, len, hex);
	at.part = f->open->parts + 1;
	if (add_entry(f, file, data, len, &at.offset, err) < 0)
		goto undo;
	print_file(f, file, &at);
	if (keep_line(f, err) < 0)
		goto undo;
	f->members++;
	f->open->files++;
	f->open->file_bytes += len;
	return f->lines.len > LINES_MAX ? send_part(f, err) : 0;
undo:
	/* the files before this one stay */
	if (used == 0) {
		drop_part(f);
		return -1;
	}
	end_archive(f, used);
	f->lines.len = lines;
	f->lines.failed = false;
	send_part(f, &dropped);
	return -1;
}

int cart_fileset_list(struct cart_fileset *f, const struct cart_file *file,
		      struct cart_err *err)
{
	struct place at = {
		.size = file->st->st_size > 0 ? (uint64_t)file->st->st_size : 0,
		.sha256_hex = file->sha256_hex,
	};
	size_t len;
	char *text;

	if (check_file(file, err) < 0)
		return -1;
	print_file(f, file, &at);
	if (cart_buf_check(&f->text, "file line", err) < 0)
		return -1;
	text = cart_buf_steal(&f->text, &len);
	return cart_bundle_tail(f->open->b, text, len, NULL, err);
}

int cart_fileset_close(struct cart_fileset *f, const char *state,
		       const char *note, struct cart_err *err)
{
	struct cart_err dropped;
	int rc = send_part(f, err);

	drop_part(f);
	if (cart_open_close(f->open, f->broken ? "truncated" : state, note,
			    NULL, rc < 0 ? &dropped : err) < 0)
		rc = -1;
	archive_entry_free(f->entry);
	cart_buf_clear(&f->lines);
	cart_buf_clear(&f->name);
	cart_buf_clear(&f->text);
	if (f->utf8)
		freelocale(f->utf8);
	free(f);
	return rc;
}
