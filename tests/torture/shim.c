/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault injection for FLAVOUR=torture: the linker sends the program's and its
 * libraries' calls of the functions below here (-Wl,--wrap).
 *
 *   CRASHCART_FAULT=KIND:N          the N-th call (from 1) of that kind fails
 *   CRASHCART_FAULT=KIND:N+         and all later ones
 *   CRASHCART_FAULT=kill@KIND:N     (or killed) the N-th of this kind alone
 *   CRASHCART_FAULT_COUNT=FILE      at exit, write `KIND COUNT` lines to FILE
 *
 * KIND   calls                                     fails with
 * alloc  malloc, calloc, realloc, strdup, strndup  ENOMEM
 * read   read, pread, readv                        EIO
 * write  write, pwrite, writev (not to stderr)     ENOSPC
 * short  the same                                  half is written, then ENOSPC
 * fsync  fsync, fdatasync                          EIO
 * open   open, openat                              EMFILE
 * name   renameat, unlinkat, mkdir, ftruncate      EIO
 * net    connect, send, sendto, sendmsg            ECONNRESET
 * thread pthread_create                            EAGAIN
 * kill   any of write, fsync, name, net            SIGKILL before the call
 * killed any of the same                           SIGKILL after the call
 *
 * Counting is by one atomic per kind, so that a run with one thread at work
 * repeats exactly; others are repeated in distribution.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
	ALLOC, READ, WRITE, SHORT, FSYNC, OPEN, NAME, NET, THREAD, KILL, KILLED,
	KINDS
};

static const char *const kind_names[KINDS] = {
	"alloc", "read", "write", "short", "fsync", "open", "name", "net",
	"thread", "kill", "killed",
};

static atomic_ulong counts[KINDS];
static enum kind fault = KINDS, fault_of = KINDS;
static unsigned long fault_from, fault_to;
static const char *count_path;

/* ours to call, not to fail */
int __real_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__real_realloc(void *p, size_t len);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t len);
ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __real_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __real_readv(int fd, const struct iovec *iov, int n);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __real_pwrite(int fd, const void *buf, size_t len, off_t at);
ssize_t __real_writev(int fd, const struct iovec *iov, int n);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_unlinkat(int dir, const char *path, int flags);
int __real_mkdir(const char *path, mode_t mode);
int __real_ftruncate(int fd, off_t len);
int __real_connect(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t __real_send(int fd, const void *buf, size_t len, int flags);
ssize_t __real_sendto(int fd, const void *buf, size_t len, int flags,
		      const struct sockaddr *addr, socklen_t addr_len);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*start)(void *), void *arg);

/* the same names as the linker asks for */
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);
void *__wrap_realloc(void *p, size_t len);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int n);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t at);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_unlinkat(int dir, const char *path, int flags);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_ftruncate(int fd, off_t len);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);
ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags,
		      const struct sockaddr *addr, socklen_t addr_len);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*start)(void *), void *arg);

/* The kind whose name and END *text begins with; moves *text behind them. */
static enum kind take_kind(const char **text, char end)
{
	size_t len;
	int i;

	for (i = 0; i < KINDS; i++) {
		len = strlen(kind_names[i]);
		if (strncmp(*text, kind_names[i], len) == 0 &&
		    (*text)[len] == end) {
			*text += len + 1;
			break;
		}
	}
	return (enum kind)i;
}

/* before main, which empties the environment */
__attribute__((constructor)) static void start(void)
{
	const char *text = getenv("CRASHCART_FAULT"), *at = text;
	char *end;

	count_path = getenv("CRASHCART_FAULT_COUNT");
	if (!text)
		return;
	fault = take_kind(&at, '@');
	if (fault != KINDS)
		fault_of = take_kind(&at, ':');
	else
		fault = take_kind(&at, ':');
	if (fault == KINDS || (at != text && at[-1] != ':')) {
		fprintf(stderr, "shim: CRASHCART_FAULT=%s is not understood\n",
			text);
		_exit(99);
	}
	fault_from = strtoul(at, &end, 10);
	fault_to = *end == '+' ? (unsigned long)-1 : fault_from;
}

__attribute__((destructor)) static void finish(void)
{
	char line[64];
	int i, fd, len;

	if (!count_path)
		return;
	fd = __real_open(count_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			 0600);
	if (fd < 0)
		return;
	for (i = 0; i < KINDS; i++) {
		len = snprintf(line, sizeof(line), "%s %lu\n", kind_names[i],
			       atomic_load(&counts[i]));
		if (__real_write(fd, line, (size_t)len) != len)
			break;
	}
	close(fd);
}

/* Counts a call; whether this one is to fail. */
static int hit(enum kind kind)
{
	unsigned long n = atomic_fetch_add(&counts[kind], 1) + 1;

	return kind == fault && n >= fault_from && n <= fault_to;
}

