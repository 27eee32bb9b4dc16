/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page that `crashcart report` writes: HTML without script, readable on
 * paper and on a phone.  Everything from the bundle is escaped.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/json.h"
#include "crashcart/text.h"
#include "crashcart/version.h"
#include "report_data.h"

static const char head[] =
"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
"style-src 'unsafe-inline'\">\n"
"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
"<style>\n"
"body{font:16px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff;"
"max-width:60rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}\n"
"h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}"
"h2{font-size:1.2rem;margin:2rem 0 .5rem}"
"h3{font-size:1rem;margin:1.2rem 0 .4rem}\n"
"table{border-collapse:collapse;width:100%;font-size:.9375rem}"
"th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;"
"border-bottom:1px solid #c9d1d9}.w td,.w th{min-width:4.5rem}"
"td.n,th.n{text-align:right;white-space:nowrap}.f th{width:14rem}\n"
".v{padding:.25rem 1rem .5rem;border:3px solid;border-radius:.5rem;"
"margin:1rem 0}.v strong{font-size:1.5rem}"
".valid{background:#eefbf1;border-color:#116329}"
".invalid{background:#fff0f0;border-color:#a40e26}"
".unknown{background:#fff8e6;border-color:#8a5a00}"
".valid strong{color:#116329}.invalid strong{color:#a40e26}"
".unknown strong{color:#8a5a00}\n"
"code,pre{font:.875rem/1.4 ui-monospace,monospace}"
"pre{white-space:pre-wrap;background:#f6f8fa;padding:.75rem}"
".bad{color:#a40e26;font-weight:600}ol li{margin:.5rem 0}.s{break-before:page}\n"
".w{overflow-x:auto}svg{width:100%;min-width:44rem;height:auto;"
"font:11px system-ui,sans-serif;fill:#1b1f24}"
"svg .h{font-weight:600}svg .e{fill:#1f5fa8}svg .o{fill:#8c959f}"
"svg .c{fill:#bc4c00}svg .a{stroke:#d8dee4;stroke-width:1}\n"
"@media(max-width:40rem){.f,.f tbody,.f tr,.f th,.f td{display:block;"
"width:auto}.f th{border:0;padding-bottom:0}.f td{padding-top:0}}\n"
"@media print{body{max-width:none;padding:0;font-size:10pt}"
"h2,h3{break-after:avoid}tr,.v,svg{break-inside:avoid}"
"svg{min-width:0}.w{overflow:visible}}\n</style>\n";

static const char *get(const struct cart_json *j, const char *key)
{
	const char *s = cart_json_get_string(j, key);

	return s != NULL ? s : "";
}

static void row(struct cart_buf *b, const char *label, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	cart_buf_addf(b, "<tr><th>%s</th><td>", label);
	cart_report_text(b, value);
	cart_buf_adds(b, "</td></tr>\n");
}

/* ---- the parts of the page ----------------------------------------------- */

static void add_time(struct cart_buf *b, const struct cart_verdict *v)
{
	const struct cart_verdict_stamp *s;
	char when[CART_CLOCK_TEXT_SIZE];
	size_t i;

	for (i = 0; i < v->n_stamps; i++) {
		s = &v->stamp[i];
		cart_clock_text(s->gen_ns, 0, when);
		if (s->error[0] != '\0')
			cart_buf_adds(b, "<br>\nNo time stamp from ");
		else
			cart_buf_addf(b, "<br>\nThe seal existed at %s, says ",
				      when);
		cart_report_text(b, s->error[0] != '\0' ? s->url : s->by);
		if (s->anchored) {
			cart_buf_adds(b, ", an authority that the reader named.");
			continue;
		}
		cart_buf_adds(b, s->error[0] != '\0' ? ": " :
			      "; whether that is a trusted authority is open: ");
		cart_report_text(b, s->error[0] != '\0' ? s->error : s->why_not);
		cart_buf_adds(b, ".");
	}
}

