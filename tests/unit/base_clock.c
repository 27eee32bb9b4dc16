/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <crashcart/clock.h>

#define S INT64_C(1000000000)

static void prints(void **state)
{
	char out[CART_CLOCK_TEXT_SIZE];

	cart_clock_text(0, 0, out);
	assert_string_equal(out, "1970-01-01T00:00:00Z");
	cart_clock_text(951782400 * S + 123456789, 9, out);
	assert_string_equal(out, "2000-02-29T00:00:00.123456789Z");
	cart_clock_text(951782400 * S + 123456789, 3, out);
	assert_string_equal(out, "2000-02-29T00:00:00.123Z");
	cart_clock_text(951782400 * S + 3456789, 6, out);
	assert_string_equal(out, "2000-02-29T00:00:00.003456Z");
	cart_clock_text(-1, 9, out);
	assert_string_equal(out, "1969-12-31T23:59:59.999999999Z");
	cart_clock_text(INT64_MAX, 0, out);
	assert_string_equal(out, "2262-04-11T23:47:16Z");
	cart_clock_text(INT64_MIN, 0, out);
	assert_string_equal(out, "1677-09-21T00:12:43Z");
	cart_clock_compact(951782400 * S + 1, out);
	assert_string_equal(out, "20000229T000000Z");
}

/* The C library's gmtime_r is the oracle, over 400 years in odd steps. */
static void agrees_with_gmtime(void **state)
{
	char out[CART_CLOCK_TEXT_SIZE], want[CART_CLOCK_TEXT_SIZE];
	int64_t s, back;
	struct tm tm;
	time_t t;

	for (s = -9000000000; s < 9000000000; s += 399989) {
		t = (time_t)s;
		assert_non_null(gmtime_r(&t, &tm));
		assert_int_not_equal(strftime(want, sizeof(want), "%FT%TZ", &tm),
				     0);
		cart_clock_text(s * S, 0, out);
		assert_string_equal(out, want);
		assert_int_equal(cart_clock_parse(out, strlen(out), &back), 0);
		assert_true(back == s * S);
	}
}

static void ignores_the_time_zone(void **state)
{
	int64_t a, b;

	assert_int_equal(cart_clock_parse("2026-07-01T12:00:00Z", 20, &a), 0);
	setenv("TZ", "America/New_York", 1);
	tzset();
	assert_int_equal(cart_clock_parse("2026-07-01T12:00:00Z", 20, &b), 0);
	assert_true(a == b);
	assert_true(a == 1782907200 * S);
}

static void reads_iso(void **state)
{
	static const struct {
		const char *s;
		int64_t s_utc;
		int64_t ns;
		int rc;
	} t[] = {
		{ "1970-01-01", 0, 0, 0 },
		{ "1970-01-01T00:00Z", 0, 0, 0 },
		{ "1970-01-01T00:00:01Z", 1, 0, 0 },
		{ "1970-01-01T00:00:01", 1, 0, 0 },
		{ "1970-01-01 00:00:01z", 1, 0, 0 },
		{ "1970-01-01t00:00:01.5Z", 1, 500000000, 0 },
		{ "1970-01-01T00:00:01.1234567899Z", 1, 123456789, 0 },
		{ "1970-01-01T01:00:00+01:00", 0, 0, 0 },
		{ "1970-01-01T01:00:00+0100", 0, 0, 0 },
		{ "1970-01-01T01:00:00+01", 0, 0, 0 },
		{ "1969-12-31T19:30:00-04:30", 0, 0, 0 },
		{ "19700101T000001Z", 1, 0, 0 },
		{ "19700101", 0, 0, 0 },
		{ "2016-12-31T23:59:60Z", 1483228800, 0, 0 },
		{ "2024-02-29", 1709164800, 0, 0 },
		{ "2023-02-29", 0, 0, -1 },
		{ "1900-02-29", 0, 0, -1 },
		{ "2026-13-01", 0, 0, -1 },
		{ "2026-00-01", 0, 0, -1 },
		{ "2026-01-00", 0, 0, -1 },
		{ "2026-01-32", 0, 0, -1 },
		{ "2026-1-1", 0, 0, -1 },
		{ "2026-0101", 0, 0, -1 },
		{ "2026-01-01T", 0, 0, -1 },
		{ "2026-01-01T24:00:00Z", 0, 0, -1 },
		{ "2026-01-01T00:60:00Z", 0, 0, -1 },
		{ "2026-01-01T00:00:61Z", 0, 0, -1 },
		{ "2026-01-01T00:00:00.Z", 0, 0, -1 },
		{ "2026-01-01T00:00:00+24:00", 0, 0, -1 },
		{ "2026-01-01T00:00:00+01:60", 0, 0, -1 },
		{ "2026-01-01T00:00:00+1", 0, 0, -1 },
		{ "2026-01-01T00:00:00Zx", 0, 0, -1 },
		{ "2026-01-01x", 0, 0, -1 },
		{ "9999-12-31", 0, 0, -1 },	/* beyond 64 bits of ns */
		{ "", 0, 0, -1 },
		{ "-026-01-01", 0, 0, -1 },
	};
	int64_t ns;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ns = 0;
		if (cart_clock_parse(t[i].s, strlen(t[i].s), &ns) != t[i].rc ||
		    ns != t[i].s_utc * S + t[i].ns)
			fail_msg("%s", t[i].s);
	}
}

/* The examples of RFC 9110 section 5.6.7. */
static void reads_http(void **state)
{
	static const char *const good[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	static const char *const bad[] = {
		"", "Sun", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 GMT ", "xxx, 06 Nov 1994 08:49:37 GMT",
		"Sun, 31 Feb 1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994",
		"Sunday 06-Nov-94 08:49:37 GMT",
	};
	int64_t ns;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(cart_clock_parse_http(good[i], strlen(good[i]),
						       &ns), 0);
		assert_true(ns == 784111777 * S);
	}
	assert_int_equal(cart_clock_parse_http("Tue Nov 24 03:04:05 2026", 24,
					       &ns), 0);
	assert_true(ns == 1795489445 * S);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cart_clock_parse_http(bad[i], strlen(bad[i]), &ns) == 0)
			fail_msg("accepted: %s", bad[i]);
}

static void runs(void **state)
{
	int64_t mono = cart_clock_mono_ns(), boot = cart_clock_boot_ns();
	int64_t utc = cart_clock_utc_ns();

	cart_clock_sleep_ms(20);
	assert_true(cart_clock_mono_ns() - mono >= 20000000);
	assert_true(cart_clock_boot_ns() - boot >= 20000000);
	assert_true(boot >= mono - 1000000000);
	assert_true(utc > 1600000000 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints),
		cmocka_unit_test(agrees_with_gmtime),
		cmocka_unit_test(ignores_the_time_zone),
		cmocka_unit_test(reads_iso),
		cmocka_unit_test(reads_http),
		cmocka_unit_test(runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
