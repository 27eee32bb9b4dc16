/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_AWS_H
#define CRASHCART_AWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>
#include <crashcart/json.h>
#include <crashcart/net.h>

/*
 * One AWS session: credentials, endpoints, clock, rate manners, and one
 * signed call.  Thread-safe.
 */
struct cart_aws;

/* The allow-list of environment variables that was copied at start; a value
 * is NULL if unset. */
struct cart_env {
	const char *const *names;
	char *const *values;
	size_t n;
};
/* Copies the allow-list out of the environment, then points environ at an
 * empty array, so that no library reads the suspect host's settings.  Called
 * once, at start, before threads.  NULL only when memory runs out. */
struct cart_env *cart_env_take(void);
void cart_env_free(struct cart_env *env);	/* wipes; accepts NULL */
/* NULL if unset or not on the list. */
const char *cart_env_get(const struct cart_env *env, const char *name);

#define CART_RATE_UNBOUNDED 1000000u

struct cart_aws_options {
	const struct cart_env *env;	/* borrowed */
	const char *profile;		/* --profile, or NULL */
	const char *region;		/* --region, or NULL */
	const char *endpoint_url;	/* --endpoint-url, or NULL: wins over all */
	/* What cart_aws_regions leaves of the enabled ones, and where S3 may
	 * send us (borrowed; 0: all). */
	const char *const *only_regions;
	size_t n_only_regions;
	/* Overrides of endpoint, proxy, CA and credential_process from the
	 * environment and config files count only if this is set (DESIGN.md,
	 * hostile machine). */
	bool trust_environment;
	const char *home;		/* for ~/.aws, or NULL */
	struct cart_net *net;		/* borrowed */
	/* Of roles that are assumed: their session's name (NULL: made of the
	 * time), and the value of its tag "crashcart-case" (NULL: none).  Where
	 * a role does not allow tags, it is assumed without. */
	const char *session_name;
	const char *session_case;
	/* Of our usual share of AWS's published rates (aws/rate.c): 0 is 100,
	 * CART_RATE_UNBOUNDED is for servers that are not AWS. */
	unsigned rate_percent;
	unsigned max_attempts;		/* 0: 8 */
	unsigned max_elapsed_ms;	/* of one call with its retries, 0: 300 s */
	/* A line of facts for the log: endpoints, credential source, clock.
	 * type is a log type ("endpoint", "clock", "note"), fields borrowed. */
	void (*fact)(void *arg, const char *type, const struct cart_json *fields);
	void *arg;
	/* What happens, for whoever looks for a fault: canonical requests, times,
	 * retries; never a secret.  May hold line ends; NULL: not wanted. */
	void (*debug)(void *arg, const char *text);
	bool (*cancelled)(void *arg);	/* asked while waiting; may be NULL */
	/* A fresh code of an MFA device, for profiles that name one; NULL or -1:
	 * there is none. */
	int (*mfa_code)(void *arg, const char *serial, char *out, size_t size);
};

struct cart_aws *cart_aws_new(const struct cart_aws_options *o,
			      struct cart_err *err);
void cart_aws_free(struct cart_aws *a);

/* A rate of ours that replaces what aws/rate.c would take: call is
 * "cloudtrail:LookupEvents", "ec2:Describe*" or "iam:*"; rates are for each
 * account and region. */
struct cart_aws_rate {
	const char *call;
	unsigned milli_per_s;		/* calls in 1000 seconds, at least 1 */
	unsigned burst;			/* 0: 1 */
};

/* At most 32; the first that matches counts.  Before the first call.  0, or -1
 * with err (USAGE) that names the one that is wrong. */
int cart_aws_set_rates(struct cart_aws *a, const struct cart_aws_rate *rates,
		       size_t n, struct cart_err *err);

/* The same judgement without a session. */
int cart_aws_rates_check(const struct cart_aws_rate *rates, size_t n,
			 struct cart_err *err);
/* Calls in 1000 seconds, in each account and region, that a session with these
 * rates makes of "service:Operation" at most. */
unsigned cart_aws_rate_of(const struct cart_aws_rate *rates, size_t n,
			  const char *call);

/* Value of a key of the profile that a session of these options would use
 * ("ca_bundle"), for what must be known before there is a net.  1 appended to
 * ret, 0 not set, -1 with err. */
int cart_aws_setting(const struct cart_aws_options *o, const char *key,
		     struct cart_buf *ret, struct cart_err *err);

