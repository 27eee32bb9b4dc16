/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>

#include "age.h"
#include "crypt.h"

/* The texts of age's keys (Bech32, BIP 173, without its limit of length), and
 * how keys come from keys. */

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

#define WORDS 52u			/* of 5 bits: 32 bytes and 4 bits */
#define CHECK 6u
#define RECIPIENT_PREFIX "age"
#define IDENTITY_PREFIX "age-secret-key-"

static uint32_t polymod(uint32_t c, unsigned v)
{
	static const uint32_t generator[] = { 0x3b6a57b2, 0x26508e6d,
					      0x1ea119fa, 0x3d4233dd,
					      0x2a1462b3 };
	uint32_t top = c >> 25;
	unsigned i;

	c = (c & 0x1ffffff) << 5 ^ v;
	for (i = 0; i < 5; i++)
		if (top >> i & 1)
			c ^= generator[i];
	return c;
}

static uint32_t polymod_prefix(const char *prefix)
{
	uint32_t c = 1;
	const char *p;

	for (p = prefix; *p; p++)
		c = polymod(c, (unsigned char)*p >> 5);
	c = polymod(c, 0);
	for (p = prefix; *p; p++)
		c = polymod(c, (unsigned char)*p & 31);
	return c;
}

/* Appends prefix, '1' and 58 characters to out. */
static void bech32_print(const char *prefix,
			 const unsigned char key[CART_AGE_KEY_SIZE], bool upper,
			 struct cart_buf *out)
{
	uint32_t check = polymod_prefix(prefix);
	unsigned i, bit, v;
	const char *p;
	char c;

	for (p = prefix; *p != '\0'; p++)
		cart_buf_addc(out, upper && *p >= 'a' ? (char)(*p - 32) : *p);
	cart_buf_addc(out, '1');
	for (i = 0; i < WORDS + CHECK; i++) {
		if (i == WORDS) {
			for (v = 0; v < CHECK; v++)
				check = polymod(check, 0);
			check ^= 1;
		}
		v = 0;
		if (i < WORDS) {
			for (bit = 5 * i; bit < 5 * i + 5; bit++)
				v = v << 1 | (bit < 256 ?
					      key[bit / 8] >> (7 - bit % 8) & 1u : 0);
			check = polymod(check, v);
		} else {
			v = check >> 5 * (CHECK - 1 - (i - WORDS)) & 31;
		}
		c = alphabet[v];
		cart_buf_addc(out, upper && c >= 'a' ? (char)(c - 32) : c);
	}
}

