/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread owns libcurl.  Others put a job into a queue, ring an eventfd
 * and sleep until the job is done.  Jobs live on the stack of the thread that
 * waits for them.
 *
 * The eventfd is our own: curl_multi_wakeup loses calls in libcurl 8.21.0, and
 * the finite timeout of the poll repairs whatever else goes missing.
 */
#include <curl/curl.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <crashcart/buf.h>
#include <crashcart/clock.h>
#include <crashcart/compress.h>
#include <crashcart/embed.h>
#include <crashcart/net.h>
#include <crashcart/tls.h>

#define ROOTS_MAX ((size_t)1 << 20)	/* PEM of the embedded roots */
#define DEFAULT_CONNECTIONS	64
#define DEFAULT_REPLY_BYTES	((size_t)64 << 20)
#define HEADERS_MAX_BYTES	((size_t)256 << 10)
#define THREAD_STACK_BYTES	((size_t)512 << 10)
#define POLL_MS			1000
#define UPLOAD_BUFFER		((size_t)256 << 10)

struct job {
	const struct cart_http_request *req;
	struct cart_http_reply *reply;
	struct cart_err *err;
	struct cart_url url;
	int rc;
	_Atomic int done;	/* the waiter owns the job again */
	struct job *next;

	/* of the net thread alone */
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	bool too_big;
	bool sink_refused;
};

struct cart_net {
	unsigned max_connections;
	struct cart_tls_roots *roots;
	char *proxy, *no_proxy, *user_agent;
	pthread_t thread;
	int wake;

	pthread_mutex_t lock;		/* of what follows */
	struct job *queue, **queue_end;
	bool rung;			/* the eventfd is readable */
	bool cancelled;
	bool ending;
	unsigned waiting;		/* threads inside cart_net_perform */
	pthread_cond_t nobody;		/* ... there are none */

	/* of the net thread alone */
	CURLM *multi;
	struct job **active;		/* max_connections of them */
	unsigned active_count;
	CURL **idle;
	unsigned idle_count;
};

