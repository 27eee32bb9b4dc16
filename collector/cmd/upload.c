/* SPDX-License-Identifier: Apache-2.0 */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crashcart/aws_sink.h"
#include "crashcart/clock.h"
#include "crashcart/reader.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"

#define NS_PER_DAY (INT64_C(86400) * 1000000000)
#define DAYS_MAX 36500u
#define PARTS_MAX 10000u
#define STATE_DEFAULT "/dev/shm"
#define STATE_NAME "crashcart-state-XXXXXX"

/* "governance:365".  Compliance mode cannot be taken back by anyone. */
static int read_retain(const struct cart_args *a, unsigned allow,
		       struct cmd_upload_target *t, struct cart_err *err)
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
	if (t->o.lock_mode == NULL ||
	    cart_text_u64(number, strlen(number), DAYS_MAX, &days) < 0 ||
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

int cart_cmd_upload_target(const struct cart_args *a, const char *url,
			   unsigned allow, struct cmd_upload_target *t,
			   struct cart_err *err)
{
	memset(t, 0, sizeof(*t));
	t->o.bucket = t->bucket;
	t->o.prefix = t->prefix;
	t->o.kms_key = cart_args_value(a, "upload-kms-key");
	t->o.legal_hold = cart_args_flag(a, "legal-hold");
	t->o.state_dirfd = -1;
	if (cart_s3_url(url, t->bucket, t->prefix, err) < 0)
		return -1;
	return read_retain(a, allow, t, err);
}

int cart_cmd_upload_session(struct cmd_collection *c,
			    struct cmd_upload_target *t, bool host_steps,
			    struct cart_err *err)
{
	c->upload = cart_cmd_aws_new_upload(c->args, c->env, host_steps, err);
	if (c->upload == NULL ||
	    cart_cmd_aws_owner(c->upload, c->args, "bucket-owner", t->owner,
			       err) < 0)
		return -1;
	c->any_owner = t->owner[0] == '\0';
	t->o.aws = cart_cmd_aws_client(c->upload);
	t->o.owner = c->any_owner ? NULL : t->owner;
	t->o.owner_assumed = cart_args_value(c->args, "bucket-owner") == NULL;
	return 0;
}

void cart_cmd_upload_keep_lock(const struct cmd_collection *c,
			       struct cmd_upload_target *t,
			       const struct cart_s3_reader *r, const char *file)
{
	struct cart_s3_part *parts = malloc(PARTS_MAX * sizeof(*parts));
	struct cart_s3_facts f;
	struct cart_err err;
	size_t n;
	int rc = -1;

	if (t->o.lock_mode != NULL || parts == NULL) {
		free(parts);
		return;
	}
	rc = cart_s3_facts(r, file, &f, parts, PARTS_MAX, &n, &err);
	free(parts);
	if (rc < 0 || f.lock_mode[0] == '?') {
		cart_msg(CART_MSG_WARN, "how the closed segments are locked "
			 "cannot be told: what follows is locked as --retain, "
			 "--legal-hold and the bucket say");
		return;
	}
	t->o.legal_hold |= strcmp(f.hold, "ON") == 0;
	if (strcmp(f.lock_mode, "COMPLIANCE") == 0 &&
	    !(c->allow & CART_CHANGE_IRREVERSIBLE)) {
		cart_msg(CART_MSG_WARN, "the closed segments are locked in "
			 "compliance mode; for what follows say --retain "
			 "compliance:DAYS --allow irreversible");
	} else if (f.lock_mode[0] != '\0') {
		t->o.lock_mode = f.lock_mode[0] == 'C' ? "COMPLIANCE" :
							 "GOVERNANCE";
		/* whole seconds, UTC: S3 says it with a fraction, too */
		snprintf(t->until, sizeof(t->until), "%.19sZ", f.lock_until);
		t->o.lock_until = t->until;
	}
}

/* A folder of this run's own: a name that others could take before would let
 * them hinder it. */
static int make_state_dir(char *out, size_t size)
{
	const char *base[] = { STATE_DEFAULT, getenv("TMPDIR"), "/tmp" };
	size_t i;
	int n;

	for (i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
		if (base[i] == NULL || base[i][0] != '/')
			continue;
		n = snprintf(out, size, "%s/" STATE_NAME, base[i]);
		if (n > 0 && (size_t)n < size && mkdtemp(out) != NULL)
			return 0;
	}
	out[0] = '\0';
	return -1;
}

void cart_cmd_upload_state_failed(void *arg, const struct cart_err *why)
{
	struct cmd_collection *c = arg;

	if (atomic_load(&c->state_failed))
		return;
	snprintf(c->state_error, sizeof(c->state_error), "the state file could "
		 "not be written (%.150s): if this run dies, what it uploaded "
		 "has no seal", why->text);
	cart_msg(CART_MSG_WARN, "%s", c->state_error);
	atomic_store(&c->state_failed, true);
}

static int refuse_run(struct cmd_collection *c, const char *url,
		      struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_USAGE, 0, "a run of %s to %.200s was "
			    "begun and is not sealed (%s.run says where): let "
			    "it end; if it died, `crashcart resume` on its host; "
			    "or give another --case or prefix", c->name, url,
			    c->name);
}

