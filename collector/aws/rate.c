/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manners: a collector must not be the reason that production is throttled.
 * One bucket for each family of operations and region (a session has one
 * account).  A bucket holds only the time at which the next call would be due
 * (the generic cell rate algorithm), so places are given out in order and no
 * timer is needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>

#include "session.h"

#define SECOND_NS	INT64_C(1000000000)
#define SLOW_MAX	3	/* an eighth of the rate */
#define GOOD_CALLS	5	/* undo one halving */

/* AWS's published limits where there are any; the first match wins. */
static const struct cart_rate_family families[] = {
	/* 2/s an account and region, not adjustable; nobody else's dashboards
	 * depend on it, and it is the slowest thing we do */
	{ "cloudtrail", "LookupEvents", 2000, 95, 1, true },
	{ "cloudtrail", "Get", 10000, 50, 5, false },
	{ "cloudtrail", "Describe", 10000, 50, 5, false },
	{ "cloudtrail", "List", 10000, 50, 5, false },
	{ "cloudtrail", "", 1000, 50, 1, false },
	{ "ebs", "GetSnapshotBlock", 1000000, 95, 64, true },
	{ "ebs", "List", 50000, 95, 8, true },
	{ "ec2", "Describe", 20000, 50, 50, true },
	{ "ec2", "Get", 20000, 50, 50, true },
	{ "ec2", "", 5000, 50, 10, true },
	/* no numbers are published for these: reports of where they throttle */
	{ "iam", "", 20000, 50, 20, false },
	{ "organizations", "", 8000, 50, 10, false },
	{ "sts", "", 100000, 50, 50, false },
	{ "kms", "", 100000, 50, 50, false },
	{ "s3", "", 3500000, 50, 500, false },
	{ NULL, "", 20000, 50, 20, true },
};

static bool matches(const struct cart_rate_family *f, const char *service,
		    const char *operation)
{
	return !strcmp(f->service, service) &&
	       !strncmp(operation, f->prefix, strlen(f->prefix));
}

static const struct cart_rate_family *family_of(const struct cart_rate *r,
						const char *service,
						const char *operation)
{
	const struct cart_rate_family *f = families;
	size_t i;

	for (i = 0; i < r->n_own; i++)
		if (matches(&r->own[i], service, operation))
			return &r->own[i];
	while (f->service && !matches(f, service, operation))
		f++;
	return f;
}

static int set_one(struct cart_rate *r, const struct cart_aws_rate *rate,
		   struct cart_err *err)
{
	const char *colon = strchr(rate->call, ':');
	size_t i = r->n_own, len = strlen(rate->call);
	struct cart_rate_family *f = &r->own[i];
	char *service = r->own_text[i][0], *prefix = r->own_text[i][1];
	size_t size = sizeof(r->own_text[i][0]);

	if (!colon || colon == rate->call || !colon[1] || len >= size ||
	    !rate->milli_per_s || rate->milli_per_s > 1000000000)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "rate of \"%.60s\": write SERVICE:OPERATION "
				    "or SERVICE:Prefix*, and more than 0.001 "
				    "calls a second", rate->call);
	snprintf(service, size, "%.*s", (int)(colon - rate->call), rate->call);
	snprintf(prefix, size, "%s", colon + 1);
	len = strcspn(prefix, "*");
	if (prefix[len] && prefix[len + 1])
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "rate of \"%.60s\": a * stands at the end",
				    rate->call);
	prefix[len] = '\0';
	*f = (struct cart_rate_family){ service, prefix, rate->milli_per_s, 100,
					rate->burst ? rate->burst : 1, false };
	r->n_own++;
	return 0;
}

int cart_rate_set(struct cart_rate *r, const struct cart_aws_rate *rates,
		  size_t n, struct cart_err *err)
{
	size_t i;

	r->n_own = 0;
	if (n > CART_RATE_OVERRIDES)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "more than %d rates", CART_RATE_OVERRIDES);
	for (i = 0; i < n; i++)
		if (set_one(r, &rates[i], err) < 0)
			return -1;
	return 0;
}

int cart_aws_rates_check(const struct cart_aws_rate *rates, size_t n,
			 struct cart_err *err)
{
	struct cart_rate *r = calloc(1, sizeof(*r));
	int rc = r ? cart_rate_set(r, rates, n, err) : cart_err_nomem(err);

	free(r);
	return rc;
}

unsigned cart_aws_rate_of(const struct cart_aws_rate *rates, size_t n,
			  const char *call)
{
	struct cart_rate *r = calloc(1, sizeof(*r));
	const struct cart_rate_family *f;
	const char *colon = strchr(call, ':');
	char service[64];
	unsigned milli = 0;

	snprintf(service, sizeof(service), "%.*s", (int)strcspn(call, ":"),
		 call);
	if (r && colon && cart_rate_set(r, rates, n, NULL) == 0) {
		f = family_of(r, service, colon + 1);
		milli = (unsigned)((uint64_t)f->milli_per_s * f->percent / 100);
	}
	free(r);
	return milli;
}

