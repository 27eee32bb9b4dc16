/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/host_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "crashcart/text.h"

#define DEPTH_MAX 256
#define PATH_SIZE 16384		/* deeper paths than PATH_MAX do exist */
#define BATCH 4096		/* names sorted at a time */
#define SECONDS_MAX 9000000000	/* of a time that fits ns in 64 bits */

struct walk {
	const struct cart_walk_options *o;
	const struct cart_walk_calls *calls;
	struct cart_err *err;
	char path[PATH_SIZE];
	size_t path_len;
};

/* ---- patterns ------------------------------------------------------------ */

static size_t component(const char *p)
{
	return strcspn(p, "/");
}

/* Could something below the folder match the pattern?  Component by
 * component, until "**" or the end of one of the two. */
static bool may_contain(const char *pattern, const char *dir)
{
	char part[512];
	size_t np, nd;

	while (*pattern == '/')
		pattern++;
	while (*dir == '/')
		dir++;
	while (*dir != '\0') {
		np = component(pattern);
		nd = component(dir);
		if (np == 0)
			return false;
		if (np >= sizeof(part) || memmem(pattern, np, "**", 2) != NULL)
			return true;
		memcpy(part, pattern, np);
		part[np] = '\0';
		if (!cart_text_glob(part, dir, nd))
			return false;
		pattern += np;
		dir += nd;
		while (*pattern == '/')
			pattern++;
		while (*dir == '/')
			dir++;
	}
	return *pattern != '\0';
}

static bool matches_any(const char *const *list, size_t n, const char *path,
			size_t len)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (cart_text_glob(list[i], path, len))
			return true;
	}
	return false;
}

static bool wanted_below(const struct walk *w)
{
	size_t i;

	for (i = 0; i < w->o->n_patterns; i++) {
		if (may_contain(w->o->patterns[i], w->path))
			return true;
	}
	return false;
}

/* Length of the part of a pattern that has no wildcard, cut at a '/': the
 * folder where its walk begins ("/" at least). */
static size_t fixed_length(const char *pattern)
{
	size_t n = strcspn(pattern, "*?[\\");

	if (pattern[n] == '\0') {
		/* no wildcard: begin at the folder that holds it */
		while (n > 1 && pattern[n - 1] == '/')
			n--;
	}
	while (n > 1 && pattern[n - 1] != '/')
		n--;
	while (n > 1 && pattern[n - 1] == '/')
		n--;
	return n;
}

/* ---- file systems -------------------------------------------------------- */

/* What is made up by the kernel or fetched from elsewhere while it is read. */
static bool is_pseudo(int fd)
{
	static const unsigned long types[] = {
		0x9fa0 /* proc */, 0x62656572 /* sysfs */, 0x64626720 /* debugfs */,
		0x74726163 /* tracefs */, 0x27e0eb /* cgroup */,
		0x63677270 /* cgroup2 */, 0x1cd1 /* devpts */,
		0x6165676c /* pstore */, 0xde5e81e4 /* efivarfs */,
		0xcafe4a11 /* bpf */, 0x73636673 /* securityfs */,
		0xf97cff8c /* selinuxfs */, 0x19800202 /* mqueue */,
		0x42494e4d /* binfmt_misc */, 0x62656570 /* configfs */,
		0x67596969 /* rpc_pipefs */, 0x6e736673 /* nsfs */,
		0x0187 /* autofs */, 0x6969 /* nfs */, 0xff534d42 /* cifs */,
		0xfe534d42 /* smb2 */, 0x517b /* smb */,
		0x01021997 /* 9p */, 0x5346414f /* afs */, 0x73757245 /* coda */,
		0x65735543 /* fusectl */, 0x00c36400 /* ceph */,
		0x65735546 /* fuse */,
	};
	struct statfs fs;
	size_t i;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if ((unsigned long)fs.f_type == types[i])
			return true;
	}
	return false;
}

/* Is the folder, or something below it, where a pattern begins?  Then the
 * manifest asked for that file system by name. */
