/* SPDX-License-Identifier: Apache-2.0 */
/* Calls against a small server that plays AWS, its throttling and its faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/aws.h>
#include <crashcart/clock.h>

#include "unit/support/httpd.h"

#define XML_TYPE "Content-Type: text/xml\r\nx-amzn-RequestId: req-1\r\n"

static const char identity[] =
	"<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/"
	"2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:"
	"user/a</Arn><UserId>AIDA</UserId><Account>111122223333</Account>"
	"</GetCallerIdentityResult><ResponseMetadata><RequestId>req-1"
	"</RequestId></ResponseMetadata></GetCallerIdentityResponse>";

struct world {
	struct httpd *h;
	struct cart_net *net;
	struct cart_aws *aws;
	struct cart_env env;
	const char *names[32];
	char *values[32];
	char facts[8192];
	/* what the server plays */
	enum { GOOD, THROTTLE, DENY, SERVER_ERROR, HANG_UP, GARBAGE, CUT,
	       SKEW, EXPIRED, ELSEWHERE } play;
	unsigned bad;			/* so many answers are bad */
	unsigned seen;			/* requests that reached a service */
	unsigned tokens, roles;		/* of the metadata service */
	char auth[512], date[64], body[512], path[256];
	int64_t server_offset_s;
};

static void say_error(struct httpd_answer *a, int status, const char *code,
		      const char *extra)
{
	char body[1024], head[512];

	snprintf(body, sizeof(body), "<ErrorResponse><Error><Type>Sender</Type>"
		 "<Code>%s</Code><Message>because \xe2\x80\xae</Message></Error>"
		 "<RequestId>req-2</RequestId></ErrorResponse>", code);
	snprintf(head, sizeof(head), XML_TYPE "%s", extra ? extra : "");
	httpd_say(a, status, head, body);
}

static void imds(struct world *w, const struct httpd_request *r,
		 struct httpd_answer *a)
{
	char text[256], end[CART_CLOCK_TEXT_SIZE], json[512];

	if (!strncmp(r->head, "PUT /latest/api/token", 21)) {
		httpd_header(r, "x-aws-ec2-metadata-token-ttl-seconds", text,
			     sizeof(text));
		assert_string_equal(text, "21600");
		snprintf(text, sizeof(text), "TOKEN-%u", ++w->tokens);
		httpd_say(a, 200, NULL, text);
		return;
	}
	snprintf(end, sizeof(end), "TOKEN-%u", w->tokens);
	httpd_header(r, "x-aws-ec2-metadata-token", text, sizeof(text));
	if (strcmp(text, end) != 0) {
		httpd_say(a, 401, NULL, "");
	} else if (strstr(r->head, "security-credentials/ HTTP")) {
		httpd_say(a, 200, NULL, "role-a");
	} else if (strstr(r->head, "security-credentials/role-a HTTP")) {
		cart_clock_text(cart_clock_utc_ns() + INT64_C(3600000000000), 0,
				end);
		snprintf(json, sizeof(json), "{\"Code\":\"Success\","
			 "\"AccessKeyId\":\"ASIAROLE%u\",\"SecretAccessKey\":"
			 "\"s\",\"Token\":\"t\",\"Expiration\":\"%s\"}",
			 ++w->roles, end);
		httpd_say(a, 200, NULL, json);
	} else if (strstr(r->head, "/placement/region HTTP")) {
		httpd_say(a, 200, NULL, "eu-west-3");
	} else {
		httpd_say(a, 404, NULL, "none");
	}
}

static void answer(void *arg, const struct httpd_request *r,
		   struct httpd_answer *a)
{
	struct world *w = arg;
	char head[512];
	bool bad;

