/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_BUDGET_H
#define CRASHCART_BUDGET_H

#include <stddef.h>

/*
 * The one byte budget that bounds everything in flight.  Whoever makes bytes
 * (steps, replies) takes before it fills; whoever finishes with them (the
 * writer) gives back and never waits.  First come, first served, so that a
 * large request is not starved by small ones.
 *
 * Whoever holds some must not wait for more while others may do the same:
 * two that each wait for what the other holds would wait for ever.
 */
struct cart_budget;

struct cart_budget *cart_budget_new(size_t total_bytes);
void cart_budget_free(struct cart_budget *b);	/* accepts NULL */
size_t cart_budget_total(const struct cart_budget *b);
/* Waits until bytes are free (a request above the total counts as the
 * total).  0, or -1 after cart_budget_stop: give up. */
int cart_budget_take(struct cart_budget *b, size_t bytes);
void cart_budget_give(struct cart_budget *b, size_t bytes);
/* Wakes all who wait and refuses further takes. */
void cart_budget_stop(struct cart_budget *b);

#endif
