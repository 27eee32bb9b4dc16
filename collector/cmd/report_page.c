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
#include "crashcart/xml.h"
#include "report_data.h"

#define BUCKETS 48		/* columns of the timeline */

static const char head[] =
"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
"style-src 'unsafe-inline'\">\n"
"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
"<style>\n"
"body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;"
"max-width:62rem;margin:0 auto;padding:1rem}\n"
"h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem;"
"border-bottom:1px solid #ccc}\n"
"table{border-collapse:collapse;width:100%;font-size:.9rem}"
"th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;"
"border-bottom:1px solid #e4e4e4;overflow-wrap:break-word}\n"
"th{font-weight:600}td.n,th.n{text-align:right;white-space:nowrap}\n"
".v{padding:.8rem 1rem;border-left:.5rem solid;margin:1rem 0}"
".valid{background:#eaf6ec;border-color:#1b7f3a}"
".invalid{background:#fdecea;border-color:#b3261e}"
".unknown{background:#fff6e0;border-color:#a56a00}\n"
"code,pre{font:.85rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}"
"pre{white-space:pre-wrap;background:#f5f5f5;padding:.6rem}\n"
"svg{width:100%;height:auto;background:#fafafa}.w{overflow-x:auto}\n"
"@media print{body{max-width:none;font-size:11px}h2{break-after:avoid}"
"tr{break-inside:avoid}}\n</style>\n";

static void add_text(struct cart_buf *b, const char *s)
{
	struct cart_buf safe;

	/* control and direction characters first, then HTML's own */
	cart_buf_init(&safe, 262144);
	cart_text_escape(s, strlen(s), &safe);
	if (cart_buf_ok(&safe) && safe.data != NULL)
		cart_xml_escape((char *)safe.data, safe.len, b);
	cart_buf_clear(&safe);
}

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
	add_text(b, value);
	cart_buf_adds(b, "</td></tr>\n");
}

/* ---- the parts of the page ----------------------------------------------- */

