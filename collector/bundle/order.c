/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/minisign.h>
#include <crashcart/order.h>
#include <crashcart/text.h>

/* --- writing --- */

static void add_time(struct cart_json *j, const char *key, int64_t ns)
{
	char text[CART_CLOCK_TEXT_SIZE];

	cart_clock_text(ns, 0, text);
	cart_json_add(j, key, cart_json_new_string(text));
}

static struct cart_json *to_json(const struct cart_order *o)
{
	struct cart_json *j = cart_json_new_object(), *m;
	size_t i;

	cart_json_add(j, "crashcart_order", cart_json_new_int(1));
	cart_json_add(j, "case", cart_json_new_string(o->case_id));
	m = cart_json_add(j, "manifest", cart_json_new_object());
	cart_json_add(m, "name", cart_json_new_string(o->manifest_name));
	cart_json_add(m, "sha256", cart_json_new_string(o->manifest_sha256));
	m = cart_json_add(j, "tools", cart_json_new_array());
	for (i = 0; i < o->n_tools; i++)
		cart_json_append(m, cart_json_new_string(o->tool[i]));
	cart_json_add(j, "nonce", cart_json_new_string(o->nonce));
	add_time(j, "from", o->from_ns);
	add_time(j, "until", o->until_ns);
	if (o->by[0])
		cart_json_add(j, "by", cart_json_new_string(o->by));
	return j;
}

static void comment_of(const char *case_id, const void *file, size_t len,
		       char out[256])
{
	char hex[CART_SHA256_HEX_SIZE];

	cart_sha256_hex(file, len, hex);
	snprintf(out, 256, "crashcart order case=%s sha256=%s", case_id, hex);
}

static void prehash(const void *file, size_t len,
		    unsigned char out[CART_BLAKE2B_SIZE])
{
	struct cart_blake2b h;

	cart_blake2b_init(&h);
	cart_blake2b_update(&h, file, len);
	cart_blake2b_final(&h, out);
}

int cart_order_make(struct cart_order *o, struct cart_signer *signer,
		    struct cart_buf *ret_file, struct cart_buf *ret_minisig,
		    struct cart_err *err)
{
	unsigned char hash[CART_BLAKE2B_SIZE], random[16];
	struct cart_order again;
	struct cart_json *j;
	char comment[256];

	cart_random(random, sizeof(random));
	cart_text_hex(random, sizeof(random), o->nonce);
	j = to_json(o);
	cart_json_print(j, 0, ret_file);
	cart_buf_addc(ret_file, '\n');
	cart_json_free(j);
	if (cart_buf_check(ret_file, "order", err) < 0 ||
	    cart_order_parse(ret_file->data, ret_file->len, &again, err) < 0)
		return -1;
	prehash(ret_file->data, ret_file->len, hash);
	comment_of(o->case_id, ret_file->data, ret_file->len, comment);
	if (cart_minisign_sign(signer, hash, "crashcart order", comment,
			       ret_minisig, err) < 0)
		return -1;
	return cart_buf_check(ret_minisig, "signature of the order", err);
}

/* --- reading --- */

static int bad(struct cart_err *err, const char *what)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "order: %s", what);
}

static bool is_hex(const char *s, size_t digits)
{
	return s && strlen(s) == digits &&
	       strspn(s, "0123456789abcdef") == digits;
}

static int take_time(const struct cart_json *j, int64_t *ret)
{
	const char *s = cart_json_string(j);

	if (!s || strlen(s) != 20 || s[19] != 'Z')
		return -1;
	return cart_clock_parse(s, 20, ret);
}

static int take_name(const struct cart_json *j, char out[65])
{
	const char *s = cart_json_string(j);

	if (!s || !cart_text_is_name(s, strlen(s)))
		return -1;
	snprintf(out, 65, "%s", s);
	return 0;
}

static int take_manifest(const struct cart_json *j, struct cart_order *o)
{
	const struct cart_json *sha = cart_json_get(j, "sha256");
	const struct cart_json *name = cart_json_get(j, "name");

	if (cart_json_size(j) != 2 || cart_json_first(j) != name ||
	    take_name(name, o->manifest_name) < 0 ||
	    !is_hex(cart_json_string(sha), 64))
		return -1;
	snprintf(o->manifest_sha256, sizeof(o->manifest_sha256), "%s",
		 cart_json_string(sha));
	return 0;
}

static int take_tools(const struct cart_json *j, struct cart_order *o)
{
	const struct cart_json *e = cart_json_first(j);

	if (cart_json_type(j) != CART_JSON_ARRAY || !e)
		return -1;
	for (; e; e = cart_json_next(e)) {
		if (o->n_tools == CART_ORDER_TOOLS_MAX ||
		    !is_hex(cart_json_string(e), 64))
			return -1;
		snprintf(o->tool[o->n_tools++], CART_SHA256_HEX_SIZE, "%s",
			 cart_json_string(e));
	}
	return 0;
}

static int take_by(const struct cart_json *j, struct cart_order *o)
{
	const char *s = cart_json_string(j);
	size_t len = s ? strlen(s) : 0;

	if (len == 0 || len >= sizeof(o->by) || strchr(s, '\t') ||
	    !cart_text_is_printable(s, len))
		return -1;
	memcpy(o->by, s, len + 1);
	return 0;
}

