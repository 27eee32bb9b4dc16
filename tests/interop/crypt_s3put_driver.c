/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An S3 that takes uploads and throws them away, for tests/bench/upload.py and
 * tests/interop/test_upload_faults.py:
 *
 *   crypt_s3put_driver [--tls CERT.pem KEY.pem] [--keep FOLDER]
 *
 * PutObject and multipart uploads, path style, any bucket; nothing is hashed or
 * checked, and a checksum that a request names is given back.  With --keep the
 * parts are written to FOLDER/KEY (with % for /), one after another at 8 MiB
 * each.  Prints its port; answers until it is killed.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER ((size_t)256 << 10)
#define PART ((off_t)8 << 20)

static SSL_CTX *tls;
static int keep_fd = -1;

struct peer {
	int fd;
	SSL *ssl;
	char *buf;
	size_t have;
};

static void die(const char *what)
{
	fprintf(stderr, "crypt_s3put_driver: %s\n", what);
	exit(1);
}

static ssize_t get(struct peer *p, void *to, size_t len)
{
	if (p->ssl)
		return SSL_read(p->ssl, to, (int)len);
	return read(p->fd, to, len);
}

static bool put(struct peer *p, const char *from, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = p->ssl ? SSL_write(p->ssl, from, (int)len) :
			     write(p->fd, from, len);
		if (n <= 0)
			return false;
		from += n;
		len -= (size_t)n;
	}
	return true;
}

/* A header's value, cut at its end; "" if it is not there. */
static const char *header(const char *head, const char *name, char out[256])
{
	char want[64];
	const char *p;
	size_t n;

	snprintf(want, sizeof(want), "\r\n%s:", name);
	p = strcasestr(head, want);
	*out = '\0';
	if (!p)
		return out;
	p += strlen(want);
	p += strspn(p, " ");
	n = strcspn(p, "\r");
	snprintf(out, 256, "%.*s", (int)(n < 255 ? n : 255), p);
	return out;
}

