/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collection.h"
#include "witness.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "upload.h"
#include "crashcart/text.h"

/* What the first session line says; the rest of the log goes to history. */
struct resume {
	struct cmd_collection *c;
	struct cart_args args;		/* those of c: --only-region is added */
	struct cart_json *first;	/* session line 1 */
};

static int on_line(void *arg, const struct cart_json *line, struct cart_err *err)
{
	struct resume *r = arg;

	if (r->first == NULL) {
		r->first = cart_json_copy(line);
		if (r->first == NULL)
			return cart_err_nomem(err);
	}
	return cart_run_history_line(r->c->history, line, err);
}

static bool has_seal(int dirfd, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%.64s.seal", name);
	return cart_file_exists(dirfd, path);
}

static bool is_encrypted(int dirfd, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%.64s.tar.age", name);
	return cart_file_exists(dirfd, path);
}

/* A state file without a bundle beside it: that is in S3. */
static bool is_uploaded(int dirfd, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%.64s.state", name);
	if (is_encrypted(dirfd, name))
		return false;
	if (cart_file_exists(dirfd, path))
		return true;
	snprintf(path, sizeof(path), "%.64s.state-closing", name);
	return cart_file_exists(dirfd, path);
}

/* Is it NAME.state or NAME.state-closing? */
static bool state_of(const char *file, char name[65])
{
	const char *end = strstr(file, ".state");

	while (end != NULL && end[6] != '\0' && strcmp(end + 6, "-closing"))
		end = strstr(end + 1, ".state");
	if (end == NULL || end == file || end - file > 64)
		return false;
	snprintf(name, 65, "%.*s", (int)(end - file), file);
	return true;
}

/* The one NAME.tar, NAME.tar.age or (in S3) NAME.state without a seal in the
 * folder. */
static int find_unsealed(struct cmd_collection *c, const char *dir, int dirfd,
			 struct cart_err *err)
{
	DIR *d = fdopendir(dup(dirfd));
	struct dirent *e;
	unsigned found = 0;
	size_t len;
	char name[65];

	if (d == NULL)
		return cart_err_errno(err, errno, "%s", dir);
	while ((e = readdir(d)) != NULL) {
		len = strlen(e->d_name);
		if (state_of(e->d_name, name)) {
			/* of both files of one run, the second time */
			if (is_uploaded(dirfd, name) &&
			    strcmp(c->name, name) != 0) {
				snprintf(c->name, sizeof(c->name), "%s", name);
				found++;
			}
			continue;
		}
		if (len > 8 && strcmp(e->d_name + len - 8, ".tar.age") == 0)
			len -= 4;
		if (len < 5 || strncmp(e->d_name + len - 4, ".tar", 4) != 0 ||
		    !cart_text_is_name(e->d_name, len - 4))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len - 4), e->d_name);
		if (has_seal(dirfd, name))
			continue;
		snprintf(c->name, sizeof(c->name), "%s", name);
		found++;
	}
	closedir(d);
	if (found == 1)
		return 0;
	if (found == 0)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "%s: no bundle without a seal is there", dir);
	return cart_err_set(err, CART_ERR_USAGE, 0, "%s: %u bundles without a "
			    "seal; say which: --name NAME", dir, found);
}

static int copy_name(char *out, size_t size, const struct cart_json *line,
		     const char *key, struct cart_err *err)
{
	const char *s = cart_json_get_string(line, key);

	if (s == NULL || strlen(s) >= size)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "the session line of the log has no %s", key);
	snprintf(out, size, "%s", s);
	return 0;
}

/* The regions of the interrupted run: no more of them, and no fewer. */
static int restore_regions(struct resume *r, const struct cart_json *list,
			   struct cart_err *err)
{
	struct cart_args *a = &r->args;
	bool given = cart_args_value(a, "only-region") != NULL;
	const struct cart_option *o = a->command->options;
	const struct cart_json *p = cart_json_first(list);
	const char *s;
	size_t i;

