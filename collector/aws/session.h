/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_COLLECTOR_AWS_SESSION_H
#define CRASHCART_COLLECTOR_AWS_SESSION_H

#include <pthread.h>

#include <crashcart/aws.h>
#include <crashcart/aws_model.h>

/*
 * The parts of a session, shared by the files of this folder that make
 * calls.  Prototypes stand below the name of the file that owns them.
 */

/* ---- secret.c ------------------------------------------------------------- */

/* Zeroed memory that is not swapped and not dumped, as far as the kernel
 * lets us; NULL with err. */
void *cart_secret_new(size_t size, struct cart_err *err);
void cart_secret_free(void *p, size_t size);	/* wipes; accepts NULL */

/* ---- config.c ------------------------------------------------------------- */

/*
 * ~/.aws/config and ~/.aws/credentials, as botocore reads them.  Immutable
 * once parsed; in locked memory, since it may hold secrets.
 */
struct cart_config;

enum cart_config_kind { CART_CONFIG_FILE, CART_CREDENTIALS_FILE };

#define CART_CONFIG_MAX_BYTES	((size_t)1 << 20)

/* data need not be NUL-terminated.  label: the file's name for messages. */
struct cart_config *cart_config_parse(const char *data, size_t len,
				      enum cart_config_kind kind,
				      const char *label, struct cart_err *err);
/* Reads and parses; a file that is not there gives an empty config. */
struct cart_config *cart_config_load(const char *path,
				     enum cart_config_kind kind,
				     struct cart_err *err);
void cart_config_free(struct cart_config *c);
const char *cart_config_label(const struct cart_config *c);
/* section: "profile", "services" or "sso-session".  In a credentials file
 * every section is a profile. */
bool cart_config_has(const struct cart_config *c, const char *section,
		     const char *name);
/* Value of a key ("region") or, with sub, of a key nested below it
 * ("s3", "endpoint_url"); NULL if absent.  Owned by c. */
const char *cart_config_get(const struct cart_config *c, const char *section,
			    const char *name, const char *key,
			    const char *sub);
/* The line of a profile's header, 0 if absent: for messages. */
unsigned cart_config_line(const struct cart_config *c, const char *section,
			  const char *name);

/* ---- credentials.c -------------------------------------------------------- */

/* Credentials that somebody uses; freed (and wiped) by the last release. */
/* The last signing keys that were derived: four HMACs a call for the same. */
struct cart_sign_key {
	char day[9];
	char region[64], service[64];
	unsigned char key[CART_SIGV4_KEY_SIZE];
};
#define CART_SIGN_KEYS 8

struct cart_creds {
	struct cart_credentials c;
	char source[200];		/* never a secret */
	bool from_instance;
	bool renewable;			/* fetching again may give others */
	unsigned users;
	struct cart_sign_key keys[CART_SIGN_KEYS];	/* a ring */
	unsigned next_key;
};

struct cart_creds_cache {
	pthread_mutex_t lock;
	struct cart_creds *now;		/* or NULL: not asked for yet */
	int64_t next_try_mono_ns;	/* after a renewal that failed */
	struct cart_err failure;	/* why it did */
	struct cart_imds *imds;		/* made when first needed */
	struct cart_sso_token *sso;	/* one that we renewed, or NULL */
};

/* The session's credentials, fetched or refreshed if need be; they stay
 * valid until released.  NULL with err. */
struct cart_creds *cart_creds_hold(struct cart_aws *a, struct cart_err *err);
void cart_creds_release(struct cart_aws *a, struct cart_creds *c);
/* The key that signs r with c, which the caller holds.  Wipe it. */
void cart_creds_key(struct cart_aws *a, struct cart_creds *c,
		    const struct cart_sign_request *r,
		    unsigned char ret_key[CART_SIGV4_KEY_SIZE]);
/* AWS calls these expired although they did not look it: the next hold
 * fetches anew.  False if that would give the same ones again. */
bool cart_creds_expired(struct cart_aws *a, const struct cart_creds *c);
void cart_creds_clear(struct cart_creds_cache *c);

