/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "crashcart/clock.h"
#include "crashcart/json.h"
#include "crashcart/minisign.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"

const char *cart_verdict_word(enum cart_verdict_kind kind)
{
	switch (kind) {
	case CART_VERDICT_VALID:
		return "valid";
	case CART_VERDICT_INVALID:
		return "invalid";
	default:
		return "cannot-tell";
	}
}

void cart_verdict_sandbox(const char *out, char *ret_text)
{
	char folder[4096], text[CART_SANDBOX_TEXT_SIZE];
	const char *slash;

	if (out != NULL && strcmp(out, "-") == 0)
		out = NULL;
	if (out != NULL) {
		/* "a/b/" is below a, like "a/b" */
		snprintf(folder, sizeof(folder), "%s", out);
		while (strlen(folder) > 1 && folder[strlen(folder) - 1] == '/')
			folder[strlen(folder) - 1] = '\0';
		slash = strrchr(folder, '/');
		if (slash == NULL)
			snprintf(folder, sizeof(folder), ".");
		else
			folder[slash == folder ? 1 : slash - folder] = '\0';
	}
	cart_sandbox_enter(out != NULL ? folder : NULL,
			   ret_text != NULL ? ret_text : text);
	cart_msg(CART_MSG_DEBUG, "sandbox: %s",
		 ret_text != NULL ? ret_text : text);
}

void cart_verdict_progress(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	cart_msg_progress("verifying", done, total, "bytes");
}

static void add_counter_stamp(struct cart_json *j, const struct cart_verdict *v)
{
	const struct cart_verdict_stamp *s = &v->counter_stamp;
	char when[CART_CLOCK_TEXT_SIZE];

	if (!s->by[0])
		return;
	j = cart_json_add(j, "countersigner_timestamp", cart_json_new_object());
	cart_clock_text(s->gen_ns, 0, when);
	cart_json_add(j, "signer", cart_json_new_string(v->counter_stamp_id));
	cart_json_add(j, "time", cart_json_new_string(when));
	cart_json_add(j, "by", cart_json_new_string(s->by));
	cart_json_add(j, "anchored", cart_json_new_bool(s->anchored));
}

static void add_stamps(struct cart_json *j, const struct cart_verdict *v)
{
	struct cart_json *list = cart_json_add(j, "timestamps",
					       cart_json_new_array()), *o;
	const struct cart_verdict_stamp *s;
	char when[CART_CLOCK_TEXT_SIZE];
	size_t i;

	for (i = 0; i < v->n_stamps; i++) {
		s = &v->stamp[i];
		o = cart_json_append(list, cart_json_new_object());
		cart_json_add(o, "url", cart_json_new_string(s->url));
		cart_json_add(o, "anchored", cart_json_new_bool(s->anchored));
		if (s->error[0]) {
			cart_json_add(o, "error",
				      cart_json_new_string(s->error));
			continue;
		}
		cart_clock_text(s->gen_ns, 0, when);
		cart_json_add(o, "time", cart_json_new_string(when));
		cart_json_add(o, "by", cart_json_new_string(s->by));
		cart_json_add(o, "before_log_end",
			      cart_json_new_bool(s->before_end));
		if (!s->anchored)
			cart_json_add(o, "why_not",
				      cart_json_new_string(s->why_not));
	}
}

static void add_heads(struct cart_json *j, const struct cart_verdict *v)
{
	struct cart_json *list = cart_json_add(j, "heads",
					       cart_json_new_array()), *o;
	const struct cart_verdict_head *h;
	char when[CART_CLOCK_TEXT_SIZE];
	size_t i;

	for (i = 0; i < v->n_heads; i++) {
		h = &v->head[i];
		o = cart_json_append(list, cart_json_new_object());
		cart_json_add(o, "lines", cart_json_new_int((int64_t)h->size));
		if (h->stamp.by[0] != '\0') {
			cart_clock_text(h->stamp.gen_ns, 0, when);
			cart_json_add(o, "time", cart_json_new_string(when));
			cart_json_add(o, "by",
				      cart_json_new_string(h->stamp.by));
			cart_json_add(o, "anchored",
				      cart_json_new_bool(h->stamp.anchored));
		}
		if (h->signer_id[0] != '\0') {
			cart_json_add(o, "signer",
				      cart_json_new_string(h->signer_id));
			cart_json_add(o, "signer_trusted",
				      cart_json_new_bool(h->signer_named));
		}
	}
}

