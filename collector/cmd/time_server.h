/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_TIME_SERVER_H
#define CMD_TIME_SERVER_H

#include "command.h"
#include "crashcart/bundle.h"

/* Is --time-server, if it is given, an address?  0, or -1 with err (USAGE). */
int cart_cmd_time_check(const struct cart_args *a, struct cart_err *err);
/* Asks it, or on EC2 Amazon's, and puts on record how far the host's clock is
 * off; or that it did not answer. */
void cart_cmd_time_note(const struct cart_args *a, struct cart_bundle *b);

#endif