/* Fetches by the chain, no cache; fills c and source.  0 or -1. */
int cart_creds_fetch(struct cart_aws *a, struct cart_creds *ret,
		     struct cart_err *err);

/* credentials_http.c: container endpoint and instance role.  1 found, 0 not
 * offered here, -1 with err. */
int cart_creds_container(struct cart_aws *a, struct cart_creds *ret,
			 struct cart_err *err);
int cart_creds_instance(struct cart_aws *a, struct cart_creds *ret,
			struct cart_err *err);
/* credentials_role.c: the profile, or the environment of a pod, names a role.
 * Same results. */
int cart_creds_role(struct cart_aws *a, const char *profile, unsigned depth,
		    struct cart_creds *ret, struct cart_err *err);
/* credentials_sso.c: the profile signs in through IAM Identity Center. */
int cart_creds_sso(struct cart_aws *a, const char *profile,
		   struct cart_creds *ret, struct cart_err *err);
struct cart_sso_token;
void cart_sso_token_free(struct cart_sso_token *t);	/* wipes; accepts NULL */
/* credentials_process.c: the profile names a program. */
int cart_creds_process(struct cart_aws *a, const char *profile,
		       struct cart_creds *ret, struct cart_err *err);
/* A session that cart_aws_assume made. */
int cart_creds_assumed(struct cart_aws *a, struct cart_creds *ret,
		       struct cart_err *err);
int cart_creds_web_identity(struct cart_aws *a, struct cart_creds *ret,
			    struct cart_err *err);
/* What one profile (also a source_profile) gives.  keys: its own access key
 * is looked at before its role. */
int cart_creds_profile(struct cart_aws *a, const char *profile, unsigned depth,
		       bool keys, struct cart_creds *ret,
		       struct cart_err *err);
int cart_creds_environment(struct cart_aws *a, struct cart_creds *ret,
			   struct cart_err *err);
/* From an object with these keys; its strings are wiped.  0 or -1. */
int cart_creds_from_json(struct cart_json *j, const char *secret_key,
			 const char *token_key, struct cart_creds *ret,
			 struct cart_err *err);
/* Overwrites the strings of an object. */
void cart_creds_wipe_json(struct cart_json *j);
/* Copies with bounds; -1 with err when a part is missing or too long. */
int cart_creds_set(struct cart_creds *ret, const char *key, const char *secret,
		   const char *token, struct cart_err *err);

/* ---- clock_offset.c ------------------------------------------------------- */

/* Bounds of "true time minus host clock", from Date headers. */
struct cart_clock_offset {
	pthread_mutex_t lock;
	bool known;
	int64_t low_ns, high_ns;
	int64_t told_ns;		/* estimate that was last put on record */
};

/* One answer.  True if the estimate is new or moved by more than a second
 * since this last returned true. */
bool cart_clock_offset_add(struct cart_clock_offset *o, int64_t date_utc_ns,
			   int64_t sent_utc_ns, int64_t received_utc_ns);
/* The estimate; false if there is none.  Outs may be NULL. */
bool cart_clock_offset_get(struct cart_clock_offset *o, int64_t *ret_ns,
			   int64_t *ret_uncertainty_ns, bool *ret_applied);
/* What signing adds to the host clock: the estimate, or 0 while the host
 * clock may be right. */
int64_t cart_clock_offset_applied(struct cart_clock_offset *o);

/* ---- rate.c --------------------------------------------------------------- */

#define CART_RATE_BUCKETS 512
#define CART_RATE_OVERRIDES 32

/* What AWS publishes, and what we take of it. */
struct cart_rate_family {
	const char *service;
	const char *prefix;		/* of the operation; "": any */
	unsigned milli_per_s;		/* published, calls in 1000 seconds */
	unsigned percent;		/* of it for us */
	unsigned burst;
	bool per_operation;		/* AWS counts each operation on its own */
};

