/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <crashcart/clock.h>

/*
 * Calendar arithmetic of our own: localtime and mktime of the C library read
 * files and variables of the host.
 */

#define NS_PER_S INT64_C(1000000000)

struct civil {
	int64_t year;
	unsigned month, day;
	unsigned hour, minute, second;
	uint32_t ns;
};

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		return -1;
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t cart_clock_utc_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t cart_clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t cart_clock_boot_ns(void)
{
	int64_t ns = read_clock(CLOCK_BOOTTIME);

	return ns >= 0 ? ns : cart_clock_mono_ns();
}

void cart_clock_sleep_ms(unsigned ms)
{
	struct timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 +
		      day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_of(int64_t utc_ns, struct civil *c)
{
	int64_t s = utc_ns / NS_PER_S, ns = utc_ns % NS_PER_S;
	int64_t days, sod, z, era, doe, yoe, doy, mp;

	if (ns < 0) {
		ns += NS_PER_S;
		s--;
	}
	days = s / 86400;
	sod = s % 86400;
	if (sod < 0) {
		sod += 86400;
		days--;
	}
	z = days + 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	c->day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	c->month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	c->year = yoe + era * 400 + (c->month <= 2 ? 1 : 0);
	c->hour = (unsigned)(sod / 3600);
	c->minute = (unsigned)(sod / 60 % 60);
	c->second = (unsigned)(sod % 60);
	c->ns = (uint32_t)ns;
}

static unsigned month_days(int64_t year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30,
					      31, 31, 30, 31, 30, 31 };

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/* Checks the fields and makes nanoseconds of them.  A leap second reads as
 * the first second of the next minute.  offset_s: seconds east of UTC. */
static int ns_of(const struct civil *c, int64_t offset_s, int64_t *ret)
{
	int64_t s, ns;

	if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 ||
	    c->day < 1 || c->day > month_days(c->year, c->month) ||
	    c->hour > 23 || c->minute > 59 || c->second > 60)
		return -1;
	s = days_of(c->year, c->month, c->day) * 86400 +
	    (int64_t)c->hour * 3600 + (int64_t)c->minute * 60 + c->second -
	    offset_s;
	if (__builtin_mul_overflow(s, NS_PER_S, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)c->ns, &ns))
		return -1;
	*ret = ns;
	return 0;
}