	if (strstr(r->head, " /latest/")) {
		imds(w, r, a);
		return;
	}
	bad = w->seen++ < w->bad;
	httpd_header(r, "authorization", w->auth, sizeof(w->auth));
	httpd_header(r, "x-amz-date", w->date, sizeof(w->date));
	snprintf(w->body, sizeof(w->body), "%.*s", (int)r->body_len, r->body);
	snprintf(w->path, sizeof(w->path), "%.*s", (int)strcspn(r->head, "\r"),
		 r->head);
	snprintf(head, sizeof(head), XML_TYPE);
	if (!bad) {
		httpd_say(a, 200, head, identity);
		return;
	}
	switch (w->play) {
	case THROTTLE:
		say_error(a, 400, "Throttling", "Retry-After: 0\r\n");
		break;
	case DENY:
		say_error(a, 403, "AccessDenied", NULL);
		break;
	case SERVER_ERROR:
		say_error(a, 500, "InternalFailure", NULL);
		break;
	case HANG_UP:
		a->close = 1;
		break;
	case GARBAGE:
		httpd_say(a, 200, head, "<GetCallerIdentityResponse><a></b>");
		break;
	case CUT:
		httpd_say(a, 200, head, identity);
		a->len = strlen(a->text) - 20;
		a->close = 1;
		break;
	case SKEW:
		/* 20 minutes ahead of the host's clock */
		say_error(a, 403, "SignatureDoesNotMatch",
			  "Date: Tue, 01 Jan 2030 00:00:00 GMT\r\n");
		break;
	case EXPIRED:
		say_error(a, 403, "ExpiredToken", NULL);
		break;
	case ELSEWHERE:
		httpd_say(a, 301, "x-amz-bucket-region: eu-south-2\r\n",
			  "<Error><Code>PermanentRedirect</Code><Message>there"
			  "</Message></Error>");
		break;
	default:
		httpd_say(a, 200, head, identity);
	}
}

static void fact(void *arg, const char *type, const struct cart_json *fields)
{
	struct world *w = arg;
	struct cart_buf b;
	size_t n = strlen(w->facts);

	cart_buf_init(&b, 4096);
	cart_json_print(fields, 0, &b);
	snprintf(w->facts + n, sizeof(w->facts) - n, "%s %s\n", type,
		 (char *)b.data);
	cart_buf_clear(&b);
}

static void put(struct world *w, const char *name, const char *value)
{
	w->names[w->env.n] = name;
	w->values[w->env.n++] = (char *)(uintptr_t)value;
}