/* ---- what libcurl calls --------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct job *j = arg;
	size_t len = size * n;

	if (j->req->sink && j->reply->status / 100 == 2) {
		if (j->req->sink(j->req->sink_arg, data, len) < 0) {
			j->sink_refused = true;
			return CURL_WRITEFUNC_ERROR;
		}
		return len;
	}
	cart_buf_add(&j->reply->body, data, len);
	if (cart_buf_ok(&j->reply->body))
		return len;
	j->too_big = j->reply->body.limited;
	return CURL_WRITEFUNC_ERROR;
}

/* Three digits after the first space of "HTTP/1.1 200 OK". */
static int status_of(const char *line, size_t len)
{
	const char *p = memchr(line, ' ', len);

	if (!p || line + len - p < 4)
		return 0;
	if (p[1] < '1' || p[1] > '9' || p[2] < '0' || p[2] > '9' ||
	    p[3] < '0' || p[3] > '9')
		return 0;
	return (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct job *j = arg;
	struct cart_buf *b = &j->reply->headers;
	size_t len = size * n, i, end = len;
	const char *colon;

	if (len >= 5 && !memcmp(data, "HTTP/", 5)) {
		/* also the final one after a 100 */
		cart_buf_reset(b);
		j->reply->status = status_of(data, len);
		return len;
	}
	while (end > 0 && (data[end - 1] == '\r' || data[end - 1] == '\n' ||
			   data[end - 1] == ' ' || data[end - 1] == '\t'))
		end--;
	colon = memchr(data, ':', end);
	if (!colon)
		return len;
	for (i = 0; i < (size_t)(colon - data); i++) {
		char c = data[i];

		cart_buf_addc(b, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
	}
	i++;
	while (i < end && (data[i] == ' ' || data[i] == '\t'))
		i++;
	cart_buf_adds(b, ": ");
	for (; i < end; i++)
		cart_buf_addc(b, data[i] == '\n' || data[i] == '\r' ||
			      data[i] == '\0' ? ' ' : data[i]);
	cart_buf_addc(b, '\n');
	if (cart_buf_ok(b))
		return len;
	j->too_big = b->limited;
	return 0;
}

/* ---- jobs ----------------------------------------------------------------- */

/* A semaphore of musl's spins before it sleeps, and an answer takes longer than
 * that: the threads that wait for one would use up a core. */
static void wait_done(struct job *j)
{
	while (!j->done)
		syscall(SYS_futex, &j->done, FUTEX_WAIT_PRIVATE, 0, NULL, NULL,
			0);
}

/* After this the waiter may return and take the job with it: the address may be
 * anything by the time of the wake-up, which is harmless for who waits there
 * (all of them look again).  Without the net's lock, which the waiter does not
 * need. */
static void finish(struct job *j, int rc)
{
	j->rc = rc;
	j->done = 1;
	syscall(SYS_futex, &j->done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static int has_header(const struct cart_http_request *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->n_headers; i++)
		if (!strcasecmp(r->headers[i].name, name))
			return 1;
	return 0;
}

static int add_header(struct job *j, const char *name, const char *value)
{
	struct cart_buf b;
	struct curl_slist *l = NULL;

	cart_buf_init(&b, HEADERS_MAX_BYTES);
	/* libcurl's forms: "name;" sends an empty one, "name:" none at all */
	cart_buf_adds(&b, name);
	cart_buf_adds(&b, !value ? ":" : !*value ? ";" : ": ");
	cart_buf_adds(&b, value ? value : "");
	if (cart_buf_ok(&b))
		l = curl_slist_append(j->headers, (const char *)b.data);
	cart_buf_clear(&b);
	if (!l)
		return -1;
	j->headers = l;
	return 0;
}

static int make_headers(struct job *j)
{
	static const char *const unasked[] = {
		"Accept", "Content-Type", "Expect", "Transfer-Encoding",
	};
	const struct cart_http_request *r = j->req;
	size_t i;

	for (i = 0; i < r->n_headers; i++)
		if (add_header(j, r->headers[i].name, r->headers[i].value) < 0)
			return -1;
	for (i = 0; i < sizeof(unasked) / sizeof(unasked[0]); i++)
		if (!has_header(r, unasked[i]) &&
		    add_header(j, unasked[i], NULL) < 0)
			return -1;
	return 0;
}

static long ms_or(unsigned ms, unsigned fallback)
{
	return (long)(ms ? ms : fallback);
}

static CURLcode set_method(CURL *e, const struct cart_http_request *r)
{
	CURLcode c;
	bool body = r->body_len > 0 || !strcmp(r->method, "POST") ||
		    !strcmp(r->method, "PUT") || !strcmp(r->method, "PATCH");

	if (!strcmp(r->method, "HEAD"))
		return curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	if (!body) {
		c = curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	} else {
		c = curl_easy_setopt(e, CURLOPT_POST, 1L);
		if (!c)
			c = curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
					     (curl_off_t)r->body_len);
		if (!c)
			c = curl_easy_setopt(e, CURLOPT_POSTFIELDS,
					     r->body_len ? r->body : "");
	}
	if (!c)
		c = curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
	return c;
}

#define SET(option, value) \
	do { \
		c = curl_easy_setopt(e, option, value); \
		if (c) \
			return c; \
	} while (0)

static CURLcode on_tls(CURL *e, void *ssl_ctx, void *arg)
{
	struct cart_net *n = arg;

	(void)e;
	cart_tls_roots_use(n->roots, ssl_ctx);
	return CURLE_OK;
}

/* The roots are given to each connection by on_tls, and not as
 * CURLOPT_CAINFO_BLOB, which libcurl parses and keeps for each of them: 64
 * connections were 77 MiB. */
static CURLcode set_tls(struct cart_net *n, CURL *e)
{
	CURLcode c;

	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	/* never a file of this host */
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
	SET(CURLOPT_SSL_CTX_DATA, n);
	return CURLE_OK;
}

static CURLcode set_options(struct cart_net *n, struct job *j)
{
	const struct cart_http_request *r = j->req;
	CURL *e = j->easy;
	bool direct = r->direct || !n->proxy || cart_url_is_local(&j->url);
	long stall_s = (ms_or(r->stall_timeout_ms, 60000) + 999) / 1000;
	CURLcode c;

	SET(CURLOPT_PRIVATE, j);
	SET(CURLOPT_ERRORBUFFER, j->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_URL, r->url);
	SET(CURLOPT_PATH_AS_IS, 1L);	/* it is signed as it is */
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, direct ? "" : n->proxy);
	SET(CURLOPT_NOPROXY, n->no_proxy ? n->no_proxy : "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_USERAGENT, n->user_agent);
	SET(CURLOPT_CONNECTTIMEOUT_MS, ms_or(r->connect_timeout_ms, 10000));
	SET(CURLOPT_TIMEOUT_MS, ms_or(r->timeout_ms, 120000));
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, stall_s);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	/* libcurl 7.88 refuses this for a handle that was used and did not get
	 * far; it has the size from its first use then */
	(void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 65536L);
	if (r->body_len > UPLOAD_BUFFER)
		SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
	SET(CURLOPT_FRESH_CONNECT, r->fresh || r->connect_only ? 1L : 0L);
	SET(CURLOPT_CONNECT_ONLY, r->connect_only ? 1L : 0L);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, j);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, j);
	SET(CURLOPT_HTTPHEADER, j->headers);
	c = set_tls(n, e);
	return c ? c : set_method(e, r);
}

