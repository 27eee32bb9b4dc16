/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call: encode, sign, send, parse, and what to do when that fails.
 *
 * Encoding happens once, so that all attempts carry the same idempotency
 * tokens; signing happens for each attempt, since time and credentials move.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_protocol.h>
#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/text.h>

#include "session.h"

#define NS_PER_MS		INT64_C(1000000)
#define REPLY_MAX_BYTES		((size_t)32 << 20)
#define URL_MAX_BYTES		((size_t)32 << 10)
#define TIMEOUT_MS		120000u
/* Without a byte, from the last of the request to the last of the answer: the
 * first time, then, and where nobody answered before.  No answer that is asked
 * for here takes that long to begin; a call to a server that hangs is given up
 * after the sum of the first two. */
#define STALL_MS		20000u
#define STALL_AGAIN_MS		30000u
#define STALL_SILENT_MS		10000u
#define CONNECT_SILENT_MS	3000u
/* A signature may be this old (or young) for every service. */
#define SKEW_NS			(INT64_C(240) * 1000 * NS_PER_MS)

struct work {
	struct cart_aws *a;
	const struct cart_aws_call *call;
	struct cart_aws_reply *ret;
	struct cart_err *err;
	const struct cart_op *op;
	const struct cart_op_info *info;
	const struct cart_svc *svc;
	const char *service;		/* the model's name of it */

	struct cart_json *presigned;	/* input with a URL in it, or NULL */
	bool show;			/* nothing will be sent */
	bool own;			/* of the credentials chain itself */
	struct cart_creds *fixed;	/* then: by these, or unsigned */
	struct cart_creds *creds;	/* of the attempt under way */
	struct cart_request req;
	char payload[CART_SHA256_HEX_SIZE];
	char region[64];		/* asked for; "": none needed */
	struct cart_target target;
	char base[600], host[300];	/* with the host prefix */

	int64_t start_mono_ns, deadline_mono_ns;
	int64_t signed_ns;		/* time in the signature */
	bool repeatable;
	bool silent;			/* nobody answered here before */
	unsigned signed_again;
	bool renewed, redirected;
};

enum verdict {
	DONE,			/* view is there */
	FAILED,
	AGAIN,			/* at once: something was corrected */
	WAIT_AGAIN		/* kind says how */
};

/* ---- preparation ---------------------------------------------------------- */

static int find_op(const char *service, const char *operation,
		   const struct cart_svc **ret_svc, const struct cart_op **ret,
		   struct cart_err *err)
{
	struct cart_model *m = cart_model_builtin(err);

	*ret_svc = m ? cart_model_svc(m, service, err) : NULL;
	*ret = *ret_svc ? cart_svc_op(*ret_svc, operation, err) : NULL;
	if (*ret)
		return 0;
	if (err)
		err->class = CART_ERR_USAGE;
	return -1;
}

static bool is_region(const char *r)
{
	return r && *r && strcmp(r, "global") != 0;
}

static int choose_region(struct work *w)
{
	const struct cart_svc_info *info = cart_svc_info(w->svc);
	const char *r = w->call->region;

	if (!is_region(r))
		r = info->global && !w->a->region[0] ? NULL :
			cart_aws_region(w->a);
	if (!r && !info->global)
		return cart_err_set(w->err, CART_ERR_USAGE, 0,
				    "%s:%s needs a region: give --region, set "
				    "AWS_REGION, or put one into the profile",
				    w->service, w->info->name);
	if (r && strlen(r) >= sizeof(w->region))
		return cart_err_set(w->err, CART_ERR_USAGE, 0,
				    "\"%.60s\" is not the name of a region", r);
	snprintf(w->region, sizeof(w->region), "%s", r ? r : "");
	return 0;
}

static int find_target(struct work *w)
{
	if (cart_endpoint_find(w->a, w->op, w->region[0] ? w->region : NULL,
			       &w->target, w->err) < 0)
		return cart_err_prefix(w->err, "%s:%s", w->service,
				       w->info->name);
	snprintf(w->ret->region, sizeof(w->ret->region), "%s",
		 w->target.region);
	return 0;
}

static int find_host(struct work *w)
{
	if (w->req.host && !w->target.overridden) {
		snprintf(w->target.base, sizeof(w->target.base), "https://%s",
			 w->req.host);
		if (cart_url_parse(w->target.base, &w->target.url, w->err) < 0)
			return -1;
		if (w->req.signing_name)
			snprintf(w->target.signing_name,
				 sizeof(w->target.signing_name), "%s",
				 w->req.signing_name);
	}
	return cart_endpoint_url(&w->target, w->req.host_prefix, w->base,
				 sizeof(w->base), w->host, sizeof(w->host),
				 w->err);
}