/* ---- what others signed ----------------------------------------------------- */

#define FINDINGS_MAX 10000u
#define SHOWN_MAX 20u

/* By keys of the bundle alone (struct cart_attestation). */
static const char consistent[] = "consistent";

static bool is_consistent(const struct cart_json *finding)
{
	const char *class = cart_json_get_string(finding, "class");

	return class != NULL && strcmp(class, consistent) == 0;
}

static const char *attest_word(enum cart_attest_verdict v)
{
	return v == CART_ATTEST_VALID ? "valid" :
		v == CART_ATTEST_INVALID ? "invalid" : "cannot-tell";
}

void cart_findings_add(void *arg, const struct cart_attestation *a)
{
	struct cart_findings *f = arg;
	struct cart_json *o;

	if (f->list == NULL)
		f->list = cart_json_new_array();
	/* what is wrong, and summaries, are not left out for gaps */
	if (cart_json_size(f->list) >= FINDINGS_MAX && !a->summary) {
		f->left_out++;
		return;
	}
	o = cart_json_append(f->list, cart_json_new_object());
	cart_json_add(o, "kind", cart_json_new_string(a->kind));
	cart_json_add(o, "object", cart_json_new_string(a->object));
	cart_json_add(o, "verdict",
		      cart_json_new_string(attest_word(a->verdict)));
	cart_json_add(o, "class", cart_json_new_string(a->bundle_keys ?
						       consistent : "aws"));
	cart_json_add(o, "summary", cart_json_new_bool(a->summary));
	if (a->exhibit[0] != '\0')
		cart_json_add(o, "exhibit", cart_json_new_string(a->exhibit));
	if (a->seconds >= 0)
		cart_json_add(o, "seconds", cart_json_new_int(a->seconds));
	cart_json_add(o, "text", cart_json_new_string(a->text));
}

void cart_findings_clear(struct cart_findings *f)
{
	cart_json_free(f->list);
	cart_json_free(f->objects);
	memset(f, 0, sizeof(*f));
}

/* Texts of a bundle: whatever they came through, no byte steers the terminal. */
static void show(const char *text)
{
	struct cart_buf b;

	cart_buf_init(&b, (size_t)1 << 20);
	cart_text_escape(text, strlen(text), &b);
	if (cart_buf_ok(&b) && b.len > 0)
		fwrite(b.data, 1, b.len, stdout);
	cart_buf_clear(&b);
}

/* Findings of a sort; returns how many more there are than are shown. */
static uint64_t print_findings(const struct cart_json *list, bool bundle_keys,
			       bool summary, const char *verdict, unsigned max)
{
	const struct cart_json *e = cart_json_first(list);
	const char *word, *exhibit;
	uint64_t n = 0;

	for (; e != NULL; e = cart_json_next(e)) {
		word = cart_json_get_string(e, "verdict");
		if (cart_json_bool(cart_json_get(e, "summary")) != summary ||
		    is_consistent(e) != bundle_keys ||
		    word == NULL ||
		    (verdict != NULL && strcmp(word, verdict) != 0) ||
		    n++ >= max)
			continue;
		exhibit = cart_json_get_string(e, "exhibit");
		printf("              %s: ", strcmp(word, "invalid") == 0 ?
		       "INVALID" : strcmp(word, "valid") == 0 ? "valid" :
		       "cannot tell");
		if (!summary)
			printf("%s%s%s, ", cart_json_get_string(e, "object"),
			       exhibit != NULL ? " " : "",
			       exhibit != NULL ? exhibit : "");
		show(cart_json_get_string(e, "text"));
		printf("\n");
	}
	return n > max ? n - max : 0;
}

