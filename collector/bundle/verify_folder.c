/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "read_internal.h"

/*
 * An extracted bag: its files are given to the bag's checker in the order in
 * which they stood in the stream.  The two lists say that order, and the log
 * says which payload belongs before which log part.
 */

#define PIECE ((size_t)256 << 10)
#define DEPTH_MAX 8

struct folder {
	int dirfd;
	struct cart_bag *bag;
	struct cart_buf payload, tags;	/* the two lists */
	const char *next;		/* in payload */
	unsigned char *piece;
};

int cart_folder_open(int dirfd, const char *path, uint64_t *ret_size,
		     struct cart_err *err)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int at = dirfd, fd;
	const char *slash;
	char name[101];
	struct stat st;

	do {
		slash = strchr(path, '/');
		snprintf(name, sizeof(name), "%.*s",
			 slash ? (int)(slash - path) : 100, path);
		fd = openat(at, name, flags | (slash ? O_DIRECTORY : 0));
		if (at != dirfd)
			close(at);
		if (fd < 0)
			return cart_rule(err, 8, "%s is missing, or is not a "
					 "regular file", name);
		at = fd;
		path = slash ? slash + 1 : path;
	} while (slash);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return cart_rule(err, 8, "%s is not a regular file", name);
	}
	*ret_size = (uint64_t)st.st_size;
	return fd;
}

static int read_whole(int dirfd, const char *path, struct cart_buf *out,
		      struct cart_err *err)
{
	uint64_t size;
	int fd = cart_folder_open(dirfd, path, &size, err), rc = -1;
	ssize_t n;

	if (fd < 0)
		return -1;
	if (size > out->max) {
		cart_rule(err, 6, "%s is too long", path);
		goto out;
	}
	cart_buf_reset(out);
	if (!cart_buf_reserve(out, (size_t)size + 1)) {
		cart_err_nomem(err);
		goto out;
	}
	n = cart_fd_read(fd, out->data, (size_t)size, err);
	if (n < 0)
		goto out;
	out->len = (size_t)n;
	out->data[out->len] = '\0';
	rc = 0;
out:
	close(fd);
	return rc;
}

/* The next path of a list: 1, with *p moved on; 0 at the end; -1. */
static int next_path(const struct cart_buf *list, const char **p,
		     char out[101], struct cart_err *err)
{
	const char *end = (char *)list->data + list->len, *lf;
	unsigned char sha256[CART_SHA256_SIZE];
	size_t len;

	if (*p == end)
		return 0;
	lf = memchr(*p, '\n', (size_t)(end - *p));
	len = lf ? (size_t)(lf - *p) : 0;
	if (len < 67 || len > 66 + 100 ||
	    cart_text_unhex(*p, 64, sha256, sizeof(sha256)) < 0 ||
	    memcmp(*p + 64, "  ", 2) != 0)
		return cart_rule(err, 11, "a line of a list of digests");
	if (!cart_member_path_ok(*p + 66, len - 66))
		return cart_rule(err, 7, "a path in a list of digests");
	memcpy(out, *p + 66, len - 66);
	out[len - 66] = '\0';
	*p = lf + 1;
	return 1;
}

static int feed_data(struct folder *f, int fd, const char *path, uint64_t left,
		     struct cart_err *err)
{
	size_t want;
	ssize_t n;

	while (left > 0) {
		want = left < PIECE ? (size_t)left : PIECE;
		n = cart_fd_read(fd, f->piece, want, err);
		if (n < 0)
			return -1;
		if ((size_t)n < want)
			return cart_rule(err, 8, "%s became shorter", path);
		if (cart_bag_data(f->bag, NULL, f->piece, want, err) < 0)
			return -1;
		left -= want;
	}
	return 0;
}

static int feed(struct folder *f, const char *path, struct cart_err *err)
{
	struct cart_walk_member m = { .path = path };
	int fd = cart_folder_open(f->dirfd, path, &m.size, err), rc = -1;

	if (fd < 0)
		return -1;
	if (cart_bag_begin(f->bag, &m, err) == 0 &&
	    feed_data(f, fd, path, m.size, err) == 0 &&
	    cart_bag_end(f->bag, err) == 0)
		rc = 0;
	close(fd);
	return rc;
}

/* Does the line describe a member? */
static bool has_member(const struct cart_json *line)
{
	const char *type = cart_json_get_string(line, "type");

	return type && (strcmp(type, "exhibit") == 0 ||
			strcmp(type, "part") == 0) &&
	       cart_json_get(line, "path");
}

/* As many payload members as this log part describes. */
static int feed_group(struct folder *f, const struct cart_buf *log,
		      struct cart_err *err)
{
	const char *p = (char *)log->data, *end = p + log->len, *lf;
	struct cart_json *line;
	char path[101];
	bool one;
	int rc;

	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			return cart_rule(err, 14, "a log part does not end "
					 "with LF");
		line = cart_log_line_parse(p, (size_t)(lf - p), err);
		if (!line)
			return -1;
		one = has_member(line);
		cart_json_free(line);
		if (!one)
			continue;
		rc = next_path(&f->payload, &f->next, path, err);
		if (rc == 0)
			return cart_rule(err, 19, "more lines than members");
		if (rc < 0 || feed(f, path, err) < 0)
			return -1;
	}
	return 0;
}