static bool leads_to_start(const struct walk *w)
{
	size_t i, n;

	for (i = 0; i < w->o->n_patterns; i++) {
		const char *p = w->o->patterns[i];

		n = fixed_length(p);
		if (n >= w->path_len && memcmp(p, w->path, w->path_len) == 0 &&
		    (n == w->path_len || p[w->path_len] == '/'))
			return true;
	}
	return false;
}

/* ---- the walk ------------------------------------------------------------ */

static void problem(struct walk *w, enum cart_walk_problem what, int code)
{
	w->calls->problem(w->calls->arg, what, code, w->path, w->path_len);
}

static void errno_problem(struct walk *w, int e)
{
	if (e == ENOENT)
		return;		/* gone since it was listed */
	problem(w, e == EACCES || e == EPERM ? CART_WALK_DENIED :
		CART_WALK_FAILED, e);
}

static int folder(struct walk *w, int fd, const struct stat *st,
		  unsigned depth);

/* Appends "/name"; false when it does not fit. */
static bool push(struct walk *w, const char *name, size_t len)
{
	bool slash = w->path_len == 0 || w->path[w->path_len - 1] != '/';

	if (w->path_len + slash + len + 1 > sizeof(w->path))
		return false;
	if (slash)
		w->path[w->path_len++] = '/';
	memcpy(w->path + w->path_len, name, len);
	w->path_len += len;
	w->path[w->path_len] = '\0';
	return true;
}

static void pop(struct walk *w, size_t len)
{
	w->path_len = len;
	w->path[len] = '\0';
}

/* A folder to list; its access time stays where the kernel lets us. */
static int open_folder(int dirfd, const char *name, int flags)
{
	int fd;

	flags |= O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;
	fd = openat(dirfd, name, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(dirfd, name, flags);
	return fd;
}

/* Is the folder of another file system one to enter?  Asked through O_PATH,
 * which mounts nothing (autofs) and opens nothing. */
static bool may_cross(struct walk *w, int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW |
			O_CLOEXEC);
	enum cart_walk_problem what = CART_WALK_MOUNT;
	bool pseudo;

	if (fd < 0) {
		errno_problem(w, errno);
		return false;
	}
	pseudo = is_pseudo(fd);
	close(fd);
	if (!pseudo && (w->o->cross || leads_to_start(w)))
		return true;
	if (pseudo)
		what = CART_WALK_PSEUDO;
	problem(w, what, 0);
	return false;
}

static int enter(struct walk *w, int dirfd, const char *name,
		 const struct stat *parent, const struct stat *st,
		 unsigned depth)
{
	struct stat now;
	int fd;

	if (!wanted_below(w))
		return 0;
	if (depth >= DEPTH_MAX) {
		problem(w, CART_WALK_DEPTH, 0);
		return 0;
	}
	if (st->st_dev != parent->st_dev && !may_cross(w, dirfd, name))
		return 0;
	fd = open_folder(dirfd, name, O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &now) < 0) {
		errno_problem(w, errno);
		if (fd >= 0)
			close(fd);
		return 0;
	}
	/* another folder may have taken its place since it was looked at */
	if (now.st_dev != st->st_dev || now.st_ino != st->st_ino) {
		problem(w, CART_WALK_FAILED, ESTALE);
		close(fd);
		return 0;
	}
	return folder(w, fd, &now, depth);
}

static int one_name(struct walk *w, int dirfd, const char *name,
		    const struct stat *dir_st, unsigned depth)
{
	struct cart_walk_entry e = { .dirfd = dirfd, .name = name };
	size_t before = w->path_len;
	int rc = 0;

	if (!push(w, name, strlen(name))) {
		problem(w, CART_WALK_DEPTH, 0);
		return 0;
	}
	if (matches_any(w->o->exclude, w->o->n_exclude, w->path, w->path_len))
		goto out;
	if (fstatat(dirfd, name, &e.st, AT_SYMLINK_NOFOLLOW) < 0) {
		errno_problem(w, errno);
		goto out;
	}
	e.path = w->path;
	e.path_len = w->path_len;
	if (matches_any(w->o->patterns, w->o->n_patterns, w->path, w->path_len))
		rc = w->calls->entry(w->calls->arg, &e, w->err);
	if (rc == 0 && S_ISDIR(e.st.st_mode))
		rc = enter(w, dirfd, name, dir_st, &e.st, depth + 1);
out:
	pop(w, before);
	return rc;
}

