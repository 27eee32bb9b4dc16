/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <crashcart/attest_identity.h>
#include <crashcart/buf.h>
#include <crashcart/compress.h>
#include <crashcart/embed.h>
#include <crashcart/json.h>
#include <crashcart/pkcs7.h>
#include <crashcart/text.h>

#define DOCUMENT_MAX 65536u
#define CERTIFICATES_MAX 1048576u

static const struct {
	const char *name;		/* of the metadata service */
	const char *file;		/* of embedded certificates */
	const char *what;		/* in sentences */
} kinds[CART_IDENTITY_KINDS] = {
	[CART_IDENTITY_RSA2048] = { "rsa2048", "rsa2048.pem", "RSA-2048" },
	[CART_IDENTITY_RSA] = { "signature", "rsa1024.pem", "RSA-1024" },
	[CART_IDENTITY_DSA] = { "pkcs7", "dsa.pem", "DSA" },
};

const char *cart_identity_kind_name(enum cart_identity_kind k)
{
	return kinds[k].name;
}

/* --- certificates: "# REGION... (note)" lines, each before a PEM block --- */

static bool line_names(const char *line, size_t len, const char *region)
{
	size_t want = strlen(region), n;
	const char *end = line + len;

	while (line < end && *line != '(') {
		for (n = 0; line + n < end && line[n] != ' '; n++)
			;
		if (n == want && memcmp(line, region, n) == 0)
			return true;
		line += n + 1;
	}
	return false;
}

static const char *find_block(const char *text, const char *region,
			      size_t *ret_len)
{
	static const char end_mark[] = "-----END CERTIFICATE-----";
	const char *p = text, *lf, *end;

	while ((lf = strchr(p, '\n')) != NULL) {
		if (p[0] == '#' && p[1] == ' ' &&
		    line_names(p + 2, (size_t)(lf - p - 2), region)) {
			end = strstr(lf, end_mark);
			if (!end)
				return NULL;
			*ret_len = (size_t)(end - lf) + strlen(end_mark);
			return lf + 1;
		}
		p = lf + 1;
	}
	return NULL;
}

/* The certificates of that kind, embedded compressed: text is NUL-terminated,
 * "" where there are none. */
static int unpack(enum cart_identity_kind kind, struct cart_buf *text,
		  struct cart_err *err)
{
	const struct cart_embed_file *f = cart_embed_identity;
	const struct cart_embed_file *end = f + cart_embed_identity_count;

	while (f < end && strcmp(f->name, kinds[kind].file) != 0)
		f++;
	if (f < end && cart_zstd_decompress(f->data, f->len, NULL, 0, text,
					    err) < 0)
		return -1;
	cart_buf_addc(text, '\0');
	return cart_buf_check(text, "AWS's certificates", err);
}

/* --- the document --- */

/* A text of the document that may be shown; false: not there, or not text
 * that a report should repeat. */
static bool take(const struct cart_json *doc, const char *key, char *out,
		 size_t size)
{
	const char *s = cart_json_get_string(doc, key);

	out[0] = '\0';
	if (!s || strlen(s) >= size || !cart_text_is_name(s, strlen(s)))
		return false;
	memcpy(out, s, strlen(s) + 1);
	return true;
}

static int read_document(const struct cart_identity_input *in,
			 struct cart_identity_verdict *v, struct cart_err *err)
{
	struct cart_json *doc = NULL;
	struct cart_err why = { 0 };
	const char *when;

	if (in->document_len <= DOCUMENT_MAX)
		doc = cart_json_parse(in->document, in->document_len, NULL,
				      &why);
	if (!doc) {
		if (why.class == CART_ERR_MEMORY)
			return cart_err_nomem(err);
		v->verdict = CART_TRAIL_INVALID;
		snprintf(v->reason, sizeof(v->reason),
			 "the identity document is not JSON");
		return 1;
	}
	take(doc, "accountId", v->account, sizeof(v->account));
	take(doc, "instanceId", v->instance, sizeof(v->instance));
	take(doc, "instanceType", v->type, sizeof(v->type));
	take(doc, "imageId", v->image, sizeof(v->image));
	when = cart_json_get_string(doc, "pendingTime");
	if (when && strlen(when) < sizeof(v->pending_time) &&
	    strspn(when, "0123456789-:.TZ") == strlen(when))
		snprintf(v->pending_time, sizeof(v->pending_time), "%s", when);
	if (!take(doc, "region", v->region, sizeof(v->region))) {
		v->verdict = CART_TRAIL_INVALID;
		snprintf(v->reason, sizeof(v->reason),
			 "the identity document names no region");
	}
	cart_json_free(doc);
	return v->region[0] ? 0 : 1;
}

/* --- signatures --- */

/* Served in lines of 76 characters: line ends are left out, nothing else. */
static int decode(const char *text, size_t len, struct cart_buf *out)
{
	struct cart_buf bare;
	size_t i;
	int rc = -1;

	cart_buf_init(&bare, CART_PKCS7_MAX * 4 / 3 + 8);
	for (i = 0; i < len && cart_buf_ok(&bare); i++)
		if (text[i] != '\n' && text[i] != '\r')
			cart_buf_addc(&bare, text[i]);
	if (cart_buf_ok(&bare) && bare.len > 0 &&
	    cart_text_unbase64((char *)bare.data, bare.len, out) == 0 &&
	    cart_buf_ok(out))
		rc = 0;
	cart_buf_clear(&bare);
	return rc;
}

