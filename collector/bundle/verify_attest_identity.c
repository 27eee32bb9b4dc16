/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_attest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/attest_identity.h>
#include <crashcart/clock.h>

/*
 * EC2 instance identity documents, as the step imds.tree keeps them: the
 * document and its signatures are exhibits of one instance of the step.
 */

#define FOLDER "/latest/dynamic/instance-identity/"
#define META "/latest/meta-data/"
#define DOCUMENTS_MAX 1000u
#define FILE_MAX ((size_t)1 << 20)

/* tag: CART_IDENTITY_*, or one of these; the last two are not signed */
enum { DOCUMENT = CART_IDENTITY_KINDS, META_INSTANCE, META_REGION, TAGS };

static int wants(void *state, const struct cart_json *line,
		 const unsigned char instance[16], struct cart_attest_item *it)
{
	const char *path = cart_json_get_string(cart_json_get(line, "origin"),
						"imds");
	unsigned k;

	if (!path)
		return 0;
	memcpy(it->name, instance, sizeof(it->name));
	if (strcmp(path, META "instance-id") == 0)
		it->tag = META_INSTANCE;
	if (strcmp(path, META "placement/region") == 0)
		it->tag = META_REGION;
	if (it->tag)
		return 1;
	if (strncmp(path, FOLDER, strlen(FOLDER)) != 0)
		return 0;
	path += strlen(FOLDER);
	for (k = 0; k < CART_IDENTITY_KINDS; k++)
		if (strcmp(path, cart_identity_kind_name(k)) == 0)
			break;
	if (k == CART_IDENTITY_KINDS && strcmp(path, "document") != 0)
		return 0;
	it->tag = (unsigned char)k;
	return 1;
}

/* By instance of the step, then as in the log. */
static int order(const void *x, const void *y)
{
	const struct cart_attest_item *a = x, *b = y;
	int c = memcmp(a->name, b->name, sizeof(a->name));

	if (c != 0)
		return c;
	return a->line_at < b->line_at ? -1 : a->line_at > b->line_at;
}

struct check {
	struct cart_attest *a;
	struct cart_buf file[TAGS];
	char exhibit[CART_EXHIBIT_ID_SIZE];	/* the document's */
	unsigned documents;
};

static void differs(struct cart_buf *b, const char *what, const char *signed_,
		    const struct cart_buf *said)
{
	size_t len = said->len;

	if (len > 0 && said->data[len - 1] == '\n')
		len--;
	if (len == 0 || signed_[0] == '\0' ||
	    (len == strlen(signed_) && memcmp(said->data, signed_, len) == 0))
		return;
	if (len > 64) {
		cart_buf_addf(b, "; the %s could not be compared: what the "
			      "metadata service named to the same run is %zu "
			      "bytes long", what, len);
		return;
	}
	cart_buf_addf(b, "; NOT THE SAME: it names %s %s, the metadata service "
		      "named %.*s to the same run", what, signed_, (int)len,
		      (const char *)said->data);
}

/* What the log says of instance, account and region, if that is another.  It
 * makes nothing invalid: credentials may be of another account, and the
 * document may have been brought from elsewhere. */
static void compare(struct check *c, const struct cart_identity_verdict *v,
		    struct cart_buf *b)
{
	const struct cart_attest *a = c->a;
	unsigned i;

	differs(b, "instance", v->instance, &c->file[META_INSTANCE]);
	differs(b, "region", v->region, &c->file[META_REGION]);
	for (i = 0; i < a->n_accounts; i++)
		if (strcmp(a->accounts[i], v->account) == 0)
			return;
	if (v->account[0] == '\0' || (a->n_accounts == 0 &&
				      !a->more_accounts))
		return;
	if (a->more_accounts) {
		cart_buf_adds(b, "; the account could not be compared: calls of "
			      "this collection were made in more accounts "
			      "than are kept, or in one of no such name");
		return;
	}
	cart_buf_addf(b, "; NOT THE SAME: it names account %s, the calls of this "
		      "collection were made in %s%s", v->account,
		      a->accounts[0], a->n_accounts > 1 ? " and others" : "");
}

