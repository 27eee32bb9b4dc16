/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: aws_call_driver sigv4 < REQUESTS
 *        aws_call_driver call SERVICE OPERATION [INPUT]
 *        aws_call_driver settings < CASES
 *
 * The first signs a request a line for test_aws_sigv4.py.  The second makes one
 * call, all its pages, by the settings of the environment, and prints facts on
 * stderr and the answer on stdout: for trying the client by hand.  The third
 * reads cases of test_aws_config.py, one JSON object a line {home, profile,
 * env}, and prints for each what a session makes of them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws.h>
#include <crashcart/text.h>

#include "aws/session.h"

/* ---- sigv4: a request a line, fields in hex, "-" if empty ----------------- */

static char *field(char **line)
{
	char *p = *line, *end = p + strcspn(p, " \n"), *out;
	size_t len = (size_t)(end - p);

	out = calloc(1, len / 2 + 1);
	if (len > 1 && cart_text_unhex(p, len, out, len / 2) < 0)
		exit(2);
	*line = *end ? end + 1 : end;
	return out;
}

static int sign_lines(void)
{
	static char line[262144];
	enum { METHOD, HOST, PATH, QUERY, REGION, SERVICE, S3, PAYLOAD, TIME,
	       KEY, SECRET, TOKEN, FIELDS };

	while (fgets(line, sizeof(line), stdin)) {
		struct cart_http_header h[64];
		struct cart_credentials c = { 0 };
		struct cart_sign_request r = { .headers = h };
		struct cart_buf out, canonical;
		struct cart_err err;
		char *f[FIELDS], *p = line;
		size_t i;

		for (i = 0; i < FIELDS; i++)
			f[i] = field(&p);
		for (; *p && *p != '\n' && r.n_headers < 64; r.n_headers++) {
			h[r.n_headers].name = field(&p);
			h[r.n_headers].value = field(&p);
		}
		snprintf(c.access_key_id, sizeof(c.access_key_id), "%s", f[KEY]);
		snprintf(c.secret_access_key, sizeof(c.secret_access_key), "%s",
			 f[SECRET]);
		snprintf(c.session_token, sizeof(c.session_token), "%s",
			 f[TOKEN]);
		r.method = f[METHOD];
		r.host = f[HOST];
		r.path = f[PATH];
		r.query = f[QUERY];
		r.region = f[REGION];
		r.service = f[SERVICE];
		r.s3 = f[S3][0] == '1';
		r.payload_sha256_hex = f[PAYLOAD];
		r.utc_ns = strtoll(f[TIME], NULL, 10) * 1000000000;
		cart_buf_init(&out, 1 << 20);
		cart_buf_init(&canonical, 1 << 20);
		if (cart_sigv4(&r, &c, &out, &canonical, &err) < 0) {
			printf("error: %s\n", err.text);
		} else {
			char *auth = strstr((char *)out.data, "authorization: ");

			printf("%.*s\t", (int)strcspn(auth + 15, "\n"),
			       auth + 15);
			for (i = 0; i < canonical.len; i++)
				printf("%02x", canonical.data[i]);
			putchar('\n');
		}
		cart_buf_clear(&out);
		cart_buf_clear(&canonical);
		for (i = 0; i < FIELDS; i++)
			free(f[i]);
		for (i = 0; i < r.n_headers; i++) {
			free((void *)(uintptr_t)h[i].name);
			free((void *)(uintptr_t)h[i].value);
		}
	}
	return 0;
}

/* ---- call ----------------------------------------------------------------- */

static void print_fact(void *arg, const char *type,
		       const struct cart_json *fields)
{
	struct cart_buf b;

	cart_buf_init(&b, 65536);
	cart_json_print(fields, 0, &b);
	fprintf(stderr, "%s %s\n", type, (char *)b.data);
	cart_buf_clear(&b);
}

