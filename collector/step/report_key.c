/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.key: the answer that a person can read, summary.md, made of what
 * cloudtrail.key and iam.key kept, and ten lines of it for the terminal.  AWS
 * is asked only whether the users and instances that were made are still there.
 * Every text in it is somebody else's: all stand in code spans, where Markdown
 * means nothing, without control characters.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/buf.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "step_support.h"

#define SUMMARY_MAX ((size_t)1 << 20)
#define VALUE_MAX 256			/* bytes of a value that are shown */
#define LINE_SIZE 400
#define ASK_MAX 60			/* of what was made, is it still there? */

struct report {
	struct cart_step_ctx *c;
	const struct cart_json *facts, *made, *followed, *owner;
	const struct cart_json *logs, *proof;	/* or NULL */
	struct cart_buf b;
	struct cart_buf now;		/* lines of what is still there */
	unsigned asked, live_keys, live_instances;
};

/* ---- escaping ------------------------------------------------------------ */

/* Printable, at most max bytes and "..."; a backquote, which would end a code
 * span, is written like what is not printable. */
static void add_within(struct cart_buf *b, const char *s, size_t max)
{
	struct cart_buf t;
	size_t i, n, len = s != NULL ? strlen(s) : 0;

	cart_buf_init(&t, 65536);
	cart_text_escape(s, len < 4096 ? len : 4096, &t);
	n = t.len < max ? t.len : max;
	while (n < t.len && n > 0 && (t.data[n] & 0xc0) == 0x80)
		n--;
	for (i = 0; i < n; i++) {
		if (t.data[i] == '`')
			cart_buf_adds(b, "\\x60");
		else
			cart_buf_addc(b, (char)t.data[i]);
	}
	if (n < t.len)
		cart_buf_adds(b, "...");
	if (t.len == 0)
		cart_buf_addc(b, '-');
	if (!cart_buf_ok(&t))
		b->failed = true;
	cart_buf_clear(&t);
}

static void add_value(struct cart_buf *b, const char *s)
{
	add_within(b, s, VALUE_MAX);
}

static void add_code(struct cart_buf *b, const char *s)
{
	cart_buf_addc(b, '`');
	add_value(b, s);
	cart_buf_addc(b, '`');
}

static int64_t number(const struct cart_json *o, const char *key)
{
	int64_t v = 0;

	return cart_json_i64(cart_json_get(o, key), &v) == 0 ? v : 0;
}

static const char *text(const struct cart_json *o, const char *key)
{
	const char *s = cart_json_get_string(o, key);

	return s != NULL ? s : "";
}

/* " [event `ID`, exhibit `e000012`]": where a line comes from. */
static void add_source(struct cart_buf *b, const struct cart_json *o,
		       const char *event, const char *exhibit)
{
	cart_buf_adds(b, " [event ");
	add_code(b, text(o, event));
	cart_buf_adds(b, ", exhibit ");
	add_code(b, text(o, exhibit));
	cart_buf_adds(b, "]\n");
}

static void add_pair(struct cart_buf *b, const char *label, const char *value)
{
	cart_buf_addf(b, "- %s: ", label);
	add_code(b, value);
	cart_buf_addc(b, '\n');
}

/* ---- the owner ----------------------------------------------------------- */

static const struct cart_json *items(const struct cart_json *group)
{
	return cart_json_first(cart_json_get(group, "items"));
}

/* "`AKIA...` (`Active`), last used ..." for each of a list of credentials. */
static void add_credentials(struct cart_buf *b, const struct cart_json *owner,
			    const char *list, const char *label, const char *id)
{
	const struct cart_json *c = cart_json_get(owner, list);

	if (c == NULL)
		return;
	if (cart_json_type(c) == CART_JSON_NULL) {
		cart_buf_addf(b, "- %s: could not be read\n", label);
		return;
	}
	for (c = cart_json_first(c); c != NULL; c = cart_json_next(c)) {
		cart_buf_addf(b, "- %s ", label);
		add_code(b, text(c, id));
		if (text(c, "Status")[0] != '\0') {
			cart_buf_adds(b, ", status ");
			add_code(b, text(c, "Status"));
		}
		if (text(c, "ServiceName")[0] != '\0') {
			cart_buf_adds(b, ", for ");
			add_code(b, text(c, "ServiceName"));
		}
		if (text(c, "LastUsed")[0] != '\0') {
			cart_buf_adds(b, ", last used ");
			add_code(b, text(c, "LastUsed"));
			cart_buf_adds(b, " for ");
			add_code(b, text(c, "Service"));
			cart_buf_adds(b, " in ");
			add_code(b, text(c, "Region"));
		}
		cart_buf_addc(b, '\n');
	}
}

