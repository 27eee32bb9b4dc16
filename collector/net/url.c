/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: only as much of RFC 3986 as decides where bytes go. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <crashcart/net.h>
#include <crashcart/text.h>

#define URL_MAX 16384

static bool is_host_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_';
}

static int bad(struct cart_err *err, const char *s, const char *why)
{
	return cart_err_set(err, CART_ERR_USAGE, 0,
			    "URL \"%.200s\": %s; write https://HOST[:PORT]", s,
			    why);
}

/* [v6address] or name or v4 address; returns what follows, NULL if bad. */
static const char *parse_host(const char *p, struct cart_url *u)
{
	size_t n = 0;
	const char *end;
	struct in6_addr a6;

	if (*p == '[') {
		end = strchr(++p, ']');
		if (!end || (size_t)(end - p) >= sizeof(u->host))
			return NULL;
		memcpy(u->host, p, (size_t)(end - p));
		u->host[end - p] = '\0';
		if (inet_pton(AF_INET6, u->host, &a6) != 1)
			return NULL;
		/* one spelling for each address */
		if (!inet_ntop(AF_INET6, &a6, u->host, sizeof(u->host)))
			return NULL;
		return end + 1;
	}
	for (; *p && *p != ':' && *p != '/' && *p != '?'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		if (!is_host_char(c) || n + 1 >= sizeof(u->host))
			return NULL;
		u->host[n++] = (char)c;
	}
	u->host[n] = '\0';
	return n ? p : NULL;
}

int cart_url_parse(const char *s, struct cart_url *ret, struct cart_err *err)
{
	const char *p = s;
	size_t i, digits;
	uint64_t port;
	bool v6;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; s[i]; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c <= ' ' || c >= 0x7f || c == '#' || c == '\\')
			return bad(err, s, "holds a character that a URL must "
				   "not hold as it is");
		if (i >= URL_MAX)
			return bad(err, s, "is longer than 16384 bytes");
	}
	if (!strncasecmp(p, "https://", 8)) {
		ret->https = true;
		p += 8;
	} else if (!strncasecmp(p, "http://", 7)) {
		p += 7;
	} else {
		return bad(err, s, "does not begin with http:// or https://");
	}
	v6 = *p == '[';
	p = parse_host(p, ret);
	if (!p)
		return bad(err, s, "has no valid host name (and must not hold "
			   "a user name)");
	ret->port = ret->https ? 443 : 80;
	if (*p == ':') {
		digits = strspn(++p, "0123456789");
		if (cart_text_u64(p, digits, 65535, &port) < 0 || !port)
			return bad(err, s, "has no valid port number");
		ret->has_port = port != ret->port;
		ret->port = (unsigned)port;
		p += digits;
	}
	if (*p && *p != '/' && *p != '?')
		return bad(err, s, "goes on strangely after the host name");
	ret->path = p;
	snprintf(ret->authority, sizeof(ret->authority), "%s%s%s",
		 v6 ? "[" : "", ret->host, v6 ? "]" : "");
	if (ret->has_port) {
		i = strlen(ret->authority);
		snprintf(ret->authority + i, sizeof(ret->authority) - i, ":%u",
			 ret->port);
	}
	return 0;
}

bool cart_url_is_address(const struct cart_url *u)
{
	struct in6_addr a;

	return inet_pton(AF_INET, u->host, &a) == 1 ||
	       inet_pton(AF_INET6, u->host, &a) == 1;
}

bool cart_url_is_loopback(const struct cart_url *u)
{
	struct in_addr a4;
	struct in6_addr a6;

	/* libcurl itself never asks a resolver for this name */
	if (!strcmp(u->host, "localhost"))
		return true;
	if (inet_pton(AF_INET, u->host, &a4) == 1)
		return ntohl(a4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, u->host, &a6) == 1 &&
	       IN6_IS_ADDR_LOOPBACK(&a6);
}

bool cart_url_is_local(const struct cart_url *u)
{
	static const char *const local[] = {
		"169.254.169.254", "169.254.170.2", "169.254.170.23",
		"fd00:ec2::254", "fd00:ec2::23",
	};
	size_t i;

	if (cart_url_is_loopback(u))
		return true;
	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (!strcmp(u->host, local[i]))
			return true;
	return false;
}