/* All findings of a class; returns how many more there are. */
static uint64_t print_class(const struct cart_json *list, bool bundle_keys)
{
	uint64_t more;

	print_findings(list, bundle_keys, true, NULL, UINT32_MAX);
	more = print_findings(list, bundle_keys, false, "invalid", SHOWN_MAX);
	return more + print_findings(list, bundle_keys, false, "cannot-tell",
				     SHOWN_MAX);
}

static bool has_class(const struct cart_json *list, bool bundle_keys)
{
	const struct cart_json *e = cart_json_first(list);

	for (; e != NULL; e = cart_json_next(e))
		if (is_consistent(e) == bundle_keys)
			return true;
	return false;
}

static void print_counts(const uint64_t n[3])
{
	printf("%" PRIu64 " valid, %" PRIu64 " invalid, %" PRIu64
	       " cannot tell\n", n[CART_ATTEST_VALID], n[CART_ATTEST_INVALID],
	       n[CART_ATTEST_UNKNOWN]);
}

static void print_others(const struct cart_verdict *v,
			 const struct cart_findings *f)
{
	uint64_t more = f->left_out;

	if (!has_class(f->list, false)) {
		printf("Signed by AWS nothing that this program has AWS's keys "
		       "for\n");
	} else {
		printf("Signed by AWS by certificates in this program%s: ",
		       f->aws_keys ? "\n              and CloudTrail's public "
		       "keys given by you" : "");
		print_counts(v->attested);
		more += print_class(f->list, false);
	}
	if (has_class(f->list, true)) {
		printf("Consistent    by public keys that the bundle itself "
		       "holds; that they are AWS's can\n              be "
		       "checked at AWS while they exist there (aws cloudtrail\n"
		       "              list-public-keys): ");
		print_counts(v->consistent);
		more += print_class(f->list, true);
	}
	if (more > 0)
		printf("              and %" PRIu64 " more findings (--json)\n",
		       more);
	if (v->recheckable > 0)
		printf("Re-checkable  at AWS while they exist there: %" PRIu64
		       " exhibits with a version or\n              checksum "
		       "of theirs\n", v->recheckable);
	printf("Its word      all else in the log is the collector's word\n");
}

/* ---- the verdict -------------------------------------------------------------- */

static void add_findings(struct cart_json *j, const struct cart_verdict *v,
			 const struct cart_findings *f)
{
	struct cart_json *o;
	unsigned i;

	o = cart_json_add(j, "attested", cart_json_new_object());
	for (i = 0; i < 3; i++)
		cart_json_add(o, attest_word(i),
			      cart_json_new_int((int64_t)v->attested[i]));
	o = cart_json_add(j, consistent, cart_json_new_object());
	for (i = 0; i < 3; i++)
		cart_json_add(o, attest_word(i),
			      cart_json_new_int((int64_t)v->consistent[i]));
	cart_json_add(j, "recheckable_at_aws",
		      cart_json_new_int((int64_t)v->recheckable));
	cart_json_add(j, "attestations", f->list != NULL ?
		      cart_json_copy(f->list) : cart_json_new_array());
	cart_json_add(j, "attestations_left_out",
		      cart_json_new_int((int64_t)f->left_out));
}

/* Is it not even known whether the seal is its signer's? */
static bool unchecked(const struct cart_verdict *v)
{
	return v->kind == CART_VERDICT_UNKNOWN && !v->bytes_intact &&
		(v->signer_claimed || v->stored_only);
}