/* A session like base (settings, net, region, facts), whose credentials are
 * those of a role, assumed with base's and renewed before they end.  Nothing is
 * asked of AWS before the first call.  external_id may be NULL.  base must stay;
 * free this one first.  NULL with err. */
struct cart_aws *cart_aws_assume(struct cart_aws *base, const char *role_arn,
				 const char *external_id,
				 struct cart_err *err);

/* The region a call without one goes to, or NULL if none is configured.  On
 * an instance whose role is used, its own region: then the first call asks
 * the metadata service. */
const char *cart_aws_region(struct cart_aws *a);
/* Where the credentials came from ("environment", "profile x", "instance
 * role r"), after the first call that needed them; never a secret. */
const char *cart_aws_credential_source(const struct cart_aws *a);
/* Corrected now: host clock plus the measured offset. */
int64_t cart_aws_now_ns(struct cart_aws *a);
/* milliseconds to add to the host's clock; false if not measured yet. */
bool cart_aws_clock_offset(struct cart_aws *a, int64_t *ret_ms,
			   int64_t *ret_uncertainty_ms);

struct cart_aws_call {
	const char *service;		/* AWS CLI name: "ec2" */
	const char *operation;		/* API name: "DescribeInstances" */
	const char *region;		/* NULL: the session's */
	const struct cart_json *input;	/* object, borrowed; NULL: {} */
	bool may_change;		/* engine has both keys for this call; without
					 * it every operation that is not reviewed as
					 * read-only is refused before sending */
	bool once;			/* never repeated once sent: changes */
	unsigned timeout_ms;		/* a single attempt, 0: 120 s */
	unsigned max_elapsed_ms;	/* with its retries, 0: the session's */
	/* If set, the body of the request instead of what input says, with its
	 * SHA-256; borrowed. */
	const void *body;
	size_t body_len;
	const unsigned char *body_sha256;
	/* If set, the body of a 2xx answer goes here instead of into raw and
	 * view; a longer one is an error (LIMIT). */
	void *into;
	size_t into_size;
};

struct cart_aws_reply {
	char url[512];
	char address[64];
	char region[32];		/* "global" for global services */
	int status;			/* 0: no answer */
	char request_id[96];
	char request_id2[128];		/* x-amz-id-2 */
	char content_type[64];
	unsigned attempts;
	int64_t started_utc_ns;
	uint64_t duration_ms;
	struct cart_buf raw;		/* body as received (last attempt) */
	size_t into_len;		/* bytes that went into call->into */
	struct cart_json *view;		/* as the AWS CLI prints it; NULL on error */
	char error_code[96];		/* AWS's code, "" if none */
	char error_message[512];	/* escaped, cut */
	bool sent;			/* at least one attempt left this host */
};

void cart_aws_reply_clear(struct cart_aws_reply *r);

/* One call with retries.  0: answered 2xx, view is there.  -1: err (DENIED,
 * THROTTLED, TIMEOUT, NET, HTTP, INPUT, USAGE, CANCELLED) and as much of
 * reply as there is.  reply is initialised by the function; clear it always. */
int cart_aws_call(struct cart_aws *a, const struct cart_aws_call *call,
		  struct cart_aws_reply *ret, struct cart_err *err);

/* All pages: after each answered page gives the input of the next one, by
 * the model's paginator.  1: *ret_next (owned by the caller) is the next
 * input; 0: no more; -1: err (a token that repeats is an error). */
int cart_aws_next_page(const struct cart_aws_call *call,
		       const struct cart_json *view,
		       struct cart_json **ret_next, struct cart_err *err);

/* The IAM action behind "service:Operation", which must have its colon:
 * "s3:ListBucket" of "s3:ListObjectsV2".  signing: the name that requests of
 * the service are signed for, or NULL. */
void cart_aws_action(const char *call, const char *signing, char *out,
		     size_t size);

/* --- looking ahead: probe.c --- */

/* Where the calls of a service in a region go. */
struct cart_aws_place {
	char url[512];			/* scheme, host, port, path */
	char region[64];		/* or "global" */
	const char *origin;		/* "option", "environment", "config",
					 * "default" (FORMAT.md, "endpoint") */
};

/* By the settings alone; nothing is sent.  region may be NULL or "global".
 * 0, or -1 with err (USAGE). */
