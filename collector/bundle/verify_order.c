/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/order.h>
#include <crashcart/text.h>

#include "read_internal.h"

/*
 * The order that a collection followed (FORMAT.md section 12), as its session
 * lines repeat it.  It says nothing about the bundle's bytes, so it does not
 * change the verdict on them.
 */

int cart_order_note(struct cart_order_seen *s, const struct cart_json *line,
		    struct cart_err *err)
{
	const struct cart_json *order = cart_json_get(cart_json_get(line,
						      "options"), "order");
	const char *file = cart_json_get_string(order, "file");
	const char *sig = cart_json_get_string(order, "minisig");
	const char *tool = cart_json_get_string(cart_json_get(line, "tool"),
						"sha256");
	const char *t = cart_json_get_string(line, "t");

	if (s->sessions++ == 0 && order) {
		s->there = true;
		s->file = strdup(file ? file : "");
		s->minisig = strdup(sig ? sig : "");
		if (!s->file || !s->minisig)
			return cart_err_nomem(err);
		if (!t || cart_clock_parse(t, strlen(t), &s->began_ns) < 0)
			s->began_ns = INT64_MAX;
		snprintf(s->tool, sizeof(s->tool), "%s", tool ? tool : "");
		return 0;
	}
	/* a session that went on must say the same, with such a program */
	if (s->there ? !file || !sig || strcmp(file, s->file) != 0 ||
		       strcmp(sig, s->minisig) != 0 || !tool ||
		       strcmp(tool, s->tool) != 0 : order != NULL)
		s->differs = true;
	return 0;
}

void cart_order_seen_clear(struct cart_order_seen *s)
{
	free(s->file);
	free(s->minisig);
	memset(s, 0, sizeof(*s));
}

/* A named key, or one of the trust file, of that id. */
static const struct cart_public_key *
key_of(const struct cart_verify_options *o, const unsigned char id[],
       const struct cart_trust_entry **ret_entry)
{
	size_t i;

	*ret_entry = NULL;
	for (i = 0; o->trust && i < o->trust->n; i++)
		if (memcmp(o->trust->entries[i].key.id, id,
			   CART_MINISIGN_ID_SIZE) == 0)
			*ret_entry = &o->trust->entries[i];
	for (i = 0; i < o->n_keys; i++)
		if (memcmp(o->keys[i].id, id, CART_MINISIGN_ID_SIZE) == 0)
			return &o->keys[i];
	return *ret_entry ? &(*ret_entry)->key : NULL;
}

static void say(struct cart_verdict_order *v, enum cart_attest_verdict verdict,
		const char *text)
{
	v->verdict = verdict;
	snprintf(v->text, sizeof(v->text), "%s", text);
}

static void judge_signer(const struct cart_verify_options *o,
			 const struct cart_order_seen *s,
			 const unsigned char id[CART_MINISIGN_ID_SIZE],
			 struct cart_verdict_order *v)
{
	const struct cart_trust_entry *e;
	const struct cart_public_key *key = key_of(o, id, &e);
	struct cart_err why = { 0 };

	if (!key) {
		say(v, CART_ATTEST_UNKNOWN, "it is signed by a key that you did "
		    "not name");
	} else if (cart_order_verify(s->file, strlen(s->file), s->minisig,
				     strlen(s->minisig), key, &why) < 0) {
		say(v, CART_ATTEST_INVALID, "its signature does not hold under "
		    "the key that it names");
	} else if (e && key == &e->key &&
		   (e->revoked_ns != INT64_MAX || e->to_ns != INT64_MAX ||
		    s->began_ns < e->from_ns)) {
		/* only the log says when it began */
		say(v, CART_ATTEST_UNKNOWN, "by your trust file its key did not "
		    "count when the collection began, or it has an end, and "
		    "nothing but the log says that this was before");
	} else {
		say(v, CART_ATTEST_VALID, "");
	}
	if (e && key)
		snprintf(v->name, sizeof(v->name), "%s", e->name);
}

void cart_order_judge(const struct cart_verify_options *o,
		      const struct cart_order_seen *s, const char *case_id,
		      const char *manifest_sha256, struct cart_verdict_order *v)
{
	unsigned char id[CART_MINISIGN_ID_SIZE];
	struct cart_err why = { 0 };
	struct cart_order order;

	v->there = s->there || s->differs;
	if (!v->there)
		return;
	if (!s->there || s->differs) {
		say(v, CART_ATTEST_INVALID, "the sessions of the collection do "
		    "not name the same order and program");
		return;
	}
	if (cart_order_parse(s->file, strlen(s->file), &order, &why) < 0 ||
	    cart_order_signed_by(s->file, strlen(s->file), s->minisig,
				 strlen(s->minisig), id, &why) < 0 ||
	    cart_order_covers(&order, case_id, manifest_sha256, s->tool,
			      s->began_ns, &why) < 0) {
		say(v, CART_ATTEST_INVALID, why.text);
		return;
	}
	cart_minisign_id_text(id, v->signer_id);
	snprintf(v->by, sizeof(v->by), "%s", order.by);
	v->from_ns = order.from_ns;
	v->until_ns = order.until_ns;
	judge_signer(o, s, id, v);
}
