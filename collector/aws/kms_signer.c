/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_signer.h>
#include <crashcart/digest.h>
#include <crashcart/minisign.h>
#include <crashcart/text.h>

#define ALGORITHM "ED25519_SHA_512"
#define SPEC "ECC_NIST_EDWARDS25519"

struct kms {
	struct cart_signer base;
	struct cart_aws *aws;
	char arn[512];
	char region[64];
};

/* The n-th field of an ARN, from 0; its length, 0 if it is not there. */
static size_t field(const char *arn, unsigned n, const char **ret)
{
	const char *colon;

	for (; n > 0; n--) {
		colon = strchr(arn, ':');
		if (!colon)
			return 0;
		arn = colon + 1;
	}
	*ret = arn;
	return strcspn(arn, ":");
}

bool cart_aws_kms_is_arn(const char *text)
{
	const char *f;
	size_t n;

	if (strncmp(text, "arn:aws", 7) != 0 || strlen(text) >= 512)
		return false;
	n = field(text, 2, &f);
	if (n != 3 || memcmp(f, "kms", 3) != 0)
		return false;
	n = field(text, 3, &f);
	if (n == 0 || n >= 64)
		return false;
	n = field(text, 5, &f);
	return (n > 4 && memcmp(f, "key/", 4) == 0) ||
	       (n > 6 && memcmp(f, "alias/", 6) == 0);
}

/* The base64 text of a reply's member, into exactly size bytes. */
static int get_bytes(const struct cart_json *view, const char *key,
		     unsigned char *out, size_t size)
{
	const char *text = cart_json_get_string(view, key);
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, 1024);
	if (text && cart_text_unbase64(text, strlen(text), &b) == 0 &&
	    cart_buf_ok(&b) && b.len == size) {
		memcpy(out, b.data, size);
		rc = 0;
	}
	cart_buf_clear(&b);
	return rc;
}

static int call(struct kms *k, const char *operation, struct cart_json *input,
		struct cart_aws_reply *ret, struct cart_err *err)
{
	const struct cart_aws_call c = {
		.service = "kms", .operation = operation, .region = k->region,
		/* the operator named the key to sign with */
		.input = input, .may_change = true,
	};
	int rc = cart_aws_call(k->aws, &c, ret, err);

	return rc < 0 ? cart_err_prefix(err, "kms:%s", operation) : 0;
}

static int sign(struct cart_signer *s, const void *message, size_t len,
		unsigned char ret_signature[CART_ED25519_SIGNATURE_SIZE],
		struct cart_err *err)
{
	struct kms *k = (struct kms *)s;
	struct cart_json *input = cart_json_new_object();
	struct cart_aws_reply reply = { 0 };
	struct cart_buf text;
	int rc = -1;

	cart_buf_init(&text, 8192);
	if (len > CART_SIGNER_MESSAGE_MAX) {
		cart_err_set(err, CART_ERR_INTERNAL, 0, "sign: message over %d "
			     "bytes", CART_SIGNER_MESSAGE_MAX);
		goto out;
	}
	cart_text_base64(message, len, &text);
	if (cart_buf_check(&text, "message", err) < 0)
		goto out;
	cart_json_add(input, "KeyId", cart_json_new_string(k->arn));
	cart_json_add(input, "Message",
		      cart_json_new_string((const char *)text.data));
	cart_json_add(input, "MessageType", cart_json_new_string("RAW"));
	cart_json_add(input, "SigningAlgorithm",
		      cart_json_new_string(ALGORITHM));
	if (call(k, "Sign", input, &reply, err) < 0)
		goto out;
	if (get_bytes(reply.view, "Signature", ret_signature,
		      CART_ED25519_SIGNATURE_SIZE) < 0 ||
	    cart_ed25519_verify(s->public_key.key, message, len,
				ret_signature) < 0) {
		cart_err_set(err, CART_ERR_CRYPTO, 0, "kms:Sign: what it "
			     "answered is not a signature by that key");
		goto out;
	}
	rc = 0;
out:
	cart_aws_reply_clear(&reply);
	cart_json_free(input);
	cart_buf_clear(&text);
	return rc;
}

static void kms_free(struct cart_signer *s)
{
	free(s);
}

static bool can_sign(const struct cart_json *view)
{
	const struct cart_json *a = cart_json_first(cart_json_get(view,
						    "SigningAlgorithms"));
	const char *spec = cart_json_get_string(view, "KeySpec");
	const char *name;

	for (; a; a = cart_json_next(a)) {
		name = cart_json_string(a);
		if (name && strcmp(name, ALGORITHM) == 0)
			return spec && strcmp(spec, SPEC) == 0;
	}
	return false;
}

static int take_key(struct kms *k, const struct cart_json *view,
		    struct cart_err *err)
{
	unsigned char spki[12 + CART_ED25519_PUBLIC_SIZE];

	if (!can_sign(view))
		return cart_err_set(err, CART_ERR_USAGE, 0, "%s: a key of spec "
				    SPEC " for signing is wanted", k->arn);
	if (get_bytes(view, "PublicKey", spki, sizeof(spki)) < 0 ||
	    cart_minisign_parse_spki(spki, sizeof(spki), &k->base.public_key,
				     err) < 0)
		return cart_err_set(err, CART_ERR_INPUT, 0, "kms:GetPublicKey: "
				    "not an Ed25519 key");
	return 0;
}

static int get_key(struct kms *k, struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_aws_reply reply = { 0 };
	int rc;

	cart_json_add(input, "KeyId", cart_json_new_string(k->arn));
	rc = call(k, "GetPublicKey", input, &reply, err);
	if (rc == 0)
		rc = take_key(k, reply.view, err);
	cart_aws_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

struct cart_signer *cart_aws_kms_signer(struct cart_aws *a, const char *arn,
					struct cart_err *err)
{
	const char *region;
	struct kms *k;
	size_t n;

	if (!cart_aws_kms_is_arn(arn)) {
		cart_err_set(err, CART_ERR_USAGE, 0, "'%s' is not the ARN of a "
			     "KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID)", arn);
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	if (!k) {
		cart_err_nomem(err);
		return NULL;
	}
	n = field(arn, 3, &region);
	snprintf(k->region, sizeof(k->region), "%.*s", (int)n, region);
	snprintf(k->arn, sizeof(k->arn), "%s", arn);
	k->aws = a;
	k->base.kind = "kms";
	k->base.sign = sign;
	k->base.free = kms_free;
	if (get_key(k, err) < 0) {
		free(k);
		return NULL;
	}
	return &k->base;
}
