/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/custody.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "crashcart/clock.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"
#include "custody_find.h"
#include "custody_s3.h"
#include "key_kms.h"
#include "key_load.h"
#include "verdict_print.h"
#include "verify_remote.h"

struct custody {
	const struct cart_args *a;
	struct cart_public_key *keys;
	size_t n_keys;
	struct cart_verdict v;
	struct cart_custody_place place;
	uint64_t shown;
	bool remote;
	struct cart_custody_s3 s3;	/* if remote */
	struct cart_source *source;	/* of the bundle, or NULL */
};

/* The whole bundle, always: nobody hands over or takes what does not hold. */
static int verify(struct custody *c, struct cart_err *err)
{
	struct cart_verify_options o = { .source = c->source };
	int rc;

	o.bundle = c->a->positional[1];
	o.keys = c->keys;
	o.n_keys = c->n_keys;
	o.progress = cart_verdict_progress;
	rc = cart_verify(&o, &c->v, err);
	cart_verify_remote_close(c->source);
	c->source = NULL;
	if (rc < 0)
		return -1;
	cart_msg_progress_end();
	if (c->v.extracted)
		return cart_err_set(err, CART_ERR_USAGE, 0, "custody is of a "
				    "sealed bundle, not of an extracted bag");
	return c->v.root[0] != '\0' ? cart_custody_find(c->remote ?
						      c->s3.dir : o.bundle,
						      c->v.name, &c->place,
						      err) : 0;
}

/* ---- showing ------------------------------------------------------------- */

static void print_field(const struct cart_json *e, const char *key,
			const char *label)
{
	const char *s = cart_json_get_string(e, key);
	struct cart_buf b;

	if (s == NULL)
		return;
	cart_buf_init(&b, 131072);
	cart_text_escape(s, strlen(s), &b);
	if (cart_buf_ok(&b) && b.data != NULL)
		printf("     %-13s %s\n", label, (char *)b.data);
	cart_buf_clear(&b);
}

static void show_entry(void *arg, const struct cart_json *e, const char *key_id,
		       bool trusted, const char *sha256)
{
	struct custody *c = arg;
	const char *event = cart_json_get_string(e, "event");
	struct cart_buf b;

	if (cart_args_flag(c->a, "json")) {
		cart_buf_init(&b, 131072);
		cart_json_print(e, 0, &b);
		if (cart_buf_ok(&b))
			printf("%s\n", (char *)b.data);
		cart_buf_clear(&b);
		return;
	}
	printf("%3" PRIu64 "  %s\n", ++c->shown, event);
	print_field(e, "t", "when");
	print_field(e, "by", "by");
	print_field(e, "other", strcmp(event, "released") == 0 ? "to" : "from");
	print_field(e, "purpose", "purpose");
	print_field(e, "method", "method");
	print_field(e, "storage", "storage");
	print_field(e, "text", "note");
	print_field(e, "verification", "verification");
	printf("     %-13s key %s%s\n     %-13s %s\n\n", "signed by", key_id,
	       trusted ? ", which you named" : "", "entry SHA-256", sha256);
}

static int show(struct custody *c)
{
	struct cart_custody_verdict v;
	struct cart_err err = { 0 };
	bool json = cart_args_flag(c->a, "json");

	if (!json)
		printf("CUSTODY RECORD\n\nbundle       %s\ncase         %s\n"
		       "root         %s\nseal SHA-256 %s\nbundle now   %s\n\n",
		       c->v.name, c->v.case_id, c->v.root, c->place.seal_sha256,
		       c->v.kind == CART_VERDICT_INVALID ? c->v.reason :
		       "intact, as sealed");
	if (cart_custody_check(c->place.folder, c->v.root, c->place.seal_sha256, c->keys,
			       c->n_keys, cart_args_value(c->a, "head"),
			       show_entry, c, &v, &err) < 0)
		return cart_command_fail(c->a, &err);
	if (json) {
		printf("{\"verdict\":\"%s\",\"entries\":%" PRIu64
		       ",\"head\":\"%s\",\"open_release\":%s}\n",
		       cart_verdict_word(v.kind), v.entries, v.head,
		       v.open_release ? "true" : "false");
	} else {
		printf("%s: %s\nhead         %s\n", v.kind == CART_VERDICT_VALID ?
		       "VALID" : v.kind == CART_VERDICT_INVALID ? "INVALID" :
		       "CANNOT TELL", v.reason, v.head);
		if (v.open_release)
			printf("The last release has not been received yet.\n");
		if (cart_args_flag(c->a, "receipt"))
			printf("\n\nReleased by  ______________________________  "
			       "Date ______________\n\n\nReceived by  "
			       "______________________________  Date "
			       "______________\n");
	}
	return c->v.kind == CART_VERDICT_INVALID ? CART_EXIT_INVALID :
		(int)v.kind;
}

