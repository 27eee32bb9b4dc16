/* SPDX-License-Identifier: Apache-2.0 */
#include <crashcart/core.h>

#include <sys/resource.h>

/*
 * core(5): a program that core_pattern names gets the dump whatever the limit
 * is, even if it is 0; only with 1 the kernel does not start it.  Files have a
 * page at least, so 1 forbids them too.
 *
 * PR_SET_DUMPABLE would do the same, but gives /proc/self to root: without
 * privileges, host.system could not read /proc/self/mountinfo, nor the program
 * its own file and the descriptors that its output must not be confused with.
 */
void cart_core_forbid(void)
{
	struct rlimit limit = { .rlim_cur = 1, .rlim_max = 1 };

	if (setrlimit(RLIMIT_CORE, &limit) == 0)
		return;
	limit.rlim_cur = limit.rlim_max = 0;
	setrlimit(RLIMIT_CORE, &limit);
}
