/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_PLAN_CHECK_H
#define CMD_PLAN_CHECK_H

#include "command.h"
#include "crashcart/aws.h"
#include "crashcart/manifest.h"

/* `crashcart plan --check`: prints what a run would miss; gives the status: 0
 * nothing, 3 something, 1 it cannot be told.  m is borrowed. */
int cart_plan_check(const struct cart_args *a, struct cart_env *env,
		    const struct cart_manifest *m);

#endif
