/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "httpd.h"

#define MAX_CONNECTIONS 512
#define HEAD_MAX 65536

struct connection {
	struct httpd *h;
	int fd;
	unsigned number;
	pthread_t thread;
};

struct httpd {
	httpd_fn fn;
	void *arg;
	int fd;
	int stop[2];		/* a pipe: readable when the end has come */
	char url[64];
	pthread_t thread;
	pthread_mutex_t lock;
	unsigned requests;
	unsigned connections;
	struct connection conn[MAX_CONNECTIONS];
};

/* Waits for fd, at most ms; 1 ready, 0 time is over, -1 the end has come. */
static int wait_for(struct httpd *h, int fd, short events, int ms)
{
	struct pollfd p[2] = {
		{ .fd = h->stop[0], .events = POLLIN },
		{ .fd = fd, .events = events },
	};

	if (poll(p, fd < 0 ? 1 : 2, ms) < 0)
		return -1;
	if (p[0].revents)
		return -1;
	return fd >= 0 && p[1].revents;
}

static int send_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

const char *httpd_header(const struct httpd_request *r, const char *name,
			 char *out, size_t size)
{
	const char *p = r->head;
	size_t n = strlen(name);

	out[0] = '\0';
	while ((p = strstr(p, "\r\n"))) {
		p += 2;
		if (!strncasecmp(p, name, n) && p[n] == ':') {
			const char *v = p + n + 1;

			while (*v == ' ')
				v++;
			snprintf(out, size, "%.*s", (int)strcspn(v, "\r"), v);
			break;
		}
	}
	return out;
}

void httpd_say(struct httpd_answer *a, int status, const char *extra,
	       const char *body)
{
	snprintf(a->text, sizeof(a->text),
		 "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n%s",
		 status, strlen(body), extra ? extra : "", body);
	a->len = 0;
}

static int answer(struct connection *c, const struct httpd_request *r)
{
	struct httpd_answer *a = calloc(1, sizeof(*a));
	size_t first;
	int rc = -1;

	if (!a)
		return -1;
	c->h->fn(c->h->arg, r, a);
	if (!a->len)
		a->len = strlen(a->text);
	if (a->delay_ms && wait_for(c->h, -1, 0, (int)a->delay_ms) < 0)
		goto out;
	first = a->stall_ms && a->stall_after < a->len ? a->stall_after : a->len;
	if (send_all(c->fd, a->text, first) < 0)
		goto out;
	if (first < a->len &&
	    (wait_for(c->h, -1, 0, (int)a->stall_ms) < 0 ||
	     send_all(c->fd, a->text + first, a->len - first) < 0))
		goto out;
	rc = a->close ? -1 : 0;
out:
	free(a);
	return rc;
}

/* Reads one request; 0 when answered, -1 at the end of the connection. */
static int one_request(struct connection *c, char *buf)
{
	struct httpd_request r = { .connection = c->number };
	size_t have = 0, want = 0;
	char *end = NULL;
	char value[32];

	for (;;) {
		ssize_t n;

		if (wait_for(c->h, c->fd, POLLIN, -1) < 0)
			return -1;
		n = recv(c->fd, buf + have, HEAD_MAX * 4 - 1 - have, 0);
		if (n <= 0)
			return -1;
		have += (size_t)n;
		buf[have] = '\0';
		if (!end && (end = strstr(buf, "\r\n\r\n"))) {
			end[2] = '\0';
			r.head = buf;
			r.body = end + 4;
			httpd_header(&r, "content-length", value, sizeof(value));
			want = (size_t)(end + 4 - buf) +
			       strtoul(value, NULL, 10);
		}
		if (end && have >= want)
			break;
	}
	r.body_len = want - (size_t)(r.body - buf);
	pthread_mutex_lock(&c->h->lock);
	r.number = c->h->requests++;
	pthread_mutex_unlock(&c->h->lock);
	return answer(c, &r);
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	char *buf = malloc(HEAD_MAX * 4);

	while (buf && !one_request(c, buf))
		;
	free(buf);
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct httpd *h = arg;
	unsigned i;
	int one = 1;

	while (wait_for(h, h->fd, POLLIN, -1) == 1) {
		int fd = accept(h->fd, NULL, NULL);
		struct connection *c = &h->conn[h->connections];

		if (fd < 0)
			continue;
		if (h->connections == MAX_CONNECTIONS) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->h = h;
		c->fd = fd;
		c->number = h->connections;
		/* counted before it can be answered */
		pthread_mutex_lock(&h->lock);
		h->connections++;
		pthread_mutex_unlock(&h->lock);
		if (pthread_create(&c->thread, NULL, serve, c))
			abort();
	}
	for (i = 0; i < h->connections; i++) {
		pthread_join(h->conn[i].thread, NULL);
		close(h->conn[i].fd);
	}
	return NULL;
}

struct httpd *httpd_start(httpd_fn fn, void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	struct httpd *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->fn = fn;
	h->arg = arg;
	pthread_mutex_init(&h->lock, NULL);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (h->fd < 0 || pipe(h->stop) < 0 ||
	    bind(h->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(h->fd, 128) < 0 ||
	    getsockname(h->fd, (struct sockaddr *)&a, &len) < 0 ||
	    pthread_create(&h->thread, NULL, accept_all, h))
		abort();
	snprintf(h->url, sizeof(h->url), "http://127.0.0.1:%u",
		 ntohs(a.sin_port));
	return h;
}

const char *httpd_url(const struct httpd *h)
{
	return h->url;
}

unsigned httpd_requests(struct httpd *h)
{
	unsigned n;

	pthread_mutex_lock(&h->lock);
	n = h->requests;
	pthread_mutex_unlock(&h->lock);
	return n;
}

unsigned httpd_connections(struct httpd *h)
{
	unsigned n;

	pthread_mutex_lock(&h->lock);
	n = h->connections;
	pthread_mutex_unlock(&h->lock);
	return n;
}

void httpd_stop(struct httpd *h)
{
	if (!h)
		return;
	close(h->stop[1]);
	pthread_join(h->thread, NULL);
	close(h->stop[0]);
	close(h->fd);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
