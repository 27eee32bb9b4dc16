/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, in headers.  Pure: no clock, no I/O.
 *
 * Path and query are taken as they go on the wire and only brought into
 * canonical order, never decoded: libcurl's own signer decodes and re-encodes
 * queries and so breaks tokens that hold %2B or %3D.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <crashcart/aws.h>
#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/text.h>

#define CANONICAL_MAX_BYTES	((size_t)1 << 20)
#define PAIRS_MAX		4096
#define HEADERS_MAX		256

/* A piece of somebody else's text. */
struct span {
	const char *p;
	size_t len;
};

static int span_cmp(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

/* ---- path ----------------------------------------------------------------- */

/* RFC 3986 5.2.4, and repeated slashes become one, as AWS's servers do it. */
static int normalise_path(const char *path, struct cart_buf *b,
			  struct cart_err *err)
{
	struct span *part;
	size_t n = 0, i, len = strlen(path);
	const char *p = path;

	part = calloc(len + 1, sizeof(*part));
	if (!part)
		return cart_err_nomem(err);
	while (*p) {
		size_t l = strcspn(p, "/");

		if (l == 2 && p[0] == '.' && p[1] == '.')
			n -= n > 0;
		else if (l && !(l == 1 && p[0] == '.'))
			part[n++] = (struct span){ p, l };
		p += l;
		if (*p)
			p++;
	}
	cart_buf_addc(b, '/');
	for (i = 0; i < n; i++) {
		if (i)
			cart_buf_addc(b, '/');
		cart_buf_add(b, part[i].p, part[i].len);
	}
	if (n && path[len - 1] == '/')
		cart_buf_addc(b, '/');
	free(part);
	return 0;
}

static int add_path(const struct cart_sign_request *r, struct cart_buf *b,
		    struct cart_err *err)
{
	const char *path = *r->path ? r->path : "/";
	struct cart_buf plain;
	int rc;

	if (r->s3) {
		cart_buf_adds(b, path);
		return 0;
	}
	cart_buf_init(&plain, CANONICAL_MAX_BYTES);
	rc = normalise_path(path, &plain, err);
	if (!rc && cart_buf_check(&plain, "path of a request", err) < 0)
		rc = -1;
	if (!rc)
		cart_text_uri(plain.data, plain.len, true, b);
	cart_buf_clear(&plain);
	return rc;
}

/* ---- query ---------------------------------------------------------------- */

struct pair {
	struct span key, value;
};

static int pair_cmp(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int c = span_cmp(x->key, y->key);

	return c ? c : span_cmp(x->value, y->value);
}

static int add_query(const char *query, struct cart_buf *b,
		     struct cart_err *err)
{
	struct pair *pair;
	size_t n = 0, i, max = 1;
	const char *p;

	if (!query || !*query)
		return 0;
	for (p = query; *p; p++)
		max += *p == '&';
	if (max > PAIRS_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "query with more than %d parameters",
				    PAIRS_MAX);
	pair = calloc(max, sizeof(*pair));
	if (!pair)
		return cart_err_nomem(err);
	for (p = query;; p++) {
		size_t len = strcspn(p, "&");
		const char *eq = memchr(p, '=', len);
		size_t k = eq ? (size_t)(eq - p) : len;

		pair[n].key = (struct span){ p, k };
		pair[n].value = (struct span){ eq ? eq + 1 : p + len,
					       eq ? len - k - 1 : 0 };
		n++;
		p += len;
		if (!*p)
			break;
	}
	qsort(pair, n, sizeof(*pair), pair_cmp);
	for (i = 0; i < n; i++) {
		if (i)
			cart_buf_addc(b, '&');
		cart_buf_add(b, pair[i].key.p, pair[i].key.len);
		cart_buf_addc(b, '=');
		cart_buf_add(b, pair[i].value.p, pair[i].value.len);
	}
	free(pair);
	return 0;
}

/* ---- headers -------------------------------------------------------------- */

struct line {
	const char *name, *value;
	size_t order;
};

static int line_cmp(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int c = strcasecmp(x->name, y->name);

	if (c)
		return c;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void add_lower(struct cart_buf *b, const char *s)
{
	for (; *s; s++)
		cart_buf_addc(b, *s >= 'A' && *s <= 'Z' ?
			      (char)(*s - 'A' + 'a') : *s);
}

/* Outer white space goes, inner runs of it become one space. */
static void add_folded(struct cart_buf *b, const char *s)
{
	bool some = false;

	while (*s) {
		size_t n = strcspn(s, " \t");

		if (n) {
			if (some)
				cart_buf_addc(b, ' ');
			cart_buf_add(b, s, n);
			some = true;
		}
		s += n;
		s += strspn(s, " \t");
	}
}

/* Changed on the way by proxies, or added by libcurl: not signed. */
static bool is_unsigned(const char *name)
{
	static const char *const no[] = {
		"authorization", "connection", "expect", "transfer-encoding",
		"user-agent", "x-amzn-trace-id",
	};
	size_t i;

	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (!strcasecmp(name, no[i]))
			return true;
	return false;
}

struct lines {
	struct line v[HEADERS_MAX];
	size_t n;
};

static void add_line(struct lines *l, const char *name, const char *value)
{
	l->v[l->n] = (struct line){ name, value, l->n };
	l->n++;
}

static int collect_lines(const struct cart_sign_request *r,
			 const struct cart_credentials *c, const char *date,
			 bool tell_payload, struct lines *l,
			 struct cart_err *err)
{
	size_t i;

	if (r->n_headers > HEADERS_MAX - 4)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "request with more than %d headers",
				    HEADERS_MAX - 4);
	add_line(l, "host", r->host);
	add_line(l, "x-amz-date", date);
	if (*c->session_token)
		add_line(l, "x-amz-security-token", c->session_token);
	if (tell_payload)
		add_line(l, "x-amz-content-sha256", r->payload_sha256_hex);
	for (i = 0; i < r->n_headers; i++)
		if (!is_unsigned(r->headers[i].name))
			add_line(l, r->headers[i].name, r->headers[i].value);
	qsort(l->v, l->n, sizeof(l->v[0]), line_cmp);
	return 0;
}

static void add_headers(const struct lines *l, struct cart_buf *canonical,
			struct cart_buf *names)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (i && !strcasecmp(l->v[i].name, l->v[i - 1].name)) {
			cart_buf_addc(canonical, ',');
		} else {
			if (i) {
				cart_buf_addc(canonical, '\n');
				cart_buf_addc(names, ';');
			}
			add_lower(canonical, l->v[i].name);
			cart_buf_addc(canonical, ':');
			add_lower(names, l->v[i].name);
		}
		add_folded(canonical, l->v[i].value);
	}
	cart_buf_addc(canonical, '\n');
}