static void add_verdict(struct cart_buf *b, const struct cart_verdict *v,
			size_t n_keys)
{
	bool bad = v->kind == CART_VERDICT_INVALID;

	cart_buf_addf(b, "<div class=\"v %s\"><strong>%s.</strong> ",
		      bad ? "invalid" : v->kind == CART_VERDICT_VALID ? "valid" :
		      "unknown", bad ? "Invalid" : v->kind == CART_VERDICT_VALID ?
		      "Valid" : "Cannot tell");
	cart_report_text(b, v->reason);
	if (bad && v->rule[0] != '\0')
		cart_buf_addf(b, " (rule %s of the format). Do not rely on what "
			      "follows", v->rule);
	cart_buf_adds(b, ".<br>\n");
	if (!bad) {
		cart_buf_addf(b, "Bytes intact since sealing: %s. Signed by key "
			      "<code>%s</code> (%s). Trusted by the reader: %s.",
			      v->bytes_intact ? "yes" : "not known",
			      v->signer_id, v->signer_kind, v->countersigned ?
			      "not that key, but one that counter-signed the seal" :
			      v->signed_ok ? "yes" : n_keys == 0 ?
			      "no key was named" : "no");
		if (v->sessions > 1)
			cart_buf_addf(b, " The run was interrupted and continued "
				      "by %u further session keys.",
				      v->sessions - 1);
		if (strcmp(v->signer_kind, "session") == 0)
			cart_buf_adds(b, "<br>\nA session key's seal proves that "
				"the bytes are unchanged since sealing, not that "
				"the host told the truth.");
	}
	if (!bad)
		add_time(b, v);
	cart_buf_adds(b, "</div>\n");
}

static void add_case(struct cart_buf *b, const struct cart_report *r,
		     const struct cart_verdict *v)
{
	const struct cart_json *s = r->session;
	const struct cart_json *host = cart_json_get(s, "host");

	cart_buf_adds(b, "<h2>Case</h2>\n<table class=\"f\">\n");
	row(b, "Case", v->case_id);
	row(b, "Bundle", v->name);
	row(b, "Collected by", get(s, "operator"));
	row(b, "Authority", get(s, "authority"));
	row(b, "Organization", get(s, "organization"));
	row(b, "Manifest", get(cart_json_get(s, "manifest"), "name"));
	row(b, "Began", r->began);
	row(b, "Ended", r->ended);
	row(b, "On the machine", get(host, "hostname"));
	row(b, "Kernel", get(host, "kernel"));
	cart_buf_adds(b, "</table>\n");
	if (get(s, "authority")[0] == '\0')
		cart_buf_adds(b, "<p>No authority was stated when the collection "
			      "began.</p>\n");
}

static void add_entry(struct cart_buf *b, const struct cart_report_custody *c)
{
	static const char *const keys[] = {
		"by", "other", "purpose", "method", "storage", "text",
		"verification"
	};
	static const char *const labels[] = {
		"by", "other side", "purpose", "method", "storage", "note",
		"verification"
	};
	const char *value;
	size_t i;

	cart_buf_adds(b, "<tr><td>");
	cart_report_text(b, get(c->entry, "t"));
	cart_buf_adds(b, "</td><td>");
	cart_report_text(b, get(c->entry, "event"));
	cart_buf_adds(b, "</td><td>");
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		value = get(c->entry, keys[i]);
		if (value[0] == '\0')
			continue;
		cart_buf_addf(b, "%s: ", labels[i]);
		cart_report_text(b, value);
		cart_buf_adds(b, "<br>");
	}
	cart_buf_addf(b, "signed by key %s%s; entry SHA-256 <code>%s</code>"
		      "</td></tr>\n", c->key_id, c->trusted ?
		      ", which the reader named" : "", c->sha256);
}

static void add_custody(struct cart_buf *b, const struct cart_report *r)
{
	size_t i;

	cart_buf_adds(b, "<h2>Custody</h2>\n");
	if (!r->has_custody) {
		cart_buf_adds(b, "<p>No record of hand-overs lies beside the "
			      "bundle.</p>\n");
		return;
	}
	if (r->chain.kind == CART_VERDICT_INVALID) {
		cart_buf_adds(b, "<p class=\"bad\">The record beside the bundle "
			      "does not hold: ");
		cart_report_text(b, r->chain.reason);
		cart_buf_adds(b, ". Do not rely on it.</p>\n");
		return;
	}
	cart_buf_addf(b, "<p>%" PRIu64 " entries, each bound to the one before; "
		      "%" PRIu64 " of them signed by keys that the reader named. "
		      "Compare the SHA-256 of the last with the one that you "
		      "kept.</p>\n", r->chain.entries, r->chain.trusted);
	if (r->chain.open_release) {
		cart_buf_adds(b, "<p>On its way: released by ");
		cart_report_text(b, r->chain.released_by);
		cart_buf_adds(b, " to ");
		cart_report_text(b, r->chain.released_to);
		cart_buf_adds(b, ", and not received yet.</p>\n");
	}
	cart_buf_adds(b, "<div class=\"w\"><table>\n<tr><th>When</th><th>What"
		      "</th><th>Who and how</th></tr>\n");
	for (i = 0; i < r->n_custody; i++)
		add_entry(b, &r->custody[i]);
	cart_buf_adds(b, "</table></div>\n");
	if (r->chain.entries > r->n_custody)
		cart_buf_addf(b, "<p>and %" PRIu64 " more: crashcart custody "
			      "show.</p>\n", r->chain.entries - r->n_custody);
}