static int may_send(struct work *w)
{
	const struct cart_op_info *i = w->info;

	if (!w->own && !w->call->may_change && !cart_op_is_read_only(w->op))
		return cart_err_set(w->err, CART_ERR_USAGE, 0,
				    "%s:%s is not on the reviewed list of "
				    "operations that only read (class %s): the "
				    "manifest must say \"changes\", and "
				    "--allow must name it", w->service, i->name,
				    cart_op_class_name(i->class));
	if (i->event_stream)
		return cart_err_set(w->err, CART_ERR_USAGE, 0,
				    "%s:%s answers with a stream of events, "
				    "which is not collected", w->service,
				    i->name);
	if (i->bearer)
		return cart_err_set(w->err, CART_ERR_USAGE, 0,
				    "%s:%s wants a bearer token instead of AWS "
				    "credentials", w->service, i->name);
	return 0;
}

static int encode(struct work *w)
{
	struct cart_encode_opts o = {
		.path_style = w->target.overridden,
		.region = w->region[0] ? w->region : NULL,
	};

	if (cart_encode(w->op, w->presigned ? w->presigned : w->call->input, &o,
			&w->req, w->err) < 0)
		return cart_err_prefix(w->err, "%s:%s", w->service,
				       w->info->name);
	/* over plain http the body is always signed */
	if (w->call->body)
		cart_text_hex(w->call->body_sha256, CART_SHA256_SIZE,
			      w->payload);
	else if (w->req.unsigned_payload && w->target.url.https)
		snprintf(w->payload, sizeof(w->payload), "UNSIGNED-PAYLOAD");
	else
		cart_sha256_hex(w->req.body, w->req.body_len, w->payload);
	return 0;
}

/* CopySnapshot's second request, by the credentials of the first. */
static int presign(struct work *w)
{
	struct cart_presign p = { .input = w->call->input,
				  .to_region = w->target.signing_region };
	struct cart_creds *held;

	if (w->show || !cart_presign_wanted(w->op, w->call->input))
		return 0;
	held = w->own ? w->fixed : cart_creds_hold(w->a, w->err);
	if (held) {
		p.c = &held->c;
		w->presigned = cart_presign_copy(w->a, w->op, &p, w->err);
		if (!w->own)
			cart_creds_release(w->a, held);
	}
	return w->presigned ? 0 : cart_err_prefix(w->err, "%s:%s", w->service,
						  w->info->name);
}

static int prepare(struct work *w)
{
	if (find_op(w->call->service, w->call->operation, &w->svc, &w->op,
		    w->err) < 0)
		return -1;
	w->info = cart_op_info(w->op);
	w->service = cart_svc_info(w->svc)->name;
	w->repeatable = !w->call->once;
	if (choose_region(w) < 0 || find_target(w) < 0 || presign(w) < 0 ||
	    encode(w) < 0)
		return -1;
	return find_host(w);
}

/* ---- sending -------------------------------------------------------------- */

struct message {
	struct cart_buf url;
	struct cart_buf signature;	/* lines that the signer made */
	struct cart_http_header headers[320];
	size_t n_headers;
};

static void message_clear(struct message *m)
{
	cart_buf_clear(&m->url);
	if (m->signature.data)
		cart_wipe(m->signature.data, m->signature.len);
	cart_buf_clear(&m->signature);
}

/* Cuts the signer's lines into headers. */
static void add_lines(struct message *m)
{
	char *p = (char *)m->signature.data;

	while (p && *p) {
		char *colon = strstr(p, ": "), *end = strchr(p, '\n');

		if (!colon || !end)
			break;
		*colon = *end = '\0';
		m->headers[m->n_headers].name = p;
		m->headers[m->n_headers++].value = colon + 2;
		p = end + 1;
	}
}

/* The canonical request, without the token of the session and the keys by
 * which S3 encrypts. */
static void debug_canonical(struct work *w, const struct cart_buf *canonical)
{
	static const char *const secret[] = {
		"x-amz-security-token:",
		"x-amz-server-side-encryption-customer-key:",
		"x-amz-copy-source-server-side-encryption-customer-key:",
	};
	const char *line = canonical->data ? (const char *)canonical->data : "";
	struct cart_buf b;
	size_t len, i, n;

	cart_buf_init(&b, (size_t)1 << 20);
	for (; *line; line += len + (line[len] != '\0')) {
		len = strcspn(line, "\n");
		for (i = n = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
			if (!strncmp(line, secret[i], strlen(secret[i])))
				n = strlen(secret[i]);
		}
		cart_buf_add(&b, line, n ? n : len);
		cart_buf_adds(&b, n ? "(masked)\n" : "\n");
	}
	if (cart_buf_ok(&b) && b.len)
		cart_session_debug(w->a, "canonical request:\n%s",
				   (const char *)b.data);
	cart_buf_clear(&b);
}