int cart_cmd_upload_claim(struct cmd_collection *c, struct cart_err *err)
{
	char start[CART_CLOCK_TEXT_SIZE], host[256] = "";
	struct cart_json *j = cart_json_new_object();
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, 8192);
	cart_clock_text(c->start_utc_ns, 0, start);
	if (gethostname(host, sizeof(host) - 1) < 0 ||
	    !cart_text_is_utf8(host, strlen(host)))
		host[0] = '\0';
	cart_json_add(j, "crashcart_run", cart_json_new_int(1));
	cart_json_add(j, "bundle", cart_json_new_string(c->name));
	cart_json_add(j, "uuid", cart_json_new_string(c->uuid));
	cart_json_add(j, "start", cart_json_new_string(start));
	cart_json_add(j, "host", cart_json_new_string(host));
	cart_json_add(j, "state", cart_json_new_string(c->state_dir));
	cart_json_print(j, 0, &b);
	cart_buf_addc(&b, '\n');
	if (cart_buf_check(&b, "the run's marker", err) == 0)
		rc = c->sink->companion(c->sink, ".run", b.data, b.len, err);
	if (rc < 0 && strstr(err->text, "PreconditionFailed") != NULL)
		refuse_run(c, cart_args_value(c->args, "out"), err);
	cart_buf_clear(&b);
	cart_json_free(j);
	return rc;
}

void cart_cmd_upload_add_word(struct cart_buf *out, const char *word)
{
	if (*word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_./:=@%+,-")]) {
		cart_buf_addf(out, " %s", word);
		return;
	}
	cart_buf_add(out, " '", 2);
	for (; *word; word++) {
		if (*word == '\'')
			cart_buf_add(out, "'\"'\"", 4);
		cart_buf_addc(out, *word);
	}
	cart_buf_addc(out, '\'');
}

void cart_cmd_upload_add_options(const struct cmd_collection *c,
				 const char *const *names,
				 struct cart_buf *out)
{
	const char *value;
	size_t k;

	for (; *names != NULL; names++) {
		if (cart_args_flag(c->args, *names) &&
		    cart_args_at(c->args, *names, 0) == NULL)
			cart_buf_addf(out, " --%s", *names);
		for (k = 0; (value = cart_args_at(c->args, *names, k)); k++) {
			cart_buf_addf(out, " --%s", *names);
			cart_cmd_upload_add_word(out, value);
		}
	}
}

void cart_cmd_upload_resume_line(const struct cmd_collection *c,
				 struct cart_buf *out)
{
	/* what the log does not keep, or not for this */
	static const char *const again[] = {
		"profile", "upload-profile", "region", "endpoint-url", "proxy",
		"ca-bundle", "ca-add", "trust-environment", "bucket-owner",
		"key", "key-profile", "witness", "witness-owner", NULL
	};

