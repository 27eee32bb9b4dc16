/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A native S3 for tests/bench/cloudtrail.py, from memory and without checks:
 *
 *   base_s3serve_driver OBJECTS FILE...
 *   base_s3serve_driver --set INDEX [MILLISECONDS]
 *
 * The first holds OBJECTS log objects of 17 regions and 30 days, as CloudTrail
 * names them; the FILEs are their contents in turn.  INDEX holds a line an
 * object, sorted: key, file, header lines (with | for LF), parted by tabs; and
 * what a POST is answered with: "POST OPERATION", file.  ListObjects of both
 * versions and GetObject, path style, any bucket.  Each answer begins after the
 * MILLISECONDS, as those of the real one do.  Prints its port; answers until it
 * is killed.
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
#include <sys/socket.h>
#include <unistd.h>

#include <crashcart/buf.h>
#include <crashcart/fdio.h>

#define KEY_SIZE	256
#define PAGE		1000u
#define REGIONS		17u
#define DAYS		30u

static const char *const regions[REGIONS] = {
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
	"ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
	"eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
	"us-east-1", "us-east-2", "us-west-1", "us-west-2",
};

struct reply {
	char operation[64];
	struct cart_buf body;
};

static char (*keys)[KEY_SIZE];
static char **headers;			/* of the keys, or NULL */
static struct reply replies[16];
static unsigned n_keys, n_files, n_replies, delay_ms;
static struct cart_buf *files;

