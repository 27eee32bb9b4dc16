/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "aws_session.h"
#include "crashcart/aws_sink.h"
#include "crashcart/engine.h"
#include "crashcart/fdio.h"
#include "crashcart/json.h"
#include "crashcart/signer.h"
#include "crashcart/text.h"
#include "key_kms.h"
#include "key_load.h"
#include "upload.h"

#define FAT_MAGIC	0x4d44
#define SPACE_MIN	((uint64_t)32 << 20)	/* cannot even be sealed */
#define SPACE_LOW	((uint64_t)1 << 30)

static struct cart_json *row(struct cart_json *list, const char *check,
			     const char *result, const char *what,
			     const char *detail)
{
	struct cart_json *r = cart_json_append(list, cart_json_new_object());

	cart_json_add(r, "check", cart_json_new_string(check));
	cart_json_add(r, "result", cart_json_new_string(result));
	cart_json_add(r, "what", cart_json_new_string(what));
	cart_json_add(r, "detail", cart_json_new_string(detail));
	return r;
}

/* ---- the output folder -------------------------------------------------- */

/* Can a file be made here?  Tried with one that never gets a name and is gone
 * when it is closed; where the file system has no such files, permissions are
 * asked for.  0 or an errno. */
static int try_write(int dirfd)
{
	int fd = openat(dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0) {
		if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL &&
		    errno != ENOENT)
			return errno;
		return faccessat(dirfd, ".", W_OK | X_OK, AT_EACCESS) < 0 ?
			errno : 0;
	}
	if (write(fd, "", 1) != 1)
		rc = errno;
	close(fd);
	return rc;
}

static void check_space(struct cart_json *list, int dirfd, const char *dir,
			bool segments)
{
	struct statvfs v;
	struct statfs s;
	struct cart_json *r;
	uint64_t bytes;
	char free_text[16], detail[300];
	const char *result = "good", *more = "";

	if (fstatvfs(dirfd, &v) < 0) {
		row(list, "space", "unknown", dir, "the file system does not "
		    "say how much is free");
		return;
	}
	bytes = (uint64_t)v.f_bavail * v.f_frsize;
	cart_text_bytes(bytes, free_text);
	if (bytes < SPACE_MIN) {
		result = "missing";
		more = ": too little for any bundle";
	} else if (bytes < SPACE_LOW) {
		result = "warning";
		more = ": a full disk ends the run early, sealed";
	}
	if (fstatfs(dirfd, &s) == 0 && s.f_type == FAT_MAGIC && !segments) {
		result = *result == 'g' ? "warning" : result;
		more = ": FAT holds no file beyond 4 GiB, so collect with "
		       "--segment 4095M";
	}
	snprintf(detail, sizeof(detail), "%s free%s", free_text, more);
	r = row(list, "space", result, dir, detail);
	cart_json_add(r, "free_bytes", cart_json_new_int(
		      bytes < (uint64_t)1 << 53 ? (int64_t)bytes :
		      (int64_t)1 << 53));
}

static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(path, 2, ".");
	else if (slash == path)
		path[1] = '\0';
	else
		*slash = '\0';
}

/* The folder that exists, from dir upwards: collect makes one level. */
static int open_parent(char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		cut_last(dir);
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd;
}

static void check_folder(struct cart_json *list, const char *out, bool is_file,
			 bool segments)
{
	char dir[4096];
	struct cart_err err;
	int fd, why;

	if (strlen(out) >= sizeof(dir)) {
		row(list, "output", "missing", out, "the path is too long");
		return;
	}
	snprintf(dir, sizeof(dir), "%s", out);
	if (is_file && cart_file_exists(AT_FDCWD, out)) {
		row(list, "output", "missing", out, "it exists; evidence is "
		    "never overwritten");
		return;
	}
	if (is_file)
		cut_last(dir);
	fd = open_parent(dir);
	why = fd < 0 ? errno : try_write(fd);
	if (why != 0) {
		cart_err_errno(&err, why, "%s cannot be written to", dir);
		row(list, "output", "missing", out, err.text);
	} else if (!is_file && strcmp(dir, out) != 0) {
		row(list, "output", "warning", out, "it is not there and would "
		    "be made: is what it should lie on mounted?");
	} else {
		row(list, "output", "good", out, "it can be written to");
	}
	if (fd >= 0) {
		check_space(list, fd, dir, segments);
		close(fd);
	}
}