/* ---- signature ------------------------------------------------------------ */

_Static_assert(CART_SIGV4_KEY_SIZE == CART_SHA256_SIZE, "an HMAC");

void cart_sigv4_key(const struct cart_sign_request *r,
		    const struct cart_credentials *c,
		    unsigned char key[CART_SIGV4_KEY_SIZE])
{
	char day[CART_CLOCK_TEXT_SIZE];
	char secret[sizeof(c->secret_access_key) + 4];
	size_t len = strnlen(c->secret_access_key,
			     sizeof(c->secret_access_key));

	cart_clock_compact(r->utc_ns, day);
	memcpy(secret, "AWS4", 4);
	memcpy(secret + 4, c->secret_access_key, len);
	cart_hmac_sha256(secret, len + 4, day, 8, key);
	cart_wipe(secret, sizeof(secret));
	cart_hmac_sha256(key, CART_SHA256_SIZE, r->region, strlen(r->region),
			 key);
	cart_hmac_sha256(key, CART_SHA256_SIZE, r->service,
			 strlen(r->service), key);
	cart_hmac_sha256(key, CART_SHA256_SIZE, "aws4_request", 12, key);
}

static void add_scope(struct cart_buf *b, const struct cart_sign_request *r,
		      const char *date)
{
	cart_buf_add(b, date, 8);
	cart_buf_addc(b, '/');
	cart_buf_adds(b, r->region);
	cart_buf_addc(b, '/');
	cart_buf_adds(b, r->service);
	cart_buf_adds(b, "/aws4_request");
}

static void add_signed(struct cart_buf *b, const char *name, const char *value)
{
	cart_buf_adds(b, name);
	cart_buf_adds(b, ": ");
	cart_buf_adds(b, value);
	cart_buf_addc(b, '\n');
}

