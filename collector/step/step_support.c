/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/step.h>

void cart_step_reply_clear(struct cart_step_reply *r)
{
	cart_aws_reply_clear(&r->aws);
	r->call_id[0] = '\0';
	r->raw_exhibit[0] = '\0';
	r->view_exhibit[0] = '\0';
}
