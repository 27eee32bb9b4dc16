/* SPDX-License-Identifier: Apache-2.0 */
#include "collection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <fcntl.h>

#include "crashcart/fdio.h"
#include "crashcart/minisign.h"
#include "crashcart/msg.h"
#include "crashcart/order.h"
#include "crashcart/text.h"
#include "crashcart/version.h"
#include "key_kms.h"
#include "time_server.h"
#include "upload.h"
#include "version_print.h"
#include "witness.h"

/* In flight at any time: three parts of 8 MiB and some small exhibits.  More
 * is no faster, and the whole program stays under 64 MiB with it. */
#define BUDGET_BYTES ((size_t)26 << 20)

static const char *boot_id(char out[64])
{
	struct cart_buf b;

	cart_buf_init(&b, 64);
	out[0] = '\0';
	if (cart_file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &b,
			   NULL) == 0 && b.len >= 36)
		snprintf(out, 64, "%.36s", (char *)b.data);
	cart_buf_clear(&b);
	return out;
}

static void add_optional(struct cart_json *j, const char *key, const char *value)
{
	if (value != NULL)
		cart_json_add(j, key, cart_json_new_string(value));
}

/* A host name is hostile input: bytes that are not UTF-8 are escaped. */
static void add_host_text(struct cart_json *j, const char *key, const char *s)
{
	struct cart_buf b;

	cart_buf_init(&b, 4096);
	cart_text_escape(s, strlen(s), &b);
	cart_json_add(j, key, cart_json_new_string(b.data != NULL ?
						   (char *)b.data : ""));
	cart_buf_clear(&b);
}

static struct cart_json *host_json(void)
{
	struct cart_json *j = cart_json_new_object();
	struct utsname u;
	char boot[64];

	if (uname(&u) < 0)
		memset(&u, 0, sizeof(u));
	add_host_text(j, "hostname", u.nodename);
	add_host_text(j, "kernel", u.release);
	add_host_text(j, "machine", u.machine);
	add_host_text(j, "boot_id", boot_id(boot));
	return j;
}

static struct cart_json *options_json(const struct cmd_collection *c)
{
	static const char *const kept[] = {
		"profile", "region", "endpoint-url", "expect-account",
		"max-bytes", "max-time", "bytes-per-second", NULL
	};
	struct cart_json *j = cart_json_new_object(), *list;
	char recipient[CART_AGE_RECIPIENT_SIZE];
	const char *s;
	size_t i;

	cart_json_add(j, "start", cart_json_new_int(c->start_utc_ns /
						    1000000000));
	if (c->segment_bytes > 0)
		cart_json_add(j, "segment",
			      cart_json_new_int((int64_t)c->segment_bytes));
	cart_json_add(j, "params",
		      cart_json_copy(cart_manifest_params(c->manifest)));
	list = cart_json_add(j, "allow", cart_json_new_array());
	if (c->allow & CART_CHANGE_EVIDENCE)
		cart_json_append(list, cart_json_new_string("evidence"));
	if (c->allow & CART_CHANGE_CONTAINMENT)
		cart_json_append(list, cart_json_new_string("containment"));
	if (c->allow & CART_CHANGE_IRREVERSIBLE)
		cart_json_append(list, cart_json_new_string("irreversible"));
	if (c->encrypt_to.n > 0)
		list = cart_json_add(j, "encrypt_to", cart_json_new_array());
	for (i = 0; i < c->encrypt_to.n; i++) {
		cart_age_recipient_print(c->encrypt_to.key[i], recipient);
		cart_json_append(list, cart_json_new_string(recipient));
	}
	add_optional(j, "priority", c->priority);
	for (i = 0; kept[i] != NULL; i++)
		add_optional(j, kept[i], cart_args_value(c->args, kept[i]));
	for (i = 0; (s = cart_args_at(c->args, "only-region", i)); i++) {
		if (i == 0)
			list = cart_json_add(j, "only-region",
					     cart_json_new_array());
		cart_json_append(list, cart_json_new_string(s));
	}
	if (c->order != NULL) {
		list = cart_json_add(j, "order", cart_json_new_object());
		cart_json_add(list, "file", cart_json_new_string(c->order));
		cart_json_add(list, "minisig",
			      cart_json_new_string(c->order_minisig));
	}
	if (c->n_timestamp > 0)
		list = cart_json_add(j, "timestamp", cart_json_new_array());
	for (i = 0; i < c->n_timestamp; i++)
		cart_json_append(list, cart_json_new_string(c->timestamp[i]));
	return j;
}