static int feed_log(struct folder *f, const char *path, struct cart_err *err)
{
	struct cart_buf log;
	int rc = -1;

	cart_buf_init(&log, LOG_PART_MAX);
	if (read_whole(f->dirfd, path, &log, err) == 0 &&
	    feed_group(f, &log, err) == 0)
		rc = feed(f, path, err);
	cart_buf_clear(&log);
	return rc;
}

static int feed_all(struct folder *f, struct cart_err *err)
{
	static const char seal[] = "seal/tagmanifest-sha256.txt.minisig";
	static const char *const stamps[] = {
		"seal/timestamps.txt", "seal/tagmanifest-sha256.txt.tsr",
		"seal/tagmanifest-sha256.txt.2.tsr"
	};
	size_t i;
	const char *p = (char *)f->tags.data;
	struct stat st;
	char path[101];
	int rc;

	while ((rc = next_path(&f->tags, &p, path, err)) > 0)
		if (strncmp(path, "log/", 4) == 0 ? feed_log(f, path, err) < 0 :
						    feed(f, path, err) < 0)
			return -1;
	if (rc < 0)
		return -1;
	if (f->next != (char *)f->payload.data + f->payload.len)
		return cart_rule(err, 19, "a member that no line describes");
	if (feed(f, "tagmanifest-sha256.txt", err) < 0 ||
	    feed(f, seal, err) < 0)
		return -1;
	for (i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++)
		if (fstatat(f->dirfd, stamps[i], &st,
			    AT_SYMLINK_NOFOLLOW) == 0 &&
		    feed(f, stamps[i], err) < 0)
			return -1;
	return 0;
}

/* Counts regular files; anything else but a folder is refused. */
static int count_files(int fd, unsigned depth, uint64_t *count,
		       struct cart_err *err)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	struct stat st;
	int sub, rc = -1;

	if (!d) {
		close(fd);
		return cart_err_errno(err, errno, "reading a folder");
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			cart_err_errno(err, errno, "reading a folder");
			goto out;
		}
		if (S_ISREG(st.st_mode)) {
			++*count;
			continue;
		}
		sub = S_ISDIR(st.st_mode) && depth < DEPTH_MAX ?
			openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY |
			       O_NOFOLLOW | O_CLOEXEC) : -1;
		if (sub < 0) {
			cart_rule(err, 8, "%s is neither file nor folder of a "
				  "bag", e->d_name);
			goto out;
		}
		if (count_files(sub, depth + 1, count, err) < 0)
			goto out;
	}
	rc = 0;
out:
	closedir(d);
	return rc;
}

static int nothing_else(struct folder *f, struct cart_err *err)
{
	int fd = openat(f->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t count = 0;

	if (fd < 0)
		return cart_err_errno(err, errno, "reading a folder");
	if (count_files(fd, 0, &count, err) < 0)
		return -1;
	if (count != f->bag->members)
		return cart_rule(err, 8, "there are %" PRIu64 " files, not %"
				 PRIu64, count, f->bag->members);
	return 0;
}

int cart_folder_walk(int dirfd, struct cart_bag *bag, struct cart_err *err)
{
	struct folder f = { .dirfd = dirfd, .bag = bag };
	int rc = -1;

	cart_buf_init(&f.payload, MEMBER_MAX);
	cart_buf_init(&f.tags, MEMBER_MAX);
	f.piece = malloc(PIECE);
	if (!f.piece) {
		cart_err_nomem(err);
		goto out;
	}
	if (read_whole(dirfd, "manifest-sha256.txt", &f.payload, err) < 0 ||
	    read_whole(dirfd, "tagmanifest-sha256.txt", &f.tags, err) < 0)
		goto out;
	f.next = (char *)f.payload.data;
	if (feed_all(&f, err) < 0 || nothing_else(&f, err) < 0)
		goto out;
	rc = 0;
out:
	free(f.piece);
	cart_buf_clear(&f.payload);
	cart_buf_clear(&f.tags);
	return rc;
}

int cart_folder_name(int dirfd, char out[65], struct cart_err *err)
{
	static const char label[] = "\nExternal-Identifier: ";
	size_t n = sizeof(label) - 1, len;
	const char *p, *lf;
	struct cart_buf info;
	int rc = -1;

	cart_buf_init(&info, 65536);
	if (read_whole(dirfd, "bag-info.txt", &info, err) < 0)
		goto out;
	p = memmem(info.data, info.len, label, n);
	p = p ? p + n : "";
	lf = strchr(p, '\n');
	len = lf ? (size_t)(lf - p) : 0;
	if (!cart_bundle_name_ok(p, len)) {
		cart_rule(err, 12, "bag-info.txt has no External-Identifier");
		goto out;
	}
	memcpy(out, p, len);
	out[len] = '\0';
	rc = 0;
out:
	cart_buf_clear(&info);
	return rc;
}
