/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of a role, assumed with other credentials or with a token. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "session.h"

#define DEPTH_MAX 5

static struct cart_json *text(const char *s)
{
	return s ? cart_json_new_string(s) : NULL;
}

/* The case id would be better; without one the time tells runs apart. */
static void session_name(struct cart_aws *a, const char *configured, char *out,
			 size_t size)
{
	char now[CART_CLOCK_TEXT_SIZE];

	cart_clock_compact(cart_aws_now_ns(a), now);
	if (configured)
		snprintf(out, size, "%s", configured);
	else if (a->opt.session_name)
		snprintf(out, size, "%s", a->opt.session_name);
	else
		snprintf(out, size, "crashcart-%s", now);
}

/* Adds the case as a tag of the session. */
static int add_tag(struct cart_aws *a, struct cart_json *input,
		   struct cart_err *err)
{
	struct cart_json *list, *tag;

	if (!a->opt.session_case)
		return 0;
	list = cart_json_add(input, "Tags", cart_json_new_array());
	tag = cart_json_append(list, cart_json_new_object());
	cart_json_add(tag, "Key", text("crashcart-case"));
	if (!cart_json_add(tag, "Value", text(a->opt.session_case)))
		return cart_err_nomem(err);
	return 0;
}

static int ask_sts(struct cart_aws *a, const char *operation,
		   struct cart_json *input, struct cart_creds *by,
		   struct cart_creds *ret, struct cart_err *err)
{
	struct cart_aws_call call = {
		.service = "sts", .operation = operation, .input = input,
		.region = a->region[0] ? a->region : "us-east-1",
	};
	struct cart_aws_reply r;
	int rc = cart_call_as(a, &call, by, &r, err);

	if (!rc)
		rc = cart_creds_from_json(cart_json_get(r.view, "Credentials"),
					  "SecretAccessKey", "SessionToken",
					  ret, err);
	else
		cart_err_prefix(err, "%s", ret->source);
	if (r.raw.data)
		cart_wipe(r.raw.data, r.raw.len);
	cart_aws_reply_clear(&r);
	return rc;
}

/* A trust policy must allow sts:TagSession as well; many do not.  1 or -1. */
static int assume(struct cart_aws *a, struct cart_json *input,
		  struct cart_creds *by, struct cart_creds *ret,
		  struct cart_err *err)
{
	struct cart_json *tags;
	int rc;

	if (add_tag(a, input, err) < 0)
		return -1;
	rc = ask_sts(a, "AssumeRole", input, by, ret, err);
	tags = cart_json_get(input, "Tags");
	/* a code of an MFA device does not count twice */
	if (rc < 0 && err->class == CART_ERR_DENIED && tags &&
	    !cart_json_get(input, "TokenCode")) {
		cart_json_free(cart_json_detach(input, tags));
		rc = ask_sts(a, "AssumeRole", input, by, ret, err);
		if (!rc)
			cart_session_note(a, "%s does not allow sts:TagSession: "
					  "its session carries the case in its "
					  "name only", ret->source);
	}
	return rc < 0 ? -1 : 1;
}

/* The credentials that a role of a profile is assumed with. */
static int base_credentials(struct cart_aws *a, const char *profile,
			    unsigned depth, struct cart_creds *by,
			    struct cart_err *err)
{
	const char *source = cart_session_setting(a, profile, "source_profile");
	const char *kind = cart_session_setting(a, profile,
						"credential_source");
	int rc = 0;

	by->c.expires_utc_ns = INT64_MAX;
	if (source) {
		if (!cart_config_has(a->config, "profile", source) &&
		    !cart_config_has(a->credentials, "profile", source))
			return cart_err_set(err, CART_ERR_USAGE, 0,
					    "source_profile \"%.80s\" of profile "
					    "\"%.80s\" does not exist", source,
					    profile);
		rc = cart_creds_profile(a, source, depth + 1,
					true, by, err);
	} else if (kind && !strcmp(kind, "Environment")) {
		rc = cart_creds_environment(a, by, err);
	} else if (kind && !strcmp(kind, "Ec2InstanceMetadata")) {
		rc = cart_creds_instance(a, by, err);
	} else if (kind && !strcmp(kind, "EcsContainer")) {
		rc = cart_creds_container(a, by, err);
	} else {
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "profile \"%.80s\" names a role but neither "
				    "source_profile nor a known "
				    "credential_source", profile);
	}
	if (!rc)
		cart_err_set(err, CART_ERR_DENIED, 0,
			     "%s \"%.80s\" of profile \"%.80s\" gives no "
			     "credentials", source ? "source_profile" :
			     "credential_source", source ? source : kind,
			     profile);
	return rc > 0 ? 0 : -1;
}

/* Adds the code of the profile's MFA device, if it names one. */
static int add_mfa(struct cart_aws *a, const char *profile,
		   struct cart_json *o, struct cart_err *err)
{
	const char *serial = cart_session_setting(a, profile, "mfa_serial");
	char code[16] = "";

	if (!serial)
		return 0;
	if (!a->opt.mfa_code || a->opt.mfa_code(a->opt.arg, serial, code,
						sizeof(code)) < 0)
		return cart_err_set(err, CART_ERR_DENIED, 0,
				    "profile \"%.80s\" wants a code of MFA "
				    "device %.120s, and there is none", profile,
				    serial);
	cart_json_add(o, "SerialNumber", text(serial));
	if (!cart_json_add(o, "TokenCode", text(code)))
		return cart_err_nomem(err);
	return 0;
}