/* --- the order --- */

static char *read_text(const char *path, struct cart_err *err)
{
	struct cart_buf b;
	char *text = NULL;

	cart_buf_init(&b, CART_ORDER_MAX);
	if (cart_file_read(AT_FDCWD, path, &b, err) == 0) {
		if (cart_text_is_utf8(b.data, b.len))
			text = cart_buf_steal(&b, NULL);
		else
			cart_err_set(err, CART_ERR_USAGE, 0, "%s: not text",
				     path);
	}
	cart_buf_clear(&b);
	return text;
}

int cart_cmd_collection_order_check(struct cmd_collection *c, int64_t now_ns,
				    struct cart_err *err)
{
	unsigned char id[CART_MINISIGN_ID_SIZE];
	char sha[CART_SHA256_HEX_SIZE];
	struct cart_order o;
	const void *bytes;
	size_t len;

	if (c->order == NULL)
		return 0;
	bytes = cart_manifest_bytes(c->manifest, &len);
	cart_sha256_hex(bytes, len, sha);
	if (cart_order_parse(c->order, strlen(c->order), &o, err) < 0 ||
	    cart_order_signed_by(c->order, strlen(c->order), c->order_minisig,
				 strlen(c->order_minisig), id, err) < 0)
		return -1;
	if (c->case_id[0] == '\0')
		snprintf(c->case_id, sizeof(c->case_id), "%s", o.case_id);
	return cart_order_covers(&o, c->case_id, sha, cart_version_own_sha256(),
				 now_ns, err);
}

int cart_cmd_collection_order(struct cmd_collection *c, const char *path,
			      struct cart_err *err)
{
	char sig[4096];
	int rc = -1;

	if (path == NULL)
		return 0;
	c->order = read_text(path, err);
	if (c->order != NULL &&
	    snprintf(sig, sizeof(sig), "%s.minisig", path) < (int)sizeof(sig)) {
		c->order_minisig = read_text(sig, err);
		if (c->order_minisig != NULL)
			rc = cart_cmd_collection_order_check(c, c->start_utc_ns,
							     err);
	}
	if (rc < 0) {
		cart_err_prefix(err, "--order %s", path);
		err->class = CART_ERR_USAGE;
	}
	return rc;
}

/* --- time stamps --- */

int cart_cmd_collection_stamp(struct cmd_collection *c, const char *url,
			      struct cart_err *err)
{
	struct cart_url parsed;
	size_t i;

	if (c->n_timestamp == CART_STAMPS_MAX)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--timestamp: at "
				    "most %d authorities", CART_STAMPS_MAX);
	if (cart_url_parse(url, &parsed, err) < 0)
		return cart_err_prefix(err, "--timestamp");
	for (i = 0; url[i] > 0x20 && url[i] < 0x7f; i++)
		;
	if (url[i] != '\0' || i > CART_STAMP_URL_MAX)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--timestamp: a "
				    "URL of at most %d ASCII characters",
				    CART_STAMP_URL_MAX);
	c->timestamp[c->n_timestamp] = strdup(url);
	if (c->timestamp[c->n_timestamp] == NULL)
		return cart_err_nomem(err);
	c->n_timestamp++;
	return 0;
}

int cart_cmd_collection_stamps(struct cmd_collection *c, struct cart_err *err)
{
	const char *url;
	size_t i;

	if (cart_args_at(c->args, "timestamp", 0) == NULL)
		return 0;
	while (c->n_timestamp > 0)
		free(c->timestamp[--c->n_timestamp]);
	for (i = 0; (url = cart_args_at(c->args, "timestamp", i)); i++)
		if (cart_cmd_collection_stamp(c, url, err) < 0)
			return -1;
	return 0;
}

static int ask_tsa(void *arg, const char *url, const void *query, size_t len,
		   struct cart_buf *ret_reply, struct cart_err *err)
{
	return cart_tsa_ask(arg, url, query, len, ret_reply, err);
}