static void add_owner(struct report *r)
{
	struct cart_buf *b = &r->b;
	const struct cart_json *o = r->owner, *p;

	cart_buf_adds(b, "\n## Whose key it is\n\n");
	add_pair(b, "account of the key", text(o, "account"));
	cart_buf_addf(b, "- the account that these credentials are of: %s\n",
		      cart_json_get(o, "ours") == NULL ? "not known whether" :
		      cart_json_bool(cart_json_get(o, "ours")) ? "yes" : "no");
	if (text(o, "user")[0] != '\0')
		add_pair(b, "IAM user", text(o, "user"));
	if (text(o, "role")[0] != '\0')
		add_pair(b, "IAM role", text(o, "role"));
	if (text(o, "user")[0] == '\0' && text(o, "role")[0] == '\0')
		cart_buf_adds(b, "- owner: unknown\n");
	add_pair(b, "kind of principal in its events", text(r->facts, "type"));
	add_pair(b, "known by", text(o, "how"));
	if (cart_json_bool(cart_json_get(o, "gone")))
		cart_buf_adds(b, "- it does not exist any more\n");
	if (text(o, "console")[0] != '\0')
		add_pair(b, "console password", text(o, "console"));
	add_credentials(b, o, "keys", "access key", "AccessKeyId");
	add_credentials(b, o, "ssh", "SSH key", "SSHPublicKeyId");
	add_credentials(b, o, "credentials", "service credential",
			"ServiceSpecificCredentialId");
	add_credentials(b, o, "certificates", "signing certificate",
			"CertificateId");
	add_credentials(b, o, "mfa", "MFA device", "SerialNumber");
	cart_buf_adds(b, "\n## What it may do\n\n");
	p = cart_json_first(cart_json_get(o, "policies"));
	if (p == NULL)
		cart_buf_adds(b, "- no policy was found\n");
	for (; p != NULL; p = cart_json_next(p)) {
		cart_buf_adds(b, "- policy ");
		add_code(b, text(p, "name"));
		cart_buf_adds(b, ", ");
		add_code(b, text(p, "how"));
		if (number(p, "versions") > 0)
			cart_buf_addf(b, ", %" PRId64 " versions kept",
				      number(p, "versions"));
		cart_buf_addc(b, '\n');
	}
}

/* ---- what it did --------------------------------------------------------- */

static void add_events(struct cart_buf *b, const char *label,
		       const struct cart_json *t)
{
	cart_buf_addf(b, "- %s: %" PRId64 " events, %" PRId64 " of them "
		      "failed\n", label, number(t, "events"),
		      number(t, "errors"));
	if (number(t, "events") == 0)
		return;
	cart_buf_addf(b, "- %s, first: ", label);
	add_code(b, text(t, "first_time"));
	add_source(b, t, "first_event", "first_exhibit");
	cart_buf_addf(b, "- %s, last: ", label);
	add_code(b, text(t, "last_time"));
	add_source(b, t, "last_event", "last_exhibit");
}

static void add_counts(struct cart_buf *b, const char *title,
		       const char *label, const struct cart_json *group)
{
	const struct cart_json *i = items(group);

	cart_buf_addf(b, "\n### %s\n\n", title);
	if (i == NULL)
		cart_buf_adds(b, "- none\n");
	for (; i != NULL; i = cart_json_next(i)) {
		cart_buf_addf(b, "- %s ", label);
		add_code(b, text(i, "text"));
		cart_buf_addf(b, ": %" PRId64 " events, %" PRId64 " failed, ",
			      number(i, "events"), number(i, "errors"));
		add_code(b, text(i, "first"));
		cart_buf_adds(b, " to ");
		add_code(b, text(i, "last"));
		add_source(b, i, "event", "exhibit");
	}
	if (number(group, "more") > 0)
		cart_buf_addf(b, "- and %" PRId64 " more: see timeline.ndjson\n",
			      number(group, "more"));
}

static void add_made(struct report *r)
{
	struct cart_buf *b = &r->b;
	const struct cart_json *m = items(r->made);

	cart_buf_adds(b, "\n## What it made and changed\n\n"
		      "Of calls that succeeded. Generation 0: by the key and "
		      "its sessions; 1: by what those made.\n\n");
	if (m == NULL)
		cart_buf_adds(b, "- nothing that this report knows of\n");
	for (; m != NULL; m = cart_json_next(m)) {
		cart_buf_addf(b, "- %s ", text(m, "what"));
		add_code(b, text(m, "id"));
		if (text(m, "detail")[0] != '\0') {
			cart_buf_adds(b, " (");
			add_code(b, text(m, "detail"));
			cart_buf_addc(b, ')');
		}
		cart_buf_adds(b, " in ");
		add_code(b, text(m, "region"));
		cart_buf_adds(b, " at ");
		add_code(b, text(m, "time"));
		cart_buf_adds(b, " by ");
		add_code(b, text(m, "by"));
		cart_buf_addf(b, ", generation %" PRId64, number(m, "generation"));
		add_source(b, m, "event", "exhibit");
	}
	if (number(r->made, "more") > 0)
		cart_buf_addf(b, "- and %" PRId64 " more: see timeline.ndjson\n",
			      number(r->made, "more"));
}