struct batch {
	char *names;			/* NUL-ended, one after another */
	size_t used, cap;
	size_t at[BATCH];
	size_t n;
};

static int batch_add(struct batch *b, const char *name)
{
	size_t len = strlen(name) + 1;
	char *grown;

	if (b->used + len > b->cap) {
		b->cap = (b->used + len) * 2 + 4096;
		grown = realloc(b->names, b->cap);
		if (grown == NULL)
			return -1;
		b->names = grown;
	}
	memcpy(b->names + b->used, name, len);
	b->at[b->n++] = b->used;
	b->used += len;
	return 0;
}

static int by_name(const void *a, const void *b, void *names)
{
	const char *n = names;

	return strcmp(n + *(const size_t *)a, n + *(const size_t *)b);
}

/* musl has qsort_r since 1.2.3, glibc since 2.8. */
static void batch_sort(struct batch *b)
{
	if (b->n > 1)
		qsort_r(b->at, b->n, sizeof(b->at[0]), by_name, b->names);
}

/* Takes over fd. */
static int folder(struct walk *w, int fd, const struct stat *st, unsigned depth)
{
	DIR *d = fdopendir(fd);
	struct batch *b = calloc(1, sizeof(*b));
	struct dirent *e;
	bool more = true;
	size_t i;
	int rc = 0;

	if (d == NULL || b == NULL) {
		rc = cart_err_nomem(w->err);
		if (d == NULL)
			close(fd);
		goto out;
	}
	while (rc == 0 && more) {
		b->n = b->used = 0;
		errno = 0;
		while (b->n < BATCH && (more = (e = readdir(d)) != NULL)) {
			if (strcmp(e->d_name, ".") == 0 ||
			    strcmp(e->d_name, "..") == 0)
				continue;
			if (batch_add(b, e->d_name) < 0) {
				rc = cart_err_nomem(w->err);
				goto out;
			}
		}
		if (!more && errno != 0)
			errno_problem(w, errno);
		batch_sort(b);
		for (i = 0; rc == 0 && i < b->n; i++)
			rc = one_name(w, dirfd(d), b->names + b->at[i], st,
				      depth);
	}
out:
	if (b != NULL)
		free(b->names);
	free(b);
	if (d != NULL)
		closedir(d);
	return rc;
}

/* One step down a path.  A link is followed only if root made it (/bin, /lib),
 * so that no user leads us elsewhere: ELOOP otherwise. */
static int step_down(int dirfd, const char *name)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISLNK(st.st_mode))
		return openat(dirfd, name, flags | O_NOFOLLOW);
	if (st.st_uid != 0) {
		errno = ELOOP;
		return -1;
	}
	return openat(dirfd, name, flags);
}

/* Opens the folder where a pattern begins, component by component.  *ret_pseudo
 * when it lies in a file system that is never entered: then nothing is opened,
 * and -1 returned. */
static int open_start(const char *path, bool *ret_pseudo)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), next, e;
	char name[NAME_MAX + 1];
	size_t n;

	*ret_pseudo = false;
	while (fd >= 0) {
		path += strspn(path, "/");
		n = component(path);
		if (n == 0)
			break;
		if (n >= sizeof(name)) {
			close(fd);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		path += n;
		next = step_down(fd, name);
		e = errno;
		close(fd);
		errno = e;
		fd = next;
	}
	if (fd < 0)
		return -1;
	*ret_pseudo = is_pseudo(fd);
	next = *ret_pseudo ? -1 : open_folder(fd, ".", 0);
	e = errno;
	close(fd);
	errno = e;
	return next;
}

/* Does an exclude pattern match the folder, or one above it? */
static bool is_excluded(const struct walk *w)
{
	size_t n;

	for (n = 1; n <= w->path_len; n++) {
		if ((n == w->path_len || w->path[n] == '/') &&
		    matches_any(w->o->exclude, w->o->n_exclude, w->path, n))
			return true;
	}
	return false;
}

