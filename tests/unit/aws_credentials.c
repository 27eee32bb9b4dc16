/* SPDX-License-Identifier: Apache-2.0 */
/* Where credentials come from, in which order, and what is said when none. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <crashcart/clock.h>
#include <crashcart/fdio.h>

#include "aws/session.h"
#include "unit/support/httpd.h"

struct world {
	struct httpd *h;
	struct cart_net *net;
	struct cart_aws *aws;
	struct cart_env env;
	const char *names[32];
	char *values[32];
	char home[64];
	char asked[4096];		/* what STS was asked, one line each */
	char container_auth[64];
	char token_body[256];		/* of sso-oidc:CreateToken */
	unsigned life_s;		/* of what is served; 0: an hour */
	unsigned served;
	bool broken;			/* the server has only errors */
	bool no_tags;			/* sts:TagSession is not allowed */
};

static void end_text(struct world *w, char end[CART_CLOCK_TEXT_SIZE])
{
	cart_clock_text(cart_clock_utc_ns() + (int64_t)1000000000 *
			(w->life_s ? w->life_s : 3600), 0, end);
}

static void sts(struct world *w, const struct httpd_request *r,
		struct httpd_answer *a)
{
	char end[CART_CLOCK_TEXT_SIZE], text[1024], auth[256], name[64];
	size_t n = strlen(w->asked);

	httpd_header(r, "authorization", auth, sizeof(auth));
	snprintf(w->asked + n, sizeof(w->asked) - n, "%.*s by %.*s\n",
		 (int)r->body_len, r->body, *auth ?
		 (int)strcspn(strchr(auth, '=') + 1, "/") : 4,
		 *auth ? strchr(auth, '=') + 1 : "none");
	if (w->broken || (w->no_tags && strstr(r->body, "Tags"))) {
		httpd_say(a, 403, NULL, "<ErrorResponse><Error><Code>AccessDenied"
			  "</Code><Message>no</Message></Error></ErrorResponse>");
		return;
	}
	end_text(w, end);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(r->body + 7, "&"),
		 r->body + 7);
	snprintf(text, sizeof(text), "<%sResponse><%sResult><Credentials>"
		 "<AccessKeyId>ASIAROLE%u</AccessKeyId><SecretAccessKey>"
		 "role-secret</SecretAccessKey><SessionToken>role-token"
		 "</SessionToken><Expiration>%s</Expiration></Credentials>"
		 "</%sResult></%sResponse>", name, name, ++w->served, end, name,
		 name);
	httpd_say(a, 200, "Content-Type: text/xml\r\n", text);
}

static void answer(void *arg, const struct httpd_request *r,
		   struct httpd_answer *a)
{
	struct world *w = arg;
	char end[CART_CLOCK_TEXT_SIZE], text[512];

	if (!strncmp(r->head, "GET /federation/credentials?", 28)) {
		httpd_header(r, "x-amz-sso_bearer_token", w->container_auth,
			     sizeof(w->container_auth));
		snprintf(w->asked, sizeof(w->asked), "%.*s",
			 (int)strcspn(r->head, "\r"), r->head);
		snprintf(text, sizeof(text), "{\"roleCredentials\":{"
			 "\"accessKeyId\":\"ASIASSO\",\"secretAccessKey\":"
			 "\"s\",\"sessionToken\":\"t\",\"expiration\":%jd}}",
			 (intmax_t)(cart_clock_utc_ns() / 1000000 + 3600000));
		httpd_say(a, w->broken ? 401 : 200, NULL, text);
		return;
	}
	if (!strncmp(r->head, "POST /token", 11)) {
		snprintf(w->token_body, sizeof(w->token_body), "%.*s",
			 (int)r->body_len, r->body);
		httpd_say(a, w->broken ? 400 : 200, NULL, w->broken ?
			  "{\"error\":\"invalid_grant\",\"error_description\":"
			  "\"Invalid refresh token provided\"}" :
			  "{\"accessToken\":\"new-tok\",\"expiresIn\":28800,"
			  "\"refreshToken\":\"ref-2\"}");
		return;
	}
	if (strncmp(r->head, "GET /container", 14) != 0) {
		sts(w, r, a);
		return;
	}
	httpd_header(r, "authorization", w->container_auth,
		     sizeof(w->container_auth));
	end_text(w, end);
	snprintf(text, sizeof(text), "{\"RoleArn\":\"a\",\"AccessKeyId\":"
		 "\"ASIATASK%u\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
		 "\"Expiration\":\"%s\"}", ++w->served, end);
	httpd_say(a, w->broken ? 500 : 200, NULL, text);
}

