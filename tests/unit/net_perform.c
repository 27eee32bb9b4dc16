/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/clock.h>
#include <crashcart/net.h>

#include "unit/support/httpd.h"

static void answer(void *arg, const struct httpd_request *r,
		   struct httpd_answer *a)
{
	char text[4096];

	if (!strncmp(r->head, "GET /slow", 9)) {
		httpd_say(a, 200, NULL, "late");
		a->delay_ms = 5000;
	} else if (!strncmp(r->head, "GET /stall", 10)) {
		httpd_say(a, 200, NULL, "0123456789");
		a->stall_after = strlen(a->text) - 5;
		a->stall_ms = 20000;
	} else if (!strncmp(r->head, "GET /short", 10)) {
		snprintf(a->text, sizeof(a->text), "HTTP/1.1 200 OK\r\n"
			 "Content-Length: 100\r\n\r\nonly this");
		a->close = 1;
	} else if (!strncmp(r->head, "GET /chunk", 10)) {
		snprintf(a->text, sizeof(a->text), "HTTP/1.1 200 OK\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n5\r\nonly \r\n8\r\nth");
		a->close = 1;
	} else if (!strncmp(r->head, "GET /hangup", 11)) {
		a->close = 1;
	} else if (!strncmp(r->head, "GET /redirect", 13)) {
		httpd_say(a, 302, "Location: /elsewhere\r\nX-A: 1\r\nX-A: 2\r\n"
			  "X-Empty:\r\n", "no");
	} else if (!strncmp(r->head, "GET /big", 8)) {
		size_t i = (size_t)snprintf(a->text, sizeof(a->text),
			"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");

		memset(a->text + i, 'x', 100000);
		a->len = i + 100000;
	} else {
		snprintf(text, sizeof(text), "%s|%.*s", r->head,
			 (int)r->body_len, r->body);
		httpd_say(a, 200, NULL, text);
	}
}

struct world {
	struct httpd *h;
	struct cart_net *n;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct cart_net_options o = { .user_agent = "crashcart/test" };

	w->h = httpd_start(answer, NULL);
	w->n = cart_net_new(&o, NULL);
	*state = w;
	return w->n ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	cart_net_free(w->n);
	httpd_stop(w->h);
	free(w);
	return 0;
}

static int get(struct world *w, const char *path,
	       struct cart_http_request *r, struct cart_http_reply *ret,
	       struct cart_err *err)
{
	char url[256];

	snprintf(url, sizeof(url), "%s%s", httpd_url(w->h), path);
	r->url = url;
	if (!r->method)
		r->method = "GET";
	return cart_net_perform(w->n, r, ret, err);
}

static void sends_exactly_what_was_asked(void **state)
{
	struct world *w = *state;
	const struct cart_http_header h[] = {
		{ "X-One", "1 2  3" }, { "x-empty", "" },
		{ "Content-Type", "application/x-amz-json-1.1" },
	};
	struct cart_http_request r = {
		.method = "POST", .headers = h, .n_headers = 3,
		.body = "{\"a\":1}", .body_len = 7,
	};
	struct cart_http_reply p;
	struct cart_err err;
	char want[512];

	assert_int_equal(get(w, "/a/../b//%2F?x=%2B&y", &r, &p, &err), 0);
	assert_int_equal(p.status, 200);
	snprintf(want, sizeof(want), "POST /a/../b//%%2F?x=%%2B&y HTTP/1.1\r\n"
		 "Host: %s\r\nUser-Agent: crashcart/test\r\nX-One: 1 2  3\r\n"
		 "x-empty:\r\nContent-Type: application/x-amz-json-1.1\r\n"
		 "Content-Length: 7\r\n|{\"a\":1}", httpd_url(w->h) + 7);
	assert_string_equal((char *)p.body.data, want);
	assert_string_equal(p.address, "127.0.0.1");
	assert_true(p.sent_utc_ns >= p.started_utc_ns);
	assert_true(p.finished_utc_ns >= p.sent_utc_ns);
	cart_http_reply_clear(&p);

	memset(&r, 0, sizeof(r));
	r.method = "PUT";
	assert_int_equal(get(w, "/", &r, &p, &err), 0);
	snprintf(want, sizeof(want), "PUT / HTTP/1.1\r\nHost: %s\r\n"
		 "User-Agent: crashcart/test\r\nContent-Length: 0\r\n|",
		 httpd_url(w->h) + 7);
	assert_string_equal((char *)p.body.data, want);
	cart_http_reply_clear(&p);

	r.method = "DELETE";
	assert_int_equal(get(w, "/d", &r, &p, &err), 0);
	snprintf(want, sizeof(want), "DELETE /d HTTP/1.1\r\nHost: %s\r\n"
		 "User-Agent: crashcart/test\r\n|", httpd_url(w->h) + 7);
	assert_string_equal((char *)p.body.data, want);
	cart_http_reply_clear(&p);
}

