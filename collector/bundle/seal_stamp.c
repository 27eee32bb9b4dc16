/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>
#include <crashcart/timestamp.h>

#include "bundle_internal.h"

/*
 * Time stamps of the inner seal (FORMAT.md F24).  The log has ended by now, so
 * what became of each question stands in a member of its own.
 */

static void describe(const struct cart_tsr *t, struct cart_stamp_result *ret)
{
	char when[CART_CLOCK_TEXT_SIZE];

	ret->granted = true;
	cart_clock_text(t->gen_ns, 0, when);
	snprintf(ret->time, sizeof(ret->time), "%s", when);
	snprintf(ret->by, sizeof(ret->by), "%s", t->by);
}

/* One authority's answer that holds, in reply. */
static int ask(const struct cart_timestamper *s, size_t i, const void *sig,
	       size_t len, struct cart_buf *reply, struct cart_stamp_result *ret,
	       struct cart_err *err)
{
	struct cart_tsr_check check = { .data = sig, .data_len = len };
	struct cart_buf query;
	struct cart_tsr t;
	int rc = -1;

	cart_buf_init(&query, 4096);
	if (cart_tsq_make(sig, len, &query, err) < 0 ||
	    s->ask(s->arg, s->url[i], query.data, query.len, reply, err) < 0)
		goto out;
	check.query = query.data;
	check.query_len = query.len;
	check.reply = reply->data;
	check.reply_len = reply->len;
	if (cart_tsr_verify(&check, &t, err) < 0)
		goto out;
	describe(&t, ret);
	rc = 0;
out:
	cart_buf_clear(&query);
	return rc;
}

/* Why there is none, as the line of timestamps.txt may say it. */
static void note_failure(struct cart_stamp_result *ret,
			 const struct cart_err *why)
{
	size_t i;

	snprintf(ret->error, sizeof(ret->error), "%s",
		 why->text[0] ? why->text : "no reason is known");
	for (i = 0; ret->error[i]; i++)
		if ((unsigned char)ret->error[i] < 0x20 ||
		    (unsigned char)ret->error[i] > 0x7e)
			ret->error[i] = '?';
}

int cart_seal_stamps(struct cart_bundle *b, const void *sig, size_t len,
		     struct cart_stamp_result ret[CART_STAMPS_MAX],
		     struct cart_err *err)
{
	static const char *const names[CART_STAMPS_MAX] = {
		"seal/tagmanifest-sha256.txt.tsr",
		"seal/tagmanifest-sha256.txt.2.tsr"
	};
	const struct cart_timestamper *s = b->stamps;
	struct cart_buf reply[CART_STAMPS_MAX], list;
	struct cart_err why;
	size_t i;
	int rc = -1;

	cart_buf_init(&list, 16384);
	for (i = 0; i < CART_STAMPS_MAX; i++)
		cart_buf_init(&reply[i], CART_TSR_MAX);
	for (i = 0; i < s->n; i++) {
		cart_err_clear(&why);
		if (ask(s, i, sig, len, &reply[i], &ret[i], &why) < 0)
			note_failure(&ret[i], &why);
		cart_buf_addf(&list, "%zu %s %s%s\n", i + 1, s->url[i],
			      ret[i].granted ? "granted" : "failed ",
			      ret[i].error);
	}
	if (cart_buf_check(&list, "timestamps.txt", err) < 0 ||
	    cart_stream_member(&b->stream, "seal/timestamps.txt", list.data,
			       list.len, err) < 0)
		goto out;
	for (i = 0; i < s->n; i++)
		if (ret[i].granted &&
		    cart_stream_member(&b->stream, names[i], reply[i].data,
				       reply[i].len, err) < 0)
			goto out;
	rc = 0;
out:
	for (i = 0; i < CART_STAMPS_MAX; i++)
		cart_buf_clear(&reply[i]);
	cart_buf_clear(&list);
	return rc;
}
