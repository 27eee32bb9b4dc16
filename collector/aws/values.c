/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>

#include "values.h"

#define SECOND_NS	1000000000LL
#define SECOND_US	1000000LL



/* What a count of nanoseconds can hold: 1677 to 2262. */
#define NS_MAX_S	9223372036.0

static int from_seconds(double s, int64_t *ret_ns)
{
	double whole = floor(s);
	int64_t us;

	if (!(s >= -NS_MAX_S && s <= NS_MAX_S))
		return -1;
	/* To the microsecond, half to even, as Python rounds it. */
	us = (int64_t)nearbyint((s - whole) * 1e6);
	*ret_ns = (int64_t)whole * SECOND_NS + us * 1000;
	return 0;
}

int cart_value_time_text(const char *s, size_t len, int64_t *ret_ns)
{
	struct cart_json *n;
	int rc;

	if (!cart_clock_parse(s, len, ret_ns) ||
	    !cart_clock_parse_http(s, len, ret_ns))
		return 0;
	n = cart_value_number(s, len, false);
	rc = n ? from_seconds(cart_json_number(n), ret_ns) : -1;
	cart_json_free(n);
	return rc;
}

int cart_value_time(const struct cart_json *v, int64_t *ret_ns)
{
	const char *s = cart_json_string(v);

	if (s)
		return cart_value_time_text(s, strlen(s), ret_ns);
	if (cart_json_type(v) == CART_JSON_NUMBER)
		return from_seconds(cart_json_number(v), ret_ns);
	return -1;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void cart_value_put_time(int64_t ns, enum cart_time_format format,
			 char out[CART_VALUE_TIME_SIZE])
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t us = floor_div(ns, 1000);
	int64_t s = floor_div(us, SECOND_US);
	char iso[CART_CLOCK_TEXT_SIZE];
	struct cart_json *n;
	struct cart_buf b;
	int day, month;

	us -= s * SECOND_US;
	switch (format) {
	case CART_TIME_UNIX:
		cart_buf_init(&b, CART_VALUE_TIME_SIZE - 1);
		if (us) {
			/* one rounding only: the sum is exact */
			n = cart_json_new_double((double)(s * SECOND_US + us) /
						 1e6);
			cart_json_print(n, 0, &b);
			cart_json_free(n);
		} else {
			cart_buf_addf(&b, "%lld", (long long)s);
		}
		snprintf(out, CART_VALUE_TIME_SIZE, "%s",
			 b.data ? (char *)b.data : "0");
		cart_buf_clear(&b);
		break;
	case CART_TIME_RFC822:
		cart_clock_text(s * SECOND_NS, 0, iso);
		day = (int)(floor_div(s, 86400) % 7);
		if (day < 0)
			day += 7;
		month = (iso[5] - '0') * 10 + iso[6] - '0';
		if (month < 1 || month > 12)
			month = 1;
		snprintf(out, CART_VALUE_TIME_SIZE,
			 "%.3s, %.2s %.3s %.4s %.8s GMT", days + day * 3,
			 iso + 8, months + (month - 1) * 3, iso, iso + 11);
		break;
	default:
		cart_clock_text(s * SECOND_NS + us * 1000, us ? 6 : 0, iso);
		snprintf(out, CART_VALUE_TIME_SIZE, "%s", iso);
		break;
	}
}

void cart_value_show_time(int64_t ns, char out[CART_VALUE_TIME_SIZE])
{
	size_t n;

	cart_value_put_time(ns, CART_TIME_ISO8601, out);
	n = strlen(out);
	if (n && n + 6 < CART_VALUE_TIME_SIZE)
		memcpy(out + n - 1, "+00:00", 7);
}

void cart_value_put_scalar(const struct cart_json *v, struct cart_buf *b)
{
	const char *s = cart_json_string(v);

	if (s)
		cart_buf_adds(b, s);
	else
		cart_json_print(v, 0, b);
}

bool cart_value_is_integer(const struct cart_json *v)
{
	struct cart_buf b;
	const char *s;
	bool yes;

	if (cart_json_type(v) != CART_JSON_NUMBER)
		return false;
	cart_buf_init(&b, 512);
	cart_json_print(v, 0, &b);
	s = (const char *)b.data;
	yes = cart_buf_ok(&b) && s && s[*s == '-'] &&
	      strspn(s + (*s == '-'), "0123456789") + (*s == '-') == b.len;
	cart_buf_clear(&b);
	return yes;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void cart_value_unescape(const char *s, size_t len, bool plus,
			 struct cart_buf *b)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (s[i] == '%' && len - i > 2 && hex(s[i + 1]) >= 0 &&
		    hex(s[i + 2]) >= 0) {
			cart_buf_addc(b, (char)(hex(s[i + 1]) << 4 |
						hex(s[i + 2])));
			i += 2;
		} else if (plus && s[i] == '+') {
			cart_buf_addc(b, ' ');
		} else {
			cart_buf_addc(b, s[i]);
		}
	}
}

struct cart_json *cart_value_number(const char *s, size_t len, bool integer)
{
	static const struct cart_json_limits limits = { .inexact = true };
	struct cart_json *j;
	int64_t v = 0;
	size_t i = 0;
	bool minus;

	/* The common case first: a few digits. */
	minus = len && s[0] == '-';
	if (len - minus > 0 && len - minus <= 15 &&
	    (s[minus] != '0' || len - minus == 1)) {
		for (i = minus; i < len && s[i] >= '0' && s[i] <= '9'; i++)
			v = v * 10 + (s[i] - '0');
		if (i == len && integer)
			return cart_json_new_int(minus ? -v : v);
		if (i == len)
			return cart_json_new_double((double)(minus ? -v : v));
	}
	j = cart_json_parse(s, len, &limits, NULL);
	if (!j || cart_json_type(j) != CART_JSON_NUMBER ||
	    (integer && !cart_value_is_integer(j))) {
		cart_json_free(j);
		return NULL;
	}
	return j;
}
