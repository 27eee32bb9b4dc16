/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "crashcart/version.h"

static void test_version_strings(void **state)
{
	const char *commit = cart_version_commit();

	(void)state;
	assert_true(strlen(cart_version_text()) >= 5);
	assert_true(!strcmp(commit, "unknown") || strlen(commit) >= 40);
	assert_true(strlen(cart_version_compiler()) > 0);
}

static void test_version_deps_sorted(void **state)
{
	size_t count, i;
	const struct cart_version_dep *deps = cart_version_deps(&count);

	(void)state;
	assert_true(count >= 8);
	for (i = 0; i < count; i++) {
		assert_true(strlen(deps[i].name) > 0);
		assert_true(strlen(deps[i].version) > 0);
		assert_true(strlen(deps[i].source) > 0);
		if (i)
			assert_true(strcmp(deps[i - 1].name, deps[i].name) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_strings),
		cmocka_unit_test(test_version_deps_sorted),
	};

	return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