/* The session line, its keys in the order of FORMAT.md. */
static struct cart_json *session_line(const struct cmd_collection *c,
				      const struct cart_signer *session)
{
	struct cart_json *j = cart_json_new_object(), *t;
	char sha[CART_SHA256_HEX_SIZE];
	struct cart_buf bare;
	const void *bytes;
	size_t len;

	cart_buf_init(&bare, 128);
	cart_minisign_print_public_bare(&session->public_key, &bare);
	bytes = cart_manifest_bytes(c->manifest, &len);
	cart_sha256_hex(bytes, len, sha);
	cart_json_add(j, "uuid", cart_json_new_string(c->uuid));
	cart_json_add(j, "bundle", cart_json_new_string(c->name));
	cart_json_add(j, "case", cart_json_new_string(c->case_id));
	add_optional(j, "operator", c->operator);
	add_optional(j, "authority", c->authority);
	add_optional(j, "organization", c->organization);
	t = cart_json_add(j, "tool", cart_json_new_object());
	cart_json_add(t, "name", cart_json_new_string("crashcart"));
	cart_json_add(t, "version", cart_json_new_string(cart_version_text()));
	cart_json_add(t, "commit", cart_json_new_string(cart_version_commit()));
	cart_json_add(t, "sha256",
		      cart_json_new_string(cart_version_own_sha256()));
	t = cart_json_add(j, "manifest", cart_json_new_object());
	cart_json_add(t, "name", cart_json_new_string(
		      cart_manifest_name(c->manifest)));
	cart_json_add(t, "sha256", cart_json_new_string(sha));
	cart_json_add(j, "session_key", cart_json_new_string((char *)bare.data));
	cart_json_add(j, "host", host_json());
	cart_json_add(j, "pid", cart_json_new_int(getpid()));
	cart_json_add(j, "uid", cart_json_new_int(getuid()));
	if (c->resume != NULL)
		cart_json_add(j, "interrupted_after", cart_json_new_int(
			      (int64_t)c->interrupted_after));
	cart_json_add(j, "options", options_json(c));
	cart_buf_clear(&bare);
	return j;
}

static struct cart_bundle *open_bundle(const struct cmd_collection *c,
				       struct cart_budget *budget,
				       struct cart_signer *session,
				       struct cart_signer *examiner,
				       const struct cart_timestamper *stamps,
				       struct cart_err *err)
{
	struct cart_bundle_options o = { 0 };
	struct cart_bundle *bundle = NULL;
	struct cart_json *line = session_line(c, session), *plan = NULL;
	char agent[128];
	struct cart_buf text;

	cart_buf_init(&text, (size_t)16 << 20);
	snprintf(agent, sizeof(agent), "crashcart %s (%s)", cart_version_text(),
		 cart_version_commit());
	plan = cart_manifest_plan(c->manifest, err);
	if (plan == NULL)
		goto out;
	cart_json_print(plan, 4, &text);
	cart_buf_addc(&text, '\n');
	if (cart_buf_check(&text, "plan.json", err) < 0)
		goto out;
	o.name = c->name;
	o.case_id = c->case_id;
	o.uuid = c->uuid;
	o.organization = c->organization;
	o.agent = agent;
	o.start_utc_ns = c->start_utc_ns;
	o.segment_bytes = c->segment_bytes;
	o.encrypt_to = c->encrypt_to.n > 0 ? &c->encrypt_to : NULL;
	o.sink = c->sink;
	o.session = session;
	o.examiner = examiner;
	o.stamps = stamps->n > 0 ? stamps : NULL;
	o.budget = budget;
	o.pace = cart_watch_pace;
	o.pace_arg = c->watch;
	o.session_line = line;
	o.manifest = cart_manifest_bytes(c->manifest, &o.manifest_len);
	o.plan = text.data;
	o.plan_len = text.len;
	bundle = c->resume != NULL ? cart_bundle_resume(&o, c->resume, err) :
		cart_bundle_open(&o, err);
	cart_watch_set(c->watch, c->name, bundle, c->sink);
out:
	cart_json_free(plan);
	cart_json_free(line);
	cart_buf_clear(&text);
	return bundle;
}

/* What became of the time stamps; nothing if none was asked for. */
static void add_stamps(const struct cmd_collection *c,
		       const struct cart_seal_result *r, struct cart_json *j)
{
	struct cart_json *list, *s;
	size_t i;

	if (r == NULL || c->n_timestamp == 0)
		return;
	list = cart_json_add(j, "timestamps", cart_json_new_array());
	for (i = 0; i < c->n_timestamp; i++) {
		s = cart_json_append(list, cart_json_new_object());
		cart_json_add(s, "url", cart_json_new_string(c->timestamp[i]));
		cart_json_add(s, "granted",
			      cart_json_new_bool(r->stamp[i].granted));
		add_optional(s, "time", r->stamp[i].granted ?
			     r->stamp[i].time : NULL);
		add_optional(s, "by", r->stamp[i].granted ?
			     r->stamp[i].by : NULL);
		add_optional(s, "error", r->stamp[i].granted ? NULL :
			     r->stamp[i].error);
	}
}