/* The whole text, in one case.  0 or -1. */
static int bech32_parse(const char *prefix, bool upper, const char *s,
			size_t len, unsigned char key[CART_AGE_KEY_SIZE])
{
	size_t n = strlen(prefix), i;
	uint32_t check = polymod_prefix(prefix);
	unsigned v, bit;
	const char *at;
	char c;

	if (len != n + 1 + WORDS + CHECK || s[n] != '1')
		return -1;
	memset(key, 0, CART_AGE_KEY_SIZE);
	for (i = 0; i < len; i++) {
		c = s[i];
		if (upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z')
			return -1;
		if (upper && c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		if (i < n && c != prefix[i])
			return -1;
		if (i <= n)
			continue;
		at = c ? strchr(alphabet, c) : NULL;
		if (!at)
			return -1;
		v = (unsigned)(at - alphabet);
		check = polymod(check, v);
		if (i - n - 1 >= WORDS)
			continue;
		for (bit = 0; bit < 5; bit++) {
			size_t to = 5 * (i - n - 1) + bit;
			unsigned one = v >> (4 - bit) & 1;

			if (to < 256)
				key[to / 8] |= (unsigned char)(one << (7 - to % 8));
			else if (one)
				return -1;
		}
	}
	return check == 1 ? 0 : -1;
}

/* --- recipients --- */

int cart_age_recipients_add(struct cart_age_recipients *r, const char *s,
			    size_t len, struct cart_err *err)
{
	unsigned char key[CART_AGE_KEY_SIZE];
	size_t i;

	/* what may be a secret is not repeated in a message */
	if (bech32_parse(RECIPIENT_PREFIX, false, s, len, key) < 0)
		return len < 4 || memcmp(s, "age1", 4) != 0 ?
			cart_err_set(err, CART_ERR_USAGE, 0, "no age recipient: "
				     "it does not begin with age1; an identity "
				     "(AGE-SECRET-KEY-...) stays at the lab") :
			cart_err_set(err, CART_ERR_USAGE, 0, "'%.*s' is no age "
				     "recipient (age1 and 58 more characters, "
				     "as age-keygen prints it)",
				     len > 100 ? 100 : (int)len, s);
	for (i = 0; i < r->n; i++)
		if (memcmp(r->key[i], key, sizeof(key)) == 0)
			return 0;
	if (r->n == CART_AGE_RECIPIENTS_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "more than %u age recipients",
				    CART_AGE_RECIPIENTS_MAX);
	memcpy(r->key[r->n++], key, sizeof(key));
	return 0;
}

/* The next line that says something: 1, or 0 at the end. */
static int next_line(const char **p, const char *end, const char **ret,
		     size_t *ret_len, unsigned *number)
{
	const char *lf;

	while (*p < end) {
		*ret = *p;
		lf = memchr(*p, '\n', (size_t)(end - *p));
		*ret_len = lf ? (size_t)(lf - *p) : (size_t)(end - *p);
		*p = lf ? lf + 1 : end;
		++*number;
		if (*ret_len && (*ret)[*ret_len - 1] == '\r')
			--*ret_len;
		if (*ret_len && (*ret)[0] != '#')
			return 1;
	}
	return 0;
}

int cart_age_recipients_file(struct cart_age_recipients *r, const void *data,
			     size_t len, struct cart_err *err)
{
	const char *p = data, *end = p + len, *line;
	unsigned number = 0;
	size_t n;

	while (next_line(&p, end, &line, &n, &number))
		if (cart_age_recipients_add(r, line, n, err) < 0)
			return cart_err_prefix(err, "line %u", number);
	return 0;
}

void cart_age_recipient_print(const unsigned char key[CART_AGE_KEY_SIZE],
			      char out[CART_AGE_RECIPIENT_SIZE])
{
	struct cart_buf b;

	cart_buf_init_fixed(&b, out, CART_AGE_RECIPIENT_SIZE);
	bech32_print(RECIPIENT_PREFIX, key, false, &b);
}

/* --- identities --- */

struct cart_age_identities *cart_age_identities_new(const void *data,
						    size_t len,
						    struct cart_err *err)
{
	struct cart_age_identities *ids;
	const char *p = data, *end = p + len, *line;
	unsigned number = 0;
	size_t n, count = 0;

	cart_crypt_start();
	while (next_line(&p, end, &line, &n, &number))
		count++;
	if (count == 0 || len > CART_AGE_IDENTITY_FILE_MAX) {
		cart_err_set(err, CART_ERR_INPUT, 0, "not an age identity file "
			     "(a line AGE-SECRET-KEY-1...)");
		return NULL;
	}
	ids = calloc(1, sizeof(*ids));
	if (ids)
		ids->id = sodium_allocarray(count, sizeof(*ids->id));
	if (!ids || !ids->id) {
		cart_age_identities_free(ids);
		cart_err_nomem(err);
		return NULL;
	}
	number = 0;
	for (p = data; next_line(&p, end, &line, &n, &number); ids->n++) {
		if (bech32_parse(IDENTITY_PREFIX, true, line, n,
				 ids->id[ids->n].secret) < 0) {
			cart_err_set(err, CART_ERR_INPUT, 0, "line %u is no age "
				     "identity (AGE-SECRET-KEY-1 and 58 more "
				     "characters)", number);
			cart_age_identities_free(ids);
			return NULL;
		}
		crypto_scalarmult_curve25519_base(ids->id[ids->n].public,
						  ids->id[ids->n].secret);
	}
	sodium_mprotect_readonly(ids->id);
	return ids;
}

void cart_age_identities_free(struct cart_age_identities *ids)
{
	if (!ids)
		return;
	sodium_free(ids->id);		/* wipes */
	free(ids);
}

int cart_age_keygen(struct cart_buf *ret_file,
		    char ret_recipient[CART_AGE_RECIPIENT_SIZE],
		    struct cart_err *err)
{
	struct age_identity *id;
	char now[CART_CLOCK_TEXT_SIZE];

	cart_crypt_start();
	id = sodium_malloc(sizeof(*id));
	if (!id)
		return cart_err_nomem(err);
	cart_random(id->secret, sizeof(id->secret));
	crypto_scalarmult_curve25519_base(id->public, id->secret);
	cart_age_recipient_print(id->public, ret_recipient);
	cart_clock_text(cart_clock_utc_ns(), 0, now);
	cart_buf_addf(ret_file, "# created: %s\n# public key: %s\n", now,
		      ret_recipient);
	bech32_print(IDENTITY_PREFIX, id->secret, true, ret_file);
	cart_buf_addc(ret_file, '\n');
	sodium_free(id);
	return cart_buf_check(ret_file, "age identity", err);
}

/* --- keys from keys --- */

void cart_age_hkdf(struct age_secret *s, const unsigned char *ikm, size_t len,
		   const unsigned char *salt, size_t salt_len,
		   const char *info, unsigned char out[CART_AGE_KEY_SIZE])
{
	crypto_kdf_hkdf_sha256_extract(s->prk, salt, salt_len, ikm, len);
	crypto_kdf_hkdf_sha256_expand(out, CART_AGE_KEY_SIZE, info,
				      strlen(info), s->prk);
}

void cart_age_payload_key(struct age_secret *s,
			  const unsigned char nonce[AGE_NONCE_SIZE])
{
	cart_age_hkdf(s, s->file_key, sizeof(s->file_key), nonce,
		      AGE_NONCE_SIZE, "payload", s->payload_key);
}