static int sign(struct work *w, struct message *m, const char *path,
		const char *query)
{
	struct cart_sign_request r = {
		.method = w->req.method, .host = w->host, .path = path,
		.query = query, .headers = m->headers,
		.n_headers = m->n_headers, .payload_sha256_hex = w->payload,
		.region = w->target.signing_region,
		.service = w->target.signing_name,
		.s3 = !strcmp(w->target.signing_name, "s3"),
	};

	bool debug = w->a->opt.debug && !w->own;
	unsigned char key[CART_SIGV4_KEY_SIZE];
	struct cart_buf canonical;
	int rc;

	cart_buf_init(&canonical, (size_t)1 << 20);
	w->signed_ns = r.utc_ns = cart_aws_now_ns(w->a);
	/* the chain's own calls are made while it is locked */
	if (!w->own) {
		cart_creds_key(w->a, w->creds, &r, key);
		r.key = key;
	}
	rc = cart_sigv4(&r, &w->creds->c, &m->signature,
			debug ? &canonical : NULL, w->err);
	cart_wipe(key, sizeof(key));
	if (!rc)
		add_lines(m);
	if (debug) {
		debug_canonical(w, &canonical);
		if (canonical.data)
			cart_wipe(canonical.data, canonical.len);
	}
	cart_buf_clear(&canonical);
	return rc;
}

static int hold_credentials(struct work *w)
{
	if (w->own) {
		w->creds = w->fixed;
		return w->creds ? 0 : cart_err_set(w->err, CART_ERR_INTERNAL, 0,
						   "a role needs credentials");
	}
	w->creds = cart_creds_hold(w->a, w->err);
	return w->creds ? 0 : cart_err_prefix(w->err, "%s:%s", w->service,
					      w->info->name);
}

static void release_credentials(struct work *w)
{
	if (!w->own)
		cart_creds_release(w->a, w->creds);
	w->creds = NULL;
}

static int compose(struct work *w, struct message *m)
{
	char *target, *query, none[1] = "";
	size_t i;

	cart_buf_init(&m->url, URL_MAX_BYTES);
	cart_buf_init(&m->signature, (size_t)64 << 10);
	m->n_headers = 0;
	if (w->req.headers.n > 300)
		return cart_err_set(w->err, CART_ERR_LIMIT, 0,
				    "%s:%s: more than 300 headers", w->service,
				    w->info->name);
	for (i = 0; i < w->req.headers.n; i++) {
		m->headers[i].name = w->req.headers.v[i].name;
		m->headers[i].value = w->req.headers.v[i].value;
	}
	m->n_headers = i;
	cart_buf_adds(&m->url, w->base);
	cart_request_target(&w->req, &m->url);
	if (cart_buf_check(&m->url, "URL of a request", w->err) < 0)
		return -1;
	snprintf(w->ret->url, sizeof(w->ret->url), "%s",
		 (const char *)m->url.data);
	if (w->req.no_auth)
		return 0;
	/* the path of the endpoint itself is signed too */
	target = strstr((char *)m->url.data, "://") + 3;
	target += strcspn(target, "/?");
	target = strdup(target);
	if (!target)
		return cart_err_nomem(w->err);
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	i = (size_t)sign(w, m, target, query ? query : none);
	free(target);
	return (int)i;
}

static unsigned attempt_timeout(const struct work *w)
{
	unsigned ms = w->call->timeout_ms ? w->call->timeout_ms : TIMEOUT_MS;
	int64_t left = (w->deadline_mono_ns - cart_clock_mono_ns()) / NS_PER_MS;

	if (left < 1)
		left = 1;
	return left < ms ? (unsigned)left : ms;
}

static int put_into(void *arg, const void *data, size_t len)
{
	const struct work *w = arg;
	struct cart_aws_reply *ret = w->ret;

	if (len > w->call->into_size - ret->into_len)
		return -1;
	memcpy((char *)w->call->into + ret->into_len, data, len);
	ret->into_len += len;
	return 0;
}

