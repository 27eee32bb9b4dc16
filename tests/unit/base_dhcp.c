/* SPDX-License-Identifier: Apache-2.0 */
/* scripts/ami/dhcp.c, which the image's init links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../scripts/ami/dhcp.c"

static const unsigned char mac[6] = { 2, 0, 0, 0, 0, 7 };
static const unsigned char options[] = {
	53, 1, 2, 0, 54, 4, 10, 0, 0, 1, 1, 4, 255, 255, 255, 0,
	3, 8, 10, 0, 0, 1, 10, 0, 0, 2, 6, 16, 10, 0, 0, 2, 10, 0, 0, 3,
	10, 0, 0, 4, 10, 0, 0, 5, 26, 2, 0x23, 0x29, 255
};

/* A server's answer to the request in p. */
static size_t answer(unsigned char p[CART_DHCP_SIZE])
{
	cart_dhcp_request(CART_DHCP_DISCOVER, 0x01020304, mac, NULL, p);
	put16(p + IP, 67);
	put16(p + IP + 2, 68);
	p[IP + UDP] = 2;
	memcpy(p + IP + UDP + 16, "\x0a\x00\x00\x07", 4);
	memcpy(p + HEAD, options, sizeof(options));
	return CART_DHCP_SIZE;
}

static void request(void **state)
{
	struct cart_dhcp offer = { .address = 1, .server = 2 };
	unsigned char p[CART_DHCP_SIZE];

	(void)state;
	assert_int_equal(cart_dhcp_request(CART_DHCP_REQUEST, 5, mac, &offer,
					   p), CART_DHCP_SIZE);
	assert_int_equal(checksum(p, IP), 0);
	assert_int_equal(get16(p + 2), CART_DHCP_SIZE);
	assert_int_equal(p[HEAD + 2], CART_DHCP_REQUEST);
	assert_int_equal(p[HEAD + 3], 50);
	assert_memory_equal(p + HEAD + 5, &offer.address, 4);
	/* our own words are no answer */
	assert_int_equal(cart_dhcp_parse(p, sizeof(p), 5, mac, &offer), -1);
}

static void parse(void **state)
{
	unsigned char p[CART_DHCP_SIZE];
	struct cart_dhcp d;
	size_t len = answer(p), n;

	(void)state;
	assert_int_equal(cart_dhcp_parse(p, len, 0x01020304, mac, &d), 0);
	assert_int_equal(d.type, CART_DHCP_OFFER);
	assert_memory_equal(&d.address, "\x0a\x00\x00\x07", 4);
	assert_memory_equal(&d.mask, "\xff\xff\xff\x00", 4);
	assert_memory_equal(&d.router, "\x0a\x00\x00\x01", 4);
	assert_memory_equal(&d.server, "\x0a\x00\x00\x01", 4);
	assert_int_equal(d.n_dns, 3);
	assert_int_equal(d.mtu, 9001);

	assert_int_equal(cart_dhcp_parse(p, len, 9, mac, &d), -1);
	assert_int_equal(cart_dhcp_parse(p, len, 0x01020304, options, &d), -1);
	/* cut anywhere, with a length that says so */
	for (n = 0; n < HEAD + sizeof(options) - 1; n++) {
		put16(p + 2, (unsigned)n);
		cart_dhcp_parse(p, n, 0x01020304, mac, &d);
		assert_true(n >= HEAD || d.address == 0);
	}
	answer(p);
	p[6] = 0x20;			/* a fragment */
	assert_int_equal(cart_dhcp_parse(p, len, 0x01020304, mac, &d), -1);
	answer(p);
	p[0] = 0x4f;			/* a longer header: nothing fits */
	assert_int_equal(cart_dhcp_parse(p, len, 0x01020304, mac, &d), -1);
	answer(p);
	p[HEAD + 1] = 200;		/* a type of 200 bytes */
	assert_int_equal(cart_dhcp_parse(p, len, 0x01020304, mac, &d), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request), cmocka_unit_test(parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