/* Decimal, with leading zeros; four of them stand in the line of each file. */
static char *put_digits(char *p, uint32_t v, unsigned digits)
{
	unsigned i;

	for (i = digits; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + digits;
}

void cart_clock_text(int64_t utc_ns, unsigned digits,
		     char out[CART_CLOCK_TEXT_SIZE])
{
	struct civil c;
	uint32_t frac;
	unsigned i;
	char *p;

	civil_of(utc_ns, &c);
	p = put_digits(out, (unsigned)c.year % 10000, 4);
	*p++ = '-';
	p = put_digits(p, c.month, 2);
	*p++ = '-';
	p = put_digits(p, c.day, 2);
	*p++ = 'T';
	p = put_digits(p, c.hour, 2);
	*p++ = ':';
	p = put_digits(p, c.minute, 2);
	*p++ = ':';
	p = put_digits(p, c.second, 2);
	if (digits > 9)
		digits = 9;
	if (digits > 0) {
		frac = c.ns;
		for (i = digits; i < 9; i++)
			frac /= 10;
		*p++ = '.';
		p = put_digits(p, frac, digits);
	}
	*p++ = 'Z';
	*p = '\0';
}

void cart_clock_compact(int64_t utc_ns, char out[CART_CLOCK_TEXT_SIZE])
{
	struct civil c;
	char *p;

	civil_of(utc_ns, &c);
	p = put_digits(out, (unsigned)c.year % 10000, 4);
	p = put_digits(p, c.month, 2);
	p = put_digits(p, c.day, 2);
	*p++ = 'T';
	p = put_digits(p, c.hour, 2);
	p = put_digits(p, c.minute, 2);
	p = put_digits(p, c.second, 2);
	*p++ = 'Z';
	*p = '\0';
}

/* A cursor over the text that is being read. */
struct cursor {
	const char *p, *end;
};

static bool eat(struct cursor *c, char ch)
{
	if (c->p == c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

static bool eat_text(struct cursor *c, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(c->end - c->p) < len || memcmp(c->p, text, len) != 0)
		return false;
	c->p += len;
	return true;
}

/* Exactly n digits. */
static bool eat_digits(struct cursor *c, unsigned n, unsigned *ret)
{
	unsigned v = 0;

	if ((size_t)(c->end - c->p) < n)
		return false;
	for (; n > 0; n--, c->p++) {
		if (*c->p < '0' || *c->p > '9')
			return false;
		v = v * 10 + (unsigned)(*c->p - '0');
	}
	*ret = v;
	return true;
}

static bool at_digit(const struct cursor *c)
{
	return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

static bool eat_fraction(struct cursor *c, uint32_t *ret_ns)
{
	uint32_t ns = 0, scale = 100000000;

	if (!at_digit(c))
		return false;
	for (; at_digit(c); c->p++) {
		ns += (uint32_t)(*c->p - '0') * scale;
		scale /= 10;
	}
	*ret_ns = ns;
	return true;
}

/* Z, nothing (read as UTC), or an offset: +HH, +HHMM, +HH:MM. */
static bool eat_zone(struct cursor *c, int64_t *ret_offset_s)
{
	unsigned h, m = 0;
	bool west;

	*ret_offset_s = 0;
	if (c->p == c->end || eat(c, 'Z') || eat(c, 'z'))
		return true;
	west = *c->p == '-';
	if (!eat(c, '+') && !eat(c, '-'))
		return false;
	if (!eat_digits(c, 2, &h))
		return false;
	if (c->p < c->end) {
		eat(c, ':');
		if (!eat_digits(c, 2, &m))
			return false;
	}
	if (h > 23 || m > 59)
		return false;
	*ret_offset_s = (int64_t)(h * 3600 + m * 60) * (west ? -1 : 1);
	return true;
}

int cart_clock_parse(const char *s, size_t len, int64_t *ret_utc_ns)
{
	struct cursor c = { s, s + len };
	struct civil t = { 0 };
	int64_t offset_s = 0;
	unsigned year;
	bool dashes, colons;

	if (!eat_digits(&c, 4, &year))
		return -1;
	t.year = year;
	dashes = eat(&c, '-');
	if (!eat_digits(&c, 2, &t.month) || eat(&c, '-') != dashes ||
	    !eat_digits(&c, 2, &t.day))
		return -1;
	if (c.p < c.end) {
		if (!eat(&c, 'T') && !eat(&c, 't') && !eat(&c, ' '))
			return -1;
		if (!eat_digits(&c, 2, &t.hour))
			return -1;
		colons = eat(&c, ':');
		if (!eat_digits(&c, 2, &t.minute))
			return -1;
		if (colons ? eat(&c, ':') : at_digit(&c)) {
			if (!eat_digits(&c, 2, &t.second))
				return -1;
			if (eat(&c, '.') && !eat_fraction(&c, &t.ns))
				return -1;
		}
		if (!eat_zone(&c, &offset_s))
			return -1;
	}
	if (c.p != c.end)
		return -1;
	return ns_of(&t, offset_s, ret_utc_ns);
}

static const char *const month_names[] = { "Jan", "Feb", "Mar", "Apr",
					   "May", "Jun", "Jul", "Aug",
					   "Sep", "Oct", "Nov", "Dec" };
static const char *const day_names[] = { "Mon", "Tue", "Wed", "Thu",
					 "Fri", "Sat", "Sun" };
static const char *const day_tails[] = { "day",	  "sday", "nesday", "rsday",
					 "day", "urday", "day" };

static bool eat_month(struct cursor *c, unsigned *ret)
{
	unsigned i;

	for (i = 0; i < 12; i++) {
		if (eat_text(c, month_names[i])) {
			*ret = i + 1;
			return true;
		}
	}
	return false;
}

static bool eat_time(struct cursor *c, struct civil *t)
{
	return eat_digits(c, 2, &t->hour) && eat(c, ':') &&
	       eat_digits(c, 2, &t->minute) && eat(c, ':') &&
	       eat_digits(c, 2, &t->second);
}

int cart_clock_parse_http(const char *s, size_t len, int64_t *ret_utc_ns)
{
	struct cursor c = { s, s + len };
	struct civil t = { 0 };
	unsigned year, i;

	for (i = 0; i < 7 && !eat_text(&c, day_names[i]); i++)
		;
	if (i == 7)
		return -1;
	if (eat_text(&c, ", ")) {			/* IMF-fixdate */
		if (!eat_digits(&c, 2, &t.day) || !eat(&c, ' ') ||
		    !eat_month(&c, &t.month) || !eat(&c, ' ') ||
		    !eat_digits(&c, 4, &year) || !eat(&c, ' ') ||
		    !eat_time(&c, &t) || !eat_text(&c, " GMT"))
			return -1;
	} else if (eat(&c, ' ')) {			/* asctime */
		if (!eat_month(&c, &t.month) || !eat(&c, ' '))
			return -1;
		if (!eat_digits(&c, eat(&c, ' ') ? 1 : 2, &t.day) ||
		    !eat(&c, ' ') || !eat_time(&c, &t) || !eat(&c, ' ') ||
		    !eat_digits(&c, 4, &year))
			return -1;
	} else {					/* RFC 850 */
		if (!eat_text(&c, day_tails[i]) || !eat_text(&c, ", ") ||
		    !eat_digits(&c, 2, &t.day) || !eat(&c, '-') ||
		    !eat_month(&c, &t.month) || !eat(&c, '-') ||
		    !eat_digits(&c, 2, &year) || !eat(&c, ' ') ||
		    !eat_time(&c, &t) || !eat_text(&c, " GMT"))
			return -1;
		year += year < 77 ? 2000 : 1900;
	}
	if (c.p != c.end)
		return -1;
	t.year = year;
	return ns_of(&t, 0, ret_utc_ns);
}
