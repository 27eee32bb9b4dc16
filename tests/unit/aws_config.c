/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aws/session.h"

static struct cart_config *parse(const char *text, enum cart_config_kind kind,
				 struct cart_err *err)
{
	/* exactly as long as it is: the sanitizer sees a byte too many */
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	struct cart_config *c;

	memcpy(copy, text, len);
	c = cart_config_parse(copy, len, kind, "FILE", err);
	free(copy);
	return c;
}

static void values(void **state)
{
	static const char text[] =
		"\xef\xbb\xbf# comment\n"
		"[default]\n"
		"region = eu-central-1\r\n"
		"Output=json\n"
		"\n"
		"[profile a b]\n"
		"role_arn : arn:aws:iam::1:role/x\n"
		"empty =\n"
		"s3 =\n"
		"    max_concurrent_requests = 20\n"
		"  # comment\n"
		"\tendpoint_url = http://localhost:9000\n"
		"  \n"
		"source_profile = default\n"
		"\n"
		"[profile \"quoted one\"]\n"
		"region=us-east-1\n"
		"cli_alias = a\n"
		"    goes on = here\n"
		"[services local]\n"
		"ec2 =\n"
		"  endpoint_url = https://e\n"
		"[unknown]\n"
		"region = never\n"
		"[profile default]\n"
		"region = wins\n";
	static const struct {
		const char *section, *name, *key, *sub, *value;
	} t[] = {
		{ "profile", "default", "region", NULL, "wins" },
		{ "profile", "a b", "role_arn", NULL, "arn:aws:iam::1:role/x" },
		{ "profile", "a b", "empty", NULL, "" },
		{ "profile", "a b", "s3", NULL, "" },
		{ "profile", "a b", "s3", "max_concurrent_requests", "20" },
		{ "profile", "a b", "s3", "endpoint_url", "http://localhost:9000" },
		{ "profile", "a b", "source_profile", NULL, "default" },
		{ "profile", "a b", "max_concurrent_requests", NULL, NULL },
		{ "profile", "quoted one", "region", NULL, "us-east-1" },
		{ "profile", "quoted one", "cli_alias", NULL, "a" },
		{ "services", "local", "ec2", "endpoint_url", "https://e" },
		{ "profile", "unknown", "region", NULL, NULL },
		{ "profile", "none", "region", NULL, NULL },
	};
	struct cart_err err;
	struct cart_config *c = parse(text, CART_CONFIG_FILE, &err);
	size_t i;

	if (!c)
		fail_msg("%s", err.text);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const char *v = cart_config_get(c, t[i].section, t[i].name,
						t[i].key, t[i].sub);

		if (!t[i].value)
			assert_null(v);
		else if (!v || strcmp(v, t[i].value) != 0)
			fail_msg("%s.%s is %s", t[i].name, t[i].key,
				 v ? v : "(absent)");
	}
	assert_true(cart_config_has(c, "profile", "a b"));
	assert_false(cart_config_has(c, "profile", "unknown"));
	assert_int_equal(cart_config_line(c, "profile", "a b"), 6);
	cart_config_free(c);
}

static void credentials_file(void **state)
{
	struct cart_err err;
	struct cart_config *c = parse("[a]\naws_access_key_id=AKIA\n"
		"aws_secret_access_key = s/+=:x \n[profile b]\nx=y",
		CART_CREDENTIALS_FILE, &err);

	assert_non_null(c);
	assert_string_equal(cart_config_get(c, "profile", "a",
			    "aws_access_key_id", NULL), "AKIA");
	assert_string_equal(cart_config_get(c, "profile", "a",
			    "aws_secret_access_key", NULL), "s/+=:x");
	assert_true(cart_config_has(c, "profile", "profile b"));
	cart_config_free(c);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *message;
	} t[] = {
		{ "a = b\n", "FILE line 1: stands before the first [section]" },
		{ "[a\n", "FILE line 1: a section's name is not closed with ]" },
		{ "[]\n", "FILE line 1: a section without a name" },
		{ "[profile x]\n\nnonsense\n",
		  "FILE line 3: is neither [section] nor \"key = value\"" },
		{ "[profile x]\n= v\n",
		  "FILE line 2: is neither [section] nor \"key = value\"" },
		{ "[profile x]\nA=1\na=2\n",
		  "FILE line 3: this key is in the section already" },
		{ "[profile x]\n[default]\n[profile x]\n",
		  "FILE line 3: section \"x\" is already in line 1; join the two" },
		{ "[profile x]\ns3 =\n  what\n",
		  "FILE line 3: is not \"key = value\"" },
	};
	struct cart_err err;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct cart_config *c = parse(t[i].text, CART_CONFIG_FILE, &err);

		if (c)
			fail_msg("accepted: %s", t[i].text);
		assert_string_equal(err.text, t[i].message);
		assert_int_equal(err.class, CART_ERR_INPUT);
	}
	assert_null(cart_config_parse("[a]\nx=\0y\n", 9, CART_CONFIG_FILE,
				      "FILE", &err));
	assert_string_equal(err.text, "FILE line 2: holds a NUL byte");
}

static void limits(void **state)
{
	size_t n = CART_CONFIG_MAX_BYTES + 1, i;
	char *big = malloc(n);
	struct cart_err err;

	memset(big, '\n', n);
	assert_null(cart_config_parse(big, n, CART_CONFIG_FILE, "FILE", &err));
	assert_int_equal(err.class, CART_ERR_LIMIT);
	/* many sections and keys */
	for (i = 0; i + 4 < n; i += 4)
		memcpy(big + i, "[a]\n", 4);
	assert_null(cart_config_parse(big, n - 1, CART_CONFIG_FILE, "F", &err));
	free(big);
}

static void no_file(void **state)
{
	struct cart_err err;
	struct cart_config *c = cart_config_load("/nonexistent/config",
						 CART_CONFIG_FILE, &err);

	assert_non_null(c);
	assert_false(cart_config_has(c, "profile", "default"));
	cart_config_free(c);
	assert_null(cart_config_load("/", CART_CONFIG_FILE, &err));
	assert_non_null(strstr(err.text, "/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values), cmocka_unit_test(credentials_file),
		cmocka_unit_test(refused), cmocka_unit_test(limits),
		cmocka_unit_test(no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
