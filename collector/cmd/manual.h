/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_MANUAL_H
#define CMD_MANUAL_H

#include "crashcart/buf.h"

/* The manual page crashcart(1) as roff, from the command and option tables:
 * collector/man/crashcart.1 is this text. */
void cart_manual_roff(struct cart_buf *out);
/* A completion script for bash, from the same tables. */
void cart_manual_bash(struct cart_buf *out);

#endif