static void add_followed(struct report *r)
{
	struct cart_buf *b = &r->b;
	const struct cart_json *f = items(r->followed);

	cart_buf_adds(b, "\n## Sessions, and what was made, followed\n\n");
	if (f == NULL)
		cart_buf_adds(b, "- nothing to follow\n");
	for (; f != NULL; f = cart_json_next(f)) {
		cart_buf_addf(b, "- %s ", text(f, "kind"));
		add_code(b, text(f, "id"));
		if (text(f, "role")[0] != '\0') {
			cart_buf_adds(b, " of role ");
			add_code(b, text(f, "role"));
			cart_buf_adds(b, " in account ");
			add_code(b, text(f, "account"));
		}
		cart_buf_adds(b, " by ");
		add_code(b, text(f, "by"));
		cart_buf_addf(b, ", generation %" PRId64 ": %" PRId64
			      " events, %" PRId64 " failed",
			      number(f, "generation"), number(f, "events"),
			      number(f, "errors"));
		if (number(f, "events") > 0) {
			cart_buf_adds(b, ", ");
			add_code(b, text(f, "first_time"));
			cart_buf_adds(b, " to ");
			add_code(b, text(f, "last_time"));
		}
		add_source(b, f, "made_event", "made_exhibit");
	}
	if (number(r->followed, "more") > 0)
		cart_buf_addf(b, "- and %" PRId64 " more: see timeline.ndjson\n",
			      number(r->followed, "more"));
}

/* ---- what trails delivered ------------------------------------------------ */

static void add_only(struct cart_buf *b, const struct cart_json *logs,
		     const char *where)
{
	const struct cart_json *c = cart_json_first(cart_json_get(logs, "calls"));
	const char *kind;

	for (; c != NULL; c = cart_json_next(c)) {
		kind = text(c, "kind");
		cart_buf_addf(b, "- in %s, %s: call ", where,
			      strcmp(kind, "data") == 0 ? "data event" :
			      strcmp(kind, "elsewhere") == 0 ?
			      "another account's" : "other");
		add_code(b, text(c, "text"));
		cart_buf_addf(b, ": %" PRId64 " events, ", number(c, "events"));
		add_code(b, text(c, "first"));
		cart_buf_adds(b, " to ");
		add_code(b, text(c, "last"));
		add_source(b, c, "event", "exhibit");
	}
	if (number(logs, "more") > 0)
		cart_buf_addf(b, "- in %s: %" PRId64 " events of more calls, "
			      "see the index\n", where, number(logs, "more"));
	c = cart_json_first(cart_json_get(logs, "missing_first"));
	for (; c != NULL; c = cart_json_next(c)) {
		cart_buf_adds(b, "- in the event history alone: ");
		add_code(b, cart_json_string(c));
		cart_buf_addc(b, '\n');
	}
}

/* What is in logs that nothing signed vouches for: apart, never among those
 * that are proven. */
static void add_apart(struct report *r, const char *key, const char *which,
		      const char *mark, const char *where)
{
	const struct cart_json *u = cart_json_get(r->proof, key);

	if (number(u, "logs") == 0)
		return;
	cart_buf_addf(&r->b, "- apart, %" PRId64 " logs with %" PRId64 " more "
		      "events by them, that %s: %s\n", number(u, "logs"),
		      number(u, "events"), which, mark);
	add_only(&r->b, u, where);
}

static void add_logs(struct report *r)
{
	const struct cart_json *l = r->logs, *a, *n;
	struct cart_buf *b = &r->b;

	cart_buf_adds(b, "\n## The logs that trails delivered\n\n");
	if (l == NULL) {
		cart_buf_adds(b, "- they were not read\n");
		return;
	}
	cart_buf_addf(b, "- read: %" PRId64 " objects, %" PRId64 " bytes, %"
		      PRId64 " not to be had; ", number(l, "objects"),
		      number(l, "bytes"), number(l, "failed"));
	add_code(b, text(l, "start"));
	cart_buf_adds(b, " to ");
	add_code(b, text(l, "end"));
	cart_buf_adds(b, ", asked at ");
	add_code(b, text(l, "asked"));
	cart_buf_adds(b, ". Of other times: collect again with `-p "
		      "logs_start=-90d`\n");
	if (number(l, "had") > 0)
		cart_buf_addf(b, "- and %" PRId64 " that were kept before an "
			      "interruption\n", number(l, "had"));
	a = cart_json_first(cart_json_get(l, "accounts"));
	for (; a != NULL; a = cart_json_next(a)) {
		cart_buf_adds(b, "- of account ");
		add_code(b, cart_json_string(a));
		cart_buf_addc(b, '\n');
	}
	if (number(l, "objects") + number(l, "had") == 0) {
		cart_buf_adds(b, "- no trail delivers any that can be read\n");
		return;
	}
	if (!cart_json_bool(cart_json_get(l, "compared"))) {
		cart_buf_adds(b, "- not compared with the event history: this "
			      "run went on after an interruption\n");
		return;
	}
	n = cart_json_get(r->proof, "named");
	if (n != NULL)
		l = n;
	else
		cart_buf_adds(b, "- whether digests name these logs is not "
			      "known: nothing proves that CloudTrail wrote "
			      "them\n");
	cart_buf_addf(b, "- by the key, its sessions and the keys that it made: "
		      "%" PRId64 " events in the logs\n- not in the event "
		      "history: %" PRId64 " data events, %" PRId64
		      " of other accounts, %" PRId64 " others\n- in the event "
		      "history and not in the logs: %" PRId64 "; and %" PRId64
		      " of the last hour, which may come\n",
		      number(l, "events"), number(l, "data"),
		      number(l, "elsewhere"), number(l, "other"),
		      number(l, "missing"), number(l, "late"));
	if (number(r->logs, "unknown") > 0)
		cart_buf_addf(b, "- not compared: %" PRId64 " events, beyond "
			      "what the memory for it holds\n",
			      number(r->logs, "unknown"));
	add_only(b, l, "the logs alone");
	add_apart(r, "not_yet", "are not yet named", "the digest of that "
		  "hour comes later", "logs not yet named");
	add_apart(r, "unnamed", "no valid digest names as they are", "nothing "
		  "proves that CloudTrail wrote them so", "logs that no digest "
		  "proves");
}