static void print_json_end(const struct cmd_collection *c,
			   const char *location,
			   const struct cart_seal_result *r, const char *key,
			   const char *mask_key, int status, uint64_t gaps)
{
	bool piped = c->sink != NULL && strcmp(c->sink->kind, "pipe") == 0;
	struct cart_json *j = cart_json_new_object();

	cart_json_add(j, "bundle", cart_json_new_string(c->name));
	cart_json_add(j, "location", cart_json_new_string(
		      location != NULL ? location : ""));
	cart_json_add(j, "root", r != NULL ? cart_json_new_string(r->root) :
		      cart_json_new_null());
	cart_json_add(j, "exit", cart_json_new_int(status));
	cart_json_add(j, "gaps", cart_json_new_int((int64_t)gaps));
	cart_json_add(j, "key", cart_json_new_string(key));
	add_optional(j, "mask_key", mask_key);
	add_stamps(c, r, j);
	cart_command_print_json(piped ? stderr : stdout, j);
}

static void print_words_end(const struct cmd_collection *c,
			    const struct cart_seal_result *r,
			    const struct cart_bundle_counts *n, const char *key,
			    bool session)
{
	static const char *const where[] = {
		"region", "endpoint-url", "bucket-owner", NULL
	};
	FILE *out = strcmp(c->sink->kind, "pipe") == 0 ? stderr : stdout;
	struct cart_buf line;
	char size[16];
	size_t i;

	cart_text_bytes(r->bytes, size);
	fprintf(out, "Sealed    %s: %" PRIu64 " exhibits, %" PRIu64
		" calls, %s%s\n", c->name, n->exhibits, n->calls, size,
		r->gaps ? "" : ", complete");
	if (r->gaps)
		fprintf(out, "Gaps      %" PRIu64 ": `crashcart list` shows "
			"each with its reason\n", n->gaps);
	for (i = 0; i < c->n_timestamp; i++)
		if (r->stamp[i].granted)
			fprintf(out, "Time      %s, by %s\n", r->stamp[i].time,
				r->stamp[i].by);
		else
			fprintf(out, "Time      none from %s\n",
				c->timestamp[i]);
	fprintf(out, "Bundle    %s\nRoot      %s\n"
		"Key       %s (%s; note it down, away from this host)\n",
		c->sink->location, r->root, key,
		session ? "session key" : "your key");
	if (strcmp(c->sink->kind, "pipe") == 0)
		return;
	cart_buf_init(&line, 65536);
	cart_cmd_upload_add_word(&line, c->sink->location);
	cart_buf_addf(&line, " --pubkey %s", key);
	if (strcmp(c->sink->kind, "s3") == 0)
		cart_cmd_upload_add_options(c, where, &line);
	if (cart_buf_ok(&line))
		fprintf(out, "Check     crashcart verify%s\n",
			(char *)line.data);
	cart_buf_clear(&line);
}

/* What a collection holds while it runs. */
struct running {
	struct cmd_collection *c;
	struct cart_budget *budget;
	struct cart_signer *session, *examiner;
	struct cart_bundle *bundle;
	struct cmd_aws *aws, *sealing;
	struct cmd_signer key_of;	/* examiner's */
	struct cart_timestamper stamps;
	struct cart_buf key;		/* the public key that seals */
	unsigned char mask_key[CART_MASK_KEY_SIZE];	/* in no bundle */
	uint64_t masked;		/* exhibits that were masked with it */
};

/* The log says it too: an intent in it may not have been durable. */
static int log_never_durable(const struct running *r, struct cart_err *err)
{
	struct cart_json *j = cart_json_new_object();
	int rc;

	cart_json_add(j, "text", cart_json_new_string("the bundle goes through "
		      "a pipe: whether its other end keeps what it gets is not "
		      "known, so changes were not durable before they were "
		      "made"));
	rc = cart_bundle_log(r->bundle, "note", "", j, err);
	cart_json_free(j);
	return rc;
}

static int log_gap(struct running *r, const char *what, const char *reason,
		   const char *detail, struct cart_err *err)
{
	struct cart_json *j = cart_json_new_object();
	int rc;

	cart_json_add(j, "what", cart_json_new_string(what));
	cart_json_add(j, "reason", cart_json_new_string(reason));
	cart_json_add(j, "detail", cart_json_new_string(detail));
	rc = cart_bundle_log(r->bundle, "gap", "", j, err);
	cart_json_free(j);
	return rc;
}

