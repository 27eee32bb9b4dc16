/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_AWS_PROTOCOL_H
#define CRASHCART_AWS_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

#include <crashcart/aws_model.h>
#include <crashcart/buf.h>
#include <crashcart/err.h>
#include <crashcart/json.h>

/*
 * Between JSON trees as the AWS CLI writes them and the bytes of AWS's wire
 * protocols (ec2, query, json, rest-json, rest-xml).  No I/O, no globals;
 * replies are hostile input.
 */

/* A name and a value; both owned by whoever owns the list. */
struct cart_pair {
	char *name;
	char *value;
};

struct cart_pairs {
	struct cart_pair *v;
	size_t n;
	size_t cap;
};

void cart_pairs_clear(struct cart_pairs *p);
/* Copies both.  0, or -1 when memory runs out. */
int cart_pairs_add(struct cart_pairs *p, const char *name, const char *value);
/* First value by name, ASCII case ignored; NULL if absent. */
const char *cart_pairs_get(const struct cart_pairs *p, const char *name);

/* ---- requests ---------------------------------------------------------- */

struct cart_request {
	const char *method;		/* static */
	char *path;	/* percent-encoded, as sent; begins with '/' */
	struct cart_pairs query;	/* NOT encoded, in order */
	struct cart_pairs headers;	/* of the protocol; not Host */
	char *host_prefix;	/* goes before the endpoint's host, or "" */
	/* Where a member of the input names another host than the service's:
	 * that one, and what it is signed for.  Else NULL. */
	char *host;
	const char *signing_name;	/* static, or NULL: the service's */
	unsigned char *body;		/* never NULL */
	size_t body_len;
	bool no_auth;
	bool unsigned_payload;
};

struct cart_encode_opts {
	/* Value for every idempotency token that the input leaves out; NULL:
	 * a random UUID each. */
	const char *token;
	/* For hosts that a member of the input names; NULL: the service's own
	 * host, always. */
	const char *region;
	/* S3: bucket stays in the path (an endpoint was overridden).  A name
	 * that is not DNS-safe always stays there. */
	bool path_style;
	/* Check types and names, but let required members be missing. */
	bool partial;
};

/* input may be NULL for {}.  Members are named as AWS documents them, blobs
 * are base64, times are ISO 8601 or seconds since the epoch.  opts may be
 * NULL.  0, or -1 with err: class INPUT, naming the path of the member and
 * what was meant.  Clear with cart_request_clear. */
int cart_encode(const struct cart_op *op, const struct cart_json *input,
		const struct cart_encode_opts *opts, struct cart_request *ret,
		struct cart_err *err);
void cart_request_clear(struct cart_request *r);
/* Only the checks of cart_encode. */
int cart_encode_check(const struct cart_op *op, const struct cart_json *input,
		      bool partial, struct cart_err *err);
/* The same for an input of which parts are not known yet: null stands for
 * any value. */
int cart_encode_check_holes(const struct cart_op *op,
			    const struct cart_json *input,
			    struct cart_err *err);
/* Appends path and query as they go into the request line. */
void cart_request_target(const struct cart_request *r, struct cart_buf *b);
/* Appends {"method","url","headers","body_base64"} as one line with LF;
 * host is the endpoint's, without the prefix. */
void cart_request_show(const struct cart_request *r, const char *scheme,
		       const char *host, struct cart_buf *b);

/* ---- replies ----------------------------------------------------------- */

struct cart_reply {
	unsigned status;
	struct cart_pairs headers;
	const void *body;
	size_t len;
};

/* True if the reply says that the call failed: a status of 300 or more, or
 * (S3) an <Error> inside a 200. */
bool cart_reply_is_error(const struct cart_op *op, const struct cart_reply *r);

/* The reply as `aws ... --output json` shows it.  A blob that is the whole
 * body (stream_out) is left out: the caller has it already.  NULL with err:
 * class INPUT when the body does not fit the model. */
struct cart_json *cart_decode(const struct cart_op *op,
			      const struct cart_reply *r,
			      struct cart_err *err);

struct cart_aws_error {
	char code[128];		/* "AccessDenied"; the status if none given */
	char message[1024];
	char request_id[128];	/* "" if none given */
	struct cart_json *detail;	/* other members, object; or NULL */
	bool throttled;		/* ThrottlingException and its kin */
	bool denied;		/* AccessDenied and its kin */
	bool expired;		/* the credentials' time is over */
	bool skewed;		/* our clock is off */
	bool transient;		/* worth another try, not our fault */
};

/* Never fails: an unreadable body gives the status as code. op may be NULL
 * (any protocol is tried).  Clear with cart_aws_error_clear. */
void cart_decode_error(const struct cart_op *op, const struct cart_reply *r,
		       struct cart_aws_error *ret);
void cart_aws_error_clear(struct cart_aws_error *e);
/* Request id of any reply, good or bad; "" if there is none.  size is that
 * of out; 128 is enough. */
void cart_reply_request_id(const struct cart_op *op,
			   const struct cart_reply *r, char *out, size_t size);

/* ---- pages ------------------------------------------------------------- */

/* The input of the page after this one.  reply is cart_decode's tree.
 * Returns 1 with *ret_next (owned by the caller), 0 at the end, -1 with err
 * when the reply repeats the token that it was asked with. */
int cart_page_next(const struct cart_op *op, const struct cart_json *input,
		   const struct cart_json *reply, struct cart_json **ret_next,
		   struct cart_err *err);
/* The member that bounds a page's size ("MaxResults"), "" if none. */
const char *cart_page_limit_key(const struct cart_op *op);
/* Number of results (elements of the result lists) in a page. */
size_t cart_page_count(const struct cart_op *op, const struct cart_json *reply);
/* Folds a page into the pages before it, to what the AWS CLI prints when it
 * follows all of them: the result lists joined, and the few other members
 * that the paginator names, from the first page (null if absent).  *total
 * starts as NULL; page is consumed; 0 or -1 with *total to be freed. */
int cart_page_merge(const struct cart_op *op, struct cart_json **total,
		    struct cart_json *page, struct cart_err *err);

#endif
