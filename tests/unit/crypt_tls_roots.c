/* SPDX-License-Identifier: Apache-2.0 */
/* What counts as a file of CA roots; whom they trust is tested by
 * tests/interop/test_net_tls.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/tls.h>

/* openssl req -x509 -newkey ed25519 -nodes -subj /CN=test -days 36500 */
#define CERT \
	"-----BEGIN CERTIFICATE-----\n" \
	CERT_TEXT \
	"-----END CERTIFICATE-----\n"
#define CERT_TEXT \
	"MIIBNDCB56ADAgECAhRUkLi7xYUEVY5qL/Abf08GUjXKYzAFBgMrZXAwDzENMAsG\n" \
	"A1UEAwwEdGVzdDAgFw0yNjExMjQwOTA4NTVaGA8yMTI2MTAzMTA5MDg1NVowDzEN\n" \
	"MAsGA1UEAwwEdGVzdDAqMAUGAytlcAMhADugQyvbEUlMEIV/uQzggvWMa2UNk9ET\n" \
	"bdUzBGOKopDho1MwUTAdBgNVHQ4EFgQUb3QFzAZMcRt7jSuMDZbJYN4KMuQwHwYD\n" \
	"VR0jBBgwFoAUb3QFzAZMcRt7jSuMDZbJYN4KMuQwDwYDVR0TAQH/BAUwAwEB/zAF\n" \
	"BgMrZXADQQA+tAQT+pE5mYmNGi9w6JMbUeJ7iXimSq0DlNYK+W1q+Cq3tWJEtXWZ\n" \
	"nlRoonIVlA1r6/kXirkxTD6KhvwtNRMO\n"

static struct cart_tls_roots *parse(const char *text, struct cart_err *err)
{
	return cart_tls_roots_new(text, strlen(text), err);
}

static void good(void **state)
{
	struct cart_err err;
	struct cart_tls_roots *r = parse("# a comment\n" CERT "text between\n"
					CERT "and after", &err);

	assert_non_null(r);
	assert_int_equal(cart_tls_roots_count(r), 2);
	cart_tls_roots_free(r);
	r = parse("", &err);
	assert_non_null(r);
	assert_int_equal(cart_tls_roots_count(r), 0);
	cart_tls_roots_free(r);
	cart_tls_roots_free(NULL);
}

static void bad(void **state)
{
	struct cart_err err;

	assert_null(parse("nothing of the kind", &err));
	assert_int_equal(err.class, CART_ERR_INPUT);
	assert_null(parse(CERT "-----BEGIN CERTIFICATE-----\nAAAA\n"
			 "-----END CERTIFICATE-----\n", &err));
	assert_string_equal(err.text,
			    "certificate 2 of the CA roots cannot be read");
	assert_null(parse("-----BEGIN CERTIFICATE-----\nAAAA", &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good), cmocka_unit_test(bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