static int run_steps(struct running *r, struct cart_run_result *result,
		     struct cart_err *err)
{
	const struct cmd_collection *c = r->c;
	struct cart_run_options o = { 0 };
	int rc;

	o.manifest = c->manifest;
	o.bundle = r->bundle;
	o.aws = cart_cmd_aws_client(r->aws);
	o.imds = cart_cmd_aws_imds(r->aws);
	if (r->aws != NULL) {
		o.cancel = cart_cmd_aws_cancel;
		o.cancel_arg = r->aws;
	}
	o.case_id = c->case_id;
	o.uuid = c->uuid;
	o.keep_secrets = cart_bundle_encrypted(r->bundle);
	o.allow = c->allow;
	o.expect_account = c->expect_account;
	o.history = c->history;
	o.mask_key = r->mask_key;
	o.observe = cart_watch_steps;
	o.observe_arg = c->watch;
	if (c->sink->never_durable &&
	    (c->allow & cart_manifest_changes(c->manifest)) != 0 &&
	    log_never_durable(r, err) < 0)
		return -1;
	cart_watch_phase(c->watch, "collecting");
	rc = cart_run(&o, result, err);
	cart_watch_phase(c->watch, "sealing");
	cart_msg_progress_end();
	if (rc == 0 && result->stopped && cart_stop_reason() != NULL)
		rc = log_gap(r, "what was left when a limit was reached",
			     "limit", cart_stop_reason(), err);
	r->masked += result->masked;
	return rc;
}

static void log_note(struct running *r, const char *text)
{
	struct cart_json *j = cart_json_new_object();

	cart_json_add(j, "text", cart_json_new_string(text));
	cart_bundle_log(r->bundle, "note", "", j, NULL);
	cart_json_free(j);
}

static int run_and_seal(struct running *r, struct cart_seal_result *ret,
			struct cart_err *err)
{
	struct cart_run_result result = { 0 };
	struct cmd_witness *witness;
	int rc;

	witness = cart_witness_start(r->c->args, r->sealing, r->bundle,
				     r->c->name, err);
	rc = run_steps(r, &result, err);
	cart_witness_stop(witness);
	if (rc < 0) {
		cart_msg_err(err);
		if (result.reason[0] == '\0')
			snprintf(result.reason, sizeof(result.reason), "%.150s",
				 err->text);
	}
	/* The upload's facts wait until here: the writer itself makes calls,
	 * and must not wait for room in its own queue. */
	if (r->c->upload != NULL) {
		cart_cmd_aws_log_to(r->c->upload, r->bundle);
		cart_cmd_aws_log_to(r->c->upload, NULL);
	}
	if (r->c->any_owner)
		log_note(r, "the owner of the bucket was not checked "
			 "(--bucket-owner ANY)");
	if (atomic_load(&r->c->state_failed))
		log_note(r, r->c->state_error);
	return cart_bundle_seal(r->bundle, rc < 0 || result.stopped,
				result.reason[0] ? result.reason : NULL, ret,
				err);
}

/* --- a disk that is full --- */

static bool is_full(const struct cart_err *err)
{
	return err->class == CART_ERR_SYSTEM &&
	       (err->code == ENOSPC || err->code == EDQUOT ||
		err->code == EFBIG);
}

/* Ends the bundle that cannot go on and begins a session behind what of it
 * is durable, as `crashcart resume` would. */
static int begin_again(struct running *r, const char *dir, struct cart_err *err)
{
	struct cmd_collection *c = r->c;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;

	if (fd < 0)
		return cart_err_errno(err, errno, "%s", dir);
	cart_watch_set(c->watch, c->name, NULL, NULL);
	cart_bundle_free(r->bundle);
	r->bundle = NULL;
	cart_sink_free(c->sink);
	c->sink = NULL;
	cart_resume_free(c->resume);
	cart_run_history_free(c->history);
	c->resume = NULL;
	c->history = cart_run_history_new();
	if (c->history == NULL) {
		cart_err_nomem(err);
		goto out;
	}
	c->resume = cart_resume_read(fd, c->name, cart_run_history_line,
				     c->history, err);
	if (c->resume == NULL)
		goto out;
	c->interrupted_after = cart_resume_lines(c->resume);
	c->sink = cart_sink_file(fd, dir, c->name,
				 cart_resume_segments(c->resume),
				 cart_resume_offset(c->resume), err);
	if (c->sink == NULL)
		goto out;
	cart_signer_free(r->session);
	r->session = cart_signer_session(err);
	if (r->session == NULL)
		goto out;
	r->bundle = open_bundle(c, r->budget, r->session, r->examiner,
				&r->stamps, err);
	if (r->bundle == NULL)
		goto out;
	rc = 0;
out:
	close(fd);
	return rc;
}

