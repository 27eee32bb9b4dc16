/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials of IAM Identity Center: `aws sso login` left a token in the cache
 * of the home folder, which buys credentials of a role.  One that is over is
 * renewed, where the login left what that needs.  Signing in is not ours.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "session.h"

struct sso {
	const char *session;		/* NULL: a profile of the old form */
	const char *start_url, *region, *account, *role;
};

/* 1 the profile is of this kind, 0 it is not, -1 with err. */
static int read_profile(struct cart_aws *a, const char *profile,
			struct sso *s, struct cart_err *err)
{
	s->session = cart_session_setting(a, profile, "sso_session");
	s->start_url = cart_session_setting(a, profile, "sso_start_url");
	s->region = cart_session_setting(a, profile, "sso_region");
	s->account = cart_session_setting(a, profile, "sso_account_id");
	s->role = cart_session_setting(a, profile, "sso_role_name");
	/* an sso-session without a role is for bearer tokens */
	if ((!s->session && !s->start_url) || (!s->account && !s->role))
		return 0;
	if (s->session) {
		if (!cart_config_has(a->config, "sso-session", s->session))
			return cart_err_set(err, CART_ERR_USAGE, 0,
					    "profile \"%.80s\" names sso-session "
					    "\"%.80s\", which is not in %s",
					    profile, s->session,
					    cart_config_label(a->config));
		s->start_url = cart_config_get(a->config, "sso-session",
					       s->session, "sso_start_url",
					       NULL);
		s->region = cart_config_get(a->config, "sso-session",
					    s->session, "sso_region", NULL);
	}
	if (s->start_url && s->region && s->account && s->role)
		return 1;
	return cart_err_set(err, CART_ERR_USAGE, 0,
			    "profile \"%.80s\" is not complete: it needs "
			    "sso_account_id and sso_role_name, and sso_start_url "
			    "and sso_region", profile);
}

static int cache_path(struct cart_aws *a, const struct sso *s,
		      struct cart_buf *b, struct cart_err *err)
{
	const char *key = s->session ? s->session : s->start_url;
	unsigned char sha1[20];
	char hex[41];

	if (!a->opt.home)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "no home folder to find a token in");
	if (cart_sha1(key, strlen(key), sha1) < 0)
		return cart_err_nomem(err);
	cart_text_hex(sha1, sizeof(sha1), hex);
	cart_buf_addf(b, "%s/.aws/sso/cache/%s.json", a->opt.home, hex);
	return cart_buf_check(b, "path of a token", err);
}

/* "2026-11-24T10:00:00Z", or with UTC instead of Z as older AWS CLIs wrote. */
static int parse_end(const char *text, int64_t *ret_ns)
{
	size_t len = text ? strlen(text) : 0;
	char z[64];

	if (len > 3 && len < sizeof(z) && !strcmp(text + len - 3, "UTC")) {
		snprintf(z, sizeof(z), "%.*sZ", (int)len - 3, text);
		return cart_clock_parse(z, len - 2, ret_ns);
	}
	return text ? cart_clock_parse(text, len, ret_ns) : -1;
}

/* The token in the cache, over or not. */
static int read_token(const char *path, const char *profile,
		      struct cart_json **ret, struct cart_err *err)
{
	struct cart_buf text;

	cart_buf_init(&text, 65536);
	*ret = NULL;
	if (cart_file_read(AT_FDCWD, path, &text, err) == 0)
		*ret = cart_json_parse(text.data, text.len, NULL, err);
	if (text.data)
		cart_wipe(text.data, text.len);
	cart_buf_clear(&text);
	if (*ret)
		return 0;
	cart_err_prefix(err, "no token of `aws sso login --profile %s`", profile);
	err->class = CART_ERR_DENIED;
	return -1;
}

static bool is_good(struct cart_aws *a, const struct cart_json *token)
{
	int64_t end;

	return cart_json_get_string(token, "accessToken") &&
	       parse_end(cart_json_get_string(token, "expiresAt"), &end) == 0 &&
	       end > cart_aws_now_ns(a);
}

/* ---- renewing ------------------------------------------------------------- */

/* A refresh token may count only once, so what it bought is kept for the
 * session.  It is never written to the cache: that is somebody's host. */
struct cart_sso_token {
	char path[512];			/* of the cache file it comes from */
	char access[8192], refresh[8192];
	int64_t end_ns;
};

void cart_sso_token_free(struct cart_sso_token *t)
{
	cart_secret_free(t, sizeof(*t));
}

static int keep(struct cart_aws *a, const char *path,
		const struct cart_json *view, struct cart_err *err)
{
	const char *access = cart_json_get_string(view, "accessToken");
	const char *refresh = cart_json_get_string(view, "refreshToken");
	struct cart_sso_token *t = a->creds.sso;
	int64_t seconds;

	if (!access || strlen(access) >= sizeof(t->access) ||
	    (refresh && strlen(refresh) >= sizeof(t->refresh)) ||
	    strlen(path) >= sizeof(t->path) ||
	    cart_json_i64(cart_json_get(view, "expiresIn"), &seconds) < 0 ||
	    seconds < 0 || seconds > 1000000000)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "sso-oidc:CreateToken gave no readable "
				    "token");
	if (!t)
		t = a->creds.sso = cart_secret_new(sizeof(*t), err);
	if (!t)
		return -1;
	snprintf(t->path, sizeof(t->path), "%s", path);
	snprintf(t->access, sizeof(t->access), "%s", access);
	snprintf(t->refresh, sizeof(t->refresh), "%s", refresh ? refresh : "");
	t->end_ns = cart_aws_now_ns(a) + seconds * 1000000000;
	return 0;
}

