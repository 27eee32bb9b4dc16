/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How wrong is the host's clock?  A Date header is the second in which a
 * server answered; the answer was made after the request left and before it
 * came back.  So each answer bounds the offset from both sides, and the
 * bounds of all answers are cut with each other.  When they do not overlap,
 * the clock was set in between: the newest answer wins.
 */
#include "session.h"

#define SECOND_NS	INT64_C(1000000000)
/* A header outside the years 2000 to 2200 is not a clock. */
#define EARLIEST_NS	(INT64_C(946684800) * SECOND_NS)
#define LATEST_NS	(INT64_C(7258118400) * SECOND_NS)

static int64_t middle(const struct cart_clock_offset *o)
{
	return o->low_ns + (o->high_ns - o->low_ns) / 2;
}

bool cart_clock_offset_add(struct cart_clock_offset *o, int64_t date_utc_ns,
			   int64_t sent_utc_ns, int64_t received_utc_ns)
{
	int64_t low, high, moved;
	bool tell;

	if (date_utc_ns < EARLIEST_NS || date_utc_ns > LATEST_NS ||
	    sent_utc_ns <= 0 || received_utc_ns < sent_utc_ns)
		return false;
	low = date_utc_ns - received_utc_ns;
	high = date_utc_ns + SECOND_NS - sent_utc_ns;
	pthread_mutex_lock(&o->lock);
	if (o->known && low <= o->high_ns && high >= o->low_ns) {
		if (low > o->low_ns)
			o->low_ns = low;
		if (high < o->high_ns)
			o->high_ns = high;
		moved = middle(o) - o->told_ns;
		tell = moved > SECOND_NS || moved < -SECOND_NS;
	} else {
		o->low_ns = low;
		o->high_ns = high;
		o->known = true;
		tell = true;
	}
	if (tell)
		o->told_ns = middle(o);
	pthread_mutex_unlock(&o->lock);
	return tell;
}

bool cart_clock_offset_get(struct cart_clock_offset *o, int64_t *ret_ns,
			   int64_t *ret_uncertainty_ns, bool *ret_applied)
{
	bool known;

	pthread_mutex_lock(&o->lock);
	known = o->known;
	if (ret_ns)
		*ret_ns = known ? middle(o) : 0;
	if (ret_uncertainty_ns)
		*ret_uncertainty_ns = known ? (o->high_ns - o->low_ns) / 2 : 0;
	if (ret_applied)
		*ret_applied = known && (o->low_ns > 0 || o->high_ns < 0);
	pthread_mutex_unlock(&o->lock);
	return known;
}

int64_t cart_clock_offset_applied(struct cart_clock_offset *o)
{
	int64_t ns;
	bool applied;

	cart_clock_offset_get(o, &ns, NULL, &applied);
	return applied ? ns : 0;
}