/*
 * The disk is full, but the sink kept space for the end: seals what is
 * durable.  The engine is told to stop, so that it starts nothing and writes
 * for each instance that did not end that it was cancelled.
 */
static int seal_full(struct running *r, struct cart_seal_result *ret,
		     struct cart_err *err)
{
	char *dir = strdup(r->c->sink->location), *slash;
	char why[CART_ERR_TEXT_SIZE];
	struct cart_run_result result = { 0 };
	int rc = -1;

	if (dir == NULL)
		return cart_err_nomem(err);
	slash = strrchr(dir, '/');
	if (slash != NULL)
		*slash = '\0';
	snprintf(why, sizeof(why), "%s", err->text);
	cart_msg(CART_MSG_WARN, "the disk is full: sealing what was written "
		 "so far, with a second session key");
	if (r->aws != NULL)
		cart_cmd_aws_log_to(r->aws, NULL);
	if (begin_again(r, dir, err) < 0)
		goto out;
	if (r->aws != NULL)
		cart_cmd_aws_log_to(r->aws, r->bundle);
	cart_stop_request(NULL);
	if (log_gap(r, "all that was to be collected from here on", "failed",
		    why, err) < 0 ||
	    run_steps(r, &result, err) < 0)
		goto out;
	rc = cart_bundle_seal(r->bundle, true, "the disk is full", ret, err);
out:
	free(dir);
	return rc;
}

/* --- an encrypted bundle whose run died --- */

static void print_partial(const struct cart_partial *p, const char *dir,
			  const char *name)
{
	char size[16];

	cart_text_bytes(p->bytes, size);
	printf("Sealed    %s: partial, %zu closed segments, %s, log lines to "
	       "%" PRIu64 "\n", name, p->segments, size, p->log_size);
	printf("Bundle    %s/%s.tar.age\nRoot      %s (of the log)\n"
	       "Key       id %s: signed the seal, by the state file\n", dir, name,
	       p->root, p->signer);
	if (p->has_remnant)
		printf("Remnant   %s/%s.remnant.age: what it wrote last, not "
		       "sealed\n", dir, name);
	if (p->changes.len > 0)
		printf("Changes   that it had asked for (uuid, class, event):\n"
		       "%s", (char *)p->changes.data);
	printf("Next      collect again for what is missing\n");
}

static void print_partial_json(const struct cart_partial *p, const char *dir,
			       const char *name)
{
	struct cart_json *j = cart_json_new_object();
	struct cart_buf b;

	cart_buf_init(&b, 16384);
	cart_buf_addf(&b, "%s/%s.tar.age", dir, name);
	cart_json_add(j, "bundle", cart_json_new_string(name));
	cart_json_add(j, "location", cart_json_new_string(
		      cart_buf_ok(&b) ? (char *)b.data : ""));
	cart_json_add(j, "root", cart_json_new_string(p->root));
	cart_json_add(j, "exit", cart_json_new_int(CART_EXIT_GAPS));
	cart_json_add(j, "state", cart_json_new_string("partial"));
	cart_json_add(j, "signer", cart_json_new_string(p->signer));
	cart_json_add(j, "remnant", cart_json_new_bool(p->has_remnant));
	cart_buf_clear(&b);
	cart_command_print_json(stdout, j);
}

int cart_cmd_collection_partial(const struct cart_args *a, int dirfd,
				const char *dir, const char *name)
{
	struct cart_err err = { 0 };
	struct cart_partial p;

	if (cart_partial_seal(dirfd, name, &p, &err) < 0)
		return cart_command_fail(a, &err);
	if (cart_args_flag(a, "json"))
		print_partial_json(&p, dir, name);
	else
		print_partial(&p, dir, name);
	cart_partial_clear(&p);
	return CART_EXIT_GAPS;
}

/* --- the whole --- */

static void note_key(struct running *r)
{
	const struct cart_signer *s = r->examiner ? r->examiner : r->session;

	cart_buf_reset(&r->key);
	cart_minisign_print_public_bare(&s->public_key, &r->key);
}

