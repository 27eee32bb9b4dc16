/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_HOST_EC2_H
#define CRASHCART_HOST_EC2_H

#include <stdbool.h>

/* Is this host an EC2 instance, by what its firmware says of itself?  Nothing
 * is sent.  sys: "/sys", or a test's. */
bool cart_host_is_ec2(const char *sys);

#endif
