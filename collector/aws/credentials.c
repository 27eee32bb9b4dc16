/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials as the AWS CLI finds them: a table of providers in its order,
 * and a cache that renews what expires.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>

#include "session.h"

#define SECOND_NS	INT64_C(1000000000)
#define RENEW_NS	(600 * SECOND_NS)	/* so long before the end */
#define RETRY_NS	(30 * SECOND_NS)	/* after a renewal that failed */

/* ---- sources -------------------------------------------------------------- */

int cart_creds_set(struct cart_creds *ret, const char *key, const char *secret,
		   const char *token, struct cart_err *err)
{
	if (!key || !*key || !secret || !*secret)
		return cart_err_set(err, CART_ERR_DENIED, 0,
				    "credentials of %s are not complete: they "
				    "need access key id and secret access key",
				    ret->source);
	if (!token)
		token = "";
	if (strlen(key) >= sizeof(ret->c.access_key_id) ||
	    strlen(secret) >= sizeof(ret->c.secret_access_key) ||
	    strlen(token) >= sizeof(ret->c.session_token))
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "credentials of %s are longer than AWS's",
				    ret->source);
	/* they go into headers */
	if (strpbrk(key, " \t\r\n/,") || strpbrk(token, " \t\r\n"))
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "credentials of %s hold white space",
				    ret->source);
	memcpy(ret->c.access_key_id, key, strlen(key) + 1);
	memcpy(ret->c.secret_access_key, secret, strlen(secret) + 1);
	memcpy(ret->c.session_token, token, strlen(token) + 1);
	return 0;
}

int cart_creds_environment(struct cart_aws *a, struct cart_creds *ret,
			   struct cart_err *err)
{
	const char *key = cart_session_env(a, "AWS_ACCESS_KEY_ID");
	const char *token = cart_session_env(a, "AWS_SESSION_TOKEN");
	const char *end = cart_session_env(a, "AWS_CREDENTIAL_EXPIRATION");

	if (!key)
		return 0;
	if (!token)
		token = cart_session_env(a, "AWS_SECURITY_TOKEN");
	snprintf(ret->source, sizeof(ret->source), "environment");
	if (end && cart_clock_parse(end, strlen(end), &ret->c.expires_utc_ns) < 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "AWS_CREDENTIAL_EXPIRATION is not a time");
	return cart_creds_set(ret, key,
			      cart_session_env(a, "AWS_SECRET_ACCESS_KEY"),
			      token, err) < 0 ? -1 : 1;
}

static int from_file(const struct cart_config *c, const char *profile,
		     struct cart_creds *ret, struct cart_err *err)
{
	const char *key = cart_config_get(c, "profile", profile,
					  "aws_access_key_id", NULL);
	const char *token = cart_config_get(c, "profile", profile,
					    "aws_session_token", NULL);

	if (!key)
		return 0;
	if (!token)
		token = cart_config_get(c, "profile", profile,
					"aws_security_token", NULL);
	snprintf(ret->source, sizeof(ret->source), "profile %s (%s)", profile,
		 cart_config_label(c));
	if (cart_creds_set(ret, key, cart_config_get(c, "profile", profile,
			   "aws_secret_access_key", NULL), token, err) < 0)
		return cart_err_prefix(err, "%s line %u", cart_config_label(c),
				       cart_config_line(c, "profile", profile));
	return 1;
}

/* botocore's order; a source_profile's own keys come before all else. */
int cart_creds_profile(struct cart_aws *a, const char *profile, unsigned depth,
		       bool keys, struct cart_creds *ret, struct cart_err *err)
{
	int rc = 0;

	if (keys)
		rc = from_file(a->credentials, profile, ret, err);
	if (!rc && keys)
		rc = from_file(a->config, profile, ret, err);
	if (!rc)
		rc = cart_creds_role(a, profile, depth, ret, err);
	if (!rc)
		rc = cart_creds_sso(a, profile, ret, err);
	if (!rc)
		rc = from_file(a->credentials, profile, ret, err);
	if (!rc)
		rc = cart_creds_process(a, profile, ret, err);
	return rc ? rc : from_file(a->config, profile, ret, err);
}