/* What can still be done for it. */
static void tell_unsealed(const struct cmd_collection *c, const char *location)
{
	char state[sizeof(c->state_dir) + 80];
	struct cart_buf line;

	if (strcmp(c->sink->kind, "pipe") == 0) {
		cart_msg(CART_MSG_ERROR, "not sealed");
		return;
	}
	if (c->state_dir[0] != '\0') {
		snprintf(state, sizeof(state), "%s/%.64s.state", c->state_dir,
			 c->name);
		cart_buf_init(&line, 65536);
		cart_cmd_upload_resume_line(c, &line);
		if (access(state, F_OK) == 0)
			cart_msg(CART_MSG_ERROR, "not sealed: what was closed "
				 "is at %s; `%.*s` goes on from there", location,
				 (int)line.len, (char *)line.data);
		else
			cart_msg(CART_MSG_ERROR, "not sealed: nothing at %s "
				 "can be sealed; collect anew", location);
		cart_buf_clear(&line);
	} else if (strcmp(c->sink->kind, "file") != 0) {
		cart_msg(CART_MSG_ERROR, "not sealed: no state file was kept, "
			 "nothing at %s can be sealed; collect anew", location);
	} else if (c->encrypt_to.n > 0) {
		cart_msg(CART_MSG_ERROR, "not sealed: what is durable lies in "
			 "%s; `crashcart resume` seals the closed segments as "
			 "partial", location);
	} else {
		cart_msg(CART_MSG_ERROR, "not sealed: what is durable lies in "
			 "%s; `crashcart resume` goes on from there", location);
	}
}

/* Runs, seals, and says so: the exit status. */
static int run_and_tell(struct running *r)
{
	struct cmd_collection *c = r->c;
	bool json = cart_args_flag(c->args, "json");
	struct cart_bundle_counts counts = { 0 };
	struct cart_seal_result sealed = { 0 };
	struct cart_err err = { 0 };
	char *location = strdup(c->sink->location);
	char mask_key[2 * CART_MASK_KEY_SIZE + 1];
	bool is_file = strcmp(c->sink->kind, "file") == 0;
	int rc, status;
	size_t i;

	rc = run_and_seal(r, &sealed, &err);
	if (rc < 0 && is_file && is_full(&err) && c->encrypt_to.n == 0)
		rc = seal_full(r, &sealed, &err);
	note_key(r);
	if (r->bundle != NULL)
		cart_bundle_counts(r->bundle, &counts);
	if (rc < 0) {
		cart_msg_err(&err);
		tell_unsealed(c, location != NULL ? location : c->name);
		status = CART_EXIT_UNKNOWN;
	} else {
		status = sealed.gaps ? CART_EXIT_GAPS : CART_EXIT_OK;
		for (i = 0; i < c->n_timestamp; i++)
			if (!sealed.stamp[i].granted) {
				/* the log had ended: a gap beside it */
				status = CART_EXIT_GAPS;
				cart_msg(CART_MSG_WARN, "no time stamp from "
					 "%s: %s", c->timestamp[i],
					 sealed.stamp[i].error);
			}
	}
	cart_text_hex(r->mask_key, sizeof(r->mask_key), mask_key);
	if (json)
		print_json_end(c, location, rc < 0 ? NULL : &sealed,
			       (const char *)r->key.data,
			       r->masked > 0 ? mask_key : NULL, status,
			       counts.gaps);
	else if (rc == 0)
		print_words_end(c, &sealed, &counts,
				(const char *)r->key.data,
				r->examiner == NULL);
	if (r->masked > 0 && !json)
		fprintf(strcmp(c->sink != NULL ? c->sink->kind : "", "pipe") ==
			0 ? stderr : stdout, "Mask key  %s (keep it, away "
			"from the bundle: it shows later that a masked value "
			"was this one)\n", mask_key);
	cart_wipe(mask_key, sizeof(mask_key));
	free(location);
	return status;
}

static int set_rates(struct running *r, struct cart_err *err)
{
	const struct cart_aws_rate *rates;
	size_t n;

	rates = cart_manifest_rates(r->c->manifest, &n);
	return cart_aws_set_rates(cart_cmd_aws_client(r->aws), rates, n, err);
}

