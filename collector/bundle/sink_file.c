/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/clock.h>
#include <crashcart/fdio.h>

#include "bundle_internal.h"

/*
 * A bundle in files: DIR/NAME.tar, NAME.tar.002 ... and the seal.  Write-back
 * is started chunk by chunk, so that a sync later has little left to do.
 */

#define FILE_NAME_SIZE 96		/* NAME, ".seal.minisig" */
#define SPARE_MIN ((uint64_t)256 << 10)
/* Freed blocks may come back only with the file system's next commit. */
#define RETRIES 20
#define RETRY_MS 50u

struct file_sink {
	struct cart_sink sink;
	int dirfd;			/* our own */
	int fd;				/* current segment */
	char name[65];
	char *location;
	uint64_t at;			/* in the segment */
	uint64_t started;		/* write-back began up to here */
	bool encrypted;
	bool dir_dirty;			/* a name is not durable yet */
	bool has_spare, is_ending;
	bool is_unwritten;		/* made by us, and nothing is in it */
	bool retried;			/* the spare's space has come back */
};

static struct file_sink *of(struct cart_sink *s)
{
	return (struct file_sink *)s;
}

static void segment_name(const struct file_sink *f, unsigned number,
			 char out[FILE_NAME_SIZE])
{
	cart_segment_name(f->name, number, f->encrypted, out, FILE_NAME_SIZE);
}

/* Nobody else may write the same bundle at the same time. */
static int lock(int fd, const char *file, struct cart_err *err)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;		/* some file systems have no locks */
	return cart_err_errno(err, EWOULDBLOCK,
			      "%s: another process is writing this bundle",
			      file);
}

/* --- space that is kept for the end --- */

static void spare_name(const struct file_sink *f, char out[FILE_NAME_SIZE])
{
	snprintf(out, FILE_NAME_SIZE, ".%s.spare", f->name);
}

static void drop_spare(struct file_sink *f)
{
	char file[FILE_NAME_SIZE];

	spare_name(f, file);
	unlinkat(f->dirfd, file, 0);
	f->has_spare = false;
}

