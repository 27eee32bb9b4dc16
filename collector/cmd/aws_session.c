/* SPDX-License-Identifier: Apache-2.0 */
#include "aws_session.h"

#include "key_load.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/compress.h"
#include "crashcart/embed.h"
#include "crashcart/engine.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/version.h"

#define FACTS_MAX 64	/* kept before there is a log */

struct cmd_aws {
	struct cart_net *net;
	struct cart_aws *aws;
	struct cart_imds *imds;
	struct cart_buf ca;
	char agent[128];
	char session_name[65];
	const char *mfa_code, *mfa_fd;
	const char *only[CART_ARGS_MAX];	/* --only-region */
	pthread_mutex_t lock;
	struct cart_bundle *bundle;
	struct {
		char type[16];
		struct cart_json *fields;
	} kept[FACTS_MAX];
	size_t n_kept;
};

/* What is noted about settings and credentials of a collection is for the
 * terminal, too. */
static void say_note(const char *type, const struct cart_json *fields)
{
	const char *text = cart_json_get_string(fields, "text");

	if (text != NULL && strcmp(type, "note") == 0)
		cart_msg(CART_MSG_NOTE, "%s", text);
}

static void on_fact(void *arg, const char *type, const struct cart_json *fields)
{
	struct cmd_aws *s = arg;

	pthread_mutex_lock(&s->lock);
	if (s->bundle != NULL) {
		cart_bundle_log(s->bundle, type, "", fields, NULL);
		say_note(type, fields);
	} else if (s->n_kept < FACTS_MAX) {
		snprintf(s->kept[s->n_kept].type, sizeof(s->kept[0].type),
			 "%s", type);
		s->kept[s->n_kept++].fields = cart_json_copy(fields);
	}
	pthread_mutex_unlock(&s->lock);
}

static void on_debug(void *arg, const char *text)
{
	const char *end;

	(void)arg;
	for (; *text; text = *end ? end + 1 : end) {
		end = text + strcspn(text, "\n");
		cart_msg(CART_MSG_DEBUG, "%.*s", (int)(end - text), text);
	}
}

static bool on_cancelled(void *arg)
{
	(void)arg;
	return cart_stop_requested();
}

void cart_cmd_aws_log_to(struct cmd_aws *s, struct cart_bundle *b)
{
	size_t i;

	pthread_mutex_lock(&s->lock);
	s->bundle = b;
	for (i = 0; b != NULL && i < s->n_kept; i++) {
		cart_bundle_log(b, s->kept[i].type, "", s->kept[i].fields, NULL);
		say_note(s->kept[i].type, s->kept[i].fields);
		cart_json_free(s->kept[i].fields);
		s->kept[i].fields = NULL;
	}
	if (b != NULL)
		s->n_kept = 0;
	pthread_mutex_unlock(&s->lock);
}

static int add_file(struct cmd_aws *s, const char *path, struct cart_err *err)
{
	if (cart_file_read(AT_FDCWD, path, &s->ca, err) < 0)
		return cart_err_prefix(err, "CA bundle %s", path);
	cart_buf_addc(&s->ca, '\n');
	return cart_buf_check(&s->ca, "CA roots", err);
}

/* --ca-bundle, then where the environment is trusted AWS_CA_BUNDLE, ca_bundle
 * of the profile and REQUESTS_CA_BUNDLE, then the roots built in; and what
 * --ca-add names. */
static int load_roots(const struct cart_args *a,
		      const struct cart_aws_options *o, struct cmd_aws *s,
		      struct cart_err *err)
{
	const char *path = cart_args_value(a, "ca-bundle");
	struct cart_buf setting;
	size_t i;
	int rc = 0;

	cart_buf_init(&setting, 4096);
	if (path == NULL && o->trust_environment) {
		path = cart_env_get(o->env, "AWS_CA_BUNDLE");
		if (path == NULL || *path == '\0') {
			rc = cart_aws_setting(o, "ca_bundle", &setting, err);
			path = rc > 0 ? (const char *)setting.data :
				cart_env_get(o->env, "REQUESTS_CA_BUNDLE");
		}
	}
	if (rc >= 0 && (path == NULL || *path == '\0')) {
		rc = cart_zstd_decompress(cart_embed_roots,
					  cart_embed_roots_len, NULL, 0, &s->ca,
					  err);
	} else if (rc >= 0) {
		rc = add_file(s, path, err);
	}
	for (i = 0; rc >= 0 && (path = cart_args_at(a, "ca-add", i)); i++)
		rc = add_file(s, path, err);
	cart_buf_clear(&setting);
	return rc < 0 ? -1 : 0;
}