static int send_once(struct work *w, struct cart_http_reply *p)
{
	struct cart_http_request r = {
		.method = w->req.method,
		.body = w->call->body ? w->call->body : w->req.body,
		.body_len = w->call->body ? w->call->body_len :
					    w->req.body_len,
		.timeout_ms = attempt_timeout(w),
		.reply_max_bytes = REPLY_MAX_BYTES,
		.fresh = !w->repeatable,
		.stall_timeout_ms = w->ret->attempts > 1 ? STALL_AGAIN_MS :
			STALL_MS,
	};
	struct message m;
	int rc;

	w->ret->into_len = 0;
	if (w->call->into) {
		r.sink = put_into;
		r.sink_arg = w;
	}
	w->silent = cart_session_silent(w->a, w->host);
	if (w->silent) {
		r.stall_timeout_ms = STALL_SILENT_MS;
		r.connect_timeout_ms = CONNECT_SILENT_MS;
	}
	rc = compose(w, &m);
	if (!rc) {
		r.url = (const char *)m.url.data;
		r.headers = m.headers;
		r.n_headers = m.n_headers;
		rc = cart_net_perform(w->a->opt.net, &r, p, w->err);
	}
	message_clear(&m);
	return rc;
}

/* ---- what an answer tells besides its content ----------------------------- */

static void note_endpoint(struct work *w, const struct cart_http_reply *p)
{
	char key[900];
	struct cart_json *o;

	if (!p->address[0])
		return;
	snprintf(key, sizeof(key), "endpoint %s %s %s %s", w->service,
		 w->target.region, w->base, p->address);
	if (!cart_session_first(w->a, key))
		return;
	o = cart_json_new_object();
	cart_json_add(o, "service", cart_json_new_string(w->service));
	cart_json_add(o, "region", cart_json_new_string(w->target.region));
	cart_json_add(o, "url", cart_json_new_string(w->base));
	cart_json_add(o, "origin", cart_json_new_string(w->target.origin));
	cart_json_add(o, "address", cart_json_new_string(p->address));
	cart_session_fact(w->a, "endpoint", o, 5);
}

static void note_clock(struct work *w, const struct cart_http_reply *p)
{
	int64_t date, offset, uncertainty;
	struct cart_json *o;
	char text[64];
	bool applied;

	if (!cart_http_header_get(p, "date", text, sizeof(text)) ||
	    cart_clock_parse_http(text, strlen(text), &date) < 0 ||
	    !cart_clock_offset_add(&w->a->offset, date, p->sent_utc_ns,
				   p->finished_utc_ns))
		return;
	cart_clock_offset_get(&w->a->offset, &offset, &uncertainty, &applied);
	o = cart_json_new_object();
	cart_json_add(o, "source", cart_json_new_string("http-date"));
	cart_json_add(o, "from", cart_json_new_string(w->host));
	cart_json_add(o, "offset_ms", cart_json_new_int(offset / NS_PER_MS));
	cart_json_add(o, "uncertainty_ms",
		      cart_json_new_int(uncertainty / NS_PER_MS));
	cart_json_add(o, "applied", cart_json_new_bool(applied));
	cart_session_fact(w->a, "clock", o, 5);
}

/* ---- judgement ------------------------------------------------------------ */

static int to_reply(const struct cart_http_reply *p, struct cart_reply *ret,
		    struct cart_err *err)
{
	char *text = NULL, *line, *next;
	int rc = 0;

	memset(ret, 0, sizeof(*ret));
	ret->status = (unsigned)p->status;
	ret->body = p->body.data ? p->body.data : (const void *)"";
	ret->len = p->body.len;
	if (p->headers.data)
		text = strdup((const char *)p->headers.data);
	for (line = text; line && *line && !rc; line = next) {
		char *end = strchr(line, '\n'), *colon;

		next = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
		colon = strstr(line, ": ");
		if (!colon)
			continue;
		*colon = '\0';
		rc = cart_pairs_add(&ret->headers, line, colon + 2);
	}
	free(text);
	return rc < 0 ? cart_err_nomem(err) : 0;
}

/* Headers are somebody else's bytes, and these go into the log. */
static void printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

static void take_facts(struct work *w, struct cart_http_reply *p,
		       const struct cart_reply *r)
{
	struct cart_aws_reply *ret = w->ret;

	ret->status = p->status;
	snprintf(ret->address, sizeof(ret->address), "%s", p->address);
	ret->sent |= p->sent_utc_ns != 0;
	cart_http_header_get(p, "content-type", ret->content_type,
			     sizeof(ret->content_type));
	cart_http_header_get(p, "x-amz-id-2", ret->request_id2,
			     sizeof(ret->request_id2));
	cart_reply_request_id(w->op, r, ret->request_id,
			      sizeof(ret->request_id));
	printable(ret->content_type);
	printable(ret->request_id);
	printable(ret->request_id2);
	cart_buf_clear(&ret->raw);
	ret->raw = p->body;
	cart_buf_init(&p->body, 0);
}

