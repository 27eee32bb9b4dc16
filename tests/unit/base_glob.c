/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>

static void matches(void **state)
{
	static const struct {
		const char *pattern, *path;
		int yes;
	} t[] = {
		{ "", "", 1 },
		{ "", "a", 0 },
		{ "a", "", 0 },
		{ "abc", "abc", 1 },
		{ "abc", "abcd", 0 },
		{ "*", "", 1 },
		{ "*", "abc", 1 },
		{ "*", "a/b", 0 },
		{ "a*", "abc", 1 },
		{ "*c", "abc", 1 },
		{ "a*c", "ac", 1 },
		{ "a*b*c", "aXbXbXc", 1 },
		{ "a*b*c", "aXbXbX", 0 },
		{ "?", "a", 1 },
		{ "?", "/", 0 },
		{ "?", "", 0 },
		{ "/var/*/x", "/var/log/x", 1 },
		{ "/var/*/x", "/var/log/a/x", 0 },
		{ "/var/**/x", "/var/log/a/x", 1 },
		{ "/var/**/x", "/var/x", 1 },
		{ "/var/**/x", "/var/logx", 0 },
		{ "/var/**", "/var/", 1 },
		{ "/var/**", "/var/a/b", 1 },
		{ "/var/**", "/var", 0 },
		{ "**/x", "x", 1 },
		{ "**/x", "a/b/x", 1 },
		{ "**/x", "yx", 0 },
		{ "**/x", "a/yx", 0 },
		{ "**x", "a/b/yx", 1 },
		{ "a**/b", "a/b", 1 },
		{ "a**/b", "axx/y/b", 1 },
		{ "a**/b", "ab", 0 },
		{ "**", "a/b/c", 1 },
		{ "**/*.log", "a/b/c.log", 1 },
		{ "**/*.log", "a/b/c.log/d", 0 },
		{ "**/a/**/b", "x/a/b", 1 },
		{ "**/a/**/b", "a/x/y/b", 1 },
		{ "**/*a/*b", "xa/b/ya/zb", 1 },
		{ "***", "a/b", 1 },
		{ "[a-c]", "b", 1 },
		{ "[a-c]", "d", 0 },
		{ "[!a-c]", "d", 1 },
		{ "[^a-c]", "b", 0 },
		{ "[!a]", "/", 0 },
		{ "[/]", "/", 0 },
		{ "[]a]", "]", 1 },
		{ "[a-]", "-", 1 },
		{ "[\\]]", "]", 1 },
		{ "[a", "[a", 1 },
		{ "[", "[", 1 },
		{ "x[ab]*[cd]", "xa12d", 1 },
		{ "\\*", "*", 1 },
		{ "\\*", "a", 0 },
		{ "\\", "\\", 1 },
		{ "a\\?", "a?", 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (cart_text_glob(t[i].pattern, t[i].path,
				   strlen(t[i].path)) != t[i].yes)
			fail_msg("%s against %s", t[i].pattern, t[i].path);
	assert_true(cart_text_glob("a?b", "a\0b", 3));
	assert_true(cart_text_glob("a?b", "a\xff" "b", 3));
}

/* The definition itself, slow: the oracle. */
static int slow(const char *p, const char *s, int start)
{
	if (*p == '\0')
		return *s == '\0';
	if (p[0] == '*' && p[1] == '*') {
		const char *q = p;

		while (*q == '*')
			q++;
		if (start && *q == '/') {
			if (slow(q + 1, s, 1))
				return 1;
			for (; *s; s++)
				if (*s == '/' && slow(q + 1, s + 1, 1))
					return 1;
			return 0;
		}
		for (;; s++) {
			if (slow(q, s, 0))
				return 1;
			if (!*s)
				return 0;
		}
	}
	if (*p == '*') {
		for (;; s++) {
			if (slow(p + 1, s, 0))
				return 1;
			if (!*s || *s == '/')
				return 0;
		}
	}
	if (!*s || (*p == '?' ? *s == '/' : *s != *p))
		return 0;
	return slow(p + 1, s + 1, *p == '/');
}

static void agrees_with_definition(void **state)
{
	static const char pattern_set[] = "ab/*?", path_set[] = "ab/";
	unsigned seed = 20261124;
	char pattern[9], path[11];
	int round, i, n, m;

	for (round = 0; round < 300000; round++) {
		seed = seed * 1103515245u + 12345u;
		n = (int)(seed >> 16) % 9;
		for (i = 0; i < n; i++) {
			seed = seed * 1103515245u + 12345u;
			pattern[i] = pattern_set[(seed >> 16) % 5];
		}
		pattern[n] = '\0';
		seed = seed * 1103515245u + 12345u;
		m = (int)(seed >> 16) % 11;
		for (i = 0; i < m; i++) {
			seed = seed * 1103515245u + 12345u;
			path[i] = path_set[(seed >> 16) % 3];
		}
		path[m] = '\0';
		if (cart_text_glob(pattern, path, (size_t)m) !=
		    slow(pattern, path, 1))
			fail_msg("%s against %s", pattern, path);
	}
}

static void work_is_bounded(void **state)
{
	char *path = malloc(70000);
	int64_t begin;

	assert_non_null(path);
	memset(path, 'a', 70000);
	begin = cart_clock_mono_ns();
	assert_false(cart_text_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path, 65535));
	assert_false(cart_text_glob("**a**a**a**a**a**a**a**a**/b", path, 65535));
	assert_true(cart_text_glob("**", path, 65535));
	assert_false(cart_text_glob("**", path, 65536));
	assert_true(cart_clock_mono_ns() - begin < INT64_C(5000000000));
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(agrees_with_definition),
		cmocka_unit_test(work_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