/* One member, which must be the i-th. */
static int take(const struct cart_json *m, size_t i, struct cart_order *o)
{
	static const char *const keys[] = {
		"crashcart_order", "case", "manifest", "tools", "nonce", "from",
		"until", "by"
	};
	int64_t version;

	if (i >= sizeof(keys) / sizeof(keys[0]) ||
	    strcmp(cart_json_key(m), keys[i]) != 0)
		return -1;
	switch (i) {
	case 0:
		return cart_json_i64(m, &version) == 0 && version == 1 ? 0 : -1;
	case 1:
		return take_name(m, o->case_id);
	case 2:
		return take_manifest(m, o);
	case 3:
		return take_tools(m, o);
	case 4:
		if (!is_hex(cart_json_string(m), 32))
			return -1;
		snprintf(o->nonce, sizeof(o->nonce), "%s", cart_json_string(m));
		return 0;
	case 5:
		return take_time(m, &o->from_ns);
	case 6:
		return take_time(m, &o->until_ns);
	default:
		return take_by(m, o);
	}
}

int cart_order_parse(const void *data, size_t len, struct cart_order *ret,
		     struct cart_err *err)
{
	struct cart_json *j = NULL;
	const struct cart_json *m;
	size_t i = 0;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (len == 0 || len > CART_ORDER_MAX ||
	    ((const char *)data)[len - 1] != '\n')
		return bad(err, "not a file of one line");
	j = cart_json_parse(data, len, NULL, err);
	if (!j)
		return cart_err_prefix(err, "order");
	if (cart_json_type(j) != CART_JSON_OBJECT) {
		bad(err, "not an object");
		goto out;
	}
	for (m = cart_json_first(j); m; m = cart_json_next(m), i++)
		if (take(m, i, ret) < 0) {
			cart_err_set(err, CART_ERR_INPUT, 0, "order: key %s is "
				     "not what it must be there",
				     cart_json_key(m));
			goto out;
		}
	if (i < 7 || ret->from_ns >= ret->until_ns) {
		bad(err, i < 7 ? "keys are missing" :
		    "from is not before until");
		goto out;
	}
	rc = 0;
out:
	cart_json_free(j);
	return rc;
}

static int read_sig(const void *file, size_t len, const void *minisig,
		    size_t minisig_len, struct cart_minisign_sig *ret,
		    struct cart_err *err)
{
	struct cart_order o;
	char comment[256];

	if (cart_order_parse(file, len, &o, err) < 0 ||
	    cart_minisign_parse_sig(minisig, minisig_len, ret, err) < 0)
		return -1;
	comment_of(o.case_id, file, len, comment);
	if (strcmp(ret->untrusted, "crashcart order") != 0 ||
	    strcmp(ret->trusted, comment) != 0)
		return bad(err, "its signature file is about something else");
	return 0;
}

int cart_order_signed_by(const void *file, size_t len, const void *minisig,
			 size_t minisig_len,
			 unsigned char ret_id[CART_MINISIGN_ID_SIZE],
			 struct cart_err *err)
{
	struct cart_minisign_sig sig;

	if (read_sig(file, len, minisig, minisig_len, &sig, err) < 0)
		return -1;
	memcpy(ret_id, sig.key_id, CART_MINISIGN_ID_SIZE);
	return 0;
}

int cart_order_verify(const void *file, size_t len, const void *minisig,
		      size_t minisig_len, const struct cart_public_key *key,
		      struct cart_err *err)
{
	unsigned char hash[CART_BLAKE2B_SIZE];
	struct cart_minisign_sig sig;

	if (read_sig(file, len, minisig, minisig_len, &sig, err) < 0)
		return -1;
	prehash(file, len, hash);
	return cart_minisign_verify(&sig, key, hash, err);
}

/* --- what it covers --- */

int cart_order_covers(const struct cart_order *o, const char *case_id,
		      const char *manifest_sha256, const char *tool_sha256,
		      int64_t now_ns, struct cart_err *err)
{
	char at[CART_CLOCK_TEXT_SIZE], bound[CART_CLOCK_TEXT_SIZE];
	size_t i;

	if (strcmp(o->case_id, case_id) != 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "the order is for "
				    "case %s, not %s", o->case_id, case_id);
	if (strcmp(o->manifest_sha256, manifest_sha256) != 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "the order is for "
				    "another manifest (%s, SHA-256 %s)",
				    o->manifest_name, o->manifest_sha256);
	for (i = 0; i < o->n_tools; i++)
		if (strcmp(o->tool[i], tool_sha256) == 0)
			break;
	if (i == o->n_tools)
		return cart_err_set(err, CART_ERR_USAGE, 0, "the order is for "
				    "another program than this one (SHA-256 "
				    "%s)", tool_sha256);
	if (now_ns == INT64_MIN ||
	    (now_ns >= o->from_ns && now_ns < o->until_ns))
		return 0;
	cart_clock_text(now_ns, 0, at);
	cart_clock_text(now_ns < o->from_ns ? o->from_ns : o->until_ns, 0,
			bound);
	return cart_err_set(err, CART_ERR_USAGE, 0, "the order counts %s %s, and "
			    "it is %s", now_ns < o->from_ns ? "only from" :
			    "until", bound, at);
}