static void begin(struct world *w, bool keys)
{
	struct cart_aws_options o = {
		.env = &w->env, .net = w->net, .trust_environment = true,
		.fact = fact, .arg = w,
	};
	struct cart_err err;

	w->env.names = w->names;
	w->env.values = w->values;
	put(w, "AWS_ENDPOINT_URL", httpd_url(w->h));
	put(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT", httpd_url(w->h));
	if (keys) {
		put(w, "AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
		put(w, "AWS_SECRET_ACCESS_KEY", "SECRETEXAMPLE");
		put(w, "AWS_REGION", "eu-central-1");
	}
	w->aws = cart_aws_new(&o, &err);
	if (!w->aws)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct cart_net_options o = { 0 };

	w->h = httpd_start(answer, w);
	w->net = cart_net_new(&o, NULL);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	cart_aws_free(w->aws);
	cart_net_free(w->net);
	httpd_stop(w->h);
	free(w);
	return 0;
}

static int who(struct world *w, struct cart_aws_reply *r, struct cart_err *err)
{
	const struct cart_aws_call c = {
		.service = "sts", .operation = "GetCallerIdentity",
	};

	return cart_aws_call(w->aws, &c, r, err);
}

static void good_call(void **state)
{
	struct world *w = *state;
	struct cart_aws_reply r;
	struct cart_err err;

	begin(w, true);
	assert_int_equal(who(w, &r, &err), 0);
	assert_string_equal(cart_json_get_string(r.view, "Account"),
			    "111122223333");
	assert_int_equal(r.attempts, 1);
	assert_int_equal(r.status, 200);
	assert_true(r.sent);
	assert_string_equal(r.request_id, "req-1");
	assert_string_equal(r.region, "eu-central-1");
	assert_string_equal(r.address, "127.0.0.1");
	assert_int_equal(r.raw.len, strlen(identity));
	assert_string_equal(w->body,
			    "Action=GetCallerIdentity&Version=2011-06-15");
	assert_non_null(strstr(w->auth, "Credential=AKIAEXAMPLE/"));
	assert_non_null(strstr(w->auth, "/eu-central-1/sts/aws4_request"));
	assert_string_equal(cart_aws_credential_source(w->aws), "environment");
	assert_non_null(strstr(w->facts, "endpoint {\"service\":\"sts\","
			       "\"region\":\"eu-central-1\",\"url\":\"http://"));
	assert_non_null(strstr(w->facts, "\"origin\":\"environment\","
			       "\"address\":\"127.0.0.1\"}"));
	assert_null(strstr(w->facts, "SECRETEXAMPLE"));
	cart_aws_reply_clear(&r);
	/* facts are told once */
	w->facts[0] = '\0';
	assert_int_equal(who(w, &r, &err), 0);
	assert_string_equal(w->facts, "");
	cart_aws_reply_clear(&r);
}

static void retries(void **state)
{
	static const struct {
		int play;
		unsigned bad, attempts;
		int rc;
		enum cart_err_class class;
		const char *code;
	} t[] = {
		{ THROTTLE, 2, 3, 0, CART_ERR_NONE, "" },
		{ SERVER_ERROR, 2, 3, 0, CART_ERR_NONE, "" },
		{ HANG_UP, 2, 3, 0, CART_ERR_NONE, "" },
		{ GARBAGE, 1, 2, 0, CART_ERR_NONE, "" },
		{ CUT, 1, 2, 0, CART_ERR_NONE, "" },
		{ DENY, 99, 1, -1, CART_ERR_DENIED, "AccessDenied" },
		{ EXPIRED, 99, 1, -1, CART_ERR_DENIED, "ExpiredToken" },
		{ GARBAGE, 99, 4, -1, CART_ERR_INPUT, "" },
	};
	struct world *w = *state;
	size_t i;

	begin(w, true);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct cart_aws_reply r;
		struct cart_err err;

		w->play = t[i].play;
		w->bad = t[i].bad;
		w->seen = 0;
		if (who(w, &r, &err) != t[i].rc)
			fail_msg("case %zu: %s", i, err.text);
		/* libcurl itself repeats what a reused connection swallowed */
		if (r.attempts != t[i].attempts && t[i].play != HANG_UP)
			fail_msg("case %zu: %u attempts", i, r.attempts);
		assert_int_equal(err.class, t[i].class);
		assert_string_equal(r.error_code, t[i].code);
		if (t[i].play == DENY) {
			assert_string_equal(r.error_message, "because \\xe2\\x80\\xae");
			assert_non_null(strstr(err.text, "sts:GetCallerIdentity"
				" in eu-central-1: AccessDenied: because"));
			assert_non_null(strstr(err.text, "req-"));
		}
		cart_aws_reply_clear(&r);
	}
}

static void a_change_happens_once(void **state)
{
	static const struct {
		int play;
		unsigned bad, seen;
		int rc;
	} t[] = {
		{ SERVER_ERROR, 1, 1, -1 }, { HANG_UP, 1, 1, -1 },
		{ CUT, 1, 1, -1 }, { GARBAGE, 1, 1, -1 },
		/* AWS says that it did nothing */
		{ THROTTLE, 1, 2, 0 },
	};
	struct world *w = *state;
	size_t i;

	begin(w, true);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct cart_aws_call c = {
			.service = "sts", .operation = "GetCallerIdentity",
			.once = true,
		};
		struct cart_aws_reply r;
		struct cart_err err;

		w->play = t[i].play;
		w->bad = t[i].bad;
		w->seen = 0;
		assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), t[i].rc);
		if (w->seen != t[i].seen)
			fail_msg("case %zu: %u requests", i, w->seen);
		assert_true(r.sent);
		cart_aws_reply_clear(&r);
	}
}

static void debugging(void *arg, const char *text)
{
	struct world *w = arg;
	size_t n = strlen(w->facts);

	snprintf(w->facts + n, sizeof(w->facts) - n, "%s\n", text);
}

