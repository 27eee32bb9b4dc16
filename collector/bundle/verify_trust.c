/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "read_internal.h"

/* Whose signature it is, and whether their key counted then (trust.h). */

static const struct cart_trust_entry *find(const struct cart_trust *t,
					   const struct cart_public_key *key)
{
	size_t i;

	for (i = 0; t && i < t->n; i++)
		if (memcmp(&t->entries[i].key, key, sizeof(*key)) == 0)
			return &t->entries[i];
	return NULL;
}

static bool named(const struct cart_verify_options *o,
		  const struct cart_public_key *key)
{
	size_t i;

	for (i = 0; i < o->n_keys; i++)
		if (memcmp(&o->keys[i], key, sizeof(*key)) == 0)
			return true;
	return false;
}

/* The earliest time that an authority of the reader's anchored. */
static bool anchored_at(const struct cart_verdict *v, int64_t *ret)
{
	bool any = false;
	size_t i;

	for (i = 0; i < v->n_stamps; i++)
		if (v->stamp[i].anchored && (!any || v->stamp[i].gen_ns < *ret)) {
			*ret = v->stamp[i].gen_ns;
			any = true;
		}
	return any;
}

/* A key with an end: only what is known to be before that end counts. */
static bool ended(const struct cart_trust_entry *e, const struct cart_held *h,
		  bool anchored, int64_t t, const char *at, char text[400])
{
	bool revoked = e->revoked_ns < e->to_ns;
	int64_t end = revoked ? e->revoked_ns : e->to_ns;
	char then[CART_CLOCK_TEXT_SIZE];

	cart_clock_text(end, 0, then);
	if (h->counter && !h->stamp) {
		snprintf(text, 400, "that key %s %s, and a counter-signature "
			 "has no time of its own", revoked ? "was revoked at" :
			 "counts only until", then);
		return false;
	}
	if (anchored && t < end) {
		snprintf(text, 400, "that key %s %s, after it %s this (%s, "
			 "anchored)", revoked ? "was revoked at" :
			 "counted until", then, h->counter ? "signed" :
			 "sealed", at);
		return true;
	}
	if (t != INT64_MIN && t >= end)
		snprintf(text, 400, revoked ? "that key was revoked at %s, and "
			 "this was sealed after that (%s)" : "that key expired "
			 "at %s, and it was sealed at %s", then, at);
	else
		snprintf(text, 400, "that key %s %s, and no anchored time shows "
			 "that it sealed this before (--tsa-ca)", revoked ?
			 "was revoked at" : "counts only until", then);
	return false;
}

/* Did e's key count when it made h?  The sentence goes into text. */
static bool counted(const struct cart_trust_entry *e, const struct cart_held *h,
		    const struct cart_verdict *v, int64_t stated, char text[400])
{
	char at[CART_CLOCK_TEXT_SIZE] = "", then[CART_CLOCK_TEXT_SIZE];
	bool anchored;
	int64_t t = stated;
	const char *which;

	anchored = anchored_at(v, &t);
	if (h->stamp) {			/* when it signed, not the seal */
		anchored = true;
		t = h->stamp->gen_ns;
	}
	which = anchored ? "the anchored time" : "the time that the log states";
	if (t != INT64_MIN)
		cart_clock_text(t, 0, at);
	if (t < e->from_ns) {
		cart_clock_text(e->from_ns, 0, then);
		snprintf(text, 400, t == INT64_MIN ? "that key counts only from "
			 "%s, and when it was sealed is not known%s%s" :
			 "that key counts only from %s, and it was sealed at %s "
			 "(%s)", then, at, t == INT64_MIN ? "" : which);
		return false;
	}
	if (e->to_ns != INT64_MAX || e->revoked_ns != INT64_MAX)
		return ended(e, h, anchored, t, at, text);
	if (t == INT64_MIN)
		snprintf(text, 400, "that key counts at all times");
	else
		snprintf(text, 400, "that key counted at %s (%s)%s", at, which,
			 h->counter && !h->stamp ? "; a counter-signature has no time of its "
			 "own" : "");
	return true;
}

bool cart_trust_counts(const struct cart_verify_options *o,
		       const struct cart_held *held, int64_t stated,
		       const struct cart_verdict *v)
{
	const struct cart_trust_entry *e;
	char text[400];

	if (named(o, &held->key))
		return true;
	e = find(o->trust, &held->key);
	return e && counted(e, held, v, stated, text);
}

void cart_trust_judge(const struct cart_verify_options *o,
		      const struct cart_held *held, size_t n, int64_t stated,
		      struct cart_verdict *v)
{
	const struct cart_trust_entry *e;
	size_t i;

	if (!o->trust || n == 0)
		return;
	v->signed_ok = v->countersigned = false;
	for (i = 0; i < n && !v->signed_ok; i++) {
		char text[400] = "";

		e = find(o->trust, &held[i].key);
		v->signed_ok = named(o, &held[i].key) ||
			       (e && counted(e, &held[i], v, stated, text));
		if (!v->signed_ok && v->trust_name[0])
			continue;	/* the first one is told */
		v->countersigned = v->signed_ok && held[i].counter;
		v->trusted = held[i].key;
		snprintf(v->trust_name, sizeof(v->trust_name), "%s",
			 e ? e->name : "");
		memcpy(v->trust_text, text, sizeof(v->trust_text));
	}
}