static void write_file(struct world *w, const char *name, const char *text)
{
	char path[128];
	struct cart_err err;

	snprintf(path, sizeof(path), "%s/.aws", w->home);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.aws/%s", w->home, name);
	unlink(path);
	if (cart_file_write_new(AT_FDCWD, path, text, strlen(text), 0600,
				&err) < 0)
		fail_msg("%s", err.text);
}

static void put(struct world *w, const char *name, const char *value)
{
	w->names[w->env.n] = name;
	w->values[w->env.n++] = (char *)(uintptr_t)value;
}

static int begin(struct world *w, const char *profile, struct cart_err *err)
{
	struct cart_aws_options o = {
		.env = &w->env, .net = w->net, .home = w->home,
		.profile = profile, .trust_environment = true,
	};

	cart_aws_free(w->aws);
	w->env.names = w->names;
	w->env.values = w->values;
	put(w, "AWS_ENDPOINT_URL", httpd_url(w->h));
	put(w, "AWS_EC2_METADATA_DISABLED", "true");
	w->aws = cart_aws_new(&o, err);
	return w->aws ? 0 : -1;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct cart_net_options o = { 0 };
	const char *tmp = getenv("TMPDIR");

	snprintf(w->home, sizeof(w->home), "%.40s/cred.XXXXXX",
		 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(w->home))
		return -1;
	w->h = httpd_start(answer, w);
	w->net = cart_net_new(&o, NULL);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	static const char *const files[] = {
		".aws/config", ".aws/credentials", "token", ".aws", "",
	};
	char path[128];
	size_t i;

	cart_aws_free(w->aws);
	cart_net_free(w->net);
	httpd_stop(w->h);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->home, files[i]);
		if (unlink(path) < 0)
			(void)rmdir(path);
	}
	free(w);
	return 0;
}

/* Key and source of the credentials that a session finds, or its error. */
static void check(struct world *w, const char *profile, const char *key,
		  const char *source)
{
	struct cart_err err;
	struct cart_creds *c = NULL;

	if (begin(w, profile, &err) == 0)
		c = cart_creds_hold(w->aws, &err);
	if (!key) {
		assert_null(c);
		if (!strstr(err.text, source))
			fail_msg("\"%s\" instead of \"%s\"", err.text, source);
	} else {
		if (!c)
			fail_msg("%s", err.text);
		assert_string_equal(c->c.access_key_id, key);
		if (!strstr(c->source, source))
			fail_msg("\"%s\" instead of \"%s\"", c->source, source);
		assert_string_equal(cart_aws_credential_source(w->aws),
				    c->source);
		cart_creds_release(w->aws, c);
	}
	w->env.n = 0;
}