static int start(struct walk *w, const char *path, size_t len)
{
	struct stat st;
	bool pseudo;
	int fd;

	if (len >= sizeof(w->path)) {
		problem(w, CART_WALK_DEPTH, 0);
		return 0;
	}
	memcpy(w->path, path, len);
	pop(w, len);
	if (is_excluded(w))
		return 0;
	fd = open_start(w->path, &pseudo);
	if (pseudo) {
		problem(w, CART_WALK_PSEUDO, 0);
		return 0;
	}
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		problem(w, CART_WALK_ABSENT, 0);
		return 0;
	}
	if (fd < 0) {
		errno_problem(w, errno);
		return 0;
	}
	if (fstat(fd, &st) < 0) {
		errno_problem(w, errno);
		close(fd);
		return 0;
	}
	return folder(w, fd, &st, 0);
}

/* A walk follows no link, so it does not reach a start that lies behind one. */
static bool reached_by_walk(const char *start, size_t len, size_t from)
{
	char path[PATH_SIZE];
	struct stat st;
	size_t n;

	if (len >= sizeof(path))
		return false;
	for (n = from + 1; n <= len; n++) {
		if (n < len && start[n] != '/')
			continue;
		memcpy(path, start, n);
		path[n] = '\0';
		if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
			return false;
	}
	return true;
}

/* A start below another one would be walked twice. */
static bool is_covered(const struct cart_walk_options *o, size_t index)
{
	const char *p = o->patterns[index];
	size_t len = fixed_length(p), i, n;

	for (i = 0; i < o->n_patterns; i++) {
		n = fixed_length(o->patterns[i]);
		if (i == index || n > len || memcmp(o->patterns[i], p, n) != 0)
			continue;
		if (n == len ? i < index : (n == 1 || p[n] == '/') &&
		    reached_by_walk(p, len, n))
			return true;
	}
	return false;
}

int cart_walk(const struct cart_walk_options *o,
	      const struct cart_walk_calls *calls, struct cart_err *err)
{
	struct walk *w = calloc(1, sizeof(*w));
	size_t i;
	int rc = 0;

	if (w == NULL)
		return cart_err_nomem(err);
	w->o = o;
	w->calls = calls;
	w->err = err;
	for (i = 0; rc == 0 && i < o->n_patterns; i++) {
		if (!is_covered(o, i))
			rc = start(w, o->patterns[i],
				   fixed_length(o->patterns[i]));
	}
	free(w);
	return rc;
}

/* ---- one file ------------------------------------------------------------ */

int cart_walk_open(const struct cart_walk_entry *e, struct stat *ret_st,
		   struct cart_err *err)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
		O_CLOEXEC;
	int fd = openat(e->dirfd, e->name, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = openat(e->dirfd, e->name, flags);
	if (fd < 0)
		return cart_err_errno(err, errno, "open");
	if (fstat(fd, ret_st) < 0) {
		cart_err_errno(err, errno, "stat");
		close(fd);
		return -1;
	}
	if (!S_ISREG(ret_st->st_mode) || ret_st->st_ino != e->st.st_ino ||
	    ret_st->st_dev != e->st.st_dev) {
		close(fd);
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "replaced while it was opened");
	}
	return fd;
}

/* linux/stat.h would clash with sys/stat.h on some libcs: the layout is the
 * kernel's and does not change. */
struct kernel_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t ino, size, blocks, attributes_mask;
	struct {
		int64_t sec;
		uint32_t nsec;
		int32_t reserved;
	} atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare[14];
};

int64_t cart_walk_birth_ns(int fd)
{
#ifdef SYS_statx
	static const unsigned want = 0x800;	/* STATX_BTIME */
	struct kernel_statx x;

	memset(&x, 0, sizeof(x));
	/* ENOSYS before Linux 4.11 */
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, want, &x) == 0 &&
	    (x.mask & want) != 0 && x.btime.sec > -SECONDS_MAX &&
	    x.btime.sec < SECONDS_MAX)
		return x.btime.sec * 1000000000 + x.btime.nsec;
#endif
	return INT64_MIN;
}
