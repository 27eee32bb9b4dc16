/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a call goes: --endpoint-url, then AWS_ENDPOINT_URL_<SERVICE>, then
 * AWS_ENDPOINT_URL, then endpoint_url in the config file (a services section
 * first), then what the service model says.  What a suspect host says counts
 * only where the operator trusts it.
 */
#include <stdio.h>
#include <string.h>

#include "session.h"

/* "Elastic Load Balancing" -> "ELASTIC_LOAD_BALANCING" or lower case. */
static void service_key(const struct cart_svc *svc, bool upper, char *out,
			size_t size)
{
	const char *id = cart_svc_info(svc)->id;
	size_t i;

	for (i = 0; id[i] && i + 1 < size; i++) {
		char c = id[i];

		if (c == ' ' || c == '-')
			c = '_';
		else if (upper && c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (!upper && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		out[i] = c;
	}
	out[i] = '\0';
}

bool cart_endpoint_trusted(struct cart_aws *a, const char *what,
			   const char *url)
{
	if (a->opt.trust_environment)
		return true;
	if (cart_session_first(a, what))
		cart_session_note(a, "%s is set to %.200s but is not used: "
				  "settings of a host that is collected from "
				  "may mislead; --trust-environment or "
				  "--endpoint-url overrules this", what, url);
	return false;
}

static const char *from_environment(struct cart_aws *a,
				    const struct cart_svc *svc)
{
	char name[128] = "AWS_ENDPOINT_URL_";
	const char *url;

	service_key(svc, true, name + strlen(name), sizeof(name) - 32);
	url = cart_session_env(a, name);
	if (url && cart_endpoint_trusted(a, name, url))
		return url;
	url = cart_session_env(a, "AWS_ENDPOINT_URL");
	if (url && cart_endpoint_trusted(a, "AWS_ENDPOINT_URL", url))
		return url;
	return NULL;
}

/* *ret_url is NULL if it says nothing; -1 with err. */
static int from_config(struct cart_aws *a, const struct cart_svc *svc,
		       const char **ret_url, struct cart_err *err)
{
	const char *section = cart_session_setting(a, a->profile, "services");
	const char *url = NULL;
	char key[96];

	*ret_url = NULL;
	if (section) {
		if (!cart_config_has(a->config, "services", section))
			return cart_err_set(err, CART_ERR_USAGE, 0,
					    "profile \"%.80s\" names services "
					    "section \"%.80s\", which is not in "
					    "%s", a->profile, section,
					    cart_config_label(a->config));
		service_key(svc, false, key, sizeof(key));
		url = cart_config_get(a->config, "services", section, key,
				      "endpoint_url");
	}
	if (!url)
		url = cart_session_setting(a, a->profile, "endpoint_url");
	if (url && *url && cart_endpoint_trusted(a, "endpoint_url of the "
						 "config file", url))
		*ret_url = url;
	return 0;
}

/* *ret_url is NULL if nothing overrides the model; -1 with err. */
static int find_override(struct cart_aws *a, const struct cart_svc *svc,
			 const char **ret_url, const char **ret_origin,
			 struct cart_err *err)
{
	const char *ignore;

	*ret_origin = "option";
	*ret_url = a->opt.endpoint_url;
	if (*ret_url)
		return 0;
	ignore = cart_session_env(a, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
	if (!ignore)
		ignore = cart_session_setting(a, a->profile,
			"ignore_configured_endpoint_urls");
	if (cart_session_is_true(ignore))
		return 0;
	*ret_origin = "environment";
	*ret_url = from_environment(a, svc);
	if (*ret_url)
		return 0;
	*ret_origin = "config";
	return from_config(a, svc, ret_url, err);
}

static unsigned variant_flags(const struct cart_aws *a)
{
	static const struct {
		const char *env, *key;
		unsigned flag;
	} v[] = {
		{ "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint",
		  CART_ENDPOINT_FIPS },
		{ "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint",
		  CART_ENDPOINT_DUALSTACK },
	};
	unsigned flags = 0;
	size_t i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		const char *t = cart_session_env(a, v[i].env);

		if (!t)
			t = cart_session_setting(a, a->profile, v[i].key);
		if (cart_session_is_true(t))
			flags |= v[i].flag;
	}
	return flags;
}

static int use_override(const char *url, const char *origin,
			struct cart_target *ret, struct cart_err *err)
{
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		n--;
	if (n >= sizeof(ret->base) || memchr(url, '?', n))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "endpoint \"%.200s\" is too long or has a "
				    "query", url);
	memcpy(ret->base, url, n);
	ret->base[n] = '\0';
	ret->overridden = true;
	ret->origin = origin;
	if (cart_url_parse(ret->base, &ret->url, err) < 0)
		return cart_err_prefix(err, "endpoint from %s", origin);
	if (!ret->url.https && !cart_url_is_loopback(&ret->url))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "endpoint %s (from %s) is plain http to "
				    "another host; use https", ret->base,
				    origin);
	return 0;
}

