/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>

#include "session.h"

/* What a kind of failure is worth: attempts in all and the first wait. */
static const struct {
	unsigned attempts;		/* at most; 0: max_attempts */
	unsigned first_ms, most_ms;
} plan[] = {
	[CART_RETRY_NO] = { 1, 0, 0 },
	[CART_RETRY_THROTTLED] = { 0, 1000, 20000 },
	[CART_RETRY_SERVER] = { 0, 400, 20000 },
	/* a name that does not resolve or a closed port mostly stays so */
	[CART_RETRY_CONNECT] = { 4, 300, 5000 },
	/* each one has already waited long */
	[CART_RETRY_TIMEOUT] = { 2, 200, 2000 },
	[CART_RETRY_BROKEN] = { 4, 200, 2000 },
};

bool cart_retry_allowed(enum cart_retry_kind kind, unsigned attempt,
			unsigned max_attempts)
{
	unsigned most = plan[kind].attempts;

	if (!most || most > max_attempts)
		most = max_attempts;
	return kind != CART_RETRY_NO && attempt < most;
}

unsigned cart_retry_wait_ms(enum cart_retry_kind kind, unsigned attempt,
			    uint32_t random)
{
	unsigned ms = plan[kind].first_ms, i;

	for (i = 1; i < attempt && ms < plan[kind].most_ms; i++)
		ms *= 2;
	if (ms > plan[kind].most_ms)
		ms = plan[kind].most_ms;
	/* at least half of it, so that a storm is not met at once again */
	return ms / 2 + (unsigned)((uint64_t)random * (ms / 2 + 1) >> 32);
}

unsigned cart_retry_after_ms(const struct cart_http_reply *r, int64_t now_ns)
{
	const int64_t most_ns = INT64_C(300) * 1000000000;
	char text[64];
	uint64_t s;
	int64_t at;

	if (!cart_http_header_get(r, "retry-after", text, sizeof(text)))
		return 0;
	if (!cart_text_u64(text, strlen(text), 1000000, &s))
		return s > 300 ? 300000 : (unsigned)s * 1000;
	if (cart_clock_parse_http(text, strlen(text), &at) < 0 || at <= now_ns)
		return 0;
	at -= now_ns;
	return (unsigned)((at > most_ns ? most_ns : at) / 1000000);
}
