/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instance metadata service, by version 2 alone: a token first, then GETs
 * that carry it.  Elsewhere than on EC2 nobody answers, which must not take
 * long to find out.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>

#include "session.h"

#define TTL_TEXT		"21600"
#define TTL_MS			21600000
#define RENEW_EARLY_MS		60000
#define CONNECT_MS		1000
#define TOKEN_MS		1900	/* "not on EC2" within 2 seconds */
#define SLOW_TOKEN_MS		6000	/* somebody is there, and slow */
#define GET_MS			5000
#define GET_TRIES		4
#define ABSENT_MS		30000	/* how long "nobody there" is believed */
#define TOKEN_MAX		1024
#define NS_PER_MS		INT64_C(1000000)

struct cart_imds {
	struct cart_net *net;
	char base[300];
	bool disabled;

	pthread_mutex_t lock;
	char token[TOKEN_MAX];		/* "": none */
	int64_t token_until_mono_ns;
	int64_t absent_until_mono_ns;
	struct cart_err absent;		/* what was the matter */
};

static bool may_use(const char *endpoint, bool trust, struct cart_err *err)
{
	struct cart_url u;

	return cart_url_parse(endpoint, &u, err) == 0 &&
	       (trust || cart_url_is_local(&u));
}

static void choose_endpoint(struct cart_imds *m, const struct cart_env *env,
			    bool trust)
{
	const char *e = cart_env_get(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = cart_env_get(env,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	size_t n;

	if (!e || !*e || strlen(e) >= sizeof(m->base) || !may_use(e, trust, NULL))
		e = mode && !strcasecmp(mode, "ipv6") ?
			"http://[fd00:ec2::254]" : "http://169.254.169.254";
	n = strlen(e);
	while (n && e[n - 1] == '/')
		n--;
	snprintf(m->base, sizeof(m->base), "%.*s", (int)n, e);
}

struct cart_imds *cart_imds_new(struct cart_net *net, const struct cart_env *env,
				bool trust_environment, struct cart_err *err)
{
	struct cart_imds *m = cart_secret_new(sizeof(*m), err);

	if (!m)
		return NULL;
	m->net = net;
	m->disabled = cart_session_is_true(
		cart_env_get(env, "AWS_EC2_METADATA_DISABLED"));
	pthread_mutex_init(&m->lock, NULL);
	choose_endpoint(m, env, trust_environment);
	return m;
}

void cart_imds_free(struct cart_imds *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	cart_secret_free(m, sizeof(*m));
}

const char *cart_imds_endpoint(const struct cart_imds *m)
{
	return m->base;
}

static int refuse(int status, struct cart_err *err)
{
	const char *why = "it is not version 2 of the metadata service";

	if (status == 403)
		why = "access to it is switched off for this instance";
	return cart_err_set(err, CART_ERR_HTTP, status,
			    "the metadata service gives no token (status %d): "
			    "%s", status, why);
}

/* With the lock held. */
static int fetch_token(struct cart_imds *m, struct cart_err *err)
{
	const struct cart_http_header h = {
		"X-aws-ec2-metadata-token-ttl-seconds", TTL_TEXT,
	};
	char url[400];
	struct cart_http_request r = {
		.method = "PUT", .url = url, .headers = &h, .n_headers = 1,
		.connect_timeout_ms = CONNECT_MS, .timeout_ms = TOKEN_MS,
		.reply_max_bytes = TOKEN_MAX - 1, .direct = true,
		.plain_ok = true,
	};
	struct cart_http_reply p;
	int64_t start = cart_clock_mono_ns();
	int rc;

	snprintf(url, sizeof(url), "%s/latest/api/token", m->base);
	rc = cart_net_perform(m->net, &r, &p, err);
	if (rc < 0 && err->class == CART_ERR_TIMEOUT && p.sent_utc_ns) {
		cart_http_reply_clear(&p);
		r.timeout_ms = SLOW_TOKEN_MS;
		rc = cart_net_perform(m->net, &r, &p, err);
	}
	if (rc < 0 && (err->class == CART_ERR_NET ||
		       err->class == CART_ERR_TIMEOUT))
		cart_err_prefix(err, "no metadata service: not on EC2, or it "
				"is switched off, or (in a container) its hop "
				"limit is 1");
	else if (!rc && (p.status != 200 || !p.body.len ||
			 memchr(p.body.data, '\n', p.body.len)))
		rc = refuse(p.status, err);
	if (!rc) {
		memcpy(m->token, p.body.data, p.body.len);
		m->token[p.body.len] = '\0';
		m->token_until_mono_ns = start +
			(TTL_MS - RENEW_EARLY_MS) * NS_PER_MS;
	}
	if (p.body.data)
		cart_wipe(p.body.data, p.body.len);
	cart_http_reply_clear(&p);
	return rc;
}

/* Copies a token that is good; stale: one that the service refused. */
static int get_token(struct cart_imds *m, const char *stale,
		     char token[TOKEN_MAX], struct cart_err *err)
{
	int64_t now;
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	now = cart_clock_mono_ns();
	if (stale && !strcmp(stale, m->token))
		m->token[0] = '\0';
	if (!m->token[0] || now >= m->token_until_mono_ns) {
		if (now < m->absent_until_mono_ns) {
			*err = m->absent;
			rc = -1;
		} else {
			rc = fetch_token(m, err);
			if (rc < 0 && err->class != CART_ERR_CANCELLED) {
				m->absent = *err;
				m->absent_until_mono_ns = cart_clock_mono_ns() +
					ABSENT_MS * NS_PER_MS;
			}
		}
	}
	memcpy(token, m->token, TOKEN_MAX);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int get_once(struct cart_imds *m, const char *path, const char *token,
		    struct cart_http_reply *ret, struct cart_err *err)
{
	const struct cart_http_header h = { "X-aws-ec2-metadata-token", token };
	char url[2048];
	struct cart_http_request r = {
		.method = "GET", .url = url, .headers = &h, .n_headers = 1,
		.connect_timeout_ms = CONNECT_MS, .timeout_ms = GET_MS,
		.reply_max_bytes = (size_t)1 << 20, .direct = true,
		.plain_ok = true,
	};
	int n = snprintf(url, sizeof(url), "%s%s", m->base, path);

	/* names in the tree may come from elsewhere: tags, for example */
	if (n < 0 || (size_t)n >= sizeof(url))
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "metadata path \"%.60s...\" is too long",
				    path);
	return cart_net_perform(m->net, &r, ret, err);
}

int cart_imds_get(struct cart_imds *m, const char *path,
		  struct cart_http_reply *ret, struct cart_err *err)
{
	char token[TOKEN_MAX];
	struct cart_err own;
	unsigned try;
	int rc = -1;

	if (!err)
		err = &own;
	memset(ret, 0, sizeof(*ret));
	if (m->disabled)
		return cart_err_set(err, CART_ERR_NET, 0, "the metadata service "
				    "is not asked: AWS_EC2_METADATA_DISABLED is "
				    "set");
	if (get_token(m, NULL, token, err) < 0)
		goto out;
	for (try = 1;; try++) {
		rc = get_once(m, path, token, ret, err);
		if (rc < 0 && err->class != CART_ERR_NET &&
		    err->class != CART_ERR_TIMEOUT)
			break;
		if (!rc && ret->status != 401 && ret->status != 429 &&
		    ret->status < 500)
			break;
		if (try == GET_TRIES)
			break;
		if (!rc && ret->status == 401) {
			cart_http_reply_clear(ret);
			memset(ret, 0, sizeof(*ret));
			rc = get_token(m, token, token, err);
			if (rc < 0)
				break;
			continue;
		}
		cart_http_reply_clear(ret);
		cart_clock_sleep_ms(100u << try);
	}
	if (rc < 0)
		cart_err_prefix(err, "%s", path);
out:
	cart_wipe(token, sizeof(token));
	return rc;
}
