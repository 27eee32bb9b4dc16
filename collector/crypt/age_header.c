/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <sodium.h>

#include <crashcart/digest.h>

#include "age.h"
#include "crypt.h"

/*
 * The header of an age file: a version line, one stanza for each recipient,
 * and a MAC.  Text of a form that leaves no choice: single spaces, LF,
 * unpadded canonical base64 in lines of 64 columns.
 */

#define COLUMNS 64u
#define X25519_INFO "age-encryption.org/v1/X25519"
#define MAC_TEXT 43u			/* 32 bytes in base64 */

struct stanza {
	const char *type;
	size_t type_len, n_args;	/* with the type */
	const char *arg;		/* the first after it */
	size_t arg_len;
	unsigned char body[AGE_WRAPPED_SIZE];
	size_t body_len;		/* of all of it, more than body may hold */
};

/* Appended to what there is. */
static void add_base64(struct cart_buf *out, const void *data, size_t len)
{
	char text[sodium_base64_ENCODED_LEN(32,
				sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];

	sodium_bin2base64(text, sizeof(text), data, len,
			  sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	cart_buf_adds(out, text);
}

/* Unpadded and canonical; at most 48 bytes.  Their number, or -1. */
static int from_base64(const char *s, size_t len, unsigned char out[48])
{
	const char *end = NULL;
	size_t n = 0;

	if (len == 0)
		return 0;
	if (sodium_base642bin(out, 48, s, len, NULL, &n, &end,
			      sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 ||
	    end != s + len)
		return -1;
	return (int)n;
}

/* --- writing --- */

static int wrap(struct age_secret *s, const unsigned char *recipient,
		unsigned char share[CART_AGE_KEY_SIZE],
		unsigned char wrapped[AGE_WRAPPED_SIZE])
{
	static const unsigned char nonce[12];
	unsigned char salt[2 * CART_AGE_KEY_SIZE];

	cart_random(s->ephemeral, sizeof(s->ephemeral));
	crypto_scalarmult_curve25519_base(share, s->ephemeral);
	if (crypto_scalarmult_curve25519(s->shared, s->ephemeral,
					 recipient) != 0)
		return -1;
	memcpy(salt, share, CART_AGE_KEY_SIZE);
	memcpy(salt + CART_AGE_KEY_SIZE, recipient, CART_AGE_KEY_SIZE);
	cart_age_hkdf(s, s->shared, sizeof(s->shared), salt, sizeof(salt),
		      X25519_INFO, s->wrap);
	crypto_aead_chacha20poly1305_ietf_encrypt(wrapped, NULL, s->file_key,
						  sizeof(s->file_key), NULL, 0,
						  NULL, nonce, s->wrap);
	return 0;
}

/* Over the header from its first byte to "---". */
static void header_mac(struct age_secret *s, const void *data, size_t len,
		       unsigned char mac[AGE_MAC_SIZE])
{
	cart_age_hkdf(s, s->file_key, sizeof(s->file_key), NULL, 0, "header",
		      s->wrap);
	crypto_auth_hmacsha256(mac, data, len, s->wrap);
}

int cart_age_header_print(const struct cart_age_recipients *r,
			  struct age_secret *s, struct cart_buf *out,
			  struct cart_err *err)
{
	unsigned char share[CART_AGE_KEY_SIZE], wrapped[AGE_WRAPPED_SIZE];
	unsigned char mac[AGE_MAC_SIZE];
	size_t i, start = out->len;

	cart_buf_adds(out, CART_AGE_MAGIC);
	for (i = 0; i < r->n; i++) {
		if (wrap(s, r->key[i], share, wrapped) < 0)
			return cart_err_set(err, CART_ERR_CRYPTO, 0,
					    "an age recipient is a key of low "
					    "order, which protects nothing");
		cart_buf_adds(out, "-> X25519 ");
		add_base64(out, share, sizeof(share));
		cart_buf_addc(out, '\n');
		add_base64(out, wrapped, sizeof(wrapped));
		cart_buf_addc(out, '\n');
	}
	cart_buf_adds(out, "---");
	if (!cart_buf_ok(out))
		return cart_buf_check(out, "age header", err);
	header_mac(s, out->data + start, out->len - start, mac);
	cart_buf_addc(out, ' ');
	add_base64(out, mac, sizeof(mac));
	cart_buf_addc(out, '\n');
	return cart_buf_check(out, "age header", err);
}

/* --- reading --- */

static int bad(struct cart_err *err, const char *what)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "age header: %s", what);
}

/* The line at *p without its LF: its length, or -1. */
static ptrdiff_t take_line(const char **p, const char *end, const char **ret)
{
	const char *lf = memchr(*p, '\n', (size_t)(end - *p));

	if (!lf)
		return -1;
	*ret = *p;
	*p = lf + 1;
	return lf - *ret;
}

/* "-> TYPE ARG ..." */
static int take_args(struct stanza *st, const char *s, size_t len,
		     struct cart_err *err)
{
	size_t start = 3, i;

	if (len < 4 || memcmp(s, "-> ", 3) != 0)
		return bad(err, "a stanza does not begin with \"-> \"");
	for (i = start; i <= len; i++) {
		if (i < len && s[i] > 32 && s[i] < 127)
			continue;
		if (i == start || (i < len && s[i] != ' '))
			return bad(err, "the arguments of a stanza");
		if (st->n_args == 0) {
			st->type = s + start;
			st->type_len = i - start;
		} else if (st->n_args == 1) {
			st->arg = s + start;
			st->arg_len = i - start;
		}
		st->n_args++;
		start = i + 1;
	}
	return 0;
}

/* Full lines and a shorter one, which may be empty. */
static int take_body(struct stanza *st, const char **p, const char *end,
		     struct cart_err *err)
{
	unsigned char piece[48];
	const char *line;
	ptrdiff_t len;
	size_t room;
	int n;

	do {
		len = take_line(p, end, &line);
		if (len < 0)
			return bad(err, "a stanza does not end");
		n = len > (ptrdiff_t)COLUMNS ? -1 :
			from_base64(line, (size_t)len, piece);
		if (n < 0)
			return bad(err, "the body of a stanza is not canonical "
				   "base64");
		room = st->body_len < sizeof(st->body) ?
			sizeof(st->body) - st->body_len : 0;
		if ((size_t)n < room)
			room = (size_t)n;
		if (room)
			memcpy(st->body + st->body_len, piece, room);
		st->body_len += (size_t)n;
	} while (len == COLUMNS);
	return 0;
}

/* 1: a stanza; 0: the line of the MAC is next; -1. */
static int next_stanza(const char **p, const char *end, struct stanza *st,
		       struct cart_err *err)
{
	const char *line;
	ptrdiff_t len;

	if (end - *p >= 3 && memcmp(*p, "---", 3) == 0)
		return 0;
	memset(st, 0, sizeof(*st));
	len = take_line(p, end, &line);
	if (len < 0)
		return bad(err, "it does not end");
	if (take_args(st, line, (size_t)len, err) < 0 ||
	    take_body(st, p, end, err) < 0)
		return -1;
	return 1;
}

static bool is_type(const struct stanza *st, const char *type)
{
	return st->type_len == strlen(type) &&
	       memcmp(st->type, type, st->type_len) == 0;
}

static int share_of(const struct stanza *st,
		    unsigned char share[CART_AGE_KEY_SIZE],
		    struct cart_err *err)
{
	unsigned char bytes[48];

	if (st->n_args != 2 || st->arg_len != MAC_TEXT ||
	    from_base64(st->arg, st->arg_len, bytes) != CART_AGE_KEY_SIZE ||
	    st->body_len != AGE_WRAPPED_SIZE)
		return bad(err, "an X25519 stanza is not of its form");
	memcpy(share, bytes, CART_AGE_KEY_SIZE);
	return 0;
}

/* "--- MAC": where "---" ends, and the MAC. */
static int take_mac(const char *p, const char *end,
		    unsigned char mac[AGE_MAC_SIZE], struct cart_err *err)
{
	unsigned char bytes[48];

	if (end - p != 4 + MAC_TEXT + 1 || p[3] != ' ' || end[-1] != '\n' ||
	    from_base64(p + 4, MAC_TEXT, bytes) != AGE_MAC_SIZE)
		return bad(err, "its MAC is not of its form");
	memcpy(mac, bytes, AGE_MAC_SIZE);
	return 0;
}

/* All that can be seen without a key; *ret_end is where "---" stands. */
static int check_form(const char *data, size_t len, const char **ret_end,
		      unsigned char mac[AGE_MAC_SIZE], struct cart_err *err)
{
	const char *p = data, *end = data + len;
	unsigned char share[CART_AGE_KEY_SIZE];
	size_t n = 0, passwords = 0;
	struct stanza st;
	int rc;

	if (len < CART_AGE_MAGIC_SIZE ||
	    memcmp(p, CART_AGE_MAGIC, CART_AGE_MAGIC_SIZE) != 0)
		return bad(err, "not of age's version 1");
	p += CART_AGE_MAGIC_SIZE;
	while ((rc = next_stanza(&p, end, &st, err)) > 0) {
		n++;
		passwords += is_type(&st, "scrypt");
		if (is_type(&st, "X25519") && share_of(&st, share, err) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	if (n == 0)
		return bad(err, "no recipient");
	if (passwords && n > 1)
		return bad(err, "a password beside another recipient");
	*ret_end = p;
	return take_mac(p, end, mac, err);
}

int cart_age_header_check(const void *data, size_t len, size_t *ret_len,
			  struct cart_err *err)
{
	const char *s = data, *at, *lf;
	unsigned char mac[AGE_MAC_SIZE];
	size_t seen = len < CART_AGE_MAGIC_SIZE ? len : CART_AGE_MAGIC_SIZE;

	*ret_len = 0;
	if (seen && memcmp(s, CART_AGE_MAGIC, seen) != 0)
		return bad(err, "not of age's version 1");
	if (len <= CART_AGE_MAGIC_SIZE)
		return 0;
	at = memmem(s + seen - 1, len - seen + 1, "\n---", 4);
	lf = at ? memchr(at + 1, '\n', (size_t)(s + len - at - 1)) : NULL;
	if (!lf)
		return len < CART_AGE_HEADER_MAX ? 0 : bad(err, "too long");
	if ((size_t)(lf + 1 - s) > CART_AGE_HEADER_MAX)
		return bad(err, "too long");
	if (check_form(s, (size_t)(lf + 1 - s), &at, mac, err) < 0)
		return -1;
	*ret_len = (size_t)(lf + 1 - s);
	return 0;
}

/* 1: this identity opens the stanza; 0; -1. */
static int unwrap(const struct stanza *st, const struct age_identity *id,
		  struct age_secret *s, struct cart_err *err)
{
	static const unsigned char nonce[12];
	unsigned char salt[2 * CART_AGE_KEY_SIZE];

	if (share_of(st, salt, err) < 0)
		return -1;
	if (crypto_scalarmult_curve25519(s->shared, id->secret, salt) != 0)
		return bad(err, "an ephemeral key of low order");
	memcpy(salt + CART_AGE_KEY_SIZE, id->public, CART_AGE_KEY_SIZE);
	cart_age_hkdf(s, s->shared, sizeof(s->shared), salt, sizeof(salt),
		      X25519_INFO, s->wrap);
	return crypto_aead_chacha20poly1305_ietf_decrypt(s->file_key, NULL,
			NULL, st->body, sizeof(st->body), NULL, 0, nonce,
			s->wrap) == 0;
}

/* Tries each identity with each stanza. */
static int find_key(const char *p, const char *end,
		    const struct cart_age_identities *ids,
		    struct age_secret *s, struct cart_err *err)
{
	struct stanza st;
	size_t i;
	int rc;

	while (next_stanza(&p, end, &st, err) > 0) {
		if (!is_type(&st, "X25519"))
			continue;
		for (i = 0; i < ids->n; i++) {
			rc = unwrap(&st, &ids->id[i], s, err);
			if (rc)
				return rc < 0 ? -1 : 0;
		}
	}
	return cart_err_set(err, CART_ERR_CRYPTO, CART_AGE_NO_MATCH,
			    "no identity that was given opens this age file");
}

int cart_age_header_open(const void *data, size_t len,
			 const struct cart_age_identities *ids,
			 struct age_secret *s, struct cart_err *err)
{
	unsigned char said[AGE_MAC_SIZE], mac[AGE_MAC_SIZE];
	const char *end;

	if (check_form(data, len, &end, said, err) < 0 ||
	    find_key((const char *)data + CART_AGE_MAGIC_SIZE, end + 3, ids, s,
		     err) < 0)
		return -1;
	header_mac(s, data, (size_t)(end + 3 - (const char *)data), mac);
	if (sodium_memcmp(mac, said, sizeof(mac)) != 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "age header: its MAC does not hold");
	return 0;
}