static bool is_of(const struct cart_sso_token *t, const char *path)
{
	return t && !strcmp(t->path, path);
}

/* With what `aws sso login` registered; -1 with err where that is not so. */
static int renew(struct cart_aws *a, const struct sso *s, const char *path,
		 const struct cart_json *token, struct cart_err *err)
{
	const char *id = cart_json_get_string(token, "clientId");
	const char *secret = cart_json_get_string(token, "clientSecret");
	const char *refresh = is_of(a->creds.sso, path) ?
		a->creds.sso->refresh :
		cart_json_get_string(token, "refreshToken");
	struct cart_json *input;
	struct cart_aws_call call = {
		.service = "sso-oidc", .operation = "CreateToken",
		.region = s->region,
	};
	struct cart_aws_reply r;
	int64_t end;
	int rc;

	if (!id || !secret || !refresh || !*refresh ||
	    parse_end(cart_json_get_string(token, "registrationExpiresAt"),
		      &end) < 0 || end <= cart_aws_now_ns(a))
		return cart_err_set(err, CART_ERR_DENIED, 0, "it holds nothing "
				    "to renew it with");
	call.input = input = cart_json_new_object();
	cart_json_add(input, "clientId", cart_json_new_string(id));
	cart_json_add(input, "clientSecret", cart_json_new_string(secret));
	cart_json_add(input, "grantType", cart_json_new_string("refresh_token"));
	cart_json_add(input, "refreshToken", cart_json_new_string(refresh));
	rc = cart_call_as(a, &call, NULL, &r, err);
	if (!rc)
		rc = keep(a, path, r.view, err);
	if (!rc)
		cart_session_note(a, "the token of IAM Identity Center was "
				  "renewed for this run; its cache is not "
				  "changed, so that the AWS CLI may want `aws "
				  "sso login` the next time");
	cart_creds_wipe_json(r.view);
	cart_creds_wipe_json(input);
	cart_json_free(input);
	if (r.raw.data)
		cart_wipe(r.raw.data, r.raw.len);
	cart_aws_reply_clear(&r);
	return rc;
}

/* *ret stays until the next call, or dies with token. */
static int find_token(struct cart_aws *a, const char *profile,
		      const struct sso *s, struct cart_json **token,
		      const char **ret, struct cart_err *err)
{
	struct cart_buf b;
	const char *path;
	int rc = -1;

	cart_buf_init(&b, 4096);
	if (cache_path(a, s, &b, err) < 0)
		goto out;
	path = (const char *)b.data;
	if (read_token(path, profile, token, err) < 0)
		goto out;
	*ret = cart_json_get_string(*token, "accessToken");
	if (!is_good(a, *token)) {
		if ((!is_of(a->creds.sso, path) ||
		     a->creds.sso->end_ns <= cart_aws_now_ns(a)) &&
		    renew(a, s, path, *token, err) < 0) {
			cart_err_prefix(err, "the token in %s is over or not "
					"complete (`aws sso login --profile "
					"%s` makes a new one)", path, profile);
			err->class = CART_ERR_DENIED;
			goto out;
		}
		*ret = a->creds.sso->access;
	}
	rc = 0;
out:
	cart_buf_clear(&b);
	return rc;
}

/* ---- buying --------------------------------------------------------------- */

static int take(const struct cart_json *c, struct cart_creds *ret,
		struct cart_err *err)
{
	int64_t ms;

	if (cart_creds_set(ret, cart_json_get_string(c, "accessKeyId"),
			   cart_json_get_string(c, "secretAccessKey"),
			   cart_json_get_string(c, "sessionToken"), err) < 0)
		return -1;
	if (cart_json_i64(cart_json_get(c, "expiration"), &ms) < 0 ||
	    ms < 0 || ms > INT64_MAX / 1000000)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "credentials of %s have no readable end",
				    ret->source);
	ret->c.expires_utc_ns = ms * 1000000;
	ret->renewable = true;
	return 1;
}

static int buy(struct cart_aws *a, const struct sso *s, const char *token,
	       struct cart_creds *ret, struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_aws_call call = {
		.service = "sso", .operation = "GetRoleCredentials",
		.input = input, .region = s->region,
	};
	struct cart_aws_reply r;
	struct cart_json *c;
	int rc;

	cart_json_add(input, "roleName", cart_json_new_string(s->role));
	cart_json_add(input, "accountId", cart_json_new_string(s->account));
	cart_json_add(input, "accessToken", cart_json_new_string(token));
	rc = cart_call_as(a, &call, NULL, &r, err);
	c = rc ? NULL : cart_json_get(r.view, "roleCredentials");
	if (!rc)
		rc = take(c, ret, err);
	else
		cart_err_prefix(err, "%s", ret->source);
	cart_creds_wipe_json(c);
	cart_creds_wipe_json(input);
	cart_json_free(input);
	if (r.raw.data)
		cart_wipe(r.raw.data, r.raw.len);
	cart_aws_reply_clear(&r);
	return rc;
}

int cart_creds_sso(struct cart_aws *a, const char *profile,
		   struct cart_creds *ret, struct cart_err *err)
{
	struct sso s;
	struct cart_json *token = NULL;
	const char *access = NULL;
	int rc = read_profile(a, profile, &s, err);

	if (rc <= 0)
		return rc;
	rc = -1;
	snprintf(ret->source, sizeof(ret->source),
		 "role %.60s in %.20s by Identity Center, profile %.60s", s.role,
		 s.account, profile);
	if (find_token(a, profile, &s, &token, &access, err) == 0)
		rc = buy(a, &s, access, ret, err);
	cart_creds_wipe_json(token);
	cart_json_free(token);
	return rc;
}