static int check_pkcs7(const struct cart_identity_input *in,
		       const struct cart_buf *sig, const char *cert,
		       size_t cert_len, int64_t *ret_signed,
		       struct cart_err *err)
{
	struct cart_buf content;
	int rc = -1;

	cart_buf_init(&content, CART_PKCS7_MAX);
	if (cart_pkcs7_verify(sig->data, sig->len, cert, cert_len, &content,
			      ret_signed, err) < 0)
		goto out;
	if (content.len != in->document_len ||
	    memcmp(content.data, in->document, content.len) != 0) {
		cart_err_set(err, CART_ERR_CRYPTO, 0,
			     "what was signed is not this document");
		goto out;
	}
	rc = 0;
out:
	cart_buf_clear(&content);
	return rc;
}

static int check_signature(const struct cart_identity_input *in,
			   enum cart_identity_kind k, const char *cert,
			   size_t cert_len, struct cart_identity_verdict *v,
			   struct cart_err *err)
{
	int64_t *when = v->signed_ns == INT64_MIN ? &v->signed_ns : NULL;
	struct cart_err why = { 0 };
	struct cart_buf sig;
	int rc;

	cart_buf_init(&sig, CART_PKCS7_MAX + 1);
	if (decode(in->signature[k].data, in->signature[k].len, &sig) < 0)
		rc = cart_err_set(&why, CART_ERR_INPUT, 0, "not base64");
	else if (k == CART_IDENTITY_RSA)
		rc = cart_cert_verify_sha256(cert, cert_len, in->document,
					     in->document_len, sig.data,
					     sig.len, &why);
	else
		rc = check_pkcs7(in, &sig, cert, cert_len, when, &why);
	cart_buf_clear(&sig);
	if (rc < 0 && why.class == CART_ERR_MEMORY)
		return cart_err_nomem(err);
	v->each[k].verdict = rc == 0 ? CART_TRAIL_VALID : CART_TRAIL_INVALID;
	snprintf(v->each[k].reason, sizeof(v->each[k].reason), "%.159s",
		 rc == 0 ? "" : why.text);
	return 0;
}

static int check_one(const struct cart_identity_input *in,
		     enum cart_identity_kind k, struct cart_identity_verdict *v,
		     struct cart_err *err)
{
	struct cart_buf text;
	const char *cert;
	size_t cert_len;
	int rc;

	v->each[k].verdict = CART_TRAIL_UNKNOWN;
	if (!in->signature[k].data) {
		snprintf(v->each[k].reason, sizeof(v->each[k].reason),
			 "not there");
		return 0;
	}
	cart_buf_init(&text, CERTIFICATES_MAX);
	rc = unpack(k, &text, err);
	if (rc == 0) {
		cert = find_block((const char *)text.data, v->region,
				  &cert_len);
		if (cert)
			rc = check_signature(in, k, cert, cert_len, v, err);
		else
			snprintf(v->each[k].reason, sizeof(v->each[k].reason),
				 "no %s certificate of region %s is known to "
				 "this program", kinds[k].what, v->region);
	}
	cart_buf_clear(&text);
	return rc;
}

static void decide(struct cart_identity_verdict *v)
{
	size_t k;

	v->verdict = CART_TRAIL_UNKNOWN;
	for (k = 0; k < CART_IDENTITY_KINDS; k++)
		if (v->each[k].verdict == CART_TRAIL_INVALID) {
			v->verdict = CART_TRAIL_INVALID;
			snprintf(v->reason, sizeof(v->reason), "the signature "
				 "%s is not by AWS's %s key of region %s: %s",
				 kinds[k].name, kinds[k].what, v->region,
				 v->each[k].reason);
			return;
		}
	k = CART_IDENTITY_RSA2048;
	if (v->each[k].verdict == CART_TRAIL_VALID) {
		v->verdict = CART_TRAIL_VALID;
		snprintf(v->reason, sizeof(v->reason), "signed by AWS's %s key "
			 "of region %s (%s)", kinds[k].what, v->region,
			 kinds[k].name);
	} else if (v->each[CART_IDENTITY_RSA].verdict == CART_TRAIL_VALID)
		snprintf(v->reason, sizeof(v->reason), "only a signature by a "
			 "key of 1024 bits holds (RSA-1024), which is too weak "
			 "to rely on");
	else if (v->each[CART_IDENTITY_DSA].verdict == CART_TRAIL_VALID)
		snprintf(v->reason, sizeof(v->reason), "only the DSA and SHA-1 "
			 "signature holds, which is too weak to rely on");
	else
		snprintf(v->reason, sizeof(v->reason), "no signature that can "
			 "be checked: rsa2048 %s",
			 v->each[CART_IDENTITY_RSA2048].reason);
}

int cart_identity_check(const struct cart_identity_input *in,
			struct cart_identity_verdict *ret, struct cart_err *err)
{
	size_t k;
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->signed_ns = INT64_MIN;
	ret->verdict = CART_TRAIL_UNKNOWN;
	for (k = 0; k < CART_IDENTITY_KINDS; k++)
		ret->each[k].verdict = CART_TRAIL_UNKNOWN;
	if (!in->document) {
		snprintf(ret->reason, sizeof(ret->reason),
			 "the document itself is not there");
		return 0;
	}
	rc = read_document(in, ret, err);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	for (k = 0; k < CART_IDENTITY_KINDS; k++)
		if (check_one(in, k, ret, err) < 0)
			return -1;
	decide(ret);
	return 0;
}