struct cart_rate_bucket {
	const struct cart_rate_family *family;
	char name[96];			/* service and operation, or family */
	char region[32];
	int64_t next_ns;		/* theoretical arrival of the next call */
	int64_t blocked_until_ns;	/* shared back-off */
	unsigned slow;			/* interval is doubled so often */
	unsigned good;			/* calls since the last throttling */
};

struct cart_rate {
	pthread_mutex_t lock;
	unsigned percent;		/* of the rates in the table */
	struct cart_rate_family own[CART_RATE_OVERRIDES];
	char own_text[CART_RATE_OVERRIDES][2][64];
	size_t n_own;
	struct cart_rate_bucket bucket[CART_RATE_BUCKETS];
	size_t n;
};

/* Overrides, as in aws.h. */
int cart_rate_set(struct cart_rate *r, const struct cart_aws_rate *rates,
		  size_t n, struct cart_err *err);
/* Takes over the overrides and percent of another session. */
void cart_rate_copy(struct cart_rate *r, const struct cart_rate *from);
/* Reserves a place for one call; returns how many ns to wait for it. */
int64_t cart_rate_take(struct cart_rate *r, const char *service,
		       const char *operation, const char *region,
		       int64_t now_mono_ns);
/* The call left this host so late: the next ones keep their distance. */
void cart_rate_sent(struct cart_rate *r, const char *service,
		    const char *operation, const char *region,
		    int64_t sent_mono_ns);
/* The call was throttled, or it was not. */
void cart_rate_result(struct cart_rate *r, const char *service,
		      const char *operation, const char *region,
		      bool throttled, int64_t until_mono_ns);

/* ---- endpoint.c ----------------------------------------------------------- */

struct cart_target {
	struct cart_url url;		/* path points into base */
	char base[512];			/* scheme, host, port and path */
	char region[64];		/* that was asked for, or "global" */
	char signing_region[64];
	char signing_name[64];
	const char *origin;		/* as the log says it */
	bool overridden;		/* not the model's own endpoint */
};

/* region may be NULL.  0, or -1 with err. */
int cart_endpoint_find(struct cart_aws *a, const struct cart_op *op,
		       const char *region, struct cart_target *ret,
		       struct cart_err *err);
/* The default endpoint's scheme and host with a prefix before the name, as
 * the URL without target: "https://b.s3.us-east-1.amazonaws.com". */
int cart_endpoint_url(const struct cart_target *t, const char *host_prefix,
		      char *ret_base, size_t base_size, char *ret_host,
		      size_t host_size, struct cart_err *err);
/* ---- presign.c ------------------------------------------------------------ */

struct cart_presign {
	const struct cart_json *input;	/* of CopySnapshot */
	const char *to_region;
	const struct cart_credentials *c;
};
/* Is this CopySnapshot, without the URL that it must carry? */
bool cart_presign_wanted(const struct cart_op *op,
			 const struct cart_json *input);
/* A copy of the input with the URL, good for an hour; NULL with err.  Whoever
 * holds the URL can copy the snapshot: never to be logged. */
struct cart_json *cart_presign_copy(struct cart_aws *a,
				    const struct cart_op *op,
				    const struct cart_presign *p,
				    struct cart_err *err);

/* True if an override from the environment or a config file may count, for
 * this URL; writes a note once when it does not. */
bool cart_endpoint_trusted(struct cart_aws *a, const char *what,
			   const char *url);

/* ---- retry.c -------------------------------------------------------------- */

enum cart_retry_kind {
	CART_RETRY_NO,
	CART_RETRY_THROTTLED,
	CART_RETRY_SERVER,		/* 5xx, transient errors */
	CART_RETRY_CONNECT,		/* nothing was sent */
	CART_RETRY_TIMEOUT,
	CART_RETRY_BROKEN		/* answer cut short or not readable */
};

/* True if a call that failed like this for the attempt-th time may be tried
 * again. */
bool cart_retry_allowed(enum cart_retry_kind kind, unsigned attempt,
			unsigned max_attempts);
/* Full jitter: how long to wait before the next attempt.  random: any 32
 * bits. */
