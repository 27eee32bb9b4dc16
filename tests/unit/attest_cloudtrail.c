/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, keys, and chains that cannot be told.  Signed chains and every
 * tampering of them: tests/interop/test_cloudtrail_digests.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/attest_cloudtrail.h>
#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/rsa.h>
#include <crashcart/text.h>

#define HOUR ((int64_t)3600 * 1000000000)

static void names(void **state)
{
	static const char *const bad[] = {
		"", "x", "/", ".json.gz", "123456789012_CloudTrail-Digest_.json.gz",
		"123456789012_CloudTrail_us-east-1_20261124T0300Z_abc.json.gz",
		"12345678901_CloudTrail-Digest_us-east-1_t_us-east-1_"
		"20261124T030000Z.json.gz",
		"123456789012_CloudTrail-Digest_us-east-1_us-east-1_"
		"20261124T030000Z.json.gz",
		"123456789012_CloudTrail-Digest_us-east-1_t_us-east-1_"
		"20261124T250000Z.json.gz",
		"123456789012_CloudTrail-Digest_us-east-1_t_us-east-1_"
		"20261124T030000Z.json.gz.bak",
	};
	struct cart_trail_name n;
	char text[CART_CLOCK_TEXT_SIZE];
	size_t i;

	assert_int_equal(cart_trail_digest_name(
		"p/AWSLogs/o-1/123456789012/CloudTrail-Digest/eu-west-1/2026/11/"
		"24/123456789012_CloudTrail-Digest_eu-west-1_my_odd_trail_"
		"us-east-1_20261124T030405Z_backfill.json.gz", &n), 0);
	assert_string_equal(n.account, "123456789012");
	assert_string_equal(n.region, "eu-west-1");
	assert_string_equal(n.trail, "my_odd_trail");
	assert_string_equal(n.home_region, "us-east-1");
	assert_true(n.backfill);
	cart_clock_text(n.end_ns, 0, text);
	assert_string_equal(text, "2026-11-24T03:04:05Z");
	assert_int_equal(cart_trail_digest_name(
		"123456789012_CloudTrail-Digest_eu-west-1_t_us-east-1_"
		"20261124T030405Z.json.gz", &n), 0);
	assert_false(n.backfill);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(cart_trail_digest_name(bad[i], &n), -1);
}

/* A fingerprint is that of the bytes, or the key is left out. */
static void keys(void **state)
{
	static const char answer[] = "{\"PublicKeyList\":["
		"{\"Value\":\"YWJj\",\"Fingerprint\":"
		"\"900150983cd24fb0d6963f7d28e17f72\"},"
		"{\"Value\":\"YWJj\",\"Fingerprint\":"
		"\"900150983cd24fb0d6963f7d28e17f73\"},"
		"{\"Value\":\"YW\",\"Fingerprint\":\"x\"},{}]}";
	struct cart_err err = { 0 };
	struct cart_trail_keys *k = cart_trail_keys_new(&err);
	struct cart_json *j = cart_json_parse(answer, strlen(answer), NULL,
					      &err);

	assert_non_null(k);
	assert_non_null(j);
	assert_int_equal(cart_trail_keys_add(k, "us-east-1", j, &err), 3);
	assert_int_equal(cart_trail_keys_add(k, "us-east-1", NULL, &err), -1);
	cart_json_free(j);
	cart_trail_keys_free(k);
}

static void rsa_keys(void **state)
{
	struct cart_err err = { 0 };

	assert_int_equal(cart_rsa_verify_sha256("", 0, "", 0, "", 0, &err), -1);
	assert_int_equal(err.class, CART_ERR_INPUT);
	assert_int_equal(cart_rsa_verify_sha256("\x30\x06\x02\x01\x03\x02\x01"
						"\x03", 8, "", 0, "", 0, &err),
			 -1);
	assert_int_equal(err.class, CART_ERR_INPUT);
}

static unsigned kinds[4];
static int64_t first_gap[2];

static void count(void *arg, const struct cart_trail_finding *f)
{
	if (f->kind == CART_TRAIL_GAP && kinds[CART_TRAIL_GAP]++ == 0) {
		first_gap[0] = f->start_ns;
		first_gap[1] = f->end_ns;
	} else if (f->kind != CART_TRAIL_GAP) {
		kinds[f->kind]++;
	}
}

/* Nothing valid: one gap over the whole window. */
static void nothing(void **state)
{
	struct cart_err err = { 0 };
	struct cart_trail_options o = {
		.region = "us-east-1", .start_ns = HOUR, .end_ns = 9 * HOUR,
		.now_ns = 20 * HOUR, .found = count,
	};
	struct cart_trail_object d = { .bucket = "b", .key = "k" };
	enum cart_trail_verdict v;
	struct cart_json *logs;
	struct cart_trail_chain *c;

	o.keys = cart_trail_keys_new(&err);
	c = cart_trail_chain_new(&o, &err);
	memset(kinds, 0, sizeof(kinds));
	assert_int_equal(cart_trail_chain_next(c, &d, &v, &logs, &err), 0);
	assert_int_equal(v, CART_TRAIL_UNKNOWN);
	assert_null(logs);
	d.data = "not gzip";
	d.len = 8;
	assert_int_equal(cart_trail_chain_next(c, &d, &v, &logs, &err), 0);
	assert_int_equal(v, CART_TRAIL_INVALID);
	cart_trail_chain_end(c);
	assert_int_equal(kinds[CART_TRAIL_DIGEST], 2);
	assert_int_equal(kinds[CART_TRAIL_GAP], 1);
	assert_true(first_gap[0] == HOUR && first_gap[1] == 9 * HOUR);
	cart_trail_chain_free(c);
	cart_trail_keys_free((void *)(uintptr_t)o.keys);
}

static void logs(void **state)
{
	/* gzip of "abc" by RFC 1952, stored block */
	static const unsigned char gz[] = {
		0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, 3, 0, 0xfc, 0xff,
		'a', 'b', 'c', 0xc2, 0x41, 0x24, 0x35, 3, 0, 0, 0, 0
	};
	static const char good[] = "{\"hashValue\":\"ba7816bf8f01cfea414140de5da"
		"e2223b00361a396177a9cb410ff61f20015ad\",\"hashAlgorithm\":"
		"\"SHA-256\"}";
	struct cart_err err = { 0 };
	struct cart_json *j = cart_json_parse(good, strlen(good), NULL, &err);
	char why[160];
	size_t n = sizeof(gz) - 1;

	assert_int_equal(cart_trail_log_check(j, gz, n, 100, why),
			 CART_TRAIL_VALID);
	assert_string_equal(why, "");
	assert_int_equal(cart_trail_log_check(j, gz, n + 1, 100, why),
			 CART_TRAIL_INVALID);
	assert_int_equal(cart_trail_log_check(j, gz, n - 1, 100, why),
			 CART_TRAIL_INVALID);
	assert_int_equal(cart_trail_log_check(j, gz, n, 2, why),
			 CART_TRAIL_UNKNOWN);
	assert_int_equal(cart_trail_log_check(j, NULL, 0, 100, why),
			 CART_TRAIL_UNKNOWN);
	assert_int_equal(cart_trail_log_check(NULL, gz, n, 100, why),
			 CART_TRAIL_UNKNOWN);
	cart_json_set(j, "hashValue", cart_json_new_string("00"));
	assert_int_equal(cart_trail_log_check(j, gz, n, 100, why),
			 CART_TRAIL_INVALID);
	cart_json_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(keys),
		cmocka_unit_test(rsa_keys),
		cmocka_unit_test(nothing),
		cmocka_unit_test(logs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
