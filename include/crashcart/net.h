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
	/* Roots as PEM, read at once; NULL: those of the program.  No file of
	 * this host is ever read. */
	const char *ca_pem;
	size_t ca_pem_len;
	const char *proxy;		/* URL, may hold name:password; NULL: none */
	const char *no_proxy;		/* curl's list form, or NULL */
	const char *user_agent;		/* NULL: "crashcart" */
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
	bool direct;			/* never through the proxy; plain http to
					 * local addresses never goes through it */
	bool plain_ok;			/* http:// allowed to any host; otherwise
					 * only where cart_url_is_local says so */
	/* A connection of its own.  On a reused one libcurl sends a request
	 * again when the server had just closed it, also a POST: not good
	 * enough for what must happen once. */
	bool fresh;
	bool despite_cancel;		/* cart_net_cancel leaves it alone */
	/* Connects, through the proxy if there is one, checks the certificate
	 * and hangs up: no request is sent, and an answer has status 0. */
	bool connect_only;
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
	/* The bytes of the request began to leave at this host time; 0: they
	 * never did, so nobody can have acted on it. */
	int64_t sent_utc_ns;
	uint64_t duration_ms;
	bool truncated;			/* the body ended early; the start of it
					 * is there although perform said -1 */
};

void cart_http_reply_clear(struct cart_http_reply *r);
/* First value of a header (name lower-case), copied to out (cut to size).
 * false if absent. */
bool cart_http_header_get(const struct cart_http_reply *r, const char *name,
			  char *out, size_t size);

/* Blocking: from any thread but net's.  0 with an answer of any status, -1
 * with err (NET, TIMEOUT, LIMIT, CANCELLED, CRYPTO for a certificate that is
 * not trusted, USAGE for a URL that is not allowed; code is the CURLcode) and
 * as much of the reply as there is.  ret is initialised by the function; clear
 * it always.  Never retries, never follows redirects. */
int cart_net_perform(struct cart_net *n, const struct cart_http_request *req,
		     struct cart_http_reply *ret, struct cart_err *err);
/* Lets all blocked performers return CANCELLED; later ones fail at once. */
void cart_net_cancel(struct cart_net *n);

/* --- time stamping authorities (RFC 3161 section 3.4) --- */

/* Posts a TimeStampReq to an authority and appends its answer to ret_reply (at
 * most 64 KiB), unchecked: cart_tsr_verify reads it.  Plain http is allowed to
 * any host, since the answer is signed.  Asks a second time when nobody
 * answered, or with a status of 500 and above; goes on after cart_net_cancel.
 * 0, or -1 with err. */
int cart_tsa_ask(struct cart_net *n, const char *url, const void *query,
		 size_t len, struct cart_buf *ret_reply, struct cart_err *err);

/* --- URLs --- */

struct cart_url {
	bool https;
	char host[256];		/* lower-case; IPv6 without brackets */
	unsigned port;		/* never 0: 443 or 80 if the text has none */
	bool has_port;		/* the text names one that is not the default */
	char authority[272];	/* as the Host header says it: "[::1]:8080" */
	const char *path;	/* rest of the text, from '/' or "" on */
};

/* Scheme, host and port of an http or https URL; user names, fragments,
 * spaces and control characters are refused.  ret->path points into s, which
 * must stay.  0, or -1 with err (USAGE). */
int cart_url_parse(const char *s, struct cart_url *ret, struct cart_err *err);
/* "localhost" or an address of the loopback network. */
bool cart_url_is_loopback(const struct cart_url *u);
/* Loopback, or one of the link-local addresses of the metadata service and
 * of container credentials: plain http is allowed there. */
bool cart_url_is_local(const struct cart_url *u);
/* True for an IPv4 or IPv6 address: no name goes before it. */
bool cart_url_is_address(const struct cart_url *u);

#endif
