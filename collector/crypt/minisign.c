/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <crashcart/minisign.h>
#include <crashcart/text.h>

#include "crypt.h"

#define PUBLIC_SIZE (2 + CART_MINISIGN_ID_SIZE + CART_ED25519_PUBLIC_SIZE)
#define SIG_SIZE (2 + CART_MINISIGN_ID_SIZE + CART_ED25519_SIGNATURE_SIZE)

static const char untrusted_prefix[] = "untrusted comment: ";
static const char trusted_prefix[] = "trusted comment: ";

static int bad(struct cart_err *err, const char *what)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "minisign: %s", what);
}

/* Takes the next LF-ended line off the front of *text. */
static int next_line(const char **text, size_t *len, const char **ret,
		     size_t *ret_len)
{
	const char *lf = *len > 0 ? memchr(*text, '\n', *len) : NULL;

	if (!lf)
		return -1;
	*ret = *text;
	*ret_len = (size_t)(lf - *text);
	*len -= *ret_len + 1;
	*text = lf + 1;
	return 0;
}

static int take_comment(const char **text, size_t *len, const char *prefix,
			char out[CART_MINISIGN_COMMENT_MAX + 1],
			struct cart_err *err)
{
	size_t n, skip = strlen(prefix);
	const char *line;

	if (next_line(text, len, &line, &n) < 0)
		return bad(err, "the signature file is cut short");
	if (n < skip || memcmp(line, prefix, skip) != 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "minisign: a line must begin with \"%s\"",
				    prefix);
	line += skip;
	n -= skip;
	if (n > CART_MINISIGN_COMMENT_MAX)
		return bad(err, "a comment of more than 1000 bytes");
	if (!cart_text_is_printable(line, n))
		return bad(err, "a comment that is not printable UTF-8");
	memcpy(out, line, n);
	out[n] = '\0';
	return 0;
}

static int decode(const char *s, size_t s_len, unsigned char *out, size_t len)
{
	unsigned char bytes[SIG_SIZE + 1];
	struct cart_buf b;

	if (len >= sizeof(bytes))
		return -1;
	cart_buf_init_fixed(&b, bytes, len + 1);
	if (cart_text_unbase64(s, s_len, &b) < 0 || b.len != len)
		return -1;
	memcpy(out, bytes, len);
	return 0;
}

static int take_bytes(const char **text, size_t *len, unsigned char *out,
		      size_t out_len, struct cart_err *err)
{
	const char *line;
	size_t n;

	if (next_line(text, len, &line, &n) < 0)
		return bad(err, "the signature file is cut short");
	if (decode(line, n, out, out_len) < 0)
		return bad(err, "a line is not canonical base64 of the "
				"right length");
	return 0;
}

int cart_minisign_parse_sig(const void *data, size_t len,
			    struct cart_minisign_sig *ret, struct cart_err *err)
{
	unsigned char raw[SIG_SIZE];
	const char *text = data;

	if (take_comment(&text, &len, untrusted_prefix, ret->untrusted, err) < 0)
		return -1;
	if (take_bytes(&text, &len, raw, sizeof(raw), err) < 0)
		return -1;
	if (take_comment(&text, &len, trusted_prefix, ret->trusted, err) < 0)
		return -1;
	if (take_bytes(&text, &len, ret->global, sizeof(ret->global), err) < 0)
		return -1;
	if (len > 0)
		return bad(err, "bytes after the signature");
	if (memcmp(raw, "Ed", 2) == 0)
		return bad(err, "the legacy signature form is not accepted "
				"(sign with minisign 0.6 or newer)");
	if (memcmp(raw, "ED", 2) != 0)
		return bad(err, "unknown signature algorithm");
	memcpy(ret->key_id, raw + 2, sizeof(ret->key_id));
	memcpy(ret->signature, raw + 2 + sizeof(ret->key_id),
	       sizeof(ret->signature));
	return 0;
}