static void reuses_connections(void **state)
{
	struct world *w = *state;
	struct cart_http_reply p;
	struct cart_err err;
	unsigned i, before;

	for (i = 0; i < 20; i++) {
		struct cart_http_request r = { 0 };

		assert_int_equal(get(w, "/", &r, &p, &err), 0);
		cart_http_reply_clear(&p);
	}
	assert_true(httpd_connections(w->h) <= 3);
	before = httpd_connections(w->h);
	for (i = 0; i < 3; i++) {
		struct cart_http_request r = { .fresh = true };

		assert_int_equal(get(w, "/", &r, &p, &err), 0);
		cart_http_reply_clear(&p);
	}
	assert_int_equal(httpd_connections(w->h), before + 3);
}

static void tells_headers(void **state)
{
	struct world *w = *state;
	struct cart_http_request r = { 0 };
	struct cart_http_reply p;
	struct cart_err err;
	char v[16];

	assert_int_equal(get(w, "/redirect", &r, &p, &err), 0);
	assert_int_equal(p.status, 302);
	assert_string_equal((char *)p.headers.data,
			    "content-length: 2\nlocation: /elsewhere\n"
			    "x-a: 1\nx-a: 2\nx-empty: \n");
	assert_true(cart_http_header_get(&p, "x-a", v, sizeof(v)));
	assert_string_equal(v, "1");
	assert_true(cart_http_header_get(&p, "x-empty", v, sizeof(v)));
	assert_string_equal(v, "");
	assert_false(cart_http_header_get(&p, "x", v, sizeof(v)));
	assert_true(cart_http_header_get(&p, "location", v, 5));
	assert_string_equal(v, "/els");
	cart_http_reply_clear(&p);
}

static void faults(void **state)
{
	static const struct {
		const char *path;
		enum cart_err_class class;
		int status;
		bool truncated, sent;
		const char *body;
	} t[] = {
		{ "/slow", CART_ERR_TIMEOUT, 0, false, true, NULL },
		{ "/stall", CART_ERR_TIMEOUT, 200, true, true, "01234" },
		{ "/short", CART_ERR_NET, 200, true, true, "only this" },
		{ "/chunk", CART_ERR_NET, 200, true, true, "only th" },
		{ "/hangup", CART_ERR_NET, 0, false, true, NULL },
		{ "/big", CART_ERR_LIMIT, 200, false, true, NULL },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct cart_http_request r = {
			.timeout_ms = 700, .reply_max_bytes = 50000,
		};
		struct cart_http_reply p;
		struct cart_err err;
		int64_t start = cart_clock_mono_ns();

		assert_int_equal(get(w, t[i].path, &r, &p, &err), -1);
		assert_int_equal(err.class, t[i].class);
		assert_int_equal(p.status, t[i].status);
		assert_int_equal(p.truncated, t[i].truncated);
		assert_int_equal(p.sent_utc_ns != 0, t[i].sent);
		if (t[i].body)
			assert_string_equal((char *)p.body.data, t[i].body);
		assert_true(cart_clock_mono_ns() - start < 3000000000);
		cart_http_reply_clear(&p);
	}
}

static void nobody_listens(void **state)
{
	struct world *w = *state;
	struct cart_http_request r = {
		.method = "GET", .url = "http://127.0.0.1:1/",
	};
	struct cart_http_reply p;
	struct cart_err err;

	assert_int_equal(cart_net_perform(w->n, &r, &p, &err), -1);
	assert_int_equal(err.class, CART_ERR_NET);
	assert_int_equal(p.sent_utc_ns, 0);
	cart_http_reply_clear(&p);
}

/* A handle that failed once is as good as new. */
static void no_such_host(void **state)
{
	struct world *w = *state;
	struct cart_http_request r = {
		.method = "GET", .url = "https://no-such-host.invalid/",
	};
	struct cart_http_reply p;
	struct cart_err err;
	int i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(cart_net_perform(w->n, &r, &p, &err), -1);
		assert_non_null(strstr(err.text, "no-such-host.invalid: "));
		assert_int_equal(p.sent_utc_ns, 0);
		cart_http_reply_clear(&p);
	}
	memset(&r, 0, sizeof(r));
	assert_int_equal(get(w, "/", &r, &p, &err), 0);
	cart_http_reply_clear(&p);
}

