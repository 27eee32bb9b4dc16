/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudtrail_index.h"

#include <string.h>

#include "crashcart/clock.h"

/* ---- records ----------------------------------------------------------------- */

struct scan {
	const char *p, *end;
};

static void blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' ||
				 *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static bool take(struct scan *s, char c)
{
	blanks(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* Some of eight bytes is c. */
static bool has8(uint64_t v, unsigned char c)
{
	v ^= c * UINT64_C(0x0101010101010101);
	return ((v - UINT64_C(0x0101010101010101)) & ~v &
		UINT64_C(0x8080808080808080)) != 0;
}

/* At a quote: past the closing one.  Strings are short: two memchr() for each
 * took longer than parsing what they hold. */
static bool skip_string(struct scan *s)
{
	uint64_t v;

	s->p++;
	while (s->p < s->end) {
		if (s->end - s->p >= 8) {
			memcpy(&v, s->p, 8);
			if (!has8(v, '"') && !has8(v, '\\')) {
				s->p += 8;
				continue;
			}
		}
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		s->p += *s->p == '\\' ? 2 : 1;
	}
	s->p = s->end;
	return false;
}

/* Past one value, whatever its kind; what is inside is checked by its parser. */
static bool skip_value(struct scan *s)
{
	const char *begin;
	size_t depth = 0;

	blanks(s);
	begin = s->p;
	while (s->p < s->end) {
		switch (*s->p) {
		case '"':
			if (!skip_string(s))
				return false;
			break;
		case '{':
		case '[':
			depth++;
			s->p++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return s->p > begin;
			depth--;
			s->p++;
			break;
		case ',':
			if (depth == 0)
				return s->p > begin;
			s->p++;
			continue;
		default:
			s->p++;
			continue;
		}
		if (depth == 0)
			return true;
	}
	return false;
}

static int bad(struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "not a CloudTrail log: "
			    "{\"Records\": [...]} is expected");
}

/* The next event.  *ret_bad: it cannot be read, and err says why; else NULL: the
 * list does not go on. */
static struct cart_json *element(struct scan *s, bool *ret_bad,
				 struct cart_err *err)
{
	/* userAgent and the like may hold anything, but numbers of 64 bits
	 * stand in requestParameters */
	const struct cart_json_limits limits = { .depth = 100,
						 .inexact = true };
	struct cart_json *e;
	const char *begin;
	size_t used;

	*ret_bad = false;
	blanks(s);
	begin = s->p;
	e = cart_json_parse_first(begin, (size_t)(s->end - begin), &limits,
				  &used, err);
	if (e != NULL) {
		s->p = begin + used;
		blanks(s);
		if (s->p < s->end && (*s->p == ',' || *s->p == ']'))
			return e;
		cart_json_free(e);
		s->p = begin;
	}
	/* where it ends is said by its braces alone */
	if (!skip_value(s))
		return NULL;
	e = cart_json_parse(begin, (size_t)(s->p - begin), &limits, err);
	*ret_bad = e == NULL;
	return e;
}

/* An event that cannot be read does not cost the others of its log. */
static int elements(struct scan *s,
		    int (*event)(void *arg, const struct cart_json *e,
				 struct cart_err *err),
		    void *arg, struct cart_err *err)
{
	struct cart_err odd = { 0 }, first = { 0 };
	size_t n = 0, n_odd = 0;
	struct cart_json *e;
	bool is_odd;
	int rc;

	if (!take(s, '['))
		return bad(err);
	if (take(s, ']'))
		return 0;
	do {
		e = element(s, &is_odd, &odd);
		if (e == NULL && !is_odd)
			return bad(err);
		n++;
		if (e == NULL && odd.class == CART_ERR_MEMORY)
			return cart_err_nomem(err);
		if (e == NULL && n_odd++ == 0)
			first = odd;
		if (e == NULL)
			continue;
		rc = event(arg, e, err);
		cart_json_free(e);
		if (rc < 0)
			return -1;
	} while (take(s, ','));
	if (!take(s, ']'))
		return bad(err);
	if (n_odd > 0)
		return cart_err_set(err, CART_ERR_INPUT, 0, "%zu of %zu events "
				    "cannot be read; the first: %s", n_odd, n,
				    first.text);
	return 0;
}

int cart_trail_records(const char *text, size_t len,
		       int (*event)(void *arg, const struct cart_json *e,
				    struct cart_err *err),
		       void *arg, struct cart_err *err)
{
	static const char records[] = "\"Records\"";
	struct scan s = { text, text + len };
	bool found = false, is;
	const char *key;

	if (!take(&s, '{'))
		return bad(err);
	do {
		blanks(&s);
		key = s.p;
		if (s.p == s.end || *s.p != '"' || !skip_string(&s))
			return bad(err);
		is = (size_t)(s.p - key) == sizeof(records) - 1 &&
			memcmp(key, records, sizeof(records) - 1) == 0;
		if (!take(&s, ':') || (is && found))
			return bad(err);
		if (is) {
			found = true;
			if (elements(&s, event, arg, err) < 0)
				return -1;
		} else if (!skip_value(&s)) {
			return bad(err);
		}
	} while (take(&s, ','));
	if (!take(&s, '}') || !found)
		return bad(err);
	blanks(&s);
	return s.p == s.end ? 0 : bad(err);
}

/* ---- filters ------------------------------------------------------------------ */

static bool is(const char *want, const char *have)
{
	return have != NULL && strcmp(want, have) == 0;
}

static bool principal_is(const struct cart_json *e, const char *want)
{
	const struct cart_json *u = cart_json_get(e, "userIdentity");
	const struct cart_json *i = cart_json_get(cart_json_get(
		u, "sessionContext"), "sessionIssuer");

	return is(want, cart_json_get_string(u, "arn")) ||
		is(want, cart_json_get_string(u, "principalId")) ||
		is(want, cart_json_get_string(u, "userName")) ||
		is(want, cart_json_get_string(u, "accountId")) ||
		is(want, cart_json_get_string(i, "arn")) ||
		is(want, cart_json_get_string(i, "principalId")) ||
		is(want, cart_json_get_string(i, "userName"));
}

/* Used by the key, or a session made with it. */
static bool key_is(const struct cart_json *e, const char *want)
{
	return is(want, cart_json_get_string(cart_json_get(e, "userIdentity"),
					     "accessKeyId")) ||
		is(want, cart_json_get_string(cart_json_get(cart_json_get(
			e, "responseElements"), "credentials"), "accessKeyId"));
}

static bool address_is(const struct cart_json *e, const char *want)
{
	return is(want, cart_json_get_string(e, "sourceIPAddress"));
}

static bool name_is(const struct cart_json *e, const char *want)
{
	return is(want, cart_json_get_string(e, "eventName"));
}

/* Any string below that is want: depth is bounded by the parser's. */
static bool holds(const struct cart_json *j, const char *want)
{
	const struct cart_json *m;

	if (is(want, cart_json_string(j)))
		return true;
	for (m = cart_json_first(j); m != NULL; m = cart_json_next(m)) {
		if (holds(m, want))
			return true;
	}
	return false;
}

static bool resource_is(const struct cart_json *e, const char *want)
{
	return holds(cart_json_get(e, "resources"), want) ||
		holds(cart_json_get(e, "requestParameters"), want) ||
		holds(cart_json_get(e, "responseElements"), want);
}

static bool any(const struct cart_json *with, const char *param,
		const struct cart_json *e,
		bool (*match)(const struct cart_json *e, const char *want))
{
	const struct cart_json *p = cart_json_get(with, param), *v;

	if (p == NULL)
		return true;
	if (cart_json_string(p) != NULL)
		return match(e, cart_json_string(p));
	for (v = cart_json_first(p); v != NULL; v = cart_json_next(v)) {
		if (cart_json_string(v) != NULL && match(e, cart_json_string(v)))
			return true;
	}
	return false;
}

bool cart_trail_passes(const struct cart_json *e, const struct cart_json *with,
		       int64_t start_ns, int64_t end_ns)
{
	const char *time = cart_json_get_string(e, "eventTime");
	int64_t t;

	if (time != NULL && cart_clock_parse(time, strlen(time), &t) == 0 &&
	    (t < start_ns || t > end_ns))
		return false;
	return any(with, "principal", e, principal_is) &&
		any(with, "access_key", e, key_is) &&
		any(with, "address", e, address_is) &&
		any(with, "event_name", e, name_is) &&
		any(with, "resource", e, resource_is);
}

/* ---- the line ------------------------------------------------------------------- */

static void member(struct cart_buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	cart_buf_adds(out, out->data[out->len - 1] == '{' ? "\"" : ",\"");
	cart_buf_adds(out, name);
	cart_buf_adds(out, "\":");
	cart_json_quote(value, strlen(value), out);
}

void cart_trail_index_line(const struct cart_json *e, const char *exhibit,
			   const char *path, struct cart_buf *out)
{
	const struct cart_json *u = cart_json_get(e, "userIdentity");
	const char *who = cart_json_get_string(u, "arn");

	if (who == NULL)
		who = cart_json_get_string(u, "principalId");
	if (who == NULL)
		who = cart_json_get_string(u, "userName");
	if (who == NULL)
		who = cart_json_get_string(u, "invokedBy");
	cart_buf_addc(out, '{');
	if (!cart_buf_ok(out))
		return;
	member(out, "time", cart_json_get_string(e, "eventTime"));
	member(out, "account", cart_json_get_string(e, "recipientAccountId"));
	member(out, "region", cart_json_get_string(e, "awsRegion"));
	member(out, "source", cart_json_get_string(e, "eventSource"));
	member(out, "name", cart_json_get_string(e, "eventName"));
	member(out, "type", cart_json_get_string(u, "type"));
	member(out, "principal", who);
	member(out, "access_key", cart_json_get_string(u, "accessKeyId"));
	member(out, "address", cart_json_get_string(e, "sourceIPAddress"));
	member(out, "error", cart_json_get_string(e, "errorCode"));
	member(out, "event_id", cart_json_get_string(e, "eventID"));
	member(out, "exhibit", exhibit);
	member(out, "path", path[0] != '\0' ? path : NULL);
	cart_buf_addc(out, '}');
}