static struct cart_json *role_input(struct cart_aws *a, const char *profile,
				    const char *role, struct cart_err *err)
{
	const char *seconds = cart_session_setting(a, profile,
						   "duration_seconds");
	const char *external = cart_session_setting(a, profile, "external_id");
	struct cart_json *o = cart_json_new_object();
	char name[65];
	int64_t n;

	session_name(a, cart_session_setting(a, profile, "role_session_name"),
		     name, sizeof(name));
	cart_json_add(o, "RoleArn", text(role));
	cart_json_add(o, "RoleSessionName", text(name));
	if (external)
		cart_json_add(o, "ExternalId", text(external));
	if (seconds) {
		if (cart_text_i64(seconds, strlen(seconds), &n) < 0 || n < 900 ||
		    n > 43200) {
			cart_err_set(err, CART_ERR_USAGE, 0,
				     "duration_seconds of profile \"%.80s\" is "
				     "not a number from 900 to 43200", profile);
			cart_json_free(o);
			return NULL;
		}
		cart_json_add(o, "DurationSeconds", cart_json_new_int(n));
	}
	if (!cart_json_get(o, "RoleSessionName")) {
		cart_err_nomem(err);
		cart_json_free(o);
		return NULL;
	}
	if (add_mfa(a, profile, o, err) < 0) {
		cart_json_free(o);
		return NULL;
	}
	return o;
}

int cart_creds_role(struct cart_aws *a, const char *profile, unsigned depth,
		    struct cart_creds *ret, struct cart_err *err)
{
	const char *role = cart_session_setting(a, profile, "role_arn");
	struct cart_creds *by = NULL;
	struct cart_json *input = NULL;
	int rc = -1;

	if (!role || cart_session_setting(a, profile,
					  "web_identity_token_file"))
		return 0;
	if (depth >= DEPTH_MAX)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "profile \"%.80s\": its source_profiles go "
				    "round in a circle or are more than %d",
				    profile, DEPTH_MAX);
	by = cart_secret_new(sizeof(*by), err);
	if (!by || base_credentials(a, profile, depth, by, err) < 0)
		goto out;
	input = role_input(a, profile, role, err);
	if (!input)
		goto out;
	snprintf(ret->source, sizeof(ret->source), "role %.120s of profile %.60s",
		 role, profile);
	rc = assume(a, input, by, ret, err);
out:
	cart_json_free(input);
	cart_secret_free(by, sizeof(*by));
	return rc;
}

int cart_creds_assumed(struct cart_aws *a, struct cart_creds *ret,
		       struct cart_err *err)
{
	struct cart_creds *by = cart_creds_hold(a->base, err);
	struct cart_json *o;
	char session[65];
	int rc = -1;

	if (!by)
		return -1;
	session_name(a, NULL, session, sizeof(session));
	o = cart_json_new_object();
	cart_json_add(o, "RoleArn", text(a->role_arn));
	if (a->external_id)
		cart_json_add(o, "ExternalId", text(a->external_id));
	snprintf(ret->source, sizeof(ret->source), "role %.120s by %.60s",
		 a->role_arn, by->source);
	if (!cart_json_add(o, "RoleSessionName", text(session)))
		cart_err_nomem(err);
	else
		rc = assume(a, o, by, ret, err);
	cart_json_free(o);
	cart_creds_release(a->base, by);
	return rc;
}

static int web_identity(struct cart_aws *a, const char *role,
			const char *file, const char *name,
			struct cart_creds *ret, struct cart_err *err)
{
	struct cart_json *o = NULL;
	struct cart_buf token;
	char session[65];
	int rc = -1;

	snprintf(ret->source, sizeof(ret->source),
		 "role %.120s by web identity", role);
	cart_buf_init(&token, 65536);
	if (cart_file_read(AT_FDCWD, file, &token, err) < 0) {
		cart_err_prefix(err, "web identity token");
		goto out;
	}
	session_name(a, name, session, sizeof(session));
	o = cart_json_new_object();
	cart_json_add(o, "RoleArn", text(role));
	cart_json_add(o, "RoleSessionName", text(session));
	cart_json_add(o, "WebIdentityToken", cart_json_new_string_n(
		      (const char *)token.data, token.len));
	rc = ask_sts(a, "AssumeRoleWithWebIdentity", o, NULL, ret, err) < 0 ?
		-1 : 1;
out:
	cart_json_free(o);
	if (token.data)
		cart_wipe(token.data, token.len);
	cart_buf_clear(&token);
	return rc;
}

int cart_creds_web_identity(struct cart_aws *a, struct cart_creds *ret,
			    struct cart_err *err)
{
	const char *role = cart_session_env(a, "AWS_ROLE_ARN");
	const char *file = cart_session_env(a, "AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *p = a->profile;

	if (role && file && !a->opt.profile)
		return web_identity(a, role, file, cart_session_env(a,
				    "AWS_ROLE_SESSION_NAME"), ret, err);
	role = cart_session_setting(a, p, "role_arn");
	file = cart_session_setting(a, p, "web_identity_token_file");
	if (role && file)
		return web_identity(a, role, file, cart_session_setting(a, p,
				    "role_session_name"), ret, err);
	return 0;
}
