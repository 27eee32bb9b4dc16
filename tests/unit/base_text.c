/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/text.h>

#define N(t) (sizeof(t) / sizeof((t)[0]))

static void numbers(void **state)
{
	static const struct {
		const char *s;
		uint64_t max, v;
		int rc;
	} t[] = {
		{ "0", 9, 0, 0 },
		{ "9", 9, 9, 0 },
		{ "10", 9, 0, -1 },
		{ "", 9, 0, -1 },
		{ "00", 9, 0, -1 },
		{ "01", 9, 0, -1 },
		{ "+1", 9, 0, -1 },
		{ "-1", 9, 0, -1 },
		{ " 1", 9, 0, -1 },
		{ "1 ", 9, 0, -1 },
		{ "1e3", 9999, 0, -1 },
		{ "0x1", 9999, 0, -1 },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, 0 },
		{ "18446744073709551616", UINT64_MAX, 0, -1 },
		{ "99999999999999999999", UINT64_MAX, 0, -1 },
		{ "184467440737095516150", UINT64_MAX, 0, -1 },
	};
	uint64_t v;
	int64_t i;
	size_t k;

	for (k = 0; k < N(t); k++) {
		v = 0;
		assert_int_equal(cart_text_u64(t[k].s, strlen(t[k].s), t[k].max,
					       &v), t[k].rc);
		assert_int_equal(v, t[k].v);
	}
	assert_int_equal(cart_text_u64("1\0", 2, 9, &v), -1);
	assert_int_equal(cart_text_i64("-9223372036854775808", 20, &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(cart_text_i64("9223372036854775807", 19, &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(cart_text_i64("9223372036854775808", 19, &i), -1);
	assert_int_equal(cart_text_i64("-9223372036854775809", 20, &i), -1);
	assert_int_equal(cart_text_i64("-", 1, &i), -1);
	assert_int_equal(cart_text_i64("--1", 3, &i), -1);
	assert_int_equal(cart_text_i64("-0", 2, &i), 0);
	assert_true(i == 0);
}

static void sizes_and_durations(void **state)
{
	static const struct {
		const char *s;
		uint64_t v;
		int rc;
	} sizes[] = {
		{ "0", 0, 0 },		    { "17", 17, 0 },
		{ "4095M", 4095ull << 20, 0 }, { "1GiB", 1ull << 30, 0 },
		{ "3KiB", 3072, 0 },	    { "2T", 2ull << 40, 0 },
		{ "1KB", 0, -1 },	    { "1k", 0, -1 },
		{ "M", 0, -1 },		    { "1Mi", 0, -1 },
		{ "1MiBx", 0, -1 },	    { "1.5G", 0, -1 },
		{ "16777215T", 16777215ull << 40, 0 },
		{ "16777216T", 0, -1 },	    { "", 0, -1 },
	}, durations[] = {
		{ "5", 5000, 0 },	{ "5s", 5000, 0 },
		{ "250ms", 250, 0 },	{ "2m", 120000, 0 },
		{ "3h", 10800000, 0 },	{ "1d", 86400000, 0 },
		{ "1w", 0, -1 },	{ "s", 0, -1 },
		{ "1 s", 0, -1 },	{ "999999999999999999d", 0, -1 },
	};
	uint64_t v;
	size_t i;

	for (i = 0; i < N(sizes); i++) {
		v = 0;
		assert_int_equal(cart_text_size(sizes[i].s, strlen(sizes[i].s),
						&v), sizes[i].rc);
		if (sizes[i].rc == 0)
			assert_int_equal(v, sizes[i].v);
	}
	assert_int_equal(cart_text_size("1\0", 2, &v), -1);
	for (i = 0; i < N(durations); i++) {
		v = 0;
		assert_int_equal(cart_text_duration(durations[i].s,
						    strlen(durations[i].s), &v),
				 durations[i].rc);
		if (durations[i].rc == 0)
			assert_int_equal(v, durations[i].v);
	}
}

static void hex(void **state)
{
	unsigned char raw[4] = { 0x00, 0x9f, 0xff, 0x10 }, back[4];
	char out[9];

	cart_text_hex(raw, 4, out);
	assert_string_equal(out, "009fff10");
	assert_int_equal(cart_text_unhex(out, 8, back, 4), 0);
	assert_memory_equal(raw, back, 4);
	assert_int_equal(cart_text_unhex("009FFF10", 8, back, 4), -1);
	assert_int_equal(cart_text_unhex(out, 8, back, 3), -1);
	assert_int_equal(cart_text_unhex(out, 7, back, 3), -1);
	assert_int_equal(cart_text_unhex("0g", 2, back, 1), -1);
	assert_int_equal(cart_text_unhex("", 0, back, 0), 0);
	/* an odd length must not wrap round */
	assert_int_equal(cart_text_unhex("0", 1, back, 0), -1);
}

/* RFC 4648 section 10, and forms that only lax readers take. */
static void base64(void **state)
{
	static const char *const good[][2] = {
		{ "", "" },		{ "f", "Zg==" },
		{ "fo", "Zm8=" },	{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	static const char *const bad[] = {
		"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "=", "Zm9v\n",
		" Zm9v", "Zm9v====", "Zg==Zg==", "Zm-v", "Zm_v", "Zm9", "Zm=v",
	};
	struct cart_buf b;
	size_t i;

	cart_buf_init(&b, 100);
	for (i = 0; i < N(good); i++) {
		cart_buf_reset(&b);
		cart_buf_adds(&b, ">");
		cart_text_base64(good[i][0], strlen(good[i][0]), &b);
		assert_string_equal((char *)b.data + 1, good[i][1]);
		cart_buf_reset(&b);
		cart_buf_adds(&b, ">");
		assert_int_equal(cart_text_unbase64(good[i][1],
						    strlen(good[i][1]), &b), 0);
		assert_string_equal((char *)b.data + 1, good[i][0]);
	}
	for (i = 0; i < N(bad); i++) {
		cart_buf_reset(&b);
		cart_buf_adds(&b, "kept");
		assert_int_equal(cart_text_unbase64(bad[i], strlen(bad[i]), &b),
				 -1);
		assert_string_equal((char *)b.data, "kept");
	}
	cart_buf_clear(&b);
	cart_buf_init(&b, 2);
	assert_int_equal(cart_text_unbase64("Zm9v", 4, &b), -1);
	cart_buf_clear(&b);
	cart_buf_init(&b, 3);
	cart_text_base64("f", 1, &b);
	assert_false(cart_buf_ok(&b));
	cart_buf_clear(&b);
}

static void base64_round_trip(void **state)
{
	unsigned char raw[200];
	struct cart_buf a, b;
	size_t len, i;

	cart_buf_init(&a, 1000);
	cart_buf_init(&b, 1000);
	for (len = 0; len < sizeof(raw); len++) {
		for (i = 0; i < len; i++)
			raw[i] = (unsigned char)(i * 37 + len * 101);
		cart_buf_reset(&a);
		cart_buf_reset(&b);
		cart_text_base64(raw, len, &a);
		assert_int_equal(cart_text_unbase64((char *)a.data, a.len, &b),
				 0);
		assert_int_equal(b.len, len);
		if (len)
			assert_memory_equal(b.data, raw, len);
	}
	cart_buf_clear(&a);
	cart_buf_clear(&b);
}

static void utf8(void **state)
{
	static const struct {
		const char *s;
		int ok;
	} t[] = {
		{ "", 1 },		  { "a", 1 },
		{ "\xc2\x80", 1 },	  { "\xdf\xbf", 1 },
		{ "\xe0\xa0\x80", 1 },	  { "\xef\xbf\xbf", 1 },
		{ "\xf0\x90\x80\x80", 1 }, { "\xf4\x8f\xbf\xbf", 1 },
		{ "\xc1\xbf", 0 },	  { "\xc0\x80", 0 },
		{ "\xe0\x9f\xbf", 0 },	  { "\xed\xa0\x80", 0 },
		{ "\xed\xbf\xbf", 0 },	  { "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 },
		{ "\x80", 0 },		  { "\xc2", 0 },
		{ "\xe2\x82", 0 },	  { "\xf0\x90\x80", 0 },
		{ "a\xff", 0 },		  { "\xe2\x28\xa1", 0 },
	};
	size_t i;

	for (i = 0; i < N(t); i++)
		assert_int_equal(cart_text_is_utf8(t[i].s, strlen(t[i].s)),
				 t[i].ok);
	assert_false(cart_text_is_utf8("a\0b", 3));
	assert_true(cart_text_is_printable("a\tb \xc3\xa9", 6));
	assert_false(cart_text_is_printable("a\nb", 3));
	assert_false(cart_text_is_printable("\x7f", 1));
	assert_false(cart_text_is_printable("\xe2\x80\xae", 3));
	assert_false(cart_text_is_printable("\xff", 1));
}

static void names(void **state)
{
	char long_name[66];

	memset(long_name, 'a', 65);
	assert_true(cart_text_is_name("IR-2026_014.b", 13));
	assert_true(cart_text_is_name(long_name, 64));
	assert_false(cart_text_is_name(long_name, 65));
	assert_false(cart_text_is_name("", 0));
	assert_false(cart_text_is_name("a/b", 3));
	assert_false(cart_text_is_name("a b", 3));
	assert_false(cart_text_is_name("a\0", 2));
	assert_false(cart_text_is_name("\xc3\xa9", 2));
}

static const char *escaped(struct cart_buf *b, const char *s, size_t len)
{
	cart_buf_reset(b);
	cart_buf_adds(b, "");
	cart_text_escape(s, len, b);
	return (const char *)b->data;
}

static void escapes(void **state)
{
	struct cart_buf b;

	cart_buf_init(&b, 100);
	assert_string_equal(escaped(&b, "", 0), "");
	assert_string_equal(escaped(&b, "a\0b", 3), "a\\x00b");
	assert_string_equal(escaped(&b, "\t\r\n\x7f", 4),
			    "\\x09\\x0d\\x0a\\x7f");
	assert_string_equal(escaped(&b, "\xe2\x82\xac\xe2\x82", 5),
			    "\xe2\x82\xac\\xe2\\x82");
	assert_string_equal(escaped(&b, "\xe2\x80\x8b", 3), "\\xe2\\x80\\x8b");
	assert_string_equal(escaped(&b, "\xf3\xa0\x81\x81", 4),
			    "\\xf3\\xa0\\x81\\x81");
	assert_string_equal(escaped(&b, "\xef\xbb\xbf", 3), "\\xef\\xbb\\xbf");
	cart_buf_clear(&b);
}

static void uri(void **state)
{
	struct cart_buf b;

	cart_buf_init(&b, 100);
	cart_text_uri("a-._~/B9 +=\xc3\xa9", 13, false, &b);
	assert_string_equal((char *)b.data, "a-._~%2FB9%20%2B%3D%C3%A9");
	cart_buf_reset(&b);
	cart_text_uri("/a b/", 5, true, &b);
	assert_string_equal((char *)b.data, "/a%20b/");
	cart_buf_clear(&b);
}

static void distance(void **state)
{
	char long_name[80];

	assert_int_equal(cart_text_distance("", "", 3), 0);
	assert_int_equal(cart_text_distance("kitten", "sitting", 9), 3);
	assert_int_equal(cart_text_distance("kitten", "sitting", 2), 3);
	assert_int_equal(cart_text_distance("abcdef", "uvwxyz", 2), 3);
	assert_int_equal(cart_text_distance("regoins", "regions", 9), 1);
	assert_int_equal(cart_text_distance("a", "", 9), 1);
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(cart_text_distance(long_name, "a", 2), 3);
	assert_int_equal(cart_text_distance("a", long_name, 2), 3);
}

static void bytes(void **state)
{
	static const struct {
		uint64_t v;
		const char *s;
	} t[] = {
		{ 0, "0 B" },		 { 1023, "1023 B" },
		{ 1024, "1.0 KiB" },	 { 1536, "1.5 KiB" },
		{ 1048575, "1023.9 KiB" }, { 1610612736, "1.5 GiB" },
		{ UINT64_MAX, "15.9 EiB" },
	};
	char out[16];
	size_t i;

	for (i = 0; i < N(t); i++) {
		cart_text_bytes(t[i].v, out);
		assert_string_equal(out, t[i].s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(sizes_and_durations),
		cmocka_unit_test(hex),
		cmocka_unit_test(base64),
		cmocka_unit_test(base64_round_trip),
		cmocka_unit_test(utf8),
		cmocka_unit_test(names),
		cmocka_unit_test(escapes),
		cmocka_unit_test(uri),
		cmocka_unit_test(distance),
		cmocka_unit_test(bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