/* Dies if WHEN (KILL or KILLED) a call of this kind is the fault. */
static void die_if(enum kind when, enum kind kind)
{
	if ((fault_of == KINDS || fault_of == kind) && hit(when))
		kill(getpid(), SIGKILL);
}

#define FAIL_IF(kind, error, value) \
	do { \
		if (hit(kind)) { \
			errno = (error); \
			return (value); \
		} \
	} while (0)

/* a call that leaves a trace: the process may die before or after it */
#define TRACED(kind, error, type, call) \
	do { \
		type result_; \
		int saved_; \
		FAIL_IF(kind, error, -1); \
		die_if(KILL, kind); \
		result_ = (call); \
		saved_ = errno; \
		die_if(KILLED, kind); \
		errno = saved_; \
		return result_; \
	} while (0)

void *__wrap_malloc(size_t len)
{
	FAIL_IF(ALLOC, ENOMEM, NULL);
	return __real_malloc(len);
}

void *__wrap_calloc(size_t n, size_t len)
{
	FAIL_IF(ALLOC, ENOMEM, NULL);
	return __real_calloc(n, len);
}

void *__wrap_realloc(void *p, size_t len)
{
	FAIL_IF(ALLOC, ENOMEM, NULL);
	return __real_realloc(p, len);
}

char *__wrap_strdup(const char *s)
{
	FAIL_IF(ALLOC, ENOMEM, NULL);
	return __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t len)
{
	FAIL_IF(ALLOC, ENOMEM, NULL);
	return __real_strndup(s, len);
}

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	FAIL_IF(READ, EIO, -1);
	return __real_read(fd, buf, len);
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at)
{
	FAIL_IF(READ, EIO, -1);
	return __real_pread(fd, buf, len, at);
}

ssize_t __wrap_readv(int fd, const struct iovec *iov, int n)
{
	FAIL_IF(READ, EIO, -1);
	return __real_readv(fd, iov, n);
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	if (fd == STDERR_FILENO)
		return __real_write(fd, buf, len);
	if (hit(SHORT)) {
		if (len > 1)
			return __real_write(fd, buf, len / 2);
		errno = ENOSPC;
		return -1;
	}
	TRACED(WRITE, ENOSPC, ssize_t, __real_write(fd, buf, len));
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	if (hit(SHORT)) {
		if (len > 1)
			return __real_pwrite(fd, buf, len / 2, at);
		errno = ENOSPC;
		return -1;
	}
	TRACED(WRITE, ENOSPC, ssize_t, __real_pwrite(fd, buf, len, at));
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	if (fd == STDERR_FILENO)
		return __real_writev(fd, iov, n);
	if (hit(SHORT) && n > 0 && iov[0].iov_len > 1)
		return __real_write(fd, iov[0].iov_base, iov[0].iov_len / 2);
	TRACED(WRITE, ENOSPC, ssize_t, __real_writev(fd, iov, n));
}

int __wrap_fsync(int fd)
{
	TRACED(FSYNC, EIO, int, __real_fsync(fd));
}

int __wrap_fdatasync(int fd)
{
	TRACED(FSYNC, EIO, int, __real_fdatasync(fd));
}

static mode_t mode_of(int flags, va_list ap)
{
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		return va_arg(ap, mode_t);
	return 0;
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	FAIL_IF(OPEN, EMFILE, -1);
	return __real_open(path, flags, mode);
}

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	FAIL_IF(OPEN, EMFILE, -1);
	return __real_openat(dir, path, flags, mode);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	TRACED(NAME, EIO, int, __real_renameat(from_dir, from, to_dir, to));
}

int __wrap_unlinkat(int dir, const char *path, int flags)
{
	TRACED(NAME, EIO, int, __real_unlinkat(dir, path, flags));
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	TRACED(NAME, EIO, int, __real_mkdir(path, mode));
}

int __wrap_ftruncate(int fd, off_t len)
{
	TRACED(NAME, EIO, int, __real_ftruncate(fd, len));
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	TRACED(NET, ECONNRESET, int, __real_connect(fd, addr, len));
}

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
	TRACED(NET, ECONNRESET, ssize_t, __real_send(fd, buf, len, flags));
}

ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags,
		      const struct sockaddr *addr, socklen_t addr_len)
{
	TRACED(NET, ECONNRESET, ssize_t,
	       __real_sendto(fd, buf, len, flags, addr, addr_len));
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	TRACED(NET, ECONNRESET, ssize_t, __real_sendmsg(fd, msg, flags));
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*begin)(void *), void *arg)
{
	if (hit(THREAD))
		return EAGAIN;
	return __real_pthread_create(thread, attr, begin, arg);
}