static void die(const char *what)
{
	fprintf(stderr, "base_s3serve_driver: %s\n", what);
	exit(1);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void make_keys(unsigned n)
{
	unsigned i;

	keys = calloc(n, sizeof(*keys));
	if (!keys)
		die("no memory");
	for (n_keys = n, i = 0; i < n; i++) {
		unsigned day = i / REGIONS % DAYS + 1, minute = i / 37 % 288 * 5;
		const char *r = regions[i % REGIONS];

		snprintf(keys[i], KEY_SIZE, "AWSLogs/123456789012/CloudTrail/%s/"
			 "2026/09/%02u/123456789012_CloudTrail_%s_202609%02uT"
			 "%02u%02uZ_%016x.json.gz", r, day, r, day, minute / 60,
			 minute % 60, i);
	}
	qsort(keys, n, sizeof(*keys), by_name);
}

static void load(const char *path, struct cart_buf *b)
{
	cart_buf_init(b, (size_t)1 << 24);
	if (cart_file_read(AT_FDCWD, path, b, NULL) < 0)
		die(path);
}

static char *cut(char **p, char c)
{
	char *begin = *p, *end = strchr(begin, c);

	if (!end)
		die("the index is broken");
	*end = '\0';
	*p = end + 1;
	return begin;
}

/* Every object has a file of its own. */
static void load_set(const char *path)
{
	unsigned lines = 0;
	struct cart_buf b;
	char *p, *key, *file, *more, *bar;

	load(path, &b);
	for (p = (char *)b.data; *p; p++)
		lines += *p == '\n';
	keys = calloc(lines, sizeof(*keys));
	headers = calloc(lines, sizeof(*headers));
	files = calloc(lines, sizeof(*files));
	if (!keys || !headers || !files)
		die("no memory");
	for (p = (char *)b.data; *p;) {
		key = cut(&p, '\t');
		file = cut(&p, '\t');
		more = cut(&p, '\n');
		if (!strncmp(key, "POST ", 5) && n_replies < 16) {
			snprintf(replies[n_replies].operation, 64, "%s",
				 key + 5);
			load(file, &replies[n_replies++].body);
			continue;
		}
		snprintf(keys[n_keys], KEY_SIZE, "%s", key);
		/* a bare LF ends a line too */
		while ((bar = strchr(more, '|')))
			*bar = '\n';
		headers[n_keys] = more;
		load(file, &files[n_keys++]);
	}
	n_files = n_keys;
}

/* The decoded value of a query's parameter; false if it is not there. */
static bool param(const char *query, const char *name, char *out, size_t size)
{
	size_t len = strlen(name), n = 0;
	const char *p = query;

	while (p && (strncmp(p, name, len) != 0 || p[len] != '=')) {
		p = strchr(p, '&');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return false;
	for (p += len + 1; *p && *p != '&' && n + 1 < size; p++) {
		unsigned c = (unsigned char)*p;

		if (c == '%' && p[1] && p[2]) {
			char hex[3] = { p[1], p[2], 0 };

			c = (unsigned)strtoul(hex, NULL, 16);
			p += 2;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

static void list(const char *query, struct cart_buf *b)
{
	char prefix[512] = "", after[512] = "", delimiter[8] = "", last[512] = "";
	unsigned i = 0, shown = 0;
	bool more = false;

	param(query, "prefix", prefix, sizeof(prefix));
	param(query, "delimiter", delimiter, sizeof(delimiter));
	if (!param(query, "continuation-token", after, sizeof(after)) &&
	    !param(query, "marker", after, sizeof(after)))
		param(query, "start-after", after, sizeof(after));
	cart_buf_adds(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/"
		      "2006-03-01/\"><Name>logs</Name>");
	for (; i < n_keys; i++) {
		const char *k = keys[i], *end;

		if (strncmp(k, prefix, strlen(prefix)) != 0 ||
		    (*after && strcmp(k, after) <= 0))
			continue;
		end = *delimiter ? strstr(k + strlen(prefix), delimiter) : NULL;
		if (end && strlen(last) == (size_t)(end + 1 - k) &&
		    !memcmp(last, k, strlen(last)))
			continue;
		if (shown++ == PAGE) {
			more = true;
			break;
		}
		if (end) {
			snprintf(last, sizeof(last), "%.*s", (int)(end + 1 - k),
				 k);
			cart_buf_addf(b, "<CommonPrefixes><Prefix>%s</Prefix>"
				      "</CommonPrefixes>", last);
			continue;
		}
		cart_buf_addf(b, "<Contents><Key>%s</Key><LastModified>2026-09-"
			      "01T00:00:00.000Z</LastModified><ETag>&quot;%032x"
			      "&quot;</ETag><Size>%zu</Size><StorageClass>"
			      "STANDARD</StorageClass></Contents>", k, i,
			      files[i % n_files].len);
		snprintf(last, sizeof(last), "%s", k);
	}
	if (more)
		cart_buf_addf(b, "<NextContinuationToken>%s"
			      "</NextContinuationToken><NextMarker>%s"
			      "</NextMarker>", last, last);
	cart_buf_addf(b, "<IsTruncated>%s</IsTruncated><KeyCount>%u</KeyCount>"
		      "</ListBucketResult>", more ? "true" : "false",
		      shown > PAGE ? PAGE : shown);
}

static void answer(char *target, bool head, struct cart_buf *out)
{
	char *query = strchr(target, '?'), *key, plain[KEY_SIZE + 8];
	struct cart_buf body;
	const char (*found)[KEY_SIZE];
	size_t i;

	cart_buf_reset(out);
	if (query)
		*query++ = '\0';
	key = strchr(target + 1, '/');
	key = key ? key + 1 : target + strlen(target);
	if (!*key) {
		cart_buf_init(&body, (size_t)1 << 24);
		if (query && !strncmp(query, "location", 8))
			cart_buf_adds(&body, "<LocationConstraint xmlns=\"http:"
				      "//s3.amazonaws.com/doc/2006-03-01/\"/>");
		else
			list(query ? query : "", &body);
		cart_buf_addf(out, "HTTP/1.1 200 OK\r\nContent-Type: "
			      "application/xml\r\nContent-Length: %zu\r\n\r\n",
			      body.len);
		cart_buf_add(out, body.data, body.len);
		cart_buf_clear(&body);
		return;
	}
	snprintf(plain, sizeof(plain), "k=%s", key);
	param(plain, "k", key, KEY_SIZE);
	found = bsearch(key, keys, n_keys, sizeof(*keys), by_name);
	if (!found) {
		cart_buf_adds(out, "HTTP/1.1 404 Not Found\r\n"
			      "Content-Length: 0\r\n\r\n");
		return;
	}
	i = (size_t)(found - (const char (*)[KEY_SIZE])keys);
	cart_buf_addf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		      "Content-Encoding: gzip\r\nETag: \"%032zx\"\r\n"
		      "Last-Modified: Tue, 01 Sep 2026 00:00:00 GMT\r\n"
		      "x-amz-request-id: 0123456789ABCDEF\r\n%s"
		      "Content-Length: %zu\r\n\r\n", i, headers ? headers[i] :
		      "", files[i % n_files].len);
	if (!head)
		cart_buf_add(out, files[i % n_files].data,
			     files[i % n_files].len);
}

/* A POST that the index names, or else sts:GetCallerIdentity. */
static void call(const char *head, struct cart_buf *out)
{
	static const char body[] =
		"<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/"
		"doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::"
		"123456789012:user/bench</Arn><UserId>AIDAEXAMPLE</UserId>"
		"<Account>123456789012</Account></GetCallerIdentityResult>"
		"</GetCallerIdentityResponse>";

	unsigned i;

	cart_buf_reset(out);
	for (i = 0; i < n_replies; i++) {
		if (!strstr(head, replies[i].operation))
			continue;
		cart_buf_addf(out, "HTTP/1.1 200 OK\r\nContent-Type: "
			      "application/x-amz-json-1.1\r\nContent-Length: "
			      "%zu\r\n\r\n", replies[i].body.len);
		cart_buf_add(out, replies[i].body.data, replies[i].body.len);
		return;
	}
	cart_buf_addf(out, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
		      "Content-Length: %zu\r\n\r\n%s", sizeof(body) - 1, body);
}

/* One after another; bodies are short and thrown away. */
static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[16384], *end, *space, *length;
	size_t have = 0;
	struct cart_buf out;
	ssize_t n;

	cart_buf_init(&out, (size_t)1 << 24);
	while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		have += (size_t)n;
		buf[have] = '\0';
		while ((end = strstr(buf, "\r\n\r\n"))) {
			size_t used = (size_t)(end + 4 - buf);
			char *target = strchr(buf, ' ');

			space = target ? strchr(target + 1, ' ') : NULL;
			if (!space)
				goto out;
			length = strcasestr(buf, "\r\ncontent-length:");
			if (length && length < end)
				used += strtoul(length + 17, NULL, 10);
			if (used > have)
				break;
			*space = '\0';
			if (*buf == 'P')
				call(space + 1, &out);
			else
				answer(target + 1, *buf == 'H', &out);
			if (delay_ms)
				usleep(delay_ms * 1000);
			if (cart_fd_write(fd, out.data, out.len, NULL) < 0)
				goto out;
			memmove(buf, buf + used, have - used + 1);
			have -= used;
		}
	}
out:
	cart_buf_clear(&out);
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, c;
	pthread_t t;
	unsigned i;

	if (argc < 3)
		die("usage: see the head of its source");
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(argv[1], "--set")) {
		load_set(argv[2]);
		delay_ms = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	} else {
		n_files = (unsigned)argc - 2;
		files = calloc(n_files, sizeof(*files));
		if (!files)
			die("no memory");
		for (i = 0; i < n_files; i++)
			load(argv[i + 2], &files[i]);
		make_keys((unsigned)strtoul(argv[1], NULL, 10));
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
