/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_process: a program named in the config file prints credentials.
 * It is a program of this host, so it runs only where the operator trusts the
 * environment, never through a shell, and that it ran is put on record.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>

#include "session.h"

#define ARGS_MAX	64
#define OUTPUT_MAX	65536
#define LIMIT_MS	60000
#define NS_PER_MS	INT64_C(1000000)

/* Splits as a POSIX shell does, without expansion of any kind.  text is cut
 * in place.  Number of words, or -1. */
static int split(char *text, char *argv[ARGS_MAX + 1])
{
	char *in = text, *out = text, quote;
	int n = 0;

	for (;;) {
		in += strspn(in, " \t\r\n");
		if (!*in)
			break;
		if (n == ARGS_MAX)
			return -1;
		argv[n++] = out;
		for (quote = 0; *in && (quote || !strchr(" \t\r\n", *in)); in++) {
			if (quote && *in == quote)
				quote = 0;
			else if (!quote && (*in == '"' || *in == '\''))
				quote = *in;
			else if (*in == '\\' && quote != '\'' && in[1] &&
				 (!quote || in[1] == '"' || in[1] == '\\'))
				*out++ = *++in;
			else
				*out++ = *in;
		}
		if (quote)
			return -1;
		if (*in)
			in++;
		*out++ = '\0';
	}
	argv[n] = NULL;
	return n;
}

/* Reads to the end of the pipe or of the time.  0 or -1 with err. */
static int read_output(int fd, struct cart_buf *b, struct cart_err *err)
{
	int64_t end = cart_clock_mono_ns() + LIMIT_MS * NS_PER_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = (end - cart_clock_mono_ns()) / NS_PER_MS;
		char part[4096];
		ssize_t n;

		if (left <= 0)
			return cart_err_set(err, CART_ERR_TIMEOUT, 0,
					    "did not end within %d s",
					    LIMIT_MS / 1000);
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cart_err_errno(err, errno, "read");
		if (n == 0)
			return cart_buf_check(b, "its output", err);
		cart_buf_add(b, part, (size_t)n);
		cart_wipe(part, sizeof(part));
		if (!cart_buf_ok(b))
			return cart_buf_check(b, "its output", err);
	}
}

/* The child gets what we kept of the environment, and a PATH. */
static char **child_env(const struct cart_env *env)
{
	char **e = calloc(env->n + 2, sizeof(*e));
	struct cart_buf b;
	size_t i;

	for (i = 0; e && i < env->n; i++) {
		cart_buf_init(&b, (size_t)1 << 18);
		cart_buf_addf(&b, "%s=%s", env->names[i], env->values[i]);
		e[i] = cart_buf_steal(&b, NULL);
		if (!e[i]) {
			while (i--)
				free(e[i]);
			free(e);
			return NULL;
		}
	}
	if (e)
		e[i] = strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			      "/usr/bin:/sbin:/bin");
	return e;
}

static void free_env(char **e)
{
	size_t i;

	for (i = 0; e && e[i]; i++) {
		cart_wipe(e[i], strlen(e[i]));
		free(e[i]);
	}
	free(e);
}

static int spawn(char **argv, char **env, int out, pid_t *ret,
		 struct cart_err *err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, some;
	int e;

	sigemptyset(&none);
	sigemptyset(&some);
	sigaddset(&some, SIGPIPE);
	sigaddset(&some, SIGINT);
	sigaddset(&some, SIGTERM);
	if (posix_spawn_file_actions_init(&files))
		return cart_err_nomem(err);
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&files);
		return cart_err_nomem(err);
	}
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &some);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	e = posix_spawnp(ret, argv[0], &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return e ? cart_err_errno(err, e, "cannot be run") : 0;
}

static int run(const struct cart_env *env, char **argv, struct cart_buf *b,
	       struct cart_err *err)
{
	char **e = child_env(env);
	int fd[2] = { -1, -1 }, status = 0, rc = -1;
	pid_t pid = -1;

	if (!e) {
		cart_err_nomem(err);
		goto out;
	}
	if (pipe2(fd, O_CLOEXEC) < 0) {
		cart_err_errno(err, errno, "pipe");
		goto out;
	}
	if (spawn(argv, e, fd[1], &pid, err) < 0)
		goto out;
	close(fd[1]);
	fd[1] = -1;
	rc = read_output(fd[0], b, err);
	if (rc < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!rc && status)
		rc = cart_err_set(err, CART_ERR_DENIED, 0,
				  "failed (status %d)", WIFEXITED(status) ?
				  WEXITSTATUS(status) : 128 + WTERMSIG(status));
out:
	if (fd[0] >= 0)
		close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
	free_env(e);
	return rc;
}

static int read_credentials(const struct cart_buf *b, struct cart_creds *ret,
			    struct cart_err *err)
{
	struct cart_json *j = cart_json_parse(b->data, b->len, NULL, err);
	int64_t version;
	int rc = -1;

	if (!j)
		return -1;
	if (cart_json_i64(cart_json_get(j, "Version"), &version) < 0 ||
	    version != 1)
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "printed something of another version than 1");
	else
		rc = cart_creds_from_json(j, "SecretAccessKey", "SessionToken",
					  ret, err);
	cart_json_free(j);
	return rc;
}

int cart_creds_process(struct cart_aws *a, const char *profile,
		       struct cart_creds *ret, struct cart_err *err)
{
	const char *command = cart_session_setting(a, profile,
						   "credential_process");
	char *argv[ARGS_MAX + 1], *text;
	struct cart_buf b;
	int rc = -1;

	if (!command)
		return 0;
	if (!a->opt.trust_environment)
		return cart_err_set(err, CART_ERR_DENIED, 0,
				    "profile \"%.80s\" wants to run a program "
				    "of this host (credential_process): "
				    "--trust-environment allows it", profile);
	snprintf(ret->source, sizeof(ret->source),
		 "credential_process of profile %.60s", profile);
	text = strdup(command);
	if (!text)
		return cart_err_nomem(err);
	cart_buf_init(&b, OUTPUT_MAX);
	if (split(text, argv) <= 0) {
		cart_err_set(err, CART_ERR_USAGE, 0,
			     "is empty, too long, or has an open quote");
	} else {
		cart_session_note(a, "runs %s of profile %s, a program of this "
				  "host, for credentials", argv[0], profile);
		rc = run(a->opt.env, argv, &b, err);
		if (!rc)
			rc = read_credentials(&b, ret, err);
	}
	if (rc < 0)
		cart_err_prefix(err, "credential_process of profile \"%.80s\"",
				profile);
	if (b.data)
		cart_wipe(b.data, b.len);
	cart_buf_clear(&b);
	free(text);
	return rc < 0 ? -1 : 1;
}