static void order(void **state)
{
	struct world *w = *state;

	write_file(w, "credentials",
		   "[default]\naws_access_key_id=AKIADEFAULT\n"
		   "aws_secret_access_key=s\n[p]\naws_access_key_id=AKIAP\n"
		   "aws_secret_access_key=s\naws_session_token=t\n"
		   "[half]\naws_access_key_id=AKIAHALF\n");
	write_file(w, "config",
		   "[profile q]\naws_access_key_id=AKIAQ\n"
		   "aws_secret_access_key=s\nregion=eu-north-1\n"
		   "[profile p]\naws_access_key_id=NOTME\n"
		   "[profile sso]\nsso_session=x\n"
		   "[profile run]\ncredential_process=/bin/false\n");
	put(w, "AWS_ACCESS_KEY_ID", "AKIAENV");
	put(w, "AWS_SECRET_ACCESS_KEY", "s");
	check(w, NULL, "AKIAENV", "environment");
	/* a named profile beats the environment */
	put(w, "AWS_ACCESS_KEY_ID", "AKIAENV");
	put(w, "AWS_SECRET_ACCESS_KEY", "s");
	check(w, "p", "AKIAP", "profile p (");
	/* one from the environment does not */
	put(w, "AWS_ACCESS_KEY_ID", "AKIAENV");
	put(w, "AWS_SECRET_ACCESS_KEY", "s");
	put(w, "AWS_PROFILE", "p");
	check(w, NULL, "AKIAENV", "environment");
	put(w, "AWS_PROFILE", "q");
	check(w, NULL, "AKIAQ", ".aws/config)");
	assert_string_equal(cart_aws_region(w->aws), "eu-north-1");
	check(w, NULL, "AKIADEFAULT", "profile default");
	check(w, "none", NULL, "profile \"none\" is neither in");
	check(w, "half", NULL, "/.aws/credentials line 8: credentials of "
	      "profile half");
	check(w, "sso", NULL, "no AWS credentials");
	check(w, "run", NULL, "credential_process of profile \"run\": failed "
	      "(status 1)");
	put(w, "AWS_ACCESS_KEY_ID", "AKIAENV");
	check(w, NULL, NULL, "credentials of environment are not complete");
}

static void none(void **state)
{
	struct world *w = *state;

	check(w, NULL, NULL, "no AWS credentials: not in the environment");
	write_file(w, "config", "[profile x\n");
	check(w, NULL, NULL, "/.aws/config line 1: a section's name");
}

static void roles(void **state)
{
	struct world *w = *state;

	write_file(w, "config",
		   "[profile base]\naws_access_key_id=AKIABASE\n"
		   "aws_secret_access_key=s\n"
		   "[profile one]\nrole_arn=arn:aws:iam::1:role/one\n"
		   "source_profile=base\nexternal_id=x y\n"
		   "role_session_name=me\nduration_seconds=900\n"
		   "[profile two]\nrole_arn=arn:aws:iam::1:role/two\n"
		   "source_profile=one\n"
		   "[profile env]\nrole_arn=arn:aws:iam::1:role/env\n"
		   "credential_source=Environment\n"
		   "[profile loop]\nrole_arn=arn:aws:iam::1:role/l\n"
		   "source_profile=loop2\n"
		   "[profile loop2]\nrole_arn=arn:aws:iam::1:role/l\n"
		   "source_profile=loop\n"
		   "[profile lost]\nrole_arn=a\nsource_profile=nobody\n"
		   "[profile bare]\nrole_arn=a\n"
		   "[profile mfa]\nrole_arn=a\nsource_profile=base\n"
		   "mfa_serial=m\n"
		   "[profile long]\nrole_arn=a\nsource_profile=base\n"
		   "duration_seconds=1\n");
	check(w, "one", "ASIAROLE1", "role arn:aws:iam::1:role/one of profile "
	      "one");
	assert_string_equal(w->asked,
		"Action=AssumeRole&Version=2011-06-15&RoleArn="
		"arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fone&RoleSessionName=me"
		"&ExternalId=x%20y&DurationSeconds=900 by AKIABASE\n");
	w->asked[0] = '\0';
	check(w, "two", "ASIAROLE3", "role/two of profile two");
	assert_non_null(strstr(w->asked, "Fone&"));
	assert_non_null(strstr(w->asked, "by AKIABASE\nAction=AssumeRole&"
			       "Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A"
			       "%3A1%3Arole%2Ftwo&RoleSessionName=crashcart-"));
	assert_non_null(strstr(w->asked, "by ASIAROLE2\n"));
	put(w, "AWS_ACCESS_KEY_ID", "AKIAENV");
	put(w, "AWS_SECRET_ACCESS_KEY", "s");
	check(w, "env", "ASIAROLE4", "role/env");
	check(w, "loop", NULL, "go round in a circle");
	check(w, "lost", NULL, "source_profile \"nobody\" of profile \"lost\" "
	      "does not exist");
	check(w, "bare", NULL, "neither source_profile nor");
	check(w, "mfa", NULL, "wants a code of MFA device m, and there is none");
	check(w, "long", NULL, "duration_seconds");
	w->broken = true;
	check(w, "one", NULL, "role arn:aws:iam::1:role/one of profile one: "
	      "sts:AssumeRole in us-east-1: AccessDenied: no");
}

