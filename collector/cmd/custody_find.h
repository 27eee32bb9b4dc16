/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_CUSTODY_FIND_H
#define CMD_CUSTODY_FIND_H

#include "crashcart/digest.h"
#include "crashcart/err.h"

/* What lies beside a bundle (FORMAT.md section 10). */
struct cart_custody_place {
	char folder[4200];		/* NAME.custody, there or not */
	char seal_sha256[CART_SHA256_HEX_SIZE];	/* of NAME.seal */
};

/* bundle: as the user named it; name: NAME, as the seal says.  0, or -1 + err
 * if the seal cannot be read. */
int cart_custody_find(const char *bundle, const char *name,
		      struct cart_custody_place *ret, struct cart_err *err);

#endif