static int sign_text(const struct cart_sign_request *r,
		     const struct cart_credentials *c, const char *date,
		     const struct cart_buf *canonical,
		     char ret_hex[CART_SHA256_HEX_SIZE], struct cart_err *err)
{
	unsigned char key[CART_SHA256_SIZE], mac[CART_SHA256_SIZE];
	char hash[CART_SHA256_HEX_SIZE];
	struct cart_buf text;
	int rc;

	cart_sha256_hex(canonical->data, canonical->len, hash);
	cart_buf_init(&text, 1024);
	cart_buf_adds(&text, "AWS4-HMAC-SHA256\n");
	cart_buf_adds(&text, date);
	cart_buf_addc(&text, '\n');
	add_scope(&text, r, date);
	cart_buf_addc(&text, '\n');
	cart_buf_adds(&text, hash);
	rc = cart_buf_check(&text, "text to sign", err);
	if (!rc) {
		if (r->key)
			memcpy(key, r->key, sizeof(key));
		else
			cart_sigv4_key(r, c, key);
		cart_hmac_sha256(key, sizeof(key), text.data, text.len, mac);
		cart_text_hex(mac, sizeof(mac), ret_hex);
		cart_wipe(key, sizeof(key));
	}
	cart_buf_clear(&text);
	return rc;
}

int cart_sigv4(const struct cart_sign_request *r,
	       const struct cart_credentials *c, struct cart_buf *ret_headers,
	       struct cart_buf *ret_canonical, struct cart_err *err)
{
	bool tell_payload = r->s3 ||
			    !strcmp(r->payload_sha256_hex, "UNSIGNED-PAYLOAD");
	char date[CART_CLOCK_TEXT_SIZE], signature[CART_SHA256_HEX_SIZE];
	struct cart_buf canonical, names;
	struct lines lines = { .n = 0 };
	int rc = -1;

	cart_clock_compact(r->utc_ns, date);
	cart_buf_init(&canonical, CANONICAL_MAX_BYTES);
	cart_buf_init(&names, CANONICAL_MAX_BYTES);
	if (collect_lines(r, c, date, tell_payload, &lines, err) < 0)
		goto out;
	cart_buf_adds(&canonical, r->method);
	cart_buf_addc(&canonical, '\n');
	if (add_path(r, &canonical, err) < 0)
		goto out;
	cart_buf_addc(&canonical, '\n');
	if (add_query(r->query, &canonical, err) < 0)
		goto out;
	cart_buf_addc(&canonical, '\n');
	add_headers(&lines, &canonical, &names);
	cart_buf_addc(&canonical, '\n');
	cart_buf_add(&canonical, names.data, names.len);
	cart_buf_addc(&canonical, '\n');
	cart_buf_adds(&canonical, r->payload_sha256_hex);
	if (cart_buf_check(&names, "headers of a request", err) < 0 ||
	    cart_buf_check(&canonical, "canonical request", err) < 0 ||
	    sign_text(r, c, date, &canonical, signature, err) < 0)
		goto out;

	add_signed(ret_headers, "x-amz-date", date);
	if (*c->session_token)
		add_signed(ret_headers, "x-amz-security-token",
			   c->session_token);
	if (tell_payload)
		add_signed(ret_headers, "x-amz-content-sha256",
			   r->payload_sha256_hex);
	cart_buf_adds(ret_headers,
		      "authorization: AWS4-HMAC-SHA256 Credential=");
	cart_buf_adds(ret_headers, c->access_key_id);
	cart_buf_addc(ret_headers, '/');
	add_scope(ret_headers, r, date);
	cart_buf_adds(ret_headers, ", SignedHeaders=");
	cart_buf_add(ret_headers, names.data, names.len);
	cart_buf_adds(ret_headers, ", Signature=");
	cart_buf_adds(ret_headers, signature);
	cart_buf_addc(ret_headers, '\n');
	if (cart_buf_check(ret_headers, "signed headers", err) < 0)
		goto out;
	if (ret_canonical) {
		cart_buf_add(ret_canonical, canonical.data, canonical.len);
		if (cart_buf_check(ret_canonical, "canonical request", err) < 0)
			goto out;
	}
	rc = 0;
out:
	/* holds the session token */
	if (canonical.data)
		cart_wipe(canonical.data, canonical.len);
	cart_buf_clear(&canonical);
	cart_buf_clear(&names);
	return rc;
}