static void add_steps(struct cart_buf *b, const struct cart_report *r)
{
	char size[16];
	size_t i;

	cart_buf_addf(b, "<h2>What was collected</h2>\n<p>%" PRIu64 " exhibits, %"
		      PRIu64 " files listed, %" PRIu64 " AWS calls of which %"
		      PRIu64 " were answered with an error.</p>\n"
		      "<div class=\"w\"><table>\n<tr>"
		      "<th>Step</th><th>Outcome</th><th class=\"n\">Exhibits</th>"
		      "<th class=\"n\">Bytes</th><th class=\"n\">Gaps</th></tr>\n",
		      r->exhibits, r->files, r->calls, r->errors);
	for (i = 0; i < r->n_steps; i++) {
		const struct cart_report_step *s = &r->step[i];

		cart_text_bytes(s->bytes, size);
		cart_buf_adds(b, "<tr><td>");
		cart_report_text(b, s->id[0] != '\0' ? s->id : "(the collector itself)");
		cart_buf_addf(b, "</td><td>%s</td><td class=\"n\">%" PRIu64
			      "</td><td class=\"n\">%s</td><td class=\"n\">%"
			      PRIu64 "</td></tr>\n", s->outcome, s->exhibits,
			      size, s->gaps);
	}
	cart_buf_adds(b, "</table></div>\n");
}

static void add_gaps(struct cart_buf *b, const struct cart_report *r)
{
	size_t i;

	cart_buf_adds(b, "<h2>What was not collected, and why</h2>\n");
	if (r->scope[0] != '\0') {
		cart_buf_adds(b, "<p>By its options: ");
		cart_report_text(b, r->scope);
		cart_buf_adds(b, ".</p>\n");
	}
	if (r->gaps == 0) {
		cart_buf_adds(b, "<p>No gap was recorded.</p>\n");
		return;
	}
	cart_buf_adds(b, "<div class=\"w\"><table>\n<tr><th>Step</th><th>What</th><th>Reason</th>"
		      "<th>Detail</th></tr>\n");
	for (i = 0; i < r->n_gaps; i++) {
		cart_buf_adds(b, "<tr><td>");
		cart_report_text(b, get(r->gap[i], "step"));
		cart_buf_adds(b, "</td><td>");
		cart_report_text(b, get(r->gap[i], "what"));
		cart_buf_adds(b, "</td><td>");
		cart_report_text(b, get(r->gap[i], "reason"));
		cart_buf_adds(b, "</td><td>");
		cart_report_text(b, get(r->gap[i], "detail"));
		cart_buf_adds(b, "</td></tr>\n");
	}
	cart_buf_adds(b, "</table></div>\n");
	if (r->gaps > r->n_gaps)
		cart_buf_addf(b, "<p>and %" PRIu64 " more: see the log.</p>\n",
			      r->gaps - r->n_gaps);
}

static void add_changes(struct cart_buf *b, const struct cart_report *r)
{
	const struct cart_json *m;
	size_t i;

	cart_buf_adds(b, "<h2>What the collection changed</h2>\n");
	if (r->n_changes == 0) {
		cart_buf_adds(b, "<p>Nothing.</p>\n");
		return;
	}
	cart_buf_adds(b, "<div class=\"w\"><table>\n<tr><th>When</th><th>Call</th><th>Event</th>"
		      "<th>Made</th><th>Detail</th></tr>\n");
	for (i = 0; i < r->n_changes; i++) {
		const struct cart_json *c = r->change[i];

		cart_buf_adds(b, "<tr><td>");
		cart_report_text(b, get(c, "t"));
		cart_buf_adds(b, "</td><td>");
		cart_report_text(b, get(c, "call"));
		cart_buf_adds(b, "</td><td>");
		cart_report_text(b, get(c, "event"));
		cart_buf_adds(b, "</td><td>");
		m = cart_json_first(cart_json_get(c, "made"));
		for (; m != NULL; m = cart_json_next(m)) {
			cart_report_text(b, cart_json_string(m) != NULL ?
				 cart_json_string(m) : "");
			cart_buf_addc(b, ' ');
		}
		cart_buf_adds(b, "</td><td>");
		cart_report_text(b, get(c, "detail"));
		cart_buf_adds(b, "</td></tr>\n");
	}
	cart_buf_adds(b, "</table></div>\n");
}

