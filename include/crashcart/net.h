/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_NET_H
#define CRASHCART_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>

/*
 * HTTP.  The only user of libcurl: one thread owns one multi handle with at
 * most 64 connections; other threads hand it requests and take replies.
 */
struct cart_net;

struct cart_net_options {
	const char *ca_pem;		/* roots; borrowed for the life of net */
	size_t ca_pem_len;
	const char *proxy;		/* for https; NULL: none */
	const char *no_proxy;		/* curl's list form, or NULL */
	const char *user_agent;
	unsigned max_connections;	/* 0: 64 */
};

struct cart_net *cart_net_new(const struct cart_net_options *o,
			      struct cart_err *err);
/* Ends what is under way (CANCELLED) and joins the thread. */
void cart_net_free(struct cart_net *n);

struct cart_http_header {
	const char *name;
	const char *value;
};

struct cart_http_request {
	const char *method;
	const char *url;
	const struct cart_http_header *headers;	/* sent as they are */
	size_t n_headers;
	const void *body;
	size_t body_len;
	unsigned connect_timeout_ms;	/* 0: 10 s */
	unsigned timeout_ms;		/* whole request, 0: 120 s */
	unsigned stall_timeout_ms;	/* no byte for so long, 0: 60 s */
	size_t reply_max_bytes;		/* of the body, 0: 64 MiB; beyond: LIMIT */
	bool direct;			/* never through the proxy */
	bool plain_ok;			/* http:// allowed (cart_net refuses it otherwise
					 * except to loopback) */
	/* If set, body bytes of 2xx replies go here instead of reply->body;
	 * called on the net thread: must not block long.  -1 ends it. */
	int (*sink)(void *arg, const void *data, size_t len);
	void *sink_arg;
};

struct cart_http_reply {
	int status;
	struct cart_buf body;
	struct cart_buf headers;	/* "name: value\n" lines, names lower-case */
	char address[64];		/* that answered */
	int64_t started_utc_ns;		/* host clock */
	int64_t finished_utc_ns;
	uint64_t duration_ms;
	bool truncated;			/* body shorter than Content-Length */
};

void cart_http_reply_clear(struct cart_http_reply *r);
/* First value of a header (name lower-case), copied to out (cut to size).
 * false if absent. */
bool cart_http_header_get(const struct cart_http_reply *r, const char *name,
			  char *out, size_t size);

/* Blocking: from any thread but net's.  0 with an answer of any status, -1
 * with err (NET, TIMEOUT, LIMIT, CANCELLED; code is the CURLcode).  Never
 * retries, never follows redirects. */
int cart_net_perform(struct cart_net *n, const struct cart_http_request *req,
		     struct cart_http_reply *ret, struct cart_err *err);
/* Lets all blocked performers return CANCELLED; later ones fail at once. */
void cart_net_cancel(struct cart_net *n);

#endif
