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
#include <stdio.h>
#include <string.h>
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

int main(int argc, char **argv)
{
	const char *folder = argc == 2 && strcmp(argv[1], "-") != 0 ? argv[1] :
								      NULL;
	static char program[] = "/bin/true";
	char *const args[] = { program, NULL };
	char text[CART_SANDBOX_TEXT_SIZE], byte;
	pthread_t t;
	pid_t pid;
	int fd;

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
	say("memory", syscall(310, getpid(), NULL, 0, NULL, 0, 0));
	files(folder);
	fd = open("old", O_RDONLY);
	say("read", read(fd, &byte, 1));
	say("thread", pthread_create(&t, NULL, thread, NULL) == 0 ? 0 : -1);
	pthread_join(t, NULL);
	return 0;
}