static void debug_tells_no_secret(void **state)
{
	struct world *w = *state;
	struct cart_aws_options o = {
		.env = &w->env, .net = w->net, .trust_environment = true,
		.debug = debugging, .arg = w,
	};
	struct cart_aws_reply r;
	struct cart_err err;

	begin(w, true);
	put(w, "AWS_SESSION_TOKEN", "TOKENEXAMPLE");
	cart_aws_free(w->aws);
	w->aws = cart_aws_new(&o, &err);
	w->play = THROTTLE;
	w->bad = 1;
	assert_int_equal(who(w, &r, &err), 0);
	cart_aws_reply_clear(&r);
	assert_non_null(strstr(w->facts, "canonical request:\nPOST\n/\n\n"));
	assert_non_null(strstr(w->facts, "\nx-amz-security-token:(masked)\n"));
	assert_non_null(strstr(w->facts, ", attempt 1: status 400 from 127.0.0.1"));
	assert_non_null(strstr(w->facts, "ms before attempt 2\n"));
	assert_non_null(strstr(w->facts, ", attempt 2: status 200 from 127.0.0.1"));
	assert_null(strstr(w->facts, "TOKENEXAMPLE"));
	assert_null(strstr(w->facts, "SECRETEXAMPLE"));
	assert_null(strstr(w->facts, "Signature="));
}

static void only_reviewed_reads(void **state)
{
	struct world *w = *state;
	struct cart_json *in = cart_json_parse("{\"InstanceIds\":[\"i-1\"]}",
					       23, NULL, NULL);
	struct cart_aws_call c = {
		.service = "ec2", .operation = "TerminateInstances", .input = in,
	};
	struct cart_aws_reply r;
	struct cart_err err;

	begin(w, true);
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	assert_non_null(strstr(err.text, "only read"));
	assert_false(r.sent);
	cart_aws_reply_clear(&r);
	c.service = "sts";
	c.operation = "AssumeRoleWithWebIdentity";
	c.input = NULL;
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	cart_aws_reply_clear(&r);
	c.operation = "NoSuchThing";
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	cart_aws_reply_clear(&r);
	assert_int_equal(httpd_requests(w->h), 0);
	cart_json_free(in);
}

static void the_clock_is_corrected(void **state)
{
	struct world *w = *state;
	struct cart_aws_reply r;
	struct cart_err err;
	int64_t ms, uncertainty;

	begin(w, true);
	w->play = SKEW;
	w->bad = 1;
	assert_int_equal(who(w, &r, &err), 0);
	assert_int_equal(r.attempts, 2);
	assert_int_equal(memcmp(w->date, "20300101T0000", 13), 0);
	assert_true(cart_aws_clock_offset(w->aws, &ms, &uncertainty));
	assert_true(uncertainty <= 1500);
	assert_non_null(strstr(w->facts, "clock {\"source\":\"http-date\","));
	assert_non_null(strstr(w->facts, "\"applied\":true}"));
	cart_aws_reply_clear(&r);
	/* once is enough: a signature that stays wrong is wrong */
	w->bad = 99;
	w->seen = 0;
	assert_int_equal(who(w, &r, &err), -1);
	assert_int_equal(err.class, CART_ERR_DENIED);
	assert_int_equal(r.attempts, 1);
	cart_aws_reply_clear(&r);
}

static void a_bucket_elsewhere(void **state)
{
	struct world *w = *state;
	const char text[] = "{\"Bucket\":\"b\"}";
	struct cart_json *in = cart_json_parse(text, strlen(text), NULL, NULL);
	const struct cart_aws_call c = {
		.service = "s3", .operation = "GetBucketAcl", .input = in,
	};
	struct cart_aws_reply r;
	struct cart_err err;

	begin(w, true);
	w->play = ELSEWHERE;
	w->bad = 1;
	/* what comes after the redirect is not an ACL, but it is an answer */
	cart_aws_call(w->aws, &c, &r, &err);
	assert_true(w->seen >= 2);
	assert_non_null(strstr(w->auth, "/eu-south-2/s3/aws4_request"));
	assert_string_equal(w->path, "GET /b?acl= HTTP/1.1");
	assert_string_equal(r.region, "eu-south-2");
	cart_aws_reply_clear(&r);
	/* only once */
	w->bad = 99;
	w->seen = 0;
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	assert_int_equal(w->seen, 2);
	assert_string_equal(r.error_code, "PermanentRedirect");
	cart_aws_reply_clear(&r);
	cart_json_free(in);
}

