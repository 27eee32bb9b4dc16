/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The draft of a certification under rules 902(11), (13) and (14) of the
 * United States' Federal Rules of Evidence, filled in with what the bundle
 * says.  A person signs it, or not; a program can certify nothing.
 */
#include "report_data.h"

#include <inttypes.h>
#include <string.h>

#include "crashcart/json.h"
#include "crashcart/version.h"

static void add(struct cart_buf *b, const struct cart_json *j, const char *key)
{
	const char *s = cart_json_get_string(j, key);

	cart_report_text(b, s && *s ? s : "____________________");
}

static void begin(struct cart_buf *b, const struct cart_report *r)
{
	cart_buf_adds(b, "<ol>\n<li>My name is ______________________________. I "
		"am ______________________________ (title) of "
		"______________________________ (organization). My training and "
		"experience in the collection of digital evidence: "
		"______________________________. I am a qualified person within "
		"the meaning of rule 902(11), and make this certification from "
		"my own knowledge and from the record that is named "
		"below.</li>\n<li>On behalf of the operator that the record "
		"names (");
	add(b, r->session, "operator");
	cart_buf_adds(b, "), under the authority that it names (");
	add(b, r->session, "authority");
	cart_buf_adds(b, "), ");
}

static void process(struct cart_buf *b, const struct cart_report *r,
		    const struct cart_verdict *v)
{
	const struct cart_json *tool = cart_json_get(r->session, "tool");
	const struct cart_json *manifest = cart_json_get(r->session, "manifest");

	cart_buf_adds(b, "the program <code>");
	add(b, tool, "name");
	cart_buf_adds(b, " ");
	add(b, tool, "version");
	cart_buf_adds(b, "</code> (source <code>");
	add(b, tool, "commit");
	cart_buf_adds(b, "</code>; SHA-256 of the program <code>");
	add(b, tool, "sha256");
	cart_buf_adds(b, "</code>) was run on the machine <code>");
	add(b, cart_json_get(r->session, "host"), "hostname");
	cart_buf_adds(b, "</code>. It carried out the steps of the manifest "
		      "<code>");
	add(b, manifest, "name");
	cart_buf_adds(b, "</code> (SHA-256 <code>");
	add(b, manifest, "sha256");
	cart_buf_adds(b, "</code>) and stored what it received in the bundle "
		      "<code>");
	cart_report_text(b, v->name);
	cart_buf_adds(b, "</code> of case <code>");
	cart_report_text(b, v->case_id);
	cart_buf_addf(b, "</code>, from %s to %s by the clock of that machine, "
		      "whose offsets stand above under Clocks.</li>\n", r->began,
		      r->ended);
	cart_buf_addf(b, "<li><strong>Rule 902(13): the process.</strong> The "
		"program writes each answer and each file, as received, into one "
		"archive, and at that moment computes its SHA-256 and appends a "
		"line to a log: what it is, where it came from, when, its size "
		"and its digest. Each line is bound to all lines before it by a "
		"hash tree (RFC 6962), whose head the program signs with the key "
		"of the session. Whatever could not be collected is a line too, "
		"with the reason: %" PRIu64 " such lines are in this bundle, and "
		"listed above. At the end the list of all members, and a list of "
		"digests of every 8 MiB of the archive, are signed. A change of "
		"one bit anywhere is found by comparing digests. The steps, the "
		"format and the rules of checking are published with the "
		"program, and %s. [Describe the tests of the program on which "
		"you rely, and any trouble met in this collection.]</li>\n",
		v->gaps, "anyone can repeat the check with sha256sum, openssl and "
		"minisign, without it");
}

static void identity(struct cart_buf *b, const struct cart_report *r,
		     const struct cart_verdict *v)
{
	cart_buf_addf(b, "<li><strong>Rule 902(14): the copy.</strong> The data "
		"offered were copied from the sealed bundle. They were "
		"authenticated by a process of digital identification: on "
		"____________________ (date) I had every byte of the bundle read "
		"again by <code>crashcart %s</code>, which computed the SHA-256 "
		"of all its %" PRIu64 " members (%" PRIu64 " exhibits) and of "
		"the archive as a whole, and compared them with the sealed "
		"ones. The verdict was: <strong>%s</strong> (",
		cart_version_text(), v->members, v->exhibits,
		v->kind == CART_VERDICT_VALID ? "valid" :
		v->kind == CART_VERDICT_INVALID ? "invalid" : "cannot tell");
	cart_report_text(b, v->reason);
	cart_buf_addf(b, "). Root digest of the bundle (SHA-256): <code>%s</code>."
		      " SHA-256 of the seal: <code>%s</code>. Key that sealed it: "
		      "<code>%s</code>, %s. The digests of single exhibits stand "
		      "in the log of the bundle; those offered are: "
		      "______________________________ (exhibit, SHA-256).</li>\n",
		      v->root[0] ? v->root : "____________________",
		      r->seal_sha256[0] ? r->seal_sha256 : "____________________",
		      v->signer_id[0] ? v->signer_id : "____________________",
		      strcmp(v->signer_kind, "session") == 0 ?
		      "made by the program for this collection alone" :
		      "an examiner's key");
	cart_buf_adds(b, "<li>What that does not show: a matching digest proves "
		"that the copy is what was sealed, not that the machine and the "
		"services from which it came told the truth; the limits stand "
		"above under Limits.</li>\n<li>Custody of the bundle since then: ");
	if (r->has_custody && r->chain.kind != CART_VERDICT_INVALID)
		cart_buf_addf(b, "%" PRIu64 " signed entries, listed above, the "
			      "last with the SHA-256 <code>%s</code>.",
			      r->chain.entries, r->chain.head);
	else
		cart_buf_adds(b, "______________________________.");
	cart_buf_adds(b, "</li>\n</ol>\n");
}

void cart_report_902(const struct cart_report *r, const struct cart_verdict *v,
		     struct cart_buf *b)
{
	cart_buf_adds(b, "<section class=\"s\"><h2>Draft: certification under Fed. "
		"R. Evid. 902(11), 902(13) and 902(14)</h2>\n<p><em>A draft that a "
		"program filled in from the bundle. It certifies nothing until a "
		"qualified person has checked every statement, completed it, and "
		"signed it; counsel decides whether it is used, and gives the "
		"notice that rule 902(11) asks for before trial.</em></p>\n");
	if (v->kind != CART_VERDICT_VALID)
		cart_buf_adds(b, "<p><strong>Do not sign this: the verification "
			"did not end with the verdict \"valid\".</strong></p>\n");
	begin(b, r);
	process(b, r, v);
	identity(b, r, v);
	cart_buf_adds(b, "<p>I declare under penalty of perjury under the laws of "
		"the United States of America that the foregoing is true and "
		"correct (28 U.S.C. 1746).</p>\n<p>Executed on "
		"____________________ (date) at ____________________ (place)</p>\n"
		"<p>______________________________ (signature)<br>\n"
		"______________________________ (name)</p>\n</section>\n");
}
