/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aws_session.h"
#include "boot_data.h"
#include "crashcart/clock.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"

#define TRIES 3
#define TRY_MS 2000

/* A network that has just come up may lose the first words. */
static int fetch(const struct cart_args *a, struct cart_env *env,
		 struct cart_http_reply *ret, struct cart_err *err)
{
	struct cmd_aws *s = cart_cmd_aws_new(a, env, false, err);
	struct cart_imds *m;
	unsigned try;
	int rc = -1;

	/* anew each time: it believes for a while that nobody is there */
	for (try = 1; s != NULL && rc < 0 && try <= TRIES; try++) {
		if (try > 1)
			cart_clock_sleep_ms(TRY_MS);
		m = cart_imds_new(cart_cmd_aws_net(s), env, true, err);
		if (m == NULL)
			break;
		rc = cart_imds_get(m, "/latest/user-data", ret, err);
		cart_imds_free(m);
	}
	cart_cmd_aws_free(s);
	if (rc == 0 && ret->status != 200) {
		cart_err_set(err, CART_ERR_USAGE, 0, "the metadata service "
			     "gives no user-data (status %d): nothing to do",
			     ret->status);
		rc = -1;
	}
	return rc;
}

struct files {
	char dir[256], manifest[300], ca[300], config[320], state[300];
	char **environment;		/* as this process got it */
};

static int put(const char *dir, const char *name, const char *text,
	       char *ret, size_t size, struct cart_err *err)
{
	snprintf(ret, size, "%s/%s", dir, name);
	return cart_file_write_new(AT_FDCWD, ret, text, strlen(text), 0600,
				   err);
}

/* The role collects; what the instance may do by itself uploads. */
static int put_config(const struct cmd_boot *b, struct files *f,
		      struct cart_err *err)
{
	char text[1200], path[300];
	const char *key = b->region != NULL ? "region = " : "";
	const char *region = b->region != NULL ? b->region : "";

	snprintf(text, sizeof(text), "[default]\n%s%s\n[profile collect]\n%s%s\n"
		 "role_arn = %s\ncredential_source = Ec2InstanceMetadata\n",
		 key, region, key, region, b->role);
	if (put(f->dir, "config", text, path, sizeof(path), err) < 0)
		return -1;
	snprintf(f->config, sizeof(f->config), "AWS_CONFIG_FILE=%s", path);
	return 0;
}

static int put_files(const struct cart_args *a, const struct cmd_boot *b,
		     struct files *f, struct cart_err *err)
{
	const char *work = cart_args_value(a, "work");
	char sig[300];

	snprintf(f->dir, sizeof(f->dir), "%.200s/crashcart-boot-XXXXXX",
		 work != NULL ? work : "/run");
	if (mkdtemp(f->dir) == NULL)
		return cart_err_errno(err, errno, "--work %s", f->dir);
	if (b->text != NULL &&
	    (put(f->dir, "manifest.json", b->text, f->manifest,
		 sizeof(f->manifest), err) < 0 ||
	     put(f->dir, "manifest.json.minisig", b->minisign, sig,
		 sizeof(sig), err) < 0))
		return -1;
	if (b->ca != NULL &&
	    put(f->dir, "ca.pem", b->ca, f->ca, sizeof(f->ca), err) < 0)
		return -1;
	snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	if (mkdir(f->state, 0700) != 0)
		return cart_err_errno(err, errno, "--work %s", f->state);
	return b->role != NULL ? put_config(b, f, err) : 0;
}

/* Unless collect left there what a resumption needs. */
static void drop_files(const struct files *f)
{
	static const char *const names[] = {
		"manifest.json", "manifest.json.minisig", "ca.pem", "config",
	};
	char path[300];
	size_t i;

	if (rmdir(f->state) != 0 && errno != ENOENT)
		return;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	rmdir(f->dir);
}

/* The exit status of child.  Meanwhile it gets the signals of this process, but
 * for those of a terminal, which it gets itself. */
static int wait_for(pid_t child, const sigset_t *set)
{
	siginfo_t info;
	int status = 0, got;
	pid_t pid;

	while ((pid = waitpid(child, &status, WNOHANG)) == 0) {
		got = sigwaitinfo(set, &info);
		if (got > 0 && got != SIGCHLD && info.si_code != SI_KERNEL)
			kill(child, got);
	}
	return pid == child && WIFEXITED(status) ? WEXITSTATUS(status) : CART_EXIT_FAILED;
}

static void list_add(const char **list, size_t *n, const char *word)
{
	list[(*n)++] = word;
}

/* Collects with what user-data says; returns only if it cannot. */
static int become(const struct cart_args *a, struct cmd_boot *b,
		  struct files *f, struct cart_err *err)
{
	char **environment = f->environment;
	const char *words[3 * CART_ARGS_MAX], *env[1024], *key;
	size_t n = 0, m = 0, i;