static int64_t nth(const struct cart_json *o, const char *key, size_t i)
{
	int64_t v = 0;

	cart_json_i64(cart_json_at(cart_json_get(o, key), i), &v);
	return v;
}

static const char *verdict(const struct cart_json *c)
{
	if (nth(c, "digests", 1) > 0 || nth(c, "logs", 1) > 0)
		return "CHANGED";
	if (nth(c, "digests", 0) == 0)
		return "nothing is proven";
	if (nth(c, "digests", 2) > 0 || nth(c, "logs", 2) > 0)
		return "not all is proven";
	return number(c, "gaps") > 0 ? "uncut but for gaps" : "uncut";
}

static void add_verdicts(struct cart_buf *b, const struct cart_json *c,
			 const char *key)
{
	cart_buf_addf(b, "%s %" PRId64 " valid, %" PRId64 " invalid, %" PRId64
		      " cannot tell", key, nth(c, key, 0), nth(c, key, 1),
		      nth(c, key, 2));
}

static void add_chain(struct cart_buf *b, const struct cart_json *c)
{
	const struct cart_json *g = cart_json_first(cart_json_get(c, "gap"));

	cart_buf_adds(b, "- account ");
	add_code(b, text(c, "account"));
	cart_buf_adds(b, " region ");
	add_code(b, text(c, "region"));
	if (text(c, "trail")[0] != '\0') {
		cart_buf_adds(b, " trail ");
		add_code(b, text(c, "trail"));
	}
	if (nth(c, "digests", 0) + nth(c, "digests", 1) +
	    nth(c, "digests", 2) == 0) {
		cart_buf_adds(b, ": no digests, nothing is proven\n");
		return;
	}
	cart_buf_adds(b, cart_json_get(c, "backfill") != NULL ?
		      " (backfill): " : ": ");
	cart_buf_adds(b, verdict(c));
	if (text(c, "from")[0] != '\0') {
		cart_buf_adds(b, " from ");
		add_code(b, text(c, "from"));
		cart_buf_adds(b, " to ");
		add_code(b, text(c, "to"));
	}
	cart_buf_adds(b, "; ");
	add_verdicts(b, c, "digests");
	cart_buf_adds(b, "; ");
	add_verdicts(b, c, "logs");
	cart_buf_addf(b, "; %" PRId64 " gaps, %" PRId64 " s",
		      number(c, "gaps"), number(c, "seconds"));
	if (text(c, "pending")[0] != '\0') {
		cart_buf_adds(b, "; not yet provable after ");
		add_code(b, text(c, "pending"));
	}
	cart_buf_addc(b, '\n');
	for (; g != NULL; g = cart_json_next(g)) {
		cart_buf_adds(b, "- - gap of account ");
		add_code(b, text(c, "account"));
		cart_buf_adds(b, " region ");
		add_code(b, text(c, "region"));
		cart_buf_adds(b, ": ");
		add_code(b, text(g, "start"));
		cart_buf_adds(b, " to ");
		add_code(b, text(g, "end"));
		cart_buf_addf(b, ", %" PRId64 " s: ", number(g, "seconds"));
		add_code(b, text(g, "reason"));
		cart_buf_addc(b, '\n');
	}
}

static void add_proof(struct report *r)
{
	const struct cart_json *c;
	struct cart_buf *b = &r->b;

	cart_buf_adds(b, "\n## Whether these logs are whole\n\nBy the digests "
		      "that CloudTrail signed, and the public keys that AWS "
		      "gave for them. Uncut: every digest and every log that they "
		      "name is there and valid, no time is missing. `crashcart "
		      "verify` says the same again, from the bundle alone, of "
		      "the digests and of the logs that it holds; it cannot "
		      "repeat which regions have no digests, which logs no "
		      "digest names, and what was said of logs that were only "
		      "fetched again to check them: ");
	cart_buf_addf(b, "%" PRId64 ".\n\n", number(r->proof, "fetched"));
	if (cart_json_get(r->proof, "unlisted") != NULL)
		cart_buf_adds(b, "- the regions that are enabled are not known: "
			      "regions without any digest are not counted\n");
	c = cart_json_first(cart_json_get(r->proof, "chains"));
	if (c == NULL)
		cart_buf_adds(b, "- no digests: nothing is proven\n");
	for (; c != NULL; c = cart_json_next(c))
		add_chain(b, c);
	if (number(r->proof, "more") > 0)
		cart_buf_addf(b, "- and %" PRId64 " more: see "
			      "cloudtrail-verdicts.ndjson\n",
			      number(r->proof, "more"));
}

