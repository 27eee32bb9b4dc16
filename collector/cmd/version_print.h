/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_VERSION_PRINT_H
#define CMD_VERSION_PRINT_H

#include <stdbool.h>

#include "crashcart/digest.h"

/* `crashcart --version [--json]`; gives the exit status. */
int cart_version_print(bool json);
/* SHA-256 of the running program (/proc/self/exe), read once; "" if it
 * cannot be read. */
const char *cart_version_own_sha256(void);

#endif