static void drop_handle(struct cart_net *n, struct job *j)
{
	curl_slist_free_all(j->headers);
	j->headers = NULL;
	if (!j->easy)
		return;
	/* the job dies with its waiter: leave no pointer to it behind */
	curl_easy_reset(j->easy);
	n->idle[n->idle_count++] = j->easy;
	j->easy = NULL;
}

static void start(struct cart_net *n, struct job *j)
{
	CURLcode c;
	CURLMcode m;

	j->easy = n->idle_count ? n->idle[--n->idle_count] : curl_easy_init();
	if (!j->easy || make_headers(j) < 0) {
		drop_handle(n, j);
		finish(j, cart_err_nomem(j->err));
		return;
	}
	c = set_options(n, j);
	if (c) {
		cart_err_set(j->err, CART_ERR_NET, (int)c,
			     "cannot prepare a request to %s: %s",
			     j->url.authority, curl_easy_strerror(c));
		drop_handle(n, j);
		finish(j, -1);
		return;
	}
	j->reply->started_utc_ns = cart_clock_utc_ns();
	m = curl_multi_add_handle(n->multi, j->easy);
	if (m) {
		cart_err_set(j->err, CART_ERR_NET, 0,
			     "cannot start a request to %s: %s",
			     j->url.authority, curl_multi_strerror(m));
		drop_handle(n, j);
		finish(j, -1);
		return;
	}
	n->active[n->active_count++] = j;
}

static void take_out(struct cart_net *n, struct job *j)
{
	unsigned i;

	for (i = 0; i < n->active_count; i++)
		if (n->active[i] == j)
			break;
	n->active[i] = n->active[--n->active_count];
	curl_multi_remove_handle(n->multi, j->easy);
}