	while (strcmp(o->name, "only-region") != 0)
		o++;
	for (i = 0; p != NULL; p = cart_json_next(p), i++) {
		if (!given && a->n_given < CART_ARGS_MAX) {
			a->given[a->n_given].option = o;
			a->given[a->n_given++].value = cart_json_string(p);
		}
		s = cart_args_at(a, "only-region", i);
		if (s == NULL || cart_json_string(p) == NULL ||
		    strcmp(s, cart_json_string(p)) != 0)
			break;
	}
	if (p == NULL && cart_args_at(a, "only-region", i) == NULL)
		return 0;
	return cart_err_set(err, CART_ERR_USAGE, 0, "--only-region: the "
			    "interrupted run had %s; leave it out to go on "
			    "with just the same", list != NULL ?
			    "others" : "none");
}

/* Parameters and options as the interrupted run had them. */
static int restore(struct resume *r, struct cart_err *err)
{
	struct cmd_collection *c = r->c;
	const struct cart_json *first = r->first;
	const struct cart_json *o = cart_json_get(first, "options"), *p;
	int64_t start = 0, segment;

	if (copy_name(c->case_id, sizeof(c->case_id), first, "case", err) < 0 ||
	    copy_name(c->uuid, sizeof(c->uuid), first, "uuid", err) < 0 ||
	    restore_regions(r, cart_json_get(o, "only-region"), err) < 0)
		return -1;
	c->operator = cart_json_get_string(first, "operator");
	c->authority = cart_json_get_string(first, "authority");
	c->organization = cart_json_get_string(first, "organization");
	if (c->expect_account == NULL)
		c->expect_account = cart_json_get_string(o, "expect-account");
	if (cart_json_i64(cart_json_get(o, "start"), &start) < 0)
		return cart_err_set(err, CART_ERR_INPUT, 0, "the session line "
				    "of the log has no options.start");
	c->start_utc_ns = start * 1000000000;
	if (cart_json_i64(cart_json_get(o, "segment"), &segment) == 0 &&
	    segment > 0)
		c->segment_bytes = (uint64_t)segment;
	for (p = cart_json_first(cart_json_get(o, "allow")); p != NULL;
	     p = cart_json_next(p))
		c->allow |= cart_change_class(cart_json_string(p) ?
					      cart_json_string(p) : "");
	p = cart_json_get(o, "order");
	if (cart_json_get_string(p, "file") != NULL &&
	    cart_json_get_string(p, "minisig") != NULL) {
		c->order = strdup(cart_json_get_string(p, "file"));
		c->order_minisig = strdup(cart_json_get_string(p, "minisig"));
		if (c->order == NULL || c->order_minisig == NULL)
			return cart_err_nomem(err);
		if (cart_cmd_collection_order_check(c, INT64_MIN, err) < 0)
			return -1;
	}
	for (p = cart_json_first(cart_json_get(o, "timestamp")); p != NULL;
	     p = cart_json_next(p))
		if (cart_json_string(p) == NULL ||
		    cart_cmd_collection_stamp(c, cart_json_string(p), err) < 0)
			return -1;
	if (cart_manifest_params_set(c->manifest, cart_json_get(o, "params"),
				     err) < 0)
		return -1;
	return cart_manifest_ready(c->manifest, err);
}

/* Opens the folder and finds the bundle's name: a descriptor or -1. */
static int find(struct cmd_collection *c, const char *dir, struct cart_err *err)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	const char *name = cart_args_value(c->args, "name");

	if (dirfd < 0)
		return cart_err_errno(err, errno, "%s", dir);
	if (name != NULL && has_seal(dirfd, name))
		rc = cart_err_set(err, CART_ERR_USAGE, 0, "%s is sealed "
				  "already: nothing to resume", name);
	else if (name != NULL)
		snprintf(c->name, sizeof(c->name), "%s", name);
	else
		rc = find_unsealed(c, dir, dirfd, err);
	if (rc == 0)
		return dirfd;
	close(dirfd);
	return -1;
}

/* The manifest and options, once the log was read. */
static int loaded(void *arg, struct cart_err *err)
{
	struct resume *r = arg;
	struct cmd_collection *c = r->c;
	const void *bytes;
	size_t len;

	bytes = cart_resume_member(c->resume, "manifest.json", &len);
	if (bytes == NULL || r->first == NULL)
		return cart_err_set(err, CART_ERR_INPUT, 0, "%s: nothing "
				    "durable was written before the "
				    "interruption; collect anew", c->name);
	c->manifest = cart_manifest_parse("manifest.json", bytes, len, err);
	if (c->manifest == NULL || restore(r, err) < 0 ||
	    cart_cmd_collection_stamps(c, err) < 0 ||
	    cart_witness_check(c->args, err) < 0 ||
	    cart_cmd_priority(c->args,
			      cart_manifest_has_host_steps(c->manifest),
			      &c->priority, err) < 0)
		return -1;
	c->watch = cart_watch_new(c->args, err);
	return c->watch != NULL ? 0 : -1;
}

