/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timestream does not answer at its regional host: DescribeEndpoints names one
 * of its cells, for a while.  (Other services offer the same, but do not ask for
 * it.)  What it names must be a host of AWS: our signed requests go there.
 */
#include <stdio.h>
#include <string.h>

#include <crashcart/clock.h>

#include "session.h"

#define NS_PER_MINUTE	(INT64_C(60) * 1000000000)
#define MINUTES_MAX	1440.0

bool cart_discover_needed(const char *service, const char *operation)
{
	return !strncmp(service, "timestream-", 11) &&
	       strncmp(service, "timestream-influxdb", 19) != 0 &&
	       strcmp(operation, "DescribeEndpoints") != 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && !strcmp(s + n - m, end);
}

int cart_discover_pick(const struct cart_json *view, char *ret_host,
		       size_t size, int64_t *ret_keep_ns, struct cart_err *err)
{
	const struct cart_json *e = cart_json_first(cart_json_get(view,
								  "Endpoints"));
	const char *host = cart_json_get_string(e, "Address");
	double minutes = cart_json_number(cart_json_get(
		e, "CachePeriodInMinutes"));

	if (!host || strlen(host) >= size ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") !=
		    strlen(host) ||
	    *host == '.' || *host == '-' || strstr(host, "..") ||
	    (!ends_with(host, ".amazonaws.com") &&
	     !ends_with(host, ".amazonaws.com.cn") &&
	     !ends_with(host, ".api.aws")))
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "DescribeEndpoints names no host of AWS");
	if (!(minutes >= 1))
		minutes = 1;
	if (minutes > MINUTES_MAX)
		minutes = MINUTES_MAX;
	memcpy(ret_host, host, strlen(host) + 1);
	*ret_keep_ns = (int64_t)minutes * NS_PER_MINUTE;
	return 0;
}

/* With the lock held: the place of the key, or the one to be used for it. */
static struct cart_found_host *place_of(struct cart_aws *a, const char *key)
{
	struct cart_found_host *oldest = &a->found[0];
	size_t i;

	for (i = 0; i < CART_FOUND_MAX; i++) {
		if (!strcmp(a->found[i].key, key))
			return &a->found[i];
		if (a->found[i].until_mono_ns < oldest->until_mono_ns)
			oldest = &a->found[i];
	}
	return oldest;
}

int cart_discover_host(struct cart_aws *a, const char *service,
		       const char *region, char ret_host[CART_FOUND_HOST_SIZE],
		       struct cart_err *err)
{
	const struct cart_aws_call call = {
		.service = service, .operation = "DescribeEndpoints",
		.region = region,
	};
	struct cart_aws_reply reply;
	struct cart_found_host *f;
	char key[128];
	int64_t keep_ns;
	bool known;
	int rc;

	snprintf(key, sizeof(key), "%s %s", service, region);
	pthread_mutex_lock(&a->lock);
	f = place_of(a, key);
	known = !strcmp(f->key, key) && f->until_mono_ns > cart_clock_mono_ns();
	if (known)
		memcpy(ret_host, f->host, sizeof(f->host));
	pthread_mutex_unlock(&a->lock);
	if (known)
		return 0;
	rc = cart_aws_call(a, &call, &reply, err);
	if (rc == 0)
		rc = cart_discover_pick(reply.view, ret_host,
					CART_FOUND_HOST_SIZE, &keep_ns, err);
	cart_aws_reply_clear(&reply);
	if (rc < 0)
		return -1;
	pthread_mutex_lock(&a->lock);
	f = place_of(a, key);
	snprintf(f->key, sizeof(f->key), "%s", key);
	memcpy(f->host, ret_host, sizeof(f->host));
	f->until_mono_ns = cart_clock_mono_ns() + keep_ns;
	pthread_mutex_unlock(&a->lock);
	return 0;
}