static int set_error(struct job *j, CURLcode c)
{
	const char *host = j->url.authority;
	const char *why = j->error[0] ? j->error : curl_easy_strerror(c);
	long connect_code = 0;

	if (j->too_big)
		return cart_err_set(j->err, CART_ERR_LIMIT, (int)c,
				    "the answer of %s is larger than %zu bytes",
				    host, j->reply->body.limited ?
				    j->reply->body.max : HEADERS_MAX_BYTES);
	if (j->sink_refused)
		return cart_err_set(j->err, CART_ERR_CANCELLED, (int)c,
				    "the answer of %s was not wanted any more",
				    host);
	curl_easy_getinfo(j->easy, CURLINFO_HTTP_CONNECTCODE, &connect_code);
	if (connect_code == 407 || connect_code == 401)
		return cart_err_set(j->err, CART_ERR_HTTP, (int)connect_code,
				    "%s: the proxy wants a name and a password, "
				    "or others than these (status %ld); give "
				    "them as --proxy http://NAME:PASSWORD@HOST",
				    host, connect_code);
	switch (c) {
	case CURLE_OPERATION_TIMEDOUT:
		return cart_err_set(j->err, CART_ERR_TIMEOUT, (int)c,
				    "%s: %s within %.1f s", host,
				    !j->reply->sent_utc_ns ? "no connection" :
				    !j->reply->status ? "no answer" :
				    "the answer did not end",
				    (double)j->reply->duration_ms / 1000);
	case CURLE_OUT_OF_MEMORY:
		return cart_err_nomem(j->err);
	case CURLE_PEER_FAILED_VERIFICATION:
		return cart_err_set(j->err, CART_ERR_CRYPTO, (int)c,
				    "%s: the certificate is not trusted (%s); "
				    "if a proxy inspects TLS here, give its "
				    "root with --ca-bundle", host, why);
	case CURLE_PARTIAL_FILE:
		return cart_err_set(j->err, CART_ERR_NET, (int)c,
				    "%s: the answer ended early after %zu bytes "
				    "(%s)", host, j->reply->body.len, why);
	default:
		return cart_err_set(j->err, CART_ERR_NET, (int)c, "%s: %s",
				    host, why);
	}
}