static int find_environment(struct cart_aws *a, struct cart_creds *ret,
			    struct cart_err *err)
{
	/* who names a profile means it */
	return a->opt.profile ? 0 : cart_creds_environment(a, ret, err);
}

static int find_profile(struct cart_aws *a, struct cart_creds *ret,
			struct cart_err *err)
{
	return cart_creds_profile(a, a->profile, 0, false, ret, err);
}

static int (*const providers[])(struct cart_aws *a, struct cart_creds *ret,
				struct cart_err *err) = {
	find_environment,
	cart_creds_web_identity,
	find_profile,
	cart_creds_container,
	cart_creds_instance,
};

int cart_creds_fetch(struct cart_aws *a, struct cart_creds *ret,
		     struct cart_err *err)
{
	struct cart_err last;
	size_t i;

	cart_err_clear(&last);
	memset(ret, 0, sizeof(*ret));
	ret->c.expires_utc_ns = INT64_MAX;
	if (a->base)
		return cart_creds_assumed(a, ret, err) > 0 ? 0 : -1;
	for (i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
		int rc;

		memset(ret, 0, sizeof(*ret));
		ret->c.expires_utc_ns = INT64_MAX;
		rc = providers[i](a, ret, &last);
		if (rc > 0)
			return 0;
		if (rc < 0 && providers[i] != cart_creds_instance) {
			if (err)
				*err = last;
			return -1;
		}
	}
	if (last.class == CART_ERR_CANCELLED) {
		if (err)
			*err = last;
		return -1;
	}
	return cart_err_set(err, CART_ERR_DENIED, 0,
			    "no AWS credentials: not in the environment "
			    "(AWS_ACCESS_KEY_ID), not in profile \"%.60s\" of "
			    "%.100s or %.100s, not from a container or instance "
			    "role (%.120s)", a->profile,
			    cart_config_label(a->credentials),
			    cart_config_label(a->config), last.text);
}

/* ---- cache ---------------------------------------------------------------- */

static void drop(struct cart_creds *c)
{
	if (c && !--c->users)
		cart_secret_free(c, sizeof(*c));
}

static void tell(struct cart_aws *a, const struct cart_creds *c)
{
	char key[sizeof(c->c.access_key_id) + sizeof(c->source) + 16];
	char end[CART_CLOCK_TEXT_SIZE];

	pthread_mutex_lock(&a->lock);
	memcpy(a->source, c->source, sizeof(a->source));
	pthread_mutex_unlock(&a->lock);
	snprintf(key, sizeof(key), "credentials %s %s", c->source,
		 c->c.access_key_id);
	if (!cart_session_first(a, key))
		return;
	if (c->c.expires_utc_ns == INT64_MAX) {
		cart_session_note(a, "AWS credentials from %s, access key %s",
				  c->source, c->c.access_key_id);
		return;
	}
	cart_clock_text(c->c.expires_utc_ns, 0, end);
	cart_session_note(a, "AWS credentials from %s, access key %s, until %s",
			  c->source, c->c.access_key_id, end);
}

/* With the cache's lock held. */
static int renew(struct cart_aws *a, struct cart_err *err)
{
	struct cart_creds *c = cart_secret_new(sizeof(*c), err);

	if (!c)
		return -1;
	c->users = 1;
	if (cart_creds_fetch(a, c, err) < 0) {
		cart_secret_free(c, sizeof(*c));
		return -1;
	}
	c->users = 1;
	drop(a->creds.now);
	a->creds.now = c;
	return 0;
}

/* How long the credentials are still good. */
static int64_t left_ns(struct cart_aws *a, const struct cart_creds *c)
{
	if (!c)
		return 0;
	return c->c.expires_utc_ns == INT64_MAX ? INT64_MAX :
		c->c.expires_utc_ns - cart_aws_now_ns(a);
}

