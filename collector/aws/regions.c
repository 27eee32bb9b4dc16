/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define REGIONS_MAX 512

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool cart_session_wants(const struct cart_aws *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->opt.n_only_regions; i++)
		if (!strcmp(a->opt.only_regions[i], name))
			return true;
	return a->opt.n_only_regions == 0;
}

/* Without AllRegions, EC2 names only those that the account has enabled. */
static int collect(struct cart_aws *a, const struct cart_json *view,
		   struct cart_json **ret, struct cart_err *err)
{
	const struct cart_json *r = cart_json_first(cart_json_get(view,
								  "Regions"));
	const char *name[REGIONS_MAX];
	size_t n = 0, left_out = 0, i;

	for (; r; r = cart_json_next(r)) {
		const char *s = cart_json_get_string(r, "RegionName");
		const char *state = cart_json_get_string(r, "OptInStatus");

		if (!s || (state && !strcmp(state, "not-opted-in")))
			continue;
		if (!cart_session_wants(a, s)) {
			left_out++;
			continue;
		}
		if (n == REGIONS_MAX)
			return cart_err_set(err, CART_ERR_LIMIT, 0,
					    "ec2:DescribeRegions names more than "
					    "%d regions", REGIONS_MAX);
		name[n++] = s;
	}
	if (!n)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "ec2:DescribeRegions names no region%s",
				    left_out ? " of --only-region" : "");
	if (left_out && cart_session_first(a, "--only-region"))
		cart_session_note(a, "--only-region: %zu enabled regions are "
				  "left out, %zu are looked at", left_out, n);
	qsort(name, n, sizeof(name[0]), by_name);
	*ret = cart_json_new_array();
	for (i = 0; i < n; i++)
		if (i == 0 || strcmp(name[i], name[i - 1]) != 0)
			cart_json_append(*ret, cart_json_new_string(name[i]));
	return *ret && cart_json_size(*ret) ? 0 : cart_err_nomem(err);
}

int cart_aws_regions(struct cart_aws *a, struct cart_aws_reply *ret_reply,
		     struct cart_json **ret_names, struct cart_err *err)
{
	const char *region = cart_aws_region(a);
	struct cart_aws_call call = {
		.service = "ec2", .operation = "DescribeRegions",
		.region = region ? region : "us-east-1",
	};

	*ret_names = NULL;
	if (cart_aws_call(a, &call, ret_reply, err) < 0)
		return -1;
	return collect(a, ret_reply->view, ret_names, err);
}
