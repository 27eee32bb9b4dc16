/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/sntp.h>

#define S INT64_C(1000000000)
#define NONCE UINT64_C(0x0123456789abcdef)

/* 2026-11-24T12:00:00Z, and the same in seconds since 1900. */
#define NOW (INT64_C(1795521600) * S)
#define NTP UINT32_C(4004510400)

static void put32(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
}

/* Of a server at stratum 3 that received and answered at these times. */
static void reply(unsigned char p[CART_SNTP_SIZE], uint32_t t2, uint32_t t2f,
		  uint32_t t3, uint32_t t3f)
{
	memset(p, 0, CART_SNTP_SIZE);
	p[0] = 4 << 3 | 4;
	p[1] = 3;
	put32(p + 4, 0x00004000);	/* root delay: 0.25 s */
	put32(p + 8, 0x00002000);	/* root dispersion: 0.125 s */
	put32(p + 24, (uint32_t)(NONCE >> 32));
	put32(p + 28, (uint32_t)NONCE);
	put32(p + 32, t2);
	put32(p + 36, t2f);
	put32(p + 40, t3);
	put32(p + 44, t3f);
}

static void request(void **state)
{
	unsigned char p[CART_SNTP_SIZE], zero[39] = { 0 };

	(void)state;
	cart_sntp_request(NONCE, p);
	assert_int_equal(p[0], 0x23);
	assert_memory_equal(p + 1, zero, 39);
	assert_memory_equal(p + 40, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
}

static void offsets(void **state)
{
	unsigned char p[CART_SNTP_SIZE];
	struct cart_sntp t;
	struct cart_err err;

	(void)state;
	/* half a second there, half a second of work, half a second back; the
	 * server is 100.25 s ahead */
	reply(p, NTP + 100, 0xc0000000, NTP + 101, 0x40000000);
	assert_int_equal(cart_sntp_parse(p, sizeof(p), NONCE, NOW,
					 NOW + S * 3 / 2, &t, &err), 0);
	assert_int_equal(t.offset_ns, 100 * S + S / 4);
	/* half of a second on the way, 0.125 + 0.125 of its own */
	assert_int_equal(t.uncertainty_ns, S / 2 + S / 4);
	assert_int_equal(t.stratum, 3);
	/* behind us */
	reply(p, NTP - 3600, 0, NTP - 3600, 0);
	assert_int_equal(cart_sntp_parse(p, sizeof(p), NONCE, NOW, NOW, &t,
					 &err), 0);
	assert_int_equal(t.offset_ns, -3600 * S);
	/* the seconds begin again on 2036-02-07: 4294967296 - 2208988800 */
	reply(p, 10, 0, 10, 0);
	assert_int_equal(cart_sntp_parse(p, sizeof(p), NONCE,
					 INT64_C(2085978490) * S,
					 INT64_C(2085978490) * S, &t, &err), 0);
	assert_int_equal(t.offset_ns, 16 * S);
}

static void refused(void **state)
{
	static const struct {
		size_t at;
		unsigned char value;
		const char *why;
	} rows[] = {
		{ 0, 4 << 3 | 3, "not of a server" },
		{ 0, 1 << 3 | 4, "not of a server" },
		{ 0, 3 << 6 | 4 << 3 | 4, "no time itself" },
		{ 1, 0, "left alone" }, { 1, 16, "no time itself" },
		{ 24, 0xff, "not to our question" },
		{ 31, 0xff, "not to our question" },
		{ 9, 0x20, "not sure" },
		{ 43, 0x00, "do not fit" },
	};
	unsigned char p[CART_SNTP_SIZE];
	struct cart_sntp t;
	struct cart_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reply(p, NTP + 1, 0, NTP + 1, 0);
		p[rows[i].at] = rows[i].value;
		cart_err_clear(&err);
		assert_int_equal(cart_sntp_parse(p, sizeof(p), NONCE, NOW, NOW,
						 &t, &err), -1);
		if (!strstr(err.text, rows[i].why))
			fail_msg("%zu: %s", i, err.text);
	}
	reply(p, 0, 0, 0, 0);
	assert_int_equal(cart_sntp_parse(p, sizeof(p), NONCE, NOW, NOW, &t,
					 &err), -1);
	for (i = 0; i < CART_SNTP_SIZE; i++)
		assert_int_equal(cart_sntp_parse(p, i, NONCE, NOW, NOW, &t,
						 &err), -1);
}

static void servers(void **state)
{
	static const char *const good[] = {
		"169.254.169.123", "127.0.0.1:1123", "::1", "[::1]", "[::1]:123",
		"fd00:ec2::123",
	};
	static const char *const bad[] = {
		"", "time.example.com", "1.2.3.x", "[::1", "[::1]x", "1.2.3.4:x",
		"1.2.3.4:123456789", ":123", "1.2.3.4:ntp",
	};
	struct cart_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (cart_sntp_check(good[i], &err) < 0)
			fail_msg("%s", err.text);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (cart_sntp_check(bad[i], &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.class, CART_ERR_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request), cmocka_unit_test(offsets),
		cmocka_unit_test(refused), cmocka_unit_test(servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
