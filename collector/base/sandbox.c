/* SPDX-License-Identifier: Apache-2.0 */
#include <crashcart/sandbox.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* ---- Landlock: its numbers are newer than many headers ---------------------- */

#define NR_CREATE_RULESET 444
#define NR_ADD_RULE 445
#define NR_RESTRICT_SELF 446
#define CREATE_VERSION 1u
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_ALL (0x7full << 6)	/* char .. sym: bits 6 to 12 */
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_REFER (1ull << 13)		/* from version 2 */
#define FS_TRUNCATE (1ull << 14)	/* 3 */
#define FS_IOCTL_DEV (1ull << 15)	/* 5: of devices opened from now on */
#define NET_ALL 3ull			/* 4: bind and connect, TCP */
#define SCOPE_ALL 3ull			/* 6: abstract sockets, signals */

struct ruleset {
	uint64_t fs, net, scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static long handled(long version, struct ruleset *ret)
{
	ret->fs = FS_EXECUTE | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE |
		  FS_MAKE_ALL | (version >= 2 ? FS_REFER : 0) |
		  (version >= 3 ? FS_TRUNCATE : 0) |
		  (version >= 5 ? FS_IOCTL_DEV : 0);
	ret->net = version >= 4 ? NET_ALL : 0;
	ret->scoped = version >= 6 ? SCOPE_ALL : 0;
	return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

static int allow_below(int ruleset, const struct ruleset *r, const char *path)
{
	struct path_rule rule = {
		.allowed = r->fs & (FS_WRITE_FILE | FS_REMOVE_FILE |
				    FS_REMOVE_DIR | FS_MAKE_DIR | FS_MAKE_REG |
				    FS_REFER | FS_TRUNCATE),
		.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	long rc = -1;

	if (rule.fd >= 0) {
		rc = syscall(NR_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
		close(rule.fd);
	}
	return rc < 0 ? -1 : 0;
}

/* The version that now binds this process; 0: none. */
static long enter_landlock(const char *writable)
{
	long version = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_VERSION);
	struct ruleset r;
	long size, rc = -1;
	int fd;

	/* version 1 would forbid a second name of a file in another folder */
	if (version < (writable ? 2 : 1))
		return 0;
	size = handled(version, &r);
	fd = (int)syscall(NR_CREATE_RULESET, &r, size, 0);
	if (fd < 0)
		return 0;
	if (!writable || allow_below(fd, &r, writable) == 0)
		rc = syscall(NR_RESTRICT_SELF, fd, 0);
	close(fd);
	return rc == 0 ? version : 0;
}

/* ---- seccomp ----------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/*
 * Numbers from here on are the same on all machines.  What is younger and not
 * on the list does not exist, so that the C library takes the older way.
 */
#define NR_COMMON 424

/* What reading a bundle takes, of musl and, in builds for developers, glibc. */
static const unsigned short reading[] = {
	SYS_futex, SYS_pread64, SYS_read, SYS_write, SYS_close, SYS_mmap,
	SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mremap, SYS_brk,
	SYS_rt_sigprocmask, SYS_openat, SYS_fcntl, SYS_fstat, SYS_newfstatat,
	SYS_statx, SYS_faccessat, SYS_readlinkat, SYS_getdents64, SYS_lseek,
	SYS_readv, SYS_writev, SYS_preadv, SYS_ioctl, SYS_fsync, SYS_fdatasync,
	SYS_fadvise64, SYS_flock, SYS_statfs, SYS_fstatfs, SYS_getcwd,
	SYS_chdir, SYS_fchdir, SYS_umask, SYS_dup, SYS_dup3, SYS_pipe2,
	SYS_ppoll, SYS_pselect6,
	/* memory that holds keys */
	SYS_mlock, SYS_munlock, SYS_mlock2, SYS_msync,
	/* threads */
	SYS_clone, SYS_exit, SYS_exit_group, SYS_set_robust_list,
	SYS_get_robust_list, SYS_set_tid_address, SYS_rseq, SYS_membarrier,
	SYS_gettid, SYS_getpid, SYS_getppid, SYS_sched_yield,
	SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
	SYS_prctl,
	/* signals, to itself */
	SYS_rt_sigaction, SYS_rt_sigreturn, SYS_rt_sigpending,
	SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_sigaltstack,
	SYS_restart_syscall, SYS_tkill, SYS_tgkill,
	/* what it may know */
	SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep,
	SYS_nanosleep, SYS_gettimeofday, SYS_times, SYS_getrandom, SYS_uname,
	SYS_sysinfo, SYS_getrusage, SYS_prlimit64, SYS_getuid, SYS_geteuid,
	SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups,
	SYS_getpgid, SYS_getsid,
#if defined(__x86_64__)
	SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getdents,
	SYS_poll, SYS_select, SYS_dup2, SYS_pipe, SYS_time, SYS_getrlimit,
	SYS_arch_prctl,
#endif
};

/* ... and what making its output takes. */
static const unsigned short writing[] = {
	SYS_pwrite64, SYS_pwritev, SYS_ftruncate, SYS_fallocate,
	SYS_sync_file_range, SYS_copy_file_range, SYS_sendfile, SYS_mkdirat,
	SYS_unlinkat, SYS_linkat, SYS_renameat2, SYS_utimensat,
#if defined(SYS_renameat)
	SYS_renameat,
#endif
#if defined(__x86_64__)
	SYS_creat, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_link,
#endif
};

#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define NR_TCGETS2 0x802c542au
#define THREAD_BIT 0x00010000u
#define LINES_MAX 400

struct program {
	struct sock_filter line[LINES_MAX];
	unsigned short n;
};

static void add(struct program *p, struct sock_filter line)
{
	p->line[p->n++] = line;
}

#define STMT(code, k) ((struct sock_filter)BPF_STMT((code), (k)))
#define JUMP(how, k, yes, no) \
	((struct sock_filter)BPF_JUMP(BPF_JMP | (how) | BPF_K, (k), (yes), (no)))
#define LOAD(field) \
	STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* half: 0 the low, 1 the high; both machines are little-endian */
#define LOAD_ARG(i, half)                                                  \
	STMT(BPF_LD | BPF_W | BPF_ABS,                                     \
	     (uint32_t)(offsetof(struct seccomp_data, args) + (i) * 8u +   \
			(half) * 4u))
#define RETURN(what) STMT(BPF_RET | BPF_K, (what))
#define FAIL(error) RETURN(SECCOMP_RET_ERRNO | (error))

/* The call passes if an argument is one of these numbers, else EPERM. */
static void only(struct program *p, unsigned nr, unsigned arg,
		 const uint32_t *value, unsigned n)
{
	unsigned i;

	add(p, JUMP(BPF_JEQ, nr, 0, (unsigned char)(2 + 2 * n)));
	add(p, LOAD_ARG(arg, 0));
	for (i = 0; i < n; i++) {
		add(p, JUMP(BPF_JEQ, value[i], 0, 1));
		add(p, RETURN(SECCOMP_RET_ALLOW));
	}
	add(p, FAIL(EPERM));
}

/* The call fails if an argument has one of these bits. */
static void without(struct program *p, unsigned nr, unsigned arg, uint32_t bits,
		    unsigned error)
{
	add(p, JUMP(BPF_JEQ, nr, 0, 4));
	add(p, LOAD_ARG(arg, 0));
	add(p, JUMP(BPF_JSET, bits, 0, 1));
	add(p, FAIL(error));
	add(p, LOAD(nr));
}

static void check_arguments(struct program *p, bool writes)
{
	/* F_SETOWN and F_SETSIG would send signals */
	static const uint32_t fcntls[] = { F_DUPFD, F_GETFD, F_SETFD, F_GETFL,
					   F_SETFL, F_GETLK, F_SETLK, F_SETLKW,
					   36, 37, 38, F_DUPFD_CLOEXEC };
	/* whether it is a terminal, and its size; none that feeds it input */
	static const uint32_t ioctls[] = { TCGETS, NR_TCGETS2, TIOCGWINSZ };
	const uint32_t self = (uint32_t)getpid(), none = 0, name = PR_SET_NAME;

	only(p, SYS_fcntl, 1, fcntls, sizeof(fcntls) / sizeof(fcntls[0]));
	only(p, SYS_ioctl, 1, ioctls, sizeof(ioctls) / sizeof(ioctls[0]));
	only(p, SYS_prctl, 0, &name, 1);
	only(p, SYS_prlimit64, 0, &none, 1);
	/* raise() of the first thread; abort() does without in the others */
	only(p, SYS_tkill, 0, &self, 1);
	only(p, SYS_tgkill, 0, &self, 1);
	/* clone: threads only */
	add(p, JUMP(BPF_JEQ, SYS_clone, 0, 4));
	add(p, LOAD_ARG(0, 0));
	add(p, JUMP(BPF_JSET, THREAD_BIT, 1, 0));
	add(p, FAIL(EPERM));
	add(p, LOAD(nr));
#ifndef __GLIBC__
	/* glibc loads its unwinder when a thread ends */
	without(p, SYS_mmap, 2, PROT_EXEC, EPERM);
	without(p, SYS_mprotect, 2, PROT_EXEC, EPERM);
#endif
	if (writes) {
		/* times by descriptor only: Landlock knows no times by path */
		add(p, JUMP(BPF_JEQ, SYS_utimensat, 0, 6));
		add(p, LOAD_ARG(1, 0));
		add(p, JUMP(BPF_JEQ, 0, 0, 2));
		add(p, LOAD_ARG(1, 1));
		add(p, JUMP(BPF_JEQ, 0, 1, 0));
		add(p, FAIL(EPERM));
		add(p, LOAD(nr));
		return;
	}
	without(p, SYS_openat, 2, WRITES, EACCES);
#if defined(__x86_64__)
	without(p, SYS_open, 1, WRITES, EACCES);
#endif
}

static void allow(struct program *p, const unsigned short *nr, size_t n)
{
	for (; n > 0; n--) {
		add(p, JUMP(BPF_JEQ, *nr++, 0, 1));
		add(p, RETURN(SECCOMP_RET_ALLOW));
	}
}

static bool enter_seccomp(bool writes)
{
	struct program p = { .n = 0 };
	struct sock_fprog program = { .filter = p.line };

	_Static_assert(sizeof(reading) + sizeof(writing) + 120 <= LINES_MAX,
		       "two lines a number, which has two bytes");
	add(&p, LOAD(arch));
	add(&p, JUMP(BPF_JEQ, ARCH, 1, 0));
	add(&p, RETURN(SECCOMP_RET_KILL));
	add(&p, LOAD(nr));
	check_arguments(&p, writes);
	allow(&p, reading, sizeof(reading) / sizeof(reading[0]));
	if (writes)
		allow(&p, writing, sizeof(writing) / sizeof(writing[0]));
	/* also x32, whose numbers are high */
	add(&p, JUMP(BPF_JGE, NR_COMMON, 0, 1));
	add(&p, FAIL(ENOSYS));
	add(&p, FAIL(EPERM));
	program.len = p.n;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#else

static bool enter_seccomp(bool writes)
{
	(void)writes;
	return false;
}

#endif

void cart_sandbox_enter(const char *writable,
			char ret_text[CART_SANDBOX_TEXT_SIZE])
{
	long version = 0;
	bool filter = false;

	/* neither layer is to be had without it */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
		version = enter_landlock(writable);
		filter = enter_seccomp(writable != NULL);
	}
	if (version > 0)
		snprintf(ret_text, CART_SANDBOX_TEXT_SIZE, "landlock %ld%s",
			 version, filter ? ", seccomp" : "");
	else
		snprintf(ret_text, CART_SANDBOX_TEXT_SIZE, "%s",
			 filter ? "seccomp" : "none");
}
