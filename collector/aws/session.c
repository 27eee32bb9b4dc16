/* SPDX-License-Identifier: Apache-2.0 */
/* A session's settings and state: profile, region, facts for the log. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/text.h>

#include "session.h"

#define SLICE_MS 50	/* how soon a cancellation is noticed */

const char *cart_session_env(const struct cart_aws *a, const char *name)
{
	const char *v = cart_env_get(a->opt.env, name);

	return v && *v ? v : NULL;
}

bool cart_session_is_true(const char *text)
{
	return text && (!strcasecmp(text, "true") || !strcmp(text, "1"));
}

const char *cart_session_setting(const struct cart_aws *a, const char *profile,
				 const char *key)
{
	const char *v = cart_config_get(a->credentials, "profile", profile, key,
					NULL);

	if (!v || !*v)
		v = cart_config_get(a->config, "profile", profile, key, NULL);
	return v && *v ? v : NULL;
}

bool cart_session_cancelled(const struct cart_aws *a)
{
	return a->opt.cancelled && a->opt.cancelled(a->opt.arg);
}

int cart_session_sleep(const struct cart_aws *a, unsigned ms)
{
	while (ms && !cart_session_cancelled(a)) {
		unsigned slice = ms < SLICE_MS ? ms : SLICE_MS;

		cart_clock_sleep_ms(slice);
		ms -= slice;
	}
	return cart_session_cancelled(a) ? -1 : 0;
}

/* ---- facts ---------------------------------------------------------------- */

void cart_session_fact(struct cart_aws *a, const char *type,
		       struct cart_json *fields, size_t keys)
{
	if (a->opt.fact && fields && cart_json_size(fields) == keys)
		a->opt.fact(a->opt.arg, type, fields);
	cart_json_free(fields);
}

void cart_session_note(struct cart_aws *a, const char *fmt, ...)
{
	struct cart_json *o = cart_json_new_object();
	struct cart_buf b, safe;
	va_list ap;

	cart_buf_init(&b, 4096);
	cart_buf_init(&safe, 32768);
	va_start(ap, fmt);
	cart_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	/* it may quote a variable, which may hold anything */
	if (cart_buf_ok(&b))
		cart_text_escape(b.data, b.len, &safe);
	if (cart_buf_ok(&safe) && safe.len) {
		cart_session_debug(a, "%s", (const char *)safe.data);
		cart_json_add(o, "text", cart_json_new_string_n(
			      (const char *)safe.data, safe.len));
	}
	cart_buf_clear(&b);
	cart_buf_clear(&safe);
	cart_session_fact(a, "note", o, 1);
}

void cart_session_debug(struct cart_aws *a, const char *fmt, ...)
{
	struct cart_buf b;
	va_list ap;

	if (!a->opt.debug)
		return;
	cart_buf_init(&b, (size_t)1 << 20);
	va_start(ap, fmt);
	cart_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	if (cart_buf_ok(&b) && b.len)
		a->opt.debug(a->opt.arg, (const char *)b.data);
	cart_buf_clear(&b);
}

bool cart_session_first(struct cart_aws *a, const char *text)
{
	unsigned char hash[CART_SHA256_SIZE];
	uint64_t h;
	size_t i;
	bool first;

	cart_sha256(text, strlen(text), hash);
	memcpy(&h, hash, sizeof(h));
	pthread_mutex_lock(&a->lock);
	for (i = 0; i < a->n_told; i++)
		if (a->told[i] == h)
			break;
	first = i == a->n_told && a->n_told < CART_FACTS_MAX;
	if (first)
		a->told[a->n_told++] = h;
	pthread_mutex_unlock(&a->lock);
	return first;
}

/* ---- silent hosts --------------------------------------------------------- */

/* With the lock held: index, or n_silent. */
static size_t find_silent(const struct cart_aws *a, const char *host)
{
	size_t i;

	for (i = 0; i < a->n_silent; i++)
		if (!strcmp(a->silent[i], host))
			break;
	return i;
}

bool cart_session_silent(struct cart_aws *a, const char *host)
{
	bool found;

	pthread_mutex_lock(&a->lock);
	found = find_silent(a, host) < a->n_silent;
	pthread_mutex_unlock(&a->lock);
	return found;
}