static void say(struct check *c, const struct cart_identity_verdict *v)
{
	struct cart_attestation s = { .object = "document", .seconds = -1,
		.exhibit = c->exhibit };
	char text[1024], when[CART_CLOCK_TEXT_SIZE + 8] = "";
	struct cart_buf more;
	size_t len;

	s.verdict = v->verdict == CART_TRAIL_VALID ? CART_ATTEST_VALID :
		    v->verdict == CART_TRAIL_INVALID ? CART_ATTEST_INVALID :
						       CART_ATTEST_UNKNOWN;
	if (v->signed_ns != INT64_MIN) {
		memcpy(when, ", at ", 6);
		cart_clock_text(v->signed_ns, 0, when + 5);
	}
	s.summary = s.verdict == CART_ATTEST_VALID;
	if (s.summary)
		snprintf(text, sizeof(text), "identity document of instance %s, "
			 "account %s, %s%s; it proves that AWS issued it, not "
			 "that this collection ran there: it can be replayed",
			 v->instance, v->account, v->reason, when);
	else
		snprintf(text, sizeof(text), "%s", v->reason);
	cart_buf_init(&more, 1024);
	compare(c, v, &more);
	if (more.len > 0 && cart_buf_ok(&more)) {
		len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "%.*s",
			 (int)more.len, (const char *)more.data);
	}
	cart_buf_clear(&more);
	s.text = text;
	cart_attest_count(c->a, s.verdict);
	cart_attest_say(c->a, &s);
}

/* Reads an exhibit into its place; the first of a name counts. */
static int load(struct check *c, const struct cart_attest_item *it,
		struct cart_err *err)
{
	struct cart_buf *b = &c->file[it->tag];
	struct cart_json *line;
	const char *why;
	int rc;

	if (b->len > 0)
		return 0;
	line = cart_attest_get_line(c->a, it, err);
	if (!line)
		return -1;
	rc = cart_attest_get_data(c->a, it, line, b, &why, err);
	if (rc == 0)
		cart_buf_reset(b);
	if (it->tag == DOCUMENT)
		snprintf(c->exhibit, sizeof(c->exhibit), "%s",
			 cart_json_get_string(line, "exhibit"));
	cart_json_free(line);
	return rc < 0 ? -1 : 0;
}

/* The exhibits of one instance of the step. */
static int check_one(struct check *c, const struct cart_attest_item *items,
		     size_t n, struct cart_err *err)
{
	struct cart_identity_input in = { 0 };
	struct cart_identity_verdict v;
	size_t i;

	c->exhibit[0] = '\0';
	for (i = 0; i < TAGS; i++)
		cart_buf_reset(&c->file[i]);
	for (i = 0; i < n; i++)
		if (load(c, &items[i], err) < 0)
			return -1;
	if (c->file[DOCUMENT].len > 0)
		in.document = c->file[DOCUMENT].data;
	in.document_len = c->file[DOCUMENT].len;
	for (i = 0; i < CART_IDENTITY_KINDS; i++) {
		if (c->file[i].len > 0)
			in.signature[i].data = c->file[i].data;
		in.signature[i].len = c->file[i].len;
	}
	if (cart_identity_check(&in, &v, err) < 0)
		return -1;
	say(c, &v);
	return 0;
}

static void say_rest(struct check *c)
{
	struct cart_attestation s = { .object = "document", .seconds = -1,
		.verdict = CART_ATTEST_UNKNOWN, .summary = true,
		.text = "more than 1000 identity documents: the others were "
			"not checked" };

	if (c->documents > DOCUMENTS_MAX)
		cart_attest_say(c->a, &s);
}

/* Is more there than what is not signed? */
static bool is_identity(const struct cart_attest_item *items, size_t n)
{
	while (n > 0)
		if (items[--n].tag <= DOCUMENT)
			return true;
	return false;
}

static int check(struct cart_attest *a, void *state,
		 struct cart_attest_item *items, size_t n, struct cart_err *err)
{
	struct check c = { .a = a };
	size_t from, to, i;
	int rc = -1;

	qsort(items, n, sizeof(*items), order);
	for (i = 0; i < TAGS; i++)
		cart_buf_init(&c.file[i], FILE_MAX);
	for (from = 0; from < n && c.documents <= DOCUMENTS_MAX; from = to) {
		for (to = from + 1; to < n &&
		     memcmp(items[to].name, items[from].name,
			    sizeof(items[to].name)) == 0; to++)
			;
		if (!is_identity(items + from, to - from))
			continue;
		if (++c.documents <= DOCUMENTS_MAX &&
		    check_one(&c, items + from, to - from, err) < 0)
			goto out;
	}
	say_rest(&c);
	rc = 0;
out:
	for (i = 0; i < TAGS; i++)
		cart_buf_clear(&c.file[i]);
	return rc;
}

const struct cart_attest_kind cart_attest_identity = {
	.name = "identity-documents",
	.wants = wants,
	.check = check,
};
