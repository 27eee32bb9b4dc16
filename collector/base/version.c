/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/version.h"

/* written by scripts/gen-version: CART_VERSION, _COMMIT, _COMPILER, _DEPS */
#include "version-gen.h"

static const struct cart_version_dep deps[] = { CART_VERSION_DEPS };

const char *cart_version_text(void)
{
	return CART_VERSION;
}

const char *cart_version_commit(void)
{
	return CART_VERSION_COMMIT;
}

const char *cart_version_compiler(void)
{
	return CART_VERSION_COMPILER;
}

const struct cart_version_dep *cart_version_deps(size_t *ret_count)
{
	*ret_count = sizeof(deps) / sizeof(deps[0]);
	return deps;
}