/* A region's name becomes part of a host name. */
static int check_region(const char *region, struct cart_err *err)
{
	size_t n = region ? strspn(region, "abcdefghijklmnopqrstuvwxyz"
				   "0123456789-") : 1;

	if (n && n < 32 && (!region || !region[n]))
		return 0;
	return cart_err_set(err, CART_ERR_USAGE, 0,
			    "\"%.60s\" is not the name of a region", region);
}

int cart_endpoint_find(struct cart_aws *a, const struct cart_op *op,
		       const char *region, struct cart_target *ret,
		       struct cart_err *err)
{
	const struct cart_svc *svc = cart_op_svc(op);
	const struct cart_svc_info *info = cart_svc_info(svc);
	const char *origin, *url;
	struct cart_endpoint e;

	memset(ret, 0, sizeof(*ret));
	if (check_region(region, err) < 0)
		return -1;
	snprintf(ret->region, sizeof(ret->region), "%s",
		 info->global ? "global" : region ? region : "");
	if (find_override(a, svc, &url, &origin, err) < 0)
		return -1;
	if (cart_op_endpoint(op, region, variant_flags(a), &e, err) < 0) {
		if (!url)
			return -1;
		/* with an endpoint given, a service or region that the model
		 * does not know can still be signed for */
		snprintf(e.signing_region, sizeof(e.signing_region), "%s",
			 region ? region : "us-east-1");
		snprintf(e.signing_name, sizeof(e.signing_name), "%s",
			 info->signing_name);
		cart_err_clear(err);
	}
	snprintf(ret->signing_region, sizeof(ret->signing_region), "%s",
		 e.signing_region);
	snprintf(ret->signing_name, sizeof(ret->signing_name), "%s",
		 e.signing_name);
	if (url)
		return use_override(url, origin, ret, err);
	ret->origin = "default";
	snprintf(ret->base, sizeof(ret->base), "https://%s", e.host);
	return cart_url_parse(ret->base, &ret->url, err);
}

int cart_endpoint_url(const struct cart_target *t, const char *host_prefix,
		      char *ret_base, size_t base_size, char *ret_host,
		      size_t host_size, struct cart_err *err)
{
	/* An address, or "localhost", has no names below it. */
	bool flat = cart_url_is_address(&t->url) ||
		    cart_url_is_loopback(&t->url);
	const char *prefix = flat ? "" : host_prefix;
	int n, m;

	n = snprintf(ret_host, host_size, "%s%s", prefix, t->url.authority);
	m = snprintf(ret_base, base_size, "%s://%s%s",
		     t->url.https ? "https" : "http", ret_host, t->url.path);
	if (n < 0 || (size_t)n >= host_size || m < 0 || (size_t)m >= base_size)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "host name \"%.60s...\" is too long",
				    ret_host);
	return 0;
}