static void plain_http_is_refused(void **state)
{
	struct world *w = *state;
	struct cart_http_request r = {
		.method = "GET", .url = "http://192.0.2.1/",
	};
	const struct cart_http_header h = { "X-A", "1\r\nX-B: 2" };
	struct cart_http_reply p;
	struct cart_err err;

	assert_int_equal(cart_net_perform(w->n, &r, &p, &err), -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	cart_http_reply_clear(&p);
	r.headers = &h;
	r.n_headers = 1;
	assert_int_equal(get(w, "/", &r, &p, &err), -1);
	assert_int_equal(err.class, CART_ERR_INPUT);
	cart_http_reply_clear(&p);
}

struct sunk {
	size_t bytes, stop_at;
};

static int take(void *arg, const void *data, size_t len)
{
	struct sunk *s = arg;

	s->bytes += len;
	return s->stop_at && s->bytes >= s->stop_at ? -1 : 0;
}

static void sink(void **state)
{
	struct world *w = *state;
	struct sunk s = { 0 };
	struct cart_http_request r = { .sink = take, .sink_arg = &s };
	struct cart_http_reply p;
	struct cart_err err;

	assert_int_equal(get(w, "/big", &r, &p, &err), 0);
	assert_int_equal(s.bytes, 100000);
	assert_int_equal(p.body.len, 0);
	cart_http_reply_clear(&p);
	s.bytes = 0;
	s.stop_at = 10;
	assert_int_equal(get(w, "/big", &r, &p, &err), -1);
	assert_int_equal(err.class, CART_ERR_CANCELLED);
	cart_http_reply_clear(&p);
	/* what is not a 2xx goes to the body */
	s.bytes = 0;
	assert_int_equal(get(w, "/redirect", &r, &p, &err), 0);
	assert_int_equal(s.bytes, 0);
	assert_int_equal(p.body.len, 2);
	cart_http_reply_clear(&p);
}

static void *many_gets(void *arg)
{
	struct world *w = arg;
	intptr_t bad = 0;
	int i;

	for (i = 0; i < 50; i++) {
		struct cart_http_request r = { 0 };
		struct cart_http_reply p;

		bad += get(w, "/x", &r, &p, NULL) != 0 || p.status != 200;
		cart_http_reply_clear(&p);
	}
	return (void *)bad;
}

static void many_threads(void **state)
{
	struct world *w = *state;
	pthread_t t[32];
	void *bad;
	size_t i;

	for (i = 0; i < 32; i++)
		assert_int_equal(pthread_create(&t[i], NULL, many_gets, w), 0);
	for (i = 0; i < 32; i++) {
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
	assert_true(httpd_connections(w->h) < 120);
}

static void *slow_get(void *arg)
{
	struct cart_http_request r = { 0 };
	struct cart_http_reply p;
	struct cart_err err;

	if (get(arg, "/slow", &r, &p, &err) != -1)
		err.class = CART_ERR_NONE;
	cart_http_reply_clear(&p);
	return (void *)(intptr_t)err.class;
}

static void cancel(void **state)
{
	struct world *w = *state;
	int64_t start = cart_clock_mono_ns();
	struct cart_http_request r = { 0 };
	struct cart_http_reply p;
	struct cart_err err;
	pthread_t t[8];
	void *class;
	size_t i;

	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, slow_get, w), 0);
	cart_clock_sleep_ms(200);
	cart_net_cancel(w->n);
	for (i = 0; i < 8; i++) {
		pthread_join(t[i], &class);
		assert_int_equal((intptr_t)class, CART_ERR_CANCELLED);
	}
	assert_true(cart_clock_mono_ns() - start < 3000000000);
	assert_int_equal(get(w, "/", &r, &p, &err), -1);
	assert_int_equal(err.class, CART_ERR_CANCELLED);
	cart_http_reply_clear(&p);
	r.despite_cancel = true;
	assert_int_equal(get(w, "/", &r, &p, &err), 0);
	cart_http_reply_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sends_exactly_what_was_asked,
						setup, teardown),
		cmocka_unit_test_setup_teardown(reuses_connections, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tells_headers, setup, teardown),
		cmocka_unit_test_setup_teardown(faults, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_listens, setup, teardown),
		cmocka_unit_test_setup_teardown(no_such_host, setup, teardown),
		cmocka_unit_test_setup_teardown(plain_http_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(sink, setup, teardown),
		cmocka_unit_test_setup_teardown(many_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(cancel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
