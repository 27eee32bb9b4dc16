/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <cmd/boot_data.h>

#define V "\"crashcart-user-data\":1"
#define S V ",\"out\":\"s3://b/p\",\"manifest\":\"m\""

static int parse(const char *text, struct cmd_boot *b, struct cart_err *err)
{
	cart_err_clear(err);
	return cart_boot_parse(text, strlen(text), b, err);
}

static void good(void **state)
{
	static const char *const want[] = {
		"--param=id=i-1", "--param=n=7", "--param=l=[\"a\",\"--x\"]",
		"--case=--allow=irreversible", "--out=s3://b/p",
		"--allow=evidence", "--allow=containment",
		"--region=eu-west-1", "--legal-hold", "--encrypt-to=age1a",
	};
	struct cmd_boot b;
	struct cart_err err;
	size_t i;

	(void)state;
	assert_int_equal(parse("{" V ",\"manifest\":\"host-triage\","
			       "\"params\":{\"id\":\"i-1\",\"n\":7,"
			       "\"l\":[\"a\",\"--x\"]},"
			       "\"case\":\"--allow=irreversible\","
			       "\"out\":\"s3://b/p\",\"allow\":[\"evidence\","
			       "\"containment\"],\"ca\":\"PEM\\n\","
			       "\"role\":\"arn:aws:iam::1:role/r\",\"options\":{"
			       "\"region\":\"eu-west-1\",\"legal-hold\":true,"
			       "\"encrypt-to\":[\"age1a\"]}}", &b, &err), 0);
	assert_int_equal(b.n_args, sizeof(want) / sizeof(want[0]));
	for (i = 0; i < b.n_args; i++)
		assert_string_equal(b.arg[i], want[i]);
	assert_null(b.arg[i]);
	assert_string_equal(b.manifest, "host-triage");
	assert_string_equal(b.role, "arn:aws:iam::1:role/r");
	assert_string_equal(b.region, "eu-west-1");
	assert_string_equal(b.ca, "PEM\n");
	assert_null(b.text);
	cart_boot_clear(&b);

	assert_int_equal(parse("{" V ",\"manifest\":\" {}\",\"minisign\":"
			       "\"s\",\"out\":\"s3://b\"}", &b, &err), 0);
	assert_string_equal(b.text, " {}");
	assert_string_equal(b.minisign, "s");
	assert_null(b.manifest);
	cart_boot_clear(&b);
}

static void refused(void **state)
{
	static const char *const t[] = {
		"", "#!/bin/sh\necho", "[]", "{", "{}", "{" S, "{" S "}x",
		"{\"crashcart-user-data\":2,\"manifest\":\"m\","
		"\"out\":\"s3://b\"}",
		"{\"crashcart-user-data\":\"1\",\"manifest\":\"m\","
		"\"out\":\"s3://b\"}",
		"{" V "}", "{" V ",\"manifest\":\"m\"}",
		"{" V ",\"out\":\"s3://b\"}",
		"{" V ",\"manifest\":\"m\",\"out\":\"/etc\"}",
		"{" V ",\"manifest\":\"m\",\"out\":[\"s3://b\"]}",
		"{" V ",\"manifest\":\"./m.json\",\"out\":\"s3://b\"}",
		"{" V ",\"manifest\":\"--help\",\"out\":\"s3://b\"}",
		"{" V ",\"manifest\":\"-h\",\"out\":\"s3://b\"}",
		"{" V ",\"manifest\":\"{}\",\"out\":\"s3://b\"}",
		"{" S ",\"minisign\":\"x\"}", "{" S ",\"more\":1}",
		"{" S "," S "}", "{" S ",\"params\":[]}",
		"{" S ",\"params\":{\"a=b\":\"c\"}}",
		"{" S ",\"params\":{\"\":\"c\"}}",
		"{" S ",\"params\":{\"a\":\"x\\ny\"}}",
		"{" S ",\"allow\":[1]}", "{" S ",\"allow\":7}",
		"{" S ",\"role\":\"arn\\n[x]\"}", "{" S ",\"role\":\"\"}",
		"{" S ",\"options\":{\"region\":\"a\\nb\"}}",
		"{" S ",\"options\":{\"region\":\"a b\"}}",
		"{" S ",\"options\":{\"out\":\"/etc\"}}",
		"{" S ",\"options\":{\"allow\":\"evidence\"}}",
		"{" S ",\"options\":{\"manifest-key\":\"x\"}}",
		"{" S ",\"options\":{\"ca-bundle\":\"/x\"}}",
		"{" S ",\"options\":{\"state\":\"/x\"}}",
		"{" S ",\"options\":{\"key\":\"/x\"}}",
		"{" S ",\"options\":{\"legal-hold\":\"yes\"}}",
		"{" S ",\"options\":{\"case\":\"x\"}}",
		"{" S ",\"options\":{\"operator\":{}}}",
		"{" S ",\"options\":{\"operator\":\"\"}}",
	};
	char big[CMD_BOOT_MAX + 100];
	struct cmd_boot b;
	struct cart_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (parse(t[i], &b, &err) == 0)
			fail_msg("accepted: %s", t[i]);
		assert_int_equal(err.class, CART_ERR_USAGE);
		cart_boot_clear(&b);
	}
	/* blanks are white space of JSON: the length alone is too much */
	memset(big, ' ', sizeof(big) - 1);
	memcpy(big, "{" S "}", strlen("{" S "}"));
	big[CMD_BOOT_MAX] = '\0';
	assert_int_equal(parse(big, &b, &err), 0);
	cart_boot_clear(&b);
	big[CMD_BOOT_MAX] = ' ';
	big[CMD_BOOT_MAX + 1] = '\0';
	assert_int_equal(parse(big, &b, &err), -1);
	cart_boot_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good), cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
