/* SPDX-License-Identifier: Apache-2.0 */
#include "aws_session.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	char agent[96];
	pthread_mutex_t lock;
	struct cart_bundle *bundle;
	struct {
		char type[16];
		struct cart_json *fields;
	} kept[FACTS_MAX];
	size_t n_kept;
};

static void on_fact(void *arg, const char *type, const struct cart_json *fields)
{
	struct cmd_aws *s = arg;

	pthread_mutex_lock(&s->lock);
	if (s->bundle != NULL) {
		cart_bundle_log(s->bundle, type, "", fields, NULL);
	} else if (s->n_kept < FACTS_MAX) {
		snprintf(s->kept[s->n_kept].type, sizeof(s->kept[0].type),
			 "%s", type);
		s->kept[s->n_kept++].fields = cart_json_copy(fields);
	}
	pthread_mutex_unlock(&s->lock);
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
		cart_json_free(s->kept[i].fields);
		s->kept[i].fields = NULL;
	}
	if (b != NULL)
		s->n_kept = 0;
	pthread_mutex_unlock(&s->lock);
}

/* --ca-bundle, then AWS_CA_BUNDLE where the environment is trusted, then the
 * roots built in. */
static int load_roots(const struct cart_args *a, const struct cart_env *env,
		      bool trusted, struct cmd_aws *s, struct cart_err *err)
{
	const char *path = cart_args_value(a, "ca-bundle");

	if (path == NULL && trusted)
		path = cart_env_get(env, "AWS_CA_BUNDLE");
	if (path == NULL || *path == '\0') {
		cart_buf_add(&s->ca, cart_embed_roots, cart_embed_roots_len);
		return cart_buf_check(&s->ca, "CA roots", err);
	}
	if (cart_file_read(AT_FDCWD, path, &s->ca, err) < 0)
		return cart_err_prefix(err, "CA bundle %s", path);
	return 0;
}

static const char *proxy_of(const struct cart_args *a,
			    const struct cart_env *env, bool trusted)
{
	const char *proxy = cart_args_value(a, "proxy");

	if (proxy == NULL && trusted)
		proxy = cart_env_get(env, "HTTPS_PROXY");
	if (proxy == NULL && trusted)
		proxy = cart_env_get(env, "https_proxy");
	return proxy != NULL && *proxy != '\0' ? proxy : NULL;
}

struct cmd_aws *cart_cmd_aws_new(const struct cart_args *a, struct cart_env *env,
			    bool host_steps, struct cart_err *err)
{
	bool trusted = !host_steps || cart_args_flag(a, "trust-environment");
	struct cart_net_options net = { 0 };
	struct cart_aws_options aws = { 0 };
	struct cmd_aws *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		cart_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	cart_buf_init(&s->ca, (size_t)16 << 20);
	if (load_roots(a, env, trusted, s, err) < 0)
		goto fail;
	snprintf(s->agent, sizeof(s->agent), "crashcart/%s",
		 cart_version_text());
	net.ca_pem = (const char *)s->ca.data;
	net.ca_pem_len = s->ca.len;
	net.proxy = proxy_of(a, env, trusted);
	net.no_proxy = trusted ? cart_env_get(env, "NO_PROXY") : NULL;
	net.user_agent = s->agent;
	s->net = cart_net_new(&net, err);
	if (s->net == NULL)
		goto fail;
	aws.env = env;
	aws.profile = cart_args_value(a, "profile");
	aws.region = cart_args_value(a, "region");
	aws.endpoint_url = cart_args_value(a, "endpoint-url");
	aws.trust_environment = trusted;
	aws.home = cart_env_get(env, "HOME");
	aws.net = s->net;
	aws.fact = on_fact;
	aws.arg = s;
	aws.cancelled = on_cancelled;
	s->aws = cart_aws_new(&aws, err);
	if (s->aws == NULL)
		goto fail;
	s->imds = cart_imds_new(s->net, env, trusted, err);
	if (s->imds == NULL)
		goto fail;
	return s;
fail:
	cart_cmd_aws_free(s);
	return NULL;
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

struct cart_imds *cart_cmd_aws_imds(struct cmd_aws *s)
{
	return s != NULL ? s->imds : NULL;
}