unsigned cart_retry_wait_ms(enum cart_retry_kind kind, unsigned attempt,
			    uint32_t random);
/* Seconds or HTTP date of a Retry-After header, as ms; 0 if none. At most
 * five minutes. */
unsigned cart_retry_after_ms(const struct cart_http_reply *r, int64_t now_ns);

/* ---- call.c --------------------------------------------------------------- */

/* A call of the credentials chain itself: by these credentials, and with no
 * question of what only reads. */
int cart_call_as(struct cart_aws *a, const struct cart_aws_call *call,
		 struct cart_creds *creds, struct cart_aws_reply *ret,
		 struct cart_err *err);

/* ---- session.c ------------------------------------------------------------ */

#define CART_FACTS_MAX 256
#define CART_SILENT_MAX 64

/* A host that a service named for itself (discover.c). */
#define CART_FOUND_HOST_SIZE 200
#define CART_FOUND_MAX 8

struct cart_found_host {
	char key[128];			/* service and region; "": none */
	char host[CART_FOUND_HOST_SIZE];
	int64_t until_mono_ns;
};

struct cart_aws {
	struct cart_aws_options opt;	/* strings are our own copies */
	struct cart_aws *base;		/* whose role this is, or NULL */
	char *role_arn, *external_id;
	char *profile;			/* never NULL */
	bool profile_asked;		/* by option or environment */
	struct cart_config *config, *credentials;

	struct cart_creds_cache creds;
	struct cart_clock_offset offset;
	struct cart_rate rate;

	pthread_mutex_t lock;		/* of what follows */
	char region[64];		/* "": none known */
	bool region_searched;		/* the metadata service was asked */
	char source[200];		/* of the credentials */
	char identity[256];		/* ARN, once sts:GetCallerIdentity told */
	char identity_key[160];		/* the access key that has it */
	uint64_t told[CART_FACTS_MAX];	/* hashes of endpoints on record */
	size_t n_told;
	/* Hosts that did not answer a whole call with its retries. */
	char silent[CART_SILENT_MAX][128];
	size_t n_silent;
	struct cart_found_host found[CART_FOUND_MAX];
};

/* Whether the service must be asked where the operation is to be sent. */
bool cart_discover_needed(const char *service, const char *operation);
/* Asks it, or knows it from before. */
int cart_discover_host(struct cart_aws *a, const char *service,
		       const char *region, char ret_host[CART_FOUND_HOST_SIZE],
		       struct cart_err *err);
/* What the answer of DescribeEndpoints says, and for how long it may be kept:
 * a minute to a day. */
int cart_discover_pick(const struct cart_json *view, char *ret_host,
		       size_t size, int64_t *ret_keep_ns, struct cart_err *err);

/* Is this one of --only-region, or are all wanted? */
bool cart_session_wants(const struct cart_aws *a, const char *name);

/* Value of a profile's key, the credentials file first. */
const char *cart_session_setting(const struct cart_aws *a, const char *profile,
				 const char *key);
void cart_session_note(struct cart_aws *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Does nothing unless somebody listens. */
void cart_session_debug(struct cart_aws *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* True the first time that this text is given. */
bool cart_session_first(struct cart_aws *a, const char *text);
/* Consumes fields.  Says nothing if they are not so many: memory ran out, and
 * half a line would spoil the log. */
void cart_session_fact(struct cart_aws *a, const char *type,
		       struct cart_json *fields, size_t keys);
/* A host that answered nothing gets one short try a call, until it answers:
 * a dead endpoint must not cost its timeouts a hundred times over. */
bool cart_session_silent(struct cart_aws *a, const char *host);
void cart_session_set_silent(struct cart_aws *a, const char *host,
			     bool silent);
bool cart_session_cancelled(const struct cart_aws *a);
/* Sleeps, but not through a cancellation: -1. */
int cart_session_sleep(const struct cart_aws *a, unsigned ms);
const char *cart_session_env(const struct cart_aws *a, const char *name);
bool cart_session_is_true(const char *text);

#endif