static int prepare(struct running *r, struct cart_err *err)
{
	struct cmd_collection *c = r->c;
	const char *key_path = cart_args_value(c->args, "key");
	size_t i;

	r->budget = cart_budget_new(BUDGET_BYTES);
	if (r->budget == NULL)
		return cart_err_nomem(err);
	r->session = cart_signer_session(err);
	if (r->session == NULL)
		return -1;
	if (key_path != NULL) {
		if (cart_key_open(c->args, key_path, c->env,
				  cart_manifest_has_host_steps(c->manifest),
				  &r->key_of, err) < 0)
			return -1;
		r->examiner = r->key_of.signer;
	}
	if (cart_signals_setup(err) < 0)
		return -1;
	if (cart_manifest_has_aws_steps(c->manifest)) {
		r->aws = cart_cmd_aws_new(c->args, c->env,
				  cart_manifest_has_host_steps(c->manifest),
				  err);
		if (r->aws == NULL || set_rates(r, err) < 0)
			return -1;
	}
	if (c->n_timestamp > 0 || cart_args_value(c->args, "witness")) {
		r->sealing = cart_cmd_aws_new_sealing(c->args, c->env,
				  cart_manifest_has_host_steps(c->manifest),
				  err);
		if (r->sealing == NULL)
			return -1;
	}
	for (i = 0; i < c->n_timestamp; i++)
		r->stamps.url[r->stamps.n++] = c->timestamp[i];
	if (r->stamps.n > 0) {
		r->stamps.ask = ask_tsa;
		r->stamps.arg = cart_cmd_aws_net(r->sealing);
	}
	if (c->upload != NULL && c->resume == NULL &&
	    cart_cmd_upload_claim(c, err) < 0)
		return -1;
	note_key(r);
	cart_msg(CART_MSG_NOTE, "bundle %s, sealed by %s key %s", c->name,
		 r->examiner != NULL ? "your" : "the session",
		 (const char *)r->key.data);
	r->bundle = open_bundle(c, r->budget, r->session, r->examiner,
				&r->stamps, err);
	/* what the key's session found out; at the end there is no log */
	if (r->bundle != NULL && r->key_of.aws != NULL) {
		cart_cmd_aws_log_to(r->key_of.aws, r->bundle);
		cart_cmd_aws_log_to(r->key_of.aws, NULL);
	}
	return r->bundle != NULL ? 0 : -1;
}

int cart_cmd_collection_run(struct cmd_collection *c)
{
	struct running r = { .c = c };
	struct cart_err err = { 0 };
	int status;

	cart_buf_init(&r.key, 128);
	cart_random(r.mask_key, sizeof(r.mask_key));
	if (cart_cmd_time_check(c->args, &err) < 0 || prepare(&r, &err) < 0) {
		status = cart_command_fail(c->args, &err);
	} else {
		if (r.aws != NULL)
			cart_cmd_aws_log_to(r.aws, r.bundle);
		cart_cmd_time_note(c->args, r.bundle);
		status = run_and_tell(&r);
		if (r.aws != NULL)
			cart_cmd_aws_log_to(r.aws, NULL);
	}
	cart_cmd_aws_free(r.aws);
	cart_cmd_aws_free(r.sealing);
	cart_watch_set(c->watch, c->name, NULL, NULL);
	cart_bundle_free(r.bundle);
	cart_budget_free(r.budget);
	cart_signer_free(r.session);
	cart_key_close(&r.key_of);
	cart_buf_clear(&r.key);
	cart_wipe(r.mask_key, sizeof(r.mask_key));
	return status;
}

int cart_cmd_collection_allow(struct cmd_collection *c, struct cart_err *err)
{
	const char *word;
	unsigned bit;
	size_t i;

	for (i = 0; (word = cart_args_at(c->args, "allow", i)) != NULL; i++) {
		bit = cart_change_class(word);
		if (bit == 0)
			return cart_err_set(err, CART_ERR_USAGE, 0,
					    "--allow %s: there is evidence, "
					    "containment and irreversible", word);
		c->allow |= bit;
	}
	return 0;
}

void cart_cmd_collection_clear(struct cmd_collection *c, int status)
{
	cart_watch_free(c->watch, status);
	c->watch = NULL;
	free(c->order);
	free(c->order_minisig);
	c->order = c->order_minisig = NULL;
	while (c->n_timestamp > 0)
		free(c->timestamp[--c->n_timestamp]);
	cart_sink_free(c->sink);
	cart_cmd_aws_free(c->upload);	/* after the sink, which calls by it */
	/* stays if the state file is still there */
	if (c->own_state_dir)
		rmdir(c->state_dir);
	cart_manifest_free(c->manifest);
	cart_resume_free(c->resume);
	cart_run_history_free(c->history);
	c->sink = NULL;
	c->upload = NULL;
	c->manifest = NULL;
	c->resume = NULL;
	c->history = NULL;
}
