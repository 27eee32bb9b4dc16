/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <crashcart/text.h>

#include "parse.h"

/* Errors say the same in every protocol, wrapped differently; what comes is
 * told apart by its first byte, since a proxy or an older server answers in
 * a protocol of its own. */

static const char *const throttled_codes[] = {
	"Throttling", "ThrottlingException", "ThrottledException",
	"RequestThrottledException", "TooManyRequestsException",
	"ProvisionedThroughputExceededException", "RequestLimitExceeded",
	"BandwidthLimitExceeded", "RequestThrottled", "SlowDown",
	"PriorRequestNotComplete", "EC2ThrottledException",
	"TransactionInProgressException", "ThrottlingError",
	"Client.RequestLimitExceeded", "TooManyRequests", NULL
};

static const char *const denied_codes[] = {
	"AccessDenied", "AccessDeniedException", "UnauthorizedOperation",
	"Client.UnauthorizedOperation", "AuthorizationError", "AuthFailure",
	"UnauthorizedAccess", "UnauthorizedException", "NotAuthorized",
	"NotAuthorizedException", "ForbiddenException", "Forbidden",
	"OptInRequired", "SubscriptionRequiredException",
	"InvalidClientTokenId", "UnrecognizedClientException",
	"InvalidAccessKeyId", "SignatureDoesNotMatch",
	"InvalidSignatureException", "MissingAuthenticationToken",
	"MissingAuthenticationTokenException", "IncompleteSignature",
	"IncompleteSignatureException", "AccountProblem", "AllAccessDisabled",
	"AuthorizationHeaderMalformed", "InvalidToken", "403", "401", NULL
};

static const char *const expired_codes[] = {
	"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired",
	"ExpiredTokenError", NULL
};

static const char *const skewed_codes[] = {
	"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture", NULL
};

static const char *const transient_codes[] = {
	"RequestTimeout", "RequestTimeoutException", "InternalError",
	"InternalFailure", "InternalServerError", "InternalServerException",
	"InternalServiceError", "InternalServiceException",
	"ServiceUnavailable", "ServiceUnavailableException", "Unavailable",
	"ServiceException", "KMSInternalException", "InternalErrorException",
	"DependencyTimeoutException", NULL
};

static bool is_one_of(const char *const *list, const char *code)
{
	for (; *list; list++) {
		if (!strcmp(*list, code))
			return true;
	}
	return false;
}

/* Cut at a character's border, without what a terminal would obey. */
static void copy(char *out, size_t size, const char *s)
{
	struct cart_buf b;
	size_t n;

	cart_buf_init(&b, 64 * 1024);
	cart_text_escape(s, strnlen(s, 8192), &b);
	n = b.len < size ? b.len : size - 1;
	while (n && n < b.len && (b.data[n] & 0xc0) == 0x80)
		n--;
	if (n)
		memcpy(out, b.data, n);
	out[n] = '\0';
	cart_buf_clear(&b);
}

/* "aws.protocols#ThrottlingException:http://..." */
static void set_code(struct cart_aws_error *e, const char *s)
{
	char text[256];
	const char *hash;
	size_t n = strcspn(s, ":");

	if (n >= sizeof(text))
		n = sizeof(text) - 1;
	memcpy(text, s, n);
	text[n] = '\0';
	hash = strrchr(text, '#');
	copy(e->code, sizeof(e->code), hash ? hash + 1 : text);
}

static void add_detail(struct cart_aws_error *e, const char *key,
		       struct cart_json *v)
{
	if (!e->detail)
		e->detail = cart_json_new_object();
	/* best effort: an error about an error helps nobody */
	cart_json_set(e->detail, key, v);
}

/* ---- XML ---------------------------------------------------------------- */

static const struct cart_xml *child(const struct cart_xml *x, const char *name)
{
	for (x = x ? x->child : NULL; x; x = x->next) {
		if (!strcmp(cart_parse_local(x->name), name))
			return x;
	}
	return NULL;
}

static struct cart_json *xml_tree(const struct cart_xml *x)
{
	const struct cart_xml *c;
	struct cart_json *o;

	if (!x->child)
		return cart_json_new_string_n(x->text, x->text_len);
	o = cart_json_new_object();
	for (c = x->child; c && o; c = c->next)
		cart_json_set(o, cart_parse_local(c->name), xml_tree(c));
	return o;
}

static void read_xml(const struct cart_reply *r, struct cart_aws_error *e)
{
	struct cart_xml_doc *doc = cart_xml_parse(r->body, r->len, NULL);
	const struct cart_xml *root, *x, *c;

	if (!doc)
		return;
	root = cart_xml_root(doc);
	/* <Error>; <ErrorResponse><Error>; <Response><Errors><Error> */
	x = root;
	if (strcmp(cart_parse_local(root->name), "Error")) {
		x = child(root, "Error");
		if (!x)
			x = child(child(root, "Errors"), "Error");
	}
	for (c = x ? x->child : NULL; c; c = c->next) {
		const char *name = cart_parse_local(c->name);

		if (!strcmp(name, "Code"))
			copy(e->code, sizeof(e->code), c->text);
		else if (!strcmp(name, "Message"))
			copy(e->message, sizeof(e->message), c->text);
		else if (strcmp(name, "RequestId") && strcmp(name, "HostId"))
			add_detail(e, name, xml_tree(c));
	}
	cart_xml_free(doc);
}