/* Either spelling of a proxy variable, where the environment is trusted. */
static const char *proxy_env(const struct cart_aws_options *o,
			     const char *upper, const char *lower)
{
	const char *v;

	if (!o->trust_environment)
		return NULL;
	v = cart_env_get(o->env, lower);
	if (v == NULL || *v == '\0')
		v = cart_env_get(o->env, upper);
	return v != NULL && *v != '\0' ? v : NULL;
}

static const char *proxy_of(const struct cart_args *a,
			    const struct cart_aws_options *o)
{
	const char *proxy = cart_args_value(a, "proxy");

	if (proxy == NULL)
		proxy = proxy_env(o, "HTTPS_PROXY", "https_proxy");
	return proxy != NULL && *proxy != '\0' ? proxy : NULL;
}

/* Left out without a word it would be a riddle: nobody answers. */
static void warn_unused(const struct cart_args *a, const struct cart_env *env)
{
	static const char *const unused[][2] = {
		{ "AWS_ENDPOINT_URL", "endpoint-url" },
		{ "AWS_ENDPOINT_URL_S3", "endpoint-url" },
		{ "HTTPS_PROXY", "proxy" }, { "https_proxy", "proxy" },
		{ "AWS_CA_BUNDLE", "ca-bundle" },
		{ "REQUESTS_CA_BUNDLE", "ca-bundle" },
	};
	static bool told;
	const char *v;
	size_t i;

	for (i = 0; !told && i < sizeof(unused) / sizeof(*unused); i++) {
		v = cart_env_get(env, unused[i][0]);
		if (v != NULL && *v != '\0' &&
		    cart_args_value(a, unused[i][1]) == NULL)
			cart_msg(CART_MSG_WARN, "%s is set but not used, since "
				 "this manifest reads the host that may be "
				 "compromised: give --%s, or "
				 "--trust-environment", unused[i][0],
				 unused[i][1]);
	}
	told = true;
}

/* A code counts once: --mfa-code is for the first role that asks. */
static int on_mfa(void *arg, const char *serial, char *out, size_t size)
{
	struct cmd_aws *s = arg;
	char prompt[256], code[CART_PASSWORD_MAX + 1];
	const char *given = s->mfa_code;
	struct cart_err err;

	s->mfa_code = NULL;
	if (given == NULL) {
		snprintf(prompt, sizeof(prompt), "MFA code of %.150s: ", serial);
		if (cart_key_password(prompt, s->mfa_fd, false, code, &err) < 0)
			return -1;
		given = code;
	}
	if (strlen(given) >= size)
		return -1;
	snprintf(out, size, "%s", given);
	return 0;
}

/* So that CloudTrail tells our calls from everyone else's: the case in the
 * user agent, and in session name and tag of roles that are assumed. */
static void name_session(const struct cart_args *a, struct cmd_aws *s,
			 struct cart_aws_options *o)
{
	const char *id = cart_args_value(a, "case");

	snprintf(s->agent, sizeof(s->agent), "crashcart/%s%s%.64s",
		 cart_version_text(), id != NULL ? " case/" : "",
		 id != NULL ? id : "");
	if (id == NULL)
		return;
	snprintf(s->session_name, sizeof(s->session_name), "crashcart-%.54s",
		 id);
	o->session_name = s->session_name;
	o->session_case = id;
}

