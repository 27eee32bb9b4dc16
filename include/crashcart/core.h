/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_CORE_H
#define CRASHCART_CORE_H

/*
 * No memory of this process, which holds credentials and keys, ends in a core
 * file or with a program that takes core dumps: RLIMIT_CORE is 1 byte from here
 * on, for this process and the programs that it starts, and cannot be raised
 * again without privilege.  Call it first.  Never fails: where the limit was 0
 * already and may not be raised, it stays 0, which keeps core files away but not
 * a program in /proc/sys/kernel/core_pattern.
 */
void cart_core_forbid(void);

#endif
