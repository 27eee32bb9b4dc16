/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instance identity documents.  The document ends at the first '|'; the rest is
 * base64 of its three signatures, each ended by a '|'.  The real document of the
 * corpus is the only one that may ever come out valid.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/attest_identity.h>
#include <crashcart/digest.h>
#include <crashcart/pkcs7.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* tests/interop/identity/us-west-2.pem */
static const char real[] =
	"087d9d2622a6771f6e871966f0e6d602f14e86a25bee4efdf835bf4f77b3c155";

static const uint8_t *next(const uint8_t **p, const uint8_t *end, size_t *len)
{
	const uint8_t *start = *p, *bar;

	if (start == end)
		return NULL;
	bar = memchr(start, '|', (size_t)(end - start));
	*len = (size_t)((bar ? bar : end) - start);
	*p = bar ? bar + 1 : end;
	return start;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_identity_input in = { 0 };
	struct cart_identity_verdict v;
	const uint8_t *p = data, *end = data + size;
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_err err;
	int i;

	in.document = next(&p, end, &in.document_len);
	for (i = 0; i < CART_IDENTITY_KINDS; i++)
		in.signature[i].data = next(&p, end, &in.signature[i].len);
	if (cart_identity_check(&in, &v, &err) < 0)
		return 0;
	if (!memchr(v.reason, 0, sizeof(v.reason)))
		abort();
	if (v.verdict == CART_TRAIL_VALID) {
		cart_sha256_hex(in.document, in.document_len, hex);
		if (strcmp(hex, real) != 0)
			abort();
	}
	return 0;
}