static int call(const char *service, const char *operation, const char *input)
{
	struct cart_net_options n = { 0 };
	struct cart_env *env = cart_env_take();
	struct cart_aws_options o = {
		.env = env, .trust_environment = true, .fact = print_fact,
		.home = cart_env_get(env, "HOME"),
	};
	struct cart_aws_call c = {
		.service = service, .operation = operation,
	};
	struct cart_json *in, *next;
	struct cart_err err;
	int rc = 1;

	in = cart_json_parse(input, strlen(input), NULL, &err);
	o.net = cart_net_new(&n, &err);
	struct cart_aws *aws = in && o.net ? cart_aws_new(&o, &err) : NULL;
	if (!aws) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	do {
		struct cart_aws_reply r;
		struct cart_buf b;

		next = NULL;
		c.input = in;
		rc = cart_aws_call(aws, &c, &r, &err);
		fprintf(stderr, "status %d, %u attempts, %ju ms, id %s, %s\n",
			r.status, r.attempts, (uintmax_t)r.duration_ms,
			r.request_id, r.url);
		if (rc < 0) {
			fprintf(stderr, "%s\n", err.text);
		} else {
			cart_buf_init(&b, 1 << 26);
			cart_json_print(r.view, 4, &b);
			printf("%s\n", (char *)b.data);
			cart_buf_clear(&b);
			if (cart_aws_next_page(&c, r.view, &next, &err) < 0)
				fprintf(stderr, "%s\n", err.text);
		}
		cart_aws_reply_clear(&r);
		cart_json_free(in);
		in = next;
	} while (in);
	cart_aws_free(aws);
	cart_net_free(o.net);
	cart_env_free(env);
	return rc ? 1 : 0;
}

/* ---- settings ------------------------------------------------------------- */

#define VARIABLES_MAX 64

static void print_settings(struct cart_aws *aws)
{
	const struct cart_aws_call c = {
		.service = "ec2", .operation = "DescribeRegions",
	};
	struct cart_json *o = cart_json_new_object(), *request = NULL;
	struct cart_err err;
	struct cart_creds *k = cart_creds_hold(aws, &err);
	struct cart_buf b;

	cart_json_add(o, "key", k ? cart_json_new_string(k->c.access_key_id) :
		      cart_json_new_null());
	cart_json_add(o, "secret", k ?
		      cart_json_new_string(k->c.secret_access_key) :
		      cart_json_new_null());
	cart_json_add(o, "token", k && *k->c.session_token ?
		      cart_json_new_string(k->c.session_token) :
		      cart_json_new_null());
	cart_json_add(o, "why", cart_json_new_string(k ? k->source : err.text));
	cart_json_add(o, "region", *aws->region ?
		      cart_json_new_string(aws->region) : cart_json_new_null());
	if (cart_aws_show_request(aws, &c, &request, &err) == 0)
		cart_json_add(o, "url", cart_json_new_string(
			      cart_json_get_string(request, "url")));
	else
		cart_json_add(o, "url_error", cart_json_new_string(err.text));
	cart_json_free(request);
	cart_creds_release(aws, k);
	cart_buf_init(&b, 1 << 20);
	cart_json_print(o, 0, &b);
	printf("%s\n", (char *)b.data);
	cart_buf_clear(&b);
	cart_json_free(o);
}

static void one_case(struct cart_net *net, const struct cart_json *j)
{
	const struct cart_json *m = cart_json_first(cart_json_get(j, "env"));
	const char *names[VARIABLES_MAX];
	char *values[VARIABLES_MAX];
	struct cart_env env = { names, values, 0 };
	struct cart_aws_options o = {
		.env = &env, .net = net, .trust_environment = true,
		.home = cart_json_get_string(j, "home"),
		.profile = cart_json_get_string(j, "profile"),
	};
	struct cart_aws *aws;
	struct cart_err err;

	for (; m && env.n < VARIABLES_MAX; m = cart_json_next(m)) {
		names[env.n] = cart_json_key(m);
		values[env.n++] = (char *)(uintptr_t)cart_json_string(m);
	}
	aws = cart_aws_new(&o, &err);
	if (aws)
		print_settings(aws);
	else
		printf("error: %s\n", err.text);
	cart_aws_free(aws);
}

static int settings(void)
{
	static char line[1 << 20];
	struct cart_net_options n = { 0 };
	struct cart_net *net = cart_net_new(&n, NULL);
	struct cart_err err;

	while (net && fgets(line, sizeof(line), stdin)) {
		struct cart_json *j = cart_json_parse(line, strlen(line), NULL,
						      &err);

		if (!j) {
			fprintf(stderr, "%s\n", err.text);
			return 2;
		}
		one_case(net, j);
		cart_json_free(j);
	}
	cart_net_free(net);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "settings"))
		return settings();
	if (argc == 2 && !strcmp(argv[1], "sigv4"))
		return sign_lines();
	if (argc >= 4 && !strcmp(argv[1], "call"))
		return call(argv[2], argv[3], argc > 4 ? argv[4] : "{}");
	fprintf(stderr, "usage: aws_call_driver sigv4 | settings | "
		"call SERVICE OPERATION [INPUT]\n");
	return 2;
}