/* Begins an upload as a run would and takes it back: bucket, owner, key, lock
 * and permission are tried, and nothing stays. */
static void check_upload(struct cart_json *list, const struct cart_args *a,
			 struct cart_env *env, const struct cart_manifest *m,
			 const char *out)
{
	struct cmd_collection c = { .args = a, .env = env };
	struct cart_sink *sink = NULL;
	struct cmd_upload_target t;
	struct cart_err err = { 0 };

	if (cart_cmd_upload_target(a, out, CART_CHANGE_IRREVERSIBLE, &t,
				   &err) == 0 &&
	    cart_cmd_upload_session(&c, &t, cart_manifest_has_host_steps(m),
				    &err) == 0) {
		t.o.name = "crashcart-plan-check";
		if (cart_s3_has_bucket(&t.o, &err) == 0)
			cart_err_set(&err, CART_ERR_INPUT, 404, "there is no "
				     "bucket %s (s3:HeadBucket answers 404)",
				     t.bucket);
		else
			sink = cart_s3_sink(&t.o, &err);
	}
	if (sink != NULL)
		row(list, "upload", "good", out, "an upload can be begun there "
		    "(bucket, owner, key, lock); it was taken back");
	else
		row(list, "upload", "missing", out, err.text);
	cart_sink_free(sink);
	cart_cmd_aws_free(c.upload);
}

static void check_output(struct cart_json *list, const struct cart_args *a,
			 struct cart_env *env, const struct cart_manifest *m)
{
	const char *out = cart_args_value(a, "out");
	size_t n;

	if (out == NULL)
		out = ".";
	n = strlen(out);
	if (strncmp(out, "s3://", 5) == 0)
		check_upload(list, a, env, m, out);
	else if (strcmp(out, "-") == 0)
		row(list, "output", "good", out, "a pipe: whoever reads it must "
		    "keep up and have the space");
	else
		check_folder(list, out, n > 4 && !strcmp(out + n - 4, ".tar"),
			     cart_args_value(a, "segment") != NULL);
}

/* ---- the key ------------------------------------------------------------ */

static void check_key(struct cart_json *list, const struct cart_args *a,
		      struct cart_env *env)
{
	const char *path = cart_args_value(a, "key");
	struct cmd_signer key_of;
	struct cart_signer *s;
	struct cart_err err;
	struct cart_buf b;
	int wanted = -1;

	if (path == NULL)
		return;
	if (cart_key_is_kms(path)) {
		wanted = cart_key_open(a, path, env, true, &key_of, &err);
		row(list, "key", wanted == 0 ? "good" : "missing", path,
		    wanted == 0 ? "a KMS key of the right kind; that it may "
		    "sign is not tried" : err.text);
		cart_key_close(&key_of);
		return;
	}
	cart_buf_init(&b, 4096);
	if (cart_file_read(AT_FDCWD, path, &b, &err) == 0)
		wanted = cart_signer_needs_password(b.data, b.len, &err);
	if (b.data != NULL)
		cart_wipe(b.data, b.len);
	cart_buf_clear(&b);
	if (wanted < 0) {
		row(list, "key", "missing", path, err.text);
		return;
	}
	if (wanted > 0 && cart_args_value(a, "password-fd") == NULL) {
		row(list, "key", "good", path, "a signing key; its password "
		    "will be asked for");
		return;
	}
	s = cart_key_load(path, cart_args_value(a, "password-fd"), &err);
	row(list, "key", s != NULL ? "good" : "missing", path, s != NULL ?
	    "a signing key that opens" : err.text);
	cart_signer_free(s);
}

/* ---- AWS ---------------------------------------------------------------- */

static int check_aws(struct cart_json *list, const struct cart_args *a,
		     struct cart_env *env, const struct cart_manifest *m,
		     struct cart_err *err)
{
	struct cart_check_options o = { .manifest = m };
	struct cmd_aws *s;
	int rc;

	if (!cart_manifest_has_aws_steps(m))
		return 0;
	s = cart_cmd_aws_new(a, env, cart_manifest_has_host_steps(m), err);
	if (s == NULL)
		return -1;
	o.aws = cart_cmd_aws_client(s);
	o.expect_account = cart_args_value(a, "expect-account");
	rc = cart_check(&o, list, err);
	cart_cmd_aws_free(s);
	return rc;
}

/* ---- the answer --------------------------------------------------------- */

