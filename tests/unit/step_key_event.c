/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../collector/step/key_event.h"


/* Effects as text, "what|id|detail;" each. */
static int append(void *arg, const struct key_effect *f)
{
	char *out = arg;

	snprintf(out + strlen(out), 4000 - strlen(out), "%s|%s|%s;", f->what,
		 f->id, f->detail);
	return 0;
}

static void effects_are(const char *source, const char *name, const char *error,
			const char *q, const char *r, const char *want)
{
	char text[6000], got[4000] = "";
	struct cart_err err = { 0 };
	struct key_event e;

	snprintf(text, sizeof(text), "{\"eventSource\":\"%s.amazonaws.com\","
		 "\"eventName\":\"%s\",\"eventTime\":\"2026-03-01T20:00:00Z\","
		 "\"eventID\":\"x\",%s\"requestParameters\":%s,"
		 "\"responseElements\":%s}", source, name, error, q, r);
	assert_int_equal(cart_key_event_parse(&e, text, strlen(text), &err), 0);
	assert_int_equal(cart_key_event_effects(&e, append, got), 0);
	assert_string_equal(got, want);
	cart_key_event_clear(&e);
}

static void test_effects(void **state)
{
	(void)state;
	effects_are("iam", "CreateUser", "", "{\"userName\":\"u\"}", "null",
		    "created IAM user|u|;");
	/* what failed made nothing */
	effects_are("iam", "CreateUser", "\"errorCode\":\"AccessDenied\",",
		    "{\"userName\":\"u\"}", "null", "");
	effects_are("ec2", "RunInstances", "", "{\"instanceType\":\"t\"}",
		    "{\"instancesSet\":{\"items\":[{\"instanceId\":\"i-1\"},"
		    "{\"instanceId\":\"i-2\"}]}}",
		    "started instance|i-1|t;started instance|i-2|t;");
	effects_are("ec2", "AuthorizeSecurityGroupIngress", "",
		    "{\"groupId\":\"sg-1\",\"ipPermissions\":{\"items\":[{"
		    "\"ipProtocol\":\"tcp\",\"fromPort\":22,\"toPort\":23,"
		    "\"ipRanges\":{\"items\":[{\"cidrIp\":\"0.0.0.0/0\"}]},"
		    "\"ipv6Ranges\":{\"items\":[{\"cidrIpv6\":\"::/0\"}]}}]}}",
		    "null", "opened security group|sg-1|"
		    "tcp 22-23 from 0.0.0.0/0, ::/0;");
	/* taking a share away is no share */
	effects_are("ec2", "ModifySnapshotAttribute", "",
		    "{\"snapshotId\":\"snap-1\",\"createVolumePermission\":"
		    "{\"remove\":{\"items\":[{\"userId\":\"1\"}]}}}", "null",
		    "");
	effects_are("ec2", "ModifySnapshotAttribute", "",
		    "{\"snapshotId\":\"snap-1\",\"createVolumePermission\":"
		    "{\"add\":{\"items\":[{\"group\":\"all\"}]}}}", "null",
		    "shared snapshot|snap-1|all;");
	effects_are("lambda", "UpdateFunctionCode20150331v2", "",
		    "{\"functionName\":\"f\"}", "null",
		    "replaced the code of function|f|;");
	effects_are("evil.lambda", "CreateUser", "", "{\"userName\":\"u\"}",
		    "null", "");
	/* parts of another shape than AWS's */
	effects_are("ec2", "RunInstances", "", "[1,2]", "{\"instancesSet\":"
		    "{\"items\":{\"instanceId\":\"i-1\"}}}", "");
	effects_are("iam", "CreateUser", "", "{\"userName\":{\"a\":1}}", "7",
		    "");
}

static int session(void *arg, const struct key_effect *f)
{
	*(struct key_effect *)arg = *f;
	return 7;
}

static void test_session(void **state)
{
	static const char text[] = "{\"eventSource\":\"sts.amazonaws.com\","
		"\"eventName\":\"AssumeRole\",\"requestParameters\":{\"roleArn\":"
		"\"arn:aws:iam::123456789012:role/a/b/ops\"},"
		"\"responseElements\":{\"credentials\":{\"accessKeyId\":"
		"\"ASIA1\"}}}";
	struct cart_err err = { 0 };
	struct key_effect f;
	struct key_event e;

	(void)state;
	assert_int_equal(cart_key_event_parse(&e, text, strlen(text), &err), 0);
	assert_int_equal(e.time_ns, INT64_MIN);
	assert_int_equal(cart_key_event_effects(&e, session, &f), 7);
	assert_int_equal(f.follow, KEY_FOLLOW_SESSION);
	assert_string_equal(f.id, "ASIA1");
	assert_string_equal(f.role, "ops");
	assert_string_equal(f.account, "123456789012");
	cart_key_event_clear(&e);
	assert_int_equal(cart_key_event_parse(&e, "{", 1, &err), -1);
	cart_key_event_clear(&e);
}

/* Long texts are cut between characters, and say so. */
static void test_cut(void **state)
{
	char name[600], q[700], want[700];
	size_t i;

	(void)state;
	for (i = 0; i < 200; i++)
		memcpy(name + 2 * i, "\xc3\xa9", 2);
	name[2 * i] = '\0';
	snprintf(q, sizeof(q), "{\"userName\":\"%s\"}", name);
	snprintf(want, sizeof(want), "created IAM user|%.252s...|;", name);
	effects_are("iam", "CreateUser", "", q, "null", want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
