/* SPDX-License-Identifier: Apache-2.0 */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crashcart/aws_sink.h"
#include "crashcart/clock.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"

#define NS_PER_DAY (INT64_C(86400) * 1000000000)
#define DAYS_MAX 36500u
#define STATE_DEFAULT "/dev/shm"

struct target {
	struct cart_s3_sink_options o;
	char bucket[64], prefix[1024], until[CART_CLOCK_TEXT_SIZE];
};

/* "governance:365".  Compliance mode cannot be taken back by anyone. */
static int read_retain(const struct cart_args *a, unsigned allow,
		       struct target *t, struct cart_err *err)
{
	const char *text = cart_args_value(a, "retain"), *number = "";
	uint64_t days;

	if (text == NULL)
		return 0;
	if (strncmp(text, "governance:", 11) == 0)
		t->o.lock_mode = "GOVERNANCE";
	else if (strncmp(text, "compliance:", 11) == 0)
		t->o.lock_mode = "COMPLIANCE";
	if (t->o.lock_mode != NULL)
		number = text + 11;
	if (cart_text_u64(number, strlen(number), DAYS_MAX, &days) < 0 ||
	    days == 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--retain %s: "
				    "governance:DAYS or compliance:DAYS", text);
	if (t->o.lock_mode[0] == 'C' && !(allow & CART_CHANGE_IRREVERSIBLE))
		return cart_err_set(err, CART_ERR_USAGE, 0, "--retain %s: "
				    "nobody can take that back: it wants "
				    "--allow irreversible as well", text);
	cart_clock_text(cart_clock_utc_ns() + (int64_t)days * NS_PER_DAY, 0,
			t->until);
	t->o.lock_until = t->until;
	return 0;
}

static int read_target(const struct cart_args *a, const char *url,
		       unsigned allow, struct target *t, struct cart_err *err)
{
	memset(t, 0, sizeof(*t));
	t->o.bucket = t->bucket;
	t->o.prefix = t->prefix;
	t->o.owner = cart_args_value(a, "bucket-owner");
	t->o.kms_key = cart_args_value(a, "upload-kms-key");
	t->o.legal_hold = cart_args_flag(a, "legal-hold");
	t->o.state_dirfd = -1;
	if (cart_s3_url(url, t->bucket, t->prefix, err) < 0)
		return -1;
	return read_retain(a, allow, t, err);
}

static int open_state(const struct cart_args *a, struct target *t,
		      struct cart_err *err)
{
	const char *dir = cart_args_value(a, "state");

	t->o.state_dirfd = open(dir != NULL ? dir : STATE_DEFAULT,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->o.state_dirfd < 0 && dir != NULL)
		return cart_err_errno(err, errno, "--state %s", dir);
	if (t->o.state_dirfd < 0)
		cart_msg(CART_MSG_WARN, "there is no " STATE_DEFAULT
			 ": if this run dies, what it uploaded has no seal "
			 "(--state FOLDER)");
	return 0;
}

/* CASE-bNN, the next that is free.  Credentials that may only put cannot ask:
 * then the start is in the name. */
static int choose_name(struct cmd_collection *c, const struct target *t,
		       struct cart_err *err)
{
	char file[96], start[CART_CLOCK_TEXT_SIZE];
	unsigned i;
	int rc = 1;

	if (strlen(c->case_id) > 44)
		return cart_err_set(err, CART_ERR_USAGE, 0, "a case of more "
				    "than 44 characters leaves no room for the "
				    "name of a bundle in S3");
	for (i = 1; rc == 1 && i < 1000; i++) {
		snprintf(c->name, sizeof(c->name), "%.44s-b%02u", c->case_id, i);
		snprintf(file, sizeof(file), "%s.tar%s", c->name,
			 t->o.encrypted ? ".age" : "");
		rc = cart_s3_exists(&t->o, file, err);
	}
	if (rc == 0)
		return 0;
	if (rc < 0 && err->class != CART_ERR_DENIED)
		return -1;
	cart_clock_compact(c->start_utc_ns, start);
	snprintf(c->name, sizeof(c->name), "%.44s-%s", c->case_id, start);
	return 0;
}

int cart_cmd_upload_open(struct cmd_collection *c, const char *url,
			 struct cart_err *err)
{
	struct target t;
	int rc = -1;

	if (read_target(c->args, url, c->allow, &t, err) < 0)
		return -1;
	t.o.encrypted = c->encrypt_to.n > 0;
	if (c->segment_bytes == 0)
		c->segment_bytes = (uint64_t)1 << 30;
	c->upload = cart_cmd_aws_new_upload(c->args, c->env,
				cart_manifest_has_host_steps(c->manifest), err);
	if (c->upload == NULL || open_state(c->args, &t, err) < 0)
		return -1;
	t.o.aws = cart_cmd_aws_client(c->upload);
	if (choose_name(c, &t, err) == 0) {
		t.o.name = c->name;
		c->sink = cart_s3_sink(&t.o, err);
		rc = c->sink != NULL ? 0 : -1;
	}
	if (t.o.state_dirfd >= 0)
		close(t.o.state_dirfd);
	return rc;
}

/* --- after a run that died --- */

static int put_partial(const struct cart_args *a, struct cart_env *env,
		       int dirfd, const char *name, struct cart_state *s,
		       struct cart_err *err)
{
	struct cmd_aws *aws = NULL;
	struct target t;
	char file[96];
	int rc = -1;

	/* the lock is the operator's choice of the run that died */
	if (read_target(a, (char *)s->location.data, CART_CHANGE_IRREVERSIBLE,
			&t, err) < 0)
		return -1;
	aws = cart_cmd_aws_new_upload(a, env, false, err);
	if (aws == NULL)
		return -1;
	t.o.aws = cart_cmd_aws_client(aws);
	snprintf(file, sizeof(file), "%s.seal.minisig", name);
	if (cart_s3_put(&t.o, file, s->signature.data, s->signature.len,
			err) < 0 &&
	    err->code != 412)
		goto out;
	snprintf(file, sizeof(file), "%s.seal", name);
	if (cart_s3_put(&t.o, file, s->seal.data, s->seal.len, err) < 0)
		goto out;
	snprintf(file, sizeof(file), "%s.state", name);
	unlinkat(dirfd, file, 0);
	rc = 0;
out:
	cart_cmd_aws_free(aws);
	return rc;
}

int cart_cmd_upload_partial(const struct cart_args *a, struct cart_env *env,
			    int dirfd, const char *name)
{
	struct cart_err err = { 0 };
	struct cart_state s;
	int status = CART_EXIT_GAPS;

	if (cart_state_read(dirfd, name, &s, &err) < 0)
		return cart_command_fail(a, &err);
	if (put_partial(a, env, dirfd, name, &s, &err) < 0)
		status = cart_command_fail(a, &err);
	else
		printf("Sealed    %s: partial, %zu closed segments, log lines "
		       "to %" PRIu64 "\nBundle    %s%s\nRoot      %s (of the "
		       "log)\nKey       id %s: the key of the run that died\n%s"
		       "Next      collect again for what is missing\n", name,
		       s.partial.segments, s.partial.log_size,
		       (char *)s.location.data, name, s.partial.root,
		       s.partial.signer, s.partial.changes.len ?
		       (char *)s.partial.changes.data : "");
	cart_state_clear(&s);
	return status;
}
