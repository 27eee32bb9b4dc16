/* SPDX-License-Identifier: Apache-2.0 */
#include "collection.h"

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
#include "crashcart/text.h"
#include "crashcart/version.h"
#include "key_load.h"
#include "version_print.h"

/* In flight at any time: two parts of 8 MiB with their compressed forms, and
 * some small exhibits (DESIGN.md, "Concurrency"). */
#define BUDGET_BYTES ((size_t)36 << 20)

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
		"profile", "region", "endpoint-url", "expect-account", NULL
	};
	struct cart_json *j = cart_json_new_object(), *list;
	size_t i;

	cart_json_add(j, "start", cart_json_new_int(c->start_utc_ns /
						    1000000000));
	cart_json_add(j, "params",
		      cart_json_copy(cart_manifest_params(c->manifest)));
	list = cart_json_add(j, "allow", cart_json_new_array());
	if (c->allow & CART_CHANGE_EVIDENCE)
		cart_json_append(list, cart_json_new_string("evidence"));
	if (c->allow & CART_CHANGE_CONTAINMENT)
		cart_json_append(list, cart_json_new_string("containment"));
	if (c->allow & CART_CHANGE_IRREVERSIBLE)
		cart_json_append(list, cart_json_new_string("irreversible"));
	for (i = 0; kept[i] != NULL; i++)
		add_optional(j, kept[i], cart_args_value(c->args, kept[i]));
	return j;
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
				       struct cart_err *err)
{
	struct cart_bundle_options o = { 0 };
	struct cart_bundle *bundle = NULL;
	struct cart_json *line = session_line(c, session), *plan = NULL;
	const char *segment = cart_args_value(c->args, "segment");
	char agent[128];
	struct cart_buf text;

	cart_buf_init(&text, (size_t)16 << 20);
	snprintf(agent, sizeof(agent), "crashcart %s (%s)", cart_version_text(),
		 cart_version_commit());
	if (segment != NULL && cart_text_size(segment, strlen(segment),
					      &o.segment_bytes) < 0) {
		cart_err_set(err, CART_ERR_USAGE, 0,
			     "--segment '%s' is not a size (4095M)", segment);
		goto out;
	}
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
	o.sink = c->sink;
	o.session = session;
	o.examiner = examiner;
	o.budget = budget;
	o.session_line = line;
	o.manifest = cart_manifest_bytes(c->manifest, &o.manifest_len);
	o.plan = text.data;
	o.plan_len = text.len;
	bundle = c->resume != NULL ? cart_bundle_resume(&o, c->resume, err) :
		cart_bundle_open(&o, err);
out:
	cart_json_free(plan);
	cart_json_free(line);
	cart_buf_clear(&text);
	return bundle;
}

static void print_key(const struct cart_signer *s, struct cart_buf *b)
{
	cart_buf_init(b, 128);
	cart_minisign_print_public_bare(&s->public_key, b);
}

static void print_json_end(const struct cmd_collection *c,
			   const struct cart_seal_result *r, const char *key,
			   int status, uint64_t gaps)
{
	struct cart_json *j = cart_json_new_object();
	struct cart_buf b;

	cart_buf_init(&b, 16384);
	cart_json_add(j, "bundle", cart_json_new_string(c->name));
	cart_json_add(j, "location", cart_json_new_string(c->sink->location));
	cart_json_add(j, "root", r != NULL ? cart_json_new_string(r->root) :
		      cart_json_new_null());
	cart_json_add(j, "exit", cart_json_new_int(status));
	cart_json_add(j, "gaps", cart_json_new_int((int64_t)gaps));
	cart_json_add(j, "key", cart_json_new_string(key));
	cart_json_print(j, 0, &b);
	if (cart_buf_ok(&b))
		fprintf(strcmp(c->sink->kind, "pipe") == 0 ? stderr : stdout,
			"%s\n", (char *)b.data);
	cart_buf_clear(&b);
	cart_json_free(j);
}

static void print_words_end(const struct cmd_collection *c,
			    const struct cart_seal_result *r,
			    const struct cart_bundle_counts *n, const char *key,
			    bool session)
{
	FILE *out = strcmp(c->sink->kind, "pipe") == 0 ? stderr : stdout;
	char size[16];

	cart_text_bytes(r->bytes, size);
	fprintf(out, "Sealed    %s: %" PRIu64 " exhibits, %" PRIu64
		" calls, %s%s\n", c->name, n->exhibits, n->calls, size,
		r->gaps ? "" : ", complete");
	if (r->gaps)
		fprintf(out, "Gaps      %" PRIu64 ": `crashcart list` shows "
			"each with its reason\n", n->gaps);
	fprintf(out, "Bundle    %s\nRoot      %s\n"
		"Key       %s (%s; note it down, away from this host)\n",
		c->sink->location, r->root, key,
		session ? "session key" : "your key");
	if (strcmp(c->sink->kind, "pipe") != 0)
		fprintf(out, "Check     crashcart verify %s --pubkey %s\n",
			c->sink->location, key);
}

