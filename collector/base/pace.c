/* SPDX-License-Identifier: Apache-2.0 */
#include <crashcart/pace.h>

#define BURST_NS 250000000
#define NS_PER_S UINT64_C(1000000000)

int64_t cart_pace_take(struct cart_pace *p, int64_t now_ns, uint64_t n)
{
	int64_t wait;

	if (p->bytes_per_s == 0)
		return 0;
	if (p->free_ns < now_ns - BURST_NS)
		p->free_ns = now_ns - BURST_NS;
	wait = p->free_ns - now_ns;
	p->free_ns += (int64_t)(n * NS_PER_S / p->bytes_per_s);
	return wait > 0 ? wait : 0;
}