static void escape(const char *s, char *out, size_t size)
{
	struct cart_buf b;

	cart_buf_init(&b, size * 4 + 4096);
	cart_text_escape(s, strlen(s), &b);
	snprintf(out, size, "%s", b.data ? (const char *)b.data : "");
	cart_buf_clear(&b);
}

/* The clock that signed was wrong, and by now we know better. */
static bool can_correct_clock(struct work *w, bool skewed, int status)
{
	int64_t off = w->signed_ns - cart_aws_now_ns(w->a);

	if (w->signed_again >= 2 || w->req.no_auth || status < 400 || status > 499)
		return false;
	/* a code that says so, or a refusal that would be one */
	if (!skewed && status != 400 && status != 401 && status != 403)
		return false;
	return off > SKEW_NS || off < -SKEW_NS;
}

static bool can_redirect(struct work *w, const struct cart_http_reply *p)
{
	char region[64];

	if (w->redirected || strcmp(w->service, "s3") != 0 ||
	    (p->status != 301 && p->status != 307 && p->status != 400) ||
	    !cart_http_header_get(p, "x-amz-bucket-region", region,
				  sizeof(region)) ||
	    !*region || !strcmp(region, w->target.signing_region) ||
	    !cart_session_wants(w->a, region))
		return false;
	snprintf(w->region, sizeof(w->region), "%s", region);
	return find_target(w) == 0 && find_host(w) == 0;
}

/* Whoever is refused wants to know what was needed and who asked: AWS says
 * neither in every answer. */
static void say_who(struct work *w, char *out, size_t size)
{
	const struct cart_creds *c = w->creds;
	const char *message = w->ret->error_message;
	char call[192], action[192], arn[256] = "";

	pthread_mutex_lock(&w->a->lock);
	if (!strcmp(w->a->identity_key, c->c.access_key_id))
		snprintf(arn, sizeof(arn), "%s", w->a->identity);
	pthread_mutex_unlock(&w->a->lock);
	snprintf(call, sizeof(call), "%s:%s", w->service, w->info->name);
	cart_aws_action(call, cart_svc_info(w->svc)->signing_name, action,
			sizeof(action));
	snprintf(out, size, "%s%.80s%s%.140s; access key %.32s from %.50s",
		 strstr(message, action) ? "" : "; needs IAM action ",
		 strstr(message, action) ? "" : action,
		 !*arn || strstr(message, arn) ? "" : "; asked as ",
		 strstr(message, arn) ? "" : arn, c->c.access_key_id,
		 c->source);
}

static void set_aws_error(struct work *w, enum cart_err_class class)
{
	struct cart_aws_reply *ret = w->ret;
	/* of use only to sts:DecodeAuthorizationMessage; the reply has it */
	const char *more = strstr(ret->error_message,
				  " Encoded authorization failure message");
	char who[400] = "";
	int len = more ? (int)(more - ret->error_message) : 220;

	if (class == CART_ERR_DENIED && w->creds)
		say_who(w, who, sizeof(who));
	cart_err_set(w->err, class, ret->status, "%s:%s in %s: %s%s%.*s%s%s%s%s",
		     w->service, w->info->name,
		     ret->region[0] ? ret->region : "no region",
		     ret->error_code, ret->error_message[0] ? ": " : "",
		     len < 220 ? len : 220, ret->error_message,
		     ret->request_id[0] ? " (request id " : "", ret->request_id,
		     ret->request_id[0] ? ")" : "", who);
}

/* What we are called, for messages. */
static void note_identity(struct work *w)
{
	const char *arn;

	if (strcmp(w->service, "sts") ||
	    strcmp(w->info->name, "GetCallerIdentity") || !w->creds)
		return;
	arn = cart_json_get_string(w->ret->view, "Arn");
	pthread_mutex_lock(&w->a->lock);
	snprintf(w->a->identity, sizeof(w->a->identity), "%s", arn ? arn : "");
	snprintf(w->a->identity_key, sizeof(w->a->identity_key), "%s",
		 w->creds->c.access_key_id);
	pthread_mutex_unlock(&w->a->lock);
}

static enum verdict judge_error(struct work *w, const struct cart_http_reply *p,
				const struct cart_reply *r,
				enum cart_retry_kind *ret_kind)
{
	struct cart_aws_error e;
	enum verdict v = FAILED;
	enum cart_err_class class = CART_ERR_HTTP;