static void print_json(const struct cart_verdict *v,
		       const struct cart_findings *f)
{
	struct cart_json *j = cart_json_new_object(), *list;
	char id[17] = "";
	unsigned i;

	if (v->countersigned)
		cart_minisign_id_text(v->trusted.id, id);

	cart_json_add(j, "verdict",
		      cart_json_new_string(cart_verdict_word(v->kind)));
	cart_json_add(j, "exit", cart_json_new_int(v->kind));
	cart_json_add(j, "rule", v->rule[0] ? cart_json_new_string(v->rule) :
		      cart_json_new_null());
	cart_json_add(j, "reason", cart_json_new_string(v->reason));
	cart_json_add(j, "bundle", cart_json_new_string(v->name));
	cart_json_add(j, "case", cart_json_new_string(v->case_id));
	cart_json_add(j, "state", cart_json_new_string(v->state));
	cart_json_add(j, "root", cart_json_new_string(v->root));
	cart_json_add(j, "bytes_intact", unchecked(v) ?
		      cart_json_new_null() : cart_json_new_bool(v->bytes_intact));
	if (v->stored_only)
		cart_json_add(j, "stored_as_sealed", cart_json_new_bool(
			      v->kind != CART_VERDICT_INVALID));
	if (v->beside + v->beside_alike > 0) {
		cart_json_add(j, "beside",
			      cart_json_new_int((int64_t)v->beside));
		cart_json_add(j, "beside_alike",
			      cart_json_new_int((int64_t)v->beside_alike));
	}
	cart_json_add(j, "encrypted", cart_json_new_bool(v->encrypted));
	cart_json_add(j, "opened", cart_json_new_bool(v->opened));
	cart_json_add(j, "signer", cart_json_new_string(v->signer_id));
	cart_json_add(j, "signer_kind", v->signer_claimed ?
		      cart_json_new_null() :
		      cart_json_new_string(v->signer_kind));
	cart_json_add(j, "signer_trusted",
		      cart_json_new_bool(v->signed_ok && !v->countersigned));
	cart_json_add(j, "countersigner", id[0] != '\0' ?
		      cart_json_new_string(id) : cart_json_new_null());
	if (v->trust_name[0] != '\0') {
		cart_json_add(j, "signer_name",
			      cart_json_new_string(v->trust_name));
		cart_json_add(j, "signer_validity",
			      cart_json_new_string(v->trust_text));
	}
	cart_json_add(j, "inner_seal_trusted", cart_json_new_bool(v->inner_ok));
	cart_json_add(j, "extracted_bag", cart_json_new_bool(v->extracted));
	cart_json_add(j, "sessions", cart_json_new_int(v->sessions));
	list = cart_json_add(j, "continued_from_line", cart_json_new_array());
	for (i = 1; i < v->sessions && i <= 8; i++)
		cart_json_append(list, cart_json_new_int(
				 (int64_t)v->continued_line[i - 1]));
	cart_json_add(j, "members", cart_json_new_int((int64_t)v->members));
	cart_json_add(j, "heads_given",
		      cart_json_new_int((int64_t)v->heads_given));
	cart_json_add(j, "heads_kept", cart_json_new_int((int64_t)v->heads_kept));
	cart_json_add(j, "log_lines", cart_json_new_int((int64_t)v->lines));
	cart_json_add(j, "exhibits", cart_json_new_int((int64_t)v->exhibits));
	cart_json_add(j, "gaps", cart_json_new_int((int64_t)v->gaps));
	cart_json_add(j, "bytes", cart_json_new_int((int64_t)v->bytes));
	cart_json_add(j, "bytes_parsed",
		      cart_json_new_int((int64_t)v->bytes_parsed));
	add_stamps(j, v);
	add_counter_stamp(j, v);
	if (v->n_heads > 0 && v->heads_kept == v->heads_given)
		add_heads(j, v);
	if (v->order.there) {
		list = cart_json_add(j, "order", cart_json_new_object());
		cart_json_add(list, "verdict", cart_json_new_string(
			      attest_word(v->order.verdict)));
		cart_json_add(list, "signer",
			      cart_json_new_string(v->order.signer_id));
		cart_json_add(list, "name", cart_json_new_string(v->order.name));
		cart_json_add(list, "text", cart_json_new_string(v->order.text));
	}
	if (f != NULL) {
		add_findings(j, v, f);
		if (f->objects != NULL)
			cart_json_add(j, "objects", cart_json_copy(f->objects));
		cart_json_add(j, "sandbox", cart_json_new_string(f->sandbox));
	}
	cart_command_print_json(stdout, j);
}