static void read_facts(struct job *j, CURLcode c)
{
	struct cart_http_reply *r = j->reply;
	curl_off_t us = 0;
	long request_bytes = 0;
	char *ip = NULL;

	r->finished_utc_ns = cart_clock_utc_ns();
	curl_easy_getinfo(j->easy, CURLINFO_PRIMARY_IP, &ip);
	if (ip)
		snprintf(r->address, sizeof(r->address), "%s", ip);
	curl_easy_getinfo(j->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	curl_easy_getinfo(j->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
	if (request_bytes > 0 || r->status)
		r->sent_utc_ns = r->started_utc_ns + (int64_t)us * 1000;
	curl_easy_getinfo(j->easy, CURLINFO_TOTAL_TIME_T, &us);
	r->duration_ms = (uint64_t)us / 1000;
	r->truncated = c != CURLE_OK && r->status != 0 && !j->too_big;
}

static void complete(struct cart_net *n, struct job *j, CURLcode c)
{
	int rc = 0;

	read_facts(j, c);
	take_out(n, j);
	if (c != CURLE_OK)
		rc = set_error(j, c);
	else if (!j->reply->status && !j->req->connect_only)
		rc = cart_err_set(j->err, CART_ERR_NET, 0,
				  "%s answered without a status",
				  j->url.authority);
	drop_handle(n, j);
	finish(j, rc);
}

static int set_cancelled(struct job *j)
{
	return cart_err_set(j->err, CART_ERR_CANCELLED, 0,
			    "request to %s was cancelled", j->url.authority);
}

static void drop_cancelled(struct cart_net *n, bool all)
{
	unsigned i = 0;

	while (i < n->active_count) {
		struct job *j = n->active[i];

		if (!all && j->req->despite_cancel) {
			i++;
			continue;
		}
		read_facts(j, CURLE_ABORTED_BY_CALLBACK);
		take_out(n, j);
		drop_handle(n, j);
		finish(j, set_cancelled(j));
	}
}

/* With the lock held: rings once until it is heard. */
static void ring(struct cart_net *n)
{
	uint64_t one = 1;

	if (!n->rung && write(n->wake, &one, sizeof(one)) == sizeof(one))
		n->rung = true;
}

static void hush(struct cart_net *n)
{
	uint64_t count;

	if (n->rung && read(n->wake, &count, sizeof(count)) == sizeof(count))
		n->rung = false;
}

/* Takes the next job that may start; NULL if there is none. */
static struct job *next_job(struct cart_net *n, bool *cancelled, bool *ending)
{
	struct job *j = NULL;

	pthread_mutex_lock(&n->lock);
	hush(n);
	*cancelled = n->cancelled;
	*ending = n->ending;
	if (n->queue && (n->active_count < n->max_connections ||
			 n->cancelled || n->ending)) {
		j = n->queue;
		n->queue = j->next;
		if (!n->queue)
			n->queue_end = &n->queue;
	}
	pthread_mutex_unlock(&n->lock);
	return j;
}

static bool start_jobs(struct cart_net *n)
{
	bool cancelled, ending;
	struct job *j;

	while ((j = next_job(n, &cancelled, &ending))) {
		if (ending || (cancelled && !j->req->despite_cancel))
			finish(j, set_cancelled(j));
		else
			start(n, j);
	}
	if (cancelled || ending)
		drop_cancelled(n, ending);
	return !ending;
}

static void *net_main(void *arg)
{
	struct cart_net *n = arg;
	struct curl_waitfd fd = { .fd = n->wake, .events = CURL_WAIT_POLLIN };
	int running, left;

	while (start_jobs(n)) {
		CURLMsg *m;

		curl_multi_perform(n->multi, &running);
		while ((m = curl_multi_info_read(n->multi, &left))) {
			struct job *j = NULL;
			CURLcode c = m->data.result;

			if (m->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &j);
			complete(n, j, c);
		}
		fd.revents = 0;
		curl_multi_poll(n->multi, &fd, 1, POLL_MS, NULL);
	}
	return NULL;
}

/* ---- for everybody else --------------------------------------------------- */

static void init_reply(struct cart_http_reply *ret, size_t body_max)
{
	memset(ret, 0, sizeof(*ret));
	cart_buf_init(&ret->body, body_max);
	cart_buf_init(&ret->headers, HEADERS_MAX_BYTES);
}

static int check_request(const struct cart_http_request *req, struct job *j,
			 struct cart_err *err)
{
	size_t i;

	if (cart_url_parse(req->url, &j->url, err) < 0)
		return -1;
	if (!j->url.https && !req->plain_ok && !cart_url_is_local(&j->url))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "plain http to %s is not allowed: what goes "
				    "there could be read and changed on the "
				    "way; use https", j->url.authority);
	for (i = 0; i < req->n_headers; i++)
		if (strpbrk(req->headers[i].name, ":\r\n \t") ||
		    strpbrk(req->headers[i].value, "\r\n"))
			return cart_err_set(err, CART_ERR_INPUT, 0,
					    "header \"%.60s\" of a request to %s "
					    "holds a line end",
					    req->headers[i].name,
					    j->url.authority);
	return 0;
}

int cart_net_perform(struct cart_net *n, const struct cart_http_request *req,
		     struct cart_http_reply *ret, struct cart_err *err)
{
	struct job j = { .req = req, .reply = ret, .err = err };

	init_reply(ret, req->reply_max_bytes ? req->reply_max_bytes :
		   DEFAULT_REPLY_BYTES);
	if (check_request(req, &j, err) < 0)
		return -1;

	pthread_mutex_lock(&n->lock);
	if (n->ending || (n->cancelled && !req->despite_cancel)) {
		pthread_mutex_unlock(&n->lock);
		return set_cancelled(&j);
	}
	n->waiting++;
	*n->queue_end = &j;
	n->queue_end = &j.next;
	ring(n);
	pthread_mutex_unlock(&n->lock);

	wait_done(&j);
	pthread_mutex_lock(&n->lock);
	if (!--n->waiting)
		pthread_cond_signal(&n->nobody);
	pthread_mutex_unlock(&n->lock);
	return j.rc;
}

void cart_net_cancel(struct cart_net *n)
{
	pthread_mutex_lock(&n->lock);
	n->cancelled = true;
	ring(n);
	pthread_mutex_unlock(&n->lock);
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void init_curl(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_ALL);
}

static int start_thread(struct cart_net *n, struct cart_err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int e;

	if (pthread_attr_init(&attr))
		return cart_err_nomem(err);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	/* signals are for the main thread; SIGPIPE is for nobody */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&n->thread, &attr, net_main, n);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (e)
		return cart_err_errno(err, e, "cannot start the net thread");
	return 0;
}