static void another_account(void **state)
{
	struct world *w = *state;
	struct cart_aws *other;
	struct cart_creds *c;
	struct cart_err err;

	put(w, "AWS_ACCESS_KEY_ID", "AKIAENV");
	put(w, "AWS_SECRET_ACCESS_KEY", "s");
	put(w, "AWS_REGION", "eu-west-1");
	assert_int_equal(begin(w, NULL, &err), 0);
	other = cart_aws_assume(w->aws, "arn:aws:iam::2:role/r", "x", &err);
	assert_non_null(other);
	assert_string_equal(w->asked, "");
	assert_string_equal(cart_aws_region(other), "eu-west-1");
	c = cart_creds_hold(other, &err);
	assert_non_null(c);
	assert_string_equal(c->c.access_key_id, "ASIAROLE1");
	assert_string_equal(c->source, "role arn:aws:iam::2:role/r by "
			    "environment");
	assert_non_null(strstr(w->asked, "2%3Arole%2Fr&"));
	assert_non_null(strstr(w->asked, "&ExternalId=x"));
	assert_non_null(strstr(w->asked, "by AKIAENV\n"));
	assert_true(cart_creds_expired(other, c));
	cart_creds_release(other, c);
	w->broken = true;
	assert_null(cart_creds_hold(other, &err));
	assert_int_equal(err.class, CART_ERR_DENIED);
	assert_non_null(strstr(err.text, "AccessDenied"));
	cart_aws_free(other);
}

static int code(void *arg, const char *serial, char *out, size_t size)
{
	snprintf(out, size, "123456");
	return strcmp(serial, "arn:aws:iam::1:mfa/me") ? -1 : 0;
}

static void note(void *arg, const char *type, const struct cart_json *fields)
{
	struct world *w = arg;
	size_t n = strlen(w->asked);

	snprintf(w->asked + n, sizeof(w->asked) - n, "%s: %s\n", type,
		 cart_json_get_string(fields, "text"));
}

static void case_and_mfa(void **state)
{
	struct world *w = *state;
	struct cart_aws_options o = {
		.env = &w->env, .net = w->net, .home = w->home,
		.profile = "p", .trust_environment = true,
		.session_name = "crashcart-C1", .session_case = "C1",
		.mfa_code = code,
	};
	struct cart_creds *c;
	struct cart_err err;

	write_file(w, "config",
		   "[profile p]\nrole_arn=arn:aws:iam::1:role/r\n"
		   "source_profile=p\nmfa_serial=arn:aws:iam::1:mfa/me\n"
		   "aws_access_key_id=AKIAP\naws_secret_access_key=s\n"
		   "[profile q]\nrole_arn=arn:aws:iam::1:role/r\n"
		   "source_profile=p\n");
	assert_int_equal(begin(w, "p", &err), 0);
	cart_aws_free(w->aws);
	w->aws = cart_aws_new(&o, &err);
	c = cart_creds_hold(w->aws, &err);
	if (!c)
		fail_msg("%s", err.text);
	cart_creds_release(w->aws, c);
	assert_non_null(strstr(w->asked, "&RoleSessionName=crashcart-C1&"
		"SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fme&TokenCode=123456"
		"&Tags.member.1.Key=crashcart-case&Tags.member.1.Value=C1 by "
		"AKIAP\n"));
	cart_aws_free(w->aws);
	w->asked[0] = '\0';
	w->no_tags = true;
	o.profile = "q";
	o.fact = note;
	o.arg = w;
	w->aws = cart_aws_new(&o, &err);
	c = cart_creds_hold(w->aws, &err);
	if (!c)
		fail_msg("%s", err.text);
	cart_creds_release(w->aws, c);
	assert_non_null(strstr(w->asked, "&RoleSessionName=crashcart-C1 by "
			       "AKIAP\n"));
	assert_non_null(strstr(w->asked, "does not allow sts:TagSession"));
}