static int load(struct cmd_collection *c, const char *dir, int dirfd,
		struct resume *r, struct cart_err *err)
{
	c->history = cart_run_history_new();
	if (c->history == NULL)
		return cart_err_nomem(err);
	c->resume = cart_resume_read(dirfd, c->name, on_line, r, err);
	if (c->resume == NULL)
		return -1;
	c->interrupted_after = cart_resume_lines(c->resume);
	if (loaded(r, err) < 0)
		return -1;
	c->sink = cart_sink_file(dirfd, dir, c->name,
				 cart_resume_segments(c->resume),
				 cart_resume_offset(c->resume), err);
	return c->sink != NULL ? 0 : -1;
}

static int go_on(struct cmd_collection *c)
{
	cart_msg(CART_MSG_NOTE, "going on after log line %" PRIu64 " of %s",
		 c->interrupted_after, c->name);
	return cart_cmd_collection_run(c);
}

static int resume(const struct cart_args *a)
{
	struct resume r = { .args = *a };
	struct cmd_collection c = { .args = &r.args };
	const char *dir = a->positional[0];
	struct cart_err err = { 0 };
	int status, dirfd;

	r.c = &c;
	c.env = cart_env_take();
	c.expect_account = cart_args_value(a, "expect-account");
	dirfd = find(&c, dir, &err);
	if (dirfd >= 0 && cart_args_value(a, "allow") != NULL &&
	    !is_uploaded(dirfd, c.name)) {
		cart_err_set(&err, CART_ERR_USAGE, 0, "--allow is that of the "
			     "interrupted run; only for a bundle in S3, which "
			     "may be locked, it is given anew");
		close(dirfd);
		dirfd = -1;
	}
	if (dirfd >= 0 && is_uploaded(dirfd, c.name)) {
		status = cart_cmd_upload_resume(&c, dir, dirfd, on_line, loaded,
						&r);
		if (status < 0)
			status = go_on(&c);
	} else if (dirfd >= 0 && is_encrypted(dirfd, c.name)) {
		status = cart_cmd_collection_partial(a, dirfd, dir, c.name);
	} else if (dirfd < 0 || load(&c, dir, dirfd, &r, &err) < 0) {
		status = cart_command_fail(a, &err);
	} else {
		status = go_on(&c);
	}
	if (dirfd >= 0)
		close(dirfd);
	cart_cmd_collection_clear(&c, status);
	cart_json_free(r.first);
	cart_env_free(c.env);
	return status;
}

static const struct cart_option options[] = {
	{ "name", 0, "NAME", false, "Which bundle, if several are unsealed." },
	{ "allow", 0, "CLASS", true,
	  "Of a bundle in S3: --retain compliance wants irreversible." },
	CMD_COLLECTION_OPTIONS,
	CMD_UPLOAD_OPTIONS,
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_resume = {
	.name = "resume",
	.summary = "Go on with a collection that was interrupted, and seal it.",
	.usage = "FOLDER [--name NAME]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"Reads the log of the unsealed bundle, keeps all that was durable, runs what\n"
"had not ended, and seals.  A change (a snapshot) that was asked for before the\n"
"interruption is looked up and adopted, never asked for twice.  Parameters,\n"
"--allow and --only-region are those of the interrupted run; give credentials\n"
"and --key anew.\n"
"\n"
"Of a bundle in S3, FOLDER is that of its state file: its closed segments are\n"
"read back, and it goes on behind them.  What cannot be read here (an encrypted\n"
"bundle, or one in S3 by credentials that may only put) is sealed as partial,\n"
"with the seal that the run signed when it closed the last segment.\n"
"\n"
"Examples:\n"
"  crashcart resume /mnt/usb\n"
"  crashcart resume /dev/shm/crashcart-state-x7Kq2P     # of a run to S3\n"
"\n"
"Exit status: as of collect; 2 also if nothing there was interrupted.\n",
	.run = resume,
};
