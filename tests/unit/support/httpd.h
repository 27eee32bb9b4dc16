/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_TEST_HTTPD_H
#define CRASHCART_TEST_HTTPD_H

#include <stddef.h>

/*
 * A small HTTP/1.1 server on 127.0.0.1 for unit tests: one thread, one more a
 * connection, keep-alive.  What it answers is up to the test.
 */
struct httpd;

struct httpd_request {
	unsigned number;	/* of requests so far, from 0 */
	unsigned connection;	/* from 0 */
	const char *head;	/* request line and headers, NUL-terminated */
	const char *body;
	size_t body_len;
};

struct httpd_answer {
	char text[200000];	/* bytes to send, status line first */
	size_t len;		/* 0: strlen(text) */
	unsigned delay_ms;	/* before the first byte */
	size_t stall_after;	/* send so many bytes, then wait stall_ms */
	unsigned stall_ms;
	int close;		/* hang up after it */
};

typedef void (*httpd_fn)(void *arg, const struct httpd_request *r,
			 struct httpd_answer *a);

struct httpd *httpd_start(httpd_fn fn, void *arg);
/* "http://127.0.0.1:PORT" */
const char *httpd_url(const struct httpd *h);
unsigned httpd_requests(struct httpd *h);
unsigned httpd_connections(struct httpd *h);
void httpd_stop(struct httpd *h);

/* Fills a with a whole answer.  extra: more header lines, each with CRLF. */
void httpd_say(struct httpd_answer *a, int status, const char *extra,
	       const char *body);
/* Copies the value of a header of the request into out; "" if absent. */
const char *httpd_header(const struct httpd_request *r, const char *name,
			 char *out, size_t size);

#endif
