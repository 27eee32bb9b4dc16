/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this program was built from.  All strings are static and ASCII.
 */
#ifndef CRASHCART_VERSION_H
#define CRASHCART_VERSION_H

#include <stddef.h>

struct cart_version_dep {
	const char *name;	/* "openssl" */
	const char *version;	/* "3.5.7" */
	const char *source;	/* whose patches: "upstream 3.5.7" or
				   "debian 3.5.7-1~deb13u2" */
};

/* The program's own version, e.g. "0.1.0". */
const char *cart_version_text(void);

/*
 * The git commit, 40 hex digits, with "-changed" after it when the tree had
 * uncommitted changes; "unknown" outside a clone or release tarball.
 */
const char *cart_version_commit(void);

/* The compiler, e.g. "gcc 12.2.0 x86_64-linux-musl". */
const char *cart_version_compiler(void);

/*
 * Every dependency linked in, sorted by name, as the lock file states it; with
 * *ret_count entries.  In a DEV=system build the versions read "system".
 */
const struct cart_version_dep *cart_version_deps(size_t *ret_count);

#endif
