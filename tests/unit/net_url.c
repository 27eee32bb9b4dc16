/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/net.h>

static void good(void **state)
{
	static const struct {
		const char *url, *host, *authority, *path;
		unsigned port;
		bool https, loopback, local, address;
	} t[] = {
		{ "https://EC2.us-east-1.amazonaws.com/", "ec2.us-east-1.amazonaws.com",
		  "ec2.us-east-1.amazonaws.com", "/", 443, true, 0, 0, 0 },
		{ "https://h:443/a%2Fb?c=d", "h", "h", "/a%2Fb?c=d", 443, true, 0, 0, 0 },
		{ "https://h:8443?x", "h", "h:8443", "?x", 8443, true, 0, 0, 0 },
		{ "http://127.0.0.1:4566", "127.0.0.1", "127.0.0.1:4566", "", 4566,
		  false, true, true, true },
		{ "http://localhost:80/", "localhost", "localhost", "/", 80, false,
		  true, true, false },
		{ "http://[::1]:8080/x", "::1", "[::1]:8080", "/x", 8080, false,
		  true, true, true },
		{ "http://[0:0:0:0:0:0:0:1]/", "::1", "[::1]", "/", 80, false,
		  true, true, true },
		{ "http://169.254.169.254/latest", "169.254.169.254",
		  "169.254.169.254", "/latest", 80, false, false, true, true },
		{ "http://[FD00:EC2::254]/", "fd00:ec2::254", "[fd00:ec2::254]",
		  "/", 80, false, false, true, true },
		{ "http://127.0.0.1.example.com/", "127.0.0.1.example.com",
		  "127.0.0.1.example.com", "/", 80, false, false, false, false },
		{ "http://localhost.example.com/", "localhost.example.com",
		  "localhost.example.com", "/", 80, false, false, false, false },
		{ "http://169.254.169.253/", "169.254.169.253",
		  "169.254.169.253", "/", 80, false, false, false, true },
	};
	struct cart_url u;
	struct cart_err err;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(cart_url_parse(t[i].url, &u, &err), 0);
		assert_string_equal(u.host, t[i].host);
		assert_string_equal(u.authority, t[i].authority);
		assert_string_equal(u.path, t[i].path);
		assert_int_equal(u.port, t[i].port);
		assert_int_equal(u.https, t[i].https);
		assert_int_equal(cart_url_is_loopback(&u), t[i].loopback);
		assert_int_equal(cart_url_is_local(&u), t[i].local);
		assert_int_equal(cart_url_is_address(&u), t[i].address);
	}
}

static void refused(void **state)
{
	static const char *const t[] = {
		"", "h", "ftp://h/", "file:///etc/passwd", "https://", "https:///x",
		"https://user@h/", "https://user:pass@h/", "https://h:0/",
		"https://h:65536/", "https://h:x/", "https://h:/", "https://h:08/",
		"https://[::1", "https://[zz]/", "https://[::1]x/", "https://h/a b",
		"https://h/\n", "https://h/#f", "https://h\\x/", "https://h%00/",
		"https://h\xc3\xa4/", "http://127.1:x", "https://a,b/",
		"https://[fe80::1%25eth0]/",
	};
	struct cart_url u;
	struct cart_err err;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cart_err_clear(&err);
		if (cart_url_parse(t[i], &u, &err) == 0)
			fail_msg("accepted: %s", t[i]);
		assert_int_equal(err.class, CART_ERR_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good), cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
