/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/sntp.h>
#include <crashcart/text.h>

#define SECOND_NS	INT64_C(1000000000)
#define NTP_TO_UNIX	INT64_C(2208988800)
/* A server whose own bounds are wider tells us nothing. */
#define DISTANCE_MAX_NS	(16 * SECOND_NS)
#define ERA_S		(INT64_C(1) << 32)

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/* 32 bits of seconds, which end in 2036 and begin again, and a fraction: the
 * era is the one that is nearest to our own clock. */
static int64_t stamp(const unsigned char *p, int64_t near_ns)
{
	int64_t s = (int64_t)be32(p) - NTP_TO_UNIX, near_s = near_ns / SECOND_NS;

	while (near_s - s > ERA_S / 2)
		s += ERA_S;
	return s * SECOND_NS + (int64_t)(((uint64_t)be32(p + 4) *
					  (uint64_t)SECOND_NS) >> 32);
}

/* 16 bits of seconds, 16 of a fraction. */
static int64_t short_ns(const unsigned char *p)
{
	return (int64_t)(((uint64_t)be32(p) * (uint64_t)SECOND_NS) >> 16);
}

void cart_sntp_request(uint64_t nonce, unsigned char out[CART_SNTP_SIZE])
{
	unsigned i;

	memset(out, 0, CART_SNTP_SIZE);
	out[0] = 4 << 3 | 3;		/* version 4, client */
	for (i = 0; i < 8; i++)
		out[40 + i] = (unsigned char)(nonce >> (56 - 8 * i));
}

static int bad(struct cart_err *err, const char *why)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "NTP reply: %s", why);
}

static int check_head(const unsigned char *p, size_t len, uint64_t nonce,
		      struct cart_err *err)
{
	unsigned version, i;

	if (len < CART_SNTP_SIZE)
		return bad(err, "too short");
	version = (p[0] >> 3) & 7;
	if ((p[0] & 7) != 4 || version < 3 || version > 4)
		return bad(err, "not of a server of version 3 or 4");
	for (i = 0; i < 8; i++) {
		if (p[24 + i] != (unsigned char)(nonce >> (56 - 8 * i)))
			return bad(err, "not to our question");
	}
	if (p[1] == 0)
		return bad(err, "the server wants to be left alone");
	if (p[0] >> 6 == 3 || p[1] > 15)
		return bad(err, "the server has no time itself");
	if (be32(p + 40) == 0 || be32(p + 32) == 0)
		return bad(err, "no time in it");
	return 0;
}

int cart_sntp_parse(const void *data, size_t len, uint64_t nonce,
		    int64_t sent_utc_ns, int64_t received_utc_ns,
		    struct cart_sntp *ret, struct cart_err *err)
{
	const unsigned char *p = data;
	int64_t t1 = sent_utc_ns, t4 = received_utc_ns, t2, t3, delay;

	if (check_head(p, len, nonce, err) < 0)
		return -1;
	t2 = stamp(p + 32, t4);
	t3 = stamp(p + 40, t4);
	delay = (t4 - t1) - (t3 - t2);
	if (t3 < t2 || t4 < t1 || delay < -SECOND_NS)
		return bad(err, "its times do not fit together");
	if (delay < 0)
		delay = 0;
	ret->stratum = p[1];
	/* RFC 5905, section 8, and the root distance of section 11.2 */
	ret->offset_ns = (t2 - t1) / 2 + (t3 - t4) / 2;
	ret->uncertainty_ns = delay / 2 + short_ns(p + 4) / 2 + short_ns(p + 8);
	if (ret->uncertainty_ns > DISTANCE_MAX_NS)
		return bad(err, "it is not sure within 16 seconds");
	return 0;
}

/* ---- asking --------------------------------------------------------------- */

/* Where the host's text ends, and the port's begins or NULL; -1: neither form. */
static int split(const char *server, const char **ret_end,
		 const char **ret_port)
{
	const char *colon = strchr(server, ':');
	const char *end = server + strlen(server);

	*ret_port = NULL;
	if (server[0] == '[') {
		end = strchr(server, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return -1;
		if (end[1] == ':')
			*ret_port = end + 2;
	} else if (colon && !strchr(colon + 1, ':')) {
		end = colon;
		*ret_port = colon + 1;
	}
	*ret_end = end;
	return 0;
}

/* "1.2.3.4:5", "[::1]:5", or without a port. */
static int parse_server(const char *server, struct addrinfo **ret,
			struct cart_err *err)
{
	struct addrinfo want = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_DGRAM,
	};
	size_t skip = server[0] == '[' ? 1 : 0;
	const char *end, *port;
	uint64_t number;
	char host[64];

	/* not every getaddrinfo() minds a port that is too large */
	if (split(server, &end, &port) == 0 && end > server + skip &&
	    (size_t)(end - server) < sizeof(host) &&
	    (port == NULL ||
	     cart_text_u64(port, strlen(port), UINT16_MAX, &number) == 0)) {
		snprintf(host, sizeof(host), "%.*s",
			 (int)(end - server - (ptrdiff_t)skip), server + skip);
		if (getaddrinfo(host, port ? port : "123", &want, ret) == 0)
			return 0;
	}
	return cart_err_set(err, CART_ERR_USAGE, 0, "time server \"%.80s\": an "
			    "address, and a port after a colon if it is not "
			    "123", server);
}

int cart_sntp_check(const char *server, struct cart_err *err)
{
	struct addrinfo *a = NULL;

	if (parse_server(server, &a, err) < 0)
		return -1;
	freeaddrinfo(a);
	return 0;
}

static int exchange(int fd, const char *server, unsigned timeout_ms,
		    struct cart_sntp *ret, struct cart_err *err)
{
	unsigned char out[CART_SNTP_SIZE], in[512];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t sent, received, end = cart_clock_mono_ns() +
		(int64_t)timeout_ms * 1000000, left;
	uint64_t nonce;
	ssize_t n;

	cart_random(&nonce, sizeof(nonce));
	cart_sntp_request(nonce, out);
	sent = cart_clock_utc_ns();
	if (send(fd, out, sizeof(out), 0) != (ssize_t)sizeof(out))
		return cart_err_set(err, CART_ERR_NET, errno,
				    "time server %s cannot be asked", server);
	for (;;) {
		left = (end - cart_clock_mono_ns()) / 1000000;
		if (left <= 0 || (poll(&p, 1, (int)left) == 0))
			return cart_err_set(err, CART_ERR_TIMEOUT, 0,
					    "time server %s: no answer within "
					    "%u ms", server, timeout_ms);
		n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
		received = cart_clock_utc_ns();
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return cart_err_set(err, CART_ERR_NET, errno, "time "
					    "server %s does not answer", server);
		/* what does not answer our question is somebody else's */
		if (cart_sntp_parse(in, (size_t)n, nonce, sent, received, ret,
				    err) == 0)
			return 0;
		if (!strstr(err->text, "not to our question"))
			return cart_err_prefix(err, "time server %s", server);
	}
}

int cart_sntp_ask(const char *server, unsigned timeout_ms,
		  struct cart_sntp *ret, struct cart_err *err)
{
	struct addrinfo *a = NULL;
	struct cart_err own;
	int fd = -1, rc = -1;

	if (!err)
		err = &own;
	if (parse_server(server, &a, err) < 0 || !a)
		return -1;
	fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) < 0)
		cart_err_set(err, CART_ERR_NET, errno, "time server %s cannot "
			     "be asked", server);
	else
		rc = exchange(fd, server, timeout_ms, ret, err);
	if (fd >= 0)
		close(fd);
	freeaddrinfo(a);
	return rc;
}
