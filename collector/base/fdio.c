/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/fdio.h>

/* Linux moves at most this many bytes a call; more is a short count. */
#define CALL_MAX ((size_t)0x7ffff000)

int cart_fd_write(int fd, const void *data, size_t len, struct cart_err *err)
{
	const unsigned char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len < CALL_MAX ? len : CALL_MAX);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cart_err_errno(err, errno, "write");
		if (n == 0)
			return cart_err_errno(err, EIO, "write");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* offset < 0: at the file's own position. */
static ssize_t read_all(int fd, void *data, size_t len, int64_t offset,
			struct cart_err *err)
{
	unsigned char *p = data;
	size_t done = 0, want;
	ssize_t n;

	if (len > SSIZE_MAX) {
		cart_err_set(err, CART_ERR_INTERNAL, 0, "read: length");
		return -1;
	}
	while (done < len) {
		want = len - done < CALL_MAX ? len - done : CALL_MAX;
		if (offset < 0)
			n = read(fd, p + done, want);
		else
			n = pread(fd, p + done, want,
				  (off_t)(offset + (int64_t)done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cart_err_errno(err, errno, "read");
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t cart_fd_read(int fd, void *data, size_t len, struct cart_err *err)
{
	return read_all(fd, data, len, -1, err);
}

ssize_t cart_fd_pread(int fd, void *data, size_t len, uint64_t offset,
		      struct cart_err *err)
{
	if (offset > (uint64_t)INT64_MAX - len) {
		cart_err_set(err, CART_ERR_INPUT, 0, "read: offset too large");
		return -1;
	}
	return read_all(fd, data, len, (int64_t)offset, err);
}

bool cart_file_exists(int dirfd, const char *path)
{
	struct stat st;

	/* faccessat() with this flag fails before Linux 5.8 */
	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int cart_file_read(int dirfd, const char *path, struct cart_buf *b,
		   struct cart_err *err)
{
	bool std = dirfd == AT_FDCWD && strcmp(path, "-") == 0;
	const char *name = std ? "standard input" : path;
	unsigned char extra;
	int fd = STDIN_FILENO, rc = -1;
	size_t room, want;
	ssize_t n;

	if (!std) {
		fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return cart_err_errno(err, errno, "%s", path);
	}
	for (;;) {
		room = b->max > b->len ? b->max - b->len : 0;
		want = room < 65536 ? room : 65536;
		if (want == 0) {
			/* full: fine if the file ends here */
			n = cart_fd_read(fd, &extra, 1, err);
			if (n > 0)
				cart_err_set(err, CART_ERR_LIMIT, 0,
					     "more than %zu bytes", b->max);
			if (n != 0)
				goto out;
			break;
		}
		if (!cart_buf_reserve(b, want)) {
			cart_buf_check(b, "read", err);
			goto out;
		}
		n = cart_fd_read(fd, b->data + b->len, want, err);
		if (n < 0)
			goto out;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if ((size_t)n < want)
			break;
	}
	rc = 0;
out:
	if (rc < 0)
		cart_err_prefix(err, "%s", name);
	if (!std)
		close(fd);
	return rc;
}

/* fsyncs the folder that holds path, so that the name is durable too.  Some
 * file systems cannot sync a folder (EINVAL): nothing more can be done. */
static int sync_folder(int dirfd, const char *path, struct cart_err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) : 0;
	int fd, rc = 0;

	if (len >= sizeof(folder))
		return cart_err_errno(err, ENAMETOOLONG, "%s", path);
	if (!slash) {
		memcpy(folder, ".", 2);
	} else {
		if (len == 0)
			len = 1;		/* "/name" */
		memcpy(folder, path, len);
		folder[len] = '\0';
	}
	fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cart_err_errno(err, errno, "%s", folder);
	if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
		rc = cart_err_errno(err, errno, "%s: fsync", folder);
	close(fd);
	return rc;
}

static int write_new(int dirfd, const char *path, const void *data, size_t len,
		     unsigned mode, struct cart_err *err)
{
	int fd, saved;

	fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
				 O_NOFOLLOW, (mode_t)mode);
	if (fd < 0)
		return cart_err_errno(err, errno, "%s", path);
	if (cart_fd_write(fd, data, len, err) < 0) {
		cart_err_prefix(err, "%s", path);
		goto fail;
	}
	if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS) {
		cart_err_errno(err, errno, "%s: fsync", path);
		goto fail;
	}
	if (close(fd) != 0) {
		saved = errno;
		unlinkat(dirfd, path, 0);
		return cart_err_errno(err, saved, "%s: close", path);
	}
	return 0;
fail:
	close(fd);
	unlinkat(dirfd, path, 0);
	return -1;
}

int cart_file_write_new(int dirfd, const char *path, const void *data,
			size_t len, unsigned mode, struct cart_err *err)
{
	if (write_new(dirfd, path, data, len, mode, err) < 0)
		return -1;
	if (sync_folder(dirfd, path, err) < 0) {
		unlinkat(dirfd, path, 0);
		return -1;
	}
	return 0;
}

int cart_file_replace(int dirfd, const char *path, const void *data,
		      size_t len, unsigned mode, struct cart_err *err)
{
	static atomic_uint serial;
	char temp[PATH_MAX];
	int n;

	n = snprintf(temp, sizeof(temp), "%s.tmp-%ld-%u", path, (long)getpid(),
		     atomic_fetch_add(&serial, 1));
	if (n < 0 || (size_t)n >= sizeof(temp))
		return cart_err_errno(err, ENAMETOOLONG, "%s", path);
	if (write_new(dirfd, temp, data, len, mode, err) < 0)
		return -1;
	if (renameat(dirfd, temp, dirfd, path) != 0) {
		cart_err_errno(err, errno, "%s: rename", path);
		unlinkat(dirfd, temp, 0);
		return -1;
	}
	return sync_folder(dirfd, path, err);
}