/* What AWS signed, and what rests on the collector's word. */
static void add_others(struct cart_buf *b, const struct cart_report *r,
		       const struct cart_verdict *v)
{
	static const char *const words[] = { "holds", "does not hold",
					     "cannot be told" };
	size_t i, n = 0;

	cart_buf_adds(b, "<h2>Whose word it rests on</h2>\n<ul>\n");
	for (i = 0; i < r->n_found; i++) {
		n += !r->found[i].bundle_keys;
		cart_buf_addf(b, "<li>%s, %s: ", r->found[i].bundle_keys ?
			      "By public keys that the bundle itself holds (that "
			      "they are AWS's can be checked at AWS while they "
			      "exist there)" : "Signed by AWS",
			      words[r->found[i].verdict]);
		cart_report_text(b, r->found[i].text);
		cart_buf_adds(b, "</li>\n");
	}
	if (n == 0)
		cart_buf_adds(b, "<li>Signed by AWS: nothing that is in this "
			      "bundle.</li>\n");
	if (v->recheckable > 0)
		cart_buf_addf(b, "<li>Can be checked again at AWS while it "
			      "exists there: %" PRIu64 " exhibits state a "
			      "version or a checksum.</li>\n", v->recheckable);
	cart_buf_adds(b, "<li>The collector's word: all else, that is, that the "
		"exhibits are what the machine and AWS answered.</li>\n"
		"<li>Not checked: what the exhibits mean. That is the work of "
		"an examiner.</li>\n</ul>\n");
}

static void add_clocks(struct cart_buf *b, const struct cart_report *r)
{
	int64_t offset, about;
	size_t i, n = 0;

	cart_buf_adds(b, "<h2>Clocks</h2>\n<div class=\"w\"><table>\n<tr>"
		      "<th>Compared with</th><th>The host's clock</th>"
		      "<th>When</th></tr>\n");
	for (i = 0; i < r->n_facts; i++) {
		const struct cart_json *f = r->fact[i];

		if (strcmp(get(f, "type"), "clock") != 0)
			continue;
		offset = about = 0;
		cart_json_i64(cart_json_get(f, "offset_ms"), &offset);
		cart_json_i64(cart_json_get(f, "uncertainty_ms"), &about);
		cart_buf_adds(b, "<tr><td>");
		cart_report_text(b, get(f, "source"));
		cart_buf_adds(b, " ");
		cart_report_text(b, get(f, "from"));
		cart_buf_addf(b, "</td><td>%" PRIu64 " ms %s, give or take %"
			      PRId64 " ms%s</td><td>", offset < 0 ?
			      -(uint64_t)offset : (uint64_t)offset,
			      offset < 0 ? "fast" : "slow", about,
			      cart_json_bool(cart_json_get(f, "applied")) ?
			      "; corrected when calls were signed" : "");
		cart_report_text(b, get(f, "t"));
		cart_buf_adds(b, "</td></tr>\n");
		n++;
	}
	cart_buf_adds(b, "</table></div>\n");
	if (n == 0)
		cart_buf_adds(b, "<p>The host's clock was compared with no "
			      "other.</p>\n");
}