static void identity_center(void **state)
{
	struct world *w = *state;
	char path[160], text[256];
	int i;

	write_file(w, "config",
		   "[sso-session s]\nsso_start_url=https://x.awsapps.com/start\n"
		   "sso_region=eu-west-1\n"
		   "[profile new]\nsso_session=s\nsso_account_id=111122223333\n"
		   "sso_role_name=Read\n"
		   "[profile old]\nsso_start_url=https://y/start\n"
		   "sso_region=eu-west-1\nsso_account_id=1\nsso_role_name=R\n"
		   "[profile half]\nsso_session=s\nsso_account_id=1\n"
		   "[profile lost]\nsso_session=t\nsso_account_id=1\n");
	check(w, "half", NULL, "profile \"half\" is not complete");
	check(w, "lost", NULL, "names sso-session \"t\", which is not in");
	check(w, "new", NULL, "no token of `aws sso login --profile new`");
	snprintf(path, sizeof(path), "%s/.aws/sso", w->home);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.aws/sso/cache", w->home);
	mkdir(path, 0700);
	/* SHA-1 of "s" and of "https://y/start" */
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/.aws/sso/cache/%s.json",
			 w->home, i % 2 ?
			 "30c927ecc8d8349bdcfe657abfc19de9afe86ad8" :
			 "a0f1490a20d0211c997b44bc357e1972deab8ae3");
		snprintf(text, sizeof(text), "{\"accessToken\":\"tok-%d\","
			 "\"expiresAt\":\"%s\"}", i, i < 2 ?
			 "2020-01-01T00:00:00Z" : i == 2 ?
			 "2199-01-01T00:00:00Z" : "2199-01-01T00:00:00UTC");
		unlink(path);
		assert_int_equal(cart_file_write_new(AT_FDCWD, path, text,
				 strlen(text), 0600, NULL), 0);
		if (i == 0)
			check(w, "new", NULL, "is over or not complete");
	}
	check(w, "new", "ASIASSO", "role Read in 111122223333 by Identity "
	      "Center, profile new");
	assert_string_equal(w->container_auth, "tok-2");
	assert_string_equal(w->asked, "GET /federation/credentials?role_name="
			    "Read&account_id=111122223333 HTTP/1.1");
	check(w, "old", "ASIASSO", "role R in 1");
	assert_string_equal(w->container_auth, "tok-3");
	w->broken = true;
	check(w, "old", NULL, "profile old: sso:GetRoleCredentials in eu-west-1");
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/.aws/sso/cache/%s.json",
			 w->home, i ? "30c927ecc8d8349bdcfe657abfc19de9afe86ad8" :
			 "a0f1490a20d0211c997b44bc357e1972deab8ae3");
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/.aws/sso/cache", w->home);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/.aws/sso", w->home);
	rmdir(path);
}

/* The same session fetches its credentials once more. */
static void again(struct world *w, const char *key)
{
	struct cart_creds *c;
	struct cart_err err;

	put(w, "AWS_ENDPOINT_URL", httpd_url(w->h));
	c = cart_creds_hold(w->aws, &err);
	assert_non_null(c);
	assert_true(cart_creds_expired(w->aws, c));
	cart_creds_release(w->aws, c);
	w->container_auth[0] = '\0';
	c = cart_creds_hold(w->aws, &err);
	if (!c)
		fail_msg("%s", err.text);
	assert_string_equal(c->c.access_key_id, key);
	cart_creds_release(w->aws, c);
	w->env.n = 0;
}

