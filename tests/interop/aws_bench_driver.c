/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native halves of tests/bench/aws_calls.py:
 *
 *   aws_bench_driver serve BYTES [CERT KEY]    a server that answers each POST
 *                                              with volumes, about so many bytes
 *   aws_bench_driver bare URL CALLS CONNECTIONS [CA]   a plain libcurl loop
 *   aws_bench_driver get URL CALLS CONNECTIONS         the same, GET
 *   aws_bench_driver ours URL CALLS THREADS FILE [CA]  signed calls; every reply
 *                                              is parsed, hashed and stored
 *
 * serve prints its port; the others print one JSON object.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/ssl.h>

#include <crashcart/aws.h>
#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/fdio.h>

#define BODY "Action=DescribeVolumes&Version=2016-11-15"

static void die(const char *what)
{
	fprintf(stderr, "aws_bench_driver: %s\n", what);
	exit(1);
}

/* ---- server --------------------------------------------------------------- */

static char *answer;
static size_t answer_len;
static SSL_CTX *tls;

static void make_answer(size_t bytes)
{
	struct cart_buf body, all;
	unsigned i;

	cart_buf_init(&body, (size_t)1 << 28);
	cart_buf_init(&all, (size_t)1 << 28);
	cart_buf_adds(&body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<DescribeVolumesResponse xmlns=\"http://ec2.amazonaws.com/"
		      "doc/2016-11-15/\">\n    <requestId>59dbff89-35bd-4eac-99ed-"
		      "be587EXAMPLE</requestId>\n    <volumeSet>\n");
	for (i = 0; i == 0 || body.len + 60 < bytes; i++)
		cart_buf_addf(&body, "        <item>\n            <volumeId>"
			      "vol-%017x</volumeId>\n            <size>80</size>\n"
			      "            <snapshotId/>\n            "
			      "<availabilityZone>us-east-1a</availabilityZone>\n"
			      "            <status>in-use</status>\n            "
			      "<createTime>2026-11-24T03:04:05.000Z</createTime>\n"
			      "            <attachmentSet>\n                <item>\n"
			      "                    <instanceId>i-%017x</instanceId>\n"
			      "                    <device>/dev/sdh</device>\n"
			      "                    <status>attached</status>\n"
			      "                </item>\n            "
			      "</attachmentSet>\n            <encrypted>true"
			      "</encrypted>\n            <tagSet/>\n        "
			      "</item>\n", i, i);
	cart_buf_adds(&body, "    </volumeSet>\n</DescribeVolumesResponse>\n");
	cart_buf_addf(&all, "HTTP/1.1 200 OK\r\nContent-Type: text/xml;"
		      "charset=UTF-8\r\nx-amzn-RequestId: "
		      "59dbff89-35bd-4eac-99ed-be587EXAMPLE\r\n"
		      "Content-Length: %zu\r\n\r\n%s", body.len,
		      (const char *)body.data);
	answer = cart_buf_steal(&all, &answer_len);
	cart_buf_clear(&body);
	if (!answer)
		die("no memory");
}

static int take(SSL *s, int fd, char *p, int len)
{
	return s ? SSL_read(s, p, len) : (int)read(fd, p, (size_t)len);
}

static int give(SSL *s, int fd)
{
	if (s)
		return SSL_write(s, answer, (int)answer_len) > 0 ? 0 : -1;
	return cart_fd_write(fd, answer, answer_len, NULL);
}

/* Requests are small and come one at a time: a head and BODY. */
static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg, have = 0, n;
	SSL *s = tls ? SSL_new(tls) : NULL;
	char buf[16384], *end;

	if (s && (!SSL_set_fd(s, fd) || SSL_accept(s) <= 0))
		goto out;
	while ((n = take(s, fd, buf + have, (int)sizeof(buf) - 1 - have)) > 0) {
		have += n;
		buf[have] = '\0';
		end = strstr(buf, "\r\n\r\n");
		if (!end || buf + have < end + 4 + sizeof(BODY) - 1)
			continue;
		have = 0;
		if (give(s, fd) < 0)
			break;
	}
out:
	SSL_free(s);
	close(fd);
	return NULL;
}

static int serve(size_t bytes, const char *cert, const char *key)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, c;
	pthread_t t;

	signal(SIGPIPE, SIG_IGN);
	make_answer(bytes);
	if (cert) {
		tls = SSL_CTX_new(TLS_server_method());
		if (!tls || SSL_CTX_use_certificate_chain_file(tls, cert) <= 0 ||
		    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) <= 0)
			die("certificate");
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
		if (pthread_create(&t, NULL, serve_one, (void *)(intptr_t)c))
			die("thread");
		pthread_detach(t);
	}
	return 1;
}

/* ---- results -------------------------------------------------------------- */

/* Peak of this program alone: ru_maxrss remembers whoever started it. */
static long peak_kib(void)
{
	struct cart_buf b;
	const char *p;
	long kib = 0;

	cart_buf_init(&b, 65536);
	if (cart_file_read(AT_FDCWD, "/proc/self/status", &b, NULL) == 0 &&
	    (p = strstr((const char *)b.data, "VmHWM:")))
		kib = strtol(p + 6, NULL, 10);
	cart_buf_clear(&b);
	return kib;
}

static void report(int calls, int64_t start_ns)
{
	double s = (double)(cart_clock_mono_ns() - start_ns) / 1e9;
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("{\"calls\":%d,\"seconds\":%.3f,\"cpu_seconds\":%.3f,"
	       "\"rss_kib\":%ld}\n", calls, s, (double)u.ru_utime.tv_sec +
	       (double)u.ru_stime.tv_sec + (double)(u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec) / 1e6, peak_kib());
}