static void add_endpoints(struct cart_buf *b, const struct cart_report *r)
{
	static const char *const keys[] = { "service", "region", "url",
					    "origin", "address" };
	bool any = false;
	size_t i, k;

	for (i = 0; i < r->n_facts; i++) {
		if (strcmp(get(r->fact[i], "type"), "endpoint") != 0)
			continue;
		if (!any)
			cart_buf_adds(b, "<h2>Whom the collection asked</h2>\n"
				      "<div class=\"w\"><table>\n<tr><th>Service"
				      "</th><th>Region</th><th>Endpoint</th><th>"
				      "Said by</th><th>Address</th></tr>\n");
		any = true;
		cart_buf_adds(b, "<tr>");
		for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
			cart_buf_adds(b, "<td>");
			cart_report_text(b, get(r->fact[i], keys[k]));
			cart_buf_adds(b, "</td>");
		}
		cart_buf_adds(b, "</tr>\n");
	}
	if (any)
		cart_buf_adds(b, "</table></div>\n");
}

static void add_tools(struct cart_buf *b, const struct cart_report *r,
		      const struct cart_verdict *v)
{
	const struct cart_json *tool = cart_json_get(r->session, "tool");
	char text[160];

	cart_buf_adds(b, "<h2>Tools and hashes</h2>\n<table class=\"f\">\n");
	snprintf(text, sizeof(text), "%.40s %.40s (%.60s)", get(tool, "name"),
		 get(tool, "version"), get(tool, "commit"));
	row(b, "Collected with", text);
	row(b, "SHA-256 of the program", get(tool, "sha256"));
	row(b, "SHA-256 of the manifest",
	    get(cart_json_get(r->session, "manifest"), "sha256"));
	row(b, "Root digest", v->root);
	row(b, "SHA-256 of the seal", r->seal_sha256);
	row(b, "Key of the session", get(r->session, "session_key"));
	row(b, "Checked with", cart_version_text());
	cart_buf_adds(b, "</table>\n");
}

static void add_limits(struct cart_buf *b, const struct cart_verdict *v)
{
	cart_buf_adds(b, "<h2>Limits</h2>\n<ul>\n"
		"<li>Snapshots are crash-consistent: as after a power cut, not as "
		"after a shutdown. Instance-store volumes are in no snapshot.</li>\n"
		"<li>What a live host says comes from its kernel; a kernel that "
		"lies is not found out here.</li>\n"
		"<li>Event history (LookupEvents) holds management events of 90 "
		"days only, and not the last minutes.</li>\n"
		"<li>Times are the host's clock, with the measured offset above. An "
		"authority vouches for the time of the seal only where one is "
		"named on top.</li>\n");
	if (strcmp(v->signer_kind, "session") == 0)
		cart_buf_adds(b, "<li>A session key's seal proves that the bytes "
			"are unchanged since sealing. Whoever controlled the host "
			"while it collected could have chosen them.</li>\n");
	cart_buf_adds(b, "</ul>\n"
		"<h2>Check it by hand</h2>\n<pre>");
	cart_buf_addf(b, "minisign -Vm %s.seal -P KEY\n"
		"split -b 8388608 --filter=sha256sum %s.tar | cut -c1-64\n"
		"tar -xf %s.tar &amp;&amp; cd %s\n"
		"minisign -Vm tagmanifest-sha256.txt -x "
		"seal/tagmanifest-sha256.txt.minisig -P KEY\n"
		"sha256sum --strict -c tagmanifest-sha256.txt\n"
		"sha256sum --strict -c manifest-sha256.txt</pre>\n"
		"<p>KEY comes from outside the bundle. <code>VERIFY.txt</code> in "
		"the bundle says the rest, also for openssl alone.</p>\n",
		v->name, v->name, v->name, v->name);
}

void cart_report_page(const struct cart_report *r, const struct cart_verdict *v,
		      size_t n_keys, bool certification, struct cart_buf *out)
{
	cart_buf_adds(out, head);
	cart_buf_adds(out, "<title>");
	cart_report_text(out, v->name[0] != '\0' ? v->name : "bundle");
	cart_buf_adds(out, "</title></head><body>\n<h1>Collection ");
	cart_report_text(out, v->name);
	cart_buf_adds(out, "</h1>\n");
	add_verdict(out, v, n_keys);
	add_case(out, r, v);
	add_custody(out, r);
	add_steps(out, r);
	add_gaps(out, r);
	add_changes(out, r);
	cart_report_timeline(r, out);
	add_clocks(out, r);
	add_others(out, r, v);
	add_tools(out, r, v);
	add_limits(out, v);
	add_endpoints(out, r);
	if (certification)
		cart_report_902(r, v, out);
	cart_buf_addf(out, "<p><small>Written by crashcart %s from the bundle "
		      "alone.</small></p>\n</body></html>\n",
		      cart_version_text());
}