/* A token that is over, and what its login left to renew it with. */
static void identity_center_renewed(void **state)
{
	static const char text[] =
		"{\"accessToken\":\"old-tok\",\"expiresAt\":"
		"\"2020-01-01T00:00:00Z\",\"refreshToken\":\"ref-1\","
		"\"clientId\":\"cid\",\"clientSecret\":\"csecret\","
		"\"registrationExpiresAt\":\"2199-01-01T00:00:00Z\"}";
	struct world *w = *state;
	struct cart_buf after;
	char path[160], dir[160];

	write_file(w, "config",
		   "[sso-session s]\nsso_start_url=https://x.awsapps.com/start\n"
		   "sso_region=eu-west-1\n"
		   "[profile new]\nsso_session=s\nsso_account_id=111122223333\n"
		   "sso_role_name=Read\n");
	snprintf(dir, sizeof(dir), "%s/.aws/sso", w->home);
	mkdir(dir, 0700);
	snprintf(dir, sizeof(dir), "%s/.aws/sso/cache", w->home);
	mkdir(dir, 0700);
	snprintf(path, sizeof(path), "%s/.aws/sso/cache/"
		 "a0f1490a20d0211c997b44bc357e1972deab8ae3.json", w->home);
	assert_int_equal(cart_file_write_new(AT_FDCWD, path, text, strlen(text),
					     0400, NULL), 0);
	w->broken = true;
	check(w, "new", NULL, "is over or not complete (`aws sso login "
	      "--profile new` makes a new one): sso-oidc:CreateToken");
	w->broken = false;
	check(w, "new", "ASIASSO", "role Read in 111122223333");
	assert_string_equal(w->token_body, "{\"clientId\":\"cid\","
		"\"clientSecret\":\"csecret\",\"grantType\":\"refresh_token\","
		"\"refreshToken\":\"ref-1\"}");
	assert_string_equal(w->container_auth, "new-tok");
	/* the next credentials do not need a third token */
	w->token_body[0] = '\0';
	again(w, "ASIASSO");
	assert_string_equal(w->token_body, "");
	assert_string_equal(w->container_auth, "new-tok");
	/* nothing was written to the host */
	cart_buf_init(&after, 4096);
	assert_int_equal(cart_file_read(AT_FDCWD, path, &after, NULL), 0);
	assert_string_equal((char *)after.data, text);
	cart_buf_clear(&after);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	snprintf(dir, sizeof(dir), "%s/.aws/sso", w->home);
	assert_int_equal(rmdir(dir), 0);
}

static void process(void **state)
{
	struct world *w = *state;
	struct cart_aws_options o = { .env = &w->env, .net = w->net,
				      .home = w->home, .profile = "good" };
	struct cart_err err;

	write_file(w, "config",
		   "[profile good]\ncredential_process = printf "
		   "'{\"Version\":1,\"AccessKeyId\":\"AKIA%s\","
		   "\"SecretAccessKey\":\"s\"}' \"P R\"OC\n"
		   "[profile plain]\ncredential_process=printf "
		   "{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"AKIA%s\\\","
		   "\\\"SecretAccessKey\\\":\\\"s\\\"} '' \n"
		   "[profile version]\ncredential_process=echo {}\n"
		   "[profile none]\ncredential_process=/no/such/program x\n"
		   "[profile quote]\ncredential_process=echo 'x\n"
		   "[profile much]\ncredential_process=head -c 100000 /dev/zero\n");
	check(w, "good", NULL, "hold white space");
	check(w, "plain", "AKIA", "credential_process of profile plain");
	check(w, "version", NULL, "another version than 1");
	check(w, "none", NULL, "credential_process of profile \"none\": cannot "
	      "be run: ");
	check(w, "quote", NULL, "has an open quote");
	check(w, "much", NULL, "its output");
	/* not on a host that nobody vouches for */
	cart_aws_free(w->aws);
	w->aws = cart_aws_new(&o, &err);
	assert_null(cart_creds_hold(w->aws, &err));
	assert_non_null(strstr(err.text, "--trust-environment allows it"));
}

static void web_identity(void **state)
{
	struct world *w = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/token", w->home);
	put(w, "AWS_ROLE_ARN", "arn:aws:iam::1:role/pod");
	put(w, "AWS_WEB_IDENTITY_TOKEN_FILE", path);
	check(w, NULL, NULL, "web identity token: ");
	assert_int_equal(cart_file_write_new(AT_FDCWD, path, "JWT", 3, 0600,
					     NULL), 0);
	put(w, "AWS_ROLE_ARN", "arn:aws:iam::1:role/pod");
	put(w, "AWS_WEB_IDENTITY_TOKEN_FILE", path);
	put(w, "AWS_ROLE_SESSION_NAME", "pod-1");
	check(w, NULL, "ASIAROLE1", "role/pod by web identity");
	assert_string_equal(w->asked, "Action=AssumeRoleWithWebIdentity&"
		"Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fpod"
		"&RoleSessionName=pod-1&WebIdentityToken=JWT by none\n");
}