void cart_session_set_silent(struct cart_aws *a, const char *host, bool silent)
{
	size_t i;

	if (strlen(host) >= sizeof(a->silent[0]))
		return;
	pthread_mutex_lock(&a->lock);
	i = find_silent(a, host);
	if (silent && i == a->n_silent && i < CART_SILENT_MAX) {
		snprintf(a->silent[i], sizeof(a->silent[i]), "%s", host);
		a->n_silent++;
	} else if (!silent && i < a->n_silent) {
		memmove(a->silent[i], a->silent[--a->n_silent],
			sizeof(a->silent[i]));
	}
	pthread_mutex_unlock(&a->lock);
}

/* ---- region, source, clock ------------------------------------------------ */

static void set_region(struct cart_aws *a)
{
	const char *r = a->opt.region;

	if (!r || !*r)
		r = cart_session_env(a, "AWS_REGION");
	if (!r)
		r = cart_session_env(a, "AWS_DEFAULT_REGION");
	if (!r)
		r = cart_session_setting(a, a->profile, "region");
	if (r)
		snprintf(a->region, sizeof(a->region), "%s", r);
}

/* On an instance whose role we use, its own region is the natural one. */
static void search_region(struct cart_aws *a)
{
	struct cart_creds *c = cart_creds_hold(a, NULL);
	struct cart_http_reply p;

	if (!c)
		return;
	if (c->from_instance) {
		if (!cart_imds_get(a->creds.imds,
				   "/latest/meta-data/placement/region", &p,
				   NULL) && p.status == 200) {
			pthread_mutex_lock(&a->lock);
			snprintf(a->region, sizeof(a->region), "%.*s",
				 (int)p.body.len, (const char *)p.body.data);
			pthread_mutex_unlock(&a->lock);
		}
		cart_http_reply_clear(&p);
	}
	cart_creds_release(a, c);
}

const char *cart_aws_region(struct cart_aws *a)
{
	bool search;

	pthread_mutex_lock(&a->lock);
	search = !a->region[0] && !a->region_searched;
	a->region_searched = true;
	pthread_mutex_unlock(&a->lock);
	if (search)
		search_region(a);
	return a->region[0] ? a->region : NULL;
}

const char *cart_aws_credential_source(const struct cart_aws *a)
{
	return a->source;
}

int64_t cart_aws_now_ns(struct cart_aws *a)
{
	return cart_clock_utc_ns() + cart_clock_offset_applied(&a->offset);
}

bool cart_aws_clock_offset(struct cart_aws *a, int64_t *ret_ms,
			   int64_t *ret_uncertainty_ms)
{
	int64_t ns, uncertainty;

	if (!cart_clock_offset_get(&a->offset, &ns, &uncertainty, NULL))
		return false;
	*ret_ms = ns / 1000000;
	*ret_uncertainty_ms = uncertainty / 1000000;
	return true;
}

/* ---- life ----------------------------------------------------------------- */

static int copy_text(const char **s)
{
	if (!*s)
		return 0;
	*s = strdup(*s);
	return *s ? 0 : -1;
}

/* The path that a variable names, or one below the home folder. */
static int load_file(struct cart_aws *a, const char *variable,
		     const char *fallback, enum cart_config_kind kind,
		     struct cart_config **ret, struct cart_err *err)
{
	const char *path = cart_session_env(a, variable);
	const char *home = a->opt.home;
	struct cart_buf b;

	cart_buf_init(&b, 8192);
	if (path && strncmp(path, "~/", 2) != 0)
		cart_buf_adds(&b, path);
	else if (home && *home)
		cart_buf_addf(&b, "%s/%s", home, path ? path + 2 : fallback);
	if (!b.len)
		*ret = cart_config_parse("", 0, kind, fallback, err);
	else if (cart_buf_check(&b, variable, err) == 0)
		*ret = cart_config_load((const char *)b.data, kind, err);
	cart_buf_clear(&b);
	return *ret ? 0 : -1;
}

static int choose_profile(struct cart_aws *a, struct cart_err *err)
{
	const char *p = a->opt.profile;

	/* botocore's order, should both be set */
	if (!p || !*p)
		p = cart_session_env(a, "AWS_DEFAULT_PROFILE");
	if (!p)
		p = cart_session_env(a, "AWS_PROFILE");
	a->profile_asked = p != NULL;
	a->profile = strdup(p ? p : "default");
	if (!a->profile)
		return cart_err_nomem(err);
	if (a->profile_asked &&
	    !cart_config_has(a->config, "profile", a->profile) &&
	    !cart_config_has(a->credentials, "profile", a->profile))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "profile \"%.80s\" is neither in %s nor in "
				    "%s", a->profile,
				    cart_config_label(a->config),
				    cart_config_label(a->credentials));
	return 0;
}