/* "proven uncut in 34 of 36 regions of accounts, ...; no digests in 2: ..." */
static void tell_proof(const struct cart_json *p, struct cart_buf *line)
{
	const struct cart_json *a = cart_json_first(cart_json_get(p, "absent"));
	int64_t none = number(p, "none"), n = 0;

	cart_buf_addf(line, "proven uncut in %" PRId64 " of %" PRId64
		      " regions of accounts", number(p, "whole"),
		      number(p, "regions"));
	if (text(p, "to")[0] != '\0')
		cart_buf_addf(line, ", %.20s to %.20s", text(p, "start"),
			      text(p, "to"));
	if (text(p, "pending")[0] != '\0')
		cart_buf_addf(line, ", not yet provable after %.20s",
			      text(p, "pending"));
	if (none > 0)
		cart_buf_addf(line, "; no digests in %" PRId64 ":", none);
	for (; a != NULL && n < 3; a = cart_json_next(a), n++)
		cart_buf_addf(line, "%s %.40s", n > 0 ? "," : "",
			      cart_json_string(a));
	cart_buf_addf(line, "%s; %" PRId64 " invalid, %" PRId64 " gaps, %"
		      PRId64 " s", none > n ? " and more" : "",
		      nth(p, "digests", 1) + nth(p, "logs", 1),
		      number(p, "gaps"), number(p, "seconds"));
}

static void tell_logs(const struct report *r, struct cart_buf *line)
{
	const struct cart_json *n = cart_json_get(r->proof, "named");
	const struct cart_json *l = r->logs;
	int64_t apart = number(cart_json_get(r->proof, "unnamed"), "events");

	cart_buf_adds(line, "logs      ");
	if (number(l, "objects") == 0 && number(r->proof, "regions") == 0) {
		cart_buf_adds(line, "none that a trail delivered could be read: "
			      "nothing proves that the history is whole");
		return;
	}
	if (number(r->proof, "regions") == 0)
		cart_buf_adds(line, "no digests: nothing proves them whole");
	else
		tell_proof(r->proof, line);
	if (!cart_json_bool(cart_json_get(l, "compared")))
		return;
	if (apart > 0)
		cart_buf_addf(line, "; UNPROVEN %" PRId64 " events, in logs "
			      "that no digest proves", apart);
	apart = number(cart_json_get(r->proof, "not_yet"), "events");
	if (apart > 0)
		cart_buf_addf(line, "; %" PRId64 " in logs not yet named",
			      apart);
	l = n != NULL ? n : l;
	cart_buf_addf(line, "; in %s alone %" PRId64 " data events, %" PRId64
		      " others; in the history alone %" PRId64,
		      n != NULL ? "them" : "unproven logs", number(l, "data"),
		      number(l, "elsewhere") + number(l, "other"),
		      number(l, "missing"));
}

static void add_limits(struct report *r)
{
	struct cart_buf *b = &r->b;
	const struct cart_json *m;

	cart_buf_adds(b, "\n## What could not be seen\n\n"
		      "- data events (objects in S3, invocations of functions, "
		      "items of tables): they are not in the event history; "
		      "only a trail that records them has them\n"
		      "- what was done more than 90 days ago, and in the last "
		      "15 minutes\n"
		      "- regions that the account has not enabled\n");
	for (m = items(r->followed); m != NULL; m = cart_json_next(m)) {
		if (text(m, "account")[0] == '\0' ||
		    strcmp(text(m, "account"), r->c->account) == 0)
			continue;
		cart_buf_adds(b, "- what session ");
		add_code(b, text(m, "id"));
		cart_buf_adds(b, " did in account ");
		add_code(b, text(m, "account"));
		cart_buf_adds(b, ": collect there too\n");
	}
	m = cart_json_first(cart_json_get(r->facts, "regions_failed"));
	for (; m != NULL; m = cart_json_next(m)) {
		cart_buf_adds(b, "- some or all events of region ");
		add_code(b, cart_json_string(m));
		cart_buf_addc(b, '\n');
	}
	if (number(r->facts, "unread") > 0)
		cart_buf_addf(b, "- %" PRId64 " events that are not as "
			      "CloudTrail writes them\n",
			      number(r->facts, "unread"));
	m = cart_json_first(cart_json_get(r->owner, "missing"));
	for (; m != NULL; m = cart_json_next(m)) {
		cart_buf_adds(b, "- ");
		add_code(b, cart_json_string(m));
		cart_buf_addc(b, '\n');
	}
}

/* Only what looks like a key gets into a command. */
static bool is_key(const char *id)
{
	return strlen(id) == 20 &&
		(strncmp(id, "AKIA", 4) == 0 || strncmp(id, "ASIA", 4) == 0) &&
		strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == 20;
}