static void print_signer(const struct cart_verdict *v, size_t n_keys)
{
	struct cart_buf bare;
	char id[17];

	/* salvage counter-signs what has no signature of its own */
	if (v->signer_id[0] == '\0')
		printf("Signed by     nobody that can be named%s%s\n",
		       v->counter_id[0] ? "; counter-signed by key " : "",
		       v->counter_id);
	if (v->signer_id[0] == '\0' && v->counter_id[0] == '\0')
		return;
	if (v->signer_id[0] == '\0')
		;
	else if (v->signer_claimed)
		printf("Signed by     claims to be signed by key %s (not "
		       "checked)\n", v->signer_id);
	else
		printf("Signed by     key %s (%s key)\n", v->signer_id,
		       v->signer_kind);
	if (v->trust_name[0] != '\0')
		printf("%s  %s, by your trust file\n", v->countersigned ?
		       "Counter by  " : "That is     ", v->trust_name);
	if (!v->signed_ok && v->trust_name[0] != '\0') {
		printf("Trusted       no: %s\n", v->trust_text);
		return;
	}
	if (v->trust_text[0] != '\0')
		printf("Then          %s\n", v->trust_text);
	if (!v->signed_ok) {
		printf("Trusted       no: %s\n", n_keys == 0 ?
		       "you named no key (--pubkey)" :
		       "none of the keys that you named made this signature");
		return;
	}
	cart_buf_init(&bare, 128);
	cart_minisign_print_public_bare(&v->trusted, &bare);
	cart_minisign_id_text(v->trusted.id, id);
	if (cart_buf_ok(&bare) && !v->countersigned)
		printf("Trusted       yes: by you, as %s\n", (char *)bare.data);
	else if (cart_buf_ok(&bare))
		printf("Trusted       %scounter-signed by key %s, which you\n"
		       "              named as %s\n", v->signer_id[0] ?
		       "that key: no; " : "yes: ", id, (char *)bare.data);
	cart_buf_clear(&bare);
}

static void print_stamp(const struct cart_verdict_stamp *s)
{
	char when[CART_CLOCK_TEXT_SIZE];

	if (s->error[0]) {
		printf("Time          no stamp from %s: %s\n", s->url, s->error);
		return;
	}
	cart_clock_text(s->gen_ns, 0, when);
	if (s->anchored)
		printf("Time          the seal was there at %s: anchored by an "
		       "authority that you\n              named, as %s\n",
		       when, s->by);
	if (s->before_end)
		printf("              CONTRADICTION: by its own times the log "
		       "ended after that; the times in\n              the log "
		       "are wrong\n");
	if (!s->anchored)
		printf("Time          stamped %s, but cannot tell by whom: the "
		       "stamp names\n              %s; %s\n", when, s->by,
		       s->why_not);
}

static void print_time(const struct cart_verdict *v)
{
	const struct cart_verdict_stamp *s = &v->counter_stamp;
	char when[CART_CLOCK_TEXT_SIZE];
	size_t i;

	for (i = 0; i < v->n_stamps; i++)
		print_stamp(&v->stamp[i]);
	if (s->by[0]) {
		cart_clock_text(s->gen_ns, 0, when);
		printf("Time          key %s had counter-signed at %s: %s%s\n"
		       "              as %s\n", v->counter_stamp_id, when,
		       s->anchored ? "anchored by\n              an "
		       "authority that you named," : "cannot tell\n"
		       "              by whom: ", s->anchored ? "" : s->why_not,
		       s->by);
	} else if (v->n_stamps == 0)
		printf("Time          not anchored: the host's clock and the "
		       "clocks in the log only\n");
}