static size_t count(const struct cart_json *list, const char *result)
{
	const struct cart_json *r;
	size_t n = 0;

	for (r = cart_json_first(list); r != NULL; r = cart_json_next(r))
		n += strcmp(cart_json_get_string(r, "result"), result) == 0;
	return n;
}

static void escaped(struct cart_buf *b, const char *s)
{
	cart_text_escape(s, strlen(s), b);
}

static void add_line(struct cart_buf *b, const struct cart_json *r)
{
	const struct cart_json *s = cart_json_get(r, "steps");

	cart_buf_addf(b, "%-11s %-8s ", cart_json_get_string(r, "check"),
		      cart_json_get_string(r, "result"));
	escaped(b, cart_json_get_string(r, "what"));
	cart_buf_adds(b, "\n                     ");
	for (s = cart_json_first(s); s != NULL; s = cart_json_next(s)) {
		escaped(b, cart_json_string(s));
		cart_buf_adds(b, cart_json_next(s) != NULL ? ", " : ": ");
	}
	escaped(b, cart_json_get_string(r, "detail"));
	cart_buf_addc(b, '\n');
}

static void add_quiet(struct cart_buf *b, const struct cart_json *list,
			const char *check, const char *word)
{
	const struct cart_json *r;
	size_t n = 0;

	for (r = cart_json_first(list); r != NULL; r = cart_json_next(r))
		n += strcmp(cart_json_get_string(r, "check"), check) == 0 &&
		     strcmp(cart_json_get_string(r, "result"), "good") == 0;
	if (n > 0)
		cart_buf_addf(b, "%-11s good     %zu %s\n", check, n, word);
}

/* What is good and there many times over is counted, all else is a row. */
static void add_words(struct cart_buf *b, const struct cart_json *list)
{
	const struct cart_json *r;
	const char *check;
	bool good;

	for (r = cart_json_first(list); r != NULL; r = cart_json_next(r)) {
		check = cart_json_get_string(r, "check");
		good = !strcmp(cart_json_get_string(r, "result"), "good");
		if (!good || (strcmp(check, "endpoint") != 0 &&
			      strcmp(check, "permission") != 0))
			add_line(b, r);
	}
	add_quiet(b, list, "endpoint", "reachable");
	add_quiet(b, list, "permission", "allowed");
	cart_buf_addf(b, "\n%zu good, %zu warnings, %zu missing, %zu cannot be "
		      "told\n", count(list, "good"), count(list, "warning"),
		      count(list, "missing"), count(list, "unknown"));
}

static int status_of(const struct cart_json *list)
{
	if (count(list, "missing") > 0)
		return CART_EXIT_GAPS;
	return count(list, "unknown") > 0 ? CART_EXIT_FAILED : CART_EXIT_OK;
}

static int print(const struct cart_args *a, const struct cart_manifest *m,
		 struct cart_json **list)
{
	static const char *const words[] = {
		[CART_EXIT_OK] = "good", [CART_EXIT_FAILED] = "unknown",
		[CART_EXIT_USAGE] = "", [CART_EXIT_GAPS] = "missing",
	};
	struct cart_json *o;
	struct cart_buf b;
	int status = status_of(*list);

	cart_buf_init(&b, (size_t)64 << 20);
	if (cart_args_flag(a, "json")) {
		o = cart_json_new_object();
		cart_json_add(o, "crashcart_check", cart_json_new_int(1));
		cart_json_add(o, "manifest", cart_json_new_string(
			      cart_manifest_name(m)));
		cart_json_add(o, "result", cart_json_new_string(words[status]));
		cart_json_add(o, "exit", cart_json_new_int(status));
		cart_json_add(o, "checks", *list);
		*list = NULL;
		cart_json_print(o, 4, &b);
		cart_buf_addc(&b, '\n');
		cart_json_free(o);
	} else {
		add_words(&b, *list);
	}
	if (!cart_buf_ok(&b) || fwrite(b.data, 1, b.len, stdout) != b.len)
		status = CART_EXIT_FAILED;
	cart_buf_clear(&b);
	return status;
}

int cart_plan_check(const struct cart_args *a, struct cart_env *env,
		    const struct cart_manifest *m)
{
	struct cart_json *list = cart_json_new_array();
	struct cart_err err = { 0 };
	int status;

	check_output(list, a, env, m);
	check_key(list, a, env);
	if (list == NULL || check_aws(list, a, env, m, &err) < 0)
		status = cart_command_fail(a, &err);
	else
		status = print(a, m, &list);
	cart_json_free(list);
	return status;
}