/* ---- adding -------------------------------------------------------------- */

static int add(struct custody *c, const char *verb)
{
	struct cart_custody_entry e = { 0 };
	struct cmd_signer key_of;
	struct cart_err err = { 0 };
	char head[CART_SHA256_HEX_SIZE];
	const char *key = cart_args_value(c->a, "key");
	int status = CART_EXIT_FAILED;

	e.event = strcmp(verb, "release") == 0 ? "released" :
		strcmp(verb, "receive") == 0 ? "received" : "note";
	e.one_file = c->remote;
	e.by = cart_args_value(c->a, "by");
	e.other = cart_args_value(c->a, e.event[2] == 'l' ? "to" : "from");
	e.purpose = cart_args_value(c->a, "purpose");
	e.method = cart_args_value(c->a, "method");
	e.storage = cart_args_value(c->a, "storage");
	e.text = cart_args_value(c->a, "text");
	if (key == NULL || e.by == NULL)
		return cart_command_usage(c->a, "say who and with which key: "
					  "--by NAME --key FILE");
	if (strcmp(e.event, "note") != 0 && e.other == NULL)
		return cart_command_usage(c->a, "say %s whom: --%s NAME",
					  e.event[2] == 'l' ? "to" : "from",
					  e.event[2] == 'l' ? "to" : "from");
	if (strcmp(e.event, "note") == 0 && e.text == NULL)
		return cart_command_usage(c->a, "say what: --text TEXT");
	e.verdict = c->v.kind == CART_VERDICT_VALID ? "valid: every byte as "
		"sealed, signed by a key that the signer of this entry named" :
		"intact: every byte as sealed; no key was named for the seal";
	if (cart_key_open(c->a, key, c->s3.env, false, &key_of, &err) == 0 &&
	    cart_custody_add(c->place.folder, &c->v, c->place.seal_sha256, &e,
			     key_of.signer,
			     cart_clock_utc_ns(), head, &err) == 0 &&
	    (!c->remote || cart_custody_s3_put(&c->s3, c->a, &err) == 0)) {
		if (c->remote)
			printf("s3://%s/%s%s.custody\n", c->s3.bucket,
			       c->s3.prefix, c->s3.name);
		else
			printf("%s\n", c->place.folder);
		printf("head %s (both sides keep it)\n", head);
		status = CART_EXIT_OK;
	} else {
		status = cart_command_fail(c->a, &err);
	}
	cart_key_close(&key_of);
	return status;
}

static int verify_and_do(struct custody *c, const char *verb)
{
	struct cart_err err = { 0 };

	/* what adds an entry may need KMS, and a password */
	if (strcmp(verb, "show") == 0)
		cart_verdict_sandbox(NULL, NULL);
	if (verify(c, &err) < 0) {
		cart_msg_progress_end();
		return cart_command_fail(c->a, &err);
	}
	if (c->v.root[0] == '\0' || (strcmp(verb, "show") != 0 &&
				    c->v.kind == CART_VERDICT_INVALID)) {
		cart_verdict_print(&c->v, c->n_keys, cart_args_flag(c->a, "json"));
		cart_msg(CART_MSG_ERROR, "no entry was made: the bundle does "
			 "not hold");
		return CART_EXIT_INVALID;
	}
	return strcmp(verb, "show") == 0 ? show(c) : add(c, verb);
}

/* The process that is to remove what was fetched must not be in the sandbox,
 * and the one that is in it must have no credentials. */
