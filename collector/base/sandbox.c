/* SPDX-License-Identifier: Apache-2.0 */
#include <crashcart/sandbox.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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
		  (version >= 3 ? FS_TRUNCATE : 0);
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

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ARG_LOW(n) LOAD(args[n])	/* both machines are little-endian */
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define FAIL(error) RETURN(SECCOMP_RET_ERRNO | (error))
/* If the call has this number: fail. */
#define DENY(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), FAIL(EPERM)
#define ABSENT(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), FAIL(ENOSYS)

static const struct sock_filter common[] = {
	LOAD(arch),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
	RETURN(SECCOMP_RET_KILL),
	LOAD(nr),
#if defined(__x86_64__)
	/* x32 would have other numbers for the same calls */
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
	FAIL(ENOSYS),
	DENY(SYS_fork), DENY(SYS_vfork), DENY(SYS_mknod),
	DENY(SYS_symlink), DENY(SYS_chmod), DENY(SYS_chown),
	DENY(SYS_lchown), DENY(SYS_ioperm), DENY(SYS_iopl),
#endif
	/* no network */
	DENY(SYS_socket), DENY(SYS_socketpair), DENY(SYS_connect),
	DENY(SYS_bind), DENY(SYS_listen), DENY(SYS_accept), DENY(SYS_accept4),
	/* no program, no other process */
	DENY(SYS_execve), DENY(SYS_execveat), DENY(SYS_ptrace),
	DENY(SYS_process_vm_readv), DENY(SYS_process_vm_writev),
	DENY(SYS_kill), DENY(SYS_setsid),
	/* what can open or start by numbers that are not looked at below */
	ABSENT(SYS_clone3), ABSENT(SYS_openat2), ABSENT(SYS_io_uring_setup),
	DENY(SYS_open_by_handle_at), DENY(SYS_name_to_handle_at),
	/* the machine */
	DENY(SYS_mount), DENY(SYS_umount2), DENY(SYS_pivot_root),
	DENY(SYS_chroot), DENY(SYS_unshare), DENY(SYS_setns),
	DENY(SYS_swapon), DENY(SYS_swapoff), DENY(SYS_reboot),
	DENY(SYS_sethostname), DENY(SYS_settimeofday), DENY(SYS_clock_settime),
	DENY(SYS_init_module), DENY(SYS_finit_module), DENY(SYS_delete_module),
	DENY(SYS_kexec_load), DENY(SYS_bpf), DENY(SYS_perf_event_open),
	DENY(SYS_add_key), DENY(SYS_keyctl), DENY(SYS_request_key),
	DENY(SYS_setuid), DENY(SYS_setgid), DENY(SYS_setresuid),
	DENY(SYS_setresgid), DENY(SYS_setgroups), DENY(SYS_capset),
	DENY(SYS_personality), DENY(SYS_quotactl), DENY(SYS_acct),
	/* of files: what no output needs */
	DENY(SYS_mknodat), DENY(SYS_symlinkat), DENY(SYS_fchownat),
	DENY(SYS_setxattr), DENY(SYS_lsetxattr), DENY(SYS_fsetxattr),
	DENY(SYS_removexattr), DENY(SYS_lremovexattr), DENY(SYS_fremovexattr),
	/* clone: threads only */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
	ARG_LOW(0),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x00010000 /* CLONE_THREAD */, 1,
		 0),
	FAIL(EPERM),
	LOAD(nr),
};

#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

/* Without output. */
static const struct sock_filter no_files[] = {
#if defined(__x86_64__)
	DENY(SYS_creat), DENY(SYS_mkdir), DENY(SYS_rmdir), DENY(SYS_unlink),
	DENY(SYS_rename), DENY(SYS_link),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 3),
	ARG_LOW(1),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITES, 0, 1),
	FAIL(EACCES),
	LOAD(nr),
#endif
	DENY(SYS_renameat), DENY(SYS_mkdirat), DENY(SYS_unlinkat), DENY(SYS_linkat),
	DENY(SYS_truncate), DENY(SYS_ftruncate), DENY(SYS_fchmod),
	DENY(SYS_fchmodat), DENY(SYS_fchown), DENY(SYS_utimensat),
	DENY(SYS_renameat2),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
	ARG_LOW(2),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITES, 0, 1),
	FAIL(EACCES),
	LOAD(nr),
};

#define N_COMMON (sizeof(common) / sizeof(common[0]))
#define N_NO_FILES (sizeof(no_files) / sizeof(no_files[0]))

static bool enter_seccomp(bool writes)
{
	struct sock_filter all[N_COMMON + N_NO_FILES + 1];
	const struct sock_filter yes = RETURN(SECCOMP_RET_ALLOW);
	size_t n = N_COMMON;
	struct sock_fprog program = { .filter = all };

	memcpy(all, common, sizeof(common));
	if (!writes) {
		memcpy(all + n, no_files, sizeof(no_files));
		n += N_NO_FILES;
	}
	all[n++] = yes;
	program.len = (unsigned short)n;
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