/* ---- JSON --------------------------------------------------------------- */

static void read_json(const struct cart_reply *r, struct cart_aws_error *e)
{
	struct cart_json *o = cart_parse_body(r->body, r->len, NULL), *m;
	const char *s;

	if (cart_json_type(o) == CART_JSON_OBJECT) {
		s = cart_json_get_string(o, "__type");
		if (!s)
			s = cart_json_get_string(o, "code");
		if (!s)
			s = cart_json_get_string(o, "Code");
		if (s)
			set_code(e, s);
		s = cart_json_get_string(o, "message");
		if (!s)
			s = cart_json_get_string(o, "Message");
		if (!s)
			s = cart_json_get_string(o, "errorMessage");
		if (s)
			copy(e->message, sizeof(e->message), s);
		for (m = cart_json_first(o); m; m = cart_json_next(m)) {
			const char *key = cart_json_key(m);

			if (strcmp(key, "__type") && strcasecmp(key, "code") &&
			    strcasecmp(key, "message"))
				add_detail(e, key, cart_json_copy(m));
		}
	}
	cart_json_free(o);
}

static void classify(struct cart_aws_error *e, unsigned status)
{
	e->throttled = status == 429 || is_one_of(throttled_codes, e->code);
	e->expired = is_one_of(expired_codes, e->code);
	e->skewed = is_one_of(skewed_codes, e->code) ||
		    (is_one_of(denied_codes, e->code) &&
		     (strstr(e->message, "ignature expired") ||
		      strstr(e->message, "ignature not yet current")));
	e->denied = !e->skewed && is_one_of(denied_codes, e->code);
	e->transient = !e->throttled && !e->denied && !e->expired &&
		       (status >= 500 || is_one_of(transient_codes, e->code));
	if (status == 503 && !strcmp(e->code, "503"))
		e->throttled = true;
}

static char first_byte(const struct cart_reply *r)
{
	const char *p = r->body;
	size_t i = 0;

	if (r->len >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
		i = 3;
	while (i < r->len && strchr(" \t\r\n", p[i]) && p[i])
		i++;
	return i < r->len ? p[i] : '\0';
}

void cart_decode_error(const struct cart_op *op, const struct cart_reply *r,
		       struct cart_aws_error *ret)
{
	const char *s;
	char type;

	memset(ret, 0, sizeof(*ret));
	type = first_byte(r);
	if (type == '<')
		read_xml(r, ret);
	else if (type == '{')
		read_json(r, ret);
	s = cart_pairs_get(&r->headers, "x-amzn-errortype");
	if (s)
		set_code(ret, s);
	/* services that once spoke query keep their old codes here */
	s = cart_pairs_get(&r->headers, "x-amzn-query-error");
	if (s && op && op->svc->query_compatible && *s != ';') {
		char code[128];
		size_t n = strcspn(s, ";");

		if (n < sizeof(code) && s[n] && !strchr(s + n + 1, ';')) {
			memcpy(code, s, n);
			code[n] = '\0';
			copy(ret->code, sizeof(ret->code), code);
		}
	}
	if (!ret->code[0])
		snprintf(ret->code, sizeof(ret->code), "%u", r->status);
	cart_reply_request_id(op, r, ret->request_id, sizeof(ret->request_id));
	classify(ret, r->status);
}

void cart_aws_error_clear(struct cart_aws_error *e)
{
	cart_json_free(e->detail);
	memset(e, 0, sizeof(*e));
}

bool cart_reply_is_error(const struct cart_op *op, const struct cart_reply *r)
{
	const char *p = r->body, *end;

	if (r->status >= 300)
		return true;
	/* Only S3 says no with a 200, after it began to answer. */
	if (!op || strcmp(op->svc->info.name, "s3") || op->info.stream_out ||
	    first_byte(r) != '<')
		return false;
	end = p + r->len;
	p = memchr(p, '<', r->len);
	if (end - p > 5 && !memcmp(p, "<?xml", 5)) {
		p = memchr(p, '>', (size_t)(end - p));
		p = p ? memchr(p, '<', (size_t)(end - p)) : NULL;
	}
	return p && end - p > 6 && !memcmp(p, "<Error", 6) &&
	       strchr("> \t\r\n/", p[6]) && p[6];
}

void cart_reply_request_id(const struct cart_op *op,
			   const struct cart_reply *r, char *out, size_t size)
{
	static const char *const headers[] = {
		"x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"
	};
	static const char *const tags[] = {
		"<RequestId>", "<requestId>", "<RequestID>"
	};
	const char *p, *end;
	char text[128];
	size_t i, n;

	(void)op;
	out[0] = '\0';
	for (i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		p = cart_pairs_get(&r->headers, headers[i]);
		if (p) {
			copy(out, size, p);
			return;
		}
	}
	if (first_byte(r) != '<')
		return;
	for (i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		n = strlen(tags[i]);
		p = memmem(r->body, r->len, tags[i], n);
		if (!p)
			continue;
		p += n;
		end = memchr(p, '<', (size_t)((const char *)r->body + r->len -
					      p));
		if (!end || (size_t)(end - p) >= sizeof(text))
			continue;
		memcpy(text, p, (size_t)(end - p));
		text[end - p] = '\0';
		copy(out, size, text);
		return;
	}
}