static int show_fetched(struct custody *c)
{
	int status = CART_EXIT_FAILED, how;
	pid_t pid;

	cart_custody_s3_hang_up(&c->s3);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		status = verify_and_do(c, "show");
		if (fflush(stdout) != 0)
			status = CART_EXIT_FAILED;
		_exit(status);
	}
	/* what fetches ends when nobody can ask it any more */
	cart_verify_remote_close(c->source);
	c->source = NULL;
	if (pid > 0 && waitpid(pid, &how, 0) == pid && WIFEXITED(how))
		status = WEXITSTATUS(how);
	return status;
}

static int custody(const struct cart_args *a)
{
	const char *verb = a->positional[0], *bundle = a->positional[1];
	struct custody c = { .a = a, .remote = !strncmp(bundle, "s3://", 5) };
	struct cart_err err = { 0 };
	int status;

	if (strcmp(verb, "release") != 0 && strcmp(verb, "receive") != 0 &&
	    strcmp(verb, "note") != 0 && strcmp(verb, "show") != 0)
		return cart_command_usage(a, "release, receive, note or show; "
					  "not '%s'", verb);
	if (cart_key_public_all(a, "pubkey", &c.keys, &c.n_keys, &err) < 0) {
		err.class = CART_ERR_USAGE;
		return cart_command_fail(a, &err);
	}
	/* what fetches the bundle is another process: it comes first, since it
	 * takes the environment, too */
	if (c.remote && (cart_custody_s3_url(bundle, &c.s3, &err) < 0 ||
			 cart_verify_remote_open(a, c.s3.url, &c.source,
						 &err) < 0 ||
			 cart_custody_s3_fetch(a, &c.s3, &err) < 0))
		status = cart_command_fail(a, &err);
	else if (c.remote && strcmp(verb, "show") == 0)
		status = show_fetched(&c);
	else
		status = verify_and_do(&c, verb);
	cart_verify_remote_close(c.source);
	if (c.remote)
		cart_custody_s3_clear(&c.s3);
	free(c.keys);
	return status;
}

static const struct cart_option options[] = {
	{ "by", 0, "NAME", false, "Who acts: name and role." },
	{ "to", 0, "NAME", false, "release: who takes it over." },
	{ "from", 0, "NAME", false, "receive: who gave it." },
	{ "purpose", 0, "TEXT", false, "Why it is handed over." },
	{ "method", 0, "TEXT", false, "How: courier, seal numbers, upload." },
	{ "storage", 0, "TEXT", false, "Where it is kept from now on." },
	{ "text", 0, "TEXT", false, "A remark; what note records." },
	{ "key", 0, "FILE|kms:ARN", false, "The secret key of who acts." },
	{ "password-fd", 0, "N", false,
	  "Read the key's password from descriptor N." },
	{ "head", 0, "SHA256", false,
	  "show: the head that a party kept; it must be in the chain." },
	{ "receipt", 0, NULL, false, "show: with lines to sign on paper." },
	{ "pubkey", 'P', "FILE|BASE64", true, "A key that you trust." },
	{ "bucket-owner", 0, "ID", false,
	  "Account that owns the bucket, or ANY; without it your own." },
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_custody = {
	.name = "custody",
	.summary = "Record and check the hand-overs of a bundle.",
	.usage = "release|receive|note|show BUNDLE ...",
	.min_positional = 2,
	.max_positional = 2,
	.options = options,
	.about =
"A transfer is two signed entries: the giver's release, and the taker's receive,\n"
"which is made only after the whole bundle was verified again.  Entries are\n"
"chained by hash in NAME.custody/; whoever keeps a head can show a later cut or\n"
"rewriting.  show checks all of it and prints the record.\n"
"\n"
"Of a bundle in S3 (s3://BUCKET/PREFIX/NAME) each entry is an object there,\n"
"locked as the seal is and never overwritten: of two parties that add one at\n"
"the same time, one is told that the other was faster.\n"
"\n"
"Examples:\n"
"  crashcart custody release IR-7-b01.tar --by 'A. Responder' --to 'B. Lab' \\\n"
"      --purpose analysis --key a.key\n"
"  crashcart custody receive IR-7-b01.tar --by 'B. Lab' --from 'A. Responder' \\\n"
"      --storage 'safe 3' --key b.key\n"
"  crashcart custody show IR-7-b01.tar -P a.pub -P b.pub --receipt\n",
	.run = custody,
};