static void container(void **state)
{
	struct world *w = *state;
	char url[128];

	snprintf(url, sizeof(url), "%s/container", httpd_url(w->h));
	put(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
	put(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer abc");
	check(w, NULL, "ASIATASK1", "container role");
	assert_string_equal(w->container_auth, "Bearer abc");
	put(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/x");
	check(w, NULL, NULL, "plain http to 192.0.2.1 is not allowed");
	w->broken = true;
	put(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
	check(w, NULL, NULL, "container role: answered with status 500");
}

/* Near their end, credentials are renewed; if that fails, used to the end. */
static void renewal(void **state)
{
	struct world *w = *state;
	struct cart_creds *old, *c;
	struct cart_err err;
	char url[128];

	snprintf(url, sizeof(url), "%s/container", httpd_url(w->h));
	put(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
	w->life_s = 500;
	assert_int_equal(begin(w, NULL, &err), 0);
	old = cart_creds_hold(w->aws, &err);
	assert_string_equal(old->c.access_key_id, "ASIATASK1");
	/* that one was near its end when it came: no hurry to ask again */
	c = cart_creds_hold(w->aws, &err);
	assert_ptr_equal(c, old);
	cart_creds_release(w->aws, c);
	w->aws->creds.next_try_mono_ns = 0;
	c = cart_creds_hold(w->aws, &err);
	assert_string_equal(c->c.access_key_id, "ASIATASK2");
	/* whoever holds the old ones can still read them */
	assert_string_equal(old->c.access_key_id, "ASIATASK1");
	cart_creds_release(w->aws, old);
	cart_creds_release(w->aws, c);
	w->broken = true;
	w->aws->creds.next_try_mono_ns = 0;
	c = cart_creds_hold(w->aws, &err);
	assert_string_equal(c->c.access_key_id, "ASIATASK2");
	/* AWS says no: then there are none */
	assert_true(cart_creds_expired(w->aws, c));
	cart_creds_release(w->aws, c);
	assert_null(cart_creds_hold(w->aws, &err));
	assert_int_equal(err.class, CART_ERR_DENIED);
	/* and the answer is remembered for a while */
	cart_err_clear(&err);
	assert_null(cart_creds_hold(w->aws, &err));
	assert_non_null(strstr(err.text, "status 500"));
}

static void environment_is_taken(void **state)
{
	char secret[] = "AWS_SECRET_ACCESS_KEY=secret";
	char *fake[] = {
		(char[]){ "PATH=/bin" }, secret, (char[]){ "AWS_REGION=r" },
		(char[]){ "AWS_ENDPOINT_URL_NEW_SERVICE=https://e=f" },
		(char[]){ "LD_PRELOAD=x" }, (char[]){ "nonsense" },
		(char[]){ "=x" }, (char[]){ "HOME=" }, NULL,
	};
	char **before = environ;
	struct cart_env *env;

	environ = fake;
	env = cart_env_take();
	assert_non_null(env);
	assert_null(*environ);
	assert_string_equal(secret, "AWS_SECRET_ACCESS_KEY=");
	assert_int_equal(env->n, 4);
	assert_string_equal(cart_env_get(env, "AWS_SECRET_ACCESS_KEY"),
			    "secret");
	assert_string_equal(cart_env_get(env, "AWS_ENDPOINT_URL_NEW_SERVICE"),
			    "https://e=f");
	assert_string_equal(cart_env_get(env, "HOME"), "");
	assert_null(cart_env_get(env, "PATH"));
	assert_null(cart_env_get(env, "AWS_PROFILE"));
	cart_env_free(env);
	environ = before;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(order), TEST(none), TEST(roles), TEST(another_account), TEST(case_and_mfa),
		TEST(identity_center),
		TEST(identity_center_renewed),
		TEST(process),
		TEST(web_identity),
		TEST(container), TEST(renewal),
		cmocka_unit_test(environment_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
