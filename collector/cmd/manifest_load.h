/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_MANIFEST_LOAD_H
#define CMD_MANIFEST_LOAD_H

#include <stdbool.h>

#include "command.h"
#include "crashcart/manifest.h"

/* The manifest that a user named: a path (anything with '/' or '.'), or the
 * name of a built-in one.  Sets -p parameters; with ready, all required ones
 * must be there.  *ret_builtin may be NULL. */
struct cart_manifest *cart_manifest_load(const struct cart_args *a,
					 const char *name, bool ready,
					 bool *ret_builtin,
					 struct cart_err *err);

/* DESIGN.md, the manifest, rule 8: may --allow count here?  Yes with a
 * terminal, a built-in manifest, or a signature PATH.minisig that
 * --manifest-key accepts; once a key is named, every file must be signed.
 * 0 or -1 (USAGE). */
int cart_manifest_trusted(const struct cart_args *a, const char *name,
			  bool builtin, const struct cart_manifest *m,
			  struct cart_err *err);

#endif