static void add_verdict(struct cart_buf *b, const struct cart_verdict *v,
			size_t n_keys)
{
	bool bad = v->kind == CART_VERDICT_INVALID;

	cart_buf_addf(b, "<div class=\"v %s\"><strong>%s.</strong> ",
		      bad ? "invalid" : v->kind == CART_VERDICT_VALID ? "valid" :
		      "unknown", bad ? "Invalid" : v->kind == CART_VERDICT_VALID ?
		      "Valid" : "Cannot tell");
	add_text(b, v->reason);
	if (bad && v->rule[0] != '\0')
		cart_buf_addf(b, " (rule %s of the format). Do not rely on what "
			      "follows", v->rule);
	cart_buf_adds(b, ".<br>\n");
	if (!bad) {
		cart_buf_addf(b, "Bytes intact since sealing: yes. Signed by key "
			      "<code>%s</code> (%s). Trusted by the reader: %s.",
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
	cart_buf_adds(b, "</div>\n");
}

static void add_case(struct cart_buf *b, const struct cart_report *r,
		     const struct cart_verdict *v)
{
	const struct cart_json *s = r->session;
	const struct cart_json *tool = cart_json_get(s, "tool");
	const struct cart_json *host = cart_json_get(s, "host");
	char text[160];

	cart_buf_adds(b, "<h2>Case</h2>\n<table>\n");
	row(b, "Case", v->case_id);
	row(b, "Bundle", v->name);
	row(b, "Operator", get(s, "operator"));
	row(b, "Authority", get(s, "authority"));
	row(b, "Organization", get(s, "organization"));
	row(b, "Manifest", get(cart_json_get(s, "manifest"), "name"));
	row(b, "Manifest SHA-256", get(cart_json_get(s, "manifest"), "sha256"));
	row(b, "Began", r->began);
	row(b, "Ended", r->ended);
	row(b, "Collected on", get(host, "hostname"));
	row(b, "Kernel", get(host, "kernel"));
	snprintf(text, sizeof(text), "%.40s %.40s", get(tool, "name"),
		 get(tool, "version"));
	row(b, "Tool", text);
	row(b, "Tool SHA-256", get(tool, "sha256"));
	row(b, "Root digest", v->root);
	cart_buf_adds(b, "</table>\n");
}

static void add_steps(struct cart_buf *b, const struct cart_report *r)
{
	char size[16];
	size_t i;

	cart_buf_addf(b, "<h2>What was collected</h2>\n<p>%" PRIu64 " exhibits, %"
		      PRIu64 " files listed, %" PRIu64 " AWS calls of which %"
		      PRIu64 " were answered with an error.</p>\n<table>\n<tr>"
		      "<th>Step</th><th>Outcome</th><th class=\"n\">Exhibits</th>"
		      "<th class=\"n\">Bytes</th><th class=\"n\">Gaps</th></tr>\n",
		      r->exhibits, r->files, r->calls, r->errors);
	for (i = 0; i < r->n_steps; i++) {
		const struct cart_report_step *s = &r->step[i];

		cart_text_bytes(s->bytes, size);
		cart_buf_adds(b, "<tr><td>");
		add_text(b, s->id[0] != '\0' ? s->id : "(the collector itself)");
		cart_buf_addf(b, "</td><td>%s</td><td class=\"n\">%" PRIu64
			      "</td><td class=\"n\">%s</td><td class=\"n\">%"
			      PRIu64 "</td></tr>\n", s->outcome, s->exhibits,
			      size, s->gaps);
	}
	cart_buf_adds(b, "</table>\n");
}

static void add_gaps(struct cart_buf *b, const struct cart_report *r)
{
	size_t i;

	cart_buf_adds(b, "<h2>What was not collected, and why</h2>\n");
	if (r->gaps == 0) {
		cart_buf_adds(b, "<p>No gap was recorded.</p>\n");
		return;
	}
	cart_buf_adds(b, "<table>\n<tr><th>Step</th><th>What</th><th>Reason</th>"
		      "<th>Detail</th></tr>\n");
	for (i = 0; i < r->n_gaps; i++) {
		cart_buf_adds(b, "<tr><td>");
		add_text(b, get(r->gap[i], "step"));
		cart_buf_adds(b, "</td><td>");
		add_text(b, get(r->gap[i], "what"));
		cart_buf_adds(b, "</td><td>");
		add_text(b, get(r->gap[i], "reason"));
		cart_buf_adds(b, "</td><td>");
		add_text(b, get(r->gap[i], "detail"));
		cart_buf_adds(b, "</td></tr>\n");
	}
	cart_buf_adds(b, "</table>\n");
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
	cart_buf_adds(b, "<table>\n<tr><th>When</th><th>Call</th><th>Event</th>"
		      "<th>Made</th><th>Detail</th></tr>\n");
	for (i = 0; i < r->n_changes; i++) {
		const struct cart_json *c = r->change[i];

		cart_buf_adds(b, "<tr><td>");
		add_text(b, get(c, "t"));
		cart_buf_adds(b, "</td><td>");
		add_text(b, get(c, "call"));
		cart_buf_adds(b, "</td><td>");
		add_text(b, get(c, "event"));
		cart_buf_adds(b, "</td><td>");
		m = cart_json_first(cart_json_get(c, "made"));
		for (; m != NULL; m = cart_json_next(m)) {
			add_text(b, cart_json_string(m) != NULL ?
				 cart_json_string(m) : "");
			cart_buf_addc(b, ' ');
		}
		cart_buf_adds(b, "</td><td>");
		add_text(b, get(c, "detail"));
		cart_buf_adds(b, "</td></tr>\n");
	}
	cart_buf_adds(b, "</table>\n");
}

/* ---- the timeline -------------------------------------------------------- */

struct grid {
	int64_t from, to;
	uint32_t count[REPORT_REGIONS + 1][BUCKETS];	/* last: our calls */
	uint32_t most;
};

static void grid_add(struct grid *g, size_t line, int64_t t, bool own)
{
	int64_t span = g->to - g->from;
	int64_t i = span > 0 ? (t - g->from) * BUCKETS / (span + 1) : 0;
	uint32_t *count;

	if (i < 0 || i >= BUCKETS)
		return;
	count = &g->count[line][i];
	(*count)++;
	if (!own && *count > g->most)
		g->most = *count;
}

static void grid_span(struct grid *g, int64_t t)
{
	if (g->from == 0 || t < g->from)
		g->from = t;
	if (t > g->to)
		g->to = t;
}

static void grid_line(struct cart_buf *b, const struct grid *g, size_t line,
		      unsigned y, const char *label, bool own)
{
	uint32_t n;
	double h;
	size_t i;

	cart_buf_addf(b, "<text x=\"0\" y=\"%u\" font-size=\"11\">", y + 18);
	add_text(b, label);
	cart_buf_adds(b, "</text>\n");
	for (i = 0; i < BUCKETS; i++) {
		n = g->count[line][i];
		if (n == 0)
			continue;
		/* ours are drawn flat: they would dwarf everyone else's */
		h = own ? 8 : 3 + 17.0 * n / (g->most > 0 ? g->most : 1);
		cart_buf_addf(b, "<rect x=\"%zu\" y=\"%.1f\" width=\"13\" "
			      "height=\"%.1f\" fill=\"%s\"><title>%" PRIu32
			      "</title></rect>\n", 130 + i * 14, y + 22 - h, h,
			      own ? "#999" : "#1f5fa8", n);
	}
}

static void add_timeline(struct cart_buf *b, const struct cart_report *r)
{
	char from[CART_CLOCK_TEXT_SIZE], to[CART_CLOCK_TEXT_SIZE];
	static struct grid g;		/* 12 KiB; one report a process */
	unsigned height;
	size_t i;

	cart_buf_adds(b, "<h2>Timeline</h2>\n");
	memset(&g, 0, sizeof(g));
	for (i = 0; i < r->n_events; i++)
		grid_span(&g, r->event[i].t_s);
	for (i = 0; i < r->n_call_t; i++)
		grid_span(&g, r->call_t[i]);
	if (g.from == 0) {
		cart_buf_adds(b, "<p>The bundle holds no events and no calls."
			      "</p>\n");
		return;
	}
	for (i = 0; i < r->n_events; i++)
		grid_add(&g, r->event[i].region, r->event[i].t_s, false);
	for (i = 0; i < r->n_call_t; i++)
		grid_add(&g, REPORT_REGIONS, r->call_t[i], true);
	cart_clock_text(g.from * 1000000000, 0, from);
	cart_clock_text(g.to * 1000000000, 0, to);
	height = (unsigned)(r->n_regions + 1) * 26 + 20;
	cart_buf_addf(b, "<p>%zu CloudTrail events by region, from %s to %s, and "
		      "below them our own calls (grey). A step that asked twice "
		      "counts twice.</p>\n<div class=\"w\"><svg viewBox=\"0 0 810 "
		      "%u\" role=\"img\" aria-label=\"events over time by region\">"
		      "\n", r->n_events, from, to, height);
	for (i = 0; i < r->n_regions; i++)
		grid_line(b, &g, i, (unsigned)i * 26, r->region[i], false);
	grid_line(b, &g, REPORT_REGIONS, (unsigned)i * 26, "our own calls", true);
	cart_buf_addf(b, "<text x=\"130\" y=\"%u\" font-size=\"11\">%s</text>\n"
		      "<text x=\"802\" y=\"%u\" font-size=\"11\" "
		      "text-anchor=\"end\">%s</text>\n</svg></div>\n",
		      height - 5, from, height - 5, to);
	if (r->bad_events > 0)
		cart_buf_addf(b, "<p>%" PRIu64 " lines of the event exhibits are "
			      "no events that can be drawn.</p>\n", r->bad_events);
}

static void add_facts(struct cart_buf *b, const struct cart_report *r)
{
	struct cart_buf text;
	size_t i;

	cart_buf_adds(b, "<h2>Clocks and endpoints</h2>\n<table>\n");
	for (i = 0; i < r->n_facts; i++) {
		const struct cart_json *f = r->fact[i];
		bool clock = strcmp(get(f, "type"), "clock") == 0;
		int64_t offset = 0, about = 0;

		cart_buf_init(&text, 4096);
		cart_json_i64(cart_json_get(f, "offset_ms"), &offset);
		cart_json_i64(cart_json_get(f, "uncertainty_ms"), &about);
		if (clock)
			cart_buf_addf(&text, "%s from %s: the host's clock is off "
				      "by %" PRId64 " ms, give or take %" PRId64,
				      get(f, "source"), get(f, "from"), -offset,
				      about);
		else
			cart_buf_addf(&text, "%s %s: %s (%s) %s",
				      get(f, "service"), get(f, "region"),
				      get(f, "url"), get(f, "origin"),
				      get(f, "address"));
		row(b, clock ? "Clock" : "Endpoint", (char *)text.data);
		cart_buf_clear(&text);
	}
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
		"<li>Times are the host's clock, with the measured offset above; no "
		"independent authority vouches for them.</li>\n</ul>\n"
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
		      size_t n_keys, struct cart_buf *out)
{
	cart_buf_adds(out, head);
	cart_buf_adds(out, "<title>");
	add_text(out, v->name[0] != '\0' ? v->name : "bundle");
	cart_buf_adds(out, "</title></head><body>\n<h1>Collection ");
	add_text(out, v->name);
	cart_buf_adds(out, "</h1>\n");
	add_verdict(out, v, n_keys);
	add_case(out, r, v);
	add_steps(out, r);
	add_gaps(out, r);
	add_changes(out, r);
	add_timeline(out, r);
	add_facts(out, r);
	add_limits(out, v);
	cart_buf_addf(out, "<p><small>Written by crashcart %s from the bundle "
		      "alone.</small></p>\n</body></html>\n",
		      cart_version_text());
}