static bool at_once(void *arg)
{
	return true;
}

static void nobody_there(void **state)
{
	struct world *w = *state;
	struct cart_aws_options o = {
		.env = &w->env, .net = w->net,
		.endpoint_url = "http://127.0.0.1:1",
	};
	struct cart_aws_call c = {
		.service = "sts", .operation = "GetCallerIdentity",
		.once = true,
	};
	struct cart_aws_reply r;
	struct cart_err err;

	begin(w, true);
	cart_aws_free(w->aws);
	/* nothing was sent, so even what must happen once is tried again */
	w->aws = cart_aws_new(&o, &err);
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	assert_int_equal(err.class, CART_ERR_NET);
	assert_int_equal(r.attempts, 4);
	assert_false(r.sent);
	assert_int_equal(r.status, 0);
	cart_aws_reply_clear(&r);
	/* the next call to that host does not pay for it again */
	c.once = false;
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	assert_int_equal(r.attempts, 1);
	cart_aws_reply_clear(&r);
	cart_aws_free(w->aws);
	/* a stop does not wait for the retries */
	o.cancelled = at_once;
	w->aws = cart_aws_new(&o, &err);
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	assert_int_equal(err.class, CART_ERR_CANCELLED);
	assert_int_equal(r.attempts, 0);
	cart_aws_reply_clear(&r);
	cart_aws_free(w->aws);
	/* neither does the time that the caller gives */
	o.cancelled = NULL;
	o.max_elapsed_ms = 100;
	w->aws = cart_aws_new(&o, &err);
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	assert_true(r.duration_ms < 500);
	cart_aws_reply_clear(&r);
	cart_aws_free(w->aws);
	/* plain http to another host is no endpoint */
	o.endpoint_url = "http://192.0.2.1";
	w->aws = cart_aws_new(&o, &err);
	assert_int_equal(cart_aws_call(w->aws, &c, &r, &err), -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	cart_aws_reply_clear(&r);
}

static void instance_role(void **state)
{
	struct world *w = *state;
	struct cart_aws_reply r;
	struct cart_err err;

	begin(w, false);
	assert_string_equal(cart_aws_region(w->aws), "eu-west-3");
	assert_int_equal(who(w, &r, &err), 0);
	assert_string_equal(cart_aws_credential_source(w->aws),
			    "instance role role-a");
	assert_non_null(strstr(w->auth, "Credential=ASIAROLE1/"));
	assert_string_equal(r.region, "eu-west-3");
	cart_aws_reply_clear(&r);
	/* AWS says they are over: one renewal, then the call again */
	w->play = EXPIRED;
	w->bad = 1;
	w->seen = 0;
	assert_int_equal(who(w, &r, &err), 0);
	assert_non_null(strstr(w->auth, "Credential=ASIAROLE2/"));
	assert_int_equal(r.attempts, 2);
	cart_aws_reply_clear(&r);
	w->bad = 99;
	assert_int_equal(who(w, &r, &err), -1);
	assert_int_equal(err.class, CART_ERR_DENIED);
	assert_int_equal(r.attempts, 2);
	cart_aws_reply_clear(&r);
}

static void metadata_token_is_renewed(void **state)
{
	struct world *w = *state;
	struct cart_imds *m;
	struct cart_http_reply p;
	struct cart_err err;

	begin(w, false);
	m = cart_imds_new(w->net, &w->env, false, &err);
	assert_non_null(m);
	assert_string_equal(cart_imds_endpoint(m), httpd_url(w->h));
	assert_int_equal(cart_imds_get(m, "/latest/meta-data/placement/region",
				       &p, &err), 0);
	assert_int_equal(p.status, 200);
	cart_http_reply_clear(&p);
	w->tokens++;	/* the service forgot the one we have */
	assert_int_equal(cart_imds_get(m, "/latest/meta-data/none", &p, &err),
			 0);
	assert_int_equal(p.status, 404);
	cart_http_reply_clear(&p);
	assert_int_equal(w->tokens, 3);
	cart_imds_free(m);
}

static void no_metadata_service(void **state)
{
	struct world *w = *state;
	struct cart_env env = { w->names, w->values, 0 };
	struct cart_imds *m;
	struct cart_http_reply p;
	struct cart_err err;
	int64_t start = cart_clock_mono_ns();

	w->names[0] = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
	w->values[0] = (char *)(uintptr_t)"http://127.0.0.1:1";
	env.n = 1;
	m = cart_imds_new(w->net, &env, false, &err);
	assert_int_equal(cart_imds_get(m, "/latest/", &p, &err), -1);
	assert_int_equal(err.class, CART_ERR_NET);
	cart_http_reply_clear(&p);
	cart_imds_free(m);
	assert_true(cart_clock_mono_ns() - start < 2000000000);
	/* another host: not without trust */
	w->values[0] = (char *)(uintptr_t)"http://192.0.2.1";
	m = cart_imds_new(w->net, &env, false, &err);
	assert_string_equal(cart_imds_endpoint(m), "http://169.254.169.254");
	cart_imds_free(m);
	w->names[1] = "AWS_EC2_METADATA_DISABLED";
	w->values[1] = (char *)(uintptr_t)"true";
	env.n = 2;
	m = cart_imds_new(w->net, &env, true, &err);
	assert_string_equal(cart_imds_endpoint(m), "http://192.0.2.1");
	assert_int_equal(cart_imds_get(m, "/latest/", &p, &err), -1);
	cart_http_reply_clear(&p);
	cart_imds_free(m);
}

static void untrusted_environment(void **state)
{
	struct world *w = *state;
	struct cart_aws_options o = {
		.env = &w->env, .net = w->net, .fact = fact, .arg = w,
	};
	const struct cart_aws_call c = {
		.service = "sts", .operation = "GetCallerIdentity",
	};
	struct cart_json *shown;
	struct cart_err err;

	w->env.names = w->names;
	w->env.values = w->values;
	put(w, "AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
	put(w, "AWS_REGION", "eu-central-1");
	w->aws = cart_aws_new(&o, &err);
	assert_non_null(w->aws);
	assert_int_equal(cart_aws_show_request(w->aws, &c, &shown, &err), 0);
	assert_string_equal(cart_json_get_string(shown, "url"),
			    "https://sts.eu-central-1.amazonaws.com/");
	assert_non_null(strstr(w->facts, "note {\"text\":\"AWS_ENDPOINT_URL_STS "
			       "is set to http://127.0.0.1:1 but is not used"));
	cart_json_free(shown);
}

static void no_credentials(void **state)
{
	struct world *w = *state;
	struct cart_aws_options o = { .env = &w->env, .net = w->net };
	struct cart_aws_reply r;
	struct cart_err err;

	w->env.names = w->names;
	w->env.values = w->values;
	put(w, "AWS_EC2_METADATA_DISABLED", "true");
	put(w, "AWS_REGION", "eu-central-1");
	w->aws = cart_aws_new(&o, &err);
	assert_int_equal(who(w, &r, &err), -1);
	assert_int_equal(err.class, CART_ERR_DENIED);
	assert_non_null(strstr(err.text, "no AWS credentials"));
	assert_false(r.sent);
	cart_aws_reply_clear(&r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(good_call), TEST(retries), TEST(a_change_happens_once),
		TEST(debug_tells_no_secret), TEST(only_reviewed_reads),
		TEST(the_clock_is_corrected), TEST(a_bucket_elsewhere),
		TEST(nobody_there), TEST(instance_role),
		TEST(metadata_token_is_renewed), TEST(no_metadata_service),
		TEST(untrusted_environment), TEST(no_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