	cart_decode_error(w->op, r, &e);
	escape(e.code, w->ret->error_code, sizeof(w->ret->error_code));
	escape(e.message, w->ret->error_message,
	       sizeof(w->ret->error_message));
	if (e.denied || e.expired || e.skewed || p->status == 401 ||
	    p->status == 403)
		class = CART_ERR_DENIED;
	if (e.throttled || p->status == 429) {
		class = CART_ERR_THROTTLED;
		*ret_kind = CART_RETRY_THROTTLED;
		v = WAIT_AGAIN;
	} else if (can_redirect(w, p)) {
		w->redirected = true;
		v = AGAIN;
	} else if (can_correct_clock(w, e.skewed, p->status)) {
		w->signed_again++;
		v = AGAIN;
	} else if (e.expired && !w->renewed && !w->own && w->creds &&
		   cart_creds_expired(w->a, w->creds)) {
		w->renewed = true;
		v = AGAIN;
	} else if (w->repeatable && class != CART_ERR_DENIED &&
		   /* 501 and 505 will be said again */
		   (e.transient || p->status == 500 ||
		    (p->status >= 502 && p->status <= 504))) {
		*ret_kind = p->status == 503 ? CART_RETRY_THROTTLED :
			CART_RETRY_SERVER;
		v = WAIT_AGAIN;
	}
	set_aws_error(w, class);
	cart_aws_error_clear(&e);
	return v;
}

static enum verdict judge_answer(struct work *w, struct cart_http_reply *p,
				 const struct cart_reply *r,
				 enum cart_retry_kind *ret_kind)
{
	struct cart_aws_reply *ret = w->ret;

	if (cart_reply_is_error(w->op, r))
		return judge_error(w, p, r, ret_kind);
	ret->view = cart_decode(w->op, r, w->err);
	if (ret->view) {
		note_identity(w);
		return DONE;
	}
	cart_err_prefix(w->err, "%s:%s in %s: answer cannot be read",
			w->service, w->info->name, ret->region);
	*ret_kind = CART_RETRY_BROKEN;
	return w->repeatable && cart_op_is_read_only(w->op) &&
		w->err->class != CART_ERR_MEMORY ? WAIT_AGAIN : FAILED;
}

static enum verdict judge_silence(struct work *w,
				  const struct cart_http_reply *p,
				  enum cart_retry_kind *ret_kind)
{
	enum cart_err_class class = w->err->class;
	bool sent = p->sent_utc_ns != 0;

	cart_err_prefix(w->err, "%s:%s in %s", w->service, w->info->name,
			w->ret->region);
	/* without an answer nobody knows whether it was carried out */
	if ((class != CART_ERR_NET && class != CART_ERR_TIMEOUT) ||
	    (sent && !w->repeatable))
		return FAILED;
	if (w->silent && !p->status)
		return FAILED;
	if (class == CART_ERR_TIMEOUT)
		*ret_kind = CART_RETRY_TIMEOUT;
	else if (p->truncated)
		*ret_kind = CART_RETRY_BROKEN;
	else
		*ret_kind = sent ? CART_RETRY_SERVER : CART_RETRY_CONNECT;
	return WAIT_AGAIN;
}

/* ---- attempts ------------------------------------------------------------- */

static const char *rate_region(const struct work *w)
{
	return w->target.region;
}

static int wait_turn(struct work *w)
{
	int64_t now = cart_clock_mono_ns();
	int64_t wait = cart_rate_take(&w->a->rate, w->service, w->info->name,
				      rate_region(w), now);

	if (wait)
		cart_session_debug(w->a, "%s:%s in %s: waits %jd ms for its "
				   "turn", w->service, w->info->name,
				   w->ret->region, (intmax_t)(wait / NS_PER_MS));
	if (now + wait > w->deadline_mono_ns)
		return cart_err_set(w->err, CART_ERR_THROTTLED, 0,
				    "%s:%s in %s: no turn within %u s, the "
				    "account is being throttled", w->service,
				    w->info->name, w->ret->region,
				    w->a->opt.max_elapsed_ms / 1000);
	if (cart_session_sleep(w->a, (unsigned)((wait + NS_PER_MS - 1) /
						NS_PER_MS)) < 0)
		return cart_err_set(w->err, CART_ERR_CANCELLED, 0,
				    "%s:%s was cancelled", w->service,
				    w->info->name);
	return 0;
}

/* The host clock of the reply, on the monotonic one. */
static int64_t sent_mono_ns(const struct cart_http_reply *p)
{
	return cart_clock_mono_ns() - (p->finished_utc_ns - p->sent_utc_ns);
}