/* ---- a libcurl loop ------------------------------------------------------- */

static size_t drop(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

/* post: the call of the bench; else a plain GET. */
static int bare(const char *url, int calls, int connections, const char *ca,
		bool post)
{
	CURLM *m = curl_multi_init();
	int64_t start = cart_clock_mono_ns();
	int started = 0, ended = 0, running, left, i;
	CURLMsg *msg;

	for (i = 0; i < connections; i++, started++) {
		CURL *e = curl_easy_init();

		curl_easy_setopt(e, CURLOPT_URL, url);
		if (post)
			curl_easy_setopt(e, CURLOPT_POSTFIELDS, BODY);
		curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, drop);
		curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
				 (long)CURL_HTTP_VERSION_1_1);
		if (ca)
			curl_easy_setopt(e, CURLOPT_CAINFO, ca);
		curl_multi_add_handle(m, e);
	}
	while (ended < calls) {
		curl_multi_perform(m, &running);
		while ((msg = curl_multi_info_read(m, &left))) {
			CURL *e = msg->easy_handle;

			if (msg->data.result)
				die(curl_easy_strerror(msg->data.result));
			ended++;
			curl_multi_remove_handle(m, e);
			if (started < calls) {
				started++;
				curl_multi_add_handle(m, e);
			}
		}
		if (ended < calls)
			curl_multi_poll(m, NULL, 0, 1000, NULL);
	}
	report(calls, start);
	return 0;
}

/* ---- ours ----------------------------------------------------------------- */

static struct cart_aws *aws;
static int store, calls_each;
static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char pending[1 << 20];
static size_t pending_len;

/* In large pieces, as the bundle's writer does it. */
static void flush_store(void)
{
	if (cart_fd_write(store, pending, pending_len, NULL) < 0)
		die("cannot store a reply");
	pending_len = 0;
}

static void keep(const void *data, size_t len)
{
	if (len > sizeof(pending) - pending_len)
		flush_store();
	if (len > sizeof(pending))
		die("reply too long");
	memcpy(pending + pending_len, data, len);
	pending_len += len;
}

static void *caller(void *arg)
{
	const struct cart_aws_call c = {
		.service = "ec2", .operation = "DescribeVolumes",
	};
	int i;

	(void)arg;
	for (i = 0; i < calls_each; i++) {
		char hash[CART_SHA256_HEX_SIZE];
		struct cart_aws_reply r;
		struct cart_err err;

		if (cart_aws_call(aws, &c, &r, &err) < 0)
			die(err.text);
		cart_sha256_hex(r.raw.data, r.raw.len, hash);
		pthread_mutex_lock(&store_lock);
		keep(r.raw.data, r.raw.len);
		keep(hash, sizeof(hash));
		pthread_mutex_unlock(&store_lock);
		cart_aws_reply_clear(&r);
	}
	return NULL;
}

static int ours(const char *url, int calls, int threads, const char *file,
		const char *ca_file)
{
	const char *names[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY" };
	char key[] = "AKIDEXAMPLE", secret[] = "secret", *values[] = { key, secret };
	struct cart_env env = { names, values, 2 };
	struct cart_net_options n = { 0 };
	struct cart_aws_options o = {
		.env = &env, .region = "us-east-1", .endpoint_url = url,
		.rate_percent = CART_RATE_UNBOUNDED,
	};
	pthread_t *t = calloc((size_t)threads, sizeof(*t));
	struct cart_buf ca;
	struct cart_err err;
	int64_t start = cart_clock_mono_ns();
	int i;

	cart_buf_init(&ca, 1 << 20);
	if (ca_file && cart_file_read(AT_FDCWD, ca_file, &ca, &err) < 0)
		die(err.text);
	n.ca_pem = (const char *)ca.data;
	n.ca_pem_len = ca.len;
	o.net = cart_net_new(&n, &err);
	aws = o.net ? cart_aws_new(&o, &err) : NULL;
	store = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (!aws || !t || store < 0)
		die(aws ? "start" : err.text);
	calls_each = calls / threads;
	for (i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, caller, NULL))
			die("thread");
	for (i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	flush_store();
	report(calls_each * threads, start);
	cart_aws_free(aws);
	cart_net_free(o.net);
	cart_buf_clear(&ca);
	free(t);
	return 0;
}

static int number(const char *s)
{
	long n = strtol(s, NULL, 10);

	if (n < 1 || n > 100000000)
		die("a number is not one");
	return (int)n;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "serve") && (argc == 3 || argc == 5))
		return serve((size_t)number(argv[2]), argc > 3 ? argv[3] : NULL,
			     argc > 3 ? argv[4] : NULL);
	if (!strcmp(mode, "bare") && (argc == 5 || argc == 6))
		return bare(argv[2], number(argv[3]), number(argv[4]),
			    argc > 5 ? argv[5] : NULL, true);
	if (!strcmp(mode, "get") && argc == 5)
		return bare(argv[2], number(argv[3]), number(argv[4]), NULL,
			    false);
	if (!strcmp(mode, "ours") && (argc == 6 || argc == 7))
		return ours(argv[2], number(argv[3]), number(argv[4]), argv[5],
			    argc > 6 ? argv[6] : NULL);
	die("usage: see the head of its source");
	return 2;
}
