/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include <crashcart/minisign.h>
#include <crashcart/text.h>

/*
 * C2SP tlog-checkpoint, a signed note: three lines of text, an empty line,
 * and one line "EM-DASH SP name SP base64(key id 4 || signature 64)".
 */

#define NOTE_ID_SIZE 4
#define ORIGIN_MAX 255
#define TEXT_MAX 512

static const char dash[] = "\xe2\x80\x94 ";

/* A key name: not empty, no white space, no '+'. */
static bool origin_ok(const char *origin)
{
	size_t len = strlen(origin), i;

	if (len < 1 || len > ORIGIN_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (origin[i] <= ' ' || origin[i] > '~' || origin[i] == '+')
			return false;
	return true;
}

/* First bytes of SHA-256(name, LF, type 1 for Ed25519, key). */
static void note_id(const char *name, const struct cart_public_key *key,
		    unsigned char out[NOTE_ID_SIZE])
{
	static const unsigned char separator[2] = { '\n', 0x01 };
	unsigned char digest[CART_SHA256_SIZE];
	struct cart_sha256 c;

	cart_sha256_init(&c);
	cart_sha256_update(&c, name, strlen(name));
	cart_sha256_update(&c, separator, sizeof(separator));
	cart_sha256_update(&c, key->key, sizeof(key->key));
	cart_sha256_final(&c, digest);
	memcpy(out, digest, NOTE_ID_SIZE);
}

void cart_checkpoint_text(const char *origin, uint64_t size,
			  const unsigned char root[CART_SHA256_SIZE],
			  struct cart_buf *out)
{
	cart_buf_addf(out, "%s\n%llu\n", origin, (unsigned long long)size);
	cart_text_base64(root, CART_SHA256_SIZE, out);
	cart_buf_addc(out, '\n');
}

void cart_checkpoint_join(const struct cart_public_key *key, const char *origin,
			  const void *text, size_t len,
			  const unsigned char sig[CART_ED25519_SIGNATURE_SIZE],
			  struct cart_buf *out)
{
	unsigned char raw[NOTE_ID_SIZE + CART_ED25519_SIGNATURE_SIZE];

	note_id(origin, key, raw);
	memcpy(raw + NOTE_ID_SIZE, sig, CART_ED25519_SIGNATURE_SIZE);
	cart_buf_add(out, text, len);
	cart_buf_addf(out, "\n%s%s ", dash, origin);
	cart_text_base64(raw, sizeof(raw), out);
	cart_buf_addc(out, '\n');
}

int cart_checkpoint_sign(struct cart_signer *signer, const char *origin,
			 uint64_t size,
			 const unsigned char root[CART_SHA256_SIZE],
			 struct cart_buf *out, struct cart_err *err)
{
	unsigned char sig[CART_ED25519_SIGNATURE_SIZE];
	struct cart_buf text;
	int rc = -1;

	if (!origin_ok(origin))
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "checkpoint: bad origin");
	cart_buf_init(&text, TEXT_MAX);
	cart_checkpoint_text(origin, size, root, &text);
	if (cart_buf_check(&text, "checkpoint", err) < 0)
		goto out;
	if (signer->sign(signer, text.data, text.len, sig, err) < 0)
		goto out;
	cart_checkpoint_join(&signer->public_key, origin, text.data, text.len,
			     sig, out);
	rc = cart_buf_check(out, "checkpoint", err);
out:
	cart_buf_clear(&text);
	return rc;
}

struct reader {
	const char *p, *end;
};

static bool eat(struct reader *r, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(r->end - r->p) < len || memcmp(r->p, text, len) != 0)
		return false;
	r->p += len;
	return true;
}

/* The rest of the line without its LF. */
static bool eat_line(struct reader *r, const char **ret, size_t *ret_len)
{
	const char *lf = r->p < r->end
			 ? memchr(r->p, '\n', (size_t)(r->end - r->p)) : NULL;

	if (!lf)
		return false;
	*ret = r->p;
	*ret_len = (size_t)(lf - r->p);
	r->p = lf + 1;
	return true;
}

static bool eat_base64(struct reader *r, unsigned char *out, size_t len)
{
	unsigned char bytes[NOTE_ID_SIZE + CART_ED25519_SIGNATURE_SIZE + 1];
	struct cart_buf b;
	const char *line;
	size_t n;

	if (len >= sizeof(bytes) || !eat_line(r, &line, &n))
		return false;
	cart_buf_init_fixed(&b, bytes, len + 1);
	if (cart_text_unbase64(line, n, &b) < 0 || b.len != len)
		return false;
	memcpy(out, bytes, len);
	return true;
}

int cart_checkpoint_verify(const void *data, size_t len, const char *origin,
			   const struct cart_public_key *key,
			   uint64_t *ret_size,
			   unsigned char ret_root[CART_SHA256_SIZE],
			   struct cart_err *err)
{
	unsigned char raw[NOTE_ID_SIZE + CART_ED25519_SIGNATURE_SIZE];
	unsigned char root[CART_SHA256_SIZE], id[NOTE_ID_SIZE];
	struct reader r = { data, (const char *)data + len };
	const char *text = data, *line;
	size_t text_len, n;
	uint64_t size;

	if (!origin_ok(origin) || !eat(&r, origin) || !eat(&r, "\n"))
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "checkpoint: the origin is not %s", origin);
	if (!eat_line(&r, &line, &n) ||
	    cart_text_u64(line, n, UINT64_MAX, &size) < 0 ||
	    !eat_base64(&r, root, sizeof(root)))
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "checkpoint: malformed size or root");
	text_len = (size_t)(r.p - text);
	if (!eat(&r, "\n") || !eat(&r, dash) || !eat(&r, origin) ||
	    !eat(&r, " ") || !eat_base64(&r, raw, sizeof(raw)) ||
	    r.p != r.end)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "checkpoint: malformed signature line");
	note_id(origin, key, id);
	if (memcmp(id, raw, sizeof(id)) != 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "checkpoint: signed by another key");
	if (cart_ed25519_verify(key->key, text, text_len,
				raw + NOTE_ID_SIZE) < 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "checkpoint: the signature does not hold");
	*ret_size = size;
	memcpy(ret_root, root, sizeof(root));
	return 0;
}