struct cart_creds *cart_creds_hold(struct cart_aws *a, struct cart_err *err)
{
	struct cart_creds_cache *k = &a->creds;
	struct cart_creds *c = NULL;
	struct cart_err own;
	int64_t now = cart_clock_mono_ns(), left;
	bool fresh = false;

	if (!err)
		err = &own;
	pthread_mutex_lock(&k->lock);
	left = left_ns(a, k->now);
	if (left < RENEW_NS && now >= k->next_try_mono_ns) {
		fresh = renew(a, err) == 0;
		if (!fresh && err->class != CART_ERR_CANCELLED) {
			k->failure = *err;
			k->next_try_mono_ns = cart_clock_mono_ns() + RETRY_NS;
		} else if (fresh && left_ns(a, k->now) < RENEW_NS) {
			/* the same ones again: do not ask at each call */
			k->next_try_mono_ns = cart_clock_mono_ns() + RETRY_NS;
		}
		left = left_ns(a, k->now);
	} else if (left <= 0 && k->failure.text[0] != '\0') {
		*err = k->failure;
	} else if (left <= 0) {
		cart_err_set(err, CART_ERR_DENIED, 0, "the credentials have "
			     "expired, and their source gives no newer ones; "
			     "renew them and collect again");
	}
	/* to the last second: whether they still count is AWS's to say */
	if (k->now && (left > 0 || fresh)) {
		c = k->now;
		c->users++;
	}
	pthread_mutex_unlock(&k->lock);
	if (c && fresh)
		tell(a, c);
	return c;
}

void cart_creds_release(struct cart_aws *a, struct cart_creds *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&a->creds.lock);
	drop(c);
	pthread_mutex_unlock(&a->creds.lock);
}

void cart_creds_key(struct cart_aws *a, struct cart_creds *c,
		    const struct cart_sign_request *r,
		    unsigned char ret_key[CART_SIGV4_KEY_SIZE])
{
	struct cart_sign_key *k;
	char day[CART_CLOCK_TEXT_SIZE];
	size_t i;

	cart_clock_compact(r->utc_ns, day);
	day[sizeof(k->day) - 1] = '\0';
	pthread_mutex_lock(&a->creds.lock);
	for (i = 0; i < CART_SIGN_KEYS; i++) {
		k = &c->keys[i];
		if (!strcmp(k->day, day) && !strcmp(k->region, r->region) &&
		    !strcmp(k->service, r->service))
			break;
	}
	if (i < CART_SIGN_KEYS)
		memcpy(ret_key, k->key, sizeof(k->key));
	pthread_mutex_unlock(&a->creds.lock);
	if (i < CART_SIGN_KEYS)
		return;
	cart_sigv4_key(r, &c->c, ret_key);
	if (strlen(r->region) >= sizeof(k->region) ||
	    strlen(r->service) >= sizeof(k->service))
		return;
	pthread_mutex_lock(&a->creds.lock);
	k = &c->keys[c->next_key++ % CART_SIGN_KEYS];
	memcpy(k->day, day, sizeof(k->day));
	snprintf(k->region, sizeof(k->region), "%s", r->region);
	snprintf(k->service, sizeof(k->service), "%s", r->service);
	memcpy(k->key, ret_key, sizeof(k->key));
	pthread_mutex_unlock(&a->creds.lock);
}

bool cart_creds_expired(struct cart_aws *a, const struct cart_creds *c)
{
	struct cart_creds_cache *k = &a->creds;
	bool again;

	pthread_mutex_lock(&k->lock);
	/* somebody else may have renewed them meanwhile */
	again = k->now != c;
	if (!again && c->renewable) {
		drop(k->now);
		k->now = NULL;
		k->next_try_mono_ns = 0;
		again = true;
	}
	pthread_mutex_unlock(&k->lock);
	return again;
}

void cart_creds_clear(struct cart_creds_cache *k)
{
	drop(k->now);
	k->now = NULL;
	cart_imds_free(k->imds);
	k->imds = NULL;
	cart_sso_token_free(k->sso);
	k->sso = NULL;
}