static void add_next(struct report *r)
{
	static const char command[] =
		"`crashcart collect compromised-key -p access_key_id=";
	const struct cart_json *m = items(r->made);
	const char *key = text(r->facts, "key"), *id;
	struct cart_buf *b = &r->b;
	bool any = false;

	cart_buf_adds(b, "\n## Next\n\n");
	if (cart_json_bool(cart_json_get(r->owner, "ours")) && is_key(key))
		cart_buf_addf(b, "- to stop it, unless this run was to: %s%s "
			      "--allow containment`; the way back is the "
			      "manifest release-key, by what that run writes "
			      "into containment.json\n", command, key);
	else
		cart_buf_adds(b, "- collect with credentials of the account "
			      "that the key is of: it can be stopped only "
			      "there\n");
	for (; m != NULL; m = cart_json_next(m)) {
		id = text(m, "id");
		if (strcmp(text(m, "what"), "created access key") != 0 ||
		    strncmp(id, "AKIA", 4) != 0 || !is_key(id))
			continue;
		if (!any)
			cart_buf_adds(b, "- keys that it made are keys of "
				      "others to whom the same happened, and "
				      "live on when it is stopped:\n");
		any = true;
		cart_buf_addf(b, "- - %s%s`\n", command, id);
	}
}

/* ---- what is still there ------------------------------------------------- */

static void now_keys(struct report *r, const struct cart_json *view)
{
	const struct cart_json *k;

	k = cart_json_first(cart_json_get(view, "AccessKeyMetadata"));
	for (; k != NULL; k = cart_json_next(k)) {
		cart_buf_adds(&r->now, ", access key ");
		add_code(&r->now, text(k, "AccessKeyId"));
		cart_buf_addc(&r->now, ' ');
		add_code(&r->now, text(k, "Status"));
		r->live_keys += strcmp(text(k, "Status"), "Active") == 0;
	}
}

static void now_instance(struct report *r, const struct cart_json *view)
{
	const struct cart_json *i;

	i = cart_json_at(cart_json_get(view, "Reservations"), 0);
	i = cart_json_at(cart_json_get(i, "Instances"), 0);
	i = cart_json_get(i, "State");
	cart_buf_addc(&r->now, ' ');
	add_code(&r->now, text(i, "Name"));
	r->live_instances += strcmp(text(i, "Name"), "running") == 0 ||
		strcmp(text(i, "Name"), "pending") == 0;
}

