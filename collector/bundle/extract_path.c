/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/fdio.h>

#include "extract_internal.h"

/* Cuts the next component off *path: 1, 0 at the end, -1 if it is too long
 * for a name. */
static int component(const char **path, char out[NAME_MAX + 1])
{
	size_t len;

	for (;;) {
		*path += strspn(*path, "/");
		len = strcspn(*path, "/");
		if (len != 1 || **path != '.')
			break;
		*path += len;
	}
	if (len == 0)
		return 0;
	if (len > NAME_MAX)
		return -1;
	memcpy(out, *path, len);
	out[len] = '\0';
	if (strcmp(out, "..") == 0)
		memcpy(out, "%2E%2E", 7);
	*path += len;
	return 1;
}

static int enter(int at, const char *name, struct cart_err *err)
{
	int fd;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return cart_err_errno(err, errno, "making a folder");
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return cart_err_errno(err, errno, "opening a folder");
	return fd;
}

/* Enters all folders of the path; the last component goes to name.  The
 * folder's descriptor is the caller's. */
static int descend(int dirfd, const char *path, char name[NAME_MAX + 1],
		   struct cart_err *err)
{
	char next[NAME_MAX + 1];
	int at = fcntl(dirfd, F_DUPFD_CLOEXEC, 3), fd, rc;

	if (at < 0)
		return cart_err_errno(err, errno, "opening a folder");
	rc = component(&path, name);
	while (rc > 0 && (rc = component(&path, next)) > 0) {
		fd = enter(at, name, err);
		close(at);
		if (fd < 0)
			return -1;
		at = fd;
		memcpy(name, next, sizeof(next));
	}
	if (rc == 0 && name[0] != '\0')
		return at;
	close(at);
	return cart_err_set(err, CART_ERR_INPUT, 0, "a name that cannot be "
			    "a file here");
}

int cart_extract_open(int dirfd, const char *path, int flags,
		      struct cart_err *err)
{
	char name[NAME_MAX + 1] = "";
	int at = descend(dirfd, path, name, err), fd;

	if (at < 0)
		return cart_err_prefix(err, "%s", path);
	fd = openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		cart_err_errno(err, errno, "%s", path);
	close(at);
	return fd;
}

int cart_extract_mkdir(int dirfd, const char *path, struct cart_err *err)
{
	char name[NAME_MAX + 1] = "";
	int at = descend(dirfd, path, name, err), fd;

	if (at < 0)
		return cart_err_prefix(err, "%s", path);
	fd = enter(at, name, err);
	close(at);
	if (fd < 0)
		return cart_err_prefix(err, "%s", path);
	close(fd);
	return 0;
}

int cart_extract_link(int from_fd, const char *from, int dirfd,
		      const char *path, struct cart_err *err)
{
	char name[NAME_MAX + 1] = "";
	int at = descend(dirfd, path, name, err), rc;

	if (at < 0)
		return cart_err_prefix(err, "%s", path);
	rc = linkat(from_fd, from, at, name, 0);
	if (rc < 0)
		cart_err_errno(err, errno, "%s", path);
	close(at);
	return rc;
}

static bool neutral(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

void cart_extract_name(const char *id, const char *name, char out[128])
{
	const char *slash = strrchr(name, '/');
	size_t n;

	if (slash && slash[1])
		name = slash + 1;
	n = (size_t)snprintf(out, 32, "%s-", id);
	for (; *name && n < 96; name++) {
		if (neutral(*name))
			out[n++] = *name;
		else if (out[n - 1] != '-')
			out[n++] = '-';
	}
	while (out[n - 1] == '-' || out[n - 1] == '.')
		n--;
	out[n] = '\0';
}

int cart_extract_hash(int fd, uint64_t offset, struct cart_sha256 *sha,
		      uint64_t *ret_size, struct cart_err *err)
{
	const size_t size = (size_t)256 << 10;
	unsigned char *piece = malloc(size);
	ssize_t n;

	if (!piece)
		return cart_err_nomem(err);
	while ((n = cart_fd_pread(fd, piece, size, offset, err)) > 0) {
		cart_sha256_update(sha, piece, (size_t)n);
		offset += (size_t)n;
	}
	free(piece);
	*ret_size = offset;
	return n < 0 ? -1 : 0;
}