	list_add(words, &n, "crashcart");
	list_add(words, &n, "collect");
	for (i = 0; i < b->n_args; i++)
		list_add(words, &n, b->arg[i]);
	for (i = 0; (key = cart_args_at(a, "manifest-key", i)) != NULL; i++) {
		list_add(words, &n, "--manifest-key");
		list_add(words, &n, key);
	}
	if (b->ca != NULL) {
		list_add(words, &n, "--ca-add");
		list_add(words, &n, f->ca);
	}
	if (b->role != NULL) {
		list_add(words, &n, "--profile=collect");
		list_add(words, &n, "--upload-profile=default");
		list_add(words, &n, "--key-profile=default");
	}
	list_add(words, &n, "--state");
	list_add(words, &n, f->state);
	if (cart_args_flag(a, "json"))
		list_add(words, &n, "--json");
	list_add(words, &n, "--");
	list_add(words, &n, b->text != NULL ? f->manifest : b->manifest);
	words[n] = NULL;
	for (i = 0; environment[i] != NULL && m < 1000; i++)
		if (b->role == NULL ||
		    (strncmp(environment[i], "AWS_CONFIG_FILE=", 16) != 0 &&
		     strncmp(environment[i], "AWS_PROFILE=", 12) != 0))
			list_add(env, &m, environment[i]);
	if (b->role != NULL)
		list_add(env, &m, f->config);
	env[m] = NULL;
	execve("/proc/self/exe", (char **)words, (char **)env);
	return cart_err_errno(err, errno, "cannot start collect");
}

/* collect's exit status, or -1. */
static int run(const struct cart_args *a, struct cmd_boot *b, struct files *f,
	       struct cart_err *err)
{
	sigset_t set, old;
	pid_t child;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGCHLD, SIG_DFL);
	child = fork();
	if (child < 0)
		return cart_err_errno(err, errno, "cannot start collect");
	if (child > 0)
		return wait_for(child, &set);
	sigprocmask(SIG_SETMASK, &old, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	become(a, b, f, err);
	cart_command_fail(a, err);
	_exit(CART_EXIT_FAILED);
}

static int boot(const struct cart_args *a)
{
	struct files f = { .environment = environ };	/* before it is taken */
	struct cart_env *env = cart_env_take();
	struct cart_http_reply reply = { 0 };
	struct cmd_boot b = { 0 };
	struct cart_err err = { 0 };
	int status = -1;

	if (fetch(a, env, &reply, &err) < 0 ||
	    cart_boot_parse(reply.body.data, reply.body.len, &b, &err) < 0)
		goto fail;
	if (b.text != NULL && cart_args_value(a, "manifest-key") == NULL) {
		cart_err_set(&err, CART_ERR_USAGE, 0, "user-data brings a "
			     "manifest, but no --manifest-key says who may "
			     "sign one");
		goto fail;
	}
	if (put_files(a, &b, &f, &err) == 0)
		status = run(a, &b, &f, &err);
	drop_files(&f);
fail:
	if (status < 0)
		status = cart_command_fail(a, &err);
	cart_boot_clear(&b);
	cart_http_reply_clear(&reply);
	cart_env_free(env);
	return status;
}

static const struct cart_option options[] = {
	{ "manifest-key", 0, "FILE|BASE64", true,
	  "Key whose signature of a manifest in user-data counts." },
	{ "work", 0, "FOLDER", false,
	  "Where its few files go: a tmpfs; without it /run." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_boot = {
	.name = "boot",
	.summary = "Collect what this EC2 instance's user-data says.",
	.usage = "[--manifest-key FILE]... [--work FOLDER]",
	.options = options,
	.about =
"For an instance that was launched to collect (scripts/build-ami).  User-data\n"
"is one JSON object of at most 16 KiB:\n"
"  { \"crashcart-user-data\": 1, \"manifest\": \"instance-compromise\",\n"
"    \"params\": { \"instance_id\": \"i-0123456789abcdef0\" }, \"case\": \"IR-7\",\n"
"    \"out\": \"s3://evidence/IR-7\", \"allow\": [\"evidence\"],\n"
"    \"role\": \"arn:aws:iam::123456789012:role/collect\",\n"
"    \"options\": { \"retain\": \"governance:365\" } }\n"
"\"manifest\" names a built-in one, or is the text of one, signed: then\n"
"\"minisign\" is the text of its .minisig, which a --manifest-key must accept.\n"
"With \"role\" that role collects, and the instance's own uploads.  \"ca\" holds\n"
"CA roots (PEM) to add.  \"options\" are collect's, texts or lists of texts:\n"
"authority bucket-owner bytes-per-second encrypt-to endpoint-url expect-account\n"
"key legal-hold max-bytes max-time only-region operator organization region\n"
"retain segment time-server timestamp upload-kms-key witness witness-every\n"
"witness-owner.\n"
"Anything else is refused, and then nothing runs.\n"
"\n"
"Exit status: as of collect.\n",
	.run = boot,
};
