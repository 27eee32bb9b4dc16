/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <crashcart/clock.h>
#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "extract_internal.h"

/*
 * File sets.  The archive is as hostile as anything: only regular files are
 * taken from it, names go through extract_path.c, and each file is read back
 * and compared when its line in the log comes.
 */

static const char root_dir[] = "[root]/";

/* "e000003/etc/hostname", of a path with or without leading slashes. */
static int below(const struct cart_extract_open_exhibit *e, const char *path,
		 size_t len, struct cart_buf *out, struct cart_err *err)
{
	cart_buf_reset(out);
	cart_buf_adds(out, e->id);
	cart_buf_addc(out, '/');
	cart_buf_add(out, path, len);
	if (memchr(path, '\0', len))
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s: a name with a NUL byte", e->id);
	return cart_buf_check(out, "a path of the evidence", err);
}

static int archive_error(struct archive *a,
			 const struct cart_extract_open_exhibit *e,
			 struct cart_err *err)
{
	const char *text = archive_error_string(a);

	return cart_err_set(err, CART_ERR_INPUT, 0, "%s: archive of a part: %s",
			    e->id, text ? text : "cannot be read");
}

static int copy_data(struct archive *a, int fd,
		     const struct cart_extract_open_exhibit *e,
		     struct cart_err *err)
{
	const void *data;
	la_int64_t offset;
	size_t len;
	int rc;

	while ((rc = archive_read_data_block(a, &data, &len, &offset)) ==
	       ARCHIVE_OK)
		if (cart_fd_write(fd, data, len, err) < 0)
			return -1;
	return rc == ARCHIVE_EOF ? 0 : archive_error(a, e, err);
}

static int one_entry(struct cart_extract *x, struct archive *a,
		     struct archive_entry *entry,
		     struct cart_extract_open_exhibit *e, struct cart_buf *path,
		     struct cart_err *err)
{
	const char *name = archive_entry_pathname(entry);
	size_t skip = sizeof(root_dir) - 1;
	int fd, rc;

	if (!name || archive_entry_filetype(entry) != AE_IFREG ||
	    archive_entry_hardlink(entry) ||
	    strncmp(name, root_dir, skip) != 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s: an entry that is not a regular file "
				    "below [root]/", e->id);
	if (below(e, name + skip, strlen(name + skip), path, err) < 0)
		return -1;
	fd = cart_extract_open(x->dirfd, (char *)path->data,
			       O_WRONLY | O_CREAT | O_EXCL, err);
	if (fd < 0)
		return -1;
	rc = copy_data(a, fd, e, err);
	close(fd);
	e->files++;
	return rc;
}

static int read_entries(struct cart_extract *x, struct archive *a,
			struct cart_extract_open_exhibit *e,
			struct cart_err *err)
{
	struct archive_entry *entry;
	struct cart_buf path;
	int rc;

	cart_buf_init(&path, LINE_MAX_BYTES);
	while ((rc = archive_read_next_header(a, &entry)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN)
		if (one_entry(x, a, entry, e, &path, err) < 0)
			break;
	cart_buf_clear(&path);
	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN)
		return -1;
	return archive_error(a, e, err);
}

int cart_extract_tar(struct cart_extract *x,
		     struct cart_extract_open_exhibit *e, const void *data,
		     size_t len, struct cart_err *err)
{
	/* else libarchive cannot turn pax names into bytes */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t old = utf8 ? uselocale(utf8) : (locale_t)0;
	struct archive *a = archive_read_new();
	int rc = -1;

	if (!a)
		cart_err_nomem(err);
	else if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
		 archive_read_open_memory(a, data, len) != ARCHIVE_OK)
		archive_error(a, e, err);
	else
		rc = read_entries(x, a, e, err);
	archive_read_free(a);
	if (utf8) {
		uselocale(old);
		freelocale(utf8);
	}
	return rc;
}

/* --- file lines --- */