/* One thing: 0, or -1 when the run is to stop. */
static int look_at(struct report *r, const struct cart_json *m, bool user,
		   struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	int rc;

	call.call.service = user ? "iam" : "ec2";
	call.call.operation = user ? "ListAccessKeys" : "DescribeInstances";
	call.call.input = input;
	if (user) {
		cart_json_add(input, "UserName",
			      cart_json_new_string(text(m, "id")));
	} else {
		call.call.region = text(m, "region");
		cart_json_append(cart_json_add(input, "InstanceIds",
					       cart_json_new_array()),
				 cart_json_new_string(text(m, "id")));
	}
	cart_buf_addf(&r->now, "- %s ", user ? "user" : "instance");
	add_code(&r->now, text(m, "id"));
	rc = r->c->ops->call(r->c, &call, &reply, err);
	if (rc == 0) {
		cart_buf_adds(&r->now, ":");
		if (user)
			cart_buf_adds(&r->now, " is there");
		(user ? now_keys : now_instance)(r, reply.aws.view);
	} else if (strcmp(reply.aws.error_code, "NoSuchEntity") == 0 ||
		   strcmp(reply.aws.error_code,
			  "InvalidInstanceID.NotFound") == 0) {
		cart_buf_adds(&r->now, ": is gone");
		rc = 0;
	} else if (err->class != CART_ERR_CANCELLED) {
		cart_buf_adds(&r->now, ": could not be asked");
		cart_step_gap_call(r->c, &reply, "the state now of what the "
				   "key made", err);
		rc = 0;
	}
	cart_buf_adds(&r->now, " [exhibit ");
	add_code(&r->now, reply.view_exhibit);
	cart_buf_adds(&r->now, "]\n");
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

static int look_now(struct report *r, struct cart_err *err)
{
	const struct cart_json *m = items(r->made);

	for (; m != NULL; m = cart_json_next(m)) {
		bool user = strcmp(text(m, "what"), "created IAM user") == 0;

		if (!user && strcmp(text(m, "what"), "started instance") != 0)
			continue;
		if (r->asked++ == ASK_MAX) {
			cart_step_gap(r->c, "the state now of what the key made",
				      "limit", "60 users and instances are "
				      "asked for");
			break;
		}
		if (look_at(r, m, user, err) < 0)
			return -1;
	}
	cart_err_clear(err);
	return 0;
}

/* ---- ten lines ----------------------------------------------------------- */

static void tell(struct report *r, struct cart_buf *line)
{
	char memory[LINE_SIZE + 8];
	struct cart_buf out;

	cart_buf_init_fixed(&out, memory, sizeof(memory));
	add_within(&out, (const char *)line->data, LINE_SIZE);
	r->c->ops->tell(r->c, memory);
	/* in a code span: parts of it are the attacker's */
	cart_buf_adds(&r->b, "- `");
	cart_buf_add(&r->b, out.data, out.len);
	cart_buf_adds(&r->b, "`\n");
	cart_buf_reset(line);
}

static void list_some(struct cart_buf *line, const struct cart_json *group,
		      unsigned most)
{
	const struct cart_json *i = items(group);
	unsigned n = 0;

	for (; i != NULL && n < most; i = cart_json_next(i), n++) {
		cart_buf_adds(line, n > 0 ? ", " : "");
		add_value(line, text(i, "text"));
		cart_buf_addf(line, " (%" PRId64 ")", number(i, "events"));
	}
	if (n == 0)
		cart_buf_adds(line, "none");
	if (i != NULL || number(group, "more") > 0)
		cart_buf_adds(line, " and more");
}

static unsigned active(const struct cart_json *owner, const char *list)
{
	const struct cart_json *c = cart_json_first(cart_json_get(owner, list));
	unsigned n = 0;

	for (; c != NULL; c = cart_json_next(c))
		n += strcmp(text(c, "Status"), "Active") == 0;
	return n;
}

struct made_kind {
	const char *what;
	unsigned n;
};

/* "2 x created IAM user, ..." in the order in which they first came. */
static void list_made(struct cart_buf *line, const struct cart_json *made)
{
	struct made_kind kinds[12] = { { 0 } };
	const struct cart_json *m = items(made);
	size_t n = 0, i;
	unsigned others = 0;

	for (; m != NULL; m = cart_json_next(m)) {
		for (i = 0; i < n; i++) {
			if (strcmp(kinds[i].what, text(m, "what")) == 0)
				break;
		}
		if (i == sizeof(kinds) / sizeof(kinds[0])) {
			others++;
			continue;
		}
		if (i == n)
			kinds[n++].what = text(m, "what");
		kinds[i].n++;
	}
	if (n == 0)
		cart_buf_adds(line, "nothing that this report knows of");
	for (i = 0; i < n; i++)
		cart_buf_addf(line, "%s%s %u", i > 0 ? ", " : "", kinds[i].what,
			      kinds[i].n);
	if (others > 0 || number(made, "more") > 0)
		cart_buf_addf(line, ", others %" PRId64,
			      (int64_t)others + number(made, "more"));
}

static void tell_owner(struct report *r, struct cart_buf *line)
{
	const struct cart_json *o = r->owner;
	const struct cart_json *ours = cart_json_get(o, "ours");

	cart_buf_adds(line, "key       ");
	add_value(line, text(r->facts, "key"));
	cart_buf_adds(line, " of account ");
	add_value(line, text(o, "account"));
	cart_buf_adds(line, ours == NULL ? "" : cart_json_bool(ours) ?
		      " (ours)" : " (NOT the account of these credentials)");
	tell(r, line);
	cart_buf_adds(line, "owner     ");
	if (text(o, "user")[0] != '\0') {
		cart_buf_adds(line, "IAM user ");
		add_value(line, text(o, "user"));
	} else if (text(o, "role")[0] != '\0') {
		cart_buf_adds(line, "IAM role ");
		add_value(line, text(o, "role"));
	} else {
		cart_buf_adds(line, "unknown");
	}
	cart_buf_addf(line, ", %zu policies apply", cart_json_size(
		      cart_json_get(o, "policies")));
	tell(r, line);
}

static void tell_active(struct report *r, struct cart_buf *line)
{
	const struct cart_json *o = r->owner, *f;
	unsigned sessions = 0;

	for (f = items(r->followed); f != NULL; f = cart_json_next(f))
		sessions += strcmp(text(f, "kind"), "session") == 0 &&
			number(f, "generation") == 0;
	cart_buf_adds(line, "sessions  ");
	cart_buf_addf(line, "%u opened by it; %" PRId64 " events, %" PRId64
		      " failed", sessions,
		      number(cart_json_get(r->facts, "sessions"), "events"),
		      number(cart_json_get(r->facts, "sessions"), "errors"));
	tell(r, line);
	cart_buf_adds(line, "active    ");
	if (text(o, "user")[0] == '\0')
		cart_buf_adds(line, "no user: sessions live until they expire, "
			      "or are denied");
	else
		cart_buf_addf(line, "%u access keys, console password: %s, %u "
			      "SSH keys, %u service credentials, %u "
			      "certificates", active(o, "keys"),
			      text(o, "console")[0] ? text(o, "console") :
			      "unknown", active(o, "ssh"),
			      active(o, "credentials"),
			      active(o, "certificates"));
	if (r->asked > 0)
		cart_buf_addf(line, "; of what it made: %u access keys, %u "
			      "instances", r->live_keys, r->live_instances);
	tell(r, line);
}

static void tell_all(struct report *r)
{
	const struct cart_json *t = cart_json_get(r->facts, "all");
	struct cart_buf line;

	cart_buf_init(&line, 65536);
	tell_owner(r, &line);
	cart_buf_addf(&line, "did       %" PRId64 " events, %" PRId64
		      " failed: ", number(t, "events"), number(t, "errors"));
	list_some(&line, cart_json_get(r->facts, "calls"), 5);
	tell(r, &line);
	cart_buf_adds(&line, "made      ");
	list_made(&line, r->made);
	tell(r, &line);
	cart_buf_adds(&line, "from      ");
	list_some(&line, cart_json_get(r->facts, "addresses"), 4);
	tell(r, &line);
	cart_buf_adds(&line, "when      ");
	if (number(t, "events") > 0) {
		add_value(&line, text(t, "first_time"));
		cart_buf_adds(&line, " to ");
		add_value(&line, text(t, "last_time"));
		cart_buf_adds(&line, ", ");
	}
	list_some(&line, cart_json_get(r->facts, "by_region"), 6);
	tell(r, &line);
	tell_active(r, &line);
	tell_logs(r, &line);
	tell(r, &line);
	cart_buf_addf(&line, "not seen  data events, older than 90 days, the "
		      "last 15 minutes; %zu regions, %zu things that were "
		      "refused",
		      cart_json_size(cart_json_get(r->facts, "regions_failed")),
		      cart_json_size(cart_json_get(r->owner, "missing")));
	tell(r, &line);
	if (!cart_buf_ok(&line))
		r->b.failed = true;
	cart_buf_clear(&line);
}

/* ---- the step ------------------------------------------------------------ */

static int write_summary(struct report *r, struct cart_err *err)
{
	struct cart_exhibit_info info = {
		.name = "summary.md", .slug = "summary.md",
		.media = "text/markdown", .repeatable = true,
		.note = "derived: from the events and the IAM state that the "
			"lines name"
	};
	const char *from[2] = { text(r->facts, "timeline"), NULL };
	struct cart_buf *b = &r->b;

	cart_buf_adds(b, "# Access key ");
	add_code(b, text(r->facts, "key"));
	cart_buf_adds(b, "\n\nDerived from CloudTrail's event history of ");
	cart_buf_addf(b, "%" PRId64 " regions, ", number(r->facts, "regions"));
	add_code(b, text(r->facts, "from"));
	cart_buf_adds(b, " to ");
	add_code(b, text(r->facts, "to"));
	cart_buf_adds(b, ", and from IAM. Each line names the event and the "
		      "exhibit of this bundle that it comes from; all events "
		      "are in timeline.ndjson, exhibit ");
	add_code(b, from[0]);
	cart_buf_adds(b, ". Texts in code spans are as AWS gave them: some are "
		      "the attacker's.\n\n## In short\n\n");
	tell_all(r);
	add_owner(r);
	cart_buf_adds(b, "\n## What it did\n\n");
	add_events(b, "key and sessions", cart_json_get(r->facts, "all"));
	add_events(b, "the key itself", cart_json_get(r->facts, "own"));
	add_events(b, "its sessions", cart_json_get(r->facts, "sessions"));
	add_made(r);
	add_followed(r);
	cart_buf_adds(b, "\n## Of the users and instances that it made, now\n\n");
	if (r->now.len > 0)
		cart_buf_add(b, r->now.data, r->now.len);
	else
		cart_buf_adds(b, "- there are none\n");
	cart_buf_adds(b, "\n## From where, with what\n");
	add_counts(b, "Addresses", "address",
		   cart_json_get(r->facts, "addresses"));
	add_counts(b, "Programs", "agent", cart_json_get(r->facts, "agents"));
	add_counts(b, "Regions", "region",
		   cart_json_get(r->facts, "by_region"));
	add_counts(b, "Calls", "call", cart_json_get(r->facts, "calls"));
	add_counts(b, "Errors", "error", cart_json_get(r->facts, "errors_by"));
	add_counts(b, "Identities", "identity",
		   cart_json_get(r->facts, "who"));
	add_logs(r);
	add_proof(r);
	add_limits(r);
	add_next(r);
	if (cart_buf_check(b, "summary", err) < 0)
		return -1;
	info.derived_from = from[0][0] != '\0' ? from : NULL;
	return r->c->ops->put(r->c, &info, b->data, b->len, NULL, err);
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct report r = { .c = c };
	int rc;

	r.facts = cart_json_get(c->with, "facts");
	r.made = cart_json_get(c->with, "made");
	r.followed = cart_json_get(c->with, "followed");
	r.owner = cart_json_get(c->with, "owner");
	r.logs = cart_json_get(c->with, "logs");
	r.proof = cart_json_get(c->with, "proof");
	cart_buf_init(&r.b, SUMMARY_MAX);
	cart_buf_init(&r.now, SUMMARY_MAX);
	rc = look_now(&r, err);
	if (rc == 0)
		rc = cart_buf_check(&r.now, "summary", err);
	if (rc == 0)
		rc = write_summary(&r, err);
	if (rc == 0)
		c->ops->tell(c, "more      in summary.md, and what to do next: "
			     "`crashcart extract` writes it out");
	cart_buf_clear(&r.b);
	cart_buf_clear(&r.now);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "iam:ListAccessKeys", false, "of users that were made");
	emit(arg, "ec2:DescribeInstances", false, "that were started");
}

static const struct cart_param params[] = {
	{ "facts", CART_PARAM_OBJECT, true, NULL,
	  "${X.facts} of a cloudtrail.key." },
	{ "made", CART_PARAM_OBJECT, true, NULL,
	  "${X.made} of a cloudtrail.key." },
	{ "followed", CART_PARAM_OBJECT, true, NULL,
	  "${X.followed} of a cloudtrail.key." },
	{ "owner", CART_PARAM_OBJECT, true, NULL, "${X.facts} of an iam.key." },
	{ "logs", CART_PARAM_OBJECT, false, NULL,
	  "${X.facts} of a cloudtrail.logs." },
	{ "proof", CART_PARAM_OBJECT, false, NULL,
	  "${X.facts} of a cloudtrail.digests." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_report_key = {
	.name = "report.key",
	.summary = "Write what a person wants to know of an access key.",
	.where = CART_STEP_AWS,
	.params = params,
	.plan = plan,
	.run = run,
};
