/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials that are served: to containers, and to instances. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/fdio.h>

#include "session.h"

#define CONTAINER_HOST	"http://169.254.170.2"
#define ROLE_PATH	"/latest/meta-data/iam/security-credentials/"

void cart_creds_wipe_json(struct cart_json *j)
{
	struct cart_json *m;
	const char *s;

	for (m = cart_json_first(j); m; m = cart_json_next(m)) {
		s = cart_json_string(m);
		if (s)
			cart_wipe((void *)(uintptr_t)s, strlen(s));
	}
}

int cart_creds_from_json(struct cart_json *j, const char *secret_key,
			 const char *token_key, struct cart_creds *ret,
			 struct cart_err *err)
{
	const char *end = cart_json_get_string(j, "Expiration");
	int rc = cart_creds_set(ret, cart_json_get_string(j, "AccessKeyId"),
				cart_json_get_string(j, secret_key),
				cart_json_get_string(j, token_key), err);

	if (!rc && end && cart_clock_parse(end, strlen(end),
					   &ret->c.expires_utc_ns) < 0)
		rc = cart_err_set(err, CART_ERR_INPUT, 0,
				  "credentials of %s have no readable end",
				  ret->source);
	ret->renewable = true;
	cart_creds_wipe_json(j);
	return rc;
}

static int from_reply(struct cart_http_reply *p, struct cart_creds *ret,
		      struct cart_err *err)
{
	struct cart_json *j;
	int rc = -1;

	if (p->status != 200) {
		cart_err_set(err, CART_ERR_DENIED, p->status,
			     "credentials of %s: answered with status %d",
			     ret->source, p->status);
	} else {
		j = cart_json_parse(p->body.data, p->body.len, NULL, err);
		if (j)
			rc = cart_creds_from_json(j, "SecretAccessKey", "Token",
						  ret, err);
		else
			cart_err_prefix(err, "credentials of %s", ret->source);
		cart_json_free(j);
	}
	if (p->body.data)
		cart_wipe(p->body.data, p->body.len);
	return rc;
}

/* ---- containers ----------------------------------------------------------- */

/* The Authorization header that the container was given; "" if none. */
static int container_token(struct cart_aws *a, struct cart_buf *b,
			   struct cart_err *err)
{
	const char *file = cart_session_env(a,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *text = cart_session_env(a,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN");

	if (file) {
		if (cart_file_read(AT_FDCWD, file, b, err) < 0)
			return cart_err_prefix(err, "AWS_CONTAINER_"
					       "AUTHORIZATION_TOKEN_FILE");
		while (b->len && (b->data[b->len - 1] == '\n' ||
				  b->data[b->len - 1] == '\r'))
			b->data[--b->len] = '\0';
	} else if (text) {
		cart_buf_adds(b, text);
	}
	return cart_buf_check(b, "container authorization token", err);
}

static int ask_container(struct cart_aws *a, const char *url,
			 struct cart_creds *ret, struct cart_err *err)
{
	struct cart_http_header h = { "Authorization", NULL };
	struct cart_http_request r = {
		.method = "GET", .url = url, .headers = &h,
		.connect_timeout_ms = 2000, .timeout_ms = 5000,
		.reply_max_bytes = 65536,
	};
	struct cart_http_reply p;
	struct cart_buf token;
	int rc = -1;

	cart_buf_init(&token, 16384);
	if (container_token(a, &token, err) == 0) {
		if (token.len) {
			h.value = (const char *)token.data;
			r.n_headers = 1;
		}
		rc = cart_net_perform(a->opt.net, &r, &p, err);
		if (!rc)
			rc = from_reply(&p, ret, err);
		cart_http_reply_clear(&p);
	}
	if (token.data)
		cart_wipe(token.data, token.len);
	cart_buf_clear(&token);
	return rc;
}

int cart_creds_container(struct cart_aws *a, struct cart_creds *ret,
			 struct cart_err *err)
{
	const char *path = cart_session_env(a,
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = cart_session_env(a,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct cart_url u;
	char url[2048];

	if (!path && !full)
		return 0;
	snprintf(ret->source, sizeof(ret->source), "container role");
	snprintf(url, sizeof(url), "%s%s", path ? CONTAINER_HOST : "",
		 path ? path : full);
	if (cart_url_parse(url, &u, err) < 0)
		return cart_err_prefix(err, "container credentials");
	/* elsewhere than AWS's own addresses it is an override like others */
	if (!cart_url_is_local(&u) &&
	    !cart_endpoint_trusted(a, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url))
		return 0;
	return ask_container(a, url, ret, err) < 0 ? -1 : 1;
}

/* ---- instances ------------------------------------------------------------ */

/* The role's name is a path segment: one line of harmless characters. */
static bool role_name(const struct cart_http_reply *p, char *out, size_t size)
{
	size_t n = 0;

	while (n < p->body.len && p->body.data[n] > ' ' &&
	       p->body.data[n] < 0x7f && p->body.data[n] != '/' &&
	       p->body.data[n] != '?')
		n++;
	if (!n || n >= size || (n < p->body.len && p->body.data[n] != '\n'))
		return false;
	memcpy(out, p->body.data, n);
	out[n] = '\0';
	return true;
}

int cart_creds_instance(struct cart_aws *a, struct cart_creds *ret,
			struct cart_err *err)
{
	struct cart_creds_cache *k = &a->creds;
	char role[128], path[256];
	struct cart_http_reply p;
	int rc = -1;

	if (!k->imds)
		k->imds = cart_imds_new(a->opt.net, a->opt.env,
					a->opt.trust_environment, err);
	if (!k->imds)
		return -1;
	if (cart_imds_get(k->imds, ROLE_PATH, &p, err) < 0)
		goto out;
	if (p.status == 404 || !role_name(&p, role, sizeof(role))) {
		cart_err_set(err, CART_ERR_DENIED, p.status,
			     "this instance has no role (status %d)", p.status);
		goto out;
	}
	cart_http_reply_clear(&p);
	snprintf(ret->source, sizeof(ret->source), "instance role %s", role);
	snprintf(path, sizeof(path), "%s%s", ROLE_PATH, role);
	if (cart_imds_get(k->imds, path, &p, err) < 0 ||
	    from_reply(&p, ret, err) < 0)
		goto out;
	ret->from_instance = true;
	rc = 1;
out:
	cart_http_reply_clear(&p);
	return rc;
}