	cart_buf_addf(out, "crashcart resume");
	cart_cmd_upload_add_word(out, c->state_dir);
	cart_cmd_upload_add_options(c, again, out);
}

static int open_state(struct cmd_collection *c, struct cmd_upload_target *t,
		      struct cart_err *err)
{
	const char *dir = cart_args_value(c->args, "state");
	struct cart_err why = { 0 };
	struct cart_buf line;

	t->o.state_failed = cart_cmd_upload_state_failed;
	t->o.state_arg = c;
	if (dir != NULL)
		snprintf(c->state_dir, sizeof(c->state_dir), "%s", dir);
	else
		c->own_state_dir = make_state_dir(c->state_dir,
						  sizeof(c->state_dir)) == 0;
	if (c->state_dir[0] != '\0')
		t->o.state_dirfd = open(c->state_dir, O_RDONLY | O_DIRECTORY |
					O_CLOEXEC);
	if (t->o.state_dirfd < 0 && dir != NULL)
		return cart_err_errno(err, errno, "--state %s", dir);
	if (t->o.state_dirfd < 0) {
		cart_err_set(&why, CART_ERR_SYSTEM, 0, "no folder for it: "
			     "--state FOLDER");
		cart_cmd_upload_state_failed(c, &why);
	} else {
		cart_buf_init(&line, 65536);
		cart_cmd_upload_resume_line(c, &line);
		if (cart_buf_ok(&line))
			cart_msg(CART_MSG_NOTE, "if this run dies: `%.*s` goes "
				 "on", (int)line.len, (char *)line.data);
		cart_buf_clear(&line);
	}
	return 0;
}

/* 1: a sealed one has this name; 0: it is free; -1: not free, or not known. */
static int ask_name(struct cmd_collection *c,
		    const struct cmd_upload_target *t,
		    const char *url, struct cart_err *err)
{
	const char *const end[] = { "seal", "run",
				    t->o.encrypted ? "tar.age" : "tar" };
	char file[96];
	size_t i;
	int rc;

	for (i = 0; i < 3; i++) {
		snprintf(file, sizeof(file), "%s.%s", c->name, end[i]);
		rc = cart_s3_exists(&t->o, file, err);
		if (rc < 0 || (rc == 1 && i == 0))
			return rc;
		if (rc == 1)
			return refuse_run(c, url, err);
	}
	return 0;
}

/* CASE-bNN, the next that is free.  Credentials that may only put cannot ask:
 * then the start is in the name. */
static int choose_name(struct cmd_collection *c,
		       const struct cmd_upload_target *t,
		       const char *url, struct cart_err *err)
{
	char start[CART_CLOCK_TEXT_SIZE];
	unsigned i;
	int rc = 1;

	if (strlen(c->case_id) > 44)
		return cart_err_set(err, CART_ERR_USAGE, 0, "a case of more "
				    "than 44 characters leaves no room for the "
				    "name of a bundle in S3");
	for (i = 1; rc == 1 && i < 1000; i++) {
		snprintf(c->name, sizeof(c->name), "%.44s-b%02u", c->case_id, i);
		rc = ask_name(c, t, url, err);
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
	struct cmd_upload_target t;
	int rc = -1;

	if (cart_cmd_upload_target(c->args, url, c->allow, &t, err) < 0)
		return -1;
	t.o.encrypted = c->encrypt_to.n > 0;
	if (c->segment_bytes == 0)
		c->segment_bytes = (uint64_t)1 << 30;
	if (cart_cmd_upload_session(c, &t,
				    cart_manifest_has_host_steps(c->manifest),
				    err) < 0 ||
	    open_state(c, &t, err) < 0)
		return -1;
	if (choose_name(c, &t, url, err) == 0) {
		t.o.name = c->name;
		c->sink = cart_s3_sink(&t.o, err);
		rc = c->sink != NULL ? 0 : -1;
	}
	if (t.o.state_dirfd >= 0)
		close(t.o.state_dirfd);
	return rc;
}