static int copy_text(const char *s, char **ret)
{
	*ret = s ? strdup(s) : NULL;
	return s && !*ret ? -1 : 0;
}

static void free_parts(struct cart_net *n)
{
	unsigned i;

	for (i = 0; n->idle && i < n->idle_count; i++)
		curl_easy_cleanup(n->idle[i]);
	if (n->multi)
		curl_multi_cleanup(n->multi);
	if (n->wake >= 0)
		close(n->wake);
	cart_tls_roots_free(n->roots);
	free(n->active);
	free(n->idle);
	free(n->proxy);
	free(n->no_proxy);
	free(n->user_agent);
	pthread_cond_destroy(&n->nobody);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* What is embedded is compressed: 94 KB less to carry. */
static struct cart_tls_roots *embedded_roots(struct cart_err *err)
{
	struct cart_tls_roots *roots = NULL;
	struct cart_buf pem;

	cart_buf_init(&pem, ROOTS_MAX);
	if (!cart_zstd_decompress(cart_embed_roots, cart_embed_roots_len, NULL,
				  0, &pem, err))
		roots = cart_tls_roots_new(pem.data ? (const char *)pem.data :
					   "", pem.len, err);
	cart_buf_clear(&pem);
	return roots;
}

struct cart_net *cart_net_new(const struct cart_net_options *o,
			      struct cart_err *err)
{
	struct cart_net *n;

	pthread_once(&curl_once, init_curl);
	if (curl_ready) {
		cart_err_set(err, CART_ERR_INTERNAL, (int)curl_ready,
			     "libcurl does not start: %s",
			     curl_easy_strerror(curl_ready));
		return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (!n) {
		cart_err_nomem(err);
		return NULL;
	}
	n->max_connections = o->max_connections ? o->max_connections :
		DEFAULT_CONNECTIONS;
	n->queue_end = &n->queue;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->nobody, NULL);
	n->roots = o->ca_pem ? cart_tls_roots_new(o->ca_pem, o->ca_pem_len, err)
			     : embedded_roots(err);
	n->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (n->wake < 0) {
		cart_err_errno(err, errno, "eventfd");
		goto fail;
	}
	if (!n->roots)
		goto fail;
	n->multi = curl_multi_init();
	n->active = calloc(n->max_connections, sizeof(*n->active));
	n->idle = calloc(n->max_connections + 1, sizeof(*n->idle));
	if (!n->multi || !n->active || !n->idle ||
	    copy_text(o->proxy, &n->proxy) < 0 ||
	    copy_text(o->no_proxy, &n->no_proxy) < 0 ||
	    copy_text(o->user_agent ? o->user_agent : "crashcart",
		      &n->user_agent) < 0) {
		cart_err_nomem(err);
		goto fail;
	}
	curl_multi_setopt(n->multi, CURLMOPT_MAXCONNECTS,
			  (long)n->max_connections);
	curl_multi_setopt(n->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	if (start_thread(n, err) < 0)
		goto fail;
	return n;
fail:
	free_parts(n);
	return NULL;
}

void cart_net_free(struct cart_net *n)
{
	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->ending = true;
	ring(n);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	pthread_mutex_lock(&n->lock);
	while (n->waiting)
		pthread_cond_wait(&n->nobody, &n->lock);
	pthread_mutex_unlock(&n->lock);
	free_parts(n);
}