static int run_and_seal(struct cmd_collection *c, struct cart_bundle *bundle,
			struct cmd_aws *aws, const char *key, bool session)
{
	struct cart_run_options o = { 0 };
	struct cart_run_result result = { 0 };
	struct cart_bundle_counts counts;
	struct cart_seal_result sealed;
	struct cart_err err = { 0 };
	bool json = cart_args_flag(c->args, "json");
	int rc, status;

	o.manifest = c->manifest;
	o.bundle = bundle;
	o.aws = cart_cmd_aws_client(aws);
	o.imds = cart_cmd_aws_imds(aws);
	o.case_id = c->case_id;
	o.uuid = c->uuid;
	o.allow = c->allow;
	o.expect_account = c->expect_account;
	o.history = c->history;
	rc = cart_run(&o, &result, &err);
	cart_msg_progress_end();
	if (rc < 0) {
		cart_msg_err(&err);
		if (result.reason[0] == '\0')
			snprintf(result.reason, sizeof(result.reason), "%.150s",
				 err.text);
	}
	if (cart_bundle_seal(bundle, rc < 0 || result.stopped,
			     result.reason[0] ? result.reason : NULL,
			     &sealed, &err) < 0) {
		cart_msg_err(&err);
		cart_msg(CART_MSG_ERROR, "not sealed: what is durable lies in "
			 "%s; `crashcart resume` goes on from there",
			 c->sink->location);
		cart_bundle_counts(bundle, &counts);
		if (json)
			print_json_end(c, NULL, key, CART_EXIT_UNKNOWN,
				       counts.gaps);
		return CART_EXIT_UNKNOWN;
	}
	cart_bundle_counts(bundle, &counts);
	status = sealed.gaps ? CART_EXIT_GAPS : CART_EXIT_OK;
	if (json)
		print_json_end(c, &sealed, key, status, counts.gaps);
	else
		print_words_end(c, &sealed, &counts, key, session);
	return status;
}

int cart_cmd_collection_run(struct cmd_collection *c)
{
	const char *key_path = cart_args_value(c->args, "key");
	struct cart_signer *session = NULL, *examiner = NULL;
	struct cart_budget *budget = NULL;
	struct cart_bundle *bundle = NULL;
	struct cmd_aws *aws = NULL;
	struct cart_buf key = { 0 };
	struct cart_err err = { 0 };
	int status;

	budget = cart_budget_new(BUDGET_BYTES);
	session = cart_signer_session(&err);
	if (budget == NULL || session == NULL)
		goto fail;
	if (key_path != NULL) {
		examiner = cart_key_load(key_path,
				cart_args_value(c->args, "password-fd"), &err);
		if (examiner == NULL)
			goto fail;
	}
	if (cart_signals_setup(&err) < 0)
		goto fail;
	if (cart_manifest_has_aws_steps(c->manifest)) {
		aws = cart_cmd_aws_new(c->args, c->env,
				  cart_manifest_has_host_steps(c->manifest),
				  &err);
		if (aws == NULL)
			goto fail;
	}
	print_key(examiner != NULL ? examiner : session, &key);
	cart_msg(CART_MSG_NOTE, "bundle %s, sealed by %s key %s", c->name,
		 examiner != NULL ? "your" : "the session",
		 (const char *)key.data);
	bundle = open_bundle(c, budget, session, examiner, &err);
	if (bundle == NULL)
		goto fail;
	if (aws != NULL)
		cart_cmd_aws_log_to(aws, bundle);
	status = run_and_seal(c, bundle, aws, (const char *)key.data,
			      examiner == NULL);
	if (aws != NULL)
		cart_cmd_aws_log_to(aws, NULL);
	goto out;
fail:
	status = cart_command_fail(c->args, &err);
out:
	cart_cmd_aws_free(aws);
	cart_bundle_free(bundle);
	cart_budget_free(budget);
	cart_signer_free(session);
	cart_signer_free(examiner);
	cart_buf_clear(&key);
	return status;
}

void cart_cmd_collection_clear(struct cmd_collection *c)
{
	cart_sink_free(c->sink);
	cart_manifest_free(c->manifest);
	cart_resume_free(c->resume);
	cart_run_history_free(c->history);
	c->sink = NULL;
	c->manifest = NULL;
	c->resume = NULL;
	c->history = NULL;
}