/* Fills the file with zeros where space cannot be reserved otherwise. */
static int fill(int fd, uint64_t size)
{
	static const char zeros[65536];
	struct cart_err err;
	uint64_t done;

	if (fallocate(fd, 0, 0, (off_t)size) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -1;
	for (done = 0; done < size; done += sizeof(zeros))
		if (cart_fd_write(fd, zeros, sizeof(zeros), &err) < 0)
			return -1;
	return 0;
}

/* As much as there is, for a disk that is nearly full; none is no error. */
static void keep_spare(struct file_sink *f)
{
	char file[FILE_NAME_SIZE];
	uint64_t size;
	int fd;

	spare_name(f, file);
	if (f->is_ending || f->sink.low)
		return;
	for (size = f->sink.keep_bytes; !f->has_spare && size >= SPARE_MIN; size /= 2) {
		fd = openat(f->dirfd, file, O_WRONLY | O_CREAT | O_EXCL |
			    O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return;
		f->has_spare = fill(fd, size) == 0;
		close(fd);
		if (!f->has_spare)
			unlinkat(f->dirfd, file, 0);
	}
}

static void file_ending(struct cart_sink *s)
{
	of(s)->is_ending = true;
	drop_spare(of(s));
}

/* --- the segments --- */

static int open_segment(struct file_sink *f, unsigned number,
			struct cart_err *err)
{
	char file[FILE_NAME_SIZE];

	segment_name(f, number, file);
	f->fd = openat(f->dirfd, file, O_WRONLY | O_CREAT | O_EXCL |
		       O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (f->fd < 0)
		return cart_err_errno(err, errno, "%s", file);
	f->at = f->started = 0;
	f->dir_dirty = true;
	return lock(f->fd, file, err);
}

/* Did the disk run full, and is there more now that the spare is gone? */
static bool more_space(struct file_sink *f, int error, unsigned *tries)
{
	if (error != ENOSPC && error != EDQUOT)
		return false;
	if (f->has_spare) {
		drop_spare(f);
		f->sink.low = 1;
		fsync(f->dirfd);
		return true;
	}
	if (!f->sink.low || f->retried || ++*tries > RETRIES)
		return false;
	cart_clock_sleep_ms(RETRY_MS);
	return true;
}

static int file_write(struct cart_sink *s, const void *data, size_t len,
		      struct cart_err *err)
{
	struct file_sink *f = of(s);
	const unsigned char *p = data;
	unsigned tries = 0;
	ssize_t n;

	while (len > 0) {
		n = write(f->fd, p, len);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			f->at += (size_t)n;
			f->is_unwritten = false;
			f->retried = f->sink.low;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && more_space(f, errno, &tries))
			continue;
		return cart_err_errno(err, n < 0 ? errno : EIO, "%s: write",
				      f->location);
	}
	return 0;
}

static int file_chunk(struct cart_sink *s, const unsigned char sha256[32],
		      struct cart_err *err)
{
	struct file_sink *f = of(s);

	/* only a hint: a failure shows up in fsync */
	sync_file_range(f->fd, (off_t)f->started, (off_t)(f->at - f->started),
			SYNC_FILE_RANGE_WRITE);
	f->started = f->at;
	return 0;
}

static int sync_dir(struct file_sink *f, struct cart_err *err)
{
	if (!f->dir_dirty)
		return 0;
	/* EINVAL: this file system cannot; EBADF: opened with O_PATH */
	if (fsync(f->dirfd) != 0 && errno != EINVAL && errno != EROFS &&
	    errno != EBADF)
		return cart_err_errno(err, errno, "%s: fsync of the folder",
				      f->location);
	f->dir_dirty = false;
	return 0;
}

static int file_sync(struct cart_sink *s, struct cart_err *err)
{
	struct file_sink *f = of(s);

	if (fsync(f->fd) != 0)
		return cart_err_errno(err, errno, "%s: fsync", f->location);
	keep_spare(f);
	return sync_dir(f, err);
}

static int file_segment(struct cart_sink *s, unsigned number,
			struct cart_err *err)
{
	struct file_sink *f = of(s);
	int rc;

	if (fsync(f->fd) != 0)
		return cart_err_errno(err, errno, "%s: fsync", f->location);
	rc = close(f->fd);
	f->fd = -1;
	if (rc != 0)
		return cart_err_errno(err, errno, "%s: close", f->location);
	return open_segment(f, number, err);
}

static int file_companion(struct cart_sink *s, const char *suffix,
			  const void *data, size_t len, struct cart_err *err)
{
	struct file_sink *f = of(s);
	char file[FILE_NAME_SIZE];

	snprintf(file, sizeof(file), "%s%s", f->name, suffix);
	if (!data) {
		if (unlinkat(f->dirfd, file, 0) != 0 && errno != ENOENT)
			return cart_err_errno(err, errno, "%s", file);
		return 0;
	}
	return cart_file_replace(f->dirfd, file, data, len, 0600, err);
}

static void file_free(struct cart_sink *s)
{
	struct file_sink *f = of(s);
	char file[FILE_NAME_SIZE];

	/* a run that failed before it began leaves nothing to resume */
	if (f->is_unwritten) {
		segment_name(f, 1, file);
		unlinkat(f->dirfd, file, 0);
	}
	if (f->fd >= 0)
		close(f->fd);
	if (f->dirfd >= 0)
		close(f->dirfd);
	free(f->location);
	free(f);
}

/* A sealed bundle is never written again, and none is begun on top. */
static int refuse_seal(struct file_sink *f, struct cart_err *err)
{
	char file[FILE_NAME_SIZE];
	struct stat st;

	snprintf(file, sizeof(file), "%s.seal", f->name);
	if (fstatat(f->dirfd, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return cart_err_errno(err, EEXIST, "%s", file);
	return 0;
}

/* Removes the segments behind one, the last first: whenever this is interrupted,
 * those that are left join to one stream. */
static int drop_later(struct file_sink *f, unsigned segments,
		      struct cart_err *err)
{
	char file[FILE_NAME_SIZE];
	unsigned n = segments;

	do {
		segment_name(f, ++n, file);
	} while (n <= SEGMENTS_MAX && cart_file_exists(f->dirfd, file));
	if (n == segments + 1)
		return 0;
	while (--n > segments) {
		segment_name(f, n, file);
		if (unlinkat(f->dirfd, file, 0) != 0)
			return cart_err_errno(err, errno, "%s", file);
		/* a file system without a journal keeps no order */
		f->dir_dirty = true;
		if (sync_dir(f, err) < 0)
			return -1;
	}
	return 0;
}

/* Opens the last segment to go on at offset; what lies behind is cut. */
static int reopen(struct file_sink *f, unsigned segments, uint64_t offset,
		  struct cart_err *err)
{
	char file[FILE_NAME_SIZE];
	struct stat st;

	segment_name(f, segments, file);
	f->fd = openat(f->dirfd, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW |
		       O_NOCTTY);
	if (f->fd < 0)
		return cart_err_errno(err, errno, "%s", file);
	if (lock(f->fd, file, err) < 0)
		return -1;
	if (fstat(f->fd, &st) != 0)
		return cart_err_errno(err, errno, "%s", file);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < offset)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s: not the file that was read before",
				    file);
	if (drop_later(f, segments, err) < 0)
		return -1;
	if (ftruncate(f->fd, (off_t)offset) != 0 ||
	    lseek(f->fd, (off_t)offset, SEEK_SET) < 0)
		return cart_err_errno(err, errno, "%s: cutting it", file);
	f->at = f->started = offset;
	f->dir_dirty = true;
	drop_spare(f);
	return 0;
}

static struct cart_sink *make(int dirfd, const char *dir, const char *name,
			      bool encrypted, unsigned resume_segments,
			      uint64_t offset, struct cart_err *err)
{
	struct file_sink *f = calloc(1, sizeof(*f));
	size_t len = strlen(dir) + strlen(name) + 12;

	if (!f) {
		cart_err_nomem(err);
		return NULL;
	}
	f->fd = -1;
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->sink = (struct cart_sink){
		.kind = "file",
		.write = file_write,
		.chunk = file_chunk,
		.sync = file_sync,
		.segment = file_segment,
		.ending = file_ending,
		.companion = file_companion,
		.free = file_free,
		.durable_by_segment = encrypted,
		.wants_state = encrypted,
	};
	f->encrypted = encrypted;
	f->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	if (f->dirfd < 0) {
		cart_err_errno(err, errno, "%s", dir);
		goto fail;
	}
	f->location = malloc(len);
	if (!f->location) {
		cart_err_nomem(err);
		goto fail;
	}
	snprintf(f->location, len, "%s/%s.tar%s", dir, name,
		 encrypted ? ".age" : "");
	f->sink.location = f->location;
	if (refuse_seal(f, err) < 0 ||
	    (resume_segments ? reopen(f, resume_segments, offset, err) :
			       open_segment(f, 1, err)) < 0) {
		cart_err_prefix(err, "%s", dir);
		goto fail;
	}
	f->is_unwritten = !resume_segments;
	return &f->sink;
fail:
	file_free(&f->sink);
	return NULL;
}

struct cart_sink *cart_sink_file(int dirfd, const char *dir, const char *name,
				 unsigned resume_segments, uint64_t offset,
				 struct cart_err *err)
{
	return make(dirfd, dir, name, false, resume_segments, offset, err);
}

struct cart_sink *cart_sink_file_age(int dirfd, const char *dir,
				     const char *name, struct cart_err *err)
{
	return make(dirfd, dir, name, true, 0, 0, err);
}

void cart_sink_free(struct cart_sink *s)
{
	if (s)
		s->free(s);
}