static void print_order(const struct cart_verdict_order *o)
{
	char from[CART_CLOCK_TEXT_SIZE], until[CART_CLOCK_TEXT_SIZE];

	if (!o->there)
		return;
	if (o->verdict == CART_ATTEST_INVALID) {
		printf("Order         INVALID: %s\n", o->text);
		return;
	}
	cart_clock_text(o->from_ns, 0, from);
	cart_clock_text(o->until_ns, 0, until);
	printf("Order         %s key %s%s%s%s%s%s ordered this case, manifest "
	       "and program,\n              from %s until %s\n",
	       o->verdict == CART_ATTEST_VALID ? "valid:" : "cannot tell:",
	       o->signer_id, o->name[0] ? " (" : "", o->name,
	       o->name[0] ? ")" : "", o->by[0] ? ", in its own words " : "",
	       o->by, from, until);
	if (o->text[0])
		printf("              but %s\n", o->text);
	printf("              examiner's key -> order -> session key (its first "
	       "log line) -> bundle;\n              anyone who saw the order "
	       "or a bundle that followed it could have followed\n"
	       "              it too; program and time are as the log states\n");
}

/* Only of heads that are of this log. */
static void print_head(const struct cart_verdict_head *h)
{
	const struct cart_verdict_stamp *s = &h->stamp;
	char when[CART_CLOCK_TEXT_SIZE];

	if (s->by[0] != '\0') {
		cart_clock_text(s->gen_ns, 0, when);
		printf("Witness       its first %" PRIu64 " lines were there at "
		       "%s: %s,\n              as %s\n", h->size, when,
		       s->anchored ? "anchored by an authority that you named" :
		       "cannot tell by whom", s->by);
	}
	if (h->signer_id[0] != '\0')
		printf("Witness       its first %" PRIu64 " lines were signed "
		       "by key %s, %s\n", h->size, h->signer_id,
		       h->signer_named ? "which you named" :
		       "not checked: you did not name it");
}

static void print_lock(const struct cart_json *o)
{
	const char *mode = cart_json_get_string(o, "lock_mode");
	const char *until = cart_json_get_string(o, "lock_until");
	const char *hold = cart_json_get_string(o, "legal_hold");

	if (mode != NULL && mode[0] == '?')
		printf("lock unknown: %s", mode + 1);
	else
		printf("%s%s%s", mode != NULL ? mode : "not locked",
		       until != NULL ? " until " : "",
		       until != NULL ? until : "");
	if (hold != NULL && hold[0] == '?')
		printf("; legal hold unknown: %s\n", hold + 1);
	else
		printf("; legal hold %s\n", hold != NULL ? hold : "none");
}

static void print_objects(const struct cart_json *list)
{
	const struct cart_json *o = cart_json_first(list);
	const char *version;
	unsigned n = 0;

	for (; o != NULL && n < SHOWN_MAX; o = cart_json_next(o), n++) {
		version = cart_json_get_string(o, "version_id");
		printf("In S3         %s, %s%s: ", cart_json_get_string(o, "name"),
		       version != NULL ? "version " : "no versions",
		       version != NULL ? version : "");
		print_lock(o);
	}
	if (o != NULL)
		printf("              and more of them (--json)\n");
}