/* Where its body goes, or -1. */
static int open_kept(const char *target, off_t *at)
{
	const char *number = strstr(target, "partNumber=");
	char name[512], *c;

	*at = number ? (strtol(number + 11, NULL, 10) - 1) * PART : 0;
	if (keep_fd < 0)
		return -1;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(target + 1, "?"),
		 target + 1);
	for (c = name; *c; c++)
		if (*c == '/')
			*c = '%';
	return openat(keep_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static bool keep(int fd, const char *data, size_t len, off_t *at)
{
	if (fd < 0)
		return true;
	if (pwrite(fd, data, len, *at) != (ssize_t)len)
		return false;
	*at += (off_t)len;
	return true;
}

/* Reads len bytes of body. */
static bool take(struct peer *p, size_t len, int fd, off_t *at)
{
	size_t n = p->have < len ? p->have : len;
	ssize_t got;

	if (!keep(fd, p->buf, n, at))
		return false;
	memmove(p->buf, p->buf + n, p->have - n);
	p->have -= n;
	for (len -= n; len > 0; len -= (size_t)got) {
		got = get(p, p->buf, len < BUFFER ? len : BUFFER);
		if (got <= 0 || !keep(fd, p->buf, (size_t)got, at))
			return false;
	}
	return true;
}

/* A line, without its CRLF. */
static bool take_line(struct peer *p, char line[256])
{
	char *end;
	ssize_t n;

	for (;;) {
		p->buf[p->have] = '\0';
		end = memchr(p->buf, '\n', p->have);
		if (end)
			break;
		if (p->have > 200)
			return false;
		n = get(p, p->buf + p->have, 4096);
		if (n <= 0)
			return false;
		p->have += (size_t)n;
	}
	snprintf(line, 256, "%.*s", (int)strcspn(p->buf, "\r\n"), p->buf);
	p->have -= (size_t)(end + 1 - p->buf);
	memmove(p->buf, end + 1, p->have);
	return true;
}

/* As the AWS CLI sends through TLS; not kept. */
static bool take_chunked(struct peer *p)
{
	char line[256];
	size_t n;
	off_t at = 0;

	do {
		if (!take_line(p, line))
			return false;
		n = strtoul(line, NULL, 16);
		if (n > 0 && (!take(p, n, -1, &at) || !take_line(p, line)))
			return false;
	} while (n > 0);
	do {
		if (!take_line(p, line))
			return false;
	} while (*line);
	return true;
}

static void answer(const char *head, const char *method, const char *target,
		   char *out, size_t size)
{
	static const char xmlns[] =
		"xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
	char body[1024] = "", sum[300] = "", sha[256], crc[256];

	header(head, "x-amz-checksum-sha256", sha);
	header(head, "x-amz-checksum-crc64nvme", crc);
	if (!strcmp(method, "HEAD")) {
		snprintf(out, size, "HTTP/1.1 404 Not Found\r\n"
			 "Content-Length: 0\r\n\r\n");
		return;
	}
	if (!strcmp(method, "POST") && strstr(target, "uploadId="))
		snprintf(body, sizeof(body), "<?xml version=\"1.0\"?>\n"
			 "<CompleteMultipartUploadResult %s><Bucket>b</Bucket>"
			 "<Key>k</Key><ETag>&quot;0-1&quot;</ETag>%s%s%s"
			 "</CompleteMultipartUploadResult>", xmlns,
			 *sha ? "<ChecksumSHA256>" : "", sha,
			 *sha ? "</ChecksumSHA256>" : "");
	else if (!strcmp(method, "POST"))
		snprintf(body, sizeof(body), "<?xml version=\"1.0\"?>\n"
			 "<InitiateMultipartUploadResult %s><Bucket>b</Bucket>"
			 "<Key>k</Key><UploadId>1</UploadId>"
			 "</InitiateMultipartUploadResult>", xmlns);
	else if (*sha)
		snprintf(sum, sizeof(sum), "x-amz-checksum-sha256: %s\r\n",
			 sha);
	snprintf(out, size, "HTTP/1.1 200 OK\r\nETag: \"0\"\r\n%s"
		 "x-amz-request-id: 0123456789ABCDEF\r\n"
		 "Content-Type: application/xml\r\nContent-Length: %zu\r\n\r\n"
		 "%s", sum, strlen(body), body);
}

/* One request; false: the connection ends. */
static bool serve(struct peer *p)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char head[16384], out[4096], method[8], target[2048], value[256];
	char *end = NULL;
	ssize_t n;
	bool ok;
	off_t at = 0;
	int fd;

	for (;;) {
		p->buf[p->have] = '\0';
		end = strstr(p->buf, "\r\n\r\n");
		if (end || p->have >= sizeof(head) - 1)
			break;
		n = get(p, p->buf + p->have, sizeof(head) - 1 - p->have);
		if (n <= 0)
			return false;
		p->have += (size_t)n;
	}
	if (!end || (size_t)(end - p->buf) >= sizeof(head) - 4)
		return false;
	n = end + 4 - p->buf;
	memcpy(head, p->buf, (size_t)n);
	head[n] = '\0';
	memmove(p->buf, p->buf + n, p->have - (size_t)n);
	p->have -= (size_t)n;
	if (sscanf(head, "%7s %2047s", method, target) != 2)
		return false;
	if (*header(head, "expect", value) && !put(p, go_on, strlen(go_on)))
		return false;
	fd = strcmp(method, "PUT") ? -1 : open_kept(target, &at);
	if (*header(head, "transfer-encoding", value))
		ok = take_chunked(p);
	else
		ok = take(p, strtoul(header(head, "content-length", value),
				     NULL, 10), fd, &at);
	if (fd >= 0)
		close(fd);
	if (!ok)
		return false;
	answer(head, method, target, out, sizeof(out));
	return put(p, out, strlen(out));
}

static void *serve_all(void *arg)
{
	struct peer p = { .fd = (int)(intptr_t)arg };

	p.buf = malloc(BUFFER + 1);
	if (!p.buf)
		die("no memory");
	if (tls) {
		p.ssl = SSL_new(tls);
		if (!p.ssl || SSL_set_fd(p.ssl, p.fd) != 1 ||
		    SSL_accept(p.ssl) != 1)
			goto out;
	}
	while (serve(&p))
		;
out:
	SSL_free(p.ssl);
	free(p.buf);
	close(p.fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, c, i;
	pthread_t t;

	signal(SIGPIPE, SIG_IGN);
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--tls") && i + 2 < argc) {
			tls = SSL_CTX_new(TLS_server_method());
			if (!tls || SSL_CTX_use_certificate_chain_file(tls,
							argv[i + 1]) != 1 ||
			    SSL_CTX_use_PrivateKey_file(tls, argv[i + 2],
							SSL_FILETYPE_PEM) != 1)
				die("certificate");
			i += 2;
		} else if (!strcmp(argv[i], "--keep") && i + 1 < argc) {
			keep_fd = open(argv[++i], O_RDONLY | O_DIRECTORY |
				       O_CLOEXEC);
			if (keep_fd < 0)
				die("folder");
		} else {
			die("usage: see the head of its source");
		}
	}
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 256) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die("socket");
	printf("%u\n", ntohs(a.sin_port));
	fflush(stdout);
	while ((c = accept(fd, NULL, NULL)) >= 0) {
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (pthread_create(&t, NULL, serve_all, (void *)(intptr_t)c))
			die("thread");
		pthread_detach(t);
	}
	return 1;
}