static void debug_attempt(struct work *w, const struct cart_http_reply *p,
			  enum verdict v)
{
	int64_t sent = p->sent_utc_ns ? p->sent_utc_ns - p->started_utc_ns : -1;

	cart_session_debug(w->a, "%s:%s in %s, attempt %u: status %d from %s, "
			   "sent after %jd ms, ended after %ju ms, %zu bytes, "
			   "request id %s%s%s", w->service, w->info->name,
			   w->ret->region, w->ret->attempts, p->status,
			   *p->address ? p->address : "nobody",
			   (intmax_t)(sent < 0 ? -1 : sent / NS_PER_MS),
			   (uintmax_t)p->duration_ms, w->ret->raw.len,
			   *w->ret->request_id ? w->ret->request_id : "none",
			   v == DONE ? "" : ": ", v == DONE ? "" : w->err->text);
}

static enum verdict attempt(struct work *w, enum cart_retry_kind *ret_kind,
			    unsigned *ret_after_ms)
{
	struct cart_http_reply p;
	struct cart_reply r;
	enum verdict v;
	int rc;

	*ret_kind = CART_RETRY_NO;
	*ret_after_ms = 0;
	if (wait_turn(w) < 0)
		return FAILED;
	if (!w->req.no_auth && hold_credentials(w) < 0)
		return FAILED;
	memset(&p, 0, sizeof(p));
	w->ret->attempts++;
	rc = send_once(w, &p);
	if (p.sent_utc_ns)
		cart_rate_sent(&w->a->rate, w->service, w->info->name,
			       rate_region(w), sent_mono_ns(&p));
	if (p.status) {
		note_endpoint(w, &p);
		if (w->silent)
			cart_session_set_silent(w->a, w->host, false);
	}
	/* an answer that is cut off still tells the time */
	if (p.status && p.sent_utc_ns)
		note_clock(w, &p);
	if (to_reply(&p, &r, rc < 0 ? NULL : w->err) < 0 && rc == 0)
		rc = -1;
	take_facts(w, &p, &r);
	if (rc < 0)
		v = judge_silence(w, &p, ret_kind);
	else
		v = judge_answer(w, &p, &r, ret_kind);
	debug_attempt(w, &p, v);
	if (v == WAIT_AGAIN)
		*ret_after_ms = cart_retry_after_ms(&p, cart_aws_now_ns(w->a));
	if (v == DONE || w->err->class != CART_ERR_THROTTLED)
		cart_rate_result(&w->a->rate, w->service, w->info->name,
				 rate_region(w), false, 0);
	cart_pairs_clear(&r.headers);
	cart_http_reply_clear(&p);
	release_credentials(w);
	return v;
}

/* -1: give up, with the error of the last attempt. */
static int wait_between(struct work *w, enum cart_retry_kind kind,
			unsigned attempts, unsigned after_ms)
{
	uint32_t random;
	unsigned ms;
	int64_t until;

	if (!cart_retry_allowed(kind, attempts, w->a->opt.max_attempts))
		return -1;
	cart_random(&random, sizeof(random));
	ms = cart_retry_wait_ms(kind, attempts, random);
	if (ms < after_ms)
		ms = after_ms;
	until = cart_clock_mono_ns() + ms * NS_PER_MS;
	if (kind == CART_RETRY_THROTTLED)
		cart_rate_result(&w->a->rate, w->service, w->info->name,
				 rate_region(w), true, until);
	if (until > w->deadline_mono_ns)
		return -1;
	cart_session_debug(w->a, "%s:%s in %s: waits %u ms before attempt %u",
			   w->service, w->info->name, w->ret->region, ms,
			   w->ret->attempts + 1);
	if (cart_session_sleep(w->a, ms) < 0)
		return cart_err_set(w->err, CART_ERR_CANCELLED, 0,
				    "%s:%s was cancelled", w->service,
				    w->info->name);
	return 0;
}

/* The call is given up. */
static int give_up(struct work *w, enum cart_retry_kind kind)
{
	/* one that began to answer and then stalled is there */
	if (w->ret->status)
		return -1;
	if (kind == CART_RETRY_CONNECT || kind == CART_RETRY_TIMEOUT)
		cart_session_set_silent(w->a, w->host, true);
	return -1;
}

static int run(struct work *w)
{
	enum cart_retry_kind kind;
	unsigned attempts = 0, after_ms;

	for (;;) {
		enum verdict v = attempt(w, &kind, &after_ms);

		if (v == DONE) {
			w->ret->error_code[0] = '\0';
			w->ret->error_message[0] = '\0';
			cart_err_clear(w->err);
			return 0;
		}
		if (v == FAILED)
			return -1;
		if (v == WAIT_AGAIN &&
		    wait_between(w, kind, ++attempts, after_ms) < 0)
			return give_up(w, kind);
	}
}