static void print_words(const struct cart_verdict *v, size_t n_keys,
			const struct cart_findings *f)
{
	char size[16];
	unsigned i;

	printf("%s\n", v->kind == CART_VERDICT_VALID ? "VALID" :
	       v->kind == CART_VERDICT_INVALID ? "INVALID" : "CANNOT TELL");
	if (v->reason[0] != '\0')
		printf("Because       %s%s%s%s\n", v->reason,
		       v->rule[0] ? " (rule " : "", v->rule,
		       v->rule[0] ? ")" : "");
	if (v->name[0] != '\0')
		printf("Bundle        %s%s%s%s\n", v->name,
		       v->case_id[0] ? ", case " : "", v->case_id,
		       v->extracted ? " (extracted bag: inner seal only)" : "");
	if (v->kind == CART_VERDICT_INVALID) {
		printf("Read up to    byte %" PRIu64 "\n", v->bytes_parsed);
		return;
	}
	cart_text_bytes(v->bytes, size);
	if (!v->bytes_intact && !v->stored_only && !unchecked(v))
		printf("Collection    not sealed: it was interrupted or still "
		       "runs, or its .seal is not here\n"
		       "Next          `crashcart resume FOLDER` goes on and "
		       "seals it; if its host is gone and it is\n"
		       "              in S3, `crashcart salvage s3://...` seals "
		       "what is there\n");
	else if (v->state[0] != '\0')
		printf("Collection    %s\n", strcmp(v->state, "gaps") == 0 ?
		       "sealed with gaps: the log says what is missing and "
		       "why" : strcmp(v->state, "partial") == 0 ?
		       "sealed as partial: how much was to follow is not "
		       "known" : v->state);
	if (v->stored_only)
		printf("Bytes intact  not read here: %s, of which S3 says that "
		       "it holds every part with\n              the length and "
		       "SHA-256 of the seal\n", size);
	else if (unchecked(v))
		printf("Bytes intact  not checked: %s of ciphertext, as an "
		       "unchecked seal says\n", size);
	else if (v->encrypted && !v->opened)
		printf("Bytes intact  %s: %s of ciphertext, unchanged since "
		       "sealing\n", v->bytes_intact ? "yes" : "not sealed",
		       size);
	else
		printf("Bytes intact  %s: %" PRIu64 " members, %" PRIu64
		       " log lines, %s%s\n", v->bytes_intact ? "yes" :
		       "not sealed", v->members, v->lines, size,
		       v->bytes_intact ? ", unchanged since sealing" : "");
	print_signer(v, n_keys);
	for (i = 1; i < v->sessions && i <= 8; i++)
		printf("Note          continued by a further session key from "
		       "log line %" PRIu64 "\n", v->continued_line[i - 1]);
	if (f != NULL)
		print_objects(f->objects);
	if (v->beside > 0)
		printf("Beside it     %zu objects there that are no part of "
		       "it: not looked at\n", v->beside);
	if (v->beside_alike > 0)
		printf("Beside it     %zu with names like its own that are no "
		       "part of it: who put them there?\n", v->beside_alike);
	if (!v->stored_only)
		print_time(v);
	if (v->heads_kept > 0)
		printf("Witness       the log begins as each of the %" PRIu64
		       " heads says that you kept\n", v->heads_kept);
	for (i = 0; i < v->n_heads && v->heads_kept == v->heads_given; i++)
		print_head(&v->head[i]);
	if (v->heads_kept < v->heads_given)
		printf("Witness       heads not checked: the log could not be "
		       "read\n");
	print_order(&v->order);
	if (strcmp(v->signer_kind, "session") == 0)
		printf("What it shows the bytes are unchanged since sealing; "
		       "whoever controlled the\n              host while it "
		       "collected could have chosen them\n");
	if (f != NULL && !v->stored_only && (!v->encrypted || v->opened))
		print_others(v, f);
	if (v->stored_only)
		printf("Not checked   the bytes themselves (AWS's word), and "
		       "all that is inside: bag, log,\n              exhibits, "
		       "time, inner seal (verify without --no-download)\n");
	else if (v->encrypted && !v->opened)
		printf("Not checked   all that is inside: bag, log, exhibits, "
		       "inner seal (--identity FILE)\n");
	else
		printf("Not checked   what the exhibits say; that is the "
		       "examiner's work\n");
}

void cart_verdict_print_all(const struct cart_verdict *v, size_t n_keys,
			    const struct cart_findings *f, bool json)
{
	if (json)
		print_json(v, f);
	else
		print_words(v, n_keys, f);
}

void cart_verdict_print(const struct cart_verdict *v, size_t n_keys, bool json)
{
	cart_verdict_print_all(v, n_keys, NULL, json);
}
