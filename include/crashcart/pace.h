/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_PACE_H
#define CRASHCART_PACE_H

#include <stdint.h>

/*
 * A token bucket: no more than so many bytes a second, and what was not used is
 * kept for a quarter of a second.  The clock is the caller's; one thread.
 */
struct cart_pace {
	uint64_t bytes_per_s;		/* 0: as fast as it goes */
	int64_t free_ns;		/* when all that was taken has gone; 0 */
};

/* Takes n bytes (at most 1 GiB) at now_ns (monotonic): how many ns to wait
 * before they may go. */
int64_t cart_pace_take(struct cart_pace *p, int64_t now_ns, uint64_t n);

#endif