/* Leaves the base64 of a public key: of a two-line file or on its own. */
static int find_public(const char **text, size_t *len)
{
	const size_t skip = sizeof(untrusted_prefix) - 1;
	const char *line;
	size_t n;

	if (*len >= skip && memcmp(*text, untrusted_prefix, skip) == 0) {
		if (next_line(text, len, &line, &n) < 0)
			return -1;
		if (n > 0 && line[n - 1] == '\r')
			n--;
		if (!cart_text_is_printable(line, n))
			return -1;
	}
	/* people paste keys with a line end, of either kind, or none */
	if (*len > 0 && (*text)[*len - 1] == '\n')
		--*len;
	if (*len > 0 && (*text)[*len - 1] == '\r')
		--*len;
	return 0;
}

int cart_minisign_parse_public(const void *data, size_t len,
			       struct cart_public_key *ret, struct cart_err *err)
{
	unsigned char raw[PUBLIC_SIZE];
	const char *text = data;

	if (find_public(&text, &len) < 0 ||
	    decode(text, len, raw, sizeof(raw)) < 0)
		return bad(err, "not a public key: expected a minisign .pub "
				"file or its 56-character key");
	if (memcmp(raw, "Ed", 2) != 0)
		return bad(err, "unknown public key algorithm");
	cart_crypt_start();
	/* on the curve, canonical, and in the group of prime order */
	if (crypto_core_ed25519_is_valid_point(raw + 2 +
					       CART_MINISIGN_ID_SIZE) != 1)
		return bad(err, "a weak or malformed public key");
	memcpy(ret->id, raw + 2, sizeof(ret->id));
	memcpy(ret->key, raw + 2 + sizeof(ret->id), sizeof(ret->key));
	return 0;
}

/* Without white space at the end. */
static size_t trimmed(const char *text, size_t len)
{
	while (len > 0 && memchr(" \r\n\t", text[len - 1], 4) != NULL)
		len--;
	return len;
}

int cart_minisign_parse_spki(const void *data, size_t len,
			     struct cart_public_key *ret, struct cart_err *err)
{
	static const char begin[] = "-----BEGIN PUBLIC KEY-----";
	static const char end[] = "-----END PUBLIC KEY-----";
	static const unsigned char prefix[12] = {
		0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03,
		0x21, 0x00
	};
	unsigned char spki[sizeof(prefix) + CART_ED25519_PUBLIC_SIZE];
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_public_key key;
	const char *text = data;
	struct cart_buf bare;
	int rc;

	if (len == sizeof(spki)) {
		memcpy(spki, text, len);
	} else {
		len = trimmed(text, len);
		if (len > sizeof(begin) + sizeof(end) &&
		    memcmp(text, begin, sizeof(begin) - 1) == 0 &&
		    memcmp(text + len - sizeof(end) + 1, end,
			   sizeof(end) - 1) == 0) {
			text += sizeof(begin) - 1;
			len -= sizeof(begin) + sizeof(end) - 2;
			for (; len > 0 && (*text == '\r' || *text == '\n'); len--)
				text++;
			len = trimmed(text, len);
		}
		if (decode(text, len, spki, sizeof(spki)) < 0)
			return bad(err, "not an Ed25519 public key");
	}
	if (memcmp(spki, prefix, sizeof(prefix)) != 0)
		return bad(err, "not an Ed25519 public key");
	memcpy(key.key, spki + sizeof(prefix), sizeof(key.key));
	cart_sha256(key.key, sizeof(key.key), sha256);
	memcpy(key.id, sha256, sizeof(key.id));
	/* through the reader of minisign keys, which refuses weak ones */
	cart_buf_init(&bare, 128);
	cart_minisign_print_public_bare(&key, &bare);
	rc = cart_buf_check(&bare, "public key", err);
	if (rc == 0)
		rc = cart_minisign_parse_public(bare.data, bare.len, ret, err);
	cart_buf_clear(&bare);
	return rc;
}

/* What the global signature covers. */
static size_t global_message(const unsigned char *sig, const char *trusted,
			     unsigned char *out)
{
	size_t len = strlen(trusted);

	memcpy(out, sig, CART_ED25519_SIGNATURE_SIZE);
	memcpy(out + CART_ED25519_SIGNATURE_SIZE, trusted, len);
	return CART_ED25519_SIGNATURE_SIZE + len;
}

