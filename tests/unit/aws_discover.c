/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "aws/session.h"

static int pick(const char *text, char *host, size_t size, int64_t *keep_ns)
{
	struct cart_json *j = cart_json_parse(text, strlen(text), NULL, NULL);
	int rc;

	assert_non_null(j);
	rc = cart_discover_pick(j, host, size, keep_ns, NULL);
	cart_json_free(j);
	return rc;
}

static void test_pick(void **state)
{
	static const char *const bad[] = {
		"{}", "{\"Endpoints\":[]}", "{\"Endpoints\":[{}]}",
		"{\"Endpoints\":[{\"Address\":\"\"}]}",
		"{\"Endpoints\":[{\"Address\":\"evil.example\"}]}",
		"{\"Endpoints\":[{\"Address\":\"a.amazonaws.com.evil.example\"}]}",
		"{\"Endpoints\":[{\"Address\":\"evil.example/x.amazonaws.com\"}]}",
		"{\"Endpoints\":[{\"Address\":\"evil@x.amazonaws.com\"}]}",
		"{\"Endpoints\":[{\"Address\":\"x..amazonaws.com\"}]}",
		"{\"Endpoints\":[{\"Address\":\".amazonaws.com\"}]}",
		"{\"Endpoints\":[{\"Address\":7}]}",
	};
	static const char cell[] = "query-cell1.timestream.us-east-1."
				   "amazonaws.com";
	char host[CART_FOUND_HOST_SIZE];
	int64_t keep;
	size_t i;

	(void)state;
	assert_int_equal(pick("{\"Endpoints\":[{\"Address\":\"query-cell1."
			      "timestream.us-east-1.amazonaws.com\","
			      "\"CachePeriodInMinutes\":1440}]}", host,
			      sizeof(host), &keep), 0);
	assert_string_equal(host, cell);
	assert_int_equal(keep, INT64_C(1440) * 60 * 1000000000);
	assert_int_equal(pick("{\"Endpoints\":[{\"Address\":\"a.amazonaws.com.cn"
			      "\",\"CachePeriodInMinutes\":1e30}]}", host,
			      sizeof(host), &keep), 0);
	assert_int_equal(keep, INT64_C(1440) * 60 * 1000000000);
	assert_int_equal(pick("{\"Endpoints\":[{\"Address\":\"a.amazonaws.com\","
			      "\"CachePeriodInMinutes\":-5}]}", host,
			      sizeof(host), &keep), 0);
	assert_int_equal(keep, INT64_C(60) * 1000000000);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pick(bad[i], host, sizeof(host), &keep), -1);
	assert_int_equal(pick("{\"Endpoints\":[{\"Address\":\"a.amazonaws.com\"}"
			      "]}", host, 10, &keep), -1);
}

static void test_needed(void **state)
{
	(void)state;
	assert_true(cart_discover_needed("timestream-query", "Query"));
	assert_true(cart_discover_needed("timestream-write", "ListDatabases"));
	assert_false(cart_discover_needed("timestream-query",
					  "DescribeEndpoints"));
	assert_false(cart_discover_needed("timestream-influxdb",
					  "ListDbInstances"));
	assert_false(cart_discover_needed("ec2", "DescribeInstances"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pick),
		cmocka_unit_test(test_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
