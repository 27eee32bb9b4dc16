/* SPDX-License-Identifier: Apache-2.0 */
/* A document that only a key of 1024 bits signed is not one to rely on.  AWS's
 * own such keys are not here to sign: a table of one made for this stands for
 * the compiled-in one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/attest_identity.h>
#include <crashcart/embed.h>

#define CERTIFICATES \
	"# test-1 (made for this test)\n" \
	"-----BEGIN CERTIFICATE-----\n" \
	"MIIB9jCCAV+gAwIBAgIUDl91NGK9dZ1lIhLbYD8TFxNYxlowDQYJKoZIhvcNAQEL\n" \
	"BQAwDDEKMAgGA1UEAwwBdDAgFw0yNjExMjQxMzE3MzVaGA8yMTI2MTAzMTEzMTcz\n" \
	"NVowDDEKMAgGA1UEAwwBdDCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEA4VKA\n" \
	"jTlgfieJgxUaxeaZvZRMRHSLtp6wwTepCh5JWysS+FdvNqDLfoBhFt4W3ZCnr0y5\n" \
	"dCVTIJRaRsAMCEus42RSMkiVGomVaAIYCaHd1zhg7qfA12iteHQjL2j5054JAp7B\n" \
	"MOyJXZAYHLusFtVepGh4PD4Cail6nOoMNobcuqsCAwEAAaNTMFEwHQYDVR0OBBYE\n" \
	"FMnslvjW86+xONRf/+FOaUlOBl9rMB8GA1UdIwQYMBaAFMnslvjW86+xONRf/+FO\n" \
	"aUlOBl9rMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEAmZIDQ8su\n" \
	"kQSM15GjNTm1KB6Ypsmp7o/7UCedp/gdLOE1VEup+mMZXd22tyqEhlt+s4WW1kyn\n" \
	"nFKKV3qyFMSNkGAN/J/0Az/WwnVfpS28MVMcPA6m71m7ATyfo1lCnDenOEnjf2Kc\n" \
	"qbUaBMpKHWCg6MAvqRtxb00KBQzANFQLxdQ=\n" \
	"-----END CERTIFICATE-----\n"
#define TEXT (sizeof(CERTIFICATES) - 1)

/* As they are embedded: one zstd frame, here with one block stored as it is
 * (RFC 8878, 3.1.1). */
static const struct {
	unsigned char magic[4], flags, size[2], block[3];
	char text[TEXT + 1];
} certificates = {
	{ 0x28, 0xb5, 0x2f, 0xfd }, 0x60,
	{ (TEXT - 256) & 0xff, (TEXT - 256) >> 8 },
	{ (TEXT << 3 | 1) & 0xff, TEXT >> 5 & 0xff, TEXT >> 13 },
	CERTIFICATES
};

const struct cart_embed_file cart_embed_identity[] = {
	{ "rsa1024.pem", certificates.magic, sizeof(certificates) - 1 },
};
const size_t cart_embed_identity_count = 1;

static const char document[] =
	"{\"accountId\":\"123456789012\",\"instanceId\":\"i-1\","
	"\"region\":\"test-1\"}";
static const char signature[] =
	"aRn8RR57vFvJvVdhJZI4BX2z1JQ1c0jjUQs/0d9cmMyWgLYvvOnQm5Wu5ts/bhtS"
	"v0oz+FxSKLLL/ibtkh//J1EMuwFIwhyZYdgsFgZnW3wJQBf3a4ApGGjSWMWRCnar"
	"alBHXc4hOQIPi9zhdZfiQIE6S5AlP0dTVSpzA+nGJ70=";

static void short_key_alone_cannot_tell(void **state)
{
	struct cart_identity_input in = {
		.document = document, .document_len = sizeof(document) - 1,
	};
	struct cart_identity_verdict v;
	struct cart_err err = { 0 };

	(void)state;
	in.signature[CART_IDENTITY_RSA].data = signature;
	in.signature[CART_IDENTITY_RSA].len = sizeof(signature) - 1;
	assert_int_equal(cart_identity_check(&in, &v, &err), 0);
	assert_int_equal(v.each[CART_IDENTITY_RSA].verdict, CART_TRAIL_VALID);
	assert_int_equal(v.verdict, CART_TRAIL_UNKNOWN);
	assert_non_null(strstr(v.reason, "1024 bits"));
	/* and a wrong one is still wrong */
	in.document = "{\"region\":\"test-1\"}";
	in.document_len = strlen(in.document);
	assert_int_equal(cart_identity_check(&in, &v, &err), 0);
	assert_int_equal(v.verdict, CART_TRAIL_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_key_alone_cannot_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