#define GLOBAL_MAX (CART_ED25519_SIGNATURE_SIZE + CART_MINISIGN_COMMENT_MAX)

int cart_minisign_verify(const struct cart_minisign_sig *sig,
			 const struct cart_public_key *key,
			 const unsigned char prehash[CART_BLAKE2B_SIZE],
			 struct cart_err *err)
{
	unsigned char message[GLOBAL_MAX];
	size_t len;

	if (cart_ed25519_verify(key->key, prehash, CART_BLAKE2B_SIZE,
				sig->signature) < 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "the signature does not hold");
	len = global_message(sig->signature, sig->trusted, message);
	if (cart_ed25519_verify(key->key, message, len, sig->global) < 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "the signature of the trusted comment does "
				    "not hold");
	return 0;
}

static int check_comment(const char *comment, struct cart_err *err)
{
	size_t len = strlen(comment);

	if (len > CART_MINISIGN_COMMENT_MAX ||
	    !cart_text_is_printable(comment, len))
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "minisign: a comment must be printable and "
				    "at most %d bytes",
				    CART_MINISIGN_COMMENT_MAX);
	return 0;
}

int cart_minisign_sign(struct cart_signer *signer,
		       const unsigned char prehash[CART_BLAKE2B_SIZE],
		       const char *untrusted, const char *trusted,
		       struct cart_buf *out, struct cart_err *err)
{
	unsigned char raw[SIG_SIZE], global[CART_ED25519_SIGNATURE_SIZE];
	unsigned char message[GLOBAL_MAX];
	unsigned char *sig = raw + 2 + CART_MINISIGN_ID_SIZE;
	size_t len;

	if (check_comment(untrusted, err) < 0 || check_comment(trusted, err) < 0)
		return -1;
	memcpy(raw, "ED", 2);
	memcpy(raw + 2, signer->public_key.id, CART_MINISIGN_ID_SIZE);
	if (signer->sign(signer, prehash, CART_BLAKE2B_SIZE, sig, err) < 0)
		return -1;
	len = global_message(sig, trusted, message);
	if (signer->sign(signer, message, len, global, err) < 0)
		return -1;
	cart_buf_addf(out, "%s%s\n", untrusted_prefix, untrusted);
	cart_text_base64(raw, sizeof(raw), out);
	cart_buf_addf(out, "\n%s%s\n", trusted_prefix, trusted);
	cart_text_base64(global, sizeof(global), out);
	cart_buf_addc(out, '\n');
	return cart_buf_check(out, "signature", err);
}

void cart_minisign_print_public_bare(const struct cart_public_key *key,
				     struct cart_buf *out)
{
	unsigned char raw[PUBLIC_SIZE];

	memcpy(raw, "Ed", 2);
	memcpy(raw + 2, key->id, sizeof(key->id));
	memcpy(raw + 2 + sizeof(key->id), key->key, sizeof(key->key));
	cart_text_base64(raw, sizeof(raw), out);
}

void cart_minisign_print_public(const struct cart_public_key *key,
				const char *comment, struct cart_buf *out)
{
	cart_buf_addf(out, "%s%s\n", untrusted_prefix, comment);
	cart_minisign_print_public_bare(key, out);
	cart_buf_addc(out, '\n');
}

void cart_minisign_id_text(const unsigned char id[CART_MINISIGN_ID_SIZE],
			   char out[17])
{
	int i;

	for (i = 0; i < CART_MINISIGN_ID_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02X",
			 id[CART_MINISIGN_ID_SIZE - 1 - i]);
}

int cart_ed25519_verify(const unsigned char key[CART_ED25519_PUBLIC_SIZE],
			const void *message, size_t len,
			const unsigned char sig[CART_ED25519_SIGNATURE_SIZE])
{
	cart_crypt_start();
	return crypto_sign_ed25519_verify_detached(sig, message, len, key);
}