int cart_aws_place(struct cart_aws *a, const char *call, const char *region,
		   struct cart_aws_place *ret, struct cart_err *err);
/* Resolves the name, connects and, for https, checks the certificate; then
 * hangs up: no request is sent.  ret_address: who answered, "" if nobody.  0,
 * or -1 with err (NET, TIMEOUT, CRYPTO). */
int cart_aws_knock(struct cart_aws *a, const char *url, char ret_address[64],
		   struct cart_err *err);

/* What AWS says to "would you": EC2 alone can be asked. */
enum cart_aws_would {
	CART_WOULD_YES,
	CART_WOULD_NO,			/* err says why: permission, not found */
	CART_WOULD_UNKNOWN		/* err says why it cannot be told */
};

/* Does the operation take DryRun? */
bool cart_aws_has_dry_run(const char *call);
/* Asks with DryRun set by this function, whatever input says, so that nothing
 * is ever made or changed; the reply is not kept.  input may be NULL. */
enum cart_aws_would cart_aws_would(struct cart_aws *a, const char *call,
				   const char *region,
				   const struct cart_json *input,
				   struct cart_err *err);

/* The request as it would be sent, unsigned, as JSON {method,url,headers,
 * body_base64}; sends nothing, needs no credentials. */
int cart_aws_show_request(struct cart_aws *a, const struct cart_aws_call *call,
			  struct cart_json **ret, struct cart_err *err);

/* The account's enabled regions (ec2:DescribeRegions, opt-in-not-required
 * and opted-in), sorted.  The reply is given back so that the caller can
 * keep it as evidence.  names: array of strings, owned by caller. */
int cart_aws_regions(struct cart_aws *a, struct cart_aws_reply *ret_reply,
		     struct cart_json **ret_names, struct cart_err *err);

/* --- signing (SigV4), pure --- */

struct cart_credentials {
	char access_key_id[160];
	char secret_access_key[160];
	char session_token[8192];	/* "" if none */
	int64_t expires_utc_ns;		/* INT64_MAX: never */
};

struct cart_sign_request {
	const char *method;
	const char *host;		/* as in the Host header */
	const char *path;		/* encoded as it goes on the wire */
	const char *query;		/* encoded as it goes on the wire, no '?' */
	const struct cart_http_header *headers;	/* to be signed, without host */
	size_t n_headers;
	const char *payload_sha256_hex;	/* or "UNSIGNED-PAYLOAD" */
	const char *region;
	const char *service;		/* signing name */
	bool s3;			/* path is not normalised nor encoded again */
	int64_t utc_ns;
	/* of cart_sigv4_key() for the same day, region and service; NULL: it
	 * is derived anew */
	const unsigned char *key;
};

#define CART_SIGV4_KEY_SIZE 32

/* The key of a day (of r->utc_ns), region and service.  It signs for that day:
 * wipe it. */
void cart_sigv4_key(const struct cart_sign_request *r,
		    const struct cart_credentials *c,
		    unsigned char ret_key[CART_SIGV4_KEY_SIZE]);

/* Appends the headers to send, "name: value\n" a line: x-amz-date,
 * x-amz-security-token, x-amz-content-sha256 (s3), authorization.
 * ret_canonical may be NULL (for debugging: holds the session token). */
int cart_sigv4(const struct cart_sign_request *r,
	       const struct cart_credentials *c, struct cart_buf *ret_headers,
	       struct cart_buf *ret_canonical, struct cart_err *err);

/* --- the instance metadata service, IMDSv2 only --- */

struct cart_imds;

/* endpoint: NULL for http://169.254.169.254 (or AWS_EC2_METADATA_SERVICE_
 * ENDPOINT when the environment is trusted or it is loopback). */
struct cart_imds *cart_imds_new(struct cart_net *net, const struct cart_env *env,
				bool trust_environment, struct cart_err *err);
void cart_imds_free(struct cart_imds *m);
/* GET of a path like "/latest/meta-data/"; token handled (PUT, TTL, renewed
 * on 401).  0 with status in *ret (200, 404 ...), -1 with err; "not on EC2"
 * is TIMEOUT or NET within 2 seconds. */
int cart_imds_get(struct cart_imds *m, const char *path,
		  struct cart_http_reply *ret, struct cart_err *err);
/* Where it is asked: "http://169.254.169.254". */
const char *cart_imds_endpoint(const struct cart_imds *m);

#endif
