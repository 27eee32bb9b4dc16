/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment, taken once.  On a suspect host it is somebody else's
 * text: only names on the list below are kept, and no library gets to see any
 * of it afterwards.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws.h>
#include <crashcart/digest.h>

#define VALUE_MAX	((size_t)1 << 17)	/* the kernel's own limit */
#define ENDPOINT_PREFIX	"AWS_ENDPOINT_URL_"
#define EXTRA_MAX	512			/* names with that prefix */

static const char *const allowed[] = {
	"AWS_ACCESS_KEY_ID",
	"AWS_CA_BUNDLE",
	"AWS_CONFIG_FILE",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CREDENTIAL_EXPIRATION",
	"AWS_DEFAULT_PROFILE",
	"AWS_DEFAULT_REGION",
	"AWS_EC2_METADATA_DISABLED",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
	"AWS_ENDPOINT_URL",
	"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
	"AWS_PROFILE",
	"AWS_REGION",
	"AWS_ROLE_ARN",
	"AWS_ROLE_SESSION_NAME",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_SECURITY_TOKEN",
	"AWS_SESSION_TOKEN",
	"AWS_SHARED_CREDENTIALS_FILE",
	"AWS_STS_REGIONAL_ENDPOINTS",
	"AWS_USE_DUALSTACK_ENDPOINT",
	"AWS_USE_FIPS_ENDPOINT",
	"AWS_WEB_IDENTITY_TOKEN_FILE",
	"COLUMNS",
	"HOME",
	"HTTPS_PROXY",
	"NO_COLOR",
	"NO_PROXY",
	"REQUESTS_CA_BUNDLE",
	"TERM",
	"TMPDIR",
	"XDG_CACHE_HOME",
	"XDG_CONFIG_HOME",
	"XDG_STATE_HOME",
	"https_proxy",
	"no_proxy",
};
#define N_ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

/* These do not stay behind in the block that the kernel made. */
static bool is_secret(const char *name)
{
	return !strcmp(name, "AWS_SECRET_ACCESS_KEY") ||
	       !strcmp(name, "AWS_SESSION_TOKEN") ||
	       !strcmp(name, "AWS_SECURITY_TOKEN") ||
	       !strcmp(name, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
}

static bool is_allowed(const char *name)
{
	size_t i;

	for (i = 0; i < N_ALLOWED; i++)
		if (!strcmp(name, allowed[i]))
			return true;
	return !strncmp(name, ENDPOINT_PREFIX, sizeof(ENDPOINT_PREFIX) - 1);
}

/* 1 taken, 0 not wanted, -1 no memory. */
static int take_one(char *entry, char **ret_name, char **ret_value)
{
	char *eq = strchr(entry, '=');
	char *name;

	if (!eq || eq == entry || eq - entry > 200 ||
	    strnlen(eq + 1, VALUE_MAX) == VALUE_MAX)
		return 0;
	name = strndup(entry, (size_t)(eq - entry));
	if (!name)
		return -1;
	if (!is_allowed(name)) {
		free(name);
		return 0;
	}
	*ret_value = strdup(eq + 1);
	if (!*ret_value) {
		free(name);
		return -1;
	}
	if (is_secret(name))
		cart_wipe(eq + 1, strlen(eq + 1));
	*ret_name = name;
	return 1;
}

struct cart_env *cart_env_take(void)
{
	static char *nothing[1];
	struct cart_env *env = calloc(1, sizeof(*env));
	char **names = calloc(N_ALLOWED + EXTRA_MAX, sizeof(*names));
	char **values = calloc(N_ALLOWED + EXTRA_MAX, sizeof(*values));
	char **e;
	int took = 0;

	if (!env || !names || !values) {
		free(env);
		free(names);
		free(values);
		return NULL;
	}
	env->names = (const char *const *)names;
	env->values = values;
	for (e = environ; e && *e && env->n < N_ALLOWED + EXTRA_MAX; e++) {
		took = take_one(*e, &names[env->n], &values[env->n]);
		if (took < 0)
			break;
		env->n += (size_t)took;
	}
	environ = nothing;
	if (took < 0) {
		cart_env_free(env);
		return NULL;
	}
	return env;
}

void cart_env_free(struct cart_env *env)
{
	size_t i;

	if (!env)
		return;
	for (i = 0; i < env->n; i++) {
		cart_wipe(env->values[i], strlen(env->values[i]));
		free(env->values[i]);
		free((void *)(uintptr_t)env->names[i]);
	}
	free((void *)(uintptr_t)env->names);
	free((void *)(uintptr_t)env->values);
	free(env);
}

const char *cart_env_get(const struct cart_env *env, const char *name)
{
	size_t i;

	for (i = 0; env && i < env->n; i++)
		if (!strcmp(env->names[i], name))
			return env->values[i];
	return NULL;
}