static struct cmd_aws *open_session(const struct cart_args *a,
				    struct cart_env *env, bool host_steps,
				    bool stops, const char *profile,
				    struct cart_err *err)
{
	struct cart_net_options net = { 0 };
	struct cart_aws_options aws = { 0 };
	struct cmd_aws *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		cart_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	cart_buf_init(&s->ca, (size_t)16 << 20);
	aws.env = env;
	aws.profile = profile;
	aws.region = cart_args_value(a, "region");
	aws.endpoint_url = cart_args_value(a, "endpoint-url");
	aws.trust_environment = !host_steps ||
				cart_args_flag(a, "trust-environment");
	if (!aws.trust_environment)
		warn_unused(a, env);
	aws.home = cart_env_get(env, "HOME");
	name_session(a, s, &aws);
	if (load_roots(a, &aws, s, err) < 0)
		goto fail;
	net.ca_pem = (const char *)s->ca.data;
	net.ca_pem_len = s->ca.len;
	net.proxy = proxy_of(a, &aws);
	net.no_proxy = proxy_env(&aws, "NO_PROXY", "no_proxy");
	net.user_agent = s->agent;
	s->net = cart_net_new(&net, err);
	if (s->net == NULL)
		goto fail;
	cart_buf_clear(&s->ca);
	aws.net = s->net;
	while (aws.n_only_regions < CART_ARGS_MAX &&
	       (s->only[aws.n_only_regions] = cart_args_at(a, "only-region",
						aws.n_only_regions)) != NULL)
		aws.n_only_regions++;
	aws.only_regions = s->only;
	s->mfa_code = cart_args_value(a, "mfa-code");
	s->mfa_fd = cart_args_value(a, "mfa-fd");
	aws.mfa_code = on_mfa;
	aws.fact = on_fact;
	aws.arg = s;
	aws.cancelled = stops ? on_cancelled : NULL;
	if (cart_args_flag(a, "debug"))
		aws.debug = on_debug;
	s->aws = cart_aws_new(&aws, err);
	if (s->aws == NULL)
		goto fail;
	s->imds = cart_imds_new(s->net, env, aws.trust_environment, err);
	if (s->imds == NULL)
		goto fail;
	return s;
fail:
	cart_cmd_aws_free(s);
	return NULL;
}

struct cmd_aws *cart_cmd_aws_new(const struct cart_args *a, struct cart_env *env,
			    bool host_steps, struct cart_err *err)
{
	return open_session(a, env, host_steps, true,
			    cart_args_value(a, "profile"), err);
}

struct cmd_aws *cart_cmd_aws_new_sealing(const struct cart_args *a,
					 struct cart_env *env, bool host_steps,
					 struct cart_err *err)
{
	const char *profile = cart_args_value(a, "key-profile");

	if (profile == NULL)
		profile = cart_args_value(a, "profile");
	return open_session(a, env, host_steps, false, profile, err);
}

struct cmd_aws *cart_cmd_aws_new_upload(const struct cart_args *a,
					struct cart_env *env, bool host_steps,
					struct cart_err *err)
{
	const char *profile = cart_args_value(a, "upload-profile");

	if (profile == NULL)
		profile = cart_args_value(a, "profile");
	return open_session(a, env, host_steps, false, profile, err);
}

void cart_cmd_aws_cancel(void *arg)
{
	struct cmd_aws *s = arg;

	cart_net_cancel(s->net);
}

void cart_cmd_aws_free(struct cmd_aws *s)
{
	size_t i;

	if (s == NULL)
		return;
	cart_imds_free(s->imds);
	cart_aws_free(s->aws);
	cart_net_free(s->net);
	for (i = 0; i < s->n_kept; i++)
		cart_json_free(s->kept[i].fields);
	cart_buf_clear(&s->ca);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct cart_aws *cart_cmd_aws_client(struct cmd_aws *s)
{
	return s != NULL ? s->aws : NULL;
}

int cart_cmd_aws_owner(struct cmd_aws *s, const struct cart_args *a,
		       const char *option, char out[16], struct cart_err *err)
{
	const struct cart_aws_call call = { .service = "sts",
					    .operation = "GetCallerIdentity" };
	const char *id = cart_args_value(a, option);
	struct cart_aws_reply reply = { 0 };
	int rc = 0;

	out[0] = '\0';
	if (id != NULL && strcmp(id, "ANY") == 0)
		return 0;
	if (id == NULL) {
		rc = cart_aws_call(s->aws, &call, &reply, err);
		id = rc == 0 ? cart_json_get_string(reply.view, "Account") :
			NULL;
	}
	if (rc < 0)
		cart_err_prefix(err, "whose bucket it is to be (say --%s "
				"ACCOUNT, or ANY)", option);
	else if (id == NULL || strlen(id) != 12 ||
		 strspn(id, "0123456789") != 12)
		rc = cart_err_set(err, CART_ERR_USAGE, 0, "--%s: an account "
				  "of 12 digits, or ANY", option);
	else
		snprintf(out, 16, "%s", id);
	cart_aws_reply_clear(&reply);
	return rc;
}

struct cart_net *cart_cmd_aws_net(struct cmd_aws *s)
{
	return s->net;
}

struct cart_imds *cart_cmd_aws_imds(struct cmd_aws *s)
{
	return s != NULL ? s->imds : NULL;
}