/* An endpoint that was given is the one that is meant. */
static int discover(struct work *w)
{
	char host[CART_FOUND_HOST_SIZE];

	if (w->own || w->target.overridden ||
	    !cart_discover_needed(w->service, w->info->name))
		return 0;
	if (cart_discover_host(w->a, w->service, w->region, host, w->err) < 0)
		return cart_err_prefix(w->err, "%s:%s", w->service,
				       w->info->name);
	snprintf(w->target.base, sizeof(w->target.base), "https://%s", host);
	if (cart_url_parse(w->target.base, &w->target.url, w->err) < 0)
		return -1;
	return find_host(w);
}

static void init_reply(struct cart_aws_reply *ret)
{
	memset(ret, 0, sizeof(*ret));
	cart_buf_init(&ret->raw, REPLY_MAX_BYTES);
}

static int whole_call(struct work *w)
{
	struct cart_err none;
	int rc = -1;

	if (!w->err)
		w->err = &none;
	init_reply(w->ret);
	cart_err_clear(w->err);
	w->ret->started_utc_ns = cart_clock_utc_ns();
	w->start_mono_ns = cart_clock_mono_ns();
	w->deadline_mono_ns = w->start_mono_ns + NS_PER_MS *
		(w->call->max_elapsed_ms ? w->call->max_elapsed_ms :
		 w->a->opt.max_elapsed_ms);
	if (prepare(w) == 0 && may_send(w) == 0 && discover(w) == 0)
		rc = run(w);
	cart_request_clear(&w->req);
	cart_json_free(w->presigned);
	w->ret->duration_ms = (uint64_t)(cart_clock_mono_ns() -
					 w->start_mono_ns) / NS_PER_MS;
	return rc;
}

int cart_call_as(struct cart_aws *a, const struct cart_aws_call *call,
		 struct cart_creds *creds, struct cart_aws_reply *ret,
		 struct cart_err *err)
{
	struct work w = {
		.a = a, .call = call, .ret = ret, .err = err, .own = true,
		.fixed = creds,
	};

	return whole_call(&w);
}

int cart_aws_call(struct cart_aws *a, const struct cart_aws_call *call,
		  struct cart_aws_reply *ret, struct cart_err *err)
{
	struct work w = { .a = a, .call = call, .ret = ret, .err = err };

	return whole_call(&w);
}

void cart_aws_reply_clear(struct cart_aws_reply *r)
{
	cart_buf_clear(&r->raw);
	cart_json_free(r->view);
	r->view = NULL;
}

int cart_aws_next_page(const struct cart_aws_call *call,
		       const struct cart_json *view,
		       struct cart_json **ret_next, struct cart_err *err)
{
	const struct cart_svc *svc;
	const struct cart_op *op;

	*ret_next = NULL;
	if (find_op(call->service, call->operation, &svc, &op, err) < 0)
		return -1;
	return cart_page_next(op, call->input, view, ret_next, err);
}

int cart_aws_show_request(struct cart_aws *a, const struct cart_aws_call *call,
			  struct cart_json **ret, struct cart_err *err)
{
	struct cart_aws_call with = *call;
	struct cart_aws_reply reply;
	struct cart_err own;
	struct work w = {
		.a = a, .call = &with, .ret = &reply, .err = err ? err : &own,
		.show = true,
	};
	struct cart_buf host, b;
	int rc = -1;

	*ret = NULL;
	init_reply(&reply);
	cart_buf_init(&host, 2048);
	cart_buf_init(&b, (size_t)128 << 20);
	/* nothing is sent: any region will do to name a host */
	if (!is_region(with.region) && !a->region[0])
		with.region = "us-east-1";
	if (prepare(&w) < 0)
		goto out;
	cart_buf_addf(&host, "%s%s", w.target.url.authority,
		      w.target.url.path);
	cart_request_show(&w.req, w.target.url.https ? "https" : "http",
			  host.data ? (const char *)host.data : "", &b);
	if (cart_buf_check(&host, "host name", w.err) < 0 ||
	    cart_buf_check(&b, "request", w.err) < 0)
		goto out;
	*ret = cart_json_parse(b.data, b.len, NULL, w.err);
	rc = *ret ? 0 : -1;
out:
	cart_request_clear(&w.req);
	cart_buf_clear(&host);
	cart_buf_clear(&b);
	cart_aws_reply_clear(&reply);
	return rc;
}