struct cart_aws *cart_aws_new(const struct cart_aws_options *o,
			      struct cart_err *err)
{
	struct cart_aws *a = calloc(1, sizeof(*a));

	if (!a) {
		cart_err_nomem(err);
		return NULL;
	}
	a->opt = *o;
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->creds.lock, NULL);
	pthread_mutex_init(&a->offset.lock, NULL);
	pthread_mutex_init(&a->rate.lock, NULL);
	a->rate.percent = o->rate_percent ? o->rate_percent : 100;
	if (!a->opt.max_attempts)
		a->opt.max_attempts = 8;
	if (!a->opt.max_elapsed_ms)
		a->opt.max_elapsed_ms = 300000;
	if (copy_text(&a->opt.profile) + copy_text(&a->opt.region) +
	    copy_text(&a->opt.endpoint_url) + copy_text(&a->opt.home) +
	    copy_text(&a->opt.session_name) +
	    copy_text(&a->opt.session_case) < 0) {
		cart_err_nomem(err);
		goto fail;
	}
	if (load_file(a, "AWS_CONFIG_FILE", ".aws/config", CART_CONFIG_FILE,
		      &a->config, err) < 0 ||
	    load_file(a, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials",
		      CART_CREDENTIALS_FILE, &a->credentials, err) < 0 ||
	    choose_profile(a, err) < 0)
		goto fail;
	set_region(a);
	return a;
fail:
	cart_aws_free(a);
	return NULL;
}

int cart_aws_set_rates(struct cart_aws *a, const struct cart_aws_rate *rates,
		       size_t n, struct cart_err *err)
{
	return cart_rate_set(&a->rate, rates, n, err);
}

int cart_aws_setting(const struct cart_aws_options *o, const char *key,
		     struct cart_buf *ret, struct cart_err *err)
{
	struct cart_aws *a = cart_aws_new(o, err);
	const char *v = a ? cart_session_setting(a, a->profile, key) : NULL;
	int rc = !a ? -1 : v ? 1 : 0;

	if (v) {
		cart_buf_adds(ret, v);
		if (cart_buf_check(ret, key, err) < 0)
			rc = -1;
	}
	cart_aws_free(a);
	return rc;
}

/* What is known of the clock is true for every session. */
static void copy_offset(struct cart_clock_offset *to,
			struct cart_clock_offset *from)
{
	pthread_mutex_lock(&from->lock);
	to->known = from->known;
	to->low_ns = from->low_ns;
	to->high_ns = from->high_ns;
	to->told_ns = from->told_ns;
	pthread_mutex_unlock(&from->lock);
}

struct cart_aws *cart_aws_assume(struct cart_aws *base, const char *role_arn,
				 const char *external_id, struct cart_err *err)
{
	struct cart_aws_options o = base->opt;
	const char *region = cart_aws_region(base);
	struct cart_aws *a;

	o.region = region;
	a = cart_aws_new(&o, err);
	if (!a)
		return NULL;
	a->base = base;
	a->role_arn = strdup(role_arn);
	if (external_id)
		a->external_id = strdup(external_id);
	if (!a->role_arn || (external_id && !a->external_id)) {
		cart_err_nomem(err);
		cart_aws_free(a);
		return NULL;
	}
	copy_offset(&a->offset, &base->offset);
	cart_rate_copy(&a->rate, &base->rate);
	return a;
}

void cart_aws_free(struct cart_aws *a)
{
	if (!a)
		return;
	cart_creds_clear(&a->creds);
	cart_config_free(a->config);
	cart_config_free(a->credentials);
	free(a->profile);
	free(a->role_arn);
	free(a->external_id);
	free((void *)(uintptr_t)a->opt.profile);
	free((void *)(uintptr_t)a->opt.region);
	free((void *)(uintptr_t)a->opt.endpoint_url);
	free((void *)(uintptr_t)a->opt.home);
	free((void *)(uintptr_t)a->opt.session_name);
	free((void *)(uintptr_t)a->opt.session_case);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->creds.lock);
	pthread_mutex_destroy(&a->offset.lock);
	pthread_mutex_destroy(&a->rate.lock);
	free(a);
}
