/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/text.h>

#include "read_internal.h"

/* Time stamps of the inner seal (F24). */

static bool ascii(const char *s, size_t len, char lowest)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (s[i] < lowest || s[i] > 0x7e)
			return false;
	return len > 0;
}

/* `N URL granted` or `N URL failed REASON`, without its LF. */
static int parse_line(const char *s, size_t len, size_t number,
		      struct cart_stamp *ret)
{
	const char *end = s + len, *sp;

	/* a line of less has its LF there */
	if (s[0] != (char)('0' + number) || s[1] != ' ')
		return -1;
	s += 2;
	sp = memchr(s, ' ', (size_t)(end - s));
	if (!sp || (size_t)(sp - s) >= sizeof(ret->url) ||
	    !ascii(s, (size_t)(sp - s), 0x21))
		return -1;
	memcpy(ret->url, s, (size_t)(sp - s));
	s = sp + 1;
	if (end - s == 7 && memcmp(s, "granted", 7) == 0) {
		ret->granted = true;
		return 0;
	}
	if (end - s < 8 || memcmp(s, "failed ", 7) != 0)
		return -1;
	s += 7;
	if ((size_t)(end - s) >= sizeof(ret->error) ||
	    !ascii(s, (size_t)(end - s), 0x20))
		return -1;
	memcpy(ret->error, s, (size_t)(end - s));
	return 0;
}

int cart_stamps_parse(const void *data, size_t len,
		      struct cart_stamp ret[CART_STAMPS_MAX], size_t *ret_n,
		      struct cart_err *err)
{
	const char *p = data, *end = p ? p + len : p, *lf;
	size_t n = 0;

	while (p < end) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (n == CART_STAMPS_MAX || !lf ||
		    parse_line(p, (size_t)(lf - p), n + 1, &ret[n]) < 0)
			return cart_rule(err, 24, "a line of timestamps.txt");
		n++;
		p = lf + 1;
	}
	if (n == 0)
		return cart_rule(err, 24, "timestamps.txt is empty");
	*ret_n = n;
	return 0;
}

static int check_tsr(const struct cart_tsr_check *check,
		     struct cart_verdict_stamp *ret, struct cart_err *err)
{
	struct cart_tsr t;

	if (cart_tsr_verify(check, &t, err) < 0)
		return -1;
	ret->anchored = t.anchored;
	ret->gen_ns = t.gen_ns;
	memcpy(ret->by, t.by, sizeof(ret->by));
	memcpy(ret->why_not, t.why_not, sizeof(ret->why_not));
	return 0;
}

static int check_one(const struct cart_buf *data, const struct cart_buf *reply,
		     const char *roots, size_t roots_len,
		     struct cart_verdict_stamp *ret, struct cart_err *err)
{
	const struct cart_tsr_check check = {
		.reply = reply->data, .reply_len = reply->len,
		.data = data->data, .data_len = data->len,
		.roots = roots, .roots_len = roots_len,
	};
	struct cart_err why = { 0 };

	if (check_tsr(&check, ret, &why) == 0)
		return 0;
	if (why.class == CART_ERR_DENIED)
		why.class = CART_ERR_INPUT;
	return cart_rule_because(err, 24, &why, "a time stamp");
}

int cart_stamps_check(const struct cart_bag *b, const char *roots,
		      size_t roots_len,
		      struct cart_verdict_stamp ret[CART_STAMPS_MAX],
		      struct cart_err *err)
{
	size_t i;

	for (i = 0; i < b->n_stamps; i++) {
		memcpy(ret[i].url, b->stamp[i].url, sizeof(ret[i].url));
		memcpy(ret[i].error, b->stamp[i].error, sizeof(ret[i].error));
		if (b->stamp[i].granted &&
		    check_one(&b->inner_text, &b->stamp[i].reply, roots,
			      roots_len, &ret[i], err) < 0)
			return -1;
	}
	return 0;
}

int cart_stamp_check_counter(const struct cart_counter_sig *c,
			     const char *roots, size_t roots_len,
			     struct cart_verdict_stamp *ret,
			     struct cart_err *err)
{
	return check_one(&c->data, &c->tsr, roots, roots_len, ret, err);
}

/* --- of heads that the reader kept --- */

static int head_signed(const struct cart_verify_options *o,
		       const struct cart_kept_head *h,
		       struct cart_verdict_head *ret, struct cart_err *err)
{
	unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_minisign_sig sig;
	struct cart_blake2b b;
	size_t i;

	if (cart_minisign_parse_sig(h->minisig, h->minisig_len, &sig, err) < 0)
		return -1;
	cart_minisign_id_text(sig.key_id, ret->signer_id);
	cart_blake2b_init(&b);
	cart_blake2b_update(&b, h->text, h->len);
	cart_blake2b_final(&b, prehash);
	for (i = 0; i < o->n_keys; i++) {
		if (memcmp(o->keys[i].id, sig.key_id, sizeof(sig.key_id)) != 0)
			continue;
		if (cart_minisign_verify(&sig, &o->keys[i], prehash, err) < 0)
			return -1;
		ret->signer_named = true;
	}
	return 0;
}

int cart_heads_judge(const struct cart_verify_options *o,
		     struct cart_verdict *v, struct cart_err *err)
{
	const struct cart_kept_head *h;
	struct cart_tsr_check check = { .roots = o->tsa_roots,
					.roots_len = o->tsa_roots_len };
	size_t i;
	int rc = 0;

	for (i = 0; i < o->n_heads && v->n_heads < CART_HEADS_MAX; i++) {
		h = &o->heads[i];
		v->head[v->n_heads].size = h->size;
		check.data = h->text;
		check.data_len = h->len;
		check.reply = h->tsr;
		check.reply_len = h->tsr_len;
		if (h->tsr)
			rc = check_tsr(&check, &v->head[v->n_heads].stamp, err);
		if (rc == 0 && h->minisig)
			rc = head_signed(o, h, &v->head[v->n_heads], err);
		if (rc < 0) {
			cart_err_prefix(err, "what goes with the head of %llu "
					"lines", (unsigned long long)h->size);
			err->class = CART_ERR_USAGE;
			return -1;
		}
		v->n_heads += h->tsr || h->minisig;
	}
	return 0;
}
