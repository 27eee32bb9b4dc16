/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_sandbox_driver FOLDER|-: enters the sandbox, then tries what it forbids
 * and what it allows, one line each: NAME and ok or the error.  Below FOLDER it
 * may write; "-": nowhere.  The parent of FOLDER holds a file "old".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <crashcart/sandbox.h>

static void say(const char *name, long rc)
{
	int code = errno;

	printf("%s %s\n", name, rc >= 0 ? "ok" : code == EPERM ? "EPERM" :
	       code == EACCES ? "EACCES" : code == ENOSYS ? "ENOSYS" :
	       code == EXDEV ? "EXDEV" : "other");
}

static void *thread(void *arg)
{
	say("thread-socket", socket(AF_INET, SOCK_STREAM, 0));
	return arg;
}

static void files(const char *folder)
{
	char path[4096];
	int fd;

	say("make-outside", open("new", O_WRONLY | O_CREAT, 0600));
	say("write-outside", open("old", O_WRONLY));
	say("truncate-outside", truncate("old", 0));
	say("mkdir-outside", mkdir("newdir", 0700));
	say("unlink-outside", unlink("old"));
	say("rename-outside", rename("old", "older"));
	say("symlink", symlink("old", "link"));
	if (!folder)
		return;
	snprintf(path, sizeof(path), "%s/sub", folder);
	say("mkdir-inside", mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/sub/file", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	say("make-inside", fd);
	say("write-inside", write(fd, "x", 1));
	close(fd);
}

/* Calls that the C library has no name for, or that came later. */
static void others(pid_t victim, const char *folder)
{
	static const struct {
		const char *name;
		long nr, arg[4];
	} call[] = {
		{ "fchmodat2", 452, { AT_FDCWD, (long)"old", 04755, 0 } },
		{ "setxattrat", 463, { AT_FDCWD, (long)"old", 0, 0 } },
		{ "removexattrat", 466, { AT_FDCWD, (long)"old", 0, 0 } },
		{ "fsopen", 430, { (long)"tmpfs" } },
		{ "open-tree", 428, { AT_FDCWD, (long)"/", 1 } },
		{ "mount-setattr", 442, { AT_FDCWD, (long)"/" } },
		{ "pidfd-open", 434, { 1 } },
		{ "pidfd-signal", 424, { 0, SIGKILL } },
		{ "quotactl-fd", 443, { 0 } },
#if defined(__x86_64__)
		{ "utime", SYS_utime, { (long)"old", 0 } },
		{ "utimes", SYS_utimes, { (long)"old", 0 } },
		{ "futimesat", SYS_futimesat, { AT_FDCWD, (long)"old", 0 } },
#endif
		{ "utimensat", SYS_utimensat, { AT_FDCWD, (long)"old" } },
		{ "fchmod", SYS_fchmod, { 0, 0755 } },
		{ "setreuid", SYS_setreuid, { -1, -1 } },
		{ "setfsuid", SYS_setfsuid, { 0 } },
		{ "shmget", SYS_shmget, { 0, 4096, 01600 } },
		{ "msgget", SYS_msgget, { 0, 01600 } },
		{ "semget", SYS_semget, { 0, 1, 01600 } },
		{ "mq-open", SYS_mq_open, { (long)"x", O_CREAT | O_RDWR } },
		{ "memfd", SYS_memfd_create, { (long)"x" } },
		{ "userfaultfd", SYS_userfaultfd, { 1 } },
		{ "inotify", SYS_inotify_init1, { 0 } },
		{ "syslog", SYS_syslog, { 10 } },
		{ "own", SYS_fcntl, { 0, F_SETOWN, 1 } },
		{ "tiocsti", SYS_ioctl, { 0, TIOCSTI, (long)"x" } },
		{ "dumpable", SYS_prctl, { 4, 1 } },
	};
	size_t i;

	for (i = 0; i < sizeof(call) / sizeof(call[0]); i++)
		say(call[i].name, syscall(call[i].nr, call[i].arg[0],
					  call[i].arg[1], call[i].arg[2],
					  call[i].arg[3]));
	say("kill", kill(victim, SIGKILL));
	say("tkill", syscall(SYS_tkill, victim, SIGKILL));
	say("tgkill", syscall(SYS_tgkill, victim, victim, SIGKILL));
	say("sigqueue", syscall(SYS_rt_sigqueueinfo, victim, SIGKILL, NULL));
	say("limits", syscall(SYS_prlimit64, victim, 7, NULL, NULL));
	say("raise", raise(0));
	if (folder)
		say("times", futimens(open(folder, O_RDONLY), NULL));
}

int main(int argc, char **argv)
{
	const char *folder = argc == 2 && strcmp(argv[1], "-") != 0 ? argv[1] :
								      NULL;
	static char program[] = "/bin/true";
	char *const args[] = { program, NULL };
	char text[CART_SANDBOX_TEXT_SIZE], byte;
	pthread_t t;
	pid_t pid, victim;
	int fd, wait_for[2];

	if (pipe(wait_for) != 0 || (victim = fork()) < 0)
		return 1;
	if (victim == 0) {
		close(wait_for[1]);
		_exit(read(wait_for[0], &byte, 1) != 1);
	}
	close(wait_for[0]);
	cart_sandbox_enter(folder, text);
	printf("sandbox %s\n", text);
	say("socket", socket(AF_INET, SOCK_STREAM, 0));
	say("socket-udp", socket(AF_INET6, SOCK_DGRAM, 0));
	say("socket-unix", socket(AF_UNIX, SOCK_STREAM, 0));
	say("socket-netlink", socket(AF_NETLINK, SOCK_RAW, 0));
	say("exec", execve(args[0], args, NULL));
	pid = fork();
	if (pid == 0)
		_exit(0);
	say("fork", pid);
	say("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	say("io-uring", syscall(425, 1, NULL));
	say("openat2", syscall(437, AT_FDCWD, "new", NULL, 0));
	say("memory", syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
	files(folder);
	fd = open("old", O_RDONLY);
	say("read", read(fd, &byte, 1));
	say("thread", pthread_create(&t, NULL, thread, NULL) == 0 ? 0 : -1);
	pthread_join(t, NULL);
	others(victim, folder);
	/* SIGPIPE if the other process is no more */
	return write(wait_for[1], "x", 1) != 1;
}