void cart_rate_copy(struct cart_rate *r, const struct cart_rate *from)
{
	size_t i;

	r->percent = from->percent;
	r->n_own = from->n_own;
	memcpy(r->own_text, from->own_text, sizeof(r->own_text));
	for (i = 0; i < r->n_own; i++) {
		r->own[i] = from->own[i];
		r->own[i].service = r->own_text[i][0];
		r->own[i].prefix = r->own_text[i][1];
	}
}

/* A bucket that nobody is using: its next call would be due at once, so it
 * remembers nothing.  NULL when all are in use. */
static struct cart_rate_bucket *idle_bucket(struct cart_rate *r,
					    int64_t now_mono_ns)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		struct cart_rate_bucket *b = &r->bucket[i];

		if (b->next_ns < now_mono_ns && !b->slow &&
		    b->blocked_until_ns < now_mono_ns)
			return b;
	}
	return NULL;
}

static struct cart_rate_bucket *bucket_of(struct cart_rate *r,
					  const char *service,
					  const char *operation,
					  const char *region)
{
	const struct cart_rate_family *f = family_of(r, service, operation);
	char name[96];
	struct cart_rate_bucket *b;
	size_t i;

	snprintf(name, sizeof(name), "%s:%s", service,
		 f->per_operation ? operation : f->prefix);
	for (i = 0; i < r->n; i++) {
		b = &r->bucket[i];
		if (b->family == f && !strcmp(b->name, name) &&
		    !strcmp(b->region, region))
			return b;
	}
	/* a sweep has more of them: an idle one is used anew; if there is none,
	 * the last one is shared, which is only slower */
	if (r->n < CART_RATE_BUCKETS)
		b = &r->bucket[r->n++];
	else
		b = idle_bucket(r, cart_clock_mono_ns());
	if (!b)
		return &r->bucket[r->n - 1];
	memset(b, 0, sizeof(*b));
	b->family = f;
	snprintf(b->name, sizeof(b->name), "%s", name);
	snprintf(b->region, sizeof(b->region), "%s", region);
	return b;
}

static int64_t interval_ns(const struct cart_rate *r,
			   const struct cart_rate_bucket *b)
{
	return (SECOND_NS * 1000 / b->family->milli_per_s * 100 /
		b->family->percent * 100 / r->percent) << b->slow;
}

int64_t cart_rate_take(struct cart_rate *r, const char *service,
		       const char *operation, const char *region,
		       int64_t now_mono_ns)
{
	struct cart_rate_bucket *b;
	int64_t step, at;

	pthread_mutex_lock(&r->lock);
	b = bucket_of(r, service, operation, region);
	step = interval_ns(r, b);
	if (b->next_ns < now_mono_ns)
		b->next_ns = now_mono_ns;
	/* a slowed bucket has no burst: it was just told that it is too fast */
	at = b->next_ns - (b->slow ? 0 : step * (b->family->burst - 1));
	if (at < b->blocked_until_ns)
		at = b->blocked_until_ns;
	b->next_ns += step;
	pthread_mutex_unlock(&r->lock);
	return at > now_mono_ns ? at - now_mono_ns : 0;
}

void cart_rate_sent(struct cart_rate *r, const char *service,
		    const char *operation, const char *region,
		    int64_t sent_mono_ns)
{
	struct cart_rate_bucket *b;
	int64_t next;

	pthread_mutex_lock(&r->lock);
	b = bucket_of(r, service, operation, region);
	/* A strict bucket is counted by AWS when the call arrives; one that
	 * had to make its connection first arrives late, and so closer to the
	 * next one than it left. */
	next = sent_mono_ns + interval_ns(r, b);
	if (b->family->burst == 1 && b->next_ns < next)
		b->next_ns = next;
	pthread_mutex_unlock(&r->lock);
}

void cart_rate_result(struct cart_rate *r, const char *service,
		      const char *operation, const char *region,
		      bool throttled, int64_t until_mono_ns)
{
	struct cart_rate_bucket *b;

	pthread_mutex_lock(&r->lock);
	b = bucket_of(r, service, operation, region);
	if (throttled) {
		b->good = 0;
		/* many calls that were under way together are one lesson */
		if (b->slow < SLOW_MAX && until_mono_ns > b->blocked_until_ns)
			b->slow++;
		if (until_mono_ns > b->blocked_until_ns)
			b->blocked_until_ns = until_mono_ns;
		if (b->next_ns < b->blocked_until_ns)
			b->next_ns = b->blocked_until_ns;
	} else if (b->slow && ++b->good >= GOOD_CALLS) {
		b->good = 0;
		b->slow--;
	}
	pthread_mutex_unlock(&r->lock);
}
