/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../collector/step/cloudtrail_index.h"

#include <crashcart/clock.h>

static const char one[] = "{\"eventTime\":\"2026-03-01T20:00:00Z\",\"awsRegion\":"
	"\"eu-west-1\",\"eventSource\":\"sts.amazonaws.com\",\"eventName\":"
	"\"GetSessionToken\",\"userAgent\":\"a\\\"]}{\\\\\",\"sourceIPAddress\":"
	"\"192.0.2.7\",\"errorCode\":\"AccessDenied\",\"eventID\":\"e-1\","
	"\"userIdentity\":{\"type\":\"IAMUser\",\"arn\":\"arn:aws:iam::1:user/a\","
	"\"userName\":\"a\",\"accessKeyId\":\"AKIAA\"},\"requestParameters\":"
	"{\"deep\":[{\"bucketName\":\"b-1\"}]},\"responseElements\":"
	"{\"credentials\":{\"accessKeyId\":\"ASIAB\"}}}";

static int count(void *arg, const struct cart_json *e, struct cart_err *err)
{
	size_t *n = arg;

	assert_non_null(e);
	return ++*n == 99 ? -1 : 0;
}

static int records(const char *text, size_t *ret_n, enum cart_err_class *ret)
{
	struct cart_err err = { 0 };
	int rc;

	*ret_n = 0;
	rc = cart_trail_records(text, strlen(text), count, ret_n, &err);
	*ret = err.class;
	return rc;
}

static void splits(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"Records\":{}}", "{\"Records\":[1,]}",
		"{\"Records\":[{]}", "{\"Records\":[1 2]}", "{\"Records\":[]",
		"{\"Records\":[]}x", "{\"Records\":[],\"Records\":[]}",
		"{\"Records\":[{\"a\":1,\"a\":2}]}", "{\"a\"}", "{\"Records\":[\"",
		"{\"Records\":[\"\\", "{\"Records\":[{\"a\":\"}]}",
	};
	enum cart_err_class class;
	char text[2048];
	size_t i, n;

	snprintf(text, sizeof(text), " {\"x\":[{\"Records\":[]},\"]}\"] ,\n"
		 "\"Records\" : [ %s , {}\t,%s ] , \"y\":null} \n", one, one);
	assert_int_equal(records(text, &n, &class), 0);
	assert_int_equal(n, 3);
	assert_int_equal(records("{\"Records\":[]}", &n, &class), 0);
	assert_int_equal(n, 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(records(bad[i], &n, &class), -1);
		assert_int_equal(class, CART_ERR_INPUT);
	}
}

static bool passes(const struct cart_json *e, const char *with)
{
	struct cart_err err;
	struct cart_json *w = cart_json_parse(with, strlen(with), NULL, &err);
	bool rc;

	assert_non_null(w);
	rc = cart_trail_passes(e, w, INT64_MIN, INT64_MAX);
	cart_json_free(w);
	return rc;
}

static void filters(void **state)
{
	struct cart_err err;
	struct cart_json *e = cart_json_parse(one, strlen(one), NULL, &err);
	int64_t t;

	assert_non_null(e);
	assert_true(passes(e, "{}"));
	assert_true(passes(e, "{\"principal\":\"a\"}"));
	assert_true(passes(e, "{\"principal\":[\"b\",\"arn:aws:iam::1:user/a\"]}"));
	assert_false(passes(e, "{\"principal\":[\"b\"]}"));
	assert_false(passes(e, "{\"principal\":[]}"));
	assert_true(passes(e, "{\"access_key\":\"AKIAA\"}"));
	assert_true(passes(e, "{\"access_key\":\"ASIAB\"}"));
	assert_false(passes(e, "{\"access_key\":\"AKIA\"}"));
	assert_true(passes(e, "{\"address\":\"192.0.2.7\"}"));
	assert_false(passes(e, "{\"address\":\"192.0.2.70\"}"));
	assert_true(passes(e, "{\"event_name\":[\"GetSessionToken\"]}"));
	assert_true(passes(e, "{\"resource\":\"b-1\"}"));
	assert_false(passes(e, "{\"resource\":\"b-2\"}"));
	assert_false(passes(e, "{\"resource\":\"b-1\",\"principal\":\"b\"}"));
	assert_int_equal(cart_clock_parse("2026-03-01T20:00:00Z", 20, &t), 0);
	assert_true(cart_trail_passes(e, NULL, t, t));
	assert_false(cart_trail_passes(e, NULL, t + 1, t + 2));
	assert_false(cart_trail_passes(e, NULL, t - 2, t - 1));
	cart_json_free(e);
}

static void line(void **state)
{
	struct cart_err err;
	struct cart_json *e = cart_json_parse(one, strlen(one), NULL, &err);
	struct cart_buf b;

	cart_buf_init(&b, 1000);
	cart_trail_index_line(e, "e000007", "", &b);
	assert_string_equal((char *)b.data, "{\"time\":\"2026-03-01T20:00:00Z\","
		"\"region\":\"eu-west-1\",\"source\":\"sts.amazonaws.com\","
		"\"name\":\"GetSessionToken\",\"type\":\"IAMUser\",\"principal\":"
		"\"arn:aws:iam::1:user/a\",\"access_key\":\"AKIAA\",\"address\":"
		"\"192.0.2.7\",\"error\":\"AccessDenied\",\"event_id\":\"e-1\","
		"\"exhibit\":\"e000007\"}");
	cart_buf_reset(&b);
	cart_trail_index_line(NULL, NULL, "", &b);
	assert_string_equal((char *)b.data, "{}");
	cart_buf_clear(&b);
	cart_json_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits),
		cmocka_unit_test(filters),
		cmocka_unit_test(line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