static bool is(const struct cart_json *line, const char *key, const char *want)
{
	const char *s = cart_json_get_string(line, key);

	return s && strcmp(s, want) == 0;
}

/* The path of the line, below the exhibit's folder. */
static int line_path(const struct cart_extract_open_exhibit *e,
		     const struct cart_json *line, struct cart_buf *out,
		     struct cart_err *err)
{
	const char *path = cart_json_get_string(line, "path");
	const char *b64 = cart_json_get_string(line, "path_b64");
	struct cart_buf raw;
	int rc;

	if (path)
		return below(e, path, strlen(path), out, err);
	cart_buf_init(&raw, LINE_MAX_BYTES);
	rc = cart_text_unbase64(b64, strlen(b64), &raw) < 0 ?
		cart_err_set(err, CART_ERR_INPUT, 0, "path_b64") :
		below(e, raw.data ? (char *)raw.data : "", raw.len, out, err);
	cart_buf_clear(&raw);
	return rc;
}

static void set_time(int fd, const struct cart_json *line)
{
	const char *s = cart_json_get_string(line, "mtime");
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT } };
	int64_t ns;

	if (!s || cart_clock_parse(s, strlen(s), &ns) < 0)
		return;
	ts[1].tv_sec = ns / 1000000000;
	ts[1].tv_nsec = ns % 1000000000;
	if (ts[1].tv_nsec < 0) {
		ts[1].tv_sec--;
		ts[1].tv_nsec += 1000000000;
	}
	/* the time is in the log as well: no failure */
	(void)futimens(fd, ts);
}

static int compare(struct cart_extract *x, struct cart_extract_open_exhibit *e,
		   const struct cart_json *line, const char *path,
		   struct cart_err *err)
{
	unsigned char sha256[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_sha256 sha;
	int64_t want = -1;
	uint64_t size;
	int fd = cart_extract_open(x->dirfd, path, O_RDONLY | O_NONBLOCK, err);
	int rc;

	if (fd < 0)
		return -1;
	cart_sha256_init(&sha);
	rc = cart_extract_hash(fd, 0, &sha, &size, err);
	cart_sha256_final(&sha, sha256);
	cart_text_hex(sha256, sizeof(sha256), hex);
	cart_json_i64(cart_json_get(line, "size"), &want);
	if (rc == 0 && (!is(line, "sha256", hex) || (uint64_t)want != size))
		rc = cart_err_set(err, CART_ERR_CRYPTO, 0, "%s is not what the "
				  "log says", path);
	if (rc == 0)
		set_time(fd, line);
	close(fd);
	e->matched++;
	return rc;
}

/* The file of an exhibit that was written before: "e000007-NAME". */
static int find_written(struct cart_extract *x, const char *id, char out[128])
{
	int fd = openat(x->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = strlen(id);
	struct dirent *e;
	int rc = -1;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (rc < 0 && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, id, n) == 0 &&
		    (e->d_name[n] == '\0' || e->d_name[n] == '-') &&
		    strlen(e->d_name) < 128) {
			snprintf(out, 128, "%s", e->d_name);
			rc = 0;
		}
	}
	closedir(d);
	return rc;
}

int cart_extract_file_line(struct cart_extract *x,
			   struct cart_extract_open_exhibit *e,
			   const struct cart_json *line, struct cart_err *err)
{
	const char *in = cart_json_get_string(line, "in");
	struct cart_buf path;
	char name[128];
	int rc;

	cart_buf_init(&path, LINE_MAX_BYTES);
	rc = line_path(e, line, &path, err);
	if (rc < 0)
		goto out;
	if (cart_json_get(line, "part"))
		rc = compare(x, e, line, (char *)path.data, err);
	else if (is(line, "kind", "dir"))
		rc = cart_extract_mkdir(x->dirfd, (char *)path.data, err);
	else if (in && find_written(x, in, name) == 0)
		rc = cart_extract_link(x->dirfd, name, x->dirfd,
				       (char *)path.data, err);
out:
	cart_buf_clear(&path);
	return rc;
}
